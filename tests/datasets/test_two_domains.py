"""Two domains that share nothing, hidden pairs that are exact, and the image pool."""

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from gancourse.datasets import emoji, flowers, two_domains
from gancourse.errors import CourseError
from gancourse.papers import cyclegan


def rows(images: torch.Tensor) -> set[bytes]:
    return {image.numpy().tobytes() for image in images}


def test_hidden_pairs_are_the_same_flowers_in_two_styles(rng):
    found = two_domains.day_and_dusk(30, 20, 32, rng)
    assert found.paired and found.names == ("day", "dusk")
    assert torch.equal(found.test_x, flowers.draw(found.looks, 32))
    assert torch.equal(found.test_y, flowers.draw(found.looks, 32, dusk=True))
    assert found.x.shape == found.y.shape == (30, 3, 32, 32)


def test_the_training_sets_share_no_flower(rng, monkeypatch):
    """Drawn in one style, all flowers of both domains and of the tests are different."""
    draw = flowers.draw
    monkeypatch.setattr(flowers, "draw", lambda looks, size, dusk=False: draw(looks, size))
    found = two_domains.day_and_dusk(60, 40, 32, rng)
    assert len(rows(torch.cat([found.x, found.y, found.test_x]))) == 160


def test_petals_are_all_that_differs_between_few_and_many(rng):
    found = two_domains.few_and_many(10, 12, 32, rng)
    for n, images in ((5, found.test_x), (8, found.test_y)):
        looks = two_domains._petals(found.looks, n)
        assert torch.equal(images, flowers.draw(looks, 32))
    assert not rows(found.x) & rows(found.y)


def fake_emoji(n: int):
    """The i-th picture is grey i in one design, and 100 + i in the other."""

    def load(size, design, device=None):
        shade = torch.arange(n, dtype=torch.uint8) + (100 if design == "openmoji" else 0)
        images = shade.view(-1, 1, 1, 1).expand(n, 3, size, size)
        return emoji.Emoji(images, *[("",) * n] * 3, (("",),) * n, ("",) * n, design)

    return load


def test_emoji_are_split_by_subject(rng, monkeypatch):
    monkeypatch.setattr(emoji, "load", fake_emoji(50))
    found = two_domains.designs(10, 32, rng)
    x, y, a, b = (
        [int(image[0, 0, 0]) % 100 for image in part]
        for part in (found.x, found.y, found.test_x, found.test_y)
    )
    assert a == b and found.names == ("twemoji", "openmoji")
    assert sorted(x + y + a) == list(range(50)) and len(a) == 10 and len(x) == len(y)
    assert found.x.max() < 100 <= found.y.min()


def test_as_many_tests_as_emoji_are_refused(rng, monkeypatch):
    monkeypatch.setattr(emoji, "load", fake_emoji(5))
    with pytest.raises(ValueError, match="5 subjects"):
        two_domains.designs(4, 32, rng)


def paint(folder, count, shade=0):
    folder.mkdir(parents=True)
    for i in range(count):
        pixels = np.full((20, 30, 3), shade + i, np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:02d}.png")


def test_two_folders_of_your_own(tmp_path):
    paint(tmp_path / "winter", 12, 100)
    paint(tmp_path / "summer", 25)
    found = two_domains.of_folder(tmp_path, 16, device="cpu")
    assert found.names == ("summer", "winter") and not found.paired and found.looks is None
    assert [len(part) for part in (found.x, found.y, found.test_x, found.test_y)] == [22, 10, 3, 2]
    assert found.x.shape[1:] == (3, 16, 16) and found.x.max() < 100 <= found.y.min()
    assert not rows(found.x) & rows(found.test_x)


def test_the_authors_four_folders_are_taken_as_they_are(tmp_path):
    for n, name in enumerate(("trainA", "trainB", "testA", "testB")):
        paint(tmp_path / name, n + 1, 50 * n)
    found = two_domains.of_folder(tmp_path, 8, device="cpu")
    assert [len(p) for p in (found.x, found.y, found.test_x, found.test_y)] == [1, 2, 3, 4]


def test_what_a_folder_lacks_is_said(tmp_path):
    with pytest.raises(CourseError, match="no folder"):
        two_domains.of_folder(tmp_path / "nowhere", 8)
    paint(tmp_path / "summer", 3)
    with pytest.raises(CourseError, match="Found: summer"):
        two_domains.of_folder(tmp_path, 8)
    paint(tmp_path / "winter", 1)
    with pytest.raises(CourseError, match="single image"):
        two_domains.of_folder(tmp_path, 8, device="cpu")
    shutil.rmtree(tmp_path / "winter")
    paint(tmp_path / "winter", 2)
    assert len(two_domains.of_folder(tmp_path, 8, device="cpu").y) == 1


