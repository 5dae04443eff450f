"""Texts that a model read or wrote, made fit to be drawn."""

import functools
import re
import textwrap

SEEN = {" ": "␣", "\n": "↵", "\t": "⇥"}
LONG_BLANKS = re.compile(r"\s{20,}")
STRANGE = "□"  # stands for letters that the font does not have


def wrapped(text: str, columns: int, lines: int) -> list[str]:
    """A text as lines of so many letters, at most so many; long blanks are told."""
    told = LONG_BLANKS.sub(lambda blanks: f"[{len(blanks.group())} blanks]", text)
    found: list[str] = []
    for line in told.splitlines():
        found += textwrap.wrap(line.replace("\t", " "), columns, drop_whitespace=False)
    return [drawable(line) for line in found[:lines]]


def visible(text: str) -> str:
    """A token with its blanks made visible."""
    return drawable("".join(SEEN.get(letter, letter) for letter in text))


def drawable(text: str) -> str:
    """A text without letters that the font lacks, its dollars no mathematics."""
    known = (letter if _in_font(letter) else STRANGE for letter in text)
    return "".join(known).replace("$", r"\$")


@functools.cache
def _in_font(letter: str) -> bool:
    from matplotlib.font_manager import FontProperties, findfont, get_font

    font = get_font(findfont(FontProperties(family="monospace")))
    return letter.isprintable() and font.get_char_index(ord(letter)) != 0
