"""The exercise registry: one record drives the student's check, the grader and the tests.

An exercise's `cases` are fresh random inputs; `observe` runs an answer on one of them and returns
tensors; `compare` compares the observations of an answer with those of the reference, and, where
they differ, with those of the `slips`: wrong answers that people really write, each with its hint.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any, Literal

import torch
from torch import Tensor

Observation = Mapping[str, Tensor]
LARGEST = 10**7  # values in an observation: an answer that was broadcast by mistake can be vast


@dataclass(frozen=True)
class Case:
    """One input for an answer: the arguments it is called with."""

    args: tuple = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    """The input in words, for the diagnosis: "on logits [-6, 2]"."""


@dataclass(frozen=True)
class Failure:
    """What is observed of an answer that raised, or returned something other than numbers."""

    kind: str
    """The exception's class, or "unsolved"."""
    text: str


class AnswerError(Exception):
    """Raised by `observe` for an answer of the wrong kind; the student sees the message."""


def observe_call(answer: Callable[..., Any], case: Case) -> Observation:
    """Call the answer with the case's arguments; its result is the observation.

    Tensors are copied first, so an answer that changes its inputs in place can't change the case;
    whether it did is observed too. A dictionary of tensors is observed key by key.
    """
    args = [_copy(value) for value in case.args]
    kwargs = {name: _copy(value) for name, value in case.kwargs.items()}
    result = answer(*args, **kwargs)
    if isinstance(result, Mapping):
        seen = {str(key): as_tensor(value, str(key)) for key, value in result.items()}
    elif isinstance(result, tuple):
        seen = {f"result {i}": as_tensor(value) for i, value in enumerate(result)}
    else:
        seen = {"result": as_tensor(result)}
    pairs = zip((*case.args, *case.kwargs.values()), (*args, *kwargs.values()), strict=True)
    kept = all(
        _same(a.detach(), b.detach()) and a.requires_grad == b.requires_grad
        for a, b in pairs
        if isinstance(a, Tensor)
    )
    return {**seen, "inputs left unchanged": torch.tensor(kept)}


def observe_value(answer: Any, case: Case) -> Observation:
    """A number, or a letter chosen from a list ("b"; case and spaces don't matter)."""
    if isinstance(answer, str):
        letters = answer.strip().lower().strip("().:")  # "(b)" and "b." are answers too
        return {"choice": torch.tensor([ord(letter) for letter in letters])}
    return {"value": as_tensor(answer)}


def as_tensor(value: Any, name: str = "result") -> Tensor:
    """A detached CPU tensor of whatever an answer returned, or AnswerError saying why not."""
    if value is None:
        raise AnswerError("Your function returned nothing (None). Is a `return` missing?")
    if value is Ellipsis:
        raise NotImplementedError
    try:
        tensor = torch.as_tensor(value).detach()
        if tensor.numel() > LARGEST:
            raise AnswerError(f"The {name} is far too large: its shape is {tuple(tensor.shape)}.")
        return tensor.to_dense().clone().cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        kind = type(value).__name__
        raise AnswerError(f"The {name} should be a number or a tensor, not a {kind}.") from error


@dataclass(frozen=True)
class Exercise:
    """One exercise: its reference, its test inputs, and known wrong answers."""

    id: str
    title: str
    points: int
    minutes: int
    reference: Any
    """The package's own object: what the notebook continues with if the student is stuck."""
    cases: Callable[[torch.Generator], Sequence[Case]]
    """Fresh random inputs at every call, from a CPU generator."""
    observe: Callable[[Any, Case], Observation] = observe_call
    slips: Mapping[str, Any] = field(default_factory=dict)
    """Hint -> the wrong answer that gets it: answers that people really write."""
    alternatives: tuple[Any, ...] = ()
    """Other right answers: they must pass."""
    advice: str = "Open the hints above, one at a time."
    """Shown where no slip is recognised."""
    rtol: float = 1e-4
    atol: float = 1e-5

    @property
    def hints(self) -> tuple[str, ...]:
        """The hints of the slips, in order."""
        return tuple(self.slips)

    @property
    def notebook(self) -> str:
        """Number of the notebook: "02" for exercise "2.3"."""
        return f"{int(self.id.split('.')[0]):02d}"


@dataclass(frozen=True)
class Verdict:
    """The result of `compare` for an answer; notebooks show it, the grader stores it."""

    exercise: Exercise
    status: Literal["right", "wrong", "unsolved"]
    message: str
    slip: int | None = None
    """Index of the slip that was recognised."""

    @property
    def points(self) -> int:
        return self.exercise.points if self.status == "right" else 0

    def __str__(self) -> str:
        mark = {"right": "\N{CHECK MARK}", "wrong": "\N{BALLOT X}", "unsolved": "\N{WHITE CIRCLE}"}
        return f"{mark[self.status]} {self.exercise.id} {self.exercise.title}: {self.message}"

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        colour = {"right": "#117733", "wrong": "#aa3377", "unsolved": "#666666"}[self.status]
        text = escape(str(self)).replace("\n", "<br>")
        return f'<div style="border-left:4px solid {colour};padding:4px 10px">{text}</div>'


