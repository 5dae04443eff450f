"""A reward model learns what the judge prefers, from pairs of the chatbot's answers.

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

UNENDED = 1.0  # what an answer loses that never ends; the model has seen none


class Pairs(NamedTuple):
    """Preference pairs to learn from, and held out."""

    learned: turns.Rows
    heldout: turns.Rows

    def first(self, count: int) -> "Pairs":
        """With fewer to learn from."""
        learned = turns.Rows(*(leaf[:count] for leaf in self.learned))
        return Pairs(learned, self.heldout)


class Rewarded(NamedTuple):
    """A reward model and what it was taught.

    Attributes:
      params: with a head.
      pairs: it learned from.
      accuracy: on pairs it has not seen: how often the chosen answer's number is the
        larger one.
    """

    params: Params
    pairs: turns.Rows
    accuracy: float


def paired(bot: Chatbot, tuned: Params) -> Pairs:
    """What the judge prefers of the chatbot's answers.

    Args:
      bot: whose answers are judged.
      tuned: the fine-tuned model, which gives them.
    """
    train, heldout = bot.questions
    pairs, noise = bot.config.pairs, bot.config.noise
    # Held out: clear cases of questions that none is taught by.
    return Pairs(
        _rows(bot, _sampled(bot, tuned, train, pairs, noise, 2)),
        _rows(bot, _sampled(bot, tuned, heldout, max(pairs // 4, 8), 0.0, 3)),
    )


def paired_in_file(bot: Chatbot, found: Conversations) -> Pairs:
    """What a file's preference pairs say; two or more.

    Raises:
      InputError: one is too long for the model, or has characters it lacks.
    """
    cut = held_from(len(found.preferences))
    learned, heldout = (
        _rows(bot, found.preferences[part], found.preferences_at[part])
        for part in (slice(cut), slice(cut, None))
    )
    return Pairs(learned, heldout)


def imagined(bot: Chatbot) -> Pairs:
    """As many pairs as are asked for, of the right shape and empty.

    They describe a training before there is a model to give answers; of a file, its own
    may be fewer.
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
    """Teaches a reward model, or reads it back.

    Args:
      bot: whose answers are judged.
      tuned: the fine-tuned model, from which it starts.
      pairs: as `paired` gives them.
      name: of the training.
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
    """Two answers each to questions in turn, as the judge orders them.

    Answers that never ended make no pair: with an end put to them they would be others.
    """
    asked = [questions[number % len(questions)] for number in range(count)]
    keys = jax.random.split(jax.random.key(bot.seed + stream))
    one, other = (ask(bot, tuned, asked, key) for key in keys)
    each = zip(
        asked, _ended_texts(one), _ended_texts(other), one.worth, other.worth,
        strict=True,
    )  # fmt: skip
    # Held out, a tie would count as a coin's throw; there is nothing to be right about.
    kept = [(q, a, b) for q, a, b, first, second in each if noise or first != second]
    return preference_pairs(kept, noise, bot.seed)


def _ended_texts(said: Said) -> list[str]:
    """The answers, "" for those that never ended."""
    ended = np.asarray(said.answers.ended)
    return [text if end else "" for text, end in zip(said.texts, ended, strict=True)]


def _rows(
    bot: Chatbot, pairs: Sequence[Preference], names: Sequence[str] = ()
) -> turns.Rows:
    if not pairs:
        raise InputError(
            "--feedback.pairs: the model gave the same answer twice to every question, "
            "so that there is nothing to prefer; ask for more pairs or fine-tune for "
            "fewer steps."
        )
    length = bot.model.config.context
    return turns.pair_rows(bot.template, bot.tokenizer, pairs, length, names)


def as_reward(bot: Chatbot, params: Params) -> Any:
    """The reward model as what rollouts ask."""
    module = Transformer(*bot.model)

    @jax.jit
    def worth(params: Params, answers: Answers) -> Array:
        found = reward_model.rewards(module, params, *joined(answers))
        return found - UNENDED * (~answers.ended)

    return lambda answers, numbers: worth(params, answers)


def claims(bot: Chatbot, found: Rewarded) -> list[Claim]:
    """How well it foresees the judge."""
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
    """What a reward model thinks of answers, on average."""
    return float(np.mean(reward(answers, None)))
