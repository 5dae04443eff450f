"""Part 8: how many nearly perpendicular vectors there are, and how near at best."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int

from nnguide.facts.angle_bounds import log_greedy, log_most
from nnguide.plots.lettering import end_labels, label, reference_line, title
from nnguide.plots.style import DASHES, Axes, Figure, Number, Theme, figure, palette_of

_WIDTHS = np.unique(np.geomspace(8, 200_000, 80).round().astype(int))
_ANGLES = (5, 2, 1)
_TALLEST = 24  # log10 of the vectors drawn


def smallest_angles(
    theme: Theme,
    dimensions: int,
    counts: Int[np.ndarray, "counts"],
    random: Float[np.ndarray, "counts"],
    optimised: Float[np.ndarray, "counts"],
    possible: Float[np.ndarray, "counts"],
    chirps: tuple[int, Number],
    losses: Mapping[str, Number],
    bound: tuple[int, int, Number],
) -> Figure:
    """Draws the angle of the closest pair against the number of vectors, and by loss.

    Args:
      theme: of the picture.
      dimensions: of the vectors on the left.
      counts: how many, ascending.
      random: smallest angle of random ones, in degrees.
      optimised: of vectors pushed apart.
      possible: that no set exceeds.
      chirps: how many, and their smallest angle.
      losses: name -> the smallest angle it leaves.
      bound: vectors and dimensions on the right, and the angle that none exceeds.

    Returns:
      The figure: the curves; a bar a loss.
    """
    drawing, (left, right) = figure(theme, 12, 5.6, ncols=2, width_ratios=(1.5, 1))
    colours = palette_of(drawing)
    left.set_xscale("log")
    left.set_xlim(counts[0] / 1.15, counts[-1])
    left.set_ylim(30, 90)
    ends = []
    for values, name, colour, dashes in (
        (possible, "no set has\nmore (Welch)", colours.neutral, DASHES[1]),
        (optimised, "pushed apart", colours.positive, DASHES[0]),
        (random, "random", colours.negative, DASHES[2]),
    ):
        left.plot(counts, values, "o", linestyle=dashes, color=colour, lw=2, ms=5)
        ends.append((float(values[-1]), f"{name}\n{values[-1]:.1f}", colour))
    end_labels(left, ends)
    left.plot(*chirps, "*", color=colours.accent, ms=17, zorder=4)
    label(
        left, *chirps, f"{chirps[0]:,} chirps: {chirps[1]:.1f}", offset=(14, 4),
        ha="left", color=colours.accent, weight="bold",
    )  # fmt: skip
    left.set_xticks(counts, [f"{count:,}" for count in counts])
    left.minorticks_off()
    left.set_xlabel(f"vectors in {dimensions} dimensions")
    left.set_ylabel("angle of the closest pair, degrees")
    title(left, "The more vectors, the closer the closest")
    _draw_losses(right, losses, bound)
    place = int(np.flatnonzero(counts == chirps[0])[0])
    title(
        drawing,
        f"{chirps[0]:,} vectors in {dimensions} dimensions: by formula "
        f"{chirps[1]:.1f} degrees apart, optimised {optimised[place]:.1f}, random "
        f"{random[place]:.0f}",
        "Angles between the lines along the vectors, of which the smallest counts. "
        "Welch's bound of all orders is a limit, which need not be reached.",
    )
    return drawing


def _draw_losses(
    axes: Axes, losses: Mapping[str, Number], bound: tuple[int, int, Number]
) -> None:
    colours = palette_of(axes)
    count, dimensions, possible = bound
    rows = np.arange(len(losses))
    axes.barh(rows, np.array(list(losses.values())), 0.6, color=colours.positive)
    for row, angle in zip(rows, losses.values(), strict=True):
        inside = angle > 20
        colour = colours.ground if inside else colours.ink
        label(
            axes, angle, row, f"{angle:.1f}", offset=(-5 if inside else 5, 0),
            ha="right" if inside else "left", color=colour, weight="bold",
            path_effects=[],
        )  # fmt: skip
    axes.set_yticks(rows, list(losses))
    axes.set_ylim(len(losses) - 0.4, -1.1)
    axes.set_xlim(0, 90)
    axes.tick_params(axis="y", length=0)
    reference_line(
        axes, possible, f"no set has more: {possible:.1f}", vertical=True, at=1.0,
        side="below",
    )  # fmt: skip
    axes.set_xlabel("angle of the closest pair, degrees")
    title(axes, f"{count:,} vectors in {dimensions} dimensions, by loss")


def growth(
    theme: Theme,
    grown: Mapping[int, Float[np.ndarray, "spaces 2"]],
    chirps: tuple[int, int, Number],
) -> Figure:
    """Draws the number of vectors against the dimensions, at several angles.

    Args:
      theme: of the picture.
      grown: degrees off 90 -> rows of (dimensions, vectors found by luck).
      chirps: dimensions, number and degrees off 90 of the chirps.

    Returns:
      The figure: sets that were grown; what the greedy argument promises far beyond.
    """
    drawing, (left, right) = figure(theme, 12, 5.8, ncols=2, width_ratios=(1, 1.25))
    _draw_grown(left, grown)
    _draw_promised(right, chirps)
    greedy = np.exp(log_greedy(chirps[0], 1))
    title(
        drawing,
        f"At {min(grown)} to {max(grown)} degrees the exponential growth is real; at "
        f"1 degree luck finds {greedy:.0f} vectors in {chirps[0]:,} dimensions, a "
        f"formula {chirps[1]:,}",
        "N vectors, all within so many degrees of perpendicular. Points: random "
        "vectors that stay if they fit. Lines: the greedy argument's 1/P, P the share "
        "of random pairs further off. The axes alone are N = d.",
    )
    return drawing


def _draw_grown(axes: Axes, grown: Mapping[int, np.ndarray]) -> None:
    colours = palette_of(axes)
    last = max(rows[-1, 0] for rows in grown.values())
    widths = np.arange(8, int(last) + 1)
    axes.set_xlim(0, last * 1.02)
    tallest = max(rows[:, 1].max() for rows in grown.values())
    axes.set_ylim(0, np.log10(tallest) + 0.4)
    axes.plot(widths, np.log10(widths), color=colours.faint, linestyle="-", lw=2)
    label(
        axes, 8, np.log10(8), "N = d", offset=(-4, 8), ha="right", color=colours.neutral
    )
    for (angle, rows), colour, dashes in zip(
        grown.items(), colours.series, DASHES, strict=False
    ):
        logs = np.array([log_greedy(int(d), angle) for d in widths]) / np.log(10)
        shown = widths <= rows[-1, 0]
        axes.plot(widths[shown], logs[shown], color=colour, linestyle=dashes, lw=1.6)
        axes.plot(rows[:, 0], np.log10(rows[:, 1]), "o", color=colour, ms=6)
        end, found = rows[-1]
        label(
            axes, end, np.log10(found), f"{angle} degrees\nN = {found:,.0f}",
            ha="right", offset=(-9, 9), color=colour, weight="bold",
        )  # fmt: skip
    _powers_of_ten(axes, axes.get_ylim()[1])
    axes.set_xlabel("dimensions d")
    axes.set_ylabel("vectors N (logarithmic)")
    title(axes, "Measured: straight lines are exponentials")


def _draw_promised(axes: Axes, chirps: tuple[int, int, Number]) -> None:
    colours = palette_of(axes)
    axes.set_xscale("log")
    axes.set_xlim(_WIDTHS[0], _WIDTHS[-1])
    axes.set_ylim(0, _TALLEST)
    ln10 = np.log(10)
    axes.plot(_WIDTHS, np.log10(_WIDTHS), color=colours.faint, linestyle="-", lw=2)
    most = np.array([log_most(int(d), 1) for d in _WIDTHS[_WIDTHS < 20_000]]) / ln10
    axes.plot(
        _WIDTHS[: len(most)], most, color=colours.neutral, linestyle=DASHES[3], lw=1.6
    )
    for angle, colour, dashes in zip(_ANGLES, colours.series, DASHES, strict=False):
        logs = np.array([log_greedy(int(d), angle) for d in _WIDTHS]) / ln10
        axes.plot(_WIDTHS, logs, color=colour, linestyle=dashes, lw=2.2)
        height = 15 if angle > 1 else 11
        place = int(np.searchsorted(logs, height))
        words = "1 degree" if angle == 1 else f"{angle} degrees"
        label(
            axes, _WIDTHS[place], height, words, ha="right", offset=(-7, 0),
            color=colour, weight="bold",
        )  # fmt: skip
    d, count, angle = chirps
    axes.plot(d, np.log10(count), "*", color=colours.ink, ms=15, zorder=4)
    leader = {"arrowstyle": "-", "color": colours.ink, "lw": 0.9}
    label(
        axes, d, np.log10(count), f"{count:,} chirps\nwithin {angle:.3f} degrees",
        offset=(-115, 25), ha="right", weight="bold", arrowprops=leader,
    )  # fmt: skip
    label(
        axes, 700, 3.2, "no more within\n1 degree (Welch)", offset=(0, 8), ha="right",
        va="bottom", color=colours.neutral,
    )  # fmt: skip
    label(
        axes, _WIDTHS[-1], np.log10(_WIDTHS[-1]), "N = d", offset=(0, -9), ha="right",
        color=colours.neutral,
    )  # fmt: skip
    _powers_of_ten(axes, _TALLEST)
    axes.set_xlabel("dimensions d (logarithmic)")
    title(axes, "Promised by the greedy argument, far beyond")


def _powers_of_ten(axes: Axes, highest: Number) -> None:
    step = 1 if highest < 8 else 4
    powers = np.arange(0, highest, step)
    axes.set_yticks(powers, [f"$10^{{{power:.0f}}}$" for power in powers])
