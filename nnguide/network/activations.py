"""Part 1: what a neuron does with its weighted sum, a = sigma(z).

The guide's "squishification" is the sigmoid, sigma(z) = 1 / (1 + exp(-z)); modern
networks use ReLU(z) = max(0, z). The step is what a neuron would be if it could only be
on or off: its derivative is 0 everywhere, so gradient descent learns nothing (part 2).

Source: 3Blue1Brown, "But what is a neural network?"; Nielsen, chap. 1.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from nnguide.array_types import Array

ActivationName = Literal["sigmoid", "relu", "leaky_relu", "step"]
LEAK = 0.01  # slope of the leaky ReLU below 0


class Activation(NamedTuple):
    """A nonlinearity and its derivative, both functions of the weighted sum z."""

    value: Callable[[Array], Array]
    derivative: Callable[[Array], Array]


def sigmoid(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Squishes the real line into (0, 1)."""
    return jax.nn.sigmoid(z)


def sigmoid_derivative(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """sigma'(z) = sigma(z) (1 - sigma(z)), at most 1/4 (at z = 0)."""
    a = sigmoid(z)
    return a * (1 - a)


def relu(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """max(0, z)."""
    return jnp.where(z > 0, z, 0)


def relu_derivative(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """1 where the neuron is active, 0 elsewhere, z = 0 included."""
    return step(z)


def leaky_relu(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """The ReLU that cannot die: slope 0.01 below 0."""
    return jnp.where(z > 0, z, LEAK * z)


def leaky_relu_derivative(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """1 where the neuron is active, 0.01 elsewhere."""
    return jnp.where(z > 0, jnp.ones_like(z), LEAK)


def step(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """On (1) above 0, off (0) elsewhere."""
    return (z > 0).astype(z.dtype)


def step_derivative(z: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """0 everywhere."""
    return jnp.zeros_like(z)


ACTIVATIONS: dict[ActivationName, Activation] = {
    "sigmoid": Activation(sigmoid, sigmoid_derivative),
    "relu": Activation(relu, relu_derivative),
    "leaky_relu": Activation(leaky_relu, leaky_relu_derivative),
    "step": Activation(step, step_derivative),
}


def steep(name: ActivationName, steepness: float) -> Activation:
    """sigma(k z) for a steepness k; the sigmoid tends to the step as k grows."""
    value, derivative = ACTIVATIONS[name]
    return Activation(
        lambda z: value(steepness * z),
        lambda z: steepness * derivative(steepness * z),
    )
