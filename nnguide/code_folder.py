"""Folders for compiled programs, and the checks of their permissions.

A program that is loaded from such a folder runs with the user's rights. Only the user
and root may therefore write to the folder or replace it.
"""

import contextlib
import grp
import os
import pwd
import stat
from pathlib import Path

from nnguide.config import InputError


def make(folder: Path) -> Path:
    """Creates a folder for compiled programs with mode 700, or checks an existing one.

    Args:
      folder: the folder; an existing one keeps its permissions.

    Returns:
      The folder's path with symbolic links resolved, so that no other user can redirect
      it later.

    Raises:
      InputError: other users may write to it or replace it, or it cannot be created.
    """
    try:
        for missing in [p for p in (folder, *folder.parents) if not p.exists()][::-1]:
            with contextlib.suppress(FileExistsError):  # another process was first
                missing.mkdir(mode=0o700)
        folder = Path(os.path.realpath(folder, strict=True))
        check(folder)
        for parent in folder.parents:
            _check(parent, parent.stat(), sticky_suffices=True)
    except OSError as error:
        raise InputError(
            f"{error.filename or folder}: {error.strerror or error}, so compiled "
            "programs cannot be kept there; set NNGUIDE_CACHE to a folder of your own"
        ) from error
    return folder


def check(path: Path) -> None:
    """Checks that only the user and root may write to a file or folder.

    Raises:
      InputError: others may.
      OSError: its status cannot be read.
    """
    _check(path, path.stat(), sticky_suffices=False)


def _check(path: Path, status: os.stat_result, sticky_suffices: bool) -> None:
    # The owner of the root folder can change everything; in a container this may be a
    # user other than 0.
    if status.st_uid not in (0, os.geteuid(), Path("/").stat().st_uid):
        fault, remedy = f"it belongs to user {status.st_uid}", ""
    elif _others_may_write(status) and not (
        sticky_suffices and status.st_mode & stat.S_ISVTX  # only owners may rename
    ):
        mode = stat.S_IMODE(status.st_mode)
        fault = f"others may write to it (mode {mode:o})"
        remedy = f"chmod go-w {path}, or "
    else:
        return
    raise InputError(
        f"{path}: {fault}, so no compiled program is kept or loaded there; "
        f"{remedy}set NNGUIDE_CACHE to a folder of your own"
    )


def _others_may_write(status: os.stat_result) -> bool:
    by_group = status.st_mode & stat.S_IWGRP and not _is_private(status.st_gid)
    return bool(by_group or status.st_mode & stat.S_IWOTH)


def _is_private(group: int) -> bool:
    """Whether the user is a group's only member, as in distributions with umask 002."""
    try:
        entry, user = grp.getgrgid(group), pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return False
    return group != 0 and entry.gr_name == user and {*entry.gr_mem} <= {user}
