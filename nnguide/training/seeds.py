"""Many networks at once: one task and one optimizer, vmapped over random seeds."""

from typing import Any

import jax
import optax

from nnguide.array_types import Array, Batch, Key
from nnguide.training.task import Task


def over_seeds(
    task: Task, optimizer: optax.GradientTransformation, count: int
) -> tuple[Task, optax.GradientTransformation]:
    """Trains `count` networks in one program; they share the batches.

    Params, optimizer state and metrics get a leading axis of that size. Network i
    starts from `split(key, count)[i]` and is the network a single run from that key
    would be.

    Args:
      task: any task.
      optimizer: any Optax transform.
      count: how many networks.

    Returns:
      The vmapped task and optimizer.
    """

    def keys(key: Key) -> Array:
        return jax.random.split(key, count)

    def loss(params: Any, batch: Batch, key: Key, **frozen: Any) -> Any:
        def single(params: Any, key: Key) -> Any:
            total, metrics = task.loss(params, batch, key, **frozen)
            return total, {"loss": total, **metrics}

        return jax.vmap(single)(params, keys(key))

    def evaluate(params: Any, batch: Batch, key: Key, **frozen: Any) -> Any:
        def single(params: Any, key: Key) -> Any:
            return task.evaluate(params, batch, key, **frozen)

        return jax.vmap(single)(params, keys(key))

    many = Task(lambda key: jax.vmap(task.init)(keys(key)), loss, evaluate)
    return many, optax.GradientTransformation(
        jax.vmap(optimizer.init), jax.vmap(optimizer.update)
    )
