"""Who computes: our kernel where it can be had, else XLA, which is said or refused."""

import jax
import pytest

from nnguide import target
from nnguide.config import InputError
from nnguide.cpp import compiled
from nnguide.cpp.choice import chosen
from nnguide.diffusion.convolution_kernels.winograd import KERNEL


def test_a_kernel_without_a_compiler_is_refused_and_auto_warns(monkeypatch, caplog):
    monkeypatch.setenv("CXX", "no-such-compiler")
    afresh = compiled.lacking.__wrapped__  # a registered kernel stays registered
    monkeypatch.setattr(compiled, "lacking", afresh)
    with pytest.raises(InputError, match=r"unet\.kernel=winograd: winograd\.cc cannot"):
        chosen(KERNEL, "winograd")
    with caplog.at_level("WARNING", "absl"):
        assert chosen(KERNEL, "auto") == "xla"
    assert "convolutions: xla (auto; winograd cannot: winograd.cc cannot" in caplog.text


def test_a_kernel_is_refused_off_cpus(monkeypatch):
    monkeypatch.setattr(target, "platform", lambda: "tpu")
    with pytest.raises(InputError, match="it runs on cpu, not on tpu"):
        chosen(KERNEL, "winograd")


def test_auto_leaves_meshes_to_xla():
    mesh = jax.make_mesh((2,), ("data",))
    with jax.set_mesh(mesh):
        assert chosen(KERNEL, "auto") == "xla"
        with pytest.raises(InputError, match="XLA cannot split it over 2 devices"):
            chosen(KERNEL, "winograd")


def test_a_kernel_is_refused_where_it_does_not_suit():
    assert chosen(KERNEL, "auto", "it is blue") == "xla"
    with pytest.raises(InputError, match=r"it is blue\. Or give auto"):
        chosen(KERNEL, "winograd", "it is blue")
    assert chosen(KERNEL, "xla") == "xla"
