"""Every exercise: right answers always pass, slips are recognized, blanks never pass.

With `--draws 200` each slip meets 200 draws of the cases, and each right answer 1,000: a check that
fails an honest answer once in a thousand is a bug. The default, for every day, is 15; CI does both.
"""

import importlib.util
import pkgutil
import re
import textwrap
from pathlib import Path
from typing import Any

import jaxtyping
import pytest
import torch
from torch import nn

from gancourse import exercises
from gancourse.exercises import verdicts
from gancourse.exercises.base import Case, Exercise, Failure
from gancourse.exercises.verdicts import assess, compare, observe_raw, try_observe

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(m.name for m in pkgutil.iter_modules(exercises.__path__))
NOTEBOOKS = [name[2:] for name in MODULES if re.fullmatch(r"nb\d\d", name)]
ALL = [e for number in NOTEBOOKS for e in exercises.of_notebook(number)]
each = pytest.mark.parametrize("exercise", ALL, ids=[exercise.id for exercise in ALL])


SPEC = importlib.util.spec_from_file_location("fairness", ROOT / "benchmarks" / "fairness.py")
FAIRNESS = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(FAIRNESS)


def stub(*args: Any, **kwargs: Any) -> Any:
    raise NotImplementedError("Exercise 1.2")


class Blank(nn.Module):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError("Exercise 1.2")


class HalfBlank(nn.Module):
    """A class whose layers were written, but not what it does with them."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()
        self.layer = nn.Linear(1, 1)

    def forward(self, x: Any) -> Any:
        raise NotImplementedError("Exercise 1.2")


BLANKS = {"None": None, "...": ..., "stub": stub, "class": Blank, "half a class": HalfBlank}
BLANKS |= {"pass": lambda *a, **k: None, "returns ...": lambda *a, **k: ...}
HOSTILE = {
    "nan": float("nan"),
    "string": "zzz",
    "wrong type": {"a": object()},
    "wrong dtype": torch.tensor([True, False, True]),
    "complex": 1j,
    "huge": torch.zeros(1).expand(5000, 5000),
    "empty": torch.zeros(0),
}


RETIRED = {
    *("0.3", "1.6", "2.4", "3.2", "3.5", "4.3", "4.6", "5.1", "5.8", "6.8"),
    *("7.1", "7.7", "7.8", "8.3", "8.8", "9.5", "10.2", "10.4", "10.8"),
}
"""Exercises that were dropped. Gradebooks name them, so no other exercise gets their ids."""


COSTLY = {"11.2": 10}
"""Exercises with a draw that takes long, since it trains networks: so many times fewer draws."""


def affordable(exercise: Exercise, draws: int) -> int:
    return max(1, draws // COSTLY.get(exercise.id, 1))


def test_ids_are_in_order_and_belong_to_their_notebook():
    for number in NOTEBOOKS:
        ids = [exercise.id for exercise in exercises.of_notebook(number)]
        numbers = [int(id.removeprefix(f"{int(number)}.")) for id in ids]
        assert numbers == sorted(set(numbers)) and numbers[0] >= 1
        assert not RETIRED & {*ids}


def test_ids_and_titles_are_unique():
    assert len({e.id for e in ALL}) == len({e.title for e in ALL}) == len(ALL)


@each
def test_right_answers_pass(exercise: Exercise, draws: int, monkeypatch):
    draws = affordable(exercise, draws)
    answers, full = [exercise.reference, *exercise.alternatives], max(5, draws // 8)
    for seed in range(5 * draws):
        cases = exercise.draw(seed)
        if seed == full:  # annotations and devices have been checked often enough
            monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
            del answers[0]  # the reference gives what it gave
        cases = [case for case in cases if seed < full or not case.device]
        wanted = [try_observe(exercise, exercise.reference, case) for case in cases]
        assert wanted and not all(isinstance(seen, Failure) for seen in wanted)
        for seen in wanted:  # where it has to raise, that is a ValueError
            assert not isinstance(seen, Failure) or seen.kind == "ValueError", seen
        for answer in answers:
            for case, expected in zip(cases, wanted, strict=True):  # what `compare` does, but once
                text = exercise.differ(expected, try_observe(exercise, answer, case))
                assert not text, f"{answer}, seed {seed}: {text}"


@each
def test_no_slip_passes(exercise: Exercise, draws: int, monkeypatch):
    """The same verdict on each draw; benchmarks/fairness.py tries 1,000."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    for seed in range(affordable(exercise, draws)):
        cases = [case for case in exercise.draw(seed) if not case.device]
        wanted = [try_observe(exercise, exercise.reference, case) for case in cases]
        for n, slip in exercise.wrong_answers:
            pairs = zip(cases, wanted, strict=True)
            off = (exercise.differ(want, try_observe(exercise, slip, case)) for case, want in pairs)
            assert any(off), f"slip {n} passes, seed {seed}"


