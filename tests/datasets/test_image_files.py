"""One scene in every kind of file: what is read are the values of the scene."""

import io
import struct
import sys
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageDraw

from gancourse.datasets import bit_depth, folder, image_notes, images, lowres, photos, two_domains
from gancourse.errors import CourseError

W, H = 64, 48


def scene(width=W, height=H, colour=(200, 60, 40)) -> Image.Image:
    """A coloured disc on a gradient that falls from upper left to lower right."""
    y, x = np.mgrid[:height, :width]
    base = (220 - 80 * (x / (width - 1) + y / (height - 1))).astype(np.uint8)
    image = Image.fromarray(np.stack([base] * 3, 2))
    box = (0.3 * width, 0.3 * height, 0.7 * width, 0.7 * height)
    ImageDraw.Draw(image).ellipse(box, fill=colour)
    return image


RGB = np.asarray(scene()).astype(int)
GREY = np.asarray(scene().convert("L")).astype(int)


def off(path, expected, **options) -> float:
    """The largest difference from the expected values."""
    found = np.asarray(images.read(path, **options)).astype(int)
    if found.ndim > expected.ndim:
        expected = np.broadcast_to(expected[..., None], found.shape)
    assert found.shape == expected.shape
    return np.abs(found - expected).max()


def png(values: np.ndarray, kind: int) -> bytes:
    """16 bits per channel; `kind` 0 is grey, 2 is RGB, 6 is RGBA."""

    def chunk(name: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + data))
        return struct.pack(">I", len(data)) + name + data + check

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, kind, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (GREY.astype(np.uint16) * 257, ""),
        (GREY.astype(np.uint16) * 16, "in 16 bits: read as 12-bit images"),
        (GREY.astype(np.uint16) * 4, "10-bit"),
        (GREY.astype(np.uint16) * 64, "14-bit"),
        (GREY.astype(np.uint16), "8-bit"),
        (GREY.astype(np.int16), "signed 16 bits: read as 8-bit"),
        (GREY.astype(np.int16) * 16, "12-bit"),
        (GREY.astype(np.int16) * 128, "15-bit"),
        (GREY.astype(np.int32) * 16, "12-bit"),
        (GREY.astype(np.int32) * 257, "16-bit"),
        (GREY.astype(np.uint32) * 2**24, "32-bit"),
        ((GREY * 257 - 2**15).astype(np.int16), "-32768 (black) to 32767"),
        ((GREY / 255).astype(np.float32), "0 (black) to 1 (white)"),
        ((GREY / 127.5 - 1).astype(np.float32), "-1 (black) to 1 (white)"),
        (GREY.astype(np.float32), "0 (black) to 255"),
        ((GREY * 257).astype(np.float32), "0 (black) to 65535"),
        (GREY / 255, "0 (black) to 1"),
        ((GREY / 255).astype(np.float16), "0 (black) to 1"),
        (RGB / 255, "0 (black) to 1"),
        ((RGB / 255).astype(np.float32).transpose(2, 0, 1), "0 (black) to 1"),
        (RGB.astype(np.uint16) * 257, ""),
        (RGB.astype(np.uint16) * 16, "12-bit"),
    ],
    ids=lambda x: f"{x.dtype} {x.ndim}" if isinstance(x, np.ndarray) else x.replace(" ", "_"),
)
def test_a_tiff_of_more_than_8_bits_has_the_values_of_the_scene(values, said, tmp_path, capsys):
    options = {"planarconfig": "separate"} if values.shape[0] == 3 else {}
    kind = "rgb" if values.ndim == 3 else "minisblack"
    tifffile.imwrite(tmp_path / "a.tif", values, photometric=kind, **options)
    assert off(tmp_path / "a.tif", RGB if values.ndim == 3 else GREY) <= 1
    out = capsys.readouterr().out
    assert (said in out and out.startswith("NOTICE: a.tif holds values")) if said else not out
    assert out.count("\n") == bool(said)


