"""Attention by cuDNN's fused kernel, on NVIDIA GPUs: no T x S array in memory.

bfloat16 or float16 only. `table` says what its public interface lacks.
"""

import jax
from jaxtyping import Float

from nnguide.array_types import Array
from nnguide.config import InputError


def attend(
    query: Float[Array, "B T H K"],
    key: Float[Array, "B S G K"],
    value: Float[Array, "B S G K"],
    *,
    causal: bool = True,
) -> Float[Array, "B T H K"]:
    """What each query's token takes from the others; see `attention_kernels.attend`.

    Raises:
      InputError: causal, with other keys than the queries' own tokens.
    """
    queries, keys = query.shape[1], key.shape[1]
    if causal and queries != keys:
        # Its causal mask takes the queries for the first of the tokens, not the last.
        raise InputError(
            f"attention=cudnn: {queries} queries and {keys} keys under a causal mask. "
            "Give as many keys as queries, or attention=xla."
        )
    return jax.nn.dot_product_attention(
        query, key, value, is_causal=causal, implementation="cudnn"
    )
