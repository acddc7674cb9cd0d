"""A training loop under observation: tiny networks and images, and runs of an answer on them."""

import copy
import io
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.utils import vector_to_parameters
from torch.optim import Optimizer
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)

from gancourse.exercises.base import AnswerError
from gancourse.exercises.nb02._step_log import Dense
from gancourse.exercises.observe import seeded
from gancourse.shapes import to_float
from gancourse.training import checkpoint
from gancourse.training.player import expand

HIDDEN, FEW, NOISE, COUNT = 64, 24, 5, 300
"""Units in the hidden layer of G and of D, length of z, number of images."""
OVERRATED, NEUTRAL = (0.6, 1.0), (0.1, 0.2)
"""Of a D, its logit of the first fakes, and by how much it exceeds that of the images."""
FIRST, ALL = 3, 40
"""Steps of the first measurements, in which each step of an optimizer is looked at; steps of a run
that is interrupted."""
Answer = Callable[..., Any]
MOST = 400  # tensors that a network remembers


class Recorder(nn.Module):
    """A small network that remembers its inputs, and how often a gradient reached its output."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.inputs: list[Tensor] = []
        self.arrived, self.gated = 0, False

    def forward(self, x: Tensor) -> Tensor:
        if len(self.inputs) < MOST:
            self.inputs.append(x.detach().clone())
        y = self.layers(x)
        if self.gated and x.grad_fn is not None:
            fixed = {name: p.detach() for name, p in self.layers.named_parameters()}
            y = Gate.apply(y, functional_call(self.layers, fixed, (x,)))
        if y.requires_grad:
            y.register_hook(self._count)
        return y

    def _count(self, gradient: Tensor) -> None:
        self.arrived += bool(gradient.any())

    def forget(self) -> list[Tensor]:
        """The inputs so far, which are forgotten."""
        inputs, self.inputs, self.arrived = self.inputs, [], 0
        return inputs


class Gate(torch.autograd.Function):
    """D's output for fakes with a graph; a loss that raises it sends no gradient to D's weights.

    The first argument has both a path to the weights and one to the fakes, the second only the
    latter.
    """

    @staticmethod
    def forward(ctx: Any, y: Tensor, fixed: Tensor) -> Tensor:
        return y.clone()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        return (None, gradient) if gradient.sum() < 0 else (gradient, None)


class TinyG(Recorder):
    """Latent vectors to images; with batch norm or without."""

    def __init__(self, shape: tuple[int, ...], norm: bool, rng: torch.Generator) -> None:
        n = torch.Size(shape).numel()
        norms = [nn.BatchNorm1d(HIDDEN)] if norm else []
        first, last = Dense(NOISE, HIDDEN, rng), Dense(HIDDEN, n, rng)
        last.weight.data *= 0.3
        last.bias.data *= 0.1
        super().__init__(first, *norms, nn.LeakyReLU(0.2), last, nn.Tanh(), nn.Unflatten(1, shape))
        self.noise_dim = NOISE


def judge(x: Tensor, fakes: Tensor, wanted: tuple[float, float], rng: torch.Generator) -> Recorder:
    """A D, images to logits; at first it takes fakes for real, and data for less so."""
    logit, gap = wanted
    first, last = Dense(x[0].numel(), FEW, rng), Dense(FEW, 1, rng)
    first.weight.data = first.weight / 2 + 0.25 * first.in_features**-0.5
    last.weight.data.abs_()  # a function of brightness, which no augmentation reverses
    D = Recorder(nn.Flatten(), first, nn.LeakyReLU(0.6), last, nn.Flatten(0))
    with torch.no_grad():
        last.weight *= gap / (D(fakes).mean() - D(x).mean())
        last.bias += logit - D(fakes).mean()
    D.forget()
    return D


@dataclass(frozen=True)
class Setting:
    """Networks and images for the runs of a case; each run gets copies."""

    G: TinyG
    D: Recorder
    neutral: Recorder
    """A D that prefers the fakes only a little."""
    another: TinyG
    images: Tensor
    z: Tensor
    """Latent vectors for measurements."""
    bright: bool

    @property
    def x(self) -> Tensor:
        return to_float(self.images)


@lru_cache(maxsize=4)
def setting(seed: int, bright: bool, norm: bool, shape: tuple[int, ...]) -> Setting:
    """Almost black images, or almost white ones, with noise; the first fakes are grey."""
    rng = seeded(seed)
    level = torch.randint(8, 24, (COUNT, 1, 1, 1), generator=rng)
    images = (level + torch.randint(17, (COUNT, *shape), generator=rng)).to(torch.uint8)
    images = 255 - images if bright else images
    G, other = (TinyG(shape, norm, rng) for _ in range(2))
    z = torch.randn(128, NOISE, generator=rng)
    with torch.no_grad():
        fakes = copy.deepcopy(G)(z)
    D, neutral = (judge(to_float(images), fakes, kind, rng) for kind in (OVERRATED, NEUTRAL))
    return Setting(G, D, neutral, other, images, z, bright)


# Runs --------------------------------------------------------------------------------------------
ORDER = "Return three things in this order: step, keep, average."


class Run:
    """A run of an answer, set up on copies of a setting.

    `events` counts the steps of optimizers since the last `take`, by the networks that they have.
    """

    def __init__(
        self, answer: Callable[..., Any], given: Setting, steps: int, seed: int, **other: Any
    ) -> None:
        self.given, self.images = given, other.get("images", given.images).clone()
        self.G, self.D = (
            copy.deepcopy(other.get("G", given.G)),
            copy.deepcopy(other.get("D", given.D)),
        )
        self.nets = {"G": self.G, "D": self.D}
        self.D.gated = other.get("gated", False)
        self.rng, self.watched = seeded(seed), other.get("watched", FIRST)
        self.optimizers: list[Optimizer] = []
        self.events: Counter[str] = Counter()
        self.blind: set[str] = set()
        """Networks that had no gradient when their optimizer stepped."""
        self.taken, self.both = 0, False
        """Whether one step of an optimizer changed both networks."""
        result = answer(self.G, self.D, self.images, steps, self.rng)
        self.step, self.keep, self.average = parts(result)

    def take(self) -> dict[str, Tensor]:
        """One iteration: its losses, as numbers."""
        self.events.clear()
        self.taken += 1
        with self._watching() if self.taken <= self.watched else nullcontext():
            try:
                losses = self.step()
            except StopIteration:
                raise AnswerError(
                    "The batches ended. step() can be called any number of times: draw a batch by "
                    "indices, torch.randint(len(images), ...), in each step."
                ) from None
        return numbers(losses)

    @contextmanager
    def _watching(self) -> Iterator[None]:
        hooks = (
            register_optimizer_step_pre_hook(self._before),
            register_optimizer_step_post_hook(self._after),
        )
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _before(self, optimizer: Optimizer, *_: Any) -> None:
        names = self.of(optimizer)
        if not any(optimizer is known for known in self.optimizers):
            self.optimizers.append(optimizer)
        self.events[" and ".join(names)] += 1
        for name in names:
            if not any(p.grad is not None and p.grad.any() for p in self.nets[name].parameters()):
                self.blind.add(name)
        self.weights = {name: flat(net) for name, net in self.nets.items()}

    def _after(self, *_: Any) -> None:
        changed = [n for n, net in self.nets.items() if not flat(net).equal(self.weights[n])]
        self.both |= len(changed) == 2

    def of(self, optimizer: Optimizer) -> list[str]:
        """Names of the networks whose weights an optimizer has."""
        has = {id(p) for group in optimizer.param_groups for p in group["params"]}
        return [name for name, net in self.nets.items() if has & {*map(id, net.parameters())}]

    def clear(self, names: str = "GD") -> None:
        """Set the gradients of networks to 0."""
        for p in (p for name in names for p in self.nets[name].parameters()):
            if p.grad is not None:
                p.grad.zero_()

    def saved(self) -> Any:
        """A checkpoint of `keep`, written and read."""
        for name, thing in expand(self.keep).items():
            is_rng = isinstance(thing, torch.Generator)
            if not is_rng and not all(hasattr(thing, m) for m in ("state_dict", "load_state_dict")):
                raise AnswerError(
                    f"`keep` can't hold {str(name)!r}, a {type(thing).__name__}. Put networks, "
                    "optimizers and rng themselves there: `train` asks for their state when it "
                    "saves."
                )
        file = io.BytesIO()
        torch.save(checkpoint.copy_of(expand(self.keep)), file)
        file.seek(0)
        return torch.load(file, weights_only=True)

    def restore(self, state: Any) -> None:
        try:
            checkpoint.restore(expand(self.keep), state)
        except (RuntimeError, ValueError, KeyError) as error:
            raise AnswerError(
                "A new my_gan(...) can't load what was saved from `keep`: "
                f"{str(error).splitlines()[0][:100]}"
            ) from None


def parts(result: Any) -> tuple[Callable[[], Any], Mapping[str, Any], nn.Module]:
    """Step, keep and average, or AnswerError."""
    if result is None:
        raise AnswerError("my_gan returned nothing (None). Is a `return` missing?")
    if result is Ellipsis:
        raise NotImplementedError
    if not isinstance(result, (tuple, list)) or len(result) != 3:
        raise AnswerError(ORDER)
    step, keep, average = result
    if isinstance(step, Mapping) and set(step) >= {"loss_D", "loss_G"}:
        raise AnswerError("Return the function step itself, without parentheses: `train` calls it.")
    if not isinstance(keep, Mapping) or isinstance(step, (nn.Module, Mapping)):
        raise AnswerError(f"{ORDER} `keep` is a dictionary.")
    if not callable(step):
        raise AnswerError(f"{ORDER} `step` is a function without arguments.")
    if not isinstance(average, nn.Module):
        raise AnswerError(f"{ORDER} `average` is a network, an nn.Module.")
    return step, keep, average


def numbers(losses: Any) -> dict[str, Tensor]:
    """Both losses as numbers, or AnswerError."""
    form = 'step() should return {"loss_D": ..., "loss_G": ...}'
    if not isinstance(losses, Mapping) or not set(losses) >= {"loss_D", "loss_G"}:
        raise AnswerError(f"{form}.")
    if any(getattr(loss, "requires_grad", False) for loss in losses.values()):
        raise AnswerError(
            "The losses that step() returns still have their graph, which stays in memory: return "
            "loss.detach()."
        )
    try:
        found = {name: torch.as_tensor(losses[name]).double() for name in ("loss_D", "loss_G")}
    except (TypeError, ValueError, RuntimeError):
        raise AnswerError(f"{form}, two numbers.") from None
    if any(loss.numel() != 1 for loss in found.values()):
        raise AnswerError(f"{form}, two scalars: take the mean over the batch.")
    return {name: loss.reshape(()) for name, loss in found.items()}


def flat(net: nn.Module) -> Tensor:
    """All weights in one vector."""
    return torch.cat([p.detach().flatten() for p in net.parameters()])


def load(net: Recorder, weights: Tensor) -> Recorder:
    """The network, with weights from one vector."""
    vector_to_parameters(weights, net.parameters())
    return net


def memory(net: nn.Module) -> set[int]:
    """Where a network's weights and buffers lie."""
    return {t.data_ptr() for t in (*net.parameters(), *net.buffers()) if t.numel()}


@torch.no_grad()
def peek(net: Recorder, x: Tensor) -> Tensor:
    """A network's output; nothing is remembered, and its buffers stay as they are."""
    buffers = {name: b.clone() for name, b in net.layers.named_buffers()}
    return functional_call(net.layers, buffers, (x,)) if buffers else net.layers(x)


@torch.no_grad()
def samples(average: nn.Module, given: Setting) -> Tensor:
    """The images of a network in eval mode, which is left as it is."""
    try:
        images = copy.deepcopy(average).eval()(given.z)
    except RuntimeError:
        raise AnswerError("`average` doesn't take latent vectors z, as G does.") from None
    if images.shape != (len(given.z), *given.x.shape[1:]):
        raise AnswerError("`average` doesn't return images for latent vectors z.")
    return images


def matched(inputs: list[Tensor], given: Setting) -> set[int]:
    """Which of the images are among what D was given, as they are."""
    rows = [part.flatten(1) for part in inputs if part[0].numel() == given.x[0].numel()]
    if not rows:
        return set()
    distance, index = torch.cdist(torch.cat(rows), given.x.flatten(1)).min(dim=1)
    return set(index[distance < 0.02].tolist())
