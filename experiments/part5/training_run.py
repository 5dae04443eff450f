"""Training, and finding a trained model again.

The default recipe is nanoGPT's for Tiny Shakespeare on a CPU: 4 layers of 4 heads,
width 128, 64 characters of context, 2,000 steps on 12 windows.

Source: github.com/karpathy/nanoGPT, config/train_shakespeare_char.py and the README.
"""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax

from experiments.part5.setting import Model, Setting, Trained
from experiments.plan import Plan
from nnguide import training
from nnguide.config import InputError
from nnguide.data.batches import Batches
from nnguide.data.text import text_batches
from nnguide.language import next_token
from nnguide.tokenizer import files
from nnguide.tokenizer.protocol import Tokenizer
from nnguide.training import OptimizerConfig, Task
from nnguide.training.checkpoint import Checkpoints, Retention
from nnguide.training.metrics import read_rows
from nnguide.training.step import State, initial_state

TOKENIZER = "tokenizer.json"


def task_of(model: Model) -> Task:
    """The next-token task of a model."""
    return Task(*next_token.functions(*model))


def batches(setting: Setting, batch_size: int) -> Batches:
    """Windows of the training part, drawn at random."""
    return text_batches(
        setting.text.train,
        batch_size,
        setting.model.config.context,
        setting.seed,
        setting.data.loader,
    )


def check_text(setting: Setting, batch_size: int) -> None:
    """Checks that both parts of the text hold a window to learn from or be judged by.

    Raises:
      InputError: one does not.
    """
    batches(setting, batch_size)
    whole_text(setting.text.validation, setting.model.config.context)


def whole_text(tokens: np.ndarray, context: int, batch_size: int = 0) -> Batches:
    """Every token but the first, predicted once.

    Windows of `context` tokens follow one another; the last one is moved back to the
    text's end, and counts only what no window before it predicted.

    Args:
      tokens: the text.
      context: T.
      batch_size: windows at once; 0 takes about 8,192 tokens of them.

    Raises:
      InputError: the text is shorter than one window.
    """
    last = len(tokens) - 1 - context  # where the last window that fits starts
    if last < 0:
        raise InputError(
            f"{len(tokens):,} validation tokens hold no window of context {context} + "
            "1: give a longer text, a larger --validation_fraction or a smaller "
            "--model.context."
        )
    planned = np.arange(0, len(tokens) - 1, context)
    starts = np.minimum(planned, last)
    skipped = (planned - starts).astype(np.int32)
    size = batch_size or max(1, 8192 // context)
    span = np.arange(context + 1)

    def stream(first: int) -> Any:
        for place in range(first * size, len(starts), size):
            chosen = slice(place, place + size)
            windows = tokens[starts[chosen, None] + span[None]].astype(np.int32)
            yield {"tokens": windows, "skipped": skipped[chosen]}

    def assemble(arrays: Any, rows: Any, key: Any) -> dict[str, Any]:
        counts = span[None, :-1] >= rows["skipped"][:, None]
        return {"tokens": rows["tokens"], "counts": counts.astype("float32")}

    return Batches(stream, assemble)


def plan(
    setting: Setting,
    optimizer: OptimizerConfig,
    config: training.Config,
    batch_size: int,
) -> Plan:
    """The training of the model, in the workdir itself."""
    text = whole_text(setting.text.validation, setting.model.config.context)
    return Plan(
        "",
        task_of(setting.model),
        training.make_optimizer(optimizer, config.steps),
        batches(setting, batch_size),
        config,
        {"validation": text},
    )


def train(
    setting: Setting,
    optimizer: OptimizerConfig,
    config: training.Config,
    batch_size: int,
) -> Trained:
    """Trains the model, goes on, or reads back a finished run; keeps the tokenizer."""
    tokenizer = setting.text.tokenizer
    if (setting.workdir / TOKENIZER).exists():
        check_tokenizer(setting)
    elif tokenizer is not None:
        files.save(tokenizer, setting.workdir / TOKENIZER)
    fit = plan(setting, optimizer, config, batch_size).fit(setting.workdir)
    params = training.averaged(fit.state.opt_state, fit.state.params)
    return Trained(params, fit.history, config.steps)


def restore(
    model: Model, optimizer: OptimizerConfig, config: training.Config, workdir: Path
) -> Trained:
    """Reads the newest checkpoint of a workdir; nothing is trained.

    Raises:
      InputError: there is none, or it holds a model of another shape.
    """
    chain = training.make_optimizer(optimizer, config.steps)
    found = restored(task_of(model), chain, config.seed, workdir)
    if found is None:
        raise _untrained(workdir)
    step, state = found
    params = training.averaged(state.opt_state, state.params)
    rows = read_rows(workdir / "metrics.jsonl", step)
    return Trained(params, rows, step)


def restored(
    task: Task, optimizer: optax.GradientTransformation, seed: int, workdir: Path
) -> tuple[int, State] | None:
    """The step and the state of a workdir's newest checkpoint; None where none is.

    Args:
      task: that was trained.
      optimizer: with a state of the same shape.
      seed: of the run.
      workdir: of the run.

    Raises:
      InputError: it holds a model of another shape.
    """

    def make(key: jax.Array) -> State:
        return initial_state(task, optimizer, key)

    device = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    like = jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=device),
        jax.eval_shape(make, jax.random.key(seed)),
    )
    checkpoints = Checkpoints(workdir, Retention())
    try:
        return checkpoints.restore(like)
    finally:
        checkpoints.close()


def require_run(workdir: Path) -> None:
    """Checks that a workdir holds a trained model.

    Raises:
      InputError: it does not.
    """
    if not Checkpoints(workdir, Retention()).exist():
        raise _untrained(workdir)


def _untrained(workdir: Path) -> InputError:
    return InputError(
        f"{workdir}: no trained model there; train one with the same flags and "
        "--stage=pretrain, or name its folder with --workdir."
    )


def saved_tokenizer(workdir: Path) -> Tokenizer:
    """The tokenizer that the run kept.

    Raises:
      InputError: it is missing or damaged.
    """
    path = workdir / TOKENIZER
    if not path.exists():
        raise InputError(
            f"{path}: missing, so that no text can be read or written; train with "
            "--tokenizer, which tokens:PATH needs for that."
        )
    return files.load(path)


def check_tokenizer(setting: Setting) -> None:
    """Checks that the text is still cut into the tokens that were learned.

    Raises:
      InputError: it is not.
    """
    asked: Any = setting.text.tokenizer
    if asked is not None and saved_tokenizer(setting.workdir) != asked:
        raise InputError(
            f"{setting.workdir / TOKENIZER}: not the tokenizer that --dataset="
            f"{setting.data.dataset} gives now; the text has changed since the "
            "training: give the old one, or train with --restart."
        )
