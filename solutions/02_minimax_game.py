# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown] tags=["header"]
# # 02 The minimax game: learning to sample from data
#
# In 2014 Goodfellow and colleagues trained a network to generate samples without computing a density. Two networks play against each other; at the equilibrium of this game, the samples have the distribution of the data. Here you train both, reproduce the paper's Figure 1, and measure whether theory and practice agree.
#
# **You build:** the value function, the optimal discriminator, the generator's loss, one iteration of Algorithm 1, and the R1 penalty; then a generator that covers the eight modes of a ring.
#
# After this notebook you can
# - **explain** the game, its value function and its Nash equilibrium;
# - **derive** the optimal discriminator, and **choose** a loss for the generator;
# - **write** a training step in which each network is updated alone, and a gradient penalty;
# - **measure** whether G's samples have the distribution of the data, and **recognize** mode collapse.
#
# | | section | minutes |
# |---|---|---|
# | 1 | Discriminative and generative models | 10 |
# | 2 | The game and its value function | 22 |
# | 3 | The optimal discriminator, and the best generator against it | 20 |
# | 4 | Two losses for the generator | 12 |
# | 5 | Algorithm 1, line by line | 25 |
# | 6 | Figure 1, from a real run | 18 |
# | 7 | Eight modes on a ring | 38 |
#
# It builds on notebook 01: there a classifier's gradient changed images, here it trains a network. All networks are small and run on the CPU.

# %% tags=["setup"]
# written by gancourse build

# %%
import copy
import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.patches import Circle
from sklearn.datasets import make_moons
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import GaussianMixture
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from gancourse.datasets import toy
from gancourse.exercises import check
from gancourse.figures import PALETTE, panels, plot_curves, plot_records, show
from gancourse.papers.blocks import MLP, MLPDiscriminator
from gancourse.papers.gan import descend, ema_update, saturating_loss
from gancourse.results import load_table
from gancourse.training.loop import Record, train
from gancourse.training.player import linear_decay

# %% [markdown]
# ## 1. Discriminative and generative models
#
# Here are two models of points with two labels. A **discriminative** model learns only $p(y\mid x)$, the probability of a label at a given point. A **generative** one learns $p(x, y)$, the joint distribution of points and labels. $p(y\mid x)$ follows from $p(x, y)$, but not vice versa. The star marks a point far from all data.

# %%
x_train, y_train = make_moons(600, noise=0.1, random_state=0)
logistic = LogisticRegression().fit(x_train, y_train)
mixtures = [GaussianMixture(6, random_state=0).fit(x_train[y_train == y]) for y in (0, 1)]
samples = np.concatenate([mixture.sample(300)[0] for mixture in mixtures])


def log_density(x: np.ndarray) -> np.ndarray:
    """log p(x) of the mixtures; each label has probability 1/2."""
    return np.logaddexp(*[mixture.score_samples(x) for mixture in mixtures]) + np.log(0.5)


star = np.array([[3.0, -1.5]])
print(f"at the star: the classifier's probability is {logistic.predict_proba(star).max():.1%}")
lowest = log_density(x_train).min()
print(f"log p(x) is {log_density(star)[0]:.0f} there, and {lowest:.1f} or more at training points")

sides = np.linspace(-2.2, 3.7, 120), np.linspace(-2.2, 2.2, 120)
grid = np.stack(np.meshgrid(*sides), axis=-1).reshape(-1, 2)
fig, axes = panels(3, width=2.9, sharex=True, sharey=True)
for ax, heights in zip(axes, (logistic.predict_proba(grid)[:, 1], log_density(grid).clip(-12))):
    ax.contourf(*sides, heights.reshape(120, 120), levels=12, cmap="Greys", alpha=0.6)
names = ("p(y = 1 | x), classifier", "log p(x), mixtures", "samples, mixtures")
for ax, points, title in zip(axes, (x_train, x_train, samples), names):
    ax.scatter(*points.T, s=3, color=PALETTE[0], alpha=0.4)
    ax.plot(*star[0], "*", color=PALETTE[1], markersize=12)
    ax.set(xlabel="x1", title=title)
axes[0].set_ylabel("x2")
show(
    fig, alt="The classifier is confident far from its boundary, also at the star; the mixtures' "
    "density is high on the two moons only, and their samples form the same two moons",
)

# %% [markdown]
# *Figure 2.1. Left: a classifier divides the whole plane and is most confident far from its boundary, even where there are no data, as at the star. Middle: a density shows where points are likely to occur. Right: samples of the density.*
#
# **Exercise 2.1** · *What a classifier can't tell* · difficulty ●○○○○ · importance ●●●●○ · 4 minutes · 1 point
#
# You are given a perfect $p(y\mid x)$, and nothing else. Which of these questions can't be answered from it?
#
# - a: Which label is more likely at the point (0, 1)?
# - b: How certain is the label there?
# - c: Is (3, -1.5) a point that is likely to occur in the data at all?
# - d: Where does the border between the labels run?
# - e: If you always take the likelier label, how many of 100 given points will you label correctly on average?
#
# <details><summary>Hint 1</summary>
#
# Write each question as a formula. In which of them do you need more than $p(y\mid x)$?
#
# </details>
# <details><summary>Hint 2</summary>
#
# For each x, $p(y\mid x)$ sums to 1 over the labels, however frequent x itself is.
#
# </details>
# <details><summary>Hint 3</summary>
#
# One of the questions is about p(x) alone.
#
# </details>

# %% tags=["exercise"]
answer = ...  # a letter in quotes
# BEGIN SOLUTION
answer = "c"
# END SOLUTION

# %%
answer = check("2.1", answer)

