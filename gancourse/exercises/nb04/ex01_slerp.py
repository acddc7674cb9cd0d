"""Exercise 4.1: spherical linear interpolation (slerp)."""

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.nb04._shared import observe_latent
from gancourse.papers import dcgan_probes


def walks(rng: torch.Generator) -> list[Case]:
    """Ends of different lengths; angles below and above 90 degrees; no t of 0.5 hides a swap."""
    cases = []
    for t in (0.25, 0.7, 0.0, 1.0):
        a, b = torch.randn(2, 3, 12, generator=rng) * torch.tensor([1.0, 1.4]).view(2, 1, 1)
        side = F.cosine_similarity(a, b, dim=1).sign() * torch.tensor([1, -1, 1])
        cases.append(Case((a, b * side[:, None], t), note=f"for t = {t:g}"))
    a, b = torch.randn(2, 1, 5, generator=rng)
    return [*cases, Case((a[None, 0], b[None, 0], 0.4), note="for a batch of one")]


def angle_of(a: Tensor, b: Tensor) -> Tensor:
    return F.cosine_similarity(a, b, dim=1).clamp(-1, 1).arccos()[:, None]


def arc(a: Tensor, b: Tensor, t: float, angle: Tensor | None = None) -> Tensor:
    angle = angle_of(a, b) if angle is None else angle
    return (((1 - t) * angle).sin() * a + (t * angle).sin() * b) / angle.sin()


def arc_by_half_angle(a: Tensor, b: Tensor, t: float) -> Tensor:
    u, v = F.normalize(a), F.normalize(b)
    return arc(a, b, t, 2 * torch.atan2((u - v).norm(dim=1), (u + v).norm(dim=1))[:, None])


def arc_without_lengths(
    a: Tensor, b: Tensor, t: float, divide: tuple[int, ...] = (), clamp: bool = True
) -> Tensor:
    """Divide the scalar product by some of the lengths only, or by none."""
    cos = (a * b).sum(1, keepdim=True)
    for n in divide:
        cos = cos / (a, b)[n].norm(dim=1, keepdim=True)
    return arc(a, b, t, (cos.clamp(-1, 1) if clamp else cos).arccos())


def arc_of_the_batch(a: Tensor, b: Tensor, t: float) -> Tensor:
    return arc(a, b, t, angle_of(a.reshape(1, -1), b.reshape(1, -1)))


def shorter_arc(a: Tensor, b: Tensor, t: float) -> Tensor:
    return arc(a, torch.where(angle_of(a, b) > torch.pi / 2, -b, b), t)


def sine(t: float, angle: Tensor) -> Tensor:
    return (t * angle).sin()


def outside_the_sine(a: Tensor, b: Tensor, t: float) -> Tensor:
    angle = angle_of(a, b)
    return (math.sin(1 - t) * angle * a + math.sin(t) * angle * b) / angle.sin()


def arc_weighted(
    a: Tensor, b: Tensor, t: float, weigh: Callable[[float, Tensor], Tensor], other: str = ""
) -> Tensor:
    """Other weights than sines of parts of the angle, or the same weight for both."""
    angle = angle_of(a, b)
    p, q = weigh(1 - t, angle), weigh(t, angle)
    p, q = {"": (p, q), "t": (q, q), "1 - t": (p, p)}[other]
    return (p * a + q * b) / weigh(1, angle)


def arc_undivided(a: Tensor, b: Tensor, t: float) -> Tensor:
    angle = angle_of(a, b)
    return ((1 - t) * angle).sin() * a + (t * angle).sin() * b


def arc_half_divided(a: Tensor, b: Tensor, t: float) -> Tensor:
    angle = angle_of(a, b)
    return ((1 - t) * angle).sin() * a + (t * angle).sin() * b / angle.sin()


def rescaled_line(a: Tensor, b: Tensor, t: float, to: str = "a") -> Tensor:
    """The straight line with another length: that of a, a mean of both, or the usual one."""
    p, q = a.norm(dim=1, keepdim=True), b.norm(dim=1, keepdim=True)
    usual = a.shape[1] ** 0.5
    length = {"a": p, "line": (1 - t) * p + t * q, "mean": (p + q) / 2, "usual": usual}[to]
    return length * F.normalize(dcgan_probes.lerp(a, b, t))


