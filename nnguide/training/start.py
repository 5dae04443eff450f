"""Where a run starts: the layout of its state, and the state, restored or born."""

import jax
import optax
from jax.sharding import Mesh

from nnguide.array_types import Key, Params
from nnguide.config import InputError
from nnguide.parallel import Mode, place, state_shardings
from nnguide.training.checkpoint import Checkpoints
from nnguide.training.step import State, initial_state
from nnguide.training.task import Task


class Start:
    """The first state of a run, on the mesh.

    Args:
      task: the subject.
      optimizer: of the run.
      seed: of the initial parameters.
      mesh: the devices.
      mode: who splits the step.
      given: parameters to begin with; None draws them.

    Attributes:
      layout: where every array of the state lives: a state of shardings.
    """

    def __init__(
        self,
        task: Task,
        optimizer: optax.GradientTransformation,
        seed: int,
        mesh: Mesh,
        mode: Mode,
        given: Params | None = None,
    ) -> None:
        self._key, self._mesh, self._given = jax.random.key(seed), mesh, given

        def make(key: Key, given: Params | None = None) -> State:
            return initial_state(task, optimizer, key, given)

        self._make = make
        self._shapes = jax.eval_shape(make, self._key)
        self.layout: State = state_shardings(
            lambda: task.init(self._key), self._shapes, mesh, mode
        )

    def restored(self, checkpoints: Checkpoints) -> tuple[int, State] | None:
        """The newest good checkpoint's step and state; None where there is none."""
        like = jax.tree.map(
            lambda leaf, sharding: jax.ShapeDtypeStruct(
                leaf.shape, leaf.dtype, sharding=sharding
            ),
            self._shapes,
            self.layout,
        )
        return checkpoints.restore(like)

    def born(self) -> State:
        """The state before the first step, made where it lives."""
        # Drawing the parameters runs once: on CPU, LLVM's first level of optimization
        # compiles it in less than half the time (measured) and gives the same bits.
        on_cpu = self._mesh.devices.flat[0].platform == "cpu"
        options = {"xla_backend_optimization_level": 1} if on_cpu else None
        born = jax.jit(self._make, out_shardings=self.layout, compiler_options=options)
        key = place(self._key, self._mesh)
        if self._given is None:
            return born(key)
        _check_given(self._given, self._shapes.params)
        return born(key, jax.device_put(self._given, self.layout.params))


def _check_given(given: Params, wanted: Params) -> None:
    """Checks that a run can begin with these parameters.

    Raises:
      InputError: it trains others.
    """
    there, asked = (
        {jax.tree_util.keystr(path, simple=True, separator="/"): leaf.shape
         for path, leaf in jax.tree_util.tree_flatten_with_path(tree)[0]}
        for tree in (given, wanted)
    )  # fmt: skip
    for name in sorted({*there, *asked}):
        if there.get(name) != asked.get(name):
            raise InputError(
                f"start: {name} is {there.get(name)} in the parameters to begin with "
                f"and {asked.get(name)} in this run; use the same --model flags."
            )