# %% [markdown] tags=["solution"]
# <details><summary>Why c</summary>
#
# a, b and d compare $p(y\mid x)$ between labels at given points, and e averages the larger of the two. How likely the point itself is, p(x), cancels out of $p(y\mid x)$.
#
# </details>

# %% [markdown]
# Why not fit mixtures to everything? One covariance matrix of 64 x 64 grey images has 4096 · 4097 / 2, or 8.4 million, different numbers. Other models have other limits:
#
# | family | density p(x) | sampling |
# |---|---|---|
# | mixtures; hidden Markov models (HMM) of sequences | exact | easy |
# | latent Dirichlet allocation (LDA), topics of documents | lower bound | easy |
# | restricted Boltzmann machines (RBM) | up to an unknown constant | Markov chain, slow |
# | autoregressive models | exact | one pixel after the other |
# | variational autoencoders; diffusion models | lower bound (diffusion: also exact) | one pass; many passes |
# | **GANs** | **none** | one pass |
#
# A GAN has only the sampler: a network G that turns a **latent vector** z (noise) into a sample. Without p(x) there is no likelihood to maximize. **Why not minimize the mean squared error?** No z is paired with a particular x, so we can only pair them at random. The loop has two lines (`descend` calls `zero_grad`, `backward` and `step`):

# %% tags=["training", "nbval-ignore-output"]
G, rng = MLP(2, 64, 2, rng=env.rng(0, "cpu")), env.rng(1, "cpu")
opt, points = Adam(G.parameters(), lr=3e-3), torch.tensor(x_train, dtype=torch.float32)
for _ in range(env.budget(smoke=20, cpu=1000, gpu=1000)):
    z, x = torch.randn(256, 2, generator=rng), points[torch.randint(600, (256,), generator=rng)]
    descend(opt, F.mse_loss(G(z), x))
with torch.no_grad():
    fakes = G(torch.randn(2000, 2, generator=rng))
for name, cloud in (("data", points), ("G(z)", fakes)):
    mean, std = (list(map("{:.2f}".format, x)) for x in (cloud.mean(dim=0), cloud.std(dim=0)))
    print(f"{name}: mean ({', '.join(mean)}), standard deviation ({', '.join(std)})")
env.expect(
    "mean squared error gives the mean point", (fakes.std(dim=0) < 0.3 * points.std(dim=0)).all(),
    "G's samples keep more than 30 % of the data's spread; usually they keep much less.",
)

# %% [markdown]
# If z and x are independent, the output with the least mean squared error is $\mathbb{E}[x]$ for every z: here one point between the moons, where there are no data; for images, the mean image. The idea of 2014 is to *learn* a loss: a classifier that distinguishes samples from data.
#
# ## 2. The game and its value function
#
# ```
#   z ~ p(z) ──► G ──► G(z), a fake ──┐
#                                     ├──► D ──► a logit; sigmoid(logit) = probability that x is real
#   data     ────────► x, real     ──┘
# ```
#
# We write $p_g$ for the distribution of the samples of the **generator** G. The **discriminator** D returns the probability that a sample is real. **Real is 1 and fake is 0**, as in the paper and in all later notebooks. The authors compare G to counterfeiters, and D to the police (Section 1 of the paper). The game is defined by its value function (Equation 1):
#
# $$\min_G \max_D V(D, G) = \mathbb{E}_{x\sim p_\mathrm{data}}[\log D(x)] + \mathbb{E}_{z\sim p(z)}[\log(1 - D(G(z)))]$$
#
# G can lower V through the second term only. Our networks return *logits* $\ell$, with $D = \mathrm{sigmoid}(\ell)$.
#
# **Exercise 2.2** · *The value function* · difficulty ●●○○○ · importance ●●●●● · 8 minutes · 2 points
#
# - `real`, `fake`: logits of D on real samples and on fakes, of shape (m,).
# - Return V as one number (a tensor without dimensions); each expectation is estimated by the mean. The logarithm is the natural one, so the unit is the *nat*.
# - The result must be finite **and accurate** for logits of any size, without a clamp or an added epsilon.
#
# <details><summary>Hint 1</summary>
#
# $\log D$ is `F.logsigmoid(logit)`. What is $1 - \mathrm{sigmoid}(\ell)$ as a sigmoid?
#
# </details>
# <details><summary>Hint 2</summary>
#
# $1 - \mathrm{sigmoid}(\ell) = \mathrm{sigmoid}(-\ell)$. In float32 `1 - torch.sigmoid(tensor(20.))` is 0; `F.logsigmoid` never forms the probability.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `F.logsigmoid(real).mean() + F.logsigmoid(...).mean()`
#
# </details>

# %% tags=["exercise"]
def value(real: Tensor, fake: Tensor) -> Tensor:
    """V(D, G) of Equation 1, in nats, from logits of D."""
    # BEGIN SOLUTION
    return F.logsigmoid(real).mean() + F.logsigmoid(-fake).mean()
    # END SOLUTION

# %%
value = check("2.2", value)

# %% [markdown]
# D descends -V, the sum of two binary cross-entropies, with labels 1 for real and 0 for fake.

# %%
def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """-V: what D minimizes."""
    return -value(real, fake)

