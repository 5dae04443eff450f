"""Pictures of gradients, steps and batch sizes from made-up numbers."""

from typing import NamedTuple

import numpy as np
import pytest

from nnguide.plots.descent import (
    batch_sizes,
    equal_steps,
    gradient_column,
    single_weights,
)


def words_of(figure):
    """Finding and note of a figure, line breaks undone."""
    return [" ".join(text.get_text().split()) for text in figure.texts]


def gradients(networks=3, parameters=13_002):
    random = np.random.default_rng(0)
    size = np.geomspace(0.25, 1e-7, parameters).astype(np.float32)
    drawn = size * random.choice([-1, 1], (networks, parameters)).astype(np.float32)
    drawn[:, -50:] = 0
    return drawn


@pytest.mark.smoke
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_gradient_column_says_who_holds_it(theme, check_readable):
    figure = gradient_column(theme, gradients(), np.array([119, 136, 192]), 0.93)
    check_readable(figure)
    finding, note = words_of(figure)
    assert finding.startswith("136 of 13,002 weights and biases hold 90%")
    assert "the output layer alone holds 93%" in note
    column = [text.get_text() for text in figure.axes[0].texts]
    assert "50 are 0: their pixel never lights" in column
    assert column.count("0") == 2


def test_the_largest_components_come_first_and_are_coloured_by_sign():
    drawn = gradients()
    drawn[0, [5000, 7000]] = 0.5, -0.75  # anywhere in the vector
    figure = gradient_column("light", drawn, np.array([1, 2, 3]), 0.5)
    numbers = [t.get_text() for t in figure.axes[0].texts if "0." in t.get_text()]
    assert numbers[:2] == ["−0.75", "+0.5"]  # noqa: RUF001  as it is printed
    bars = figure.axes[0].patches
    assert bars[0].get_width() < 0 < bars[1].get_width()
    assert bars[0].get_facecolor() != bars[1].get_facecolor()


def test_the_correlation_is_not_rounded_up(check_readable):
    predicted = np.random.default_rng(0).normal(size=1000) ** 3 * 1e-5
    predicted[:100] = 0
    figure = single_weights("light", predicted, predicted * 1.0001 + 1e-9, 0.01)
    check_readable(figure)
    finding, note = words_of(figure)
    assert "correlation 0.99999 over 1,000 weights" in finding
    assert "raised by 0.01" in note
    assert "100 of the weights belong to pixels" in note


class Changes(NamedTuple):
    steepest: np.ndarray
    signs: np.ndarray
    random: np.ndarray


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_equal_steps_are_compared_for_each_unit_of_length(theme, check_readable):
    steps = {
        length: Changes(
            np.full(4, -1.5 * length),
            np.full(4, -0.5 * length),
            np.linspace(-0.03, 0.03, 32).reshape(4, 8) * length,
        )
        for length in (0.01, 0.1)
    }
    figure = equal_steps(theme, steps)
    check_readable(figure)
    finding, _ = words_of(figure)
    assert "3.0 times as much as one along its signs, 50 times as much" in finding
    heights = [[bar.get_height() for bar in axes.patches] for axes in figure.axes]
    np.testing.assert_allclose(heights[0], heights[1], atol=1e-9)


@pytest.mark.smoke
def test_batch_sizes_are_drawn_over_steps_and_over_examples(check_readable):
    rise = np.linspace(0.1, 1, 30)
    accuracies = {
        4000: 0.3 * rise * np.ones((4, 1)),
        100: 0.9 * np.sqrt(rise) * np.linspace(0.98, 1.02, 4)[:, None],
        10: 0.91 * rise**0.1 * np.ones((4, 1)),
    }
    figure = batch_sizes("light", accuracies, 4000)
    check_readable(figure)
    finding, _ = words_of(figure)
    assert finding == (
        "30 passes over 4,000 digits: 30.0% in 30 full steps, 90.0% in 1,200 steps on "
        "batches of 100 and 91.0% in 12,000 steps on batches of 10"
    )
    ends = [[line.get_xdata()[-1] for line in axes.lines[:3]] for axes in figure.axes]
    assert ends == [[30, 1200, 12_000], [120_000] * 3]