@pytest.mark.parametrize(
    "names",
    [
        ("trainA", "trainB", "testA", "testB"),
        ("traina", "trainb", "testa", "testb"),
        ("TRAIN_A", "TRAIN_B", "VAL_A", "VAL_B"),
        ("pets/trainA", "pets/trainB", "pets/testA", "pets/testB"),
        ("train/A", "train/B", "test/A", "test/B"),
        ("Train/A", "Train/B", "Val/a", "Val/b"),
        ("A/train", "B/train", "A/test", "B/test"),
    ],
)
def test_four_folders_in_other_case_or_place(names, tmp_path, capsys):
    for n, name in enumerate(names):
        paint(tmp_path / name, n + 1, 50 * n)
    found = two_domains.of_folder(tmp_path, 8, device="cpu")
    assert found.names == ("A", "B")
    assert [len(p) for p in (found.x, found.y, found.test_x, found.test_y)] == [1, 2, 3, 4]
    assert [int(p[0].max()) for p in (found.x, found.y, found.test_x, found.test_y)] == [
        *(0, 50, 100, 150)
    ]
    assert ("deeper, in pets/" in capsys.readouterr().out) == names[0].startswith("pets")


def test_without_test_folders_every_tenth_is_reserved(tmp_path):
    paint(tmp_path / "trainA", 12)
    paint(tmp_path / "trainB", 12)
    paint(tmp_path / "testA", 1)
    found = two_domains.of_folder(tmp_path, 8, device="cpu")
    assert [len(p) for p in (found.x, found.y, found.test_x, found.test_y)] == [12, 10, 1, 2]


def test_other_folders_are_refused_with_what_was_found(tmp_path):
    for name in ("summer", "winter", "results"):
        paint(tmp_path / "three" / name, 2)
    with pytest.raises(CourseError, match=r"results/ \(2 images\), summer/ .*, winter/"):
        two_domains.of_folder(tmp_path / "three", 8, device="cpu")
    for name in ("train", "val"):
        paint(tmp_path / "pix2pix" / name, 2)
    with pytest.raises(CourseError, match="side by side"):
        two_domains.of_folder(tmp_path / "pix2pix", 8, device="cpu")
    paint(tmp_path / "half" / "trainA", 2)
    (tmp_path / "half" / "trainB").mkdir()
    with pytest.raises(CourseError, match=r"trainB/ \(no image\)\.\n"):  # nothing of pix2pix
        two_domains.of_folder(tmp_path / "half", 8, device="cpu")


def test_the_whole_images_of_two_domains(tmp_path, capsys):
    paint(tmp_path / "winter", 2, 100)
    paint(tmp_path / "summer", 2)
    found = two_domains.of_folder(tmp_path, 30, device="cpu", fit="pad")
    assert found.x[0, :, :5].min() == 255 and found.x[0, :, 15].max() == 0
    assert "summer: only 1 image" in capsys.readouterr().out
    with pytest.raises(ValueError, match="size"):
        two_domains.of_folder(tmp_path, 0)


def numbered(*values: int) -> torch.Tensor:
    return torch.tensor(values).float().view(-1, 1, 1, 1)


def test_a_pool_fills_and_then_exchanges_half(rng):
    pool = cyclegan.ImagePool(50, rng)
    for start in range(0, 50, 5):
        fakes = numbered(*range(start, start + 5))
        assert torch.equal(pool(fakes), fakes)
    assert pool.kept.flatten().tolist() == list(range(50))
    new = shown_old = 0
    for start in range(50, 2050, 5):
        fakes = numbered(*range(start, start + 5))
        before = pool.kept.clone()
        shown = pool(fakes)
        old = shown.flatten() < start
        assert set(shown[old].flatten().tolist()) <= set(before.flatten().tolist())
        assert torch.equal(shown[~old], fakes[~old])
        kept = set(pool.kept.flatten().tolist())
        assert kept == set(before.flatten().tolist()) - set(shown[old].flatten().tolist()) | set(
            fakes[old].flatten().tolist()
        )
        shown_old, new = shown_old + int(old.sum()), new + 5
    assert shown_old / new == pytest.approx(0.5, abs=0.04)  # 2,000 coins: 3.6 deviations


def test_a_pool_has_no_graph_behind_it_and_may_be_switched_off(rng):
    fakes = numbered(1, 2).requires_grad_()
    for size in (0, 1, 3):
        pool = cyclegan.ImagePool(size, rng)
        for _ in range(3):
            assert not pool(fakes).requires_grad and len(pool(fakes)) == 2


def test_a_pool_smaller_than_a_batch_works(rng):
    pool = cyclegan.ImagePool(2, rng)
    for _ in range(20):
        assert len(pool(numbered(1, 2, 3, 4, 5))) == 5 and len(pool.kept) == 2


def test_a_pool_survives_a_checkpoint(rng):
    pool, copy = (cyclegan.ImagePool(4, torch.Generator().manual_seed(1)) for _ in range(2))
    copy.load_state_dict(pool.state_dict())
    assert copy.kept is None
    pool(numbered(1, 2, 3, 4))
    copy.load_state_dict(pool.state_dict())
    for start in range(10, 60, 4):
        fakes = numbered(*range(start, start + 4))
        assert torch.equal(pool(fakes), copy(fakes))


def test_exchange_by_hand():
    kept, fakes = numbered(10, 11, 12), numbered(1, 2)
    coins, places = torch.tensor([True, False]), torch.tensor([2, 0])
    shown, new = cyclegan.exchange(kept, fakes, coins, places)
    assert shown.flatten().tolist() == [12, 2] and new.flatten().tolist() == [10, 11, 1]
    assert kept.flatten().tolist() == [10, 11, 12]
