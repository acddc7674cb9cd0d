"""Compare the conditional game of Equation 2 with the one that adds wrong labels, for five seeds.

Writes conditional.json in gancourse/results, which notebook 05 shows next to its own two runs.

    python benchmarks/conditional.py [--seeds 5]

The set-up is notebook 05's: a conditional DCGAN on 4,000 digits of 32 x 32, batch 32, Adam with
learning-rate decay, R1, an EMA of G. (The shipped table was made in bf16 with one thread; the
notebook's own runs are in fp32.) Runs already in the file with the same settings are kept: stop
and resume it at any time.
"""

import argparse
import json
import platform
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gancourse import env
from gancourse.classifiers.digit_judge import SmallClassifier, train_judge
from gancourse.datasets import digits
from gancourse.datasets.batches import Batches
from gancourse.metrics.samples import in_batches
from gancourse.papers.blocks import init_normal
from gancourse.papers.cgan import Discriminator, Generator, conditional_step, mislabel, one_hot
from gancourse.papers.gan import lazy_r1
from gancourse.shapes import to_float
from gancourse.training.loop import train
from gancourse.training.player import Player

FILE = Path(__file__).parents[1] / "gancourse" / "results" / "conditional.json"
CLASSES, NOISE, WIDTH, BATCH, SAMPLES = 10, 24, 24, 32, 2000
VARIANTS = {
    "Equation 2 alone, 500 steps": (False, 500),
    "with wrong labels, 500 steps": (True, 500),
    "Equation 2 alone, 1,000 steps": (False, 1000),
}
"""Whether D also gets wrong labels, and the length of the run."""


def run(wrong_labels: bool, steps: int, seed: int, judge: SmallClassifier) -> dict[str, Any]:
    """Train one conditional GAN, and measure whether G and D use the label."""
    real, unseen = digits.load(32, "train"), digits.load(32, "test")
    start, rng = env.rng(seed, "cpu"), env.rng(seed)
    G = init_normal(Generator(NOISE, CLASSES, 1, WIDTH), start)
    D = init_normal(Discriminator(CLASSES, 1, WIDTH), start)
    G, D = Player(G, lr=2e-3, steps=steps, ema=0.999), Player(D, lr=2e-3, steps=steps)
    batches = Batches(real.images, one_hot(real.labels, CLASSES), size=BATCH, rng=rng)
    sample_z, r1 = env.noise(NOISE, rng), lazy_r1(0.1)

    def mislead(c: Tensor) -> Tensor:
        return one_hot(mislabel(c.argmax(dim=1), CLASSES, rng), CLASSES)

    def step() -> dict[str, Tensor]:
        penalty = r1 if D.done % 8 == 0 else None
        losses = conditional_step(
            G.net, D.net, G.opt, D.opt, batches, sample_z, mislead if wrong_labels else None,
            penalty=penalty, autocast=env.autocast,
        )  # fmt: skip
        G.advance()
        D.advance()
        return losses

    followed = {}
    keep = {"G": G, "D": D, "rng": rng}
    for record in train(step, steps, keep, record_every=steps // 4, title=f"seed {seed}"):
        followed[record.step] = label_accuracy(G.average, judge)
    return {"label_accuracy": followed, **rejects(D.net, unseen.images, unseen.labels)}


def label_accuracy(G: torch.nn.Module, judge: SmallClassifier) -> float:
    """Share of samples in which the judge sees the label asked for."""
    z = env.noise(NOISE, env.rng(1))(SAMPLES)
    labels = torch.arange(SAMPLES, device=z.device) % CLASSES
    c = one_hot(labels, CLASSES)
    training = G.training
    G.eval()
    with torch.no_grad():
        images = torch.cat([G(*part) for part in zip(z.split(500), c.split(500), strict=True)])
    G.train(training)
    return (in_batches(judge, images).argmax(dim=1) == labels).float().mean().item()


@torch.no_grad()
def rejects(D: torch.nn.Module, images: Tensor, labels: Tensor) -> dict[str, float]:
    """What D answers to unseen digits with their labels and with wrong ones."""
    wrong_labels, x = mislabel(labels, CLASSES, env.rng(3)), to_float(images)
    right, wrong = (D.eval()(x, one_hot(c, CLASSES)) for c in (labels, wrong_labels))
    masks = {"accepted": right > 0, "rejected": wrong < 0, "above": right > wrong}
    return {name: mask.float().mean().item() for name, mask in masks.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    settings = {"batch": BATCH, "width": WIDTH, "samples": SAMPLES}
    table = json.loads(FILE.read_text("utf-8")) if FILE.exists() else {}
    if table.get("settings") != settings:
        table = {"settings": settings, "machine": platform.machine(), "runs": {}}
    wanted = [(name, seed) for seed in range(1, options.seeds + 1) for name in VARIANTS]
    missing = [pair for pair in wanted if str(pair[1]) not in table["runs"].get(pair[0], {})]
    if not missing:
        return
    real, rng = digits.load(32, "train"), env.rng(0)
    judge = train_judge(Batches(real.images, real.labels, size=100, rng=rng), rng, 500)
    for name, seed in missing:
        result = run(*VARIANTS[name], seed, judge)
        table["runs"].setdefault(name, {})[str(seed)] = result
        FILE.write_text(json.dumps(table, indent=1) + "\n", "utf-8")
        print(name, seed, result, flush=True)


if __name__ == "__main__":
    main()
