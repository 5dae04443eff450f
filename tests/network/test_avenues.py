"""Three ways to raise a neuron: each keeps its first-order promise."""

import jax.numpy as jnp
import numpy as np
import pytest

from nnguide.network.activations import ACTIVATIONS
from nnguide.network.avenues import avenues

W = jnp.array([0.7, -1.2, 0.4, 2.0])
A = jnp.array([0.9, 0.1, 0.0, 0.5])


@pytest.mark.smoke
@pytest.mark.parametrize("name", ["sigmoid", "relu"])
def test_each_nudge_raises_the_activation_as_predicted(name):
    ways = avenues(ACTIVATIONS[name], W, jnp.array(0.3), A)
    for way in ways:
        assert way.predicted > 0
        np.testing.assert_allclose(way.achieved, way.predicted, rtol=1e-2)


def test_weights_move_by_activations_and_activations_by_weights():
    ways = avenues(ACTIVATIONS["sigmoid"], W, jnp.array(0.3), A)
    np.testing.assert_allclose(ways.weights.direction, A / jnp.linalg.norm(A))
    np.testing.assert_allclose(ways.activations.direction, W / jnp.linalg.norm(W))
    ratio = ways.weights.predicted / ways.bias.predicted
    np.testing.assert_allclose(ratio, jnp.linalg.norm(A), rtol=1e-5)
