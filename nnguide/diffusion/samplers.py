"""From noise to a sample, step by step: one table of coefficients, one compiled scan.

Every sampler here is a row of five numbers for each evaluation of the denoiser:

    x <- a x + b x_0 + c x' + d x_0' + e z

x_0 is the denoiser's estimate at x, the primes are what the evaluation before saw, z is
fresh noise. In a step from level sigma to level s:

* ddpm draws from q(x_s | x, x_0), whose mean is x_0 + (s / sigma)^2 (x - x_0).
* ddpm_without_noise takes that mean and adds nothing. This is the guide's lesson: the
  mean of means is the mean of the data, a blur.
* ddim keeps the noise it sees and makes it smaller, x_0 + (s / sigma) (x - x_0); eta
  puts fresh noise for part of it, and eta = 1 is ddpm.
* heun follows the same arrow and corrects it with the arrow at its end, two evaluations
  a step; its error falls with the square of the number of steps.
* dpmpp_2m extrapolates from the last two estimates, one evaluation a step.

Sources: Ho et al., arXiv 2006.11239 (ddpm); Song et al., 2010.02502 (ddim); Karras et
al., 2206.00364 (heun); Lu et al., 2211.01095 (dpmpp_2m). Spacings as in Lin et al.,
2305.08891, table 2.
"""

import dataclasses
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Float64, Int

from nnguide.array_types import Array
from nnguide.config import InputError
from nnguide.diffusion.denoising import Denoise
from nnguide.diffusion.noise import NoiseConfig, make_noise, sigma_levels

SamplerName = Literal["ddpm", "ddpm_without_noise", "ddim", "heun", "dpmpp_2m"]
Spacing = Literal["leading", "trailing", "linspace"]
Variance = Literal["posterior", "beta"]
Levels = Float64[np.ndarray, "levels"]


@dataclasses.dataclass(frozen=True)
class SamplerConfig:
    """How noise becomes a sample.

    Attributes:
      name: ddpm adds noise at each step, ddpm_without_noise leaves that out; ddim needs
        none; heun and dpmpp_2m are of second order.
      steps: from pure noise to the sample; heun evaluates the network twice in each.
      eta: share of the noise that ddim draws afresh; 0 is deterministic.
      variance: of ddpm's noise: posterior is that of a known x_0, beta that of the step
        forward.
      spacing: which levels a schedule of betas is sampled at: leading ends at its
        first, trailing begins at its last, linspace does both.
      clip: largest size of the numbers in an estimate of x_0; 0 is off.
    """

    name: SamplerName = "ddim"
    steps: int = 50
    eta: float = 0.0
    variance: Variance = "posterior"
    spacing: Spacing = "trailing"
    clip: float = 0.0

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise InputError(f"--sampler.steps={self.steps}: give 1 or more.")
        if not 0 <= self.eta <= 1:
            raise InputError(f"--sampler.eta={self.eta}: give a share from 0 to 1.")
        for name, value, owner in (
            ("eta", self.eta, "ddim"),
            ("variance", self.variance != "posterior", "ddpm"),
        ):
            if value and self.name != owner:
                raise InputError(
                    f"--sampler.{name}={getattr(self, name)}: {self.name} has none; "
                    f"choose --sampler.name={owner}."
                )
        if not self.clip >= 0:
            raise InputError(f"--sampler.clip={self.clip}: give 0 (off) or more.")


class Coefficients(NamedTuple):
    """A row for each evaluation of the denoiser.

    Attributes:
      sigma: the level it is evaluated at.
      of: what the next x has of x, x_0, the x before, the x_0 before and fresh noise.
      step: the step that the row is part of, from 0.
    """

    sigma: Float[Array | np.ndarray, "rows"]
    of: Float[Array | np.ndarray, "rows 5"]
    step: Int[np.ndarray, "rows"]


class Sampled(NamedTuple):
    """What a sampler returns.

    Attributes:
      x: the samples.
      kept: x at the start, after every k-th step and at the end; None if not asked for.
    """

    x: Float[Array, "B *shape"]
    kept: Float[Array, "kept B *shape"] | None


