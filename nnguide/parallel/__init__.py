"""Devices: one mesh, one table of what it splits, one way to compile a step for it.

`mesh` lays the devices out, `layout` says where each array of a state lives,
`compiling` turns a pure step into a program for them by jit, shard_map or pmap, and
`processes` joins several processes, on one machine or a cluster.
"""

from nnguide.parallel.compiling import (
    batch_shards,
    compile_step,
    device_axes,
    lower_step,
    place,
)
from nnguide.parallel.layout import state_shardings
from nnguide.parallel.mesh import Mode, ParallelConfig, make_mesh
from nnguide.parallel.processes import (
    ClusterConfig,
    anyone,
    gathered,
    join_cluster,
    together,
    writes,
)

__all__ = [
    "ClusterConfig",
    "Mode",
    "ParallelConfig",
    "anyone",
    "batch_shards",
    "compile_step",
    "device_axes",
    "gathered",
    "join_cluster",
    "lower_step",
    "make_mesh",
    "place",
    "state_shardings",
    "together",
    "writes",
]
