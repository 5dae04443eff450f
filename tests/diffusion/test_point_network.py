"""The video's network on points."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnguide.diffusion.point_network import (
    PointNetwork,
    PointNetworkConfig,
    initial_params,
)


@pytest.mark.smoke
def test_it_has_the_videos_53_890_weights_and_biases():
    shapes = jax.eval_shape(
        lambda key: initial_params(PointNetworkConfig(), key), jax.random.key(0)
    )
    assert sum(leaf.size for leaf in jax.tree.leaves(shapes)) == 53_890


def test_level_and_class_change_the_answer(key):
    config = PointNetworkConfig((4,), classes=3)
    network = PointNetwork(config)
    params = jax.jit(lambda key: initial_params(config, key))(key)
    x = jnp.ones((4, 2))
    level, label = jnp.array([-1.0, 0.0, 0.0, 0.0]), jnp.array([0, 0, 1, 3])
    answers = np.asarray(jax.jit(network.apply)({"params": params}, x, level, label))
    assert answers.shape == (4, 2)
    assert len(np.unique(answers.round(6), axis=0)) == 4
