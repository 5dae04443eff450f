"""The folder that holds what was built or fetched, each thing whole or absent."""

import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from nnguide.config import InputError

_UNFINISHED = ".unfinished-"  # begins the name of a folder somebody is still filling
_ABANDONED_AFTER = 24 * 3600  # seconds; no build or download here takes a day


def install(target: Path, make: Callable[[Path], None]) -> None:
    """Makes a file or folder appear at `target` whole, or not at all.

    `make` fills a path in a sibling folder, and one rename brings it to `target`.
    Whoever is killed before that leaves only the sibling, which a later installation
    removes when it is a day old. Where two processes install the same thing at once,
    one copy stays and the other is dropped.

    Args:
      target: a file or folder.
      make: makes what is wanted at the path it is given.

    Raises:
      InputError: the place cannot be written to, or is full.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(target.parent)
        with tempfile.TemporaryDirectory(
            prefix=_UNFINISHED, dir=target.parent, ignore_cleanup_errors=True
        ) as sibling:
            made = Path(sibling, target.name)
            make(made)
            _move(made, target)
    except OSError as error:
        raise InputError(
            f"{target}: cannot be written ({error.strerror or error}); set "
            "NNGUIDE_CACHE (or the flag cache) to a folder with room that you may write"
        ) from error


def _move(made: Path, target: Path) -> None:
    try:
        made.replace(target)
    except OSError:
        if not target.is_dir():  # a folder that is there: the other process was first
            raise


def _remove_abandoned(parent: Path) -> None:
    for sibling in parent.glob(_UNFINISHED + "*"):
        with contextlib.suppress(FileNotFoundError):  # its owner has just finished
            if time.time() - sibling.stat().st_mtime > _ABANDONED_AFTER:
                shutil.rmtree(sibling, ignore_errors=True)
