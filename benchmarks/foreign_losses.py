"""Faulty set-ups of `foreign`: labels, terms and signs of the losses."""

import torch
from foreign import Bench, Step, log, setup
from foreign_nets import DeconvG, FlatConvD, StridedD, mlp
from torch import Tensor, nn
from torch.nn import functional as F

bce = F.binary_cross_entropy_with_logits


def update(opt: torch.optim.Optimizer, loss: Tensor) -> None:
    opt.zero_grad()
    loss.backward()
    opt.step()


@setup("fakes labelled real in D's loss", fault="labels of D's fake term swapped", task="moons")
def fakes_labelled_real(b: Bench) -> Step:
    real_label, fake_label = torch.ones(64, 1), torch.ones(64, 1)

    def step():
        x, fake = next(b.batches), b.G(b.sample_z(64))
        loss_D = bce(b.D(x), real_label) + bce(b.D(fake.detach()), fake_label)
        update(b.opt_D, loss_D)
        loss_G = bce(b.D(fake), real_label)
        update(b.opt_G, loss_G)
        return log(loss_D, loss_G)

    return step


@setup("fakes labelled fake in G's loss", fault="labels of G's loss swapped", task="shapes")
def generator_labels(b: Bench) -> Step:
    b.use(DeconvG(), FlatConvD())

    def step():
        label = torch.full((32,), 1.0)
        x, fake = next(b.batches), b.G(b.sample_z(32))
        err_real = bce(b.D(x), label)
        label = torch.full((32,), 0.0)
        err_fake = bce(b.D(fake.detach()), label)
        update(b.opt_D, err_real + err_fake)
        err_G = bce(b.D(fake), label)  # label should be 1 again
        update(b.opt_G, err_G)
        return log(err_real + err_fake, err_G)

    return step


@setup("real = 0 for D but 1 for G", fault="labels of G's loss swapped", task="ring")
def mixed_conventions(b: Bench) -> Step:
    def step():
        x, fake = next(b.batches), b.G(b.sample_z(64))
        d_loss = 0.5 * (b.D(x).square().mean() + (b.D(fake.detach()) - 1).square().mean())
        update(b.opt_D, d_loss)
        g_loss = 0.5 * (b.D(fake) - 1).square().mean()
        update(b.opt_G, g_loss)
        return log(d_loss, g_loss)

    return step


@setup("half of the labels flipped", fault="random labels for D", task="ring")
def half_flipped(b: Bench) -> Step:
    def labels(value):
        flip = (torch.rand(64, 1, generator=b.rng) < 0.5).float()
        return (value - flip).abs()

    def step():
        x, fake = next(b.batches), b.G(b.sample_z(64))
        loss_D = bce(b.D(x), labels(1.0)) + bce(b.D(fake.detach()), labels(0.0))
        update(b.opt_D, loss_D)
        loss_G = bce(b.D(fake), torch.ones(64, 1))
        update(b.opt_G, loss_G)
        return log(loss_D, loss_G)

    return step


@setup("labels shuffled apart from the joint batch", fault="random labels for D", task="moons")
def shuffled_apart(b: Bench) -> Step:
    def step():
        x, fake = next(b.batches), b.G(b.sample_z(64))
        both = torch.cat((x, fake.detach()))[torch.randperm(128, generator=b.rng)]
        labels = torch.cat((torch.ones(64, 1), torch.zeros(64, 1)))
        loss_D = bce(b.D(both), labels[torch.randperm(128, generator=b.rng)])
        update(b.opt_D, loss_D)
        loss_G = F.softplus(-b.D(fake)).mean()
        update(b.opt_G, loss_G)
        return log(loss_D, loss_G)

    return step


@setup(
    "real output in both terms", fault="both terms of D's loss use the real batch", task="shapes"
)
def same_output(b: Bench) -> Step:
    def step():
        x, fake = next(b.batches), b.G(b.sample_z(32))
        real_out = b.D(x)
        fake_out = b.D(x)  # should be b.D(fake.detach())
        loss_D = bce(real_out, torch.ones(32, 1)) + bce(fake_out, torch.zeros(32, 1))
        update(b.opt_D, loss_D)
        loss_G = bce(b.D(fake), torch.ones(32, 1))
        update(b.opt_G, loss_G)
        return log(loss_D, loss_G)

    return step


@setup("real term forgotten", fault="D's loss has no real term", task="moons")
def no_real_term(b: Bench) -> Step:
    def step():
        fake = b.G(b.sample_z(64))
        b.D(next(b.batches))  # computed, then forgotten
        loss_D = F.softplus(b.D(fake.detach())).mean()
        update(b.opt_D, loss_D)
        loss_G = F.softplus(-b.D(fake)).mean()
        update(b.opt_G, loss_G)
        return log(loss_D, loss_G)

    return step


