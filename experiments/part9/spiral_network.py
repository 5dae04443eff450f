"""The networks that learn the spiral, and how they are trained.

Source: smalldiffusion (C. Yuan), whose networks the video animates; v instead of eps is
predicted, because eps says little of x_0 where sigma is 10.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments import study as shared
from experiments.part9.setting import Setting
from experiments.part9.spiral_samples import LABELS, NOISE, POINTS, Of, exact
from nnguide.array_types import Batch, Key, Metrics, Params
from nnguide.data.batches import Batches, RowStream, shuffled
from nnguide.diffusion import denoising, learning
from nnguide.diffusion.denoising import DenoisingConfig
from nnguide.diffusion.learning import Examples, network_of
from nnguide.diffusion.noise import add_noise, draw_sigma
from nnguide.diffusion.point_network import PointNetwork, PointNetworkConfig
from nnguide.training import Fit, OptimizerConfig, Task

DENOISING = DenoisingConfig("v")
OPTIMIZER = OptimizerConfig("adamw", rate=6e-3, schedule="cosine")
BATCH, EXAMPLES = 256, 2000
DROPPED = 0.1  # share of training examples whose class is withheld


def denoiser_of(config: PointNetworkConfig) -> Of:
    """Parameters -> the denoiser they make."""
    module = PointNetwork(config)
    return lambda params: denoising.denoiser(network_of(module, params), DENOISING)


def task(config: PointNetworkConfig) -> Task:
    """Trains on v, judges by the noise, beside the ideal denoiser on the same draws."""
    examples = Examples(
        image=lambda batch: batch["point"],
        condition=lambda batch: batch["label"] if config.classes else None,
        nothing=config.classes if config.classes else None,
        dropped=DROPPED if config.classes else 0.0,
    )
    train = learning.functions(PointNetwork(config), (2,), DENOISING, NOISE, examples)
    of = denoiser_of(config)

    def evaluate(params: Params, batch: Batch, key: Key) -> Metrics:
        def noisy(number: Any) -> Any:
            level, noise = jax.random.split(jax.random.fold_in(key, number))
            return draw_sigma(NOISE, level), jax.random.normal(noise, (2,), jnp.float32)

        sigma, noise = jax.vmap(noisy)(batch["example"])
        x = add_noise(batch["point"], sigma, noise)
        metrics = {}
        for name, denoise, told in (
            ("error", of(params), examples.condition(batch)),
            ("floor", exact(jnp.asarray(POINTS)), None),
        ):
            seen = denoising.noise_in(x, sigma, denoise(x, sigma, told))
            each = ((seen - noise) ** 2).mean(axis=1)
            weight = batch["weight"]
            metrics[name] = ((weight * each).sum(), weight.sum())
        return metrics

    return Task(train.init, train.loss, evaluate)


def train(config: PointNetworkConfig, steps: int, name: str, setting: Setting) -> Fit:
    """Trains a network on the spiral, or reads back what was trained."""
    arrays = {"point": POINTS, "label": LABELS.astype(np.int32)}

    def assemble(arrays: Any, rows: Any, key: Any) -> Batch:
        del key
        return {name: array[rows] for name, array in arrays.items()}

    every = RowStream(lambda step: np.arange(EXAMPLES, dtype=np.int32) % len(POINTS), 1)
    return shared.train(
        setting, name, task(config), OPTIMIZER,
        Batches(shuffled(len(POINTS), BATCH, setting.seed), assemble, arrays), steps,
        {"test": Batches(every, assemble, arrays)},
    )  # fmt: skip
