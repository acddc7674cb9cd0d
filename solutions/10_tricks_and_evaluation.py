# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown] tags=["header"]
# # 10 Tricks and evaluation: what helps, and how would you know?
#
# Every GAN paper comes with advice: smooth your labels, draw noise from a sphere, normalize D. Much of it was found by trial on one data set. Here you build a dozen of these tricks and compare each with a plain GAN, eight seeds at a time. Then you examine the metrics themselves, with broken generators that some of them rate as good. At the end, a program reads the records of faulty runs and names the fault.
#
# **You build:** virtual batch norm, the gradient penalty, minibatch discrimination, the inception-style score, precision and recall, and a sign of mode collapse.
#
# After this notebook you can
# - **test** whether a trick helps: several seeds, error bars, a plain run for comparison;
# - **explain** how batch norm couples the examples of a batch, and **avoid** it;
# - **train** a critic that estimates a distance, and **predict** its error;
# - **compute** the common metrics from first principles, and **say** what each one misses;
# - **diagnose** a faulty run from its records.
#
# | section | minutes |
# |---|---|
# | 1 Many seeds, and what counts as a difference | 12 |
# | 2 Batch norm couples the examples of a batch (10.1) | 25 |
# | 3 Noise: cube, normal or sphere | 10 |
# | 4 Labels, activations, steps and learning rates (10.2) | 18 |
# | 5 A critic with bounded gradients (10.3) | 28 |
# | 6 Looking at the whole batch (10.4) | 18 |
# | 7 The results so far | 10 |
# | 8 Metrics from first principles (10.5, 10.6) | 34 |
# | 9 Five broken generators | 20 |
# | 10 Diagnosis of a run (10.7, 10.8) | 30 |
#
# It builds on notebook 02 (the game, the ring) and 03 (DCGAN, the judge).

# %% tags=["setup"]
# written by gancourse build

# %%
import importlib.util
import math
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from statistics import fmean, stdev, variance

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancourse.classifiers.digit_judge import train_judge
from gancourse.datasets import digits, toy
from gancourse.datasets.batches import Batches
from gancourse.exercises import check
from gancourse.figures import PALETTE, panels, plot_bars, plot_curves, show, show_images, style
from gancourse.metrics import samples
from gancourse.metrics.retrieval import nearest
from gancourse.metrics.samples import in_batches, misplaced, mode_shares
from gancourse.papers import tricks
from gancourse.papers.blocks import MLP, MLPDiscriminator
from gancourse.papers.dcgan_probes import lerp, slerp
from gancourse.papers.gan import descend
from gancourse.results import load_table
from gancourse.shapes import to_float
from gancourse.training import many_seeds, networks
from gancourse.training.diagnosis import RULES, diagnose
from gancourse.training.faults import FAULTS, faulty_step
from gancourse.training.loop import Record, train
from gancourse.training.player import linear_decay
from gancourse.training.signs import examine

# %% [markdown]
# ## 1. Many seeds, and what counts as a difference
#
# **When may one say that a trick helps?** A GAN's result depends on its seed, often more than on the trick. So the plain run and each trick are each run with several seeds, which means that runs must be short. We take notebook 02's ring of eight Gaussians, with modes of half the width, so that the plain run usually fails in both known ways: samples fall between the modes, and modes are missing.
#
# Eight runs are trained *in parallel*: the first dimension of every tensor is the seed, and each layer holds eight weight matrices. Adam updates each weight separately, so the runs are independent. The networks are tiny and stay on the CPU.

# %%
SEEDS, BATCH, NOISE, WIDTH = 8, 64, 8, 64
STEPS = env.budget(smoke=12, cpu=2000, gpu=4000)
RING = toy.Ring(modes=8, radius=2.0, std=0.05)

layer = many_seeds.Linear(SEEDS, NOISE, WIDTH, env.rng(0, "cpu"))
output = layer(torch.zeros(SEEDS, BATCH, NOISE))
print("weights of one layer:", tuple(layer.weight.shape), " its output:", tuple(output.shape))

# %% [markdown]
# The metric is one number. A sample within three standard deviations of a mode belongs to it, and each mode should have an eighth of all samples. The **misplaced share** is the fraction of samples that would have to move: 0 is perfect, 7/8 means that all lie on one mode, and 1 that none is near a mode.

# %%
shares = partial(mode_shares, centres=RING.centres, radius=3 * RING.std)  # at each mode
real_points = RING.sample(4000, env.rng(1, "cpu"))
point_sets = {
    "real points": real_points,
    "one mode only": RING.centres[0] + RING.std * torch.randn(4000, 2, generator=env.rng(2, "cpu")),
    "one wide blob": real_points.std(dim=0) * torch.randn(4000, 2, generator=env.rng(3, "cpu")),
}
for name, x in point_sets.items():
    print(f"{name:14} misplaced {misplaced(shares(x)):.2f}")

# %% [markdown]
# Now the plain run: two hidden layers of 64 units in each player, the non-saturating loss, one step of D for each of G, Adam with equal learning rates. `many_seeds.Recipe` holds these choices, and **a trick changes one of them**. The function `run` trains and measures any pair of networks; its keyword arguments go into the recipe.

# %%
results: dict[str, list[float]] = {}  # the misplaced share of each seed
modes_found: dict[str, float] = {}


def ring_batches(rng: torch.Generator) -> Iterator[Tensor]:
    """Endless real batches (seeds, batch, 2)."""
    return (x.view(SEEDS, BATCH, 2) for x in toy.batches(RING, SEEDS * BATCH, rng))


def noise_batches(rng: torch.Generator, kind: str = "normal", scale: float = 1.0) -> Callable:
    """A sampler of latent vectors for one batch: (seeds, batch, NOISE)."""
    sample_z = env.noise(NOISE, rng, kind)
    return lambda: scale * sample_z(SEEDS * BATCH).view(SEEDS, BATCH, NOISE)


def generator(rng: torch.Generator, **options) -> nn.Module:
    return many_seeds.mlp(SEEDS, NOISE, WIDTH, WIDTH, 2, rng=rng, **options)


def discriminator(rng: torch.Generator, seeds: int = SEEDS, n_in: int = 2, **options) -> nn.Module:
    *body, head = many_seeds.mlp(seeds, n_in, WIDTH, WIDTH, 1, rng=rng, **options)
    return many_seeds.Discriminator(nn.Sequential(*body), head)


def run(name, make_G=generator, make_D=discriminator, make_z=noise_batches, seed=0, **recipe):
    """Train all seeds in parallel; measure, keep and print the results; G, D and samples."""
    rng = env.rng(seed, "cpu")
    G, D, sample_z = make_G(rng), make_D(rng), make_z(rng)
    step = many_seeds.make_step(G, D, ring_batches(rng), sample_z, many_seeds.Recipe(**recipe))
    for _ in range(STEPS):
        step()
    with torch.no_grad():
        x = torch.cat([G(sample_z()) for _ in range(32)], dim=1)  # (seeds, 2048, 2)
    by_seed = torch.stack([shares(points) for points in x])
    results[name] = [misplaced(row) for row in by_seed]
    modes_found[name] = (by_seed >= 0.25 / RING.modes).sum(dim=1).float().mean().item()
    print_row(name)
    return G, D, x


def print_row(name: str) -> None:
    """The mean over the seeds of a run with its standard error, and the comparison with plain."""
    error = stdev(results[name]) / math.sqrt(SEEDS)
    print(f"{name:18} misplaced {fmean(results[name]):.3f} +- {error:.3f}, "
          f"modes {modes_found[name]:.1f}  {compare(results[name], results['plain'])}")  # fmt: skip


def compare(values: list[float], plain: list[float]) -> str:
    """The difference of two means over seeds, in standard errors, and our verdict."""
    error = math.sqrt(variance(values) / len(values) + variance(plain) / len(plain))
    score = (fmean(values) - fmean(plain)) / max(error, 1e-6)
    verdict = "better" if score < -3 else "worse" if score > 3 else "no difference seen"
    return f"{score:+5.1f} standard errors: {verdict}"


def better(name: str, *others: str) -> tuple[str, bool, str]:
    """For env.expect: a run misplaces fewer samples than each of some others."""
    first, *rest = (round(fmean(results[run]), 3) for run in (name, *others))
    text = f"on the ring, {name} is better than {', '.join(others)}"
    return text, first < min(rest), f"usually {text}; here its share is {first}, theirs {rest}."


