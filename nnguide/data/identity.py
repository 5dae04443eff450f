"""Identities of data: sha256 digests of file contents.

A run records them, so that a later run notices a file that was edited in place. Up to
1 GiB in total every byte is hashed; one file's digest is then what `sha256sum` prints.
Above that, the size and 1,024 evenly spaced blocks of 1 MiB are hashed, because reading
terabytes at every start takes hours. A change between these blocks is not detected.
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from nnguide.config import InputError

WHOLE = 1 << 30  # bytes; data up to this size are hashed completely
BLOCK, BLOCKS = 1 << 20, 1024  # bytes in a block; number of blocks of larger data
LEAST = 16  # blocks of a file, if there are many


def blocks(size: int, most: int = BLOCKS) -> Iterator[tuple[int, int]]:
    """Yields (first byte, length) of each block of a file that is read.

    Args:
      size: the file's size in bytes.
      most: the largest number of blocks. A file with more is sampled at evenly spaced
        blocks, including the first and, from two blocks on, the last.
    """
    most = max(most, 1)
    if size <= most * BLOCK:
        yield from ((at, min(BLOCK, size - at)) for at in range(0, size, BLOCK))
        return
    last = (size - BLOCK) // 8 * 8  # aligned: blocks do not split token ids
    for number in range(most):
        start = last * number // max(most - 1, 1) // 8 * 8
        yield start, size - start if start == last else BLOCK


def files_sha256(paths: Sequence[Path]) -> str:
    """Hashes the contents of files, in their order; their names are ignored.

    Args:
      paths: the files; above 1 GiB in total each gets a share of the blocks.

    Raises:
      InputError: a file cannot be read.
    """
    try:
        sizes = [path.stat().st_size for path in paths]
        total = sum(sizes)
        shares = [
            size if total <= WHOLE else max(min(LEAST, BLOCKS), BLOCKS * size // total)
            for size in sizes
        ]
        digests = [
            _sha256(path, size, share)
            for path, size, share in zip(paths, sizes, shares, strict=True)
        ]
    except OSError as error:
        raise InputError(
            f"{error.filename}: cannot be read ({error.strerror})."
        ) from error
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _sha256(path: Path, size: int, most: int) -> str:
    """Hashes a file's blocks, preceded by its size if some are left out."""
    digest = hashlib.sha256()
    if size > max(most, 1) * BLOCK:
        digest.update(f"{size} bytes, of which blocks:".encode())
    with path.open("rb") as file:
        for start, length in blocks(size, most):
            file.seek(start)
            digest.update(file.read(length))
    return digest.hexdigest()
