"""Part 2, "Gradient descent, how neural networks learn": the cost, and the way down.

What the cost is and how its surface looks; what sign and size of a gradient's component
say; why activations are smooth and what happens where they are flat; how ReLU neurons
die; and why the gradient of a small batch does.
"""

import dataclasses
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from experiments import launcher
from experiments.part2 import (
    batch_size,
    cost,
    dead_relu,
    gradient,
    saturation,
    smoothness,
    surface,
)
from experiments.part2.batch_size import Config as BatchesConfig
from experiments.part2.cost import Config as CostConfig
from experiments.part2.dead_relu import Config as DeadReluConfig
from experiments.part2.gradient import Config as GradientConfig
from experiments.part2.saturation import Config as SaturationConfig
from experiments.part2.setting import GUIDE, Setting
from experiments.part2.smoothness import Config as SmoothnessConfig
from experiments.part2.surface import Config as SurfaceConfig
from experiments.plan import Plan
from experiments.studies import Measured, StudyRun, plans_of, run_studies
from nnguide.config import InputError, run_only, seed_field, ungrouped
from nnguide.data.images import ImageConfig, identity, load_images
from nnguide.plots import style
from nnguide.results import Results

NAME = "part2_gradient_descent"
Study = Literal[
    "all", "cost", "gradient", "saturation", "smoothness", "dead_relu", "batches"
]


@dataclasses.dataclass(frozen=True)
class Config(launcher.Common):
    """Part 2's choices.

    Attributes:
      study: which questions to ask.
      data: which images; 784 pixels and 10 classes.
      seed: of everything that is random.
      cost: the cost of knowing nothing.
      surface: how finely the cost's surfaces are drawn.
      gradient: what is measured of the gradient.
      saturation: neurons on the flat parts of the sigmoid.
      smoothness: the sigmoid on its way to a step.
      dead_relu: ReLU neurons that die.
      batches: full batch against mini-batches.
    """

    study: Study = run_only("all")
    data: ImageConfig = ungrouped(ImageConfig())
    seed: int = seed_field("seed")
    cost: CostConfig = CostConfig()
    surface: SurfaceConfig = SurfaceConfig()
    gradient: GradientConfig = GradientConfig()
    saturation: SaturationConfig = SaturationConfig()
    smoothness: SmoothnessConfig = SmoothnessConfig()
    dead_relu: DeadReluConfig = DeadReluConfig()
    batches: BatchesConfig = BatchesConfig()


def studies(config: Config) -> dict[str, StudyRun[Setting]]:
    """The studies by the name that --study gives them, in the guide's order."""

    def cost_and_surface(setting: Setting) -> Measured:
        claims, figures = cost.study(config.cost, config.batches, setting)
        more, drawn = surface.study(config.surface, config.batches, setting)
        return [*claims, *more], [*figures, *drawn]

    return {
        "cost": StudyRun(
            cost_and_surface, lambda setting: [cost.plan(config.batches, setting)]
        ),
        "gradient": StudyRun(lambda setting: gradient.study(config.gradient, setting)),
        "saturation": StudyRun(
            lambda setting: saturation.study(config.saturation, setting)
        ),
        "smoothness": StudyRun(
            lambda setting: smoothness.study(config.smoothness, setting),
            lambda setting: [smoothness.plan_of(config.smoothness, setting)],
        ),
        "dead_relu": StudyRun(
            lambda setting: dead_relu.study(config.dead_relu, setting),
            lambda setting: dead_relu.plans(config.dead_relu, setting),
        ),
        "batches": StudyRun(
            lambda setting: batch_size.study(config.batches, setting),
            lambda setting: batch_size.plans(config.batches, setting),
        ),
    }


def setting_of(config: Config, workdir: Path) -> Setting:
    """Reads the images.

    Raises:
      InputError: they do not fit the guide's network, or are fewer than a batch.
    """
    train, test = (load_images(config.data, split) for split in ("train", "test"))
    pixels, classes = train.arrays()["image"][0].size, len(train.label_names)
    if (pixels, classes) != (GUIDE.widths[0], GUIDE.widths[-1]):
        raise InputError(
            f"--dataset={config.data.dataset}: {pixels} pixels and {classes} "
            "classes; part 2 looks at 784-16-16-10, give a set with 784 and 10."
        )
    if max(config.batches.mini) > len(train):
        raise InputError(
            f"--batches.mini={max(config.batches.mini)}: there are {len(train):,} "
            "training images; give as many at most."
        )
    return Setting(config.data, train, test, config.seed, workdir, config.figures.theme)


def plans(config: Config) -> dict[str, Iterable[Plan]]:
    """What the studies asked for train."""
    return plans_of(config.study, studies(config), setting_of(config, Path()))


def run(config: Config) -> Results:
    """Trains, measures, draws."""
    started = time.monotonic()
    style.require_matplotlib()
    setting = setting_of(config, launcher.workdir_of(NAME, config))
    data = identity(train=setting.train, test=setting.test)
    workdir = launcher.open_workdir(NAME, config, data)
    setting = setting._replace(workdir=workdir)
    return run_studies(
        NAME, config, config.study, studies(config), setting, workdir, started
    )


if __name__ == "__main__":
    launcher.main(run, Config(), plans)
