"""Optimizers from a config: an Optax chain of clipping, update rule and EMA.

Parameters are classified by *name*, because stacked layers make a bias two-dimensional.
`kernel` (..., in, out) is Linen's name for a matrix; `weight` (..., out, in) is this
package's.
"""

import dataclasses
import math
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from optax import contrib

from nnguide.array_types import Array, Params
from nnguide.config import InputError

Rule = Literal["sgd", "momentum", "adamw", "lion", "muon"]
Schedule = Literal["constant", "cosine", "warmup_stable_decay"]


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """Options of an optimizer.

    Attributes:
      name: the update rule; adamw with weight_decay 0 is Adam.
      rate: the peak learning rate.
      schedule: the learning-rate schedule.
      warmup_steps: steps of linear warm-up from 0.
      decay_share: fraction of the steps in the final decay of warmup_stable_decay.
      final_share: final learning rate of a decay, as a fraction of the peak.
      momentum: momentum coefficient (momentum, muon).
      beta1: decay rate of the first moment (adamw, lion, muon's Adam).
      beta2: decay rate of the second moment (adamw, lion, muon's Adam).
      weight_decay: decoupled weight decay of matrices and embedding tables, not of
        biases and norm scales (adamw, lion, muon).
      clip: largest global norm of the gradient; 0 is off.
      average_decay: decay rate of an exponential moving average of the parameters; 0 is
        off.
    """

    name: Rule = "sgd"
    rate: float = 0.1
    schedule: Schedule = "constant"
    warmup_steps: int = 0
    decay_share: float = 0.2
    final_share: float = 0.0
    momentum: float = 0.9
    beta1: float = 0.9
    beta2: float = 0.999
    weight_decay: float = 0.0
    clip: float = 0.0
    average_decay: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.rate < math.inf:
            raise InputError(f"optimizer.rate={self.rate}: give more than 0.")
        for name in ("decay_share", "final_share"):
            self._check(name, 0 <= getattr(self, name) <= 1, "a share from 0 to 1")
        for name in ("momentum", "beta1", "beta2", "average_decay"):
            self._check(name, 0 <= getattr(self, name) < 1, "a share from 0 to below 1")
        for name in ("warmup_steps", "weight_decay", "clip"):
            valid = 0 <= getattr(self, name) < math.inf
            self._check(name, valid, "0 (off) or more")
        if self.weight_decay and self.name in ("sgd", "momentum"):
            raise InputError(
                f"optimizer.weight_decay={self.weight_decay}: {self.name} has none; "
                "choose adamw, lion or muon."
            )

    def _check(self, name: str, valid: bool, remedy: str) -> None:
        if not valid:
            raise InputError(f"optimizer.{name}={getattr(self, name)}: give {remedy}.")


def make_schedule(config: OptimizerConfig, steps: int) -> optax.Schedule:
    """Makes the learning-rate schedule, step number -> rate.

    Args:
      config: the optimizer's options.
      steps: number of steps of the run.

    Raises:
      InputError: warm-up and decay do not fit into the steps.
    """
    rate, warm = config.rate, config.warmup_steps
    decay = round(config.decay_share * steps)
    last = config.final_share * rate
    if config.schedule != "warmup_stable_decay":
        decay = 0
    if warm + decay > steps:
        raise InputError(
            f"optimizer.warmup_steps={warm}: with {decay} steps of decay that is more "
            f"than the run's {steps} steps; warm up for fewer."
        )
    rest = steps - warm
    after = {
        "constant": optax.constant_schedule(rate),
        "cosine": optax.cosine_decay_schedule(rate, max(rest, 1), config.final_share),
        "warmup_stable_decay": optax.join_schedules(
            [
                optax.constant_schedule(rate),
                optax.linear_schedule(rate, last, max(decay, 1)),
            ],
            [rest - decay],
        ),
    }[config.schedule]
    if not warm:
        return after
    return optax.join_schedules([optax.linear_schedule(0.0, rate, warm), after], [warm])


def same_rates(config: OptimizerConfig, steps: int, more: int, trained: int) -> bool:
    """Whether two runs of different lengths have the same rates in their first steps.

    Args:
      config: the optimizer's options in both runs.
      steps: number of steps of the first run.
      more: number of steps of the second run.
      trained: number of steps that are compared, at most `steps`.
    """
    numbers = jnp.arange(steps)
    one, other = (make_schedule(config, length)(numbers) for length in (steps, more))
    same = jnp.asarray(one) == jnp.asarray(other)  # a scalar for constant schedules
    return bool(jnp.broadcast_to(same, numbers.shape)[:trained].all())


