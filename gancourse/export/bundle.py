"""Write everything about a generator into one folder: `export`."""

import contextlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from gancourse import env
from gancourse.errors import CourseError
from gancourse.export import onnx_file, pictures
from gancourse.export.card import ModelCard, markdown
from gancourse.export.directions import find
from gancourse.export.generators import class_name, generate, ready
from gancourse.export.web_page import page

FILES = ("generator.onnx", "samples.png", "walk.webp", "MODEL_CARD.md", "index.html")
"""What an export consists of; the page comes last."""
UNFINISHED = ".unfinished"
"""Folder in the target where files are written before they are moved to their places."""
SAMPLES = 64
FOR_DIRECTIONS = 1024
"""Latent vectors from whose images the directions are computed."""
NOISES = ("normal", "uniform", "sphere")


def export(
    G: nn.Module,
    folder: Path | str,
    *,
    name: str,
    card: ModelCard | None = None,
    rng: torch.Generator | None = None,
    noise: str = "normal",
    noise_dim: int | None = None,
) -> list[Path]:
    """Write a trained generator as files that show it and run it without the course.

    ``index.html`` runs the generator in any current browser, also without the internet: it is one
    file to send to friends. ``generator.onnx`` runs in other programs; its images were compared
    with PyTorch's. ``samples.png`` has 64 samples that nobody selected, ``walk.webp`` a walk in
    latent space, ``MODEL_CARD.md`` the facts.

    Parameters
    ----------
    G : nn.Module
        From latent vectors (B, noise_dim) to images (B, C, H, W) in [-1, 1], with one channel or
        three: a generator of the package, or your own. The EMA of the weights usually draws
        better images. `G` does not change.
    folder : Path or str
        Created if needed. Files of an earlier export are replaced; any other content is refused.
    name : str
        Title of the page and of the model card.
    card : ModelCard, optional
        What you know about data and training. Name, architecture and parameters are filled in.
    rng : torch.Generator, optional
        Draws the samples, the walk, and the latent vectors for directions; by default seed 0.
    noise : {"normal", "uniform", "sphere"}
        Distribution of the latent vectors in training, as in `env.noise`.
    noise_dim : int, optional
        Length of a latent vector; by default ``G.noise_dim``.

    Returns
    -------
    list[Path]
        The files.

    Raises
    ------
    CourseError
        `G` is no such generator, the ONNX file differs from it by more than 1e-5, the folder has
        other content, or nothing can be written. What was in the folder is then unchanged.
    """
    if noise not in NOISES or not name.strip():
        raise CourseError(
            f"export() got name={name!r} and noise={noise!r}.",
            f"It needs a name that is not empty, and one of: {', '.join(NOISES)}.",
        )
    folder = Path(folder)
    require_free(folder)
    onnx_file.require_packages()
    net, length = ready(G, noise_dim)
    rng = env.rng(0, "cpu") if rng is None else rng
    sample_z = env.noise(length, rng, noise)  # type: ignore[arg-type]

    def draw(m: int) -> torch.Tensor:
        return sample_z(m).cpu()

    images = generate(net, draw(SAMPLES))
    card = replace(
        card or ModelCard(),
        name=name,
        architecture=(card and card.architecture) or _architecture(G),
        parameters=(card and card.parameters) or sum(p.numel() for p in net.parameters()),
    )
    with _written(folder) as part:
        model = onnx_file.to_onnx(net, length)
        (part / "generator.onnx").write_bytes(model)
        onnx_file.check(part / "generator.onnx", net, draw(16))
        samples = pictures.sheet(images)
        (part / "samples.png").write_bytes(pictures.png(samples))
        stops = draw(pictures.STOPS * 9)
        (part / "walk.webp").write_bytes(pictures.walk(net, stops, straight=noise == "uniform"))
        shape = images.shape[1:]
        text = markdown(card, length, shape, noise)
        (part / "MODEL_CARD.md").write_text(text, encoding="utf-8")
        html = page(
            card,
            onnx_file.compact(model, net, draw(16)),
            find(net, draw(FOR_DIRECTIONS)),
            samples,
            noise_dim=length,
            noise=noise,
            shape=shape,
            count=SAMPLES,
        )
        (part / "index.html").write_text(html, encoding="utf-8")
    return [folder / file for file in FILES]


def require_free(folder: Path) -> None:
    """CourseError unless a folder is new, empty or an earlier export."""
    if folder.exists() and not folder.is_dir():
        raise CourseError(
            f"{folder} is a file, not a folder.",
            "An export consists of several files.",
            "Name a new folder.",
        )
    names = {p.name for p in folder.iterdir()} if folder.exists() else set()
    earlier = names >= set(FILES) or UNFINISHED in names
    others = sorted(names - {*FILES, UNFINISHED} if earlier else names)
    if others:
        raise CourseError(
            f"{folder} has other content: {', '.join(others[:3])}{' ...' if others[3:] else ''}.",
            "It is not an earlier export, so nothing was written.",
            "Name a new or empty folder, or that of an earlier export.",
        )


@contextlib.contextmanager
def _written(folder: Path) -> Iterator[Path]:
    """A folder for new files; at the end they replace those in `folder`, after an error none do."""
    created = not folder.exists()
    part = folder / UNFINISHED
    try:
        shutil.rmtree(part, ignore_errors=True)  # of an export that was killed
        part.mkdir(parents=True)
        yield part
        for file in FILES:
            (part / file).replace(folder / file)
    except OSError as error:
        raise CourseError(
            f"The export could not be written into {folder} ({error.strerror or error}).",
            "The disk is full, or you may not write there. Earlier files are unchanged.",
            "Free some space, or name another folder.",
        ) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
        if created:
            with contextlib.suppress(OSError):  # not empty: the export is complete
                folder.rmdir()


def _architecture(G: nn.Module) -> str:
    """The class of a network, with the arguments that it was created with if they are known."""
    G = getattr(G, "_orig_mod", G)
    config = getattr(G, "config", {})
    arguments = ", ".join(f"{k}={v}" for k, v in config.items()) if isinstance(config, dict) else ""
    return f"{class_name(G)}({arguments})"
