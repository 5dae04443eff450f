"""Seconds from the start of `part1_neural_network` to its first training steps.

Each contender is a fresh process, so the import of JAX, Flax and Optax, which no code
of ours can shorten, is timed beside it in the same rounds.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from experiments.benchmark import Case

LAUNCHER = "experiments.part1_neural_network"
# Two calls of 400 steps and no evaluation: the first row is written when they began.
ARGUMENTS = (
    "--study=digits",
    "--batch_sizes=10",
    "--train.steps=800",
    "--train.evaluate_every=0",
    "--train.save_every=0",
    "--notrain.progress",
)


def cases(peers: bool) -> list[Case]:
    """Time to the first row with everything cached, and with less; and of imports."""
    del peers  # nobody else has our part 1
    kept = tempfile.TemporaryDirectory(prefix="nnguide-cache-")

    def nothing_compiled() -> float:
        with tempfile.TemporaryDirectory(prefix="nnguide-compiled-") as empty:
            placed = {
                "JAX_COMPILATION_CACHE_DIR": empty,
                "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            }
            return _first_row(kept.name, placed)

    def nothing_cached() -> float:
        with tempfile.TemporaryDirectory(prefix="nnguide-cold-") as empty:
            return _first_row(empty)

    contenders: dict[str, Callable[[], float | None]] = {
        "nnguide": lambda: _first_row(kept.name),
        "nnguide_nothing_compiled": nothing_compiled,
        "nnguide_nothing_compiled_no_data_set": nothing_cached,
        "import_jax_flax_optax": _imports,
    }
    return [Case("first steps of part 1", 1, "starts", contenders)]


def _imports() -> float:
    started = time.time()
    code = "import jax, flax.linen, optax"
    subprocess.run([sys.executable, "-c", code], check=True)
    return time.time() - started


def _first_row(cache: str, more: Mapping[str, str] = MappingProxyType({})) -> float:
    """Seconds until the first row of metrics was written."""
    with tempfile.TemporaryDirectory(prefix="nnguide-start-") as workdir:
        started = time.time()
        subprocess.run(
            [sys.executable, "-m", LAUNCHER, *ARGUMENTS, f"--workdir={workdir}"],
            env={**os.environ, "NNGUIDE_CACHE": cache, **more},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        timings = Path(workdir, "batch_10", "timings.jsonl").read_text()
        return json.loads(timings.splitlines()[0])["time"] - started
