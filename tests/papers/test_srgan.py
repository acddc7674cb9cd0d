"""SRGAN's networks against the paper's sizes and torch's own layers; tiles against the whole."""

import itertools
import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from gancourse.papers import srgan, srgan_photos
from gancourse.papers.blocks import count_parameters, initial_weights
from gancourse.papers.gan import descend
from gancourse.papers.srgan import srgan_step
from gancourse.shapes import to_bytes, to_float
from gancourse.training import networks


def small(**changes):
    return srgan.Generator(**({"width": 4, "blocks": 1, "ends": (5, 3), "norm": False} | changes))


def test_parameters_of_the_papers_networks():
    """As counted in another implementation of Figure 4, with bias-free convolutions before BN."""
    assert count_parameters(srgan.Generator()) == 1_547_350
    assert count_parameters(srgan.Discriminator()) == 23_563_649


def test_parameters_of_a_block_by_hand():
    """Two kernels, two batch norms of gain and bias, one slope."""
    assert count_parameters(srgan.ResidualBlock(64)) == 2 * 9 * 64**2 + 4 * 64 + 1


@pytest.mark.parametrize("r", [1, 2, 3, 4])
def test_pixel_shuffle_is_torchs(r, rng):
    x = torch.randn(2, 3 * r * r, 4, 5, generator=rng)
    assert torch.equal(srgan.pixel_shuffle(x, r), F.pixel_shuffle(x, r))


def test_a_subpixel_convolution_is_a_transposed_one_with_twice_the_kernel(rng):
    """Shi et al. (2016): the same linear map, its weights sorted another way."""
    x = torch.randn(1, 2, 5, 6, generator=rng)
    weight = torch.randn(4, 2, 3, 3, generator=rng)  # one colour, r = 2
    wanted = F.pixel_shuffle(F.conv2d(x, weight, padding=1), 2)
    large = F.pixel_shuffle(weight.flip(2, 3).permute(1, 0, 2, 3), 2)  # (2, 1, 6, 6)
    got = F.conv_transpose2d(x, large, stride=2, padding=2)
    assert torch.allclose(got, wanted, atol=1e-5)


@pytest.mark.parametrize("upsampling", srgan.UPSAMPLERS)
@pytest.mark.parametrize("norm", [True, False])
def test_generator_enlarges_any_sides_four_times(upsampling, norm, rng):
    G = small(upsampling=upsampling, norm=norm, tail=3).eval()
    for height, width in ((6, 9), (1, 5)):
        x = torch.rand(2, 3, height, width, generator=rng)
        assert G(x).shape == (2, 3, 4 * height, 4 * width)


def test_on_bicubic_begins_near_the_bicubic_picture(rng):
    x = torch.rand(1, 3, 12, 12, generator=rng) * 2 - 1
    bicubic = F.interpolate(x, scale_factor=4, mode="bicubic", antialias=True)
    near = (small(on_bicubic=True)(x) - bicubic).abs().mean()
    assert 0 < near < 0.1 * bicubic.abs().mean()


@pytest.mark.parametrize("upsampling", srgan.UPSAMPLERS)
@pytest.mark.parametrize("blocks, ends", [(1, (3, 3)), (2, (5, 3)), (2, (9, 9))])
def test_nothing_beyond_the_reach_matters_and_the_reach_is_not_too_wide(upsampling, blocks, ends):
    torch.manual_seed(0)
    G = small(blocks=blocks, ends=ends, upsampling=upsampling, on_bicubic=True).double()
    side = 4 * G.reach
    x = torch.rand(1, 3, 7, side, dtype=torch.double, requires_grad=True)
    y = G(x)
    middle = side // 2
    y[..., 4 * middle : 4 * middle + 4].square().sum().backward()
    columns = x.grad[0].abs().sum(dim=(0, 1)).nonzero().flatten()
    farthest = (columns - middle).abs().max().item()
    assert G.reach - 1 <= farthest <= G.reach


def flat_spread(kind, rng):
    """Standard deviation of what two doublings make of a flat image, without its border."""
    with torch.no_grad(), initial_weights(rng):
        double = srgan.UPSAMPLERS[kind]
        layers = nn.Sequential(double(8, 8), nn.PReLU(), double(8, 3))
        return layers(torch.ones(1, 8, 12, 12))[:, :, 8:-8, 8:-8].std(dim=(2, 3)).max().item()


def test_icnr_and_resize_have_no_pattern_on_a_flat_image_and_the_others_have(rng):
    spread = {kind: flat_spread(kind, rng) for kind in srgan.UPSAMPLERS}
    assert max(spread["icnr"], spread["resize"]) < 1e-5
    assert min(spread["subpixel"], spread["transposed"]) > 0.01


