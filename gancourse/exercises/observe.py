"""What exercises of several notebooks share: random inputs, and observing a network."""

from collections.abc import Callable, Collection, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

from gancourse.exercises.base import AnswerError, Case, Observation, gradients, observe_call
from gancourse.exercises.differences import FACT, STEP


def one_of(rng: torch.Generator, *numbers: int) -> int:
    """One of these numbers."""
    return numbers[integer(rng, 0, len(numbers) - 1)]


def integer(rng: torch.Generator, low: int, high: int) -> int:
    """A random integer from low to high, both included."""
    return int(torch.randint(low, high + 1, (), generator=rng))


def integers(rng: torch.Generator, *ranges: tuple[int, int]) -> list[Case]:
    """One case: an integer from each range, and a seed for the weights."""
    return [Case((*[integer(rng, low, high) for low, high in ranges], integer(rng, 0, 10**6)))]


def images(rng: torch.Generator, *shape: int) -> Tensor:
    """Random images in [-1, 1]."""
    return torch.rand(shape, generator=rng) * 2 - 1


def seeded(seed: int) -> torch.Generator:
    """A generator with a case's seed."""
    return torch.Generator().manual_seed(seed)


def as_network(layers: Any, name: str) -> nn.Module:
    """A network from what a function of layers returned: a list of layers, or a Sequential."""
    if layers is None:
        raise AnswerError(f"{name} returned nothing. Is a `return` missing?")
    if isinstance(layers, nn.Module) and not isinstance(layers, nn.Sequential):
        raise AnswerError(f"Return a list of layers: it is unpacked, nn.Sequential(*{name}(...)).")
    if not isinstance(layers, Iterable):
        raise AnswerError(f"Return a list of layers, not a {type(layers).__name__}.")
    return nn.Sequential(*layers)


def fact(sentence: str) -> Observation:
    """An observation that is a sentence for the student."""
    return {FACT + sentence: torch.tensor(True)}


def observe_number(answer: Callable[..., Any], case: Case) -> Observation:
    """As `observe_call`, where the result is one number: a tensor of any shape will do."""
    seen = observe_call(answer, case)
    x = seen.get("result")
    return {**seen, "result": x.reshape(())} if x is not None and x.numel() == 1 else seen


def observe_network(
    net: Any,
    rng: torch.Generator,
    trained: Collection[str] | None = None,
    **shapes: tuple[int, ...],
) -> Observation:
    """What a network computes: its outputs, the gradients at its inputs, its steps in words.

    Weights are drawn in the order in which the forward pass uses them, so that the order in which
    layers were declared does not matter.

    Parameters
    ----------
    net : nn.Module
        The answer; its weights are overwritten.
    rng : torch.Generator
        Draws inputs and weights.
    trained : Collection[str], optional
        The inputs that a gradient has to reach: all of them by default.
    **shapes : tuple[int, ...]
        The shape of each input of `forward`, by its name, in order: batch first, two or more.

    Raises
    ------
    AnswerError
        For what is no network, has layers that it does not own, or changes an input.
    """
    if not isinstance(net, nn.Module):
        raise AnswerError(f"Expected a network (an nn.Module), got a {type(net).__name__}.")
    _refuse_foreign_layers(net)
    given = {name: images(rng, *shape) for name, shape in shapes.items()}
    trace = _draw_weights(net, rng, given)
    for x in given.values():
        x.requires_grad_()
    y = net(*given.values())
    if not isinstance(y, Tensor):
        raise AnswerError(f"forward should return a tensor, got a {type(y).__name__}.")
    if not y.requires_grad:
        raise AnswerError("The output has no graph: is there a detach() or no_grad() in forward?")
    own = list(net.parameters())
    reached = torch.autograd.grad(y.sum(), own, retain_graph=True, allow_unused=True)
    found = gradients(y, {n: x for n, x in given.items() if trained is None or n in trained})
    with torch.no_grad():
        one = net.eval()(*(x[:1] for x in given.values()))
    shapes_used = [p.shape for p in trace.used.values()]
    return {
        **({} if all(p.requires_grad for p in own) else fact(FROZEN)),
        **({} if all(g is not None for g in reached) else fact(UNREACHED)),
        "number of tensors with weights or biases": torch.tensor(len(own)),
        "number of weights and biases": torch.tensor(sum(p.numel() for p in own)),
        **{
            f"weight {n} in the order of use": torch.full(shape, float(shape.numel()))
            for n, shape in enumerate(shapes_used, start=1)
        },
        "output": y.detach(),
        "output for a batch of one, in eval mode": one,
        **found,
        **{f"{STEP}{n:02d} {step}": torch.tensor(True) for n, step in enumerate(trace.steps)},
    }


FROZEN = "Some weights have requires_grad=False: no training would ever change them."
UNREACHED = (
    "Some weights get no gradient: there is a layer that forward does not use, or a detach() or "
    "no_grad() in forward."
)


