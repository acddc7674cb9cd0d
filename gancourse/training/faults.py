"""Training steps with one injected fault each: for practice with `diagnosis`.

Compare each with `papers.gan.gan_step`: the difference is the fault.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import cycle

from torch import Tensor, nn, no_grad
from torch.optim import Optimizer

from gancourse.papers.blocks import swap
from gancourse.papers.gan import (
    descend,
    discriminator_loss,
    frozen,
    gan_step,
    non_saturating_loss,
    saturating_loss,
)

Step = Callable[
    [nn.Module, nn.Module, Optimizer, Optimizer, Iterator[Tensor], Callable[[int], Tensor]],
    dict[str, Tensor],
]


def faulty_step(name: str) -> Step:
    """A step like `papers.gan.gan_step`, with one injected fault.

    Parameters
    ----------
    name : str
        One of `FAULTS`, or "healthy" for `gan_step` itself.

    Returns
    -------
    Callable
        ``step(G, D, opt_G, opt_D, batches, sample_z)``, which returns losses as `gan_step` does.
        Create a new one for each run. "vanishing gradient" changes the layers of the G it gets.

    Raises
    ------
    ValueError
        If there is no such fault.
    """
    if name == "oscillation":
        return long_turns()  # the only one that counts its steps
    if name not in STEPS:
        raise ValueError(f"no such fault: {name!r}. Known: healthy, {', '.join(FAULTS)}")
    return STEPS[name]


@contextmanager
def rate(optimizer: Optimizer, factor: float) -> Iterator[None]:
    """Inside, the learning rate is `factor` times what it was."""
    before = [group["lr"] for group in optimizer.param_groups]
    for group in optimizer.param_groups:
        group["lr"] *= factor
    try:
        yield
    finally:
        for group, lr in zip(optimizer.param_groups, before, strict=True):
            group["lr"] = lr


# learning rates and turns ------------------------------------------------------------------------
def strong_discriminator(G, D, opt_G, opt_D, batches, sample_z) -> dict[str, Tensor]:
    """D takes three large steps for each tiny step of G."""
    with rate(opt_D, 3), rate(opt_G, 0.01):
        return gan_step(G, D, opt_G, opt_D, batches, sample_z, k=3)


def saturation(G, D, opt_G, opt_D, batches, sample_z) -> dict[str, Tensor]:
    """The same, and G descends log(1 - D), which is flat where D is sure of a fake."""
    with rate(opt_D, 3), rate(opt_G, 0.01):
        return gan_step(G, D, opt_G, opt_D, batches, sample_z, k=3, generator_loss=saturating_loss)


def weak_discriminator(G, D, opt_G, opt_D, batches, sample_z) -> dict[str, Tensor]:
    """D learns so slowly that G exploits the random preferences of an untrained D."""
    with rate(opt_D, 0.003):
        return gan_step(G, D, opt_G, opt_D, batches, sample_z)


def long_turns(length: int = 20) -> Step:
    """D trains alone for 20 steps, then G for 20: each reacts to an outdated opponent."""
    whose = cycle([1] * length + [0] * length)

    def step(G, D, opt_G, opt_D, batches, sample_z) -> dict[str, Tensor]:
        ds = next(whose)
        with rate(opt_D, ds), rate(opt_G, 1 - ds):
            return gan_step(G, D, opt_G, opt_D, batches, sample_z)

    return step


def divergence(G, D, opt_G, opt_D, batches, sample_z) -> dict[str, Tensor]:
    """Both learning rates are 300 times too high."""
    with rate(opt_D, 300), rate(opt_G, 300):
        return gan_step(G, D, opt_G, opt_D, batches, sample_z)


# the generator and its input ---------------------------------------------------------------------
def mode_collapse(G, D, opt_G, opt_D, batches, sample_z) -> dict[str, Tensor]:
    """The noise hardly varies, so G makes one example, and moves it where D rates it highest."""
    return gan_step(G, D, opt_G, opt_D, batches, lambda m: 1 + 0.05 * sample_z(m))


def vanishing_gradient(G, D, opt_G, opt_D, batches, sample_z) -> dict[str, Tensor]:
    """Chained sigmoids, each with a slope of at most 1/4, and no batch norm to rescale."""
    for kind in (nn.ReLU, nn.LeakyReLU):
        swap(G, kind, lambda layer: nn.Sequential(nn.Sigmoid(), nn.Sigmoid(), nn.Sigmoid()))
    swap(G, nn.BatchNorm2d, lambda layer: nn.Identity())
    return gan_step(G, D, opt_G, opt_D, batches, sample_z)


# leaks between real and fake ---------------------------------------------------------------------
def wrong_labels(G, D, opt_G, opt_D, batches, sample_z) -> dict[str, Tensor]:
    """D learns that real is 0 and fake is 1; G is still trained for a D where real is 1."""
    x = next(batches)
    with no_grad():
        fakes = G(sample_z(len(x)))
    real, fake = D(x), D(fakes)
    loss_D = discriminator_loss(fake, real)  # the mistake: real and fake changed places
    descend(opt_D, loss_D)
    with frozen(D):
        loss_G = non_saturating_loss(D(G(sample_z(len(x)))))
        descend(opt_G, loss_G)
    return {"loss_D": loss_D.detach(), "loss_G": loss_G.detach()}


def missing_detach(G, D, opt_G, opt_D, batches, sample_z) -> dict[str, Tensor]:
    """D's turn also sends a gradient into G: one that makes fakes easier to recognize."""
    x = next(batches)
    fakes = G(sample_z(len(x)))  # the first mistake: no detach, no no_grad
    loss_D = discriminator_loss(D(x), D(fakes))
    opt_G.zero_grad()
    descend(opt_D, loss_D)
    with frozen(D):
        loss_G = non_saturating_loss(D(G(sample_z(len(x)))))
        loss_G.backward()  # the second: G's gradient was not cleared after D's turn, so they add
    opt_G.step()
    return {"loss_D": loss_D.detach(), "loss_G": loss_G.detach()}


def out_of_range(G, D, opt_G, opt_D, batches, sample_z) -> dict[str, Tensor]:
    """Real examples in 0..255, as in a file; G ends in a tanh and can't leave [-1, 1]."""
    return gan_step(G, D, opt_G, opt_D, ((x + 1) * 127.5 for x in batches), sample_z)


def batch_of_one(G, D, opt_G, opt_D, batches, sample_z) -> dict[str, Tensor]:
    """Batch norm with a single image: each is normalized by its own mean and variance.

    For convolutions. With one value per channel, torch refuses such a batch with an error.
    """
    return gan_step(G, D, opt_G, opt_D, (x[:1] for x in batches), sample_z)


STEPS: dict[str, Step] = {
    "healthy": gan_step,
    "saturation": saturation,
    "D too strong": strong_discriminator,
    "D too weak": weak_discriminator,
    "mode collapse": mode_collapse,
    "divergence": divergence,
    "vanishing gradient": vanishing_gradient,
    "wrong labels": wrong_labels,
    "missing detach": missing_detach,
    "values outside [-1, 1]": out_of_range,
    "batch of one": batch_of_one,
}
FAULTS = (*(name for name in STEPS if name != "healthy"), "oscillation")
