"""Nothing is loaded from where others can write."""

import os
import pwd
from types import SimpleNamespace

import pytest

from nnguide import code_folder
from nnguide.config import InputError


@pytest.fixture
def folder(tmp_path):
    return code_folder.make(tmp_path / "cache" / "kernels")


@pytest.fixture
def permissive_umask():
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.mark.usefixtures("permissive_umask")
def test_what_is_made_is_the_users_own_whatever_the_umask(tmp_path):
    made = code_folder.make(tmp_path / "a" / "b")
    assert [path.stat().st_mode & 0o777 for path in (made, made.parent)] == [0o700] * 2
    assert code_folder.make(made) == made


@pytest.mark.parametrize("mode", [0o777, 0o775, 0o757, 0o1777])
def test_a_folder_that_others_can_write_is_refused_with_the_remedy(folder, mode):
    folder.chmod(mode)
    with pytest.raises(
        InputError, match=rf"mode {mode:o}.*chmod go-w {folder}, or set"
    ):
        code_folder.make(folder)


def test_a_parent_where_others_could_replace_the_folder_is_refused(folder):
    folder.parent.chmod(0o1777)  # as /tmp: none may rename another's folder
    code_folder.make(folder)
    folder.parent.chmod(0o777)
    with pytest.raises(InputError, match=rf"{folder.parent}: others may write to it"):
        code_folder.make(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_folder_of_another_user_is_refused_and_one_of_a_parents(folder):
    for path in (folder, folder.parent):
        os.chown(path, 12345, -1)
        with pytest.raises(InputError, match=rf"{path}: it belongs to user 12345"):
            code_folder.make(folder)
        os.chown(path, 0, -1)


def test_a_link_is_judged_by_where_it_leads(folder, tmp_path):
    (tmp_path / "link").symlink_to(folder)
    assert code_folder.make(tmp_path / "link") == folder
    folder.chmod(0o777)
    with pytest.raises(InputError, match=rf"^{folder}: others may write"):
        code_folder.make(tmp_path / "link")


@pytest.mark.parametrize("name", ["loop", "nowhere", "file/folder"])
def test_what_cannot_be_made_is_one_line(tmp_path, name):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "nowhere").symlink_to(tmp_path / "missing" / "too")
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="set NNGUIDE_CACHE to a folder of your own"):
        code_folder.make(tmp_path / name)


def test_a_users_private_group_may_write(folder, monkeypatch):
    """Debian and Fedora give each user a group, and a umask of 002."""
    user, members = pwd.getpwuid(os.geteuid()).pw_name, []
    group = SimpleNamespace(gr_name=user, gr_mem=members)
    monkeypatch.setattr(code_folder.grp, "getgrgid", lambda gid: group)
    os.chown(folder, -1, 4321) if os.geteuid() == 0 else None
    folder.chmod(0o775)
    code_folder.make(folder)
    members.append("somebody")
    with pytest.raises(InputError, match="others may write"):
        code_folder.make(folder)
