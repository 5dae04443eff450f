"""3 x 3 convolutions, and who computes them: XLA, or on CPUs our own kernel.

XLA's convolutions are the best there are on GPUs and TPUs. On CPUs they are slow, and
XLA writes the normalized maps to memory before them; `convolution_kernels` does both in
one pass, in a quarter of the products.
"""

from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jaxtyping import Float

from nnguide.array_types import Array
from nnguide.cpp import choice
from nnguide.diffusion.convolution_kernels import winograd
from nnguide.diffusion.group_norm import (
    Measured,
    Normalizing,
    Sums,
    normalized,
    on_the_stream,
)
from nnguide.transformer.dense import activation_dtype

KernelName = Literal["auto", "winograd", "xla"]


class Convolution(nn.Module):
    """3 x 3 filters in a rim of zeros, and a bias.

    Attributes:
      features: channels that come out.
      dtype: of what is multiplied.
      kernel: who computes it; auto and winograd take XLA for a stride, in 16 bits, and
        where the channels that come in are no multiple of 16.
      stride: places between two answers.
      silent: answers 0 at birth.
    """

    features: int
    dtype: Any
    kernel: KernelName
    stride: int = 1
    silent: bool = False

    @nn.compact
    def __call__(
        self,
        maps: Float[Array, "B height width C"],
        before: Normalizing | None = None,
        beside: Float[Array, "B rows columns features"] | None = None,
    ) -> Measured:
        """The filters' answers (B, rows, columns, features).

        Args:
          maps: what they look at,
          before: after this and SiLU, if it is given.
          beside: is added to the answers.
        """
        names = (None, None, "embedding", "neurons")
        shape = (3, 3, maps.shape[-1], self.features)
        fresh = nn.initializers.lecun_normal()
        initial = nn.initializers.zeros if self.silent else fresh
        filters = self._parameter("kernel", initial, names, shape)
        bias = self._parameter("bias", nn.initializers.zeros, names[-1:], shape[-1:])
        dtype = activation_dtype(self.dtype)
        if self._by_winograd(maps.shape[-1], dtype):
            return _winograd(maps, before, filters, bias, beside)
        if before:
            maps = jax.nn.silu(normalized(maps, before))
        answers = lax.conv_general_dilated(
            maps.astype(dtype), filters.astype(dtype), (self.stride,) * 2, "SAME",
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )  # fmt: skip
        answers += bias.astype(dtype)[None, None, None]
        return Measured(answers if beside is None else on_the_stream(beside + answers))

    def _parameter(
        self, name: str, initial: Any, names: Any, shape: tuple[int, ...]
    ) -> Any:
        boxed = nn.with_logical_partitioning(initial, names)
        return self.param(name, boxed, shape, jnp.float32)

    def _by_winograd(self, channels: int, dtype: Any) -> bool:
        return (
            channels % winograd.LANES == 0
            and self.stride == 1
            and dtype == jnp.float32
            and choice.chosen(winograd.KERNEL, self.kernel) == winograd.KERNEL.name
        )


def _winograd(
    maps: Array,
    before: Normalizing | None,
    filters: Array,
    bias: Array,
    beside: Array | None,
) -> Measured:
    """The kernel's answers; channels that do not fill a vector are zeros meanwhile."""
    nothing = jnp.zeros((0, 0), jnp.float32)
    factor, summand = before or (nothing, nothing)
    if beside is None:
        beside = jnp.zeros((0, 0, 0, 0), jnp.float32)
    maps, beside = maps.astype(jnp.float32), beside.astype(jnp.float32)
    features = bias.size
    missing = -features % winograd.LANES

    def filled(array: Array) -> Array:
        return jnp.pad(array, [(0, 0)] * (array.ndim - 1) + [(0, missing)])

    if missing:
        filters, bias = filled(filters), filled(bias)
        beside = filled(beside) if beside.size else beside
    answers, *sums = winograd.convolution(maps, factor, summand, filters, bias, beside)
    if missing:
        answers, *sums = (array[..., :features] for array in (answers, *sums))
    return Measured(answers, Sums(*sums))
