"""What every study of part 4 is given."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax.flatten_util import ravel_pytree

from nnguide.array_types import Array, Params
from nnguide.data.sources import ImageSource
from nnguide.network.classify import Costs
from nnguide.network.mlp import MlpConfig, initial_params
from nnguide.plots.style import Theme


class Setting(NamedTuple):
    """A random network, a few examples, and where results go.

    Attributes:
      network: its shape, activation and cost.
      params: its random parameters, float32.
      images: a few examples in [0, 1], (B, height, width, channels), float64.
      labels: of the examples.
      workdir: of the run.
      theme: of the pictures.
    """

    network: MlpConfig
    params: Params
    images: np.ndarray
    labels: np.ndarray
    workdir: Path
    theme: Theme


def set_up(
    network: MlpConfig, source: ImageSource, examples: int, seed: int,
    workdir: Path, theme: Theme,
) -> Setting:  # fmt: skip
    """Draws a network, and takes examples spread over the set, which may be sorted."""
    params = nn.unbox(initial_params(network, jax.random.key(seed)))
    batch = source.take(np.linspace(0, len(source) - 1, examples).astype(int))
    images = batch["image"].astype(np.float64) / 255
    return Setting(
        network, jax.device_get(params), images, batch["label"], workdir, theme
    )


class Problem(NamedTuple):
    """The cost of the examples as a function of all parameters, in one precision.

    Attributes:
      vector: all weights and biases.
      unflatten: back to a tree.
      images: of the examples.
      labels: of the examples.
    """

    vector: Array
    unflatten: Callable[[Array], Params]
    images: Array
    labels: Array


def problem(setting: Setting, dtype: str) -> Problem:
    """The same numbers in float32 or float64; call it under `jax.enable_x64`."""
    cast = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), setting.params)
    vector, unflatten = ravel_pytree(cast)
    images, labels = jnp.asarray(setting.images, dtype), jnp.asarray(setting.labels)
    return Problem(vector, unflatten, images, labels)


def mean_cost(costs: Costs, problem: Problem) -> Callable[[Array], Any]:
    """The mean cost of the examples, however its gradient comes about."""

    def cost(vector: Array) -> Array:
        each, _ = costs(problem.unflatten(vector), problem.images, problem.labels)
        return jnp.mean(each)

    return cost
