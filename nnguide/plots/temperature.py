"""Part 5: what temperature makes of the same model, in numbers and in texts."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from nnguide.plots.lettering import end_labels, label, percent, reference_line, title
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
from nnguide.plots.written_text import wrapped

COLUMNS, LINES = 42, 11  # of a sample text


class Measures(NamedTuple):
    """What texts of each temperature are like.

    Attributes:
      surprise: to the model itself, nats a token.
      distinct: share of different 3-grams.
      known: share of words that the training text has.
      loops: share of texts that end in a loop.
    """

    surprise: Float[np.ndarray, " values"]
    distinct: Float[np.ndarray, " values"]
    known: Float[np.ndarray, " values"]
    loops: Float[np.ndarray, " values"]


def temperature(
    theme: Theme,
    values: Float[np.ndarray, " values"],
    measures: Measures,
    references: tuple[Number, Number],
    texts: tuple[str, Mapping[float, str]],
    unit: str,
) -> Figure:
    """Draws four measures against the temperature, and texts of a few temperatures.

    Args:
      theme: of the picture.
      values: temperatures, ascending.
      measures: of the texts of each.
      references: share of known words in people's own text; surprise of drawing all
        tokens alike.
      texts: the prompt, and temperature -> what came after it; at most three.
      unit: what a token is.

    Returns:
      The figure.
    """
    of_people, uniform = references
    prompt, written = texts
    mosaic = [["shares"] * 3 + ["surprise"] * 3]
    width = 6 // len(written)
    mosaic.append([f"{value}" for value in written for _ in range(width)])
    drawing, panels = figure(theme, 12, 7.9, mosaic=mosaic, height_ratios=(1.35, 1))
    shares = {
        "words that exist": measures.known,
        "different 3-grams": measures.distinct,
        "texts in a loop": measures.loops,
    }
    _draw_shares(panels["shares"], values, shares, of_people)
    _draw_surprise(panels["surprise"], values, measures.surprise, uniform, unit)
    for value, text in written.items():
        _draw_text(panels[f"{value}"], f"T = {value:g}", prompt, text)
    title(
        drawing,
        f"Cold, {measures.loops[0]:.0%} of the texts end in a loop (T = "
        f"{values[0]:g}); hot, {measures.known[-1]:.1%} of the words exist (T = "
        f"{values[-1]:g})",
        "The same model goes on with the same sentences of a text it has not seen, "
        f"where {of_people:.0%} of the words are words of the training text.",
    )
    return drawing


def _draw_shares(
    axes: Axes, values: np.ndarray, shares: Mapping[str, np.ndarray], of_people: Number
) -> None:
    inks, ends = palette_of(axes).series, []
    for rank, (name, share) in enumerate(shares.items()):
        look = {"color": inks[rank], "linestyle": DASHES[rank], "linewidth": 2.2}
        axes.plot(values, share, marker="o", markersize=4, **look)
        ends.append((float(share[-1]), f"{name}\n{share[-1]:.0%}", inks[rank]))
    _temperature_axis(axes, values)
    axes.set_ylim(-0.02, 1.05)
    percent(axes)
    axes.set_ylabel("share")
    reference_line(axes, of_people, "words of the text itself", at=0.98, side="below")
    end_labels(axes, ends)
    title(axes, "Variety grows with T; words and sense go")


def _draw_surprise(
    axes: Axes, values: np.ndarray, surprise: np.ndarray, uniform: Number, unit: str
) -> None:
    colour = palette_of(axes).positive
    axes.plot(values, surprise, marker="o", markersize=4, color=colour, lw=2.2, ls="-")
    _temperature_axis(axes, values)
    axes.set_ylim(0, 1.12 * max(float(uniform), float(surprise.max())) or 1)
    axes.set_ylabel(f"nats a {unit}")
    reference_line(
        axes, uniform, f"a model that knows nothing: {uniform:.2f}", side="below"
    )
    end_labels(axes, [(float(surprise[-1]), f"{surprise[-1]:.1f}", colour)])
    title(axes, "The hotter, the more its text surprises the model")


def _temperature_axis(axes: Axes, values: np.ndarray) -> None:
    axes.set_xlim(0, max(float(values[-1]), 1.0))
    axes.set_xlabel("temperature T")


def _draw_text(axes: Axes, name: str, prompt: str, text: str) -> None:
    """A prompt and its continuation in letters of one width."""
    colours = palette_of(axes)
    axes.set(xlim=(0, 1), ylim=(0, 1), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.spines["top"].set(visible=True, color=colours.faint)
    look: dict[str, Any] = {"ha": "left", "va": "top", "within": "axes fraction"}
    label(axes, 0, 0.98, name, weight="bold", size=LABEL + 1, **look)
    lines = [(line, colours.neutral) for line in wrapped(prompt, COLUMNS, 2)]
    lines += [(line, colours.ink) for line in wrapped(text, COLUMNS, LINES)]
    letters: dict[str, Any] = {"family": "monospace", "size": TICK - 1, **look}
    for place, (line, ink) in enumerate(lines):
        label(axes, 0, 0.86, line, offset=(0, -11.5 * place), color=ink, **letters)