# %% [markdown]
# **Zero-sum games.** What D gains, G loses: the game is *zero-sum*. A pair of strategies is a **Nash equilibrium** if neither player can gain by changing only its own. Take matching pennies: G and D each show a side of a coin; D gains 1 if the sides match and loses 1 otherwise. Whoever shows first loses, so min max V = 1, max min V = -1, and there is no equilibrium. With *mixed strategies* (each side is shown with some probability) the order does not matter: 1/2 for both is an equilibrium, with V = 0. By the **minimax theorem** (von Neumann, 1928) every finite two-player zero-sum game has min max = max min over mixed strategies. Generalizations need V to be convex in the strategy of the player who minimizes and concave in that of the other. Ours is linear in $p_g$ and concave in the function D, but as a function of the *weights* of two networks it is neither convex nor concave, so the theorem guarantees nothing.
#
# Gradient steps can miss an equilibrium. With $V = g\,d$ it is (0, 0). Let g descend and d ascend:

# %%
g, d, path = 0.5, 0.5, []
for _ in range(200):
    g, d = g - 0.1 * d, d + 0.1 * g  # both gradients are taken at the same point
    path.append((g, d))
distances = math.hypot(0.5, 0.5), math.hypot(g, d), np.hypot(*np.mean(path, axis=0))
print("distance from (0, 0): {:.2f} first, {:.2f} last; of the mean {:.2f}".format(*distances))

# %% [markdown]
# The path spirals away from the equilibrium, but the *mean* of its points is much nearer to it. Section 6 uses this.
#
# ## 3. The optimal discriminator, and the best generator against it
#
# If G is fixed, which D maximizes V? This is the **optimal discriminator** $D^*$. Write both expectations as integrals over x, with p for $p_\mathrm{data}$ and q for $p_g$:
#
# $$V = \int \big[\, p(x)\log D(x) + q(x)\log(1 - D(x)) \,\big]\, dx$$
#
# Treat each x separately: maximize $p\log D + q\log(1-D)$ over one number D. That is concave in D, so at the optimum the derivative vanishes:
#
# $$\frac{p}{D} - \frac{q}{1-D} = 0$$
#
# **Exercise 2.3** · *The optimal discriminator* · difficulty ●●○○○ · importance ●●●●● · 8 minutes · 1 point
#
# - `p`, `q`: the densities of data and fakes at some points, both above 0, shape (n,). Both can be tiny, so no epsilon.
# - Return $D^*$, the optimal D at each of these points: probabilities, shape (n,).
#
# <details><summary>Hint 1</summary>
#
# Multiply the equation above by $D(1-D)$, and solve it for D.
#
# </details>
# <details><summary>Hint 2</summary>
#
# $p(1-D) = qD$. Check your formula where p = q: there real and fake are equally likely.
#
# </details>
# <details><summary>Hint 3</summary>
#
# It is Bayes' rule with equal prior probabilities: the share of p in p + q.
#
# </details>

# %% tags=["exercise"]
def optimal_discriminator(p: Tensor, q: Tensor) -> Tensor:
    """D* of Proposition 1: the probability that a sample at x is real."""
    # BEGIN SOLUTION
    return p / (p + q)
    # END SOLUTION

# %%
optimal_discriminator = check("2.3", optimal_discriminator)

# %% [markdown]
# The proof allows any function D. How close does a trained network come? The data are $p = N(1, 0.5^2)$ (mean 1, standard deviation 0.5), and a fixed $q = N(0.2, 0.8^2)$ takes G's place. **Learning-rate decay** helps D to converge: `LambdaLR` multiplies the initial rate by a factor, here one that decays linearly from 1 to 0.

# %%
p = toy.Normal(mean=1.0, std=0.5)
q = toy.Normal(mean=0.2, std=0.8)
x_line = torch.linspace(-3, 4, 701)[:, None]  # points on the line, as a column
p_x, q_x = p.density(x_line), q.density(x_line)
D_STEPS = env.budget(smoke=60, cpu=1500, gpu=3000)


def train_discriminator(sample_fake: Callable[[int], Tensor], rng: torch.Generator) -> nn.Module:
    """Train a new D alone, on data p and fakes from a distribution that doesn't change."""
    D = MLPDiscriminator(1, 64, 64, rng=rng)
    opt = Adam(D.parameters(), lr=3e-3, betas=(0.5, 0.99), fused=True)
    schedule = LambdaLR(opt, lambda done: 1 - done / D_STEPS)
    for _ in range(D_STEPS):
        real, fake = D(p.sample(512, rng)), D(sample_fake(512))
        descend(opt, discriminator_loss(real, fake))  # zero_grad, backward, step
        schedule.step()
    return D

# %% tags=["training", "nbval-ignore-output"]
rng = env.rng(0, "cpu")
D = train_discriminator(lambda m: q.sample(m, rng), rng)
with torch.no_grad():
    D_x = D(x_line).sigmoid()
curves = {"p, data": p_x, "q, fixed fakes": q_x}
curves |= {"D* = p / (p + q)": optimal_discriminator(p_x, q_x), "D, trained on samples": D_x}
fig, axes = panels(1, width=8, height=3)
plot_curves(x_line[:, 0], curves, xlabel="x", ylabel="density, or probability", ax=axes[0])
axes[0].legend(loc="center left", bbox_to_anchor=(1, 0.5))
show(
    fig, alt="D* rises to a peak near x = 1.5 and falls again on the right. The trained D usually "
    "follows it where there are samples, and may leave it at the right end",
)
gap, weight = (D_x - curves["D* = p / (p + q)"]).abs(), (p_x + q_x) / 2
error = (gap * weight).sum().item() * 0.01  # the mean over real and fake; points are 0.01 apart
env.report(optimal_d_error=error)
env.expect(
    "trained D is close to D*", error <= 0.03, f"mean |D - D*| is {error:.3f}, usually below 0.01."
)

