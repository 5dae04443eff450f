"""Words in a picture: findings as titles, direct labels, named reference lines."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from nnguide.plots.style import (
    LABEL,
    MARGIN_INCHES,
    NOTE,
    PIXELS_PER_INCH,
    TICK,
    TITLE,
    Axes,
    Figure,
    Number,
    lay_out,
    palette_of,
)

if TYPE_CHECKING:
    from matplotlib.text import Text
else:  # the tests read annotations at run time, before matplotlib is imported
    Text = Any


_UPRIGHT = {"start": "bottom", "end": "top"}
_LYING = {"start": "left", "end": "right"}


def title(where: Axes | Figure, finding: str, note: str = "") -> None:
    """Writes the finding over a figure or a panel, broken to its width.

    Args:
      where: a figure, or one of its axes.
      finding: a sentence with its number, not the names of the axes.
      note: how it was measured or how to read it, smaller, below the finding.
    """
    from matplotlib.figure import Figure

    if isinstance(where, Figure):
        _figure_title(where, finding, note)
    else:
        _panel_title(where, finding, note)


def _figure_title(drawing: Figure, finding: str, note: str) -> None:
    colours = palette_of(drawing)
    width, height = drawing.get_size_inches()
    left, top = MARGIN_INCHES / width, MARGIN_INCHES
    for sentence, size, weight, colour in (
        (finding, TITLE, "bold", colours.ink),
        (note, NOTE, "normal", colours.neutral),
    ):
        if sentence:
            text = drawing.text(
                left,
                1 - top / height,
                sentence,
                size=size,
                weight=weight,
                color=colour,
                va="top",
                linespacing=1.25,
            )
            lines = _break_lines(text, width - 2 * MARGIN_INCHES)
            top += lines * size * 1.35 / 72 + 0.04
    lay_out(drawing, top)


def _panel_title(axes: Axes, finding: str, note: str) -> None:
    colours = palette_of(axes)
    width, _ = _panel_inches(axes)
    width *= 0.88  # the ticks and their labels take the rest
    height = 5.0  # points above the axes
    for sentence, size, weight, colour in (
        (note, TICK, "normal", colours.neutral),
        (finding, LABEL + 0.5, "bold", colours.ink),
    ):
        if sentence:
            text = axes.annotate(
                sentence,
                (0, 1),
                (0, height),
                xycoords="axes fraction",
                textcoords="offset points",
                size=size,
                weight=weight,
                color=colour,
                va="bottom",
                linespacing=1.25,
            )
            height += _break_lines(text, width) * size * 1.2 + 3


def _panel_inches(axes: Axes) -> tuple[float, float]:
    """Width and height of a panel's cell of the figure, decorations included."""
    place = axes.get_subplotspec()
    figure = axes.get_figure(root=True)
    assert place is not None
    assert figure is not None
    cell, whole = place.get_position(figure), figure.subplotpars
    width, height = figure.get_size_inches()
    return (
        cell.width / (whole.right - whole.left) * width,
        cell.height / (whole.top - whole.bottom) * height,
    )


def _break_lines(text: Text, width_inches: float) -> int:
    """Breaks a text so that it is no wider than this; returns its number of lines."""
    width_pixels = width_inches * PIXELS_PER_INCH
    lines: list[str] = []
    for word in text.get_text().split():
        longer = f"{lines[-1]} {word}" if lines else word
        text.set_text(longer)
        fits = text.get_window_extent().width <= width_pixels
        if lines and fits:
            lines[-1] = longer
        else:
            lines.append(word)
    text.set_text("\n".join(lines))
    return len(lines)


def label(
    axes: Axes,
    x: Number,
    y: Number,
    text: str,
    *,
    offset: tuple[Number, Number] = (0, 0),
    within: Any = "data",
    **properties: Any,
) -> Text:
    """Writes a direct label beside what it names, readable over lines.

    Args:
      axes: where.
      x: in the units of `within`.
      y: in the units of `within`.
      text: one or more lines.
      offset: moves the label right and up, in points.
      within: units of x and y: "data", "axes fraction" or a transform.
      **properties: of `matplotlib.text.Text`, for instance color, ha, va, size.

    Returns:
      The text.
    """
    from matplotlib.patheffects import withStroke

    colours = palette_of(axes)
    halo = withStroke(linewidth=3.0, foreground=colours.ground)
    properties = {
        "color": colours.ink,
        "size": TICK,
        "va": "center",
        "zorder": 5.0,
        "path_effects": [halo],
        **properties,
    }
    return axes.annotate(
        text, (x, y), offset, xycoords=within, textcoords="offset points", **properties
    )


