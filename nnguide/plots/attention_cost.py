"""Part 7: what attention costs as the context grows."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from nnguide.plots.lettering import label, percent, title
from nnguide.plots.style import SMALL, TICK, Axes, Figure, Theme, figure, palette_of


def quadratic(
    theme: Theme,
    contexts: Float[np.ndarray, "contexts"],
    seconds: Float[np.ndarray, "contexts"],
    memory: Float[np.ndarray, "contexts"],
    flops: Float[np.ndarray, "contexts"],
    slopes: Mapping[str, float],
    models: Sequence[str],
    share: Float[np.ndarray, "models"],
    gigabytes: Float[np.ndarray, "models"],
) -> Figure:
    """Draws time, memory and FLOPs of one head, and the pattern's share in models.

    Args:
      theme: of the picture.
      contexts: tokens, ascending.
      seconds: of one head's forward pass.
      memory: that it keeps, in bytes.
      flops: of it.
      slopes: fitted exponents by "seconds", "bytes" and "flops".
      models: names.
      share: of a block's FLOPs that the pattern takes.
      gigabytes: of all its entries.

    Returns:
      The figure.
    """
    drawing, (left, middle, right) = figure(
        theme, 12, 5.4, ncols=3, width_ratios=(1, 1, 1.25)
    )
    colours = palette_of(drawing)
    _draw_growth(left, contexts, 1e3 * seconds, colours.positive)
    left.set_ylabel("milliseconds")
    title(left, f"Time: T to the power {slopes['seconds']:.2f}")
    _draw_growth(middle, contexts, memory / 2**20, colours.negative)
    middle.set_ylabel("mebibytes")
    title(middle, f"Memory: T to the power {slopes['bytes']:.2f}")
    rows = np.arange(len(models))
    right.barh(rows, share, height=0.42, color=colours.accent)
    for row, name, part, size in zip(rows, models, share, gigabytes, strict=True):
        label(right, 0, row - 0.36, name, size=TICK)
        words = f"{part:.1%}, {size:,.{int(size < 1)}f} GB of patterns"
        label(right, part, row, words, offset=(5, 0), size=SMALL)
    right.set(xlim=(0, 1.25), ylim=(len(models) - 0.5, -0.65))
    right.set_xticks(np.linspace(0, 1, 5))
    right.yaxis.set_visible(False)
    right.spines["left"].set_visible(False)
    percent(right, "x")
    right.set_xlabel("share of a block's FLOPs")
    title(right, "The pattern's part in a model")
    factor = contexts[-1] / contexts[0]
    title(
        drawing,
        f"{factor:g} times the context costs attention "
        f"{flops[-1] / flops[0]:.0f} times the FLOPs and "
        f"{seconds[-1] / seconds[0]:,.0f} times the seconds",
        "One head of width 64 with its pattern written out; dashed: the square of T "
        "through the last point. Right: closed form, 2 bytes an entry.",
    )
    return drawing


def _draw_growth(
    axes: Axes, contexts: np.ndarray, cost: np.ndarray, colour: str
) -> None:
    grey = palette_of(axes).neutral
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    square = cost[-1] * (contexts / contexts[-1]) ** 2
    axes.plot(contexts, square, color=grey, linestyle=(0, (4, 3)), linewidth=1.2)
    axes.plot(contexts, cost, color=colour, linestyle="-", marker="o", linewidth=2)
    axes.set_xticks(contexts)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.yaxis.set_major_formatter("{x:,g}")
    axes.set_xlabel("context, T tokens (logarithmic)")
    label(
        axes, contexts[-1], cost[-1], f"{cost[-1]:,.0f}", ha="right", offset=(-10, 4),
        color=colour, weight="bold",
    )  # fmt: skip
