"""C++ of ours: compiled once, whole, and loaded only where nobody else can write."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nnguide.config import InputError
from nnguide.cpp import compiled
from nnguide.cpp.choice import chosen
from nnguide.diffusion.convolution_kernels.winograd import KERNEL

BUILD = """
import sys; from pathlib import Path; from nnguide.cpp import compiled
command = [sys.argv[1], "-shared", "-fPIC", sys.argv[2]]
print(compiled._built(Path(sys.argv[2]), command))
"""
# A compiler that begins when two processes have called it, and writes in two halves.
SLOW = """#!/bin/sh
touch "{started}/$$"
for i in $(seq 200); do [ $(ls "{started}" | wc -l) -ge 2 ] && break; sleep 0.1; done
while [ "$1" != -o ]; do shift; done
printf half > "$2"; sleep 0.2; printf whole >> "$2"
"""


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NNGUIDE_CACHE", str(tmp_path / "cache"))
    afresh = compiled.lacking.__wrapped__  # a registered kernel stays registered
    monkeypatch.setattr(compiled, "lacking", afresh)
    return tmp_path / "cache"


@pytest.fixture
def permissive_umask():
    before = os.umask(0)
    yield
    os.umask(before)


def script(path, text):
    path.write_text(text)
    path.chmod(0o700)
    return path


def test_two_processes_that_compile_at_once_end_with_one_whole_file(tmp_path, cache):
    (tmp_path / "started").mkdir()
    compiler = script(tmp_path / "c++", SLOW.format(started=tmp_path / "started"))
    source = tmp_path / "nothing.cc"
    source.touch()
    command = [sys.executable, "-c", BUILD, str(compiler), str(source)]
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    said = [process.communicate(timeout=60)[0].strip() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert len(list((tmp_path / "started").iterdir())) == 2  # none waited for the other
    assert said[0] == said[1]
    assert [str(path) for path in (cache / "kernels").iterdir()] == said[:1]
    assert Path(said[0]).read_text() == "halfwhole"


@pytest.mark.usefixtures("permissive_umask")
def test_the_file_is_the_users_own_whatever_the_umask(tmp_path, cache):
    source = tmp_path / "nothing.cc"
    source.write_text('extern "C" int nothing() { return 0; }')
    built = compiled._built(source, ["c++", "-shared", "-fPIC", str(source)])
    assert built.stat().st_mode & 0o777 == 0o700
    assert compiled._built(source, ["c++", "-shared", "-fPIC", str(source)]) == built
    built.chmod(0o702)
    with pytest.raises(InputError, match=rf"{built}: others may write to it"):
        compiled._built(source, ["c++", "-shared", "-fPIC", str(source)])


def test_a_cache_that_others_can_write_is_refused_and_auto_warns(cache, caplog):
    cache.mkdir()
    cache.chmod(0o777)
    reason = rf"{cache}: others may write to it \(mode 777\).*chmod go-w {cache}, or"
    with pytest.raises(InputError, match=rf"unet\.kernel=winograd: .*{reason}"):
        chosen(KERNEL, "winograd")
    with caplog.at_level("WARNING", "absl"):
        assert chosen(KERNEL, "auto") == "xla"
    assert f"convolutions: xla (auto; winograd cannot: {KERNEL.source.name}" in (
        caplog.text
    )
    assert not list(cache.rglob("*.so"))


@pytest.mark.parametrize("name", ["$LIB", "${ORIGIN} [x]", "back\\slash é"])
def test_the_cache_folder_may_have_any_name(tmp_path, cache, monkeypatch, name):
    """The system's loader has words of its own for `$LIB` and `$ORIGIN`."""
    monkeypatch.setenv("NNGUIDE_CACHE", str(tmp_path / name))
    source = tmp_path / "nothing.cc"
    source.write_text("int nothing;\n")
    assert compiled.lacking(source, ()) == ""
    assert len(list((tmp_path / name / "kernels").glob("nothing-*.so"))) == 1
