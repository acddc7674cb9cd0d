"""Right and wrong answers to the exercises of notebook 04, and how they are observed."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gancourse.exercises.base import Case, Observation, as_tensor
from gancourse.exercises.observe import fill, number
from gancourse.papers import dcgan, dcgan_probes


def seeded(rng: torch.Generator, *ranges: tuple[int, int]) -> list[Case]:
    """One case: a seed for the weights, and a whole number from each range."""
    return [Case((number(rng, 0, 10**6), *[number(rng, low, high) for low, high in ranges]))]


# 4.1 -------------------------------------------------------------------------------------------
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


# 4.2 -------------------------------------------------------------------------------------------
def pictures(rng: torch.Generator) -> list[Case]:
    """Ink that fills a random box which is not in the middle."""
    x = -torch.ones(3, 1, 14, 14)
    for picture in x:
        top, left = number(rng, 0, 5), number(rng, 6, 9)
        box = torch.rand(7, 5, generator=rng) ** 2
        picture[0, top : top + 7, left : left + 5] = 2 * box - 1
    return [Case((x,))]


def slant_like(
    x: Tensor, centred: bool = True, sign: int = -1, by: str = "yy", ink: bool = True
) -> Tensor:
    """Measure the slant of each picture, with a slip if asked for."""
    values = []
    for picture in x[:, 0].double():
        m = (picture + 1) / 2 if ink else picture
        rows, columns = torch.meshgrid(
            torch.arange(m.shape[0]), torch.arange(m.shape[1]), indexing="ij"
        )
        y = rows - (m * rows).sum() / m.sum() * centred
        x_ = columns - (m * columns).sum() / m.sum() * centred
        xy, xx, yy = (m * x_ * y).sum(), (m * x_ * x_).sum(), (m * y * y).sum()
        values.append(sign * xy / {"yy": yy, "xx": xx, "both": (xx * yy).abs().sqrt()}[by])
    return torch.stack(values).float()


# 4.3 -------------------------------------------------------------------------------------------
def groups(rng: torch.Generator) -> list[Case]:
    cases = []
    for n in (3, number(rng, 4, 6)):
        plus, minus, base = torch.randn(3, n, 7, generator=rng)
        cases.append(Case((plus, minus, base), note=f"with {n} samples of each kind"))
    return cases


# 4.5 -------------------------------------------------------------------------------------------
def measured(rng: torch.Generator) -> list[Case]:
    z = torch.randn(11, 6, generator=rng)
    values = torch.randn(11, generator=rng)
    values[number(rng, 0, 10)] = -1.1 * values.abs().max()  # the largest by size is the smallest
    return [Case((z, values, n), note=f"with {n=}") for n in (1, number(rng, 2, 5))]


def turn_by_topk(z: Tensor, values: Tensor, n: int) -> Tensor:
    return z[values.topk(n).indices].mean(0) - z[(-values).topk(n).indices].mean(0)


def turn_of_sizes(z: Tensor, values: Tensor, n: int) -> Tensor:
    order = values.abs().argsort()
    return z[order[-n:]].mean(0) - z[order[:n]].mean(0)


def turn_unsorted(z: Tensor, values: Tensor, n: int) -> Tensor:
    high = values.sort().values
    return (high[-n:].mean() - high[:n].mean()) * z.mean(0)


# 4.6 -------------------------------------------------------------------------------------------
def observe_guided(answer: Callable[..., Any], case: Case) -> Observation:
    seed, channel = case.args
    rng = torch.Generator().manual_seed(seed)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.LeakyReLU(0.2), nn.Conv2d(4, 3, 3, padding=1),
        nn.LeakyReLU(0.2), nn.Conv2d(3, 1, 6), nn.Flatten(0),
    )  # fmt: skip
    fill(net, rng)[2].bias.data.add_(2)  # so that every filter responds somewhere
    x = torch.randn(5, 1, 6, 6, generator=rng)
    result = as_tensor(answer(net, x.clone(), 1, channel))
    probe = x.clone().requires_grad_()
    (after,) = torch.autograd.grad(net(probe).sum(), probe)
    return {"result": result, "an ordinary gradient afterwards": after}


def guided_like(rule: Callable[[Tensor, Tensor], Tensor], last: Callable = lambda g: g) -> Callable:
    """Make a guided_gradient with another rule for (slope, output) on the way back."""

    def guided(net: nn.Module, x: Tensor, layer: int, channel: int) -> Tensor:
        x = x.detach().requires_grad_()

        def guide(_layer: nn.Module, _inputs: tuple, output: Tensor) -> None:
            output.register_hook(lambda slope: rule(slope, output.detach()))

        hooks = [a.register_forward_hook(guide) for a in dcgan_probes.activation_layers(net)]
        response = dcgan_probes.feature_maps(net, x)[layer][:, channel].flatten(1).max(1).values
        for hook in hooks:
            hook.remove()
        return last(torch.autograd.grad(response.sum(), x)[0])

    return guided


# 4.7 -------------------------------------------------------------------------------------------
def draw_without(G: nn.Module, layer: nn.Module, maps: list[int], z: Tensor) -> Tensor:
    """Pictures that G draws from z with some feature maps of a layer set to 0."""
    with torch.no_grad(), dcgan_probes.without_maps(layer, maps):
        return G(z)


def observe_without(answer: Callable[..., Any], case: Case) -> Observation:
    seed, first = case.args
    rng = torch.Generator().manual_seed(seed)
    G = fill(dcgan.Generator(5, 1, 3, 16), rng).eval()
    for norm in (m for m in G.modules() if isinstance(m, nn.BatchNorm2d)):
        norm.bias.data.abs_()  # so that a 0 before batch norm comes out as something
    layer = dcgan_probes.activation_layers(G)[0]  # 6 maps of 4 x 4
    z = torch.randn(8, 5, generator=rng)
    before = G(z).detach()
    result = as_tensor(answer(G, layer, [first, first + 2], z.clone()))
    with torch.no_grad():
        same = torch.tensor(torch.equal(before, G(z)))
    return {"pictures": result, "G afterwards draws what it drew": same}


def hooked(change: Callable[[Tensor, list[int]], Tensor], leave: bool = False, on: int = 0) -> Any:
    """Make a draw_without that changes the layer's output in another way."""

    def draw(G: nn.Module, layer: nn.Module, maps: list[int], z: Tensor) -> Tensor:
        inner = [m for m in G.modules() if not list(m.children())]
        target = inner[inner.index(layer) - on]
        hook = target.register_forward_hook(lambda _l, _i, out: change(out.clone(), maps))
        with torch.no_grad():
            pictures = G(z)
        if not leave:
            hook.remove()
        return pictures

    return draw


