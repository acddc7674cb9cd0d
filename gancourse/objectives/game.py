"""Losses of the game itself: functions from logits to one number.

They are finite for every logit up to 1e36, those that square up to 1e18: float32 ends at 3.4e38.
Real is 1 and fake is 0, as in Goodfellow et al. (2014). D = sigmoid(logit), and two identities give
the stable forms: -log D = softplus(-logit) and -log(1 - D) = softplus(logit).
"""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from gancourse.shapes import Logits, Scalar


def value(real: Logits, fake: Logits) -> Scalar:
    r"""The value of the game, :math:`V(D, G) = E_x[\log D(x)] + E_z[\log(1 - D(G(z)))]`.

    Goodfellow et al. (2014), Equation 1: D wants it high, G wants it low. First built in
    notebook 02.

    Parameters
    ----------
    real : Float[Tensor, " batch *patch"]
        Logits of D(x) on real examples.
    fake : Float[Tensor, " batch *patch"]
        Logits of D(G(z)), of the same shape.

    Returns
    -------
    Float[Tensor, ""]
        In nats, never above 0; -log 4 = -1.386 where D says 1/2 of everything.

    Raises
    ------
    ValueError
        If there is no logit: the mean would be nan.
    """
    return -discriminator_loss(real, fake)


def optimal_discriminator(
    p: Float[Tensor, " batch"], q: Float[Tensor, " batch"]
) -> Float[Tensor, " batch"]:
    r"""The best D for a fixed G, :math:`D^*(x) = p(x) / (p(x) + q(x))`, at points x.

    Goodfellow et al. (2014), Equation 2 (Proposition 1), with p for p_data and q for p_g. First
    built in notebook 02.

    Parameters
    ----------
    p : Float[Tensor, " batch"]
        Density of the data at each point, at least 0.
    q : Float[Tensor, " batch"]
        Density of the generator's samples there.

    Returns
    -------
    Float[Tensor, " batch"]
        Probabilities that x is real, in [0, 1]; nan where both densities are 0 and nobody asks.
    """
    return p / (p + q)


def discriminator_loss(real: Logits, fake: Logits) -> Scalar:
    r"""Discriminator's loss :math:`-E_x[\log D(x)] - E_z[\log(1 - D(G(z)))]`, that is -V(D, G).

    The negative of Goodfellow et al. (2014), Equation 1, since optimizers descend. It is the sum,
    not the mean, of the two binary cross-entropies, so an undecided D pays log 4. First built in
    notebook 02.

    Parameters
    ----------
    real : Float[Tensor, " batch *patch"]
        Logits of D(x) on real examples; one each, or a map for a D that judges patches.
    fake : Float[Tensor, " batch *patch"]
        Logits of D(G(z)), of the same shape.

    Returns
    -------
    Float[Tensor, ""]
        In nats, at least 0; log 4 = 1.386 where D says 1/2 of everything.

    Raises
    ------
    ValueError
        If there is no logit: the mean would be nan.
    """
    return mean_loss(F.softplus(-real)) + mean_loss(F.softplus(fake))


def non_saturating_loss(fake: Logits) -> Scalar:
    r"""Generator's loss :math:`-E_z[\log D(G(z))]`: call the fakes real, and be wrong less.

    Goodfellow et al. (2014) offer it at the end of Section 3 in place of the generator's term of
    Equation 1. The two are not equal: at logit -6 (D sure of a fake) the slope is -0.998 here and
    -0.002 there. First built in notebook 02.

    Parameters
    ----------
    fake : Float[Tensor, " batch *patch"]
        Logits of D(G(z)), before any sigmoid.

    Returns
    -------
    Float[Tensor, ""]
        In nats, at least 0; log 2 = 0.693 where D says 1/2.

    Raises
    ------
    ValueError
        If there is no logit: the mean would be nan and training would go on silently.
    """
    return mean_loss(F.softplus(-fake))


def saturating_loss(fake: Logits) -> Scalar:
    r"""Generator's loss of the minimax game, :math:`E_z[\log(1 - D(G(z)))]`.

    The generator's term of Goodfellow et al. (2014), Equation 1, and line 2 of its Algorithm 1. It
    is flat where D is sure of a fake, so a G that is losing badly hardly learns. First built in
    notebook 02.

    Parameters
    ----------
    fake : Float[Tensor, " batch *patch"]
        Logits of D(G(z)), before any sigmoid.

    Returns
    -------
    Float[Tensor, ""]
        In nats, never above 0; -log 2 = -0.693 where D says 1/2.

    Raises
    ------
    ValueError
        If there is no logit: the mean would be nan.
    """
    return -mean_loss(F.softplus(fake))


def r1_penalty(D: nn.Module, x: Float[Tensor, " batch *example"]) -> Scalar:
    r"""Squared slope of D's logit at real examples, :math:`E_x[\|\nabla_x D(x)\|^2]`.

    The R1 penalty of Mescheder et al. (2018), without its factor gamma / 2: the caller multiplies.
    It keeps D from growing steep around the data, where G should come to rest.

    Parameters
    ----------
    D : nn.Module
        Returns logits. Meant for a D that treats examples one by one: with batch norm the slopes
        of a batch mix.
    x : Float[Tensor, " batch *example"]
        Real examples. A part of the batch is enough and costs less: the mean stays the same.

    Returns
    -------
    Float[Tensor, ""]
        Mean over the batch of the squared norm, with a graph behind it.

    Raises
    ------
    ValueError
        If the batch is empty.
    """
    x = x.detach().requires_grad_()
    (slope,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
    return mean_loss(slope.flatten(start_dim=1).square().sum(dim=1))


def lsgan_discriminator_loss(real: Logits, fake: Logits) -> Scalar:
    r"""Discriminator's least-squares loss, :math:`E_x[(D(x) - 1)^2] + E_z[D(G(z))^2]`.

    Mao et al. (2017); Zhu et al. (2017), Section 4, use it in place of the log loss (halved, in
    their code). D's answer is the logit itself here, without a sigmoid: 1 for real, 0 for
    fake. First built in notebook 09.

    Parameters
    ----------
    real : Float[Tensor, " batch *patch"]
        D's answers to real examples; one each, or a map for a D that judges patches.
    fake : Float[Tensor, " batch *patch"]
        Its answers to fakes, of the same shape.

    Returns
    -------
    Float[Tensor, ""]
        At least 0; 1/2 where D answers 1/2 to everything.

    Raises
    ------
    ValueError
        If there is no answer: the mean would be nan.
    """
    return mean_loss((real - 1).square()) + mean_loss(fake.square())


def lsgan_generator_loss(fake: Logits) -> Scalar:
    r"""Generator's least-squares loss, :math:`E_z[(D(G(z)) - 1)^2]`; see the one above.

    Unlike a log loss it also pulls on fakes that D takes for more than real. First built in
    notebook 09.
    """
    return mean_loss((fake - 1).square())


LSGAN = (lsgan_discriminator_loss, lsgan_generator_loss)
"""The two, for `steps.cyclegan_step`."""


def mean_loss(losses: Tensor) -> Scalar:
    """The mean of what each example pays; ValueError where there is none: it would be nan."""
    if losses.numel() == 0:
        raise ValueError(f"a loss needs at least one logit, got shape {tuple(losses.shape)}")
    return losses.mean()
