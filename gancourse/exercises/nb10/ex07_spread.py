"""Exercise 10.7: a sign of collapse."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.observe import observe_number
from gancourse.training.signs import spread

Within = Callable[[Tensor], Tensor]


def two_clouds(rng: torch.Generator) -> list[Case]:
    """Points and images, of different scales; more fakes than real examples, and fewer."""

    def batch(n: int, *shape: int, scale: float, shift: float) -> Tensor:
        return shift + scale * torch.randn(n, *shape, generator=rng)

    x, fakes = batch(3, 2, scale=1, shift=0.5), batch(5, 2, scale=0.4, shift=-0.3)
    images, fake_images = (
        batch(6, 2, 3, 4, scale=0.5, shift=0.5), batch(4, 2, 3, 4, scale=0.9, shift=-1),
    )  # fmt: skip
    alike = torch.tensor([[1.0, -2, 3]]).repeat(3, 1)
    return [
        Case((x, fakes), note="on 3 real points and 5 fakes"),
        Case((images, fake_images), note="on 6 real images and 4 fakes"),
        Case((batch(2, 3, scale=1, shift=0), alike), note="where all fakes are alike"),
    ]


def distances(x: Tensor, p: float = 2) -> Tensor:
    """The distance of each pair of different examples."""
    return F.pdist(x.flatten(start_dim=1), p)


def across(x: Tensor, y: Tensor) -> Tensor:
    """The distance of each x from each y."""
    return torch.cdist(x.flatten(start_dim=1), y.flatten(start_dim=1))


def ratio(within: Within) -> Callable[[Tensor, Tensor], Tensor]:
    """Make an answer that divides a number of the fakes by that of the real examples."""
    return lambda x, fakes: within(fakes) / within(x)


def over_pairs(distance: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    """Make an answer from a distance of examples, or of all pairs at once."""

    def within(x: Tensor) -> Tensor:
        return distance(x[:, None], x[None]).sum() / (len(x) * (len(x) - 1))

    return ratio(within)


def by_cdist(x: Tensor) -> Tensor:
    """All ordered pairs, of which those with itself add nothing to the sum."""
    return across(x, x).sum() / (len(x) * (len(x) - 1))


def by_loops(x: Tensor) -> float:
    pairs = [(a, b) for i, a in enumerate(x) for b in x[:i]]
    return sum((a - b).square().sum().sqrt().item() for a, b in pairs) / len(pairs)


SLIPS = {
    "The ratio is inverted: it should go to 0 when the fakes become alike.": (
        lambda x, fakes: distances(x).mean() / distances(fakes).mean()
    ),
    "You divide by n^2, as a mean over the n by n table does. The n distances of examples to "
    "themselves don't count: divide the sum by n (n - 1).": ratio(lambda x: across(x, x).mean()),
    "That is only how far the fakes are from each other. Divide it by the same mean over real "
    "examples.": [
        lambda x, fakes: distances(fakes).mean(), lambda x, fakes: across(fakes, fakes).mean(),
    ],
    "That is only how far the real examples are from each other. Divide the mean over "
    "fakes by it.": (
        lambda x, fakes: distances(x).mean()
    ),
    "That is a difference. Divide the mean over fakes by the mean over real examples.": (
        lambda x, fakes: distances(fakes).mean() - distances(x).mean()
    ),
    "That is the distance from fakes to real examples. Fakes that are all alike can be near "
    "the data: compare fakes with fakes.": [
        lambda x, fakes: across(fakes, x).mean() / distances(x).mean(),
        lambda x, fakes: across(fakes, x).mean() / across(x, x).mean(),
        lambda x, fakes: across(fakes, x).mean(),
        lambda x, fakes: distances(fakes).mean() / across(fakes, x).mean(),
    ],
    "Squares are averaged here: of distances or, in a variance, of values. Take the mean of the "
    "distances themselves.": [
        ratio(lambda x: distances(x).square().mean()),
        ratio(lambda x: distances(x).square().mean().sqrt()),
        ratio(lambda x: x.var(0, correction=0).mean()),
    ],
    "Those distances add absolute differences (p = 1). Take Euclidean ones.": ratio(
        lambda x: distances(x, 1).mean()
    ),
    "That is a standard deviation, or a variance, over all values together. It is not 0 for equal "
    "fakes: measure between examples.": [ratio(torch.std), ratio(torch.var)],
    "That compares standard deviations, value by value. Take the distances of pairs of "
    "examples.": [
        ratio(lambda x: x.std(0).mean()),
        ratio(lambda x: x.std(0, correction=0).mean()),
        lambda x, fakes: (fakes.std(0) / x.std(0)).mean(),
    ],
    "That is the distance from the mean of the examples. Take distances of pairs.": ratio(
        lambda x: (x - x.mean(0)).flatten(1).norm(dim=1).mean()
    ),
    "That is how far the examples are from the origin. Take distances of pairs.": ratio(
        lambda x: x.flatten(1).norm(dim=1).mean()
    ),
    "The sums are divided by the same number, or by none. Take means: m fakes have m (m - 1) "
    "ordered pairs, n real examples n (n - 1).": ratio(lambda x: distances(x).sum()),
    "Divide by the number of pairs: n (n - 1) for an n by n table, n (n - 1) / 2 where each pair "
    "counts once.": [
        ratio(lambda x: across(x, x).sum() / (len(x) * (len(x) + 1))),
        ratio(lambda x: across(x, x).sum() / len(x)),
        ratio(lambda x: across(x, x).sum() / (len(x) - 1)),
    ],
    "You dropped examples to get equal numbers of both kinds. Use all: the means may have "
    "different pair counts.": (lambda x, fakes: ratio(by_cdist)(x[: len(fakes)], fakes[: len(x)])),
    "That is the distance to the nearest other example. Take the mean over all pairs.": ratio(
        lambda x: across(x, x).sort(dim=1).values[:, 1].mean()
    ),
    "Your pairs are pairs of numbers. Flatten each example, not the whole batch: "
    "flatten(start_dim=1).": ratio(lambda x: distances(x.reshape(-1, 1)).mean()),
    "This is nan where all fakes are alike. If you left out distances of 0 by their value, you "
    "left out those, too: leave out the diagonal only.": ratio(
        lambda x: (d := across(x, x))[d > 0].mean()
    ),
    "Your pairs are neighbours in the batch. Take all pairs of different examples.": [
        ratio(lambda x: (x - x.roll(1, 0)).flatten(1).norm(dim=1).mean()),
        ratio(lambda x: (x[1:] - x[:-1]).flatten(1).norm(dim=1).mean()),
    ],
    "You used only pairs with the first example. Take all pairs of different examples.": [
        ratio(lambda x: (x[0] - x[1]).norm()),
        ratio(lambda x: (x[1:] - x[:1]).flatten(1).norm(dim=1).mean()),
    ],
    "Take the mean over pairs, not the median or the largest distance.": [
        ratio(lambda x: distances(x).median()), ratio(lambda x: distances(x).amax()),
    ],
    "Flatten each example to a vector first, x.flatten(start_dim=1): the distance is over all "
    "its values.": [
        ratio(lambda x: F.pdist(x).mean()),
        ratio(lambda x: torch.cdist(x, x).mean()),
        ratio(lambda x: torch.cdist(x, x).sum() / (len(x) * (len(x) - 1))),
        over_pairs(lambda a, b: (a - b).norm(dim=-1)),
        ratio(lambda x: (x[:, None] - x[None]).norm(dim=-1).mean()),
        ratio(lambda x: distances(x[:, :, None].transpose(0, 1).flatten(0, 1)).mean()),
    ],
}  # fmt: skip


EXERCISE = Exercise(
    id="10.7",
    title="An indicator of collapse",
    points=2,
    minutes=10,
    reference=spread,
    cases=two_clouds,
    observe=observe_number,
    slips=SLIPS,
    alternatives=(
        ratio(by_cdist),
        ratio(by_loops),
        ratio(lambda x: distances(x).mean()),
        lambda x, fakes: ratio(by_cdist)(x.double(), fakes.double())[None],
    ),
    advice="With two real examples and two fakes: is your result the distance of the fakes divided "
    "by the distance of the real examples?",
)
