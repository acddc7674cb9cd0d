"""The papers' training steps in small, on the course's device: name -> function that makes one."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from gancourse import env
from gancourse.datasets.batches import Batches
from gancourse.papers import cgan, cyclegan, dcgan, gan, srgan, text2image
from gancourse.training.player import Player


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
    phi = nn.Conv2d(3, 2, 3).to(env.device())
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
