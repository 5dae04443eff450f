"""Captioned scenes, 32x32 and drawn on the fly: people, and deserts.

People have a skin, a shirt, a wall behind them and one accessory or none; deserts have
a time of day and may have a tree, a cactus or a rock with or without its shadow.
Everything random of a scene is a function of the seed and the scene's number.
"""

import dataclasses
import functools
import itertools
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Int8, UInt8, UInt64

from nnguide.config import InputError
from nnguide.data import scene_captions
from nnguide.data.batches import Batches, permutation
from nnguide.data.scene_shapes import (
    ABSENT,
    ATTRIBUTES,
    COLUMN,
    DESERT,
    OF_KIND,
    PERSON,
    REGIONS,
    SIZE,
    palettes,
    shapes,
)

HELD_OUT = 256  # people that training may be kept from
JITTER = 0.04  # by which the colours of a scene differ from their names'
_FIXED_BY_SHAPE = ("kind", "accessory", "time", "thing", "shadow")


@dataclasses.dataclass(frozen=True)
class SceneConfig:
    """Which scenes there are, and how much their captions say.

    Attributes:
      deserts: share of scenes that are deserts; the others are people.
      incomplete: share of the captions that leave half of what there is to say out,
        each thing by lot.
    """

    deserts: float = 0.5
    incomplete: float = 0.0

    def __post_init__(self) -> None:
        for name in ("deserts", "incomplete"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(
                    f"scenes.{name}={getattr(self, name)}: give a share from 0 to 1."
                )


class Scenes(NamedTuple):
    """Pictures, what they show, and what their captions say.

    Attributes:
      images: in 0 ... 255.
      shown: the value of each attribute in each picture; ABSENT for those of the other
        kind.
      said: the same as far as the caption says it, else ABSENT. A caption that was not
        shortened says "none" by naming nothing.
    """

    images: UInt8[np.ndarray, "N height width 3"]
    shown: Int8[np.ndarray, "N attributes"]
    said: Int8[np.ndarray, "N attributes"]


@functools.cache
def combinations() -> Int8[np.ndarray, "combinations attributes"]:
    """What scenes can show, each once: 630 people, then 28 deserts."""
    rows = []
    for kind, names in enumerate(OF_KIND):
        for values in itertools.product(*(range(len(ATTRIBUTES[n])) for n in names)):
            row = np.full(len(ATTRIBUTES), ABSENT, np.int8)
            row[COLUMN["kind"]] = kind
            row[[COLUMN[name] for name in names]] = values
            casts_nothing = kind == DESERT and not row[COLUMN["thing"]]
            if not (casts_nothing and row[COLUMN["shadow"]]):
                rows.append(row)
    return np.array(rows)


def held_out() -> Bool[np.ndarray, "combinations"]:
    """256 of the people, always the same, for tests on unseen ones.

    Deserts are too few to learn from the rest what a cactus at night is.
    """
    chosen = np.zeros(len(combinations()), bool)
    people = np.flatnonzero(combinations()[:, COLUMN["kind"]] == PERSON)
    chosen[people[permutation(len(people), seed=0, number=0)[:HELD_OUT]]] = True
    return chosen


def draw(
    shown: Int8[np.ndarray, "N attributes"],
    seed: int,
    examples: Int[np.ndarray, "N"],
) -> UInt8[np.ndarray, "N height width 3"]:
    """Draws scenes; where they stand and their shades go by seed and number."""
    words = _random(seed, examples, 1 + 3 * len(REGIONS))
    first, count = _shapes_of(shown)
    chosen = first + (words[:, 0] >> 33).astype(np.int64) % count
    shades = _fraction(words[:, 1:]).reshape(-1, len(REGIONS), 3)
    colours = np.clip(palettes(shown) + JITTER * (2 * shades - 1), 0, 1)
    colours = np.rint(255 * colours).astype(np.uint8)
    regions = shapes().regions[chosen].reshape(len(shown), -1)
    images = colours[np.arange(len(shown))[:, None], regions]
    return images.reshape(-1, SIZE, SIZE, 3)


def sample(
    config: SceneConfig,
    seed: int,
    examples: Int[np.ndarray, "N"],
    among: Bool[np.ndarray, "combinations"] | None = None,
) -> Scenes:
    """The scenes with these numbers.

    Args:
      config: of the scenes and captions.
      seed: with a scene's number it makes the scene.
      examples: the numbers.
      among: which combinations may occur; None lets all.
    """
    rows = combinations()
    allowed = np.ones(len(rows), bool) if among is None else among
    words = _random(seed ^ 0xC0FFEE, examples, 3 + len(ATTRIBUTES))
    is_desert = _fraction(words[:, 0]) < config.deserts
    number = (words[:, 1] >> 33).astype(np.int64)
    shown = np.empty((len(examples), len(ATTRIBUTES)), np.int8)
    for kind in (PERSON, DESERT):
        of_kind = rows[allowed & (rows[:, COLUMN["kind"]] == kind)]
        own = is_desert == (kind == DESERT)
        shown[own] = of_kind[number[own] % len(of_kind)]
    lots = _fraction(words[:, 2:])
    unsaid = (lots[:, :1] < config.incomplete) & (lots[:, 1:] < 0.5)
    # no shadow is named without its thing
    unsaid[:, COLUMN["shadow"]] |= unsaid[:, COLUMN["thing"]]
    said = np.where(unsaid, np.int8(ABSENT), shown)
    return Scenes(draw(shown, seed, examples), shown, said)


def batches(
    config: SceneConfig,
    size: int,
    seed: int,
    among: Bool[np.ndarray, "combinations"] | None = None,
) -> Batches:
    """Endless batches; batch i holds the scenes number i B to (i + 1) B - 1.

    A batch has `image` in [-1, 1] and `tokens` of the caption.
    """

    def at(step: int) -> dict[str, np.ndarray]:
        examples = np.arange(step * size, (step + 1) * size)
        return rows_of(sample(config, seed, examples, among))

    return Batches(lambda first=0: map(at, itertools.count(first)), assemble)


def evaluation(scenes: Scenes, size: int) -> Batches:
    """A fixed set in batches of `size`; the last may be smaller."""
    rows = rows_of(scenes)

    def stream(first: int = 0) -> Iterator[dict[str, np.ndarray]]:
        for start in range(first * size, len(scenes.shown), size):
            yield {name: each[start : start + size] for name, each in rows.items()}

    return Batches(stream, assemble)


def rows_of(scenes: Scenes) -> dict[str, np.ndarray]:
    """Scenes as rows of a host batch."""
    return {"image": scenes.images, "tokens": scene_captions.tokens(scenes.said)}


def assemble(arrays: Any, rows: Any, key: Any) -> dict[str, Any]:
    """Rows as the batch that networks read."""
    del arrays, key
    return {**rows, "image": signed(rows["image"])}


def signed(images: Any) -> Any:
    """Pixels from 0 ... 255 to [-1, 1], which networks read and samplers make."""
    return images.astype(np.float32) / 127.5 - 1


def unsigned(images: Float[np.ndarray, "*N 3"]) -> Float[np.ndarray, "*N 3"]:
    """Pixels from [-1, 1] to [0, 1], which eyes and decoders read."""
    return np.clip(images / 2 + 0.5, 0, 1)


def _shapes_of(
    shown: Int8[np.ndarray, "N attributes"],
) -> tuple[Int[np.ndarray, "N"], Int[np.ndarray, "N"]]:
    """The first map that shows each scene, and how many there are."""
    first, count = _groups()
    keys = _keys(shown)
    return first[keys], count[keys]


@functools.cache
def _groups() -> tuple[Int[np.ndarray, "keys"], Int[np.ndarray, "keys"]]:
    keys = np.where(shapes().drawn, _keys(shapes().shown), -1)
    number = int(keys.max()) + 1
    count = np.bincount(keys[keys >= 0], minlength=number)
    first = np.array([np.argmax(keys == key) for key in range(number)])
    return first, count


def _keys(shown: Int8[np.ndarray, "N attributes"]) -> Int[np.ndarray, "N"]:
    """One number for all that a map of regions fixes."""
    keys = np.zeros(len(shown), np.int64)
    for name in _FIXED_BY_SHAPE:
        keys = keys * (len(ATTRIBUTES[name]) + 1) + shown[:, COLUMN[name]] + 1
    return keys


def _random(
    seed: int, examples: Int[np.ndarray, "N"], count: int
) -> UInt64[np.ndarray, "N count"]:
    """Independent words for every example (SplitMix64, Steele et al. 2014)."""
    golden = np.uint64(0x9E3779B97F4A7C15)
    with np.errstate(over="ignore"):
        start = _mix(np.array([seed % 2**64], np.uint64) + golden)
        own = _mix(start + examples.astype(np.int64).astype(np.uint64) * golden)
        steps = np.arange(1, count + 1, dtype=np.uint64) * golden
        return _mix(own[:, None] + steps[None])


def _mix(z: np.ndarray) -> np.ndarray:
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _fraction(words: np.ndarray) -> np.ndarray:
    """Words as numbers in [0, 1)."""
    return (words >> np.uint64(11)) * 2.0**-53
