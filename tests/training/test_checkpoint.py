"""Checkpoints: damage is named, skipped and kept; latest and best stay."""

import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import optax
import pytest
import toy
from absl import logging

from nnguide.config import InputError
from nnguide.training.checkpoint import Checkpoints, Retention
from nnguide.training.step import State


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    toy.fit(folder)
    return folder


def _data_file(workdir: Path, step: int) -> Path:
    """The file that holds the arrays."""
    return max((workdir / f"checkpoints/{step}/state/d").iterdir())


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.smoke
@pytest.mark.parametrize(
    "damage",
    [
        _flip,
        lambda path: path.write_bytes(path.read_bytes()[:100]),
        lambda path: path.unlink(),
    ],
    ids=["flipped byte", "truncated", "deleted"],
)
@pytest.mark.filterwarnings(  # TensorStore's aborted reads, on their way out
    "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_a_damaged_step_is_named_skipped_and_kept(run, tmp_path, damage, caplog):
    workdir = tmp_path / "run"
    shutil.copytree(run, workdir)
    damage(_data_file(workdir, 40))
    logging.use_absl_handler()
    with caplog.at_level("WARNING"):
        toy.fit(workdir)
    assert "checkpoint 40 is damaged" in caplog.text
    assert (workdir / "damaged_checkpoints/40-1").is_dir()
    assert (workdir / "metrics.jsonl").read_bytes() == (
        run / "metrics.jsonl"
    ).read_bytes()


@pytest.mark.parametrize("name", ["digest/metadata", "_CHECKPOINT_METADATA"])
def test_a_flip_in_the_record_is_damage_too(run, tmp_path, name):
    workdir = tmp_path / "run"
    shutil.copytree(run, workdir)
    path = workdir / "checkpoints/40" / name
    path.write_bytes(path.read_bytes().replace(b"b", b"c", 1).replace(b'"', b"!", 1))
    fit = toy.fit(workdir)
    assert (workdir / "damaged_checkpoints/40-1").is_dir()
    assert fit.history[-1]["step"] == 40


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_where_all_are_damaged_nothing_is_trained(run, tmp_path):
    workdir = tmp_path / "run"
    shutil.copytree(run, workdir)
    for step in (30, 40):
        _flip(_data_file(workdir, step))
    with pytest.raises(InputError, match="every checkpoint is damaged"):
        toy.fit(workdir)
    assert len(list((workdir / "damaged_checkpoints").iterdir())) == 2
    rows = (workdir / "metrics.jsonl").read_bytes()
    with pytest.raises(InputError, match="every checkpoint is damaged"):
        toy.fit(workdir)  # nor is it the second time
    assert (workdir / "metrics.jsonl").read_bytes() == rows


def test_latest_best_and_named_steps_stay(tmp_path):
    fit = toy.fit(
        tmp_path,
        steps=80,
        keep_steps=(30,),
        best="test/error",
        best_mode="max",  # the worst is the first, so it is neither new nor named
    )
    kept = sorted(int(path.name) for path in (tmp_path / "checkpoints").iterdir())
    errors = {
        row["step"]: row["test/error"] for row in fit.history if "test/error" in row
    }
    assert kept == sorted({max(errors, key=errors.__getitem__), 30, 70, 80})


def test_a_checkpoint_of_another_shape_is_refused(run, tmp_path):
    workdir = tmp_path / "run"
    shutil.copytree(run, workdir)
    task = toy.TASK._replace(init=lambda key: {"weight": toy.INPUTS[:2, :4]})
    with pytest.raises(InputError, match=r"bias is float32\[1\] there and None"):
        toy.fit(workdir, task=task)
    assert (workdir / "checkpoints/40").is_dir()


def test_an_unknown_best_metric_is_named(tmp_path):
    with pytest.raises(InputError, match=r"train\.best=test/nothing"):
        toy.fit(tmp_path, best="test/nothing")


def _state(value: float) -> State:
    params = {"weight": jnp.full((2, 3), value)}
    step = jnp.zeros((), jnp.int32)
    return State(step, params, optax.sgd(1.0).init(params), jax.random.key(0))


def _saved_and_restored(folder: Path, value: float) -> float:
    """What the weight is after a checkpoint was written and read."""
    state = _state(value)
    for action in (lambda it: it.save(1, state, None), lambda it: it.restore(state)):
        checkpoints = Checkpoints(folder, Retention())
        found = action(checkpoints)
        checkpoints.close()
    assert found is not None
    return float(found[1].params["weight"][1, 2])


@pytest.mark.parametrize(
    "name",
    ["a [v2]", "a*b?{c}", "back\\slash", "~", "$HOME %41 100%d", "gs:", "two\nlines",
     "né中", "\udce9", "é" * 120],
    ids=range(10),
)  # fmt: skip
def test_a_folder_of_any_name_is_read_back(tmp_path, name):
    assert _saved_and_restored(tmp_path / name, 0.5) == 0.5
    assert not (tmp_path / name / "damaged_checkpoints").exists()


def test_a_pattern_in_a_name_reads_no_other_folder_s_checkpoints(tmp_path):
    assert _saved_and_restored(tmp_path / "run1", 1.0) == 1.0
    assert _saved_and_restored(tmp_path / "run?", 2.0) == 2.0
