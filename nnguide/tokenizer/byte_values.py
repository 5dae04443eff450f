"""One token a byte of UTF-8: nothing to learn, and every text can be expressed."""

import dataclasses
from collections.abc import Iterable
from typing import SupportsIndex

import numpy as np
from jaxtyping import Int32

from nnguide.config import InputError


@dataclasses.dataclass(frozen=True)
class Bytes:
    """The 256 byte values are the token ids."""

    @property
    def vocabulary_size(self) -> int:
        """256."""
        return 256

    def encode(self, text: str) -> Int32[np.ndarray, "T"]:
        """The bytes of a text in UTF-8.

        Raises:
          InputError: it holds half a surrogate pair.
        """
        return self.encode_bytes(to_utf8(text))

    def encode_bytes(self, data: bytes) -> Int32[np.ndarray, "T"]:
        """Any bytes, as numbers."""
        return np.frombuffer(data, np.uint8).astype(np.int32)

    def decode(self, tokens: Iterable[SupportsIndex]) -> str:
        """The text of bytes; a cut or impossible character becomes U+FFFD.

        Raises:
          InputError: an id is no byte.
        """
        return self.decode_bytes(tokens).decode(errors="replace")

    def decode_bytes(self, tokens: Iterable[SupportsIndex]) -> bytes:
        """The bytes themselves: the exact inverse of `encode_bytes`.

        Raises:
          InputError: an id is no byte.
        """
        values = [int(token) for token in tokens]
        try:
            return bytes(values)
        except ValueError:
            wrong = next(value for value in values if not 0 <= value < 256)
            raise InputError(f"token {wrong}: a byte lies in 0 to 255") from None

    def token_bytes(self, token: SupportsIndex) -> bytes:
        """The byte that a token stands for.

        Raises:
          InputError: the id is no byte.
        """
        return self.decode_bytes([token])

    def token_text(self, token: SupportsIndex) -> str:
        r"""One token for people; what is no whole character is written as \xff.

        Raises:
          InputError: the id is no byte.
        """
        return self.token_bytes(token).decode(errors="backslashreplace")


def to_utf8(text: str) -> bytes:
    """The bytes of a text, also of one that Python read from bytes that are no UTF-8.

    Python keeps such bytes of file names and command lines as U+DC80 to U+DCFF; they
    come out as they were.

    Raises:
      InputError: the text holds another half of a surrogate pair, which has no bytes.
    """
    try:
        return text.encode(errors="surrogateescape")
    except UnicodeEncodeError as error:
        raise InputError(
            f"character {text[error.start]!r} at position {error.start}: half of a "
            "surrogate pair is no character; leave it out"
        ) from None
