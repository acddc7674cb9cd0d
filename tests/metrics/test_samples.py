"""Measures of samples, against closed forms, scikit-learn and torchmetrics."""

import math

import pytest
import torch
from sklearn.neighbors import NearestNeighbors
from torch import nn

from gancourse.metrics import samples
from gancourse.metrics.samples import (
    covered,
    frechet_distance,
    inception_score,
    kernel_distance,
    misplaced,
    mode_shares,
    precision_recall,
)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_score_of_known_opinions():
    ten = torch.eye(10)
    assert inception_score(ten.repeat(5, 1)) == pytest.approx(10)
    assert inception_score(ten[:1].repeat(5, 1)) == pytest.approx(1)
    assert inception_score(torch.full((7, 4), 0.25)) == pytest.approx(1)


def test_score_is_the_information_between_sample_and_class():
    p = torch.rand(50, 6, generator=rng()).softmax(dim=1)
    whole = torch.distributions.Categorical(p.mean(0)).entropy()
    each = torch.distributions.Categorical(p).entropy().mean()
    assert inception_score(p) == pytest.approx((whole - each).exp().item(), rel=1e-5)


def test_score_needs_a_sample():
    with pytest.raises(ValueError, match="at least one"):
        inception_score(torch.zeros(0, 10))


def test_kernel_distance_by_loops():
    a, b = torch.randn(5, 3, generator=rng(1)), torch.randn(6, 3, generator=rng(2)) + 1

    def k(x: torch.Tensor, y: torch.Tensor) -> float:
        return (float(x.double() @ y.double()) / 3 + 1) ** 3

    def own(x: torch.Tensor) -> float:
        pairs = [k(p, q) for i, p in enumerate(x) for j, q in enumerate(x) if i != j]
        return sum(pairs) / len(pairs)

    across = sum(k(p, q) for p in a for q in b) / 30
    assert kernel_distance(a, b) == pytest.approx(own(a) + own(b) - 2 * across, rel=1e-9)


def test_kernel_distance_is_unbiased_and_the_frechet_distance_is_not():
    """Halves of one distribution: one has mean 0 at n = 20, the other is far above 0."""
    found = []
    for seed in range(200):
        a, b = torch.randn(2, 20, 4, generator=rng(seed))
        found.append((kernel_distance(a, b), frechet_distance(a, b)))
    kernel, frechet = torch.tensor(found, dtype=torch.double).T
    assert kernel.mean().abs() < 4 * kernel.std() / math.sqrt(200)
    assert frechet.mean() > 4 * frechet.std() / math.sqrt(200) and frechet.min() > 0


def test_kernel_distance_needs_pairs():
    with pytest.raises(ValueError, match="two rows"):
        kernel_distance(torch.zeros(1, 3), torch.zeros(5, 3))


@pytest.mark.parametrize("k", [1, 3, 5])
def test_covered_agrees_with_scikit_learn(k: int):
    cloud, points = torch.randn(40, 3, generator=rng(3)), 2 * torch.randn(60, 3, generator=rng(4))
    found = NearestNeighbors(n_neighbors=k + 1).fit(cloud.numpy())
    radius = torch.from_numpy(found.kneighbors(cloud.numpy())[0][:, -1])
    apart = (points.double()[:, None] - cloud.double()).norm(dim=2)
    assert covered(points, cloud, k).equal((apart <= radius + 1e-6).any(dim=1))


def test_a_cloud_covers_itself_and_nothing_far_away():
    cloud = torch.randn(30, 5, generator=rng(5))
    assert covered(cloud, cloud).all() and not covered(cloud + 100, cloud).any()


@pytest.mark.parametrize("k", [0, 30])
def test_covered_refuses_an_impossible_k(k: int):
    with pytest.raises(ValueError, match="between 1 and 29"):
        covered(torch.zeros(2, 2), torch.zeros(30, 2), k)


def test_precision_and_recall_tell_the_two_failures_apart():
    real = torch.cat(
        [torch.randn(200, 2, generator=rng(6)), 20 + torch.randn(200, 2, generator=rng(7))]
    )
    one_mode = torch.randn(400, 2, generator=rng(8))
    spoilt = torch.cat([real[::2] + 0.01, 100 + torch.randn(200, 2, generator=rng(9))])
    precision, recall = precision_recall(real, one_mode)
    assert precision > 0.9 and recall < 0.6
    precision, recall = precision_recall(real, spoilt)
    assert precision < 0.6 and recall > 0.9


