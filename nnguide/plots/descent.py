"""Part 2: what a gradient says, what a step along it buys, and how big a batch to take."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from nnguide.plots.lettering import end_labels, label, percent, reference_line, title
from nnguide.plots.style import (
    DASHES,
    LABEL,
    SMALL,
    TICK,
    Axes,
    Figure,
    Theme,
    figure,
    palette_of,
)

_LARGEST, _MIDDLE, _LAST = 9, 5, 2  # rows of the gradient's column


def gradient_column(
    theme: Theme,
    components: Float[np.ndarray, "networks parameters"],
    holding: Int[np.ndarray, " networks"],
) -> Figure:
    """Draws the gradient as the guide does, a column of numbers, and who holds it.

    Args:
      theme: of the picture.
      components: gradients of untrained networks; the column is the first one's.
      holding: how many parameters hold 90% of each one's energy.

    Returns:
      The figure: bars of the components by size, and the share of the energy that the
      n largest hold.
    """
    drawing, (column, held) = figure(theme, 12, 6.4, ncols=2, width_ratios=(5, 6))
    _draw_column(column, components[0])
    _draw_held(held, components, holding)
    count = components.shape[1]
    few = int(np.median(holding))
    size = np.abs(components)
    ratio = float(np.median(size.max(axis=1) / np.median(size, axis=1)))
    title(
        drawing,
        f"{few} of {count:,} weights and biases hold 90% of the gradient: the rest is "
        "hardly worth touching",
        f"Medians of {len(components)} untrained networks on the training digits; the "
        f"largest component is {ratio:,.0f} times the median one.",
    )
    return drawing


def _draw_column(axes: Axes, gradient: np.ndarray) -> None:
    colours = palette_of(axes)
    order = np.argsort(-np.abs(gradient), kind="stable")
    middle = len(order) // 2 - _MIDDLE // 2
    parts = [
        order[:_LARGEST], order[middle : middle + _MIDDLE], order[-_LAST:],
    ]  # fmt: skip
    row, largest = 0.0, np.abs(gradient).max()
    for part, words in zip(
        parts,
        ("the largest", "around the median", "the last"),
        strict=True,
    ):
        for value in gradient[part]:
            colour = colours.positive if value > 0 else colours.negative
            axes.barh(row, value, color=colour, height=0.7)
            axes.text(
                -1.13 * largest, row, _number(value), ha="right", va="center",
                size=TICK, color=colour if value else colours.neutral,
            )  # fmt: skip
            row += 1
        if part is not parts[0]:
            label(
                axes, 0.02 * largest, row - len(part) / 2 - 0.5, words,
                offset=(10, 0), color=colours.neutral,
            )  # fmt: skip
        if part is not parts[-1]:
            axes.text(-1.3 * largest, row, "⋮", ha="center", va="center", size=LABEL)
            row += 1
    zeros = int((gradient == 0).sum())
    if zeros:
        label(
            axes, 0.02 * largest, row, f"{zeros:,} are exactly 0: their pixel never lights",
            offset=(10, 0), color=colours.neutral,
        )  # fmt: skip
    axes.set_ylim(row + 0.6, -0.8)
    axes.set_xlim(-1.1 * largest, 1.1 * largest)
    axes.axvline(0, color=colours.neutral, linewidth=1)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("component of the gradient, dC/dw")
    title(
        axes, "The gradient, sorted by size", "blue: more of it costs more; red: less"
    )


def _number(value: float) -> str:
    return f"{value:+.2g}".replace("-", "−") if value else "0"  # noqa: RUF001


def _draw_held(axes: Axes, components: np.ndarray, holding: np.ndarray) -> None:
    colours = palette_of(axes)
    energy = np.sort(np.asarray(components, np.float64) ** 2, axis=1)[:, ::-1]
    held = np.cumsum(energy, axis=1) / energy.sum(axis=1, keepdims=True)
    number = np.arange(1, held.shape[1] + 1)
    axes.plot(
        number, held[1:].T, color=colours.neutral, linestyle="-", lw=0.7, alpha=0.6
    )
    axes.plot(number, held[0], color=colours.positive, linestyle="-", lw=2.4)
    few = int(np.median(holding))
    axes.plot(few, 0.9, "o", color=colours.accent, markersize=9, zorder=4)
    label(
        axes, few, 0.9, f"{few} parameters, 90%\n({holding.min()} to {holding.max()} "
        f"in {len(holding)} networks)", offset=(10, -16), va="top",
    )  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlim(1, held.shape[1])
    axes.set_ylim(0, 1.03)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    percent(axes)
    axes.set_xlabel("number of parameters, the largest components first (logarithmic)")
    axes.set_ylabel("share of the gradient's energy, the sum of squares")
    title(
        axes, "How much the largest components hold", "thick: the network on the left"
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
      The figure: all of it on linear axes, and sizes on logarithmic ones.
    """
    drawing, (all_of_it, sizes) = figure(theme, 12, 6, ncols=2)
    colours = palette_of(all_of_it)
    ink = np.where(predicted > 0, colours.positive, colours.negative)
    for axes, x, y in (
        (all_of_it, predicted, actual),
        (sizes, np.abs(predicted), np.abs(actual)),
    ):
        axes.scatter(x, y, s=14, c=ink, alpha=0.7, linewidths=0, zorder=3)
        axes.set_aspect("equal")
    unit = 10.0 ** np.floor(np.log10(np.abs(predicted).max()))
    end = 1.08 * max(np.abs(predicted).max(), np.abs(actual).max())
    all_of_it.plot([-end, end], [-end, end], color=colours.neutral, lw=1, ls="-")
    all_of_it.set(xlim=(-end, end), ylim=(-end, end))
    all_of_it.ticklabel_format(style="sci", scilimits=(0, 0))
    label(all_of_it, -0.45 * end, -0.45 * end, "actual = predicted", offset=(12, -6))
    shown = np.abs(predicted)[predicted != 0]
    low, high = 10.0 ** np.floor(np.log10(np.quantile(shown, 0.01))), 10 * unit
    sizes.plot([low, high], [low, high], color=colours.neutral, lw=1, ls="-")
    sizes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high))
    for axes, words in ((all_of_it, "change"), (sizes, "size of the change")):
        axes.set_xlabel(f"predicted {words} of the cost, {nudge:g} times dC/dw")
        axes.set_ylabel(f"actual {words} of the cost")
    title(all_of_it, "Blue: the cost rises. Red: it falls")
    title(sizes, "The same by size: it holds over orders of magnitude")
    r = np.corrcoef(predicted, actual)[0, 1]
    title(
        drawing,
        "A component of the gradient foretells what nudging its weight does: "
        f"correlation {r:.5f} over {len(predicted):,} weights",
        f"One weight at a time was raised by {nudge:g} in an untrained network. "
        f"{int((predicted == 0).sum())} of the weights belong to pixels that never "
        "light: nothing predicted, nothing happened.",
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
    drawing, axes = figure(theme, 12, 5.8)
    colours = palette_of(axes)
    inks = (colours.positive, colours.accent, colours.neutral)
    names = ("along −g", "along the signs of −g", "along random directions")  # noqa: RUF001
    gains = [
        [-np.ravel(changes) / length for changes in (s.steepest, s.signs, s.random)]
        for length, s in steps.items()
    ]
    for group, of_length in enumerate(gains):
        for place, (gain, colour) in enumerate(zip(of_length, inks, strict=True)):
            x = group + 0.27 * (place - 1)
            axes.bar(x, gain.mean(), 0.24, color=colour, alpha=0.85, zorder=2)
            spread = np.linspace(-0.07, 0.07, len(gain)) if len(gain) > 1 else [0]
            axes.scatter(
                x + np.asarray(spread), gain, s=9, color=colours.ink, linewidths=0,
                alpha=0.55, zorder=3,
            )  # fmt: skip
            label(
                axes, x, max(gain.max(), 0), f"{gain.mean():.2g}", offset=(0, 5),
                ha="center", va="bottom", weight="bold",
            )  # fmt: skip
            if group == 0:
                label(
                    axes, x, 0, names[place], offset=(0, -7), ha="center", va="top",
                    size=SMALL, color=colour,
                )  # fmt: skip
    axes.axhline(0, color=colours.ink, linewidth=1)
    axes.set_xticks(
        range(len(steps)), [f"\n\nstep of length {each:g}" for each in steps]
    )
    axes.tick_params(axis="x", length=0)
    axes.set_ylabel("decrease of the cost for each unit of length")
    shortest = gains[0]
    better = (shortest[0] / shortest[1]).mean()
    best = max(float(shortest[2].max()), 0.0)
    title(
        drawing,
        f"The same step along −g lowers the cost {better:.1f} times as much as along "  # noqa: RUF001
        f"its signs, {shortest[0].mean() / best:.0f} times as much as the best of "
        f"{shortest[2].size} random steps",
        f"Untrained networks, a dot each ({len(shortest[0])}; for random steps a dot a "
        f"direction); numbers are means, the title's are of steps of {min(steps):g}.",
    )
    return drawing


def batch_sizes(
    theme: Theme,
    accuracies: Mapping[int, Float[np.ndarray, "networks epochs"]],
    examples: int,
) -> Figure:
    """Draws test accuracy against the examples seen, and against the steps taken.

    Args:
      theme: of the picture.
      accuracies: batch size -> test accuracy after every epoch; the first is the full
        batch.
      examples: of the training set.

    Returns:
      The figure: the same curves over examples and over steps.
    """
    drawing, panels = figure(
        theme, 12, 5.8, ncols=2, sharey=True, width_ratios=(10, 11)
    )
    colours = palette_of(drawing)
    ends = []
    for rank, (batch, each) in enumerate(accuracies.items()):
        epochs = np.arange(1, each.shape[1] + 1)
        look = {"color": colours.series[rank], "linestyle": DASHES[rank], "lw": 2.2}
        for axes, x in zip(
            panels, (epochs * examples, epochs * (examples // batch)), strict=True
        ):
            axes.plot(x, each.mean(axis=0), **look)
            axes.fill_between(
                x,
                each.min(axis=0),
                each.max(axis=0),
                color=look["color"],
                alpha=0.2,
                lw=0,
            )
        name = "full batch" if batch == examples else f"batches of {batch}"
        last = each[:, -1].mean()
        ends.append((float(last), f"{name}\n{last:.1%}", look["color"]))
    left, right = panels
    left.set_xlim(0)
    left.set_ylim(0, 1)
    left.xaxis.set_major_formatter("{x:,.0f}")
    right.set_xscale("log")
    right.set_xlim(1, epochs[-1] * (examples // min(accuracies)))
    right.xaxis.set_major_formatter("{x:,.0f}")
    percent(left)
    left.set_ylabel("test accuracy")
    left.set_xlabel("example-gradients computed: what it costs")
    right.set_xlabel("steps taken (logarithmic)")
    for axes in panels:
        reference_line(
            axes, 0.1, "chance" if axes is left else "", at=1.0, side="below"
        )
    title(left, "For the same work small batches get much further")
    title(right, "For the same number of steps they do not")
    end_labels(right, ends)
    full, *mini = (each[:, -1].mean() for each in accuracies.values())
    passes = len(next(iter(accuracies.values()))[0])
    words = " and ".join(
        f"{value:.1%} in {passes * (examples // batch):,} steps on batches of {batch}"
        for value, batch in zip(mini, list(accuracies)[1:], strict=True)
    )
    networks = len(next(iter(accuracies.values())))
    title(
        drawing,
        f"{passes} passes over {examples:,} digits: {full:.1%} in {passes} full steps, "
        + words,
        f"Mean of {networks} networks; the bands reach from the worst to the best.",
    )
    return drawing
