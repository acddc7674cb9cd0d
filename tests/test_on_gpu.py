"""What only a GPU can show; skipped where there is none. `benchmarks/gpu.py` runs them first."""

import copy

import pytest
import torch
from small_steps import STEPS, images
from torch.nn import functional as F

from gancourse import env
from gancourse.classifiers import pretrained
from gancourse.datasets import digits
from gancourse.papers import cyclegan, dcgan, srgan
from gancourse.training import loop, networks
from gancourse.training.player import Player

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
NETWORKS = {
    "dcgan G": (lambda: dcgan.Generator(16, 3, 16, 32), (8, 16)),
    "dcgan D": (lambda: dcgan.Discriminator(3, 16, 32), (8, 3, 32, 32)),
    "srgan G": (lambda: srgan.Generator(16, 2), (4, 3, 16, 16)),
    "cyclegan G": (lambda: cyclegan.Generator(3, 16, 2), (4, 3, 32, 32)),
    "EfficientNet": (pretrained.classifier, (2, 3, 64, 64)),
}


@pytest.mark.parametrize("make", STEPS.values(), ids=STEPS)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_step_runs(make, precision, monkeypatch):
    monkeypatch.setenv("GANCOURSE_PRECISION", precision)
    step = make()
    for _ in range(3):
        losses = step()
    losses = losses[0] if isinstance(losses, tuple) else losses
    assert all(loss.is_cuda and loss.isfinite() for loss in losses.values())


@pytest.mark.parametrize("make", STEPS.values(), ids=STEPS)
def test_a_step_does_not_wait_for_the_gpu(make):
    step = make()
    step()
    torch.cuda.set_sync_debug_mode("error")
    try:
        step()
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_computes_what_it_computes_on_the_cpu(name):
    make, shape = NETWORKS[name]
    net, x = make().train(False), torch.randn(shape)
    there = copy.deepcopy(net).to("cuda", memory_format=env.memory_format())
    with torch.no_grad():
        expected, found = net(x), there(x.to("cuda")).cpu()
    scale = expected.std()
    assert F.mse_loss(found, expected).sqrt() < 0.02 * scale  # TF32 has 10 bits of precision


def test_a_run_is_resumed_and_its_network_is_read_elsewhere(tmp_path):
    def player() -> Player:
        return Player(dcgan.Generator(8, 1, 8, 8, env.rng(0, "cpu")), lr=1e-3, ema=0.9)

    def run(G: Player, steps: int) -> None:
        rng = env.rng(1)

        def step() -> dict[str, torch.Tensor]:
            loss = G.net(torch.randn(4, 8, generator=rng, device=rng.device)).square().mean()
            G.opt.zero_grad()
            loss.backward()
            G.opt.step()
            G.advance()
            return {"loss": loss.detach()}

        list(loop.train(step, steps, {"G": G, "rng": rng}, tmp_path / "run"))

    first = player()
    run(first, 5)
    again = player()
    run(again, 9)
    whole = player()
    assert again.done == 9 and whole.done == 0
    path = networks.save(again.average, tmp_path / "G.safetensors")
    z = torch.randn(4, 8)
    with torch.no_grad():
        there = again.average.eval()(z.to("cuda")).cpu()
        assert torch.allclose(networks.load(path)(z), there, atol=2e-3)


def test_data_is_on_the_gpu_where_it_is_asked_for():
    assert digits.load(32, "test").images.is_cuda and images(2, 1, 8).is_cuda
    assert env.profile() == "gpu" and env.precision() in ("fp32", "bf16")
