"""The chain rule with one neuron a layer, and central differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from nnguide.network import backprop, chain
from nnguide.network.activations import ACTIVATIONS
from nnguide.network.mlp import MlpConfig

A_FIRST, Y = jnp.array(0.6), jnp.array(1.0)
W, B = jnp.array([1.5, -0.8, 2.0]), jnp.array([-0.5, 0.3, 0.1])


@pytest.mark.smoke
@pytest.mark.parametrize("activation", ["sigmoid", "relu"])
def test_the_factors_product_is_autodiffs_derivative(activation):
    def cost(w, b):
        a = A_FIRST
        for layer in range(3):
            a = ACTIVATIONS[activation].value(w[layer] * a + b[layer])
        return (a - Y) ** 2

    links, chain_cost = chain.chain(W, B, A_FIRST, Y, activation)
    dcost_dw, dcost_db = jax.jit(jax.grad(cost, (0, 1)))(W, B)
    by_factors = [link.dcost_dw for link in links], [link.dcost_db for link in links]
    np.testing.assert_allclose(by_factors[0], dcost_dw, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(by_factors[1], dcost_db, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(chain_cost, cost(W, B), rtol=1e-6)


def test_factors_multiply_as_the_guide_writes_them():
    last = chain.chain(W, B, A_FIRST, Y).links[-1]
    by_hand = last.a_before * (last.a * (1 - last.a)) * 2 * (last.a - Y)
    np.testing.assert_allclose(last.dcost_dw, by_hand, rtol=1e-6)
    np.testing.assert_allclose(last.dz_da_before, W[-1])


def test_the_chain_is_the_network_with_one_neuron_a_layer():
    config = MlpConfig(widths=(1, 1, 1, 1))
    params = {
        f"layer_{n}": {"weight": W[n - 1].reshape(1, 1), "bias": B[n - 1].reshape(1)}
        for n in (1, 2, 3)
    }
    label = jnp.zeros(1, jnp.int32)  # its one-hot is [1], the chain's y
    _, result = backprop.backpropagate(config, params, A_FIRST.reshape(1, 1), label)
    links = chain.chain(W, B, A_FIRST, Y).links
    for number, link in enumerate(links, start=1):
        gradient = result.gradient[f"layer_{number}"]
        np.testing.assert_allclose(gradient["weight"][0, 0], link.dcost_dw, rtol=1e-5)
        np.testing.assert_allclose(gradient["bias"][0], link.dcost_db, rtol=1e-5)


def test_the_best_step_of_central_differences_lies_between_two_errors():
    config = MlpConfig(widths=(20, 5, 4))
    with jax.enable_x64(True):
        draw = np.random.default_rng(0)
        params = {
            "layer_1": {"weight": draw.normal(size=(5, 20)), "bias": np.zeros(5)},
            "layer_2": {"weight": draw.normal(size=(4, 5)), "bias": np.zeros(4)},
        }
        images, labels = jnp.asarray(draw.uniform(size=(3, 20))), jnp.arange(3)
        vector, unflatten = ravel_pytree(params)

        def cost(vector):
            costs, _ = backprop.costs(config, unflatten(vector), images, labels)
            return jnp.sum(costs)

        @jax.jit
        def error(step):
            by_differences = chain.central_differences(cost, vector, step, chunk=32)
            return chain.relative_error(by_differences, jax.grad(cost)(vector))

        errors = [float(error(jnp.array(step))) for step in (1e-2, 1e-4, 1e-10)]
    assert errors[1] < 1e-7 < min(errors[0], errors[2])  # the bottom of the U
