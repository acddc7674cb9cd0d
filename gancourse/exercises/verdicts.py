"""The verdict on an answer: right, or wrong with what differs and why.

An answer is observed on all cases and compared with the reference. Where it is wrong, the slip that
computes the same gives its hint; where none does, what is true of its values is said.
"""

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any, Literal

import torch
from torch import Tensor

from gancourse.exercises import differences, relations
from gancourse.exercises.base import AnswerError, Case, Exercise, observe_call
from gancourse.exercises.differences import (
    FACT,
    GRADIENT,
    RAW,
    Failure,
    Observation,
    is_fact,
)
from gancourse.exercises.parts import Part, right_parts
from gancourse.exercises.watch import OnDevice, TimeLimit, Watched, named, raised_at

SECONDS = 20.0  # for an answer on all cases; a right one takes less than two


@dataclass(frozen=True)
class Verdict:
    """The result of `compare` for an answer; notebooks show it, the grader stores it."""

    exercise: Exercise
    status: Literal["right", "wrong", "unsolved"]
    message: str
    slip: int | None = None
    """Index of the slip that was recognized."""
    points: int = 0
    """Points earned: all for a right answer; of a wrong one, those of the parts that are right."""

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
    """Observe an answer on a case, and conclude; whatever it raises is returned as data."""
    return _concluded(exercise, observe_raw(exercise, answer, case), case)


def _concluded(
    exercise: Exercise, seen: Observation | Failure, case: Case
) -> Observation | Failure:
    """What an exercise's `conclude` makes of raw results."""
    if exercise.conclude is None or case.device or isinstance(seen, Failure):
        return seen
    try:
        rest = {name: x for name, x in seen.items() if not name.startswith(RAW)}
        return {**rest, **exercise.conclude(seen, case)}
    except AnswerError as error:
        return Failure("AnswerError", str(error), right=error.right)
    except (KeyError, RuntimeError, ValueError, TypeError, IndexError):
        return Failure("AnswerError", "Your answer was not observed as a whole.")


def observe_raw(exercise: Exercise, answer: Any, case: Case) -> Observation | Failure:
    """What runs next to an answer: its results; whatever it raises is returned as data."""
    if answer is None or answer is Ellipsis:
        return Failure("unsolved", "")
    try:
        if case.device:
            return _on_device(exercise, answer, case)
        if not callable(answer):
            return exercise.observe(answer, case)
        watched = Watched(answer, exercise.reference)
        return {**exercise.observe(watched, case), **watched.facts}
    except AnswerError as error:
        return Failure("AnswerError", str(error))
    except (Exception, SystemExit) as error:  # an answer may raise anything; the student is told
        text = str(error)
        if isinstance(error, NotImplementedError) and (not text or text.startswith("Exercise ")):
            return Failure("unsolved", "")  # a stub; torch raises this class too, with other texts
        kind = next(k for k in type(error).__mro__ if k.__module__ == "builtins").__name__
        return Failure(kind, text.strip().split("\n")[0], raised_at(error))


