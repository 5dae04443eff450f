"""Confident on noise: the network answers whatever it is shown.

Part 1: nothing in the training asks for "I do not know", and so a picture of pure noise
gets an answer, often a sure one.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from nnguide.plots.lettering import label, percent, reference_line, title
from nnguide.plots.style import (
    Axes,
    Figure,
    Number,
    Theme,
    figure,
    grey_map,
    palette_of,
)

_EDGES = np.linspace(0.0, 1.0, 26)


def confident_on_noise(
    theme: Theme,
    image: Float[np.ndarray, "height width"],
    outputs: Float[np.ndarray, " classes"],
    names: Sequence[str],
    highest_on_digits: Float[np.ndarray, " digits"],
    highest_on_noise: Float[np.ndarray, " noises"],
    sure: Number = 0.9,
) -> Figure:
    """Draws one noise image with its answer, and the answers to many.

    Args:
      theme: of the picture.
      image: noise in [0, 1].
      outputs: the network's last layer for it, in [0, 1].
      names: of the outputs.
      highest_on_digits: the highest output for each test digit, of one or more
        networks.
      highest_on_noise: the same for each noise image.
      sure: what counts as a sure answer.

    Returns:
      The figure: the image, its outputs, and both distributions with their medians.
    """
    drawing, (left, bars, histograms) = figure(
        theme, 12, 5.2, ncols=3, width_ratios=(2, 2.4, 5)
    )
    left.imshow(image, cmap=grey_map(palette_of(left)), vmin=0, vmax=1)
    left.set(xticks=[], yticks=[])
    left.spines[:].set(visible=True, color=palette_of(left).faint)
    title(left, "Pure noise")
    _draw_outputs(bars, outputs, names)
    _draw_histograms(
        histograms, {"digits": highest_on_digits, "noise": highest_on_noise}
    )
    share = np.mean(highest_on_noise > sure)
    title(
        drawing,
        f"{share:.0%} of noise images get an answer above {sure:g}; the median answer "
        f"is {np.median(highest_on_noise):.2f} for noise and "
        f"{np.median(highest_on_digits):.2f} for digits",
        f"{len(highest_on_noise):,} answers to noise, {len(highest_on_digits):,} to "
        "test digits.",
    )
    return drawing


def _draw_outputs(axes: Axes, outputs: np.ndarray, names: Sequence[str]) -> None:
    """A bar an output, the answer in the highlight."""
    colours = palette_of(axes)
    answer = int(np.argmax(outputs))
    title(axes, f'The answer: "{names[answer]}", {outputs[answer]:.2f}')
    fills = [colours.faint] * len(outputs)
    fills[answer] = colours.highlight
    places = np.arange(len(outputs))
    axes.barh(places, outputs, color=fills, edgecolor=colours.ink, linewidth=0.8)
    for place, output in zip(places, outputs, strict=True):
        label(axes, float(output), float(place), f"{output:.2f}", offset=(4, 0))
    axes.set_yticks(places, names)
    axes.set_ylim(len(outputs) - 0.4, -0.6)
    axes.set_xlim(0, 1.25)
    axes.set_xticks([0, 0.5, 1])
    axes.set_xlabel("output")
    axes.tick_params(axis="y", length=0)


def _draw_histograms(axes: Axes, highest: Mapping[str, np.ndarray]) -> None:
    """Two overlapping histograms, the first filled, the second hatched."""
    colours = palette_of(axes)
    looks = (
        {"fill": True, "alpha": 0.6, "color": colours.positive},
        {"hatch": "///", "linewidth": 1.6, "color": colours.negative},
    )
    tallest = 0.0
    for rank, (name, values) in enumerate(highest.items()):
        shares = np.histogram(np.clip(values, 0, 1), _EDGES)[0] / len(values)
        axes.stairs(shares, _EDGES, **looks[rank])
        tallest = max(tallest, float(shares.max()))
        middle = float(np.median(values))
        reference_line(
            axes,
            middle,
            f"{name}: median {middle:.2f}",
            vertical=True,
            at=0.99 - 0.07 * rank,
            side="below" if middle > 0.5 else "above",
            color=colours.series[rank],
        )
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.3 * tallest)  # the room above is for the medians' names
    axes.set(xlabel="highest of the outputs", ylabel="share of the images")
    percent(axes)
    title(axes, "Digits (filled) and noise (hatched)")
