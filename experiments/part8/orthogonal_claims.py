"""What the study of nearly perpendicular vectors says about the guide."""

import math
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int

from nnguide.facts import angle_bounds, chirps, growth, near_orthogonal, projection
from nnguide.results import Claim

GPT3_WIDTH = 12_288
VIDEO = "3Blue1Brown, How might LLMs store facts"
ERRATUM = "erratum at 3blue1brown.com/lessons/mlp"
JOHNSON_LINDENSTRAUSS = "Dasgupta and Gupta 2003"
# (points, distortion of squared distances, dimensions as the literature tabulates them)
TABLE = ((1_000_000, 0.5, 663), (1_000_000, 0.1, 11_841), (10_000, 0.0175, 243_436))
# (name, statement, measured, stated, expected, unit, source)
Row = tuple[str, str, float, Any, Any, str, str]


class Built(NamedTuple):
    """How far from perpendicular chirps are.

    Attributes:
      primes: whose chirps were all compared with all.
      widest: of each, how far the furthest pair is off 90 degrees.
      sampled: the same for a sample at the large prime.
      by_sums: for all its pairs, from its Gauss sums.
    """

    primes: Int[np.ndarray, "primes"]
    widest: Float[np.ndarray, "primes"]
    sampled: float
    by_sums: float


def _claims(rows: list[Row], needs: str = "", scored: bool = True) -> list[Claim]:
    return [
        Claim(
            f"8.orthogonal_{name}", statement, measured, stated, expected, source,
            unit=unit, needs=needs, scored=scored,
        )
        for name, statement, measured, stated, expected, unit, source in rows
    ]  # fmt: skip


def of_random(
    within: float, distance: float, changed: float, allowed: float, scored: bool
) -> list[Claim]:
    """About random vectors.

    Args:
      within: share of pairs at 89 to 91 degrees in GPT-3's width.
      distance: of cumulative shares from the closed form, the largest.
      changed: largest change of a squared distance by a projection.
      allowed: by its bound.
      scored: whether the sample has its default size.
    """
    exact = near_orthogonal.share_within(GPT3_WIDTH, 1)
    rows: list[Row] = [
        ("random_pairs", "random vectors of GPT-3's width are nearly all 89 to 91 "
         "degrees apart", within, (0.9, 1), (exact - 0.01, exact + 0.01), "of pairs",
         f"{VIDEO}; {exact:.3f} by the closed form"),
        ("random_angles", "angles of random vectors follow sin(t)^(d-2)", distance,
         (0, 0.01), (0, 0.01), "largest difference of cumulative shares",
         "closed form"),
        ("projection", "a random projection to as many dimensions as the bound asks "
         f"for changes no squared distance by more than {allowed:.0%}", changed,
         (0, allowed), (0.25, allowed), "largest change", JOHNSON_LINDENSTRAUSS),
    ]  # fmt: skip
    table: list[Row] = [
        (f"projection_{place}", f"{wanted:,} dimensions hold {count:,} points within "
         f"{share:.4g} of their squared distances",
         projection.enough_dimensions(count, share), (wanted, wanted + 1),
         (wanted, wanted + 1), "dimensions", JOHNSON_LINDENSTRAUSS)
        for place, (count, share, wanted) in enumerate(TABLE, 1)
    ]  # fmt: skip
    return _claims(rows, "the default sample", scored) + _claims(table)


