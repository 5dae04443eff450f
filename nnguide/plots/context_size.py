"""Part 6: loss by the number of tokens seen, and how far back a token counts."""

import numpy as np
from jaxtyping import Float, Int

from nnguide.plots.lettering import label, reference_line, title
from nnguide.plots.style import Axes, Figure, Theme, figure, palette_of


def context_size(
    theme: Theme,
    losses: Float[np.ndarray, "networks T"],
    back: Int[np.ndarray, "places"],
    influence: Float[np.ndarray, "places texts"],
    context: int,
) -> Figure:
    """Draws what seeing more tokens is worth, and where sight ends.

    Args:
      theme: of the picture.
      losses: mean surprise after 1, 2, ... tokens seen, in nats.
      back: how far from the end a token was replaced, 1 being the last; ascending,
        also past the context.
      influence: how far that moved the prediction, in nats; 0 past the context.
      context: tokens that the transformer sees.

    Returns:
      The figure: loss over tokens seen, influence over distance.
    """
    drawing, (left, right) = figure(theme, 12, 5.8, ncols=2)
    mean = losses.mean(axis=0)
    _draw_losses(left, losses)
    _draw_influence(right, back, influence, context)
    half = len(mean) // 2
    title(left, "Loss of the next token, by the number of tokens seen")
    title(
        right,
        "How far replacing one token moves the prediction",
        "Dot: mean over texts; bar: the middle half of them.",
    )
    title(
        drawing,
        f"With 1 token seen the next one costs {mean[0]:.2f} nats, with {half + 1} or "
        f"more {mean[half:].mean():.2f}; past the {context} tokens of the context, "
        "nothing counts",
        f"Thin lines: {len(losses)} small transformers; thick: their mean.",
    )
    return drawing


def _draw_losses(axes: Axes, losses: Float[np.ndarray, "networks T"]) -> None:
    colours = palette_of(axes)
    seen = np.arange(1, losses.shape[1] + 1)
    axes.plot(
        seen, losses.T, color=colours.positive, linewidth=0.8, alpha=0.5, linestyle="-"
    )
    mean = losses.mean(axis=0)
    axes.plot(seen, mean, color=colours.positive, linewidth=2.4, linestyle="-")
    axes.set_xscale("log", base=2)
    axes.set_xlim(0.93, 1.08 * seen[-1])
    axes.xaxis.set_major_formatter("{x:g}")
    places = np.unique([*(2 ** np.arange(0, np.log2(len(seen)), 2)), len(seen)]).astype(
        int
    )
    for place in places:
        value = mean[place - 1]
        ha = "right" if place == seen[-1] else "left"
        axes.plot(place, value, "o", color=colours.positive, markersize=6)
        label(
            axes,
            place,
            value,
            f"{value:.2f}",
            offset=(3, 12),
            ha=ha,
            color=colours.positive,
        )
    axes.set_ylim(mean.min() - 0.25, mean.max() + 0.3)
    axes.set_xlabel("tokens seen (logarithmic)")
    axes.set_ylabel("loss, nats a token")


def _draw_influence(
    axes: Axes,
    back: Int[np.ndarray, "places"],
    influence: Float[np.ndarray, "places texts"],
    context: int,
) -> None:
    """Means on a logarithmic scale, and exact zeros on a line of their own below."""
    colours = palette_of(axes)
    mean = influence.mean(axis=1)
    low, high = np.quantile(influence, (0.25, 0.75), axis=1)
    inside = mean > 0
    floor = 10 ** (np.floor(np.log10(max(low[inside].min(), 1e-12))) - 1)
    axes.set_yscale("log")
    axes.set_xscale("log", base=2)
    axes.vlines(back[inside], low[inside].clip(floor), high[inside],
                color=colours.positive, linewidth=3, alpha=0.35)  # fmt: skip
    axes.plot(back[inside], mean[inside], "o-", color=colours.positive, linewidth=1.6)
    axes.plot(
        back[~inside], np.full((~inside).sum(), floor), "o", color=colours.negative
    )
    axes.set_ylim(floor / 3, 10 * high.max())
    axes.set_xlim(0.9, 1.15 * back[-1])
    axes.xaxis.set_major_formatter("{x:g}")
    reference_line(axes, context + 0.5, f"the context ends\nafter {context} tokens",
                   vertical=True, side="below")  # fmt: skip
    if not inside.all():
        place = {"ha": "right", "va": "bottom", "color": colours.negative}
        label(axes, back[-1], floor, "exactly 0", offset=(4, 8), **place)
    axes.set_xlabel("tokens back from the end (logarithmic)")
    axes.set_ylabel("change of the prediction, nats (logarithmic)")
