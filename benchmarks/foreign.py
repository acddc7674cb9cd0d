"""Training set-ups as people bring them, healthy and faulty, to measure the diagnosis.

They were written without knowledge of `gancourse.training`: the networks, the order of the calls
and the faults follow what users post in GitHub issues, on Stack Overflow and in the PyTorch
forums. Each faulty one has one fault and trains badly because of it, unless a comment says
otherwise. The set-ups are in the files ``foreign_*.py``, which `load` imports:

    for each in foreign.load().values():
        bench, step = each.start(seed=0)
        # run step() foreign.steps(each.task) times; bench.sample(500) draws from G

"""

import importlib
import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from foreign_nets import StridedD, UpsampleG, mlp
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam, Optimizer

from gancourse.datasets import toy
from gancourse.datasets.batches import Batches

Step = Callable[[], dict[str, Tensor]]
PARTS = ("healthy", "styles", "weights", "gradients", "losses", "data", "networks")
POINTS, IMAGES, SIZE = 4000, 500, 16


def ring(rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Eight Gaussians on a circle of radius 0.7; every label is 0."""
    x = toy.Ring(modes=8, radius=0.7, std=0.02).sample(POINTS, rng)
    return x, torch.zeros(POINTS, dtype=torch.long)


def moons(rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Two interleaved half circles, centred, within [-1, 1]; labelled 0 and 1."""
    kind = torch.randint(2, (POINTS,), generator=rng)
    angle = math.pi * torch.rand(POINTS, generator=rng)
    sign = 1 - 2 * kind
    arc = torch.stack([angle.cos() * sign, angle.sin() * sign], dim=1)
    shift = torch.tensor([[-0.5, -0.25], [0.5, 0.25]])[kind]
    noise = 0.05 * torch.randn(POINTS, 2, generator=rng)
    return (arc + shift + noise) * 0.55, kind


def shapes(rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """Discs (label 0) and bars (label 1) in four colours on dark grey, (500, 3, 16, 16)."""

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(IMAGES, 1, 1, generator=rng)

    y, x = torch.meshgrid(torch.arange(SIZE), torch.arange(SIZE), indexing="ij")
    dx, dy = x - uniform(5, 10), y - uniform(5, 10)
    disc = uniform(2.5, 4.5) - (dx**2 + dy**2).sqrt()
    turned = uniform(0, 1) < 0.5
    across, along = torch.where(turned, dy, dx), torch.where(turned, dx, dy)
    bar = torch.minimum(1.5 - across.abs(), uniform(4, 7) - along.abs())
    kind = torch.randint(2, (IMAGES,), generator=rng)
    inside = torch.where(kind[:, None, None] == 1, bar, disc).mul(2).sigmoid()[:, None]
    palette = torch.tensor([[0.9, -0.4, -0.5], [-0.3, 0.8, -0.2], [-0.5, 0.1, 0.9], [0.9, 0.8, 0]])
    colour = palette[torch.randint(4, (IMAGES,), generator=rng)][:, :, None, None]
    grey = uniform(-0.9, -0.6)[:, None]
    return inside * colour + (1 - inside) * grey, kind


TASKS = {"ring": ring, "moons": moons, "shapes": shapes}


def steps(task: str) -> int:
    """Length of a run: 600 steps for points, 200 for images."""
    return 200 if task == "shapes" else 600


class Bench:
    """The parts of one training run, seeded. A set-up may replace any of them.

    Parameters
    ----------
    task : str
        A key of `TASKS`. The data are the same for every seed.
    seed : int
        Of the weights, the batches and the noise. Sets torch's global seed too.

    Attributes
    ----------
    data, labels : Tensor
        The whole training set, in [-1, 1], and the classes.
    batches : Iterator
        Endless mini-batches of 64, of 32 for images.
    G, D, opt_G, opt_D
        Networks and their optimizers.
    """

    def __init__(self, task: str, seed: int) -> None:
        torch.manual_seed(seed)
        self.rng = torch.Generator().manual_seed(seed)
        self.data, self.labels = TASKS[task](torch.Generator().manual_seed(1234))
        size = 32 if task == "shapes" else 64
        self.batches = Batches(self.data, size=size, rng=self.rng)
        if task == "shapes":
            self.nz, self.rate, self.betas = 16, 1e-3, (0.5, 0.99)
            self.use(UpsampleG(), StridedD())
        else:
            self.nz, self.rate, self.betas = 4, 1e-3, (0.0, 0.99)
            self.use(mlp(4, 128, 128, 2), mlp(2, 128, 128, 1, act=nn.LeakyReLU))

    def use(self, G: nn.Module, D: nn.Module) -> None:
        """Take these networks and make new optimizers for them."""
        self.G, self.D = G, D
        self.opt_G, self.opt_D = self.adam(G), self.adam(D)

    def adam(self, net: nn.Module, rate: float = 1.0) -> Optimizer:
        """Adam for every weight of `net`, with the task's learning rate times `rate`."""
        return Adam(net.parameters(), lr=self.rate * rate, betas=self.betas)

    def sample_z(self, m: int) -> Tensor:
        """Standard normal latent vectors, (m, nz)."""
        return torch.randn(m, self.nz, generator=self.rng)

    @torch.no_grad()
    def sample(self, m: int) -> Tensor:
        """G's output for m fresh latent vectors, in the mode that G is in."""
        return self.G(self.sample_z(m))


@dataclass(frozen=True)
class Setup:
    """One entry of the registry.

    Parameters
    ----------
    name : str
        Unique, in words.
    fault : str
        The cause in a few words; empty where nothing is wrong.
    task : str
        A key of `TASKS`.
    build : Callable
        Takes a `Bench`, returns the training step.
    """

    name: str
    fault: str
    task: str
    build: Callable[[Bench], Step]

    def start(self, seed: int = 0) -> tuple[Bench, Step]:
        """A fresh bench, as the set-up changed it, and its step."""
        bench = Bench(self.task, seed)
        step = self.build(bench)
        return bench, step


SETUPS: dict[str, Setup] = {}


def setup(name: str, *, fault: str, task: str) -> Callable[[Callable], Callable]:
    """Register the function below as the set-up `name`."""
    if name in SETUPS:
        raise ValueError(f"two set-ups are called {name!r}")
    if task not in TASKS:
        raise ValueError(f"{name!r}: task must be one of {', '.join(TASKS)}, got {task!r}")

    def register(build: Callable[[Bench], Step]) -> Callable[[Bench], Step]:
        SETUPS[name] = Setup(name, fault, task, build)
        return build

    return register


def load() -> dict[str, Setup]:
    """Import every file of set-ups; the registry, by name."""
    for part in PARTS:
        importlib.import_module(f"foreign_{part}")
    return SETUPS


def log(loss_D: Tensor, loss_G: Tensor) -> dict[str, Tensor]:
    """The losses of a step, cut from the graph."""
    return {"loss_D": loss_D.detach(), "loss_G": loss_G.detach()}


def plain(b: Bench, update_D: int = 1) -> Step:
    """An ordinary step on b's parts: for set-ups whose fault, if any, is not in the step.

    The parts are looked up at each call, so they can be replaced later too.
    """

    def step() -> dict[str, Tensor]:
        for _ in range(update_D):
            x = next(b.batches)
            fake = b.G(b.sample_z(len(x)))
            loss_D = F.softplus(-b.D(x)).mean() + F.softplus(b.D(fake.detach())).mean()
            b.opt_D.zero_grad()
            loss_D.backward()
            b.opt_D.step()
        loss_G = F.softplus(-b.D(fake)).mean()
        b.opt_G.zero_grad()
        loss_G.backward()
        b.opt_G.step()
        return log(loss_D, loss_G)

    return step
