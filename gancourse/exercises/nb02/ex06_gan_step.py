"""Exercise 2.6: one iteration of Algorithm 1."""

from collections.abc import Callable, Iterator, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from gancourse.exercises.base import AnswerError, Case, Exercise, Observation, as_tensor
from gancourse.exercises.observe import integer, seeded
from gancourse.papers import gan
from gancourse.papers.blocks import MLP, MLPDiscriminator

Step = Callable[..., Mapping[str, Tensor]]


def seed_and_k(rng: torch.Generator) -> list[Case]:
    return [Case((integer(rng, 0, 10**6), 2), note="After two iterations")]


class Source:
    """Endless batches, and latent vectors, each from its own generator; counts the requests."""

    def __init__(self, seed: int) -> None:
        self.x_rng, self.z_rng = seeded(seed), seeded(seed + 1)
        self.x_count = self.z_count = 0

    def __iter__(self) -> Iterator[Tensor]:
        return self

    def __next__(self) -> Tensor:
        self.x_count += 1
        return torch.randn(8, 2, generator=self.x_rng) + 1

    def sample_z(self, m: int) -> Tensor:
        self.z_count += 1
        return torch.randn(m, 2, generator=self.z_rng)


def observe_step(answer: Step, case: Case) -> Observation:
    """Two iterations with tiny networks and SGD: the weights afterwards, and the losses."""
    seed, k = case.args
    rng, source = seeded(seed), Source(seed)
    G, D = MLP(2, 4, 2, rng=rng), MLPDiscriminator(2, 4, rng=rng)
    # SGD, not Adam: its steps show the size of a gradient
    opt_G, opt_D = (torch.optim.SGD(net.parameters(), lr=0.3) for net in (G, D))
    for _ in range(2):
        losses = answer(G, D, opt_G, opt_D, source, source.sample_z, k)
    if losses is None:
        raise AnswerError("gan_step returned nothing. Return both losses in a dictionary.")
    if not isinstance(losses, Mapping) or set(losses) != {"loss_D", "loss_G"}:
        raise AnswerError('gan_step should return {"loss_D": ..., "loss_G": ...}.')
    attached = [getattr(loss, "requires_grad", False) for loss in losses.values()]
    return {
        f"batches of real examples taken (k = {k})": torch.tensor(source.x_count),
        f"times that noise was drawn (k = {k})": torch.tensor(source.z_count),
        "D's weights": weights(D),
        "G's weights": weights(G),
        "loss_D": as_tensor(losses["loss_D"]),
        "loss_G": as_tensor(losses["loss_G"]),
        "losses are detached": torch.tensor(not any(attached)),
        "D can still be trained": torch.tensor(all(p.requires_grad for p in D.parameters())),
    }


def weights(net: nn.Module) -> Tensor:
    return torch.cat([p.detach().flatten() for p in net.parameters()])


def textbook_step(
    zero_grad: bool = True,
    G_in_loop: bool = False,  # G moves after each of D's k steps
    ignore_k: bool = False,
    swapped: bool = False,  # the labels of real and fake
    saturating: bool = False,  # G descends log(1 - D)
    same_noise: bool = False,  # G's turn reuses the noise of D's turn
    detach_in_G: bool = False,  # fakes are detached in G's turn too
    attached: bool = False,  # losses are returned with their graph
    detach: bool = True,  # False is correct as well, but slower
) -> Step:
    """Make a step like that of most tutorials, with cross-entropies, or one with a slip."""
    bce = F.binary_cross_entropy_with_logits

    def descend(opt: Optimizer, loss: Tensor) -> None:
        if zero_grad:
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
        def d_turn() -> tuple[Tensor, Tensor]:
            x = next(batches)
            z = sample_z(len(x))
            real, fake = D(x), D(G(z).detach() if detach else G(z))
            label_real, label_fake = torch.ones(len(x)), torch.zeros(len(x))
            if swapped:
                label_real, label_fake = label_fake, label_real
            loss = bce(real, label_real) + bce(fake, label_fake)
            descend(opt_D, loss)
            return z, loss

        def g_turn(z: Tensor) -> Tensor:
            z = z if same_noise else sample_z(len(z))
            fake = D(G(z).detach() if detach_in_G else G(z))
            zeros, ones = torch.zeros(len(z)), torch.ones(len(z))
            loss = -bce(fake, zeros) if saturating else bce(fake, ones)
            descend(opt_G, loss)
            return loss

        for _ in range(1 if ignore_k else k):
            z, loss_D = d_turn()
            if G_in_loop:
                loss_G = g_turn(z)
        if not G_in_loop:
            loss_G = g_turn(z)
        losses = {"loss_D": loss_D, "loss_G": loss_G}
        return losses if attached else {name: loss.detach() for name, loss in losses.items()}

    return step


EXERCISE = Exercise(
    id="2.6",
    title="One iteration of Algorithm 1",
    points=4,
    minutes=20,
    reference=gan.gan_step,
    cases=seed_and_k,
    observe=observe_step,
    slips={
        "Gradients of earlier steps are added to the new ones. Call opt.zero_grad() before each "
        "backward().": textbook_step(zero_grad=False),
        "G moves after each of D's steps. Its "
        "turn comes once, after the loop over k.": textbook_step(G_in_loop=True),
        "D takes one step whatever k is. Repeat D's turn k times.": textbook_step(ignore_k=True),
        "The labels in D's loss are swapped: real is 1 and fake is 0.": textbook_step(swapped=True),
        "G descends log(1 - D), as in Algorithm 1. This exercise asks for -log D, your "
        "generator_loss.": textbook_step(saturating=True),
        "G's turn reuses the noise of D's turn. Algorithm 1 draws fresh noise.": textbook_step(
            same_noise=True
        ),
        "G never moves: opt_G.step() is missing, or the fakes are detached (or made under "
        "no_grad) in G's turn too, where the "
        "gradient must flow through D into G.": textbook_step(detach_in_G=True),
        "Correct except for the end: return loss.detach(). Otherwise every stored loss keeps its "
        "graph in memory.": textbook_step(attached=True),
    },
    alternatives=(textbook_step(), textbook_step(detach=False)),
    advice="Compare your lines with the table of Algorithm 1: is each there, in the right turn?",
)
