"""Peak memory and seconds of `srgan_photos.upscale` on a picture whose input has 12 megapixels.

    python benchmarks/upscale_memory.py [--megapixels 12] [--mode RGB] [--tile 128] [--paper]

The result has 16 times as many pixels: 192 million, 768 MB as PIL keeps them (4 bytes a pixel).
The network has the shape of notebook 08's cpu profile (with --paper: the paper's), with random
weights, which cost the same. It runs in this process and nothing else does, so the peak is the
process's own.
"""

import argparse
import time

import numpy as np
import torch
from PIL import Image

from gancourse import env
from gancourse.papers import srgan, srgan_photos


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--megapixels", type=float, default=12)
    parser.add_argument("--mode", default="RGB")
    parser.add_argument("--tile", type=int, default=128)
    parser.add_argument("--paper", action="store_true")
    args = parser.parse_args()
    height = round((args.megapixels * 1e6 * 3 / 4) ** 0.5)
    width = round(args.megapixels * 1e6 / height)
    values = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    picture = Image.fromarray(values).convert(args.mode)
    del values
    torch.manual_seed(0)
    if args.paper:
        G = srgan.Generator()
    else:
        G = srgan.Generator(32, 6, tail=16, ends=(9, 3), on_bicubic=True)
    G.to(env.device(), memory_format=env.memory_format())
    before, begin = env.resources()["peak_mb"], time.perf_counter()
    large = srgan_photos.upscale(G, picture, tile=args.tile)
    seconds, after = time.perf_counter() - begin, env.resources()
    print(f"{width} x {height} {args.mode} to {large.width} x {large.height} {large.mode}")
    print(
        f"{seconds:.0f} s, {torch.get_num_threads()} threads, {env.precision()}, tile {args.tile}"
    )
    print(f"peak memory {after['peak_mb']:.0f} MB (before: {before:.0f} MB)")


if __name__ == "__main__":
    main()
