# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown] tags=["header"]
# # 02 The minimax game: learning to draw samples from nothing but samples
#
# In 2014 Goodfellow and colleagues trained a network to produce samples without ever writing down a density. Two networks play against each other; where the game ends, the samples have the distribution of the data. Their Figure 1 shows it on a line, as a sketch. In this notebook you play that game for real, re-make the figure from your own training run, and measure whether theory and practice agree.
#
# **You build:** the value function, the best discriminator, the generator's loss, and one iteration of Algorithm 1; then a generator that covers all eight modes of a ring.
#
# After this notebook you can
# - **tell** a generative model from a discriminative one by what each can answer;
# - **derive** the best discriminator and **check** a trained one against it;
# - **explain** which of the generator's two losses saturates, where, and how much that costs;
# - **write** a training step in which each player moves alone;
# - **measure** whether a game has ended well, and **recognise** mode collapse.
#
# | section | what | minutes |
# |---|---|---|
# | 1 | Two kinds of models, one data set | 15 |
# | 2 | The game and its value | 15 |
# | 3 | The best discriminator, and the best generator against it | 25 |
# | 4 | Two losses for the generator | 15 |
# | 5 | Algorithm 1, line by line | 25 |
# | 6 | Figure 1, from a real run | 20 |
# | 7 | Eight modes on a ring | 25 |
# | 8 | Play the game yourself | 10 |
#
# It builds on notebook 01: there you attacked a classifier through its gradient. Here the attacker is a network, and the classifier learns from every attack.

# %% tags=["setup"]
# written by gancourse build

# %%
import copy
import math
from collections.abc import Callable, Iterator

import numpy as np
import torch
from matplotlib.patches import Circle
from sklearn.datasets import make_moons
from sklearn.linear_model import LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, NearestNeighbors
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from gancourse.datasets import toy
from gancourse.exercises import check
from gancourse.figures import PALETTE, panels, plot_bars, plot_curves, show, style
from gancourse.papers.blocks import MLP, MLPDiscriminator
from gancourse.papers.gan import descend, ema_update, r1_penalty, saturating_loss
from gancourse.training.loop import train
from gancourse.training.player import linear_decay
from gancourse.widgets import explore

# %% [markdown]
# The networks of this notebook have a few thousand weights, so everything runs on the CPU, in single precision, also where there is a GPU.
#
# ## 1. Two kinds of models, one data set
#
# *What can a model of the data do that a classifier can't?* Here are points in the plane with two labels. Some of our four models learn only $p(y\mid x)$, the label of a given point; they are called **discriminative**. Others learn $p(x, y)$, where points lie and with which label; they are called **generative**. Rules of probability turn the second into the first, $p(y\mid x) = p(x, y) / \sum_{y'} p(x, y')$, but not the first into the second.

# %%
x_train, y_train = make_moons(600, noise=0.1, random_state=0)
x_test, y_test = make_moons(2000, noise=0.1, random_state=1)


