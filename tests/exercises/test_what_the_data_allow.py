"""Exercise 11.8: each number that the card and its hints state."""

import pytest

from gancourse.exercises.nb11.ex08_what_the_data_allow import DISTANCE, EXERCISE, LONGER, RECALL
from gancourse.metrics.runs import compare_runs


def without_the_longer_run(values: tuple[float, ...]) -> tuple[float, ...]:
    return values[:LONGER] + values[LONGER + 1 :]


@pytest.mark.parametrize("of", [tuple, without_the_longer_run])
def test_the_distance_shows_no_difference_and_recall_is_lower(of):
    rows = [of(DISTANCE[row]) for row in ("without", "with")]
    assert compare_runs(*rows)[2] == "no difference seen"
    difference, error, _ = compare_runs(*[of(RECALL[row]) for row in ("without", "with")])
    assert difference / error < -4


def test_the_numbers_of_the_hints():
    difference, error, _ = compare_runs(DISTANCE["without"], DISTANCE["with"])
    assert (round(difference, 1), round(difference / error, 1)) == (-6.2, -2.1)
    assert round(error) == 3
    rows = [without_the_longer_run(DISTANCE[row]) for row in ("without", "with")]
    difference, error, _ = compare_runs(*rows)
    text = f"{difference:.1f}, or {-difference / error:.1f} standard errors"
    assert text in EXERCISE.hints[0]
    assert min(DISTANCE["with"]) == 19 and min(DISTANCE["without"]) == 29
