"""Checkpoints: whole, or the one before; tensors and plain data only."""

import itertools
import os
from pathlib import Path

import pytest
import torch
from torch import nn

from gancourse.errors import CourseError
from gancourse.training import checkpoint


def things(seed: int = 0, lr: float = 0.1, width: int = 3) -> dict:
    net = nn.Linear(2, width)
    opt = torch.optim.Adam(net.parameters(), lr)
    return {"net": net, "opt": opt, "rng": torch.Generator().manual_seed(seed)}


def test_state_comes_back_whole(tmp_path):
    keep = things()
    keep["net"](torch.ones(1, 2)).sum().backward()
    keep["opt"].step()
    torch.rand(3, generator=keep["rng"])
    checkpoint.write(tmp_path, {"state": checkpoint.state_of(keep)})
    wanted = torch.rand(2, generator=keep["rng"])

    other = things(seed=9)
    checkpoint.restore(other, checkpoint.read(tmp_path)["state"])
    assert torch.equal(torch.rand(2, generator=other["rng"]), wanted)
    assert torch.equal(other["net"].weight, keep["net"].weight)
    moments = [opt.state_dict()["state"][0]["exp_avg"] for opt in (keep["opt"], other["opt"])]
    assert torch.equal(*moments)


def test_dropouts_randomness_is_kept_too():
    state = checkpoint.state_of({})
    wanted = torch.rand(3)
    checkpoint.restore({}, state)
    assert torch.equal(torch.rand(3), wanted)


@pytest.mark.parametrize("change", [{"seed": 1}, {"lr": 0.2}, {"width": 4}])
def test_fingerprint_tells_runs_apart(change):
    assert checkpoint.fingerprint(things()) == checkpoint.fingerprint(things())
    assert checkpoint.fingerprint(things()) != checkpoint.fingerprint(things(**change))


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


DAMAGES = {
    "empty": lambda whole: b"",
    "cut off early": lambda whole: whole[:10],
    "cut off in the middle": lambda whole: whole[: len(whole) // 2],
    "cut off at the end": lambda whole: whole[:-1],
    "a page of a web server": lambda whole: b"<html>404</html>",
    "zeros after a power cut": lambda whole: bytes(len(whole)),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_checkpoint_that_is_damaged_gives_the_one_before_and_is_kept(tmp_path, capsys, damage):
    for step in (1, 2):
        checkpoint.write(tmp_path, {"step": step})
    newest = tmp_path / checkpoint.NAME
    damaged = DAMAGES[damage](newest.read_bytes())
    newest.write_bytes(damaged)
    assert checkpoint.read(tmp_path) == {"step": 1}
    notice = capsys.readouterr().out
    assert "truncated or damaged" in notice and "The previous one is used" in notice
    assert (tmp_path / "unreadable-1.pt").read_bytes() == damaged
    checkpoint.write(tmp_path, {"step": 3})
    assert checkpoint.read(tmp_path) == {"step": 3}
    (tmp_path / checkpoint.NAME).write_bytes(damaged)
    assert checkpoint.read(tmp_path) == {"step": 1}, "and did not take the place of the good one"


def test_checkpoint_of_another_version_is_refused_with_the_mend(tmp_path, capsys, monkeypatch):
    checkpoint.write(tmp_path, {"step": 1})
    monkeypatch.setattr(checkpoint, "FORMAT", 99)
    checkpoint.write(tmp_path, {"step": 2})
    monkeypatch.undo()
    assert checkpoint.read(tmp_path) == {"step": 1}
    notice = capsys.readouterr().out
    assert "another version" in notice and "99" in notice and "The previous one is used" in notice
    assert "install that version and rename it to checkpoint.pt" in notice
    assert names(tmp_path) == ["checkpoint.previous.pt", "unreadable-1.pt"]
    monkeypatch.setattr(checkpoint, "FORMAT", 99)
    (tmp_path / "unreadable-1.pt").rename(tmp_path / checkpoint.NAME)
    assert checkpoint.read(tmp_path) == {"step": 2}, "as the notice said"


@pytest.mark.parametrize("content", [{"step": 2}, [1, 2], torch.zeros(3)])
def test_file_of_torch_that_is_no_checkpoint_is_refused(tmp_path, capsys, content):
    torch.save(content, tmp_path / checkpoint.NAME)
    assert checkpoint.read(tmp_path) is None
    assert "There is no previous one" in capsys.readouterr().out
    assert names(tmp_path) == ["unreadable-1.pt"]


def test_checkpoints_hold_no_code(tmp_path, capsys):
    checkpoint.write(tmp_path, {"step": CourseError})
    assert checkpoint.read(tmp_path) is None
    assert "is truncated or damaged (UnpicklingError)" in capsys.readouterr().out


@pytest.mark.parametrize("newest, nth", [*(("good", n) for n in range(3)), ("bad", 0), ("bad", 1)])
def test_end_at_any_moment_of_writing_leaves_a_checkpoint(tmp_path, monkeypatch, newest, nth):
    """Before it is on the disk, before the old one is moved, before the new one is."""
    for step in (1, 2):
        checkpoint.write(tmp_path, {"step": step})
    if newest == "bad":
        (tmp_path / checkpoint.NAME).write_bytes(b"PK")
    last = checkpoint.read(tmp_path)
    assert last == {"step": 2 if newest == "good" else 1}
    calls = itertools.count()

    def ends(real):
        def call(*arguments):
            if next(calls) == nth:
                raise SystemExit  # not an error that anybody handles
            return real(*arguments)

        return call

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(os, "fsync", ends(os.fsync))
        patch.setattr(os, "replace", ends(os.replace))
        checkpoint.write(tmp_path, {"step": 3})
    assert checkpoint.read(tmp_path) == last
    checkpoint.write(tmp_path, {"step": 4})
    assert checkpoint.read(tmp_path) == {"step": 4}


def test_nothing_is_read_where_nothing_is(tmp_path):
    assert checkpoint.read(tmp_path / "none") is None


def test_what_is_set_aside_is_not_overwritten(tmp_path):
    for n in (1, 2):
        checkpoint.write(tmp_path, {"step": n})
        assert checkpoint.set_aside(tmp_path).name == f"aside-{n}.pt"
    assert checkpoint.read(tmp_path) is None


def test_what_has_no_state_is_refused():
    with pytest.raises(CourseError, match="can't keep 'thing', a int"):
        checkpoint.fingerprint({"thing": 3})
