"""Writing text with a key-value cache and without one, the CPU recipe's widths.

The short case is the recipe's own context; the long one writes 1,023 tokens after a
prompt of one, so that a context of 1,024 is filled.
"""

import dataclasses
from collections.abc import Callable

import flax.linen as nn
import jax

from experiments.benchmark import Case
from experiments.benchmarks.gpt import MODEL
from nnguide.language.generation import make_generator, pad_prompts
from nnguide.language.sampling import SamplingConfig
from nnguide.transformer.config import Execution, TransformerConfig
from nnguide.transformer.model import initial_params

LONG = 1024


def cases(peers: bool) -> list[Case]:
    """Both contexts, with the cache and without; `peers` asks for the one without."""
    long = dataclasses.replace(MODEL, context=LONG)
    return [
        _case("1,000 tokens, context 64", MODEL, 1000, peers),
        _case("1,023 tokens, context 1,024", long, LONG - 1, peers),
    ]


def _case(name: str, config: TransformerConfig, count: int, peers: bool) -> Case:
    contenders = {"nnguide": _turn(config, count, True)}
    if peers:
        contenders["nnguide_without_cache"] = _turn(config, count, False)
    return Case(name, count, "tokens", contenders)


def _turn(
    config: TransformerConfig, count: int, cached: bool
) -> Callable[[], float | None]:
    generator = make_generator(
        config,
        Execution(),
        sampling=SamplingConfig(temperature=1.0),
        new_tokens=count,
        cached=cached,
    )
    params = jax.jit(lambda key: nn.unbox(initial_params(config, key)))(
        jax.random.key(0)
    )
    prompts, lengths = pad_prompts([[0]], config.context, config.vocabulary)

    def turn() -> None:
        written = generator(params, prompts, lengths, jax.random.key(1))
        jax.block_until_ready(written)

    return turn
