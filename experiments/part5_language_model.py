"""Part 5, "Large language models explained briefly": a GPT that predicts what is next.

`--stage=pretrain` trains it and measures what the guide says: how far it gets beyond
counting, what temperature does, how a chat is a document, how long a human would read
and how long one sum a nanosecond would take. `--stage=sample`, `chat` and `evaluate`
use the model that the same command with `--stage=pretrain` left; `finetune`, `reward`
and `rlhf` make a chatbot of it, each after what comes before it, and `ladder` all of
that from pre-training on.
"""

import dataclasses
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from experiments import data_record, launcher
from experiments.part5 import (
    chat,
    evaluate,
    ladder,
    material,
    next_words,
    recipes,
    rungs,
    sample,
    scale,
    smaller,
    temperature,
    training_run,
    tuned,
)
from experiments.part5.feedback import (
    Algorithm,
    Chatbot,
    Rung,
    examine,
    make_chatbot,
)
from experiments.part5.feedback import Config as FeedbackConfig
from experiments.part5.setting import (
    Model,
    Setting,
    Speaker,
    Trained,
    fitted,
    read_text,
    unread,
)
from experiments.part5.temperature import Config as TemperatureConfig
from experiments.plan import Plan
from experiments.studies import Measured, record_sections
from nnguide import training
from nnguide.array_types import Params
from nnguide.config import InputError, leaves, run_only, ungrouped
from nnguide.data.text import TextConfig
from nnguide.language.chat import ChatTemplate
from nnguide.language.sampling import SamplingConfig
from nnguide.parallel import ParallelConfig
from nnguide.plots import style
from nnguide.results import Claim, Results
from nnguide.training import OptimizerConfig
from nnguide.transformer.config import Execution, TransformerConfig

NAME = "part5_language_model"
Stage = Literal[
    "pretrain", "sample", "chat", "evaluate", "finetune", "reward", "rlhf", "ladder"
]


@dataclasses.dataclass(frozen=True)
class Config(launcher.Common):
    """Part 5's choices.

    Attributes:
      stage: pretrain trains, measures and draws; the others use what it trained, but
        for ladder, which trains all.
      algorithm: of stage=rlhf.
      chatbot: whom stage=chat talks to: the pre-trained model, or what a rung made of
        it.
      data: the text.
      model: the transformer; its vocabulary is the tokenizer's where it is 0, and
        padded where it is larger.
      execution: how it is computed.
      optimizer: nanoGPT's AdamW for small texts.
      batch_size: windows of text a step.
      train: how long; its seed draws the batches too.
      sampling: how stage=sample and stage=chat draw.
      prompt: a text to go on with, or what stage=chat is asked, instead of lines of
        the terminal; more are given with prompts.
      prompts: texts to go on with, separated by commas.
      samples: continuations of each prompt.
      new_tokens: how many tokens a continuation or an answer has at most.
      chat: the document that a conversation is.
      temperature: how its effect is measured.
      feedback: how a chatbot is made of the model.
    """

    stage: Stage = run_only("pretrain")
    algorithm: Algorithm = run_only("grpo")
    chatbot: tuned.Name = run_only("pretrained")
    data: TextConfig = ungrouped(TextConfig())
    model: TransformerConfig = TransformerConfig(
        vocabulary=0,
        context=64,
        layers=4,
        embedding=128,
        heads=4,
        activation="gelu_exact",
        biases=False,
        dropout=0.0,
    )
    execution: Execution = ungrouped(Execution())
    optimizer: OptimizerConfig = OptimizerConfig(
        "adamw",
        rate=1e-3,
        schedule="cosine",
        warmup_steps=100,
        final_share=0.1,
        beta2=0.99,
        weight_decay=0.1,
        clip=1.0,
    )
    batch_size: int = 12
    train: training.Config = training.Config(
        steps=2000,
        steps_per_call=50,
        log_every=50,
        evaluate_every=250,
        save_every=500,
        parallel=ParallelConfig(devices=1),  # a batch of 12 is no work for several
    )
    sampling: SamplingConfig = run_only(SamplingConfig())
    prompt: str | None = run_only(None)
    prompts: tuple[str, ...] = run_only(())
    samples: int = run_only(1)
    new_tokens: int = run_only(300)
    chat: ChatTemplate = run_only(ChatTemplate())
    temperature: TemperatureConfig = run_only(TemperatureConfig())
    feedback: FeedbackConfig = run_only(FeedbackConfig())

    def __post_init__(self) -> None:
        for name in ("batch_size", "samples", "new_tokens"):
            if getattr(self, name) < 1:
                raise InputError(f"--{name}={getattr(self, name)}: give 1 or more.")


