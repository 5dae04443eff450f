"""Part 6: one table for embedding and unembedding, or two."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

from nnguide.plots.lettering import label, percent, title
from nnguide.plots.loss_bands import draw_loss_bands
from nnguide.plots.style import (
    Axes,
    Figure,
    Theme,
    figure,
    palette_of,
)


def tied_tables(
    theme: Theme,
    steps: Int[np.ndarray, "evaluations"],
    losses: Mapping[str, Float[np.ndarray, "evaluations networks"]],
    sizes: Mapping[str, Sequence[int]],
) -> Figure:
    """Draws the losses of two ways to unembed, and what tables cost.

    Args:
      theme: of the picture.
      steps: at which the networks were evaluated.
      losses: name -> validation loss, nats a token; two of them.
      sizes: model -> parameters of the embedding, the unembedding and the rest.

    Returns:
      The figure: the losses over the steps, and the tables' shares.
    """
    drawing, (left, right) = figure(theme, 12, 5.6, ncols=2, width_ratios=(1.1, 1))
    draw_loss_bands(left, steps, losses)
    _draw_sizes(right, sizes)
    title(left, "Loss on the validation text, nats a token")
    title(right, "What the tables take of all parameters")
    (one, of_one), (two, of_two) = (
        (name, float(each[-1].mean())) for name, each in losses.items()
    )
    better, words = abs(of_one - of_two), "less" if of_two < of_one else "more"
    networks = next(iter(losses.values())).shape[1]
    title(
        drawing,
        f"After {steps[-1]:,} steps a small transformer with {two} loses {better:.2f} "
        f"nats a token {words} than with {one}",
        f"Networks trained alike: {networks}. Lines are their mean; the bands reach "
        "from the worst to the best.",
    )
    return drawing


def _draw_sizes(axes: Axes, sizes: Mapping[str, Sequence[int]]) -> None:
    """A bar of shares for each model, its tables named inside or beside."""
    colours = palette_of(axes)
    for row, numbers in enumerate(sizes.values()):
        embedding, unembedding, _ = (number / sum(numbers) for number in numbers)
        axes.barh(row, 1, color=colours.faint, height=0.6)
        axes.barh(row, embedding, color=colours.positive, height=0.6)
        axes.barh(
            row, unembedding, left=embedding, color=colours.negative, height=0.6,
            edgecolor=colours.ground,
        )  # fmt: skip
        share = embedding + unembedding
        words = f"{share:.1%} of {_count(sum(numbers))}"
        label(axes, share, row, words, offset=(6, 0), ha="left", path_effects=[])
    axes.set_yticks(range(len(sizes)), list(sizes))
    axes.tick_params(axis="y", length=0)
    axes.set(xlim=(0, 1), ylim=(len(sizes) - 0.4, -0.95))
    label(axes, 0, -0.62, "embedding", color=colours.positive, weight="bold")
    label(axes, 0.24, -0.62, "unembedding", color=colours.negative, weight="bold")
    label(axes, 0.54, -0.62, "everything else", color=colours.neutral, weight="bold")
    axes.spines["left"].set_visible(False)
    percent(axes, "x")


def _count(number: int) -> str:
    """A count in words: 170 thousand, 124 million, 175 billion."""
    for unit, name in ((1e9, "billion"), (1e6, "million"), (1e3, "thousand")):
        if number >= unit:
            return f"{number / unit:.4g} {name}"
    return str(number)
