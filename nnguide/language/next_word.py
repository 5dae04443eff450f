"""The next word as the guide shows it: the likeliest ones with their probabilities.

Source: 3Blue1Brown, "Large Language Models explained briefly".
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from nnguide.array_types import Array
from nnguide.language.generation import Generated
from nnguide.language.sampling import SamplingConfig, likely

OF_THE_MODEL = SamplingConfig(temperature=1.0)

TokenText = Callable[[int], str]


class NextWord(NamedTuple):
    """A candidate.

    Attributes:
      token: its id.
      text: what a reader sees of it.
      probability: of being next.
    """

    token: int
    text: str
    probability: float


class Step(NamedTuple):
    """A moment of writing.

    Attributes:
      candidates: the likeliest next tokens, the likeliest first.
      chosen: the token that was drawn, which need not be among them.
    """

    candidates: list[NextWord]
    chosen: NextWord


def next_words(
    logits: Float[Array, "V"],
    token_text: TokenText,
    count: int = 10,
    sampling: SamplingConfig = OF_THE_MODEL,
) -> list[NextWord]:
    """The likeliest next tokens, the likeliest first.

    Args:
      logits: of the next token.
      token_text: a tokenizer's method: what a token looks like.
      count: how many at most; those of probability 0 are left out.
      sampling: what the probabilities are after; None of it changes the order.
    """
    return _ranked(np.asarray(likely(logits, sampling)), token_text, count)


def step_by_step(
    generated: Generated,
    row: int,
    token_text: TokenText,
    count: int = 10,
    sampling: SamplingConfig = OF_THE_MODEL,
) -> list[Step]:
    """How a text came about: at each token the candidates, and the one drawn.

    Args:
      generated: with logits.
      row: which text.
      token_text: a tokenizer's method: what a token looks like.
      count: of candidates at each step.
      sampling: what the probabilities are after.
    """
    if generated.logits is None:
        raise TypeError("generated.logits is None: make_generator(keep_logits=True)")
    length = int(generated.lengths[row])
    probabilities = np.asarray(likely(generated.logits[row, :length], sampling))
    return [
        Step(
            _ranked(each, token_text, count),
            NextWord(token, token_text(token), float(each[token])),
        )
        for each, token in zip(
            probabilities,
            np.asarray(generated.tokens[row, :length]).tolist(),
            strict=True,
        )
    ]


def _ranked(
    probabilities: Float[np.ndarray, "V"], token_text: TokenText, count: int
) -> list[NextWord]:
    order = np.argsort(-probabilities, kind="stable")[:count].tolist()
    return [
        NextWord(token, token_text(token), float(probabilities[token]))
        for token in order
        if probabilities[token] > 0
    ]
