"""Grain's threads bring the batches that a plain loop would gather, in order."""

import itertools

import numpy as np
import pytest

from nnguide.data.batches import in_order, shuffled
from nnguide.data.host import _BatchSource, through_grain

TABLE = np.arange(100, dtype=np.uint8)[:, None] * np.ones(3, np.uint8)


def gather(rows):
    return {"image": TABLE[rows], "label": rows}


@pytest.mark.smoke
@pytest.mark.parametrize("first", [0, 1, 17])
def test_grain_yields_what_a_plain_loop_gathers(first):
    stream = shuffled(100, 16, seed=2)
    batches = itertools.islice(through_grain(stream, gather)(first), 60)
    for found, rows in zip(batches, stream(first), strict=False):
        assert np.array_equal(found["label"], rows)
        assert np.array_equal(found["image"], TABLE[rows])


@pytest.mark.parametrize("first", [0, 5, 7])
def test_a_stream_that_ends_ends_through_grain_too(first):
    found = list(through_grain(in_order(100, 16), gather)(first))
    assert [len(batch["label"]) for batch in found] == [16, 16, 16, 16, 16, 16, 4][
        first:
    ]


def test_an_error_while_gathering_reaches_the_caller():
    def broken(rows):
        raise ValueError("no such rows")

    with pytest.raises(ValueError, match="no such rows"):
        next(through_grain(in_order(100, 16), broken)(0))


def test_the_repr_is_the_same_for_the_same_batches():
    sources = [_BatchSource(in_order(100, 16), gather) for _ in range(2)]
    assert repr(sources[0]) == repr(sources[1]) == "_BatchSource(7 batches)"
