"""Part 1's next question: where do the edges appear? In a convolutional network.

The same 5x5 filters look at every place of the image, so they learn strokes and edges,
which 784-16-16-10 has no reason to. The second-last layer is a good description of a
digit; later it judges drawn samples.

Source: LeCun et al., "Gradient-based learning applied to document recognition" (1998).
"""

import dataclasses

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Float

from nnguide.array_types import Array
from nnguide.config import InputError
from nnguide.network.activations import relu


@dataclasses.dataclass(frozen=True)
class ConvnetConfig:
    """A small convolutional classifier: two convolutions, one hidden layer.

    Attributes:
      filters: how many 5x5 filters the two convolutions hold.
      features: neurons of the second-last layer.
      classes: outputs.
    """

    filters: tuple[int, ...] = (16, 32)
    features: int = 64
    classes: int = 10

    def __post_init__(self) -> None:
        if len(self.filters) != 2 or min(self.filters) < 1:
            raise InputError(
                f"filters={self.filters}: the network has two convolutions. "
                "Give two positive integers, for instance 16,32."
            )
        if min(self.features, self.classes) < 1:
            raise InputError(
                f"features={self.features}, classes={self.classes}: a layer needs "
                "neurons. Give positive integers."
            )


class Convnet(nn.Module):
    """Images (B, height, width, channels) to logits (B, classes)."""

    config: ConvnetConfig

    def setup(self) -> None:
        """Names the layers, so that `features` and `__call__` share them."""
        first, second = self.config.filters
        # Small at birth, so that the filters show what they learned and not the random
        # start: at full size they stay as rough as noise over epochs of few digits.
        self.conv_1 = _convolution(first, share=0.1)
        self.conv_2 = _convolution(second)
        self.hidden = _dense(self.config.features)
        self.output = _dense(self.config.classes)

    def __call__(
        self, images: Float[Array, "B height width channels"]
    ) -> Float[Array, "B N"]:
        """The logits."""
        return self.output(self.features(images))

    def features(
        self, images: Float[Array, "B height width channels"]
    ) -> Float[Array, "B F"]:
        """The second-last layer; apply with `method="features"`."""
        maps = halve(relu(self.conv_1(images)))
        maps = halve(relu(self.conv_2(maps)))
        return relu(self.hidden(maps.reshape(len(maps), -1)))


def halve(
    maps: Float[Array, "B height width F"],
) -> Float[Array, "B half_height half_width F"]:
    """The largest of each 2x2 block; an odd last row or column goes.

    By reshape, whose gradient is faster than that of a pooling window on CPU.
    """
    batch, height, width, filters = maps.shape
    even = maps[:, : height // 2 * 2, : width // 2 * 2]
    blocks = even.reshape(batch, height // 2, 2, width // 2, 2, filters)
    return jnp.max(blocks, axis=(2, 4))


def _convolution(filters: int, share: float = 1.0) -> nn.Conv:
    """5x5 filters whose weights start at a share of He's standard deviation."""
    names = (None, None, "embedding", "neurons")
    initial = nn.initializers.variance_scaling(2.0 * share**2, "fan_in", "normal")
    return nn.Conv(
        filters,
        (5, 5),
        kernel_init=nn.with_logical_partitioning(initial, names),
        bias_init=nn.with_logical_partitioning(nn.initializers.zeros, ("neurons",)),
    )


def _dense(neurons: int) -> nn.Dense:
    names = ("embedding", "neurons")
    initial = nn.initializers.he_normal()
    return nn.Dense(
        neurons,
        kernel_init=nn.with_logical_partitioning(initial, names),
        bias_init=nn.with_logical_partitioning(nn.initializers.zeros, ("neurons",)),
    )
