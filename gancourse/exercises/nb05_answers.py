"""Right and wrong answers to the exercises of notebook 05, and how they are observed."""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancourse.exercises.base import AnswerError, Case, Observation, as_tensor
from gancourse.exercises.observe import number, watch


# 5.1 -------------------------------------------------------------------------------------------
def some_labels(rng: torch.Generator) -> list[Case]:
    """All classes occur, 0 and the last one too, and there are more labels than classes."""
    classes = number(rng, 3, 7)
    extra = torch.randint(classes, (number(rng, 2, 5),), generator=rng)
    labels = torch.cat([torch.arange(classes), extra])
    labels = labels[torch.randperm(len(labels), generator=rng)]
    return [Case((labels, classes), note=f"for labels {labels.tolist()} of {classes} classes")]


def observe_one_hot(answer: Callable[..., Any], case: Case) -> Observation:
    labels, classes = case.args
    result = answer(labels.clone(), classes)
    vectors = as_tensor(result)
    return {
        "result": vectors,
        "numbers are floats": torch.tensor(vectors.is_floating_point()),
        "not of 64 or 16 bits": torch.tensor(vectors.dtype not in (torch.float64, torch.float16)),
        "one row for each label": torch.tensor(vectors.shape[:1] == labels.shape),
    }


def by_scatter(labels: Tensor, classes: int) -> Tensor:
    """A one in each row of zeros."""
    return torch.zeros(len(labels), classes).scatter_(1, labels[:, None], 1.0)


# 5.2 -------------------------------------------------------------------------------------------
def maps_and_labels(rng: torch.Generator) -> list[Case]:
    b, maps, classes = number(rng, 3, 4), number(rng, 2, 4), number(rng, 3, 5)
    h, w = number(rng, 2, 3), number(rng, 4, 5)
    return [
        Case(
            (torch.randn(b, maps, h, w, generator=rng), torch.randn(b, classes, generator=rng)),
            note=f"for {maps} maps of {h} x {w} and conditions of length {classes}",
        )
    ]


def planes(h: Tensor, c: Tensor) -> Tensor:
    """The condition at every place, (B, classes, H, W)."""
    return c[:, :, None, None].repeat(1, 1, *h.shape[2:])


def tangled(h: Tensor, c: Tensor) -> Tensor:
    """Repeated, then cut up in the wrong order."""
    side = h.shape[2] * h.shape[3]
    return torch.cat([h, c.repeat(1, side).view(len(c), c.shape[1], *h.shape[2:])], dim=1)


def in_one_corner(h: Tensor, c: Tensor) -> Tensor:
    """At the first place only."""
    p = torch.zeros(len(c), c.shape[1], *h.shape[2:])
    p[:, :, 0, 0] = c
    return torch.cat([h, p], dim=1)


def padded(h: Tensor, c: Tensor) -> Tensor:
    """By interpolation from one pixel."""
    return torch.cat([h, F.interpolate(c[:, :, None, None], size=h.shape[2:])], dim=1)


# 5.4 -------------------------------------------------------------------------------------------
def observe_head(answer: Callable[..., Any], case: Case) -> Observation:
    maps, classes, seed = case.args
    layers = answer(maps, classes)
    if layers is None:
        raise AnswerError("joint_head returned nothing. Is a `return` missing?")
    net = layers if isinstance(layers, nn.Module) else nn.Sequential(*layers)
    return watch(net, torch.Generator().manual_seed(seed), 3, maps + classes, 4, 4)


