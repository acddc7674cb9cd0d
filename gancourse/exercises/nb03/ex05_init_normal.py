"""Exercise 3.5: initialization."""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from gancourse.exercises.base import Case, Exercise, Observation
from gancourse.exercises.nb03._shared import replaced
from gancourse.exercises.observe import fact, integer, seeded
from gancourse.papers import blocks


def network(size: int) -> nn.Sequential:
    """Layers inside the network's children, as in a Generator; no weight is right as it is."""
    layers = [
        nn.Conv2d(2 * size, 2 * size, 3),
        nn.ConvTranspose2d(15 * size, size, 2, bias=False),
        nn.Linear(size, 40 * size),
    ]
    net = nn.Sequential(nn.Sequential(*layers), nn.BatchNorm2d(40 * size * size))
    for p in net.parameters():
        nn.init.constant_(p, 0.3)
    return net


def observe_init(answer: Callable[..., Any], case: Case) -> Observation:
    """Statistics of many weights: the bounds are more than six standard errors wide.

    The same seed, and another one, are tried with small networks.
    """
    if case.device:
        return {}  # the notebook creates networks, and `rng`, on the CPU
    (seed,) = case.args
    nets = [network(size) for size in (24, 2, 2, 2)]
    before = [list(net.parameters()) for net in nets]
    state = torch.get_rng_state()
    seeds = (seed, seed, seed, seed + 1)
    returned = [answer(net, seeded(s)) for net, s in zip(nets, seeds, strict=True)]
    foreign = not torch.equal(state, torch.get_rng_state())
    seen = statistics(nets[0]) | replaced(nets[0], before[0])
    if foreign:
        seen |= fact(
            "You drew from torch's global generator. Draw from rng: p.normal_(..., generator=rng)."
        )
    first, again, other = (nn.utils.parameters_to_vector(net.parameters()) for net in nets[1:])
    if not torch.equal(first, again) and not foreign:
        seen |= fact("Two generators with the same seed give different weights: use only rng.")
    if torch.equal(first, other):
        seen |= fact(
            "Generators with different seeds give the same weights: draw from rng, and don't seed "
            "it again."
        )
    if any(a is not b for a, b in zip(returned, nets, strict=True)):
        seen |= fact("Return `net` itself, after changing it: the notebook uses what you return.")
    return seen


def statistics(net: nn.Sequential) -> Observation:
    (conv, transposed, linear), norm = net
    weights = {
        "the convolution's weights": (conv.weight, 0),
        "the transposed convolution's weights": (transposed.weight, 0),
        "the linear layer's weights": (linear.weight, 0),
        "batch norm's gain": (norm.weight, 1),
    }
    biases = {"the convolution": conv, "the linear layer": linear, "batch norm": norm}
    with torch.no_grad():
        found = {
            f"{name} (mean, std, share within 0.02 of {mean})": torch.stack(
                [p.mean(), p.std(), ((p - mean).abs() < 0.02).float().mean()]
            )
            for name, (p, mean) in weights.items()
        }
        return found | {
            f"largest bias of {name}": layer.bias.abs().max() for name, layer in biases.items()
        }


Draw = Callable[[Tensor, float, torch.Generator], Any]


@torch.no_grad()
def normal(
    p: Tensor, mean: float, rng: torch.Generator, std: float = 0.02, shift: float = 0.0
) -> None:
    p.copy_(torch.randn(p.shape, generator=rng) * std + mean + shift)


def init_like(
    draw: Draw = normal,
    gain: float | Draw | None = 1.0,
    zero: Any = nn.Module,
    kinds: Any = nn.Module,
) -> Callable[..., nn.Module]:
    """Make an init function; the arguments choose a slip.

    `draw` is for weights, also for gains where `gain` is their mean; `zero` and `kinds` name the
    layers whose biases become 0, and whose weights are drawn.
    """

    def init(net: nn.Module, rng: torch.Generator) -> nn.Module:
        for layer in net.modules():
            for name, p in layer.named_parameters(recurse=False):
                if name == "bias" and isinstance(layer, zero):
                    nn.init.zeros_(p)
                elif name == "weight" and p.dim() > 1 and isinstance(layer, kinds):
                    draw(p, 0.0, rng)
                elif name == "weight" and p.dim() == 1 and isinstance(layer, kinds):
                    gain(p, 0.0, rng) if callable(gain) else draw(p, gain, rng)
        return net

    return init


def ones(p: Tensor, mean: float, rng: torch.Generator) -> None:
    nn.init.ones_(p)


def left(p: Tensor, mean: float, rng: torch.Generator) -> None:
    """Leaves a weight as it is."""


def uniform(p: Tensor, mean: float, rng: torch.Generator) -> None:
    nn.init.uniform_(p, mean - 0.02, mean + 0.02, generator=rng)


def foreign(p: Tensor, mean: float, rng: torch.Generator) -> None:
    """Draws from the global generator."""
    nn.init.normal_(p, mean, 0.02)


def by_size(draw: Callable[..., Any]) -> Draw:
    """Draws with a spread that depends on the layer's size."""
    return lambda p, mean, rng: draw(p, generator=rng)


def swapped(p: Tensor, mean: float, rng: torch.Generator) -> None:
    nn.init.normal_(p, 0.02, mean, generator=rng)


def init_children(net: nn.Module, rng: torch.Generator) -> nn.Module:
    """Leaves out the layers inside the network's children."""
    for layer in net.children():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1, 0.02, generator=rng)
            nn.init.zeros_(layer.bias)
    return net


def init_copy(net: nn.Module, rng: torch.Generator) -> nn.Module:
    """Changes a copy."""
    return init_like()(copy.deepcopy(net), rng)


