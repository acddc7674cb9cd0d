import math

import pytest
from scipy.stats import ttest_ind_from_stats

from gancourse.metrics.runs import compare_runs


def test_it_is_welchs_statistic():
    """The difference over its standard error is scipy's t for unequal variances."""
    a, b = [3.1, 4.0, 2.2, 5.5, 4.4], [6.0, 9.1, 5.2, 8.8]
    difference, error, verdict = compare_runs(a, b)
    mean_a, mean_b = sum(a) / 5, sum(b) / 4
    std_a = math.sqrt(sum((x - mean_a) ** 2 for x in a) / 4)
    std_b = math.sqrt(sum((x - mean_b) ** 2 for x in b) / 3)
    t = ttest_ind_from_stats(mean_b, std_b, 4, mean_a, std_a, 5, equal_var=False).statistic
    assert difference / error == pytest.approx(t) and difference == pytest.approx(mean_b - mean_a)
    assert verdict == "worse"
    assert compare_runs(b, a) == (-difference, error, "better")
    assert compare_runs(a, b, limit=5)[2] == "no difference seen"


def test_few_or_equal_runs_give_no_verdict():
    for control, changed in (([1.0, 1.1], [90.0] * 5), ([1.0, 1.1, 1.2], [90.0])):
        difference, error, verdict = compare_runs(control, changed)
        assert difference > 80 and error == math.inf and verdict == "no difference seen"
    assert compare_runs([2.0] * 3, [2.0] * 4) == (0, 0, "no difference seen")
    with pytest.raises(ValueError, match="at least one"):
        compare_runs([], [1.0])
