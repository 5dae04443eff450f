"""Part 9, "But how do AI images and videos actually work": noise, and the way back.

A spiral of points, where everything is exact; handwritten digits drawn by class; CLIP,
which puts pictures and captions into one space; and pictures drawn from captions.
"""

import dataclasses
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from experiments import launcher
from experiments.part9 import clip, digits, scenes, spiral
from experiments.part9.clip import Config as ClipConfig
from experiments.part9.digits import Config as DigitsConfig
from experiments.part9.scenes import Config as ScenesConfig
from experiments.part9.setting import Setting
from experiments.part9.spiral import Config as SpiralConfig
from experiments.plan import Plan
from experiments.studies import StudyRun, plans_of, run_studies
from nnguide.config import run_only, seed_field
from nnguide.data.scene_captions import tokens_of
from nnguide.diffusion.guidance import GuidanceConfig
from nnguide.diffusion.samplers import SamplerConfig, sampling_sigmas
from nnguide.plots import style
from nnguide.results import Results

NAME = "part9_diffusion"
Study = Literal["spiral", "digits", "clip", "scenes", "all"]


@dataclasses.dataclass(frozen=True)
class Config(launcher.Common):
    """Part 9's choices.

    Attributes:
      study: which question to ask.
      seed: of everything that is random.
      sampler: how noise becomes a sample.
      guidance: how far samples follow their condition.
      spiral: points in the plane.
      digits: handwritten digits.
      clip: pictures and captions.
      scenes: pictures from captions.
      prompt: what the scenes study draws besides, for instance "a cactus in a desert at
        night".
    """

    study: Study = run_only("spiral")
    seed: int = seed_field("seed")
    sampler: SamplerConfig = run_only(SamplerConfig())
    guidance: GuidanceConfig = dataclasses.field(
        default=GuidanceConfig(), metadata={"ungrouped": True, "run_only": True}
    )
    spiral: SpiralConfig = SpiralConfig()
    digits: DigitsConfig = DigitsConfig()
    clip: ClipConfig = ClipConfig()
    scenes: ScenesConfig = ScenesConfig()
    prompt: str = run_only("")

    def __post_init__(self) -> None:
        tokens_of(self.prompt)  # refuses words that no caption has
        if self.study in ("digits", "all"):
            sampling_sigmas(self.digits.recipe.noise, self.sampler)


def studies(config: Config) -> dict[str, StudyRun[Setting]]:
    """The studies by the name that --study gives them, in the guide's order."""
    return {
        "spiral": StudyRun(
            lambda setting: spiral.study(config.spiral, setting),
            lambda setting: spiral.plans(config.spiral, setting),
        ),
        "digits": StudyRun(
            lambda setting: digits.study(config.digits, setting),
            lambda setting: digits.plans(config.digits, setting),
        ),
        "clip": StudyRun(
            lambda setting: clip.study(config.clip, setting),
            lambda setting: [clip.plan(config.clip, setting)],
        ),
        "scenes": StudyRun(
            lambda setting: scenes.study(
                config.scenes, config.clip, config.prompt, setting
            ),
            lambda setting: scenes.plans(config.scenes, config.clip, setting),
        ),
    }


def _setting(config: Config, workdir: Path) -> Setting:
    return Setting(
        config.seed, workdir, config.figures.theme, config.sampler, config.guidance
    )


def plans(config: Config) -> dict[str, Iterable[Plan]]:
    """What the studies asked for train."""
    return plans_of(config.study, studies(config), _setting(config, Path()))


def run(config: Config) -> Results:
    """Trains, samples, measures, draws."""
    started = time.monotonic()
    style.require_matplotlib()
    data = digits.data(config.digits) if config.study in ("digits", "all") else {}
    workdir = launcher.open_workdir(NAME, config, data)
    setting = _setting(config, workdir)
    return run_studies(
        NAME, config, config.study, studies(config), setting, workdir, started
    )


if __name__ == "__main__":
    launcher.main(run, Config(), plans)
