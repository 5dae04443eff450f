"""Terminals, pipes and errors, whatever a launcher does in between."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments import border
from nnguide.config import InputError

ROOT = Path(border.__file__).parents[1]


def start(body, *arguments, redirect="", **options):
    """Runs `body` as a command behind the border, started by a shell."""
    code = f"import os, sys\nfrom experiments import border\n{body}"
    command = f'"{sys.executable}" -c "$CODE" "$@" {redirect}'
    environment = {**os.environ, **options.pop("env", {}), "CODE": code}
    return subprocess.run(
        ["bash", "-c", command, "bash", *arguments],
        capture_output=True,
        cwd=ROOT,
        env=environment,
        timeout=60,
        check=False,
        **options,
    )


def test_a_closed_pipe_ends_quietly():
    body = "border.start(lambda _: [print('x' * 99) for _ in range(10_000)])"
    done = start(body, redirect="| head -c 10; exit ${PIPESTATUS[0]}")
    assert (done.returncode, done.stderr) == (border.BROKEN_PIPE, b"")
    assert done.stdout == b"x" * 10


@pytest.mark.parametrize(
    ("encoding", "written"),
    [
        ("ascii", rb"caf\xe9 \u2192 \U0001f600 \udce9"),
        ("latin-1", b"caf\xe9 " + rb"\u2192 \U0001f600 \udce9"),
        ("utf-8:strict", "café → 😀 ".encode() + rb"\udce9"),
    ],
)
def test_what_an_encoding_lacks_is_written_as_an_escape(encoding, written):
    body = r"border.start(lambda _: print('caf\xe9 \u2192 \U0001f600 \udce9'))"
    done = start(body, env={"PYTHONIOENCODING": encoding})
    assert (done.returncode, done.stdout.strip()) == (0, written), done.stderr


def test_lines_that_are_no_utf_8_are_read_and_the_mark_at_the_beginning_is_not():
    body = "border.start(lambda _: print(ascii([*border.typed_lines('you: ')])))"
    typed = b"\xef\xbb\xbfhello\n caf\xe9 \n\nbye"
    done = start(body, input=typed, env={"PYTHONIOENCODING": "utf-8:strict"})
    assert done.stdout.strip() == rb"['hello', 'caf\udce9', '', 'bye']", done.stderr


def test_closed_streams_are_empty_ones(tmp_path):
    body = (
        "def body(_):\n"
        "    assert [*border.typed_lines('')] == []\n"
        "    file = open(sys.argv[1][2:].partition('=')[2], 'w')\n"
        "    assert file.fileno() > 2\n"
        "    print('lost'); print('lost', file=sys.stderr); file.write('kept')\n"
        "from absl import flags; flags.DEFINE_string('to', '', '')\n"
        "border.start(body)"
    )
    target = tmp_path / "checkpoint"
    done = start(body, f"--to={target}", redirect="<&- >&- 2>&-")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    assert target.read_text() == "kept"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "no such file"),
        ("--x=café".encode("latin-1"), "not UTF-8"),
        (b"\xef\xbb\xbf--x=1", "begins with a byte order mark"),
    ],
)
def test_flag_files_that_absl_cannot_read_are_named(tmp_path, content, says):
    path = tmp_path / "some.flags"
    if content is not None:
        path.write_bytes(content)
    for arguments in ([f"--flagfile={path}"], ["--flagfile", str(path)]):
        with pytest.raises(InputError, match=f"--flagfile={path}: {says}"):
            border._check_flag_files(arguments)


def test_a_folder_is_refused_as_a_flag_file(tmp_path):
    with pytest.raises(InputError, match=f"--flagfile={tmp_path}: no such file"):
        border._check_flag_files([f"--flagfile={tmp_path}"])


@pytest.mark.parametrize(
    "number",
    [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.ENAMETOOLONG, errno.ELOOP],
)
def test_what_the_system_refuses_is_one_line(capsys, number):
    with pytest.raises(SystemExit) as end, border.one_line_errors():
        raise OSError(number, os.strerror(number), "some/file")
    said = capsys.readouterr().err
    assert end.value.code == 1
    assert said.startswith(f"error: some/file: {os.strerror(number)}; ")
    assert said.count("\n") == 1


def test_a_bug_of_ours_keeps_its_traceback():
    with pytest.raises(FileNotFoundError), border.one_line_errors():
        raise FileNotFoundError(errno.ENOENT, "No such file", "ours")


def test_an_error_is_one_line_whatever_a_path_holds(capsys):
    with pytest.raises(SystemExit), border.one_line_errors():
        raise InputError("a\nb\x1b[31m\r: no such folder")
    assert capsys.readouterr().err == "error: a\\nb\\x1b[31m\\r: no such folder\n"


def test_tracebacks_of_failures_that_are_reported_are_left_out():
    body = (
        "def body(_):\n"
        "    from absl import logging\n"
        "    try: 1 / 0\n"
        "    except ZeroDivisionError:\n"
        "        logging.exception('ours')\n"
        "        exec(compile('logging.exception(1)', '/x/orbax/future.py', 'exec'),\n"
        "             {'logging': logging})\n"
        "    class Dies:\n"
        "        def __init__(self, why): self.why = why\n"
        "        def __del__(self): raise RuntimeError(self.why)\n"
        "    Dies('Event loop is closed'); Dies('another reason')\n"
        "border.start(body)"
    )
    said = start(body).stderr.decode()
    assert said.count("Traceback") == 2
    assert "ours" in said
    assert "another reason" in said
    assert "Event loop" not in said
