from typing import Any

import numpy as np
import pytest

from nnguide.plots.curves import accuracy_fan, draw_curves, label_fitting
from nnguide.plots.style import figure

REFERENCES = {"Nielsen, 50,000 digits": 0.9542, "expected, 4,000 digits": 0.904}


def _accuracies(seeds, epochs, seed=0):
    random = np.random.default_rng(seed)
    rise = 0.904 - 0.2 * np.exp(-np.arange(epochs) / 3)
    return (rise + 0.01 * random.normal(size=(seeds, 1))).astype(np.float32)


def _words(figure):
    return " ".join(figure.texts[0].get_text().split())


@pytest.mark.smoke
@pytest.mark.parametrize("seeds", [2, 12, 300])
def test_the_fan_shows_every_seed_and_names_the_references(seeds, check_readable):
    accuracies = _accuracies(seeds, 30)
    drawing = accuracy_fan("light", np.arange(1, 31), accuracies, REFERENCES)
    check_readable(drawing)
    median = float(np.median(accuracies[:, -1]))
    assert _words(drawing) == (
        f"The median of {seeds} networks reads {median:.1%} of the test images after "
        "30 epochs"
    )
    fan, dots = drawing.axes
    named = [text.get_text() for text in fan.texts]
    assert "Nielsen, 50,000 digits\n95.42%" in named
    assert "expected, 4,000 digits\n90.40%" in named
    places = np.asarray(dots.collections[0].get_offsets())
    assert len({tuple(place) for place in places}) == seeds
    low, high = dots.get_ylim()
    assert low < places[:, 1].max() < 0.75 * high


@pytest.mark.parametrize(("seeds", "epochs"), [(1, 30), (1, 1), (3, 1), (3, 2)])
@pytest.mark.parametrize("references", [{}, REFERENCES])
def test_few_seeds_and_few_epochs_are_drawn(seeds, epochs, references, check_readable):
    accuracies = _accuracies(seeds, epochs)
    drawing = accuracy_fan("dark", np.arange(1, epochs + 1), accuracies, references)
    check_readable(drawing)
    assert len(drawing.axes) == (1 if seeds == 1 else 2)
    assert ("30 epochs" if epochs == 30 else f"{epochs} epoch") in _words(drawing)


def test_seeds_that_end_alike_are_stacked(check_readable):
    same = np.full((5, 3), 0.5)
    drawing = accuracy_fan("light", np.arange(1, 4), same, {})
    check_readable(drawing)
    heights = np.asarray(drawing.axes[1].collections[0].get_offsets())[:, 1]
    np.testing.assert_allclose(sorted(heights), np.arange(5) + 0.5)


def _dashes(lines: Any) -> int:
    """How many line styles there are."""
    return len({str(line._dash_pattern) for line in lines})


def _fits(epochs, first, length=None):
    """A curve from `first` that reaches 99% at this epoch."""
    curve = np.linspace(first, 0.99, epochs)
    return curve if length is None else curve[:length]


def test_random_labels_take_as_many_times_the_epochs(check_readable):
    drawing = label_fitting(
        "dark",
        {
            "true labels": _fits(12, 0.84),
            "random labels": _fits(53, 0.16),
            "one pixel shuffle for all": _fits(10, 0.8),
            "a pixel shuffle an image": _fits(8, 0.7),
            "Gaussian images": _fits(8, 0.5),
        },
    )
    check_readable(drawing)
    assert _words(drawing) == (
        "The network fits random labels too, in 4.4 times the epochs that true labels "
        "take: 53 against 12"
    )
    assert "84% of the true labels, 16% of the random" in drawing.texts[1].get_text()
    rows = [text.get_text() for text in drawing.axes[1].texts]
    assert rows[:3] == [
        "12 epochs",
        "53 epochs, 4.4 times as many",
        "10 epochs, 0.8 times as many",
    ]
    assert _dashes(drawing.axes[1].lines[::2]) == 5


def test_labels_that_are_never_fitted_are_said_to_be_so(check_readable):
    curves = {"true labels": _fits(12, 0.84), "random labels": np.full(600, 0.75)}
    drawing = label_fitting("light", curves)
    check_readable(drawing)
    assert _words(drawing) == (
        "The network fits 75% of the random labels in 600 epochs, 99% of the true "
        "labels in 12"
    )
    assert drawing.axes[1].texts[1].get_text() == "not in 600 epochs"


@pytest.mark.parametrize(("true", "other"), [(1, 1), (1, 2), (5, 6), (6, 2)])
def test_names_of_curves_that_end_close_by_do_not_touch(true, other, check_readable):
    curves = {"true labels": np.full(true, 0.5), "random labels": np.full(other, 0.2)}
    for curve in curves.values():
        curve[-1] = 1.0
    check_readable(label_fitting("light", curves))


def test_curves_differ_in_dashes_and_are_named_at_their_ends(check_readable):
    drawing, axes = figure("light", 8, 4)
    axes.set(xscale="log", yscale="log", xlim=(1e-8, 1e-1), ylim=(1e-10, 1))
    h = np.logspace(-8, -1, 8)
    curves = {f"curve {n}": (h, 10.0**-n * h**2) for n in range(1, 6)}
    draw_curves(axes, curves, marker="o")
    check_readable(drawing)
    assert [text.get_text() for text in axes.texts] == [
        f"curve {n}" for n in range(5, 0, -1)
    ]
    assert len({line.get_color() for line in axes.lines}) == 5
    assert _dashes(axes.lines) == 5
