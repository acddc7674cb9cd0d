"""Measure notebook 06's LAPGAN against a single GAN over seeds.

Writes lapgan.json in gancourse/results: distances to real images by two metrics, per seed.

    python benchmarks/lapgan.py [--seeds 0 1 2 3 4] [--minutes 14] [--data flowers photos]

Networks, steps and images are those of the notebook's profile ``cpu``; seed 0 is the run that the
notebook trains. The single GAN is DCGAN with resize convolutions. For the last level, the paper's
D is measured too, which sees the sharpened image alone. Rows already in the file with the same
settings are kept: stop and resume it at any time. Two processes may share the seeds. The data are
the notebook's flowers, or crops of photographs, on which nothing is recorded yet.
"""

import argparse
import itertools
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancourse import env
from gancourse.classifiers import pretrained
from gancourse.classifiers.digit_judge import SmallClassifier
from gancourse.datasets import flowers, photos
from gancourse.datasets.batches import Batches
from gancourse.metrics.samples import frechet_distance, in_batches
from gancourse.papers import dcgan, lapgan
from gancourse.papers.blocks import init_normal, swap
from gancourse.papers.cgan import conditional_step
from gancourse.papers.gan import descend, gan_step, lazy_r1
from gancourse.papers.lapgan import gaussian, he_normal, squares, up
from gancourse.shapes import to_float
from gancourse.training.loop import train
from gancourse.training.player import Player, linear_decay

FILE = Path(__file__).parents[1] / "gancourse" / "results" / "lapgan.json"
SETTINGS = {"steps_8": 2000, "steps": 1500, "steps_64": 1200, "images": 800, "train": 2500}
NOISE, CROP, SIDES = 24, 16, (64, 32, 16, 8)
PARTS = {"lapgan": "LAPGAN", "single": "one GAN", "sum": "real 32, D of the sum"}
Features = Callable[[Tensor], Tensor]


class OfTheSum(lapgan.LevelDiscriminator):
    """The paper's input: D sees the sharpened image alone (here twice, to keep D's size)."""

    def forward(self, residual: Tensor, low: Tensor) -> Tensor:
        return self.layers(torch.cat([low + residual] * 2, dim=1))


