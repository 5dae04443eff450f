"""Supervised fine-tuning: a pre-trained language model learns to be an assistant.

Source: 3Blue1Brown, "Large Language Models explained briefly"; Ouyang et al., arXiv
2203.02155, section 3.5.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from experiments.part5 import sample
from experiments.part5.feedback import (
    NEEDS,
    Chatbot,
    Said,
    announce,
    batches_of,
    evaluation_of,
    held_from,
    optimizer_of,
    train_config,
)
from experiments.part5.setting import Speaker
from experiments.plan import Plan
from nnguide.array_types import Params
from nnguide.data.conversations import Conversation, Conversations
from nnguide.data.dialogues import demonstrations
from nnguide.language import finetuning, turns
from nnguide.language.chat import ChatTemplate, Turn
from nnguide.language.low_rank import merged, with_low_rank
from nnguide.results import Claim
from nnguide.training import Task

HELDOUT = 200  # conversations that the loss is measured on
LONG = 100  # tokens; an answer is longer if no user turn begins within them


class Demonstrated(NamedTuple):
    """Conversations to train on, and held-out ones."""

    learned: turns.Rows
    heldout: turns.Rows


def demonstrated(bot: Chatbot, found: Conversations | None) -> Demonstrated:
    """Tokenizes the conversations for fine-tuning.

    Args:
      bot: the chatbot.
      found: a file's conversations, two or more; None generates dialogues.

    Raises:
      InputError: a conversation exceeds the model's context, or has characters that
        the tokenizer lacks.
    """
    if found is None:
        (train, heldout), config = bot.questions, bot.config
        return Demonstrated(
            _rows(bot, demonstrations(train, config.demonstrations, bot.seed)),
            _rows(bot, demonstrations(heldout, HELDOUT, bot.seed + 1)),
        )
    cut = held_from(len(found.conversations))
    learned, heldout = (
        _rows(bot, found.conversations[part], found.conversations_at[part])
        for part in (slice(cut), slice(cut, None))
    )
    return Demonstrated(learned, heldout)


def plan(bot: Chatbot, base: Params, shown: Demonstrated) -> Plan:
    """The fine-tuning as a plan.

    Args:
      bot: the chatbot.
      base: the pre-trained parameters; shapes suffice for a description.
      shown: the conversations.
    """
    config, (learned, heldout) = bot.config, shown
    functions = finetuning.functions(*bot.model)
    low_rank = config.method == "low_rank"
    if low_rank:
        functions = with_low_rank(functions, config.low_rank)
    return Plan(
        "finetune",
        Task(*functions),
        optimizer_of(config.rate, config.finetune_steps),
        batches_of(learned, config.batch_size, bot.seed),
        train_config(bot, config.finetune_steps),
        {"heldout": evaluation_of(heldout, config.batch_size)},
        {"base": base} if low_rank else {},
    )


def finetuned(bot: Chatbot, base: Params, shown: Demonstrated) -> Params:
    """Fine-tunes the model, or restores the fine-tuned parameters.

    Returns:
      The parameters; low-rank factors are merged into them.
    """
    config, low_rank = bot.config, bot.config.method == "low_rank"
    announce("fine-tuning")
    fit = plan(bot, base, shown).fit(bot.folder, start=None if low_rank else base)
    params = fit.state.params
    return merged(base, params, config.low_rank) if low_rank else params


def _rows(
    bot: Chatbot, conversations: Sequence[Conversation], names: Sequence[str] = ()
) -> turns.Rows:
    """Tokenizes conversations; errors refer to a conversation by its name."""
    template, marked = bot.template, []
    names = names or [f"dialogue {n + 1}" for n in range(len(conversations))]
    for name, (turn_pairs, system) in zip(names, conversations, strict=True):
        opening = f"{system}\n\n" if system else ""
        with_system = ChatTemplate(opening, template.user, template.assistant)
        said = [Turn(*pair) for pair in turn_pairs]
        with turns.naming(name):
            marked.append(turns.marked(with_system, bot.tokenizer, said))
    return turns.as_rows(marked, bot.model.config.context, names)


def claims(bot: Chatbot, base: Said, tuned: Said, past: float) -> list[Claim]:
    """Claims on the answers before and after fine-tuning.

    Args:
      bot: the chatbot.
      base: the pre-trained model's answers.
      tuned: the fine-tuned model's answers.
      past: `runs_past` of the pre-trained model.
    """
    source = "3Blue1Brown, Large Language Models explained briefly"
    unit = f"share of {len(base.worth)} answers that end in {bot.config.new_tokens}"
    right = "share of answers to questions no training saw"
    rows = (
        ("base_runs_past", "a model that only read texts runs past its turn",
         past, (0.5, 1), (0.95, 1), f"share of answers that go on past {LONG} tokens"),
        ("tuned_stops", "fine-tuned on conversations it says its part and stops",
         _ended(tuned), (0.9, 1), (0.95, 1), f"{unit}; {_ended(base):.2f} before"),
        ("base_is_wrong", "a model that only read texts does not answer",
         _right(base), (0, 0.1), (0, 0.05), right),
        ("tuned_is_right", "fine-tuned, it answers rightly more often",
         _right(tuned), (_right(base) + 0.05, 1), (0.4, 1), right),
    )  # fmt: skip
    return [
        Claim(f"5.{name}", says, value, stated, expected, source, unit=what,
              needs=NEEDS, scored=bot.known)
        for name, says, value, stated, expected, what in rows
    ]  # fmt: skip


def runs_past(bot: Chatbot, params: Params) -> float:
    """The share of sampled answers in which no user turn begins within LONG tokens."""
    speaker = Speaker(bot.model, params, bot.tokenizer)
    prompts = [
        turns.prompt_tokens(bot.template, bot.tokenizer, question.asked)
        for question in bot.questions.heldout
    ]
    asked = sample.Config(samples=bot.config.asked, new_tokens=LONG)
    written = sample.generate(speaker, prompts, asked, bot.seed)
    cut = [bot.template.cut(text)[1] for text in sample.texts(speaker, written)]
    return 1 - sum(cut) / len(cut)


def _ended(said: Said) -> float:
    """The share of answers that end with a stop token."""
    return float(np.asarray(said.answers.ended).mean())


def _right(said: Said) -> float:
    """The share of answers that the judge scores above one half."""
    return float((said.worth > 0.5).mean())
