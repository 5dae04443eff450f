"""`fit`: the only training loop. It never asks which task it runs.

`run_loop` is its body; `alternating.fit_alternating` gives it rows that depend on the
state.

The order at a save is what makes a kill at any moment harmless: fetch the metrics,
stop if the loss is not finite, put metrics.jsonl on the disk, save. On a restore the
rows after the restored step are dropped, so the file ends bit-equal to an undisturbed
run's.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from absl import logging
from jax.sharding import Mesh

from nnguide.array_types import Params
from nnguide.parallel import (
    compile_step,
    make_mesh,
    place,
    writes,
)
from nnguide.target import convolution_options
from nnguide.training.checkpoint import Checkpoints, Retention
from nnguide.training.config import Config, due
from nnguide.training.evaluation import evaluator
from nnguide.training.interruption import Interruption
from nnguide.training.metrics import Recorder, Row
from nnguide.training.profile import Profile
from nnguide.training.rollback import Rollbacks
from nnguide.training.rows import (
    NonFiniteLoss,
    Waiting,
    due_metrics,
    due_rows,
    record,
    save,
)
from nnguide.training.start import Start
from nnguide.training.step import State, make_step
from nnguide.training.task import Batches, Task


class Fit(NamedTuple):
    """What a run leaves.

    Attributes:
      state: after the last step.
      history: the rows of metrics.jsonl, {"step": ..., name: mean}.
    """

    state: State
    history: list[Row]


def fit(
    task: Task,
    optimizer: optax.GradientTransformation,
    batches: Batches,
    config: Config,
    *,
    start: Params | None = None,
    evaluation: Mapping[str, Batches] | None = None,
    frozen: Mapping[str, Any] | None = None,
    workdir: Path | None = None,
    mesh: Mesh | None = None,
) -> Fit:
    """Trains a task, or goes on where its workdir left off.

    Args:
      task: the subject, as three pure functions.
      optimizer: an Optax transform for the gradient of the mean loss.
      batches: the training data.
      config: how long, how often.
      start: parameters to begin with, which stay as they are; None draws them by
        `task.init`.
      evaluation: name -> batches whose stream ends; their metrics are called
        "name/metric" and use the running average of the parameters where there is one.
      frozen: arrays handed to `loss` and `evaluate` by name, neither trained nor saved.
      workdir: for metrics, checkpoints and events; None writes nothing.
      mesh: the devices; None makes one from `config.parallel`.

    Returns:
      The final state and the history. A finished run trains nothing.

    Raises:
      NonFiniteLoss: at the first row or checkpoint whose loss is not finite.
      InputError: a batch that does not divide over the devices, a checkpoint or a
        start of another shape, or a setting that does not fit.
    """

    def source(first: int) -> Callable[[int, State], Any]:
        rows = _stacked(batches.stream(first), config.steps_per_call)
        return lambda step, state: next(rows)

    return run_loop(
        task, optimizer, batches, source, config, config.steps_per_call, start,
        evaluation, frozen, workdir, mesh,
    )  # fmt: skip


def run_loop(
    task: Task,
    optimizer: optax.GradientTransformation,
    batches: Batches,
    source: Callable[[int], Callable[[int, State], Any]],
    config: Config,
    stop_every: int,
    start: Params | None,
    evaluation: Mapping[str, Batches] | None,
    frozen: Mapping[str, Any] | None,
    workdir: Path | None,
    mesh: Mesh | None,
) -> Fit:
    """`fit`, its rows from a source.

    Args:
      task: as in `fit`, like all that is not explained here.
      optimizer: for the gradient of the mean loss.
      batches: what the rows are assembled by, and from.
      source: first batch -> a function of (step, state before it) that gives the rows
        of the call at that step: `steps_per_call` steps stacked to (k, B, ...), or
        (B, ...) for one.
      config: how long, how often.
      stop_every: an interrupted run ends at a multiple of it.
      start: parameters to begin with, or None.
      evaluation: name -> batches whose stream ends.
      frozen: arrays by name.
      workdir: None writes nothing.
      mesh: the devices, or None.
    """
    mesh = mesh or make_mesh(config.parallel)
    retention = Retention(
        config.keep_latest, config.best, config.best_mode, config.keep_steps
    )
    checkpoints = Checkpoints(workdir, retention) if workdir else None
    begin = Start(task, optimizer, config.seed, mesh, config.parallel.mode, start)
    frozen = dict(frozen or {})
    program = _Program(
        compile_step(
            make_step(
                task,
                optimizer,
                batches,
                config.accumulation,
                config.steps_per_call,
                skip_non_finite=config.on_nan == "skip",
            ),
            mesh,
            config.parallel.mode,
            layout=begin.layout,
            batch_axis=int(config.steps_per_call > 1),
            options=convolution_options() if config.convolutions else None,
        ),
        place((batches.arrays, frozen), mesh),
        {
            name: evaluator(
                task,
                its_batches,
                frozen,
                config.seed,
                config.parallel.mode,
                mesh,
                begin.layout.params,
            )
            for name, its_batches in (evaluation or {}).items()
        },
    )
    try:
        return _fit(begin, program, source, config, stop_every, workdir, checkpoints)
    finally:
        if checkpoints:
            checkpoints.close()


class _Program(NamedTuple):
    """What is compiled: the step, what all steps share, name -> evaluation."""

    step: Callable[[Any, Any, Any], tuple[Any, Any]]
    shared: Any
    evaluators: Mapping[str, Callable[[Any], Any]]


def _fit(
    begin: Start,
    program: _Program,
    source: Callable[[int], Callable[[int, State], Any]],
    config: Config,
    stop_every: int,
    workdir: Path | None,
    checkpoints: Checkpoints | None,
) -> Fit:
    """Trains from where the workdir left off, and again from there where asked to."""
    rollbacks = Rollbacks(workdir) if workdir else None
    while True:
        restored = None
        if checkpoints and checkpoints.exist():
            restored = begin.restored(checkpoints)
        first, state = restored or (0, begin.born())
        passed_over = rollbacks.passed_over(first) if rollbacks else 0
        rows = source(first + passed_over)
        try:
            return _train(
                first, state, rows, program, config, stop_every, workdir, checkpoints
            )
        except NonFiniteLoss as failure:
            if config.on_nan != "rollback" or rollbacks is None or not rollbacks.left:
                raise
            if checkpoints is None or checkpoints.last_good is None:
                raise
            checkpoints.close()  # a save may still be on its way
            logging.warning("%s Going back and passing over the batches.", failure)
            rollbacks.add(failure.step, checkpoints.steps()[-1])


def _train(
    first: int,
    state: State,
    rows: Callable[[int, State], Any],
    program: _Program,
    config: Config,
    stop_every: int,
    workdir: Path | None,
    checkpoints: Checkpoints | None,
) -> Fit:
    """The loop itself."""
    recorder = Recorder(
        workdir,
        first,
        config.steps,
        config.progress,
        writes(),
        lambda rows: due_rows(rows, program.evaluators, config),
    )
    profile = Profile(config.profile, workdir, config.steps_per_call)
    waiting: Waiting | None = None
    interruption = Interruption()
    try:
        with interruption:
            for step in range(first, config.steps, config.steps_per_call):
                profile.at(step, state)
                state, metrics = program.step(state, rows(step, state), program.shared)
                if waiting:  # fetched one call late, while the devices compute the next
                    record(recorder, checkpoints, waiting)
                done = step + config.steps_per_call
                waiting = due_metrics(done, state, metrics, program.evaluators, config)
                recorder.advance(done)
                stop = checkpoints is not None and interruption.asked(done)
                stop = stop and done % stop_every == 0
                if checkpoints and (stop or due(done, config.save_every, config.steps)):
                    save(recorder, checkpoints, waiting, done, state, config.best)
                    waiting = None
                if stop and done < config.steps:
                    _end(done, checkpoints)
        if waiting:
            record(recorder, checkpoints, waiting)
        profile.at(config.steps, state)
    finally:
        recorder.close()
    return Fit(state, recorder.history)


def _end(step: int, checkpoints: Checkpoints | None) -> None:
    """Ends the program with status 0 once the last save is on the disk."""
    if checkpoints:
        checkpoints.close()
    print(
        f"SIGTERM: saved step {step}; the same command resumes from here",
        file=sys.stderr,
    )
    sys.exit(0)


def _stacked(stream: Iterator[Any], count: int) -> Iterator[Any]:
    """Rows of `count` steps stacked to (count, B, ...); as they are where it is 1."""
    if count == 1:
        return stream
    return (
        jax.tree.map(
            lambda *leaves: np.stack(leaves), first, *islice(stream, count - 1)
        )
        for first in stream
    )
