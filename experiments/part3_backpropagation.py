"""Part 3, "What is backpropagation really doing?": the desires of one example.

One example asks the outputs, and through them every layer before, to move; the sum of
these desires over a batch is the gradient. Derived by hand, it trains the network to
the very weights that autodiff gives, and a mini-batch stands for all examples while
the network is young.
"""

import dataclasses
import time
from collections.abc import Iterable

import jax

from experiments import launcher
from experiments.part3 import by_hand, cosine, desires, fire_together, walk
from experiments.part3.by_hand import Recipe
from experiments.part3.cosine import Config as CosineConfig
from experiments.part3.setting import Setting, labelled
from experiments.part3.walk import Config as WalkConfig
from experiments.plan import Plan
from nnguide import training
from nnguide.config import InputError, ungrouped
from nnguide.data.images import ImageConfig, identity, load_images
from nnguide.data.sources import ImageSource
from nnguide.network.mlp import MlpConfig, check_fits
from nnguide.parallel import ParallelConfig
from nnguide.plots import style
from nnguide.results import Results
from nnguide.training import OptimizerConfig

NAME = "part3_backpropagation"


@dataclasses.dataclass(frozen=True)
class Config(launcher.Common):
    """Part 3's choices.

    Attributes:
      data: which images.
      network: the network that learns from them.
      optimizer: rate 1.5 on the guide's cost, which has no 1/2, is Nielsen's 3.0.
      train: steps of both trainings, by hand and by autodiff.
      batch_size: examples a training step.
      cosine: gradients of mini-batches against the full one.
      walk: the drunk man's walk.
    """

    data: ImageConfig = ungrouped(ImageConfig())
    network: MlpConfig = MlpConfig()
    optimizer: OptimizerConfig = OptimizerConfig(rate=1.5)
    train: training.Config = training.Config(
        steps=12_000,
        steps_per_call=400,
        log_every=400,
        # Steps of microseconds: spreading them would only cost.
        parallel=ParallelConfig(devices=1),
    )
    batch_size: int = 10
    cosine: CosineConfig = CosineConfig()
    walk: WalkConfig = WalkConfig()

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise InputError(f"batch_size={self.batch_size}: give 1 or more.")


def recipe_of(config: Config) -> Recipe:
    """What is trained."""
    return Recipe(
        config.data, config.network, config.optimizer, config.train, config.batch_size
    )


def load(config: Config) -> tuple[ImageSource, ImageSource]:
    """Both splits.

    Raises:
      InputError: they do not fit the network.
    """
    train_on, test_on = (load_images(config.data, split) for split in ("train", "test"))
    pixels = train_on.arrays()["image"][0].size
    check_fits(config.network, pixels, len(train_on.label_names))
    return train_on, test_on


def plans(config: Config) -> dict[str, Iterable[Plan]]:
    """The trainings by hand and by autodiff."""
    return {"": by_hand.plans(recipe_of(config), *load(config))}


def run(config: Config) -> Results:
    """Trains by hand and by autodiff, takes gradients apart, draws."""
    started = time.monotonic()
    style.require_matplotlib()
    train_on, test_on = load(config)
    images, labels = labelled(train_on)
    names = train_on.label_names
    data = identity(train=train_on, test=test_on)
    workdir = launcher.open_workdir(NAME, config, data)
    recipe, theme = recipe_of(config), config.figures.theme
    setting = Setting(config.network, images, labels, names, workdir, theme)
    hand_claims, stages = by_hand.study(recipe, train_on, test_on, workdir)
    scored = by_hand.is_default(recipe)
    key = jax.random.key(config.train.seed)
    parts = [
        desires.study(setting, stages.born),
        fire_together.study(setting, stages, scored),
        (hand_claims, []),
        cosine.study(config.cosine, setting, stages, key, scored),
        walk.study(config.walk, setting, stages.born, key, scored),
    ]
    claims = [claim for part in parts for claim in part[0]]
    figures = [figure for part in parts for figure in part[1]]
    return launcher.finish(NAME, config, workdir, claims, figures, started)


if __name__ == "__main__":
    launcher.main(run, Config(), plans)
