"""Optimizers: rules by hand, decay on matrices alone, schedules, the average."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from nnguide import training
from nnguide.config import InputError
from nnguide.training.optimizer import AverageState, average_params, same_rates

PARAMS = {
    "layer": {"weight": jnp.ones((3, 4)), "bias": jnp.ones(3)},
    "stacked": {"kernel": jnp.ones((2, 3, 5)), "bias": jnp.ones((2, 5))},
    "norm": {"scale": jnp.ones(4)},
    "embedding": {"tokens": jnp.ones((6, 4)), "start": jnp.ones(4)},
}


def _update(config, gradients, params: Any = PARAMS) -> tuple[Any, Any]:
    transform = training.make_optimizer(config, 10)
    return transform.update(gradients, transform.init(params), params)


def test_sgd_is_minus_rate_times_gradient():
    gradients = jax.tree.map(lambda p: 2 * p, PARAMS)
    updates, _ = _update(training.OptimizerConfig(name="sgd", rate=0.5), gradients)
    assert all((leaf == -1).all() for leaf in jax.tree.leaves(updates))


@pytest.mark.parametrize("name", ["adamw", "lion", "muon"])
def test_decay_pulls_matrices_and_tables_alone_even_stacked(name):
    zero = jax.tree.map(jnp.zeros_like, PARAMS)
    config = training.OptimizerConfig(name=name, rate=0.1, weight_decay=0.5)
    updates, _ = _update(config, zero)
    for group in ("layer", "stacked"):
        for leaf, value in updates[group].items():
            expected = 0 if leaf == "bias" else -0.05
            assert np.allclose(value, expected), (group, leaf)
    assert np.allclose(updates["norm"]["scale"], 0)
    assert np.allclose(updates["embedding"]["tokens"], -0.05)
    assert np.allclose(updates["embedding"]["start"], 0)


def test_muons_decay_follows_its_schedule():
    config = training.OptimizerConfig(
        "muon", rate=0.1, weight_decay=0.5, schedule="cosine"
    )
    transform = training.make_optimizer(config, 10)
    zero, state = jax.tree.map(jnp.zeros_like, PARAMS), transform.init(PARAMS)
    for step in range(3):
        updates: Any
        updates, state = transform.update(zero, state, PARAMS)
        rate = 0.05 * (1 + np.cos(np.pi * step / 10))
        for group, name in (("layer", "weight"), ("embedding", "tokens")):
            assert np.allclose(updates[group][name], -0.5 * rate, rtol=1e-5)


@pytest.mark.smoke
def test_muon_makes_each_stacked_matrix_orthogonal_on_its_own(key):
    params = {"kernel": jnp.zeros((2, 6, 4))}
    gradient = {
        "kernel": jax.random.normal(key, (2, 6, 4))
        * jnp.array([1, 100.0])[:, None, None]
    }
    config = training.OptimizerConfig(name="muon", rate=1.0, momentum=0.0)
    updates, _ = _update(config, gradient, params)
    for layer in updates["kernel"]:
        singular = np.linalg.svd(layer, compute_uv=False)
        # Newton-Schulz with Muon's coefficients ends near 1, not at it.
        assert singular.min() > 0.6
        assert singular.max() < 1.3
    single = {"kernel": gradient["kernel"][1]}
    alone, _ = _update(config, single, {"kernel": params["kernel"][1]})
    assert np.allclose(alone["kernel"], updates["kernel"][1], atol=1e-5)


def test_muon_reads_our_weights_as_out_in():
    gradient = {"weight": jnp.arange(12.0).reshape(3, 4)}
    config = training.OptimizerConfig(name="muon", rate=1.0)
    ours, _ = _update(config, gradient, {"weight": jnp.zeros((3, 4))})
    linens, _ = _update(
        config, {"kernel": gradient["weight"].T}, {"kernel": jnp.zeros((4, 3))}
    )
    assert np.allclose(ours["weight"], linens["kernel"].T, atol=1e-6)


def test_clip_bounds_the_whole_gradient():
    gradients = jax.tree.map(lambda p: 100 * p, PARAMS)
    updates, _ = _update(training.OptimizerConfig(rate=1.0, clip=2.0), gradients)
    assert np.sqrt(
        sum((leaf**2).sum() for leaf in jax.tree.leaves(updates))
    ) == pytest.approx(2.0, rel=1e-5)


def test_schedules_at_their_corners():
    def rates(**changes):
        config = training.OptimizerConfig(rate=2.0, **changes)
        schedule = training.make_schedule(config, 100)
        return [
            float(np.asarray(schedule(step))) for step in (0, 5, 10, 79, 80, 90, 100)
        ]

    constant = rates(schedule="constant", warmup_steps=10)
    assert constant == pytest.approx([0, 1, 2, 2, 2, 2, 2])
    stable = rates(schedule="warmup_stable_decay", warmup_steps=10, final_share=0.1)
    assert stable == pytest.approx([0, 1, 2, 2, 2, 1.1, 0.2])
    cosine = rates(schedule="cosine", final_share=0.5)
    angle = np.array([0, 5, 10, 79, 80, 90, 100]) * np.pi / 100
    assert cosine == pytest.approx(1 + 0.5 * (1 + np.cos(angle)), rel=1e-5)


def test_the_average_is_the_last_link_and_warms_up():
    average = average_params(0.5)
    params: Any = {"w": jnp.zeros(1)}
    state: Any = average.init(params)
    expected, keep = 0.0, [1 / 10, 2 / 11, 3 / 12]
    for share in keep:
        updates, state = average.update({"w": jnp.ones(1)}, state, params)
        params = optax.apply_updates(params, updates)
        expected = share * expected + (1 - share) * float(params["w"][0])
    assert isinstance(state, AverageState)
    assert float(state.average["w"][0]) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"rate": 0.0}, "optimizer.rate=0.0"),
        ({"beta1": 1.5}, "optimizer.beta1=1.5"),
        ({"clip": -1.0}, "optimizer.clip=-1.0"),
        ({"name": "sgd", "weight_decay": 0.1}, "optimizer.weight_decay=0.1"),
    ],
)
def test_an_impossible_value_is_named(changes, field):
    with pytest.raises(InputError, match=field):
        training.OptimizerConfig(**changes)


def test_warmup_longer_than_the_run_is_refused():
    config = training.OptimizerConfig(warmup_steps=11)
    with pytest.raises(InputError, match="warmup_steps=11"):
        training.make_optimizer(config, 10)


def test_rates_up_to_a_step_are_compared_between_two_lengths():
    def same(trained, **changes):
        config = training.OptimizerConfig(rate=0.3, **changes)
        return same_rates(config, 100, 200, trained)

    assert same(100)
    assert same(100, warmup_steps=20)
    assert not same(2, schedule="cosine")
    assert same(0, schedule="cosine")
    assert same(80, schedule="warmup_stable_decay", warmup_steps=5)
    assert not same(82, schedule="warmup_stable_decay", warmup_steps=5)
    assert same(100, schedule="warmup_stable_decay", decay_share=0.0)
