"""Losses and steps of the papers that turn text into pictures."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext

import torch
from jaxtyping import Float
from torch import Tensor, nn, no_grad
from torch.nn.functional import relu, softplus
from torch.optim import Optimizer

from gancourse.objectives import non_saturating_loss
from gancourse.shapes import Logits, Scalar
from gancourse.steps.game import Given, descend, frozen


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


def between(phi: Float[Tensor, "batch dim"], beta: float = 0.5) -> Float[Tensor, "half dim"]:
    r"""Texts that nobody wrote: :math:`\beta t_1 + (1 - \beta) t_2`, Reed et al. (2016), Eq. 5.

    t_1 from the first half of the batch, t_2 from the second; of an odd batch the last is left.
    First built in notebook 07.
    """
    half = len(phi) // 2
    return beta * phi[:half] + (1 - beta) * phi[half : 2 * half]


def gan_cls_step(
    G: nn.Module,
    D: nn.Module,
    opt_G: Optimizer,
    opt_D: Optimizer,
    batches: Iterator[tuple[Tensor, ...]],
    sample_z: Callable[[int], Tensor],
    *,
    interpolate: bool = False,
    penalty: Callable[[nn.Module, Tensor], Tensor] | None = None,
    also: Callable[[Tensor, Tensor], Tensor] | None = None,
    autocast: Callable[[], AbstractContextManager] = nullcontext,
) -> dict[str, Tensor]:
    """One iteration of Algorithm 1, Reed et al. (2016), with -log D for G: GAN-CLS.

    First used in notebook 07.

    Parameters
    ----------
    G, D : nn.Module
        ``G(z, phi)`` gives pictures, ``D(x, phi)`` logits.
    batches : Iterator[tuple[Tensor, ...]]
        Endless; each item holds m real pictures, the m embeddings of their texts, and m of texts
        that don't fit. Without these (a pair) it is the paper's baseline "GAN".
    interpolate : bool
        G also draws for m/2 embeddings `between` those of the batch and pays as much for these
        pictures as for the others: GAN-INT, Equation 5, and with wrong texts GAN-INT-CLS. D is not
        trained on them, since no real picture belongs to such a text.
    also : callable, optional
        ``also(x, z)`` is what G pays beside, for its pictures and the noise that they are made of.
    opt_G, opt_D, sample_z, penalty, autocast
        As in `gan_step`; ``penalty(D, x)`` gets a D with its text filled in.

    Returns
    -------
    dict[str, Tensor]
        "loss_D", without `penalty`, and "loss_G", without what `interpolate` and `also` add:
        detached scalars in nats.
    """
    x, phi, *others = next(batches)
    with no_grad(), autocast():  # D's turn: G is a fixed sampler
        fakes = G(sample_z(len(x)), phi)
    with autocast():
        real, fake = D(x, phi).float(), D(fakes, phi).float()
        wrong = D(x, others[0]).float() if others else fake  # twice half of it: the plain loss
    loss_D = gan_cls_loss(real, wrong, fake)
    descend(opt_D, loss_D + penalty(Given(D, phi), x) if penalty else loss_D)

    told = torch.cat([phi, between(phi)]) if interpolate else phi
    z = sample_z(len(told))
    with frozen(D):
        with autocast():
            fakes = G(z, told)
            fake = D(fakes, told).float()
        loss_G = non_saturating_loss(fake[: len(x)])
        more = non_saturating_loss(fake[len(x) :]) if len(told) > len(x) else 0
        descend(opt_G, loss_G + more + (also(fakes, z) if also else 0))
    return {"loss_D": loss_D.detach(), "loss_G": loss_G.detach()}


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
