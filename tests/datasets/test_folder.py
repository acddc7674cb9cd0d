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


def test_what_pillow_opens_is_tried_whatever_its_suffix(tmp_path, capsys):
    for name in ("a.JPG", "b.jpe", "c.jfif", "d", "e.xyz"):
        save(tmp_path / name, (200, 60, 40), format="JPEG", quality=100)
    for name in ("notes.txt", "data.csv", "x.npy", "clip.mp4", "data.zip", "Thumbs.db", "LICENSE"):
        (tmp_path / name).write_bytes(b"P5 is not an image here, nor GIF89a")
    save(tmp_path / "__MACOSX" / "._a.png", (1, 2, 3))
    save(tmp_path / ".ipynb_checkpoints" / "a-checkpoint.png", (1, 2, 3))
    found = load(tmp_path)
    assert len(found) == 5 and found.skipped == ()
    assert (found.images.float().mean((0, 2, 3)) - torch.tensor([200.0, 60, 40])).abs().max() < 3
    assert "can't be read" not in capsys.readouterr().out


def test_an_archive_that_is_not_unpacked_is_named(tmp_path):
    (tmp_path / "data.zip").write_bytes(b"PK\3\4" + bytes(40))
    with pytest.raises(CourseError, match="no image") as caught:
        load(tmp_path)
    assert "1 .zip" in caught.value.why and "Unpack" in caught.value.do


def test_names_are_in_natural_order(tmp_path):
    for k in range(1, 13):
        save(tmp_path / f"{k}.png", (k, k, k))
    assert load(tmp_path).images[:, 0, 0, 0].tolist() == list(range(1, 13))
    for k in (1, 2, 10):
        save(tmp_path / "classes" / str(k) / "a.png", (k, k, k))
    found = load(tmp_path / "classes")
    assert found.classes == ("1", "2", "10") and found.labels.tolist() == [0, 1, 2]


def test_images_that_are_not_square(tmp_path, capsys):
    stripes = np.zeros((20, 60, 3), np.uint8)
    stripes[:, 20:40] = 255
    Image.fromarray(stripes).save(tmp_path / "a.png")
    cropped = load(tmp_path, 20).images
    assert "1 image loses more than half (up to 67%)" in (out := capsys.readouterr().out)
    assert "fit='pad'" in out and cropped.min() == 255
    padded = load(tmp_path, 60, fit="pad").images[0, 0]
    assert padded[:20].min() == 255 and padded[20:40, :20].max() == 0
    assert load(tmp_path, 20, fit="stretch").images[0, 0, 10, :6].max() < 9
    assert "loses" not in capsys.readouterr().out
    with pytest.raises(ValueError, match="fit is one of crop, pad, stretch"):
        load(tmp_path, fit="squeeze")


def test_small_images_are_enlarged_and_lines_are_skipped(tmp_path, capsys):
    for name, size in (("a", (10, 12)), ("b", (1, 1)), ("c", (200, 1)), ("d", (50, 50))):
        save(tmp_path / f"{name}.png", (9, 9, 9), size=size)
    found = load(tmp_path, 32)
    out = capsys.readouterr().out
    assert len(found) == 2 and [p.name for p in found.skipped] == ["b.png", "c.png"]
    assert "1 image is enlarged to 32 pixels: the smallest is 10 x 12" in out
    assert "2 files are too small and skipped: b.png (1 x 1), c.png (200 x 1)" in out
    with pytest.raises(CourseError, match="None of the 1 images") as caught:
        save(tmp_path / "only" / "line.png", (9, 9, 9), size=(1, 30))
        load(tmp_path / "only")
    assert "line.png (1 x 30)" in caught.value.why


def noise(path, n=1, seed=0):
    """Different images."""
    path.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    for k in range(n):
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path / f"{k}.png")


def test_what_is_unfit_for_training_is_said_in_a_line_each(tmp_path, capsys):
    noise(tmp_path / "good", 50)
    load(tmp_path / "good", 8)
    load(tmp_path / "good", 8, limit=5)
    assert not capsys.readouterr().out
    noise(tmp_path / "few", 49)
    load(tmp_path / "few", 8)
    assert capsys.readouterr().out.startswith("NOTICE: only 49 images: a GAN memorizes")
    for k in range(8):
        noise(tmp_path / "copies" / str(k))
        save(tmp_path / "flat" / f"{k}.png", (128, k, 128))
        save(tmp_path / "black" / f"{k}.png", (0, 0, 0))
    load(tmp_path / "copies", 8)
    assert "all 8 images are exact copies of one" in capsys.readouterr().out
    load(tmp_path / "flat", 8)
    assert "all 8 images are of one colour" in (out := capsys.readouterr().out)
    assert "copies" not in out
    noise(tmp_path / "copies" / "other", 8, seed=1)
    load(tmp_path / "copies", 8)
    assert "7 of 16 images are exact copies of others" in capsys.readouterr().out
    dark = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) // 4)
    dark.save(tmp_path / "black" / "9.png")
    (tmp_path / "masks").mkdir()
    dark.save(tmp_path / "masks" / "a.png")
    load(tmp_path / "masks", 8)
    assert "nothing is brighter than 15 of 255" in capsys.readouterr().out


def test_links_into_a_folder_above_end_and_other_links_are_followed(tmp_path):
    noise(tmp_path / "elsewhere", 2)
    noise(tmp_path / "set" / "cat", 2)
    (tmp_path / "set" / "cat" / "above").symlink_to(tmp_path / "set")
    (tmp_path / "set" / "dog").symlink_to(tmp_path / "elsewhere")
    assert load(tmp_path / "set", 8).classes == ("cat", "dog")
