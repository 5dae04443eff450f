"""ReLU neurons that die: a large step can switch a neuron off for good.

A ReLU whose weighted sum is negative for every image has no gradient, and never comes
back. The leaky ReLU keeps a slope of 0.01 there, and does.

Source: Karpathy, CS231n notes, Neural Networks Part 1: as much as 40% of a network can
be dead if the learning rate is set too high.
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from experiments.part2.setting import (
    Setting,
    at_rates,
    check,
    every,
    labelled,
    plan,
    task_of,
)
from experiments.plan import Plan
from nnguide import training
from nnguide.array_types import Array, Params
from nnguide.config import InputError
from nnguide.network.activations import ActivationName
from nnguide.network.descent import gradient_descent
from nnguide.network.mlp import MlpConfig, forward
from nnguide.plots import slow_learning as pictures
from nnguide.plots import style
from nnguide.results import Claim

BATCH = 100


@dataclasses.dataclass(frozen=True)
class Config:
    """How ReLU networks are brought to die.

    Attributes:
      rates: of plain gradient descent, ascending.
      leaky_up_to: rates of the leaky control; above 1 it does not die but diverges.
      epochs: passes over the training set.
      networks: at each rate.
    """

    rates: tuple[float, ...] = (0.01, 0.03, 0.1, 0.3, 0.6, 1.0, 2.0, 3.0)
    leaky_up_to: float = 1.0
    epochs: int = 10
    networks: int = 5

    def __post_init__(self) -> None:
        check("dead_relu", self, epochs=1, networks=1)
        if self.rates[0] > self.leaky_up_to:
            raise InputError(
                f"--dead_relu.leaky_up_to={self.leaky_up_to}: below every rate, the "
                "control has none; give more."
            )


class Dead(NamedTuple):
    """What training at several rates left.

    Attributes:
      rates: ascending.
      share: of hidden neurons that are off for every training image, (rates, networks).
      accuracy: on the test split, (rates, networks).
    """

    rates: np.ndarray
    share: np.ndarray
    accuracy: np.ndarray


def dead_share(config: MlpConfig, params: Params, images: Array) -> Float[Array, ""]:
    """The share of hidden neurons whose weighted sum is positive for no image."""
    hidden = forward(config, params, images).z[:-1]
    return jnp.mean(jnp.concatenate([jnp.all(z <= 0, axis=0) for z in hidden]))


ACTIVATIONS: tuple[ActivationName, ActivationName] = ("relu", "leaky_relu")


def rates_of(config: Config, activation: ActivationName) -> np.ndarray:
    """The rates at which networks of an activation are trained."""
    limit = config.leaky_up_to if activation == "leaky_relu" else np.inf
    return np.array([rate for rate in config.rates if rate <= limit], np.float32)


def network_of(activation: ActivationName) -> MlpConfig:
    """One of the networks."""
    return MlpConfig(activation=activation, cost="cross_entropy")


def plan_of(config: Config, setting: Setting, activation: ActivationName) -> Plan:
    """The training of networks of one activation at all rates, in one program."""
    rates = rates_of(config, activation)
    task, _ = training.over_seeds(
        task_of(network_of(activation)),
        gradient_descent(1.0),
        rates.size * config.networks,
    )
    optimizer = at_rates(np.repeat(rates, config.networks))
    return plan(setting, activation, task, optimizer, BATCH, config.epochs)


def plans(config: Config, setting: Setting) -> list[Plan]:
    """Both activations."""
    return [plan_of(config, setting, activation) for activation in ACTIVATIONS]


def measure(config: Config, setting: Setting, activation: ActivationName) -> Dead:
    """Trains networks of one activation at all rates, in one program.

    Raises:
      InputError: one of the networks diverges.
    """
    rates, network = rates_of(config, activation), network_of(activation)
    shape = (len(rates), config.networks)
    try:
        fit = plan_of(config, setting, activation).fit(setting.workdir)
    except training.NonFiniteLoss as error:
        limit = "leaky_up_to" if activation == "leaky_relu" else "rates"
        raise InputError(
            f"--dead_relu.{limit}: a {activation} network diverges at a rate of "
            f"{rates[-1]:g} or less; give lower ones."
        ) from error
    images, _ = labelled(setting.train)
    share = jax.jit(jax.vmap(lambda params: dead_share(network, params, images)))
    accuracy = every(fit, "test/accuracy")[-1]
    return Dead(
        rates,
        np.asarray(share(fit.state.params)).reshape(shape),
        np.asarray(accuracy).reshape(shape),
    )


def study(config: Config, setting: Setting) -> tuple[list[Claim], list[str]]:
    """Counts dead neurons against the rate, with and without a leak."""
    relu, leaky = (measure(config, setting, name) for name in ACTIVATIONS)
    both = {"ReLU": relu, "leaky ReLU": leaky}
    figure = pictures.dead_neurons(
        setting.theme,
        {name: dead.rates for name, dead in both.items()},
        {name: dead.share for name, dead in both.items()},
        {name: dead.accuracy for name, dead in both.items()},
    )
    arrays = {
        f"{name}_{field}": values
        for name, dead in (("relu", relu), ("leaky", leaky))
        for field, values in dead._asdict().items()
    }
    picture = style.save(figure, setting.workdir, "dead_relu", **arrays)
    return _claims(config, setting, relu, leaky), [picture]


def _claims(config: Config, setting: Setting, relu: Dead, leaky: Dead) -> list[Claim]:
    scored = config == Config() and setting.data.dataset == "mnist5k"
    best = int(relu.accuracy.mean(axis=1).argmax())
    same = relu.share[len(leaky.rates) - 1]  # at the highest rate of the control
    rows = [
        (
            "2.dead_relu_good_rate",
            f"at a good rate ({relu.rates[best]:g}) few ReLU neurons die",
            float(relu.share[best].mean()),
            (0, 0.1),
            (0, 0.1),
        ),
        (
            "2.dead_relu_large_rate",
            f"at a rate too high ({relu.rates[-1]:g}) much of a ReLU network is dead",
            float(relu.share[-1].mean()),
            (0.4, 1),
            (0.8, 1),
        ),
        (
            "2.dead_leaky",
            f"at the rate {leaky.rates[-1]:g} a leak saves neurons that die without it",
            float((same - leaky.share[-1]).mean()),
            (0, 1),
            (0.2, 0.6),
        ),
    ]
    claims = []
    for identity, statement, measured, stated, expected in rows:
        claims.append(
            Claim(
                identity,
                statement,
                measured,
                stated,
                expected,
                "Karpathy, CS231n notes: as much as 40% can be dead",
                unit=f"of hidden neurons, mean of {config.networks} networks",
                needs="mnist5k and the default rates, epochs and networks",
                scored=scored,
            )
        )
    return claims
