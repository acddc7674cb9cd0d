"""Tables over seeds, as notebook 11 shows them."""

import pytest

from gancourse.results import load_table, over_seeds, seed_table

TABLE = {
    "command": "python benchmarks/x.py",
    "rows": {
        "a": {
            "steps": 10,
            "seeds": {"0": {"kl": 0.1, "modes": 999}, "1": {"kl": 0.3, "modes": 1001}},
        },
        "b": {"seeds": {"0": {"kl": 0.5, "modes": 7}}},
    },
}


def test_a_line_per_row_with_mean_and_deviation():
    first, a, b = seed_table(TABLE, "modes", "kl").split("\n")
    assert first == TABLE["command"]
    assert a.split() == "a 10 steps modes 1000 ± 1 kl 0.200 ± 0.141 (2 seeds)".split()
    assert b.split() == "b modes 7.000 kl 0.500 (1 seed)".split()
    assert over_seeds(TABLE["rows"]["a"], "kl") == [0.1, 0.3]


def test_a_number_that_no_run_has():
    with pytest.raises(KeyError, match="fid"):
        seed_table(TABLE, "fid")


@pytest.mark.parametrize(
    ("name", "keys"),
    [("stacked", ("modes", "kl", "sure")), ("own_data", ("kernel", "frechet", "gap", "copies"))],
)
def test_the_tables_of_notebook_11(name: str, keys: tuple[str, ...]):
    lines = seed_table(load_table(name), *keys).split("\n")
    assert lines[0].startswith("python benchmarks/") and len(lines) > 5
