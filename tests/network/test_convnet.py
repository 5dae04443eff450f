"""The convolutional classifier: shapes, pooling, and that it learns."""

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
    config = ConvnetConfig(features=12)
    images = jax.random.uniform(key, (2, 28, 28, 1))
    variables = nn.unbox(Convnet(config).init(key, images))
    assert variables["params"]["conv_1"]["kernel"].shape[:3] == (5, 5, 1)
    features = Convnet(config).apply(variables, images, method="features")
    assert features.shape == (2, 12)
    output = variables["params"]["output"]
    logits = features @ output["kernel"] + output["bias"][None]
    np.testing.assert_allclose(
        Convnet(config).apply(variables, images), logits, rtol=1e-5, atol=1e-6
    )


@pytest.mark.smoke
def test_it_learns_where_a_stroke_is(key):
    images = np.zeros((20, 28, 28, 1), np.float32)
    for n in range(20):
        images[n, 4:24, 2 + 12 * (n % 2) + n // 2] = 1
    batch = {
        "image": jnp.asarray(images),
        "label": jnp.arange(20) % 2,
        "weight": jnp.ones(20),
    }
    module = Convnet(ConvnetConfig(filters=(4, 4), features=8, classes=2))
    init, loss, evaluate = classify.functions(module, "cross_entropy")
    params, optimizer = nn.unbox(init(key)), optax.adam(1e-2)

    @jax.jit
    def step(params, state):
        gradient = jax.grad(lambda p: loss(p, batch, key)[0][0])(params)
        updates, state = optimizer.update(gradient, state)
        return optax.apply_updates(params, updates), state

    state = optimizer.init(params)
    for _ in range(40):
        params, state = step(params, state)
    assert evaluate(params, batch, key)["accuracy"] == (20, 20)


@pytest.mark.parametrize(
    "wrong", [{"filters": (8,)}, {"features": 0}, {"filters": (0, 4)}]
)
def test_impossible_networks_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        ConvnetConfig(**wrong)
