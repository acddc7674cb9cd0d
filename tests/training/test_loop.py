"""The loop: records, guards, and runs that go on after a kill as if nothing had happened."""

import contextlib
import importlib.util
import math
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from gancourse.datasets.batches import Batches
from gancourse.errors import CourseError
from gancourse.training import checkpoint, loop

ROOT = Path(__file__).resolve().parents[2]
STATIC = {"GANCOURSE_STATIC": "1", "PYTHONPATH": str(ROOT)}


def test_killed_three_times_and_shut_down_once_it_gives_the_same_losses(tmp_path, monkeypatch):
    """benchmarks/kills.py does this twenty times with pictures."""
    spec = importlib.util.spec_from_file_location("kills", ROOT / "benchmarks" / "kills.py")
    kills = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "kills", kills)
    spec.loader.exec_module(kills)
    stops = [signal.SIGKILL, signal.SIGTERM, signal.SIGKILL, signal.SIGKILL]
    outcome, whole, lives = kills.torment(tmp_path, 60, "ring", 1, stops)
    assert [life.status for life in lives] == [*(-how for how in stops), 0]
    assert len(whole.losses) == 12 and lives[-1].losses == whole.losses, "equal to the last bit"
    assert lives[-1].weights == whole.weights != ""
    assert outcome.resumes == 4 and outcome.steps_repeated_most <= kills.RECORD_EVERY


def test_interrupted_cell_run_again_gives_the_same_losses(tmp_path):
    """As in a notebook: the networks stay in memory, left in the middle of a step."""
    run = Tiny()
    whole = list(loop.train(run.step, 60, run.keep, None, record_every=10))

    run = Tiny()
    interrupted = []

    def step():
        losses = run.step()
        if len(interrupted) < 2 and torch.rand((), generator=chance) < 0.03:
            interrupted.append(True)
            signal.raise_signal(signal.SIGINT)  # the stop button
        return losses

    chance, records = torch.Generator().manual_seed(4), []
    while not records:
        try:
            records = list(
                loop.train(step, 60, run.keep, tmp_path, record_every=10, checkpoint_seconds=0.0)
            )
        except KeyboardInterrupt:
            assert checkpoint.read(tmp_path)["step"] < 60
    assert len(interrupted) == 2
    assert [r.losses for r in records] == [r.losses for r in whole]


class Tiny:
    """A one-parameter run, for the tests below."""

    def __init__(self, seed: int = 0, lr: float = 0.1) -> None:
        torch.manual_seed(0)
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
    assert "already finished" in capsys.readouterr().out


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


OTHER = """
import sys, time, torch
from pathlib import Path
from gancourse.training import loop
step = lambda: time.sleep(0.01) or {"loss": torch.tensor(0.0)}
for record in loop.train(step, 100_000, {}, Path(sys.argv[1]), record_every=1):
    print(record.step, flush=True)
"""


def test_second_kernel_on_a_run_is_refused_until_the_first_is_gone(tmp_path):
    """Gone by kill -9: no lock stays behind."""
    with subprocess.Popen(
        [sys.executable, "-c", OTHER, str(tmp_path)],
        stdout=subprocess.PIPE, text=True, env=os.environ | STATIC,
    ) as first, contextlib.ExitStack() as stack:  # fmt: skip
        stack.callback(first.kill)
        assert first.stdout.readline() == "1\n"
        before = {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.suffix == ".pt"}
        with pytest.raises(CourseError, match="Another run is training in") as caught:
            list(loop.train(lambda: {}, 20, {}, tmp_path))
        assert caught.value.why and "GANCOURSE_RUNS" in caught.value.do
        assert {p.name: p.read_bytes() for p in tmp_path.iterdir() if p.suffix == ".pt"} == before
        assert first.poll() is None and first.stdout.readline() == "2\n"
        first.kill()
        first.stdout.read()
    run = Tiny()
    assert len(list(loop.train(run.step, 20, run.keep, tmp_path, record_every=10))) == 2


def test_loop_left_half_way_holds_its_run_until_it_is_closed(tmp_path):
    run = Tiny()
    half = loop.train(run.step, 50, run.keep, tmp_path, record_every=10)
    next(half)
    with pytest.raises(CourseError, match="not finished"):
        next(loop.train(run.step, 50, run.keep, tmp_path, record_every=10))
    half.close()
    again = loop.train(run.step, 50, run.keep, tmp_path, record_every=10)
    assert next(again).resumed
    again.close()


def test_failing_run_lets_go_of_its_folder(tmp_path):
    def step():
        raise RuntimeError("mine")

    kept = []
    for _ in range(2):
        with pytest.raises(RuntimeError, match="mine") as caught:
            list(loop.train(step, 50, {}, tmp_path))
        kept.append(caught)  # a notebook keeps the last traceback, and with it all that it names


def test_drive_without_locks_is_said_and_trained_on(tmp_path, capsys, monkeypatch):
    def unknown(self):
        raise NotImplementedError("no flock here")

    monkeypatch.setattr(checkpoint.FileLock, "acquire", unknown)
    run = Tiny()
    assert len(list(loop.train(run.step, 20, run.keep, tmp_path, record_every=10))) == 2
    assert "this drive supports no locks" in capsys.readouterr().out


