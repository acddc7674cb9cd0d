"""Exercise 3.9: the verdict of an ablation."""

import math
from collections.abc import Callable, Sequence
from statistics import fmean, median, pstdev, stdev, variance
from typing import Any

import torch

from gancourse.exercises.base import AnswerError, Case, Exercise, Observation, as_tensor, copied
from gancourse.exercises.parts import Part
from gancourse.metrics.runs import compare_runs

Runs = Sequence[float]
WORDS = {"better": -1, "no difference seen": 0, "worse": 1}
SAID = "the verdict (-1: better, 0: no difference seen, 1: worse)"


def repeated_runs(rng: torch.Generator) -> list[Case]:
    """Each verdict, with unequal numbers of runs; near the limit; few runs, and equal ones."""

    def runs(n: int, mean: float, spread: float) -> list[float]:
        x = torch.randn(n, generator=rng, dtype=torch.double)
        x = (x - x.mean()) / x.std()  # their standard deviation is `spread`
        shift = torch.rand((), generator=rng).double()
        return (mean + shift + spread * x).tolist()

    def case(n: int, m: int, errors: float, note: str) -> Case:
        """The difference is so many standard errors."""
        control, changed = runs(n, 20, 1.5), runs(m, 20, 4)
        _, error, _ = compare_runs(control, changed)
        shift = fmean(control) - fmean(changed) + errors * error
        return Case((control, [value + shift for value in changed]), note=note)

    def u(low: float, high: float) -> float:
        return low + (high - low) * float(torch.rand((), generator=rng))

    two, gap = runs(2, 20, 0.2), runs(5, 45, 1)
    return [
        case(5, 4, u(7, 9), "where the change is clearly worse"),
        case(4, 6, -u(7, 9), "where the change is clearly better"),
        case(5, 5, u(2.3, 2.8), "where the difference is between 2 and 3 standard errors"),
        case(6, 4, -u(2.3, 2.8), "where the difference is between -3 and -2 standard errors"),
        case(5, 6, u(1.2, 1.8), "where the difference is between 1 and 2 standard errors"),
        case(5, 7, u(3.2, 3.4), "where the difference is just above 3 standard errors"),
        case(3, 5, u(7, 9), "with three runs of the control"),
        Case((two, gap), note="with two runs of the control"),
        Case((gap, [two[0]]), note="with one run of the change"),
        Case(([7.0, 7.0, 7.0], [7.0, 7.0, 7.0, 7.0]), note="where all runs are equal"),
    ]


def observe_verdict(answer: Callable[[Runs, Runs], Any], case: Case) -> Observation:
    """Difference, standard error, and the verdict as a number."""
    result = answer(*copied(case.args))
    if result is None:
        raise AnswerError("Your function returned nothing (None). Is a `return` missing?")
    if not isinstance(result, (tuple, list)) or len(result) != 3:
        raise AnswerError("Return three things: the difference, its standard error, the verdict.")
    *values, word = result
    if not isinstance(word, str) or word.strip().lower().strip(".") not in WORDS:
        raise AnswerError(f"The verdict should be one of the three texts, not {str(word)[:40]!r}.")
    seen = {}
    for name, value in zip(("the difference", "the standard error"), values, strict=True):
        x = as_tensor(value, name.removeprefix("the ")).double()
        seen[name] = x.reshape(()) if x.numel() == 1 else x
    return {**seen, SAID: torch.tensor(WORDS[word.strip().lower().strip(".")])}


# Verdicts with and without slips -----------------------------------------------------------------
def unequal(a: Runs, b: Runs) -> float:
    return math.sqrt(variance(a) / len(a) + variance(b) / len(b))


def verdict_like(
    difference: Callable[[Runs, Runs], float] = lambda a, b: fmean(b) - fmean(a),
    error: Callable[[Runs, Runs], float] = unequal,
    limit: float = 3,
    least: int = 3,
    few: float = math.inf,
    words: tuple[str, str] = ("better", "worse"),
    size: Callable[[float], float] = abs,
) -> Callable[[Runs, Runs], tuple[float, float, str]]:
    """Make a verdict on (control, changed), with a slip if asked for."""

    def answer(control: Runs, changed: Runs) -> tuple[float, float, str]:
        d = difference(control, changed)
        e = few if min(len(control), len(changed)) < least else error(control, changed)
        if not size(d) > limit * e:
            return d, e, "no difference seen"
        return d, e, words[int(d > 0)]

    return answer


def by_torch(control: Runs, changed: Runs) -> list:
    """With tensors, and t = difference / error."""
    a, b = torch.tensor(control).double(), torch.tensor(changed).double()
    d = b.mean() - a.mean()
    if len(a) < 3 or len(b) < 3:
        return [d, torch.tensor(torch.inf), "no difference seen"]
    e = (a.var() / len(a) + b.var() / len(b)).sqrt()
    t = d / e  # nan where all runs are equal
    return [d, e, "worse" if t > 3 else "better" if t < -3 else "no difference seen"]


def by_sums(control: Runs, changed: Runs) -> tuple:
    """Written out, with hypot."""

    def sem(x: Runs) -> float:
        mean = sum(x) / len(x)
        return math.sqrt(sum((v - mean) ** 2 for v in x) / (len(x) - 1) / len(x))

    d = sum(changed) / len(changed) - sum(control) / len(control)
    if len(control) <= 2 or len(changed) <= 2:
        return d, float("inf"), "No difference seen."
    e = math.hypot(sem(control), sem(changed))
    word = "better" if d < -3 * e else ("worse" if d > 3 * e else "no difference seen")
    return d, e, word


