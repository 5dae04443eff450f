"""Pictures of saturated neurons, steep sigmoids and dead ReLUs from made-up numbers."""

import numpy as np
import pytest

from nnguide.plots.slow_learning import (
    dead_neurons,
    saturated_neuron,
    steepness,
    weighted_sums,
)


def words_of(figure):
    """Finding and note of a figure, line breaks undone."""
    return [" ".join(text.get_text().split()) for text in figure.texts]


def test_the_saturated_neuron_is_told_from_its_worst_start(check_readable):
    steps = np.arange(301)
    outputs = {
        ("a fair start", "squared error"): 0.8 * np.exp(-steps / 100),
        ("a fair start", "cross-entropy"): 0.8 * np.exp(-steps / 30),
        ("a bad start", "squared error"): np.where(steps < 200, 0.95, 0.2),
        ("a bad start", "cross-entropy"): 0.98 * np.exp(-steps / 40),
    }
    figure = saturated_neuron("light", outputs)
    check_readable(figure)
    finding, _ = words_of(figure)
    assert finding == (
        "150 steps from a bad start the neuron still says 0.95 under the squared "
        "error, but 0.02 under the cross-entropy"
    )
    panels = [axes.get_ylim() for axes in figure.axes]
    assert panels[0] == panels[1]


@pytest.mark.smoke
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_weighted_sums_on_the_flat_parts_are_counted(theme, check_readable):
    drawn = np.random.default_rng(0).normal(size=(2, 1000, 16))
    figure = weighted_sums(theme, {"normal": 9 * drawn, "scaled": drawn / 3}, 4.0)
    check_readable(figure)
    finding, note = words_of(figure)
    flat = (np.abs(9 * drawn) > 4).mean()
    assert finding.startswith(f"With weights N(0, 1) {flat:.0%} of the weighted sums")
    assert finding.endswith("divided by the root of the inputs, 0%")
    assert note.startswith("2 untrained networks")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_accuracy_falls_to_that_of_a_step(theme, check_readable):
    mean = np.array([0.88, 0.91, 0.87, 0.69, 0.3, 0.12])
    figure = steepness(
        theme,
        np.array([1.0, 2.0, 5.0, 10.0, 20.0, 100.0]),
        mean[:, None] + np.linspace(-0.02, 0.02, 4),
        np.array([0.07, 0.11]),
    )
    check_readable(figure)
    finding, _ = words_of(figure)
    assert finding.endswith("88% at k = 1, 12% at k = 100, 9% with a step")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_dead_neurons_are_told_at_the_best_and_at_the_highest_rate(
    theme, check_readable
):
    rates = np.array([0.01, 0.1, 0.3, 1.0, 3.0])
    share = np.array([0.02, 0.03, 0.01, 0.76, 0.91])
    accuracy = np.array([0.6, 0.88, 0.91, 0.2, 0.1])
    spread = np.linspace(-0.01, 0.01, 5)
    relu = share[:, None] + spread, accuracy[:, None] + spread
    leaky = share[:4, None] / 2 + spread, accuracy[:4, None] + spread
    figure = dead_neurons(
        theme,
        {"ReLU": rates, "leaky ReLU": rates[:4]},
        {"ReLU": relu[0], "leaky ReLU": leaky[0]},
        {"ReLU": relu[1], "leaky ReLU": leaky[1]},
    )
    check_readable(figure)
    finding, note = words_of(figure)
    assert finding == (
        "1% of the ReLU neurons are dead after training at the rate 0.3, 91% at 3"
    )
    assert "at rates above 1 it diverges" in note
    labels = [text.get_text() for text in figure.axes[0].texts]
    assert {"ReLU 76%", "leaky ReLU 38%"} <= set(labels)