def make_optimizer(config: OptimizerConfig, steps: int) -> optax.GradientTransformation:
    """Builds the Optax chain: clipping, the update rule with its schedule, the EMA.

    Args:
      config: the optimizer's options.
      steps: number of steps of the run, for the schedule.

    Returns:
      A gradient transformation. If `average_decay` is set, its last element keeps the
      average that `averaged` reads.
    """
    rate: Any = make_schedule(config, steps)
    if config.schedule == "constant" and not config.warmup_steps:
        rate = config.rate  # a float needs no step count in the optimizer state
    decay, beta1, beta2 = config.weight_decay, config.beta1, config.beta2
    rule = {
        "sgd": lambda: optax.sgd(rate),
        "momentum": lambda: optax.sgd(rate, config.momentum),
        "adamw": lambda: optax.adamw(
            rate, beta1, beta2, weight_decay=decay, mask=is_matrix
        ),
        "lion": lambda: optax.lion(
            rate, beta1, beta2, weight_decay=decay, mask=is_matrix
        ),
        # contrib.muon would not decay the parameters that it gives to Adam.
        "muon": lambda: optax.chain(
            contrib.muon(
                1.0,
                beta=config.momentum,
                adam_b1=beta1,
                adam_b2=beta2,
                muon_weight_dimension_numbers=_matrix_axes,
            ),
            optax.add_decayed_weights(-decay, mask=is_matrix),
            optax.scale_by_learning_rate(rate, flip_sign=False),
        ),
    }[config.name]
    links: list[optax.GradientTransformation] = [rule()]
    if config.clip:
        links.insert(0, optax.clip_by_global_norm(config.clip))
    if config.average_decay:
        links.append(average_params(config.average_decay))
    return optax.chain(*links)


def is_matrix(params: Params) -> Any:
    """A tree of booleans, true for matrices and embedding tables.

    It is false for biases and norm scales, stacked or not.
    """
    return jax.tree.map_with_path(
        lambda path, leaf: leaf.ndim > 1 and _name(path) not in ("bias", "scale"),
        params,
    )


def _matrix_axes(params: Params) -> Any:
    """Muon's dimension numbers for each parameter; None selects Adam.

    A stacked weight (layers, in, out) has one matrix per layer. A convolution's kernel
    (height, width, in, out) is one matrix with height, width and in as its input axis.
    Embedding tables use Adam, as Muon's authors recommend.
    """

    def axes(path: Any, leaf: Array) -> contrib.MuonDimensionNumbers | None:
        name = _name(path)
        if name == "weight":  # (..., out, in)
            return contrib.MuonDimensionNumbers(leaf.ndim - 1, leaf.ndim - 2)
        if name == "kernel" and leaf.ndim == 4:
            return contrib.MuonDimensionNumbers((0, 1, 2), 3)
        if name == "kernel":  # (..., in, out)
            return contrib.MuonDimensionNumbers(leaf.ndim - 2, leaf.ndim - 1)
        return None

    return jax.tree.map_with_path(axes, params)


def _name(path: Any) -> str:
    return getattr(path[-1], "key", "")


class AverageState(NamedTuple):
    """The EMA of the parameters in float32, and the number of its updates."""

    steps: Array
    average: Params


def average_params(decay: float) -> optax.GradientTransformation:
    """Keeps an exponential moving average (EMA) of the parameters.

    It must be the last transformation of a chain, because it applies the updates. The
    decay warms up as min(decay, (1 + t) / (10 + t)), the rule of TensorFlow's
    ExponentialMovingAverage, so that the average forgets the random initialization.

    Args:
      decay: the decay rate after the warm-up.

    Returns:
      A transformation that returns the updates unchanged.
    """

    def init(params: Params) -> AverageState:
        # A copy: the parameters and the state are both donated to the step.
        average = jax.tree.map(lambda p: jnp.array(p, jnp.float32, copy=True), params)
        return AverageState(jnp.zeros((), jnp.int32), average)

    def update(updates: Any, state: Any, params: Any = None) -> Any:
        new = optax.apply_updates(params, updates)
        rate = jnp.minimum(decay, (1.0 + state.steps) / (10.0 + state.steps))
        average = jax.tree.map(
            lambda old, p: rate * old + (1 - rate) * p, state.average, new
        )
        return updates, AverageState(state.steps + 1, average)

    return optax.GradientTransformation(init, update)


def averaged(opt_state: Any, params: Params) -> Params:
    """The EMA of the parameters if the optimizer keeps one, else `params`."""
    found = [
        leaf.average
        for leaf in jax.tree.leaves(
            opt_state, is_leaf=lambda node: isinstance(node, AverageState)
        )
        if isinstance(leaf, AverageState)
    ]
    return found[0] if found else params
