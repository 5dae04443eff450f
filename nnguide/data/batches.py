"""Which examples step i trains on, as a function of (seed, i) alone.

The step number is therefore the whole state of the data: a run resumed at step k takes
the rows of an undisturbed run. Shuffling goes by epoch: the permutations of epochs
0, 1, 2, ... stand one after another, and batch i of B examples takes the positions
[i B, (i + 1) B) of that endless line, so that every batch is full and every example
comes once an epoch.
"""

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int, Int32

from nnguide.config import InputError


class Batches(NamedTuple):
    """The data of one fit or one evaluation.

    Attributes:
      stream: first step -> iterator of rows; the rows of step i are a function of
        (seed, i). A stream that ends is for evaluation; its last rows may be fewer.
      assemble: (arrays, rows, key) -> batch, a dict of arrays with leading axis B;
        traced inside the compiled step, so it only uses what arrays of NumPy and JAX
        both have.
      arrays: what lives on the device, whole: an argument of the compiled step. ()
        where the rows are the batch.
    """

    stream: Callable[[int], Iterator[Any]]
    assemble: Callable[[Any, Any, Any], dict[str, Any]]
    arrays: Any = ()


@dataclasses.dataclass(frozen=True)
class RowStream:
    """The rows of every step, in order from any step or each by its number.

    Attributes:
      at: step -> its rows, in new memory each time: on CPU `jax.device_put` may keep a
        NumPy buffer as the array's own, and reusing it would change a batch in use.
      length: number of steps; None where there is no end.
    """

    at: Callable[[int], Int[np.ndarray, "B"]]
    length: int | None = None

    def __call__(self, first_step: int = 0) -> Iterator[Int[np.ndarray, "B"]]:
        """Yields the rows of `first_step`, of the next one, and so on."""
        if self.length is None:
            return map(self.at, itertools.count(first_step))
        return map(self.at, range(first_step, self.length))


def permutation(size: int, seed: int, number: int) -> Int32[np.ndarray, "size"]:
    """The permutation of 0 ... size - 1 that belongs to (seed, number).

    It sorts raw Philox words, which NumPy promises to keep the same in every release;
    `Generator.permutation` may change.
    """
    words = _philox(seed, number).random_raw(size)
    return np.argsort(words, kind="stable").astype(np.int32)


def shuffled(size: int, batch_size: int, seed: int) -> RowStream:
    """Endless full batches; every epoch is a permutation of its own.

    Args:
      size: number of examples.
      batch_size: B; may exceed `size`.
      seed: names the order.

    Returns:
      Rows are int32 example numbers. Any step costs a slice, and each epoch is permuted
      once while steps are asked for about in order.

    Raises:
      InputError: `size` or `batch_size` is not positive.
    """
    _check_positive(size, batch_size)
    epoch_order = functools.lru_cache(maxsize=2)(
        lambda epoch: permutation(size, seed, epoch)
    )

    def at(step: int) -> Int32[np.ndarray, "B"]:
        position, end, parts = step * batch_size, (step + 1) * batch_size, []
        if position // size == (end - 1) // size:  # the usual case, without joining
            offset = position % size
            return epoch_order(position // size)[offset : offset + batch_size].copy()
        while position < end:  # a batch may span the ends of epochs
            epoch, offset = divmod(position, size)
            parts.append(epoch_order(epoch)[offset : offset + end - position])
            position += len(parts[-1])
        return np.concatenate(parts)

    return RowStream(at)


def in_order(size: int, batch_size: int) -> RowStream:
    """Examples 0 ... size - 1 once each; the last batch holds what is left.

    Raises:
      InputError: `size` or `batch_size` is not positive.
    """
    _check_positive(size, batch_size)

    def at(step: int) -> Int32[np.ndarray, "B"]:
        end = min((step + 1) * batch_size, size)
        return np.arange(step * batch_size, end, dtype=np.int32)

    return RowStream(at, -(-size // batch_size))


def random_windows(size: int, batch_size: int, context: int, seed: int) -> RowStream:
    """Endless batches of window starts, uniform over every place a window fits.

    Args:
      size: number of tokens.
      batch_size: B.
      context: T; a window has T + 1 tokens, inputs and their successors.
      seed: with the step it keys the draw.

    Returns:
      Rows are starts: int32, or int64 where `size` needs it.

    Raises:
      InputError: no window fits, or a number is not positive.
    """
    starts, dtype = _window_starts(size, batch_size, context)

    def at(step: int) -> Int[np.ndarray, "B"]:
        words = _philox(seed, step).random_raw(batch_size)
        return (words % np.uint64(starts)).astype(dtype)

    return RowStream(at)


def consecutive_windows(size: int, batch_size: int, context: int) -> RowStream:
    """Window starts 0, T, 2 T, ...: every token but the first is predicted once.

    Windows share one token, the last target of one being the first input of the next;
    the tokens after the last whole window are left out.

    Args:
      size: number of tokens.
      batch_size: B; the last batch may hold fewer windows.
      context: T; a window has T + 1 tokens.

    Raises:
      InputError: no window fits, or a number is not positive.
    """
    _, dtype = _window_starts(size, batch_size, context)
    windows = in_order((size - 1) // context, batch_size)
    return RowStream(
        lambda step: windows.at(step).astype(dtype) * dtype(context), windows.length
    )


def _philox(seed: int, number: int) -> np.random.Philox:
    return np.random.Philox(key=np.array([seed % 2**64, number], np.uint64))


def _window_starts(size: int, batch_size: int, context: int) -> tuple[int, Any]:
    """The number of places a window can start at, and the type that holds them."""
    _check_positive(context, batch_size)
    if size <= context:
        raise InputError(
            f"{size:,} tokens hold no window of context {context} + 1: give a longer "
            "text or a smaller context"
        )
    return size - context, np.int32 if size <= 2**31 else np.int64


def _check_positive(size: int, batch_size: int) -> None:
    if size < 1 or batch_size < 1:
        raise InputError(
            f"{size} examples (or tokens of context) in batches of {batch_size}: both "
            "must be at least 1"
        )
