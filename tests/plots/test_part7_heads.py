"""The pictures of part 7's mask, head ablation and induction heads."""

from typing import Any

import numpy as np
import pytest

from nnguide.plots.head_ablation import head_ablation
from nnguide.plots.induction import draw_pattern, heads_removed, layers_and_tasks
from nnguide.plots.induction import patterns as draw_patterns
from nnguide.plots.mask import with_and_without
from nnguide.plots.style import figure


def finding(drawing) -> str:
    return " ".join(drawing.texts[0].get_text().split())


@pytest.mark.smoke
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_mask_s_price_and_worth(theme, check_readable):
    places = np.full(64, 2.0)
    losses = {
        "with the mask": places,
        "without the mask": np.append(np.zeros(63), 3.2),
        "without it, writing": np.linspace(9, 3.2, 64),
    }
    texts = np.linspace(1, 3, 64)
    names = ("the text itself", "with the mask", "a bigram model", "without the mask")
    surprises = {name: texts + number for number, name in enumerate(names)}
    excerpts = {name: "x$" * 48 for name in names}
    drawing = with_and_without(theme, losses, 2.5, surprises, excerpts)
    check_readable(drawing)
    assert "the loss is 0.05 instead of 2.00, and 6.1 when it has" in finding(drawing)
    medians = [np.asarray(line.get_xdata())[0] for line in drawing.axes[1].lines]
    np.testing.assert_allclose(medians, [2, 3, 4, 5])
    shown = [text.get_text() for text in drawing.axes[2].texts]
    assert shown.count("x$" * 42) == 4  # cut to the width, and no formula


@pytest.mark.smoke
def test_heads_are_a_table_of_what_they_cost(check_readable):
    parts = np.array([-0.01, 0.0, 0.01])
    single = np.arange(8.0).reshape(2, 4, 1) / 10 + parts
    layer, every = np.array([[0.9], [2.2]]) + parts, np.full(3, 2.5)
    drawing = head_ablation("light", single, layer, every)
    check_readable(drawing)
    assert finding(drawing) == (
        "3 of 8 heads are worth less than a tenth of what all are, 2.50 nats; the best "
        "is worth 0.70"
    )
    left, right = drawing.axes
    assert left.texts[5].get_text() == "+0.500\n± 0.010"
    assert right.texts[1].get_text() == "+2.200\n± 0.010"
    assert left.images[0].get_clim() == right.images[0].get_clim() == (0, 2.2)


def test_one_layer_and_two_on_both_tasks(check_readable):
    def rise(count: int, end: float):
        return np.arange(50, 50 * count + 1, 50), np.linspace(0.02, end, count)

    curves = {
        "random": {1: rise(20, 0.12), 2: rise(8, 0.999)},
        "fixed": {1: rise(4, 1.0), 2: rise(4, 1.0)},
    }
    drawing = layers_and_tasks("light", curves, 0.07)
    check_readable(drawing)
    assert finding(drawing) == (
        "Copying what came after the last time: one layer gets 12% right, two get "
        "100%. The popular task hides it: one layer gets 100%"
    )
    assert drawing.axes[0].get_ylim() == drawing.axes[1].get_ylim()


def test_a_pattern_is_drawn_with_its_places_counted_from_one():
    _, axes = figure("light", 6, 6)
    pattern = np.tril(np.full((64, 64), 0.5))
    draw_pattern(axes, pattern)
    (image,) = axes.images
    np.testing.assert_array_equal(image.get_array(), pattern)
    assert image.get_clim() == (0, 1)
    assert image.get_extent() == [0.5, 64.5, 64.5, 0.5]


def test_the_four_patterns_are_readable(check_readable):
    pattern = np.eye(64)
    drawing = draw_patterns(
        "dark", writes=pattern, copies=pattern, shortcut=pattern,
        shortcut_elsewhere=pattern, score=0.96, elsewhere=0.07,
    )  # fmt: skip
    check_readable(drawing)
    assert "an induction score of 0.96, and 7% right" in finding(drawing)


def test_heads_removed_one_by_one(check_readable):
    before = np.array([[0.9, 0.8, 0.85, 0.7], [0.1, 0.1, 0.12, 0.1]])
    induction = np.array([[0.03, 0.04, 0.03, 0.03], [0.95, 0.96, 0.97, 0.94]])
    losses = np.array([0.01, 0.16, 1.96, 5.23, 8.28])
    drawing = heads_removed("light", before, induction, losses, 3.11, np.log(64))
    check_readable(drawing)
    assert finding(drawing) == (
        "One previous-token head removed costs 0.15 nats, all 4 cost 8.3: they stand "
        "in for each other"
    )
    bars: list[Any] = list(drawing.axes[1].patches)
    heights = [bar.get_height() for bar in bars]
    np.testing.assert_allclose(heights, losses)
