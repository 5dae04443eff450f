"""Compiles one pure step for all devices: by jit, by shard_map or by pmap.

All three keep the state as an ordinary replicated tree without a device axis, so that
one checkpoint, one placement and one result serve them all. Under jit the compiler
splits the work by the sharding of the rows; under shard_map and pmap each device runs
the step on its part of the rows and the step itself sums over the named axis.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from nnguide.config import InputError
from nnguide.parallel.mesh import Mode

_ROWS = ("data", "fsdp")  # the mesh axes that split a batch


def device_axes(mode: Mode) -> str | tuple[str, ...] | None:
    """The axes over which a step sums; None where the compiler does it."""
    return {"jit": None, "shard_map": _ROWS, "pmap": "devices"}[mode]


def place(tree: Any, mesh: Mesh) -> Any:
    """Puts a whole copy of a tree of arrays on every device of the mesh."""
    return jax.device_put(tree, NamedSharding(mesh, P()))


def compile_step(
    step: Callable[..., tuple[Any, Any]],
    mesh: Mesh,
    mode: Mode,
    *,
    batch_axis: int = 0,
    donate: bool = True,
) -> Callable[[Any, Any, Any], tuple[Any, Any]]:
    """Compiles `step(state, rows, shared, axis) -> (state, report)` for a mesh.

    Args:
      step: pure; `axis` names the device axes to sum over, None where the compiler
        does it. `shared` is the same everywhere.
      mesh: the devices.
      mode: "jit", "shard_map" or "pmap".
      batch_axis: where the rows' batch axis is: 1 where k steps are stacked before it.
      donate: lets the new state take the old one's memory.

    Returns:
      `run(state, rows, shared)`; state and shared as `place` put them, rows in NumPy.
    """
    axis = device_axes(mode)

    def call(state: Any, rows: Any, shared: Any) -> tuple[Any, Any]:
        return step(state, rows, shared, axis)

    compiler = {"jit": _by_jit, "shard_map": _by_shard_map, "pmap": _by_pmap}[mode]
    rows_spec = P(*[None] * batch_axis, _ROWS)
    run = compiler(call, mesh, rows_spec, (0,) if donate else ())

    def checked(state: Any, rows: Any, shared: Any) -> tuple[Any, Any]:
        _check_divides(rows, mesh, batch_axis)
        return run(state, rows, shared)

    return checked if mesh.size > 1 else run


def _by_jit(call: Callable, mesh: Mesh, rows_spec: P, donate: tuple) -> Callable:
    whole = NamedSharding(mesh, P())
    compiled = jax.jit(
        call,
        in_shardings=(whole, NamedSharding(mesh, rows_spec), whole),
        out_shardings=whole,
        donate_argnums=donate,
    )

    def run(state: Any, rows: Any, shared: Any) -> tuple[Any, Any]:
        with jax.set_mesh(mesh):
            return compiled(state, rows, shared)

    return run


def _by_shard_map(call: Callable, mesh: Mesh, rows_spec: P, donate: tuple) -> Callable:
    # check_vma=True would sum the gradients of replicated parameters by itself, and
    # the step's own sum would then count every device's share once more.
    mapped = jax.shard_map(
        call,
        mesh=mesh,
        in_specs=(P(), rows_spec, P()),
        out_specs=P(),
        check_vma=False,
    )
    return jax.jit(mapped, donate_argnums=donate)


def _by_pmap(call: Callable, mesh: Mesh, rows_spec: P, donate: tuple) -> Callable:
    axis = len(rows_spec) - 1  # the rows' batch axis
    mapped = jax.pmap(
        call,
        axis_name="devices",
        in_axes=(None, axis, None),
        out_axes=None,  # the step sums over devices, so every device holds the result
        donate_argnums=donate,
        devices=list(mesh.devices.flat),
    )

    def split(leaf: np.ndarray) -> np.ndarray:
        shape = leaf.shape
        return leaf.reshape(*shape[:axis], mesh.size, -1, *shape[axis + 1 :])

    # Positional: pmap maps keyword arguments over their first axis, silently.
    return lambda state, rows, shared: mapped(state, jax.tree.map(split, rows), shared)


def _check_divides(rows: Any, mesh: Mesh, axis: int) -> None:
    size = jax.tree.leaves(rows)[0].shape[axis]
    if size % mesh.size:
        raise InputError(
            f"a batch of {size} does not divide over {mesh.size} devices; "
            f"choose a multiple of {mesh.size}, or set --train.parallel.devices."
        )
