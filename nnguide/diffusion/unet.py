"""The U-Net: from a noisy image to one of the same shape, through ever smaller maps.

Down: residual blocks at each level, then half the size. Up: the same with the way
down's maps beside, level by level. Every block is told the noise level (and class, and
text); where maps are small, all places attend to each other, and to the text.

Sources: Ronneberger et al., arXiv 1505.04597; for noise, with attention and zero-
initialised ends: Ho et al., arXiv 2006.11239; scale and shift, residual blocks that
resize, heads of one width: Dhariwal and Nichol, arXiv 2105.05233 (ADM).
"""

import dataclasses
from typing import Any, Literal

import jax
import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Float

from nnguide.array_types import Array
from nnguide.config import InputError, run_only
from nnguide.diffusion.conditioning import Condition, Conditioning
from nnguide.diffusion.convolution import Convolution, KernelName
from nnguide.diffusion.group_norm import GroupNorm, Measured, concatenated
from nnguide.diffusion.maps import double, fold, halve, unfold
from nnguide.diffusion.unet_blocks import AttentionBlock, ResidualBlock, Told
from nnguide.transformer.attention import dtype_of
from nnguide.transformer.config import Execution
from nnguide.transformer.dense import activation_dtype

Resize = Literal["convolution", "residual"]


