"""Exercise 10.1: virtual batch norm."""

from collections.abc import Callable

import torch
from torch import Tensor

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.observe import integer
from gancourse.papers import tricks


def batch_and_reference(rng: torch.Generator) -> list[Case]:
    """Few reference rows, far from those of h: a row's part in its own statistics is visible."""
    b, n, f = integer(rng, 3, 4), integer(rng, 5, 6), integer(rng, 2, 3)
    h = 2 + torch.randn(b, f, generator=rng)
    reference = torch.randn(n, f, generator=rng) * 1.5 - 1
    return [Case((h, reference), note=f"for {b} rows of h and {n} of reference")]


def virtual_like(
    *,
    itself: bool = True,
    batch: bool = False,
    correction: int = 0,
    root: bool = True,
    per_row: bool = False,
) -> Callable[[Tensor, Tensor], Tensor]:
    """Make a virtual batch norm, row by row, with a slip if asked for."""

    def answer(h: Tensor, reference: Tensor) -> Tensor:
        rows = []
        for x in h:
            joined = torch.cat([reference, x[None]]) if itself else reference
            joined = torch.cat([reference, h]) if batch else joined
            var, mean = torch.var_mean(joined, dim=0, correction=correction)
            if per_row:
                var, mean = torch.var_mean(x, dim=0, correction=0)
            rows.append((x - mean) / ((var + 1e-5).sqrt() if root else var + 1e-5))
        return torch.stack(rows)

    return answer


def virtual_by_broadcast(h: Tensor, reference: Tensor) -> Tensor:
    """All pairs (row, reference with that row) at once."""
    joined = torch.cat([reference.expand(len(h), -1, -1), h[:, None]], dim=1)
    var, mean = torch.var_mean(joined, dim=1, correction=0)
    return (h - mean) / (var + 1e-5).sqrt()


EXERCISE = Exercise(
    id="10.1",
    title="Virtual batch norm",
    points=3,
    minutes=12,
    reference=tricks.virtual_batch_norm,
    cases=batch_and_reference,
    slips={
        "You used the reference batch alone. Each row of h joins it for its own statistics; "
        "otherwise a row far from the reference "
        "could become as large as it likes.": virtual_like(itself=False),
        "All rows of h went into the statistics, so they depend on one another again. Only one "
        "row at a time joins the reference.": virtual_like(batch=True),
        "The variance is divided by n. Divide by the number of rows, n + 1 here, as batch norm "
        "does in training (torch: correction=0).": virtual_like(correction=1),
        "Divide by the standard deviation: a root is missing.": virtual_like(root=False),
        "You normalised along the features of a row; that is layer norm. Statistics run over "
        "examples, dim 0, for each feature by itself.": virtual_like(per_row=True),
    },
    alternatives=(virtual_like(), virtual_by_broadcast),
    rtol=1e-3,
    atol=1e-4,
)
