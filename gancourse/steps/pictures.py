"""Steps of the papers that turn pictures into pictures."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn, no_grad
from torch.optim import Optimizer

from gancourse.objectives import LSGAN, cycle_loss, discriminator_loss, non_saturating_loss
from gancourse.steps.game import descend, frozen

CYCLEGAN = {"loss_G": 1.0, "loss_F": 1.0, "cycle_X": 10.0, "cycle_Y": 10.0, "identity": 5.0}
"""What G and F pay for, with the weights of the PyTorch code of Zhu et al. (2017)."""


def srgan_step(
    G: nn.Module,
    D: nn.Module,
    opt_G: Optimizer,
    opt_D: Optimizer,
    batches: Iterator[tuple[Tensor, Tensor]],
    content: Callable[[Tensor, Tensor], Tensor],
    *,
    adversarial: float = 1e-3,
    parts: int = 1,
    autocast: Callable[[], AbstractContextManager] = nullcontext,
) -> dict[str, Tensor]:
    """One step of D and one of G, Ledig et al. (2017), Equations 2, 3 and 6.

    First used in notebook 08.

    Parameters
    ----------
    G, D, opt_G, opt_D, autocast
        As in `gan_step`; ``G(low)`` is a picture, and there is no noise.
    batches : Iterator[tuple[Tensor, Tensor]]
        Endless; each item holds small pictures and the large ones that they were made from.
    content : Callable[[Tensor, Tensor], Tensor]
        From G's pictures and the real ones to a loss, such as `content_loss`; further terms, such
        as `total_variation`, may be added in it. It gets fp32, outside of `autocast`.
    adversarial : float
        Weight of -log D(G(low)) beside it.
    parts : int
        For short memory: the batch goes through the networks in so many parts, whose gradients are
        added up. Batch norm then sees the parts, all else is the same.

    Returns
    -------
    dict[str, Tensor]
        "loss_D", "content" and "adversarial" (without its weight), means over the batch.
    """
    low, high = next(batches)
    pairs = list(zip(low.chunk(parts), high.chunk(parts), strict=True))
    sums = {name: low.new_zeros(()) for name in ("loss_D", "content", "adversarial")}

    def add(name: str, loss: Tensor, part: Tensor) -> Tensor:
        share = loss * (len(part) / len(low))
        sums[name] += share.detach()
        return share

    opt_D.zero_grad()
    for x, y in pairs:
        with no_grad(), autocast():  # D's turn: G is fixed
            fakes = G(x)
        with autocast():
            real, fake = D(y), D(fakes)
        add("loss_D", discriminator_loss(real.float(), fake.float()), x).backward()
    opt_D.step()

    opt_G.zero_grad()
    with frozen(D):
        for x, y in pairs:
            with autocast():
                fakes = G(x)
                fake = D(fakes)
            near = content(fakes.float(), y)
            far = add("adversarial", non_saturating_loss(fake.float()), x)
            (add("content", near, x) + adversarial * far).backward()
    opt_G.step()
    return sums


def cyclegan_step(
    G: nn.Module,
    F: nn.Module,
    D_X: nn.Module,
    D_Y: nn.Module,
    opt_G: Optimizer,
    opt_D: Optimizer,
    batches: Iterator[tuple[Tensor, Tensor]],
    pools: tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]],
    weights: Mapping[str, float] = CYCLEGAN,
    losses: tuple[Callable, Callable] = LSGAN,
    autocast: Callable[[], AbstractContextManager] = nullcontext,
) -> dict[str, Tensor]:
    """One step of CycleGAN, Zhu et al. (2017), Equation 3. First used in notebook 09.

    Parameters
    ----------
    G, F : nn.Module
        Translate pictures of X to Y, and of Y to X. No network may mix the pictures of a batch
        (instance norm does not): two kinds of pictures share a pass.
    D_X, D_Y : nn.Module
        Pictures to logits, one each or a map of them.
    opt_G, opt_D : Optimizer
        The first moves G and F, the second both D.
    batches : Iterator[tuple[Tensor, Tensor]]
        Endless; each item holds m pictures of X and m of Y.
    pools : tuple[Callable, Callable]
        Fakes of X, and of Y, to what D is shown in their place: `datasets.unpaired.ImagePool`.
    weights : Mapping[str, float]
        What is left out is as in `CYCLEGAN`. A cost of weight 0 is not computed.
    losses : tuple[Callable, Callable]
        D's loss of real and fake logits, halved here as in the authors' code, and G's of fakes.
    autocast
        As in `gan_step`.

    Returns
    -------
    dict[str, Tensor]
        The five costs of `CYCLEGAN`, "loss_D_X" and "loss_D_Y": detached scalars, not weighted; 0
        for what was not computed.
    """
    (loss_of_D, loss_of_G), (x, y), w = losses, next(batches), {**CYCLEGAN, **weights}
    m = len(x)
    with frozen(D_X), frozen(D_Y), autocast():
        to_y, to_x = (G(torch.cat([x, y])), F(torch.cat([y, x]))) if w["identity"] else (G(x), F(y))
        own_y, own_x = (to_y[m:], to_x[m:]) if w["identity"] else (y, x)
        back_x = F(to_y[:m]) if w["cycle_X"] else x
        back_y = G(to_x[:m]) if w["cycle_Y"] else y
        judged_y, judged_x = D_Y(to_y[:m]), D_X(to_x[:m])
    costs = {"loss_G": loss_of_G(judged_y.float()), "loss_F": loss_of_G(judged_x.float())}
    costs |= {"cycle_X": cycle_loss(x, back_x.float()), "cycle_Y": cycle_loss(y, back_y.float())}
    costs["identity"] = cycle_loss(y, own_y.float()) + cycle_loss(x, own_x.float())
    descend(opt_G, sum(w[name] * cost for name, cost in costs.items()))
    for name, D, real, fake, pool in zip(
        "XY", (D_X, D_Y), (x, y), (to_x, to_y), pools, strict=True
    ):
        with autocast():  # the same fakes, by way of the pool
            answers = D(torch.cat([real, pool(fake[:m].detach().float())])).float()
        costs[f"loss_D_{name}"] = loss_of_D(answers[:m], answers[m:]) / 2
    descend(opt_D, costs["loss_D_X"] + costs["loss_D_Y"])
    return {name: cost.detach() for name, cost in costs.items()}
