"""Faulty set-ups of `foreign`: modes, saturated generators, and the balance of G and D."""

import torch
from foreign import Bench, Step, log, plain, setup
from foreign_nets import DeconvG, FlatConvD, StridedD, UpsampleG, mlp
from torch import nn
from torch.nn import functional as F

from gancourse.datasets.batches import Batches


# Kept even where samples look fine: at one image per batch, batch norm's statistics are noise.
@setup("batch of one with batch norm", fault="batch of one with batch norm", task="shapes")
def batch_of_one(b: Bench) -> Step:
    b.use(UpsampleG(), StridedD(norm=True))
    b.batches = Batches(b.data, size=1, rng=b.rng)
    return plain(b)


# Kept for the same reason: a pair of examples determines its own normalization.
@setup("batch of two with batch norm", fault="batch of two with batch norm", task="ring")
def batch_of_two(b: Bench) -> Step:
    layers = [nn.Linear(4, 128), nn.BatchNorm1d(128), nn.ReLU()]
    layers += [nn.Linear(128, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Linear(128, 2)]
    b.use(nn.Sequential(*layers), b.D)
    b.batches = Batches(b.data, size=2, rng=b.rng)
    return plain(b)


# Kept though samples can look fine: batch norm never sees the statistics of a batch.
@setup("G.eval() before the samples, never train()", fault="G in eval mode", task="shapes")
def eval_mode_g(b: Bench) -> Step:
    b.use(DeconvG(), StridedD())
    ordinary, count = plain(b), 0

    def step():
        nonlocal count
        if count % 50 == 0:  # the sample sheet
            b.G.eval()
            b.sample(16)
        count += 1
        return ordinary()

    return step


# Kept though samples can look fine: dropout and batch norm of D are switched off.
@setup("D left in eval mode", fault="D in eval mode", task="shapes")
def eval_mode_d(b: Bench) -> Step:
    b.use(b.G, StridedD(norm=True, drop=0.25))
    b.D.eval()
    return plain(b)


@setup("biases of the last hidden layer at -10", fault="dead ReLUs in G", task="moons")
def dead_relus(b: Bench) -> Step:
    nn.init.constant_(b.G[2].bias, -10.0)
    return plain(b)


@setup("weights as one huge step leaves them", fault="dead ReLUs in G", task="ring")
def dead_by_one_step(b: Bench) -> Step:
    with torch.no_grad():
        for layer in (b.G[0], b.G[2]):
            layer.weight.mul_(-1).sub_(1.0)
            layer.bias.sub_(3.0)
    return plain(b)


@setup("weights of G drawn with std 2", fault="G's tanh saturated", task="shapes")
def saturated_tanh(b: Bench) -> Step:
    b.use(UpsampleG(norm=False), b.D)
    b.opt_G = b.adam(b.G, 0.2)
    for p in b.G.parameters():
        nn.init.normal_(p, 0.0, 2.0)
    return plain(b)


@setup("tanh over outputs times 100", fault="G's tanh saturated", task="moons")
def scaled_tanh(b: Bench) -> Step:
    class ScaledG(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = mlp(4, 128, 128, 2)

        def forward(self, z):
            return torch.tanh(100 * self.body(z))

    b.use(ScaledG(), b.D)
    return plain(b)


@setup("five layers with sigmoids in G", fault="vanishing gradients in G", task="ring")
def chained_sigmoids(b: Bench) -> Step:
    b.use(mlp(4, *[128] * 5, 2, act=nn.Sigmoid), b.D)
    for layer in b.G[::2]:  # with ReLU this initialization trains well
        nn.init.kaiming_normal_(layer.weight)
        nn.init.zeros_(layer.bias)
    return plain(b)


@setup("five steps of D at a high rate", fault="D far too strong", task="ring")
def strong_d(b: Bench) -> Step:
    b.opt_D, b.opt_G = b.adam(b.D, 4), b.adam(b.G, 0.02)
    return plain(b, update_D=5)


@setup("saturating loss against a strong D", fault="D far too strong", task="shapes")
def saturating(b: Bench) -> Step:
    b.use(DeconvG(), FlatConvD(ndf=24))

    def step():
        for _ in range(3):
            x, fake = next(b.batches), b.G(b.sample_z(32))
            loss_D = F.softplus(-b.D(x)).mean() + F.softplus(b.D(fake.detach())).mean()
            b.opt_D.zero_grad()
            loss_D.backward()
            b.opt_D.step()
        loss_G = -F.softplus(b.D(fake)).mean()  # log(1 - sigmoid(logit))
        b.opt_G.zero_grad()
        loss_G.backward()
        b.opt_G.step()
        return log(loss_D, loss_G)

    return step


@setup("linear D", fault="D far too weak", task="ring")
def linear_d(b: Bench) -> Step:
    b.use(b.G, nn.Linear(2, 1))
    return plain(b)


@setup("D's learning rate a thousandth of G's", fault="D far too weak", task="shapes")
def slow_d(b: Bench) -> Step:
    b.opt_D = b.adam(b.D, 1e-3)
    return plain(b)


@setup("learning rates of 0.1", fault="learning rates far too high", task="moons")
def high_rates(b: Bench) -> Step:
    b.opt_G, b.opt_D = b.adam(b.G, 100), b.adam(b.D, 100)
    return plain(b)


@setup("learning rate of 0.1 for G", fault="G's learning rate far too high", task="shapes")
def high_rate_g(b: Bench) -> Step:
    b.opt_G = b.adam(b.G, 100)
    return plain(b)


@setup("a hundred steps of each in turn", fault="phases far too long", task="moons")
def long_phases(b: Bench) -> Step:
    count = 0

    def step():
        nonlocal count
        train_D = count // 100 % 2 == 0
        count += 1
        x, fake = next(b.batches), b.G(b.sample_z(64))
        loss_D = F.softplus(-b.D(x)).mean() + F.softplus(b.D(fake.detach())).mean()
        loss_G = F.softplus(-b.D(fake)).mean()
        opt, loss = (b.opt_D, loss_D) if train_D else (b.opt_G, loss_G)
        opt.zero_grad()
        loss.backward()
        opt.step()
        return log(loss_D, loss_G)

    return step
