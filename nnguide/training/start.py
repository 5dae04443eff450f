"""Where a run starts: the layout of its state, and the state, restored or born."""

import jax
import optax
from jax.sharding import Mesh

from nnguide.array_types import Key
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
    ) -> None:
        self._key, self._mesh = jax.random.key(seed), mesh

        def make(key: Key) -> State:
            return initial_state(task, optimizer, key)

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
        return born(place(self._key, self._mesh))
