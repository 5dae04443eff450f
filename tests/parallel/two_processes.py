"""The toy trained by two processes on loopback."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import toy

PROGRAM = """
import sys
from pathlib import Path
import jax
jax.config.update("jax_platforms", "cpu")
from nnguide.parallel import ClusterConfig, ParallelConfig, gathered, join_cluster
port, process, mode, mesh, steps, folder = sys.argv[1:]
join_cluster(ClusterConfig(False, f"127.0.0.1:{port}", 2, int(process)))
import numpy as np
import toy
assert jax.device_count() == 2 and jax.local_device_count() == 1
# A long run, which somebody will kill, saves now and then.
settings = {} if int(steps) < 1000 else {"save_every": 500, "evaluate_every": 0}
fit = toy.fit(
    Path(folder), steps=int(steps), parallel=ParallelConfig(mode, mesh), **settings
)
assert [row["step"] for row in fit.history] == list(range(5, int(steps) + 1, 5))
found = {name: gathered(leaf) for name, leaf in fit.state.params.items()}
np.savez(f"{folder}.{process}.npz", **found)
"""


def start(folder: Path, mode: str, mesh: str, steps: int) -> list[subprocess.Popen]:
    """Both processes, at work."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    paths = [str(Path(toy.__file__).parent), str(Path.cwd())]
    environment = {
        **{k: v for k, v in os.environ.items() if not k.startswith("XLA_FLAGS")},
        "PYTHONPATH": os.pathsep.join(paths),
    }
    return [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(port), str(n), mode, mesh, str(steps),
             str(folder)],
            env=environment, stderr=subprocess.PIPE, text=True,
        )
        for n in range(2)
    ]  # fmt: skip


def run(
    folder: Path, mode: str = "jit", mesh: str = "", steps: int = 40
) -> dict[str, np.ndarray]:
    """What both processes end with."""
    started = start(folder, mode, mesh, steps)
    said = [process.communicate(timeout=300)[1] for process in started]
    assert [process.returncode for process in started] == [0, 0], said
    ends = [dict(np.load(f"{folder}.{n}.npz")) for n in range(2)]
    for name, leaf in ends[0].items():
        assert np.array_equal(leaf, ends[1][name])
    return ends[0]
