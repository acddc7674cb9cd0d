"""No discriminator or classifier takes images of another size than it was built for."""

import pytest
import torch
from torch import nn

from gancourse.classifiers.digit_judge import SmallClassifier
from gancourse.papers import cgan, cyclegan, dcgan, lapgan, srgan, text2image


def of(shape: tuple[int, ...]) -> torch.Tensor:
    return torch.zeros(2, *shape)


NETWORKS = {
    "dcgan": (lambda: dcgan.Discriminator(1, 4, 32), 1, 32, ()),
    "cgan": (lambda: cgan.Discriminator(3, 1, 4), 1, 32, ((3,),)),
    "lapgan, coarse": (lambda: lapgan.CoarseDiscriminator(3, 4), 3, 8, ()),
    "lapgan, a level": (lambda: lapgan.LevelDiscriminator(3, 4, 16), 3, 16, None),
    "text2image": (lambda: text2image.Discriminator(6, 4, 3, 4, 32), 3, 32, ((6,),)),
    "srgan": (lambda: srgan.Discriminator(4, 32), 3, 32, ()),
    "classifier": (lambda: SmallClassifier(1, 10, 4), 1, 32, ()),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_images_of_another_size_are_refused(name):
    make, channels, side, more = NETWORKS[name]
    net: nn.Module = make().eval()

    def call(height: int, width: int) -> torch.Tensor:
        x = of((channels, height, width))
        return net(x, x) if more is None else net(x, *map(of, more))

    assert len(call(side, side)) == 2
    for height, width in ((2 * side, 2 * side), (side // 2, side // 2), (side, 2 * side)):
        with pytest.raises(ValueError, match=f"images of {side} x {side} pixels.*resize"):
            call(height, width)


def test_networks_of_patches_take_any_size():
    D = cyclegan.PatchDiscriminator(width=4, rng=torch.Generator().manual_seed(0))
    assert D(of((3, 64, 64))).dim() == D(of((3, 96, 80))).dim() == 3
