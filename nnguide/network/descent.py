"""Part 2: gradient descent written out, and what the gradient says.

W <- W - rate * dC/dW. Each component of the negative gradient says by its sign which
way a weight should go and by its size how much that buys ("bang for the buck"):
C(w + h e_i) - C(w) = h g_i to first order.

Source: 3Blue1Brown, "Gradient descent, how neural networks learn".
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Float, Int

from nnguide.array_types import Array, Key

# a vector of all weights and biases, as `jax.flatten_util.ravel_pytree` gives -> cost
CostOfVector = Callable[[Float[Array, "P"]], Float[Array, ""]]


def gradient_descent(rate: float) -> optax.GradientTransformation:
    """Steps of `rate` times the negative gradient; no momentum, no state."""

    def update(
        updates: optax.Updates,
        state: optax.OptState,
        params: optax.Params | None = None,
    ) -> tuple[optax.Updates, optax.OptState]:
        del params
        return jax.tree.map(lambda gradient: -rate * gradient, updates), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def parameters_holding(
    gradient: Float[Array, "P"], share: float = 0.9
) -> Int[Array, ""]:
    """The fewest parameters that hold a share of the gradient's energy, sum of g^2."""
    energy = jnp.sort(gradient**2)[::-1]
    held = jnp.cumsum(energy) / jnp.sum(energy)
    return jnp.sum(held < share) + 1


def single_weight_changes(
    cost: CostOfVector,
    vector: Float[Array, "P"],
    chosen: Int[Array, "n"],
    nudge: float = 1e-2,
    chunk: int = 128,
) -> tuple[Float[Array, "n"], Float[Array, "n"]]:
    """Changes one weight at a time by `nudge`.

    Args:
      cost: of a vector of all parameters.
      vector: the parameters.
      chosen: places in the vector, nudged one after the other.
      nudge: h.
      chunk: networks evaluated at once; memory grows with it.

    Returns:
      The predicted changes h g_i and the actual changes of the cost.
    """
    now, gradient = jax.value_and_grad(cost)(vector)

    def actual(place: Int[Array, ""]) -> Float[Array, ""]:
        return cost(vector.at[place].add(nudge)) - now

    return nudge * gradient[chosen], jax.lax.map(actual, chosen, batch_size=chunk)


class EqualSteps(NamedTuple):
    """The cost's changes after steps of equal length in three directions."""

    steepest: Float[Array, ""]  # along -g
    signs: Float[Array, ""]  # along -sign(g): all weights by the same amount
    random: Float[Array, "n"]  # along n random directions


def equal_length_steps(
    cost: CostOfVector,
    vector: Float[Array, "P"],
    length: float,
    key: Key,
    random_directions: int = 32,
) -> EqualSteps:
    """Spends the same step length on -g, on -sign(g) and on random directions.

    Args:
      cost: of a vector of all parameters.
      vector: the parameters.
      length: Euclidean length of every step.
      key: draws the random directions.
      random_directions: how many.
    """
    now, gradient = jax.value_and_grad(cost)(vector)
    drawn = jax.random.normal(key, (random_directions, vector.size), vector.dtype)

    def change(direction: Float[Array, "P"]) -> Float[Array, ""]:
        return cost(vector + length * direction / jnp.linalg.norm(direction)) - now

    return EqualSteps(
        change(-gradient), change(-jnp.sign(gradient)), jax.vmap(change)(drawn)
    )
