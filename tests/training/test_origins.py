"""Marks follow what is computed from a generator's output, and nothing else."""

import gc

import pytest
import torch
import torch.nn.functional as F

from gancourse.training.origins import FAKE, MIXED, REAL, Origins


@pytest.fixture
def known(rng):
    origins = Origins()
    x, fakes = torch.randn(2, 4, 3, generator=rng)
    with origins:
        origins.mark(fakes, FAKE)
        yield origins, x, fakes


ALL_FAKE = {
    "detached": lambda x, f: f.detach(),
    "data": lambda x, f: f.data,
    "a view": lambda x, f: f.view(4, 3, 1),
    "noise added": lambda x, f: f + 0.1 * torch.randn(4, 3),
    "enlarged": lambda x, f: F.interpolate(f[:, None], scale_factor=2),
    "cropped": lambda x, f: f[:, :2],
    "without a graph": lambda x, f: torch.no_grad()(lambda: f * 2)(),
    "next to a condition": lambda x, f: torch.cat([torch.zeros(4, 2), f], dim=1),
    "another type": lambda x, f: f.double().cpu(),
    "copied into a buffer": lambda x, f: torch.empty(4, 3).copy_(f),
    "chosen from a pool": lambda x, f: torch.stack([f[2], f[0], f[1], f[3]]),
}


@pytest.mark.parametrize("name", ALL_FAKE)
def test_what_is_made_of_fakes_is_fake(known, name):
    origins, x, fakes = known
    made = ALL_FAKE[name](x, fakes)
    assert origins.rows(made) == ((len(made), FAKE),)


def test_joint_batches_keep_the_rows_of_each(known):
    origins, x, fakes = known
    both = torch.cat([x, fakes.detach(), fakes])
    assert origins.rows(both) == ((4, REAL), (8, FAKE))
    assert origins.rows(both.flip(1) * 2 + 1)[0][1] in (REAL, MIXED)
    assert origins.rows(both + 0.1) == ((4, REAL), (8, FAKE))
    assert origins.rows(torch.vstack([fakes, x])) == ((4, FAKE), (4, REAL))
    assert origins.rows(both[2:6]) == ((2, REAL), (2, FAKE))
    assert origins.rows(both[torch.tensor([7, 0, 5])]) == ((1, FAKE), (1, REAL), (1, FAKE))
    assert origins.rows(both[torch.arange(12) > 2]) == ((1, REAL), (8, FAKE))
    assert origins.rows(both.index_select(0, torch.tensor([1, 2]))) == ((2, REAL),)


def test_what_can_not_be_told_apart_is_mixed(known):
    origins, x, fakes = known
    origins.mark(x, REAL)
    assert origins.rows(0.3 * x + 0.7 * fakes) == ((4, MIXED),)
    assert origins.rows(torch.cat([x, fakes]).flip(0)) == ((8, MIXED),)
    empty = torch.empty(8, 3)
    empty[:4], empty[4:] = x, fakes
    assert origins.rows(empty) == ((8, MIXED),)


def test_the_rest_is_real_and_stays_so(known):
    origins, x, _ = known
    assert origins.rows(x * 2) == ((4, REAL),) == origins.rows(torch.randn(4, 3))


def test_marks_end_with_their_tensor_and_outlive_the_step(known):
    origins, _, fakes = known
    pool = [fakes.detach().clone()]
    before = len(origins.marks)
    del pool
    gc.collect()
    assert len(origins.marks) < before
    kept = fakes.clone()
    origins.__exit__(None, None, None)  # between two steps
    origins.__enter__()
    assert origins.rows(kept[:2]) == ((2, FAKE),)


def test_backward_passes_are_counted(known):
    origins, _, _ = known
    weight = torch.ones(2, requires_grad=True)
    weight.sum().backward()
    torch.autograd.backward(weight.prod())
    assert origins.backward_passes == 2
