"""Part 7, "Attention in transformers": how context moves a word's vector.

A word that means three things, adjectives that move into their noun, the scaling of
scores, the mask, the low rank of the value map, what single heads are worth, what
attention costs, and heads that copy what came after the last time.
"""

import dataclasses
import time
from collections.abc import Iterable
from pathlib import Path
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
from experiments.plan import Plan
from experiments.studies import StudyRun, plans_of, run_studies
from nnguide.config import run_only, seed_field, ungrouped
from nnguide.data.text import TextConfig, TextSource, load_text
from nnguide.plots import style
from nnguide.results import Results

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


def studies(config: Config) -> dict[str, StudyRun[Setting]]:
    """The studies by the name that --study gives them, in the guide's order."""
    return {
        "mole": StudyRun(
            lambda setting: mole.study(config.mole, setting),
            lambda setting: mole.plans(config.mole, setting),
        ),
        "adjective": StudyRun(
            lambda setting: adjective.study(config.adjective, setting),
            lambda setting: adjective.plans(config.adjective, setting),
        ),
        "scaling": StudyRun(lambda setting: scaling.study(config.scaling, setting)),
        "mask": StudyRun(
            lambda setting: mask.study(config.mask, setting),
            lambda setting: mask.plans(config.mask, setting),
        ),
        "value_rank": StudyRun(
            lambda setting: value_rank.study(config.value_rank, setting),
            lambda setting: value_rank.plans(config.value_rank, setting),
        ),
        "ablation": StudyRun(
            lambda setting: ablation.study(config.ablation, config.mask, setting),
            lambda setting: [mask.plan(config.mask, setting)],
        ),
        "cost": StudyRun(lambda setting: cost.study(config.cost, setting)),
        "induction": StudyRun(
            lambda setting: induction.study(config.induction, setting),
            lambda setting: induction.plans(config.induction, setting).values(),
        ),
    }


def _check_text(config: Config, text: TextSource) -> None:
    """Before anything is trained, for those studies that are asked for."""
    if config.study in ("all", "mask"):
        mask.check_text(config.mask, text)
    if config.study in ("all", "value_rank"):
        value_rank.check_text(text)
    if config.study in ("all", "ablation"):
        ablation.check_text(config.ablation, config.mask, text)


def plans(config: Config) -> dict[str, Iterable[Plan]]:
    """What the studies asked for train."""
    setting = Setting(load_text(config.data), config.seed, Path(), "light")
    return plans_of(config.study, studies(config), setting)


def run(config: Config) -> Results:
    """Builds, trains, measures, draws."""
    started = time.monotonic()
    style.require_matplotlib()
    text = load_text(config.data)
    _check_text(config, text)
    workdir = launcher.open_workdir(NAME, config, text.identity)
    setting = Setting(text, config.seed, workdir, config.figures.theme)
    return run_studies(
        NAME, config, config.study, studies(config), setting, workdir, started
    )


if __name__ == "__main__":
    launcher.main(run, Config(), plans)
