"""The chain rule with one neuron a layer: the graph that gradients flow back through.

Part 4: every node with its value and its gradient, every arrow with its factor.
"""

from collections.abc import Mapping, Sequence

from nnguide.plots.lettering import label, title
from nnguide.plots.style import SMALL, TICK, Axes, Figure, Theme, figure, palette_of

_BOX = (1.14, 0.6)  # width and height of a node
_STEP = 1.76  # from node to node
_ABOVE = 1.45  # height of weights and biases over the chain


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
    drawing, axes = figure(theme, 12, 3.9)
    axes.set_axis_off()
    layers = len(links)
    last = links[-1]
    before = (0.0, "a0", links[0]["a_before"], _before(links[0]))
    _draw_node(axes, *before, 0.0)
    for number, link in enumerate(links, start=1):
        x = _STEP * (2 * number - 1)
        _draw_node(axes, x, f"z{number}", link["z"], link["dcost_dz"], 0.0)
        _draw_node(axes, x + _STEP, f"a{number}", link["a"], link["dcost_da"], 0.0)
        _draw_node(axes, x - 0.63, f"w{number}", link["w"], link["dcost_dw"], _ABOVE)
        _draw_node(axes, x + 0.63, f"b{number}", link["b"], link["dcost_db"], _ABOVE)
        _draw_arrow(axes, (x - _STEP, 0.0), (x, 0.0), link["dz_da_before"])
        _draw_arrow(axes, (x, 0.0), (x + _STEP, 0.0), link["da_dz"])
        _draw_arrow(axes, (x - 0.63, _ABOVE), (x, 0.0), link["dz_dw"])
        _draw_arrow(axes, (x + 0.63, _ABOVE), (x, 0.0), link["dz_db"])
    end = _STEP * (2 * layers + 1)
    _draw_node(axes, end, "C", cost, 1.0, 0.0)
    _draw_node(axes, end, "y", y, -last["dcost_da"], _ABOVE)
    _draw_arrow(axes, (end - _STEP, 0.0), (end, 0.0), last["dcost_da"])
    _draw_arrow(axes, (end, _ABOVE), (end, 0.0), -last["dcost_da"])
    axes.set(xlim=(-0.8, end + 0.8), ylim=(-0.6, 2.0), aspect="equal")
    factors = [last["dz_dw"], last["da_dz"], last["dcost_da"]]
    product = " x ".join(f"{factor:.3f}" for factor in factors)
    title(
        drawing,
        f"dC/dw{layers} = a{layers - 1} x s'(z{layers}) x 2 (a{layers} - y) = {product}"
        f" = {last['dcost_dw']:.4f}",
        "Boxes: the value, and below it dC/d(value), the product of the factors on the "
        "arrows from there to C.",
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