def load(data: str, count: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Images (count, 3, 64, 64) and a class for each: colour and bee, or the photo of a crop."""
    if data == "flowers":
        part = flowers.load(count, 64, rng)
        return to_float(part.images), 2 * part.looks.colour + part.looks.bee
    sources = [photos.square(x, 256) for x in photos.load(photos.TRAIN[:10]).values()]
    labels = torch.randint(len(sources), (count,), generator=rng)
    corners = torch.randint(256 - 64 + 1, (count, 2), generator=rng).tolist()
    crops = [
        sources[i][:, :, top : top + 64, left : left + 64]
        for i, (top, left) in zip(labels.tolist(), corners, strict=True)
    ]
    return torch.cat(crops), labels


def game(
    G: nn.Module, D: nn.Module, batches: Iterator, sample_z: Callable[[int], Tensor], steps: int,
    *, one_step: Callable = gan_step, gamma: float = 0.1, lr_D: float = 2e-3,
) -> tuple[nn.Module, float]:  # fmt: skip
    """Train as the notebook does; returns the EMA of G, and the seconds."""
    G, D = Player(G, lr=2e-3, steps=steps, ema=0.999), Player(D, lr=lr_D, steps=steps)
    r1 = lazy_r1(gamma)

    def step() -> dict[str, Tensor]:
        options = {"penalty": r1 if D.done % 8 == 0 else None, "autocast": env.autocast}
        losses = one_step(G.net, D.net, G.opt, D.opt, batches, sample_z, **options)
        G.advance()
        D.advance()
        return losses

    *_, record = train(step, steps, {"G": G, "D": D}, record_every=200)
    return G.average.eval(), record.seconds


def coarse_gan(real: Tensor, seed: int) -> tuple[nn.Module, float]:
    """The GAN of 8 x 8 pixels."""
    rng, init = env.rng(8 + 1000 * seed), env.rng(80 + 1000 * seed, "cpu")
    G = init_normal(lapgan.CoarseGenerator(NOISE, width=48), init)
    D = init_normal(lapgan.CoarseDiscriminator(width=32), init, 0.05)
    return game(G, D, Batches(real, size=32, rng=rng), env.noise(NOISE, rng), SETTINGS["steps_8"])


def level(
    fine: Tensor, coarse: Tensor, seed: int, kind: type[nn.Module] = lapgan.LevelDiscriminator
) -> tuple[nn.Module, float]:
    """The GAN of one doubling."""
    side, low, base = fine.shape[-1], up(coarse), 1000 * seed
    init, rng = env.rng(10 * side + base, "cpu"), env.rng(side + base)
    positions = env.rng(side + 1 + base, "cpu")
    G = he_normal(lapgan.LevelGenerator(3, 32, 3), init)
    D = he_normal(kind(3, 32, CROP), init)
    with torch.no_grad():
        list(G.parameters())[-2].mul_(0.1)

    def sample_z(m: int) -> Tensor:
        return torch.randn(m, 1, CROP, CROP, generator=rng, device=env.device())

    batches = squares(Batches(fine - low, low, size=32, rng=rng), CROP, positions)
    settings = {"one_step": conditional_step, "gamma": 0.002, "lr_D": 4e-3}
    return game(G, D, batches, sample_z, SETTINGS["steps"], **settings)


def resize(old: nn.ConvTranspose2d) -> nn.Module:
    """A resize convolution: the image doubled by copying pixels, then 3 x 3 weights."""
    if old.stride == (1, 1):  # the first layer, from 1 x 1 to 4 x 4, doubles nothing
        return old
    conv = nn.Conv2d(old.in_channels, old.out_channels, 3, padding=1, bias=old.bias is not None)
    return nn.Sequential(nn.UpsamplingNearest2d(scale_factor=2), conv)


def single_gan(real: Tensor, seed: int) -> tuple[nn.Module, float]:
    """One DCGAN for 64 x 64, with resize convolutions."""
    rng, init = env.rng(64 + 1000 * seed), env.rng(640 + 1000 * seed, "cpu")
    G = swap(dcgan.Generator(NOISE, 3, 16, 64), nn.ConvTranspose2d, resize)
    G, D = init_normal(G, init), init_normal(dcgan.Discriminator(3, 16, 64), init)
    return game(G, D, Batches(real, size=32, rng=rng), env.noise(NOISE, rng), SETTINGS["steps_64"])


def imagenet() -> Features:
    net = pretrained.classifier().net.to(env.device(), memory_format=env.memory_format())
    stages = nn.Sequential(net.conv_stem, net.bn1, *net.blocks[:5])
    return lambda x: in_batches(stages, x.clamp(-1, 1), size=100).mean(dim=(2, 3))


def class_features(real: Tensor, labels: Tensor, steps: int = 200) -> Features:
    classifier = SmallClassifier(channels=3, rng=env.rng(0, "cpu")).to(env.device())
    opt = torch.optim.AdamW(classifier.parameters(), 2e-3, fused=True)
    schedule = linear_decay(opt, steps, hold=0.3)
    batches = Batches(lapgan.down(real), labels, size=100, rng=env.rng(10))
    for _ in range(steps):
        x, y = next(batches)
        descend(opt, F.cross_entropy(classifier(x), y))
        schedule.step()
    return lambda x: in_batches(classifier.features, lapgan.down(x.clamp(-1, 1)))


def draw(coarse: Tensor, levels: dict[int, nn.Module]) -> Tensor:
    rng = env.rng(5)
    return torch.cat([lapgan.sample_chain(x, levels, rng)[-1] for x in coarse.split(200)])


class Problem:
    """A data set, and the distances to its real test images."""

    def __init__(self, data: str) -> None:
        device, N = env.device(), SETTINGS["images"]
        self.data = data
        self.real, labels = (x.to(device) for x in load(data, SETTINGS["train"], env.rng(0, "cpu")))
        self.test, test_b = load(data, 2 * N, env.rng(100, "cpu"))[0].to(device).split(N)
        self.at, self.test_at = (
            dict(zip(SIDES, gaussian(x, 3), strict=True)) for x in (self.real, self.test)
        )
        metrics = {"imagenet": imagenet(), "classifier": class_features(self.real, labels)}
        self.metrics = {name: (f, f(test_b)) for name, f in metrics.items()}
        self.z = env.noise(NOISE, env.rng(1))(2000)[:N]

    def distances(self, x: Tensor) -> dict[str, float]:
        """Frechet distance to the second half of the test images, by each metric."""
        return {k: round(frechet_distance(f(x), b), 2) for k, (f, b) in self.metrics.items()}

    def references(self) -> dict[str, dict[str, float]]:
        blurred = up(up(up(self.test_at[8])))
        return {
            "real, other half": self.distances(self.test),
            "real 8, only doubled": self.distances(blurred),
        }

    def lapgan(self, seed: int) -> tuple[dict[str, float], dict[str, Tensor]]:
        """Train the chain: seconds and samples, also of chains that start with real images."""
        seconds, levels, test_at = {}, {}, self.test_at
        G8, seconds["8"] = coarse_gan(self.at[8], seed)
        for side in (16, 32, 64):
            levels[side], seconds[str(side)] = level(self.at[side], self.at[side // 2], seed)
        return seconds, {
            "LAPGAN": draw(in_batches(G8, self.z), levels),
            "real 8, then 3 levels": draw(test_at[8], levels),
            "real 16, then 2 levels": draw(test_at[16], {32: levels[32], 64: levels[64]}),
            "real 32, then 1 level": draw(test_at[32], {64: levels[64]}),
        }

    def sum(self, seed: int) -> tuple[dict[str, float], dict[str, Tensor]]:
        """Train the last level with the paper's D, which sees the sum alone: seconds, samples."""
        G, seconds = level(self.at[64], self.at[32], seed, OfTheSum)
        samples = draw(self.test_at[32], {64: G})
        return {"64, D of the sum": seconds}, {"real 32, D of the sum": samples}

    def single(self, seed: int) -> tuple[dict[str, float], dict[str, Tensor]]:
        """Train one GAN for everything: seconds and samples."""
        G, seconds = single_gan(self.real, seed)
        return {"one GAN": seconds}, {"one GAN": in_batches(G, self.z, size=200)}


def tables(file: Path) -> dict:
    """What the file holds, if its settings are ours."""
    known = json.loads(file.read_text("utf-8")) if file.exists() else {}
    return known if known.get("settings") == SETTINGS else {"settings": SETTINGS}


def save(file: Path, *keys: str, **values: dict) -> None:
    """Read the file, add to the part that the keys lead to, and write it in one step."""
    all_of_it = part = tables(file)
    for key in keys:
        part = part.setdefault(key, {})
    for name, value in values.items():
        part[name] = part.get(name, {}) | value
    new = file.with_suffix(f".{os.getpid()}.tmp")
    new.write_text(json.dumps(all_of_it, indent=1, sort_keys=True) + "\n", "utf-8")
    new.replace(file)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", default=["flowers"])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--minutes", type=float, default=1e6, help="start no training after these")
    parser.add_argument("--file", type=Path, default=FILE)
    parser.add_argument("--samples", type=Path, help="a folder for 33 samples of each kind")
    args = parser.parse_args()
    begin = time.monotonic()
    for data in args.data:
        problem = Problem(data)
        save(args.file, data, real=problem.references())
        for seed, part in itertools.product(args.seeds, args.parts):
            known = tables(args.file)[data].get("seeds", {}).get(str(seed), {}).get("distances", {})
            if PARTS[part] in known or time.monotonic() - begin > 60 * args.minutes:
                continue
            seconds, samples = getattr(problem, part)(seed)
            distances = {name: problem.distances(x) for name, x in samples.items()}
            seconds = {name: round(value, 1) for name, value in seconds.items()}
            save(args.file, data, "seeds", str(seed), seconds=seconds, distances=distances)
            print(data, seed, part, seconds, distances, flush=True)
            if args.samples:
                first = {name: x[:33].half() for name, x in samples.items()}
                torch.save(first, args.samples / f"{data}_{seed}_{part}.pt")


if __name__ == "__main__":
    main()
