"""Devices that need not be here: TPU pods, GPUs and virtual CPUs, and what they can do.

For TPUs the compiler (the package `libtpu`) is enough: a program compiles for a pod on
a machine without any TPU. For GPUs only shapes are known here.

Sources: TPUs: "How to scale your model" (jax-ml.github.io/scaling-book), chapter TPUs;
H100 SXM and H200: NVIDIA's data sheets, dense bfloat16 without sparsity.
"""

import math
import os
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import AbstractMesh, AxisType, Mesh

from nnguide.config import InputError
from nnguide.parallel.mesh import AXES, mesh_shape

GIB = 2**30


class Chip(NamedTuple):
    """What one device can do at most; None where nobody says.

    Attributes:
      memory: bytes.
      flops: bfloat16 FLOPs a second.
      memory_rate: bytes a second between memory and cores.
      link_rate: bytes a second over all links to other devices, in one direction.
    """

    memory: int | None
    flops: float | None
    memory_rate: float | None
    link_rate: float | None


CHIPS: dict[str, Chip] = {
    "v4": Chip(32 * GIB, 275e12, 1.2e12, 3 * 2 * 4.5e10),
    "v5e": Chip(16 * GIB, 197e12, 8.1e11, 2 * 2 * 4.5e10),
    "v5p": Chip(95 * GIB, 459e12, 2.8e12, 3 * 2 * 9e10),
    "v6e": Chip(32 * GIB, 920e12, 1.6e12, 2 * 2 * 9e10),
    "h100": Chip(80 * GIB, 989e12, 3.35e12, 4.5e11),
    "h200": Chip(141 * 10**9, 989e12, 4.8e12, 4.5e11),
    "cpu": Chip(None, None, None, None),
}


# Else libtpu looks for the metadata server of a TPU machine, refuses while any other
# process of this machine has it loaded, and complains that it knows neither this host's
# chips nor its neighbours. Here nothing will touch a TPU.
_WITHOUT_TPU = {
    "TPU_SKIP_MDS_QUERY": "1",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    "TPU_HOST_BOUNDS": "1,1,1",
    "TPU_WORKER_HOSTNAMES": "localhost",
}

# Both cores of a chip work as one, which is how JAX runs on it.
_AS_ONE_DEVICE = {"v4": {"chip_config_name": "megacore"}}


class Topology(NamedTuple):
    """A kind of device and how they are laid out.

    Attributes:
      kind: a key of `CHIPS`.
      platform: cpu, gpu or tpu.
      mesh: of real or described devices; abstract where only shapes can be computed.
    """

    kind: str
    platform: str
    mesh: Mesh | AbstractMesh

    @property
    def chip(self) -> Chip:
        """What one of its devices can do."""
        return CHIPS[self.kind]

    @property
    def compiles(self) -> bool:
        """Whether a program can be compiled for it here."""
        return isinstance(self.mesh, Mesh)


def make_topology(name: str, mesh: str) -> Topology:
    """Describes devices by name and arranges them.

    Args:
      name: KIND:SIZE, for instance v5p:8x8x16, v5e:4x4, h100:64 or cpu:8.
      mesh: devices an axis, as `ParallelConfig.mesh`.

    Raises:
      InputError: nobody knows such devices, the sizes do not fit, or the compiler for
        them is not installed.
    """
    kind, _, size = name.partition(":")
    parts = size.split("x")
    if kind not in CHIPS or not all(p.isdigit() and int(p) > 0 for p in parts):
        raise InputError(
            f"--topology={name}: give KIND:SIZE with a kind of {', '.join(CHIPS)}, for "
            "instance v5p:8x8x16, h100:64 or cpu:8."
        )
    count = math.prod(map(int, parts))
    shape = mesh_shape(mesh, count)
    if kind.startswith("v"):
        return Topology(kind, "tpu", _tpu_mesh(kind, name, shape))
    if kind == "cpu":
        return Topology(kind, "cpu", _cpu_mesh(name, count, shape))
    kinds = (AxisType.Auto,) * len(AXES)
    return Topology(kind, "gpu", AbstractMesh(shape, AXES, axis_types=kinds))


def _tpu_mesh(kind: str, name: str, shape: tuple[int, int, int]) -> Mesh:
    from jax.experimental import topologies

    for variable, value in _WITHOUT_TPU.items():
        os.environ.setdefault(variable, value)
    try:
        described = topologies.get_topology_desc(
            platform="tpu", topology_name=name, **_AS_ONE_DEVICE.get(kind, {})
        )
    except Exception as error:  # whatever the plugin raises
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise InputError(
            f"--topology={name}: not to be had here ({reason}); install the extra "
            "dry_run (libtpu), and give a size that such a pod has."
        ) from None
    return topologies.make_mesh(described, shape, AXES)


def _cpu_mesh(name: str, count: int, shape: tuple[int, int, int]) -> Mesh:
    there: list[Any] = jax.devices("cpu")
    if len(there) < count:
        raise InputError(
            f"--topology={name}: JAX sees {len(there)} CPU device(s); set "
            f"JAX_NUM_CPU_DEVICES={count}."
        )
    return Mesh(np.asarray(there[:count]).reshape(shape), AXES)
