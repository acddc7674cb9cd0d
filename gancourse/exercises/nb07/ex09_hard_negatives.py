"""Exercise 7.9: hard negatives, sentences that are wrong in one attribute."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from gancourse.datasets.captions import change_one
from gancourse.exercises.base import FACT, AnswerError, Case, Exercise, Observation, as_tensor
from gancourse.exercises.differences import RAW
from gancourse.exercises.observe import integer, seeded
from gancourse.exercises.parts import Part

SIZES = (3, 5, 2, 4)
PATTERNS = {(0, 1, 2, 3): 5000, (1, 3): 10_000, (2,): 300, (): 100}
"""How many rows name which attributes: enough that 60 in 1000 are 6 standard deviations."""

SAME = f"{FACT}These are the rows that you were given: change one attribute of each."
BLANK = (
    f"{FACT}A row that names nothing should stay as it is. After the draw, keep the values that "
    "are -1."
)
NAMES_MORE = f"{FACT}Some attributes that were not named (-1) are named now. Choose among the rest."
NAMES_LESS = f"{FACT}Some attributes that were named are -1 now. They should get another value."
OUTSIDE = (
    f"{FACT}Some values are not in the range from 0 to size - 1 of their attribute: use the size "
    "of the attribute that you change."
)
SEVERAL = f"{FACT}Some rows differ in more than one attribute: change a single one."
STAYS = f"{FACT}Some rows that name something are as before: the new value must be another one."
FIXED = (
    f"{FACT}All rows that name the same attributes change the same one. Choose for each row: "
    "multinomial draws one column per row."
)
UNSEEDED = f"{FACT}The same seed gives different rows: draw from rng, with generator=rng."
REPEATED = (
    f"{FACT}Two calls in a row with the same rng give the same rows. Draw with generator=rng, and "
    "set no seed yourself: rng advances with each draw."
)


def rows(rng: torch.Generator) -> list[Case]:
    """Rows that name all, two, one, or none of four attributes, in random order."""
    parts = []
    for named, count in PATTERNS.items():
        part = torch.full((count, len(SIZES)), -1)
        for k in named:
            part[:, k] = torch.randint(SIZES[k], (count,), generator=rng)
        parts.append(part)
    said = torch.cat(parts)
    said = said[torch.randperm(len(said), generator=rng)]
    return [Case((said, SIZES, integer(rng, 0, 10**6)))]


def observe_rows(answer: Callable[..., Any], case: Case) -> Observation:
    """New rows; and of 60 rows twice from one generator, and from another of the same seed."""
    said, sizes, seed = case.args
    said = said[:60] if case.device else said
    new = as_rows(answer(said.clone(), sizes, seeded(seed)), said)
    some, rng = said[:60], seeded(seed)
    first, second = (as_tensor(answer(some.clone(), sizes, rng)) for _ in range(2))
    again = as_tensor(answer(some.clone(), sizes, seeded(seed)))
    return {f"{RAW}new": new, f"{RAW}first": first, f"{RAW}second": second, f"{RAW}again": again}


def conclude_rows(seen: Observation, case: Case) -> Observation:
    """Facts, and how often each attribute changes and each step occurs, per 1000."""
    said, sizes, _ = case.args
    new, first, second, again = (seen[RAW + name] for name in ("new", "first", "second", "again"))
    new = as_rows(new, said)
    changed, named, limits = new != said, said >= 0, torch.tensor(sizes)
    full, pair = named.all(dim=1), (named == torch.tensor([False, True, False, True])).all(dim=1)
    same = not changed.any()
    fixed = not same and bool((changed[full] == changed[full][:1]).all())
    facts = {
        SAME: same,
        BLANK: bool(changed[~named.any(dim=1)].any()),
        NAMES_MORE: bool((changed & ~named)[named.any(dim=1)].any()),
        NAMES_LESS: bool((named & (new < 0)).any()),
        OUTSIDE: bool((new >= limits).any()),
        SEVERAL: bool((changed.sum(dim=1) > 1).any()),
        STAYS: not same and bool((~changed.any(dim=1) & named.any(dim=1)).any()),
        FIXED: fixed,
        UNSEEDED: not first.equal(again),
        REPEATED: first.equal(second),
    }
    counts = {
        "how many attributes change, 0, 1, ..., per 1000 rows that name all": per_1000(
            changed[full].sum(dim=1)
        ),
        "how often each attribute changes, per 1000 rows that name all": mean_1000(changed[full]),
        "how often each attribute changes, per 1000 rows that name two": mean_1000(changed[pair]),
    }
    for k in (1, 3):
        step = ((new - said) % limits)[pair & changed[:, k], k]
        text = f"how often the step (new - old) % {sizes[k]} is 0, 1, ..., per 1000 changes"
        counts[text] = per_1000(step)
        text = f"how often a new value is 0, 1, ..., of {sizes[k]}, per 1000 changes"
        counts[text] = per_1000(new[pair & changed[:, k], k])
    return {
        **{fact: torch.tensor(so) for fact, so in facts.items()},
        **({} if same else counts),
    }


def as_rows(result: Any, said: Tensor) -> Tensor:
    new = as_tensor(result)
    if new.shape != said.shape:
        raise AnswerError(
            f"Expected rows of the shape that you were given, {tuple(said.shape)}; got shape "
            f"{tuple(new.shape)}."
        )
    if new.is_floating_point() or new.is_complex() or new.dtype == torch.bool:
        raise AnswerError(f"Expected integers, as the values are; got {new.dtype}.")
    return new.long()


def per_1000(values: Tensor) -> Tensor:
    """How often 0, 1, 2, 3, 4 occur; as integers, of which nothing but an order is said."""
    counts = values.clamp(0, 4).bincount(minlength=5)
    return (1000 * counts / max(1, len(values))).round().long()


def mean_1000(changed: Tensor) -> Tensor:
    """How often each column is true."""
    return (1000 * changed.float().mean(dim=0)).round().long()


# Answers with and without slips ------------------------------------------------------------------
def change_like(
    said: Tensor,
    sizes: Sequence[int],
    rng: torch.Generator,
    *,
    low: int = 1,
    less: int = 0,
    step: int = 0,
    clamp: bool = False,
    wrap: Callable[[Tensor], Tensor] | None = None,
    choose: Callable[[Tensor, torch.Generator], Tensor] | None = None,
    keep: bool = True,
) -> Tensor:
    """Scores in place of multinomial; a slip if asked for."""
    named = said >= 0
    scores = torch.rand(said.shape, generator=rng, device=rng.device).masked_fill(~named, -1)
    which = choose(named, rng) if choose else scores.argmax(dim=1, keepdim=True)
    size = torch.tensor(sizes, device=said.device)[which]
    value = said.gather(1, which)
    share = torch.rand(which.shape, generator=rng, device=rng.device)
    steps = low + (share * (size - low - less)).floor().long()
    new = value + (step if step else steps)
    new = torch.minimum(new, size - 1) if clamp else new % (wrap(size) if wrap else size)
    return said.scatter(1, which, torch.where(value < 0, value, new) if keep else new)


def by_loop(said: Tensor, sizes: Sequence[int], rng: torch.Generator) -> Tensor:
    """For each attribute in turn, all rows that change it: another value by skipping the old."""
    named = said >= 0
    order = torch.rand(said.shape, generator=rng, device=rng.device)
    which = torch.where(named, order, 2.0).argmin(dim=1)
    new = said.clone()
    for k, size in enumerate(sizes):
        there = ((which == k) & named[:, k]).nonzero()[:, 0]
        shape = there.shape
        other = torch.randint(size - 1, shape, generator=rng, device=rng.device)
        new[there, k] = other + (other >= said[there, k]).long()
    return new


def first_named(named: Tensor, rng: torch.Generator) -> Tensor:
    return named.long().argmax(dim=1, keepdim=True)


def among_all(named: Tensor, rng: torch.Generator) -> Tensor:
    """One of all attributes, named or not."""
    shape = (len(named), 1)
    return torch.randint(named.shape[1], shape, generator=rng, device=rng.device)


def once(named: Tensor, rng: torch.Generator) -> Tensor:
    """One draw for all rows; where that attribute is not named, the first one that is."""
    k = torch.randint(named.shape[1], (1, 1), generator=rng, device=rng.device).expand(
        len(named), 1
    )
    return torch.where(named.gather(1, k), k, first_named(named, rng))


def all_named(said: Tensor, sizes: Sequence[int], rng: torch.Generator) -> Tensor:
    """Change every attribute that is named."""
    limits = torch.tensor(sizes, device=said.device)
    share = torch.rand(said.shape, generator=rng, device=rng.device)
    new = (said + 1 + (share * (limits - 1)).long()) % limits
    return torch.where(said < 0, said, new)


def drop_one(said: Tensor, sizes: Sequence[int], rng: torch.Generator) -> Tensor:
    """Leave an attribute out: that makes no sentence wrong."""
    scores = torch.rand(said.shape, generator=rng, device=rng.device).masked_fill(said < 0, -1)
    return said.scatter(1, scores.argmax(dim=1, keepdim=True), -1)


def roll(said: Tensor, sizes: Sequence[int], rng: torch.Generator) -> Tensor:
    """What another sentence of the batch states."""
    return said.roll(1, 0)


def shuffled(said: Tensor, sizes: Sequence[int], rng: torch.Generator) -> Tensor:
    return said[torch.randperm(len(said), generator=rng, device=rng.device)]


def blank_rows_fail(named: Tensor, rng: torch.Generator) -> Tensor:
    return named.float().multinomial(1, generator=rng)


EXERCISE = Exercise(
    id="7.9",
    title="Hard negatives",
    points=3,
    minutes=12,
    reference=change_one,
    cases=rows,
    observe=observe_rows,
    conclude=conclude_rows,
    parts=(Part("which rows change, and where", 1, ("! *",)),),
    slips={
        "The old value occurs among the new ones. Steps from 1 to size - 1 never lead back to it: "
        "1 + (torch.rand(...) * (size - 1)).long().": partial(change_like, low=0),
        "The last step, size - 1, never occurs. torch.rand is below 1, so (rand * (size - 1)) "
        "rounded down ends at size - 2: add 1 to that.": partial(change_like, low=1, less=1),
        "The new value is always the next one. Draw a step from 1 to size - 1.": partial(
            change_like, step=1
        ),
        "The new value is always the one before. Draw a step from 1 to size - 1.": partial(
            change_like, step=-1
        ),
        "Beyond the last value the values start again at 0: wrap around with % size.": partial(
            change_like, clamp=True
        ),
        "The last value never occurs: wrap around with % size, not % (size - 1).": partial(
            change_like, wrap=lambda size: (size - 1).clamp(min=1)
        ),
        "Rows that name the same attributes all change the same one. Choose one at random for each "
        "row, among those that it names.": [
            partial(change_like, choose=first_named),
            partial(change_like, choose=once),
        ],
        "You choose among all attributes, and where the chosen one is not named nothing changes. "
        "Choose among those that are named.": partial(change_like, choose=among_all),
        "You choose among all attributes, and name some that were not named. Choose among those "
        "that are named.": partial(change_like, choose=among_all, keep=False),
        "You change every attribute that is named. D should have to look at a single "
        "one.": all_named,
        "You leave an attribute out (-1). Such a sentence is still true of its image: give the "
        "attribute another value.": drop_one,
        "These are rows of other sentences of the batch, which differ in many attributes. Change "
        "one attribute of each row.": [roll, shuffled],
        "A row that names nothing gives multinomial only zeros. Let it choose any attribute, and "
        "keep the -1 afterwards.": partial(change_like, choose=blank_rows_fail),
    },
    alternatives=(change_like, by_loop),
    advice="Compare with what you were given: (new != said).sum(dim=1) should be 1 in every row "
    "that names something.",
    atol=60,
)
