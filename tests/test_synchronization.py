"""No training step reads a value from the GPU: the program would wait, and the GPU would be idle.

Counted on the simulated device. It sees what torch is asked for, but not what a CUDA kernel does
inside, nor copies to the device.
"""

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn

from gancourse import env
from gancourse.classifiers import digit_judge
from gancourse.datasets.batches import Batches
from gancourse.papers import cgan, cyclegan, dcgan, gan, srgan, text2image
from gancourse.simulated_cuda import CUDA, CudaGenerator, Device, on_cuda
from gancourse.training import loop
from gancourse.training.player import Player

READS: dict[str, Callable[[Tensor], object]] = {
    "item": lambda x: x.sum().item(),
    "if": lambda x: bool(x.sum() > 0),
    "float": lambda x: float(x[0]),
    "tolist": lambda x: x.tolist(),
    "cpu": lambda x: x.cpu(),
    "to": lambda x: x.to("cpu"),
    "mask": lambda x: x[x > 0],
    "nonzero": lambda x: x.nonzero(),
    "equal": lambda x: torch.equal(x, x),
}


@pytest.fixture
def device(monkeypatch) -> Iterator[Device]:
    """The simulated device in place of the course's."""

    def rng(seed: int, on: torch.device | str | None = None) -> torch.Generator:
        kind = CudaGenerator if torch.device(on or "cuda").type == "cuda" else torch.Generator
        return kind().manual_seed(seed)

    monkeypatch.setattr(env, "device", lambda: CUDA)
    monkeypatch.setattr(env, "rng", rng)
    monkeypatch.setenv("GANCOURSE_PRECISION", "fp32")
    with Device() as simulated:
        yield simulated


@pytest.mark.parametrize("read", READS.values(), ids=READS)
def test_a_read_is_counted(device, read):
    x = torch.rand(4, device="cuda")
    y = (x * 2).to(x).to(torch.float64).to("cuda")[1:3] + x[torch.tensor([0, 1])]
    y[0] = 1.0
    assert len(y) == 2 and device.reads == []
    read(x)
    assert len(device.reads) == 1


def players(G: nn.Module, D: nn.Module) -> tuple[Player, Player]:
    return Player(G, lr=1e-3, steps=9, ema=0.9), Player(D, lr=1e-3, steps=9)


def images(n: int, channels: int, size: int) -> Tensor:
    x = torch.randint(0, 256, (n, channels, size, size), dtype=torch.uint8)
    return x.to(env.device())


def batches(*parts: Tensor) -> Batches:
    return Batches(*(part.to(env.device()) for part in parts), size=4, rng=env.rng(1))


def plain() -> Callable[[], object]:
    G, D = players(dcgan.Generator(3, 1, 2, 8), dcgan.Discriminator(1, 2, 8))
    sample_z, data = env.noise(3, env.rng(0)), batches(images(9, 1, 8))
    penalty = gan.lazy_r1(0.1, 8, 2)
    return lambda: (
        gan.gan_step(G.net, D.net, G.opt, D.opt, data, sample_z, 2, penalty=penalty),
        (G.advance(), D.advance()),
    )


def conditional() -> Callable[[], object]:
    G, D = players(cgan.Generator(3, 10, 1, 2), cgan.Discriminator(10, 1, 2))
    rng = env.rng(0)
    sample_z, data = env.noise(3, rng), batches(images(9, 1, 32), torch.arange(9))

    def pairs() -> Iterator[tuple[Tensor, Tensor]]:
        for x, y in data:
            yield x, cgan.one_hot(y, 10)

    def mislead(c: Tensor) -> Tensor:
        return cgan.one_hot(cgan.mislabel(c.argmax(1), 10, rng), 10)

    source = pairs()
    penalty = gan.lazy_r1(0.1)
    return lambda: cgan.conditional_step(
        G.net, D.net, G.opt, D.opt, source, sample_z, mislead, penalty=penalty
    )


def text() -> Callable[[], object]:
    G = text2image.Generator(3, 5, 4, 3, 2, 16)
    G, D = players(G, text2image.Discriminator(5, 4, 3, 2, 16))
    rng = env.rng(0)
    sample_z, data = env.noise(3, rng), batches(images(9, 3, 16), torch.randn(9, 5))

    def triples() -> Iterator[tuple[Tensor, ...]]:
        for x, phi in data:
            yield x, phi, phi.roll(1, 0)

    source = triples()
    return lambda: text2image.gan_cls_step(
        G.net, D.net, G.opt, D.opt, source, sample_z, interpolate=True,
        penalty=gan.lazy_r1(0.1), regularizer=lambda x, z: x.std(0).mean(),
    )  # fmt: skip


def enlarging() -> Callable[[], object]:
    G, D = players(srgan.Generator(4, 1), srgan.Discriminator(2, 16))
    phi = on_cuda(nn.Conv2d(3, 2, 3))
    data = batches(images(9, 3, 4), images(9, 3, 16))

    def content(fakes: Tensor, y: Tensor) -> Tensor:
        return srgan.content_loss(lambda x: [phi(x)], fakes, y) + srgan.total_variation(fakes)

    return lambda: srgan.srgan_step(G.net, D.net, G.opt, D.opt, data, content, parts=2)


def translating() -> Callable[[], object]:
    G, F = (cyclegan.Generator(3, 2, 1, 1) for _ in "GF")
    D_X, D_Y = (cyclegan.PatchDiscriminator(3, 2, 1) for _ in "XY")
    both = Player(nn.ModuleList([G, F]), lr=1e-3), Player(nn.ModuleList([D_X, D_Y]), lr=1e-3)
    rng = env.rng(0)
    pools = cyclegan.ImagePool(3, rng), cyclegan.ImagePool(3, rng)
    data = zip(batches(images(9, 3, 16)), batches(images(9, 3, 16)), strict=True)
    return lambda: cyclegan.cyclegan_step(G, F, D_X, D_Y, both[0].opt, both[1].opt, data, pools)


STEPS = {
    "gan_step": plain, "conditional_step": conditional, "gan_cls_step": text,
    "srgan_step": enlarging, "cyclegan_step": translating,
}  # fmt: skip


@pytest.mark.parametrize("make", STEPS.values(), ids=STEPS)
def test_a_step_reads_nothing(device, make):
    step = make()
    step()  # what is read once, at the start, costs nothing
    device.reads.clear()
    for _ in range(3):
        step()
    assert device.reads == []


def test_the_loop_reads_only_at_its_records(device, tmp_path):
    step = plain()
    losses = lambda: step()[0]  # noqa: E731
    reads = []
    for _ in loop.train(losses, 8, {}, None, record_every=4):
        reads.append(len(device.reads))
    assert 0 < reads[0] <= 4 and reads[1] <= 2 * reads[0]


def test_the_judge_reads_nothing(device):
    """But the losses, at the records of the loop."""
    rng = env.rng(0)
    data = Batches(images(9, 1, 32), torch.arange(9).to(env.device()), size=4, rng=rng)
    counted = []

    def counting() -> Iterator[tuple[Tensor, ...]]:
        for batch in data:
            counted.append(len(device.reads))
            yield batch

    digit_judge.train_judge(counting(), rng, 12)
    assert counted[-1] - counted[1] <= 4, device.reads
