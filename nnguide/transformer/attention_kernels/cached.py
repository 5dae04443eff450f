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
    kept: tuple[Float[Array, "C G S K"], Float[Array, "C G S K"]],
    filled: Bool[Array, "C S"],
    new: tuple[Float[Array, "B T G K"], Float[Array, "B T G K"]] | None = None,
    softcap: float = 0.0,
) -> Float[Array, "B T H K"]:
    """softmax(Q K^T / sqrt(K)) V, as every kernel has it, for the new tokens alone.

    Args:
      query: what each new token asks; head h uses the keys' head h // (H / G).
      kept: keys and values of a cache; B / C rows in a row share each.
      filled: which places of the cache hold a token.
      new: the new tokens' own, none of which sees a later one; None where they are
        among those kept.
      softcap: c > 0 squashes the scores to (-c, c) before the mask; 0 does not.
    """
    (caches, groups, places, width), tokens = kept[0].shape, query.shape[1]
    asked = query.reshape(caches, -1, tokens, groups, query.shape[2] // groups, width)
    scores = _product("CMTGRK,CGSK->CMGRTS", asked, kept[0])
    seen = jnp.broadcast_to(filled[:, None], (caches, tokens, places))
    own_keys, own_values = (
        (None, None)
        if new is None
        else (a.reshape(caches, -1, tokens, groups, width) for a in new)
    )
    if own_keys is not None:
        own = _product("CMTGRK,CMUGK->CMGRTU", asked, own_keys)
        scores = jnp.concatenate([scores, own], -1)
        among_new = jnp.tril(jnp.ones((tokens, tokens), bool))[None]
        among_new = jnp.broadcast_to(among_new, (caches, tokens, tokens))
        seen = jnp.concatenate([seen, among_new], -1)
    scores = scores / math.sqrt(width)
    if softcap:
        scores = softcap * jnp.tanh(scores / softcap)
    seen = jnp.broadcast_to(seen[:, None, None, None], scores.shape)
    pattern = jax.nn.softmax(jnp.where(seen, scores, -jnp.inf))
    mixed = _product("CMGRTS,CGSK->CMTGRK", pattern[..., :places], kept[1])
    if own_values is not None:
        added = _product("CMGRTU,CMUGK->CMTGRK", pattern[..., places:], own_values)
        mixed = mixed + added
    return mixed.reshape(query.shape).astype(query.dtype)


def _product(summed: str, one: Array, other: Array) -> Array:
    return jnp.einsum(summed, one, other, preferred_element_type=jnp.float32)
