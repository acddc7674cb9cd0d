"""Text to image: a text encoder, and a GAN that draws what a sentence describes.

Reed, Akata, Yan, Logeswaran, Schiele and Lee (2016), "Generative adversarial text to image
synthesis". The encoder is that of Reed, Akata, Schiele and Lee (2016), "Learning deep
representations of fine-grained visual descriptions". First built in notebook 07.

Differences from the authors' code: no residual blocks between the layers of G and D; no batch norm
after D's 1 x 1 convolution; one text of an image at a time, where theirs averages the embeddings of
four; no random crops, and no style encoder (Equation 6); width, side and length of a text are
arguments.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn, no_grad
from torch.optim import Optimizer

from gancourse.errors import CourseError
from gancourse.papers import dcgan
from gancourse.papers.blocks import Rng, configured, require_size
from gancourse.papers.cgan import Conditioned, join_maps
from gancourse.papers.gan import descend, frozen, non_saturating_loss
from gancourse.shapes import Images, Latent, Logits, Scalar

ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789-,;.!?:'\"/\\|_@#$%^&*~`+=<>()[]{} \n"
"""70 characters, as in the paper; capitals are read as lower case."""

Texts = Int[Tensor, "batch length"]
"""Characters as positions in `ALPHABET`, -1 for none."""

Embedding = Float[Tensor, "batch dim"]
"""What a text encoder computes for texts: phi(t)."""


# The text encoder --------------------------------------------------------------------------------
def to_characters(texts: Sequence[str], length: int = 128) -> Texts:
    """Texts to positions in the alphabet; -1 for other characters and after the end.

    Raises
    ------
    CourseError
        If a text has no character of the alphabet except spaces, or more than `length` characters.
    """
    rows = []
    for text in texts:
        positions = [ALPHABET.find(character) for character in text.lower().strip()]
        if all(ALPHABET[i].isspace() for i in positions if i >= 0):
            raise CourseError(
                f"There is nothing to read in {text!r}.",
                "The encoder knows English letters, digits and punctuation.",
                "Describe a flower: a red flower with five round petals.",
            )
        if len(positions) > length:
            raise CourseError(
                f"The text is too long: {len(positions)} characters, at most {length} are read.",
                f"It begins with {text.strip()[:40]!r}.",
                "Shorten it, or create an encoder with a larger length.",
            )
        rows.append(positions + [-1] * (length - len(positions)))
    return torch.tensor(rows)


@configured
class TextEncoder(nn.Module):
    """Char-CNN-RNN: characters to phi(t), by convolutions in time and a recurrent network.

    The defaults are the paper's: 384, 512 and 256 maps, kernels of 4, a text of 201 characters, 8
    steps of the recurrent network and 1,024 numbers.

    Parameters
    ----------
    dim : int
        Length of phi(t).
    width : int
        A third of the first layer's maps; 3, 4 and 2 times as many in the three layers.
    length : int
        Characters read, 66 or more.
    rng : torch.Generator, optional
        Draws the initial weights; see `blocks.configured`.
    """

    def __init__(
        self, dim: int = 1024, width: int = 128, length: int = 201, rng: Rng = None
    ) -> None:
        super().__init__()
        self.length = length
        w = width
        self.convolutions = nn.Sequential(
            nn.Conv1d(len(ALPHABET), 3 * w, 4), nn.ReLU(), nn.MaxPool1d(3),  # 3w x 66
            nn.Conv1d(3 * w, 4 * w, 4), nn.ReLU(), nn.MaxPool1d(3),          # 4w x 21
            nn.Conv1d(4 * w, 2 * w, 4), nn.ReLU(), nn.MaxPool1d(3, 2),       # 2w x  8
        )  # fmt: skip
        self.recurrent = nn.RNN(2 * w, 2 * w, batch_first=True)
        self.head = nn.Linear(2 * w, dim)

    def forward(self, texts: Texts) -> Embedding:
        characters = F.one_hot(texts + 1, len(ALPHABET) + 1)[:, :, 1:]  # -1 becomes a row of zeros
        h = self.convolutions(characters.to(self.head.weight.dtype).transpose(1, 2))
        states, _ = self.recurrent(h.transpose(1, 2))
        return self.head(states.mean(dim=1))  # the mean over the steps


def joint_embedding_loss(scores: Float[Tensor, "batch batch"]) -> Scalar:
    r"""Each matching pair scores at least 1 above every mismatched pair, in both directions.

    The symmetric hinge loss of structured joint embedding, by which Reed, Akata, Schiele and Lee
    (2016) train their text encoder: for an image i and another image's text j both
    :math:`\max(0, 1 + s_{ij} - s_{ii})` and :math:`\max(0, 1 + s_{ji} - s_{ii})`.

    Parameters
    ----------
    scores : Float[Tensor, "batch batch"]
        s_ij, how well image i and text j match: one row per image, one column per text. Matching
        pairs are on the diagonal; two images or more.

    Returns
    -------
    Float[Tensor, ""]
        At least 0; the mean over all mismatched pairs, the two directions added up: 2 where all
        scores are equal.

    Raises
    ------
    ValueError
        If `scores` is not square, or has no mismatched pair.
    """
    n = len(scores)
    if scores.shape != (n, n) or n < 2:
        raise ValueError(f"needs a square of 2 x 2 scores or more, got {tuple(scores.shape)}")
    matching = scores.diagonal()
    hinges = F.relu(1 + scores - matching[:, None]) + F.relu(1 + scores - matching[None])
    on_diagonal = torch.eye(n, dtype=torch.bool, device=scores.device)
    return hinges.masked_fill(on_diagonal, 0).sum() / (n * (n - 1))


# The networks of the game ------------------------------------------------------------------------
@configured
class Generator(nn.Module):
    """Latent vector and phi(t) to an image: phi(t) is projected to `condition_dim` and joined to z.

    Reed et al. (2016), Section 4.1 and Figure 2.

    Parameters
    ----------
    noise_dim, text_dim : int
        Lengths of z and phi(t).
    condition_dim : int
        Length of the projection of phi(t).
    channels, width, size, rng
        As in `dcgan.Generator`.
    """

    def __init__(
        self,
        noise_dim: int = 100,
        text_dim: int = 1024,
        condition_dim: int = 128,
        channels: int = 3,
        width: int = 128,
        size: int = 64,
        rng: Rng = None,
    ) -> None:
        super().__init__()
        self.noise_dim = noise_dim
        self.project = nn.Sequential(nn.Linear(text_dim, condition_dim), nn.LeakyReLU(0.2))
        self.draw = dcgan.Generator(noise_dim + condition_dim, channels, width, size)

    def forward(self, z: Latent, phi: Embedding) -> Images:
        return self.draw(torch.cat([z, self.project(phi)], dim=1))


@configured
class Discriminator(nn.Module):
    """Image and phi(t) to a logit: a real image of that text, or not.

    phi(t) is projected, repeated at each of the 4 x 4 positions, joined to the maps there ("depth
    concatenation"), and mixed with them by a 1 x 1 convolution.

    Parameters
    ----------
    text_dim, condition_dim, channels, width, size, rng
        As in `Generator`.
    detail : int
        Channels of one more 3 x 3 convolution before all others, which does not halve the image: of
        small images D sees details sooner. 0, as in the paper: none.
    """

    def __init__(
        self,
        text_dim: int = 1024,
        condition_dim: int = 128,
        channels: int = 3,
        width: int = 64,
        size: int = 64,
        detail: int = 0,
        rng: Rng = None,
    ) -> None:
        super().__init__()
        self.project = nn.Sequential(nn.Linear(text_dim, condition_dim), nn.LeakyReLU(0.2))
        self.size = size
        trunk = dcgan.Discriminator(detail or channels, width, size).layers
        maps = trunk[-2].in_channels
        first = [nn.Conv2d(channels, detail, 3, padding=1), nn.LeakyReLU(0.2)] if detail else []
        self.look = nn.Sequential(*first, *trunk[:-2])  # without the last layer, the flattening
        self.judge = nn.Sequential(
            nn.Conv2d(maps + condition_dim, maps, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(maps, 1, 4),
            nn.Flatten(0),
        )

    def forward(self, x: Images, phi: Embedding) -> Logits:
        require_size(x, self.size)
        return self.judge(join_maps(self.look(x), self.project(phi)))


# Losses and training -----------------------------------------------------------------------------
def gan_cls_loss(real: Logits, wrong: Logits, fake: Logits) -> Scalar:
    r"""Discriminator's loss :math:`-\log s_r - \frac12[\log(1 - s_w) + \log(1 - s_f)]`, its mean.

    GAN-CLS, Algorithm 1: mismatched pairs and fakes are rejected with weight 1/2 each, so that
    together they weigh as much as the real pairs.

    Parameters
    ----------
    real, wrong, fake : Float[Tensor, " batch *patch"]
        Logits of a real image with its text (s_r), of a real image with a text that does not
        match (s_w), and of a fake with the text that it was drawn for (s_f).

    Returns
    -------
    Float[Tensor, ""]
        In nats, at least 0; log 4 = 1.386 where D is 1/2 for every input.

    Raises
    ------
    ValueError
        If one of the three is empty: its mean would be nan.
    """
    if 0 in (real.numel(), wrong.numel(), fake.numel()):
        raise ValueError("gan_cls_loss needs at least one logit of each of the three kinds")
    rejected = F.softplus(wrong).mean() + F.softplus(fake).mean()
    return F.softplus(-real).mean() + rejected / 2


def between(phi: Embedding, beta: float = 0.5) -> Float[Tensor, "half dim"]:
    r"""Interpolated text embeddings, :math:`\beta t_1 + (1 - \beta) t_2`: Equation 5 (GAN-INT).

    t_1 comes from the first half of the batch, t_2 from the second; the last one of an odd batch is
    left out.
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
    regularizer: Callable[[Tensor, Tensor], Tensor] | None = None,
    autocast: Callable[[], AbstractContextManager] = nullcontext,
) -> dict[str, Tensor]:
    """One iteration of GAN-CLS, Algorithm 1, with -log D for G.

    Parameters
    ----------
    G, D : nn.Module
        ``G(z, phi)`` returns images, ``D(x, phi)`` logits.
    batches : Iterator[tuple[Tensor, ...]]
        Endless; each item holds m real images, the m embeddings of their texts, and m of texts
        that don't match. Without the last (a pair) it is the paper's baseline "GAN".
    interpolate : bool
        G also draws for m/2 embeddings `between` those of the batch, and its loss on these images
        has the same weight as on the others: GAN-INT, Equation 5, and with mismatched texts
        GAN-INT-CLS. D is not trained on them, since no real image belongs to such a text.
    regularizer : callable, optional
        ``regularizer(x, z)`` is added to G's loss, for its images and the latent vectors that they
        were drawn from.
    opt_G, opt_D, sample_z, penalty, autocast
        As in `gan.gan_step`; ``penalty(D, x)`` gets a D with its text fixed.

    Returns
    -------
    dict[str, Tensor]
        "loss_D", without `penalty`, and "loss_G", without what `interpolate` and `regularizer` add:
        detached scalars in nats.
    """
    x, phi, *mismatched = next(batches)
    with no_grad(), autocast():  # D's turn: G is a fixed sampler
        fakes = G(sample_z(len(x)), phi)
    with autocast():
        real, fake = D(x, phi).float(), D(fakes, phi).float()
        wrong = D(x, mismatched[0]).float() if mismatched else fake  # 1/2 + 1/2: the plain loss
    loss_D = gan_cls_loss(real, wrong, fake)
    descend(opt_D, loss_D + penalty(Conditioned(D, phi), x) if penalty else loss_D)

    asked = torch.cat([phi, between(phi)]) if interpolate else phi  # G's turn
    z = sample_z(len(asked))
    with frozen(D):
        with autocast():
            fakes = G(z, asked)
            fake = D(fakes, asked).float()
        loss_G = non_saturating_loss(fake[: len(x)])
        total = loss_G
        if len(asked) > len(x):
            total = total + non_saturating_loss(fake[len(x) :])
        if regularizer:
            total = total + regularizer(fakes, z)
        descend(opt_G, total)
    return {"loss_D": loss_D.detach(), "loss_G": loss_G.detach()}
