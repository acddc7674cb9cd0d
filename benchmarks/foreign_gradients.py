"""Faulty set-ups of `foreign`: gradients lost or mixed up."""

import torch
from foreign import Bench, Step, log, setup
from foreign_nets import DeconvG, FlatConvD, LayerNormMLP, mlp
from torch import nn
from torch.nn import functional as F

bce = F.binary_cross_entropy_with_logits


@setup("gradients never zeroed", fault="zero_grad missing for both", task="moons")
def never_zeroed(b: Bench) -> Step:
    b.use(LayerNormMLP(4, 2), mlp(2, 128, 128, 1, act=nn.LeakyReLU))

    def step():
        x, fake = next(b.batches), b.G(b.sample_z(64))
        loss_D = F.softplus(-b.D(x)).mean() + F.softplus(b.D(fake.detach())).mean()
        loss_D.backward()
        b.opt_D.step()
        loss_G = F.softplus(-b.D(fake)).mean()
        loss_G.backward()
        b.opt_G.step()
        return log(loss_D, loss_G)

    return step


@setup("D's gradients never zeroed", fault="zero_grad missing for D", task="shapes")
def d_never_zeroed(b: Bench) -> Step:
    def step():
        x, fake = next(b.batches), b.G(b.sample_z(32))
        loss_D = F.softplus(-b.D(x)).mean() + F.softplus(b.D(fake.detach())).mean()
        loss_D.backward()
        b.opt_D.step()
        b.opt_G.zero_grad()
        loss_G = F.softplus(-b.D(fake)).mean()
        loss_G.backward()
        b.opt_G.step()
        return log(loss_D, loss_G)

    return step


@setup("G's gradients never zeroed", fault="zero_grad missing for G", task="ring")
def g_never_zeroed(b: Bench) -> Step:
    def step():
        x, fake = next(b.batches), b.G(b.sample_z(64))
        b.opt_D.zero_grad()
        loss_D = F.softplus(-b.D(x)).mean() + F.softplus(b.D(fake.detach())).mean()
        loss_D.backward()
        b.opt_D.step()
        loss_G = F.softplus(-b.D(fake)).mean()
        loss_G.backward()
        b.opt_G.step()
        return log(loss_D, loss_G)

    return step


@setup("zero_grad between backward and step", fault="gradients zeroed too late", task="shapes")
def zeroed_late(b: Bench) -> Step:
    def step():
        x, fake = next(b.batches), b.G(b.sample_z(32))
        loss_D = bce(b.D(x), torch.ones(32, 1)) + bce(b.D(fake.detach()), torch.zeros(32, 1))
        b.opt_D.zero_grad()
        loss_D.backward()
        b.opt_D.step()
        loss_G = bce(b.D(fake), torch.ones(32, 1))
        loss_G.backward()
        b.opt_G.zero_grad()
        b.opt_G.step()
        return log(loss_D, loss_G)

    return step


@setup("D zeroed only after its own step", fault="G's loss adds to D's gradient", task="moons")
def zeroed_early(b: Bench) -> Step:
    def step():
        x, fake = next(b.batches), b.G(b.sample_z(64))
        loss_D = F.relu(1 - b.D(x)).mean() + F.relu(1 + b.D(fake.detach())).mean()
        loss_D.backward()
        b.opt_D.step()
        b.opt_D.zero_grad()
        loss_G = -b.D(fake).mean()
        loss_G.backward()  # leaves a gradient in D until its next step
        b.opt_G.step()
        b.opt_G.zero_grad()
        return log(loss_D, loss_G)

    return step


@setup("detach in G's turn", fault="no gradient reaches G", task="moons")
def detached(b: Bench) -> Step:
    def step():
        x, fake = next(b.batches), b.G(b.sample_z(64)).detach()
        loss_D = F.softplus(-b.D(x)).mean() + F.softplus(b.D(fake)).mean()
        b.opt_D.zero_grad()
        loss_D.backward()
        b.opt_D.step()
        loss_G = F.softplus(-b.D(fake)).mean()
        b.opt_G.zero_grad()
        loss_G.backward()
        b.opt_G.step()
        return log(loss_D, loss_G)

    return step


@setup("loss of G rebuilt from a number", fault="no gradient reaches G", task="shapes")
def from_item(b: Bench) -> Step:
    b.use(DeconvG(), FlatConvD())

    def step():
        x, fake = next(b.batches), b.G(b.sample_z(32))
        loss_D = F.softplus(-b.D(x)).mean() + F.softplus(b.D(fake.detach())).mean()
        b.opt_D.zero_grad()
        loss_D.backward()
        b.opt_D.step()
        loss_G = torch.tensor(F.softplus(-b.D(fake)).mean().item(), requires_grad=True)
        b.opt_G.zero_grad()
        loss_G.backward()
        b.opt_G.step()
        return log(loss_D, loss_G)

    return step


@setup("real batch scored under no_grad", fault="no gradient from the real batch", task="shapes")
def no_grad_real(b: Bench) -> Step:
    def step():
        x, fake = next(b.batches), b.G(b.sample_z(32))
        with torch.no_grad():
            score = b.D(x)
        loss_D = F.softplus(-score).mean() + F.softplus(b.D(fake.detach())).mean()
        b.opt_D.zero_grad()
        loss_D.backward()
        b.opt_D.step()
        loss_G = F.softplus(-b.D(fake)).mean()
        b.opt_G.zero_grad()
        loss_G.backward()
        b.opt_G.step()
        return log(loss_D, loss_G)

    return step


@setup("fakes of G's turn made under no_grad", fault="no gradient reaches G", task="ring")
def no_grad_g(b: Bench) -> Step:
    def step():
        for player, opt in (("D", b.opt_D), ("G", b.opt_G)):
            with torch.no_grad():  # meant for D's turn
                fake = b.G(b.sample_z(64))
            if player == "D":
                loss_D = F.softplus(-b.D(next(b.batches))).mean() + F.softplus(b.D(fake)).mean()
            else:
                loss_G = F.softplus(-b.D(fake)).mean()
            opt.zero_grad()
            (loss_D if player == "D" else loss_G).backward()
            opt.step()
        return log(loss_D, loss_G)

    return step


@setup("fakes not detached, G zeroed at the start", fault="D's loss adds to G", task="moons")
def not_detached(b: Bench) -> Step:
    def step():
        b.opt_G.zero_grad()
        b.opt_D.zero_grad()
        x, fake = next(b.batches), b.G(b.sample_z(64))
        loss_D = F.softplus(-b.D(x)).mean() + F.softplus(b.D(fake)).mean()
        loss_D.backward(retain_graph=True)
        b.opt_D.step()
        loss_G = F.softplus(-b.D(b.G(b.sample_z(64)))).mean()
        loss_G.backward()
        b.opt_G.step()
        return log(loss_D, loss_G)

    return step
