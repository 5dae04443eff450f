"""How many vectors can be nearly perpendicular: what is possible, and what is sure.

At most: Welch's bounds. The mean of cos^2k over all pairs of N unit vectors is no less
than that of the whole sphere, m_k = 1 3 ... (2k-1) / (d (d+2) ... (d+2k-2)); so not all
can be small. At least: Gilbert and Varshamov's greedy argument. As long as the caps
around the vectors chosen do not cover the sphere, another one fits: N >= 1/P, where P
is the share of random pairs that are further off than allowed. Counts of wide spaces
are larger than any float, so logs are what is returned.

Source: Welch 1974, "Lower bounds on the maximum cross correlation of signals";
Gilbert 1952 and Varshamov 1957, of codes.
"""

import math

import numpy as np
from jaxtyping import Float

from nnguide.facts.near_orthogonal import log_share_outside
from nnguide.results import Number


def _log_moments(dimensions: int) -> Float[np.ndarray, "orders"]:
    """The log of m_k for k = 1, 2, ...: more orders than any bound needs."""
    order = np.arange(1, max(64, 4 * dimensions) + 1)
    return np.cumsum(np.log(2 * order - 1) - np.log(dimensions + 2 * order - 2))


def log_most(dimensions: int, within: Number) -> float:
    """The log of a number that no set of vectors exceeds.

    Args:
      dimensions: of the vectors.
      within: degrees off 90 that each pair may be, above 0.

    Returns:
      The lowest of Welch's bounds of all orders; infinity where none of them bounds.
    """
    moments = _log_moments(dimensions)
    order = np.arange(1, len(moments) + 1)
    allowed = 2 * order * math.log(math.sin(math.radians(within)))
    binds = moments > allowed
    if not binds.any():
        return math.inf
    moments, allowed = moments[binds], allowed[binds]
    bounds = np.log1p(-np.exp(allowed)) - moments - np.log1p(-np.exp(allowed - moments))
    return float(bounds.min())


def widest_angle(count: int, dimensions: int) -> float:
    """The smallest angle between two of `count` lines is at most this, in degrees.

    By Welch's bounds of all orders; 90 where all can be perpendicular.
    """
    moments = _log_moments(dimensions)
    order = np.arange(1, len(moments) + 1)
    above = np.maximum(np.expm1(math.log(count) + moments), 0) / (count - 1)
    cosine = (above ** (1 / (2 * order))).max()
    return math.degrees(math.acos(cosine))


def least_rms_cosine(count: int, dimensions: int) -> float:
    """The root mean square of the cosines of all pairs is at least this."""
    return math.sqrt(max(0, count - dimensions) / (dimensions * (count - 1)))


def log_greedy(dimensions: int, within: Number) -> float:
    """The log of a number of vectors that choosing one after the other always finds."""
    return -log_share_outside(dimensions, within)


def random_count(dimensions: int, within: Number) -> int:
    """How many random vectors are all within so many degrees of 90, as likely as not.

    The largest N that expects at most half a pair outside.
    """
    pairs = math.exp(log_greedy(dimensions, within))
    return int((1 + math.sqrt(1 + 4 * pairs)) / 2)


def overtakes_basis(within: Number) -> int:
    """From how many dimensions on the greedy argument finds more than an axis each.

    Args:
      within: degrees off 90, above 0.
    """
    low, high = 3, 8
    while log_greedy(high, within) < math.log(high):
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        found = log_greedy(middle, within) > math.log(middle)
        low, high = (low, middle) if found else (middle, high)
    return high


def dimensions_for_random(count: Number, within: Number) -> float:
    """Dimensions in which `count` random vectors all lie within so many degrees of 90.

    About: 2 ln(N^2) / cos^2, from the Gaussian tail of one pair's cosine.
    """
    return 4 * math.log(count) / math.sin(math.radians(within)) ** 2
