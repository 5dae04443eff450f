"""Part 8, "How might LLMs store facts": neurons that ask, and directions that answer.

The AND neuron of "Michael Jordan plays basketball" by hand; how many facts one MLP
block holds; where a small GPT keeps its facts, and how to change one; more features
than dimensions; and how many nearly perpendicular directions there really are.
"""

import dataclasses
import time
from collections.abc import Callable
from typing import Literal

from experiments import launcher
from experiments.part8 import capacity, gate, orthogonal, superposition, tracing
from experiments.part8.capacity import Config as CapacityConfig
from experiments.part8.gate import Config as GateConfig
from experiments.part8.orthogonal import Config as OrthogonalConfig
from experiments.part8.setting import Setting
from experiments.part8.superposition import Config as SuperpositionConfig
from experiments.part8.tracing import Config as TracingConfig
from nnguide.config import run_only, seed_field
from nnguide.plots import style
from nnguide.results import Claim, Results

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


def studies(
    config: Config,
) -> dict[str, Callable[[Setting], tuple[list[Claim], list[str]]]]:
    """The studies by the name that --study gives them, in the guide's order."""
    return {
        "gate": lambda setting: gate.study(config.gate, setting),
        "capacity": lambda setting: capacity.study(config.capacity, setting),
        "tracing": lambda setting: tracing.study(config.tracing, setting),
        "superposition": lambda setting: superposition.study(
            config.superposition, setting
        ),
        "orthogonal": lambda setting: orthogonal.study(config.orthogonal, setting),
    }


def run(config: Config) -> Results:
    """Builds, trains, measures, draws."""
    started = time.monotonic()
    style.require_matplotlib()
    workdir = launcher.open_workdir(NAME, config)
    setting = Setting(config.seed, workdir, config.figures.theme)
    claims, figures = [], []
    for name, study in studies(config).items():
        if config.study in ("all", name):
            measured, drawn = study(setting)
            claims += measured
            figures += drawn
    return launcher.finish(NAME, config, workdir, claims, figures, started)


if __name__ == "__main__":
    launcher.main(run, Config())
