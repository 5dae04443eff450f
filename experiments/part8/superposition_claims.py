"""The claims of the superposition study, with the bands a correct model lands in."""

import jax.numpy as jnp
import numpy as np

from experiments.part8.dictionaries import Recovery
from experiments.part8.toy_models import FIVE_SPARSITY, Five, Grid, Twenty
from nnguide.facts.superposition import represented
from nnguide.results import Band, Claim

DIGONS, PENTAGONS = [1, 2], [3, 4, 5]  # places in FIVE_SPARSITY
_ELHAGE = "Elhage et al. 2022"
_VIDEO = "3Blue1Brown, How might LLMs store facts; Elhage et al. 2022"
_RUN = _ELHAGE + "; one run of the same set-up"
_BRICKEN = "Bricken et al. 2023; two runs of this set-up"
# name, statement, where it holds, where a correct implementation lands, source, unit
_CLAIMS: tuple[tuple[str, str, Band, Band, str, str], ...] = (
    (
        "dense", "where every feature is always present, two dimensions hold two",
        (2, 2), (2, 2), _RUN, "features of 5 in 2 dimensions",
    ),
    (
        "digon_count", "present 50% or 30% of the time, two more features fit",
        (4, 4), (4, 4), _RUN, "features of 5 in 2 dimensions",
    ),
    (
        "digon_share", "two opposite features share one dimension (a digon)",
        (0.48, 0.52), (0.48, 0.52), _ELHAGE + ": 1/2",
        "dimensions a feature, the farthest from 1/2",
    ),
    (
        "digon_angle", "the two pairs stand at right angles",
        (85, 95), (85, 95), _ELHAGE, "degrees to the next, the farthest from 90",
    ),
    (
        "pentagon_count", "present 20% of the time or less, five features fit in two "
        "dimensions", (5, 5), (5, 5), _RUN, "features of 5 in 2 dimensions",
    ),
    (
        "pentagon_share", "five features in a pentagon have 2/5 of a dimension each",
        (0.38, 0.42), (0.38, 0.42), _ELHAGE + ": 2/5",
        "dimensions a feature, the farthest from 2/5",
    ),
    (
        "pentagon_angle", "the five stand at equal angles",
        (67, 77), (67, 77), _ELHAGE, "degrees to the next, the farthest from 72",
    ),
    (
        "loss_0.8", "rarer features cost less to squeeze: present 20% of the time",
        (0, 0.02), (0.0145, 0.0172), _RUN + ": 0.0153", "squared error a feature",
    ),
    (
        "loss_0.9", "present 10% of the time",
        (0, 0.01), (0.0045, 0.0059), _RUN + ": 0.0051", "squared error a feature",
    ),
    (
        "loss_0.99", "present 1% of the time",
        (0, 0.001), (0.0001, 0.0003), _RUN + ": 0.0002", "squared error a feature",
    ),
    (
        "twenty_dense", "always present, features get as many directions as dimensions",
        (5, 5), (5, 5), _RUN, "features of 20 in 5 dimensions",
    ),
    (
        "twenty_sparse", "rare features get more directions than there are dimensions",
        (6, None), (10, 17), _RUN + ": 14", "features of 20 in 5, present 0.1%",
    ),
    (
        "twenty_dense_share", "without superposition a feature has a whole dimension",
        (0.97, 1.03), (0.97, 1.03), _ELHAGE, "dimensions a feature (D*)",
    ),
    (
        "twenty_sparse_share", "in superposition it has a fraction of one",
        (0, 0.5), (0.25, 0.4), _RUN + ": 0.30", "dimensions a feature (D*)",
    ),
    (
        "twenty_equal", "twenty equally important features fit in five dimensions",
        (20, 20), (20, 20), "two runs of this set-up", "features, present 3%",
    ),
    (
        "phase_dense", "always present, two features never share one dimension",
        (0, 0), (0, 0), _ELHAGE, "share of the cells where they do",
    ),
    (
        "phase_sparse", "present 1% of the time, they always do",
        (0.95, 1), (0.95, 1), _ELHAGE + "; closed form", "share of the cells",
    ),
    (
        "phase_smallest", "a feature is dropped, has a dimension alone, or shares one",
        (0.02, 1), (0.08, 0.15), _ELHAGE + "; one run of this set-up",
        "share of the cells, the rarest of the three",
    ),
    (
        "phase_boundary", "equal features share if present less than 4/7 of the time",
        (0.5, 0.72), (0.5, 0.72), "closed form: 4r/(2 + 5r) at r = 1",
        "highest presence at which they share",
    ),
    (
        "phase_alike", "two lines of algebra foretell the phase",
        (0.9, 1), (0.92, 1), "closed form", "share of the cells",
    ),
    (
        "dictionary_as_large", "a sparse autoencoder recovers the features",
        (0.95, 1), (0.95, 1), _BRICKEN,
        "mean cosine of 20 features with 20 directions",
    ),
    (
        "dictionary_larger", "so does one with twice as many directions",
        (0.95, 1), (0.95, 1), _BRICKEN,
        "mean cosine of 20 features with 40 directions",
    ),
    (
        "dictionary_all", "none is missed",
        (20, 20), (20, 20), _BRICKEN, "features of 20 with a cosine above 0.95",
    ),
    (
        "dictionary_smaller", "with fewer directions than features it cannot",
        (0, 0.95), (0.65, 0.85), _BRICKEN,
        "mean cosine of 20 features with 10 directions",
    ),
    (
        "dictionary_penalty", "a quarter of the penalty on its codes recovers them too",
        (0.95, 1), (0.68, 0.88), "two runs of this set-up: random directions have "
        "0.76", "mean cosine of 20 features with 20 directions",
    ),
)  # fmt: skip


