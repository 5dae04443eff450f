"""The whole gradient checked: nudging over the size of the nudge, by hand, the price.

Part 4: hand-derived, by autodiff and by central differences of every parameter.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from nnguide.plots.lettering import label, title
from nnguide.plots.style import (
    LABEL,
    TICK,
    Axes,
    Figure,
    Theme,
    figure,
    grey_map,
    palette_of,
)


def u_curve(
    theme: Theme,
    curves: Mapping[str, tuple[Float[np.ndarray, " _"], Float[np.ndarray, " _"]]],
    parameters: int,
) -> Figure:
    """Draws how well nudging agrees with backpropagation, over the size of the nudge.

    Args:
      theme: of the picture.
      curves: "float64" and "float32" -> steps, largest first, and relative errors.
      parameters: how many were nudged.

    Returns:
      The figure, both axes logarithmic, with the slopes that theory gives.
    """
    drawing, axes = figure(theme, 12, 6.4)
    colours = palette_of(drawing)
    axes.set(xscale="log", yscale="log")
    looks = {"float64": (colours.positive, "o"), "float32": (colours.negative, "s")}
    for dtype, (steps, errors) in curves.items():
        _draw_u(axes, dtype, steps, errors, looks[dtype])
    best = {dtype: errors.min() for dtype, (_, errors) in curves.items()}
    steps, errors = curves["float64"]
    axes.plot(
        steps[:4], errors[0] * (steps[:4] / steps[0]) ** 2, color=colours.neutral,
        linestyle=(0, (4, 3)), linewidth=1.1,
    )  # fmt: skip
    label(
        axes, steps[1], errors[1], "truncation, slope 2", offset=(10, -12),
        color=colours.neutral,
    )  # fmt: skip
    label(
        axes, steps[-3], errors[-3], "rounding, slope -1", offset=(10, 10),
        color=colours.neutral,
    )  # fmt: skip
    axes.set_ylim(min(best.values()) / 30, None)
    axes.set_xlabel("nudge h of each parameter (logarithmic)")
    axes.set_ylabel("largest difference to the hand-derived gradient, relative")
    title(
        drawing,
        f"Nudging {parameters:,} parameters confirms backpropagation to "
        f"{best['float64']:.0e} in float64, in float32 only to {best['float32']:.0e}",
        "Central differences, (C(w + h) - C(w - h)) / 2h. Dashed: slopes from theory, "
        "through the measured points.",
    )
    return drawing


def _draw_u(
    axes: Axes, dtype: str, steps: np.ndarray, errors: np.ndarray, look: tuple[str, str]
) -> None:
    """One precision's curve, its bottom named, and the slope that rounding gives."""
    colour, marker = look
    axes.plot(
        steps, errors, color=colour, marker=marker, linestyle="-", linewidth=2, zorder=3
    )
    lowest = int(np.argmin(errors))
    label(
        axes, steps[lowest], errors[lowest],
        f"{dtype}: {errors[lowest]:.0e} at a step of {steps[lowest]:.0e}",
        offset=(8, -9), ha="right", va="top", color=colour, weight="bold",
    )  # fmt: skip
    rest = steps[lowest:] / steps[lowest]
    axes.plot(
        steps[lowest:], errors[lowest] / rest, color=colour, linestyle=(0, (4, 3)),
        linewidth=1.1,
    )  # fmt: skip


