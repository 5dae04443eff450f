"""Outputs of a run's metrics: metrics.jsonl, timings.jsonl, TensorBoard, progress bar.

metrics.jsonl is reproducible: a resumed run writes the same bytes as an uninterrupted
one. Times and rates, which are not reproducible, are written to timings.jsonl.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from nnguide.array_types import Metrics
from nnguide.results import write_whole

Row = dict[str, Any]


def means(metrics: Metrics, prefix: str = "") -> Row:
    """Fetches sums and divides them by their weights; a vector becomes a list.

    A metric of weight 0 has no mean and is omitted: it comes from skipped steps, or
    from an evaluation in which every example is masked.
    """
    fetched = jax.device_get(metrics)
    return {
        prefix + name: (np.float64(total) / np.float64(weight)).tolist()
        for name, (total, weight) in sorted(fetched.items())
        if np.all(weight)
    }


def read_rows(path: Path, last_step: int) -> list[Row]:
    """Reads the rows of a metrics file up to a step.

    Reading stops at a line that is not JSON, which a kill may leave at the end.
    """
    rows: list[Row] = []
    if not path.exists():
        return rows
    for line in path.read_text().splitlines():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            break
        if row["step"] > last_step:
            break
        rows.append(row)
    return rows


def _scalars(name: str, value: Any) -> dict[str, float]:
    """The TensorBoard scalars of an entry; a vector gives its mean, min and max."""
    if name == "step":
        return {}
    if isinstance(value, float):
        return {name: value}
    spread = {"min": np.min(value), "max": np.max(value)}
    return {name: float(np.mean(value))} | {
        f"{name}/{end}": float(number) for end, number in spread.items()
    }


class Recorder:
    """Records the rows of one run, in `history` and in the workdir's files.

    Args:
      workdir: the folder of the files; None writes no files.
      first_step: the step at which the run starts or resumes; later rows are dropped.
      last_step: the number of steps of the run.
      show: draws a progress bar, or prints a line every ten seconds without a terminal.
      writes: whether this process writes the files and draws the bar. Every process
        reads the earlier rows.
      edit: transforms the earlier rows; None keeps them unchanged.

    Attributes:
      history: all rows so far, the earlier ones included.
    """

    def __init__(
        self,
        workdir: Path | None,
        first_step: int,
        last_step: int,
        show: bool,
        writes: bool = True,
        edit: Callable[[list[Row]], list[Row]] | None = None,
    ) -> None:
        self.history: list[Row] = []
        self._file = self._timings = self._board = None
        self._workdir, self._first_step = workdir, first_step
        self._last = (first_step, time.monotonic())
        self._progress = Progress(first_step, last_step) if show and writes else None
        if workdir:
            workdir.mkdir(parents=True, exist_ok=True)
            rows = read_rows(workdir / "metrics.jsonl", first_step)
            self.history = edit(rows) if edit else rows
        if workdir and writes:
            path = workdir / "metrics.jsonl"
            kept = "".join(json.dumps(row) + "\n" for row in self.history)
            write_whole(path, kept)
            self._file = path.open("a")
            self._timings = (workdir / "timings.jsonl").open("a")

    def write(self, row: Row) -> None:
        """Appends one row, {"step": ..., name: mean}."""
        self.history.append(row)
        if self._file and self._timings:
            self._file.write(json.dumps(row) + "\n")
            self._file.flush()
            timing = {
                "step": row["step"],
                "time": time.time(),
                "steps_per_second": round(self._rate(row["step"]), 3),
            }
            self._timings.write(json.dumps(timing) + "\n")
            self._timings.flush()
            self._write_board(row)
        if self._progress:
            self._progress.tell(row)

    def _rate(self, step: int) -> float:
        """Steps per second since the previous row; the first includes compilation."""
        now = time.monotonic()
        rate = (step - self._last[0]) / max(now - self._last[1], 1e-9)
        self._last = (step, now)
        return rate

    def _write_board(self, row: Row) -> None:
        if self._board is None:
            from tensorboardX import SummaryWriter

            self._board = SummaryWriter(
                str(self._workdir), purge_step=self._first_step + 1
            )
        for name, value in row.items():
            for label, scalar in _scalars(name, value).items():
                self._board.add_scalar(label, scalar, row["step"])

    def advance(self, step: int) -> None:
        """Updates the progress bar."""
        if self._progress:
            self._progress.advance(step)

    def sync(self) -> None:
        """Flushes metrics.jsonl to the disk, so that no checkpoint is newer."""
        if self._file:
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Closes the files and the bar."""
        for resource in (self._file, self._timings, self._board, self._progress):
            if resource:
                resource.close()


class Progress:
    """A progress bar on a terminal; elsewhere a plain line every ten seconds."""

    def __init__(self, first_step: int, last_step: int) -> None:
        self._start = self._last_print = time.monotonic()
        self._first, self._last = first_step, last_step
        self._bar = self._task = None
        if sys.stderr.isatty() and first_step < last_step:
            self._bar = _make_bar()
            self._task = self._bar.add_task(
                "training", completed=first_step, total=last_step, loss="", rate=""
            )
            self._bar.start()

    def advance(self, step: int) -> None:
        """Shows the step and the rate."""
        if self._bar and self._task is not None:
            rate = f"{self._rate(step):,.0f} steps/s"
            self._bar.update(self._task, completed=step, rate=rate)

    def tell(self, row: Row) -> None:
        """Shows the loss."""
        loss = row.get("loss")
        shown = f"loss {np.mean(loss):.4g}" if loss is not None else ""
        if self._bar and self._task is not None:
            self._bar.update(self._task, loss=shown)
        elif time.monotonic() - self._last_print > 10:
            self._last_print = time.monotonic()
            step = row["step"]
            rate = self._rate(step)
            left = (self._last - step) / max(rate, 1e-9)
            line = f"step {step:,}/{self._last:,}  {shown}  {rate:,.0f} steps/s"
            print(f"{line}  {left:,.0f} s left", file=sys.stderr, flush=True)

    def _rate(self, step: int) -> float:
        return (step - self._first) / max(time.monotonic() - self._start, 1e-9)

    def close(self) -> None:
        """Removes the bar from the terminal."""
        if self._bar:
            self._bar.stop()


def _make_bar() -> Any:
    from rich import progress
    from rich.console import Console

    return progress.Progress(
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TextColumn("{task.fields[loss]}  {task.fields[rate]}", markup=False),
        progress.TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
