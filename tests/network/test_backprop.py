"""The hand-derived backward pass is the gradient, to the last digit of precision."""

from functools import partial
from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnguide.network import backprop, classify
from nnguide.network.activations import ActivationName
from nnguide.network.cost import CostName
from nnguide.network.mlp import Mlp, MlpConfig

SHAPES = [(784, 16, 16, 10), (12, 9, 8, 7, 6)]
ACTIVATIONS: list[ActivationName] = ["sigmoid", "relu"]
COSTS: list[CostName] = ["squared_error", "cross_entropy"]
GUIDE = MlpConfig()
WHOLE = (28, 28, 1)


def example(config, dtype="float32"):
    draw = np.random.default_rng(0)
    params = {}
    for number, (inputs, neurons) in enumerate(pairwise(config.widths), start=1):
        weight = draw.normal(0, inputs**-0.5, (neurons, inputs))
        bias = draw.normal(size=neurons)
        params[f"layer_{number}"] = {"weight": weight, "bias": bias}
    shape = WHOLE if config.widths[0] == 784 else config.widths[:1]
    images = draw.uniform(size=(11, *shape))
    labels = draw.integers(config.widths[-1], size=11, dtype=np.int32)
    floats = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), (params, images))
    return *floats, jnp.asarray(labels)


def total(costs, params, images, labels):
    return jnp.sum(costs(params, images, labels)[0])


def furthest(tree, reference):
    """Largest difference over the leaves, in units of each leaf's largest entry."""
    ratios = jax.tree.map(
        lambda a, b: np.max(np.abs(a - b)) / np.max(np.abs(b)),
        *(jax.tree.map(np.asarray, t) for t in (tree, reference)),
    )
    return max(jax.tree.leaves(ratios))


@pytest.mark.parametrize("widths", SHAPES)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("cost", COSTS)
@pytest.mark.parametrize(("dtype", "bound"), [("float32", 1e-5), ("float64", 1e-12)])
def test_hand_derived_gradient_is_autodiffs(widths, activation, cost, dtype, bound):
    config = MlpConfig(widths=widths, activation=activation, cost=cost)
    by_autodiff = classify.costs_of(Mlp(config), config.cost)

    @jax.jit
    def both(params, images, labels):
        _, result = backprop.backpropagate(config, params, images, labels)
        return result.gradient, jax.grad(partial(total, by_autodiff))(
            params, images, labels
        )

    with jax.enable_x64(dtype == "float64"):
        hand, auto = both(*example(config, dtype))
    assert hand["layer_1"]["weight"].dtype == dtype
    assert furthest(hand, auto) < bound


@pytest.mark.smoke
@pytest.mark.parametrize("cost", COSTS)
def test_custom_vjp_differentiates_weighted_costs_outputs_and_images(cost):
    config = MlpConfig(widths=(784, 10), activation="relu", cost=cost)
    params, images, labels = example(config)
    weight = jnp.arange(11.0)

    def mixed(costs, params, images):
        each, outputs = costs(params, images, labels)
        return jnp.sum(weight * each) + jnp.sum(outputs**3)

    by_hand = partial(backprop.costs, config)
    by_autodiff = classify.costs_of(Mlp(config), config.cost)
    hand, auto = (
        jax.jit(jax.grad(partial(mixed, costs), (0, 1)))(params, images)
        for costs in (by_hand, by_autodiff)
    )
    assert hand[1].shape == images.shape
    assert furthest(hand, auto) < 1e-5


def test_jax_differentiates_by_the_lines_written_here(monkeypatch):
    params, images, labels = example(GUIDE)
    by_hand = partial(total, partial(backprop.costs, GUIDE))
    monkeypatch.setattr(backprop, "backward", lambda *_: pytest.fail("reached"))
    with pytest.raises(pytest.fail.Exception, match="reached"):
        jax.grad(by_hand)(params, images, labels)


def test_networks_train_side_by_side_under_vmap():
    config = MlpConfig(widths=(12, 5, 3))
    params, images, labels = example(config)
    double = jax.tree.map(lambda leaf: 2 * leaf, params)
    both = jax.tree.map(lambda *leaves: jnp.stack(leaves), params, double)
    gradient = jax.grad(partial(total, partial(backprop.costs, config)))
    together = jax.jit(jax.vmap(gradient, (0, None, None)))(both, images, labels)
    second = jax.tree.map(lambda leaf: leaf[1], together)
    assert furthest(second, jax.jit(gradient)(double, images, labels)) < 1e-5


def test_desires_of_the_layer_before_are_those_of_jax_vjp():
    params, images, labels = example(GUIDE)
    layers, result = backprop.backpropagate(GUIDE, params, images, labels)
    last = params["layer_3"]

    def sums(a):
        return a @ last["weight"].T + last["bias"][None]

    (reference,) = jax.vjp(sums, layers.a[2])[1](result.delta[2])
    np.testing.assert_allclose(result.desires[2], -reference, atol=1e-6)
    wrong = layers.a[3] - jax.nn.one_hot(labels, 10)
    np.testing.assert_allclose(result.desires[3], -2 * wrong, atol=1e-6)


def test_one_examples_gradient_has_rank_1():
    params, images, labels = example(GUIDE)
    _, result = backprop.backpropagate(GUIDE, params, images[:1], labels[:1])
    values = np.linalg.svd(result.gradient["layer_2"]["weight"], compute_uv=False)
    assert values[1] / values[0] < 1e-6
