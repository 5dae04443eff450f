"""What the studies of several parts do alike: check, draw examples, train.

A study answers one question of a part. It gets the run's setting and returns claims and
pictures; its examples are drawn inside the compiled step, from their numbers.
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.plan import Plan
from nnguide import training
from nnguide.array_types import Array, Batch, Key
from nnguide.config import InputError
from nnguide.data.batches import Batches, RowStream
from nnguide.parallel import ParallelConfig
from nnguide.training import Fit, OptimizerConfig, Task

STEPS_PER_CALL = 50


def check(group: str, config: Any, **least: int) -> None:
    """Checks the whole numbers of a study's config where it is made.

    Args:
      group: the study's name among the flags.
      config: its config.
      **least: the lowest value of each; of a tuple, which must ascend, the first's.

    Raises:
      InputError: a value is out of range.
    """
    for name, low in least.items():
        value = getattr(config, name)
        if isinstance(value, tuple):
            if not value or value[0] < low or list(value) != sorted(set(value)):
                given = ",".join(map(str, value))
                raise InputError(
                    f"--{group}.{name}={given}: give one or more, ascending, from "
                    f"{low} on."
                )
        elif value < low:
            raise InputError(f"--{group}.{name}={value}: give {low} or more.")


def check_steps(group: str, steps: int) -> None:
    """Checks a number of training steps, which run several to a call.

    Raises:
      InputError: it is not positive, or does not divide.
    """
    if steps < 1 or steps % STEPS_PER_CALL:
        raise InputError(
            f"--{group}.steps={steps}: give a multiple of {STEPS_PER_CALL}."
        )


def drawn(draw: Callable[[Key], Batch], size: int, seed: int) -> Batches:
    """Endless batches of examples that are drawn inside the step.

    Args:
      draw: one example, without the batch axis, from its key.
      size: examples in a batch.
      seed: with an example's number it names the example; runs that share it read the
        same ones.
    """

    def rows(step: int) -> np.ndarray:
        return np.arange(step * size, (step + 1) * size, dtype=np.int32)

    return Batches(RowStream(rows), _assemble(draw, seed))


def drawn_evaluation(
    draw: Callable[[Key], Batch], size: int, examples: int, seed: int
) -> Batches:
    """A fixed set of examples, none of which training sees.

    Args:
      draw: as in `drawn`.
      size: examples in a batch.
      examples: of the set; a multiple of `size`.
      seed: of training.
    """

    def rows(step: int) -> np.ndarray:
        return -1 - np.arange(step * size, (step + 1) * size, dtype=np.int32)

    return Batches(RowStream(rows, examples // size), _assemble(draw, seed))


def examples(draw: Callable[[Key], Batch], count: int, seed: int) -> Batch:
    """The first examples of `drawn_evaluation`, at once."""
    rows = -1 - jnp.arange(count, dtype=jnp.int32)
    return jax.jit(lambda rows: _assemble(draw, seed)((), rows, None))(rows)


def _assemble(
    draw: Callable[[Key], Batch], seed: int
) -> Callable[[Any, Any, Any], dict[str, Array]]:
    def assemble(arrays: Any, rows: Any, key: Any) -> dict[str, Array]:
        del arrays, key  # the example's number is all its randomness
        base = jax.random.key(seed)
        keys = jax.vmap(lambda row: jax.random.fold_in(base, row))(rows)
        return jax.vmap(draw)(keys)

    return assemble


def plan(
    seed: int,
    name: str,
    task: Task,
    optimizer: OptimizerConfig,
    batches: Batches,
    steps: int,
    evaluation: Mapping[str, Batches],
) -> Plan:
    """A training on one device, `STEPS_PER_CALL` steps to a call.

    It is evaluated at every `STEPS_PER_CALL`-th step; the steps are a multiple of it.
    """
    config = training.Config(
        steps=steps,
        seed=seed,
        steps_per_call=STEPS_PER_CALL,
        log_every=STEPS_PER_CALL,
        evaluate_every=STEPS_PER_CALL,
        # Steps of milliseconds: spreading them would only cost.
        parallel=ParallelConfig(devices=1),
    )
    chain = training.make_optimizer(optimizer, steps)
    return Plan(name, task, chain, batches, config, evaluation)


def curve(fit: Fit, metric: str) -> tuple[np.ndarray, np.ndarray]:
    """The steps at which a metric was written, and its values."""
    rows = [row for row in fit.history if metric in row]
    return np.array([row["step"] for row in rows]), np.array(
        [row[metric] for row in rows]
    )
