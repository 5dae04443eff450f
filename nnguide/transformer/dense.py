"""Matrix products of activations with a kernel, in float32 or bfloat16.

Activations are flattened to (tokens, D) for the product: XLA on CPU transposes before
a weight gradient that contracts both batch and tokens, which costs the product's own
time once more.
"""

from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Float

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
    return jnp.float32 if jax.default_backend() == "cpu" else dtype


def product(
    x: Float[Array, "N D"], kernel: Float[Array, "D F"], dtype: Any
) -> Float[Array, "N F"]:
    """The product, its inputs rounded to the given dtype."""
    if dtype == jnp.float32:
        return x @ kernel
    if activation_dtype(dtype) == dtype:
        return x.astype(dtype) @ kernel.astype(dtype)
    return _bfloat16_product(x, kernel)


@jax.custom_vjp
def _bfloat16_product(
    x: Float[Array, "N D"], kernel: Float[Array, "D F"]
) -> Float[Array, "N F"]:
    """bfloat16 in, float32 out, as a CPU with bfloat16 dot products computes it."""
    return _rows_times_columns(_cast(x), _cast(kernel))


def _forward(x: Array, kernel: Array) -> tuple[Array, tuple[Array, Array]]:
    x, kernel = _cast(x), _cast(kernel)
    return _rows_times_columns(x, kernel), (x, kernel)


def _backward(kept: tuple[Array, Array], dy: Array) -> tuple[Array, Array]:
    x, kernel = kept
    dy = _cast(dy)
    dx = jax.lax.dot_general(
        dy, kernel, (((1,), (1,)), ((), ())), preferred_element_type=jnp.float32
    )
    if x.shape[1] <= dy.shape[1]:
        d_kernel = _rows_times_columns(_transposed(x), dy)
    else:
        # Without the barrier XLA folds this transposition into the product as well.
        flipped = jax.lax.optimization_barrier(_rows_times_columns(_transposed(dy), x))
        d_kernel = flipped.T
    return dx, d_kernel


_bfloat16_product.defvjp(_forward, _backward)


def _cast(x: Array) -> Array:
    return x.astype(jnp.bfloat16)


def _rows_times_columns(x: Array, y: Array) -> Array:
    return jax.lax.dot_general(
        x, y, (((1,), (0,)), ((), ())), preferred_element_type=jnp.float32
    )


def _transposed(x: Array) -> Array:
    """x^T as an array of its own.

    Folded into the product, as XLA likes to, a transposition makes its CPU backend
    leave the bfloat16 kernel; flattened behind a barrier it cannot be folded.
    """
    flat = jax.lax.optimization_barrier(x.T.reshape(-1))
    return flat.reshape(x.shape[::-1])
