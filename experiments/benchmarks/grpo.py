"""One iteration of GRPO, the CPU recipe's widths: a rollout, and four steps on it.

The whole iteration, and the update alone, on 16 prompts of 33 tokens with 8 answers of
31 each, in float32 and with bfloat16 products. The peer is a PyTorch twin that writes
with Hugging Face's `generate`, in both too. The peak of memory is what the compiler
plans in float32: the most that one of our two programs (rollout with log-probabilities,
steps) holds, its arguments included.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments.benchmark import Case
from experiments.benchmarks.gpt import MODEL, THREADS
from experiments.benchmarks.rollout import NEW, PROMPT, ROWS, peer, prompts
from experiments.benchmarks.unet import quiet
from nnguide import parallel, training
from nnguide.array_types import Array
from nnguide.language import grpo
from nnguide.language.grpo import GrpoConfig
from nnguide.language.rollout import Answers, make_writer
from nnguide.training import OptimizerConfig, Rounds, Task
from nnguide.training.alternating import AS_THEY_ARE, round_of
from nnguide.training.step import initial_state, make_step
from nnguide.transformer.config import Dtype, Execution
from nnguide.transformer.model import Transformer

GROUPS = GrpoConfig(prompts=ROWS // 8, group=8)
ROUNDS = Rounds(GROUPS.prompts, 32 // GROUPS.group)  # rows are prompts, of 32 answers


def cases(peers: bool) -> list[Case]:
    """The iteration, and the update alone; with `peers` also PyTorch's."""
    ours, rounded = _ours("float32"), _ours("bfloat16")
    contenders: list[dict[str, Callable[[], float | None]]] = [
        {"nnguide": ours.whole, "nnguide_bf16": rounded.whole},
        {"nnguide": ours.update, "nnguide_bf16": rounded.update},
    ]
    torch = peer() if peers else None
    if torch:
        groups = np.asarray(prompts().tokens)[:: GROUPS.group]
        asked = np.repeat(groups, GROUPS.group, axis=0)
        for name, rounded in (("", False), ("_bf16", True)):
            turns = torch.iteration(asked, torch.Shape(), THREADS, rounded)
            for each, turn in zip(contenders, turns, strict=True):
                each[f"torch_hugging_face{name}"] = quiet(turn)
    tokens = ROWS * (PROMPT + NEW)
    whole, update = contenders
    return [
        Case(f"a GRPO iteration on {ROWS} answers", tokens, "tokens", whole, ours.peak),
        Case(f"{ROUNDS.steps} GRPO steps on {ROWS} answers", tokens, "tokens", update),
    ]


class _Ours(NamedTuple):
    """A whole iteration, its steps alone, and bytes of memory at the peak."""

    whole: Callable[[], None]
    update: Callable[[], None]
    peak: int


def _likes(answers: Answers, numbers: Array) -> Array:
    """A judge that costs nothing: how often one token comes."""
    del numbers
    return ((answers.tokens == 1) * answers.counts).sum(-1)


def _ours(dtype: Dtype) -> _Ours:
    execution = Execution(compute_dtype=dtype)
    task = Task(*grpo.functions(MODEL, GROUPS, execution))
    optimizer = training.make_optimizer(OptimizerConfig("adamw", 1e-4, clip=1.0), 1000)
    mesh = parallel.make_mesh(parallel.ParallelConfig(devices=1))
    step = make_step(task, optimizer, AS_THEY_ARE, steps_per_call=ROUNDS.steps)
    run = parallel.compile_step(step, mesh, "jit", batch_axis=1)
    shared = parallel.place(((), {}), mesh)
    state = parallel.place(initial_state(task, optimizer, jax.random.key(0)), mesh)
    reference = jax.tree.map(lambda leaf: leaf.copy(), state.params)
    writer = make_writer(MODEL, NEW, (), execution, group=GROUPS.group)
    module = Transformer(MODEL, execution)
    rollout = grpo.make_rollout(module, GROUPS, writer, prompts(), _likes, reference)

    def made() -> Any:
        return next(round_of(rollout, ROUNDS, ROUNDS.steps, 0, state))

    kept = made()

    def updated(rows: Any) -> None:
        nonlocal state
        state, metrics = run(state, rows, shared)
        jax.block_until_ready((state, metrics))

    key = jax.random.key(0)
    answering = jax.jit(lambda params, key: rollout(params, 0, key))
    learning = jax.jit(
        lambda state, rows, shared: step(state, rows, shared, None), donate_argnums=0
    )
    peak = max(
        _bytes(answering.lower(state.params, key)),
        _bytes(learning.lower(state, kept, shared)),
    )
    return _Ours(lambda: updated(made()), lambda: updated(kept), peak)


def _bytes(lowered: Any) -> int:
    """What a program holds at most: what it is given, makes, and needs on the way."""
    plan = lowered.compile().memory_analysis()
    made = plan.output_size_in_bytes - plan.alias_size_in_bytes
    return plan.argument_size_in_bytes + made + plan.temp_size_in_bytes
