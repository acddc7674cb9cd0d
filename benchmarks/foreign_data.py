"""Faulty set-ups of `foreign`: what the networks are fed with, data and noise."""

import torch
from foreign import Bench, Step, log, plain, setup
from foreign_nets import DeconvG, FlatConvD, LayerNormMLP, UpsampleG, mlp
from torch import nn
from torch.nn import functional as F

from gancourse.datasets.batches import Batches

bce = F.binary_cross_entropy_with_logits


@setup("images in 0..255, G ends in tanh", fault="real images not scaled", task="shapes")
def bytes_as_floats(b: Bench) -> Step:
    b.batches = Batches((b.data + 1) * 127.5, size=32, rng=b.rng)
    return plain(b)


@setup("images standardized, G ends in tanh", fault="real images outside [-1, 1]", task="shapes")
def standardized(b: Bench) -> Step:
    b.use(DeconvG(), FlatConvD())
    mean, std = b.data.mean((0, 2, 3)), b.data.std((0, 2, 3))
    b.batches = Batches((b.data - mean[:, None, None]) / std[:, None, None], size=32, rng=b.rng)
    return plain(b)


@setup("G ends in a sigmoid, images in [-1, 1]", fault="G's range is [0, 1]", task="shapes")
def sigmoid_output(b: Bench) -> Step:
    b.use(UpsampleG(last=nn.Sigmoid()), b.D)
    return plain(b)


@setup("G ends in a ReLU", fault="G's range is [0, inf)", task="moons")
def relu_output(b: Bench) -> Step:
    b.use(mlp(4, 128, 128, 2, last=nn.ReLU()), b.D)
    return plain(b)


@setup("index of the data set never moves", fault="always the same real image", task="shapes")
def one_image(b: Bench) -> Step:
    images, i = b.data, 7

    def step():
        x = images[[i] * 32]  # i += 1 is missing
        fake = b.G(b.sample_z(32))
        loss_D = bce(b.D(x), torch.ones(32, 1)) + bce(b.D(fake.detach()), torch.zeros(32, 1))
        b.opt_D.zero_grad()
        loss_D.backward()
        b.opt_D.step()
        loss_G = bce(b.D(fake), torch.ones(32, 1))
        b.opt_G.zero_grad()
        loss_G.backward()
        b.opt_G.step()
        return log(loss_D, loss_G)

    return step


@setup("next(iter(loader)) without shuffling", fault="always the same few points", task="ring")
def first_batch(b: Bench) -> Step:
    loader = torch.utils.data.DataLoader(b.data, batch_size=4)

    def step():
        x = next(iter(loader)).repeat(16, 1)
        fake = b.G(b.sample_z(64))
        loss_D = F.softplus(-b.D(x)).mean() + F.softplus(b.D(fake.detach())).mean()
        b.opt_D.zero_grad()
        loss_D.backward()
        b.opt_D.step()
        loss_G = F.softplus(-b.D(fake)).mean()
        b.opt_G.zero_grad()
        loss_G.backward()
        b.opt_G.step()
        return log(loss_D, loss_G)

    return step


@setup("debugging subset of three points", fault="only three real points", task="moons")
def three_points(b: Bench) -> Step:
    b.batches = Batches(b.data[:3], size=64, rng=b.rng)
    return plain(b)


@setup("images divided by 255 twice", fault="real images are uniformly dark", task="shapes")
def uniform_images(b: Bench) -> Step:
    dark = (b.data + 1) / 2 / 255
    b.batches = Batches(dark * 2 - 1, size=32, rng=b.rng)
    return plain(b)


@setup("blank images scaled by their range", fault="NaN in the real data", task="shapes")
def nan_data(b: Bench) -> Step:
    images = b.data.clone()
    images[::50] = -1.0
    low, high = images.amin((1, 2, 3), True), images.amax((1, 2, 3), True)
    b.batches = Batches((images - low) / (high - low) * 2 - 1, size=32, rng=b.rng)
    return plain(b)