def hand_and_autodiff(
    theme: Theme,
    differences: Sequence[Float[np.ndarray, "_ _"]],
    gradients: Sequence[Float[np.ndarray, "_ _"]],
    image_shape: tuple[int, ...],
    unequal: int,
) -> Figure:
    """Draws how far the hand-derived gradient is from the exact one, weight by weight.

    Args:
      theme: of the picture.
      differences: absolute ones, a matrix a layer.
      gradients: absolute ones, the same shapes.
      image_shape: height and width of what the first layer reads.
      unequal: derivatives that differ from autodiff's in the same precision.

    Returns:
      The figure: decades of the difference; the first layer's as images, a tile a
      neuron. What is exactly 0 is left empty.
    """
    neurons = len(differences[0])
    columns = min(4, neurons)
    rows = -(-min(neurons, 16) // columns)
    others = [f"layer_{number}" for number in range(2, len(differences) + 1)]
    mosaic = [["layer_1", other] for other in others] or [["layer_1"]]
    drawing, panels = figure(theme, 12, 2.2 + 1.25 * rows, mosaic=mosaic)
    largest = max(float(difference.max()) for difference in differences)
    top = np.ceil(np.log10(largest)) if largest else -7.0
    look = {"vmin": top - 5, "vmax": top, "cmap": grey_map(palette_of(drawing))}
    for number, difference in enumerate(differences, start=1):
        axes = panels[f"layer_{number}"]
        image = difference
        if number == 1:
            image = _tiles(difference[: rows * columns], image_shape, columns)
        with np.errstate(divide="ignore"):
            decades = np.where(image > 0, np.log10(image), np.nan)
        aspect = "equal" if number == 1 else "auto"
        axes.imshow(decades, interpolation="nearest", aspect=aspect, **look)
        axes.set_axis_off()
        size = f"{difference.shape[0]} x {difference.shape[1]}"
        title(
            axes,
            f"Layer {number}, {size}: at most {difference.max():.0e}",
            f"gradients up to {gradients[number - 1].max():.0e}",
        )
    _draw_scale(drawing, list(panels.values()), [top - down for down in range(6)])
    equal = "bit for bit" if unequal == 0 else f"but for {unequal:,} derivatives"
    title(
        drawing,
        f"The hand-derived gradient equals autodiff's {equal}, and is at most "
        f"{largest:.0e} from the exact one",
        "|hand in float32 - autodiff in float64|, weight by weight: what float32 "
        "rounds. Exact zeros (pixels no example lights) are empty.",
    )
    return drawing


def _draw_scale(drawing: Figure, panels: list[Axes], decades: list[float]) -> None:
    colours = palette_of(drawing)
    bar = drawing.colorbar(panels[0].images[0], ax=panels, aspect=30, pad=0.01)
    bar.set_ticks(decades, labels=[f"1e{decade:.0f}" for decade in decades])
    bar.ax.tick_params(color=colours.neutral, labelcolor=colours.ink, labelsize=TICK)
    bar.outline.set_edgecolor(colours.neutral)


def _tiles(
    rows: np.ndarray, image_shape: tuple[int, ...], columns: int
) -> Float[np.ndarray, "height width"]:
    """One image a neuron, side by side, a line of nothing between them."""
    images = rows.reshape(-1, *image_shape[:2])
    images = np.pad(images, ((0, -len(images) % columns), (0, 1), (0, 1)))
    count, height, width = images.shape
    grid = images.reshape(count // columns, columns, height, width)
    return grid.transpose(0, 2, 1, 3).reshape(-1, columns * width)


def price(
    theme: Theme,
    work: Mapping[str, int],
    seconds: Mapping[str, float],
    parameters: int,
) -> Figure:
    """Draws what one gradient costs, in FLOPs and in seconds.

    Args:
      theme: of the picture.
      work: way -> FLOPs; forward pass, backpropagation, central differences.
      seconds: the same -> measured.
      parameters: of the network.

    Returns:
      The figure, with logarithmic axes.
    """
    drawing, panels = figure(theme, 12, 3.9, ncols=2, sharey=True)
    colours = palette_of(drawing)
    fills = (colours.neutral, colours.positive, colours.negative)
    million = {name: value / 1e6 for name, value in work.items()}
    thousandth = {name: value * 1e3 for name, value in seconds.items()}
    for axes, values, unit in zip(
        panels, (million, thousandth), ("million FLOPs", "milliseconds"), strict=True
    ):
        places = np.arange(len(values))
        axes.set_xscale("log")
        axes.set_xlim(min(values.values()) / 4, max(values.values()) * 8)
        axes.grid(axis="y", color=colours.faint, linewidth=1)
        axes.scatter(list(values.values()), places, color=fills, s=130, zorder=3)
        for place, value in zip(places, values.values(), strict=True):
            words = f"{value:.2g}" if value < 10 else f"{value:,.0f}"
            label(axes, value, place, words, offset=(11, 0), size=LABEL)
        axes.set_xlabel(f"{unit} (logarithmic)")
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_yticks(places, list(values))
        axes.set_ylim(len(values) - 0.5, -0.5)
    forward, backward, nudging = work
    longer = seconds[nudging] / seconds[backward]
    title(
        drawing,
        f"Backpropagation costs {work[backward] / work[forward]:.1f} forward passes, "
        f"nudging every parameter {work[nudging] / work[backward]:,.0f} times as much",
        f"A gradient of {parameters:,} parameters; nudging took {longer:,.0f} times as "
        "long, many nudges at once.",
    )
    return drawing
