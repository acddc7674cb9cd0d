"""Shapes, parameters and gradient flow of DCGAN; saving and loading."""

import pytest
import torch
from torch import nn

from gancourse.errors import CourseError
from gancourse.papers import blocks, dcgan
from gancourse.training import networks


def test_parameter_counts_at_paper_like_size():
    """The two counts of a well-known DCGAN with 4x4 kernels, noise 100 and width 64."""
    assert blocks.count_parameters(dcgan.Generator(100, 3, 64, 64)) == 3_576_704 + 3  # output bias
    assert blocks.count_parameters(dcgan.Discriminator(3, 64, 64)) == 2_765_568 + 64 + 1  # 2 biases


@pytest.mark.parametrize("size", [8, 16, 32, 64])
def test_shapes_range_and_a_batch_of_one(size, rng):
    G, D = dcgan.Generator(10, 1, 4, size), dcgan.Discriminator(1, 4, size)
    x = G(torch.randn(3, 10, generator=rng))
    assert x.shape == (3, 1, size, size) and x.abs().max() < 1
    assert D(x).shape == (3,)
    assert D.eval()(x[:1]).shape == (1,)


@pytest.mark.parametrize("size", [0, 4, 12, 28, 100])
def test_sides_that_cannot_be_doubled_to_are_refused(size):
    with pytest.raises(ValueError, match="size must be"):
        dcgan.Generator(size=size)


def test_every_output_pixel_sees_equally_many_weights():
    """No checkerboard before training: 4x4 kernels with stride 2 cover evenly, 5x5 don't."""
    even = nn.functional.conv_transpose2d(
        torch.ones(1, 1, 8, 8), torch.ones(1, 1, 4, 4), stride=2, padding=1
    )
    assert even[..., 2:-2, 2:-2].unique().numel() == 1


def test_init_is_the_papers_and_leaves_torch_alone(rng):
    before = torch.get_rng_state()
    G = dcgan.Generator(100, 1, 32, 32)
    torch.set_rng_state(before)
    blocks.init_normal(G, rng)
    assert torch.equal(torch.get_rng_state(), before)
    weights = torch.cat([p.flatten() for p in G.parameters() if p.dim() > 1])
    assert weights.std().item() == pytest.approx(0.02, rel=0.02)
    gains = torch.cat([m.weight for m in G.modules() if isinstance(m, nn.BatchNorm2d)])
    assert gains.mean().item() == pytest.approx(1, abs=0.01)


def test_swap_replaces_every_layer_of_a_kind():
    D = blocks.swap(dcgan.Discriminator(1, 4, 32), nn.BatchNorm2d, lambda _: nn.Identity())
    assert not any(isinstance(m, nn.BatchNorm2d) for m in D.modules())


def test_saved_network_comes_back(tmp_path, rng):
    G = dcgan.Generator(10, 1, 4, 16)
    networks.save(G, tmp_path / "sub" / "G.safetensors")
    again = networks.load(tmp_path / "sub" / "G.safetensors")
    z = torch.randn(2, 10, generator=rng)
    assert torch.equal(again(z), G.eval()(z)) and not again.training


class Own(nn.Module):
    """A student's generator: same layers, other names."""

    def __init__(self) -> None:
        super().__init__()
        self.all_of_it = dcgan.Generator(10, 1, 4, 16).layers

    def forward(self, z):
        return self.all_of_it(z)


def test_network_of_ones_own_is_saved_like_ours(tmp_path, rng):
    G = Own()
    with pytest.raises(CourseError, match="like="):
        networks.save(G, tmp_path / "G.safetensors")
    networks.save(G, tmp_path / "G.safetensors", like=dcgan.Generator(10, 1, 4, 16))
    z = torch.randn(2, 10, generator=rng)
    assert torch.equal(networks.load(tmp_path / "G.safetensors")(z), G.eval()(z))
    with pytest.raises(CourseError, match="are not those of"):
        networks.save(G, tmp_path / "G.safetensors", like=dcgan.Generator(10, 1, 8, 16))


def test_files_that_are_no_network_are_refused(tmp_path):
    path = tmp_path / "G.safetensors"
    with pytest.raises(CourseError, match="Run that notebook first"):
        networks.load(path)
    networks.save(dcgan.Generator(10, 1, 4, 16), path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(CourseError, match="can't be read"):
        networks.load(path)


def test_a_full_disk_ends_no_lesson_and_spoils_no_file(tmp_path, small_files, capsys):
    path = tmp_path / "G.safetensors"
    networks.save(dcgan.Generator(10, 1, 4, 16), path)
    before = path.read_bytes()
    with small_files(len(before) // 2):
        networks.save(dcgan.Generator(10, 1, 4, 16), path)
    assert "could not be saved" in capsys.readouterr().out
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]
