"""Checks of a run's folder (workdir): its lock, its path and its contents."""

import fcntl
import itertools
import os
import sys
from pathlib import Path

from absl import logging

from nnguide.config import InputError
from nnguide.plain_path import PlainPath

LOCK = ".lock"  # a file in every workdir
_locks: dict[Path, int] = {}  # the open lock files of this process


def lock(workdir: Path) -> None:
    """Locks a workdir until this process ends; warns where storage has no locks.

    Raises:
      InputError: another process holds the lock.
    """
    path = workdir.resolve() / LOCK
    if path in _locks:
        return
    file = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.read(file, 20).decode().strip() or "unknown"
        os.close(file)
        raise InputError(
            f"--workdir={workdir}: process {owner} is running there; wait for it, or "
            "name another folder."
        ) from None
    except OSError as error:  # some network storage has no locks
        logging.warning(
            "--workdir=%s: cannot be locked (%s); start no second run there.",
            workdir,
            error.strerror,
        )
    os.ftruncate(file, 0)
    os.write(file, f"{os.getpid()}\n".encode())
    _locks[path] = file


def check_name(workdir: Path) -> None:
    """Checks that checkpoints can be written below this path.

    Raises:
      InputError: the checkpoints' paths would be too long for the system, or the path's
        characters need a symbolic link that cannot be created (`PlainPath`).
    """
    path_max, reserved = 4096, 512  # bytes: Linux's PATH_MAX; for the paths inside
    longest = path_max - reserved
    if len(os.fsencode(workdir.absolute())) > longest:
        raise InputError(
            f"--workdir={str(workdir)[:60]}...: longer than {longest:,} bytes; give a "
            "shorter path."
        )
    PlainPath(workdir.absolute()).close()


def holds_something(workdir: Path) -> bool:
    """Whether the workdir exists and holds anything worth keeping.

    A run that is killed while it writes its first config.json leaves a lock and a
    partial file; these do not count.
    """
    if not workdir.is_dir():
        return workdir.exists()
    leftovers = ("config.json.partial", LOCK)
    return any(path.name not in leftovers for path in workdir.iterdir())


def move_aside(workdir: Path) -> None:
    """Renames a locked workdir to the first free `<name>.replaced-<number>`."""
    names = (f"{workdir.name}.replaced-{number}" for number in itertools.count(1))
    target = next(t for name in names if not (t := workdir.with_name(name)).exists())
    os.close(_locks.pop(workdir / LOCK))
    workdir.rename(target)
    print(f"the earlier run was moved to {target}", file=sys.stderr)
