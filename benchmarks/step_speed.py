"""Time the course's DCGAN step against the plain textbook step.

    python benchmarks/step_speed.py [--json FILE]

Same networks, same batch, in one run, alternating A B B A. The textbook step is that of most
tutorials: fp32, D ends in a sigmoid and the loss is BCELoss, the fakes of D's turn are reused in
G's turn, in which D's own gradients are computed and thrown away. Ours is `papers.gan.gan_step`
with what `env` chooses: frozen D, fused Adam, bf16 where the hardware has it, channels_last.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn

from gancourse import env
from gancourse.papers.dcgan import Discriminator, Generator
from gancourse.papers.gan import gan_step

SIZES = {
    "paper's shape: width 64, 64 x 64, batch 32": {"width": 64, "size": 64, "channels": 3},
    "notebook 03's: width 24, 32 x 32, batch 32": {"width": 24, "size": 32, "channels": 1},
}
BATCH, NOISE = 32, 100


def players(width: int, size: int, channels: int) -> tuple[nn.Module, nn.Module]:
    G = Generator(NOISE, channels, width, size)
    D = Discriminator(channels, width, size)
    return G.to(env.device()), D.to(env.device())


def textbook(x: torch.Tensor, **shape: int) -> Callable[[], None]:
    G, D = players(**shape)
    opt_G = torch.optim.Adam(G.parameters(), 2e-4, betas=(0.5, 0.999))
    opt_D = torch.optim.Adam(D.parameters(), 2e-4, betas=(0.5, 0.999))
    bce, sigmoid = nn.BCELoss(), nn.Sigmoid()
    ones, zeros = torch.ones(len(x), device=x.device), torch.zeros(len(x), device=x.device)

    def step() -> None:
        opt_D.zero_grad()
        bce(sigmoid(D(x)), ones).backward()
        fake = G(torch.randn(len(x), NOISE, device=x.device))
        bce(sigmoid(D(fake.detach())), zeros).backward()
        opt_D.step()
        opt_G.zero_grad()
        bce(sigmoid(D(fake)), ones).backward()
        opt_G.step()

    return step


def ours(x: torch.Tensor, **shape: int) -> Callable[[], None]:
    G, D = (net.to(memory_format=env.memory_format()) for net in players(**shape))
    opt_G = torch.optim.Adam(G.parameters(), 2e-4, betas=(0.5, 0.999), fused=True)
    opt_D = torch.optim.Adam(D.parameters(), 2e-4, betas=(0.5, 0.999), fused=True)
    sample_z, batches = env.noise(NOISE, env.rng(0)), iter(lambda: x, None)
    return lambda: gan_step(G, D, opt_G, opt_D, batches, sample_z, autocast=env.autocast)


def seconds(step: Callable[[], None], times: int) -> float:
    synchronize = torch.cuda.synchronize if env.device().type == "cuda" else (lambda: None)
    synchronize()
    began = time.perf_counter()
    for _ in range(times):
        step()
    synchronize()
    return (time.perf_counter() - began) / times


def compare(rounds: int, times: int, **shape: int) -> dict[str, float]:
    x = torch.rand(BATCH, shape["channels"], shape["size"], shape["size"], generator=env.rng(1),
                   device=env.device()) * 2 - 1  # fmt: skip
    a, b = textbook(x, **shape), ours(x, **shape)
    seconds(a, 3), seconds(b, 3)  # warm-up
    ratios, ms = [], []
    for _ in range(rounds):
        times_a, times_b = [seconds(a, times)], [seconds(b, times), seconds(b, times)]
        times_a.append(seconds(a, times))
        ratios.append(sum(times_a) / sum(times_b))
        ms.append(500 * sum(times_b))
    ratios.sort()
    return {
        "ratio_median": statistics.median(ratios),
        "ratio_min": ratios[0],
        "ratio_max": ratios[-1],
        "ours_ms": statistics.median(ms),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    place = env.device()
    machine = (
        torch.cuda.get_device_name()
        if place.type == "cuda"
        else f"{torch.get_num_threads()} threads"
    )
    print(f"{place.type} ({machine}), {env.precision()}, torch {torch.__version__}")
    found = {}
    for name, shape in SIZES.items():
        found[name] = compare(arguments.rounds, 3 if place.type == "cpu" else 30, **shape)
        row = found[name]
        spread = f"{row['ratio_min']:.2f} to {row['ratio_max']:.2f} in {arguments.rounds} rounds"
        print(f"{name}: {row['ratio_median']:.2f} times as fast ({spread})")
        print(f"    ours takes {row['ours_ms']:.1f} ms per step")
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
