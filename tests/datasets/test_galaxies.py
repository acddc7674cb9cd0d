import jaxtyping
import pytest
import torch

from gancourse.datasets import galaxies, photos


@pytest.fixture(scope="module")
def photo():
    return photos.load(["hubble"])["hubble"][0]


@pytest.mark.parametrize("size", galaxies.SIZES)
def test_crops_are_pixels_of_the_photo_without_a_download(photo, size, monkeypatch):
    def refuse(*_):
        raise AssertionError("it asked for the network")

    monkeypatch.setattr("socket.socket.connect", refuse)
    of = galaxies.load(size, "all", device="cpu")
    assert of.images.dtype == torch.uint8 and of.images.shape == (len(of), 3, size, size)
    assert f"{len(of)} objects" in of.source
    for image, (y, x) in zip(of.images[::40], of.centres[::40].tolist(), strict=True):
        top, left = y - size // 2, x - size // 2
        assert torch.equal(image, photo[:, top : top + size, left : left + size])


def test_objects_are_bright_maxima_brightest_first(photo):
    of = galaxies.load(32, "all", device="cpu")
    assert 400 < len(of) < 550
    middle = of.images[:, :, 14:19, 14:19].float().mean((1, 2, 3))
    rim = torch.cat([of.images[..., :4], of.images[..., -4:]], dim=-1).float().mean((1, 2, 3))
    assert (middle > rim).float().mean() > 0.98  # the object is in the middle
    assert middle[:50].mean() > 2 * middle[-50:].mean()
    apart = torch.cdist(of.centres.float(), of.centres.float(), p=torch.inf)
    assert apart.fill_diagonal_(99).min() > galaxies.APART


@pytest.mark.parametrize("size", galaxies.SIZES)
def test_no_pixel_is_in_both_parts(size):
    train, test, every = (galaxies.load(size, s, device="cpu") for s in galaxies.SPLITS)
    assert train.centres[:, 1].max() + size // 2 <= test.centres[:, 1].min() - size // 2
    parts = {tuple(c) for of in (train, test) for c in of.centres.tolist()}
    assert len(parts) == len(train) + len(test) < len(every)
    assert parts < {tuple(c) for c in every.centres.tolist()}
    assert len(train) > 2 * len(test) > 150


def test_symmetries_are_the_eight_of_a_square():
    images = torch.arange(2 * 3 * 4 * 4).view(2, 3, 4, 4)
    every = galaxies.symmetries(images)
    assert every.shape == (16, 3, 4, 4) and torch.equal(every[:2], images)
    mine = [row for row in every[1::2]]
    assert len({tuple(x.flatten().tolist()) for x in mine}) == 8
    group = {tuple(x.flatten().tolist()) for x in mine}
    for x in mine:  # closed under transposition and mirroring, which generate all eight
        assert tuple(x.transpose(-1, -2).flatten().tolist()) in group
        assert tuple(x.flip(-2).flatten().tolist()) in group


def test_other_sizes_and_parts_are_refused(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    for options in ({"size": 48}, {"split": "validation"}):
        with pytest.raises(ValueError, match="32, 64"):
            galaxies.load(**options)
