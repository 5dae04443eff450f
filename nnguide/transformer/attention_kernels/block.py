"""One block of queries against all keys it may see, and its gradient by hand.

The softmax p of a query's scores s has ds = p (dp - sum of p dp), and the sum of p dp
over the keys equals the sum of o do over the width, o being the weighted sum. So the
gradient needs nothing of size T x S but p: FlashAttention's backward pass (Dao et al.,
arXiv 2205.14135, appendix B.2). The pattern is the scores' exponentials, divided by
each query's total; in float32 the sums o and the gradient do are divided instead.

In 16 bits XLA's CPU compiler multiplies up to 4 times faster than in float32, provided
that neither factor is contracted over its rows: dK = dS^T Q is otherwise converted to
float32 first. There the transposed factor is written out, flat, behind a barrier, or
the compiler would fold the transposition back into the product. Products sum in
float32; factors and gradients are rounded to the queries' type.

Letters: `N` products side by side, one for each row of the batch and head of the keys.
"""

import functools
import math

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from nnguide.array_types import Array


@functools.partial(jax.custom_vjp, nondiff_argnums=(5, 6, 7))
def attend_block(
    query: Float[Array, "N T K"],
    key: Float[Array, "N S K"],
    value: Float[Array, "N S K"],
    allowed: Bool[Array, "N T S"] | None,
    stays: Bool[Array, "N T S"] | None,
    softcap: float,
    scale_of_kept: float,
    some_blind: bool,
) -> Float[Array, "N T K"]:
    """softmax(Q K^T / sqrt(K)) V for some queries.

    Args:
      query: the block's queries.
      key: the keys they may see.
      value: of the same tokens.
      allowed: the mask; None lets all see all.
      stays: which parts of the pattern dropout leaves; None leaves all.
      softcap: 0 for none.
      scale_of_kept: what the parts that stay are multiplied by.
      some_blind: whether a query may see no key and then gets 0; the guard takes time.
    """
    return _forward(
        query, key, value, allowed, stays, softcap, scale_of_kept, some_blind
    )[0]


def _forward(
    query: Float[Array, "N T K"],
    key: Float[Array, "N S K"],
    value: Float[Array, "N S K"],
    allowed: Bool[Array, "N T S"] | None,
    stays: Bool[Array, "N T S"] | None,
    softcap: float,
    scale_of_kept: float,
    some_blind: bool,
) -> tuple[Float[Array, "N T K"], tuple]:
    """The result, and what the gradient needs."""
    scores = _rows_by_rows(query, key) * (1 / math.sqrt(query.shape[-1]))
    slope = None
    if softcap:
        squashed = jnp.tanh(scores / softcap)
        scores, slope = softcap * squashed, 1 - squashed**2
    if allowed is not None:
        scores = jnp.where(allowed, scores, -jnp.inf)
    exponentials, inverse = _exponentials(scores, some_blind)
    if query.dtype != jnp.float32:  # divided later, 15% slower (bfloat16, CPU)
        exponentials, inverse = exponentials * inverse, jnp.ones((), jnp.float32)
    exponentials = exponentials.astype(query.dtype)
    weights = _dropped(exponentials, stays, scale_of_kept)
    sums = (_rows_by_columns(weights, value) * inverse).astype(query.dtype)
    return sums, (query, key, value, stays, exponentials, inverse, slope, sums)


def _backward(
    softcap: float,
    scale_of_kept: float,
    some_blind: bool,
    saved: tuple,
    d_sums: Float[Array, "N T K"],
) -> tuple:
    """The gradients of `attend_block`'s arrays."""
    query, key, value, stays, exponentials, inverse, slope, sums = saved
    d_pattern = _dropped(_rows_by_rows(d_sums, value), stays, scale_of_kept)
    sum_of_p_dp = jnp.sum((sums * d_sums).astype(jnp.float32), -1, keepdims=True)
    d_scores = exponentials * ((d_pattern - sum_of_p_dp) * inverse)
    if slope is not None:
        d_scores = d_scores * slope
    d_scores = (d_scores * (1 / math.sqrt(query.shape[-1]))).astype(query.dtype)
    d_query = _rows_by_columns(d_scores, key)
    d_key = _columns_by_columns(d_scores, query)
    weights = _dropped(exponentials, stays, scale_of_kept)
    d_value = _columns_by_columns(weights, (d_sums * inverse).astype(query.dtype))
    gradients = (d.astype(query.dtype) for d in (d_query, d_key, d_value))
    return (*gradients, None, None)


attend_block.defvjp(_forward, _backward)


def _exponentials(
    scores: Float[Array, "N T S"], some_blind: bool
) -> tuple[Float[Array, "N T S"], Float[Array, "N T 1"]]:
    """Of the scores less each query's highest, and 1 / their sum; of no scores 0, 1."""
    highest = jnp.max(scores, axis=-1, keepdims=True)
    if some_blind:
        highest = jnp.where(jnp.isfinite(highest), highest, 0.0)
    exponentials = jnp.exp(scores - highest)
    total = jnp.sum(exponentials, axis=-1, keepdims=True)
    if some_blind:
        total = jnp.where(total == 0, 1.0, total)
    return exponentials, 1 / total


def _dropped(
    pattern: Float[Array, "N T S"],
    stays: Bool[Array, "N T S"] | None,
    scale_of_kept: float,
) -> Float[Array, "N T S"]:
    if stays is None:
        return pattern
    return jnp.where(stays, pattern * scale_of_kept, 0)


def _rows_by_rows(
    left: Float[Array, "N I J"], right: Float[Array, "N M J"]
) -> Float[Array, "N I M"]:
    return jnp.einsum("NIJ,NMJ->NIM", left, right, preferred_element_type=jnp.float32)


def _rows_by_columns(
    left: Float[Array, "N I J"], right: Float[Array, "N J M"]
) -> Float[Array, "N I M"]:
    return jnp.einsum("NIJ,NJM->NIM", left, right, preferred_element_type=jnp.float32)


def _columns_by_columns(
    left: Float[Array, "N J I"], right: Float[Array, "N J M"]
) -> Float[Array, "N I M"]:
    if left.dtype == jnp.float32:
        return jnp.einsum("NJI,NJM->NIM", left, right)
    batch, rows, columns = left.shape
    flat = jax.lax.optimization_barrier(left.swapaxes(1, 2).reshape(-1))
    return _rows_by_columns(flat.reshape(batch, columns, rows), right)
