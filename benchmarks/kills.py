"""Kill a training run at random moments, resume it, and compare it with an uninterrupted one.

    python benchmarks/kills.py [--kills 20] [--steps 600] [--task digits] [--json FILE]

Two runs from the same seed. One is not interrupted. The other is killed (kill -9) so many times,
each time in a new process: after a random step and a further random delay, so possibly within a
step or while a checkpoint is written. Every loss of every record and the final weights are compared
bit for bit; the steps that had to be repeated are counted.

The networks are a DCGAN on digits, with dropout (which uses torch's global generator), an EMA of G
and learning-rate decay; with ``--task ring`` two small MLPs on eight Gaussians.
"""

import argparse
import hashlib
import json
import os
import platform
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import torch
from torch import nn

from gancourse import env
from gancourse.datasets import digits, toy
from gancourse.datasets.batches import Batches
from gancourse.papers import blocks, dcgan
from gancourse.papers.gan import gan_step
from gancourse.training import checkpoint, loop
from gancourse.training.player import Player

RECORD_EVERY = 5  # steps; here every record is a checkpoint


def train(folder: Path, steps: int, task: str) -> None:
    """Train, or resume; a dot for every step, then a line for every record and for the weights."""
    torch.manual_seed(0)  # for dropout
    draw, rng = env.rng(1, "cpu"), env.rng(2, "cpu")
    if task == "digits":
        nets = dcgan.Generator(32, 1, 8, 32, rng=draw), dcgan.Discriminator(1, 8, 32, rng=draw)
        batches = Batches(digits.load(32, device="cpu").images, size=16, rng=rng)
    else:
        nets = blocks.MLP(32, 64, 2, rng=draw), blocks.MLPDiscriminator(2, 64, rng=draw)
        batches = toy.batches(toy.Ring(), 64, rng)
    G = Player(nets[0], lr=1e-3, steps=steps, ema=0.99)
    D = Player(nn.Sequential(nn.Dropout(0.1), nets[1]), lr=1e-3, steps=steps)
    sample_z = env.noise(32, draw)

    def step() -> dict[str, torch.Tensor]:
        players = (G.net, D.net, G.opt, D.opt)
        losses = gan_step(*players, batches, sample_z, autocast=env.autocast)
        G.advance()
        D.advance()
        print(".", flush=True)
        return losses

    keep = {"G": G, "D": D, "draw": draw, "rng": rng}
    for record in loop.train(
        step, steps, keep, folder, record_every=RECORD_EVERY, checkpoint_seconds=0.0
    ):
        values = {name: value.hex() for name, value in record.losses.items()}  # every bit of them
        print(json.dumps({"step": record.step, "resumed": record.resumed} | values), flush=True)
    tensors = [t for net in (G.net, D.net, G.average) for t in net.state_dict().values()]
    digest = hashlib.sha256(b"".join(t.contiguous().numpy().tobytes() for t in tensors))
    print("weights", digest.hexdigest(), flush=True)


@dataclass
class Life:
    """What one process did before it ended or was killed."""

    began: int
    """At which step."""
    steps: int = 0
    """How many it took."""
    records: int = 0
    """Step of the last record that it gave, and so of a checkpoint that it finished."""
    seconds: float = 0.0
    """From its first step to its last, checkpoints included."""
    losses: dict[int, dict] | None = None
    weights: str = ""
    status: int = 0
    writing: bool = False
    """It was killed while it wrote a checkpoint."""


