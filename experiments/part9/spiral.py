"""A spiral of points, noised and denoised: all of diffusion where everything is exact.

What noise is for and how many steps it takes (`spiral_exact`), what a network learns of
it (`spiral_trained`), and what guidance does (`spiral_guidance`).

Source: "But how do AI images and videos actually work".
"""

import dataclasses

from experiments.part9 import spiral_exact, spiral_guidance, spiral_trained
from experiments.part9.setting import Setting
from experiments.plan import Plan
from experiments.study import check, check_steps
from nnguide.config import InputError
from nnguide.results import Claim


@dataclasses.dataclass(frozen=True)
class Config:
    """The spiral's sizes. The sweeps bring their own samplers.

    Attributes:
      steps: of training the network, 256 points each.
      class_steps: of training the network that is told a class.
      sampler_steps: numbers of steps that the samplers are compared at; 10 and 50 are
        added.
      samples: of each sampler.
    """

    steps: int = 6000
    class_steps: int = 3000
    sampler_steps: tuple[int, ...] = (5, 10, 20, 50, 100, 256)
    samples: int = 2000

    def __post_init__(self) -> None:
        check("spiral", self, samples=100, sampler_steps=2)
        check_steps("spiral", self.steps)
        if self.class_steps < 1 or self.class_steps % 50:
            raise InputError(
                f"--spiral.class_steps={self.class_steps}: give a multiple of 50."
            )


def plans(config: Config, setting: Setting) -> tuple[Plan, Plan]:
    """The network, and the one that is told a class."""
    return (
        spiral_trained.plan(config.steps, setting.seed),
        spiral_guidance.plan(config.class_steps, setting.seed),
    )


def study(config: Config, setting: Setting) -> tuple[list[Claim], list[str]]:
    """Samples exactly, trains, guides."""
    scored, samples = config == Config(), config.samples
    claims, figures = [], []
    for measured, drawn in (
        spiral_exact.study(config.sampler_steps, samples, scored, setting),
        spiral_trained.study(config.steps, samples, scored, setting),
        spiral_guidance.study(config.class_steps, samples, scored, setting),
    ):
        claims += measured
        figures += drawn
    return claims, figures
