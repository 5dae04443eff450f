"""From a noisy image to an estimate of the clean one: what networks are asked for.

All that a sampler needs is one function, `denoise(x, sigma, condition)`: the estimate
of x_0 from x = x_0 + sigma noise. The estimate with the least squared error is the mean
E[x_0 | x], and (denoise(x) - x) / sigma^2 is the score, the arrow towards likelier
images. A network may be asked for the noise (eps), for x_0, for a mixture of both (v),
or for what is left after EDM's preconditioning; these say the same thing, and
`Target` converts exactly.

For a finite data set, or a mixture of Gaussians, E[x_0 | x] has a closed form: the
ideal denoiser, which tells what training can reach and whether a sampler is right.

Sources: Ho et al., arXiv 2006.11239 (eps); Salimans & Ho, 2202.00512 (v); Karras et
al., 2206.00364 (preconditioning and weight); Hang et al., 2303.09556 (min-SNR).
"""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Float

from nnguide.array_types import Array
from nnguide.config import InputError
from nnguide.diffusion.noise import NoiseConfig, add_noise, spread

Denoise = Callable[[Array, Array, Any], Array]
Network = Callable[[Array, Array, Any], Array]
Predict = Literal["eps", "x0", "v", "edm"]
Weighting = Literal["simple", "min_snr", "edm"]


@dataclasses.dataclass(frozen=True)
class DenoisingConfig:
    """What the network predicts, and which levels of noise count how much.

    Attributes:
      predict: eps is the noise, x0 the clean image, v sqrt(abar) noise - sqrt(1 - abar)
        x_0; edm keeps what the network sees and says at variance 1.
      weighting: of squared errors. simple counts them as they are; min_snr keeps easy
        levels from outweighing the others; edm makes all levels equal at the start.
      min_snr_gamma: the signal-to-noise ratio above which min_snr holds back.
      sigma_data: standard deviation of the data, for edm.
    """

    predict: Predict = "v"
    weighting: Weighting = "simple"
    min_snr_gamma: float = 5.0
    sigma_data: float = 0.5

    def __post_init__(self) -> None:
        for name in ("min_snr_gamma", "sigma_data"):
            if not getattr(self, name) > 0:
                raise InputError(
                    f"--denoising.{name}={getattr(self, name)}: give more than 0."
                )


def check_pair(denoising: DenoisingConfig, noise: NoiseConfig) -> None:
    """Checks that what is predicted tells x_0 at every level of noise.

    Raises:
      InputError: eps is predicted at a level where x is nothing but noise.
    """
    if noise.zero_terminal_snr and denoising.predict == "eps":
        raise InputError(
            "--denoising.predict=eps: with --noise.zero_terminal_snr the last level is "
            "noise alone, which says nothing of x_0; predict v or x0."
        )


class Target(NamedTuple):
    """How a network's answer F and the clean image determine each other.

    x_0 = skip x + scale F, and the network sees `inward` x. All are functions of sigma.

    Attributes:
      skip: what x_0 has of x.
      scale: what x_0 has of F.
      inward: brings x to variance 1.
    """

    skip: Float[Array, "B"]
    scale: Float[Array, "B"]
    inward: Float[Array, "B"]


def target(config: DenoisingConfig, sigma: Float[Array, "B"]) -> Target:
    """The conversion of what is predicted; for edm this is the preconditioning."""
    size = jnp.sqrt(1 + sigma**2)
    if config.predict == "edm":
        data, both = config.sigma_data, jnp.sqrt(sigma**2 + config.sigma_data**2)
        return Target(data**2 / both**2, sigma * data / both, 1 / both)
    if config.predict == "v":
        return Target(1 / size**2, -sigma / size, 1 / size)
    if config.predict == "x0":
        return Target(jnp.zeros_like(sigma), jnp.ones_like(sigma), 1 / size)
    return Target(jnp.ones_like(sigma), -sigma, 1 / size)


def noise_level(sigma: Float[Array, "B"]) -> Float[Array, "B"]:
    """How the network is told the level, ln(sigma) / 4: between -2 and 2.1."""
    return jnp.log(sigma) / 4


def denoiser(network: Network, config: DenoisingConfig) -> Denoise:
    """The estimate of x_0 that a network's answers amount to.

    Args:
      network: (x of variance about 1, noise level, condition) -> its answer F.
      config: what F is.

    Returns:
      `denoise(x, sigma, condition)`.
    """

    def denoise(x: Array, sigma: Array, condition: Any) -> Array:
        skip, scale, inward = (spread(each, x) for each in target(config, sigma))
        return skip * x + scale * network(inward * x, noise_level(sigma), condition)

    return denoise


