"""The lines of ``gancourse doctor`` about data; the others are tested in test_cli.py."""

import pytest

from gancourse import doctor
from gancourse.datasets import downloads
from gancourse.datasets.downloads import KNOWN, File, Source


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    """An empty data folder, and two sets of a file and an unpacked folder each."""
    monkeypatch.setenv("GANCOURSE_DATA", str(tmp_path))
    for name in list(KNOWN):
        monkeypatch.delitem(KNOWN, name)
    md5 = "md5:0cc175b9c0f1b6a831c399e269772661"  # of b"a"
    for name in ("first", "second"):
        files = (File("a.bin", 1, md5, ()), File("b.zip", 1, md5, (), "b", 2))
        source = Source(f"The {name.title()}", "bytes", "none", name, "nothing", files)
        monkeypatch.setitem(KNOWN, name, source)
    return tmp_path


def lines() -> list[str]:
    return [str(status) for status in doctor._data()]


def place(folder, *numbers: int) -> None:
    (folder / "b").mkdir(parents=True)
    (folder / "a.bin").write_bytes(b"a")
    for number in numbers:
        (folder / "b" / str(number)).touch()


def test_without_downloads_there_are_the_embedded_sets(data):
    first, second = lines()
    assert first.startswith("ok") and "photos: embedded; digits: embedded" in first
    assert f"downloaded sets in {data}: none" in second
    assert list(data.iterdir()) == [], "a check writes nothing"


def test_only_what_can_be_loaded_is_listed(data):
    place(data / "first", 1, 2)
    place(data / "second", 1)
    (data / "holiday").mkdir()
    _, incomplete, complete = lines()
    assert complete.endswith("The First (complete)") and "holiday" not in complete
    assert incomplete.startswith("note") and "-> gancourse fetch second" in incomplete
    assert f"The Second is incomplete: b missing in {data / 'second'}" in incomplete


def test_empty_folders_are_not_data(data):
    (data / "first").mkdir()
    (data / downloads.STAGING / "second").mkdir(parents=True)
    _, first, second, complete = lines()
    assert "The First is incomplete: a.bin, b missing" in first
    assert "-> gancourse fetch second" in second and ": none" in complete


def test_a_damaged_mnist_is_wrong_and_says_what_to_do(data):
    (data / "mnist").mkdir()
    (data / "mnist" / "train-images-idx3-ubyte").write_bytes(b"no idx")
    damaged, _ = lines()
    assert damaged.startswith("wrong") and "gancourse fetch mnist" in damaged
