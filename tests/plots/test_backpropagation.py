from typing import Any

import numpy as np
import pytest

from nnguide.plots.backpropagation import output_desires, raise_a_neuron

NAMES = [str(number) for number in range(10)]


@pytest.mark.smoke
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_arrows_of_desire_end_where_the_output_should_be(theme, check_readable):
    outputs = np.linspace(0.1, 0.9, 10)
    desires = 2 * ((np.arange(10) == 2) - outputs)
    figure = output_desires(theme, np.eye(28), outputs, desires, NAMES, 2)
    check_readable(figure)
    finding, _ = (" ".join(text.get_text().split()) for text in figure.texts)
    assert finding == (
        'This "2" asks its own output to rise (+1.44) and all 9 others to fall (-0.20 '
        "to -1.80)"
    )
    texts: list[Any] = list(figure.axes[1].texts)
    arrows = [text for text in texts if text.get_text() == ""]
    ends = [arrow.xy[1] for arrow in arrows]
    np.testing.assert_allclose(ends, np.arange(10) == 2, atol=1e-12)


@pytest.mark.parametrize(("theme", "neurons"), [("light", 16), ("dark", 7)])
def test_the_best_of_three_ways_is_named(theme, neurons, check_readable):
    a_before = np.linspace(0.1, 0.9, neurons)
    weights = np.linspace(-0.4, 0.4, neurons)
    rises = {
        "bias": (2e-4, 2.001e-4),
        "weights": (5e-4, 5e-4),
        "activations": (1e-4, 1e-4),
    }
    figure = raise_a_neuron(theme, a_before, weights, rises, 1e-3, "2")
    check_readable(figure)
    finding, note = (" ".join(text.get_text().split()) for text in figure.texts)
    assert "of its weights bring 2.5 times as much as one of its bias" in finding
    assert "to 0.05%" in note
