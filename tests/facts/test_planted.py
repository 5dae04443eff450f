"""A planted language: sums of log-odds become sums of vectors; nothing else does."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnguide.facts import planted
from nnguide.facts.analogies import ranks
from nnguide.facts.directions import unit


def test_questions_change_one_value_on_both_sides():
    asked = planted.questions()
    assert len(np.unique(asked, axis=0)) == len(asked) == 528
    a, b, c, d = np.array(planted.WORDS)[asked].swapaxes(0, 1)
    assert ((a != b).sum(axis=1) == 1).all()
    assert ((a != c).sum(axis=1) == 1).all()
    np.testing.assert_array_equal(b - a, d - c)


@pytest.mark.parametrize("additive", [True, False])
def test_log_odds_add_only_where_they_are_planted_so(key, additive):
    language = planted.plant(key, 1_000, additive)
    a, b, c, d = jnp.moveaxis(language.log_odds[planted.questions()], 1, 0)
    error = float(jnp.abs(b - a + c - d).max())
    assert error < 1e-5 if additive else error > 1


@pytest.mark.smoke
def test_vectors_of_sums_answer_every_analogy_and_the_control_does_not(key):
    right = []
    for additive in (True, False):
        language = planted.plant(key, 1_000_000, additive)
        learned = planted.learn(key, language.counts, 16, 600)
        found = ranks(unit(learned.words), planted.questions())
        right.append((found.excluded == 1).mean())
    assert right[0] == 1
    assert right[1] < 0.2


def test_the_corpus_has_the_size_asked_for(key):
    counts = planted.plant(key, 100_000, True).counts
    assert float(counts.sum()) == pytest.approx(100_000, rel=0.02)
    assert jax.numpy.isfinite(counts).all()
