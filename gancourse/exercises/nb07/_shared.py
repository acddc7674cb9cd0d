"""What several exercises of notebook 07 share."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from gancourse.exercises.base import AnswerError, Case, Observation, gradients, observe_result
from gancourse.exercises.watch import named


def observe_loss(answer: Callable[..., Any], case: Case) -> Observation:
    """The value of a loss, and the gradients at its inputs, which a network computed."""
    leaves = [x.detach().clone().requires_grad_() for x in case.args]
    given = [x.clone() for x in leaves]  # no leaves: what changes them in place does not raise
    result = answer(*given)
    names = named(getattr(answer, "reference", answer), tuple(given), {})
    for name, x, leaf in zip(names, given, leaves, strict=True):
        if not torch.equal(x, leaf):
            raise AnswerError(
                f"Your code changes `{name}` in place, and its values are needed later. Make a "
                "new tensor instead."
            )
    return {**observe_result(result), **gradients(result, dict(zip(names, leaves, strict=True)))}


def opposite(loss: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A loss with the wrong sign."""
    return lambda *args: -loss(*args)
