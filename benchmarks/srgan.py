"""Measure SRResNet and SRGAN of notebook 08 with several seeds: srgan.json in gancourse/results.

    python benchmarks/srgan.py [--seeds 5] [--minutes 14] [--pattern] [--images FOLDER]

The networks, data and numbers of steps are those of the notebook's profile `cpu`, and the metrics
are means over its three test photos. Seed 0 is the notebook's own. With `--pattern` SRGAN is also
trained with the paper's sub-pixel convolutions, with and without ICNR, one seed each, for the
pattern that it draws on flat greys. A finished training is a row; rows with the same settings are
kept: stop and resume it at any time. After `--minutes` no further training is started.

With `--images` nothing is trained: the PSNR and SSIM of the interpolations and of the networks that
are stored in the runs' folder are printed for a folder of images, Set5 for instance.
"""

import argparse
import copy
import json
import platform
import time
from functools import partial
from pathlib import Path
from statistics import fmean

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancourse import env
from gancourse.classifiers import pretrained
from gancourse.datasets import lowres, photos
from gancourse.metrics.images import perceptual_distance, psnr, ssim
from gancourse.metrics.samples import frechet_distance
from gancourse.papers import srgan, srgan_photos
from gancourse.papers.gan import descend
from gancourse.shapes import to_bytes, to_float
from gancourse.training import networks
from gancourse.training.player import Player

FILE = Path(__file__).parents[1] / "gancourse" / "results" / "srgan.json"
SHAPE = {"width": 32, "blocks": 6, "tail": 16, "ends": (9, 3), "on_bicubic": True}
SETTINGS = {
    "resnet": {"steps": 1400, "batch": 16, "side": 24, "lr": 2e-3},
    "gan": {"steps": 500, "batch": 8, "side": 20, "lr": 2e-4, "D": 16},
    "adversarial": 4e-3,
    "stages": [3, 5],
}
"""Those of the notebook."""


def train_srresnet(upsampling: str, seed: int) -> nn.Module:
    """The EMA of a network trained on the squared error."""
    s = SETTINGS["resnet"]
    net = srgan.Generator(**SHAPE, upsampling=upsampling, rng=env.rng(10 * seed, "cpu"))
    options = {"hold": 0.2, "betas": (0.9, 0.99), "ema": 0.995}
    G = Player(net.train(), lr=s["lr"], steps=s["steps"], **options)
    rng = env.rng(10 * seed + 1, "cpu")
    batches = lowres.Crops(lowres.load(photos.TRAIN), s["side"], s["batch"], rng, env.device())
    for _ in range(s["steps"]):
        low, high = next(batches)
        with env.autocast():
            x = G.net(low)
        descend(G.opt, F.mse_loss(x.float(), high))
        G.advance()
    return G.average


def train_srgan(start: nn.Module, seed: int) -> nn.Module:
    """The EMA of a network trained further with content loss and adversarial loss."""
    s, device = SETTINGS["gan"], env.device()
    phi = pretrained.lite0_features(tuple(SETTINGS["stages"])).to(device)
    crops = partial(lowres.Crops, lowres.load(photos.TRAIN), s["side"])
    low, high = next(crops(32, env.rng(10 * seed, "cpu"), device))
    with torch.no_grad(), env.autocast():
        images = start.eval()(low).float()
    with torch.no_grad():
        scale = 0.03 / srgan.content_loss(phi, images, high).item()

    def content(fakes: Tensor, high: Tensor) -> Tensor:
        return scale * srgan.content_loss(phi, fakes, high)

    D = srgan.Discriminator(s["D"], side=4 * s["side"], rng=env.rng(10 * seed + 2, "cpu"))
    options = {"steps": s["steps"], "betas": (0.9, 0.99)}
    G = Player(copy.deepcopy(start).train(), lr=s["lr"], ema=0.995, **options)
    D = Player(D, lr=2 * s["lr"], **options)
    batches = crops(s["batch"], env.rng(10 * seed + 2, "cpu"), device)
    weight = SETTINGS["adversarial"]
    for _ in range(s["steps"]):
        srgan.srgan_step(
            G.net, D.net, G.opt, D.opt, batches, content,
            adversarial=weight, autocast=env.autocast,
        )  # fmt: skip
        G.advance()
        D.advance()
    return G.average