def test_shares_and_what_is_misplaced():
    centres = torch.tensor([[0.0, 0.0], [10.0, 0.0]])
    x = torch.tensor([[0.1, 0.0], [0.0, 0.2], [9.9, 0.0], [5.0, 0.0]])
    shares = mode_shares(x, centres, 1.0)
    assert shares.tolist() == [0.5, 0.25]
    assert misplaced(shares) == pytest.approx(0.25)
    assert misplaced(torch.full((8,), 1 / 8)) == pytest.approx(0)
    assert misplaced(torch.tensor([1.0, 0, 0, 0])) == pytest.approx(0.75)
    assert misplaced(torch.zeros(4)) == 1


class OfBytes(torch.nn.Module):
    """A small feature network of our own, called with bytes as torchmetrics does."""

    num_features = 6

    def __init__(self) -> None:
        super().__init__()
        self.W = torch.randn(48, 6, generator=rng(10), dtype=torch.double) / 7

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x.double().flatten(1) / 127.5 - 1) @ self.W


@pytest.mark.filterwarnings("default")  # what a library warns of at import is its own affair
def test_agreement_with_torchmetrics_to_1e_3():
    pytest.importorskip("torchmetrics")
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.inception import InceptionScore
    from torchmetrics.image.kid import KernelInceptionDistance

    a = torch.randint(0, 256, (120, 3, 4, 4), generator=rng(11), dtype=torch.uint8)
    b = torch.randint(60, 256, (120, 3, 4, 4), generator=rng(12), dtype=torch.uint8)
    net = OfBytes()
    frechet = FrechetInceptionDistance(feature=net).set_dtype(torch.float64)
    kernel = KernelInceptionDistance(feature=net, subsets=1, subset_size=120)
    for metric in (frechet, kernel):
        metric.update(a, real=True)
        metric.update(b, real=False)
    score = InceptionScore(feature=net, splits=1)
    score.update(b)
    assert frechet_distance(net(a), net(b)) == pytest.approx(frechet.compute().item(), rel=1e-3)
    assert kernel_distance(net(a), net(b)) == pytest.approx(kernel.compute()[0].item(), rel=1e-3)
    assert inception_score(net(b).softmax(1)) == pytest.approx(score.compute()[0].item(), rel=1e-3)


def test_frechet_distance_of_two_gaussians_in_one_dimension(rng):
    """(mu_a - mu_b)^2 + (sigma_a - sigma_b)^2."""
    x = torch.randn(20000, 1, generator=rng)
    x = (x - x.mean()) / x.std()
    assert samples.frechet_distance(3 + 2 * x, 5 * x) == pytest.approx(9 + 9, rel=1e-4)


def test_frechet_distance_agrees_with_scipy(rng):
    linalg = pytest.importorskip("scipy.linalg")
    a = torch.randn(300, 6, generator=rng)
    b = torch.randn(200, 6, generator=rng) @ torch.randn(6, 6, generator=rng) + 1
    Ca, Cb = torch.cov(a.double().T).numpy(), torch.cov(b.double().T).numpy()
    root = linalg.sqrtm(Ca @ Cb).real
    wanted = (a.mean(0) - b.mean(0)).square().sum().item() + (Ca + Cb - 2 * root).trace()
    assert samples.frechet_distance(a, b) == pytest.approx(wanted, rel=1e-4)


def test_frechet_distance_to_itself_is_zero_and_one_row_is_refused(rng):
    a = torch.randn(50, 80, generator=rng)  # fewer rows than columns: a singular covariance
    assert samples.frechet_distance(a, a) == pytest.approx(0, abs=1e-4)
    with pytest.raises(ValueError, match="at least two rows"):
        samples.frechet_distance(a[:1], a)


def test_mode_coverage_counts_modes_and_points():
    centres = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    points = torch.tensor([[0.1, 0.0], [0.0, 0.2], [10.0, 0.1], [5.0, 5.0]])
    assert samples.mode_coverage(points, centres, radius=0.5) == (2, 0.75)
    assert samples.mode_coverage(points, centres, radius=0.5, least=2) == (1, 0.75)


def test_confident_share():
    p = torch.tensor([[0.95, 0.05], [0.5, 0.5], [0.09, 0.91], [0.2, 0.8]])
    assert samples.confident_share(p) == 0.5


def test_in_batches_scales_bytes_and_puts_the_mode_back():
    net = nn.Sequential(nn.Flatten(), nn.Dropout(0.9))
    images = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1)
    assert samples.in_batches(net, images, size=1).flatten().tolist() == [-1.0, 1.0]
    assert net.training
