"""Drawn flowers with ten sentences each, and what each sentence states, as data.

A sentence names some of a flower's six attributes and omits others, as people do. Three
combinations of colour and shape are held out of training, for zero-shot tests.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from gancourse.datasets import flowers
from gancourse.datasets.flowers import PETAL_COLOURS, PETALS, SHAPES, Looks
from gancourse.shapes import Bytes

WORDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "colour": (
        ("red", "crimson"), ("pink", "rose"), ("white", "snowy"), ("violet", "purple"),
        ("blue", "azure"),
    ),
    "shape": (("round", "rounded"), ("narrow", "thin"), ("pointed", "sharp")),
    "petals": (("five", "5"), ("six", "6"), ("seven", "7"), ("eight", "8")),
    "centre": (("yellow", "golden"), ("orange", "amber")),
    "background": (("on a meadow", "in the grass"), ("against the sky", "in the air")),
    "size": (("small", "little"), ("large", "big")),
}  # fmt: skip
"""The attributes, and the words for each of an attribute's values."""

FORMS = (
    "a[ {size}][ {colour}] flower with[ {petals}][ {shape}] petals[ and a {centre} centre]"
    "[ {background}]",
    "this[ {size}] flower has[ {petals}][ {shape}][ {colour}] petals[ around a {centre} heart]"
    "[ and grows {background}]",
    "[{background} ]there is a[ {size}] flower with[ {shape}][ {colour}] petals[, {petals} in all]"
    "[, and a {centre} centre]",
    "[{petals} ][{shape} ][{colour} ]petals[ with a {centre} middle][, a {size} flower]"
    "[ {background}]",
    "a[ {colour}] bloom[ {background}][, its heart {centre}][, its petals {shape}]"
    "[, {petals} of them][, rather {size}]",
)
"""Sentence forms. The text in brackets is omitted together with its attribute."""

NAMED = {"colour": 0.8, "shape": 0.6, "petals": 0.5, "centre": 0.6, "background": 0.5, "size": 0.5}
"""Probability that a sentence names each attribute."""

SENTENCES = 10
SMALL, LARGE = 0.62, 0.78  # radii; between them a flower is neither small nor large
HELD_OUT = (("red", "narrow"), ("white", "pointed"), ("violet", "round"))
"""Combinations of colour and shape that never occur in training."""

Truth = Int[Tensor, "batch 6"]
"""For each attribute of `WORDS` an index into its values; -1: not named, or (size) neither."""

Said = Int[Tensor, "batch sentences 6"]
"""The same for each of several sentences."""


@dataclass(frozen=True)
class CaptionedFlowers:
    """Images, their sentences, and the true attributes of both."""

    images: Bytes
    looks: Looks
    sentences: tuple[tuple[str, ...], ...]
    """`SENTENCES` for each image."""
    said: Said
    """What each sentence states."""
    truth: Truth
    """The true attributes of the flower."""

    def __len__(self) -> int:
        return len(self.images)


def load(count: int, size: int, rng: torch.Generator, held_out: bool = False) -> CaptionedFlowers:
    """Draw random flowers, with a wider range of sizes than in `flowers`, and describe them.

    Parameters
    ----------
    count, size : int
        How many; side of an image in pixels.
    rng : torch.Generator
        Draws attributes and words; the images are on its device.
    held_out : bool
        Only the combinations of `HELD_OUT`, or only the others.

    Returns
    -------
    CaptionedFlowers
        ``images`` (count, 3, size, size) bytes, `SENTENCES` sentences for each, and the attributes.
    """
    pairs = [(c, s) for c in PETAL_COLOURS for s in SHAPES if ((c, s) in HELD_OUT) == held_out]
    places = [[list(PETAL_COLOURS).index(c), list(SHAPES).index(s)] for c, s in pairs]
    pick = torch.randint(len(pairs), (count,), generator=rng, device=rng.device)
    colour, shape = torch.tensor(places, device=rng.device)[pick].unbind(1)
    looks = flowers.sample(count, rng, bees=0)
    radius = 0.5 + 0.4 * torch.rand(count, generator=rng, device=rng.device)
    looks = replace(looks, colour=colour, shape=shape, radius=radius)
    truth = attributes(looks)
    sentences, said = describe(truth, rng)
    parts = [flowers.draw(looks[i : i + 1000], size) for i in range(0, count, 1000)]
    return CaptionedFlowers(torch.cat(parts), looks, sentences, said, truth)


def attributes(looks: Looks) -> Truth:
    """One column for each attribute of `WORDS`; -1 for a size that is neither small nor large."""
    middling = (looks.radius >= SMALL) & (looks.radius <= LARGE)
    size = (looks.radius > LARGE).long().masked_fill(middling, -1)
    columns = [looks.colour, looks.shape, looks.petals - PETALS[0], looks.centre, looks.background]
    return torch.stack([*columns, size], dim=1)


