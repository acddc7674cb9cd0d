# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown] tags=["header"]
# # 11 Your own GAN: from an empty cell to the modern baseline
#
# You write a complete training loop, train it on images of your choice, and take away files that run without this notebook.
#
# **You build:** a training loop, the pairing loss, the game's gradient field, scores for 1,000 modes, augmentation, a measure of copying, and a web page that runs your generator.
#
# After this notebook you can **write** a training loop that resumes, **explain** why gradient penalties let the game converge, **train** on few images, **plan** an experiment, and **export** a generator.
#
# | section | minutes |
# |---|---|
# | 1 Choose your images (11.1) | 10 |
# | 2 An empty cell (11.2) | 50 |
# | 3 The modern baseline (11.3, 11.4, 11.5) | 55 |
# | 4 Few images (11.6, 11.7) | 38 |
# | 5 One hypothesis (11.8) | 16 |
# | 6, 7 Report; larger samples | 6 |
# | 8 Take it with you | 5 |
# | 9 Where it went | 6 |
#
# It builds on notebooks 02, 03 and 10. As a graded project for a class: [docs/PROJECT.md](../docs/PROJECT.md).

# %% tags=["setup"]
# written by gancourse build

# %%
import copy
import math
import os
from collections.abc import Callable
from statistics import fmean, stdev

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancourse.classifiers.pretrained import MeanFeatures
from gancourse.datasets import galaxies, named, stacked
from gancourse.datasets.batches import Batches
from gancourse.errors import CourseError
from gancourse.exercises import check
from gancourse.export.bundle import export
from gancourse.export.card import ModelCard
from gancourse.export.evaluation import evaluate, sample_page
from gancourse.figures import PALETTE, panels, plot_bars, show, show_images, style
from gancourse.metrics.retrieval import nearest
from gancourse.metrics.runs import compare_runs
from gancourse.metrics.samples import in_batches, misplaced, mode_coverage, mode_shares
from gancourse.papers import dcgan, r3gan
from gancourse.papers.blocks import init_normal
from gancourse.papers.diffaugment import Augmented, augment
from gancourse.papers.dirac import dirac_path, path_rate
from gancourse.papers.gan import (
    descend,
    discriminator_loss,
    ema_update,
    frozen,
    gan_step,
    lazy_r1,
    non_saturating_loss,
    r1_penalty,
)
from gancourse.results import load_table, over_seeds, seed_table
from gancourse.shapes import to_bytes, to_float
from gancourse.training import networks, trick_runs
from gancourse.training.loop import train
from gancourse.training.player import Player

# %% [markdown]
# ## 1. Choose your images
#
# `DATA_SET` (or the environment variable `GANCOURSE_SET`) names a set: `"galaxies"`, `"emoji_faces"`, or the path of a folder with your own images; with a download `"clothing"`, `"celeba"` and others (`gancourse fetch` lists them). A few hundred images of similar things are enough.
#
# A **data sheet** states number, source, variety and near duplicates. Distances are those of notebook 03's `MeanFeatures`.

# %% tags=["nbval-ignore-output"]
DATA_SET = os.environ.get("GANCOURSE_SET") or "galaxies"
limit = env.budget(smoke=200, cpu=20_000, gpu=None)
train_set, unseen = named.train_and_unseen(DATA_SET, 32, limit=limit)
label = "".join(letter if letter.isalnum() else "_" for letter in DATA_SET)  # for file names
features = MeanFeatures().to(env.device())
measured = env.budget(smoke=60, cpu=1000, gpu=2000)  # images of each kind
x_train, x_unseen = to_float(train_set.images[:measured]), to_float(unseen[:measured])
f_train, f_unseen = (in_batches(features, x, size=50) for x in (x_train, x_unseen))

among = torch.cdist(f_train, f_train).fill_diagonal_(math.inf).amin(dim=1)
distance, twin = nearest(f_unseen, f_train)
print(f"{train_set.source}; {len(unseen)} unseen. Median distance to the nearest other training "
      f"image: {among.median():.2f}, of unseen images {distance.median():.2f}")  # fmt: skip
closest = distance.argsort()[:8]
fig, axes = panels(2, width=4.4, height=1.6)
show_images(x_train[:16], columns=8, title="training images", ax=axes[0])
pairs = torch.cat([x_unseen[closest], x_train[twin[closest]]])
show_images(pairs, columns=8, title="unseen, and nearest training image", ax=axes[1])
show(fig, alt=f"{DATA_SET}: images, and pairs of the most similar ones")
assert len(train_set) and len(unseen)

# %% [markdown]
# *Figure 11.1. Right: unseen images above, the nearest training image below, for the eight most similar pairs.* If a pair shows the same object, keep one of the two files. **Rights:** photos of people need their consent; other people's images have a licence to respect and to state.
#
# **Exercise 11.1** · *What may be augmented* · difficulty ●●○○○ · importance ●●●●○ · 5 minutes · 1 point
#
# You have 300 images each of handwritten digits, of galaxies, and of faces (passport photos). G should draw each kind as it is in its set. Which statement is right?
#
# - (a) All three may be turned by 0, 90, 180 and 270 degrees, equally often, as long as fakes are turned as well.
# - (b) It is enough to transform the real images that D sees: then nothing can go wrong with G.
# - (c) Turned and mirrored galaxies, and mirrored faces, are new training images. Digits have no such symmetry. In all three sets what D sees, real and fake alike, may be changed by a limited amount, such as small shifts.
# - (d) Augmentation replaces data: 30 images and their variants are as good as 300.
# - (e) All three may be mirrored: a mirrored image has the same pixels.
#
# <details><summary>Hint 1</summary>For each set and transformation: could the result itself be an image of the set?</details>
# <details><summary>Hint 2</summary>If all four turns of a digit are equally frequent in what D sees: can D tell whether G draws upright digits?</details>
# <details><summary>Hint 3</summary>A mirrored 2 is not a digit; that excludes two statements. In (b), what are the data from D's point of view?</details>

