"""Nearest neighbours: which example, word or image is most similar."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor


@torch.no_grad()
def nearest(
    samples: Float[Tensor, " n *example"], examples: Float[Tensor, " m *example"]
) -> tuple[Float[Tensor, " n"], Int[Tensor, " n"]]:
    """Find the nearest example of each sample: Euclidean distance and index, first in notebook 06.

    Parameters
    ----------
    samples, examples : Float[Tensor, "n *example"]
        Pictures, features or points, of one shape. A picture's distance is over all its values.

    Returns
    -------
    tuple[Tensor, Tensor]
        Distances in the units of the data, and indices into `examples`, (n,) each.

    Raises
    ------
    ValueError
        If there is no example.
    """
    if len(examples) == 0:
        raise ValueError("there is no example to be near to")
    distances = torch.cdist(samples.flatten(start_dim=1), examples.flatten(start_dim=1))
    found = distances.min(dim=1)
    return found.values, found.indices


def most_similar(
    vectors: Float[Tensor, "batch dim"], table: Float[Tensor, "words dim"], k: int
) -> Int[Tensor, "batch k"]:
    """The k rows of a table with the highest cosine to each vector, the most similar first.

    First built in notebook 05.
    """
    cosine = F.normalize(vectors, dim=1) @ F.normalize(table, dim=1).T
    return cosine.topk(k, dim=1).indices


def recall_at(
    queries: Float[Tensor, "batch dim"], gallery: Float[Tensor, "batch dim"], k: int
) -> float:
    """Share of queries whose true partner, the row of the same number, is among the k most similar.

    Similarity is the cosine. Chance is k / batch. First built in notebook 09.
    """
    if not len(queries) == len(gallery) >= k > 0:
        raise ValueError(f"needs as many partners as queries, and at least {k=} of them")
    own = torch.arange(len(queries), device=queries.device)[:, None]
    return (most_similar(queries, gallery, k) == own).any(dim=1).float().mean().item()
