"""Exercise 10.9: a training loop with three bugs."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.nb10._loop_log import RUNS, Loop, conclude_loop, observe_loop
from gancourse.exercises.observe import integer
from gancourse.exercises.parts import Part
from gancourse.papers import gan


def training_loop(
    G: nn.Module,
    D: nn.Module,
    opt_G: Optimizer,
    opt_D: Optimizer,
    average: nn.Module,
    batches: Iterator[Tensor],
    sample_z: Callable[[int], Tensor],
    steps: int,
    decay: float = 0.99,
) -> None:
    """Algorithm 1 for so many steps; `average` becomes the EMA of G's weights."""
    for _ in range(steps):
        gan.gan_step(G, D, opt_G, opt_D, batches, sample_z)
        gan.ema_update(average, G, decay)


def seeds(rng: torch.Generator) -> list[Case]:
    """Two runs that differ in the batch's size, the number of iterations and the decay."""
    return [
        Case((integer(rng, 0, 10**6), m), note=f"in {steps} iterations with decay = {decay}")
        for m, (steps, decay) in RUNS.items()
    ]


# Loops with and without bugs ---------------------------------------------------------------------
def minus(x: Tensor) -> Tensor:
    return F.softplus(-x).mean()


def plus(x: Tensor) -> Tensor:
    return F.softplus(x).mean()


def log_loss(real: Tensor, fake: Tensor) -> Tensor:
    return minus(real) + plus(fake)


def loop(
    *,
    fixed_noise: bool = False,
    twice: bool = False,  # latent vectors are drawn in each turn
    clears: tuple[str, ...] = ("D", "G"),
    detach: bool = False,
    share: Callable[[float], float] | None = lambda decay: 1 - decay,
    loss_D: Callable[[Tensor, Tensor], Tensor] = log_loss,
    loss_G: Callable[[Tensor], Tensor] = minus,
    cut: bool = False,
    early: bool = False,
    size: Callable[[Tensor], int] = len,
) -> Loop:
    """The notebook's loop, with some of its bugs or others."""

    def answer(
        G: nn.Module,
        D: nn.Module,
        opt_G: Optimizer,
        opt_D: Optimizer,
        average: nn.Module,
        batches: Iterator[Tensor],
        sample_z: Callable[[int], Tensor],
        steps: int,
        decay: float = 0.99,
    ) -> None:
        z = None
        for _ in range(steps):
            x = next(batches)
            z = sample_z(size(x)) if z is None or not fixed_noise else z
            fakes = G(z).detach() if detach else G(z)
            loss = loss_D(D(x), D(fakes))
            if "D" in clears:
                opt_D.zero_grad()
            loss.backward()
            opt_D.step()
            z = sample_z(size(x)) if twice else z
            fakes = G(z).detach() if cut else G(z)
            if "G" in clears:
                opt_G.zero_grad()
            if early:
                update(average, G, share, decay)
            loss_G(D(fakes)).backward()
            opt_G.step()
            if not early:
                update(average, G, share, decay)

    return answer


def update(average: nn.Module, G: nn.Module, share: Any, decay: float) -> None:
    with torch.no_grad():
        for mean, p in zip(average.parameters(), G.parameters(), strict=True):
            if share:
                mean.lerp_(p, share(decay))


def one_per_turn(*args: Any, **kwargs: Any) -> None:
    loop(twice=True, detach=True)(*args, **kwargs)


EXERCISE = Exercise(
    id="10.9",
    title="Three bugs in a loop",
    points=3,
    minutes=18,
    reference=training_loop,
    cases=seeds,
    observe=observe_loop,
    conclude=conclude_loop,
    parts=(
        Part("the latent vectors", 1, ("latent vectors",)),
        Part("the gradients of G", 1, ("G",)),
    ),
    slips={
        "sample_z belongs inside the loop: so far G is trained on one fixed batch of latent "
        "vectors, and nothing is learned about any other.": [
            loop(fixed_noise=True),
            loop(fixed_noise=True, detach=True),
        ],
        "The gradients of all earlier iterations, and of D's loss, are still in G: call "
        "opt_G.zero_grad() before loss_G.backward().": [
            loop(clears=("D",)),
            loop(clears=("D",), twice=True),
        ],
        "Detached fakes keep D's loss out of G, but G still adds up its own gradients: call "
        "opt_G.zero_grad() in each iteration.": loop(clears=("D",), detach=True),
        "mean.lerp_(p, w) is (1 - w) * mean + w * p. The new weights get the small share, "
        "1 - decay.": [loop(share=lambda decay: decay), loop(share=lambda d: d, twice=True)],
        "That removes the moving average. It should follow G slowly, at 1 - decay.": loop(
            share=lambda decay: 1.0
        ),
        "The update of the average is missing: it belongs after opt_G.step().": loop(share=None),
        "Update the average after opt_G.step(), with G's new weights.": loop(early=True),
        "D's gradients are added up over the iterations now: keep opt_D.zero_grad().": [
            loop(clears=("G",)),
            loop(clears=("G",), twice=True, detach=True),
        ],
        "In G's turn the fakes need their graph: only D's turn may detach them.": loop(cut=True),
        "D learns the opposite: real examples have label 1, softplus(-D(x)), and fakes 0, "
        "softplus(D(fakes)).": loop(loss_D=lambda real, fake: log_loss(fake, real)),
        "D's loss is the sum of its two terms, as it was.": loop(
            loss_D=lambda real, fake: log_loss(real, fake) / 2
        ),
        "G's loss has the wrong label or sign now. It was right as it stood: descend "
        "softplus(-D(G(z))).": [loop(loss_G=plus), loop(loss_G=lambda fake: -minus(fake))],
        "Draw as many latent vectors as the batch has examples, sample_z(len(x)).": loop(
            size=lambda x: 64
        ),
    },
    alternatives=(loop(), loop(detach=True), loop(twice=True), one_per_turn),
    advice="Print, for three iterations: the number of calls of sample_z, the norm of G's gradient "
    "before opt_G.step(), and the distance between average and G. What should each be?",
)
