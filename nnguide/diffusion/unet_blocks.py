"""What a U-Net is made of: residual blocks and attention.

Each block begins as the identity: what it adds ends in weights that are 0 at birth.
"""

from typing import Any, Literal

import jax
from flax import linen as nn
from jaxtyping import Float

from nnguide.array_types import Array
from nnguide.diffusion.convolution import Convolution, KernelName
from nnguide.diffusion.group_norm import GroupNorm, Measured, normalized
from nnguide.transformer.attention import Attention
from nnguide.transformer.config import Execution, TransformerConfig
from nnguide.transformer.dense import Dense

Told = Literal["scale_shift", "add"]


class ResidualBlock(nn.Module):
    """What two convolutions add to the maps; nothing at birth.

    Attributes:
      features: channels that come out.
      told: how the noise level enters.
      dtype: of the convolutions' inputs.
      kernel: who computes them.
      resize: what happens to the maps before the first convolution, and beside it.
    """

    features: int
    told: Told
    dtype: Any
    kernel: KernelName
    resize: Any = None

    @nn.compact
    def __call__(self, measured: Measured, told: Float[Array, "B F"]) -> Measured:
        """The maps with what the block adds (B, rows, columns, features)."""
        maps = z = measured.maps
        before = GroupNorm(name="norm_1")(measured)
        if self.resize:
            z = self.resize(jax.nn.silu(normalized(maps, before)))
            before, maps = None, self.resize(maps)
        layer = Convolution(
            self.features, self.dtype, self.kernel, name="convolution_1"
        )
        z = layer(z, before)
        scale_shift = None
        if self.told == "add":
            more = self._dense("told", self.features, told)[:, None, None]
            z = Measured(z.maps + more)
        else:
            scale_shift = self._dense("told", 2 * self.features, told)
        before = GroupNorm(name="norm_2")(z, scale_shift)
        layer = Convolution(
            self.features, self.dtype, self.kernel, silent=True, name="convolution_2"
        )
        if maps.shape[-1] != self.features:
            maps = self._dense("beside", self.features, maps)
        return layer(z.maps, before, maps)

    def _dense(self, name: str, features: int, x: Array) -> Array:
        """A product with a vector, or with each place's: a convolution of 1 x 1."""
        names, std = ("embedding", "neurons"), x.shape[-1] ** -0.5
        return Dense(features, names, True, std, self.dtype, name=name)(x)


class AttentionBlock(nn.Module):
    """Each place asks all others, then the text's tokens; adds nothing at birth."""

    head_width: int
    execution: Execution

    @nn.compact
    def __call__(
        self,
        measured: Measured,
        text: Float[Array, "B S E"] | None = None,
    ) -> Measured:
        """The maps with what the attention adds.

        Args:
          measured: maps whose channels at a place are a token's vector.
          text: vectors of a text's tokens, if there is one.
        """
        measured = self._attention("places", measured, None)
        return measured if text is None else self._attention("text", measured, text)

    def _attention(
        self, name: str, measured: Measured, source: Array | None
    ) -> Measured:
        maps = measured.maps
        batch, height, width, features = maps.shape
        config = TransformerConfig(
            embedding=features,
            heads=features // self.head_width,
            layers=1,
            causal=False,
            positions="none",
            initial_std=features**-0.5,
        )
        normed = normalized(maps, GroupNorm(name=f"{name}_norm")(measured))
        tokens = normed.reshape(batch, height * width, features)
        attention = Attention(config, self.execution, silent=True, name=name)
        return Measured(maps + attention(tokens, source=source)[0].reshape(maps.shape))
