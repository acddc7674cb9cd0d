"""Healthy set-ups of `foreign`: orders of the calls and ways of drawing and feeding batches."""

import torch
from foreign import Bench, Step, log, setup
from foreign_nets import ConditionalD, ConditionalG, DeconvG, FlatConvD, mlp
from torch import nn
from torch.nn import functional as F

from gancourse.datasets.batches import Batches

bce = F.binary_cross_entropy_with_logits


@setup("DCGAN tutorial order", fault="", task="shapes")
def dcgan(b: Bench) -> Step:
    b.use(DeconvG(), FlatConvD())

    def step():
        b.D.zero_grad()
        real = next(b.batches)
        label = torch.full((len(real),), 1.0)
        err_real = bce(b.D(real), label)
        err_real.backward()
        fake = b.G(b.sample_z(len(real)))
        label = torch.full((len(real),), 0.0)
        err_fake = bce(b.D(fake.detach()), label)
        err_fake.backward()
        b.opt_D.step()

        b.G.zero_grad()
        err_G = bce(b.D(fake), torch.ones(len(real)))
        err_G.backward()
        b.opt_G.step()
        return log(err_real + err_fake, err_G)

    return step


@setup("G first, D on the same fakes", fault="", task="shapes")
def generator_first(b: Bench) -> Step:
    def step():
        real_imgs = next(b.batches)
        valid, fake = torch.ones(len(real_imgs), 1), torch.zeros(len(real_imgs), 1)
        b.opt_G.zero_grad()
        gen_imgs = b.G(b.sample_z(len(real_imgs)))
        g_loss = bce(b.D(gen_imgs), valid)
        g_loss.backward()
        b.opt_G.step()

        b.opt_D.zero_grad()
        d_loss = (bce(b.D(real_imgs), valid) + bce(b.D(gen_imgs.detach()), fake)) / 2
        d_loss.backward()
        b.opt_D.step()
        return log(d_loss, g_loss)

    return step


@setup("fake before real, undetached, graph retained", fault="", task="moons")
def fake_first(b: Bench) -> Step:
    def step():
        fake = b.G(b.sample_z(64))
        out_fake, out_real = b.D(fake), b.D(next(b.batches))
        loss_D = F.softplus(out_fake).mean() + F.softplus(-out_real).mean()
        b.opt_D.zero_grad()
        loss_D.backward(retain_graph=True)
        b.opt_D.step()
        loss_G = F.softplus(-b.D(fake)).mean()
        b.opt_G.zero_grad()  # also removes what D's loss left in G
        loss_G.backward()
        b.opt_G.step()
        return log(loss_D, loss_G)

    return step


@setup("real and fake as one batch", fault="", task="ring")
def joint(b: Bench) -> Step:
    def step():
        x = next(b.batches)
        with torch.no_grad():
            fake = b.G(b.sample_z(len(x)))
        both = torch.cat([x, fake])
        target = torch.cat([torch.ones(len(x), 1), torch.zeros(len(x), 1)])
        order = torch.randperm(len(both), generator=b.rng)
        loss_D = bce(b.D(both[order]), target[order])
        b.opt_D.zero_grad(set_to_none=False)
        loss_D.backward()
        b.opt_D.step()

        loss_G = bce(b.D(b.G(b.sample_z(2 * len(x)))), torch.ones(2 * len(x), 1))
        b.opt_G.zero_grad(set_to_none=False)
        loss_G.backward()
        b.opt_G.step()
        return log(loss_D, loss_G)

    return step


@setup("three steps of D per step", fault="", task="ring")
def three_steps(b: Bench) -> Step:
    def step():
        for _ in range(3):
            x = next(b.batches)
            fake = b.G(b.sample_z(len(x))).detach()
            loss_D = F.softplus(-b.D(x)).mean() + F.softplus(b.D(fake)).mean()
            b.opt_D.zero_grad()
            loss_D.backward()
            b.opt_D.step()
        b.D.requires_grad_(False)
        loss_G = F.softplus(-b.D(b.G(b.sample_z(64)))).mean()
        b.opt_G.zero_grad()
        loss_G.backward()
        b.opt_G.step()
        b.D.requires_grad_(True)
        return log(loss_D, loss_G)

    return step


@setup("simultaneous steps", fault="", task="shapes")
def simultaneous(b: Bench) -> Step:
    real = torch.ones(32, 1)

    def step():
        x, z = next(b.batches), b.sample_z(32)
        fake = b.G(z)
        loss_D = bce(b.D(x), real) + bce(b.D(fake.detach()), 1 - real)
        loss_G = bce(b.D(fake), real)
        grads_D = torch.autograd.grad(loss_D, list(b.D.parameters()))
        grads_G = torch.autograd.grad(loss_G, list(b.G.parameters()))
        for net, grads in ((b.D, grads_D), (b.G, grads_G)):
            for p, grad in zip(net.parameters(), grads, strict=True):
                p.grad = grad
        b.opt_D.step()
        b.opt_G.step()
        return log(loss_D, loss_G)

    return step


@setup("gradients of two micro-batches", fault="", task="shapes")
def micro_batches(b: Bench) -> Step:
    def step():
        loss_D = loss_G = torch.zeros(())
        b.opt_D.zero_grad()
        for x in next(b.batches).chunk(2):
            fake = b.G(b.sample_z(len(x))).detach()
            part = (F.softplus(-b.D(x)).mean() + F.softplus(b.D(fake)).mean()) / 2
            part.backward()
            loss_D = loss_D + part.detach()
        b.opt_D.step()
        b.opt_G.zero_grad()
        for _ in range(2):
            part = F.softplus(-b.D(b.G(b.sample_z(16)))).mean() / 2
            part.backward()
            loss_G = loss_G + part.detach()
        b.opt_G.step()
        return log(loss_D, loss_G)

    return step