# %% [markdown]
# *Figure 2.2. The optimal D for two fixed distributions, and a D that was trained on their samples.* `optimal_d_error` is the mean of $|D - D^*|$ over samples of both. On the right $D^*$ falls again, since q is wider. There D may differ from $D^*$ almost without effect on its loss, because almost no samples lie there.
#
# Now let G choose q, and let D always be $D^*$. Substitute it into V:
#
# $$C(q) = \int \Big[\, p\log\frac{p}{p+q} + q\log\frac{q}{p+q} \,\Big]\, dx .$$
#
# If $q = p$, then $D^* = 1/2$ everywhere and $C = \log\frac12 + \log\frac12 = -\log 4 = -1.386$. Is this the minimum? Let $m = (p+q)/2$. Then $\frac{p}{p+q} = \frac12\cdot\frac pm$, so each of the two terms gives a $\log\frac12$ and a *Kullback-Leibler divergence* $\mathrm{KL}(p\,\|\,m) = \int p\log\frac pm\,dx$, which is never negative. The mean of the two is the *Jensen-Shannon divergence*:
#
# $$C(q) = -\log 4 + \mathrm{KL}(p\,\|\,m) + \mathrm{KL}(q\,\|\,m) = -\log 4 + 2\,\mathrm{JSD}(p \,\|\, q) .$$
#
# JSD is 0 if q equals p and positive otherwise, so $p_g = p_\mathrm{data}$ is the only minimum (Theorem 1). It is at most log 2, which it reaches whenever p and q don't overlap anywhere, however near they are: V at $D^*$ then gives G no gradient. Early in training the overlap is often small.
#
# ## 4. Two losses for the generator
#
# In the paper's Algorithm 1 G descends its own term of V, $\mathbb{E}_z[\log(1 - D(G(z)))]$. Where D is confident that a sample is fake, this loss is flat (Figure 2.3): it **saturates**. The gradient is smallest where the samples are worst. At the end of their Section 3 the authors therefore propose another loss with the same aim, now called the **non-saturating loss**: G descends $-\mathbb{E}_z[\log D(G(z))]$.
#
# **Exercise 2.5** · *The non-saturating loss* · difficulty ●●○○○ · importance ●●●●● · 6 minutes · 1 point
#
# - `fake`: logits of D on G's samples, shape (m,).
# - Return $-\log D$, averaged over the batch. It must be finite and accurate for logits of any size, without a clamp or an added epsilon.
#
# <details><summary>Hint 1</summary>
#
# It is the cross-entropy of the fakes with label 1, the label of *real* samples.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Write $-\log\mathrm{sigmoid}(\ell)$ out: it is $\log(1 + e^{-\ell})$. torch has $\log(1 + e^x)$ as `F.softplus(x)`.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `F.softplus(-fake)`, and its mean.
#
# </details>

# %% tags=["exercise"]
def generator_loss(fake: Tensor) -> Tensor:
    """-E[log D(G(z))] from logits: what G minimizes."""
    # BEGIN SOLUTION
    return F.softplus(-fake).mean()
    # END SOLUTION

# %%
generator_loss = check("2.5", generator_loss)

# %%
logits = torch.linspace(-8, 8, 161, requires_grad=True)
slopes = {}
for name, loss in (("log(1 - D)", saturating_loss), ("-log D", generator_loss)):
    slopes[name] = torch.autograd.grad(sum(loss(v[None]) for v in logits), logits)[0]
ax = plot_curves(logits.detach(), slopes, xlabel="logit of a fake", ylabel="slope of G's loss")
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
show(ax, alt="At logit -6 the slope of log(1 - D) is almost 0, and that of -log D almost -1")
at_6 = [round(y[20].item(), 4) for y in slopes.values()]  # logits[20] is -6
env.report(slope_saturating=at_6[0], slope_nonsaturating=at_6[1])

# %% [markdown]
# *Figure 2.3. Slopes of both losses of G; on the left D is confident that the sample is fake.* At logit 0 they are equal; at -6 they differ by the factor $e^6$, about 400. In code, $\log(1 - D)$ is minus the cross-entropy with label 0, and $-\log D$ is the cross-entropy with label 1.
#
# ## 5. Algorithm 1, line by line
#
# The paper's Algorithm 1, with what each line becomes in PyTorch:
#
# | Algorithm 1 (in our words) | code |
# |---|---|
# | repeat k times: | `for _ in range(k):` |
# | &nbsp;&nbsp;draw m examples of the data | `x = next(batches)`; m is `len(x)` |
# | &nbsp;&nbsp;draw m latent vectors | `fakes = G(sample_z(m))`, without gradient |
# | &nbsp;&nbsp;move D up the gradient of V | descend `discriminator_loss(D(x), D(fakes))` |
# | draw m fresh latent vectors | `z = sample_z(m)` |
# | move G down the gradient of its loss | descend `generator_loss(D(G(z)))` |
#
# In **D's turn** G is a fixed sampler: make the fakes under `torch.no_grad()`, or `.detach()` them. In **G's turn** the gradient must flow *through* D, so no `detach` here. D's parameters receive gradients as a by-product, which must be cleared before D's next turn.
#
# **Exercise 2.6** · *One iteration of Algorithm 1* · difficulty ●●●○○ · importance ●●●●● · 20 minutes · 4 points
#
# - `next(batches)` gives m real examples, without end; `sample_z(m)` gives m latent vectors. Take m from the batch.
# - k steps of D, each on a fresh batch and fresh noise; then one step of G on m fresh latent vectors.
# - Use `discriminator_loss` and `generator_loss` from above, and clear old gradients before each `backward()`.
# - Return the last of D's losses and G's loss as `{"loss_D": ..., "loss_G": ...}`, detached.
#
# <details><summary>Hint 1</summary>
#
# Two blocks: make fakes, compute the loss, `zero_grad`, `backward`, `step`. The first is in a loop over k.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `descend(opt, loss)`, imported above, does the last three. In which of the two turns must the graph of G not be built?
#
# </details>
# <details><summary>Hint 3</summary>
#
# D's turn: `with torch.no_grad(): fakes = G(sample_z(len(x)))`, then `descend(opt_D, discriminator_loss(D(x), D(fakes)))`. G's turn, after the loop: `loss_G = generator_loss(D(G(sample_z(len(x)))))`, then `descend(opt_G, loss_G)`.
#
# </details>

