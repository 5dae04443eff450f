"""Part 6: sums of words, where they end and where the word expected is."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from nnguide.plots.lettering import label, percent, title
from nnguide.plots.style import (
    LABEL,
    TICK,
    Axes,
    Figure,
    Number,
    Theme,
    figure,
    palette_of,
)

_VIEW = np.array([[1.0, 0.0], [0.3, 0.62], [0.0, 1.0]])  # of the ground, from above


class Drawn(NamedTuple):
    """An analogy to be drawn: a is to b as c is to d.

    Attributes:
      words: a, c, b and d.
      places: of their vectors, in three dimensions that hold all four: a is the origin,
        c on the first axis, b on the ground.
      ranks: of d, with a, b and c as candidates and without them.
      cosine: of d with b - a + c.
    """

    words: Sequence[str]
    places: Float[np.ndarray, "4 3"]
    ranks: tuple[int, int]
    cosine: float


def parallelograms(theme: Theme, drawn: Sequence[Drawn]) -> Figure:
    """Draws sums of word vectors with the end they predict and the true one.

    Args:
      theme: of the picture.
      drawn: one to three analogies.

    Returns:
      The figure: a panel each, all on one scale.
    """
    drawing, panels = figure(theme, 12, 5.2, ncols=len(drawn), squeeze=False)
    ends = [np.concatenate([each.places, _predicted(each)[None]]) for each in drawn]
    flat = [each @ _VIEW for each in ends]
    middles = [(each.max(axis=0) + each.min(axis=0)) / 2 for each in flat]
    reach = np.max([np.ptp(each, axis=0) for each in flat], axis=0) / 2
    for axes, each, middle in zip(panels[0], drawn, middles, strict=True):
        axes.set_axis_off()
        axes.set(aspect="equal")
        axes.set_xlim(middle[0] - 1.35 * reach[0], middle[0] + 1.35 * reach[0])
        axes.set_ylim(middle[1] - 1.2 * reach[1], middle[1] + 1.25 * reach[1])
        _draw_sum(axes, each)
        allowed, excluded = each.ranks
        a, c, b, d = each.words
        title(
            axes, f"{b} - {a} + {c}",
            f"{d} is number {allowed:,}, without the three inputs {excluded:,}; "
            f"cosine {each.cosine:.2f}",
        )  # fmt: skip
    ranks = ", ".join(f"{each.words[3]} {each.ranks[0]:,}" for each in drawn)
    without = ", ".join(f"{each.ranks[1]:,}" for each in drawn)
    title(
        drawing,
        f"Ranks by nearness to the sum: {ranks}; of other words {without}",
        "Four vectors span three dimensions, so distances here are the true ones, on "
        "one scale. The ground holds the sum; the true word stands above it.",
    )
    return drawing


def _predicted(each: Drawn) -> np.ndarray:
    return each.places[1] + each.places[2] - each.places[0]


def _draw_sum(axes: Axes, each: Drawn) -> None:
    colours = palette_of(axes)
    predicted = _predicted(each)
    a, c, b, d, end = np.concatenate([each.places, predicted[None]]) @ _VIEW
    foot = (each.places[3] * np.array([1, 1, 0])) @ _VIEW
    axes.fill(*np.array([a, c, end, b]).T, color=colours.faint, alpha=0.45, lw=0)
    axes.plot(*np.array([foot, d]).T, color=colours.neutral, lw=1.1, ls=(0, (1, 1.5)))
    axes.plot(*np.array([end, d]).T, color=colours.negative, lw=1.8, ls=(0, (4, 2)))
    _arrow(axes, a, c, colours.positive, solid=True)
    _arrow(axes, b, end, colours.positive, solid=False)
    _arrow(axes, b, d, colours.accent, solid=True)
    dots = {"zorder": 4, "markersize": 7, "linestyle": ""}
    for place in (a, c, b):
        axes.plot(*place, marker="o", color=colours.ink, **dots)
    hollow = {"markerfacecolor": colours.ground, "markeredgecolor": colours.positive}
    axes.plot(*end, marker="o", markeredgewidth=1.8, **hollow, **dots)
    axes.plot(*d, marker="D", color=colours.accent, **dots)
    gap = float(np.linalg.norm(predicted - each.places[3]))
    below = {"va": "top", "ha": "center", "offset": (0, -9), "size": LABEL}
    above = {"va": "bottom", "ha": "center", "offset": (0, 10), "size": LABEL}
    left = {"ha": "right", "offset": (-9, 0), "size": LABEL}
    of_sum = {**below, "size": TICK, "color": colours.positive}
    of_word = {**above, "color": colours.accent, "weight": "bold"}
    said = f"the sum,\n{gap:.1f} away"
    names = (*each.words, said)
    looks = (below, below, left, of_word, of_sum)
    for place, name, look in zip((a, c, b, d, end), names, looks, strict=True):
        label(axes, place[0], place[1], name, **look)


def _arrow(
    axes: Axes, start: np.ndarray, end: np.ndarray, colour: str, solid: bool
) -> None:
    axes.annotate(
        "", (float(end[0]), float(end[1])), (float(start[0]), float(start[1])),
        zorder=3,
        arrowprops={"arrowstyle": "-|>", "lw": 2.2, "color": colour,
                    "linestyle": "-" if solid else (0, (3, 2)), "shrinkA": 4,
                    "shrinkB": 5, "mutation_scale": 15},
    )  # fmt: skip


def accuracy_by_section(
    theme: Theme,
    shares: Mapping[str, Float[np.ndarray, "2"]],
    every: Float[np.ndarray, "2"],
    questions: Number,
    words: Number,
    unknown: Number,
) -> Figure:
    """Draws the shares of right answers by both conventions.

    Args:
      theme: of the picture.
      shares: section -> right answers with the inputs excluded, and with them allowed.
      every: the same over all questions.
      questions: how many were asked.
      words: that were candidates.
      unknown: questions left out for a word that is not among them.

    Returns:
      The figure: two bars a section, best first, and all of them together on top.
    """
    drawing, axes = figure(theme, 12, 1.6 + 0.42 * (len(shares) + 1.5))
    colours = palette_of(axes)
    order = sorted(shares, key=lambda name: -shares[name][0])
    rows = [("all questions", every), *((name, shares[name]) for name in order)]
    places = np.array([0.0, *(1.5 + np.arange(len(order)))])
    values = np.array([pair for _, pair in rows])
    axes.barh(places - 0.19, values[:, 0], 0.36, color=colours.positive)
    axes.barh(places + 0.19, values[:, 1], 0.36, color=colours.neutral, alpha=0.55)
    for place, (excluded, allowed) in zip(places, values, strict=True):
        near = {"size": TICK, "offset": (5, -0.5), "path_effects": []}
        first = place == 0
        words_of = (" inputs excluded", " inputs allowed") if first else ("", "")
        label(axes, excluded, place - 0.19, f"{excluded:.1%}{words_of[0]}",
              color=colours.positive, weight="bold", **near)  # fmt: skip
        label(axes, allowed, place + 0.19, f"{allowed:.1%}{words_of[1]}",
              color=colours.neutral, **near)  # fmt: skip
    axes.set_yticks(places, [name for name, _ in rows], size=LABEL)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(places[-1] + 0.6, -0.6)
    axes.set_xlim(0, max(0.05, 1.12 * values.max()))
    axes.set_xlabel("questions whose answer is nearest to b - a + c")
    percent(axes, "x")
    title(
        drawing,
        f"{every[0]:.1%} of {questions:,} analogies come out right; if the question's "
        f"own words may be the answer, {every[1]:.1%}",
        f"3CosAdd on unit vectors, {words:,} candidates."
        + (f" {unknown:,} questions with unknown words are left out." if unknown
           else ""),
    )  # fmt: skip
    return drawing
