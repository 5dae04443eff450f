"""Why analogies work: a planted language in which log-odds add, and vectors of it.

Every word has a gender, a rank and an age. Each adds a term of its own to the log-odds
of the words around it, so that what tells "queen" from "king" is what tells "woman"
from "man". GloVe's vectors are fitted to log counts by dot products and biases. Sums of
log-odds become sums of vectors: queen - king = woman - man, whatever the words are.

Sources: Pennington, Socher and Manning, "GloVe", EMNLP 2014, sections 3 and 4.2; that
log-odds explain analogies: Levy and Goldberg, CoNLL 2014; Arora et al., TACL 2016.
"""

import itertools
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float, Int

from nnguide.array_types import Array, Key

# Factor by factor: the names of its values. One value each makes a word.
FACTORS = (
    ("man", "woman"),
    ("commoner", "monk", "noble", "royal"),
    ("young", "grown", "old"),
)
Number = int | float | Array  # traced, so that one program serves every size
WORDS = tuple(itertools.product(*(range(len(values)) for values in FACTORS)))
CONTEXTS = 120  # words around
EFFECT = 0.5  # standard deviation of what a value adds to a log-odds, in nats


class Language(NamedTuple):
    """How often which word stands around which.

    Attributes:
      log_odds: of every context word given the word, up to a number a word; in nats.
      counts: of a corpus drawn from it.
    """

    log_odds: Float[Array, "words contexts"]
    counts: Float[Array, "words contexts"]


@partial(jax.jit, static_argnames="additive")
def plant(key: Key, corpus: Number, additive: bool) -> Language:
    """Draws a language, and a corpus of it.

    Args:
      key: of both.
      corpus: pairs of a word and a word around it, expected number.
      additive: whether the log-odds of a word are the sum of what its values add; if
        not, the sums are dealt out to other words, which share no values with them.
    """
    base_key, effect_key, deal_key, count_key = jax.random.split(key, 4)
    base = jax.random.normal(base_key, (1, CONTEXTS), jnp.float32)
    summed = jnp.zeros((len(WORDS), CONTEXTS), jnp.float32)
    for place, values in enumerate(FACTORS):
        factor_key = jax.random.fold_in(effect_key, place)
        effects = EFFECT * jax.random.normal(
            factor_key, (len(values), CONTEXTS), jnp.float32
        )
        summed = summed + effects[np.array(WORDS)[:, place]]
    if not additive:
        # each context word deals anew: the same numbers, but no sums
        summed = jax.random.permutation(deal_key, summed, axis=0, independent=True)
    log_odds = base + summed
    expected = jax.nn.softmax(log_odds, axis=-1) * corpus / len(WORDS)
    counts = jax.random.poisson(count_key, expected).astype(jnp.float32)
    return Language(log_odds, counts)


class Learned(NamedTuple):
    """GloVe's vectors.

    Attributes:
      words: the vectors of the words.
      contexts: those of the words around them.
      loss: at every step, a weighted mean of squares.
    """

    words: Float[Array, "words D"]
    contexts: Float[Array, "contexts D"]
    loss: Float[Array, "steps"]


@partial(jax.jit, static_argnames=("width", "steps"))
def learn(
    key: Key,
    counts: Float[Array, "words contexts"],
    width: int,
    steps: int,
) -> Learned:
    """Fits GloVe: word . context + its bias + the other's bias = log count.

    Each square weighs (count / 100)^(3/4), at most 1. All counts at once, by Adam.

    Args:
      key: of the start.
      counts: of pairs.
      width: of the vectors.
      steps: of Adam.
    """
    weights = jnp.minimum(1.0, (counts / 100) ** 0.75)
    logs = jnp.log(jnp.maximum(counts, 1.0))  # where the count is 0, so is the weight
    word_key, context_key = jax.random.split(key)
    sizes = counts.shape
    start = {
        "words": 0.1 * jax.random.normal(word_key, (sizes[0], width), jnp.float32),
        "contexts": 0.1
        * jax.random.normal(context_key, (sizes[1], width), jnp.float32),
        "word_biases": jnp.zeros((sizes[0], 1), jnp.float32),
        "context_biases": jnp.zeros((1, sizes[1]), jnp.float32),
    }

    def loss_of(params: dict[str, Array]) -> Array:
        said = params["words"] @ params["contexts"].T
        said = said + jnp.broadcast_to(params["word_biases"], sizes)
        said = said + jnp.broadcast_to(params["context_biases"], sizes)
        return (weights * jnp.square(said - logs)).sum() / weights.sum()

    optimizer = optax.adam(optax.cosine_decay_schedule(0.05, steps))

    def step(carried: tuple, _: None) -> tuple[tuple, Array]:
        params, state = carried
        loss, slope = jax.value_and_grad(loss_of)(params)
        updates, state = optimizer.update(slope, state)
        return (optax.apply_updates(params, updates), state), loss

    (params, _), losses = jax.lax.scan(
        step, (start, optimizer.init(start)), None, steps
    )
    return Learned(params["words"], params["contexts"], losses)


def questions() -> Int[np.ndarray, "questions 4"]:
    """Every a : b = c : d in which one value changes, the same on both sides.

    a and c differ in another factor, and only in it.
    """
    number = {word: row for row, word in enumerate(WORDS)}
    found = []
    for place, other in itertools.permutations(range(len(FACTORS)), 2):
        for a in WORDS:
            for value, turned in itertools.product(
                range(len(FACTORS[place])), range(len(FACTORS[other]))
            ):
                if value != a[place] and turned != a[other]:
                    c = _changed(a, other, turned)
                    each = (a, _changed(a, place, value), c, _changed(c, place, value))
                    found.append([number[word] for word in each])
    return np.array(found, np.int32)


def _changed(word: Sequence[int], place: int, value: int) -> tuple[int, ...]:
    return (*word[:place], value, *word[place + 1 :])
