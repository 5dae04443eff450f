"""Activations: values the guide shows, and derivatives equal to autodiff's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnguide.network.activations import ACTIVATIONS, sigmoid, steep


@pytest.mark.smoke
def test_sigmoid_squishes_the_line_into_0_to_1():
    z = jnp.array([-50.0, -1.0, 0.0, 1.0, 50.0])
    expected = [0.0, 0.26894, 0.5, 0.73106, 1.0]
    np.testing.assert_allclose(sigmoid(z), expected, atol=1e-5)


@pytest.mark.parametrize("name", ["sigmoid", "relu", "leaky_relu", "step"])
@pytest.mark.parametrize("steepness", [1.0, 7.0])
def test_derivatives_equal_autodiff(name, steepness):
    value, derivative = steep(name, steepness)
    z = jnp.linspace(-3, 3, 40)
    by_autodiff = jax.vmap(jax.grad(value))(z)
    np.testing.assert_allclose(derivative(z), by_autodiff, rtol=1e-5, atol=1e-7)


def test_relu_and_its_derivative_are_0_at_0():
    value, derivative = ACTIVATIONS["relu"]
    assert value(jnp.zeros(())) == derivative(jnp.zeros(())) == 0


def test_a_steep_sigmoid_is_almost_a_step():
    z = jnp.array([-0.5, -0.1, 0.1, 0.5])
    step = ACTIVATIONS["step"].value(z)
    np.testing.assert_allclose(steep("sigmoid", 100.0).value(z), step, atol=1e-4)
