"""What exercises of notebook 04 share."""

from collections.abc import Callable
from typing import Any

import torch

from gancourse.exercises.base import FACT, Case, Observation, observe_call

BITS = (
    f"{FACT}Your result has 64-bit floats, and the weights of G 32-bit ones: return the dtype of "
    "the latent vectors."
)


def observe_latent(answer: Callable[..., Any], case: Case) -> Observation:
    """A latent vector: G has to accept it."""
    seen = observe_call(answer, case)
    double = any(x.dtype == torch.float64 for x in seen.values())
    return {**seen, BITS: torch.tensor(True)} if double else seen
