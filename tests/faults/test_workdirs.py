"""Workdirs in bad surroundings: one line, or it works. (A second run:
test_interruptions.py; another config: tests/experiments/test_launcher.py.)"""

import contextlib
import errno
import os
import tempfile
import time
from pathlib import Path

import pytest
import toy
from absl import logging as absl_logging

from experiments import border, launcher
from experiments.workdir import LOCK, _locks
from nnguide.config import InputError, cache_folder


def test_a_workdir_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    config = launcher.Common(workdir=str(tmp_path / "file/run"))
    with pytest.raises(InputError, match=r"cannot be written \(Not a directory\)"):
        launcher.open_workdir("toy", config)
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs Linux's /proc")
def test_a_workdir_where_nothing_can_be_made_is_refused():
    with pytest.raises(InputError, match="--workdir=/proc/run: cannot be written"):
        launcher.open_workdir("toy", launcher.Common(workdir="/proc/run"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_workdir_without_permission_is_refused(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match=r"cannot be written \(Permission denied\)"):
        launcher.open_workdir("toy", launcher.Common(workdir=str(tmp_path / "run")))
    tmp_path.chmod(0o700)


@contextlib.contextmanager
def another_user():
    """A folder that all may enter; in it, this process has the rights of nobody."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)

        @contextlib.contextmanager
        def as_nobody():
            os.seteuid(65534)
            try:
                yield
            finally:
                os.seteuid(0)

        yield Path(folder), as_nobody


def test_a_run_on_read_only_storage_gets_a_twin_that_can_be_written(
    monkeypatch, capsys
):
    with another_user() as (folder, as_nobody):
        run, cache = folder / "run", folder / "cache"
        trained = toy.fit(launcher.open_workdir("toy", launcher.Common(str(run))))
        (run / "figures").mkdir()
        (run / "figures/old.png").write_bytes(b"old")
        before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
        os.close(_locks.pop(run / LOCK))
        cache.mkdir()
        cache.chmod(0o777)
        monkeypatch.setenv("NNGUIDE_CACHE", str(cache))
        with as_nobody():
            twin = launcher.open_workdir("toy", launcher.Common(str(run)))
            assert twin.is_relative_to(cache)
            assert f"{run}: read-only; new pictures and results: {twin}" in (
                capsys.readouterr().err
            )
            again = toy.fit(twin)
            (twin / "figures/old.png").write_bytes(b"new")
            assert launcher.open_workdir("toy", launcher.Common(str(run))) == twin
        assert before == {path: path.stat().st_mtime_ns for path in run.rglob("*")}
        assert again.history == trained.history
        assert toy.gap(again.state.params, trained.state.params) == 0
        assert (twin / "figures/old.png").read_bytes() == b"new"  # what was drawn there
        (run / "figures/old.png").write_bytes(b"newer")
        later = time.time() + 10
        os.utime(run / "figures/old.png", (later, later))
        with as_nobody():
            launcher.open_workdir("toy", launcher.Common(str(run)))
        assert (twin / "figures/old.png").read_bytes() == b"newer"


def test_a_new_run_in_a_folder_of_another_user_is_refused():
    with another_user() as (folder, as_nobody), as_nobody():
        config = launcher.Common(workdir=str(folder / "run"))
        with pytest.raises(
            InputError, match=r"cannot be written \(Permission denied\)"
        ):
            launcher.open_workdir("toy", config)


def test_a_folder_that_may_not_be_entered_is_one_line(capsys):
    with another_user() as (folder, as_nobody):
        (folder / "closed").mkdir(mode=0o700)
        with as_nobody(), pytest.raises(SystemExit), border.one_line_errors():
            launcher.open_workdir("toy", launcher.Common(str(folder / "closed/run")))
        said = capsys.readouterr().err
        assert "closed/run" in said
        assert "Permission denied; name a place" in said
        assert said.count("\n") == 1


def test_restart_keeps_a_workdir_that_is_a_link(tmp_path):
    link, real = tmp_path / "link", tmp_path / "real"
    link.symlink_to(real)  # to a folder that is yet to come
    launcher.open_workdir("toy", launcher.Common(workdir=str(link)))
    (real / "kept").write_text("work")
    launcher.open_workdir("toy", launcher.Common(workdir=str(link), restart=True))
    assert (tmp_path / "real.replaced-1/kept").read_text() == "work"
    assert link.is_symlink()
    assert [path.name for path in real.iterdir()] == [LOCK, "config.json"]


@pytest.mark.parametrize(
    ("workdir", "says"),
    [
        ("gs://bucket/run", "not a folder of this machine; mount the bucket"),
        ("~nobody-of-this-name/run", "no home folder is known for it"),
        ("/tmp/" + "deep/" * 800, "longer than 3,584 bytes"),
    ],
)
def test_a_workdir_that_cannot_be_is_refused(workdir, says):
    with pytest.raises(InputError, match=says):
        launcher.open_workdir("toy", launcher.Common(workdir=workdir))


def test_a_name_that_is_too_long_is_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit), border.one_line_errors():
        launcher.open_workdir("toy", launcher.Common(str(tmp_path / ("x" * 300))))
    assert "File name too long; give a shorter path." in capsys.readouterr().err


def test_a_name_that_needs_a_link_is_refused_where_none_can_be_made(
    tmp_path, monkeypatch
):
    (tmp_path / "[tmp]").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "[tmp]"))
    with pytest.raises(InputError, match=r"\[tmp\]: the folder of temporary.*TMPDIR"):
        launcher.open_workdir("toy", launcher.Common(str(tmp_path / "[run]")))
    assert [path.name for path in tmp_path.iterdir()] == ["[tmp]"]


def test_without_a_home_the_cache_has_to_be_named(monkeypatch, tmp_path):
    for name in ("HOME", "XDG_CACHE_HOME", "NNGUIDE_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", dict[int, str]().__getitem__)
    with pytest.raises(InputError, match=r"no home folder is known.*NNGUIDE_CACHE"):
        cache_folder()
    monkeypatch.setenv("NNGUIDE_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path


def test_storage_without_locks_is_told_and_used(tmp_path, monkeypatch, caplog):
    def no_locks(*arguments):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", no_locks)
    absl_logging.use_absl_handler()
    with caplog.at_level("WARNING"):
        launcher.open_workdir("toy", launcher.Common(str(tmp_path / "run")))
    assert "cannot be locked (No locks available); start no second" in caplog.text
