"""One token a word of a closed list, for made-up sentences such as part 7's."""

import dataclasses
from collections.abc import Iterable
from typing import SupportsIndex

import numpy as np
from jaxtyping import Int32

from nnguide.config import InputError


@dataclasses.dataclass(frozen=True)
class Words:
    """Words with single spaces between them, numbered as they are listed.

    Attributes:
      words: every word once, with a space between two.
    """

    words: str

    def __post_init__(self) -> None:
        words = self._list
        if not all(words) or len(set(words)) < len(words):
            raise InputError(
                f"words={self.words[:40]!r}: must hold every word once, with a single "
                "space between two"
            )

    @classmethod
    def of(cls, text: str) -> "Words":
        """The tokenizer of the words that occur in a text, in alphabetical order."""
        return cls(" ".join(sorted(set(text.split()))))

    @property
    def vocabulary_size(self) -> int:
        """Number of words in the list."""
        return len(self._list)

    @property
    def _list(self) -> list[str]:
        return self.words.split(" ")

    def encode(self, text: str) -> Int32[np.ndarray, "T"]:
        """The place of each word in the list.

        Raises:
          InputError: a word is not in the list, or two spaces follow one another.
        """
        places = {word: place for place, word in enumerate(self._list)}
        words = text.split(" ") if text else []
        for number, word in enumerate(words):
            if word not in places:
                raise InputError(
                    f"word {word!r} at place {number}: not among the {len(places)} "
                    "words of this tokenizer, which a single space parts"
                )
        return np.array([places[word] for word in words], np.int32)

    def decode(self, tokens: Iterable[SupportsIndex]) -> str:
        """The words at those places, with single spaces between.

        Raises:
          InputError: an id lies outside the list.
        """
        return " ".join(map(self.token_text, tokens))

    def token_bytes(self, token: SupportsIndex) -> bytes:
        """A token's word in UTF-8, with the space that parts it from the next.

        Raises:
          InputError: the id lies outside the list.
        """
        return f"{self.token_text(token)} ".encode()

    def token_text(self, token: SupportsIndex) -> str:
        """A token's word.

        Raises:
          InputError: the id lies outside the list.
        """
        words, place = self._list, int(token)
        if not 0 <= place < len(words):
            raise InputError(f"token {place}: this tokenizer has 0 to {len(words) - 1}")
        return words[place]
