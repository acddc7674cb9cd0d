"""Shapes, gradients and seeds of the fully connected networks."""

import pytest
import torch
from torch import nn

from gancourse.papers.blocks import MLP, MLPDiscriminator, Shifted


def rng(seed=0):
    return torch.Generator().manual_seed(seed)


def test_mlp_is_its_formula():
    net = MLP(3, 5, 2, rng=rng(), slope=0.1)
    x = torch.randn(4, 3)
    hidden = x @ net[0].weight.T + net[0].bias
    hidden = torch.where(hidden > 0, hidden, 0.1 * hidden)
    torch.testing.assert_close(net(x), hidden @ net[2].weight.T + net[2].bias)


def test_one_logit_for_each_point_even_in_a_batch_of_one():
    D = MLPDiscriminator(2, 8, rng=rng())
    assert D(torch.zeros(7, 2)).shape == (7,)
    assert D(torch.zeros(1, 2)).shape == (1,)


def test_equal_seeds_give_equal_networks_and_leave_the_global_state_alone():
    state = torch.get_rng_state()
    a, b, c = MLP(2, 8, 1, rng=rng(3)), MLP(2, 8, 1, rng=rng(3)), MLP(2, 8, 1, rng=rng(4))
    assert torch.get_rng_state().equal(state)
    x = torch.randn(5, 2)
    assert a(x).equal(b(x)) and not a(x).equal(c(x))


def test_signal_keeps_its_size_through_many_layers():
    net = MLP(64, *[256] * 8, 64, rng=rng())
    x = torch.randn(512, 64, generator=rng(1))
    assert 0.5 < net(x).std().item() < 2.5


def test_weights_follow_he_and_biases_are_small():
    layer = MLP(400, 500, 1, rng=rng())[0]
    assert isinstance(layer, nn.Linear)
    assert layer.weight.std().item() == pytest.approx((2 / 1.04 / 400) ** 0.5, rel=0.01)
    assert layer.bias.abs().max().item() <= 1 / 20


def test_every_parameter_gets_a_gradient():
    D = MLPDiscriminator(2, 16, 16, rng=rng())
    D(torch.randn(32, 2, generator=rng(1))).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in D.parameters())


def test_one_size_is_no_network():
    with pytest.raises(ValueError, match="input and output size"):
        MLP(3, rng=rng())


class Echo(nn.Module):
    """Keeps what it gets; one logit per image."""

    def forward(self, x):
        self.seen = x
        return x.sum((1, 2, 3))


def test_shifted_images_are_windows_of_the_mirrored_image():
    echo = Echo()
    net, x = Shifted(echo, torch.Generator().manual_seed(0), n=2), torch.rand(40, 3, 5, 7)
    assert net(x).shape == (40,)
    wide = nn.functional.pad(x, (2, 2, 2, 2), mode="reflect")
    moves = set()
    for image, seen in zip(wide, echo.seen, strict=True):
        found = [
            (i, j) for i in range(5) for j in range(5)
            if torch.equal(seen, image[:, i : i + 5, j : j + 7])
        ]  # fmt: skip
        moves |= {*found}
        assert found
    assert len(moves) > 15  # each image has a shift of its own


def test_shifts_pass_the_gradient_on_and_come_from_the_generator():
    x = torch.rand(3, 1, 6, 6, requires_grad=True)
    one, two = (Shifted(Echo(), torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(one(x), two(x))
    one(x).sum().backward()
    assert x.grad.sum().item() == pytest.approx(3 * 36)  # each pixel seen has the gradient 1
    assert [*one.parameters()] == []
