"""Products agree with float64 ones, and their gradients too, in both dtypes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnguide.transformer.dense import Dense, product

TOLERANCE = {jnp.float32: 1e-6, jnp.bfloat16: 1e-2}


@pytest.mark.smoke
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
@pytest.mark.parametrize("by_rows", [False, True])
@pytest.mark.parametrize("shape", [(6, 5, 3), (6, 3, 5), (1, 4, 4), (96, 32, 128)])
def test_product_and_its_gradients(dtype, by_rows, shape):
    tokens, inputs, outputs = shape
    generator = np.random.default_rng(0)
    x = generator.normal(size=(tokens, inputs))
    kernel = generator.normal(size=(inputs, outputs))
    dy = generator.normal(size=(tokens, outputs))
    given = jnp.asarray(kernel.T if by_rows else kernel, jnp.float32)

    @jax.jit
    def both(x, given, dy):
        y, back = jax.vjp(lambda x, k: product(x, k, dtype, by_rows), x, given)
        return y, *back(dy)

    y, dx, d_given = both(jnp.float32(x), given, jnp.float32(dy))
    d_kernel = d_given.T if by_rows else d_given
    exact = (x @ kernel, dy @ kernel.T, x.T @ dy)
    for found, wanted in zip((y, dx, d_kernel), exact, strict=True):
        assert found.dtype == jnp.float32
        error = np.abs(found - wanted).max() / np.abs(wanted).max()
        assert error < TOLERANCE[dtype]


def test_a_bias_is_added_to_every_token(key):
    dense = Dense(3, ("embedding", "neurons"), True, 0.02)
    params = {"kernel": jnp.zeros((4, 3)), "bias": jnp.arange(3.0)}
    y = dense.apply({"params": params}, jnp.ones((2, 5, 4)))
    np.testing.assert_array_equal(y, np.broadcast_to(np.arange(3.0), (2, 5, 3)))
