"""Sparse autoencoders of several sizes and penalties on one toy model's activations.

The activations are five numbers in which twenty equally important features lie in
superposition. A feature counts as recovered where a direction of the dictionary has a
cosine above 0.95 with it.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from experiments.part8.best_of_seeds import Size, of_best, plan, train
from experiments.part8.setting import Setting
from experiments.plan import Plan
from nnguide.array_types import Array
from nnguide.facts import sparse_autoencoder

RECOVERED = 0.95
RANDOM = 32  # dictionaries of random directions, to compare with


class Recovery(NamedTuple):
    """How near the dictionaries come to the features.

    Attributes:
      cosine: of each feature with the nearest direction, mean over features.
      recovered: how many features have one nearer than 0.95, in the best start.
      best: `cosine` of the best start, the one with the lowest loss.
      random: `cosine` of random directions, mean over dictionaries.
    """

    cosine: Float[np.ndarray, "seeds penalties sizes"]
    recovered: Int[np.ndarray, "penalties sizes"]
    best: Float[np.ndarray, "penalties sizes"]
    random: Float[np.ndarray, "sizes"]


def dictionary_plan(
    seed: int,
    weight: Any,
    presence: float,
    sizes: tuple[int, ...],
    penalties: tuple[float, ...],
    steps: int,
    seeds: int,
) -> Plan:
    """The training of every size with every penalty; arguments as in `recover`.

    Of the weight, the shape is enough to describe it.
    """
    return plan(
        seed,
        "superposition_dictionaries",
        sparse_autoencoder.functions(
            _conditions(sizes, penalties), weight.shape[0], sizes[-1], presence
        ),
        Size(features=weight.shape[1], batch=512, steps=steps, seeds=seeds),
        frozen={"weight": weight},
    )


def _conditions(
    sizes: tuple[int, ...], penalties: tuple[float, ...]
) -> sparse_autoencoder.Conditions:
    columns, rows = np.meshgrid(sizes, penalties)
    return sparse_autoencoder.Conditions(
        jnp.asarray(columns.ravel()), jnp.asarray(rows.ravel(), jnp.float32)
    )


def recover(
    setting: Setting,
    weight: Float[np.ndarray, "D F"],
    presence: float,
    sizes: tuple[int, ...],
    penalties: tuple[float, ...],
    steps: int,
    seeds: int,
) -> Recovery:
    """Trains every size with every penalty on the activations of one toy model.

    Args:
      setting: of the run.
      weight: of the toy model.
      presence: of its features.
      sizes: of the dictionaries, ascending.
      penalties: of the codes.
      steps: of training.
      seeds: starts of each.
    """
    true = jnp.asarray(weight)
    best = train(
        dictionary_plan(setting.seed, true, presence, sizes, penalties, steps, seeds),
        setting.workdir,
    )

    def cosines(dictionary: Array, size: Array) -> Array:
        return sparse_autoencoder.best_cosines(dictionary, size, true)

    every = jax.jit(jax.vmap(jax.vmap(cosines), in_axes=(0, None)))
    size = _conditions(sizes, penalties).size
    found = np.asarray(every(jnp.asarray(best.every["dictionary"]), size))
    shape = (len(penalties), len(sizes))
    chosen = of_best(found, best.loss)
    random = np.random.default_rng(setting.seed)
    drawn = random.normal(size=(RANDOM, len(sizes), len(weight), sizes[-1]))
    by_chance = every(jnp.asarray(drawn, jnp.float32), jnp.asarray(sizes))
    return Recovery(
        found.mean(axis=-1).reshape(seeds, *shape),
        (chosen > RECOVERED).sum(axis=-1).reshape(shape),
        chosen.mean(axis=-1).reshape(shape),
        np.asarray(by_chance).mean(axis=(0, 2)),
    )
