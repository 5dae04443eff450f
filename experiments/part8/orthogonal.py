"""Nearly perpendicular vectors: what is impossible, what is sure, what is built.

The video puts 10,000 vectors into 100 dimensions, all 89 to 91 degrees apart, and says
that their number grows exponentially with the dimensions. Of the first no more than 103
exist; `orthogonal_packing` shows where the video's pairs went. The second is true at a
fixed angle, at a rate of half the square of the angle: at 15 to 30 degrees it shows in
tens of dimensions, at 1 degree it has not started in GPT-3's 12,288. Yet those hold 75
million vectors within 1 degree, which no luck finds and a formula writes down.

Source: 3Blue1Brown, "How might LLMs store facts", and its erratum at
3blue1brown.com/lessons/mlp.
"""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np

from experiments import study as shared
from experiments.part8 import orthogonal_claims as claims
from experiments.part8 import orthogonal_packing as packed
from experiments.part8.orthogonal_claims import GPT3_WIDTH, Built
from experiments.part8.setting import Setting
from nnguide.config import InputError
from nnguide.facts import angle_bounds, chirps, growth, near_orthogonal, projection
from nnguide.plots import near_orthogonal as pictures
from nnguide.plots import style, vector_counts
from nnguide.results import Claim

SPACES = (3, 10, 100, 768, GPT3_WIDTH)  # of random vectors; 768 is GPT-2's width
EXHAUSTIVE = tuple(p for p in range(3, 48) if chirps.is_odd_prime(p))
ANGLES = (15, 20, 30)  # degrees off 90, at which sets are grown
TENFOLD_AT = 20
LARGEST_SET = 5000  # of 1/P; larger ones take minutes to grow
DISTORTION = 0.5


@dataclasses.dataclass(frozen=True)
class Config:
    """How many vectors, and how many dimensions.

    Attributes:
      vectors: that the video's loss and better ones push apart; the video has 10,000.
      dimensions: that they have; the video has 100.
      steps: of the better losses; the video's own takes 250, as there.
      sample: random vectors whose angles are counted, and points that are projected.
      prime: p of the chirps that are too many to compare one by one.
      grown: dimensions in which sets are grown, ascending, with ten times the first.
      sets: grown in each, of which the mean counts.
    """

    vectors: int = 3000
    dimensions: int = 30
    steps: int = 250
    sample: int = 1000
    prime: int = 6143
    grown: tuple[int, ...] = (8, 16, 24, 32, 40, 48, 56, 64, 72, 80)
    sets: int = 3

    def __post_init__(self) -> None:
        shared.check(
            "orthogonal",
            self,
            dimensions=3,
            steps=1,
            sample=2,
            prime=3,
            grown=3,
            sets=1,
        )
        if self.vectors <= self.dimensions:
            raise InputError(
                f"--orthogonal.vectors={self.vectors}: so few can be perpendicular; "
                f"give more than the {self.dimensions} dimensions."
            )
        if not chirps.is_odd_prime(self.prime):
            raise InputError(f"--orthogonal.prime={self.prime}: give an odd prime.")
        if 10 * self.grown[0] not in self.grown:
            given = ",".join(map(str, self.grown))
            raise InputError(
                f"--orthogonal.grown={given}: {10 * self.grown[0]} is missing, ten "
                f"times the first."
            )


def build(config: Config, seed: int) -> Built:
    """Compares chirps with one another, and the large prime's by a sample and sums."""
    every = [chirps.vectors(p, np.arange(chirps.count(p))) for p in EXHAUSTIVE]
    widest = [90 - near_orthogonal.pairs(vectors).closest for vectors in every]
    most = chirps.count(config.prime)
    chosen = np.random.default_rng(seed).choice(
        most, min(config.sample, most), replace=False
    )
    sampled = near_orthogonal.pairs(chirps.vectors(config.prime, chosen))
    largest, _ = chirps.gauss_sums(config.prime)
    return Built(
        np.array(EXHAUSTIVE), np.array(widest), 90 - sampled.closest,
        math.degrees(math.asin(largest)),
    )  # fmt: skip


def grow(config: Config, seed: int) -> dict[int, np.ndarray]:
    """Angle -> rows of (dimensions, mean size of the sets), where none is too large."""
    grown = {}
    for angle in ANGLES:
        rows = [
            (
                d,
                np.mean(
                    [_set(seed, number, d, angle) for number in range(config.sets)]
                ),
            )
            for d in config.grown
            if angle_bounds.log_greedy(d, angle) <= math.log(LARGEST_SET)
        ]
        grown[angle] = np.array(rows)
    return grown


def _set(seed: int, number: int, dimensions: int, angle: int) -> int:
    rng = np.random.default_rng([seed, number, dimensions, angle])
    return growth.insert(rng, dimensions, angle)


def random_pairs(config: Config, seed: int) -> dict[int, near_orthogonal.Pairs]:
    """Dimensions -> the angles of random vectors in them."""
    key = jax.random.key(seed)
    return {
        d: near_orthogonal.pairs(
            near_orthogonal.directions(jax.random.fold_in(key, d), config.sample, d)
        )
        for d in SPACES
    }


def distortion(config: Config, seed: int) -> float:
    """The largest change of a squared distance, of a sample in GPT-3's width."""
    points, project = jax.random.split(jax.random.key(seed))
    enough = projection.enough_dimensions(config.sample, DISTORTION)
    sample = jax.random.normal(points, (config.sample, GPT3_WIDTH), jnp.float32)
    return float(projection.distortion(sample, enough, project)[0])


def study(config: Config, setting: Setting) -> tuple[list[Claim], list[str]]:
    """Counts, packs, grows, builds; draws all four."""
    random, built = random_pairs(config, setting.seed), build(config, setting.seed)
    grown = grow(config, setting.seed)
    video_claims, drawn = packed.study(
        config.vectors, config.dimensions, config.steps, setting,
        scored=_default(config, "vectors", "dimensions", "steps"),
    )  # fmt: skip
    large = (2 * config.prime, chirps.count(config.prime), built.by_sums)
    drawn += [
        style.save(
            vector_counts.growth(setting.theme, grown, large),
            setting.workdir, "orthogonal_growth",
            **{f"within_{angle}": rows for angle, rows in grown.items()}, large=large,
            primes=built.primes, widest=built.widest,
        ),
        style.save(
            pictures.random_angles(
                setting.theme, {d: each.counts for d, each in random.items()}
            ),
            setting.workdir, "orthogonal_random",
            **{f"dimensions_{d}": each.counts for d, each in random.items()},
        ),
    ]  # fmt: skip
    judged = claims.of_random(
        random[GPT3_WIDTH].share(89, 91),
        _distance(random), distortion(config, setting.seed), DISTORTION,
        scored=_default(config, "sample"),
    )  # fmt: skip
    judged += claims.of_bounds()
    judged += claims.of_growth(
        grown, config.grown[0], TENFOLD_AT, scored=_default(config, "grown", "sets")
    )
    judged += claims.of_chirps(
        built, config.prime, scored=_default(config, "prime", "sample")
    )
    return video_claims + judged, drawn


def _distance(random: dict[int, near_orthogonal.Pairs]) -> float:
    """The largest difference of cumulative shares from the closed form."""
    return max(
        float(
            abs(
                each.counts.cumsum() / each.counts.sum() - near_orthogonal.cumulative(d)
            ).max()
        )
        for d, each in random.items()
    )


def _default(config: Config, *names: str) -> bool:
    return all(getattr(config, name) == getattr(Config(), name) for name in names)
