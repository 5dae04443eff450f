"""Rows of tokens that repeat, and how a model copies what came after the last time."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from nnguide.array_types import Array, Batch, Key, Params
from nnguide.language import next_token
from nnguide.transformer.config import TransformerConfig
from nnguide.transformer.heads import (
    after_occurrences,
    attention_to,
    token_before,
    without_heads,
)
from nnguide.transformer.tracing import trace

TOKENS = 64  # ids, and places a row
PERIODS = (8, 40)
HALF = 32  # of a row of fixed length


def random_period(key: Key) -> Batch:
    """A random order of 8 to 40 tokens, again and again; what repeats counts."""
    period_key, order_key = jax.random.split(key)
    period = jax.random.randint(period_key, (), PERIODS[0], PERIODS[1] + 1, jnp.int32)
    order = jax.random.permutation(order_key, TOKENS)
    places = jnp.arange(TOKENS + 1)
    return {"tokens": order[places % period], "counts": 1.0 * (places[:-1] >= period)}


def fixed_length(key: Key) -> Batch:
    """32 random tokens twice, the popular task; the second half counts."""
    half = jax.random.randint(key, (HALF,), 0, TOKENS, jnp.int32)
    places = jnp.arange(TOKENS + 1)
    return {"tokens": half[places % HALF], "counts": 1.0 * (places[:-1] >= HALF)}


DRAW: dict[str, Callable[[Key], Batch]] = {
    "random_period": random_period,
    "fixed_length": fixed_length,
}


def model(layers: int) -> TransformerConfig:
    """Attention alone, 64 wide, 4 heads."""
    return TransformerConfig(
        vocabulary=TOKENS, context=TOKENS, layers=layers, embedding=64, heads=4,
        blocks="attention", tied=False, dropout=0.0,
    )  # fmt: skip


class Judged(NamedTuple):
    """What a model does on the rows of one task.

    Attributes:
      loss: mean surprise where the row repeats, nats.
      accuracy: share of right predictions there.
      induction: attention to what came after the token's earlier occurrences, there.
      latest: the same of the most recent occurrence alone.
      before: attention to the token before, in the first period: what is written there
        is what later periods find.
      pattern: of the first row.
    """

    loss: Any
    accuracy: Any
    induction: Float[Any, "L H"]
    latest: Float[Any, "L H"]
    before: Float[Any, "L H"]
    pattern: Float[Any, "L H T T"]


def judge(config: TransformerConfig, params: Params, batch: Batch) -> Judged:
    """Measures a model on rows it was not trained on."""
    read, counts = batch["tokens"][:, :-1], batch["counts"]
    traced = trace(config, params, read)
    assert traced.pattern is not None
    pattern: Array = traced.pattern
    each, _ = next_token.surprise(traced.logits, batch["tokens"][:, 1:])
    right = jnp.argmax(traced.logits, -1) == batch["tokens"][:, 1:]
    first = (1 - counts).at[:, 0].set(0)  # no token is before the first
    return Judged(
        (counts * each).sum() / counts.sum(),
        (counts * right).sum() / counts.sum(),
        attention_to(pattern, after_occurrences(read), counts),
        attention_to(pattern, after_occurrences(read, latest=True), counts),
        attention_to(pattern, token_before(read), first),
        pattern[:, 0],
    )


def heads_removed(
    config: TransformerConfig, params: Params, batch: Batch, before: np.ndarray
) -> Float[np.ndarray, "removed"]:
    """The loss without 0, 1, ... all heads of the first layer.

    Args:
      config: of the model.
      params: its parameters.
      batch: judges it.
      before: the first layer's previous-token scores; the highest goes first.
    """
    order = np.argsort(-before, kind="stable")
    kept = np.ones((config.heads + 1, config.layers, config.heads), np.float32)
    for removed in range(1, config.heads + 1):
        kept[removed, 0, order[:removed]] = 0

    @jax.jit
    def losses(params: Params, batch: Batch) -> Array:
        def loss(kept: Array) -> Array:
            return judge(config, without_heads(params, kept), batch).loss

        return jax.lax.map(loss, jnp.asarray(kept))

    return np.asarray(losses(params, batch))
