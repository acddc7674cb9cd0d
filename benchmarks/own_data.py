"""Measure what augmentation is worth on two small sets of images, over seeds.

Writes own_data.json in gancourse/results; notebook 11 shows it.

    python benchmarks/own_data.py [--seeds 5] [--steps 2000] [--jobs 2] [--minutes 60]
                                  [--only ROW ...] [--file F]

DCGAN's networks of width 24 at 32 pixels, batches of 32, Adam 0.002, learning-rate decay, EMA, lazy
R1; one thread each, in the precision that the table names. Distances are between the mean feature
maps (`MeanFeatures`) of 1,000 samples and of the unseen images. `seeded_rows` has the options.
"""

import time
from collections.abc import Callable
from pathlib import Path

import torch
from seeded_rows import fill, parser
from torch import Tensor, nn

from gancourse import env
from gancourse.classifiers.pretrained import MeanFeatures
from gancourse.datasets import galaxies, named
from gancourse.datasets.batches import Batches
from gancourse.metrics.copies import copy_share
from gancourse.metrics.samples import (
    frechet_distance,
    in_batches,
    kernel_distance,
    precision_recall,
)
from gancourse.papers import dcgan
from gancourse.papers.blocks import init_normal
from gancourse.papers.diffaugment import Augmented, augment
from gancourse.papers.gan import gan_step, lazy_r1
from gancourse.shapes import to_float
from gancourse.training.player import Player

FILE = Path(__file__).parents[1] / "gancourse" / "results" / "own_data.json"
NOISE, WIDTH, BATCH, SAMPLES, EVERY, RECORDS = 24, 24, 32, 1000, 8, 10
Change = Callable[[Tensor, torch.Generator], Tensor]


def reals_only(x: Tensor, rng: torch.Generator) -> Tensor:
    """No change: the real images are augmented before D sees them, see `run`."""
    return x


ROWS: dict[str, tuple[str, bool, Change | None]] = {
    "emoji_faces, plain": ("emoji_faces", False, None),
    "emoji_faces, augmented": ("emoji_faces", False, augment),
    "emoji_faces, only reals": ("emoji_faces", False, reals_only),
    "galaxies, plain": ("galaxies", False, None),
    "galaxies, symmetries": ("galaxies", True, None),
    "galaxies, augmented": ("galaxies", False, augment),
}
"""Set, whether the eight symmetries are training images, and what D's input goes through."""


def logits(D: nn.Module, sets: dict[str, Tensor]) -> dict[str, float]:
    """D's mean logit of each set, in eval mode."""
    return {name: in_batches(D, x).mean().item() for name, x in sets.items()}


def run(name: str, seed: int, steps: int) -> dict[str, object]:
    """Train one pair of networks and measure its samples."""
    kind, symmetric, change = ROWS[name]
    train_set, unseen = named.train_and_unseen(kind, 32, device="cpu")
    images = galaxies.symmetries(train_set.images) if symmetric else train_set.images
    start, rng, moves = env.rng(1000 + seed, "cpu"), env.rng(seed), env.rng(100 + seed)
    G = init_normal(dcgan.Generator(NOISE, 3, WIDTH, 32), start)
    D = init_normal(dcgan.Discriminator(3, WIDTH, 32), start)
    G, D = Player(G, lr=2e-3, steps=steps, ema=0.999), Player(D, lr=2e-3, steps=steps)
    batches, sample_z = Batches(images, size=BATCH, rng=rng), env.noise(NOISE, rng)
    if change is reals_only:
        batches = (augment(x, moves) for x in batches)
        change = None
    net = Augmented(D.net, moves, change) if change else D.net
    r1, history, begin = lazy_r1(0.1, EVERY, examples=8), [], time.perf_counter()
    z = env.noise(NOISE, env.rng(1))(SAMPLES)
    for step in range(1, steps + 1):
        penalty = r1 if step % EVERY == 0 else None
        gan_step(
            G.net, net, G.opt, D.opt, batches, sample_z, penalty=penalty, autocast=env.autocast
        )
        G.advance()
        D.advance()
        if step % (steps // RECORDS) == 0:
            sets = {"train": train_set.images, "unseen": unseen, "fake": in_batches(G.net, z[:300])}
            history.append({"step": step} | logits(D.net, sets))
    seconds = time.perf_counter() - begin
    gap = history[-1]["train"] - history[-1]["unseen"]
    return measure(G.average, z, train_set.images, unseen) | {
        "gap": gap, "logits": history, "seconds": round(seconds, 1)
    }  # fmt: skip


def measure(G: nn.Module, z: Tensor, train: Tensor, unseen: Tensor) -> dict[str, float]:
    """Distances of samples from unseen images, near copies, and the same of the training images."""
    features = MeanFeatures()
    fake, real, other = (
        in_batches(features, to_float(x), size=50) for x in (in_batches(G, z), train, unseen)
    )
    precision, recall = precision_recall(other, fake)
    return {
        "frechet": frechet_distance(fake, other), "floor": frechet_distance(real, other),
        "kernel": kernel_distance(fake, other), "kernel_floor": kernel_distance(real, other),
        "copies": copy_share(fake, real, other),
        "precision": precision, "recall": recall,
    }  # fmt: skip


def main() -> None:
    options = parser(__doc__.splitlines()[0], FILE, list(ROWS))
    options.add_argument("--steps", type=int, default=2000)
    args = options.parse_args()
    head = {
        "command": f"python benchmarks/own_data.py --seeds {args.seeds} --steps {args.steps}",
        "settings": {
            "steps": args.steps, "noise": NOISE, "width": WIDTH, "batch": BATCH, "samples": SAMPLES,
        },
    }  # fmt: skip
    fill(args, {name: {} for name in ROWS}, run, [args.steps], head)


if __name__ == "__main__":
    main()
