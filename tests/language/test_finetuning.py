"""Fine-tuning counts answers alone, normalized by name, whole or by two factors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from nnguide.config import InputError
from nnguide.language import finetuning, next_token
from nnguide.language.low_rank import (
    LowRankConfig,
    initial_factors,
    merged,
    with_low_rank,
)
from nnguide.language.token_shares import token_shares
from nnguide.transformer.config import TransformerConfig

CONFIG = TransformerConfig(
    vocabulary=9, context=7, layers=2, embedding=8, heads=2, dropout=0.0
)
COUNTS = jnp.asarray([[0, 0, 1, 1, 1, 0], [0, 1, 0, 0, 0, 0], [0] * 6], jnp.float32)
BATCH = {
    "tokens": jax.random.randint(jax.random.key(1), (3, 7), 0, 9),
    "counts": COUNTS,
    "weight": jnp.ones(3),
    "example": jnp.arange(3),
}


@pytest.fixture(scope="module")
def params():
    init = next_token.functions(CONFIG).init
    return jax.jit(lambda key: nn.unbox(init(key)))(jax.random.key(0))


@pytest.mark.smoke
def test_the_loss_is_the_next_tokens_at_counted_places(params, key):
    (total, weight), _ = jax.jit(finetuning.functions(CONFIG).loss)(params, BATCH, key)
    (expected, number), _ = jax.jit(next_token.functions(CONFIG).loss)(
        params, BATCH, key
    )
    assert float(weight) == float(number) == 4
    assert float(total) == pytest.approx(float(expected), rel=1e-6)


def test_where_nothing_counts_there_is_no_gradient(params, key):
    nothing = {**BATCH, "counts": jnp.zeros((3, 6))}
    gradient = jax.jit(
        jax.grad(lambda p: finetuning.functions(CONFIG).loss(p, nothing, key)[0][0])
    )(params)
    assert all(not leaf.any() for leaf in jax.tree.leaves(gradient))


def test_three_normalizations_by_hand():
    surprise = jnp.asarray([[9, 9, 1, 2, 3, 9], [9, 4, 9, 9, 9, 9], [9.0] * 6])

    def mean(normalization, group=1):
        shares = token_shares(COUNTS, normalization, group)
        return float((shares * surprise).sum() / shares.sum())

    assert mean("token") == pytest.approx((1 + 2 + 3 + 4) / 4)
    assert mean("sequence") == pytest.approx((2 + 4) / 2)
    assert mean("group", 3) == pytest.approx((1 + 2 + 3 + 4) / 4)
    two = jnp.asarray([[1.0, 1, 1], [1, 0, 0], [1, 1, 0], [0, 0, 1]])
    each = jnp.asarray([[1.0, 2, 3], [6, 0, 0], [5, 7, 0], [0, 0, 9]])
    shares = token_shares(two, "group", 2)  # groups of 4 and of 3 tokens
    expected = ((1 + 2 + 3 + 6) / 4 + (5 + 7 + 9) / 3) / 2
    assert float((shares * each).sum() / shares.sum()) == pytest.approx(expected)


def test_factors_start_at_the_model_and_move_it_by_their_product(params):
    config = LowRankConfig(rank=2, scale=6.0, kernels=("query", "up_projection"))
    factors = initial_factors(params, config, jax.random.key(3))
    query = factors["blocks"]["attention"]["query"]
    assert query["down"].shape == (2, 8, 2)
    assert query["up"].shape == (2, 2, 8)
    assert list(factors["blocks"]) == ["attention", "mlp"]
    same = merged(params, factors, config)
    jax.tree.map(np.testing.assert_array_equal, same, params)
    query["up"] = jnp.ones((2, 2, 8))
    moved = merged(params, factors, config)["blocks"]["attention"]["query"]["kernel"]
    kernel = params["blocks"]["attention"]["query"]["kernel"]
    for layer in range(2):
        expected = kernel[layer] + 3 * query["down"][layer] @ query["up"][layer]
        np.testing.assert_allclose(moved[layer], expected, rtol=1e-6)


def test_only_factors_are_trained(params, key):
    config = LowRankConfig(rank=2)
    plain = finetuning.functions(CONFIG)
    functions = with_low_rank(plain, config)
    factors = functions.init(key)
    (total, weight), _ = jax.jit(functions.loss)(factors, BATCH, key, base=params)
    whole = jax.jit(plain.loss)(params, BATCH, key)
    assert float(total) == pytest.approx(float(whole[0][0]))
    trained = sum(leaf.size for leaf in jax.tree.leaves(factors))
    assert trained == 2 * 4 * 2 * (8 + 8)  # layers, products, rank, widths
    judged = jax.jit(functions.evaluate)(factors, BATCH, key, base=params)
    assert judged["loss"][1] == weight


def test_a_kernel_that_is_not_there_is_refused(params, key):
    with pytest.raises(InputError, match=r"--low_rank\.kernels=gate: the model has no"):
        initial_factors(params, LowRankConfig(kernels=("query", "gate")), key)
    with pytest.raises(InputError, match=r"--low_rank\.rank=0"):
        LowRankConfig(rank=0)
