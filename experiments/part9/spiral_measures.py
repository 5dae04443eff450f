"""How much of the spiral is in a cloud of samples, and how near to it they are."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from nnguide.data.spiral import CLASSES, nearest

BINS = 20  # of equal angle, so of equally many data
NEAR = 0.03  # what counts as on the spiral: three times the noise that is left
_FAIR = 0.1  # of its share of samples make a bin covered


class Cloud(NamedTuple):
    """A cloud of samples in numbers.

    Attributes:
      on_spiral: share of samples within 0.03 of the spiral.
      radius: root of the mean squared distance to the origin; the data's is 0.667.
      coverage: share of the spiral's 20 parts that hold a tenth of the samples they
        should.
      variation: total variation of the parts' shares, 0 as the data, 1 elsewhere. Two
        thousand fair samples have 0.04.
    """

    on_spiral: float
    radius: float
    coverage: float
    variation: float


class ClassCloud(NamedTuple):
    """Samples of one class in numbers.

    Attributes:
      in_class: share of samples whose nearest place is in the class's third.
      on_spiral: share of samples within 0.03 of the spiral.
      coverage: share of the third's 20 parts that hold a tenth of what they should.
    """

    in_class: float
    on_spiral: float
    coverage: float


def measure(samples: Float[np.ndarray, "B 2"]) -> Cloud:
    """How a cloud compares with the data."""
    distance, along = nearest(samples)
    shares = _shares(along)
    return Cloud(
        float((distance < NEAR).mean()),
        float(np.sqrt((samples**2).sum(axis=1).mean())),
        float((shares * BINS >= _FAIR).mean()),
        float(np.abs(shares - 1 / BINS).sum() / 2),
    )


def measure_class(samples: Float[np.ndarray, "B 2"], label: int) -> ClassCloud:
    """How a cloud compares with the data of one class."""
    distance, along = nearest(samples)
    return ClassCloud(
        float((_third(along) == label).mean()),
        float((distance < NEAR).mean()),
        float((_shares(along * CLASSES - label) * BINS >= _FAIR).mean()),
    )


def in_class(samples: Float[np.ndarray, "B 2"], labels: Int[np.ndarray, "B"]) -> float:
    """Share of samples in their own class's third."""
    return float((_third(nearest(samples)[1]) == labels).mean())


def _third(along: np.ndarray) -> np.ndarray:
    return np.minimum((along * CLASSES).astype(int), CLASSES - 1)


def _shares(along: np.ndarray) -> np.ndarray:
    """Of the samples, in each of the parts that [0, 1] is cut into."""
    inside = along[(along >= 0) & (along <= 1)]
    part = np.minimum((inside * BINS).astype(int), BINS - 1)
    return np.bincount(part, minlength=BINS) / len(along)
