"""SIGKILL, at any moment and of any process: a resumed run ends as if nothing was."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import toy

PROGRAM = """
import sys
from pathlib import Path
import jax
jax.config.update("jax_compilation_cache_dir", sys.argv[4])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
import toy
steps, save_every = int(sys.argv[2]), int(sys.argv[3])
toy.fit(Path(sys.argv[1]), steps=steps, save_every=save_every, evaluate_every=0)
"""
SAVES = {"start": 50, "data or step": 2000, "mid-save": 5}  # moment -> save_every


def rows(folder: Path) -> int:
    path = folder / "metrics.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def saving(folder: Path) -> bool:
    """Whether a checkpoint is being written."""
    return any((folder / "checkpoints").glob("*.orbax-checkpoint-tmp*"))


def kill_at(moment: str, folder: Path, steps: int, chance: random.Random) -> str:
    """Runs on from where the folder left off, up to that moment; what was under way."""
    cache = folder.with_name("compiled")
    running = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, folder, str(steps), str(SAVES[moment]), cache],
        env={**os.environ, "PYTHONPATH": str(Path(toy.__file__).parent)},
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    before, more, end = rows(folder), chance.randint(2, 20), time.monotonic() + 300
    try:
        if moment == "start":
            time.sleep(chance.uniform(0, 4))  # imports, compiling, restoring
        else:
            while rows(folder) < before + more or (
                moment == "mid-save" and not saving(folder)
            ):
                assert running.poll() is None, "it ended by itself"
                assert time.monotonic() < end, "it makes no progress"
                time.sleep(0.002)
        found = "mid-save" if saving(folder) else f"at row {rows(folder)}"
    finally:
        running.send_signal(signal.SIGKILL)
        said = running.communicate()[1]
    assert running.returncode == -signal.SIGKILL, said
    return found


@pytest.mark.parametrize(
    ("moments", "steps"),
    [
        (["data or step", "mid-save"], 1000),
        pytest.param(
            ["start", "data or step", "mid-save", "mid-save"] * 5,
            8000,
            marks=pytest.mark.slow,
        ),
    ],
    ids=["2 kills", "20 kills"],
)
def test_kills_at_random_moments_change_no_bit(tmp_path, moments, steps):
    chance, killed = random.Random(0), []
    for moment in chance.sample(moments, len(moments)):
        killed.append(kill_at(moment, tmp_path / "run", steps, chance))
    print(killed)
    assert rows(tmp_path / "run") < steps // 5  # none of them came too late
    settings: dict[str, Any] = {"steps": steps, "save_every": 0, "evaluate_every": 0}
    resumed = toy.fit(tmp_path / "run", **settings)
    straight = toy.fit(tmp_path / "straight", **settings)
    kept = [(each.state.params, each.state.opt_state) for each in (resumed, straight)]
    assert toy.gap(*kept) == 0
    assert resumed.history == straight.history
    left, right = (tmp_path / name / "metrics.jsonl" for name in ("run", "straight"))
    assert left.read_bytes() == right.read_bytes()
