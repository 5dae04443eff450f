"""The platform that programs are traced for, and whether only FLOPs are counted.

The platform is the local one, except in a dry run that compiles for another (a TPU pod
from a laptop). Choices by platform (a kernel, a dtype, a loop) then suit that platform.
"""

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

import jax

_override: ContextVar[str] = ContextVar("platform_override", default="")
_counting: ContextVar[bool] = ContextVar("counting", default=False)


def platform() -> str:
    """The platform as `jax.default_backend()` names it: cpu, gpu or tpu."""
    return _override.get() or jax.default_backend()


def compute_capability() -> tuple[int, ...] | None:
    """The compute capability of the local NVIDIA GPU, (9, 0) for Hopper, or None."""
    device = jax.local_devices()[0]
    if "cuda" not in device.client.platform_version:
        return None
    return tuple(int(part) for part in device.compute_capability.split("."))


@contextlib.contextmanager
def compiling_for(name: str) -> Iterator[None]:
    """Context in which programs are traced for another platform.

    Args:
      name: cpu, gpu or tpu.
    """
    token = _override.set(name)
    try:
        yield
    finally:
        _override.reset(token)


def is_counting() -> bool:
    """Whether programs are traced only to count their FLOPs."""
    return _counting.get()


@contextlib.contextmanager
def counting_flops() -> Iterator[None]:
    """Context in which every operation is traced as jaxpr primitives.

    Opaque kernels are replaced by reference implementations, even if selected by name,
    because a jaxpr does not show their FLOPs. Programs traced here should not be run.
    """
    token = _counting.set(True)
    try:
        yield
    finally:
        _counting.reset(token)


def convolution_options() -> dict[str, str] | None:
    """Compiler options for `jax.jit` of convolutional networks; None for the defaults.

    On CPUs XLA passes fusions to the library YNNPACK, whose 3 x 3 convolutions take 1.5
    to 2 times as long as Eigen's (jaxlib 0.10.2, two cores). Its matrix products and
    reductions are faster than Eigen's. The options restrict YNNPACK to those.
    """
    if platform() != "cpu":
        return None
    kinds = "LIBRARY_FUSION_TYPE_DOT,LIBRARY_FUSION_TYPE_REDUCE"
    return {"xla_cpu_experimental_ynn_fusion_type": kinds}
