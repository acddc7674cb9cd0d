"""Right and wrong answers to the exercises of notebook 02, and how they are observed."""

from collections.abc import Callable, Iterator, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from gancourse.exercises.base import AnswerError, Case, Observation, as_tensor
from gancourse.exercises.observe import number
from gancourse.papers.blocks import MLP, MLPDiscriminator


# 2.2 and 2.5 -----------------------------------------------------------------------------------
def logits(rng: torch.Generator) -> list[Case]:
    """Logits of both kinds, ordinary ones and some that are far out."""
    real, fake = torch.randn(2, number(rng, 3, 6), generator=rng) * 2 + torch.tensor([[1.0], [-1]])
    far = 110 + 10 * torch.rand(2, generator=rng)
    pairs = ((real, fake), (-far[:1], far[1:]))
    return [Case(pair, note=f"On real = {show(pair[0])}, fake = {show(pair[1])}") for pair in pairs]


def fake_logits(rng: torch.Generator) -> list[Case]:
    """Logits of fakes: ordinary ones, and one that is far out."""
    fake = torch.randn(number(rng, 3, 6), generator=rng) * 2 - 1
    far = -110 - 10 * torch.rand(1, generator=rng)
    return [
        Case((fake,), note=f"On fake = {show(fake)}"),
        Case((far,), note=f"On a far logit, {show(far)}"),
    ]


def show(logits: Tensor) -> str:
    return "[" + ", ".join(f"{value:.2f}" for value in logits.tolist()) + "]"


# 2.3 -------------------------------------------------------------------------------------------
def densities(rng: torch.Generator) -> list[Case]:
    """Positive densities at a few points; they don't add up to one over these points."""
    p, q = torch.rand(2, 5, generator=rng) * 1.5 + 0.05
    return [Case((p, q), note="On five points")]


# 2.6 -------------------------------------------------------------------------------------------
Turns = Callable[..., Mapping[str, Tensor]]


def rounds(rng: torch.Generator) -> list[Case]:
    return [Case((number(rng, 0, 10**6), 2), note="After two iterations")]


class Counted:
    """Endless batches, and noise, each from its own generator; counts how often it is asked."""

    def __init__(self, seed: int) -> None:
        self.x_rng = torch.Generator().manual_seed(seed)
        self.z_rng = torch.Generator().manual_seed(seed + 1)
        self.batches = self.noise = 0

    def __iter__(self) -> Iterator[Tensor]:
        return self

    def __next__(self) -> Tensor:
        self.batches += 1
        return torch.randn(8, 2, generator=self.x_rng) + 1

    def sample_z(self, m: int) -> Tensor:
        self.noise += 1
        return torch.randn(m, 2, generator=self.z_rng)


def observe_step(answer: Turns, case: Case) -> Observation:
    """Two iterations with tiny networks and SGD: who moved, and how far."""
    seed, k = case.args
    rng, source = torch.Generator().manual_seed(seed), Counted(seed)
    G, D = MLP(2, 4, 2, rng=rng), MLPDiscriminator(2, 4, rng=rng)
    # SGD, not Adam: its steps show the size of a gradient
    opt_G, opt_D = (torch.optim.SGD(net.parameters(), lr=0.3) for net in (G, D))
    for _ in range(2):
        losses = answer(G, D, opt_G, opt_D, source, source.sample_z, k)
    if losses is None:
        raise AnswerError("gan_step returned nothing. Return both losses in a dictionary.")
    if not isinstance(losses, Mapping) or set(losses) != {"loss_D", "loss_G"}:
        raise AnswerError('gan_step should return {"loss_D": ..., "loss_G": ...}.')
    graphs = [getattr(loss, "requires_grad", False) for loss in losses.values()]
    return {
        f"batches of real examples taken (k = {k})": torch.tensor(source.batches),
        f"times that noise was drawn (k = {k})": torch.tensor(source.noise),
        "how far D moved": as_tensor(weights(D)),
        "how far G moved": as_tensor(weights(G)),
        "loss_D": as_tensor(losses["loss_D"]),
        "loss_G": as_tensor(losses["loss_G"]),
        "losses are detached": torch.tensor(not any(graphs)),
        "D can still be trained": torch.tensor(all(p.requires_grad for p in D.parameters())),
    }


def weights(net: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in net.parameters()])


