"""Healthy set-ups of `foreign`: losses, penalties, optimizers and precision."""

import copy

import torch
from foreign import Bench, Step, log, setup
from foreign_nets import LayerNormMLP, PatchD, ResidualD, ResidualG, StridedD, mlp
from torch import nn
from torch.nn import functional as F

bce = F.binary_cross_entropy_with_logits


def gradient_at(D: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """The gradient of D's output at x, one flat row per example, differentiable."""
    x = x.detach().requires_grad_(True)
    (grad,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
    return grad.flatten(1)


@setup("R1 in a backward pass before the loss", fault="", task="moons")
def r1_before(b: Bench) -> Step:
    def step():
        x = next(b.batches)
        b.opt_D.zero_grad()
        penalty = gradient_at(b.D, x).square().sum(1).mean()
        (0.05 * penalty).backward()
        fake = b.G(b.sample_z(len(x))).detach()
        loss_D = F.softplus(-b.D(x)).mean() + F.softplus(b.D(fake)).mean()
        loss_D.backward()  # adds to the penalty's gradient
        b.opt_D.step()
        b.opt_G.zero_grad()
        loss_G = F.softplus(-b.D(b.G(b.sample_z(len(x))))).mean()
        loss_G.backward()
        b.opt_G.step()
        return log(loss_D, loss_G)

    return step


@setup("WGAN-GP, penalty between the calls", fault="", task="ring")
def wgan_gp(b: Bench) -> Step:
    b.opt_D = b.adam(b.D, 3)

    def step():
        for _ in range(2):
            x = next(b.batches)
            fake = b.G(b.sample_z(len(x))).detach()
            critic_real = b.D(x).mean()
            a = torch.rand(len(x), 1, generator=b.rng)
            norm = gradient_at(b.D, a * x + (1 - a) * fake).norm(2, dim=1)
            loss_D = b.D(fake).mean() - critic_real + 0.1 * (norm - 1).square().mean()
            b.opt_D.zero_grad()
            loss_D.backward()
            b.opt_D.step()
        loss_G = -b.D(b.G(b.sample_z(64))).mean()
        b.opt_G.zero_grad()
        loss_G.backward()
        b.opt_G.step()
        return log(loss_D, loss_G)

    return step


@setup("WGAN with clipped weights and RMSprop", fault="", task="moons")
def wgan_clipping(b: Bench) -> Step:
    b.opt_G = torch.optim.RMSprop(b.G.parameters(), lr=5e-4)
    b.opt_D = torch.optim.RMSprop(b.D.parameters(), lr=2e-3)

    def step():
        for _ in range(4):
            fake = b.G(b.sample_z(64)).detach()
            loss_D = -(b.D(next(b.batches)).mean() - b.D(fake).mean())
            b.opt_D.zero_grad()
            loss_D.backward()
            b.opt_D.step()
            for p in b.D.parameters():
                p.data.clamp_(-0.1, 0.1)
        b.opt_G.zero_grad()
        loss_G = -b.D(b.G(b.sample_z(64))).mean()
        loss_G.backward()
        b.opt_G.step()
        return log(loss_D, loss_G)

    return step


@setup("bfloat16 autocast with an EMA of G", fault="", task="shapes")
def autocast_ema(b: Bench) -> Step:
    ema = copy.deepcopy(b.G).requires_grad_(False)

    def step():
        x = next(b.batches)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            fake = b.G(b.sample_z(len(x)))
            loss_D = F.softplus(-b.D(x)).mean() + F.softplus(b.D(fake.detach())).mean()
        b.opt_D.zero_grad()
        loss_D.backward()
        b.opt_D.step()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss_G = F.softplus(-b.D(fake)).mean()
        b.opt_G.zero_grad()
        loss_G.backward()
        b.opt_G.step()
        with torch.no_grad():
            for old, new in zip(ema.parameters(), b.G.parameters(), strict=True):
                old.lerp_(new, 0.05)
            ema(b.sample_z(8))  # for the sample sheet
        return log(loss_D, loss_G)

    return step


@setup("smoothed and 5 % noisy labels", fault="", task="ring")
def noisy_labels(b: Bench) -> Step:
    def labels(value, m):
        flip = torch.rand(m, 1, generator=b.rng) < 0.05
        return torch.where(flip, 0.9 - value, torch.full((m, 1), value))

    def step():
        x = next(b.batches)
        fake = b.G(b.sample_z(len(x)))
        loss_D = bce(b.D(x), labels(0.9, len(x))) + bce(b.D(fake.detach()), labels(0.0, len(x)))
        b.opt_D.zero_grad()
        loss_D.backward()
        b.opt_D.step()
        loss_G = bce(b.D(fake), torch.ones(len(x), 1))
        b.opt_G.zero_grad()
        loss_G.backward()
        b.opt_G.step()
        return log(loss_D, loss_G)

    return step


@setup("relativistic average GAN", fault="", task="moons")
def relativistic(b: Bench) -> Step:
    def losses(x, fake):
        r, f = b.D(x), b.D(fake)
        real, made = r - f.mean(), f - r.mean()
        return real, made

    def step():
        x, fake = next(b.batches), b.G(b.sample_z(64))
        real, made = losses(x, fake.detach())
        loss_D = (F.softplus(-real).mean() + F.softplus(made).mean()) / 2
        b.opt_D.zero_grad()
        loss_D.backward()
        b.opt_D.step()
        real, made = losses(x, fake)
        loss_G = (F.softplus(real).mean() + F.softplus(-made).mean()) / 2
        b.opt_G.zero_grad()
        loss_G.backward()
        b.opt_G.step()
        return log(loss_D, loss_G)

    return step


@setup("hinge loss, residual networks, spectral norm", fault="", task="shapes")
def hinge(b: Bench) -> Step:
    b.use(ResidualG(width=10), ResidualD(width=10))
    b.batches.size = 20

    def step():
        x = next(b.batches)
        fake = b.G(b.sample_z(len(x)))
        loss_D = F.relu(1 - b.D(x)).mean() + F.relu(1 + b.D(fake.detach())).mean()
        b.opt_D.zero_grad()
        loss_D.backward()
        b.opt_D.step()
        loss_G = -b.D(fake).mean()
        b.opt_G.zero_grad()
        loss_G.backward()
        b.opt_G.step()
        return log(loss_D, loss_G)

    return step


@setup("least squares, loss halved, clipped gradients", fault="", task="moons")
def least_squares(b: Bench) -> Step:
    b.use(LayerNormMLP(4, 2), mlp(2, 128, 128, 1, act=nn.LeakyReLU))

    def move(opt, net, loss):
        opt.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        opt.step()

    def step():
        x, fake = next(b.batches), b.G(b.sample_z(64))
        out, out_fake = b.D(x), b.D(fake.detach())
        loss_D = 0.5 * (F.mse_loss(out, torch.ones_like(out)) + out_fake.pow(2).mean())
        move(b.opt_D, b.D, loss_D)
        loss_G = 0.5 * (b.D(fake) - 1).pow(2).mean()
        move(b.opt_G, b.G, loss_G)
        return log(loss_D, loss_G)

    return step


@setup("losses summed over the batch, SGD for D", fault="", task="shapes")
def summed(b: Bench) -> Step:
    b.opt_D = torch.optim.SGD(b.D.parameters(), lr=2e-3, momentum=0.5)

    def step():
        x = next(b.batches)
        fake = b.G(b.sample_z(len(x)))
        ones = torch.ones(len(x), 1)
        loss_D = bce(b.D(x), ones, reduction="sum")
        loss_D = loss_D + bce(b.D(fake.detach()), 1 - ones, reduction="sum")
        b.opt_D.zero_grad()
        loss_D.backward()
        b.opt_D.step()
        loss_G = bce(b.D(fake), ones, reduction="sum")
        b.opt_G.zero_grad()
        loss_G.backward()
        b.opt_G.step()
        return log(loss_D, loss_G)

    return step


@setup("lazy R1 in the logged loss, patch map and features", fault="", task="shapes")
def lazy_r1(b: Bench) -> Step:
    b.use(b.G, PatchD(width=16))
    calls = 0

    def step():
        nonlocal calls
        x = next(b.batches).requires_grad_(calls % 4 == 0)
        fake = b.G(b.sample_z(len(x)))
        map_real, features = b.D(x)
        loss_D = F.softplus(-map_real).mean() + F.softplus(b.D(fake.detach())[0]).mean()
        if x.requires_grad:
            (grad,) = torch.autograd.grad(map_real.sum(), x, create_graph=True)
            loss_D = loss_D + 4 * 0.002 * grad.square().sum((1, 2, 3)).mean()
        b.opt_D.zero_grad()
        loss_D.backward()
        b.opt_D.step()
        map_fake, features_fake = b.D(fake)
        matching = F.l1_loss(features_fake.mean(0), features.detach().mean(0))
        loss_G = F.softplus(-map_fake).mean() + matching
        b.opt_G.zero_grad()
        loss_G.backward()
        b.opt_G.step()
        calls += 1
        return log(loss_D, loss_G)

    return step


@setup("several optimizers and parameter groups", fault="", task="shapes")
def several_optimizers(b: Bench) -> Step:
    b.use(b.G, StridedD(norm=True, drop=0.1))
    trunk = torch.optim.Adam(b.D.model.parameters(), lr=1e-3, betas=(0.5, 0.99))
    head = torch.optim.RMSprop(b.D.adv_layer.parameters(), lr=3e-4)
    slow, fast = b.G.l1.parameters(), b.G.conv_blocks.parameters()
    b.opt_G = torch.optim.AdamW(
        [{"params": slow, "lr": 5e-4}, {"params": fast, "weight_decay": 0.0}],
        lr=1e-3,
        betas=(0.5, 0.99),
        weight_decay=1e-3,
    )

    def step():
        b.D.zero_grad()
        x = next(b.batches)
        loss_D = bce(b.D(x), torch.ones(len(x), 1))
        loss_D = loss_D + bce(b.D(b.G(b.sample_z(len(x))).detach()), torch.zeros(len(x), 1))
        loss_D.backward()
        for opt in (trunk, head):
            opt.step()
        b.G.zero_grad()
        loss_G = bce(b.D(b.G(b.sample_z(len(x)))), torch.ones(len(x), 1))
        loss_G.backward()
        b.opt_G.step()
        return log(loss_D, loss_G)

    return step
