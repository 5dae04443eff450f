"""Part 7: adjectives that move into their noun, as a grid of dots."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from nnguide.plots.lettering import label, percent, reference_line, title
from nnguide.plots.style import SMALL, TICK, Axes, Figure, Theme, figure, palette_of


def scores_and_pattern(
    theme: Theme,
    words: Sequence[str],
    scores: Float[np.ndarray, "T T"],
    pattern: Float[np.ndarray, "T T"],
    change: Float[np.ndarray, "T T"],
) -> Figure:
    """Draws a head as the guide does: scores, pattern, and what is added.

    Args:
      theme: of the picture.
      words: of the sentence.
      scores: query by key, before mask and softmax, none below 0.
      pattern: query by key, after both.
      change: how much of each word's direction is added to each word's vector.

    Returns:
      The figure: three grids, a column a query, as in the video; the area of a dot is
      its number.
    """
    drawing, panels = figure(theme, 12, 5.9, ncols=3, sharey=True)
    for axes, grid, largest in zip(
        panels,
        (scores, pattern, change),
        (scores.max(), 1.0, 1.0),
        strict=True,
    ):
        _draw_dots(axes, grid / largest, words)
    title(panels[0], "Scores, over the largest: which key answers which query")
    title(panels[1], "Pattern: after mask and softmax, a column sums to 1")
    title(panels[2], "Added to the vector: what the adjectives' values bring")
    panels[0].set_ylabel("key of")
    for axes, words_below in zip(
        panels, ("query of", "query of", "vector of"), strict=True
    ):
        axes.set_xlabel(words_below)
    _draw_masked(panels[1], len(words))
    title(
        drawing,
        f"Built by hand: creature takes {pattern[3, 1]:.2f} of fluffy and "
        f"{pattern[3, 2]:.2f} of blue, forest {pattern[7, 6]:.2f} of verdant",
        "A dot's area is its number; words that ask for nothing look at the first "
        "word, whose value is nothing. Shaded: later keys, which the mask forbids.",
    )
    return drawing


def _draw_dots(
    axes: Axes, shares: Float[np.ndarray, "T T"], words: Sequence[str]
) -> None:
    colours = palette_of(axes)
    count = len(words)
    axes.set_xticks(range(count), words, rotation=60, ha="right", size=TICK)
    axes.set_yticks(range(count), words, size=TICK)
    axes.set(xlim=(-0.5, count - 0.5), ylim=(count - 0.5, -0.5), aspect="equal")
    axes.tick_params(length=0)
    axes.grid(color=colours.faint, linewidth=0.6, zorder=0)
    axes.set_axisbelow(True)
    for query, key in np.argwhere(shares > 0.004):
        share = shares[query, key]
        axes.scatter(
            query, key, s=330 * share, color=colours.positive, linewidths=0, zorder=3
        )
        if share > 0.45:
            axes.text(
                query, key, f"{share:.2g}".replace("0.", "."), ha="center",
                va="center", size=SMALL, color=colours.ground, zorder=4,
            )  # fmt: skip


def _draw_masked(axes: Axes, count: int) -> None:
    colours = palette_of(axes)
    for query in range(count - 1):
        height = count - 1 - query
        axes.bar(
            query, height, width=1, bottom=query + 0.5, color=colours.faint, alpha=0.6,
            lw=0, zorder=1,
        )  # fmt: skip


def learned_head(
    theme: Theme,
    pattern: Float[np.ndarray, "T T"],
    own: Float[np.ndarray, "B"],
    elsewhere: Float[np.ndarray, "B"],
    kept: float,
    flipped: float,
) -> Figure:
    """Draws what a trained head looks at, and what a swapped value does.

    Args:
      theme: of the picture.
      pattern: of a sentence that ends with its second noun.
      own: weight of the noun's own adjective in each sentence.
      elsewhere: the largest weight of any other place.
      kept: share of right answers.
      flipped: share of answers that name the other adjective after the swap.

    Returns:
      The figure: one pattern, the weights of all sentences, the answers.
    """
    drawing, (grid, weights, answers) = figure(
        theme, 12, 5.2, ncols=3, width_ratios=(1.15, 1.2, 1)
    )
    colours = palette_of(drawing)
    count = len(pattern)
    _draw_dots(grid, pattern, [str(place + 1) for place in range(count)])
    grid.set_xticks(range(count), [str(n + 1) for n in range(count)], rotation=0,
                    ha="center")  # fmt: skip
    _draw_masked(grid, count)
    grid.set(xlabel=f"query at place ({count} is the noun)", ylabel="key at place")
    title(grid, f"One sentence: the noun, {count}, looks at its adjective, {count - 1}")
    bins = np.linspace(0, 1, 41)
    for values, colour, name, height in (
        (own, colours.positive, "own adjective", 0.72),
        (elsewhere, colours.negative, "best of the rest", 0.55),
    ):
        weights.hist(
            values, bins, color=colour, alpha=0.85, weights=np.full(
                len(values), 1 / len(values))
        )  # fmt: skip
        mean = float(values.mean())
        right = mean > 0.5
        label(
            weights, 0.86 if right else 0.14, height, f"{name}\nmean {mean:.3f}",
            color=colour, weight="bold", ha="right" if right else "left",
        )  # fmt: skip
    reference_line(weights, 0.9, "asked: .9", vertical=True, at=0.98, side="below")
    reference_line(weights, 0.1, "asked: .1", vertical=True, at=0.98)
    weights.set(xlim=(0, 1), ylim=(0, 1.05), xlabel="weight in the pattern")
    weights.set_ylabel("share of sentences")
    percent(weights)
    title(weights, f"{len(own):,} sentences: what the noun looks at")
    names = ("the sentence's own\nadjective", "the other one,\nits value swapped in")
    answers.bar(range(2), (kept, flipped), width=0.6,
                color=(colours.positive, colours.negative))  # fmt: skip
    for place, share in enumerate((kept, flipped)):
        label(answers, place, share, f"{share:.1%}", offset=(0, 7), ha="center")
    answers.set_xticks(range(2), names, size=SMALL)
    answers.set_ylim(0, 1.1)
    percent(answers)
    title(answers, "Answers that name ...")
    title(
        drawing,
        f"Learned: the noun gives its own adjective {own.mean():.0%} of its attention, "
        f"and swapping that value flips {flipped:.1%} of the answers",
        "One layer, one head, trained to name a noun with its adjective. The swap "
        "moves another adjective's value along the unchanged pattern.",
    )
    return drawing
