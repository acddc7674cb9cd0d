from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from gancourse import exercises
from gancourse.errors import CourseError
from gancourse.exercises import base
from gancourse.exercises.base import Case, Exercise, observe_value
from gancourse.exercises.questions import number
from gancourse.exercises.verdicts import OPEN_HINTS, PART_OF_GRADIENT, assess, compare, try_observe


def cases(rng: torch.Generator) -> list[Case]:
    return [Case((torch.randn(3, generator=rng),), note="on three numbers")]


def mean(x: Tensor) -> Tensor:
    return x.mean()


MEAN = Exercise(
    "9.1",
    "Mean",
    2,
    5,
    mean,
    cases,
    slips={"Divide by the number.": lambda x: x.sum(), "Sign.": lambda x: -x.mean()},
    alternatives=(
        lambda x: x.sum() / 3,
        lambda x: x.mean().item(),
        lambda x: x.cpu().numpy().mean(),
    ),
)
LETTER = Exercise("9.2", "Letter", 1, 2, "b", lambda rng: [Case()], observe_value)


@pytest.mark.parametrize("answer", [mean, *MEAN.alternatives])
def test_right_answers_of_every_kind_pass(answer):
    verdict = assess(MEAN, answer, seed=1)
    assert verdict.status == "right" and verdict.points == 2 and verdict.slip is None
    assert str(verdict) == "\N{CHECK MARK} 9.1 Mean: right, 2 points."


@pytest.mark.parametrize("n", [0, 1])
def test_a_slip_is_recognized_and_gets_its_own_hint(n):
    verdict = assess(MEAN, list(MEAN.slips.values())[n], seed=1)
    assert (verdict.status, verdict.slip, verdict.points) == ("wrong", n, 0)
    assert "On three numbers: expected" in verdict.message
    assert verdict.message.endswith(MEAN.hints[n])


def test_an_unknown_mistake_gets_expected_got_and_the_advice():
    verdict = assess(MEAN, lambda x: x.mean() + 1, seed=1)
    assert verdict.slip is None and verdict.message.endswith(OPEN_HINTS)
    expected, got = (float(w.strip(",.\n")) for w in verdict.message.split() if w[-2:-1].isdigit())
    assert got == pytest.approx(expected + 1, abs=1e-3)


