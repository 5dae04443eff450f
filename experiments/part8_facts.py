"""Part 8, "How might LLMs store facts": neurons that ask, and directions that answer.

The AND neuron of "Michael Jordan plays basketball" by hand; how many facts one MLP
block holds; where a small GPT keeps its facts, and how to change one; more features
than dimensions; and how many nearly perpendicular directions there really are.
"""

import dataclasses
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from experiments import launcher
from experiments.part8 import capacity, gate, orthogonal, superposition, tracing
from experiments.part8.capacity import Config as CapacityConfig
from experiments.part8.gate import Config as GateConfig
from experiments.part8.orthogonal import Config as OrthogonalConfig
from experiments.part8.setting import Setting
from experiments.part8.superposition import Config as SuperpositionConfig
from experiments.part8.tracing import Config as TracingConfig
from experiments.plan import Plan
from experiments.studies import StudyRun, plans_of, run_studies
from nnguide.config import run_only, seed_field
from nnguide.plots import style
from nnguide.results import Results

NAME = "part8_facts"
Study = Literal["all", "gate", "capacity", "tracing", "superposition", "orthogonal"]


@dataclasses.dataclass(frozen=True)
class Config(launcher.Common):
    """Part 8's choices.

    Attributes:
      study: which question to ask.
      seed: of everything that is random.
      gate: the AND neuron.
      capacity: facts in one MLP block.
      tracing: where a small GPT keeps its facts.
      superposition: more features than dimensions.
      orthogonal: nearly perpendicular vectors.
    """

    study: Study = run_only("all")
    seed: int = seed_field("seed")
    gate: GateConfig = GateConfig()
    capacity: CapacityConfig = CapacityConfig()
    tracing: TracingConfig = TracingConfig()
    superposition: SuperpositionConfig = SuperpositionConfig()
    orthogonal: OrthogonalConfig = OrthogonalConfig()


def studies(config: Config) -> dict[str, StudyRun[Setting]]:
    """The studies by the name that --study gives them, in the guide's order."""
    return {
        "gate": StudyRun(lambda setting: gate.study(config.gate, setting)),
        "capacity": StudyRun(
            lambda setting: capacity.study(config.capacity, setting),
            lambda setting: capacity.plans(config.capacity, setting),
        ),
        "tracing": StudyRun(
            lambda setting: tracing.study(config.tracing, setting),
            lambda setting: tracing.plans(config.tracing, setting),
        ),
        "superposition": StudyRun(
            lambda setting: superposition.study(config.superposition, setting),
            lambda setting: superposition.plans(config.superposition, setting),
        ),
        "orthogonal": StudyRun(
            lambda setting: orthogonal.study(config.orthogonal, setting)
        ),
    }


def plans(config: Config) -> dict[str, Iterable[Plan]]:
    """What the studies asked for train."""
    setting = Setting(config.seed, Path(), "light")
    return plans_of(config.study, studies(config), setting)


def run(config: Config) -> Results:
    """Builds, trains, measures, draws."""
    started = time.monotonic()
    style.require_matplotlib()
    workdir = launcher.open_workdir(NAME, config)
    setting = Setting(config.seed, workdir, config.figures.theme)
    return run_studies(
        NAME, config, config.study, studies(config), setting, workdir, started
    )


if __name__ == "__main__":
    launcher.main(run, Config(), plans)
