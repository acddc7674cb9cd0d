"""Measure the remedies of notebook 02 on the ring, and the effect of k on the line.

Writes ring.json in gancourse/results.

    python benchmarks/ring.py [--seeds 5]

The networks, data and settings are those of notebook 02. Runs already in the file with the same
settings are kept: stop and resume it at any time.
"""

import argparse
import copy
import json
import math
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Adam

from gancourse import env
from gancourse.datasets import toy
from gancourse.metrics.samples import mode_coverage
from gancourse.papers.blocks import MLP, MLPDiscriminator
from gancourse.papers.gan import ema_update, gan_step, optimal_discriminator, r1_penalty
from gancourse.training.loop import train
from gancourse.training.player import linear_decay

FILE = Path(__file__).parents[1] / "gancourse" / "results" / "ring.json"
RING_STEPS, LINE_STEPS, SAMPLES = 1600, 2500, 10_000
RING, LINE = toy.Ring(modes=8, radius=2.0, std=0.1), toy.Normal(mean=1.0, std=0.5)
DEFAULTS = {"momentum": 0.9, "gamma": 0.0, "hold": 1.0, "decay": 0.0}
VARIANTS = {
    "all four remedies": {},
    "with momentum 0.9": {"momentum": 0.9},
    "no R1 penalty": {"gamma": 0.0},
    "two hidden layers": {"layers": 2},
    "constant rates, no EMA": {"hold": 1.0, "decay": 0.0},
    "default settings": DEFAULTS,
}


def game(
    data: toy.Normal | toy.Ring, G: MLP, D: nn.Module, steps: int, rng: torch.Generator,
    lr_G: float, lr_D: float, momentum: float = 0.0, hold: float = 0.5, decay: float = 0.99,
    size: int = 512, every: int = 1, **options: Any,
) -> Iterator[nn.Module]:  # fmt: skip
    """The notebook's function of that name: yields the EMA of G at every few steps."""
    opt_G = Adam(G.parameters(), lr_G, betas=(momentum, 0.9), fused=True)
    opt_D = Adam(D.parameters(), lr_D, betas=(momentum, 0.9), fused=True)
    schedules = [linear_decay(opt, steps, hold) for opt in (opt_G, opt_D)]
    average = copy.deepcopy(G)
    batches, sample_z = toy.batches(data, size, rng), env.noise(G[0].in_features, rng)

    def step() -> dict[str, Tensor]:
        losses = gan_step(G, D, opt_G, opt_D, batches, sample_z, **options)
        for schedule in schedules:
            schedule.step()
        ema_update(average, G, decay)
        return losses

    for _ in train(step, steps, {}, record_every=every):
        yield average


def ring_run(seed: int, layers: int = 3, gamma: float = 0.3, **changes: float) -> dict[str, float]:
    """Train on the ring; modes, share of samples near one, and the emptiest mode of the EMA."""
    rng, hidden = env.rng(seed, "cpu"), [64] * layers
    G, D = MLP(2, *hidden, 2, rng=rng), MLPDiscriminator(2, *hidden, rng=rng)
    settings = {"lr_G": 3e-3, "lr_D": 3e-3, "decay": 0.995, "size": 256, "every": RING_STEPS}
    if gamma:
        settings["penalty"] = lambda D, x: gamma / 2 * r1_penalty(D, x)
    (average,) = game(RING, G, D, RING_STEPS, rng, **settings | changes)
    with torch.no_grad():
        x = average(torch.randn(SAMPLES, 2, generator=env.rng(31, "cpu")))
    modes, share = mode_coverage(x, RING.centres, 3 * RING.std, least=SAMPLES // 40)
    near = torch.cdist(x, RING.centres) <= 3 * RING.std
    emptiest = near.sum(dim=0).min().item() * 8 / SAMPLES
    return {"modes": modes, "share": share, "emptiest": emptiest}


def line_run(seed: int, k: int) -> dict[str, float]:
    """Train on the line; mean |D - D*| over the first half, and errors of the EMA at the end."""
    rng = env.rng(seed, "cpu")
    G, D = MLP(1, 32, 32, 1, rng=rng), MLPDiscriminator(1, 32, 32, rng=rng)
    line, z = torch.linspace(-3, 4, 701)[:, None], torch.randn(4000, 1, generator=env.rng(9, "cpu"))
    settings = {"lr_G": 1e-3, "lr_D": 2e-3, "size": 1024, "every": LINE_STEPS // 125, "k": k}
    errors = []
    for average in game(LINE, G, D, LINE_STEPS, rng, **settings):  # noqa: B007 (used below)
        errors.append(distance(G, D, line, z))
    with torch.no_grad():
        x = average(torch.randn(100_000, 1, generator=env.rng(10, "cpu")))
    return {
        "lag": sum(errors[: len(errors) // 2]) / (len(errors) // 2),
        "mean_error": abs(x.mean().item() - LINE.mean) / LINE.std,
        "std_error": abs(x.std().item() - LINE.std) / LINE.std,
    }


@torch.no_grad()
def distance(G: nn.Module, D: nn.Module, line: Tensor, z: Tensor, width: float = 0.06) -> float:
    """Mean |D - D*| over the mixture of data and fakes, p_g by a kernel estimate."""
    x = G(z)[:, 0]
    q = sum(torch.exp(-0.5 * ((line - part) / width) ** 2).sum(1) for part in x.split(250))
    p, q = LINE.density(line), q / (len(x) * width * math.sqrt(2 * math.pi))
    gap, weight = (D(line).sigmoid() - optimal_discriminator(p, q)).abs(), (p + q) / 2
    occurs = weight > 1e-12
    return (weight * gap)[occurs].sum().item() * 0.01


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)  # the networks are tiny
    settings = {
        "ring_steps": RING_STEPS, "line_steps": LINE_STEPS, "samples": SAMPLES,
        "threads": 1, "torch": torch.__version__, "machine": platform.machine(),
    }  # fmt: skip
    known = json.loads(FILE.read_text()) if FILE.exists() else {}
    rows = known.get("rows", {}) if known.get("settings") == settings else {}
    plan = {name: (ring_run, changes) for name, changes in VARIANTS.items()}
    plan |= {f"line, k = {k}": (line_run, {"k": k}) for k in (1, 3)}
    for name, (run, changes) in plan.items():
        runs = rows.setdefault(name, [])
        for seed in range(len(runs) + 1, args.seeds + 1):
            runs.append(run(seed, **changes))
            command = f"python benchmarks/ring.py --seeds {args.seeds}"
            content = {"command": command, "settings": settings, "rows": rows}
            FILE.write_text(json.dumps(content, indent=1) + "\n")
            print(name, seed, {key: round(x, 3) for key, x in runs[-1].items()}, flush=True)


if __name__ == "__main__":
    main()