def recipe_of(config: Config) -> str:
    """Which of the known recipes this is, whatever the seed; "" for none."""
    return recipes.name_of(config, Config())


def _setting(config: Config, workdir: Path) -> Setting:
    text = read_text(config.data, config.model)
    setting = Setting(
        config.data,
        text,
        fitted(config.model, config.execution, text.vocabulary_size),
        config.train.seed,
        workdir,
        config.figures.theme,
        recipe_of(config),
    )
    training_run.check_text(setting, config.batch_size)
    return setting


def plans(config: Config) -> dict[str, Iterable[Plan]]:
    """What the stage trains where nothing is trained yet."""
    if config.stage in ("sample", "chat", "evaluate"):
        return {config.stage: ()}
    setting = _setting(config, Path())

    def pretraining(each: Setting) -> Plan:
        return training_run.plan(
            each, config.optimizer, config.train, config.batch_size
        )

    if config.stage == "pretrain":
        return {config.stage: [pretraining(setting)]}
    bot = _chatbot(config, unread(setting), setting.workdir)
    if config.stage == "ladder":
        return {config.stage: smaller.whole_ladder(setting, bot, pretraining)}
    return {config.stage: rungs.plans(bot, config.stage, config.algorithm)}


def run(config: Config) -> Results:
    """Trains, measures and draws; or samples, chats, evaluates."""
    started = time.monotonic()
    if config.stage == "pretrain":
        return _pretrain(config, started)
    if config.stage == "ladder":
        return _ladder(config, started)
    if config.restart:
        raise InputError(
            f"--restart: --stage={config.stage} uses a trained model; train anew with "
            "--stage=pretrain."
        )
    training_run.require_run(launcher.workdir_of(NAME, config))
    workdir = launcher.open_workdir(NAME, config, trains=False)
    if config.stage in ("finetune", "reward", "rlhf"):
        return _climb(config, config.stage, workdir, started)
    claims = _use(config, workdir)
    # results.json stays the training's.
    fields, wall = dict(leaves(config)), time.monotonic() - started
    return Results(NAME, fields, tuple(claims), (), wall, workdir)


def _use(config: Config, workdir: Path) -> list[Claim]:
    """The stages that come after the training."""
    if config.stage == "evaluate":
        setting = _setting(config, workdir)
        data_record.check(workdir, setting.text.identity)
        training_run.check_tokenizer(setting)
        trained = _restore(config, setting.model, workdir)
        return evaluate.report(setting, trained)
    speaker, steps = _speaker(config, workdir)
    talk = sample.Config(config.sampling, config.samples, config.new_tokens)
    prompts = (*config.prompts, *([] if config.prompt is None else [config.prompt]))
    if config.stage == "sample":
        sample.write(speaker, talk, prompts, config.train.seed)
    elif config.chatbot == "pretrained":
        chat.talk(speaker, config.chat, talk, config.train.seed, prompts)
    else:
        bot = _chatbot(config, speaker, workdir)
        material.check_record(bot, material.of_base(steps))
        params = tuned.params_of(bot, speaker.params, config.chatbot)
        spoken = speaker._replace(params=params)
        chat.talk(spoken, bot.template, talk, config.train.seed, prompts, tuned=True)
    return []


