"""The raw files of MNIST and its relatives.

An IDX file is a magic number (two zero bytes, a type, the number of dimensions), the
size of each dimension as a big-endian int32, and the values. A set is four of them:
images and labels, for training (`train-`) and for testing (`t10k-`).
Source: http://yann.lecun.com/exdb/mnist, "the IDX file format".
"""

import gzip
import zlib
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from nnguide.config import InputError
from nnguide.data.sources import ArraySource

_PREFIXES = {"train": "train", "test": "t10k"}
_DIMENSIONS = {"images": 3, "labels": 1}
_UNSIGNED_BYTE = 0x08  # the only type these sets use


def find_idx(folder: Path) -> dict[tuple[str, str], Path]:
    """Finds the files of a set in a folder: (split, "images" or "labels") -> path.

    Both spellings of the names (`-idx3-ubyte`, `.idx3-ubyte`), packed or not; of a
    packed and an unpacked file the unpacked one is taken.
    """
    found = {}
    for split, prefix in _PREFIXES.items():
        for kind, rank in _DIMENSIONS.items():
            names = [f"{prefix}-{kind}{mark}idx{rank}-ubyte" for mark in "-."]
            paths = [folder / (name + end) for end in ("", ".gz") for name in names]
            if path := next(filter(Path.is_file, paths), None):
                found[split, kind] = path
    return found


def load_idx(
    folder: Path, split: str, name: str, names: tuple[str, ...] | None
) -> ArraySource:
    """Reads one split of a set.

    Args:
      folder: holds the files, at least one of them.
      split: "train" or "test".
      name: what the set is called, for people.
      names: what each label stands for; None: its number.

    Raises:
      InputError: no such split, a file is missing, truncated, of another type or
        length than it says, or labels do not go with the images or the names.
    """
    if split not in _PREFIXES:
        raise InputError(f"{name} has no split {split!r}: it has train, test")
    found = find_idx(folder)
    for kind, rank in _DIMENSIONS.items():
        if (split, kind) not in found:
            wanted = f"{_PREFIXES[split]}-{kind}-idx{rank}-ubyte"
            raise InputError(
                f"{folder}: has no {wanted} (or .gz), one of the files of {name}"
            )
    images = read_idx(found[split, "images"], _DIMENSIONS["images"])
    labels = read_idx(found[split, "labels"], _DIMENSIONS["labels"])
    if len(images) != len(labels):
        raise InputError(
            f"{found[split, 'labels']}: {len(labels):,} labels for the {len(images):,} "
            f"images of {found[split, 'images'].name}; take both files from one set"
        )
    names = names or tuple(map(str, range(labels.max(initial=0) + 1)))
    if labels.max(initial=0) >= len(names):
        raise InputError(
            f"{found[split, 'labels']}: label {labels.max()} where {name} has labels "
            f"0 to {len(names) - 1}; take the files of {name}"
        )
    origin = f"{name} {split} of {folder}"
    return ArraySource(images[..., None], labels.astype(np.int32), names, origin)


def read_idx(path: Path, dimensions: int) -> UInt8[np.ndarray, "..."]:
    """Reads one file of unsigned bytes, packed by gzip if its name ends so.

    Args:
      path: the file.
      dimensions: how many it must have.

    Raises:
      InputError: it cannot be unpacked, its magic number is another, or it is shorter
        or longer than its header says.
    """
    content = _content(path)
    magic = bytes([0, 0, _UNSIGNED_BYTE, dimensions])
    if content[:4] != magic:
        raise InputError(
            f"{path}: begins with 0x{content[:4].hex()}, not with the magic number "
            f"0x{magic.hex()} of unsigned bytes in {dimensions} dimensions; is it an "
            "IDX file of the right kind?"
        )
    header = 4 + 4 * dimensions
    shape = np.frombuffer(content[4:header].ljust(header - 4, b"\0"), ">i4").tolist()
    if len(content) != header + int(np.prod(shape, dtype=np.int64)):
        raise InputError(
            f"{path}: {len(content):,} bytes where its header says {header} and "
            f"{' x '.join(map(str, shape))}; the file is damaged, fetch it again"
        )
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _content(path: Path) -> bytes:
    try:
        packed = path.read_bytes()
        return gzip.decompress(packed) if path.suffix == ".gz" else packed
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"{path}: cannot be read ({error}); the file is damaged, fetch it again"
        ) from error
