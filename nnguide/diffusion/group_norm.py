"""Group normalization as what it comes to: one factor and one summand a channel.

Mean and variance of a group, the learned scale and shift, and those that the noise
level asks for, all end in x * factor + summand. Who takes the maps next reads them once
and does that on the way.

Sources: Wu and He, arXiv 1803.08494; scale and shift by the noise level: Dhariwal and
Nichol, arXiv 2105.05233, section 3.
"""

from typing import Any, NamedTuple

import jax.numpy as jnp
from flax import linen as nn
from flax.linen.spmd import with_logical_constraint
from jax import lax
from jaxtyping import Float

from nnguide.array_types import Array

EPSILON = 1e-5
MOST_GROUPS, LEAST_CHANNELS = 32, 4  # 32 groups, but none of fewer than 4 channels


class Normalizing(NamedTuple):
    """What normalizes maps x: x * factor + summand.

    Attributes:
      factor: of each image's channels.
      summand: alike.
    """

    factor: Float[Array, "B C"]
    summand: Float[Array, "B C"]


class GroupNorm(nn.Module):
    """How to normalize groups of channels over all places, in float32."""

    @nn.compact
    def __call__(
        self,
        maps: Float[Array, "B height width C"],
        scale_shift: Float[Array, "B C2"] | None = None,
    ) -> Normalizing:
        """What brings the maps to mean 0 and variance 1, then to the learned ones.

        Args:
          maps: activations.
          scale_shift: what the noise level asks for: scales s and then shifts, so that
            the normalized maps become (1 + s) z + shift.
        """
        channels = maps.shape[-1]
        factor, summand = _normalizing(maps)
        scale = self._vector("scale", nn.initializers.ones, channels)
        bias = self._vector("bias", nn.initializers.zeros, channels)
        factor, summand = factor * scale, summand * scale + bias
        if scale_shift is not None:
            more, shift = jnp.split(scale_shift.astype(jnp.float32), 2, axis=-1)
            factor, summand = factor * (1 + more), summand * (1 + more) + shift
        return Normalizing(factor, summand)

    def _vector(self, name: str, initial: Any, channels: int) -> Any:
        boxed = nn.with_logical_partitioning(initial, ("embedding",))
        vector: Any = self.param(name, boxed, (channels,), jnp.float32)
        return vector[None]


def normalized(
    maps: Float[Array, "B height width C"], how: Normalizing
) -> Float[Array, "B height width C"]:
    """Maps * factor + summand."""
    return on_the_stream(maps * _spread(how.factor, maps) + _spread(how.summand, maps))


def on_the_stream(maps: Float[Array, "B height width C"]) -> Any:
    """Maps, and their gradients, split over devices by images, never by channels.

    Left to itself XLA takes a kernel's axis for the maps; on a mesh of data, fsdp and
    tensor its gradients are then wrong (jaxlib 0.10.2, CPU).
    """
    return with_logical_constraint(maps, ("batch", "height", "width", "embedding"))


def groups_of(channels: int) -> int:
    """How many groups: 32, but at least 4 channels in each; it divides the channels."""
    most = max(1, min(MOST_GROUPS, channels // LEAST_CHANNELS))
    return next(n for n in range(most, 0, -1) if channels % n == 0)


def _normalizing(maps: Array) -> tuple[Array, Array]:
    """Factor and summand (B, C) that bring each group to mean 0 and variance 1."""
    batch, height, width, channels = maps.shape
    groups = groups_of(channels)
    flat = maps.reshape(batch, height * width, channels).astype(jnp.float32)
    count = height * width * channels // groups

    def mean(sums: Array) -> Array:
        """Over each group, from the sums over places."""
        return sums.reshape(batch, groups, -1).sum(-1, keepdims=True) / count

    center = mean(flat.sum(1))
    variance = mean(jnp.square(flat).sum(1)) - jnp.square(center)
    factor = lax.rsqrt(jnp.maximum(variance, 0) + EPSILON)
    shape = (batch, groups, channels // groups)
    return (
        jnp.broadcast_to(factor, shape).reshape(batch, channels),
        jnp.broadcast_to(-center * factor, shape).reshape(batch, channels),
    )


def _spread(vectors: Float[Array, "B C"], maps: Array) -> Array:
    return vectors[:, None, None].astype(maps.dtype)