# %% tags=["exercise"]
allowed = ...  # a letter in quotes
# BEGIN SOLUTION
allowed = "c"
# END SOLUTION

# %%
allowed = check("11.1", allowed)

# %% [markdown]
# ## 2. An empty cell
#
# **Exercise 11.2** · *A training loop of your own* · difficulty ●●●●● · importance ●●●●● · 45 minutes · 6 points
#
# `my_gan` sets up a run and trains nothing yet. Losses, rates (Adam: 0.0002 to 0.005), batch size and augmentation are up to you.
#
# - `G`, `D`: untrained networks; train these objects, no copies. `G(z)`, with z (m, `G.noise_dim`) from a normal distribution, gives images in [-1, 1]; `D` gives a logit per image, high for real ones.
# - `images`: uint8 (N, C, side, side), 0 to 255, of any size; D should get them in [-1, 1]. `steps`: how long the run will be. `rng`: the only source of randomness.
# - Return `step, keep, average`. `step()`: one iteration, D's turn (one step or a few) and then G's, each changing one network; it leaves both in training mode and returns `{"loss_D": ..., "loss_G": ...}`, detached scalars. `keep`: a dictionary of everything with a state (networks, optimizers, schedules, players, `rng`). After an interruption you call `my_gan` again, and `train` loads what it saved into the new `keep`: the run must continue as if nothing had happened. `average`: a network, the exponential moving average of G's weights, with G's buffers.
#
# All parts are imported (`Player`, `Batches`, `gan_step`, `lazy_r1`, `r3gan.r3gan_step` ...). Or write them by hand.
#
# <details><summary>Hint 1</summary>
#
# A `Player` is a network with its optimizer, decay and EMA: `Player(G, lr=2e-3, steps=steps, ema=0.999)`. `player.advance()` comes at the end of each step.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `Batches(images, size=32, rng=rng)` and `env.noise(G.noise_dim, rng)` draw real batches and latent vectors. What else has a state? Whatever changes from step to step and is not in `keep` is lost; a counter too.
#
# </details>
# <details><summary>Hint 3</summary>
#
# Inside `step`: `losses = gan_step(G, D, players["G"].opt, players["D"].opt, batches, sample_z, penalty=...)`. Then advance both players. Return `step, {**players, "rng": rng}, players["G"].average`.
#
# </details>

# %% tags=["exercise"]
def my_gan(
    G: nn.Module, D: nn.Module, images: Tensor, steps: int, rng: torch.Generator
) -> tuple[Callable[[], dict[str, Tensor]], dict, nn.Module]:
    """Set up a run of so many steps: its step function, all of its state, the averaged G."""
    # BEGIN SOLUTION
    players = {
        "G": Player(G, lr=2e-3, steps=steps, ema=0.999),
        "D": Player(D, lr=2e-3, steps=steps),
    }
    batches, sample_z = Batches(images, size=32, rng=rng), env.noise(G.noise_dim, rng)
    r1 = lazy_r1(0.1, every=8)

    def step() -> dict[str, Tensor]:
        losses = gan_step(
            G, D, players["G"].opt, players["D"].opt, batches, sample_z,
            penalty=r1 if players["D"].done % 8 == 0 else None, autocast=env.autocast,
        )
        for player in players.values():
            player.advance()
        return losses

    return step, {**players, "rng": rng}, players["G"].average
    # END SOLUTION

# %%
my_gan = check("11.2", my_gan)

# %% [markdown]
# Your loop (or the reference) now trains on your images. Galaxies get the eight symmetries of a square.

# %% tags=["training", "nbval-ignore-output"]
NOISE, WIDTH = 24, env.budget(smoke=24, cpu=24, gpu=64)
STEPS = env.budget(smoke=20, cpu=2000, gpu=10_000)


def pair(seed: int, channels: int) -> tuple[nn.Module, nn.Module]:
    """An untrained G and D on the course's device, the same for the same seed."""
    start = env.rng(seed, "cpu")
    G = init_normal(dcgan.Generator(NOISE, channels, WIDTH, 32), start)
    D = init_normal(dcgan.Discriminator(channels, WIDTH, 32), start)
    return tuple(net.to(env.device(), memory_format=env.memory_format()) for net in (G, D))


images, channels = train_set.images, train_set.images.shape[1]
if DATA_SET == "galaxies":
    images = galaxies.symmetries(images)
G, D = pair(0, channels)
untrained = copy.deepcopy(G)
step, keep, my_G = my_gan(G, D, images, STEPS, env.rng(0))
records = list(train(step, STEPS, keep, env.run_dir(f"11_{label}"), title=DATA_SET))
Z = env.noise(NOISE, env.rng(1))(measured)
samples = in_batches(my_G, Z)
ax = show_images(samples[:32], columns=16, title=f"samples after {STEPS} steps, unchosen")
show(ax, alt=f"Two rows of samples of {DATA_SET}: recognizable, less detailed than real ones")
first, last = (evaluate(x, train_set.images, unseen, features) for x in
               (in_batches(untrained, Z), samples))  # fmt: skip
