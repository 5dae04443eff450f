"""Part 6: a sentence in tokens, and how long tokens get as merges are learned."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from nnguide.plots.lettering import label, reference_line, title
from nnguide.plots.next_word import visible
from nnguide.plots.style import (
    DASHES,
    LABEL,
    SMALL,
    TICK,
    Axes,
    Figure,
    Number,
    Theme,
    figure,
    palette_of,
)


def token_merges(
    theme: Theme,
    words: Sequence[str],
    ids: Int[np.ndarray, "T"],
    sizes: Int[np.ndarray, "sizes"],
    train: Float[np.ndarray, "sizes"],
    validation: Float[np.ndarray, "sizes"],
    gpt2: Number,
) -> Figure:
    """Draws how GPT-3 cuts a sentence, and the length of tokens over the vocabulary.

    Args:
      theme: of the picture.
      words: the sentence's tokens, spaces included.
      ids: their numbers.
      sizes: of vocabularies learned from a text, ascending.
      train: characters a token of that text, for each of them.
      validation: of another text of the same kind.
      gpt2: of that other text, cut by GPT-2's 50,257 tokens.

    Returns:
      The figure: the sentence above, the curve below.
    """
    drawing, (above, below) = figure(theme, 12, 6.6, nrows=2, height_ratios=(1, 2.6))
    _draw_sentence(above, words, ids)
    _draw_lengths(below, sizes, train, validation, gpt2)
    title(above, f"A sentence in {len(words)} of GPT-3's 50,257 tokens, with their ids")
    title(below, "Characters in a token, by the number of tokens learned")
    merges = sizes[-1] - 256
    title(
        drawing,
        f"{merges:,} merges make a token {validation[-1]:.1f} characters long, where a "
        "byte is 1",
        "Learned from nine tenths of a text, counted on the other tenth.",
    )
    return drawing


def token_name(token: str) -> str:
    """A token for a label: its blanks made visible, long runs of them counted."""
    if len(token) > 3 and not token.strip(" "):
        return f"{visible(' ')}\u00d7{len(token)}"
    return visible(token)


def _draw_sentence(axes: Axes, words: Sequence[str], ids: Int[np.ndarray, "T"]) -> None:
    """Boxes as wide as their tokens."""
    from matplotlib.patches import FancyBboxPatch

    colours = palette_of(axes)
    shown = list(map(token_name, words))
    widths = np.array(
        [max(len(word), len(str(n)) * 0.85) for word, n in zip(shown, ids, strict=True)]
    )
    widths = widths + 0.9
    lefts = np.concatenate([[0], np.cumsum(widths + 0.25)])
    for rank, (left, width) in enumerate(zip(lefts, widths, strict=False)):
        colour = (colours.positive, colours.accent)[rank % 2]
        box = FancyBboxPatch(
            (left, 0.35),
            width,
            0.62,
            boxstyle="round,pad=0,rounding_size=0.25",
            mutation_aspect=0.25,
            facecolor=(*_rgb(colour), 0.16),
            edgecolor=colour,
            linewidth=1.1,
        )
        axes.add_patch(box)
        middle = left + width / 2
        words_look = {"ha": "center", "size": LABEL + 2, "path_effects": []}
        label(axes, middle, 0.66, shown[rank], family="monospace", **words_look)
        label(axes, middle, 0.12, f"{ids[rank]:,}", ha="center", size=TICK)
    axes.set(xlim=(-0.2, lefts[-1]), ylim=(0, 1))
    axes.axis("off")


def _rgb(colour: str) -> tuple[float, float, float]:
    from matplotlib.colors import to_rgb

    return to_rgb(colour)


def _draw_lengths(
    axes: Axes,
    sizes: np.ndarray,
    train: np.ndarray,
    validation: np.ndarray,
    gpt2: Number,
) -> None:
    colours = palette_of(axes)
    axes.set_xscale("log")
    axes.set_xlim(sizes[0] / 1.12, sizes[-1] * 1.75)
    axes.set_ylim(0, 1.13 * max(train.max(), float(gpt2)))
    axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axes.minorticks_off()
    for rank, (name, values) in enumerate(
        (("the text it learned from", train), ("another text of the kind", validation))
    ):
        look = {"color": colours.series[1 - rank], "linestyle": DASHES[1 - rank]}
        axes.plot(sizes, values, marker="o", linewidth=2.2, **look)
        words = f"{name}: {values[-1]:.2f}"
        rise = 7 if rank == 0 else -7
        place = {"ha": "left", "color": look["color"], "offset": (9, rise)}
        label(axes, sizes[-1], values[-1], words, **place)
    for size, value in zip(sizes[:-1], validation[:-1], strict=True):
        label(axes, size, value, f"{value:.2f}", offset=(7, -9), ha="left", size=SMALL)
    reference_line(
        axes, gpt2, f"GPT-2's 50,257 tokens, of web pages: {gpt2:.2f}", side="below"
    )
    axes.set_xlabel("tokens in the vocabulary: 256 bytes and the merges (logarithmic)")
    axes.set_ylabel("characters a token")
