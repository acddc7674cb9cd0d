"""Text to image, first built in notebook 07: a text encoder, and a GAN that obeys sentences.

Reed, Akata, Yan, Logeswaran, Schiele and Lee (2016), "Generative adversarial text to image
synthesis". The encoder is that of Reed, Akata, Schiele and Lee (2016), "Learning deep
representations of fine-grained visual descriptions".

Differences from the authors' code: the residual blocks between the layers of G and D are left out,
and batch norm after D's 1 x 1 convolution, with which ours told right from wrong texts less well;
width, side and length of a text are arguments.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from gancourse.env import CourseError
from gancourse.nets import dcgan
from gancourse.nets.cgan import join_maps
from gancourse.shapes import Images, Logits, Noise

ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789-,;.!?:'\"/\\|_@#$%^&*~`+=<>()[]{} \n"
"""70 characters, as in the paper; a text in capitals is read in small letters."""

Texts = Int[Tensor, "batch length"]
"""Characters as places in `ALPHABET`, -1 for none."""

Embedding = Float[Tensor, "batch dim"]
"""What a text encoder makes of texts: phi(t)."""


def to_characters(texts: Sequence[str], length: int = 128) -> Texts:
    """Texts to places in the alphabet; -1 for other characters and after the end.

    Raises
    ------
    CourseError
        If a text has no character of the alphabet but spaces, or more than `length` characters.
    """
    rows = []
    for text in texts:
        places = [ALPHABET.find(character) for character in text.lower().strip()]
        if all(ALPHABET[place].isspace() for place in places if place >= 0):
            raise CourseError(
                f"There is nothing to read in {text!r}.",
                "The encoder knows small and capital letters of English, digits and punctuation.",
                "Describe a flower: a red flower with five round petals.",
            )
        if len(places) > length:
            raise CourseError(
                f"The text is too long: {len(places)} characters, at most {length} are read.",
                f"It begins with {text.strip()[:40]!r}.",
                "Shorten it, or make an encoder with a larger length.",
            )
        rows.append(places + [-1] * (length - len(places)))
    return torch.tensor(rows)


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
    """

    def __init__(self, dim: int = 1024, width: int = 128, length: int = 201) -> None:
        super().__init__()
        self.config: dict[str, Any] = {"dim": dim, "width": width, "length": length}
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


class Generator(nn.Module):
    """Noise and phi(t) to a picture: phi(t) is squeezed to `told` numbers and joined to z.

    Reed et al. (2016), Section 4.1 and Figure 2.

    Parameters
    ----------
    noise_dim, text_dim : int
        Lengths of z and phi(t).
    told : int
        What phi(t) is squeezed to.
    channels, width, size : int
        As in `dcgan.Generator`.
    """

    def __init__(
        self,
        noise_dim: int = 100,
        text_dim: int = 1024,
        told: int = 128,
        channels: int = 3,
        width: int = 128,
        size: int = 64,
    ) -> None:
        super().__init__()
        self.config: dict[str, Any] = {
            "noise_dim": noise_dim, "text_dim": text_dim, "told": told, "channels": channels,
            "width": width, "size": size,
        }  # fmt: skip
        self.noise_dim = noise_dim
        self.squeeze = nn.Sequential(nn.Linear(text_dim, told), nn.LeakyReLU(0.2))
        self.draw = dcgan.Generator(noise_dim + told, channels, width, size)

    def forward(self, z: Noise, phi: Embedding) -> Images:
        return self.draw(torch.cat([z, self.squeeze(phi)], dim=1))


class Discriminator(nn.Module):
    """Picture and phi(t) to a logit: a real picture of that text, or not.

    phi(t) is squeezed, repeated at each of the 4 x 4 places, joined to the maps there ("depth
    concatenation"), and mixed with them by a 1 x 1 convolution. Parameters as in `Generator`.
    """

    def __init__(
        self,
        text_dim: int = 1024,
        told: int = 128,
        channels: int = 3,
        width: int = 64,
        size: int = 64,
    ) -> None:
        super().__init__()
        self.config: dict[str, Any] = {
            "text_dim": text_dim, "told": told, "channels": channels, "width": width, "size": size,
        }  # fmt: skip
        self.squeeze = nn.Sequential(nn.Linear(text_dim, told), nn.LeakyReLU(0.2))
        trunk = dcgan.Discriminator(channels, width, size).layers
        maps = trunk[-2].in_channels
        self.look = trunk[:-2]  # without its last layer and the flattening
        self.judge = nn.Sequential(
            nn.Conv2d(maps + told, maps, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(maps, 1, 4),
            nn.Flatten(0),
        )

    def forward(self, x: Images, phi: Embedding) -> Logits:
        return self.judge(join_maps(self.look(x), self.squeeze(phi)))
