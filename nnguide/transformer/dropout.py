"""Dropout from cheap random bits: one random word decides for four numbers.

A number is kept with probability k / 256 and then scaled by 256 / k, k being whole, so
that the mean is exactly the input: rate 0.1 keeps 230 of 256 and drops 0.1016. A
random byte is enough to decide that, so one 32-bit draw serves four numbers; the usual
way draws a word a number and turns it into a float first.

Source: Srivastava et al., "Dropout" (2014).
"""

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from nnguide.array_types import Array, Key
from nnguide.config import InputError

LEVELS = 256  # of a random byte


def dropout(x: Float[Array, "*shape"], rate: float, key: Key) -> Float[Array, "*shape"]:
    """Sets a share `rate` of the numbers to 0 and scales the rest up to the same mean.

    Args:
      x: any numbers; at rate 0 they come back as they are.
      rate: the share to drop, 0 <= rate < 1, rounded to the next 1/256.
      key: decides which ones.

    Raises:
      InputError: the rate is out of range.
    """
    scale = scale_of_kept(rate)
    if scale == 1:
        return x
    return jnp.where(kept(x.shape, rate, key), x * scale, 0)


def kept(shape: tuple[int, ...], rate: float, key: Key) -> Bool[Array, "..."]:
    """True where a number stays, for each number of an array of that shape.

    Each number's fate depends on its place in row-major order alone as long as the
    last axis is the same: an array and the same array with its leading axes merged
    lose the same numbers.

    Raises:
      InputError: the rate is out of range.
    """
    *leading, last = shape or (1,)
    words = jax.random.bits(key, (*leading, -(-last // 4)), jnp.uint32)
    four_bytes = jax.lax.bitcast_convert_type(words, jnp.uint8)
    one_byte = four_bytes.reshape(*leading, -1)[..., :last].reshape(shape)
    return one_byte <= _levels(rate) - 1


def scale_of_kept(rate: float) -> float:
    """What the kept numbers are multiplied by: 256 / k, k of 256 being kept.

    Raises:
      InputError: the rate is out of range.
    """
    return LEVELS / _levels(rate)


def _levels(rate: float) -> int:
    """How many of the 256 values of a byte keep a number."""
    if not 0 <= rate < 1:
        raise InputError(
            f"dropout={rate}: not a share to drop. Give 0 for none, or less than 1."
        )
    return max(1, round(LEVELS * (1 - rate)))
