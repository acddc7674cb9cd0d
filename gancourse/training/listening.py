"""What a training step does, as it does it: D's calls, the optimizers' steps, the gradients.

`Listener` hears a step of anybody's code, in any order; `signs.examine` turns it into numbers.
"""

import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer
from torch.optim.optimizer import (
    register_optimizer_step_post_hook,
    register_optimizer_step_pre_hook,
)
from torch.overrides import _get_current_function_mode, _pop_mode_temporarily

from gancourse.training.origins import FAKE, REAL, Origins, tensors

STRANGER = "stranger"
"""The owner of an optimizer that holds no weight of G or D."""


@dataclass(frozen=True)
class Call:
    """D was given examples of one origin. A joint batch counts as two calls."""

    origin: str
    x: Tensor
    logits: Tensor
    graph: bool
    """Whether the examples carry a graph, through which a gradient reaches G."""
    probe: bool
    """Whether they are a leaf that requires a gradient, as for a gradient penalty."""
    turn: int
    """Optimizer steps before it."""
    eval_norm: int
    """Layers of batch norm of D that were in eval mode."""
    frozen: bool
    """Whether no weight of D required a gradient."""


@dataclass(frozen=True)
class Update:
    """An optimizer is about to step."""

    owner: str
    """"G", "D" or `STRANGER`."""
    like: str
    """For a stranger: the network whose weights have the same shapes, or ""."""
    optimizer: int
    held: Mapping[str, float]
    """By network, the share of its weights that the optimizer updates."""
    gradients: tuple[Tensor, Tensor, Tensor]
    """Norms of the gradient of the owner: whole, of its first and of its last weight matrix."""
    stale: bool
    """Whether the gradient contains that of an earlier step of the owner."""
    both: bool
    """Whether a backward pass in it has reached the other network too."""
    reached: bool
    """Whether a backward pass has reached the owner since its step before."""
    leaked: bool
    """Of G: whether the gradient contains that of D's loss."""


class Gradients:
    """Which backward passes the gradient of a network consists of.

    One weight of each network is watched. A pass is forgotten when that weight's gradient is None
    or 0 as the next one arrives: that is how ``zero_grad`` shows, whoever calls it.
    """

    def __init__(self, nets: Mapping[str, nn.Module], origins: Origins) -> None:
        self.nets, self.origins = nets, origins
        self.steps = {name: 0 for name in nets}
        self.inside: dict[str, list[tuple[int, int]]] = {name: [] for name in nets}
        """For each network the passes in its gradient: number, and steps of it before."""
        self.reached: dict[str, set[int]] = {name: set() for name in nets}
        """For each network the passes that reached it."""
        self.clear = dict.fromkeys(nets, True)
        self.followed: dict[str, set[int]] = {name: set() for name in nets}
        """For each network the passes that its last step followed."""

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """For the length of a step."""
        with contextlib.ExitStack() as stack:
            for name, net in self.nets.items():
                weights = list(net.parameters())
                if not weights:
                    continue
                weight = weights[-1]  # the last: biases before batch norm get hardly any gradient
                trained = weight.requires_grad
                weight.requires_grad_(True)  # to accept hooks; many steps freeze D in G's turn
                arrives, added = self._hooks(name)
                stack.callback(weight.register_hook(partial(arrives, weight)).remove)
                stack.callback(weight.register_post_accumulate_grad_hook(added).remove)
                weight.requires_grad_(trained)
            yield

    def _hooks(self, name: str) -> tuple[Callable, Callable]:
        """Called before and after a gradient is added to the watched weight's."""

        def arrives(weight: Tensor, _: Tensor) -> None:
            self.clear[name] = weight.grad is None or not weight.grad.any()

        def added(_: Tensor) -> None:  # autograd.grad adds nothing
            if self.clear[name]:
                self.inside[name].clear()
            now = self.origins.backward_passes
            self.inside[name].append((now, self.steps[name]))
            self.reached[name].add(now)

        return arrives, added

    def stale(self, name: str) -> bool:
        """Whether a network's gradient contains that of one of its earlier steps."""
        return self.fresh(name) and any(n < self.steps[name] for _, n in self.inside[name])

    def both(self, name: str) -> bool:
        """Whether one of the passes in a network's gradient has reached the other network."""
        others = [passes for net, passes in self.reached.items() if net != name]
        return any(now in passes for now, _ in self.inside[name] for passes in others)

    def fresh(self, name: str) -> bool:
        """Whether a pass has reached a network since its last step."""
        return any(steps == self.steps[name] for _, steps in self.inside[name])

    def stepped(self, name: str) -> None:
        """Count a step of a network's optimizer."""
        self.steps[name] += 1
        self.followed[name] = {now for now, _ in self.inside[name]}

    def leaked(self) -> bool:
        """Whether G's gradient contains that of D's loss, which D's last step has followed."""
        return any(now in self.followed["D"] for now, _ in self.inside["G"])


