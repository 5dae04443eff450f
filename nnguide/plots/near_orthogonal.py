"""Part 8: the angles of all pairs, of random vectors and of vectors pushed apart."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Int

from nnguide.facts.near_orthogonal import BINS, density, share_within
from nnguide.plots.lettering import label, percent, title
from nnguide.plots.style import DASHES, Axes, Figure, Number, Theme, figure, palette_of

_LOWEST = 1e-6  # share of the pairs that is still drawn


def _shares(counts: np.ndarray, width: Number) -> tuple[np.ndarray, np.ndarray]:
    """Borders in degrees, and the share of the pairs in each bin of this width."""
    together = round(width * BINS / 180)
    shares = counts.reshape(-1, together).sum(axis=1) / counts.sum()
    return np.linspace(0, 180, len(shares) + 1), shares


def _between(counts: np.ndarray, low: Number, high: Number) -> float:
    """The share of the pairs between two angles in degrees."""
    first, last = (round(angle * BINS / 180) for angle in (low, high))
    return float(counts[first:last].sum() / counts.sum())


def zoomed_out(
    theme: Theme,
    random: Int[np.ndarray, "bins"],
    video: Int[np.ndarray, "bins"],
    better: Int[np.ndarray, "bins"],
    size: tuple[int, int],
) -> Figure:
    """Draws the video's histogram, what lies beside it, and a loss that hides nothing.

    Args:
      theme: of the picture.
      random: pairs a bin, of the vectors at the start.
      video: after the video's loss.
      better: after a loss that punishes the closest pairs.
      size: vectors, and their dimensions.

    Returns:
      The figure: 80 to 100 degrees; all angles; all angles, the better loss.
    """
    drawing, (crop, whole, other) = figure(
        theme, 12, 5.2, ncols=3, width_ratios=(1, 1.25, 1.25)
    )
    colours = palette_of(drawing)
    count, dimensions = size
    edges, shares = _shares(video, 0.2)
    crop.stairs(shares, edges, fill=True, color=colours.positive)
    edges, shares = _shares(random, 0.2)
    crop.stairs(shares, edges, color=colours.neutral, lw=1.6)
    crop.set_xlim(80, 100)
    crop.set_ylim(bottom=0)
    crop.set_xlabel("angle between two vectors, degrees")
    crop.set_ylabel("pairs, in each 0.2 degrees")
    percent(crop)
    inside = _between(video, 89, 91)
    low, high = _between(video, 0, 80), _between(video, 100, 180)
    hidden = low + high
    title(crop, f"What the video shows: {inside:.1%} at 89 to 91 degrees")
    label(
        crop,
        0.04,
        0.6,
        "random\nvectors",
        within="axes fraction",
        color=colours.neutral,
    )
    for axes, counts in ((whole, video), (other, better)):
        _draw_all(axes, counts, random)
    for place, aligned, share in ((4, "left", low), (176, "right", high)):
        label(
            whole, place, 0.25, f"{share:.1%}\nof pairs", ha=aligned, weight="bold",
            color=colours.negative,
        )  # fmt: skip
    title(whole, f"The same, all angles: {hidden:.1%} are at 0 and 180 degrees")
    widest = np.flatnonzero(better)[[0, -1]] * 180 / BINS
    title(other, f"A better loss: all at {widest[0]:.0f} to {widest[1]:.0f} degrees")
    title(
        drawing,
        f"From 80 to 100 degrees the video's histogram misses {hidden:.1%} of the "
        "pairs, which its loss drives to 0 and 180",
        f"All pairs of {count:,} vectors in {dimensions} dimensions; 1/d is "
        f"{1 / dimensions:.1%}. Middle and right: logarithmic, a bar a degree, red "
        "where the video's window has ended. Grey lines: the random "
        "vectors at the start.",
    )
    return drawing


def _draw_all(axes: Axes, counts: np.ndarray, random: np.ndarray) -> None:
    """All angles on a logarithmic scale; what the video's window leaves out is red."""
    colours = palette_of(axes)
    axes.set_yscale("log")
    edges, shares = _shares(counts, 1)
    centres = (edges[:-1] + edges[1:]) / 2
    shown = abs(centres - 90) < 10
    bars = np.where(shown, colours.positive, colours.negative)
    axes.bar(centres, shares, 1.0, color=list(bars), lw=0)
    edges, shares = _shares(random, 1)
    axes.stairs(np.maximum(shares, _LOWEST), edges, color=colours.neutral, lw=1.3)
    axes.set_xlim(0, 180)
    axes.set_ylim(_LOWEST, 2)
    axes.set_xticks([0, 45, 80, 100, 135, 180])
    axes.set_yticks([1e-6, 1e-4, 1e-2, 1], ["0.0001%", "0.01%", "1%", "100%"])
    axes.minorticks_off()
    axes.set_xlabel("angle between two vectors, degrees")


