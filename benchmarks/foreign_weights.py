"""Faulty set-ups of `foreign`: weights that do not move."""

import copy
from itertools import chain

import torch
from foreign import Bench, Step, log, plain, setup
from foreign_nets import DeconvG, FlatConvD, mlp
from torch import nn
from torch.nn import functional as F

bce = F.binary_cross_entropy_with_logits


@setup("G built again after its optimizer", fault="opt_G holds an old network", task="ring")
def stale_optimizer_g(b: Bench) -> Step:
    b.G = mlp(4, 128, 128, 2, act=nn.LeakyReLU)  # opt_G was made for the first one
    return plain(b)


@setup("optimizer of D made for its copy", fault="opt_D holds a copy of D", task="shapes")
def stale_optimizer_d(b: Bench) -> Step:
    checkpoint = copy.deepcopy(b.D)
    b.opt_D = b.adam(checkpoint)
    return plain(b)


@setup("both optimizers for D", fault="opt_G holds D's weights", task="moons")
def wrong_parameters(b: Bench) -> Step:
    b.opt_G = torch.optim.Adam(b.D.parameters(), lr=1e-3, betas=(0.0, 0.99))
    b.opt_D = torch.optim.Adam(b.D.parameters(), lr=1e-3, betas=(0.0, 0.99))
    return plain(b)


@setup("both optimizers for G", fault="opt_D holds G's weights", task="shapes")
def wrong_parameters_d(b: Bench) -> Step:
    b.use(DeconvG(), FlatConvD())
    b.opt_D = torch.optim.Adam(b.G.parameters(), lr=1e-4, betas=(0.5, 0.999))
    return plain(b)


@setup("one optimizer with the weights of both", fault="each step moves both", task="ring")
def shared_optimizer(b: Bench) -> Step:
    opt = torch.optim.Adam(chain(b.G.parameters(), b.D.parameters()), lr=1e-3, betas=(0.0, 0.99))

    def step():
        x, fake = next(b.batches), b.G(b.sample_z(64))
        d_loss = F.softplus(-b.D(x)).mean() + F.softplus(b.D(fake)).mean()
        opt.zero_grad()
        d_loss.backward()
        opt.step()
        g_loss = F.softplus(-b.D(b.G(b.sample_z(64)))).mean()
        opt.zero_grad()
        g_loss.backward()
        opt.step()
        return log(d_loss, g_loss)

    return step


@setup("G's optimizer never steps", fault="opt_G.step() missing", task="shapes")
def no_step_g(b: Bench) -> Step:
    def step():
        x = next(b.batches)
        real, fake = torch.ones(len(x), 1), torch.zeros(len(x), 1)
        b.opt_D.zero_grad()
        images = b.G(b.sample_z(len(x)))
        d_loss = (bce(b.D(x), real) + bce(b.D(images.detach()), fake)) / 2
        d_loss.backward()
        b.opt_D.step()
        b.opt_G.zero_grad()
        g_loss = bce(b.D(images), real)
        g_loss.backward()
        return log(d_loss, g_loss)

    return step


@setup("D's optimizer never steps", fault="opt_D.step() missing", task="moons")
def no_step_d(b: Bench) -> Step:
    def step():
        x = next(b.batches)
        images = b.G(b.sample_z(len(x)))
        b.opt_D.zero_grad()
        d_loss = (b.D(x) - 1).pow(2).mean() + b.D(images.detach()).pow(2).mean()
        d_loss.backward()
        b.opt_G.zero_grad()
        g_loss = (b.D(images) - 1).pow(2).mean()
        g_loss.backward()
        b.opt_G.step()
        return log(d_loss, g_loss)

    return step


class ListG(nn.Module):
    """The first layers are in a Python list, so `parameters` does not know them."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = [nn.Sequential(nn.Linear(4, 16), nn.Tanh()) for _ in range(1)]
        self.blocks += [nn.Sequential(nn.Linear(16, 16), nn.Tanh()) for _ in range(3)]
        self.head = nn.Linear(16, 2)

    def forward(self, z):
        for block in self.blocks:
            z = block(z)
        return self.head(z)


@setup("layers of G in a Python list", fault="part of G has no optimizer", task="ring")
def python_list(b: Bench) -> Step:
    b.use(ListG(), b.D)
    return plain(b)


@setup("only the last layer of G trained", fault="part of G has no optimizer", task="shapes")
def last_layer_only(b: Bench) -> Step:
    last = [p for name, p in b.G.named_parameters() if name.endswith("bias")][-1]
    b.opt_G = torch.optim.Adam([last], lr=1e-3, betas=(0.5, 0.99))
    return plain(b)


@setup("G frozen in D's turn and never released", fault="G stays frozen", task="moons")
def frozen(b: Bench) -> Step:
    ordinary = plain(b)

    def step():
        for p in b.G.parameters():
            p.requires_grad = False
        for p in b.D.parameters():
            p.requires_grad = True
        return ordinary()  # the line that unfreezes G is missing

    return step


@setup("learning rate of G 1e-7", fault="G's learning rate far too small", task="ring")
def tiny_rate(b: Bench) -> Step:
    b.opt_G = torch.optim.Adam(b.G.parameters(), lr=1e-7, betas=(0.5, 0.999))
    return plain(b)


@setup("decay per epoch applied per batch", fault="learning rates decay to 0", task="moons")
def decay_per_batch(b: Bench) -> Step:
    schedules = [torch.optim.lr_scheduler.ExponentialLR(o, 0.85) for o in (b.opt_G, b.opt_D)]
    ordinary = plain(b)

    def step():
        losses = ordinary()
        for schedule in schedules:
            schedule.step()
        return losses

    return step
