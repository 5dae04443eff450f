"""What hidden weights look like, and how much of the look is noise nobody touched.

Part 1: the series hopes for edges and loops and shows noise. Pixels that never light up
have no gradient, so their weights stay what they were at birth; masked, the learned
part remains. A convnet trained on the same digits does find edges.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float

from nnguide.plots.lettering import title
from nnguide.plots.style import (
    TICK,
    Axes,
    Figure,
    Number,
    Theme,
    figure,
    palette_of,
    weight_map,
)

_SHOWN = 16  # neurons, and filters, at most
_PANELS = {
    "initial": "Before training",
    "trained": "Trained",
    "masked": "Trained, never-lit pixels hatched",
}


def hidden_weights(
    theme: Theme,
    initial: Float[np.ndarray, "neurons height width"],
    trained: Float[np.ndarray, "neurons height width"],
    dead: Bool[np.ndarray, "height width"],
    autocorrelation: Mapping[str, Number],
    filters: Float[np.ndarray, "filters filter_height filter_width"] | None = None,
) -> Figure:
    """Draws the weights into each hidden neuron as images, all on one scale.

    Args:
      theme: of the picture.
      initial: weights before training; the first 16 neurons are shown.
      trained: the same weights after it.
      dead: pixels that no training image lights.
      autocorrelation: "initial", "trained" and "masked" (of the trained weights at the
        pixels that light) -> Moran's I of 4-neighbours; 0 is noise, 1 smooth.
      filters: first layer of a convnet trained on the same digits.

    Returns:
      The figure: before, after, after with the dead pixels blanked; filters below.
    """
    rows = -(-min(len(trained), _SHOWN) // 4)
    heights = [0.9 * rows] if filters is None else [0.9 * rows, 0.85]
    mosaic = [[*_PANELS], ["filters"] * 3][: len(heights)]
    drawing, panels = figure(
        theme, 12, 2.2 + sum(heights), mosaic=mosaic, height_ratios=heights
    )
    masked = np.where(dead, np.nan, trained)
    largest = _limit(trained[:, ~dead])
    for (name, words), images in zip(
        _PANELS.items(), (initial, trained, masked), strict=True
    ):
        _draw_tiles(panels[name], images[:_SHOWN], 4, largest)
        title(panels[name], words, f"neighbours correlate {autocorrelation[name]:z.2f}")
    _draw_scale(drawing, [panels[name] for name in _PANELS], largest)
    if filters is not None:
        _draw_filters(panels["filters"], filters)
    before, after = autocorrelation["initial"], autocorrelation["trained"]
    title(
        drawing,
        f"Neighbouring weights correlate {before:z.2f} before training, {after:z.2f} "
        "after",
        _spread(initial, trained, dead),
    )
    return drawing


def _draw_filters(axes: Axes, filters: np.ndarray) -> None:
    largest, (height, width) = _limit(filters), filters.shape[1:]
    _draw_tiles(axes, filters[:_SHOWN], _SHOWN, largest)
    words = f"A convnet's first layer, {height} by {width} filters, same digits"
    title(axes, words, f"Their own scale: red {-largest:.2g} to blue {largest:.2g}")


def _spread(initial: np.ndarray, trained: np.ndarray, dead: np.ndarray) -> str:
    """How far training moved the weights, where pixels light and where none does."""
    text = (
        f"The weights into {min(len(trained), _SHOWN)} of {len(trained)} hidden "
        f"neurons, one scale for all. Their standard deviation was {initial.std():.2g} "
        f"before training and is now {trained[:, ~dead].std():.2g}"
    )
    if not dead.any():
        return f"{text}."
    return (
        f"{text} at pixels that light up, {trained[:, dead].std():.2g} at the "
        f"{dead.sum()} of {dead.size} that no training digit lights."
    )


def _limit(weights: np.ndarray) -> float:
    """The end of a colour scale: all but the 0.5% largest weights lie inside."""
    return float(np.quantile(np.abs(weights), 0.995)) or 1.0


def _draw_tiles(axes: Axes, images: np.ndarray, columns: int, largest: float) -> None:
    """Images side by side, `columns` a row; what is NaN is hatched."""
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Rectangle

    colours = palette_of(axes)
    height, width = images.shape[1:]
    gap = max(1, round(width / 14))
    rows = -(-len(images) // columns)
    size = (rows * (height + gap) - gap, columns * (width + gap) - gap)
    sheet = np.ones((*size, 4))
    sheet[..., :3] = to_rgb(colours.ground)
    colour_of = weight_map(colours).with_extremes(bad=(0, 0, 0, 0))
    for place, image in enumerate(images):
        y, x = place // columns * (height + gap), place % columns * (width + gap)
        shades = colour_of(np.ma.masked_invalid(image / (2 * largest) + 0.5))
        sheet[y : y + height, x : x + width] = shades
        frame = Rectangle((x - 0.5, y - 0.5), width, height, zorder=0.5, linewidth=0)
        frame.set(facecolor=colours.faint, edgecolor=colours.neutral, hatch="////")
        axes.add_patch(frame)
        outline = Rectangle((x - 0.5, y - 0.5), width, height, fill=False, zorder=2)
        outline.set(edgecolor=colours.faint, linewidth=0.6)
        axes.add_patch(outline)
    axes.imshow(sheet, interpolation="nearest", zorder=1)
    axes.set_axis_off()


def _draw_scale(drawing: Figure, panels: list[Axes], largest: float) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    colours = palette_of(drawing)
    shades = ScalarMappable(Normalize(-largest, largest), weight_map(colours))
    bar = drawing.colorbar(
        shades, ax=panels, location="right", aspect=28, shrink=0.8, pad=0.01
    )
    bar.set_ticks(
        [-largest, 0, largest], labels=[f"{-largest:.2g}", "0", f"{largest:.2g}"]
    )
    bar.ax.tick_params(color=colours.neutral, labelcolor=colours.ink, labelsize=TICK)
    bar.set_label("weight", color=colours.ink, size=TICK)
    bar.outline.set_edgecolor(colours.neutral)
