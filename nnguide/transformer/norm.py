"""Layer norm and RMS norm, always computed in float32.

Sources: Ba et al., arXiv 1607.06450; Zhang and Sennrich, arXiv 1910.07467.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jaxtyping import Float

from nnguide.array_types import Array
from nnguide.transformer.config import Norm

EPSILON = 1e-5  # GPT-2's


class Normalize(nn.Module):
    """Brings each token's vector to mean 0 and variance 1 (or mean square 1).

    Attributes:
      kind: layer_norm subtracts the mean, rms_norm does not.
      bias: whether a layer norm adds a learned vector at the end.
    """

    kind: Norm
    bias: bool

    @nn.compact
    def __call__(self, x: Float[Array, "*before D"]) -> Float[Array, "*before D"]:
        """Normalizes the last axis, scales each component; keeps the dtype."""
        z = _normalized(x.astype(jnp.float32), self.kind == "layer_norm")
        z = z * self._vector("scale", nn.initializers.ones, x)
        if self.bias and self.kind == "layer_norm":
            z = z + self._vector("bias", nn.initializers.zeros, x)
        return z.astype(x.dtype)

    def _vector(self, name: str, initial: Any, x: Array) -> Any:
        boxed = nn.with_logical_partitioning(initial, ("embedding",))
        vector: Any = self.param(name, boxed, x.shape[-1:], jnp.float32)
        return vector.reshape((1,) * (x.ndim - 1) + x.shape[-1:])


@functools.partial(jax.checkpoint, static_argnums=1)
def _normalized(x: Array, subtract_mean: bool) -> Array:
    """Computed anew in the backward pass.

    What autodiff keeps otherwise has to be written and read again, which costs a small
    GPT's whole training step on a CPU more than a tenth.
    """
    if subtract_mean:
        x = x - x.mean(-1, keepdims=True)
    return unit_mean_square(x)


def unit_mean_square(x: Float[Array, "*before D"]) -> Float[Array, "*before D"]:
    """Scales the last axis to mean square 1, in x's dtype."""
    return x * lax.rsqrt(jnp.square(x).mean(-1, keepdims=True) + EPSILON)
