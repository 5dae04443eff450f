"""A loss that is not finite: stop, skip its update, or go back and pass over it."""

import json

import jax.numpy as jnp
import numpy as np
import pytest
import toy

from nnguide import training

BROKEN = 23  # the batch whose loss is NaN


def fit(workdir=None, **changes):
    """The toy run, whose batch number BROKEN cannot be learned from."""
    stream = toy.TRAIN.stream

    def marked(first):
        for number, rows in enumerate(stream(first), start=first):
            yield rows, np.full(rows.shape, number == BROKEN, np.float32)

    def assemble(arrays, rows, key):
        batch = toy.TRAIN.assemble(arrays, rows[0], key)
        return {**batch, "broken": rows[1]}

    def loss(params, batch, key):
        (total, weight), metrics = toy.loss(params, batch, key)
        broken = batch["broken"].sum() > 0
        return (total * jnp.where(broken, jnp.nan, 1.0), weight), metrics

    settings = toy.config(log_every=1, evaluate_every=0, **changes)
    return training.fit(
        toy.TASK._replace(loss=loss),
        training.make_optimizer(toy.PLAIN, settings.steps),
        toy.Batches(marked, assemble, toy.TRAIN.arrays),
        settings,
        workdir=workdir,
    )


def test_it_stops_by_itself_and_names_the_last_good_checkpoint(tmp_path):
    with pytest.raises(training.NonFiniteLoss, match=r"step 24; .* step 20"):
        fit(tmp_path)


def test_skip_leaves_the_state_as_it_was_and_goes_on(tmp_path):
    found = fit(tmp_path, on_nan="skip")
    assert [row["step"] for row in found.history] == list(range(1, 41))
    skipped = [row["step"] for row in found.history if row["skipped"]]
    assert skipped == [BROKEN + 1]
    assert "loss" not in found.history[BROKEN]
    assert np.isfinite(found.state.params["weight"]).all()
    # Up to there nothing differs from a run without the switch.
    plain = fit(steps=20)
    assert [row["loss"] for row in plain.history] == [
        row["loss"] for row in found.history[:20]
    ]


def test_rollback_passes_over_the_batches_since_the_checkpoint(tmp_path):
    found = fit(tmp_path, on_nan="rollback")
    assert int(found.state.step) == 40
    assert np.isfinite(found.state.params["weight"]).all()
    made = json.loads((tmp_path / "rollbacks.json").read_text())
    assert made == [{"failed": 24, "back_to": 20}]
    assert [row["step"] for row in found.history] == list(range(1, 41))


def test_a_stopped_rollback_resumes_with_the_same_batches(tmp_path):
    whole = fit(tmp_path / "whole", on_nan="rollback")
    fit(tmp_path / "stopped", on_nan="rollback", steps=30)
    resumed = fit(tmp_path / "stopped", on_nan="rollback")
    assert toy.gap(whole.state.params, resumed.state.params) == 0
    assert whole.history == resumed.history


def test_without_a_checkpoint_there_is_nothing_to_go_back_to(tmp_path):
    with pytest.raises(training.NonFiniteLoss, match="checkpoint: none"):
        fit(tmp_path, on_nan="rollback", save_every=0)
