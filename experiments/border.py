"""The border between a command and its surroundings: terminal, pipes, files, errors.

Everything a person can mend ends in one line on standard error and a status; a bug of
ours keeps its traceback. Standard streams work whatever their encoding is, and where
they are closed.
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

BROKEN_PIPE = 141  # what a shell reports of a program that SIGPIPE ended
_REMEDIES = {
    errno.ENOSPC: "make room and give the same command again, which goes on from here",
    errno.EACCES: "name a place that you may read and write (--workdir, NNGUIDE_CACHE)",
    errno.ENAMETOOLONG: "give a shorter path",
    errno.ELOOP: "mend the symbolic link, which leads back to itself",
    errno.ENOTDIR: "name a folder; a part of this path is a file",
    errno.EIO: "the storage failed; give the same command again when it works",
    errno.EMFILE: "allow more open files (ulimit -n)",
}
_REMEDIES[errno.EDQUOT] = _REMEDIES[errno.ENOSPC]
_REMEDIES[errno.EROFS] = _REMEDIES[errno.EPERM] = _REMEDIES[errno.EACCES]
_REMEDIES[errno.ESTALE] = _REMEDIES[errno.EIO]
_REMEDIES[errno.ENFILE] = _REMEDIES[errno.EMFILE]


def start(body: Callable[[Sequence[str]], None], takes_arguments: bool = False) -> None:
    """Parses the flags and runs a command; never returns.

    Args:
      body: the command, given the arguments that are not flags.
      takes_arguments: whether there may be any.
    """

    def with_flags(arguments: Sequence[str]) -> None:
        if not flags.FLAGS["verbosity"].present:  # the libraries' INFO would drown us
            logging.set_verbosity(logging.WARNING)
        if arguments[1:] and not takes_arguments:
            raise InputError(f"{arguments[1]}: not a flag; flags start with --.")
        body(arguments[1:])

    _open_closed_streams()
    _accept_any_encoding()
    _silence_library_threads()
    with one_line_errors():
        _check_flag_files(sys.argv[1:])
        app.run(with_flags)


@contextlib.contextmanager
def one_line_errors() -> Iterator[None]:
    """Ends what a person can mend in one line and a status; our bugs stay loud."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except InputError as error:
        _end(str(error), 1)
    except BrokenPipeError:  # `| head` has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(BROKEN_PIPE)
    except OSError as error:
        if error.errno not in _REMEDIES:
            raise
        where = error.filename or "a file that was being written"
        _end(f"{where}: {error.strerror}; {_REMEDIES[error.errno]}.", 1)
    except KeyboardInterrupt:
        _end("interrupted; the same command goes on from here", 130, "")


def _end(message: str, status: int, begin: str = "error: ") -> None:
    """Prints one line, whatever a path or a library's message holds, and exits."""
    line = "".join(
        character if character >= " " else ascii(character)[1:-1]
        for character in begin + message
    )
    with contextlib.suppress(BrokenPipeError):
        print(line, file=sys.stderr, flush=True)
    sys.exit(status)


def _open_closed_streams() -> None:
    """Gives a stream that was closed (`<&-`, `>&-`) a place that is always empty.

    Python leaves None there, and the next file that is opened would get its number:
    what a library prints would then be written into a checkpoint.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is not None:
            continue
        empty = os.open(os.devnull, os.O_RDWR)
        if empty != number:
            os.dup2(empty, number)
        stream: Any = open(number, "w" if number else "r", closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)


def _accept_any_encoding() -> None:
    """Writes what an encoding lacks as an escape; reads what is none as a surrogate.

    Tokenizers of bytes give such a byte back as it was, the others refuse that line.
    """
    for name, errors in (("stdout", "backslashreplace"), ("stdin", "surrogateescape")):
        reconfigure = getattr(getattr(sys, name), "reconfigure", None)
        if reconfigure:  # a stream that a notebook put there may have none
            reconfigure(errors=errors)


def _silence_library_threads() -> None:
    """Leaves out tracebacks of threads whose failure we report ourselves.

    Orbax logs a failed save in each of its threads and raises it again at the next
    call; TensorStore then calls back into event loops that are closed.
    """
    logging.get_absl_logger().addFilter(
        lambda record: not (record.exc_info and "orbax" in record.pathname)
    )
    otherwise = sys.unraisablehook

    def told(failure: Any) -> None:
        if "Event loop is closed" not in str(failure.exc_value):
            otherwise(failure)

    sys.unraisablehook = told


def _check_flag_files(arguments: Sequence[str]) -> None:
    """Checks that absl can read the flag files that are named.

    Raises:
      InputError: one is missing, is not UTF-8, or begins with a byte order mark, which
        absl would take for a part of the first flag.
    """
    for argument, following in itertools.pairwise([*arguments, ""]):
        name, _, value = argument.partition("=")
        if name not in ("--flagfile", "-flagfile"):
            continue
        path = user_path(value or following)
        try:
            text = path.read_bytes().decode()
        except FileNotFoundError:
            raise InputError(f"--flagfile={path}: no such file.") from None
        except ValueError:
            raise InputError(f"--flagfile={path}: not UTF-8; save it so.") from None
        if text.startswith("\ufeff"):
            raise InputError(
                f"--flagfile={path}: begins with a byte order mark; save it without."
            )


def typed_lines(prompt: str) -> Iterator[str]:
    """The lines of standard input to its end, stripped; a terminal shows the prompt."""
    mark = "\ufeff"  # a file's byte order mark
    while True:
        try:
            line = input(prompt if sys.stdin.isatty() else "")
        except EOFError:
            return
        yield line.removeprefix(mark).strip()
        mark = ""
