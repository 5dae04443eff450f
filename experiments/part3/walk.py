"""The drunk man's walk: mini-batches stumble downhill in quick steps.

Full-batch descent is the careful man who weighs every step; a mini-batch takes one
about as good for a fraction of the price.

Source: 3Blue1Brown, "What is backpropagation really doing?".
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from experiments.part3.setting import Setting, cost_of_rows
from nnguide.array_types import Key, Params
from nnguide.config import InputError
from nnguide.network import minibatch
from nnguide.plots import minibatch as pictures
from nnguide.plots import style
from nnguide.results import Claim

_SOURCE = "3Blue1Brown, What is backpropagation really doing?"


@dataclasses.dataclass(frozen=True)
class Config:
    """Who walks how far.

    Attributes:
      steps: of every walk.
      sizes: batch sizes of the drunk men, 100 among them; the careful man, who looks at
        all examples, walks beside them.
      rate: learning rate of all.
      grid: places a side of the map of the cost.
    """

    steps: int = 400
    sizes: tuple[int, ...] = (100, 10)
    rate: float = 1.5
    grid: int = 25

    def __post_init__(self) -> None:
        sizes = self.sizes
        if not (100 in sizes and len({*sizes}) == len(sizes) <= 3 and min(sizes) > 0):
            raise InputError(
                f"walk.sizes={sizes}: give 100 and at most two others, above 0."
            )
        if not self.rate > 0:
            raise InputError(f"walk.rate={self.rate}: give more than 0.")
        if self.steps < 2 or self.grid < 2:
            raise InputError(
                f"walk.steps={self.steps}, walk.grid={self.grid}: give 2 or more."
            )


class Walks(NamedTuple):
    """Paths of several batch sizes from one start, and the map they are drawn on.

    Attributes:
      seen: step numbers at which the cost was measured, (times,).
      costs: batch size -> cost of all examples there, (times,).
      wandering: batch size -> length of the path over the distance covered.
      places: batch size -> path in the plane, (steps + 1, 2).
      axes: the plane's coordinates of the map, (2, grid).
      map: cost of all examples over the plane, (grid, grid), rows by the second axis.
      spread: share of the paths' variance that lies in the plane.
    """

    seen: np.ndarray
    costs: dict[int, np.ndarray]
    wandering: dict[int, float]
    places: dict[int, np.ndarray]
    axes: np.ndarray
    map: np.ndarray
    spread: float


def study(
    config: Config, setting: Setting, start: Params, key: Key, scored: bool
) -> tuple[list[Claim], list[str]]:
    """Walks, and draws the paths on the plane in which they spread most.

    Args:
      config: who walks how far.
      setting: network and images.
      start: where all set out.
      key: draws the batches.
      scored: whether this is the network the bands were measured for.
    """
    walks = take(config, setting, start, key)
    everyone = len(setting.labels)
    figure = pictures.drunk_walk(setting.theme, walks._asdict(), everyone)
    arrays = {
        f"{name}_{size}": value
        for name in ("costs", "places")
        for size, value in getattr(walks, name).items()
    }
    picture = style.save(
        figure, setting.workdir, "drunk_walk",
        seen=walks.seen, axes=walks.axes, map=walks.map, **arrays,
    )  # fmt: skip
    return _claims(config, walks, everyone, scored), [picture]


def take(config: Config, setting: Setting, start: Params, key: Key) -> Walks:
    """All walks, and the map under them."""
    everyone = len(setting.labels)
    vector, _ = ravel_pytree(start)
    data = setting.images, setting.labels
    rows = {everyone: jnp.tile(jnp.arange(everyone), (config.steps, 1))}
    for size in config.sizes:
        drawn = jax.random.fold_in(key, size)
        rows[size] = jax.random.randint(
            drawn, (config.steps, size), 0, everyone, jnp.int32
        )

    @jax.jit
    def walk(vector: Any, rows: Any, data: Any) -> Any:
        cost = cost_of_rows(setting, start, data)
        return minibatch.walk(cost, vector, rows, config.rate)

    @jax.jit
    def costs(vectors: Any, data: Any) -> Any:
        cost = cost_of_rows(setting, start, data)
        return jax.lax.map(lambda v: cost(v, jnp.arange(everyone)), vectors)

    paths = {
        size: jnp.concatenate([vector[None], walk(vector, its_rows, data)])
        for size, its_rows in rows.items()
    }
    seen = np.unique(np.geomspace(1, config.steps, 40).astype(int))
    centre, plane, spread = _plane(list(paths.values()))
    places = {
        size: np.asarray((path - centre[None]) @ plane) for size, path in paths.items()
    }
    axes = _map_axes(list(places.values()), config.grid)
    grid = jnp.asarray(np.stack(np.meshgrid(*axes), axis=-1).reshape(-1, 2))
    heights = costs(centre[None] + grid @ plane.T, data)
    return Walks(
        seen,
        {size: np.asarray(costs(path[seen], data)) for size, path in paths.items()},
        {size: float(minibatch.wandering(path)) for size, path in paths.items()},
        places,
        axes,
        np.asarray(heights).reshape(config.grid, config.grid),
        spread,
    )


def _plane(paths: list[Any]) -> tuple[Any, Any, float]:
    """Where the paths spread most: centre (P,), two directions (P, 2), their share."""
    points = jnp.concatenate(paths)
    centre = jnp.mean(points, axis=0)
    # The Gram matrix of the points is small; that of the parameters is not.
    offsets = points - centre[None]
    energies, combinations = jnp.linalg.eigh(offsets @ offsets.T)
    plane = offsets.T @ combinations[:, -1:-3:-1]
    return (
        centre,
        plane / jnp.linalg.norm(plane, axis=0, keepdims=True),
        float(energies[-2:].sum() / energies.sum()),
    )


def _map_axes(places: list[np.ndarray], grid: int) -> np.ndarray:
    """Coordinates of the map: the paths and a margin around them."""
    points = np.concatenate(places)
    low, high = points.min(axis=0), points.max(axis=0)
    margin = 0.12 * (high - low)
    return np.linspace(low - margin, high + margin, grid).T.astype(np.float32)


def _claims(config: Config, walks: Walks, everyone: int, scored: bool) -> list[Claim]:
    needs = "mnist5k, the default network and the default walk"
    scored = scored and config == Config()
    full, batch = walks.costs[everyone][-1], walks.costs[100][-1]
    return [
        Claim(
            "3.drunk_gets_as_low",
            "a step on a batch of 100 takes one about as far down as a full step",
            float(batch / full),
            (0, 1.1),
            (0.9, 1.1),
            f"{_SOURCE}; while the cosine is near 1",
            unit=f"times the full batch's cost after {config.steps} steps",
            needs=needs,
            scored=scored,
        ),
        Claim(
            "3.drunk_stumbles",
            "mini-batches stumble down the hill",
            walks.wandering[100] / walks.wandering[everyone],
            (1.1, None),
            (1.5, 5),
            f"{_SOURCE}; noise lengthens the path",
            unit="times the careful man's way for the same distance",
            needs=needs,
            scored=scored,
        ),
    ]
