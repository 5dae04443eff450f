"""The spiral with a trained network: its loss, its field of arrows, its samples.

The video's network, 53,890 weights and biases, learns from a hundred points. What it
should become is known exactly: the ideal denoiser's loss is the floor, its arrows are
the field.

Source: "But how do AI images and videos actually work".
"""

from typing import Any, NamedTuple

import jax
import numpy as np

from experiments import study as shared
from experiments.part9.setting import Setting
from experiments.part9.spiral_exact import GUIDE_STEPS, SAMPLERS, levels, loss_floor
from experiments.part9.spiral_measures import Cloud, measure
from experiments.part9.spiral_network import denoiser_of
from experiments.part9.spiral_network import plan as network_plan
from experiments.part9.spiral_samples import (
    NOISE,
    POINTS,
    Of,
    cosines,
    draw,
    exact,
    field,
    grid,
    noise_errors,
)
from experiments.plan import Plan
from nnguide.array_types import Params
from nnguide.diffusion.point_network import PointNetworkConfig
from nnguide.diffusion.samplers import SamplerConfig, SamplerName
from nnguide.plots import denoising_loss, style, trails, vector_field
from nnguide.results import Band, Claim

NETWORK = PointNetworkConfig()
FIELD_SIGMAS = (10.0, 3.0, 1.0, 0.3, 0.1, 0.03)
_LEVELS = levels(24)
_TRAILS = 64


class Loss(NamedTuple):
    """How near training comes to the floor.

    Attributes:
      steps: at which the error was measured.
      error: mean squared error of the noise: the floor, and what examples that stay
        the same cost more than by the ideal denoiser.
      floor: the ideal denoiser's error.
      by_level: the network's error at each level of noise.
      floor_by_level: the ideal denoiser's.
    """

    steps: np.ndarray
    error: np.ndarray
    floor: float
    by_level: np.ndarray
    floor_by_level: np.ndarray


class Arrows(NamedTuple):
    """The field of arrows on a grid, at each of `FIELD_SIGMAS`.

    Attributes:
      places: where the arrows start.
      exact: to the mean of what the place may have been, (levels, places, 2).
      trained: the network's.
      cosine: mean cosine of their angles, a level.
    """

    places: np.ndarray
    exact: np.ndarray
    trained: np.ndarray
    cosine: np.ndarray


class Paths(NamedTuple):
    """A sampler's way from noise to samples.

    Attributes:
      kept: x after every step, from the start, (steps + 1, samples, 2).
      cloud: the samples in numbers.
    """

    kept: np.ndarray
    cloud: Cloud


def plan(steps: int, seed: int) -> Plan:
    """The training of the network."""
    return network_plan(NETWORK, steps, "spiral", seed)


def study(
    steps: int, samples: int, scored: bool, setting: Setting
) -> tuple[list[Claim], list[str]]:
    """Trains the network and compares it with the ideal denoiser.

    Args:
      steps: of training.
      samples: of each sampler.
      scored: whether the sizes are those that claims are scored at.
      setting: of the run.
    """
    fit = plan(steps, setting.seed).fit(setting.workdir)
    params, of = fit.state.params, denoiser_of(NETWORK)
    (at, error), (_, least) = (
        shared.curve(fit, f"test/{name}") for name in ("error", "floor")
    )
    floor = loss_floor(setting.seed)
    loss = Loss(
        at, floor + error - least, floor,
        noise_errors(of, params, _LEVELS, setting.seed),
        noise_errors(exact, POINTS, _LEVELS, setting.seed),
    )  # fmt: skip
    arrows = _arrows(params)
    paths = {
        who: {
            name: _paths(who_of, held, name, samples, setting) for name in SAMPLERS[:3]
        }
        for who, who_of, held in (("exact", exact, POINTS), ("trained", of, params))
    }
    count = sum(leaf.size for leaf in jax.tree.leaves(params))
    clouds = {name: path.cloud for name, path in paths["trained"].items()}
    pictures = _draw(loss, arrows, paths, setting)
    return _claims(count, loss, arrows, clouds, scored), pictures


def _arrows(params: Params) -> Arrows:
    places, of = grid(1.5), denoiser_of(NETWORK)
    pairs = [
        (field(exact, POINTS, sigma, places), field(of, params, sigma, places))
        for sigma in FIELD_SIGMAS
    ]
    ideal, trained = (np.stack(each) for each in zip(*pairs, strict=True))
    cosine = np.array([cosines(*pair).mean() for pair in pairs])
    return Arrows(places, ideal, trained, cosine)