# %% tags=["exercise"]
def gan_step(
    G: nn.Module, D: nn.Module, opt_G: Optimizer, opt_D: Optimizer,
    batches: Iterator[Tensor], sample_z: Callable[[int], Tensor], k: int = 1,
) -> dict[str, Tensor]:
    """One iteration of Algorithm 1, with -log D for G (exercise 2.5)."""
    # BEGIN SOLUTION
    for _ in range(k):
        x = next(batches)
        with torch.no_grad():  # D's turn: G is a fixed sampler
            fakes = G(sample_z(len(x)))
        loss_D = discriminator_loss(D(x), D(fakes))
        descend(opt_D, loss_D)
    loss_G = generator_loss(D(G(sample_z(len(x)))))  # G's turn: the gradient flows through D
    descend(opt_G, loss_G)
    return {"loss_D": loss_D.detach(), "loss_G": loss_G.detach()}
    # END SOLUTION

# %%
gan_step = check("2.6", gan_step)

# %% [markdown]
# ## 6. Figure 1, from a real run
#
# The data are $N(1, 0.5^2)$ again; G and D have two hidden layers of 32 units, and z has one dimension. Three choices are meant to stabilize training:
#
# - **k = 3**, and a learning rate of D twice that of G: the theory assumes D near its optimum.
# - **No momentum** (Adam with $\beta_1 = 0$; the authors used momentum): momentum averages over gradients that were computed with older weights of the other network.
# - **Learning-rate decay** (`linear_decay`: constant for half of the run, then linear to 0), and an **exponential moving average (EMA)** of G's weights, like the mean of the spiral in Section 2.

# %%
def game(
    data: toy.Normal | toy.Ring, G: MLP, D: nn.Module, steps: int, rng: torch.Generator,
    lr_G: float, lr_D: float, momentum: float = 0.0, hold: float = 0.5, decay: float = 0.99,
    size: int = 512, every: int = 1, **options: object,
) -> Iterator[tuple[Record, nn.Module]]:
    """Train G and D on batches of `data`; yields a record and the EMA of G at every few steps.

    `momentum` is Adam's beta_1, `hold` the share of steps with a constant learning rate, `decay`
    that of the EMA (0: it is G itself). `options` are for `gan_step`.
    """
    players = ((G, lr_G), (D, lr_D))
    opts = [Adam(N.parameters(), lr, betas=(momentum, 0.9), fused=True) for N, lr in players]
    schedules = [linear_decay(opt, steps, hold) for opt in opts]
    average = copy.deepcopy(G)
    batches, sample_z = toy.batches(data, size, rng), env.noise(G[0].in_features, rng)

    def step() -> dict[str, Tensor]:
        losses = gan_step(G, D, *opts, batches, sample_z, **options)
        for schedule in schedules:
            schedule.step()
        ema_update(average, G, decay)  # average = decay * average + (1 - decay) * G
        return losses

    for record in train(step, steps, {}, record_every=every, title="game"):
        yield record, average

# %%
LINE_STEPS = env.budget(smoke=24, cpu=2500, gpu=2500)
z_fixed = torch.randn(4000, 1, generator=env.rng(9, "cpu"))
z_arrows = torch.linspace(-2, 2, 9)[:, None]


@torch.no_grad()
def snapshot(G: nn.Module, D: nn.Module, step: int) -> dict:
    """What Figure 1 shows of one step."""
    return {"step": step, "D": D(x_line).sigmoid(), "fakes": G(z_fixed), "x": G(z_arrows)[:, 0]}


def draw_frame(frame: dict, ax: Axes) -> None:
    """One panel of Figure 1: densities and D above, arrows from z to G(z) below."""
    ax.plot(x_line, p_x, color="black", linestyle=":", label="data p")
    bars = {"bins": 80, "range": (-3, 4), "density": True, "histtype": "step"}
    ax.hist(frame["fakes"][:, 0].numpy(), **bars, color=PALETTE[1], label="fakes $p_g$")
    ax.plot(x_line, frame["D"], color=PALETTE[0], linestyle="--", label="D")
    ax.axhline(0.5, color="grey", linewidth=0.5)
    for height, name in ((-0.25, "x = G(z)"), (-0.75, "z")):
        ax.axhline(height, color="black", linewidth=0.8)
        ax.text(-2.9, height + 0.05, name)
    for z, x in zip(z_arrows[:, 0].tolist(), frame["x"].tolist(), strict=True):
        ax.annotate("", (x, -0.25), (z, -0.75), arrowprops={"arrowstyle": "->", "linewidth": 0.6})
    ax.set(xlim=(-3, 4), ylim=(-0.9, 2.2), yticks=[0, 1, 2], xlabel="x (and z)")
    ax.set_title(f"step {frame['step']:,}")


