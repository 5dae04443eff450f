"""A writable copy of a run that lies on read-only storage."""

import errno
import hashlib
import os
import shutil
import sys
from pathlib import Path

import jax

from experiments.workdir import LOCK, lock
from nnguide.config import InputError, cache_folder

READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)
_LINKED = ("checkpoints", "damaged_checkpoints")


def writable_twin(workdir: Path) -> Path:
    """Copies a run into the cache, with its checkpoints as symbolic links.

    The other files are small. A file is copied if the copy lacks it or has an older
    one, so that what is measured and drawn there stays. The copy is locked first.

    Args:
      workdir: the run's folder, which is read-only.

    Returns:
      The copy's folder; the same one for the same workdir.

    Raises:
      InputError: the run has several processes, or another one works in the copy.
    """
    if jax.process_count() > 1:
        raise InputError(
            f"--workdir={workdir}: read-only, which works with one process only; copy "
            "the run to a folder that every process can write."
        )
    workdir = workdir.resolve()
    name = hashlib.sha256(os.fsencode(workdir)).hexdigest()[:8]
    twin = cache_folder() / "read_only_runs" / name
    twin.mkdir(parents=True, exist_ok=True)
    lock(twin)
    for folder, subfolders, files in os.walk(workdir):
        target = twin / Path(folder).relative_to(workdir)
        target.mkdir(parents=True, exist_ok=True)
        for file in set(files) - {LOCK}:  # the copy has a lock of its own
            _update(Path(folder, file), target / file)
        for linked in set(_LINKED).intersection(subfolders):
            subfolders.remove(linked)
            (target / linked).unlink(missing_ok=True)
            (target / linked).symlink_to(Path(folder, linked))
    print(f"{workdir}: read-only; new pictures and results: {twin}", file=sys.stderr)
    return twin


def _update(source: Path, copy: Path) -> None:
    if not copy.exists() or source.stat().st_mtime > copy.stat().st_mtime:
        shutil.copyfile(source, copy)
