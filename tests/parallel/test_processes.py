"""Two processes on this machine are one process with two devices."""

import jax
import numpy as np
import pytest
import toy
from two_processes import run

from nnguide.config import InputError
from nnguide.parallel import ClusterConfig, ParallelConfig
from nnguide.parallel.processes import anyone, gathered
from nnguide.training.metrics import read_rows


@pytest.mark.parametrize(
    ("mode", "mesh"),
    [
        ("jit", ""),
        pytest.param("jit", "fsdp:2", marks=pytest.mark.slow),
        pytest.param("shard_map", "", marks=pytest.mark.slow),
        pytest.param("pmap", "", marks=pytest.mark.slow),
    ],
)
def test_two_processes_train_to_the_numbers_of_two_devices(tmp_path, mode, mesh):
    two = ParallelConfig(mode, devices=2)  # a mesh would take all eight devices here
    straight = toy.fit(tmp_path / "straight", parallel=two)
    found = run(tmp_path / "two", mode, mesh)
    assert toy.gap(straight.state.params, found) < 1e-7
    rows, others = (
        read_rows(tmp_path / name / "metrics.jsonl", 40) for name in ("straight", "two")
    )
    assert len(rows) == len(others) == 8
    for row, other in zip(rows, others, strict=True):
        assert row == pytest.approx(other, rel=1e-6, abs=1e-7)


def test_checkpoints_of_two_processes_restore_in_one_and_back(tmp_path):
    straight = toy.fit(parallel=ParallelConfig(devices=2))
    folder = tmp_path / "moved"
    run(folder, steps=10)
    toy.fit(folder, steps=20, parallel=ParallelConfig(devices=1))
    found = run(folder)
    assert toy.gap(straight.state.params, found) < 1e-6


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"coordinator": "a:1"}, "--coordinator=a:1 --processes=0: give both"),
        ({"processes": 2}, "--coordinator= --processes=2: give both"),
        (
            {"coordinator": "a:1", "processes": 2, "process": 2},
            "--process=2: give 0 to 1",
        ),
    ],
)
def test_half_a_cluster_is_refused(fields, says):
    with pytest.raises(InputError, match=says):
        ClusterConfig(**fields)


def test_one_process_agrees_with_itself():
    assert anyone("no room") == "no room"
    whole = gathered(jax.numpy.arange(3))
    assert isinstance(whole, np.ndarray)
    assert whole.tolist() == [0, 1, 2]
