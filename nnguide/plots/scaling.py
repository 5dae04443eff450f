"""Part 7: why scores are scaled, and where the mask belongs."""

import numpy as np
from jaxtyping import Float, Int

from nnguide.plots.curves import draw_curves
from nnguide.plots.lettering import label, percent, reference_line, title
from nnguide.plots.style import (
    SMALL,
    Axes,
    Figure,
    Theme,
    figure,
    grey_map,
    palette_of,
)


def scores_by_width(
    theme: Theme,
    widths: Int[np.ndarray, "widths"],
    std: Float[np.ndarray, "widths"],
    entropy: Float[np.ndarray, "widths 2"],
    largest: Float[np.ndarray, "widths 2"],
    keys: int,
    at: int,
) -> Figure:
    """Draws what the width of a head does to scores and pattern.

    Args:
      theme: of the picture.
      widths: of random heads, ascending.
      std: standard deviation of q . k.
      entropy: of a query's weights, scaled and not, in nats.
      largest: of a query's weights, scaled and not.
      keys: that a query chooses from.
      at: the width that the title is about.

    Returns:
      The figure: spread of the scores, entropy, largest weight.
    """
    drawing, panels = figure(theme, 12, 5.2, ncols=3)
    colours, (spread, left, right) = palette_of(drawing), panels
    for axes in panels:
        axes.set_xscale("log", base=2)
        axes.set_xlim(widths[0] * 0.8, widths[-1] * 1.2)
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_xticks(widths[::2])
        axes.set_xlabel("width of the head, K")
    spread.set_yscale("log", base=2)
    spread.yaxis.set_major_formatter("{x:g}")
    line = {"color": colours.neutral, "linestyle": "-", "linewidth": 1.4}
    spread.plot(widths, np.sqrt(widths), **line)
    spread.plot(widths, std, "o", color=colours.positive, ms=7)
    middle = len(widths) // 2
    label(
        spread, widths[middle], np.sqrt(widths[middle]), "sqrt(K)", offset=(10, -10),
        color=colours.neutral,
    )  # fmt: skip
    spread.set_ylabel("standard deviation of q . k")
    title(spread, "Scores spread as sqrt(K)")
    for axes, values in ((left, entropy), (right, largest)):
        named = ("over sqrt(K)", "unscaled")
        axes.set_ylim(0, 1.08 * (np.log(keys) if values is entropy else 1))
        curves = {name: (widths, values[:, n]) for n, name in enumerate(named)}
        draw_curves(axes, curves, marker="o")
    reference_line(left, np.log(keys), f"uniform over {keys} keys", at=0.0)
    left.set_ylabel("entropy, nats")
    title(left, "Entropy of a query's weights")
    percent(right)
    title(right, "The largest of a query's weights")
    place = int(np.flatnonzero(widths == at)[0])
    scaled, unscaled = largest[place]
    title(
        drawing,
        f"Unscaled, a head of width {at} gives one key {unscaled:.0%} of its weight; "
        f"divided by sqrt(K), {scaled:.0%}",
        f"Random queries and {keys} keys with entries of variance 1.",
    )
    return drawing


def masks(
    theme: Theme,
    before: Float[np.ndarray, "T T"],
    after: Float[np.ndarray, "T T"],
    leak: float,
) -> Figure:
    """Draws a pattern masked before the softmax, and one masked after it.

    Args:
      theme: of the picture.
      before: -infinity before the softmax; a row a query.
      after: zeros after the softmax.
      leak: how much earlier weights of `after` move with the last word.

    Returns:
      The figure: both patterns, their sums at the right of each row.
    """
    drawing, panels = figure(theme, 12, 5.6, ncols=2, sharey=True)
    for axes, pattern in zip(panels, (before, after), strict=True):
        _draw_pattern(axes, pattern)
    panels[0].set_ylabel("query at place")
    title(panels[0], "-infinity before the softmax: rows sum to 1, later words hidden")
    title(
        panels[1],
        f"Zeros after it: a later word still moves earlier weights by up to {leak:.2f}",
    )
    title(
        drawing,
        f"Masked after the softmax, a row keeps as little as {after.sum(1).min():.0%} "
        "of its weight; masked before, all of it",
        "Weights of one random head, in hundredths; a row a query.",
    )
    return drawing


def _draw_pattern(axes: Axes, pattern: np.ndarray) -> None:
    colours = palette_of(axes)
    count = len(pattern)
    axes.imshow(pattern, cmap=grey_map(colours), vmin=0, vmax=1, aspect="auto")
    for query in range(count):
        for key in range(query + 1):
            weight = pattern[query, key]
            axes.text(
                key, query, f"{100 * weight:.0f}", ha="center", va="center", size=SMALL,
                color=colours.ground if weight > 0.5 else colours.ink,
            )  # fmt: skip
        total = pattern[query].sum()
        label(
            axes, count - 0.4, query, f"sum {total:.2f}", weight="bold",
            color=colours.positive if abs(total - 1) < 1e-3 else colours.negative,
        )  # fmt: skip
    places = [str(place + 1) for place in range(count)]
    axes.set_xticks(range(count), places)
    axes.set_yticks(range(count), places)
    axes.set_xlim(-0.5, count + 0.9)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("key at place")
