"""The phase diagram of superposition: 40 x 40 cells from 4 starts each.

Ours trains all 6,400 models in one program. The peer runs the same program of one model
again and again, compiled once. It would take minutes, so each turn takes a part of the
runs and counts their seconds as many times over.
"""

import time
from collections.abc import Callable
from functools import partial

import jax
import numpy as np

from experiments.benchmark import Case
from experiments.part8.best_of_seeds import ADAM
from experiments.part8.superposition import Config
from experiments.part8.toy_models import GRID_BATCH, grid_conditions
from experiments.study import drawn
from nnguide import training
from nnguide.array_types import Array, Key
from nnguide.facts import superposition
from nnguide.training.step import initial_state, make_step

SIDE, SEEDS, STEPS = 40, 4, Config().grid_steps
TIMED = 64  # runs of the loop; every 25th cell, from one start


def cases(peers: bool) -> list[Case]:
    """The grid in one program, and if asked for in a loop over its models."""
    conditions = grid_conditions(SIDE)
    contenders = {"nnguide": _whole(conditions)}
    runs = SIDE * SIDE * SEEDS
    if peers:
        name = f"loop_over_{TIMED}_of_{runs}_jitted_runs_scaled"
        contenders[name] = _loop(conditions, runs / TIMED)
    name = f"{SIDE} x {SIDE} cells x {SEEDS} starts, {STEPS} steps"
    return [Case(name, runs, "models", contenders)]


def _trained(seeds: int) -> Callable[[superposition.Conditions, Key], Array]:
    """A compiled training of a model a condition and start; gives their weights."""
    batches = drawn(partial(superposition.draw_features, features=2), GRID_BATCH, 0)
    rows = np.stack([next(batches.stream(step)) for step in range(STEPS)])

    @jax.jit
    def trained(conditions: superposition.Conditions, key: Key) -> Array:
        task, optimizer = training.over_seeds(
            training.Task(*superposition.functions(1, conditions)),
            training.make_optimizer(ADAM, STEPS),
            seeds,
        )
        step = make_step(task, optimizer, batches, steps_per_call=STEPS)
        state = initial_state(task, optimizer, key)
        return step(state, rows, ((), {}), None)[0].params["weight"]

    return trained


def _whole(conditions: superposition.Conditions) -> Callable[[], float | None]:
    trained = _trained(SEEDS)

    def turn() -> None:
        jax.block_until_ready(trained(conditions, jax.random.key(0)))

    return turn


def _loop(
    conditions: superposition.Conditions, times: float
) -> Callable[[], float | None]:
    trained = _trained(1)
    cells = [
        superposition.Conditions(*(each[cell : cell + 1] for each in conditions))
        for cell in range(0, SIDE * SIDE, SIDE * SIDE // TIMED)
    ]

    def turn() -> float:
        started = time.perf_counter()
        for number, cell in enumerate(cells):
            jax.block_until_ready(trained(cell, jax.random.key(number)))
        return (time.perf_counter() - started) * times

    return turn