@setup("D on a pool of old fakes", fault="", task="shapes")
def pool(b: Bench) -> Step:
    kept = []

    def query(images):
        """Half of the batch from the last 200 fakes, as in CycleGAN's ImagePool."""
        kept.extend(images.detach().unbind())
        del kept[:-200]
        chosen = torch.randint(len(kept), (len(images) // 2,), generator=b.rng).tolist()
        return torch.cat([images[::2].detach(), torch.stack([kept[i] for i in chosen])])

    def step():
        x, fake = next(b.batches), b.G(b.sample_z(32))
        b.opt_G.zero_grad()
        loss_G = F.mse_loss(b.D(fake), torch.ones(32, 1))
        loss_G.backward()
        b.opt_G.step()
        b.opt_D.zero_grad()
        loss_D = (b.D(x) - 1).square().mean() + b.D(query(fake)).square().mean()
        (0.5 * loss_D).backward()
        b.opt_D.step()
        return log(loss_D, loss_G)

    return step


@setup("real and fake augmented alike", fault="", task="shapes")
def augmented(b: Bench) -> Step:
    def augment(x):
        light = 0.2 * torch.rand(len(x), 1, 1, 1, generator=b.rng) - 0.1
        dx, dy = torch.randint(5, (2,), generator=b.rng).tolist()
        padded = F.pad(x, (2, 2, 2, 2), value=-0.75)
        return padded[:, :, dy : dy + 16, dx : dx + 16] + light

    def step():
        x = next(b.batches)
        fake = b.G(b.sample_z(len(x)))
        out_real, out_fake = b.D(augment(x)), b.D(augment(fake.detach()))
        loss_D = F.softplus(-out_real).mean() + F.softplus(out_fake).mean()
        b.opt_D.zero_grad()
        loss_D.backward()
        b.opt_D.step()
        loss_G = F.softplus(-b.D(augment(fake))).mean()
        b.opt_G.zero_grad()
        loss_G.backward()
        b.opt_G.step()
        return log(loss_D, loss_G)

    return step


class GAN(nn.Module):
    """Both networks and both losses in one module, as Lightning users write it."""

    def __init__(self, generator: nn.Module, discriminator: nn.Module) -> None:
        super().__init__()
        self.generator, self.discriminator = generator, discriminator

    def forward(self, x, z, player):
        self.discriminator.requires_grad_(player == "D")
        fake = self.generator(z)
        if player == "G":
            return F.softplus(-self.discriminator(fake)).mean()
        gap = F.softplus(-self.discriminator(x)) + F.softplus(self.discriminator(fake.detach()))
        return gap.mean()


@setup("one module around G and D", fault="", task="moons")
def wrapper_module(b: Bench) -> Step:
    gan = GAN(b.G, b.D)
    optimizers = {"D": b.opt_D, "G": b.opt_G}

    def step():
        losses = {}
        for player, opt in optimizers.items():
            opt.zero_grad()
            losses[player] = gan(next(b.batches), b.sample_z(64), player=player)
            losses[player].backward()
            opt.step()
        return log(losses["D"], losses["G"])

    return step


@setup("class-conditional with embeddings, keyword calls", fault="", task="shapes")
def conditional(b: Bench) -> Step:
    b.use(ConditionalG(), ConditionalD())
    b.batches = Batches(b.data, b.labels, size=32, rng=b.rng)

    def draw(m):
        labels = torch.randint(2, (m,), generator=b.rng)
        return b.G(noise=b.sample_z(m), labels=labels), labels

    def sample(m):
        with torch.no_grad():
            return draw(m)[0]

    b.sample = sample

    def step():
        x, c = next(b.batches)
        fake, fake_c = draw(len(x))
        out_real, out_fake = b.D(img=x, labels=c), b.D(img=fake.detach(), labels=fake_c)
        loss_D = bce(out_real, torch.ones_like(out_real)) + bce(
            out_fake, torch.zeros_like(out_fake)
        )
        b.opt_D.zero_grad()
        loss_D.backward()
        b.opt_D.step()
        fake, fake_c = draw(len(x))
        loss_G = bce(b.D(img=fake, labels=fake_c), torch.ones_like(out_real))
        b.opt_G.zero_grad()
        loss_G.backward()
        b.opt_G.step()
        return log(loss_D, loss_G)

    return step


@setup("probabilities with BCELoss, real = 0 and fake = 1", fault="", task="ring")
def flipped_labels(b: Bench) -> Step:
    b.use(b.G, mlp(2, 128, 128, 1, act=nn.LeakyReLU, last=nn.Sigmoid()))
    adversarial_loss = nn.BCELoss()
    real_label, fake_label = torch.zeros(64, 1), torch.ones(64, 1)

    def step():
        x, fake = next(b.batches), b.G(b.sample_z(64))
        d_loss = adversarial_loss(b.D(x), real_label)
        d_loss = 0.5 * (d_loss + adversarial_loss(b.D(fake.detach()), fake_label))
        b.opt_D.zero_grad()
        d_loss.backward()
        b.opt_D.step()
        g_loss = adversarial_loss(b.D(fake), real_label)
        b.opt_G.zero_grad()
        g_loss.backward()
        b.opt_G.step()
        return log(d_loss, g_loss)

    return step
