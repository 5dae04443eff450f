"""The unembedding: the last vector alone predicts, and whether it shares a table.

GPT-3 in the guide has two tables of 50,257 by 12,288 numbers, one for each end. Real
GPT-2 and GPT-3 have one ("tied"): a token's logit is the product of the last vector
with that token's embedding. Here the same small transformer is trained both ways.

Sources: 3Blue1Brown, "Transformers, the tech behind LLMs"; tied tables: Press and Wolf,
arXiv 1608.05859.
"""

import dataclasses
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int

from experiments.part6.setting import (
    Setting,
    every,
    logits_of,
    network,
    plan,
    steps_of,
    windows,
)
from experiments.plan import Plan
from nnguide.array_types import Array, Params
from nnguide.plots import style
from nnguide.plots.tied_tables import tied_tables
from nnguide.results import Claim
from nnguide.transformer.config import GPT2, GPT3, TransformerConfig
from nnguide.transformer.model import Transformer
from nnguide.transformer.parameter_count import every_parameter, totals


class Sizes(NamedTuple):
    """The parameters of a model, in three parts.

    Attributes:
      embedding: the table of tokens.
      unembedding: the second table; 0 where there is none.
      rest: everything else.
    """

    embedding: int
    unembedding: int
    rest: int


def sizes_of(config: TransformerConfig) -> Sizes:
    """How many parameters the tables have, and all else."""
    sums = totals(every_parameter(config))
    tables = sums["embedding"], sums.get("unembedding", 0)
    return Sizes(*tables, rest=sum(sums.values()) - sum(tables))


def last_alone(
    model: TransformerConfig, params: Params, tokens: Int[np.ndarray, "B T"]
) -> float:
    """How far the prediction moves if only the last vector is unembedded.

    Returns:
      The largest difference of a logit from the last row of all of them.
    """
    read = jnp.asarray(tokens)

    def unembed_last(module: Any, tokens: Array) -> Any:
        x, _ = module.read(tokens)
        return module.unembed(x[:, -1:])

    @jax.jit
    def predict(params: Params, read: Array) -> Any:
        variables = {"params": params}
        return Transformer(model).apply(variables, read, method=unembed_last)

    alone = predict(params, read)
    among_all = logits_of(model, params, read)[:, -1:]
    return float(jnp.abs(alone - among_all).max())


def _untied(setting: Setting) -> TransformerConfig:
    return dataclasses.replace(setting.model, tied=False)


def plans(setting: Setting) -> tuple[Plan, Plan]:
    """The networks that most studies look at, and those with two tables."""
    untied = plan(
        "untied",
        setting.text,
        _untied(setting),
        setting.training,
        setting.seed,
        judged=("validation",),
    )
    return setting.plan, untied


def study(setting: Setting) -> tuple[list[Claim], list[str]]:
    """Trains with an unembedding of its own, and compares."""
    model, own = setting.model, _untied(setting)
    untied = plans(setting)[1].fit(setting.workdir)
    fits = {"one table": setting.trained(), "two tables": untied}
    losses = {name: every(fit, "validation/loss") for name, fit in fits.items()}
    sizes = {
        "small, one table": sizes_of(model),
        "small, two tables": sizes_of(own),
        "GPT-2, one table": sizes_of(GPT2),
        "GPT-3, one table": sizes_of(GPT3),
    }
    steps = steps_of(fits["one table"])
    picture = style.save(
        tied_tables(setting.theme, steps, losses, sizes),
        setting.workdir,
        "unembedding",
        steps=steps,
        tied=losses["one table"],
        untied=losses["two tables"],
        sizes=list(sizes.values()),
        models=list(sizes),
    )
    tokens = windows(setting.text, model, model.context)[:16, :-1]
    moved = last_alone(model, network(fits["one table"]), tokens)
    final = {name: float(each[-1].mean()) for name, each in losses.items()}
    return _claims(setting, sizes, final, moved), [picture]


def _claims(
    setting: Setting, sizes: dict[str, Sizes], final: dict[str, float], moved: float
) -> list[Claim]:
    guide = "3Blue1Brown, Transformers, the tech behind LLMs"
    gpt3, own = sizes["GPT-3, one table"], sizes["small, two tables"]
    table = setting.model.vocabulary * setting.model.embedding
    return [
        Claim(
            "6.last_vector",
            "only the last vector of the context is needed to predict what comes next",
            moved,
            (0, 1e-4),
            (0, 1e-4),
            f"{guide}; float32",
            unit="largest change of a logit without the others",
        ),
        Claim(
            "6.gpt3_unembedding",
            "GPT-3's unembedding has 617,558,016 weights",
            gpt3.embedding,
            (617_558_016, 617_558_016),
            (617_558_016, 617_558_016),
            f"{guide}; 50,257 x 12,288",
            unit="weights",
        ),
        Claim(
            "6.untied_parameters",
            "an unembedding of its own costs as many weights again as the embedding",
            own.unembedding,
            (own.embedding, own.embedding),
            (table, table),
            "closed form, V x D",
            unit="weights",
        ),
        Claim(
            "6.untied_gain",
            "this small, briefly trained model does better with two tables",
            final["one table"] - final["two tables"],
            (0, None),
            (-0.02, 0.25),
            "measured; Press and Wolf, arXiv 1608.05859, find the reverse where "
            "training is long",
            unit=f"nats a token, mean of {setting.training.networks}",
            needs=setting.needs,
            scored=setting.scored,
        ),
    ]
