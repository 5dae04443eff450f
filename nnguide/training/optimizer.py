"""Optimizers from a config: an Optax chain of clip, rule, schedule and average.

Which parameter is a matrix is told by its *name*: stacked layers make a bias
two-dimensional. `kernel` (..., in, out) is Linen's, `weight` (..., out, in) ours.
"""

import dataclasses
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
    """How gradients become steps.

    Attributes:
      name: the rule; adamw with weight_decay 0 is plain Adam.
      rate: the learning rate, at its highest.
      schedule: how the rate moves over the run.
      warmup_steps: steps over which the rate rises from 0.
      decay_share: the last share of the steps in which warmup_stable_decay falls.
      final_share: what share of the rate is left at the end of a decay.
      momentum: the share of the last update kept by momentum and muon.
      beta1: decay of the first moment (adamw, lion).
      beta2: decay of the second moment (adamw, lion).
      weight_decay: pull towards 0 on matrices and embedding tables, on no bias and no
        norm's scale; adamw, lion and muon follow this one rule.
      clip: largest norm of a whole gradient; 0 is off.
      average_decay: decay of a running average of the parameters; 0 is off.
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
        if not self.rate > 0:
            raise InputError(f"optimizer.rate={self.rate}: give more than 0.")
        for name in ("decay_share", "final_share"):
            self._check(name, 0 <= getattr(self, name) <= 1, "a share from 0 to 1")
        for name in ("momentum", "beta1", "beta2", "average_decay"):
            self._check(name, 0 <= getattr(self, name) < 1, "a share from 0 to below 1")
        for name in ("warmup_steps", "weight_decay", "clip"):
            self._check(name, getattr(self, name) >= 0, "0 (off) or more")
        if self.weight_decay and self.name in ("sgd", "momentum"):
            raise InputError(
                f"optimizer.weight_decay={self.weight_decay}: {self.name} has none; "
                "choose adamw, lion or muon."
            )

    def _check(self, name: str, fits: bool, wanted: str) -> None:
        if not fits:
            raise InputError(f"optimizer.{name}={getattr(self, name)}: give {wanted}.")


def make_schedule(config: OptimizerConfig, steps: int) -> optax.Schedule:
    """Step number -> learning rate, for a run of that many steps.

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
    """Whether the first steps of two runs of different lengths have the same rates.

    Args:
      config: of both.
      steps: length of the one run.
      more: of the other.
      trained: how many of their steps are compared.
    """
    numbers = jnp.arange(steps)
    one, other = (make_schedule(config, length)(numbers) for length in (steps, more))
    same = jnp.asarray(one) == jnp.asarray(other)  # a constant gives one number for all
    return bool(jnp.broadcast_to(same, numbers.shape)[:trained].all())


def make_optimizer(config: OptimizerConfig, steps: int) -> optax.GradientTransformation:
    """Builds the Optax chain: clip, the rule with its schedule, the running average.

    Args:
      config: the choices.
      steps: length of the run, which the schedules need.

    Returns:
      A transform whose last link, if asked for, keeps the average that `averaged`
      reads.
    """
    rate: Any = make_schedule(config, steps)
    if config.schedule == "constant" and not config.warmup_steps:
        rate = config.rate  # no step to count
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
        # Optax's own decay would not reach the parameters that Adam has, the tables.
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
    """A tree of booleans: which parameters are matrices or tables.

    No bias and no norm's scale is one, stacked or not.
    """
    return jax.tree.map_with_path(
        lambda path, leaf: leaf.ndim > 1 and _name(path) not in ("bias", "scale"),
        params,
    )


def _matrix_axes(params: Params) -> Any:
    """Muon's dimension numbers; None sends a parameter to Adam.

    A stacked weight (layers, in, out) has one matrix a layer, a convolution's kernel
    (height, width, in, out) is one matrix with all taps on the input side. Embeddings
    are tables, not maps between activations: Adam has them, as in Muon's own recipe.
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
    """The running average of the parameters, float32, and how many steps it saw."""

    steps: Array
    average: Params


def average_params(decay: float) -> optax.GradientTransformation:
    """Keeps an exponential moving average of the parameters; put it last.

    The decay warms up as min(decay, (1 + t) / (10 + t)), so that the average does not
    remember the random start (the rule of TensorFlow's ExponentialMovingAverage).

    Args:
      decay: the share of the old average kept at each step, late in the run.

    Returns:
      A transform that passes updates through unchanged.
    """

    def init(params: Params) -> AverageState:
        # A copy, never the parameters themselves: both are donated to the step.
        average = jax.tree.map(lambda p: jnp.array(p, jnp.float32, copy=True), params)
        return AverageState(jnp.zeros((), jnp.int32), average)

    def update(updates: Any, state: Any, params: Any = None) -> Any:
        new = optax.apply_updates(params, updates)
        keep = jnp.minimum(decay, (1.0 + state.steps) / (10.0 + state.steps))
        average = jax.tree.map(
            lambda old, p: keep * old + (1 - keep) * p, state.average, new
        )
        return updates, AverageState(state.steps + 1, average)

    return optax.GradientTransformation(init, update)


def averaged(opt_state: Any, params: Params) -> Params:
    """The running average where the optimizer keeps one, else the params themselves."""
    found = [
        leaf.average
        for leaf in jax.tree.leaves(
            opt_state, is_leaf=lambda node: isinstance(node, AverageState)
        )
        if isinstance(leaf, AverageState)
    ]
    return found[0] if found else params
