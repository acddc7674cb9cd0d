import os
import stat
from pathlib import Path

import pytest

from gancourse.grading.gradebook.files import open_to_others, private_folder, write_private


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_what_is_made_is_for_its_owner_only(tmp_path):
    folder = private_folder(tmp_path / "a" / "grades")
    write_private(folder / "x.csv", "é\r\n")
    assert (mode(folder), mode(folder / "x.csv")) == (0o700, 0o600)
    assert (folder / "x.csv").read_bytes() == b"\xc3\xa9\r\n" and not open_to_others(folder)


def test_a_file_of_a_wider_mode_is_narrowed_and_a_folder_is_not(tmp_path):
    (tmp_path / "x").write_text("old")
    (tmp_path / "x").chmod(0o644)
    write_private(tmp_path / "x", b"new")
    assert mode(tmp_path / "x") == 0o600 and (tmp_path / "x").read_text() == "new"
    tmp_path.chmod(0o750)
    assert mode(private_folder(tmp_path)) == 0o750 and open_to_others(tmp_path)
    tmp_path.chmod(0o700)


def test_a_link_is_replaced_and_not_followed(tmp_path):
    (tmp_path / "target").write_text("old")
    (tmp_path / "link").symlink_to("target")
    write_private(tmp_path / "link", "new")
    assert (tmp_path / "target").read_text() == "old" and not (tmp_path / "link").is_symlink()


def test_what_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    write_private(tmp_path / "x", "old")

    def full(*_):
        raise OSError(28, "full")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="full"):
        write_private(tmp_path / "x", "new")
    assert (tmp_path / "x").read_text() == "old" and os.listdir(tmp_path) == ["x"]


def test_a_name_of_many_bytes(tmp_path):
    name = "\U0001d4d9" * 60
    write_private(tmp_path / name, "x")
    assert os.listdir(tmp_path) == [name]
