"""What a pattern costs: every token looks at every other, so T tokens cost T^2.

One head's attention is counted in FLOPs, timed, and its memory read off the compiled
program, from T = 256 to 4,096; the exponent is that of a line through the long end.
Beside it stands a whole block, whose other products grow with T alone: the pattern is
the smaller part until T = 6 D.

Source: 3Blue1Brown, "Attention in transformers, step-by-step" (the size of the pattern
is the square of the context, a bottleneck); Kaplan et al., arXiv 2001.08361, 2.1.
"""

import dataclasses
import time
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from experiments import study as shared
from experiments.part7.setting import Setting
from nnguide import flops
from nnguide.config import InputError
from nnguide.plots import attention_cost as pictures
from nnguide.plots import style
from nnguide.results import Caveat, Claim
from nnguide.transformer import attention_kernels
from nnguide.transformer.config import GPT2, GPT3, TransformerConfig

HEAD_WIDTH = 64
LONG = 1024  # the line goes through the contexts from here on
_ATTEND = partial(attention_kernels.attend, "written_out")


@dataclasses.dataclass(frozen=True)
class Config:
    """How the cost is measured.

    Attributes:
      contexts: numbers of tokens, ascending; at least two from 1,024 on.
      repeats: timings of each, of which the fastest counts.
    """

    contexts: tuple[int, ...] = (256, 512, 1024, 2048, 4096)
    repeats: int = 7

    def __post_init__(self) -> None:
        shared.check("cost", self, contexts=2, repeats=1)
        if len(self.contexts) == 1:
            given = ",".join(map(str, self.contexts))
            raise InputError(
                f"--cost.contexts={given}: no line goes through one point; give two "
                "or more."
            )


class Cost(NamedTuple):
    """What one head costs at each context.

    Attributes:
      flops: of the forward pass.
      seconds: of it, the fastest of several.
      bytes: that the compiled program keeps beside inputs and outputs.
    """

    flops: Float[np.ndarray, "contexts"]
    seconds: Float[np.ndarray, "contexts"]
    bytes: Float[np.ndarray, "contexts"]


def measure(config: Config, seed: int) -> Cost:
    """Counts, times and compiles one head at every context."""
    rows = []
    for tokens in config.contexts:
        query, key, value = jax.random.normal(
            jax.random.key(seed), (3, 1, tokens, 1, HEAD_WIDTH), jnp.float32
        )
        compiled = jax.jit(_ATTEND).lower(query, key, value).compile()
        memory: Any = compiled.memory_analysis()
        rows.append(
            (
                float(flops.count(_ATTEND, query, key, value)),
                _fastest(compiled, (query, key, value), config.repeats),
                float(memory.temp_size_in_bytes),
            )
        )
    return Cost(*np.array(rows).T)


def _fastest(compiled: Any, given: tuple[Any, ...], repeats: int) -> float:
    """Seconds of one call; other programs can only make it slower."""
    jax.block_until_ready(compiled(*given))
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(compiled(*given))
        taken.append(time.perf_counter() - start)
    return min(taken)


def exponent(
    contexts: Float[np.ndarray, "contexts"], cost: Float[np.ndarray, "contexts"]
) -> float:
    """The slope of log(cost) over log(T) by least squares, from `LONG` on.

    Where fewer than two contexts are that long, all of them count.
    """
    long = contexts >= LONG
    if long.sum() < 2:
        long = np.ones_like(long)
    return float(np.polyfit(np.log(contexts[long]), np.log(cost[long]), 1)[0])


class Share(NamedTuple):
    """One model's pattern at its context, by closed forms.

    Attributes:
      name: of the model.
      context: its longest, T.
      share: of a block's FLOPs, both products with the pattern.
      gigabytes: of all patterns of all layers and heads for one sequence, 2 bytes each.
    """

    name: str
    context: int
    share: float
    gigabytes: float


def share_of(name: str, model: TransformerConfig, context: int) -> Share:
    """4 T^2 D of the pattern beside 24 T D^2 of the four maps and the MLP, a block."""
    pattern = 4 * context**2 * model.embedding
    rest = 2 * context * (4 * model.embedding**2 + 2 * model.embedding * model.hidden)
    entries = model.layers * model.heads * context**2
    return Share(name, context, pattern / (pattern + rest), 2 * entries / 1e9)


def table() -> list[Share]:
    """The guide's models, and GPT-3 at longer contexts than it had."""
    return [
        share_of("GPT-2", GPT2, GPT2.context),
        share_of("GPT-3", GPT3, GPT3.context),
        share_of("GPT-3, context 32,768", GPT3, 32_768),
        share_of("GPT-3, context 131,072", GPT3, 131_072),
    ]


def study(config: Config, setting: Setting) -> tuple[list[Claim], list[str]]:
    """Measures one head at all contexts, draws it and the models' shares."""
    contexts = np.array(config.contexts, float)
    cost, rows = measure(config, setting.seed), table()
    slopes = {name: exponent(contexts, each) for name, each in cost._asdict().items()}
    figure = pictures.quadratic(
        setting.theme, contexts, cost.seconds, cost.bytes, cost.flops, slopes,
        [row.name for row in rows], np.array([row.share for row in rows]),
        np.array([row.gigabytes for row in rows]),
    )  # fmt: skip
    picture = style.save(
        figure, setting.workdir, "attention_cost", contexts=contexts,
        **cost._asdict(), models=np.array([row.name for row in rows]),
        share=np.array([row.share for row in rows]),
        gigabytes=np.array([row.gigabytes for row in rows]),
    )  # fmt: skip
    return _claims(config, slopes, rows), [picture]


def _claims(config: Config, slopes: dict[str, float], rows: list[Share]) -> list[Claim]:
    source = "3Blue1Brown, Attention in transformers, step-by-step"
    scored = config == Config() and jax.default_backend() == "cpu"
    needs = "a CPU, the default contexts and repeats"
    (gpt3,) = (row for row in rows if row.name == "GPT-3")
    long = rows[-1]
    return [
        Claim(
            "7.cost_flops", "the pattern's products grow as the square of the context",
            slopes["flops"], (1.99, 2.01), (1.999, 2.001),
            f"{source}; 4 T^2 K a head", unit="exponent of T",
        ),
        Claim(
            "7.cost_memory", "so does the memory of the written-out pattern",
            slopes["bytes"], (1.8, 2.2), (1.9, 2.1), f"{source}; 4 bytes an entry",
            unit="exponent of T", needs=needs, scored=scored,
        ),
        Claim(
            "7.cost_time", "and the time", slopes["seconds"], (1.7, 2.4), (1.7, 2.4),
            f"{source}; 2 expected", unit="exponent of T, fastest of several runs",
            needs=f"{needs}, and nothing else running", scored=scored,
        ),
        Claim(
            "7.cost_share_gpt3", "at GPT-3's context the pattern is the bottleneck",
            gpt3.share, (0.5, 1), (0.0269, 0.0271),
            f"{source}; closed form T / (T + 6 D)", unit="of a block's FLOPs",
            caveat=Caveat((0, 0.5), "of the work only where T > 6 D = 73,728 tokens"),
        ),
        Claim(
            "7.cost_share_long", "at a context of 131,072 it is", long.share,
            (0.5, 1), (0.6399, 0.6401), f"{source}; closed form T / (T + 6 D)",
            unit="of a block's FLOPs",
        ),
    ]  # fmt: skip
