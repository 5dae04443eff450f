"""How CLIP's towers are trained: a picture's vector shall fit its captions, no others.

Every other caption of the batch is a negative, but the same words are a positive: where
captions are few, batches hold some of them twice. The temperature is learned. Logits
then approach ln p(caption | picture) / p(caption), up to a constant, so that a caption
that says more about a picture fits it better.

Negatives are those of the whole batch. Under jit the batch is whole already, on any
number of devices. Under shard_map and pmap a device sees its part of it: give `axis`,
the names of the axes that split it, and every device compares its own rows with all
(whose gradients then flow back to their owners). With accumulation, a microbatch has
its own rows as negatives and no others.

Sources: softmax: Radford et al., arXiv 2103.00020; sigmoid: Zhai et al., 2303.15343;
targets with several positives: Yang et al., 2204.03610.
"""

import functools
import math
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Bool, Float, Int

from nnguide.array_types import Array

LossName = Literal["softmax", "sigmoid"]
Axis = str | tuple[str, ...] | None
LARGEST = math.log(100)  # of the logarithm of what cosines are multiplied by
# The logarithm of that factor, and what is added, at the start.
_START: dict[LossName, tuple[float, float]] = {
    "softmax": (math.log(1 / 0.07), 0.0),
    "sigmoid": (math.log(10), -10.0),
}


class Temperature(nn.Module):
    """What makes logits of cosines: exp(scale) cosine + bias.

    Attributes:
      loss: softmax has no bias.
    """

    loss: LossName

    @nn.compact
    def __call__(self) -> tuple[Float[Array, ""], Float[Array, ""] | float]:
        """The factor, at most 100, and the summand."""
        scale, bias = _START[self.loss]
        scale = self._number("scale", scale)
        bias = self._number("bias", bias) if self.loss == "sigmoid" else 0.0
        return jnp.exp(clamped(scale, LARGEST)), bias

    def _number(self, name: str, start: float) -> Any:
        return self.param(name, nn.initializers.constant(start), (), jnp.float32)


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def clamped(x: Float[Array, ""], most: float) -> Float[Array, ""]:
    """min(x, most), whose gradient still leads back from beyond.

    As if x were set to `most` after each step of descent: beyond it, a gradient that
    would raise x further is 0, one that lowers it is not.
    """
    return jnp.minimum(x, most)


def _clamped_forward(x: Array, most: float) -> tuple[Array, Array]:
    return jnp.minimum(x, most), x


def _clamped_backward(most: float, x: Array, slope: Array) -> tuple[Array]:
    return (jnp.where((x < most) | (slope > 0), slope, 0),)


clamped.defvjp(_clamped_forward, _clamped_backward)


class Side(NamedTuple):
    """One side of the pairs: vectors, whose they are, which rows count.

    Attributes:
      vectors: of length 1.
      caption: what pairs that are alike have in common: the tokens, or a class.
      weight: 1, or 0 for padding.
    """

    vectors: Float[Array, "B D"]
    caption: Int[Array, "B T"]
    weight: Float[Array, "B"]


class Sums(NamedTuple):
    """Of a batch's rows, those that count.

    Attributes:
      loss: sum over pictures.
      floor: of the loss that vectors without mistakes would have, as far as several
        positives share one target.
      right: pictures whose best caption is theirs.
    """

    loss: Float[Array, ""]
    floor: Float[Array, ""]
    right: Float[Array, ""]


def alike(rows: Int[Array, "B T"], columns: Int[Array, "S T"]) -> Bool[Array, "B S"]:
    """Which captions are the same."""
    return (rows[:, None] == columns[None]).all(axis=-1)


def compare(
    loss: LossName,
    pictures: Side,
    captions: Side,
    temperature: tuple[Any, Any],
    axis: Axis = None,
) -> Sums:
    """The loss of this device's rows against all rows.

    Args:
      loss: which.
      pictures: this device's.
      captions: this device's, in the same order.
      temperature: factor and summand of the logits.
      axis: of the devices, inside of shard_map or pmap.
    """
    every = jax.tree.map(lambda rows: gather(rows, axis), (pictures, captions))
    all_pictures, all_captions = every
    matches = alike(pictures.caption, all_captions.caption)
    logits = _logits(pictures, all_captions, temperature)
    weight, present = pictures.weight, all_captions.weight > 0
    best = jnp.argmax(jnp.where(present[None], logits, -jnp.inf), axis=1)
    right = jnp.take_along_axis(matches, best[:, None], axis=1)[:, 0]
    if loss == "sigmoid":
        each = -jax.nn.log_sigmoid(jnp.where(matches, logits, -logits))
        each, floor = (each * present[None]).sum(axis=1), jnp.zeros_like(weight)
    else:
        there = _surprise(logits, matches, present)
        logits = _logits(captions, all_pictures, temperature)
        back = _surprise(logits, matches, all_pictures.weight > 0)
        each, floor = ((a + b) / 2 for a, b in zip(there, back, strict=True))
    counts = weight > 0  # a shard may hold padding alone, whose rows have no columns
    return Sums(*(jnp.where(counts, weight * r, 0).sum() for r in (each, floor, right)))


def gather(rows: Array, axis: Axis) -> Array:
    """All devices' rows one after another; their gradients are summed on the way back.

    Args:
      rows: of this device.
      axis: of the devices; None where the rows are all rows.
    """
    return rows if axis is None else jax.lax.all_gather(rows, axis, tiled=True)


def _logits(rows: Side, columns: Side, temperature: tuple[Any, Any]) -> Array:
    factor, summand = temperature
    return factor * (rows.vectors @ columns.vectors.T) + summand


def _surprise(
    logits: Float[Array, "B S"], matches: Bool[Array, "B S"], present: Bool[Array, "S"]
) -> tuple[Float[Array, "B"], Float[Array, "B"]]:
    """Cross-entropy of each row with its matches, all equally likely, and its floor."""
    matches = matches & present[None]
    number = jnp.maximum(matches.sum(axis=1), 1)
    hidden = jnp.where(present[None], logits, jnp.finfo(logits.dtype).min)
    wanted = jnp.where(matches, logits, 0).sum(axis=1) / number
    return jax.nn.logsumexp(hidden, axis=1) - wanted, jnp.log(number)
