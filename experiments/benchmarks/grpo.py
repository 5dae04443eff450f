"""One iteration of GRPO, the CPU recipe's widths: a rollout, and four steps on it.

The whole iteration, and the update alone, on 128 answers of 31 tokens in rows of 64.
"""

from collections.abc import Callable

import jax

from experiments.benchmark import Case
from experiments.benchmarks.gpt import MODEL
from experiments.benchmarks.rollout import NEW, PROMPT, ROWS, prompts
from nnguide import parallel, training
from nnguide.array_types import Array
from nnguide.language import grpo
from nnguide.language.grpo import GrpoConfig
from nnguide.language.rollout import Answers, make_writer
from nnguide.training import OptimizerConfig, Rounds, Task
from nnguide.training.alternating import AS_THEY_ARE, round_of
from nnguide.training.step import initial_state, make_step
from nnguide.transformer.model import Transformer

GROUPS = GrpoConfig(prompts=ROWS // 8, group=8)
ROUNDS = Rounds(ROWS, 32)


def cases(peers: bool) -> list[Case]:
    """The iteration, and the update alone; there are no peers yet."""
    del peers
    whole, update = _turns()
    tokens = ROWS * (PROMPT + NEW)
    return [
        Case(
            f"a GRPO iteration on {ROWS} answers", tokens, "tokens", {"nnguide": whole}
        ),
        Case(
            f"{ROUNDS.steps} GRPO steps on {ROWS} answers",
            tokens,
            "tokens",
            {"nnguide": update},
        ),
    ]


def _likes(answers: Answers, numbers: Array) -> Array:
    """A judge that costs nothing: the share of one token."""
    del numbers
    return ((answers.tokens[:, 1:] == 1) * answers.counts).sum(-1)


def _turns() -> tuple[Callable[[], None], Callable[[], None]]:
    task = Task(*grpo.functions(MODEL, GROUPS))
    optimizer = training.make_optimizer(OptimizerConfig("adamw", 1e-4, clip=1.0), 1000)
    mesh = parallel.make_mesh(parallel.ParallelConfig(devices=1))
    step = make_step(task, optimizer, AS_THEY_ARE, steps_per_call=ROUNDS.steps)
    run = parallel.compile_step(step, mesh, "jit", batch_axis=1)
    shared = parallel.place(((), {}), mesh)
    state = parallel.place(initial_state(task, optimizer, jax.random.key(0)), mesh)
    reference = jax.tree.map(lambda leaf: leaf.copy(), state.params)
    writer, module = make_writer(MODEL, NEW, ()), Transformer(MODEL)
    rollout = grpo.make_rollout(module, GROUPS, writer, prompts(), _likes, reference)

    def made() -> object:
        return next(round_of(rollout, ROUNDS, ROUNDS.steps, 0, state))

    kept = made()

    def updated(rows: object) -> None:
        nonlocal state
        state, metrics = run(state, rows, shared)
        jax.block_until_ready((state, metrics))

    return lambda: updated(made()), lambda: updated(kept)
