"""What tells the contents of data apart: sha256 digests.

A run keeps the identities of its data, so that the same command on a file that was
edited in place is noticed.

Up to 1 GiB every byte counts, and the identity of one file is what `sha256sum` prints.
Of more, 1,024 blocks of 1 MiB count, spread evenly from the first byte to the last, and
the size: reading a corpus of terabytes at every start would take hours. A change that
keeps the size and lies between the blocks is not seen.
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from nnguide.config import InputError

WHOLE = 1 << 30  # bytes that are read one and all
BLOCK, BLOCKS = 1 << 20, 1024  # bytes of a block, blocks of what is larger


def blocks(size: int, most: int = BLOCKS) -> Iterator[tuple[int, int]]:
    """The first byte and the length of each block of a file that counts.

    Args:
      size: of the file, bytes.
      most: blocks of a file that is not read whole; the first and the last are among
        them.
    """
    most = max(most, 1)
    if size <= most * BLOCK:
        yield from ((at, min(BLOCK, size - at)) for at in range(0, size, BLOCK))
        return
    last = (size - BLOCK) // 8 * 8  # no id of 2 or 4 bytes is cut
    for number in range(most):
        start = last * number // max(most - 1, 1) // 8 * 8
        yield start, size - start if start == last else BLOCK


def files_sha256(paths: Sequence[Path]) -> str:
    """The identity of files, in their order; their names do not count.

    Raises:
      InputError: a file cannot be read.
    """
    try:
        sizes = [path.stat().st_size for path in paths]
        total = sum(sizes)
        shares = [size if total <= WHOLE else BLOCKS * size // total for size in sizes]
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
    """The digest of one file's blocks; of their size too where some are left out."""
    seen = hashlib.sha256()
    if size > max(most, 1) * BLOCK:
        seen.update(f"{size} bytes, of which blocks:".encode())
    with path.open("rb") as file:
        for start, length in blocks(size, most):
            file.seek(start)
            seen.update(file.read(length))
    return seen.hexdigest()
