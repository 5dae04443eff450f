"""What the rungs after pre-training share: the world, asking, and the judge's opinion.

The prompts have no opening: a fine-tuned model needs no words on what a chat is. The
questions that a model is judged by are none that any training saw.

Source: 3Blue1Brown, "Large Language Models explained briefly".
"""

import dataclasses
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import jax
import numpy as np
import optax

from experiments.part5.sample import execution_for
from experiments.part5.setting import Model, Speaker
from experiments.study import check
from nnguide import training
from nnguide.array_types import Array, Key, Params
from nnguide.config import InputError, alone, digest
from nnguide.data.batches import Batches, in_order, shuffled
from nnguide.data.dialogues import Question, Split, judge, split_questions
from nnguide.language import turns
from nnguide.language.chat import ChatTemplate
from nnguide.language.grpo import GrpoConfig
from nnguide.language.low_rank import LowRankConfig
from nnguide.language.ppo import PpoConfig
from nnguide.language.preference import DpoConfig
from nnguide.language.rollout import Answers, Prompts, Writer, make_writer
from nnguide.parallel import ParallelConfig
from nnguide.plots.style import Theme
from nnguide.tokenizer.protocol import Tokenizer
from nnguide.training import OptimizerConfig

Algorithm = Literal["dpo", "ppo", "grpo"]
Rung = Literal["finetune", "reward", "rlhf", "ladder"]
PER_CALL = 10  # steps
WARM_UP = 20  # steps
NEEDS = "the default flags"


@dataclasses.dataclass(frozen=True)
class Config:
    """How a pre-trained model becomes a chatbot.

    Attributes:
      dataset: dialogues (made here, with a judge), or jsonl:PATH; fine-tuning reads
        its lines with "messages", and the stages from reward on those with "prompt",
        "chosen" and "rejected" too.
      skip_bad_lines: leaves bad lines of a file out and counts them.
      demonstrations: conversations that fine-tuning imitates.
      finetune_steps: of fine-tuning.
      method: full trains every parameter, low_rank the factors of some kernels.
      low_rank: which ones.
      pairs: preference pairs from the fine-tuned model's own answers.
      noise: how often the judge points at the worse answer of a pair.
      reward_steps: of the reward model, and of DPO.
      rounds: of PPO and GRPO.
      batch_size: conversations, pairs or answers a step.
      rate: of fine-tuning and of the reward model.
      policy_rate: of DPO, PPO and GRPO.
      new_tokens: of an answer at most.
      asked: answers to each held-out question, which a model is judged by.
      dpo: how DPO moves the policy.
      ppo: how PPO does.
      grpo: how GRPO does.
    """

    dataset: str = "dialogues"
    skip_bad_lines: bool = False
    demonstrations: int = 2000
    finetune_steps: int = 600
    method: Literal["full", "low_rank"] = "full"
    low_rank: LowRankConfig = alone(LowRankConfig())
    pairs: int = 2000
    noise: float = 0.05
    reward_steps: int = 200
    rounds: int = 20
    batch_size: int = 32
    rate: float = 2e-3
    policy_rate: float = 1e-4
    new_tokens: int = 31
    asked: int = 4
    # The judge knows right from wrong, the reward model hardly: far from the fine-tuned
    # model they part, so that going far is dear here.
    dpo: DpoConfig = alone(DpoConfig(beta=0.5))
    ppo: PpoConfig = alone(PpoConfig(beta=0.3))
    grpo: GrpoConfig = alone(GrpoConfig(beta=0.5))

    def __post_init__(self) -> None:
        counts = ("demonstrations", "pairs", "batch_size", "new_tokens", "asked")
        check("feedback", self, **dict.fromkeys((*counts, "rounds"), 1))
        for name in ("finetune_steps", "reward_steps"):
            value = getattr(self, name)
            if value < PER_CALL or value % PER_CALL:
                raise InputError(
                    f"--feedback.{name}={value}: give a multiple of {PER_CALL}."
                )
        if not 0 <= self.noise < 0.5:
            raise InputError(
                f"--feedback.noise={self.noise}: give a share from 0 to below 0.5."
            )


@dataclasses.dataclass(frozen=True)
class _Learned:
    """What names the folder of a chatbot's trainings."""

    feedback: Config
    chat: ChatTemplate


class Chatbot(NamedTuple):
    """What is being tuned, and where its trainings live.

    Attributes:
      model: the transformer.
      tokenizer: of the pre-trained model.
      template: of a conversation, without an opening.
      config: how it is tuned.
      seed: of all that is random.
      workdir: of the pre-training.
      theme: of the pictures.
      known: whether the bands of the claims were measured with this config.
    """

    model: Model
    tokenizer: Tokenizer
    template: ChatTemplate
    config: Config
    seed: int
    workdir: Path
    theme: Theme
    known: bool

    @property
    def folder(self) -> Path:
        """The folder of trainings with this config and template, and their results."""
        learned = _Learned(self.config, self.template)
        return self.workdir / f"feedback-{digest(learned)}"

    @property
    def questions(self) -> Split:
        """To learn from, and to be judged by."""
        return split_questions()


