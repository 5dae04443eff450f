"""The toy model of superposition, and the numbers that its geometry has."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnguide.facts import superposition
from nnguide.facts.superposition import Conditions


def polygon(corners: int) -> jax.Array:
    angle = 2 * np.pi * jnp.arange(corners) / corners
    return jnp.stack([jnp.cos(angle), jnp.sin(angle)])


def batch_of(examples: int, features: int) -> dict:
    keys = jax.random.split(jax.random.key(0), examples)
    draw = partial(superposition.draw_features, features=features)
    drawn = jax.jit(jax.vmap(draw))(keys)
    return {**drawn, "weight": jnp.ones(examples)}


@pytest.mark.smoke
def test_polygons_have_the_dimensionality_of_the_paper():
    """Elhage et al. 2022: 1 alone, 1/2 in a digon, 2/5 in a pentagon."""
    alone = jnp.eye(2)
    digons = jnp.concatenate([alone, -alone], axis=1)
    for weight, share in ((alone, 1.0), (digons, 0.5), (polygon(5), 0.4)):
        measured = superposition.dimensionality(weight)
        np.testing.assert_allclose(measured, share, rtol=1e-5)
        whole = superposition.dimensions_per_feature(weight)
        assert float(whole) == pytest.approx(share)
    without = jnp.concatenate([alone, jnp.zeros((2, 1))], axis=1)
    np.testing.assert_allclose(superposition.dimensionality(without), [1, 1, 0])
    longer = superposition.dimensionality(1.3 * without)
    np.testing.assert_allclose(longer, [1, 1, 0], rtol=1e-6)
    assert superposition.represented(without).tolist() == [True, True, False]


@pytest.mark.smoke
def test_three_things_can_happen_to_the_second_feature():
    weights = jnp.array([[[1.0, 0.1]], [[0.2, -1.0]], [[1.0, -0.9]], [[0.1, 0.1]]])
    assert superposition.phase(weights).tolist() == [0, 1, 2, 0]


def test_the_boundary_is_where_both_ways_cost_the_same():
    """Against losses averaged over many values, not over the algebra's integrals."""
    value = (np.arange(400) + 0.5) / 400
    a, b = np.meshgrid(value, value)
    for ratio in (0.1, 0.5, 1.0):
        p = float(superposition.pair_pays_below(jnp.float32(ratio)))
        error_a = (a - np.maximum(a - b, 0)) ** 2
        error_b = (b - np.maximum(b - a, 0)) ** 2
        pair = p**2 * (error_a + ratio * error_b).mean()
        mean = p * value.mean()  # the best guess of a dropped feature
        single = ratio * (p * (value**2).mean() - mean**2)
        assert pair == pytest.approx(single, rel=1e-3)
        other = superposition.pair_pays_below(jnp.float32(1 / ratio))
        assert float(other) == pytest.approx(p)
    assert float(superposition.pair_pays_below(jnp.float32(1))) == pytest.approx(4 / 7)


@pytest.mark.smoke
def test_rare_features_are_those_of_often_present_ones_with_more_zeros():
    batch = batch_of(2000, 3)
    often, rarely = (
        np.asarray(superposition.sparse(batch, jnp.float32(p))) for p in (0.5, 0.1)
    )
    assert often.shape == (3, 2000)
    assert (often > 0).mean() == pytest.approx(0.5, abs=0.03)
    assert (rarely > 0).mean() == pytest.approx(0.1, abs=0.02)
    np.testing.assert_array_equal(rarely[rarely > 0], often[rarely > 0])
    assert often[often > 0].mean() == pytest.approx(0.5, abs=0.02)


def test_each_model_has_the_loss_and_gradient_of_its_own_condition(key):
    """N models at once are N models by hand, features last, as the paper writes it."""
    presence, importance = jnp.array([0.9, 0.2]), jnp.array([[1, 0.5, 2], [1, 1, 1.0]])
    task = superposition.functions(2, Conditions(presence, importance))
    params, batch = task.init(key), batch_of(64, 3)
    params["bias"] = params["bias"] + 0.1
    batch["weight"] = batch["weight"].at[:8].set(0.0)

    def by_hand(params):
        costs = []
        for number in range(2):
            weight, bias = params["weight"][number], params["bias"][number]
            kept = batch["chance"] < presence[number]
            x = jnp.where(kept, batch["value"], 0)[8:]
            again = jax.nn.relu(x @ weight.T @ weight + bias[None])
            error = importance[number][None] * (x - again) ** 2
            costs.append(error.mean(axis=1).sum())
        return jnp.stack(costs)

    def at_once(params):
        total, count = task.loss(params, batch, key)[0]
        return total.sum(), (total, count)

    @jax.jit
    def both(params):
        ours = jax.grad(at_once, has_aux=True)(params)
        return ours, by_hand(params), jax.grad(lambda p: by_hand(p).sum())(params)

    (ours, (total, count)), wanted, theirs = both(params)
    assert count.tolist() == [56, 56]
    np.testing.assert_allclose(total, wanted, rtol=1e-5)
    for name, gradient in ours.items():
        np.testing.assert_allclose(gradient, theirs[name], rtol=1e-4, atol=1e-5)


def test_a_pair_is_cheap_where_features_are_rare_and_dear_where_they_are_not(key):
    conditions = Conditions(jnp.array([0.05, 1.0]), jnp.ones((2, 2)))
    task = superposition.functions(1, conditions)
    pair, alone = jnp.array([[1.0, -1.0]]), jnp.array([[1.0, 0.0]])
    mean = conditions.presence[:, None] / 2 * jnp.array([[0.0, 1.0]])
    batch = batch_of(20_000, 2)

    @jax.jit
    def cost(weight, bias):
        params = {"weight": jnp.stack([weight, weight]), "bias": bias}
        total, count = task.evaluate(params, batch, key)["loss"]
        return 2 * total / count  # both features together

    shared, single = cost(pair, jnp.zeros((2, 2))), cost(alone, mean)
    p = np.array([0.05, 1.0])
    np.testing.assert_allclose(shared, p**2 / 3, rtol=0.25)
    np.testing.assert_allclose(single, p / 3 - p**2 / 4, rtol=0.05)
    assert shared[0] < single[0]
    assert shared[1] > single[1]
