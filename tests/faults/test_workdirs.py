"""A workdir that cannot be written: one line. (A second run: test_interruptions.py;
another config: tests/experiments/test_launcher.py.)"""

import os
from pathlib import Path

import pytest

from experiments import launcher
from nnguide.config import InputError


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
