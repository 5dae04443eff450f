"""A training step of nanoGPT's CPU recipe: 804,096 parameters, 12 windows of 64.

Ours is the loop's own step, 50 of them a call, in float32 and with bfloat16 products.
"""

import sys
from collections.abc import Callable

import jax
import numpy as np

from experiments.benchmark import Case
from nnguide import parallel, training
from nnguide.data.text import text_batches
from nnguide.language import next_token
from nnguide.training.step import initial_state, make_step
from nnguide.transformer.config import Dtype, Execution, TransformerConfig

MODEL = TransformerConfig(
    vocabulary=65,
    context=64,
    layers=4,
    embedding=128,
    heads=4,
    activation="gelu_exact",
    biases=False,
    dropout=0.0,
)
OPTIMIZER = training.OptimizerConfig(
    "adamw",
    rate=1e-3,
    schedule="cosine",
    warmup_steps=100,
    final_share=0.1,
    beta2=0.99,
    weight_decay=0.1,
    clip=1.0,
)
BATCH, STEPS, RUN = 12, 50, 2000
THREADS = 2


def cases(peers: bool) -> list[Case]:
    """Fifty steps in JAX, and if asked for in PyTorch's four modes."""
    # What the tokens are does not matter to the time, only that they lie in memory.
    text = np.random.default_rng(0).integers(0, MODEL.vocabulary, 10**6, np.uint16)
    contenders: dict[str, Callable[[], float | None]] = {
        "nnguide": _ours(text, "float32"),
        "nnguide_bf16": _ours(text, "bfloat16"),
    }
    if peers:
        contenders |= _torch(text)
    name = f"{STEPS} steps of a GPT with 804,096 parameters, {BATCH} x 64 tokens"
    return [Case(name, STEPS * BATCH * MODEL.context, "tokens", contenders)]


def _ours(text: np.ndarray, dtype: Dtype) -> Callable[[], None]:
    execution = Execution(compute_dtype=dtype)
    task = training.Task(*next_token.functions(MODEL, execution))
    optimizer = training.make_optimizer(OPTIMIZER, RUN)
    batches = text_batches(text, BATCH, MODEL.context, seed=0)
    mesh = parallel.make_mesh(parallel.ParallelConfig(devices=1))
    step = make_step(task, optimizer, batches, steps_per_call=STEPS)
    run = parallel.compile_step(step, mesh, "jit", batch_axis=1)
    shared = parallel.place((batches.arrays, {}), mesh)
    carried = parallel.place(initial_state(task, optimizer, jax.random.key(0)), mesh)
    rows = batches.stream(0)

    def turn() -> None:
        nonlocal carried
        stacked = np.stack([next(rows) for _ in range(STEPS)])
        carried, metrics = run(carried, stacked, shared)
        jax.block_until_ready((carried, metrics))

    return turn


def _torch(text: np.ndarray) -> dict[str, Callable[[], float | None]]:
    try:
        from experiments.benchmarks.peers import gpt_torch
    except ModuleNotFoundError:
        print(
            "PyTorch is not installed, so its twin is left out: "
            "pip install -e '.[peers]'",
            file=sys.stderr,
        )
        return {}
    shape = gpt_torch.Shape()
    found: dict[str, Callable[[], float | None]] = {}
    for mode in gpt_torch.MODES:
        turn = gpt_torch.training(text, shape, mode, THREADS, STEPS)
        try:
            turn()
        except RuntimeError as error:  # no compiler on this machine
            reason = str(error).strip().splitlines()[0]
            print(f"torch_{mode} is left out: {reason}", file=sys.stderr)
            continue
        found[f"torch_{mode}"] = _quiet(turn)
    return found


def _quiet(turn: Callable[[], float]) -> Callable[[], None]:
    """A turn that returns nothing: a number would be taken for its seconds."""

    def run() -> None:
        turn()

    return run
