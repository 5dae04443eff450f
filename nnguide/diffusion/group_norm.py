"""Group normalization as what it comes to: one factor and one summand a channel.

Mean and variance of a group, the learned scale and shift, and those that the noise
level asks for, all end in x * factor + summand. Who takes the maps next reads them once
and does that on the way. Who made the maps may know their sums, which need no reading.

Sources: Wu and He, arXiv 1803.08494; scale and shift by the noise level: Dhariwal and
Nichol, arXiv 2105.05233, section 3.
"""

from typing import Any, NamedTuple

import jax
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


class Sums(NamedTuple):
    """Sums of maps over all places, float32.

    Attributes:
      values: of each image's channels.
      squares: of their squares.
    """

    values: Float[Array, "B C"]
    squares: Float[Array, "B C"]


class Measured(NamedTuple):
    """Maps, and their sums where who made them knows them.

    Attributes:
      maps: activations.
      sums: theirs, without a gradient: that comes from the maps.
    """

    maps: Float[Array, "B height width C"]
    sums: Sums | None = None


class GroupNorm(nn.Module):
    """How to normalize groups of channels over all places, in float32."""

    @nn.compact
    def __call__(
        self,
        measured: Measured,
        scale_shift: Float[Array, "B C2"] | None = None,
    ) -> Normalizing:
        """What brings the maps to mean 0 and variance 1, then to the learned ones.

        Args:
          measured: what is to be normalized.
          scale_shift: what the noise level asks for: scales s and then shifts, so that
            the normalized maps become (1 + s) z + shift.
        """
        maps = measured.maps
        channels = maps.shape[-1]
        factor, summand = _normalizing(sums_of(measured), maps.shape)
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


def concatenated(one: Measured, other: Measured) -> Measured:
    """The channels of both; measured if one of them is."""
    maps = jnp.concatenate([one.maps, other.maps], axis=-1)
    if one.sums is None and other.sums is None:
        return Measured(maps)
    pairs = zip(sums_of(one), sums_of(other), strict=True)
    return Measured(maps, Sums(*(jnp.concatenate(pair, axis=-1) for pair in pairs)))


def sums_of(measured: Measured) -> Sums:
    """The sums that are known, or else computed; the gradient is that of the maps."""
    maps, sums = measured
    return _computed(maps) if sums is None else _known(maps, sums)


def _computed(maps: Array) -> Sums:
    batch, channels = maps.shape[0], maps.shape[-1]
    flat = maps.reshape(batch, -1, channels).astype(jnp.float32)
    return Sums(flat.sum(1), jnp.square(flat).sum(1))


@jax.custom_vjp
def _known(maps: Array, sums: Sums) -> Sums:
    """Sums; for the gradient, they are computed from the maps."""
    del maps
    return sums


def _known_forward(maps: Array, sums: Sums) -> tuple[Sums, Array]:
    return sums, maps


def _known_backward(maps: Array, slopes: Sums) -> tuple[Array, None]:
    by_value, by_square = (_spread(vector, maps) for vector in slopes)
    return by_value + 2 * by_square * maps, None


_known.defvjp(_known_forward, _known_backward)


def _normalizing(sums: Sums, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """Factor and summand (B, C) that bring each group to mean 0 and variance 1."""
    batch, height, width, channels = shape
    groups = groups_of(channels)
    count = height * width * channels // groups

    def mean(vectors: Array) -> Array:
        """Over each group, from the sums over places."""
        return vectors.reshape(batch, groups, -1).sum(-1, keepdims=True) / count

    center = mean(sums.values)
    variance = mean(sums.squares) - jnp.square(center)
    factor = lax.rsqrt(jnp.maximum(variance, 0) + EPSILON)
    shape = (batch, groups, channels // groups)
    return (
        jnp.broadcast_to(factor, shape).reshape(batch, channels),
        jnp.broadcast_to(-center * factor, shape).reshape(batch, channels),
    )


def _spread(vectors: Float[Array, "B C"], maps: Array) -> Array:
    return vectors[:, None, None].astype(maps.dtype)
