"""What every study of part 3 is given."""

from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Float, Int

from nnguide.array_types import Array, Params
from nnguide.data.sources import ImageSource
from nnguide.network import backprop
from nnguide.network.backprop import Backward
from nnguide.network.minibatch import CostOfRows
from nnguide.network.mlp import Layers, MlpConfig
from nnguide.plots.style import Theme


class Setting(NamedTuple):
    """The network, the images it is asked about, and where results go.

    Attributes:
      network: its shape, activation and cost.
      images: of the training split, in [0, 1], (N, height, width, channels).
      labels: of the images.
      names: of the classes.
      workdir: of the run.
      theme: of the pictures.
    """

    network: MlpConfig
    images: Float[Array, "N height width channels"]
    labels: Int[Array, "N"]
    names: tuple[str, ...]
    workdir: Path
    theme: Theme


class Stages(NamedTuple):
    """One network at three times.

    Attributes:
      born: its random parameters.
      early: after one epoch of training.
      trained: after all of it.
    """

    born: Params
    early: Params
    trained: Params


def labelled(source: ImageSource) -> tuple[Array, Array]:
    """A whole split: images in [0, 1] and labels."""
    arrays = source.arrays()
    images = jnp.asarray(arrays["image"], jnp.float32) / 255
    return images, jnp.asarray(arrays["label"])


def cost_of_rows(setting: Setting, params: Params, data: Any) -> CostOfRows:
    """The mean cost of chosen examples, as a function of all parameters.

    Args:
      setting: names the network.
      params: any parameters; they give the vector its shape.
      data: the setting's images and labels, as arguments of a compiled function.
    """
    images, labels = data
    _, unflatten = ravel_pytree(params)

    def cost(vector: Array, rows: Array) -> Array:
        chosen = images[rows], labels[rows]
        each, _ = backprop.costs(setting.network, unflatten(vector), *chosen)
        return jnp.mean(each)

    return cost


def passes(setting: Setting, params: Params, rows: slice) -> tuple[Layers, Backward]:
    """Forward and backward pass of some examples."""
    return jax.jit(backprop.backpropagate, static_argnums=0)(
        setting.network, params, setting.images[rows], setting.labels[rows]
    )


def first_of(setting: Setting, label: int) -> int:
    """The first example of a class."""
    return int(jax.device_get(jnp.argmax(setting.labels == label)))
