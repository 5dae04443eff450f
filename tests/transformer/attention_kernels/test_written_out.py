"""The reference against numbers by hand, NumPy, and the laws of attention."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnguide.transformer.attention_kernels import attend, pattern
from nnguide.transformer.attention_kernels.mask import allowed_pairs


def arrays(tokens=6, keys=None, heads=4, groups=4, width=8, batch=2):
    shapes = [(batch, tokens, heads, width)] + [
        (batch, keys or tokens, groups, width)
    ] * 2
    return [
        jax.random.normal(jax.random.key(number), shape)
        for number, shape in enumerate(shapes)
    ]


@pytest.mark.smoke
def test_two_tokens_by_hand():
    query = jnp.array([1.0, 2.0]).reshape(1, 2, 1, 1)
    key = jnp.array([0.0, math.log(3) / 2]).reshape(1, 2, 1, 1)
    value = jnp.array([10.0, 20.0]).reshape(1, 2, 1, 1)
    # The second query's scores are 0 and log 3: weights 1/4 and 3/4.
    weights = pattern(query, key)[0, 0]
    np.testing.assert_allclose(weights, [[1, 0], [0.25, 0.75]], rtol=1e-6)
    taken = attend("written_out", query, key, value)[0, :, 0, 0]
    np.testing.assert_allclose(taken, [10, 17.5], rtol=1e-6)


@pytest.mark.smoke
def test_head_by_head_in_numpy_with_grouped_heads():
    query, key, value = arrays(heads=6, groups=2, keys=9)
    result = attend("written_out", query, key, value, softcap=2.0)
    for row, head in np.ndindex(2, 6):
        scores = np.asarray(query[row, :, head] @ key[row, :, head // 3].T) / 8**0.5
        scores = 2 * np.tanh(scores / 2)
        later = np.arange(9)[None] > np.arange(6)[:, None] + 3
        weights = np.where(later, 0, np.exp(scores))
        weights /= weights.sum(1, keepdims=True)
        np.testing.assert_allclose(
            result[row, :, head],
            weights @ value[row, :, head // 3],
            rtol=1e-5,
            atol=1e-6,
        )


@pytest.mark.smoke
@pytest.mark.parametrize("causal", [True, False])
def test_rows_of_the_pattern_are_distributions(causal):
    weights = pattern(*arrays()[:2], causal=causal)
    np.testing.assert_allclose(jnp.sum(weights, -1), jnp.ones((2, 4, 6)), rtol=1e-6)
    assert jnp.all(weights >= 0)
    np.testing.assert_array_equal(weights == 0, ~allowed(causal, weights.shape))


def allowed(causal, shape):
    triangle = (
        np.tril(np.ones(shape[-2:], bool)) if causal else np.ones(shape[-2:], bool)
    )
    return np.broadcast_to(triangle, shape)


@pytest.mark.smoke
@pytest.mark.parametrize("kernel", ["written_out", "xla", "blockwise"])
@pytest.mark.parametrize("keys", [10, 14])
def test_later_tokens_get_no_gradient(kernel, keys):
    query, key, value = arrays(tokens=10, keys=keys)
    for moment in (0, 4, 9):
        d_key, d_value = jax.grad(
            lambda key, value, t=moment: attend(kernel, query, key, value)[:, t].sum(),
            argnums=(0, 1),
        )(key, value)
        last_seen = moment + keys - 10  # the queries are the last of the tokens
        for gradient in (d_key, d_value):
            assert jnp.all(gradient[:, last_seen + 1 :] == 0)
            assert jnp.any(gradient[:, last_seen] != 0) or (keys, moment) == (10, 0)


@pytest.mark.parametrize("kernel", ["written_out", "xla", "blockwise"])
def test_a_query_that_sees_no_key_gets_0_and_no_nan(kernel):
    query, key, value = arrays()
    valid = jnp.ones((2, 6, 6), bool).at[1, 3].set(False)

    def total(query, key, value):
        return jnp.sum(attend(kernel, query, key, value, valid=valid) ** 2)

    result = attend(kernel, query, key, value, valid=valid)
    assert jnp.all(result[1, 3] == 0)
    assert jnp.all(jnp.any(result != 0, axis=(2, 3)).at[1, 3].set(True))
    with jax.debug_nans(True):
        gradients = jax.grad(total, argnums=(0, 1, 2))(query, key, value)
    assert all(jnp.all(jnp.isfinite(gradient)) for gradient in gradients)
    assert jnp.all(gradients[0][1, 3] == 0)


def test_blind_rows_of_the_pattern_are_0():
    query, key, _ = arrays()
    segments = jnp.zeros((2, 6), jnp.int32), jnp.ones((2, 6), jnp.int32)
    assert jnp.all(pattern(query, key, segments=segments) == 0)


@pytest.mark.parametrize("kernel", ["written_out", "xla", "blockwise"])
def test_a_packed_row_equals_its_documents_apart(kernel):
    query, key, value = arrays(tokens=10)
    of_tokens = jnp.array([[7] * 4 + [3] * 6] * 2)
    packed = attend(kernel, query, key, value, segments=(of_tokens, of_tokens))
    for part in (slice(0, 4), slice(4, 10)):
        apart = attend(kernel, query[:, part], key[:, part], value[:, part])
        np.testing.assert_allclose(packed[:, part], apart, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kernel", ["written_out", "xla", "blockwise"])
def test_new_tokens_with_a_half_filled_cache_equal_the_whole(kernel):
    query, key, value = arrays(tokens=10)
    whole = attend(kernel, query, key, value)
    room = [(0, 0), (0, 6), (0, 0), (0, 0)]
    filled = jnp.arange(16)[None] <= jnp.arange(8, 10)[:, None]
    last_two = attend(
        kernel,
        query[:, 8:],
        jnp.pad(key, room, constant_values=9.0),
        jnp.pad(value, room, constant_values=9.0),
        causal=False,
        valid=jnp.broadcast_to(filled, (2, 2, 16)),
    )
    np.testing.assert_allclose(last_two, whole[:, 8:], rtol=1e-5, atol=1e-6)


def test_a_softcap_bounds_the_scores_and_a_large_one_changes_nothing():
    query, key, _ = arrays()
    capped = pattern(100 * query, key, causal=False, softcap=1.0)
    assert jnp.max(capped.max(-1) / capped.min(-1)) <= math.exp(2) * 1.001
    np.testing.assert_allclose(
        pattern(query, key, softcap=1e4), pattern(query, key), rtol=1e-5, atol=1e-7
    )


def test_the_scores_spread_stays_near_1_whatever_the_width():
    for width in (4, 64, 256):
        query, key, _ = arrays(tokens=50, width=width)
        weights = pattern(query, key, causal=False)
        logs = jnp.log(weights) - jnp.mean(jnp.log(weights), -1, keepdims=True)
        np.testing.assert_allclose(jnp.std(logs), 1, atol=0.15)


def test_dropout_leaves_the_pattern_right_on_average():
    query, key, _ = arrays()
    identity = jnp.broadcast_to(jnp.eye(6, 8)[None, :, None], key.shape)
    runs = jax.vmap(
        lambda key_: attend(
            "written_out", query, key, identity, dropout=0.5, dropout_key=key_
        )
    )(jax.random.split(jax.random.key(5), 3000))
    mean = jnp.mean(runs, 0)[..., :6].swapaxes(1, 2)
    np.testing.assert_allclose(mean, pattern(query, key), atol=5 / 3000**0.5)


def test_no_mask_is_none():
    assert allowed_pairs((3, 4), causal=False) is None
