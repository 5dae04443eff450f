"""Part 6, "Transformers, the tech behind LLMs": from tokens to a prediction.

How a text becomes tokens; which parts of a transformer let tokens talk to each other;
what the unembedding does and what temperature makes of it; what the context is worth;
why one pass trains as many predictions as there are tokens; and where GPT-3's 175
billion weights are.
"""

import dataclasses
import functools
import time
from collections.abc import Callable
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
from experiments.part6.setting import Setting, Training, fitting, train
from experiments.part6.softmax import Config as SoftmaxConfig
from experiments.part6.tokens import Config as TokensConfig
from experiments.report import Plan
from nnguide.config import InputError, leaves, run_only, seed_field, ungrouped
from nnguide.data.batches import random_windows
from nnguide.data.text import TextConfig, load_text
from nnguide.plots import style
from nnguide.results import Claim, Results
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


def studies(
    config: Config,
) -> dict[str, Callable[[Setting], tuple[list[Claim], list[str]]]]:
    """The studies by the name that --study gives them, in the guide's order."""
    return {
        "tokens": lambda setting: tokens.study(config.tokens, setting),
        "directions": lambda setting: directions.study(config.directions, setting),
        "cross_token": lambda setting: cross_token.study(config.cross_token, setting),
        "unembedding": unembedding.study,
        "softmax": lambda setting: softmax.study(config.softmax, setting),
        "context": lambda setting: context.study(config.context, setting),
        "one_pass": lambda setting: one_pass.study(config.one_pass, setting),
        "parameters": parameters.study,
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
    first = functools.partial(
        train,
        text,
        model,
        config.training,
        config.seed,
        workdir / "tied",
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
        functools.cache(first),
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


def plan(config: Config) -> Plan:
    """The training of the small transformers."""
    setting = setting_of(config, Path())
    return Plan(
        *fitting(setting.text, setting.model, config.training, config.seed, False)
    )


def run(config: Config) -> Results:
    """Trains, measures, draws."""
    started = time.monotonic()
    style.require_matplotlib()
    workdir = launcher.workdir_of(NAME, config)
    setting = setting_of(config, workdir)
    _check_text(config, setting)
    data = setting.text.identity
    if config.study in ("all", "directions"):
        data |= directions.data(config.directions)
    launcher.open_workdir(NAME, config, data)
    claims, figures = [], []
    for name, study in studies(config).items():
        if config.study in ("all", name):
            measured, drawn = study(setting)
            claims += measured
            figures += drawn
    return launcher.finish(NAME, config, workdir, claims, figures, started)


if __name__ == "__main__":
    launcher.main(run, Config(), plan)
