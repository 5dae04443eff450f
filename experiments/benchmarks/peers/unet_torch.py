"""The digits' U-Net in PyTorch: modules, autograd, AdamW; training and sampling.

Own code for the network of `nnguide.diffusion.unet` at its default sizes: the same
blocks, the same number of parameters, the same loss, and for sampling the same
deterministic steps with guidance.
"""

# torch is in the extra `peers`, which the checks do without.
# pyright: reportMissingImports=false

import itertools
import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

Mode = Literal["eager", "channels_last"]
DATA = 0.5  # standard deviation of the images, for EDM's preconditioning
LOG_MEAN, LOG_STD = -1.2, 1.2  # of the levels of noise that EDM trains on
SIGMA_MIN, SIGMA_MAX, RHO = 0.01, 20.0, 7.0
DROPPED, RATE = 0.1, 2e-3


class Shape(NamedTuple):
    """The sizes of the network; the defaults are those of `UnetConfig`."""

    size: int = 32
    patch: int = 2
    width: int = 32
    multiples: tuple[int, ...] = (1, 2)
    blocks: int = 2
    head_width: int = 32
    classes: int = 11


def group_norm(channels: int) -> nn.GroupNorm:
    """Groups of at least 4 channels, at most 32 of them."""
    return nn.GroupNorm(min(32, channels // 4), channels)


def silent(module: nn.Module) -> nn.Module:
    """Answers 0 at birth."""
    for weights in module.parameters():
        nn.init.zeros_(weights)
    return module


class ResidualBlock(nn.Module):
    """Two convolutions beside the maps; the noise level scales and shifts."""

    def __init__(self, channels: int, features: int, told: int) -> None:
        super().__init__()
        self.norm_1 = group_norm(channels)
        self.convolution_1 = nn.Conv2d(channels, features, 3, padding=1)
        self.told = nn.Linear(told, 2 * features)
        self.norm_2 = group_norm(features)
        self.convolution_2 = silent(nn.Conv2d(features, features, 3, padding=1))
        self.beside = nn.Identity()
        if channels != features:
            self.beside = nn.Conv2d(channels, features, 1)

    def forward(self, maps: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        """(B, C, height, width) -> (B, features, height, width)."""
        z = self.convolution_1(functional.silu(self.norm_1(maps)))
        scale, shift = self.told(told)[:, :, None, None].chunk(2, dim=1)
        z = functional.silu(self.norm_2(z) * (1 + scale) + shift)
        return self.beside(maps) + self.convolution_2(z)


class Attention(nn.Module):
    """All places attend to each other."""

    def __init__(self, channels: int, head_width: int) -> None:
        super().__init__()
        self.head_width = head_width
        self.norm = group_norm(channels)
        self.query_key_value = nn.Linear(channels, 3 * channels)
        self.mixed = silent(nn.Linear(channels, channels))

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """(B, C, height, width) -> the same."""
        size, channels, height, width = maps.shape
        tokens = self.norm(maps).flatten(2).transpose(1, 2)
        fused = self.query_key_value(tokens)
        split = fused.view(size, height * width, 3, -1, self.head_width)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        found = functional.scaled_dot_product_attention(query, key, value)
        found = found.transpose(1, 2).reshape(size, height * width, channels)
        return maps + self.mixed(found).transpose(1, 2).view(maps.shape)


class Unet(nn.Module):
    """Noisy images, noise levels and classes to images."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        told, pixels = 4 * shape.width, shape.patch**2
        self.first = nn.Linear(shape.width, told)
        self.second = nn.Linear(told, told)
        self.classes = nn.Embedding(shape.classes, told)
        self.stem = nn.Conv2d(pixels, shape.width, 3, padding=1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        channels, kept = shape.width, [shape.width]
        last = len(shape.multiples) - 1
        for level, multiple in enumerate(shape.multiples):
            for _ in range(shape.blocks):
                self.down.append(self._step(channels, shape.width * multiple, level))
                channels = shape.width * multiple
                kept.append(channels)
            if level < last:
                # The padding of DDPM's first code, which was TensorFlow's.
                smaller = nn.Conv2d(channels, channels, 3, stride=2)
                self.down.append(nn.Sequential(nn.ZeroPad2d((0, 1, 0, 1)), smaller))
                kept.append(channels)
        self.middle = nn.ModuleList(
            [
                ResidualBlock(channels, channels, told),
                Attention(channels, shape.head_width),
                ResidualBlock(channels, channels, told),
            ]
        )
        for level, multiple in reversed(list(enumerate(shape.multiples))):
            for _ in range(shape.blocks + 1):
                joined = channels + kept.pop()
                self.up.append(self._step(joined, shape.width * multiple, level))
                channels = shape.width * multiple
            if level:
                doubled = nn.Upsample(scale_factor=2, mode="nearest")
                convolution = nn.Conv2d(channels, channels, 3, padding=1)
                self.up.append(nn.Sequential(doubled, convolution))
        self.end_norm = group_norm(channels)
        self.end = silent(nn.Conv2d(channels, pixels, 3, padding=1))

    def _step(self, channels: int, features: int, level: int) -> nn.ModuleList:
        """A residual block; on the smallest level attention after it."""
        made = [ResidualBlock(channels, features, 4 * self.shape.width)]
        if level == len(self.shape.multiples) - 1:
            made.append(Attention(features, self.shape.head_width))  # pyright: ignore
        return nn.ModuleList(made)

    def _told(self, noise_level: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
        half = self.shape.width // 2
        powers = torch.linspace(math.log(100.0), math.log(0.1), half)
        angles = noise_level[:, None] * powers.exp()[None]
        vector = torch.cat([angles.sin(), angles.cos()], dim=1)
        vector = self.second(functional.silu(self.first(vector)))
        return functional.silu(vector + self.classes(classes))

    def forward(
        self, inputs: torch.Tensor, noise_level: torch.Tensor, classes: torch.Tensor
    ) -> torch.Tensor:
        """(B, 1, height, width) -> the same."""
        told = self._told(noise_level, classes)
        maps = self.stem(functional.pixel_unshuffle(inputs, self.shape.patch))
        kept = [maps]
        for step in self.down:
            maps = _through(step, maps, told)
            kept.append(maps)
        maps = _through(self.middle, maps, told)
        for step in self.up:
            if isinstance(step, nn.ModuleList):
                maps = torch.cat([maps, kept.pop()], dim=1)
            maps = _through(step, maps, told)
        maps = self.end(functional.silu(self.end_norm(maps)))
        return functional.pixel_shuffle(maps, self.shape.patch)


def _through(step: nn.Module, maps: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
    if not isinstance(step, nn.ModuleList):
        return step(maps)
    for module in step:
        told_too = isinstance(module, ResidualBlock)
        maps = module(maps, told) if told_too else module(maps)
    return maps


def denoise(
    model: nn.Module, x: torch.Tensor, sigma: torch.Tensor, classes: torch.Tensor
) -> torch.Tensor:
    """The estimate of the clean image, by EDM's preconditioning."""
    size = sigma[:, None, None, None]
    both = (size**2 + DATA**2).sqrt()
    answer = model(x / both, sigma.log() / 4, classes)
    return DATA**2 / both**2 * x + size * DATA / both * answer


def layout_of(mode: Mode) -> torch.memory_format:
    """How maps lie in memory."""
    named = {
        "eager": torch.contiguous_format,
        "channels_last": torch.channels_last,
    }
    return named[mode]


def training(
    images: np.ndarray,
    labels: np.ndarray,
    shape: Shape,
    mode: Mode,
    threads: int,
    batch: int,
    steps: int,
) -> Callable[[], float]:
    """A function that trains some steps at each call and returns the last loss.

    Args:
      images: (N, height, width) bytes; batches are drawn from them at random and padded
        to the network's size.
      labels: (N,).
      shape: of the network.
      mode: how maps lie in memory.
      threads: what torch may use.
      batch: images a step.
      steps: how many a call.
    """
    torch.manual_seed(0)
    layout = layout_of(mode)
    model = Unet(shape)
    model.to(memory_format=layout)  # pyright: ignore[reportCallIssue] (its stubs)
    optimizer = torch.optim.AdamW(model.parameters(), RATE, weight_decay=0, fused=True)
    resident, known = torch.from_numpy(images), torch.from_numpy(labels).long()
    rim = (shape.size - images.shape[1]) // 2

    def turn() -> float:
        torch.set_num_threads(threads)
        loss = torch.zeros(())
        for _ in range(steps):
            rows = torch.randint(len(known), (batch,))
            clean = resident[rows][:, None].float() / 127.5 - 1
            clean = functional.pad(clean, (rim,) * 4, value=-1.0)
            clean = clean.contiguous(memory_format=layout)
            told = known[rows].where(torch.rand(batch) >= DROPPED, shape.classes - 1)
            sigma = (LOG_MEAN + LOG_STD * torch.randn(batch)).exp()
            size = sigma[:, None, None, None]
            x = clean + size * torch.randn_like(clean)
            error = (denoise(model, x, sigma, told) - clean).square()
            loss = ((size**-2 + DATA**-2) * error).mean()
            loss.backward()
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return loss.item()

    return turn


def levels(steps: int) -> list[float]:
    """Of noise, from the most to none, as Karras et al. space them."""
    first, last = SIGMA_MAX ** (1 / RHO), SIGMA_MIN ** (1 / RHO)
    return [*(np.linspace(first, last, steps) ** RHO).tolist(), 0.0]


def sampling(
    shape: Shape, mode: Mode, threads: int, batch: int, steps: int, alpha: float,
    in_one_pass: bool,
) -> Callable[[], torch.Tensor]:  # fmt: skip
    """A function that samples a batch by ddim with guidance at each call.

    Args:
      shape: of the network.
      mode: how maps lie in memory.
      threads: what torch may use.
      batch: images a call.
      steps: of ddim.
      alpha: of guidance.
      in_one_pass: stacks what is told its class and what is not; else they take a pass
        each.
    """
    torch.manual_seed(0)
    layout = layout_of(mode)
    model = Unet(shape).eval()
    model.to(memory_format=layout)  # pyright: ignore[reportCallIssue] (its stubs)
    told = torch.arange(batch) % (shape.classes - 1)
    nothing = torch.full((batch,), shape.classes - 1)
    sigmas = levels(steps)

    def both(x: torch.Tensor, sigma: float) -> tuple[torch.Tensor, torch.Tensor]:
        if not in_one_pass:
            size = torch.full((batch,), sigma)
            return denoise(model, x, size, told), denoise(model, x, size, nothing)
        size, twice = torch.full((2 * batch,), sigma), torch.cat([x, x])
        clean = denoise(model, twice, size, torch.cat([told, nothing]))
        return clean[:batch], clean[batch:]

    @torch.inference_mode()
    def turn() -> torch.Tensor:
        torch.set_num_threads(threads)
        x = sigmas[0] * torch.randn(batch, 1, shape.size, shape.size)
        x = x.contiguous(memory_format=layout)
        for now, after in itertools.pairwise(sigmas):
            conditioned, plain = both(x, now)
            clean = conditioned + alpha * (conditioned - plain)
            x = clean + after / now * (x - clean)
        return x

    return turn
