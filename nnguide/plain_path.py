"""A plain name for a folder whose own name some library would interpret."""

import re
import tempfile
from pathlib import Path

from nnguide.config import InputError


class PlainPath:
    """A name for a folder in which no library finds anything to interpret.

    Below Orbax, etils takes `[`, `*` and `?` anywhere in a path for a pattern and
    `gs:/` for a bucket, and TensorStore takes a backslash for an escape: arrays are
    written then that nobody can read. The system's loader of shared libraries takes
    `$LIB` for a folder of its own. A folder with such characters is reached through a
    symbolic link.

    Args:
      folder: absolute.

    Attributes:
      path: the folder itself or a link to it, which lasts until `close`.
    """

    def __init__(self, folder: Path) -> None:
        self._home: tempfile.TemporaryDirectory[str] | None = None
        self.path = folder
        if _is_plain(folder):
            return
        temporary = Path(tempfile.gettempdir()).absolute()
        if not _is_plain(temporary):
            raise InputError(
                f"{temporary}: the folder of temporary files must have a plain name "
                f"to give {folder} one; set TMPDIR to such a folder."
            )
        self._home = tempfile.TemporaryDirectory(prefix="nnguide-", dir=temporary)
        self.path = Path(self._home.name, "run")
        self.path.symlink_to(folder, target_is_directory=True)

    def close(self) -> None:
        """Removes the link."""
        if self._home:
            self._home.cleanup()


def _is_plain(path: Path) -> bool:
    return re.fullmatch(r"[\w./ +=,@~-]*", str(path), re.ASCII) is not None
