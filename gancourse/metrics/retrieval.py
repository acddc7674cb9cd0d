"""Nearest neighbours: which example, word or image is most similar."""

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor


@torch.no_grad()
def nearest(
    samples: Float[Tensor, " n *example"], examples: Float[Tensor, " m *example"]
) -> tuple[Float[Tensor, " n"], Int[Tensor, " n"]]:
    """The nearest example of each sample: Euclidean distance and index.

    Parameters
    ----------
    samples, examples : Float[Tensor, "n *example"]
        Images, features or points of the same shape. The distance of images is over all values.

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
        raise ValueError("nearest needs at least one example")
    distances = torch.cdist(samples.flatten(start_dim=1), examples.flatten(start_dim=1))
    found = distances.min(dim=1)
    return found.values, found.indices


def most_similar(
    vectors: Float[Tensor, "batch dim"], table: Float[Tensor, "words dim"], k: int
) -> Int[Tensor, "batch k"]:
    """The k rows of a table with the highest cosine similarity to each vector, best first.

    Returns their indices, (batch, k).
    """
    cosine = F.normalize(vectors, dim=1) @ F.normalize(table, dim=1).T
    return cosine.topk(k, dim=1).indices


def recall_at(
    queries: Float[Tensor, "batch dim"], gallery: Float[Tensor, "batch dim"], k: int
) -> float:
    """Share of queries whose true match, the row with the same index, is among the k most similar.

    Similarity is the cosine; chance level is k / batch. ValueError if k is not between 1 and batch,
    or the two differ in number. First built in notebook 09.
    """
    if not len(queries) == len(gallery) >= k > 0:
        raise ValueError(f"needs as many matches as queries, and at least {k=} of them")
    own = torch.arange(len(queries), device=queries.device)[:, None]
    return (most_similar(queries, gallery, k) == own).any(dim=1).float().mean().item()