class ClassMixtures:
    """A Gaussian mixture for the points of each label: a density that can be sampled."""

    def fit(self, x: np.ndarray, y: np.ndarray) -> "ClassMixtures":
        self.parts = [GaussianMixture(6, random_state=0).fit(x[y == label]) for label in (0, 1)]
        return self

    def log_joint(self, x: np.ndarray) -> np.ndarray:
        """log p(x, y) for both labels, shape (n, 2); each label has probability 1/2."""
        return np.stack([part.score_samples(x) for part in self.parts], axis=1) + np.log(0.5)

    def log_density(self, x: np.ndarray) -> np.ndarray:
        """log p(x): the sum over labels."""
        return np.logaddexp(*self.log_joint(x).T)

    def predict(self, x: np.ndarray) -> np.ndarray:
        """The label with the larger p(x, y), which is also the one with the larger p(y | x)."""
        return self.log_joint(x).argmax(axis=1)

    def sample(self, n: int) -> np.ndarray:
        """n points, half of each label."""
        return np.concatenate([part.sample(n // 2)[0] for part in self.parts])


def sample_naive_bayes(model: GaussianNB, n: int) -> np.ndarray:
    """Naive Bayes takes each label's points for one Gaussian with independent coordinates."""
    draw = np.random.default_rng(0)
    return np.concatenate([draw.normal(m, np.sqrt(v), (n // 2, 2)) for m, v in zip(model.theta_, model.var_, strict=True)])


models = {
    "logistic regression": LogisticRegression(),
    "20 nearest neighbours": KNeighborsClassifier(20),
    "naive Bayes": GaussianNB(),
    "mixture for each label": ClassMixtures(),
}
samples = {}
for name, model in models.items():
    model.fit(x_train, y_train)
    accuracy = (model.predict(x_test) == y_test).mean()
    print(f"{name:23} right label for {accuracy:.0%} of test points")
samples["naive Bayes"] = sample_naive_bayes(models["naive Bayes"], 2000)
samples["mixture for each label"] = models["mixture for each label"].sample(2000)

# %% [markdown]
# As classifiers the best of both kinds are equals. Now ask them for something new. Logistic regression has no answer: nothing in it says where points lie. Nearest neighbours could only repeat points of the training set. The other two can be sampled. How many of 2,000 samples fall on the moons, that is, within 0.05 of a real test point? As a ruler, the same for real points that no model has seen:

# %%
ruler = NearestNeighbors(n_neighbors=1).fit(x_test)
for name, points in {**samples, "real points": make_moons(2000, noise=0.1, random_state=2)[0]}.items():
    near = (ruler.kneighbors(points)[0] < 0.05).mean()
    print(f"{name:23} {near:.0%} of samples lie on the moons")

far = np.array([[3.0, -1.5]])
belief = models["logistic regression"].predict_proba(far)[0].max()
mixture = models["mixture for each label"]
print(f"\nat (3, -1.5): the classifier is {belief:.1%} sure of its label;")
print(f"log p(x) there is below that of every training point: {bool(mixture.log_density(far) < mixture.log_density(x_train).min())}")

# %% [markdown]
# The mixture's samples can't be told from real points by this ruler. Naive Bayes gets a good half of its samples onto the moons, but only because its cloud lies across them, as the picture shows.

# %%
side_1, side_2 = np.linspace(-2.2, 3.7, 120), np.linspace(-2.2, 2.2, 120)
grid = np.stack(np.meshgrid(side_1, side_2), axis=-1).reshape(-1, 2)
fig, axes = panels(4, width=2.9, sharex=True, sharey=True)
sure = models["logistic regression"].predict_proba(grid)[:, 1].reshape(120, 120)
axes[0].contourf(side_1, side_2, sure, levels=10, cmap="Greys", alpha=0.5)
axes[0].contour(side_1, side_2, sure, levels=[0.5], colors="black")
axes[0].text(1.2, 1.4, "label 0 (o)")
axes[0].text(-2.0, -1.8, "label 1 (triangles)")
axes[0].set(title="p(y = 1 | x), logistic regression")
axes[1].contourf(side_1, side_2, mixture.log_density(grid).reshape(120, 120).clip(-12), levels=12, cmap="Greys")
axes[1].set(title="log p(x), mixture, cut at -12")
for ax in axes[:2]:
    for label, marker in ((0, "o"), (1, "^")):
        ax.scatter(*x_train[y_train == label][::4].T, s=14, color="black", marker=marker, edgecolors="white", linewidths=0.4)
for ax, name, colour in zip(axes[2:], samples, PALETTE, strict=False):
    ax.scatter(*samples[name][::3].T, s=3, color=colour)
    ax.set(title=f"samples, {name}")
for ax in axes:
    ax.plot(*far[0], "*", color=PALETTE[2], markersize=12)
    ax.set(xlabel="x1", ylabel="x2")
show(fig, alt="Four maps of the plane: a classifier that is sure of a label far from any point; a density that is high on two crescents only; samples of naive Bayes, one shapeless cloud; samples of the mixture, two crescents")

# %% [markdown]
# *From left to right: a classifier divides the whole plane and is surest far away, where there are no data (star). A density says where points are to be expected at all. Samples show what a model knows: naive Bayes, a decent classifier here, draws a shapeless cloud; the mixture draws moons.*
#
# **Exercise 2.1** · *What a classifier can't tell* · difficulty ●○○○○ · importance ●●●●○ · 4 minutes · 1 point
#
# You are given a perfect $p(y\mid x)$, and nothing else. Which of these questions can't be answered from it?
#
# - a: Which label is the likelier one at the point (0, 1)?
# - b: How sure can one be of the label there?
# - c: Is (3, -1.5) a point that is likely to occur in the data at all?
# - d: Where does the border between the labels run?
# - e: How many of these 100 given points would you label rightly, on average, always taking the likelier label?
#
# <details><summary>Hint 1</summary>
#
# Write each question as a formula. In which of them do you need more than $p(y\mid x)$?
#
# </details>
# <details><summary>Hint 2</summary>
#
# For each x, $p(y\mid x)$ sums to 1 over the labels. What does that do to the information about how frequent x itself is?
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
# a, b and d only compare $p(y\mid x)$ between labels at given points, and e averages the larger of the two over given points. How likely the point itself is, p(x), cancels out of $p(y\mid x)$: a classifier never learns it.
#
# </details>

# %% [markdown]
# So why not fit mixtures and be done? In the plane a mixture is hard to beat. On pictures it is not (notebook 00 kept 25 directions for each digit, and its samples were blurred): a full covariance for one component of a mixture over $n$ pixels has $n(n+1)/2$ numbers.

# %%
for side in (2, 28, 64):
    values = side**2
    print(f"{side:2} x {side:2} grey pixels: {values * (values + 1) // 2:12,} numbers in one covariance matrix")

# %% [markdown]
# Every family of generative models gives something up:
#
# | family | density p(x) | sampling | what it gives up |
# |---|---|---|---|
# | Gaussian mixtures, kernel densities | exact | easy | pictures: too many dimensions |
# | Boltzmann machines | up to a constant that can't be computed | by a Markov chain, slowly | exact sampling |
# | autoregressive models | exact, pixel by pixel | one pixel after the other | speed |
# | normalizing flows | exact | one pass | every layer must be invertible |
# | variational autoencoders | a lower bound | one pass | exactness |
# | diffusion models | a lower bound | many passes | speed |
# | **GANs** | **none** | one pass | the density, and a loss that says how well it goes |
#
# A GAN keeps only the sampler. That sounds like too little to learn from: without p(x) there is no likelihood, the density of the training data under the model, that one could raise. The idea of 2014 is to let a classifier be the judge.
#
# ## 2. The game and its value
#
# ```
#   z ~ p(z) ──► G ──► G(z), a fake ──┐
#                                     ├──► D ──► a logit; sigmoid(logit) = D's chance that x is real
#   data     ────────► x, real     ──┘
# ```
#
# The **generator** G turns noise z into a sample; we write $p_g$ for the distribution of its samples. The **discriminator** D looks at a sample and says how likely it is to be real. **Real is 1 and fake is 0**, as in the paper, here and in every notebook that follows. D is a two-class classifier like those above, except that one of its classes is somebody's work. Goodfellow et al. (2014, Equation 1) let the two play for one number:
#
# $$\min_G \max_D V(D, G) = \mathbb{E}_{x\sim p_\mathrm{data}}[\log D(x)] + \mathbb{E}_{z\sim p(z)}[\log(1 - D(G(z)))]$$
#
# D raises V: it wants $D(x)$ near 1 and $D(G(z))$ near 0. G lowers V, and can only do so through the second term. Our networks return *logits* $\ell$, with $D = \mathrm{sigmoid}(\ell)$, as everywhere in this course.
#
# **Exercise 2.2** · *Value of the game* · difficulty ●●○○○ · importance ●●●●● · 8 minutes · 2 points
#
# - `real`: logits of D on real samples, shape (m,); `fake`: logits on fakes, shape (m,).
# - Return V as one number (a tensor without dimensions), estimating each expectation by the mean. With the natural logarithm, as always here, its unit is the *nat*.
# - Be finite **and right** for logits of any size, without a clamp or an added epsilon: D may be very sure.
#
# <details><summary>Hint 1</summary>
#
# $\log D$ is `F.logsigmoid(logit)`. What is $1 - \mathrm{sigmoid}(\ell)$ as a sigmoid?
#
# </details>
# <details><summary>Hint 2</summary>
#
# $1 - \mathrm{sigmoid}(\ell) = \mathrm{sigmoid}(-\ell)$. In float32 `1 - torch.sigmoid(tensor(20.))` is 0; `F.logsigmoid` never forms the probability and does not have this problem.
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

# %%
for what, real, fake in (("D is sure and right", 5.0, -5.0), ("D does not know", 0.0, 0.0), ("D is sure and wrong", -5.0, 5.0)):
    print(f"{what:20} V = {value(torch.tensor([real]), torch.tensor([fake])):8.3f}")

# %% [markdown]
# V lies below 0, and a perfect D brings it close. To train D by descent, its loss is minus V, which is the sum of two binary cross-entropies: one on real samples with label 1, one on fakes with label 0.

# %%
def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Minus V: what D descends."""
    return -value(real, fake)


rng = env.rng(0, "cpu")
real, fake = torch.randn(2, 64, generator=rng)
bce = F.binary_cross_entropy_with_logits
by_labels = bce(real, torch.ones(64)) + bce(fake, torch.zeros(64))
print(f"minus V = {discriminator_loss(real, fake):.4f}, cross-entropies with labels 1 and 0 = {by_labels:.4f}")

# %% [markdown]
# ## 3. The best discriminator, and the best generator against it
#
# *Suppose G stands still. What is the best that D can do?* Write both expectations as integrals over x, with p for $p_\mathrm{data}$ and q for $p_g$ (noise z, sent through G, is an x drawn from $p_g$):
#
# $$V = \int \big[\, p(x)\log D(x) + q(x)\log(1 - D(x)) \,\big]\, dx$$
#
# If D may take any value at each x, every x is a problem of its own: maximise $p\log D + q\log(1-D)$ over one number D. That sum is concave in D, so the best D is where its derivative vanishes:
#
# $$\frac{p}{D} - \frac{q}{1-D} = 0$$
#
# **Exercise 2.3** · *The best discriminator* · difficulty ●●○○○ · importance ●●●●● · 8 minutes · 1 point
#
# - `p`, `q`: the densities of data and fakes at some points, both above 0, shape (n,).
# - Return $D^*$, the best D at each of these points: probabilities, shape (n,).
#
# <details><summary>Hint 1</summary>
#
# Solve the equation above for D. Multiply by $D(1-D)$ first.
#
# </details>
# <details><summary>Hint 2</summary>
#
# $p(1-D) = qD$. Check your formula where p = q: nobody could do better than toss a coin.
#
# </details>
# <details><summary>Hint 3</summary>
#
# It is Bayes' rule for a sample that was real or fake with equal chances before you looked: the share of p in p + q.
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
# That was a proof for a D that may be anything. Ours is a network with two layers of 64 units, and it never sees p or q, only samples. Does it get there? We take data $p = N(1, 0.5)$ (mean 1, standard deviation 0.5), put a fixed $q = N(0.2, 0.8)$ in G's place, and train D alone.

# %%
p = toy.Normal(mean=1.0, std=0.5)
q = toy.Normal(mean=0.2, std=0.8)
x_line = torch.linspace(-3, 4, 701)[:, None]  # points on the line, as a column
dx = 0.01


def train_discriminator(
    D: nn.Module,
    sample_real: Callable[[int], Tensor],
    sample_fake: Callable[[int], Tensor],
    steps: int,
    title: str,
) -> nn.Module:
    """Train D alone against samples that don't change; the learning rate falls to 0."""
    opt = torch.optim.Adam(D.parameters(), lr=3e-3, betas=(0.5, 0.99), fused=True)
    slow = linear_decay(opt, steps, hold=0.0)

    def step() -> dict[str, Tensor]:
        loss = discriminator_loss(D(sample_real(512)), D(sample_fake(512)))
        descend(opt, loss)  # zero_grad, backward, step
        slow.step()
        return {"loss_D": loss.detach()}

    for _ in train(step, steps, {"D": D, "opt": opt, "slow": slow}, title=title):
        pass
    return D

# %% tags=["training", "nbval-ignore-output"]
rng = env.rng(0, "cpu")
D = train_discriminator(
    MLPDiscriminator(1, 64, 64, rng=rng),
    lambda m: p.sample(m, rng),
    lambda m: q.sample(m, rng),
    steps=env.budget(smoke=60, cpu=1500, gpu=3000),
    title="D alone",
)
assert all(weight.isfinite().all() for weight in D.parameters())

# %% [markdown]
# The error is measured under the mixture $(p+q)/2$, that is, where D is asked: the mean of $|D - D^*|$.

# %%
def discriminator_error(D_x: Tensor, p_x: Tensor, q_x: Tensor) -> float:
    """Mean |D - D*| under the mixture of real and fake, by a sum over the line."""
    gap = (D_x - optimal_discriminator(p_x, q_x)).abs()
    weight = (p_x + q_x) / 2
    asked = weight > 1e-12  # D* is 0/0 where nobody is
    return (weight * gap)[asked].sum().item() * dx

p_x, q_x = p.density(x_line), q.density(x_line)

# %% tags=["nbval-ignore-output"]
with torch.no_grad():
    D_x = D(x_line).sigmoid()
D_star = optimal_discriminator(p_x, q_x)
ax = plot_curves(
    x_line[:, 0],
    {"p, data": p_x, "q, fixed fakes": q_x, "D* = p / (p + q)": D_star, "D, trained on samples": D_x},
    xlabel="x",
    ylabel="density, or probability of real",
)
show(ax, alt="Two bell curves, p around 1 and a wider q around 0.2, and two curves for D* and the trained D, which lie on each other up to about x = 2.4, peak near x = 1.5, and part further right")
error = discriminator_error(D_x, p_x, q_x)
env.report(optimal_d_error=error)
assert error < 1 and (env.profile() == "smoke" or error <= 0.03)

# %% [markdown]
# *The trained D lies on D\* wherever there are more than a few samples.* $D^*$ falls again on the right, since q is the wider of the two: beyond about x = 2.54 it is the larger one. Out there D departs from it, and hardly pays: almost no sample ever asks. Remember this when G later looks for places where D can be fooled.
#
# *Now let G choose q, knowing that D will answer with D\*. What is the best q?* Put $D^*$ into V:
#
# $$C(q) = \int \Big[\, p\log\frac{p}{p+q} + q\log\frac{q}{p+q} \,\Big]\, dx .$$
#
# **Exercise 2.4** · *The value at the end of the game* · difficulty ●●○○○ · importance ●●●●○ · 4 minutes · 1 point
#
# G has reached $p_g = p_\mathrm{data}$, and D is the best that it can be. What is V, in nats? Give a number.
#
# <details><summary>Hint 1</summary>
#
# What is D\* at every x if p = q?
#
# </details>
# <details><summary>Hint 2</summary>
#
# D\* = 1/2. Both expectations are then of a constant.
#
# </details>
# <details><summary>Hint 3</summary>
#
# log(1/2) + log(1 - 1/2)
#
# </details>

# %% tags=["exercise"]
value_at_the_end = ...  # a number
# BEGIN SOLUTION
value_at_the_end = -math.log(4)
# END SOLUTION

# %%
value_at_the_end = check("2.4", value_at_the_end)

# %% [markdown]
# Is that the least that G can reach? Let $m = (p+q)/2$. Then $\frac{p}{p+q} = \frac12\cdot\frac pm$, so each of the two terms gives a $\log\frac12$ and a *Kullback-Leibler divergence*, $\mathrm{KL}(p\,\|\,m) = \int p\log\frac pm\,dx$, which is never negative. The mean of the two divergences is called the Jensen-Shannon divergence:
#
# $$C(q) = -\log 4 + \mathrm{KL}(p\,\|\,m) + \mathrm{KL}(q\,\|\,m) = -\log 4 + 2\,\mathrm{JSD}(p \,\|\, q) .$$
#
# JSD is 0 if q equals p, positive otherwise, and never more than log 2. So the best G has $p_g = p_\mathrm{data}$, and nothing else will do (the paper's Theorem 1).
#
# To see the shape of the landscape that G has to descend, slide q = N(1 + d, 0.5) away from p, and compute V at $D^*$ by a sum over the line; beside it, $-\log 4 + 2\,\mathrm{JSD}$ with JSD from its own definition.

# %%
def best_value(p_x: Tensor, q_x: Tensor, dx: float) -> float:
    """C(q): V with D = D*, by a sum over the line."""
    D_star = optimal_discriminator(p_x, q_x)
    not_D = optimal_discriminator(q_x, p_x)  # 1 - D* by symmetry; the difference would round to 0
    return ((torch.xlogy(p_x, D_star) + torch.xlogy(q_x, not_D)).sum() * dx).item()


def jensen_shannon(p_x: Tensor, q_x: Tensor, dx: float) -> float:
    """JSD(p || q) in nats: both divergences from the average m."""
    m_x = (p_x + q_x) / 2
    return ((torch.xlogy(p_x, p_x / m_x) + torch.xlogy(q_x, q_x / m_x)).sum() * dx / 2).item()


wide = torch.linspace(-6, 12, 18001, dtype=torch.double)[:, None]
shifts = [0.0, 0.25, 0.5, 1.0, 2.0, 4.0]
print("shift d    V at D*    -log 4 + 2 JSD")
for d in shifts:
    pair = toy.Normal(1.0, 0.5).density(wide), toy.Normal(1.0 + d, 0.5).density(wide)
    print(f"{d:7.2f} {best_value(*pair, dx=0.001):10.4f} {-math.log(4) + 2 * jensen_shannon(*pair, dx=0.001):17.4f}")

# %%
many = torch.linspace(0, 4, 81).tolist()
curve = [best_value(p.density(wide), toy.Normal(1.0 + d, 0.5).density(wide), dx=0.001) for d in many]
ax = plot_curves(many, {"V at D*": curve, "-log 4": [-math.log(4)] * 81, "0": [0.0] * 81}, xlabel="shift d of the fakes", ylabel="V (nats)")
show(ax, alt="V at the best D rises from -log 4 at shift 0 and becomes flat just below 0 beyond a shift of 2.5")
print(f"slope of V at d = 0.5: {(curve[11] - curve[9]) / (many[11] - many[9]):.2f} nats per unit; at d = 3.5: {(curve[71] - curve[69]) / (many[71] - many[69]):.3f}")

# %% [markdown]
# *V against the distance between fakes and data.* A single valley with its floor at -log 4 (negative shifts mirror it): that is the promise of the theory. The plateau on the right is the catch. If fakes and data hardly overlap, a perfect D leaves G almost no slope to follow. At the start of training they hardly overlap.
#
# ## 4. Two losses for the generator
#
# *How much of a slope does G get while it is bad?* In Algorithm 1 G descends its own term of V, $\mathbb{E}_z[\log(1 - D(G(z)))]$. Here it is as a function of the logit of one fake, with its slope by automatic differentiation.

# %%
def slope(loss: Callable[[Tensor], Tensor], logit: float) -> float:
    """Derivative of a loss of one fake by its logit."""
    at = torch.tensor([logit], requires_grad=True)
    return torch.autograd.grad(loss(at), at)[0].item()


logits = torch.linspace(-8, 8, 161)


def losses_and_slopes(losses: dict[str, Callable[[Tensor], Tensor]]) -> None:
    """Draw losses over the logit of a fake, and their slopes beside them."""
    fig, axes = panels(2, width=4)
    for i, (name, loss) in enumerate(losses.items()):
        axes[0].plot(logits, [loss(v[None]) for v in logits], label=name, **style(i))
        axes[1].plot(logits, [slope(loss, v.item()) for v in logits], label=name, **style(i))
    axes[0].set(xlabel="logit of a fake: left, D is sure that it is fake", ylabel="loss of G (nats)")
    axes[1].set(xlabel="logit of a fake", ylabel="slope of the loss")
    axes[0].legend()
    for ax in axes:
        ax.grid(alpha=0.25)
        ax.axvline(-6, color="grey", linewidth=0.8)
    names = " and ".join(losses)
    show(fig, alt=f"Loss and slope over the logit for {names}; a grey line marks logit -6. log(1 - D) is flat on the left" + (", -log D on the right" if len(losses) > 1 else ""))

losses_and_slopes({"log(1 - D)": saturating_loss})
print(f"slope of log(1 - D) at logit -6: {slope(saturating_loss, -6.0):.4f}")

# %% [markdown]
# *Left panel: the loss; right panel: its slope.* Where D is sure of a fake (at the left end of both), the loss is flat: it **saturates**. G is corrected least where it is worst. At the end of Section 3 of the paper the authors therefore propose to keep the aim and change the loss: instead of making "fake" less likely, make "real" more likely, and descend $-\mathbb{E}_z[\log D(G(z))]$.
#
# **Exercise 2.5** · *A loss for the generator that does not saturate* · difficulty ●●○○○ · importance ●●●●● · 6 minutes · 1 point
#
# - `fake`: logits of D on G's samples, shape (m,).
# - Return $-\log D$, averaged over the batch; finite and right for logits of any size, without a clamp or an added epsilon.
#
# <details><summary>Hint 1</summary>
#
# It is the cross-entropy of the fakes with the label of *real* samples, which is 1. The label is a lie; that is the point of a fake.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Write $-\log\mathrm{sigmoid}(\ell)$ out: it is $\log(1 + e^{-\ell})$, which torch calls softplus of something.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `F.softplus(-fake)`, and its mean.
#
# </details>

# %% tags=["exercise"]
def generator_loss(fake: Tensor) -> Tensor:
    """-E[log D(G(z))] from logits: what G descends."""
    # BEGIN SOLUTION
    return F.softplus(-fake).mean()
    # END SOLUTION

# %%
generator_loss = check("2.5", generator_loss)

# %%
losses_and_slopes({"log(1 - D), saturates": saturating_loss, "-log D, does not": generator_loss})
env.report(slope_saturating=round(slope(saturating_loss, -6.0), 4), slope_nonsaturating=round(slope(generator_loss, -6.0), 4))

# %% [markdown]
# *Both losses fall as the logit rises, so they agree on the direction.* At logit 0, where D does not know, their slopes are equal. At logit -6 they differ by the factor $e^6$, about 400. The two are sometimes called the same loss; they have the same fixed point, not the same gradient. Take care with the signs when you read code: there are four cost functions in use, and each can be written as a cross-entropy with a label.
#
# | player | descends | cross-entropy with label | slope vanishes where |
# |---|---|---|---|
# | D, on real samples | $-\log D(x)$ | 1 | D is right |
# | D, on fakes | $-\log(1 - D(G(z)))$ | 0 | D is right |
# | G, minimax | $\log(1 - D(G(z)))$ | 0, and the sign turned | D is right: G is losing |
# | G, non-saturating | $-\log D(G(z))$ | 1 | D is wrong: G is winning |
#
# ## 5. Algorithm 1, line by line
#
# *Who moves when?* The paper's Algorithm 1, beside what each line becomes in PyTorch:
#
# | Algorithm 1 (in our words) | code |
# |---|---|
# | for each training iteration | the loop around `gan_step` |
# | &nbsp;&nbsp;repeat k times: | `for _ in range(k):` |
# | &nbsp;&nbsp;&nbsp;&nbsp;draw m examples of the data | `x = next(batches)`; m is `len(x)` |
# | &nbsp;&nbsp;&nbsp;&nbsp;draw m noise vectors | `z = sample_z(m)`, `fakes = G(z)` without gradient |
# | &nbsp;&nbsp;&nbsp;&nbsp;move D up the gradient of V | descend `discriminator_loss(D(x), D(fakes))` with `opt_D` |
# | &nbsp;&nbsp;draw m noise vectors, fresh ones | `z = sample_z(m)` |
# | &nbsp;&nbsp;move G down the gradient of its term | descend `generator_loss(D(G(z)))` with `opt_G` (exercise 2.5's loss) |
#
# Two things deserve care, and both are about gradients that go where they should not.
#
# - In **D's turn** G is a fixed sampler. The fakes must not carry a graph back into G: make them under `torch.no_grad()`, or `.detach()` them.
# - In **G's turn** the gradient must flow *through* D, since D(G(z)) depends on G only that way. So no `detach` here. D's parameters receive gradients as a by-product; `opt_G` does not touch them, but they must be cleared before D's next turn. (Better still not to compute them: the package's `steps.frozen` switches them off for the while.)
#
# **Exercise 2.6** · *One iteration of Algorithm 1* · difficulty ●●●○○ · importance ●●●●● · 20 minutes · 4 points
#
# - `batches` is an endless iterator: `next(batches)` gives m real examples. `sample_z(m)` gives m noise vectors. m is no argument: take it from the batch.
# - k steps of D, each on a fresh batch and fresh noise; then one step of G on m fresh noise vectors.
# - Use `discriminator_loss` and `generator_loss` from above, and clear old gradients before each `backward()`.
# - Return the last of D's losses and G's loss as `{"loss_D": ..., "loss_G": ...}`, detached.
#
# <details><summary>Hint 1</summary>
#
# Two blocks of four lines each: make fakes, compute the loss, `zero_grad` and `backward`, `step`. The first stands in a loop over k.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `descend(opt, loss)`, imported above, does `opt.zero_grad(); loss.backward(); opt.step()`. D's turn: `with torch.no_grad(): fakes = G(sample_z(len(x)))`, then `descend(opt_D, discriminator_loss(D(x), D(fakes)))`.
#
# </details>
# <details><summary>Hint 3</summary>
#
# G's turn, after the loop: `loss_G = generator_loss(D(G(sample_z(len(x)))))`, then `descend(opt_G, loss_G)`.
#
# </details>

# %% tags=["exercise"]
def gan_step(
    G: nn.Module,
    D: nn.Module,
    opt_G: Optimizer,
    opt_D: Optimizer,
    batches: Iterator[Tensor],
    sample_z: Callable[[int], Tensor],
    k: int = 1,
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
# *Does the game end where the theorem says?* The data are $N(1, 0.5)$ again; G (an `MLP`) and D (a `MLPDiscriminator`: an MLP that gives one logit a point) have two hidden layers of 32 units. Noise and output of G have one dimension each. Three choices make the run steady, and each has a reason:
#
# - **k = 3**: the theory assumes D near its optimum. For the same reason D's learning rate is twice G's. We measure below what k buys.
# - **no momentum** (Adam with $\beta_1 = 0$): momentum remembers where the opponent was, not where it is. Section 7 measures what this is worth.
# - the learning rates **fall to 0** over the second half, and a **running average** of G's weights is kept: players in a game circle around the end point, and an average lies nearer to the centre than most moments of the orbit.

# %%
LINE_STEPS = env.budget(smoke=24, cpu=2500, gpu=2500)
z_fixed = torch.randn(4000, 1, generator=env.rng(9, "cpu"))  # the same noise for every frame


def kernel_density(samples: Tensor, width: float = 0.06) -> Tensor:
    """p_g along the line, estimated from samples (n, 1) by a small Gaussian on each."""
    parts = samples[:, 0].split(250)  # in pieces, which the memory's allocator can use again
    bells = sum(torch.exp(-0.5 * ((x_line - part) / width) ** 2).sum(dim=1) for part in parts)
    return bells / (len(samples) * width * math.sqrt(2 * math.pi))


@torch.no_grad()
def snapshot(G: nn.Module, D: nn.Module, step: int) -> dict:
    """What Figure 1 shows of one moment: D and p_g along the line, and where noise goes."""
    arrows = torch.linspace(-2, 2, 17)[:, None]
    return {"step": step, "D": D(x_line).sigmoid(), "p_g": kernel_density(G(z_fixed)), "z": arrows[:, 0], "G(z)": G(arrows)[:, 0]}


def line_game(k: int, steps: int, seed: int) -> tuple[nn.Module, nn.Module, list[dict], list]:
    """Play on the line; returns the average of G, D, frames for the figure, and records."""
    rng = env.rng(seed, "cpu")
    G, D = MLP(1, 32, 32, 1, rng=rng), MLPDiscriminator(1, 32, 32, rng=rng)
    opt_G = torch.optim.Adam(G.parameters(), lr=1e-3, betas=(0.0, 0.9), fused=True)
    opt_D = torch.optim.Adam(D.parameters(), lr=2e-3, betas=(0.0, 0.9), fused=True)
    slow = linear_decay(opt_G, steps), linear_decay(opt_D, steps)
    batches, sample_z = toy.batches(p, 512, rng), env.noise(1, rng)
    average = copy.deepcopy(G)
    frames, records = [snapshot(G, D, 0)], []

    def step() -> dict[str, Tensor]:
        losses = gan_step(G, D, opt_G, opt_D, batches, sample_z, k)
        ema_update(average, G, decay=0.99)
        for schedule in slow:
            schedule.step()
        return losses

    keep = {"G": G, "D": D, "average": average, "opt_G": opt_G, "opt_D": opt_D, "rng": rng}
    keep |= {"slow_G": slow[0], "slow_D": slow[1]}
    for record in train(step, steps, keep, record_every=max(1, steps // 125), title=f"on the line, k = {k}"):
        records.append(record)
        frames.append(snapshot(G, D, record.step))
    return average, D, frames, records

# %% tags=["training", "nbval-ignore-output"]
G_line, D_line, frames, records = line_game(k=3, steps=LINE_STEPS, seed=0)
assert all(math.isfinite(record.losses["loss_G"]) for record in records)

# %%
def draw_frame(frame: dict, ax) -> None:
    """One panel of Figure 1: densities and D above, arrows from z to G(z) below."""
    ax.plot(x_line, p_x, color="black", linestyle=":", label="data p")
    ax.plot(x_line, frame["p_g"], color=PALETTE[2], linestyle="-", label="fakes $p_g$")
    ax.plot(x_line, frame["D"], color=PALETTE[0], linestyle="--", label="D")
    ax.axhline(0.5, color="grey", linewidth=0.5)
    for height in (-0.25, -0.75):
        ax.axhline(height, color="black", linewidth=0.8)
    for z, x in zip(frame["z"].tolist(), frame["G(z)"].tolist(), strict=True):
        ax.annotate("", (x, -0.25), (z, -0.75), arrowprops={"arrowstyle": "->", "linewidth": 0.6})
    ax.text(-2.9, -0.7, "z")
    ax.text(-2.9, -0.2, "x = G(z)")
    ax.set(xlim=(-3, 4), ylim=(-0.9, 2.2), yticks=[0, 0.5, 1, 1.5, 2], xlabel="x (and z)", ylabel="density; D", title=f"step {frame['step']:,}")

moments = [0, 1, 5, len(frames) - 1]
fig, axes = panels(4, width=3.1, height=3.2, sharey=True)
for ax, moment in zip(axes, moments, strict=True):
    draw_frame(frames[moment], ax)
axes[0].legend(loc="upper left", fontsize=8)
show(fig, alt="Four panels like Figure 1 of the paper: the fakes' density moves onto the data's, and D ends as a flat line at one half where there are data")
print(f"{len(moments)} of the stored frames; each has p, p_g and D along the line, and arrows from z to G(z)")

# %% [markdown]
# *Figure 1 of Goodfellow et al. (2014) from our own run: data (black, dotted), fakes (green, solid), D (blue, dashed); below, where G sends evenly spaced noise.* In the first panel nothing is trained. Then D leans towards the data, and G follows D's slope uphill. In the last panel the fakes lie on the data and D is near 1/2 wherever there are samples. The arrows show *how* G does it: they crowd where the density should be high. They may cross: many maps from noise give the same $p_g$, and the theory speaks of $p_g$ only. With the slider below you can go through the whole run, frame by frame.

# %%
def line_at(frame: int) -> None:
    """Draw one stored frame."""
    _, axes = panels(1, width=6, height=3.4)
    draw_frame(frames[frame], axes[0])
    axes[0].legend(loc="upper left", ncols=3, fontsize=8)
    show(axes[0], alt=f"Data density, fakes' density and D along the line in frame {frame} of the run, with arrows from noise to samples")

explore(line_at, frame=(0, len(frames) - 1, 1, min(2, len(frames) - 1)))

# %% [markdown]
# Now the numbers. First G: mean and standard deviation of 100,000 fresh samples against those of the data. Both errors are fractions of the data's standard deviation (for the mean that is stricter than a fraction of the mean itself).

# %% tags=["nbval-ignore-output"]
with torch.no_grad():
    fakes = G_line(torch.randn(100_000, 1, generator=env.rng(10, "cpu")))
mean_error = abs(fakes.mean().item() - p.mean) / p.std
std_error = abs(fakes.std().item() - p.std) / p.std
print(f"data: mean {p.mean:.3f}, std {p.std:.3f}; G: mean {fakes.mean():.3f}, std {fakes.std():.3f}")
env.report(generator_mean_error=mean_error, generator_std_error=std_error)
assert env.profile() == "smoke" or max(mean_error, std_error) <= 0.05

# %% [markdown]
# And the losses that everybody looks at:

# %% tags=["nbval-ignore-output"]
ax = plot_curves(
    [record.step for record in records],
    {name: [record.losses[name] for record in records] for name in ("loss_D", "loss_G")},
    xlabel="step",
    ylabel="loss (nats)",
)
ax.axhline(math.log(4), color="grey", linewidth=0.8)
ax.axhline(math.log(2), color="grey", linewidth=0.8)
show(ax, alt="The loss of D rises to log 4 and the loss of G falls to log 2, marked by grey lines; both then stay there")
assert len(records) >= 2

# %% [markdown]
# *Losses of both players; grey lines at log 4 = 1.386 and log 2 = 0.693.* They start elsewhere, reach the two values of D = 1/2, and stay. After the start neither falls: this is no minimisation but a balance. What may one conclude from it?
#
# **Exercise 2.7** · *What flat losses mean* · difficulty ●●●○○ · importance ●●●●● · 4 minutes · 1 point
#
# Another run, which you have not seen, shows loss_D = 1.386 and loss_G = 0.693 from early on to its end. What do you know?
#
# - a: Its samples have the distribution of the data: V is at its minimum.
# - b: Its D can't tell its fakes from data. Whether they differ, you don't know yet.
# - c: G has stopped learning, and D goes on.
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
# A D that says 1/2 of everything. A D that never learned anything about its samples can do that too.
#
# </details>
# <details><summary>Hint 3</summary>
#
# C(q) is V at the *best* D. Is the D of that run the best one?
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
# The two losses say that D answers 1/2 to everything, and no more. A perfect G is one reason. A D that never learned anything is another. (a) would need the best D. In (c) loss_D would fall below log 4 as soon as D saw a difference. (d) log 2 is a loss at logit 0, where neither of G's losses is flat. (e) A D with swapped labels still learns to tell the two apart, so loss_D leaves log 4.
#
# </details>

# %% [markdown]
# So the losses of the game are no proof. The test that theory asks for: freeze G, and train a **fresh, larger D** against it, with a learning rate that falls to 0. Its V on samples that it was not trained on estimates $C(p_g) = -\log 4 + 2\,\mathrm{JSD}$ (from below, since it may miss something). As a control the same D is put against the generator as it was *before* training; if the test is worth anything, it must see the difference.

# %% tags=["training", "nbval-ignore-output"]
def test_of_equilibrium(G: nn.Module, title: str) -> float:
    """V of a fresh D, trained against a frozen G, on 100,000 fresh samples of each kind."""
    rng = env.rng(20, "cpu")
    noise = env.noise(1, rng)

    @torch.no_grad()
    def sample_fake(m: int) -> Tensor:
        return G(noise(m))

    steps = env.budget(smoke=40, cpu=1500, gpu=3000)
    D = train_discriminator(MLPDiscriminator(1, 64, 64, rng=rng), lambda m: p.sample(m, rng), sample_fake, steps, title)
    with torch.no_grad():
        return value(D(p.sample(100_000, rng)), D(sample_fake(100_000))).item()

untrained = MLP(1, 32, 32, 1, rng=env.rng(0, "cpu"))
value_before = test_of_equilibrium(untrained, "fresh D against the untrained G")
value_after = test_of_equilibrium(G_line, "fresh D against the trained G")
print(f"-log 4 = {-math.log(4):.4f}; a fresh D reaches {value_before:.4f} against the untrained G, {value_after:.4f} against the trained one")
print(f"so JSD(data, fakes) is about {max(0.0, value_after + math.log(4)) / 2:.4f} nats, of at most log 2 = 0.6931")
env.report(value_at_equilibrium=value_after, value_before_training=value_before)
assert env.profile() == "smoke" or (abs(value_after + math.log(4)) <= 0.05 and value_before > value_after + 0.1)

# %% [markdown]
# A fresh D that separates the untrained G's samples well finds next to nothing to hold on to in the trained one's. That is the theorem, measured.
#
# One question is left: what was k = 3 good for? In each frame of the run we know $D^*$ for that moment's fakes (p exactly, $p_g$ by the kernel estimate), so we can watch how far D is behind. We play once more with k = 1, and compare over the first half, before the rates fall.

# %% tags=["training", "nbval-ignore-output"]
_, _, frames_1, _ = line_game(k=1, steps=LINE_STEPS, seed=0)
lag = {
    f"k = {k}": [discriminator_error(frame["D"], p_x, frame["p_g"]) for frame in film[1:]]
    for k, film in ((1, frames_1), (3, frames))
}
ax = plot_curves([f["step"] for f in frames[1:]], lag, xlabel="step of G", ylabel="mean |D - D*|")
show(ax, alt="Distance of D from the best D over the run, for one and three steps of D per step of G; the curve of k = 3 lies below for most of the run")
half = max(1, len(frames) // 2)
for name, errors in lag.items():
    print(f"{name}: mean |D - D*| over the first half {np.mean(errors[:half]):.3f}")
env.report(lag_k1=np.mean(lag["k = 1"][:half]), lag_k3=np.mean(lag["k = 3"][:half]))
assert all(0 <= e <= 1 for errors in lag.values() for e in errors)

# %% [markdown]
# *How far D is from its best, through both runs.* More steps for D keep it closer to $D^*$, and each step of G then follows a better estimate of the slope. It costs k times as much of D's work. The authors took k = 1 in their experiments, as the least expensive option (caption of Algorithm 1), and so shall we on pictures.
#
# ## 7. Eight modes on a ring
#
# *On the line every sample can slide to where it is missing. What if the data have holes?* The usual test is a ring of eight Gaussians in the plane (Metz et al., 2017). Each is a **mode**, a peak of the density. Between them there are no data, and G, a continuous function of z, has to tear its samples apart. First the data, and a ruler.

# %%
ring = toy.Ring(modes=8, radius=2.0, std=0.1)


def scatter(ax, points: Tensor, title: str) -> None:
    """Points in the plane, over circles of 3 standard deviations round each mode."""
    for centre in ring.centres.tolist():
        ax.add_patch(Circle(centre, 3 * ring.std, fill=False, color="grey", linewidth=0.8))
    ax.scatter(*points.T, s=3, color=PALETTE[0], alpha=0.3, linewidths=0)
    ax.set(title=title, xlim=(-3, 3), ylim=(-3, 3), xlabel="x1", ylabel="x2", aspect="equal")

fig, axes = panels(1, width=3.2, height=3.2)
scatter(axes[0], ring.sample(2000, env.rng(0, "cpu")), "data")
show(fig, alt="Eight round clusters of points, evenly spaced on a circle of radius 2")

# %% [markdown]
# **Exercise 2.8** · *Counting modes* · difficulty ●●●○○ · importance ●●●●○ · 12 minutes · 2 points
#
# A picture of samples convinces too easily. Write a function that returns two numbers:
# - **modes found**: how many centres have at least `least` points within `radius` of them;
# - **share of points** (0 to 1) that lie within `radius` of some centre.
#
# `points` is (n, 2), `centres` is (modes, 2). Distances are Euclidean. Circles don't overlap.
#
# <details><summary>Hint 1</summary>
#
# `torch.cdist(points, centres)` gives all distances, shape (n, modes).
#
# </details>
# <details><summary>Hint 2</summary>
#
# `near = distances <= radius` has the answer to both questions: sum it over points for the first, ask `any` over centres for the second.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `int((near.sum(dim=0) >= least).sum())` and `near.any(dim=1).float().mean().item()`
#
# </details>

# %% tags=["exercise"]
def mode_coverage(points: Tensor, centres: Tensor, radius: float, least: int = 1) -> tuple[int, float]:
    """Modes found, and the share of points that lie near a mode."""
    # BEGIN SOLUTION
    near = torch.cdist(points, centres) <= radius
    return int((near.sum(dim=0) >= least).sum()), near.any(dim=1).float().mean().item()
    # END SOLUTION

# %%
mode_coverage = check("2.8", mode_coverage)

# %%
def score(points: Tensor) -> tuple[int, float]:
    """Within 3 standard deviations; a mode counts if it has a fifth of its fair share."""
    return mode_coverage(points, ring.centres, 3 * ring.std, least=len(points) // 40)


def emptiest(points: Tensor) -> float:
    """Points near the emptiest mode, as a share of what each mode should have."""
    near = torch.cdist(points, ring.centres) <= 3 * ring.std
    return near.sum(dim=0).min().item() * 8 / len(points)

real_points = ring.sample(10_000, env.rng(1, "cpu"))
real_modes, real_quality = score(real_points)
print(f"real points: {real_modes} of 8 modes, {real_quality:.0%} within 3 standard deviations, emptiest {emptiest(real_points):.0%}")
print(f"in theory:   8 of 8 modes, {1 - math.exp(-4.5):.0%} (a round Gaussian in the plane)")

# %% [markdown]
# The two numbers don't say whether the modes get equal shares. So we also look at the **emptiest mode**: the points near it, in percent of an eighth of all points. Real points don't reach 100 % there either: one of eight is always the emptiest.
#
# Now the game, with everything that we may want to change as an argument. From here on we take `gan_step` from the package: it is yours, with D frozen in G's turn, and with more options, of which we use one: a `penalty` that is added to D's loss. The penalty that we try is **R1** (Mescheder et al., 2018): $\frac{\gamma}{2}\,\mathbb{E}_{x\sim p_\mathrm{data}}\big[\lVert\nabla_x \ell(x)\rVert^2\big]$, with $\ell$ the logit. It makes D pay for being steep at the data. At the end of the game D should be flat there; a D that is not pushes G, which has already arrived, away again.

# %%
from gancourse.papers.gan import gan_step


def ring_game(
    steps: int,
    seed: int = 0,
    k: int = 1,
    layers: int = 3,  # hidden layers of 64 units in each network
    lr_G: float = 3e-3,
    lr_D: float = 3e-3,
    momentum: float = 0.0,  # Adam's beta_1
    gamma: float = 0.3,  # weight of R1; 0: none
    hold: float = 0.5,  # share of the run before the learning rates fall; 1: never
    decay: float = 0.995,  # of the average of G; 0: G itself
    watch: tuple[int, ...] = (),  # steps after which 2,000 samples are kept
) -> tuple[nn.Module, list[Tensor]]:
    """Play on the ring; returns the average of G, and samples from along the way."""
    rng = env.rng(seed, "cpu")
    hidden = [64] * layers
    G, D = MLP(2, *hidden, 2, rng=rng), MLPDiscriminator(2, *hidden, rng=rng)
    opt_G = torch.optim.Adam(G.parameters(), lr=lr_G, betas=(momentum, 0.9), fused=True)
    opt_D = torch.optim.Adam(D.parameters(), lr=lr_D, betas=(momentum, 0.9), fused=True)
    slow = linear_decay(opt_G, steps, hold), linear_decay(opt_D, steps, hold)
    batches, sample_z = toy.batches(ring, 256, rng), env.noise(2, rng)
    average, kept = copy.deepcopy(G), []
    z_watch = torch.randn(2000, 2, generator=env.rng(30, "cpu"))

    def steepness(D: nn.Module, x: Tensor) -> Tensor:
        return gamma / 2 * r1_penalty(D, x)

    def step() -> dict[str, Tensor]:
        penalty = steepness if gamma else None
        losses = gan_step(G, D, opt_G, opt_D, batches, sample_z, k, penalty=penalty)
        ema_update(average, G, decay)
        for schedule in slow:
            schedule.step()
        return losses

    keep = {"G": G, "D": D, "average": average, "opt_G": opt_G, "opt_D": opt_D, "rng": rng}
    keep |= {"slow_G": slow[0], "slow_D": slow[1]}
    every = math.gcd(*watch) if watch else steps
    for record in train(step, steps, keep, record_every=every, title="on the ring"):
        if record.step in watch:
            with torch.no_grad():
                kept.append(average(z_watch))
    return average, kept


@torch.no_grad()
def draw(G: nn.Module, n: int = 10_000) -> Tensor:
    """n samples, always from the same noise."""
    return G(torch.randn(n, 2, generator=env.rng(31, "cpu")))

# %% [markdown]
# First the baseline: the game as one would set it up from habit. Adam with its usual momentum of 0.9 (rate 0.003 and $\beta_2 = 0.9$, as in all runs on the ring), the same learning rate throughout, no penalty, no average.

# %% tags=["training", "nbval-ignore-output"]
RING_STEPS = env.budget(smoke=24, cpu=1600, gpu=1600)
HABIT = {"momentum": 0.9, "gamma": 0.0, "hold": 1.0, "decay": 0.0}
quarters = tuple(RING_STEPS * i // 4 for i in (1, 2, 3, 4))
_, film = ring_game(RING_STEPS, watch=quarters, **HABIT)
fig, axes = panels(4, width=2.6, height=2.9, sharey=True)
for ax, points, at in zip(axes, film, quarters, strict=True):
    modes, quality = score(points)
    scatter(ax, points, f"step {at}: {modes} modes, {quality:.0%}")
show(fig, alt="Samples after each quarter of a run with momentum: threads and clumps that change place from panel to panel, and modes that fill and empty")
habit_modes, habit_quality = score(film[-1])
assert len(film) == 4 and (env.profile() == "smoke" or habit_quality < 0.8)

# %% [markdown]
# *Samples after each quarter of the run; circles of radius 3 standard deviations mark the modes; the title counts.* The number of modes goes up and down: G does not settle. Where it crowds its samples, D learns that they are fake; G moves on, and D follows. When G leaves modes empty, one speaks of **mode collapse**. Here it is less a state than a chase.
#
# *What helps?* We take four remedies together: no momentum, R1, rates that fall with an average of G, and three hidden layers (the baseline had these already). Then we take away one at a time, with two seeds each, and measure after the same number of steps; the last row lacks the first three at once.

# %% tags=["training", "nbval-ignore-output"]
VARIANTS = {
    "all four remedies": {},
    "with momentum 0.9": {"momentum": 0.9},
    "no R1 penalty": {"gamma": 0.0},
    "two hidden layers": {"layers": 2},
    "steady rates, no average": {"hold": 1.0, "decay": 0.0},
    "from habit": HABIT,
}
clouds = {name: [draw(ring_game(RING_STEPS, seed, **change)[0]) for seed in (1, 2)] for name, change in VARIANTS.items()}
for name, pair in clouds.items():
    print(f"{name:25}", "; ".join(f"{score(x)[0]} modes, {score(x)[1]:.0%} near one, emptiest {emptiest(x):.0%}" for x in pair))
assert all(x.isfinite().all() for pair in clouds.values() for x in pair)

# %% tags=["nbval-ignore-output"]
fig, axes = panels(3, width=3.6, height=3.0, sharey=True)
plot_bars({name: [score(x)[0] for x in pair] for name, pair in clouds.items()}, xlabel="modes found, of 8", ax=axes[0]).set(xlim=(0, 8.5))
plot_bars({name: [100 * score(x)[1] for x in pair] for name, pair in clouds.items()}, xlabel="samples near a mode (%)", ax=axes[1]).set(xlim=(0, 100))
plot_bars({name: [100 * emptiest(x) for x in pair] for name, pair in clouds.items()}, xlabel="emptiest mode (% of fair share)", ax=axes[2]).set(xlim=(0, 100))
show(fig, alt="Three bar charts, one bar for each variant and a dot for each seed: modes found, share of samples near a mode, and how full the emptiest mode is")
assert len(clouds) == len(VARIANTS)

# %% [markdown]
# *Three numbers for each variant; each dot is one seed.* Momentum does the most harm to the share of samples near a mode. R1 shows what one number would have hidden: without it that share is hardly lower, if at all, but the emptiest mode is emptier. Two hidden layers, or steady rates without an average, cost something too, by an amount that differs from seed to seed. With two seeds, believe only differences that are much larger than the distance between two dots.
#
# Now all four, for longer.

# %% tags=["training", "nbval-ignore-output"]
LONG = env.budget(smoke=24, cpu=4000, gpu=6000)
quarters = (LONG // 8, LONG // 4, LONG // 2, LONG)
G_ring, film = ring_game(LONG, seed=0, watch=quarters)
fig, axes = panels(4, width=2.6, height=2.9, sharey=True)
for ax, points, at in zip(axes, film, quarters, strict=True):
    modes, quality = score(points)
    scatter(ax, points, f"step {at}: {modes} modes, {quality:.0%}")
show(fig, alt="Samples at four moments of the long run: first a closed loop through all modes, in the end eight round clusters with few points between them")
points = draw(G_ring)
ring_modes, ring_quality = score(points)
env.report(ring_modes=ring_modes, ring_quality=ring_quality, ring_emptiest=emptiest(points))
assert env.profile() == "smoke" or (ring_modes == 8 and ring_quality >= 0.8)

# %% [markdown]
# *The same game with the remedies, at an eighth, a quarter, half and the end of the run.* All modes are there early, and then the bridges between them fade. They never vanish: G is continuous and the noise has no holes, so some noise must land between any two modes. Real points lie within 3 standard deviations 99 times in 100; ours fall short of that by the bridges. That there are bridges is a limit of every continuous G; how few samples lie on them is a matter of training.
#
# ## 8. Play the game yourself
#
# Move the sliders (in a live notebook; a saved one shows three settings). Each setting plays 400 iterations of the plain game, without penalty or average, and shows samples and both losses. Try to predict before you look:
# - What happens if G learns ten times faster than D? And the other way round?
# - Do more steps of D (k) help or hurt?
# - Find a setting where the losses look calm and the samples are bad.

# %%
def play(k: int = 1, log_lr_G: float = -2.5, log_lr_D: float = -2.5, momentum: float = 0.0, seed: int = 0) -> None:
    """Play 400 iterations on the ring; the learning rates are powers of ten."""
    rng = env.rng(seed, "cpu")
    G, D = MLP(2, 64, 64, 64, 2, rng=rng), MLPDiscriminator(2, 64, 64, 64, rng=rng)
    opt_G = torch.optim.Adam(G.parameters(), lr=10**log_lr_G, betas=(momentum, 0.9), fused=True)
    opt_D = torch.optim.Adam(D.parameters(), lr=10**log_lr_D, betas=(momentum, 0.9), fused=True)
    batches, sample_z = toy.batches(ring, 256, rng), env.noise(2, rng)
    rounds = env.budget(smoke=16, cpu=400, gpu=400)
    losses = [gan_step(G, D, opt_G, opt_D, batches, sample_z, k) for _ in range(rounds)]
    points = draw(G, 2000)
    modes, quality = score(points)
    fig, axes = panels(2, width=3.6, height=3.0)
    scatter(axes[0], points, f"{modes} modes, {quality:.0%} near one")
    curves = {name: [step[name].item() for step in losses] for name in ("loss_D", "loss_G")}
    plot_curves(range(1, rounds + 1), curves, xlabel="iteration", ylabel="loss (nats)", ax=axes[1],
                title=f"k = {k}, momentum {momentum:g}\nrates {10**log_lr_G:.2g} (G), {10**log_lr_D:.2g} (D)")
    show(fig, alt=f"Samples on the ring and both losses, with k = {k}, learning rates 10^{log_lr_G:g} for G and 10^{log_lr_D:g} for D, momentum {momentum:g}")


explore(
    play,
    stills=[{}, {"log_lr_G": -2.0, "log_lr_D": -3.5}, {"k": 5, "log_lr_G": -3.5}],
    k=(1, 10, 1, 1),
    log_lr_G=(-4.0, -1.5, 0.5, -2.5),
    log_lr_D=(-4.0, -1.5, 0.5, -2.5),
    momentum=(0.0, 0.9, 0.1, 0.0),
    seed=(0, 9, 1, 0),
)

# %% [markdown]
# *Samples (left) and losses (right) of three settings: equal rates; a fast G against a slow D; a slow G against a fast D with k = 5.* In the second G moves faster than D can object, and yet its losses are the calmest of the three. In the third D keeps winning: loss_D stays well below log 4 and loss_G far above log 2. G goes on learning all the same, since its loss does not saturate. Calm curves, worse samples; restless curves, better ones: the losses don't tell which run has the better samples.
#
# ## What we measured, and what the paper says
#
# - **The best D** (Proposition 1): a small network trained on samples came within 0.03 of $p/(p+q)$, in the mean, where it is asked (`optimal_d_error` in Section 3).
# - **Slopes at logit -6**: -0.0025 for $\log(1-D)$, -0.9975 for $-\log D$ (Section 4). The paper gives the argument at the end of its Section 3, without numbers.
# - **The end of the game** (Theorem 1): -log 4 = -1.386 in theory; a fresh D against our trained G found a V within 0.05 of it, against the untrained G far above (Section 6).
# - **Figure 1** of the paper is a drawing. Ours is a run, and D's bumps in the middle of it are real.
# - **Proposition 2** of the paper says that the game converges if D is brought to its optimum at each step and $p_g$ itself, not G's weights, is improved. Networks and finite steps fulfil neither; Section 7 is what happens then. R1 came in 2018.
#
# **A mistake worth making.** In your own `gan_step` (exercise 2.6), use the same `fakes`, made without gradient, for G's turn as well. Run that cell, skip its check (it would put the right step back), run the cells that define and call `line_game`, and then the one that draws the losses (the cell in between, which measures G, would stop at its assertion). The step raises no error, loss_D falls and G never moves: $D(G(z))$ has lost its way back to G. How would you notice from the losses alone?
#
# **References**
# - Goodfellow, Pouget-Abadie, Mirza, Xu, Warde-Farley, Ozair, Courville, Bengio (2014), *Generative adversarial nets*, arXiv 1406.2661: Equation 1 (the game), Figure 1, Algorithm 1, Proposition 1 and Equation 2 (the best D), Theorem 1 (-log 4), Proposition 2 (convergence); the loss that does not saturate at the end of Section 3.
# - Metz, Poole, Pfau, Sohl-Dickstein (2017), *Unrolled generative adversarial networks*, arXiv 1611.02163: the ring of eight Gaussians.
# - Mescheder, Geiger, Nowozin (2018), *Which training methods for GANs do actually converge?*, arXiv 1801.04406: the R1 penalty, and the orbit round the end point.
