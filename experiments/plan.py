"""A training as a value: `fit` runs it, and `--dry` describes it.

A study hands its trainings out as plans and fits those very plans, so that what is
described is what is trained.
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
    """A training that a launcher is about to do.

    Attributes:
      name: its folder below the workdir; "" is the workdir itself.
      task: what learns.
      optimizer: how.
      batches: from what.
      config: how long.
      evaluation: name -> batches that judge it.
      frozen: arrays handed to the task by name.
    """

    name: str
    task: Task
    optimizer: optax.GradientTransformation
    batches: Batches
    config: training.Config
    evaluation: Mapping[str, Batches] = {}
    frozen: Mapping[str, Any] = {}

    def fit(self, workdir: Path, start: Params | None = None) -> Fit:
        """Trains, goes on, or reads back what was trained.

        Args:
          workdir: of the run.
          start: parameters to begin with; None draws them.
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
    """What a plan is, known by shapes alone.

    Attributes:
      state: before the first step.
      flops: of a step.
    """

    state: State
    flops: int


def shapes(plan: Plan) -> Shapes:
    """Traces a training's first state and its step; nothing is computed."""
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
    """Config, and every training's parameters, FLOPs and bytes; nothing is trained.

    Args:
      config: of the launcher.
      plans: study -> its trainings; the one study of a launcher is "".
    """
    for name, value in leaves(config):
        print(f"--{name}={value}")
    described: dict[str, str] = {}  # training -> the heading that it stands under
    shown: dict[Any, str] = {}  # parameters -> the heading that they stand under
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
            print(f"\n{': '.join(filter(None, (study, 'trains no network')))}")


def _print_plan(plan: Plan, title: str, shown: dict[Any, str]) -> None:
    found = shapes(plan)
    leaves_of = jax.tree_util.tree_leaves_with_path(found.state.params)
    rows = tuple(
        (
            jax.tree_util.keystr(path, simple=True, separator="/"),
            str(leaf.shape),
            f"{leaf.size:,}",
        )
        for path, leaf in leaves_of
    )
    if shown.setdefault(rows, title) != title:
        print(f"parameters as those of {shown[rows]}")
    else:
        tables.print_table(("parameter", "shape", "number"), rows, right=(1, 2))
    counted = {
        "parameters": sum(leaf.size for _, leaf in leaves_of),
        "FLOPs a step": found.flops,
        "FLOPs of all steps": found.flops * plan.config.steps,
        "bytes, params": _bytes(found.state.params),
        "bytes, optimizer": _bytes(found.state.opt_state),
        "bytes, data": _bytes((plan.batches.arrays, plan.frozen)),
    }
    for name, number in counted.items():
        print(f"{name:18} {number:20,}")


def _bytes(tree: Any) -> int:
    def size(leaf: Any) -> int:
        if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.eval_shape(jax.random.key_data, leaf)
        return int(np.prod(leaf.shape)) * leaf.dtype.itemsize

    return sum(map(size, jax.tree.leaves(tree)))