def joint_head(maps: int, classes: int) -> list[nn.Module]:
    """Mix maps and condition at each place, then judge all 16 places: (B,) logits."""
    return [
        nn.Conv2d(maps + classes, maps, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(maps, 1, 4),
        nn.Flatten(0),
    ]


def head_like(
    bend: Callable[[], nn.Module] | None = None, end: nn.Module | None = None, kernel: int = 1
) -> Callable[[int, int], list[nn.Module]]:
    """Make a joint_head with other layers."""

    def make(maps: int, classes: int) -> list[nn.Module]:
        first = nn.Conv2d(maps + classes, maps, kernel, padding=kernel // 2)
        middle = [] if bend is None else [nn.LeakyReLU(0.2) if bend is nn.LeakyReLU else bend()]
        return [first, *middle, nn.Conv2d(maps, 1, 4), end or nn.Flatten(0)]

    return make


class Squeezed(nn.Module):
    """Drops every dimension of length one, that of a batch of one included."""

    def forward(self, x: Tensor) -> Tensor:
        return x.squeeze()


class Unit(nn.Module):
    """Flattens and squashes."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten().sigmoid()


# 5.5 -------------------------------------------------------------------------------------------
def many_labels(rng: torch.Generator) -> list[Case]:
    """Very uneven, half 0 and a quarter 1, so that shuffling them is not taken for a draw."""
    classes = number(rng, 4, 6)
    labels = torch.randint(classes, (4000,), generator=rng)
    labels[::2] = 0
    labels[1::4] = 1
    return [Case((labels, classes, number(rng, 0, 10**6)), note=f"for 4000 of {classes} labels")]


def observe_mislabel(answer: Callable[..., Any], case: Case) -> Observation:
    labels, classes, seed = case.args
    before = torch.get_rng_state()
    first, second = (
        as_tensor(answer(labels.clone(), classes, torch.Generator().manual_seed(seed)))
        for _ in range(2)
    )
    untouched = torch.equal(before, torch.get_rng_state())
    if first.shape != labels.shape or first.is_floating_point() or first.is_complex():
        raise AnswerError(f"Expected {len(labels)} whole numbers, one for each label.")
    steps = ((first.long() - labels) % classes).bincount(minlength=classes)[1:]
    even = steps.min() > 0.75 * steps.float().mean()  # 7 standard errors; 0.6 when shuffled
    return {
        "never the right label": torch.tensor(bool((first != labels).all())),
        "labels are known ones": torch.tensor(bool(((first >= 0) & (first < classes)).all())),
        "every other label equally often": even,
        "equal generators give equal labels": torch.tensor(first.equal(second)),
        "torch's own generator is left alone": torch.tensor(untouched),
    }


def any_label(labels: Tensor, classes: int, rng: torch.Generator) -> Tensor:
    """Any label, the right one included."""
    return torch.randint(classes, labels.shape, generator=rng)


def step_on(labels: Tensor, classes: int, rng: torch.Generator, *, wrap: bool = True) -> Tensor:
    """From 1 to classes - 1 steps on, round the circle or off its end."""
    moved = labels + torch.randint(1, classes, labels.shape, generator=rng)
    return moved % classes if wrap else moved


def shuffled(labels: Tensor, classes: int, rng: torch.Generator) -> Tensor:
    """The labels of the batch in another order."""
    return labels[torch.randperm(len(labels), generator=rng)]


def unseeded(labels: Tensor, classes: int, rng: torch.Generator) -> Tensor:
    """From torch's global generator."""
    return (labels + torch.randint(1, classes, labels.shape)) % classes


def skip_the_right_one(labels: Tensor, classes: int, rng: torch.Generator) -> Tensor:
    """One of classes - 1 numbers, and those from the right label on moved up by one."""
    other = torch.randint(classes - 1, labels.shape, generator=rng)
    return other + (other >= labels)


# 5.6 -------------------------------------------------------------------------------------------
def windows(rng: torch.Generator) -> list[Case]:
    """Near points, and far ones at which every exp underflows."""
    cases = []
    for scale, note in ((0.5, "on near points"), (20.0, "on points far from every sample")):
        n, m, dim = number(rng, 3, 4), number(rng, 5, 8), number(rng, 3, 6)
        sigma = 0.15 + 0.15 * torch.rand((), generator=rng).item()  # at 0.4 the constant is 0
        x, s = (torch.randn(k, dim, generator=rng) for k in (n, m))
        x = x * 0.5 + scale * F.normalize(torch.randn(n, dim, generator=rng), dim=1)
        cases.append(Case((x, 0.5 * s, sigma), note=note))
    return cases


def window(
    x: Tensor,
    samples: Tensor,
    sigma: float,
    *,
    constant: bool = True,
    count: bool = True,
    power: int = 2,
    naive: bool = False,
    of_logs: bool = False,
) -> Tensor:
    """A Parzen window, with a slip if asked for."""
    d2 = (x[:, None] - samples[None]).square().sum(dim=2)
    each = -d2 / (2 * sigma**power)
    if of_logs:
        log = each.mean(dim=1)
    elif naive:
        log = each.exp().sum(dim=1).log() - math.log(len(samples))
    else:
        log = each.logsumexp(dim=1) - (math.log(len(samples)) if count else 0)
    return log - constant * x.shape[1] / 2 * math.log(2 * math.pi * sigma**2)


def by_distributions(x: Tensor, samples: Tensor, sigma: float) -> Tensor:
    """The mixture that torch.distributions has."""
    d = torch.distributions
    which = d.Categorical(torch.ones(len(samples)))
    each = d.Independent(d.Normal(samples, sigma), 1)
    return d.MixtureSameFamily(which, each).log_prob(x)


# 5.8 -------------------------------------------------------------------------------------------
def words(rng: torch.Generator) -> list[Case]:
    """Words of very different lengths, so that a dot product goes astray."""
    table = torch.randn(12, 5, generator=rng)
    table = table * torch.logspace(-1.5, 1.5, 12)[torch.randperm(12, generator=rng), None]
    vectors = torch.randn(6, 5, generator=rng) * torch.logspace(-1, 1, 6)[:, None]
    return [Case((vectors, table, number(rng, 4, 5)), note="among 12 words")]


def ranked(
    vectors: Tensor, table: Tensor, k: int, *, how: str = "cosine", largest: bool = True
) -> Tensor:
    """The k best rows of a table by a score."""
    scores = {
        "dot": lambda: vectors @ table.T,
        "distance": lambda: -torch.cdist(vectors, table),
        "columns": lambda: F.normalize(vectors, dim=0) @ F.normalize(table, dim=0).T,
        "cosine": lambda: F.cosine_similarity(vectors[:, None], table[None], dim=2),
    }[how]()
    return scores.argsort(dim=1, descending=largest)[:, :k]


backwards = partial(ranked, largest=False)
