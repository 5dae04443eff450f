"""Costs: the guide's convention, and derivatives equal to autodiff's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnguide.network.cost import COSTS, cross_entropy, desired_output, squared_error


@pytest.mark.smoke
def test_squared_error_has_no_half_and_no_mean_over_outputs():
    output, desired = jnp.full((1, 10), 0.5), desired_output(jnp.array([3]))
    np.testing.assert_allclose(squared_error(output, desired), [2.5])


def test_cross_entropy_of_equal_logits_is_the_logarithm_of_the_classes():
    desired = desired_output(jnp.array([0, 9]))
    np.testing.assert_allclose(
        cross_entropy(jnp.ones((2, 10)), desired), np.log(10), rtol=1e-6
    )


@pytest.mark.parametrize("name", COSTS)
def test_derivatives_equal_autodiff(name, key):
    output, desired = jax.random.normal(key, (5, 10)), desired_output(jnp.arange(5))

    def total(output):
        return jnp.sum(COSTS[name].per_example(output, desired))

    np.testing.assert_allclose(
        COSTS[name].derivative(output, desired), jax.grad(total)(output), atol=1e-6
    )
