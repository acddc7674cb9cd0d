"""Exercise 7.1: a sentence as numbers."""

from functools import partial

import torch
from torch import Tensor

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.observe import integer

ABC = "abcdefghijklmnopqrstuvwxyz0123456789 ,.-"


def texts(rng: torch.Generator) -> list[Case]:
    """Capitals and an unknown character inside; longer and shorter than the row."""
    cases = []
    for extra in (-integer(rng, 2, 3), integer(rng, 4, 6)):
        alphabet = "".join(ABC[i] for i in torch.randperm(len(ABC), generator=rng))
        inside = [alphabet[integer(rng, 0, len(ABC) - 1)] for _ in range(integer(rng, 5, 7))]
        letters = "".join(c for c in alphabet if c.isalpha())
        capital = letters[integer(rng, 0, 25)].upper()
        text = (
            " "
            + alphabet[0]
            + capital
            + "".join(inside[:3])
            + "é "
            + "".join(inside[3:])
            + letters[3]
        )
        length = len(text) + extra
        cases.append(
            Case((text, alphabet, length), note=f"for {len(text)} characters of text and {length=}")
        )
    return cases


def places(
    text: str,
    alphabet: str,
    length: int,
    *,
    lower: bool = True,
    none: int = -1,
    drop: bool = False,
    start: int = 0,
    cut: bool = True,
    front: bool = False,
) -> Tensor:
    """The position of each character in the alphabet, with a slip if asked for."""
    positions = [alphabet.find(c) for c in (text.lower() if lower else text)]
    positions = [p + start if p >= 0 else none for p in positions if p >= 0 or not drop]
    positions = positions[:length] if cut else positions
    padding = [none] * (length - len(positions))
    return torch.tensor(padding + positions if front else positions + padding)


def places_by_table(text: str, alphabet: str, length: int) -> Tensor:
    """Fill a row of -1."""
    row = torch.full((length,), -1)
    table = {c: i for i, c in enumerate(alphabet)}
    for i, c in enumerate(text.lower()[:length]):
        row[i] = table.get(c, -1)
    return row


EXERCISE = Exercise(
    id="7.1",
    title="A sentence as numbers",
    points=2,
    minutes=10,
    reference=places,
    cases=texts,
    slips={
        "Capitals count as unknown characters. Convert the text to lower case first.": partial(
            places, lower=False
        ),
        "You mark an unknown character with 0, the position of the first character of the "
        "alphabet. Mark it with -1.": partial(places, none=0),
        "You skip unknown characters, so all characters after them move. An unknown character "
        "keeps its place in the row, as -1.": partial(places, drop=True),
        "Positions start at 0; yours are too large by 1.": partial(places, start=1),
        "A longer text must be cut: every row has `length` integers.": partial(places, cut=False),
        "The padding is before the text; it belongs after it.": partial(places, front=True),
    },
    alternatives=(places_by_table,),
)