def zeroed(out: Tensor, maps: list[int]) -> Tensor:
    out[:, maps] = 0
    return out


def zeroed_pictures(out: Tensor, maps: list[int]) -> Tensor:
    out[maps] = 0
    return out


def zeroed_rest(out: Tensor, maps: list[int]) -> Tensor:
    return out - zeroed(out.clone(), maps)


def averaged(out: Tensor, maps: list[int]) -> Tensor:
    out[:, maps] = out.mean()
    return out


def masked(out: Tensor, maps: list[int]) -> Tensor:
    keep = torch.ones(out.shape[1])
    keep[maps] = 0
    return out * keep.view(1, -1, 1, 1)


# 4.8 -------------------------------------------------------------------------------------------
def observe_features(answer: Callable[..., Any], case: Case) -> Observation:
    seed, m = case.args
    rng = torch.Generator().manual_seed(seed)
    D = fill(dcgan.Discriminator(1, 2, 32), rng).eval()
    x = torch.randn(m, 1, 32, 32, generator=rng)
    with torch.no_grad():
        return {"features": as_tensor(answer(D, x))}


def features_like(
    pool: Callable[[Tensor], Tensor], layers: slice = slice(None), dim: int = 1
) -> Callable[..., Tensor]:
    """Make a pooled_features with another pooling."""

    def features(net: nn.Module, x: Tensor) -> Tensor:
        return torch.cat([pool(f) for f in dcgan_probes.feature_maps(net, x)[layers]], dim)

    return features


def max_by_hand(f: Tensor) -> Tensor:
    side = f.shape[2] // 4
    return f.unflatten(3, (4, side)).unflatten(2, (4, side)).amax((3, 5)).flatten(1)
