"""Every loader of images, under every kind of file that is not one."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from gancourse.datasets import folder, lowres, photos, two_domains
from gancourse.errors import CourseError


def encoded(kind: str, size: tuple[int, int] = (40, 36)) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def png_of(width: int, height: int) -> bytes:
    """A PNG that says that it is so large, with nearly nothing in it."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + head + data + chunk(b"IEND", b"")


def changed(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 255]) + data[middle + 1 :]


def bad_images() -> dict[str, bytes]:
    """By file name."""
    png, jpeg, gif, tiff, bmp = map(encoded, ("PNG", "JPEG", "GIF", "TIFF", "BMP"))
    return {
        "nothing.png": b"",
        "a_page.jpg": b"<html>404 Not Found</html>",
        "signature_only.png": png[:8],
        "cut_in_head.png": png[:20],
        "cut.png": png[: len(png) // 2],
        "cut.jpg": jpeg[: len(jpeg) // 2],
        "cut_at_the_end.jpg": jpeg[:-20],
        "cut.gif": gif[:40],
        "cut.tif": tiff[:300],
        "cut.bmp": bmp[:60],
        "one_byte_changed.png": changed(png),
        "no_pixels.png": png_of(0, 0),
        "bomb.png": png_of(60_000, 60_000),
        "bytes.tiff": np.random.default_rng(1).bytes(500),
        "bytes.webp": b"RIFF" + np.random.default_rng(2).bytes(200),
        "head_of.gif": b"GIF89a" + np.random.default_rng(3).bytes(100),
        "head_of.jpeg": b"\xff\xd8\xff\xe0" + np.random.default_rng(4).bytes(500),
        "cut.ppm": b"P6\n10 10\n255\n" + b"1" * 20,
        "no_number.ppm": b"P6\nabc",
        "negative.pgm": b"P5\n-1 10\n255\n",
    }


BAD = bad_images()


@pytest.fixture(params=BAD)
def place(request, tmp_path):
    """A folder with one good image and a bad one; returns both paths."""
    good, bad = tmp_path / "good.png", tmp_path / request.param
    good.write_bytes(encoded("PNG"))
    bad.write_bytes(BAD[request.param])
    return good, bad


def test_a_bad_image_among_good_ones_is_skipped_and_named(place, capsys):
    good, bad = place
    found = folder.load(good.parent, 16, device="cpu")
    assert len(found) == 1 and found.skipped == (bad,)
    assert "1 of 2 files can't be read" in (notice := capsys.readouterr().out)
    assert bad.name in notice


def test_a_bad_image_that_was_asked_for_is_named_with_what_to_do(place):
    good, bad = place
    captions = good.parent / "captions.txt"
    captions.write_text(f"{good.name}\ta good one\n{bad.name}\ta bad one\n")
    for load in (
        lambda: photos.read(bad),
        lambda: folder.load_captioned(good.parent, captions, 16, device="cpu"),
    ):
        with pytest.raises(CourseError, match=bad.name) as caught:
            load()
        assert caught.value.why and caught.value.do


def test_a_bad_image_does_not_end_a_folder_of_pairs(place, capsys):
    good, bad = place
    assert set(lowres.load_folder(good.parent)) == {"good"}
    assert bad.name in capsys.readouterr().out
    good.unlink()
    with pytest.raises(CourseError, match="None of the 1 images") as caught:
        lowres.load_folder(bad.parent)
    assert bad.name in caught.value.why and caught.value.do


def test_two_domains_skip_bad_images_and_refuse_when_none_is_left(tmp_path, capsys):
    for name in ("summer", "winter"):
        (tmp_path / name).mkdir()
    with pytest.raises(CourseError, match="no image"):
        two_domains.of_folder(tmp_path, 8, device="cpu")
    for name in ("summer", "winter"):
        for file, content in BAD.items():
            (tmp_path / name / file).write_bytes(content)
    with pytest.raises(CourseError, match="None of the") as caught:
        two_domains.of_folder(tmp_path, 8, device="cpu")
    assert caught.value.do
    for name in ("summer", "winter"):
        for n in range(2):
            (tmp_path / name / f"good_{n}.png").write_bytes(encoded("PNG", (20, 20 + n)))
    found = two_domains.of_folder(tmp_path, 8, device="cpu")
    assert [len(p) for p in (found.x, found.y, found.test_x, found.test_y)] == [1, 1, 1, 1]
    assert f"{2 * len(BAD)} of {2 * len(BAD) + 4} files can't be read" in capsys.readouterr().out


def test_folders_and_links_that_are_named_like_images_are_none(tmp_path):
    (tmp_path / "folder.png").mkdir()
    os.symlink(tmp_path / "nowhere", tmp_path / "dead.png")
    with pytest.raises(CourseError, match="no image"):
        folder.load(tmp_path, 8)
    os.symlink(tmp_path, tmp_path / "round")  # a link into itself
    (tmp_path / "good.png").write_bytes(encoded("PNG"))
    assert len(folder.load(tmp_path, 8, device="cpu")) == 1
    with pytest.raises(CourseError, match="can't be read as an image"):
        photos.read(tmp_path / "folder.png")
