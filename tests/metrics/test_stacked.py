"""Scores of stacked digits against counting by hand."""

import math
from collections import Counter

import pytest
import torch

from gancourse.metrics.stacked import stacked_scores


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


def test_the_ends_of_the_scale():
    digits = torch.cartesian_prod(*[torch.arange(10)] * 3)
    every = torch.eye(10)[digits]
    assert stacked_scores(every) == (1000, pytest.approx(0, abs=1e-9), 1.0)
    assert stacked_scores(every[:1]) == (1, pytest.approx(math.log(1000)), 1.0)
    with pytest.raises(ValueError, match="expected probabilities"):
        stacked_scores(every[:0])
