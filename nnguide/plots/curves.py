"""Accuracy over training: a fan of many networks, and how fast labels are fitted.

One lucky run is no finding: every picture here shows all the runs it was given.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Real

from nnguide.plots.lettering import (
    end_labels,
    label,
    percent,
    reference_line,
    title,
)
from nnguide.plots.style import DASHES, Axes, Figure, Number, Theme, figure, palette_of


def draw_curves(
    axes: Axes, curves: Mapping[str, tuple[np.ndarray, np.ndarray]], marker: str = ""
) -> None:
    """Draws up to five curves, each named at its end.

    Set scales and limits of the axes before; the labels stand at their right edge.

    Args:
      axes: where.
      curves: name -> x and y, in data units.
      marker: of the points, for instance "o" where they are few.
    """
    colours = palette_of(axes).series
    ends = []
    for (name, (x, y)), colour, dashes in zip(
        curves.items(), colours[: len(curves)], DASHES[: len(curves)], strict=True
    ):
        axes.plot(
            x,
            y,
            color=colour,
            linestyle=dashes,
            linewidth=2,
            marker=marker,
            markersize=4,
        )
        ends.append((float(y[-1]), name, colour))
    end_labels(axes, ends)


def accuracy_fan(
    theme: Theme,
    epochs: Real[np.ndarray, " epochs"],
    accuracies: Float[np.ndarray, "seeds epochs"],
    references: Mapping[str, Number],
) -> Figure:
    """Draws the test accuracy of many seeds over the epochs, and where they end.

    Args:
      theme: of the picture.
      epochs: at which the accuracy was measured, ascending.
      accuracies: shares of 1, one row a seed.
      references: what to compare with -> accuracy.

    Returns:
      The figure: left every run, their median and the middle half; right one dot a
      network at its last accuracy.
    """
    final, seeds = accuracies[:, -1], len(accuracies)
    passes = f"after {epochs[-1]:g} epoch{'s' if epochs[-1] > 1 else ''}"
    if seeds == 1:
        drawing, fan = figure(theme, 12, 5.6)
        _draw_fan(fan, epochs, accuracies, references)
        title(drawing, f"The network reads {final[0]:.1%} of the test images {passes}")
        return drawing
    drawing, (fan, dots) = figure(theme, 12, 5.6, ncols=2, width_ratios=(3, 2))
    _draw_fan(fan, epochs, accuracies, references)
    _draw_final(dots, final, references)
    title(
        drawing,
        f"The median of {seeds} networks reads {np.median(final):.1%} of the test "
        f"images {passes}",
        f"The same training from {seeds} seeds: the best ends at {final.max():.1%}, "
        f"the worst at {final.min():.1%}; their standard deviation is "
        f"{100 * final.std(ddof=1):.1f} points. The best of {seeds} is "
        f"{100 * (final.max() - np.median(final)):.1f} points above the median.",
    )
    return drawing


def _draw_fan(
    axes: Axes,
    epochs: np.ndarray,
    accuracies: np.ndarray,
    references: Mapping[str, Number],
) -> None:
    colours = palette_of(axes)
    low, middle, high = np.quantile(accuracies, (0.25, 0.5, 0.75), axis=0)
    if len(accuracies) > 1:
        faintness = min(0.8, 0.04 + 6.0 / len(accuracies))
        thin = {"color": colours.neutral, "linewidth": 0.7, "alpha": faintness}
        axes.plot(epochs, accuracies.T, linestyle="-", **thin)
        band = {"color": colours.positive, "linewidth": 0, "alpha": 0.35}
        axes.fill_between(epochs, low, high, zorder=2.1, **band)
    marker = "" if len(epochs) > 2 else "o"  # a line of one point is not seen
    thick = {"color": colours.positive, "linewidth": 2.6, "marker": marker}
    axes.plot(epochs, middle, linestyle="-", **thick)
    axes.set_xlim(epochs[0], max(epochs[-1], epochs[0] + 1))
    highest = max([*references.values(), accuracies.max()])
    axes.set_ylim(top=float(highest) + 0.015)
    axes.set_xlabel("epochs of training")
    axes.set_ylabel("test accuracy")
    percent(axes)
    for value in references.values():
        reference_line(axes, value, "")
    last = "this network" if len(accuracies) == 1 else "median, middle half"
    ends = [(float(middle[-1]), f"{last}\n{middle[-1]:.1%}", colours.positive)]
    for name, value in references.items():
        ends.append((float(value), f"{name}\n{value:.2%}", colours.neutral))
    end_labels(axes, ends)


def _draw_final(
    axes: Axes, final: np.ndarray, references: Mapping[str, Number]
) -> None:
    """A dot a network, stacked where they end alike."""
    colours = palette_of(axes)
    room = max(0.004, 0.2 * (final.max() - final.min()))
    low, high = final.min() - room, final.max() + room
    columns = int(np.clip(len(final), 14, 40))
    width = (high - low) / columns
    places = np.floor((final - low) / width).astype(int)
    heights = np.array([np.sum(places[:i] == place) for i, place in enumerate(places)])
    # inches a dot: as wide as its column, unless the stacks would leave the panel
    size = min(3.6 / columns, 2.6 / (heights.max() + 1))
    axes.scatter(
        low + (places + 0.5) * width,
        heights + 0.5,
        s=(0.85 * size * 72) ** 2,
        color=colours.positive,
        linewidths=0,
        zorder=3,
    )
    axes.set_xlim(low, high)
    axes.set_ylim(0, 3.9 / size)
    axes.set_xlabel("test accuracy at the end, one dot a network")
    axes.yaxis.set_visible(False)
    axes.spines["left"].set_visible(False)
    axes.locator_params(axis="x", nbins=5)
    percent(axes, "x")
    near = {name: value for name, value in references.items() if low < value < high}
    for name, value in near.items():
        reference_line(axes, value, f"{name}\n{value:.2%}", vertical=True, at=0.98)
    middle = float(np.median(final))
    reference_line(
        axes,
        middle,
        f"median\n{middle:.1%}",
        vertical=True,
        at=0.86,
        color=colours.positive,
        side="below",
    )


def label_fitting(
    theme: Theme,
    accuracies: Mapping[str, Float[np.ndarray, " _"]],
    share: float = 0.99,
) -> Figure:
    """Draws how fast a network fits true labels, random labels and controls.

    Args:
      theme: of the picture.
      accuracies: name -> training accuracy after epoch 1, 2, ..., shares of 1; two to
        five. The first is the true labels, the second the random ones. A curve may
        stop when it is done.
      share: of the training set that counts as fitted.

    Returns:
      The figure, over a logarithmic axis of epochs; the epoch where a curve first
      reaches `share` is marked and named.
    """
    rows = 0.5 + 0.32 * len(accuracies)
    drawing, (above, below) = figure(
        theme, 12, 5.2 + rows, nrows=2, height_ratios=(3.8, rows), sharex=True
    )
    fitted = {name: _epochs_to(curve, share) for name, curve in accuracies.items()}
    lengths = {name: len(curve) for name, curve in accuracies.items()}
    longest = max(lengths.values())
    above.set_xscale("log")
    above.set_xlim(0.95, 1.2 * longest**1.28)  # the rest is for the last label
    above.xaxis.set_major_formatter("{x:g}")
    above.xaxis.set_minor_formatter("")  # or a short axis would name its minor ticks
    _draw_fitting(above, accuracies, fitted, share)
    _draw_epochs_to(below, fitted, lengths, share)
    (true, of_true), (other, of_other) = list(fitted.items())[:2]
    if of_true and of_other:
        finding = (
            f"The network fits {other} too, in {of_other / of_true:.1f} times the "
            f"epochs that {true} take: {of_other} against {of_true}"
        )
    else:
        finding = (
            f"The network fits {accuracies[other][-1]:.0%} of the {other} in "
            f"{lengths[other]} epochs, {accuracies[true][-1]:.0%} of the {true} in "
            f"{lengths[true]}"
        )
    first = f"{accuracies[true][0]:.0%} of the {true}, {accuracies[other][0]:.0%}"
    title(drawing, finding, f"After one epoch it fits {first} of the {other}.")
    return drawing


def _epochs_to(curve: np.ndarray, share: float) -> int | None:
    """The first epoch, from 1, that reaches a share; None if none does."""
    reached = curve >= share
    return int(np.argmax(reached)) + 1 if reached.any() else None


def _draw_fitting(
    axes: Axes,
    accuracies: Mapping[str, np.ndarray],
    fitted: Mapping[str, int | None],
    share: float,
) -> None:
    colours = palette_of(axes)
    last = axes.get_xlim()[1]
    named = 1e-9  # the epoch at which the last name stands
    for rank, (name, curve) in enumerate(accuracies.items()):
        main = rank < 2  # the two that the picture compares; the rest are controls
        look = {"color": colours.series[rank], "linestyle": DASHES[rank]}
        epochs = np.arange(1, len(curve) + 1)
        axes.plot(epochs, curve, linewidth=2.8 if main else 1.6, **look)
        epoch = fitted[name]
        if main and epoch:
            axes.plot(epoch, curve[epoch - 1], "o", markersize=8, **look)
            apart = abs(np.log(epoch / named)) / np.log(last)
            height, named = 1.02 if apart > 0.25 else 1.12, epoch
            words = {"color": look["color"], "weight": "bold", "va": "bottom"}
            label(axes, epoch, height, f"{name}: {epoch} epochs", **words)
    reference_line(axes, share, f"{share:.0%} fitted", at=1.0, side="below")
    axes.set_ylim(0, 1.22)
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.set_ylabel("training accuracy")
    percent(axes)


def _draw_epochs_to(
    axes: Axes,
    fitted: Mapping[str, int | None],
    lengths: Mapping[str, int],
    share: float,
) -> None:
    """A line a curve, from epoch 1 to the epoch that fits the share asked for."""
    colours = palette_of(axes)
    true = next(iter(fitted.values()))
    for rank, (name, epoch) in enumerate(fitted.items()):
        look = {"color": colours.series[rank], "linestyle": DASHES[rank]}
        end = epoch or lengths[name]
        axes.plot([1, end], [rank, rank], linewidth=2.4, **look)
        axes.plot(end, rank, marker="o" if epoch else ">", markersize=8, **look)
        text = f"{epoch} epochs" if epoch else f"not in {end} epochs"
        if epoch and true and rank:
            text += f", {epoch / true:.1f} times as many"
        label(axes, end, rank, text, offset=(9, 0), color=look["color"])
    axes.set_yticks(range(len(fitted)), list(fitted))
    axes.set_ylim(len(fitted) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(f"epochs of training until {share:.0%} are fitted (logarithmic)")
