"""Shapes, conditioning and gradient flow of LAPGAN's networks, and the sampling chain."""

import pytest
import torch
import torch.nn.functional as F

from gancourse.papers import lapgan
from gancourse.papers.blocks import count_parameters
from gancourse.results import load_table
from gancourse.training import networks


@pytest.mark.parametrize("classes", [0, 4])
def test_coarse_pair_has_shapes_range_and_a_batch_of_one(classes, rng):
    G = lapgan.CoarseGenerator(5, 3, 4, classes)
    D = lapgan.CoarseDiscriminator(3, 4, classes)
    c = torch.tensor([0, 3, 1]) if classes else None
    x = G(torch.randn(3, 5, generator=rng), c)
    assert x.shape == (3, 3, 8, 8) and x.abs().max() < 1
    assert D(x, c).shape == (3,)
    assert D(x[:1], c[:1] if classes else None).shape == (1,)


def test_class_reaches_both_coarse_players(rng):
    G, D = lapgan.CoarseGenerator(5, 3, 4, 3).eval(), lapgan.CoarseDiscriminator(3, 4, 3)
    z, x = torch.randn(1, 5, generator=rng), torch.randn(1, 3, 8, 8, generator=rng)
    first, second = torch.tensor([0]), torch.tensor([1])
    assert not torch.allclose(G(z, first), G(z, second))
    assert not torch.allclose(D(x, first), D(x, second))


@pytest.mark.parametrize("side", [8, 16, 32, 64])
def test_level_pair_works_at_every_side(side, rng):
    G, D = lapgan.LevelGenerator(3, 4, 1), lapgan.LevelDiscriminator(3, 4, side)
    low = torch.randn(2, 3, side, side, generator=rng)
    residual = G(torch.randn(2, 1, side, side, generator=rng), low)
    assert residual.shape == low.shape
    assert D(residual, low).shape == (2,)
    assert D(residual[:1], low[:1]).shape == (1,)


def test_parameters_of_a_level_by_hand():
    """3 x 3 kernels and biases: 4 -> w, depth times w -> w, w -> 3."""
    w, depth = 32, 2
    expected = 4 * w * 9 + w + depth * (w * w * 9 + w) + w * 3 * 9 + 3
    assert count_parameters(lapgan.LevelGenerator(3, w, depth)) == expected


def test_residuals_are_not_bounded(rng):
    G = lapgan.LevelGenerator(1, 4, 1)
    torch.nn.init.constant_(G.layers[-1].bias, 1.9)
    low = torch.zeros(1, 1, 8, 8)
    assert G(torch.zeros(1, 1, 8, 8), low).max() > 1.2


def test_a_residual_depends_on_nothing_farther_than_depth_plus_2(rng):
    depth = 1
    G = lapgan.LevelGenerator(1, 4, depth)
    low = torch.randn(1, 1, 16, 16, generator=rng).requires_grad_()
    G(torch.zeros(1, 1, 16, 16), low)[0, 0, 8, 8].backward()
    places = low.grad[0, 0].nonzero()
    assert (places - 8).abs().max() == depth + 2


def test_discriminator_judges_the_sum_and_the_enlarged_residual(rng):
    D = lapgan.LevelDiscriminator(3, 4, 16)
    low, residual = torch.randn(2, 2, 3, 16, 16, generator=rng)
    seen = torch.cat([low + residual, lapgan.RESIDUAL_SCALE * residual], dim=1)
    assert torch.equal(D(residual, low), D.layers(seen))


def test_chain_with_the_true_residuals_reconstructs_the_picture(rng):
    x = torch.rand(2, 3, 32, 32, generator=rng) * 2 - 1
    fine, middle, coarse = lapgan.laplacian(x, 2)
    knows = {16: lambda z, low: middle, 32: lambda z, low: fine}
    chain = lapgan.sample_chain(coarse, knows, rng)
    assert [p.shape[-1] for p in chain] == [8, 16, 32]
    assert torch.equal(chain[-1], lapgan.reconstruct([fine, middle, coarse]))


def test_chain_draws_a_plane_for_each_picture_from_its_own_generator(rng):
    seen = []

    def remember(z, low):
        seen.append(z)
        return torch.zeros_like(low)

    before = torch.get_rng_state()
    lapgan.sample_chain(torch.zeros(2, 3, 8, 8), {16: remember, 32: remember}, rng)
    assert torch.equal(torch.get_rng_state(), before)
    assert [z.shape for z in seen] == [(2, 1, 16, 16), (2, 1, 32, 32)]
    assert not torch.equal(seen[0][0], seen[0][1])


@pytest.mark.parametrize(
    "net",
    [
        lapgan.CoarseGenerator(5, 3, 4, 2),
        lapgan.CoarseDiscriminator(3, 4),
        lapgan.LevelGenerator(3, 4, 1),
        lapgan.LevelDiscriminator(3, 4, 16),
    ],
    ids=lambda net: type(net).__name__,
)
def test_every_network_is_saved_and_loaded(net, tmp_path):
    again = networks.load(networks.save(net, tmp_path / "net.safetensors"))
    ours, theirs = net.state_dict(), again.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("shape", [(2, 3, 64, 64), (1, 1, 8, 8), (3, 2, 16, 48)])
