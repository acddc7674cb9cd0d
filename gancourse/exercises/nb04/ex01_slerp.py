"""Exercise 4.1: spherical linear interpolation (slerp)."""

import torch
from torch import Tensor
from torch.nn import functional as F

from gancourse.exercises.base import Case, Exercise
from gancourse.papers import dcgan_probes


def walks(rng: torch.Generator) -> list[Case]:
    cases = []
    for t in torch.rand(3, generator=rng).mul(0.3).add(0.1).tolist():  # 0.5 would hide a swap
        a, b = torch.randn(2, 3, 12, generator=rng) * torch.tensor([1.0, 1.4]).view(2, 1, 1)
        cases.append(Case((a, b, t), note=f"for t = {t:.2f}"))
    return cases


def angle_of(a: Tensor, b: Tensor) -> Tensor:
    return F.cosine_similarity(a, b, dim=1).clamp(-1, 1).arccos()[:, None]


def arc(a: Tensor, b: Tensor, t: float, angle: Tensor | None = None) -> Tensor:
    angle = angle_of(a, b) if angle is None else angle
    return (((1 - t) * angle).sin() * a + (t * angle).sin() * b) / angle.sin()


def arc_by_half_angle(a: Tensor, b: Tensor, t: float) -> Tensor:
    u, v = F.normalize(a), F.normalize(b)
    return arc(a, b, t, 2 * torch.atan2((u - v).norm(dim=1), (u + v).norm(dim=1))[:, None])


def arc_without_lengths(a: Tensor, b: Tensor, t: float) -> Tensor:
    return arc(a, b, t, (a * b).sum(1, keepdim=True).clamp(-1, 1).arccos())


def arc_of_the_batch(a: Tensor, b: Tensor, t: float) -> Tensor:
    return arc(a, b, t, angle_of(a.reshape(1, -1), b.reshape(1, -1)))


def arc_undivided(a: Tensor, b: Tensor, t: float) -> Tensor:
    angle = angle_of(a, b)
    return ((1 - t) * angle).sin() * a + (t * angle).sin() * b


def rescaled_line(a: Tensor, b: Tensor, t: float) -> Tensor:
    z = dcgan_probes.lerp(a, b, t)
    return F.normalize(z) * a.norm(dim=1, keepdim=True)


EXERCISE = Exercise(
    id="4.1",
    title="Walking along the arc",
    points=2,
    minutes=10,
    reference=dcgan_probes.slerp,
    cases=walks,
    slips={
        "That is the straight line: halfway it is shorter than its ends. Weight a and b by the "
        "sines of parts of the angle.": dcgan_probes.lerp,
        "The cosine of the angle is the scalar "
        "product of a and b, divided by both lengths.": arc_without_lengths,
        "You start at b: for t = 0 the result should be a.": lambda a, b, t: arc(b, a, t),
        "That is the straight line, rescaled to the "
        "length of a: not at equal steps of the angle.": rescaled_line,
        "You used one angle for the whole batch. "
        "Each row has its own: sum over dim=1.": arc_of_the_batch,
        "Divide by the sine of the whole angle: for t = 0 that leaves exactly a.": arc_undivided,
    },
    alternatives=(arc, arc_by_half_angle),
)
