"""Part 1: the network of the guide, a' = sigma(W a + b), layer after layer.

A weight matrix is held as the guide writes it: one row a neuron, one column an
activation of the layer before, (neurons, embedding). 784-16-16-10 has 784 * 16 + 16 +
16 * 16 + 16 + 16 * 10 + 10 = 13,002 weights and biases.

Source: 3Blue1Brown, "But what is a neural network?"; Nielsen, chap. 1.
"""

import dataclasses
import math
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Float

from nnguide.array_types import Array, Params
from nnguide.config import InputError
from nnguide.network.activations import ActivationName, steep
from nnguide.network.cost import CostName

Initial = Literal["scaled", "normal"]


@dataclasses.dataclass(frozen=True)
class MlpConfig:
    """A fully connected network.

    Attributes:
      widths: neurons of each layer, from the pixels to the outputs.
      activation: the nonlinearity sigma.
      cost: what is minimised. Under squared_error the last layer has the activation
        too; under cross_entropy it gives logits.
      initial: parameters at birth. scaled: weights N(0, 1) / sqrt(inputs), biases 0;
        normal: weights and biases N(0, 1), which saturates sigmoids.
      steepness: k of sigma(k z); 1 is the plain activation.
    """

    widths: tuple[int, ...] = (784, 16, 16, 10)
    activation: ActivationName = "sigmoid"
    cost: CostName = "squared_error"
    initial: Initial = "scaled"
    steepness: float = 1.0

    def __post_init__(self) -> None:
        if len(self.widths) < 2 or min(self.widths) < 1:
            raise InputError(
                f"widths={self.widths}: a network needs an input and an output layer. "
                "Give two or more positive integers, for instance 784,16,16,10."
            )
        if not self.steepness > 0:
            raise InputError(
                f"steepness={self.steepness}: not positive. Give 1 for the plain "
                "activation, more for a steeper one."
            )


class Layers(NamedTuple):
    """What every layer holds for a batch.

    Attributes:
      z: weighted sums of layers 1 .. L, each (B, neurons).
      a: activations of layers 0 .. L, each (B, neurons); `a[0]` is the input.
    """

    z: tuple[Float[Array, "B _"], ...]
    a: tuple[Float[Array, "B _"], ...]


class Layer(nn.Module):
    """z = W a + b, with `weight` (neurons, embedding) and `bias` (neurons,)."""

    neurons: int
    initial: Initial

    @nn.compact
    def __call__(self, a: Float[Array, "B D"]) -> Float[Array, "B F"]:
        """The weighted sums."""
        inputs = a.shape[-1]
        scaled = nn.initializers.normal(1 / math.sqrt(inputs)), nn.initializers.zeros
        normal = nn.initializers.normal(1.0), nn.initializers.normal(1.0)
        of_weight, of_bias = {"scaled": scaled, "normal": normal}[self.initial]
        weight: Any = self.param(
            "weight",
            nn.with_logical_partitioning(of_weight, ("neurons", "embedding")),
            (self.neurons, inputs),
            jnp.float32,
        )
        bias: Any = self.param(
            "bias",
            nn.with_logical_partitioning(of_bias, ("neurons",)),
            (self.neurons,),
            jnp.float32,
        )
        return jnp.einsum("BD,FD->BF", a, weight) + bias[None]


class Mlp(nn.Module):
    """The network; its parameters are `layer_1` .. `layer_L`."""

    config: MlpConfig

    def __call__(self, images: Float[Array, "B ..."]) -> Float[Array, "B N"]:
        """The last layer: activations under squared_error, logits otherwise.

        Args:
          images: of any shape after the batch axis; flattened here.
        """
        return self.every_layer(images).a[-1]

    @nn.compact
    def every_layer(self, images: Float[Array, "B ..."]) -> Layers:
        """The weighted sums and activations of all layers.

        `forward` applies it to given parameters.
        """
        sums, activations = [], [images.reshape(len(images), -1)]
        for number, neurons in enumerate(self.config.widths[1:], start=1):
            layer = Layer(neurons, self.config.initial, name=f"layer_{number}")
            z = layer(activations[-1])
            sums.append(z)
            activations.append(squish(self.config, number, z))
        return Layers(tuple(sums), tuple(activations))


def forward(config: MlpConfig, params: Params, images: Float[Array, "B ..."]) -> Layers:
    """Every layer of the network with the given parameters; `.a[-1]` is the output."""
    layers: Any = Mlp(config).apply({"params": params}, images, method="every_layer")
    return layers


def squish(
    config: MlpConfig, number: int, z: Float[Array, "*shape"]
) -> Float[Array, "*shape"]:
    """The activations of layer `number` from its weighted sums."""
    if gives_logits(config, number):
        return z
    return steep(config.activation, config.steepness).value(z)


def gives_logits(config: MlpConfig, number: int) -> bool:
    """Whether layer `number` is the last one of a cross-entropy network."""
    return config.cost == "cross_entropy" and number == len(config.widths) - 1


def initial_params(config: MlpConfig, key: Array) -> Params:
    """Random parameters, still boxed with their logical axis names."""
    return Mlp(config).init(key, jnp.zeros((1, config.widths[0]), jnp.float32))[
        "params"
    ]


def check_fits(config: MlpConfig, pixels: int, classes: int) -> None:
    """Checks that a network begins with the pixels and ends with the classes.

    Raises:
      InputError: it does not.
    """
    if (config.widths[0], config.widths[-1]) != (pixels, classes):
        raise InputError(
            f"network.widths={','.join(map(str, config.widths))}: the images have "
            f"{pixels} pixels and {classes} classes; begin and end with those."
        )


def parameter_count(config: MlpConfig) -> int:
    """Weights and biases of the module, counted from its shapes."""
    shapes = jax.eval_shape(lambda key: initial_params(config, key), jax.random.key(0))
    return sum(leaf.size for leaf in jax.tree.leaves(shapes))


def neuron_by_neuron(
    config: MlpConfig, params: Params, image: Float[Array, "..."]
) -> Float[Array, "N"]:
    """The output for one image as the guide first tells it, one neuron at a time.

    Slow on purpose: a' = sigma(w_1 a_1 + ... + w_n a_n + b) for each neuron.
    """
    a = image.reshape(-1)
    for number in range(1, len(config.widths)):
        layer = params[f"layer_{number}"]
        weighted_sums = [
            jnp.sum(w * a) + b
            for w, b in zip(layer["weight"], layer["bias"], strict=True)
        ]
        a = jnp.stack([squish(config, number, z) for z in weighted_sums])
    return a


def matrix_form(
    config: MlpConfig, params: Params, image: Float[Array, "..."]
) -> Float[Array, "N"]:
    """The output for one image in the guide's notation, a' = sigma(W a + b)."""
    a = image.reshape(-1)
    for number in range(1, len(config.widths)):
        layer = params[f"layer_{number}"]
        a = squish(config, number, layer["weight"] @ a + layer["bias"])
    return a
