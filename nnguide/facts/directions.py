"""Directions in the space of word vectors: nearest words, analogies, projections.

A direction is a difference of two words' vectors: woman - man, cats - cat. Words are
compared by the cosine; how far a word lies along a direction is a dot product.

Sources: 3Blue1Brown, "Transformers, the tech behind LLMs"; Mikolov et al., NAACL 2013;
that inputs must be told apart from answers: Linzen, arXiv 1606.07736.
"""

import dataclasses
import difflib
import re
from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from nnguide.array_types import Array
from nnguide.config import InputError


@dataclasses.dataclass(frozen=True, eq=False)
class Vocabulary:
    """Words and their vectors.

    Attributes:
      words: all different.
      vectors: as they were learned.
      unit: the same directions at length 1.
    """

    words: tuple[str, ...]
    vectors: Float[Array, "V D"]
    unit: Float[Array, "V D"]

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {word: row for row, word in enumerate(self.words)}

    def find(self, word: str) -> int | None:
        """The row of a word as it is written, else of its lower case, else None."""
        row = self._rows.get(word)
        return self._rows.get(word.lower()) if row is None else row

    def row(self, word: str) -> int:
        """The row of a word that must be there.

        Raises:
          InputError: it is not; the nearest spellings are offered.
        """
        row = self.find(word)
        if row is None:
            alike = difflib.get_close_matches(word.lower(), self.words)
            remedy = f"nearest: {', '.join(alike)}" if alike else "nothing is like it"
            raise InputError(
                f"{word!r}: not among the {len(self.words):,} words ({remedy})."
            )
        return row

    def rows(self, words: Sequence[str]) -> Int[Array, "N"]:
        """The rows of words that must be there."""
        return jnp.array([self.row(word) for word in words], jnp.int32)

    def __getitem__(self, words: Sequence[str]) -> Float[Array, "N D"]:
        """The vectors of words that must be there."""
        return self.vectors[self.rows(words)]


def vocabulary(
    words: Sequence[str], vectors: Float[np.ndarray, "V D"] | Float[Array, "V D"]
) -> Vocabulary:
    """Makes the unit vectors too."""
    placed = jnp.asarray(vectors)
    return Vocabulary(tuple(words), placed, unit(placed))


@jax.jit
def unit(vectors: Float[Array, "... D"]) -> Float[Array, "... D"]:
    """The same directions at length 1; a vector of length 0 stays."""
    lengths = jnp.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / jnp.where(lengths > 0, lengths, 1)


class Analogy(NamedTuple):
    """A sum of words that asks for another word.

    Attributes:
      text: as it was written.
      words: of the sum.
      signs: +1 or -1 each.
      answer: the word expected; None if the question is open.
    """

    text: str
    words: tuple[str, ...]
    signs: tuple[int, ...]
    answer: str | None


def parse_analogy(text: str) -> Analogy:
    """Reads "king-man+woman" or "king-man+woman=queen".

    Words with a hyphen need blanks around the signs: "mother-in-law - mother + father".

    Raises:
      InputError: the text is no sum of two words or more.
    """
    sum_of, equals, answer = (part.strip() for part in text.partition("="))
    sign = r"\s+([+-])\s+" if " " in sum_of else r"([+-])"
    parts = re.split(sign, sum_of)
    words, signs = parts[::2], ["+", *parts[1::2]]
    if len(words) < 2 or not all(words) or bool(equals) != bool(answer):
        raise InputError(
            f"analogy {text!r}: write it as king-man+woman, or king-man+woman=queen "
            "with the word expected; blanks around the signs where a word has a hyphen."
        )
    return Analogy(
        text, tuple(words), tuple(1 if sign == "+" else -1 for sign in signs),
        answer or None,
    )  # fmt: skip


class Neighbours(NamedTuple):
    """The words nearest to a vector.

    Attributes:
      words: the nearest first.
      cosines: with the vector.
    """

    words: tuple[str, ...]
    cosines: Float[np.ndarray, "nearest"]


