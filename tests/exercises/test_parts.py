"""Partial credit: which parts there are, who earns them, and that nobody does for nothing."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from gancourse import exercises
from gancourse.exercises import verdicts
from gancourse.exercises.base import Case, Exercise, observe_value
from gancourse.exercises.differences import Failure
from gancourse.exercises.parts import Part, right_parts
from gancourse.exercises.verdicts import assess, compare, observe_raw, try_observe
from gancourse.grading.answers import collector

EVERY = [e for number in range(12) for e in exercises.of_notebook(f"{number:02d}")]
WITH_PARTS = [e for e in EVERY if e.parts]
OBSERVED = [e for e in EVERY if callable(e.reference) and e.observe is not observe_value]
ONE_NUMBER = {"11.7"}
"""Exercises of three points whose only result is a number: it is right or wrong."""


def named(exercise: Exercise) -> str:
    return exercise.id


def moments(x: Tensor) -> dict[str, Tensor]:
    return {"mean": x.mean(), "spread": x.std()}


MOMENTS = Exercise(
    id="9.99",
    title="Mean and standard deviation",
    points=4,
    minutes=1,
    reference=moments,
    cases=lambda rng: [Case((torch.randn(9, generator=rng),)), Case((torch.zeros(3),))],
    parts=(Part("the mean", 1, ("mean",)), Part("random numbers", 2, cases=(0,))),
)


@pytest.mark.parametrize(
    ("answer", "points"),
    [
        (moments, 4),
        (lambda x: {"mean": x.mean(), "spread": x.var()}, 1),
        (lambda x: {"mean": x.sum(), "spread": x.std()}, 0),
        (lambda x: {"mean": x.mean(), "spread": x.std() if x.any() else x.mean() + 1}, 3),
        (lambda x: moments(x) if x.any() else 1 / 0, 2),
        (lambda x: {"mean": x.mean()}, 1),
        (lambda x: None, 0),
        (lambda x: 1 / 0, 0),
    ],
)
def test_points_are_those_of_the_parts_that_are_right(answer, points: int):
    verdict = assess(MOMENTS, answer, seed=1)
    assert verdict.points == points
    assert (verdict.status == "right") == (points == 4)
    assert (f"but {points} of 4 points, for the" in verdict.message) == (points in (1, 3))


def test_what_an_error_leaves_right_counts():
    wanted = [{"loop": torch.zeros(())}]
    parts = (Part("the noise", 1, ("noise",)), Part("the average", 1, ("average",)))
    seen = [Failure("AnswerError", "The average never moves.", right=("noise",))]
    assert right_parts(parts, wanted, seen, 0, 0) == [parts[0]]
    assert not right_parts(parts, wanted, [Failure("ValueError", "")], 0, 0)


@pytest.mark.parametrize("answer", [moments, lambda x: {"mean": x.mean(), "spread": x.var()}])
def test_a_case_that_was_not_observed_earns_nothing(answer):
    seen = [observe_raw(MOMENTS, answer, case) for case in MOMENTS.draw(1)]
    assert collector.verdict(MOMENTS, 1, seen).points in (1, 4)
    for short in ([], seen[:1], seen[:2], [*seen, seen[0]]):
        verdict = collector.verdict(MOMENTS, 1, short)
        assert verdict.points == 0 and verdict.status != "right", short
    stopped = collector.verdict(MOMENTS, 1, [seen[0], Failure("AnswerError", "stopped")])
    assert stopped.points == (2 if answer is moments else 0)  # what was observed counts


@pytest.mark.parametrize("exercise", WITH_PARTS, ids=named)
def test_a_message_can_be_told_without_its_parts(exercise: Exercise):
    for parts in (exercise.parts, exercise.parts[:1]):
        said = verdicts._earned(exercise, parts, 1)
        assert verdicts.without_parts(f"Not correct yet{said}. On 1.5: x") == (
            "Not correct yet. On 1.5: x"
        )


def test_every_large_exercise_has_parts():
    large = {e.id for e in EVERY if e.points >= 3}
    assert large == {e.id for e in WITH_PARTS} | ONE_NUMBER


@pytest.mark.parametrize("exercise", WITH_PARTS, ids=named)
def test_parts_leave_points_for_the_whole_and_some_mistake_earns_each(exercise: Exercise):
    assert 0 < sum(part.points for part in exercise.parts) < exercise.points
    cases = [case for case in exercise.draw(1) if not case.device]
    wanted = [try_observe(exercise, exercise.reference, case) for case in cases]
    limits = exercise.rtol, exercise.atol
    left = set(exercise.parts)
    for _, slip in exercise.wrong_answers:
        seen = [try_observe(exercise, slip, case) for case in cases]
        left -= set(right_parts(exercise.parts, wanted, seen, *limits))
        if not left:
            return
    raise AssertionError(f"no mistake earns {left}")


@pytest.mark.parametrize("exercise", OBSERVED, ids=named)
def test_what_was_observed_for_another_seed_is_worth_nothing(exercise: Exercise):
    """Else an observation could be known before, and sent in place of a blank answer."""
    plain = replace(exercise, slips={})  # no hint is looked for
    pairs = [(n, n + 1) for n in range(1, 2 if exercise.id in ("2.6", "5.9", "11.2") else 5)]
    earned = []
    for old, new in pairs:
        seen = [observe_raw(exercise, exercise.reference, case) for case in exercise.draw(old)]
        verdict = compare(plain, exercise.draw(new), seen)
        earned.append(verdict.points)
    assert earned.count(exercise.points) <= len(pairs) // 4, "known before"
    assert earned.count(0) >= len(pairs) / 2, earned
