"""One pass over T tokens makes T predictions, and trains on all of them.

Because no token sees a later one, the vector at each place predicts what follows that
place as if the rest were not there. So one pass is worth T passes over the beginnings
of the text: the same losses, the same gradient.

Source: 3Blue1Brown, "Attention in transformers, step-by-step": predicting after every
subsequence of tokens at once makes training much more efficient.
"""

import dataclasses
import time
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Float, Int

from experiments.part6.setting import (
    Setting,
    every,
    network,
    steps_of,
    train,
    windows,
)
from experiments.study import check
from nnguide import flops
from nnguide.array_types import Batch, Params
from nnguide.language import next_token
from nnguide.plots import style
from nnguide.plots.one_pass import one_pass
from nnguide.results import Claim
from nnguide.transformer.config import Execution, TransformerConfig

EXECUTION = Execution(attention="written_out", blocks="xla")


@dataclasses.dataclass(frozen=True)
class Config:
    """How the price is measured.

    Attributes:
      repeats: of each timing; the shortest counts.
    """

    repeats: int = 10

    def __post_init__(self) -> None:
        check("one_pass", self, repeats=1)


class Price(NamedTuple):
    """What T predictions and their gradient cost, as multiples of one pass.

    Attributes:
      growing: FLOPs of T passes over the first 1, 2, ..., T tokens.
      padded: FLOPs of T passes, each over T tokens of which one prediction counts.
      seconds: of those, as one batch.
    """

    growing: float
    padded: float
    seconds: float


def together(tokens: Int[np.ndarray, "T1"]) -> Batch:
    """One row, every prediction counts."""
    return _batch(tokens[None], np.ones((1, len(tokens) - 1)))


def apart(tokens: Int[np.ndarray, "T1"], vocabulary: int, seed: int) -> Batch:
    """A row for each prediction, in which it alone counts and what follows is noise."""
    count = len(tokens) - 1
    noise = np.random.default_rng(seed).integers(0, vocabulary, (count, count + 1))
    known = np.tri(count, count + 1, k=1, dtype=bool)  # its target is needed too
    return _batch(np.where(known, tokens[None], noise), np.eye(count))


def _batch(tokens: np.ndarray, counts: np.ndarray) -> Batch:
    return {
        "tokens": jnp.asarray(tokens, jnp.int32),
        "counts": jnp.asarray(counts, jnp.float32),
        "weight": jnp.ones(len(tokens), jnp.float32),
        "example": jnp.arange(len(tokens)),
    }


@partial(jax.jit, static_argnums=0)
def loss_and_slope(
    model: TransformerConfig, params: Params, batch: Batch
) -> tuple[Float[jax.Array, ""], Params]:
    """The summed surprise of what counts in a batch, and its gradient."""
    functions = next_token.functions(model, EXECUTION)

    def total(params: Params) -> Any:
        return functions.loss(params, batch, jax.random.key(0))[0][0]

    return jax.value_and_grad(total)(params)


def difference(
    model: TransformerConfig, params: Params, batches: tuple[Batch, Batch]
) -> tuple[float, float]:
    """How far two batches' losses and gradients lie apart, relative to the first's."""
    (loss, slope), (other_loss, other_slope) = (
        loss_and_slope(model, params, batch) for batch in batches
    )
    apart: Any = jax.tree.map(jnp.subtract, slope, other_slope)
    return (
        float(abs(loss - other_loss) / loss),
        float(optax.tree.norm(apart) / optax.tree.norm(slope)),
    )


