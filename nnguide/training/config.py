"""How long a run trains, and what happens on the way."""

import dataclasses
from typing import Literal

from nnguide.config import InputError, run_only, seed_field
from nnguide.parallel import ParallelConfig
from nnguide.training.profile import profiled_steps


@dataclasses.dataclass(frozen=True)
class Config:
    """How long to train, and what happens on the way.

    Attributes:
      steps: steps of the optimizer in the whole run.
      seed: of the initial parameters and of all noise.
      accumulation: microbatches a step, whose gradients are summed.
      steps_per_call: steps compiled into one call, over which a row's metrics are
        averaged; divides the intervals below. Keep 1 for convolutions on CPU, whose
        gradients are 30 times slower inside a scan.
      convolutions: whether most of a step are 3 x 3 convolutions, for which a CPU's
        compiler has faster options than its own.
      log_every: steps between two rows of metrics.
      evaluate_every: steps between evaluations; 0 evaluates at the end alone.
      save_every: steps between checkpoints; 0 saves at the end alone.
      keep_latest: how many of the newest checkpoints stay.
      keep_steps: step numbers whose checkpoints always stay.
      best: metric whose best checkpoint stays too, for instance test/accuracy.
      best_mode: whether the best is the highest or the lowest.
      profile: START:STOP writes a trace of these steps to the workdir.
      on_nan: what to do where a loss or gradient is not finite: stop; skip the update
        and go on; roll back to the last checkpoint and pass over the batches since.
      progress: draw a progress bar.
      parallel: how a step is spread over devices.
    """

    steps: int = 1000
    seed: int = seed_field("train.seed")
    accumulation: int = 1
    steps_per_call: int = 1
    convolutions: bool = run_only(False)
    log_every: int = 100
    evaluate_every: int = 0
    save_every: int = 0
    keep_latest: int = run_only(2)
    keep_steps: tuple[int, ...] = run_only(())
    best: str = run_only("")
    best_mode: Literal["max", "min"] = run_only("max")
    profile: str = run_only("")
    on_nan: Literal["stop", "skip", "rollback"] = "stop"
    progress: bool = run_only(True)
    parallel: ParallelConfig = run_only(ParallelConfig(), "alone")

    def __post_init__(self) -> None:
        one = ("steps", "accumulation", "steps_per_call", "log_every", "keep_latest")
        for least, names in ((1, one), (0, ("evaluate_every", "save_every"))):
            for name in names:
                value = getattr(self, name)
                if value < least:
                    raise InputError(f"train.{name}={value}: give {least} or more.")
        self._check_intervals()
        profiled_steps(self.profile)

    def _check_intervals(self) -> None:
        for name in ("steps", "log_every", "evaluate_every", "save_every"):
            if getattr(self, name) % self.steps_per_call:
                raise InputError(
                    f"train.{name}={getattr(self, name)}: must be a multiple of "
                    f"train.steps_per_call={self.steps_per_call}."
                )
        if self.save_every % self.log_every:
            raise InputError(
                f"train.save_every={self.save_every}: must be a multiple of "
                f"train.log_every={self.log_every}, so that each save has its row."
            )
        for step in self.keep_steps:
            if not (0 < step <= self.steps and due(step, self.save_every, self.steps)):
                raise InputError(
                    f"train.keep_steps={step}: no checkpoint is saved at that step; "
                    f"name multiples of train.save_every={self.save_every}."
                )


def due(done: int, every: int, steps: int) -> bool:
    """Whether something that happens every so many steps, and at the end, is due."""
    return done == steps or (every > 0 and done % every == 0)