def init_with_ones(net: nn.Module, rng: torch.Generator) -> nn.Module:
    """Biases are 1."""
    init_like()(net, rng)
    for name, p in net.named_parameters():
        if name.endswith("bias"):
            nn.init.ones_(p)
    return net


def init_by_dim(net: nn.Module, rng: torch.Generator, mean: float = 1.0) -> nn.Module:
    """Takes every vector for a gain."""
    for p in net.parameters():
        normal(p, mean if p.dim() == 1 else 0.0, rng)
    return net


def init_gain_only(net: nn.Module, rng: torch.Generator) -> nn.Module:
    """Draws biases as it draws weights."""
    for name, p in net.named_parameters():
        normal(p, float(p.dim() == 1 and name.endswith("weight")), rng)
    return net


def by_apply(net: nn.Module, rng: torch.Generator) -> nn.Module:
    """Layer by layer."""

    def visit(layer: nn.Module) -> None:
        weight, bias = (getattr(layer, name, None) for name in ("weight", "bias"))
        if weight is not None:
            nn.init.normal_(weight, float(weight.dim() == 1), 0.02, generator=rng)
        if bias is not None:
            nn.init.zeros_(bias)

    return net.apply(visit)


CONVOLUTIONS, LINEAR, NORM = (nn.Conv2d, nn.ConvTranspose2d), (nn.Linear,), (nn.BatchNorm2d,)
PLAIN = (nn.Conv2d, *NORM)

EXERCISE = Exercise(
    id="3.5",
    title="Initialisation",
    points=2,
    minutes=10,
    reference=blocks.init_normal,
    cases=lambda rng: [Case((integer(rng, 0, 10**6),))],
    observe=observe_init,
    slips={
        "The standard deviation is 0.02, not 0.2.": init_like(partial(normal, std=0.2)),
        "0.02 is the standard deviation, not the variance.": [
            init_like(partial(normal, std=0.02**0.5)),
            init_like(partial(normal, std=0.02**0.5), gain=partial(normal, shift=1.0)),
        ],
        "That is the variance, 0.02 squared: pass the standard deviation, 0.02.": init_like(
            partial(normal, std=0.02**2)
        ),
        "The standard deviation is 1, torch's default: pass 0.02, too.": [
            init_like(partial(normal, std=1.0)),
            init_like(partial(normal, std=1.0), gain=partial(normal, shift=1.0)),
            init_like(gain=partial(normal, std=1.0, shift=1.0)),
        ],
        "That is He or Xavier initialization, whose standard deviation depends on the layer's "
        "size; here it is 0.02 everywhere.": [
            init_like(by_size(draw), gain=partial(normal, shift=1.0))
            for draw in (
                nn.init.kaiming_normal_, nn.init.kaiming_uniform_,
                nn.init.xavier_normal_, nn.init.xavier_uniform_,
            )
        ],
        "Batch norm's gain should have mean 1: with 0 its output is about 0.": init_like(gain=0.0),
        "Draw batch norm's gain too, from N(1, 0.02): don't set it to 1.": init_like(gain=ones),
        "Batch norm's gain is left as it was: draw it from N(1, 0.02).": [
            init_like(gain=left), init_like(gain=left, zero=CONVOLUTIONS + LINEAR),
        ],
        "The weights of `net` are unchanged. Change them in place, with methods like p.normal_() "
        "under torch.no_grad(); `p = ...` only gives a name to a new tensor.": [
            lambda net, rng: net, lambda net, rng: None, init_copy,
        ],
        "nn.ConvTranspose2d is not a subclass of nn.Conv2d: G's layers were left out.": [
            init_like(kinds=PLAIN + LINEAR),
            init_like(kinds=PLAIN),
            init_like(kinds=PLAIN + LINEAR, zero=PLAIN + LINEAR),
            init_like(kinds=PLAIN, zero=PLAIN),
        ],
        "The linear layer was left out: hidden layers of Section 8 are linear.": [
            init_like(kinds=CONVOLUTIONS + NORM),
            init_like(kinds=CONVOLUTIONS + NORM, zero=CONVOLUTIONS + NORM),
            init_like(kinds=CONVOLUTIONS + NORM, zero=NORM),
            init_like(foreign, kinds=CONVOLUTIONS + NORM, zero=NORM),
        ],
        "Every bias should be 0, also those of convolutions and of linear layers.": init_like(
            zero=NORM
        ),
        "Every bias should be 0, also that of batch norm.": init_like(zero=CONVOLUTIONS + LINEAR),
        "Every bias should be 0, not 1.": init_with_ones,
        "Your code leaves the biases as they were: set every one to 0.": init_like(zero=()),
        "A bias has one dimension too, but it is no gain: where the name ends in bias, set it to "
        "0.": init_by_dim,
        "Don't draw the biases: set every one to 0.": init_gain_only,
        "You draw all of them alike: batch norm's gain should have mean 1, and every bias should "
        "be 0.": partial(init_by_dim, mean=0.0),
        "net.children() leaves out layers inside layers. Use net.modules().": init_children,
        "All weights lie within 0.02 of the mean: draw from a normal distribution, with normal_(), "
        "which has no such limit.": [
            init_like(uniform), init_like(uniform, gain=partial(normal, shift=1.0)),
        ],
        "Mean and standard deviation are swapped: the mean comes first.": init_like(swapped),
    },
    alternatives=(
        init_like(),
        by_apply,
    ),
    advice="Which statistic differs, and which of the exercise's four rules is it about: weights, "
    "gain, biases, or the generator?",
    rtol=0.03,
    atol=0.001,
)  # fmt: skip
