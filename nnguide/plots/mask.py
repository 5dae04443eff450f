"""Part 7: the same model with the mask and without it."""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from nnguide.plots.lettering import label, reference_line, title
from nnguide.plots.style import (
    DASHES,
    LABEL,
    TICK,
    Axes,
    Figure,
    Number,
    Theme,
    figure,
    palette_of,
)

EXCERPT = 84  # characters that fit beside a name


def with_and_without(
    theme: Theme,
    losses: Mapping[str, Float[np.ndarray, "places"]],
    bigram_loss: Number,
    surprises: Mapping[str, Float[np.ndarray, "texts"]],
    excerpts: Mapping[str, str],
) -> Figure:
    """Draws what the mask costs in loss and what it is worth in writing.

    Args:
      theme: of the picture.
      losses: name -> loss at each place, in nats: with the mask, without it, and
        without it where no later token is there.
      bigram_loss: of a bigram model, in nats.
      surprises: who wrote -> how much a trigram model is surprised, a number a text.
      excerpts: who wrote -> the beginning of a text, on one line.

    Returns:
      The figure: losses, surprise at what was written, and the writing itself.
    """
    drawing, panels = figure(
        theme, 12, 8.0, mosaic="AB;CC", height_ratios=(3.1, 1.35),
        width_ratios=(1, 1.1),
    )  # fmt: skip
    _draw_losses(panels["A"], losses, bigram_loss)
    _draw_surprises(panels["B"], surprises)
    _draw_excerpts(panels["C"], excerpts)
    masked, unmasked, alone = (float(each.mean()) for each in losses.values())
    title(
        panels["A"], "Without the mask the next token is there to copy",
        "not so at the last place, nor where it has to write",
    )  # fmt: skip
    title(
        panels["B"], "What they write surprises a trigram model",
        "a dot a text, the mark is the median",
    )  # fmt: skip
    title(panels["C"], "What they write, after the same beginning")
    title(
        drawing,
        f"Without the mask the loss is {unmasked:.2f} instead of {masked:.2f}, and "
        f"{alone:.1f} when it has to write: worse than a bigram model's "
        f"{bigram_loss:.2f}",
        "The same small GPT, trained as long on the same text. What is surprised is a "
        "trigram model of that text.",
    )
    return drawing


def _draw_losses(
    axes: Axes, losses: Mapping[str, np.ndarray], bigram_loss: Number
) -> None:
    colours = palette_of(axes)
    red = colours.negative
    looks = ((colours.positive, "-"), (red, DASHES[1]), (red, DASHES[2]))
    highest = max(float(bigram_loss), *(float(each.max()) for each in losses.values()))
    axes.set_ylim(0, 1.12 * highest)
    sides = (-1, 1, 1)  # the first runs below the bigram's line
    for (name, each), (colour, dashes), side in zip(
        losses.items(), looks, sides, strict=True
    ):
        places = np.arange(1, len(each) + 1)
        axes.plot(places, each, color=colour, linestyle=dashes, linewidth=2)
        axes.set_xlim(1, len(each) + 0.5)
        middle = len(each) // 2
        near = side * each[max(0, middle - 14) : middle + 14]  # as wide as the label
        label(
            axes, places[middle], side * near.max(), f"{name}: {each.mean():.2f}",
            offset=(0, 11 * side), color=colour, weight="bold", ha="center", size=LABEL,
        )  # fmt: skip
    reference_line(axes, bigram_loss, f"a bigram model: {bigram_loss:.2f}", at=0.12)
    axes.set_xlabel("place in the window")
    axes.set_ylabel("validation loss, nats a token")


def _draw_surprises(axes: Axes, surprises: Mapping[str, np.ndarray]) -> None:
    colours = palette_of(axes)
    inks = dict(zip(surprises, _inks(axes), strict=True))
    for row, (name, each) in enumerate(surprises.items()):
        # texts side by side in a fixed order, so that dots do not hide each other
        spread = np.linspace(-0.2, 0.2, len(each))
        axes.scatter(each, row + spread, s=14, color=inks[name], alpha=0.45, lw=0)
        middle = float(np.median(each))
        axes.plot(
            [middle, middle],
            [row - 0.27, row + 0.27],
            color=colours.ink,
            ls="-",
            lw=2.5,
        )
        label(
            axes, middle, row - 0.27, f"{middle:.2f}", offset=(0, 8), ha="center",
            weight="bold", size=LABEL,
        )  # fmt: skip
    axes.set_yticks(range(len(surprises)), list(surprises))
    axes.set_ylim(len(surprises) - 0.55, -0.7)
    axes.set_xlim(left=0)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("surprise of the trigram model, nats a token")


def _draw_excerpts(axes: Axes, excerpts: Mapping[str, str]) -> None:
    axes.set_axis_off()
    axes.set(xlim=(0, 1), ylim=(len(excerpts) - 0.5, -0.5))
    for row, ((name, words), ink) in enumerate(
        zip(excerpts.items(), _inks(axes), strict=True)
    ):
        look = {"size": TICK, "va": "center"}
        axes.text(0, row, name, color=ink, weight="bold", **look)
        axes.text(
            0.155, row, words[:EXCERPT], family="monospace", parse_math=False, **look
        )


def _inks(axes: Axes) -> tuple[str, str, str, str]:
    """Of the text itself, the masked model, the bigram and the model without a mask."""
    colours = palette_of(axes)
    return colours.ink, colours.positive, colours.neutral, colours.negative
