"""What several exercises of notebook 04 share."""

import torch

from gancourse.exercises.base import Case
from gancourse.exercises.observe import integer


def seed_first(rng: torch.Generator, *ranges: tuple[int, int]) -> list[Case]:
    """One case: a seed for the weights, and a whole number from each range."""
    return [Case((integer(rng, 0, 10**6), *[integer(rng, low, high) for low, high in ranges]))]


def pictures(rng: torch.Generator) -> list[Case]:
    """Ink that fills a random box which is not in the middle."""
    x = -torch.ones(3, 1, 14, 14)
    for picture in x:
        top, left = integer(rng, 0, 5), integer(rng, 6, 9)
        box = torch.rand(7, 5, generator=rng) ** 2
        picture[0, top : top + 7, left : left + 5] = 2 * box - 1
    return [Case((x,))]
