"""The network of the video's spiral: a place, a level of noise, and maybe a class.

A few fully connected layers. The level enters as two numbers, sin and cos of
ln(sigma) / 2, a class as four learned ones.

Source: smalldiffusion (C. Yuan), whose networks the video animates.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Float

from nnguide.array_types import Array, Key, Params

_CLASS_NUMBERS = 4


@dataclasses.dataclass(frozen=True)
class PointNetworkConfig:
    """A network on points in the plane.

    Attributes:
      widths: neurons of the hidden layers.
      classes: how many classes it knows beside none, which has the number `classes`; 0
        knows no classes at all.
    """

    widths: tuple[int, ...] = (16, 128, 128, 128, 128, 16)
    classes: int = 0


class PointNetwork(nn.Module):
    """The network; its answer has the place's two numbers."""

    config: PointNetworkConfig

    @nn.compact
    def __call__(
        self, x: Float[Array, "B 2"], noise_level: Float[Array, "B"], condition: Any
    ) -> Float[Array, "B 2"]:
        """Answers for places x, levels ln(sigma) / 4, and classes (B,) or None."""
        angle = 2 * noise_level[:, None]
        inputs = [x, jnp.sin(angle), jnp.cos(angle)]
        if self.config.classes:
            inputs.append(nn.Embed(self.config.classes + 1, _CLASS_NUMBERS)(condition))
        a = jnp.concatenate(inputs, axis=1)
        for width in self.config.widths:
            a = jax.nn.gelu(nn.Dense(width)(a), approximate=False)
        return nn.Dense(2)(a)


def initial_params(config: PointNetworkConfig, key: Key) -> Params:
    """Random parameters."""
    label = jnp.zeros(1, int) if config.classes else None
    network = PointNetwork(config)
    return network.init(
        key, jnp.zeros((1, 2), jnp.float32), jnp.zeros(1, jnp.float32), label
    )["params"]