def of_bounds() -> list[Claim]:
    """What closed forms say about 1 degree, and about 5."""
    most = math.floor(math.exp(angle_bounds.log_most(100, 1)))
    wide = angle_bounds.log_greedy(GPT3_WIDTH, 5) / math.log(10)
    tenfold = math.exp(angle_bounds.log_most(1000, 1)) / 100
    return _claims([
        ("most", "10,000 vectors in 100 dimensions are all 89 to 91 degrees apart",
         most, (10_000, None), (103, 103), "vectors at most", f"{VIDEO}; Welch 1974"),
        ("must", "10,000 vectors in 100 dimensions are all within 1 degree of 90",
         90 - angle_bounds.widest_angle(10_000, 100), (0, 1), (6.7, 6.9),
         "degrees off 90 that some pair must be", f"{VIDEO}; Welch 1974 with k = 2"),
        ("lucky", "12,288 dimensions hold exponentially many random vectors within 1 "
         "degree", angle_bounds.random_count(GPT3_WIDTH, 1), (GPT3_WIDTH, None),
         (4, 4), "vectors, as likely as not", f"{VIDEO}; at most half a pair outside"),
        ("greedy", "they hold exponentially many within 1 degree, chosen one by one",
         math.exp(angle_bounds.log_greedy(GPT3_WIDTH, 1)), (GPT3_WIDTH, None),
         (18.8, 18.9), "vectors; the axes alone are 12,288",
         f"{VIDEO}; Gilbert's and Varshamov's 1/P"),
        ("greedy_5", "they hold more than 40 billion within 5 degrees", wide,
         (math.log10(4e10), None), (21.43, 21.44), "log10 of vectors", ERRATUM),
        ("overtakes", "the exponential has started at 1 degree in 12,288 dimensions",
         angle_bounds.overtakes_basis(1), (None, GPT3_WIDTH), (60_949, 60_949),
         "dimensions from which it finds more than the axes",
         f"{VIDEO}; 1/P > d"),
        ("tenfold_1", "10 times the dimensions hold far more than 10 times the "
         "features within 1 degree", tenfold, (20, None), (14.3, 14.4),
         "times at most, from 100 dimensions to 1,000", f"{VIDEO}; Welch 1974"),
    ])  # fmt: skip


def of_growth(
    grown: dict[int, Float[np.ndarray, "spaces 2"]],
    first: int,
    tenfold_at: int,
    scored: bool,
) -> list[Claim]:
    """About sets that luck finds.

    Args:
      grown: degrees off 90 -> rows of (dimensions, vectors found).
      first: dimensions, whose tenfold is among them too.
      tenfold_at: the angle at which these two are compared.
      scored: whether dimensions and number of sets are the default.
    """
    sizes = dict(grown[tenfold_at])
    # the axes are always there, and more than luck finds in few dimensions
    times = max(sizes[10 * first], 10 * first) / max(sizes[first], first)
    rows: list[Row] = [
        (f"growth_{angle}", f"vectors within {angle} degrees grow exponentially with "
         "the dimensions, by half the squared angle each",
         growth.rate(*found.T) / (math.radians(angle) ** 2 / 2), (0.75, 1.25),
         (0.8, 1.15), "measured nats a dimension over e^2 / 2",
         f"{VIDEO}; {ERRATUM}; ln(N / sqrt(d)) over d by least squares")
        for angle, found in grown.items()
    ]  # fmt: skip
    rows.append(
        ("tenfold", "10 times the dimensions hold far more than 10 times the features "
         f"within {tenfold_at} degrees", times, (20, None), (90, 140),
         f"times, from {first} dimensions to {10 * first}; the axes count",
         f"{VIDEO}; 1.6 / P expected, P = 1/563 in 80 dimensions")
    )  # fmt: skip
    return _claims(rows, "the default grown and sets", scored)


def of_chirps(built: Built, large: int, scored: bool) -> list[Claim]:
    """About vectors by construction.

    Args:
      built: what was measured.
      large: the prime of those too many to compare one by one.
      scored: whether it, and the sample, are the default.
    """
    last, gauss = int(built.primes[-1]), "Gauss sums; asin(1/sqrt p)"
    gap = np.abs(built.widest - np.degrees(np.arcsin(built.primes**-0.5))).max()
    bound = math.degrees(math.asin(large**-0.5))
    rows: list[Row] = [
        ("chirps", f"chirps of all odd primes to {last} are asin(1/sqrt p) off 90 at "
         "most", float(gap), (0, 1e-6), (0, 1e-6),
         "degrees, largest difference; every pair measured", gauss),
        (f"chirps_{last}", f"{chirps.count(last):,} vectors in {2 * last} dimensions "
         "lie within 8.39 degrees", float(built.widest[-1]), (0, 8.39),
         (8.3873, 8.3875), "degrees off 90, every pair measured", gauss),
    ]  # fmt: skip
    of_large: list[Row] = [
        ("chirps_large", f"{chirps.count(large):,} vectors in {2 * large:,} dimensions "
         "are 89 to 91 degrees apart: by structure, not by luck", built.by_sums,
         (0, 1), (bound - 1e-6, bound + 1e-6),
         "degrees off 90, Gauss sums of all pairs", f"{VIDEO}; {gauss}"),
        ("chirps_sampled", "so is a sample of them, compared pair by pair",
         built.sampled, (0, 1), (0.95 * bound, bound + 1e-6), "degrees off 90",
         f"{VIDEO}; {gauss}"),
    ]  # fmt: skip
    needs = "the default prime and sample"
    return _claims(rows) + _claims(of_large, needs, scored)
