"""Batches: with replacement, from one generator."""

import pytest
import torch

from gancourse.datasets.batches import Batches
from gancourse.errors import CourseError


def test_bytes_come_out_in_the_courses_range(rng):
    images = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1)
    x = next(Batches(images, size=100, rng=rng))
    assert x.shape == (100, 1, 1, 1) and set(x.flatten().tolist()) == {-1.0, 1.0}


def test_examples_and_labels_stay_together(rng):
    x, y = next(Batches(torch.arange(50).float(), torch.arange(50), size=64, rng=rng))
    assert torch.equal(x.long(), y) and y.dtype == torch.int64


def test_every_example_is_drawn_equally_often(rng):
    draws = torch.cat([next(Batches(torch.arange(10), size=1000, rng=rng)) for _ in range(20)])
    assert (draws.bincount() / 2000 - 1).abs().max() < 0.15  # seven standard errors


def test_generator_is_the_only_state():
    a = Batches(torch.arange(9), size=4, rng=torch.Generator().manual_seed(1))
    state = a.rng.get_state()
    wanted = next(a)
    b = Batches(torch.arange(9), size=4, rng=torch.Generator())
    b.rng.set_state(state)
    assert torch.equal(next(b), wanted)


@pytest.mark.parametrize(
    "tensors, size",
    [((torch.zeros(0, 2),), 4), ((torch.zeros(3), torch.zeros(2)), 4), ((torch.zeros(3),), 0)],
)
def test_what_cannot_be_drawn_from_is_refused(tensors, size, rng):
    with pytest.raises(CourseError, match="can't be drawn"):
        Batches(*tensors, size=size, rng=rng)


def test_only_images_are_converted(rng):
    images = torch.full((4, 1, 2, 2), 255, dtype=torch.uint8)
    labels, one_hot = torch.tensor([0, 1, 2, 9]).byte(), torch.eye(4).byte()
    x, y, c, masks = next(Batches(images, labels, one_hot, images, size=6, rng=rng))
    assert x.dtype == masks.dtype == torch.float32 and (x == 1).all()
    assert y.dtype == c.dtype == torch.uint8 and set(y.tolist()) <= {0, 1, 2, 9}
    assert next(Batches(images.flatten(1), size=2, rng=rng)).tolist() == [[1.0] * 4] * 2
