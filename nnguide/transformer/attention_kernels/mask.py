"""Which queries see which keys: no later words, no other documents, no empty places.

The guide's mask: a pair that may not be seen gets -infinity before the softmax, and so
the weight 0. Every kernel that needs the mask as an array takes it from here.
"""

import jax.numpy as jnp
from jaxtyping import Bool, Float, Int

from nnguide.array_types import Array

Segments = tuple[Int[Array, "B T"], Int[Array, "B S"]]


def allowed_pairs(
    shape: tuple[int, int],
    causal: bool,
    segments: Segments | None = None,
    valid: Bool[Array, "B T S"] | None = None,
) -> Bool[Array, "_ T S"] | None:
    """True where a query sees a key, (B or 1, T, S); None when all see all.

    Args:
      shape: (T, S), queries and keys.
      causal: the queries are the last T of the S tokens and see none that come later.
      segments: the documents of the queries (B, T) and of the keys (B, S); a query
        sees its own document only.
      valid: further allowed pairs, for instance the filled places of a cache.
    """
    pairs = [] if valid is None else [valid]
    if segments is not None:
        of_queries, of_keys = segments
        pairs.append(of_queries[:, :, None] == of_keys[:, None, :])
    if causal:
        pairs.append(no_later(shape)[None])
    if not pairs:
        return None
    allowed, *others = pairs
    for other in others:
        allowed = allowed & jnp.broadcast_to(other, allowed.shape)
    return allowed


def no_later(shape: tuple[int, int]) -> Bool[Array, "T S"]:
    """The causal triangle; with more keys than queries, the queries are the last."""
    queries, keys = shape
    return jnp.tril(jnp.ones(shape, bool), keys - queries)


def blind_to_zero(
    weighted_sums: Float[Array, "B T H K"],
    causal: bool,
    segments: Segments | None,
    valid: Bool[Array, "B T S"] | None,
    keys: int,
) -> Float[Array, "B T H K"]:
    """Sets the results of queries that may see no key to 0.

    Most kernels give such a query the mean of all values. Where none can be blind,
    the results come back as they are.
    """
    queries = weighted_sums.shape[1]
    if segments is None and valid is None and not (causal and queries > keys):
        return weighted_sums
    allowed = allowed_pairs((queries, keys), causal, segments, valid)
    assert allowed is not None
    sees_some = jnp.any(allowed, axis=-1)[:, :, None, None]
    return jnp.where(jnp.broadcast_to(sees_some, weighted_sums.shape), weighted_sums, 0)
