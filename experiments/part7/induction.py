"""Induction heads: copying what came after the last time, which takes two layers.

Where a random sequence repeats with a random period, the next token is known from the
second repeat on: it is the one that followed the last time. A head of the second layer
finds it by a key that says "the token before me was ...", which heads of the first
layer have to write there. One layer cannot do it. The popular task, 32 random tokens
twice, does not show that: one layer solves it by looking 31 places back, and the usual
induction score takes that for an induction head.

Source: Olsson et al. 2022, "In-context Learning and Induction Heads".
"""

import dataclasses
from typing import NamedTuple

import jax
import numpy as np

from experiments.part7.repeats import (
    DRAW,
    TOKENS,
    Judged,
    heads_removed,
    judge,
    model,
)
from experiments.part7.setting import Setting
from experiments.plan import Plan
from experiments.study import (
    STEPS_PER_CALL,
    check,
    curve,
    drawn,
    drawn_evaluation,
    examples,
)
from experiments.study import plan as study_plan
from nnguide.array_types import Batch, Params
from nnguide.config import InputError
from nnguide.language import next_token
from nnguide.plots import induction as pictures
from nnguide.plots import style
from nnguide.results import Band, Claim
from nnguide.training import OptimizerConfig, Task

BATCH = 32
OPTIMIZER = OptimizerConfig("adamw", rate=2e-3)
Cell = tuple[str, int]  # a task and a number of layers


@dataclasses.dataclass(frozen=True)
class Config:
    """How long each model is trained, and how it is judged.

    Attributes:
      one_layer_steps: of one layer on random periods.
      two_layer_steps: of two layers on random periods.
      fixed_steps: of both on the popular task of fixed length.
      examples: rows that judge each model, a multiple of 32.
    """

    one_layer_steps: int = 1000
    two_layer_steps: int = 400
    fixed_steps: int = 200
    examples: int = 256

    def __post_init__(self) -> None:
        check("induction", self, examples=BATCH)
        if self.examples % BATCH:
            raise InputError(
                f"--induction.examples={self.examples}: give a multiple of {BATCH}."
            )
        for name in ("one_layer_steps", "two_layer_steps", "fixed_steps"):
            steps = getattr(self, name)
            if steps < 1 or steps % STEPS_PER_CALL:
                raise InputError(
                    f"--induction.{name}={steps}: give a multiple of {STEPS_PER_CALL}."
                )

    def steps(self, task: str, layers: int) -> int:
        """How long a model of so many layers is trained on a task."""
        if task == "fixed_length":
            return self.fixed_steps
        return self.one_layer_steps if layers == 1 else self.two_layer_steps


class Trained(NamedTuple):
    """A model and what was seen of it.

    Attributes:
      params: its parameters.
      accuracy: steps, and the accuracy on its own task after them.
      on: task -> what it does there.
    """

    params: Params
    accuracy: tuple[np.ndarray, np.ndarray]
    on: dict[str, Judged]


def plans(config: Config, setting: Setting) -> dict[Cell, Plan]:
    """One and two layers on both tasks."""
    cells = [(task, layers) for task in DRAW for layers in (1, 2)]
    return {cell: _plan(config, setting, *cell) for cell in cells}


def _plan(config: Config, setting: Setting, task: str, layers: int) -> Plan:
    return study_plan(
        setting.seed,
        f"induction_{task}_{layers}",
        Task(*next_token.functions(model(layers))),
        OPTIMIZER,
        drawn(DRAW[task], BATCH, setting.seed),
        config.steps(task, layers),
        {"test": drawn_evaluation(DRAW[task], BATCH, config.examples, setting.seed)},
    )


def train_and_judge(
    plan: Plan, setting: Setting, layers: int, tests: dict[str, Batch]
) -> Trained:
    """Trains a model on one task, or reads it back, and judges it on both."""
    shape, fit = model(layers), plan.fit(setting.workdir)
    measure = jax.jit(lambda params, batch: judge(shape, params, batch))
    params = fit.state.params
    on = {name: jax.device_get(measure(params, batch)) for name, batch in tests.items()}
    return Trained(params, curve(fit, "test/accuracy"), on)


def study(config: Config, setting: Setting) -> tuple[list[Claim], list[str]]:
    """Trains one and two layers on both tasks, and looks at their heads."""
    tests = {
        name: examples(draw, config.examples, setting.seed)
        for name, draw in DRAW.items()
    }
    models: dict[Cell, Trained] = {
        cell: train_and_judge(plan, setting, cell[1], tests)
        for cell, plan in plans(config, setting).items()
    }
    two = models["random_period", 2]
    losses = heads_removed(
        model(2), two.params, tests["random_period"], two.on["random_period"].before[0]
    )
    return _claims(config, models, losses), _draw(setting, models, losses)