def nearest(
    vocabulary: Vocabulary,
    vector: Float[Array, "D"],
    count: int,
    without: Sequence[str] = (),
) -> Neighbours:
    """The words whose vectors have the largest cosine with a vector.

    Args:
      vocabulary: the words.
      vector: not of length 0.
      count: of words.
      without: words that are no answer.
    """
    cosines = np.array(cosines_with(vocabulary.unit, vector))
    cosines[[vocabulary.row(word) for word in without]] = -np.inf
    count = min(count, len(cosines) - len(set(without)))
    rows = np.argpartition(-cosines, count - 1)[:count]
    rows = rows[np.argsort(-cosines[rows], kind="stable")]
    return Neighbours(tuple(vocabulary.words[row] for row in rows), cosines[rows])


@jax.jit
def cosines_with(
    unit_vectors: Float[Array, "V D"], vector: Float[Array, "D"]
) -> Float[Array, "V"]:
    """The cosine of every word with a vector."""
    return unit_vectors @ unit(vector)


class Found(NamedTuple):
    """What an analogy found, by both conventions.

    Attributes:
      analogy: the question.
      allowed: the words nearest to the sum, its own words among them.
      excluded: the nearest words but for its own.
      rank_allowed: of the answer among all words, from 1; 0 without an answer.
      rank_excluded: among the words that are not in the sum.
      cosine: of the answer with the sum; NaN without an answer.
    """

    analogy: Analogy
    allowed: Neighbours
    excluded: Neighbours
    rank_allowed: int
    rank_excluded: int
    cosine: float


def solve(vocabulary: Vocabulary, analogy: Analogy, count: int = 4) -> Found:
    """Adds the vectors as they were learned, as the series does, and looks around.

    Raises:
      InputError: a word is not in the vocabulary.
    """
    rows = vocabulary.rows(analogy.words)
    vector = jnp.array(analogy.signs, jnp.float32) @ vocabulary.vectors[rows]
    allowed = nearest(vocabulary, vector, count)
    excluded = nearest(vocabulary, vector, count, analogy.words)
    if analogy.answer is None:
        return Found(analogy, allowed, excluded, 0, 0, float("nan"))
    cosines = np.asarray(cosines_with(vocabulary.unit, vector))
    mine = cosines[vocabulary.row(analogy.answer)]
    nearer = int((cosines > mine).sum())
    own = sum(bool(cosines[row] > mine) for row in set(rows.tolist()))
    return Found(analogy, allowed, excluded, nearer + 1, nearer + 1 - own, float(mine))


def cosine(x: Float[Array, "N D"], y: Float[Array, "N D"]) -> Float[Array, "N"]:
    """The cosine of the angle between each row of x and the row of y beside it."""
    return jnp.einsum("nd,nd->n", unit(x), unit(y))


def in_three_dimensions(
    vectors: Float[np.ndarray, "4 D"],
) -> Float[np.ndarray, "4 3"]:
    """Four vectors to be drawn: their distances and angles as they are, none lost.

    The first is the origin, the second on the first axis, the third in the plane of the
    first two axes; the fourth is where it is.
    """
    _, places = np.linalg.qr((vectors[1:] - vectors[:1]).T)
    upward = np.where(np.diag(places) < 0, -1.0, 1.0)
    return np.concatenate([np.zeros((1, 3)), (upward[:, None] * places).T])


def pairwise_cosines(differences: Float[Array, "N D"]) -> Float[np.ndarray, "pairs"]:
    """The cosine of every two of N vectors: whether they are one direction."""
    each = np.asarray(unit(differences) @ unit(differences).T)
    return each[np.triu_indices(len(each), 1)]


def left_out(differences: Float[Array, "N D"]) -> Float[Array, "N"]:
    """How far each difference goes along the mean of all the others."""
    count = len(differences)
    others = (differences.sum(axis=0, keepdims=True) - differences) / (count - 1)
    return jnp.einsum("nd,nd->n", differences, others)


def spearman(x: Float[np.ndarray, "N"], y: Float[np.ndarray, "N"]) -> float:
    """Spearman's correlation: of the ranks, where equal values share their mean rank.

    Source: Spearman, "The proof and measurement of association", 1904.
    """
    return float(np.corrcoef(_ranks(x), _ranks(y))[0, 1])


def _ranks(values: np.ndarray) -> np.ndarray:
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2)[place]
