"""Facts in one MLP block."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnguide.facts import memory

draw = jax.jit(memory.random_facts, static_argnums=1)


@pytest.mark.smoke
def test_the_block_has_the_parameters_that_are_counted():
    for neurons, wanted in ((64, 8320), (256, 33_088)):
        tree = jax.eval_shape(
            lambda n=neurons: memory.initial_params(jax.random.key(0), n)
        )
        assert sum(leaf.size for leaf in jax.tree.leaves(tree)) == wanted
        assert memory.parameters(neurons) == wanted


def test_full_names_differ_and_are_sums_of_two_directions():
    facts = draw(jax.random.key(0), 2000)
    assert len(np.unique(np.asarray(facts.name).round(5), axis=0)) == 2000
    lengths = jnp.linalg.norm(facts.name, axis=-1)
    assert float(lengths.mean()) == pytest.approx(2**0.5, abs=0.02)
    counts = np.bincount(np.asarray(facts.answer), minlength=memory.ANSWERS)
    assert counts.min() > 80


def test_facts_written_by_hand_are_recalled():
    facts = draw(jax.random.key(0), 64)
    answers = jnp.eye(memory.ANSWERS, memory.WIDTH)
    params = memory.by_hand(facts.name, 2 * answers[facts.answer], -1.0)
    like = jax.eval_shape(lambda key: memory.initial_params(key, 64), jax.random.key(0))
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, like)
    assert float(memory.recall(params, facts, answers).share) >= 0.98
    columns = params["down_projection"]["kernel"]
    silent = {**params, "down_projection": {"kernel": 0 * columns, "bias": columns[0]}}
    assert float(memory.recall(silent, facts, answers).share) < 0.4


def test_without_the_relu_the_block_is_one_matrix():
    rng = np.random.default_rng(0)
    names, up, down = (
        jnp.asarray(rng.normal(0, std, (n, memory.WIDTH)), jnp.float32)
        for n, std in ((6, 1), (8, 1 / 8), (8, 1 / 8))
    )
    params, answers = memory.by_hand(up, down, 0.3), jnp.eye(memory.ANSWERS, 64)

    def ask(x: Any) -> Any:
        return memory.logits(params, x, answers, relu=False)

    halves = ask(names[:3]) + ask(names[3:])
    np.testing.assert_allclose(
        2 * ask((names[:3] + names[3:]) / 2), halves, rtol=1e-4, atol=1e-4
    )
    bent = memory.logits(params, names, answers)
    assert float(abs(bent - ask(names)).max()) > 0.1
    # where every neuron is far above 0 the ReLU does nothing
    params["up_projection"]["bias"] += 9
    np.testing.assert_allclose(
        memory.logits(params, names, answers), ask(names), rtol=1e-4, atol=1e-3
    )


def test_bits_are_all_or_none():
    assert memory.bits(10, 0.0) == 40
    assert memory.bits(10, np.log(16)) == pytest.approx(0, abs=1e-12)
    np.testing.assert_allclose(memory.bits(np.array([1, 2]), np.log(4)), [2, 4])
