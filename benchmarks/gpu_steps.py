"""Time the papers' training steps on this device, in every precision that it has.

    python benchmarks/gpu_steps.py --json FILE [--small]

Each step has the sizes of its notebook's `gpu` profile. For every precision, and channels_last or
not: milliseconds per step (the median of several rounds), and FLOP per second as a share of the
device's peak. The textbook DCGAN step of `step_speed.py` is timed beside ours. fp16 here has no
loss scaling: it is timed, not trained.
"""

import argparse
import contextlib
import json
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from step_speed import BATCH, NOISE, textbook
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from gancourse import env
from gancourse.classifiers import pretrained
from gancourse.papers import cgan, cyclegan, dcgan, srgan, text2image
from gancourse.papers.gan import gan_step
from gancourse.training.player import Player

PEAK = {  # TFLOP/s by the data sheets, without sparsity: fp32 (TF32 where there is one), 16 bit
    "T4": (8.1, 65),
    "L4": (60, 121),
    "P100": (9.3, 19),
    "V100": (15.7, 125),
    "A100": (156, 312),
    "H100": (494, 989),
    "H200": (494, 989),
}
TYPES = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
Step = Callable[[], object]


def images(n: int, channels: int, size: int) -> Tensor:
    return torch.rand(n, channels, size, size, device=env.device()) * 2 - 1


def same(*batch: Tensor) -> Iterator:
    """The same batch again and again."""
    return iter(lambda: batch if len(batch) > 1 else batch[0], None)


def dcgan_step(autocast: Callable, width: int, size: int, channels: int, batch: int) -> Step:
    G = Player(dcgan.Generator(NOISE, channels, width, size), lr=2e-4)
    D = Player(dcgan.Discriminator(channels, width, size), lr=2e-4)
    data, sample_z = same(images(batch, channels, size)), env.noise(NOISE, env.rng(0))
    return lambda: gan_step(G.net, D.net, G.opt, D.opt, data, sample_z, autocast=autocast)


def conditional_step(autocast: Callable, width: int, batch: int) -> Step:
    G = Player(cgan.Generator(64, 10, 1, width), lr=2e-4)
    D = Player(cgan.Discriminator(10, 1, width), lr=2e-4)
    c = cgan.one_hot(torch.arange(batch, device=env.device()) % 10, 10)
    data, sample_z = same(images(batch, 1, 32), c), env.noise(64, env.rng(0))
    return lambda: cgan.conditional_step(
        G.net, D.net, G.opt, D.opt, data, sample_z, autocast=autocast
    )


def text_step(autocast: Callable, width: int, size: int, batch: int) -> Step:
    G = Player(text2image.Generator(64, 128, 64, 3, width, size), lr=2e-4)
    D = Player(text2image.Discriminator(128, 64, 3, width, size), lr=2e-4)
    phi = torch.randn(batch, 128, device=env.device())
    data = same(images(batch, 3, size), phi, phi.roll(1, 0))
    sample_z = env.noise(64, env.rng(0))
    return lambda: text2image.gan_cls_step(
        G.net, D.net, G.opt, D.opt, data, sample_z, interpolate=True, autocast=autocast
    )


def srgan_step(autocast: Callable, width: int, blocks: int, side: int, batch: int) -> Step:
    G = Player(srgan.Generator(width, blocks), lr=1e-4)
    D = Player(srgan.Discriminator(width, 4 * side), lr=1e-4)
    phi = pretrained.lite0_features().to(env.device())
    data = same(images(batch, 3, side), images(batch, 3, 4 * side))
    content = partial(srgan.content_loss, phi)
    return lambda: srgan.srgan_step(G.net, D.net, G.opt, D.opt, data, content, autocast=autocast)


def cyclegan_step(autocast: Callable, width: int, blocks: int, side: int, batch: int) -> Step:
    nets = [cyclegan.Generator(3, width, blocks) for _ in "GF"]
    nets += [cyclegan.PatchDiscriminator(3, width, 3) for _ in "XY"]
    both = [Player(nn.ModuleList(nets[i : i + 2]), lr=2e-4) for i in (0, 2)]
    rng = env.rng(0)
    pools = cyclegan.ImagePool(50, rng), cyclegan.ImagePool(50, rng)
    data = same(images(batch, 3, side), images(batch, 3, side))
    return lambda: cyclegan.cyclegan_step(
        *nets, both[0].opt, both[1].opt, data, pools, autocast=autocast
    )


