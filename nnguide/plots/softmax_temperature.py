"""Part 6: one prediction at several temperatures, and the entropy of many over T."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from nnguide.plots.lettering import label, percent, reference_line, title
from nnguide.plots.next_word import visible
from nnguide.plots.style import Axes, Figure, Theme, figure, palette_of
from nnguide.plots.token_merges import token_name


def softmax_temperature(
    theme: Theme,
    prompt: str,
    words: Sequence[str],
    probabilities: Mapping[float, Float[np.ndarray, "words"]],
    temperatures: Float[np.ndarray, "M"],
    entropies: Float[np.ndarray, "N M"],
    vocabulary: int,
) -> Figure:
    """Draws what temperature does to the next token.

    Args:
      theme: of the picture.
      prompt: the text before the token; its end is shown.
      words: the likeliest next tokens.
      probabilities: temperature -> theirs; three temperatures, ascending.
      temperatures: of the curve, ascending.
      entropies: of N predictions at each of them, in nats.
      vocabulary: number of tokens, V.

    Returns:
      The figure: bars at three temperatures, and below the entropy over temperature.
    """
    drawing, panels = figure(theme, 12, 8.6, mosaic="ABC;DDD", height_ratios=(1.15, 1))
    for axes, (temperature, values) in zip(
        (panels[name] for name in "ABC"), probabilities.items(), strict=True
    ):
        _draw_bars(axes, words if axes is panels["A"] else None, values)
        rest = 1 - values.sum()
        title(
            axes,
            f"T = {temperature:g}: the likeliest has {100 * values.max():.2g}%",
            f"{rest:.0%} goes to the other {vocabulary - len(words):,} tokens",
        )
    _draw_curve(panels["D"], temperatures, entropies, vocabulary, list(probabilities))
    title(panels["D"], "Entropy of a prediction, by temperature")
    mean = entropies.mean(axis=0)
    at_one = mean[int(np.argmin(np.abs(temperatures - 1)))]
    ending = visible(prompt[-60:])
    title(
        drawing,
        f"Temperature spreads a prediction: {math.exp(mean[0]):.1f} tokens to choose "
        f"from at T = {temperatures[0]:g}, {math.exp(at_one):.0f} at 1, "
        f"{math.exp(mean[-1]):,.0f} of {vocabulary:,} at {temperatures[-1]:g}",
        f'Above: what comes after "...{ending}". To choose from: e to the mean '
        f"entropy of {len(entropies):,} predictions.",
    )
    return drawing


def _draw_bars(
    axes: Axes, words: Sequence[str] | None, values: Float[np.ndarray, "words"]
) -> None:
    colours = palette_of(axes)
    places = np.arange(len(values))
    axes.barh(places, values, color=colours.positive, height=0.72)
    for place, value in zip(places, values, strict=True):
        label(axes, value, place, f"{value:.1%}", offset=(5, 0), ha="left")
    shown = list(map(token_name, words)) if words else [""] * len(values)
    axes.set_yticks(places, shown)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(values) - 0.4, -0.6)
    axes.set_xlim(0, 1.18)
    axes.set_xticks([0, 0.5, 1])
    percent(axes, "x")


def _draw_curve(
    axes: Axes,
    temperatures: np.ndarray,
    entropies: np.ndarray,
    vocabulary: int,
    marked: Sequence[float],
) -> None:
    colours = palette_of(axes)
    low, mean, high = (
        np.quantile(entropies, 0.1, axis=0),
        entropies.mean(axis=0),
        np.quantile(entropies, 0.9, axis=0),
    )
    axes.set_xscale("log")
    axes.set_xlim(temperatures[0], temperatures[-1])
    axes.xaxis.set_major_formatter("{x:g}")
    axes.fill_between(temperatures, low, high, color=colours.positive, alpha=0.2, lw=0)
    axes.plot(temperatures, mean, color=colours.positive, linewidth=2.4, linestyle="-")
    highest = math.log(vocabulary)
    axes.set_ylim(0, 1.18 * highest)
    words = f"ln {vocabulary:,} = {highest:.2f}: all tokens alike"
    reference_line(axes, highest, words, at=0.0)
    for temperature in marked:
        middle = float(np.interp(math.log(temperature), np.log(temperatures), mean))
        axes.plot(temperature, middle, "o", color=colours.positive, markersize=7)
        words, ink = f"T = {temperature:g}: {middle:.2f}", colours.positive
        label(axes, temperature, middle, words, offset=(9, -9), ha="left", color=ink)
    place: dict[str, Any] = {"ha": "right", "within": "axes fraction"}
    place["color"] = colours.neutral
    label(axes, 0.99, 0.06, "mean; nine tenths of the predictions lie above the "
          "band's lower edge, nine tenths below its upper one", **place)  # fmt: skip
    axes.set_xlabel("temperature T (logarithmic)")
    axes.set_ylabel("entropy, nats")
