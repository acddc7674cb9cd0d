"""Conditional GAN: both players are given a condition, such as the digit that the image shows.

Mirza and Osindero (2014), "Conditional generative adversarial nets". First built in notebook 05.

Differences from the paper: its networks are fully connected; `Generator` and `Discriminator` are
DCGAN's, with the condition joined to the latent vector in G and to the 4 x 4 features in D.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils import skip_init
from torch.optim import Optimizer

from gancourse.papers.blocks import Rng, configured, down_block, require_size, up_block
from gancourse.papers.gan import gan_step, saturating_loss
from gancourse.shapes import Images, Labels, Latent, Logits

Condition = Float[Tensor, "batch classes"]
"""What is asked for: usually one-hot, one row per image."""


# Conditions --------------------------------------------------------------------------------------
def one_hot(labels: Labels, classes: int) -> Condition:
    """Labels as vectors: 1 at the label's position, 0 elsewhere, in float32.

    Parameters
    ----------
    labels : Int[Tensor, " batch"]
        From 0 to classes - 1.
    classes : int
        How many there are.

    Raises
    ------
    RuntimeError
        If a label is out of range.
    """
    return F.one_hot(labels.long(), classes).float()


def mislabel(labels: Labels, classes: int, rng: torch.Generator) -> Labels:
    """For each label a different one, all others equally likely.

    Parameters
    ----------
    labels : Int[Tensor, " batch"]
        The right ones, from 0 to classes - 1.
    classes : int
        How many there are, at least 2.
    rng : torch.Generator
        Draws the wrong labels.
    """
    step = torch.randint(1, classes, labels.shape, generator=rng, device=rng.device)
    return (labels + step.to(labels.device)) % classes


def join_maps(h: Images, c: Condition) -> Float[Tensor, "batch joined height width"]:
    """Repeat c at every position of the feature maps h, and concatenate along the channels.

    Also called depth concatenation (Reed et al. 2016).

    Parameters
    ----------
    h : Float[Tensor, "batch channels height width"]
        Feature maps.
    c : Float[Tensor, "batch classes"]
        One vector per image.

    Returns
    -------
    Float[Tensor, "batch channels+classes height width"]
        First the channels of h, then those of c.
    """
    planes = c[:, :, None, None].expand(-1, -1, *h.shape[2:])  # (B, classes, H, W), no copy
    return torch.cat([h, planes], dim=1)


class Conditioned(nn.Module):
    """A network with its condition fixed: ``Conditioned(D, c)(x)`` is D(x, c), in papers D(x|c)."""

    def __init__(self, net: nn.Module, c: Tensor) -> None:
        super().__init__()
        self.net, self.c = net, c

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x, self.c)


# Networks ----------------------------------------------------------------------------------------
@configured
class Generator(nn.Module):
    """Latent vector and condition to a 32 x 32 image: a DCGAN whose input is z and c, joined.

    The first layer multiplies a one-hot c by its weights, and so looks up one learned block of
    numbers for each class: an embedding (Section 4.1 of the paper has a layer of its own for it).

    Parameters
    ----------
    noise_dim, classes : int
        Lengths of z and of c.
    channels : int
        Of the image: 3 for colour, 1 for grey.
    width : int
        Channels before the last layer; each earlier layer has twice as many.
    rng : torch.Generator, optional
        Draws the initial weights; see `blocks.configured`.
    """

    def __init__(
        self,
        noise_dim: int = 64,
        classes: int = 10,
        channels: int = 1,
        width: int = 24,
        rng: Rng = None,
    ) -> None:
        super().__init__()
        self.noise_dim, self.classes = noise_dim, classes
        w = width
        self.layers = nn.Sequential(
            nn.Unflatten(1, (noise_dim + classes, 1, 1)),                # z + c x 1 x 1
            *up_block(noise_dim + classes, 4 * w, stride=1, padding=0),  # 4w x  4 x  4
            *up_block(4 * w, 2 * w),                                     # 2w x  8 x  8
            *up_block(2 * w, w),                                         #  w x 16 x 16
            nn.ConvTranspose2d(w, channels, 4, stride=2, padding=1),     # ch x 32 x 32
            nn.Tanh(),
        )  # fmt: skip

    def forward(self, z: Latent, c: Condition) -> Images:
        return self.layers(torch.cat([z, c], dim=1))


@configured
class Discriminator(nn.Module):
    """Image and condition to a logit: whether it is a real image for that condition.

    The image becomes 4w maps of 4 x 4; c is repeated at each of the 16 positions and joined to
    them; a 1 x 1 convolution mixes the two before the last layer. Without that layer and its
    LeakyReLU the logit would be a number from the image plus a number from the label: D could
    learn which labels are rare, but not whether a label fits.

    Parameters as in `Generator`. Returns one logit per image, shape (B,).
    """

    def __init__(
        self, classes: int = 10, channels: int = 1, width: int = 24, rng: Rng = None
    ) -> None:
        super().__init__()
        self.classes = classes
        w = width
        self.look = nn.Sequential(
            *down_block(channels, w, norm=False),                        #  w x 16 x 16
            *down_block(w, 2 * w),                                       # 2w x  8 x  8
            *down_block(2 * w, 4 * w),                                   # 4w x  4 x  4
        )  # fmt: skip
        self.judge = nn.Sequential(
            nn.Conv2d(4 * w + classes, 4 * w, 1),                        # mixes maps and c
            nn.LeakyReLU(0.2),
            nn.Conv2d(4 * w, 1, 4),                                      # 1 x 1 x 1
            nn.Flatten(0),                                               # B
        )  # fmt: skip

    def forward(self, x: Images, c: Condition) -> Logits:
        require_size(x, 32)
        return self.judge(join_maps(self.look(x), c))


class Joined(nn.Module):
    """Two inputs, one layer for each, then a joint layer, as in the paper's networks.

    As a generator it takes a latent vector and a condition, as a discriminator an example and a
    condition. The paper has ReLU, and maxout in D's joint layer; this has LeakyReLU 0.2 throughout.
    The paper's G for tags has no joint layer before the output; this one has.

    Parameters
    ----------
    first, second : int
        Lengths of the two inputs.
    hidden : int
        Units of each of the three layers.
    out : int
        Length of the output (B, out); 0 for one logit each, of shape (B,).
    rng : torch.Generator
        Draws the weights (He et al. 2015), on the CPU.
    """

    def __init__(
        self, first: int, second: int, hidden: int, out: int, rng: torch.Generator
    ) -> None:
        super().__init__()
        layers = ((first, hidden), (second, hidden), (2 * hidden, hidden), (hidden, out or 1))
        made = [skip_init(nn.Linear, n_in, n_out) for n_in, n_out in layers]
        for layer in made:
            nn.init.kaiming_normal_(layer.weight, a=0.2, generator=rng)
            nn.init.zeros_(layer.bias)
        self.first, self.second, self.joint, self.last = made
        self.end = nn.Identity() if out else nn.Flatten(0)

    def forward(
        self, a: Float[Tensor, "batch first"], c: Float[Tensor, "batch second"]
    ) -> Float[Tensor, " batch *out"]:
        both = torch.cat([self.first(a), self.second(c)], dim=1)
        hidden = self.joint(F.leaky_relu(both, 0.2))
        return self.end(self.last(F.leaky_relu(hidden, 0.2)))


# Training ----------------------------------------------------------------------------------------
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

    The fakes are made for the conditions of the real batch, so real and fake differ in nothing but
    their images.

    Parameters
    ----------
    G, D : nn.Module
        ``G(z, c)`` returns examples, ``D(x, c)`` logits.
    batches : Iterator[tuple[Tensor, Tensor]]
        Endless; each item holds m real examples and their m conditions.
    mislead : Callable[[Tensor], Tensor], optional
        From conditions to wrong ones. With it D also has to reject real examples with wrong
        conditions, as in GAN-CLS (Reed et al. 2016).
    opt_G, opt_D, sample_z, penalty, autocast
        As in `gan.gan_step`; ``penalty(D, x)`` gets a D with its condition fixed.

    Returns
    -------
    dict[str, Tensor]
        "loss_D", without what `mislead` and `penalty` add, and "loss_G": as from `gan.gan_step`.
    """
    x, c = next(batches)

    def additional(conditioned_D: nn.Module, x: Tensor) -> Tensor:
        loss = penalty(conditioned_D, x) if penalty else x.new_zeros(())
        if mislead:
            with autocast():
                wrong = D(x, mislead(c))
            loss = loss - saturating_loss(wrong.float())  # -log(1 - D(x|c'))
        return loss

    return gan_step(
        Conditioned(G, c), Conditioned(D, c), opt_G, opt_D, iter([x]), sample_z,
        penalty=additional if penalty or mislead else None, autocast=autocast,
    )  # fmt: skip