def turns(
    clear: bool = True,  # False: gradients are never cleared
    often: bool = False,  # True: G moves after each of D's k steps
    once: bool = False,  # True: k is ignored
    swapped: bool = False,  # True: D learns that fakes are real
    saturating: bool = False,  # True: G descends log(1 - D)
    same_noise: bool = False,  # True: G's turn reuses D's noise
    cut: bool = False,  # True: fakes are detached in G's turn too
    graph: bool = False,  # True: losses come back with their graph
    detach: bool = True,  # False is right as well, only slower
) -> Turns:
    """Make a step in the plain way of most tutorials, by cross-entropies, or one with a slip."""
    bce = F.binary_cross_entropy_with_logits

    def descend(opt: Optimizer, loss: Tensor) -> None:
        if clear:
            opt.zero_grad()
        loss.backward()
        opt.step()

    def step(
        G: nn.Module,
        D: nn.Module,
        opt_G: Optimizer,
        opt_D: Optimizer,
        batches: Iterator[Tensor],
        sample_z: Callable[[int], Tensor],
        k: int = 1,
    ) -> dict[str, Tensor]:
        def turn_of_d() -> tuple[Tensor, Tensor]:
            x = next(batches)
            z = sample_z(len(x))
            real, fake = D(x), D(G(z).detach() if detach else G(z))
            label_real, label_fake = torch.ones(len(x)), torch.zeros(len(x))
            if swapped:
                label_real, label_fake = label_fake, label_real
            loss = bce(real, label_real) + bce(fake, label_fake)
            descend(opt_D, loss)
            return z, loss

        def turn_of_g(z: Tensor) -> Tensor:
            z = z if same_noise else sample_z(len(z))
            fake = D(G(z).detach() if cut else G(z))
            zeros, ones = torch.zeros(len(z)), torch.ones(len(z))
            loss = -bce(fake, zeros) if saturating else bce(fake, ones)
            descend(opt_G, loss)
            return loss

        for _ in range(1 if once else k):
            z, loss_D = turn_of_d()
            if often:
                loss_G = turn_of_g(z)
        if not often:
            loss_G = turn_of_g(z)
        losses = {"loss_D": loss_D, "loss_G": loss_G}
        return losses if graph else {name: loss.detach() for name, loss in losses.items()}

    return step


# 2.8 -------------------------------------------------------------------------------------------
def clouds(rng: torch.Generator) -> list[Case]:
    """Modes that are covered well, by one point too few, from too far away, and just enough."""
    centres = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0], [4.0, 4.0]])
    centres = centres + torch.rand(1, 2, generator=rng)
    radius, least = 0.3, number(rng, 3, 5)
    counts = (least + number(rng, 6, 9), least - 1, number(rng, 2, 6), least)
    far = (0.0, 0.0, 0.45, 0.0)  # beyond the radius, but 0.45 squared is below it
    points = []
    for centre, n, away in zip(centres, counts, far, strict=True):
        angle = torch.rand(n, generator=rng) * 6.28
        length = away + 0.05 * torch.rand(n, generator=rng)
        points.append(centre + length[:, None] * torch.stack([angle.cos(), angle.sin()], dim=1))
    cloud = torch.cat([*points, centres[2:3] + 1.2])  # and one stray point
    cloud = cloud[torch.randperm(len(cloud), generator=rng)]
    return [Case((cloud, centres, radius, least), note=f"With radius {radius}, least = {least}")]


def observe_coverage(answer: Callable[..., tuple[int, float]], case: Case) -> Observation:
    found = answer(*[value.clone() if isinstance(value, Tensor) else value for value in case.args])
    if not isinstance(found, tuple) or len(found) != 2:
        as_tensor(found)  # says so if there is nothing
        raise AnswerError("mode_coverage should return two numbers: modes found, share of points.")
    return {"modes found": as_tensor(found[0]), "share of points": as_tensor(found[1])}


def coverage(
    squared: bool = False,
    any_point: bool = False,
    more: bool = False,
    nearest_only: bool = False,
    share_of: str = "points",
) -> Callable[[Tensor, Tensor, float, int], tuple[int, float]]:
    """Count mode by mode, in the plain way; or with a slip."""

    def count(points: Tensor, centres: Tensor, radius: float, least: int = 1) -> tuple[int, float]:
        distance = ((points[:, None] - centres[None]) ** 2).sum(dim=2)
        distance = distance if squared else distance.sqrt()
        near = distance <= radius
        if nearest_only:
            near = F.one_hot(distance.argmin(dim=1), len(centres)).bool()
        found = int((near.sum(dim=0) >= (1 if any_point else least + more)).sum())
        hits = float(near.any(dim=1).sum())
        share = {
            "points": hits / len(points),
            "modes": found / len(centres),
            "none": hits,
            "counted": float(near[:, near.sum(dim=0) >= least].any(dim=1).sum()) / len(points),
        }[share_of]
        return found, share

    return count
