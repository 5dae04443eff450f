"""Writes rows of metrics and checkpoints, and rejects values that are not finite.

A row is fetched from the devices one call late, while they compute the next call.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple

import numpy as np

from nnguide.config import InputError
from nnguide.training.checkpoint import Checkpoints
from nnguide.training.config import Config, due
from nnguide.training.metrics import Recorder, Row, means
from nnguide.training.optimizer import averaged
from nnguide.training.step import State, all_finite


class NonFiniteLoss(InputError):
    """A metric or parameter is NaN or infinite; the message names the last good step.

    Attributes:
      step: the step at which it was found.
    """

    def __init__(self, message: str, step: int) -> None:
        super().__init__(message)
        self.step = step


class Waiting(NamedTuple):
    """Metrics that are not fetched yet.

    Attributes:
      step: the step after which they were computed.
      metrics: prefix ("" for training, "name/" for an evaluation) -> metrics.
    """

    step: int
    metrics: dict[str, Any]


def due_metrics(
    done: int,
    state: State,
    metrics: Any,
    evaluators: Mapping[str, Callable[[Any], Any]],
    config: Config,
) -> Waiting | None:
    """Computes the metrics that are due after a step; they stay on the devices.

    Args:
      done: number of steps taken.
      state: the state after them.
      metrics: the training metrics.
      evaluators: name -> function of the parameters that gives metrics.
      config: says when metrics are due.

    Returns:
      The metrics, or None if none are due.
    """
    row = {}
    if due(done, config.log_every, config.steps):
        row[""] = metrics
    if due(done, config.evaluate_every, config.steps):
        params = averaged(state.opt_state, state.params)
        for name, evaluate in evaluators.items():
            row[name + "/"] = evaluate(params)
    return Waiting(done, row) if row else None


def due_rows(
    rows: list[Row], evaluations: Collection[str], config: Config
) -> list[Row]:
    """Removes metrics that a run of `config.steps` steps would not have written.

    The last step of a shorter run always writes a row, so an extended run must drop
    what is not due there any more.

    Args:
      rows: the rows of metrics.jsonl.
      evaluations: the names of the evaluations, which prefix their metrics.
      config: the config of the extended run.
    """
    kept = []
    for row in rows:
        logs = due(row["step"], config.log_every, config.steps)
        evaluates = due(row["step"], config.evaluate_every, config.steps)
        if not (logs or evaluates):
            continue
        kept.append(
            {
                name: value
                for name, value in row.items()
                if name == "step"
                or (evaluates if name.partition("/")[0] in evaluations else logs)
            }
        )
    return kept


def record(
    recorder: Recorder, checkpoints: Checkpoints | None, waiting: Waiting
) -> Row:
    """Fetches a row of metrics and writes it.

    Raises:
      NonFiniteLoss: a metric is not finite; the row is not written.
    """
    row: Row = {"step": waiting.step}
    for prefix, metrics in waiting.metrics.items():
        row.update(means(metrics, prefix))
    for name, value in row.items():
        values = np.atleast_1d(value)
        bad = np.flatnonzero(~np.isfinite(values))
        if len(bad):
            networks = f" in networks {bad.tolist()}" if len(values) > 1 else ""
            what = f"the {name} is {values[bad[0]]}{networks}"
            raise _not_finite(what, waiting.step, checkpoints)
    recorder.write(row)
    return row


def _names(waiting: Waiting) -> set[str]:
    return {
        prefix + name for prefix, metrics in waiting.metrics.items() for name in metrics
    }


def _not_finite(what: str, step: int, checkpoints: Checkpoints | None) -> NonFiniteLoss:
    good = checkpoints.last_good if checkpoints else None
    return NonFiniteLoss(
        f"{what} at step {step}; last good checkpoint: "
        f"{'none' if good is None else f'step {good}'}. Lower --optimizer.rate, set "
        "--optimizer.clip, or choose --train.on_nan=skip or rollback.",
        step,
    )


def save(
    recorder: Recorder,
    checkpoints: Checkpoints,
    waiting: Waiting | None,
    step: int,
    state: State,
    best: str = "",
) -> None:
    """Writes the metrics, then the checkpoint.

    Args:
      recorder: writes the metrics.
      checkpoints: writes the state.
      waiting: the metrics that are due, if any.
      step: number of steps taken.
      state: the state after them.
      best: the metric that selects the best checkpoint. If its weight was 0 at this
        step, the step is saved but never counts as the best.

    Raises:
      NonFiniteLoss: a metric or parameter is not finite; nothing more is written.
    """
    row = record(recorder, checkpoints, waiting) if waiting else None
    if row and waiting and best in _names(waiting) - row.keys():
        row = None
    recorder.sync()
    if not all_finite(state.params):
        raise _not_finite("a parameter is not finite", step, checkpoints)
    checkpoints.save(step, state, row)
