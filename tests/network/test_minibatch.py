"""Mini-batches: noise, the cosine it predicts, and the drunk man's walk."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnguide.network import minibatch

EXAMPLES = jnp.asarray(np.random.default_rng(0).normal(1.0, 2.0, (400, 30)), "f4")


def cost(vector, rows):
    """The mean of half the squared distances: its gradient is vector - mean."""
    distances = jnp.sum((vector[None] - EXAMPLES[rows]) ** 2, axis=1)
    return jnp.mean(distances) / 2


@pytest.mark.smoke
def test_noise_scale_is_the_energy_of_the_noise_over_that_of_the_signal():
    noise = jax.jit(lambda v: minibatch.noise_scale(cost, v, 400))(jnp.zeros(30))
    mean = EXAMPLES.mean(axis=0)
    expected = jnp.sum(EXAMPLES.var(axis=0)) / jnp.sum(mean**2)
    np.testing.assert_allclose(noise, expected, rtol=1e-4)


def test_cosine_grows_with_the_batch_as_the_noise_scale_predicts(key):
    measure = jax.jit(minibatch.agreement, static_argnums=(0, 2))
    zeros = jnp.zeros(30)
    noise = float(minibatch.noise_scale(cost, zeros, 400))
    for batch_size in (4, 40):
        batches = jax.random.randint(key, (200, batch_size), 0, 400)
        result = measure(cost, zeros, 400, batches)
        predicted = minibatch.expected_cosine(noise, float(batch_size))
        np.testing.assert_allclose(result.cosine.mean(), predicted, rtol=0.05)
        assert 0.5 < result.same_sign.mean() < 1


def test_a_full_batch_walks_straight_and_single_examples_wander(key):
    everything = jnp.tile(jnp.arange(400), (30, 1))
    single = jax.random.randint(key, (30, 1), 0, 400)
    start = jnp.full(30, 5.0)
    straight, drunk = (
        minibatch.wandering(minibatch.walk(cost, start, rows, 0.1))
        for rows in (everything, single)
    )
    np.testing.assert_allclose(straight, 1.0, rtol=1e-4)
    assert drunk > 1.3
    end = minibatch.walk(cost, start, everything, 0.1)[-1]
    mean = EXAMPLES.mean(axis=0)
    np.testing.assert_allclose(end - mean, 0.9**30 * (5 - mean), rtol=1e-3)
