"""Part 6: words along one direction, with a random direction beside it."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from nnguide.plots.lettering import label, reference_line, title
from nnguide.plots.style import (
    SMALL,
    TICK,
    Axes,
    Figure,
    Theme,
    figure,
    palette_of,
)


def plurality(
    theme: Theme,
    pairs: Sequence[Sequence[str]],
    along: tuple[Float[np.ndarray, "pairs 2"], Float[np.ndarray, "pairs 2"]],
    numbers: Sequence[str],
    numbers_along: tuple[Float[np.ndarray, "numbers"], Float[np.ndarray, "numbers"]],
    shares: Float[np.ndarray, "directions"],
) -> Figure:
    """Draws singulars, plurals and numbers along cats - cat and a random direction.

    Args:
      theme: of the picture.
      pairs: singular and plural.
      along: their dot products with cats - cat, and with a random direction as long.
      numbers: "one", "two" and so on.
      numbers_along: their dot products with both.
      shares: of the pairs whose plural is further along, one a random direction.

    Returns:
      The figure: left the direction, right the control, numbers under the words.
    """
    rows = len(pairs)
    drawing, panels = figure(
        theme, 12, 2.4 + 0.2 * rows + 1.2, mosaic=[["A", "B"], ["C", "D"]],
        height_ratios=(rows, 5.5),
    )  # fmt: skip
    every = np.concatenate([each.ravel() for each in (*along, *numbers_along)])
    room = 0.16 * float(np.ptp(every))  # for words
    limits = (float(every.min()) - room, float(every.max()) + room)
    order = np.argsort(-(along[0][:, 1] - along[0][:, 0]))
    names = ("cats - cat", "a random direction")
    for above, below, words, counts, name in zip(
        "AB", "CD", along, numbers_along, names, strict=True
    ):
        axes = panels[above]
        _draw_pairs(axes, [pairs[row] for row in map(int, order)], words[order])
        further = float((words[:, 1] > words[:, 0]).mean())
        title(axes, f"Along {name}: {further:.0%} of plurals are ahead")
        _draw_numbers(panels[below], numbers, counts)
        for each in (axes, panels[below]):
            each.set_xlim(limits)
            reference_line(each, 0, "", vertical=True)
        panels[below].set_xlabel(f"dot product with {name}")
    further = float((along[0][:, 1] > along[0][:, 0]).mean())
    title(
        drawing,
        f"{further:.0%} of {rows} plurals lie further along cats - cat than their "
        f"singulars; along random directions, {shares.mean():.0%}",
        f"Grey dots are singulars. Random directions are {len(shares):,} differences "
        "of two common words, as long as cats - cat; the one drawn is their median.",
    )
    return drawing


def _draw_pairs(
    axes: Axes, pairs: Sequence[Sequence[str]], along: Float[np.ndarray, "pairs 2"]
) -> None:
    """A line a pair, from its first word to its second."""
    colours = palette_of(axes)
    for place, ((first, second), (start, end)) in enumerate(
        zip(pairs, along, strict=True)
    ):
        ahead = end > start
        line = colours.positive if ahead else colours.negative
        axes.plot([start, end], [place, place], color=line, lw=1.8, ls="-", alpha=0.5)
        axes.plot(start, place, "o", color=colours.neutral, ms=5)
        axes.plot(end, place, "o", color=line, ms=6)
        for at, word, left in ((start, first, ahead), (end, second, not ahead)):
            label(
                axes, at, place, word, size=SMALL, ha="right" if left else "left",
                offset=(-6 if left else 6, 0),
                color=colours.neutral if word is first else line,
            )  # fmt: skip
    axes.set_ylim(len(pairs) - 0.4, -0.6)
    axes.yaxis.set_visible(False)
    axes.spines["left"].set_visible(False)


def _draw_numbers(
    axes: Axes, numbers: Sequence[str], along: Float[np.ndarray, "numbers"]
) -> None:
    """A row a number."""
    colours = palette_of(axes)
    places = np.arange(len(numbers))
    axes.plot(along, places, "o", color=colours.accent, ms=5)
    for place, (word, x) in enumerate(zip(numbers, along, strict=True)):
        label(axes, x, place, f"{word} {x:.2f}", size=SMALL, offset=(7, 0))
    axes.set_ylim(len(numbers) - 0.4, -0.6)
    axes.yaxis.set_visible(False)
    axes.spines["left"].set_visible(False)


def gender(
    theme: Theme,
    pairs: Sequence[Sequence[str]],
    along: Float[np.ndarray, "pairs 2"],
    cosines: Float[np.ndarray, "pairs"],
    random: Float[np.ndarray, "differences"],
) -> Figure:
    """Draws men and women along woman - man, and how alike their differences are.

    Args:
      theme: of the picture.
      pairs: a man and a woman; the last is king and queen.
      along: their dot products with woman - man.
      cosines: of woman - man with each pair's difference.
      random: with differences of common words.

    Returns:
      The figure: positions left, cosines right.
    """
    drawing, (left, right) = figure(theme, 12, 2.2 + 0.36 * len(pairs), ncols=2)
    colours = palette_of(drawing)
    order = np.argsort(-cosines)
    sorted_pairs = [pairs[row] for row in map(int, order)]
    _draw_pairs(left, sorted_pairs, along[order])
    room = 0.2 * float(np.ptp(along))
    left.set_xlim(float(along.min()) - room, float(along.max()) + room)
    left.set_xlabel("dot product with woman - man")
    reference_line(left, 0, "", vertical=True)
    title(left, "Where they lie: grey the man, blue the woman")
    royal = [pair[1] == "queen" for pair in sorted_pairs]
    fills = [colours.highlight if each else colours.positive for each in royal]
    right.barh(np.arange(len(pairs)), cosines[order], 0.68, color=fills)
    for place, (pair, value) in enumerate(
        zip(sorted_pairs, cosines[order], strict=True)
    ):
        label(right, value, place, f"{pair[1]} - {pair[0]} {value:.2f}", size=TICK,
              offset=(5, 0))  # fmt: skip
    low, high = np.quantile(random, (0.025, 0.975))
    right.axvspan(low, high, color=colours.faint, alpha=0.6, lw=0, zorder=0)
    reference_line(right, high, "95% of random\ndifferences", vertical=True, at=0.0)
    right.set_xlim(min(0.0, float(low)) - 0.02, 1.42 * float(cosines.max()))
    right.set_ylim(len(pairs) + 0.6, -0.6)
    right.yaxis.set_visible(False)
    right.spines["left"].set_visible(False)
    right.set_xlabel("cosine with woman - man")
    title(right, "How alike the differences are")
    best, last = sorted_pairs[0], float(cosines[-1])
    better = int((cosines[:-1] > last).sum())
    title(
        drawing,
        f"{better} of {len(pairs) - 1} pairs show gender better than "
        f"{pairs[-1][1]} - {pairs[-1][0]} ({last:.2f}), {best[1]} - {best[0]} best "
        f"({float(cosines.max()):.2f})",
        "Cosines of 1 would be one and the same direction.",
    )
    return drawing
