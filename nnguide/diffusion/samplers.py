"""Diffusion samplers: a table of coefficients for each, and one compiled scan for all.

Each evaluation of the denoiser is a row (a, b, c, d, e) of the sampler's table:

    x <- a x + b x_0 + c x' + d x_0' + e z

x_0 is the denoiser's estimate at x, x' and x_0' are those of the previous evaluation,
and z is fresh noise. In a step from noise level sigma to level s:

* ddpm samples q(x_s | x, x_0), whose mean is x_0 + (s / sigma)^2 (x - x_0).
* ddpm_without_noise takes that mean. The guide's lesson: it converges to the mean of
  the data, a blur.
* ddim scales the predicted noise down, x_0 + (s / sigma) (x - x_0); eta replaces a part
  of it by fresh noise, and eta = 1 is ddpm.
* heun is Heun's method for the probability-flow ODE, of second order: an Euler step
  (which is ddim's), corrected with the slope at its end, two evaluations a step. Steps
  that the correction makes worse stay Euler steps (see `_corrected`).
* dpmpp_2m is DPM-Solver++(2M): it extrapolates from the last two estimates of x_0, one
  evaluation a step. The extrapolation is limited to that of a step twice as long (in
  ln sigma) as the previous one.

Sources: Ho et al., arXiv 2006.11239 (ddpm); Song et al., 2010.02502 (ddim); Karras et
al., 2206.00364 (heun); Lu et al., 2211.01095 (dpmpp_2m); spacings: Lin et al.,
2305.08891, table 2.
"""

import dataclasses
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Float64, Int

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
    """Options of a diffusion sampler.

    Attributes:
      name: ddpm adds noise at each step, ddpm_without_noise omits it; ddim is
        deterministic for eta 0; heun and dpmpp_2m are solvers of second order.
      steps: number of steps; heun evaluates the network twice in each.
      eta: how much of the noise ddim redraws; 0 is deterministic, 1 is ddpm.
      variance: variance of ddpm's noise: posterior is that of q(x_s | x, x_0), beta
        that of the forward step.
      spacing: which levels of a beta schedule are used: leading includes the first,
        trailing the last, linspace both.
      clip: estimates of x_0 are clipped to [-clip, clip]; 0 is off.
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
    """The table of a sampler, with a row for each evaluation of the denoiser.

    Attributes:
      sigma: the noise level of the evaluation.
      of: the weights of x, x_0, the previous x, the previous x_0 and fresh noise in the
        next x.
      step: the step that the row belongs to, counted from 0.
    """

    sigma: Float[Array | np.ndarray, "rows"]
    of: Float[Array | np.ndarray, "rows 5"]
    step: Int[np.ndarray, "rows"]


class Sampled(NamedTuple):
    """The output of a sampler.

    Attributes:
      x: the samples.
      kept: the trajectory: x at the start, after every k-th step and at the end; None
        if not requested.
    """

    x: Float[Array, "B *shape"]
    kept: Float[Array, "kept B *shape"] | None


def timesteps(total: int, steps: int, spacing: Spacing) -> Int[np.ndarray, "steps"]:
    """The indices of a schedule's levels that a sampler uses, in descending order.

    Args:
      total: number of levels in the schedule.
      steps: number of levels to choose.
      spacing: see `SamplerConfig`.

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
    """The noise levels of a sampler: `steps` descending levels, then 0.

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
    """Computes the table of a sampler.

    Args:
      config: the sampler; its `steps` and `spacing` are not used here.
      sigmas: descending noise levels, one more than steps; the last may be 0. For ddim
        they may ascend: that encodes an image as noise (DDIM inversion).
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
    """Stacks the weights (see `Coefficients.of`), each an array or a constant."""
    columns = np.broadcast_arrays(x, clean, x_before, clean_before, noise)
    return np.stack(columns, axis=-1).astype(np.float64)


def _ancestral(config: SamplerConfig, now: Levels, after: Levels) -> np.ndarray:
    """The rows of ddpm, ddpm_without_noise and ddim."""
    # standard deviation of q(x_s | x, x_0); 0 for ascending levels (DDIM inversion)
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
    """Two rows a step: an Euler step, then a step with the mean slope of both ends.

    A step has only the Euler row if it ends at level 0, where the slope is undefined,
    or if the correction makes it worse.
    """
    change = (after - now) / 2  # half a step
    ratio = after / now
    predict = _row(ratio, 1 - ratio)
    with np.errstate(divide="ignore", invalid="ignore"):
        correct = _row(change / after, -change / after, 1 + change / now, -change / now)
    sigma = np.stack([now, after], axis=1).reshape(-1)
    rows = np.stack([predict, correct], axis=1).reshape(-1, 5)
    evaluated = sigma > 0
    evaluated[1::2] &= _corrected(now, after)
    return Coefficients(
        sigma[evaluated], rows[evaluated], np.repeat(steps, 2)[evaluated]
    )


