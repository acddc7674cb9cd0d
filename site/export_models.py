"""Write the networks that the site's demos run, from a folder of runs: for maintainers.

    gancourse run 03 05 06 07 08 09 11 --profile cpu --out DIR
    python site/export_models.py DIR/runs

Writes ``models/*.onnx`` and ``models/models.json``: for each network its inputs, what the demo
needs to know, and the largest difference from PyTorch on 100 inputs. It needs the course with its
extra "export"; the site itself does not.
"""

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from gancourse import env
from gancourse.classifiers import pretrained
from gancourse.datasets import captions, digits, photos, two_domains
from gancourse.export import directions, onnx_file
from gancourse.papers.adversarial import input_gradient
from gancourse.papers.text2image import ALPHABET, to_characters
from gancourse.shapes import to_bytes, to_float
from gancourse.training import networks

FOLDER = Path(__file__).parent / "models"
TOLERANCE = 1e-4
INPUTS = 100


class SentenceReader(nn.Module):
    """Notebook 07's condition of a text: its encoder, and the whitened first directions of phi.

    Reads one-hot characters (B, length, 70), float32. The directions are those of the sentences
    that the notebook trains on.
    """

    def __init__(self, encoder: nn.Module, keep: int, count: int = 3000) -> None:
        super().__init__()
        self.encoder = encoder.float().eval()
        data = captions.load(count, 32, env.rng(0, "cpu"))
        texts = torch.cat([to_characters(row, encoder.length) for row in data.sentences])
        with torch.no_grad(), env.autocast():
            phi = torch.cat([encoder(part).float() for part in texts.split(1000)])
        _, s, basis = torch.linalg.svd(phi - phi.mean(0), full_matrices=False)
        self.words = {
            word.strip(",.") for row in data.sentences for text in row for word in text.split()
        }
        self.register_buffer("mean", phi.mean(0))
        self.register_buffer("basis", basis[:keep].T / (s[:keep] / len(phi) ** 0.5))

    def forward(self, characters: Tensor) -> Tensor:
        h = self.encoder.convolutions(characters.transpose(1, 2))
        states, _ = self.encoder.recurrent(h.transpose(1, 2))
        return (self.encoder.head(states.mean(dim=1)) - self.mean) @ self.basis


def export(
    name: str,
    net: nn.Module,
    draw: Callable[[], Mapping[str, Tensor]],
    sides: bool = False,
    output: str = "output",
) -> dict[str, Any]:
    """Write a network, compare it with PyTorch on 100 inputs; returns its entry in models.json.

    Parameters
    ----------
    name : str
        Of the file.
    net : nn.Module
        Called with the inputs in their order; returns one tensor.
    draw : Callable
        Draws one set of inputs, name to tensor, with a batch of 1.
    sides : bool
        Whether height and width of the inputs are free, beside the batch.
    output : str
        Its name in the file.
    """
    net = net.float().cpu().eval()
    first = {key: torch.cat([value, value]) for key, value in draw().items()}
    auto = torch.export.Dim.AUTO
    free = {0: auto} | ({2: auto, 3: auto} if sides else {})
    with torch.no_grad():
        program = torch.onnx.export(
            net, tuple(first.values()), dynamo=True, dynamic_shapes=tuple(free for _ in first),
            input_names=list(first), output_names=[output], opset_version=18, verbose=False,
        )  # fmt: skip
    content = onnx_file.without_comments(program.model_proto.SerializeToString())
    (FOLDER / f"{name}.onnx").write_bytes(content)
    run = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    largest = 0.0
    for _ in range(INPUTS):
        inputs = draw()
        with torch.no_grad():
            expected = net(*inputs.values()).numpy()
        (got,) = run.run(None, {key: value.numpy() for key, value in inputs.items()})
        largest = max(largest, float(np.abs(got - expected).max()))
    if largest > TOLERANCE:
        raise SystemExit(f"{name}: differs from PyTorch by {largest:.1e}; {TOLERANCE} is allowed")
    shapes = {key: list(value.shape) for key, value in draw().items()}
    print(f"{name}: {len(content) / 1000:.0f} kB, largest difference {largest:.1e}")
    return {"inputs": shapes, "bytes": len(content), "difference": float(f"{largest:.1e}")}


def latent(name: str, net: nn.Module, rng: torch.Generator) -> dict[str, Any]:
    """A generator of images from latent vectors, with the directions for its sliders."""
    noise = net.config["noise_dim"]
    found = directions.find(net.float().cpu().eval(), env.noise(noise, rng)(1000))
    entry = export(name, net, lambda: {"z": env.noise(noise, rng)(1)}, output="images")
    return entry | {
        "noise": "normal", "noiseDim": noise,
        "directions": [[round(x, 4) for x in row] for row in found.vectors.tolist()],
        "shares": [round(x, 4) for x in found.shares.tolist()],
    }  # fmt: skip


