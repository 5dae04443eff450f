"""The kind of device that a program is compiled for, and whether it will run at all.

It is the kind at hand, except in a dry run, which compiles for a pod from a laptop:
what a model chooses by platform (a kernel, a type, a loop) is then chosen for the pod.
"""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

import jax

_elsewhere: ContextVar[str] = ContextVar("elsewhere", default="")
_counting: ContextVar[bool] = ContextVar("counting", default=False)


def platform() -> str:
    """The platform as `jax.default_backend()` names it: cpu, gpu or tpu."""
    return _elsewhere.get() or jax.default_backend()


def compute_capability() -> tuple[int, ...] | None:
    """Of the NVIDIA GPUs here, (9, 0) for Hopper; None where there are none."""
    device = jax.local_devices()[0]
    if "cuda" not in device.client.platform_version:
        return None
    return tuple(int(part) for part in device.compute_capability.split("."))


@contextlib.contextmanager
def compiling_for(name: str) -> Iterator[None]:
    """While it lasts, programs are traced for another platform.

    Args:
      name: cpu, gpu or tpu.
    """
    token = _elsewhere.set(name)
    try:
        yield
    finally:
        _elsewhere.reset(token)


def is_counting() -> bool:
    """Whether programs are traced for their FLOPs alone."""
    return _counting.get()


@contextlib.contextmanager
def counting_flops() -> Iterator[None]:
    """While it lasts, operations are traced as sums and products that a jaxpr shows.

    Kernels that hide theirs stand aside, those asked for by name too. Nothing that is
    traced here is meant to run.
    """
    token = _counting.set(True)
    try:
        yield
    finally:
        _counting.reset(token)


def convolution_options() -> dict[str, str] | None:
    """Options of `jax.jit` for networks of convolutions; None where its own are best.

    On CPUs XLA hands whole groups of operations to a library (YNNPACK) whose 3 x 3
    convolutions take 1.5 to 2 times as long as those of Eigen (jaxlib 0.10.2, two
    cores); its products and sums are the faster ones, so it keeps those.
    """
    if platform() != "cpu":
        return None
    kinds = "LIBRARY_FUSION_TYPE_DOT,LIBRARY_FUSION_TYPE_REDUCE"
    return {"xla_cpu_experimental_ynn_fusion_type": kinds}