print(last)
env.expect(
    "your loop brings the samples nearer to unseen images", last.frechet < first.frechet,
    f"the Fréchet distance goes from {first.frechet:.2f} to {last.frechet:.2f}.",
)
if DATA_SET == "galaxies":
    env.report(galaxy_fid=last.frechet, galaxy_fid_floor=last.frechet_floor)

# %% [markdown]
# *Figure 11.2. The first samples, not the best.* Next to each metric of notebook 10 stands its floor, the same metric of equally many *training images*; "half the samples" shows how much the number of images still matters. Recall near 0 means that hardly any unseen image lies among the samples: the features notice noise and patterns that the eye forgives.
#
# ## 3. The modern baseline
#
# Which tricks are needed at all? **R3GAN** (Huang et al., NeurIPS 2024, arXiv 2501.05441) has another loss, two gradient penalties, and residual networks without normalization, and nearly nothing else. Its FID on CIFAR-10 is 1.96.
#
# **The pairing loss** (Jolicoeur-Martineau, 2019, arXiv 1807.00734). In the game of 2014 D judges each image alone, so a G that puts all samples on one mode can sit in a bad minimum. With the relativistic pairing loss D learns to prefer *this real image* to *this fake*, and each fake is compared with real images from all modes. Sun, Fang and Schwing (2020, arXiv 2011.04926) prove that the loss of 2014 has exponentially many basins with bad minima, and the pairing loss none.
#
# **Exercise 11.3** · *The pairing loss* · difficulty ●●○○○ · importance ●●●●● · 10 minutes · 3 points
#
# The i-th real image and the i-th fake form a pair. The probability that D prefers the real one is the sigmoid of $D(x_i) - D(G(z_i))$.
#
# - `real`, `fake`: logits (m,).
# - Return `loss_D`, the mean over the pairs of minus the log of that probability, and `loss_G`, the same with real and fake swapped. In nats, finite for logits of ±10,000, each with a gradient with respect to both (the optimizer decides which network moves).
#
# <details><summary>Hint 1</summary>One difference per pair, then the loss of each, then the mean.</details>
# <details><summary>Hint 2</summary>Minus the log of a sigmoid is softplus, with a sign (notebook 02).</details>
# <details><summary>Hint 3</summary>loss_D is F.softplus(fake - real).mean().</details>

# %% tags=["exercise"]
def pairing_losses(real: Tensor, fake: Tensor) -> tuple[Tensor, Tensor]:
    """loss_D and loss_G: means over pairs of logits, in nats."""
    # BEGIN SOLUTION
    return F.softplus(fake - real).mean(), F.softplus(real - fake).mean()
    # END SOLUTION

# %%
pairing_losses = check("11.3", pairing_losses)

# %% [markdown]
# **Does the game converge?** There is no common loss that both players descend. Take the smallest GAN, the **Dirac-GAN** (Mescheder et al., 2018, arXiv 1801.04406): all data are the point 0, G produces one point $\theta$, and $D(x) = \psi x$. The equilibrium is $\theta = \psi = 0$.
#
# **Exercise 11.4** · *The Dirac-GAN's gradient field* · difficulty ●●●●○ · importance ●●●●● · 20 minutes · 4 points
#
# D minimizes the pairing loss plus $\frac{\gamma_1}{2} R_1 + \frac{\gamma_2}{2} R_2$. $R_1$ is the squared derivative of D with respect to its input at the real point, $R_2$ that at the fake. G minimizes its pairing loss. Each player moves with the velocity *minus the gradient of its own loss with respect to its own parameter*, with the other one fixed.
#
# - `theta`, `psi`: tensors of equal shape, one pair or a whole grid. `gamma_1`, `gamma_2`: floats.
# - Return $d\theta/dt$ and $d\psi/dt$, of that shape, differentiable with respect to both (we differentiate them below).
#
# <details><summary>Hint 1</summary>D(real) = 0 and D(fake) = psi * theta. The gradient of D with respect to its input is psi, wherever you take it.</details>
# <details><summary>Hint 2</summary>G's loss is softplus(-psi * theta). The derivative of softplus is the sigmoid.</details>
# <details><summary>Hint 3</summary>D's velocity is -sigmoid(psi * theta) * theta minus a term in psi for each penalty.</details>

# %% tags=["exercise"]
def dirac_field(
    theta: Tensor, psi: Tensor, gamma_1: float, gamma_2: float
) -> tuple[Tensor, Tensor]:
    """d theta/dt and d psi/dt of the Dirac-GAN with the pairing loss, R1 and R2."""
    # BEGIN SOLUTION
    fake = psi * theta
    return (-fake).sigmoid() * psi, -fake.sigmoid() * theta - (gamma_1 + gamma_2) * psi
    # END SOLUTION

# %%
dirac_field = check("11.4", dirac_field)

# %% [markdown]
# Near the solution the velocities are linear; the matrix of their derivatives is the **Jacobian**. If its eigenvalues $\lambda$ have negative real parts, the distance from the solution decays like $e^{\mathrm{Re}(\lambda) t}$; purely imaginary ones mean circles, to first order. A simulation confirms it.

# %%
def rate(gamma_1: float, gamma_2: float) -> float:
    """The largest real part of the eigenvalues of your field's Jacobian at 0."""
    zero = torch.zeros((), dtype=torch.double)
    J = torch.autograd.functional.jacobian(
        lambda *point: dirac_field(*point, gamma_1, gamma_2), (zero, zero))
    return torch.linalg.eigvals(torch.tensor(J)).real.max().item()


