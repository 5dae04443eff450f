"""Ranks of answers: those of all scores at once, whatever the chunks."""

import jax.numpy as jnp
import numpy as np
import pytest

from nnguide.facts import analogies
from nnguide.facts.directions import unit


def by_hand(vectors, questions):
    """Every score of every question, sorted."""
    found = []
    for a, b, c, d in questions:
        scores = vectors @ (vectors[b] - vectors[a] + vectors[c])
        nearer = np.flatnonzero(scores > scores[d])
        found.append((1 + len(nearer), 1 + len(set(nearer) - {a, b, c})))
    return np.array(found).T


@pytest.mark.smoke
def test_ranks_are_those_of_all_scores(monkeypatch):
    monkeypatch.setattr(analogies, "QUESTIONS_AT_ONCE", 7)  # 3 chunks, one padded
    rng = np.random.default_rng(0)
    # more words than a tile, and not a multiple
    vectors = np.asarray(unit(jnp.asarray(rng.normal(size=(1500, 6)), jnp.float32)))
    questions = np.array([rng.choice(1500, 4, replace=False) for _ in range(20)])
    found = analogies.ranks(jnp.asarray(vectors), questions)
    allowed, excluded = by_hand(vectors.astype(np.float64), questions)
    np.testing.assert_allclose(found.allowed, allowed, atol=1)  # but for near ties
    np.testing.assert_allclose(found.excluded, excluded, atol=1)
    assert (found.allowed > found.excluded).any()


def test_a_word_is_not_nearer_than_itself_and_doubles_count_once():
    vectors = jnp.eye(4)
    # a = b: the sum is c, which is nearer than d
    found = analogies.ranks(vectors, np.array([[0, 0, 1, 3], [0, 1, 1, 2]]))
    assert found.allowed.tolist() == [2, 2]
    assert found.excluded.tolist() == [1, 1]


def test_an_answer_among_its_inputs_is_never_right():
    found = analogies.ranks(jnp.eye(4), np.array([[0, 1, 2, 2]]))
    assert found.allowed.tolist() == [1]
    assert found.excluded.tolist() == [4]


def test_no_questions_have_no_ranks():
    found = analogies.ranks(jnp.eye(4), np.zeros((0, 4), np.int32))
    assert found.allowed.shape == found.excluded.shape == (0,)
