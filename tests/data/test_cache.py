"""What is installed in the cache is whole or absent, whoever is killed when."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from nnguide.config import InputError, cache_folder
from nnguide.data.cache import install


def fill(folder):
    folder.mkdir()
    for name in "abc":
        (folder / name).write_text(name * 1_000)


def content(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


WHOLE = {name: name * 1_000 for name in "abc"}


def test_the_folder_follows_the_flag_then_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("NNGUIDE_CACHE", "/one")
    monkeypatch.setenv("XDG_CACHE_HOME", "/two")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder("~/three") == tmp_path / "three"
    assert cache_folder(None) == Path("/one")
    monkeypatch.setenv("NNGUIDE_CACHE", "")
    assert cache_folder(None) == Path("/two/nnguide")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder(None) == tmp_path / ".cache/nnguide"


def test_nothing_but_the_target_is_left(tmp_path):
    install(tmp_path / "deep" / "set", fill)
    assert content(tmp_path / "deep" / "set") == WHOLE
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["set"]


def test_a_failure_halfway_leaves_nothing(tmp_path):
    def fail(folder):
        fill(folder)
        raise InputError("the third file is damaged")

    with pytest.raises(InputError, match="third file"):
        install(tmp_path / "set", fail)
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_replaced_whole(tmp_path):
    (tmp_path / "text").write_text("old")

    def write(path):
        path.write_text("new")

    install(tmp_path / "text", write)
    assert (tmp_path / "text").read_text() == "new"


KILLED = """
import os, signal, sys
from pathlib import Path
from nnguide.data.cache import install

def die(folder):
    folder.mkdir()
    (folder / "a").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)

install(Path(sys.argv[1]), die)
"""


def test_a_killed_builder_leaves_nothing_half_written(tmp_path):
    target = tmp_path / "set"
    done = subprocess.run([sys.executable, "-c", KILLED, str(target)], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not target.exists()
    (unfinished,) = tmp_path.iterdir()
    install(target, fill)
    assert content(target) == WHOLE
    assert unfinished.exists()  # it may still belong to somebody
    os.utime(unfinished, (0, 0))  # not since 1970
    install(tmp_path / "other", fill)
    assert not unfinished.exists()


def test_of_many_builders_at_once_one_wins_and_all_find_it_whole(tmp_path):
    start, seen = threading.Barrier(8), []

    def build():
        start.wait()
        install(tmp_path / "set", fill)
        seen.append(content(tmp_path / "set"))

    threads = [threading.Thread(target=build) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert seen == [WHOLE] * 8
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_a_place_that_cannot_be_written_is_named_with_the_remedy(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match=r"^\S*file/set: .*NNGUIDE_CACHE[^\n]*$"):
        install(tmp_path / "file" / "set", fill)
