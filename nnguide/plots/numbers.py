"""Panels of plain numbers: a vector as the series writes it, a prediction checked.

Parts 2 to 4: the gradient as a column of numbers whose signs say which way and whose
sizes say how much; and what a gradient predicts against what happens.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from nnguide.plots.lettering import label
from nnguide.plots.style import LABEL, Axes, palette_of


def draw_column(
    axes: Axes, names: Sequence[str], values: Float[np.ndarray, " values"]
) -> None:
    """Draws a vector as a column of signed numbers with a bar for each size.

    Args:
      axes: where.
      names: of the components; "" and a NaN value make a gap of dots.
      values: in any unit, at most about 20 of them.
    """
    colours = palette_of(axes)
    largest = float(np.nanmax(np.abs(values))) or 1.0
    places = np.arange(len(values))
    of_sign = {1.0: colours.positive, -1.0: colours.negative}
    fills = [of_sign.get(sign, colours.neutral) for sign in np.sign(values)]
    hatches = ["///" if value < 0 else "" for value in values]
    axes.barh(
        places,
        np.nan_to_num(values),
        color=fills,
        edgecolor=colours.ground,
        hatch=hatches,
        height=0.72,
    )
    axes.axvline(0, color=colours.ink, linewidth=1, zorder=3)
    for place, (value, fill) in enumerate(zip(values, fills, strict=True)):
        text = "⋮" if np.isnan(value) else f"{value:+.3g}"
        label(
            axes,
            1.0,
            place,
            text,
            within=axes.get_yaxis_transform(),
            offset=(6, 0),
            color=fill,
            weight="bold",
            size=LABEL,
        )
    axes.set_yticks(places, names)
    axes.set_ylim(len(values) - 0.4, -0.6)
    axes.set_xlim(-1.05 * largest, 1.05 * largest)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def draw_on_diagonal(
    axes: Axes,
    predicted: Float[np.ndarray, " points"],
    actual: Float[np.ndarray, " points"],
    diagonal: str = "as predicted",
) -> None:
    """Draws what happened against what was predicted; a point on the diagonal is right.

    Args:
      axes: where; gets one scale for both sides.
      predicted: in the unit of `actual`.
      actual: what was measured.
      diagonal: name of the line of right predictions.
    """
    colours = palette_of(axes)
    both = np.concatenate([predicted, actual])
    low, high = float(both.min()), float(both.max())
    room = 0.06 * (high - low) or 1.0
    ends = (low - room, high + room)
    axes.plot(ends, ends, color=colours.neutral, linestyle=(0, (4, 3)), linewidth=1.1)
    size = float(np.clip(4000 / len(predicted), 8, 40))
    axes.scatter(
        predicted,
        actual,
        s=size,
        color=colours.positive,
        alpha=0.6,
        linewidths=0,
        zorder=3,
    )
    axes.set(xlim=ends, ylim=ends, aspect="equal")
    axes.set(xlabel="predicted", ylabel="actual")
    label(
        axes,
        ends[1],
        ends[1],
        diagonal,
        ha="right",
        va="top",
        offset=(-14, 0),
        color=colours.neutral,
    )
