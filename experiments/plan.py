"""A training as a value (`Plan`): `fit` runs it, and `--dry` describes it.

A study returns its trainings as plans and fits the same plans, so that `--dry`
describes exactly what is trained.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from experiments import tables
from nnguide import flops, target, training
from nnguide.array_types import Params
from nnguide.config import leaves
from nnguide.training import Batches, Fit, Task
from nnguide.training.step import State, initial_state, make_step


class Plan(NamedTuple):
    """A training that a launcher is going to run.

    Attributes:
      name: its folder below the workdir; "" is the workdir itself.
      task: the parameters' initializer, the loss and the evaluation.
      optimizer: the Optax transform.
      batches: the training data.
      config: number of steps, logging and checkpointing.
      evaluation: name -> evaluation data.
      frozen: arrays that are not trained, passed to the task by name.
    """

    name: str
    task: Task
    optimizer: optax.GradientTransformation
    batches: Batches
    config: training.Config
    evaluation: Mapping[str, Batches] = {}
    frozen: Mapping[str, Any] = {}

    def fit(self, workdir: Path, start: Params | None = None) -> Fit:
        """Trains, resumes, or restores a finished training.

        Args:
          workdir: the run's folder.
          start: initial parameters; None initializes them randomly.
        """
        return training.fit(
            self.task,
            self.optimizer,
            self.batches,
            self.config,
            start=start,
            evaluation=self.evaluation,
            frozen=self.frozen,
            workdir=workdir / self.name,
        )


class Shapes(NamedTuple):
    """The abstract state and the cost of a plan.

    Attributes:
      state: shapes and dtypes of the state before the first step.
      flops: FLOPs of one step.
    """

    state: State
    flops: int


def shapes(plan: Plan) -> Shapes:
    """Traces a training's initial state and its step abstractly; computes nothing."""
    with target.counting_flops():
        state = jax.eval_shape(
            lambda key: initial_state(plan.task, plan.optimizer, key),
            jax.random.key(plan.config.seed),
        )
        rows = next(iter(plan.batches.stream(0)))
        shared = (plan.batches.arrays, dict(plan.frozen))
        step = make_step(
            plan.task, plan.optimizer, plan.batches, plan.config.accumulation
        )
        count = flops.count(lambda s, r, x: step(s, r, x, None), state, rows, shared)
    return Shapes(state, count)


def print_plans(config: Any, plans: Mapping[str, Iterable[Plan]]) -> None:
    """Prints the config and each training's parameters, FLOPs and bytes.

    Args:
      config: the launcher's config.
      plans: study -> its trainings; "" names the only study of a launcher.
    """
    for name, value in leaves(config):
        print(f"--{name}={value}")
    described: dict[str, str] = {}  # training's name -> the heading it is printed under
    shown: dict[Any, str] = {}  # table of parameters -> the heading it is printed under
    for study, each in plans.items():
        empty = True
        for plan in each:
            empty, title = False, ": ".join(filter(None, (study, plan.name)))
            first = described.setdefault(plan.name, title)
            if first != title:
                print(f"\n{title}, as described for {first}")
                continue
            print(f"\n{title}, {plan.config.steps:,} steps")
            _print_plan(plan, title, shown)
        if empty:
            print("\n" + ": ".join(filter(None, (study, "trains no network"))))


def _print_plan(plan: Plan, title: str, shown: dict[Any, str]) -> None:
    state, step_flops = shapes(plan)
    params = jax.tree_util.tree_leaves_with_path(state.params)
    rows = tuple(
        (
            jax.tree_util.keystr(path, simple=True, separator="/"),
            str(leaf.shape),
            f"{leaf.size:,}",
        )
        for path, leaf in params
    )
    if shown.setdefault(rows, title) != title:
        print(f"parameters: the same as those of {shown[rows]}")
    else:
        tables.print_table(("parameter", "shape", "number"), rows, right=(1, 2))
    counted = {
        "parameters": sum(leaf.size for _, leaf in params),
        "FLOPs a step": step_flops,
        "FLOPs of all steps": step_flops * plan.config.steps,
        "bytes, params": _bytes(state.params),
        "bytes, optimizer": _bytes(state.opt_state),
        "bytes, data": _bytes((plan.batches.arrays, plan.frozen)),
    }
    for name, number in counted.items():
        print(f"{name:18} {number:20,}")


def _bytes(tree: Any) -> int:
    """Bytes of a tree's arrays, which may be abstract; a key counts as its data."""

    def size(leaf: Any) -> int:
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.eval_shape(jax.random.key_data, leaf)
        return int(np.prod(leaf.shape)) * leaf.dtype.itemsize

    return sum(map(size, jax.tree.leaves(tree)))
