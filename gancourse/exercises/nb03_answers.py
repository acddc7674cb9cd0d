"""Right and wrong answers to the exercises of notebook 03, and how they are observed."""

import copy
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from gancourse.exercises.base import AnswerError, Case, Observation, as_tensor
from gancourse.exercises.observe import fill, number, watch
from gancourse.papers import blocks, dcgan


# 3.1 -------------------------------------------------------------------------------------------
def transposed_side(side: int, kernel: int, stride: int, padding: int) -> int:
    """Side of what a transposed convolution returns."""
    return (side - 1) * stride - 2 * padding + kernel


def sides(rng: torch.Generator) -> list[Case]:
    cases = []
    for _ in range(6):
        side, stride = number(rng, 3, 32), number(rng, 1, 3)
        kernel = stride + number(rng, 1, 4)
        padding = number(rng, 1, (kernel - 1) // 2) if kernel > 2 else 0
        note = f"for {side=}, {kernel=}, {stride=}, {padding=}"
        cases.append(Case((side, kernel, stride, padding), note=note))
    return cases


def by_doing(side: int, kernel: int, stride: int, padding: int) -> int:
    """Run a transposed convolution on zeros and look."""
    return nn.ConvTranspose2d(1, 1, kernel, stride, padding)(torch.zeros(1, 1, side, side)).shape[
        -1
    ]


# 3.2 -------------------------------------------------------------------------------------------
def observe_layers(answer: Callable[..., Iterable[nn.Module]], case: Case) -> Observation:
    c_in, c_out, seed = case.args
    layers = answer(c_in, c_out)
    if layers is None:
        raise AnswerError("up_block returned nothing. Is a `return` missing?")
    if isinstance(layers, nn.Module) and not isinstance(layers, nn.Sequential):
        raise AnswerError("Return a list of the three layers: it is unpacked, *up_block(8, 4).")
    net = layers if isinstance(layers, nn.Module) else nn.Sequential(*layers)
    return watch(net, torch.Generator().manual_seed(seed), 2, c_in, 4, 4)


def up_layers(
    *after: type[nn.Module], bias: bool = False, kernel: int = 4
) -> Callable[[int, int], list[nn.Module]]:
    """Make an up_block with other layers behind the convolution."""

    def block(c_in: int, c_out: int) -> list[nn.Module]:
        conv = nn.ConvTranspose2d(c_in, c_out, kernel, 2, (kernel - 1) // 2, bias=bias)
        made = {
            nn.BatchNorm2d: lambda: nn.BatchNorm2d(c_out),
            nn.LeakyReLU: lambda: nn.LeakyReLU(0.2),
        }
        return [conv, *[made.get(kind, kind)() for kind in after]]

    return block


# 3.3 and 3.4 -----------------------------------------------------------------------------------
def observe_generator(answer: Callable[..., nn.Module], case: Case) -> Observation:
    noise_dim, channels, width, seed = case.args
    net = answer(noise_dim=noise_dim, channels=channels, width=width)
    return watch(net, torch.Generator().manual_seed(seed), 2, noise_dim)


def observe_discriminator(answer: Callable[..., nn.Module], case: Case) -> Observation:
    channels, width, seed = case.args
    net = answer(channels=channels, width=width)
    return watch(net, torch.Generator().manual_seed(seed), 2, channels, 32, 32)


def generator_like(
    last: Callable[[], nn.Module] = nn.Tanh, norm_last: bool = False, rising: bool = False
) -> Callable[..., nn.Module]:
    """Make a generator of 32 x 32 pictures, with a slip if asked for."""

    def make(noise_dim: int = 64, channels: int = 1, width: int = 24) -> nn.Module:
        w = [width, 2 * width, 4 * width] if rising else [4 * width, 2 * width, width]
        return nn.Sequential(
            nn.Unflatten(1, (noise_dim, 1, 1)),
            *blocks.up_block(noise_dim, w[0], stride=1, padding=0),
            *[layer for a, b in pairwise(w) for layer in blocks.up_block(a, b)],
            nn.ConvTranspose2d(w[-1], channels, 4, 2, 1),
            *([nn.BatchNorm2d(channels)] if norm_last else []),
            last(),
        )

    return make


def discriminator_like(
    norm_first: bool = False, slope: float = 0.2, pool: bool = False, end: tuple = (nn.Flatten(0),)
) -> Callable[..., nn.Module]:
    """Make a discriminator of 32 x 32 pictures, with a slip if asked for."""

    def make(channels: int = 1, width: int = 24) -> nn.Module:
        layers: list[nn.Module] = []
        for i, (a, b) in enumerate(pairwise([channels, width, 2 * width, 4 * width])):
            norm = norm_first or i > 0
            layers += [nn.Conv2d(a, b, 3 if pool else 4, 1 if pool else 2, 1, bias=not norm)]
            layers += [nn.MaxPool2d(2)] if pool else []
            layers += [nn.BatchNorm2d(b)] if norm else []
            layers += [nn.LeakyReLU(slope)]
        return nn.Sequential(*layers, nn.Conv2d(4 * width, 1, 4), *copy.deepcopy(end))

    return make


class Squeezed(nn.Module):
    """Drops every dimension of length one, that of a batch of one included."""

    def forward(self, x: Tensor) -> Tensor:
        return x.squeeze()


# 3.5 -------------------------------------------------------------------------------------------
def observe_init(answer: Callable[..., Any], case: Case) -> Observation:
    """Statistics of many weights: the bounds are more than ten standard errors wide."""
    (seed,) = case.args
    inner = (
        lambda: nn.Conv2d(50, 50, 4),
        lambda: nn.ConvTranspose2d(800, 10, 2, bias=False),
        lambda: nn.Linear(20, 2000, bias=False),
    )
    nets = [  # layers lie inside the network's children, as in a Generator
        nn.Sequential(nn.Sequential(*(make() for make in inner)), nn.BatchNorm2d(20_000))
        for _ in range(3)
    ]
    before = torch.get_rng_state()
    seeds = (seed, seed, seed + 1)
    given = zip(nets, seeds, strict=True)
    returned = [answer(net, torch.Generator().manual_seed(s)) for net, s in given]
    untouched = torch.equal(before, torch.get_rng_state())
    (conv, transposed, linear), norm = nets[0]
    again, other = (net[0][0].weight for net in nets[1:])
    return {
        "std of the convolution's weights": conv.weight.std().detach(),
        "std of the transposed convolution's weights": transposed.weight.std().detach(),
        "std of the linear layer's weights": linear.weight.std().detach(),
        "mean of the convolution's weights": conv.weight.mean().detach(),
        "mean of batch norm's gain": norm.weight.mean().detach(),
        "std of batch norm's gain": norm.weight.std().detach(),
        "largest bias": torch.stack([a.bias.abs().max() for a in (conv, norm)]).detach(),
        "equal seeds give equal weights": torch.tensor(torch.equal(conv.weight, again)),
        "another seed gives other weights": torch.tensor(not torch.equal(conv.weight, other)),
        "torch's own generator is left alone": torch.tensor(untouched),
        "the network is returned": torch.tensor(
            all(a is b for a, b in zip(returned, nets, strict=True))
        ),
    }


def init_like(
    std: float = 0.02,
    gain: float = 1.0,
    seeded: bool = True,
    silent: bool = False,
    of: Any = nn.Module,
) -> Callable[..., Any]:
    """Make an init function, with a slip if asked for."""

    def init(net: nn.Module, rng: torch.Generator) -> nn.Module | None:
        leaves = [layer for layer in net.modules() if not list(layer.children())]
        for p in (p for layer in leaves if isinstance(layer, of) for p in layer.parameters()):
            mean = gain if p.dim() == 1 else 0.0
            nn.init.normal_(p.data, mean, std, **({"generator": rng} if seeded else {}))
        for layer in net.modules():
            if getattr(layer, "bias", None) is not None:
                nn.init.zeros_(layer.bias)
        return None if silent else net

    return init


def init_children(net: nn.Module, rng: torch.Generator) -> nn.Module:
    """Right for the network's children, but not for what is inside them."""
    for layer in net.children():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1, 0.02, generator=rng)
            nn.init.zeros_(layer.bias)
    return net


# 3.6 -------------------------------------------------------------------------------------------
def judge_apart(D: nn.Module, x: Tensor, fakes: Tensor) -> tuple[Tensor, Tensor]:
    """Logits of real pictures and of fakes, each batch by itself, for D's turn."""
    return D(x), D(fakes.detach())


def observe_logits(answer: Callable[..., Any], case: Case) -> Observation:
    seed, m, mode = case.args
    rng = torch.Generator().manual_seed(seed)
    D = fill(dcgan.Discriminator(1, 2, 16), rng).train(mode == "train")
    x = torch.randn(m, 1, 16, 16, generator=rng)
    fakes = (torch.randn(m, 1, 16, 16, generator=rng) * 0.5 + 1).requires_grad_()
    result = answer(D, x, fakes)
    if not isinstance(result, tuple) or len(result) != 2:
        raise AnswerError("Return a tuple: the logits of the real pictures, and of the fakes.")
    real, fake = (as_tensor(t) for t in result)
    if not all(getattr(t, "requires_grad", False) for t in result):
        raise AnswerError("No gradient reaches D: it would not learn. Detach the fakes only.")
    (result[0].sum() + result[1].sum()).backward()
    reached = fakes.grad is not None
    return {
        "real": real,
        "fake": fake,
        "a gradient reaches G": torch.tensor(reached),
        "D is in the mode in which it came": torch.tensor(D.training == (mode == "train")),
    }


def judge_together(D: nn.Module, x: Tensor, fakes: Tensor) -> tuple[Tensor, Tensor]:
    """Both in one batch."""
    both = D(torch.cat([x, fakes.detach()]))
    return both[: len(x)], both[len(x) :]


def judge_in_eval(D: nn.Module, x: Tensor, fakes: Tensor) -> tuple[Tensor, Tensor]:
    """With running statistics."""
    D.eval()
    return D(x), D(fakes.detach())


# 3.7 -------------------------------------------------------------------------------------------
def observe_average(answer: Callable[..., Any], case: Case) -> Observation:
    seed, decay = case.args
    rng = torch.Generator().manual_seed(seed)
    average, net = (fill(nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)), rng) for _ in "ab")
    net(torch.randn(5, 2, generator=rng) + 1)  # moves net's running statistics
    answer(average, net, decay)
    still = all(p.requires_grad and p.is_leaf for p in average.parameters())
    flat = torch.cat([p.detach().flatten() for p in average.parameters()])
    kept = torch.cat([p.detach().flatten() for p in net.parameters()])
    buffers = torch.cat([b.float().flatten() for b in average.buffers()])
    return {
        "the average's weights": flat,
        "the network's weights": kept,
        "the average's buffers": buffers,
        "weights are still parameters": torch.tensor(still),
    }


@torch.no_grad()
def average_like(
    average: nn.Module, net: nn.Module, decay: float, *, buffers: bool = True, into: int = 0
) -> None:
    """A running average, with a slip if asked for."""
    pair = (average, net)
    for a, b in zip(average.parameters(), net.parameters(), strict=True):
        (a, b)[into].copy_(decay * a + (1 - decay) * b)
    if buffers:
        for a, b in zip(pair[0].buffers(), pair[1].buffers(), strict=True):
            a.copy_(b)


def by_state_dict(average: nn.Module, net: nn.Module, decay: float) -> None:
    """The same, by way of the state dictionary."""
    new = net.state_dict()
    names = {name for name, _ in net.named_parameters()}
    mixed = {
        name: decay * old + (1 - decay) * new[name] if name in names else new[name]
        for name, old in average.state_dict().items()
    }
    average.load_state_dict(mixed)