def test_icnr_starts_as_a_convolution_whose_pixels_are_copied(rng):
    """Aitken et al. (2017), the four maps of a block start equal."""
    with initial_weights(rng):
        conv, shuffle = srgan.UPSAMPLERS["icnr"](3, 2)
    x = torch.randn(2, 3, 5, 6, generator=rng)
    once = F.conv2d(x, conv.weight[::4], conv.bias[::4], padding=1)
    wanted = F.interpolate(once, scale_factor=2, mode="nearest")
    assert torch.allclose(shuffle(conv(x)), wanted, atol=1e-6)
    assert count_parameters(conv) == count_parameters(srgan.UPSAMPLERS["subpixel"](3, 2))


def test_discriminator_has_strides_in_every_second_layer_and_returns_logits(rng):
    D = srgan.Discriminator(2, side=32)
    strides = [m.stride[0] for m in D.modules() if isinstance(m, torch.nn.Conv2d)]
    assert strides == [1, 2] * 4
    x = torch.rand(3, 3, 32, 32, generator=rng)
    assert D(x).shape == (3,) and D.eval()(x[:1]).shape == (1,)
    with torch.no_grad():
        D.layers[-2].bias.fill_(50)
    assert D(x).min() > 10  # no sigmoid


def test_windows_cover_every_pixel_once_and_stay_inside():
    seen = np.zeros((11, 17), int)
    for (left, top, right, bottom), wide in srgan_photos.windows(17, 11, tile=4, margin=3):
        seen[top:bottom, left:right] += 1
        assert wide[0] == max(left - 3, 0) and wide[3] == min(bottom + 3, 11)
    assert (seen == 1).all()
    with pytest.raises(ValueError, match="tile"):
        list(srgan_photos.windows(4, 4, 0, 1))


@pytest.mark.parametrize("upsampling", ["subpixel", "transposed"])
def test_tiles_with_a_margin_of_the_reach_are_the_whole(upsampling, rng):
    G = small(upsampling=upsampling, norm=True, on_bicubic=True).eval()
    x = torch.rand(1, 3, 23, 31, generator=rng) * 2 - 1
    with torch.no_grad():
        whole = G(x)
    assert torch.allclose(srgan_photos.tiled(G, x, 8, G.reach), whole, atol=1e-5)
    assert not torch.allclose(srgan_photos.tiled(G, x, 8, 1), whole, atol=1e-5)


def picture(mode: str, size=(13, 9)) -> Image.Image:
    """Random pixels, half of them transparent where the mode can say so."""
    values = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 4), np.uint8)
    if mode == "I;16":
        return Image.fromarray(values[..., 0].astype(np.uint16) * 257)
    return Image.fromarray(values, "RGBA").convert(mode)


@pytest.mark.filterwarnings("ignore:'mode' parameter is deprecated:DeprecationWarning")
@pytest.mark.parametrize(
    "mode, expected",
    [
        *[("RGB", "RGB"), ("RGBA", "RGBA"), ("L", "L"), ("LA", "LA"), ("P", "RGBA"), ("1", "L")],
        *[("CMYK", "RGB"), ("I;16", "L"), ("F", "L"), ("YCbCr", "RGB")],
    ],
)
def test_upscale_takes_every_mode(mode, expected):
    large = srgan_photos.upscale(small(on_bicubic=True), picture(mode), tile=6)
    assert large.mode == expected and large.size == (52, 36)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (13, 9), (8, 8)])
def test_upscale_takes_any_size(size):
    assert srgan_photos.upscale(small(), picture("RGB", size), tile=4).size == (
        4 * size[0],
        4 * size[1],
    )


def test_upscale_is_the_network_on_the_whole_picture(monkeypatch):
    monkeypatch.setenv("GANCOURSE_PRECISION", "fp32")
    G = small(norm=True, on_bicubic=True).train()
    given = picture("RGB")
    large = np.asarray(srgan_photos.upscale(G, given, tile=5)).astype(int)
    assert G.training  # as it was
    x = to_float(torch.from_numpy(np.array(given)).permute(2, 0, 1)[None])
    with torch.no_grad():
        wanted = to_bytes(G.eval()(x))[0].permute(1, 2, 0).numpy()
    assert np.abs(large - wanted).max() <= 1


def test_upscale_keeps_transparency_and_undoes_a_cameras_turn(tmp_path):
    given = picture("RGBA")
    given.putalpha(Image.new("L", given.size, 77))
    alpha = np.asarray(srgan_photos.upscale(small(), given, tile=5).getchannel("A"))
    assert (alpha == 77).all()
    turned = picture("RGB")
    exif = turned.getexif()
    exif[0x0112] = 6  # a quarter turn
    turned.save(tmp_path / "turned.png", exif=exif)
    assert srgan_photos.upscale(small(), Image.open(tmp_path / "turned.png")).size == (36, 52)


@pytest.mark.parametrize(
    "net", [small(upsampling="resize", tail=3), srgan.Discriminator(2, 16)], ids=lambda n: type(n)
)
def test_networks_are_saved_and_loaded(net, tmp_path):
    again = networks.load(networks.save(net, tmp_path / "net.safetensors"))
    ours, theirs = net.state_dict(), again.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


