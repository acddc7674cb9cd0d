"""The sentences about wrong values are true, and the right one is found."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.verdicts import assess


def cases(rng: torch.Generator) -> list[Case]:
    """A matrix and a second one, twice; values of both signs."""
    return [
        Case((torch.randn(3, 4, generator=rng), torch.randn(3, 4, generator=rng))) for _ in "ab"
    ]


def softly(x: Tensor, y: Tensor) -> Tensor:
    return (x - 2 * y).tanh()


SOFTLY = Exercise("9.1", "Softly", 1, 1, softly, cases, advice="No idea.")
SAID = {
    "The sign is wrong": lambda x, y: -softly(x, y),
    "1 minus what is expected": lambda x, y: 1 - softly(x, y),
    "1 divided by": lambda x, y: 1 / softly(x, y),
    "Every value is 3 times what is expected: did you take a sum": lambda x, y: 3 * softly(x, y),
    "Every value is 1/4 of what is expected: did you take a mean": lambda x, y: softly(x, y) / 4,
    "Every value is 1.7 times": lambda x, y: 1.7 * softly(x, y),
    "Every value is too large by 0.5": lambda x, y: softly(x, y) + 0.5,
    "the tanh of your result is expected": lambda x, y: x - 2 * y,
    "in reverse order along dimension 1": lambda x, y: softly(x, y).flip(1),
    "in the wrong place": lambda x, y: softly(x, y)[[1, 2, 0]],
    "The last two dimensions are swapped: transposed, the values are right": lambda x, y: (
        softly(x, y).T
    ),
    "`x` and `y` swapped": lambda x, y: softly(y, x),
    "Your result is `x` itself": lambda x, y: x,
    "0 everywhere": lambda x, y: 0 * x,
    "values are nan": lambda x, y: softly(x, y) + torch.tensor([[0, 0, 0, float("nan")]]),
    "values are infinite": lambda x, y: softly(x, y) / torch.tensor([[1.0, 1, 1, 0]]),
    "Only the last entries along dimension 1": lambda x, y: F.pad(softly(x, y)[:, :3], (0, 1)),
    "Only the first entries along dimension 0 are right": lambda x, y: (
        softly(x, y) + torch.tensor([[0.0], [1.5], [2.5]]) * x
    ),
    "outside [-0.3, 0.3], the range of yours": lambda x, y: softly(x, y).clamp(-0.3, 0.3),
    "where the expected one is negative": lambda x, y: F.elu(softly(x, y), 0.5),
    "A dimension of length 1 is superfluous. The values are right": lambda x, y: softly(x, y)[None],
    "You returned a single number": lambda x, y: softly(x, y).mean(),
    "too many in dimension 0": lambda x, y: torch.cat([softly(x, y), x]),
    "some are missing at the end of dimension 1": lambda x, y: softly(x, y)[:, :2],
    "arranged in another shape": lambda x, y: softly(x, y).reshape(2, 6),
    "No idea.": lambda x, y: softly(x, y) + 0.1 * x * y,
}


@pytest.mark.parametrize("text", SAID)
@pytest.mark.filterwarnings("error")
def test_what_is_true_of_the_values_is_said(text):
    for seed in range(20):
        verdict = assess(SOFTLY, SAID[text], seed)
        assert verdict.status == "wrong" and text in verdict.message, verdict.message


def test_one_number_gets_no_factor_by_chance():
    """A single pair of numbers has some factor always: only small integers are worth naming."""
    exercise = Exercise(
        "9.1", "Mean", 1, 1, lambda x, y: (x * y).mean(), lambda rng: cases(rng)[:1]
    )
    assert "12 times" in assess(exercise, lambda x, y: (x * y).sum(), 0).message
    named = [assess(exercise, lambda x, y: (x + y).mean(), seed).message for seed in range(200)]
    assert sum("times" in said or "1/" in said for said in named) <= 1


def test_truth_values_are_wrong_in_one_direction():
    exercise = Exercise("9.1", "Above", 1, 1, lambda x, y: x > y, cases)
    assert "True" in assess(exercise, lambda x, y: x > y - 1, 0).message
    assert "never the reverse" in assess(exercise, lambda x, y: x > y + 1, 0).message
    assert "Expected True and False" in assess(exercise, lambda x, y: (x > y).float(), 0).message


def test_numbers_are_printed_until_they_differ():
    exercise = Exercise("9.1", "Mean", 1, 1, lambda x, y: x.mean() * 0 + 0.307912, cases)
    message = assess(exercise, lambda x, y: x.mean() * 0 + 0.307971, 0).message
    assert "Expected 0.30791, got 0.30797" in message


def test_gradients_are_part_of_the_answer():
    def inputs(rng: torch.Generator) -> list[Case]:
        x, y = torch.randn(2, 3, generator=rng)
        return [Case((x.requires_grad_(), y.clone().requires_grad_()))]

    exercise = Exercise("9.1", "Loss", 1, 1, lambda x, y: (x - y.detach()).square().mean(), inputs)
    for answer in (
        lambda x, y: (x - y).square().mean().item(),
        lambda x, y: (x - y).square().mean().detach(),
    ):
        assert "no gradient reaches `x`" in assess(exercise, answer, 0).message
    both = assess(exercise, lambda x, y: (x - y).square().mean(), 0).message
    assert "A gradient reaches `y`, which is a constant here" in both
    assert assess(exercise, lambda x, y: ((x - y.data) ** 2).sum() / 3, 0).points
