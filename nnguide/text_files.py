"""Reading text files: UTF-8, with a byte order mark or without, or one line of error.

Every text that a person gives us (a training text, JSON lines, a tokenizer, a test set)
passes through here. The mark U+FEFF that some editors put before a text is no part of
it.
"""

from pathlib import Path

from nnguide.config import InputError


def read_text(path: Path) -> str:
    """The text of a file; its line ends stay as they are.

    Raises:
      InputError: the file cannot be read, or is not UTF-8 (its line is named).
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
        # The decoder counts from behind the mark and names the bytes it looked at.
        before = error.object[: error.start]
        byte = error.object[error.start]
        raise InputError(
            f"{path}:{before.count(10) + 1}: cannot be read as a text (byte "
            f"0x{byte:02x} is not UTF-8 there: {error.reason}); save the file as UTF-8."
        ) from error
