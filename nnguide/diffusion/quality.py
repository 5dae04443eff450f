"""How good samples are, in numbers: close to the data, varied, as asked for, and new.

Distances are taken between features that a classifier of our own computed. The Frechet
distance is then not the FID of papers, whose features are those of one certain network
trained on photographs, and it can only be compared where features and numbers of
samples are the same. It is never 0: two halves of the data themselves give the noise
floor, which belongs beside every value. The kernel distance has no such bias.

All in NumPy, float64: these are differences of large sums.

Sources: Frechet distance: Heusel et al., arXiv 1706.08500; kernel distance: Binkowski
et al., 1801.01401; precision and recall: Kynkaanniemi et al., 1904.06991; coverage:
Naeem et al., 2002.09797.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

NEIGHBOURS = 3  # k, as in Kynkaanniemi et al.
_ROWS = 1024  # of a table of distances that is held at once

Features = Float[np.ndarray, "N D"]
OtherFeatures = Float[np.ndarray, "M D"]


def frechet_distance(first: Features, second: OtherFeatures) -> float:
    """Squared distance of the two Gaussians that fit the features best.

    |m - m'|^2 + trace(C + C' - 2 (C C')^(1/2)), with unbiased covariances C.
    """
    shift = first.mean(0, dtype=np.float64) - second.mean(0, dtype=np.float64)
    one, other = (np.cov(each.astype(np.float64).T) for each in (first, second))
    one, other = np.atleast_2d(one), np.atleast_2d(other)
    root = _root(one)
    # (C C')^(1/2) has the trace of the symmetric (C^(1/2) C' C^(1/2))^(1/2)
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ other @ root), 0)).sum()
    return float(shift @ shift + np.trace(one) + np.trace(other) - 2 * shared)


def _root(matrix: Float[np.ndarray, "D D"]) -> Float[np.ndarray, "D D"]:
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T


def kernel_distance(first: Features, second: OtherFeatures) -> float:
    """Squared maximum mean discrepancy with the kernel (x.y / D + 1)^3, unbiased.

    Its mean over draws is 0 where both sides come from one distribution, however few
    they are; a single value may therefore be below 0.
    """
    sides = [each.astype(np.float64) for each in (first, second)]
    within = 0.0
    for side in sides:
        count = len(side)
        kernel = _kernel(side, side)
        within += (kernel.sum() - np.trace(kernel)) / (count * (count - 1))
    return float(within - 2 * _kernel(*sides).mean())


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x @ y.T / x.shape[1] + 1) ** 3


class Neighbourhood(NamedTuple):
    """Whether samples lie among the data, and the data among samples; shares of 1.

    Attributes:
      precision: of the samples, those within reach of the data: plausible ones.
      recall: of the data, those within reach of the samples: variety. A point reaches
        as far as its k-th nearest neighbour on its own side.
      coverage: of the data, those that have a sample within their own reach; an outlier
        among the samples, which reaches far, does not raise it.
    """

    precision: float
    recall: float
    coverage: float


def neighbourhood(
    real: Features, samples: OtherFeatures, k: int = NEIGHBOURS
) -> Neighbourhood:
    """Precision, recall and coverage by the k-th nearest neighbours."""
    reach_of_real, reach_of_samples = (_reach(each, k) for each in (real, samples))
    plausible = np.zeros(len(samples), bool)
    reached, covered = np.zeros(len(real), bool), np.zeros(len(real), bool)
    for start in range(0, len(real), _ROWS):
        rows = slice(start, start + _ROWS)
        apart = distances(real[rows], samples)
        inside = apart <= reach_of_real[rows, None]
        plausible |= inside.any(axis=0)
        covered[rows] = inside.any(axis=1)
        reached[rows] = (apart <= reach_of_samples[None]).any(axis=1)
    return Neighbourhood(*(float(x.mean()) for x in (plausible, reached, covered)))


def _reach(points: np.ndarray, k: int) -> Float[np.ndarray, "N"]:
    """Distance of each point to its k-th nearest neighbour."""
    found = []
    for start in range(0, len(points), _ROWS):
        apart = distances(points[start : start + _ROWS], points)
        found.append(np.partition(apart, k, axis=1)[:, k])  # the 0-th is itself
    return np.concatenate(found)


def distances(
    x: Float[np.ndarray, "N *shape"], y: Float[np.ndarray, "M *shape"]
) -> Float[np.ndarray, "N M"]:
    """Euclidean distances of all pairs."""
    x, y = (each.reshape(len(each), -1).astype(np.float64) for each in (x, y))
    square = (x**2).sum(1)[:, None] + (y**2).sum(1)[None] - 2 * x @ y.T
    return np.sqrt(np.maximum(square, 0))


def nearest(
    images: Float[np.ndarray, "N *shape"], among: Float[np.ndarray, "M *shape"]
) -> tuple[Float[np.ndarray, "N"], Int[np.ndarray, "N"]]:
    """How far each image is from the nearest one of another set, and which that is."""
    far, which = [], []
    for start in range(0, len(images), _ROWS):
        apart = distances(images[start : start + _ROWS], among)
        far.append(apart.min(axis=1))
        which.append(apart.argmin(axis=1))
    return np.concatenate(far), np.concatenate(which)


def nearest_ratio(
    samples: Float[np.ndarray, "N *shape"],
    unseen: Float[np.ndarray, "M *shape"],
    training: Float[np.ndarray, "T *shape"],
) -> float:
    """How near samples come to training images, measured by unseen real images.

    Medians of the distances to the nearest training image, of samples over unseen ones:
    about 1 where a network draws anew, near 0 where it repeats what it has seen.
    """
    near, usual = (np.median(nearest(each, training)[0]) for each in (samples, unseen))
    return float(near / usual)


def class_accuracy(
    logits: Float[np.ndarray, "N classes"], wanted: Int[np.ndarray, "N"]
) -> float:
    """Share of the samples that a classifier takes for the class they were asked as."""
    return float((logits.argmax(axis=1) == wanted).mean())
