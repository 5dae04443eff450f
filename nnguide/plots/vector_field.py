"""Part 9: the field of arrows that a denoiser is, at several levels of noise."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from nnguide.plots.lettering import title
from nnguide.plots.style import Axes, Figure, Theme, figure, palette_of

_EVERY = 2  # of the grid's rows and columns one is drawn


def over_noise(
    theme: Theme,
    sigmas: Sequence[float],
    places: Float[np.ndarray, "N 2"],
    exact: Float[np.ndarray, "levels N 2"],
    trained: Float[np.ndarray, "levels N 2"],
    cosine: Float[np.ndarray, "levels"],
    data: Float[np.ndarray, "M 2"],
) -> Figure:
    """Draws where arrows point, from much noise to little.

    Args:
      theme: of the picture.
      sigmas: the levels, descending.
      places: a square grid.
      exact: the arrows that are known.
      trained: the network's.
      cosine: mean cosine of the angle between the two, a level.
      data: what the arrows lead to.

    Returns:
      The figure; all arrows are drawn equally long.
    """
    drawing, panels = figure(theme, 12, 8.8, nrows=2, ncols=3)
    for axes, sigma, *arrows, agreement in zip(
        panels.flat, sigmas, exact, trained, cosine, strict=True
    ):
        _draw_field(axes, places, arrows[0], arrows[1], data)
        title(axes, f"sigma = {sigma:g}: cosine {agreement:.3f}")
    least = float(cosine[np.array(sigmas) >= 0.1].min())
    title(
        drawing,
        "In much noise all arrows point at the average, in little noise at the spiral; "
        f"the network's agree to a cosine of {least:.3f} or more for sigma >= 0.1",
        "Where a place came from, on average over all data that noise may have put "
        "there. Grey: exact. Blue: the network's; over each panel the mean cosine of "
        "the two. Yellow: the data; cross: its mean.",
    )
    return drawing


def _draw_field(
    axes: Axes,
    places: np.ndarray,
    exact: np.ndarray,
    trained: np.ndarray,
    data: np.ndarray,
) -> None:
    colours = palette_of(axes)
    side = round(len(places) ** 0.5)
    chosen = np.arange(len(places)).reshape(side, side)[::_EVERY, ::_EVERY].ravel()
    spacing = float(np.ptp(places[:, 0])) / (side - 1) * _EVERY
    axes.scatter(*data.T, s=16, color=colours.highlight, lw=0, zorder=1)
    for arrows, ink, width, order in (
        (exact, colours.neutral, 0.012, 2),
        (trained, colours.positive, 0.0045, 3),
    ):
        unit = arrows / np.maximum(np.linalg.norm(arrows, axis=1, keepdims=True), 1e-12)
        shown = 0.85 * spacing * unit[chosen]
        axes.quiver(
            *places[chosen].T, *shown.T, color=ink, width=width, zorder=order,
            angles="xy", scale_units="xy", scale=1, headwidth=3.2, headlength=3.6,
            headaxislength=3.4, alpha=0.55 if order == 2 else 1,
        )  # fmt: skip
    mean = data.mean(axis=0)
    axes.plot(*mean, "x", color=colours.negative, ms=9, mew=2.4, zorder=4)
    end = float(np.abs(places).max()) + spacing
    axes.set(xlim=(-end, end), ylim=(-end, end), xticks=[], yticks=[])
    axes.set_aspect("equal")
    for edge in axes.spines.values():
        edge.set_visible(False)
