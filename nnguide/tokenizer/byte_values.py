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
        """The bytes of a text in UTF-8."""
        return np.frombuffer(text.encode(), np.uint8).astype(np.int32)

    def decode(self, tokens: Iterable[SupportsIndex]) -> str:
        """The text of bytes; a cut or impossible character becomes U+FFFD.

        Raises:
          InputError: an id is no byte.
        """
        values = [int(token) for token in tokens]
        try:
            return bytes(values).decode(errors="replace")
        except ValueError:
            wrong = next(value for value in values if not 0 <= value < 256)
            raise InputError(f"token {wrong}: a byte lies in 0 to 255") from None
