"""Near copies against sorted distances of NumPy."""

import numpy as np
import pytest
import torch

from gancourse.metrics.copies import copy_share


def by_sorting(samples: np.ndarray, train: np.ndarray, unseen: np.ndarray) -> float:
    def distances(points: np.ndarray) -> np.ndarray:
        return np.array([min(np.linalg.norm(x - y) for y in train) for x in points])

    return float((distances(samples) < np.percentile(distances(unseen), 5)).mean())


def test_against_a_loop(rng):
    train, unseen = torch.randn(2, 40, 5, generator=rng)
    samples = train[:30] + 0.3 * torch.randn(30, 5, generator=rng)
    expected = by_sorting(samples.numpy(), train.numpy(), unseen.numpy())
    assert 0.1 < expected < 1
    assert copy_share(samples, train, unseen) == pytest.approx(expected)


def test_new_samples_have_five_percent_and_copies_all(rng):
    train, unseen, fresh = (torch.randn(2000, 8, generator=rng) for _ in range(3))
    assert copy_share(fresh, train, unseen) == pytest.approx(0.05, abs=0.02)
    assert copy_share(train[:100] + 1e-3, train, unseen) == 1
    assert copy_share(fresh + 100, train, unseen) == 0
    assert copy_share(fresh, train, unseen, level=0.5) == pytest.approx(0.5, abs=0.05)


def test_empty_sets_are_refused():
    x, none = torch.zeros(3, 2), torch.zeros(0, 2)
    for sets in ((none, x, x), (x, none, x), (x, x, none)):
        with pytest.raises(ValueError, match="needs"):
            copy_share(*sets)
