"""Exercise 0.1: bytes to [-1, 1]."""

import warnings

import torch
from torch import Tensor

from gancourse.datasets.batches import to_float
from gancourse.exercises.base import Case, Exercise


def images(rng: torch.Generator) -> list[Case]:
    """Bytes with simple results, random ones without 0 and 255, and a vector that is nearly 0."""
    plain = torch.tensor([0, 64, 128, 255], dtype=torch.uint8).view(1, 1, 2, 2)
    random = torch.randint(10, 200, (2, 3, 2, 4), generator=rng).byte()
    random[0, 0, 0, 0] = 190  # twice this doesn't fit into a byte
    dark = torch.tensor([0, 1, 1], dtype=torch.uint8)
    notes = (
        "on bytes 0, 64, 128, 255",
        "on random bytes 10 to 199",
        "on a vector of bytes 0, 1, 1",
    )
    return [Case((x,), note=note) for x, note in zip((plain, random, dark), notes, strict=True)]


def scaled_if_bright(images: Tensor) -> Tensor:
    """Slip: a guess whether the images are scaled already."""
    x = images.float()
    return 2 * (x / 255 if x.max() > 1 else x) - 1


def scaled_one_by_one(images: Tensor) -> Tensor:
    """Slip: each image by its own darkest and lightest value."""
    x = images.float()
    low, high = x.amin((1, 2, 3), keepdim=True), x.amax((1, 2, 3), keepdim=True)
    return 2 * (x - low) / (high - low) - 1


def from_table(images: Tensor) -> Tensor:
    """Right: a table with an entry for each byte."""
    return torch.linspace(-1, 1, 256, device=images.device)[images.long()]


def from_table_by_mask(images: Tensor) -> Tensor:
    """Slip: bytes as an index."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.linspace(-1, 1, 256)[images]


EXERCISE = Exercise(
    id="0.1",
    title="Bytes to [-1, 1]",
    points=1,
    minutes=3,
    reference=to_float,
    cases=images,
    slips={
        "That is [0, 1]. Black has to become -1: multiply by 2, then subtract 1.": lambda images: (
            images / 255
        ),
        "2 * images is still a tensor of bytes, where 2 * 128 overflows to 0. Divide first, or "
        "call .float() first.": [
            lambda images: 2 * images / 255 - 1,
            lambda images: (2 * images - 255) / 255,
            lambda images: 2 * images / 256 - 1,
        ],
        "The difference is still a tensor of bytes, which can't be negative: 0 - 128 becomes 128. "
        "Call .float() first, and use 127.5.": [
            lambda images: (images - 128) / 128,
            lambda images: (images - 128) / 127,
            lambda images: (images - 128) / 127.5,
            lambda images: (images - 127) / 127.5,
            lambda images: (images - 127) / 128,
            lambda images: (images - 127) / 127,
        ],
        "Close, but 0 has to become exactly -1, and 255 exactly 1: divide by 127.5, then subtract "
        "1.": [
            lambda images: images / 128 - 1,
            lambda images: images / 127 - 1,
            lambda images: (images.float() - 128) / 127,
            lambda images: (images.float() - 128) / 127.5,
            lambda images: (images.float() - 127) / 128,
            lambda images: (images.float() - 127) / 127.5,
            lambda images: (images.float() - 127.5) / 128,
            lambda images: (images.float() - 127.5) / 127,
        ],
        "That formula takes [0, 1] to [-1, 1]. These images are 0 to 255: divide by 255 first.": [
            lambda images: (images.float() - 0.5) / 0.5,
            lambda images: 2 * images.float() - 1,
        ],
        "That is images - 1, and still 255 wide: divide the images by 127.5 first. (0.5 / 0.5 is "
        "1: / is computed before -.)": lambda images: images.float() - 0.5 / 0.5,
        "That is images / 255 - 1, from -1 to 0: multiply by 2 before you subtract 1. (0.5 / 0.5 "
        "is 1: / is computed before -.)": lambda images: images / 255 - 0.5 / 0.5,
        "That is [0, 2]: subtract 1.": lambda images: images / 127.5,
        "That is [-0.5, 0.5]: multiply by 2.": [
            lambda images: images / 255 - 0.5,
            lambda images: (images.float() - 127.5) / 255,
        ],
        "The centre is right, the range is not: divide by 127.5.": lambda images: (
            images.float() - 127.5
        ),
        "Half precision has three digits only: return float32, as images / 127.5 - 1 "
        "does.": lambda images: images.half() / 127.5 - 1,
        "The map should be linear, so that different bytes stay different: divide by "
        "127.5, then subtract 1.": [
            lambda images: images.float().clamp(-1, 1),
            lambda images: images.float().tanh(),
            lambda images: 2 * (images > 127).float() - 1,
        ],
        "// rounds down to an integer: divide with /.": [
            lambda images: images // 127.5 - 1,
            lambda images: 2.0 * (images // 255) - 1,
            lambda images: 2 * (images.float() // 255) - 1,
        ],
        "What a byte becomes depends on the other bytes here, so the same grey value means "
        "different things in two batches. Always divide by 127.5 and subtract 1.": [
            lambda images: 2 * (images.float() - images.min()) / (images.max() - images.min()) - 1,
            lambda images: 2 * (images / images.max()) - 1,
            lambda images: (images.float() - images.float().mean()) / images.float().std(),
            lambda images: (
                (images.float() - images.float().mean()) / images.float().std(correction=0)
            ),
            scaled_if_bright,
            lambda images: (images.float() - images.max() / 2) / (images.max() / 2),
            scaled_one_by_one,
        ],
        "As an index, a tensor of bytes is a mask, not a list of positions: use "
        "table[images.long()].": from_table_by_mask,
        "In place the result would have to be bytes, and the images given would change: return "
        "images / 127.5 - 1.": [
            lambda images: images.div_(127.5).sub_(1),
            lambda images: images.sub_(127.5).div_(127.5),
        ],
    },
    alternatives=(
        lambda images: 2 * (images / 255) - 1,
        lambda images: (images / 255 - 0.5) / 0.5,
        lambda images: ((images.double() - 127.5) / 127.5).float(),
        from_table,
    ),
    advice="Try it on torch.tensor([0, 255], dtype=torch.uint8), then on the 0 alone. Does it "
    "return -1 and 1, as floats, and again -1?",
)
