"""Exercise 6.8: nearest training images."""

from collections.abc import Callable

import torch
from torch import Tensor

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.observe import images
from gancourse.metrics.retrieval import nearest

Pair = tuple[Tensor, Tensor]


def image_cases(rng: torch.Generator) -> list[Case]:
    samples, examples = images(rng, 4, 3, 3, 3), images(rng, 6, 3, 3, 3)
    return [Case((samples, examples), note="for 4 samples and 6 examples of 3 x 3 pixels")]


def nearest_like(p: float = 2.0, farthest: bool = False, swap: bool = False) -> Callable[..., Pair]:
    """Make a nearest-neighbour search, with a slip if asked for."""

    def nearest(samples: Tensor, examples: Tensor) -> Pair:
        a, b = (examples, samples) if swap else (samples, examples)
        distances = torch.cdist(a.flatten(1), b.flatten(1), p=p)
        result = distances.max(dim=1) if farthest else distances.min(dim=1)
        return result.values, result.indices

    return nearest


def one_by_one(samples: Tensor, examples: Tensor) -> Pair:
    """A loop over the samples."""
    pairs = [(examples - x).square().sum(dim=(1, 2, 3)).sqrt().min(dim=0) for x in samples]
    return torch.stack([v for v, _ in pairs]), torch.stack([i for _, i in pairs])


def squared(samples: Tensor, examples: Tensor) -> Pair:
    """Forgets the root."""
    distances, indices = nearest(samples, examples)
    return distances.square(), indices


EXERCISE = Exercise(
    id="6.8",
    title="Nearest training pictures",
    points=2,
    minutes=8,
    reference=nearest,
    cases=image_cases,
    slips={
        "These are squared distances. Take the root.": squared,
        "You summed absolute differences. The Euclidean distance is the root of the summed "
        "squares.": nearest_like(p=1.0),
        "That is the farthest example: use min, not max.": nearest_like(farthest=True),
        "You searched the nearest sample of each example. Search the nearest example of each "
        "sample.": nearest_like(swap=True),
        "The two results are swapped: distances first, then indices.": lambda samples, examples: (
            nearest(samples, examples)[::-1]
        ),
    },
    alternatives=(nearest_like(), one_by_one),
)
