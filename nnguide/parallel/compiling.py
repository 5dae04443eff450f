"""Compiles one pure step for all devices: by jit, by shard_map or by pmap.

Under jit the compiler splits the work by the sharding of state and rows; under
shard_map and pmap each device holds the whole state, runs the step on its part of the
rows, and the step itself sums over the named axis. In all three the state is an
ordinary tree without a device axis, so that one checkpoint serves them all.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import AbstractMesh, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from nnguide.config import InputError
from nnguide.parallel.layout import RULES, check_mode
from nnguide.parallel.mesh import Mode

Options = dict[str, str] | None

_ROWS = ("data", "fsdp")  # the mesh axes that split a batch


def device_axes(mode: Mode) -> str | tuple[str, ...] | None:
    """The axes over which a step sums; None where the compiler does it."""
    return {"jit": None, "shard_map": _ROWS, "pmap": "devices"}[mode]


def place(tree: Any, mesh: Mesh) -> Any:
    """Puts a whole copy of a tree of arrays on every device of the mesh."""
    everywhere = NamedSharding(mesh, P())
    if jax.process_count() == 1:
        return jax.device_put(tree, everywhere)

    def put(leaf: Any) -> jax.Array:
        if isinstance(leaf, jax.Array) and not leaf.is_fully_addressable:
            return jax.device_put(leaf, everywhere)
        if jnp.issubdtype(jnp.result_type(leaf), jax.dtypes.prng_key):
            data = put(jax.random.key_data(leaf))
            return jax.random.wrap_key_data(data, impl=jax.random.key_impl(leaf))
        return jax.make_array_from_process_local_data(everywhere, np.asarray(leaf))

    return jax.tree.map(put, tree)


def batch_shards(mesh: Mesh | AbstractMesh) -> int:
    """Into how many parts a batch is split."""
    return mesh.shape["data"] * mesh.shape["fsdp"]


def compile_step(
    step: Callable[..., tuple[Any, Any]],
    mesh: Mesh,
    mode: Mode,
    *,
    layout: Any = None,
    batch_axis: int = 0,
    returns_state: bool = True,
    options: Options = None,
) -> Callable[[Any, Any, Any], tuple[Any, Any]]:
    """Compiles `step(state, rows, shared, axis) -> (state, report)` for a mesh.

    Args:
      step: pure; `axis` names the device axes to sum over, None where the compiler
        does it. `shared` is the same everywhere.
      mesh: the devices.
      mode: "jit", "shard_map" or "pmap".
      layout: shardings of the state, as `state_shardings` gives them; None keeps it
        whole everywhere.
      batch_axis: where the rows' batch axis is: 1 where k steps are stacked before it.
      returns_state: whether a new state comes out, which then takes the old one's
        memory.
      options: of the compiler; pmap takes none.

    Returns:
      `run(state, rows, shared)`; shared as `place` put it, rows in NumPy: the whole
      batch, the same in every process.

    Raises:
      InputError: the mode cannot use the mesh's axes.
    """
    check_mode(mode, mesh)
    axis = device_axes(mode)

    def call(state: Any, rows: Any, shared: Any) -> tuple[Any, Any]:
        with nn.logical_axis_rules(RULES[mode]):  # while it is traced
            return step(state, rows, shared, axis)

    rows_spec = P(*[None] * batch_axis, _ROWS)
    donate = (0,) if returns_state else ()
    if mode == "jit":
        layout = NamedSharding(mesh, P()) if layout is None else layout
        run = _by_jit(call, mesh, rows_spec, layout, donate, options)
    elif mode == "shard_map":
        run = _by_shard_map(call, mesh, rows_spec, donate, options)
    else:
        run = _by_pmap(call, mesh, batch_axis, donate)

    def checked(state: Any, rows: Any, shared: Any) -> tuple[Any, Any]:
        _check_divides(rows, mesh, batch_axis)
        return run(state, rows, shared)

    return checked if mesh.size > 1 else run


def lower_step(
    step: Callable[..., tuple[Any, Any]],
    mesh: Mesh,
    layout: Any,
    state: Any,
    rows: Any,
    shared: Any,
) -> jax.stages.Lowered:
    """Lowers what `compile_step` runs under jit, from shapes alone.

    Args:
      step: as in `compile_step`.
      mesh: devices that need not be here, as `topologies` gives them.
      layout: shardings of the state.
      state: shapes of the state.
      rows: shapes of the rows.
      shared: shapes of what is the same everywhere.
    """

    def call(state: Any, rows: Any, shared: Any) -> tuple[Any, Any]:
        with nn.logical_axis_rules(RULES["jit"]):
            return step(state, rows, shared, None)

    jitted = _jitted(call, mesh, P(_ROWS), layout, (0,), None)
    with jax.set_mesh(mesh):
        return jitted.lower(state, rows, shared)


def _jitted(
    call: Callable,
    mesh: Mesh,
    rows_spec: P,
    layout: Any,
    donate: tuple,
    options: Options,
) -> Any:
    whole = NamedSharding(mesh, P())
    return jax.jit(
        call,
        in_shardings=(layout, NamedSharding(mesh, rows_spec), whole),
        out_shardings=(layout if donate else whole, whole),
        donate_argnums=donate,
        compiler_options=options,
    )


def _by_jit(
    call: Callable,
    mesh: Mesh,
    rows_spec: P,
    layout: Any,
    donate: tuple,
    options: Options,
) -> Callable:
    by_rows = NamedSharding(mesh, rows_spec)
    compiled = _jitted(call, mesh, rows_spec, layout, donate, options)

    def run(state: Any, rows: Any, shared: Any) -> tuple[Any, Any]:
        with jax.set_mesh(mesh):
            return compiled(state, _of_all_processes(rows, by_rows), shared)

    return run


def _by_shard_map(
    call: Callable, mesh: Mesh, rows_spec: P, donate: tuple, options: Options
) -> Callable:
    # check_vma=True would sum the gradients of replicated parameters by itself, and
    # the step's own sum would then count every device's share once more.
    mapped = jax.shard_map(
        call,
        mesh=mesh,
        in_specs=(P(), rows_spec, P()),
        out_specs=P(),
        check_vma=False,
    )
    compiled = jax.jit(mapped, donate_argnums=donate, compiler_options=options)
    by_rows = NamedSharding(mesh, rows_spec)
    return lambda state, rows, shared: compiled(
        state, _of_all_processes(rows, by_rows), shared
    )


def _by_pmap(call: Callable, mesh: Mesh, axis: int, donate: tuple) -> Callable:
    mapped = jax.pmap(
        call,
        axis_name="devices",
        in_axes=(None, axis, None),
        out_axes=None,  # the step sums over devices, so every device holds the result
        donate_argnums=donate,
        devices=list(mesh.devices.flat),
    )
    here, processes = jax.process_index(), jax.process_count()

    def split(leaf: np.ndarray) -> np.ndarray:
        shape = leaf.shape
        parts = leaf.reshape(*shape[:axis], mesh.size, -1, *shape[axis + 1 :])
        if processes == 1:
            return parts
        own = mesh.size // processes  # pmap takes this process's devices' rows
        return np.take(parts, np.arange(here * own, (here + 1) * own), axis)

    everywhere = NamedSharding(mesh, P())

    def join(leaf: jax.Array) -> jax.Array:
        shards = [shard.data for shard in leaf.addressable_shards]
        return jax.make_array_from_single_device_arrays(leaf.shape, everywhere, shards)

    def run(state: Any, rows: Any, shared: Any) -> tuple[Any, Any]:
        # Positional: pmap maps keyword arguments over their first axis, silently.
        found = mapped(state, jax.tree.map(split, rows), shared)
        # Of several processes each has results of its own devices; they are one array.
        return found if processes == 1 else jax.tree.map(join, found)

    return run


def _of_all_processes(rows: Any, sharding: NamedSharding) -> Any:
    """Rows as arrays over the devices of all processes, each bringing its own part."""
    if jax.process_count() == 1:
        return rows  # jit places them by itself
    axis = len(sharding.spec) - 1

    def join(leaf: np.ndarray) -> jax.Array:
        held = sharding.addressable_devices_indices_map(leaf.shape).values()
        ends = [part[axis].indices(leaf.shape[axis]) for part in held if part]
        own = slice(min(end[0] for end in ends), max(end[1] for end in ends))
        local = leaf[(slice(None),) * axis + (own,)]
        return jax.make_array_from_process_local_data(sharding, local, leaf.shape)

    return jax.tree.map(join, rows)


def _check_divides(rows: Any, mesh: Mesh, axis: int) -> None:
    size, parts = jax.tree.leaves(rows)[0].shape[axis], batch_shards(mesh)
    if size % parts:
        raise InputError(
            f"a batch of {size} does not divide over {parts} devices along data and "
            f"fsdp; choose a multiple of {parts}, or set --parallel.devices or "
            "--parallel.mesh."
        )
