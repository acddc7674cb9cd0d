"""Exercise 10.1: virtual batch norm."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.parts import Part
from gancourse.papers import tricks

Norm = Callable[..., Tensor]
SPREAD = torch.tensor([0.01, 1.0, 1.5])
"""Of the features: in the first, even the default eps counts."""


def batch_and_reference(rng: torch.Generator) -> list[Case]:
    """Few rows in the reference, far from those of h: a row's part in its statistics is visible."""

    def case(b: int, n: int, f: int, note: str, **eps: float) -> Case:
        h = (2 + torch.randn(b, f, generator=rng)) * SPREAD[:f]
        reference = (torch.randn(n, f, generator=rng) * 1.5 - 1) * SPREAD[:f]
        h, reference = h.requires_grad_(), reference.requires_grad_()
        return Case((h,), {"reference": reference, **eps}, note=note)

    return [
        case(4, 6, 3, "with the default eps"),
        case(5, 2, 3, "with eps=0.5", eps=0.5),
        case(1, 4, 2, "for a single row in h"),
    ]


def with_row(x: Tensor, h: Tensor, reference: Tensor) -> Tensor:
    """The examples over which the statistics of row x of h run."""
    return torch.cat([reference, x[None]])


def normal(x: Tensor, rows: Tensor, eps: float, correction: int = 0) -> Tensor:
    return (x - rows.mean(0)) / (rows.var(0, correction=correction) + eps).sqrt()


def virtual_like(members: Callable = with_row, finish: Callable = normal) -> Norm:
    """Make a virtual batch norm, row by row."""

    def answer(h: Tensor, reference: Tensor, eps: float = 1e-5) -> Tensor:
        return torch.stack([finish(x, members(x, h, reference), eps) for x in h])

    return answer


def by_sums(n_of: Callable[[Tensor, Tensor], int], more: int = 1, more_squares: int = 1) -> Norm:
    """Make a virtual batch norm by sums, with another n, or another number added to it."""

    def answer(h: Tensor, reference: Tensor, eps: float = 1e-5) -> Tensor:
        n = n_of(h, reference)
        mean = (reference.sum(0) + h) / (n + more)
        square = (reference.square().sum(0) + h.square()) / (n + more_squares)
        return (h - mean) / (square - mean.square() + eps).sqrt()

    return answer


def by_statistics(change: Callable[[Tensor, Tensor, Tensor], tuple]) -> Norm:
    """Make a virtual batch norm; `change` gives mean and variance from those that are right."""

    def answer(h: Tensor, reference: Tensor, eps: float = 1e-5) -> Tensor:
        n = len(reference)
        mean = (reference.sum(0) + h) / (n + 1)
        square = (reference.square().sum(0) + h.square()) / (n + 1)
        mean, var = change(mean, square, reference)
        return (h - mean) / (var + eps).sqrt()

    return answer


def half_and_half(h: Tensor, reference: Tensor, eps: float = 1e-5) -> Tensor:
    """The statistics of the row and of the reference, averaged."""
    mean = (reference.mean(0) + h) / 2
    square = (reference.square().mean(0) + h.square()) / 2
    return (h - mean) / (square - mean.square() + eps).sqrt()


def all_rows(reduce: Callable[[Tensor], Tensor]) -> Norm:
    """Make a virtual batch norm that adds a mean or a sum over h in place of a row."""

    def answer(h: Tensor, reference: Tensor, eps: float = 1e-5) -> Tensor:
        mean = (reference.sum(0) + reduce(h)) / (len(reference) + 1)
        square = (reference.square().sum(0) + reduce(h.square())) / (len(reference) + 1)
        return (h - mean) / (square - mean.square() + eps).sqrt()

    return answer


def whole_batch(h: Tensor, reference: Tensor, eps: float = 1e-5) -> Tensor:
    return F.batch_norm(torch.cat([reference, h]), None, None, training=True, eps=eps)


def around(mean: Tensor, rows: Tensor, last: Tensor) -> Tensor:
    """The mean square of the reference around a mean, and of the last row's difference."""
    return torch.cat([rows[:-1] - mean, last[None]]).square().mean(0)


def without_graph(h: Tensor, reference: Tensor, eps: float = 1e-5) -> Tensor:
    """The mean and the variance under no_grad()."""
    with torch.no_grad():
        mean = (reference.sum(0) + h) / (len(reference) + 1)
        square = (reference.square().sum(0) + h.square()) / (len(reference) + 1)
    return (h - mean) / (square - mean.square() + eps).sqrt()


def in_place(h: Tensor, reference: Tensor, eps: float = 1e-5) -> Tensor:
    h -= (reference.sum(0) + h) / (len(reference) + 1)
    return h


def row_in_place(h: Tensor, reference: Tensor, eps: float = 1e-5) -> Tensor:
    h[0] -= reference.mean(0)
    return h


def virtual_by_broadcast(h: Tensor, reference: Tensor, eps: float = 1e-5) -> Tensor:
    """All pairs (row, reference with that row) at once."""
    joined = torch.cat([reference.expand(len(h), -1, -1), h[:, None]], dim=1)
    var, mean = torch.var_mean(joined, dim=1, correction=0)
    return (h - mean) / (var + eps).sqrt()


def virtual_in_double(h: Tensor, reference: Tensor, eps: float = 1e-5) -> Tensor:
    return virtual_like()(h.double(), reference.double(), eps).float()


