"""`fit_alternating`: data made with the parameters as they are, then a few steps on it.

A round is one rollout and some steps of the same compiled step that `fit` takes, with
the same state, metrics, evaluation and checkpoints. The data of a round are a function
of the parameters at its beginning and of the round's number. Checkpoints lie between
rounds, so that a resumed run makes the data that an undisturbed one made.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from jax.sharding import Mesh

from nnguide.array_types import Key, Params
from nnguide.config import InputError
from nnguide.parallel import gathered
from nnguide.training.loop import Config, Fit, run_loop
from nnguide.training.step import State
from nnguide.training.task import Batches, Task

Rollout = Callable[[Params, int, Key], dict[str, Any]]

_STREAM = 2**32 - 1  # what is folded into the run's key for rollouts; steps are fewer


@dataclasses.dataclass(frozen=True)
class Rounds:
    """What is done with the data of a round.

    Attributes:
      rows: how many a rollout gives.
      batch_size: rows a step.
      epochs: how often a round's rows are gone through, in another order each time.
    """

    rows: int
    batch_size: int
    epochs: int = 1

    def __post_init__(self) -> None:
        for name in ("rows", "batch_size", "epochs"):
            if getattr(self, name) < 1:
                raise InputError(
                    f"rounds.{name}={getattr(self, name)}: give 1 or more."
                )
        if self.rows % self.batch_size:
            raise InputError(
                f"rounds.rows={self.rows}: must be a multiple of "
                f"rounds.batch_size={self.batch_size}."
            )

    @property
    def steps(self) -> int:
        """Steps of the optimizer in a round."""
        return self.rows // self.batch_size * self.epochs

    def check(self, config: Config) -> None:
        """Checks that whole rounds are trained, and saved between them.

        Raises:
          InputError: they are not.
        """
        for name in ("steps", "save_every"):
            value = getattr(config, name)
            if value % self.steps:
                raise InputError(
                    f"train.{name}={value}: must be a multiple of the {self.steps} "
                    "steps of a round, whose data are not saved."
                )
        if config.on_nan == "rollback":
            raise InputError(
                "train.on_nan=rollback: rollouts cannot be passed over; choose stop or "
                "skip."
            )
        if self.steps % config.steps_per_call:
            raise InputError(
                f"train.steps_per_call={config.steps_per_call}: must divide the "
                f"{self.steps} steps of a round."
            )


def fit_alternating(
    task: Task,
    optimizer: optax.GradientTransformation,
    rollout: Rollout,
    rounds: Rounds,
    config: Config,
    *,
    start: Params | None = None,
    evaluation: Mapping[str, Batches] | None = None,
    frozen: Mapping[str, Any] | None = None,
    workdir: Path | None = None,
    mesh: Mesh | None = None,
) -> Fit:
    """Trains a task on data that its own parameters make.

    Args:
      task: the subject; its loss makes no data.
      optimizer: an Optax transform for the gradient of the mean loss.
      rollout: (params, round number, key) -> arrays of `rounds.rows` rows by name.
        Nothing else may decide what they are.
      rounds: how many steps are taken on them.
      config: how long, how often; whole rounds, and checkpoints between rounds.
      start: as in `fit`, like all that follows.
      evaluation: judged by `task.evaluate`.
      frozen: handed to `loss` and `evaluate` by name.
      workdir: None writes nothing.
      mesh: None makes one from `config.parallel`.

    Returns:
      The final state and the history. A finished run trains nothing.

    Raises:
      NonFiniteLoss: at the first row or checkpoint whose loss is not finite.
      InputError: a setting that does not fit, or what `fit` raises it for.
    """
    rounds.check(config)

    def source(first: int) -> Callable[[int, State], Any]:
        if first % rounds.steps:
            raise InputError(
                f"checkpoint {first}: it lies inside a round of {rounds.steps} steps; "
                "go on with the rounds it was made with, or --restart."
            )
        calls: Iterator[Any] = iter(())

        def rows(step: int, state: State) -> Any:
            nonlocal calls
            if step % rounds.steps == 0:
                calls = round_of(rollout, rounds, config.steps_per_call, step, state)
            return next(calls)

        return rows

    return run_loop(
        task, optimizer, AS_THEY_ARE, source, config, rounds.steps, start, evaluation,
        frozen, workdir, mesh,
    )  # fmt: skip


class _AsTheyAre(NamedTuple):
    """Batches whose rows are made by rollouts and need no assembling."""

    stream: Any = None
    assemble: Any = lambda arrays, rows, key: rows
    arrays: Any = ()


AS_THEY_ARE = _AsTheyAre()


def round_of(
    rollout: Rollout, rounds: Rounds, steps_per_call: int, step: int, state: State
) -> Iterator[Any]:
    """Makes a round's data; yields the rows of each call.

    Args:
      rollout: as in `fit_alternating`.
      rounds: how many rows and steps.
      steps_per_call: k > 1 stacks the rows of k steps.
      step: the round's first.
      state: before that step.
    """
    number = step // rounds.steps
    key = jax.random.fold_in(jax.random.fold_in(state.key, _STREAM), number)
    rollout_key, order_key = jax.random.split(key)
    rows = jax.tree.map(gathered, rollout(state.params, number, rollout_key))
    for name, leaf in rows.items():
        if len(leaf) != rounds.rows:
            raise ValueError(f"{name}: {len(leaf)} rows, not {rounds.rows}.")
    orders = [
        np.asarray(jax.random.permutation(key, rounds.rows))
        for key in jax.random.split(order_key, rounds.epochs)
    ]
    batches = np.concatenate(orders).reshape(-1, rounds.batch_size)
    for first in range(0, len(batches), steps_per_call):
        chosen = batches[first : first + steps_per_call]
        chosen = chosen[0] if steps_per_call == 1 else chosen
        yield {name: leaf[chosen] for name, leaf in rows.items()}
