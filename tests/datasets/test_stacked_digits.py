"""Stacked digits: which digit is in which channel, and how often."""

import torch

from gancourse.datasets import stacked


def numbered(side: int = 4) -> torch.Tensor:
    """Ten grey images, of which image n has the value 20 n everywhere."""
    return (20 * torch.arange(10, dtype=torch.uint8))[:, None, None, None].expand(-1, 1, side, side)


def test_each_channel_shows_the_digit_that_was_drawn():
    rng = torch.Generator().manual_seed(0)
    images, rows = stacked.stack(numbered(), 50, rng)
    assert images.shape == (50, 3, 4, 4) and rows.shape == (50, 3)
    expected = (20 * rows / 127.5 - 1)[:, :, None, None].expand(-1, -1, 4, 4)
    torch.testing.assert_close(images, expected.float())


def test_all_thousand_numbers_are_equally_frequent():
    rng = torch.Generator().manual_seed(0)
    _, rows = stacked.stack(numbered(), 100_000, rng)
    numbers = torch.bincount(rows @ torch.tensor([100, 10, 1]), minlength=stacked.MODES)
    assert len(numbers) == 1000
    assert 50 < numbers.min() and numbers.max() < 150  # 100 on average, standard deviation 10


def test_batches_go_on_and_depend_on_the_seed():
    first, again = (
        stacked.batches(numbered(), 6, torch.Generator().manual_seed(1)) for _ in range(2)
    )
    a, b = next(first), next(first)
    assert a.shape == (6, 3, 4, 4) and not a.equal(b)
    assert a.equal(next(again)) and b.equal(next(again))