def test_advice_is_a_suggestion_and_not_given_after_an_exception():
    exercise = replace(MEAN, advice="Is it 0 for x = -1, 0, 1?")
    verdict = assess(exercise, lambda x: x.mean() + 1, seed=1)
    assert verdict.message.endswith("\nOne thing to check: Is it 0 for x = -1, 0, 1?")
    failing = assess(exercise, lambda x: 1 // 0, seed=1).message
    assert "ZeroDivisionError" in failing and exercise.advice not in failing


def test_the_number_that_a_question_asks_for_is_not_shown():
    question = number("9.4", "Length", minutes=1, answer=6.0859, wrong={}, advice="Take the root.")
    message = assess(question, 3.04, seed=0).message
    assert message == "Not correct yet. 3.04 is not the number.\nTake the root."


def test_a_gradient_of_which_a_part_is_missing_is_told_from_a_wrong_result():
    def twice(rng: torch.Generator) -> list[Case]:
        return [Case((torch.randn(3, generator=rng, requires_grad=True),))]

    exercise = Exercise("9.5", "Square", 1, 1, lambda x: x * x, twice)
    assert assess(exercise, lambda x: x * x.detach(), 0).message.endswith(PART_OF_GRADIENT)
    assert PART_OF_GRADIENT not in assess(exercise, lambda x: x * x.detach() + 1, 0).message


def test_what_holds_only_in_the_wrong_cases_is_said_of_them():
    def both(rng: torch.Generator) -> list[Case]:
        return [Case((sign * torch.arange(1.0, 4),), note=f"for {sign}") for sign in (1, -1)]

    exercise = Exercise("9.6", "Plus", 1, 1, lambda x: x + 1, both)
    message = assess(exercise, lambda x: x + 1 + 2 * (x < 0), 0).message
    assert "Right for 1; wrong for -1:" in message
    assert message.endswith("Where it is wrong: every value is too large by 2.")
    all_wrong = assess(exercise, lambda x: 0 * x + 5, 0).message
    assert "Right except" not in all_wrong


def test_a_long_error_of_torch_is_cut_to_its_first_sentences():
    def answer(x: Tensor) -> Tensor:
        raise RuntimeError(f"It failed. {'Hint: look elsewhere. ' * 20}")

    message = assess(MEAN, answer, seed=1).message
    assert "RuntimeError: It failed. Hint" in message and len(message) < 320


def stub(x: Tensor) -> Tensor:
    raise NotImplementedError("Exercise 9.1")


def bare(x: Tensor) -> Tensor:
    raise NotImplementedError


class Blank(nn.Module):
    def __init__(self, *_):
        raise NotImplementedError("Exercise 9.1")


@pytest.mark.parametrize("answer", [None, ..., stub, bare, Blank, lambda x: ...])
def test_a_blank_is_unsolved(answer):
    verdict = assess(MEAN, answer, seed=1)
    assert (verdict.status, verdict.message) == ("unsolved", "not solved yet.")


def test_no_cases_is_no_pass():
    assert compare(MEAN, [], []).status == "unsolved"


def leave(x: Tensor) -> None:
    raise SystemExit("bye")


def torch_raises(x: Tensor) -> Tensor:
    raise NotImplementedError("\"mean\" not implemented for 'Long'")


HOSTILE = {
    "nan": lambda x: float("nan"),
    "inf": lambda x: float("inf"),
    "integer": lambda x: 10**6,
    "bool": lambda x: x > 100,
    "complex": lambda x: 1j,
    "string": lambda x: "0.5",
    "nothing": lambda x: None,
    "object": lambda x: object(),
    "ragged": lambda x: [[1.0], [1.0, 2.0]],
    "dictionary": lambda x: {"result": x, 3: x},
    "tuple": lambda x: (x.mean(), x.mean()),
    "a huge view": lambda x: x[:1].expand(10**6, 10**6),
    "not a function": 5,
    "wrong arguments": lambda: 1,
    "sparse": lambda x: x.to_sparse(),
    "empty": lambda x: x[:0],
    "in place": lambda x: x.mul_(2).mean() / 2,
    "endless recursion": lambda x: HOSTILE["endless recursion"](x),
    "exit": leave,
    "torch's NotImplementedError": torch_raises,
    "bytes": lambda x: b"0.5",
    "meta": lambda x: torch.zeros((), device="meta"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_answers_are_wrong_and_nothing_crashes(name):
    verdict = assess(MEAN, HOSTILE[name], seed=1)
    assert verdict.status == "wrong" and verdict.points == 0
    assert verdict.message and verdict._repr_html_().startswith("<div")


@pytest.mark.parametrize(
    "name, message",
    [
        ("nothing", "Is a `return` missing?"),
        ("string", "should be a number or a tensor, not a str"),
        ("in place", "Your code changes the values of `x`."),
        ("a huge view", "far too large"),
        ("exit", "Your code raised SystemExit: bye"),
        ("empty", "expected shape (), got (0,)"),
        ("torch's NotImplementedError", "not implemented for 'Long'"),
    ],
)
def test_the_diagnosis_says_what_happened(name, message):
    assert message in assess(MEAN, HOSTILE[name], seed=1).message


def test_an_answer_cannot_spoil_the_case():
    case = cases(torch.Generator().manual_seed(0))[0]
    before = case.args[0].clone()
    try_observe(MEAN, HOSTILE["in place"], case)
    assert case.args[0].equal(before)


@pytest.mark.parametrize(
    "text, status",
    [
        ("b", "right"),
        (" B ", "right"),
        ("c", "wrong"),
        ("bc", "wrong"),
        ("", "wrong"),
        (2, "wrong"),
    ],
)
def test_choices_are_compared_as_letters(text, status):
    verdict = assess(LETTER, text, seed=1)
    assert verdict.status == status
    assert "shape" not in verdict.message


def test_what_must_raise_is_an_exercise_too():
    def refuse(x):
        raise ValueError("empty")

    exercise = Exercise("9.3", "Refuse", 1, 1, refuse, cases)
    assert assess(exercise, refuse, seed=1).status == "right"
    assert "but it returned" in assess(exercise, mean, seed=1).message


def test_html_is_escaped():
    def raising(x):
        raise ValueError("<script>alert(1)</script>")

    assert "<script>" not in assess(MEAN, raising, seed=1)._repr_html_()


@pytest.fixture
def registered(monkeypatch):
    monkeypatch.setattr(exercises, "of_notebook", lambda number: (MEAN, LETTER))


def test_check_continues_with_a_right_answer_or_the_reference(registered, capsys):
    mine = MEAN.alternatives[0]
    assert exercises.check("9.1", mine) is mine
    assert "continues" not in capsys.readouterr().out
    assert exercises.check("9.1", next(iter(MEAN.slips.values()))) is mean
    assert "continues with the reference solution" in capsys.readouterr().out
    assert exercises.check("9.1", stub) is mean
    assert "not solved yet" in capsys.readouterr().out
    assert exercises.check("9.1", mean) is mean
    assert "this is the reference solution" in capsys.readouterr().out
    assert exercises.check("9.2", "a") == "a"  # nothing depends on a choice


def test_an_integer_returned_by_check_is_no_answer_when_checked_again(monkeypatch, capsys):
    """A number checked twice, in two cells: the second time it is the reference solution."""
    three = number("9.3", "Three", minutes=1, answer=3, wrong={4: "One too many."})
    monkeypatch.setattr(exercises, "of_notebook", lambda number: (three,))
    back = exercises.check("9.3", 4)
    assert back == 3 and back + 1 == 4
    capsys.readouterr()
    assert exercises.check("9.3", back) == 3
    assert "this is the reference solution" in capsys.readouterr().out
    assert exercises.check("9.3", 3) == 3
    assert "right, 1 point" in capsys.readouterr().out


@pytest.mark.parametrize("id", ["9.7", "nonsense", ""])
def test_an_unknown_id_names_the_known_ones(registered, id):
    with pytest.raises(CourseError, match="There is no exercise"):
        exercises.check(id, mean)


def test_as_tensor_never_shares_memory_with_the_answer():
    kept = torch.zeros(2)
    seen = base.as_tensor(kept)
    kept += 1
    assert seen.tolist() == [0, 0]
