"""One of two processes is killed: the other ends too, says why, and both go on."""

import re
import time

import pytest
import toy
from two_processes import run, start

from nnguide.parallel import ParallelConfig

STEPS = 20_000
# How JAX's last words name who is gone: task 0 leads; it alone knows of the others'.
NAMED = (
    r"the leader task was preempted/died",
    r"Task 1 heartbeat timeout|stopped sending heartbeats\):\s+1\b",
)


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_the_other_ends_within_a_minute_and_names_it(tmp_path, victim):
    folder = tmp_path / "run"
    both = start(folder, "jit", "", STEPS)
    end = time.monotonic() + 300
    while not (folder / "checkpoints/500").is_dir():
        assert [process.poll() for process in both] == [None, None]
        assert time.monotonic() < end
        time.sleep(0.1)
    both[victim].kill()
    killed = time.monotonic()
    _, said = both[1 - victim].communicate(timeout=120)
    both[victim].communicate()
    print(f"{time.monotonic() - killed:.1f} s, status {both[1 - victim].returncode}")
    print(said[-3000:])
    assert time.monotonic() - killed < 60
    assert both[1 - victim].returncode != 0
    assert re.search(NAMED[victim], said)
    newest = max(int(path.name) for path in (folder / "checkpoints").glob("*00"))
    found = run(folder, steps=newest + 100)
    two = ParallelConfig(devices=2)
    straight = toy.fit(steps=newest + 100, evaluate_every=0, parallel=two)
    assert toy.gap(straight.state.params, found) < 1e-5