SLIPS = {
    "You used the reference batch alone. Each row of h joins it for its own statistics; otherwise "
    "the result for a row far from the reference would be unbounded.": virtual_like(
        lambda x, h, r: r
    ),
    "The row counts in both statistics. Your mean or your variance is computed without it.": [
        by_statistics(lambda mean, square, r: (r.mean(0), square - mean.square())),
        by_statistics(lambda mean, square, r: (mean, r.var(0, correction=0))),
        by_statistics(lambda mean, square, r: (mean, r.square().mean(0) - mean.square())),
    ],
    "Compute the variance around the mean of all n + 1 rows, those of the reference and the row "
    "itself.": [
        virtual_like(finish=lambda x, rows, eps: (
            (x - rows.mean(0)) / (around(rows[:-1].mean(0), rows, x - rows.mean(0)) + eps).sqrt()
        )),
        virtual_like(finish=lambda x, rows, eps: (
            (x - rows.mean(0)) / ((rows - rows[:-1].mean(0)).square().mean(0) + eps).sqrt()
        )),
    ],
    "The mean of squares adds up the squares of the reference's rows; you squared their "
    "sum.": by_statistics(lambda mean, square, r: (
        mean, square + (r.sum(0).square() - r.square().sum(0)) / (len(r) + 1) - mean.square()
    )),
    "The sum of squared differences needs the row's own term, (x - mean)^2, too.": virtual_like(
        finish=lambda x, rows, eps: (
            (x - rows.mean(0))
            / ((rows[:-1] - rows.mean(0)).square().sum(0) / len(rows) + eps).sqrt()
        )
    ),
    "All rows of h went into the statistics, so they depend on one another again. Only one "
    "row at a time joins the reference.": [
        virtual_like(lambda x, h, r: torch.cat([r, h])),
        all_rows(lambda h: h.mean(0)), all_rows(lambda h: h.sum(0)),
    ],
    "Return the rows of h only, (B, features).": whole_batch,
    "That is plain batch norm of h: the reference is not used.": [
        virtual_like(lambda x, h, r: h),
        virtual_like(lambda x, h, r: h, lambda *args: normal(*args, correction=1)),
    ],
    "You divide the variance by n. Divide by the number of rows, n + 1 here, as batch norm does in "
    "training (torch: correction=0).": virtual_like(
        finish=lambda *args: normal(*args, correction=1)
    ),
    "n is the number of rows of reference, not of h: n = len(reference).": [
        by_sums(lambda h, r: len(h)), by_sums(lambda h, r: len(h), more=0, more_squares=0),
    ],
    "The reference with the row has n + 1 rows. Divide by n + 1 for the mean and for the mean "
    "of squares.": [
        by_sums(lambda h, r: len(r), more, more_squares)
        for more, more_squares in ((0, 0), (0, 1), (1, 0))
    ],
    "The row is one of n + 1 examples. You gave it the same weight as the whole "
    "reference.": half_and_half,
    "Divide by the standard deviation: a root is missing.": virtual_like(
        finish=lambda x, rows, eps: (x - rows.mean(0)) / (rows.var(0, correction=0) + eps)
    ),
    "You multiply by the root. Divide by it.": virtual_like(
        finish=lambda x, rows, eps: (x - rows.mean(0)) * (rows.var(0, correction=0) + eps).sqrt()
    ),
    "You only divide. Subtract the mean from h first.": virtual_like(
        finish=lambda x, rows, eps: x / (rows.var(0, correction=0) + eps).sqrt()
    ),
    "The variance is the mean of squares minus the square of the mean; you did not subtract "
    "that square.": by_statistics(lambda mean, square, r: (mean, square)),
    "You add eps outside the root. Add it to the variance, before the root is taken.": virtual_like(
        finish=lambda x, rows, eps: (x - rows.mean(0)) / (rows.std(0, correction=0) + eps)
    ),
    "eps is missing: add it to the variance, before the root is taken.": virtual_like(
        finish=lambda x, rows, eps: normal(x, rows, 0.0)
    ),
    "You always use 1e-5. Use the argument eps.": virtual_like(
        finish=lambda x, rows, eps: normal(x, rows, 1e-5)
    ),
    "You normalized along the features of a row; that is layer norm. Statistics run over "
    "examples, dim 0, for each feature by itself.": [
        virtual_like(lambda x, h, r: x[:, None]),
        virtual_like(lambda x, h, r: x[:, None], lambda *args: normal(*args, correction=1)),
    ],
    "That is one mean and one variance for all features together. Each feature has its own: "
    "reduce over dim 0 only.": virtual_like(
        lambda x, h, r: torch.cat([r, x[None]]).reshape(-1, 1)
    ),
    "The values are right, but G is trained through mean and variance, too: compute everything "
    "from h and reference without detach() or no_grad().": [
        without_graph,
        by_statistics(lambda mean, square, r: (mean, (square - mean.square()).detach())),
        by_statistics(lambda mean, square, r: (mean.detach(), square - mean.square())),
        lambda h, reference, eps=1e-5: virtual_like()(h, reference.detach(), eps),
        lambda h, reference, eps=1e-5: virtual_like()(h, reference, eps).detach(),
    ],
    "Don't change h or reference in place, as -= and h[i] = ... do: make new tensors.": [
        in_place, row_in_place,
    ],
}  # fmt: skip


EXERCISE = Exercise(
    id="10.1",
    title="Virtual batch norm",
    points=3,
    minutes=12,
    reference=tricks.virtual_batch_norm,
    cases=batch_and_reference,
    parts=(Part("the value", 2, ("result",)),),
    slips=SLIPS,
    alternatives=(
        virtual_like(),
        virtual_by_broadcast,
        virtual_in_double,
        by_sums(lambda h, reference: len(reference)),
    ),
    advice="For one row of h, which n + 1 rows does your mean run over, and which your variance?",
    rtol=1e-3,
    atol=1e-4,
)
