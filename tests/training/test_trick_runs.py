"""The runs of notebook 10: each can be trained, and the remedies combine."""

import pytest
import torch

from gancourse.training import trick_runs
from gancourse.training.trick_runs import BATCH, RING, SEEDS, Trick

ALL = trick_runs.all_tricks()


@pytest.mark.parametrize("name", ALL)
def test_every_run_can_be_trained(name: str):
    run = trick_runs.begin(ALL[name], steps=2)
    losses = [run.step() for _ in range(2)]
    assert all(loss.isfinite() for step in losses for loss in step.values())
    x = run.sample(2)
    assert x.shape == (SEEDS, 2 * BATCH, 2) and bool(x.isfinite().all())
    assert x.equal(run.sample(2))  # from the same latent vectors


def test_samples_come_from_the_moving_average():
    plain, ema = (trick_runs.begin(Trick(changes), 3) for changes in ({}, {"ema": 0.5}))
    for _ in range(3):
        plain.step()
        ema.step()
    for p, mean in zip(plain.G.parameters(), ema.G.parameters(), strict=True):
        assert not p.equal(mean) and p.allclose(mean, atol=0.02)


def test_remedies_combine():
    assert trick_runs.remedies() == {"gamma": 0.3, "ema": 0.995, "hold": 0.5, "betas": (0.0, 0.9)}
    assert trick_runs.remedies("R1", "decay") == {"ema": 0.995, "betas": (0.0, 0.9)}
    assert ALL["recipe"].recipe == trick_runs.remedies()


def test_batches_are_of_the_ring():
    x = next(trick_runs.ring_batches(torch.Generator().manual_seed(0)))
    assert x.shape == (SEEDS, BATCH, 2)
    near = torch.cdist(x, RING.centres.expand(SEEDS, -1, -1)).min(dim=2).values
    assert near.max() < 6 * RING.std


def test_critics_estimate_the_distance_of_shifted_normals():
    """W is the shift; the penalty adds W / 2 lambda of it."""
    means, stds = torch.tensor([0.5, 1.0])[:, None, None], torch.ones(2, 1, 1)
    got = trick_runs.wasserstein_estimates(means, stds, 10.0, 300)
    assert got.allclose(means.flatten(), atol=0.12)
