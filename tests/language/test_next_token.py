"""The loss of the next token, by its definition."""

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnguide import target
from nnguide.language import next_token
from nnguide.transformer.config import Execution, TransformerConfig

CONFIG = TransformerConfig(
    vocabulary=9, context=6, layers=1, embedding=8, heads=2, dropout=0.0
)


def batch_of(rows=3):
    tokens = jax.random.randint(jax.random.key(1), (rows, 7), 0, 9)
    return {"tokens": tokens, "weight": jnp.ones(rows), "example": jnp.arange(rows)}


@pytest.fixture(scope="module")
def params():
    import flax.linen as nn

    return nn.unbox(next_token.functions(CONFIG).init(jax.random.key(0)))


def test_at_birth_the_model_knows_nothing(params, key):
    functions = next_token.functions(CONFIG)
    (total, weight), metrics = functions.loss(params, batch_of(), key)
    assert float(weight) == 18
    assert float(total / weight) == pytest.approx(math.log(9), abs=0.05)
    assert metrics == {}


@pytest.mark.parametrize("platform", ["cpu", "tpu"])
def test_surprise_is_minus_log_softmax(platform):
    logits = jnp.asarray([[1.0, 2.0, 0.5], [0.0, 0.0, 30.0]])
    with target.compiling_for(platform):
        each, log_sum = next_token.surprise(logits, jnp.asarray([1, 0]))
    expected = -np.log(np.exp(2) / np.exp([1, 2, 0.5]).sum())
    assert float(each[0]) == pytest.approx(expected, rel=1e-6)
    assert float(each[1]) == pytest.approx(30, rel=1e-5)
    assert float(log_sum[0]) == pytest.approx(np.log(np.exp([1, 2, 0.5]).sum()))


def test_only_what_counts_counts(params, key):
    functions, batch = next_token.functions(CONFIG), batch_of()
    last = {**batch, "counts": jnp.zeros((3, 6)).at[:, -1].set(1.0)}
    last["weight"] = jnp.asarray([1.0, 1.0, 0.0])
    changed = {**last, "tokens": batch["tokens"].at[2].set(0)}
    one, other = (functions.evaluate(params, b, key) for b in (last, changed))
    assert float(one["loss"][1]) == 2
    assert one["loss"] == other["loss"]


def test_z_loss_adds_the_squared_log_sum(params, key):
    batch = batch_of()
    plain = next_token.functions(CONFIG)
    with_z = next_token.functions(dataclasses.replace(CONFIG, z_loss=0.1))
    (total, weight), _ = plain.loss(params, batch, key)
    (more, _), metrics = with_z.loss(params, batch, key)
    # Logits are nearly 0, so that each log sum is nearly log 9.
    assert float((more - total) / weight) == pytest.approx(
        0.1 * math.log(9) ** 2, rel=0.02
    )
    assert float(metrics["surprise"][0]) == pytest.approx(float(total), rel=1e-6)


def test_dropout_is_drawn_in_training_alone(params, key):
    functions = next_token.functions(dataclasses.replace(CONFIG, dropout=0.5))
    batch = batch_of()
    losses = {
        float(functions.loss(params, batch, jax.random.key(n))[0][0]) for n in range(3)
    }
    assert len(losses) == 3
    evaluated = {
        float(functions.evaluate(params, batch, jax.random.key(n))["loss"][0])
        for n in range(3)
    }
    assert len(evaluated) == 1


def test_other_executions_have_the_same_loss(params, key):
    batch = batch_of()

    def loss(execution):
        return float(
            next_token.functions(CONFIG, execution).loss(params, batch, key)[0][0]
        )

    kernels = ("written_out", "xla", "blockwise")
    found = [loss(Execution(attention=kernel)) for kernel in kernels]
    assert found == pytest.approx([found[0]] * 3, rel=1e-6)


def test_bits_per_byte_and_perplexity():
    assert next_token.perplexity(math.log(65)) == pytest.approx(65)
    # 1 nat a token, two bytes a token: half of log2(e) bits a byte.
    assert next_token.bits_per_byte(1.0, 100, 200) == pytest.approx(
        math.log2(math.e) / 2
    )
