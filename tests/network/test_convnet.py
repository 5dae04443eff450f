"""The convolutional classifier: shapes, pooling, and that it learns."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from nnguide.config import InputError
from nnguide.network import classify
from nnguide.network.convnet import Convnet, ConvnetConfig, halve


def test_halving_keeps_the_largest_of_each_block():
    maps = jnp.arange(20.0).reshape(1, 4, 5, 1)  # the fifth column goes
    np.testing.assert_array_equal(halve(maps)[0, :, :, 0], [[6, 8], [16, 18]])


def test_features_are_what_the_output_layer_reads(key):
    module = Convnet(ConvnetConfig(filters=(3, 4), features=12))
    images = jnp.asarray(np.random.default_rng(0).uniform(size=(2, 9, 9, 1)), "f4")
    variables = nn.unbox(jax.jit(module.init)(key, images))
    features: Any = module.apply(variables, images, method="features")
    assert variables["params"]["conv_1"]["kernel"].shape == (5, 5, 1, 3)
    assert features.shape == (2, 12)
    output = variables["params"]["output"]
    logits = features @ output["kernel"] + output["bias"][None]
    np.testing.assert_allclose(
        np.asarray(module.apply(variables, images)), logits, rtol=1e-5, atol=1e-6
    )


@pytest.mark.smoke
def test_it_learns_where_a_stroke_is(key):
    images = np.zeros((20, 14, 14, 1), np.float32)
    for n in range(20):
        images[n, 2:12, 1 + 6 * (n % 2) + n // 4] = 1
    batch = {
        "image": jnp.asarray(images),
        "label": jnp.arange(20) % 2,
        "weight": jnp.ones(20),
    }
    module = Convnet(ConvnetConfig(filters=(4, 4), features=8, classes=2))
    classifier = classify.functions(module, "cross_entropy", image_shape=(14, 14, 1))
    optimizer = optax.adam(1e-2)

    def loss(params):
        (total, weight), _ = classifier.loss(params, batch, key)
        return total / weight

    @jax.jit
    def learn(key):
        params = nn.unbox(classifier.init(key))

        def step(_, carried):
            params, state = carried
            updates, state = optimizer.update(jax.grad(loss)(params), state)
            return optax.apply_updates(params, updates), state

        state = optimizer.init(params)
        params, _ = jax.lax.fori_loop(0, 60, step, (params, state))
        return classifier.evaluate(params, batch, key)["accuracy"]

    assert learn(key) == (20, 20)


@pytest.mark.parametrize(
    "wrong", [{"filters": (8,)}, {"features": 0}, {"filters": (0, 4)}]
)
def test_impossible_networks_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        ConvnetConfig(**wrong)
