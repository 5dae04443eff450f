"""Human feedback: DPO, PPO and GRPO move a chatbot to what the judge prefers.

Each algorithm is looked at after equal parts of its training: how far it went from the
fine-tuned model, what the reward model thinks of its answers and what the judge does.
Trained against a reward model that knows little, without a price for going far, the two
opinions part: over-optimization.

Sources: 3Blue1Brown, "Large Language Models explained briefly"; Ouyang et al., arXiv
2203.02155; Gao et al., arXiv 2210.10760.
"""

import dataclasses
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from experiments.part5.feedback import (
    PER_CALL,
    Algorithm,
    Chatbot,
    Said,
    announce,
    batches_of,
    examine,
    optimizer_of,
    prompts_of,
    train_config,
    writer_of,
)
from experiments.part5.reward import Rewarded, as_reward, mean_reward
from experiments.plan import Plan
from nnguide import training
from nnguide.array_types import Array, Key, Params
from nnguide.data.batches import Batches
from nnguide.language import grpo, ppo, preference, turns
from nnguide.language.grpo import GrpoConfig
from nnguide.language.log_probabilities import of_answers
from nnguide.language.preference import answer_log_probabilities
from nnguide.language.rollout import Answers, Prompts
from nnguide.language.scalar_head import with_head
from nnguide.training import Fit, Rounds, Task
from nnguide.transformer.model import Transformer, initial_params

PARTS = 4  # of a training, after each of which the model is looked at
ROWS = 256  # read at once where nothing is trained


class Point(NamedTuple):
    """A policy on its way.

    Attributes:
      kl: distance from the fine-tuned model, nats an answer, from its own answers.
      reward: the reward model's mean opinion.
      worth: the judge's, from 0 to 1.
    """

    kl: float
    reward: float
    worth: float


class Improved(NamedTuple):
    """What an algorithm made of the fine-tuned model.

    Attributes:
      params: of the transformer, at the end.
      points: the fine-tuned model, then the policy after each part.
      said: its answers at the end.
    """

    params: Params
    points: tuple[Point, ...]
    said: Said


def improved(
    bot: Chatbot, tuned: Params, teacher: Rewarded, algorithm: Algorithm
) -> Improved:
    """Trains with one algorithm, or reads back what was trained.

    Args:
      bot: the chatbot.
      tuned: the fine-tuned model: where it starts, and what it stays near.
      teacher: the reward model, and the pairs that DPO learns from.
      algorithm: which one.
    """
    announce(algorithm.upper())
    until = {"dpo": _dpo, "ppo": _ppo, "grpo": _grpo}[algorithm]
    part = until(bot, tuned, teacher)
    return _watched(bot, tuned, teacher, part)


def over_optimized(bot: Chatbot, tuned: Params, weak: Rewarded) -> Improved:
    """GRPO against a weak reward model, without a price for going far."""
    announce("GRPO after a weak reward model")
    part = _grpo(bot, tuned, weak, going_far(bot))
    return _watched(bot, tuned, weak, part)


def _watched(
    bot: Chatbot, tuned: Params, teacher: Rewarded, part: Callable[[int], Params]
) -> Improved:
    """Looks at the policy after every part; `part(n)` trains up to the n-th's end."""
    reward = as_reward(bot, teacher.params)
    module = Transformer(*bot.model)

    @jax.jit
    def log_p(params: Params, answers: Answers) -> Array:
        each = of_answers(module, params, *answers.prompts, answers.tokens)
        return (answers.counts * each).sum(-1)

    def look(params: Params) -> tuple[Said, Point]:
        said = examine(bot, params)
        ratio = log_p(params, said.answers) - log_p(tuned, said.answers)
        opinion = mean_reward(reward, said.answers)
        return said, Point(float(ratio.mean()), opinion, float(said.worth.mean()))

    params = tuned
    said, point = look(params)
    points = [point]
    for number in range(1, PARTS + 1):
        params = part(number)
        said, point = look(params)
        points.append(point)
    return Improved(params, tuple(points), said)


def _dpo(bot: Chatbot, tuned: Params, teacher: Rewarded) -> Callable[[int], Params]:
    module = Transformer(*bot.model)
    pairs, width = teacher.pairs, teacher.pairs.tokens.shape[-1]
    log_p = jax.jit(lambda p, t, c: answer_log_probabilities(module, p, t, c))
    flat = turns.Rows(
        pairs.tokens.reshape(-1, width), pairs.counts.reshape(-1, width - 1)
    )
    starts = range(0, len(flat.tokens), ROWS)
    cuts = [
        turns.Rows(*(leaf[start : start + ROWS] for leaf in flat)) for start in starts
    ]
    reference = np.concatenate([np.asarray(log_p(tuned, *cut)) for cut in cuts])
    planned = dpo_plan(bot, pairs, reference.reshape(-1, 2))
    return lambda number: (
        planned._replace(config=_up_to(planned, number))
        .fit(bot.folder, start=tuned)
        .state.params
    )


def _up_to(planned: Plan, part: int) -> training.Config:
    steps = planned.config.steps // PARTS * part
    return dataclasses.replace(planned.config, steps=steps)


