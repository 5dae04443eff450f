from typing import Any

import numpy as np
import pytest

from nnguide.plots.activation_functions import activation_functions

Z = np.linspace(-6, 6, 121)
FUNCTIONS = {"sigmoid": 1 / (1 + np.exp(-Z)), "ReLU": np.maximum(Z, 0)}


@pytest.mark.smoke
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_share_outside_the_band_is_computed(theme, check_readable):
    measured = {
        "sigmoid": np.linspace(0, 1, 1000),
        "ReLU": np.concatenate([np.zeros(600), np.linspace(1.5, 4.2, 400)]),
    }
    figure = activation_functions(theme, Z, FUNCTIONS, measured)
    check_readable(figure)
    assert " ".join(figure.texts[0].get_text().split()) == (
        "With ReLU, 40% of the hidden activations on real images lie outside 0 and 1, "
        "the largest at 4.2"
    )
    _, *histograms = figure.axes
    titles = [axes.texts[0].get_text() for axes in histograms]
    assert titles == ["sigmoid: 0% outside, up to 1", "ReLU: 40% outside, up to 4.2"]
    assert histograms[0].get_xlim() == histograms[1].get_xlim()
    assert histograms[0].get_ylim() == histograms[1].get_ylim()
    panels: list[Any] = histograms
    for axes, outside in zip(panels, (0.0, 0.4), strict=True):
        inner, outer = (steps.get_data().values.sum() for steps in axes.patches[1:])
        assert inner == pytest.approx(1 - outside, abs=0.01)
        assert outer == pytest.approx(outside, abs=0.01)


def test_leaky_activations_below_zero_lie_outside(check_readable):
    a = np.concatenate([np.full(30, -0.02), np.full(70, 0.5)])
    functions = {"leaky ReLU": np.where(Z > 0, Z, 0.01 * Z)}
    figure = activation_functions("light", Z, functions, {"leaky ReLU": a})
    check_readable(figure)
    assert figure.texts[0].get_text().startswith("With leaky ReLU, 30% of")


def test_one_far_activation_does_not_squash_the_rest(check_readable):
    a = np.concatenate([np.linspace(0, 2, 9999), [500.0]])
    figure = activation_functions("light", Z, FUNCTIONS, {"ReLU": a})
    check_readable(figure)
    assert figure.axes[1].get_xlim()[1] < 4
    assert "up to 5e+02" in figure.axes[1].texts[0].get_text()
