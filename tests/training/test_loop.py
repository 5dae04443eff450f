"""The loop's laws: resume = straight run, sums and weights, stop when not finite."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import toy

from nnguide import training
from nnguide.config import InputError


def read(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.smoke
@pytest.mark.parametrize("steps_per_call", [1, 5])
def test_a_stopped_and_resumed_run_ends_bit_equal(tmp_path, steps_per_call):
    straight = toy.fit(tmp_path / "straight", steps_per_call=steps_per_call)
    toy.fit(tmp_path / "resumed", steps=20, steps_per_call=steps_per_call)
    resumed = toy.fit(tmp_path / "resumed", steps_per_call=steps_per_call)
    assert toy.gap(straight.state.params, resumed.state.params) == 0
    assert straight.history == resumed.history
    files = [tmp_path / name / "metrics.jsonl" for name in ("straight", "resumed")]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert len(straight.history) == 8


@pytest.mark.smoke
@pytest.mark.parametrize("finished", [(23,), (10, 32)])
def test_a_finished_run_that_is_extended_ends_as_a_straight_one(tmp_path, finished):
    """Whatever its last row and checkpoint were only due to: that it was the last."""
    straight = toy.fit(tmp_path / "straight")
    for steps in finished:
        toy.fit(tmp_path / "extended", steps=steps)
    extended = toy.fit(tmp_path / "extended")
    assert toy.gap(straight.state.params, extended.state.params) == 0
    assert straight.history == extended.history
    files = [tmp_path / name / "metrics.jsonl" for name in ("straight", "extended")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_rows_after_the_restored_step_are_dropped(tmp_path):
    straight = toy.fit(tmp_path / "straight")
    toy.fit(tmp_path / "killed", steps=20)
    with (tmp_path / "killed/metrics.jsonl").open("a") as file:
        file.write('{"step": 25, "loss": 9.0}\n{"step": 30, "lo')  # cut off by a kill
    killed = toy.fit(tmp_path / "killed")
    assert killed.history == straight.history


def test_a_finished_run_trains_nothing(tmp_path):
    first = toy.fit(tmp_path)
    stamp = (tmp_path / "checkpoints/40").stat().st_mtime_ns
    never = toy.TASK._replace(loss=None, evaluate=None)  # calling either would raise
    again = toy.fit(tmp_path, task=never)
    assert again.history == first.history
    assert toy.gap(again.state.params, first.state.params) == 0
    assert (tmp_path / "checkpoints/40").stat().st_mtime_ns == stamp


def test_without_a_workdir_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert toy.fit().history == toy.fit().history
    assert list(tmp_path.iterdir()) == []


def test_evaluation_is_exact_on_a_ragged_end():
    fit = toy.fit()
    batch = {"x": toy.INPUTS.astype(np.float64), "y": toy.TARGETS.astype(np.float64)}
    params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), fit.state.params)
    exact = toy.errors(params, batch).mean()
    assert fit.history[-1]["test/error"] == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize("accumulation", [2, 8])
def test_accumulation_equals_the_big_batch(accumulation):
    whole, parts = toy.fit(), toy.fit(accumulation=accumulation)
    assert toy.gap(whole.state.params, parts.state.params) < 1e-6
    for one, other in zip(whole.history, parts.history, strict=True):
        assert one == pytest.approx(other, rel=1e-5)


def test_a_batch_that_does_not_divide_into_microbatches_is_refused():
    with pytest.raises(InputError, match="accumulation=3: a device's batch of 16"):
        toy.fit(accumulation=3)


def test_the_seed_names_the_run():
    assert toy.fit(seed=1).history == toy.fit(seed=1).history
    assert toy.fit(seed=1).history != toy.fit(seed=2).history


def test_evaluation_and_state_follow_the_running_average():
    fit = toy.fit(optimizer=training.OptimizerConfig(rate=0.02, average_decay=0.9))
    average = training.averaged(fit.state.opt_state, fit.state.params)
    batch = {"x": toy.INPUTS, "y": toy.TARGETS}
    assert toy.gap(average, fit.state.params) > 1e-3
    assert fit.history[-1]["test/error"] == pytest.approx(
        float(toy.errors(average, batch).mean()), rel=1e-5
    )


def test_a_loss_that_is_not_finite_stops_and_names_step_and_checkpoint(tmp_path):
    def explode(params, batch, key):
        (total, weight), metrics = toy.loss(params, batch, key)
        return (jnp.where(batch["x"][0, 0] > 1.1, jnp.nan, total), weight), metrics

    with pytest.raises(training.NonFiniteLoss) as stopped:
        toy.fit(tmp_path, task=toy.TASK._replace(loss=explode), log_every=1)
    step = int(str(stopped.value).split("at step ")[1].split(";")[0])
    good = (step - 1) // 10 * 10
    assert f"checkpoint: {f'step {good}' if good else 'none'}" in str(stopped.value)
    rows = read(tmp_path / "metrics.jsonl")
    assert [row["step"] for row in rows] == list(range(1, step))


def test_parameters_that_are_not_finite_are_never_saved(tmp_path):
    def explode(params, batch, key):  # a finite loss with an infinite gradient
        (total, weight), metrics = toy.loss(params, batch, key)
        return (total + jnp.sqrt(params["bias"][0] * 0), weight), metrics

    with pytest.raises(
        training.NonFiniteLoss, match=r"step \d+; last good checkpoint: n"
    ):
        toy.fit(
            tmp_path,
            task=toy.TASK._replace(loss=explode),
            log_every=1,
            save_every=1,
            evaluate_every=0,
        )
    assert not list(tmp_path.glob("checkpoints/*"))


def test_a_metric_that_is_not_finite_is_named():
    def evaluate(params, batch, key):
        return {"error": (jnp.array(jnp.inf), jnp.ones(()))}

    with pytest.raises(training.NonFiniteLoss, match="test/error is inf at step 10"):
        toy.fit(task=toy.TASK._replace(evaluate=evaluate))


KILL = """
import os, sys
from pathlib import Path
import toy
from nnguide.training import loop, metrics
owner, name, count = sys.argv[2:]
owner = getattr(loop if owner == "Checkpoints" else metrics, owner)
kept, calls = getattr(owner, name), 0
def killing(*arguments, **more):
    global calls
    calls += 1
    if calls == int(count):
        os.kill(os.getpid(), 9)
    return kept(*arguments, **more)
