"""CycleGAN: image translation learned from unpaired examples of two domains.

Zhu, Park, Isola and Efros (2017), "Unpaired image-to-image translation using cycle-consistent
adversarial networks". First built in notebook 09.

Networks: a ResNet generator and a PatchGAN discriminator (Section 4 and appendix). Instance norm
treats every image by itself, so images of both domains may share a batch.

**Losses** return scalars, means over the batch and all values or patches, and raise ValueError for
an empty batch, whose mean would be nan. D's output is the logit itself, without a sigmoid: 1 for
real, 0 for fake.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.optim import Optimizer

from gancourse.papers.blocks import Rng, configured
from gancourse.papers.gan import descend, frozen, mean_loss
from gancourse.shapes import Images, Labels, Logits, Scalar

WEIGHTS = {"loss_G": 1.0, "loss_F": 1.0, "cycle_X": 10.0, "cycle_Y": 10.0, "identity": 5.0}
"""Weights of the five losses of G and F, as in the authors' PyTorch code."""

Pool = Float[Tensor, "pool channels height width"]
"""Images that are kept, in [-1, 1]."""


# Networks ----------------------------------------------------------------------------------------
class ResidualBlock(nn.Module):
    """Rk of the paper: x + two 3 x 3 convolutions with reflection padding and instance norm.

    No activation after the sum.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, padding_mode="reflect"),
            nn.InstanceNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, padding_mode="reflect"),
            nn.InstanceNorm2d(width),
        )

    def forward(self, x: Images) -> Images:
        return x + self.layers(x)


@configured
class Generator(nn.Module):
    """Image to image of the same size, in (-1, 1): c7s1-w, d2w, d4w, R4w ..., u2w, uw, c7s1-3.

    Parameters
    ----------
    channels, width : int
        Channels of the image; channels of the first layer. The paper's G has 64: with 9 blocks
        11,378,179 parameters.
    blocks : int
        Residual blocks: the paper uses 6 for images of 128 x 128, 9 for larger ones.
    halvings : int
        Layers dk, and layers uk. The paper has 2; for images of 32 x 32, 1 keeps more detail.
    rng : torch.Generator, optional
        Draws the initial weights; see `blocks.configured`.

    Notes
    -----
    Height and width are multiples of ``2 ** halvings``.
    """

    def __init__(
        self,
        channels: int = 3,
        width: int = 64,
        blocks: int = 9,
        halvings: int = 2,
        rng: Rng = None,
    ) -> None:
        super().__init__()
        w, parts = width, list[nn.Module]()

        def add(conv: nn.Module, width: int) -> None:
            parts.extend([conv, nn.InstanceNorm2d(width), nn.ReLU()])

        add(nn.Conv2d(channels, w, 7, padding=3, padding_mode="reflect"), w)
        for _ in range(halvings):
            add(nn.Conv2d(w, 2 * w, 3, stride=2, padding=1), 2 * w)
            w *= 2
        parts += [ResidualBlock(w) for _ in range(blocks)]
        for _ in range(halvings):
            up = nn.ConvTranspose2d(w, w // 2, 3, stride=2, padding=1, output_padding=1)
            add(up, w // 2)
            w //= 2
        last = nn.Conv2d(w, channels, 7, padding=3, padding_mode="reflect")
        self.layers = nn.Sequential(*parts, last, nn.Tanh())

    def forward(self, x: Images) -> Images:
        return self.layers(x)


@configured
class PatchDiscriminator(nn.Module):
    """Image to a map of logits, one for each patch that D sees: C64-C128-C256-C512 and one more.

    Parameters
    ----------
    channels, width : int
        Channels of the image; channels of the first layer. The paper's D has 64: 2,764,737
        parameters.
    layers : int
        Convolutions with stride 2. The paper's 3 make patches of 70 x 70; 2 make 34, 1 makes 16.
    rng : torch.Generator, optional
        Draws the initial weights; see `blocks.configured`.

    Returns
    -------
    forward(x) gives (B, P, P): 30 x 30 logits for 256 x 256 pixels.
    """

    def __init__(
        self, channels: int = 3, width: int = 64, layers: int = 3, rng: Rng = None
    ) -> None:
        super().__init__()
        w = width
        parts: list[nn.Module] = [nn.Conv2d(channels, w, 4, 2, 1), nn.LeakyReLU(0.2)]  # no norm
        for n in range(1, layers + 1):
            stride = 2 if n < layers else 1
            parts += [nn.Conv2d(w, 2 * w, 4, stride, 1), nn.InstanceNorm2d(2 * w)]
            parts += [nn.LeakyReLU(0.2)]
            w *= 2
        self.layers = nn.Sequential(*parts, nn.Conv2d(w, 1, 4, 1, 1), nn.Flatten(1, 2))

    def forward(self, x: Images) -> Float[Tensor, "batch rows columns"]:
        return self.layers(x)


def receptive_field(D: nn.Module) -> int:
    """Side of the square of pixels that one logit depends on: 70 for the paper's discriminator.

    D's convolutions are square, and run one after another in the order of ``D.modules()``.
    """
    convolutions = [layer for layer in D.modules() if isinstance(layer, nn.Conv2d)]
    return field_of([(layer.kernel_size[0], layer.stride[0]) for layer in convolutions])


def field_of(layers: Sequence[tuple[int, int]]) -> int:
    r"""Pixels in a row that one output depends on: from 1, :math:`r \leftarrow (r - 1) s + k`.

    Parameters
    ----------
    layers : Sequence[tuple[int, int]]
        Kernel and stride of each convolution, in the order in which they run; r is computed from
        the last to the first. Padding does not matter.
    """
    field = 1
    for kernel, stride in reversed(layers):
        field = (field - 1) * stride + kernel
    return field


# Losses ------------------------------------------------------------------------------------------
def lsgan_discriminator_loss(real: Logits, fake: Logits) -> Scalar:
    r"""Discriminator's least-squares loss, :math:`E_x[(D(x) - 1)^2] + E_z[D(G(z))^2]`.

    Mao et al. (2017); Section 4 uses it in place of the log loss (halved, in the authors' code).
    At least 0; 1/2 where D is 1/2 for every input.
    """
    return mean_loss((real - 1).square()) + mean_loss(fake.square())


def lsgan_generator_loss(fake: Logits) -> Scalar:
    r"""Generator's least-squares loss, :math:`E_z[(D(G(z)) - 1)^2]`.

    Unlike a log loss it also has a gradient on fakes that D rates above 1.
    """
    return mean_loss((fake - 1).square())


LSGAN = (lsgan_discriminator_loss, lsgan_generator_loss)
"""Both losses, for `cyclegan_step`."""


def cycle_loss(
    x: Float[Tensor, " batch *example"], cycled: Float[Tensor, " batch *example"]
) -> Scalar:
    r"""Mean absolute difference after a round trip, :math:`E_x[\|F(G(x)) - x\|_1]`.

    One direction of Equation 2, as a mean over all values: from 0 to 2 for images in [-1, 1]. The
    identity term of Section 5.2, :math:`E_y[\|G(y) - y\|_1]`, is the same distance.
    """
    return mean_loss((cycled - x).abs())


# The image pool ----------------------------------------------------------------------------------
class ImagePool:
    """Recent fakes: D is also trained on older ones, which reduces oscillation.

    Section 4, after Shrivastava et al. (2017): 50 images. The first ones fill the pool and are
    returned. Then each fake is returned with probability 1/2, or exchanged for an image of the
    pool, whose position it takes.

    Parameters
    ----------
    size : int
        Images kept; a pool of size 0 returns every fake.
    rng : torch.Generator
        Decides which fakes are exchanged, and for what; on the device of the images.
    """

    def __init__(self, size: int, rng: torch.Generator) -> None:
        self.size, self.rng = size, rng
        self.kept: Tensor | None = None

    def __call__(self, fakes: Images) -> Images:
        """As many images as came in, detached."""
        fakes = fakes.detach()
        if self.size == 0:
            return fakes
        have = 0 if self.kept is None else len(self.kept)
        if have < self.size:
            kept = fakes if self.kept is None else torch.cat([self.kept, fakes])
            self.kept = kept[: self.size].clone()
            return fakes
        n, on = len(fakes), self.rng.device
        coins = torch.rand(n, generator=self.rng, device=on) < 0.5
        places = torch.rand(max(n, self.size), generator=self.rng, device=on).argsort()[:n]
        shown, self.kept = exchange(self.kept, fakes, coins, places % self.size)
        return shown

    def state_dict(self) -> dict[str, Any]:
        """For checkpoints."""
        return {"kept": self.kept}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """For checkpoints."""
        kept = state["kept"]
        self.kept = None if kept is None else kept.to(self.rng.device)


def exchange(
    kept: Pool, fakes: Images, coins: Bool[Tensor, " batch"], places: Labels
) -> tuple[Images, Pool]:
    """Replace each fake whose coin is True by an image of the pool, and keep that fake.

    Parameters
    ----------
    kept : Pool
        (N, C, H, W), the pool. Not changed.
    fakes : Images
        (B, C, H, W), new ones.
    coins : Bool[Tensor, " batch"]
        Which of them are exchanged.
    places : Labels
        Index of the image of the pool; all different.

    Returns
    -------
    tuple[Images, Pool]
        What D is shown, in the order of the fakes; the new pool.
    """
    coin = coins.view(-1, 1, 1, 1)
    old = kept[places]
    new = kept.clone()
    new[places] = torch.where(coin, fakes, old)
    return torch.where(coin, old, fakes), new


# Training ----------------------------------------------------------------------------------------
def cyclegan_step(
    G: nn.Module,
    F: nn.Module,
    D_X: nn.Module,
    D_Y: nn.Module,
    opt_G: Optimizer,
    opt_D: Optimizer,
    batches: Iterator[tuple[Tensor, Tensor]],
    pools: tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]],
    weights: Mapping[str, float] = WEIGHTS,
    losses: tuple[Callable, Callable] = LSGAN,
    autocast: Callable[[], AbstractContextManager] = nullcontext,
) -> dict[str, Tensor]:
    """One step of CycleGAN: Equation 3.

    Parameters
    ----------
    G, F : nn.Module
        Translate images of X to Y, and of Y to X. No network may mix the images of a batch
        (instance norm does not): two kinds of images share a forward pass.
    D_X, D_Y : nn.Module
        Images to logits, one each or a map of them.
    opt_G, opt_D : Optimizer
        The first updates G and F, the second both discriminators.
    batches : Iterator[tuple[Tensor, Tensor]]
        Endless; each item holds m images of X and m of Y.
    pools : tuple[Callable, Callable]
        For fakes of X and of Y: from new fakes to those that D is shown, an `ImagePool` each.
    weights : Mapping[str, float]
        Names that are left out have the weight of `WEIGHTS`. A loss of weight 0 is not computed.
    losses : tuple[Callable, Callable]
        D's loss of real and fake logits, halved here as in the authors' code, and G's of fakes.
    autocast
        As in `gan.gan_step`.

    Returns
    -------
    dict[str, Tensor]
        The five losses of `WEIGHTS`, "loss_D_X" and "loss_D_Y": detached scalars, not weighted; 0
        for what was not computed.
    """
    discriminator_loss, generator_loss = losses
    w = {**WEIGHTS, **weights}
    x, y = next(batches)
    pool_x, pool_y = pools

    # Generators: translate, translate back
    with frozen(D_X), frozen(D_Y), autocast():
        if w["identity"]:  # one pass for both kinds of images
            fake_y, same_y = G(torch.cat([x, y])).chunk(2)
            fake_x, same_x = F(torch.cat([y, x])).chunk(2)
        else:
            fake_y, same_y = G(x), y
            fake_x, same_x = F(y), x
        cycled_x = F(fake_y) if w["cycle_X"] else x
        cycled_y = G(fake_x) if w["cycle_Y"] else y
        logits_y = D_Y(fake_y)
        logits_x = D_X(fake_x)
    result = {
        "loss_G": generator_loss(logits_y.float()),
        "loss_F": generator_loss(logits_x.float()),
        "cycle_X": cycle_loss(x, cycled_x.float()),
        "cycle_Y": cycle_loss(y, cycled_y.float()),
        "identity": cycle_loss(y, same_y.float()) + cycle_loss(x, same_x.float()),
    }
    descend(opt_G, sum(w[name] * loss for name, loss in result.items()))

    # Discriminators: real images against fakes from the pool
    for name, D, real, fake, pool in (("X", D_X, x, fake_x, pool_x), ("Y", D_Y, y, fake_y, pool_y)):
        shown = pool(fake.detach().float())
        with autocast():
            logits = D(torch.cat([real, shown])).float()
        result[f"loss_D_{name}"] = discriminator_loss(*logits.chunk(2)) / 2
    descend(opt_D, result["loss_D_X"] + result["loss_D_Y"])
    return {name: loss.detach() for name, loss in result.items()}