grid = torch.linspace(-1.5, 1.5, 13)
theta, psi = torch.meshgrid(grid, grid, indexing="xy")
penalties = {"no penalty": (0.0, 0.0), "R1": (0.3, 0.0), "R1 and R2": (0.3, 0.3)}
fig, axes = panels(3, width=2.9, height=2.9, sharey=True)
errors = []
for ax, (name, gammas) in zip(axes, penalties.items()):
    velocities = (v.detach() for v in dirac_field(theta, psi, *gammas))
    ax.quiver(theta, psi, *velocities, color="grey", angles="xy")
    path = dirac_path(dirac_field, *gammas)
    ax.plot(*path.T, color=PALETTE[0], linewidth=1)
    ax.plot(*path[0], "o", color=PALETTE[1])
    ax.set(title=name, xlabel="$\\theta$ (G's sample)", xlim=(-1.6, 1.6), ylim=(-1.6, 1.6))
    expected, simulated = rate(*gammas), path_rate(path)
    print(f"{name:11} rate by eigenvalues {expected:+.4f}, simulated {simulated:+.4f}")
    errors += [abs(simulated / expected - 1)] if any(gammas) else []
axes[0].set(ylabel="$\\psi$ (D's weight)")
show(
    fig,
    alt="Arrows of the game's field: slow circling without a penalty, spirals into 0 with one",
)
env.report(dirac_rate_error=max(errors))

# %% [markdown]
# *Figure 11.3. The field (arrows) and the path from the dot.* Without a penalty both eigenvalues are imaginary: no exponential rate. Only terms of higher order let the path creep inwards, ever more slowly. With R1 it spirals in, as fast as the eigenvalues say. Here R2 equals R1, so both are one penalty of twice the weight; and since D(0) = 0, the loss of 2014 has the same field. For networks, Mescheder et al. prove local convergence with R1 or R2 under conditions, and the R3GAN paper for the pairing loss.
#
# **In practice:** on notebook 10's ring of eight narrow Gaussians, eight seeds of the plain run, and of the pairing loss with R1 and R2.

# %%
RING, SEEDS = trick_runs.RING, trick_runs.SEEDS
RING_STEPS = env.budget(smoke=12, cpu=5000, gpu=8000)
PAIRING = {
    "loss_D": lambda D, x, fakes: pairing_losses(D(x).flatten(), D(fakes).flatten())[0],
    "loss_G": lambda D, x, fakes: pairing_losses(D(x).flatten(), D(fakes).flatten())[1],
}
BOTH = {"gamma": 0.3, "gamma_fake": 0.3}  # weights of R1 and R2
ENDS = {"hold": 0.5, "ema": 0.995, "betas": (0.0, 0.9)}  # decay, EMA, beta1 = 0


def ring_run(recipe: dict) -> Tensor:
    """Train eight seeds in parallel; samples (seeds, points, 2)."""
    run = trick_runs.begin(trick_runs.Trick(recipe), RING_STEPS)
    for _ in range(RING_STEPS):
        run.step()
    return run.sample()


