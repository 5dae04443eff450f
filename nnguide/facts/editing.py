"""Changing one fact: a rank-one edit of one down-projection.

An MLP's down-projection is read as a memory: its neurons on the subject's last token
are the key k, what it writes is the value. The edit asks for a new value v at this key
and moves what all other keys give as little as it can, in the mean square over the keys
of the text, whose second moment is C:

    W' = W + (C^-1 k) (v - k W - b)^T / (k^T C^-1 k)

Source: Meng et al., arXiv 2202.05262, section 3.1 (there W is transposed).
"""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Float, Int

from nnguide.array_types import Array, Params
from nnguide.facts.tracing import Part, Prompts, asked, logits_with
from nnguide.transformer.config import TransformerConfig
from nnguide.transformer.model import Transformer

Number = int | Int[Array, ""]  # of a layer or a role; traced where many are edited
RIDGE = 1e-4  # of C's mean diagonal, for neurons that never fire


def second_moment(keys: Float[Array, "N F"]) -> Float[Array, "F F"]:
    """C = E[k k^T], with a ridge that makes it invertible."""
    moment = keys.T @ keys / len(keys)
    return moment + RIDGE * jnp.trace(moment) / len(moment) * jnp.eye(
        len(moment), dtype=jnp.float32
    )


def rank_one(
    kernel: Float[Array, "F D"],
    key: Float[Array, "F"],
    move: Float[Array, "D"],
    moment: Float[Array, "F F"],
) -> Float[Array, "F D"]:
    """The kernel that gives `move` more at the key, and else moves as little as it can.

    Args:
      kernel: of the down-projection, W.
      key: the subject's neurons, k.
      move: what shall be added to the value, v - k W - b.
      moment: C, from `second_moment`.
    """
    direction = jnp.linalg.solve(moment, key)
    return kernel + jnp.outer(direction, move) / (key @ direction)


def down_projection(params: Params, layer: Number) -> Float[Array, "F D"]:
    """The kernel of a layer's down-projection."""
    return params["blocks"]["mlp"]["down_projection"]["kernel"][layer]


def with_down_projection(
    params: Params, layer: Number, kernel: Float[Array, "F D"]
) -> Params:
    """The parameters with another kernel in one layer's down-projection."""
    blocks = params["blocks"]
    down = blocks["mlp"]["down_projection"]
    changed = {**down, "kernel": down["kernel"].at[layer].set(kernel)}
    mlp = {**blocks["mlp"], "down_projection": changed}
    return {**params, "blocks": {**blocks, "mlp": mlp}}


def surprise(logits: Float[Array, "B T V"], prompts: Prompts) -> Float[Array, ""]:
    """Mean -log probability of the answers."""
    return optax.softmax_cross_entropy_with_integer_labels(
        asked(logits, prompts), prompts.answers
    ).mean()


def wanted_move(
    config: TransformerConfig,
    params: Params,
    layer: Number,
    prompts: Prompts,
    role: Number,
    *,
    steps: int,
    rate: float,
    pull: float,
) -> Float[Array, "D"]:
    """What an MLP block should add at one token for the answers to come out.

    Args:
      config: of the transformer.
      params: its parameters.
      layer: whose MLP block.
      prompts: that ask for one fact, with the new answer.
      role: the token, an index of the prompts' places.
      steps: of Adam.
      rate: of Adam.
      pull: weight of the move's squared length, which keeps it small.

    Returns:
      The move, added to the block's value on each prompt alike.
    """
    there = prompts.places[:, role, None] == jnp.arange(prompts.tokens.shape[1])[None]

    def loss(move: Array) -> Array:
        def change(part: Part, number: int, output: Array) -> Array:
            if part != "mlp":
                return output
            here = there & (number == layer)
            return output + here[:, :, None] * move[None, None]

        logits = logits_with(config, params, prompts.tokens, change)
        return surprise(logits, prompts) + pull * jnp.square(move).sum()

    return _descend(loss, jnp.zeros(config.embedding, jnp.float32), steps, rate)


def fine_tuned(
    config: TransformerConfig,
    params: Params,
    layer: Number,
    prompts: Prompts,
    *,
    steps: int,
    rate: float,
) -> Float[Array, "F D"]:
    """The control: the same kernel, moved by plain gradient descent on the prompts."""

    def loss(kernel: Array) -> Array:
        changed = {"params": with_down_projection(params, layer, kernel)}
        logits = Transformer(config).apply(changed, prompts.tokens)
        return surprise(jnp.asarray(logits), prompts)

    return _descend(loss, down_projection(params, layer), steps, rate)


def _descend(loss: Any, start: Array, steps: int, rate: float) -> Array:
    adam = optax.adam(rate)

    def step(carry: Any, _: None) -> tuple[Any, None]:
        value, state = carry
        updates, state = adam.update(jax.grad(loss)(value), state, value)
        return (optax.apply_updates(value, updates), state), None

    return jax.lax.scan(step, (start, adam.init(start)), None, length=steps)[0][0]
