"""The network as the series draws it: columns of neurons, blue and red edges.

Part 1, chapter 1: the pixels of a digit light up the first column, and activations flow
through the weights to ten outputs, of which the brightest is the answer.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from nnguide.plots.lettering import label, title
from nnguide.plots.style import (
    LABEL,
    NOTE,
    SMALL,
    Axes,
    Figure,
    Theme,
    figure,
    grey_map,
    palette_of,
)

_SHOWN = 16  # a longer column shows this many neurons and dots between its halves
_WIDTH, _HEIGHT, _FOOT = 11.7, 6.1, 0.6  # inches: the drawing, room for its captions
_IMAGE, _FIRST, _LAST = 2.3, 3.6, 10.2  # inches: the digit's side, first, last column

_NEGATIVE = (0, (4, 0.8))  # dashes, so that the sign survives a grey print


@dataclasses.dataclass(frozen=True)
class _Column:
    """A column of neurons as it is drawn.

    Attributes:
      x: inches from the left.
      y: inches from below, of each neuron shown, from the top down.
      shown: which neurons those are.
      neurons: how many the layer has.
      activations: of the neurons shown.
    """

    x: float
    y: np.ndarray
    shown: np.ndarray
    neurons: int
    activations: np.ndarray


def network(
    theme: Theme,
    image: Float[np.ndarray, "height width"],
    weights: Sequence[Float[np.ndarray, "_ _"]],
    activations: Sequence[Float[np.ndarray, " _"]],
    names: Sequence[str],
    desired: int | None = None,
) -> Figure:
    """Draws a network with the activations that one image causes.

    Args:
      theme: of the picture; dark is the series' look.
      image: in [0, 1]; its pixels, row by row, are the first column.
      weights: one matrix a layer, (neurons, inputs): a row for each neuron.
      activations: one vector a layer, without the image's pixels; the last holds the
        outputs.
      names: of the outputs ("0" ... "9").
      desired: the right output, where it is known.

    Returns:
      The figure. Each layer's edges have the width and the opacity of |w| over the
      largest of that layer's that are shown; columns of more than 16 neurons show 16 at
      equal steps, those of the image framed in it.
    """
    drawing, axes = figure(theme, 12, 7.2)
    axes.set_axis_off()
    axes.set(xlim=(0, _WIDTH), ylim=(0, _HEIGHT), aspect="equal")
    columns = _columns([image.ravel(), *activations])
    _draw_image(axes, image, columns[0])
    for matrix, before, after in zip(weights, columns[:-1], columns[1:], strict=True):
        _draw_edges(axes, matrix, before, after)
    for column in columns:
        _draw_column(axes, column)
    _draw_outputs(axes, columns[-1], activations[-1], names)
    _write_title(drawing, weights, activations[-1], names, desired)
    return drawing


def _columns(layers: Sequence[np.ndarray]) -> list[_Column]:
    columns = []
    for x, layer in zip(np.linspace(_FIRST, _LAST, len(layers)), layers, strict=True):
        neurons = len(layer)
        if neurons <= _SHOWN:
            shown, places = np.arange(neurons), np.arange(neurons)
        else:  # the middle of each sixteenth, and a gap of two places for the dots
            shown = ((np.arange(_SHOWN) + 0.5) * neurons / _SHOWN).astype(int)
            places = np.arange(_SHOWN) + 2 * (np.arange(_SHOWN) >= _SHOWN // 2)
        room = _HEIGHT - _FOOT
        step = min(0.5, room / (_SHOWN + 2))
        middle = _FOOT + room / 2
        y = middle + step * (places[-1] / 2 - places)
        columns.append(_Column(float(x), y, shown, neurons, layer[shown]))
    return columns


def _draw_image(axes: Axes, image: np.ndarray, column: _Column) -> None:
    """The digit, and a faint line from each pixel shown to its neuron."""
    from matplotlib.patches import Rectangle

    colours = palette_of(axes)
    height, width = image.shape
    top = (column.y[0] + column.y[-1] + _IMAGE) / 2
    bounds = (0.0, _IMAGE, top - _IMAGE * height / width, top)
    axes.imshow(image, cmap=grey_map(colours), vmin=0, vmax=1, extent=bounds, zorder=0)
    axes.set(xlim=(0, _WIDTH), ylim=(0, _HEIGHT))
    size = _IMAGE / width
    frames = [(0.0, bounds[2], _IMAGE, top - bounds[2])]
    for pixel, y in zip(column.shown, column.y, strict=True):
        left, below = pixel % width * size, top - (pixel // width + 1) * size
        frames.append((left, below, size, size))
        axes.plot(
            [left + size / 2, column.x],
            [below + size / 2, y],
            color=colours.neutral,
            linestyle="-",
            linewidth=0.6,
            alpha=0.5,
            zorder=0.5,
        )
    for left, below, across, up in frames:
        frame = Rectangle((left, below), across, up, fill=False, linewidth=1.0)
        frame.set_edgecolor(colours.neutral)
        axes.add_patch(frame)


def _draw_edges(
    axes: Axes, matrix: np.ndarray, before: _Column, after: _Column
) -> None:
    from matplotlib.collections import LineCollection
    from matplotlib.colors import to_rgba_array

    colours = palette_of(axes)
    shown = matrix[np.ix_(after.shown, before.shown)].ravel()
    largest = float(np.abs(shown).max()) or 1.0
    strength = np.abs(shown) / largest
    ends = np.empty((len(after.y), len(before.y), 2, 2))
    ends[..., 0, 0], ends[..., 0, 1] = before.x, before.y
    ends[..., 1, 0], ends[..., 1, 1] = after.x, after.y[:, None]
    ink = to_rgba_array(
        [colours.positive if w > 0 else colours.negative for w in shown]
    )
    ink[:, 3] = 0.08 + 0.92 * strength
    order = np.argsort(strength, kind="stable")  # the strong ones on top
    edges = LineCollection(
        list(ends.reshape(-1, 2, 2)[order]),
        colors=ink[order],
        linewidths=(0.3 + 2.9 * strength)[order],
        linestyles=[_NEGATIVE if w < 0 else "-" for w in shown[order]],
        zorder=1,
    )
    axes.add_collection(edges)
    lines = 1 if after.neurons == len(after.shown) else 2  # of the column's caption
    label(
        axes,
        after.x,
        after.y[-1] - 0.26 - 0.15 * lines,
        f"|w| up to {largest:.2g}",
        ha="center",
        va="top",
        size=SMALL,
        color=colours.neutral,
    )


def _draw_column(axes: Axes, column: _Column) -> None:
    colours = palette_of(axes)
    fill = column.activations / max(1.0, float(column.activations.max()))
    axes.scatter(
        np.full(len(column.y), column.x),
        column.y,
        s=215,
        zorder=2,
        c=fill,
        cmap=grey_map(colours),
        vmin=0,
        vmax=1,
        edgecolors=colours.ink,
        linewidths=1.1,
    )
    text = f"{column.neurons:,} neurons"
    if column.neurons > len(column.shown):
        half = len(column.y) // 2
        gap = np.linspace(column.y[half - 1], column.y[half], 5)[1:-1]
        axes.scatter(np.full(3, column.x), gap, s=9, color=colours.ink, zorder=2)
        text += f"\n({len(column.shown)} shown)"
    label(axes, column.x, column.y[-1] - 0.22, text, ha="center", va="top", size=SMALL)


def _draw_outputs(
    axes: Axes, column: _Column, outputs: np.ndarray, names: Sequence[str]
) -> None:
    """Activations and names of the outputs shown; the answer in the highlight."""
    colours = palette_of(axes)
    answer = int(np.argmax(outputs))
    plain = {"size": LABEL, "color": colours.ink}
    box = {"facecolor": colours.highlight, "edgecolor": "none", "boxstyle": "round"}
    bold = {"size": NOTE, "color": colours.on_highlight, "weight": "bold", "bbox": box}
    for neuron, y in zip(column.shown, column.y, strict=True):
        look = bold if neuron == answer else plain
        text = f"{outputs[neuron]:.2f}   {names[neuron]}"
        axes.text(column.x + 0.3, y, text, va="center", zorder=5, **look)
        if neuron == answer:
            axes.scatter(
                column.x,
                y,
                s=330,
                facecolors="none",
                edgecolors=colours.highlight,
                linewidths=3.5,
                zorder=3,
            )


def _write_title(
    drawing: Figure,
    weights: Sequence[np.ndarray],
    outputs: np.ndarray,
    names: Sequence[str],
    desired: int | None,
) -> None:
    parameters = sum(matrix.size + len(matrix) for matrix in weights)
    answer, second = np.argsort(-outputs, kind="stable")[:2]
    what = "image" if desired is None else f'"{names[desired]}"'
    widths = "-".join(str(n) for n in (weights[0].shape[1], *map(len, weights)))
    title(
        drawing,
        f'{parameters:,} weights and biases read this {what} as "{names[answer]}": '
        f"{outputs[answer]:.2f}; next comes "
        f'"{names[second]}" with {outputs[second]:.2f}',
        f"{widths}. Blue edges: positive weights; dashed red: negative. Width and "
        "opacity follow |w|, layer by layer; neurons are filled as far as active.",
    )
