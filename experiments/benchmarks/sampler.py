"""Sampling 64 digits by class: 50 steps of ddim with guidance, the U-Net of `unet`.

Ours is one program, both conditions in one pass. PyTorch's twin is taken as it is
written first (the default layout, a pass for each condition) and at its best (channels
last, one pass).
"""

import functools
from collections.abc import Callable

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np

from experiments.benchmark import Case
from experiments.benchmarks.unet import (
    NETWORK,
    NOISE,
    NOTHING,
    SHAPE,
    TARGET,
    THREADS,
    peer,
    quiet,
)
from nnguide.array_types import Array, Key, Params
from nnguide.cpp.choice import chosen
from nnguide.diffusion import learning, samplers
from nnguide.diffusion.convolution_kernels.winograd import KERNEL
from nnguide.diffusion.denoising import denoiser
from nnguide.diffusion.guidance import GuidanceConfig, guided
from nnguide.diffusion.samplers import SamplerConfig
from nnguide.diffusion.unet import Unet
from nnguide.target import convolution_options

BATCH, STEPS, ALPHA = 64, 50, 1.0


def cases(peers: bool) -> list[Case]:
    """One batch in JAX, and if asked for in PyTorch in two ways."""
    contenders: dict[str, Callable[[], float | None]] = {"nnguide": _ours()}
    torch = peer() if peers else None
    if torch:
        for mode, in_one_pass in (("eager", False), ("channels_last", True)):
            turn = torch.sampling(
                torch.Shape(), mode, THREADS, BATCH, STEPS, ALPHA, in_one_pass
            )
            passes = "one_pass" if in_one_pass else "two_passes"
            contenders[f"torch_{mode}_{passes}"] = quiet(turn)
    kernel = chosen(KERNEL, NETWORK.kernel)
    name = f"{BATCH} images of 32 x 32, {STEPS} guided ddim steps ({kernel})"
    return [Case(name, BATCH, "images", contenders)]


def _ours() -> Callable[[], None]:
    module, sampler = Unet(NETWORK), SamplerConfig(steps=STEPS)
    sigmas = samplers.sampling_sigmas(NOISE, sampler)
    labels = jnp.arange(BATCH, dtype=jnp.int32) % NOTHING

    @functools.partial(jax.jit, compiler_options=convolution_options())
    def draw(params: Params, key: Key) -> Array:
        network = learning.network_of(module, params)
        denoise = guided(denoiser(network, TARGET), NOTHING, GuidanceConfig(ALPHA))
        keys = jax.random.split(key, BATCH)
        x = samplers.starting_noise(keys, SHAPE, sigmas[0])
        return samplers.sample(denoise, x, keys, sampler, sigmas, labels).x

    @jax.jit
    def born(key: Key) -> Params:
        images, condition = jnp.zeros((1, *SHAPE), jnp.float32), np.zeros(1, np.int32)
        return nn.unbox(module.init(key, images, jnp.zeros(1, jnp.float32), condition))[
            "params"
        ]

    params = born(jax.random.key(0))
    number = 0

    def turn() -> None:
        nonlocal number
        number += 1
        jax.block_until_ready(draw(params, jax.random.key(number)))

    return turn
