"""Comparing repeated runs: whether a change is better or worse than the control."""

import math
from collections.abc import Sequence
from statistics import fmean, variance
from typing import Literal

Verdict = Literal["better", "worse", "no difference seen"]

LEAST = 3
"""With fewer runs the spread is hardly known, so no verdict is given."""


def compare_runs(
    control: Sequence[float], changed: Sequence[float], limit: float = 3.0
) -> tuple[float, float, Verdict]:
    r"""Difference of two means, its standard error, and a verdict; first built in notebook 03.

    The standard error is :math:`\sqrt{s_a^2 / n_a + s_b^2 / n_b}` with the variances :math:`s^2`
    of the runs (n - 1 in the denominator), which need not be equal.

    Parameters
    ----------
    control, changed : Sequence[float]
        One number per run, such as a Fréchet distance: less is better. Runs of one kind differ
        in their seed only.
    limit : float
        How many standard errors a difference must exceed for "better" or "worse". With five normal
        values each, a change without effect exceeds 3 in about one case of 60.

    Returns
    -------
    tuple[float, float, Verdict]
        ``changed`` minus ``control``, positive if the change is worse; the standard error, infinite
        if either has fewer than three runs; "better", "worse" or "no difference seen".

    Raises
    ------
    statistics.StatisticsError
        If there is no run.
    """
    difference = fmean(changed) - fmean(control)
    error = math.inf
    if min(len(control), len(changed)) >= LEAST:
        error = math.sqrt(variance(control) / len(control) + variance(changed) / len(changed))
    if abs(difference) <= limit * error:
        return difference, error, "no difference seen"
    return difference, error, "worse" if difference > 0 else "better"
