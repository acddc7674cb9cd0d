"""The original GAN: losses, the training step, and the functions that later steps share.

Goodfellow, Pouget-Abadie, Mirza, Xu, Warde-Farley, Ozair, Courville and Bengio (2014), "Generative
adversarial nets". First built in notebook 02.

**Losses** are functions from logits (B, ...), one per example or a map per example for a D that
judges patches, to a scalar: the mean, in nats. They raise ValueError for an empty batch, whose mean
would be nan, and are finite for every logit up to 1e36 (float32 ends at 3.4e38). Real is 1 and fake
is 0, as in the paper. D = sigmoid(logit), and two identities give the stable forms:
-log D = softplus(-logit) and -log(1 - D) = softplus(logit).
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn, no_grad
from torch.optim import Optimizer

from gancourse.papers.blocks import Rng, configured
from gancourse.shapes import Images, Latent, Logits, Scalar


# Losses ------------------------------------------------------------------------------------------
def value(real: Logits, fake: Logits) -> Scalar:
    r"""The value of the game, :math:`V(D, G) = E_x[\log D(x)] + E_z[\log(1 - D(G(z)))]`.

    Equation 1: D maximizes it, G minimizes it. At most 0; -log 4 = -1.386 where D is 1/2 for every
    input.
    """
    return -discriminator_loss(real, fake)


def discriminator_loss(real: Logits, fake: Logits) -> Scalar:
    r"""Discriminator's loss :math:`-E_x[\log D(x)] - E_z[\log(1 - D(G(z)))]`, that is -V(D, G).

    The negative of Equation 1, since optimizers minimize. It is the sum, not the mean, of the two
    binary cross-entropies: log 4 = 1.386 for an undecided D.
    """
    return mean_loss(F.softplus(-real)) + mean_loss(F.softplus(fake))


def non_saturating_loss(fake: Logits) -> Scalar:
    r"""Generator's loss :math:`-E_z[\log D(G(z))]`: log 2 = 0.693 where D is 1/2.

    Section 3 offers it in place of the generator's term of Equation 1. The two are not equal: at
    logit -6 (D is sure of a fake) the slope is -0.998 here and -0.002 there.
    """
    return mean_loss(F.softplus(-fake))


def saturating_loss(fake: Logits) -> Scalar:
    r"""Generator's loss of the minimax game, :math:`E_z[\log(1 - D(G(z)))]`, at most 0.

    The generator's term of Equation 1, and line 2 of Algorithm 1. It is flat where D is sure of a
    fake, so a generator that is losing badly hardly learns.
    """
    return -mean_loss(F.softplus(fake))


def r1_penalty(D: nn.Module, x: Float[Tensor, " batch *example"]) -> Scalar:
    r"""Squared gradient of D's logit at real examples, :math:`E_x[\|\nabla_x D(x)\|^2]`.

    The R1 penalty of Mescheder et al. (2018), without its factor gamma / 2: the caller multiplies.
    It keeps D's gradient small around the data, where G should converge.

    Parameters
    ----------
    D : nn.Module
        Returns logits. Meant for a D that treats examples one by one: with batch norm the
        gradients of a batch mix.
    x : Float[Tensor, " batch *example"]
        Real examples. Part of the batch is enough and costs less: the expectation is the same.

    Returns
    -------
    Float[Tensor, ""]
        Mean over the batch of the squared norm, differentiable with respect to D's weights.
    """
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
    return mean_loss(gradient.flatten(start_dim=1).square().sum(dim=1))


def lazy_r1(
    gamma: float, every: int = 8, examples: int | None = None
) -> Callable[[nn.Module, Tensor], Scalar]:
    """R1 for every n-th step only: ``penalty(D, x)``, gamma / 2 times R1, times `every`.

    Lazy regularization, Karras et al. (2020), Section 3.1: applied rarely it costs little, and the
    factor `every` keeps its mean effect. The caller decides at which steps it is applied.

    Parameters
    ----------
    gamma : float
        Weight of the penalty as in Mescheder et al. (2018).
    every : int
        It is applied at one step in so many.
    examples : int, optional
        Only so many real examples of the batch are used, the first ones; by default all.
    """
    return lambda D, x: every * gamma / 2 * r1_penalty(D, x[:examples])


def mean_loss(losses: Tensor) -> Scalar:
    """Mean of the examples' losses; ValueError where there is none: it would be nan."""
    if losses.numel() == 0:
        raise ValueError(f"a loss needs at least one logit, got shape {tuple(losses.shape)}")
    return losses.mean()


