"""No training step reads a value from the GPU: the program would wait, and the GPU would be idle.

Counted on the simulated device. It sees what torch is asked for, but not what a CUDA kernel does
inside, nor copies to the device.
"""

from collections.abc import Callable, Iterator

import pytest
import torch
from small_steps import STEPS, images, plain
from torch import Tensor

from gancourse import env
from gancourse.classifiers import digit_judge
from gancourse.datasets.batches import Batches
from gancourse.training import loop

READS: dict[str, Callable[[Tensor], object]] = {
    "item": lambda x: x.sum().item(),
    "if": lambda x: bool(x.sum() > 0),
    "float": lambda x: float(x[0]),
    "tolist": lambda x: x.tolist(),
    "cpu": lambda x: x.cpu(),
    "to": lambda x: x.to("cpu"),
    "mask": lambda x: x[x > 0],
    "nonzero": lambda x: x.nonzero(),
    "equal": lambda x: torch.equal(x, x),
}


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_read_is_counted(device, read):
    x = torch.rand(4, device="cuda")
    y = (x * 2).to(x).to(torch.float64).to("cuda")[1:3] + x[torch.tensor([0, 1])]
    y[0] = 1.0
    assert len(y) == 2 and device.reads == []
    read(x)
    assert len(device.reads) == 1


@pytest.mark.parametrize("make", STEPS.values(), ids=STEPS)
def test_a_step_reads_nothing(device, make):
    step = make()
    step()  # what is read once, at the start, costs nothing
    device.reads.clear()
    for _ in range(3):
        step()
    assert device.reads == []


def test_the_loop_reads_only_at_its_records(device, tmp_path):
    step = plain()
    losses = lambda: step()[0]  # noqa: E731
    reads = []
    for _ in loop.train(losses, 8, {}, None, record_every=4):
        reads.append(len(device.reads))
    assert 0 < reads[0] <= 4 and reads[1] <= 2 * reads[0]


def test_the_judge_reads_nothing(device):
    """But the losses, at the records of the loop."""
    rng = env.rng(0)
    data = Batches(images(9, 1, 32), torch.arange(9).to(env.device()), size=4, rng=rng)
    counted = []

    def counting() -> Iterator[tuple[Tensor, ...]]:
        for batch in data:
            counted.append(len(device.reads))
            yield batch

    digit_judge.train_judge(counting(), rng, 12)
    assert counted[-1] - counted[1] <= 4, device.reads
