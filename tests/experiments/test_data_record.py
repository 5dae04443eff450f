"""data.json: the data a folder was made with, told from others by what they hold."""

import json

import pytest

from experiments import data_record, launcher
from nnguide.config import InputError

OLD, NEW = "0123456789abcdef" * 4, "fedcba9876543210" * 4


def opened(tmp_path, data, **fields):
    config = launcher.Common(workdir=str(tmp_path / "run"), **fields)
    return launcher.open_workdir("toy", config, data)


@pytest.mark.smoke
def test_other_data_under_the_same_command_are_refused_with_both_digests(tmp_path):
    workdir = opened(tmp_path, {"text": OLD})
    assert opened(tmp_path, {"text": OLD}) == workdir
    before = {path: path.read_bytes() for path in workdir.iterdir()}
    match = (
        r"run: made with other data \(text: sha256 0123456789abcdef there, sha256 "
        r"fedcba9876543210 now\); restore the old data, name another --workdir, or "
        r"--restart\.$"
    )
    with pytest.raises(InputError, match=match):
        opened(tmp_path, {"text": NEW}, figures=launcher.Figures("dark"))
    assert {path: path.read_bytes() for path in workdir.iterdir()} == before
    opened(tmp_path, {"text": NEW}, restart=True)
    assert json.loads((workdir / data_record.RECORD).read_text()) == {"text": NEW}


def test_a_folder_without_a_record_gets_one_and_further_data_are_added(tmp_path):
    workdir = opened(tmp_path, {})
    assert not (workdir / data_record.RECORD).exists()
    opened(tmp_path, {"text": OLD})
    opened(tmp_path, {"questions": NEW})
    kept = json.loads((workdir / data_record.RECORD).read_text())
    assert kept == {"text": OLD, "questions": NEW}
    with pytest.raises(InputError, match="text: sha256 0123"):
        opened(tmp_path, {"text": NEW, "questions": NEW})


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff"])
def test_a_record_that_is_none_is_named(tmp_path, content):
    (opened(tmp_path, {"text": OLD}) / data_record.RECORD).write_bytes(content)
    with pytest.raises(InputError, match=r"data\.json: not a record of data; delete"):
        opened(tmp_path, {"text": OLD})
