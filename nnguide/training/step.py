"""One pure training step and one pure evaluation step, for any task.

Everything is a sum with a weight: microbatches and devices add their sums, and the
step divides once. Masks, accumulation, shards and ragged ends are exact that way; a
mean of means is not.
"""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from flax import struct

from nnguide.array_types import Array, Key, Metrics, Params
from nnguide.config import InputError
from nnguide.training.task import Batches, Task

Axis = str | tuple[str, ...] | None


@struct.dataclass
class State:
    """Everything a run carries from step to step, arrays only.

    Attributes:
      step: how many steps were taken, int32.
      params: the parameters, a plain tree.
      opt_state: the optimizer's.
      key: the run's random key; a step folds its number in and never replaces it.
    """

    step: Any  # Any: Orbax and tree functions rebuild states of things not arrays
    params: Any
    opt_state: Any
    key: Any


def initial_state(
    task: Task,
    optimizer: optax.GradientTransformation,
    key: Key,
    start: Params | None = None,
) -> State:
    """The state before the first step; Linen's boxes are taken off here.

    Args:
      task: makes the parameters.
      optimizer: makes its own state of them.
      key: of both the parameters and the run.
      start: parameters to begin with instead.
    """
    init_key, run_key = jax.random.split(key)
    if start is None:
        params = nn.unbox(task.init(init_key))
    else:  # a copy: the state is donated to the step
        params = jax.tree.map(lambda leaf: jnp.array(leaf, copy=True), start)
    return State(jnp.zeros((), jnp.int32), params, optimizer.init(params), run_key)


@jax.jit
def all_finite(params: Any) -> Array:
    """Whether no parameter is NaN or infinite; computed where they live."""
    each = [jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(params)]
    return jnp.stack(each).all()


