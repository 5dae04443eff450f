"""CLIP: pictures and captions as vectors in one space.

Two towers end in vectors of one length; a picture's and its caption's shall point the
same way. The image tower is a small convolutional network or a vision transformer, the
text tower a causal transformer that is read at the end of the caption. How the towers
are trained is said in `contrastive`, what the space is good for in `zero_shot`.

Sources: Radford et al., arXiv 2103.00020; vision transformer: Dosovitskiy et al.,
arXiv 2010.11929; 3Blue1Brown / Welch Labs, "But how do AI images and videos actually
work?".
"""

import dataclasses
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Float, Int

from nnguide.array_types import Array, Batch, Key, Metrics, Params
from nnguide.config import InputError
from nnguide.diffusion.contrastive import (
    Axis,
    LossName,
    Side,
    Sums,
    Temperature,
    compare,
)
from nnguide.diffusion.maps import fold
from nnguide.network.activations import relu
from nnguide.network.convnet import halve
from nnguide.transformer.attention import Sight, dtype_of
from nnguide.transformer.blocks import all_layers, stacked_blocks
from nnguide.transformer.config import Execution, TransformerConfig
from nnguide.transformer.dense import Dense
from nnguide.transformer.model import Transformer
from nnguide.transformer.norm import Normalize

ImageTower = Literal["convolutional", "vit"]
Images = Float[Array, "B height width channels"]


