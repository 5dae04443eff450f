"""data.json: which data a folder's trainings learned from.

The names of data sets and files are part of a run's config; what they held is kept
here. The same command on other content is refused: its results would mix what was
learned from the old data with what is measured on the new.
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
    """Checks that the data are those that the folder was made with.

    A folder without a record, and data that the record does not name, pass.

    Args:
      folder: of a run, or of some of its trainings.
      data: name -> sha256, or another text that is its own for other content.
      remedy: what to do beside giving back the old data.

    Raises:
      InputError: they are others.
    """
    kept = _kept(folder)
    changed = [name for name in data if kept.get(name, data[name]) != data[name]]
    if changed:
        pairs = ", ".join(
            f"{name}: {_shown(kept[name])} there, {_shown(data[name])} now"
            for name in changed
        )
        raise InputError(
            f"{folder}: made with other data ({pairs}); give back the old data, "
            f"{remedy}."
        )


def _shown(identity: str) -> str:
    """As messages write it; 16 hex digits tell two contents apart."""
    return f"sha256 {identity[:16]}" if len(identity) == 64 else identity


def keep(folder: Path, data: Mapping[str, str]) -> None:
    """Adds what a folder's record does not name yet; the folder is there.

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