def live(
    folder: Path, steps: int, task: str, kill_at: int | None = None, wait: float = 0.0, how: int = 9
) -> Life:
    """Start a process that trains; kill it `wait` seconds after step `kill_at`."""
    found = checkpoint.read(folder)
    life = Life(found["step"] if found else 0, losses={})
    life.records = life.began
    variables = {"GANCOURSE_STATIC": "1", "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
    first = 0.0
    command = [sys.executable, __file__, "--train", str(folder), "--steps", str(steps)]
    with subprocess.Popen(
        [*command, "--task", task], stdout=subprocess.PIPE, text=True, env=os.environ | variables
    ) as process:
        for line in process.stdout:
            if line.startswith("."):
                life.steps += 1
                first = time.perf_counter() if life.steps == 1 else first
                life.seconds = time.perf_counter() - first
            elif line.startswith("{"):
                row = json.loads(line)
                life.records = max(life.records, row["step"])
                del row["resumed"]
                life.losses[row["step"]] = row
            elif line.startswith("weights"):
                life.weights = line.split()[1]
            if (
                kill_at is not None
                and life.began + life.steps >= kill_at
                and process.poll() is None
            ):
                time.sleep(wait)
                process.send_signal(how)
                kill_at = None
    life.status = process.returncode
    life.writing = (folder / f"{checkpoint.NAME}.part").exists()
    return life


@dataclass
class Outcome:
    """The comparison of the two runs."""

    kills: int
    resumes: int
    losses_equal: bool
    weights_equal: bool
    losses_compared: int
    steps_repeated_most: int
    """After one kill: at most the steps since the last checkpoint, which is made every 5."""
    steps_repeated_in_all: int
    killed_while_writing: int
    """Kills that left a checkpoint half-written."""


def torment(
    folder: Path, steps: int, task: str, seed: int, signals: Sequence[int]
) -> tuple[Outcome, Life, list[Life]]:
    """Leave one run alone, stop the other by each of the signals in turn."""
    whole = live(folder / "whole", steps, task)
    choose = random.Random(seed)
    moments = sorted(choose.sample(range(1, int(0.9 * steps)), len(signals)))
    lives = []
    for moment, how in zip(moments, signals, strict=True):
        wait = choose.uniform(0, RECORD_EVERY * whole.seconds / steps)
        lives.append(live(folder / "killed", steps, task, moment, wait, how))
    lives.append(live(folder / "killed", steps, task))
    repeated = [a.began + a.steps - b.began for a, b in pairwise(lives)]
    outcome = Outcome(
        kills=sum(life.status < 0 and not life.weights for life in lives),
        resumes=sum(b.began >= a.records for a, b in pairwise(lives)),
        losses_equal=lives[-1].losses == whole.losses,
        weights_equal=lives[-1].weights == whole.weights != "",
        losses_compared=sum(len(row) - 1 for row in whole.losses.values()),
        steps_repeated_most=max(repeated),
        steps_repeated_in_all=sum(repeated),
        killed_while_writing=sum(life.writing for life in lives),
    )
    return outcome, whole, lives


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--task", choices=("digits", "ring"), default="digits")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--train", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.train:
        train(args.train, args.steps, args.task)
        return 0
    began = time.perf_counter()
    signals = [signal.SIGKILL] * args.kills
    with tempfile.TemporaryDirectory() as folder:
        outcome, _, lives = torment(Path(folder), args.steps, args.task, args.seed, signals)
    for n, life in enumerate(lives, 1):
        end = "finished" if life.weights else f"killed after step {life.began + life.steps}"
        print(f"life {n:2}: from step {life.began}, {end}" + ", writing" * life.writing)
    found = asdict(outcome) | {
        "task": args.task,
        "steps": args.steps,
        "seed": args.seed,
        "checkpoint_every": RECORD_EVERY,
        "seconds": round(time.perf_counter() - began, 1),
        "machine": f"{os.cpu_count()} cores, {torch.get_num_threads()} threads, "
        f"{env.precision()}, torch {torch.__version__}, Python {platform.python_version()}",
        "command": f"python benchmarks/kills.py --kills {args.kills} --steps {args.steps} "
        f"--task {args.task} --seed {args.seed}",
    }
    text = json.dumps(found, indent=1)
    print(text)
    if args.json:
        args.json.write_text(text + "\n")
    good = outcome.losses_equal and outcome.weights_equal
    all_done = outcome.kills == outcome.resumes == args.kills
    return 0 if good and all_done and outcome.steps_repeated_most <= RECORD_EVERY else 1


if __name__ == "__main__":
    sys.exit(main())