STEPS = {  # name -> maker, sizes, small sizes
    "DCGAN 64 x 64": (
        dcgan_step,
        {"width": 64, "size": 64, "channels": 3, "batch": 128},
        {"width": 4, "size": 16, "channels": 3, "batch": 4},
    ),
    "DCGAN 32 x 32": (
        dcgan_step,
        {"width": 64, "size": 32, "channels": 1, "batch": 32},
        {"width": 4, "size": 8, "channels": 1, "batch": 4},
    ),
    "conditional 32 x 32": (
        conditional_step, {"width": 64, "batch": 32}, {"width": 2, "batch": 4},
    ),
    "text to image 64 x 64": (
        text_step,
        {"width": 64, "size": 64, "batch": 64},
        {"width": 2, "size": 16, "batch": 4},
    ),
    "SRGAN 24 to 96": (
        srgan_step,
        {"width": 64, "blocks": 16, "side": 24, "batch": 16},
        {"width": 2, "blocks": 1, "side": 8, "batch": 2},
    ),
    "CycleGAN 128 x 128": (
        cyclegan_step,
        {"width": 32, "blocks": 6, "side": 128, "batch": 1},
        {"width": 2, "blocks": 1, "side": 32, "batch": 1},
    ),
}  # fmt: skip


def autocast_of(precision: str) -> Callable[[], contextlib.AbstractContextManager]:
    dtype = TYPES[precision]
    if dtype is None:
        return contextlib.nullcontext
    return lambda: torch.autocast(env.device().type, dtype)


def milliseconds(step: Step, seconds: float) -> float:
    """Of one step: the median of five rounds that take about so many seconds together."""
    wait = torch.cuda.synchronize if env.device().type == "cuda" else (lambda: None)
    for _ in range(3):
        step()
    wait()
    began = time.perf_counter()
    step()
    wait()
    times = max(1, round(seconds / 5 / (time.perf_counter() - began)))
    rounds = []
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(times):
            step()
        wait()
        rounds.append(1000 * (time.perf_counter() - began) / times)
    return statistics.median(rounds)


def peak(precision: str) -> float | None:
    """TFLOP/s that this device can do at most, or None if it is not in the list."""
    if env.device().type != "cuda":
        return None
    words = torch.cuda.get_device_name().replace("-", " ").split()
    known = next((PEAK[word] for word in words if word in PEAK), None)
    return known[precision != "fp32"] if known else None


def measure(small: bool, seconds: float) -> dict[str, dict]:
    """Step -> precision and layout -> milliseconds, TFLOP/s, share of the peak."""
    found: dict[str, dict] = {}
    layouts = {"channels_last": torch.channels_last, "contiguous": torch.contiguous_format}
    for name, (make, sizes, small_sizes) in STEPS.items():
        found[name] = {}
        for precision in TYPES:
            for layout, memory_format in layouts.items():
                env.memory_format = lambda chosen=memory_format: chosen
                step = make(autocast_of(precision), **(small_sizes if small else sizes))
                with FlopCounterMode(display=False) as counter:
                    step()
                ms = milliseconds(step, seconds)
                tflops = counter.get_total_flops() / ms / 1e9
                row = {"ms": round(ms, 3), "tflop_per_s": round(tflops, 6)}
                if limit := peak(precision):
                    row["share_of_peak"] = round(tflops / limit, 4)
                found[name][f"{precision}, {layout}"] = row
                print(f"{name:24} {precision} {layout:14} {row}", flush=True)
    size, channels = (8, 1) if small else (64, 3)
    x = images(BATCH, channels, size)
    step = textbook(x, width=4 if small else 64, size=size, channels=channels)
    found["textbook DCGAN, batch 32"] = {"fp32": {"ms": round(milliseconds(step, seconds), 3)}}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--small", action="store_true", help="small networks: does it run?")
    parser.add_argument("--seconds", type=float, default=1.0, help="for each measurement")
    arguments = parser.parse_args()
    found = measure(arguments.small, arguments.seconds)
    arguments.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
