"""Part 9: guidance, the arrow of a condition drawn out, and what comes of it."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float, Int

from nnguide.plots.lettering import end_labels, label, percent, title
from nnguide.plots.style import (
    DASHES,
    LABEL,
    Axes,
    Figure,
    Number,
    Theme,
    figure,
    palette_of,
)

LISTENERS = {
    "perfect": "condition always right",
    "weak": "condition right in 60%",
    "very_weak": "condition right in 40%",
    "trained": "trained network",
}
_END = 1.45


def strips(
    theme: Theme,
    alphas: Float[np.ndarray, "alphas"],
    samples: Mapping[str, Float[np.ndarray, "alphas samples 2"]],
    in_class: Mapping[str, Float[np.ndarray, "alphas"]],
    on_spiral: Mapping[str, Float[np.ndarray, "alphas"]],
    data: Float[np.ndarray, "N 2"],
    wanted: Bool[np.ndarray, "N"],
) -> Figure:
    """Draws samples of one class as alpha grows, a row for each kind of condition.

    Args:
      theme: of the picture.
      alphas: ascending from 0.
      samples: "perfect" and "weak" -> samples at each alpha.
      in_class: share of them in the class asked for.
      on_spiral: share of them near the spiral.
      data: all classes.
      wanted: which of the data are of the class asked for.

    Returns:
      The figure.
    """
    drawing, panels = figure(
        theme, 12, 6.9, nrows=2, ncols=len(alphas), sharex=True, sharey=True
    )
    for row, (name, each) in zip(panels, samples.items(), strict=True):
        for axes, alpha, x, own, near in zip(
            row, alphas, each, in_class[name], on_spiral[name], strict=True
        ):
            _draw_samples(axes, x, data, wanted)
            title(axes, f"alpha = {alpha:g}", f"{own:.0%} in class, {near:.0%} on it")
        row[0].set_ylabel(LISTENERS[name], weight="bold", size=LABEL + 1)
    weak, perfect = in_class["weak"], on_spiral["perfect"]
    best = int(np.argmax(weak * on_spiral["weak"]))
    title(
        drawing,
        f"Guidance rescues a condition that is hardly heeded ({weak[0]:.0%} to "
        f"{weak[best]:.0%} in class); too much of it leaves the data",
        f"Samples of the outer arm (yellow). Where the condition is heeded anyway, "
        f"alpha = {alphas[-1]:g} leaves {perfect[-1]:.0%} on the spiral.",
    )
    return drawing


def _bare(axes: Axes, end: float = _END) -> None:
    axes.set(xlim=(-end, end), ylim=(-end, end), xticks=[], yticks=[])
    axes.set_aspect("equal")
    for edge in axes.spines.values():
        edge.set_visible(False)


def _draw_samples(
    axes: Axes, x: np.ndarray, data: np.ndarray, wanted: np.ndarray
) -> None:
    colours = palette_of(axes)
    _bare(axes)
    axes.scatter(*data[~wanted].T, s=12, color=colours.faint, lw=0, zorder=1)
    axes.scatter(*data[wanted].T, s=30, color=colours.highlight, lw=0, zorder=1)
    axes.scatter(*x.T, s=4, color=colours.positive, lw=0, alpha=0.5, zorder=2)


def over_alpha(
    theme: Theme,
    alphas: Float[np.ndarray, "alphas"],
    in_class: Mapping[str, Float[np.ndarray, "alphas"]],
    on_spiral: Mapping[str, Float[np.ndarray, "alphas"]],
) -> Figure:
    """Draws what guidance buys and what it costs.

    Args:
      theme: of the picture.
      alphas: ascending from 0.
      in_class: kind of condition -> share of samples in the class asked for.
      on_spiral: kind of condition -> share of samples near the spiral.

    Returns:
      The figure: what it buys left, what it costs right.
    """
    drawing, (left, right) = figure(theme, 12, 5.6, ncols=2, sharey=True)
    for axes, shares, words in (
        (left, in_class, "Bought: samples in the class asked for"),
        (right, on_spiral, "Paid: samples within 0.03 of the spiral"),
    ):
        axes.set_xlim(0, alphas[-1])
        axes.set_ylim(0, 1.03)
        percent(axes)
        axes.set_xlabel("alpha: 0 is off, elsewhere often counted as 1 + alpha")
        title(axes, words)
        _draw_shares(axes, alphas, shares)
    weak, perfect = in_class["weak"], on_spiral["perfect"]
    title(
        drawing,
        f"alpha = {alphas[-1]:g} brings {weak[0]:.0%} of the samples in class to "
        f"{weak[-1]:.0%} where the condition is weak, and leaves {perfect[-1]:.0%} on "
        "the spiral where it is not",
        "Samples of one class of three. Exact scores of a hundred points, a condition "
        "being right always, in 60% or in 40% of the cases; and a network. 64 steps of "
        "DDIM.",
    )
    return drawing


def _draw_shares(
    axes: Axes, alphas: np.ndarray, shares: Mapping[str, np.ndarray]
) -> None:
    colours = palette_of(axes)
    inks = (colours.negative, colours.positive, colours.accent, colours.ink)
    ends = []
    for (name, values), ink, dashes in zip(shares.items(), inks, DASHES, strict=False):
        axes.plot(
            alphas, values, color=ink, linestyle=dashes, lw=2.2, marker="o", ms=4.5,
            clip_on=False, zorder=3,
        )  # fmt: skip
        words = LISTENERS[name].removeprefix("condition ")
        ends.append((float(values[-1]), f"{words}: {values[-1]:.0%}", ink))
    end_labels(axes, ends)


def three_arrows(
    theme: Theme,
    places: Float[np.ndarray, "N 2"],
    unconditioned: Float[np.ndarray, "N 2"],
    conditioned: Float[np.ndarray, "N 2"],
    guided: Float[np.ndarray, "N 2"],
    alpha: Number,
    sigma: Number,
    data: Float[np.ndarray, "M 2"],
    wanted: Bool[np.ndarray, "M"],
) -> Figure:
    """Draws guidance as the guide does, three arrows at one place, and their fields.

    Args:
      theme: of the picture.
      places: the first is the place, the others a grid.
      unconditioned: arrows to the estimate of x_0, told nothing.
      conditioned: told the class.
      guided: conditioned + alpha (conditioned - unconditioned).
      alpha: of guidance.
      sigma: the level of noise.
      data: all classes.
      wanted: which of the data are of the class asked for.

    Returns:
      The figure.
    """
    drawing, panels = figure(theme, 12, 8.4, mosaic="AAB;AAC;AAD")
    colours = palette_of(drawing)
    arrows = {
        "told nothing": (unconditioned, colours.neutral),
        "told the class": (conditioned, colours.accent),
        "guided": (guided, colours.positive),
    }
    main = panels["A"]
    _draw_data(main, data, wanted)
    place = places[0]
    for name, (each, ink) in arrows.items():
        end = place + each[0]
        main.annotate(
            "", tuple(end), tuple(place), zorder=4,
            arrowprops={"arrowstyle": "-|>", "lw": 3, "color": ink, "shrinkA": 0,
                        "shrinkB": 0, "mutation_scale": 20},
        )  # fmt: skip
        outward = 1 if each[0, 0] > 0 else -1
        label(
            main, end[0], end[1], name, offset=(8 * outward, 0), color=ink,
            ha="left" if outward > 0 else "right", weight="bold", size=LABEL,
        )  # fmt: skip
    ends = [tuple(place + each[0]) for each, _ in arrows.values()]
    main.plot(*zip(*ends, strict=True), color=colours.ink, linestyle=":", lw=1.4)
    middle, reach = np.mean(ends, axis=0), 1.9 * float(np.ptp(ends, axis=0).max())
    main.set_xlim(middle[0] - reach, middle[0] + reach)
    main.set_ylim(middle[1] - reach, middle[1] + reach)
    main.plot(*place, "o", color=colours.ink, ms=8, zorder=5)
    label(main, place[0], place[1], "x", offset=(4, -14), weight="bold", size=LABEL)
    for axes, (name, (each, ink)) in zip(
        (panels[letter] for letter in "BCD"), arrows.items(), strict=True
    ):
        _draw_data(axes, data, wanted)
        axes.quiver(
            *places[1:].T, *each[1:].T, color=ink, angles="xy", scale_units="xy",
            scale=3, width=0.012, zorder=3,
        )  # fmt: skip
        title(axes, name)
    title(
        drawing,
        f"Guidance draws the difference out: conditioned + {alpha:g} (conditioned "
        "- unconditioned) points at the class",
        f"Arrows to the estimate of x_0 at sigma = {sigma:g}, exact, the outer arm "
        "(yellow) asked for by a condition that is right in 60%. The fields' arrows "
        "have a third of their length.",
    )
    return drawing


def _draw_data(axes: Axes, data: np.ndarray, wanted: np.ndarray) -> None:
    colours = palette_of(axes)
    _bare(axes)
    axes.scatter(*data[~wanted].T, s=12, color=colours.faint, lw=0, zorder=1)
    axes.scatter(*data[wanted].T, s=24, color=colours.highlight, lw=0, zorder=1)


def classes(
    theme: Theme,
    x: Float[np.ndarray, "B 2"],
    labels: Int[np.ndarray, "B"],
    in_class: Number,
    data: Float[np.ndarray, "N 2"],
    sampler: str,
    steps: Number,
    alpha: Number,
) -> Figure:
    """Draws every class by a network, with the sampler that was asked for.

    Args:
      theme: of the picture.
      x: samples.
      labels: the class each was asked for.
      in_class: share that is in it.
      data: all classes.
      sampler: its name.
      steps: how many.
      alpha: of guidance.

    Returns:
      The figure, a panel a class.
    """
    kinds = sorted(set(labels.tolist()))
    drawing, panels = figure(theme, 12, 5.0, ncols=len(kinds), sharex=True, sharey=True)
    names = ("inner", "middle", "outer")
    colours = palette_of(drawing)
    for axes, kind in zip(panels, kinds, strict=True):
        _bare(axes)
        axes.scatter(*data.T, s=14, color=colours.faint, lw=0, zorder=1)
        own = x[labels == kind]
        axes.scatter(*own.T, s=5, color=colours.series[kind], lw=0, alpha=0.6, zorder=2)
        title(axes, f"{names[kind]} arm asked for")
    title(
        drawing,
        f"{in_class:.1%} of the samples lie in the class asked for: {sampler}, {steps} "
        f"steps, alpha = {alpha:g}",
        "A network trained on three classes; grey: the data. The flags --sampler.name, "
        "--sampler.steps and --guidance_alpha draw this anew.",
    )
    return drawing