def _speaker(config: Config, workdir: Path) -> tuple[Speaker, int]:
    """The pre-trained model, and the steps it was trained for."""
    tokenizer = training_run.saved_tokenizer(workdir)
    model = fitted(config.model, config.execution, tokenizer.vocabulary_size)
    trained = _restore(config, model, workdir)
    return Speaker(model, trained.params, tokenizer), trained.step


def _ladder(config: Config, started: float) -> Results:
    """Pre-trains where that was not done, and climbs all rungs."""
    style.require_matplotlib()
    setting = _setting(config, launcher.workdir_of(NAME, config))

    def pretrained(each: Setting) -> Params:
        return training_run.train(
            each, config.optimizer, config.train, config.batch_size
        ).params

    bot, steps = _chatbot(config, unread(setting), setting.workdir), config.train.steps
    learned = material.read(bot, "ladder")  # complains before the training
    smaller.smaller(setting, bot)
    workdir = launcher.open_workdir(NAME, config, setting.text.identity)
    setting, bot = setting._replace(workdir=workdir), bot._replace(workdir=workdir)
    material.keep_record(bot, steps)
    base = pretrained(setting)

    def sections() -> Iterator[tuple[str, Measured]]:
        before = examine(bot, base)
        yield from rungs.climb(bot, base, learned, before, "ladder", config.algorithm)
        claim = smaller.study(setting, bot, base, before, steps, pretrained)
        yield "smaller", ([claim], [])

    return record_sections(
        NAME, config, rungs.SECTIONS, sections(), bot.folder, started
    )


def _climb(config: Config, rung: Rung, workdir: Path, started: float) -> Results:
    """Results and pictures go beside the trainings; results.json stays pretrain's."""
    style.require_matplotlib()
    speaker, steps = _speaker(config, workdir)
    bot = _chatbot(config, speaker, workdir)
    learned = material.read(bot, rung)
    material.keep_record(bot, steps)
    before = examine(bot, speaker.params)
    climbed = rungs.climb(bot, speaker.params, learned, before, rung, config.algorithm)
    return record_sections(NAME, config, rungs.SECTIONS, climbed, bot.folder, started)


def _chatbot(config: Config, speaker: Speaker, workdir: Path) -> Chatbot:
    usual = recipe_of(config) == "default" and config.feedback == FeedbackConfig()
    return make_chatbot(
        speaker,
        config.chat,
        config.feedback,
        config.train.seed,
        workdir,
        config.figures.theme,
        usual,
    )


def _restore(config: Config, model: Model, workdir: Path) -> Trained:
    return training_run.restore(model, config.optimizer, config.train, workdir)


def _pretrain(config: Config, started: float) -> Results:
    style.require_matplotlib()
    setting = _setting(config, launcher.workdir_of(NAME, config))
    workdir = launcher.open_workdir(NAME, config, setting.text.identity)
    setting = setting._replace(workdir=workdir)
    trained = training_run.train(
        setting, config.optimizer, config.train, config.batch_size
    )
    claims = evaluate.claims(setting, evaluate.last_score(trained))
    figures: list[str] = []
    for measured, drawn in _studies(config, setting, trained):
        claims += measured
        figures += drawn
    return launcher.finish(NAME, config, setting.workdir, claims, figures, started)


def _studies(
    config: Config, setting: Setting, trained: Trained
) -> Iterator[tuple[list[Claim], list[str]]]:
    """In the guide's order; what writes text needs a tokenizer."""
    yield ladder.study(setting, trained)
    if setting.text.tokenizer is not None:
        speaker = Speaker(setting.model, trained.params, setting.text.tokenizer)
        yield next_words.study(setting, speaker, trained)
        yield temperature.study(config.temperature, setting, speaker)
        if chat.can_chat(speaker, config.chat):
            yield chat.study(setting, speaker, config.chat)
    yield scale.study(setting, config.optimizer, config.train.steps, config.batch_size)


if __name__ == "__main__":
    launcher.main(run, Config(), plans)
