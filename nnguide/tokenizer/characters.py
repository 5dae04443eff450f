"""One token a character of a given alphabet, as in the guide's smallest models."""

import dataclasses
from collections.abc import Iterable
from typing import SupportsIndex

import numpy as np
from jaxtyping import Int32, UInt32

from nnguide.config import InputError


@dataclasses.dataclass(frozen=True)
class Characters:
    """The alphabet's characters, numbered in order of their code points.

    Attributes:
      alphabet: every character once, sorted.
    """

    alphabet: str

    def __post_init__(self) -> None:
        if not self.alphabet or self.alphabet != "".join(sorted(set(self.alphabet))):
            raise InputError(
                f"alphabet {self.alphabet[:40]!r}: must hold every character once, "
                "sorted, and at least one"
            )

    @classmethod
    def of(cls, text: str) -> "Characters":
        """The tokenizer of the characters that occur in a text."""
        return cls("".join(sorted(set(text))))

    @property
    def vocabulary_size(self) -> int:
        """Number of characters in the alphabet."""
        return len(self.alphabet)

    def encode(self, text: str) -> Int32[np.ndarray, "T"]:
        """The place of each character in the alphabet.

        Raises:
          InputError: a character is not in the alphabet.
        """
        points, alphabet = _code_points(text), _code_points(self.alphabet)
        places = np.searchsorted(alphabet, points)
        known = alphabet[np.minimum(places, len(alphabet) - 1)] == points
        if not known.all():
            place = int(np.argmin(known))
            raise InputError(
                f"character {text[place]!r} at position {place}: not among the "
                f"{len(self.alphabet)} characters of this tokenizer; leave it out, or "
                "use the tokenizer bytes"
            )
        return places.astype(np.int32)

    def decode(self, tokens: Iterable[SupportsIndex]) -> str:
        """The characters at those places.

        Raises:
          InputError: an id lies outside the alphabet.
        """
        places = np.array([int(token) for token in tokens], np.int64)
        wrong = places[(places < 0) | (places >= len(self.alphabet))]
        if len(wrong):
            raise InputError(
                f"token {wrong[0]}: this tokenizer has 0 to {len(self.alphabet) - 1}"
            )
        return "".join(self.alphabet[place] for place in places)

    def token_bytes(self, token: SupportsIndex) -> bytes:
        """The bytes of a token's character in UTF-8.

        Raises:
          InputError: the id lies outside the alphabet.
        """
        return self.decode([token]).encode(errors="surrogatepass")

    def token_text(self, token: SupportsIndex) -> str:
        """A token's character.

        Raises:
          InputError: the id lies outside the alphabet.
        """
        return self.decode([token])


def _code_points(text: str) -> UInt32[np.ndarray, "T"]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
