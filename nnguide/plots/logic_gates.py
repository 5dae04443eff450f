"""Part 8: the AND neuron's two half-planes, and what leaks through them."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

from nnguide.plots.lettering import label, percent, reference_line, title
from nnguide.plots.style import (
    DASHES,
    SMALL,
    Axes,
    Figure,
    Theme,
    figure,
    palette_of,
)

_MARKERS = ("o", "s", "^", "v")
_GOLDEN = 0.618034  # steps of it fill [0, 1) evenly


def half_planes(
    theme: Theme,
    kinds: Sequence[str],
    plane: Float[np.ndarray, "4 N 2"],
    biases: tuple[float, float],
    width: int,
) -> Figure:
    """Draws names in the plane of a neuron's two directions, and its answers.

    Args:
      theme: of the picture.
      kinds: of names; the first is the full name, two have one half of it.
      plane: products with the first and with the last name's direction.
      biases: thresholds, with the other sign.
      width: dimensions of the directions.

    Returns:
      The figure: the plane, the weighted sums, and what is left after the ReLU.
    """
    drawing, (left, middle, right) = figure(
        theme, 12, 5.6, ncols=3, width_ratios=(1.15, 1, 1)
    )
    _draw_plane(left, kinds, plane, biases)
    sums = plane.sum(axis=-1)
    low, high = float(sums.min()) - 0.1, float(sums.max()) + 0.1
    for place, each in enumerate(sums):
        _draw_strip(middle, each, float(place), 0.5, _colour(middle, place), place)
    middle.axvspan(
        -biases[0], high, color=palette_of(middle).highlight, alpha=0.16, zorder=0
    )
    middle.set_xlim(low, high)
    for bias, side in zip(biases, ("below", "above"), strict=True):
        reference_line(middle, -bias, f"{-bias:g}", vertical=True, at=0.99, side=side)
    middle.set_xlabel("product with the row")
    title(middle, "Before the ReLU")
    for row, bias in enumerate(biases):
        answers = np.maximum(sums + bias, 0)
        for place, each in enumerate(answers):
            at = place + (-0.2, 0.2)[row]
            _draw_strip(right, each, at, 0.24, palette_of(right).series[row], row)
            words = f"{np.mean(each > 0):.0%} fire"
            label(
                right, float(sums.max()) - 0.8, at, words, size=SMALL,
                color=palette_of(right).series[row],
            )  # fmt: skip
    right.set_xlabel("basketballs written")
    right.set_xlim(-0.05, float(sums.max()) - 0.3)
    for row, bias in enumerate(biases):
        label(
            right, 0.99, 0.97 - 0.055 * row, f"bias {bias:g}", within="axes fraction",
            ha="right", color=palette_of(right).series[row], weight="bold",
        )  # fmt: skip
    title(right, "After it")
    for axes in (middle, right):
        axes.set_yticks(range(len(kinds)), [name.replace(" ", "\n") for name in kinds])
        axes.set_ylim(len(kinds) - 0.5, -0.75)
        axes.tick_params(axis="y", length=0)
    fire = [np.mean(sums[1:3] > -bias) for bias in biases]
    title(
        drawing,
        f"Bias {biases[0]:g} says yes to {fire[0]:.0%} of the half matches, "
        f"{biases[1]:g} to {fire[1]:.1%}",
        f'The neuron of "Michael Jordan" in {width} dimensions, its row the sum of two '
        f"nearly perpendicular directions. {plane.shape[1]} neurons, each asked about "
        "one name of each kind; the two lines are where a bias says yes.",
    )
    return drawing


def _colour(axes: Axes, place: int) -> str:
    colours = palette_of(axes)
    return (colours.positive, colours.negative, colours.accent, colours.neutral)[place]


def _draw_plane(
    axes: Axes,
    kinds: Sequence[str],
    plane: np.ndarray,
    biases: tuple[float, float],
) -> None:
    colours = palette_of(axes)
    low, high = float(plane.min()) - 0.15, float(plane.max()) + 0.25
    ends = np.array([low, high])
    axes.fill_between(
        ends, -biases[0] - ends, high, color=colours.highlight, alpha=0.16, lw=0
    )
    axes.fill_between(
        ends, -biases[1] - ends, high, color=colours.highlight, alpha=0.22, lw=0
    )
    for bias, dashes in zip(biases, DASHES, strict=False):
        axes.plot(ends, -bias - ends, color=colours.ink, linestyle=dashes, lw=1.4)
        at = -bias / 2 - (0.25 if bias == biases[1] else 0)
        label(
            axes, at, -bias - at, f"bias {bias:g}", rotation=-45, va="bottom",
            ha="center", rotation_mode="anchor", size=SMALL, offset=(2, 2),
        )  # fmt: skip
    for place, (name, points) in enumerate(zip(kinds, plane, strict=True)):
        colour = _colour(axes, place)
        axes.scatter(
            *points.T, s=9, color=colour, marker=_MARKERS[place], alpha=0.5, lw=0
        )
        centre = points.mean(axis=0)
        # the full names lie on the diagonal, below which there is room
        full = place == 0
        label(
            axes, centre[0], centre[1] - 0.12 if full else points[:, 1].min(),
            name.replace(" ", "\n") if full else name,
            offset=(9, -8) if full else (0, -9), ha="left" if full else "center",
            color=colour, weight="bold",
        )  # fmt: skip
    label(axes, high - 0.08, high - 0.1, "YES", ha="right", weight="bold")
    label(axes, low + 0.1, 0.5, "NO", ha="left", weight="bold")
    axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
    axes.set_xlabel('product with "first name Michael"')
    axes.set_ylabel('product with "last name Jordan"')
    title(axes, "A row cuts space into two halves")


def _draw_strip(
    axes: Axes, values: np.ndarray, at: float, height: float, colour: str, marker: int
) -> None:
    spread = (np.arange(len(values)) * _GOLDEN % 1 - 0.5) * height
    axes.scatter(
        values, at + spread, s=8, color=colour, marker=_MARKERS[marker], alpha=0.45,
        lw=0,
    )  # fmt: skip


def leak_by_width(
    theme: Theme,
    widths: Int[np.ndarray, "widths"],
    biases: tuple[float, float],
    mean: Float[np.ndarray, "biases widths"],
    firing: Float[np.ndarray, "3 biases widths"],
    worst: Float[np.ndarray, "3 biases widths"],
    neurons: int,
) -> Figure:
    """Draws how many half matches fire, and how much, over the dimensions.

    Args:
      theme: of the picture.
      widths: dimensions.
      biases: of the neurons.
      mean: share of half matches that fire, all neurons.
      firing: the same of single neurons, at 5%, 50% and 95% of them.
      worst: answer to the half match that fires most, alike.
      neurons: at each width.

    Returns:
      The figure.
    """
    drawing, (left, right) = figure(theme, 12, 5.4, ncols=2)
    colours = palette_of(drawing)
    for axes, bands, centre in ((left, firing, mean), (right, worst, worst[1])):
        axes.set_xscale("log", base=2)
        axes.set_xticks(widths, [f"{width:,}" for width in widths])
        axes.set_xlim(widths[0] * 0.85, widths[-1] * 1.2)
        axes.set_xlabel("dimensions (logarithmic)")
        for row, bias in enumerate(biases):
            look = {"color": colours.series[row], "linestyle": DASHES[row], "lw": 2}
            axes.fill_between(
                widths, bands[0, row], bands[2, row], color=colours.series[row],
                alpha=0.22, lw=0,
            )  # fmt: skip
            axes.plot(widths, centre[row], marker=_MARKERS[row], ms=6, **look)
            label(
                axes, widths[1], centre[row, 1], f"bias {bias:g}", offset=(14, 12),
                color=colours.series[row], weight="bold",
            )  # fmt: skip
    reference_line(left, 0.5, "one half, at any width", at=0.99, side="below")
    left.set_ylim(-0.02, 1.02)
    percent(left)
    left.set_ylabel("half matches that fire")
    title(left, f"Bias {biases[0]:g}: the share that fires stays")
    line = worst[1, 0, -1] * np.sqrt(widths[-1] / widths)
    right.plot(widths, line, color=colours.neutral, linestyle=":", lw=1.4, zorder=1.5)
    label(
        right, widths[0], line[0], "1 / sqrt(D)", offset=(12, 4),
        color=colours.neutral,
    )  # fmt: skip
    right.set_ylim(bottom=-0.02)
    right.set_ylabel("basketballs for the worst half match")
    title(right, "How much it fires shrinks as 1 / sqrt(D)")
    title(
        drawing,
        f"With bias {biases[0]:g} every other half match fires even in {widths[-1]:,} "
        f"dimensions, by {worst[1, 0, -1]:.2f} basketballs at most; with {biases[1]:g} "
        + (f"{mean[1, -1]:.1%}" if mean[1, -1] else "none"),
        f"{neurons:,} neurons at each width, random directions. Lines: mean share, and "
        "the median neuron's worst half match; bands: from 5% to 95% of the neurons.",
    )
    return drawing


def activations(
    theme: Theme,
    kinds: Sequence[str],
    given: Mapping[str, Float[np.ndarray, "4"]],
) -> Figure:
    """Draws what each kind of name gets with the ReLU, without it, and with others.

    Args:
      theme: of the picture.
      kinds: of names.
      given: activation -> basketballs for each kind; "nothing" is the linear control.

    Returns:
      The figure, a panel an activation.
    """
    drawing, panels = figure(theme, 12, 4.6, ncols=len(given), sharey=True)
    for axes, (name, amounts) in zip(panels, given.items(), strict=True):
        colours = palette_of(axes)
        bars = [colours.positive if amount > 0 else colours.negative
                for amount in amounts]  # fmt: skip
        axes.bar(range(len(kinds)), amounts, color=bars, width=0.62)
        axes.axhline(0, color=colours.neutral, lw=1, linestyle="-")
        for place, amount in enumerate(amounts):
            words = f"{amount + 0.0:.2f}" if abs(amount) >= 0.005 else "0"
            label(
                axes, place, amount, words, ha="center",
                offset=(0, -9 if amount < -0.005 else 9),
            )  # fmt: skip
        axes.set_xticks(
            range(len(kinds)), [kind.replace(" ", "\n") for kind in kinds], size=SMALL
        )
        axes.tick_params(axis="x", length=0)
        title(axes, name if name != "nothing" else "No ReLU")
    panels[0].set_ylim(-0.35, 1.2)
    panels[0].set_ylabel("basketballs")
    title(
        drawing,
        f"Without the ReLU Michael Phelps gets {given['nothing'][1]:.1f} basketballs; "
        "with it, none",
        "Perpendicular directions; scaled so that Michael Jordan gets one.",
    )
    return drawing
