"""Part 9: images drawn from noise, in grids and strips, and what guidance trades.

Images come in [0, 1]; within a picture all are drawn on one scale, ground to ink.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from nnguide.plots.lettering import (
    end_labels,
    label,
    percent,
    reference_line,
    title,
)
from nnguide.plots.style import (
    DASHES,
    LABEL,
    TICK,
    Axes,
    Figure,
    Number,
    Theme,
    figure,
    grey_map,
    palette_of,
)

_GAP = 2  # pixels between images


def image_grid(
    theme: Theme,
    rows: Mapping[str, Float[np.ndarray, "columns height width"]],
    columns: Sequence[str],
    finding: str,
    note: str = "",
    notes: Sequence[str] = (),
) -> Figure:
    """Draws a row of images for each way that they were made.

    Args:
      theme: of the picture.
      rows: what a row is -> its images, as many in each.
      columns: what stands above each column.
      finding: the title.
      note: below the title.
      notes: a number or so behind each row's name, in a line of its own.

    Returns:
      The figure.
    """
    count = len(columns)
    first = next(iter(rows.values()))
    across = 10.0 / (count * first.shape[2])  # inches a pixel, beside the names
    height = len(rows) * (first.shape[1] * across + 0.06)
    drawing, axes = figure(theme, 12, 1.3 + height)
    sheet = np.concatenate([_side_by_side(images) for images in rows.values()], axis=0)
    _show(axes, sheet)
    tall, wide = first.shape[1] + _GAP, first.shape[2] + _GAP
    axes.set_xticks([wide * (n + 0.5) for n in range(count)], columns)
    axes.xaxis.tick_top()
    names = list(rows)
    if notes:
        names = [f"{name}\n{more}" for name, more in zip(names, notes, strict=True)]
    axes.set_yticks([tall * (n + 0.5) for n in range(len(rows))], names)
    axes.tick_params(length=0, labelsize=LABEL)
    title(drawing, finding, note)
    return drawing


def denoising_strip(
    theme: Theme,
    frames: Float[np.ndarray, "frames images height width"],
    steps: Sequence[int],
    sigmas: Sequence[Number],
    sampler: str,
) -> Figure:
    """Draws some images on their way from noise, a column a moment.

    Args:
      theme: of the picture.
      frames: the images at each moment.
      steps: how many steps were done by then; the last is all.
      sigmas: the noise that is left.
      sampler: which one, and how.

    Returns:
      The figure.
    """
    columns = [
        f"step {step}\n$\\sigma$ = {sigma:.2g}"
        for step, sigma in zip(steps, sigmas, strict=True)
    ]
    rows = {f"{n}": frames[:, n] for n in range(frames.shape[1])}
    drawing = image_grid(
        theme,
        rows,
        columns,
        f"{steps[-1]} steps take the noise away, and large shapes come first",
        f"{sampler}, each row one image. Every moment is shrunk to the contrast of an "
        "image; $\\sigma$ is the standard deviation of the noise still in it.",
    )
    drawing.axes[0].set_yticks([])
    return drawing


def _side_by_side(images: np.ndarray) -> np.ndarray:
    """(columns, height, width) -> one image, gaps of NaN around each."""
    width = ((0, 0), (_GAP // 2, _GAP // 2), (_GAP // 2, _GAP // 2))
    framed = np.pad(images, width, constant_values=np.nan)
    return framed.swapaxes(0, 1).reshape(framed.shape[1], -1)


def _show(axes: Axes, sheet: np.ndarray) -> None:
    colours = palette_of(axes)
    shades = grey_map(colours).with_extremes(bad=colours.faint)
    height, width = sheet.shape
    axes.imshow(
        np.ma.masked_invalid(sheet),
        cmap=shades,
        vmin=0,
        vmax=1,
        extent=(0, width, height, 0),
        interpolation="nearest",
    )
    axes.spines[:].set_visible(False)


def guidance_trade(
    theme: Theme,
    alphas: Float[np.ndarray, " alphas"],
    shares: Mapping[str, Float[np.ndarray, " alphas"]],
    frechet: Float[np.ndarray, " alphas"],
    floor: Number,
    real_accuracy: Number,
) -> Figure:
    """Draws what guidance gives and what it takes.

    Args:
      theme: of the picture.
      alphas: how far samples follow their class.
      shares: "read as asked", "precision", "recall" and "coverage", shares of 1.
      frechet: distance between samples and unseen images in a classifier's features.
      floor: the same distance between two halves of real images.
      real_accuracy: of the classifier on unseen images.

    Returns:
      The figure: shares on the left, distances on the right.
    """
    drawing, (left, right) = figure(theme, 12, 5.4, ncols=2, width_ratios=(3, 2))
    _draw_shares(left, alphas, shares, real_accuracy)
    _draw_frechet(right, alphas, frechet, floor)
    asked, recall = shares["read as asked"], shares["recall"]
    title(
        drawing,
        f"Guidance trades variety for obedience: from $\\alpha$ = {alphas[0]:g} to "
        f"{alphas[-1]:g}, {asked[0]:.0%} to {asked[-1]:.0%} are the digit asked for, "
        f"and recall goes from {recall[0]:.0%} to {recall[-1]:.0%}",
        "$\\alpha$ = 0 is the plain conditional network; elsewhere 1 + $\\alpha$ is "
        "often called the guidance scale.",
    )
    return drawing


def _draw_shares(
    axes: Axes,
    alphas: np.ndarray,
    shares: Mapping[str, np.ndarray],
    real_accuracy: Number,
) -> None:
    colours = palette_of(axes)
    ends = []
    for (name, values), colour, dashes in zip(
        shares.items(), colours.series, DASHES, strict=False
    ):
        look: dict[str, Any] = {"color": colour, "linestyle": dashes}
        axes.plot(alphas, values, marker="o", markersize=5, linewidth=2.2, **look)
        ends.append((float(values[-1]), f"{name}\n{values[-1]:.0%}", colour))
    axes.set_xlim(float(alphas[0]), float(alphas[-1]))
    axes.set_ylim(0, 1.1)
    axes.set_xticks(alphas)
    axes.set_xlabel("guidance $\\alpha$")
    percent(axes)
    words = f"the classifier on real images: {real_accuracy:.1%}"
    reference_line(axes, real_accuracy, words, at=0.98, side="below")
    end_labels(axes, ends)
    title(axes, "Shares of the samples, or of the real images")


def _draw_frechet(
    axes: Axes, alphas: np.ndarray, frechet: np.ndarray, floor: Number
) -> None:
    colours = palette_of(axes)
    axes.plot(
        alphas, frechet, marker="o", markersize=6, linewidth=2.2, color=colours.positive
    )
    for alpha, value in zip(alphas, frechet, strict=True):
        label(axes, float(alpha), float(value), f"{value:.3g}", offset=(8, -8))
    axes.set_ylim(0, 1.2 * float(max(frechet.max(), floor)))
    axes.set_xticks(alphas)
    axes.margins(x=0.14)
    axes.set_xlabel("guidance $\\alpha$")
    axes.tick_params(labelsize=TICK)
    words = f"two halves of real images: {floor:.3g}"
    reference_line(axes, floor, words, at=0.98)
    title(axes, "Frechet distance in a classifier's features")
