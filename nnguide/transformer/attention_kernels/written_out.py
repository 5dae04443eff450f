"""Attention as the guide tells it, step by step: the reference of every kernel.

Part 7: each token asks with its query, each token answers with its key. Their dot
products say how relevant one is to the other; softmax turns a query's dot products
into weights, the pattern; and the weighted sum of the values is what the token takes
from the others: softmax(Q K^T / sqrt(K)) V.

Letters: `G` heads of the keys and values, `R` query heads that share one of them,
H = G R; query head h uses key head h // R.

Source: 3Blue1Brown, "Attention in transformers"; Vaswani et al., "Attention is all you
need" (arXiv 1706.03762); grouped heads: Ainslie et al. (arXiv 2305.13245).
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from nnguide.array_types import Array, Key
from nnguide.transformer.attention_kernels.mask import Segments, allowed_pairs
from nnguide.transformer.dropout import dropout as drop


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
    weights_BHTS = pattern(
        query, key, causal=causal, segments=segments, valid=valid, softcap=softcap
    )
    if dropout_key is not None:
        weights_BHTS = drop(weights_BHTS, dropout, dropout_key)
    weighted_sums = jnp.einsum(
        "BGRTS,BSGK->BTGRK",
        _by_group(weights_BHTS, key.shape[2], axis=1),
        value.astype(jnp.float32),
    )
    return weighted_sums.reshape(query.shape).astype(query.dtype)


def pattern(
    query: Float[Array, "B T H K"],
    key: Float[Array, "B S G K"],
    *,
    causal: bool = True,
    segments: Segments | None = None,
    valid: Bool[Array, "B T S"] | None = None,
    softcap: float = 0.0,
) -> Float[Array, "B H T S"]:
    """The attention pattern: how much each query (T) takes from each key (S).

    Every row is a distribution in float32, all >= 0 with sum 1; a row whose query may
    see no key at all is 0.

    Args:
      query: what each token asks.
      key: what each token answers, in as many heads or in fewer.
      causal: no query sees a later token.
      segments: the documents of queries and keys; a query sees its own only.
      valid: further allowed pairs.
      softcap: c > 0 squashes the scores to (-c, c) by c tanh(score / c); 0 does not.
    """
    scores_BHTS = scores(query, key, softcap)
    allowed = allowed_pairs((query.shape[1], key.shape[1]), causal, segments, valid)
    if allowed is None:
        return jax.nn.softmax(scores_BHTS)
    allowed = jnp.broadcast_to(allowed[:, None], scores_BHTS.shape)
    blind = ~jnp.any(allowed, axis=-1, keepdims=True)
    # A blind row keeps its scores, for the softmax of -infinity alone is NaN.
    masked = jnp.where(allowed | blind, scores_BHTS, -jnp.inf)
    return jnp.where(blind, 0.0, jax.nn.softmax(masked))


def scores(
    query: Float[Array, "B T H K"], key: Float[Array, "B S G K"], softcap: float = 0.0
) -> Float[Array, "B H T S"]:
    """The dot products of queries and keys over sqrt(K), in float32, before the mask.

    The root keeps their spread near 1 whatever the width: a dot product of K numbers
    of spread 1 has the spread sqrt(K).
    """
    dot_products = jnp.einsum(
        "BTGRK,BSGK->BGRTS",
        _by_group(query, key.shape[2], axis=2),
        key,
        preferred_element_type=jnp.float32,
    ) / math.sqrt(query.shape[-1])
    batch, groups, shared, queries, keys = dot_products.shape
    scores_BHTS = dot_products.reshape(batch, groups * shared, queries, keys)
    return softcap * jnp.tanh(scores_BHTS / softcap) if softcap else scores_BHTS


def _by_group(x: Float[Array, "..."], groups: int, axis: int) -> Float[Array, "..."]:
    """Splits the axis of the H query heads into (G, R)."""
    shape = x.shape
    return x.reshape(*shape[:axis], groups, shape[axis] // groups, *shape[axis + 1 :])
