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

    def token_bytes(self, token: SupportsIndex) -> bytes:
        """What one token adds to the text, in UTF-8; it may be part of a character.

        Raises:
          InputError: the id lies outside the vocabulary.
        """
        ...

    def token_text(self, token: SupportsIndex) -> str:
        r"""One token for people; what is no whole character is written as \xff.

        Raises:
          InputError: the id lies outside the vocabulary.
        """
        ...


@runtime_checkable
class ByteTokenizer(Tokenizer, Protocol):
    """A tokenizer that can express any bytes, be they a text or not."""

    def encode_bytes(self, data: bytes) -> Int32[np.ndarray, "T"]:
        """The token ids of any bytes; the same as `encode` for those of a text."""
        ...

    def decode_bytes(self, tokens: Iterable[SupportsIndex]) -> bytes:
        """The bytes of token ids: the exact inverse of `encode_bytes`.

        Raises:
          InputError: an id lies outside the vocabulary.
        """
        ...
