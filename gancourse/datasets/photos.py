"""Fourteen photographs that come with scikit-image and scikit-learn: no download.

The files are read from the installed packages, not through ``skimage.data``, which would try the
internet if a file is missing. Sources and licences: ``data/README.md``.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from gancourse.datasets import images
from gancourse.errors import CourseError
from gancourse.shapes import Bytes, to_float

FILES = {
    "astronaut": ("skimage", "data/astronaut.png"),
    "brick": ("skimage", "data/brick.png"),
    "camera": ("skimage", "data/camera.png"),
    "cat": ("skimage", "data/chelsea.png"),
    "coffee": ("skimage", "data/coffee.png"),
    "grass": ("skimage", "data/grass.png"),
    "gravel": ("skimage", "data/gravel.png"),
    "hubble": ("skimage", "data/hubble_deep_field.jpg"),
    "motorcycle_left": ("skimage", "data/motorcycle_left.png"),
    "motorcycle_right": ("skimage", "data/motorcycle_right.png"),
    "retina": ("skimage", "data/retina.jpg"),
    "rocket": ("skimage", "data/rocket.jpg"),
    "china": ("sklearn", "datasets/images/china.jpg"),
    "flower": ("sklearn", "datasets/images/flower.jpg"),
}
"""Name of each photo: its package, and the path inside it."""

NAMES = tuple(FILES)
TEST = ("cat", "coffee", "rocket")
"""Never trained on, in any notebook."""

TRAIN = tuple(name for name in NAMES if name not in TEST)
"""The two motorcycles show one scene from two viewpoints: they must stay in the same part."""


def load(names: Sequence[str] = NAMES) -> dict[str, Bytes]:
    """The embedded photos by name, each as it is stored.

    Parameters
    ----------
    names : Sequence[str]
        Some of `NAMES`; for example `TRAIN` or `TEST`.

    Returns
    -------
    dict[str, Bytes]
        Name to a uint8 tensor (1, 3, H, W), 0 to 255, on the CPU. The sizes differ. Grey photos
        have three equal channels. Colours are not converted: "rocket" is in Adobe RGB.

    Raises
    ------
    CourseError
        If a name is unknown, or its file is missing from the installed package.
    """
    unknown = [name for name in names if name not in FILES]
    if unknown:
        raise CourseError(
            f"There is no embedded photo {unknown[0]!r}.",
            f"Known: {', '.join(NAMES)}.",
            "For your own image: photos.read('path/to/image.jpg').",
        )
    return {name: to_tensor(images.read(_path(name), to_srgb=False)) for name in names}


def read(path: str | Path) -> Bytes:
    """One image from a file as a viewer shows it, by `images.read`: uint8 (1, 3, H, W), 0 to 255.

    Raises
    ------
    CourseError
        If there is no such file, or it is not an image, truncated, or far too large.
    """
    return to_tensor(images.read(path))


def square(photo: Bytes, size: int = 224, shorter: int = 256) -> Float[Tensor, "1 3 side side"]:
    """The central crop of a photo as a classifier expects it: in [-1, 1], `size` x `size`.

    The shorter side becomes `shorter` pixels (bicubic, with antialiasing), then the centre is
    cropped. The values remain integer grey levels: saving the image with 8 bits is lossless.

    Parameters
    ----------
    photo : Bytes
        (1, 3, H, W), 0 to 255, as `load` and `read` return it.
    size, shorter : int
        In pixels; ImageNet classifiers are usually evaluated with 224 and 256.

    Returns
    -------
    Float[Tensor, "1 3 side side"]
        With side = size; in [-1, 1], on the device of `photo`.

    Raises
    ------
    ValueError
        If `size` is below 1 or above `shorter`.
    """
    if not 1 <= size <= shorter:
        raise ValueError(f"size must be between 1 and shorter, got {size=} and {shorter=}")
    height, width = photo.shape[2:]
    scale = shorter / min(height, width)
    new = (max(shorter, int(width * scale)), max(shorter, int(height * scale)))
    image = Image.fromarray(photo[0].permute(1, 2, 0).cpu().numpy())
    pixels = to_tensor(image.resize(new, Image.Resampling.BICUBIC))
    top, left = round((new[1] - size) / 2), round((new[0] - size) / 2)
    middle = pixels[:, :, top : top + size, left : left + size]
    return to_float(middle.to(photo.device))


def _path(name: str) -> Path:
    package, inside = FILES[name]
    spec = find_spec(package)
    path = Path(spec.origin).parent / inside if spec and spec.origin else None
    if path is None or not path.is_file():
        pip = {"skimage": "scikit-image", "sklearn": "scikit-learn"}[package]
        raise CourseError(
            f"The photo {name!r} is missing.",
            f"It comes inside the package {pip}, " + (f"but {path} is not there." if path else ""),
            f"Install the package again: pip install --force-reinstall --no-deps {pip}",
        )
    return path


def to_tensor(image: Image.Image) -> Bytes:
    """A PIL image in mode RGB as a uint8 tensor (1, 3, H, W), 0 to 255."""
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].contiguous()  # 1 x 3 x H x W
