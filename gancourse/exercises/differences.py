"""The first difference between the observations of an answer and of the reference, in words."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest

import torch
from torch import Tensor

from gancourse.exercises.watch import CHANGED

FACT = "! "
"""Names of facts that are shown as they are where only the answer has them."""
STEP = "~"
"""Names of steps of a forward pass: not compared, they only explain another difference."""
RAW = "raw: "
"""Names of results that are not compared: an exercise's `conclude` computes from them."""
GRADIENT = "gradient at "
"""Names of gradients with respect to an argument; empty where there is none."""

Observation = Mapping[str, Tensor]


@dataclass(frozen=True)
class Failure:
    """What is observed of an answer that raised, or returned something other than numbers."""

    kind: str
    """The exception's class, or "unsolved"."""
    text: str
    line: str = ""
    """The line of the answer that raised."""
    right: tuple[str, ...] = ()
    """What is right all the same: never said by the answer's own process."""


def difference(
    wanted: Observation | Failure, got: Observation | Failure, rtol: float, atol: float
) -> str:
    """What differs first, in words; empty if the two agree."""
    if isinstance(got, Failure):
        return _failed(wanted, got)
    if isinstance(wanted, Failure):
        return f"expected your function to raise {wanted.kind}, but it returned a result."
    for name in [*wanted, *(name for name in got if name not in wanted)]:
        if name.startswith((STEP, RAW)):
            continue
        text = _unlike(name, wanted, got, rtol, atol)
        if text:
            return text
    return ""


def _failed(wanted: Observation | Failure, got: Failure) -> str:
    if isinstance(wanted, Failure) and wanted.kind == got.kind:
        return ""
    text = f"Your code raised {got.kind}: {_short(got.text)}"
    if got.kind == "AnswerError":
        text = got.text
    return f"{text}\nin the line: {_short(got.line)}" if got.line else text


def _short(text: str, most: int = 180) -> str:
    """The first sentences of a long text, or its beginning."""
    if len(text) <= most:
        return text
    end = max(text.rfind(". ", 0, most), text.rfind(": [", 0, most))
    return text[:end] + "." if end > 40 else text[: most - 3] + "..."


def first(
    wanted: Observation | Failure, got: Observation | Failure, rtol: float, atol: float
) -> str | None:
    """The name of the first value that differs, if it is a value."""
    if isinstance(wanted, Failure) or isinstance(got, Failure):
        return None
    values = (name for name in wanted if not is_fact(name))
    different = (name for name in values if _unlike(name, wanted, got, rtol, atol))
    name = next(different, None)
    return name if name in got else None


def is_fact(name: str) -> bool:
    """Whether a name of an observation says it all: a change, a device, a step; no value."""
    return name.startswith((FACT, CHANGED, STEP, RAW))


def _unlike(name: str, wanted: Observation, got: Observation, rtol: float, atol: float) -> str:
    """What differs in one value, in words; empty if nothing does."""
    if name.startswith((FACT, CHANGED)):
        return _other_fact(name, bool(wanted.get(name, False)), bool(got.get(name, False)))
    if name not in wanted or name not in got:
        return _other_kind(wanted, got)
    w, g = wanted[name], got[name]
    if name == "choice":
        return "" if w.equal(g) else "That is not the best answer."
    if name.startswith(GRADIENT) and bool(w.numel()) != bool(g.numel()):
        return _reach(name.removeprefix(GRADIENT), bool(g.numel()))
    label = "" if name == "result" else f"{name}: "
    if w.shape != g.shape:
        return f"{label}expected shape {tuple(w.shape)}, got {tuple(g.shape)}."
    if w.dtype == torch.bool and g.dtype == torch.bool and w.numel() == 1:
        return "" if w.equal(g) else f"{label}expected {bool(w)}, got {bool(g)}."
    if w.is_complex() or g.is_complex():
        return f"{label}expected real numbers, got complex ones."
    if w.dim() and _kind(w) != _kind(g):
        return f"{label}expected {_kind(w)} ({w.dtype}), got {_kind(g)} ({g.dtype})."
    if w.dim() == 4 and w.dtype != g.dtype:  # images, which networks take next
        return f"{label}expected the type {w.dtype}, got {g.dtype}: convert it with .to({w.dtype})."
    text = _other_values(label, w, g, rtol, atol)
    if text and name == "value":  # the answer to a question, which the student is to find
        return f"{number(g.item(), 6)} is not the number."
    return text


def _other_values(label: str, w: Tensor, g: Tensor, rtol: float, atol: float) -> str:
    close = torch.isclose(g.double(), w.double(), rtol=rtol, atol=atol, equal_nan=True)
    if bool(close.all()):
        return ""
    i = int((~close).flatten().nonzero()[0])
    expected, found = numbers(w.flatten()[i].item(), g.flatten()[i].item())
    if w.numel() == 1:
        return f"{label}expected {expected}, got {found}."
    where = [int(n) for n in (~close).nonzero()[0]]
    share = f"{int((~close).sum())} of {close.numel()} values differ"
    return f"{label}{share}; the first, at {where}: expected {expected}, got {found}."


def other_step(wanted: Observation, got: Observation) -> str:
    """The first step of a network's forward pass that differs, in words."""
    steps = [[n.split(" ", 1)[1] for n in seen if n.startswith(STEP)] for seen in (wanted, got)]
    for n, (w, g) in enumerate(zip_longest(*steps, fillvalue="the end")):
        if w != g and n == 0:
            return f"The forward pass should begin with: {w}. Yours begins with: {g}."
        if w != g:
            after = f"step {n}, which is right ({steps[0][n - 1]})"
            return f"In the forward pass, after {after}, the next should be: {w}. Yours is: {g}."
    return ""