# %% tags=["training", "nbval-ignore-output"]
_, plain_D, plain_x = run("plain")
fig, axes = panels(min(4, SEEDS), width=2.4, height=2.4, sharex=True, sharey=True)
for i, ax in enumerate(axes):
    ax.scatter(*RING.sample(400, env.rng(4, "cpu")).T, s=2, color="lightgrey")
    ax.scatter(*plain_x[i, :500].T, s=2, color=PALETTE[1])
    ax.set(title=f"seed {i}", xlim=(-2.7, 2.7), ylim=(-2.7, 2.7), xlabel="x1", ylabel="x2")
show(fig, alt="Samples of four plain generators over the ring of eight small clouds")
plain = fmean(results["plain"])
env.report(ring_plain_misplaced=plain)
env.expect(
    "the plain run neither solves the ring nor fails completely", 0.1 < plain < 0.95,
    f"its misplaced share is {plain:.2f}, usually about 0.7: tricks are hard to compare now.",
)

# %% [markdown]
# *Four of the eight plain runs (orange) over real points (grey).* Same code, same data. With one seed each, one can "show" that almost any trick helps.
#
# A mode counts as found if it has at least a quarter of the samples it should have.
#
# **What counts.** We compare means over eight seeds, and divide the difference by its standard error. Beyond 3 we say better or worse. Why not 2? We make fifteen comparisons, all with the same plain run. With a limit of 2, about one of them would come out "significant" even if no trick did anything.
#
# ## 2. Batch norm couples the examples of a batch
#
# **With batch norm in D, should real and fake examples share a batch?** Batch norm subtracts the batch's mean and divides by its standard deviation. So its output depends on what else is in the batch. Take real values near 3 and fake ones near 0:

# %%
rng = env.rng(5, "cpu")
real_h, fake_h = 3 + torch.randn(64, 1, generator=rng), torch.randn(64, 1, generator=rng)
norm = tricks.BatchNorm(1, 1)
apart, joint = (norm(real_h), norm(fake_h)), norm(torch.cat([real_h, fake_h])).chunk(2)
for name, pair in {"two batches": apart, "one batch": joint}.items():
    real_mean, fake_mean = (round(h.mean().item(), 2) + 0.0 for h in pair)  # + 0.0: no "-0.00"
    print(f"{name:12} mean of real {real_mean:+.2f}   mean of fake {fake_mean:+.2f}")

# %% [markdown]
# In two batches both means are 0 afterwards: D can't see that the fakes are off by 3. In one batch it can, but each value now depends on how many fakes the batch holds. In G's step a batch holds fakes only, and D was never trained on such a batch. In images, a layer's mean is one difference of many; for two-dimensional points it is one of the few. Measured:

# %% tags=["training", "nbval-ignore-output"]
with_norm = partial(tricks.BatchNorm, SEEDS, 1)
D_norm = partial(discriminator, norm=with_norm)
run("D norm, apart", make_D=D_norm)
run("D norm, one batch", make_D=D_norm, loss_D=tricks.joint_log_loss)
norm_G, _, _ = run("G norm", make_G=partial(generator, norm=with_norm))
env.expect(*better("plain", "D norm, apart", "D norm, one batch"))

# %% [markdown]
# The third row has batch norm in G only. There it has an effect that is easy to overlook: **the samples of a batch depend on each other.** In a different batch, the same latent vector $z$ (noise) gives another sample. *Virtual batch norm* (Salimans et al., 2016) avoids this: choose a reference batch once, before training. Each $x$ is normalized by the statistics of the reference batch **and itself**, never by those of its neighbours.
#
# $$\mu(x) = \frac{1}{n+1}\Big(x + \sum_{i=1}^{n} r_i\Big), \qquad \mathrm{VBN}(x) = \frac{x - \mu(x)}{\sqrt{\sigma^2(x) + \varepsilon}}$$
#
# **Exercise 10.1** · *Virtual batch norm* · difficulty ●●●○○ · importance ●●●○○ · 12 minutes · 3 points
#
# - `h`: (B, features), `reference`: (n, features), the same layer's values for the batch and for the reference.
# - For each row of `h`: mean and variance over the n rows of `reference` and this row, for each feature.
# - The variance is divided by n + 1. Add `eps` to it, take the root, divide.
# - Return (B, features). G is trained through the result, so gradients reach `h` and `reference`.
#
# <details><summary>Hint 1</summary>
#
# Sums over the reference are the same for every row. `reference.sum(dim=0)` has shape (features,), and `+ h` gives one sum for each row.
#
# </details>
# <details><summary>Hint 2</summary>
#
# The variance is the mean of squares minus the square of the mean. The mean of squares is computed in the same way as the mean.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `mean = (reference.sum(0) + h) / (n + 1)`, `square = (reference.square().sum(0) + h.square()) / (n + 1)`, variance `square - mean.square()`.
#
# </details>


# %% tags=["exercise"]
def virtual_batch_norm(h: Tensor, reference: Tensor, eps: float = 1e-5) -> Tensor:
    """Normalise each row of h (B, features) by reference (n, features) and itself."""
    # BEGIN SOLUTION
    n = len(reference)
    mean = (reference.sum(dim=0) + h) / (n + 1)
    square = (reference.square().sum(dim=0) + h.square()) / (n + 1)
    return (h - mean) / (square - mean.square() + eps).sqrt()
    # END SOLUTION


# %%
virtual_batch_norm = check("10.1", virtual_batch_norm)

# %%
rng = env.rng(6, "cpu")
row, reference = torch.randn(1, 3, generator=rng), torch.randn(32, 3, generator=rng)
two_batches = [torch.cat([row, 5 * torch.randn(7, 3, generator=rng)]) for _ in range(2)]
virtual = partial(virtual_batch_norm, reference=reference)
for name, norm in {"batch norm": tricks.BatchNorm(1, 3), "virtual batch norm": virtual}.items():
    a, b = (norm(h)[0] for h in two_batches)
    print(f"{name:19} the same row in two batches, equal: {torch.allclose(a, b)}")

# %% [markdown]
# In a network, the reference batch of latent vectors is prepended to every batch (`tricks.Virtual`), each layer normalizes it by its own statistics, and it is removed from the output. This costs the time for the reference batch. How much does the sample of a fixed $z$ vary over 100 batches whose other members differ?


# %% tags=["training", "nbval-ignore-output"]
def virtual_generator(rng: torch.Generator, size: int = 64) -> nn.Module:
    G = generator(rng, norm=partial(tricks.BatchNorm, SEEDS, 1, reference=size))
    return tricks.Virtual(G, env.noise(NOISE, rng)(SEEDS * size).view(SEEDS, size, NOISE))


virtual_G, _, _ = run("G virtual norm", make_G=virtual_generator)
sample_z = noise_batches(env.rng(7, "cpu"))
fixed, deviations = sample_z()[:, :6], []
fig, axes = panels(2, width=3.6, height=3.4, sharex=True, sharey=True)
for ax, title, G in zip(axes, ("batch norm", "virtual batch norm"), (norm_G, virtual_G)):
    with torch.no_grad():  # six fixed z and ten others in each batch of 16
        others = [sample_z()[:, 6:16] for _ in range(100)]
        x = torch.stack([G(torch.cat([fixed, z], dim=1))[:, :6] for z in others])
    deviations.append(x.std(dim=0).mean())
    for i in range(6):
        ax.scatter(*x[:, 0, i].T, s=14, color=PALETTE[i], marker="osD^vP"[i])
    ax.set(title=title, xlabel="x1", ylabel="x2", xlim=(-2.7, 2.7), ylim=(-2.7, 2.7))
show(fig, alt="Six noise vectors in 100 batches: clouds with batch norm, points with virtual norm")
env.report(wander_batch_norm=deviations[0], wander_virtual=deviations[1])
assert deviations[1] < 1e-3

# %% [markdown]
# *Six fixed latent vectors, each in 100 batches of 16.* Compare the standard deviation of one $z$'s samples (printed above) with the modes' 0.05. With virtual batch norm it is zero up to rounding. Notebook 03 samples in eval mode instead, with running averages from training; G then computes a different function from the one that was trained.
#
# ## 3. Noise: cube, normal or sphere
#
# **Does it matter which distribution $z$ has?** DCGAN draws from the cube $[-1, 1]^d$; many draw from a normal distribution; the sphere is recommended because in many dimensions normal vectors lie *close to* a sphere. How long are latent vectors, and how long is the vector halfway between two of them?

