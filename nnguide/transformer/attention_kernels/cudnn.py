"""cuDNN's fused attention kernel for NVIDIA GPUs, which stores no T x S array.

It supports bfloat16 and float16 only; `table` lists its other limits.
"""

import jax
from jaxtyping import Float

from nnguide.array_types import Array


def attend(
    query: Float[Array, "B T H K"],
    key: Float[Array, "B S G K"],
    value: Float[Array, "B S G K"],
    *,
    causal: bool = True,
) -> Float[Array, "B T H K"]:
    """Computes attention by cuDNN; see `attention_kernels.attend`."""
    return jax.nn.dot_product_attention(
        query, key, value, is_causal=causal, implementation="cudnn"
    )