def _parts(steps: int, unit: int) -> int:
    """Steps of one part, in whole units."""
    return max(steps // unit // PARTS, 1) * unit


def dpo_plan(bot: Chatbot, pairs: turns.Rows, reference: np.ndarray) -> Plan:
    """DPO on pairs, with the log-probabilities that the fine-tuned model gives them."""
    config = bot.config
    steps = PARTS * _parts(config.reward_steps, PER_CALL)
    return Plan(
        "dpo",
        Task(*preference.functions(bot.model.config, config.dpo, *bot.model[1:])),
        optimizer_of(config.policy_rate, steps),
        batches_of(pairs, config.batch_size, bot.seed, reference=reference),
        train_config(bot, steps),
    )


class OnRollouts(NamedTuple):
    """A training on answers that the policy itself gives.

    Attributes:
      plan: its batches are shapes of such answers.
      rounds: how many are given and learned from at a time.
      make_rollout: of the writer, the prompts, the reward and the reference.
      group: answers to each prompt.
    """

    plan: Plan
    rounds: Rounds
    make_rollout: Callable[..., Any]
    group: int


def with_ppo(bot: Chatbot) -> OnRollouts:
    """PPO."""
    config = bot.config.ppo
    task = Task(*ppo.functions(bot.model.config, config, *bot.model[1:]))
    make = partial(ppo.make_rollout, Transformer(*bot.model), config)
    rounds = Rounds(config.rows, min(bot.config.batch_size, config.rows))
    return _on_rollouts(bot, "ppo", task, rounds, make, 1, bot.config.policy_rate)


def with_grpo(
    bot: Chatbot, config: GrpoConfig, rate: float, name: str = "grpo"
) -> OnRollouts:
    """GRPO."""
    task = Task(*grpo.functions(bot.model.config, config, *bot.model[1:]))
    make = partial(grpo.make_rollout, Transformer(*bot.model), config)
    prompts = max(bot.config.batch_size // config.group, 1)
    rounds = Rounds(config.prompts, min(prompts, config.prompts))
    return _on_rollouts(bot, name, task, rounds, make, config.group, rate)


def going_far(bot: Chatbot) -> OnRollouts:
    """GRPO without a price for going far."""
    config = dataclasses.replace(bot.config.grpo, beta=0.0)
    return with_grpo(bot, config, 5 * bot.config.policy_rate, "over_optimized")


def _on_rollouts(
    bot: Chatbot, name: str, task: Task, rounds: Rounds,
    make_rollout: Callable[..., Any], group: int, rate: float,
) -> OnRollouts:  # fmt: skip
    steps = PARTS * _parts(bot.config.rounds, 1) * rounds.steps

    def rows(first: int) -> Iterator[Any]:
        """The shapes of a step's rows."""
        del first
        every = _rows_of_a_rollout(bot, task, make_rollout, group)
        yield jax.tree.map(
            lambda leaf: jax.ShapeDtypeStruct(
                (rounds.batch_size, *leaf.shape[1:]), leaf.dtype
            ),
            every,
        )

    plan = Plan(
        name,
        task,
        optimizer_of(rate, steps),
        Batches(rows, lambda arrays, rows, key: rows),
        train_config(bot, steps, rounds.steps),
    )
    return OnRollouts(plan, rounds, make_rollout, group)


def _rows_of_a_rollout(
    bot: Chatbot, task: Task, make_rollout: Callable[..., Any], group: int
) -> Any:
    """The shapes of what a rollout gives; nothing is written."""

    def write(params: Params, asked: Prompts, key: Key) -> Answers:
        del params, key
        shape = (group * len(asked.tokens), bot.config.new_tokens)
        tokens, floats = jnp.zeros(shape, jnp.int32), jnp.zeros(shape, jnp.float32)
        return Answers(asked, tokens, floats, floats, jnp.zeros(shape[:1], bool))

    def reward(answers: Answers, numbers: Any) -> Array:
        return jnp.zeros(len(answers.tokens), jnp.float32)

    def rollout(key: Key) -> Any:
        params = nn.unbox(task.init(key))
        reference = nn.unbox(initial_params(bot.model.config, key))
        prompts = prompts_of(bot, bot.questions.train)
        return make_rollout(write, prompts, reward, reference)(params, 0, key)

    return jax.eval_shape(rollout, jax.random.key(0))


def _ppo(bot: Chatbot, tuned: Params, teacher: Rewarded) -> Callable[[int], Params]:
    start = with_head(tuned, bot.model.config.embedding)
    run = _alternating(bot, with_ppo(bot), teacher, tuned, start)
    return lambda number: run(number).state.params["transformer"]


def _grpo(
    bot: Chatbot, tuned: Params, teacher: Rewarded, how: OnRollouts | None = None
) -> Callable[[int], Params]:
    how = how or with_grpo(bot, bot.config.grpo, bot.config.policy_rate)
    run = _alternating(bot, how, teacher, tuned, tuned)
    return lambda number: run(number).state.params


def _alternating(
    bot: Chatbot, how: OnRollouts, teacher: Rewarded, tuned: Params, start: Params
) -> Callable[[int], Fit]:
    plan = how.plan
    rollout = how.make_rollout(
        writer_of(bot, how.group),
        prompts_of(bot, bot.questions.train),
        as_reward(bot, teacher.params),
        tuned,
    )
    return lambda number: training.fit_alternating(
        plan.task,
        plan.optimizer,
        rollout,
        how.rounds,
        _up_to(plan, number),
        start=start,
        workdir=bot.folder / plan.name,
    )
