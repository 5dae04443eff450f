"""The toy models of superposition, the best of several starts each.

Five features in two dimensions, twenty in five, and two in one on a grid of presence
and importance.
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from experiments.part8.best_of_seeds import Size, plan, train
from experiments.part8.setting import Setting
from experiments.plan import Plan
from nnguide.facts import superposition

FEATURES, DIMENSIONS = 20, 5  # of the larger models
FIVE_SPARSITY = (0.0, 0.5, 0.7, 0.8, 0.9, 0.99)
# 0 is the presence of every feature; equal features would then be an arbitrary mixture
FIVE_IMPORTANCE, TWENTY_IMPORTANCE = 0.9, 0.7  # of a feature over that before it
TWENTY_PRESENCE = (1.0, 0.7, 0.5, 0.3, 0.2, 0.1, 0.05, 0.03, 0.02, 0.01, 0.003, 0.001)
EQUAL_PRESENCE = 0.03  # where twenty equally important features are trained, too
GRID_BATCH = 128
SPARSEST, MOST = 0.01, 10.0  # of the grid: the lowest presence, the largest importance


class Five(NamedTuple):
    """Five features in two dimensions, one model a sparsity: the best of its starts.

    Attributes:
      weight: the features' directions.
      represented: which have one.
      dimensionality: the share of a dimension of each.
      loss: squared error a feature, weighted by importance.
      counts: how many features each start represents.
    """

    weight: Float[np.ndarray, "N D F"]
    represented: Bool[np.ndarray, "N F"]
    dimensionality: Float[np.ndarray, "N F"]
    loss: Float[np.ndarray, "N"]
    counts: Int[np.ndarray, "seeds N"]


class Twenty(NamedTuple):
    """Twenty features in five dimensions, one model a presence: the best of its starts.

    Attributes:
      norms: of the features' directions, the most important first.
      counts: how many features each start represents.
      dimensions_per_feature: D* of each start.
      chosen: which start is the best.
      equal: directions of twenty equally important, sparse features.
    """

    norms: Float[np.ndarray, "N F"]
    counts: Int[np.ndarray, "seeds N"]
    dimensions_per_feature: Float[np.ndarray, "seeds N"]
    chosen: Int[np.ndarray, "N"]
    equal: Float[np.ndarray, "D F"]


class Grid(NamedTuple):
    """Two features in one dimension; one cell a presence and relative importance.

    Attributes:
      presence: of both features, ascending.
      importance: of the second feature over the first's, ascending.
      phase: 0 not represented, 1 alone, 2 in superposition; the best start's.
      norms: of both features' directions.
      boundary: the presence below which sharing pays, in closed form.
    """

    presence: Float[np.ndarray, "P"]
    importance: Float[np.ndarray, "R"]
    phase: Int[np.ndarray, "P R"]
    norms: Float[np.ndarray, "P R two"]
    boundary: Float[np.ndarray, "R"]


def five_plan(seed: int, steps: int, seeds: int) -> Plan:
    """The models of the arrows; only where nothing is sparse features differ."""
    importance = np.ones((len(FIVE_SPARSITY), 5))
    importance[0] = FIVE_IMPORTANCE ** np.arange(5)
    conditions = _conditions(1 - np.array(FIVE_SPARSITY), importance)
    return plan(
        seed,
        "superposition_five",
        superposition.functions(2, conditions),
        Size(features=5, batch=512, steps=steps, seeds=seeds),
    )


def five_in_two(setting: Setting, steps: int, seeds: int) -> Five:
    """Trains the models of the arrows and counts their features."""
    best = train(five_plan(setting.seed, steps, seeds), setting.workdir)
    weight = jnp.asarray(best.params["weight"])
    counts = superposition.represented(jnp.asarray(best.every["weight"])).sum(-1)
    return Five(
        np.asarray(weight),
        np.asarray(superposition.represented(weight)),
        np.asarray(superposition.dimensionality(weight)),
        best.loss.min(axis=0),
        np.asarray(counts),
    )


def twenty_plan(seed: int, steps: int, seeds: int) -> Plan:
    """Features of falling importance at every presence, equal ones at one."""
    importance = np.ones((len(TWENTY_PRESENCE) + 1, FEATURES))
    importance[:-1] = TWENTY_IMPORTANCE ** np.arange(FEATURES)
    return plan(
        seed,
        "superposition_twenty",
        superposition.functions(
            DIMENSIONS, _conditions([*TWENTY_PRESENCE, EQUAL_PRESENCE], importance)
        ),
        Size(features=FEATURES, batch=512, steps=steps, seeds=seeds),
    )


def twenty_in_five(setting: Setting, steps: int, seeds: int) -> Twenty:
    """Trains the models that crowd, and counts what each represents."""
    best = train(twenty_plan(setting.seed, steps, seeds), setting.workdir)
    every = jnp.asarray(best.every["weight"][:, :-1])
    falling, equal = best.params["weight"][:-1], best.params["weight"][-1]
    return Twenty(
        np.asarray(superposition.norms(jnp.asarray(falling))),
        np.asarray(superposition.represented(every).sum(-1)),
        np.asarray(superposition.dimensions_per_feature(every)),
        best.loss[:, :-1].argmin(axis=0),
        equal,
    )


def grid_plan(seed: int, side: int, steps: int, seeds: int) -> Plan:
    """A model a cell of the phase diagram, all in one program."""
    return plan(
        seed,
        "superposition_grid",
        superposition.functions(1, grid_conditions(side)),
        Size(features=2, batch=GRID_BATCH, steps=steps, seeds=seeds),
    )


def two_in_one(setting: Setting, side: int, steps: int, seeds: int) -> Grid:
    """Trains the models of the phase diagram and tells their phases."""
    presence, ratios = _sides(side)
    best = train(grid_plan(setting.seed, side, steps, seeds), setting.workdir)
    weight = jnp.asarray(best.params["weight"]).reshape(side, side, 1, 2)
    return Grid(
        presence,
        ratios,
        np.asarray(superposition.phase(weight)),
        np.asarray(superposition.norms(weight)),
        np.asarray(superposition.pair_pays_below(jnp.asarray(ratios))),
    )


def grid_conditions(side: int) -> superposition.Conditions:
    """Every presence with every importance of the second feature; the first's is 1."""
    rows, columns = (each.ravel() for each in np.meshgrid(*_sides(side), indexing="ij"))
    return _conditions(rows, np.stack([np.ones(columns.size), columns], axis=1))


def _sides(side: int) -> tuple[np.ndarray, np.ndarray]:
    return np.geomspace(SPARSEST, 1, side), np.geomspace(1 / MOST, MOST, side)


def _conditions(
    presence: list[float] | np.ndarray, importance: np.ndarray
) -> superposition.Conditions:
    return superposition.Conditions(
        jnp.asarray(presence, jnp.float32), jnp.asarray(importance, jnp.float32)
    )
