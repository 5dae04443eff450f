"""A regression small enough to train in milliseconds, with noise in its loss."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from nnguide import training
from nnguide.parallel import ParallelConfig

SIZE, BATCH = 101, 16


class Batches(NamedTuple):
    stream: Callable[[int], Any]
    assemble: Callable[..., Any]
    arrays: Any


_RANDOM = np.random.default_rng(0)
INPUTS = _RANDOM.normal(size=(SIZE, 5)).astype(np.float32)
TARGETS = (INPUTS @ np.arange(5) + 1).astype(np.float32)


def _rows(first: int) -> Any:
    while True:
        generator = np.random.default_rng([7, first])
        yield generator.integers(0, SIZE, BATCH).astype(np.int32)
        first += 1


def _in_order(first: int) -> Any:
    for start in range(first * 40, SIZE, 40):
        yield np.arange(start, min(start + 40, SIZE), dtype=np.int32)


def _assemble(arrays: Any, rows: Any, key: Any) -> dict[str, Any]:
    return {"x": arrays[0][rows], "y": arrays[1][rows]}


TRAIN = Batches(_rows, _assemble, (INPUTS, TARGETS))
TEST = Batches(_in_order, _assemble, (INPUTS, TARGETS))


def errors(params: Any, batch: Any) -> Any:
    predicted = batch["x"] @ params["weight"][0] + params["bias"][0]
    return (predicted - batch["y"]) ** 2


def loss(params: Any, batch: Any, key: Any) -> Any:
    """Squared error under noise that belongs to the example, rows 0 mod 3 masked."""
    noise = jax.vmap(lambda i: jax.random.normal(jax.random.fold_in(key, i)))(
        batch["example"]
    )
    counts = batch["weight"] * (batch["example"] % 3 > 0)
    each = errors(params, batch) + 0.1 * noise * params["bias"][0]
    return ((each * counts).sum(), counts.sum()), {
        "noise": ((noise * counts).sum(), counts.sum())
    }


def evaluate(params: Any, batch: Any, key: Any) -> Any:
    weight = batch["weight"]
    return {"error": ((errors(params, batch) * weight).sum(), weight.sum())}


TASK = training.Task(
    lambda key: {"weight": jax.random.normal(key, (1, 5)), "bias": jnp.zeros(1)},
    loss,
    evaluate,
)


PLAIN = training.OptimizerConfig(rate=0.02)


def config(**changes: Any) -> training.Config:
    defaults = dict(steps=40, log_every=5, evaluate_every=10, save_every=10)
    quiet = dict(progress=False, parallel=ParallelConfig(devices=1))
    return training.Config(**{**defaults, **quiet, **changes})


def fit(
    workdir: Path | None = None,
    optimizer: training.OptimizerConfig = PLAIN,
    task: training.Task = TASK,
    **changes: Any,
) -> training.Fit:
    settings = config(**changes)
    return training.fit(
        task,
        training.make_optimizer(optimizer, settings.steps),
        TRAIN,
        settings,
        evaluation={"test": TEST},
        workdir=workdir,
    )


def gap(one: Any, other: Any) -> float:
    """The largest difference between two trees of parameters."""
    leaves = (jax.tree.leaves(jax.device_get(tree)) for tree in (one, other))
    return max(float(np.abs(a - b).max()) for a, b in zip(*leaves, strict=True))
