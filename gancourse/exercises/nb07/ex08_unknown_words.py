"""Exercise 7.8: words that G has never read."""

import re
from collections.abc import Callable, Collection
from typing import Any

import torch

from gancourse.datasets.captions import unknown_words, vocabulary
from gancourse.exercises.base import AnswerError, Case, Exercise, Observation, as_tensor
from gancourse.exercises.observe import integer

STRANGE = ("tulip", "turquoise", "bees", "garden", "stripes", "three", "rosé")
WORD = r"[^\W_]+"
KNOWN = ("red", "flower", "petals", "round", "with", "a", "small", "meadow")


def orders(rng: torch.Generator) -> list[Case]:
    """Capitals, signs, a strange word twice; nothing strange; digits, accents, a part of a word.

    Then two texts without a word.
    """
    strange = [STRANGE[i] for i in torch.randperm(len(STRANGE), generator=rng)[:3]]
    known = [KNOWN[i] for i in torch.randperm(len(KNOWN), generator=rng)[:4]]
    a, c, b = sorted(strange)  # b comes first in the text: not in alphabetical order
    k, m, p, q = known
    text = f"{k.title()} {b}, {m} {a}! {p.upper()} {c.title()}; {b}. {q}"
    plain = f"{k.title()}, {m} {p}: {q}."
    words = frozenset(vocabulary())
    blank = ("", "   ", "\t\n")[integer(rng, 0, 2)]
    texts = (text, plain, "A rosé-red flower's 12 petals_x2 (the 3rd): lower?", " ?! ,_", blank)
    return [Case((text, words), note=f"for {text!r}") for text in texts]


def observe_words(answer: Callable[..., Any], case: Case) -> Observation:
    words = answer(*case.args)
    if words is None or words is Ellipsis:
        as_tensor(words)
    if not isinstance(words, (list, tuple)) or not all(isinstance(w, str) for w in words):
        kind = type(words).__name__
        raise AnswerError(f"Expected a list of words, got a {kind}: {str(words)[:60]}")
    text = ", ".join(words)
    return {
        "number of unknown words": torch.tensor(len(words)),
        "the words, as character codes": torch.tensor([ord(c) for c in text], dtype=torch.long),
    }


def words_by_split(text: str, known: Collection[str]) -> list[str]:
    """Without a regular expression."""
    spaced = "".join(c if c.isalnum() else " " for c in text.lower()).split()
    if not spaced:
        raise ValueError("nothing to read")
    unknown: list[str] = []
    for word in spaced:
        if word not in known and word not in unknown:
            unknown.append(word)
    return unknown


def words_like(
    *, lower: bool = True, strip: bool = True, once: bool = True, order: bool = True
) -> Callable[[str, Collection[str]], list[str]]:
    """Make an unknown_words with a slip."""

    def find(text: str, known: Collection[str]) -> list[str]:
        if not re.search(WORD, text):
            raise ValueError("There is no word in the text.")
        words = text.lower() if lower else text
        parts = re.findall(WORD, words) if strip else words.split()
        strange = [w for w in parts if w not in known]
        strange = list(dict.fromkeys(strange)) if once else strange
        return strange if order else sorted(strange)

    return find


def words_without_error(text: str, known: Collection[str]) -> list[str]:
    """An empty text has no unknown word."""
    return unknown_words(text, known) if re.search(WORD, text) else []


EXERCISE = Exercise(
    id="7.8",
    title="Words that G has never read",
    points=2,
    minutes=10,
    reference=unknown_words,
    cases=orders,
    observe=observe_words,
    slips={
        "A capital makes a known word unknown: compare in lower case.": words_like(lower=False),
        "Commas and full stops are left on the "
        "words: a word has letters and digits only.": words_like(strip=False),
        "A word that occurs twice is listed twice: list it once.": words_like(once=False),
        "List the words in the order of the text.": words_like(order=False),
        "A text without a word should raise ValueError.": words_without_error,
        "You list only the first unknown word: list them all.": lambda text, known: unknown_words(
            text, known
        )[:1],
    },
    alternatives=(words_by_split,),
)
