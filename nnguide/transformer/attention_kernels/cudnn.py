"""Attention by cuDNN's fused kernel, on NVIDIA GPUs: no T x S array in memory.

bfloat16 or float16 only. `table` says what its public interface lacks.
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
    """What each query's token takes from the others; see `attention_kernels.attend`."""
    return jax.nn.dot_product_attention(
        query, key, value, is_causal=causal, implementation="cudnn"
    )
