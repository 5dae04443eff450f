"""Part 3: three avenues by which one neuron's activation can rise.

a = sigma(w_1 a_1 + ... + w_n a_n + b), so to first order a rises by sigma'(z) times
1 for each unit of the bias, a_k for each unit of the weight w_k, and w_k for each unit
of the activation a_k before it. The best nudge of weights is therefore in proportion to
the activations, and the best nudge of activations in proportion to the weights.

Source: 3Blue1Brown, "What is backpropagation really doing?".
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Float

from nnguide.array_types import Array
from nnguide.network.activations import Activation


class Avenue(NamedTuple):
    """One way to raise an activation, taken a small step along.

    Attributes:
      direction: the steepest one, of length 1.
      predicted: rise of the activation to first order.
      achieved: its rise when the nudge is made.
    """

    direction: Float[Array, "n"]
    predicted: Float[Array, ""]
    achieved: Float[Array, ""]


class Avenues(NamedTuple):
    """The three ways, each with a nudge of the same length."""

    bias: Avenue
    weights: Avenue
    activations: Avenue


def avenues(
    activation: Activation,
    w: Float[Array, "n"],
    b: Float[Array, ""],
    a_before: Float[Array, "n"],
    length: float = 1e-3,
) -> Avenues:
    """Raises one neuron in three ways.

    Args:
      activation: sigma and its derivative.
      w: weights into the neuron.
      b: its bias.
      a_before: activations of the layer before.
      length: Euclidean length of each nudge.
    """

    def rise(w: Array, b: Array, a_before: Array) -> Array:
        return activation.value(w @ a_before + b) - now

    def take(name: str, slope: Array) -> Avenue:
        steepness = jnp.linalg.norm(slope)
        direction = slope / steepness
        nudged = {**held, name: held[name] + length * direction.reshape(shapes[name])}
        return Avenue(direction, length * steepness, rise(**nudged))

    held = {"w": w, "b": b, "a_before": a_before}
    shapes = {name: value.shape for name, value in held.items()}
    z = w @ a_before + b
    now, da_dz = activation.value(z), activation.derivative(z)
    return Avenues(
        bias=take("b", da_dz[None]),
        weights=take("w", da_dz * a_before),
        activations=take("a_before", da_dz * w),
    )
