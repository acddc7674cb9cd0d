"""CycleGAN's networks against the numbers of the authors' code, and the patch by its gradient."""

import pytest
import torch
from torch import nn

from gancourse.papers import cyclegan
from gancourse.papers.blocks import count_parameters
from gancourse.training import networks


def test_parameters_are_those_of_the_authors():
    """Counted in their code, 9 blocks; and by hand for a block."""
    assert count_parameters(cyclegan.Generator()) == 11_378_179
    assert count_parameters(cyclegan.PatchDiscriminator()) == 2_764_737
    assert count_parameters(cyclegan.ResidualBlock(256)) == 2 * (256 * 256 * 9 + 256)


def test_256_pixels_give_30_x_30_logits():
    D = cyclegan.PatchDiscriminator(3, 2)
    assert D(torch.zeros(2, 3, 256, 256)).shape == (2, 30, 30)


@pytest.mark.parametrize("halvings", [0, 1, 2])
@pytest.mark.parametrize("sides", [(16, 16), (8, 20)])
def test_generator_keeps_the_size_and_the_range(halvings, sides, rng):
    G = cyclegan.Generator(3, 4, 1, halvings)
    y = G(3 * torch.randn(2, 3, *sides, generator=rng))
    assert y.shape == (2, 3, *sides) and y.abs().max() < 1


@pytest.mark.parametrize("net", [cyclegan.Generator(3, 4, 2), cyclegan.PatchDiscriminator(3, 4, 2)])
def test_pictures_of_a_batch_do_not_touch_each_other(net, rng):
    """What `steps.cyclegan_step` relies on when it puts two kinds of pictures into one batch."""
    x = torch.randn(3, 3, 24, 24, generator=rng)
    assert torch.allclose(net(x)[:1], net(x[:1]), atol=1e-5)


@pytest.mark.parametrize("layers, side", [(1, 16), (2, 34), (3, 70)])
def test_receptive_field_is_what_the_gradient_says(layers, side, rng):
    D = cyclegan.PatchDiscriminator(1, 2, layers)
    assert cyclegan.receptive_field(D) == side
    for norm in [m for m in D.modules() if isinstance(m, nn.InstanceNorm2d)]:
        norm.forward = lambda x: x  # its mean and variance are those of the whole picture
    for p in D.parameters():
        nn.init.uniform_(p, 0.1, 1, generator=rng)  # positive: no pixel's share cancels
    x = torch.rand(1, 1, 160, 160, generator=rng).requires_grad_()
    logits = D(x)
    logits[0, logits.shape[1] // 2, logits.shape[2] // 2].backward()
    for dim in (0, 1):
        seen = x.grad[0, 0].abs().amax(dim).nonzero()
        assert seen.max() - seen.min() + 1 == side == len(seen)


def test_field_of_by_hand():
    assert cyclegan.field_of([]) == 1
    assert cyclegan.field_of([(3, 1), (3, 1)]) == 5
    assert cyclegan.field_of([(3, 2), (3, 1)]) == 7


def test_a_block_adds_to_its_input_and_mirrors_at_the_border(rng):
    block = cyclegan.ResidualBlock(4)
    x = torch.randn(1, 4, 6, 6, generator=rng)
    nn.init.zeros_(block.layers[3].weight)  # then the second norm gives 0
    assert torch.allclose(block(x), x, atol=1e-5)
    assert {c.padding_mode for c in block.modules() if isinstance(c, nn.Conv2d)} == {"reflect"}


@pytest.mark.parametrize("net", [cyclegan.Generator(3, 4, 1, 1), cyclegan.PatchDiscriminator(3, 4)])
def test_networks_are_saved_and_loaded(net, tmp_path, rng):
    copy = networks.load(networks.save(net, tmp_path / "net.safetensors"))
    x = torch.randn(1, 3, 32, 32, generator=rng)
    assert torch.equal(copy(x), net.eval()(x))
