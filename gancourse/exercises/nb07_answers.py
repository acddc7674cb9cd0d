"""Right and wrong answers to the exercises of notebook 07, and how they are observed."""

import copy
import math
import re
from collections.abc import Callable, Collection
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancourse.datasets.captions import unknown_words, vocabulary
from gancourse.exercises.base import AnswerError, Case, Observation, as_tensor
from gancourse.exercises.observe import fill, number

# 7.1 -------------------------------------------------------------------------------------------
ABC = "abcdefghijklmnopqrstuvwxyz0123456789 ,.-"


def texts(rng: torch.Generator) -> list[Case]:
    """With capitals, an unknown character inside and at the end, too short and too long."""
    cases = []
    for extra in (-number(rng, 2, 3), number(rng, 4, 6)):
        alphabet = "".join(ABC[i] for i in torch.randperm(len(ABC), generator=rng))
        inside = [alphabet[number(rng, 0, len(ABC) - 1)] for _ in range(number(rng, 5, 7))]
        letters = "".join(c for c in alphabet if c.isalpha())
        capital = letters[number(rng, 0, 25)].upper()
        text = alphabet[0] + capital + "".join(inside[:3]) + "é" + "".join(inside[3:]) + letters[3]
        length = len(text) + extra
        cases.append(
            Case((text, alphabet, length), note=f"for a text of {len(text)} and {length=}")
        )
    return cases


def places(
    text: str,
    alphabet: str,
    length: int,
    *,
    small: bool = True,
    none: int = -1,
    drop: bool = False,
    start: int = 0,
    cut: bool = True,
    front: bool = False,
) -> Tensor:
    """The place of each character in the alphabet, with a slip if asked for."""
    found = [alphabet.find(c) for c in (text.lower() if small else text)]
    found = [p + start if p >= 0 else none for p in found if p >= 0 or not drop]
    found = found[:length] if cut else found
    rest = [none] * (length - len(found))
    return torch.tensor(rest + found if front else found + rest)


def places_by_table(text: str, alphabet: str, length: int) -> Tensor:
    """Fill a row of -1."""
    row = torch.full((length,), -1)
    table = {c: i for i, c in enumerate(alphabet)}
    for i, c in enumerate(text.lower()[:length]):
        row[i] = table.get(c, -1)
    return row


# 7.2 -------------------------------------------------------------------------------------------
def scores(rng: torch.Generator) -> list[Case]:
    """Some hinges are at rest and some are not, in both directions; then a batch of two."""
    cases = []
    for n in (number(rng, 4, 6), 2):
        s = torch.randn(n, n, generator=rng) + 0.9 * torch.eye(n)
        # picture 0 and text 0 rest; picture 1 and text 1 are pulled
        s[:2, :2] = torch.tensor([[2.4, 0.3], [0.2, 0.6]]) + 0.1 * torch.rand(2, 2, generator=rng)
        cases.append(Case((s,), note=f"for {n} pictures"))
    return cases


def embedding_loss(
    s: Tensor, *, ways: str = "both", own: bool = False, mean: bool = True, margin: float = 1.0
) -> Tensor:
    """The joint embedding loss by loops, with a slip if asked for."""
    n, total = len(s), s.new_zeros(())
    for i in range(n):
        for j in range(n):
            if i != j or own:
                if ways in ("both", "pictures"):
                    total = total + (margin + s[i, j] - s[i, i]).clamp(min=0)
                if ways in ("both", "texts"):
                    total = total + (margin + s[j, i] - s[i, i]).clamp(min=0)
    return total / (n * n if own else n * (n - 1)) if mean else total


def hardest_only(s: Tensor) -> Tensor:
    """The worst stranger of each picture and each text."""
    off = s.masked_fill(torch.eye(len(s), dtype=torch.bool), -math.inf)
    d = s.diagonal()
    pictures, sentences = (1 + off.amax(1) - d).relu(), (1 + off.amax(0) - d).relu()
    return pictures.mean() + sentences.mean()


# 7.3 -------------------------------------------------------------------------------------------
def three_kinds(rng: torch.Generator) -> list[Case]:
    """Ordinary logits, and extreme ones."""
    n = number(rng, 3, 5)
    plain = tuple(torch.randn(n, generator=rng) for _ in range(3))
    wild = tuple(40 * (1 + torch.rand(n, generator=rng)) * sign for sign in (-1, 1, -1))
    return [
        Case(plain, note="for logits near 0"),
        Case((wild[0] * 3, wild[1] * 3, wild[2]), note="for logits of more than 100"),
    ]


def cls_loss(real: Tensor, wrong: Tensor, fake: Tensor, w: float = 0.5, f: float = 0.5) -> Tensor:
    """The three terms with weights, in torch's own cross-entropy."""
    bce = F.binary_cross_entropy_with_logits
    no = [bce(part, torch.zeros_like(part)) for part in (wrong, fake)]
    return bce(real, torch.ones_like(real)) + w * no[0] + f * no[1]


def cls_naive(real: Tensor, wrong: Tensor, fake: Tensor) -> Tensor:
    """Sigmoid, then log."""
    r, w, f = real.sigmoid(), wrong.sigmoid(), fake.sigmoid()
    return -(r.log().mean() + ((1 - w).log().mean() + (1 - f).log().mean()) / 2)


# 7.5 -------------------------------------------------------------------------------------------
def embeddings(rng: torch.Generator) -> list[Case]:
    """An even and an odd batch."""
    beta = 0.15 + 0.2 * torch.rand((), generator=rng).item()
    n = number(rng, 2, 4)
    return [
        Case((torch.randn(m, 3, generator=rng), beta), note=f"for {m} embeddings")
        for m in (2 * n, 2 * n + 1)
    ]


