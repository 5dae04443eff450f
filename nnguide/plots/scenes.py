"""Part 9: what guidance does to a picture of a caption, and what it costs."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from nnguide.plots.curves import draw_curves
from nnguide.plots.lettering import label, percent, title
from nnguide.plots.style import LABEL, Axes, Figure, Number, Theme, figure, palette_of


def strip(
    theme: Theme,
    caption: str,
    alphas: Sequence[Number],
    images: Float[np.ndarray, "alphas shown height width 3"],
    share: Float[np.ndarray, "alphas"] | None,
) -> Figure:
    """Draws samples of one caption, a row an alpha, a column a start.

    Args:
      theme: of the picture.
      caption: what was asked for.
      alphas: of guidance.
      images: samples, in [0, 1].
      share: of the samples at each alpha that show what was asked for; None where
        nobody counted.
    """
    rows, columns = images.shape[:2]
    drawing, panels = figure(
        theme, 12, 1.0 + 1.32 * rows, nrows=rows, ncols=columns, squeeze=False
    )
    colours = palette_of(drawing)
    for row, alpha, own in zip(panels, alphas, images, strict=True):
        for axes, image in zip(row, own, strict=True):
            axes.imshow(image)
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
        words = f"alpha {alpha:g}"
        if share is not None:
            words += f"\n{share[list(alphas).index(alpha)]:.0%}"
        row[0].set_ylabel(
            words, rotation=0, ha="right", va="center", size=LABEL, color=colours.ink
        )
    note = (
        "A column starts from the same noise; alpha is how far the caption is followed."
    )
    if share is None:
        title(drawing, f'"{caption}"', note)
        return drawing
    best = int(np.argmax(share))
    title(
        drawing,
        f'"{caption}": {share[0]:.0%} of the pictures have it at alpha {alphas[0]:g}, '
        f"{share[best]:.0%} at alpha {alphas[best]:g}",
        note,
    )
    return drawing


def trade_off(
    theme: Theme,
    alphas: Sequence[Number],
    tree: Float[np.ndarray, "alphas"],
    by_clip: Float[np.ndarray, "alphas"],
    distance: Float[np.ndarray, "alphas"],
    times: Float[np.ndarray, "alphas"],
) -> Figure:
    """Draws what guidance wins and what it loses.

    Args:
      theme: of the picture.
      alphas: of guidance, ascending.
      tree: share of pictures with what was asked for, by the decoder.
      by_clip: the same by CLIP.
      distance: of a pixel to the nearest scene.
      times: how many times of day come equally often, of four.

    Returns:
      The figure: obedience, closeness to real scenes, variety.
    """
    drawing, (left, middle, right) = figure(theme, 12, 4.6, ncols=3)
    x = np.sqrt(
        np.asarray(alphas, float)
    )  # 0 has its place, and 1 stands apart from it
    for axes in (left, middle, right):
        axes.set_xticks(x, [f"{alpha:g}" for alpha in alphas])
        axes.set_xlabel("alpha of guidance")
        axes.set_xlim(-0.1 * x[-1], 1.05 * x[-1])
    left.set_ylim(0, 1.06)
    percent(left)
    draw_curves(left, {"decoder": (x, tree), "CLIP": (x, by_clip)}, "o")
    title(left, f"Won: a tree in {tree[0]:.0%} to {tree.max():.0%} of the pictures")
    _draw_one(middle, x, distance, 1.2 * float(distance.max()), ".3f")
    middle.set_ylabel("distance to the nearest real scene")
    title(
        middle, f"Lost: {distance[-1] / distance[0]:.1f} times as far from real scenes"
    )
    _draw_one(right, x, times, 4.3, ".1f")
    right.set_ylabel("times of day that come equally often")
    title(right, f"Variety: {times[0]:.1f} to {times[-1]:.1f} of 4 times of day")
    best = int(np.argmax(tree))
    title(
        drawing,
        f"Guidance is a trade: most trees at alpha {alphas[best]:g}, "
        f"closest to real scenes at alpha {alphas[int(np.argmin(distance))]:g}",
    )
    return drawing


def _draw_one(axes: Axes, x: np.ndarray, y: np.ndarray, top: Number, form: str) -> None:
    colours = palette_of(axes)
    axes.set_ylim(0, float(top))
    axes.plot(x, y, "o-", color=colours.positive, linewidth=2)
    for place, value in zip(x, y, strict=True):
        label(axes, place, value, f"{value:{form}}", offset=(0, 11), ha="center")
