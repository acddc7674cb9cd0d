"""Which networks can be exported: generators from latent vectors to images."""

import copy
import inspect

import torch
from torch import nn

from gancourse.errors import CourseError
from gancourse.shapes import Images, Latent

ONLY = (
    "Only generators from latent vectors (B, noise_dim) to images (B, C, H, W) can be exported; "
    "discriminators, classifiers and networks from images to images (SRGAN, CycleGAN) can't."
)


def ready(G: nn.Module, noise_dim: int | None = None) -> tuple[nn.Module, int]:
    """A copy of a generator in eval mode on the CPU, checked, and the length of its latent vectors.

    Parameters
    ----------
    G : nn.Module
        From latent vectors (B, noise_dim) to images (B, C, H, W) in [-1, 1], with 1 or 3 channels.
        It stays as it is: its mode, its device and its weights do not change.
    noise_dim : int, optional
        Length of a latent vector; by default the network's attribute ``noise_dim``.

    Returns
    -------
    tuple[nn.Module, int]
        The copy, in float32, and the length.

    Raises
    ------
    CourseError
        The network is something else, needs a second input, has weights that are not finite, draws
        random numbers of its own, or does not return images.
    """
    if not isinstance(G, nn.Module):
        raise CourseError(
            f"A {type(G).__name__} can't be exported.",
            "export() needs the network itself, an nn.Module.",
            "Of a Player, pass player.average (the EMA of the weights) or player.net.",
        )
    G = getattr(G, "_orig_mod", G)  # of a compiled network: the network
    kind = class_name(G)
    try:
        net = copy.deepcopy(G).float().cpu().eval()
    except RuntimeError as error:
        raise CourseError(
            f"This {kind} can't be copied.",
            f"{error} The old spectral_norm and weight_norm of torch.nn.utils cause this.",
            "Use those of torch.nn.utils.parametrizations.",
        ) from error
    length = noise_dim or getattr(net, "noise_dim", None) or _config(net).get("noise_dim")
    if not length:
        raise CourseError(
            f"{kind} has no noise_dim: the length of its latent vectors is unknown.",
            ONLY,
            "If it is such a generator, pass noise_dim=, or store it as self.noise_dim.",
        )
    inputs = _inputs(net)
    if len(inputs) != 1:
        raise CourseError(
            f"{kind} needs {len(inputs)} inputs: {', '.join(inputs)}.",
            "Only generators with one input, the latent vectors, can be exported. This one is "
            "conditional: it also needs a class, a text or an image.",
            "Write a module whose forward(z) calls it with one fixed condition, and export that.",
        )
    broken = [k for k, v in net.state_dict().items() if not v.isfinite().all()]
    if broken:
        raise CourseError(
            f"Weights of this {kind} are not finite (nan or infinite): {broken[0]}.",
            "Its training diverged, and it can only generate noise or nothing.",
            "Load an earlier checkpoint, or train again with a lower learning rate.",
        )
    _try(net, kind, int(length))
    return net, int(length)


def class_name(net: nn.Module) -> str:
    """A network's class, with its module unless that is a notebook: "dcgan.Generator"."""
    home = type(net).__module__.rpartition(".")[2]
    return f"{home + '.' if home != '__main__' else ''}{type(net).__qualname__}"


@torch.no_grad()
def generate(net: nn.Module, z: Latent, batch: int = 64) -> Images:
    """The images of many latent vectors, a batch at a time, so that memory stays small."""
    return torch.cat([net(part).float() for part in z.split(batch)])


def _config(net: nn.Module) -> dict:
    """The arguments that a network of the package was created with."""
    config = getattr(net, "config", {})
    return config if isinstance(config, dict) else {}


def _inputs(net: nn.Module) -> list[str]:
    """Names of the arguments that a network can't be called without."""
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = inspect.signature(net.forward).parameters.values()
    needed = [p.name for p in parameters if p.kind in positional and p.default is p.empty]
    return needed or [p.name for p in parameters][:1]


def _try(net: nn.Module, kind: str, length: int) -> None:
    """CourseError unless the network makes the same finite images twice from latent vectors."""
    z = torch.randn(2, length, generator=torch.Generator().manual_seed(0))
    try:
        with torch.no_grad():
            images, again = net(z), net(z)
    except Exception as error:  # anything that a student's forward raises
        raise CourseError(
            f"{kind} makes no images from latent vectors of shape (2, {length}): "
            f"{type(error).__name__}: {error}",
            ONLY + " Nor can a conditional one, which needs a class or a text.",
            "If its latent vectors have another length, pass noise_dim=.",
        ) from error
    shape = tuple(images.shape) if isinstance(images, torch.Tensor) else type(images).__name__
    if not isinstance(shape, tuple) or len(shape) != 4 or shape[0] != 2 or shape[1] not in (1, 3):
        raise CourseError(
            f"{kind} returned {shape} for 2 latent vectors, not images of shape (2, C, H, W).",
            "C is 1 for grey images and 3 for colour. " + ONLY,
        )
    if not images.isfinite().all():
        raise CourseError(
            f"{kind} returned images that are not finite (nan or infinite).",
            "Its training diverged.",
            "Load an earlier checkpoint, or train again with a lower learning rate.",
        )
    if not torch.equal(images, again):
        raise CourseError(
            f"{kind} returned different images for the same latent vectors.",
            "It draws random numbers in its forward method, which a file can't repeat.",
            "Pass all noise as z, and switch dropout off in eval mode.",
        )
