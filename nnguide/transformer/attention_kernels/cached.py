"""Attention of one new token a row, to itself and to the tokens before it.

A step of writing moves far more numbers than it computes with: the cache is read once,
in the order it lies in memory, and never copied.

Source: 3Blue1Brown, "Attention in transformers, step-by-step".
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from nnguide.array_types import Array


def attend(
    query: Float[Array, "B H K"],
    key: Float[Array, "B G K"],
    value: Float[Array, "B G K"],
    kept_keys: Float[Array, "B G S K"],
    kept_values: Float[Array, "B G S K"],
    filled: Bool[Array, "B S"],
    softcap: float = 0.0,
) -> Float[Array, "B H K"]:
    """softmax(Q K^T / sqrt(K)) V, as every kernel has it, for the new tokens alone.

    Args:
      query: what each new token asks; head h uses the keys' head h // (H / G).
      key: what it answers itself.
      value: what it gives itself.
      kept_keys: of the tokens before it.
      kept_values: theirs.
      filled: which places of the cache hold a token of the row.
      softcap: c > 0 squashes the scores to (-c, c) before the mask; 0 does not.
    """
    batch, groups, places, width = kept_keys.shape
    asked = query.reshape(batch, groups, -1, width)
    earlier = jnp.einsum(
        "BGRK,BGSK->BGRS", asked, kept_keys, preferred_element_type=jnp.float32
    )
    own = (asked * key[:, :, None]).astype(jnp.float32).sum(-1, keepdims=True)
    scores = jnp.concatenate([earlier, own], -1) / math.sqrt(width)
    if softcap:
        scores = softcap * jnp.tanh(scores / softcap)
    seen = jnp.pad(filled, ((0, 0), (0, 1)), constant_values=True)[:, None, None]
    masked = jnp.where(jnp.broadcast_to(seen, scores.shape), scores, -jnp.inf)
    pattern = jax.nn.softmax(masked)
    mixed = jnp.einsum(
        "BGRS,BGSK->BGRK",
        pattern[..., :places],
        kept_values,
        preferred_element_type=jnp.float32,
    )
    mixed = mixed + pattern[..., places:] * value[:, :, None].astype(jnp.float32)
    return mixed.reshape(query.shape).astype(query.dtype)