def test_other_ranges_go_from_the_least_to_the_greatest_value(tmp_path, capsys):
    standardized = (GREY / 255 - 0.45) / 0.22
    for values in (GREY * 10 - 1000, GREY * 1000, standardized):
        least = values.min() if values.min() < 0 else 0
        most = values.max()
        kind = np.float32 if values.dtype == float else np.int32
        Image.fromarray(values.astype(kind)).save(tmp_path / "a.tif")
        assert off(tmp_path / "a.tif", (values - least) / (most - least) * 255) <= 1
        assert f"{float(least):.6g} (black) to {most:.6g} (white)" in capsys.readouterr().out


def test_not_a_number_is_black_and_no_part_of_the_range(tmp_path):
    values = (GREY / 255).astype(np.float32)
    values[0, :3] = np.nan, np.inf, -np.inf
    Image.fromarray(values).save(tmp_path / "a.tif")
    expected = GREY.copy()
    expected[0, :3] = 0, 255, 0
    assert off(tmp_path / "a.tif", expected) <= 1


def test_16_bit_png_and_pgm(tmp_path, capsys):
    for n, (values, kind) in enumerate(((GREY, 0), (RGB, 2))):
        (tmp_path / "a.png").write_bytes(png(values * 257, kind))
        assert off(tmp_path / "a.png", (GREY, RGB)[n]) <= 1
    alpha = np.dstack([RGB * 257, np.where(np.arange(W) < 9, 0, 65535) + 0 * GREY])
    (tmp_path / "b.png").write_bytes(png(alpha, 6))
    expected = RGB.copy()
    expected[:, :9] = 255
    assert off(tmp_path / "b.png", expected) <= 1
    (tmp_path / "c.pgm").write_bytes(b"P5\n64 48\n4095\n" + (GREY * 16).astype(">u2").tobytes())
    assert off(tmp_path / "c.pgm", GREY) <= 1
    (tmp_path / "d.png").write_bytes(png(GREY * 16, 0))
    capsys.readouterr()
    assert off(tmp_path / "d.png", GREY) <= 1
    assert "read as 12-bit images" in capsys.readouterr().out


