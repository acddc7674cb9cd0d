"""The range of pictures: bytes outside, [-1, 1] inside."""

import torch

from gancourse.shapes import to_bytes, to_float


def test_bytes_and_floats_are_inverse():
    every = torch.arange(256, dtype=torch.uint8).view(1, 1, 16, 16)
    x = to_float(every)
    assert x.min() == -1 and x.max() == 1 and torch.equal(to_bytes(x), every)


def test_what_lies_outside_is_clipped_and_floats_are_left():
    assert to_bytes(torch.tensor([-3.0, 3.0]).view(2, 1, 1, 1)).flatten().tolist() == [0, 255]
    x = torch.tensor([0.25])
    assert to_float(x) is x