def _draw(
    setting: Setting, models: dict[Cell, Trained], losses: np.ndarray
) -> list[str]:
    two, short = models["random_period", 2], models["fixed_length", 1]
    copying, other = two.on["random_period"], models["random_period", 1]
    elsewhere = float(short.on["random_period"].accuracy)
    curves = {
        task: {layers: models[task, layers].accuracy for layers in (1, 2)}
        for task in DRAW
    }
    heads = [
        int(np.argmax(score)) for score in (copying.before[0], copying.induction[1])
    ]
    best = int(np.argmax(short.on["fixed_length"].induction[0]))
    patterns = {
        "writes": copying.pattern[0, heads[0]],
        "copies": copying.pattern[1, heads[1]],
        "shortcut": short.on["fixed_length"].pattern[0, best],
        "shortcut_elsewhere": short.on["random_period"].pattern[0, best],
    }
    one_layer = float(other.on["random_period"].loss)
    theme, workdir = setting.theme, setting.workdir
    return [
        style.save(
            pictures.layers_and_tasks(theme, curves, elsewhere),
            workdir,
            "induction_layers",
            **{
                f"{task}_{layers}_{name}": values
                for task, each in curves.items()
                for layers, pair in each.items()
                for name, values in zip(("steps", "accuracy"), pair, strict=True)
            },
        ),
        style.save(
            pictures.patterns(
                theme, **patterns, elsewhere=elsewhere,
                score=float(short.on["fixed_length"].induction.max()),
            ),
            workdir,
            "induction_patterns",
            **patterns,
        ),
        style.save(
            pictures.heads_removed(
                theme, copying.before, copying.induction, losses, one_layer,
                float(np.log(TOKENS)),
            ),
            workdir,
            "induction_heads",
            before=copying.before,
            induction=copying.induction,
            losses=losses,
            one_layer=one_layer,
        ),
    ]  # fmt: skip


_OLSSON = "Olsson et al. 2022; "
# name, statement, where it holds, where a correct implementation lands, source, unit
_CLAIMS: tuple[tuple[str, str, Band, Band, str, str], ...] = (
    (
        "one_layer",
        "one layer cannot copy what came after the last time",
        (0, 0.2), (0.05, 0.2),
        _OLSSON + "13% after 6,000 steps of the same set-up", "accuracy",
    ),
    (
        "two_layers",
        "two layers copy what came after the last time",
        (0.99, 1), (0.99, 1),
        _OLSSON + "100% in one run of the same set-up", "accuracy",
    ),
    (
        "cliff",
        "two layers learn to copy all at once",
        (0.5, 1), (0.5, 1),
        _OLSSON + "phase change", "largest rise of accuracy in 100 steps",
    ),
    (
        "fixed_length",
        "copying 32 random tokens, the popular task, takes two layers",
        (0, 0.2), (0.98, 1),
        "the popular task; 100% in one run of the same set-up: one layer looks 31 "
        "places back", "accuracy of one layer",
    ),
    (
        "shortcut_score",
        "only an induction head has a high induction score",
        (0, 0.2), (0.9, 1),
        "0.97 in one run of the same set-up", "score of one layer, fixed length",
    ),
    (
        "shortcut_elsewhere",
        "what has a high induction score copies whatever repeats",
        (0.9, 1), (0, 0.2),
        "a place is right for one period only",
        "accuracy of the same layer on random periods",
    ),
    (
        "score",
        "the second layer has induction heads",
        (0.5, 1), (0.85, 1),
        _OLSSON + "about 1 in one run of the same set-up",
        "attention to what came after all earlier occurrences",
    ),
    (
        "score_latest",
        "induction heads look at the most recent occurrence",
        (0.5, 1), (0.5, 0.7),
        "0.58 to 0.62 in one run of the same set-up: earlier occurrences share",
        "attention to what came after the most recent one",
    ),
    (
        "token_before",
        "the first layer has heads that look at the token before",
        (0.5, 1), (0.5, 1),
        _OLSSON + "previous-token heads",
        "attention in the first period",
    ),
    (
        "without_heads",
        "without its previous-token heads, two layers are no better than one",
        (1, None), (0.8, None),
        _OLSSON + "ablation of previous-token heads",
        "loss over that of one layer",
    ),
    (
        "without_one_head",
        "one previous-token head carries the copying",
        (0.5, None), (0, 0.5),
        "Michel et al., arXiv 1905.10650: heads stand in for each other",
        "share of the way back to one layer's loss",
    ),
)  # fmt: skip


def _claims(
    config: Config, models: dict[Cell, Trained], losses: np.ndarray
) -> list[Claim]:
    one, two = models["random_period", 1], models["random_period", 2]
    short = models["fixed_length", 1]
    copying, there = two.on["random_period"], short.on["fixed_length"]
    steps, accuracy = two.accuracy
    # before the first step a model guesses
    steps, accuracy = [0, *steps], np.array([1 / TOKENS, *accuracy])
    later = np.searchsorted(steps, np.add(steps, 100), side="right") - 1
    jump = np.max(accuracy[later] - accuracy)
    one_layer = float(one.on["random_period"].loss)
    measured = {
        "one_layer": one.on["random_period"].accuracy,
        "two_layers": copying.accuracy,
        "cliff": jump,
        "fixed_length": there.accuracy,
        "shortcut_score": there.induction.max(),
        "shortcut_elsewhere": short.on["random_period"].accuracy,
        "score": copying.induction[1].max(),
        "score_latest": copying.latest[1].max(),
        "token_before": copying.before[0].max(),
        "without_heads": losses[-1] / one_layer,
        "without_one_head": (losses[1] - losses[0]) / (one_layer - losses[0]),
    }
    return [
        Claim(
            f"7.induction_{name}", statement, float(measured[name]), stated, expected,
            source, unit=unit, needs="the default steps", scored=config == Config(),
        )
        for name, statement, stated, expected, source, unit in _CLAIMS
    ]  # fmt: skip
