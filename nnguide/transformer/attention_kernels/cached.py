"""Attention of new tokens to each other and to those whose keys and values are kept.

A step of writing moves far more numbers than it computes with: the cache is read once,
in the order it lies in memory, and never copied. Rows that go on from the same tokens
share what is kept of them.

Source: 3Blue1Brown, "Attention in transformers, step-by-step".
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from nnguide.array_types import Array


def attend(
    query: Float[Array, "B T H K"],
    key: Float[Array, "B T G K"],
    value: Float[Array, "B T G K"],
    kept_keys: Float[Array, "C G S K"],
    kept_values: Float[Array, "C G S K"],
    filled: Bool[Array, "C S"],
    softcap: float = 0.0,
) -> Float[Array, "B T H K"]:
    """softmax(Q K^T / sqrt(K)) V, as every kernel has it, for the new tokens alone.

    Args:
      query: what each new token asks; head h uses the keys' head h // (H / G).
      key: what the new tokens answer; none sees a later one.
      value: what they give.
      kept_keys: of the tokens before them; B / C rows in a row share each.
      kept_values: theirs.
      filled: which places of the cache hold a token.
      softcap: c > 0 squashes the scores to (-c, c) before the mask; 0 does not.
    """
    (caches, groups, places, width), tokens = kept_keys.shape, query.shape[1]
    asked = query.reshape(caches, -1, tokens, groups, query.shape[2] // groups, width)
    key, value = (a.reshape(caches, -1, tokens, groups, width) for a in (key, value))
    scores = jnp.concatenate(
        [_product("CMTGRK,CGSK->CMGRTS", asked, kept_keys),
         _product("CMTGRK,CMUGK->CMGRTU", asked, key)], -1,
    ) / math.sqrt(width)  # fmt: skip
    if softcap:
        scores = softcap * jnp.tanh(scores / softcap)
    earlier = jnp.broadcast_to(filled[:, None], (caches, tokens, places))
    among_new = jnp.tril(jnp.ones((tokens, tokens), bool))[None]
    among_new = jnp.broadcast_to(among_new, (caches, tokens, tokens))
    seen = jnp.concatenate([earlier, among_new], -1)[:, None, None, None]
    masked = jnp.where(jnp.broadcast_to(seen, scores.shape), scores, -jnp.inf)
    pattern = jax.nn.softmax(masked)
    mixed = _product("CMGRTS,CGSK->CMTGRK", pattern[..., :places], kept_values)
    mixed = mixed + _product("CMGRTU,CMUGK->CMTGRK", pattern[..., places:], value)
    return mixed.reshape(query.shape).astype(query.dtype)


def _product(summed: str, one: Array, other: Array) -> Array:
    return jnp.einsum(summed, one, other, preferred_element_type=jnp.float32)
