"""Folders as people arrange them: what is read, with which classes, and what is said."""

import pytest
from PIL import Image

from gancourse.datasets import folder, layouts
from gancourse.errors import CourseError


def fill(root, *folders, n=2):
    """Images of one grey level per folder: its place in the list."""
    for k, name in enumerate(folders):
        (root / name).mkdir(parents=True, exist_ok=True)
        for i in range(n):
            Image.new("L", (8, 8), k).save(root / name / f"{i}.png")


def load(root, **options):
    """Classes, label of each image, and its grey level."""
    found = folder.load(root, 4, device="cpu", **options)
    labels = None if found.labels is None else found.labels.tolist()
    return found.classes, labels, found.images[:, 0, 0, 0].tolist()


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("train", "test"),
        ("Train", "Test"),
        ("TRAINING", "Testing"),
        ("train", "val"),
        ("train", "valid"),
        ("train", "validation"),
        ("train", "dev"),
        ("training_set", "test_set"),
        ("train2017", "val2017"),
        ("seg_train/seg_train", "seg_test/seg_test"),
        ("data/train/images", "data/test/images"),
    ],
)
def test_train_and_test_are_parts_and_no_classes(train, test, tmp_path, capsys):
    fill(tmp_path, f"{train}/cat", f"{train}/dog", f"{test}/cat", f"{test}/dog")
    assert load(tmp_path) == (("cat", "dog"), [0, 0, 1, 1], [0, 0, 1, 1])
    out = capsys.readouterr().out
    assert "(4 images); not read: " in out and "split='test' or 'all'" in out
    assert ("deeper, in data/" in out) == train.startswith("data")
    assert load(tmp_path, split="test") == (("cat", "dog"), [0, 0, 1, 1], [2, 2, 3, 3])
    classes, labels, levels = load(tmp_path, split="all")
    assert classes == ("cat", "dog") and sorted(levels) == [0, 0, 1, 1, 2, 2, 3, 3]
    assert [level % 2 for level in levels] == labels


def test_parts_without_classes_and_with_three_parts(tmp_path):
    fill(tmp_path, "train", "val", "test")
    assert load(tmp_path) == ((), None, [0, 0])
    assert load(tmp_path, split="test") == ((), None, [2, 2])
    assert load(tmp_path, split="all") == ((), None, [0, 0, 2, 2, 1, 1])


def test_parts_inside_the_classes(tmp_path):
    fill(tmp_path, "cat/train", "cat/test", "dog/train", "dog/test")
    assert load(tmp_path) == (("cat", "dog"), [0, 0, 1, 1], [0, 0, 2, 2])
    assert load(tmp_path, split="test") == (("cat", "dog"), [0, 0, 1, 1], [1, 1, 3, 3])


def test_four_folders_of_two_domains_are_classes_a_and_b(tmp_path):
    fill(tmp_path, "trainA", "trainB", "testA", "testB")
    assert load(tmp_path) == (("A", "B"), [0, 0, 1, 1], [0, 0, 1, 1])
    assert load(tmp_path, split="test") == (("A", "B"), [0, 0, 1, 1], [2, 2, 3, 3])


def test_a_train_is_a_class_among_vehicles(tmp_path):
    fill(tmp_path, "bus", "contest", "train")
    assert load(tmp_path)[0] == ("bus", "contest", "train")


def test_a_part_that_is_not_there_is_refused_with_what_was_found(tmp_path):
    fill(tmp_path, "cat", "dog")
    with pytest.raises(CourseError, match=r"no test part[\s\S]*Found: cat, dog"):
        load(tmp_path, split="test")
    fill(tmp_path / "parts", "test", "val")
    with pytest.raises(CourseError, match=r"no training part[\s\S]*test/ \(2 images\), val/"):
        load(tmp_path / "parts")
    assert load(tmp_path / "parts", split="test") == ((), None, [0, 0])
    with pytest.raises(ValueError, match="split is"):
        load(tmp_path, split="dev")


@pytest.mark.parametrize(
    ("images", "masks"),
    [
        ("images", "masks"),
        ("Images", "Labels"),
        ("img", "gt"),
        ("JPEGImages", "SegmentationClass"),
        ("image", "annotations/trimaps"),
        ("train_images", "train_masks"),
        ("data/inputs", "data/targets"),
    ],
)
def test_of_images_and_masks_only_the_images_are_read(images, masks, tmp_path, capsys):
    fill(tmp_path, images, masks)
    assert load(tmp_path) == ((), None, [0, 0])
    out = capsys.readouterr().out
    assert f"only {images.split('/')[-1]}/ is read" in out and "masks or labels" in out


def test_annotations_that_are_no_images_do_not_make_images_a_class(tmp_path):
    fill(tmp_path, "images/cat", "images/dog")
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "a.xml").write_text("<annotation/>")
    assert load(tmp_path)[0] == ("cat", "dog")


def test_one_folder_too_many(tmp_path, capsys):
    fill(tmp_path, "archive/pets/cat", "archive/pets/dog", "__MACOSX/archive")
    assert load(tmp_path) == (("cat", "dog"), [0, 0, 1, 1], [0, 0, 1, 1])
    assert "the images lie deeper, in archive/pets/" in capsys.readouterr().out


def test_empty_folders_are_no_classes_and_named(tmp_path, capsys):
    fill(tmp_path, "cat", "dog")
    for name in ("bird", "fish/.ipynb_checkpoints"):
        (tmp_path / name).mkdir(parents=True)
    assert load(tmp_path)[0] == ("cat", "dog")
    assert "no image in bird, fish: not a class" in capsys.readouterr().out


def test_images_beside_the_classes_leave_no_labels_and_are_counted(tmp_path, capsys):
    fill(tmp_path, "cat", "dog", ".")
    assert load(tmp_path)[:2] == ((), None)
    assert "2 images beside the folders cat, dog: no labels" in capsys.readouterr().out


def test_natural_order():
    names = ["10", "a.png", "a2.png", "2", "A10.png", "1", "b", "3c", ""]
    ordered = sorted(names, key=layouts.natural)
    assert ordered == ["", "1", "2", "3c", "10", "a.png", "a2.png", "A10.png", "b"]


@pytest.mark.parametrize(
    "name", ["contest", "latest", "trainer", "bullet_train_fast", "A", "valley"]
)
def test_names_that_only_contain_the_name_of_a_part(name):
    assert layouts.split_of(name) is None
