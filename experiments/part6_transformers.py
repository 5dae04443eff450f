"""Part 6, "Transformers, the tech behind LLMs": from tokens to a prediction.

How a text becomes tokens; which parts of a transformer let tokens talk to each other;
what the unembedding does and what temperature makes of it; what the context is worth;
why one pass trains as many predictions as there are tokens; and where GPT-3's 175
billion weights are.
"""

import dataclasses
import functools
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from experiments import launcher
from experiments.part6 import (
    context,
    cross_token,
    directions,
    one_pass,
    parameters,
    softmax,
    tokens,
    unembedding,
)
from experiments.part6.context import Config as ContextConfig
from experiments.part6.cross_token import Config as CrossTokenConfig
from experiments.part6.directions import Config as DirectionsConfig
from experiments.part6.one_pass import Config as OnePassConfig
from experiments.part6.setting import Setting, Training
from experiments.part6.setting import plan as training_plan
from experiments.part6.softmax import Config as SoftmaxConfig
from experiments.part6.tokens import Config as TokensConfig
from experiments.plan import Plan
from experiments.studies import StudyRun, plans_of, run_studies
from nnguide.config import InputError, leaves, run_only, seed_field, ungrouped
from nnguide.data.batches import random_windows
from nnguide.data.text import TextConfig, load_text
from nnguide.plots import style
from nnguide.results import Results
from nnguide.transformer.config import TransformerConfig

NAME = "part6_transformers"
Study = Literal[
    "all",
    "tokens",
    "directions",
    "cross_token",
    "unembedding",
    "softmax",
    "context",
    "one_pass",
    "parameters",
]


@dataclasses.dataclass(frozen=True)
class Config(launcher.Common):
    """Part 6's choices.

    Attributes:
      study: which questions to ask.
      data: the text, and what cuts it into tokens.
      model: the small transformer that is trained; its vocabulary is the tokenizer's.
      training: how it is trained.
      seed: of everything that is random.
      tokens: what merges do.
      directions: word vectors, and what they are asked.
      cross_token: where Jacobians are taken.
      softmax: which predictions are heated and cooled.
      context: how the context is measured.
      one_pass: how the price of predictions is measured.
    """

    study: Study = run_only("all")
    data: TextConfig = ungrouped(TextConfig(tokenizer="byte_pairs:1024"))
    model: TransformerConfig = TransformerConfig(
        vocabulary=0,
        context=64,
        layers=2,
        embedding=64,
        heads=4,
        dropout=0.0,
        initial_std=0.06,  # GPT-2's 0.02 is for vectors 12 times as long
    )
    training: Training = Training()
    seed: int = seed_field("seed")
    tokens: TokensConfig = TokensConfig()
    directions: DirectionsConfig = DirectionsConfig()
    cross_token: CrossTokenConfig = CrossTokenConfig()
    softmax: SoftmaxConfig = SoftmaxConfig()
    context: ContextConfig = ContextConfig()
    one_pass: OnePassConfig = OnePassConfig()

    def __post_init__(self) -> None:
        model = self.model
        if model.blocks != "attention_and_mlp" or not model.causal or not model.tied:
            raise InputError(
                f"--model.blocks={model.blocks} --model.causal={model.causal} "
                f"--model.tied={model.tied}: part 6 looks at a causal transformer with "
                "both kinds of blocks, and unties a tied one; leave these as they are."
            )
        if model.context < 4 or self.cross_token.tokens > model.context:
            raise InputError(
                f"--model.context={model.context}: give 4 or more, and no fewer than "
                f"--cross_token.tokens={self.cross_token.tokens}."
            )


def studies(config: Config) -> dict[str, StudyRun[Setting]]:
    """The studies by the name that --study gives them, in the guide's order."""

    def tied(setting: Setting) -> list[Plan]:
        return [setting.plan]

    return {
        "tokens": StudyRun(lambda setting: tokens.study(config.tokens, setting)),
        "directions": StudyRun(
            lambda setting: directions.study(config.directions, setting)
        ),
        "cross_token": StudyRun(
            lambda setting: cross_token.study(config.cross_token, setting), tied
        ),
        "unembedding": StudyRun(unembedding.study, unembedding.plans),
        "softmax": StudyRun(
            lambda setting: softmax.study(config.softmax, setting), tied
        ),
        "context": StudyRun(
            lambda setting: context.study(config.context, setting), tied
        ),
        "one_pass": StudyRun(
            lambda setting: one_pass.study(config.one_pass, setting), one_pass.plans
        ),
        "parameters": StudyRun(parameters.study),
    }


def setting_of(config: Config, workdir: Path) -> Setting:
    """Reads the text and sizes the model to its tokens; trains nothing yet."""
    text = load_text(config.data)
    if text.tokenizer is None:
        raise InputError(
            f"--dataset={config.data.dataset}: part 6 shows what the tokens say; give "
            "the tokenizer that they were made with."
        )
    model = config.model
    if model.vocabulary not in (0, text.vocabulary_size):
        raise InputError(
            f"--model.vocabulary={model.vocabulary}: the tokenizer has "
            f"{text.vocabulary_size:,} tokens; leave it out."
        )
    model = dataclasses.replace(model, vocabulary=text.vocabulary_size)
    tied = training_plan(
        "tied",
        text,
        model,
        config.training,
        config.seed,
        judged=("validation", "last"),
    )
    names = ("data", "model", "training")
    same = [
        dict(leaves(getattr(config, name), learned_only=True))
        == dict(leaves(getattr(Config(), name), learned_only=True))
        for name in names
    ]
    return Setting(
        text,
        text.tokenizer,
        model,
        config.training,
        tied,
        functools.cache(functools.partial(tied.fit, workdir)),
        config.seed,
        all(same),
        workdir,
        config.figures.theme,
    )


def _check_text(config: Config, setting: Setting) -> None:
    """Before anything is trained: both parts of the text are long enough."""
    text, model = setting.text, setting.model
    for part in (text.train, text.validation):
        random_windows(len(part), config.training.batch_size, model.context, seed=0)
    if config.study in ("all", "context"):
        context.check_text(config.context, text, model)


def plans(config: Config) -> dict[str, Iterable[Plan]]:
    """What the studies asked for train."""
    return plans_of(config.study, studies(config), setting_of(config, Path()))


def run(config: Config) -> Results:
    """Trains, measures, draws."""
    started = time.monotonic()
    style.require_matplotlib()
    setting = setting_of(config, launcher.workdir_of(NAME, config))
    _check_text(config, setting)
    data = setting.text.identity
    if config.study in ("all", "directions"):
        data |= directions.data(config.directions)
    workdir = launcher.open_workdir(NAME, config, data)
    setting = setting._replace(workdir=workdir)
    return run_studies(
        NAME, config, config.study, studies(config), setting, workdir, started
    )


if __name__ == "__main__":
    launcher.main(run, Config(), plans)
