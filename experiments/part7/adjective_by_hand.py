"""A head built by hand, in which nouns ask for the adjectives before them.

"A fluffy blue creature roamed the verdant forest": nouns ask, adjectives answer, and
their values are added to the noun's vector. The head is parameters of our `Attention`.

Source: 3Blue1Brown, "Attention in transformers, step-by-step".
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from nnguide.array_types import Array, Params
from nnguide.results import Claim
from nnguide.transformer.attention import Attention
from nnguide.transformer.config import Execution, TransformerConfig

SENTENCE = ("a", "fluffy", "blue", "creature", "roamed", "the", "verdant", "forest")
NOUNS, ADJECTIVES = (3, 7), (1, 2, 6)
OWN = {3: (1, 2), 7: (6,)}  # noun -> its adjectives
PLACES = len(SENTENCE)
HAND = TransformerConfig(
    vocabulary=PLACES, context=PLACES, layers=1, embedding=2 * PLACES, heads=1,
    blocks="attention", positions="none", biases=False, dropout=0.0,
)  # fmt: skip
SURE = 14.0  # of a match, in nats: what a head loses to the wrong places is e^-14


class ByHand(NamedTuple):
    """What the hand-built head does to the sentence.

    Attributes:
      scores: q . k over sqrt(K), query by key, before mask and softmax.
      pattern: after both.
      change: what is added to each word's vector; its first entries are words.
    """

    scores: Float[np.ndarray, "T T"]
    pattern: Float[np.ndarray, "T T"]
    change: Float[np.ndarray, "T D"]


def sentence_vectors() -> Float[Array, "T D"]:
    """Each word's vector: which word it is, then which place it is at; ones and zeros.

    The sentence has each word once, so that both halves are the identity.
    """
    one_hot = jnp.eye(PLACES, dtype=jnp.float32)
    return jnp.concatenate([one_hot, one_hot], axis=1)


def head_by_hand() -> Params:
    """Parameters of our `Attention` that do what the guide says nouns do.

    In the space of queries and keys, dimension 0 says "adjective", 1 to 8 the places,
    and 9 is for words that ask nothing: they look at the sentence's first word, whose
    value is nothing. A noun asks for an adjective, and for the two places before it.
    """
    width = HAND.head_width
    query, key, value = (np.zeros((2 * PLACES, width), np.float32) for _ in range(3))
    for place in range(PLACES):
        key[PLACES + place, 1 + place] = 1
        if place in NOUNS:
            query[place, 0] = 1
            for before in (1, 2):
                query[PLACES + place, 1 + place - before] = 1
        else:
            query[place, 9] = 1
    for word in ADJECTIVES:
        key[word, 0] = 1
        value[word, word] = 1  # an adjective's value is its own direction
    key[0, 9] = 1
    sharpness = SURE * np.sqrt(width)  # a score is divided by sqrt(K)
    kernels = {
        "query": query * sharpness,
        "key": key,
        "value_down": value,
        "value_up": np.eye(width, dtype=np.float32),
    }
    return {name: {"kernel": jnp.asarray(each)} for name, each in kernels.items()}


def by_hand() -> ByHand:
    """Runs our `Attention` with those parameters over the sentence."""
    module, params = Attention(HAND, Execution()), head_by_hand()
    x = sentence_vectors()
    (change, _), kept = module.apply(
        {"params": params}, x[None], mutable=["intermediates"]
    )
    query, key = (x @ params[name]["kernel"] for name in ("query", "key"))
    pattern: Any = kept["intermediates"]["pattern"][0]
    return ByHand(
        np.asarray(query @ key.T) / np.sqrt(HAND.head_width),
        np.asarray(pattern)[0, 0],
        np.asarray(change)[0],
    )


def claims_of(built: ByHand) -> list[Claim]:
    """What the guide says such a head does, and whether ours does."""
    source = "3Blue1Brown, Attention in transformers, step-by-step; by construction"
    wanted, change = np.zeros((PLACES, PLACES)), np.zeros((PLACES, PLACES))
    for noun, own in OWN.items():
        wanted[noun, list(own)] = 1 / len(own)
        change[noun, list(own)] = 1 / len(own)
    nouns = list(NOUNS)
    off_pattern = np.abs(built.pattern[nouns] - wanted[nouns]).max()
    off_change = np.abs(built.change[:, :PLACES] - change).max()
    return [
        Claim(
            "7.adjective_pattern",
            "a head can make creature look at fluffy and blue, forest at verdant, "
            "and at nothing else",
            float(off_pattern), (0, 0.01), (0, 1e-4), source,
            unit="largest error of a weight",
        ),
        Claim(
            "7.adjective_change",
            "what is added to creature is the weighted sum of the adjectives' values",
            float(off_change), (0, 0.01), (0, 1e-4), source,
            unit="largest error of an entry; the weights are 1/2 and 1/2",
        ),
    ]  # fmt: skip
