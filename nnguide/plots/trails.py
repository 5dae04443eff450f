"""Part 9: the ways from noise back to the data, one panel a sampler."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from nnguide.plots.lettering import title
from nnguide.plots.sampler_steps import NAMES
from nnguide.plots.style import Axes, Figure, Number, Theme, figure, palette_of

_END = 1.75  # of the square that is shown


def ways_back(
    theme: Theme,
    ways: Mapping[str, Mapping[str, Float[np.ndarray, "times samples 2"]]],
    coverage: Mapping[str, Mapping[str, Number]],
    data: Float[np.ndarray, "N 2"],
    trails: int,
) -> Figure:
    """Draws where samples come from and where they end.

    Args:
      theme: of the picture.
      ways: "exact" and "trained" -> sampler -> places after each step.
      coverage: in the same order, the share of the data that samples reach.
      data: what the samples should look like.
      trails: how many samples' ways are drawn.

    Returns:
      The figure: a row for the exact score, one for the network.
    """
    samplers = list(ways["exact"])
    drawing, panels = figure(
        theme, 12, 9.6, nrows=2, ncols=len(samplers), sharex=True, sharey=True
    )
    for row, (who, each) in zip(panels, ways.items(), strict=True):
        for axes, (name, way) in zip(row, each.items(), strict=True):
            _draw_way(axes, way, data, trails)
            kept = coverage[who][name]
            title(axes, f"{NAMES[name]}: {kept:.0%} kept".replace("\n", " "))
        words = {"exact": "the exact score", "trained": "the trained network"}[who]
        row[0].set_ylabel(words, labelpad=8)
        row[0].yaxis.label.set(visible=True, weight="bold", size=12)
    steps = len(ways["exact"][samplers[0]]) - 1
    without = coverage["exact"]["ddpm_without_noise"]
    title(
        drawing,
        f"Without noise, {steps} steps of DDPM keep {without:.0%} of the spiral; with "
        "it, or with DDIM, all of it",
        f"Ways of {trails} samples in DDPM's coordinates, grey, and where all "
        f"{ways['exact'][samplers[0]].shape[1]:,} end, blue. Yellow: the data, "
        "a hundred points.",
    )
    return drawing


def _draw_way(axes: Axes, way: np.ndarray, data: np.ndarray, trails: int) -> None:
    colours = palette_of(axes)
    axes.set(xlim=(-_END, _END), ylim=(-_END, _END), xticks=[], yticks=[])
    axes.set_aspect("equal")
    for side in axes.spines.values():
        side.set_visible(False)
    thin = {"color": colours.neutral, "linestyle": "-", "lw": 0.6, "alpha": 0.45}
    axes.plot(way[:, :trails, 0], way[:, :trails, 1], **thin, zorder=1)
    axes.scatter(*data.T, s=34, color=colours.highlight, lw=0, zorder=2)
    axes.scatter(*way[-1].T, s=5, color=colours.positive, lw=0, alpha=0.5, zorder=3)
