"""Exercise 0.1: bytes to [-1, 1]."""

import torch

from gancourse.datasets.batches import to_float
from gancourse.exercises.base import Case, Exercise


def images(rng: torch.Generator) -> list[Case]:
    """Bytes with simple results, and random ones without 0 and 255."""
    plain = torch.tensor([0, 64, 128, 255], dtype=torch.uint8).view(1, 1, 2, 2)
    random = torch.randint(10, 200, (2, 3, 2, 2), generator=rng).byte()
    random[0, 0, 0, 0] = 190  # twice this doesn't fit into a byte
    notes = ("on bytes 0, 64, 128, 255", "on random bytes")
    return [Case((x,), note=note) for x, note in zip((plain, random), notes, strict=True)]


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
        "call .float() first.": lambda images: 2 * images / 255 - 1,
        "Close: white has to be exactly 1, but 255 / 128 - 1 is 0.992.": lambda images: (
            images / 128 - 1
        ),
        "That formula takes [0, 1] to [-1, 1]. "
        "These images are 0 to 255: divide first.": lambda images: (images.float() - 0.5) / 0.5,
        "That is [0, 2]: subtract 1.": lambda images: images / 127.5,
        "The centre is right, the range is not: divide by 127.5.": lambda images: (
            images.float() - 127.5
        ),
        "You scale each batch by its own darkest and lightest pixel, so the same grey value means "
        "different things in two batches. Use 0 and 255.": lambda images: (
            2 * (images.float() - images.min()) / (images.max() - images.min()) - 1
        ),
    },
    alternatives=(
        lambda images: 2 * (images / 255) - 1,
        lambda images: (images / 255 - 0.5) / 0.5,
        lambda images: (images.double() - 127.5) / 127.5,
    ),
)
