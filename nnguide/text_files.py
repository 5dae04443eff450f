"""Reads the user's text files, which must be UTF-8.

All of them (training texts, JSON lines, tokenizers, test sets) are read here. A byte
order mark, U+FEFF, which some editors write first, is removed.
"""

from pathlib import Path

from nnguide.config import InputError


def read_text(path: Path) -> str:
    """Reads a file; line endings stay unchanged.

    Raises:
      InputError: the file cannot be read, or is not UTF-8; the message names the line.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: cannot be read ({error.strerror}); give a UTF-8 file."
        ) from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # error.object and error.start refer to the bytes after the byte order mark.
        before = error.object[: error.start]
        byte = error.object[error.start]
        raise InputError(
            f"{path}:{before.count(10) + 1}: cannot be read as text (byte "
            f"0x{byte:02x} is not UTF-8 there: {error.reason}); save the file as UTF-8."
        ) from error
