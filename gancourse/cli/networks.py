"""Commands for trained networks: export."""

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from gancourse.errors import CourseError


class Noise(str, Enum):
    """Distribution of latent vectors."""

    normal = "normal"
    uniform = "uniform"
    sphere = "sphere"


def export_model(
    network: Annotated[
        Path,
        typer.Argument(
            metavar="G.safetensors",
            dir_okay=False,
            readable=True,
            help="A generator saved by a notebook.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="New folder, or that of an earlier export.")],
    name: Annotated[str, typer.Option(help="Title; default: the file's name.")] = "",
    licence: Annotated[str, typer.Option(help="Licence of the training images.")] = "",
    data: Annotated[str, typer.Option(help="The training images, in words.")] = "",
    seed: Annotated[int, typer.Option(min=0, help="Seed of samples and walk.")] = 0,
    noise: Annotated[Noise, typer.Option(help="Latent vectors in training.")] = Noise.normal,
) -> None:
    """Export a trained generator: a web page that runs it offline, ONNX, samples, a model card."""
    from gancourse import env
    from gancourse.export import bundle
    from gancourse.export.card import ModelCard
    from gancourse.training import networks

    if network.suffix != ".safetensors":
        raise typer.BadParameter(
            f"{network.name} is not a .safetensors file. Loading any other file of a network, such "
            "as one by torch.save, can run code that is hidden in it. Save the network with "
            "gancourse.training.networks.save."
        )
    try:
        bundle.require_free(out)
    except CourseError as error:
        raise typer.BadParameter(str(error)) from error
    files = bundle.export(
        networks.load(network),
        out,
        name=name.strip() or network.stem,
        card=ModelCard(data=data, licence=licence),
        rng=env.rng(seed, "cpu"),
        noise=noise.value,
    )
    for file in files:
        print(f"{file}  ({file.stat().st_size / 1e6:.1f} MB)")
    print(f"Open {files[-1]} in a browser. It is one file, and it needs no internet: send it.")
