"""Part 3: how well a mini-batch stands for all the examples.

The gradient of B random examples is the full gradient G plus noise whose energy falls
as 1/B. With tr(S) the energy of one example's noise, the *noise scale* tr(S) / |G|^2 is
the batch size at which noise and signal are equal, and the cosine between the batch's
gradient and G is about 1 / sqrt(1 + noise scale / B).

Source: 3Blue1Brown, "What is backpropagation really doing?" (the drunk man's walk);
McCandlish et al., "An empirical model of large-batch training" (arXiv:1812.06162).
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from nnguide.array_types import Array

# (all parameters as a vector, numbers of the examples (B,)) -> their mean cost
CostOfRows = Callable[[Float[Array, "P"], Int[Array, "B"]], Float[Array, ""]]


class Agreement(NamedTuple):
    """How the gradients of random batches compare with the full one, a row a draw.

    Attributes:
      cosine: of the angle between them.
      same_sign: the share of components of one sign, of those that neither has at 0
        (a pixel that is dark in the whole batch says nothing of its weights).
    """

    cosine: Float[Array, "draws"]
    same_sign: Float[Array, "draws"]


def agreement(
    cost: CostOfRows,
    vector: Float[Array, "P"],
    examples: int,
    batches: Int[Array, "draws B"],
) -> Agreement:
    """Compares gradients of random batches, drawn with replacement, with the full one.

    Args:
      cost: mean over the rows it is given.
      vector: the parameters.
      examples: how many there are; all of them give the full gradient.
      batches: the examples of each batch.
    """
    full = jax.grad(cost)(vector, jnp.arange(examples))

    def compare(rows: Int[Array, "B"]) -> Agreement:
        gradient = jax.grad(cost)(vector, rows)
        product = gradient * full
        lengths = jnp.linalg.norm(gradient) * jnp.linalg.norm(full)
        return Agreement(
            jnp.sum(product) / lengths, jnp.sum(product > 0) / jnp.sum(product != 0)
        )

    # A divisor of the draws, so that no second loop is compiled for a ragged rest.
    draws, batch_size = batches.shape
    at_once = math.gcd(draws, max(1, 1000 // batch_size))
    return jax.lax.map(compare, batches, batch_size=at_once)


def noise_scale(
    cost: CostOfRows, vector: Float[Array, "P"], examples: int, chunk: int = 100
) -> Float[Array, ""]:
    """The batch size at which a batch's noise is as long as the full gradient.

    Args:
      cost: mean over the rows it is given.
      vector: the parameters.
      examples: how many there are; each is visited.
      chunk: gradients held at once.
    """
    full = jax.grad(cost)(vector, jnp.arange(examples))

    def energy(row: Int[Array, ""]) -> Float[Array, ""]:
        return jnp.sum(jax.grad(cost)(vector, row[None]) ** 2)

    signal = jnp.sum(full**2)
    each = jax.lax.map(energy, jnp.arange(examples), batch_size=chunk)
    return (jnp.mean(each) - signal) / signal


def expected_cosine(noise: float, batch_size: float) -> float:
    """The cosine that a noise scale predicts for a batch size."""
    return 1 / math.sqrt(1 + noise / batch_size)


def walk(
    cost: CostOfRows,
    vector: Float[Array, "P"],
    rows: Int[Array, "steps B"],
    rate: float,
) -> Float[Array, "steps P"]:
    """Every place that gradient descent comes through on its way, the start left out.

    Args:
      cost: mean over the rows it is given.
      vector: where it starts.
      rows: the examples of each step; the same row of all examples is full batch.
      rate: learning rate.
    """

    def step(vector: Array, rows: Array) -> tuple[Array, Array]:
        moved = vector - rate * jax.grad(cost)(vector, rows)
        return moved, moved

    return jax.lax.scan(step, vector, rows)[1]


def wandering(places: Float[Array, "steps P"]) -> Float[Array, ""]:
    """Length of a path over the distance it covers; 1 is straight."""
    lengths = jnp.linalg.norm(jnp.diff(places, axis=0), axis=1)
    return jnp.sum(lengths) / jnp.linalg.norm(places[-1] - places[0])
