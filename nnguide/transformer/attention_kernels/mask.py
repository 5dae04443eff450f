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
      valid: further allowed pairs, for instance with the keys that exist.
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


def can_be_blind(
    shape: tuple[int, int],
    causal: bool,
    segments: Segments | None = None,
    valid: Bool[Array, "B T S"] | None = None,
) -> bool:
    """Whether some query may see no key at all; its result is then 0."""
    queries, keys = shape
    return segments is not None or valid is not None or (causal and queries > keys)


def blind_to_zero(
    weighted_sums: Float[Array, "B T H K"],
    shape: tuple[int, int],
    causal: bool,
    segments: Segments | None = None,
    valid: Bool[Array, "B T S"] | None = None,
) -> Float[Array, "B T H K"]:
    """Sets the results of blind queries to 0, where a kernel gives a mean of values."""
    allowed = allowed_pairs(shape, causal, segments, valid)
    if allowed is None or not can_be_blind(shape, causal, segments, valid):
        return weighted_sums
    sees_some = jnp.any(allowed, axis=-1)[:, :, None, None]
    return jnp.where(jnp.broadcast_to(sees_some, weighted_sums.shape), weighted_sums, 0)
