"""Part 5: a chat as the document that a model completes."""

from collections.abc import Sequence
from typing import Any

from nnguide.plots.lettering import label, title
from nnguide.plots.style import LABEL, TICK, Figure, Theme, figure, palette_of
from nnguide.plots.written_text import wrapped

COLUMNS, LINES, LEAST_ROWS = 88, 4, 15


def chat_document(
    theme: Theme,
    prompt: tuple[str, str],
    completions: Sequence[str],
    boundary: str,
    ended: tuple[int, int, int],
    unit: str,
) -> Figure:
    """Writes a document, what the model made of it, and how often it ends its turn.

    Args:
      theme: of the picture.
      prompt: the part of the document the model cannot see any more, and what it sees.
      completions: how it went on, each time anew; about three.
      boundary: with what the user's turn begins.
      ended: how many answers came to the boundary by themselves, of how many, and
        after how many tokens each was broken off.
      unit: what a token is.

    Returns:
      The figure.
    """
    count, of_all, longest = ended
    drawing, axes = figure(theme, 12, 5.2)
    colours = palette_of(axes)
    axes.set(xlim=(0, 1), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    unseen, seen = prompt
    parts = [
        ("out of its sight", unseen, colours.neutral),
        ("the prompt", seen, colours.ink),
        *(("the model goes on", text, colours.positive) for text in completions),
    ]
    row = 0.0
    for name, text, ink in parts:
        lines = wrapped(text, COLUMNS, LINES)
        if not lines:
            continue
        label(axes, 0, row, name, color=ink, weight="bold", va="top", size=LABEL)
        end = row + len(lines) - 0.3
        axes.plot([0.148, 0.148], [row, end], color=ink, lw=2, ls="-")
        letters: dict[str, Any] = {"family": "monospace", "color": ink, "va": "top"}
        for place, line in enumerate(lines):
            label(axes, 0.16, row + place, line, size=TICK + 0.5, **letters)
        row += len(lines) + 0.8
    axes.set_ylim(max(row, LEAST_ROWS), -0.3)
    times = "never" if count == 0 else "once" if count == 1 else f"{count} times"
    title(
        drawing,
        f"Asked {of_all} times, the model that only read texts comes to the next "
        f"“{boundary}” {times}: to it a chat is one more document",
        f"Answers were broken off after {longest} {unit}s. The model has seen no "
        "chats; what it knows of them stands in the prompt.",
    )
    return drawing
