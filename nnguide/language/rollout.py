"""Rollouts: a policy answers prompts, and what it did becomes data.

Answers are written by the compiled generator with its cache, at temperature 1, for the
policy must be the distribution they were drawn from. Their log-probabilities are the
writer's own: the distribution itself, rounded as it was when the tokens were drawn. The
loss computes them in another order, so that its ratio begins at 1 to that rounding.
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
      prompts: what was asked, C of them.
      tokens: the answers, 0 behind their ends; B / C in a row to each prompt.
      counts: 1 for the tokens of an answer.
      log_probabilities: of its tokens when they were drawn, 0 behind its end.
      ended: whether the answer ends with a stop token.
    """

    prompts: Prompts
    tokens: Int[Array, "B N"]
    counts: Float[Array, "B N"]
    log_probabilities: Float[Array, "B N"]
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
    group: int = 1,
) -> Writer:
    """Compiles a transformer into a writer of answers.

    Args:
      config: of the transformer.
      new_tokens: of an answer at most.
      stop_tokens: ids that end one; they belong to it.
      execution: how it is computed.
      known_tokens: ids at or past it are padding of the vocabulary; 0: there is none.
      cached: False reads everything anew for each token.
      group: answers to each prompt.
    """
    generator = make_generator(
        config,
        execution,
        known_tokens,
        SamplingConfig(temperature=1.0),
        new_tokens,
        stop_tokens,
        cached,
        copies=group,
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
        return _answers(prompts, generated, stop_tokens)

    return write


@partial(jax.jit, static_argnums=2)
def _answers(
    prompts: Prompts, generated: Generated, stop_tokens: tuple[int, ...]
) -> Answers:
    tokens, lengths, likely, _ = generated
    counts = jnp.arange(tokens.shape[1])[None] < lengths[:, None]
    last = jnp.take_along_axis(tokens, lengths[:, None] - 1, axis=1)
    ended = (last == jnp.asarray(stop_tokens, jnp.int32)[None]).any(-1)
    prompts = Prompts(*(jnp.asarray(leaf) for leaf in prompts))
    return Answers(prompts, tokens, counts.astype(jnp.float32), likely, ended)


def joined(answers: Answers) -> tuple[Int[Array, "B M"], Float[Array, "B L"]]:
    """Whole documents, each answer right behind its prompt, where padding was.

    Returns:
      Tokens, M = P + N of them, padded with 0; and 1 where the token after a place is
      the answer's, L = M - 1.
    """
    (prompts, lengths), new = answers.prompts, answers.tokens
    group, asked = len(new) // len(prompts), prompts.shape[1]
    prompts, lengths = (jnp.repeat(leaf, group, axis=0) for leaf in (prompts, lengths))
    places = jnp.arange(asked + new.shape[1])[None]
    behind = places - lengths[:, None]  # the place in the answer
    both = jnp.concatenate([prompts, new], axis=1)
    source = jnp.where(behind < 0, places, asked + behind)
    tokens = jnp.take_along_axis(both, jnp.minimum(source, places.size - 1), axis=1)
    written = answers.counts.sum(-1, keepdims=True)
    answered = (behind >= 0) & (behind < written)
    tokens = jnp.where(answered | (behind < 0), tokens, 0)
    return tokens, answered[:, 1:].astype(jnp.float32)


def drawn_prompts(
    prompts: Prompts, count: int, key: Key
) -> tuple[Prompts, Int[Array, "C"]]:
    """Prompts at random, and their numbers.

    Args:
      prompts: to choose from; none comes twice where there are enough.
      count: how many, C.
      key: of the choice.
    """
    number = len(prompts.lengths)
    laps = -(-count // number)
    keys = jax.random.split(key, laps)
    orders = [jax.random.permutation(key, number) for key in keys]
    chosen = jnp.concatenate(orders)[:count]
    return Prompts(*(jnp.asarray(leaf)[chosen] for leaf in prompts)), chosen