def make_step(
    task: Task,
    optimizer: optax.GradientTransformation,
    batches: Batches,
    accumulation: int = 1,
    steps_per_call: int = 1,
    *,
    skip_non_finite: bool = False,
) -> Callable[[State, Any, Any, Axis], tuple[State, Metrics]]:
    """The training step of a task, or k of them in one program.

    Args:
      task: the subject.
      optimizer: an Optax transform; it sees the gradient of the mean loss.
      batches: their `assemble` is traced into the step.
      accumulation: microbatches a step, whose gradients are summed.
      steps_per_call: k > 1 takes rows stacked to (k, B, ...) and scans; the metrics are
        summed over the k steps. All k batches are assembled before the scan: a gather
        inside it costs a small network more than its matrix products.
      skip_non_finite: leave params and optimizer as they were where the loss or its
        gradient is not finite; the metrics of such a step count nothing, and
        "skipped" is the share of such steps.

    Returns:
      `step(state, rows, (arrays, frozen), axis) -> (state, metrics)`; metrics are
      sums with weights, "loss" among them.
    """

    def prepare(state: State, rows: Any, number: Array, arrays: Any, axis: Axis) -> Any:
        """The batch and the key of one step."""
        data_key, loss_key = jax.random.split(jax.random.fold_in(state.key, number))
        batch = _assemble(batches, arrays, rows, _examples(rows, axis), data_key)
        return batch, loss_key

    def update(
        state: State, prepared: Any, frozen: Any, axis: Axis
    ) -> tuple[State, Metrics]:
        batch, loss_key = prepared

        def gradient_sums(batch: Any) -> Any:
            def objective(params: Any) -> Any:
                total, metrics = task.loss(params, batch, loss_key, **frozen)
                # Where n networks share a step, the totals have n entries and the
                # weights are equal; each network's gradient is its own.
                return total[0].sum(), (total[1], {"loss": total, **metrics})

            (_, report), gradient = jax.value_and_grad(objective, has_aux=True)(
                state.params
            )
            return gradient, report

        if accumulation == 1:
            sums = gradient_sums(batch)
        else:
            sums = _accumulate(gradient_sums, batch, accumulation)
        gradient, (weight, metrics) = _sum_over(axis, sums)
        gradient = jax.tree.map(lambda g: g / weight.mean(), gradient)
        updates, opt_state = optimizer.update(gradient, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        new = State(state.step + 1, params, opt_state, state.key)
        return _accepted(skip_non_finite, gradient, state, new, metrics)

    def step(state: State, rows: Any, shared: Any, axis: Axis) -> tuple[State, Metrics]:
        arrays, frozen = shared
        if steps_per_call == 1:
            prepared = prepare(state, rows, state.step, arrays, axis)
            return update(state, prepared, frozen, axis)
        numbers = state.step + jnp.arange(steps_per_call)
        prepared = jax.vmap(
            lambda rows, number: prepare(state, rows, number, arrays, axis)
        )(rows, numbers)
        state, metrics = jax.lax.scan(
            lambda state, prepared: update(state, prepared, frozen, axis),
            state,
            prepared,
        )
        return state, jax.tree.map(lambda metric: metric.sum(0), metrics)

    return step


def make_evaluation(
    task: Task, batches: Batches
) -> Callable[[Any, Any, Any, Axis], tuple[None, Metrics]]:
    """The evaluation step: `(params, (rows, weight), (arrays, frozen, key), axis)`."""

    def step(params: Any, rows: Any, shared: Any, axis: Axis) -> tuple[None, Metrics]:
        (rows, weight), (arrays, frozen, key) = rows, shared
        data_key, evaluate_key = jax.random.split(key)
        examples = _examples(rows, axis)
        batch = _assemble(batches, arrays, rows, examples, data_key)
        batch["weight"] = batch["weight"] * weight
        metrics = task.evaluate(params, batch, evaluate_key, **frozen)
        return None, _sum_over(axis, metrics)

    return step


def _examples(rows: Any, axis: Axis) -> Array:
    """Each row's place in the global batch, (B,) int32."""
    size = jax.tree.leaves(rows)[0].shape[0]
    first = 0 if axis is None else jax.lax.axis_index(axis) * size
    return first + jnp.arange(size, dtype=jnp.int32)


def _assemble(
    batches: Batches, arrays: Any, rows: Any, examples: Array, key: Key
) -> dict[str, Array]:
    ones = jnp.ones(examples.shape, jnp.float32)
    return {"weight": ones, **batches.assemble(arrays, rows, key), "example": examples}


def _accumulate(gradient_sums: Callable, batch: Any, count: int) -> Any:
    """Adds up microbatches; the j-th has examples j, j + count, ... of every device."""
    size = batch["example"].shape[0]
    if size % count:
        raise InputError(
            f"train.accumulation={count}: a device's batch of {size} does not divide "
            f"into {count} equal parts; choose a divisor."
        )

    def split(leaf: Array) -> Array:
        return leaf.reshape(-1, count, *leaf.shape[1:]).swapaxes(0, 1)

    pieces = jax.tree.map(split, batch)
    first = jax.tree.map(lambda leaf: leaf[0], pieces)
    zeros = jax.tree.map(
        lambda leaf: jnp.zeros(leaf.shape, leaf.dtype),
        jax.eval_shape(gradient_sums, first),
    )

    def add(sums: Any, piece: Any) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, sums, gradient_sums(piece)), None

    return jax.lax.scan(add, zeros, pieces)[0]


def _accepted(
    skip_non_finite: bool, gradient: Any, old: State, new: State, metrics: Metrics
) -> tuple[State, Metrics]:
    """The new state; or the old one a step on, its metrics counting nothing."""
    if not skip_non_finite:
        return new, metrics
    good = all_finite((gradient, metrics))
    kept = State(new.step, old.params, old.opt_state, old.key)
    state, metrics = jax.tree.map(
        lambda new, old: jnp.where(good, new, old),
        (new, metrics),
        (kept, jax.tree.map(jnp.zeros_like, metrics)),
    )
    skipped = 1 - good.astype(jnp.float32), jnp.ones((), jnp.float32)
    return state, {**metrics, "skipped": skipped}


def _sum_over(axis: Axis, tree: Any) -> Any:
    return tree if axis is None else jax.lax.psum(tree, axis)
