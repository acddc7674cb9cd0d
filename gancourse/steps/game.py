"""The game itself, with and without a condition, and what every step is made of."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

from torch import Tensor, nn, no_grad
from torch.optim import Optimizer

from gancourse.objectives import discriminator_loss, non_saturating_loss, saturating_loss


def gan_step(
    G: nn.Module,
    D: nn.Module,
    opt_G: Optimizer,
    opt_D: Optimizer,
    batches: Iterator[Tensor],
    sample_z: Callable[[int], Tensor],
    k: int = 1,
    *,
    generator_loss: Callable[[Tensor], Tensor] = non_saturating_loss,
    penalty: Callable[[nn.Module, Tensor], Tensor] | None = None,
    autocast: Callable[[], AbstractContextManager] = nullcontext,
) -> dict[str, Tensor]:
    """One iteration of Algorithm 1, Goodfellow et al. (2014), with Section 3's loss for G.

    First built in notebook 02. Nothing is computed that nobody uses: G has no graph in D's turn,
    D's parameters get no gradient in G's turn, and no loss is read from the device.

    Parameters
    ----------
    G, D : nn.Module
        Generator, noise to examples; discriminator, examples to logits.
    opt_G, opt_D : Optimizer
        One for each player, over its own parameters.
    batches : Iterator[Tensor]
        Endless; each item holds m real examples, of shape (m, ...).
    sample_z : Callable[[int], Tensor]
        ``sample_z(m)`` gives m noise vectors; it owns the only randomness of a step.
    k : int
        Steps of D before each step of G, at least 1.
    generator_loss : Callable[[Tensor], Tensor]
        From logits of fakes to what G descends: `non_saturating_loss` or `saturating_loss`.
    penalty : Callable[[nn.Module, Tensor], Tensor], optional
        ``penalty(D, x)`` is added to D's loss, but not to the loss that is returned.
    autocast : Callable[[], AbstractContextManager]
        Makes the context for forward passes, such as `env.autocast`. Don't wrap the whole step in
        one: autocast keeps its low-precision copy of a weight until its context ends, so G would
        be judged by a D that had not moved yet.

    Returns
    -------
    dict[str, Tensor]
        "loss_D" of the last of the k steps, and "loss_G": detached scalars in nats.

    Raises
    ------
    ValueError
        If k is below 1.
    """
    if k < 1:
        raise ValueError(f"D needs at least one step in each iteration, got {k=}")
    for _ in range(k):
        x = next(batches)  # m examples from p_data
        with no_grad(), autocast():  # D's turn: G is a fixed sampler
            fakes = G(sample_z(len(x)))  # m noise vectors from p_g(z)
        with autocast():  # two batches, so that batch norm never mixes real and fake
            real, fake = D(x), D(fakes)
        loss_D = discriminator_loss(real.float(), fake.float())
        descend(opt_D, loss_D + penalty(D, x) if penalty else loss_D)  # ascends V in theta_d

    with frozen(D):  # G's turn: the gradient flows through D, but not into it
        with autocast():
            fake = D(G(sample_z(len(x))))
        loss_G = generator_loss(fake.float())
        descend(opt_G, loss_G)
    return {"loss_D": loss_D.detach(), "loss_G": loss_G.detach()}


class Given(nn.Module):
    """A network with its condition filled in: ``Given(D, c)(x)`` is D(x, c), in papers D(x|c)."""

    def __init__(self, net: nn.Module, c: Tensor) -> None:
        super().__init__()
        self.net, self.c = net, c

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x, self.c)


def conditional_step(
    G: nn.Module,
    D: nn.Module,
    opt_G: Optimizer,
    opt_D: Optimizer,
    batches: Iterator[tuple[Tensor, Tensor]],
    sample_z: Callable[[int], Tensor],
    mislead: Callable[[Tensor], Tensor] | None = None,
    *,
    penalty: Callable[[nn.Module, Tensor], Tensor] | None = None,
    autocast: Callable[[], AbstractContextManager] = nullcontext,
) -> dict[str, Tensor]:
    """`gan_step` for the conditional game, Mirza and Osindero (2014), Equation 2.

    First used in notebook 05. The fakes are made for the conditions of the real batch, so real and
    fake differ in nothing but their pictures.

    Parameters
    ----------
    G, D : nn.Module
        ``G(z, c)`` gives examples, ``D(x, c)`` logits.
    batches : Iterator[tuple[Tensor, Tensor]]
        Endless; each item holds m real examples and their m conditions.
    mislead : Callable[[Tensor], Tensor], optional
        Conditions to wrong ones. With it D also has to reject real
        examples with wrong conditions, as in GAN-CLS (Reed et al. 2016).
    opt_G, opt_D, sample_z, penalty, autocast
        As in `gan_step`; ``penalty(D, x)`` gets a D with its condition filled in.

    Returns
    -------
    dict[str, Tensor]
        "loss_D", without what `mislead` and `penalty` add, and "loss_G": as from `gan_step`.
    """
    x, c = next(batches)

    def more(given: nn.Module, x: Tensor) -> Tensor:
        loss = penalty(given, x) if penalty else x.new_zeros(())
        if mislead:
            with autocast():
                wrong = D(x, mislead(c))
            loss = loss - saturating_loss(wrong.float())  # -log(1 - D(x|c'))
        return loss

    return gan_step(
        Given(G, c), Given(D, c), opt_G, opt_D, iter([x]), sample_z,
        penalty=more if penalty or mislead else None, autocast=autocast,
    )  # fmt: skip


def descend(optimizer: Optimizer, loss: Tensor) -> None:
    """Forget the last gradients, differentiate, move."""
    optimizer.zero_grad()
    loss.backward()  # outside autocast: backward runs in the types that forward chose
    optimizer.step()


@contextmanager
def frozen(net: nn.Module) -> Iterator[None]:
    """Inside, `net` passes gradients on to its input but computes none for its parameters.

    Without it about half of D's backward pass in G's turn makes gradients that are thrown away.
    Parameters that were frozen before stay so afterwards.
    """
    thawed = [p for p in net.parameters() if p.requires_grad]
    for p in thawed:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in thawed:
            p.requires_grad_(True)


@no_grad()
def ema_update(average: nn.Module, net: nn.Module, decay: float) -> None:
    """Move a running average of a network's weights: ``average = decay average + (1 - decay) net``.

    Parameters
    ----------
    average : nn.Module
        A copy of `net` (``copy.deepcopy(net)``), changed in place. It is not trained itself.
    net : nn.Module
        The network that is trained. Buffers, such as batch norm's statistics, are copied as they
        are: they are running averages already.
    decay : float
        Between 0 (a copy) and 1 (never moves). The average looks back about 1 / (1 - decay) steps.

    Raises
    ------
    ValueError
        If decay is outside [0, 1].
    """
    if not 0 <= decay <= 1:
        raise ValueError(f"decay must lie between 0 and 1, got {decay}")
    for mean, new in zip(average.parameters(), net.parameters(), strict=True):
        mean.lerp_(new, 1 - decay)
    for mean, new in zip(average.buffers(), net.buffers(), strict=True):
        mean.copy_(new)
