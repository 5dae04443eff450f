"""Blocks: ragged, mapped, split over devices, and differentiated by hand."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from nnguide.flops import count
from nnguide.transformer.attention_kernels import attend, blockwise
from nnguide.transformer.attention_kernels.block import attend_block


def arrays(tokens, keys, batch=2, dtype=jnp.float32):
    shapes = [(batch, tokens, 4, 8), (batch, keys, 2, 8), (batch, keys, 2, 8)]
    return [
        jax.random.normal(jax.random.key(number), shape).astype(dtype)
        for number, shape in enumerate(shapes)
    ]


@pytest.mark.parametrize(("tokens", "keys"), [(150, 150), (30, 150), (150, 30), (1, 9)])
@pytest.mark.parametrize("causal", [True, False])
def test_any_number_of_queries_and_keys(tokens, keys, causal):
    def total(kernel):
        return jax.jit(
            jax.value_and_grad(
                lambda arrays: jnp.sum(attend(kernel, *arrays, causal=causal) ** 2)
            )
        )(arrays(tokens, keys))

    jax.tree.map(
        lambda ours, right: np.testing.assert_allclose(
            ours, right, rtol=1e-4, atol=1e-4
        ),
        total("blockwise"),
        total("written_out"),
    )


@pytest.mark.smoke
def test_blocks_are_few_and_cover_all():
    for queries in (1, 64, 128, 129, 512, 1000, 100_000):
        for dtype in (jnp.float32, jnp.bfloat16):
            block = blockwise.block_size(queries, dtype)
            assert 1 <= -(-queries // block) <= blockwise.MOST_BLOCKS
    assert blockwise.block_size(64, jnp.float32) == 64
    assert blockwise.block_size(256, jnp.float32) == 64
    assert blockwise.block_size(256, jnp.bfloat16) == 128


def test_hidden_blocks_are_not_computed():
    def products(causal):
        return count(
            lambda *x: attend("blockwise", *x, causal=causal), *arrays(512, 512)
        )

    assert products(True) / products(False) == 36 / 64  # tiles, in 8 blocks


@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_the_gradient_by_hand_equals_differences(dtype):
    query, key, value = (
        jax.random.normal(jax.random.key(n), (3, 5, 4)).astype(dtype) for n in range(3)
    )
    allowed = jnp.broadcast_to(jnp.tril(jnp.ones((5, 5), bool)), (3, 5, 5))
    stays = jax.random.bernoulli(jax.random.key(3), 0.8, (3, 5, 5))

    def total(query, key, value):
        out: Any = attend_block(query, key, value, allowed, stays, 2.0, 1.25, False)
        return jnp.sum(jnp.sin(out.astype(jnp.float32)))

    gradients = jax.grad(total, argnums=(0, 1, 2))(query, key, value)
    size = 1e-2
    exact: list[Any] = [x.astype(jnp.float32) for x in (query, key, value)]
    for place, gradient in enumerate(gradients):
        way = jax.random.normal(jax.random.key(9), exact[place].shape)
        moved = [list(exact), list(exact)]
        moved[0][place] = exact[place] + size * way
        moved[1][place] = exact[place] - size * way
        higher, lower = (total(*arrays) for arrays in moved)
        along = jnp.sum(gradient.astype(jnp.float32) * way)
        np.testing.assert_allclose(
            along,
            (higher - lower) / (2 * size),
            rtol=0.03 if dtype == jnp.bfloat16 else 3e-3,
            atol=0.05 if dtype == jnp.bfloat16 else 1e-3,
        )


def test_mapped_over_seeds_equals_one_by_one():
    many = [jnp.stack([x, 2 * x]) for x in arrays(20, 20, dtype=jnp.bfloat16)]

    def gradient(*x):
        return jax.grad(
            lambda query: attend("blockwise", query, *x[1:]).astype(jnp.float32).sum()
        )(x[0])

    mapped = jax.vmap(gradient)(*many)
    for number in range(2):
        alone = gradient(*(x[number] for x in many))
        np.testing.assert_allclose(
            mapped[number].astype(jnp.float32), alone.astype(jnp.float32), atol=2e-2
        )


def test_split_over_eight_devices_equals_one():
    x = arrays(20, 20, batch=8)
    mesh = jax.make_mesh((8,), ("data",), axis_types=(jax.sharding.AxisType.Auto,))
    call = jax.jit(lambda *x: attend("blockwise", *x))
    spread = [jax.device_put(y, NamedSharding(mesh, P("data"))) for y in x]
    np.testing.assert_allclose(call(*spread), call(*x), rtol=1e-6, atol=1e-6)
