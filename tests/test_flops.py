"""The arithmetic of each notebook's training has a budget, in the profiles ``cpu`` and ``gpu``.

What is counted, and what is not: `flops`.
"""

import inspect
from pathlib import Path

import flops
import nbformat
import pytest
from torch.utils.flop_counter import FlopCounterMode

from gancourse.papers.gan import lazy_r1

SOURCES = sorted((flops.ROOT / "solutions").glob("[0-9][0-9]_*.py"))
BUDGET = {
    # Ten minutes on two cores. Recorded runs (benchmarks/measured.json) of 03 to 09 took one second
    # for each 39 to 90 GFLOP of their training; the median is 67.
    "cpu": 4e13,
    # Ten minutes of a T4, which trains these networks at about 4 TFLOP/s in fp32, are 2.4e15. The
    # rest is for what is not counted, and for steps too small to keep a GPU busy.
    "gpu": 1.5e15,
}


@pytest.mark.parametrize("profile", BUDGET)
@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_the_training_of_a_notebook_fits_its_budget(source, profile, record_property):
    rows = flops.count(source, profile)
    total = sum(row.flop for row in rows)
    record_property("flop", total)
    idle = [f"cell {row.cell}: {row.title}" for row in rows if not row.steps]
    assert not idle, f"no step was found in {idle}: is the loop neither train() nor a long range?"
    assert total <= BUDGET[profile], table(source, profile, rows)


def table(source: Path, profile: str, rows: list[flops.Row]) -> str:
    """What each cell needs, the largest first."""
    total = sum(row.flop for row in rows)
    lines = [
        f"The training of {source.stem} needs {total:.3g} floating-point operations with the "
        f"profile {profile}; its budget is {BUDGET[profile]:.2g}. Lower the {profile} values of "
        "env.budget (steps, widths, sizes) in the first of these cells:",
        "cell     steps    a step       all  share",
    ]
    for row in sorted(rows, key=lambda row: -row.flop):
        numbers = f"{row.cell:4} {row.steps:9,} {row.flop / row.steps:9.2e} {row.flop:9.2e}"
        lines.append(f"{numbers} {row.flop / total:6.1%}  {row.title}")
    return "\n".join(lines)


SMALL = (
    """
import torch
import torch.nn.functional as F
from gancourse import env
from gancourse.training.loop import train
""",
    """
rng = torch.Generator().manual_seed(0)
x, V = torch.randn(16, 3, 8, 8, generator=rng), torch.randn(8 * 64, 1, generator=rng)
W = torch.randn(8, 3, 3, 3, generator=rng).requires_grad_()
done = 0


def D(x):
    return F.leaky_relu(F.conv2d(x, W, padding=1)).flatten(1) @ V


def penalty(x):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(D(x).sum(), x, create_graph=True)[0].square().mean()


def descend(loss):
    W.data -= 1e-6 * torch.autograd.grad(loss, W)[0]


def step():
    global done
    loss = D(x).square().mean()
    descend(loss + penalty(x[:4]) if done % 8 == 0 else loss)
    done += 1
    return {"loss": loss.detach()}
""",
    """
records = list(train(step, env.budget(smoke=21, cpu=42, gpu=84), {}))
""",
    """
raise ValueError("needed by no training")
""",
    """
def fit(steps):
    for _ in range(steps):
        descend(F.softplus(D(x)).mean())


fit(40)
""",
)


@pytest.mark.parametrize("large", [0, flops.LARGE])
def test_the_count_is_that_of_a_full_run(large, monkeypatch):
    """Torch counts all steps, second derivatives for R1 included; we take two of each loop."""
    cells = [nbformat.v4.new_code_cell(source) for source in SMALL]
    rows = flops.count_cells(cells, "smoke", flops.Counter(large))
    monkeypatch.setenv("GANCOURSE_PROFILE", "smoke")
    names, expected = {}, []
    for source in (SMALL[0] + SMALL[1], SMALL[2], SMALL[4]):
        with FlopCounterMode(display=False) as whole:
            exec(source, names)
        expected.append(whole.get_total_flops())
    assert [0, *(row.flop for row in rows)] == expected
    assert [(row.cell, row.steps) for row in rows] == [(3, 21), (5, 40)]


def test_steps_repeat_as_is_assumed():
    assert inspect.signature(lazy_r1).parameters["every"].default == flops.CYCLE