def random_angles(
    theme: Theme, spaces: Mapping[int, Int[np.ndarray, "bins"]]
) -> Figure:
    """Draws the angles of random vectors in spaces of more and more dimensions.

    Args:
      theme: of the picture.
      spaces: dimensions, ascending -> pairs a bin; three or more. The narrow ones are
        drawn over all angles, the wide ones from 80 to 100 degrees.

    Returns:
      The figure: all angles; around 90 degrees; the share within 1 degree of 90.
    """
    drawing, (whole, near, line) = figure(
        theme, 12, 5.2, ncols=3, width_ratios=(1.15, 1.15, 1)
    )
    names = list(spaces)
    narrow, wide = names[:-2], names[-3:]
    _draw_spaces(whole, {d: spaces[d] for d in narrow}, 2.0, (0, 180))
    _draw_spaces(near, {d: spaces[d] for d in wide}, 0.2, (80, 100))
    whole.set_ylabel("share of the pairs, a degree")
    title(whole, "Few dimensions, all angles")
    title(near, "Many dimensions, 80 to 100 degrees")
    _draw_shares_within(line, spaces)
    last = names[-1]
    title(
        drawing,
        f"{_between(spaces[last], 89, 91):.1%} of random pairs in {last:,} dimensions "
        f"are 89 to 91 degrees apart; in {wide[0]:,} dimensions, "
        f"{_between(spaces[wide[0]], 89, 91):.1%}",
        "Steps: random vectors, all pairs. Lines: the closed form sin(angle)^(d-2), "
        "whose standard deviation is about 57.3 / sqrt(d) degrees.",
    )
    return drawing


def _draw_spaces(
    axes: Axes,
    spaces: Mapping[int, np.ndarray],
    width: Number,
    limits: tuple[int, int],
) -> None:
    colours = palette_of(axes)
    angle = np.linspace(*limits, 721)
    for (dimensions, counts), colour in zip(
        spaces.items(), colours.series, strict=False
    ):
        edges, shares = _shares(counts, width)
        axes.stairs(shares / width, edges, fill=True, color=colour, alpha=0.25)
        exact = density(dimensions, angle)
        axes.plot(angle, exact, color=colour, linestyle="-", lw=1.8)
        # named at the flank, where the curves lie apart
        flank = angle[np.argmax(exact > 0.72 * exact.max())]
        label(
            axes, flank, 0.72 * exact.max(), f"d = {dimensions:,}", ha="right",
            offset=(-5, 3), color=colour, weight="bold",
        )  # fmt: skip
    axes.set_xlim(*limits)
    axes.set_xticks(np.linspace(*limits, 5))
    axes.set_ylim(bottom=0)
    percent(axes)
    axes.set_xlabel("angle between two vectors, degrees")


def _draw_shares_within(axes: Axes, spaces: Mapping[int, np.ndarray]) -> None:
    colours = palette_of(axes)
    axes.set_xscale("log")
    dimensions = np.unique(np.geomspace(3, 100_000, 61).round().astype(int))
    shares = [share_within(int(d), 1) for d in dimensions]
    axes.plot(dimensions, shares, color=colours.positive, linestyle=DASHES[0], lw=2)
    for d, counts in spaces.items():
        share = _between(counts, 89, 91)
        axes.plot(d, share, "o", color=colours.positive, ms=7)
        if share > 0.1:  # the others would lie on one another
            label(axes, d, share, f"d = {d:,}\n{share:.1%}", offset=(-8, 8), ha="right")
    axes.set_xlim(1.2, 100_000)
    axes.set_ylim(0, 1.1)
    percent(axes)
    axes.set_xlabel("dimensions")
    title(axes, "Pairs at 89 to 91 degrees")
