"""Training loops as people write them: right ones in several styles, and one with slips."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import SGD, Adam, Optimizer, RMSprop
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from gancourse import env
from gancourse.datasets.batches import Batches
from gancourse.papers.diffaugment import Augmented, augment
from gancourse.papers.gan import descend, ema_update, frozen, gan_step, r1_penalty
from gancourse.papers.r3gan import r3gan_step
from gancourse.shapes import to_float
from gancourse.training.player import Player

Result = tuple[Any, Any, Any]


def minus(logits: Tensor) -> Tensor:
    return F.softplus(-logits).mean()


def plus(logits: Tensor) -> Tensor:
    return F.softplus(logits).mean()


def log_loss(real: Tensor, fake: Tensor) -> Tensor:
    return minus(real) + plus(fake)


def adams(G: nn.Module, D: nn.Module, rate: float = 1e-3) -> tuple[Optimizer, Optimizer]:
    """An optimizer for each player."""
    return tuple(Adam(net.parameters(), rate, (0.5, 0.99)) for net in (G, D))


def normal(m: int, dim: int, rng: torch.Generator) -> Tensor:
    return torch.randn(m, dim, generator=rng, device=rng.device)


def any_images(n: int, m: int, rng: torch.Generator) -> Tensor:
    """Indices of a batch."""
    return torch.randint(n, (m,), generator=rng, device=rng.device)


def follow(average: nn.Module, G: nn.Module) -> None:
    ema_update(average, G, 0.9)


def in_order(step: Any, keep: Any, average: Any) -> Result:
    return step, keep, average


def same(x: Any) -> Any:
    return x


def detached(x: Tensor) -> Tensor:
    return x.detach()


@dataclass(frozen=True)
class loop:  # noqa: N801 - used like a function that makes answers
    """A loop by hand, with slips if asked for; an instance is an answer."""

    batch: int = 32
    loss_d: Callable[[Tensor, Tensor], Tensor] = log_loss
    loss_g: Callable[[Tensor], Tensor] = minus
    optimizers: Callable[[nn.Module, nn.Module], tuple] = adams
    each_step: bool = False  # new optimizers in each step
    real: Callable[[Tensor], Tensor] = to_float
    draw: Callable[..., Tensor] = normal
    index: Callable[..., Tensor] = any_images
    once: str = ""  # what is drawn once for all steps: "z", "x"
    in_d: Callable[[Tensor], Tensor] = detached  # fakes in D's turn
    in_g: Callable[[Tensor], Tensor] = same
    cleared: tuple[str, ...] = ("D", "G")  # whose gradients are set to 0 before backward()
    late: str = ""  # whose gradients are set to 0 after it
    early: bool = False  # gradients of both are set to 0 at the beginning
    turns: str = "DG"
    average: Callable[[nn.Module], Any] = copy.deepcopy
    update: Callable[..., Any] = follow
    lacks: str = ""  # what is left out of `keep`
    rates: Callable[[int], float] | None = None  # a schedule of both learning rates
    count: Callable[[int], float] | None = None  # the weight of R1 at each step of a counter
    seeds: bool = False  # another generator in place of `rng`
    losses: Callable[[Tensor], Any] = detached
    leaves: Callable[[nn.Module, nn.Module], Any] | None = None  # done after each step
    repeat: bool = False  # all steps in one
    result: Callable[..., Any] = in_order

    def __call__(
        self, G: nn.Module, D: nn.Module, images: Tensor, steps: int, rng: torch.Generator
    ) -> Any:
        run = _ByHand(self, G, D, images, rng)
        times = steps if self.repeat else 1
        return self.result(lambda: [run.step() for _ in range(times)][-1], run.keep(), run.average)


class _ByHand:
    """A run of a `loop`."""

    def __init__(
        self, how: loop, G: nn.Module, D: nn.Module, images: Tensor, rng: torch.Generator
    ) -> None:
        self.how, self.G, self.D, self.images, self.rng = how, G, D, images, rng
        self.source = torch.Generator(rng.device).manual_seed(0) if how.seeds else rng
        self.opt_G, self.opt_D = how.optimizers(G, D)
        opts = (self.opt_G, self.opt_D)
        self.schedules = [LambdaLR(opt, how.rates) for opt in opts] if how.rates else []
        self.average, self.taken = how.average(G), 0
        self.fixed: dict[str, Tensor] = {}

    def drawn(self, name: str, value: Tensor) -> Tensor:
        return self.fixed.setdefault(name, value) if name in self.how.once.split() else value

    def turn(self, player: str, opt: Optimizer, loss: Tensor) -> None:
        if player in self.how.cleared and not self.how.early:
            opt.zero_grad()
        loss.backward()
        if player in self.how.late:
            opt.zero_grad()
        opt.step()

    def step(self) -> dict[str, Any]:
        how, G, D = self.how, self.G, self.D
        if how.each_step:
            self.opt_G, self.opt_D = how.optimizers(G, D)
        if how.early:
            G.zero_grad()
            D.zero_grad()
        index = how.index(len(self.images), how.batch, self.source)
        x = self.drawn("x", how.real(self.images[index]))
        z = self.drawn("z", how.draw(how.batch, G.noise_dim, self.source))
        loss_D = loss_G = torch.zeros(())
        if "D" in how.turns:
            loss_D = how.loss_d(D(x), D(how.in_d(G(z))))
            weight = how.count(self.taken) if how.count else 0
            self.turn("D", self.opt_D, loss_D + (weight * r1_penalty(D, x) if weight else 0))
        if "G" in how.turns:
            loss_G = how.loss_g(D(how.in_g(G(z))))
            self.turn("G", self.opt_G, loss_G)
        for schedule in self.schedules:
            schedule.step()
        how.update(self.average, G)
        self.taken += 1
        if how.leaves:
            how.leaves(G, D)
        return {"loss_D": how.losses(loss_D), "loss_G": how.losses(loss_G)}

    def keep(self) -> dict[str, Any]:
        names = ("G", "D", "average", "opt_G", "opt_D", "rng")
        every = {name: getattr(self, name) for name in names}
        every |= {f"schedule {n}": schedule for n, schedule in enumerate(self.schedules)}
        lacks = self.how.lacks.split()
        return {k: v for k, v in every.items() if not any(k.startswith(x) for x in lacks)}


# Right ones in other styles ----------------------------------------------------------------------
class Game:
    """A class with __call__, hinge losses, two steps of D per step of G; its counter is kept."""

    def __init__(self, G: Any, D: Any, images: Tensor, rng: torch.Generator) -> None:
        self.G, self.D, self.images, self.rng = G, D, images.float() / 127.5 - 1, rng
        self.opt_G, self.opt_D = RMSprop(G.parameters(), 5e-4), RMSprop(D.parameters(), 5e-4)
        self.average, self.done = copy.deepcopy(G).eval().requires_grad_(False), 0

    def z(self) -> Tensor:
        return normal(24, self.G.noise_dim, self.rng)

    def __call__(self) -> dict[str, float]:
        for _ in range(2):
            order = torch.randperm(len(self.images), generator=self.rng, device=self.rng.device)
            x = self.images[order[:24]]
            with torch.no_grad():
                fakes = self.G(self.z())
            loss_D = F.relu(1 - self.D(x)).mean() + F.relu(1 + self.D(fakes)).mean()
            self.opt_D.zero_grad()
            loss_D.backward()
            self.opt_D.step()
        self.D.requires_grad_(False)
        loss_G = -self.D(self.G(self.z())).mean()
        self.opt_G.zero_grad()
        loss_G.backward()
        self.opt_G.step()
        self.D.requires_grad_(True)
        self.done += 1
        share = min(0.95, (1 + self.done) / (10 + self.done))
        with torch.no_grad():
            for name, value in self.G.state_dict().items():
                mean = self.average.state_dict()[name]
                mean.copy_(share * mean + (1 - share) * value if mean.dim() else value)
        return {"loss_D": loss_D.item(), "loss_G": loss_G.item()}

    def state_dict(self) -> dict[str, int]:
        return {"done": self.done}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        self.done = state["done"]


def by_class(
    G: nn.Module, D: nn.Module, images: Tensor, steps: int, rng: torch.Generator
) -> Result:
    game = Game(G, D, images, rng)
    names = ("G", "D", "average", "opt_G", "opt_D", "rng")
    return game, {name: getattr(game, name) for name in names} | {"game": game}, game.average


def by_pairs(
    G: nn.Module, D: nn.Module, images: Tensor, steps: int, rng: torch.Generator
) -> Result:
    """Pairing loss with R1 and R2, Adam without momentum."""
    one, two = Player(G, lr=2e-3, betas=(0.0, 0.99), ema=0.99), Player(D, lr=2e-3, betas=(0.0, 0.9))
    batches, sample_z = Batches(images, size=16, rng=rng), env.noise(G.noise_dim, rng)

    def step() -> dict[str, Tensor]:
        losses = r3gan_step(G, D, one.opt, two.opt, batches, sample_z, gamma=0.5)
        one.advance()
        two.advance()
        return losses

    return step, {"one": one, "two": two, "rng": rng}, one.average


def augmented(
    G: nn.Module, D: nn.Module, images: Tensor, steps: int, rng: torch.Generator
) -> Result:
    """Augmented D, torch's own EMA with its constant decay, low learning rates."""
    average = AveragedModel(G, multi_avg_fn=get_ema_multi_avg_fn(0.99))
    opts = [Adam(net.parameters(), 6e-4, (0.5, 0.999)) for net in (G, D)]
    batches, sample_z = Batches(images, size=64, rng=rng), env.noise(G.noise_dim, rng)

    def step() -> Mapping[str, Tensor]:
        losses = gan_step(G, Augmented(D, rng, augment), *opts, batches, sample_z)
        average.update_parameters(G)
        return losses

    keep = dict(enumerate([G, D, average, *opts, rng]))
    return step, {str(name): thing for name, thing in keep.items()}, average


