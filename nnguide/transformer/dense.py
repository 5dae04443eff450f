"""Matrix products of activations with a kernel, in float32 or bfloat16.

Activations are flattened to (tokens, D) for the product: XLA on CPU transposes before
a weight gradient that contracts both batch and tokens, which costs the product's own
time once more.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Float

from nnguide import target
from nnguide.array_types import Array


class Dense(nn.Module):
    """x W + b, with `kernel` (in, out) and, where asked for, `bias` (out,).

    Attributes:
      features: how many numbers come out.
      axes: logical names of the kernel's two axes.
      bias: whether something is added.
      std: of the random kernel.
      dtype: of the product's inputs.
    """

    features: int
    axes: tuple[str, str]
    bias: bool
    std: float
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "*before D"]) -> Float[Array, "*before F"]:
        """The product, in `activation_dtype(dtype)`."""
        kernel: Any = self.param(
            "kernel",
            nn.with_logical_partitioning(nn.initializers.normal(self.std), self.axes),
            (x.shape[-1], self.features),
            jnp.float32,
        )
        y = product(x.reshape(-1, x.shape[-1]), kernel, self.dtype)
        if self.bias:
            bias: Any = self.param(
                "bias",
                nn.with_logical_partitioning(nn.initializers.zeros, self.axes[1:]),
                (self.features,),
                jnp.float32,
            )
            y = y + bias.astype(y.dtype)[None]
        return y.reshape(*x.shape[:-1], self.features)


def activation_dtype(dtype: Any) -> Any:
    """What products give: float32 on CPU, whose bfloat16 is fast in products alone."""
    return jnp.float32 if target.platform() == "cpu" else dtype


def product(
    x: Float[Array, "N D"],
    kernel: Float[Array, "..."],
    dtype: Any,
    by_rows: bool = False,
) -> Float[Array, "N F"]:
    """The product, its inputs rounded to the given dtype.

    Args:
      x: one row a token.
      kernel: (D, F); or (F, D) `by_rows`, as an unembedding has a row a token id.
      dtype: of the inputs.
      by_rows: whether the kernel's rows make the columns of the result.
    """
    on_cpu = activation_dtype(dtype) != dtype
    if dtype == jnp.bfloat16 and on_cpu:
        return _bfloat16_product(by_rows, x, kernel)
    inside = 1 if by_rows else 0
    return _dot(x.astype(dtype), kernel.astype(dtype), inside, None)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _bfloat16_product(by_rows: bool, x: Array, kernel: Array) -> Array:
    """bfloat16 in, float32 out, as a CPU with bfloat16 dot products computes it.

    XLA takes the CPU's bfloat16 kernel only where the left side's last axis is summed
    over. The weight gradient sums over tokens, so it needs a transposed left side in
    memory of its own.
    """
    return _dot(_cast(x), _cast(kernel), 1 if by_rows else 0)


def _forward(
    by_rows: bool, x: Array, kernel: Array
) -> tuple[Array, tuple[Array, Array]]:
    x, kernel = _cast(x), _cast(kernel)
    return _dot(x, kernel, 1 if by_rows else 0), (x, kernel)


def _backward(
    by_rows: bool, kept: tuple[Array, Array], dy: Array
) -> tuple[Array, Array]:
    x, kernel = kept
    dy = _cast(dy)
    dx = _dot(dy, kernel, 0 if by_rows else 1)
    if by_rows:
        return dx, _dot(_transposed(dy), x)
    if x.shape[1] <= dy.shape[1]:
        return dx, _dot(_transposed(x), dy)
    # The narrower side is turned, and the result behind a barrier of its own.
    return dx, jax.lax.optimization_barrier(_dot(_transposed(dy), x)).T


_bfloat16_product.defvjp(_forward, _backward)


def _cast(x: Array) -> Array:
    return x.astype(jnp.bfloat16)


def _dot(x: Array, y: Array, inside: int = 0, dtype: Any = jnp.float32) -> Array:
    """Sums over x's last axis and y's axis `inside`."""
    axes = (((1,), (inside,)), ((), ()))
    return jax.lax.dot_general(x, y, axes, preferred_element_type=dtype)


def _transposed(x: Array) -> Array:
    """x^T as an array of its own.

    XLA folds a transposition into a product, before it or after, and then leaves the
    bfloat16 kernel (or, on jaxlib 0.10, stops when it runs); flattened behind a barrier
    it cannot be folded.
    """
    flat = jax.lax.optimization_barrier(x.T.reshape(-1))
    return flat.reshape(x.shape[::-1])
