"""A rule of the diagnosis, and the signs that it reads."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


class Signs(dict[str, Any]):
    """Numbers by name. One that was not logged is nan, and every comparison with nan is false."""

    def __missing__(self, name: str) -> float:
        return math.nan


@dataclass(frozen=True)
class Rule:
    """A fault: the test for it, the evidence to show, and the next step to take."""

    name: str
    test: Callable[[Signs], bool]
    evidence: str
    """A format string for the signs: "loss_D is {loss_D:.2f}"."""
    next_step: str | Callable[[Signs], str]
    """What to do, by cause where the signs tell causes apart. A format string too."""
    needs: int = 8
    """Number of records that the test needs: 1 for facts."""
