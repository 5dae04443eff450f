"""Vectors pushed apart: what the video's loss hides, and losses that hide nothing.

Source: 3Blue1Brown, "How might LLMs store facts" (10,000 vectors, 100 dimensions, 250
steps, a histogram from 80 to 100 degrees); the erratum at 3blue1brown.com/lessons/mlp,
which gives 76.5 degrees for 10,000 vectors in 100 dimensions and exp(20 cos^2).
"""

from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Float, Int

from experiments.part8.setting import Setting
from nnguide.facts import angle_bounds, chirps, near_orthogonal, packing
from nnguide.facts.near_orthogonal import Pairs
from nnguide.plots import near_orthogonal as pictures
from nnguide.plots import style, vector_counts
from nnguide.results import Claim

RATE = 1e-2  # of Adam, as the video has it
YODER = (20.0, 20.0)
SHARPENED = (20.0, 400.0)
POWER = (8.0, 100.0)
PRIME = 17  # of the chirps that the losses are compared with
COUNTS = (68, 204, chirps.count(PRIME), 3 * chirps.count(PRIME))  # 612 in the middle
RANDOM_SETS = 8  # of which one is pushed apart
VIDEO, BEST = "the video's loss", "exp(b cos^2),\nb to 400"


class Curve(NamedTuple):
    """The smallest angle of sets of vectors in 2 `PRIME` dimensions, in degrees.

    Attributes:
      counts: of the vectors.
      random: of random ones, the mean of `RANDOM_SETS` sets.
      optimised: pushed apart by the best loss.
      possible: no set has more, by Welch.
      chirp: of the chirps.
    """

    counts: Int[np.ndarray, "counts"]
    random: Float[np.ndarray, "counts"]
    optimised: Float[np.ndarray, "counts"]
    possible: Float[np.ndarray, "counts"]
    chirp: float


def push_apart(count: int, dimensions: int, steps: int, seed: int) -> dict[str, Pairs]:
    """The angles of the same random vectors under each loss."""
    start = near_orthogonal.directions(jax.random.key(seed), count, dimensions)
    sharp = packing.sharp_descent
    return {
        "random": near_orthogonal.pairs(start),
        VIDEO: near_orthogonal.pairs(packing.video_descent(start)),
        "exp(20 cos^2)": near_orthogonal.pairs(
            sharp(start, "exponential", YODER, steps, RATE)
        ),
        "|cos|^p,\np to 100": near_orthogonal.pairs(
            sharp(start, "power", POWER, steps, RATE)
        ),
        BEST: near_orthogonal.pairs(
            sharp(start, "exponential", SHARPENED, steps, RATE)
        ),
    }


def against_count(steps: int, seed: int) -> Curve:
    """How close the closest pair is, for more and more vectors in one space."""
    rows = []
    for count in COUNTS:
        key = jax.random.fold_in(jax.random.key(seed), count)
        starts = [
            near_orthogonal.directions(each, count, 2 * PRIME)
            for each in jax.random.split(key, RANDOM_SETS)
        ]
        spread = packing.sharp_descent(starts[0], "exponential", SHARPENED, steps, RATE)
        rows.append((
            np.mean([near_orthogonal.pairs(each).closest for each in starts]),
            near_orthogonal.pairs(spread).closest,
            angle_bounds.widest_angle(count, 2 * PRIME),
        ))  # fmt: skip
    random, optimised, possible = np.array(rows).T
    every = chirps.vectors(PRIME, np.arange(chirps.count(PRIME)))
    chirp = near_orthogonal.pairs(every).closest
    return Curve(np.array(COUNTS), random, optimised, possible, chirp)


def study(
    count: int, dimensions: int, steps: int, setting: Setting, scored: bool
) -> tuple[list[Claim], list[str]]:
    """Pushes apart, measures, draws.

    Args:
      count: vectors.
      dimensions: of them.
      steps: of the losses that are not the video's.
      setting: of the run.
      scored: whether these are the sizes that the expected numbers are for.
    """
    sets = push_apart(count, dimensions, steps, setting.seed)
    curve = against_count(steps, setting.seed)
    counts = {f"loss_{i}": each.counts for i, each in enumerate(sets.values())}
    figures = [
        style.save(
            pictures.zoomed_out(
                setting.theme, sets["random"].counts, sets[VIDEO].counts,
                sets[BEST].counts, (count, dimensions),
            ),
            setting.workdir, "orthogonal_video", **counts,
        ),
        style.save(
            vector_counts.smallest_angles(
                setting.theme, 2 * PRIME, curve.counts, curve.random, curve.optimised,
                curve.possible, (chirps.count(PRIME), curve.chirp),
                {name: each.closest for name, each in sets.items()},
                (count, dimensions, angle_bounds.widest_angle(count, dimensions)),
            ),
            setting.workdir, "orthogonal_losses", **curve._asdict(),
            losses=np.array(list(sets)),
            closest=np.array([each.closest for each in sets.values()]),
        ),
    ]  # fmt: skip
    return _claims(sets, curve, count, dimensions, scored), figures


def _claims(
    sets: dict[str, Pairs], curve: Curve, count: int, dimensions: int, scored: bool
) -> list[Claim]:
    video, best, yoder = sets[VIDEO], sets[BEST], sets["exp(20 cos^2)"]
    source = "3Blue1Brown, How might LLMs store facts; its erratum"
    hidden = video.share(0, 25) + video.share(155, 180)  # degrees
    least = angle_bounds.least_rms_cosine(count, dimensions)
    possible = angle_bounds.widest_angle(count, dimensions)
    vectors = f"{count:,} vectors in {dimensions} dimensions"
    middle = COUNTS.index(chirps.count(PRIME))
    # (name, statement, measured, stated, expected, unit)
    rows: list[tuple[str, str, float, Any, Any, str]] = [
        ("video", f"the video's loss puts {vectors} all 89 to 91 degrees apart",
         video.share(89, 91), (0.99999, 1), (0.955, 0.975), "of pairs"),
        ("hidden", "its histogram from 80 to 100 degrees leaves out 1/d of the pairs",
         hidden * dimensions, (0.9, 1.2), (1.0, 1.15),
         "of 1/d, within 25 degrees of 0 or 180"),
        ("between", "and no pair is between the two", 1 - hidden - video.share(80, 100),
         (0, 0.005), (0, 0.005), "of pairs"),
        ("conserved", "the sum of squared cosines is not made smaller, only moved",
         video.rms_cosine / least, (1, 1.1), (1, 1.1), "of Welch's least rms cosine"),
        ("yoder", f"exp(20 cos^2) leaves no two of {vectors} close", yoder.closest,
         (50, possible), (56, 66), "degrees between the closest"),
        ("sharpened", "a loss that sharpens leaves them further apart, far from 89",
         best.closest, (50, possible), (60, 68),
         f"degrees between the closest; {possible:.1f} is Welch's bound"),
        ("by_structure", "chirps lie further apart than as many optimised vectors",
         curve.chirp - curve.optimised[middle], (0, None), (0.5, 4),
         f"degrees, {COUNTS[middle]} vectors in {2 * PRIME} dimensions"),
    ]  # fmt: skip
    return [
        Claim(
            f"8.orthogonal_{name}", statement, measured, stated, expected, source,
            unit=unit, needs="the default vectors, dimensions and steps", scored=scored,
        )
        for name, statement, measured, stated, expected, unit in rows
    ]  # fmt: skip
