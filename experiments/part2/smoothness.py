"""Why activations are smooth: what happens to learning as the sigmoid becomes a step.

sigma(k z) tends to the step as k grows, and its slope to 0 everywhere but at z = 0. A
network with k is the plain one with weights and biases k times as large: that is how it
is computed here, so that all k train in one program.

Source: 3Blue1Brown, "Gradient descent, how neural networks learn": the cost needs a
smooth output, "this is why artificial neurons have continuously ranging activations".
"""

import dataclasses
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from experiments.part2.setting import (
    GUIDE,
    Setting,
    at_rates,
    check,
    cost_of,
    every,
    labelled,
    plan,
    random_networks,
    scale_each,
    task_of,
)
from experiments.plan import Plan
from nnguide import training
from nnguide.array_types import Array, Batch, Key, Metrics, Params
from nnguide.config import InputError
from nnguide.network.descent import gradient_descent
from nnguide.network.mlp import forward
from nnguide.plots import slow_learning as pictures
from nnguide.plots import style
from nnguide.results import Claim
from nnguide.training import Task

BATCH = 100
STEP = dataclasses.replace(GUIDE, activation="step")


@dataclasses.dataclass(frozen=True)
class Config:
    """How steepness is swept.

    Attributes:
      steepness: k of sigma(k z), ascending; 1 is the plain sigmoid.
      rate: at k = 1. At every other k the rates rate, rate / k and rate / k^2 are
        tried, and the best counts.
      epochs: passes over the training set.
      networks: at each k and rate.
    """

    steepness: tuple[float, ...] = (1.0, 2.0, 5.0, 10.0, 20.0, 100.0)
    rate: float = 1.5
    epochs: int = 15
    networks: int = 4

    def __post_init__(self) -> None:
        check("smoothness", self, epochs=1, networks=1)
        if not self.rate > 0:
            raise InputError(f"--smoothness.rate={self.rate}: give more than 0.")


def steep_task(steepness: Float[np.ndarray, "networks"]) -> Task:
    """The task of stacked networks, each with a steepness of its own."""
    plain, _ = training.over_seeds(
        task_of(GUIDE), gradient_descent(1.0), len(steepness)
    )

    def loss(params: Params, batch: Batch, key: Key) -> Any:
        return plain.loss(scale_each(steepness, params), batch, key)

    def evaluate(params: Params, batch: Batch, key: Key) -> Metrics:
        return plain.evaluate(scale_each(steepness, params), batch, key)

    return Task(plain.init, loss, evaluate)


def plan_of(config: Config, setting: Setting) -> Plan:
    """The training of every k, rate / k^power and network, in this order."""
    steepness = np.array(config.steepness, np.float32)
    rates = np.stack([config.rate / steepness**power for power in range(3)])
    each = (*rates.shape, config.networks)
    networks = np.broadcast_to(steepness[None, :, None], each).ravel()
    return plan(
        setting,
        "steepness",
        steep_task(networks),
        at_rates(np.broadcast_to(rates[..., None], each).ravel()),
        BATCH,
        config.epochs,
    )


def sweep(config: Config, setting: Setting) -> Float[np.ndarray, "powers steepness n"]:
    """Test accuracies of every k, rate / k^power and network."""
    fit = plan_of(config, setting).fit(setting.workdir)
    each = (3, len(config.steepness), config.networks)
    return np.asarray(every(fit, "test/accuracy")[-1]).reshape(each)


def step_networks(config: Config, setting: Setting) -> tuple[float, np.ndarray]:
    """What gradient descent can do for networks of steps: nothing, they stay.

    Returns:
      The largest component of their gradients on the whole training set, and their
      test accuracies.
    """
    networks = random_networks(GUIDE, config.networks, setting.seed)
    slope = jax.grad(cost_of(*labelled(setting.train), STEP))
    gradients = jax.jit(jax.vmap(slope))(networks)
    largest = max(float(abs(leaf).max()) for leaf in jax.tree.leaves(gradients))
    images, labels = labelled(setting.test)

    def accuracy(params: Params) -> Array:
        answers = forward(STEP, params, images).a[-1].argmax(axis=-1)
        return (answers == labels).mean()

    return largest, np.asarray(jax.jit(jax.vmap(accuracy))(networks))


def study(config: Config, setting: Setting) -> tuple[list[Claim], list[str]]:
    """Sweeps the steepness, ends with the step, and draws accuracy against k."""
    accuracies = sweep(config, setting)
    best = accuracies.mean(axis=-1).argmax(axis=0)
    best_accuracies = accuracies[best, np.arange(len(best))]
    largest, of_steps = step_networks(config, setting)
    figure = pictures.steepness(
        setting.theme, np.array(config.steepness), best_accuracies, of_steps
    )
    picture = style.save(
        figure,
        setting.workdir,
        "steepness",
        steepness=config.steepness,
        accuracies=accuracies,
        step=of_steps,
    )
    return _claims(config, setting, best_accuracies, largest, of_steps), [picture]


def _claims(
    config: Config,
    setting: Setting,
    accuracies: np.ndarray,
    largest: float,
    of_steps: np.ndarray,
) -> list[Claim]:
    scored = config == Config() and setting.data.dataset == "mnist5k"
    source = "3Blue1Brown, Gradient descent, how neural networks learn"
    needs = "mnist5k and the default sweep"
    unit = f"test accuracy, mean of {config.networks}"
    return [
        Claim(
            "2.step_gradient",
            "neurons that are only on or off give gradient descent nothing to follow",
            largest,
            (0, 0),
            (0, 0),
            f"{source}; the derivative of a step is 0",
            unit="largest component of the gradient",
        ),
        Claim(
            "2.step_accuracy",
            "so that a network of steps stays what it was at birth: at chance",
            float(of_steps.mean()),
            (0.05, 0.15),
            (0.05, 0.15),
            f"{source}; chance is 10%",
            unit=unit,
        ),
        Claim(
            "2.plain_accuracy",
            f"the plain sigmoid, k = {config.steepness[0]:g}, learns",
            float(accuracies[0].mean()),
            (0.85, 1),
            (0.86, 0.92),
            source,
            unit=unit,
            needs=needs,
            scored=scored,
        ),
        Claim(
            "2.steep_accuracy",
            f"a sigmoid as steep as k = {config.steepness[-1]:g} does not, at any rate",
            float(accuracies[-1].mean()),
            (0, 0.2),
            (0.08, 0.15),
            source,
            unit=unit,
            needs=needs,
            scored=scored,
        ),
    ]