# %% tags=["training", "nbval-ignore-output"]
rng = env.rng(0, "cpu")
G, D = MLP(1, 32, 32, 1, rng=rng), MLPDiscriminator(1, 32, 32, rng=rng)
frames, records = [snapshot(G, D, 0)], []
settings = {"lr_G": 1e-3, "lr_D": 2e-3, "size": 1024, "every": max(1, LINE_STEPS // 125), "k": 3}
for record, G_line in game(p, G, D, LINE_STEPS, rng, **settings):  # G_line: the EMA of G
    frames.append(snapshot(G, D, record.step))
    records.append(record)
fig, axes = panels(4, width=2.2, height=3.2, sharey=True)
for ax, frame in zip(axes, [*frames[:2], frames[5], frames[-1]]):
    draw_frame(frame, ax)
    ax.label_outer()
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
show(
    fig, alt="Figure 1 at four moments. In the last panel the fakes' density usually lies on "
    "that of the data, and D is near 1/2 where there are samples",
)
assert len(frames) == len(records) + 1  # and one before the first step

# %% [markdown]
# *Figure 2.4. Figure 1 of Goodfellow et al. (2014) from our own run: densities of data and fakes, and D; below, arrows from evenly spaced z to G(z).* (The paper's panels are a sketch of one iteration near the equilibrium, with uniform z; ours are four moments of training, with normal z.) D becomes larger where there are more data than fakes, and G moves its samples to where D is larger. In the last panel compare fakes with data, and D with 1/2. Arrows may cross: many maps give the same $p_g$. We draw 100,000 new samples of the EMA of G, and plot the losses:

# %% tags=["nbval-ignore-output"]
with torch.no_grad():
    fakes = G_line(torch.randn(100_000, 1, generator=env.rng(10, "cpu")))
mean, std = fakes.mean().item(), fakes.std().item()
print(f"data: mean {p.mean:.3f}, std {p.std:.3f}; G: mean {mean:.3f}, std {std:.3f}")
mean_error, std_error = abs(mean - p.mean) / p.std, abs(std - p.std) / p.std
env.expect(
    "G has the mean and standard deviation of the data", max(mean_error, std_error) <= 0.05,
    f"the errors are {mean_error:.1%} and {std_error:.1%} of std; usually they are below 5 %.",
)
ax = plot_records(records)
for height in (math.log(4), math.log(2)):
    ax.axhline(height, color="grey", linewidth=0.8)
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
show(ax, alt="Both losses usually settle: D's near log 4, and G's near log 2")

# %% [markdown]
# *Figure 2.5. Losses of both networks; grey lines at log 4 = 1.386 and log 2 = 0.693, the values for D = 1/2.* Training approaches an equilibrium, not a minimum of a loss.
#
# **Exercise 2.7** · *What flat losses mean* · difficulty ●●●○○ · importance ●●●●● · 4 minutes · 1 point
#
# Another run shows loss_D = 1.386 and loss_G = 0.693 from early on to its end. What do you know?
#
# - a: Its samples have the distribution of the data: V is at its minimum.
# - b: Its D does no better than guessing. Whether the fakes differ from data, you don't know yet.
# - c: G has stopped learning, and D continues to learn.
# - d: G's loss has saturated.
# - e: The labels of real and fake are swapped in D's turn.
#
# <details><summary>Hint 1</summary>
#
# Which outputs of D give exactly these losses?
#
# </details>
# <details><summary>Hint 2</summary>
#
# C(q) is V at the *optimal* D. Is the D of that run optimal?
#
# </details>
# <details><summary>Hint 3</summary>
#
# 1/2 for every input. A D that never learned anything can return that too.
#
# </details>

# %% tags=["exercise"]
answer = ...  # a letter in quotes
# BEGIN SOLUTION
answer = "b"
# END SOLUTION

# %%
answer = check("2.7", answer)

# %% [markdown] tags=["solution"]
# <details><summary>Why b</summary>
#
# These are the losses of a D that returns 1/2 for every input: because G is perfect, or because D never learned anything. (a) needs the optimal D. (c) loss_D would fall. (d) At logit 0 neither loss of G is flat. (e) Such a D still separates the two.
#
# </details>

# %% [markdown]
# So these losses prove nothing about the samples. The theory suggests another test: freeze G, and train a **fresh, larger D** against it. Its V on new samples estimates $C(p_g) = -\log 4 + 2\,\mathrm{JSD}$ from below, since it may not be optimal. The control is a fresh D against the *untrained* generator.

# %% tags=["training", "nbval-ignore-output"]
def fresh_value(G: nn.Module) -> float:
    """V of a fresh D, trained against a frozen G, on 100,000 fresh samples of each kind."""
    rng = env.rng(20, "cpu")
    sample_z = env.noise(1, rng)
    D = train_discriminator(lambda m: G(sample_z(m)).detach(), rng)
    with torch.no_grad():
        return value(D(p.sample(100_000, rng)), D(G(sample_z(100_000)))).item()


before, after = fresh_value(MLP(1, 32, 32, 1, rng=env.rng(0, "cpu"))), fresh_value(G_line)
print(f"V of a fresh D: {before:.4f} against the untrained G, {after:.4f} against the trained one;")
print(f"-log 4 is {-math.log(4):.4f}")
env.report(
    generator_mean_error=mean_error, generator_std_error=std_error,
    value_at_equilibrium=after, value_before_training=before,
)
env.expect(
    "V falls to -log 4", abs(after + math.log(4)) <= 0.05 and before > after + 0.1,
    f"V is {before:.3f} before and {after:.3f} after training; usually it falls to about -1.386.",
)

# %% [markdown]
# The closer the second value is to -log 4, the less difference this D could find.
#
# ## 7. Eight modes on a ring
#
# A common test for data with gaps is a ring of eight Gaussians (Metz et al., 2017; theirs have a standard deviation of 0.02, ours of 0.1). Each is a **mode**, a peak of the density. G, a continuous function, has to cover all eight.

# %%
ring = toy.Ring(modes=8, radius=2.0, std=0.1)


def scatter(ax: Axes, points: Tensor, title: str) -> None:
    """Points in the plane, and a circle of 3 standard deviations around each mode."""
    for centre in ring.centres.tolist():
        ax.add_patch(Circle(centre, 3 * ring.std, fill=False, color="grey", linewidth=0.8))
    ax.scatter(*points.T, s=3, color=PALETTE[0], alpha=0.3, linewidths=0)
    ax.set(title=title, xlim=(-3, 3), ylim=(-3, 3), xlabel="x1", ylabel="x2", aspect="equal")
    ax.label_outer()


# %% [markdown]
# **Exercise 2.8** · *Counting modes* · difficulty ●●●○○ · importance ●●●●○ · 12 minutes · 2 points
#
# Scatter plots are easily misread, so we need metrics. Write a function that returns two numbers:
# - **modes found**: how many centres have at least `least` points within `radius` of them;
# - **share of points** (0 to 1) that lie within `radius` of some centre.
#
# `points` is (n, 2), `centres` (modes, 2). Distances are Euclidean; circles don't overlap.
#
# <details><summary>Hint 1</summary>
#
# `torch.cdist(points, centres)` gives all distances, shape (n, modes).
#
# </details>
# <details><summary>Hint 2</summary>
#
# Compare the distances with the radius. Over which dimension do you reduce for the first number, over which for the second?
#
# </details>
# <details><summary>Hint 3</summary>
#
# With `near = distances <= radius`: `int((near.sum(dim=0) >= least).sum())` and `near.any(dim=1).float().mean().item()`
#
# </details>

# %% tags=["exercise"]
def mode_coverage(
    points: Tensor, centres: Tensor, radius: float, least: int = 1
) -> tuple[int, float]:
    """Modes found, and the share of points that lie near a mode."""
    # BEGIN SOLUTION
    near = torch.cdist(points, centres) <= radius
    return int((near.sum(dim=0) >= least).sum()), near.any(dim=1).float().mean().item()
    # END SOLUTION

# %%
mode_coverage = check("2.8", mode_coverage)

# %% [markdown]
# We also measure the **emptiest mode**: the number of points near the mode that has the fewest, divided by an eighth of all points. A mode counts as found if it has a fifth of its share.

# %%
def score(points: Tensor) -> tuple[int, float, float]:
    """Modes with a fifth of their share, share of points near one, emptiest mode."""
    modes, quality = mode_coverage(points, ring.centres, 3 * ring.std, least=len(points) // 40)
    near = torch.cdist(points, ring.centres) <= 3 * ring.std
    return modes, quality, near.sum(dim=0).min().item() * 8 / len(points)


modes, quality, emptiest = score(ring.sample(10_000, env.rng(1, "cpu")))
print(f"real points: {modes} modes, {quality:.0%} near one, emptiest {emptiest:.0%}")

# %% [markdown]
# **A gradient penalty.** At the equilibrium the gradient of D should be 0 at the data; otherwise it moves G's samples away again. The **R1 penalty** (Mescheder et al., 2018) is added to D's loss:
#
# $$\frac{\gamma}{2}\, R_1, \qquad R_1 = \mathbb{E}_{x\sim p_\mathrm{data}}\big[\lVert\nabla_x \ell(x)\rVert^2\big], \quad \ell \text{ the logit of D.}$$
#
# **Exercise 2.9** · *The R1 penalty* · difficulty ●●●○○ · importance ●●●●○ · 12 minutes · 3 points
#
# - `D` returns one logit per example, shape (B,). `x` are real examples, of shape (B, ...): points (B, n), or images (B, C, H, W).
# - Return $R_1$ as one number, without $\gamma/2$: for each example the sum of the squares of its own gradient, then the mean over the batch.
# - This number is part of D's loss, so it must have a gradient with respect to D's weights.
# - No side effects: don't change `x`, and add nothing to the `.grad` of D's weights.
#
# <details><summary>Hint 1</summary>
#
# As in exercise 1.3: `x = x.detach().requires_grad_()`, then `torch.autograd.grad` of one number. Which one?
#
# </details>
# <details><summary>Hint 2</summary>
#
# `torch.autograd.grad(D(x).sum(), x)` returns a tuple with one tensor like x. Without another argument it is a constant for autograd.
#
# </details>
# <details><summary>Hint 3</summary>
#
# The argument is `create_graph=True`. Then `gradient.flatten(1).square().sum(dim=1)` has one number for each example.
#
# </details>

# %% tags=["exercise"]
def r1_penalty(D: nn.Module, x: Tensor) -> Tensor:
    """Mean squared norm of D's gradient at real examples x (B, ...); trains D."""
    # BEGIN SOLUTION
    x = x.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(D(x).sum(), x, create_graph=True)
    return gradient.flatten(1).square().sum(dim=1).mean()
    # END SOLUTION

# %%
r1_penalty = check("2.9", r1_penalty)

# %% [markdown]
# From here on we use the package's `gan_step`, which also adds a `penalty` to D's loss.

# %%
from gancourse.papers.gan import gan_step


def ring_game(
    steps: int, seed: int = 0, gamma: float = 0.3, **changes: float
) -> tuple[nn.Module, dict[int, Tensor]]:
    """Train on the ring; returns the EMA of G, and 2,000 samples after each eighth of the run."""
    rng = env.rng(seed, "cpu")
    G, D = MLP(2, 64, 64, 64, 2, rng=rng), MLPDiscriminator(2, 64, 64, 64, rng=rng)
    settings = {"lr_G": 3e-3, "lr_D": 3e-3, "decay": 0.995, "size": 256, "every": steps // 8}
    if gamma:
        settings["penalty"] = lambda D, x: gamma / 2 * r1_penalty(D, x)
    samples = {}
    for record, average in game(ring, G, D, steps, rng, **settings | changes):
        samples[record.step] = draw(average, 2000)
    return average, samples


@torch.no_grad()
def draw(G: nn.Module, n: int = 10_000) -> Tensor:
    """n samples, always from the same latent vectors."""
    return G(torch.randn(n, 2, generator=env.rng(31, "cpu")))


def plot_moments(samples: dict[int, Tensor], eighths: tuple[int, ...], alt: str) -> None:
    """Samples after some of the eighths of a run; titles give modes and the share near one."""
    fig, axes = panels(len(eighths), width=2.2, height=3.1, sharey=True)
    for ax, eighth in zip(axes, eighths):
        step, points = list(samples.items())[eighth - 1]
        scatter(ax, points, "step {}\n{} modes, {:.0%}".format(step, *score(points)))
    show(fig, alt)

# %% [markdown]
# First the baseline: Adam with its default momentum of 0.9 ($\beta_2 = 0.9$ and a rate of 0.003, as in all runs here), constant learning rates, no penalty, no EMA.

# %% tags=["training", "nbval-ignore-output"]
RING_STEPS = env.budget(smoke=24, cpu=1600, gpu=1600)
G, samples = ring_game(RING_STEPS, gamma=0.0, momentum=0.9, hold=1.0, decay=0.0)
plot_moments(
    samples, (2, 4, 6, 8), alt="Four moments of the baseline run: the number of modes found "
    "changes from panel to panel",
)
emptiest = score(draw(G))[2]
env.expect(
    "baseline: a mode has less than half of its share", emptiest < 0.5,
    f"even the emptiest mode has {emptiest:.0%} of its share; usually it has less than half.",
)

# %% [markdown]
# *Figure 2.6. Samples after each quarter of the baseline run; circles of 3 standard deviations mark the modes; titles count the modes found and give the share of samples near a mode.* The number of modes changes from panel to panel: D learns to recognize what G produces most, G moves these samples elsewhere, and D adapts again. If modes stay empty, this is called **mode collapse**.
#
# **What helps?** Four remedies: no momentum, R1, learning-rate decay with an EMA of G, and three hidden layers instead of two. We remove one at a time: an **ablation**. Each row is five runs of 1,600 steps, made by `python benchmarks/ring.py`.

# %%
table = load_table("ring")["rows"]


def spread(name: str, number: str) -> str:
    """Mean and range over the runs of a row."""
    values = [run[number] for run in table[name]]
    return f"{np.mean(values):.2f} ({min(values):.2f} to {max(values):.2f})"


print(f"{'mean (range of five runs)':25} {'samples near a mode':22} emptiest mode")
for name in table:
    print(f"{name:25} {spread(name, 'share'):22} {spread(name, 'emptiest')}")

# %% [markdown]
# Of the single changes, momentum lowers the share of samples near a mode most. Without R1 this share is even a little higher, but the emptiest mode is emptier: one number is not enough. Whichever remedy is removed, the emptiest mode holds less in every run than in every run with all four. The baseline lacks the first three.
#
# Now all four remedies, for more steps.

# %% tags=["training", "nbval-ignore-output"]
LONG = env.budget(smoke=24, cpu=4000, gpu=6000)
G_ring, samples = ring_game(LONG)
plot_moments(
    samples, (1, 2, 4, 8), alt="With all remedies eight modes are covered early, and the bridges "
    "of samples between them fade",
)
modes, quality, emptiest = score(draw(G_ring))
env.report(ring_modes=modes, ring_quality=quality, ring_emptiest=emptiest)
env.expect(
    "all modes, 80 % of samples near a mode", modes == 8 and quality >= 0.8,
    f"{modes} modes, {quality:.0%} of samples near a mode; usually 8 modes and about 90 %.",
)

# %% [markdown]
# *Figure 2.7. Samples with all remedies, after an eighth, a quarter, half and all of the run.* The bridges between modes can't vanish: G is continuous, and z has no gaps.
#
# ## What we measured, and what the paper says
#
# - **Theorem 1**: with the optimal D, V has its minimum -log 4 = -1.386 where $p_g = p_\mathrm{data}$. Section 6 measures V of a fresh D against our trained G (`value_at_equilibrium`) and the untrained one (`value_before_training`).
# - **Proposition 2** proves convergence if D reaches its optimum at each step and $p_g$ itself is improved; gradient steps on weights do neither.
# - **k**: the authors used 1, as the least expensive option (caption of Algorithm 1); we do the same for the ring and for images.
#
# **A mistake worth making.** In your `r1_penalty` (exercise 2.9) leave out `create_graph=True`, run that cell but not its check, and run the cell of the long run again. There is no error, but for D the penalty is now a constant, and the run is that of `gamma=0`. You notice it by measuring R1 during training: it does not stay small. Afterwards put the line back, and run its cell, its check and the long run again.
#
# **References**
# - Goodfellow, Pouget-Abadie, Mirza, Xu, Warde-Farley, Ozair, Courville, Bengio (2014), *Generative adversarial nets*, arXiv 1406.2661.
# - von Neumann (1928), *Zur Theorie der Gesellschaftsspiele*, Mathematische Annalen 100.
# - Metz, Poole, Pfau, Sohl-Dickstein (2017), *Unrolled generative adversarial networks*, arXiv 1611.02163.
# - Mescheder, Geiger, Nowozin (2018), *Which training methods for GANs do actually converge?*, arXiv 1801.04406.