# %%
print(f"{'':13} {'length / sqrt(d)':>17} {'halfway, straight':>18} {'halfway, arc':>17}")
for kind in ("uniform", "normal", "sphere"):
    for d in (8, 100):
        z = env.noise(d, env.rng(8, "cpu"), kind)(4000) / math.sqrt(d)
        a, b = z.chunk(2)
        lengths = [v.norm(dim=1) for v in (z, lerp(a, b, 0.5), slerp(a, b, 0.5))]
        print(f"{kind:8} {d:4}", *(f"{v.mean():9.2f} +- {v.std():.2f}" for v in lengths))

# %% [markdown]
# With 100 dimensions the length hardly varies, in the cube and in the normal distribution alike: the vectors lie on a thin shell. A straight path between two of them leaves it (halfway, the length is about 0.71 of the shell's radius); `slerp` (notebook 04) stays on it. With eight dimensions, as on the ring, lengths vary far more, so normal and sphere differ:

# %% tags=["training", "nbval-ignore-output"]
run("cube noise", make_z=partial(noise_batches, kind="uniform"))
run("short normal noise", make_z=partial(noise_batches, scale=3**-0.5))  # as short as the cube's
run("sphere noise", make_z=partial(noise_batches, kind="sphere"))
env.expect(*better("cube noise", "sphere noise"))

# %% [markdown]
# ## 4. Labels, activations, steps and learning rates
#
# **Do softer labels help D?** *Label smoothing* replaces the labels 1 and 0 by softer ones, say $a$ for real and $b$ for fake. With densities $p$ of the data and $q$ of the fakes, notebook 02's derivation gives the best D:
#
# $$D^*(x) = \frac{a\, p(x) + b\, q(x)}{p(x) + q(x)}$$

# %%
grid = torch.linspace(-3, 8, 400)
p, q = (toy.Normal(mean, 1.0).density(grid[:, None]) for mean in (0.0, 4.0))
labels = ((1.0, 0.0), (0.9, 0.0), (0.9, 0.1))
curves = {f"real {a}, fake {b}": (a * p + b * q) / (p + q) for a, b in labels}
slopes = {name: torch.gradient(y.log(), spacing=(grid,))[0] for name, y in curves.items()}
fig, axes = panels(2, width=4.4, height=2.8)
plot_curves(grid, curves, xlabel="x (data near 0, fakes near 4)", ylabel="best D", ax=axes[0])
plot_curves(grid, slopes, xlabel="x", ylabel="slope of log D: a fake's gradient", ax=axes[1])
show(fig, alt="Left: three D fall with x. Right: only with fake label 0.1 is log D flat at x = 4")
for name, slope in slopes.items():
    print(f"{name:20} slope of log D at x = 4: {slope[(grid - 4).abs().argmin()]:+.2f}")

# %% [markdown]
# **Exercise 10.2** · *Why one-sided* · difficulty ●●○○○ · importance ●●●●○ · 6 minutes · 1 point
#
# Salimans et al. smooth one side only: $a = 0.9$, $b = 0$. What is wrong with $b > 0$?
#
# - `"a"`: D's logits then become too small everywhere
# - `"b"`: where there are fakes but no data, $D^*$ is $b$ and flat, so bad fakes get no gradient
# - `"c"`: D then no longer ranks real examples above fakes
# - `"d"`: the loss is no longer finite for every logit
# - `"e"`: nothing, the two sides are symmetric
#
# <details><summary>Hint 1</summary>
#
# Look at the right panel, near $x = 4$.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Put $p = 0$ into the formula for $D^*$ with $b = 0.1$. Then take $b = 0$, and a $p$ that is small but not zero.
#
# </details>
# <details><summary>Hint 3</summary>
#
# With $b = 0$, $\log D^* \approx \log p - \log q + \log a$ there: its slope points to the data however small $p$ is.
#
# </details>

# %% tags=["exercise"]
one_sided = ...  # a letter in quotes
# BEGIN SOLUTION
one_sided = "b"
# END SOLUTION

# %%
one_sided = check("10.2", one_sided)

# %% [markdown]
# With $b = 0$, smoothing the real label leaves the slope of $\log D^*$ unchanged: $a$ is only a factor. The effect is that D is never fully confident. Measured, with three pieces of advice that need no derivation:
#
# - no ReLU in D, "avoid sparse gradients": here a plain ReLU in place of the leaky one;
# - k > 1, several steps of D for each of G;
# - two time-scales (Heusel et al., 2017): a higher learning rate for D.

# %% tags=["training", "nbval-ignore-output"]
run("smoothed labels", loss_D=tricks.smoothed_log_loss)
run("ReLU in D", make_D=partial(discriminator, slope=0.0))
run("k = 3", k=3)
run("D's rate doubled", rate_D=4e-3)
env.expect(*better("G virtual norm", "smoothed labels", "ReLU in D", "k = 3", "D's rate doubled"))

# %% [markdown]
# In the run recorded here none of the four differs by our rule. Look at the modes, too: the two runs with a faster D found fewer than the plain run, which speaks against "a better D gives a better gradient". A possible reason: in the theory, D is trained to its optimum after each small step of G. Here G can move all samples together to wherever D's output is highest.
#
# ## 5. A critic with bounded gradients
#
# **What if the norm of D's gradient is bounded?** Miyato et al. (2018) bound it layer by layer: divide each weight matrix by its largest singular value, which a few steps of power iteration approximate: $v \leftarrow W^T u / \|W^T u\|$, $u \leftarrow W v / \|W v\|$, $\sigma \approx u^T W v$. One step at each use is enough, since $W$ changes slowly.

# %%
W = torch.randn(64, 64, generator=env.rng(9, "cpu"))
exact = torch.linalg.matrix_norm(W, ord=2)
u = F.normalize(torch.randn(64, generator=env.rng(10, "cpu")), dim=0)
for step in range(1, 65):
    v = F.normalize(W.T @ u, dim=0)
    u = F.normalize(W @ v, dim=0)
    if step in (1, 4, 16, 64):
        print(f"after {step:2} steps: {(u @ W @ v) / exact:.3f} of the largest singular value")


# %% tags=["training", "nbval-ignore-output"]
def gradient_norm(D: nn.Module) -> float:
    """The mean norm of D's gradient at real points."""
    x = next(ring_batches(env.rng(11, "cpu"))).requires_grad_()
    return torch.autograd.grad(D(x).sum(), x)[0].norm(dim=-1).mean().item()


def spectral_discriminator(rng: torch.Generator) -> nn.Module:
    return many_seeds.spectral(discriminator(rng), rng)


_, spectral_D, _ = run("spectral norm in D", make_D=spectral_discriminator)
for name, D in {"plain": plain_D, "spectral norm": spectral_D}.items():
    print(f"{name:13} norm of D's gradient at real points: {gradient_norm(D):.2f}")
assert gradient_norm(spectral_D) < 1.1  # at most 1, up to the error of the power iteration

# %% [markdown]
# The bound of 1 holds for the whole network, and in the run recorded here the gradient stays far below it: each layer is divided by its *largest* singular value, so most directions shrink in every layer, and the leaky ReLUs shrink negative values again. Such a D can hardly change its output within a distance of 0.1, as modes with a standard deviation of 0.05 require. Distances between images are larger, and there the same bound restricts D less. Whether it helps depends on the *scale* of the data.
#
# **WGAN** builds on such a bound (Arjovsky et al., 2017). If the gradient of a critic $f$ has norm 1 at most everywhere, the largest possible $E_x[f(x)] - E_z[f(G(z))]$ is the **Wasserstein distance** $W$: the least distance, on average, by which mass must be moved to turn fakes into data. Gulrajani et al. (2017) push the gradient's norm towards 1 with a penalty at points between real and fake, $\hat x = t\, x + (1 - t)\, \tilde x$:
#
# $$L = E[f(\tilde x)] - E[f(x)] + \lambda\, E\big[(\|\nabla_{\hat x} f(\hat x)\|_2 - 1)^2\big]$$
#
# **Exercise 10.3** · *The gradient penalty* · difficulty ●●●○○ · importance ●●●●● · 15 minutes · 3 points
#
# Return the last expectation, without $\lambda$.
# - `x`, `fakes`: (B, n); `t`: (B, 1), a number in [0, 1] for each row. `D(x)` gives (B,) and treats rows one by one.
# - The gradient is with respect to the mixed points; its norm is taken for each row.
# - D must be able to learn from the result: it needs a graph. Leave the `.grad` of D's weights as it is.
#
# <details><summary>Hint 1</summary>
#
# `mixed = (t * x + (1 - t) * fakes).requires_grad_()`. (In a real step the fakes were made under `no_grad`; `detach()` makes sure.)
#
# </details>
# <details><summary>Hint 2</summary>
#
# `torch.autograd.grad(D(mixed).sum(), mixed, create_graph=True)` returns a tuple with one tensor, (B, n). Why does the sum not mix the rows?
#
# </details>
# <details><summary>Hint 3</summary>
#
# `(gradient.norm(dim=-1) - 1).square().mean()`.
#
# </details>


