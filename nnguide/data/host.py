"""Batches gathered on the host by Grain's threads, ahead of the device.

Grain is given whole batches as its elements: element i is batch i, gathered by one
NumPy call. Element-wise Python is what limits a loader (158 against 3,167 batches of
256 digits a second), and this way the iterator's state stays one number, the step.
"""

import sys
from collections.abc import Callable, Iterator
from typing import Any, Literal

from nnguide.config import InputError
from nnguide.data.batches import RowStream

Loader = Literal["resident", "grain"]  # gather on the device, or here
_THREADS = 2  # gathering is limited by memory and by Python's lock, not by cores
_AHEAD = 8  # batches in flight


def through_grain(
    stream: RowStream, gather: Callable[[Any], Any]
) -> Callable[[int], Iterator[Any]]:
    """Turns a stream of rows into one of gathered batches, prefetched.

    Args:
      stream: the rows of every step.
      gather: rows -> batch, in new memory; called from several threads at once.

    Returns:
      first step -> iterator of batches, the same ones in the same order that
      `map(gather, stream(first_step))` yields. Where a batch cannot be gathered, `next`
      raises InputError with the step and the reason.
    """

    def batches(first_step: int = 0) -> Iterator[Any]:
        import grain

        options = grain.ReadOptions(num_threads=_THREADS, prefetch_buffer_size=_AHEAD)
        every_batch = grain.MapDataset.source(_BatchSource(stream, gather))
        return iter(every_batch[first_step:].to_iter_dataset(options))

    return batches


class _BatchSource:
    """Whole batches by step number, as Grain reads them."""

    def __init__(self, stream: RowStream, gather: Callable[[Any], Any]) -> None:
        self._stream, self._gather = stream, gather

    def __len__(self) -> int:
        return sys.maxsize if self._stream.length is None else self._stream.length

    def __getitem__(self, index: int) -> Any:
        rows = self._stream.at(index)
        try:
            return self._gather(rows)
        except Exception as error:  # in a thread of Grain's, which ends with it
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            raise InputError(
                f"the data of step {index} cannot be read ({reason}); fix them and "
                "run the same command again; it resumes from here."
            ) from error

    def __repr__(self) -> str:  # Grain compares it when it restores an iterator
        return f"_BatchSource({len(self)} batches)"
