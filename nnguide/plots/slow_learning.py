"""Part 2: where learning is slow or ends, on the flat parts of activations."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from nnguide.plots.lettering import end_labels, label, percent, reference_line, title
from nnguide.plots.style import DASHES, SMALL, Axes, Figure, Theme, figure, palette_of

Curve = tuple[np.ndarray, np.ndarray]


def saturated_neuron(
    theme: Theme, outputs: Mapping[tuple[str, str], Float[np.ndarray, " steps"]]
) -> Figure:
    """Draws how one neuron learns to say 0, from each start and with each cost.

    Args:
      theme: of the picture.
      outputs: (start, cost) -> its output before the first step, after it, ...

    Returns:
      The figure: a panel a start.
    """
    starts = list(dict.fromkeys(start for start, _ in outputs))
    drawing, panels = figure(theme, 12, 5.4, ncols=len(starts), sharey=True)
    colours = palette_of(drawing)
    for axes, start in zip(panels, starts, strict=True):
        ends = []
        for rank, (name, curve) in enumerate(
            (cost, curve) for (of, cost), curve in outputs.items() if of == start
        ):
            colour = (colours.negative, colours.positive)[rank]
            axes.plot(curve, color=colour, linestyle=DASHES[rank], linewidth=2.4)
            ends.append(
                (float(curve[-1]), f"{name.replace('_', ' ')}\n{curve[-1]:.3f}", colour)
            )
            for step in (50, 150):
                axes.plot(step, curve[step], "o", color=colour, markersize=6)
                label(
                    axes, step, curve[step], f"{curve[step]:.3f}", offset=(0, 8),
                    ha="center", va="bottom", color=colour, size=SMALL,
                )  # fmt: skip
        end_labels(axes, ends)
        axes.set_xlim(0, len(curve) - 1)
        axes.set_ylim(0, 1.06)
        axes.set_xlabel("steps of gradient descent")
        title(axes, f"From {start}: it says {curve[0]:.2f}")
    panels[0].set_ylabel("output of the neuron; 0 is right")
    bad = {
        cost: curve[150]
        for (start, cost), curve in outputs.items()
        if start == starts[-1]
    }
    title(
        drawing,
        f"Badly wrong, the neuron still says {bad['squared_error']:.2f} after 150 steps "
        f"on the squared error, and {bad['cross_entropy']:.2f} on the cross-entropy",
        "One sigmoid neuron, input 1; the same rate for both costs. On the flat part of "
        "the sigmoid the squared error has hardly a slope.",
    )
    return drawing


def weighted_sums(
    theme: Theme,
    sums: Mapping[str, Float[np.ndarray, "networks N neurons"]],
    flat: float,
) -> Figure:
    """Draws where on the sigmoid the first hidden neurons start.

    Args:
      theme: of the picture.
      sums: "normal" and "scaled" initial weights -> weighted sums of all images.
      flat: |z| above which the sigmoid counts as flat.

    Returns:
      The figure: a histogram of each over the same axis, with the sigmoid.
    """
    drawing, panels = figure(theme, 12, 5.4, ncols=len(sums), sharex=True, sharey=True)
    colours = palette_of(drawing)
    reach = float(np.ceil(3 * max(z.std() for z in sums.values())))
    bins = np.linspace(-reach, reach, 241)
    words = {"normal": "Weights N(0, 1)", "scaled": "Weights N(0, 1) / √784"}
    shares = {}
    for axes, (name, z) in zip(panels, sums.items(), strict=True):
        counts, _ = np.histogram(z, bins)
        axes.stairs(
            counts / counts.max(), bins, fill=True, color=colours.positive, alpha=0.5
        )
        line = np.linspace(-reach, reach, 481)
        axes.plot(
            line, 1 / (1 + np.exp(-line)), color=colours.ink, linestyle="-", lw=1.8
        )
        for side in (-1, 1):
            axes.axvspan(
                side * flat,
                side * reach,
                color=colours.faint,
                alpha=0.45,
                lw=0,
                zorder=0,
            )
        shares[name] = float((np.abs(z) > flat).mean())
        label(
            axes, -0.97 * reach, 0.62, f"spread of z: {z.std():.2g}\n{shares[name]:.0%} flat",
            weight="bold",
        )  # fmt: skip
        axes.set_xlim(-reach, reach)
        axes.set_ylim(0, 1.08)
        axes.set_xlabel("weighted sum z of a first hidden neuron")
        title(axes, words[name])
    label(panels[0], 0.6 * reach, 1.0, "sigmoid", offset=(0, -10))
    label(
        panels[0],
        0.3 * reach,
        0.1,
        f"grey: |z| > {flat:g},\nhardly a slope",
        size=SMALL,
    )
    panels[0].set_ylabel("sigmoid; frequency of z (highest = 1)")
    title(
        drawing,
        f"With weights N(0, 1) {shares['normal']:.0%} of the weighted sums start where "
        f"the sigmoid is flat; divided by the root of the inputs, {shares['scaled']:.0%}",
        f"{len(sums['normal'])} untrained networks of each kind, all training digits.",
    )
    return drawing


def steepness(
    theme: Theme,
    steepness: Float[np.ndarray, " k"],
    accuracies: Float[np.ndarray, "k networks"],
    step: Float[np.ndarray, " networks"],
) -> Figure:
    """Draws what is learned as the sigmoid becomes a step.

    Args:
      theme: of the picture.
      steepness: k of sigma(k z), ascending.
      accuracies: on the test split, at the best rate for each k.
      step: of networks whose activation is a step.

    Returns:
      The figure: the activations on the left, accuracy against k on the right.
    """
    drawing, (shapes, learned) = figure(theme, 12, 5.6, ncols=2, width_ratios=(4, 6))
    colours = palette_of(drawing)
    z = np.linspace(-3, 3, 601)
    for shade, k in enumerate(steepness):
        alpha = 1 - 0.75 * shade / max(len(steepness) - 1, 1)
        shapes.plot(z, 1 / (1 + np.exp(-np.clip(k * z, -60, 60))), color=colours.positive,
                    linestyle="-", alpha=alpha, lw=2)  # fmt: skip
    shapes.plot([-3, 0, 0, 3], [0, 0, 1, 1], color=colours.negative, ls=DASHES[1], lw=2)
    label(shapes, -1.2, 1 / (1 + np.exp(1.2)), f"k = {steepness[0]:g}", offset=(-4, 12),
          ha="right", color=colours.positive)  # fmt: skip
    label(
        shapes, 0.0, 0.9, "the step", offset=(-8, 0), ha="right", color=colours.negative
    )
    shapes.set_xlabel("weighted sum z")
    shapes.set_ylabel("activation, sigmoid of k times z")
    title(shapes, f"k = {', '.join(f'{k:g}' for k in steepness)}")
    mean = accuracies.mean(axis=1)
    learned.plot(
        steepness, mean, color=colours.positive, linestyle="-", lw=2.4, marker="o"
    )
    learned.fill_between(steepness, accuracies.min(1), accuracies.max(1),
                         color=colours.positive, alpha=0.2, lw=0)  # fmt: skip
    for k, value in zip(steepness, mean, strict=True):
        label(learned, k, value, f"{value:.0%}", offset=(6, 9), color=colours.positive)
    end = 4 * steepness[-1]
    learned.errorbar(end, step.mean(), [[step.mean() - step.min()], [step.max() - step.mean()]],
                     color=colours.negative, marker="s", markersize=8, capsize=4)  # fmt: skip
    label(learned, end, step.mean(), f"step: {step.mean():.0%}\ngradient\nexactly 0", offset=(0, 10),
          ha="center", va="bottom", color=colours.negative)  # fmt: skip
    learned.set_xscale("log")
    learned.set_xlim(0.8 * steepness[0], 2 * end)
    learned.set_xticks(steepness, [f"{k:g}" for k in steepness])
    learned.minorticks_off()
    learned.set_ylim(0, 1)
    percent(learned)
    reference_line(learned, 0.1, "chance", at=0.0)
    learned.set_xlabel("steepness k (logarithmic)")
    learned.set_ylabel("test accuracy")
    title(learned, "Test accuracy, the best of three rates for each k")
    title(
        drawing,
        f"The steeper the sigmoid, the less is learned: {mean[0]:.0%} at k = "
        f"{steepness[0]:g}, {mean[-1]:.0%} at k = {steepness[-1]:g}, {step.mean():.0%} "
        "with a step",
        f"Mean, worst and best of {accuracies.shape[1]} networks; the rate is 1.5, 1.5 / k "
        "or 1.5 / k², whichever learns most.",
    )
    return drawing


def dead_neurons(
    theme: Theme,
    rates: Mapping[str, Float[np.ndarray, " _"]],
    shares: Mapping[str, Float[np.ndarray, "_ networks"]],
    accuracies: Mapping[str, Float[np.ndarray, "_ networks"]],
) -> Figure:
    """Draws how many hidden neurons are off for every image, and what it costs.

    Args:
      theme: of the picture.
      rates: activation -> learning rates, ascending.
      shares: activation -> shares of dead neurons after training at each rate.
      accuracies: activation -> test accuracies.

    Returns:
      The figure: dead neurons on the left, accuracy on the right.
    """
    drawing, (dead, learned) = figure(theme, 12, 5.8, ncols=2, sharex=True)
    colours = palette_of(drawing)
    for rank, name in enumerate(rates):
        colour = (colours.negative, colours.positive)[rank]
        for axes, each in ((dead, shares[name]), (learned, accuracies[name])):
            _draw_spread(axes, rates[name], each, colour, rank)
    (relu, leaky), last = list(rates), {n: shares[n].mean(axis=1) for n in rates}
    for name, colour, side, move in (
        (relu, colours.negative, "right", (-8, 4)), (leaky, colours.positive, "left", (8, 0)),
    ):  # fmt: skip
        x, y = rates[name][-1], float(last[name][-1])
        if name == relu:
            x, y = rates[relu][-3], float(last[relu][-3])
        label(dead, x, y, name, offset=move, ha=side, color=colour, weight="bold")
    for axes, words in (
        (dead, "hidden neurons that are off for every image"),
        (learned, "test accuracy"),
    ):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.set_ylim(0, 1)
        axes.set_xlabel("learning rate (logarithmic)")
        axes.set_ylabel(words)
        percent(axes)
    reference_line(dead, 0.4, "“as much as 40%” (CS231n notes)", at=0.0)
    reference_line(learned, 0.1, "chance", at=0.0)
    title(dead, "Dead neurons")
    title(learned, "What the networks learn")
    best = int(accuracies[relu].mean(axis=1).argmax())
    title(
        drawing,
        f"At the rate {rates[relu][best]:g} {last[relu][best]:.0%} of the ReLU neurons are "
        f"dead, at {rates[relu][-1]:g} {last[relu][-1]:.0%}; a leak saves many",
        f"Mean, worst and best of {shares[relu].shape[1]} networks a rate, 784-16-16-10, "
        "cross-entropy. Leaky networks recover through their slope of 0.01; at rates "
        "above their last point they diverge.",
    )
    return drawing


def _draw_spread(
    axes: Axes, x: np.ndarray, each: np.ndarray, colour: str, rank: int
) -> None:
    axes.plot(
        x, each.mean(1), color=colour, linestyle=DASHES[rank], marker="os"[rank], lw=2.2
    )
    axes.fill_between(x, each.min(1), each.max(1), color=colour, alpha=0.18, lw=0)
