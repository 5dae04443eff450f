"""How likely a denoiser takes an image to be: bits per dimension, without a bound.

The arrow that ddim follows, dx / d sigma = (x - x_0(x)) / sigma, carries densities too:
on the way to pure noise, whose density is known, log p falls by its divergence.

Sources: Chen et al., arXiv 1806.07366 (change of density along a flow); Song et al.,
2011.13456, section 4.3; Hutchinson's estimate of a trace: Grathwohl et al., 1810.01367.
"""

import itertools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Float64

from nnguide.array_types import Array, Key
from nnguide.diffusion.denoising import Denoise

Carried = tuple[Array, Array]  # images, and what their density lost so far


def bits_per_dimension(
    denoise: Denoise,
    x: Float[Array, "B *shape"],
    sigmas: Float64[np.ndarray, "levels"],
    key: Key,
    condition: Any = None,
    steps_of_one: float = 1.0,
    probes: int = 1,
) -> Float[Array, "B"]:
    """-log2 of each image's density, a dimension.

    Second-order steps (Heun's) from level to level. The loop is Python's: on CPU the
    gradient of a convolution is 30 times slower inside a compiled one.

    Args:
      denoise: the estimate of x_0.
      x: images, with noise of sigmas[0] in them.
      sigmas: ascending, to a level beside which images do not matter.
      key: of the probes of the divergence.
      condition: for `denoise`.
      steps_of_one: how many steps of the data's quantization make 1: 127.5 where bytes
        became -1 to 1. The result is then bits a byte.
      probes: directions that the divergence is estimated from; its error falls with
        their square root.
    """
    count = x[0].size
    shape = (probes, *x.shape)
    directions = jax.random.rademacher(key, shape, x.dtype)
    step = jax.jit(_step(denoise, directions, condition))
    carried = (x, jnp.zeros(len(x), x.dtype))
    for now, after in itertools.pairwise(sigmas):
        carried = step(carried, jnp.float32(now), jnp.float32(after))
    noise, lost = carried
    variance = float(sigmas[-1]) ** 2
    square = (noise.reshape(len(x), -1) ** 2).sum(1)
    log_noise = -0.5 * (square / variance + count * math.log(2 * math.pi * variance))
    nats = -(log_noise + lost) / count
    return nats / math.log(2) + math.log2(steps_of_one)


def _step(
    denoise: Denoise, directions: Array, condition: Any
) -> Callable[[Carried, Array, Array], Carried]:
    """From one level to the next, along the mean of both ends' arrows.

    Images move nearly straight in sigma, densities in ln(sigma).
    """

    def arrow(x: Array, sigma: Array) -> Carried:
        """The noise in x, and the divergence of sigma times that."""

        def clean_of(x: Array) -> Array:
            return denoise(x, jnp.full(len(x), sigma), condition)

        clean, pull_back = jax.vjp(clean_of, x)
        (pulled,) = jax.vmap(pull_back)(directions)
        products = (directions * pulled).reshape(*directions.shape[:2], -1)
        return (x - clean) / sigma, x[0].size - products.sum(-1).mean(0)

    def step(carried: Carried, now: Array, after: Array) -> Carried:
        x, lost = carried
        first, divergence = arrow(x, now)
        second, divergence_after = arrow(x + (after - now) * first, after)
        x = x + (after - now) / 2 * (first + second)
        return x, lost + jnp.log(after / now) / 2 * (divergence + divergence_after)

    return step
