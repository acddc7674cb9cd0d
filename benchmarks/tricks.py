"""Measure each trick of notebook 10 against the plain run on digits.

Writes tricks.json in gancourse/results.

    python benchmarks/tricks.py [--seeds 5] [--steps 300] [--only NAME ...]

A small DCGAN on 32 x 32 digits, trained with `many_seeds.make_step`; each variant changes one
thing. Rows already in the file with the same settings are kept: stop and resume it at any time.
"""

import argparse
import json
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from gancourse import env
from gancourse.classifiers.digit_judge import SmallClassifier, train_judge
from gancourse.datasets import digits
from gancourse.datasets.batches import Batches
from gancourse.metrics.samples import (
    frechet_distance,
    in_batches,
    inception_score,
    kernel_distance,
    precision_recall,
)
from gancourse.papers import tricks
from gancourse.papers.blocks import init_normal, swap
from gancourse.papers.dcgan import Discriminator, Generator
from gancourse.papers.dcgan_probes import lerp, slerp
from gancourse.shapes import to_float
from gancourse.training import many_seeds
from gancourse.training.loop import train

FILE = Path(__file__).parents[1] / "gancourse" / "results" / "tricks.json"
NOISE, WIDTH, BATCH, SAMPLES, REFERENCE = 24, 12, 32, 1000, 32
BN, ACT = nn.BatchNorm2d, nn.LeakyReLU


@dataclass(frozen=True)
class Variant:
    """What differs from the plain run."""

    what: str
    recipe: dict[str, Any] = field(default_factory=dict)
    change_G: Callable[[nn.Module], nn.Module] = lambda G: G  # noqa: N815
    change_D: Callable[[nn.Module], nn.Module] = lambda D: D  # noqa: N815
    noise: str = "normal"


def own_batch(reference: int) -> Callable[[nn.Module], nn.Module]:
    return lambda old: tricks.BatchNorm(1, old.num_features, 1, 1, reference=reference)


def spectral(D: nn.Module) -> nn.Module:
    """Spectral norm on every convolution, in the place of batch norm."""
    swap(D, BN, lambda old: nn.Identity())
    return swap(D, nn.Conv2d, spectral_norm)


def sparse(D: nn.Module) -> nn.Module:
    return swap(swap(D, nn.Conv2d, tricks.pooled), ACT, lambda old: nn.ReLU())


VARIANTS = {
    "plain": Variant("DCGAN: batch norm, real and fake apart, normal noise, k = 1, equal rates"),
    "one batch": Variant("real and fake through D as one batch", {"loss_D": tricks.joint_log_loss}),
    "virtual G": Variant(
        "virtual batch norm in G",
        change_G=lambda G: swap(G, BN, own_batch(REFERENCE)),
    ),
    "cube": Variant("noise from the cube [-1, 1]", noise="uniform"),
    "sphere": Variant("noise from the sphere", noise="sphere"),
    "smooth": Variant("one-sided label smoothing, 0.9", {"loss_D": tricks.smoothed_log_loss}),
    "ReLU": Variant("ReLU in D", change_D=lambda D: swap(D, ACT, lambda old: nn.ReLU())),
    "pooling": Variant(
        "ReLU and max-pooling in D, unpooling in G",
        change_G=lambda G: swap(G, nn.ConvTranspose2d, tricks.unpooled),
        change_D=sparse,
    ),
    "k = 3": Variant("3 steps of D per step", {"k": 3}),
    "fast D": Variant("D's learning rate times 4", {"rate_D": 4e-3}),
    "spectral": Variant("spectral norm in D instead of batch norm", change_D=spectral),
    "features": Variant("feature matching for G", {"loss_G": tricks.feature_matching}),
}


class Features(nn.Module):
    """D with ``features``, for feature matching: all of its layers but the last two."""

    def __init__(self, D: Discriminator) -> None:
        super().__init__()
        self.features, self.head = D.layers[:-2], D.layers[-2:]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(x))


