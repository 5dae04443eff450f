"""The surface that gradient descent walks down: of one neuron, and of a whole network.

Part 2: first one weight and a curve, then two parameters and a landscape, then the
plane through three networks, one of the few views of 13,002 dimensions there are.
"""

from collections.abc import Sequence

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
_MARKS = "os^"
_KNOWS_NOTHING = 0.9  # cost of the answer 0.1 to everything: 9 * 0.01 + 0.81


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
      walks: up to three descents on the curve, (steps,) places each.
      surface: biases, and the cost at every bias and weight.
      free_walks: as many descents on the surface, (steps, 2) places, weight first.

    Returns:
      The figure: the curve on the left, the landscape on the right.
    """
    drawing, (left, right) = figure(theme, 12, 5.8, ncols=2)
    bias = free_walks[0][0][0, 1]
    _draw_curve(left, *curve, walks)
    left.set_xlabel(f"weight w (the bias stays {bias:g})")
    _draw_landscape(right, curve[0], *surface, free_walks)
    right.axhline(bias, color=palette_of(right).ink, linestyle=DASHES[2], linewidth=1.2)
    lowest = min(costs[-1] for _, costs in free_walks)
    title(
        drawing,
        f"From {len(walks)} starts gradient descent ends in {len(_ends(walks))} "
        "valleys; which one is decided by the start",
        "A sigmoid neuron and four examples that it cannot all get right. With the "
        f"bias free the lowest cost reached is {lowest:.3f}; the lowest on the map is "
        f"{surface[1].min():.3f}. No step knows of it.",
    )
    return drawing


def _ends(walks: Sequence[Walk]) -> list[tuple[float, float]]:
    """The different places, to a tenth, where descents end, and the costs there."""
    found = {round(float(p[-1]), 1): (float(p[-1]), float(c[-1])) for p, c in walks}
    return sorted(found.values())


def _draw_curve(
    axes: Axes, weight: np.ndarray, cost: np.ndarray, walks: Sequence[Walk]
) -> None:
    colours = palette_of(axes)
    axes.plot(weight, cost, color=colours.ink, linestyle="-", linewidth=2)
    for (places, costs), colour, mark in zip(
        walks, colours.series, _MARKS, strict=False
    ):
        axes.plot(
            places, costs, linestyle="none", marker=mark, markersize=6, color=colour,
            markeredgecolor=colours.ground, markeredgewidth=0.4,
        )  # fmt: skip
        to_left = places[0] > places[-1]
        label(
            axes, places[0], costs[0], f"starts at {places[0]:.3g}",
            offset=(8, -10) if to_left else (-8, 20),
            ha="left" if to_left else "right", color=colour,
        )  # fmt: skip
    for w, at_end in _ends(walks):
        words = f"w = {w:.2f}\ncost {at_end:.3f}"
        label(axes, w, at_end, words, offset=(0, -9), ha="center", va="top")
    axes.set_xlim(weight[0], weight[-1])
    axes.set_ylim(0, 1.15 * cost.max())
    axes.set_ylabel("cost, mean over four examples")
    title(axes, "One weight: a marker a step, the steeper the farther")


def _draw_landscape(
    axes: Axes,
    weight: np.ndarray,
    bias: np.ndarray,
    cost: np.ndarray,
    walks: Sequence[Walk],
) -> None:
    colours = palette_of(axes)
    _draw_contours(axes, weight, bias, cost, np.arange(0.2, 0.65, 0.05))
    for (places, costs), colour, mark in zip(
        walks, colours.series, _MARKS, strict=False
    ):
        w, b = places.T
        axes.plot(
            w, b, linestyle="-", linewidth=1.2, marker=mark, markersize=3.5,
            color=colour,
        )  # fmt: skip
        axes.plot(w[0], b[0], marker=mark, markersize=8, color=colour)
        label(
            axes, w[-1], b[-1], f"cost {costs[-1]:.3f}", offset=(7, 6), va="bottom",
            color=colour, weight="bold",
        )  # fmt: skip
    axes.set_xlabel("weight w")
    axes.set_ylabel("bias b")
    title(axes, "Two parameters: downhill, across the contours (dotted: left panel)")


def _draw_contours(
    axes: Axes,
    x: np.ndarray,
    y: np.ndarray,
    cost: np.ndarray,
    levels: np.ndarray,
) -> None:
    """Fills greyer where the cost is higher, and writes the cost on some lines."""
    colours = palette_of(axes)
    shades = grey_map(colours)(
        np.linspace(0, 0.5, len(levels) + 1)
    )  # ink stays legible
    axes.contourf(x, y, cost, levels, colors=shades, extend="both")
    lines = axes.contour(
        x, y, cost, levels, colors=colours.neutral, linewidths=0.6, linestyles="-"
    )
    axes.clabel(lines, levels[1::2], fontsize=SMALL, colors=colours.ink, fmt="%.3g")


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
    names = ("untrained", "trained", "another, trained")
    inks = (colours.accent, colours.positive, colours.negative)
    dot = {"marker": "o", "markersize": 10, "zorder": 4.0}
    levels = np.array([0.03, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1, 1.5, 2, 3, 4, 6, 8])
    _draw_contours(left, across, up, cost, levels)
    left.plot(*networks[1:].T, color=colours.ink, linestyle=DASHES[1], linewidth=1.4)
    for (x, y), name, its_cost, ink in zip(
        networks, names, network_costs, inks, strict=True
    ):
        left.plot(x, y, color=ink, markeredgecolor=colours.ground, **dot)
        words = f"{name}\ncost {its_cost:.2g}"
        label(left, x, y, words, offset=(0, 9), ha="center", va="bottom", weight="bold")
    left.set_aspect("equal")
    left.set_xlabel("distance of all weights and biases")
    left.set_ylabel("distance, at right angles")
    title(left, "The plane through three networks; the greyer, the higher the cost")
    for x, its_cost, name, ink in ((0, between[0], *names[1:2], inks[1]),
                                   (1, between[-1], *names[2:], inks[2])):  # fmt: skip
        right.plot(x, its_cost, color=ink, **dot)
        words, side = f"{name}\ncost {its_cost:.2g}", "left" if x else "right"
        move = (9 if x else -9, 8)
        label(right, x, its_cost, words, offset=move, ha=side, color=ink)
    _draw_ridge(right, between)
    title(
        drawing,
        f"Two trained networks cost {network_costs[1]:.2g} and {network_costs[2]:.2g}; "
        f"halfway between them the cost is {between[len(between) // 2]:.2g}",
        "Mean cost over training digits, 13,002 parameters; the start costs "
        f"{network_costs[0]:.2f}. Gradient descent ends in one of many valleys.",
    )
    return drawing


def _draw_ridge(axes: Axes, between: np.ndarray) -> None:
    share, top = np.linspace(0, 1, len(between)), int(between.argmax())
    axes.plot(share, between, color=palette_of(axes).ink, linestyle=DASHES[1], lw=2.4)
    label(
        axes, share[top], between[top], f"{between[top]:.2f}", offset=(0, -14),
        ha="center", va="top", weight="bold",
    )  # fmt: skip
    axes.set_ylim(0, 1.15 * max(between.max(), _KNOWS_NOTHING))
    axes.set_xlim(-0.36, 1.46)
    axes.set_xticks(np.linspace(0, 1, 6))
    reference_line(
        axes, _KNOWS_NOTHING, "a network that answers 0.1 to everything", at=0.97
    )
    axes.set_xlabel("share of the way from one trained network to the other")
    axes.set_ylabel("cost")
    title(axes, "Along the straight line between the trained ones")