def between_pairs(phi: Tensor, beta: float) -> Tensor:
    """By lerp."""
    a, b = phi[: len(phi) // 2], phi[len(phi) // 2 :][: len(phi) // 2]
    return b.lerp(a, beta)


# 7.7 -------------------------------------------------------------------------------------------
class Painter(nn.Module):
    """A tiny G: noise and embedding to an output, in which their product counts."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(3, 5), nn.Linear(4, 5)

    def forward(self, z: Tensor, phi: Tensor) -> Tensor:
        return torch.tanh(self.a(z) * self.b(phi))


def style_cases(rng: torch.Generator) -> list[Case]:
    return [Case((number(rng, 3, 5), number(rng, 0, 10**6)), note="for a small S and G")]


def observe_style(answer: Callable[..., Any], case: Case) -> Observation:
    n, seed = case.args
    rng = torch.Generator().manual_seed(seed)
    S, G = fill(nn.Linear(5, 3), rng), fill(Painter(), rng)
    z, phi = torch.randn(n, 3, generator=rng), torch.randn(n, 4, generator=rng)
    before = copy.deepcopy(G.state_dict())
    loss = answer(S, G, z.clone(), phi.clone())
    value = as_tensor(loss)
    if isinstance(loss, Tensor) and loss.requires_grad and loss.numel() == 1:
        loss.backward()
    kept = all(
        torch.equal(a, b) for a, b in zip(before.values(), G.state_dict().values(), strict=True)
    )
    return {
        "result": value,
        "S gets a gradient": torch.tensor(S.weight.grad is not None),
        "G gets no gradient": torch.tensor(all(p.grad is None for p in G.parameters())),
        "G's weights can still be trained": torch.tensor(
            all(p.requires_grad for p in G.parameters())
        ),
        "G's weights are left alone": torch.tensor(kept),
    }


def style(
    S: nn.Module,
    G: nn.Module,
    z: Tensor,
    phi: Tensor,
    *,
    detach: bool = True,
    blind: bool = False,
    reduce: str = "rows",
) -> Tensor:
    """The style loss, with a slip if asked for."""
    x = G(z, phi)
    found = S(x.detach() if detach else x)
    d2 = (z - (found.detach() if blind else found)).square()
    each = {
        "rows": d2.sum(1).mean(), "all": d2.mean(), "sum": d2.sum(),
        "root": d2.sum(1).sqrt().mean(),
    }  # fmt: skip
    return each[reduce]


# 7.8 -------------------------------------------------------------------------------------------
STRANGE = ("tulip", "turquoise", "bees", "garden", "stripes", "three", "rosé")
KNOWN = ("red", "flower", "petals", "round", "with", "a", "small", "meadow")


def orders(rng: torch.Generator) -> list[Case]:
    """Capitals, punctuation, a strange word twice; nothing strange; then texts without a word."""
    strange = [STRANGE[i] for i in torch.randperm(len(STRANGE), generator=rng)[:3]]
    known = [KNOWN[i] for i in torch.randperm(len(KNOWN), generator=rng)[:4]]
    a, c, b = sorted(strange)  # b comes first in the text: not in alphabetical order
    k, m, p, q = known
    text = f"{k.title()} {b}, {m} {a}! {p.upper()} {c.title()}; {b}. {q}"
    plain = f"{k.title()}, {m} {p}: {q}."
    words = sorted(vocabulary())
    empty = ("", "   ", " ?! ,", "\t\n")[number(rng, 0, 3)]
    return [
        Case((text, frozenset(words)), note=f"for {text!r}"),
        Case((plain, frozenset(words)), note=f"for {plain!r}"),
        Case((empty, frozenset(words)), note=f"for {empty!r}"),
    ]


def observe_words(answer: Callable[..., Any], case: Case) -> Observation:
    found = answer(*case.args)
    if found is None or found is Ellipsis:
        as_tensor(found)
    if not isinstance(found, (list, tuple)) or not all(isinstance(w, str) for w in found):
        kind = type(found).__name__
        raise AnswerError(f"Expected a list of words, got a {kind}: {str(found)[:60]}")
    text = ", ".join(found)
    return {
        "number of unknown words": torch.tensor(len(found)),
        "the words": torch.tensor([ord(c) for c in text], dtype=torch.long),
    }


def words_by_split(text: str, known: Collection[str]) -> list[str]:
    """Without a regular expression."""
    spaced = "".join(c if c.isalnum() else " " for c in text.lower()).split()
    if not spaced:
        raise ValueError("nothing to read")
    found: list[str] = []
    for word in spaced:
        if word not in known and word not in found:
            found.append(word)
    return found


def words_like(
    *, lower: bool = True, strip: bool = True, once: bool = True, order: bool = True
) -> Callable[[str, Collection[str]], list[str]]:
    """Make an unknown_words with a slip."""

    def find(text: str, known: Collection[str]) -> list[str]:
        if not re.search(r"\w", text):
            raise ValueError("There is no word in the text.")
        words = text.lower() if lower else text
        parts = re.findall(r"\w+", words) if strip else words.split()
        strange = [w for w in parts if w not in known]
        strange = list(dict.fromkeys(strange)) if once else strange
        return strange if order else sorted(strange)

    return find


def words_without_error(text: str, known: Collection[str]) -> list[str]:
    """An empty text has no unknown word."""
    return unknown_words(text, known) if re.search(r"\w", text) else []
