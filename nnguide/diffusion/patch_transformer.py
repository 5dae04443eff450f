"""A denoiser for CPUs: a plain transformer whose tokens are patches of the image.

All its work is products of matrices, which a CPU does at full speed; a convolution
reaches half of that. The transformer is the one of parts 5 to 8, without the mask: what
the noise level and the class say is added to every patch's vector, and a text's
vectors stand behind the patches as further tokens.

Source: Bao et al., arXiv 2209.12152 (all inputs as tokens); Peebles and Xie, 2212.09748
(patches instead of a U-Net).
"""

import dataclasses
from typing import Any

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Float

from nnguide.array_types import Array
from nnguide.config import InputError
from nnguide.diffusion.conditioning import Condition, Conditioning
from nnguide.diffusion.maps import fold, unfold
from nnguide.diffusion.unet import check_size
from nnguide.transformer.attention import Sight, dtype_of
from nnguide.transformer.blocks import all_layers, stacked_blocks
from nnguide.transformer.config import Execution, TransformerConfig
from nnguide.transformer.dense import Dense
from nnguide.transformer.norm import Normalize


@dataclasses.dataclass(frozen=True)
class PatchTransformerConfig:
    """What the transformer is.

    Attributes:
      size: height and width of an image, in pixels.
      channels: of an image.
      patch: side of the squares of pixels that are a token each.
      layers: blocks of attention and MLP.
      embedding: width of a token's vector.
      heads: of a block's attention.
      classes: how many it knows, one for "no class" among them; 0 is none.
      text_width: of a text's vectors; 0 is no text.
    """

    size: int = 32
    channels: int = 1
    patch: int = 4
    layers: int = 4
    embedding: int = 128
    heads: int = 4
    classes: int = 0
    text_width: int = 0

    def __post_init__(self) -> None:
        for name in ("size", "channels", "patch"):
            self._check(name, getattr(self, name) >= 1, "give 1 or more")
        for name in ("classes", "text_width"):
            self._check(name, getattr(self, name) >= 0, "give 0 (none) or more")
        fits = self.size % self.patch == 0
        self._check("patch", fits, f"does not divide {self.size}; choose a divisor")
        self.transformer()  # checks the rest

    def _check(self, name: str, fits: bool, remedy: str) -> None:
        if not fits:
            raise InputError(
                f"patch_transformer.{name}={getattr(self, name)}: {remedy}."
            )

    def transformer(self) -> TransformerConfig:
        """Its blocks, as the transformer package makes them."""
        return TransformerConfig(
            layers=self.layers,
            embedding=self.embedding,
            heads=self.heads,
            positions="none",
            causal=False,
            dropout=0.0,
        )


class PatchTransformer(nn.Module):
    """A denoiser with the arguments of `Unet`."""

    config: PatchTransformerConfig
    execution: Execution = Execution()

    @nn.compact
    def __call__(
        self,
        inputs: Float[Array, "B height width channels"],
        noise_level: Float[Array, "B"],
        condition: Condition = None,
    ) -> Float[Array, "B height width channels"]:
        """The network's answer, float32, as that of `Unet`."""
        config, blocks = self.config, self.config.transformer()
        check_size(config.size, config.channels, inputs)
        patches = fold(inputs, config.patch)
        batch, height, width, pixels = patches.shape
        count, embedding = height * width, config.embedding
        x = self._dense("stem", embedding, patches.reshape(batch, count, pixels))
        told = Conditioning(
            embedding, embedding, config.classes, config.text_width,
            dtype_of(self.execution), name="conditioning",
        )(noise_level, condition)  # fmt: skip
        x = x + self._places(count)[None].astype(x.dtype) + told[:, None]
        if config.text_width:
            assert condition is not None
            x = jnp.concatenate([x, self._dense("text", embedding, condition)], axis=1)
        stack: Any = stacked_blocks(blocks, self.execution, self.is_initializing())
        x, _ = stack(x, all_layers(blocks), Sight(), None)
        x = Normalize(blocks.norm, blocks.biases, name="end_norm")(x[:, :count])
        x = self._dense("end", pixels, x, silent=True)
        maps = x.reshape(batch, height, width, pixels).astype(jnp.float32)
        return unfold(maps, config.patch)

    def _dense(self, name: str, features: int, x: Array, silent: bool = False) -> Array:
        std = 0.0 if silent else x.shape[-1] ** -0.5
        names, dtype = ("embedding", "neurons"), dtype_of(self.execution)
        return Dense(features, names, True, std, dtype, name=name)(x)

    def _places(self, count: int) -> Any:
        """A learned vector for each patch's place."""
        initial = nn.initializers.normal(0.02)
        boxed = nn.with_logical_partitioning(initial, ("places", "embedding"))
        return self.param("places", boxed, (count, self.config.embedding), jnp.float32)
