"""Where each array of a state lives: logical axis names -> axes of the mesh.

Modules name the axes of their parameters in the guide's words. One table a mode says
which axis of the mesh splits which of them; an axis that does not divide stays whole (a
vocabulary of 65 over two devices), and so does everything that has no names.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
from jax.sharding import AbstractMesh, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from nnguide.config import InputError
from nnguide.parallel.mesh import Mode

Rules = tuple[tuple[str, str | tuple[str, ...]], ...]

# Under jit the compiler splits what the rules name; shard_map and pmap run the step on
# each device's rows with the whole state, so there is nothing to name.
RULES: dict[Mode, Rules] = {
    "jit": (
        ("batch", ("data", "fsdp")),
        ("embedding", "fsdp"),
        ("heads", "tensor"),
        ("neurons", "tensor"),
        ("vocabulary", "tensor"),
    ),
    "shard_map": (),
    "pmap": (),
}


def check_mode(mode: Mode, mesh: Mesh) -> None:
    """Checks that a mode can use the axes of a mesh.

    Raises:
      InputError: fsdp or tensor would split a state that the mode keeps whole.
    """
    split = {name: mesh.shape[name] for name in ("fsdp", "tensor")}
    asked = ",".join(f"{name}:{size}" for name, size in split.items() if size > 1)
    if asked and mode != "jit":
        raise InputError(
            f"--parallel.mesh={asked}: --parallel.mode={mode} keeps the whole state on "
            "every device and splits the batch alone; use --parallel.mode=jit, or a "
            "mesh of data."
        )


def state_shardings(
    boxed_params: Callable[[], Any],
    state: Any,
    mesh: Mesh | AbstractMesh,
    mode: Mode,
) -> Any:
    """The sharding of every array of a training state.

    What mirrors a parameter (a moment, a running average: its path ends with the
    parameter's and its shape is the same) lives where the parameter does.

    Args:
      boxed_params: makes the parameters in Linen's boxes; only its shapes are computed.
      state: shapes of the whole state, without boxes.
      mesh: the devices; abstract ones do.
      mode: who splits the step.

    Returns:
      A tree like `state`.
    """
    boxed = jax.eval_shape(boxed_params)
    whole = NamedSharding(mesh, P())
    placed = {}
    flat = jax.tree_util.tree_flatten_with_path(boxed, is_leaf=_is_box)[0]
    for path, leaf in flat:
        value = leaf.value if _is_box(leaf) else leaf
        names = leaf.names if _is_box(leaf) else ()
        spec = _spec(names, value.shape, mesh, RULES[mode])
        placed[_names(path)] = value.shape, NamedSharding(mesh, spec)

    def of(path: Any, leaf: Any) -> NamedSharding:
        names = _names(path)
        for start in range(len(names)):
            shape, sharding = placed.get(names[start:], (None, whole))
            if shape == leaf.shape:
                return sharding
        return whole

    return jax.tree_util.tree_map_with_path(of, state)


def _is_box(node: Any) -> bool:
    return isinstance(node, nn.LogicallyPartitioned)


def _names(path: Any) -> tuple[str, ...]:
    """The keys of a path; a tree of one array has an empty one."""
    return tuple(jax.tree_util.keystr((key,), simple=True) for key in path)


def _spec(names: Any, shape: tuple[int, ...], mesh: Any, rules: Rules) -> P:
    if len(names) != len(shape):  # no names, or an axis of seeds before them
        return P()
    axes: list[Any] = []
    for name, size in zip(names, shape, strict=True):
        axis = dict(rules).get(name)
        fits = isinstance(axis, str) and size % mesh.shape[axis] == 0
        axes.append(axis if fits and axis not in axes else None)
    return P(*axes)
