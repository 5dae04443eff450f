"""Reward modelling: training on the judge's preferences between pairs of answers.

Source: Ouyang et al., arXiv 2203.02155, section 3.5.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.part5.feedback import (
    NEEDS,
    Chatbot,
    Said,
    announce,
    ask,
    batches_of,
    evaluation_of,
    held_from,
    optimizer_of,
    train_config,
)
from experiments.plan import Plan
from nnguide.array_types import Array, Params
from nnguide.config import InputError
from nnguide.data.conversations import Conversations, Preference
from nnguide.data.dialogues import Question, preference_pairs
from nnguide.language import reward_model, turns
from nnguide.language.rollout import Answers, joined
from nnguide.language.scalar_head import with_head
from nnguide.results import Claim
from nnguide.training import Task
from nnguide.transformer.model import Transformer

UNENDED = 1.0  # penalty of an answer without an end, which no training pair has


class Pairs(NamedTuple):
    """Preference pairs to train on, and held-out ones."""

    learned: turns.Rows
    heldout: turns.Rows

    def first(self, count: int) -> "Pairs":
        """The same with only the first `count` training pairs."""
        learned = turns.Rows(*(leaf[:count] for leaf in self.learned))
        return Pairs(learned, self.heldout)


class Rewarded(NamedTuple):
    """A trained reward model.

    Attributes:
      params: the transformer's parameters and those of the scalar head.
      pairs: the training pairs.
      accuracy: share of held-out pairs in which the chosen answer has the higher
        reward.
    """

    params: Params
    pairs: turns.Rows
    accuracy: float


def paired(bot: Chatbot, tuned: Params) -> Pairs:
    """Samples pairs of answers and orders them by the judge's preference.

    Args:
      bot: the chatbot.
      tuned: the fine-tuned parameters, from which the answers are sampled.
    """
    train, heldout = bot.questions
    pairs, noise = bot.config.pairs, bot.config.noise
    # The held-out pairs have no label noise, no ties and no training question.
    return Pairs(
        _rows(bot, _sampled(bot, tuned, train, pairs, noise, 2)),
        _rows(bot, _sampled(bot, tuned, heldout, max(pairs // 4, 8), 0.0, 3)),
    )


def paired_in_file(bot: Chatbot, found: Conversations) -> Pairs:
    """Tokenizes a file's preference pairs.

    Args:
      bot: the chatbot.
      found: the file's content, with two pairs or more.

    Raises:
      InputError: a pair exceeds the model's context, or has characters that the
        tokenizer lacks.
    """
    cut = held_from(len(found.preferences))
    learned, heldout = (
        _rows(bot, found.preferences[part], found.preferences_at[part])
        for part in (slice(cut), slice(cut, None))
    )
    return Pairs(learned, heldout)


def imagined(bot: Chatbot) -> Pairs:
    """Zero-filled pairs with the shapes of `paired`.

    They stand in for sampled pairs in a dry run, where no model can be sampled. The
    real pairs may be fewer, because some samples are discarded.
    """
    config, length = bot.config, bot.model.config.context

    def rows(count: int) -> turns.Rows:
        return turns.Rows(
            np.zeros((count, 2, length), np.int32),
            np.zeros((count, 2, length - 1), np.float32),
        )

    return Pairs(rows(config.pairs), rows(max(config.pairs // 4, 8)))


def plan(bot: Chatbot, pairs: Pairs, name: str = "reward") -> Plan:
    """The training of a reward model on pairs."""
    config, (learned, heldout) = bot.config, pairs
    return Plan(
        name,
        Task(*reward_model.functions(*bot.model)),
        optimizer_of(config.rate, config.reward_steps),
        batches_of(learned, config.batch_size, bot.seed),
        train_config(bot, config.reward_steps),
        {"heldout": evaluation_of(heldout, config.batch_size)},
    )


def rewarded(
    bot: Chatbot, tuned: Params, pairs: Pairs, name: str = "reward"
) -> Rewarded:
    """Trains a reward model, or restores it.

    Args:
      bot: the chatbot.
      tuned: the fine-tuned parameters, which initialize the reward model.
      pairs: preference pairs.
      name: the training's name.
    """
    announce(f"reward model of {len(pairs.learned.tokens):,} pairs")
    start = with_head(tuned, bot.model.config.embedding)
    fit = plan(bot, pairs, name).fit(bot.folder, start)
    accuracy = fit.history[-1]["heldout/accuracy"]
    return Rewarded(fit.state.params, pairs.learned, float(accuracy))


def _sampled(
    bot: Chatbot, tuned: Params, questions: Sequence[Question], count: int,
    noise: float, stream: int,
) -> Sequence[Preference]:  # fmt: skip
    """Samples two answers to each question and orders them by the judge's score.

    Pairs with an unfinished answer are discarded: `turns.pair_rows` ends every answer
    with a line break, which an unfinished one lacks.
    """
    asked = [questions[number % len(questions)] for number in range(count)]
    keys = jax.random.split(jax.random.key(bot.seed + stream))
    one, other = (ask(bot, tuned, asked, key) for key in keys)
    each = zip(
        asked, _ended_texts(one), _ended_texts(other), one.worth, other.worth,
        strict=True,
    )  # fmt: skip
    # Held out (no noise), ties are discarded: their order would be random.
    kept = [(q, a, b) for q, a, b, first, second in each if noise or first != second]
    return preference_pairs(kept, noise, bot.seed)


def _ended_texts(said: Said) -> list[str]:
    """The answers' texts; "" for unfinished answers."""
    ended = np.asarray(said.answers.ended)
    return [text if end else "" for text, end in zip(said.texts, ended, strict=True)]


def _rows(
    bot: Chatbot, pairs: Sequence[Preference], names: Sequence[str] = ()
) -> turns.Rows:
    if not pairs:
        raise InputError(
            "--feedback.pairs: both sampled answers to every question were the same: "
            "there is no preference to learn; give more pairs or fewer "
            "--feedback.finetune_steps."
        )
    length = bot.model.config.context
    return turns.pair_rows(bot.template, bot.tokenizer, pairs, length, names)


def as_reward(bot: Chatbot, params: Params) -> Any:
    """The reward model as a function (answers, question numbers) -> rewards."""
    module = Transformer(*bot.model)

    @jax.jit
    def rewards(params: Params, answers: Answers) -> Array:
        scores = reward_model.rewards(module, params, *joined(answers))
        return scores - UNENDED * (~answers.ended)

    return lambda answers, numbers: rewards(params, answers)


def claims(bot: Chatbot, found: Rewarded) -> list[Claim]:
    """The claim on the reward model's accuracy on held-out pairs."""
    return [
        Claim(
            "5.reward_accuracy",
            "a model can learn which answers people prefer",
            found.accuracy,
            (0.6, 1),
            (0.7, 1),
            "3Blue1Brown, Large Language Models explained briefly; InstructGPT's "
            "reward models agree with people they never saw in 69.6% of pairs (Ouyang "
            "et al., section 4.1)",
            unit="share of held-out pairs ordered as the judge does",
            needs=NEEDS,
            scored=bot.known,
        )
    ]


def mean_reward(reward: Any, answers: Answers) -> float:
    """The mean reward of answers.

    Args:
      reward: from `as_reward`.
      answers: the sampled answers.
    """
    return float(np.mean(reward(answers, None)))
