"""The surface that gradient descent walks down.

First where all of it can be drawn: one sigmoid neuron with four examples, as a function
of its weight, and of its weight and bias. Then the cost of the whole network, 13,002
parameters, on the plane through an untrained network and two trained ones. (Goodfellow
et al. 2014, arXiv 1412.6544, drew lines between networks; Li et al. 2018, arXiv
1712.09913, planes through random directions, whose filters they scaled. A plane through
three networks leaves nothing to scale.)

Source: 3Blue1Brown, "Gradient descent, how neural networks learn".
"""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree
from jaxtyping import Float

from experiments.part2 import batch_size
from experiments.part2.setting import (
    GUIDE,
    Setting,
    check,
    cost_of,
    labelled,
    random_networks,
)
from nnguide.array_types import Array
from nnguide.network.activations import sigmoid
from nnguide.network.cost import squared_error
from nnguide.network.descent import gradient_descent
from nnguide.plots import cost_surfaces as pictures
from nnguide.plots import style
from nnguide.results import Claim

# Four examples that one neuron cannot all get right, so that it has two valleys.
INPUTS, DESIRED = (-4.0, -1.0, 2.0, 3.0), (0.0, 1.0, 1.0, 0.0)
BIAS = 3.0  # where only the weight may move
NEURON_RATE, NEURON_STEPS = 2.0, 60
STARTS = (-3.4, 0.25, 4.2)


@dataclasses.dataclass(frozen=True)
class Config:
    """How finely the surfaces are drawn.

    Attributes:
      grid: points along each side of the plane.
      images: of the training set, the first ones, that the cost is taken over.
    """

    grid: int = 37
    images: int = 1000

    def __post_init__(self) -> None:
        check("surface", self, grid=3, images=1)


def neuron_cost(w: Any, b: Any) -> Float[Array, ""]:
    """The mean cost of one neuron over its four examples."""
    a = sigmoid(w * jnp.array(INPUTS) + b)
    return squared_error(a[:, None], jnp.array(DESIRED)[:, None]).mean()


def descend(
    cost: Callable[[Array], Array], start: Any, rate: float, steps: int
) -> tuple[np.ndarray, np.ndarray]:
    """Gradient descent on a small surface.

    Returns:
      The places before the first step, after it, ..., and their costs.
    """
    optimizer = gradient_descent(rate)

    def step(place: Any, _: None) -> tuple[Any, tuple[Array, Array]]:
        now, slope = jax.value_and_grad(cost)(place)
        updates, _state = optimizer.update(slope, optax.EmptyState())
        return optax.apply_updates(place, updates), (place, now)

    _, path = jax.lax.scan(step, jnp.asarray(start, jnp.float32), None, steps + 1)
    return np.asarray(path[0]), np.asarray(path[1])


class Plane(NamedTuple):
    """The cost of the network on the plane through three networks.

    Attributes:
      networks: untrained, trained, and another trained one, as (across, up) on the
        plane; the first is the origin, the second lies on the first axis.
      network_costs: theirs.
      across: grid along the first axis, Euclidean distance of all parameters.
      up: grid along the second axis.
      cost: at (up, across).
      between: costs along the straight line from one trained network to the other.
    """

    networks: np.ndarray
    network_costs: np.ndarray
    across: np.ndarray
    up: np.ndarray
    cost: np.ndarray
    between: np.ndarray


def axes_through(start: Array, first: Array, second: Array) -> Float[Array, "2 P"]:
    """Orthonormal axes of the plane; `first` lies on the first one, seen from start."""
    across = (first - start) / jnp.linalg.norm(first - start)
    up = second - start - jnp.vdot(second - start, across) * across
    return jnp.stack([across, up / jnp.linalg.norm(up)])


