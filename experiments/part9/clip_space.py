"""What is asked of a trained CLIP: prompts as classifiers, retrieval, differences."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int, Int8, UInt8

from nnguide.array_types import Array, Params
from nnguide.data import scenes
from nnguide.data.scene_captions import tokenizer, tokens, tokens_of
from nnguide.data.scene_shapes import ABSENT, ATTRIBUTES, COLUMN, DESERT, OF_KIND
from nnguide.data.scenes import Scenes
from nnguide.diffusion import zero_shot
from nnguide.diffusion.clip import Clip, ClipConfig

SaidRows = Int8[np.ndarray, "prompts attributes"]
TOGETHER = 128  # pictures or captions that go through a tower at once
REPEATS = 4  # pictures of each hidden person that zero-shot answers are judged on
OF_DESERTS = 9  # and of each desert; there are 28, all of them in training
WORDS = tokenizer().words.split(" ")[:-1]  # the last one ends captions


def hidden_scenes(seed: int) -> Scenes:
    """The 256 people that training is kept from, a picture each."""
    return _pictures(scenes.combinations()[scenes.held_out()], seed)


def _pictures(rows: np.ndarray, seed: int, first: int = 0) -> Scenes:
    """Pictures with numbers that no step of a training reaches."""
    numbers = -1 - first - np.arange(len(rows))
    return Scenes(scenes.draw(rows, seed, numbers), rows, rows)


@functools.cache
def _towers(config: ClipConfig) -> tuple[Callable[..., Array], Callable[..., Array]]:
    """The towers, compiled once for all parameters."""
    module = Clip(config)

    def method(name: str) -> Callable[..., Any]:
        return jax.jit(
            lambda params, inputs: module.apply({"params": params}, inputs, method=name)
        )

    return method("see"), method("read")


class Space:
    """Trained towers as functions of pictures and of texts."""

    def __init__(self, config: ClipConfig, params: Params) -> None:
        self._params = params
        self._see, self._read = _towers(config)

    def see(self, images: UInt8[np.ndarray, "N height width 3"]) -> Float[Array, "N D"]:
        """Vectors of pictures."""
        return self._in_parts(self._see, images, scenes.signed)

    def read(self, said: SaidRows) -> Float[Array, "N D"]:
        """Vectors of captions that say this."""
        return self._in_parts(self._read, tokens(said), np.asarray)

    def read_texts(self, texts: list[str]) -> Float[Array, "N D"]:
        """Vectors of captions."""
        given = np.stack([tokens_of(text) for text in texts])
        return self._in_parts(self._read, given, np.asarray)

    def read_classes(self, classes: list[SaidRows]) -> Float[Array, "classes D"]:
        """One vector a class, from all its prompts."""
        class_of = np.repeat(np.arange(len(classes)), [len(rows) for rows in classes])
        vectors = self.read(np.concatenate(classes))
        return zero_shot.ensemble(vectors, jnp.asarray(class_of), len(classes))

    def _in_parts(
        self, run: Callable[..., Array], inputs: np.ndarray, prepare: Callable
    ) -> Float[Array, "N D"]:
        """Parts of one size, so that the tower is compiled once."""
        filled = np.resize(
            inputs, (-(-len(inputs) // TOGETHER) * TOGETHER, *inputs.shape[1:])
        )
        parts = [
            run(self._params, prepare(filled[start : start + TOGETHER]))
            for start in range(0, len(filled), TOGETHER)
        ]
        return jnp.concatenate(parts)[: len(inputs)]


class Prompts(NamedTuple):
    """How the classes of an attribute are named.

    Attributes:
      single: what one prompt says, a row a class: "a person with a hat".
      ensemble: what many prompts say, rows for each class: that one, its key word
        alone, and all that say one thing more.
    """

    single: SaidRows
    ensemble: list[SaidRows]


def prompts(name: str) -> Prompts:
    """Prompts for the values of an attribute; of shadows, where a thing stands."""
    kind = next((k for k, names in enumerate(OF_KIND) if name in names), None)
    single, ensemble = [], []
    for value in range(len(ATTRIBUTES[name])):
        said = np.full(len(ATTRIBUTES), ABSENT, np.int8)
        said[COLUMN["kind"]] = value if kind is None else kind
        said[COLUMN[name]] = value
        things = [_with(said, "thing", thing) for thing in (1, 2, 3)]
        rows = things if name == "shadow" else [said]
        others = OF_KIND[said[COLUMN["kind"]]]
        more = [
            _with(row, other, each)
            for row in rows
            for other in others
            if row[COLUMN[other]] == ABSENT and other != "shadow"
            for each in range(len(ATTRIBUTES[other]))
        ]
        key_words = [] if kind is None else [_with(r, "kind", ABSENT) for r in rows]
        single.append(rows[0])
        ensemble.append(np.stack([*rows, *key_words, *more]))
    return Prompts(np.stack(single), ensemble)


def _with(said: np.ndarray, name: str, value: int) -> np.ndarray:
    changed = said.copy()
    changed[COLUMN[name]] = value
    return changed


class ZeroShot(NamedTuple):
    """Shares of right answers, and what guessing gives."""

    single: float
    ensemble: float
    chance: float


def zero_shots(space: Space, seed: int) -> dict[str, ZeroShot]:
    """How well prompts read new pictures: of hidden people, and of all deserts."""
    every = scenes.combinations()
    deserts = np.flatnonzero(every[:, COLUMN["kind"]] == DESERT)
    people = np.flatnonzero(scenes.held_out())
    rows = every[[*np.repeat(people, REPEATS), *np.repeat(deserts, OF_DESERTS)]]
    given = _pictures(rows, seed, first=scenes.HELD_OUT)
    seen = space.see(given.images)
    named = [prompts(name) for name in ATTRIBUTES]
    ends = np.cumsum([len(each.single) for each in named])[:-1].tolist()
    by_one = space.read(np.concatenate([each.single for each in named]))
    by_many = space.read_classes([rows for each in named for rows in each.ensemble])
    both = (jnp.split(classes, ends) for classes in (by_one, by_many))
    found = {}
    for name, single, ensemble in zip(ATTRIBUTES, *both, strict=True):
        right = given.shown[:, COLUMN[name]]
        asked = right != ABSENT
        if name == "shadow":
            asked &= given.shown[:, COLUMN["thing"]] > 0
        one, many = (
            float((np.asarray(zero_shot.classify(seen, each)) == right)[asked].mean())
            for each in (single, ensemble)
        )
        found[name] = ZeroShot(one, many, 1 / len(ATTRIBUTES[name]))
    return found


class Retrieval(NamedTuple):
    """Places of the right caption of each picture, and of each caption's picture."""

    caption: Int[np.ndarray, "N"]
    picture: Int[np.ndarray, "N"]


