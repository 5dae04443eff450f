"""Part 7, "Attention in transformers": how context moves a word's vector.

A word that means three things, adjectives that move into their noun, the scaling of
scores, the mask, the low rank of the value map, what single heads are worth, what
attention costs, and heads that copy what came after the last time.
"""

import dataclasses
import time
from collections.abc import Callable
from typing import Literal

from experiments import launcher
from experiments.part7 import (
    ablation,
    adjective,
    cost,
    induction,
    mask,
    mole,
    scaling,
    value_rank,
)
from experiments.part7.ablation import Config as AblationConfig
from experiments.part7.adjective import Config as AdjectiveConfig
from experiments.part7.cost import Config as CostConfig
from experiments.part7.induction import Config as InductionConfig
from experiments.part7.mask import Config as MaskConfig
from experiments.part7.mole import Config as MoleConfig
from experiments.part7.scaling import Config as ScalingConfig
from experiments.part7.setting import Setting
from experiments.part7.value_rank import Config as ValueRankConfig
from experiments.report import Plan
from nnguide.config import run_only, seed_field, ungrouped
from nnguide.data.text import TextConfig, TextSource, load_text
from nnguide.plots import style
from nnguide.results import Claim, Results

NAME = "part7_attention"
Study = Literal[
    "all",
    "mole",
    "adjective",
    "scaling",
    "mask",
    "value_rank",
    "ablation",
    "cost",
    "induction",
]


@dataclasses.dataclass(frozen=True)
class Config(launcher.Common):
    """Part 7's choices.

    Attributes:
      study: which question to ask.
      data: which text, where a study reads one.
      seed: of everything that is random.
      mole: ambiguous words in contexts.
      adjective: adjectives that move into their noun.
      scaling: scores and their square root.
      mask: a GPT trained with the mask and without.
      value_rank: the value map in two factors or whole.
      ablation: what single heads of the masked GPT are worth.
      cost: time and memory of attention.
      induction: heads that copy what came after the last time.
    """

    study: Study = run_only("all")
    data: TextConfig = ungrouped(TextConfig())
    seed: int = seed_field("seed")
    mole: MoleConfig = MoleConfig()
    adjective: AdjectiveConfig = AdjectiveConfig()
    scaling: ScalingConfig = ScalingConfig()
    mask: MaskConfig = MaskConfig()
    value_rank: ValueRankConfig = ValueRankConfig()
    ablation: AblationConfig = AblationConfig()
    cost: CostConfig = CostConfig()
    induction: InductionConfig = InductionConfig()


def studies(
    config: Config,
) -> dict[str, Callable[[Setting], tuple[list[Claim], list[str]]]]:
    """The studies by the name that --study gives them, in the guide's order."""
    return {
        "mole": lambda setting: mole.study(config.mole, setting),
        "adjective": lambda setting: adjective.study(config.adjective, setting),
        "scaling": lambda setting: scaling.study(config.scaling, setting),
        "mask": lambda setting: mask.study(config.mask, setting),
        "value_rank": lambda setting: value_rank.study(config.value_rank, setting),
        "ablation": lambda setting: ablation.study(
            config.ablation, config.mask, setting
        ),
        "cost": lambda setting: cost.study(config.cost, setting),
        "induction": lambda setting: induction.study(config.induction, setting),
    }


def _check_text(config: Config, text: TextSource) -> None:
    """Before anything is trained, for those studies that are asked for."""
    if config.study in ("all", "mask"):
        mask.check_text(config.mask, text)
    if config.study in ("all", "value_rank"):
        value_rank.check_text(text)
    if config.study in ("all", "ablation"):
        ablation.check_text(config.ablation, config.mask, text)


def plan(config: Config) -> Plan:
    """The training of the model that reads ambiguous words."""
    return mole.plan(config.mole, config.seed)


def run(config: Config) -> Results:
    """Builds, trains, measures, draws."""
    started = time.monotonic()
    style.require_matplotlib()
    text = load_text(config.data)
    _check_text(config, text)
    workdir = launcher.open_workdir(NAME, config, text.identity)
    setting = Setting(text, config.seed, workdir, config.figures.theme)
    claims, figures = [], []
    for name, study in studies(config).items():
        if config.study in ("all", name):
            measured, drawn = study(setting)
            claims += measured
            figures += drawn
    return launcher.finish(NAME, config, workdir, claims, figures, started)


if __name__ == "__main__":
    launcher.main(run, Config(), plan)