@each
def test_every_slip_gets_its_own_hint(exercise: Exercise, draws: int, monkeypatch):
    hints = exercise.hints
    assert len(hints) >= 4 and len(set(hints)) == len(hints)
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)
    for seed in range(max(1, min(draws // 10, affordable(exercise, draws) // 5))):
        cases = [case for case in exercise.draw(seed) if not case.device]
        seen: dict[tuple[int, int], Any] = {}  # each answer is observed once on each case

        def once(exercise: Exercise, answer: Any, case: Case, seen: dict = seen) -> Any:
            key = id(answer), id(case)
            if key not in seen:
                seen[key] = observe_raw(exercise, answer, case)
            return seen[key]

        monkeypatch.setattr(verdicts, "observe_raw", once)
        for n, slip in exercise.wrong_answers:
            verdict = compare(exercise, cases, [once(exercise, slip, case) for case in cases])
            assert verdict.status == "wrong", f"slip {n}, seed {seed}: {verdict}"
            assert verdict.slip == n, f"slip {n} taken for {verdict.slip}, seed {seed}: {verdict}"
            assert verdict.message.endswith(hints[n])
            lines = [wrapped for x in str(verdict).split("\n") for wrapped in textwrap.wrap(x, 120)]
            assert len(lines) <= 5, verdict


@each
def test_no_fault_of_the_reference_passes(exercise: Exercise, draws: int):
    """Detached, on the CPU, in place, frozen, seeded again: see benchmarks/fairness.py."""
    for seed in range(max(3, min(draws // 10, affordable(exercise, draws) // 5))):
        assert FAIRNESS.accepted(exercise, seed) == []


@each
@pytest.mark.parametrize("name", BLANKS)
def test_a_blank_never_passes(exercise: Exercise, name: str):
    verdict = assess(exercise, BLANKS[name], seed=3)
    assert verdict.status != "right" and verdict.points == 0
    if name in ("None", "...") or (name == "stub" and callable(exercise.reference)):
        assert verdict.status == "unsolved"


@each
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_answers_are_wrong_and_nothing_crashes(exercise: Exercise, name: str):
    value = HOSTILE[name]
    answer = (lambda *args, **kwargs: value) if callable(exercise.reference) else value
    verdict = assess(exercise, answer, seed=3)
    assert verdict.status == "wrong", f"{name}: {verdict}"
    assert verdict.message and verdict._repr_html_()


@each
def test_what_is_no_function_is_wrong(exercise: Exercise):
    verdict = assess(exercise, "zzz", seed=3)
    assert verdict.status == "wrong" and verdict.message


@each
def test_check_continues_with_a_right_answer_or_the_reference(exercise: Exercise, capsys):
    for _, slip in exercise.wrong_answers[:1]:
        back = exercises.check(exercise.id, slip)
        said = "The notebook continues with the reference solution." in capsys.readouterr().out
        if isinstance(exercise.reference, str):  # a choice: nothing depends on it
            assert back is slip and not said
        else:
            assert back == exercise.reference and said
            assert back is exercise.reference or exercises.is_reference(exercise, back)
    for answer in exercise.alternatives:
        back = exercises.check(exercise.id, answer)
        assert back is answer or back == float(answer)  # a number comes back as one
        assert "continues" not in capsys.readouterr().out


@each
def test_the_card_has_sensible_numbers(exercise: Exercise):
    assert exercise.points >= 1 and 1 <= exercise.minutes <= 45
    assert exercise.title and exercise.title == exercise.title.strip()
