"""Dropout: unbiased, reproducible, and the same whichever way the axes are merged."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnguide.config import InputError
from nnguide.transformer.dropout import dropout, kept, scale_of_kept


@pytest.mark.smoke
@pytest.mark.parametrize("rate", [0.1, 0.2, 0.5, 0.9])
def test_the_share_dropped_and_the_mean_are_right(rate, key):
    x = dropout(jnp.ones((500, 803)), rate, key)
    numbers = x.size
    np.testing.assert_allclose(jnp.mean(x == 0), rate, atol=1 / 512 + 4 / numbers**0.5)
    spread = (1 / (1 - rate) - 1) ** 0.5 / numbers**0.5  # of the mean, if unbiased
    np.testing.assert_allclose(jnp.mean(x), 1, atol=5 * spread)


def test_what_stays_is_scaled_by_the_exact_probability_of_staying(key):
    x = dropout(jnp.full((64, 64), 3.0), 0.1, key)
    assert scale_of_kept(0.1) == 256 / 230
    np.testing.assert_allclose(jnp.unique(x), [0, 3 * 256 / 230], rtol=1e-6)


@pytest.mark.parametrize("rate", [1 / 256, 0.5, 255 / 256])
def test_the_mean_is_exact_over_all_values_of_a_byte(rate):
    stays = np.arange(256) <= round(256 * (1 - rate)) - 1
    assert np.mean(stays * scale_of_kept(rate)) == 1


def test_rate_0_changes_nothing_and_neither_does_one_too_small_to_see(key):
    x = jax.random.normal(key, (7, 5))
    np.testing.assert_array_equal(dropout(x, 0.0, key), x)
    np.testing.assert_array_equal(dropout(x, 0.001, key), x)


def test_one_key_one_mask_and_another_key_another(key):
    x = jnp.ones((40, 40))
    again = dropout(x, 0.5, jax.random.key(0))
    np.testing.assert_array_equal(dropout(x, 0.5, key), again)
    same = jnp.mean(dropout(x, 0.5, jax.random.key(1)) == again)
    np.testing.assert_allclose(same, 0.5, atol=0.08)


@pytest.mark.parametrize("last", [1, 5, 64])
def test_merging_the_leading_axes_drops_the_same(last, key):
    separate = kept((3, 4, last), 0.5, key)
    np.testing.assert_array_equal(
        separate.reshape(12, last), kept((12, last), 0.5, key)
    )


def test_neighbours_are_independent_though_four_share_a_word(key):
    stays = kept((100_000, 4), 0.5, key).astype(jnp.float32)
    correlations = np.corrcoef(np.asarray(stays).T) - np.eye(4)
    assert np.abs(correlations).max() < 0.015  # five times its spread


def test_shape_type_and_the_gradient_are_kept(key):
    x = jnp.ones((3, 5), jnp.bfloat16)
    assert dropout(x, 0.5, key).dtype == jnp.bfloat16
    assert dropout(jnp.ones(()), 0.5, key).shape == ()
    gradient = jax.grad(lambda x: dropout(x, 0.5, key).sum())(jnp.ones((8, 8)))
    np.testing.assert_array_equal(gradient, dropout(jnp.ones((8, 8)), 0.5, key))


@pytest.mark.parametrize("rate", [-0.1, 1.0, float("nan")])
def test_an_impossible_rate_is_refused(rate, key):
    with pytest.raises(InputError, match=r"dropout=.*Give 0 for none"):
        dropout(jnp.ones(4), rate, key)
