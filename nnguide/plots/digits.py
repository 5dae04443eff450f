"""What a network answers: which digits it confuses, and which it gets wrong.

Part 1, and the question every viewer asks next: the look of the images that are read
wrong says more than the share of them.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Integer

from nnguide.plots.lettering import title
from nnguide.plots.style import (
    LABEL,
    TICK,
    Axes,
    Figure,
    Theme,
    figure,
    grey_map,
    palette,
    palette_of,
)


def confusion(
    theme: Theme, counts: Integer[np.ndarray, "classes classes"], names: Sequence[str]
) -> Figure:
    """Draws how often each class is read as each other.

    Args:
      theme: of the picture.
      counts: images by true class (row) and by answer (column).
      names: of the classes.

    Returns:
      The figure. Numbers are counts; the colour is the share of the row, blue on the
      diagonal from 0 to 1, red beside it from 0 to the largest share of the figure.
    """
    from matplotlib.colors import LinearSegmentedColormap

    drawing, axes = figure(theme, 8.4, 8.6)
    colours = palette_of(drawing)
    right = np.eye(len(counts), dtype=bool)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    wrong = np.where(right, 0.0, shares)
    largest = float(wrong.max()) or 1.0
    from_ground = LinearSegmentedColormap.from_list
    blues = from_ground("right", [colours.ground, colours.positive])
    reds = from_ground("wrong", [colours.ground, colours.negative])
    shades = np.where(right[..., None], blues(0.85 * shares), reds(wrong / largest))
    axes.imshow(shades)
    for row, column in np.argwhere(counts > 0):
        dark = shades[row, column, :3] @ (0.299, 0.587, 0.114) < 0.5
        ink = palette("dark" if dark else "light").ink
        place = {"ha": "center", "va": "center", "size": LABEL, "color": ink}
        axes.text(column, row, f"{counts[row, column]:,}", **place)
    axes.set_xticks(range(len(names)), names, rotation=0 if _short(names) else 45)
    axes.set_yticks(range(len(names)), names)
    axes.set(xlabel="answer of the network", ylabel="true class")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    _write_confusion(drawing, counts, wrong, names)
    return drawing


def _short(names: Sequence[str]) -> bool:
    return max(map(len, names)) <= 2


def _write_confusion(
    drawing: Figure, counts: np.ndarray, wrong: np.ndarray, names: Sequence[str]
) -> None:
    right, total = int(np.trace(counts)), int(counts.sum())
    answered = f"{right:,} of {total:,} images are read right ({right / total:.1%})"
    row, column = map(int, np.unravel_index(np.argmax(wrong), wrong.shape))
    scale = "Blue deepens with the share of the row that is right"
    if right == total:
        title(drawing, answered, f"{scale}.")
        return
    title(
        drawing,
        f"{answered}; {counts[row, column]} of {counts[row].sum()} images of "
        f'"{names[row]}" pass for "{names[column]}"',
        f"{scale}, red with the share that is wrong, the deepest red being "
        f"{wrong.max():.1%}.",
    )


def mistakes(
    theme: Theme,
    images: Float[np.ndarray, "images height width"],
    labels: Integer[np.ndarray, " images"],
    outputs: Float[np.ndarray, "images classes"],
    names: Sequence[str],
    rows: int = 4,
    columns: int = 10,
) -> Figure:
    """Draws the images that are read wrong, those the network is surest of first.

    Args:
      theme: of the picture.
      images: a whole test set, in [0, 1].
      labels: true class of each.
      outputs: activations of the last layer for each; the largest is the answer.
      names: of the classes.
      rows: of the grid, at most.
      columns: of the grid.

    Returns:
      The figure; above each image the answer, its activation, and the true class.
    """
    answers, sureness = outputs.argmax(axis=1), outputs.max(axis=1)
    wrong = np.flatnonzero(answers != labels)
    shown = wrong[np.argsort(-sureness[wrong], kind="stable")][: rows * columns]
    rows = max(1, -(-len(shown) // columns))
    drawing, panels = figure(
        theme, 12, 1.2 + 1.6 * rows, nrows=rows, ncols=columns, squeeze=False
    )
    for axes in panels.flat[len(shown) :]:
        axes.set_axis_off()
    for axes, example in zip(panels.flat, shown, strict=False):
        between = " " if _short(names) else "\n"
        words = f"{names[int(answers[example])]}{between}({sureness[example]:.2f})"
        _draw_mistake(axes, images[example], words, f"is {names[int(labels[example])]}")
    _write_mistakes(drawing, len(labels), sureness[wrong], sureness[shown])
    return drawing


def _write_mistakes(
    drawing: Figure, total: int, of_wrong: np.ndarray, of_shown: np.ndarray
) -> None:
    wrong = len(of_wrong)
    finding = f"{wrong:,} of {total:,} images are read wrong ({wrong / total:.1%})"
    if not wrong:
        title(drawing, finding)
        return
    title(
        drawing,
        f"{finding}; {np.sum(of_wrong > 0.5):,} of them with more than 0.5",
        f"The {len(of_shown)} it is surest of, from {of_shown[0]:.2f} down to "
        f"{of_shown[-1]:.2f}. Above: the network's answer and that output. "
        "Below: the true class.",
    )


def _draw_mistake(axes: Axes, image: np.ndarray, above: str, below: str) -> None:
    colours = palette_of(axes)
    axes.imshow(image, cmap=grey_map(colours), vmin=0, vmax=1)
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set(visible=True, color=colours.faint)
    axes.set_title(above, color=colours.negative, size=LABEL, weight="bold", pad=3)
    axes.set_xlabel(below, color=colours.ink, size=TICK, labelpad=2)