@dataclasses.dataclass(frozen=True)
class UnetConfig:
    """What a U-Net is.

    Attributes:
      size: height and width of an image, in pixels.
      channels: of an image.
      patch: side of the squares of pixels that are folded into channels first; 1
        folds nothing.
      width: channels of the first level's maps.
      multiples: channels of each level as multiples of the width; each further level
        has half the height and width.
      blocks: residual blocks a level on the way down; one more on the way up.
      attention: heights of the maps at which places attend to each other.
      head_width: of the attention's heads; 0 makes one head of all channels.
      told: how blocks hear of the noise level: it scales and shifts their normalized
        maps, or is added to the maps before.
      resize: how levels change size: a convolution alone, or a residual block.
      classes: how many the network knows, one for "no class" among them; 0 is none.
      text_width: of the vectors of a text to attend to; 0 is no text.
      outputs: channels that come out; 0 is as many as an image has.
      kernel: who computes 3 x 3 convolutions: XLA, or on CPUs Winograd's algorithm in
        C++ of our own; auto takes that where it can be compiled. The numbers agree to
        rounding; FLOPs, forward-mode and second derivatives are to be had with xla.
    """

    size: int = 32
    channels: int = 1
    patch: int = 2
    width: int = 32
    multiples: tuple[int, ...] = (1, 2)
    blocks: int = 1
    attention: tuple[int, ...] = (8,)
    head_width: int = 32
    told: Told = "scale_shift"
    resize: Resize = "convolution"
    classes: int = 0
    text_width: int = 0
    outputs: int = 0
    kernel: KernelName = run_only("auto")

    def __post_init__(self) -> None:
        for name in ("size", "channels", "patch", "blocks"):
            self._check(name, getattr(self, name) >= 1, "give 1 or more")
        for name in ("head_width", "classes", "text_width", "outputs"):
            self._check(name, getattr(self, name) >= 0, "give 0 (none) or more")
        self._check(
            "width", self.width >= 2 and self.width % 2 == 0, "give an even one"
        )
        positive = bool(self.multiples) and min(self.multiples) >= 1
        self._check("multiples", positive, "give one or more positive numbers")
        least = self.patch * 2 ** (len(self.multiples) - 1)
        self._check(
            "size",
            self.size % least == 0,
            f"{len(self.multiples)} levels of patches of {self.patch} need a multiple "
            f"of {least}; pad the images, or give fewer levels",
        )
        self._check_attention()
        both = not (self.classes and self.text_width)
        self._check(
            "classes", both, "a network takes classes or text; give one of them"
        )

    def _check_attention(self) -> None:
        heights = [self.size // self.patch >> n for n in range(len(self.multiples))]
        for height in self.attention:
            self._check(
                "attention", height in heights, f"the levels are {heights} high"
            )
        for height, multiple in zip(heights, self.multiples, strict=True):
            features = self.width * multiple
            attends = height in self.attention or height == heights[-1]
            self._check(
                "head_width",
                not attends or not self.head_width or features % self.head_width == 0,
                f"does not divide the {features} channels of a level that attends",
            )

    def _check(self, name: str, fits: bool, remedy: str) -> None:
        if not fits:
            raise InputError(f"unet.{name}={getattr(self, name)}: {remedy}.")


# 35,746,307 parameters: Ho et al. 2020, CIFAR-10.
DDPM_CIFAR10 = UnetConfig(
    channels=3, patch=1, width=128, multiples=(1, 2, 2, 2), blocks=2, attention=(16,),
    head_width=0, told="add",
)  # fmt: skip
# 295,904,454 parameters: Dhariwal and Nichol 2021, ImageNet 64 x 64; the three further
# channels that come out say how much noise the reverse step adds.
ADM_64 = UnetConfig(
    size=64, channels=3, patch=1, width=192, multiples=(1, 2, 3, 4), blocks=3,
    attention=(32, 16, 8), head_width=64, resize="residual", classes=1000, outputs=6,
)  # fmt: skip


class Unet(nn.Module):
    """A denoiser: noisy images in, and of the same shape what is asked of them out."""

    config: UnetConfig
    execution: Execution = Execution()

    @nn.compact
    def __call__(
        self,
        inputs: Float[Array, "B height width channels"],
        noise_level: Float[Array, "B"],
        condition: Condition = None,
    ) -> Float[Array, "B height width outputs"]:
        """The network's answer, float32.

        Args:
          inputs: noisy images of about unit variance.
          noise_level: one number an image, of order 1, that grows with the noise.
          condition: class numbers where the network has classes, the vectors of a text
            where it has a text width, else None.
        """
        config = self.config
        check_size(config.size, config.channels, inputs)
        dtype = dtype_of(self.execution)
        told = jax.nn.silu(
            Conditioning(
                config.width, 4 * config.width, config.classes, config.text_width,
                dtype, name="conditioning",
            )(noise_level, condition)
        )  # fmt: skip
        text = condition if config.text_width else None
        maps = fold(inputs, config.patch).astype(activation_dtype(dtype))
        stem = self._convolution("stem", config.width)
        measured, kept = self._down(stem(maps), told, text)
        features = measured.maps.shape[-1]
        measured = self._block("middle_1", features)(measured, told)
        measured = self._attend("middle_attention", features)(measured, text)
        measured = self._block("middle_2", features)(measured, told)
        measured = self._up(measured, kept, told, text)
        before = GroupNorm(name="end_norm")(measured)
        outputs = (config.outputs or config.channels) * config.patch**2
        end = self._convolution("end", outputs, silent=True)
        maps = end(measured.maps, before).maps
        return unfold(maps, config.patch).astype(jnp.float32)

    def _down(
        self, measured: Measured, told: Array, text: Array | None
    ) -> tuple[Measured, list[Measured]]:
        """The smallest level's maps, and all that the way up gets beside its own."""
        config, kept = self.config, [measured]
        for level, multiple in enumerate(config.multiples):
            features = config.width * multiple
            for number in range(config.blocks):
                name = f"down_{level}_{number}"
                measured = self._block(name, features)(measured, told)
                if measured.maps.shape[1] in config.attention:
                    attend = self._attend(f"{name}_attention", features)
                    measured = attend(measured, text)
                kept.append(measured)
            if level < len(config.multiples) - 1:
                measured = self._smaller(f"down_{level}_halve", measured, told)
                kept.append(measured)
        return measured, kept

    def _up(
        self, measured: Measured, kept: list[Measured], told: Array, text: Array | None
    ) -> Measured:
        config = self.config
        for level, multiple in reversed(list(enumerate(config.multiples))):
            features = config.width * multiple
            for number in range(config.blocks + 1):
                name = f"up_{level}_{number}"
                measured = concatenated(measured, kept.pop())
                measured = self._block(name, features)(measured, told)
                if measured.maps.shape[1] in config.attention:
                    attend = self._attend(f"{name}_attention", features)
                    measured = attend(measured, text)
            if level:
                measured = self._larger(f"up_{level}_double", measured, told)
        return measured

    def _block(self, name: str, features: int, resize: Any = None) -> ResidualBlock:
        dtype = dtype_of(self.execution)
        told, kernel = self.config.told, self.config.kernel
        return ResidualBlock(features, told, dtype, kernel, resize, name=name)

    def _convolution(self, name: str, features: int, **how: Any) -> Convolution:
        dtype = dtype_of(self.execution)
        return Convolution(features, dtype, self.config.kernel, **how, name=name)

    def _attend(self, name: str, features: int) -> AttentionBlock:
        config = self.config
        return AttentionBlock(config.head_width or features, self.execution, name=name)

    def _smaller(self, name: str, measured: Measured, told: Array) -> Measured:
        features = measured.maps.shape[-1]
        if self.config.resize == "residual":
            return self._block(name, features, halve)(measured, told)
        return self._convolution(name, features, stride=2)(measured.maps)

    def _larger(self, name: str, measured: Measured, told: Array) -> Measured:
        """By doubling: a transposed convolution's gradient is 8 times slower on CPU."""
        features = measured.maps.shape[-1]
        if self.config.resize == "residual":
            return self._block(name, features, double)(measured, told)
        return self._convolution(name, features)(double(measured.maps))


def check_size(
    size: int, channels: int, inputs: Float[Array, "B height width C"]
) -> None:
    """Checks that images are of the size that a network was built for.

    Raises:
      InputError: they are not.
    """
    wanted = (size, size, channels)
    if inputs.shape[1:] != wanted:
        given, right = ("x".join(map(str, s)) for s in (inputs.shape[1:], wanted))
        raise InputError(
            f"images of {given}: the network is for {right}; pad or crop them, or give "
            "the network's size and channels."
        )