class Large(Tiny):
    """Its optimizer's state makes later checkpoints larger than the first."""

    def __init__(self, lr: float = 0.1) -> None:
        super().__init__()
        self.net = nn.Linear(1, 3000)
        self.opt = torch.optim.Adam(self.net.parameters(), lr)
        self.keep = {"net": self.net, "opt": self.opt, "rng": self.rng}


def test_disk_that_refuses_is_reported_and_training_goes_on(tmp_path, capsys, small_files):
    """The system itself refuses: no file may grow beyond 60 kB."""
    run, records = Large(), []
    with contextlib.ExitStack() as limit:
        limit.enter_context(small_files(60_000))
        for record in loop.train(
            run.step, 50, run.keep, tmp_path, record_every=10, checkpoint_seconds=0.0
        ):
            records.append(record.step)
            found = sorted(p.name for p in tmp_path.iterdir())
            if record.step == 20:
                assert checkpoint.read(tmp_path)["step"] == 0 and found == [
                    "checkpoint.pt",
                    "run.lock",
                ]
                assert "all after step 0 is lost" in capsys.readouterr().out
            elif record.step == 30:
                assert capsys.readouterr().out == "", "said once"
                limit.close()
    assert records == [10, 20, 30, 40, 50]
    assert "step 40 could be saved again" in capsys.readouterr().out
    assert checkpoint.read(tmp_path)["step"] == 50


DRIVE = """
import subprocess, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_loop import Large, checkpoint, loop

drive = Path(sys.argv[1])
def mount(*options):
    subprocess.run(["mount", "-t", "tmpfs", *options, "drive", str(drive)], check=True)

def train(run, steps, at=lambda step: None, **options):
    for record in loop.train(run.step, steps, run.keep, drive / "run", record_every=10,
                             checkpoint_seconds=0.0, **options):
        at(record.step)
    print("trained to", record.step)

def look():
    names = sorted(p.name for p in (drive / "run").iterdir())
    print("on the disk", checkpoint.read(drive / "run")["step"], *names)

mount("-o", "size=64k")
train(Large(), 30)
look()
train(Large(), 30, lambda step: mount("-o", "remount,size=4m") if step == 20 else None)
look()
mount("-o", "remount,ro")
train(Large(), 60)
train(Large(lr=0.2), 20)
train(Large(), 20, fresh=True)
look()
"""


def test_drive_that_is_full_and_then_read_only(tmp_path):
    """A real one: tmpfs, mounted where only this test sees it."""
    alone = ["unshare", "--user", "--map-root-user", "--mount"]
    trial = [*alone, "mount", "-t", "tmpfs", "trial", str(tmp_path)]
    if sys.platform != "linux" or subprocess.run(trial, capture_output=True).returncode:
        pytest.skip("this system lets nobody mount a drive of his own")
    done = subprocess.run(
        [*alone, sys.executable, "-c", DRIVE, str(tmp_path), str(Path(__file__).parent)],
        capture_output=True, text=True, env=os.environ | STATIC, timeout=120,
    )  # fmt: skip
    assert not done.stderr and done.returncode == 0, done.stderr
    lines = iter(done.stdout.splitlines())

    def says(*texts):
        line = next(lines)
        assert all(text in line for text in texts), done.stdout

    full = ("No space left on device", "all after step 0 is lost", "GANCOURSE_RUNS")
    says("step 10 could not be saved", *full)
    says("step 30 could not be saved", *full)
    says("trained to 30")
    says("on the disk 0 checkpoint.pt run.lock")  # no half of a file keeps the disk full
    says("resumes at step 0")
    says("step 10 could not be saved", *full)
    says("step 30 could be saved again")
    says("trained to 30")
    says("on the disk 30")
    says("resumes at step 30")
    says("step 40 could not be saved", "Read-only file system", "all after step 30 is lost")
    says("step 60 could not be saved")
    says("trained to 60")
    says("starts from step 0", "other networks, settings", "this run is not saved: Read-only")
    says("trained to 20")
    says("starts from step 0 (as asked; it stays, and this run is not saved")
    says("trained to 20")
    says("on the disk 30")
    assert not list(lines)


def test_checkpoint_that_does_not_fit_is_refused_with_the_mend(tmp_path):
    class Other(nn.Module):
        """The same name and shapes for the fingerprint; another content when it is loaded."""

        def load_state_dict(self, state):
            raise RuntimeError("unexpected key")

    run = Tiny()
    list(loop.train(run.step, 20, run.keep | {"more": nn.Module()}, tmp_path))
    with pytest.raises(CourseError, match="unexpected key") as caught:
        list(loop.train(run.step, 40, run.keep | {"more": Other()}, tmp_path))
    assert "fresh=True" in caught.value.do
    list(loop.train(run.step, 20, run.keep | {"more": Other()}, tmp_path, fresh=True))
    assert (tmp_path / "aside-1.pt").exists()


def test_other_errors_of_a_step_are_not_swallowed():
    def step():
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1 and mat2"):
        list(loop.train(step, 5, {}))
