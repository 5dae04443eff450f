"""Devices: one mesh, and one way to compile a step for it.

`mesh` lays the devices out; `compiling` turns a pure step into a program for them by
jit, shard_map or pmap, which all keep the state in the same layout.
"""

from nnguide.parallel.compiling import compile_step, device_axes, place
from nnguide.parallel.mesh import AXES, Mode, ParallelConfig, make_mesh

__all__ = [
    "AXES",
    "Mode",
    "ParallelConfig",
    "compile_step",
    "device_axes",
    "make_mesh",
    "place",
]
