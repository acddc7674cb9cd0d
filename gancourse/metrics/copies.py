"""Near copies: whether a generator repeats training examples."""

from jaxtyping import Float
from torch import Tensor

from gancourse.metrics.retrieval import nearest


def copy_share(
    samples: Float[Tensor, "n features"],
    train: Float[Tensor, "m features"],
    unseen: Float[Tensor, "k features"],
    level: float = 0.05,
) -> float:
    """Share of samples that are suspiciously near to a training example.

    That is: nearer to their nearest training example than 95 % of the unseen examples are to
    theirs. Unseen examples can't be copies, so a generator that draws from the same distribution
    without copying has a share of about 0.05, and one that memorizes a share near 1. First built in
    notebook 11.

    Parameters
    ----------
    samples, train, unseen : Float[Tensor, "n features"]
        Features of samples, of the training set, and of examples that G was not trained on; one row
        each. Distances are Euclidean.
    level : float
        Which quantile of the unseen examples' distances is the threshold, between 0 and 1.

    Returns
    -------
    float
        In [0, 1]. It is uncertain by about ``sqrt(0.05 * 0.95 / k)`` because of the threshold
        alone: by 0.02 with 100 unseen examples.

    Raises
    ------
    ValueError
        If there is no sample, no training example or no unseen one.
    """
    if min(len(samples), len(unseen)) == 0:
        raise ValueError(f"needs samples and unseen examples, got {len(samples)}, {len(unseen)}")
    threshold = nearest(unseen, train)[0].quantile(level)
    return (nearest(samples, train)[0] < threshold).float().mean().item()
