"""Where a small GPT keeps its facts, and what changing them takes.

A GPT learns what 1,000 synthetic people play, for whom, and where they live. Half of
the sentences also tell something right after the name ("Michael Jordan, Chicago, plays
..."); a second GPT reads none of these. Causal tracing looks for the vectors that hold
an answer, and rank-one edits change answers in each layer: does the place that tracing
finds edit best?

Source: 3Blue1Brown, "How might LLMs store facts"; Meng et al., arXiv 2202.05262 (ROME).
"""

import dataclasses
from typing import Any

import jax
import numpy as np
from jaxtyping import Float

from experiments import study as shared
from experiments.part8 import editing
from experiments.part8.setting import Setting
from experiments.part8.tracing_claims import (
    ATTENTION,
    LAST_NAME,
    LAST_TOKEN,
    MLP,
    STATE,
    Found,
    claims,
)
from experiments.plan import Plan
from nnguide.array_types import Batch, Key, Params
from nnguide.config import InputError
from nnguide.facts.people import (
    LENGTH,
    MOST_PEOPLE,
    RELATIONS,
    ROLES,
    VOCABULARY,
    WORDINGS,
    People,
    ask,
    draw_people,
    draw_question,
    every_question,
    example,
)
from nnguide.facts.tracing import effects, trace_facts
from nnguide.language import next_token
from nnguide.plots import fact_tracing as pictures
from nnguide.plots import style
from nnguide.results import Claim
from nnguide.training import OptimizerConfig, Task
from nnguide.transformer.config import TransformerConfig

BATCH = 256
ASIDES = {"facts": 0.5, "facts_without_asides": 0.0}  # model -> share of sentences
MUON = OptimizerConfig(
    "muon", rate=0.02, schedule="warmup_stable_decay", decay_share=0.5
)
MODEL = TransformerConfig(
    vocabulary=len(VOCABULARY),
    context=LENGTH,
    layers=3,
    embedding=64,
    heads=4,
    positions="none",
    dropout=0.0,
    initial_std=0.1,
)
SUBJECT = (ROLES.index("first name"), LAST_NAME)


@dataclasses.dataclass(frozen=True)
class Config:
    """What is learned, traced and edited.

    Attributes:
      people: who are known, with three facts each.
      steps: of training, on 256 sentences each.
      prompts: sentences that are traced.
      samples: of noise on each of them.
      edits: facts that are changed, each in every layer.
    """

    people: int = 1000
    steps: int = 600
    prompts: int = 200
    samples: int = 4
    edits: int = 50

    def __post_init__(self) -> None:
        shared.check("tracing", self, people=400, prompts=10, samples=1, edits=1)
        shared.check_steps("tracing", self.steps)
        if self.people > MOST_PEOPLE:
            raise InputError(
                f"--tracing.people={self.people}: give {MOST_PEOPLE} or fewer."
            )
        if self.edits > self.people:
            raise InputError(
                f"--tracing.edits={self.edits}: give --tracing.people={self.people} "
                "or fewer."
            )


def plan(config: Config, setting: Setting, people: People, name: str) -> Plan:
    """The training of one of the two GPTs on sentences about the people."""

    def draw(key: Key) -> Batch:
        return example(people, ASIDES[name], key)

    return shared.plan(
        setting.seed, name, Task(*next_token.functions(MODEL)), MUON,
        shared.drawn(draw, BATCH, setting.seed), config.steps,
        {"test": shared.drawn_evaluation(draw, BATCH, 4 * BATCH, setting.seed)},
    )  # fmt: skip


def plans(config: Config, setting: Setting) -> list[Plan]:
    """Both trainings."""
    people = draw_people(config.people, setting.seed)
    return [plan(config, setting, people, name) for name in ASIDES]


def trace_all(
    config: Config, setting: Setting, people: People, models: dict[str, Params]
) -> dict[str, Found]:
    """Asks both models for every fact, and traces some."""
    asking, drawing, noise = jax.random.split(jax.random.key(setting.seed), 3)

    @jax.jit
    def found(params: Params) -> tuple[Any, ...]:
        asked = ask(people, every_question(config.people, asking))
        keys = jax.random.split(drawing, config.prompts)
        questions = jax.vmap(lambda key: draw_question(config.people, key))(keys)
        traced = trace_facts(
            MODEL, params, ask(people, questions), SUBJECT, noise,
            samples=config.samples,
        )  # fmt: skip
        return (editing.right(MODEL, params, asked).mean(), *effects(traced))

    measured = {name: found(params) for name, params in models.items()}
    return {
        name: Found(float(recall), float(total), np.asarray(shares))
        for name, (recall, total, shares) in measured.items()
    }


def edit_all(
    config: Config, setting: Setting, people: People, params: Params
) -> Float[np.ndarray, "methods L tests"]:
    """Edits the first model; C is of sentences about everybody."""
    questions = every_question(config.people, jax.random.key(setting.seed))
    some = jax.tree.map(lambda leaf: leaf[:: len(RELATIONS) * WORDINGS + 1], questions)
    text = jax.jit(lambda questions: ask(people, questions).tokens)(some)
    edits = editing.draw_edits(people, config.edits, setting.seed)
    return editing.score_edits(MODEL, params, edits, text)


def study(config: Config, setting: Setting) -> tuple[list[Claim], list[str]]:
    """Trains, traces, edits."""
    people = draw_people(config.people, setting.seed)
    models = {
        each.name: each.fit(setting.workdir).state.params
        for each in plans(config, setting)
    }
    found = trace_all(config, setting, people, models)
    scores = edit_all(config, setting, people, models["facts"])
    with_asides, without = found.values()
    measured = claims(with_asides, without, scores, config == Config())
    return measured, _draw(setting, found, scores)


def _draw(setting: Setting, found: dict[str, Found], scores: np.ndarray) -> list[str]:
    asides, none = found.values()
    attention = asides.shares[ATTENTION, 1:, LAST_TOKEN].max()
    findings = {
        "facts": "First the MLP at the last name works "
        f"({asides.shares[MLP, 0, LAST_NAME]:.0%} of the answer), then attention "
        f"brings the answer to the last token ({attention:.0%})",
        "facts_without_asides": "Where no text tells anything right after a name, the "
        f"vector there holds {none.shares[STATE, 0, LAST_NAME]:.0%} of the answer, "
        f"not {asides.shares[STATE, 0, LAST_NAME]:.0%}",
    }
    maps = [
        style.save(
            pictures.fact_tracing(
                setting.theme, each.shares, each.total, ROLES, findings[name]
            ),
            setting.workdir, f"{name}_tracing", shares=each.shares, total=each.total,
        )
        for name, each in found.items()
    ]  # fmt: skip
    methods = dict(zip(editing.METHODS, scores, strict=True))
    places = {name: asides.shares[MLP, :, ROLES.index(name)] for name in editing.PLACES}
    together = {name: editing.together(methods[name]) for name in places}
    return [
        *maps,
        style.save(
            pictures.edit_scores(setting.theme, methods, editing.TESTS),
            setting.workdir, "edit_scores",
            **{name.replace(" ", "_"): each for name, each in methods.items()},
        ),
        style.save(
            pictures.edits_and_effects(setting.theme, places, together),
            setting.workdir, "edits_and_effects",
            effects=np.array(list(places.values())),
            scores=np.array(list(together.values())),
        ),
    ]  # fmt: skip
