"""Gradient descent written out, and what the gradient's signs and sizes mean."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from nnguide.network import descent


@pytest.mark.smoke
def test_written_out_descent_is_optax_sgd():
    params = {"w": jnp.ones((3, 2)), "b": jnp.ones(3)}
    gradient = jax.tree.map(jnp.cos, params)
    moved = []
    for optimizer in (descent.gradient_descent(0.3), optax.sgd(0.3)):
        updates, _ = optimizer.update(gradient, optimizer.init(params), params)
        moved.append(optax.apply_updates(params, updates))
    jax.tree.map(np.testing.assert_array_equal, *moved)


def test_the_fewest_parameters_that_hold_the_energy():
    gradient = jnp.array([0.0, 3.0, -1.0, 0.0, 1.0])  # energies 0 9 1 0 1
    assert descent.parameters_holding(gradient, 0.8) == 1
    assert descent.parameters_holding(gradient, 0.9) == 2
    assert descent.parameters_holding(gradient, 0.95) == 3


def bowl(vector):
    return jnp.sum(vector**2 * jnp.arange(1, vector.size + 1))


def test_single_weights_change_the_cost_as_their_component_says():
    vector = jnp.asarray(np.random.default_rng(0).normal(size=40), "float32")
    predicted, actual = descent.single_weight_changes(
        bowl, vector, jnp.arange(40), nudge=1e-3, chunk=16
    )
    np.testing.assert_allclose(predicted, 2e-3 * vector * np.arange(1, 41), rtol=1e-5)
    np.testing.assert_allclose(actual, predicted, atol=2e-4)


def test_no_direction_of_equal_length_beats_the_steepest(key):
    vector = jnp.asarray(np.random.default_rng(0).normal(size=40), "float32")
    steps = descent.equal_length_steps(bowl, vector, 1e-2, key)
    assert steps.steepest < steps.signs < jnp.min(steps.random)
    slope = jnp.linalg.norm(jax.grad(bowl)(vector))
    np.testing.assert_allclose(steps.steepest, -1e-2 * slope, rtol=2e-2)
