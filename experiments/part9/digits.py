"""Digits drawn by class: what noise is for, how guidance trades variety for obedience.

A U-Net learns to denoise handwritten digits (or clothes) of a class that it is told.
From the same noise three samplers draw: ddpm, which adds noise at every step, ddpm
without that noise, and ddim. Then guidance follows the class ever further, and a
classifier judges whether samples are what was asked for, and how varied they are.

Source: "But how do AI images and videos actually work"; guidance: Ho and Salimans,
arXiv 2207.12598.
"""

import dataclasses
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from experiments.part9 import digits_report
from experiments.part9.digits_network import Recipe, Trained, draw, learn, make_module
from experiments.part9.digits_network import plan as network_plan
from experiments.part9.judge import Judge, train_judge
from experiments.part9.judge import plan as judge_plan
from experiments.part9.setting import Setting
from experiments.plan import Plan
from experiments.study import check
from nnguide.config import InputError, ungrouped
from nnguide.data.images import ImageConfig, identity, load_images
from nnguide.diffusion import quality
from nnguide.diffusion.denoising import check_pair
from nnguide.diffusion.guidance import GuidanceConfig
from nnguide.diffusion.quality import Neighbourhood
from nnguide.diffusion.samplers import (
    SamplerConfig,
    SamplerName,
    sampling_sigmas,
)
from nnguide.results import Claim

KINDS: tuple[SamplerName, ...] = ("ddpm_without_noise", "ddim", "ddpm")
COMPARED = 200  # samples of each sampler
MOMENTS = 10  # of the way from noise that are drawn, about
SPLITS = ("train", "test")
FEWEST = 2 * (quality.NEIGHBOURS + 1)  # test images, whose halves have neighbours


@dataclasses.dataclass(frozen=True)
class Config:
    """How digits are learned and judged.

    Attributes:
      data: which images.
      recipe: the network and its training.
      alphas: of guidance, ascending from 0; 1 and 2 are among them.
      samples: images drawn at each alpha; every class as often.
      sampler: that draws at each alpha.
      steps: of the three samplers that are compared from the same noise.
      judge_steps: of training the classifier that judges, 100 images each.
    """

    data: ImageConfig = ungrouped(ImageConfig())
    recipe: Recipe = ungrouped(Recipe())
    alphas: tuple[float, ...] = (0.0, 1.0, 2.0, 4.0)
    samples: int = 500
    sampler: SamplerConfig = SamplerConfig(steps=25)
    steps: int = 50
    judge_steps: int = 600

    def __post_init__(self) -> None:
        check("digits", self, alphas=0, samples=20, steps=1, judge_steps=1)
        missing = {0, 1, 2} - set(self.alphas)
        if missing:
            given = ",".join(map(str, self.alphas))
            raise InputError(
                f"--digits.alphas={given}: {min(missing)} is missing, which the claims "
                "are about."
            )
        check_pair(self.recipe.denoising, self.recipe.noise)
        for sampler in (self.sampler, SamplerConfig(steps=self.steps)):
            sampling_sigmas(self.recipe.noise, sampler)


class Sides(NamedTuple):
    """Two halves of the unseen images: samples are compared with the first.

    Attributes:
      real: of the first half, the features.
      other: of the second half, as many as there are samples; what they differ by from
        the first is the noise floor.
    """

    real: Float[np.ndarray, "N D"]
    other: Float[np.ndarray, "M D"]


class Guided(NamedTuple):
    """Samples at each alpha and what the judge says of them.

    Attributes:
      labels: the class asked for, the same at every alpha.
      images: of the first one, of each class one.
      asked: share that the judge takes for the class asked for.
      near: precision, recall and coverage at each alpha.
      frechet: distance to unseen images in the judge's features.
      kernel: the kernel distance.
      floor: Frechet and kernel distance of unseen images among themselves.
      new: distance to the nearest training image, by that of unseen images.
    """

    labels: Int[np.ndarray, "samples"]
    images: Float[np.ndarray, "alphas classes height width channels"]
    asked: Float[np.ndarray, "alphas"]
    near: list[Neighbourhood]
    frechet: Float[np.ndarray, "alphas"]
    kernel: Float[np.ndarray, "alphas"]
    floor: tuple[float, float]
    new: Float[np.ndarray, "alphas"]


class Compared(NamedTuple):
    """Samples of three samplers from the same noise.

    Attributes:
      images: of each sampler one a class.
      variety: variance within a class, by that of the real images.
      asked: share that the judge takes for the class asked for.
    """

    images: dict[str, Float[np.ndarray, "classes height width channels"]]
    variety: dict[str, float]
    asked: dict[str, float]


class Way(NamedTuple):
    """Some images on their way from noise.

    Attributes:
      frames: at each moment in [0, 1], shrunk to the contrast of an image.
      steps: done by then.
      sigmas: standard deviation of the noise that is left.
    """

    frames: Float[np.ndarray, "moments images height width channels"]
    steps: list[int]
    sigmas: list[float]


