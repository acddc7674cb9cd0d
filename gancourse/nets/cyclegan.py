"""CycleGAN's networks, first built in notebook 09: a ResNet generator and a PatchGAN.

Zhu, Park, Isola and Efros (2017), "Unpaired image-to-image translation using cycle-consistent
adversarial networks", Section 4 and appendix. Instance norm treats every picture by itself, so
pictures of both domains may share a batch: no result depends on its neighbours.
"""

from collections.abc import Sequence
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from gancourse.shapes import Images


class ResidualBlock(nn.Module):
    """Rk of the paper: x + two 3 x 3 convolutions with reflection padding and instance norm.

    No activation after the sum. First built in notebook 09.
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


class Generator(nn.Module):
    """Picture to picture of the same size, in (-1, 1): c7s1-w, d2w, d4w, R4w ..., u2w, uw, c7s1-3.

    Parameters
    ----------
    channels, width : int
        Colours; channels of the first layer. The paper's G has 64: with 9 blocks 11,378,179
        parameters.
    blocks : int
        Residual blocks: the paper takes 6 for pictures of 128 x 128, 9 for larger ones.
    halvings : int
        Layers dk, and layers uk. The paper has 2; for pictures of 32 x 32, 1 keeps more detail.

    Notes
    -----
    Height and width are multiples of ``2 ** halvings``.
    """

    def __init__(
        self, channels: int = 3, width: int = 64, blocks: int = 9, halvings: int = 2
    ) -> None:
        super().__init__()
        self.config: dict[str, Any] = {
            "channels": channels, "width": width, "blocks": blocks, "halvings": halvings,
        }  # fmt: skip
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


class PatchDiscriminator(nn.Module):
    """Picture to a map of logits, one for each patch that D sees: C64-C128-C256-C512 and one more.

    Parameters
    ----------
    channels, width : int
        Colours; channels of the first layer. The paper's D has 64: 2,764,737 parameters.
    layers : int
        Convolutions with stride 2. The paper's 3 make patches of 70 x 70; 2 make 34, 1 makes 16.

    Returns
    -------
    forward(x) gives (B, P, P): 30 x 30 logits for 256 x 256 pixels.
    """

    def __init__(self, channels: int = 3, width: int = 64, layers: int = 3) -> None:
        super().__init__()
        self.config: dict[str, Any] = {"channels": channels, "width": width, "layers": layers}
        parts: list[nn.Module] = [nn.Conv2d(channels, width, 4, 2, 1), nn.LeakyReLU(0.2)]  # no norm
        w = width
        for n in range(1, layers + 1):
            stride = 2 if n < layers else 1
            parts += [nn.Conv2d(w, 2 * w, 4, stride, 1), nn.InstanceNorm2d(2 * w)]
            parts += [nn.LeakyReLU(0.2)]
            w *= 2
        self.layers = nn.Sequential(*parts, nn.Conv2d(w, 1, 4, 1, 1), nn.Flatten(1, 2))

    def forward(self, x: Images) -> Float[Tensor, "batch rows columns"]:
        return self.layers(x)


def receptive_field(D: nn.Module) -> int:
    """Side of the square of pixels that one logit sees: 70 for the paper's discriminator.

    Its convolutions are square, and run one after another in the order of ``D.modules()``.
    """
    convolutions = [layer for layer in D.modules() if isinstance(layer, nn.Conv2d)]
    return field_of([(layer.kernel_size[0], layer.stride[0]) for layer in convolutions])


def field_of(layers: Sequence[tuple[int, int]]) -> int:
    r"""Pixels in a row that one output sees: backwards, :math:`r \leftarrow (r - 1) s + k` from 1.

    Parameters
    ----------
    layers : Sequence[tuple[int, int]]
        Kernel and stride of each convolution, in the order in which they run. Padding does not
        matter. First built in notebook 09.
    """
    field = 1
    for kernel, stride in reversed(layers):
        field = (field - 1) * stride + kernel
    return field
