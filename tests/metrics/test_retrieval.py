"""Nearest neighbours against SciPy."""

import pytest
import torch

from gancourse.metrics import retrieval


def test_nearest_against_scipy(rng):
    from scipy.spatial import cKDTree

    samples = torch.randn(40, 2, 3, generator=rng)
    examples = torch.randn(50, 2, 3, generator=rng)
    distances, indices = retrieval.nearest(samples, examples)
    expected, where = cKDTree(examples.flatten(1).numpy()).query(samples.flatten(1).numpy())
    assert indices.tolist() == where.tolist()
    assert distances.tolist() == pytest.approx(expected.tolist(), rel=1e-4)
    with pytest.raises(ValueError, match="at least one example"):
        retrieval.nearest(samples, examples[:0])


def test_recall_by_ranks(rng):
    """Against a loop that counts how many are more similar than the partner."""
    gallery = torch.randn(30, 4, generator=rng)
    queries = 5 * (gallery + 0.8 * torch.randn(30, 4, generator=rng))
    for k in (1, 3, 30):
        hits = 0
        for i, q in enumerate(queries):
            cosine = torch.cosine_similarity(q[None], gallery)
            hits += int((cosine > cosine[i]).sum() < k)
        assert retrieval.recall_at(queries, gallery, k) == pytest.approx(hits / 30)
    assert retrieval.recall_at(gallery, gallery, 1) == 1
    with pytest.raises(ValueError, match="matches"):
        retrieval.recall_at(queries, gallery, 31)
