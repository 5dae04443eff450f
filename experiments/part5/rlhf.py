"""Human feedback: DPO, PPO and GRPO move a chatbot to what the judge prefers.

Each algorithm is looked at after equal parts of its training: how far it went from the
fine-tuned model, what the reward model thinks of its answers and what the judge does.
Trained against a reward model that knows little, without a price for going far, the two
opinions part: over-optimization.

Sources: 3Blue1Brown, "Large Language Models explained briefly"; Ouyang et al., arXiv
2203.02155; Gao et al., arXiv 2210.10760.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

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
from nnguide import training
from nnguide.array_types import Array, Params
from nnguide.language import grpo, ppo, preference, turns
from nnguide.language.grpo import GrpoConfig
from nnguide.language.log_probabilities import of_answers
from nnguide.language.preference import answer_log_probabilities
from nnguide.language.rollout import Answers
from nnguide.language.scalar_head import with_head
from nnguide.training import Fit, Rounds, Task
from nnguide.transformer.model import Transformer

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
    config = dataclasses.replace(bot.config.grpo, beta=0.0)
    rate = 5 * bot.config.policy_rate
    announce("GRPO after a weak reward model")
    part = _grpo(bot, tuned, weak, config, rate, "over_optimized")
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
    config, module = bot.config, Transformer(*bot.model)
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
    batches = batches_of(
        pairs, config.batch_size, bot.seed, reference=reference.reshape(-1, 2)
    )
    task = Task(*preference.functions(bot.model.config, config.dpo, *bot.model[1:]))
    each = _parts(config.reward_steps, PER_CALL)

    def part(number: int) -> Params:
        return training.fit(
            task,
            optimizer_of(config.policy_rate, PARTS * each),
            batches,
            train_config(bot, each * number),
            start=tuned,
            workdir=bot.folder / "dpo",
        ).state.params

    return part


def _parts(steps: int, unit: int) -> int:
    """Steps of one part, in whole units."""
    return max(steps // unit // PARTS, 1) * unit


def _ppo(bot: Chatbot, tuned: Params, teacher: Rewarded) -> Callable[[int], Params]:
    config = bot.config.ppo
    rollout = ppo.make_rollout(
        Transformer(*bot.model), config, *_asking(bot, teacher, 1), tuned
    )
    task = Task(*ppo.functions(bot.model.config, config, *bot.model[1:]))
    start = with_head(tuned, bot.model.config.embedding)
    rounds = Rounds(config.rows, min(bot.config.batch_size, config.rows))
    run = _alternating(bot, task, rollout, rounds, start, bot.config.policy_rate, "ppo")
    return lambda number: run(number).state.params["transformer"]


def _grpo(
    bot: Chatbot, tuned: Params, teacher: Rewarded, config: GrpoConfig | None = None,
    rate: float | None = None, name: str = "grpo",
) -> Callable[[int], Params]:  # fmt: skip
    config, rate = config or bot.config.grpo, rate or bot.config.policy_rate
    rollout = grpo.make_rollout(
        Transformer(*bot.model), config, *_asking(bot, teacher, config.group), tuned
    )
    task = Task(*grpo.functions(bot.model.config, config, *bot.model[1:]))
    prompts = max(bot.config.batch_size // config.group, 1)
    rounds = Rounds(config.prompts, min(prompts, config.prompts))
    run = _alternating(bot, task, rollout, rounds, tuned, rate, name)
    return lambda number: run(number).state.params


def _asking(bot: Chatbot, teacher: Rewarded, group: int) -> tuple[Any, Any, Any]:
    """What rollouts need beside the model: writer, prompts, reward."""
    prompts = prompts_of(bot, bot.questions.train)
    return writer_of(bot, group), prompts, as_reward(bot, teacher.params)


def _alternating(
    bot: Chatbot, task: Task, rollout: Any, rounds: Rounds, start: Params,
    rate: float, name: str,
) -> Callable[[int], Fit]:  # fmt: skip
    each = _parts(bot.config.rounds, 1) * rounds.steps

    def run(number: int) -> Fit:
        return training.fit_alternating(
            task,
            optimizer_of(rate, PARTS * each),
            rollout,
            rounds,
            train_config(bot, each * number, rounds.steps),
            start=start,
            workdir=bot.folder / name,
        )

    return run