def retrieve(space: Space, seed: int) -> Retrieval:
    """Among the 256 hidden people."""
    given = hidden_scenes(seed)
    seen, read = space.see(given.images), space.read(given.said)
    own = jnp.arange(len(seen))
    return Retrieval(
        np.asarray(zero_shot.places(seen, read, own)),
        np.asarray(zero_shot.places(read, seen, own)),
    )


class Differences(NamedTuple):
    """(A person with something) - (the same person without it), and what it points to.

    Attributes:
      places: of the thing's word among all words, for each pair; 0 is the first.
      control: the same for (one person) - (another), both with nothing.
      cosines: of the difference with each word, the mean over the pairs.
      control_cosines: the same for the control.
      images: the first pair's pictures.
      vectors: of the pictures without it and with it.
      word: the vector of its word.
    """

    places: Int[np.ndarray, "N"]
    control: Int[np.ndarray, "N"]
    cosines: Float[np.ndarray, "words"]
    control_cosines: Float[np.ndarray, "words"]
    images: Float[np.ndarray, "2 height width 3"]
    vectors: Float[np.ndarray, "2 N D"]
    word: Float[np.ndarray, "D"]


def differences(space: Space, accessory: str, pairs: int, seed: int) -> Differences:
    """Pairs of pictures that differ in an accessory alone, of hidden scenes."""
    column = COLUMN["accessory"]
    rows = scenes.combinations()[scenes.held_out()]
    rows = rows[rows[:, column] == ATTRIBUTES["accessory"].index(accessory)]
    with_it = rows[np.arange(pairs) % len(rows)]
    without = with_it.copy()
    without[:, column] = ATTRIBUTES["accessory"].index("none")
    numbers = -1 - (2 + REPEATS) * scenes.HELD_OUT - np.arange(pairs)
    images = [scenes.draw(shown, seed, numbers) for shown in (without, with_it)]
    before, after = (space.see(each) for each in images)
    words, target = space.read_texts(WORDS), WORDS.index(accessory)
    steps, others = after - before, before - jnp.roll(before, 1, axis=0)
    right = jnp.full(pairs, target)
    return Differences(
        np.asarray(zero_shot.places(steps, words, right)),
        np.asarray(zero_shot.places(others, words, right)),
        _mean_cosines(steps, words),
        _mean_cosines(others, words),
        np.stack([each[0] / np.float32(255) for each in images]),
        np.stack([before, after]),
        np.asarray(words[target]),
    )


def _mean_cosines(steps: Array, words: Array) -> Float[np.ndarray, "words"]:
    lengths = jnp.linalg.norm(steps, axis=1, keepdims=True)
    return np.asarray((steps / jnp.maximum(lengths, 1e-6) @ words.T).mean(axis=0))
