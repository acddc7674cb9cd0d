"""Exercise 9.5: exchanging fakes with the image pool."""

from collections.abc import Callable

import torch
from torch import Tensor

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.observe import images
from gancourse.papers import cyclegan
from gancourse.papers.cyclegan import exchange


def pools(rng: torch.Generator) -> list[Case]:
    kept, fakes = images(rng, 6, 1, 2, 2), images(rng, 4, 1, 2, 2)
    coins = torch.tensor([True, True, False, False])[torch.randperm(4, generator=rng)]
    places = torch.arange(4)
    while bool((places == torch.arange(4)).any()):  # none in its own order: slips would hide
        places = torch.randperm(6, generator=rng)[:4]
    return [Case((kept, fakes, coins, places), note="with a pool of 6, 4 fakes and 2 coins True")]


def pool_by_loop(
    kept: Tensor, fakes: Tensor, coins: Tensor, places: Tensor
) -> tuple[Tensor, Tensor]:
    """One fake after the other, as in the authors' code."""
    new, shown = kept.clone(), []
    for fake, coin, place in zip(fakes, coins, places, strict=True):
        shown.append(new[place].clone() if coin else fake)
        if coin:
            new[place] = fake
    return torch.stack(shown), new


def pool_like(
    turn: bool = False,
    keep: bool = True,
    everything: bool = False,
    overwritten: bool = False,
    in_order: bool = False,
    both: int = 1,
) -> Callable[..., tuple[Tensor, Tensor]]:
    """Make an exchange, with a slip if asked for."""

    def answer(kept: Tensor, fakes: Tensor, coins: Tensor, places: Tensor) -> tuple:
        if turn:
            coins = ~coins
        if in_order:
            places = torch.arange(len(fakes))
        shown, new = exchange(kept, fakes, coins, places)
        if everything:
            new = kept.clone()
            new[places] = fakes
        if overwritten:
            shown = fakes.clone()
        if not keep:
            new = kept.clone()
        return (shown, new)[::both]

    return answer


EXERCISE = Exercise(
    id="9.5",
    title="The image pool",
    points=2,
    minutes=12,
    reference=cyclegan.exchange,
    cases=pools,
    slips={
        "The coins are swapped: True means exchange.": pool_like(turn=True),
        "What is shown is right, but the pool is unchanged: put the exchanged "
        "fakes into it.": pool_like(keep=False),
        "Every fake went into the pool, even those whose coin is False.": pool_like(
            everything=True
        ),
        "Only new fakes are shown: read the old image before its place is overwritten.": pool_like(
            overwritten=True
        ),
        "You used the places 0, 1, 2 ... instead of `places`.": pool_like(in_order=True),
        "Swap the two results: return what is shown, then the pool.": pool_like(both=-1),
    },
    alternatives=(pool_by_loop, pool_like()),
)