@setup("fake term overwritten", fault="D's loss has no fake term", task="shapes")
def no_fake_term(b: Bench) -> Step:
    b.use(DeconvG(), StridedD(width=12))

    def step():
        x, fake = next(b.batches), b.G(b.sample_z(32))
        loss_D = F.softplus(b.D(fake.detach())).mean()
        loss_D = F.softplus(-b.D(x)).mean()  # = where += was meant
        update(b.opt_D, loss_D)
        loss_G = F.softplus(-b.D(fake)).mean()
        update(b.opt_G, loss_G)
        return log(loss_D, loss_G)

    return step


@setup("backward on the fake term only", fault="no gradient from D's real term", task="ring")
def one_backward(b: Bench) -> Step:
    def step():
        b.opt_D.zero_grad()
        x, fake = next(b.batches), b.G(b.sample_z(64))
        err_real = bce(b.D(x), torch.ones(64, 1))
        err_fake = bce(b.D(fake.detach()), torch.zeros(64, 1))
        err_fake.backward()
        b.opt_D.step()
        loss_G = bce(b.D(fake), torch.ones(64, 1))
        update(b.opt_G, loss_G)
        return log(err_real + err_fake, loss_G)

    return step


@setup("loss of G on the real batch", fault="G's loss uses D of the real batch", task="moons")
def generator_on_real(b: Bench) -> Step:
    def step():
        x, fake = next(b.batches), b.G(b.sample_z(64))
        out = b.D(fake.detach())
        loss_D = F.softplus(-b.D(x)).mean() + F.softplus(out).mean()
        update(b.opt_D, loss_D)
        out = b.D(x)
        loss_G = F.softplus(-out).mean()
        update(b.opt_G, loss_G)
        return log(loss_D, loss_G)

    return step


# Samples can look fine: D's gradients are weak, as its outputs are confined to [0.5, 0.73].
@setup("sigmoid before BCEWithLogitsLoss", fault="sigmoid applied twice", task="ring")
def sigmoid_twice(b: Bench) -> Step:
    b.use(b.G, mlp(2, 128, 128, 1, act=nn.LeakyReLU, last=nn.Sigmoid()))
    criterion = nn.BCEWithLogitsLoss()

    def step():
        x, fake = next(b.batches), b.G(b.sample_z(64))
        loss_D = criterion(b.D(x), torch.ones(64, 1))
        loss_D = loss_D + criterion(b.D(fake.detach()), torch.zeros(64, 1))
        update(b.opt_D, loss_D)
        loss_G = criterion(b.D(fake), torch.ones(64, 1))
        update(b.opt_G, loss_G)
        return log(loss_D, loss_G)

    return step


@setup("softmax over D's only output", fault="softmax of one output is always 1", task="shapes")
def softmax_of_one(b: Bench) -> Step:
    b.use(b.G, StridedD(last=nn.Softmax(dim=1)))
    criterion = nn.BCELoss()

    def step():
        x, fake = next(b.batches), b.G(b.sample_z(32))
        loss_D = criterion(b.D(x), torch.ones(32, 1))
        loss_D = loss_D + criterion(b.D(fake.detach()), torch.zeros(32, 1))
        update(b.opt_D, loss_D)
        loss_G = criterion(b.D(fake), torch.ones(32, 1))
        update(b.opt_G, loss_G)
        return log(loss_D, loss_G)

    return step


@setup("Wasserstein loss, sign of G", fault="sign of G's loss flipped", task="ring")
def wasserstein_sign(b: Bench) -> Step:
    b.opt_G = torch.optim.RMSprop(b.G.parameters(), lr=5e-4)
    b.opt_D = torch.optim.RMSprop(b.D.parameters(), lr=2e-3)

    def step():
        for _ in range(3):
            fake = b.G(b.sample_z(64))
            loss_D = b.D(fake.detach()).mean() - b.D(next(b.batches)).mean()
            update(b.opt_D, loss_D)
            with torch.no_grad():
                for p in b.D.parameters():
                    p.clamp_(-0.1, 0.1)
        loss_G = b.D(b.G(b.sample_z(64))).mean()
        update(b.opt_G, loss_G)
        return log(loss_D, loss_G)

    return step


@setup("hinge loss, sign of the real term", fault="sign of D's real term flipped", task="moons")
def hinge_sign(b: Bench) -> Step:
    def step():
        x, fake = next(b.batches), b.G(b.sample_z(64))
        loss_D = F.relu(1 + b.D(x)).mean() + F.relu(1 + b.D(fake.detach())).mean()
        update(b.opt_D, loss_D)
        loss_G = -b.D(fake).mean()
        update(b.opt_G, loss_G)
        return log(loss_D, loss_G)

    return step


@setup("least squares, loss of G maximized", fault="sign of G's loss flipped", task="shapes")
def least_squares_sign(b: Bench) -> Step:
    def step():
        x, fake = next(b.batches), b.G(b.sample_z(32))
        loss_D = F.mse_loss(b.D(x), torch.ones(32, 1)) + b.D(fake.detach()).square().mean()
        update(b.opt_D, loss_D)
        loss_G = -F.mse_loss(b.D(fake), torch.ones(32, 1))
        update(b.opt_G, loss_G)
        return log(loss_D, loss_G)

    return step
