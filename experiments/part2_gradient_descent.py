"""Part 2, "Gradient descent, how neural networks learn": the cost, and the way down.

What the cost is and how its surface looks; what sign and size of a gradient's component
say; why activations are smooth and what happens where they are flat; how ReLU neurons
die; and why the gradient of a small batch does.
"""

import dataclasses
import time
from collections.abc import Callable
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
from experiments.part2.setting import GUIDE, Setting, task_of
from experiments.part2.smoothness import Config as SmoothnessConfig
from experiments.part2.surface import Config as SurfaceConfig
from experiments.report import Plan
from nnguide.config import InputError, run_only, seed_field, ungrouped
from nnguide.data.images import ImageConfig, identity, image_batches, load_images
from nnguide.network.descent import gradient_descent
from nnguide.plots import style
from nnguide.results import Claim, Results

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


def studies(
    config: Config,
) -> dict[str, list[Callable[[Setting], tuple[list[Claim], list[str]]]]]:
    """The studies by the name that --study gives them, in the guide's order."""
    return {
        "cost": [
            lambda setting: cost.study(config.cost, config.batches, setting),
            lambda setting: surface.study(config.surface, config.batches, setting),
        ],
        "gradient": [lambda setting: gradient.study(config.gradient, setting)],
        "saturation": [lambda setting: saturation.study(config.saturation, setting)],
        "smoothness": [lambda setting: smoothness.study(config.smoothness, setting)],
        "dead_relu": [lambda setting: dead_relu.study(config.dead_relu, setting)],
        "batches": [lambda setting: batch_size.study(config.batches, setting)],
    }


def plan(config: Config) -> Plan:
    """One training of the comparison of batch sizes."""
    batch = min(config.batches.mini)
    train = load_images(config.data, "train")
    return Plan(
        task_of(GUIDE),
        gradient_descent(config.batches.rate),
        image_batches(train, batch, config.seed, config.data.loader),
    )


def run(config: Config) -> Results:
    """Trains, measures, draws."""
    started = time.monotonic()
    style.require_matplotlib()
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
    workdir = launcher.open_workdir(NAME, config, identity(train=train, test=test))
    setting = Setting(
        config.data, train, test, config.seed, workdir, config.figures.theme
    )
    claims, figures = [], []
    for name, parts in studies(config).items():
        for study in parts if config.study in ("all", name) else ():
            measured, drawn = study(setting)
            claims += measured
            figures += drawn
    return launcher.finish(NAME, config, workdir, claims, figures, started)


if __name__ == "__main__":
    launcher.main(run, Config(), plan)
