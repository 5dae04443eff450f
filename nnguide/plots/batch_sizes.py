"""Part 2: few exact steps against many rough ones, at the same cost."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from nnguide.plots.lettering import end_labels, label, percent, reference_line, title
from nnguide.plots.style import DASHES, Axes, Figure, Theme, figure, palette_of


def batch_sizes(
    theme: Theme,
    accuracies: Mapping[int, Float[np.ndarray, "networks epochs"]],
    examples: int,
) -> Figure:
    """Draws test accuracy against the steps taken, and against the examples seen.

    Args:
      theme: of the picture.
      accuracies: batch size -> test accuracy after every epoch; the first is the full
        batch.
      examples: of the training set.

    Returns:
      The figure: the same curves over steps and over examples.
    """
    drawing, (left, right) = figure(theme, 12, 5.8, ncols=2, sharey=True)
    full, *mini = accuracies
    networks, passes = accuracies[full].shape
    left.set_xscale("log")
    left.set_xlim(1, passes * (examples // min(accuracies)))
    left.set_xlabel("steps taken (logarithmic)")
    left.set_ylabel("test accuracy")
    right.set_xlim(0, passes * examples)
    right.set_xlabel("example-gradients computed, which is what it costs")
    left.set_ylim(0, 1)
    percent(left)
    for axes in (left, right):
        axes.xaxis.set_major_formatter("{x:,.0f}")
    epochs = np.arange(1, passes + 1)
    for axes, a_step in ((left, None), (right, examples)):
        _draw_accuracies(axes, epochs, accuracies, examples, a_step)
    reference_line(left, 0.1, "chance", side="below")
    reference_line(right, 0.1, "")
    dear = " or ".join(f"{examples // batch:,} on {batch} images" for batch in mini)
    title(left, f"One full step costs as much as {dear}")
    title(right, "At the same cost, many rough steps beat few exact ones")
    finals = " and ".join(
        f"{accuracies[batch][:, -1].mean():.1%} in {passes * (examples // batch):,} "
        f"steps on batches of {batch}"
        for batch in mini
    )
    of_full = accuracies[full][:, -1].mean()
    title(
        drawing,
        f"{passes} passes over {examples:,} digits: {of_full:.1%} in {passes} full "
        f"steps, {finals}",
        f"Mean of {networks} networks; the bands reach from the worst to the best.",
    )
    return drawing


def _draw_accuracies(
    axes: Axes,
    epochs: np.ndarray,
    accuracies: Mapping[int, np.ndarray],
    examples: int,
    an_epoch: int | None,
) -> None:
    """Draws all curves; `an_epoch` on the x axis is so long, or else its steps."""
    ends, inks = [], palette_of(axes).series
    for rank, (batch, each) in enumerate(accuracies.items()):
        x, mean = epochs * (an_epoch or examples // batch), each.mean(axis=0)
        axes.plot(x, mean, color=inks[rank], linestyle=DASHES[rank], linewidth=2.2)
        axes.fill_between(
            x, each.min(axis=0), each.max(axis=0), color=inks[rank], alpha=0.2, lw=0
        )
        name = "full batch" if batch == examples else f"batches of {batch}"
        ends.append((float(mean[-1]), f"{name}\n{mean[-1]:.1%}", inks[rank]))
        if an_epoch is None:  # the curves end far apart: name them half-way up
            half = int(np.argmax(mean >= mean[-1] / 2))
            place = {"offset": (9, -7)} if rank else {"offset": (-8, 12), "ha": "right"}
            label(axes, x[half], mean[half], name, color=inks[rank], **place)
    if an_epoch is not None:
        end_labels(axes, ends)
