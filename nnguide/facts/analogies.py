"""Test sets of analogies at the speed of matrix products, by both conventions.

a is to b as c is to d. The answer d is right where no word has a larger cosine with
b - a + c (3CosAdd, on unit vectors). Whether a, b and c themselves may be nearer is the
convention that decides the score, so both ranks of d come out of one pass: it counts
the words that are nearer than d and keeps no scores.

Sources: Mikolov et al., arXiv 1301.3781; 3CosAdd: Levy and Goldberg, CoNLL 2014.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from nnguide.array_types import Array

# 1,024 questions against 1,024 words are 4 MB of scores, which a cache holds.
QUESTIONS_AT_ONCE, WORDS_AT_ONCE = 1024, 1024
_Counts = tuple[Array, Array]


class Ranks(NamedTuple):
    """Where the right answers stand, from 1 = right.

    Attributes:
      allowed: among all words.
      excluded: among all words but the three of the question; an answer that is one of
        the three comes last.
    """

    allowed: Int[np.ndarray, "questions"]
    excluded: Int[np.ndarray, "questions"]


def ranks(
    unit_vectors: Float[Array, "V D"], questions: Int[np.ndarray, "questions 4"]
) -> Ranks:
    """The ranks of the fourth words, in chunks of up to 1,024 questions.

    A word as near as the answer does not count as nearer.

    Args:
      unit_vectors: of length 1.
      questions: rows of a, b, c and d.
    """
    chunks = max(1, -(-len(questions) // QUESTIONS_AT_ONCE))
    size = max(1, -(-len(questions) // chunks))  # one program; next to nothing padded
    padded = np.zeros((chunks * size, 4), np.int32)
    padded[: len(questions)] = questions
    found = [
        _nearer(unit_vectors, jnp.asarray(padded[start : start + size]))
        for start in range(0, len(padded), size)
    ]
    nearer, other = (
        np.concatenate(each)[: len(questions)] for each in zip(*found, strict=True)
    )
    among_own = (questions[:, :3] == questions[:, 3:]).any(axis=1)
    last = len(unit_vectors)
    return Ranks(nearer + 1, np.where(among_own, last, other + 1).astype(np.int32))


@jax.jit
def _nearer(unit_vectors: Float[Array, "V D"], questions: Int[Array, "Q 4"]) -> _Counts:
    """How many words are nearer than the answer: of all, and of all but a, b and c."""
    count, width = unit_vectors.shape
    steps = -(-count // WORDS_AT_ONCE)
    filled = jnp.pad(unit_vectors, ((0, steps * WORDS_AT_ONCE - count), (0, 0)))
    tiles = filled.reshape(steps, WORDS_AT_ONCE, width)
    a, b, c, d = (unit_vectors[questions[:, place]] for place in range(4))
    target = b - a + c
    of_answer = jnp.einsum("qd,qd->q", target, d)[:, None]

    def count_in(nearer: _Counts, tile: tuple[Array, Array]) -> tuple[_Counts, None]:
        number, vectors = tile
        row = (number * WORDS_AT_ONCE + jnp.arange(WORDS_AT_ONCE))[None]
        # By its row, or rounding might find the answer nearer than itself.
        is_other = (row < count) & (row != questions[:, 3:])
        above = (target @ vectors.T > of_answer) & is_other
        is_own = (
            (row == questions[:, :1])
            | (row == questions[:, 1:2])
            | (row == questions[:, 2:3])
        )
        everyone, others = nearer
        nearest = above.sum(axis=1, dtype=jnp.int32)
        not_own = (above & ~is_own).sum(axis=1, dtype=jnp.int32)
        return (everyone + nearest, others + not_own), None

    nobody = jnp.zeros(len(questions), jnp.int32)
    found, _ = jax.lax.scan(count_in, (nobody, nobody), (jnp.arange(steps), tiles))
    return found
