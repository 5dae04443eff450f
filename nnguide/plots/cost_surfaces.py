"""The surface that gradient descent walks down: of one neuron, and of a whole network.

Part 2: first one weight and a curve, then two parameters and a landscape, then the plane
through three networks as the only view of 13,002 dimensions there is.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from nnguide.plots.lettering import label, reference_line, title
from nnguide.plots.style import (
    DASHES,
    SMALL,
    Axes,
    Figure,
    Theme,
    figure,
    grey_map,
    palette_of,
)

Walk = tuple[np.ndarray, np.ndarray]  # the places of a descent, and the cost at each


def neuron(
    theme: Theme,
    curve: tuple[Float[np.ndarray, " w"], Float[np.ndarray, " w"]],
    walks: Sequence[Walk],
    surface: tuple[Float[np.ndarray, " b"], Float[np.ndarray, "b w"]],
    free_walks: Sequence[Walk],
) -> Figure:
    """Draws gradient descent on the cost of one neuron.

    Args:
      theme: of the picture.
      curve: weights, and the cost where only the weight may move.
      walks: descents on the curve, (steps,) places each.
      surface: biases, and the cost at every bias and weight.
      free_walks: descents on the surface, (steps, 2) places each, weight first.

    Returns:
      The figure: the curve on the left, the landscape on the right.
    """
    drawing, (left, right) = figure(theme, 12, 5.8, ncols=2)
    weight, cost = curve
    colours = palette_of(left)
    left.plot(weight, cost, color=colours.ink, linestyle="-", linewidth=2)
    for (places, costs), colour, mark in zip(
        walks, colours.series, "os^", strict=False
    ):
        left.plot(
            places, costs, linestyle="none", marker=mark, markersize=6, color=colour,
            markeredgecolor=colours.ground, markeredgewidth=0.5,
        )  # fmt: skip
        words = f"starts at {places[0]:.3g}"
        side = "left" if places[0] > places[-1] else "right"
        move = 9 if side == "left" else -9
        label(left, places[0], costs[0], words, offset=(move, 6), ha=side, color=colour)
    for end in _ends(walks):
        label(
            left, *end, f"w = {end[0]:.2f}\ncost {end[1]:.3f}", offset=(0, -9),
            ha="center", va="top",
        )  # fmt: skip
    left.set_xlim(weight[0], weight[-1])
    left.set_ylim(0, 1.15 * cost.max())
    left.set_xlabel(f"weight w (bias stays {free_walks[0][0][0, 1]:g})")
    left.set_ylabel("cost, mean over four examples")
    title(left, "One weight: a marker a step, the steeper the farther")
    _draw_landscape(right, weight, *surface, free_walks)
    lowest = [min(costs[-1] for _, costs in each) for each in (walks, free_walks)]
    ends = _ends(walks)
    title(
        drawing,
        f"From {len(walks)} starts gradient descent ends in {len(ends)} valleys; which "
        "one is decided by the start",
        "A sigmoid neuron and four examples that it cannot all get right. The lowest "
        f"cost reached is {lowest[0]:.3f} with the weight alone and {lowest[1]:.3f} "
        "with the bias too.",
    )
    return drawing


def _ends(walks: Sequence[Walk]) -> list[tuple[float, float]]:
    """The different places, to a tenth, where descents end, and the costs there."""
    found = {round(float(p[-1]), 1): (float(p[-1]), float(c[-1])) for p, c in walks}
    return sorted(found.values())


def _draw_landscape(
    axes: Axes,
    weight: np.ndarray,
    bias: np.ndarray,
    cost: np.ndarray,
    walks: Sequence[Walk],
) -> None:
    colours = palette_of(axes)
    _draw_contours(axes, weight, bias, cost, np.arange(0.05, 1, 0.05))
    axes.axhline(
        walks[0][0][0, 1], color=colours.ink, linestyle=DASHES[2], linewidth=1.2
    )
    for (places, costs), colour, mark in zip(
        walks, colours.series, "os^", strict=False
    ):
        axes.plot(
            *places.T, linestyle="-", marker=mark, markersize=5, color=colour,
            markeredgecolor=colours.ground, markeredgewidth=0.5, linewidth=1.2,
        )  # fmt: skip
        label(
            axes, *places[-1], f"cost {costs[-1]:.3f}", offset=(0, -9), ha="center",
            va="top", color=colour,
        )  # fmt: skip
    axes.set_xlabel("weight w")
    axes.set_ylabel("bias b")
    title(axes, "Two parameters: across the contours, downhill (dotted: left panel)")


def _draw_contours(
    axes: Axes, x: np.ndarray, y: np.ndarray, cost: np.ndarray, levels: Any
) -> None:
    """Fills darker where the cost is higher, and writes the cost on some lines."""
    from matplotlib.colors import BoundaryNorm

    colours = palette_of(axes)
    shades = grey_map(colours)
    norm = BoundaryNorm(
        levels, int(1.8 * shades.N), extend="both"
    )  # no darker than 5/9
    axes.contourf(x, y, cost, levels, cmap=shades, norm=norm, extend="both")
    lines = axes.contour(
        x, y, cost, levels, colors=colours.neutral, linewidths=0.6, linestyles="-"
    )
    axes.clabel(lines, lines.levels[1::2], fontsize=SMALL, colors=colours.ink, fmt="%g")


def plane(
    theme: Theme,
    networks: Float[np.ndarray, "3 2"],
    network_costs: Float[np.ndarray, "3"],
    across: Float[np.ndarray, " x"],
    up: Float[np.ndarray, " y"],
    cost: Float[np.ndarray, "y x"],
    between: Float[np.ndarray, " line"],
) -> Figure:
    """Draws a network's cost on the plane through three networks.

    Args:
      theme: of the picture.
      networks: an untrained network, and two trained ones, as places on the plane.
      network_costs: their costs.
      across: the grid along the first axis.
      up: the grid along the second axis.
      cost: on the grid.
      between: costs along the straight line from one trained network to the other.

    Returns:
      The figure: the plane on the left, the line on the right.
    """
    drawing, (left, right) = figure(theme, 12, 6.2, ncols=2, width_ratios=(6, 5))
    colours = palette_of(left)
    levels = [0.03, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.5, 2, 3, 4, 6, 8]
    _draw_contours(left, across, up, cost, levels)
    left.plot(*networks[1:].T, color=colours.ink, linestyle=DASHES[1], linewidth=1.4)
    names = ("untrained", "trained", "another, trained")
    inks = (colours.accent, colours.positive, colours.negative)
    for place, name, its_cost, colour in zip(
        networks, names, network_costs, inks, strict=True
    ):
        left.plot(
            *place, marker="o", markersize=10, color=colour,
            markeredgecolor=colours.ground, markeredgewidth=1.5, zorder=4,
        )  # fmt: skip
        words = f"{name}\ncost {its_cost:.2g}"
        label(
            left, *place, words, offset=(0, 9), ha="center", va="bottom", weight="bold"
        )
    left.set_aspect("equal")
    left.set_xlabel("distance of all weights and biases")
    left.set_ylabel("distance, at right angles")
    title(left, "The plane through three networks, darker where the cost is higher")
    share = np.linspace(0, 1, len(between))
    right.plot(share, between, color=colours.ink, linestyle=DASHES[1], linewidth=2.4)
    for x, colour, side in ((0, inks[1], "left"), (1, inks[2], "right")):
        right.plot(x, between[-x], marker="o", markersize=10, color=colour, zorder=4)
        label(
            right, x, between[-x], f"{names[1 + x]}\n{between[-x]:.2g}", offset=(0, 10),
            ha=side, va="bottom", color=colour,
        )  # fmt: skip
    top = int(between.argmax())
    label(
        right, share[top], between[top], f"{between[top]:.2f}", offset=(0, 6),
        ha="center", va="bottom", weight="bold",
    )  # fmt: skip
    right.set_ylim(0, 1.18 * max(between.max(), 0.9))
    right.set_xlim(-0.06, 1.06)
    reference_line(right, 0.9, "a network that answers 0.1 to everything", at=0.0)
    right.set_xlabel("share of the way from one trained network to the other")
    right.set_ylabel("cost")
    title(right, "Along the straight line between the trained ones")
    title(
        drawing,
        f"Two trained networks cost {network_costs[1]:.2g} and {network_costs[2]:.2g}; "
        f"halfway between them the cost is {between[len(between) // 2]:.2g}",
        "Mean cost over training digits, 13,002 parameters; the start costs "
        f"{network_costs[0]:.2f}. Gradient descent ends in one of many valleys.",
    )
    return drawing
