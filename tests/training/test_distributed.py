"""Several processes train as one does with the whole batch; a killed one ends the run cleanly."""

import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import torch.distributed as dist
from PIL import Image
from torch import nn

from gancourse.errors import CourseError
from gancourse.papers import dcgan
from gancourse.papers.blocks import swap
from gancourse.training import checkpoint, distributed, processes
from gancourse.training.player import Player

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 200  # seconds until a process counts as hung: no test needs a tenth of it
ALONE = threading.Lock()  # initial weights are drawn from torch's own generator
pytestmark = pytest.mark.timeout(2 * PATIENCE)


@pytest.fixture(autouse=True)
def exact(monkeypatch):
    """No bf16, and one thread per process, here and in the processes that a test starts."""
    monkeypatch.setenv("GANCOURSE_PRECISION", "fp32")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def images(tmp_path) -> Path:
    folder, rng = tmp_path / "images", np.random.default_rng(0)
    folder.mkdir()
    for i in range(50):
        patches = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        Image.fromarray(patches.repeat(4, 0).repeat(4, 1)).save(folder / f"{i}.png")
    return folder


def arguments(images: Path, out: Path, devices: int, steps: int) -> list[str]:
    """A narrow network, and a constant learning rate: a run may be continued with more steps."""
    sizes = "--size 16 --width 4 --batch 8 --hold 1 --gamma 10 --every 2"
    places = f"--data {images} --out {out} --device cpu --devices {devices} --steps {steps}"
    return ["dcgan", *places.split(), *sizes.split()]