def reference_line(
    axes: Axes,
    value: Number,
    text: str,
    *,
    vertical: bool = False,
    at: Number = 1.0,
    side: Literal["above", "below"] = "above",
    color: str | None = None,
) -> None:
    """Draws the number to compare with (a paper's, a closed form's) and names it.

    Args:
      axes: where.
      value: of y, or of x if vertical; in data units.
      text: what it is and where it comes from; "" where `end_labels` names it.
      vertical: stands up instead of lying.
      at: where along the line the label ends, as a fraction of the axes; 0 is the left
        or lower end, where it starts instead.
      side: of the line that the label is on; "below" is the left of a vertical one.
      color: neutral grey if not given.
    """
    from matplotlib.transforms import blended_transform_factory as blend

    color = color or palette_of(axes).neutral
    draw = axes.axvline if vertical else axes.axhline
    draw(float(value), color=color, linewidth=1.1, linestyle=(0, (4, 3)), zorder=1.5)
    if not text:
        return
    ahead, along = side == "above", "start" if at < 0.5 else "end"
    if vertical:
        x, y, within = value, at, blend(axes.transData, axes.transAxes)
        ha, va = "left" if ahead else "right", _UPRIGHT[along]
        offset = (4.0 if ahead else -4.0, 0.0)
    else:
        x, y, within = at, value, blend(axes.transAxes, axes.transData)
        ha, va = _LYING[along], "bottom" if ahead else "top"
        offset = (0.0, 2.5 if ahead else -2.5)
    label(axes, x, y, text, offset=offset, within=within, color=color, ha=ha, va=va)


def end_labels(axes: Axes, entries: Sequence[tuple[Number, str, str]]) -> None:
    """Names what ends at the right edge of the axes, one label beside each end.

    Labels that would overlap move apart, and a thin line leads back to the end they
    name. Set the limits of the axes before.

    Args:
      axes: where.
      entries: y in data units, the text, its colour.
    """
    from matplotlib.transforms import blended_transform_factory as blend

    to_fraction = axes.transScale + axes.transLimits
    wanted = [float(to_fraction.transform((1.0, float(y)))[1]) for y, _, _ in entries]
    order = np.argsort(wanted, kind="stable")
    _, height = _panel_inches(axes)
    # titles and tick labels leave the axes about two thirds of their panel
    line = TICK * 1.3 / 72 / (0.67 * height)
    needed = [line * (entries[place][1].count("\n") + 1) for place in order]
    fractions = _spread([wanted[place] for place in order], needed)
    look = {"size": TICK, "va": "center", "linespacing": 1.15}
    for place, fraction in zip(order, fractions, strict=True):
        y, text, colour = entries[place]
        leader = {"arrowstyle": "-", "color": colour, "lw": 0.7, "shrinkA": 1}
        axes.annotate(
            text,
            (1, y),
            (1.025, fraction),
            xycoords=blend(axes.transAxes, axes.transData),
            textcoords="axes fraction",
            color=colour,
            arrowprops=leader if abs(fraction - wanted[place]) > line / 3 else None,
            **look,
        )


def _spread(wanted: list[float], needed: list[float]) -> list[float]:
    """Moves ascending centres apart until each has the room it needs around it.

    Neighbours that touch become a group, centred on the mean of the places its
    members wanted; groups that touch are joined in turn.
    """
    groups: list[tuple[list[float], list[float]]] = []  # wanted, needed
    for place, room in zip(wanted, needed, strict=True):
        group = ([place], [room])
        while groups and _bottom(group) < _bottom(groups[-1]) + sum(groups[-1][1]):
            below = groups.pop()
            group = (below[0] + group[0], below[1] + group[1])
        groups.append(group)
    centres: list[float] = []
    for group in groups:
        bottom = _bottom(group)
        for room in group[1]:
            centres.append(bottom + room / 2)
            bottom += room
    return centres


def _bottom(group: tuple[list[float], list[float]]) -> float:
    wanted, needed = group
    return sum(wanted) / len(wanted) - sum(needed) / 2


def percent(axes: Axes, axis: Literal["x", "y"] = "y") -> None:
    """Writes the ticks of an axis that holds shares of 1 as percent."""
    chosen = axes.yaxis if axis == "y" else axes.xaxis
    chosen.set_major_formatter(lambda share, _: f"{100 * share:.4g}%")
