"""The neuron that fires for Michael Jordan: a logical AND of two directions.

A vector that holds a first and a last name is the sum of their directions. The
neuron's row is the sum of "first name Michael" and "last name Jordan", so that its
weighted sum is 2 for the full name, 1 for half of it and 0 for neither; the bias and
the ReLU leave "yes" for the full name alone, and the column then adds "basketball".

That is exact where directions are perpendicular. Where they are nearly so, in D
dimensions, two of them have a product of standard deviation 1 / sqrt(D), and with bias
-1 a half match, whose sum is 1 in the mean, fires every other time, at any D.

Source: 3Blue1Brown, "How might LLMs store facts".
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from nnguide.array_types import Array, Key

KINDS = ("Michael Jordan", "Michael Phelps", "Alexis Jordan", "Alexis Phelps")


class AndNeuron(NamedTuple):
    """One neuron of an MLP block.

    Attributes:
      row: of the up projection, what it asks for.
      bias: what the answer has to exceed.
      column: of the down projection, what a "yes" adds.
    """

    row: Float[Array, "D"]
    bias: float
    column: Float[Array, "D"]


class WeightedSums(NamedTuple):
    """What neurons measure, each for one full name, before the bias.

    Attributes:
      full: for their own full name.
      half: for every name with one half of it.
    """

    full: Float[Array, "N"]
    half: Float[Array, "N halves"]


def and_neuron(
    first: Float[Array, "D"],
    last: Float[Array, "D"],
    answer: Float[Array, "D"],
    bias: float = -1.0,
) -> AndNeuron:
    """The neuron that knows one fact about one full name."""
    return AndNeuron(first + last, bias, answer)


def written(
    neuron: AndNeuron,
    x: Float[Array, "names D"],
    activation: Callable[[Array], Array],
) -> Float[Array, "names D"]:
    """What the neuron adds to each vector: a multiple of its column."""
    fires = activation(x @ neuron.row + neuron.bias)
    return fires[:, None] * neuron.column[None]


def random_directions(key: Key, count: int, width: int) -> Float[Array, "count D"]:
    """Random vectors of length 1, nearly perpendicular in many dimensions."""
    drawn = jax.random.normal(key, (count, width), jnp.float32)
    return drawn / jnp.linalg.norm(drawn, axis=-1, keepdims=True)


def four_kinds(
    firsts: Float[Array, "N D"], lasts: Float[Array, "N D"]
) -> Float[Array, "4 N D"]:
    """For the n-th full name one name of each kind, in the order of `KINDS`.

    The others' halves are those of the next full names.
    """
    other, another = jnp.roll(firsts, -1, axis=0), jnp.roll(lasts, -2, axis=0)
    return jnp.stack(
        [
            firsts + lasts,
            firsts + jnp.roll(lasts, -1, axis=0),
            other + lasts,
            other + another,
        ]
    )


def share_of_half_matches(bias: float, width: int) -> float:
    """How many half matches fire in the mean of all neurons, directions random.

    A half match's weighted sum is 1 + c + noise: c, the product of the neuron's own two
    directions, is the same for all its half matches and of variance 1 / D; the noise is
    another name's product with the row, whose squared length is 2 + 2 c. Products are
    taken for normal, as they are in many dimensions.

    Args:
      bias: of the neurons.
      width: D.
    """
    sigmas = jnp.linspace(-6, 6, 2401, dtype=jnp.float32)
    own = jnp.maximum(sigmas / width**0.5, -1 + 1e-6)
    noise = jnp.sqrt((2 + 2 * own) / width)
    fires = jax.scipy.stats.norm.cdf((1 + own + bias) / noise)
    weight = jax.scipy.stats.norm.pdf(sigmas)
    return float((fires * weight).sum() / weight.sum())


def weighted_sums(
    firsts: Float[Array, "N D"], lasts: Float[Array, "N D"]
) -> WeightedSums:
    """Asks N neurons, the n-th for the n-th full name, about all the half matches.

    The weighted sum of a name is the sum of those of its halves.

    Args:
      firsts: directions of first names.
      lasts: directions of last names.

    Returns:
      The sums; 2 (N - 1) half matches a neuron.
    """
    rows = firsts + lasts
    of_first, of_last = rows @ firsts.T, rows @ lasts.T
    count = len(rows)
    own_first, own_last = jnp.diagonal(of_first), jnp.diagonal(of_last)
    others = np.nonzero(~np.eye(count, dtype=bool))
    same_first = own_first[:, None] + of_last
    same_last = of_first + own_last[:, None]
    half = [each[others].reshape(count, -1) for each in (same_first, same_last)]
    return WeightedSums(own_first + own_last, jnp.concatenate(half, axis=1))
