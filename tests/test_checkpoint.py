"""Checkpoints: whole, or the one before; tensors and plain data only."""

import pytest
import torch
from torch import nn

from gancourse import checkpoint
from gancourse.env import CourseError


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


def test_checkpoint_that_is_cut_off_gives_the_one_before(tmp_path, capsys):
    for step in (1, 2):
        checkpoint.write(tmp_path, {"step": step})
    newest = tmp_path / checkpoint.NAME
    newest.write_bytes(newest.read_bytes()[:100])
    assert checkpoint.read(tmp_path) == {"step": 1}
    assert "can't be read" in capsys.readouterr().out


def test_checkpoints_hold_no_code(tmp_path, capsys):
    checkpoint.write(tmp_path, {"step": CourseError})
    assert checkpoint.read(tmp_path) is None
    assert "can't be read" in capsys.readouterr().out


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
