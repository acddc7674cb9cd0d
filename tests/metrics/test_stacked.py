"""Scores of stacked digits, against samples whose modes are known."""

import math
from collections import Counter

import pytest
import torch
from torch import Tensor, nn

from gancourse.metrics.stacked import read_digits, stacked_scores


def certain(digits: Tensor, top: float = 1.0) -> Tensor:
    """Probabilities (n, 3, 10) whose largest, `top`, is that of the given digits (n, 3)."""
    p = torch.full((*digits.shape, 10), (1 - top) / 9)
    return p.scatter(-1, digits[..., None], top)


def numbers(values: Tensor) -> Tensor:
    return torch.stack([values // 100, values // 10 % 10, values % 10], dim=1)


def test_against_counting(rng):
    logits = 4 * torch.randn(500, 3, 10, generator=rng)
    logits[:200, :, 3] += 20  # 333 is frequent, and clear
    p = logits.softmax(dim=-1)
    modes, kl, sure = stacked_scores(p)
    counts = Counter(tuple(digits) for digits in p.argmax(dim=-1).tolist())
    expected = sum(n / 500 * math.log(1000 * n / 500) for n in counts.values())
    clear = [all(max(channel) >= 0.9 for channel in image) for image in p.tolist()]
    assert modes == len(counts) and kl == pytest.approx(expected)
    assert sure == pytest.approx(sum(clear) / 500) and 0.3 < sure < 0.9


def test_every_number_once_is_uniform():
    scores = stacked_scores(certain(numbers(torch.arange(1000))))
    assert scores.modes == 1000 and scores.sure == 1
    assert scores.kl == pytest.approx(0, abs=1e-9)


def test_one_number_and_half_of_them():
    one = stacked_scores(certain(numbers(torch.full((70,), 207))))
    assert one.modes == 1 and one.kl == pytest.approx(math.log(1000))
    half = stacked_scores(certain(numbers(torch.arange(500))))
    assert half.modes == 500 and half.kl == pytest.approx(math.log(2))


def test_all_three_digits_have_to_be_clear():
    p = certain(numbers(torch.tensor([123, 456, 789, 12])), top=0.95)
    p[0, 1] = certain(torch.tensor([[4]]), top=0.5)[0]  # one of its digits is unclear
    assert stacked_scores(p).sure == 0.75
    assert stacked_scores(p, at_least=0.96).sure == 0


def test_the_bias_is_as_stated():
    rng = torch.Generator().manual_seed(0)
    n = 25_600
    drawn = numbers(torch.randint(1000, (n,), generator=rng))
    assert stacked_scores(certain(drawn)).kl == pytest.approx(999 / (2 * n), rel=0.1)


def test_no_samples_are_refused():
    with pytest.raises(ValueError, match="shape"):
        stacked_scores(torch.zeros(0, 3, 10))


class Brightness(nn.Module):
    """A judge that reads an image's value as its digit."""

    def forward(self, x: Tensor) -> Tensor:
        return 50 * nn.functional.one_hot(x[:, 0, 0, 0].round().long(), 10).float()


def test_channels_are_read_in_order():
    values = torch.tensor([[1.0, 2, 3], [9, 0, 4]])
    p = read_digits(Brightness(), values[:, :, None, None].expand(-1, -1, 5, 5))
    assert p.argmax(-1).tolist() == [[1, 2, 3], [9, 0, 4]]
    torch.testing.assert_close(p.sum(-1), torch.ones(2, 3))
