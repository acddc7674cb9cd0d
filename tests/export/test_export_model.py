"""The command ``gancourse export-model``: the same files, and one clear message for bad input."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from gancourse import cli
from gancourse.export.bundle import FILES
from gancourse.papers import cgan, dcgan, srgan
from gancourse.training import networks


def called(monkeypatch, *words: object) -> int:
    """Run the command in this process; its exit status."""
    monkeypatch.setattr(sys, "argv", ["gancourse", "export-model", *map(str, words)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    return left.value.code or 0


@pytest.fixture
def saved(grey, tmp_path) -> Path:
    return networks.save(grey, tmp_path / "digits.safetensors")


def test_it_writes_and_names_every_file(saved, quick, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    words = ("--out", out, "--licence", "CC0", "--data", "my own digits", "--seed", "3")
    assert called(monkeypatch, saved, *words) == 0
    text = capsys.readouterr().out
    assert all(str(out / name) in text for name in FILES) and "needs no internet" in text
    card = (out / "MODEL_CARD.md").read_text()
    assert card.startswith("# digits\n") and "| my own digits |" in card and "| CC0 |" in card


def network(kind: str, folder: Path) -> Path:
    """A file that can't be exported."""
    path = folder / "N.safetensors"
    nets = {
        "discriminator": lambda: dcgan.Discriminator(1, 2, 8),
        "conditional": lambda: cgan.Generator(4, 10, 1, 4),
        "enlarging": lambda: srgan.Generator(width=4, blocks=1),
        "diverged": lambda: dcgan.Generator(3, 1, 2, 8),
    }
    if kind in nets:
        net = nets[kind]()
        if kind == "diverged":
            next(net.parameters()).data.fill_(torch.inf)
        networks.save(net, path)
    elif kind == "text":
        path.write_text("no network")
    elif kind == "pickle":
        path = path.with_suffix(".pt")
        torch.save(dcgan.Generator(3, 1, 2, 8), path)
    elif kind == "folder":
        path.mkdir()
    return path


@pytest.mark.parametrize(
    "kind, status, message",
    [
        ("missing", 1, "There is no N.safetensors"),
        ("text", 1, "can't be read as a network"),
        ("discriminator", 1, "dcgan.Discriminator has no noise_dim"),
        ("conditional", 1, "cgan.Generator needs 2 inputs"),
        ("enlarging", 1, "images to images"),
        ("diverged", 1, "not finite"),
        ("pickle", 2, "can run code"),
        ("folder", 2, "is a directory"),
    ],
)
def test_bad_input_is_one_clear_message(kind, status, message, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out"
    assert called(monkeypatch, network(kind, tmp_path), "--out", out) == status
    text = capsys.readouterr().err
    assert message in text and "Traceback" not in text and not out.exists()


def test_a_place_that_is_taken_is_wrong_use(saved, tmp_path, monkeypatch, capsys):
    for out, message in ((saved, "is a file"), (tmp_path, "other content")):
        assert called(monkeypatch, saved, "--out", out) == 2
        assert message in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["digits.safetensors"]


def test_a_missing_package_is_one_clear_message(saved, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("gancourse.export.onnx_file.PACKAGES", ("onnx", "no_such_package"))
    assert called(monkeypatch, saved, "--out", tmp_path / "out") == 1
    assert "pip install no_such_package" in capsys.readouterr().err


def test_help_lists_the_command():
    code = "from gancourse.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True)
    assert "export-model" in done.stdout
