"""The chain rule with one neuron a layer, and central differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from jax.flatten_util import ravel_pytree

from nnguide.network import backprop, chain, mlp
from nnguide.network.activations import ACTIVATIONS
from nnguide.network.mlp import MlpConfig

A_FIRST, Y = jnp.array(0.6), jnp.array(1.0)
W, B = jnp.array([1.5, -0.8, 2.0]), jnp.array([-0.5, 0.3, 0.1])


@pytest.mark.smoke
@pytest.mark.parametrize("activation", ["sigmoid", "relu"])
def test_each_factor_of_the_chain_is_autodiffs(activation):
    def cost(w, b, a):
        for layer in range(3):
            a = ACTIVATIONS[activation].value(w[layer] * a + b[layer])
        return (a - Y) ** 2

    result = chain.chain(W, B, A_FIRST, Y, activation)
    dcost_dw, dcost_db, _ = jax.grad(cost, (0, 1, 2))(W, B, A_FIRST)
    for links, reference in (
        ([link.dcost_dw for link in result.links], dcost_dw),
        ([link.dcost_db for link in result.links], dcost_db),
        ([link.a_before for link in result.links[:1]], [A_FIRST]),
        ([result.cost], [cost(W, B, A_FIRST)]),
    ):
        np.testing.assert_allclose(links, reference, rtol=1e-5, atol=1e-7)


def test_factors_multiply_as_the_guide_writes_them():
    last = chain.chain(W, B, A_FIRST, Y).links[-1]
    by_hand = last.a_before * (last.a * (1 - last.a)) * 2 * (last.a - Y)
    np.testing.assert_allclose(last.dcost_dw, by_hand, rtol=1e-6)
    np.testing.assert_allclose(last.dz_da_before, W[-1])


def test_the_chain_is_the_network_with_one_neuron_a_layer():
    config = MlpConfig(widths=(1, 1, 1, 1))
    params = {
        f"layer_{n}": {"weight": w.reshape(1, 1), "bias": b.reshape(1)}
        for n, (w, b) in enumerate(zip(W, B, strict=True), start=1)
    }
    labels = jnp.zeros(1, jnp.int32)  # its one-hot is [1], the chain's y
    inputs = A_FIRST.reshape(1, 1)
    _, result = backprop.backpropagate(config, params, inputs, labels)
    links = chain.chain(W, B, A_FIRST, Y).links
    for number, link in enumerate(links, start=1):
        gradient = result.gradient[f"layer_{number}"]
        np.testing.assert_allclose(gradient["weight"][0, 0], link.dcost_dw, rtol=1e-5)
        np.testing.assert_allclose(gradient["bias"][0], link.dcost_db, rtol=1e-5)


def test_central_differences_agree_with_backpropagation_in_float64(key):
    config = MlpConfig(widths=(20, 5, 4))
    with jax.enable_x64(True):
        params = nn.unbox(mlp.initial_params(config, key))
        params = jax.tree.map(lambda leaf: leaf.astype(jnp.float64), params)
        images = jax.random.uniform(key, (3, 20), jnp.float64)
        vector, unflatten = ravel_pytree(params)
        labels = jnp.arange(3)
        cost = lambda v: jnp.sum(
            backprop.costs(config, unflatten(v), images, labels)[0]
        )
        _, result = backprop.backpropagate(config, params, images, labels)
        by_hand, _ = ravel_pytree(result.gradient)
        errors = [
            chain.relative_error(
                chain.central_differences(cost, vector, step, chunk=32), by_hand
            )
            for step in (1e-2, 1e-4, 1e-10)
        ]
    assert errors[1] < 1e-7 < min(errors[0], errors[2])  # the bottom of the U
