import numpy as np
import pytest
import torch
from PIL import Image

from gancourse.datasets import photos
from gancourse.errors import CourseError


def test_every_photo_is_there_without_a_download(monkeypatch):
    def refuse(*_):
        raise AssertionError("a photo asked for the network")

    monkeypatch.setattr("socket.socket.connect", refuse)
    found = photos.load()
    assert tuple(found) == photos.NAMES
    for photo in found.values():
        assert photo.dtype == torch.uint8 and photo.shape[:2] == (1, 3)
        assert min(photo.shape[2:]) >= 256 and photo.float().std() > 5


def test_photos_are_those_that_the_packages_serve():
    from skimage import data
    from sklearn.datasets import load_sample_image

    found = photos.load(["cat", "camera", "china"])
    assert np.array_equal(found["cat"][0].permute(1, 2, 0).numpy(), data.chelsea())
    assert np.array_equal(found["camera"][0, 1].numpy(), data.camera())
    assert np.array_equal(
        found["china"][0].permute(1, 2, 0).numpy(), load_sample_image("china.jpg")
    )


def test_the_test_part_is_fixed_and_apart():
    assert photos.TEST == ("cat", "coffee", "rocket")
    assert set(photos.TRAIN) | set(photos.TEST) == set(photos.NAMES)
    assert not set(photos.TRAIN) & set(photos.TEST)
    assert {"motorcycle_left", "motorcycle_right"} <= set(photos.TRAIN)  # one scene, one part


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(CourseError, match="astronaut"):
        photos.load(["chelsea"])


def test_a_missing_file_names_the_package(monkeypatch):
    monkeypatch.setitem(photos.FILES, "cat", ("skimage", "data/gone.png"))
    with pytest.raises(CourseError, match=r"pip install .*scikit-image"):
        photos.load(["cat"])


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(photos, "find_spec", lambda name: None)
    with pytest.raises(CourseError, match="scikit-learn"):
        photos.load(["china"])


def test_reading_a_picture_of_your_own(tmp_path):
    path = tmp_path / "mine.png"
    Image.fromarray(np.full((20, 30, 4), 200, dtype=np.uint8)).save(path)  # with alpha
    assert photos.read(path).shape == (1, 3, 20, 30)
    with pytest.raises(CourseError, match="no file"):
        photos.read(tmp_path / "other.png")
    with pytest.raises(CourseError, match="can't be read"):
        photos.read(tmp_path)  # a folder


@pytest.mark.parametrize("kept", [0, 10, 400])
def test_a_damaged_picture_is_refused(tmp_path, kept):
    path = tmp_path / "cut.png"
    noise = np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(CourseError, match="can't be read"):
        photos.read(path)


def test_a_square_is_the_middle_in_whole_levels():
    photo = photos.load(["cat"])["cat"]
    square = photos.square(photo)
    assert square.shape == (1, 3, 224, 224)
    assert square.min() >= -1 and square.max() <= 1
    levels = (square + 1) * 127.5
    assert (levels - levels.round()).abs().max() < 1e-3


def test_a_square_of_the_right_size_is_cut_and_not_scaled():
    ramp = torch.arange(256, dtype=torch.uint8).expand(1, 3, 256, 256)
    square = photos.square(ramp.contiguous())
    assert torch.allclose((square[0, 0, 0] + 1) * 127.5, torch.arange(16.0, 240.0), atol=1e-3)


def test_a_square_agrees_with_torchvision():
    """The usual evaluation transform of ImageNet classifiers is the oracle."""
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms import functional as TF

    for name, photo in photos.load(["cat", "rocket", "china"]).items():
        picture = Image.fromarray(photo[0].permute(1, 2, 0).numpy())
        small = TF.resize(picture, 256, InterpolationMode.BICUBIC)
        oracle = TF.to_tensor(TF.center_crop(small, 224)) * 2 - 1
        assert torch.allclose(photos.square(photo)[0], oracle, atol=1e-5), name


def test_impossible_sizes_are_refused():
    photo = torch.zeros(1, 3, 40, 40, dtype=torch.uint8)
    with pytest.raises(ValueError, match="shorter"):
        photos.square(photo, size=300, shorter=256)
