"""The hand-derived backward pass is the gradient, to the last digit of the precision."""

import itertools
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from nnguide.network import backprop, classify, mlp
from nnguide.network.mlp import Mlp, MlpConfig

CONFIGS = [
    MlpConfig(widths=widths, activation=activation, cost=cost)
    for widths, activation, cost in itertools.product(
        [(784, 16, 16, 10), (784, 10), (12, 9, 8, 7, 6)],
        ["sigmoid", "relu"],
        ["squared_error", "cross_entropy"],
    )
]


def example(config, key, dtype=jnp.float32):
    params_key, image_key, label_key = jax.random.split(key, 3)
    params = nn.unbox(mlp.initial_params(config, params_key))
    inputs, classes = config.widths[0], config.widths[-1]
    shape = (28, 28, 1) if inputs == 784 else (inputs,)
    images = jax.random.uniform(image_key, (11, *shape), dtype)
    labels = jax.random.randint(label_key, (11,), 0, classes)
    return jax.tree.map(lambda leaf: leaf.astype(dtype), params), images, labels


def total(costs, params, images, labels):
    return jnp.sum(costs(params, images, labels)[0])


def furthest(tree, reference):
    """Largest relative difference over the leaves, in units of each leaf's largest."""
    ratios = jax.tree.map(
        lambda a, b: float(jnp.max(jnp.abs(a - b)) / jnp.max(jnp.abs(b))),
        tree,
        reference,
    )
    return max(jax.tree.leaves(ratios))


@pytest.mark.parametrize("config", CONFIGS, ids=str)
@pytest.mark.parametrize(("dtype", "bound"), [("float32", 1e-5), ("float64", 1e-12)])
def test_hand_derived_gradient_is_autodiffs(config, dtype, bound, key):
    with jax.enable_x64(dtype == "float64"):
        params, images, labels = example(config, key, jnp.dtype(dtype))
        _, result = backprop.backpropagate(config, params, images, labels)
        by_autodiff = classify.costs_of(Mlp(config), config.cost)
        gradient = jax.jit(jax.grad(partial(total, by_autodiff)))
        reference = gradient(params, images, labels)
        assert jax.tree.leaves(result.gradient)[0].dtype == dtype
        assert furthest(result.gradient, reference) < bound


@pytest.mark.smoke
@pytest.mark.parametrize("config", [CONFIGS[0], CONFIGS[7]], ids=str)
def test_custom_vjp_differentiates_weighted_costs_outputs_and_images(config, key):
    params, images, labels = example(config, key)
    weight = jnp.arange(11.0)

    def mixed(costs, params, images):
        each, outputs = costs(params, images, labels)
        return jnp.sum(weight * each) + jnp.sum(outputs**3)

    by_hand = partial(backprop.costs, config)
    by_autodiff = classify.costs_of(Mlp(config), config.cost)
    hand, auto = (
        jax.grad(partial(mixed, costs), (0, 1))(params, images)
        for costs in (by_hand, by_autodiff)
    )
    assert hand[1].shape == images.shape
    assert furthest(hand, auto) < 1e-5


def test_custom_vjp_is_what_jax_differentiates(key):
    config = CONFIGS[0]
    params, images, labels = example(config, key)
    by_hand = partial(total, partial(backprop.costs, config))
    assert "custom_vjp" in str(jax.make_jaxpr(by_hand)(params, images, labels))


def test_networks_train_side_by_side_under_vmap(key):
    config = MlpConfig(widths=(12, 5, 3))
    params, images, labels = example(config, key)
    twice = jax.tree.map(lambda leaf: jnp.stack([leaf, 2 * leaf]), params)
    gradient = jax.grad(partial(total, partial(backprop.costs, config)))
    both = jax.vmap(gradient, (0, None, None))(twice, images, labels)
    second = gradient(jax.tree.map(lambda leaf: 2 * leaf, params), images, labels)
    assert furthest(jax.tree.map(lambda leaf: leaf[1], both), second) < 1e-5


def test_desires_of_the_layer_before_are_those_of_jax_vjp(key):
    config = CONFIGS[0]
    params, images, labels = example(config, key)
    layers, result = backprop.backpropagate(config, params, images, labels)
    last = params["layer_3"]
    z = lambda a: a @ last["weight"].T + last["bias"][None]
    (reference,) = jax.vjp(z, layers.a[2])[1](result.delta[2])
    np.testing.assert_allclose(result.desires[2], -reference, atol=1e-6)
    wrong = layers.a[3] - jax.nn.one_hot(labels, 10)
    np.testing.assert_allclose(result.desires[3], -2 * wrong, atol=1e-6)


def test_one_examples_gradient_has_rank_1(key):
    config = CONFIGS[0]
    params, images, labels = example(config, key)
    _, result = backprop.backpropagate(config, params, images[:1], labels[:1])
    values = np.linalg.svd(result.gradient["layer_2"]["weight"], compute_uv=False)
    assert values[1] / values[0] < 1e-6
