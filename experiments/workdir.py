"""A run's folder: its name, its lock, and what it may hold before the run begins."""

import fcntl
import itertools
import os
import sys
from pathlib import Path

from nnguide.config import InputError
from nnguide.plain_path import PlainPath

LOCK = ".lock"  # a file in every workdir
_locks: dict[Path, int] = {}  # the open lock files of this process


def lock(workdir: Path) -> None:
    """Takes a workdir for this process, until it ends.

    Raises:
      InputError: another one has it.
    """
    path = workdir.resolve() / LOCK
    if path in _locks:
        return
    file = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        owner = os.read(file, 20).decode().strip() or "unknown"
        os.close(file)
        raise InputError(
            f"--workdir={workdir}: process {owner} is running there; wait for it, or "
            "name another folder."
        ) from None
    os.ftruncate(file, 0)
    os.write(file, f"{os.getpid()}\n".encode())
    _locks[path] = file


def check_name(workdir: Path) -> None:
    """Checks that checkpoints can be written below this path.

    Raises:
      InputError: their paths would be too long for the system, or its characters need
        a link that cannot be made.
    """
    longest, kept_free = 4096, 512  # bytes of Linux's PATH_MAX; what is made inside
    if len(os.fsencode(workdir.absolute())) > longest - kept_free:
        raise InputError(
            f"--workdir={str(workdir)[:60]}...: longer than {longest - kept_free:,} "
            "bytes; give a shorter path."
        )
    PlainPath(workdir.absolute()).close()


def holds_something(workdir: Path) -> bool:
    """Whether there is more than what a kill left of a first config.json."""
    if not workdir.is_dir():
        return workdir.exists()
    left = ("config.json.partial", LOCK)
    return any(path.name not in left for path in workdir.iterdir())


def move_aside(workdir: Path) -> None:
    """Renames a locked workdir to the first free `<name>.replaced-<number>`."""
    names = (f"{workdir.name}.replaced-{number}" for number in itertools.count(1))
    target = next(t for name in names if not (t := workdir.with_name(name)).exists())
    os.close(_locks.pop(workdir / LOCK))
    workdir.rename(target)
    print(f"the earlier run was moved to {target}", file=sys.stderr)
