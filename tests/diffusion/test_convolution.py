"""Our C++ convolution beside XLA's: answers, gradients, and when it is refused."""

import shutil
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nnguide import target
from nnguide.config import InputError
from nnguide.diffusion.convolution import Convolution, chosen
from nnguide.diffusion.convolution_kernels import compiled
from nnguide.diffusion.group_norm import Normalizing
from nnguide.diffusion.unet import Unet, UnetConfig

needs_compiler = pytest.mark.skipif(
    not shutil.which("c++"), reason="no C++ compiler on this machine"
)


@needs_compiler
@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize(("height", "width"), [(5, 7), (14, 14), (4, 1)])
def test_winograd_is_xlas_convolution_and_so_are_its_gradients(
    height, width, normalize, key
):
    keys = jax.random.split(key, 6)
    maps = jax.random.normal(keys[0], (3, height, width, 16))
    factor, summand = jax.random.normal(keys[1], (2, 3, 16))
    before = Normalizing(factor, summand) if normalize else None
    xla, ours = (Convolution(32, "float32", name) for name in ("xla", "winograd"))
    params = jax.tree.map(
        lambda p: p + jax.random.normal(keys[2], p.shape) / 10, xla.init(keys[3], maps)
    )
    slopes = jax.random.normal(keys[4], (3, height, width, 32))

    def both(layer: Convolution) -> Any:
        answers, backward = jax.vjp(layer.apply, params, maps, before)
        return answers, backward(slopes)

    for got, wanted in zip(*map(jax.tree.leaves, (both(ours), both(xla))), strict=True):
        wanted = np.asarray(wanted)
        np.testing.assert_allclose(got, wanted, atol=3e-5 * abs(wanted).max(), rtol=0)
    again = jax.tree.leaves(both(ours))
    jax.tree.map(np.testing.assert_array_equal, jax.tree.leaves(both(ours)), again)


@needs_compiler
def test_a_unet_says_the_same_by_either_kernel(key):
    config = UnetConfig(size=8, width=16, head_width=8, attention=(2,))
    images = jax.random.normal(key, (2, 8, 8, config.channels))
    given = images, jnp.array([-0.5, 0.5]), None
    params: Any = Unet(config).init(key, *given)
    params = jax.tree.map(lambda p: p + 0.05, params)
    ours: Any = Unet(replace(config, kernel="winograd")).apply(params, *given)
    plain: Any = Unet(config).apply(params, *given)
    wanted = np.asarray(plain)
    assert abs(wanted).max() > 1e-2
    np.testing.assert_allclose(ours, wanted, atol=1e-4 * abs(wanted).max(), rtol=0)


def test_winograd_without_a_compiler_is_refused_and_auto_takes_xla(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    afresh = compiled.lacking.__wrapped__  # a registered kernel stays registered
    monkeypatch.setattr(compiled, "lacking", afresh)
    with pytest.raises(InputError, match=r"unet\.kernel=winograd: winograd\.cc cannot"):
        chosen("winograd")
    assert chosen("auto") == "xla"


def test_winograd_is_refused_off_cpus(monkeypatch):
    monkeypatch.setattr(target, "platform", lambda: "tpu")
    with pytest.raises(InputError, match="it runs on cpu, not on tpu"):
        chosen("winograd")