def texture_distance(features: nn.Module, x: Tensor, real: Tensor) -> float:
    """As in Section 4 of the notebook."""
    a, b = (features(y)[0].flatten(2)[0].T for y in (x, real))
    return frechet_distance(a, b) / b.var(dim=0).sum().item()


@torch.no_grad()
def measured(G: nn.Module) -> dict[str, float]:
    """Every metric of the notebook, and the pattern on flat greys in grey levels."""
    lite0, second = pretrained.lite0_features(), pretrained.lite0_features((2,))
    metrics = {
        "psnr": psnr,
        "ssim": ssim,
        "perceptual": partial(perceptual_distance, lite0),
        "texture": partial(texture_distance, second),
        "variation": lambda x, y: srgan.total_variation(x) / srgan.total_variation(y),
    }
    device = env.device()

    def enlarge(low: Tensor) -> Tensor:
        with env.autocast():
            return G.eval()(low.to(device)).float().cpu()

    rows: dict[str, list[float]] = {name: [] for name in metrics}
    for low, high in lowres.load(photos.TEST).values():
        x = to_float(to_bytes(enlarge(to_float(low))))
        for name, metric in metrics.items():
            rows[name].append(float(metric(x, to_float(high))))
    greys = torch.linspace(-0.8, 0.8, 9).view(-1, 1, 1, 1).expand(-1, 3, 40, 40)
    flat = 127.5 * enlarge(greys)[:, :, 48:-48, 48:-48]
    means = {name: fmean(values) for name, values in rows.items()}
    return means | {"pattern": flat.std(dim=(2, 3)).mean().item()}


@torch.no_grad()
def of_folder(folder: str) -> None:
    """Print PSNR and SSIM of every method, means over the images of a folder."""
    methods = {mode: partial(lowres.enlarge, mode=mode) for mode in ("nearest", "bicubic")}
    for file in sorted(env.run_dir("08_srgan_seeds").glob("*.safetensors")):
        G = networks.load(file).eval()
        methods[file.stem] = partial(srgan_photos.tiled, G, tile=192, margin=G.reach)
    pairs = list(lowres.load_folder(folder).values())
    for name, enlarge in methods.items():
        images = [to_float(to_bytes(enlarge(to_float(low)).float())) for low, _ in pairs]
        scores = [
            fmean(
                float(metric(x, to_float(high))) for x, (_, high) in zip(images, pairs, strict=True)
            )
            for metric in (psnr, ssim)
        ]
        print(f"{name:20} PSNR {scores[0]:.2f} dB, SSIM {scores[1]:.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--minutes", type=float, default=1e9)
    parser.add_argument("--pattern", action="store_true")
    parser.add_argument("--images", default="")
    args = parser.parse_args()
    if args.images:
        return of_folder(args.images)
    end = time.monotonic() + 60 * args.minutes
    old = json.loads(FILE.read_text()) if FILE.exists() else {}
    rows = old["rows"] if old.get("settings") == SETTINGS else {}
    jobs = [("resize", seed) for seed in range(args.seeds)]
    jobs += [("subpixel", 0), ("icnr", 0)] if args.pattern else []
    for upsampling, seed in jobs:
        extra = "" if upsampling == "resize" else f" {upsampling}"
        folder = env.run_dir("08_srgan_seeds")
        for name in (f"SRResNet{extra}/{seed}", f"SRGAN{extra}/{seed}"):
            if name in rows or time.monotonic() > end:
                continue
            begin = time.monotonic()
            start = folder / f"{upsampling}_{seed}.safetensors"
            if name.startswith("SRResNet") or not start.exists():
                G = train_srresnet(upsampling, seed)
                networks.save(G, start)
            if name.startswith("SRGAN"):
                G = train_srgan(networks.load(start).to(env.device()), seed)
                networks.save(G, start.with_stem(f"{start.stem}_gan"))
            rows[name] = measured(G)
            machine = f"{platform.machine()}, {torch.get_num_threads()} threads, {env.precision()}"
            new = {"command": "python benchmarks/srgan.py --pattern", "machine": machine}
            new |= {"settings": SETTINGS, "rows": rows}
            FILE.write_text(json.dumps(new, indent=1) + "\n")
            print(f"{name}: {time.monotonic() - begin:.0f} s, {rows[name]}", flush=True)


if __name__ == "__main__":
    main()