@dataclass
class Heard:
    """What was heard in one step."""

    calls: list[Call] = field(default_factory=list)
    updates: list[Update] = field(default_factory=list)
    noise: list[Tensor] = field(default_factory=list)
    """G's inputs."""
    generated: int = 0
    """How often G was called."""
    last: dict[str, str] = field(default_factory=dict)
    """By network, the last function that computed its output: "tanh", "sigmoid", ..."""
    eval_norm: int = 0
    """Layers of batch norm of G that were in eval mode while it made fakes with a graph."""
    norm: dict[str, int] = field(default_factory=lambda: {"G": 0, "D": 0})
    """Layers of batch norm that were in training mode, by network."""


class Listener:
    """Hears steps of a G and a D; ``with listener.step() as heard`` around each of them."""

    def __init__(self, G: nn.Module, D: nn.Module) -> None:
        self.nets = {"G": _inner(G), "D": _inner(D)}
        self.norms = {
            name: [m for m in net.modules() if isinstance(m, _BatchNorm)]
            for name, net in self.nets.items()
        }
        self.origins = Origins()
        self.gradients = Gradients(self.nets, self.origins)

    @contextlib.contextmanager
    def step(self) -> Iterator[Heard]:
        """Hear one step, from its begin to its end."""
        heard = Heard()
        with (
            contextlib.ExitStack() as stack,
            self.gradients.watching(),
            self.origins,
            contextlib.ExitStack() as deaf,  # closed first: an error may come while it is open
        ):  # inside networks and optimizers there is nothing to mark

            def pause(*_: Any) -> None:
                if _get_current_function_mode() is self.origins:
                    deaf.enter_context(_pop_mode_temporarily())

            def after(listen: Callable) -> Callable:
                def hook(*seen: Any) -> None:
                    listen(heard, *seen[1:])
                    deaf.close()

                return hook

            listeners = {"G": self._hear_generator, "D": self._hear_discriminator}
            handles = [
                register_optimizer_step_pre_hook(
                    lambda opt, *_: (pause(), self._hear_update(heard, opt))[0]
                ),
                register_optimizer_step_post_hook(after(self._hear_end)),
            ]
            for name, listen in listeners.items():
                net = self.nets[name]
                handles += [
                    net.register_forward_pre_hook(pause),
                    net.register_forward_hook(after(listen), with_kwargs=True),
                ]
            for handle in handles:
                stack.callback(handle.remove)
            yield heard

    def _hear_generator(self, heard: Heard, args: tuple, kwargs: dict, out: Any) -> None:
        self.origins.mark(out, FAKE)
        off = self._norms_off(heard, "G")
        if any(x.requires_grad for x in tensors(out)):
            heard.eval_norm = max(heard.eval_norm, off)
        heard.last["G"] = last_function(out) or heard.last.get("G", "")
        heard.noise += [z for z in tensors((args, kwargs)) if z.is_floating_point()][:1]
        heard.generated += 1

    def _hear_discriminator(self, heard: Heard, args: tuple, kwargs: dict, out: Any) -> None:
        given = [x for x in tensors((args, kwargs)) if x.is_floating_point() and x.dim()]
        answers = [x for x in tensors(out) if x.is_floating_point()]
        if not given or not answers:
            return
        x, logits = next((x for x in given if x in self.origins.marks), given[0]), answers[0]
        rows = self.origins.rows(x)
        heard.last["D"] = last_function(out) or heard.last.get("D", "")
        graph, probe = x.requires_grad and not x.is_leaf, x.requires_grad and x.is_leaf
        place, off = len(heard.updates), self._norms_off(heard, "D")
        frozen = not any(p.requires_grad for p in self.nets["D"].parameters())
        kinds = [kind for n, kind in rows for _ in range(n)]
        for origin in dict.fromkeys(kinds):
            part: Any = slice(None)
            if len(rows) > 1 and len(logits) == len(x):
                part = [i for i, kind in enumerate(kinds) if kind == origin]
            seen = (x.detach()[part], logits.detach()[part])
            heard.calls.append(Call(origin, *seen, graph, probe, place, off, frozen))
        if rows == ((len(x), REAL),):
            self.origins.mark(x, REAL)

    def _norms_off(self, heard: Heard, name: str) -> int:
        """Note the layers of batch norm in training mode; return how many are in eval mode."""
        on = sum(m.training for m in self.norms[name])
        heard.norm[name] = max(heard.norm[name], on)
        return len(self.norms[name]) - on

    def _hear_update(self, heard: Heard, optimizer: Optimizer) -> None:
        weights = [p for group in optimizer.param_groups for p in group["params"]]
        here = {id(p) for p in weights}
        held, inside = {}, {}
        for name, net in self.nets.items():
            inside[name] = sum(id(p) in here for p in net.parameters())
            sizes = [(p.numel(), id(p) in here) for p in net.parameters() if p.requires_grad]
            held[name] = sum(n for n, inside in sizes if inside) / max(1, sum(n for n, _ in sizes))
        owner = max(inside, key=inside.get) if any(inside.values()) else STRANGER
        like, stale, both, reached = "", False, False, False
        if owner == STRANGER:
            shapes = [p.shape for p in weights]
            like = next(
                (
                    n
                    for n, net in self.nets.items()
                    if [p.shape for p in net.parameters()] == shapes
                ),
                "",
            )
        else:
            stale, both = self.gradients.stale(owner), self.gradients.both(owner)
            reached = self.gradients.fresh(owner)
        norms = gradient_norms(self.nets[owner]) if owner != STRANGER else (torch.zeros(()),) * 3
        leaked = owner == "G" and self.gradients.leaked()
        heard.updates.append(
            Update(owner, like, id(optimizer), held, norms, stale, both, reached, leaked)
        )

    def _hear_end(self, heard: Heard, *_: Any) -> None:
        if heard.updates[-1].owner != STRANGER:
            self.gradients.stepped(heard.updates[-1].owner)


