"""Attention of new tokens to each other and to those whose keys and values are kept.

A step of writing moves far more numbers than it computes with: the cache is read once,
in the order it lies in memory, and never copied. Rows that go on from the same tokens
share what is kept of them.

Source: 3Blue1Brown, "Attention in transformers, step-by-step".
"""

import functools
import math
from typing import Any

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
    (caches, groups, _, width), tokens = kept[0].shape, query.shape[1]
    asked = query.reshape(caches, -1, tokens, groups, query.shape[2] // groups, width)
    rows = (caches, -1, tokens, groups, width)
    own = None if new is None else (new[0].reshape(rows), new[1].reshape(rows))
    mixed: Array = _attend(asked, (kept[0], kept[1]), own, filled, softcap)
    return mixed.reshape(query.shape).astype(query.dtype)


@functools.partial(jax.custom_vjp, nondiff_argnums=(4,))
def _attend(
    asked: Float[Array, "C M T G R K"],
    kept: tuple[Float[Array, "C G S K"], Float[Array, "C G S K"]],
    new: tuple[Float[Array, "C M T G K"], Float[Array, "C M T G K"]] | None,
    filled: Bool[Array, "C S"],
    softcap: float,
) -> Float[Array, "C M T G R K"]:
    """`attend`, by the M rows that share a cache and the R queries that share keys."""
    return _forward(asked, kept, new, filled, softcap)[0]


def _forward(
    asked: Array, kept: Any, new: Any, filled: Array, softcap: float
) -> tuple[Array, tuple]:
    """The result, and what its gradient needs."""
    tokens, places = asked.shape[2], filled.shape[1]
    scores = _product("CMTGRK,CGSK->CMGRTS", asked, kept[0])
    seen = jnp.broadcast_to(filled[:, None], (len(filled), tokens, places))
    if new is not None:
        own = _product("CMTGRK,CMUGK->CMGRTU", asked, new[0])
        scores = jnp.concatenate([scores, own], -1)
        among_new = jnp.tril(jnp.ones((tokens, tokens), bool))[None]
        among_new = jnp.broadcast_to(among_new, (len(filled), tokens, tokens))
        seen = jnp.concatenate([seen, among_new], -1)
    scores, slope = scores / math.sqrt(asked.shape[-1]), None
    if softcap:
        squashed = jnp.tanh(scores / softcap)
        scores, slope = softcap * squashed, 1 - squashed**2
    seen = jnp.broadcast_to(seen[:, None, None, None], scores.shape)
    pattern = jax.nn.softmax(jnp.where(seen, scores, -jnp.inf))
    mixed = _product("CMGRTS,CGSK->CMTGRK", pattern[..., :places], kept[1])
    if new is not None:
        own = _product("CMGRTU,CMUGK->CMTGRK", pattern[..., places:], new[1])
        mixed = mixed + own
    return mixed, (asked, kept, new, pattern, slope, mixed)


def _backward(softcap: float, saved: tuple, d_mixed: Array) -> tuple:
    """As in `block`: a query's sum of p dp over its keys is that of o do."""
    asked, kept, new, pattern, slope, mixed = saved
    places, dtype = kept[0].shape[2], asked.dtype
    d_pattern = _product("CMTGRK,CGSK->CMGRTS", d_mixed, kept[1])
    if new is not None:
        own = _product("CMTGRK,CMUGK->CMGRTU", d_mixed, new[1])
        d_pattern = jnp.concatenate([d_pattern, own], -1)
    sum_of_p_dp = (mixed * d_mixed).sum(-1).transpose(0, 1, 3, 4, 2)[..., None]
    d_scores = pattern * (d_pattern - sum_of_p_dp) / math.sqrt(asked.shape[-1])
    if slope is not None:
        d_scores = d_scores * slope
    before, after = d_scores[..., :places], d_scores[..., places:]
    d_asked = _product("CMGRTS,CGSK->CMTGRK", before, kept[0])
    d_kept = (
        _product("CMGRTS,CMTGRK->CGSK", before, asked),
        _product("CMGRTS,CMTGRK->CGSK", pattern[..., :places], d_mixed),
    )
    d_new = None
    if new is not None:
        d_asked = d_asked + _product("CMGRTU,CMUGK->CMTGRK", after, new[0])
        d_new = (
            _product("CMGRTU,CMTGRK->CMUGK", after, asked),
            _product("CMGRTU,CMTGRK->CMUGK", pattern[..., places:], d_mixed),
        )
    gradients = (d_asked, d_kept, d_new)
    return (*jax.tree.map(lambda d: d.astype(dtype), gradients), None)


_attend.defvjp(_forward, _backward)


def _product(summed: str, one: Array, other: Array) -> Array:
    return jnp.einsum(summed, one, other, preferred_element_type=jnp.float32)
