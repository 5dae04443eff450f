"""Part 2: where learning is slow or ends, on the flat parts of activations."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from nnguide.plots.lettering import end_labels, label, percent, reference_line, title
from nnguide.plots.style import DASHES, SMALL, Axes, Figure, Theme, figure, palette_of

_MARKED_STEPS = (50, 150)


def saturated_neuron(
    theme: Theme, outputs: Mapping[tuple[str, str], Float[np.ndarray, " steps"]]
) -> Figure:
    """Draws how one neuron learns to say 0, from each start and with each cost.

    Args:
      theme: of the picture.
      outputs: (start, cost) -> its output before the first step, after it, ..., for
        more than 150 steps; the worst start comes last.

    Returns:
      The figure: a panel a start.
    """
    starts = list(dict.fromkeys(start for start, _ in outputs))
    drawing, panels = figure(theme, 12, 5.4, ncols=len(starts), sharey=True)
    for axes, start in zip(panels, starts, strict=True):
        curves = {cost: a for (of, cost), a in outputs.items() if of == start}
        _draw_outputs(axes, curves)
        first = next(iter(curves.values()))[0]
        title(axes, f"From {start}: it says {first:.2f}")
    panels[0].set_ylabel("output of the neuron; 0 is right")
    panels[0].set_ylim(-0.05, 1.06)
    after = _MARKED_STEPS[-1]
    bad = [
        f"{a[after]:.2f} under the {cost}"
        for (start, cost), a in outputs.items()
        if start == starts[-1]
    ]
    title(
        drawing,
        f"{after} steps from a bad start the neuron still says {', but '.join(bad)}",
        "One sigmoid neuron with input 1, the same rate for both costs. Where the "
        "sigmoid is flat the squared error has hardly a slope.",
    )
    return drawing


def _draw_outputs(axes: Axes, curves: Mapping[str, np.ndarray]) -> None:
    colours, ends = palette_of(axes), []
    inks = (colours.negative, colours.positive)
    for rank, (cost, a) in enumerate(curves.items()):
        axes.plot(a, color=inks[rank], linestyle=DASHES[rank], linewidth=2.4)
        ends.append((float(a[-1]), f"{cost}\n{a[-1]:.3f}", inks[rank]))
        axes.set_xlim(0, len(a) - 1)
        for step in _MARKED_STEPS:
            axes.plot(step, a[step], "o", color=inks[rank], markersize=6)
            label(
                axes, step, a[step], f"{a[step]:.3f}", offset=(5, 9), va="bottom",
                color=inks[rank],
            )  # fmt: skip
    axes.axhline(0, color=colours.neutral, linewidth=0.8)
    end_labels(axes, ends)
    axes.set_xlabel("steps of gradient descent")


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
    words = {"normal": "Weights N(0, 1)", "scaled": "Weights N(0, 1) / √784"}
    reach = float(np.ceil(3 * max(z.std() for z in sums.values())))
    shares = {name: float((np.abs(z) > flat).mean()) for name, z in sums.items()}
    for axes, (name, z) in zip(panels, sums.items(), strict=True):
        _draw_histogram(axes, z, reach)
        for side in (-1, 1):
            axes.axvspan(
                side * flat,
                side * reach,
                color=colours.faint,
                alpha=0.45,
                lw=0,
                zorder=0,
            )
        spread = z.std(axis=(1, 2)).mean()
        says = f"spread of z: {spread:.2g}\n{shares[name]:.0%} where it is flat"
        label(axes, -0.97 * reach, 0.72, says, weight="bold")
        axes.set_xlabel("weighted sum z of a first hidden neuron")
        title(axes, words[name])
    label(panels[0], 0.6 * reach, 1.0, "sigmoid", offset=(0, -10))
    what = f"grey: |z| > {flat:g}, hardly a slope"
    label(panels[1], 0.97 * reach, 0.1, what, size=SMALL, ha="right")
    panels[0].set_ylabel("sigmoid; frequency of z (highest = 1)")
    title(
        drawing,
        f"With weights N(0, 1) {shares['normal']:.0%} of the weighted sums start where "
        "the sigmoid is flat; divided by the root of the inputs, "
        f"{shares['scaled']:.0%}",
        f"{len(sums['normal'])} untrained networks of each kind, all training digits; "
        "the spread is their mean standard deviation.",
    )
    return drawing


def _draw_histogram(axes: Axes, z: np.ndarray, reach: float) -> None:
    colours = palette_of(axes)
    bins = np.linspace(-reach, reach, 241)
    counts, _ = np.histogram(z, bins)
    axes.stairs(
        counts / counts.max(), bins, fill=True, color=colours.positive, alpha=0.5
    )
    axes.plot(bins, _sigmoid(bins), color=colours.ink, linestyle="-", linewidth=1.8)
    axes.set_xlim(-reach, reach)
    axes.set_ylim(0, 1.08)


def _sigmoid(z: np.ndarray) -> np.ndarray:
    return (1 + np.tanh(z / 2)) / 2


def steepness(
    theme: Theme,
    steepness: Float[np.ndarray, " k"],
    accuracies: Float[np.ndarray, "k networks"],
    step: Float[np.ndarray, " step_networks"],
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
    _draw_shapes(shapes, steepness)
    _draw_steepness(learned, steepness, accuracies, step)
    mean = accuracies.mean(axis=1)
    title(
        drawing,
        f"A sigmoid too steep does not learn: {mean[0]:.0%} at k = {steepness[0]:g}, "
        f"{mean[-1]:.0%} at k = {steepness[-1]:g}, {step.mean():.0%} with a step",
        f"Mean, worst and best of {accuracies.shape[1]} networks. For each k three "
        "rates were tried: the plain one, and the plain one over k and over k².",
    )
    return drawing


def _draw_shapes(axes: Axes, steepness: np.ndarray) -> None:
    colours = palette_of(axes)
    z = np.linspace(-3, 3, 601)
    for faintness, k in zip(
        np.linspace(0, 0.75, len(steepness)), steepness, strict=True
    ):
        look = {"color": colours.positive, "linestyle": "-", "alpha": 1 - faintness}
        axes.plot(z, _sigmoid(k * z), linewidth=2, **look)
    axes.plot([-3, 0, 0, 3], [0, 0, 1, 1], color=colours.negative, ls=DASHES[1], lw=2)
    at, words = -1.2, f"k = {steepness[0]:g}"
    height = 1 / (1 + np.exp(-steepness[0] * at))
    label(axes, at, height, words, offset=(-4, 10), ha="right", color=colours.positive)
    label(axes, 0, 0.9, "the step", offset=(-8, 0), ha="right", color=colours.negative)
    axes.set_xlabel("weighted sum z")
    axes.set_ylabel("activation, the sigmoid of k times z")
    title(axes, f"k = {', '.join(f'{k:g}' for k in steepness)}")


def _draw_steepness(
    axes: Axes, steepness: np.ndarray, accuracies: np.ndarray, step: np.ndarray
) -> None:
    colours = palette_of(axes)
    mean = accuracies.mean(axis=1)
    _draw_spread(axes, steepness, accuracies, colours.positive, 0)
    for k, value in zip(steepness, mean, strict=True):
        words = f"{value:.0%}"
        label(axes, k, value, words, offset=(6, 9), color=colours.positive)
    end = 4 * steepness[-1]
    axes.plot([end, end], [step.min(), step.max()], color=colours.negative, lw=2)
    axes.plot(end, step.mean(), "s", color=colours.negative, markersize=8)
    words = f"step: {step.mean():.0%}\ngradient\nexactly 0"
    label(
        axes, end, max(step.max(), 0.1), words, offset=(0, 10), ha="center",
        va="bottom", color=colours.negative,
    )  # fmt: skip
    axes.set_xscale("log")
    axes.set_xlim(0.8 * steepness[0], 2 * end)
    axes.set_xticks(steepness, [f"{k:g}" for k in steepness])
    axes.minorticks_off()
    axes.set_ylim(0, 1)
    percent(axes)
    reference_line(axes, 0.1, "chance", at=0.0)
    axes.set_xlabel("steepness k (logarithmic)")
    axes.set_ylabel("test accuracy")
    title(axes, "Test accuracy, the best of three rates for each k")


def dead_neurons(
    theme: Theme,
    rates: Mapping[str, Float[np.ndarray, " _"]],
    shares: Mapping[str, Float[np.ndarray, "_ networks"]],
    accuracies: Mapping[str, Float[np.ndarray, "_ networks"]],
) -> Figure:
    """Draws how many hidden neurons are off for every image, and what it costs.

    Args:
      theme: of the picture.
      rates: "ReLU" and "leaky ReLU" -> learning rates, ascending; the leaky ones are
        the lowest of the others.
      shares: of neurons that are off after training at each rate.
      accuracies: on the test split.

    Returns:
      The figure: neurons on the left, accuracy on the right.
    """
    drawing, (dead, learned) = figure(theme, 12, 5.8, ncols=2, sharex=True)
    colours = palette_of(drawing)
    names = {"ReLU": colours.negative, "leaky ReLU": colours.positive}
    for rank, (name, ink) in enumerate(names.items()):
        _draw_spread(dead, rates[name], shares[name], ink, rank)
        _draw_spread(learned, rates[name], accuracies[name], ink, rank)
    off = {name: shares[name].mean(axis=1) for name in names}
    last = len(rates["leaky ReLU"]) - 1  # where both have a point
    rate = rates["ReLU"]
    for name, side, move in (("ReLU", "right", -9), ("leaky ReLU", "left", 9)):
        at = {"offset": (move, 0), "ha": side, "color": names[name], "weight": "bold"}
        label(dead, rate[last], off[name][last], f"{name} {off[name][last]:.0%}", **at)
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
    title(dead, "Neurons that are off after training")
    title(learned, "What the networks learn")
    best = int(accuracies["ReLU"].mean(axis=1).argmax())
    title(
        drawing,
        f"{off['ReLU'][best]:.0%} of the ReLU neurons are dead after training at the "
        f"rate {rate[best]:g}, {off['ReLU'][-1]:.0%} at {rate[-1]:g}",
        "784-16-16-10, cross-entropy; mean, worst and best of "
        f"{shares['ReLU'].shape[1]} networks a rate. The leaky ReLU keeps a slope of "
        f"0.01 and can come back; at rates above {rate[last]:g} it diverges instead.",
    )
    return drawing


def _draw_spread(
    axes: Axes, x: np.ndarray, each: np.ndarray, ink: str, rank: int
) -> None:
    """The mean over networks as a line, and a band from the worst to the best."""
    axes.plot(
        x,
        each.mean(axis=1),
        color=ink,
        linestyle=DASHES[rank],
        marker="os"[rank],
        lw=2.2,
    )
    axes.fill_between(
        x, each.min(axis=1), each.max(axis=1), color=ink, alpha=0.18, lw=0
    )
