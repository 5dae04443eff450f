"""Mini-batches for the whole: the direction of their gradients, and where they lead.

Part 3: a batch of 100 gives a rough idea of the gradient for a fraction of the price; a
drunk man stumbles down the hill in quick steps.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from nnguide.plots.lettering import end_labels, label, reference_line, title
from nnguide.plots.style import (
    DASHES,
    SMALL,
    TICK,
    Axes,
    Figure,
    Theme,
    figure,
    grey_map,
    palette_of,
)

_STAGES = {"born": "at birth", "early": "after an epoch", "trained": "when trained"}


def cosines(
    theme: Theme,
    sizes: Int[np.ndarray, " sizes"],
    measured: Mapping[str, Float[np.ndarray, "sizes draws"]],
    noise_scales: Mapping[str, float],
    expected: Callable[[float, float], float],
) -> Figure:
    """Draws how far a batch's gradient points the full gradient's way.

    Args:
      theme: of the picture.
      sizes: of the batches, ascending; 100 among them.
      measured: "born", "early" and "trained" -> cosines.
      noise_scales: the same -> the batch size at which noise and signal are equal.
      expected: of a noise scale and a batch size, the cosine.

    Returns:
      The figure: means with the middle 80% of the draws, and the theory as dashed
      lines, over a logarithmic axis.
    """
    drawing, axes = figure(theme, 12, 6.0)
    colours = palette_of(drawing)
    axes.set_xscale("log")
    axes.set_xlim(sizes[0] / 1.2, sizes[-1])
    axes.set_ylim(-0.25, 1.05)
    between = np.geomspace(sizes[0], sizes[-1], 60)
    ends = []
    for (stage, draws), look in zip(
        measured.items(), zip(colours.series, "os^", strict=False), strict=True
    ):
        _draw_draws(axes, sizes, draws, look)
        scale, colour = noise_scales[stage], look[0]
        theory = [expected(scale, float(size)) for size in between]
        axes.plot(between, theory, color=colour, linestyle=DASHES[1], linewidth=1.8)
        number = f"{scale:,.0f}" if scale >= 10 else f"{scale:.1f}"
        ends.append((theory[-1], f"{_STAGES[stage]}\nnoise scale {number}", colour))
    end_labels(axes, ends)
    axes.axhline(0, color=colours.ink, linewidth=1)
    reference_line(axes, 100, "the guide's batch", vertical=True, at=0.03)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set_xlabel("examples in the batch (logarithmic)")
    axes.set_ylabel("cosine of the batch's and the full gradient")
    at = int(np.flatnonzero(sizes == 100)[0])
    born, trained = (measured[stage][at].mean() for stage in ("born", "trained"))
    title(
        drawing,
        f"The gradient of 100 examples points the way of all with a cosine of "
        f"{born:.3f} at birth, of {trained:.2f} when trained",
        f"Dots are means of {measured['born'].shape[1]} random batches, bars the "
        "middle 80%. Dashed: 1 / sqrt(1 + noise scale / batch size), not fitted.",
    )
    return drawing


def _draw_draws(
    axes: Axes, sizes: np.ndarray, draws: np.ndarray, look: tuple[str, str]
) -> None:
    """The mean of each size's draws, and their middle 80%."""
    colour, marker = look
    low, high = np.quantile(draws, (0.1, 0.9), axis=1)
    axes.vlines(sizes, low, high, color=colour, alpha=0.3, lw=9, clip_on=False)
    axes.plot(
        sizes, draws.mean(axis=1), color=colour, linestyle="none", marker=marker,
        markersize=7, zorder=3, clip_on=False,
    )  # fmt: skip


def drunk_walk(theme: Theme, walks: Mapping[str, Any], everyone: int) -> Figure:
    """Draws walks down the cost on the plane they spread most in, and their price.

    Args:
      theme: of the picture.
      walks: "places" (batch size -> (steps + 1, 2)), "axes" (2, grid) and "map" (grid,
        grid) of the plane, "spread" the share of the walks' variance in it; "seen"
        (times,) step numbers, "costs" (batch size -> (times,)), "wandering" (batch size
        -> length over distance).
      everyone: the batch size that is all examples.

    Returns:
      The figure: paths over a contour map, and the cost over the examples read.
    """
    drawing, panels = figure(
        theme, 12, 8.8, mosaic=[["plane", "plane"], ["near", "price"]],
        height_ratios=(1, 1.15),
    )  # fmt: skip
    styles = zip(palette_of(drawing).series, DASHES, strict=True)
    looks = dict(zip(walks["places"], styles, strict=False))
    _draw_paths(panels["plane"], panels["near"], walks, looks, everyone)
    _draw_price(panels["price"], walks, looks, everyone)
    steps = len(walks["places"][everyone]) - 1
    full, batch = walks["costs"][everyone][-1], walks["costs"][100][-1]
    title(
        drawing,
        f"{steps} steps on batches of 100 come down to a cost of {batch:.3f}; on all "
        f"{everyone:,} examples, {everyone / 100:.0f} times as many, to {full:.3f}",
        "The same start and rate for all.",
    )
    return drawing