def test_a_tiff_whose_zero_is_white(tmp_path):
    values = (65535 - GREY * 257).astype(np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", values, photometric="miniswhite")
    assert off(tmp_path / "a.tif", GREY) <= 1


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_the_range_of_a_folder_is_one_for_all_its_files(tmp_path, suffix, capsys):
    """A dark image stays dark beside a bright one; the test part shares the range."""
    for n, scale in enumerate((1, 4, 16)):
        Image.fromarray((GREY * scale).astype(np.uint16)).save(tmp_path / f"{n}{suffix}")
    found = folder.load(tmp_path, 32, device="cpu").images[:, 0].float().mean((1, 2))
    assert np.allclose(found, GREY[:, 8:56].mean() * np.array([1 / 16, 1 / 4, 1]), atol=1.5)
    out = capsys.readouterr().out
    assert out.count("12-bit") == 1 and "NOTICE: 3 files hold values 60..3520" in out
    one = folder.load(tmp_path, 32, limit=1, device="cpu").images
    assert one.float().mean().item() == pytest.approx(float(found[0]), abs=0.1)
    for n, part in enumerate(("train", "test")):
        (tmp_path / "parts" / part).mkdir(parents=True)
        Image.fromarray((GREY * 4 ** (n + 1)).astype(np.uint16)).save(
            tmp_path / "parts" / part / f"a{suffix}"
        )
    dark, bright = (
        folder.load(tmp_path / "parts", 32, split=part, device="cpu").images.float().mean()
        for part in ("train", "test")
    )
    assert bright / dark == pytest.approx(4, abs=0.2)


def test_two_domains_and_pairs_have_one_range_too(tmp_path, capsys):
    for name, scale in (("day", 64), ("night", 8)):
        (tmp_path / name).mkdir()
        for n in range(3):
            values = (GREY * scale + n).astype(np.uint16)
            Image.fromarray(values).save(tmp_path / name / f"{n}.png")
    found = two_domains.of_folder(tmp_path, 16, device="cpu")
    assert found.x.float().mean() / found.y.float().mean() == pytest.approx(8, abs=0.3)
    assert capsys.readouterr().out.count("6 files hold values") == 1
    pairs = lowres.load_folder(tmp_path)
    assert pairs["night/0"][1].max() <= GREY.max() / 8 + 1
    assert capsys.readouterr().out.count("NOTICE") == 1


def test_dark_files_beside_one_of_the_full_range_are_reported(tmp_path, capsys):
    for n, scale in enumerate((16, 16, 257)):
        Image.fromarray((GREY * scale).astype(np.uint16)).save(tmp_path / f"{n}.png")
    folder.load(tmp_path, 32, device="cpu")
    assert "2 of 3 files of 16 bits stay below 4096" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("mode", "file", "tolerance"),
    [
        ("RGB", "a.png", 0),
        ("RGB", "a.bmp", 0),
        ("RGB", "a.ppm", 0),
        ("RGB", "a.tga", 0),
        ("RGB", "a.webp", 70),
        ("RGB", "a.avif", 60),
        ("RGB", "a.jpg", 60),
        ("CMYK", "a.tif", 2),
        ("LAB", "a.tif", 4),
        ("YCbCr", "a.tif", 4),
        ("RGBA", "a.bmp", 0),
        ("RGBX", "a.tif", 0),
        ("P", "a.png", 8),
        ("P", "a.gif", 8),
    ],
)
def test_kinds_of_colour(mode, file, tolerance, tmp_path, capsys):
    drawn = scene().convert("RGB").quantize(256) if mode == "P" else scene().convert(mode)
    drawn.save(tmp_path / file)
    found = np.asarray(images.read(tmp_path / file)).astype(int)
    assert off(tmp_path / file, RGB) <= tolerance and np.abs(found - RGB).mean() < 4
    assert not capsys.readouterr().out


@pytest.mark.parametrize("mode", ["1", "L", "LA"])
def test_kinds_of_grey(mode, tmp_path):
    scene().convert(mode).save(tmp_path / "a.png")
    expected = np.asarray(scene().convert("1")) * 255 if mode == "1" else GREY
    assert off(tmp_path / "a.png", expected) == 0
    assert off(tmp_path / "a.png", expected, mode="L") == 0
    assert images.read(tmp_path / "a.png", "L").mode == "L"


def test_cmyk_jpeg_with_adobes_marker_is_not_inverted(tmp_path):
    scene().convert("CMYK").save(tmp_path / "a.jpg", quality=100)
    assert b"Adobe" in (tmp_path / "a.jpg").read_bytes()[:200]
    found = np.asarray(images.read(tmp_path / "a.jpg")).astype(int)
    assert np.abs(found - RGB).mean() < 2


def clear(mode: str) -> Image.Image:
    """The scene with its first 20 columns transparent, and black there."""
    pixels = np.asarray(scene().convert("RGBA")).copy()
    pixels[:, :20] = 0
    image = Image.fromarray(pixels)
    return image.convert("LA") if mode == "LA" else image


@pytest.mark.parametrize(
    ("mode", "file"), [("RGBA", "a.png"), ("LA", "a.png"), ("RGBA", "a.webp"), ("RGBA", "a.tif")]
)
def test_transparency_is_white_and_said(mode, file, tmp_path, capsys):
    clear(mode).save(tmp_path / file, **({"lossless": True} if file.endswith("webp") else {}))
    expected = (RGB if mode == "RGBA" else GREY).copy()
    expected[:, :20] = 255
    assert off(tmp_path / file, expected) <= 1
    assert "transparent in places: read over white" in capsys.readouterr().out


