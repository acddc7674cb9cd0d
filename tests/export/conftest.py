"""Small generators whose images vary, and one export that several tests look at."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from gancourse.export import onnx_file
from gancourse.export.bundle import export
from gancourse.export.card import ModelCard
from gancourse.papers import dcgan, gan, r3gan

NASTY = "</script><img src=x onerror='hacked = 1'> & \"quotes\""


def lively(G: nn.Module, noise_dim: int) -> nn.Module:
    """Weights large enough that images differ, and batch norm's statistics to match."""
    rng = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in G.parameters():
            if p.dim() > 1:
                p.normal_(0, (2 / p[0].numel()) ** 0.5, generator=rng)
        for _ in range(20):
            G.train()(torch.randn(32, noise_dim, generator=rng))
    return G.eval()


class Own(nn.Module):
    """A generator that a student wrote: no configuration, no attribute noise_dim."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = nn.Linear(5, 4 * 6 * 4)
        self.upsample = nn.Upsample(scale_factor=2)
        self.conv = nn.Conv2d(4, 3, 3, padding=1)

    def forward(self, z):
        h = torch.relu(self.dense(z)).view(-1, 4, 6, 4)
        return torch.tanh(self.conv(self.upsample(h)))


GENERATORS: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "grey": (lambda: dcgan.Generator(6, 1, 4, 16), 6),
    "colour": (lambda: dcgan.Generator(3, 3, 4, 8), 3),
    "mlp": (lambda: gan.Generator(7, units=16, size=12), 7),
    "r3gan": (lambda: r3gan.Generator(4, 3, (8, 8), blocks=1, group=4), 4),
    "own": (Own, 5),
}


@pytest.fixture(params=GENERATORS)
def generator(request) -> tuple[nn.Module, int]:
    """Every kind of generator that can be exported, and the length of its latent vectors."""
    make, noise_dim = GENERATORS[request.param]
    return lively(make(), noise_dim), noise_dim


@pytest.fixture(scope="session")
def grey() -> nn.Module:
    return lively(GENERATORS["grey"][0](), 6)


@pytest.fixture(scope="session")
def model(grey) -> bytes:
    return onnx_file.to_onnx(grey, 6)


@pytest.fixture
def quick(model, monkeypatch) -> None:
    """PyTorch's exporter takes seconds: here `grey` has been through it already."""
    monkeypatch.setattr(onnx_file, "to_onnx", lambda net, noise_dim: model)


@pytest.fixture(scope="session")
def exported(grey, tmp_path_factory) -> Path:
    """The folder of an export whose texts try to become HTML."""
    folder = tmp_path_factory.mktemp("exports") / "new" / "digits"
    export(grey, folder, name=NASTY, card=ModelCard(data=NASTY, licence=NASTY, images=5000))
    return folder