def _on_device(exercise: Exercise, answer: Any, case: Case) -> Observation | Failure:
    """What would fail on a GPU, and nothing else."""
    if not callable(answer):
        return {}
    run = OnDevice(answer, exercise.reference)
    with contextlib.suppress(Exception, SystemExit):
        exercise.observe(run, case)
    if run.problem:
        text = (
            "your code combines a tensor on the CPU with one on the GPU. Create tensors with "
            f"device={run.where}."
        )
        if "generator" in str(run.problem):
            text = f"the generator is on the GPU, so its numbers are too: add device={run.where}."
        elif "numpy" in str(run.problem):
            text = "NumPy can't read a tensor that is on the GPU. Use torch's own functions."
        return Failure("AnswerError", f"On a GPU this would fail: {text}", raised_at(run.problem))
    fact = (
        f"{FACT}On a GPU your result would be on the CPU: create tensors with device={run.where}, "
        "and leave out cpu() and numpy()."
    )
    return {fact: torch.tensor(True)} if run.on_cpu else {}


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
        What `observe_raw` returned for each of them, in order. Only data: no object of the answer.
    """
    if not seen or any(isinstance(s, Failure) and s.kind == "unsolved" for s in seen):
        return Verdict(exercise, "unsolved", "not solved yet.")
    seen = [_concluded(exercise, one, case) for one, case in zip(seen, cases, strict=True)]
    wanted = [try_observe(exercise, exercise.reference, case) for case in cases]
    texts = [exercise.differ(w, s) for w, s in zip(wanted, seen, strict=True)]
    wrong = [i for i, text in enumerate(texts) if text]
    if not wrong:
        points = f"{exercise.points} point" + ("s" if exercise.points != 1 else "")
        return Verdict(exercise, "right", f"right, {points}.", points=exercise.points)
    slip = _recognize(exercise, cases, wanted, seen)
    hint = exercise.hints[slip] if slip is not None else _explain(exercise, cases, wanted, seen)
    notes = [case.note for case in cases]
    right = [note for i, note in enumerate(notes) if note and not texts[i]]
    where = notes[wrong[0]]
    if slip is None and where and right and len(right) <= 2:
        where = f"right {' and '.join(dict.fromkeys(right))}; wrong {where}"
    where = f"{where}: " if where else ""
    said = f"{where}{texts[wrong[0]]}"
    if "_" not in said.split(" ")[0]:  # as in loss_D, a name in the answer's code
        said = said[0].upper() + said[1:]
    plain = [n for n, case in enumerate(cases) if not case.device]
    sides = ([observed[n] for n in plain] for observed in (wanted, seen))
    parts = right_parts(exercise.parts, *sides, exercise.rtol, exercise.atol)
    points = sum(part.points for part in parts)
    message = f"Not correct yet{_earned(exercise, parts, points)}. {said}\n{hint}".strip()
    return Verdict(exercise, "wrong", message, slip, points)


def _earned(exercise: Exercise, parts: Sequence[Part], points: int) -> str:
    """The points of a wrong answer, and what they are for."""
    if not parts:
        return ""
    what = " and ".join(part.what for part in parts)
    return f", but {points} of {exercise.points} points, for {what}"


def without_parts(message: str) -> str:
    """A verdict's message, without the points for parts."""
    return re.sub(r"^(Not correct yet), but \d+ of \d+ points, for [^.]*", r"\1", message)


def assess(exercise: Exercise, answer: Any, seed: int, seconds: float = SECONDS) -> Verdict:
    """Run an answer on the cases of a seed and compare it, all in this process.

    Torch's global generator is left as it was.
    """
    cases = exercise.draw(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed + 2**40)  # no seed that an answer would set itself
        seen = observe_all(exercise, answer, cases, seconds)
    return compare(exercise, cases[: len(seen)], seen)


def observe_all(
    exercise: Exercise, answer: Any, cases: Sequence[Case], seconds: float = SECONDS
) -> list[Observation | Failure]:
    """What `observe_raw` returns for each case, in order; fewer where it takes too long."""
    seen: list[Observation | Failure] = []
    try:
        with TimeLimit(seconds):
            for case in cases:
                seen.append(observe_raw(exercise, answer, case))
    except TimeoutError as error:
        text = f"Your code had not ended after {seconds:.0f} s and was stopped. Is a loop endless?"
        seen.append(Failure("AnswerError", text, raised_at(error)))
    return seen


def _recognize(
    exercise: Exercise,
    cases: Sequence[Case],
    wanted: Sequence[Observation | Failure],
    seen: Sequence[Observation | Failure],
) -> int | None:
    """The slip that computes what the answer computes, if it is the only one."""
    asked = [(c, w, got) for c, w, got in zip(cases, wanted, seen, strict=True) if not c.device]
    fitting: set[int] = set()
    for n, slip in exercise.wrong_answers:
        telling = False
        for case, w, got in asked:
            same = try_observe(exercise, slip, case)
            if exercise.differ(same, got) or exercise.differ(got, same):
                break
            telling |= _telling(exercise, w, same, got)
        else:
            fitting |= {n} if telling else set()
    return fitting.pop() if len(fitting) == 1 else None