def test_half_transparent_is_mixed_with_white(tmp_path):
    image = scene()
    image.putalpha(128)
    image.save(tmp_path / "a.png")
    assert off(tmp_path / "a.png", (RGB * 128 + 255 * 127) / 255) <= 1


def test_transparent_palettes_and_colour_keys(tmp_path):
    palette = Image.fromarray((np.arange(W) >= 20).astype(np.uint8) + np.zeros((H, 1), np.uint8))
    palette = palette.convert("P")
    palette.putpalette([9, 9, 9, 200, 60, 40])
    expected = np.full((H, W, 3), (200, 60, 40))
    expected[:, :20] = 255
    palette.save(tmp_path / "key.png", transparency=0)
    palette.save(tmp_path / "bytes.png", transparency=bytes([0, 255]))
    palette.save(tmp_path / "a.gif", transparency=0)
    palette.convert("RGB").save(tmp_path / "rgb.png", transparency=(9, 9, 9))
    for name in ("key.png", "bytes.png", "a.gif", "rgb.png"):
        assert off(tmp_path / name, expected) == 0, name


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tif", "deep.tif", "float64.tif"])
def test_a_cameras_rotation_is_applied(orientation, kind, tmp_path):
    back = {6: 8, 8: 6}.get(orientation, orientation)
    stored = np.asarray(scene())
    if back in images.UPRIGHT:
        stored = np.asarray(scene().transpose(images.UPRIGHT[back]))
    exif, path = Image.Exif(), tmp_path / f"a.{kind}"
    exif[0x0112] = orientation
    if kind in ("deep.tif", "float64.tif"):
        values = stored.astype(np.uint16) * 257 if kind == "deep.tif" else stored / 255
        tag = [(0x0112, "H", 1, orientation, True)]
        tifffile.imwrite(path, values, photometric="rgb", extratags=tag)
    else:
        options = {"quality": 100} if kind == "jpg" else {"lossless": True}
        Image.fromarray(stored).save(path, exif=exif, **({} if kind == "tif" else options))
    found = np.asarray(images.read(path)).astype(int)
    assert found.shape == RGB.shape and np.abs(found - RGB).mean() < 2


def test_damaged_metadata_do_not_hide_an_image(tmp_path):
    scene().save(tmp_path / "a.jpg", exif=b"Exif\0\0II*\0" + b"\xff" * 30, quality=100)
    scene().save(tmp_path / "b.png", icc_profile=b"no profile")
    assert off(tmp_path / "a.jpg", RGB) <= 60
    assert off(tmp_path / "b.png", RGB) == 0


def profile(primaries: str, gamma: float = 1.0, space: bytes = b"RGB ") -> bytes:
    """An ICC profile with the primaries of sRGB in another order, or of grey, and a gamma."""
    xyz = {
        "R": (0.43607, 0.22249, 0.01392),
        "G": (0.38515, 0.71687, 0.09708),
        "B": (0.14307, 0.06061, 0.71410),
    }

    def fixed(*numbers: float) -> bytes:
        return b"".join(struct.pack(">i", round(number * 65536)) for number in numbers)

    curve = b"curv\0\0\0\0" + struct.pack(">IHH", 1, round(gamma * 256), 0)
    name = b"course test\0"
    text = b"desc\0\0\0\0" + struct.pack(">I", len(name)) + name + bytes(78)
    tags = {b"desc": text, b"cprt": b"text\0\0\0\0none\0"}
    tags[b"wtpt"] = b"XYZ \0\0\0\0" + fixed(0.9642, 1.0, 0.8249)
    if space == b"RGB ":
        for tag, primary in zip("rgb", primaries, strict=True):
            tags[f"{tag}XYZ".encode()] = b"XYZ \0\0\0\0" + fixed(*xyz[primary])
            tags[f"{tag}TRC".encode()] = curve
    else:
        tags[b"kTRC"] = curve
    start, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for tag, data in tags.items():
        data += bytes(-len(data) % 4)
        table += tag + struct.pack(">II", start + len(body), len(data))
        body += data
    rest = struct.pack(">I", len(tags)) + table + body
    head = struct.pack(
        ">I4sI4s4s4s", 128 + len(rest), bytes(4), 0x02100000, b"mntr", space, b"XYZ "
    )
    head += struct.pack(">6H4s", 2024, 1, 1, 0, 0, 0, b"acsp") + bytes(28)
    return head + fixed(0.9642, 1.0, 0.8249) + bytes(48) + rest


