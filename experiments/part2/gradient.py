"""What a component of the gradient says: a direction by its sign, a price by its size.

Measured on untrained networks: how few parameters hold most of the gradient, whether a
component tells what a nudge of its weight does, and what a step of a given length buys
along -g, along the signs of -g and along random directions.

Source: 3Blue1Brown, "Gradient descent, how neural networks learn".
"""

import dataclasses
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from experiments.part2.setting import (
    GUIDE,
    Setting,
    check,
    cost_of,
    labelled,
    random_networks,
)
from nnguide.array_types import Array, Key, Params
from nnguide.config import InputError
from nnguide.network.descent import (
    CostOfVector,
    EqualSteps,
    equal_length_steps,
    parameters_holding,
    single_weight_changes,
)
from nnguide.network.mlp import parameter_count
from nnguide.plots import descent as pictures
from nnguide.plots import style
from nnguide.results import Claim

LAYERS = len(GUIDE.widths) - 1


@dataclasses.dataclass(frozen=True)
class Config:
    """What is measured of the gradient.

    Attributes:
      networks: random networks.
      weights: how many single weights are nudged.
      nudge: by how much.
      lengths: of the steps in three directions, ascending.
      directions: random directions for each length.
      images: of the training set, the first ones, that nudges and steps are tried on.
    """

    networks: int = 16
    weights: int = 1000
    nudge: float = 0.01
    lengths: tuple[float, ...] = (0.01, 0.1, 1.0)
    directions: int = 16
    images: int = 1000

    def __post_init__(self) -> None:
        check("gradient", self, networks=1, weights=2, directions=1, images=1)
        if not self.nudge > 0:
            raise InputError(f"--gradient.nudge={self.nudge}: give more than 0.")


class Gradients(NamedTuple):
    """Gradients of untrained networks.

    Attributes:
      components: dC/dw of every parameter, (networks, parameters).
      holding: how many parameters hold 90% of the energy, (networks,).
      outputs_share: of the energy, held by the output layer; the mean.
    """

    components: np.ndarray
    holding: np.ndarray
    outputs_share: float


def vectors(networks: Params) -> Array:
    """Stacked parameters as (networks, parameters)."""
    return jax.vmap(lambda params: ravel_pytree(params)[0])(networks)


def cost_of_vector(images: Array, labels: Array, networks: Params) -> CostOfVector:
    """The mean cost as a function of the vector of one network's parameters."""
    of_params = cost_of(images, labels, GUIDE)
    _, unflatten = ravel_pytree(jax.tree.map(lambda leaf: leaf[0], networks))
    return lambda vector: of_params(unflatten(vector))


def gradients_of(networks: Params, images: Array, labels: Array) -> Gradients:
    """The gradients of stacked networks."""
    slope = jax.grad(cost_of(images, labels, GUIDE))
    slopes = jax.jit(lambda each: jax.lax.map(slope, each))(networks)
    components, outputs = vectors(slopes), vectors(slopes[f"layer_{LAYERS}"])
    share = (outputs**2).sum(axis=1) / (components**2).sum(axis=1)
    return Gradients(
        np.asarray(components),
        np.asarray(jax.vmap(parameters_holding)(components)),
        float(share.mean()),
    )


def nudges(
    config: Config, network: Params, images: Array, labels: Array, key: Key
) -> tuple[np.ndarray, np.ndarray]:
    """Nudges single weights of the first of the stacked networks, in float64.

    In float32 the cost, about 2.5, moves in steps of 2e-7, and a small component's
    effect would be lost in them.

    Returns:
      The predicted changes of the cost and the actual ones.
    """
    chosen = jax.random.permutation(key, parameter_count(GUIDE))[: config.weights]
    with jax.enable_x64(True):
        exact, images = jax.tree.map(
            lambda leaf: jnp.asarray(leaf, jnp.float64), (network, images)
        )
        cost = cost_of_vector(images, labels, exact)
        nudge = jax.jit(partial(single_weight_changes, cost, nudge=config.nudge))
        predicted, actual = nudge(vectors(exact)[0], chosen)
        return np.asarray(predicted), np.asarray(actual)


def steps_of(
    config: Config, cost: CostOfVector, places: Array, key: Key
) -> dict[float, EqualSteps]:
    """For each length, the changes of the cost of every network."""

    def single(place: Array) -> list[EqualSteps]:
        return [
            equal_length_steps(cost, place, length, key, config.directions)
            for length in config.lengths
        ]

    changes = jax.device_get(jax.jit(partial(jax.lax.map, single))(places))
    return dict(zip(config.lengths, changes, strict=True))


