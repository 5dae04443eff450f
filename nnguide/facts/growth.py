"""How many nearly perpendicular vectors there are: the largest set that luck finds.

Random vectors come one by one, and each stays that is close enough to perpendicular to
all that stayed before. Their number grows as sqrt(d) exp(d e^2 / 2) for an angle of e
radians off 90: exponential, at a rate that is tiny where e is.
"""

import math

import numpy as np

from nnguide.facts.angle_bounds import log_greedy
from nnguide.results import Number

_BLOCK = 2048  # vectors at a time


def insert(
    rng: np.random.Generator, dimensions: int, within: Number, coverings: Number = 4.0
) -> int:
    """Counts the random vectors that stay.

    Args:
      rng: where they come from.
      dimensions: of them.
      within: degrees off 90 that each pair may be.
      coverings: how many come, in multiples of 1/P, where P is the share of random
        pairs further off; so that sets of all dimensions are equally close to full.
    """
    left = math.ceil(coverings * math.exp(log_greedy(dimensions, within)))
    cosine = math.sin(math.radians(within))
    kept = np.zeros((0, dimensions), np.float32)
    while left:
        block = rng.standard_normal((min(left, _BLOCK), dimensions), dtype=np.float32)
        left -= len(block)
        block /= np.linalg.norm(block, axis=1, keepdims=True)
        for start in range(0, len(kept), _BLOCK):
            products = np.abs(block @ kept[start : start + _BLOCK].T)
            block = block[products.max(axis=1) <= cosine]
        kept = np.concatenate([kept, block[_first_come(block, cosine)]])
    return len(kept)


def _first_come(block: np.ndarray, cosine: float) -> list[int]:
    """Which of a block stay, where earlier ones keep out later ones."""
    clash = np.abs(block @ block.T) > cosine
    stay, out = [], np.zeros(len(block), bool)
    for number in range(len(block)):
        if not out[number]:
            stay.append(number)
            out |= clash[number]
    return stay


def rate(dimensions: np.ndarray, counts: np.ndarray) -> float:
    """Nats a dimension by which N / sqrt(d) grows, by least squares."""
    logs = np.log(counts) - np.log(dimensions) / 2
    return float(np.polyfit(dimensions, logs, 1)[0])