EXERCISE = Exercise(
    id="4.1",
    title="Walking along the arc",
    points=2,
    minutes=10,
    reference=dcgan_probes.slerp,
    cases=walks,
    observe=observe_latent,
    slips={
        "That is the straight line: halfway it is shorter than its ends. Weight a and b by the "
        "sines of parts of the angle: sin((1 - t) angle), not (1 - t) sin(angle).": (
            dcgan_probes.lerp
        ),
        "The cosine of a row's angle is the scalar product of the two rows, divided by the lengths "
        "of both.": [
            arc_without_lengths,
            partial(arc_without_lengths, clamp=False),
            partial(arc_without_lengths, divide=(0,)),
            partial(arc_without_lengths, divide=(1,)),
            partial(arc_without_lengths, divide=(0, 0)),
            lambda a, b, t: arc(a, b, t, ((a * b).sum(1) / a.norm() / b.norm()).arccos()[:, None]),
        ],
        "The weights are swapped: for t = 0 the result should be a, for t = 1 it should be "
        "b.": lambda a, b, t: arc(b, a, t),
        "That is the straight line with its length changed: it does not go in equal steps of the "
        "angle. Weight a and b by the sines of parts of the angle.": [
            partial(rescaled_line, to=to) for to in ("a", "line", "mean", "usual")
        ],
        "You interpolate direction and length apart. Use the lengths only for the angle, and "
        "weight a and b as they are.": lambda a, b, t: (
            arc(F.normalize(a), F.normalize(b), t, angle_of(a, b))
            * dcgan_probes.lerp(a.norm(dim=1, keepdim=True), b.norm(dim=1, keepdim=True), t)
        ),
        "You used one angle for the whole batch. Each row has its own: sum over dim=1.": [
            arc_of_the_batch,
            lambda a, b, t: arc(a, b, t, angle_of(a, b).cos().mean().arccos()),
            lambda a, b, t: arc(a, b, t, angle_of(a, b).mean()),
        ],
        "Your angles belong to the columns (dim=0). Each row has its own angle: "
        "dim=1.": lambda a, b, t: arc(a, b, t, F.cosine_similarity(a, b, dim=0).arccos()),
        "To multiply the rows of (B, noise) you need a column, (B, 1), with one number for each "
        "row: [:, None] or keepdim=True.": [
            lambda a, b, t: angle_of(a, b)[:, 0] * a,
            lambda a, b, t: a * angle_of(a, b)[:, 0],
        ],
        "You interpolate between vectors of length 1. Use them for the angle only, and weight a "
        "and b themselves.": lambda a, b, t: arc(F.normalize(a), F.normalize(b), t),
        "Where the angle is above 90 degrees you replace b by -b. Walk to b itself, along the "
        "longer arc.": shorter_arc,
        "You took the cosine for the angle: arccos() of it is the angle.": lambda a, b, t: arc(
            a, b, t, angle_of(a, b).cos()
        ),
        "The angle is the arccos of the cosine, not its arcsin.": lambda a, b, t: arc(
            a, b, t, angle_of(a, b).cos().arcsin()
        ),
        "torch's sin() takes radians, as arccos() returns them: don't change to "
        "degrees.": lambda a, b, t: arc(a, b, t, angle_of(a, b).rad2deg()),
        "Your two weights are equal: that of b should have t, that of a 1 - t.": [
            partial(arc_weighted, weigh=sine, other=other) for other in ("t", "1 - t")
        ],
        "The weights are sines, not cosines.": partial(
            arc_weighted, weigh=lambda t, angle: (t * angle).cos()
        ),
        "The angle is inside the sine: sin(t angle), not sin(t) angle.": outside_the_sine,
        "The ends may differ in length, and then so do the points between. Leave the length as the "
        "formula gives it.": lambda a, b, t: F.normalize(arc(a, b, t)) * a.norm(dim=1)[:, None],
        "Divide by the sine of the whole angle: for t = 0 that leaves exactly a.": arc_undivided,
        "You divided only b's part by the sine of the angle. Divide both: parentheses round the "
        "sum.": arc_half_divided,
    },
    alternatives=(arc, arc_by_half_angle),
    advice="Is your angle a column of shape (B, 1), with values between 0 and pi? For t = 0 the "
    "two weights should be 1 and 0, for t = 1 they should be 0 and 1.",
)