def study(config: Config, setting: Setting) -> tuple[list[Claim], list[str]]:
    """Measures gradients, single nudges and steps of equal length; three pictures."""
    images, labels = labelled(setting.train)
    networks = random_networks(GUIDE, config.networks, setting.seed)
    nudge_key, step_key = jax.random.split(jax.random.key(setting.seed))
    gradients = gradients_of(networks, images, labels)
    few = images[: config.images], labels[: config.images]
    nudged = nudges(config, networks, *few, nudge_key)
    steps = steps_of(
        config, cost_of_vector(*few, networks), vectors(networks), step_key
    )
    dead = float((np.asarray(images) == 0).all(axis=0).sum())
    claims = _component_claims(config, setting, gradients, dead)
    claims += _step_claims(config, nudged, steps, gradients_of(networks, *few))
    return claims, _draw(config, setting, gradients, nudged, steps)


def _draw(
    config: Config,
    setting: Setting,
    gradients: Gradients,
    nudged: tuple[np.ndarray, np.ndarray],
    steps: dict[float, EqualSteps],
) -> list[str]:
    theme, workdir = setting.theme, setting.workdir
    predicted, actual = nudged
    arrays = {
        f"{name}_{length:g}": changes
        for length, of_length in steps.items()
        for name, changes in of_length._asdict().items()
    }
    return [
        style.save(
            pictures.gradient_column(theme, *gradients),
            workdir,
            "gradient_column",
            **gradients._asdict(),
        ),
        style.save(
            pictures.single_weights(theme, predicted, actual, config.nudge),
            workdir,
            "single_weights",
            predicted=predicted,
            actual=actual,
        ),
        style.save(
            pictures.equal_steps(theme, steps), workdir, "equal_steps", **arrays
        ),
    ]


def _component_claims(
    config: Config, setting: Setting, gradients: Gradients, dead: float
) -> list[Claim]:
    source = "3Blue1Brown, Gradient descent: which changes matter the most"
    count = parameter_count(GUIDE)
    size = np.abs(gradients.components)
    rest = {
        "needs": "mnist5k and 8 networks or more",
        "scored": setting.data.dataset == "mnist5k" and config.networks >= 8,
    }
    frozen = GUIDE.widths[1] * dead
    return [
        Claim(
            "2.parameters_holding_90",
            f"some of the {count:,} components matter far more than others",
            float(np.median(gradients.holding)),
            (1, count / 10),
            (110, 170),
            f"{source}; few: below a tenth; 129 to 134 measured elsewhere",
            unit=f"parameters hold 90% of the energy (median of {config.networks})",
            **rest,
        ),
        Claim(
            "2.largest_component",
            "a nudge of one weight can be worth a thousand times another's",
            float(np.median(size.max(axis=1) / np.median(size, axis=1))),
            (100, None),
            (1000, 2200),
            f"{source}; 1,031 to 1,313 measured elsewhere",
            unit=f"largest component by the median one (median of {config.networks})",
            **rest,
        ),
        Claim(
            "2.zero_components",
            "weights of pixels that no image lights have no say",
            float((gradients.components == 0).sum(axis=1).min()),
            (frozen, count),
            (frozen, frozen),
            f"{dead:g} such pixels x {GUIDE.widths[1]} neurons",
            unit="components exactly 0 (fewest of all networks)",
        ),
    ]


def _step_claims(
    config: Config,
    nudged: tuple[np.ndarray, np.ndarray],
    steps: dict[float, EqualSteps],
    gradients: Gradients,
) -> list[Claim]:
    source = "3Blue1Brown, Gradient descent: the most bang for your buck"
    components = gradients.components
    shortest = steps[config.lengths[0]]
    size = np.linalg.norm(components, axis=1)
    # to first order: |g| along -g, |g|_1 / sqrt(number of signs) along the signs of -g
    signs = np.sqrt((components != 0).sum(axis=1))
    by_form = float((size * signs / np.abs(components).sum(axis=1)).mean())
    better = shortest.steepest / shortest.signs
    best_random = shortest.steepest / shortest.random.min(axis=1)
    return [
        Claim(
            "2.single_weights",
            f"a component foretells what a nudge of {config.nudge:g} does to the cost",
            float(np.corrcoef(*nudged)[0, 1]),
            (0.999, 1),
            (0.999, 1),
            f"{source}; Taylor to first order",
            unit=f"correlation over {config.weights:,} weights",
        ),
        Claim(
            "2.steepest_against_signs",
            "sizes matter, not signs alone: -g beats the signs of -g at equal length",
            float(better.mean()),
            (1, None),
            (0.9 * by_form, 1.1 * by_form),
            f"{source}; closed form, first order: {by_form:.2f}",
            unit=f"times the decrease, steps of {config.lengths[0]:g}",
        ),
        Claim(
            "2.steepest_against_random",
            "no direction lowers the cost faster than -g",
            float(best_random.min()),
            (1, None),
            (10, 120),
            f"{source}; a random direction of 13,002 has 1/114 of |g| along g",
            unit=f"times the best of {config.directions} random ones (lowest)",
            needs="the default networks and directions",
            scored=config == Config(),
        ),
    ]
