"""The trainings that a dry run knows: each the real task, with its real optimizer."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax

from nnguide import training
from nnguide.data.batches import Batches
from nnguide.language import next_token
from nnguide.transformer.config import GPT2, GPT3, Execution, Remat, TransformerConfig

ModelName = Literal["gpt3_175b", "gpt2_124m"]


class Workload(NamedTuple):
    """A training, known by its shapes.

    Attributes:
      task: the subject's functions, with the kernels of the devices asked for.
      counted: the same maths with kernels whose FLOPs a jaxpr shows, nothing computed
        twice: what the model needs.
      repeated: the same, with what is computed anew in the backward pass.
      optimizer: of the run.
      rows: batch size -> shapes of a batch.
      items: what an example has of `unit`.
      unit: in which throughput is counted.
    """

    task: training.Task
    counted: training.Task
    repeated: training.Task
    optimizer: optax.GradientTransformation
    rows: Callable[[int], Any]
    items: int
    unit: str

    @property
    def batches(self) -> Batches:
        """Rows are batches already."""
        return Batches(lambda first: iter(()), lambda arrays, rows, key: rows)


def gpt(config: TransformerConfig, remat: Remat) -> Workload:
    """Pre-training of a transformer by AdamW on next tokens.

    Args:
      config: of the transformer.
      remat: what is computed anew in the backward pass.
    """
    execution = Execution(layers="scan", remat=remat)

    def task(**changes: Any) -> training.Task:
        changed = dataclasses.replace(execution, **changes)
        return training.Task(*next_token.functions(config, changed))

    def rows(size: int) -> Any:
        shape = (size, config.context + 1)
        return {"tokens": jax.ShapeDtypeStruct(shape, jnp.int32)}

    optimizer = training.OptimizerConfig(
        "adamw",
        rate=6e-5,
        schedule="cosine",
        warmup_steps=100,
        beta2=0.95,
        weight_decay=0.1,
        clip=1.0,
    )
    return Workload(
        task(),
        task(attention="xla", remat="none"),
        task(attention="xla"),
        training.make_optimizer(optimizer, 1000),
        rows,
        config.context,
        "tokens",
    )


MODELS: Mapping[ModelName, Callable[[Remat], Workload]] = {
    "gpt3_175b": lambda remat: gpt(dataclasses.replace(GPT3, dropout=0.0), remat),
    "gpt2_124m": lambda remat: gpt(dataclasses.replace(GPT2, dropout=0.0), remat),
}
