"""What every study of part 2 is given, and what several of them do with it."""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float, Int

from experiments.plan import Plan
from nnguide import training
from nnguide.array_types import Array, Key, Params
from nnguide.config import InputError
from nnguide.data.images import ImageConfig, image_batches, image_evaluation
from nnguide.data.sources import ImageSource
from nnguide.network import classify
from nnguide.network.mlp import Mlp, MlpConfig, initial_params
from nnguide.parallel import ParallelConfig
from nnguide.plots.style import Theme
from nnguide.training import Fit, Task

GUIDE = MlpConfig()  # 784-16-16-10, sigmoid, squared error


class Setting(NamedTuple):
    """The images, where results go, and what is random.

    Attributes:
      data: which images.
      train: their training split.
      test: their test split.
      seed: of all that is random.
      workdir: of the run; each training has a sub-folder.
      theme: of the pictures.
    """

    data: ImageConfig
    train: ImageSource
    test: ImageSource
    seed: int
    workdir: Path
    theme: Theme


def check(group: str, config: Any, **least: int) -> None:
    """Checks a study's config where it is made.

    Args:
      group: the study's name among the flags.
      config: its config; every tuple in it must ascend, from above 0.
      **least: the lowest value of whole-number fields.

    Raises:
      InputError: a value is out of range.
    """
    for name, value in dataclasses.asdict(config).items():
        if name in least and value < least[name]:
            raise InputError(f"--{group}.{name}={value}: give {least[name]} or more.")
        if isinstance(value, tuple) and (
            not value or value[0] <= 0 or list(value) != sorted(set(value))
        ):
            given = ",".join(map(str, value))
            raise InputError(
                f"--{group}.{name}={given}: give one or more, ascending, all above 0."
            )


def labelled(
    source: ImageSource,
) -> tuple[Float[Array, "N height width 1"], Int[Array, "N"]]:
    """A whole split: images in [0, 1] and labels."""
    arrays = source.arrays()
    images = jnp.asarray(arrays["image"], jnp.float32) / 255
    return images, jnp.asarray(arrays["label"])


def task_of(config: MlpConfig) -> Task:
    """The task of a network, for `training.fit`."""
    return Task(*classify.functions(Mlp(config), config.cost))


def cost_of(
    images: Array, labels: Array, config: MlpConfig
) -> Callable[[Params], Float[Array, ""]]:
    """The mean cost over images as a function of the parameters."""
    costs = classify.costs_of(Mlp(config), config.cost)
    return lambda params: costs(params, images, labels)[0].mean()


def random_networks(config: MlpConfig, count: int, seed: int) -> Any:
    """Untrained parameters of `count` networks, along a leading axis.

    They are those that `train` starts from for `training.over_seeds`.
    """
    init_key, _ = jax.random.split(jax.random.key(seed))
    # One by one: any number of them is one program, and XLA compiles it in a second.
    networks = [
        _random_network(config, key) for key in jax.random.split(init_key, count)
    ]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *networks)


@partial(jax.jit, static_argnums=0)
def _random_network(config: MlpConfig, key: Key) -> Params:
    return nn.unbox(initial_params(config, key))


def scale_each(factors: Float[np.ndarray, "networks"], networks: Any) -> Any:
    """Multiplies each of the stacked networks (or gradients) by its own factor."""

    def scale(leaf: Array) -> Array:
        return jnp.asarray(factors).reshape(-1, *(1,) * (leaf.ndim - 1)) * leaf

    return jax.tree.map(scale, networks)


def at_rates(rates: Float[np.ndarray, "networks"]) -> optax.GradientTransformation:
    """Gradient descent for stacked networks, each with a rate of its own."""

    def update(
        updates: optax.Updates,
        state: optax.OptState,
        params: optax.Params | None = None,
    ) -> tuple[optax.Updates, optax.OptState]:
        del params
        return scale_each(-rates, updates), state

    return optax.GradientTransformation(lambda params: optax.EmptyState(), update)


def plan(
    setting: Setting,
    name: str,
    task: Task,
    optimizer: optax.GradientTransformation,
    batch_size: int,
    epochs: int,
) -> Plan:
    """A training that is evaluated on the test split after every epoch."""
    batch_size = min(batch_size, len(setting.train))
    steps_an_epoch = len(setting.train) // batch_size
    config = training.Config(
        steps=epochs * steps_an_epoch,
        seed=setting.seed,
        steps_per_call=steps_an_epoch,
        log_every=steps_an_epoch,
        evaluate_every=steps_an_epoch,
        # Steps of milliseconds, in batches of 10: spreading them would only cost.
        parallel=ParallelConfig(devices=1),
    )
    return Plan(
        name,
        task,
        optimizer,
        image_batches(setting.train, batch_size, setting.seed, setting.data.loader),
        config,
        {"test": image_evaluation(setting.test, 1000)},
    )


def every(fit: Fit, metric: str) -> Any:
    """A metric after every epoch: (epochs, networks)."""
    return jnp.asarray([row[metric] for row in fit.history])
