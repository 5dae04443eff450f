"""Sampling: temperature's limits and slope, top-k, nucleus, and drawn frequencies."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnguide.config import InputError
from nnguide.language.sampling import SamplingConfig, draw, entropy, likely

LOGITS = jnp.array([[1.0, 3.0, -2.0, 2.5, 0.0], [0.1, 0.0, 0.2, 0.3, -5.0]])


@pytest.mark.smoke
def test_temperature_goes_from_the_likeliest_to_all_alike():
    likeliest = jax.nn.one_hot(jnp.argmax(LOGITS, -1), 5)
    for cold in (0.0, 1e-6, 1e-3):
        np.testing.assert_array_equal(likely(LOGITS, SamplingConfig(cold)), likeliest)
    as_trained = likely(LOGITS, SamplingConfig(1.0))
    np.testing.assert_allclose(as_trained, jax.nn.softmax(LOGITS), rtol=1e-6)
    np.testing.assert_allclose(likely(LOGITS, SamplingConfig(1e6)), 0.2, atol=1e-5)
    hot = likely(LOGITS, SamplingConfig(1e6, top_k=2))
    np.testing.assert_allclose(np.sort(hot, -1)[:, -2:], 0.5, atol=1e-5)
    assert np.count_nonzero(hot, -1).tolist() == [2, 2]


@pytest.mark.smoke
def test_a_temperature_is_the_exponent_of_the_probabilities():
    softmax = jax.nn.softmax(LOGITS)
    powers = softmax ** (1 / 0.7)
    expected = powers / powers.sum(-1, keepdims=True)
    np.testing.assert_allclose(likely(LOGITS, SamplingConfig(0.7)), expected, rtol=1e-5)


def test_entropy_grows_with_temperature_by_the_variance_over_its_cube():
    temperatures = jnp.array([0.1, 0.2, 0.5, 0.8, 1.0, 1.5, 2.0, 5.0, 50.0])
    of_first = jax.vmap(lambda t: entropy(LOGITS[0], t))(temperatures)
    assert np.all(np.diff(of_first) > 0)
    slopes = jax.vmap(jax.grad(lambda t: entropy(LOGITS[0], t)))(temperatures)
    for temperature, slope in zip(temperatures, slopes, strict=True):
        p = jax.nn.softmax(LOGITS[0] / temperature)
        variance = p @ jnp.square(LOGITS[0]) - jnp.square(p @ LOGITS[0])
        np.testing.assert_allclose(slope, variance / temperature**3, rtol=2e-3)
    np.testing.assert_allclose(entropy(jnp.zeros((3, 7))), np.log(7), rtol=1e-6)


@pytest.mark.parametrize("top_k", [1, 2, 4, 5, 9])
def test_top_k_keeps_the_k_likeliest_in_proportion(top_k):
    kept = np.asarray(likely(LOGITS, SamplingConfig(1.0, top_k)))
    softmax = np.asarray(jax.nn.softmax(LOGITS))
    for row, full in zip(kept, softmax, strict=True):
        best = np.argsort(-full)[:top_k]
        expected = np.zeros(5)
        expected[best] = full[best] / full[best].sum()
        np.testing.assert_allclose(row, expected, rtol=1e-5, atol=0)


def test_top_1_is_greedy_even_among_equals():
    equal = jnp.zeros((4, 6))
    greedy = likely(equal, SamplingConfig(0.0))
    np.testing.assert_array_equal(likely(equal, SamplingConfig(1.0, top_k=1)), greedy)
    drawn = draw(equal, jax.random.key(0), SamplingConfig(1.0, top_k=1))
    assert drawn.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("top_k", [0, 3])
@pytest.mark.parametrize("top_p", [1e-6, 0.3, 0.75, 0.9, 0.999])
def test_top_p_keeps_the_smallest_set_that_reaches_p(top_p, top_k):
    kept = np.asarray(likely(LOGITS, SamplingConfig(1.3, top_k, top_p)))
    before = np.asarray(likely(LOGITS, SamplingConfig(1.3, top_k)))
    for row, full in zip(kept, before, strict=True):
        inside = row > 0
        assert full[inside].sum() >= top_p - 1e-6
        assert full[inside].sum() - full[inside].min() < top_p  # one less falls short
        assert not inside.all() or top_p > 0.9
        assert full[inside].min() >= full[~inside].max(initial=0)
        np.testing.assert_allclose(row[inside], full[inside] / full[inside].sum(), 1e-5)


@pytest.mark.smoke
@pytest.mark.parametrize(
    "sampling",
    [SamplingConfig(1.0), SamplingConfig(0.6, top_k=3), SamplingConfig(2.0, 4, 0.9)],
    ids=str,
)
def test_tokens_are_drawn_as_often_as_they_are_likely(sampling):
    count = 40_000
    drawn = draw(jnp.tile(LOGITS[:1], (count, 1)), jax.random.key(3), sampling)
    frequencies = np.bincount(np.asarray(drawn), minlength=5) / count
    p = np.asarray(likely(LOGITS[0], sampling), np.float64)
    assert np.all(frequencies[p == 0] == 0)
    assert np.all(np.abs(frequencies - p) <= 4 * np.sqrt(p * (1 - p) / count))


def test_a_row_is_drawn_alike_whatever_the_other_rows_are(key):
    alone = draw(LOGITS[:1], key, SamplingConfig(2.0))
    among = draw(LOGITS, key, SamplingConfig(2.0))
    swapped = draw(LOGITS[jnp.array([1, 1])], key, SamplingConfig(2.0))
    assert alone[0] == among[0]
    assert among[1] == swapped[1]
    equal = draw(jnp.tile(LOGITS[:1], (200, 1)), key, SamplingConfig(2.0))
    assert len(set(equal.tolist())) > 2  # rows have keys of their own


def test_tokens_the_vocabulary_does_not_have_stay_out():
    masked = LOGITS.at[:, 3:].set(jnp.finfo(jnp.float32).min)
    for sampling in (
        SamplingConfig(0.1),
        SamplingConfig(5.0, 4),
        SamplingConfig(2.0, 0, 0.99),
    ):
        assert np.all(np.asarray(likely(masked, sampling))[:, 3:] == 0)
        assert np.all(np.isfinite(likely(masked, sampling)))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", -0.1),
        ("temperature", float("inf")),
        ("temperature", float("nan")),
        ("temperature", 1e-9),
        ("top_k", -1),
        ("top_p", 0.0),
        ("top_p", 1.5),
    ],
)
def test_bad_values_are_named(field, value):
    with pytest.raises(InputError, match=rf"^--sampling\.{field}=.*: give .*\.$"):
        SamplingConfig(**{field: value})
