"""Pre-training: at every place, predict the token that comes next.

The functions have the shape of `training.Task`. A batch holds "tokens" (B, T + 1) and
"weight" (B,); it may hold "counts" (B, T), how much the prediction after each place
counts (1 where it is left out), and "segments" and "positions" (B, T) where rows hold
several documents.

Sources: 3Blue1Brown, "Large Language Models explained briefly"; z-loss: Chowdhery et
al., arXiv 2204.02311, section 5.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float, Int

from nnguide import target
from nnguide.array_types import Array, Batch, Key, Metrics, Params
from nnguide.transformer.config import Execution, TransformerConfig
from nnguide.transformer.model import Transformer, initial_params


class Functions(NamedTuple):
    """A language model as three pure functions, in the order of `training.Task`.

    Attributes:
      init: key -> params.
      loss: params, batch, key, **frozen -> ((total, weight), metrics).
      evaluate: params, batch, key, **frozen -> metrics.
    """

    init: Callable[[Key], Params]
    loss: Callable[..., tuple[tuple[Array, Array], Metrics]]
    evaluate: Callable[..., Metrics]


def functions(
    config: TransformerConfig,
    execution: Execution = Execution(),  # noqa: B008, a constant
    known_tokens: int = 0,
) -> Functions:
    """Trains and judges a transformer on the next token.

    Args:
      config: what it is.
      execution: how it is computed.
      known_tokens: ids at or past it are padding of the vocabulary; 0: there is none.
    """
    module = Transformer(config, execution, known_tokens)

    def logits_of(params: Params, batch: Batch, key: Key | None) -> Array:
        inputs = batch["tokens"][:, :-1]
        within: Any = {name: batch.get(name) for name in ("segments", "positions")}
        logits = module.apply({"params": params}, inputs, key=key, **within)
        return jnp.asarray(logits)

    def loss(
        params: Params, batch: Batch, key: Key
    ) -> tuple[tuple[Array, Array], Metrics]:
        # Each shard drops other activations: its first example's number tells it apart.
        key = jax.random.fold_in(key, batch["example"][0])
        logits = logits_of(params, batch, key if config.dropout else None)
        each, log_sum = surprise(logits, batch["tokens"][:, 1:])
        counts = _counts(batch)
        weight = counts.sum()
        total = (counts * each).sum()
        if not config.z_loss:
            return (total, weight), {}
        extra = config.z_loss * (counts * jnp.square(log_sum)).sum()
        return (total + extra, weight), {"surprise": (total, weight)}

    def evaluate(params: Params, batch: Batch, key: Key) -> Metrics:
        del key  # nothing is random
        logits, targets = logits_of(params, batch, None), batch["tokens"][:, 1:]
        each, _ = surprise(logits, targets)
        right = jnp.argmax(logits, axis=-1) == targets
        counts = _counts(batch)
        weight = counts.sum()
        return {
            "loss": ((counts * each).sum(), weight),
            "accuracy": ((counts * right).sum(), weight),
        }

    return Functions(lambda key: initial_params(config, key), loss, evaluate)


def surprise(
    logits: Float[Array, "*before V"], targets: Int[Array, "*before"]
) -> tuple[Float[Array, "*before"], Float[Array, "*before"]]:
    """How unlikely each target was, -log softmax(logits)[target], in nats.

    Returns:
      The surprise, and log(sum of exp logits), which z-loss keeps near 0.
    """
    log_sum = jax.nn.logsumexp(logits, axis=-1)
    return log_sum - _chosen(logits, targets), log_sum


def _chosen(
    logits: Float[Array, "*before V"], targets: Int[Array, "*before"]
) -> Float[Array, "*before"]:
    """The targets' logits: read where that is quick, on TPUs picked out of a sum.

    There a gather keeps all logits a second time in another layout (6 of 16 GiB for 32
    windows of GPT-2); the sum melts into the one of the softmax. On CPUs the sum makes
    loss and gradient 5 to 20% slower.
    """
    if target.platform() != "tpu":
        return jnp.take_along_axis(logits, targets[..., None], axis=-1)[..., 0]
    tokens = jax.lax.broadcasted_iota(targets.dtype, logits.shape, logits.ndim - 1)
    return jnp.where(tokens == targets[..., None], logits, 0).sum(axis=-1)


def perplexity(loss: float) -> float:
    """How many equally likely tokens the model hesitates between, exp(loss)."""
    return math.exp(loss)


def bits_per_byte(loss: float, tokens: int, utf8_bytes: int) -> float:
    """A loss in nats a token as bits a byte of text, comparable across tokenizers.

    Args:
      loss: mean surprise of the predicted tokens, in nats.
      tokens: in the text.
      utf8_bytes: of the same text.
    """
    return loss / math.log(2) * tokens / utf8_bytes


def _counts(batch: Batch) -> Float[Array, "B T"]:
    weight = batch["weight"][:, None]
    if "counts" in batch:
        return weight * batch["counts"]
    return jnp.broadcast_to(weight, (len(weight), batch["tokens"].shape[1] - 1))
