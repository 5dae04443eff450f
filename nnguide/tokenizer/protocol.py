"""What every tokenizer does. Tokenizers are frozen dataclasses, so they pickle."""

from collections.abc import Iterable
from typing import Protocol, SupportsIndex, runtime_checkable

import numpy as np
from jaxtyping import Int32


@runtime_checkable
class Tokenizer(Protocol):
    """Text to token ids, 0 ... vocabulary_size - 1, and back."""

    @property
    def vocabulary_size(self) -> int:
        """How many token ids there are, V."""
        ...

    def encode(self, text: str) -> Int32[np.ndarray, "T"]:
        """The token ids of a text.

        Raises:
          InputError: the text has something the vocabulary cannot express.
        """
        ...

    def decode(self, tokens: Iterable[SupportsIndex]) -> str:
        """The text of token ids, an inverse of `encode`.

        Raises:
          InputError: an id lies outside the vocabulary.
        """
        ...