# %% tags=["exercise"]
def gradient_penalty(D: nn.Module, x: Tensor, fakes: Tensor, t: Tensor) -> Tensor:
    """Mean of (gradient norm - 1)^2 at points between real and fake: one number, with a graph."""
    # BEGIN SOLUTION
    mixed = (t * x + (1 - t) * fakes).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(D(mixed).sum(), mixed, create_graph=True)
    return (gradient.norm(dim=-1) - 1).square().mean()
    # END SOLUTION


# %%
gradient_penalty = check("10.3", gradient_penalty)

# %% [markdown]
# **How accurate is the critic?** In one dimension $W$ is known: sort both sets of points, pair them in order, $W = \int_0^1 |F_p^{-1}(u) - F_q^{-1}(u)|\, du$. We take eight pairs of normal distributions and eight critics, trained in parallel, without a generator.
#
# One can predict the error. The penalty is soft: a slope of $1 + s$ lowers the loss by $sW$ and adds $\lambda s^2$; the sum is least at $s = W / 2\lambda$. Where the two distributions lie far apart the critic's estimate should therefore be about $W(1 + W / 2\lambda)$: too high, by a share that grows with the distance.

# %% tags=["training", "nbval-ignore-output"]
CRITIC_STEPS = env.budget(smoke=12, cpu=800, gpu=2500)
means = torch.tensor([0.5, 0.75, 1.0, 1.25, 1.5, 0.0, 0.0, 1.0])[:, None, None]
stds = torch.tensor([1.0, 1.0, 1.0, 1.0, 0.5, 2.0, 0.4, 1.6])[:, None, None]


