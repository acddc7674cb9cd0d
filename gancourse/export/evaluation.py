"""The report on a generator: its metrics with their floors, and its samples, unchosen.

First used in notebook 11; notebook 10 examines each metric.
"""

from dataclasses import asdict, dataclass

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from gancourse.figures import panels, show_images
from gancourse.metrics.copies import copy_share
from gancourse.metrics.retrieval import nearest
from gancourse.metrics.samples import (
    frechet_distance,
    in_batches,
    kernel_distance,
    precision_recall,
)
from gancourse.papers.dcgan_probes import slerp
from gancourse.shapes import Images, Latent, to_float

LEAST = 10
"""Images of each kind; distances of fewer say nothing."""


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` measures. "Floor": the same metric of training images."""

    frechet: float
    """Fréchet distance of the samples from unseen images, as many of each."""
    frechet_half: float
    """The same with half as many samples: how much higher it is shows the bias of few samples."""
    frechet_floor: float
    kernel: float
    """Squared maximum mean discrepancy, as KID; unbiased."""
    kernel_floor: float
    precision: float
    precision_floor: float
    recall: float
    recall_floor: float
    copies: float
    """Share of samples that are nearer to a training image than 95 % of unseen images are."""
    samples: int
    """How many of each kind were compared."""

    def __str__(self) -> str:
        """A line per metric, with its floor or its ideal value."""
        return "\n".join(
            (
                f"{self.samples} samples against as many unseen images",
                f"Fréchet distance   {self.frechet:8.3f}   training images "
                f"{self.frechet_floor:.3f}; half the samples {self.frechet_half:.3f}",
                f"kernel distance    {self.kernel:8.4f}   training images {self.kernel_floor:.4f}",
                f"precision          {self.precision:8.2f}   training images "
                f"{self.precision_floor:.2f}",
                f"recall             {self.recall:8.2f}   training images {self.recall_floor:.2f}",
                f"near copies        {self.copies:8.2f}   0.05 if nothing was copied",
            )
        )

    def numbers(self) -> dict[str, float]:
        """By name, for a model card or a table."""
        return asdict(self)


def evaluate(samples: Images, train: Tensor, unseen: Tensor, features: nn.Module) -> Evaluation:
    """Measure samples against unseen images, and training images likewise.

    Parameters
    ----------
    samples : Images
        (N, C, side, side) in [-1, 1].
    train, unseen : Tensor
        Training images, and images of the same kind that were not trained on; bytes or floats.
    features : nn.Module
        A network from images to feature vectors, such as `pretrained.MeanFeatures`.

    Returns
    -------
    Evaluation
        The two distances and their floors compare equally many images of each kind: the smallest
        of the three numbers.

    Raises
    ------
    ValueError
        With fewer than 10 images of a kind.
    """
    count = min(len(samples), len(train), len(unseen))
    if count < LEAST:
        sizes = len(samples), len(train), len(unseen)
        raise ValueError(
            f"a report needs at least {LEAST} samples, training images and unseen images, got "
            f"{sizes}"
        )
    fake, real, other = (
        in_batches(features, to_float(x), size=50) for x in (samples, train, unseen)
    )
    every = torch.arange(count) * len(real) // count  # evenly spaced over the training images
    few_fake, few_real, few_other = fake[:count], real[every.to(real.device)], other[:count]
    k = min(3, count - 1)
    precision, recall = precision_recall(few_other, few_fake, k)
    precision_floor, recall_floor = precision_recall(few_other, few_real, k)
    return Evaluation(
        frechet=frechet_distance(few_fake, few_other),
        frechet_half=frechet_distance(few_fake[: count // 2], few_other),
        frechet_floor=frechet_distance(few_real, few_other),
        kernel=kernel_distance(few_fake, few_other),
        kernel_floor=kernel_distance(few_real, few_other),
        precision=precision,
        precision_floor=precision_floor,
        recall=recall,
        recall_floor=recall_floor,
        copies=copy_share(fake, real, other),
        samples=count,
    )


def sample_page(G: nn.Module, z: Latent, train: Tensor, features: nn.Module) -> Figure:
    """Unchosen samples, the nearest training images of some, and walks between latent vectors.

    Parameters
    ----------
    G : nn.Module
        A generator.
    z : Latent
        At least 40 latent vectors; the samples of the first are shown, whatever they look like.
    train : Tensor
        Training images, bytes or floats.
    features : nn.Module
        In which the nearest training image is looked for.

    Returns
    -------
    Figure
        Three panels.

    Raises
    ------
    ValueError
        With fewer than 40 latent vectors.
    """
    if len(z) < 40:
        raise ValueError(f"the page shows samples of 40 latent vectors, got {len(z)}")
    samples = in_batches(G, z[:40])
    known, few = (in_batches(features, to_float(x), size=50) for x in (train, samples[:8]))
    pairs = torch.cat([samples[:8], to_float(train[nearest(few, known)[1].to(train.device)])])
    begin, end = z[:6].unflatten(0, (2, 3))  # three walks of eight images
    steps = [slerp(begin, end, t) for t in torch.linspace(0, 1, 8).tolist()]
    walks = torch.stack(steps, dim=1).flatten(0, 1)
    fig, axes = panels(3, width=2.9, height=2.2)
    show_images(samples, columns=8, title="unchosen samples", ax=axes[0])
    show_images(pairs, columns=8, title="samples, nearest training images", ax=axes[1])
    show_images(in_batches(G, walks), columns=8, title="walks between latent vectors", ax=axes[2])
    return fig
