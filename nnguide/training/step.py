"""One pure training step and one pure evaluation step, for any task.

Losses and metrics are (sum, weight) pairs. Microbatches and devices add up their pairs,
and the step divides once; masks, gradient accumulation, shards and ragged last batches
therefore give the exact mean, which a mean of means does not. A step of weight 0 has no
mean and is skipped: parameters and optimizer state stay unchanged.
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
    """The training state, a pytree of arrays.

    Attributes:
      step: number of steps taken, int32.
      params: the parameters, without Linen's boxes.
      opt_state: the optimizer's state.
      key: the run's random key, which is constant; each step folds its number in.
    """

    step: Any  # Any: Orbax and tree functions also build states of other leaves
    params: Any
    opt_state: Any
    key: Any


def initial_state(
    task: Task,
    optimizer: optax.GradientTransformation,
    key: Key,
    start: Params | None = None,
) -> State:
    """Initializes the training state.

    Args:
      task: initializes the parameters; Linen's metadata boxes are removed.
      optimizer: initializes its own state.
      key: split into the key of the parameters and the run's key.
      start: initial parameters, which are copied; None calls `task.init`.
    """
    init_key, run_key = jax.random.split(key)
    if start is None:
        params = nn.unbox(task.init(init_key))
    else:  # a copy: the state is donated to the step
        params = jax.tree.map(lambda leaf: jnp.array(leaf, copy=True), start)
    return State(jnp.zeros((), jnp.int32), params, optimizer.init(params), run_key)


@jax.jit
def all_finite(params: Any) -> Array:
    """Whether all numbers are finite, computed on the arrays' devices."""
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
    """Makes the training step of a task, or k steps in one program.

    Args:
      task: provides the loss.
      optimizer: an Optax transform; it gets the gradient of the mean loss.
      batches: the data; their `assemble` is traced into the step.
      accumulation: number of microbatches in a step.
      steps_per_call: k > 1 takes rows stacked to (k, B, ...) and scans over them; the
        metrics are summed over the k steps. All k batches are assembled before the
        scan, because a gather inside it takes longer than a small network's matmuls.
      skip_non_finite: skips a step whose loss, metrics or gradient are not finite. A
        step of weight 0 is always skipped.

    Returns:
      `step(state, rows, (arrays, frozen), axis) -> (state, metrics)`. The metrics are
      {name: (sum, weight)}, among them "loss" and "skipped", the share of skipped
      steps; without `skip_non_finite`, "skipped" has weight 0 if no step was skipped.
      A skipped step leaves params and optimizer state unchanged, and its other metrics
      have weight 0.
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
                # n networks trained in one step give totals and equal weights of shape
                # (n,). The sum keeps each network's gradient independent.
                return total[0].sum(), (total[1], {"loss": total, **metrics})

            (_, report), gradient = jax.value_and_grad(objective, has_aux=True)(
                state.params
            )
            return gradient, report

        sums = _accumulate(gradient_sums, batch, accumulation)
        gradient, (weight, metrics) = _sum_over(axis, sums)
        has_weight = weight.mean() != 0
        divisor = jnp.where(has_weight, weight.mean(), 1)
        gradient = jax.tree.map(lambda g: g / divisor, gradient)
        updates, opt_state = optimizer.update(gradient, state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        new = State(state.step + 1, params, opt_state, state.key)
        accepted = _accepted(skip_non_finite, has_weight, gradient, metrics)
        return _if_accepted(accepted, state, new, metrics)

    def step(state: State, rows: Any, shared: Any, axis: Axis) -> tuple[State, Metrics]:
        state, metrics = run(state, rows, shared, axis)
        return state, metrics | _skipped(metrics, always=skip_non_finite)

    def run(state: State, rows: Any, shared: Any, axis: Axis) -> tuple[State, Metrics]:
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
    """Makes the evaluation step of a task.

    Args:
      task: provides `evaluate`.
      batches: the data; their `assemble` is traced into the step.

    Returns:
      `step(params, (rows, weight), (arrays, frozen, key), axis) -> (None, metrics)`;
      `weight` (B,) is 0 for padding rows.
    """

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
    """Each row's index in the global batch, (B,) int32."""
    size = jax.tree.leaves(rows)[0].shape[0]
    first = 0 if axis is None else jax.lax.axis_index(axis) * size
    return first + jnp.arange(size, dtype=jnp.int32)


def _assemble(
    batches: Batches, arrays: Any, rows: Any, examples: Array, key: Key
) -> dict[str, Array]:
    """The batch with `example`, and with `weight` 1 unless it has weights already."""
    ones = jnp.ones(examples.shape, jnp.float32)
    return {"weight": ones, **batches.assemble(arrays, rows, key), "example": examples}


def _accumulate(gradient_sums: Callable, batch: Any, count: int) -> Any:
    """Sums over microbatches; the j-th has rows j, j + count, ... of each device."""
    if count == 1:
        return gradient_sums(batch)
    size = batch["example"].shape[0]
    if size % count:
        raise InputError(
            f"train.accumulation={count}: a device's batch of {size} does not divide "
            f"into {count} equal parts; choose a divisor."
        )

    def split(leaf: Array) -> Array:
        return leaf.reshape(-1, count, *leaf.shape[1:]).swapaxes(0, 1)

    microbatches = jax.tree.map(split, batch)
    first = jax.tree.map(lambda leaf: leaf[0], microbatches)
    zeros = jax.tree.map(
        lambda leaf: jnp.zeros(leaf.shape, leaf.dtype),
        jax.eval_shape(gradient_sums, first),
    )

    def add(sums: Any, microbatch: Any) -> tuple[Any, None]:
        return jax.tree.map(jnp.add, sums, gradient_sums(microbatch)), None

    return jax.lax.scan(add, zeros, microbatches)[0]


def _accepted(
    skip_non_finite: bool, has_weight: Array, gradient: Any, metrics: Metrics
) -> Array:
    """Whether a step is taken: its weight is not 0 and, if required, all is finite."""
    if not skip_non_finite:
        return has_weight
    return has_weight & all_finite((gradient, metrics))


def _if_accepted(
    accepted: Array, old: State, new: State, metrics: Metrics
) -> tuple[State, Metrics]:
    """The new state and metrics; if not accepted, the old state and zero metrics.

    The step number advances in both cases. The metric "skipped" is added.
    """
    kept = State(new.step, old.params, old.opt_state, old.key)
    state, metrics = jax.tree.map(
        lambda new, old: jnp.where(accepted, new, old),
        (new, metrics),
        (kept, jax.tree.map(jnp.zeros_like, metrics)),
    )
    skipped = 1 - accepted.astype(jnp.float32), jnp.ones((), jnp.float32)
    return state, {**metrics, "skipped": skipped}


def _skipped(metrics: Metrics, always: bool) -> Metrics:
    """The metric "skipped"; its weight is set to 0 if its sum is 0, unless `always`."""
    total, weight = metrics["skipped"]
    return {"skipped": (total, jnp.where(always | (total > 0), weight, 0))}


def _sum_over(axis: Axis, tree: Any) -> Any:
    """Sums over the devices of a mesh axis, if there is one."""
    return tree if axis is None else jax.lax.psum(tree, axis)
