"""A finished run on storage that cannot be written: a twin of its folder that can."""

import errno
import hashlib
import os
import shutil
import sys
from pathlib import Path

import jax

from nnguide.config import InputError, cache_folder

READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)
_LINKED = ("checkpoints", "damaged_checkpoints")


def writable_twin(workdir: Path) -> Path:
    """Makes a folder in the cache that holds a run, its checkpoints as links.

    The other files, which are small, are copied anew each time, so that tables and
    pictures can be drawn there.

    Args:
      workdir: of the run.

    Returns:
      The folder; the same one for the same workdir.

    Raises:
      InputError: several processes share the run.
    """
    if jax.process_count() > 1:
        raise InputError(
            f"--workdir={workdir}: read-only, which only one process can work with; "
            "copy the run to a folder that all may write."
        )
    workdir = workdir.resolve()
    name = hashlib.sha256(os.fsencode(workdir)).hexdigest()[:8]
    twin = cache_folder() / "read_only_runs" / name
    for folder, subfolders, files in os.walk(workdir):
        target = twin / Path(folder).relative_to(workdir)
        target.mkdir(parents=True, exist_ok=True)
        for file in files:
            shutil.copyfile(Path(folder, file), target / file)
        for linked in set(_LINKED).intersection(subfolders):
            subfolders.remove(linked)
            (target / linked).unlink(missing_ok=True)
            (target / linked).symlink_to(Path(folder, linked))
    print(f"{workdir}: read-only; new pictures and results: {twin}", file=sys.stderr)
    return twin
