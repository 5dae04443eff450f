"""Batches and sets in which nothing counts: no NaN, and nothing moves."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy

from nnguide import training
from nnguide.parallel import ParallelConfig
from nnguide.training.step import initial_state, make_step

EMPTY = (3, 8, 9)  # the batches in which nothing counts
ADAM = training.OptimizerConfig(
    "adamw", rate=0.02, weight_decay=0.1, schedule="cosine", average_decay=0.9
)


def marked(first):
    for number, rows in enumerate(toy.TRAIN.stream(first), start=first):
        yield rows, np.full(rows.shape, number not in EMPTY, np.float32)


def assemble(arrays, rows, key):
    batch = toy.TRAIN.assemble(arrays, rows[0], key)
    return {**batch, "weight": rows[1]}


BATCHES = toy.Batches(marked, assemble, toy.TRAIN.arrays)


def fit(workdir=None, batches=BATCHES, evaluation=None, **changes):
    changes = {
        "steps": 12,
        "log_every": 1,
        "evaluate_every": 0,
        "save_every": 4,
    } | changes
    return training.fit(
        toy.TASK,
        training.make_optimizer(ADAM, 12),
        batches,
        toy.config(**changes),
        evaluation=evaluation,
        workdir=workdir,
    )


@functools.cache
def _shortened():
    """Parameters of a run that never sees the empty batches, noise as it was."""
    optimizer = training.make_optimizer(ADAM, 12)
    step = jax.jit(make_step(toy.TASK, optimizer, BATCHES), static_argnums=3)
    state = initial_state(toy.TASK, optimizer, jax.random.key(0))
    for number, rows in zip(range(12), marked(0), strict=False):
        state: Any = dataclasses.replace(state, step=jnp.asarray(number))
        if number not in EMPTY:
            state, _ = step(state, rows, (toy.TRAIN.arrays, {}), None)
    return state


@pytest.mark.parametrize(
    ("on_nan", "steps_per_call"), [("stop", 1), ("skip", 2), ("rollback", 1)]
)
def test_an_empty_batch_leaves_parameters_and_optimizer(
    tmp_path, on_nan, steps_per_call
):
    calls = {"steps_per_call": steps_per_call, "log_every": steps_per_call}
    found = fit(tmp_path, on_nan=on_nan, **calls)
    assert int(found.state.step) == 12
    for one, other in (
        (found.state.params, _shortened().params),
        (found.state.opt_state, _shortened().opt_state),
    ):
        assert toy.gap(one, other) < 1e-6
    skipped = [row.get("skipped", 0) * steps_per_call for row in found.history]
    assert sum(skipped) == len(EMPTY)
    without = [row["step"] for row in found.history if "loss" not in row]
    assert without == ([4, 9, 10] if steps_per_call == 1 else [10])
    assert not (tmp_path / "rollbacks.json").exists()


@pytest.mark.parametrize(("devices", "accumulation"), [(1, 2), (4, 1)])
def test_it_is_the_whole_batch_that_has_to_be_empty(devices, accumulation):
    """Half of it, be that a microbatch or two devices' shares, is no empty batch."""

    def half(first):
        for rows in toy.TRAIN.stream(first):
            examples = np.arange(len(rows))
            # microbatches take every other example, devices one after the other
            empty = examples % 2 if accumulation == 2 else examples >= len(rows) // 2
            yield rows, 1 - empty.astype(np.float32)

    split = {"accumulation": accumulation, "steps": 4, "save_every": 0}
    split |= {"parallel": ParallelConfig(devices=devices)}
    found = fit(batches=toy.Batches(half, assemble, toy.TRAIN.arrays), **split)
    whole = fit(
        batches=toy.Batches(half, assemble, toy.TRAIN.arrays), steps=4, save_every=0
    )
    assert toy.gap(found.state.params, whole.state.params) < 1e-6
    assert not any("skipped" in row for row in found.history)
    empty = fit(**{**split, "steps": 12})
    assert toy.gap(empty.state.params, _shortened().params) < 1e-5


def test_a_best_checkpoint_is_none_where_its_metric_counts_nothing(tmp_path):
    fit(
        tmp_path, best="loss", best_mode="min", log_every=1, save_every=1, keep_latest=1
    )
    saved = sorted(int(path.name) for path in (tmp_path / "checkpoints").iterdir())
    losses = {row["step"]: row["loss"] for row in fit().history if "loss" in row}
    assert saved == sorted({12, min(losses, key=lambda step: losses[step])})


def test_an_evaluation_in_which_nothing_counts_is_left_out():
    def nothing(arrays, rows, key):
        batch = toy.TEST.assemble(arrays, rows, key)
        return {**batch, "weight": jnp.zeros(len(rows))}

    never = toy.TEST._replace(stream=lambda first: iter(()))
    evaluation = {
        "test": toy.TEST,
        "empty": toy.TEST._replace(assemble=nothing),
        "none": never,
    }
    found = fit(evaluation=evaluation, steps=3, save_every=0)
    assert set(found.history[-1]) == {"step", "loss", "noise", "test/error"}
    assert np.isfinite(found.history[-1]["test/error"])
