"""Mini-batches from tensors that live on the device: no worker processes, no copies."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from gancourse.errors import CourseError
from gancourse.shapes import to_float


class Batches(Iterator):
    """Endless mini-batches, each of ``size`` examples drawn with replacement.

    Algorithm 1 of Goodfellow et al. (2014) says "sample a minibatch of m examples from p_data".
    The only state is `rng`: a resumed run sees the same batches as an uninterrupted one.

    Parameters
    ----------
    examples : Tensor
        (N, ...) floats, or images as uint8, which are converted to floats in [-1, 1].
    *more : Tensor
        Labels, captions or further images, (N, ...): a batch is then a tuple. Of uint8 tensors,
        those with three or more dimensions are images; labels stay as they are.
    size : int
        Examples per batch.
    rng : torch.Generator
        Draws the indices; on the device of the tensors.

    Raises
    ------
    CourseError
        If the tensors differ in length or are empty, or `size` is below 1.
    """

    def __init__(self, examples: Tensor, *more: Tensor, size: int, rng: torch.Generator) -> None:
        lengths = {len(t) for t in (examples, *more)}
        if len(lengths) != 1 or len(examples) == 0 or size < 1:
            shapes = [tuple(t.shape) for t in (examples, *more)]
            raise CourseError(
                f"Batches of {size} can't be drawn from tensors of shapes {shapes}.",
                "Every tensor needs the same number of examples, at least one, and size >= 1.",
            )
        self.tensors = (examples, *more)
        self.images = (examples.dim() > 1, *(t.dim() > 2 for t in more))
        self.size = size
        self.rng = rng

    def __next__(self) -> Any:
        n = len(self.tensors[0])
        i = torch.randint(n, (self.size,), generator=self.rng, device=self.rng.device)
        picked = tuple(
            to_float(t[i.to(t.device)]) if image else t[i.to(t.device)]
            for t, image in zip(self.tensors, self.images, strict=True)
        )
        return picked if len(picked) > 1 else picked[0]
