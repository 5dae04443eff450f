"""Sparse autoencoders: what they write, what it costs, and what counts as found."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnguide.facts import sparse_autoencoder, superposition
from nnguide.facts.sparse_autoencoder import Conditions


@pytest.mark.smoke
def test_codes_are_exact_where_directions_do_not_overlap(key):
    weight = jnp.linalg.qr(jax.random.normal(key, (4, 4)))[0]
    params = {
        "encoder": weight.T,
        "bias": jnp.zeros(4),
        "dictionary": 3 * weight,  # lengths do not matter
        "center": jnp.zeros(4),
    }
    lengths = jnp.linalg.norm(sparse_autoencoder.directions(params), axis=0)
    np.testing.assert_allclose(lengths, 1, rtol=1e-6)
    features = jax.random.uniform(key, (4, 9))
    code = sparse_autoencoder.encode(params, jnp.ones(4, bool), weight @ features)
    np.testing.assert_allclose(code, features, atol=1e-5)
    again = sparse_autoencoder.decode(params, code)
    np.testing.assert_allclose(again, weight @ features, atol=1e-5)


def test_a_small_dictionary_in_a_large_room_leaves_the_rest_alone(key):
    conditions = Conditions(jnp.array([2, 4]), jnp.array([0.1, 0.3]))
    task = sparse_autoencoder.functions(conditions, 3, room=4, presence=0.5)
    params = jax.jit(task.init)(key)
    draw = partial(superposition.draw_features, features=4)
    batch = jax.jit(jax.vmap(draw))(jax.random.split(key, 32))
    batch["weight"] = jnp.ones(32)
    weight = jax.random.normal(key, (3, 4))

    @jax.jit
    @jax.grad
    def gradient_of(params):
        return task.loss(params, batch, key, weight=weight)[0][0].sum()

    gradient = gradient_of(params)
    np.testing.assert_array_equal(gradient["encoder"][0, 2:], 0)
    np.testing.assert_array_equal(gradient["dictionary"][0, :, 2:], 0)
    assert float(jnp.abs(gradient["encoder"][1]).min()) > 0
    metrics = jax.jit(task.evaluate)(params, batch, key, weight=weight)
    loss, error, active = (metrics[n][0] for n in ("loss", "error", "active"))
    assert float(active[0]) <= 2 * 32
    doubled = conditions._replace(penalty=jnp.array([0.1, 0.6]))
    dearer = sparse_autoencoder.functions(doubled, 3, room=4, presence=0.5)
    other = jax.jit(dearer.evaluate)(params, batch, key, weight=weight)["loss"][0]
    np.testing.assert_allclose(other[0], loss[0], rtol=1e-6)
    np.testing.assert_allclose(other[1] - loss[1], loss[1] - error[1], rtol=1e-4)


@pytest.mark.smoke
def test_only_directions_in_use_count_as_found():
    true = jnp.array([[2.0, 0.0], [0.0, 3.0]])
    dictionary = jnp.array([[1.0, 1.0, 0.0], [0.0, 1.0, -1.0]])
    for size, wanted in ((1, [1.0, 0.0]), (2, [1.0, 0.5**0.5]), (3, [1.0, 0.5**0.5])):
        found = sparse_autoencoder.best_cosines(dictionary, jnp.array(size), true)
        np.testing.assert_allclose(found, wanted, atol=1e-6)
