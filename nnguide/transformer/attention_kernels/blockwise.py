"""Attention for CPUs: few queries at a time, each block against the keys it may see.

Under a causal mask a block of queries needs the keys up to its own end only, which
saves almost half of the products, and a block's scores stay in the processor's cache.
Heads are merged with the batch, (B G, R T, K), so that each product is one batched
product of matrices. The gradient of a block is written by hand (`block`); it has no
forward-mode derivative (`jax.jvp`): take another kernel for that.
"""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Bool, Float

from nnguide.array_types import Array, Key
from nnguide.transformer.attention_kernels.block import attend_block
from nnguide.transformer.attention_kernels.mask import (
    Segments,
    allowed_pairs,
    can_be_blind,
)
from nnguide.transformer.dropout import kept, scale_of_kept

MOST_BLOCKS = 16  # they are unrolled: more take long to compile
EVERY = slice(None)


def attend(
    query: Float[Array, "B T H K"],
    key: Float[Array, "B S G K"],
    value: Float[Array, "B S G K"],
    *,
    causal: bool = True,
    segments: Segments | None = None,
    valid: Bool[Array, "B T S"] | None = None,
    softcap: float = 0.0,
    dropout: float = 0.0,
    dropout_key: Key | None = None,
) -> Float[Array, "B T H K"]:
    """What each query's token takes from the others; see `attention_kernels.attend`."""
    batch, queries, heads, width = query.shape
    keys, groups = key.shape[1:3]
    shape_BHTS = (batch, heads, queries, keys)
    allowed = allowed_pairs((queries, keys), causal, segments, valid)
    some_blind = can_be_blind((queries, keys), causal, segments, valid)
    stays = None
    if dropout_key is not None:
        stays = kept(shape_BHTS, dropout, dropout_key)
    if allowed is not None:
        allowed = jnp.broadcast_to(allowed[:, None], shape_BHTS)
    query, key, value = (x.swapaxes(1, 2) for x in (query, key, value))

    def merged(x: Array, rows: slice, columns: slice = EVERY) -> Array:
        """Some of (B, heads, rows, columns) as (B G, R rows, columns)."""
        x = x[:, :, rows, columns]
        return x.reshape(batch * groups, -1, x.shape[-1])

    done = []
    block = block_size(queries, query.dtype)
    for start in range(0, queries, block):
        rows = slice(start, min(start + block, queries))
        # At least one key, so that a block which sees none still has a shape.
        seen = slice(0, max(1, keys - queries + rows.stop) if causal else keys)
        weighted_sums: Any = attend_block(
            merged(query, rows),
            merged(key, seen),
            merged(value, seen),
            None if allowed is None else merged(allowed, rows, seen),
            None if stays is None else merged(stays, rows, seen),
            softcap,
            scale_of_kept(dropout),
            some_blind,
        )
        done.append(weighted_sums.reshape(batch, heads, -1, width))
    return jnp.concatenate(done, axis=2).swapaxes(1, 2)


def block_size(queries: int, dtype: Any) -> int:
    """How many queries make a block, as measured on two cores.

    In float32 blocks of 64 are fastest up to 512 queries (of 256: 5.8 ms where 128
    takes 6.9 to 8.0); the faster products of bfloat16 want larger ones.
    """
    if queries <= 128:
        return queries
    smallest = 64 if dtype == jnp.float32 and queries <= 512 else 128
    return max(smallest, -(-queries // MOST_BLOCKS))
