"""The step of the paper that turns text into pictures."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext

import torch
from jaxtyping import Float
from torch import Tensor, nn, no_grad
from torch.optim import Optimizer

from gancourse.objectives import gan_cls_loss, non_saturating_loss
from gancourse.steps.game import Given, descend, frozen


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