def _telling(
    exercise: Exercise,
    wanted: Observation | Failure,
    slip: Observation | Failure,
    got: Observation | Failure,
) -> bool:
    """Whether an answer shares with a slip more than a truth value or the class of an exception."""
    if isinstance(got, Failure) or isinstance(slip, Failure):
        both = isinstance(got, Failure) and isinstance(slip, Failure)
        return both and got.text == slip.text and bool(exercise.differ(wanted, got))
    if isinstance(wanted, Failure):
        return True
    if {n for n in wanted if not is_fact(n)} != {n for n in got if not is_fact(n)}:
        return True
    name = differences.first(wanted, got, exercise.rtol, exercise.atol)
    return name is not None and (got[name].numel() != 1 or got[name].dtype != torch.bool)


def _explain(
    exercise: Exercise,
    cases: Sequence[Case],
    wanted: Sequence[Observation | Failure],
    seen: Sequence[Observation | Failure],
) -> str:
    """What is true of the answer's values, where no slip was recognized; else the advice."""
    every = zip(cases, seen, wanted, strict=True)
    case, *first = next((c, s, w) for c, s, w in every if exercise.differ(w, s))
    if case.device:
        return ""
    if isinstance(first[0], Failure):  # the line is named: no other question helps
        return "" if first[0].kind == "AnswerError" else differences.advise(first[0].text)
    advice = f"One thing to check: {exercise.advice}" if exercise.advice else OPEN_HINTS
    name = differences.first(first[1], first[0], exercise.rtol, exercise.atol)
    if isinstance(first[1], Failure):
        return advice
    if name is None:  # a fact says all; of a network with other weights, its steps do
        other = set(first[1]) - set(first[0])
        return differences.other_step(first[1], first[0]) if other else ""
    got, expected = first[0][name], first[1][name]
    if name in ("choice", "value"):
        return exercise.advice or OPEN_HINTS
    if got.dtype == torch.bool and got.numel() == 1:
        return advice
    if name.startswith(GRADIENT):
        return PART_OF_GRADIENT if got.numel() and expected.numel() else ""
    pairs, arguments, asked = [], [], [case for case in cases if not case.device]
    for case, w, s in zip(cases, wanted, seen, strict=True):
        if not isinstance(w, Failure) and not isinstance(s, Failure) and name in w and name in s:
            if exercise.differ({name: w[name]}, {name: s[name]}):
                pairs.append((w[name], s[name]))
                arguments.append(named(exercise.reference, case.args, case.kwargs))
    tolerance = {"rtol": exercise.rtol, "atol": exercise.atol}
    return (
        differences.other_step(first[1], first[0])
        or _swapped(exercise, cases, seen)
        or relations.explain(pairs, arguments, partly=len(pairs) < len(asked), **tolerance)
        or advice
    )


OPEN_HINTS = "Open the hints above, one at a time."
PART_OF_GRADIENT = (
    "The result is right, but its gradient is not: is a part of it detached, clamped, or computed "
    "with plain numbers?"
)


def _swapped(exercise: Exercise, cases: Sequence[Case], seen: Sequence) -> str:
    """Whether the answer does what is asked with two arguments swapped."""
    if exercise.observe is not observe_call:
        return ""
    pairs = list(zip((c for c in cases if not c.device), seen, strict=False))
    for i in range(min(len(case.args) for case in cases)):
        for j in range(i):
            if all(_alike(case.args[i], case.args[j]) for case, _ in pairs):
                for case, got in pairs:
                    args = list(case.args)
                    args[i], args[j] = args[j], args[i]
                    turned = try_observe(
                        exercise, exercise.reference, replace(case, args=tuple(args))
                    )
                    if exercise.differ(turned, got):
                        break
                else:
                    names = list(named(exercise.reference, cases[0].args, cases[0].kwargs))
                    return f"That is the result with `{names[j]}` and `{names[i]}` swapped."
    return ""


def _alike(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor) and isinstance(b, Tensor):
        return a.shape == b.shape and a.dtype == b.dtype
    return type(a) is type(b) and isinstance(a, (int, float))
