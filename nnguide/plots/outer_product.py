"""Neurons that fire together: the gradient of a weight matrix as an outer product.

Part 3: one example nudges a weight by what its neuron asks times the activation before
it. Hebb's rule, "neurons that fire together wire together", is a loose analogy.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from nnguide.plots.lettering import label, title
from nnguide.plots.style import (
    DASHES,
    SMALL,
    TICK,
    Axes,
    Figure,
    Theme,
    figure,
    grey_map,
    palette_of,
    weight_map,
)


def outer_product(
    theme: Theme,
    a_before: Float[np.ndarray, " inputs"],
    asks: Float[np.ndarray, " outputs"],
    nudges: Float[np.ndarray, "outputs inputs"],
    singular_values: Mapping[int, Float[np.ndarray, " _"]],
    names: Sequence[str],
    asked: int,
) -> Figure:
    """Draws one example's nudges to the last weights, and what a batch makes of it.

    Args:
      theme: of the picture.
      a_before: activations of the layer before the outputs.
      asks: -delta of each output.
      nudges: -dC/dW.
      singular_values: examples in a batch -> those of a gradient summed over it.
      names: of the outputs.
      asked: the right output.

    Returns:
      The figure: the matrix with its two factors along the sides, nudges over
      activations for two outputs, and the singular values.
    """
    drawing, panels = figure(
        theme, 12, 8.2, height_ratios=(1.35, 1),
        mosaic=[["matrix", "matrix"], ["lines", "values"]],
    )  # fmt: skip
    _draw_factors(panels["matrix"], a_before, asks, nudges, names)
    others = np.delete(np.arange(len(asks)), asked)
    _draw_lines(
        panels["lines"], a_before, asks, nudges, names,
        (asked, int(others[np.argmin(asks[others])])),
    )  # fmt: skip
    _draw_singular_values(panels["values"], singular_values)
    ratio = singular_values[1][1] / singular_values[1][0]
    title(
        drawing,
        "One example nudges each weight by what its neuron asks times the activation "
        f"before it: the second singular value is {ratio:.0e} of the first",
        f'The last layer\'s nudges, -dC/dW, for one "{names[asked]}" after an epoch of '
        "training; blue is up, red down.",
    )
    return drawing


def _draw_factors(
    axes: Axes,
    a_before: np.ndarray,
    asks: np.ndarray,
    nudges: np.ndarray,
    names: Sequence[str],
) -> None:
    """The matrix, the activations above it and the asks at its left, as cells."""
    colours = palette_of(axes)
    rows, columns = nudges.shape
    for values, extent, colour_map, low in (
        (nudges, (0, columns, rows, 0), weight_map(colours), -np.abs(nudges).max()),
        (a_before[None], (0, columns, -0.5, -1.5), grey_map(colours), 0.0),
        (asks[:, None], (-1.5, -0.5, rows, 0), weight_map(colours), -abs(asks).max()),
    ):
        high = 1.0 if low == 0 else -low
        axes.imshow(
            values, extent=extent, cmap=colour_map, vmin=low, vmax=high, aspect="auto"
        )
    axes.set(xlim=(-1.6, columns + 0.1), ylim=(rows + 0.1, -1.6))
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    axes.set_yticks(
        [-1, *np.arange(rows) + 0.5], ["activation before", *(f'"{n}"' for n in names)]
    )
    axes.set_xticks(
        [-1, *np.arange(columns) + 0.5], ["asks", *(str(k + 1) for k in range(columns))]
    )
    if columns <= 20:
        for row, column in np.argwhere(np.abs(nudges) > 0.15 * np.abs(nudges).max()):
            value = nudges[row, column]
            dark = abs(value) > 0.6 * np.abs(nudges).max()
            axes.text(
                column + 0.5, row + 0.5, f"{value:+.2f}".replace("0.", "."),
                ha="center", va="center", size=SMALL,
                color=colours.ground if dark else colours.ink,
            )  # fmt: skip
    axes.set_xlabel("neuron before")
    axes.set_ylabel("output")


def _draw_lines(
    axes: Axes,
    a_before: np.ndarray,
    asks: np.ndarray,
    nudges: np.ndarray,
    names: Sequence[str],
    shown: tuple[int, int],
) -> None:
    """Nudge over activation: straight lines through 0, of slope -delta."""
    colours = palette_of(axes)
    end = 1.05 * float(a_before.max())
    for output, marker in zip(shown, "os", strict=True):
        colour = colours.positive if asks[output] > 0 else colours.negative
        axes.plot([0, end], [0, end * asks[output]], color=colour, linestyle="-", lw=1)
        axes.scatter(a_before, nudges[output], color=colour, marker=marker, s=34)
        label(
            axes, end, end * asks[output], f'into "{names[output]}"', ha="left",
            offset=(4, 0), color=colour, weight="bold",
        )  # fmt: skip
    axes.axhline(0, color=colours.ink, linewidth=1)
    axes.set_xlim(0, 1.28 * end)
    axes.set(xlabel="activation of the neuron before", ylabel="nudge to the weight")
    title(axes, "The brighter the neuron, the larger the nudge: lines through 0")


def _draw_singular_values(
    axes: Axes, singular_values: Mapping[int, np.ndarray]
) -> None:
    colours = palette_of(axes)
    floor = 1e-10
    for (batch, values), colour, dashes in zip(
        singular_values.items(), colours.series, DASHES, strict=False
    ):
        scaled = np.maximum(values / values[0], floor)
        rank = int((scaled > 1e-6).sum())
        numbers = np.arange(1, len(scaled) + 1)[:rank]
        axes.plot(
            numbers, scaled[:rank], color=colour, linestyle=dashes, marker="o",
            markersize=4, linewidth=1.6,
        )  # fmt: skip
        words = "1 example" if batch == 1 else f"{batch}"
        label(
            axes, rank, scaled[rank - 1], f"{words}: rank {rank}",
            offset=(6, 9 if rank == 1 else -8), color=colour, size=TICK,
        )  # fmt: skip
    axes.set_yscale("log")
    axes.set_ylim(1e-3, 4)
    count = len(singular_values[1])
    axes.set_xlim(0.5, 1.3 * count)
    axes.set_xticks(range(1, count + 1, 3 if count <= 20 else count // 5))
    axes.set(xlabel="singular value, by size", ylabel="over the largest")
    title(axes, "A batch mixes outer products: layer 1's gradient")


def fire_together(
    theme: Theme,
    changes: Mapping[
        str,
        tuple[Float[np.ndarray, "outputs inputs"], Float[np.ndarray, "outputs inputs"]],
    ],
    correlations: Mapping[str, float],
) -> Figure:
    """Draws how weights change against how often their two neurons fire together.

    Args:
      theme: of the picture.
      changes: "rise" and "fall" -> co-activations mean a_j a_k and changes
        mean -delta_j a_k of the last layer's weights, over the examples that ask output
        j to do so.
      correlations: the same -> their correlation, mean over the outputs.

    Returns:
      The figure: one dot a weight; each output's dots are joined.
    """
    drawing, panels = figure(theme, 12, 5.8, ncols=2, sharey=True)
    colours = palette_of(drawing)
    looks = {"rise": (colours.positive, "o"), "fall": (colours.negative, "s")}
    for axes, (asked, (together, change)) in zip(panels, changes.items(), strict=True):
        colour, marker = looks[asked]
        for x, y in zip(together, change, strict=True):
            y = 1e4 * y
            axes.scatter(x, y, s=26, color=colour, marker=marker, alpha=0.75, lw=0)
            if np.ptp(x) > 0:  # a neuron that is always off has no slope
                ends = np.array([x.min(), x.max()])
                fitted = np.polynomial.Polynomial.fit(x, y, 1)(ends)
                axes.plot(ends, fitted, color=colour, linestyle="-", lw=0.8, alpha=0.75)
        axes.axhline(0, color=colours.ink, linewidth=1)
        axes.set_xlabel("how often both fire: mean of $a_j a_k$ over all examples")
        title(axes, f"Asked to {asked}: correlation {correlations[asked]:+.2f}")
    panels[0].set_ylabel(r"change of the weight: mean of $-\delta_j a_k$, times 10,000")
    title(
        drawing,
        "Neurons that fire together wire together where the output is asked to rise "
        f"({correlations['rise']:+.2f}), and part where it is asked to fall "
        f"({correlations['fall']:+.2f})",
        "The trained network over all training examples, last layer: one dot a weight, "
        "one fitted line an output; correlations are means over the outputs.",
    )
    return drawing
