"""One mesh of devices with the axes data, fsdp and tensor."""

import dataclasses
from typing import Literal

import jax
import numpy as np
from jax.sharding import Mesh

from nnguide.config import InputError

AXES = ("data", "fsdp", "tensor")
Mode = Literal["jit", "shard_map", "pmap"]


@dataclasses.dataclass(frozen=True)
class ParallelConfig:
    """How a step is spread over devices; it changes no number that is learned.

    Attributes:
      mode: who splits the step: the compiler (jit) or we (shard_map, pmap).
      devices: how many devices share a batch; 0 takes all.
    """

    mode: Mode = "jit"
    devices: int = 0

    def __post_init__(self) -> None:
        if self.devices < 0:
            raise InputError(
                f"train.parallel.devices={self.devices}: give 0 (all) or more."
            )


def make_mesh(devices: int = 0) -> Mesh:
    """Lays devices out along the data axis; fsdp and tensor have size 1.

    Args:
      devices: how many of the devices to use; 0 takes all.

    Returns:
      A mesh with the axes `AXES`. Its axis types are Auto, which pmap needs.

    Raises:
      InputError: there are fewer devices.
    """
    there = jax.devices()
    if devices > len(there):
        raise InputError(
            f"train.parallel.devices={devices}: JAX sees {len(there)} "
            f"{there[0].platform} device(s); ask for at most that many."
        )
    chosen = np.asarray(there[: devices or len(there)])
    return Mesh(chosen.reshape(-1, 1, 1), AXES)
