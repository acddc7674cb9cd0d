"""The arithmetic of each notebook's training has a budget, in the profiles ``cpu`` and ``gpu``.

`flops` says what is counted, and what is not.
"""

import inspect

import flops
import nbformat
import pytest
from torch.utils.flop_counter import FlopCounterMode

from gancourse.papers.gan import lazy_r1

SOURCES = sorted((flops.ROOT / "solutions").glob("[0-9][0-9]_*.py"))
BUDGET = {
    "cpu": 1e14,  # TODO
    "gpu": 1.5e15,  # ten minutes of a T4, of whose 8 TFLOP/s in fp32 training reaches 2.5 to 4
}


@pytest.mark.parametrize("profile", BUDGET)
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_the_training_of_a_notebook_fits_its_budget(source, profile, record_property):
    rows = flops.count(source, profile)
    total = sum(row.flop for row in rows)
    record_property("flop", total)
    assert all(row.steps for row in rows), f"not counted: {[row for row in rows if not row.steps]}"
    assert total <= BUDGET[profile], table(source, profile, rows)


def table(source, profile: str, rows: list[flops.Row]) -> str:
    """What each cell needs, for the message of a failure."""
    total = sum(row.flop for row in rows)
    lines = [
        f"{source.stem} needs {total:.3g} floating-point operations with the profile {profile}; "
        f"the budget is {BUDGET[profile]:.2g}.",
        f"Lower the {profile} values of env.budget in the largest of these cells:",
        "cell     steps   per step      total  share",
    ]
    for row in sorted(rows, key=lambda row: -row.flop):
        lines.append(
            f"{row.cell:4} {row.steps:9,} {row.flop / row.steps:10.2e} {row.flop:10.2e} "
            f"{row.flop / total:6.1%}  {row.title}"
        )
    return "\n".join(lines)


SMALL = [
    """
import torch
import torch.nn.functional as F
from gancourse import env
from gancourse.papers.gan import lazy_r1
from gancourse.training.loop import train
""",
    """
rng = torch.Generator().manual_seed(0)
x, W = torch.randn(16, 3, 8, 8, generator=rng), torch.randn(8, 3, 3, 3, generator=rng)
V = torch.randn(8 * 64, 1, generator=rng)
penalty, done = lazy_r1(0.1), 0


def D(x):
    return F.leaky_relu(F.conv2d(x, W.requires_grad_(), padding=1)).flatten(1) @ V
""",
    """
def descend(loss):
    W.data -= 1e-6 * torch.autograd.grad(loss, W)[0]


def step():
    global done
    loss = D(x).square().mean()
    descend(loss + penalty(D, x[:4]) if done % 8 == 0 else loss)
    done += 1
    return {"loss": loss.detach()}
""",
    """
list(train(step, env.budget(smoke=21, cpu=42, gpu=84), {}))
""",
    """
def fit(steps):
    for _ in range(steps):
        descend(F.softplus(D(x)).mean())


fit(30)
""",
]


@pytest.mark.parametrize("large", [0, flops.LARGE])
def test_the_count_is_that_of_a_full_run(large, monkeypatch):
    """With the second derivatives of R1, at steps that are left out; counted by torch."""
    cells = [nbformat.v4.new_code_cell(source) for source in SMALL]
    rows = flops.count_cells(cells, "smoke", flops.Counter(large))
    monkeypatch.setenv("GANCOURSE_PROFILE", "smoke")
    names, expected = {}, []
    for cell in cells:
        with FlopCounterMode(display=False) as whole:
            exec(cell.source, names)
        expected.append(whole.get_total_flops())
    assert [row.flop for row in rows] == expected[3:]
    assert [row.steps for row in rows] == [21, 30]


def test_steps_repeat_as_is_assumed():
    assert inspect.signature(lazy_r1).parameters["every"].default == flops.CYCLE
