"""Classifier-free guidance: follow the condition further than the network would.

    guided = conditioned + alpha (conditioned - unconditioned)

alpha = 0 is off, -1 forgets the condition. Others count from 1: their guidance scale is
1 + alpha (diffusers, Imagen), so alpha = 6.5 is Stable Diffusion's 7.5. Guiding the
estimate of x_0 guides eps, v and score alike: they are affine in each other, and the
factors of the three terms add up to 1.

Sources: Ho & Salimans, arXiv 2207.12598, equation 6; interval: Kynkaanniemi et al.,
2404.07724; rescaling: Lin et al., 2305.08891, section 3.4.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from nnguide.array_types import Array
from nnguide.config import InputError
from nnguide.diffusion.denoising import Denoise
from nnguide.diffusion.noise import spread


@dataclasses.dataclass(frozen=True)
class GuidanceConfig:
    """How far samples follow their condition.

    Attributes:
      guidance_alpha: alpha of conditioned + alpha (conditioned - unconditioned). 0 is
        off; elsewhere this is often counted as a scale of 1 + alpha.
      guidance_interval: LOW,HIGH guides at levels of noise LOW < sigma <= HIGH alone;
        empty guides at all.
      guidance_rescale: from 0 (off) to 1, how far the standard deviation of a guided
        estimate is brought back to that of the conditioned one.
    """

    guidance_alpha: float = 0.0
    guidance_interval: tuple[float, ...] = ()
    guidance_rescale: float = 0.0

    def __post_init__(self) -> None:
        alpha, interval = self.guidance_alpha, self.guidance_interval
        if not -1 <= alpha < float("inf"):
            raise InputError(
                f"--guidance_alpha={alpha}: give -1 (no condition), 0 (off) or more; "
                "elsewhere this is often counted as a scale of 1 + alpha."
            )
        if interval and not (len(interval) == 2 and 0 <= interval[0] < interval[1]):
            raise InputError(
                f"--guidance_interval={','.join(map(str, interval))}: give LOW,HIGH "
                "with 0 <= LOW < HIGH, or nothing."
            )
        if not 0 <= self.guidance_rescale <= 1:
            raise InputError(
                f"--guidance_rescale={self.guidance_rescale}: give a share from 0 to 1."
            )


def guided(denoise: Denoise, unconditioned: Any, config: GuidanceConfig) -> Denoise:
    """A denoiser that follows the condition further, in one pass of twice the batch.

    Args:
      denoise: knows both conditions.
      unconditioned: the condition that says nothing: one example's, without the batch
        axis.
      config: how far. Where alpha is 0, and at levels outside of the interval, there is
        no unconditional pass.

    Returns:
      `denoise(x, sigma, condition)`.
    """
    alpha, interval = config.guidance_alpha, config.guidance_interval
    if alpha == 0:
        return denoise

    def in_one_pass(x: Array, sigma: Array, condition: Any) -> Array:
        twice = jax.tree.map(_with_nothing, condition, unconditioned)
        both = denoise(jnp.concatenate([x, x]), jnp.tile(sigma, 2), twice)
        conditioned, nothing = both[: len(x)], both[len(x) :]
        factor = jnp.where(_inside(interval, sigma), alpha, 0.0)
        result = conditioned + spread(factor, x) * (conditioned - nothing)
        return _rescaled(result, conditioned, config.guidance_rescale)

    def where_needed(x: Array, sigma: Array, condition: Any) -> Array:
        needed = _inside(interval, sigma).any()
        return jax.lax.cond(needed, in_one_pass, denoise, x, sigma, condition)

    return where_needed if interval else in_one_pass


def _inside(interval: tuple[float, ...], sigma: Float[Array, "B"]) -> Bool[Array, "B"]:
    """Which levels are guided."""
    if not interval:
        return jnp.ones_like(sigma, bool)
    low, high = interval
    return (low < sigma) & (sigma <= high)


def _with_nothing(condition: Array, nothing: Any) -> Array:
    """The conditions, and the empty one as often."""
    return jnp.concatenate([condition, jnp.broadcast_to(nothing, condition.shape)])


def _rescaled(
    result: Float[Array, "B *shape"],
    conditioned: Float[Array, "B *shape"],
    share: float,
) -> Float[Array, "B *shape"]:
    """Over-guided images are too contrasty: brings their standard deviation back."""
    if share == 0:
        return result
    axes = tuple(range(1, result.ndim))
    wanted, got = conditioned.std(axes), result.std(axes)
    factor = jnp.where(got > 0, wanted / jnp.where(got > 0, got, 1), 1)
    return result * spread(share * factor + (1 - share), result)