def optimal_discriminator(
    p: Float[Tensor, " batch"], q: Float[Tensor, " batch"]
) -> Float[Tensor, " batch"]:
    r"""The best D for a fixed G, :math:`D^*(x) = p(x) / (p(x) + q(x))`, at points x.

    Equation 2 (Proposition 1).

    Parameters
    ----------
    p, q : Float[Tensor, " batch"]
        Densities of the data (p_data) and of the generator's samples (p_g) at each point, at
        least 0.

    Returns
    -------
    Float[Tensor, " batch"]
        Probabilities that x is real, in [0, 1]; nan where both densities are 0.
    """
    return p / (p + q)


# Training ----------------------------------------------------------------------------------------
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
    """One iteration of Algorithm 1, with Section 3's loss for G.

    Does no unneeded work: G has no graph in D's turn, D's parameters get no gradient in G's turn,
    and no loss is read from the device.

    Parameters
    ----------
    G, D : nn.Module
        Generator, latent vectors to examples; discriminator, examples to logits.
    opt_G, opt_D : Optimizer
        One for each player, over its own parameters.
    batches : Iterator[Tensor]
        Endless; each item holds m real examples, of shape (m, ...).
    sample_z : Callable[[int], Tensor]
        ``sample_z(m)`` returns m latent vectors; it is the only source of randomness in a step.
    k : int
        Steps of D before each step of G, at least 1.
    generator_loss : Callable[[Tensor], Tensor]
        From logits of fakes to what G minimizes: `non_saturating_loss` or `saturating_loss`.
    penalty : Callable[[nn.Module, Tensor], Tensor], optional
        ``penalty(D, x)`` is added to D's loss, but not to the loss that is returned.
    autocast : Callable[[], AbstractContextManager]
        Creates the context for forward passes, such as `env.autocast`. Don't wrap the whole step
        in one: autocast keeps its low-precision copy of a weight until its context ends, so G
        would be judged by D's weights from before its step.

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
            fakes = G(sample_z(len(x)))  # m latent vectors from p_g(z)
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


def descend(optimizer: Optimizer, loss: Tensor) -> None:
    """Zero the gradients, backpropagate, step."""
    optimizer.zero_grad()
    loss.backward()  # outside autocast: backward runs in the types that forward chose
    optimizer.step()


@contextmanager
def frozen(net: nn.Module) -> Iterator[None]:
    """Inside, `net` passes gradients on to its input but computes none for its parameters.

    Without it about half of D's backward pass in G's turn computes gradients that are thrown away.
    Parameters that were frozen before stay so afterwards.
    """
    trainable = [p for p in net.parameters() if p.requires_grad]
    for p in trainable:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in trainable:
            p.requires_grad_(True)


@no_grad()
def ema_update(average: nn.Module, net: nn.Module, decay: float) -> None:
    """Update the exponential moving average (EMA) of a network's weights, in place.

    ``average = decay * average + (1 - decay) * net``; first built in notebook 03.

    Parameters
    ----------
    average : nn.Module
        A copy of `net` (``copy.deepcopy(net)``). It is not trained itself.
    net : nn.Module
        The network that is trained. Buffers, such as batch norm's statistics, are copied as they
        are: they are moving averages already.
    decay : float
        Between 0 (a copy) and 1 (never moves). The average covers about 1 / (1 - decay) steps.

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


# Networks of the paper's MNIST experiment, first used in notebook 03 -----------------------------
class Maxout(nn.Module):
    """Maxout units (Goodfellow et al., 2013): each is the largest of k linear functions."""

    def __init__(self, n_in: int, units: int, k: int) -> None:
        super().__init__()
        self.k, self.linear = k, nn.Linear(n_in, units * k)

    def forward(self, x: Float[Tensor, "batch n_in"]) -> Float[Tensor, "batch units"]:
        return self.linear(x).unflatten(1, (-1, self.k)).amax(dim=2)


@configured
class Generator(nn.Module):
    """Latent vector to grey image: two hidden layers of ReLUs, then every pixel.

    The authors' code: z of 100 uniform numbers, 1,200 units in each layer, a sigmoid for pixels in
    [0, 1]. Here a tanh gives (-1, 1).
    """

    def __init__(self, noise_dim: int, units: int = 256, size: int = 32, rng: Rng = None) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(noise_dim, units), nn.ReLU(),
            nn.Linear(units, units), nn.ReLU(),
            nn.Linear(units, size**2), nn.Tanh(), nn.Unflatten(1, (1, size, size)),
        )  # fmt: skip

    def forward(self, z: Latent) -> Images:
        return self.layers(z)


@configured
class Discriminator(nn.Module):
    """Grey image to logit: two layers of maxout units. The authors' code: 240 units with k = 5.

    Theirs has dropout too, on the input and on both layers.
    """

    def __init__(self, units: int = 128, k: int = 2, size: int = 32, rng: Rng = None) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(), Maxout(size**2, units, k), Maxout(units, units, k),
            nn.Linear(units, 1), nn.Flatten(0),
        )  # fmt: skip

    def forward(self, x: Images) -> Logits:
        return self.layers(x)
