"""How noise takes an image apart: x_t = x_0 + sigma_t noise, level by level.

Every schedule is one table of noise levels. In the coordinates of this package an image
keeps its size and noise of standard deviation sigma is added ("variance exploding").
DDPM's coordinates shrink it, sqrt(abar) x_0 + sqrt(1 - abar) noise, so that the
variance stays 1 ("variance preserving"); the two differ by a factor,

    x_preserving = x / sqrt(1 + sigma^2),    abar = 1 / (1 + sigma^2).

Tables are NumPy float64: products of a thousand factors lose digits in float32.

Sources: Ho et al., arXiv 2006.11239 (linear, posterior); Nichol & Dhariwal, 2102.09672
(cosine); Rombach et al., 2112.10752 (scaled linear); Chen, 2301.10972 (sigmoid);
Karras et al., 2206.00364 (edm); Lin et al., 2305.08891 (zero terminal SNR); the
log-linear one is the video's, "But how do AI images and videos actually work?".
"""

import dataclasses
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Float64

from nnguide.array_types import Array, Key
from nnguide.config import InputError

Schedule = Literal["linear", "cosine", "scaled_linear", "sigmoid", "log_linear", "edm"]
Table = Float64[np.ndarray, "steps"]
# Stands for the infinite sigma of a signal-to-noise ratio of 0, so that x stays finite.
INFINITE_SIGMA = 2.0**16
_LARGEST_BETA = 0.999
_COSINE_OFFSET = 0.008
_SIGMOID_END = 3.0  # of its argument, which starts at -3
_RHO = 7.0  # how EDM's steps crowd at little noise
_LOG_SIGMA_MEAN, _LOG_SIGMA_STD = -1.2, 1.2  # of the levels EDM trains on


@dataclasses.dataclass(frozen=True)
class NoiseConfig:
    """The levels of noise.

    Attributes:
      schedule: linear, cosine, scaled_linear and sigmoid give a beta to each step;
        log_linear (the video's) and edm run from sigma_max to sigma_min.
      steps: how many levels there are.
      sigma_min: lowest level of log_linear and edm.
      sigma_max: highest level of log_linear and edm.
      zero_terminal_snr: stretch a schedule of betas until nothing of the image is left
        at its last level.
    """

    schedule: Schedule = "cosine"
    steps: int = 1000
    sigma_min: float = 0.01
    sigma_max: float = 10.0
    zero_terminal_snr: bool = False

    def __post_init__(self) -> None:
        if self.steps < 2:
            raise InputError(f"--noise.steps={self.steps}: give 2 or more.")
        if not 0 < self.sigma_min < self.sigma_max:
            raise InputError(
                f"--noise.sigma_min={self.sigma_min}: give more than 0 and less than "
                f"--noise.sigma_max={self.sigma_max}."
            )
        if self.zero_terminal_snr and self.continuous:
            raise InputError(
                f"--noise.zero_terminal_snr: {self.schedule} ends at noise.sigma_max; "
                "choose a schedule of betas, for instance --noise.schedule=cosine."
            )

    @property
    def continuous(self) -> bool:
        """Whether levels are a formula, which any number of steps can be taken from."""
        return self.schedule in ("log_linear", "edm")


class Noise(NamedTuple):
    """A schedule's levels, from the least noise (t = 0) to the most.

    Attributes:
      beta: variance that a step adds to what it shrinks by sqrt(1 - beta).
      alpha_bar: abar, share of the image's variance that is left.
      sigma: standard deviation of the noise beside an image of full size.
    """

    beta: Table
    alpha_bar: Table
    sigma: Table


class Posterior(NamedTuple):
    """q(x_{t-1} | x_t, x_0) in variance-preserving coordinates, for every t.

    Attributes:
      variance: beta-tilde; 0 at t = 0.
      log_variance: its logarithm, at t = 0 that of t = 1.
      of_x_0: what the mean has of x_0.
      of_x_t: what the mean has of x_t.
    """

    variance: Table
    log_variance: Table
    of_x_0: Table
    of_x_t: Table


def make_noise(config: NoiseConfig) -> Noise:
    """The table of a schedule."""
    if config.continuous:
        sigma = sigma_levels(config, config.steps)[::-1]
        alpha_bar = 1 / (1 + sigma**2)
    else:
        alpha_bar = np.cumprod(1 - _BETAS[config.schedule](config.steps))
        if config.zero_terminal_snr:
            alpha_bar = _without_signal_at_the_end(alpha_bar)
        left = alpha_bar[:-1] if config.zero_terminal_snr else alpha_bar
        sigma = np.sqrt((1 - left) / left)
        if config.zero_terminal_snr:  # above the level before it, be that ever so high
            sigma = np.append(sigma, max(INFINITE_SIGMA, 2 * sigma[-1]))
    before = np.concatenate([[1.0], alpha_bar[:-1]])
    return Noise(1 - alpha_bar / before, alpha_bar, sigma)


