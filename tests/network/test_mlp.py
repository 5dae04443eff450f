"""The network: the guide's counts, and one forward pass written three ways."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from nnguide.config import InputError
from nnguide.network import mlp
from nnguide.network.mlp import MlpConfig


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("widths", "count"),
    [
        ((784, 16, 16, 10), 13_002),
        ((784, 30, 10), 23_860),
        ((784, 100, 10), 79_510),
        ((784, 36, 10), 28_630),
    ],
)
def test_parameter_counts_are_the_guides(widths, count):
    assert mlp.parameter_count(MlpConfig(widths=widths)) == count


@pytest.mark.parametrize(
    "config",
    [
        MlpConfig(),
        MlpConfig(cost="cross_entropy"),
        MlpConfig(activation="relu", cost="cross_entropy", widths=(784, 5)),
    ],
    ids=str,
)
def test_neurons_matrices_and_module_agree(config, key):
    images = jnp.asarray(np.random.default_rng(0).uniform(size=(3, 28, 28, 1)), "f4")
    params = nn.unbox(jax.jit(partial(mlp.initial_params, config))(key))
    by_module = mlp.forward(config, params, images).a[-1]
    assert by_module.shape == (3, config.widths[-1])
    for write in (mlp.neuron_by_neuron, mlp.matrix_form):
        outputs = jnp.stack([write(config, params, image) for image in images])
        assert jnp.max(jnp.abs(outputs - by_module)) < 1e-6


def test_every_layer_squishes_its_own_sums(key):
    config = MlpConfig(cost="cross_entropy", widths=(784, 7, 10))
    params = nn.unbox(jax.jit(partial(mlp.initial_params, config))(key))
    images = jnp.ones((4, 28, 28, 1)) / 2
    z, a = mlp.forward(config, params, images)
    assert [layer.shape for layer in a] == [(4, 784), (4, 7), (4, 10)]
    np.testing.assert_array_equal(a[1], nn.sigmoid(z[0]))
    np.testing.assert_array_equal(a[2], z[1])  # logits: softmax lives in the cost


def test_weights_are_held_a_row_a_neuron_under_the_guides_axis_names(key):
    boxed: Any = jax.eval_shape(partial(mlp.initial_params, MlpConfig()), key)
    assert boxed["layer_1"]["weight"].names == ("neurons", "embedding")
    assert boxed["layer_1"]["bias"].names == ("neurons",)
    assert nn.unbox(boxed)["layer_2"]["weight"].shape == (16, 16)


def test_initial_weights_have_the_spread_they_name(key):
    spreads = {}
    for initial in ("scaled", "normal"):
        config = MlpConfig(widths=(784, 100, 10), initial=initial)
        params = nn.unbox(jax.jit(partial(mlp.initial_params, config))(key))
        spreads[initial] = float(jnp.std(params["layer_1"]["weight"]))
    np.testing.assert_allclose(spreads["scaled"], 1 / 28, rtol=0.02)
    np.testing.assert_allclose(spreads["normal"], 1.0, rtol=0.02)


def test_a_network_that_does_not_fit_the_images_is_refused():
    mlp.check_fits(MlpConfig(), 784, 10)
    with pytest.raises(InputError, match="3072 pixels and 10 classes"):
        mlp.check_fits(MlpConfig(), 3072, 10)


@pytest.mark.parametrize(
    "wrong",
    [
        {"widths": (784,)},
        {"widths": (784, 0, 10)},
        {"steepness": 0.0},
    ],
)
def test_impossible_networks_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        MlpConfig(**wrong)
