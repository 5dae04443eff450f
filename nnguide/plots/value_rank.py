"""Part 7: the value map in two factors, and what a whole one would cost."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int

from nnguide.plots.lettering import end_labels, label, reference_line, title
from nnguide.plots.style import DASHES, Figure, Theme, figure, palette_of

_FLOOR = 1e-3  # of singular values shown


def value_rank(
    theme: Theme,
    singular_values: Mapping[str, Float[np.ndarray, "H D"]],
    losses: Mapping[str, Float[np.ndarray, "steps networks"]],
    steps: Int[np.ndarray, "steps"],
    rank: int,
    parameters: tuple[int, int],
    flops_ratio: float,
) -> Figure:
    """Draws rank, parameters and loss of the two kinds of value map.

    Args:
      theme: of the picture.
      singular_values: kind -> of each head, over the largest; the factored kind first.
      losses: kind -> validation loss of each network, nats.
      steps: at which.
      rank: the most that two factors can have.
      parameters: of one GPT-3 head, in two factors and whole.
      flops_ratio: a training step with whole maps over one with factors.

    Returns:
      The figure.
    """
    drawing, (left, middle, right) = figure(
        theme, 12, 5.2, ncols=3, width_ratios=(1.2, 0.8, 1.2)
    )
    colours = palette_of(drawing)
    left.set_yscale("log")
    left.set_ylim(_FLOOR, 1.5)
    right.set_xlim(0, steps[-1])
    ends, (networks,) = [], {each.shape[1] for each in losses.values()}
    for (name, values), colour, dashes in zip(
        singular_values.items(), colours.series, DASHES, strict=False
    ):
        numbers = np.arange(1, values.shape[1] + 1)
        mean = np.exp(np.log(np.maximum(values, 1e-12)).mean(axis=0))
        shown = mean > _FLOOR
        look = {"color": colour, "linestyle": dashes, "linewidth": 2}
        left.plot(numbers[shown], mean[shown], **look)
        middle_of = int(shown.sum()) // 2
        label(
            left, numbers[middle_of], mean[middle_of], name, offset=(8, 8),
            color=colour, weight="bold",
        )  # fmt: skip
        each = losses[name]
        right.plot(steps, each.mean(axis=1), marker="o", ms=4, **look)
        right.fill_between(
            steps, each.min(axis=1), each.max(axis=1), color=colour, alpha=0.2, lw=0
        )
        last = float(each[-1].mean())
        ends.append((last, f"{name}\n{last:.3f}", colour))
    reference_line(left, rank, f"rank {rank}", vertical=True, at=0.02)
    left.set_xlabel("singular value, by size")
    left.set_ylabel("over the largest, mean of the heads")
    title(left, "A trained head's value map")
    middle.bar(range(2), parameters, width=0.6, color=colours.series[:2])
    for place, count in enumerate(parameters):
        label(middle, place, count, f"{count:,}", offset=(0, 7), ha="center")
    middle.set_xticks(range(2), ["two factors", "whole map"])
    middle.set_ylim(0, 1.1 * parameters[1])
    middle.set_xlim(-0.6, 1.75)
    middle.yaxis.set_visible(False)
    middle.spines["left"].set_visible(False)
    title(middle, "Parameters of a GPT-3 head")
    end_labels(right, ends)
    right.set_xlabel("steps of training")
    right.set_ylabel("validation loss, nats a character")
    title(right, "Small readers of text")
    first, second = (each[-1].mean() for each in losses.values())
    verb = "gain" if first >= second else "lose"
    title(
        drawing,
        f"Whole value maps would take {parameters[1] / parameters[0]:.0f} times the "
        f"parameters in GPT-3; in a small model they {verb} {abs(first - second):.3f} "
        "nats",
        f"Means of {networks} networks of each kind after {steps[-1]} steps "
        f"at one rate, bands best to worst; a step with whole maps costs "
        f"{flops_ratio:.2f} times the FLOPs.",
    )
    return drawing