def _draw_paths(
    plane: Axes, near: Axes, walks: Mapping[str, Any],
    looks: Mapping[int, tuple[str, Any]], everyone: int,
) -> None:  # fmt: skip
    """The paths over the map, and a stretch of them from near."""
    for axes in (plane, near):
        _draw_map(axes, walks, labelled=axes is plane)
        for size, path in walks["places"].items():
            axes.plot(
                *path.T, color=looks[size][0], linestyle="-",
                linewidth=2.6 if size == everyone else 1.2, zorder=3,
            )  # fmt: skip
    for size, path in walks["places"].items():
        plane.plot(*path[-1], "o", color=looks[size][0], markersize=8, zorder=6)
    start = walks["places"][everyone][0]
    plane.plot(*start, "o", color=palette_of(plane).ink, markersize=8, zorder=6)
    label(plane, start[0], start[1], "start", offset=(8, 8), weight="bold")
    steps = len(walks["places"][everyone]) - 1
    first, last = steps // 20, max(steps // 20 + 1, steps * 3 // 20)
    _zoom(plane, near, walks["places"], first, last)
    title(near, f"Steps {first} to {last} from near: the drunk men stumble")
    for line, (size, wandering) in enumerate(walks["wandering"].items()):
        words = _words(size, everyone).replace("\n", " ")
        label(
            near, 0.98, 0.95 - 0.07 * line, f"{words}: {wandering:.1f}",
            within="axes fraction", ha="right", color=looks[size][0],
        )  # fmt: skip
    label(
        near, 0.98, 0.95 - 0.07 * len(looks), "way over distance covered",
        within="axes fraction", ha="right", size=SMALL,
    )  # fmt: skip
    title(
        plane,
        "Paths on the plane in which they spread most",
        f"{walks['spread']:.0%} of their variance lies in it; contours: cost there",
    )


def _draw_map(axes: Axes, walks: Mapping[str, Any], labelled: bool) -> None:
    colours = palette_of(axes)
    x, y = walks["axes"]
    axes.contourf(x, y, walks["map"], levels=14, cmap=grey_map(colours), alpha=0.22)
    lines = axes.contour(
        x, y, walks["map"], levels=14, colors=[colours.neutral], linewidths=0.6
    )
    if labelled:
        axes.clabel(lines, list(lines.levels)[::3], fontsize=TICK, fmt="%.2g")
    axes.set(xlabel="first direction", ylabel="second direction", aspect="equal")


def _words(size: int, everyone: int) -> str:
    return "all\nexamples" if size == everyone else f"batches\nof {size}"


def _zoom(
    plane: Axes, near: Axes, places: Mapping[int, np.ndarray], first: int, last: int
) -> None:
    """Shows a stretch of the paths from near, and where on the map it lies."""
    from matplotlib.patches import Rectangle

    stretch = np.concatenate([path[first : last + 1] for path in places.values()])
    low, high = stretch.min(axis=0), stretch.max(axis=0)
    side = 1.15 * float((high - low).max())
    left, below = (low + high) / 2 - side / 2
    near.set(xlim=(left, left + side), ylim=(below, below + side))
    frame = Rectangle((left, below), side, side, fill=False, zorder=5, linewidth=1.2)
    frame.set_edgecolor(palette_of(plane).ink)
    plane.add_patch(frame)


def _draw_price(
    axes: Axes,
    walks: Mapping[str, Any],
    looks: Mapping[int, tuple[str, Any]],
    everyone: int,
) -> None:
    axes.set_xscale("log")
    for size, costs in walks["costs"].items():
        colour, dashes = looks[size]
        read = walks["seen"] * size
        axes.plot(read, costs, color=colour, linestyle=dashes, linewidth=2.2)
        label(
            axes, read[-1], costs[-1], _words(size, everyone), ha="center", va="top",
            offset=(0, -6), color=colour,
        )  # fmt: skip
    axes.set_ylim(0, None)
    axes.set(xlabel="examples read (logarithmic)", ylabel="cost of all examples")
    title(axes, "The same steps, at what price?")
