"""The AND neuron: exact where perpendicular, and how it leaks where not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnguide.facts import logic_gates
from nnguide.transformer.mlp_block import ACTIVATIONS


def perpendicular(names: int):
    firsts, lasts = jnp.split(jnp.eye(2 * names), 2)
    return firsts, lasts


@pytest.mark.smoke
def test_the_row_measures_two_one_one_and_zero():
    firsts, lasts = perpendicular(4)
    kinds = logic_gates.four_kinds(firsts, lasts)
    rows = firsts + lasts
    sums = jnp.einsum("knd,nd->kn", kinds, rows)
    np.testing.assert_array_equal(sums, np.tile([[2], [1], [1], [0]], (1, 4)))


def test_the_full_name_alone_gets_one_column():
    firsts, lasts = perpendicular(3)
    basketball = jnp.arange(6.0)
    neuron = logic_gates.and_neuron(firsts[1], lasts[1], basketball)
    names = logic_gates.four_kinds(firsts, lasts)[:, 1]
    added = logic_gates.written(neuron, names, ACTIVATIONS["relu"])
    np.testing.assert_array_equal(added[0], basketball)
    assert not added[1:].any()


def test_a_name_is_the_sum_of_its_halves():
    """Against asking each neuron about each half match, name by name."""
    firsts, lasts = jax.random.normal(jax.random.key(0), (2, 3, 5))
    sums = logic_gates.weighted_sums(firsts, lasts)
    for n in range(3):
        row = firsts[n] + lasts[n]
        assert float(sums.full[n]) == pytest.approx(float(row @ row), abs=1e-5)
        others = [m for m in range(3) if m != n]
        wanted = [float((firsts[n] + lasts[m]) @ row) for m in others]
        wanted += [float((firsts[m] + lasts[n]) @ row) for m in others]
        np.testing.assert_allclose(sums.half[n], wanted, atol=1e-5)


def test_directions_have_length_one():
    drawn = logic_gates.random_directions(jax.random.key(1), 9, 33)
    np.testing.assert_allclose(jnp.linalg.norm(drawn, axis=-1), 1, rtol=1e-5)


@pytest.mark.parametrize("bias", [-1.0, -1.5])
def test_half_matches_fire_as_often_as_the_closed_form_says(bias):
    @jax.jit
    def share(key):
        directions = logic_gates.random_directions(key, 200, 32)
        return (
            logic_gates.weighted_sums(*jnp.split(directions, 2)).half > -bias
        ).mean()

    measured = float(jax.lax.map(share, jax.random.split(jax.random.key(0), 30)).mean())
    wanted = logic_gates.share_of_half_matches(bias, 32)
    assert measured == pytest.approx(wanted, abs=0.02 if bias == -1 else 0.01)


def test_the_share_stays_and_the_halfway_share_vanishes():
    of = logic_gates.share_of_half_matches
    assert of(-1.0, 12_288) == pytest.approx(0.5, abs=1e-3)
    assert of(-1.5, 32) == pytest.approx(0.0567, abs=1e-3)
    assert of(-1.5, 128) == pytest.approx(9.0e-4, abs=1e-5)
    assert of(-1.5, 512) < 1e-9
