"""What several exercises of notebook 06 share."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.exercises.base import AnswerError, Observation, as_tensor


def observe_list(answer: Any, names: Sequence[str]) -> Observation:
    """Observe a list of tensors: its length, and each tensor by its name."""
    if not isinstance(answer, (list, tuple)):
        if answer is None or answer is Ellipsis:
            as_tensor(answer)
        raise AnswerError(f"Return a list of tensors, not a {type(answer).__name__}.")
    more = [f"entry {n} of the list" for n in range(len(names) + 1, len(answer) + 1)]
    tensors = zip([*names, *more], answer, strict=False)
    count = {"number of entries in the list": torch.tensor(len(answer))}
    return count | {name: as_tensor(x, name) for name, x in tensors}


def copy_pixels(x: Tensor) -> Tensor:
    """Double the side by copying each pixel: what `up` does not do."""
    return F.interpolate(x, scale_factor=2, mode="nearest")


def align_corners(x: Tensor) -> Tensor:
    """Double the side with the corners kept in place: what `up` does not do."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)


def bicubic(x: Tensor) -> Tensor:
    """Double the side by bicubic interpolation: what `up` does not do."""
    return F.interpolate(x, scale_factor=2, mode="bicubic")
