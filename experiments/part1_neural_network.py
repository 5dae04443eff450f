"""Part 1, "But what is a neural network?": 784-16-16-10 reads digits.

Trains the guide's network with the guide's own choices (sigmoid, squared error, plain
gradient descent) on batches of 10 (Nielsen's) and of 100 (the guide's), then asks what
it learned: which digits it gets wrong, how sure it is of noise, what its weights look
like, and whether it could have learned labels that mean nothing.
"""

import dataclasses
import json
import time
from pathlib import Path
from typing import Literal

import numpy as np

from experiments import launcher
from experiments.part1 import digits, inside, noise, pictures, random_labels
from experiments.part1.digits import Images, Recipe, Trained
from experiments.report import Plan
from nnguide import training
from nnguide.config import InputError, run_only, ungrouped
from nnguide.data.images import ImageConfig, identity, load_images
from nnguide.network.mlp import MlpConfig, check_fits
from nnguide.parallel import ParallelConfig
from nnguide.plots import style
from nnguide.results import Claim, Results, write_whole
from nnguide.training import OptimizerConfig

NAME = "part1_neural_network"


@dataclasses.dataclass(frozen=True)
class Config(launcher.Common):
    """Part 1's choices.

    Attributes:
      study: which questions to ask; digits trains and judges the network alone.
      data: which images.
      network: the network trained on them.
      optimizer: rate 1.5 on the guide's cost, which has no 1/2, is Nielsen's 3.0.
      train: steps and intervals for the first batch size; the others see as many
        examples.
      batch_sizes: examples a step; one training for each.
      seeds: how many networks to train at once, from different random starts.
    """

    study: Literal["all", "digits"] = run_only("all")
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


def plan(config: Config) -> Plan:
    """What the first training is."""
    recipe, images = recipes(config)[0], load(config)
    return Plan(*digits.task(recipe, images.shape), digits.batches(recipe, images))


def run(config: Config) -> Results:
    """Trains, measures, draws."""
    started = time.monotonic()
    style.require_matplotlib()
    images = load(config)
    workdir = launcher.open_workdir(NAME, config, identity(**images._asdict()))
    names = json.dumps(list(images.train.label_names))
    write_whole(workdir / "label_names.json", names + "\n")
    theme = config.figures.theme
    trained: list[Trained] = []
    for recipe in recipes(config):
        folder = workdir / f"batch_{recipe.batch_size}"
        trained.append(digits.train(recipe, images, folder))
    claims = digits.structure_claims(config.network, digits.unit_images(images.test))
    claims += map(digits.accuracy_claim, recipes(config), trained)
    first, recipe = trained[0], recipes(config)[0]
    figures = pictures.of_training(recipe, first, images, workdir, theme)
    if config.study == "all":
        more, drawn = _look_closer(recipe, first, images, workdir, theme)
        claims, figures = claims + more, figures + drawn
    return launcher.finish(NAME, config, workdir, claims, figures, started)


def _look_closer(
    recipe: Recipe, trained: Trained, images: Images, workdir: Path, theme: style.Theme
) -> tuple[list[Claim], list[str]]:
    """The questions beyond accuracy."""
    sure = noise.study(recipe, trained, images, workdir, theme)
    seen = inside.study(recipe, trained, images, workdir, theme)
    labels, label_figures, relu = random_labels.study(recipe, images, workdir, theme)
    parts = [sure, seen, (labels, label_figures)]
    if trained.config.activation == "sigmoid" and len(trained.config.widths) > 2:
        parts.insert(0, pictures.of_activations(trained, relu, images, workdir, theme))
    return [c for part in parts for c in part[0]], [
        f for part in parts for f in part[1]
    ]


if __name__ == "__main__":
    launcher.main(run, Config(), plan)
