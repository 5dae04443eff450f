"""Our C++ convolution beside XLA's: answers, gradients, and when it is refused."""

import os
import shutil
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnguide.diffusion.convolution import Convolution
from nnguide.diffusion.group_norm import Normalizing, Sums, sums_of
from nnguide.diffusion.unet import Unet, UnetConfig

needs_compiler = pytest.mark.skipif(
    not (os.environ.get("CXX") or shutil.which("c++")),
    reason="no C++ compiler on this machine",
)


@needs_compiler
@pytest.mark.parametrize("whole", [True, False], ids=["normalized", "plain"])
@pytest.mark.parametrize("shape", [(5, 7, 20), (14, 14, 32), (4, 1, 16), (33, 9, 16)])
def test_winograd_is_xlas_convolution_and_so_are_its_gradients(shape, whole, key):
    """Of the answers and of their sums; with what comes before, and beside, or not."""
    *size, features = shape
    keys = jax.random.split(key, 8)
    maps = jax.random.normal(keys[0], (3, *size, 16))
    before = Normalizing(*jax.random.normal(keys[1], (2, 3, 16))) if whole else None
    beside = jax.random.normal(keys[2], (3, *size, features)) if whole else None
    xla, ours = (Convolution(features, "float32", name) for name in ("xla", "winograd"))
    params = jax.tree.map(
        lambda p: p + jax.random.normal(keys[3], p.shape) / 10, xla.init(keys[4], maps)
    )
    slopes = (
        jax.random.normal(keys[5], (3, *size, features)),
        Sums(*jax.random.normal(keys[6], (2, 3, features))),
    )

    def both(layer: Convolution) -> Any:
        def measured(*given: Any) -> tuple[Any, Sums]:
            answers: Any = layer.apply(*given)
            assert (answers.sums is None) == (layer is xla)
            return answers.maps, sums_of(answers)

        answers, backward = jax.vjp(measured, params, maps, before, beside)
        return answers, backward(slopes)

    for got, wanted in zip(*map(jax.tree.leaves, (both(ours), both(xla))), strict=True):
        wanted = np.asarray(wanted)
        np.testing.assert_allclose(got, wanted, atol=3e-5 * abs(wanted).max(), rtol=0)
    again = jax.tree.leaves(both(ours))
    jax.tree.map(np.testing.assert_array_equal, jax.tree.leaves(both(ours)), again)


@needs_compiler
def test_shapes_that_do_not_fit_never_reach_the_kernel(key):
    layer = Convolution(16, "float32", "winograd")
    maps = jnp.zeros((2, 4, 4, 16))
    params = layer.init(key, maps)
    with pytest.raises(ValueError, match="do not fit"):
        layer.apply(params, maps, None, jnp.zeros((2, 4, 5, 16)))
    one = Normalizing(jnp.ones((1, 16)), jnp.ones((1, 16)))
    with pytest.raises(ValueError, match="do not fit"):
        layer.apply(params, maps, one)
    with pytest.raises(ValueError, match="do not fit"):
        layer.apply(params, maps[:, :0])


@needs_compiler
@pytest.mark.parametrize(
    "told", ["scale_shift", pytest.param("add", marks=pytest.mark.slow)]
)
def test_a_unet_says_the_same_by_either_kernel_and_learns_the_same(told, key):
    config = UnetConfig(size=8, width=16, head_width=8, attention=(2,), told=told)
    images = jax.random.normal(key, (2, 8, 8, config.channels))
    given = images, jnp.array([-0.5, 0.5]), None
    params: Any = Unet(config).init(key, *given)
    params = jax.tree.map(lambda p: p + 0.05, params)

    def both(kernel: Any) -> Any:
        def loss(params: Any) -> Any:
            answers: Any = Unet(replace(config, kernel=kernel)).apply(params, *given)
            return jnp.square(answers - images).mean(), answers

        slopes, answers = jax.jit(jax.grad(loss, has_aux=True))(params)
        return answers, slopes

    for got, wanted in zip(
        *map(jax.tree.leaves, (both("winograd"), both("xla"))), strict=True
    ):
        wanted = np.asarray(wanted)
        atol = 2e-4 * abs(wanted).max() + 1e-6
        np.testing.assert_allclose(got, wanted, atol=atol, rtol=0)