def wanted(
    config: DenoisingConfig,
    x_0: Float[Array, "B *shape"],
    sigma: Float[Array, "B"],
    noise: Float[Array, "B *shape"],
) -> Float[Array, "B *shape"]:
    """What the network should answer for x = x_0 + sigma noise."""
    size = spread(sigma, x_0)
    if config.predict == "edm":
        data = config.sigma_data
        both = jnp.sqrt(size**2 + data**2)
        return (size * x_0 - data**2 * noise) / (data * both)
    if config.predict == "v":
        return (noise - size * x_0) / jnp.sqrt(1 + size**2)
    return x_0 if config.predict == "x0" else noise


def weight(config: DenoisingConfig, sigma: Float[Array, "B"]) -> Float[Array, "B"]:
    """What a squared error of the network's answer counts at each level."""
    squared_scale = target(config, sigma).scale ** 2  # of an error of x_0, for one of F
    if config.weighting == "min_snr":
        return jnp.minimum(sigma**-2, config.min_snr_gamma) * squared_scale
    if config.weighting == "edm":
        return (sigma**-2 + config.sigma_data**-2) * squared_scale
    return jnp.ones_like(sigma)


def loss(
    network: Network,
    config: DenoisingConfig,
    x_0: Float[Array, "B *shape"],
    sigma: Float[Array, "B"],
    noise: Float[Array, "B *shape"],
    condition: Any = None,
) -> Float[Array, "B"]:
    """The weighted squared error of each example, a mean over its numbers.

    Args:
      network: as in `denoiser`.
      config: what it predicts and how errors count.
      x_0: clean images.
      sigma: the level of each.
      noise: standard normal.
      condition: a tree of arrays that lead with B, or None.
    """
    x = add_noise(x_0, sigma, noise)
    inward = spread(target(config, sigma).inward, x)
    answer = network(inward * x, noise_level(sigma), condition)
    error = (answer - wanted(config, x_0, sigma, noise)) ** 2
    return weight(config, sigma) * error.reshape(len(x), -1).mean(axis=1)


def noise_in(
    x: Float[Array, "B *shape"],
    sigma: Float[Array, "B"],
    clean: Float[Array, "B *shape"],
) -> Float[Array, "B *shape"]:
    """The noise that an estimate of x_0 implies, (x - x_0) / sigma; -sigma score."""
    return (x - clean) / spread(sigma, x)


def ideal_of_points(points: Float[Array, "N *shape"]) -> Denoise:
    """E[x_0 | x] where the data are these points and nothing else.

    Args:
      points: the data set.

    Returns:
      `denoise(x, sigma, condition)`; the condition may be the logarithms of the points'
      probabilities, (B, N), -infinity where a point is out of the question. None takes
      all as equally likely.
    """
    return functools.partial(_mixture_mean, points, jnp.zeros(len(points), jnp.float32))


def ideal_of_mixture(
    means: Float[Array, "N *shape"], std: Float[Array, "N"]
) -> Denoise:
    """E[x_0 | x] where the data are a mixture of Gaussians, each round.

    Args:
      means: of the Gaussians.
      std: standard deviation of each.

    Returns:
      `denoise(x, sigma, condition)`; the condition may be the logarithms of the
      Gaussians' shares, (B, N). None takes all as equally likely.
    """
    return functools.partial(_mixture_mean, means, std)


def _mixture_mean(
    means: Array, std: Array, x: Array, sigma: Array, condition: Any
) -> Array:
    """Means pulled towards x, weighted by how likely each Gaussian made x."""
    variance = std[None] ** 2 + sigma[:, None] ** 2
    flat, centres = x.reshape(len(x), 1, -1), means.reshape(1, len(means), -1)
    # differences, not products: |x|^2 - 2 x.m + |m|^2 cancels at little noise
    distance = ((flat - centres) ** 2).sum(axis=-1)
    logits = -distance / (2 * variance) - flat.shape[-1] / 2 * jnp.log(variance)
    share = jax.nn.softmax(logits if condition is None else logits + condition)
    pull = share * std[None] ** 2 / variance
    mean = (share - pull) @ centres[0] + pull.sum(axis=1, keepdims=True) * flat[:, 0]
    return mean.reshape(x.shape)
