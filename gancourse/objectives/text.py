"""Losses of the papers that turn text into pictures."""

import torch
from jaxtyping import Float
from torch import Tensor, nn, no_grad
from torch.nn.functional import relu, softplus

from gancourse.shapes import Logits, Scalar


def joint_embedding_loss(scores: Float[Tensor, "batch batch"]) -> Scalar:
    r"""Structured joint embedding: every partner one better than every stranger, both ways.

    The symmetric hinge loss by which Reed, Akata, Schiele and Lee (2016) train their text encoder:
    for a picture i and another's text j both :math:`\max(0, 1 + s_{ij} - s_{ii})` and
    :math:`\max(0, 1 + s_{ji} - s_{ii})`. First built in notebook 07.

    Parameters
    ----------
    scores : Float[Tensor, "batch batch"]
        s_ij, how well picture i and text j fit: a row a picture, a column a text. The partners,
        one each, are on the diagonal; two pictures or more.

    Returns
    -------
    Float[Tensor, ""]
        At least 0; the mean over all pairs of strangers, the two ways added up: 2 where all scores
        are equal.

    Raises
    ------
    ValueError
        If `scores` is not square, or there are no strangers.
    """
    n = len(scores)
    if scores.shape != (n, n) or n < 2:
        raise ValueError(f"needs a square of 2 x 2 scores or more, got {tuple(scores.shape)}")
    own = scores.diagonal()
    hinges = relu(1 + scores - own[:, None]) + relu(1 + scores - own[None])
    return hinges.masked_fill(torch.eye(n, dtype=torch.bool, device=scores.device), 0).sum() / (
        n * (n - 1)
    )


def gan_cls_loss(real: Logits, wrong: Logits, fake: Logits) -> Scalar:
    r"""Discriminator's loss :math:`-\log s_r - \frac12[\log(1 - s_w) + \log(1 - s_f)]`, its mean.

    GAN-CLS, Reed et al. (2016), Algorithm 1: what does not fit and what is not real are rejected
    with half a weight each, so that both together weigh as much as the real pairs. First built in
    notebook 07.

    Parameters
    ----------
    real, wrong, fake : Float[Tensor, " batch *patch"]
        Logits of a real picture with its text (s_r), of a real picture with a text that does not
        fit (s_w), and of a fake with the text that it was drawn for (s_f).

    Returns
    -------
    Float[Tensor, ""]
        In nats, at least 0; log 4 = 1.386 where D says 1/2 of everything.

    Raises
    ------
    ValueError
        If there is no logit: the mean would be nan.
    """
    if 0 in (real.numel(), wrong.numel(), fake.numel()):
        raise ValueError("gan_cls_loss needs at least one logit of each of the three kinds")
    return softplus(-real).mean() + (softplus(wrong).mean() + softplus(fake).mean()) / 2


def style_loss(
    S: nn.Module, G: nn.Module, z: Float[Tensor, "batch noise"], phi: Float[Tensor, "batch dim"]
) -> Scalar:
    r"""Style encoder's loss :math:`E\|z - S(G(z, \varphi(t)))\|^2`, Reed et al. (2016), Eq. 6.

    S learns to read the noise off a picture that G drew. G is fixed: no gradient reaches it. First
    built in notebook 07.

    Returns
    -------
    Float[Tensor, ""]
        Squared distance, the mean over the batch; the length of z for an S that always says 0.
    """
    with no_grad():
        x = G(z, phi)
    return (z - S(x)).square().sum(dim=1).mean()
