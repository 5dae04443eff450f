"""Part 6: learning from every prediction of a pass, or from the last one alone."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int

from nnguide.plots.lettering import label, title
from nnguide.plots.loss_bands import draw_loss_bands
from nnguide.plots.style import (
    Axes,
    Figure,
    Number,
    Theme,
    figure,
    palette_of,
)


def one_pass(
    theme: Theme,
    steps: Int[np.ndarray, "evaluations"],
    losses: Mapping[str, Float[np.ndarray, "evaluations networks"]],
    context: int,
    price: Mapping[str, Number],
) -> Figure:
    """Draws what the predictions inside a text are worth, and what they would cost.

    Args:
      theme: of the picture.
      steps: at which the networks were evaluated.
      losses: name -> loss at the last place of a window, in nats; first where all
        predictions count in training, then where the last one does.
      context: tokens of a window, T.
      price: FLOPs of T predictions as multiples of one pass: "growing" beginnings,
        "padded" to full length; "seconds" of the latter.

    Returns:
      The figure: losses over the steps, and the prices as bars.
    """
    drawing, (left, right) = figure(theme, 12, 5.6, ncols=2, width_ratios=(1.15, 1))
    draw_loss_bands(left, steps, losses)
    _draw_prices(right, context, price)
    title(left, "Loss at the last place of unseen windows")
    title(
        right,
        f"FLOPs for {context} predictions and their gradient",
        f"As one batch, full-length passes take {price['seconds']:.0f} times the "
        "seconds.",
    )
    from_all, from_last = (float(each[-1].mean()) for each in losses.values())
    networks = next(iter(losses.values())).shape[1]
    title(
        drawing,
        f"One pass trains {context} predictions: without the other {context - 1}, the "
        f"last one is {from_last - from_all:.2f} nats worse after the same "
        f"{steps[-1]:,} steps",
        f"Networks trained alike: {networks}. Lines are their mean; the bands reach "
        "from the worst to the best.",
    )
    return drawing


def _draw_prices(axes: Axes, context: int, price: Mapping[str, Number]) -> None:
    colours = palette_of(axes)
    bars = {
        "one pass": (1.0, colours.positive),
        f"{context} passes over\never longer beginnings": (
            float(price["growing"]),
            colours.negative,
        ),
        f"{context} passes of\nfull length": (float(price["padded"]), colours.negative),
    }
    for row, (value, colour) in enumerate(bars.values()):
        axes.barh(row, value, color=colour, height=0.55)
        label(axes, value, row, f"{value:.3g}", offset=(6, 0), ha="left", color=colour)
    axes.set_yticks(range(len(bars)), list(bars))
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set(xlim=(0, 1.15 * context), ylim=(len(bars) - 0.5, -0.5))
    axes.set_xlabel("times the FLOPs of one pass")