def pairs(m: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
    """m points of N(0, 1) and of each of the eight others: (8, m, 1) twice."""
    e = torch.randn(2, len(means), m, 1, generator=rng)
    return e[0], means + stds * e[1]


def estimate(weight: float) -> Tensor:
    """Train eight critics; the estimate of each for its pair, on fresh points."""
    rng = env.rng(12, "cpu")
    f = discriminator(rng, seeds=len(means), n_in=1)
    opt = torch.optim.Adam(f.parameters(), 3e-3, betas=(0.0, 0.9), fused=True)
    schedule = linear_decay(opt, CRITIC_STEPS, hold=0.3)
    for step in range(CRITIC_STEPS):
        x, y = pairs(256, rng)
        t = torch.rand(len(means), 256, 1, generator=rng)
        penalty = tricks.gradient_penalty(f, x, y, t)  # the package's: for eight critics at once
        current = weight * min(1.0, step / (0.4 * CRITIC_STEPS))  # it rises from 0, see below
        descend(opt, f(y).mean() - f(x).mean() + current * penalty)
        schedule.step()
    x, y = pairs(50_000, rng)
    with torch.no_grad():
        return f(x).mean(dim=1) - f(y).mean(dim=1)


quantiles = torch.special.ndtri((torch.arange(20_000, dtype=torch.double) + 0.5) / 20_000)
truth = (quantiles - (means + stds * quantiles[:, None])[:, :, 0]).abs().mean(dim=1).float()
w, weights, worst = torch.linspace(0, truth.max(), 50), (10.0, 1.0), []
curves = {f"W (1 + W / {2 * weight:g})": w * (1 + w / (2 * weight)) for weight in weights}
ax = plot_curves(w, curves | {"the truth": w}, xlabel="true distance W", ylabel="estimate of W")
for weight, marker, colour in zip(weights, "os", PALETTE):
    estimates = estimate(weight)
    errors = estimates / truth - 1
    worst.append(errors.abs().max())
    print(f"lambda = {weight:2g}: errors of the 8 from {errors.min():+.1%} to {errors.max():+.1%}")
    ax.plot(truth, estimates, marker, color=colour, label=f"critic, lambda = {weight:g}")
ax.legend()
show(ax, alt="Estimates over true distances: near the diagonal for lambda 10, above it for 1")
env.report(critic_worst_error=worst[0], critic_worst_error_lambda_1=worst[1])
env.expect(
    "critics are within 15 % with lambda 10, but not with 1", worst[0] < 0.15 < worst[1],
    f"the worst errors are {worst[0]:.0%} and {worst[1]:.0%}; usually about 8 % and 80 %.",
)

# %% [markdown]
# *Eight true distances and the critics' estimates.* Compare the errors with the prediction. With the paper's $\lambda = 10$ they should be small; with $\lambda = 1$ the penalty is too soft. Papers that plot "the Wasserstein distance" over training plot this estimate, which depends on $\lambda$.
#
# There is a trap: the penalty asks for a gradient of *norm* 1, and a slope of $-1$ has norm 1 too. The simplest critic, $f(x) = s\,x$, for a distance of 1:

# %%
for start in (0.5, -0.5):
    s = torch.tensor(start, requires_grad=True)
    for _ in range(500):
        (gradient,) = torch.autograd.grad(-s + 10 * (s.abs() - 1) ** 2, s)
        s = (s - 0.01 * gradient).detach().requires_grad_()
    print(f"a critic that starts with slope {start:+.1f} ends with {s.item():+.2f}")

# %% [markdown]
# In one dimension, the way from $-1$ to $+1$ leads through slope 0, where the penalty is $\lambda$. So our critics' $\lambda$ rises from 0 over the first two fifths of the steps. In more dimensions a gradient can rotate instead. And on the ring?

# %% tags=["training", "nbval-ignore-output"]
critic_loss = tricks.critic_loss(env.rng(13, "cpu"), weight=1.0)
run("WGAN-GP", loss_D=critic_loss, loss_G=tricks.wasserstein_loss, betas=(0.0, 0.9))
env.expect(*better("plain", "WGAN-GP"))

# %% [markdown]
# It usually does not converge in so few steps. (We use $\lambda = 1$, Adam with $\beta_1 = 0$ as in the paper, and k = 1 where the paper has 5.)
#
# ## 6. Looking at the whole batch
#
# **Why does D not detect that modes are missing?** It looks at one sample at a time, and each sample of a collapsed G may look real. *Minibatch discrimination* (Salimans et al., 2016) lets it compare the samples of a batch. A learned tensor turns the features of example $i$ into a few vectors $M_{i,b}$, one for each kernel $b$, and to the features is appended
#
# $$o(x_i)_b = \sum_{j=1}^{n} \exp\big(-\|M_{i,b} - M_{j,b}\|_1\big).$$
#
# **Exercise 10.4** · *How close is the batch?* · difficulty ●●○○○ · importance ●●●○○ · 12 minutes · 2 points
#
# - `M`: (n, kernels, dims).
# - Return (n, kernels): the sum above over all j of the batch, j = i included, with the L1 distance. D is trained through it.
#
# <details><summary>Hint 1</summary>
#
# Compute all differences at once: `M[:, None] - M[None]` has shape (n, n, kernels, dims).
#
# </details>
# <details><summary>Hint 2</summary>
#
# Absolute values, then the sum over the last dimension: the distance of each pair, for each kernel.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `torch.exp(-distance).sum(dim=1)`, where `distance` has shape (i, j, kernels).
#
# </details>


# %% tags=["exercise"]
def closeness(M: Tensor) -> Tensor:
    """How close each example is to its batch: (n, kernels, dims) -> (n, kernels)."""
    # BEGIN SOLUTION
    distance = (M[:, None] - M[None]).abs().sum(dim=3)
    return torch.exp(-distance).sum(dim=1)
    # END SOLUTION


# %%
closeness = check("10.4", closeness)

# %%
for name, x in point_sets.items():
    print(f"{name:14} mean closeness of 16 points: {closeness(x[:16, None]).mean():.1f}")

# %% [markdown]
# With 16 equal points it would be 16. The second trick gives G an easier goal. *Feature matching*: on average over a batch, D's last hidden layer should be the same for fakes as for real examples. D trains as before.


# %% tags=["training", "nbval-ignore-output"]
def minibatch_discriminator(rng: torch.Generator, kernels: int = 4, dims: int = 3) -> nn.Module:
    D = discriminator(rng)
    more = many_seeds.MinibatchFeatures(SEEDS, WIDTH, kernels, dims, rng)
    head = many_seeds.Linear(SEEDS, WIDTH + kernels, 1, rng)
    return many_seeds.Discriminator(nn.Sequential(D.features, more), head)


run("minibatch discr.", make_D=minibatch_discriminator)
run("feature matching", loss_G=tricks.feature_matching)
env.expect(*better("plain", "minibatch discr.", "feature matching"))

# %% [markdown]
# Why can they fail here? A D that gets a whole batch can tell real from fake by the batch's statistics alone, too early in training. And two batches can agree in the means of 64 features and still differ in where their points lie.
#
# ## 7. The results so far

# %% tags=["nbval-ignore-output"]
ax = plot_bars(results, xlabel="misplaced share (less is better); a dot per seed")
ax.axvline(plain, color="black", linewidth=0.8, linestyle=":")
show(ax, alt="A bar for each trick with a dot for each seed; a dotted line marks the plain run")
for name in results:
    print_row(name)
env.expect(*better("G virtual norm", "plain"))

# %% [markdown]
# *Every trick on the ring; the dotted line is the plain run.* In the run recorded here virtual batch norm in G and noise from the cube come out ahead of the plain run, and six rows fall clearly behind. A caution about the cube: its vectors are also shorter (Section 3). Before you attribute the result to the shape, compare the row below it, normal noise of that length. This is **not** a verdict on the tricks: most were made for images. So here they are on digits, with a small DCGAN and five seeds each. These runs take too long for a notebook; a script ran them, with the printed command.

# %%
table = load_table("tricks")
print(table["command"], f"(real digits: {table['real']['frechet']:.1f})\n", sep="\n")
keys = ("frechet", "halfway_straight", "halfway_arc", "loss_D", "loss_G")
frechet = {name: [r["frechet"] for r in row["runs"]] for name, row in table["rows"].items()}
print(f"{'':10}  samples straight      arc   loss_D   loss_G")
for name, row in table["rows"].items():
    columns = (f"{fmean(r[key] for r in row['runs']):8.4g}" for key in keys)
    print(f"{name:10}", *columns, f"  {compare(frechet[name], frechet['plain'])}  ({row['what']})")
ax = plot_bars(frechet, xlabel="Fréchet distance on digits (less is better); a dot per seed")
ax.axvline(fmean(frechet["plain"]), color="black", linewidth=0.8, linestyle=":")
show(ax, alt="A bar for each DCGAN on digits with a dot for each seed; a dotted line marks plain")

# %% [markdown]
# *The same tricks on digits, by the Fréchet distance of Section 8.* These are short runs: they show what a trick does early in training, not at the end. A trick that helps on one task need not help on the next. Virtual batch norm is better than plain here, too, and feature matching, among the worst on the ring, is level with it. Part of virtual batch norm's lead may come from how the other generators are sampled: with running averages, which lag in so short a run. The clearest row is real and fake in one batch. Both of its losses end near 0, which is impossible if both players rate the same fakes (Section 10). D is right about mixed batches, but classifies any batch of fakes alone as real, so G learns nothing. The columns "straight" and "arc" are for images from halfway between two latent vectors: in most rows the straight path, which leaves the shell, is worse; with virtual batch norm it is not.
#
# ## 8. Metrics from first principles
#
# **How do we measure whether samples are good?** All metrics below look at the features or the predictions of a network. The usual one is Inception; for digits we take notebook 03's judge, a digit classifier. So the numbers can't be compared with published ones ("inception-style"). If you have run notebook 03, its judge is loaded; if not, it is trained now. On Colab each notebook has a disk of its own: call `env.keep_on_drive()` after the first cell, here and in notebook 03, and its judge is found.

# %% tags=["training", "nbval-ignore-output"]
device = env.device()
train_set, test_set = digits.load(32, "train"), digits.load(32, "test")
judge_file = env.run_dir("03_dcgan") / "judge.safetensors"
if judge_file.exists():
    judge = networks.load(judge_file, device)
else:
    rng = env.rng(0)
    batches = Batches(train_set.images, train_set.labels, size=100, rng=rng)
    judge = train_judge(batches, rng, env.budget(smoke=40, cpu=500, gpu=1500))
judge.requires_grad_(False)
accuracy = (in_batches(judge, test_set.images).argmax(1) == test_set.labels).float().mean()
env.report(judge_accuracy=accuracy)
env.expect(
    "the judge is right about unseen digits", accuracy > 0.95,
    f"it is right about {accuracy:.1%}, usually 98 %: was notebook 03 run with the smoke profile?",
)

# %% [markdown]
# **The inception-style score.** Salimans et al. (2016) ask for two things: the classifier is confident about each sample, and all classes occur among the samples. One number measures both, $\exp E_x\big[\mathrm{KL}(p(y|x)\,\|\,p(y))\big]$, where $p(y)$ is the mean of the $p(y|x)$.
#
# **Exercise 10.5** · *Sure of each, and of all kinds* · difficulty ●●○○○ · importance ●●●●○ · 10 minutes · 2 points
#
# - `p`: (n, classes), a row of probabilities for each sample.
# - Return the score, one number: the exponential of the mean over samples of $\sum_y p(y|x) \log\frac{p(y|x)}{p(y)}$.
# - $0 \log 0$ counts as 0: a classifier may be certain, and a class may never occur.
#
# <details><summary>Hint 1</summary>
#
# `p.mean(dim=0)` is p(y).
#
# </details>
# <details><summary>Hint 2</summary>
#
# `torch.xlogy(a, b)` is a log b, and 0 where a is 0. A logarithm of a quotient is a difference.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `kl = (torch.xlogy(p, p) - torch.xlogy(p, marginal)).sum(dim=1)`, then `kl.mean().exp()`.
#
# </details>


# %% tags=["exercise"]
def inception_score(p: Tensor) -> Tensor:
    """exp of the mean KL divergence of each row of p (n, classes) from their mean."""
    # BEGIN SOLUTION
    marginal = p.mean(dim=0)
    kl = (torch.xlogy(p, p) - torch.xlogy(p, marginal)).sum(dim=1)
    return kl.mean().exp()
    # END SOLUTION


# %%
inception_score = check("10.5", inception_score)

# %%
ten = torch.eye(10)
for name, p in {
    "confident, all classes": ten.repeat(20, 1), "confident, one class": ten[:1].repeat(200, 1),
    "confident, 5 classes": ten[:5].repeat(40, 1), "not confident": torch.full((200, 10), 0.1),
}.items():  # fmt: skip
    print(f"{name:23} score {float(inception_score(p)):5.2f}")

# %% [markdown]
# The **Fréchet distance** (Heusel et al., 2017; notebook 03) treats real and fake features as two Gaussians and compares means and covariances. The **kernel distance** (Bińkowski et al., 2018) compares pairs of features by a polynomial kernel instead, $k(x, y) = (x \cdot y / d + 1)^3$: real with real, fake with fake, real with fake. It is unbiased: for two sets from one distribution it is 0 *on average*, at any size. Ours agree with a widely used library that is given the same features:

# %% tags=["nbval-ignore-output"]
two_sets = train_set.images[::8][:400], test_set.images[::2][:400].flip(3)  # one is mirrored
a, b = (in_batches(judge.features, x).double().cpu() for x in two_sets)
METRICS = {"Fréchet": samples.frechet_distance, "kernel": samples.kernel_distance}
if importlib.util.find_spec("torchmetrics"):
    from torchmetrics.image import fid, kid

    warnings.filterwarnings("ignore", module="torchmetrics")  # on the memory for the features
    given = nn.Identity()  # in place of Inception: it gets features
    given.num_features = 128
    fid, kid = fid.FrechetInceptionDistance(given), kid.KernelInceptionDistance(given, 1, 400)
    for (name, metric), theirs in zip(METRICS.items(), (fid, kid)):
        theirs.update(a, real=True)
        theirs.update(b, real=False)
        ours, other = metric(a, b), torch.as_tensor(theirs.compute()).flatten()[0].item()
        print(f"{name:8} distance: ours {ours:10.5g}, torchmetrics {other:10.5g}")
        assert abs(ours - other) <= 1e-3 * abs(other)
else:
    print("torchmetrics is not installed here: pip install torchmetrics")

# %% [markdown]
# **How many samples?** Compare *real* digits with other real digits. Both distances should be 0.

# %% tags=["nbval-ignore-output"]
REPEATS = {50: 8, 100: 8, 200: 8, 400: 8, 1000: 3}  # random draws for each number of images
rng = env.rng(20)
features = [in_batches(judge.features, s.images) for s in (train_set, test_set)]


def draw(n: int) -> list[Tensor]:
    """n random rows of training features, and n of test features."""
    return [f[torch.randperm(len(f), generator=rng, device=rng.device)[:n]] for f in features]


fig, axes = panels(2, width=4.2, height=2.8)
means = {}
for ax, (name, metric) in zip(axes, METRICS.items()):
    values = [[metric(*draw(n)) for _ in range(repeats)] for n, repeats in REPEATS.items()]
    means[name] = [fmean(v) for v in values]
    ax.errorbar(list(REPEATS), means[name], yerr=[stdev(v) for v in values], marker="o", capsize=3)
    ax.axhline(0, color="grey", linewidth=0.8)
    ax.set(xscale="log", xlabel="images on each side", ylabel=f"{name} distance")
show(fig, alt="Left: the Fréchet distance falls with more images. Right: the kernel one does not")
bias = dict(zip(REPEATS, means["Fréchet"]))
print("Fréchet distance, real against real:", ", ".join(f"{n}: {v:.1f}" for n, v in bias.items()))
env.report(frechet_bias_100=bias[100], frechet_bias_1000=bias[1000])
env.expect(
    "the Fréchet distance of real to real digits falls with more images", bias[50] > bias[1000],
    f"it is {bias[50]:.0f} for 50 and {bias[1000]:.0f} for 1,000; usually above 100 and below 10.",
)

# %% [markdown]
# *Training images, from which the judge learned, against test images: mean and standard deviation over 8 random draws. At 1,000 there are 3 draws with the same test images, so this bar is too short.* The Fréchet distance of perfect samples is not 0. It is **biased**: a covariance of 128 features, estimated from 50 images, has many directions with no variance at all, and that counts as a difference. Results computed with different numbers of samples can't be compared. The kernel distance has no such bias, but it varies a lot between small draws.
#
# **Precision and recall.** One number can't say whether samples are bad or too few of a kind. Kynkäänniemi et al. (2019) draw a ball around each real example that reaches to its third nearest real neighbour. All balls together estimate the support of the real distribution. *Precision* is the share of fakes inside it. *Recall* swaps the roles: the share of real examples inside the balls around fakes.
#
# **Exercise 10.6** · *Inside the cloud* · difficulty ●●●○○ · importance ●●●●○ · 12 minutes · 2 points
#
# - `points`: (n, d); `cloud`: (m, d); `k` at least 1 and below m.
# - The radius of each point of the cloud: its distance to its k-th nearest *other* point of the cloud. (An equal point is another point.)
# - Return (n,), bools: does the point lie in at least one ball (distance ≤ radius)?
#
# <details><summary>Hint 1</summary>
#
# `torch.cdist(a, b)` gives all distances, (n, m).
#
# </details>
# <details><summary>Hint 2</summary>
#
# In `torch.cdist(cloud, cloud)` every row holds a 0: the point itself. `kthvalue(k + 1, dim=1)` skips it.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `(torch.cdist(points, cloud) <= radius).any(dim=1)`: the radius belongs to the column.
#
# </details>


# %% tags=["exercise"]
def covered(points: Tensor, cloud: Tensor, k: int = 3) -> Tensor:
    """Which of the points (n, d) lie inside the balls of the cloud (m, d): (n,) of bools."""
    # BEGIN SOLUTION
    radius = torch.cdist(cloud, cloud).kthvalue(k + 1, dim=1).values
    return (torch.cdist(points, cloud) <= radius).any(dim=1)
    # END SOLUTION


# %%
covered = check("10.6", covered)

# %%
cloud = RING.sample(1000, env.rng(21, "cpu"))
for name, x in point_sets.items():
    inside, reached = covered(x[:1000], cloud).float(), covered(cloud, x[:1000]).float()
    print(f"{name:14} precision {inside.mean():.2f}   recall {reached.mean():.2f}")

# %% [markdown]
# Two numbers distinguish the two failures of a GAN. (The blob's recall is high because its samples reach every mode.)
#
# ## 9. Five broken generators
#
# **What does each metric miss?** Here are five broken generators, compared with unseen digits: the test set stands for the samples of a perfect generator.
#
# - *copies*: images of the training set;
# - *shifted copies*: the same, shifted by one pixel;
# - *one of each*: a single image of every digit, repeated;
# - *nearly all ones*: at least 88 of 100 samples are ones, the others are unseen digits;
# - *matched moments*: noise whose pixels are optimized until the judge's features have the mean and the covariance of real features, which is all that the Fréchet distance uses.

# %% tags=["training", "nbval-ignore-output"]
N = env.budget(smoke=200, cpu=500, gpu=1000)
rng = env.rng(23)
real_x, test_x = to_float(train_set.images), to_float(test_set.images)
pick = torch.randperm(len(real_x), generator=rng, device=device)
labels = train_set.labels[pick]
copies = real_x[pick[-N:]]
unseen = test_x[torch.randperm(1000, generator=rng, device=device)[:N]]
one_each = torch.stack([copies[labels[-N:] == d][0] for d in range(10)])
ones = real_x[pick[N:]][labels[N:] == 1]
ones = torch.cat([ones.roll(by, dim) for dim in (3, 2) for by in (1, -1)])  # so they are no copies

reference = in_batches(judge.features, real_x[pick[:N]])  # real features
mean, cov = reference.mean(dim=0), torch.cov(reference.T)
raw = torch.randn(N, 1, 32, 32, generator=rng, device=device).requires_grad_()
opt = torch.optim.Adam([raw], 0.3)
for _ in range(env.budget(smoke=2, cpu=80, gpu=100)):
    with env.autocast():
        h = judge.features(raw.tanh()).float()
    descend(opt, (h.mean(0) - mean).square().sum() + (torch.cov(h.T) - cov).square().sum().sqrt())
sets = {
    "unseen digits": unseen,
    "copies": copies,
    "shifted copies": copies.roll(1, dims=3),
    "one of each": one_each.repeat(-(-N // 10), 1, 1, 1)[:N],
    "nearly all ones": torch.cat([unseen[: N * 12 // 100], ones])[:N],
    "matched moments": raw.tanh().detach(),
}
fig, axes = panels(6, width=2.1, height=2.3)
for ax, (name, x) in zip(axes, sets.items()):
    mixed = torch.randperm(len(x), generator=env.rng(24, "cpu"))[:16]
    show_images(x[mixed.to(device)], columns=4, title=name, ax=ax)
show(fig, alt="Sixteen of each set: three times digits, ten repeated digits, mostly ones, noise")

table = {}
for name, x in sets.items():
    h, p = in_batches(judge.features, x), in_batches(judge, x).softmax(1)
    precision, recall = samples.precision_recall(reference, h)
    table[name] = {"score": float(inception_score(p))}
    table[name] |= {key: metric(h, reference) for key, metric in METRICS.items()}
    table[name] |= {"precision": precision, "recall": recall}
    table[name]["digits"] = len(p.argmax(1)[p.max(1).values > 0.9].unique())
    table[name]["nearest"] = nearest(x, real_x)[0].median().item()
print(f"{'':16}", *(f"{key:>9}" for key in table["copies"]))
for name, row in table.items():
    print(f"{name:16}", *(f"{value:9.4g}" for value in row.values()))
assert table["copies"]["nearest"] < 0.1 < table["unseen digits"]["nearest"]

# %% [markdown]
# *score: inception-style. digits: how many of the ten occur, with the judge confident. nearest: median distance to the closest training image, in pixels.* Read the table column by column. It usually looks like this:
#
# | metrics that are fooled | by | why | metrics that detect it |
# |---|---|---|---|
# | the score, precision, counting | one of each | the judge is confident about each, all ten digits occur, each lies inside the real support | recall, both distances, the nearest neighbour |
# | counting, recall, largely precision | nearly all ones | (nearly) every digit occurs, and a one looks real; the rare digits are far from each other, so their balls are huge and contain many real examples | both distances, the score |
# | the Fréchet distance, recall, counting | matched moments | mean and covariance are all that the Fréchet distance uses; widely scattered features have large balls, which contain most real ones | precision, the score, the nearest neighbour in pixels, and a look at the samples; not reliably the kernel distance, which varies between draws by more than the difference |
# | all but the nearest neighbour | copies | the training images are samples of the real distribution | the nearest neighbour |
# | the nearest neighbour, too | shifted copies | in pixels, a shifted stroke is far from the original | the nearest neighbour in features |
#
# "Matched moments" was made by gradient descent on the quantities that the Fréchet distance compares. No sample is a digit, and yet in the run recorded here both its Fréchet and its kernel distance are below those of the unseen digits. A metric that is optimized directly no longer measures quality. Now the two kinds of copies:

# %% tags=["nbval-ignore-output"]
names = ("unseen digits", "copies", "shifted copies")
spaces = {"pixels": (nn.Identity(), real_x), "features": (judge.features, features[0])}
fig, axes = panels(2, width=4.2, height=2.6)
ratios = []
for ax, (space, (f, examples)) in zip(axes, spaces.items()):
    distances = [nearest(in_batches(f, sets[name]), examples)[0].cpu() for name in names]
    top = max(v.max().item() for v in distances)
    for i, (name, v) in enumerate(zip(names, distances)):
        ax.hist(v.numpy(), bins=40, range=(0, top), histtype="step", label=name, **style(i))
    ax.set(xlabel=f"nearest training image, in {space}", ylabel="images", yscale="log")
    ratios.append(distances[2].median() / distances[0].median())
axes[1].legend()
show(fig, alt="Copies at distance 0; shifted copies near unseen digits by pixels, less by features")
env.report(moved_copies_pixels=ratios[0], moved_copies_features=ratios[1])

# %% [markdown]
# *Distances to the nearest training image.* In pixels, a copy shifted by one pixel is about as far from the training set as an unseen digit is; in features it is closer (the printed ratios of the medians). Search for neighbours in features too, and look at the pairs.
#
# So report four things: a distance with its number of samples and its value for real against real; precision and recall; nearest neighbours in pixels and features; and a page of randomly drawn samples.

# %% [markdown]
# ## 10. Diagnosis of a run
#
# **Is this run broken?** Notebook 03 asked that of three runs, and the answer was: look at losses *and* samples. Now a program does the checking. At each step it needs the numbers that a person would look at: D's logits, the norm of G's gradient, the range of the data, and how far fakes are from real examples. We call them **signs**. You write one of them.
#
# **Exercise 10.7** · *A sign of collapse* · difficulty ●●○○○ · importance ●●●●○ · 10 minutes · 2 points
#
# When G collapses, its fakes become alike. Losses need not show it; one number does: how far apart two fakes are, relative to how far apart two real examples are.
#
# - `x` holds n real examples and `fakes` m fakes, of any shape after the first dimension; n and m are at least 2 and need not be equal.
# - The distance of two examples is Euclidean, over all their values.
# - Return the mean distance between two **different** fakes, divided by the mean distance between two different real examples: a number, or a tensor without dimensions.
#
# <details><summary>Hint 1</summary>
#
# `fakes.flatten(start_dim=1)` makes a vector of each example. Then the same task remains twice: a mean over pairs.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `torch.cdist(a, a)` has n times n entries, of which n are the distance of an example to itself. They are 0 and don't count: divide the sum by n (n - 1).
#
# </details>
# <details><summary>Hint 3</summary>
#
# `F.pdist(a)` gives each pair of different rows once. So: `F.pdist(fakes.flatten(start_dim=1)).mean() / ...`
#
# </details>


# %% tags=["exercise"]
def spread(x: Tensor, fakes: Tensor) -> Tensor:
    """Mean distance between two fakes, relative to that between two real examples."""
    # BEGIN SOLUTION
    return F.pdist(fakes.flatten(start_dim=1)).mean() / F.pdist(x.flatten(start_dim=1)).mean()
    # END SOLUTION


# %%
spread = check("10.7", spread)

# %% [markdown]
# `examine(step, G, D)` turns any step into one that also logs this sign and many others, without changing the training. It records what G and D receive and return, and what their optimizers do. What is computed from an output of G counts as fake, so a step may call D in any order. And `faulty_step(name)` returns a step with one injected fault. (Read `gancourse/training/faults.py` when you are done.) Here is a small ring inside [-1, 1], and a G that ends in a tanh, as for images:

# %%
small_ring = toy.Ring(modes=8, radius=0.7, std=0.02)


def records_of(fault: str) -> list[Record]:
    """The records of a run on the small ring with this fault."""
    rng, steps = env.rng(0, "cpu"), env.budget(smoke=40, cpu=400, gpu=400)
    G = nn.Sequential(MLP(2, 64, 64, 64, 2, rng=rng), nn.Tanh())
    D = MLPDiscriminator(2, 64, 64, 64, rng=rng)
    with torch.no_grad():
        for p in G[0][-1].parameters():
            p.mul_(0.1)  # the first fakes form a small cloud at the origin
    opts = [torch.optim.Adam(net.parameters(), 1e-3, (0.0, 0.9), fused=True) for net in (G, D)]
    parts = (G, D, *opts, toy.batches(small_ring, 128, rng), env.noise(2, rng))
    step = examine(partial(faulty_step(fault), *parts), G, D)
    return list(train(step, steps, {}, record_every=steps // 40, title="run"))


def plot_signs(records: list[Record], *signs: str, **options):
    """Curves of some signs over the steps."""
    curves = {sign: [r.losses[sign] for r in records] for sign in signs}
    return plot_curves([r.step for r in records], curves, xlabel="step", **options)


# %% [markdown]
# Three faulty runs and a healthy one. Before you read on, look at the upper row alone: which run is the collapse?

# %% tags=["training", "nbval-ignore-output"]
names = ("oscillation", "healthy", "mode collapse", "D too strong")
runs = {name: records_of(name) for name in names}
fig, axes = panels(4, rows=2, width=2.9, height=2.5, sharex=True)
for letter, name, above, below in zip("ABCD", names, axes[:4], axes[4:]):
    plot_signs(runs[name], "loss_D", "loss_G", ylabel="nats", title=f"run {letter}", ax=above)
    plot_signs(runs[name], "spread", "distance", ylabel="relative to data", title=name, ax=below)
    above.axhline(math.log(4), color="black", linewidth=0.8, linestyle=":")
show(fig, alt="Losses; below spread and distance. A: losses swing. B: flat losses, spread near 1. "
              "C: losses much as in B, spread near 0. D: D's loss near 0, G's high")  # fmt: skip
collapsed, healthy = (runs[name][-1].losses["spread"] for name in ("mode collapse", "healthy"))
env.expect(
    "the spread shows the collapse", collapsed < 0.5 < healthy,
    f"it is {collapsed:.2f} with a collapse, {healthy:.2f} in the healthy run; usually 0 and 1.",
)

# %% [markdown]
# *Above the losses, with log 4 dotted; below the spread of the fakes and their energy distance from the data (0 on average if both have the same distribution).* A D that is too strong and an oscillation can be read from losses. The collapse can't: in the run recorded here D's loss fluctuates, but its size is nothing unusual. The spread stays near 0.
#
# What does the diagnosis find?

# %% tags=["training", "nbval-ignore-output"]
for name, records in runs.items():
    print(f"--- injected: {name}", *diagnose(records), sep="\n")
right = sum(diagnose(records)[0].name == name for name, records in runs.items())
env.expect(
    "the diagnosis is right about three runs or more", right >= 3, f"it is right about {right}."
)

# %% [markdown]
# A finding has a name, evidence and a next step. The first finding is the likely cause; the others may be its consequences. Nothing here is learned. `diagnosis.RULES` is a table of tests, ordered from causes to consequences: first mistakes in the data and the code, which are facts; then losses and the course of training, with thresholds whose reasons are in comments. A name can stand for several tests:

# %%
print(*dict.fromkeys(rule.name for rule in RULES), sep="\n")

# %% [markdown]
# Some rules follow from theory. An example: for a fake, D's loss contains $-\log(1 - D(G(z)))$, and G's loss is $-\log D(G(z))$. They can't both be small: their sum is least at $D(G(z)) = 1/2$, and there it is log 4. Keep that in mind for the last run, whose fault you name.

# %% tags=["training", "nbval-ignore-output"]
last_run = records_of(FAULTS[6])  # don't look it up
ax = plot_signs(last_run, "loss_D", "loss_G", ylabel="loss (nats)", title="the last run")
show(ax, alt="Both losses start below 1 nat, fall together and stay near 0")
end = last_run[-1].losses
for sign in ("loss_D", "loss_G", "logit_real", "logit_fake"):
    print(f"{sign:10} at the end: {end[sign]:.3g}")
total = end["loss_D"] + end["loss_G"]
env.expect("the losses add up to less than log 4", total < math.log(4), f"they add up to {total}.")

# %% [markdown]
# **Exercise 10.8** · *Name the fault* · difficulty ●●○○○ · importance ●●●○○ · 6 minutes · 1 point
#
# G minimizes $-\log D(G(z))$. Both losses fall towards 0. What is wrong?
#
# - a: D is too strong
# - b: G minimizes $\log(1 - D)$ after all, and it has saturated
# - c: a player is trained with a wrong label, so the two have the same objective
# - d: mode collapse: D rates the one fake that G makes as real
# - e: nothing: the game has reached its equilibrium
#
# <details><summary>Hint 1</summary>
#
# What is the loss of each player for a fake that D rates as real with probability 0.99? And with 0.01?
#
# </details>
# <details><summary>Hint 2</summary>
#
# In a fair game the sum of the losses is at least log 4. Here it is not, so the game is not fair. Which of the answers changes the objectives, and not only who is ahead?
#
# </details>
# <details><summary>Hint 3</summary>
#
# Look at the printed logits. Real is 1: which have the higher logit, real examples or fakes?
#
# </details>

# %% tags=["exercise"]
answer = ...  # a letter in quotes
# BEGIN SOLUTION
answer = "c"
# END SOLUTION

# %%
answer = check("10.8", answer)

# %% [markdown] tags=["solution"]
# <details><summary>Why c</summary>
#
# D's labels are swapped: it is trained to give real examples 0 and fakes 1, and G is trained for its fakes to get 1. They cooperate, and nothing depends on the data. Had G's label been the wrong one, both losses would vanish too, with high logits on real examples and low ones on fakes.
#
# </details>

# %% [markdown]
# A diagnosis should be tested on runs that were not used to develop it. The rules were developed on rings, drawn flowers and digits. A script then injected every fault with other seeds, on the ring and on two new tasks, two moons and faces (emoji):

# %%
table = load_table("diagnosis")
kinds = list(table["tasks"]["faces"])
found = [name for rows in table["tasks"].values() for row in rows.values() for name in row["named"]]
names = list(dict.fromkeys([*kinds, *found]))  # every fault, then any other first finding
counts = torch.zeros(len(kinds), len(names), dtype=torch.long)
for task, rows in table["tasks"].items():
    for kind, row in rows.items():
        for name, count in row["named"].items():
            counts[kinds.index(kind), names.index(name)] += count
        if row["named"].get(kind, 0) < table["seeds"]:
            print(f"not always named: {kind}, {task}: {row['named']}")
print(f"{table['command']}\n({table['runs']} runs on {', '.join(table['tasks'])})")
env.report(**{key: table[key] for key in ("diagnosis_accuracy", "false_alarm_rate")})
ax = panels(1, width=7.5, height=5)[1][0]
ax.imshow(counts / counts.sum(dim=1, keepdim=True), cmap="Blues", vmin=0, vmax=1.6)
for i, j in counts.nonzero().tolist():
    ax.text(j, i, int(counts[i, j]), ha="center", va="center")
ax.set(yticks=range(len(kinds)), yticklabels=kinds, xlabel="first finding", ylabel="fault")
ax.set_xticks(range(len(names)), names, rotation=45, ha="right")
show(ax, alt="A table of counts: a row per injected fault, a column per first finding")
assert counts.sum() == table["runs"]

# %% [markdown]
# *Rows: the injected fault; columns: the first finding of the diagnosis; on the diagonal the two agree.* One fault is not named on one task: on the moons, the first fakes already lie among the data. Even a D that learns far too fast can't recognize all of them, so its loss doesn't fall below the rule's threshold, and only what follows from it may be seen.

# %% [markdown]
# These faults are our own, injected into our own step. Other people's code is the harder test. Somebody who had not seen the diagnosis wrote set-ups with other networks, losses and orders of calls, healthy and faulty, after what users report (`benchmarks/foreign.py`). Each ran with three seeds:

# %%
for kind in ("healthy", "faulty"):
    results, right = Counter(), 0
    for name, row in table["foreign"].items():
        if bool(row["fault"]) == (kind == "faulty"):
            results.update(row["named"])
            right += row["right"]
            if row["right"] < table["foreign_seeds"]:
                print(f"{kind}: {name} ({row['fault']}): {row['named']}")
    print(f"{kind}: {results.total()} runs, {right} named correctly; "
          f"{results['healthy']} 'healthy', {results['unclear']} 'unclear'\n")  # fmt: skip
figures = ("foreign_accuracy", "foreign_called_healthy", "foreign_false_alarm_rate")
env.report(**{key: table[key] for key in figures})

# %% [markdown]
# Don't conclude too much from such tables. These faults are strong and injected one at a time; in practice they are mild and mixed. The rules about losses hold for the losses they name; whether a logged loss is one of them is checked with the logits. And if only losses were logged, the diagnosis may be "unclear", because losses can't show a collapse.

# %% [markdown]
# ## What we measured, and what the papers report
#
# | | here | papers |
# |---|---|---|
# | virtual batch norm, label smoothing, minibatch discrimination | Sections 2, 4, 6 and 7: each alone, added to a plain run | Salimans et al. (2016): all together on CIFAR-10, and an ablation: the score when one is left out |
# | WGAN-GP | Section 5: the critic against the truth | Gulrajani et al. (2017): samples and curves; λ = 10, five critic steps |
# | two learning rates | Section 4 | Heusel et al. (2017): better Fréchet distances on four data sets |
#
# Why they differ: the papers measure on images, in long runs of tuned networks. We measure short runs on two small tasks, with eight and five seeds. Their tables can't be reproduced on a laptop; a comparison with a plain run, with error bars, can.
#
# **A mistake worth making.** In Section 1 set `SEEDS` to 2, run Sections 1 to 7 twice with different defaults of `seed` in `run`, and write down which tricks "help by more than one standard error". (A NOTE may say that something usually comes out differently: it assumes eight seeds.) How many of your findings hold the second time? Why are the error bars themselves no longer reliable?
#
# <details><summary>An answer</summary>
#
# With two seeds a row's standard error is estimated from a single difference, so it is often too small by a factor of two or more; that of the difference of two rows is little better. A standard error that is too small by chance makes a difference look significant. Among fifteen comparisons some such row is almost certain.
#
# </details>
#
# ## References
#
# - T. Salimans and others, *Improved techniques for training GANs*, 2016, arXiv 1606.03498. Sections 3.1 (feature matching), 3.2 (minibatch discrimination), 3.4 (one-sided label smoothing), 3.5 (virtual batch norm), 4 (the score); Table 3.
# - I. Goodfellow, *NIPS 2016 tutorial: generative adversarial networks*, arXiv 1701.00160. Section 4: tips and tricks.
# - M. Arjovsky, S. Chintala, L. Bottou, *Wasserstein GAN*, 2017, arXiv 1701.07875. I. Gulrajani and others, *Improved training of Wasserstein GANs*, 2017, arXiv 1704.00028, Equation 3.
# - T. Miyato and others, *Spectral normalization for GANs*, 2018, arXiv 1802.05957, Equation 8 and Algorithm 1.
# - M. Heusel and others, *GANs trained by a two time-scale update rule converge to a local Nash equilibrium*, 2017, arXiv 1706.08500. M. Bińkowski and others, *Demystifying MMD GANs*, 2018, arXiv 1801.01401.
# - T. Kynkäänniemi and others, *Improved precision and recall metric for assessing generative models*, 2019, arXiv 1904.06991, Equations 1 and 2.
# - G. Székely, M. Rizzo, *Energy statistics*, Journal of Statistical Planning and Inference 143, 2013.
# - S. Chintala and others, *How to train a GAN? Tips and tricks to make GANs work*, 2016, github.com/soumith/ganhacks.
