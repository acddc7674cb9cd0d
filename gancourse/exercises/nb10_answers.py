"""Right and wrong answers to the exercises of notebook 10, and how they are observed."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gancourse.exercises.base import AnswerError, Case, Observation, as_tensor
from gancourse.exercises.observe import number


# 10.1 ------------------------------------------------------------------------------------------
def batch_and_reference(rng: torch.Generator) -> list[Case]:
    """Few reference rows, and far from those of h: what a row adds to its own statistics shows."""
    b, n, f = number(rng, 3, 4), number(rng, 5, 6), number(rng, 2, 3)
    h = 2 + torch.randn(b, f, generator=rng)
    reference = torch.randn(n, f, generator=rng) * 1.5 - 1
    return [Case((h, reference), note=f"for {b} rows of h and {n} of reference")]


def virtual_like(
    *,
    itself: bool = True,
    everyone: bool = False,
    correction: int = 0,
    eps: float = 1e-5,
    root: bool = True,
    per_row: bool = False,
) -> Callable[[Tensor, Tensor], Tensor]:
    """Make a virtual batch norm, row by row, with a slip if asked for."""

    def answer(h: Tensor, reference: Tensor) -> Tensor:
        rows = []
        for x in h:
            whole = torch.cat([reference, x[None]]) if itself else reference
            whole = torch.cat([reference, h]) if everyone else whole
            var, mean = torch.var_mean(whole, dim=0, correction=correction)
            if per_row:
                var, mean = torch.var_mean(x, dim=0, correction=0)
            rows.append((x - mean) / ((var + eps).sqrt() if root else var + eps))
        return torch.stack(rows)

    return answer


def virtual_by_broadcast(h: Tensor, reference: Tensor) -> Tensor:
    """All pairs (row, reference with that row) at once."""
    n = len(reference)
    whole = torch.cat([reference.expand(len(h), n, -1), h[:, None]], dim=1)
    var, mean = torch.var_mean(whole, dim=1, correction=0)
    return (h - mean) / (var + 1e-5).sqrt()


# 10.3 ------------------------------------------------------------------------------------------
class Curved(nn.Module):
    """A small critic with curvature, (..., n) to (...): its slope differs from place to place."""

    def __init__(self, n: int, rng: torch.Generator) -> None:
        super().__init__()
        self.a = nn.Parameter(0.45 * torch.randn(n, 5, generator=rng))
        self.b = nn.Parameter(0.45 * torch.randn(5, generator=rng))

    def forward(self, x: Tensor) -> Tensor:
        return (x @ self.a).tanh() @ self.b


def critic_and_points(rng: torch.Generator) -> list[Case]:
    cases = []
    for n in (2, 3):
        b, seed = number(rng, 4, 6), number(rng, 0, 10**6)
        x, fakes = torch.randn(b, n, generator=rng), 1 + torch.randn(b, n, generator=rng)
        x[0], fakes[0] = x[0] + 4, fakes[0] + 4  # D is nearly flat there: a slope below 1
        t = torch.rand(b, 1, generator=rng)
        note = f"on {b} real points and fakes of {n} numbers"
        cases.append(Case((seed, x, fakes, t), note=note))
    return cases


def observe_penalty(answer: Callable[..., Any], case: Case) -> Observation:
    """Its value, and what D would learn from it: the gradient of its parameters."""
    seed, x, fakes, t = case.args
    D = Curved(x.shape[1], torch.Generator().manual_seed(seed))
    penalty = answer(D, x.clone(), fakes.clone(), t.clone())
    seen = {"result": as_tensor(penalty)}
    if not isinstance(penalty, Tensor):
        raise AnswerError("Return a tensor, so that D can learn from it.")
    can_learn = penalty.requires_grad and penalty.numel() == 1
    seen["has a graph that leads to D"] = torch.tensor(can_learn)
    grads = torch.autograd.grad(penalty, [D.a], allow_unused=True) if can_learn else [None]
    seen["D's gradient"] = torch.zeros_like(D.a) if grads[0] is None else grads[0]
    return seen


def penalty_like(
    *,
    where: str = "between",
    one_share: bool = False,
    whole: bool = False,
    squared: bool = False,
    target: float = 1.0,
    graph: bool = True,
    one_sided: bool = False,
    mean_slope: bool = False,
) -> Callable[..., Tensor]:
    """Make a gradient penalty, with a slip if asked for."""

    def answer(D: nn.Module, x: Tensor, fakes: Tensor, t: Tensor) -> Tensor:
        share = t[:1] if one_share else t
        mixed = {"between": share * x + (1 - share) * fakes, "real": x, "fake": fakes}[where]
        mixed = mixed.detach().requires_grad_()
        out = D(mixed)
        out = out.mean() if mean_slope else out.sum()
        (slope,) = torch.autograd.grad(out, mixed, create_graph=True)
        length = slope.norm() if whole else slope.norm(dim=1)
        length = length.square() if squared else length
        over = (length - target).clamp(min=0) if one_sided else length - target
        result = over.square().mean()
        return result if graph else result.detach()

    return answer


# 10.4 ------------------------------------------------------------------------------------------
def projections(rng: torch.Generator) -> list[Case]:
    b, kernels, dims = number(rng, 4, 5), number(rng, 2, 3), number(rng, 2, 3)
    M = 0.5 * torch.randn(b, kernels, dims, generator=rng)
    M[1] = M[0] + 0.05 * torch.randn(kernels, dims, generator=rng)  # two near-copies
    return [Case((M,), note=f"for {b} examples, {kernels} kernels of {dims} numbers")]


def closeness_like(
    *,
    itself: bool = True,
    mean: bool = False,
    power: int = 1,
    inside: bool = False,
    sign: int = -1,
    over: int = 1,
) -> Callable[[Tensor], Tensor]:
    """Make a closeness by loops, with a slip if asked for."""

    def answer(M: Tensor) -> Tensor:
        n, kernels, _ = M.shape
        found = torch.zeros(n, kernels)
        for i in range(n):
            for j in range(n):
                if i == j and not itself:
                    continue
                gap = (M[i] - M[j]).abs() if power == 1 else (M[i] - M[j]).square()
                if inside:
                    found[i] += torch.exp(sign * gap).sum(over)
                else:
                    found[i] += torch.exp(sign * gap.sum(over))
        return found / n if mean else found

    return answer


def closeness_by_cdist(M: Tensor) -> Tensor:
    """L1 distances from cdist, one kernel a batch entry."""
    by_kernel = M.transpose(0, 1)
    return torch.exp(-torch.cdist(by_kernel, by_kernel, p=1)).sum(2).T


# 10.5 ------------------------------------------------------------------------------------------
def opinions(rng: torch.Generator) -> list[Case]:
    """Uneven classes, and in the second case a classifier that is quite sure: zeros occur."""
    n, classes = number(rng, 6, 8), number(rng, 3, 5)
    soft = (2 * torch.randn(n, classes, generator=rng)).softmax(dim=1)
    sure = torch.eye(classes)[torch.randint(classes, (n,), generator=rng)]
    sure[0], sure[1] = torch.eye(classes)[0], torch.eye(classes)[1]
    return [
        Case((soft,), note=f"for {n} samples and {classes} classes"),
        Case((sure,), note="where the classifier is quite sure of each sample"),
    ]


def score_like(
    *,
    exp: bool = True,
    swap: bool = False,
    uniform: bool = False,
    only: str = "",
    naive: bool = False,
    each: bool = False,
) -> Callable[[Tensor], Tensor]:
    """Make an inception-style score, with a slip if asked for."""

    def answer(p: Tensor) -> Tensor:
        q = p.mean(0, keepdim=True).expand_as(p)
        q = torch.full_like(p, 1 / p.shape[1]) if uniform else q
        a, b = (q, p) if swap else (p, q)
        if naive:
            kl = (a * (a.log() - b.log())).sum(1)
        else:
            kl = (torch.xlogy(a, a) - torch.xlogy(a, b)).sum(1)
        if only == "sure":
            kl = torch.xlogy(p, p).sum(1)
        if only == "varied":
            kl = -torch.xlogy(q, q).sum(1)
        if each:
            return kl.exp().mean()
        return kl.mean().exp() if exp else kl.mean()

    return answer


def score_by_entropies(p: Tensor) -> Tensor:
    """exp(entropy of the mean - mean of the entropies)."""
    entropy = torch.special.entr
    return (entropy(p.mean(0)).sum() - entropy(p).sum(1).mean()).exp()


# 10.6 ------------------------------------------------------------------------------------------
def points_and_cloud(rng: torch.Generator) -> list[Case]:
    """A cloud with a dense and a sparse part, and points in and around both."""
    dense, sparse = torch.randn(12, 2, generator=rng), 6 + 4 * torch.randn(8, 2, generator=rng)
    near = torch.randn(40, 2, generator=rng) * 2
    far = 6 + 6 * torch.randn(40, 2, generator=rng)
    cloud, points = torch.cat([0.7 * dense, sparse]), torch.cat([near, far])
    return [Case((points, cloud, k), note=f"for 80 points, a cloud of 20, k = {k}") for k in (2, 4)]


def observe_covered(answer: Callable[..., Any], case: Case) -> Observation:
    """The share of points, and each: as numbers, so that a mask and its float count alike."""
    points, cloud, k = case.args
    seen = as_tensor(answer(points.clone(), cloud.clone(), k))
    return {"result": seen.float()}


def covered_like(
    *,
    shift: int = 1,
    whose: str = "cloud",
    largest: bool = False,
    nearest_only: bool = False,
    every: bool = False,
) -> Callable[[Tensor, Tensor, int], Tensor]:
    """Make a `covered`, with a slip if asked for."""

    def answer(points: Tensor, cloud: Tensor, k: int) -> Tensor:
        own = torch.cdist(cloud, cloud).sort(dim=1).values
        radius = own[:, k + shift - 1]
        radius = radius.max().expand_as(radius) if largest else radius
        apart = torch.cdist(points, cloud)
        if whose == "points":
            mine = torch.cdist(points, points).sort(dim=1).values[:, k]
            return (apart <= mine[:, None]).any(1)
        if nearest_only:
            least = apart.min(1)
            return least.values <= radius[least.indices]
        inside = apart <= radius
        return inside.all(1) if every else inside.any(1)

    return answer


def covered_turned(points: Tensor, cloud: Tensor, k: int) -> Tensor:
    """Which of the cloud's points are covered: the two clouds exchanged."""
    return covered_like()(cloud, points, k)


def covered_by_loop(points: Tensor, cloud: Tensor, k: int) -> Tensor:
    """Ball by ball."""
    inside = torch.zeros(len(points), dtype=torch.bool)
    for i, centre in enumerate(cloud):
        others = torch.cat([cloud[:i], cloud[i + 1 :]])
        radius = (others - centre).square().sum(1).sqrt().kthvalue(k).values
        inside |= (points - centre).square().sum(1).sqrt() <= radius
    return inside