def _corrected(now: Levels, after: Levels) -> Bool[np.ndarray, "steps"]:
    """Which steps of heun are corrected.

    The test case is Gaussian data of variance 1, for which each step multiplies x by a
    known factor. A step is left uncorrected if the corrected factor's error is more
    than twice the Euler factor's. From sigma to a much lower s the corrected factor's
    error is about sigma / 2 s^3, so this concerns steps that start at almost pure
    noise, such as the first of the cosine and sigmoid schedules.
    """
    exact = np.sqrt((1 + after**2) / (1 + now**2))
    euler = 1 + (after - now) * now / (1 + now**2)
    end_slope = euler * after / (1 + after**2)
    corrected = 1 + (after - now) / 2 * (now / (1 + now**2) + end_slope)
    return abs(corrected - exact) <= 2 * abs(euler - exact)


def _dpmpp_2m(now: Levels, after: Levels) -> np.ndarray:
    """The rows of dpmpp_2m: x_0 is extrapolated linearly in ln(sigma).

    The first step has no previous estimate, and a last step to level 0 has no finite
    length in ln(sigma); both use x_0 itself.
    """
    ratio = after / now
    extrapolated = np.zeros(len(now))
    inner = slice(1, len(now) - (after[-1] == 0))
    width = np.log(now[inner] / after[inner])
    width_before = np.log(now[:-1] / now[1:])[: len(width)]
    extrapolated[inner] = np.minimum(width / (2 * width_before), 1)
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

    An example's noise depends only on its own key, not on the rest of the batch.

    Args:
      denoise: estimates x_0.
      x: noise of standard deviation sigmas[0], plus an image if sampling starts at one.
      keys: one random key for each example, (B,).
      config: the sampler.
      sigmas: from `sampling_sigmas`, or any other descending levels.
      condition: passed to `denoise`.
      keep_every: k records x after every k-th step; 0 records nothing.
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
    """Runs the sampler that a table describes; see `sample`.

    The table's `sigma` and `of` may be traced arguments of a compiled program, which
    then serves every sampler with the same number of rows.

    Args:
      denoise: estimates x_0.
      x: noise of the first level.
      keys: one random key for each example, (B,).
      table: from `coefficients`.
      condition: passed to `denoise`.
      keep_every: k records x after every k-th step; 0 records nothing.
      clip: estimates of x_0 are clipped to [-clip, clip]; 0 is off.
    """
    traced = not isinstance(table.of, np.ndarray)
    with_noise = traced or bool(table.of[:, 4].any())
    slots = 1 + table.step // max(keep_every, 1)
    kept = jnp.stack([x] * (1 + slots[-1])) if keep_every else None

    def evaluate(carry: Any, row: Any) -> tuple[Any, None]:
        x, x_before, clean_before, kept = carry
        sigma, of, number, slot = row
        clean = denoise(x, jnp.full(len(x), sigma), condition)
        if clip:
            clean = jnp.clip(clean, -clip, clip)
        a, b, c, d, e = of
        x_next = a * x + b * clean + c * x_before + d * clean_before
        if with_noise:
            x_next += e * _fresh_noise(keys, number, x)
        if kept is not None:  # later rows of the same slot overwrite earlier ones
            kept = jax.lax.dynamic_update_index_in_dim(kept, x_next, slot, 0)
        return (x_next, x, clean, kept), None

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
    """Gaussian noise of standard deviation sigma, from one key for each example."""
    draw = jax.vmap(lambda key: jax.random.normal(key, shape, jnp.float32))
    return float(sigma) * draw(keys)


def _fresh_noise(keys: Any, number: Array, like: Array) -> Array:
    """Noise with the shape of `like` for the row `number` of a table."""

    def draw(key: Any) -> Array:
        key = jax.random.fold_in(key, number + 1)
        return jax.random.normal(key, like.shape[1:], like.dtype)

    return jax.vmap(draw)(keys)
