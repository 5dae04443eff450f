"""Norms by their definitions."""

from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from nnguide.transformer.norm import EPSILON, Normalize

X = np.random.default_rng(0).normal(2.0, 3.0, size=(2, 3, 8))
SCALE, BIAS = np.linspace(0.5, 2, 8), np.linspace(-1, 1, 8)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("kind", ["layer_norm", "rms_norm"])
def test_a_norm_is_its_formula(kind, bias):
    z = X - X.mean(-1, keepdims=True) if kind == "layer_norm" else X
    expected = z / np.sqrt((z**2).mean(-1, keepdims=True) + EPSILON) * SCALE
    params = {"scale": jnp.float32(SCALE)}
    if bias and kind == "layer_norm":
        expected, params["bias"] = expected + BIAS, jnp.float32(BIAS)
    norm = Normalize(kind, bias)
    found: Any = norm.apply({"params": params}, jnp.float32(X))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_bfloat16_is_normalized_in_float32():
    params = {"scale": jnp.ones(8)}
    x = jnp.asarray(X, jnp.bfloat16)
    norm = Normalize("rms_norm", False)
    rough: Any = norm.apply({"params": params}, x)
    exact: Any = norm.apply({"params": params}, x.astype("float32"))
    assert rough.dtype == jnp.bfloat16
    np.testing.assert_array_equal(rough, exact.astype(jnp.bfloat16))
