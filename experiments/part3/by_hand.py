"""Train by the hand-derived gradients, and by JAX's: the same network comes out.

Both runs go through `training.fit`; by hand, `jax.custom_vjp` puts BP1-BP4 where JAX
would put its own backward pass.

Source: 3Blue1Brown, "What is backpropagation really doing?"; Nielsen, chap. 2.
"""

import dataclasses
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from experiments.part3.setting import Stages
from experiments.plan import Plan
from nnguide import training
from nnguide.array_types import Params
from nnguide.data.images import ImageConfig, image_batches, image_evaluation
from nnguide.data.sources import ImageSource
from nnguide.network import backprop, classify
from nnguide.network.mlp import Mlp, MlpConfig
from nnguide.results import Claim
from nnguide.training import Fit, OptimizerConfig, Task
from nnguide.training.step import initial_state


class Recipe(NamedTuple):
    """What is trained; the launcher's config holds these fields."""

    data: ImageConfig
    network: MlpConfig
    optimizer: OptimizerConfig
    train: training.Config
    batch_size: int


def task_by_hand(network: MlpConfig) -> Task:
    """The classifier that learns by the equations written out in `backprop`."""
    return Task(*backprop.functions(network))


def task_by_autodiff(network: MlpConfig) -> Task:
    """The same classifier, differentiated by JAX."""
    return Task(*classify.functions(Mlp(network), network.cost))


class Plans(NamedTuple):
    """The three trainings.

    Attributes:
      by_hand: by the equations written out.
      by_autodiff: by JAX's gradients.
      one_epoch: by hand, for an epoch.
    """

    by_hand: Plan
    by_autodiff: Plan
    one_epoch: Plan


def plans(recipe: Recipe, train_on: ImageSource, test_on: ImageSource) -> Plans:
    """What is trained on the first set; the second tests what is trained by hand."""
    steps = recipe.train.steps
    # An epoch in whole calls, at least one and no longer than the training itself.
    calls = len(train_on) // recipe.batch_size // recipe.train.steps_per_call
    an_epoch = min(steps, max(1, calls) * recipe.train.steps_per_call)
    by_hand, by_autodiff = (
        make(recipe.network) for make in (task_by_hand, task_by_autodiff)
    )
    return Plans(
        _plan("by_hand", recipe, by_hand, steps, train_on, test_on),
        _plan("by_autodiff", recipe, by_autodiff, steps, train_on),
        _plan("one_epoch", recipe, by_hand, an_epoch, train_on),
    )


def _plan(
    name: str, recipe: Recipe, task: Task, steps: int, train_on: ImageSource,
    test_on: ImageSource | None = None,
) -> Plan:  # fmt: skip
    return Plan(
        name,
        task,
        training.make_optimizer(recipe.optimizer, recipe.train.steps),
        image_batches(
            train_on, recipe.batch_size, recipe.train.seed, recipe.data.loader
        ),
        dataclasses.replace(recipe.train, steps=steps),
        {"test": image_evaluation(test_on, 1000)} if test_on else {},
    )


def study(
    recipe: Recipe, train_on: ImageSource, test_on: ImageSource, workdir: Path
) -> tuple[list[Claim], Stages]:
    """Trains twice, compares, and keeps the network at three times."""
    planned = plans(recipe, train_on, test_on)
    hand, auto, early = (each.fit(workdir) for each in planned)
    key = jax.random.key(recipe.train.seed)
    born = initial_state(*planned.by_hand[1:3], key).params
    claims = _claims(recipe, hand, auto)
    return claims, Stages(born, early.state.params, hand.state.params)


def _furthest(params: Params, reference: Params) -> float:
    """Largest difference of a weight, in units of the largest weight."""
    one, other = ravel_pytree(params)[0], ravel_pytree(reference)[0]
    return float(jnp.max(jnp.abs(one - other)) / jnp.max(jnp.abs(other)))


def _claims(recipe: Recipe, hand: Fit, auto: Fit) -> list[Claim]:
    return [
        Claim(
            "3.trained_by_hand",
            "the hand-derived gradients train the network to autodiff's weights",
            _furthest(hand.state.params, auto.state.params),
            (0, 1e-3),
            (0, 1e-3),
            "the chain rule; float32 rounding grows over the steps",
            unit=f"largest difference of a weight after {recipe.train.steps:,} steps, "
            "relative",
        ),
        Claim(
            "3.accuracy_by_hand",
            "a network trained by the hand-derived gradients reads new digits",
            float(hand.history[-1]["test/accuracy"]),
            (0.85, 1),
            (0.894, 0.918),
            "90.4% +- 0.5 over 16 seeds by autodiff, 4,000 digits",
            unit="test accuracy",
            needs="mnist5k and the default network and recipe",
            scored=is_default(recipe),
        ),
    ]


def is_default(recipe: Recipe) -> bool:
    """Whether the bands were measured for this training."""
    epochs = recipe.train.steps * recipe.batch_size / 4000
    return (
        recipe.data.dataset == "mnist5k"
        and recipe.network == MlpConfig()
        and recipe.optimizer == OptimizerConfig(rate=1.5)
        and epochs >= 20
    )