def price(
    config: Config,
    model: TransformerConfig,
    params: Params,
    batches: tuple[Batch, Batch],
) -> Price:
    """What the second batch costs, where the first costs 1."""
    one, many = batches
    context = one["tokens"].shape[1] - 1

    def cost(length: int) -> int:
        batch = together(np.zeros(length + 1, np.int32))
        return flops.count(lambda p: loss_and_slope(model, p, batch), params)

    # dense layers cost a t, attention b t^2: two lengths tell both
    half, whole = cost(context // 2), cost(context)
    lengths = np.arange(1, context + 1, dtype=np.float64)
    square = (whole / context - half / (context // 2)) / (context - context // 2)
    line = whole / context - square * context
    padded = flops.count(lambda p: loss_and_slope(model, p, many), params)
    return Price(
        growing=float((line * lengths + square * lengths**2).sum() / whole),
        padded=padded / whole,
        seconds=_seconds(config, model, params, many)
        / _seconds(config, model, params, one),
    )


def _seconds(
    config: Config, model: TransformerConfig, params: Params, batch: Batch
) -> float:
    """Time of one gradient after compilation: the least, as others may be at work."""
    jax.block_until_ready(loss_and_slope(model, params, batch))
    times = []
    for _ in range(config.repeats):
        started = time.perf_counter()
        jax.block_until_ready(loss_and_slope(model, params, batch))
        times.append(time.perf_counter() - started)
    return min(times)


def study(config: Config, setting: Setting) -> tuple[list[Claim], list[str]]:
    """Compares one pass with T, trains on last predictions alone, and draws both."""
    model, fit = setting.model, setting.trained()
    params = network(fit)
    tokens = windows(setting.text, model, model.context)[0]
    batches = together(tokens), apart(tokens, model.vocabulary, setting.seed)
    errors = difference(model, params, batches)
    paid = price(config, model, params, batches)
    last_only = train(
        setting.text,
        model,
        setting.training,
        setting.seed,
        setting.workdir / "last_only",
        judged=("last",),
        last_only=True,
    )
    from_all, from_last = (every(each, "last/loss") for each in (fit, last_only))
    losses = {
        f"all {model.context} predictions\ncount": from_all,
        "only the last\none counts": from_last,
    }
    steps = steps_of(fit)
    picture = style.save(
        one_pass(setting.theme, steps, losses, model.context, paid._asdict()),
        setting.workdir,
        "one_pass",
        steps=steps,
        every_prediction=from_all,
        last_only=from_last,
        **paid._asdict(),
    )
    lost = float(from_last[-1].mean() - from_all[-1].mean())
    return _claims(setting, errors, paid, lost), [picture]


def _claims(
    setting: Setting, errors: tuple[float, float], paid: Price, lost: float
) -> list[Claim]:
    guide = "3Blue1Brown, Attention in transformers"
    context = setting.model.context
    return [
        Claim(
            "6.same_predictions",
            f"one pass over {context} tokens predicts what {context} passes would",
            errors[0],
            (0, 1e-4),
            (0, 1e-5),
            f"{guide}; the mask, float32",
            unit="relative difference of the summed loss",
        ),
        Claim(
            "6.same_gradient",
            "and teaches the same",
            errors[1],
            (0, 1e-3),
            (0, 1e-4),
            f"{guide}; the mask, float32",
            unit="relative difference of the gradient",
        ),
        Claim(
            "6.price_of_beginnings",
            f"{context} passes over ever longer beginnings cost many times as much",
            paid.growing,
            (2, None),
            (context / 3, (context + 1) / 2),
            f"{guide}; (T + 1) / 2 for what is linear in T, about T / 3 for attention",
            unit="times the FLOPs",
        ),
        Claim(
            "6.price_of_padded",
            f"{context} passes of full length cost {context} times as much",
            paid.padded,
            (context, context),
            (context, context),
            "closed form",
            unit="times the FLOPs",
        ),
        Claim(
            "6.price_in_seconds",
            "which is felt",
            paid.seconds,
            (2, None),
            (context / 16, 4 * context),
            "what a batch saves, what a busy machine adds",
            unit="times the seconds, as one batch",
            needs="a context of 16 or more",
            scored=context >= 16,
        ),
        Claim(
            "6.learning_from_all",
            "in as many steps, a network that learns from all predictions gets further",
            lost,
            (0, None),
            (0.8, 2.4),
            f"{guide}; expected: measured on this text",
            unit="nats a token less, at the last place of a window",
            needs=setting.needs,
            scored=setting.scored,
        ),
    ]
