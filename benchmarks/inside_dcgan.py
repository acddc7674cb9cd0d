"""Repeat the experiments of notebook 04 that depend on the generator, for five generators.

Writes inside_dcgan.json in gancourse/results, which notebook 04 shows next to its own run.

    python benchmarks/inside_dcgan.py [--seeds 5] [--part digits | flowers]

Generators of digits and of flowers are trained by notebook 04's recipe, from other seeds; judge,
classifier and latent vectors are the same for all. Runs already in the file with the same settings
are kept: stop and resume it at any time.
"""

import argparse
import json
import platform
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gancourse import env
from gancourse.classifiers.digit_judge import SmallClassifier, train_judge
from gancourse.datasets import digits, flowers
from gancourse.datasets.batches import Batches
from gancourse.metrics.samples import confident_share, frechet_distance, in_batches
from gancourse.papers import dcgan
from gancourse.papers.blocks import init_normal
from gancourse.papers.dcgan_probes import (
    activation_layers,
    analogy,
    feature_maps,
    lerp,
    map_weights,
    slant,
    slerp,
    without_maps,
)
from gancourse.papers.gan import descend, gan_step, lazy_r1
from gancourse.training.loop import train
from gancourse.training.player import Player

FILE = Path(__file__).parents[1] / "gancourse" / "results" / "inside_dcgan.json"
NOISE, WIDTH, TRIALS = 24, 24, 300
STEPS = {"digits": 2000, "flowers": 3000}


def train_gan(images: Tensor, steps: int, seed: int, title: str) -> nn.Module:
    """Train a DCGAN as notebook 04 does; returns the EMA of G."""
    rng, init, channels = env.rng(seed), env.rng(seed, "cpu"), images.shape[1]
    G = init_normal(dcgan.Generator(NOISE, channels, WIDTH, 32), init)
    D = init_normal(dcgan.Discriminator(channels, WIDTH, 32), init)
    G, D = Player(G, lr=2e-3, steps=steps, ema=0.999), Player(D, lr=2e-3, steps=steps)
    batches, sample_z = Batches(images, size=32, rng=rng), env.noise(NOISE, rng)
    r1 = lazy_r1(0.1, examples=8)

    def step() -> dict[str, Tensor]:
        options = {"penalty": r1 if D.done % 8 == 0 else None, "autocast": env.autocast}
        losses = gan_step(G.net, D.net, G.opt, D.opt, batches, sample_z, **options)
        G.advance()
        D.advance()
        return losses

    list(train(step, steps, {"G": G, "D": D, "rng": rng}, record_every=steps, title=title))
    return G.average.eval()