def timesteps(total: int, steps: int, spacing: Spacing) -> Int[np.ndarray, "steps"]:
    """Which of a schedule's levels, numbered from 0, are sampled at; descending.

    Raises:
      InputError: there are fewer levels than steps.
    """
    if steps > total:
        raise InputError(
            f"--sampler.steps={steps}: the schedule has {total} (--noise.steps); give "
            "that or fewer."
        )
    if spacing == "leading":
        return np.arange(steps)[::-1] * (total // steps)
    if spacing == "trailing":
        return np.round(np.arange(total, 0, -total / steps)).astype(int)[:steps] - 1
    return np.round(np.linspace(0, total - 1, steps)).astype(int)[::-1]


def sampling_sigmas(noise: NoiseConfig, sampler: SamplerConfig) -> Levels:
    """The levels that steps lead along, from the most noise to none: steps + 1 of them.

    Raises:
      InputError: the schedule has fewer levels than the sampler's steps.
    """
    if noise.continuous:
        levels = sigma_levels(noise, sampler.steps)
    else:
        chosen = timesteps(noise.steps, sampler.steps, sampler.spacing)
        levels = make_noise(noise).sigma[chosen]
    return np.append(levels, 0.0)


def coefficients(config: SamplerConfig, sigmas: Levels) -> Coefficients:
    """The table of a sampler.

    Args:
      config: which sampler; its `steps` and `spacing` went into `sigmas`.
      sigmas: levels that the steps lead along, descending; the last may be 0. ddim
        leads up along ascending ones too, from an image to its noise.
    """
    now, after = np.asarray(sigmas[:-1]), np.asarray(sigmas[1:])
    steps = np.arange(len(now))
    if config.name == "heun":
        return _heun(now, after, steps)
    if config.name == "dpmpp_2m":
        return Coefficients(now, _dpmpp_2m(now, after), steps)
    return Coefficients(now, _ancestral(config, now, after), steps)


def _row(
    x: Levels | float = 0.0,
    clean: Levels | float = 0.0,
    x_before: Levels | float = 0.0,
    clean_before: Levels | float = 0.0,
    noise: Levels | float = 0.0,
) -> Float64[np.ndarray, "rows 5"]:
    columns = np.broadcast_arrays(x, clean, x_before, clean_before, noise)
    return np.stack(columns, axis=-1).astype(np.float64)  # fmt: skip


def _ancestral(config: SamplerConfig, now: Levels, after: Levels) -> np.ndarray:
    """ddpm, with noise and without, and ddim."""
    # the deviation of q(x_s | x, x_0); none on the way up, from an image to its noise
    fresh = after * np.sqrt(np.maximum(1 - (after / now) ** 2, 0))
    if config.name == "ddim":
        fresh = config.eta * fresh
        kept = np.sqrt(after**2 - fresh**2) / now
        return _row(kept, 1 - kept, noise=fresh)
    kept = (after / now) ** 2
    if config.name == "ddpm_without_noise":
        return _row(kept, 1 - kept)
    if config.variance == "beta":
        # the forward step's variance is larger by (1 - abar_t) / (1 - abar_s)
        fresh = np.where(
            after > 0, np.sqrt((1 - kept) * now**2 * (1 + after**2) / (1 + now**2)), 0
        )
    return _row(kept, 1 - kept, noise=fresh)


def _heun(now: Levels, after: Levels, steps: np.ndarray) -> Coefficients:
    """Two rows a step: along the arrow, then along the mean of both ends' arrows.

    The last step ends at no noise, where there is no arrow to correct with.
    """
    change = (after - now) / 2  # half of the step
    ratio = after / now
    predict = _row(ratio, 1 - ratio)
    with np.errstate(divide="ignore", invalid="ignore"):
        correct = _row(change / after, -change / after, 1 + change / now, -change / now)
    sigma = np.stack([now, after], axis=1).reshape(-1)
    rows = np.stack([predict, correct], axis=1).reshape(-1, 5)
    evaluated = sigma > 0
    return Coefficients(
        sigma[evaluated], rows[evaluated], np.repeat(steps, 2)[evaluated]
    )


def _dpmpp_2m(now: Levels, after: Levels) -> np.ndarray:
    """x_0 is extrapolated along ln(sigma); the first and the last step cannot."""
    ratio = after / now
    extrapolated = np.zeros(len(now))
    inner = slice(1, len(now) - (after[-1] == 0))
    width = np.log(now[inner] / after[inner])
    width_before = np.log(now[:-1] / now[1:])[: len(width)]
    extrapolated[inner] = width / (2 * width_before)
    return _row(
        ratio,
        (1 - ratio) * (1 + extrapolated),
        clean_before=-(1 - ratio) * extrapolated,
    )


def sample(
    denoise: Denoise,
    x: Float[Array, "B *shape"],
    keys: Any,
    config: SamplerConfig,
    sigmas: Levels,
    condition: Any = None,
    keep_every: int = 0,
) -> Sampled:
    """Runs a sampler as one scan over its table; call it inside `jax.jit`.

    Example b gets the same noise whatever else is in the batch.

    Args:
      denoise: the estimate of x_0.
      x: noise, already times sigmas[0] (beside an image, if it starts from one).
      keys: one random key an example, (B,).
      config: which sampler.
      sigmas: from `sampling_sigmas`, or any other descending levels.
      condition: for `denoise`.
      keep_every: k keeps x after every k-th step; 0 keeps none.
    """
    table = coefficients(config, sigmas)
    return follow(denoise, x, keys, table, condition, keep_every, config.clip)


def follow(
    denoise: Denoise,
    x: Float[Array, "B *shape"],
    keys: Any,
    table: Coefficients,
    condition: Any = None,
    keep_every: int = 0,
    clip: float = 0.0,
) -> Sampled:
    """What `sample` does, for a table that is at hand.

    The table's `sigma` and `of` may be arguments of the compiled program, which then
    serves every sampler with as many rows.

    Args:
      denoise: as in `sample`, like all the others.
      x: noise.
      keys: one an example.
      table: from `coefficients`.
      condition: for `denoise`.
      keep_every: which x to keep.
      clip: largest size of the numbers in an estimate of x_0; 0 is off.
    """
    known = isinstance(table.of, np.ndarray)
    with_noise = not known or bool(table.of[:, 4].any())
    slots = 1 + table.step // max(keep_every, 1)
    kept = jnp.stack([x] * (1 + slots[-1])) if keep_every else None

    def evaluate(carry: Any, row: Any) -> tuple[Any, None]:
        x, x_before, clean_before, kept = carry
        sigma, of, number, slot = row
        clean = denoise(x, jnp.full(len(x), sigma), condition)
        if clip:
            clean = jnp.clip(clean, -clip, clip)
        a, b, c, d, e = of
        following = a * x + b * clean + c * x_before + d * clean_before
        if with_noise:
            following += e * _fresh_noise(keys, number, x)
        if kept is not None:  # later rows of the same slot write over it
            kept = jax.lax.dynamic_update_index_in_dim(kept, following, slot, 0)
        return (following, x, clean, kept), None

    rows = (
        jnp.asarray(table.sigma, x.dtype),
        jnp.asarray(table.of, x.dtype),
        jnp.arange(len(table.sigma)),
        jnp.asarray(slots),
    )
    (x, _, _, kept), _ = jax.lax.scan(evaluate, (x, x, x, kept), rows)
    return Sampled(x, kept)


def starting_noise(
    keys: Any, shape: tuple[int, ...], sigma: float | np.floating
) -> Float[Array, "B *shape"]:
    """What a sampler starts from: noise of the highest level, a key an example."""
    draw = jax.vmap(lambda key: jax.random.normal(key, shape, jnp.float32))
    return float(sigma) * draw(keys)


def _fresh_noise(keys: Any, number: Array, like: Array) -> Array:
    def draw(key: Any) -> Array:
        key = jax.random.fold_in(key, number + 1)
        return jax.random.normal(key, like.shape[1:], like.dtype)

    return jax.vmap(draw)(keys)