@dataclasses.dataclass(frozen=True)
class ClipConfig:
    """Two towers and the loss that joins them.

    Attributes:
      size: height and width of an image, in pixels.
      channels: of an image.
      image_tower: what reads images.
      filters: of each 3x3 convolution; maps are halved after each.
      patch: side of the squares that are a vision transformer's tokens.
      vit: the vision transformer's blocks; its context is patches plus one.
      text: the text tower; its highest token id ends a caption.
      shared: width of the space that both towers end in.
      loss: softmax asks which caption of the batch is a picture's, and which picture a
        caption's; sigmoid asks of every pair whether it is one.
    """

    size: int = 32
    channels: int = 3
    image_tower: ImageTower = "convolutional"
    filters: tuple[int, ...] = (32, 64, 128)
    patch: int = 4
    vit: TransformerConfig = TransformerConfig(
        context=65, layers=3, embedding=96, heads=4, causal=False, dropout=0.0
    )
    text: TransformerConfig = TransformerConfig(
        vocabulary=42, context=17, layers=2, embedding=64, heads=4, dropout=0.0
    )
    shared: int = 64
    loss: LossName = "softmax"

    def __post_init__(self) -> None:
        side = self.patch
        if self.image_tower == "convolutional":
            side = 2 ** (1 + len(self.filters))
        if self.size % side:
            raise InputError(
                f"clip.size={self.size}: the {self.image_tower} tower needs a multiple "
                f"of {side}."
            )
        tokens = 1 + (self.size // self.patch) ** 2
        if self.image_tower == "vit" and self.vit.context != tokens:
            raise InputError(
                f"clip.vit.context={self.vit.context}: images of {self.size} make "
                f"{tokens} tokens with patches of {self.patch}; give that."
            )


# 151,277,313 parameters: Radford et al. 2021, "ViT-B/32".
CLIP_VIT_B32 = ClipConfig(
    size=224,
    image_tower="vit",
    patch=32,
    vit=TransformerConfig(
        context=50, layers=12, embedding=768, heads=12, causal=False, dropout=0.0
    ),
    text=TransformerConfig(
        vocabulary=49_408, context=77, layers=12, embedding=512, heads=8, dropout=0.0
    ),
    shared=512,
)


class Clip(nn.Module):
    """Both towers, and the temperature of their loss.

    Attributes:
      config: what they are.
      execution: how they are computed.
    """

    config: ClipConfig
    execution: Execution = Execution()

    def setup(self) -> None:
        """Makes the parts."""
        config, dtype = self.config, dtype_of(self.execution)
        tower = {"convolutional": ConvolutionalTower, "vit": VisionTransformer}
        self.image: Any = tower[config.image_tower](config, self.execution)
        self.text: Any = Transformer(config.text, self.execution)
        self.text_projection = _projection(config.shared, config.text.embedding, dtype)
        self.temperature = Temperature(config.loss)

    def __call__(
        self, images: Images, tokens: Int[Array, "B T"]
    ) -> tuple[Float[Array, "B D"], Float[Array, "B D"], tuple[Any, Any]]:
        """Vectors of pictures and of captions, and the temperature's two numbers."""
        return self.see(images), self.read(tokens), self.temperature()

    def see(self, images: Images) -> Float[Array, "B D"]:
        """Pictures' vectors, of length 1; images in [-1, 1]."""
        return _unit(self.image(images))

    def read(self, tokens: Int[Array, "B T"]) -> Float[Array, "B D"]:
        """Captions' vectors, of length 1.

        Args:
          tokens: the highest id ends a caption; what comes behind its first is not
            seen.
        """
        ends = jnp.argmax(tokens == self.config.text.vocabulary - 1, axis=1)
        states = self.read_words(tokens)[jnp.arange(len(tokens)), ends]
        return _unit(self.text_projection(states))

    def read_words(self, tokens: Int[Array, "B T"]) -> Float[Array, "B T E"]:
        """The text tower's vector of each token, which a denoiser may attend to."""
        states, _ = self.text.read(tokens)
        return states


class ConvolutionalTower(nn.Module):
    """Convolutions on ever smaller maps, then one vector for the whole picture."""

    config: ClipConfig
    execution: Execution

    @nn.compact
    def __call__(self, images: Images) -> Float[Array, "B D"]:
        """The vectors, of any length."""
        config, dtype = self.config, dtype_of(self.execution)
        maps = fold(images, 2)
        for filters in config.filters:
            maps = halve(relu(_convolution(filters, dtype)(maps)))
        flat = maps.reshape(len(maps), -1)
        return _projection(config.shared, flat.shape[-1], dtype)(flat)


class VisionTransformer(nn.Module):
    """Patches as tokens; the vector is that of one further token, the class token."""

    config: ClipConfig
    execution: Execution

    def setup(self) -> None:
        """Makes the parts."""
        config, vit = self.config, self.config.vit
        dtype = dtype_of(self.execution)
        pixels = config.channels * config.patch**2
        self.patches = Dense(
            vit.embedding, ("embedding", "neurons"), False, pixels**-0.5, dtype
        )
        self.class_token = self._table("class_token", 1)
        self.positions = self._table("positions", vit.context)
        self.first_norm = Normalize(vit.norm, vit.biases)
        self.blocks: Any = stacked_blocks(vit, self.execution, self.is_initializing())
        self.final_norm = Normalize(vit.norm, vit.biases)
        self.projection = _projection(config.shared, vit.embedding, dtype)

    def __call__(self, images: Images) -> Float[Array, "B D"]:
        """The vectors, of any length."""
        squares = fold(images, self.config.patch)
        patches = self.patches(squares.reshape(len(images), -1, squares.shape[-1]))
        shape = (len(images), 1, patches.shape[-1])
        one = jnp.broadcast_to(self.class_token[None], shape).astype(patches.dtype)
        x = jnp.concatenate([one, patches], axis=1) + self.positions[None]
        x, _ = self.blocks(
            self.first_norm(x), all_layers(self.config.vit), Sight(), None
        )
        return self.projection(self.final_norm(x[:, 0]))

    def _table(self, name: str, rows: int) -> Any:
        width = self.config.vit.embedding
        boxed = nn.with_logical_partitioning(
            nn.initializers.normal(width**-0.5), ("places", "embedding")
        )
        return self.param(name, boxed, (rows, width), jnp.float32)


class Functions(NamedTuple):
    """CLIP as three pure functions, in the order of `training.Task`."""

    init: Callable[[Key], Params]
    loss: Callable[[Params, Batch, Key], tuple[tuple[Array, Array], Metrics]]
    evaluate: Callable[[Params, Batch, Key], Metrics]


def functions(
    config: ClipConfig,
    execution: Execution = Execution(),  # noqa: B008, a constant
    axis: Axis = None,
) -> Functions:
    """Trains and judges both towers.

    A batch holds "image" (B, height, width, channels) and "tokens" (B, T).

    Args:
      config: what they are.
      execution: how they are computed.
      axis: names of the axes that split a batch under shard_map or pmap.
    """
    module = Clip(config, execution)

    def init(key: Key) -> Params:
        images = jnp.zeros((1, config.size, config.size, config.channels), jnp.float32)
        tokens = jnp.zeros((1, config.text.context), jnp.int32)
        return module.init(key, images, tokens)["params"]

    def judge(params: Params, batch: Batch) -> tuple[Sums, Metrics]:
        weight = batch["weight"]
        both: Any = module.apply({"params": params}, batch["image"], batch["tokens"])
        seen, read, temperature = both
        sums = compare(
            config.loss,
            Side(seen, batch["tokens"], weight),
            Side(read, batch["tokens"], weight),
            temperature,
            axis,
        )
        count = weight.sum()
        return sums, {
            "accuracy": (sums.right, count),
            "factor": (temperature[0] * count, count),
            "floor": (sums.floor, count),
        }

    def loss(
        params: Params, batch: Batch, key: Key
    ) -> tuple[tuple[Array, Array], Metrics]:
        del key  # nothing is random
        sums, metrics = judge(params, batch)
        return (sums.loss, batch["weight"].sum()), metrics

    def evaluate(params: Params, batch: Batch, key: Key) -> Metrics:
        (total, weight), metrics = loss(params, batch, key)
        return {"loss": (total, weight), **metrics}

    return Functions(init, loss, evaluate)


def _unit(vectors: Float[Array, "B D"]) -> Float[Array, "B D"]:
    """Brings vectors to length 1, in float32."""
    vectors = vectors.astype(jnp.float32)
    squares = jnp.square(vectors).sum(axis=-1, keepdims=True)
    return vectors / jnp.sqrt(squares + 1e-12)


def _projection(features: int, inputs: int, dtype: Any) -> Dense:
    """Into the shared space, without bias."""
    return Dense(features, ("embedding", "neurons"), False, inputs**-0.5, dtype)


def _convolution(filters: int, dtype: Any) -> nn.Conv:
    names = (None, None, "embedding", "neurons")
    initial = nn.initializers.he_normal()
    return nn.Conv(
        filters,
        (3, 3),
        dtype=dtype,
        kernel_init=nn.with_logical_partitioning(initial, names),
        bias_init=nn.with_logical_partitioning(nn.initializers.zeros, ("neurons",)),
    )
