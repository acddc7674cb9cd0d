"""Exercise 8.5: the content loss."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.exercises.base import Case, Exercise, Observation, as_tensor
from gancourse.exercises.observe import images, integer, seeded
from gancourse.papers import srgan


def content_cases(rng: torch.Generator) -> list[Case]:
    return [Case((images(rng, 2, 3, 6, 6), images(rng, 2, 3, 6, 6), integer(rng, 0, 10**6)))]


def two_maps(seed: int) -> Callable[[Tensor], list[Tensor]]:
    """A frozen network of two layers that returns the output of each."""
    rng = seeded(seed)
    first, second = (torch.randn(4, c, 3, 3, generator=rng) * 0.4 for c in (3, 4))

    def phi(x: Tensor) -> list[Tensor]:
        a = F.conv2d(x, first).tanh()
        return [a, F.conv2d(a, second, stride=2)]

    return phi


def observe_content(answer: Callable[..., Any], case: Case) -> Observation:
    fake, real = (x.clone().requires_grad_() for x in case.args[:2])
    loss = answer(two_maps(case.args[2]), fake, real)
    value = as_tensor(loss)
    if isinstance(loss, Tensor) and loss.requires_grad:
        gradients = torch.autograd.grad(loss.sum(), (fake, real), allow_unused=True)
    else:
        gradients = (None, None)
    return {
        "loss": value,
        "a gradient reaches the generated image": torch.tensor(gradients[0] is not None),
        "no gradient is computed for the real image": torch.tensor(gradients[1] is None),
        "gradient at the generated image": torch.zeros(1) if gradients[0] is None else gradients[0],
    }


def content_like(
    distance: Callable[[Tensor, Tensor], Tensor] = F.mse_loss,
    detach: bool = True,
    reduce: Callable[[Tensor], Tensor] = torch.mean,
    maps: slice = slice(None),
    rebuild: bool = False,
) -> Callable[..., Tensor]:
    """Make a content loss, with a slip if asked for."""

    def content_loss(phi: Callable, fake: Tensor, real: Tensor) -> Tensor:
        targets = [b.detach() if detach else b for b in phi(real)]
        pairs = list(zip(phi(fake), targets, strict=True))[maps]
        losses = torch.stack([distance(a, b) for a, b in pairs])
        return torch.tensor(losses.tolist()).mean() if rebuild else reduce(losses)

    return content_loss


def of_pixels(phi: Callable, fake: Tensor, real: Tensor) -> Tensor:
    return F.mse_loss(fake, real.detach())


def content_in_a_loop(phi: Callable, fake: Tensor, real: Tensor) -> Tensor:
    """Two lists, a running sum."""
    maps, targets = phi(fake), phi(real.detach())
    total = 0
    for a, b in zip(maps, targets, strict=True):
        total = total + ((a - b) ** 2).mean()
    return total / len(maps)


EXERCISE = Exercise(
    id="8.5",
    title="Content loss",
    points=2,
    minutes=12,
    reference=srgan.content_loss,
    cases=content_cases,
    observe=observe_content,
    slips={
        "The value is right, but torch.tensor(...) makes a new tensor outside the graph, so no "
        "gradient reaches G. Use torch.stack, or add the losses.": content_like(rebuild=True),
        "That compares pixels. Apply phi to both images first.": of_pixels,
        "Those are absolute differences. The paper's Equation 5 squares them.": content_like(
            distance=F.l1_loss
        ),
        "That sums over a map, so large maps count most. Take the mean.": content_like(
            distance=partial(F.mse_loss, reduction="sum")
        ),
        "You added the losses of the maps. Take their mean.": content_like(reduce=torch.sum),
        "The value is right, but a gradient is computed for the real image too. Compute its maps "
        "under torch.no_grad().": content_like(detach=False),
        "Only the first map is used. phi returns a list: use all.": content_like(maps=slice(1)),
        "Only the last map is used. phi returns a list: use all.": content_like(
            maps=slice(-1, None)
        ),
    },
    alternatives=(content_like(), content_in_a_loop),
)
