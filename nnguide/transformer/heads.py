"""Single attention heads: what one looks at, and what the rest does without it.

A pattern is `tracing.Trace.pattern`: how much query t of each head takes from key s.

Sources: induction and previous-token heads: Olsson et al. 2022, "In-context Learning
and Induction Heads"; removing heads: Michel et al., arXiv 1905.10650.
"""

import jax.numpy as jnp
from jaxtyping import Bool, Float, Int

from nnguide.array_types import Array, Params


def without_heads(params: Params, kept: Float[Array, "L H"]) -> Params:
    """Parameters of a transformer whose heads write only in part, or not at all.

    A head writes through its own rows of the value-up matrix; with those at 0 it adds
    nothing to the residual stream, whatever it looks at. The bias, which all heads
    share, stays.

    Args:
      params: of a transformer, unboxed.
      kept: what each head's writing is multiplied by; 0 removes it, 1 leaves it.
    """
    blocks = params["blocks"]
    value_up = blocks["attention"]["value_up"]
    kernel = value_up["kernel"]
    layers, rows, width = kernel.shape
    by_head = kernel.reshape(layers, kept.shape[1], -1, width)
    scaled = (by_head * kept[:, :, None, None]).reshape(layers, rows, width)
    attention = {**blocks["attention"], "value_up": {**value_up, "kernel": scaled}}
    return {**params, "blocks": {**blocks, "attention": attention}}


def attention_to(
    pattern: Float[Array, "L B H T S"],
    aims: Bool[Array, "B T S"],
    counts: Float[Array, "B T"],
) -> Float[Array, "L H"]:
    """The share of each head's attention that goes to the aims, from 0 to 1.

    Args:
      pattern: of every layer and head.
      aims: which keys are meant, for each query.
      counts: how much each query counts.

    Returns:
      The mean over rows and queries.
    """
    shares = jnp.einsum("lbhts,bts->lbht", pattern, aims.astype(pattern.dtype))
    return jnp.einsum("lbht,bt->lh", shares, counts) / counts.sum()


def token_before(tokens: Int[Array, "B T"]) -> Bool[Array, "B T T"]:
    """The aim of a previous-token head: place t - 1 for place t."""
    batch, places = tokens.shape
    return jnp.broadcast_to(jnp.eye(places, k=-1, dtype=bool), (batch, places, places))


def after_occurrences(
    tokens: Int[Array, "B T"], latest: bool = False
) -> Bool[Array, "B T T"]:
    """The aims of an induction head: what came after the token's earlier occurrences.

    Args:
      tokens: of each row.
      latest: the most recent occurrence alone, instead of all.
    """
    places = jnp.arange(tokens.shape[1])
    earlier = (places[None] < places[:, None])[None]
    before = earlier & (tokens[:, :, None] == tokens[:, None])
    if latest:
        number = jnp.where(before, places[None, None], -1)
        before &= number == number.max(-1, keepdims=True)
    return jnp.roll(before, 1, axis=-1)  # the last place is never before another