def try_observe(exercise: Exercise, answer: Any, case: Case) -> Observation | Failure:
    """Observe an answer on a case; whatever it raises is returned as data."""
    if answer is None or answer is Ellipsis:
        return Failure("unsolved", "")
    try:
        return exercise.observe(answer, case)
    except AnswerError as error:
        return Failure("AnswerError", str(error))
    except (Exception, SystemExit) as error:  # an answer may raise anything; the student is told
        text = str(error)
        if isinstance(error, NotImplementedError) and (not text or text.startswith("Exercise ")):
            return Failure("unsolved", "")  # a stub; torch raises this class too, with other texts
        return Failure(type(error).__name__, str(error).strip().split("\n")[0])


def compare(
    exercise: Exercise, cases: Sequence[Case], seen: Sequence[Observation | Failure]
) -> Verdict:
    """Compare what was observed of an answer with the reference and, if wrong, with the slips.

    Parameters
    ----------
    exercise : Exercise
        Holds the reference, the slips and the tolerances.
    cases : Sequence[Case]
        The inputs that were used.
    seen : Sequence[Observation | Failure]
        What `try_observe` returned for each of them, in order. Only data: no object of the answer.
    """
    if not seen or any(isinstance(s, Failure) and s.kind == "unsolved" for s in seen):
        return Verdict(exercise, "unsolved", "not solved yet.")
    wanted = [try_observe(exercise, exercise.reference, case) for case in cases]
    differences = [difference(exercise, w, s) for w, s in zip(wanted, seen, strict=True)]
    wrong = next((i for i, text in enumerate(differences) if text), None)
    if wrong is None:
        points = f"{exercise.points} point" + ("s" if exercise.points != 1 else "")
        return Verdict(exercise, "right", f"right, {points}.")
    fits = (_fits(exercise, answer, cases, seen) for answer in exercise.slips.values())
    slip = next((n for n, fit in enumerate(fits) if fit), None)
    hint = exercise.advice if slip is None else exercise.hints[slip]
    note = f" {cases[wrong].note}:" if cases[wrong].note else ""
    return Verdict(exercise, "wrong", f"Not correct yet.{note} {differences[wrong]}\n{hint}", slip)


def assess(exercise: Exercise, answer: Any, seed: int) -> Verdict:
    """Run an answer on the cases of a seed and compare it, all in this process."""
    cases = exercise.cases(torch.Generator().manual_seed(seed))
    return compare(exercise, cases, [try_observe(exercise, answer, case) for case in cases])


def _fits(exercise: Exercise, slip: Any, cases: Sequence[Case], seen: Sequence) -> bool:
    """Whether a slip does the same as the answer on the same cases."""
    return all(
        not difference(exercise, try_observe(exercise, slip, case), s)
        for case, s in zip(cases, seen, strict=True)
    )


def difference(
    exercise: Exercise, wanted: Observation | Failure, got: Observation | Failure
) -> str:
    """What differs, in words; empty if the two agree."""
    if isinstance(got, Failure):
        if isinstance(wanted, Failure) and wanted.kind == got.kind:
            return ""
        return got.text if got.kind == "AnswerError" else f"Your code raised {got.kind}: {got.text}"
    if isinstance(wanted, Failure):
        return f"expected it to raise {wanted.kind}, but it returned."
    if set(wanted) != set(got):
        return _other_kind(wanted, got)
    for name, value in wanted.items():
        text = _unlike(name, value, got[name], exercise.rtol, exercise.atol)
        if text:
            return text
    return ""


def _other_kind(wanted: Observation, got: Observation) -> str:
    """The message where the answer is of another kind than the reference."""
    if "choice" in wanted or "choice" in got:
        return (
            "expected a letter in quotes." if "choice" in wanted else "expected a number, no text."
        )
    if "result" in wanted and "result 0" in got:
        n = sum(name.startswith("result ") for name in got)
        return f"expected one result; your function returned a tuple of {n}."
    return f"expected {', '.join(sorted(wanted))}; got {', '.join(sorted(got))}."


def _unlike(name: str, wanted: Tensor, got: Tensor, rtol: float, atol: float) -> str:
    if name == "choice":
        return "" if wanted.equal(got) else "that is not the best answer."
    label = "" if name == "result" else f"{name}: "
    if wanted.shape != got.shape:
        return f"{label}expected shape {tuple(wanted.shape)}, got {tuple(got.shape)}."
    if wanted.dtype == torch.bool and got.dtype == torch.bool and wanted.numel() == 1:
        return "" if wanted.equal(got) else f"{label}expected {bool(wanted)}, got {bool(got)}."
    if wanted.is_complex() or got.is_complex():
        return f"{label}expected real numbers, got complex ones."
    close = torch.isclose(got.double(), wanted.double(), rtol=rtol, atol=atol, equal_nan=True)
    if bool(close.all()):
        return ""
    if wanted.numel() == 1:
        return f"{label}expected {_number(wanted.item())}, got {_number(got.item())}."
    i = int((~close).flatten().nonzero()[0])
    w, g = wanted.flatten()[i].item(), got.flatten()[i].item()
    share = f"{int((~close).sum())} of {close.numel()} values differ"
    return f"{label}{share}; the first: expected {_number(w)}, got {_number(g)}."


def _number(value: float) -> str:
    return f"{value:.0f}" if float(value).is_integer() else f"{value:.4f}"


def _copy(value: Any) -> Any:
    if not isinstance(value, Tensor):
        return value
    return value.detach().clone().requires_grad_(value.requires_grad)


def _same(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and bool(torch.equal(a, b))