def encoded(linear: np.ndarray) -> np.ndarray:
    """The formula of sRGB, from light in [0, 1] to 0..255."""
    low, high = 12.92 * linear, 1.055 * np.maximum(linear, 1e-9) ** (1 / 2.4) - 0.055
    return 255 * np.where(linear <= 0.0031308, low, high)


@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_a_colour_profile_is_converted_to_srgb(suffix, tmp_path):
    options = {"lossless": True} if suffix == "webp" else {}
    scene().save(tmp_path / f"a.{suffix}", icc_profile=profile("BGR"), **options)
    expected = encoded(RGB[..., ::-1] / 255)  # linear light, with red and blue exchanged
    assert off(tmp_path / f"a.{suffix}", expected) <= 3
    assert off(tmp_path / f"a.{suffix}", RGB, to_srgb=False) == 0


def test_profiles_with_transparency_in_grey_and_of_16_bits(tmp_path):
    clear("RGBA").save(tmp_path / "a.png", icc_profile=profile("RGB"))
    expected = encoded(RGB / 255)
    expected[:, :20] = 255
    assert off(tmp_path / "a.png", expected) <= 3
    grey = profile("", space=b"GRAY")
    scene().convert("L").save(tmp_path / "b.png", icc_profile=grey)
    assert off(tmp_path / "b.png", encoded(GREY / 255)) <= 3
    deep = Image.fromarray((GREY * 257).astype(np.uint16))
    deep.save(tmp_path / "c.tif", icc_profile=grey)
    assert off(tmp_path / "c.tif", encoded(GREY / 255)) <= 3
    scene().save(tmp_path / "d.png", icc_profile=grey)  # of another kind of image
    assert off(tmp_path / "d.png", RGB) == 0


def test_embedded_photos_keep_the_stored_numbers():
    """The rocket is in Adobe RGB; the notebooks' results were measured with these numbers."""
    stored = np.asarray(Image.open(photos._path("rocket")))
    assert np.array_equal(photos.load(["rocket"])["rocket"][0].permute(1, 2, 0).numpy(), stored)
    shown = photos.read(photos._path("rocket"))[0].permute(1, 2, 0).numpy()
    assert 1 < np.abs(shown.astype(int) - stored).mean() < 20


@pytest.mark.parametrize("file", ["a.gif", "a.webp", "a.tif", "a.png"])
def test_of_several_frames_the_first_is_read_and_said(file, tmp_path, capsys):
    frames = [scene(colour=(40 * n, 200 - 40 * n, 90)) for n in range(4)]
    frames[0].save(tmp_path / file, save_all=True, append_images=frames[1:])
    found = np.asarray(images.read(tmp_path / file)).astype(int)
    assert np.abs(found - np.asarray(frames[0]).astype(int)).mean() < 4
    assert capsys.readouterr().out == f"NOTICE: {file} has several frames: only the first is read\n"


def test_a_large_jpeg_is_decoded_at_a_fraction_of_its_size(tmp_path):
    scene(800, 600).save(tmp_path / "a.jpg", quality=95)
    image = images.read(tmp_path / "a.jpg", side=32)
    assert image.size == (100, 75)
    small = np.asarray(scene(800, 600).resize((100, 75), Image.Resampling.BOX)).astype(int)
    assert np.abs(np.asarray(image) - small).mean() < 3


