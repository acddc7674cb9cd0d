"""export(): what it writes, and what it leaves alone."""

import json
import re
import sys
from pathlib import Path

import onnxruntime
import pytest
import torch
from PIL import Image

from gancourse import env
from gancourse.errors import CourseError
from gancourse.export.bundle import FILES, export
from gancourse.export.card import ModelCard


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}


def test_an_export_is_five_files(exported, grey):
    assert {p.name for p in exported.iterdir()} == set(FILES)
    images = onnxruntime.InferenceSession(str(exported / "generator.onnx")).run(
        None, {"z": torch.zeros(2, 6).numpy()}
    )[0]
    torch.testing.assert_close(torch.from_numpy(images), grey(torch.zeros(2, 6)).detach())
    with Image.open(exported / "samples.png") as sheet:
        assert sheet.size == (4 * (8 * 17 + 1),) * 2
    text = (exported / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "dcgan.Generator(noise_dim=6, channels=1, width=4, size=16)" in text
    assert "| Training images | 5,000 |" in text and "| Limits | not stated |" in text


def test_every_kind_of_generator_is_exported(generator, tmp_path):
    G, noise_dim = generator
    files = export(G, tmp_path, name="mine", noise_dim=noise_dim, noise="sphere")
    assert files == [tmp_path / name for name in FILES] and all(p.stat().st_size for p in files)
    page = files[-1].read_text(encoding="utf-8")
    facts = json.loads(re.search('id="facts">(.*?)</script>', page)[1])
    assert facts["noiseDim"] == noise_dim and facts["noise"] == "sphere"


def test_a_seed_gives_the_same_files_and_what_the_caller_states_is_kept(grey, quick, tmp_path):
    for name in "ab":
        card = ModelCard(architecture="a network", parameters=5)
        export(grey, tmp_path / name, name="digits", card=card, rng=env.rng(4, "cpu"))
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert "| Architecture | a network |" in (tmp_path / "a/MODEL_CARD.md").read_text()


def test_an_earlier_export_is_replaced_and_remains_of_a_killed_one_go(grey, quick, tmp_path):
    for name in FILES:
        (tmp_path / name).write_text("old")
    (tmp_path / ".unfinished").mkdir()
    (tmp_path / ".unfinished" / "generator.onnx").write_text("half a file")
    export(grey, tmp_path, name="digits")
    assert {p.name for p in tmp_path.iterdir()} == set(FILES)
    assert "digits" in (tmp_path / "index.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("names", [["thesis.tex"], ["index.html"], [*FILES, "thesis.tex"]])
def test_a_folder_with_other_content_is_refused_and_unchanged(grey, tmp_path, names):
    for name in names:
        (tmp_path / name).write_text("three years of work")
    before = contents(tmp_path)
    with pytest.raises(CourseError, match="other content"):
        export(grey, tmp_path, name="digits")
    assert contents(tmp_path) == before


def test_a_file_is_no_folder(grey, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(CourseError, match="is a file, not a folder"):
        export(grey, tmp_path / "file", name="digits")


def test_a_full_disk_loses_nothing(grey, quick, tmp_path, small_files):
    export(grey, tmp_path / "old", name="digits")
    before = contents(tmp_path / "old")
    with small_files(1_000_000):
        for name in ("old", "new"):
            with pytest.raises(CourseError, match="could not be written"):
                export(grey, tmp_path / name, name="others")
    assert contents(tmp_path / "old") == before and not (tmp_path / "new").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_a_place_where_nothing_can_be_written(grey):
    with pytest.raises(CourseError, match="you may not write there"):
        export(grey, "/proc/nowhere/out", name="digits")


@pytest.mark.parametrize("name, noise", [(" ", "normal"), ("digits", "cauchy")])
def test_arguments_that_make_no_sense(grey, tmp_path, name, noise):
    with pytest.raises(CourseError, match="export"):
        export(grey, tmp_path / "out", name=name, noise=noise)
    assert not (tmp_path / "out").exists()


def test_a_network_that_cannot_be_exported_leaves_no_folder(tmp_path):
    with pytest.raises(CourseError, match="noise_dim"):
        export(torch.nn.Linear(2, 2), tmp_path / "out", name="digits")
    assert not (tmp_path / "out").exists()
