"""Answering 128 prompts, the CPU recipe's widths: with a cache and without one.

The peer is `generate` of Hugging Face's GPT-2 of the same size, with its own cache.
"""

import sys
from collections.abc import Callable
from types import ModuleType

import flax.linen as nn
import jax
import numpy as np

from experiments.benchmark import Case
from experiments.benchmarks.gpt import MODEL, THREADS
from experiments.benchmarks.unet import quiet
from nnguide.language.rollout import Prompts, make_writer
from nnguide.transformer.model import initial_params

PROMPT, NEW, ROWS = 33, 31, 128


def cases(peers: bool) -> list[Case]:
    """One rollout; with `peers` also without a cache, and Hugging Face's."""
    contenders: dict[str, Callable[[], float | None]] = {"nnguide": _turn(True)}
    if peers:
        contenders["nnguide_without_cache"] = _turn(False)
        if torch := peer():
            asked = np.asarray(prompts().tokens)
            turn = torch.rollout(asked, torch.Shape(), THREADS)
            contenders["torch_hugging_face"] = quiet(turn)
    name = f"{ROWS} answers of {NEW} tokens to prompts of {PROMPT}"
    return [Case(name, ROWS * NEW, "tokens", contenders)]


def peer() -> ModuleType | None:
    """PyTorch's twin with Hugging Face's generation, or None and a word about it."""
    try:
        from experiments.benchmarks.peers import grpo_torch
    except ModuleNotFoundError as error:
        print(
            f"{error.name} is not installed, so the twin is left out: "
            "pip install -e '.[peers]'",
            file=sys.stderr,
        )
        return None
    return grpo_torch


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
