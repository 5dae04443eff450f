"""The chain rule: the graph that gradients flow back through, and how it was checked.

Part 4: the value and the gradient of every node with one neuron a layer; the error of
nudging over the size of the nudge; hand against autodiff, weight by weight; the price.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from nnguide.plots.lettering import label, reference_line, title
from nnguide.plots.style import (
    LABEL,
    SMALL,
    TICK,
    Axes,
    Figure,
    Theme,
    figure,
    grey_map,
    palette_of,
)

_BOX = (1.0, 0.56)  # width and height of a node
_PRECISION = {"float64": 2.0**-53, "float32": 2.0**-24}


def computation_graph(
    theme: Theme, links: Sequence[Mapping[str, float]], y: float, cost: float
) -> Figure:
    """Draws the chain's values going forwards and its gradients coming back.

    Args:
      theme: of the picture.
      links: one a layer, first layer first; the fields of `network.chain.Link`.
      y: the desired output.
      cost: of the last activation.

    Returns:
      The figure: each node with its value above its gradient, each arrow with the
      derivative along it.
    """
    drawing, axes = figure(theme, 12, 5.6)
    axes.set_axis_off()
    layers = len(links)
    width = 1.6
    last = links[-1]
    before = (0.0, "a0", links[0]["a_before"], _before(links[0]))
    _draw_node(axes, *before, 0.0)
    for number, link in enumerate(links, start=1):
        x = width * (2 * number - 1)
        _draw_node(axes, x, f"z{number}", link["z"], link["dcost_dz"], 0.0)
        _draw_node(axes, x + width, f"a{number}", link["a"], link["dcost_da"], 0.0)
        _draw_node(axes, x - 0.6, f"w{number}", link["w"], link["dcost_dw"], 1.5)
        _draw_node(axes, x + 0.6, f"b{number}", link["b"], link["dcost_db"], 1.5)
        _draw_arrow(axes, (x - width, 0), (x, 0), link["dz_da_before"])
        _draw_arrow(axes, (x, 0), (x + width, 0), link["da_dz"])
        _draw_arrow(axes, (x - 0.6, 1.5), (x, 0), link["dz_dw"])
        _draw_arrow(axes, (x + 0.6, 1.5), (x, 0), link["dz_db"])
    end = width * (2 * layers + 1)
    _draw_node(axes, end, "C", cost, 1.0, 0.0)
    _draw_node(axes, end, "y", y, -last["dcost_da"], 1.5)
    _draw_arrow(axes, (end - width, 0), (end, 0), last["dcost_da"])
    _draw_arrow(axes, (end, 1.5), (end, 0), -last["dcost_da"])
    axes.set(xlim=(-0.8, end + 0.8), ylim=(-0.8, 2.1), aspect="equal")
    factors = [last["dz_dw"], last["da_dz"], last["dcost_da"]]
    product = " × ".join(f"{factor:.3f}" for factor in factors)
    title(
        drawing,
        f"dC/dw{layers} = a{layers - 1} × s'(z{layers}) × 2 (a{layers} - y) = {product} "
        f"= {last['dcost_dw']:.4f}",
        "One neuron a layer. In each box the value, and below it how much C rises for "
        "each unit of it: the product of the numbers on the arrows from there to C.",
    )
    return drawing


def _before(link: Mapping[str, float]) -> float:
    """How much the cost rises for each unit of the activation before a layer."""
    return link["dz_da_before"] * link["dcost_dz"]


def _draw_node(
    axes: Axes, x: float, name: str, value: float, gradient: float, y: float
) -> None:
    """A box: name and value above, the gradient below."""
    from matplotlib.patches import FancyBboxPatch

    colours = palette_of(axes)
    width, height = _BOX
    box = FancyBboxPatch(
        (x - width / 2, y - height / 2), width, height, zorder=3,
        boxstyle="round,pad=0,rounding_size=0.12", facecolor=colours.ground,
        edgecolor=colours.ink, linewidth=1.2,
    )  # fmt: skip
    axes.add_patch(box)
    axes.text(
        x, y + height / 4, f"{name} = {value:.3g}", ha="center", va="center",
        size=TICK, color=colours.ink, weight="bold", zorder=4,
    )  # fmt: skip
    colour = colours.positive if gradient > 0 else colours.negative
    axes.text(
        x, y - height / 4, f"{gradient:+.3g}", ha="center", va="center", size=TICK,
        color=colour, zorder=4,
    )  # fmt: skip


def _draw_arrow(
    axes: Axes, start: tuple[float, float], end: tuple[float, float], slope: float
) -> None:
    """From box to box, with the derivative of the one by the other."""
    colours = palette_of(axes)
    flat = start[1] == end[1]
    (x0, y0), (x1, y1) = start, end
    width, height = _BOX
    if flat:
        x0, x1 = x0 + width / 2, x1 - width / 2
    else:
        y0, y1 = y0 - height / 2, y1 + height / 2
        x1 = x1 + 0.3 * (x0 - x1)
    axes.annotate(
        "", (x1, y1), (x0, y0), zorder=2,
        arrowprops={"arrowstyle": "-|>", "lw": 1.4, "color": colours.neutral,
                    "shrinkA": 0, "shrinkB": 0},
    )  # fmt: skip
    label(
        axes, (x0 + x1) / 2, (y0 + y1) / 2, f"{slope:.3g}", ha="center",
        va="bottom" if flat else "center", offset=(0, 3 if flat else 0),
        color=colours.accent, size=SMALL,
    )  # fmt: skip


def u_curve(
    theme: Theme,
    curves: Mapping[str, tuple[Float[np.ndarray, " steps"], Float[np.ndarray, " _"]]],
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
    best = {}
    for dtype, (steps, errors) in curves.items():
        colour, marker = looks[dtype]
        axes.plot(
            steps, errors, color=colour, marker=marker, linestyle="-", linewidth=2,
            zorder=3,
        )  # fmt: skip
        lowest = int(np.argmin(errors))
        best[dtype] = steps[lowest], errors[lowest]
        label(
            axes, steps[lowest], errors[lowest],
            f"{dtype}: {errors[lowest]:.0e} at a step of {steps[lowest]:.0e}",
            offset=(0, -9), ha="center", va="top", color=colour, weight="bold",
        )  # fmt: skip
        rest = steps[lowest:] / steps[lowest]
        axes.plot(
            steps[lowest:], errors[lowest] / rest, color=colour, linestyle=(0, (4, 3)),
            linewidth=1.1,
        )  # fmt: skip
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
    axes.set_ylim(min(error for _, error in best.values()) / 30, None)
    axes.set_xlabel("nudge h of each parameter (logarithmic)")
    axes.set_ylabel("largest difference to the hand-derived gradient, relative")
    title(
        drawing,
        f"Nudging {parameters:,} parameters confirms backpropagation to "
        f"{best['float64'][1]:.0e} in float64, in float32 only to "
        f"{best['float32'][1]:.0e}",
        "Central differences, (C(w + h) - C(w - h)) / 2h. Dashed: slopes from theory, "
        "through the measured points.",
    )
    return drawing


def hand_and_autodiff(
    theme: Theme,
    differences: Sequence[Float[np.ndarray, "neurons inputs"]],
    gradients: Sequence[Float[np.ndarray, "neurons inputs"]],
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
    columns = min(8, neurons)
    rows = -(-min(neurons, 16) // columns)
    others = [f"layer_{number}" for number in range(2, len(differences) + 1)]
    mosaic = [["layer_1", "layer_1", other] for other in others] or [["layer_1"]]
    drawing, panels = figure(theme, 12, 2.4 + 1.9 * rows, mosaic=mosaic)
    colours = palette_of(drawing)
    largest = max(float(difference.max()) for difference in differences)
    top = np.ceil(np.log10(largest)) if largest else -7.0
    look = {"vmin": top - 5, "vmax": top, "cmap": grey_map(colours)}
    for number, difference in enumerate(differences, start=1):
        axes = panels[f"layer_{number}"]
        image = difference
        if number == 1:
            image = _tiles(difference[: rows * columns], image_shape, columns)
        with np.errstate(divide="ignore"):
            decades = np.where(image > 0, np.log10(image), np.nan)
        shown = axes.imshow(decades, interpolation="nearest", aspect="auto", **look)
        axes.set_axis_off()
        size = f"{difference.shape[0]} x {difference.shape[1]} weights"
        title(
            axes,
            f"Layer {number}, {size}: at most {difference.max():.0e}",
            f"gradients up to {gradients[number - 1].max():.0e}",
        )
    bar = drawing.colorbar(shown, ax=list(panels.values()), aspect=30, pad=0.01)
    decades = np.arange(top - 5, top + 1)
    bar.set_ticks(decades, labels=[f"1e{decade:.0f}" for decade in decades])
    bar.ax.tick_params(color=colours.neutral, labelcolor=colours.ink, labelsize=TICK)
    bar.outline.set_edgecolor(colours.neutral)
    words = "every one" if unequal == 0 else f"all but {unequal:,}"
    title(
        drawing,
        f"The hand-derived gradient is autodiff's in {words} of its derivatives, and "
        f"at most {largest:.0e} from the exact one",
        "|hand in float32 - autodiff in float64|, weight by weight: what float32 "
        "rounds. Exact zeros (pixels no example lights) are empty.",
    )
    return drawing


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
    drawing, panels = figure(theme, 12, 4.2, ncols=2, sharey=True)
    colours = palette_of(drawing)
    fills = (colours.neutral, colours.positive, colours.negative)
    for axes, values, unit in zip(
        panels, (work, seconds), ("FLOPs", "seconds"), strict=True
    ):
        places = np.arange(len(values))
        low = min(values.values()) / 10
        axes.set_xscale("log")
        axes.barh(places, list(values.values()), left=low, color=fills, height=0.55)
        axes.set_xlim(low, max(values.values()) * 60)
        for place, value in zip(places, values.values(), strict=True):
            words = f"{value:.2g} {unit}"
            label(axes, low + value, place, words, offset=(6, 0), size=LABEL)
        axes.set_xlabel(f"{unit} (logarithmic)")
        axes.tick_params(axis="y", length=0)
        axes.set_yticks(places, list(values))
        axes.set_ylim(len(values) - 0.5, -0.5)
    forward, backward, nudging = work
    title(
        drawing,
        f"Backpropagation costs {work[backward] / work[forward]:.1f} forward passes; "
        f"nudging {parameters:,} parameters costs "
        f"{work[nudging] / work[backward]:,.0f} times as much",
        f"Measured, it takes {seconds[nudging] / seconds[backward]:,.0f} times as long.",
    )
    return drawing