def plane(config: Config, batches: batch_size.Config, setting: Setting) -> Plane:
    """Takes the first two networks that the smallest mini-batches trained."""
    before = random_networks(GUIDE, batches.networks, setting.seed)
    after = batch_size.fit(batches, setting, min(batches.mini)).state.params

    def one(networks: Any, number: int) -> Array:
        return ravel_pytree(jax.tree.map(lambda leaf: leaf[number], networks))[0]

    start, first, second = one(before, 0), one(after, 0), one(after, 1)
    axes = axes_through(start, first, second)
    _, unflatten = ravel_pytree(jax.tree.map(lambda leaf: leaf[0], after))
    images, labels = (part[: config.images] for part in labelled(setting.train))
    of_params = cost_of(images, labels, GUIDE)

    @jax.jit
    def costs(places: Array) -> Array:  # (n, 2) on the plane -> (n,)
        return jax.lax.map(lambda at: of_params(unflatten(start + at @ axes)), places)

    networks = np.asarray((jnp.stack([start, first, second]) - start[None]) @ axes.T)
    low, high = networks.min(axis=0), networks.max(axis=0)
    room = 0.2 * (high - low).max()
    across, up = np.linspace(low - room, high + room, config.grid).T
    line = np.linspace(networks[1], networks[2], config.grid)
    grid = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)
    every = np.asarray(costs(np.concatenate([networks, line, grid])))
    of_networks, between, of_grid = np.split(every, [3, 3 + config.grid])
    shape = (config.grid, config.grid)
    return Plane(networks, of_networks, across, up, of_grid.reshape(shape), between)


def study(
    config: Config, batches: batch_size.Config, setting: Setting
) -> tuple[list[Claim], list[str]]:
    """Draws the neuron's surface and the network's; measures the ridge between two."""
    theme, workdir = setting.theme, setting.workdir
    weight = np.linspace(-6, 6, 241, dtype=np.float32)
    bias = np.linspace(-4, 8, 121, dtype=np.float32)
    line = np.asarray(jax.vmap(lambda w: neuron_cost(w, BIAS))(weight))
    surface = jax.vmap(jax.vmap(neuron_cost, (0, None)), (None, 0))(weight, bias)
    walks = [
        descend(lambda w: neuron_cost(w, BIAS), start, NEURON_RATE, NEURON_STEPS)
        for start in STARTS
    ]
    free = [
        descend(lambda wb: neuron_cost(*wb), (start, BIAS), NEURON_RATE, NEURON_STEPS)
        for start in STARTS
    ]
    neuron = style.save(
        pictures.neuron(
            theme, (weight, line), walks, (bias, np.asarray(surface)), free
        ),
        workdir,
        "neuron_surface",
        weight=weight,
        bias=bias,
        line=line,
        surface=surface,
        walks=np.array([place for place, _ in walks]),
        free_walks=np.array([place for place, _ in free]),
    )
    found = plane(config, batches, setting)
    network = style.save(
        pictures.plane(theme, *found), workdir, "cost_plane", **found._asdict()
    )
    return [_ridge(config, batches, setting, found), _valleys(walks)], [neuron, network]


def _valleys(walks: list[tuple[np.ndarray, np.ndarray]]) -> Claim:
    return Claim(
        "2.valleys_of_a_neuron",
        "which valley gradient descent ends in depends on where it starts",
        len({round(float(places[-1]), 1) for places, _ in walks}),
        (2, None),
        (2, 2),
        "3Blue1Brown, Gradient descent; the cost of this neuron has two minima",
        unit=f"valleys reached from {len(walks)} starts",
    )


def _ridge(
    config: Config, batches: batch_size.Config, setting: Setting, found: Plane
) -> Claim:
    return Claim(
        "2.ridge_between_networks",
        "two trained networks lie in different valleys, a ridge between them",
        float(found.between.max() - found.network_costs[1:].max()),
        (0.1, None),
        (0.4, 1.4),
        "3Blue1Brown, Gradient descent: many possible valleys; Goodfellow et al. 2014",
        unit="rise of the cost along the straight line",
        needs="mnist5k and the default trainings",
        scored=setting.data.dataset == "mnist5k" and batches == batch_size.Config(),
    )
