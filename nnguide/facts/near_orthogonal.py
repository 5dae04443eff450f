"""How near to perpendicular vectors are: the angles of all pairs, and by theory.

A random direction meets any other at the angle t with density
sin(t)^(d-2) Gamma(d/2) / (sqrt(pi) Gamma((d-1)/2)): 57.3 / sqrt(d) degrees around 90.

Source: 3Blue1Brown, "How might LLMs store facts" (nearly perpendicular vectors), and
its erratum at 3blue1brown.com/lessons/mlp.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from nnguide.array_types import Array, Key
from nnguide.results import Number

BINS = 900  # of 0.2 degrees, so that 89 and 91 are borders


class Pairs(NamedTuple):
    """The angles of all pairs of a set of vectors.

    Attributes:
      counts: pairs in each of `BINS` equal bins from 0 to 180 degrees.
      rms_cosine: root of the mean squared cosine.
      closest: smallest angle between two of the lines along the vectors, degrees; one
        near 180 counts as one near 0.
    """

    counts: Int[np.ndarray, "bins"]
    rms_cosine: float
    closest: float

    def share(self, low: Number, high: Number) -> float:
        """Share of the pairs between two angles in degrees, which are bin borders."""
        first, last = (round(angle * BINS / 180) for angle in (low, high))
        return float(self.counts[first:last].sum() / self.counts.sum())


def directions(key: Key, count: int, dimensions: int) -> Float[Array, "N D"]:
    """Random vectors of length 1, every direction equally likely."""
    vectors = jax.random.normal(key, (count, dimensions), jnp.float32)
    return vectors / jnp.linalg.norm(vectors, axis=-1, keepdims=True)


def pairs(vectors: Float[Array, "N D"] | np.ndarray, chunk: int = 512) -> Pairs:
    """Measures the angle of every pair, `chunk` vectors against all others at a time.

    Args:
      vectors: not zero; two or more. Held as they are given, float32 or float64.
      chunk: vectors at a time; memory is a few times chunk x N numbers.
    """
    held = np.asarray(vectors)
    held = held / np.linalg.norm(held, axis=1, keepdims=True)
    counts, squares = np.zeros(BINS, np.int64), 0.0
    closest, where = -1.0, (0, 1)
    for start in range(0, len(held), chunk):
        rows = held[start : start + chunk]
        cosines = rows @ held[start:].T
        row, column = np.triu_indices(len(rows), 1, cosines.shape[1])
        cosine = np.clip(cosines[row, column], -1, 1)
        if not len(cosine):
            continue
        squares += float(np.dot(cosine, cosine))
        bins = (np.arccos(cosine) * (BINS / math.pi)).astype(np.int32)
        counts += np.bincount(np.minimum(bins, BINS - 1), minlength=BINS)
        nearest = int(np.abs(cosine).argmax())
        if abs(cosine[nearest]) > closest:
            closest = float(abs(cosine[nearest]))
            where = (start + row[nearest], start + column[nearest])
    rms = math.sqrt(squares / counts.sum())
    return Pairs(counts, rms, _line_angle(held[where[0]], held[where[1]]))


def _line_angle(one: np.ndarray, other: np.ndarray) -> float:
    """Degrees between two lines; exact near 0, where the cosine has no digits left."""
    one, other = one.astype(np.float64), other.astype(np.float64)
    short, long = sorted([np.linalg.norm(one - other), np.linalg.norm(one + other)])
    return math.degrees(2 * math.atan2(short, long))


def log_share_outside(dimensions: int, within: Number) -> float:
    """The log of the share of random pairs more than `within` degrees off 90.

    In the log domain, for the shares of wide spaces are smaller than any float.

    Args:
      dimensions: 3 or more.
      within: degrees, at least 0 and below 90.
    """
    angle, power = math.radians(within), dimensions - 2
    # From there on, the integrand cos^power falls by e in no more than this.
    scale = 1 / (power * math.tan(angle) + math.sqrt(power))
    top = min(math.pi / 2 - angle, 40 * scale)
    nodes, weights = _nodes()
    logs = power * np.log(np.cos(angle + (nodes + 1) / 2 * top))
    highest = logs.max()
    integral = np.dot(weights, np.exp(logs - highest)) * top / 2
    return math.log(2) + _log_density_at_90(dimensions) + highest + math.log(integral)


@functools.cache
def _nodes() -> tuple[np.ndarray, np.ndarray]:
    """Of Gauss's and Legendre's rule, which take longer to find than to use."""
    return np.polynomial.legendre.leggauss(200)


def share_within(dimensions: int, within: Number) -> float:
    """The share of random pairs within so many degrees of 90."""
    return -math.expm1(log_share_outside(dimensions, within))


def cumulative(dimensions: int) -> Float[np.ndarray, "bins"]:
    """The share of random pairs below the upper border of each bin of `Pairs`."""
    off = np.abs(180 / BINS * np.arange(1, BINS) - 90)
    half = np.array([share_within(dimensions, each) for each in off]) / 2
    below = np.arange(1, BINS) < BINS / 2
    return np.append(np.where(below, 0.5 - half, 0.5 + half), 1.0)


def density(
    dimensions: int, degrees: Float[np.ndarray, "angles"]
) -> Float[np.ndarray, "angles"]:
    """The share of random pairs a degree, at angles between 0 and 180 degrees."""
    with np.errstate(divide="ignore"):
        sine = np.log(np.sin(np.radians(degrees)))
    logs = _log_density_at_90(dimensions) + (dimensions - 2) * sine
    return np.exp(logs) * math.pi / 180


def _log_density_at_90(dimensions: int) -> float:
    """Of the angle in radians."""
    gammas = math.lgamma(dimensions / 2) - math.lgamma((dimensions - 1) / 2)
    return gammas - math.log(math.pi) / 2