# What is computed --------------------------------------------------------------------------------
class Threads:
    """Takes the place of torch.distributed: threads of this process are the processes."""

    def __init__(self, number: int) -> None:
        self.number, self.here = number, threading.local()
        self.barrier, self.parts = threading.Barrier(number, timeout=PATIENCE), [None] * number

    def all_reduce(self, x: torch.Tensor) -> torch.Tensor:
        self.parts[self.here.rank] = x.clone()
        self.barrier.wait()
        total = sum(self.parts)
        self.barrier.wait()
        return x.copy_(total)

    def run(self, function, monkeypatch) -> list:
        results = [None] * self.number

        def work(rank: int) -> None:
            self.here.rank = rank
            try:
                results[rank] = function()
            except BaseException:
                self.barrier.abort()
                raise

        with monkeypatch.context() as patch:
            patch.setattr(processes, "rank", lambda: self.here.rank)
            patch.setattr(processes, "world", lambda: self.number)
            patch.setattr(processes, "all_reduce", self.all_reduce)
            threads = [threading.Thread(target=work, args=(i,)) for i in range(self.number)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(PATIENCE)
        return results


@pytest.fixture
def double():
    """Rounding is then far below what a wrong share or statistic would change."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def trained(norm=processes.JointBatchNorm2d.like) -> dict:
    """Ten steps, the first and the ninth with R1: weights, EMA, buffers, losses, generator."""
    rng = torch.Generator().manual_seed(1)
    x = torch.rand(40, 1, 16, 16, generator=rng) * 2 - 1
    with ALONE:
        G, D = dcgan.Generator(6, 1, 3, 16, rng), dcgan.Discriminator(1, 3, 16, rng)
    G, D = (swap(net, nn.BatchNorm2d, norm) for net in (G, D))
    G, D = Player(G, lr=1e-3, ema=0.9), Player(D, lr=1e-3)
    step = distributed.game(G, D, x, 16, rng, gamma=10.0)
    losses = {f"{i} {k}": v for i in range(10) for k, v in step().items()}
    nets = {"G": G.net, "D": D.net, "average": G.average}
    weights = {f"{n}.{k}": v for n, net in nets.items() for k, v in net.state_dict().items()}
    return weights | losses | {"rng": rng.get_state()}


def weights(result: dict) -> dict:
    return {key: value for key, value in result.items() if "loss" not in key}


def difference(a: dict, b: dict) -> float:
    assert a.keys() == b.keys()
    return max(float((a[k].double() - b[k].double()).abs().max()) for k in a)


@pytest.mark.parametrize("number", [2, 4])
def test_shares_give_the_weights_ema_and_losses_of_the_whole_batch(number, double, monkeypatch):
    whole = trained(lambda layer: layer)  # torch's own batch norm
    shares = Threads(number).run(trained, monkeypatch)
    assert difference(shares[0], whole) < 1e-6  # gan_step takes losses in float32
    assert difference(weights(shares[0]), weights(whole)) < 1e-10
    for other in shares[1:]:
        assert difference(other, shares[0]) == 0, "every process has the same networks"


def test_batch_norm_per_process_would_be_another_training(double, monkeypatch):
    """So the test above would notice it."""
    shares = Threads(2).run(lambda: trained(lambda layer: layer), monkeypatch)
    assert difference(shares[0], trained()) > 1e-3


# Processes ---------------------------------------------------------------------------------------
def test_run_of_one_process_goes_on_with_two_under_torchrun_and_with_one_again(
    images, tmp_path, monkeypatch, capfd
):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert distributed.main(arguments(images, whole, 1, 14)) == 0
    assert distributed.main(arguments(images, parts, 1, 4)) == 0
    capfd.readouterr()
    module = ["-m", "gancourse.training.distributed", *arguments(images, parts, 2, 12)]
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run(
        [*torchrun, *module], capture_output=True, text=True, timeout=PATIENCE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("resumes at step 4 of 12") == done.stdout.count("step 10: ") == 1
    assert distributed.main(arguments(images, parts, 1, 14)) == 0
    assert "resumes at step 12 of 14" in capfd.readouterr().out

    states, losses = [], []
    for folder in (whole, parts):
        content = checkpoint.read(folder)
        losses.append([record["losses"] for record in content["records"]])
        networks = {name: content["state"][name] for name in ("G.net", "D.net", "G.average")}
        states.append({f"{n}.{k}": v for n, net in networks.items() for k, v in net.items()})
        assert (folder / "samples_000014.png").exists() and (folder / "G.safetensors").exists()
    assert difference(*states) < 1e-5
    assert len(losses[0]) == len(losses[1]) == 7
    for one, two in zip(*losses, strict=True):
        assert one == pytest.approx(two, abs=1e-5)


def test_killed_process_ends_the_run_with_one_error_and_a_checkpoint(images, tmp_path, capfd):
    out = tmp_path / "out"
    assert distributed.main(arguments(images, out, 1, 4)) == 0

    def kill() -> None:
        while not list(out.glob("samples_000008.png")):
            time.sleep(0.05)
        workers = set(multiprocessing.active_children()) - before
        last = max(workers, key=lambda process: int(process.name.rpartition("-")[2]))
        os.kill(last.pid, signal.SIGKILL)

    capfd.readouterr()
    before = set(multiprocessing.active_children())
    threading.Thread(target=kill, daemon=True).start()
    assert distributed.main(arguments(images, out, 2, 10_000_000)) == 1
    assert set(multiprocessing.active_children()) == before, "no process is left behind"
    error = capfd.readouterr().err
    assert (
        error.count("process 1 was ended by SIGKILL") == 1 and "The same command resumes" in error
    )
    assert "Traceback" not in error and "lost the connection" not in error

    step = checkpoint.read(out)["step"]
    assert step >= 4
    assert distributed.main(arguments(images, out, 1, step + 2)) == 0
    assert f"resumes at step {step:,}" in capfd.readouterr().out
    assert checkpoint.read(out)["step"] == step + 2


# Errors ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ("--data nowhere --devices 1", "There is no folder nowhere"),
        ("--batch 7", "7 can't be divided among 2 processes.*Use --batch 8"),
        ("--device cuda", "2 processes need 2 GPUs, and torch sees 1.*--devices 1"),
        ("--devices 1 --size 50", "size must be 8, 16"),
        ("--devices 1 --steps 0", "steps and record_every must be at least 1"),
    ],
)
def test_errors_say_what_to_do(change, expected, images, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    options = arguments(images, tmp_path / "out", 2, 4)
    assert distributed.main([*options, *change.split()]) == 1
    assert re.search(expected, capfd.readouterr().err, re.DOTALL)


def test_unknown_model_is_refused_with_the_known_ones(images, tmp_path, capfd):
    with pytest.raises(SystemExit):
        distributed.main(["wgan", *arguments(images, tmp_path / "out", 2, 4)[1:]])
    error = capfd.readouterr().err
    assert "invalid choice: 'wgan'" in error and "dcgan" in error


def test_process_reports_its_error_to_the_one_that_started_it(images, tmp_path, monkeypatch):
    causes = [CourseError("What", "why", "do"), ValueError("a number"), KeyError("a bug")]

    def fail(options) -> None:
        raise causes[len(reports)]

    monkeypatch.setattr(distributed, "run", fail)
    monkeypatch.setattr(distributed.atexit, "register", lambda function, status: None)
    options, reports = distributed.parse(arguments(images, tmp_path / "out", 2, 4)), []
    for _ in causes:
        distributed._worker(1, options, SimpleNamespace(put=reports.append))
    assert reports[:2] == ["What\nwhy\ndo", "a number"]
    assert reports[2].startswith("Traceback") and "a bug" in reports[2]
    place = [os.environ[key] for key in distributed.PLACE]
    assert place == ["1", "2", "1", "2"]


def test_lost_connection_is_a_course_error(monkeypatch):
    def lost(x) -> None:
        raise RuntimeError("Connection closed by peer")

    monkeypatch.setattr(processes, "world", lambda: 2)
    monkeypatch.setattr(dist, "all_reduce", lost)
    with pytest.raises(CourseError, match="Process 0 of 2 lost the connection"):
        processes.all_reduce(torch.zeros(1))
