"""The report on a generator: numbers that a known distribution must have, and its page."""

import pytest
import torch
from matplotlib import pyplot as plt
from torch import Tensor, nn

from gancourse import env
from gancourse.export.evaluation import evaluate, sample_page
from gancourse.papers.dcgan import Generator
from gancourse.shapes import to_bytes


class Colours(nn.Module):
    """The mean colour of an image: three features."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=(2, 3))


def images(count: int, mean: float, seed: int) -> Tensor:
    """Images of one colour each, of which no two are equal."""
    rng = torch.Generator().manual_seed(seed)
    return (mean + 0.2 * torch.randn(count, 3, 1, 1, generator=rng)).expand(-1, -1, 8, 8)


def test_samples_of_the_data_are_at_the_floor():
    train, unseen, samples = (images(400, 0.0, seed) for seed in range(3))
    good = evaluate(samples, train, unseen, Colours())
    assert good.samples == 400
    assert good.frechet < 0.01 and good.frechet_floor < 0.01
    assert abs(good.kernel) < 0.01 and abs(good.kernel_floor) < 0.01
    assert good.precision > 0.8 and good.recall > 0.8
    assert good.precision_floor > 0.8 and good.recall_floor > 0.8
    assert good.copies == pytest.approx(0.05, abs=0.05)


def test_copies_and_other_colours_are_seen():
    train, unseen = images(400, 0.0, 0), images(400, 0.0, 1)
    copied = evaluate(train[:200], train, unseen, Colours())
    assert copied.copies > 0.9 and copied.samples == 200
    other = evaluate(images(400, 0.6, 2), train, unseen, Colours())
    # three means that differ by 0.6 each; the rest is equal up to chance
    assert other.frechet == pytest.approx(3 * 0.6**2, rel=0.1)
    assert other.precision < 0.2 and other.frechet_floor < 0.01
    assert other.precision_floor > 0.8 and other.recall_floor > 0.8


def test_bytes_are_scaled_and_numbers_have_names():
    train, unseen, samples = (images(60, 0.0, seed).clamp(-1, 1) for seed in range(3))
    floats = evaluate(samples, train, unseen, Colours())
    stored = evaluate(samples, to_bytes(train), to_bytes(unseen), Colours())
    assert stored.frechet == pytest.approx(floats.frechet, abs=1e-3)
    assert stored.numbers()["kernel"] == stored.kernel
    assert f"{stored.frechet:.3f}" in str(stored) and "60 samples" in str(stored)


def test_too_few_images_are_refused():
    few = images(9, 0.0, 0)
    with pytest.raises(ValueError, match="at least 10"):
        evaluate(few, few, few, Colours())


def test_the_page_has_samples_neighbours_and_walks():
    G = Generator(noise_dim=5, channels=3, width=4, size=8, rng=env.rng(0, "cpu"))
    z = torch.randn(40, 5, generator=torch.Generator().manual_seed(0))
    fig = sample_page(G, z, images(20, 0.0, 0), Colours())
    titles = [ax.get_title() for ax in fig.axes]
    assert len(titles) == 3 and all(titles)
    plt.close(fig)
    with pytest.raises(ValueError, match="40 latent vectors"):
        sample_page(G, z[:39], images(20, 0.0, 0), Colours())
