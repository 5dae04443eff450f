"""Part 2: the cost of one example, "how lousy" the network's output is.

The guide's cost is the squared error summed over the outputs,
C = sum_j (a_j - y_j)^2, averaged over the examples. It has no factor 1/2. Nielsen's
cost has one (1 / 2n), so his gradients are half of ours and his rate 3.0 is 1.5 here.

Cross-entropy works on logits (the last layer's weighted sums): its softmax belongs to
the cost, C = -sum_j y_j log softmax(z)_j.

Source: 3Blue1Brown, "Gradient descent, how neural networks learn"; Nielsen, chap. 1, 3.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from nnguide.array_types import Array

CostName = Literal["squared_error", "cross_entropy"]


class Cost(NamedTuple):
    """A cost of each example and its derivative, functions of (output, desired)."""

    per_example: Callable[[Array, Array], Array]
    derivative: Callable[[Array, Array], Array]


def desired_output(labels: Int[Array, "B"], classes: int = 10) -> Float[Array, "B N"]:
    """The output y the guide wants: 1 for the label's neuron, 0 for the others."""
    return jax.nn.one_hot(labels, classes, dtype=jnp.float32)


def squared_error(
    output: Float[Array, "B N"], desired: Float[Array, "B N"]
) -> Float[Array, "B"]:
    """Sum over the outputs of (a - y)^2; no 1/2."""
    return jnp.sum((output - desired) ** 2, axis=-1)


def squared_error_derivative(
    output: Float[Array, "B N"], desired: Float[Array, "B N"]
) -> Float[Array, "B N"]:
    """dC/da = 2 (a - y)."""
    return 2 * (output - desired)


def cross_entropy(
    output: Float[Array, "B N"], desired: Float[Array, "B N"]
) -> Float[Array, "B"]:
    """Surprise at the desired class, in nats; `output` holds logits."""
    return -jnp.sum(desired * jax.nn.log_softmax(output), axis=-1)


def cross_entropy_derivative(
    output: Float[Array, "B N"], desired: Float[Array, "B N"]
) -> Float[Array, "B N"]:
    """dC/dz = softmax(z) - y, for a desired output that sums to 1."""
    return jax.nn.softmax(output) - desired


COSTS: dict[CostName, Cost] = {
    "squared_error": Cost(squared_error, squared_error_derivative),
    "cross_entropy": Cost(cross_entropy, cross_entropy_derivative),
}