def run(
    variant: Variant, seed: int, steps: int, judge: SmallClassifier, real: torch.Tensor
) -> dict:
    """Train one pair of networks and measure its samples."""
    start, rng = env.rng(1000 + seed, "cpu"), env.rng(seed)
    torch.manual_seed(seed)  # for spectral norm's first vectors
    G = init_normal(variant.change_G(Generator(NOISE, 1, WIDTH, 32)), start)
    D = init_normal(variant.change_D(Discriminator(1, WIDTH, 32)), start)
    for layer in G.modules():
        if isinstance(layer, tricks.BatchNorm):
            nn.init.ones_(layer.gain)
            nn.init.zeros_(layer.shift)
    G, D = (net.to(env.device(), memory_format=env.memory_format()) for net in (G, Features(D)))
    draw = env.noise(NOISE, rng, variant.noise)
    if any(isinstance(m, tricks.BatchNorm) for m in G.modules()):
        G = tricks.Virtual(G, draw(REFERENCE))
    batches = Batches(digits.load(32, "train").images, size=BATCH, rng=rng)
    recipe = many_seeds.Recipe(**({"rate_G": 1e-3, "rate_D": 1e-3} | variant.recipe))
    step = many_seeds.make_step(G, D, batches, lambda: draw(BATCH), recipe)
    begin = time.perf_counter()
    (record,) = train(step, steps, {}, record_every=steps)
    seconds = time.perf_counter() - begin
    z, other = draw(SAMPLES), draw(SAMPLES)
    measured = {"seconds": seconds, **record.losses}
    measured |= measure(judge, in_batches(G, z), real)
    for name, way in (("straight", lerp), ("arc", slerp)):
        halfway = in_batches(judge.features, in_batches(G, way(z, other, 0.5)))
        measured[f"halfway_{name}"] = frechet_distance(halfway, real)
    return measured


def measure(judge: SmallClassifier, x: torch.Tensor, real: torch.Tensor) -> dict[str, float]:
    """All measures of the notebook, in the judge's features."""
    features, p = in_batches(judge.features, x), in_batches(judge, x).softmax(1)
    precision, recall = precision_recall(real, features)
    return {
        "frechet": frechet_distance(features, real), "kernel": kernel_distance(features, real),
        "score": inception_score(p), "precision": precision, "recall": recall,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--only", nargs="*", default=list(VARIANTS), choices=list(VARIANTS))
    args = parser.parse_args()
    settings = {
        "steps": args.steps, "noise": NOISE, "width": WIDTH, "batch": BATCH, "samples": SAMPLES,
        "device": str(env.device()), "threads": torch.get_num_threads(),
        "torch": torch.__version__, "machine": platform.machine(),
    }  # fmt: skip
    known = json.loads(FILE.read_text()) if FILE.exists() else {}
    rows = known.get("rows", {}) if known.get("settings") == settings else {}
    train_set, rng = digits.load(32, "train"), env.rng(0)
    batches = Batches(train_set.images, train_set.labels, size=100, rng=rng)
    judge = train_judge(batches, rng, steps=500)
    test = digits.load(32, "test").images
    real = in_batches(judge.features, test)
    floor = measure(judge, to_float(digits.load(32, "train").images[::4]), real)
    for name in args.only:
        runs = rows.get(name, {}).get("runs", [])
        for seed in range(len(runs), args.seeds):
            runs.append(run(VARIANTS[name], seed, args.steps, judge, real))
            rows[name] = {"what": VARIANTS[name].what, "runs": runs}
            command = f"python benchmarks/tricks.py --seeds {args.seeds} --steps {args.steps}"
            content = {"command": command, "settings": settings, "real": floor, "rows": rows}
            FILE.write_text(json.dumps(content, indent=1) + "\n")
            shown = {key: round(value, 3) for key, value in runs[-1].items()}
            print(name, seed, shown, flush=True)


if __name__ == "__main__":
    main()
