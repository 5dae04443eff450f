"""Several processes as one program: joining them, and what only the first one does.

Every process runs the same launcher with the same flags and computes the same numbers;
process 0 alone writes.
"""

import dataclasses
import os
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from nnguide.config import InputError

HEARTBEAT_SECONDS = 30  # after which a process that says nothing counts as dead


@dataclasses.dataclass(frozen=True)
class ClusterConfig:
    """How this process finds the others.

    Attributes:
      distributed: join the other processes of a cluster; SLURM and Open MPI jobs of
        several tasks do so by themselves, TPU pods and Kubernetes when asked.
      coordinator: HOST:PORT of process 0, where no cluster tells.
      processes: how many there are, where no cluster tells.
      process: the number of this one, from 0, where no cluster tells.
    """

    distributed: bool = False
    coordinator: str = ""
    processes: int = 0
    process: int = 0

    def __post_init__(self) -> None:
        if bool(self.coordinator) != (self.processes > 0):
            raise InputError(
                f"--coordinator={self.coordinator} --processes={self.processes}: give "
                "both, with --process, or neither where a cluster tells."
            )
        if self.processes and not 0 <= self.process < self.processes:
            raise InputError(
                f"--process={self.process}: give 0 to {self.processes - 1}."
            )


def join_cluster(config: ClusterConfig) -> None:
    """Joins the other processes, if there are any; before JAX looks for devices.

    Raises:
      InputError: it was asked for and no cluster was found.
    """
    by_hand = {}
    if config.coordinator:
        by_hand = {
            "coordinator_address": config.coordinator,
            "num_processes": config.processes,
            "process_id": config.process,
        }
    if not (config.distributed or by_hand or _recognised()):
        return
    try:
        jax.distributed.initialize(
            **by_hand, heartbeat_timeout_seconds=HEARTBEAT_SECONDS
        )
    except ValueError as error:
        raise InputError(
            f"--distributed: no cluster was found ({error}); give --coordinator, "
            "--processes and --process."
        ) from None


def _recognised() -> bool:
    """Whether SLURM or Open MPI started several of us."""
    slurm = "SLURM_STEP_NODELIST" in os.environ
    tasks = os.environ.get("SLURM_NTASKS", "1") if slurm else "1"
    return int(tasks) > 1 or int(os.environ.get("OMPI_COMM_WORLD_SIZE", "1")) > 1


def writes() -> bool:
    """Whether this process writes files."""
    return jax.process_index() == 0


def together(name: str) -> None:
    """Waits until all processes are here.

    Args:
      name: of the place, the same in all.
    """
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(name)


def anyone(problem: str) -> str:
    """What any process found wrong, so that all stop or go on together.

    Args:
      problem: this process's line, or "".

    Returns:
      The first process's line that found something, in every process.
    """
    if jax.process_count() == 1:
        return problem
    room = np.zeros(2000, np.uint8)
    line = np.frombuffer(problem.encode()[: len(room)], np.uint8)
    room[: len(line)] = line
    told = np.asarray(multihost_utils.process_allgather(room))
    lines = [bytes(each).rstrip(b"\0").decode(errors="replace") for each in told]
    return next(filter(None, lines), "")


def gathered(leaf: Any) -> np.ndarray:
    """An array as a whole in this process's memory; all processes call it."""
    if not isinstance(leaf, jax.Array) or leaf.is_fully_addressable:
        return np.asarray(jax.device_get(leaf))
    if leaf.is_fully_replicated:
        return np.asarray(leaf.addressable_data(0))
    return np.asarray(multihost_utils.process_allgather(leaf, tiled=True))
