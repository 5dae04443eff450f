"""SLURM for real, on this machine: two tasks train as one, and go on after a kill.

Run by `make test-cluster`; needs Debian's slurm-wlm and munge.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.slurm
ROOT = Path(__file__).parents[2]
EVERY, STEPS = 10, 200
FLAGS = (
    "part1_neural_network",
    "--study=digits",
    "--seeds=1",
    "--batch_sizes=10",
    f"--train.steps={STEPS}",
    f"--train.steps_per_call={EVERY // 2}",
    f"--train.log_every={EVERY}",
    f"--train.save_every={EVERY}",
    "--train.evaluate_every=0",
)


def sh(*command: str, cluster: Path, check: bool = True) -> str:
    environment = {
        **os.environ,
        "SLURM_CONF": str(cluster / "slurm.conf"),
        "NNGUIDE_PYTHON": sys.executable,
    }
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, cwd=ROOT
    )
    assert not check or done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout.strip()


def until(true, seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not in {seconds} s: {what}"
        time.sleep(0.5)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The folder of a SLURM that ends with this process, however it ends."""
    folder = tmp_path_factory.mktemp("slurm")
    script = ROOT / "tests/cluster/slurm.sh"
    running = subprocess.Popen(
        [script, folder, "cat"], start_new_session=True, stdin=subprocess.PIPE
    )

    def ready() -> bool:
        states = sh("sinfo", "-h", "-o", "%T", cluster=folder, check=False)
        return running.poll() is not None or "idle" in states

    try:
        until(ready, 60, "an idle node")
        assert running.poll() is None, "slurm.sh ended"
        yield folder
    finally:
        running.communicate(timeout=90)  # closes its standard input
    left = [int(path.read_text()) for path in folder.glob("*.pid")]
    assert [pid for pid in left if Path(f"/proc/{pid}").exists()] == []


def submit(cluster: Path, log: Path, workdir: Path) -> str:
    return sh(
        "sbatch", "--parsable", "--ntasks=2", "--ntasks-per-node=2",
        f"--output={log}", "experiments/launch/slurm.sbatch", *FLAGS,
        f"--workdir={workdir}",
        cluster=cluster,
    )  # fmt: skip


def shown(cluster: Path, job: str, field: str) -> str:
    """What SLURM says of a job; "" where it does not answer just now."""
    words = sh("scontrol", "show", "job", job, "-o", cluster=cluster, check=False)
    found = [word for word in words.split() if word.startswith(f"{field}=")]
    return found[0].partition("=")[2] if found else ""


def tasks(cluster: Path, job: str) -> dict[str, int]:
    """Number of a task -> its process."""
    told = sh("scontrol", "listpids", job, cluster=cluster, check=False)
    words = [line.split() for line in told.splitlines()[1:]]
    return {each[4]: int(each[0]) for each in words if each[2] == "0"}


def metrics(workdir: Path) -> str:
    """What the only training below wrote so far."""
    return "".join(path.read_text() for path in workdir.rglob("metrics.jsonl"))


def rows(workdir: Path) -> list[dict]:
    return [json.loads(line) for line in metrics(workdir).splitlines()]


def finished(cluster: Path, job: str, log: Path) -> None:
    ended = ("COMPLETED", "FAILED", "CANCELLED")
    until(lambda: shown(cluster, job, "JobState") in ended, 600, f"job {job}")
    assert shown(cluster, job, "JobState") == "COMPLETED", log.read_text()[-3000:]


@pytest.fixture(scope="module")
def undisturbed(cluster, tmp_path_factory) -> Path:
    """The workdir of two tasks that ran to the end."""
    folder = tmp_path_factory.mktemp("undisturbed")
    log, workdir = folder / "job.log", folder / "run"
    finished(cluster, submit(cluster, log, workdir), log)
    return workdir


def test_two_tasks_are_one_program_with_two_devices(undisturbed, tmp_path):
    environment = json.loads((undisturbed / "results.json").read_text())["environment"]
    assert environment["process_count"] == 2
    alone = tmp_path / "alone"
    subprocess.run(
        [sys.executable, "-m", f"experiments.{FLAGS[0]}", *FLAGS[1:],
         "--parallel.devices=2", f"--workdir={alone}"],
        check=True, capture_output=True, cwd=ROOT,
        env={**os.environ, "JAX_NUM_CPU_DEVICES": "2"},
    )  # fmt: skip
    assert len(rows(alone)) == len(rows(undisturbed)) == STEPS // EVERY
    for one, other in zip(rows(alone), rows(undisturbed), strict=True):
        assert one.keys() == other.keys()
        for name, value in one.items():
            np.testing.assert_allclose(value, other[name], rtol=1e-5, atol=1e-6)


def test_a_job_of_which_a_task_was_killed_starts_again_and_loses_nothing(
    cluster, undisturbed, tmp_path
):
    log, workdir = tmp_path / "job.log", tmp_path / "run"
    job = submit(cluster, log, workdir)
    until(lambda: len(rows(workdir)) >= 2, 300, "two rows of metrics")
    os.kill(tasks(cluster, job)["1"], signal.SIGKILL)
    until(lambda: shown(cluster, job, "Restarts") == "1", 60, "a restart")
    finished(cluster, job, log)
    said = log.read_text()
    assert "task 1: Killed" in said  # SLURM names who died
    assert "the job is queued again" in said
    assert metrics(workdir) == metrics(undisturbed)
