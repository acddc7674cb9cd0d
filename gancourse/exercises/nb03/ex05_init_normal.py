"""Exercise 3.5: initialisation."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from gancourse.exercises.base import Case, Exercise, Observation
from gancourse.exercises.observe import integer, seeded
from gancourse.papers import blocks


def network() -> nn.Sequential:
    """Layers inside the network's children, as in a Generator."""
    layers = [
        nn.Conv2d(50, 50, 4),
        nn.ConvTranspose2d(800, 10, 2, bias=False),
        nn.Linear(20, 2000, bias=False),
    ]
    return nn.Sequential(nn.Sequential(*layers), nn.BatchNorm2d(20_000))


def observe_init(answer: Callable[..., Any], case: Case) -> Observation:
    """Statistics of many weights: the bounds are more than ten standard errors wide."""
    (seed,) = case.args
    nets = [network() for _ in range(3)]
    before = torch.get_rng_state()
    seeds = (seed, seed, seed + 1)
    returned = [answer(net, seeded(s)) for net, s in zip(nets, seeds, strict=True)]
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
    from_rng: bool = True,
    returns: bool = True,
    kinds: Any = nn.Module,
) -> Callable[..., Any]:
    """Make an init function; the arguments choose a slip."""

    def init(net: nn.Module, rng: torch.Generator) -> nn.Module | None:
        leaves = [layer for layer in net.modules() if not list(layer.children())]
        for p in (p for layer in leaves if isinstance(layer, kinds) for p in layer.parameters()):
            mean = gain if p.dim() == 1 else 0.0
            nn.init.normal_(p.data, mean, std, **({"generator": rng} if from_rng else {}))
        for layer in net.modules():
            if getattr(layer, "bias", None) is not None:
                nn.init.zeros_(layer.bias)
        return net if returns else None

    return init


def init_children(net: nn.Module, rng: torch.Generator) -> nn.Module:
    """Leaves out the layers inside the network's children."""
    for layer in net.children():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1, 0.02, generator=rng)
            nn.init.zeros_(layer.bias)
    return net


EXERCISE = Exercise(
    id="3.5",
    title="Initialisation",
    points=2,
    minutes=10,
    reference=blocks.init_normal,
    cases=lambda rng: [Case((integer(rng, 0, 10**6),))],
    observe=observe_init,
    slips={
        "The standard deviation is 0.02, not 0.2.": init_like(std=0.2),
        "Batch norm's gain has mean 1; with 0 its output would be about 0.": init_like(gain=0.0),
        "You drew from torch's global generator. Pass generator=rng.": init_like(from_rng=False),
        "The weights are unchanged. Change "
        "them in place, under torch.no_grad().": lambda net, rng: net,
        "Return the network, too.": init_like(returns=False),
        "nn.ConvTranspose2d is not a subclass of nn.Conv2d: G's layers were left out.": init_like(
            kinds=(nn.Conv2d, nn.Linear, nn.BatchNorm2d)
        ),
        "net.children() leaves out layers inside layers. Use net.modules().": init_children,
        "0.02 is the standard deviation, not the variance.": init_like(std=0.02**0.5),
    },
    alternatives=(init_like(),),
    rtol=0.12,
    atol=0.003,
)