def describe(truth: Truth, rng: torch.Generator) -> tuple[tuple[tuple[str, ...], ...], Said]:
    """Sentences for flowers: form, words and omissions are drawn for each sentence.

    Returns
    -------
    tuple
        ``sentences``, `SENTENCES` per flower, and ``said``, (B, SENTENCES, 6).
    """
    shape = (len(truth), SENTENCES)
    named = torch.rand(*shape, len(WORDS), generator=rng, device=rng.device)
    limits = torch.tensor(list(NAMED.values()), device=rng.device)
    said = torch.where(named < limits, truth[:, None], -1)
    return write(said, rng), said


def write(said: Said, rng: torch.Generator) -> tuple[tuple[str, ...], ...]:
    """Sentences (B, K) for what they state (B, K, 6); form and words are drawn for each."""
    shape = said.shape[:2]
    form = torch.randint(len(FORMS), shape, generator=rng, device=rng.device).tolist()
    word = torch.randint(2, said.shape, generator=rng, device=rng.device).tolist()
    return tuple(
        tuple(sentence(*each) for each in zip(*rows, strict=True))
        for rows in zip(said.tolist(), word, form, strict=True)
    )


def change_one(
    said: Int[Tensor, "batch attributes"], sizes: Sequence[int], rng: torch.Generator
) -> Int[Tensor, "batch attributes"]:
    """Change one attribute of each row to another value: hard negatives. First built in 07.

    Parameters
    ----------
    said : Int[Tensor, "batch attributes"]
        What sentences state; -1 for an attribute that is not named.
    sizes : Sequence[int]
        How many values each attribute has, 2 or more.
    rng : torch.Generator
        Draws the attribute, uniformly among those that a row names, and its new value, uniformly
        among the others. A row that names nothing stays as it is.
    """
    named = said >= 0
    weights = named | ~named.any(dim=1, keepdim=True)  # where nothing is named: any
    which = weights.float().multinomial(1, generator=rng)
    size = torch.tensor(sizes, device=said.device)[which]
    value = said.gather(1, which)
    step = 1 + (torch.rand(which.shape, generator=rng, device=rng.device) * (size - 1)).long()
    return said.scatter(1, which, torch.where(value < 0, value, (value + step) % size))


def is_held_out(said: Int[Tensor, "*shape 6"]) -> Bool[Tensor, "*shape"]:
    """Whether colour and shape are both stated, and are a combination of `HELD_OUT`."""
    colours, shapes = list(PETAL_COLOURS), list(SHAPES)
    pairs = [(colours.index(c), shapes.index(s)) for c, s in HELD_OUT]
    found = [(said[..., 0] == c) & (said[..., 1] == s) for c, s in pairs]
    return torch.stack(found).any(dim=0)


def sentence(said: list[int], word: list[int] | None = None, form: int = 0) -> str:
    """One sentence: values of the attributes (-1: omitted), which word for each, which form."""
    chosen = {
        name: values[value][word[i] if word else 0]
        for i, (value, (name, values)) in enumerate(zip(said, WORDS.items(), strict=True))
        if value >= 0
    }

    def group(match: re.Match) -> str:
        name = re.search(r"{(\w+)}", match[1])[1]
        return match[1].format(**chosen) if name in chosen else ""

    text = re.sub(r"\[(.*?)\]", group, FORMS[form])
    return re.sub(r"\ba (?=[aeiou])", "an ", text)


def fits(said: Int[Tensor, "*said 6"], truth: Int[Tensor, "*truth 6"]) -> Bool[Tensor, "*shape"]:
    """Whether nothing that is stated is false; leading dimensions are broadcast."""
    return ((said == -1) | (said == truth)).all(dim=-1)


def vocabulary() -> frozenset[str]:
    """Every word that occurs in sentences."""
    forms = re.sub(r"{\w+}", " ", " ".join(FORMS))
    words = " ".join(word for values in WORDS.values() for value in values for word in value)
    return frozenset(re.findall(r"\w+", f"{forms} {words} an".lower()))


def unknown_words(text: str, known: Collection[str]) -> list[str]:
    """The words of a text that are not in `known`, in lower case, each once, in order.

    A word is a run of letters and digits.

    Raises
    ------
    ValueError
        If there is no word in the text.
    """
    words = re.findall(r"[^\W_]+", text.lower())
    if not words:
        raise ValueError("There is no word in the text.")
    return [word for word in dict.fromkeys(words) if word not in known]