def _other_fact(name: str, wanted: bool, got: bool) -> str:
    """In words, where only one of the two has a fact."""
    if wanted == got or (wanted and name.startswith(FACT)):
        return ""
    if name.startswith(FACT):
        return name.removeprefix(FACT)
    what = name.removeprefix(CHANGED)
    return f"Your code changes {what}." if got else f"Your code does not change {what}; it should."


def _reach(name: str, got: bool) -> str:
    if got:
        return f"A gradient reaches {name}, which is a constant here: detach it, or use no_grad()."
    return (
        f"Your result has a value, but no gradient reaches {name}, which training needs: is there "
        "a detach(), .item(), float(), no_grad() or torch.tensor(...) on the way?"
    )


def _other_kind(wanted: Observation, got: Observation) -> str:
    """The message where the answer is of another kind than the reference."""
    if "choice" in wanted or "choice" in got:
        return (
            "Expected a letter in quotes." if "choice" in wanted else "Expected a number, not text."
        )
    many = [sum(n.startswith("result ") for n in seen) for seen in (wanted, got)]
    if "result" in wanted and many[1]:
        return f"expected one tensor or number; your function returned a sequence of {many[1]}."
    if many[0] and "result" in got:
        return f"expected {many[0]} results; your function returned one."
    if all(many):
        return f"expected {many[0]} results; your function returned {many[1]}."
    values = [[n for n in seen if not is_fact(n)] for seen in (wanted, got)]
    missing = [n for n in values[0] if n not in values[1]]
    if missing:
        return f"missing from your result: {', '.join(missing)}."
    return f"not expected in your result: {', '.join(n for n in values[1] if n not in values[0])}."


def _kind(x: Tensor) -> str:
    """Whether a tensor has truth values, integers or floating-point numbers."""
    if x.dtype == torch.bool:
        return "True and False"
    return "floating-point numbers" if x.is_floating_point() else "integers"


def numbers(expected: float, got: float) -> tuple[str, str]:
    """Both numbers as text, with as many digits as it takes to tell them apart."""
    apart = abs(expected - got)
    if isinstance(expected, bool) or isinstance(got, bool) or not math.isfinite(apart):
        return number(expected, 4), number(got, 4)
    for digits in range(4, 17):
        texts = number(expected, digits), number(got, digits)
        if abs(abs(float(texts[0]) - float(texts[1])) - apart) <= 0.2 * apart:
            break
    return texts


def number(value: float, digits: int) -> str:
    """A number as text, with so many digits that count."""
    if isinstance(value, bool) or (float(value).is_integer() and abs(value) < 10**9):
        return str(int(value)) if not isinstance(value, bool) else str(value)
    return f"{value:.{digits}g}"


ADVICE = {
    r"backward through the graph a second time": "The graph of an earlier backward() is used once "
    "more, but its values are gone. Compute the loss again in each turn, and detach what comes "
    "from the other turn; retain_graph=True would only hide this.",
    r"modified by an inplace operation": "A tensor that this backward() needs was changed after it "
    "was used: opt.step() changes weights in place. Compute this loss after that step.",
    r"does not require grad": "No graph leads to it: was it computed under no_grad(), or from "
    "detached tensors or plain numbers?",
    r"between 0 and 1": "BCELoss takes probabilities, and these are logits: use "
    "binary_cross_entropy_with_logits.",
    r"on a different leaf|leaf Variable that requires grad": "A tensor that requires a "
    "gradient can't be changed in place. An update of weights belongs under torch.no_grad(); for "
    "anything else make a new tensor.",
    r"Dimension out of range": "The tensor has fewer dimensions than you think: print its shape. "
    "Does a squeeze() remove the batch, too, where it has one image?",
    r"more than one value|scalar outputs|grad can be implicitly created": "One number is needed "
    "here; you have several: combine them first, with mean() or sum(), or a condition with any() "
    "or all().",
    r"numpy\(\) on [Tt]ensor that requires grad": "Stay with torch's functions: NumPy's have no "
    "gradient.",
    r"^name '": "This name is not defined: is it misspelled, local to another function, or from a "
    "cell that has not been run?",
    r"positional argument|unexpected keyword|required keyword": "Compare the number and the names "
    "of the arguments with the signature of the function that is called. Your own function needs "
    "the signature in the exercise.",
    r"expected input.* to have \d+ channels|running_mean should contain|shapes cannot be mult": (
        "A layer gets a different number of channels or values than it was made for: write the "
        "number down before and after each layer."
    ),
    r"must match the size|not broadcastable|Sizes of tensors must match": (
        "Print the shapes of both tensors before this line: which dimension differs? (In torch's "
        "message a and b are the first and the second of them.)"
    ),
    r"is invalid for input of size": "The product of the new sides has to be the number of values: "
    "print the shape before this line. Is a side a fixed number that should come from it?",
    r"has no attribute": "Is the name after the dot misspelled, was it never assigned, or is the "
    "object of another type than you think? Print type(...).",
}


def advise(text: str) -> str:
    """What an error of torch or Python usually means here; empty for an unknown one."""
    return next((advice for part, advice in ADVICE.items() if re.search(part, text)), "")
