"""Activation functions, and whether an activation lies between 0 and 1.

Part 1 calls an activation "a number between 0 and 1". With the sigmoid it is one; ReLU,
which later networks use, has no upper end.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from nnguide.plots.curves import draw_curves
from nnguide.plots.lettering import percent, title
from nnguide.plots.style import Axes, Figure, Theme, figure, palette_of


def activation_functions(
    theme: Theme,
    z: Float[np.ndarray, " points"],
    functions: Mapping[str, Float[np.ndarray, " points"]],
    measured: Mapping[str, Float[np.ndarray, " _"]],
) -> Figure:
    """Draws activation functions, and the activations that trained networks have.

    Args:
      theme: of the picture.
      z: weighted sums, ascending.
      functions: name -> a = sigma(z) at those sums; one to five.
      measured: name -> hidden activations of a trained network on real images; one to
        three, of names in `functions`.

    Returns:
      The figure: the curves over the band from 0 to 1, and a histogram for each
      network on one scale, what lies outside of the band hatched.
    """
    rows = [["functions", name] for name in measured]
    drawing, panels = figure(
        theme, 12, 2.0 + 1.75 * len(rows), mosaic=rows, width_ratios=(1, 1.25)
    )
    _draw_functions(panels["functions"], z, functions)
    _draw_activations({name: panels[name] for name in measured}, measured)
    panels[rows[-1][1]].set_xlabel("activations of the hidden neurons")
    worst = max(measured, key=lambda name: _outside(measured[name]))
    title(
        drawing,
        f"With {worst}, {_outside(measured[worst]):.0%} of the hidden activations on "
        f"real images lie outside 0 and 1, the largest at {measured[worst].max():.2g}",
        'The band is the guide\'s "number between 0 and 1".',
    )
    return drawing


def _outside(a: np.ndarray) -> float:
    return float(np.mean((a < 0) | (a > 1)))


def _draw_functions(
    axes: Axes, z: np.ndarray, functions: Mapping[str, np.ndarray]
) -> None:
    axes.set_xlim(z[0], z[-1])
    highest = max(1.0, *(float(a.max()) for a in functions.values()))
    lowest = min(0.0, *(float(a.min()) for a in functions.values()))
    axes.set_ylim(lowest - 0.04 * highest, 1.04 * highest)
    axes.axhspan(0, 1, color=palette_of(axes).highlight, alpha=0.25, linewidth=0)
    draw_curves(axes, {name: (z, a) for name, a in functions.items()})
    axes.set(xlabel="weighted sum z", ylabel="activation a")
    title(axes, "Activation functions")


def _draw_activations(
    panels: Mapping[str, Axes], measured: Mapping[str, np.ndarray]
) -> None:
    """Histograms on one scale, with bins that end at 0 and 1; hatched outside."""
    every = np.concatenate(list(measured.values()))
    low, high = np.quantile(every, (0.001, 0.999))  # a few far ones would squash all
    width = 0.1 if high - low < 6 else 0.25
    first = np.floor(min(low, 0) / width)
    edges = width * np.arange(first, np.ceil(max(high, 1) / width) + 1)
    centres = edges[:-1] + width / 2
    # A saturated sigmoid is exactly 1, which lies in the band: not in the bin after it.
    within = {n: np.where(a == 1, 1 - width / 2, a) for n, a in measured.items()}
    shares = {n: np.histogram(a, edges)[0] / len(a) for n, a in within.items()}
    tallest = max(float(share.max()) for share in shares.values())
    for name, axes in panels.items():
        colours = palette_of(axes)
        within = (centres > 0) & (centres < 1)
        axes.axvspan(0, 1, color=colours.highlight, alpha=0.25, linewidth=0)
        inside = np.where(within, shares[name], 0)
        axes.stairs(inside, edges, fill=True, color=colours.positive)
        beyond = np.where(within, 0, shares[name])
        axes.stairs(beyond, edges, color=colours.negative, hatch="////", linewidth=1.2)
        axes.set_xlim(edges[0] - width / 2, edges[-1])
        axes.set_ylim(0, 1.1 * tallest)
        axes.set_ylabel("share")
        percent(axes)
        a = measured[name]
        title(axes, f"{name}: {_outside(a):.0%} outside, up to {a.max():.2g}")
