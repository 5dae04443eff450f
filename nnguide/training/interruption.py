"""SIGTERM: the end of a queue's time or a preemption; save, and end with status 0."""

import signal
import threading
from types import FrameType, TracebackType
from typing import Any

import jax
from jax.experimental import multihost_utils


class Interruption:
    """While it lasts, SIGTERM no longer ends the process but is asked about.

    One that nobody acted on, for the training ended first, is given on afterwards.

    One process has its own handler. Of several, JAX's notice tells all the same step at
    which to stop (`multihost_utils.reached_preemption_sync_point`); a handler of ours
    would switch that off. Outside the main thread nothing can be handled.
    """

    def __init__(self) -> None:
        self._received, self._before = False, None
        self._alone = jax.process_count() == 1
        self._here = threading.current_thread() is threading.main_thread()

    def __enter__(self) -> "Interruption":
        if self._alone and self._here:
            self._before: Any = signal.signal(signal.SIGTERM, self._receive)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._alone and self._here:
            signal.signal(signal.SIGTERM, self._before)
            if self._received and kind is None:
                signal.raise_signal(signal.SIGTERM)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._received = True

    def asked(self, step: int) -> bool:
        """Whether to stop after this step; all processes get the same answer.

        Args:
          step: how many steps were taken.
        """
        if self._alone:
            return self._received
        return multihost_utils.reached_preemption_sync_point(step)
