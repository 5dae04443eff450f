"""Part 7: what each attention head is worth, as a table of losses."""

import numpy as np
from jaxtyping import Float

from nnguide.plots.lettering import title
from nnguide.plots.style import NOTE, Axes, Figure, Theme, figure, palette_of


def head_ablation(
    theme: Theme,
    single: Float[np.ndarray, "L H parts"],
    layer: Float[np.ndarray, "L parts"],
    every: Float[np.ndarray, "parts"],
) -> Figure:
    """Draws how much the loss rises without each head, without a block's, without all.

    Args:
      theme: of the picture.
      single: rise of the loss on each part of a text, in nats.
      layer: without all heads of a layer.
      every: without any head.

    Returns:
      The figure.
    """
    layers, heads, parts = single.shape
    drawing, (left, right) = figure(
        theme, 12, 1.9 + 1.15 * layers, ncols=2, width_ratios=(heads, 1.45)
    )
    highest = float(max(layer.mean(-1).max(), single.mean(-1).max()))
    _draw_table(left, single, highest)
    _draw_table(right, layer[:, None], highest)
    left.set_xticks(range(heads), [f"head {number + 1}" for number in range(heads)])
    left.set_yticks(range(layers), [f"block {number + 1}" for number in range(layers)])
    right.set_xticks([0], [f"all {heads} heads"])
    right.set_yticks([])
    means, whole = single.mean(-1).reshape(-1), float(every.mean())
    few = int((means < 0.1 * whole).sum())
    title(
        drawing,
        f"{few} of {len(means)} heads are worth less than a tenth of what all are, "
        f"{whole:.2f} nats; the best is worth {means.max():.2f}",
        "Rise of the validation loss, in nats a character, when a head writes nothing; "
        f"\u00b1 is the standard deviation over {parts} parts of the text.",
    )
    return drawing


def _draw_table(axes: Axes, rises: np.ndarray, highest: float) -> None:
    """A cell a removal, redder the dearer, with its mean and spread."""
    from matplotlib.colors import LinearSegmentedColormap

    colours = palette_of(axes)
    shades = LinearSegmentedColormap.from_list(
        "cost", [colours.ground, colours.negative]
    )
    means, spreads = rises.mean(-1), rises.std(-1, ddof=1)
    axes.imshow(means, cmap=shades, vmin=0, vmax=highest, aspect="auto")
    for (row, column), mean in np.ndenumerate(means):
        axes.text(
            column, row, f"{mean:+.3f}\n\u00b1 {spreads[row, column]:.3f}",
            ha="center", va="center", color=colours.ink, size=NOTE, linespacing=1.3,
        )  # fmt: skip
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    for edge in np.arange(1, means.shape[0]) - 0.5:
        axes.axhline(edge, color=colours.faint, linewidth=1)
    for edge in np.arange(1, means.shape[1]) - 0.5:
        axes.axvline(edge, color=colours.faint, linewidth=1)
