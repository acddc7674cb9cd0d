"""Right and wrong answers to the exercises of notebook 09, and how they are observed."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancourse.exercises.base import AnswerError, Case, Observation
from gancourse.exercises.observe import number, watch
from gancourse.papers.cyclegan import exchange

Layers = list[tuple[int, int]]


def pictures(rng: torch.Generator, *shape: int) -> Tensor:
    return torch.rand(shape, generator=rng) * 2 - 1


# 9.1 -------------------------------------------------------------------------------------------
def observe_block(answer: Callable[..., nn.Module], case: Case) -> Observation:
    width, side, seed = case.args
    net = answer(width)
    if not isinstance(net, nn.Module):
        raise AnswerError(f"Expected a network (an nn.Module), got a {type(net).__name__}.")
    return watch(net, torch.Generator().manual_seed(seed), 2, width, side, side)


class BlockLike(nn.Module):
    """A residual block, with a slip if asked for."""

    def __init__(
        self,
        width: int,
        *,
        pad: str = "reflect",
        norm: Callable[[int], nn.Module] = nn.InstanceNorm2d,
        last: bool = True,
        act: Callable[[], nn.Module] = nn.ReLU,
        end: Callable[[Tensor], Tensor] = lambda y: y,
        skip: float = 1.0,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for n in range(2):
            if pad == "reflect":
                layers += [nn.ReflectionPad2d(1), nn.Conv2d(width, width, 3)]
            else:
                layers += [nn.Conv2d(width, width, 3, padding=1, padding_mode=pad)]
            layers += [norm(width)] if n == 0 or last else []
            layers += [act()] if n == 0 else []
        self.body, self.end, self.skip = nn.Sequential(*layers), end, skip

    def forward(self, x: Tensor) -> Tensor:
        return self.end(self.skip * x + self.body(x))


# 9.2 -------------------------------------------------------------------------------------------
def stacks(rng: torch.Generator) -> list[Case]:
    paper = [(4, 2), (4, 2), (4, 2), (4, 1), (4, 1)]
    other = [(number(rng, 3, 5), 2), (number(rng, 3, 5), 3), (number(rng, 3, 7), 1)]
    return [
        Case((paper[2:],), note="on kernels 4, 4, 4 with strides 2, 1, 1"),
        Case((other,), note=f"on (kernel, stride) = {other}"),
    ]


def field_forward(layers: Layers) -> int:
    """The other way round: how far apart the pixels of a layer lie in the picture."""
    field, apart = 1, 1
    for kernel, stride in layers:
        field += (kernel - 1) * apart
        apart *= stride
    return field


def field_by_gradient(layers: Layers) -> int:
    """Count the pixels that one output depends on."""
    size = 1
    for kernel, stride in reversed(layers):
        size = (size - 1) * stride + kernel
    x = torch.zeros(1, 1, size + 7, dtype=torch.double).requires_grad_()
    y = x
    for kernel, stride in layers:
        y = F.conv1d(y, torch.ones(1, 1, kernel, dtype=torch.double), stride=stride)
    y[0, 0, 0].backward()
    return int((x.grad != 0).sum())


def without_strides(layers: Layers) -> int:
    return 1 + sum(kernel - 1 for kernel, _ in layers)


def front_to_back(layers: Layers) -> int:
    field = 1
    for kernel, stride in layers:
        field = (field - 1) * stride + kernel
    return field


def jump_too_early(layers: Layers) -> int:
    field, apart = 1, 1
    for kernel, stride in layers:
        apart *= stride
        field += (kernel - 1) * apart
    return field


def off_by_strides(layers: Layers) -> int:
    field = 1
    for kernel, stride in reversed(layers):
        field = field * stride + kernel
    return field


def product(layers: Layers) -> int:
    field = 1
    for kernel, _ in layers:
        field *= kernel
    return field


# 9.5 -------------------------------------------------------------------------------------------
def pools(rng: torch.Generator) -> list[Case]:
    kept, fakes = pictures(rng, 6, 1, 2, 2), pictures(rng, 4, 1, 2, 2)
    coins = torch.tensor([True, True, False, False])[torch.randperm(4, generator=rng)]
    places = torch.arange(4)
    while bool((places == torch.arange(4)).any()):  # none in its own order: slips would hide
        places = torch.randperm(6, generator=rng)[:4]
    return [Case((kept, fakes, coins, places), note="on a pool of 6 and 4 fakes, 2 coins heads")]


def pool_by_loop(
    kept: Tensor, fakes: Tensor, coins: Tensor, places: Tensor
) -> tuple[Tensor, Tensor]:
    """One fake after the other, as in the authors' code."""
    new, shown = kept.clone(), []
    for fake, coin, place in zip(fakes, coins, places, strict=True):
        shown.append(new[place].clone() if coin else fake)
        if coin:
            new[place] = fake
    return torch.stack(shown), new


def pool_like(
    turn: bool = False,
    keep: bool = True,
    everything: bool = False,
    overwritten: bool = False,
    inside: bool = False,
    in_order: bool = False,
    both: int = 1,
) -> Callable[..., tuple[Tensor, Tensor]]:
    """Make an exchange, with a slip if asked for."""

    def answer(kept: Tensor, fakes: Tensor, coins: Tensor, places: Tensor) -> tuple:
        if turn:
            coins = ~coins
        if in_order:
            places = torch.arange(len(fakes))
        shown, new = exchange(kept, fakes, coins, places)
        if everything:
            new = kept.clone()
            new[places] = fakes
        if overwritten:
            shown = fakes.clone()
        if not keep:
            new = kept.clone()
        if inside:
            kept.copy_(new)
            new = kept
        return (shown, new)[::both]

    return answer


# 9.8 -------------------------------------------------------------------------------------------
def clouds(rng: torch.Generator) -> list[Case]:
    """Vectors of very different lengths. Queries that lean to one side tell who searches whom."""
    cases = []
    for lean, k in ((4, 3), (4, 7), (0, 5)):
        gallery = torch.randn(60, 5, generator=rng)
        queries = gallery + 0.9 * torch.randn(60, 5, generator=rng) + lean * torch.eye(5)[0]
        lengths = torch.exp(1.2 * torch.randn(2, 60, 1, generator=rng))
        args = lengths[0] * queries, lengths[1] * gallery, k
        cases.append(Case(args, note=f"on 60 pairs, k = {k}"))
    return cases


def recall_like(
    normal: bool = True, order: int = 1, k_is: int | None = None, turn: bool = False
) -> Callable[[Tensor, Tensor, int], Tensor]:
    """Make a recall, with a slip if asked for."""

    def recall(queries: Tensor, gallery: Tensor, k: int) -> Tensor:
        a, b = (gallery, queries) if turn else (queries, gallery)
        if normal:
            a, b = F.normalize(a, dim=1), F.normalize(b, dim=1)
        best = (order * (a @ b.T)).topk(k_is or k, dim=1).indices
        return (best == torch.arange(len(a))[:, None]).any(1).float().mean()

    return recall


def recall_by_rank(queries: Tensor, gallery: Tensor, k: int) -> float:
    """The partner's rank: how many are more similar than it is."""
    cosine = F.cosine_similarity(queries[:, None], gallery[None], dim=2)
    better = (cosine > cosine.diagonal()[:, None]).sum(1)
    return float((better < k).float().mean())


def per_k(queries: Tensor, gallery: Tensor, k: int) -> Tensor:
    return recall_like()(queries, gallery, k) / k
