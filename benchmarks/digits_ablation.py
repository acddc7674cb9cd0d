"""Measure what each part of a DCGAN on digits contributes, and some tricks, over seeds.

Writes digits.json in gancourse/results; notebooks 03 and 10 show it.

    python benchmarks/digits_ablation.py [--seeds 5] [--minutes 60] [--only NAME ...] [--file F]

Each row changes one thing in the course's recipe: DCGAN's five guidelines, Adam at 0.002 with
beta1 = 0.5, lazy R1, learning-rate decay, an EMA of G. Runs are complete: 2,000 steps of batch 32,
the second half with decaying rates, in fp32 with one thread. `frechet_last` is measured with the
last weights of G instead of their EMA. A run in the file with the same
settings is kept: stop and resume it at any time; after `--minutes` no further run is started.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from gancourse import env
from gancourse.classifiers.digit_judge import SmallClassifier, train_judge
from gancourse.datasets import digits
from gancourse.datasets.batches import Batches
from gancourse.metrics.samples import confident_share, frechet_distance, in_batches
from gancourse.papers import tricks
from gancourse.papers.blocks import init_normal, swap
from gancourse.papers.dcgan import Discriminator, Generator
from gancourse.papers.gan import descend, frozen, lazy_r1
from gancourse.training.player import Player

FILE = Path(__file__).parents[1] / "gancourse" / "results" / "digits.json"
STEPS, NOISE, WIDTH, BATCH, SAMPLES, REFERENCE = 2000, 24, 12, 32, 2500, 32
BN = nn.BatchNorm2d
Change = Callable[[nn.Module], nn.Module]


def same(net: nn.Module) -> nn.Module:
    """Nothing changed."""
    return net


def without_norm(net: nn.Module) -> nn.Module:
    return swap(net, BN, lambda layer: nn.Identity())


def hidden_in_G(G: nn.Module) -> nn.Module:  # noqa: N802
    """Fully connected hidden layers before the first map."""
    layers = nn.Linear(NOISE, 256), nn.ReLU(), nn.Linear(256, NOISE)
    return swap(G, nn.Unflatten, lambda layer: nn.Sequential(*layers, layer))


def hidden_in_D(D: nn.Module) -> nn.Module:  # noqa: N802
    """A fully connected hidden layer after the last map."""
    last = [layer for layer in D.modules() if isinstance(layer, nn.Conv2d)][-1]
    head = nn.Sequential(nn.Conv2d(last.in_channels, 64, 4), nn.LeakyReLU(0.2), nn.Conv2d(64, 1, 1))
    return swap(D, nn.Conv2d, lambda conv: head if conv is last else conv)


def spectral(D: nn.Module) -> nn.Module:
    """Spectral norm on every convolution, in the place of batch norm."""
    return swap(without_norm(D), nn.Conv2d, spectral_norm)


def virtual(G: nn.Module) -> nn.Module:
    return swap(G, BN, lambda old: tricks.BatchNorm(1, old.num_features, 1, 1, reference=REFERENCE))


class Features(nn.Module):
    """D with ``features``, for feature matching: all of its layers but the last two."""

    def __init__(self, D: Discriminator) -> None:
        super().__init__()
        self.features, self.head = D.layers[:-2], D.layers[-2:]

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x))


@dataclass(frozen=True)
class Row:
    """What differs from the course's recipe."""

    what: str
    change_G: Change = same  # noqa: N815
    change_D: Change = same  # noqa: N815
    loss_D: tricks.Loss = tricks.log_loss  # noqa: N815
    loss_G: tricks.Loss = tricks.non_saturating  # noqa: N815
    gamma: float = 0.1
    player: Mapping[str, Any] = field(default_factory=dict)


ROWS = {
    "all five guidelines": Row("the course's recipe"),
    "1 pooling in D": Row("max-pooling instead of strides", change_D=lambda D: swap(
        D, nn.Conv2d, tricks.pooled)),
    "2 no batch norm": Row("in G and D", without_norm, without_norm),
    "3 hidden layers": Row("fully connected, in G and D", hidden_in_G, hidden_in_D),
    "4 LeakyReLU in G": Row("slope 0.2", lambda G: swap(
        G, nn.ReLU, lambda layer: nn.LeakyReLU(0.2))),
    "5 ReLU in D": Row("no slope below 0", change_D=lambda D: swap(
        D, nn.LeakyReLU, lambda layer: nn.ReLU())),
    "rate 0.0002": Row("the paper's learning rate", player={"lr": 2e-4}),
    "no R1": Row("no penalty on D's gradient", gamma=0.0),
    "constant rate": Row("no learning-rate decay", player={"steps": None}),
    "one batch": Row("real and fake through D as one batch", loss_D=tricks.joint_log_loss),
    "virtual norm in G": Row("virtual batch norm", virtual),
    "feature matching": Row("G's loss: D's mean features", loss_G=tricks.feature_matching),
    "spectral norm in D": Row("instead of batch norm", change_D=spectral),
}  # fmt: skip


