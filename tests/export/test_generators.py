"""What can be exported, and what is said about everything else."""

import pytest
import torch
from torch import nn

from gancourse.classifiers.digit_judge import SmallClassifier
from gancourse.errors import CourseError
from gancourse.export.generators import generate, ready
from gancourse.papers import cgan, cyclegan, dcgan, lapgan, srgan


def test_a_generator_is_copied_and_stays_as_it_is(generator):
    G, noise_dim = generator
    G.train()
    before = {k: v.clone() for k, v in G.state_dict().items()}
    net, length = ready(G, noise_dim)
    assert length == noise_dim and not net.training and G.training
    assert all(torch.equal(v, before[k]) for k, v in G.state_dict().items())
    assert all(p is not q for p, q in zip(net.parameters(), G.parameters(), strict=True))


def test_the_length_of_z_is_found_where_the_package_stores_it(grey):
    assert ready(grey)[1] == 6
    assert ready(gan_without_attribute())[1] == 9


def gan_without_attribute() -> nn.Module:
    from gancourse.papers import gan

    return gan.Generator(9, units=4, size=8)


def test_double_precision_becomes_float32():
    net, _ = ready(dcgan.Generator(3, 1, 2, 8).double())
    assert net(torch.zeros(1, 3)).dtype == torch.float32


def test_images_do_not_depend_on_the_batches(grey):
    z = torch.randn(7, 6, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(generate(grey, z, batch=2), generate(grey, z))


class Broken(nn.Module):
    """A generator with a fault."""

    noise_dim = 4

    def __init__(self, fault: str) -> None:
        super().__init__()
        self.fault = fault
        self.layer = nn.Linear(4, 64)
        if fault == "weights":
            self.layer.weight.data[0, 0] = torch.nan

    def forward(self, z):
        if self.fault == "raises":
            raise ValueError("a shape is wrong")
        x = self.layer(z)
        x = x + torch.randn_like(x) if self.fault == "random" else x
        x = x / 0 if self.fault == "infinite" else x
        return x if self.fault == "flat" else x.view(-1, 4 if self.fault == "four" else 1, 4, 4)


class Late(Broken):
    def forward(self, z):
        return super().forward(z).view(-1, 1, 8, 8)


REFUSED = {
    "discriminator": (lambda: dcgan.Discriminator(1, 2, 8), "no noise_dim"),
    "classifier": (SmallClassifier, "no noise_dim"),
    "srgan": (lambda: srgan.Generator(width=4, blocks=1), "images to images"),
    "cyclegan": (lambda: cyclegan.Generator(3, 4, 1, 1), "images to images"),
    "cgan": (lambda: cgan.Generator(4, 10, 1, 4), "needs 2 inputs: z, c"),
    "level": (lambda: lapgan.LevelGenerator(3, 4, 1), "no noise_dim"),
    "by class": (lambda: lapgan.CoarseGenerator(4, width=4, classes=3), "conditional"),
    "weights": (lambda: Broken("weights"), "layer.weight"),
    "raises": (lambda: Broken("raises"), "a shape is wrong"),
    "random": (lambda: Late("random"), "different images for the same"),
    "infinite": (lambda: Late("infinite"), "not finite"),
    "flat": (lambda: Broken("flat"), r"returned \(2, 64\)"),
    "four": (lambda: Broken("four"), r"returned \(2, 4, 4, 4\)"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_everything_else_is_refused_with_a_reason(case):
    make, message = REFUSED[case]
    with pytest.raises(CourseError, match=message) as caught:
        ready(make())
    assert caught.value.why


@pytest.mark.filterwarnings("ignore")
def test_a_network_that_cannot_be_copied_is_refused():
    G = dcgan.Generator(3, 1, 2, 8)
    nn.utils.spectral_norm(G.layers[1], dim=1)
    G(torch.randn(2, 3)).sum().backward()
    with pytest.raises(CourseError, match="parametrizations"):
        ready(G)