def _refuse_foreign_layers(net: nn.Module) -> None:
    """Layers in a plain list, or made in `forward`, don't belong to a network."""
    own = set(net.modules())
    held = ((name, value) for owner in own for name, value in vars(owner).items())
    for name, value in held:
        if name.startswith("_") or not isinstance(value, (list, tuple, dict)):
            continue
        if any(isinstance(x, nn.Module) and x not in own for x in tree_leaves(value)):
            raise AnswerError(
                f"The layers in self.{name} don't belong to the network: a Python "
                f"{type(value).__name__} does not register them, so they would not be trained. "
                "Use nn.ModuleList or nn.Sequential."
            )
    if not any(True for _ in net.parameters()):
        raise AnswerError(
            "The network has no weights of its own: create its layers in __init__, as attributes "
            "or in an nn.Sequential."
        )


def _draw_weights(net: nn.Module, rng: torch.Generator, inputs: dict[str, Tensor]) -> "Trace":
    """Draw all weights and biases, in the order in which a forward pass uses them."""
    copies = {name: x.clone() for name, x in inputs.items()}
    with torch.no_grad(), Trace(net) as trace:
        net.train()(*copies.values())
    for name, x in inputs.items():
        if not torch.equal(x, copies[name]):
            raise AnswerError(
                f"Your forward changes `{name}` in place, and the caller still needs it. Make a "
                f"new tensor: {name} = {name} * 2 does, {name} *= 2 and inplace=True don't."
            )
    for layer in net.modules():  # undo that pass
        if isinstance(layer, _NormBase):
            layer.reset_running_stats()
    with torch.no_grad():
        for p in dict.fromkeys([*trace.used.values(), *net.parameters()]):
            spread = 1.4 / max(1, p[0].numel()) ** 0.5 if p.dim() > 1 else 0.4  # keeps the scale
            shift = 0.3 if p.dim() == 1 else 0
            p.copy_(torch.randn(p.shape, generator=rng) * spread + shift)
    return trace


class Trace(TorchFunctionMode):
    """Within it, a network's forward pass is written down.

    `used` has its weights and biases in the order in which functions get them, whether a layer
    holds them or the network itself; `steps` the functions in words.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.own = {id(p) for p in net.parameters()}
        self.used: dict[int, Tensor] = {}
        self.steps: list[str] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs, name = kwargs or {}, getattr(func, "__name__", "")
        if name != "__get__":
            tensors = (x for x in tree_leaves((args, kwargs)) if id(x) in self.own)
            self.used |= {id(x): x for x in tensors if id(x) not in self.used}
            text = _step(name.rstrip("_"), args, kwargs)
            self.steps += [text] if text else []
        return func(*args, **kwargs)


PLAIN_STEPS = {
    "relu", "tanh", "sigmoid", "softmax", "elu", "gelu", "silu", "softplus", "dropout", "cat",
    "linear", "layer_norm", "group_norm", "max_pool2d", "avg_pool2d", "adaptive_avg_pool2d",
    "adaptive_max_pool2d", "interpolate", "pixel_shuffle", "prelu", "hardtanh", "relu6",
}  # fmt: skip


def _step(name: str, args: tuple, kwargs: dict[str, Any]) -> str:
    """A function of a forward pass in words; empty for one that does not matter."""
    if name in ("conv2d", "conv_transpose2d"):
        weight, bias, stride, padding = (*args[1:5], *(None,) * (5 - len(args)))
        same = padding == "same" and set(weight.shape[2:]) == {3}
        channels = weight.shape[:2] if name == "conv_transpose2d" else weight.shape[1::-1]
        return (
            f"{name} {'x'.join(map(str, weight.shape[2:]))}, {channels[0]} to {channels[1]} "
            f"channels, stride {_one(stride)}, padding {1 if same else _one(padding)}, "
            f"{'no bias' if bias is None else 'with a bias'}"
        )
    if name in ("batch_norm", "instance_norm"):
        learned = args[3] if len(args) > 3 else kwargs.get("weight")
        return f"{name} {'without' if learned is None else 'with'} weights"
    if name == "leaky_relu":
        return f"leaky_relu with slope {args[1] if len(args) > 1 else kwargs.get(SLOPE, 0.01)}"
    if name == "pad":
        return f"pad, mode {args[2] if len(args) > 2 else kwargs.get('mode', 'constant')}"
    return name if name in PLAIN_STEPS else ""


SLOPE = "negative_slope"


def _one(size: Any) -> Any:
    """A size for height and width as one number, where they agree."""
    return size[0] if isinstance(size, (tuple, list)) and len(set(size)) == 1 else size


def fill(net: nn.Module, rng: torch.Generator) -> nn.Module:
    """Give every parameter values from `rng`, in order; returns the network."""
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(torch.randn(p.shape, generator=rng) * 0.3)
    return net
