"""Rows of step i are a function of (seed, i); every example comes once an epoch."""

import itertools
import threading

import numpy as np
import pytest

from nnguide.config import InputError
from nnguide.data.batches import (
    consecutive_windows,
    in_order,
    permutation,
    random_windows,
    shuffled,
)


def taken(stream, count, first=0):
    return list(itertools.islice(stream(first), count))


@pytest.mark.smoke
def test_permutations_are_the_same_in_every_release_of_numpy():
    # Another value here means that every finished run had other batches.
    assert permutation(10, 0, 0).tolist() == [0, 2, 9, 1, 8, 5, 4, 3, 6, 7]
    assert permutation(10, 0, 1).tolist() == [5, 3, 7, 8, 2, 4, 1, 0, 6, 9]
    assert permutation(10, -1, 3).tolist() == [3, 2, 8, 0, 1, 6, 9, 5, 4, 7]


def test_an_epoch_holds_every_example_once():
    rows = np.concatenate(taken(shuffled(97, 10, seed=3), 97))  # 970 rows: ten epochs
    assert rows.dtype == np.int32
    epochs = rows.reshape(10, 97)
    assert (np.sort(epochs, axis=1) == np.arange(97)).all()
    assert len({epoch.tobytes() for epoch in epochs}) == 10


@pytest.mark.parametrize(("size", "batch_size"), [(97, 10), (5, 12), (64, 64), (1, 3)])
def test_batches_are_always_full_and_in_line_with_the_permutations(size, batch_size):
    line = np.concatenate([permutation(size, 8, epoch) for epoch in range(300)])
    for step, rows in enumerate(taken(shuffled(size, batch_size, 8), 20)):
        start = step * batch_size
        assert rows.tolist() == line[start : start + batch_size].tolist()


@pytest.mark.smoke
@pytest.mark.parametrize(
    "stream",
    [
        shuffled(97, 10, seed=1),
        in_order(405, 10),
        random_windows(1_000, 8, 64, seed=1),
        consecutive_windows(40_000, 8, 64),
    ],
)
def test_a_stream_resumed_at_a_step_goes_on_as_if_undisturbed(stream):
    straight = taken(stream, 40)
    for first in (0, 1, 9, 10, 23):
        resumed = taken(stream, 40 - first, first)
        assert all(
            np.array_equal(a, b) for a, b in zip(straight[first:], resumed, strict=True)
        )
    assert np.array_equal(stream.at(31), straight[31])


@pytest.mark.parametrize(
    "make",
    [lambda seed: shuffled(50, 7, seed), lambda seed: random_windows(999, 7, 9, seed)],
)
def test_equal_seeds_give_equal_rows_and_other_seeds_others(make):
    first, again, other = (np.stack(taken(make(seed), 12)) for seed in (5, 5, 6))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_each_epoch_is_permuted_once(monkeypatch):
    asked = []

    def counted(size, seed, number):
        asked.append(number)
        return permutation(size, seed, number)

    monkeypatch.setattr("nnguide.data.batches.permutation", counted)
    taken(shuffled(100, 30, 0), 40)  # 1,200 rows
    assert asked == list(range(12))


def test_rows_are_new_memory_each_time():
    for stream in (shuffled(20, 20, 0), in_order(20, 20), random_windows(99, 4, 5, 0)):
        first = stream.at(0)
        before = first.copy()
        stream.at(0)[:] = -1
        assert np.array_equal(first, before)
        assert np.array_equal(stream.at(0), before)


def test_several_threads_get_the_rows_of_one():
    stream, found = shuffled(1_000, 64, 4), {}

    def ask(first):
        found.update({step: stream.at(step) for step in range(first, 200, 4)})

    threads = [threading.Thread(target=ask, args=(first,)) for first in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    expected = taken(shuffled(1_000, 64, 4), 200)
    assert all(np.array_equal(found[step], expected[step]) for step in range(200))


def test_in_order_ends_and_its_last_batch_holds_what_is_left():
    batches = list(in_order(23, 10)())
    assert [len(rows) for rows in batches] == [10, 10, 3]
    assert np.concatenate(batches).tolist() == list(range(23))
    assert in_order(23, 10).length == 3
    assert in_order(20, 10).length == 2


def test_random_windows_reach_every_place_and_no_further():
    starts = np.concatenate(taken(random_windows(100, 64, 10, seed=0), 400))
    assert (starts.min(), starts.max()) == (0, 89)  # 89 + 10 + 1 = 100 tokens
    counts = np.bincount(starts)
    expected = starts.size / 90
    # Chi-square with 89 degrees of freedom: mean 89, standard deviation 13.3.
    assert ((counts - expected) ** 2 / expected).sum() < 89 + 4 * 13.3


def test_a_text_of_one_window_has_one_start():
    assert random_windows(11, 3, 10, seed=0).at(5).tolist() == [0, 0, 0]
    assert consecutive_windows(11, 3, 10).at(0).tolist() == [0]


@pytest.mark.parametrize("size", [101, 102, 110, 111])
def test_consecutive_windows_predict_every_token_but_the_first_once(size):
    stream = consecutive_windows(size, 4, 10)
    starts = np.concatenate(list(stream()))
    targets = (starts[:, None] + np.arange(1, 11)[None]).ravel()
    assert targets.tolist() == list(range(1, 1 + 10 * ((size - 1) // 10)))
    assert size - targets[-1] - 1 < 10


def test_starts_past_31_bits_are_counted_in_64():
    assert random_windows(2**31, 4, 8, seed=0).at(0).dtype == np.int32
    assert random_windows(2**31 + 1, 4, 8, seed=0).at(0).dtype == np.int64
    assert consecutive_windows(2**33, 1, 8).at(2**30 - 2).tolist() == [2**33 - 16]


@pytest.mark.parametrize(
    "make",
    [
        lambda: shuffled(0, 10, 0),
        lambda: shuffled(10, 0, 0),
        lambda: in_order(10, -1),
        lambda: random_windows(10, 4, 10, 0),
        lambda: random_windows(10, 4, 0, 0),
        lambda: consecutive_windows(10, 0, 4),
    ],
)
def test_impossible_sizes_are_refused_in_one_line(make):
    with pytest.raises(InputError, match=r"^[^\n]+$"):
        make()
