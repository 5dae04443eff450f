"""SIGTERM, two runs on one workdir, full disks: nothing lost, nothing silent."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import toy

from experiments import launcher
from nnguide.config import InputError
from nnguide.training.interruption import Interruption

LONG = """
import sys
from pathlib import Path
import toy
toy.fit(Path(sys.argv[1]), steps=int(sys.argv[2]), save_every=0, evaluate_every=0)
print("done")
"""


def start(folder: Path, steps: int) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", LONG, str(folder), str(steps)],
        env={**os.environ, "PYTHONPATH": str(Path(toy.__file__).parent)},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def rows(folder: Path) -> list[dict]:
    path = folder / "metrics.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def test_sigterm_saves_ends_with_0_and_the_run_goes_on(tmp_path):
    folder, steps = tmp_path / "run", 10**7
    running = start(folder, steps)
    end = time.monotonic() + 120
    while len(rows(folder)) < 3 and time.monotonic() < end:
        time.sleep(0.05)
    running.send_signal(signal.SIGTERM)
    asked = time.monotonic()
    _, said = running.communicate(timeout=60)
    assert running.returncode == 0
    assert time.monotonic() - asked < 30
    step = int(said.split("SIGTERM: saved step ")[1].split(";")[0])
    assert [int(path.name) for path in (folder / "checkpoints").iterdir()] == [step]
    # It goes on to the numbers of a run that nobody disturbed.
    more = -(-step // 5) * 5 + 10
    settings: dict[str, Any] = {"steps": more, "save_every": 0, "evaluate_every": 0}
    resumed = toy.fit(folder, **settings)
    straight = toy.fit(tmp_path / "straight", **settings)
    assert toy.gap(resumed.state.params, straight.state.params) == 0
    assert resumed.history == straight.history


def save_and_end():
    """What a training does that was told to end."""
    with Interruption():
        signal.raise_signal(signal.SIGTERM)
        sys.exit(0)


def test_a_sigterm_that_no_training_acted_on_is_given_on():
    received = []
    before = signal.signal(signal.SIGTERM, lambda *arguments: received.append(1))
    try:
        with Interruption() as interruption:
            signal.raise_signal(signal.SIGTERM)
            assert interruption.asked(0)
            assert not received
        assert received == [1]
        with pytest.raises(SystemExit):
            save_and_end()
        assert received == [1]
    finally:
        signal.signal(signal.SIGTERM, before)


BETWEEN = """
import signal
from experiments import launcher
def run(config):
    signal.raise_signal(signal.SIGTERM)
    print("went on")
launcher.main(run, launcher.Common(), lambda config: {})
"""


def test_sigterm_between_trainings_ends_with_0():
    ended = subprocess.run(
        [sys.executable, "-c", BETWEEN], capture_output=True, text=True, timeout=60
    )
    assert ended.returncode == 0
    assert ended.stderr == "SIGTERM: the same command resumes from here\n"
    assert not ended.stdout


class Config(launcher.Common):
    pass


def test_a_second_run_on_a_workdir_is_refused(tmp_path):
    launcher.open_workdir("toy", Config(workdir=str(tmp_path / "run")))
    program = (
        "from experiments import launcher\n"
        "class Config(launcher.Common): pass\n"
        f"launcher.open_workdir('toy', Config(workdir={str(tmp_path / 'run')!r}))\n"
    )
    second = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert second.returncode != 0
    assert f"process {os.getpid()} is running there" in second.stderr


def fill(ballast: Path) -> None:
    """Writes until the disk takes no more."""
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1024))


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_is_told_and_harms_no_older_checkpoint(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(disk)], check=False
    )
    if mounted.returncode:
        pytest.skip("this machine mounts no tmpfs")
    try:
        toy.fit(disk / "run", steps=20)
        ballast = disk / "ballast"
        fill(ballast)
        with pytest.raises((InputError, OSError), match=r"cannot be saved|No space"):
            toy.fit(disk / "run")
        ballast.unlink()
        straight, resumed = toy.fit(), toy.fit(disk / "run")
        assert toy.gap(straight.state.params, resumed.state.params) == 0
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)
