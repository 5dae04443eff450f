"""The classifier's three functions: sums over the examples that count."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from nnguide.network import backprop, classify
from nnguide.network.cost import desired_output, squared_error
from nnguide.network.mlp import Mlp, MlpConfig, forward, initial_params

CONFIG = MlpConfig(widths=(784, 8, 10))


def batch_of(weight):
    size = len(weight)
    images = np.random.default_rng(0).uniform(size=(size, 28, 28, 1))
    return {
        "image": jnp.asarray(images, "f4"),
        "label": jnp.arange(size) % 10,
        "weight": jnp.asarray(weight, jnp.float32),
    }


@pytest.fixture(scope="module")
def params():
    return nn.unbox(jax.jit(partial(initial_params, CONFIG))(jax.random.key(0)))


@pytest.mark.smoke
@pytest.mark.parametrize("way", ["autodiff", "by_hand"])
def test_loss_and_accuracy_are_sums_over_what_counts(way, params, key):
    ways = {
        "autodiff": lambda: classify.functions(Mlp(CONFIG), CONFIG.cost),
        "by_hand": lambda: backprop.functions(CONFIG),
    }
    init, loss, evaluate = ways[way]()
    born = jax.eval_shape(lambda key: nn.unbox(init(key)), key)
    assert jax.tree.map(jnp.shape, born) == jax.tree.map(jnp.shape, params)
    batch = batch_of([1, 1, 0, 1])
    (total, weight), metrics = loss(params, batch, key)
    outputs = forward(CONFIG, params, batch["image"]).a[-1]
    each = squared_error(outputs, desired_output(batch["label"]))
    right = jnp.argmax(outputs, -1) == batch["label"]
    counts = np.array([0, 1, 3])
    np.testing.assert_allclose(total, each[counts].sum(), rtol=1e-6)
    assert (weight, metrics["accuracy"]) == (3, (right[counts].sum(), 3))
    assert evaluate(params, batch, key)["loss"] == (total, weight)


def test_padding_has_no_gradient(params, key):
    _, loss, _ = classify.functions(Mlp(CONFIG), CONFIG.cost)
    padded = batch_of([1, 1, 0, 0])
    short = jax.tree.map(lambda leaf: leaf[:2], padded)
    gradient = jax.jit(jax.grad(lambda params, batch: loss(params, batch, key)[0][0]))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6),
        gradient(params, padded),
        gradient(params, short),
    )


def test_bytes_are_read_as_numbers_from_0_to_1_and_floats_stay():
    pixels = jnp.asarray([[0, 51, 255]], jnp.uint8)
    np.testing.assert_allclose(classify.unit(pixels), [[0, 0.2, 1]], rtol=1e-6)
    floats = jnp.asarray([[-1.0, 0.5, 3.0]])
    assert classify.unit(floats) is floats
