"""The trainings that a dry run knows: each the real task, with its real optimizer."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from nnguide import training
from nnguide.array_types import Array, Batch
from nnguide.config import InputError
from nnguide.data.batches import Batches
from nnguide.data.scenes import signed
from nnguide.diffusion import clip, learning
from nnguide.diffusion.clip import CLIP_VIT_B32, ClipConfig
from nnguide.diffusion.denoising import DenoisingConfig
from nnguide.diffusion.noise import NoiseConfig
from nnguide.diffusion.unet import ADM_64, DDPM_CIFAR10, Unet, UnetConfig
from nnguide.language import next_token
from nnguide.training import OptimizerConfig, Task
from nnguide.transformer.config import GPT2, GPT3, Execution, Remat, TransformerConfig

ModelName = Literal["gpt3_175b", "gpt2_124m", "unet_cifar10", "unet_adm64", "clip"]
Recomputed = Literal["auto", Remat]
STEPS = 100_000  # of the schedules, on which no size depends


class Workload(NamedTuple):
    """A training, known by its shapes.

    Attributes:
      task: the subject's functions, with the kernels of the devices asked for.
      counted: the same maths with kernels whose FLOPs a jaxpr shows, nothing computed
        twice: what the model needs.
      repeated: the same, with what is computed anew in the backward pass.
      optimizer: of the run.
      rows: batch size -> shapes of what the host sends.
      assemble: rows -> batch, inside of the step.
      items: what an example has of `unit`.
      unit: in which throughput is counted.
    """

    task: Task
    counted: Task
    repeated: Task
    optimizer: optax.GradientTransformation
    rows: Callable[[int], dict[str, jax.ShapeDtypeStruct]]
    assemble: Callable[[Batch], Batch]
    items: int
    unit: str

    @property
    def batches(self) -> Batches:
        """The data, none of which is there."""
        return Batches(
            lambda first: iter(()), lambda arrays, rows, key: self.assemble(rows)
        )


def gpt(config: TransformerConfig, remat: Recomputed = "auto") -> Workload:
    """Pre-training of a transformer on next tokens, as GPT-3's (arXiv 2005.14165).

    Args:
      config: of the transformer.
      remat: what is computed anew in the backward pass; auto is all of a block.
    """
    optimizer = OptimizerConfig(
        "adamw",
        rate=6e-5,
        schedule="cosine",
        warmup_steps=100,
        beta2=0.95,
        weight_decay=0.1,
        clip=1.0,
    )
    return Workload(
        *_tasks(lambda execution: next_token.functions(config, execution), remat),
        training.make_optimizer(optimizer, STEPS),
        lambda size: {"tokens": _shape(jnp.int32, size, config.context + 1)},
        lambda rows: rows,
        config.context,
        "tokens",
    )


def towers(config: ClipConfig, remat: Recomputed = "auto") -> Workload:
    """Training of CLIP on pictures in bytes and their captions (arXiv 2103.00020).

    Args:
      config: of both towers.
      remat: what is computed anew in the backward pass; auto is all of a block.
    """
    optimizer = OptimizerConfig(
        "adamw",
        rate=5e-4,
        schedule="cosine",
        warmup_steps=2000,
        beta2=0.98,
        weight_decay=0.2,
    )

    def rows(size: int) -> dict[str, jax.ShapeDtypeStruct]:
        return {
            "image": _shape(jnp.uint8, size, config.size, config.size, config.channels),
            "tokens": _shape(jnp.int32, size, config.text.context),
        }

    return Workload(
        *_tasks(lambda execution: clip.functions(config, execution), remat),
        training.make_optimizer(optimizer, STEPS),
        rows,
        lambda rows: {**rows, "image": signed(rows["image"])},
        1,
        "pairs",
    )


class Means(nn.Module):
    """A U-Net without its answer's further channels.

    ADM's say how much noise the reverse step adds; the loss of the noise alone, which
    is the one here, does not read them.
    """

    unet: Unet

    def __call__(self, inputs: Array, noise_level: Array, condition: Any) -> Array:
        """As `Unet`, with as many channels as the image has."""
        answer = self.unet(inputs, noise_level, condition)
        return answer[..., : self.unet.config.channels]


def denoising(
    config: UnetConfig, noise: NoiseConfig, rate: float, remat: Recomputed = "auto"
) -> Workload:
    """Training of a U-Net on the noise in pictures that come in bytes, with labels.

    The optimizers of Ho et al. (arXiv 2006.11239) and of Dhariwal and Nichol
    (2105.05233) differ in the rate.

    Args:
      config: of the network.
      noise: the levels.
      rate: of the optimizer.
      remat: auto or none.

    Raises:
      InputError: something is to be computed anew, which a U-Net cannot.
    """
    if remat not in ("auto", "none"):
        raise InputError(f"--remat={remat}: a U-Net keeps all it computes; give auto.")
    shape = (config.size, config.size, config.channels)
    nothing = np.int32(0) if config.classes else None
    examples = learning.Examples(
        lambda batch: batch["image"], lambda batch: batch.get("label"), nothing
    )

    def functions(execution: Execution) -> learning.Functions:
        # Pods take XLA's convolutions anyway; our kernel's FLOPs are in no jaxpr.
        module = Means(Unet(replace(config, kernel="xla"), execution))
        target = DenoisingConfig("eps", "simple")
        return learning.functions(module, shape, target, noise, examples)

    def rows(size: int) -> dict[str, jax.ShapeDtypeStruct]:
        images = {"image": _shape(jnp.uint8, size, *shape)}
        return (
            {**images, "label": _shape(jnp.int32, size)} if config.classes else images
        )

    optimizer = OptimizerConfig(
        "adamw", rate=rate, warmup_steps=5000, clip=1.0, average_decay=0.9999
    )
    return Workload(
        *_tasks(functions, "none"),
        training.make_optimizer(optimizer, STEPS),
        rows,
        lambda rows: {**rows, "image": signed(rows["image"])},
        1,
        "images",
    )


def _tasks(
    functions: Callable[[Execution], tuple], remat: Recomputed
) -> tuple[Task, Task, Task]:
    """The first three of a workload."""
    chosen: Remat = "everything" if remat == "auto" else remat
    execution = Execution(layers="scan", remat=chosen)
    repeated = replace(execution, attention="xla", blocks="xla")
    counted = replace(repeated, remat="none")
    task, once, again = (
        Task(*functions(each)) for each in (execution, counted, repeated)
    )
    return task, once, again


def _shape(dtype: Any, *shape: int) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, dtype)


MODELS: Mapping[ModelName, Callable[[Recomputed], Workload]] = {
    "gpt3_175b": lambda remat: gpt(replace(GPT3, dropout=0.0), remat),
    "gpt2_124m": lambda remat: gpt(replace(GPT2, dropout=0.0), remat),
    "unet_cifar10": lambda remat: denoising(
        DDPM_CIFAR10, NoiseConfig("linear"), 2e-4, remat
    ),
    "unet_adm64": lambda remat: denoising(ADM_64, NoiseConfig("cosine"), 3e-4, remat),
    "clip": lambda remat: towers(CLIP_VIT_B32, remat),
}
