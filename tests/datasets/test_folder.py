import numpy as np
import pytest
import torch
from PIL import Image

from gancourse.datasets import folder
from gancourse.errors import CourseError


def save(path, colour, mode="RGB", size=(40, 30), **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path, **options)


def load(path, size=16, **options):
    return folder.load(path, size, device="cpu", **options)


def test_folder_of_pictures_becomes_bytes(tmp_path):
    save(tmp_path / "b.png", (0, 255, 0))
    save(tmp_path / "a.JPG", (255, 0, 0), format="JPEG", quality=100)
    (tmp_path / "notes.txt").write_text("not a picture, and no word about it")
    save(tmp_path / ".hidden.png", (9, 9, 9))
    pictures = load(tmp_path)
    assert pictures.images.shape == (2, 3, 16, 16) and pictures.images.dtype == torch.uint8
    assert pictures.images.is_contiguous()
    assert pictures.images[0, 0].min() > 250 and pictures.images[1, 1].min() == 255
    assert pictures.labels is None and pictures.classes == () and pictures.skipped == ()


def test_subfolders_are_classes(tmp_path):
    for name in ("zebra", "ant"):
        for i in range(3):
            save(tmp_path / name / "deeper" / f"{i}.png", (i, i, i))
    pictures = load(tmp_path)
    assert pictures.classes == ("ant", "zebra")
    assert pictures.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert load(tmp_path, limit=2).labels.tolist() == [0, 1]  # spread over the folder


def test_the_central_square_is_kept(tmp_path):
    stripes = np.zeros((20, 60, 3), np.uint8)
    stripes[:, 20:40] = 255
    Image.fromarray(stripes).save(tmp_path / "wide.png")
    assert load(tmp_path, size=20).images.min() == 255


def test_a_cameras_turn_is_undone(tmp_path):
    upright = np.zeros((32, 32, 3), np.uint8)
    upright[:16] = 255  # sky above
    turned = Image.fromarray(np.rot90(upright).copy())
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn by 90 degrees to the right to see it upright"
    turned.save(tmp_path / "a.jpg", exif=exif, quality=100)
    image = load(tmp_path, size=32).images[0, 0]
    assert image[:14].min() > 240 and image[18:].max() < 15


def test_transparency_becomes_white(tmp_path):
    save(tmp_path / "clear.png", (0, 0, 0, 0), "RGBA")
    save(tmp_path / "grey_clear.png", (0, 0), "LA")
    palette = Image.new("P", (30, 30), 0)
    palette.save(tmp_path / "palette.png", transparency=0)
    assert load(tmp_path).images.min() == 255


def test_grey_and_16_bit_become_rgb_and_colour_becomes_grey(tmp_path):
    save(tmp_path / "grey.png", 100, "L")
    Image.fromarray(np.full((30, 30), 100 * 256, np.uint16)).save(tmp_path / "deep.png")
    save(tmp_path / "cmyk.jpg", (0, 0, 0, 155), "CMYK")
    assert (load(tmp_path).images.float() - 100).abs().max() <= 2
    assert load(tmp_path, channels=1).images.shape == (3, 1, 16, 16)


def test_unreadable_pictures_are_skipped_and_named(tmp_path, capsys):
    save(tmp_path / "good.png", (1, 2, 3))
    (tmp_path / "page.jpg").write_text("<html>not a picture</html>")
    whole = (tmp_path / "good.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.gif").touch()
    pictures = load(tmp_path)
    assert len(pictures) == 1
    assert {p.name for p in pictures.skipped} == {"page.jpg", "cut.png", "empty.gif"}
    notice = capsys.readouterr().out
    assert "3 of 4" in notice and "page.jpg" in notice


@pytest.mark.parametrize("what", ["missing", "a file", "empty", "all bad"])
def test_nothing_to_read_is_an_error_that_says_why(tmp_path, what):
    path = tmp_path / "pictures"
    if what == "a file":
        path.touch()
    elif what != "missing":
        path.mkdir()
    if what == "all bad":
        (path / "a.png").write_bytes(b"no")
    with pytest.raises(CourseError, match="pictures") as caught:
        load(path)
    assert caught.value.why and caught.value.do


@pytest.mark.parametrize("wrong", [{"size": 0}, {"limit": 0}, {"channels": 4}])
def test_senseless_arguments_are_refused(tmp_path, wrong):
    with pytest.raises(ValueError, match="channels is 1 or 3"):
        load(tmp_path, **wrong)
