"""What every study of part 6 is given, and what several of them do with it."""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float, Int

from experiments.study import check
from nnguide import training
from nnguide.array_types import Array, Params
from nnguide.config import InputError
from nnguide.data.batches import Batches
from nnguide.data.text import TextSource, text_batches, text_evaluation
from nnguide.language import next_token
from nnguide.language.next_token import surprise
from nnguide.parallel import ParallelConfig
from nnguide.plots.style import Theme
from nnguide.tokenizer.protocol import Tokenizer
from nnguide.training import Fit, OptimizerConfig, Task
from nnguide.transformer.config import Execution, TransformerConfig
from nnguide.transformer.model import Transformer

Judged = Literal["validation", "last"]
STEPS_PER_CALL = 50
EVALUATION_BATCH = 32


@dataclasses.dataclass(frozen=True)
class Training:
    """How part 6's small transformers are trained.

    Attributes:
      steps: of the optimizer; a multiple of 50.
      batch_size: windows of text a step.
      networks: trained at once from different random starts.
      rate: learning rate of AdamW, at its highest.
    """

    steps: int = 600
    batch_size: int = 8
    networks: int = 2
    rate: float = 3e-3

    def __post_init__(self) -> None:
        if self.steps < 1 or self.steps % STEPS_PER_CALL:
            raise InputError(
                f"--training.steps={self.steps}: give a multiple of {STEPS_PER_CALL}."
            )
        check("training", self, batch_size=1, networks=1)
        if not self.rate > 0:
            raise InputError(f"--training.rate={self.rate}: give more than 0.")


class Setting(NamedTuple):
    """The text, the model, where results go, and what is random.

    Attributes:
      text: cut into tokens.
      tokenizer: that cut it.
      model: the small transformer that most studies look at; its unembedding is tied.
      training: how it is trained.
      trained: the fit of those networks; trains them when first called.
      seed: of all that is random.
      scored: whether text, model and training are the defaults.
      workdir: of the run; each training has a sub-folder.
      theme: of the pictures.
    """

    text: TextSource
    tokenizer: Tokenizer
    model: TransformerConfig
    training: Training
    trained: Callable[[], Fit]
    seed: int
    scored: bool
    workdir: Path
    theme: Theme

    @property
    def needs(self) -> str:
        """What a claim about the trained networks needs to be scored."""
        return "pydocs, the default model and the default training"


def train(
    text: TextSource,
    model: TransformerConfig,
    config: Training,
    seed: int,
    workdir: Path,
    judged: tuple[Judged, ...],
    last_only: bool = False,
) -> Fit:
    """Trains a few networks on a text, or reads back what was trained in the workdir.

    Args:
      text: its validation part is predicted after every 100 steps.
      model: what they are.
      config: how they are trained.
      seed: of starts and batches.
      workdir: of this training.
      judged: by which predictions: all, or those at the last place of each window.
      last_only: only the prediction after the last token of each window counts.
    """
    task, optimizer, batches = fitting(text, model, config, seed, last_only)
    whole = text_evaluation(text.validation, EVALUATION_BATCH, model.context)
    evaluation = {"validation": whole, "last": counting_the_last(whole)}
    return training.fit(
        task,
        optimizer,
        batches,
        training.Config(
            steps=config.steps,
            seed=seed,
            steps_per_call=STEPS_PER_CALL,
            log_every=STEPS_PER_CALL,
            evaluate_every=2 * STEPS_PER_CALL,
            # Steps of milliseconds: spreading them would only cost.
            parallel=ParallelConfig(devices=1),
        ),
        evaluation={name: evaluation[name] for name in judged},
        workdir=workdir,
    )


def fitting(
    text: TextSource,
    model: TransformerConfig,
    config: Training,
    seed: int,
    last_only: bool,
) -> tuple[Task, optax.GradientTransformation, Batches]:
    """What `train` trains: the task of all networks, their optimizer, their batches."""
    task, optimizer = training.over_seeds(
        # Networks side by side are one product in XLA; our kernel would take one after
        # the other.
        Task(*next_token.functions(model, Execution(blocks="xla"))),
        training.make_optimizer(_optimizer(config), config.steps),
        config.networks,
    )
    batches = text_batches(text.train, config.batch_size, model.context, seed)
    return task, optimizer, counting_the_last(batches) if last_only else batches


def _optimizer(config: Training) -> OptimizerConfig:
    return OptimizerConfig(
        "adamw",
        config.rate,
        "cosine",
        warmup_steps=min(50, config.steps),
        beta2=0.99,
        weight_decay=0.1,
        clip=1.0,
    )


def counting_the_last(batches: Batches) -> Batches:
    """The same windows, of which only the last prediction counts."""

    def assemble(arrays: Any, rows: Any, key: Any) -> dict[str, Array]:
        batch = batches.assemble(arrays, rows, key)
        count, places = batch["tokens"].shape[0], batch["tokens"].shape[1] - 1
        last = jnp.zeros((count, places), jnp.float32).at[:, -1].set(1)
        return {**batch, "counts": last}

    return batches._replace(assemble=assemble)


def network(fit: Fit, number: int = 0) -> Params:
    """The parameters of one of the networks of a fit."""
    return jax.tree.map(lambda leaf: leaf[number], fit.state.params)


def every(fit: Fit, metric: str) -> Float[np.ndarray, "evaluations networks"]:
    """A metric at every evaluation."""
    return np.asarray([row[metric] for row in fit.history if metric in row])


def steps_of(fit: Fit) -> Int[np.ndarray, "evaluations"]:
    """The steps after which the networks were evaluated."""
    return np.asarray(
        [int(row["step"]) for row in fit.history if "validation/loss" in row]
    )


@partial(jax.jit, static_argnums=0)
def logits_of(
    model: TransformerConfig, params: Params, tokens: Int[Array, "B T"]
) -> Float[Array, "B T V"]:
    """What a network says comes next, after every token."""
    return jnp.asarray(Transformer(model).apply({"params": params}, tokens))


def windows(
    text: TextSource, model: TransformerConfig, stride: int
) -> Int[np.ndarray, "windows T1"]:
    """Stretches of context + 1 tokens of the validation part, `stride` tokens apart."""
    tokens = np.asarray(text.validation, np.int32)
    starts = np.arange(0, len(tokens) - model.context, stride)
    return tokens[starts[:, None] + np.arange(model.context + 1)[None]]


def surprises(
    model: TransformerConfig, params: Params, tokens: Int[np.ndarray, "windows T1"]
) -> Float[np.ndarray, "windows T"]:
    """-log of what a network gave each token that came, in nats.

    Args:
      model: of the network.
      params: of the network.
      tokens: what it reads and, one place on, what it should have said.
    """
    parts = []
    for start in range(0, len(tokens), 128):
        batch = jnp.asarray(tokens[start : start + 128])
        parts.append(_surprises(model, params, batch))
    return np.concatenate(parts)


@partial(jax.jit, static_argnums=0)
def _surprises(model: TransformerConfig, params: Params, tokens: Array) -> Array:
    return surprise(logits_of(model, params, tokens[:, :-1]), tokens[:, 1:])[0]
