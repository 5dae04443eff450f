"""Directions of words: laws on small vectors, both conventions, spellings."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

from nnguide.config import InputError
from nnguide.facts import directions
from nnguide.facts.directions import parse_analogy, solve, vocabulary

WORDS = ("king", "man", "woman", "queen", "apple")
VECTORS = np.array(
    [[3, 1, 0], [1, 1, 0], [1, 1.4, 0], [3, 1.8, 0.9], [-1, 0, 2]], np.float32
)


@pytest.fixture(scope="module")
def five():
    return vocabulary(WORDS, VECTORS)


@pytest.mark.smoke
def test_the_inputs_are_nearer_than_the_answer_unless_excluded(five):
    found = solve(five, parse_analogy("king-man+woman=queen"), 2)
    assert (found.rank_allowed, found.rank_excluded) == (2, 1)
    assert found.allowed.words == ("king", "queen")
    assert found.excluded.words == ("queen", "apple")
    target = VECTORS[0] - VECTORS[1] + VECTORS[2]
    lengths = np.linalg.norm(target) * np.linalg.norm(VECTORS[3])
    assert found.cosine == pytest.approx(target @ VECTORS[3] / lengths, rel=1e-5)


def test_an_open_question_has_no_rank(five):
    found = solve(five, parse_analogy("king-man"), 9)
    assert (found.rank_allowed, found.rank_excluded) == (0, 0)
    assert np.isnan(found.cosine)
    assert len(found.allowed.words) == 5
    assert len(found.excluded.words) == 3


@pytest.mark.parametrize(
    ("text", "words", "signs", "answer"),
    [
        ("king-man+woman=queen", ("king", "man", "woman"), (1, -1, 1), "queen"),
        ("a+b", ("a", "b"), (1, 1), None),
        ("mother-in-law - mother + father = father-in-law",
         ("mother-in-law", "mother", "father"), (1, -1, 1), "father-in-law"),
    ],
)  # fmt: skip
def test_sums_are_read(text, words, signs, answer):
    assert parse_analogy(text)[1:] == (words, signs, answer)


@pytest.mark.parametrize("text", ["king", "", "king-", "king--man", "a+b="])
def test_what_is_no_sum_is_refused(text):
    with pytest.raises(InputError, match="write it as king-man"):
        parse_analogy(text)


def test_a_missing_word_is_told_with_its_nearest_spellings(five):
    with pytest.raises(InputError, match=r"'quene'.*5 words \(nearest: queen\)"):
        five.row("quene")
    with pytest.raises(InputError, match="nothing is like it"):
        five.row("zzzz")
    assert five.row("King") == 0  # lower case where there is no other
    assert vocabulary(("King", "king"), VECTORS[:2]).row("King") == 0


def test_a_vector_of_length_zero_stays():
    np.testing.assert_array_equal(directions.unit(jnp.zeros((2, 3))), np.zeros((2, 3)))


def test_spearman_is_that_of_scipy_with_ties():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 5, (2, 40)).astype(float)
    expected = scipy.stats.spearmanr(x, y).statistic  # type: ignore
    assert directions.spearman(x, y) == pytest.approx(expected, abs=1e-12)


def test_four_vectors_keep_all_distances_in_three_dimensions():
    vectors = np.random.default_rng(0).normal(size=(4, 20))
    places = directions.in_three_dimensions(vectors)

    def distances(points):
        return np.linalg.norm(points[:, None] - points[None], axis=-1)

    np.testing.assert_allclose(distances(places), distances(vectors), rtol=1e-9)
    assert (np.abs(places[1, 1:]) < 1e-12).all()
    assert abs(places[2, 2]) < 1e-12
    assert places[1, 0] > 0
    assert places[2, 1] > 0
    assert places[3, 2] > 0


def test_one_direction_is_told_from_many():
    one = jnp.array([[1.0, 0], [2, 0], [3, 0]])
    np.testing.assert_allclose(directions.pairwise_cosines(one), 1)
    np.testing.assert_allclose(directions.left_out(one), [2.5, 4, 4.5])
    many = jnp.array([[1.0, 0], [-1, 0], [0, 1]])
    np.testing.assert_allclose(directions.pairwise_cosines(many), [-1, 0, 0], atol=1e-7)
    assert float(directions.left_out(many)[0]) < 0
