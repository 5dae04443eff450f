"""The AND neuron by hand: exact where directions are perpendicular, else it leaks.

Directions of names are drawn anew many times at each width, and each time every neuron
is asked about its full name and all names with half of it: with the video's bias of -1,
with -1.5, halfway between half and full matches, without the ReLU, and with GELU.

Source: 3Blue1Brown, "How might LLMs store facts".
"""

import dataclasses
import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from experiments import study as shared
from experiments.part8.setting import Setting
from nnguide.array_types import Array, Key
from nnguide.config import InputError
from nnguide.facts import logic_gates
from nnguide.plots import logic_gates as pictures
from nnguide.plots import style
from nnguide.results import Caveat, Claim
from nnguide.transformer.mlp_block import ACTIVATIONS

BIASES = (-1.0, -1.5)  # the video's, and halfway between half and full match
NARROW, DRAWN, GPT3 = 32, 128, 12_288  # widths that claims and a picture are about
QUANTILES = (0.05, 0.5, 0.95)
LONG = 4.0  # how much longer rows and biases bring GELU near ReLU


@dataclasses.dataclass(frozen=True)
class Config:
    """Which directions the neurons are made of.

    Attributes:
      widths: numbers of dimensions, ascending, from 32 to GPT-3's 12,288.
      names: first and last names, and so full names with a neuron.
      draws: of all directions, at each width.
    """

    widths: tuple[int, ...] = (32, 128, 512, 2048, 12_288)
    names: int = 200
    draws: int = 20

    def __post_init__(self) -> None:
        shared.check("gate", self, widths=NARROW, names=3, draws=1)
        missing = {NARROW, DRAWN, GPT3} - set(self.widths)
        if missing:
            given = ",".join(map(str, self.widths))
            raise InputError(
                f"--gate.widths={given}: {min(missing)} is missing, which claims are "
                "about; add it."
            )


class Leaks(NamedTuple):
    """What neurons of random directions answer, for each bias and width.

    The last axis holds all neurons of all draws.

    Attributes:
      full: to their own full name.
      firing: share of the half matches that fire at all.
      worst: to the half match that fires most; 0 where none does.
    """

    full: Float[np.ndarray, "biases widths neurons"]
    firing: Float[np.ndarray, "biases widths neurons"]
    worst: Float[np.ndarray, "biases widths neurons"]


def measure(config: Config, seed: int) -> Leaks:
    """Draws the names' directions again and again, and asks every neuron."""

    def one(key: Key, width: int) -> Leaks:
        directions = logic_gates.random_directions(key, 2 * config.names, width)
        sums = logic_gates.weighted_sums(*jnp.split(directions, 2))
        full, half = (
            jnp.stack([ACTIVATIONS["relu"](each + bias) for bias in BIASES])
            for each in sums
        )
        return Leaks(full, (half > 0).mean(axis=-1), half.max(axis=-1))  # type: ignore[arg-type]

    every = []
    for width in config.widths:
        key = jax.random.fold_in(jax.random.key(seed), width)
        keys = jax.random.split(key, config.draws)
        ask = jax.jit(
            lambda keys, width=width: jax.lax.map(lambda k: one(k, width), keys)
        )
        # draws, biases, neurons -> biases, neurons of all draws
        every.append([np.concatenate(np.asarray(each), axis=-1) for each in ask(keys)])
    return Leaks(*(np.stack(each, axis=1) for each in zip(*every, strict=True)))


def fired_by(names: int) -> int:
    """How many of all full names one neuron fires for, directions perpendicular."""
    firsts, lasts = jnp.split(jnp.eye(2 * names, dtype=jnp.float32), 2)
    every = (firsts[:, None] + lasts[None]).reshape(-1, 2 * names)
    neuron = logic_gates.and_neuron(firsts[0], lasts[0], lasts[0])
    written = logic_gates.written(neuron, every, ACTIVATIONS["relu"])
    return int((written != 0).any(axis=1).sum())


def answers() -> dict[str, Float[np.ndarray, "4"]]:
    """How much basketball each kind of name gets, where the full name gets one.

    Directions are perpendicular; the kinds are those of `logic_gates.KINDS`.
    """
    basis = jnp.eye(7, dtype=jnp.float32)
    firsts, lasts, basketball = basis[:3], basis[3:6], basis[6]
    names = logic_gates.four_kinds(firsts, lasts)[:, 0]

    def none(z: Array) -> Array:
        return z

    kinds: dict[str, tuple[float, float, Callable[[Array], Array]]] = {
        "ReLU": (1.0, -1.0, ACTIVATIONS["relu"]),
        "nothing": (1.0, 0.0, none),
        "GELU": (1.0, -1.0, ACTIVATIONS["gelu_exact"]),
        "GELU, long rows": (LONG, -LONG, ACTIVATIONS["gelu_exact"]),
    }
    given = {}
    for kind, (length, bias, activation) in kinds.items():
        neuron = logic_gates.and_neuron(
            length * firsts[0], length * lasts[0], basketball, bias
        )
        basketballs = logic_gates.written(neuron, names, activation) @ basketball
        given[kind] = np.asarray(basketballs / basketballs[0])
    return given