def _inner(net: nn.Module) -> nn.Module:
    """The network in a wrapper for several devices."""
    parallel = (nn.DataParallel, nn.parallel.DistributedDataParallel)
    return net.module if isinstance(net, parallel) else net


def norm(parts: Iterable[Tensor | None]) -> Tensor:
    """Norm of tensors together; 0 if there is none."""
    return get_total_norm([part.detach().float() for part in parts if part is not None])


def gradient_norms(net: nn.Module) -> tuple[Tensor, Tensor, Tensor]:
    """Norm of a network's gradient: whole, of its first weight matrix, of its last one."""
    weights = list(net.parameters())
    matrices = [p for p in weights if p.dim() > 1]
    parts = (weights, matrices[:1], matrices[-1:])
    whole, first, last = (norm(p.grad for p in part) for part in parts)
    return whole, first, last


def last_function(out: Any) -> str:
    """The function that computed a network's output, apart from changes of shape; "" if unknown."""
    node = next((x.grad_fn for x in tensors(out)), None)
    while node is not None and node.name().startswith(SHAPE_ONLY):
        node = node.next_functions[0][0] if node.next_functions else None
    return re.sub(r"Backward\d*$", "", node.name()).lower() if node is not None else ""


SHAPE_ONLY = (
    "View", "UnsafeView", "Reshape", "Squeeze", "Unsqueeze", "ToCopy", "Clone", "Transpose",
    "Permute", "Select", "Alias", "T0",
)  # fmt: skip