@pytest.mark.parametrize("levels", [0, 1, 3])
def test_reconstruction_is_exact(shape, levels, rng):
    x = torch.rand(shape, generator=rng) * 2 - 1
    parts = lapgan.laplacian(x, levels)
    assert [p.shape[-1] for p in parts] == [shape[-1] // 2**k for k in range(levels + 1)]
    assert (lapgan.reconstruct(parts) - x).abs().max() <= 1e-5


def test_the_last_entry_is_the_picture_halved(rng):
    x = torch.rand(2, 3, 32, 32, generator=rng) * 2 - 1
    assert torch.equal(lapgan.laplacian(x, 2)[-1], lapgan.down(lapgan.down(x)))


def test_down_is_three_means_of_two_pixels(rng):
    """[1, 3, 3, 1] / 8 is [1, 1] / 2 convolved with itself three times."""
    x = torch.rand(2, 3, 16, 16, generator=rng)
    blurred = F.pad(x, (1, 1, 1, 1), mode="replicate")
    for stride in (1, 1, 2):
        blurred = F.avg_pool2d(blurred, 2, stride)
    assert torch.allclose(lapgan.down(x), blurred, atol=1e-6)


def test_down_agrees_with_torchs_antialiasing_away_from_the_border(rng):
    x = torch.rand(2, 3, 16, 16, generator=rng)
    oracle = F.interpolate(x, scale_factor=0.5, mode="bilinear", antialias=True)
    inside = (..., slice(1, -1), slice(1, -1))
    assert torch.allclose(lapgan.down(x)[inside], oracle[inside], atol=1e-5)


def test_up_is_the_transpose_of_down_away_from_the_border(rng):
    """<d(x), y> = <x, u(y)> / 4 where y is 0 near the border."""
    x = torch.rand(1, 1, 16, 16, generator=rng)
    y = F.pad(torch.rand(1, 1, 4, 4, generator=rng), (2, 2, 2, 2))
    left, right = (lapgan.down(x) * y).sum(), (x * lapgan.up(y)).sum() / 4
    assert left.item() == pytest.approx(right.item(), rel=1e-5)


def test_a_constant_stays_and_its_residuals_vanish():
    parts = lapgan.laplacian(torch.full((1, 3, 16, 16), 0.7), 2)
    assert parts[-1].sub(0.7).abs().max() < 1e-6
    assert max(h.abs().max() for h in parts[:-1]) < 1e-6


def test_odd_sides_are_refused():
    with pytest.raises(ValueError, match="only even sides"):
        lapgan.laplacian(torch.zeros(1, 3, 12, 12), 3)


def test_squares_are_cut_from_the_same_place_of_both_images(rng):
    x = torch.arange(2 * 3 * 12 * 16.0).reshape(2, 3, 12, 16)
    cut = lapgan.squares([(x, -x)] * 40, 8, rng)
    corners = set()
    for residual, low in cut:
        assert residual.shape == (2, 3, 8, 8) and torch.equal(residual, -low)
        top, left = divmod(int(residual[0, 0, 0, 0]), 16)
        assert torch.equal(residual, x[:, :, top : top + 8, left : left + 8])
        corners.add((top, left))
    assert len(corners) > 10 and max(c[0] for c in corners) <= 4 and max(corners)[1] <= 8


def test_he_normal_keeps_the_size_of_a_signal(rng):
    """Gain of LeakyReLU a: the square root of 2 / (1 + a^2), over the square root of the fan-in."""
    net = lapgan.he_normal(torch.nn.Sequential(torch.nn.Conv2d(64, 128, 3)), rng)
    expected = (2 / (1 + 0.2**2) / (64 * 9)) ** 0.5
    assert net[0].weight.std().item() == pytest.approx(expected, rel=0.02)
    assert not net[0].bias.any()


def test_every_run_in_the_table_of_notebook_06_is_as_its_text_says():
    """Section 7. If a new seed fails here, the sentences about five seeds change."""
    runs = [seed["distances"] for seed in load_table("lapgan")["flowers"]["seeds"].values()]
    assert len(runs) >= 5
    factors = []
    for run in runs:
        chain, single, from_real = run["LAPGAN"], run["one GAN"], run["real 8, then 3 levels"]
        assert chain["imagenet"] < single["imagenet"]
        factors.append(chain["classifier"] / single["classifier"])
        assert chain["classifier"] > 2 * from_real["classifier"]
        ours, papers = run["real 32, then 1 level"], run["real 32, D of the sum"]
        assert ours["imagenet"] < papers["imagenet"]
    assert (round(min(factors), 1), round(max(factors), 1)) == (2.7, 7.5)


def test_at_the_last_level_the_papers_discriminator_is_twice_as_far_on_average():
    runs = [seed["distances"] for seed in load_table("lapgan")["flowers"]["seeds"].values()]
    ours, papers = (
        sum(run[row]["imagenet"] for run in runs)
        for row in ("real 32, then 1 level", "real 32, D of the sum")
    )
    assert papers > 2 * ours