def pooled(a: Runs, b: Runs) -> float:
    """The standard error of a t-test that assumes one variance for both."""
    n, m = len(a), len(b)
    common = ((n - 1) * variance(a) + (m - 1) * variance(b)) / (n + m - 2)
    return math.sqrt(common * (1 / n + 1 / m))


def always(control: Runs, changed: Runs) -> tuple[float, float, str]:
    d, e, _ = compare_runs(control, changed)
    return d, e, "worse" if d > 0 else "better"


def nan_for_few(control: Runs, changed: Runs) -> tuple[float, float, str]:
    d, e, word = compare_runs(control, changed)
    return d, math.nan if math.isinf(e) else e, word


EXERCISE = Exercise(
    id="3.9",
    title="The verdict of an ablation",
    points=3,
    minutes=15,
    reference=compare_runs,
    cases=repeated_runs,
    observe=observe_verdict,
    parts=(
        Part("the difference and its standard error", 2, ("the difference", "the standard error")),
    ),
    slips={
        "The difference is changed minus control, so that it is positive where the change is "
        "worse.": [
            verdict_like(lambda a, b: fmean(a) - fmean(b)),
            verdict_like(lambda a, b: fmean(a) - fmean(b), words=("worse", "better")),
        ],
        "The difference has a sign: return it as it is, and compare its absolute value with the "
        "limit.": [
            lambda a, b: (abs(compare_runs(a, b)[0]), *compare_runs(a, b)[1:]),
            verdict_like(lambda a, b: abs(fmean(b) - fmean(a))),
        ],
        "These are Fréchet distances: more is worse. Your two words are swapped.": verdict_like(
            words=("worse", "better")
        ),
        "A difference far below 0 counts, too: compare its absolute value with the "
        "limit.": verdict_like(size=lambda d: d),
        "Your limit is 2 standard errors, or 1.96. The card asks for 3.": [
            verdict_like(limit=2), verdict_like(limit=1.96),
        ],
        "Your limit is one standard error. The card asks for 3.": verdict_like(limit=1),
        "Any difference counts in your answer. Only one beyond 3 standard errors should.": always,
        "Your spread is the standard deviation with n in the denominator. With few runs it is too "
        "small: divide by n - 1.": verdict_like(
            error=lambda a, b: math.hypot(pstdev(a) / len(a) ** 0.5, pstdev(b) / len(b) ** 0.5)
        ),
        "That is a standard deviation. The standard error of a mean is smaller: divide each "
        "variance by the number of its runs.": [
            verdict_like(error=lambda a, b: math.sqrt(variance(a) + variance(b))),
            verdict_like(error=lambda a, b: math.hypot(pstdev(a), pstdev(b))),
        ],
        "The two errors don't add: add their squares, and take the root.": verdict_like(
            error=lambda a, b: stdev(a) / len(a) ** 0.5 + stdev(b) / len(b) ** 0.5
        ),
        "That is the square of the standard error: the root is missing.": verdict_like(
            error=lambda a, b: variance(a) / len(a) + variance(b) / len(b)
        ),
        "Only one of the two rows is in your error. Both means are uncertain.": [
            verdict_like(error=lambda a, b: stdev(b) / len(b) ** 0.5),
            verdict_like(error=lambda a, b: stdev(a) / len(a) ** 0.5),
        ],
        "You took the spread of both rows together, which contains the difference itself. Take "
        "each row's own variance.": [
            verdict_like(error=lambda a, b: stdev([*a, *b]) / (len(a) + len(b)) ** 0.5),
            verdict_like(error=lambda a, b: stdev([*a, *b]) * (1 / len(a) + 1 / len(b)) ** 0.5),
        ],
        "You pooled the variances, as if both kinds of runs varied equally. Divide each row's own "
        "variance by its own number of runs.": verdict_like(error=pooled),
        "Divide each variance by the number of runs of its own row; the rows may differ in "
        "length.": [
            verdict_like(error=lambda a, b: math.sqrt((variance(a) + variance(b)) / len(a))),
            verdict_like(error=lambda a, b: math.sqrt((variance(a) + variance(b)) / len(b))),
            verdict_like(
                error=lambda a, b: math.sqrt((variance(a) + variance(b)) / (len(a) + len(b)))
            ),
        ],
        "Divide the standard deviation by the root of n, not by n.": verdict_like(
            error=lambda a, b: math.hypot(stdev(a) / len(a), stdev(b) / len(b))
        ),
        "That is the difference divided by the control's mean. Return the difference "
        "itself.": verdict_like(lambda a, b: (fmean(b) - fmean(a)) / fmean(a)),
        "That is the difference in standard errors. Return the difference itself.": (
            lambda a, b: (
                compare_runs(a, b)[0] / max(compare_runs(a, b)[1], 1e-9), *compare_runs(a, b)[1:]
            )
        ),
        "Compare means, not medians.": verdict_like(lambda a, b: median(b) - median(a)),
        "Compare means, not the best runs.": verdict_like(lambda a, b: min(b) - min(a)),
        "Two runs are too few: the card asks for at least three in each row.": [
            verdict_like(least=2), verdict_like(least=2, few=0.0),
        ],
        "With fewer than three runs in either row the error is infinite, math.inf, so that there "
        "is no verdict.": [nan_for_few, verdict_like(few=0.0)],
        "Three runs are enough for a verdict.": verdict_like(least=4),
        "A variance needs two values: look at the number of runs before you compute it.": (
            verdict_like(least=0)
        ),
    },
    alternatives=(by_torch, by_sums, verdict_like()),
    advice="By hand: [1, 2, 3] against [2, 4, 6] has the difference 2 and the standard error "
    "sqrt(1/3 + 4/3) = 1.29.",
)  # fmt: skip