def sigma_levels(config: NoiseConfig, steps: int) -> Table:
    """That many levels of a continuous schedule, from sigma_max down to sigma_min."""
    if config.schedule == "log_linear":
        return np.geomspace(config.sigma_max, config.sigma_min, steps)
    first, last = config.sigma_max ** (1 / _RHO), config.sigma_min ** (1 / _RHO)
    return np.linspace(first, last, steps) ** _RHO


def posterior(noise: Noise) -> Posterior:
    """Where x_{t-1} lies, x_t and x_0 given.

    Source: Ho et al., arXiv 2006.11239, equations 6 and 7.
    """
    beta, alpha_bar, _ = noise
    before = np.concatenate([[1.0], alpha_bar[:-1]])
    variance = beta * (1 - before) / (1 - alpha_bar)
    return Posterior(
        variance,
        np.log(np.concatenate([variance[1:2], variance[1:]])),
        beta * np.sqrt(before) / (1 - alpha_bar),
        (1 - before) * np.sqrt(1 - beta) / (1 - alpha_bar),
    )


def add_noise(
    x_0: Float[Array, "B *shape"],
    sigma: Float[Array, "B"],
    noise: Float[Array, "B *shape"],
) -> Float[Array, "B *shape"]:
    """A sample of q(x_t | x_0): x_0 + sigma noise."""
    return x_0 + spread(sigma, x_0) * noise


def to_variance_preserving(
    x: Float[Array, "B *shape"], sigma: Float[Array, "B"]
) -> Float[Array, "B *shape"]:
    """The same point in DDPM's coordinates, x / sqrt(1 + sigma^2)."""
    return x / spread(jnp.sqrt(1 + sigma**2), x)


def draw_sigma(config: NoiseConfig, key: Key) -> Float[Array, ""]:
    """A level to train at.

    Every level of the table is equally likely; edm draws ln(sigma) from a normal
    distribution instead.
    """
    if config.schedule == "edm":
        return jnp.exp(
            _LOG_SIGMA_MEAN + _LOG_SIGMA_STD * jax.random.normal(key, dtype=jnp.float32)
        )
    level = jax.random.randint(key, (), 0, config.steps, jnp.int32)
    return jnp.asarray(make_noise(config).sigma, jnp.float32)[level]


def spread(
    values: Float[Array, "B"], beside: Float[Array, "B *shape"]
) -> Float[Array, "B *ones"]:
    """One number an example, in as many dimensions as the examples have."""
    return values.reshape(-1, *(1,) * (beside.ndim - 1))


def _linear(steps: int) -> Table:
    """From 1e-4 to 0.02 at 1,000 steps; fewer steps take larger ones."""
    scale = 1000 / steps
    return np.minimum(np.linspace(1e-4 * scale, 0.02 * scale, steps), _LARGEST_BETA)


def _scaled_linear(steps: int) -> Table:
    scale = 1000 / steps
    roots = np.linspace(0.00085**0.5, 0.012**0.5, steps)
    return np.minimum(scale * roots**2, _LARGEST_BETA)


def _cosine(steps: int) -> Table:
    time = np.linspace(0, 1, steps + 1)
    angle = (time + _COSINE_OFFSET) / (1 + _COSINE_OFFSET) * np.pi / 2
    return _betas_between(np.cos(angle) ** 2)


def _sigmoid(steps: int) -> Table:
    def falling(x: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(x))

    left = falling(np.linspace(-_SIGMOID_END, _SIGMOID_END, steps + 1))
    return _betas_between((left - left[-1]) / (left[0] - left[-1]))


def _betas_between(
    alpha_bar: Float64[np.ndarray, "levels"],
) -> Float64[np.ndarray, "_"]:
    """The betas that lead from each share of variance to the next."""
    return np.minimum(1 - alpha_bar[1:] / alpha_bar[:-1], _LARGEST_BETA)


def _without_signal_at_the_end(alpha_bar: Table) -> Table:
    """Shifts and scales sqrt(abar): the first level stays, the last becomes 0."""
    root = np.sqrt(alpha_bar)
    return ((root - root[-1]) * root[0] / (root[0] - root[-1])) ** 2


_BETAS = {
    "linear": _linear,
    "cosine": _cosine,
    "scaled_linear": _scaled_linear,
    "sigmoid": _sigmoid,
}
