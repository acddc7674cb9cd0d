"""Exercise 0.1: bytes to [-1, 1]."""

import torch

from gancourse.datasets.batches import to_float
from gancourse.exercises.base import Case, Exercise, Slip


def pictures(rng: torch.Generator) -> list[Case]:
    """Bytes whose result is easy to see, and some that reach neither 0 nor 255."""
    plain = torch.tensor([0, 64, 128, 255], dtype=torch.uint8).view(1, 1, 2, 2)
    drawn = torch.randint(10, 200, (2, 3, 2, 2), generator=rng).byte()
    drawn[0, 0, 0, 0] = 190  # twice this doesn't fit into a byte
    return [Case((plain,), note="on bytes 0, 64, 128, 255"), Case((drawn,), note="on random bytes")]


EXERCISE = Exercise(
    id="0.1",
    title="Bytes to [-1, 1]",
    points=1,
    minutes=3,
    reference=to_float,
    cases=pictures,
    slips=(
        Slip(
            lambda images: images / 255,
            "That is [0, 1]. Black has to become -1: stretch by 2, then shift.",
        ),
        Slip(
            lambda images: 2 * images / 255 - 1,
            "2 * images is still a tensor of bytes, where 2 * 128 wraps round to 0. "
            "Divide first, or call .float() first.",
        ),
        Slip(
            lambda images: images / 128 - 1,
            "Close: white has to be exactly 1, and 255 / 128 - 1 is 0.992.",
        ),
        Slip(
            lambda images: (images.float() - 0.5) / 0.5,
            "That formula takes [0, 1] to [-1, 1]. These pictures are 0 to 255: divide first.",
        ),
        Slip(
            lambda images: images / 127.5,
            "That is [0, 2]: subtract 1.",
        ),
        Slip(
            lambda images: images.float() - 127.5,
            "The middle is right, the size is not: divide by 127.5.",
        ),
        Slip(
            lambda images: 2 * (images.float() - images.min()) / (images.max() - images.min()) - 1,
            "You stretch each batch by its own darkest and lightest pixel, so the same grey "
            "means different things in two batches. Use 0 and 255.",
        ),
    ),
    alternatives=(
        lambda images: 2 * (images / 255) - 1,
        lambda images: (images / 255 - 0.5) / 0.5,
        lambda images: (images.double() - 127.5) / 127.5,
    ),
)
