"""Token ids in a `.bin` file, memory-mapped: little-endian integers, one after another.

nanoGPT's files hold nothing else; which integers they are, the caller says. llm.c's
begin with 256 int32: a magic number, a version, the number of tokens, zeros. The magic
number says whether uint16 (GPT-2) or uint32 (Llama 3) follow.
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

_LAYOUTS: dict[int, tuple[int, TokensDtype]] = {  # magic -> version, ids
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
_MOST = 2**31  # ids are int32 on the device
_FEW = 32  # pairs of ids, from which on halves of wider ones can be told


def map_tokens(
    path: Path, vocabulary_size: int, dtype: TokensDtype = "uint16"
) -> TokenIds:
    """Maps a file of token ids, after looking for ids too large.

    All of a file of up to 1 GiB is looked through, of a larger one 1,024 blocks of
    1 MiB from its beginning to its end.

    Args:
      path: the file, in any of the layouts.
      vocabulary_size: every id must lie below it.
      dtype: of the ids of a file without a header; a header's own goes before.

    Raises:
      InputError: there is no such file, it is empty or of another layout, kind or
        length than it says, an id lies past the vocabulary, or ids said to be uint16
        are uint32.
    """
    begin, ids = _layout(path, dtype)
    tokens = np.memmap(path, f"<u{np.dtype(ids).itemsize}", "r", begin)
    if not begin:
        _check_not_halves(path, tokens, ids)
    for start, part in _parts(tokens):
        _check_ids(path, start, part, vocabulary_size)
    return tokens


def _layout(path: Path, dtype: TokensDtype) -> tuple[int, TokensDtype]:
    """Where the ids begin, in bytes, and what they are."""
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
        return _HEADER, _of_header(path, size, words)
    _check_no_header(path, words)
    width = np.dtype(dtype).itemsize
    if size == 0 or size % width:
        raise InputError(
            f"{path}: {size:,} bytes do not hold tokens of {width} bytes each; give a "
            f"file of {dtype} ids, or what they are with --tokens_dtype"
        )
    return 0, dtype


def _of_header(path: Path, size: int, words: np.ndarray) -> TokensDtype:
    """What ids a known header says follow."""
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
            "expected; the file is of another kind or cut short"
        )
    return ids


def _check_no_header(path: Path, words: np.ndarray) -> None:
    """Refuses what looks like a header that is not known.

    llm.c's magic numbers are dates, with a small version behind. A header of another
    program is a few numbers before zeros.
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
    """Stretches of the ids that are looked through, and where each begins."""
    width, size = tokens.dtype.itemsize, tokens.nbytes
    for start, length in blocks(size, size if size <= WHOLE else 1024):
        first = start // width
        yield first, np.asarray(tokens[first : first + length // width])


def _check_ids(path: Path, start: int, part: np.ndarray, vocabulary_size: int) -> None:
    most = min(vocabulary_size, _MOST)
    if len(part) and part.max() >= most:
        place = int(np.argmax(part >= most))
        raise InputError(
            f"{path}: id {part[place]} of token {start + place:,} lies past a "
            f"vocabulary of {most:,}; give the tokenizer or vocabulary it was made "
            "with, or what its ids are with --tokens_dtype"
        )


def _check_not_halves(path: Path, tokens: TokenIds, dtype: TokensDtype) -> None:
    """Refuses ids that are the low and high halves of wider ones.

    High halves are all 0 where ids fit into the low ones; those of uint32 are at most
    15 below a million. No text has such a token at every second place.
    """
    if len(tokens) < 2 * _FEW:
        return
    highest = lowest = 0
    for _, part in _parts(tokens):
        low, high = int(part[::2].max()), int(part[1::2].max(initial=0))
        if high > 15:
            return
        lowest, highest = max(lowest, low), max(highest, high)
    wider = {"uint16": "uint32", "uint32": "int64"}[dtype]
    remedy = {
        "uint16": "say so with --tokens_dtype=uint32, or put llm.c's header before "
        "them if they are uint16",
        "uint32": "write them as uint32",
    }
    if (highest == 0 < lowest) or (dtype == "uint16" and lowest >= 2**15):
        raise InputError(
            f"{path}: every second {dtype} is {highest} or less, as in a file of "
            f"{wider} ids; {remedy[dtype]}"
        )