def modes(points: Tensor) -> int:
    """Modes that receive at least a quarter of their share."""
    return mode_coverage(points, RING.centres, 3 * RING.std, len(points) // (4 * RING.modes))[0]


# %% tags=["training", "nbval-ignore-output"]
MODERN = PAIRING | BOTH | ENDS
points = {"plain": ring_run({}), "pairing, R1, R2": ring_run(MODERN)}
fig, axes = panels(4, rows=2, width=2.1, height=2.3, sharex=True, sharey=True)
for i, ax in enumerate(axes):
    name = list(points)[i // 4]
    ax.scatter(*RING.sample(400, env.rng(4, "cpu")).T, s=2, color="lightgrey")
    ax.scatter(*points[name][i % 4, :500].T, s=2, color=PALETTE[1])
    ax.set(title=f"{name.split(',')[0]}, seed {i % 4}", xlim=(-2.7, 2.7), ylim=(-2.7, 2.7))
show(fig, alt="Plain: samples on some modes. Pairing with penalties: samples on all eight modes")
plain, modern = ([modes(x) for x in of_seeds] for of_seeds in points.values())
print(f"modes found by each seed: plain {plain}, pairing, R1, R2 {modern}")
env.report(grid_modes_plain=fmean(plain), grid_modes_modern=fmean(modern))
env.expect(
    "pairing with both penalties finds all modes in every seed, the plain run in few seeds",
    min(modern) == RING.modes and sum(n == RING.modes for n in plain) <= SEEDS // 2,
    f"the seeds found {modern} and {plain} modes of {RING.modes}.",
)

# %% [markdown]
# *Figure 11.4. Samples (orange) over real points (grey), four of eight seeds.* But is it the loss? The second row also has decay, an EMA and $\beta_1 = 0$: see Section 5.
#
# ### Stacked digits
#
# **Does a generator draw all modes?** Put three random digits into the three colour channels (Metz et al., 2017, arXiv 1611.02163): 1,000 numbers, about equally frequent. A classifier reads 25,600 samples; one counts the numbers that occur, and computes the Kullback-Leibler (KL) divergence of their shares from uniform. But the classifier takes *anything* for a digit, so we also count the samples in which it is sure of all three.
#
# **Exercise 11.5** · *Modes and divergence of stacked digits* · difficulty ●●●○○ · importance ●●●●○ · 15 minutes · 3 points
#
# - `p`: (n, 3, 10), the classifier's probabilities for each channel of each sample.
# - The number of a sample is made of the most probable digit of each channel: 2, 0, 7 give 207.
# - Return `modes`, how many of the 1,000 numbers occur; `kl`, $\sum_k q_k \log(1000\, q_k)$ in nats, where $q_k$ is the share of number k, and a number that does not occur adds 0; `sure`, the share of samples in which *all three* digits have a probability of at least 0.9.
#
# <details><summary>Hint 1</summary>argmax over the last dimension gives digits (n, 3); from them one number per sample.</details>
# <details><summary>Hint 2</summary>torch.bincount(numbers, minlength=1000) counts; torch.xlogy(q, 1000 * q) is 0 where q is 0.</details>
# <details><summary>Hint 3</summary>sure = (p.amax(dim=-1) >= 0.9).all(dim=1).float().mean()</details>

# %% tags=["exercise"]
def stacked_scores(p: Tensor) -> tuple[int, float, float]:
    """Numbers that occur, divergence from uniform in nats, share of clear samples."""
    # BEGIN SOLUTION
    hundreds, tens, ones = p.argmax(dim=-1).unbind(dim=1)
    q = torch.bincount(100 * hundreds + 10 * tens + ones, minlength=1000).double() / len(p)
    sure = (p.amax(dim=-1) >= 0.9).all(dim=1).float().mean()
    return int((q > 0).sum()), torch.xlogy(q, 1000 * q).sum().item(), sure.item()
    # END SOLUTION

# %%
stacked_scores = check("11.5", stacked_scores)

# %%
table = load_table("stacked")
print(seed_table(table, "modes", "kl", "sure"))
numbers = torch.randint(10, (25_600, 3), generator=env.rng(3, "cpu"))
for name, scores in (("real digits", table["real"].values()),
                     ("perfect samples", stacked_scores(F.one_hot(numbers, 10).float()))):
    print("{:23}  modes {}  kl {:.3f}  sure {:.3f}".format(name, *scores))
for name in ("dcgan", "recipe", "modern"):
    for key in ("kl", "sure"):
        env.report(**{f"stacked_{key}_{name}": fmean(over_seeds(table["rows"][name], key))})
x, _ = stacked.stack(named.load("digits", 32).images, 16, env.rng(3))
ax = show_images(x, columns=16, title="stacked digits: one digit in each colour channel")
show(ax, alt="Sixteen images, each with a red, a green and a blue digit on top of one another")

# %% [markdown]
# *Figure 11.5. Real stacked digits.* The rows of the table: `dcgan` is the paper's recipe; `recipe` is the course's (R1, EMA, decay, a rate of 0.002); `modern` has the pairing loss, R1 and R2 in each step, and no normalization; `long` is the same with more steps; `lazy` has the penalties in every 8th step only; `logistic loss` is `lazy` with the loss of 2014 and R1; `residual` is `lazy` with R3GAN's networks in small. Seconds are the steps times the measured time of a step on two cores. **A row with one seed is an example: which recipe is better, it does not tell.** In these runs the course's recipe drew all 1,000 numbers, with a divergence still above that of real digits; DCGAN's own missed some. In about as many seconds `modern` made half as many steps and had a larger divergence; with as many steps, or with lazy penalties, it came near the recipe, and was never ahead of it. The residual networks cost three times as much per step on this CPU, and had hardly begun to learn. The paper's runs are far longer. And in all rows few samples have three clear digits: "1,000 modes" says less than it seems.

# %% [markdown]
# ## 4. Few images
#
# **With few images** D memorizes them: its verdict depends on whether it has *seen* an image, and its gradient no longer leads G towards realistic ones. If D takes real images that it was not trained on for fakes, it overfits.
#
# **Differentiable augmentation** (Zhao et al., 2020, arXiv 2006.10738): *everything* that D sees is transformed at random, real and fake, in both turns, and G's gradient passes through the transformation. If only the real images were transformed, G would have to draw transformed ones.
#
# **Exercise 11.6** · *Augment what D sees* · difficulty ●●●○○ · importance ●●●●● · 15 minutes · 3 points
#
# - `x`, `fakes`: real images, and G's samples with their graph. `T(images)` transforms images at random, with new numbers at each call.
# - The losses are `discriminator_loss(real, fake)` and `non_saturating_loss(fake)` of notebook 02. In D's turn D sees transformed real images and transformed fakes, in G's turn the fakes, with new random numbers.
# - Return `loss_D` and `loss_G`. No gradient of `loss_D` reaches the fakes; that of `loss_G` does, through T.
#
# <details><summary>Hint 1</summary>D is never called with anything that did not go through T.</details>
# <details><summary>Hint 2</summary>fakes.detach() for D's turn, fakes for G's.</details>
# <details><summary>Hint 3</summary>loss_D = discriminator_loss(D(T(x)), D(T(fakes.detach())))</details>

# %% tags=["exercise"]
def augmented_losses(
    D: nn.Module, x: Tensor, fakes: Tensor, T: Callable[[Tensor], Tensor]
) -> tuple[Tensor, Tensor]:
    """loss_D and loss_G where D sees transformed images only."""
    # BEGIN SOLUTION
    loss_D = discriminator_loss(D(T(x)), D(T(fakes.detach())))
    return loss_D, non_saturating_loss(D(T(fakes)))
    # END SOLUTION

# %%
augmented_losses = check("11.6", augmented_losses)

# %% [markdown]
# `Augmented(D, rng)` is D behind such a T (colour, translation, cutout). Pass it to any loop in the place of D, also to yours of 11.2, and D sees transformed images only.

# %% tags=["nbval-ignore-output"]
faces, new_faces = named.train_and_unseen("emoji_faces", 32)
G, D = pair(5, 3)
T, wrapped = Augmented(nn.Identity(), env.rng(7)), Augmented(D, env.rng(7))
x, fakes = to_float(faces.images), in_batches(G, Z[:len(faces)])
yours = augmented_losses(D, x, fakes, T)
theirs = discriminator_loss(wrapped(x), wrapped(fakes)), non_saturating_loss(wrapped(fakes))
for name, (loss_D, loss_G) in (("augmented_losses", yours), ("Augmented(D)", theirs)):
    print(f"{name:16}  loss_D {loss_D.item():.4f}  loss_G {loss_G.item():.4f}")
assert all(loss.isfinite() for loss in (*yours, *theirs))

# %% [markdown]
# We train on 117 emoji faces (Twemoji, © Twitter, Inc. and other contributors, CC BY 4.0), 23 of which stay unseen: without augmentation, with colour, translation and cutout of all that D sees (`Augmented`), and, as a warning, of the real images only.

# %% tags=["training", "nbval-ignore-output"]
FACE_STEPS = env.budget(smoke=20, cpu=1000, gpu=5000)


def face_run(change: str) -> tuple[list[list[float]], nn.Module]:
    """Your loop on emoji faces: D's mean logits of training, unseen and fake ones; and G."""
    (G, D), images, logits = pair(5, 3), faces.images, []
    if change == "only real images":
        images = to_bytes(augment(to_float(images.repeat(20, 1, 1, 1)), env.rng(6)))
    seen = Augmented(D, env.rng(7)) if change == "all that D sees" else D
    step, _, average = my_gan(G, seen, images, FACE_STEPS, env.rng(5))
    for n in range(1, FACE_STEPS + 1):
        step()
        if n == 1 or n % max(1, FACE_STEPS // 10) == 0:
            sets = faces.images, new_faces, in_batches(G, Z[:200])
            logits += [[n, *(in_batches(D, x).mean().item() for x in sets)]]
    return logits, average


runs = {name: face_run(name) for name in ("nothing", "all that D sees", "only real images")}
fig, axes = panels(3, rows=2, width=2.9, height=2.0, gridspec_kw={"height_ratios": [5, 3]})
for i, (name, (logits, face_G)) in enumerate(runs.items()):
    x, *means = zip(*logits)
    for k, y in enumerate(means):
        axes[i].plot(x, y, label=("training images", "unseen faces", "fakes")[k], **style(k))
    axes[i].set_title(f"augmented: {name}", fontsize=11)
    axes[i].set(xlabel="step", ylabel="D's mean logit")
    show_images(in_batches(face_G, Z[:24]), columns=8, ax=axes[3 + i])
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
show(fig, alt="D's logits over training, and samples: without augmentation unseen faces look fake "
     "to D; if only real images are augmented, samples have grey squares")  # fmt: skip
plain, augmented = (
    runs[name][0][-1][1] - runs[name][0][-1][2] for name in ("nothing", "all that D sees"))
print(f"D's logits, training images minus unseen: {plain:.1f}, augmented {augmented:.1f}")
env.report(emoji_gap_plain=plain, emoji_gap_augmented=augmented)
env.expect(
    "augmentation at least halves the gap between training images and unseen faces",
    augmented <= plain / 2, f"the gaps are {plain:.1f} and {augmented:.1f}.",
)

# %% [markdown]
# *Figure 11.6. Above: what D says of training images, unseen faces and fakes; below: samples.* Without augmentation D takes unseen faces for fakes: it has memorized its images. With augmentation they stay together with the training images. If only real images are augmented, shifts and squares belong to the data, and G draws them; there the gap is small, too: it shows whether D overfits, not whether the samples are good. Nor do sharp samples show that D is fine: compare the first two columns.
#
# **Are the samples copies?**
#
# **Exercise 11.7** · *Near copies* · difficulty ●●●○○ · importance ●●●●○ · 15 minutes · 3 points
#
# - `samples` (n, d), `train` (m, d), `unseen` (k, d): features of samples, training images and unseen images.
# - The distance of an image is the Euclidean one to its *nearest training image*. The threshold is the 5 % quantile (`torch.quantile`) of the *unseen* images' distances: 95 % of them are farther away.
# - Return the share of samples whose distance is below the threshold, a float. A generator that draws from the same distribution without copying has about 0.05.
#
# <details><summary>Hint 1</summary>nearest(a, b) is imported; it returns the distances of each row of a to its nearest row of b, and which one that is.</details>
# <details><summary>Hint 2</summary>Both distances are to train: of unseen for the threshold, of samples for the share.</details>
# <details><summary>Hint 3</summary>threshold = nearest(unseen, train)[0].quantile(0.05)</details>

# %% tags=["exercise"]
def copy_share(samples: Tensor, train: Tensor, unseen: Tensor) -> float:
    """Share of samples nearer to a training image than 95 % of the unseen images are."""
    # BEGIN SOLUTION
    threshold = nearest(unseen, train)[0].quantile(0.05)
    return (nearest(samples, train)[0] < threshold).float().mean().item()
    # END SOLUTION

# %%
copy_share = check("11.7", copy_share)

# %%
f_faces, f_new = (in_batches(features, to_float(x), size=50) for x in (faces.images, new_faces))
copies = torch.cat([faces.images[:50], faces.images[:50].roll(1, dims=3)])  # exact, shifted
shown = {"unseen faces": new_faces, "copies": copies}
shown |= {f"augmented: {name}": in_batches(G, Z) for name, (_, G) in runs.items()}
for name, x in shown.items():
    share = copy_share(in_batches(features, to_float(x), size=50), f_faces, f_new)
    print(f"{name:28} near copies {share:.2f}")

table = load_table("own_data")
print("\n" + seed_table(table, "kernel", "frechet", "gap", "copies"))
for kind in ("plain", "augmented"):
    row = table["rows"][f"emoji_faces, {kind}"]
    env.report(**{f"emoji_{name}_{kind}": fmean(over_seeds(row, key))
                  for name, key in (("fid", "frechet"), ("copies", "copies"))})  # fmt: skip

# %% [markdown]
# **Reading it.** Copies, also shifted by a pixel, have a share near 1. Unseen faces have 0.05 by construction, as nearly as 23 of them allow. No sample is a near copy: all are farther from the training images than unseen faces are. But noise would have a share of 0, too.
#
# The table is from complete runs of 2,000 steps, with much smaller networks than the paper's. "Kernel distance" is notebook 10's, "gap" that of D's logits. Augmentation closes D's gap in every run. Whether it brings the samples of faces closer to unseen ones, these few seeds do not tell; transforming only the real images is worse in each. On galaxies the gap is small without augmentation, too, and both runs with colour, translation and cutout are worse than all others: their colours mean something.
#
# ## 5. One hypothesis
#
# Write down, *before* the first run: the **hypothesis** with a reason; the **control**, which differs in one thing only; the **metric**; the **seeds**, five or more; and what would **refute** it. Three to choose from:
#
# - A: *with equal penalties, the pairing loss misplaces fewer samples on the ring than the loss of 2014*, because each fake is compared with a real point.
# - B: *R2 helps in addition to R1*, because only R2 limits D's gradient away from the data. Control: R1 alone, of the same weight.
# - C: *R2 helps, and not only as a larger penalty*. Control: R1 alone, of twice the weight (in the Dirac-GAN the two are equal).
#
# It is supported if the change is better by more than three standard errors, refuted if it is worse by more than three, and open otherwise.
#
# **Your plan** (double-click to write): hypothesis and reason ... control ... metric ... seeds ... refuted if ...

# %% tags=["training", "nbval-ignore-output"]
HYPOTHESIS = "A"
ALONE = {"gamma": 0.3} | ENDS  # R1 without R2
ARMS = {  # control, changed
    "A": (BOTH | ENDS, MODERN),
    "B": (PAIRING | ALONE, MODERN),
    "C": (PAIRING | ALONE | {"gamma": 0.6}, MODERN),
}
results = {}
for name, recipe in zip(("control", "changed"), ARMS[HYPOTHESIS]):
    samples_of_seeds = points["pairing, R1, R2"] if recipe is MODERN else ring_run(recipe)
    results[name] = [
        misplaced(mode_shares(x, RING.centres, 3 * RING.std)) for x in samples_of_seeds
    ]
difference, error, verdict = compare_runs(results["control"], results["changed"])
for name, values in results.items():
    print(f"{name:8} misplaced {fmean(values):.3f} ± {stdev(values) / math.sqrt(SEEDS):.3f}  "
          + " ".join(f"{v:.2f}" for v in values))  # fmt: skip
print(f"{HYPOTHESIS}: changed minus control {difference:+.3f}, standard error {error:.3f}, "
      f"{abs(difference / error):.1f} standard errors: {verdict}")  # fmt: skip
ax = plot_bars(results, xlabel="misplaced share of samples (less is better); a dot per seed")
show(ax, alt=f"Hypothesis {HYPOTHESIS}: two bars with a dot for each of eight seeds: {verdict}")
env.report(hypothesis_difference=difference, hypothesis_error=error)

# %% [markdown]
# *Figure 11.7. Mean and single seeds of control and changed runs.* The last line is what the data allow one to say of this ring, these networks and this length. After "no difference seen" a smaller effect may still exist; four times as many seeds would halve the standard error.
#
# **Exercise 11.8** · *What the data allow* · difficulty ●●●○○ · importance ●●●●● · 8 minutes · 2 points
#
# Five seeds without augmentation, five with it. Seed 4 *with* augmentation ran twice as long as all others, since the student forgot to stop it.
#
# | | seed 1 | 2 | 3 | 4 | 5 |
# |---|---|---|---|---|---|
# | distance (less is better), without | 31 | 35 | 29 | 40 | 33 |
# | distance, with | 27 | 30 | 33 | 19 | 28 |
# | recall (more is better), without | .40 | .43 | .38 | .44 | .41 |
# | recall, with | .33 | .32 | .36 | .34 | .30 |
#
# Only differences of more than three standard errors count. Which statement do the data support?
#
# - (a) Augmentation lowers the distance: the mean falls from 33.6 to 27.4.
# - (b) With augmentation a distance of 19 can be reached, half of what is reached without.
# - (c) Augmentation has no effect on the distance.
# - (d) Recall is lower with augmentation; whether the distance is lower, these runs do not tell.
# - (e) Augmentation trades recall for a lower distance.
#
# <details><summary>Hint 1</summary>compare_runs gives differences in standard errors.</details>
# <details><summary>Hint 2</summary>Compute the distance's difference with seed 4 and without it, and that of recall (where more is better).</details>
# <details><summary>Hint 3</summary>Distance: 2.1 standard errors, or 1.4 without seed 4 in both rows. Recall: more than three.</details>

# %% tags=["exercise"]
conclusion = ...  # a letter in quotes
# BEGIN SOLUTION
conclusion = "d"
# END SOLUTION

# %%
conclusion = check("11.8", conclusion)

# %% [markdown]
# ## 6. The report
#
# Unchosen samples, nearest training images, walks in latent space, and the numbers of Section 2.

# %% tags=["nbval-ignore-output"]
fig = sample_page(my_G, Z, train_set.images, features)
show(fig, alt="Forty unchosen samples; eight with their nearest training images; three walks")
print(last)
assert samples.isfinite().all()

# %% [markdown]
# *Figure 11.8. The report's page.* Watch for samples that resemble each other, equal pairs (copies), and jumps within a walk.
#
# ## 7. Larger samples
#
# Notebook 08's network, trained on photographs, enlarges four times.

# %% tags=["nbval-ignore-output"]
file = env.run_dir("08_srgan") / "srgan.safetensors"
if file.exists() and channels == 3:
    enlarger = networks.load(file, env.device()).eval()
    small = samples[:6]
    large = in_batches(enlarger, small, size=2).clamp(-1, 1)
    plain = F.interpolate(small, scale_factor=4, mode="bicubic").clamp(-1, 1)
    ax = show_images(torch.cat([plain, large]), columns=6, title="bicubic above, SRGAN below")
    show(ax, alt="Six samples, four times larger: bicubic ones are smooth, SRGAN's have texture")
    assert large.shape[-1] == 128
else:
    print("This needs colour images, and srgan.safetensors, which notebook 08 saves.")

# %% [markdown]
# *Figure 11.9. Samples at 128 pixels.* Texture is added, not information.
#
# ## 8. Take it with you
#
# `export` writes a folder: `index.html` runs *your* generator in any browser, offline, with sliders along the latent directions in which images vary most, found by PCA (GANSpace, Härkönen et al., 2020, arXiv 2004.02546); `generator.onnx` is for other programs; then samples, a walk, and a **model card** with data, licence, training, metrics and limits. From a terminal: `gancourse export-model G.safetensors --out DIR`.

# %% tags=["nbval-ignore-output"]
LICENCES = {"galaxies": "public domain (NASA, ESA)", "emoji_faces": "CC BY 4.0, © Twitter, Inc."}
card = ModelCard(
    description="Trained in notebook 11 of gancourse.", data=train_set.source,
    images=len(train_set), licence=LICENCES.get(DATA_SET, "not stated"),
    steps=STEPS, seconds=records[-1].seconds, seeds=0,
    metrics={"Fréchet distance": last.frechet, "the same of training images": last.frechet_floor,
             "near copies": last.copies},
    limits="32 x 32 pixels, one run. Not for any decision about real images.",
)  # fmt: skip
folder = env.run_dir(f"11_{label}")
try:
    networks.save(my_G, folder / "G.safetensors", like=dcgan.Generator(NOISE, channels, WIDTH, 32))
    files = export(my_G, folder / "export", name=f"{DATA_SET} that do not exist", card=card)
    print("\n".join(f"{path.stat().st_size / 1e6:5.2f} MB  {path.name}" for path in files))
    assert all(path.exists() for path in files)
except CourseError as error:  # a package is missing, or my_G is of another kind
    print(error)

# %% [markdown]
# Open `index.html`, and send it to somebody, if the licence of your images allows it.
#
# ## 9. Where it went
#
# **Larger GANs.** StyleGAN (Karras et al., 2019, arXiv 1812.04948) feeds a learned transformation of z into every layer; BigGAN (Brock et al., 2019, arXiv 1809.11096) scaled up batches and widths; GigaGAN (Kang et al., 2023, arXiv 2303.05511) draws a 512-pixel image from a sentence in 0.13 s.
#
# **Diffusion models** remove noise step by step (Ho et al., 2020, arXiv 2006.11239): one loss, no game, many network evaluations per image. In 2021 they had a lower FID on ImageNet than GANs (Dhariwal and Nichol, arXiv 2105.05233).
#
# **The game remained, as a part of other systems:**
# - *Autoencoders.* Latent diffusion works on the codes of an autoencoder that was trained with a patch discriminator (notebook 09; Rombach et al., 2022, arXiv 2112.10752).
# - *Distillation.* An adversarial loss lets a diffusion model draw in one to four steps (Sauer et al., 2023, arXiv 2311.17042).
# - *Sound.* HiFi-GAN (Kong et al., 2020, arXiv 2010.05646) turns spectrograms into speech; EnCodec (Défossez et al., 2022, arXiv 2210.13438) compresses audio.
# - *Super-resolution.* Real-ESRGAN (Wang et al., 2021, arXiv 2107.10833) continues notebook 08 with realistic degradations.
#
# **Applications** beyond images: dental crowns fitted to a patient's jaw (Hwang et al., 2018, arXiv 1804.00064); encryption learned against an adversary (Abadi and Andersen, 2016, arXiv 1610.06918), and ciphers broken without example pairs (Gomez et al., 2018, arXiv 1801.04883); synthetic patient records for privacy (Choi et al., 2017, arXiv 1703.06490), although a generator can memorize (Section 4); candidates for drugs (Kadurin et al., 2017, "druGAN", Molecular Pharmaceutics 14).
#
# This is the end of the course.