@pytest.mark.parametrize(("size", "inner"), [((90, 30), (30, 10)), ((30, 90), (10, 30))])
def test_fits(size, inner):
    stripes = np.zeros((*size[::-1], 3), np.uint8)
    third = [slice(None), slice(None)]
    third[int(size[0] > size[1])] = slice(30, 60)
    stripes[tuple(third)] = 120
    image = Image.fromarray(stripes)
    assert (images.square(image, 30) == 120).all()  # the middle third
    padded = images.square(image, 30, "pad").astype(int)
    rows, columns = (30 - inner[1]) // 2, (30 - inner[0]) // 2
    assert (padded[:rows, :] == 255).all() and (padded[:, :columns] == 255).all()
    middle = padded[rows : rows + inner[1], columns : columns + inner[0]]
    assert middle.shape == (*inner[::-1], 3) and abs(middle.mean() - 40) < 1
    stretched = images.square(image, 30, "stretch").astype(int)
    assert abs(stretched.mean() - 40) < 1 and stretched[15, 15].tolist() == [120] * 3


def test_padding_the_longest_line_leaves_a_pixel():
    line = images.square(Image.new("RGB", (1000, 2)), 16, "pad")
    assert (line.min(axis=(1, 2)) == 0).sum() == 1 and line.shape == (16, 16, 3)


HEIC = b"\0\0\0\x18ftypheic" + bytes(64)


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("a.heic", HEIC, "pip install pillow-heif"),
        ("a.jpg", HEIC, "pip install pillow-heif"),
        ("a.png", b"", "empty"),
        ("a.jpg", b"<!DOCTYPE html><p>quota exceeded", "a web page"),
        ("a.svg", b'<?xml version="1.0"?><svg xmlns="a">', "Export it as PNG"),
        ("a.nef", b"MM\0*" + bytes(100), "Export it as JPEG"),
        ("a.png", b"no image at all", "finds no image"),
        ("a.tif", b"II*\0" + bytes(100), "The error is"),
    ],
)
def test_what_a_file_is_instead_and_what_to_do(file, content, said, tmp_path, capsys):
    (tmp_path / file).write_bytes(content)
    with pytest.raises(CourseError, match="can't be read as an image") as caught:
        images.read(tmp_path / file)
    assert said in str(caught.value) and caught.value.do
    scene().save(tmp_path / "good.png")
    assert len(folder.load(tmp_path, 16, device="cpu")) == 1
    if "finds" not in said and "error" not in said:
        assert said in capsys.readouterr().out


def test_heif_is_registered_if_its_package_is_installed(monkeypatch):
    calls = []
    plugin = SimpleNamespace(register_heif_opener=lambda: calls.append(1))
    monkeypatch.setitem(sys.modules, "pillow_heif", plugin)
    monkeypatch.setattr(bit_depth, "find_spec", lambda name: name == "pillow_heif")
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)
    bit_depth.plugins()
    assert calls == [1]


def test_a_survey_leaves_8_bit_files_alone(tmp_path, monkeypatch):
    (tmp_path / "a.jpg").touch()
    scene().save(tmp_path / "b.png")
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    notes = image_notes.survey([tmp_path / "a.jpg", tmp_path / "b.png", tmp_path / "none.png"])
    assert notes.ranges == {}


def test_a_tiff_too_large_for_memory_is_refused(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "a.tif", GREY / 255, photometric="minisblack")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(CourseError, match="million pixels"):
        images.read(tmp_path / "a.tif")


def test_an_image_in_memory_equals_the_file(tmp_path):
    """`photos.read` and `folder.load` read the same numbers."""
    stored = io.BytesIO()
    scene(48, 48).save(stored, "JPEG", quality=95)
    (tmp_path / "a").write_bytes(stored.getvalue())
    one = photos.read(tmp_path / "a")
    assert one.equal(folder.load(tmp_path, 48, device="cpu").images)
    assert np.array_equal(one[0].permute(1, 2, 0), np.asarray(Image.open(stored)))
