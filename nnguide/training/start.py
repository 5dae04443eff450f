"""What a run begins with: where its state lives, and the state itself."""

import jax
import optax
from jax.sharding import Mesh

from nnguide.array_types import Key, Params
from nnguide.config import InputError
from nnguide.parallel import Mode, place, state_shardings
from nnguide.training.checkpoint import Checkpoints
from nnguide.training.step import State, initial_state
from nnguide.training.task import Task


def state_layout(
    task: Task,
    optimizer: optax.GradientTransformation,
    seed: int,
    mode: Mode,
    mesh: Mesh,
) -> State:
    """Where every array of the state lives: a state of shardings."""
    key = jax.random.key(seed)
    shapes = jax.eval_shape(lambda key: initial_state(task, optimizer, key), key)
    return state_shardings(lambda: task.init(key), shapes, mesh, mode)


def first_state(
    task: Task,
    optimizer: optax.GradientTransformation,
    seed: int,
    mesh: Mesh,
    layout: State,
    checkpoints: Checkpoints | None,
    start: Params | None,
) -> tuple[int, State]:
    """The first step and its state: restored, or born where it lives."""
    key = jax.random.key(seed)

    def make(key: Key, start: Params | None = None) -> State:
        return initial_state(task, optimizer, key, start)

    if checkpoints and checkpoints.exist():
        like = jax.tree.map(
            lambda leaf, sharding: jax.ShapeDtypeStruct(
                leaf.shape, leaf.dtype, sharding=sharding
            ),
            jax.eval_shape(make, key),
            layout,
        )
        restored = checkpoints.restore(like)
        if restored:
            return restored
    # Drawing the parameters runs once: on CPU, LLVM's first level of optimization
    # compiles it in less than half the time (measured) and gives the same bits.
    on_cpu = mesh.devices.flat[0].platform == "cpu"
    options = {"xla_backend_optimization_level": 1} if on_cpu else None
    born = jax.jit(make, out_shardings=layout, compiler_options=options)
    if start is None:
        return 0, born(place(key, mesh))
    _check_start(start, jax.eval_shape(make, key).params)
    return 0, born(place(key, mesh), jax.device_put(start, layout.params))


def _check_start(start: Params, wanted: Params) -> None:
    """Checks that a run can begin with these parameters.

    Raises:
      InputError: it trains others.
    """
    given, asked = (
        {jax.tree_util.keystr(path, simple=True, separator="/"): leaf.shape
         for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]}
        for tree in (start, wanted)
    )  # fmt: skip
    for name in sorted({*given, *asked}):
        if given.get(name) != asked.get(name):
            raise InputError(
                f"start: {name} is {given.get(name)} in the parameters to begin with "
                f"and {asked.get(name)} in this run; use the same --model flags."
            )