setattr(owner, name, killing)
toy.fit(Path(sys.argv[1]))
"""


@pytest.mark.parametrize(
    ("owner", "name", "count"),
    [
        ("Recorder", "write", 1),  # before the first row
        ("Recorder", "write", 4),  # after a save
        ("Recorder", "sync", 2),  # the rows are written, the save is not begun
        ("Recorder", "advance", 22),  # the save is on its way
        ("Checkpoints", "close", 1),  # the last save is on its way
    ],
)
def test_killed_at_any_point_it_ends_bit_equal(tmp_path, owner, name, count):
    arguments = [sys.executable, "-c", KILL, str(tmp_path / "killed")]
    killed = subprocess.run(
        [*arguments, owner, name, str(count)],
        env={**os.environ, "PYTHONPATH": str(Path(toy.__file__).parent)},
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    straight, resumed = toy.fit(tmp_path / "straight"), toy.fit(tmp_path / "killed")
    assert toy.gap(straight.state.params, resumed.state.params) == 0
    files = [tmp_path / folder / "metrics.jsonl" for folder in ("straight", "killed")]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_frozen_arrays_reach_loss_and_evaluate():
    def loss(params, batch, key, *, teacher):
        each = (batch["x"] @ (params["weight"][0] - teacher)) ** 2
        return (each.sum(), batch["weight"].sum()), {}

    def evaluate(params, batch, key, *, teacher):
        return {"teacher": (teacher.sum(), jnp.ones(()))}

    fit = training.fit(
        training.Task(toy.TASK.init, loss, evaluate),
        training.make_optimizer(training.OptimizerConfig(rate=0.1), 100),
        toy.TRAIN,
        toy.config(steps=100),
        evaluation={"test": toy.TEST},
        frozen={"teacher": jnp.arange(5.0)},
    )
    assert np.allclose(fit.state.params["weight"][0], np.arange(5.0), atol=1e-3)
    assert fit.history[-1]["test/teacher"] == 10


def test_times_stay_out_of_metrics(tmp_path):
    toy.fit(tmp_path)
    timings, metrics = (read(tmp_path / f"{n}.jsonl") for n in ("timings", "metrics"))
    assert [row["step"] for row in timings] == [row["step"] for row in metrics]
    assert all(set(row) <= {"step", "loss", "noise", "test/error"} for row in metrics)
    assert list(tmp_path.glob("events.out.tfevents.*"))


@pytest.mark.parametrize("steps_per_call", [1, 5])
def test_a_profile_of_some_steps_is_written(tmp_path, steps_per_call):
    toy.fit(tmp_path, profile="3:5", steps_per_call=steps_per_call)
    assert list((tmp_path / "profile").rglob("*.xplane.pb"))


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"steps": 0}, "train.steps=0"),
        ({"steps_per_call": 3}, "train.steps=40"),
        ({"save_every": 7}, "train.save_every=7"),
        ({"keep_steps": (33,)}, "train.keep_steps=33"),
        ({"profile": "9:3"}, "train.profile=9:3"),
    ],
)
def test_a_setting_that_does_not_fit_is_named(changes, field):
    with pytest.raises(InputError, match=field):
        toy.config(**changes)
