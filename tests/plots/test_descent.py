"""Pictures of gradients and of steps along them from made-up numbers."""

from typing import NamedTuple

import numpy as np
import pytest

from nnguide.plots.descent import equal_steps, gradient_column, single_weights


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
    first, second, *_ = figure.axes[0].patches
    assert first.get_window_extent().x0 < second.get_window_extent().x0
    assert first.get_facecolor() != second.get_facecolor()


def test_the_correlation_is_not_rounded_up(check_readable):
    predicted = np.random.default_rng(0).normal(size=1000) ** 3 * 1e-5
    predicted[:100] = 0
    actual = predicted + predicted.std() * np.resize([3e-3, -3e-3], 1000)
    assert 0.999995 < np.corrcoef(predicted, actual)[0, 1] < 1
    figure = single_weights("light", predicted, actual, 0.01)
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
    short, long = figure.axes
    assert [text.get_text() for text in short.texts[:2]] == ["1.5", "0.5"]
    assert [text.get_text() for text in long.texts[:2]] == ["1.5", "0.5"]
    assert short.get_ylim() == long.get_ylim()