def networks(row: Row, seed: int) -> tuple[nn.Module, Features]:
    """A new G and D of a row, with DCGAN's initial weights."""
    start = env.rng(1000 + seed, "cpu")
    torch.manual_seed(seed)  # for spectral norm's first vectors
    G = init_normal(row.change_G(Generator(NOISE, 1, WIDTH, 32)), start)
    D = init_normal(row.change_D(Discriminator(1, WIDTH, 32)), start)
    for layer in G.modules():
        if isinstance(layer, tricks.BatchNorm):
            nn.init.ones_(layer.gain)
            nn.init.zeros_(layer.shift)
    return G, Features(D)


def run(row: Row, seed: int, judge: SmallClassifier, real: Tensor) -> dict[str, float]:
    """Train one pair of networks and measure its samples."""
    rng = env.rng(seed)
    draw = env.noise(NOISE, rng)
    G, D = networks(row, seed)
    if any(isinstance(m, tricks.BatchNorm) for m in G.modules()):
        G = tricks.Virtual(G, draw(REFERENCE))
    options = {"lr": 2e-3, "steps": STEPS, **row.player}
    D = Player(D, **options | {"ema": 0.0})
    G = Player(G, **{"ema": 0.999} | options)
    batches, r1 = (
        Batches(digits.load(32, "train").images, size=BATCH, rng=rng),
        lazy_r1(row.gamma, examples=8),
    )
    begin = time.perf_counter()
    for step in range(STEPS):
        x = next(batches)
        with torch.no_grad():
            fakes = G.net(draw(BATCH))
        loss_D = row.loss_D(D.net, x, fakes)
        due = row.gamma and step % 8 == 0
        descend(D.opt, loss_D + r1(D.net, x) if due else loss_D)
        with frozen(D.net):
            loss_G = row.loss_G(D.net, x, G.net(draw(BATCH)))
            descend(G.opt, loss_G)
        G.advance()
        D.advance()
    z = env.noise(NOISE, env.rng(1))(SAMPLES)
    images, last = in_batches(G.average, z), in_batches(G.net, z)
    p = in_batches(judge, images).softmax(1)
    return {
        "frechet": frechet_distance(in_batches(judge.features, images), real),
        "frechet_last": frechet_distance(in_batches(judge.features, last), real),
        "confident": confident_share(p),
        "classes": len(p.argmax(1)[p.max(1).values >= 0.9].unique()),
        "loss_D": loss_D.item(), "loss_G": loss_G.item(),
        "seconds": round(time.perf_counter() - begin, 1),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--file", type=Path, default=FILE)
    parser.add_argument("--only", nargs="*", default=list(ROWS), choices=list(ROWS))
    args = parser.parse_args()
    end = time.monotonic() + 60 * args.minutes
    torch.set_num_threads(1)
    settings = {
        "steps": STEPS, "noise": NOISE, "width": WIDTH, "batch": BATCH, "samples": SAMPLES,
        "torch": torch.__version__.split("+")[0], "machine": platform.machine(),
    }  # fmt: skip
    table = json.loads(args.file.read_text("utf-8")) if args.file.exists() else {}
    rows = table.get("rows", {}) if table.get("settings") == settings else {}
    train_set, rng = digits.load(32, "train"), env.rng(0)
    judge = train_judge(Batches(train_set.images, train_set.labels, size=100, rng=rng), rng, 500)
    every = digits.load(32, "all").images
    order = torch.randperm(len(every), generator=env.rng(2, "cpu")).to(every.device)
    other, real = in_batches(judge.features, every[order[: 2 * SAMPLES]]).split(SAMPLES)
    command = f"python benchmarks/digits_ablation.py --seeds {args.seeds}"
    head = {"command": command, "settings": settings, "real": frechet_distance(other, real)}
    for seed in range(args.seeds):
        for name in args.only:
            row = rows.setdefault(name, {"what": ROWS[name].what, "frechet": []})
            if len(row["frechet"]) > seed or time.monotonic() > end:
                continue
            numbers = run(ROWS[name], seed, judge, real)
            for key, value in numbers.items():
                row.setdefault(key, []).append(value)
            args.file.write_text(json.dumps(head | {"rows": rows}, indent=1) + "\n", "utf-8")
            print(name, seed, {key: round(value, 3) for key, value in numbers.items()}, flush=True)


if __name__ == "__main__":
    main()
