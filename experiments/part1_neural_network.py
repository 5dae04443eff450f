"""Part 1, "But what is a neural network?": 784-16-16-10 reads digits.

Trains the guide's network with the guide's own choices (sigmoid, squared error, plain
gradient descent) on batches of 10 (Nielsen's) and of 100 (the guide's), then asks what
it learned: which digits it gets wrong, how sure it is of noise, what its weights look
like, and whether it could have learned labels that mean nothing.
"""

import dataclasses
import itertools
import json
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from experiments import launcher
from experiments.part1 import digits, inside, noise, pictures, random_labels
from experiments.part1.digits import Images, Recipe, Trained
from experiments.plan import Plan
from experiments.studies import Measured, StudyRun, plans_of, run_studies
from nnguide import training
from nnguide.config import InputError, run_only, ungrouped
from nnguide.data.images import ImageConfig, identity, load_images
from nnguide.network.mlp import MlpConfig, check_fits
from nnguide.parallel import ParallelConfig
from nnguide.plots import style
from nnguide.results import Results, write_whole
from nnguide.training import OptimizerConfig

NAME = "part1_neural_network"


@dataclasses.dataclass(frozen=True)
class Config(launcher.Common):
    """Part 1's choices.

    Attributes:
      study: which questions to ask; digits trains and judges the network, inside asks
        how sure it is of noise, what its weights show, and what it learns of labels
        that mean nothing.
      data: which images.
      network: the network trained on them.
      optimizer: rate 1.5 on the guide's cost, which has no 1/2, is Nielsen's 3.0.
      train: steps and intervals for the first batch size; the others see as many
        examples.
      batch_sizes: examples a step; one training for each.
      seeds: how many networks to train at once, from different random starts.
    """

    study: Literal["all", "digits", "inside"] = run_only("all")
    data: ImageConfig = ungrouped(ImageConfig())
    network: MlpConfig = MlpConfig()
    optimizer: OptimizerConfig = OptimizerConfig(rate=1.5)
    train: training.Config = training.Config(
        steps=12_000,
        steps_per_call=400,
        log_every=400,
        evaluate_every=400,
        save_every=2000,
        parallel=ParallelConfig(devices=1),  # a batch of 10 is no work for several
    )
    batch_sizes: tuple[int, ...] = (10, 100)
    seeds: int = 5

    def __post_init__(self) -> None:
        if self.seeds < 1:
            raise InputError(f"seeds={self.seeds}: give 1 or more.")
        sizes = self.batch_sizes
        if not sizes or min(sizes) < 1 or len(set(sizes)) < len(sizes):
            raise InputError(f"batch_sizes={sizes}: give different positive numbers.")
        recipes(self)


def recipes(config: Config) -> list[Recipe]:
    """One recipe a batch size; all see the same number of examples.

    Raises:
      InputError: a step count or interval is no whole number for a batch size.
    """
    fields = {
        name: getattr(config.train, name)
        for name in (
            "steps",
            "steps_per_call",
            "log_every",
            "evaluate_every",
            "save_every",
        )
    }
    found = []
    for size in config.batch_sizes:
        scaled = {}
        for name, value in fields.items():
            scaled[name], rest = divmod(value * config.batch_sizes[0], size)
            if rest or (value and not scaled[name]):
                raise InputError(
                    f"batch_sizes={config.batch_sizes}: train.{name}={value}, meant "
                    f"for {config.batch_sizes[0]}, is no whole number for {size}; "
                    "choose sizes that divide it."
                )
        train = dataclasses.replace(config.train, **scaled)
        found.append(
            Recipe(
                config.data, config.network, config.optimizer, train, config.seeds, size
            )
        )
    return found


def load(config: Config) -> Images:
    """Both splits.

    Raises:
      InputError: they are missing or damaged, in colour, or do not fit the network.
    """
    images = Images(*(load_images(config.data, split) for split in ("train", "test")))
    if images.shape[-1] != 1:
        raise InputError(
            f"--dataset={config.data.dataset}: has {images.shape[-1]} channels; "
            "part 1 draws grey images, so name a set of one channel."
        )
    pixels, classes = int(np.prod(images.shape)), len(images.train.label_names)
    check_fits(config.network, pixels, classes)
    return images


class Setting(NamedTuple):
    """What the studies are given.

    Attributes:
      recipes: one a batch size.
      images: both splits.
      workdir: of the run.
      theme: of the pictures.
    """

    recipes: list[Recipe]
    images: Images
    workdir: Path
    theme: style.Theme

    def plan(self, recipe: Recipe) -> Plan:
        """The training of the network on batches of one size."""
        return digits.plan(recipe, self.images, _folder(recipe))

    def train(self, recipe: Recipe) -> Trained:
        """Trains it, or reads it back."""
        return digits.train(recipe, self.images, self.workdir, _folder(recipe))


def _folder(recipe: Recipe) -> str:
    return f"batch_{recipe.batch_size}"


STUDIES = {
    "digits": StudyRun[Setting](
        lambda setting: _digits(setting),
        lambda setting: map(setting.plan, setting.recipes),
    ),
    "inside": StudyRun[Setting](
        lambda setting: _inside(setting),
        lambda setting: [
            setting.plan(setting.recipes[0]),
            inside.convnet_plan(setting.recipes[0], setting.images),
            *itertools.starmap(
                digits.plan,
                random_labels.recipes(setting.recipes[0], setting.images).values(),
            ),
        ],
    ),
}


def plans(config: Config) -> dict[str, Iterable[Plan]]:
    """What the studies asked for train."""
    setting = Setting(recipes(config), load(config), Path(), config.figures.theme)
    return plans_of(config.study, STUDIES, setting)


def run(config: Config) -> Results:
    """Trains, measures, draws."""
    started = time.monotonic()
    style.require_matplotlib()
    images = load(config)
    workdir = launcher.open_workdir(NAME, config, identity(**images._asdict()))
    names = json.dumps(list(images.train.label_names))
    write_whole(workdir / "label_names.json", names + "\n")
    setting = Setting(recipes(config), images, workdir, config.figures.theme)
    return run_studies(NAME, config, config.study, STUDIES, setting, workdir, started)


def _digits(setting: Setting) -> Measured:
    """Trains and judges the network."""
    recipes, images, workdir, theme = setting
    trained = [setting.train(recipe) for recipe in recipes]
    test = digits.unit_images(images.test)
    claims = digits.structure_claims(recipes[0].network, test)
    claims += map(digits.accuracy_claim, recipes, trained)
    return claims, pictures.of_training(recipes[0], trained[0], images, workdir, theme)


def _inside(setting: Setting) -> Measured:
    """The questions beyond accuracy."""
    recipe, rest = setting.recipes[0], setting[1:]
    trained = setting.train(recipe)
    sure = noise.study(recipe, trained, *rest)
    seen = inside.study(recipe, trained, *rest)
    labels, label_figures, relu = random_labels.study(recipe, *rest)
    parts = [sure, seen, (labels, label_figures)]
    if trained.config.activation == "sigmoid" and len(trained.config.widths) > 2:
        parts.insert(0, pictures.of_activations(trained, relu, *rest))
    return [c for part in parts for c in part[0]], [
        f for part in parts for f in part[1]
    ]


if __name__ == "__main__":
    launcher.main(run, Config(), plans)
