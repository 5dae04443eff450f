"""A path without special characters to a folder whose own path has some."""

import re
import tempfile
from pathlib import Path

from nnguide.config import InputError


class PlainPath:
    """A path to a folder that contains no character with a special meaning.

    A folder whose path has such characters is accessed through a symbolic link. Orbax
    needs this: etils treats `[`, `*` and `?` in a path as a glob pattern and `gs:/` as
    a bucket, and TensorStore treats a backslash as an escape, so that the written
    arrays cannot be read back. The dynamic linker needs it too: it expands `$LIB`.

    Args:
      folder: an absolute path.

    Attributes:
      path: the folder itself, or a symbolic link to it that exists until `close`.

    Raises:
      InputError: a link is needed, and the folder of temporary files has special
        characters in its path too.
    """

    def __init__(self, folder: Path) -> None:
        self._home: tempfile.TemporaryDirectory[str] | None = None
        self.path = folder
        if _is_plain(folder):
            return
        temporary = Path(tempfile.gettempdir()).absolute()
        if not _is_plain(temporary):
            raise InputError(
                f"{temporary}: the folder of temporary files has special characters in "
                f"its path, so {folder} cannot be linked there; set TMPDIR to another."
            )
        self._home = tempfile.TemporaryDirectory(prefix="nnguide-", dir=temporary)
        self.path = Path(self._home.name, "run")
        self.path.symlink_to(folder, target_is_directory=True)

    def close(self) -> None:
        """Removes the link, if there is one."""
        if self._home:
            self._home.cleanup()


def _is_plain(path: Path) -> bool:
    return re.fullmatch(r"[\w./ +=,@~-]*", str(path), re.ASCII) is not None
