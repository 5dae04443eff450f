"""Test sets for word vectors: analogies, and pairs that people rated.

`google` are the 19,544 analogies of `questions-words.txt`, `wordsim353` the 353 pairs
of WordSim-353; the gensim wheel carries both among its tests' files, and is not
imported. Others come from a file in the same layout.

Sources: Mikolov et al., arXiv 1301.3781; Finkelstein et al., "Placing Search in
Context", 2002.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from absl import logging
from jaxtyping import Float, Int

from nnguide.config import InputError, user_path
from nnguide.data.word_vectors import wheel_file
from nnguide.text_files import read_text

ParsedT = TypeVar("ParsedT")


class Questions(NamedTuple):
    """Analogies: the first word is to the second as the third is to the fourth.

    Attributes:
      sections: their names, in the file's order.
      words: four a question.
      section: which section each question is in.
    """

    sections: tuple[str, ...]
    words: tuple[tuple[str, str, str, str], ...]
    section: Int[np.ndarray, "questions"]


class RatedPairs(NamedTuple):
    """Pairs of words and how alike people find them.

    Attributes:
      pairs: two words each.
      ratings: means over people; WordSim-353's go from 0 to 10.
    """

    pairs: tuple[tuple[str, str], ...]
    ratings: Float[np.ndarray, "pairs"]


def load_questions(source: str) -> Questions:
    """Reads analogies; lines of other than four words are left out, with a warning.

    Args:
      source: "google", or "text:PATH" of lines ": section" and "Athens Greece Oslo
        Norway".

    Raises:
      InputError: no such source or file, gensim is missing, or no analogy is in it.
    """
    path = questions_file(source)
    sections: list[str] = []
    inside: list[int] = []

    def parse(line: str) -> tuple[str, str, str, str] | None:
        if line.startswith(":"):
            sections.append(line[1:].strip())
            return None
        a, b, c, d = line.split()
        if not sections:
            sections.append("questions")
        inside.append(len(sections) - 1)
        return a, b, c, d

    words = _read(path, parse, "four words")
    return Questions(tuple(sections), tuple(words), np.array(inside))


def load_rated_pairs(source: str) -> RatedPairs:
    """Reads rated pairs; lines that hold none are left out, with a warning.

    Args:
      source: "wordsim353", or "text:PATH" of lines "tiger<tab>cat<tab>7.35".

    Raises:
      InputError: no such source or file, gensim is missing, or no pair is in it.
    """
    path = rated_pairs_file(source)

    def parse(line: str) -> tuple[str, str, float]:
        first, second, rating = line.split("\t")
        number = float(rating)
        if not math.isfinite(number):
            raise ValueError
        return first.strip(), second.strip(), number

    rows = _read(path, parse, "two words and a number, apart by tabs")
    return RatedPairs(
        tuple((first, second) for first, second, _ in rows),
        np.array([rating for *_, rating in rows]),
    )


def questions_file(source: str) -> Path:
    """The file that `load_questions` reads."""
    return _path_of(source, "google", "questions-words.txt", "questions")


def rated_pairs_file(source: str) -> Path:
    """The file that `load_rated_pairs` reads."""
    return _path_of(source, "wordsim353", "wordsim353.tsv", "similarity")


def _path_of(source: str, ours: str, file: str, what: str) -> Path:
    if source == ours:
        holds = f"the {what} {ours} are"
        return wheel_file("gensim", f"test/test_data/{file}", holds)
    kind, _, path = source.partition(":")
    if kind != "text" or not path:
        raise InputError(f"{what} {source!r}: give {ours}, or text:PATH of a file.")
    return user_path(path)


def _read(
    path: Path, parse: Callable[[str], ParsedT | None], layout: str
) -> list[ParsedT]:
    """What `parse` makes of each line but comments; ValueError says a line is bad."""
    lines = read_text(path).replace("\r\n", "\n").split("\n")
    found, bad = [], []
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            parsed = parse(line)
        except ValueError:
            bad.append(number)
            continue
        if parsed is not None:
            found.append(parsed)
    if not found:
        raise InputError(f"{path}: no line holds {layout}; give another file.")
    if bad:
        logging.warning(
            "%s: line %d does not hold %s (%s); left out: correct the file.",
            path, bad[0], layout, f"nor do {len(bad) - 1:,} more" if bad[1:] else
            "the only one",
        )  # fmt: skip
    return found
