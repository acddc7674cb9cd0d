"""A captions file of one's own: what is read, and what is said of a file that can't be."""

import pytest
import torch
from PIL import Image

from gancourse.datasets import folder as folder_
from gancourse.errors import CourseError


@pytest.fixture
def place(tmp_path):
    """A folder with two pictures and their captions, as somebody's own Flowers102 would be."""
    (tmp_path / "jpg").mkdir()
    for name, colour in (("image_00001.jpg", (255, 0, 0)), ("image_00002.jpg", (0, 0, 255))):
        Image.new("RGB", (40, 30), colour).save(tmp_path / "jpg" / name, quality=100)
    return tmp_path


def load(place, text, **how):
    (place / "captions.txt").write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder_.load_captioned(place, place / "captions.txt", 16, device="cpu", **how)


def test_pictures_and_sentences_are_paired(place):
    found = load(
        place,
        "# by me\n\njpg/image_00002.jpg\ta blue square\r\njpg/image_00001.jpg\ta red one\n"
        "jpg/image_00002.jpg\t all blue \n",
    )
    assert found.names == ("jpg/image_00002.jpg", "jpg/image_00001.jpg")
    assert found.sentences == (("a blue square", "all blue"), ("a red one",))
    assert found.images.shape == (2, 3, 16, 16) and found.images.dtype == torch.uint8
    assert found.images[0, 2].min() > 250 and found.images[1, 0].min() > 250


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("jpg/image_00001.jpg a red one\n", "Line 1"),
        ("# head\njpg/image_00001.jpg\tred\njpg/image_00002.jpg\t \n", "Line 3"),
        ("\tno image\n", "Line 1"),
        ("\n# nothing\n", "no sentence"),
        ("jpg/image_00003.jpg\tgreen\n", "is missing"),
        ("captions.txt\tthis very file\n", "can't be read"),
        (b"jpg/image_00001.jpg\t\xff\xfe\n", "UTF-8"),
    ],
)
def test_a_file_that_is_wrong_is_named_with_its_line(place, text, said):
    with pytest.raises(CourseError, match=said) as error:
        load(place, text)
    assert "captions.txt" in str(error.value)


@pytest.mark.parametrize(("folder", "file"), [("no", "captions.txt"), (".", "no.txt")])
def test_what_is_missing_is_named(place, folder, file):
    (place / "captions.txt").write_text("jpg/image_00001.jpg\tred\n")
    with pytest.raises(CourseError, match=r"There is no (folder|captions file)"):
        folder_.load_captioned(place / folder, place / file, 16)


def test_names_in_other_case_or_with_backslashes(place):
    found = load(
        place,
        "JPG\\Image_00001.JPG\tred\n.\\jpg\\image_00002.jpg\tblue\njpg/image_00001.jpg\tone more\n",
    )
    assert found.names == ("JPG\\Image_00001.JPG", ".\\jpg\\image_00002.jpg")
    assert found.sentences == (("red", "one more"), ("blue",))
    assert found.images[0, 0].min() > 250 and found.images[1, 2].min() > 250


def test_a_name_that_fits_two_files_is_missing(place):
    for name in ("IMAGE_3.jpg", "image_3.JPG"):
        Image.new("RGB", (8, 8)).save(place / "jpg" / name)
    with pytest.raises(CourseError, match="is missing"):
        load(place, "jpg/Image_3.jpg\tblack\n")


def test_a_decomposed_umlaut_is_found(place):
    Image.new("RGB", (8, 8), (0, 255, 0)).save(place / "gru\u0308n.png")
    assert load(place, "gr\u00fcn.png\tgreen\n").images[0, 1].min() == 255


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_texts_with_a_byte_order_mark(place, encoding):
    found = load(place, "jpg/image_00001.jpg\tgrün\r\n".encode(encoding))
    assert found.sentences == (("grün",),)


def test_commas_instead_of_tabs(place, capsys):
    text = 'image,caption\njpg/image_00001.jpg,"a red, flat ""one"""\njpg/image_00002.jpg,a, b\n'
    found = load(place, text)
    assert found.sentences == (('a red, flat "one"',), ("a, b",))
    assert "captions.txt has no tabs: read as image, comma, sentence" in capsys.readouterr().out
    for ambiguous in ("jpg/image_00001.jpg,\n", "jpg/image_1,2.jpg,red\n", text + "no comma\n"):
        with pytest.raises(CourseError, match="not a path, a tab and a sentence"):
            load(place, ambiguous)


def test_a_header_is_no_image(place):
    assert len(load(place, "filename\tcaption\njpg/image_00001.jpg\tred\n")) == 1


def test_fit_and_images_of_one_line(place):
    padded = load(place, "jpg/image_00001.jpg\tred\n", fit="pad").images[0]
    assert padded[:, 0].min() == 255 and padded[1, 8].max() < 5
    Image.new("RGB", (200, 1)).save(place / "line.png")
    with pytest.raises(CourseError, match=r"too small[\s\S]*Line 1[\s\S]*200 x 1"):
        load(place, "line.png\ta line\n")