@setup("fakes written into the real batch", fault="real batch overwritten", task="shapes")
def overwritten(b: Bench) -> Step:
    buffer = torch.empty(32, 3, 16, 16)

    def step():
        x = buffer.copy_(next(b.batches))
        fake = b.G(b.sample_z(32))
        buffer.copy_(fake.detach())  # x is the same memory
        loss_D = F.softplus(-b.D(x)).mean() + F.softplus(b.D(buffer)).mean()
        b.opt_D.zero_grad()
        loss_D.backward()
        b.opt_D.step()
        loss_G = F.softplus(-b.D(fake)).mean()
        b.opt_G.zero_grad()
        loss_G.backward()
        b.opt_G.step()
        return log(loss_D, loss_G)

    return step


@setup("D trained on random points", fault="D's fakes are not G's", task="ring")
def random_fakes(b: Bench) -> Step:
    def step():
        x = next(b.batches)
        noise = 2 * torch.rand(x.shape, generator=b.rng) - 1  # G was not called on it
        loss_D = F.softplus(-b.D(x)).mean() + F.softplus(b.D(noise)).mean()
        b.opt_D.zero_grad()
        loss_D.backward()
        b.opt_D.step()
        loss_G = F.softplus(-b.D(b.G(b.sample_z(64)))).mean()
        b.opt_G.zero_grad()
        loss_G.backward()
        b.opt_G.step()
        return log(loss_D, loss_G)

    return step


@setup("fakes for D drawn once before the loop", fault="D's fakes are out of date", task="moons")
def old_fakes(b: Bench) -> Step:
    with torch.no_grad():
        fakes = b.G(b.sample_z(2000))

    def step():
        i = torch.randint(2000, (64,), generator=b.rng)
        loss_D = F.softplus(-b.D(next(b.batches))).mean() + F.softplus(b.D(fakes[i])).mean()
        b.opt_D.zero_grad()
        loss_D.backward()
        b.opt_D.step()
        loss_G = F.softplus(-b.D(b.G(b.sample_z(64)))).mean()
        b.opt_G.zero_grad()
        loss_G.backward()
        b.opt_G.step()
        return log(loss_D, loss_G)

    return step


@setup("latent vector drawn once", fault="constant noise", task="ring")
def drawn_once(b: Bench) -> Step:
    z = torch.randn(1, 4, generator=b.rng)
    b.sample_z = lambda m: z.repeat(m, 1)
    return plain(b)


@setup("seed set at each draw", fault="constant noise", task="ring")
def seed_each_draw(b: Bench) -> Step:
    b.batches = Batches(b.data, size=8, rng=b.rng)
    b.sample_z = lambda m: torch.randn(m, 4, generator=torch.Generator().manual_seed(42))
    return plain(b)


@setup("noise scaled by 0.001", fault="nearly constant noise", task="moons")
def tiny_noise(b: Bench) -> Step:
    b.sample_z = lambda m: 0.5 + 0.001 * torch.randn(m, 4, generator=b.rng)
    return plain(b)


@setup("one latent vector for the whole batch", fault="same noise in every row", task="shapes")
def one_row(b: Bench) -> Step:
    b.sample_z = lambda m: torch.randn(1, 16, generator=b.rng).expand(m, 16)
    return plain(b)


class ConstantG(nn.Module):
    """Starts from a learned constant, as StyleGAN does; the style is computed, but not used."""

    def __init__(self, nz: int = 16) -> None:
        super().__init__()
        self.mapping = mlp(nz, 32, 64, act=nn.LeakyReLU)
        self.const = nn.Parameter(torch.randn(1, 64))
        self.synthesis = UpsampleG(64, norm=False)

    def forward(self, z):
        style = self.mapping(z)
        return self.synthesis(self.const.expand(style.shape))


@setup("learned constant without style", fault="G ignores the noise", task="shapes")
def noise_ignored(b: Bench) -> Step:
    b.use(ConstantG(), b.D)
    return plain(b)


@setup("noise replaced by zeros in forward", fault="G ignores the noise", task="ring")
def zeros_like(b: Bench) -> Step:
    class ZeroG(LayerNormMLP):
        def forward(self, inputs):
            return super().forward(torch.zeros_like(inputs))

    b.use(ZeroG(4, 2), b.D)
    return plain(b)
