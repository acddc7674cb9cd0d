"""Networks for `foreign`, in the styles that people bring along.

None of them comes from the course's package. Points are (m, 2), images (m, 3, 16, 16) in [-1, 1].
"""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm


def mlp(*sizes: int, act: type[nn.Module] = nn.ReLU, last: nn.Module | None = None) -> nn.Module:
    """Linear layers with `act` between them and, if given, `last` at the end."""
    layers = [layer for n, m in pairwise(sizes) for layer in (nn.Linear(n, m), act())][:-1]
    return nn.Sequential(*layers, *([last] if last else []))


class UpsampleG(nn.Module):
    """Nearest-neighbour upsampling and convolutions, 4 x 4 to 16 x 16."""

    def __init__(
        self, nz: int = 16, width: int = 24, norm: bool = True, last: nn.Module | None = None
    ) -> None:
        super().__init__()
        bn = nn.BatchNorm2d if norm else nn.Identity
        self.l1 = nn.Linear(nz, width * 16)
        self.conv_blocks = nn.Sequential(
            nn.Unflatten(1, (width, 4, 4)),
            bn(width),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(width, width, 3, padding=1),
            bn(width),
            nn.LeakyReLU(0.2),
            nn.Upsample(scale_factor=2),
            nn.Conv2d(width, width // 2, 3, padding=1),
            bn(width // 2),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width // 2, 3, 3, padding=1),
            last or nn.Tanh(),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.conv_blocks(self.l1(z))


class StridedD(nn.Module):
    """Strided convolutions; no normalization unless asked for."""

    def __init__(
        self, width: int = 16, norm: bool = False, drop: float = 0.0, last: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.model = nn.Sequential(
            nn.Conv2d(3, width, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Dropout2d(drop),
            nn.Conv2d(width, 2 * width, 4, 2, 1),
            nn.BatchNorm2d(2 * width) if norm else nn.Identity(),
            nn.LeakyReLU(0.2),
            nn.Dropout2d(drop),
        )
        self.adv_layer = nn.Sequential(nn.Linear(2 * width * 16, 1), last or nn.Identity())

    def forward(self, img: Tensor) -> Tensor:
        return self.adv_layer(self.model(img).flatten(1))


class DeconvG(nn.Module):
    """Transposed convolutions with batch norm, as in DCGAN; z is reshaped to (m, nz, 1, 1)."""

    def __init__(self, nz: int = 16, ngf: int = 16) -> None:
        super().__init__()
        self.nz = nz
        self.main = nn.Sequential(
            nn.ConvTranspose2d(nz, ngf * 2, 4, 1, 0, bias=False),
            nn.BatchNorm2d(ngf * 2),
            nn.ReLU(True),
            nn.ConvTranspose2d(ngf * 2, ngf, 4, 2, 1, bias=False),
            nn.BatchNorm2d(ngf),
            nn.ReLU(True),
            nn.ConvTranspose2d(ngf, 3, 4, 2, 1, bias=False),
            nn.Tanh(),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.main(z.view(-1, self.nz, 1, 1))


class FlatConvD(nn.Module):
    """The counterpart of `DeconvG`: one logit per image, as a vector (m,)."""

    def __init__(self, ndf: int = 16) -> None:
        super().__init__()
        self.main = nn.Sequential(
            nn.Conv2d(3, ndf, 4, 2, 1, bias=False),
            nn.LeakyReLU(0.2, True),
            nn.Conv2d(ndf, ndf * 2, 4, 2, 1, bias=False),
            nn.BatchNorm2d(ndf * 2),
            nn.LeakyReLU(0.2, True),
            nn.Conv2d(ndf * 2, 1, 4, 1, 0, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.main(x).view(-1)


class ResBlock(nn.Module):
    """Two 3 x 3 convolutions around a shortcut; ``scale`` 2 doubles the size, 0.5 halves it."""

    def __init__(self, n: int, m: int, scale: float, sn: bool) -> None:
        super().__init__()
        wrap = spectral_norm if sn else (lambda layer: layer)
        self.scale = scale
        self.bn1 = nn.Identity() if sn else nn.BatchNorm2d(n)
        self.bn2 = nn.Identity() if sn else nn.BatchNorm2d(m)
        self.conv1 = wrap(nn.Conv2d(n, m, 3, padding=1))
        self.conv2 = wrap(nn.Conv2d(m, m, 3, padding=1))
        self.skip = wrap(nn.Conv2d(n, m, 1))

    def resize(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=2.0) if self.scale > 1 else F.avg_pool2d(x, 2)

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.bn1(x))
        if self.scale > 1:
            h = self.conv2(F.relu(self.bn2(self.conv1(self.resize(h)))))
            return h + self.skip(self.resize(x))
        h = self.conv2(F.relu(self.bn2(self.conv1(h))))
        return self.resize(h + self.skip(x))


class ResidualG(nn.Module):
    """Residual blocks with batch norm; the tanh is a call in ``forward``."""

    def __init__(self, nz: int = 16, width: int = 24) -> None:
        super().__init__()
        self.width = width
        self.dense = nn.Linear(nz, width * 16)
        self.block1 = ResBlock(width, width, 2, sn=False)
        self.block2 = ResBlock(width, width, 2, sn=False)
        self.to_rgb = nn.Conv2d(width, 3, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        h = self.dense(z).view(-1, self.width, 4, 4)
        return torch.tanh(self.to_rgb(F.relu(self.block2(self.block1(h)))))


class ResidualD(nn.Module):
    """Residual blocks with spectral norm and a sum over the positions."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.block1 = ResBlock(3, width, 0.5, sn=True)
        self.block2 = ResBlock(width, width, 0.5, sn=True)
        self.linear = spectral_norm(nn.Linear(width, 1))

    def forward(self, x: Tensor) -> Tensor:
        h = F.relu(self.block2(self.block1(x)))
        return self.linear(h.sum(dim=(2, 3)))


class PatchD(nn.Module):
    """A map of logits (m, 1, 4, 4) and the features before it, as a tuple."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, width, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, 2, 1),
            nn.GroupNorm(4, 2 * width),
            nn.LeakyReLU(0.2),
        )
        self.head = nn.Conv2d(2 * width, 1, 3, 1, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.features(x)
        return self.head(h), h


class LayerNormMLP(nn.Module):
    """Linear layers with layer norm and SiLU."""

    def __init__(self, n: int, m: int, width: int = 96, tanh: bool = False) -> None:
        super().__init__()
        self.fc1, self.norm1 = nn.Linear(n, width), nn.LayerNorm(width)
        self.fc2, self.norm2 = nn.Linear(width, width), nn.LayerNorm(width)
        self.out = nn.Linear(width, m)
        self.tanh = tanh

    def forward(self, inputs: Tensor) -> Tensor:
        h = F.silu(self.norm1(self.fc1(inputs)))
        h = self.out(F.silu(self.norm2(self.fc2(h))))
        return h.tanh() if self.tanh else h


class ConditionalG(nn.Module):
    """The class's embedding is appended to z."""

    def __init__(self, classes: int = 2, nz: int = 16) -> None:
        super().__init__()
        self.label_emb = nn.Embedding(classes, 8)
        self.net = UpsampleG(nz + 8)

    def forward(self, noise: Tensor, labels: Tensor) -> Tensor:
        return self.net(torch.cat((self.label_emb(labels), noise), -1))


class ConditionalD(nn.Module):
    """The class's embedding is a fourth channel of the image."""

    def __init__(self, classes: int = 2, width: int = 16) -> None:
        super().__init__()
        self.label_emb = nn.Embedding(classes, 16 * 16)
        self.conv = nn.Sequential(
            nn.Conv2d(4, width, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, 4, 2, 1),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(2 * width * 16, 1),
        )

    def forward(self, img: Tensor, labels: Tensor) -> Tensor:
        plane = self.label_emb(labels).view(-1, 1, 16, 16)
        return self.conv(torch.cat((img, plane), 1))
