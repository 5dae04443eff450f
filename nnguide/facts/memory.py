"""Facts in one MLP block: written in by hand, one a neuron, or learned.

A name is the sum of two random directions and never changes; an answer is one of K
directions that the block's result is compared with. The block alone has to know which
answer belongs to which name, and there is no rule to find: what it gets right it has
stored. A fact holds log2 K bits.

Sources: 3Blue1Brown, "How might LLMs store facts"; bits a parameter: Allen-Zhu and Li,
arXiv 2404.05405 (2 bits, language models at 1,000 exposures); Morris et al., arXiv
2505.24832 (3.6 bits, GPT on random strings).
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax.linen import unbox
from jaxtyping import Float, Int

from nnguide.array_types import Array, Key, Params
from nnguide.facts.logic_gates import random_directions
from nnguide.transformer.config import TransformerConfig
from nnguide.transformer.mlp_block import MlpBlock

WIDTH, NAMES, ANSWERS = 64, 200, 16  # D, first and last names each, K
ALLEN_ZHU, MORRIS = 2.0, 3.6  # bits a parameter of whole language models


class Facts(NamedTuple):
    """Names and what belongs to them.

    Attributes:
      name: first plus last name.
      answer: its number.
    """

    name: Float[Array, "N D"]
    answer: Int[Array, "N"]


class Recall(NamedTuple):
    """How well facts are known.

    Attributes:
      share: of the facts whose answer has the largest logit.
      surprise: mean cross-entropy, in nats.
    """

    share: Float[Array, ""]
    surprise: Float[Array, ""]


def random_facts(key: Key, count: int) -> Facts:
    """Different full names of 200 first and 200 last names, with random answers."""
    of_first, of_last, of_pairs, of_answers = jax.random.split(key, 4)
    firsts = random_directions(of_first, NAMES, WIDTH)
    lasts = random_directions(of_last, NAMES, WIDTH)
    pairs = jax.random.permutation(of_pairs, NAMES**2)[:count]
    return Facts(
        firsts[pairs // NAMES] + lasts[pairs % NAMES],
        jax.random.randint(of_answers, (count,), 0, ANSWERS, jnp.int32),
    )


def answer_directions(key: Key) -> Float[Array, "K D"]:
    """Random directions of length 1, one an answer."""
    return random_directions(key, ANSWERS, WIDTH)


def block(neurons: int) -> MlpBlock:
    """The transformer's MLP block with F neurons, ReLU and biases."""
    return MlpBlock(
        TransformerConfig(
            layers=1, embedding=WIDTH, heads=1, neurons=neurons, activation="relu",
            initial_std=WIDTH**-0.5,
        )
    )  # fmt: skip


def initial_params(key: Key, neurons: int) -> Params:
    """Random parameters of the block."""
    return unbox(block(neurons).init(key, jnp.zeros((1, WIDTH), jnp.float32))["params"])


def parameters(neurons: int) -> int:
    """How many numbers the block holds: two matrices and two biases."""
    return 2 * WIDTH * neurons + neurons + WIDTH


def parameters_without_relu() -> int:
    """How many of them count without the ReLU, whatever the number of neurons.

    The block is then one matrix with a bias, of which only what K answers are compared
    with is ever seen.
    """
    return (WIDTH + 1) * ANSWERS


def by_hand(
    names: Float[Array, "F D"], columns: Float[Array, "F D"], bias: float | Array
) -> Params:
    """The parameters of a block with one AND neuron a fact.

    Args:
      names: first plus last name; neuron f's row.
      columns: what a "yes" of each adds.
      bias: of every neuron.

    Returns:
      A tree for `block(F)`.
    """
    return {
        "up_projection": {"kernel": names.T, "bias": jnp.full(len(names), bias)},
        "down_projection": {
            "kernel": columns,
            "bias": jnp.zeros(names.shape[1], jnp.float32),
        },
    }


def logits(
    params: Params,
    name: Float[Array, "N D"],
    answers: Float[Array, "K D"],
    relu: bool = True,
) -> Float[Array, "N K"]:
    """Asks the block: name plus what the block adds to it, against each answer.

    Args:
      params: of `block`.
      name: the vectors it reads.
      answers: directions; the unembedding's rows are sqrt(D) times as long, as rows of
        standard normal numbers are.
      relu: False leaves the neurons as they are, the linear control.
    """
    up, down = params["up_projection"], params["down_projection"]
    if relu:
        added: Any = block(len(up["bias"])).apply({"params": params}, name)
    else:
        neurons = name @ up["kernel"] + up["bias"][None]
        added = neurons @ down["kernel"] + down["bias"][None]
    return (name + added) @ answers.T * WIDTH**0.5


def recall(
    params: Params, facts: Facts, answers: Float[Array, "K D"], relu: bool = True
) -> Recall:
    """How many of the facts the block knows, and how surprised it is by them."""
    each = logits(params, facts.name, answers, relu)
    chosen = jnp.take_along_axis(each, facts.answer[:, None], axis=1)[:, 0]
    return Recall(
        jnp.mean(jnp.argmax(each, axis=1) == facts.answer),
        jnp.mean(jax.nn.logsumexp(each, axis=1) - chosen),
    )


def bits(facts: Any, surprise: Any) -> Any:
    """What is known of so many facts, in bits: N (log2 K - surprise / ln 2).

    Args:
      facts: N, a number or an array.
      surprise: mean cross-entropy in nats, alike.
    """
    return facts * (math.log2(ANSWERS) - surprise / math.log(2))
