"""Losses of several networks over training: the mean, and a band from best to worst."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int

from nnguide.plots.lettering import end_labels
from nnguide.plots.style import DASHES, Axes, palette_of


def draw_loss_bands(
    axes: Axes,
    steps: Int[np.ndarray, "evaluations"],
    losses: Mapping[str, Float[np.ndarray, "evaluations networks"]],
) -> None:
    """Draws losses over steps, each named at its end with its last mean.

    Args:
      axes: where.
      steps: at which the networks were evaluated.
      losses: name -> loss of each network, nats a token.
    """
    inks, ends = palette_of(axes).series, []
    marker = "o" if len(steps) == 1 else ""  # a line of one point is not seen
    for rank, (name, each) in enumerate(losses.items()):
        mean, low, high = each.mean(axis=1), each.min(axis=1), each.max(axis=1)
        ink, dashes = inks[rank], DASHES[rank]
        axes.plot(steps, mean, color=ink, linestyle=dashes, marker=marker, lw=2.3)
        axes.fill_between(steps, low, high, color=ink, alpha=0.2, lw=0)
        ends.append((float(mean[-1]), f"{name}\n{mean[-1]:.2f}", ink))
    axes.set_xlim(0, steps[-1])
    axes.set_xlabel("steps of training")
    axes.set_ylabel("loss, nats a token")
    end_labels(axes, ends)
