"""The spiral's data, levels of noise and samples, for all of its studies.

Levels are the video's: from sigma = 10 to 0.01 at equal steps of ln(sigma). Samplers
stop there, as the video's do, so that 0.01 of noise is left on each sample.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Float64

from nnguide.array_types import Array
from nnguide.data.spiral import spiral
from nnguide.diffusion import denoising, samplers
from nnguide.diffusion.denoising import Denoise
from nnguide.diffusion.noise import NoiseConfig, add_noise
from nnguide.diffusion.samplers import (
    Coefficients,
    Sampled,
    SamplerConfig,
    coefficients,
    starting_noise,
)

NOISE = NoiseConfig("log_linear", steps=256, sigma_min=0.01, sigma_max=10.0)
POINTS = spiral().points
LABELS = spiral().label
DATA_RADIUS = float(np.sqrt((POINTS**2).sum(axis=1).mean()))
Of = Callable[[Any], Denoise]  # parameters, or data points -> their denoiser
exact: Of = denoising.ideal_of_points


def draw(
    of: Of,
    params: Any,
    config: SamplerConfig,
    samples: int,
    seed: int,
    condition: Any = None,
    keep_every: int = 0,
) -> Sampled:
    """Draws samples; sample n starts the same everywhere.

    Samplers with as many steps share one compiled program.
    """
    sigmas = np.geomspace(NOISE.sigma_max, NOISE.sigma_min, config.steps + 1)
    table = coefficients(config, sigmas)
    keys = jax.random.split(jax.random.key(seed), samples)
    steps = tuple(table.step.tolist())
    drawn = _follow(
        of, steps, keep_every, params, keys, table.sigma, table.of, condition
    )
    return jax.device_get(drawn)


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _follow(
    of: Of,
    steps: tuple[int, ...],
    keep_every: int,
    params: Any,
    keys: Any,
    sigma: Array,
    rows: Array,
    condition: Any,
) -> Sampled:
    table = Coefficients(sigma, rows, np.array(steps))
    x = starting_noise(keys, (2,), NOISE.sigma_max)
    return samplers.follow(of(params), x, keys, table, condition, keep_every)


def noise_errors(
    of: Of, params: Any, sigmas: Float[np.ndarray, "levels"], seed: int
) -> Float64[np.ndarray, "levels"]:
    """Mean squared error of the noise that a denoiser sees, at each level.

    Each point of the spiral gets 64 draws of noise, the same for every denoiser.
    """
    x_0 = jnp.repeat(jnp.asarray(POINTS), 64, axis=0)

    @jax.jit
    def run(params: Any) -> Any:
        denoise = of(params)

        def at(level: Any) -> Any:
            number, sigma = level
            key = jax.random.fold_in(jax.random.key(seed), number)
            noise = jax.random.normal(key, x_0.shape, jnp.float32)
            sigma = jnp.full(len(x_0), sigma)
            x = add_noise(x_0, sigma, noise)
            seen = denoising.noise_in(x, sigma, denoise(x, sigma, None))
            return ((seen - noise) ** 2).mean()

        numbers = jnp.arange(len(sigmas))
        return jax.lax.map(at, (numbers, jnp.asarray(sigmas, jnp.float32)))

    return np.asarray(run(params), np.float64)


def field(
    of: Of, params: Any, sigma: float, places: Float[np.ndarray, "N 2"]
) -> Float[np.ndarray, "N 2"]:
    """The arrows from each place to what the denoiser takes it for; sigma^2 score."""

    @jax.jit
    def run(params: Any, places: Any) -> Any:
        return of(params)(places, jnp.full(len(places), sigma), None) - places

    return np.asarray(run(params, jnp.asarray(places, jnp.float32)))


def grid(end: float, side: int = 30) -> Float[np.ndarray, "N 2"]:
    """Places on a square from -end to end."""
    line = np.linspace(-end, end, side)
    return np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2)


def cosines(
    a: Float[np.ndarray, "N 2"], b: Float[np.ndarray, "N 2"]
) -> Float[np.ndarray, "N"]:
    """Of the angles between arrows."""
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return (a * b).sum(axis=1) / lengths