def study(config: Config, setting: Setting) -> tuple[list[Claim], list[str]]:
    """Asks the neurons, draws their answers."""
    leaks, given, theme = measure(config, setting.seed), answers(), setting.theme
    key = jax.random.key(setting.seed)
    directions = logic_gates.random_directions(key, 2 * config.names, DRAWN)
    firsts, lasts = jnp.split(directions, 2)
    kinds = logic_gates.four_kinds(firsts, lasts)
    plane = np.stack(
        [jnp.einsum("knd,nd->kn", kinds, each) for each in (firsts, lasts)], axis=-1
    )
    firing, worst = (
        np.quantile(each, QUANTILES, axis=-1) for each in (leaks.firing, leaks.worst)
    )
    widths = np.array(config.widths)
    drawn = [
        style.save(
            pictures.half_planes(theme, logic_gates.KINDS, plane, BIASES, DRAWN),
            setting.workdir, "and_gate", plane=plane,
        ),
        style.save(
            pictures.leak_by_width(
                theme, widths, BIASES, leaks.firing.mean(axis=-1), firing, worst,
                leaks.firing.shape[-1],
            ),
            setting.workdir, "and_gate_leak", widths=widths, firing=firing, worst=worst,
        ),
        style.save(
            pictures.activations(theme, logic_gates.KINDS, given),
            setting.workdir, "and_gate_activations",
            **{kind.replace(", ", "_").replace(" ", "_"): each
               for kind, each in given.items()},
        ),
    ]  # fmt: skip
    return _claims(config, leaks, given), drawn


def _claims(config: Config, leaks: Leaks, given: dict[str, np.ndarray]) -> list[Claim]:
    video = "3Blue1Brown, How might LLMs store facts"
    narrow, gpt3 = config.widths.index(NARROW), config.widths.index(GPT3)
    wide = [place for place, width in enumerate(config.widths) if width >= DRAWN]
    firing, halfway = leaks.firing
    clash = logic_gates.share_of_half_matches(BIASES[1], DRAWN)
    lost = 0.5 * math.erfc(0.25 * math.sqrt(NARROW / 2))  # a product below -1/4
    scored = config.draws >= 10 and config.names >= 100
    needs = "10 draws of 100 names or more"
    return [
        Claim(
            "8.and_perpendicular", "with bias -1 the neuron fires for the full name "
            "alone: directions perpendicular", fired_by(config.names), (1, 1), (1, 1),
            video, unit=f"of {config.names**2:,} names",
        ),
        Claim(
            "8.and_full", f"it answers with one basketball: {GPT3:,} nearly "
            "perpendicular directions", float(np.median(leaks.full[0, gpt3])),
            (0.9, 1.1), (0.99, 1.01), video, unit="median of the neurons",
            needs=needs, scored=scored,
        ),
        Claim(
            "8.and_half_matches", "and for no half of the name",
            float(firing[gpt3].mean()), (0, 0.01), (0.45, 0.55),
            f"{video}; closed form 1/2 at every width: a half match's sum is 1 in the "
            "mean", unit=f"of half matches fire, {GPT3:,} dimensions",
            caveat=Caveat((0.01, 1), "Unless directions are exactly perpendicular, "
            "every other half match fires, if only by about 1 / sqrt(D)."),
            needs=needs, scored=scored,
        ),
        Claim(
            "8.and_half_spread", "every neuron leaks alike",
            float(firing[gpt3].std()), (0, 0.05), (0.2, 0.26),
            "closed form sqrt(asin(1/3) / (2 pi)) = 0.233: first and last "
            "name clash by chance", unit="standard deviation of that share",
            needs=needs, scored=scored,
        ),
        Claim(
            "8.and_worst_leak", "in GPT-3's width the leak is small",
            float(np.median(leaks.worst[0, gpt3])), (0, 0.1), (0.03, 0.05),
            f"{video}; .03 in one draw", unit="basketballs, the median neuron's worst "
            "half match", needs=needs, scored=scored and config.names == 200,
        ),
        Claim(
            "8.and_halfway", "with bias -1.5, halfway, no half match fires",
            float(halfway.mean(axis=-1)[wide].max()), (0, 0.001),
            (0.65 * clash, 1.4 * clash),
            f"the largest margin; closed form {clash:.1e} at {DRAWN} dimensions",
            unit=f"of half matches fire, the most from {DRAWN} dimensions on",
            needs=needs, scored=scored,
        ),
        Claim(
            "8.and_halfway_narrow", "and every full name does",
            float((leaks.full[1, narrow] == 0).mean()), (0, 0.001),
            (0.8 * lost, 1.2 * lost), f"closed form {lost:.1%}: where first and last "
            "name point apart by a product below -1/4", unit=f"of full names lost, "
            f"{NARROW} dimensions", needs=needs, scored=scored,
        ),
        Claim(
            "8.and_linear", "without the ReLU Michael Phelps gets half a basketball",
            float(given["nothing"][1]), (0.45, 0.55), (0.5, 0.5),
            f"{video}; any linear map gives Michael Phelps and Alexis Jordan together "
            "what it gives Michael Jordan and Alexis Phelps", unit="basketballs",
        ),
        Claim(
            "8.and_gelu", "GELU answers as the ReLU does, but for small negative leaks",
            float(abs(given["GELU"][1:]).max()), (0, 0.25), (0.1885, 0.1887),
            "closed form gelu(-1) / gelu(1), for who has neither half",
            unit="basketballs, the farthest from the ReLU's",
        ),
        Claim(
            "8.and_gelu_long", f"rows {LONG:g} times as long bring GELU to the ReLU",
            float(abs(given["GELU, long rows"][1:]).max()), (0, 0.001), (2e-5, 5e-5),
            "closed form gelu(-4) / gelu(4)", unit="basketballs, likewise",
        ),
    ]  # fmt: skip
