"""Answering 128 prompts, the CPU recipe's widths: with a cache and without one."""

from collections.abc import Callable

import flax.linen as nn
import jax
import numpy as np

from experiments.benchmark import Case
from experiments.benchmarks.gpt import MODEL
from nnguide.language.rollout import Prompts, make_writer
from nnguide.transformer.model import initial_params

PROMPT, NEW, ROWS = 33, 31, 128


def cases(peers: bool) -> list[Case]:
    """One rollout; `peers` asks for the one without a cache."""
    contenders: dict[str, Callable[[], float | None]] = {"nnguide": _turn(True)}
    if peers:
        contenders["nnguide_without_cache"] = _turn(False)
    name = f"{ROWS} answers of {NEW} tokens to prompts of {PROMPT}"
    return [Case(name, ROWS * NEW, "tokens", contenders)]


def prompts() -> Prompts:
    """Prompts of random tokens, all of one length."""
    random = np.random.default_rng(0)
    tokens = random.integers(1, MODEL.vocabulary, (ROWS, PROMPT)).astype(np.int32)
    return Prompts(tokens, np.full(ROWS, PROMPT, np.int32))


def _turn(cached: bool) -> Callable[[], None]:
    write = make_writer(MODEL, NEW, (), cached=cached)  # no answer ends early
    params = jax.jit(lambda key: nn.unbox(initial_params(MODEL, key)))(
        jax.random.key(0)
    )
    asked = prompts()

    def turn() -> None:
        jax.block_until_ready(write(params, asked, jax.random.key(1)))

    return turn