def without_momentum(
    G: nn.Module, D: nn.Module, images: Tensor, steps: int, rng: torch.Generator
) -> Result:
    """Lazy R1 and a schedule by a counter in a tensor, plain SGD for G, which has no state."""
    taken = nn.BatchNorm1d(1)  # any module with a buffer will do as a counter
    clock = taken.num_batches_tracked
    opt_D, opt_G = Adam(D.parameters(), 3e-3, (0.0, 0.99)), SGD(G.parameters(), 0.05)
    average = copy.deepcopy(G)

    def step() -> dict[str, Tensor]:
        x = to_float(images[any_images(len(images), 48, rng)])
        fakes = G(normal(48, G.noise_dim, rng))
        loss_D = log_loss(D(x), D(fakes.detach()))
        lazy = 16 * 0.05 * r1_penalty(D, x[:8]) if clock % 16 == 15 else 0
        descend(opt_D, loss_D + lazy)
        with frozen(D):
            loss_G = minus(D(fakes))
            descend(opt_G, loss_G)
        clock.add_(1)
        ema_update(average, G, 0.98)
        return {"loss_D": loss_D.detach(), "loss_G": loss_G.detach()}

    return step, {"G": G, "D": D, "a": average, "o": opt_D, "n": taken, "r": rng}, average