def sheet(images: Tensor, columns: int, name: str, quality: int | None = None) -> None:
    """Images in [-1, 1] in rows, without a gap, as one WebP file; lossless without a quality."""
    rows = to_bytes(images).cpu().split(columns)
    grid = torch.cat([torch.cat(list(row), dim=2) for row in rows], dim=1)
    array = grid.permute(1, 2, 0).squeeze(2).numpy()
    options = {"lossless": True} if quality is None else {"quality": quality}
    Image.fromarray(array).convert("RGB").save(FOLDER / f"{name}.webp", method=6, **options)


def adversarial() -> dict[str, Any]:
    """Photos, the signs of the loss's gradient at their pixels, and what the classifier says."""
    names, levels = ["cat", "coffee", "rocket", "astronaut", "camera"], np.arange(0, 8.5, 0.5)
    model = pretrained.classifier()
    x = torch.cat([photos.square(photo) for photo in photos.load(names).values()])
    y = model(x).argmax(dim=1)
    signs = input_gradient(model, x, y).sign()
    sheet(x, len(names), "adversarial_photos", 95)
    stored = Image.open(FOLDER / "adversarial_photos.webp")
    x = torch.from_numpy(np.array(stored)).permute(2, 0, 1)[None].float() / 127.5 - 1
    x = torch.cat(x.split(224, dim=3))  # as the browser will read them
    y = model(x).argmax(dim=1)
    signs = input_gradient(model, x, y).sign()
    sheet(signs, len(names), "adversarial_signs")
    guesses = []
    for level in levels:
        moved = (x + float(level) * 2 / 255 * signs).clamp(-1, 1)
        top = model(moved).softmax(dim=1).topk(3)
        guesses.append([
            [[pretrained.class_names()[i], round(p, 4)] for i, p in zip(ids, ps, strict=True)]
            for ids, ps in zip(top.indices.tolist(), top.values.tolist(), strict=True)
        ])  # fmt: skip
    return {"photos": names, "levels": levels.tolist(), "guesses": guesses}


def main(runs: Path) -> None:
    """Export all networks."""
    FOLDER.mkdir(exist_ok=True)
    rng = env.rng(0, "cpu")

    def load(name: str) -> nn.Module:
        return networks.load(runs / f"{name}.safetensors", torch.device("cpu"))

    def noise(*shape: int) -> Tensor:
        return torch.randn(shape, generator=rng)

    def one_hot() -> Tensor:
        return F.one_hot(torch.randint(10, (1,), generator=rng), 10).float()

    def photo(side: int) -> Tensor:
        return torch.rand(1, 3, side, side, generator=rng) * 2 - 1

    models = {
        "digits": latent("digits", load("03_dcgan/G"), rng),
        "galaxies": latent("galaxies", load("11_galaxies/G"), rng),
    }
    G = load("05_conditional_gan/G")
    labels = export("labels", G, lambda: {"z": noise(1, G.noise_dim), "c": one_hot()})
    models["labels"] = labels | {"noise": "normal", "noiseDim": G.noise_dim, "classes": 10}
    coarse = load("06_lapgan/8")
    dim = coarse.layers[0].unflattened_size[0]
    models["lapgan_8"] = export("lapgan_8", coarse, lambda: {"z": noise(1, dim)})
    for side in (16, 32, 64):
        models[f"lapgan_{side}"] = export(
            f"lapgan_{side}", load(f"06_lapgan/{side}"),
            lambda side=side: {"z": noise(1, 1, side, side), "low": photo(side)},
        )  # fmt: skip
    encoder, G = load("07_text_to_image/encoder"), load("07_text_to_image/G")
    keep, size = G.project[0].in_features, (1, encoder.length)
    reader = SentenceReader(encoder, keep)
    read = export(
        "sentence_reader", reader,
        lambda: {
            "characters": F.one_hot(
                torch.randint(len(ALPHABET), size, generator=rng), len(ALPHABET)
            ).float()
        },
    )  # fmt: skip
    models["sentence_reader"] = read | {"alphabet": ALPHABET, "words": sorted(reader.words)}
    models["sentence_generator"] = export(
        "sentence_generator", G, lambda: {"z": noise(1, G.noise_dim), "c": noise(1, keep)}
    ) | {"noiseDim": G.noise_dim}
    for name in ("srresnet", "srgan"):
        net = load(f"08_srgan/{name}")
        models[name] = export(name, net, lambda: {"x": photo(24)}, sides=True)
        models[name]["reach"] = net.reach
    for name in ("day_to_dusk", "dusk_to_day"):
        net = load(f"09_cyclegan/{name}")
        models[name] = export(name, net, lambda: {"x": photo(32)}, sides=True)
    models["adversarial"] = adversarial()
    garden = two_domains.day_and_dusk(1, 12, 32, env.rng(5, "cpu"))
    for name, images in (("day", garden.test_x), ("dusk", garden.test_y)):
        sheet(to_float(images), 12, name)
    sheet(to_float(digits.load(32, "train").images[:1000]), 40, "real_digits")
    (FOLDER / "models.json").write_text(json.dumps(models, separators=(",", ":")) + "\n", "utf-8")
    total = sum(path.stat().st_size for path in FOLDER.iterdir())
    print(f"{total / 1e6:.1f} MB in all")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
