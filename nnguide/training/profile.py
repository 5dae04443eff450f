"""A trace of some steps, written by JAX's own profiler."""

from pathlib import Path
from typing import Any

import jax

from nnguide.config import InputError


def profiled_steps(text: str) -> tuple[int, int] | None:
    """Reads "START:STOP"; None for "".

    Raises:
      InputError: the text is neither.
    """
    if not text:
        return None
    start, _, stop = text.partition(":")
    if not (start.isdecimal() and stop.isdecimal() and int(start) < int(stop)):
        raise InputError(
            f"train.profile={text}: give two step numbers, for instance 10:20."
        )
    return int(start), int(stop)


class Profile:
    """Starts and stops the profiler at the steps asked for.

    Args:
      text: "START:STOP", or "" for none.
      workdir: the trace goes to its folder `profile`.
      steps_per_call: a call with any step asked for is traced whole.

    Raises:
      InputError: steps are asked for without a workdir.
    """

    def __init__(self, text: str, workdir: Path | None, steps_per_call: int) -> None:
        self._steps, self._workdir, self._running = profiled_steps(text), workdir, False
        self._steps_per_call = steps_per_call
        if self._steps and not workdir:
            raise InputError(f"train.profile={text}: a trace needs a workdir.")

    def at(self, step: int, state: Any) -> None:
        """Called before each call of the step, and after the last."""
        if not self._steps:
            return
        start, stop = self._steps
        if not self._running and step < stop and start < step + self._steps_per_call:
            jax.block_until_ready(state)
            jax.profiler.start_trace(str(self._workdir) + "/profile")
            self._running = True
        elif self._running and step >= stop:
            jax.block_until_ready(state)
            jax.profiler.stop_trace()
            self._running = False
