"""A model's matrices as areas of one square, and what its table leaves out."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nnguide.plots.lettering import label
from nnguide.plots.style import LABEL, SMALL, Axes, Palette, palette_of

EMBEDDINGS = ("embedding", "unembedding")
LEFT_OUT = {
    "positions": "Vectors for positions",
    "biases": "Biases",
    "norms": "Layer norms",
    "unembedding": "Unembedding, the embedding's own table",
}


def part_look(colours: Palette, part: str) -> tuple[str, str]:
    """A part's colour, and the colour of letters on it; grey for what has no own."""
    return {
        "mlp": (colours.positive, colours.ground),
        "attention": (colours.highlight, colours.on_highlight),
        "embedding": (colours.negative, colours.ground),
        "unembedding": (colours.negative, colours.ground),
    }.get(part, (colours.neutral, colours.ground))


def draw_square(
    axes: Axes, names: Sequence[str], numbers: np.ndarray, parts: Sequence[str]
) -> float:
    """All matrices as areas of a square: MLP left, attention and embeddings right.

    Returns:
      The side of the square, in square roots of a parameter.
    """
    whole = float(numbers.sum())
    side = whole**0.5
    axes.set_axis_off()
    axes.set_aspect("equal")
    place = {
        name: (int(number), part)
        for name, number, part in zip(names, numbers, parts, strict=True)
    }
    groups = {
        kind: [n for n in names if place[n][1] in kind]
        for kind in (("mlp",), ("attention",), EMBEDDINGS)
    }
    mlp, attention, tables = groups.values()
    across = sum(place[name][0] for name in mlp) / side
    below = 0.0
    for name in reversed(mlp):
        height = place[name][0] / across
        _draw_area(axes, (0.0, below, across, height), name, place[name], whole)
        below += height
    below = _draw_rows(axes, attention, place, (across, 0.0, side), columns=2)
    columns = 2 if attention else 1  # alone, they may leave too little width for two
    _draw_rows(axes, tables, place, (across, below, side), columns)
    axes.set_xlim(0, 1.001 * side)
    return side


def _draw_rows(
    axes: Axes,
    names: Sequence[str],
    place: Mapping[str, tuple[int, str]],
    corner: tuple[float, float, float],
    columns: int,
) -> float:
    """Lays areas in rows, the first on top, over `corner`: left, below, right.

    Returns:
      Where their top is.
    """
    left, below, right = corner
    whole = float(sum(number for number, _ in place.values()))
    for start in reversed(range(0, len(names), columns)):
        row = names[start : start + columns]
        height = sum(place[name][0] for name in row) / (right - left)
        x = left
        for name in row:
            width = place[name][0] / height
            _draw_area(axes, (x, below, width, height), name, place[name], whole)
            x += width
        below += height
    return below


def _draw_area(
    axes: Axes,
    box: tuple[float, float, float, float],
    name: str,
    entry: tuple[int, str],
    whole: float,
) -> None:
    """One matrix as an area, named inside if there is room, else above it."""
    from matplotlib.patches import Rectangle

    colours, (number, part) = palette_of(axes), entry
    fill, letters = part_look(colours, part)
    x, y, width, height = box
    frame: dict[str, Any] = {"facecolor": fill, "edgecolor": colours.ground}
    axes.add_patch(Rectangle((x, y), width, height, linewidth=1.2, **frame))
    share = number / whole
    if share > 0.02:
        text, where = f"{name.replace(' ', chr(10))}\n{share:.1%}", y + height / 2
        look = {"color": letters, "path_effects": [], "size": LABEL}
        label(axes, x + width / 2, where, text, ha="center", weight="bold", **look)
    else:
        text = f"{name}\n{share:.2%}"
        label(
            axes, x + width / 2, y + height, text,
            ha="center", va="bottom", offset=(0, 3), size=SMALL,
        )  # fmt: skip


def draw_specks(axes: Axes, side: float, left_out: Mapping[str, int]) -> None:
    """What the table leaves out, as squares below the big one and to its scale."""
    from matplotlib.patches import Rectangle

    colours = palette_of(axes)
    line = 0.055 * side
    below = -0.045 * side
    label(
        axes, 0, below, "Left out, to the same scale:", weight="bold", color=colours.ink
    )
    for part, number in left_out.items():
        if number > 0:
            below -= line
            edge = number**0.5
            corner = (0.02 * side - edge / 2, below - edge / 2)
            axes.add_patch(Rectangle(corner, edge, edge, facecolor=colours.ink))
            text = f"{LEFT_OUT[part]}, {number:,}"
            label(axes, 0.045 * side, below, text, color=colours.neutral)
    axes.set_ylim(below - line, 1.09 * side)
