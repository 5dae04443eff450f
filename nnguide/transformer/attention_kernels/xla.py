"""Attention by `jax.nn.dot_product_attention`, as XLA compiles it: runs everywhere.

It keeps all T x S scores in memory, and has neither a soft cap nor dropout.
"""

import jax
from jaxtyping import Bool, Float

from nnguide.array_types import Array
from nnguide.transformer.attention_kernels.mask import (
    Segments,
    allowed_pairs,
    blind_to_zero,
)


def attend(
    query: Float[Array, "B T H K"],
    key: Float[Array, "B S G K"],
    value: Float[Array, "B S G K"],
    *,
    causal: bool = True,
    segments: Segments | None = None,
    valid: Bool[Array, "B T S"] | None = None,
) -> Float[Array, "B T H K"]:
    """What each query's token takes from the others; see `attention_kernels.attend`."""
    shape = query.shape[1], key.shape[1]
    # JAX's own causal mask takes the queries for the first of the tokens, ours are the
    # last; the two are the same only where there are as many of both.
    is_causal = causal and shape[0] == shape[1]
    allowed = allowed_pairs(shape, causal and not is_causal, segments, valid)
    weighted_sums = jax.nn.dot_product_attention(
        query,
        key,
        value,
        mask=None if allowed is None else allowed[:, None],
        is_causal=is_causal,
        implementation="xla",
    )
    return blind_to_zero(weighted_sums, shape, causal, segments, valid)
