"""Exercise 6.8: nearest training images."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.exercises.base import (
    AnswerError,
    Case,
    Exercise,
    Observation,
    copied,
    observe_result,
)
from gancourse.exercises.differences import FACT
from gancourse.exercises.observe import images
from gancourse.metrics.retrieval import nearest

Pair = tuple[Tensor, Tensor]


def image_cases(rng: torch.Generator) -> list[Case]:
    """Fewer samples than examples, and more; then many examples, with the nearest one far back."""
    samples, examples = images(rng, 7, 1, 4, 4), images(rng, 1101, 1, 4, 4)
    for sample, place in zip(samples, (1100, 1042, 7, 777, 333, 101, 55), strict=True):
        examples[place] = sample + 0.2 * images(rng, 1, 4, 4)
    return [
        Case((images(rng, 4, 3, 2, 3), images(rng, 6, 3, 2, 3)),
             note="for 4 samples and 6 examples of 3 channels"),
        Case((images(rng, 6, 5), images(rng, 4, 5)),
             note="for 6 samples and 4 examples, each a vector of features"),
        Case((samples, examples), note="for 7 samples and 1,101 examples"),
        Case((examples[:1] + 1e-3, examples[:2]), note="for one sample, which is almost a copy"),
    ]  # fmt: skip


def observe_pair(answer: Callable[..., Any], case: Case) -> Observation:
    result = answer(*copied(case.args))
    seen = observe_result(result)
    if set(seen) != {"result 1", "result 2"}:
        raise AnswerError("Return two results, (distances, indices).")
    seen = {"distances": seen["result 1"], "indices": seen["result 2"]}
    if not all(isinstance(x, Tensor) for x in result):
        fact = f"{FACT}Return two tensors: the notebook takes the mean of the distances."
        seen[fact] = torch.tensor(True)
    return seen


def all_distances(samples: Tensor, examples: Tensor, p: float = 2.0) -> Tensor:
    return torch.cdist(samples.flatten(1), examples.flatten(1), p=p)


def nearest_like(
    samples: Tensor,
    examples: Tensor,
    *,
    measure: Callable[[Tensor, Tensor], Tensor] = all_distances,
    pick: Callable[[Tensor], Pair] = lambda d: tuple(d.min(dim=1)),
    swap: bool = False,
) -> Pair:
    """Make a nearest-neighbour search, with a slip if asked for."""
    return pick(measure(examples, samples) if swap else measure(samples, examples))


def one_by_one(samples: Tensor, examples: Tensor) -> Pair:
    """A loop over the samples."""
    flat = examples.flatten(1)
    pairs = [(flat - x).square().sum(dim=1).sqrt().min(dim=0) for x in samples.flatten(1)]
    return torch.stack([v for v, _ in pairs]), torch.stack([i for _, i in pairs])


def in_parts(samples: Tensor, examples: Tensor, size: int, add: bool = False) -> Pair:
    """The examples in parts; the index is that within a part, unless its start is added."""
    found = [all_distances(samples, part).min(dim=1) for part in examples.split(size)]
    values, part = torch.stack([f.values for f in found]).min(dim=0)
    indices = torch.stack([f.indices for f in found]).gather(0, part[None])[0]
    return values, indices + (size * part if add else 0)


def cosine(samples: Tensor, examples: Tensor) -> Tensor:
    a, b = (F.normalize(x.flatten(1), dim=1) for x in (samples, examples))
    return a @ b.T


def in_pairs(samples: Tensor, examples: Tensor) -> Pair:
    """As zip does: sample i with example i."""
    n = min(len(samples), len(examples))
    distances = (samples[:n] - examples[:n]).flatten(1).norm(dim=1)
    return distances, torch.arange(n, device=samples.device)


def second(distances: Tensor) -> Pair:
    found = distances.topk(2, dim=1, largest=False)
    return found.values[:, 1], found.indices[:, 1]


def mean_square(samples: Tensor, examples: Tensor) -> Tensor:
    return all_distances(samples, examples).square() / samples[0].numel()


EXERCISE = Exercise(
    id="6.8",
    title="Nearest training pictures",
    points=2,
    minutes=8,
    reference=nearest,
    cases=image_cases,
    observe=observe_pair,
    slips={
        "These are squared distances. Take the root.": partial(
            nearest_like, measure=lambda a, b: all_distances(a, b).square()
        ),
        "You took a mean over the values of an image. The Euclidean distance is the root of the "
        "sum of squares.": [
            partial(nearest_like, measure=mean_square),
            partial(nearest_like, measure=lambda a, b: mean_square(a, b).sqrt()),
            partial(nearest_like, measure=lambda a, b: all_distances(a, b, 1) / a[0].numel()),
        ],
        "You summed absolute differences. The Euclidean distance is the root of the summed "
        "squares.": partial(nearest_like, measure=partial(all_distances, p=1.0)),
        "You took the largest difference of two values. The Euclidean distance is the root of the "
        "summed squares.": partial(nearest_like, measure=partial(all_distances, p=torch.inf)),
        "You compared directions (cosine) or dot products. The exercise asks for the Euclidean "
        "distance, torch.cdist.": [
            partial(nearest_like, measure=cosine, pick=lambda d: tuple(d.max(dim=1))),
            partial(nearest_like, measure=lambda a, b: 1 - cosine(a, b)),
            partial(nearest_like, measure=lambda a, b: (2 - 2 * cosine(a, b)).clamp(min=0).sqrt()),
            partial(nearest_like, measure=lambda a, b: a.flatten(1) @ b.flatten(1).T,
                    pick=lambda d: tuple(d.max(dim=1))),
        ],
        "That is the farthest example: use min, not max.": partial(
            nearest_like, pick=lambda d: tuple(d.max(dim=1))
        ),
        "The distances are right, but these are the indices of the farthest examples: argmin.": (
            partial(nearest_like, pick=lambda d: (d.amin(dim=1), d.argmax(dim=1)))
        ),
        "That is the second nearest example. A sample is not among the examples, so nothing has "
        "to be skipped.": partial(nearest_like, pick=second),
        "You looked for the nearest sample of each example. Find the nearest example of each "
        "sample: min(dim=1) of the distances (n, m).": partial(nearest_like, swap=True),
        "The distances are right, but these are the indices of samples. Take the minimum over "
        "the examples: argmin(dim=1).": partial(
            nearest_like, pick=lambda d: (d.amin(dim=1), d.argmin(dim=0))
        ),
        "The second result is the example itself. Return its index.": lambda samples, examples: (
            nearest(samples, examples)[0],
            examples[nearest(samples, examples)[1]],
        ),
        "Indices are integers, with which the notebook selects images: leave .float() out.": (
            partial(nearest_like, pick=lambda d: (d.amin(dim=1), d.argmin(dim=1).float()))
        ),
        "Indices start at 0; yours are too large by 1.": partial(
            nearest_like, pick=lambda d: (d.amin(dim=1), d.argmin(dim=1) + 1)
        ),
        "You compared each sample only with the example at the same position. Compare it with all "
        "examples.": in_pairs,
        "The two results are swapped: distances first, then indices.": partial(
            nearest_like, pick=lambda d: tuple(d.min(dim=1))[::-1]
        ),
        "These are the mean distances to all examples. Take the smallest for each sample.": partial(
            nearest_like, pick=lambda d: (d.mean(dim=1), d.argmin(dim=1))
        ),
        "The distances are right, but your indices count from the start of a chunk of the "
        "examples. Add the number of examples before that chunk.": [
            partial(in_parts, size=size) for size in (10, 20, 32, 50, 64, 100, 128, 256, 500, 1000)
        ],
    },
    alternatives=(nearest_like, one_by_one, partial(in_parts, size=100, add=True)),
    advice="With one sample and one example the distance is (sample - example).norm(), and the "
    "index is 0. Does yours agree?",
    rtol=1e-3,
)  # fmt: skip
