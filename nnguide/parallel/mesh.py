"""One mesh of devices with the axes data, fsdp and tensor."""

import dataclasses
import math
from typing import Any, Literal

import jax
import numpy as np
from jax.experimental import mesh_utils
from jax.sharding import Mesh

from nnguide.config import InputError

AXES = ("data", "fsdp", "tensor")
Mode = Literal["jit", "shard_map", "pmap"]


@dataclasses.dataclass(frozen=True)
class ParallelConfig:
    """How a step is spread over devices; it changes no number that is learned.

    Attributes:
      mode: who splits the step: the compiler (jit) or we (shard_map, pmap).
      mesh: devices an axis, for instance data:2,fsdp:2,tensor:2. data splits the batch;
        fsdp splits the batch and the parameters; tensor splits heads, neurons and the
        vocabulary. One size may be -1, which takes what is left; together they take
        all devices.
      devices: where no mesh is named, how many to use along data; 0 takes all, and so
        do several processes.
    """

    mode: Mode = "jit"
    mesh: str = ""
    devices: int = 0

    def __post_init__(self) -> None:
        if self.devices < 0:
            raise InputError(
                f"--parallel.devices={self.devices}: give 0 (all) or more."
            )
        _named_sizes(self.mesh)


def _named_sizes(mesh: str) -> dict[str, int]:
    """Axis -> size as a flag names them; -1 is not resolved yet."""
    sizes: dict[str, int] = {}
    for part in filter(None, mesh.split(",")):
        name, _, size = part.partition(":")
        whole = size.lstrip("-").isdigit() and (int(size) > 0 or int(size) == -1)
        if name not in AXES or name in sizes or not whole:
            raise InputError(
                f"--parallel.mesh={mesh}: {part} is not AXIS:SIZE; give each of "
                f"{', '.join(AXES)} at most once with a size of 1 or more, or -1 for "
                "what is left, for instance data:-1,fsdp:2."
            )
        sizes[name] = int(size)
    if list(sizes.values()).count(-1) > 1:
        raise InputError(f"--parallel.mesh={mesh}: only one size may be -1.")
    return sizes


def mesh_shape(mesh: str, devices: int) -> tuple[int, int, int]:
    """Sizes of the axes `AXES` over a number of devices.

    Args:
      mesh: as `ParallelConfig.mesh`.
      devices: how many there are.

    Raises:
      InputError: the sizes do not multiply to that number.
    """
    sizes = _named_sizes(mesh) or {"data": -1}
    known = math.prod(size for size in sizes.values() if size > 0)
    if -1 in sizes.values():
        sizes = {n: devices // known if s < 0 else s for n, s in sizes.items()}
    if math.prod(sizes.values()) != devices:
        raise InputError(
            f"--parallel.mesh={mesh}: its sizes multiply to {known}, but "
            f"there are {devices} device(s); change a size, or use -1 for one of them."
        )
    data, fsdp, tensor = (sizes.get(name, 1) for name in AXES)
    return data, fsdp, tensor


def make_mesh(config: ParallelConfig = ParallelConfig()) -> Mesh:
    """Lays the devices out; tensor stays inside a host, and a slice, if it can.

    Args:
      config: which devices, along which axes.

    Returns:
      A mesh with the axes `AXES`. Its axis types are Auto, which pmap needs.

    Raises:
      InputError: there are fewer devices, or the sizes do not fit.
    """
    there = jax.devices()
    wanted = config.devices
    if config.mesh or jax.process_count() > 1:
        wanted = 0
    if wanted > len(there):
        raise InputError(
            f"--parallel.devices={config.devices}: JAX sees {len(there)} "
            f"{there[0].platform} device(s); ask for at most that many."
        )
    chosen = there[: wanted or len(there)]
    shape = mesh_shape(config.mesh, len(chosen))
    return Mesh(_arranged(shape, chosen), AXES)


def _arranged(shape: tuple[int, int, int], devices: list[Any]) -> np.ndarray:
    """The devices in the mesh's shape, the fastest links along its last axes."""
    slices = {getattr(device, "slice_index", 0) for device in devices}
    data, fsdp, tensor = shape
    if len(slices) > 1 and data % len(slices) == 0:  # several TPU slices: data between
        return mesh_utils.create_hybrid_device_mesh(
            (data // len(slices), fsdp, tensor), (len(slices), 1, 1), devices
        )
    if devices[0].platform == "cpu":  # in order: a process's devices are neighbours
        return np.asarray(devices).reshape(shape)
    return mesh_utils.create_device_mesh(shape, devices)