def data(config: Config) -> dict[str, str]:
    """What the study learns from, name -> sha256.

    Raises:
      InputError: the images are too few, or do not fit the network or the samples.
    """
    train, test = (load_images(config.data, split) for split in SPLITS)
    name, classes = config.data.dataset, len(train.label_names)
    make_module(config.recipe, train.arrays()["image"].shape[1:], classes)
    if len(test) < FEWEST:
        raise InputError(
            f"--digits.dataset={name}: {len(test)} test images; samples are compared "
            f"with halves of them, so give a set of {FEWEST} or more."
        )
    if np.bincount(train.arrays()["label"]).max() < 2:
        raise InputError(
            f"--digits.dataset={name}: no class has two training images, which vary; "
            "give a larger set."
        )
    if config.samples < 2 * classes:
        raise InputError(
            f"--digits.samples={config.samples}: two of each of {classes} classes are "
            f"the fewest that vary; give {2 * classes} or more."
        )
    return identity(train=train, test=test)


def plans(config: Config, setting: Setting) -> tuple[Plan, Plan]:
    """The judge and the network."""
    train, test = (load_images(config.data, split) for split in SPLITS)
    parallel = config.recipe.train.parallel
    return (
        judge_plan(train, test, config.judge_steps, setting.seed, parallel),
        network_plan(config.recipe, train, test, setting),
    )


def study(config: Config, setting: Setting) -> tuple[list[Claim], list[str]]:
    """Trains a judge and a network, draws, measures."""
    train, test = (load_images(config.data, split) for split in SPLITS)
    parallel = config.recipe.train.parallel
    judge = train_judge(
        train, test, config.judge_steps, setting.seed, setting.workdir, parallel
    )
    trained = learn(config.recipe, train, test, setting)
    seen, unseen = (_unit(split.arrays()["image"]) for split in (train, test))
    compared = _compare(config, trained, judge, seen, train.arrays()["label"])
    guided = _guide(config, trained, judge, seen, unseen)
    way, names = _follow(trained, setting), train.label_names
    figures = digits_report.pictures(
        config, setting, compared, way, guided, judge, names
    )
    return digits_report.claims_of(config, compared, guided, judge), figures


def _unit(images: np.ndarray) -> np.ndarray:
    return images.astype(np.float32) / 255


def _labels(count: int, classes: int) -> np.ndarray:
    return (np.arange(count) % classes).astype(np.int32)


def _guide(
    config: Config, trained: Trained, judge: Judge, seen: np.ndarray, unseen: np.ndarray
) -> Guided:
    labels = _labels(config.samples, trained.nothing)
    sides = _sides(judge, unseen, config.samples)
    first, asked, near, frechet, kernel, new = [], [], [], [], [], []
    for alpha in config.alphas:
        images = draw(trained, labels, config.sampler, GuidanceConfig(alpha)).images
        features, logits = judge(images)
        first.append(images[: trained.nothing])
        asked.append(quality.class_accuracy(logits, labels))
        near.append(quality.neighbourhood(sides.real, features))
        frechet.append(quality.frechet_distance(sides.real, features))
        kernel.append(quality.kernel_distance(sides.real, features))
        new.append(quality.nearest_ratio(images, unseen, seen))
    floor = (
        quality.frechet_distance(sides.real, sides.other),
        quality.kernel_distance(sides.real, sides.other),
    )
    return Guided(
        labels, np.stack(first), np.array(asked), near, np.array(frechet),
        np.array(kernel), floor, np.array(new),
    )  # fmt: skip


def _sides(judge: Judge, unseen: np.ndarray, samples: int) -> Sides:
    """Every second image, for sets that come sorted by class."""
    return Sides(judge(unseen[::2])[0], judge(unseen[1::2][:samples])[0])


def _compare(
    config: Config,
    trained: Trained,
    judge: Judge,
    seen: np.ndarray,
    classes: np.ndarray,
) -> Compared:
    labels = _labels(min(COMPARED, config.samples), trained.nothing)
    real = within_class_variance(seen, classes)
    images, variety, asked = {}, {}, {}
    for kind in KINDS:
        drawn = draw(trained, labels, SamplerConfig(kind, config.steps)).images
        images[kind] = drawn[: trained.nothing]
        variety[kind] = within_class_variance(drawn, labels) / real
        asked[kind] = quality.class_accuracy(judge(drawn)[1], labels)
    return Compared(images, variety, asked)


def _follow(trained: Trained, setting: Setting) -> Way:
    """With the sampler and the guidance that the run's flags ask for."""
    sampler, noise = setting.sampler, trained.recipe.noise
    every = -(-sampler.steps // MOMENTS)
    labels = _labels(trained.nothing, trained.nothing)[::3]
    kept = draw(trained, labels, sampler, setting.guidance, keep_every=every).kept
    assert kept is not None
    steps = [min(n * every, sampler.steps) for n in range(len(kept))]
    left = sampling_sigmas(noise, sampler)[steps]
    data = trained.recipe.denoising.sigma_data
    shrink = data / np.sqrt(left**2 + data**2)
    frames = np.clip((kept * shrink.reshape(-1, 1, 1, 1, 1) + 1) / 2, 0, 1)
    return Way(frames.astype(np.float32), steps, left.tolist())


def within_class_variance(
    images: Float[np.ndarray, "N height width channels"], labels: Int[np.ndarray, "N"]
) -> float:
    """The variance of a pixel over the images of a class, mean over both.

    Classes of one image say nothing about it.
    """
    each = [
        images[labels == label].var(axis=0, ddof=1).mean()
        for label, count in zip(*np.unique(labels, return_counts=True), strict=True)
        if count > 1
    ]
    return float(np.mean(each))