# Digits: walks and arithmetic --------------------------------------------------------------------
class Digits:
    """Judge and features, the same for all generators."""

    def __init__(self) -> None:
        self.real, rng = digits.load(32, "train"), env.rng(0)
        self.judge = train_judge(
            Batches(self.real.images, self.real.labels, size=100, rng=rng), rng, 500
        )
        self.features = in_batches(self.judge.features, self.real.images)

    def measure(self, seed: int) -> dict[str, Any]:
        G = train_gan(self.real.images, STEPS["digits"], seed, f"digits, seed {seed}")
        Z = env.noise(NOISE, env.rng(1))(4000)
        a, b = Z.chunk(2)
        walks = {"start": a, "straight": lerp(a, b, 0.5), "arc": slerp(a, b, 0.5)}
        return {"walks": {n: self.halfway(G, z) for n, z in walks.items()}, **self.arithmetic(G, Z)}

    def halfway(self, G: nn.Module, z: Tensor) -> dict[str, float]:
        x = in_batches(G, z)
        return {
            "frechet": frechet_distance(in_batches(self.judge.features, x), self.features),
            "confident": confident_share(in_batches(self.judge, x).softmax(1)),
        }

    def arithmetic(self, G: nn.Module, Z: Tensor) -> dict[str, Any]:
        """Share of leaning 1s among the results of leaning 7 - upright 7 + upright 1."""
        x = in_batches(G, Z)
        p, slants, rng = in_batches(self.judge, x).softmax(1), slant(x), env.rng(2)

        def kind(digit: int, leaning: bool) -> Tensor:
            likely = p[:, digit].topk(len(Z) // 20).indices
            return likely[slants[likely].argsort(descending=leaning)][: len(likely) // 4]

        kinds = kind(7, True), kind(7, False), kind(1, False)
        middle = (slants[kind(1, True)].median() + slants[kinds[2]].median()) / 2

        def success(z: Tensor) -> float:
            x = in_batches(G, z)
            good = (in_batches(self.judge, x).argmax(1) == 1) & (slant(x) > middle)
            return good.float().mean().item()

        result: dict[str, Any] = {"success": {}, "rescaled": {}}
        for n in (1, 3, 10):
            picks = [
                [Z[i[torch.randint(len(i), (n,), generator=rng, device=Z.device)]] for i in kinds]
                for _ in range(TRIALS)
            ]
            z = torch.stack([analogy(*pick) for pick in picks])
            result["success"][n] = success(z)
            result["rescaled"][n] = success(NOISE**0.5 * F.normalize(z))
        return result


# Flowers: dropping feature maps ------------------------------------------------------------------
class Flowers:
    """Flowers and their classifier, the same for all generators."""

    def __init__(self) -> None:
        data = flowers.load(5000, 32, env.rng(5, "cpu"))
        self.images = data.images.to(env.device())
        labels = (2 * data.looks.colour + data.looks.bee).to(env.device())
        self.net = SmallClassifier(channels=3, rng=env.rng(0, "cpu"))
        player = Player(self.net, lr=2e-3, steps=250, hold=0.3, betas=(0.9, 0.999))
        batches = Batches(self.images, labels, size=100, rng=env.rng(0))
        for _ in range(250):
            x, y = next(batches)
            descend(player.opt, F.cross_entropy(self.net(x), y))
            player.advance()
        self.net.eval()

    def predict(self, x: Tensor) -> tuple[Tensor, Tensor]:
        p = in_batches(self.net, x).softmax(1).unflatten(1, (5, 2))
        return p.sum(1).argmax(1) == 1, p.sum(2).argmax(1)

    def measure(self, seed: int) -> dict[str, Any]:
        """Share of images with a bee, and with the petal colour as before, without 1/4 of maps."""
        G = train_gan(self.images, STEPS["flowers"], seed, f"flowers, seed {seed}")
        layer, z = activation_layers(G)[1], env.noise(NOISE, env.rng(7))(1000)
        before = in_batches(G, z)
        bee, colour = self.predict(before)
        with torch.no_grad():
            maps = feature_maps(G, z)[1]
        dark = (before.amax(1, keepdim=True) < -0.4).float()
        on_bee = F.avg_pool2d(dark, 4)[:, 0] > 0.2
        count, rng = maps.shape[1], env.rng(9, "cpu")
        drops = {"at random": [torch.randperm(count, generator=rng) for _ in range(8)]}
        for name, alone in {"each alone": True, "together": False}.items():
            weights = map_weights(maps, on_bee, env.rng(8, "cpu"), alone=alone)
            drops[name] = [weights.argsort(descending=True)]
        result = {"before": {"bee": bee.float().mean().item()}}
        for name, orders in drops.items():
            shares = []
            for order in orders:
                with torch.no_grad(), without_maps(layer, order[: count // 4]):
                    b, c = self.predict(G(z))
                shares.append([b.float().mean().item(), (c == colour).float().mean().item()])
            bees, colours = torch.tensor(shares).mean(0).tolist()
            result[name] = {"bee": bees, "colour": colours}
        return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--part", choices=STEPS, help="by default both")
    options = parser.parse_args()
    settings = {"steps": STEPS, "width": WIDTH, "trials": TRIALS}
    table = json.loads(FILE.read_text("utf-8")) if FILE.exists() else {}
    if table.get("settings") != settings:
        table = {"settings": settings, "machine": platform.machine(), "digits": {}, "flowers": {}}
    for part, kind in {"digits": Digits, "flowers": Flowers}.items():
        seeds = [s for s in range(1, options.seeds + 1) if str(s) not in table[part]]
        if not seeds or options.part not in (None, part):
            continue
        setup = kind()
        for seed in seeds:
            table[part][str(seed)] = setup.measure(seed)
            FILE.write_text(json.dumps(table, indent=1) + "\n", "utf-8")
            print(part, seed, table[part][str(seed)], flush=True)


if __name__ == "__main__":
    main()
