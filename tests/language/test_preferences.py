"""Reward model and DPO: losses by hand, the last token, the reference as it is."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from nnguide.config import InputError
from nnguide.language import preference, reward_model
from nnguide.language.log_probabilities import log_probabilities, stream
from nnguide.language.preference import DpoConfig, answer_log_probabilities, dpo
from nnguide.language.scalar_head import read_head, with_head
from nnguide.transformer.config import TransformerConfig
from nnguide.transformer.model import Transformer, initial_params

CONFIG = TransformerConfig(
    vocabulary=9,
    context=7,
    layers=1,
    embedding=8,
    heads=2,
    dropout=0.0,
    initial_std=0.5,
)
MODULE = Transformer(CONFIG)
COUNTS = jnp.asarray([[[0, 1, 1, 0, 0], [0, 1, 1, 1, 1]], [[0, 0, 1, 0, 0]] * 2], "f4")
BATCH = {
    "tokens": jax.random.randint(jax.random.key(1), (2, 2, 6), 0, 9),
    "counts": COUNTS,
    "reference": jnp.asarray([[-1.0, -2.0], [-3.0, -1.0]]),
    "weight": jnp.ones(2),
    "example": jnp.arange(2),
}


@pytest.fixture(scope="module")
def params():
    return jax.jit(lambda key: nn.unbox(initial_params(CONFIG, key)))(jax.random.key(0))


def test_bradley_terry_by_hand():
    found = reward_model.bradley_terry(
        jnp.asarray([2.0, 0.0]), jnp.asarray([-1.0, 0.0])
    )
    expected = [math.log(1 + math.exp(-3)), math.log(2)]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    agrees = reward_model.agrees(jnp.asarray([2.0, 0, 1]), jnp.asarray([1.0, 0, 2]))
    assert agrees.tolist() == [1, 0.5, 0]


def test_dpo_by_hand():
    found = dpo(jnp.asarray([1.0]), jnp.asarray([-3.0]), 0.5)
    np.testing.assert_allclose(found, [math.log(1 + math.exp(-2))], atol=1e-6)


@pytest.mark.smoke
def test_a_reward_is_read_at_the_last_token_of_the_answer(params):
    own = with_head(params, 8)
    own["head"] = {"kernel": jnp.ones((8, 1)), "bias": jnp.full(1, 2.0)}
    tokens, counts = BATCH["tokens"][0], COUNTS[0]
    rewards = jax.jit(partial(reward_model.rewards, MODULE))
    found = rewards(own, tokens, counts)
    x = jax.jit(partial(stream, MODULE))(params, tokens)
    expected = [x[0, 3].sum() + 2, x[1, 5].sum() + 2]
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert read_head(own, x).shape == (2, 6)
    after = tokens.at[0, 4:].set(0)  # padding behind it changes nothing
    again = rewards(own, after, counts)
    assert float(again[0]) == pytest.approx(float(found[0]), rel=1e-6)


def test_a_reward_model_begins_at_even_chances_and_learns_a_pair(params, key):
    functions = reward_model.functions(CONFIG)
    own = with_head(params, 8)

    @jax.jit
    def step(own):
        def mean(own):
            (total, weight), metrics = functions.loss(own, BATCH, key)
            return total / weight, metrics

        (loss, metrics), gradient = jax.value_and_grad(mean, has_aux=True)(own)
        own = jax.tree.map(lambda p, g: p - 0.1 * g, own, gradient)
        return own, loss, metrics["accuracy"]

    own, loss, (right, weight) = step(own)
    assert float(loss) == pytest.approx(math.log(2), abs=1e-6)
    assert float(right / weight) == 0.5
    for _ in range(30):
        own, loss, (right, weight) = step(own)
    assert float(right / weight) == 1
    assert float(loss) < 0.3


def test_dpo_is_its_closed_form(params, key):
    config = DpoConfig(beta=0.3)
    functions = preference.functions(CONFIG, config)
    (total, weight), metrics = jax.jit(functions.loss)(params, BATCH, key)
    tokens = BATCH["tokens"].reshape(4, 6)
    each = jax.jit(partial(log_probabilities, MODULE))(params, tokens)
    sums = (each * COUNTS.reshape(4, 5)).sum(-1).reshape(2, 2) - BATCH["reference"]
    margins = 0.3 * (sums[:, 0] - sums[:, 1])
    expected = sum(math.log1p(math.exp(-float(m))) for m in margins)
    assert float(weight) == 2
    assert float(total) == pytest.approx(expected, abs=1e-6)
    assert float(metrics["accuracy"][0]) == int((margins > 0).sum())


def test_at_the_reference_dpo_is_log_2_and_prompts_do_not_matter(params, key):
    tokens, counts = BATCH["tokens"].reshape(4, 6), COUNTS.reshape(4, 5)
    reference = jax.jit(partial(answer_log_probabilities, MODULE))(
        params, tokens, counts
    )
    batch = {**BATCH, "reference": reference.reshape(2, 2)}
    functions = preference.functions(CONFIG, DpoConfig())
    evaluate = jax.jit(functions.evaluate)
    found = evaluate(params, batch, key)
    assert float(found["loss"][0]) == pytest.approx(2 * math.log(2), abs=1e-6)
    assert float(found["accuracy"][0]) == 1  # two ties
    # The rejected answer's padding is not part of it.
    changed = {**batch, "tokens": batch["tokens"].at[1, 1, 4:].set(8)}
    again = evaluate(params, changed, key)
    assert float(again["loss"][0]) == pytest.approx(2 * math.log(2), abs=1e-6)


def test_beta_is_positive():
    with pytest.raises(InputError, match=r"--dpo\.beta=0\.0"):
        DpoConfig(beta=0.0)
