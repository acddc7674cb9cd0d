"""Measure the remedies of notebook 02 on the ring of eight Gaussians.

Writes ring.json in gancourse/results.

    python benchmarks/ring.py [--seeds 5]

The networks, data and settings are those of notebook 02. Runs already in the file with the same
settings are kept: stop and resume it at any time.
"""

import argparse
import copy
import json
import platform
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Adam

from gancourse import env
from gancourse.datasets import toy
from gancourse.metrics.samples import mode_coverage
from gancourse.papers.blocks import MLP, MLPDiscriminator
from gancourse.papers.gan import ema_update, gan_step, r1_penalty
from gancourse.training.loop import train
from gancourse.training.player import linear_decay

FILE = Path(__file__).parents[1] / "gancourse" / "results" / "ring.json"
STEPS, SAMPLES = 1600, 10_000
RING = toy.Ring(modes=8, radius=2.0, std=0.1)
DEFAULTS = {"momentum": 0.9, "gamma": 0.0, "hold": 1.0, "decay": 0.0}
VARIANTS = {
    "all four remedies": {},
    "with momentum 0.9": {"momentum": 0.9},
    "no R1 penalty": {"gamma": 0.0},
    "two hidden layers": {"layers": 2},
    "constant rates, no EMA": {"hold": 1.0, "decay": 0.0},
    "baseline": DEFAULTS,
}


def run(
    seed: int,
    layers: int = 3,
    gamma: float = 0.3,
    momentum: float = 0.0,
    hold: float = 0.5,
    decay: float = 0.995,
) -> dict[str, float]:
    """Train as `ring_game` of the notebook; modes, share of samples near one, emptiest mode."""
    rng, hidden = env.rng(seed, "cpu"), [64] * layers
    G, D = MLP(2, *hidden, 2, rng=rng), MLPDiscriminator(2, *hidden, rng=rng)
    opts = [Adam(N.parameters(), 3e-3, betas=(momentum, 0.9), fused=True) for N in (G, D)]
    schedules = [linear_decay(opt, STEPS, hold) for opt in opts]
    average = copy.deepcopy(G)
    batches, sample_z = toy.batches(RING, 256, rng), env.noise(2, rng)

    def penalty(D: nn.Module, x: Tensor) -> Tensor:
        return gamma / 2 * r1_penalty(D, x)

    def step() -> dict[str, Tensor]:
        losses = gan_step(G, D, *opts, batches, sample_z, penalty=penalty if gamma else None)
        for schedule in schedules:
            schedule.step()
        ema_update(average, G, decay)
        return losses

    for _ in train(step, STEPS, {}, record_every=STEPS):
        pass
    with torch.no_grad():
        x = average(torch.randn(SAMPLES, 2, generator=env.rng(31, "cpu")))
    modes, share = mode_coverage(x, RING.centres, 3 * RING.std, least=SAMPLES // 40)
    near = torch.cdist(x, RING.centres) <= 3 * RING.std
    emptiest = near.sum(dim=0).min().item() * 8 / SAMPLES
    return {"modes": modes, "share": share, "emptiest": emptiest}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seeds", type=int, default=5)
    args = parser.parse_args()
    torch.set_num_threads(1)  # the networks are tiny
    settings = {
        "steps": STEPS, "samples": SAMPLES,
        "threads": 1, "torch": torch.__version__, "machine": platform.machine(),
    }  # fmt: skip
    known = json.loads(FILE.read_text()) if FILE.exists() else {}
    rows = known.get("rows", {}) if known.get("settings") == settings else {}
    for name, changes in VARIANTS.items():
        runs = rows.setdefault(name, [])
        for seed in range(len(runs) + 1, args.seeds + 1):
            runs.append(run(seed, **changes))
            command = f"python benchmarks/ring.py --seeds {args.seeds}"
            content = {"command": command, "settings": settings, "rows": rows}
            FILE.write_text(json.dumps(content, indent=1) + "\n")
            print(name, seed, {key: round(x, 3) for key, x in runs[-1].items()}, flush=True)


if __name__ == "__main__":
    main()
