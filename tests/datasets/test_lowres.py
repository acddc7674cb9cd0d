"""Small pictures: against PIL's resize; squares that belong together; photos kept apart."""

import numpy as np
import pytest
import torch
from PIL import Image

from gancourse.datasets import lowres, photos
from gancourse.errors import CourseError
from gancourse.shapes import to_float


def as_pil(x):
    return Image.fromarray(x[0].permute(1, 2, 0).numpy())


def test_shrink_and_enlarge_are_pils_bicubic_with_antialiasing():
    photo = photos.load(["cat"])["cat"][:, :, :200, :240]
    theirs = np.asarray(as_pil(photo).resize((60, 50), Image.Resampling.BICUBIC)).astype(int)
    ours = lowres.shrink(photo)[0].permute(1, 2, 0).numpy()
    assert np.abs(ours - theirs).max() <= 1
    low = lowres.shrink(photo)
    theirs = np.asarray(as_pil(low).resize((240, 200), Image.Resampling.BICUBIC)).astype(float)
    ours = lowres.enlarge(to_float(low))[0].permute(1, 2, 0).add(1).mul(127.5).clamp(0, 255)
    assert np.abs(ours.numpy() - theirs).max() <= 1.1


def test_nearest_copies_each_pixel_sixteen_times():
    x = torch.tensor([[[[-1.0, 1.0]]]])
    assert lowres.enlarge(x, "nearest").equal(x.repeat_interleave(4, 2).repeat_interleave(4, 3))


def test_pairs_are_cut_to_sides_that_4_divides():
    low, high = lowres.pair(torch.zeros(1, 3, 43, 34, dtype=torch.uint8))
    assert low.shape == (1, 3, 10, 8) and high.shape == (1, 3, 40, 32)


def test_shrink_refuses_what_makes_no_sense():
    with pytest.raises(ValueError, match="can't shrink"):
        lowres.shrink(torch.zeros(1, 3, 3, 3, dtype=torch.uint8))


@pytest.fixture(scope="module")
def pairs():
    return lowres.load(("cat", "rocket"))


def test_squares_lie_at_the_same_place_in_both_pictures(pairs, rng):
    """The large square, made small, is the small one, but for its border."""
    small, large = next(lowres.Crops(pairs, 12, 40, rng))
    assert small.shape == (40, 3, 12, 12) and large.shape == (40, 3, 48, 48)
    again = to_float(lowres.shrink(((large + 1) * 127.5).round().to(torch.uint8)))
    inside = (..., slice(2, -2), slice(2, -2))
    assert (again[inside] - small[inside]).abs().max() <= 2.5 / 127.5


def test_squares_are_turned_and_mirrored_in_eight_ways():
    """Of a picture with one bright corner."""
    high = torch.zeros(1, 3, 16, 16, dtype=torch.uint8)
    high[:, :, :4, :8] = 255
    batches = lowres.Crops({"one": lowres.pair(high)}, 4, 200, torch.Generator().manual_seed(0))
    small, _ = next(batches)
    assert len({tuple(x.flatten().tolist()) for x in small.round()}) == 8


def test_equal_generators_draw_equal_squares(pairs):
    first, second = (
        next(lowres.Crops(pairs, 8, 4, torch.Generator().manual_seed(5))) for _ in range(2)
    )
    assert first[0].equal(second[0]) and first[1].equal(second[1])


def test_photos_without_detail_are_hardly_drawn(pairs, rng):
    flat = lowres.pair(torch.full((1, 3, 64, 64), 90, dtype=torch.uint8))
    batches = lowres.Crops({"flat": flat, "cat": pairs["cat"]}, 8, 64, rng)
    small, _ = next(batches)
    assert batches.weights[0] < 1e-3 * batches.weights[1]
    assert (small.std(dim=(1, 2, 3)) > 0).all()


def test_squares_that_do_not_fit_are_refused(pairs, rng):
    with pytest.raises(ValueError, match="at least as large"):
        lowres.Crops(pairs, 200, 4, rng)


def test_a_folder_is_read_at_full_size(tmp_path):
    as_pil(photos.load(["cat"])["cat"][:, :, :50, :70]).save(tmp_path / "mine.png")
    (low, high) = lowres.load_folder(tmp_path)["mine"]
    assert high.shape == (1, 3, 48, 68) and low.shape == (1, 3, 12, 17)


def test_an_image_too_small_for_a_crop_is_named_with_its_size_and_skipped(tmp_path, capsys):
    Image.new("L", (20, 90)).save(tmp_path / "tiny.png")
    with pytest.raises(CourseError, match=r"tiny\.png \(20 x 90\)"):
        lowres.load_folder(tmp_path)
    Image.new("L", (40, 90)).save(tmp_path / "large.jfif", "JPEG")
    assert set(lowres.load_folder(tmp_path)) == {"large"}
    assert "tiny.png (20 x 90)" in capsys.readouterr().out


def test_images_of_one_name_in_two_folders_are_both_kept(tmp_path):
    for shade, name in enumerate(("a/x.png", "b/x.png", "y.png", "y.bmp")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (40, 32), (shade, 0, 0)).save(tmp_path / name)
    pairs = lowres.load_folder(tmp_path)
    shades = {name: int(high[0, 0, 0, 0]) for name, (_, high) in pairs.items()}
    assert shades == {"a/x": 0, "b/x": 1, "y": 3, "y.png": 2}


def test_squares_of_no_picture_are_refused(rng):
    with pytest.raises(ValueError, match="0 images"):
        lowres.Crops({}, 8, 4, rng)
