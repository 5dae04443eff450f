"""Part 9: the loss of a denoiser and the floor that no training gets under."""

import numpy as np
from jaxtyping import Float, Real

from nnguide.plots.lettering import end_labels, reference_line, title
from nnguide.plots.style import Figure, Number, Theme, figure, palette_of


def above_floor(
    theme: Theme,
    steps: Real[np.ndarray, "times"],
    error: Float[np.ndarray, "times"],
    floor: Number,
    sigmas: Float[np.ndarray, "levels"],
    by_level: Float[np.ndarray, "levels"],
    floor_by_level: Float[np.ndarray, "levels"],
) -> Figure:
    """Draws how training comes down to the floor, and at which noise it is short of it.

    Args:
      theme: of the picture.
      steps: of training at which the error was measured.
      error: mean squared error of the noise, all levels of noise together.
      floor: the ideal denoiser's, on the same examples.
      sigmas: levels of noise, descending.
      by_level: the network's error at each.
      floor_by_level: the ideal denoiser's.

    Returns:
      The figure: error over training left, over the level of noise right.
    """
    drawing, (left, right) = figure(theme, 12, 5.6, ncols=2, width_ratios=(1, 1.1))
    colours = palette_of(drawing)
    left.set_xlim(0, steps[-1])
    left.set_ylim(0, min(1.05, 1.1 * float(error[0])))
    left.plot(steps, error, color=colours.positive, linestyle="-", lw=2)
    left.axhspan(0, float(floor), color=colours.faint, alpha=0.5, lw=0, zorder=0)
    reference_line(left, floor, "no denoiser gets below this", at=0.98, side="below")
    end_labels(
        left,
        [
            (float(error[-1]), f"network\n{error[-1]:.3f}", colours.positive),
            (float(floor), f"floor\n{floor:.3f}", colours.neutral),
        ],
    )
    left.set_xlabel("steps of training")
    left.set_ylabel("mean squared error of the noise")
    title(left, "It does not go to 0, and should not")
    right.set_xscale("log")
    right.set_xlim(sigmas.max(), sigmas.min())  # as sampling goes
    right.set_ylim(0, 1.05)
    right.fill_between(sigmas, 0, floor_by_level, color=colours.faint, alpha=0.5, lw=0)
    right.plot(sigmas, floor_by_level, color=colours.neutral, linestyle=(0, (4, 3)))
    right.plot(sigmas, by_level, color=colours.positive, linestyle="-", lw=2)
    reference_line(right, 1.0, "knowing nothing: 1", at=0.02, side="below")
    right.set_xlabel("level of noise sigma (logarithmic)")
    title(
        right,
        "At which noise the network falls short",
        "blue: the network; grey: the floor; on the left noise is easily told",
    )
    title(
        drawing,
        f"Training comes down to {error[-1]:.3f}, from above: the floor is "
        f"{floor:.3f}, because noise cannot be told from data for sure",
        "The floor is the error of E[x_0 | x], known exactly for a hundred points.",
    )
    return drawing
