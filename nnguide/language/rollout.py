"""Rollouts: a policy answers prompts, and what it did becomes data.

Answers are written by the compiled generator with its cache, at temperature 1, for the
policy must be the distribution they were drawn from. Their log-probabilities are then
computed as the loss computes them, so that the ratio starts at exactly 1.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float, Int

from nnguide.array_types import Array, Key, Params
from nnguide.config import InputError
from nnguide.language.generation import Generated, make_generator
from nnguide.language.sampling import SamplingConfig
from nnguide.transformer.config import Execution, TransformerConfig


class Prompts(NamedTuple):
    """What may be asked, as `generation.pad_prompts` gives it."""

    tokens: Int[Any, "M P"]
    lengths: Int[Any, "M"]


class Answers(NamedTuple):
    """What a policy wrote.

    Attributes:
      tokens: prompts with their answers behind, padded with 0.
      counts: 1 where the token after a place is the answer's; T is N - 1.
      ended: whether the answer ends with a stop token.
    """

    tokens: Int[Array, "B N"]
    counts: Float[Array, "B T"]
    ended: Bool[Array, "B"]


Writer = Callable[[Params, Prompts, Key], Answers]
# What answers are worth: (answers, the number of each one's prompt) -> B numbers.
Reward = Callable[[Answers, Int[Any, "B"]], Any]


def make_writer(
    config: TransformerConfig,
    new_tokens: int,
    stop_tokens: tuple[int, ...],
    execution: Execution = Execution(),  # noqa: B008, a constant
    known_tokens: int = 0,
    cached: bool = True,
) -> Writer:
    """Compiles a transformer into a writer of answers, one to each prompt.

    Args:
      config: of the transformer.
      new_tokens: of an answer at most.
      stop_tokens: ids that end one; they belong to it.
      execution: how it is computed.
      known_tokens: ids at or past it are padding of the vocabulary; 0: there is none.
      cached: False reads everything anew for each token.
    """
    generator = make_generator(
        config,
        execution,
        known_tokens,
        SamplingConfig(temperature=1.0),
        new_tokens,
        stop_tokens,
        cached,
    )

    def write(params: Params, prompts: Prompts, key: Key) -> Answers:
        longest = prompts.tokens.shape[1] + new_tokens
        if longest > config.context:
            raise InputError(
                f"--rollout.new_tokens={new_tokens}: with prompts of "
                f"{prompts.tokens.shape[1]} tokens that is more than the model's "
                f"context, {config.context}; answer in fewer."
            )
        generated = generator(params, *prompts, key)
        return _joined(prompts, generated, stop_tokens)

    return write


@partial(jax.jit, static_argnums=2)
def _joined(
    prompts: Prompts, generated: Generated, stop_tokens: tuple[int, ...]
) -> Answers:
    """Puts each answer right behind its prompt, where padding was."""
    (asked, lengths), new = prompts, generated.tokens
    places = jnp.arange(asked.shape[1] + new.shape[1])[None]
    behind = places - lengths[:, None]  # the place in the answer
    both = jnp.concatenate([jnp.asarray(asked), new], axis=1)
    source = jnp.where(behind < 0, places, asked.shape[1] + behind)
    tokens = jnp.take_along_axis(both, jnp.minimum(source, places.size - 1), axis=1)
    written = (behind >= 0) & (behind < generated.lengths[:, None])
    tokens = jnp.where(written | (behind < 0), tokens, 0)
    last = jnp.take_along_axis(new, generated.lengths[:, None] - 1, axis=1)
    ended = (last == jnp.asarray(stop_tokens, jnp.int32)[None]).any(-1)
    return Answers(tokens, written[:, 1:].astype(jnp.float32), ended)


def drawn_prompts(
    prompts: Prompts, count: int, group: int, key: Key
) -> tuple[Prompts, Int[Array, "B"]]:
    """Prompts at random, each `group` times in a row, and their numbers.

    Args:
      prompts: to choose from; none comes twice where there are enough.
      count: how many different ones.
      group: answers to each.
      key: of the choice.
    """
    number = len(prompts.lengths)
    laps = -(-count // number)
    keys = jax.random.split(key, laps)
    orders = [jax.random.permutation(key, number) for key in keys]
    chosen = jnp.repeat(jnp.concatenate(orders)[:count], group)
    return Prompts(*(jnp.asarray(leaf)[chosen] for leaf in prompts)), chosen
