"""Token ids in a `.bin` file, memory-mapped: little-endian integers, one after another.

nanoGPT's files hold nothing else, so the caller gives the dtype. llm.c's files begin
with a header of 256 int32: magic number, version, number of tokens, zeros. The magic
number gives the dtype, uint16 (GPT-2) or uint32 (Llama 3).
Sources: github.com/karpathy/nanoGPT, data/openwebtext/prepare.py;
github.com/karpathy/llm.c, dev/data/data_common.py.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import UInt16, UInt32

from nnguide.config import InputError
from nnguide.data.identity import WHOLE, blocks

TokensDtype = Literal["uint16", "uint32"]
TokenIds = UInt16[np.ndarray, "N"] | UInt32[np.ndarray, "N"]

_LAYOUTS: dict[int, tuple[int, TokensDtype]] = {  # magic -> version, dtype
    20240520: (1, "uint16"),
    20240801: (7, "uint32"),
}
_HEADER = 256 * 4  # bytes
_OTHER_KINDS = {
    b"\x93NUMPY": "a NumPy array (.npy)",
    b"PK\x03\x04": "a zip archive (.npz)",
    b"\x1f\x8b\x08": "packed by gzip",
    b"\x28\xb5\x2f\xfd": "packed by zstd",
    b"PAR1": "a Parquet file",
}
_ID_LIMIT = 2**31  # ids are int32 on the device
_MIN_PAIRS = 32  # fewer pairs of ids are too few to recognise halves of wider ids


def map_tokens(
    path: Path, vocabulary_size: int, dtype: TokensDtype = "uint16"
) -> TokenIds:
    """Memory-maps a file of token ids, after checking it.

    The check reads all ids of a file of up to 1 GiB, and 1,024 evenly spaced blocks of
    1 MiB of a larger one.

    Args:
      path: the file, with or without a header.
      vocabulary_size: every id must lie below it.
      dtype: the ids' dtype in a file without a header; a header takes precedence.

    Raises:
      InputError: the file is missing, empty, of another format, or of another length
        than its header says; an id is not below `vocabulary_size`; or the ids look like
        halves of wider integers, which means that `dtype` is wrong.
    """
    offset, found = _layout(path, dtype)
    tokens = np.memmap(path, f"<u{np.dtype(found).itemsize}", "r", offset)
    if not offset:
        _check_not_halves(path, tokens, found)
    for start, part in _parts(tokens):
        _check_ids(path, start, part, vocabulary_size)
    return tokens


def _layout(path: Path, dtype: TokensDtype) -> tuple[int, TokensDtype]:
    """The offset of the ids in bytes, and their dtype."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            beginning = file.read(_HEADER)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    for magic, kind in _OTHER_KINDS.items():
        if beginning.startswith(magic):
            raise InputError(
                f"{path}: is {kind}; write the bare ids, as NumPy's tofile does"
            )
    words = np.frombuffer(beginning[: len(beginning) // 4 * 4], "<i4")
    if len(words) and int(words[0]) in _LAYOUTS:
        return _HEADER, _header_dtype(path, size, words)
    _check_no_header(path, words)
    width = np.dtype(dtype).itemsize
    if size == 0 or size % width:
        raise InputError(
            f"{path}: {size:,} bytes do not hold tokens of {width} bytes each; give a "
            f"file of {dtype} ids, or their dtype with --tokens_dtype"
        )
    return 0, dtype


def _header_dtype(path: Path, size: int, words: np.ndarray) -> TokensDtype:
    """The ids' dtype from an llm.c header, which is checked against the file's size."""
    if size < _HEADER:
        raise InputError(
            f"{path}: {size:,} bytes, fewer than the {_HEADER:,} of the llm.c header "
            "that it begins with; the file is cut short"
        )
    if size == _HEADER:
        raise InputError(f"{path}: holds an llm.c header and no tokens; write some")
    found, count = int(words[1]), int(words[2])
    version, ids = _LAYOUTS[int(words[0])]
    width = np.dtype(ids).itemsize
    if found != version or size != _HEADER + width * count:
        raise InputError(
            f"{path}: its llm.c header says version {found} and {count:,} tokens, "
            f"where version {version} and {(size - _HEADER) / width:,.10g} were "
            "expected; the file has another format or is cut short"
        )
    return ids


def _check_no_header(path: Path, words: np.ndarray) -> None:
    """Raises InputError if the file seems to begin with an unknown header.

    llm.c's magic numbers are dates, followed by a small version number. Other programs'
    headers are a few numbers padded with zeros.
    """
    if len(words) < 2:
        return
    native, swapped = (int(w) for w in (words[0], words[0].byteswap()))
    date, version = native % 10_000, int(words[1])
    dated = 2020 <= native // 10_000 < 2100 and 101 <= date <= 1231
    padded = len(words) * 4 == _HEADER and native != 0 and not words[8:].any()
    if swapped in _LAYOUTS or padded or (dated and 0 <= version < 256):
        known = ", ".join(
            f"{magic} (version {v})" for magic, (v, _) in _LAYOUTS.items()
        )
        raise InputError(
            f"{path}: begins with what looks like a header, the number {native} first; "
            f"known are llm.c's {known}; write the bare ids or one of these headers"
        )


def _parts(tokens: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yields (first index, ids) of each part of the file that is checked."""
    width, size = tokens.dtype.itemsize, tokens.nbytes
    for start, length in blocks(size, size if size <= WHOLE else 1024):
        first = start // width
        yield first, np.asarray(tokens[first : first + length // width])


def _check_ids(path: Path, start: int, part: np.ndarray, vocabulary_size: int) -> None:
    limit = min(vocabulary_size, _ID_LIMIT)
    if len(part) and part.max() >= limit:
        index = int(np.argmax(part >= limit))
        raise InputError(
            f"{path}: id {part[index]} of token {start + index:,} lies past a "
            f"vocabulary of {limit:,}; give the tokenizer or vocabulary it was made "
            "with, or the ids' dtype with --tokens_dtype"
        )


def _check_not_halves(path: Path, tokens: TokenIds, dtype: TokensDtype) -> None:
    """Raises InputError if the ids are the low and high halves of wider integers.

    Every second number is then a high half: 0 if the ids fit into the low halves, and
    at most 15 for uint32 ids below a million. Real text has no such pattern.
    """
    if len(tokens) < 2 * _MIN_PAIRS:
        return
    largest_high = largest_low = 0
    for _, part in _parts(tokens):
        low, high = int(part[::2].max()), int(part[1::2].max(initial=0))
        if high > 15:
            return
        largest_low, largest_high = max(largest_low, low), max(largest_high, high)
    wider = {"uint16": "uint32", "uint32": "int64"}[dtype]
    remedy = {
        "uint16": "say so with --tokens_dtype=uint32, or put llm.c's header before "
        "them if they are uint16",
        "uint32": "write them as uint32",
    }
    if (largest_high == 0 < largest_low) or (
        dtype == "uint16" and largest_low >= 2**15
    ):
        raise InputError(
            f"{path}: every second {dtype} is {largest_high} or less, as in a file of "
            f"{wider} ids; {remedy[dtype]}"
        )
