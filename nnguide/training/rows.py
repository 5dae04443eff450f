"""What a run reports: rows of metrics and checkpoints, and nothing that is not finite.

A row is fetched one call late, while the devices compute the next.
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
    """A loss, metric or parameter became NaN or infinite; names the last good step.

    Attributes:
      step: where it was found.
    """

    def __init__(self, message: str, step: int) -> None:
        super().__init__(message)
        self.step = step


class Waiting(NamedTuple):
    """Metrics of a step that are still on the devices: prefix -> metrics."""

    step: int
    metrics: dict[str, Any]


def due_metrics(
    done: int,
    state: State,
    metrics: Any,
    evaluators: Mapping[str, Callable[[Any], Any]],
    config: Config,
) -> Waiting | None:
    """The metrics that are due after this many steps, still on the devices."""
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
    """Rows of an earlier run as one of `config.steps` steps writes them.

    The last row of a shorter run holds what was due only because the run ended.

    Args:
      rows: of metrics.jsonl.
      evaluations: the names that evaluations' metrics begin with.
      config: of the run that goes on.
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
    """Fetches a row and writes it, but stops at a loss that is not finite."""
    row: Row = {"step": waiting.step}
    for prefix, metrics in waiting.metrics.items():
        row.update(means(metrics, prefix))
    for name, value in row.items():
        each = np.atleast_1d(value)
        if not np.isfinite(each).all():
            which = np.flatnonzero(~np.isfinite(each))
            networks = f" in networks {which.tolist()}" if len(each) > 1 else ""
            what = f"the {name} is {each[which[0]]}{networks}"
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
    """Metrics first, then the state; nothing that is not finite.

    A step at which the metric `best` counted nothing is saved, but is no best one.
    """
    row = record(recorder, checkpoints, waiting) if waiting else None
    if row and waiting and best in _names(waiting) - row.keys():
        row = None
    recorder.sync()
    if not all_finite(state.params):
        raise _not_finite("a parameter is not finite", step, checkpoints)
    checkpoints.save(step, state, row)