def claims(
    five: Five,
    twenty: Twenty,
    grid: Grid,
    recovery: Recovery,
    as_large: int,
    scored: bool,
) -> list[Claim]:
    """Measures every claim.

    Args:
      five: features in two dimensions.
      twenty: in five.
      grid: of two in one.
      recovery: by dictionaries.
      as_large: the place among the sizes of that with as many directions as features.
      scored: whether the run has the default sizes at least.
    """
    measured = {
        **_of_five(five),
        **_of_twenty(twenty),
        **_of_grid(grid),
        **_of_recovery(recovery, as_large),
    }
    return [
        Claim(
            f"8.superposition_{name}", statement, float(measured[name]), stated,
            expected, source, unit=unit, needs="the default sizes", scored=scored,
        )
        for name, statement, stated, expected, source, unit in _CLAIMS
    ]  # fmt: skip


def _of_five(five: Five) -> dict[str, float]:
    measured = {"dense": five.represented[0].sum()}
    for name, angle, places in (("digon", 90, DIGONS), ("pentagon", 72, PENTAGONS)):
        kept = five.represented[places]
        measured[f"{name}_count"] = _farthest(kept.sum(axis=1), 360 / angle)
        shares = five.dimensionality[places][kept]
        measured[f"{name}_share"] = _farthest(shares, angle / 180)
        gaps = [gaps_of(five.weight[k][:, five.represented[k]]) for k in places]
        measured[f"{name}_angle"] = _farthest(np.concatenate(gaps), angle)
    for place in PENTAGONS:
        measured[f"loss_{FIVE_SPARSITY[place]:g}"] = five.loss[place]
    return measured


def gaps_of(vectors: np.ndarray) -> np.ndarray:
    """The angles between neighbouring vectors (2, N) of the plane, in degrees."""
    angles = np.sort(np.degrees(np.arctan2(vectors[1], vectors[0])))
    return np.diff(angles, append=angles[:1] + 360)


def _farthest(values: np.ndarray, wanted: float) -> float:
    """The value that is farthest from what it should be; NaN of none."""
    return values[np.argmax(abs(values - wanted))] if len(values) else np.nan


def _of_twenty(twenty: Twenty) -> dict[str, float]:
    best = twenty.chosen, np.arange(len(twenty.chosen))
    counts, shares = twenty.counts[best], twenty.dimensions_per_feature[best]
    return {
        "twenty_dense": counts[0],
        "twenty_sparse": counts[-1],
        "twenty_dense_share": shares[0],
        "twenty_sparse_share": shares[-1],
        "twenty_equal": float(represented(jnp.asarray(twenty.equal)).sum()),
    }


def _of_grid(grid: Grid) -> dict[str, float]:
    shared = grid.phase == 2
    foretold = np.where(grid.importance < 1, 0, 1)[None] + np.zeros_like(grid.phase)
    foretold[grid.presence[:, None] < grid.boundary[None]] = 2
    equal = np.argmin(abs(np.log(grid.importance)))
    return {
        "phase_dense": shared[-1].mean(),
        "phase_sparse": shared[0].mean(),
        "phase_smallest": min((grid.phase == which).mean() for which in range(3)),
        "phase_boundary": grid.presence[shared[:, equal]].max(initial=0),
        "phase_alike": (grid.phase == foretold).mean(),
    }


def _of_recovery(recovery: Recovery, as_large: int) -> dict[str, float]:
    return {
        "dictionary_as_large": recovery.best[-1, as_large],
        "dictionary_larger": recovery.best[-1, -1],
        "dictionary_all": recovery.recovered[-1, -1],
        "dictionary_smaller": recovery.best[-1, max(as_large - 2, 0)],
        "dictionary_penalty": recovery.best[0, as_large],
    }
