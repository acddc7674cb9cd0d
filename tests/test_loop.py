"""The loop: records, guards, and runs that go on after a kill as if nothing had happened."""

import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from torch import nn

from gancourse import checkpoint, loop
from gancourse.datasets.batches import Batches
from gancourse.env import CourseError

RUN = """
import sys, time, torch
from pathlib import Path
from torch import nn
from gancourse import loop
rng = torch.Generator().manual_seed(1)
torch.manual_seed(0)
net = nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5), nn.Linear(4, 1))
opt = torch.optim.Adam(net.parameters(), 0.01)
decay = loop.linear_decay(opt, 400)
def step():
    loss = net(torch.randn(8, 4, generator=rng)).square().mean()
    opt.zero_grad(); loss.backward(); opt.step(); decay.step(); time.sleep(float(sys.argv[2]))
    return {"loss": loss.detach()}
keep = {"net": net, "opt": opt, "decay": decay, "rng": rng}
folder = Path(sys.argv[1])
for record in loop.train(step, 400, keep, folder, record_every=10, checkpoint_seconds=0.0):
    print(record.step, repr(record.losses["loss"]), flush=True)
"""


def start(folder: Path, pause: float = 0.0) -> subprocess.Popen:
    env = os.environ | {"GANCOURSE_STATIC": "1", "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(folder), str(pause)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env,
    )  # fmt: skip


def losses_of(output: str) -> dict[int, str]:
    rows = (line.split() for line in output.splitlines() if line[:1].isdigit())
    return {int(step): loss for step, loss in rows}


def test_killed_run_goes_on_with_the_same_losses(tmp_path):
    whole, errors = start(tmp_path / "whole").communicate(timeout=120)
    assert not errors and len(losses_of(whole)) == 40

    victim = start(tmp_path / "killed", pause=0.01)
    for line in victim.stdout:
        if line.startswith("120 "):
            break
    victim.send_signal(signal.SIGKILL)
    victim.communicate(timeout=60)
    found = checkpoint.read(tmp_path / "killed")
    assert found is not None and 110 <= found["step"] < 400, "the kill came in the middle"

    rest, errors = start(tmp_path / "killed").communicate(timeout=120)
    assert not errors and "goes on, at step" in rest
    assert losses_of(rest) == losses_of(whole), "equal to the last bit"


class Tiny:
    """A one-parameter run, for the tests below."""

    def __init__(self, seed: int = 0, lr: float = 0.1) -> None:
        self.net = nn.Linear(1, 1)
        self.opt = torch.optim.SGD(self.net.parameters(), lr)
        self.rng = torch.Generator().manual_seed(seed)
        self.keep = {"net": self.net, "opt": self.opt, "rng": self.rng}

    def step(self) -> dict:
        loss = (self.net(torch.randn(4, 1, generator=self.rng)) - 1).square().mean()
        self.opt.zero_grad()
        loss.backward()
        self.opt.step()
        return {"loss": loss.detach()}


def test_records_are_means_and_end_with_the_last_step():
    values = iter(range(100))
    steps = lambda: {"loss": torch.tensor(float(next(values)))}  # noqa: E731
    records = list(loop.train(steps, 25, {}, record_every=10))
    assert [r.step for r in records] == [10, 20, 25]
    assert [r.losses["loss"] for r in records] == [4.5, 14.5, 22.0]


def test_finished_run_is_shown_again_without_training(tmp_path, capsys):
    first = list(loop.train(Tiny().step, 20, Tiny().keep, tmp_path, record_every=10))

    def never():
        raise AssertionError("trained again")

    again = list(loop.train(never, 20, Tiny().keep, tmp_path, record_every=10))
    assert [r.losses for r in again] == [r.losses for r in first]
    assert all(r.resumed for r in again)
    assert "finished before" in capsys.readouterr().out


def test_leaving_the_loop_keeps_what_was_done(tmp_path):
    run = Tiny()
    for record in loop.train(run.step, 100, run.keep, tmp_path, record_every=10):
        if record.step == 30:
            break
    assert checkpoint.read(tmp_path)["step"] == 30


@pytest.mark.parametrize("change", [{"lr": 0.2}, {"seed": 5}])
def test_other_settings_start_anew_and_lose_nothing(tmp_path, capsys, change):
    run = Tiny()
    list(loop.train(run.step, 20, run.keep, tmp_path))
    other = Tiny(**change)
    records = list(loop.train(other.step, 20, other.keep, tmp_path))
    assert not records[0].resumed
    assert "starts from step 0" in capsys.readouterr().out
    assert (tmp_path / "aside-1.pt").exists()


def test_loss_that_is_not_finite_stops_the_run_and_names_the_step(tmp_path):
    values = iter([1.0, 2.0, 3.0, math.nan, 5.0] * 10)
    run = Tiny()
    bad = loop.train(lambda: {"loss_G": torch.tensor(next(values))}, 50, run.keep, tmp_path)
    with pytest.raises(
        loop.TrainingDiverged, match="loss_G stopped being a finite number at step 4"
    ) as e:
        list(bad)
    assert e.value.last == {"loss_G": 3.0}
    assert checkpoint.read(tmp_path)["step"] == 0, "a state with nan in it is never saved"


def test_out_of_memory_names_the_batch_that_fits(tmp_path):
    run = Tiny()
    batches = Batches(torch.zeros(8, 1), size=64, rng=run.rng)

    def step():
        next(batches)
        if batches.size > 20:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return {"loss": torch.tensor(0.0)}

    with pytest.raises(CourseError, match="A batch of 16 fits"):
        list(loop.train(step, 10, run.keep, tmp_path, batches=batches))
    assert batches.size == 64


def test_disk_that_refuses_is_reported_once_and_training_goes_on(tmp_path, capsys, monkeypatch):
    def refuse(folder, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "write", refuse)
    run = Tiny()
    records = list(
        loop.train(run.step, 30, run.keep, tmp_path, record_every=10, checkpoint_seconds=0.0)
    )
    assert len(records) == 3
    assert capsys.readouterr().out.count("No space left") == 1


def test_other_errors_of_a_step_are_not_swallowed():
    def step():
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        list(loop.train(step, 5, {}))


def test_linear_decay_holds_and_falls_to_zero():
    opt = torch.optim.SGD([nn.Parameter(torch.zeros(1))], 2.0)
    decay = loop.linear_decay(opt, 10, hold=0.5)
    rates = []
    for _ in range(10):
        rates.append(opt.param_groups[0]["lr"])
        opt.step()
        decay.step()
    assert rates[:6] == [2.0] * 6 and rates[6:] == pytest.approx([1.6, 1.2, 0.8, 0.4])
    assert opt.param_groups[0]["lr"] == 0


def test_loop_costs_little():
    """Less than 200 microseconds a step beside the step itself, so small networks stay quick."""
    nothing = {"loss": torch.tensor(0.0)}
    began = time.perf_counter()
    list(loop.train(lambda: nothing, 2000, {}, record_every=100))
    assert (time.perf_counter() - began) / 2000 < 2e-4
