"""ONNX: the images are PyTorch's, for every generator and both exporters."""

import logging
import sys
import warnings
from pathlib import Path

import onnx
import pytest
import torch
from torch import nn

from gancourse.errors import CourseError
from gancourse.export import onnx_file
from gancourse.papers import gan


def latent(m: int, noise_dim: int) -> torch.Tensor:
    return torch.randn(m, noise_dim, generator=torch.Generator().manual_seed(3))


def test_the_file_generates_what_torch_generates(generator, tmp_path, capfd):
    G, noise_dim = generator
    model = onnx_file.to_onnx(G, noise_dim)
    path = tmp_path / "generator.onnx"
    path.write_bytes(model)
    onnx.checker.check_model(str(path))
    assert onnx_file.check(path, G, latent(5, noise_dim)) <= 1e-5
    graph = onnx.load(path).graph
    facts = [(v.name, v.type.tensor_type) for v in (graph.input[0], graph.output[0])]
    assert [name for name, _ in facts] == ["z", "images"]
    assert all(kind.elem_type == onnx.TensorProto.FLOAT for _, kind in facts)
    assert all(kind.shape.dim[0].dim_param == "batch" for _, kind in facts)
    assert facts[0][1].shape.dim[1].dim_value == noise_dim
    for batch in (1, 3):
        assert onnx_file.session(model)(latent(batch, noise_dim)).shape[0] == batch
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="TorchScript is for older versions")
def test_versions_of_torch_before_2_9_use_the_older_exporter(generator, monkeypatch):
    G, noise_dim = generator
    monkeypatch.setattr(torch, "__version__", "2.8.1+cpu")
    model = onnx_file.to_onnx(G, noise_dim)
    assert onnx_file.difference(model, G, latent(4, noise_dim)) <= 1e-5


def test_a_page_gets_half_the_bytes_and_no_pixel_changes():
    G = gan.Generator(6, units=64, size=8, rng=torch.Generator().manual_seed(0))
    model = onnx_file.to_onnx(G, 6)
    small = onnx_file.compact(model, G, latent(16, 6))
    onnx.checker.check_model(onnx.load_from_string(small))
    assert len(small) < 0.6 * len(model)
    assert onnx_file.difference(small, G, latent(16, 6)) <= 1 / 255


def test_the_file_does_not_name_the_readers_folders(model):
    assert b"site-packages" not in model and str(Path.cwd()).encode() not in model


def test_weights_that_do_not_fit_into_half_precision_stay():
    class Loud(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 64, bias=False)
            nn.init.constant_(self.layer.weight, 1e6)

        def forward(self, z):
            return torch.tanh(1e-6 * self.layer(z)).view(-1, 1, 8, 8)

    model = onnx_file.to_onnx(Loud(), 4)
    assert onnx_file.compact(model, Loud(), latent(4, 4)) == model


def test_a_file_that_differs_is_refused(grey, model, tmp_path):
    path = tmp_path / "generator.onnx"
    path.write_bytes(onnx_file.half(model))
    with pytest.raises(CourseError, match="differ from PyTorch's by"):
        onnx_file.check(path, grey, latent(8, 6))


def test_a_network_that_onnx_cannot_hold_is_refused_in_three_lines(tmp_path, capfd):
    class Odd(nn.Module):
        def forward(self, z):
            if float(z.sum()) > 0:  # depends on a value; the older exporter takes it for constant
                return z.view(-1, 1, 2, 2)
            return 2 * z.view(-1, 1, 2, 2)

    path = tmp_path / "generator.onnx"
    with pytest.raises(CourseError) as caught:
        path.write_bytes(onnx_file.to_onnx(Odd(), 4))
        onnx_file.check(path, Odd(), torch.ones(2, 4))
    assert len(str(caught.value).splitlines()) == 3 and "layer" in caught.value.do
    assert capfd.readouterr() == ("", "")


def test_the_log_and_warnings_are_as_before(grey):
    before, filters = logging.root.manager.disable, list(warnings.filters)
    onnx_file.to_onnx(grey, 6)
    assert logging.root.manager.disable == before and warnings.filters == filters


def test_a_missing_package_is_named_with_the_command(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(CourseError, match="pip install onnx onnxscript onnxruntime"):
        onnx_file.require_packages()
