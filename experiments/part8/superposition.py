"""More features than dimensions: what a toy model does with the room it has.

Five features in two dimensions become lines, squares and a pentagon the rarer they are;
twenty in five crowd the same five dimensions; two features and one dimension show the
three things that can happen. At the end a sparse autoencoder, told nothing about the
features, finds the directions of all twenty.

Source: Elhage et al. 2022, "Toy Models of Superposition"; 3Blue1Brown, "How might LLMs
store facts", its last chapter.
"""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from experiments.part8 import dictionaries, superposition_claims, toy_models
from experiments.part8.dictionaries import Recovery
from experiments.part8.setting import Setting
from experiments.part8.toy_models import (
    EQUAL_PRESENCE,
    FEATURES,
    FIVE_SPARSITY,
    TWENTY_PRESENCE,
    Five,
    Grid,
    Twenty,
)
from experiments.plan import Plan
from experiments.study import STEPS_PER_CALL, check, check_steps
from nnguide.config import InputError
from nnguide.plots import dictionary_recovery, style
from nnguide.plots import superposition as pictures
from nnguide.results import Claim


@dataclasses.dataclass(frozen=True)
class Config:
    """How the toy models are trained.

    Attributes:
      steps: of training, for all but the phase diagram.
      seeds: starts of each small model; the best by loss counts.
      large_seeds: starts of each model of 20 features and of each autoencoder.
      grid_side: cells along each side of the phase diagram.
      grid_steps: of training each cell.
      sizes: directions in the dictionaries.
      penalties: of the dictionaries' codes.
    """

    steps: int = 2000
    seeds: int = 8
    large_seeds: int = 4
    grid_side: int = 40
    grid_steps: int = 600
    sizes: tuple[int, ...] = (5, 10, 15, 20, 25, 30, 40)
    penalties: tuple[float, ...] = (0.1, 0.2, 0.4)

    def __post_init__(self) -> None:
        check(
            "superposition", self, seeds=1, large_seeds=1, grid_side=2, sizes=1,
        )  # fmt: skip
        check_steps("superposition", self.steps)
        if self.grid_steps < 1 or self.grid_steps % STEPS_PER_CALL:
            raise InputError(
                f"--superposition.grid_steps={self.grid_steps}: give a multiple of "
                f"{STEPS_PER_CALL}."
            )
        given = list(self.penalties)
        if not (0 < len(given) <= 3 and given == sorted({*given}) and given[0] > 0):
            raise InputError(
                f"--superposition.penalties={','.join(map(str, given))}: give one to "
                "three, ascending, above 0."
            )
        if FEATURES not in self.sizes:
            given = ",".join(map(str, self.sizes))
            raise InputError(
                f"--superposition.sizes={given}: {FEATURES} is missing; the claims "
                "need it."
            )

    @property
    def is_full(self) -> bool:
        """Whether claims are scored: nothing is smaller than the defaults."""
        least = Config()
        large = all(
            getattr(self, name) >= getattr(least, name)
            for name in ("steps", "seeds", "large_seeds", "grid_side", "grid_steps")
        )
        return large and (self.sizes, self.penalties) == (least.sizes, least.penalties)


def plans(config: Config, setting: Setting) -> list[Plan]:
    """The toy models, and the dictionaries of one of them."""
    seed, steps = setting.seed, config.steps
    weight = jax.ShapeDtypeStruct((toy_models.DIMENSIONS, FEATURES), jnp.float32)
    return [
        toy_models.five_plan(seed, steps, config.seeds),
        toy_models.twenty_plan(seed, steps, config.large_seeds),
        toy_models.grid_plan(seed, config.grid_side, config.grid_steps, config.seeds),
        dictionaries.dictionary_plan(
            seed, weight, EQUAL_PRESENCE, config.sizes, config.penalties, steps,
            config.large_seeds,
        ),
    ]  # fmt: skip


def study(config: Config, setting: Setting) -> tuple[list[Claim], list[str]]:
    """Trains all toy models, then the dictionaries; measures and draws."""
    five = toy_models.five_in_two(setting, config.steps, config.seeds)
    twenty = toy_models.twenty_in_five(setting, config.steps, config.large_seeds)
    grid = toy_models.two_in_one(
        setting, config.grid_side, config.grid_steps, config.seeds
    )
    recovery = dictionaries.recover(
        setting,
        twenty.equal,
        EQUAL_PRESENCE,
        config.sizes,
        config.penalties,
        config.steps,
        config.large_seeds,
    )
    drawn = _draw(config, setting, five, twenty, grid, recovery)
    claims = superposition_claims.claims(
        five, twenty, grid, recovery, config.sizes.index(FEATURES), config.is_full
    )
    return claims, drawn


def _draw(
    config: Config,
    setting: Setting,
    five: Five,
    twenty: Twenty,
    grid: Grid,
    recovery: Recovery,
) -> list[str]:
    theme, workdir = setting.theme, setting.workdir
    sizes, penalties = np.array(config.sizes), np.array(config.penalties)
    sparsity, presence = np.array(FIVE_SPARSITY), np.array(TWENTY_PRESENCE)
    arrows = pictures.directions(
        theme, sparsity, five.weight, five.represented, five.dimensionality
    )
    crowd = pictures.crowding(
        theme, presence, twenty.norms, twenty.counts, twenty.dimensions_per_feature,
        twenty.chosen,
    )  # fmt: skip
    phases = pictures.phases(
        theme, grid.presence, grid.importance, grid.phase, grid.boundary, config.seeds
    )
    recovered = dictionary_recovery.recovery(
        theme, sizes, penalties, **recovery._asdict(), features=FEATURES
    )
    return [
        style.save(
            arrows, workdir, "superposition_arrows", sparsity=sparsity, **five._asdict()
        ),
        style.save(phases, workdir, "superposition_phases", **grid._asdict()),
        style.save(
            crowd, workdir, "superposition_crowding", presence=presence,
            **twenty._asdict(),
        ),
        style.save(
            recovered, workdir, "superposition_recovery", sizes=sizes,
            penalties=penalties, **recovery._asdict(),
        ),
    ]  # fmt: skip
