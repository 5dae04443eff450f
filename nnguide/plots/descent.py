"""Part 2: what a gradient says, and what a step along it buys."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from nnguide.plots.lettering import label, percent, title
from nnguide.plots.style import (
    LABEL,
    TICK,
    Axes,
    Figure,
    Theme,
    figure,
    palette_of,
)

_LARGEST, _MIDDLE, _LAST = 9, 5, 2  # rows of the gradient's column
_MINUS = "\N{MINUS SIGN}"


def gradient_column(
    theme: Theme,
    components: Float[np.ndarray, "networks parameters"],
    holding: Int[np.ndarray, " networks"],
    outputs_share: float,
) -> Figure:
    """Draws the gradient as the guide does, a column of numbers, and who holds it.

    Args:
      theme: of the picture.
      components: gradients of untrained networks; the column is the first one's.
      holding: how many parameters hold 90% of each one's energy.
      outputs_share: the share of the energy that the output layer holds, the mean.

    Returns:
      The figure: bars of the components by size, and the share of the energy that the
      n largest hold.
    """
    drawing, (column, held) = figure(theme, 12, 6.4, ncols=2, width_ratios=(5, 6))
    _draw_column(column, components[0])
    _draw_held(held, components, holding)
    size = np.abs(components)
    ratio = float(np.median(size.max(axis=1) / np.median(size, axis=1)))
    title(
        drawing,
        f"{np.median(holding):.0f} of {components.shape[1]:,} weights and biases hold "
        "90% of the gradient's energy",
        f"Median of {len(components)} untrained networks. The largest component is "
        f"{ratio:,.0f} times the median one; the output layer alone holds "
        f"{outputs_share:.0%} of the energy.",
    )
    return drawing


def _draw_column(axes: Axes, gradient: np.ndarray) -> None:
    colours = palette_of(axes)
    order = np.argsort(-np.abs(gradient), kind="stable")
    middle = len(order) // 2 - _MIDDLE // 2
    zeros = int((gradient == 0).sum())
    of_zeros = f"{zeros:,} are 0: their pixel never lights" if zeros else "the smallest"
    parts = (
        (order[:_LARGEST], ""),
        (order[middle : middle + _MIDDLE], "around the median"),
        (order[-_LAST:], of_zeros),
    )
    row, largest = 0, float(np.abs(gradient).max())
    for chosen, words in parts:
        if row:
            axes.text(
                -1.3 * largest, row, "⋮", ha="center", size=LABEL, color=colours.ink
            )
            row += 1
        middle_row = row + (len(chosen) - 1) / 2
        label(axes, 0, middle_row, words, offset=(14, 0), color=colours.neutral)
        for value in gradient[chosen]:
            ink = colours.positive if value > 0 else colours.negative
            axes.barh(row, value, color=ink, height=0.7)
            axes.text(
                -1.13 * largest, row, _number(float(value)), ha="right", va="center",
                size=TICK, color=ink if value else colours.neutral,
            )  # fmt: skip
            row += 1
    axes.set_ylim(row - 0.2, -0.8)
    axes.set_xlim(-1.1 * largest, 1.1 * largest)
    axes.axvline(0, color=colours.neutral, linewidth=1)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("component of the gradient, dC/dw")
    title(
        axes,
        "The gradient as a column, sorted by size",
        "blue: raising the weight raises the cost; red: it lowers it",
    )


def _number(value: float) -> str:
    return f"{value:+.2g}".replace("-", _MINUS) if value else "0"


def _draw_held(axes: Axes, components: np.ndarray, holding: np.ndarray) -> None:
    colours = palette_of(axes)
    energy = np.sort(np.asarray(components, np.float64) ** 2, axis=1)[:, ::-1]
    held = np.cumsum(energy, axis=1) / energy.sum(axis=1, keepdims=True)
    number = np.arange(1, held.shape[1] + 1)
    thin = {"color": colours.neutral, "linestyle": "-", "lw": 0.7, "alpha": 0.6}
    axes.plot(number, held[1:].T, **thin)
    axes.plot(number, held[0], color=colours.positive, linestyle="-", lw=2.4)
    few = int(np.median(holding))
    axes.plot(few, 0.9, "o", color=colours.accent, markersize=9, zorder=4)
    words = f"{few} parameters, 90%\n({holding.min()} to {holding.max()})"
    label(axes, few, 0.9, words, offset=(12, -16), va="top", weight="bold")
    axes.set_xscale("log")
    axes.set_xlim(1, held.shape[1])
    axes.set_ylim(0, 1.03)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    percent(axes)
    axes.set_xlabel("number of parameters, the largest components first (logarithmic)")
    axes.set_ylabel("share of the energy, the sum of squared components")
    title(
        axes,
        "What the largest components hold",
        f"a line a network; thick: the one on the left; {len(holding)} in all",
    )


def single_weights(
    theme: Theme,
    predicted: Float[np.ndarray, " n"],
    actual: Float[np.ndarray, " n"],
    nudge: float,
) -> Figure:
    """Draws what a nudge of single weights did against what the gradient foretold.

    Args:
      theme: of the picture.
      predicted: nudge times component.
      actual: changes of the cost.
      nudge: what was added to each weight.

    Returns:
      The figure: the changes on linear axes, and their sizes on logarithmic ones.
    """
    drawing, (changes, sizes) = figure(theme, 12, 6.2, ncols=2)
    colours = palette_of(changes)
    ink = np.where(predicted > 0, colours.positive, colours.negative)
    end = 1.08 * float(np.abs([predicted, actual]).max())
    low = 10 ** np.floor(np.log10(np.quantile(np.abs(predicted)[predicted != 0], 0.01)))
    for axes, x, y, ends, words in (
        (changes, predicted, actual, (-end, end), "change"),
        (
            sizes,
            np.abs(predicted),
            np.abs(actual),
            (low, 2 * end),
            "size of the change",
        ),
    ):
        axes.plot(ends, ends, color=colours.neutral, linewidth=1, linestyle="-")
        axes.scatter(x, y, s=16, c=ink, alpha=0.7, linewidths=0, zorder=3)
        axes.set(xlim=ends, ylim=ends)
        axes.set_box_aspect(1)
        axes.set_xlabel(f"predicted {words}: {nudge:g} times dC/dw")
        axes.set_ylabel(f"actual {words} of the cost")
    changes.locator_params(nbins=5)
    sizes.set(xscale="log", yscale="log")
    label(changes, -0.45 * end, -0.45 * end, "actual = predicted", offset=(12, -6))
    title(changes, "Blue: the cost rises. Red: it falls")
    title(sizes, "The same weights by the size of the change")
    r = np.floor(1e5 * np.corrcoef(predicted, actual)[0, 1]) / 1e5
    title(
        drawing,
        "A component of the gradient foretells what nudging its weight does: "
        f"correlation {r:.5f} over {len(predicted):,} weights",
        f"One weight at a time was raised by {nudge:g} in an untrained network. "
        f"{int((predicted == 0).sum())} of the weights belong to pixels that never "
        "light: nothing was foretold and nothing happened.",
    )
    return drawing


def equal_steps(theme: Theme, steps: Mapping[float, Any]) -> Figure:
    """Draws what steps of the same length buy along three directions.

    Args:
      theme: of the picture.
      steps: length -> changes of the cost, with the fields `steepest` (networks,),
        `signs` (networks,) and `random` (networks, directions).

    Returns:
      The figure: decrease for each unit of length, so that all lengths share a scale.
    """
    arrangement = {"ncols": len(steps), "sharey": True, "squeeze": False}
    drawing, (panels,) = figure(theme, 12, 5.8, **arrangement)
    gains = [
        [-np.ravel(changes) / length for changes in (s.steepest, s.signs, s.random)]
        for length, s in steps.items()
    ]
    for axes, length, gain in zip(panels, steps, gains, strict=True):
        _draw_gains(axes, gain)
        title(axes, f"Steps of length {length:g}")
    panels[0].set_ylabel("decrease of the cost for each unit of length")
    panels[0].set_ylim(top=1.12 * max(gain[0].max() for gain in gains))
    steepest, signs, random = gains[0]
    title(
        drawing,
        f"A step along {_MINUS}g lowers the cost {(steepest / signs).mean():.1f} times "
        f"as much as one along its signs, {steepest.mean() / random.max():.0f} times "
        f"as much as the best of {random.size} random ones",
        f"All steps of a panel have the same length. A dot a network "
        f"({len(steepest)}, untrained), or a random direction; numbers are means, the "
        f"title's are of steps of {min(steps):g}.",
    )
    return drawing


def _draw_gains(axes: Axes, gains: list[np.ndarray]) -> None:
    colours = palette_of(axes)
    inks = (colours.positive, colours.accent, colours.neutral)
    for place, (gain, ink) in enumerate(zip(gains, inks, strict=True)):
        axes.bar(place, gain.mean(), 0.72, color=ink, alpha=0.85, zorder=2)
        spread = place + np.linspace(-0.25, 0.25, len(gain))
        axes.scatter(
            spread, gain, s=9, color=colours.ink, linewidths=0, alpha=0.5, zorder=3
        )
        words = f"{gain.mean():.2g}"
        label(
            axes, place, gain.max(), words, offset=(0, 5), ha="center", va="bottom",
            weight="bold",
        )  # fmt: skip
    axes.axhline(0, color=colours.ink, linewidth=1)
    names = (f"along {_MINUS}g", f"along the\nsigns of {_MINUS}g", "random")
    axes.set_xticks(range(3), names)
    axes.tick_params(axis="x", length=0)