def make_chatbot(
    speaker: Speaker,
    template: ChatTemplate,
    config: Config,
    seed: int,
    workdir: Path,
    theme: Theme,
    known: bool,
) -> Chatbot:
    """Checks that the model can hold a conversation of this world at all.

    Raises:
      InputError: its context or its alphabet is too small, or no token ends a line.
    """
    short = dataclasses.replace(template, opening="")
    model, _, tokenizer = speaker
    bot = Chatbot(model, tokenizer, short, config, seed, workdir, theme, known)
    short.check(tokenizer)
    turns.stop_tokens(tokenizer)
    longest = prompts_of(bot, bot.questions.train).tokens.shape[1] + config.new_tokens
    if longest > model.config.context:
        raise InputError(
            f"--feedback.new_tokens={config.new_tokens}: with the longest question "
            f"that is {longest} tokens, and the model's context is "
            f"{model.config.context}; use --model.context={longest} or fewer "
            "new tokens."
        )
    return bot


def prompts_of(bot: Chatbot, questions: Sequence[Question]) -> Prompts:
    """The documents up to where the assistant answers, padded to the longest."""
    rows = [
        turns.prompt_tokens(bot.template, bot.tokenizer, question.asked)
        for question in questions
    ]
    lengths = np.array([len(row) for row in rows], np.int32)
    tokens = np.zeros((len(rows), lengths.max()), np.int32)
    for row, places in zip(rows, tokens, strict=True):
        places[: len(row)] = row
    return Prompts(tokens, lengths)


def writer_of(bot: Chatbot, group: int = 1) -> Writer:
    """Writes the bot's answers, `group` of them to each prompt."""
    model = bot.model
    return make_writer(
        model.config,
        bot.config.new_tokens,
        turns.stop_tokens(bot.tokenizer),
        execution_for(Speaker(model, None, bot.tokenizer)),
        model.known_tokens,
        group=group,
    )


class Said(NamedTuple):
    """Answers of one model.

    Attributes:
      answers: as tokens.
      texts: without the blanks around them.
      worth: to the judge, from 0 to 1.
    """

    answers: Answers
    texts: list[str]
    worth: np.ndarray


def ask(bot: Chatbot, params: Params, questions: Sequence[Question], key: Key) -> Said:
    """Asks every question once and lets the judge judge."""
    answers = writer_of(bot)(params, prompts_of(bot, questions), key)
    tokens, counts = np.asarray(answers.tokens), np.asarray(answers.counts)
    texts = [
        bot.tokenizer.decode(row[counted > 0]).strip()
        for row, counted in zip(tokens, counts, strict=True)
    ]
    each = zip(questions, texts, np.asarray(answers.ended), strict=True)
    return Said(answers, texts, np.array([judge(q, t, bool(e)) for q, t, e in each]))


def examine(bot: Chatbot, params: Params) -> Said:
    """Asks the held-out questions, each several times; with one draw for all models."""
    questions = bot.questions.heldout * bot.config.asked
    return ask(bot, params, questions, jax.random.key(bot.seed + 1))


def preferred(one: np.ndarray, other: np.ndarray) -> tuple[float, float]:
    """How often the judge prefers one model's answers, ties counting half.

    Returns:
      The share, and half the width of its 95% confidence interval (normal, answers
      taken as independent).
    """
    wins = (1 + np.sign(one - other)) / 2
    return float(wins.mean()), float(1.96 * wins.std() / np.sqrt(len(wins)))


def optimizer_of(rate: float, steps: int) -> optax.GradientTransformation:
    """AdamW without decay of weights, whose rate falls to 0 after a short warm-up."""
    config = OptimizerConfig(
        "adamw",
        rate,
        schedule="cosine",
        warmup_steps=WARM_UP,
        final_share=0.0,
        beta2=0.99,
        clip=1.0,
    )
    return training.make_optimizer(config, max(steps, WARM_UP + 1))


def announce(rung: str) -> None:
    """Says whose steps the lines of progress count from here on."""
    print(f"{rung}:", file=sys.stderr)


def held_from(count: int) -> int:
    """Where those begin that are held out: the last tenth of a file, one or more."""
    return count - max(1, count // 10)


def train_config(bot: Chatbot, steps: int, per_call: int = PER_CALL) -> training.Config:
    """Saves at the end alone: rungs are short, and each is a training of its own."""
    return training.Config(
        steps=steps,
        seed=bot.seed,
        steps_per_call=per_call,
        log_every=per_call,
        parallel=ParallelConfig(devices=1),
    )


def batches_of(rows: turns.Rows, size: int, seed: int, **more: np.ndarray) -> Batches:
    """Endless shuffled batches of conversations or pairs."""
    arrays = {**rows._asdict(), **more}
    return Batches(shuffled(len(rows.tokens), size, seed), _gather, arrays)


def evaluation_of(rows: turns.Rows, size: int) -> Batches:
    """All of them once."""
    return Batches(in_order(len(rows.tokens), size), _gather, rows._asdict())


def _gather(arrays: dict[str, Array], rows: Array, key: Key) -> dict[str, Array]:
    del key
    return {name: leaf[rows] for name, leaf in arrays.items()}
