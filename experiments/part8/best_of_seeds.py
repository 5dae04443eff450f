"""Thousands of tiny models at once, each from several starts of which the best counts.

Small models get stuck: two features that start with the same sign never share a
dimension. So every model is trained from several random starts, all in one program, and
the one with the lowest loss on fresh examples speaks for it.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from experiments.plan import Plan
from experiments.study import STEPS_PER_CALL, drawn, drawn_evaluation
from nnguide import training
from nnguide.array_types import Params
from nnguide.facts.superposition import draw_features
from nnguide.parallel import ParallelConfig
from nnguide.training import OptimizerConfig, Task

ADAM = OptimizerConfig("adamw", rate=1e-2, schedule="cosine")
EXAMPLES = 16_384  # that judge each model


class Size(NamedTuple):
    """Of a training.

    Attributes:
      features: of each example.
      batch: examples a step, which all models share.
      steps: of the optimizer.
      seeds: starts of each model.
    """

    features: int
    batch: int
    steps: int
    seeds: int


class Best(NamedTuple):
    """N models, each from its best start.

    Attributes:
      params: of the best starts, stacked.
      every: params of all starts, two leading axes.
      loss: of all starts on examples that none was trained on.
    """

    params: Params
    every: Params
    loss: Float[np.ndarray, "seeds N"]


def plan(
    seed: int,
    name: str,
    functions: tuple[Callable[..., Any], Callable[..., Any], Callable[..., Any]],
    size: Size,
    frozen: Mapping[str, Any] | None = None,
) -> Plan:
    """The training of all models from all starts.

    Args:
      seed: of the run.
      name: of the training's sub-folder.
      functions: of N models, in the order of `training.Task`.
      size: of the training.
      frozen: arrays that `functions` want by name.
    """
    task, optimizer = training.over_seeds(
        Task(*functions), training.make_optimizer(ADAM, size.steps), size.seeds
    )
    draw = partial(draw_features, features=size.features)
    config = training.Config(
        steps=size.steps,
        seed=seed,
        steps_per_call=STEPS_PER_CALL,
        log_every=size.steps,  # a row holds the loss of every model
        parallel=ParallelConfig(devices=1),
    )
    return Plan(
        name,
        task,
        optimizer,
        drawn(draw, size.batch, seed),
        config,
        {"test": drawn_evaluation(draw, size.batch, EXAMPLES, seed)},
        frozen or {},
    )


def train(planned: Plan, workdir: Path) -> Best:
    """Trains all models from all starts, or reads back what was trained."""
    fit = planned.fit(workdir)
    loss = np.array(fit.history[-1]["test/loss"])
    every = jax.device_get(fit.state.params)
    return Best(of_best(every, loss), every, loss)


def of_best(every: Any, loss: Float[np.ndarray, "seeds N"]) -> Any:
    """Of arrays that lead with starts and models, each model's best start."""
    chosen = loss.argmin(axis=0), np.arange(loss.shape[1])
    return jax.tree.map(lambda values: values[chosen], every)
