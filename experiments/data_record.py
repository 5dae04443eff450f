"""data.json: digests of the data that the trainings in a folder used.

A run's config holds the names of its data sets and files; data.json holds digests of
their contents. The same command on changed contents is refused, because its results
would mix training on the old data with evaluation on the new.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from nnguide.config import InputError
from nnguide.results import write_whole
from nnguide.text_files import read_text

RECORD = "data.json"
REMEDY = "name another --workdir, or --restart"


def check(folder: Path, data: Mapping[str, str], remedy: str = REMEDY) -> None:
    """Checks that the data are the same as in the folder's record.

    The check passes for a folder without a record, and for data whose name is not in
    the record.

    Args:
      folder: the folder of a run, or of some of its trainings.
      data: name -> sha256, or another text that identifies the content.
      remedy: what the message suggests besides restoring the old data.

    Raises:
      InputError: the data have changed.
    """
    kept = _kept(folder)
    changed = [name for name in data if kept.get(name, data[name]) != data[name]]
    if changed:
        pairs = ", ".join(
            f"{name}: {_shown(kept[name])} there, {_shown(data[name])} now"
            for name in changed
        )
        raise InputError(
            f"{folder}: made with other data ({pairs}); restore the old data, {remedy}."
        )


def _shown(identity: str) -> str:
    """Formats an identity for a message; a sha256 is cut to 16 hex digits."""
    return f"sha256 {identity[:16]}" if len(identity) == 64 else identity


def keep(folder: Path, data: Mapping[str, str]) -> None:
    """Adds data to a folder's record; entries that it has already stay unchanged.

    Args:
      folder: an existing folder.
      data: name -> sha256 or another identity.

    Raises:
      OSError: the record cannot be written.
    """
    kept = _kept(folder)
    new = {name: identity for name, identity in data.items() if name not in kept}
    if new:
        content = json.dumps({**kept, **new}, indent=1) + "\n"
        write_whole(folder / RECORD, content)


def _kept(folder: Path) -> dict[str, str]:
    path = folder / RECORD
    if not path.exists():
        return {}
    try:
        kept = json.loads(read_text(path))
        return {name: str(identity) for name, identity in kept.items()}
    except (ValueError, AttributeError):
        raise InputError(
            f"{path}: not a record of data; delete it to have it written again."
        ) from None
