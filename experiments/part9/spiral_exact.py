"""The spiral with the exact score: what noise is for, and how many steps it takes.

Nothing is trained here: the ideal denoiser of a hundred points has a closed form, so
what fails, fails because of the sampler.

Source: "But how do AI images and videos actually work"; Ho et al., arXiv 2006.11239.
"""

import functools
from typing import NamedTuple

import numpy as np

from experiments.part9.setting import Setting
from experiments.part9.spiral_measures import Cloud, measure
from experiments.part9.spiral_samples import (
    POINTS,
    draw,
    exact,
    field,
    noise_errors,
)
from nnguide.diffusion.samplers import SamplerConfig, SamplerName
from nnguide.plots import sampler_steps as pictures
from nnguide.plots import style
from nnguide.results import Band, Claim

SAMPLERS: tuple[SamplerName, ...] = ("ddpm_without_noise", "ddpm", "ddim", "dpmpp_2m")
GUIDE_STEPS, FEW_STEPS = 50, 10
_LEVELS = 128  # that the floor is averaged over
Sweep = dict[SamplerName, dict[int, Cloud]]


class Exact(NamedTuple):
    """What the exact score shows.

    Attributes:
      sweep: sampler -> steps -> its samples in numbers.
      floor: least mean squared error of the noise, over all levels.
      first_spread: spread of the estimates of x_0 at the first step, over the data's.
    """

    sweep: Sweep
    floor: float
    first_spread: float


def levels(count: int) -> np.ndarray:
    """The middles of equal parts of the range of ln(sigma), from 10 to 0.01."""
    return 10.0 ** (1 - 3 * (np.arange(count) + 0.5) / count)


@functools.cache  # several studies ask
def loss_floor(seed: int) -> float:
    """The mean over ln(sigma) of the least error of the noise."""
    return float(noise_errors(exact, POINTS, levels(_LEVELS), seed).mean())


def study(
    steps: tuple[int, ...], samples: int, scored: bool, setting: Setting
) -> tuple[list[Claim], list[str]]:
    """Sweeps samplers and steps, and finds the floor of the loss.

    Args:
      steps: to sweep; 10 and 50 are added.
      samples: of each sampler.
      scored: whether the sizes are those that claims are scored at.
      setting: of the run.
    """
    every = sorted({*steps, FEW_STEPS, GUIDE_STEPS})
    sweep: Sweep = {
        name: {count: _cloud(name, count, samples, setting.seed) for count in every}
        for name in SAMPLERS
    }
    start = 10 * np.random.default_rng(setting.seed).normal(size=(2000, 2))
    estimates = start + field(exact, POINTS, 10.0, start)
    result = Exact(
        sweep,
        loss_floor(setting.seed),
        float(estimates.std(axis=0).mean() / POINTS.std(axis=0).mean()),
    )
    columns = {
        f"{name}_{field}": np.array([getattr(sweep[name][n], field) for n in every])
        for name in SAMPLERS
        for field in Cloud._fields
    }
    lines = {
        measure: {name: columns[f"{name}_{measure}"] for name in SAMPLERS}
        for measure in ("variation", "coverage")
    }
    drawing = pictures.steps_of_samplers(
        setting.theme, np.array(every), lines["variation"], lines["coverage"], samples
    )
    picture = style.save(
        drawing, setting.workdir, "spiral_steps", steps=np.array(every), **columns
    )
    return _claims(result, scored), [picture]


def _cloud(name: SamplerName, steps: int, samples: int, seed: int) -> Cloud:
    config = SamplerConfig(name, steps)
    return measure(np.asarray(draw(exact, POINTS, config, samples, seed).x))


_SAME = "exact score, the same set-up in NumPy"
# name, statement, where it holds, where a correct implementation lands, source, unit
_CLAIMS: tuple[tuple[str, str, Band, Band, str, str], ...] = (
    (
        "loss_floor",
        "the loss cannot reach 0: the noise in a point cannot be told for sure",
        (0.1, None), (0.32, 0.34),
        "closed form, averaged over ln(sigma): 0.329",
        "mean squared error of the noise",
    ),
    (
        "first_step",
        "at the start the model points at the average of all images",
        (0, 0.1), (0.03, 0.07),
        "closed form at sigma = 10: 0.022 / 0.469",
        "spread of what it points at, over the data's",
    ),
    (
        "without_noise",
        "without the added noise, samples gather near the average",
        (0, 0.2), (0.05, 0.16),
        _SAME + ": 10%", "share of the spiral covered, 50 steps",
    ),
    (
        "without_noise_any_steps",
        "more steps do not help a sampler that leaves the noise out",
        (0, 0.2), (0.05, 0.2),
        _SAME + ": 10% from 10 to 256 steps; for Gaussians a theorem",
        "share covered, the most of all step counts",
    ),
    (
        "without_noise_variation",
        "without the added noise the parts of the spiral get the wrong shares",
        (0.5, 1), (0.84, 0.96),
        _SAME + ": 0.90 to 0.93", "total variation, 50 steps",
    ),
    (
        "without_noise_radius",
        "without the added noise samples shrink towards the average",
        (0, 0.3), (0.16, 0.19),
        _SAME + ": 0.175, the data's 0.667", "root mean square radius, 50 steps",
    ),
    (
        "ddpm_coverage",
        "with the added noise, samples cover the spiral",
        (0.95, 1), (1, 1),
        _SAME + ": 100%", "share covered, 50 steps",
    ),
    (
        "ddim_coverage",
        "DDIM covers the spiral without noise",
        (0.95, 1), (1, 1),
        _SAME + ": 100%", "share covered, 50 steps",
    ),
    (
        "fifty_steps",
        "50 to 100 steps are enough",
        (0, 0.1), (0.02, 0.09),
        _SAME + ": 0.05; fair samples have 0.04",
        "total variation of DDPM and DDIM, the larger",
    ),
    (
        "ten_steps",
        "fewer steps are too few",
        (0.1, 1), (0.1, 0.28),
        _SAME + ": 0.145 DDIM, 0.231 DDPM",
        "total variation of DDPM and DDIM at 10 steps, the smaller",
    ),
    (
        "second_order",
        "10 steps are enough for a sampler of second order",
        (0, 0.1), (0.01, 0.07),
        _SAME + ": 0.056 for a sampler of second order",
        "total variation of DPM-Solver++ at 10 steps",
    ),
)  # fmt: skip


def _claims(result: Exact, scored: bool) -> list[Claim]:
    without, ddpm, ddim, multistep = (result.sweep[name] for name in SAMPLERS)
    both = [
        [cloud[steps].variation for cloud in (ddpm, ddim)]
        for steps in (FEW_STEPS, GUIDE_STEPS)
    ]
    measured = {
        "loss_floor": result.floor,
        "first_step": result.first_spread,
        "without_noise": without[GUIDE_STEPS].coverage,
        "without_noise_any_steps": max(cloud.coverage for cloud in without.values()),
        "without_noise_variation": without[GUIDE_STEPS].variation,
        "without_noise_radius": without[GUIDE_STEPS].radius,
        "ddpm_coverage": ddpm[GUIDE_STEPS].coverage,
        "ddim_coverage": ddim[GUIDE_STEPS].coverage,
        "fifty_steps": max(both[1]),
        "ten_steps": min(both[0]),
        "second_order": multistep[FEW_STEPS].variation,
    }
    return [
        Claim(
            f"9.{name}", statement, measured[name], stated, expected, source, unit=unit,
            needs="2,000 samples", scored=scored,
        )
        for name, statement, stated, expected, source, unit in _CLAIMS
    ]  # fmt: skip
