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
FLAGS = (
    "part1_neural_network",
    "--study=digits",
    "--seeds=1",
    "--train.steps=4000",
    "--train.log_every=400",
    "--train.save_every=400",
    "--train.evaluate_every=0",
)


def sh(*command: str, cluster: Path, check: bool = True) -> str:
    environment = {**os.environ, "SLURM_CONF": str(cluster / "slurm.conf")}
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
    folder = tmp_path_factory.mktemp("slurm")
    script = ROOT / "tests/cluster/slurm.sh"
    running = subprocess.Popen(
        [script, folder, "sleep", "900"], start_new_session=True, cwd=ROOT
    )
    try:
        until(
            lambda: (
                running.poll() is not None
                or "idle" in sh("sinfo", "-h", "-o", "%T", cluster=folder, check=False)
            ),
            60,
            "an idle node",
        )
        assert running.poll() is None, "slurm.sh ended"
        yield folder
    finally:
        subprocess.run(["pkill", "-TERM", "-P", str(running.pid), "sleep"], check=False)
        running.wait(timeout=30)


def submit(cluster: Path, log: Path, workdir: Path) -> str:
    return sh(
        "sbatch", "--parsable", "--ntasks=2", "--ntasks-per-node=2",
        f"--output={log}", "experiments/launch/slurm.sbatch", *FLAGS,
        f"--workdir={workdir}",
        cluster=cluster,
    )  # fmt: skip


def state_of(cluster: Path, job: str) -> str:
    shown = sh("scontrol", "show", "job", job, "-o", cluster=cluster, check=False)
    found = [word for word in shown.split() if word.startswith("JobState=")]
    return found[0].partition("=")[2] if found else "GONE"


def rows(workdir: Path) -> list[dict]:
    path = workdir / "metrics.jsonl"
    found = sorted(workdir.rglob("metrics.jsonl")) if not path.exists() else [path]
    lines = found[0].read_text().splitlines() if found else []
    return [json.loads(line) for line in lines]


def finished(cluster: Path, job: str, log: Path) -> None:
    until(lambda: state_of(cluster, job) in ("COMPLETED", "FAILED", "GONE"), 400, job)
    assert state_of(cluster, job) == "COMPLETED", log.read_text()[-3000:]


def test_two_tasks_are_one_program_with_two_devices(cluster, tmp_path):
    os.environ["NNGUIDE_PYTHON"] = sys.executable
    log, workdir = tmp_path / "job.log", tmp_path / "run"
    finished(cluster, submit(cluster, log, workdir), log)
    environment = json.loads((workdir / "results.json").read_text())["environment"]
    assert environment["process_count"] == 2
    alone = tmp_path / "alone"
    subprocess.run(
        [sys.executable, "-m", f"experiments.{FLAGS[0]}", *FLAGS[1:],
         "--parallel.devices=2", f"--workdir={alone}"],
        check=True, capture_output=True, cwd=ROOT,
        env={**os.environ, "JAX_NUM_CPU_DEVICES": "2"},
    )  # fmt: skip
    assert len(rows(alone)) == len(rows(workdir)) == 10
    for one, other in zip(rows(alone), rows(workdir), strict=True):
        assert one["step"] == other["step"]
        assert np.allclose(one["loss"], other["loss"])


def test_a_killed_job_is_queued_again_and_goes_on(cluster, tmp_path):
    os.environ["NNGUIDE_PYTHON"] = sys.executable
    log, workdir = tmp_path / "job.log", tmp_path / "run"
    job = submit(cluster, log, workdir)
    until(lambda: len(rows(workdir)) >= 2, 300, "two rows of metrics")
    told = sh("scontrol", "listpids", job, cluster=cluster, check=False)
    killed = [line.split()[0] for line in told.splitlines()[1:]]
    for pid in killed[:1]:
        os.kill(int(pid), signal.SIGKILL)
    sh("scontrol", "requeue", job, cluster=cluster, check=False)
    until(lambda: "Restarts=1" in sh(
        "scontrol", "show", "job", job, "-o", cluster=cluster, check=False
    ), 60, "a restart")  # fmt: skip
    finished(cluster, job, log)
    assert [row["step"] for row in rows(workdir)] == list(range(400, 4001, 400))
