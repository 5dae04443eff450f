"""Evaluation of a whole set: sums over batches of one shape, exact on ragged ends."""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from nnguide.array_types import Metrics
from nnguide.parallel import Mode, batch_shards, compile_step, place
from nnguide.training.step import make_evaluation
from nnguide.training.task import Batches, Task


def evaluator(
    task: Task,
    batches: Batches,
    frozen: Mapping[str, Any],
    seed: int,
    mode: Mode,
    mesh: Mesh,
    layout: Any = None,
) -> Callable[[Any], Metrics]:
    """A function of the params that sums the metrics of every evaluation batch.

    All batches get one shape: ragged ends are filled up with rows of weight 0.

    Args:
      task: its `evaluate` is compiled once.
      batches: their stream ends.
      frozen: arrays handed to `evaluate` by name.
      seed: batch number n gets the key `fold_in(key(seed), n)`.
      mode: as in `parallel.compile_step`.
      mesh: the devices.
      layout: shardings of the params; None keeps them whole everywhere.

    Returns:
      The function; its sums stay on the devices until they are fetched.
    """
    run = compile_step(
        make_evaluation(task, batches), mesh, mode, layout=layout, returns_state=False
    )
    shared = place((batches.arrays, frozen), mesh)
    key, shards = jax.random.key(seed), batch_shards(mesh)

    def evaluate(params: Any) -> Any:
        sums, size = {}, 0
        for number, rows in enumerate(batches.stream(0)):
            count = jax.tree.leaves(rows)[0].shape[0]
            size = size or -(-count // shards) * shards
            weight = (np.arange(size) < count).astype(np.float32)
            padded = jax.tree.map(lambda leaf, size=size: _pad(leaf, size), rows)
            batch_key = place(jax.random.fold_in(key, number), mesh)
            _, metrics = run(params, (padded, weight), (*shared, batch_key))
            sums = jax.tree.map(jnp.add, sums, metrics) if sums else metrics
        return sums

    return evaluate


def _pad(leaf: np.ndarray, size: int) -> np.ndarray:
    """Repeats the first row up to a size."""
    missing = size - leaf.shape[0]
    return np.concatenate([leaf, np.repeat(leaf[:1], missing, axis=0)])
