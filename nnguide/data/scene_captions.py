"""What is written under a scene, and the words that takes.

"a person with tan skin in a red shirt with a hat before a pink wall"; "a tree and its
shadow in a desert at noon". A caption names what is there, never what is not. One that
does not say whether there is a person or a desert is a list of key words: "red hat".
"""

import functools

import numpy as np
from jaxtyping import Int8, Int32

from nnguide.config import InputError
from nnguide.data.scene_shapes import ABSENT, ATTRIBUTES, COLUMN
from nnguide.tokenizer.words import Words

END = "<end>"  # also what fills a row up behind it
LENGTH = 17  # tokens of the longest caption and its end
_OF_A_PERSON = {
    "skin": "with {} skin",
    "shirt": "in a {} shirt",
    "accessory": "with {}",
    "wall": "before a {} wall",
}
_WITH_ARTICLE = {
    "hat": "a hat",
    "glasses": "glasses",
    "scarf": "a scarf",
    "beard": "a beard",
    "umbrella": "an umbrella",
    "bag": "a bag",
    "tree": "a tree",
    "cactus": "a cactus",
    "rock": "a rock",
}


def caption(said: Int8[np.ndarray, "attributes"]) -> str:
    """The sentence that says these values and leaves out what is ABSENT."""
    says = {
        name: ATTRIBUTES[name][said[column]]
        for name, column in COLUMN.items()
        if said[column] != ABSENT and ATTRIBUTES[name][said[column]] != "none"
    }
    if "kind" not in says:
        return " ".join(says.values())
    if says["kind"] == "person":
        parts = ["a person"]
        for name, words in _OF_A_PERSON.items():
            if name in says:
                value = _WITH_ARTICLE.get(says[name], says[name])
                parts.append(words.format(value))
        return " ".join(parts)
    parts = ["a desert"]
    if "thing" in says:
        shadow = " and its shadow" if "shadow" in says else ""
        parts = [f"{_WITH_ARTICLE[says['thing']]}{shadow} in a desert"]
    if "time" in says:
        parts.append(f"at {says['time']}")
    return " ".join(parts)


@functools.cache
def tokenizer() -> Words:
    """One token a word; the last one ends a caption."""
    values = [
        value
        for name, values in ATTRIBUTES.items()
        for value in values
        if value != "none" or name == "none"
    ]
    grammar = "a an and at before desert in its person shadow shirt skin wall with"
    words = sorted({*values, *grammar.split()})
    return Words(" ".join([*words, END]))


def tokens_of(text: str) -> Int32[np.ndarray, "T"]:
    """A caption's tokens, its end and what fills the row up.

    Raises:
      InputError: a word is unknown, or the caption is too long.
    """
    words = text.split()
    known = tokenizer().words.split(" ")[:-1]
    unknown = [word for word in words if word not in known]
    if unknown:
        raise InputError(
            f"prompt {text!r}: does not know {', '.join(map(repr, unknown))}; the "
            f"words are {' '.join(known)}."
        )
    if len(words) >= LENGTH:
        raise InputError(
            f"prompt {text!r}: {len(words)} words; give at most {LENGTH - 1}."
        )
    padded = " ".join(words + [END] * (LENGTH - len(words)))
    return tokenizer().encode(padded)


@functools.lru_cache(maxsize=20_000)
def _tokens_of_row(row: bytes) -> Int32[np.ndarray, "T"]:
    return tokens_of(caption(np.frombuffer(row, np.int8)))


def tokens(said: Int8[np.ndarray, "N attributes"]) -> Int32[np.ndarray, "N T"]:
    """The tokens of each scene's caption."""
    return np.stack([_tokens_of_row(row.tobytes()) for row in said])