def _paths(
    of: Of, held: Any, name: SamplerName, samples: int, setting: Setting
) -> Paths:
    config = SamplerConfig(name, GUIDE_STEPS)
    kept = draw(of, held, config, samples, setting.seed, keep_every=1).kept
    return Paths(np.asarray(kept), measure(np.asarray(kept)[-1]))


def _draw(
    loss: Loss, arrows: Arrows, paths: dict[str, dict[str, Paths]], setting: Setting
) -> list[str]:
    theme, workdir = setting.theme, setting.workdir
    sigmas = np.geomspace(NOISE.sigma_max, NOISE.sigma_min, GUIDE_STEPS + 1)
    # in DDPM's coordinates all of the way fits into one picture
    shown = {
        who: {
            name: path.kept / np.sqrt(1 + sigmas**2)[:, None, None]
            for name, path in each.items()
        }
        for who, each in paths.items()
    }
    coverage = {
        who: {name: path.cloud.coverage for name, path in each.items()}
        for who, each in paths.items()
    }
    return [
        style.save(
            trails.ways_back(theme, shown, coverage, POINTS, _TRAILS),
            workdir, "spiral_samplers",
            **{
                f"{who}_{name}": path[-1]
                for who, each in shown.items() for name, path in each.items()
            },
        ),
        style.save(
            vector_field.over_noise(
                theme, FIELD_SIGMAS, arrows.places, arrows.exact, arrows.trained,
                arrows.cosine, POINTS,
            ),
            workdir, "spiral_field", **arrows._asdict(),
        ),
        style.save(
            denoising_loss.above_floor(
                theme, loss.steps, loss.error, loss.floor, _LEVELS, loss.by_level,
                loss.floor_by_level,
            ),
            workdir, "spiral_loss", **loss._asdict(), levels=_LEVELS,
        ),
    ]  # fmt: skip


_VIDEO = "But how do AI images and videos actually work"
# name, statement, where it holds, where a correct implementation lands, source, unit
_CLAIMS: tuple[tuple[str, str, Band, Band, str, str], ...] = (
    (
        "spiral_parameters",
        "the video's network on the spiral has 53,890 weights and biases",
        (53_890, 53_890), (53_890, 53_890),
        "smalldiffusion: 16-128-128-128-128-16", "parameters",
    ),
    (
        "loss_above_floor",
        "training approaches the floor of the loss from above",
        (0, None), (0, 0.1),
        "Bayes: no denoiser beats E[x_0 | x]; both on the same draws",
        "error minus floor, its least over training",
    ),
    (
        "loss_trained",
        "training comes near the floor",
        (0.3, 0.5), (0.34, 0.44),
        "floor 0.329; 0.40 after 6,000 steps of the same set-up",
        "mean squared error of the noise",
    ),
    (
        "field_cosine",
        "the network learns the field of arrows",
        (0.95, 1), (0.95, 1),
        "exact field; cosine 0.98 or more where sigma >= 0.1 is what we look for",
        "mean cosine on a 30 x 30 grid, the least for sigma >= 0.1",
    ),
    (
        "trained_without_noise",
        "without the added noise, samples of the network gather near the average",
        (0, 0.3), (0.05, 0.3),
        f"{_VIDEO}; exact score: 10%", "share of the spiral covered, 50 steps",
    ),
    (
        "trained_ddpm",
        "with the added noise, samples of the network cover the spiral",
        (0.95, 1), (0.95, 1),
        f"{_VIDEO}; exact score: 100%", "share of the spiral covered, 50 steps",
    ),
    (
        "trained_ddim",
        "DDIM's samples of the network cover the spiral without noise",
        (0.95, 1), (0.95, 1),
        f"{_VIDEO}; exact score: 100%", "share of the spiral covered, 50 steps",
    ),
)  # fmt: skip


def _claims(
    count: int, loss: Loss, arrows: Arrows, clouds: dict[str, Cloud], scored: bool
) -> list[Claim]:
    measured = {
        "spiral_parameters": count,
        "loss_above_floor": float(loss.error.min()) - loss.floor,
        "loss_trained": float(loss.error[-1]),
        "field_cosine": float(arrows.cosine[np.array(FIELD_SIGMAS) >= 0.1].min()),
        "trained_without_noise": clouds["ddpm_without_noise"].coverage,
        "trained_ddpm": clouds["ddpm"].coverage,
        "trained_ddim": clouds["ddim"].coverage,
    }
    return [
        Claim(
            f"9.{name}", statement, measured[name], stated, expected, source, unit=unit,
            needs="the default sizes", scored=scored,
        )
        for name, statement, stated, expected, source, unit in _CLAIMS
    ]  # fmt: skip
