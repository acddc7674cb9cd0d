"""Exercise 8.5: the content loss."""

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.exercises.base import Case, Exercise, Observation
from gancourse.exercises.differences import FACT
from gancourse.exercises.observe import images, observe_number
from gancourse.papers import srgan

CHANNELS = (4, 7, 5, 6)  # of the maps
GAINS = (0.5, 1.2, 0.25, 0.6)  # of the maps: neither the first nor the last has an extreme loss


class Maps:
    """A frozen network that returns the outputs of its layers, of different sizes, as a list."""

    def __init__(self, rng: torch.Generator, count: int) -> None:
        sizes = (3, *CHANNELS[:count])
        self.weights = [
            torch.randn(c_out, c_in, 3, 3, generator=rng) / (1.5 * c_in**0.5)
            for c_in, c_out in pairwise(sizes)
        ]
        self.constant: Tensor | None = None
        """What no graph should lead to."""
        self.recorded = False
        """Whether maps were computed with a graph that leads to it."""

    def __call__(self, x: Tensor) -> list[Tensor]:
        constant = self.constant is not None and self.constant.requires_grad
        if constant and x.requires_grad and torch.is_grad_enabled():
            (g,) = torch.autograd.grad(x.sum(), self.constant, allow_unused=True, retain_graph=True)
            self.recorded |= g is not None
        maps = []
        for weight, gain in zip(self.weights, GAINS, strict=False):
            x = F.conv2d(x, weight, stride=2, padding=1).tanh()
            maps.append(gain * x)
        return maps


def content_cases(rng: torch.Generator) -> list[Case]:
    cases = []
    for count in (4, 1):
        fake, real = (images(rng, 2, 3, 9, 13).requires_grad_() for _ in range(2))
        note = f"where phi returns {count} map" + "s" * (count > 1)
        cases.append(Case((Maps(rng, count), fake, real), note=note))
    return cases


def observe_content(answer: Callable[..., Any], case: Case) -> Observation:
    phi = case.args[0]
    phi.recorded = False

    def watching(phi: Maps, fake: Tensor, real: Tensor) -> Any:
        phi.constant = real
        return answer(phi, fake, real)

    seen = observe_number(watching, case)
    fact = (
        f"{FACT}The value is right, but phi(real) is computed with a graph, which nothing needs: "
    )
    fact += "compute it under torch.no_grad(), or from real.detach()."
    return {**seen, fact: torch.tensor(True)} if phi.recorded else seen


def content_like(
    distance: Callable[[Tensor, Tensor], Tensor] = F.mse_loss,
    detach: bool = True,
    reduce: Callable[[Tensor], Tensor] = torch.mean,
    maps: slice = slice(None),
) -> Callable[..., Tensor]:
    """Make a content loss, with a slip if asked for."""

    def content_loss(phi: Callable, fake: Tensor, real: Tensor) -> Tensor:
        targets = phi(real.detach() if detach else real)
        pairs = list(zip(phi(fake), targets, strict=True))[maps]
        return reduce(torch.stack([distance(a, b) for a, b in pairs]))

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


def content_in_one_pass(phi: Callable, fake: Tensor, real: Tensor) -> Tensor:
    """Both images in one batch."""
    maps = phi(torch.cat([fake, real.detach()]))
    losses = [(m[: len(fake)] - m[len(fake) :].detach()).square().mean() for m in maps]
    return torch.stack(losses).mean()


def in_one_row(phi: Callable, fake: Tensor, real: Tensor) -> Tensor:
    a, b = (torch.cat([m.flatten() for m in phi(x)]) for x in (fake, real.detach()))
    return F.mse_loss(a, b)


def under_inference_mode(phi: Callable, fake: Tensor, real: Tensor) -> Tensor:
    with torch.inference_mode():
        targets = phi(real)
    return torch.stack([F.mse_loss(a, b) for a, b in zip(phi(fake), targets, strict=True)]).mean()


def of_lists(phi: Callable, fake: Tensor, real: Tensor) -> Tensor:
    return F.mse_loss(phi(fake), phi(real.detach()))


def of_stacks(phi: Callable, fake: Tensor, real: Tensor) -> Tensor:
    return F.mse_loss(torch.stack(phi(fake)), torch.stack(phi(real.detach())))


EXERCISE = Exercise(
    id="8.5",
    title="Content loss",
    points=2,
    minutes=12,
    reference=srgan.content_loss,
    cases=content_cases,
    observe=observe_content,
    slips={
        "That compares pixels. Apply phi to both images first.": of_pixels,
        "That is an L1 or a smooth L1 loss. The paper's Equation 5 squares the differences.": [
            content_like(F.l1_loss),
            content_like(F.smooth_l1_loss),
        ],
        "You took a root. Leave it out, and take the mean of squares.": [
            content_like(lambda a, b: F.mse_loss(a, b).sqrt()),
            content_like(lambda a, b: (a - b).norm()),
        ],
        "That sums over a map, so large maps count most. Take the mean.": content_like(
            partial(F.mse_loss, reduction="sum")
        ),
        "That sums over the channels. Take the mean over all values of a map.": content_like(
            lambda a, b: (a - b).square().sum(dim=1).mean()
        ),
        "That sums over the positions of a map. Take the mean over all its values.": [
            content_like(lambda a, b: (a - b).square().sum(dim=(2, 3)).mean()),
            content_like(lambda a, b: (a - b).square().sum(dim=(1, 2, 3)).mean()),
        ],
        "All values are in one mean, so large maps count most. Take the mean of each map, then the "
        "mean of these.": in_one_row,
        "You added the losses of the maps. Divide by their number.": content_like(reduce=torch.sum),
        "Take the mean of the maps' losses, not the largest or the smallest.": [
            content_like(reduce=torch.max),
            content_like(reduce=torch.min),
        ],
        "You normalize the features, as the perceptual distance does. Compare the maps as they "
        "are.": [
            content_like(lambda a, b: F.mse_loss(F.normalize(a, dim=1), F.normalize(b, dim=1))),
            content_like(
                lambda a, b: (F.normalize(a, dim=1) - F.normalize(b, dim=1)).square().sum(1).mean()
            ),
        ],
        "You always divide by 2. Divide by the number of maps that phi returns.": content_like(
            reduce=lambda losses: losses.sum() / 2
        ),
        "The graph back to fake is lost. Compute phi(fake) outside no_grad(), and combine the "
        "losses with torch.stack or a sum: torch.tensor(...), item() and detach() cut the graph.": (
            content_like(reduce=lambda losses: losses.mean().detach())
        ),
        "A gradient is computed for the real image too. Compute its maps under torch.no_grad().": (
            content_like(detach=False)
        ),
        "Your code switches off the gradient of the caller's `real`. Use torch.no_grad() or "
        "real.detach().": lambda phi, fake, real: srgan.content_loss(
            phi, fake, real.requires_grad_(False)
        ),
        "Only the first map is used. phi returns a list: use all.": content_like(maps=slice(1)),
        "Only the last map is used. phi returns a list: use all.": content_like(
            maps=slice(-1, None)
        ),
        "fake and real are swapped: the gradient should reach fake, and real is constant.": (
            lambda phi, fake, real: srgan.content_loss(phi, real, fake)
        ),
        "Tensors made in inference mode can't be part of a graph. Use torch.no_grad().": (
            under_inference_mode
        ),
        "phi returns a list of maps, of different sizes. Compare them pair by pair: zip(phi(fake), "
        "targets).": [of_lists, of_stacks],
    },
    alternatives=(content_like(), content_in_a_loop, content_in_one_pass),
    advice="Print the shape of each map: is there one loss for each, and are all of them used?",
)