MEMORY = """
from pathlib import Path
from PIL import Image
from gancourse.papers import srgan, srgan_photos
peak = lambda: int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) / 1000
G = srgan.Generator(8, 1, ends=(3, 3), norm=False)
srgan_photos.upscale(G, Image.new("RGB", (64, 64)))
before = peak()
srgan_photos.upscale(G, Image.new("RGB", (700, 700)))
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_upscale_needs_little_more_memory_than_its_result():
    """8 megapixels are 31 MB in PIL; one layer of 8 maps of that size would be 250 MB."""
    done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True)
    assert 15 < float(done.stdout) < 150, done.stderr


def test_content_loss_is_the_mean_over_maps_and_trains_the_fake_alone(rng):
    """A popular implementation rebuilds the tensor and so trains nothing; this one must not."""
    fake = torch.randn(2, 3, 4, 4, generator=rng).requires_grad_()
    real = torch.randn(2, 3, 4, 4, generator=rng).requires_grad_()

    def phi(x):
        return [x, 2 * x.mean(dim=1, keepdim=True)]

    loss = srgan.content_loss(phi, fake, real)
    d = (fake - real).detach()
    wanted = (d.square().mean() + 4 * d.mean(dim=1).square().mean()) / 2
    assert loss.item() == pytest.approx(wanted.item(), rel=1e-5)
    loss.backward()
    assert fake.grad.abs().sum() > 0 and real.grad is None


def test_total_variation_of_a_ramp_a_step_and_a_flat_picture():
    ramp = torch.linspace(0, 0.9, 10).expand(1, 3, 4, 10)
    assert srgan.total_variation(ramp).item() == pytest.approx(0.1)
    board = torch.ones(6, 6)
    board[::2, ::2] = board[1::2, 1::2] = -1
    assert srgan.total_variation(board.expand(1, 1, 6, 6)).item() == 4
    assert srgan.total_variation(torch.full((1, 3, 4, 4), 0.3)) == 0
    with pytest.raises(ValueError, match="2 x 2"):
        srgan.total_variation(torch.zeros(1, 3, 1, 5))


def test_the_gradient_of_total_variation_lowers_a_peak_and_nothing_else():
    x = torch.zeros(1, 1, 5, 7)
    x[..., 2, 3] = 1
    x.requires_grad_()
    srgan.total_variation(x).backward()
    down, across = 1 / (4 * 7), 1 / (5 * 6)  # a weight for each difference
    assert x.grad[0, 0, 2, 3].item() == pytest.approx(2 * down + 2 * across)
    assert x.grad[0, 0, 0].abs().sum() == 0 and x.grad[0, 0, 1, 3].item() == pytest.approx(-down)


def enlarging_game():
    """A tiny enlarger and its judge, and four fixed pairs."""
    torch.manual_seed(0)
    G = nn.Sequential(nn.Conv2d(3, 48, 3, padding=1), nn.PixelShuffle(4))
    D = nn.Sequential(nn.Conv2d(3, 2, 3), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(72, 1))
    low = torch.randn(4, 3, 2, 2)
    pairs = itertools.cycle([(low, torch.randn(4, 3, 8, 8))])
    return G, D, torch.optim.SGD(G.parameters(), 0.05), torch.optim.SGD(D.parameters(), 0.05), pairs


def weights(net):
    return torch.cat([p.detach().flatten().clone() for p in net.parameters()])


def test_srgan_step_is_d_then_g_against_the_new_d():
    G, D, opt_G, opt_D, pairs = enlarging_game()
    mse = nn.functional.mse_loss
    losses = srgan_step(G, D, opt_G, opt_D, pairs, mse, adversarial=0.1)
    G2, D2, opt_G2, opt_D2, pairs = enlarging_game()
    low, high = next(pairs)
    bce, one, nil = (
        nn.functional.binary_cross_entropy_with_logits,
        torch.ones(4, 1),
        torch.zeros(4, 1),
    )
    loss_D = bce(D2(high), one) + bce(D2(G2(low).detach()), nil)
    descend(opt_D2, loss_D)
    content, far = mse(G2(low), high), bce(D2(G2(low)), one)
    descend(opt_G2, content + 0.1 * far)
    for name, value in {"loss_D": loss_D, "content": content, "adversarial": far}.items():
        assert losses[name].item() == pytest.approx(value.item(), abs=1e-6)
        assert not losses[name].requires_grad
    torch.testing.assert_close(weights(G), weights(G2))
    torch.testing.assert_close(weights(D), weights(D2))


@pytest.mark.parametrize("parts", [2, 3, 4])
def test_srgan_step_in_parts_is_the_whole_step(parts):
    """Also where the batch can't be halved evenly: 3 parts of 4 pairs are 2 and 2."""
    mse = nn.functional.mse_loss
    whole, split = enlarging_game(), enlarging_game()
    for _ in range(3):
        a, b = srgan_step(*whole, mse), srgan_step(*split, mse, parts=parts)
    assert a["content"].item() == pytest.approx(b["content"].item(), abs=1e-6)
    torch.testing.assert_close(weights(whole[0]), weights(split[0]))
    torch.testing.assert_close(weights(whole[1]), weights(split[1]))
