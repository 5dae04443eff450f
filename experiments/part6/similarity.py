"""Similar meanings, large dot product: pairs that people rated, and random pairs."""

import jax.numpy as jnp
import numpy as np

from experiments.part6.word_setting import GUIDE, NEEDS, Words
from nnguide.config import InputError
from nnguide.data.word_tests import RatedPairs
from nnguide.facts.directions import cosine, spearman
from nnguide.plots import similarity as pictures
from nnguide.plots import style
from nnguide.results import Claim

RANDOM = 10_000
SIMILAR = 7.0  # of WordSim-353's 10


def study(words: Words, rated: RatedPairs) -> tuple[list[Claim], list[str]]:
    """Correlates people's ratings with cosines and dot products.

    Raises:
      InputError: fewer than three pairs are known.
    """
    find = words.vocabulary.find
    rows = [(find(first), find(second)) for first, second in rated.pairs]
    known = np.array([None not in pair for pair in rows])
    if known.sum() < 3:
        raise InputError(
            f"--directions.similarity: of {len(rows):,} pairs {known.sum()} have both "
            f"words among the {len(words.vocabulary.words):,}; give others."
        )
    pairs = np.array([pair for pair in rows if None not in pair])
    ratings = rated.ratings[known]
    # the same words in other pairs: only what belongs together differs
    drawn = np.random.default_rng(words.setting.seed).choice(pairs.ravel(), (RANDOM, 2))
    random = drawn[drawn[:, 0] != drawn[:, 1]]
    measures = {
        name: (measure(words, pairs), measure(words, random))
        for name, measure in (("cosine", _cosines), ("dot product", _dots))
    }
    correlations = {name: spearman(ratings, of) for name, (of, _) in measures.items()}
    picture = style.save(
        pictures.ratings(words.setting.theme, ratings, measures, correlations),
        words.setting.workdir, "directions_similarity", ratings=ratings,
        cosines=measures["cosine"][0], dots=measures["dot product"][0],
        random_cosines=measures["cosine"][1], random_dots=measures["dot product"][1],
    )  # fmt: skip
    return _claims(words, ratings, measures, correlations), [picture]


def _cosines(words: Words, pairs: np.ndarray) -> np.ndarray:
    unit = words.vocabulary.unit
    return np.asarray(cosine(unit[pairs[:, 0]], unit[pairs[:, 1]]))


def _dots(words: Words, pairs: np.ndarray) -> np.ndarray:
    vectors = words.vocabulary.vectors
    return np.asarray(
        jnp.einsum("nd,nd->n", vectors[pairs[:, 0]], vectors[pairs[:, 1]])
    )


def _claims(
    words: Words,
    ratings: np.ndarray,
    measures: dict[str, tuple[np.ndarray, np.ndarray]],
    correlations: dict[str, float],
) -> list[Claim]:
    (cosines, at_random), (dots, dots_at_random) = measures.values()
    similar = ratings >= SIMILAR
    source = f"{GUIDE}; expected: scipy's on the same vectors"
    # (id, statement, measured, stated, expected, unit)
    rows = [
        ("similarity_cosine", "similar meanings have a large cosine",
         correlations["cosine"], (0.4, 1), (0.498, 0.508), "Spearman's correlation"),
        ("similarity_dot", "similar meanings have a large dot product",
         correlations["dot product"], (0.4, 1), (0.462, 0.472),
         "Spearman's correlation"),
        ("similar_pairs", "pairs that people rate 7 or more have a larger cosine than "
         "random pairs", float(cosines[similar].mean() - at_random.mean()),
         (0.2, None), (0.33, 0.38), "mean cosine above random pairs"),
        ("similar_dots", "and a larger dot product",
         float(dots[similar].mean() / dots_at_random.mean()), (1.5, None), (1.8, 2.9),
         "times random pairs' mean"),
    ]  # fmt: skip
    return [
        Claim(f"6.{name}", statement, measured, stated, expected, source, unit=unit,
              needs=NEEDS, scored=words.scored)
        for name, statement, measured, stated, expected, unit in rows
    ]  # fmt: skip
