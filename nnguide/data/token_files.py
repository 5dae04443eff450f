"""Token ids in a `.bin` file, memory-mapped: little-endian uint16, one after another.

nanoGPT's files hold nothing else; llm.c's begin with 256 int32: a magic number, the
version 1, the number of tokens, zeros.
Sources: github.com/karpathy/nanoGPT, data/openwebtext/prepare.py;
github.com/karpathy/llm.c, dev/data/data_common.py.
"""

from pathlib import Path

import numpy as np
from jaxtyping import UInt16

from nnguide.config import InputError

_MAGIC, _VERSION = 20240520, 1
_HEADER = 256 * 4  # bytes


def map_tokens(path: Path, vocabulary_size: int) -> UInt16[np.ndarray, "N"]:
    """Maps a file of token ids, after reading it through once for ids too large.

    Args:
      path: the file, in either layout.
      vocabulary_size: every id must lie below it.

    Raises:
      InputError: there is no such file, it is empty, of odd size or of another length
        than its header says, or an id lies past the vocabulary.
    """
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            header = np.frombuffer(file.read(12).ljust(12, b"\0"), "<i4")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    if size == 0 or size % 2:
        raise InputError(
            f"{path}: {size:,} bytes do not hold tokens of two bytes each; give a file "
            "of uint16 ids"
        )
    has_header = size >= _HEADER and header[0] == _MAGIC
    if has_header:
        _check_header(path, size, int(header[1]), int(header[2]))
    tokens = np.memmap(path, "<u2", "r", _HEADER if has_header else 0)
    if len(tokens) and vocabulary_size < 2**16 and tokens.max() >= vocabulary_size:
        place = int(np.argmax(tokens >= vocabulary_size))
        raise InputError(
            f"{path}: id {tokens[place]} of token {place:,} lies past a vocabulary of "
            f"{vocabulary_size:,}; give the tokenizer or vocabulary it was made with"
        )
    return tokens


def _check_header(path: Path, size: int, version: int, count: int) -> None:
    if version != _VERSION or size != _HEADER + 2 * count:
        raise InputError(
            f"{path}: its llm.c header says version {version} and {count:,} tokens, "
            f"where version {_VERSION} and {(size - _HEADER) // 2:,} were expected; "
            "the file is of another kind or cut short"
        )
