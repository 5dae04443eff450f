"""Process-level set-up of a command: standard streams, flag files, error reports.

An error that the user can fix is reported in one line on standard error with a non-zero
exit status; a bug keeps its traceback. The standard streams work in any encoding, and
when they are closed.
"""

import contextlib
import errno
import itertools
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from absl import app, flags, logging

from nnguide.config import InputError, user_path

BROKEN_PIPE = 141  # the exit status that a shell reports for a death by SIGPIPE
_REMEDIES = {
    errno.ENOSPC: "free some space and run the same command again, which resumes",
    errno.EACCES: "name a place that you may read and write (--workdir, NNGUIDE_CACHE)",
    errno.ENAMETOOLONG: "give a shorter path",
    errno.ELOOP: "fix the symbolic link, which leads back to itself",
    errno.ENOTDIR: "name a folder; one component of this path is a file",
    errno.EIO: "the storage failed; run the same command again when it works",
    errno.EMFILE: "allow more open files (ulimit -n)",
}
_REMEDIES[errno.EDQUOT] = _REMEDIES[errno.ENOSPC]
_REMEDIES[errno.EROFS] = _REMEDIES[errno.EPERM] = _REMEDIES[errno.EACCES]
_REMEDIES[errno.ESTALE] = _REMEDIES[errno.EIO]
_REMEDIES[errno.ENFILE] = _REMEDIES[errno.EMFILE]


def start(body: Callable[[Sequence[str]], None], takes_arguments: bool = False) -> None:
    """Parses the flags and runs a command; never returns.

    Args:
      body: the command; it is called with the positional arguments.
      takes_arguments: whether positional arguments are allowed.
    """

    def run(arguments: Sequence[str]) -> None:
        if not flags.FLAGS["verbosity"].present:  # hide the libraries' INFO lines
            logging.set_verbosity(logging.WARNING)
        if arguments[1:] and not takes_arguments:
            raise InputError(f"{arguments[1]}: not a flag; flags start with --.")
        body(arguments[1:])

    _open_closed_streams()
    _accept_any_encoding()
    _silence_library_threads()
    with one_line_errors():
        _check_flag_files(sys.argv[1:])
        app.run(run)


@contextlib.contextmanager
def one_line_errors() -> Iterator[None]:
    """Reports errors that the user can fix in one line; other exceptions propagate."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except InputError as error:
        _end(str(error), 1)
    except BrokenPipeError:  # the reader has closed the pipe, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(BROKEN_PIPE)
    except OSError as error:
        if error.errno not in _REMEDIES:
            raise
        where = error.filename or "a file that was being written"
        _end(f"{where}: {error.strerror}; {_REMEDIES[error.errno]}.", 1)
    except KeyboardInterrupt:
        _end("interrupted; the same command resumes from here", 130, "")


def _end(message: str, status: int, prefix: str = "error: ") -> None:
    """Prints the message on one line, control characters escaped, and exits."""
    line = "".join(
        character if character >= " " else ascii(character)[1:-1]
        for character in prefix + message
    )
    with contextlib.suppress(BrokenPipeError):
        print(line, file=sys.stderr, flush=True)
    sys.exit(status)


def _open_closed_streams() -> None:
    """Opens /dev/null in place of each standard stream that is closed (`<&-`, `>&-`).

    Python represents a closed stream by None, and the next file that is opened gets its
    file descriptor: a library's output could then end up in a checkpoint.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is not None:
            continue
        opened = os.open(os.devnull, os.O_RDWR)
        if opened != descriptor:
            os.dup2(opened, descriptor)
        mode = "w" if descriptor else "r"
        stream: Any = open(descriptor, mode, closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)


def _accept_any_encoding() -> None:
    """Keeps text that a stream's encoding cannot represent from raising an error.

    Output escapes such characters. Input decodes invalid bytes to surrogates:
    byte-level tokenizers restore the bytes, other tokenizers reject the line.
    """
    for name, errors in (("stdout", "backslashreplace"), ("stdin", "surrogateescape")):
        reconfigure = getattr(getattr(sys, name), "reconfigure", None)
        if reconfigure:  # a notebook's stream may lack the method
            reconfigure(errors=errors)


def _silence_library_threads() -> None:
    """Suppresses background tracebacks of failures that are reported elsewhere.

    Orbax logs a failed save in each of its threads and raises the error again at the
    next call. TensorStore then calls back into event loops that are already closed.
    """
    logging.get_absl_logger().addFilter(
        lambda record: not (record.exc_info and "orbax" in record.pathname)
    )
    default_hook = sys.unraisablehook

    def hook(unraisable: Any) -> None:
        if "Event loop is closed" not in str(unraisable.exc_value):
            default_hook(unraisable)

    sys.unraisablehook = hook


def _check_flag_files(arguments: Sequence[str]) -> None:
    """Checks that absl can read the files given by --flagfile.

    Raises:
      InputError: a file is missing, is not UTF-8, or begins with a byte order mark,
        which absl would parse as part of the first flag.
    """
    for argument, following in itertools.pairwise([*arguments, ""]):
        name, _, value = argument.partition("=")
        if name not in ("--flagfile", "-flagfile"):
            continue
        path = user_path(value or following)
        try:
            text = path.read_bytes().decode()
        except (FileNotFoundError, IsADirectoryError):
            raise InputError(f"--flagfile={path}: no such file.") from None
        except ValueError:
            raise InputError(
                f"--flagfile={path}: not UTF-8; save it as UTF-8."
            ) from None
        if text.startswith("\ufeff"):
            raise InputError(
                f"--flagfile={path}: begins with a byte order mark; remove the mark."
            )


def typed_lines(prompt: str) -> Iterator[str]:
    """Yields the stripped lines of standard input; a terminal shows the prompt."""
    mark = "\ufeff"  # byte order mark, which a redirected file may begin with
    while True:
        try:
            line = input(prompt if sys.stdin.isatty() else "")
        except EOFError:
            return
        yield line.removeprefix(mark).strip()
        mark = ""
