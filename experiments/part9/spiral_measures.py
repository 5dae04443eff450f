"""How much of the spiral is in a cloud of samples, and how near to it they are."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float64, Int

from nnguide.data.spiral import CLASSES, nearest, spiral

BINS = 20  # of equal angle, so of equally many data
NEAR = 0.03  # what counts as on the spiral: three times the noise that is left
_FAIR = 0.1  # of its share of samples make a bin covered


class Cloud(NamedTuple):
    """A cloud of samples in numbers.

    Attributes:
      on_spiral: share of samples within 0.03 of the spiral.
      distance: mean distance to the spiral.
      radius: root of the mean squared distance to the origin; the data's is 0.667.
      coverage: share of the spiral's 20 parts that hold a tenth of the samples they
        should.
      variation: total variation of the parts' shares, 0 as the data, 1 elsewhere. Two
        thousand fair samples have 0.04.
      energy: energy distance to the data, 2 E|X - Y| - E|X - X'| - E|Y - Y'|.
    """

    on_spiral: float
    distance: float
    radius: float
    coverage: float
    variation: float
    energy: float


def measure(samples: Float[np.ndarray, "B 2"]) -> Cloud:
    """All of them."""
    distance, along = nearest(samples)
    shares = _shares(along)
    return Cloud(
        float((distance < NEAR).mean()),
        float(distance.mean()),
        float(np.sqrt((samples**2).sum(axis=1).mean())),
        float((shares * BINS >= _FAIR).mean()),
        float(np.abs(shares - 1 / BINS).sum() / 2),
        energy_distance(samples, spiral().points),
    )


def energy_distance(x: Float[np.ndarray, "B 2"], y: Float[np.ndarray, "N 2"]) -> float:
    """0 where both are alike in distribution; in units of length."""
    return 2 * _mean_distance(x, y) - _mean_distance(x, x) - _mean_distance(y, y)


def in_class(
    samples: Float[np.ndarray, "B 2"], label: Int[np.ndarray, "B"] | int
) -> Float64[np.ndarray, ""]:
    """Share of samples whose nearest place on the spiral is in their class's third."""
    _, along = nearest(samples)
    return (np.minimum((along * CLASSES).astype(int), CLASSES - 1) == label).mean()


def class_coverage(samples: Float[np.ndarray, "B 2"], label: int) -> float:
    """Share of the parts of a class's third that hold a tenth of what they should."""
    _, along = nearest(samples)
    return float((_shares(along * CLASSES - label) * BINS >= _FAIR).mean())


def _shares(along: np.ndarray) -> np.ndarray:
    """Of the samples, in each of the parts that [0, 1] is cut into."""
    inside = along[(along >= 0) & (along <= 1)]
    part = np.minimum((inside * BINS).astype(int), BINS - 1)
    return np.bincount(part, minlength=BINS) / len(along)


def _mean_distance(x: np.ndarray, y: np.ndarray) -> float:
    x, y = x.astype(np.float64), y.astype(np.float64)
    squared = (x**2).sum(1)[:, None] - 2 * x @ y.T + (y**2).sum(1)[None]
    return float(np.sqrt(np.maximum(squared, 0)).mean())
