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
# In 2014 Goodfellow and colleagues trained a network to produce samples without ever writing down a density. Two networks play against each other; at the equilibrium of this game, the samples have the distribution of the data. Their Figure 1 sketches this in one dimension. In this notebook you train both networks, reproduce the figure from your own run, and measure whether theory and practice agree.
#
# **You build:** the value function, the best discriminator, the generator's loss, and one iteration of Algorithm 1; then a generator that covers all eight modes of a ring.
#
# After this notebook you can
# - **distinguish** a generative model from a discriminative one by the questions that each can answer;
# - **derive** the best discriminator and **check** a trained one against it;
# - **explain** which of the generator's two losses saturates, where, and by how much;
# - **write** a training step in which each network is updated alone;
# - **measure** whether G's samples have the distribution of the data, and **recognize** mode collapse.
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
# It builds on notebook 01, where you changed images by a classifier's gradient. Here a network is trained by a classifier's gradient, and the classifier is trained on that network's output.

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
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from gancourse.datasets import toy
from gancourse.exercises import check
from gancourse.figures import PALETTE, panels, plot_bars, plot_curves, plot_records, show
from gancourse.papers.blocks import MLP, MLPDiscriminator
from gancourse.papers.gan import descend, ema_update, r1_penalty, saturating_loss
from gancourse.training.loop import Record, train
from gancourse.training.player import linear_decay
from gancourse.widgets import explore

# %% [markdown]
# The networks of this notebook have a few thousand weights, so everything runs on the CPU in single precision, even if there is a GPU.
#
# ## 1. Two kinds of models, one data set
#
# *What can a model of the data do that a classifier can't?* Here are points in the plane with two labels, and four models of them. Two learn only $p(y\mid x)$, the probability of a label at a given point; such models are called **discriminative**. The other two learn $p(x, y)$, the joint distribution of points and labels; they are called **generative**. From $p(x, y)$ follows $p(y\mid x) = p(x, y) / \sum_{y'} p(x, y')$, but from $p(y\mid x)$ alone $p(x, y)$ can't be computed.

# %%
x_train, y_train = make_moons(600, noise=0.1, random_state=0)
x_test, y_test = make_moons(2000, noise=0.1, random_state=1)
x_new, _ = make_moons(2000, noise=0.1, random_state=2)


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
    """Naive Bayes fits one Gaussian with independent coordinates to the points of each label."""
    draw, std = np.random.default_rng(0).normal, model.var_**0.5
    return np.concatenate([draw(model.theta_[y], std[y], (n // 2, 2)) for y in (0, 1)])


models = LogisticRegression(), KNeighborsClassifier(20), GaussianNB(), ClassMixtures()
for model in models:
    accuracy = (model.fit(x_train, y_train).predict(x_test) == y_test).mean()
    print(f"{type(model).__name__:20} right label for {accuracy:.0%} of test points")
logistic, _, naive_bayes, mixture = models

# %% [markdown]
# As classifiers, the best models of the two kinds are equally good. Now we want new points. Logistic regression can't provide them: it doesn't model where points lie. Nearest neighbours could only repeat points of the training set. The other two models can be sampled. Which share of 2,000 samples lies on the moons, that is, within 0.05 of a test point? As a reference we compute the same share for real points that no model has seen:

# %%
samples = {"naive Bayes": sample_naive_bayes(naive_bayes, 2000), "mixture": mixture.sample(2000)}
nearest = KNeighborsClassifier(1).fit(x_test, y_test)
for name, points in {**samples, "real points": x_new}.items():
    near = (nearest.kneighbors(points)[0] < 0.05).mean()  # of distances
    print(f"{name:11} {near:.0%} of samples lie on the moons")

far = np.array([[3.0, -1.5]])
print(f"\nlogistic regression at (3, -1.5): probability {logistic.predict_proba(far).max():.1%}")
lowest = mixture.log_density(x_train).min()
print(f"log p(x): {mixture.log_density(far).item():.0f} there, {lowest:.1f} or more in training")

# %% [markdown]
# By this metric the mixture's samples are as good as real points. More than half of naive Bayes' samples lie on the moons too, but only because they are spread over the whole region, as the figure shows.

# %%
side_1, side_2 = np.linspace(-2.2, 3.7, 120), np.linspace(-2.2, 2.2, 120)
grid = np.stack(np.meshgrid(side_1, side_2), axis=-1).reshape(-1, 2)
p_label, log_p = logistic.predict_proba(grid)[:, 1], mixture.log_density(grid).clip(-12)
fig, axes = panels(4, width=2.9, sharex=True, sharey=True)
for ax, heights in zip(axes, (p_label, log_p)):
    ax.contourf(side_1, side_2, heights.reshape(120, 120), levels=12, cmap="Greys", alpha=0.6)
    for y, marker in ((0, "o"), (1, "^")):
        points = x_train[y_train == y][::4]
        ax.scatter(*points.T, s=14, c="black", marker=marker, ec="white", lw=0.4, label=y)
axes[0].contour(side_1, side_2, p_label.reshape(120, 120), levels=[0.5], colors="black")
axes[0].legend(title="label", loc="lower left")
for ax, points, colour in zip(axes[2:], samples.values(), PALETTE):
    ax.scatter(*points[::3].T, s=3, color=colour)
titles = ["p(y = 1 | x), logistic regression", "log p(x), mixture, cut at -12"]
for ax, title in zip(axes, titles + [f"samples, {name}" for name in samples]):
    ax.plot(*far[0], "*", color=PALETTE[2], markersize=12)
    ax.set(title=title, xlabel="x1", ylabel="x2")
show(
    fig, alt="Four maps: a classifier's probabilities; a density, high on two crescents; samples "
    "of naive Bayes, one shapeless cloud; samples of the mixture, two crescents",
)

# %% [markdown]
# *From left to right: a classifier divides the whole plane and is most confident far away, where there are no data (star). A density shows where points are likely to occur. Samples show what a model has learned: those of naive Bayes, as good a classifier as logistic regression, are a shapeless cloud; those of the mixture are moons.*
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
# So why not fit mixtures to everything? In the plane few models do better. With images, mixtures have a problem: the covariance matrix of one component over $n$ pixels has $n(n+1)/2$ different numbers. (Notebook 00 therefore kept only 25 principal components (PCA) per digit, and its samples were blurred.)

# %%
for side in (2, 28, 64):
    numbers = side**2 * (side**2 + 1) // 2
    print(f"{side:2} x {side:2} grey pixels: {numbers:12,} numbers in one covariance matrix")

# %% [markdown]
# Every family of generative models gives something up:
#
# | family | density p(x) | sampling | what it gives up |
# |---|---|---|---|
# | Gaussian mixtures, kernel densities | exact | easy | images: too many dimensions |
# | Boltzmann machines | up to a constant that can't be computed | by a Markov chain, slowly | exact sampling |
# | autoregressive models | exact, pixel by pixel | one pixel after the other | speed |
# | normalizing flows | exact | one pass | every layer must be invertible |
# | variational autoencoders | a lower bound | one pass | exactness |
# | diffusion models | a lower bound | many passes | speed |
# | **GANs** | **none** | one pass | the density, and a loss that measures progress |
#
# A GAN has only the sampler. Without p(x) it can't be trained by maximum likelihood: the density of the training data under the model is unknown. The idea of 2014 is to train it with the output of a classifier that distinguishes samples from data.
#
# ## 2. The game and its value
#
# ```
#   z ~ p(z) ──► G ──► G(z), a fake ──┐
#                                     ├──► D ──► a logit; sigmoid(logit) = probability that x is real
#   data     ────────► x, real     ──┘
# ```
#
# The **generator** G turns a **latent vector** z (noise) into a sample; we write $p_g$ for the distribution of its samples. The **discriminator** D takes a sample and returns the probability that it is real. **Real is 1 and fake is 0**, as in the paper, here and in every notebook that follows. D is a two-class classifier like those above; G produces the examples of one class. Goodfellow et al. (2014, Equation 1) define the game by its value:
#
# $$\min_G \max_D V(D, G) = \mathbb{E}_{x\sim p_\mathrm{data}}[\log D(x)] + \mathbb{E}_{z\sim p(z)}[\log(1 - D(G(z)))]$$
#
# D maximizes V, which takes $D(x)$ near 1 and $D(G(z))$ near 0. G minimizes V, and can only do so through the second term. Our networks return *logits* $\ell$, with $D = \mathrm{sigmoid}(\ell)$, as everywhere in this course.
#
# **Exercise 2.2** · *Value of the game* · difficulty ●●○○○ · importance ●●●●● · 8 minutes · 2 points
#
# - `real`: logits of D on real samples, shape (m,); `fake`: logits on fakes, shape (m,).
# - Return V as one number (a tensor without dimensions), estimating each expectation by the mean. With the natural logarithm, as always here, its unit is the *nat*.
# - The result must be finite **and right** for logits of any size, without a clamp or an added epsilon: D may be very confident.
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
for case, logit in (("confident, right", 5.0), ("undecided", 0.0), ("confident, wrong", -5.0)):
    real, fake = torch.tensor([logit]), torch.tensor([-logit])
    print(f"D is {case:17} V = {value(real, fake):8.3f}")

# %% [markdown]
# V is always negative, and close to 0 for a D that is confident and right. To train D by gradient descent, we take -V as its loss. It is the sum of two binary cross-entropies: one on real samples with label 1, one on fakes with label 0.

# %%
def discriminator_loss(real: Tensor, fake: Tensor) -> Tensor:
    """-V: what D minimizes."""
    return -value(real, fake)


real, fake = torch.randn(2, 64, generator=env.rng(0, "cpu"))
bce = F.binary_cross_entropy_with_logits
by_labels = bce(real, torch.ones(64)) + bce(fake, torch.zeros(64))
print(f"-V = {discriminator_loss(real, fake):.4f}; with labels 1 and 0: {by_labels:.4f}")

# %% [markdown]
# ## 3. The best discriminator, and the best generator against it
#
# *If G is fixed, what is the best D?* Write both expectations as integrals over x, with p for $p_\mathrm{data}$ and q for $p_g$ (a latent z, sent through G, is an x drawn from $p_g$):
#
# $$V = \int \big[\, p(x)\log D(x) + q(x)\log(1 - D(x)) \,\big]\, dx$$
#
# If D may take any value at each x, each x can be treated separately: maximize $p\log D + q\log(1-D)$ over one number D. That sum is concave in D, so the best D is where its derivative vanishes:
#
# $$\frac{p}{D} - \frac{q}{1-D} = 0$$
#
# **Exercise 2.3** · *The best discriminator* · difficulty ●●○○○ · importance ●●●●● · 8 minutes · 1 point
#
# - `p`, `q`: the densities of data and fakes at some points, both above 0, shape (n,). Both can be tiny, so no epsilon.
# - Return $D^*$, the best D at each of these points: probabilities, shape (n,).
#
# <details><summary>Hint 1</summary>
#
# Solve the equation above for D. Multiply by $D(1-D)$ first.
#
# </details>
# <details><summary>Hint 2</summary>
#
# $p(1-D) = qD$. Check your formula where p = q: there real and fake are equally likely.
#
# </details>
# <details><summary>Hint 3</summary>
#
# It is Bayes' rule for a sample that is real or fake with equal prior probability: the share of p in p + q.
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
# The proof allows any function D. Ours is a network with two hidden layers of 64 units, trained on samples, without p or q. How close does it come? We take data $p = N(1, 0.5)$ (mean 1, standard deviation 0.5), put a fixed $q = N(0.2, 0.8)$ in G's place, and train D alone. **Learning-rate decay** helps it to settle: `LambdaLR` multiplies the initial learning rate by a factor that depends on the step, here one that decays linearly from 1 to 0.

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
    schedule = LambdaLR(opt, lambda done: (D_STEPS - done) / D_STEPS)

    def step() -> dict[str, Tensor]:
        loss = discriminator_loss(D(p.sample(512, rng)), D(sample_fake(512)))
        descend(opt, loss)  # zero_grad, backward, step
        schedule.step()
        return {"loss_D": loss.detach()}

    keep = {"D": D, "opt": opt, "schedule": schedule, "rng": rng}
    for _ in train(step, D_STEPS, keep, title="D alone"):
        pass
    return D

# %% [markdown]
# The error is the mean of $|D - D^*|$ over the mixture $(p+q)/2$, that is, over examples like those that D is trained on.

# %% tags=["training", "nbval-ignore-output"]
def discriminator_error(D_x: Tensor, p_x: Tensor, q_x: Tensor) -> float:
    """Mean |D - D*| over the mixture of real and fake, by a sum over the line."""
    gap = (D_x - optimal_discriminator(p_x, q_x)).abs()
    weight = (p_x + q_x) / 2
    occurs = weight > 1e-12  # elsewhere D* is 0/0
    return (weight * gap)[occurs].sum().item() * 0.01  # points are 0.01 apart


rng = env.rng(0, "cpu")
D = train_discriminator(lambda m: q.sample(m, rng), rng)
with torch.no_grad():
    D_x = D(x_line).sigmoid()
curves = {"p, data": p_x, "q, fixed fakes": q_x}
curves |= {"D* = p / (p + q)": optimal_discriminator(p_x, q_x), "D, trained on samples": D_x}
ax = plot_curves(x_line[:, 0], curves, xlabel="x", ylabel="density, or probability of real")
show(ax, alt="Two bell curves, p and a wider q; D*, with a peak near x = 1.5; and the trained D")
error = discriminator_error(D_x, p_x, q_x)
env.report(optimal_d_error=error)
env.expect(
    "trained D is close to D*", error <= 0.03, f"mean |D - D*| is {error:.3f}, usually below 0.01."
)

# %% [markdown]
# *Compare the trained D with D\* where there are samples, and at the right end.* On the right $D^*$ falls again: q is the wider of the two, so far enough out it is larger than p. There D may differ from $D^*$ almost without effect on its loss, because almost no samples lie there. Such errors matter once G moves samples there: G's gradient comes from D.
#
# *Now let G choose q, and let D always be D\*. What is the best q?* Put $D^*$ into V:
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
# Is this the minimum over G? Let $m = (p+q)/2$. Then $\frac{p}{p+q} = \frac12\cdot\frac pm$, so each of the two terms gives a $\log\frac12$ and a *Kullback-Leibler divergence*, $\mathrm{KL}(p\,\|\,m) = \int p\log\frac pm\,dx$, which is never negative. The mean of the two divergences is called the Jensen-Shannon divergence:
#
# $$C(q) = -\log 4 + \mathrm{KL}(p\,\|\,m) + \mathrm{KL}(q\,\|\,m) = -\log 4 + 2\,\mathrm{JSD}(p \,\|\, q) .$$
#
# JSD is 0 if q equals p, positive otherwise, and never more than log 2. So $p_g = p_\mathrm{data}$ is the only minimum (the paper's Theorem 1).
#
# What does this function look like? We shift $q = N(1 + d, 0.5)$ away from p and compute V at $D^*$ by a sum over the line; next to it, $-\log 4 + 2\,\mathrm{JSD}$ with JSD by its definition.

# %%
x_wide = torch.linspace(-6, 12, 18001, dtype=torch.double)[:, None]  # 0.001 apart


def best_value(p_x: Tensor, q_x: Tensor) -> float:
    """C(q): V with D = D*, by a sum over the line."""
    D_star = optimal_discriminator(p_x, q_x)
    rest = optimal_discriminator(q_x, p_x)  # 1 - D* by symmetry; the difference would round to 0
    return (torch.xlogy(p_x, D_star) + torch.xlogy(q_x, rest)).sum().item() * 0.001


def jensen_shannon(p_x: Tensor, q_x: Tensor) -> float:
    """JSD(p || q) in nats: the mean of both divergences from m."""
    m_x = (p_x + q_x) / 2
    return (torch.xlogy(p_x, p_x / m_x) + torch.xlogy(q_x, q_x / m_x)).sum().item() * 0.001 / 2


def densities(shift: float) -> tuple[Tensor, Tensor]:
    """p and q = N(1 + shift, 0.5) along the line."""
    return p.density(x_wide), toy.Normal(1.0 + shift, 0.5).density(x_wide)


print("shift d    V at D*    -log 4 + 2 JSD")
for d in (0.0, 0.25, 0.5, 1.0, 2.0, 4.0):
    direct, by_jsd = best_value(*densities(d)), 2 * jensen_shannon(*densities(d)) - math.log(4)
    print(f"{d:7.2f} {direct:10.4f} {by_jsd:17.4f}")
    assert abs(direct - by_jsd) < 1e-6

# %%
shifts = np.linspace(0, 4, 81)
values = [best_value(*densities(d)) for d in shifts]
curves = {"V at D*": values, "-log 4": [-math.log(4)] * 81, "0": [0.0] * 81}
ax = plot_curves(shifts, curves, xlabel="shift d of the fakes", ylabel="V (nats)")
show(ax, alt="V at the best D rises from -log 4 at shift 0, and is flat just below 0 beyond 2.5")
slopes = np.gradient(values, shifts)
print(f"slope of V at d = 0.5: {slopes[10]:.2f} nats per unit; at d = 3.5: {slopes[70]:.3f}")

# %% [markdown]
# *V against the distance between fakes and data.* There is one minimum, -log 4 at d = 0 (negative shifts are the mirror image). On the right is a plateau: where fakes and data hardly overlap, V at the best D gives G almost no gradient. At the start of training that is often so.
#
# ## 4. Two losses for the generator
#
# *How large is G's gradient while its samples are bad?* In Algorithm 1 G descends its own term of V, $\mathbb{E}_z[\log(1 - D(G(z)))]$. Here is $\log(1 - D)$ as a function of the logit of one fake, and its slope, computed by automatic differentiation.

# %%
logits = torch.linspace(-8, 8, 161)


def slope(loss: Callable[[Tensor], Tensor], logit: float) -> float:
    """Derivative of a loss of one fake by its logit."""
    at = torch.tensor([logit], requires_grad=True)
    return torch.autograd.grad(loss(at), at)[0].item()


def plot_losses(losses: dict[str, Callable[[Tensor], Tensor]], alt: str) -> None:
    """Losses over the logit of a fake, and their slopes in a second panel."""
    fig, axes = panels(2, width=4)
    curves = {name: [loss(v[None]).item() for v in logits] for name, loss in losses.items()}
    slopes = {name: [slope(loss, v.item()) for v in logits] for name, loss in losses.items()}
    label = "logit of a fake (left: D is confident)"
    plot_curves(logits, curves, xlabel=label, ylabel="loss of G (nats)", ax=axes[0])
    plot_curves(logits, slopes, xlabel=label, ylabel="slope of the loss", ax=axes[1])
    for ax in axes:
        ax.axvline(-6, color="grey", linewidth=0.8)
    show(fig, alt=f"Loss and slope over the logit; a grey line marks logit -6. {alt}")


plot_losses({"log(1 - D)": saturating_loss}, alt="log(1 - D) is flat on the left")
print(f"slope of log(1 - D) at logit -6: {slope(saturating_loss, -6.0):.4f}")

# %% [markdown]
# *Left panel: the loss log(1 - D); right panel: its slope.* Where D is confident that a sample is fake (at the left end of both panels), the loss is flat: it **saturates**. The gradient is smallest where the samples are worst. At the end of their Section 3 the authors therefore propose another loss with the same aim: instead of lowering the log-probability of "fake", G raises the log-probability of "real", that is, it descends $-\mathbb{E}_z[\log D(G(z))]$.
#
# **Exercise 2.5** · *A loss for the generator that does not saturate* · difficulty ●●○○○ · importance ●●●●● · 6 minutes · 1 point
#
# - `fake`: logits of D on G's samples, shape (m,).
# - Return $-\log D$, averaged over the batch. It must be finite and right for logits of any size, without a clamp or an added epsilon.
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
losses = {"log(1 - D), saturates": saturating_loss, "-log D, does not": generator_loss}
plot_losses(losses, alt="log(1 - D) is flat on the left, -log D on the right")
slopes = [round(slope(loss, -6.0), 4) for loss in losses.values()]
env.report(slope_saturating=slopes[0], slope_nonsaturating=slopes[1])

# %% [markdown]
# *Both losses fall as the logit rises, so they agree on the direction.* At logit 0, where D is undecided, their slopes are equal. At logit -6 they differ by the factor $e^6$, about 400. The two are sometimes called the same loss; they have the same fixed point, but not the same gradient. Be careful with signs and labels when you read code: four loss functions are in use, and each can be written as a cross-entropy with a label.
#
# | network | descends | cross-entropy with label | slope vanishes where |
# |---|---|---|---|
# | D, on real samples | $-\log D(x)$ | 1 | D is right |
# | D, on fakes | $-\log(1 - D(G(z)))$ | 0 | D is right |
# | G, minimax | $\log(1 - D(G(z)))$ | 0, with the sign flipped | D is right: G's samples are bad |
# | G, non-saturating | $-\log D(G(z))$ | 1 | D is wrong: G's samples are good |
#
# ## 5. Algorithm 1, line by line
#
# *When is each network updated?* The paper's Algorithm 1, with what each line becomes in PyTorch:
#
# | Algorithm 1 (in our words) | code |
# |---|---|
# | for each training iteration | the loop around `gan_step` |
# | &nbsp;&nbsp;repeat k times: | `for _ in range(k):` |
# | &nbsp;&nbsp;&nbsp;&nbsp;draw m examples of the data | `x = next(batches)`; m is `len(x)` |
# | &nbsp;&nbsp;&nbsp;&nbsp;draw m latent vectors | `z = sample_z(m)`, `fakes = G(z)` without gradient |
# | &nbsp;&nbsp;&nbsp;&nbsp;move D up the gradient of V | descend `discriminator_loss(D(x), D(fakes))` with `opt_D` |
# | &nbsp;&nbsp;draw m latent vectors, fresh ones | `z = sample_z(m)` |
# | &nbsp;&nbsp;move G down the gradient of its term | descend `generator_loss(D(G(z)))` with `opt_G` (exercise 2.5's loss) |
#
# Two points need care; both are about where gradients flow.
#
# - In **D's turn** G is a fixed sampler. The fakes must not carry a graph back into G: make them under `torch.no_grad()`, or `.detach()` them.
# - In **G's turn** the gradient must flow *through* D, since D(G(z)) depends on G only that way. So no `detach` here. D's parameters receive gradients as a by-product; `opt_G` does not use them, but they must be cleared before D's next turn. (`frozen` in the package's `papers.gan` avoids computing them at all.)
#
# **Exercise 2.6** · *One iteration of Algorithm 1* · difficulty ●●●○○ · importance ●●●●● · 20 minutes · 4 points
#
# - `batches` is an endless iterator: `next(batches)` gives m real examples. `sample_z(m)` gives m latent vectors. m is not an argument: take it from the batch.
# - k steps of D, each on a fresh batch and fresh noise; then one step of G on m fresh latent vectors.
# - Use `discriminator_loss` and `generator_loss` from above, and clear old gradients before each `backward()`.
# - Return the last of D's losses and G's loss as `{"loss_D": ..., "loss_G": ...}`, detached.
#
# <details><summary>Hint 1</summary>
#
# Two blocks of four lines each: make fakes, compute the loss, `zero_grad` and `backward`, `step`. The first is in a loop over k.
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
# *Does the game end where the theorem says?* The data are $N(1, 0.5)$ again; G (an `MLP`) and D (a `MLPDiscriminator`: an MLP with one logit per point) have two hidden layers of 32 units. A latent z and an output of G have one dimension each. Three choices make training more stable:
#
# - **k = 3**: the theory assumes D near its optimum. For the same reason D's learning rate is twice G's. We measure the effect of k below.
# - **no momentum** (Adam with $\beta_1 = 0$): momentum averages over gradients that were computed with older weights of the other network. Section 7 measures the effect.
# - **learning-rate decay** (`linear_decay`: constant for half of the run, then linear to 0), and an **exponential moving average (EMA)** of G's weights: in a game the weights tend to circle around the equilibrium, and their average is nearer to it than most points of the orbit.
#
# `game` builds every part once by hand: optimizers, schedules, EMA and step. From notebook 03 on a `Player` bundles the parts that belong to one network.

# %%
def game(
    data: toy.Normal | toy.Ring, G: MLP, D: nn.Module, steps: int, rng: torch.Generator,
    lr_G: float, lr_D: float, momentum: float = 0.0, hold: float = 0.5, decay: float = 0.99,
    size: int = 512, every: int = 1, **options: object,
) -> Iterator[tuple[Record, nn.Module]]:
    """Train G and D on batches of `data`; yields a record and the EMA of G at every few steps.

    `momentum` is Adam's beta_1. The learning rates are constant for the share `hold` of the steps
    (1: throughout). `decay` is that of the EMA (0: it is G itself). `options` are for `gan_step`.
    """
    opt_G = Adam(G.parameters(), lr_G, betas=(momentum, 0.9), fused=True)
    opt_D = Adam(D.parameters(), lr_D, betas=(momentum, 0.9), fused=True)
    schedule_G, schedule_D = linear_decay(opt_G, steps, hold), linear_decay(opt_D, steps, hold)
    average = copy.deepcopy(G)
    batches, sample_z = toy.batches(data, size, rng), env.noise(G[0].in_features, rng)

    def step() -> dict[str, Tensor]:
        losses = gan_step(G, D, opt_G, opt_D, batches, sample_z, **options)
        schedule_G.step()
        schedule_D.step()
        ema_update(average, G, decay)  # average = decay * average + (1 - decay) * G
        return losses

    keep = {"G": G, "D": D, "average": average, "opt_G": opt_G, "opt_D": opt_D}
    keep |= {"schedule_G": schedule_G, "schedule_D": schedule_D, "rng": rng}
    for record in train(step, steps, keep, record_every=every, title="game"):
        yield record, average

# %%
LINE_STEPS = env.budget(smoke=24, cpu=2500, gpu=2500)
z_fixed = torch.randn(4000, 1, generator=env.rng(9, "cpu"))  # the same for every frame
z_arrows = torch.linspace(-2, 2, 17)[:, None]


@torch.no_grad()
def snapshot(G: nn.Module, D: nn.Module, step: int) -> dict:
    """What Figure 1 shows of one step: D and p_g along the line, and G(z) for some z."""
    x, width = G(z_fixed)[:, 0], 0.06  # p_g: a narrow Gaussian on each sample (kernel estimate)
    bells = [torch.exp(-0.5 * ((x_line - part) / width) ** 2).sum(dim=1) for part in x.split(250)]
    p_g = sum(bells) / (len(x) * width * math.sqrt(2 * math.pi))
    return {"step": step, "D": D(x_line).sigmoid(), "p_g": p_g, "x": G(z_arrows)[:, 0]}


def line_game(k: int) -> tuple[nn.Module, list[dict], list[Record]]:
    """Train on the line; returns the EMA of G, frames for the figure, and records."""
    rng = env.rng(0, "cpu")
    G, D = MLP(1, 32, 32, 1, rng=rng), MLPDiscriminator(1, 32, 32, rng=rng)
    frames, records = [snapshot(G, D, 0)], []
    settings = {"lr_G": 1e-3, "lr_D": 2e-3, "every": max(1, LINE_STEPS // 125), "k": k}
    for record, average in game(p, G, D, LINE_STEPS, rng, size=1024, **settings):
        frames.append(snapshot(G, D, record.step))
        records.append(record)
    return average, frames, records


def draw_frame(frame: dict, ax: Axes) -> None:
    """One panel of Figure 1: densities and D above, arrows from z to G(z) below."""
    ax.plot(x_line, p_x, color="black", linestyle=":", label="data p")
    ax.plot(x_line, frame["p_g"], color=PALETTE[2], linestyle="-", label="fakes $p_g$")
    ax.plot(x_line, frame["D"], color=PALETTE[0], linestyle="--", label="D")
    ax.axhline(0.5, color="grey", linewidth=0.5)
    for height, name in ((-0.25, "x = G(z)"), (-0.75, "z")):
        ax.axhline(height, color="black", linewidth=0.8)
        ax.text(-2.9, height + 0.05, name)
    for z, x in zip(z_arrows[:, 0].tolist(), frame["x"].tolist(), strict=True):
        ax.annotate("", (x, -0.25), (z, -0.75), arrowprops={"arrowstyle": "->", "linewidth": 0.6})
    ax.set(xlim=(-3, 4), ylim=(-0.9, 2.2), yticks=[0, 0.5, 1, 1.5, 2], xlabel="x (and z)")
    ax.set(ylabel="density; D", title=f"step {frame['step']:,}")


# %% tags=["training", "nbval-ignore-output"]
G_line, frames, records = line_game(k=3)
fig, axes = panels(4, width=3.1, height=3.2, sharey=True)
for ax, frame in zip(axes, [*frames[:2], frames[5], frames[-1]]):
    draw_frame(frame, ax)
axes[0].legend(loc="upper left", fontsize=8)
show(fig, alt="Figure 1 at four moments: densities of data and fakes, D, and arrows from z to G(z)")
assert len(frames) == len(records) + 1  # and one before the first step

# %% [markdown]
# *Figure 1 of Goodfellow et al. (2014) from our own run: data (black, dotted), fakes (green, solid), D (blue, dashed); below, arrows from evenly spaced z to G(z).* In the first panel nothing is trained. Then D becomes larger where there are more data than fakes, and G moves its samples to where D is larger. In the last panel compare the fakes with the data, and D with 1/2 where there are samples. The arrows show *how* G does it: they end close together where the density should be high. They may cross: many maps from z give the same $p_g$, and the theory is about $p_g$ only. With the slider below you can go through the whole run.

# %%
def line_at(frame: int) -> None:
    """Draw one stored frame."""
    _, axes = panels(1, width=6, height=3.4)
    draw_frame(frames[frame], axes[0])
    axes[0].legend(loc="upper left", ncols=3, fontsize=8)
    show(axes[0], alt=f"Frame {frame} of the run: both densities, D, and arrows from z to G(z)")


explore(line_at, frame=(0, len(frames) - 1, 1, 2))

# %% [markdown]
# Now the numbers. First the mean and standard deviation of 100,000 fresh samples of G, compared with those of the data. Both errors are given as fractions of the data's standard deviation.

# %% tags=["nbval-ignore-output"]
with torch.no_grad():
    fakes = G_line(torch.randn(100_000, 1, generator=env.rng(10, "cpu")))
mean, std = fakes.mean().item(), fakes.std().item()
mean_error, std_error = abs(mean - p.mean) / p.std, abs(std - p.std) / p.std
print(f"data: mean {p.mean:.3f}, std {p.std:.3f}; G: mean {mean:.3f}, std {std:.3f}")
env.report(generator_mean_error=mean_error, generator_std_error=std_error)
env.expect(
    "G has the mean and standard deviation of the data", max(mean_error, std_error) <= 0.05,
    f"errors are {mean_error:.1%} and {std_error:.1%}; usually they are below 5 %.",
)

# %% [markdown]
# And the two losses:

# %% tags=["nbval-ignore-output"]
ax = plot_records(records)
for height in (math.log(4), math.log(2)):
    ax.axhline(height, color="grey", linewidth=0.8)
show(ax, alt="The losses of D and G over the run; grey lines mark log 4 and log 2")
late = records[len(records) // 2 :]
loss_D, loss_G = (np.mean([r.losses[name] for r in late]) for name in ("loss_D", "loss_G"))
print(f"second half of the run, on average: loss_D {loss_D:.3f}, loss_G {loss_G:.3f}")
env.expect(
    "losses settle at log 4 and log 2", max(abs(loss_D - 1.386), abs(loss_G - 0.693)) < 0.05,
    "one of the losses is more than 0.05 from log 4 or log 2; usually both are closer.",
)

# %% [markdown]
# *Losses of both networks; grey lines at log 4 = 1.386 and log 2 = 0.693, the values for D = 1/2.* The losses start elsewhere and usually settle near these lines. Neither decreases steadily: training approaches an equilibrium, not a minimum. What can we conclude from losses at these lines?
#
# **Exercise 2.7** · *What flat losses mean* · difficulty ●●●○○ · importance ●●●●● · 4 minutes · 1 point
#
# Another run, which you have not seen, shows loss_D = 1.386 and loss_G = 0.693 from early on to its end. What do you know?
#
# - a: Its samples have the distribution of the data: V is at its minimum.
# - b: Its D can't tell its fakes from data. Whether they differ, you don't know yet.
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
# A D that returns 1/2 for every input. A D that never learned anything about its samples can do that too.
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
# The two losses say that D returns 1/2 for every input, and no more. A perfect G is one reason. A D that never learned anything is another. (a) would need the best D. In (c) loss_D would fall below log 4 as soon as D saw a difference. (d) log 2 is a loss at logit 0, where neither of G's losses is flat. (e) A D with swapped labels still learns to separate the two, so loss_D leaves log 4.
#
# </details>

# %% [markdown]
# So these losses prove nothing about the samples. The theory suggests another test: freeze G, and train a **fresh, larger D** against it, with learning-rate decay. Its V on samples that it was not trained on estimates $C(p_g) = -\log 4 + 2\,\mathrm{JSD}$ from below, since it may not be the best D. As a control we train another fresh D against the generator as it was *before* training: a useful test must show the difference.

# %% tags=["training", "nbval-ignore-output"]
def fresh_value(G: nn.Module) -> float:
    """V of a fresh D, trained against a frozen G, on 100,000 fresh samples of each kind."""
    rng = env.rng(20, "cpu")
    sample_z = env.noise(1, rng)
    D = train_discriminator(lambda m: G(sample_z(m)).detach(), rng)
    with torch.no_grad():
        return value(D(p.sample(100_000, rng)), D(G(sample_z(100_000)))).item()


before = fresh_value(MLP(1, 32, 32, 1, rng=env.rng(0, "cpu")))
after = fresh_value(G_line)
print(f"V of a fresh D: {before:.4f} against the untrained G, {after:.4f} against the trained one")
jsd = max(0.0, after + math.log(4)) / 2
print(f"-log 4 = {-math.log(4):.4f}; JSD(data, fakes) is about {jsd:.4f} of at most 0.6931 nats")
env.report(value_at_equilibrium=after, value_before_training=before)
env.expect(
    "V falls to -log 4", abs(after + math.log(4)) <= 0.05 and before > after + 0.1,
    f"V is {before:.3f} before and {after:.3f} after training; usually it falls to about -1.386.",
)

# %% [markdown]
# The higher V is above -log 4, the better a fresh D separates fakes from data. Compare the two values: the closer the second is to -log 4, the less difference is left. At $p_g = p_\mathrm{data}$ there is none, as Theorem 1 says.
#
# *What is the effect of k = 3?* In each frame of the run we know $D^*$ for that moment's fakes (p exactly, $p_g$ by the kernel estimate), so we can measure how far D is from it. We train once more with k = 1, and compare over the first half of the run, before the learning rates decay.

# %% tags=["training", "nbval-ignore-output"]
lags = {
    f"k = {k}": [discriminator_error(frame["D"], p_x, frame["p_g"]) for frame in run[1:]]
    for k, run in ((1, line_game(k=1)[1]), (3, frames))
}
ax = plot_curves([r.step for r in records], lags, xlabel="step of G", ylabel="mean |D - D*|")
show(ax, alt="Distance of D from the best D over the run, one curve for k = 1 and one for k = 3")
lag_1, lag_3 = (np.mean(errors[: len(frames) // 2]) for errors in lags.values())
print(f"mean |D - D*| over the first half: {lag_1:.3f} with k = 1, {lag_3:.3f} with k = 3")
env.report(lag_k1=lag_1, lag_k3=lag_3)
env.expect("k = 3 is closer to D*", lag_3 < lag_1, "k = 1 is closer to D*; usually k = 3 is.")

# %% [markdown]
# *Distance of D from D\*, during both runs.* More steps usually keep D closer to $D^*$, and each step of G then follows a better estimate of the gradient. The price is k times as many steps of D. The authors took k = 1 in their experiments, as the least expensive option (caption of Algorithm 1), and we do the same for images.
#
# ## 7. Eight modes on a ring
#
# *What if the data have gaps?* The usual test is a ring of eight Gaussians in the plane (Metz et al., 2017). Each is a **mode**, a peak of the density. Between them there are almost no data, but G is a continuous function of z and has to distribute its samples over separate regions. First the data.

# %%
ring = toy.Ring(modes=8, radius=2.0, std=0.1)


def scatter(ax: Axes, points: Tensor, title: str) -> None:
    """Points in the plane, and a circle of 3 standard deviations around each mode."""
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
# A scatter plot of samples is easily misread, so we need metrics. Write a function that returns two numbers:
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
# `near = distances <= radius` has the answer to both questions: sum it over points for the first, apply `any` over centres for the second.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `int((near.sum(dim=0) >= least).sum())` and `near.any(dim=1).float().mean().item()`
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
# The two numbers don't say whether the modes get equal shares. So we also measure the **emptiest mode**: the number of points near it, divided by an eighth of all points. Real points don't reach 100 % either, since a few lie outside the circles and by chance some mode has fewer points than the others.

# %%
def score(points: Tensor) -> tuple[int, float, float]:
    """Modes, share of points near one, emptiest mode; near means within 3 standard deviations.

    A mode counts if at least a fifth of an eighth of the points are near it.
    """
    modes, quality = mode_coverage(points, ring.centres, 3 * ring.std, least=len(points) // 40)
    near = torch.cdist(points, ring.centres) <= 3 * ring.std
    return modes, quality, near.sum(dim=0).min().item() * 8 / len(points)


def describe(points: Tensor) -> str:
    """The score in words."""
    return "{} modes, {:.0%} near one, emptiest {:.0%}".format(*score(points))


print(f"real points: {describe(ring.sample(10_000, env.rng(1, 'cpu')))}")
print(f"in theory:   8 modes, {1 - math.exp(-4.5):.0%} near one (a round Gaussian in the plane)")

# %% [markdown]
# From here on we use the package's `gan_step`. It does the same as yours, freezes D in G's turn, and has more options. We need one of them: a `penalty` that is added to D's loss. We use the **R1 gradient penalty** (Mescheder et al., 2018): $\frac{\gamma}{2}\,\mathbb{E}_{x\sim p_\mathrm{data}}\big[\lVert\nabla_x \ell(x)\rVert^2\big]$, with $\ell$ the logit. It keeps D's gradient at the data small. At the equilibrium D should be flat there; otherwise its gradient moves G away from the solution again. The hyperparameters that we vary are arguments of `ring_game`.

# %%
from gancourse.papers.gan import gan_step


def ring_game(
    steps: int, seed: int = 0, layers: int = 3, gamma: float = 0.3, **changes: float
) -> tuple[nn.Module, dict[int, Tensor]]:
    """Train on the ring; returns the EMA of G, and 2,000 samples after each eighth of the run.

    `layers` is the number of hidden layers, of 64 units each, in both networks. `gamma` is the
    weight of R1 (0: no penalty). `changes` are arguments of `game`.
    """
    rng, hidden = env.rng(seed, "cpu"), [64] * layers
    G, D = MLP(2, *hidden, 2, rng=rng), MLPDiscriminator(2, *hidden, rng=rng)
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
    fig, axes = panels(len(eighths), width=2.6, height=2.9, sharey=True)
    for ax, eighth in zip(axes, eighths):
        step, points = list(samples.items())[eighth - 1]
        scatter(ax, points, "step {}: {} modes, {:.0%}".format(step, *score(points)))
    show(fig, alt)

# %% [markdown]
# First the baseline, with default settings: Adam with its usual momentum of 0.9, a constant learning rate, no penalty, no EMA. (The learning rate of 0.003 and $\beta_2 = 0.9$ are the same in all runs on the ring.)

# %% tags=["training", "nbval-ignore-output"]
RING_STEPS = env.budget(smoke=24, cpu=1600, gpu=1600)
DEFAULTS = {"momentum": 0.9, "gamma": 0.0, "hold": 1.0, "decay": 0.0}
G, samples = ring_game(RING_STEPS, **DEFAULTS)
plot_moments(samples, (2, 4, 6, 8), alt="Samples after each quarter of a run with default settings")
emptiest = score(draw(G))[2]
env.expect(
    "default settings: a mode has less than half of its share", emptiest < 0.5,
    f"even the emptiest mode has {emptiest:.0%} of its share; usually it has less than half.",
)

# %% [markdown]
# *Samples after each quarter of the run; circles of radius 3 standard deviations mark the modes; the title counts modes and gives the share of samples near one.* Compare the panels: usually other modes hold samples each time, and G does not settle. D learns to recognize as fake what G produces most; G moves these samples elsewhere, and D adapts again. If G leaves modes empty, this is called **mode collapse**.
#
# *What helps?* We combine four remedies: no momentum, R1, learning-rate decay with an EMA of G, and three hidden layers (which the baseline has too). Then we remove one at a time, with two seeds each, and measure after the same number of steps. The last row, our baseline, lacks the first three.

# %% tags=["training", "nbval-ignore-output"]
VARIANTS = {
    "all four remedies": {},
    "with momentum 0.9": {"momentum": 0.9},
    "no R1 penalty": {"gamma": 0.0},
    "two hidden layers": {"layers": 2},
    "constant rates, no EMA": {"hold": 1.0, "decay": 0.0},
    "default settings": DEFAULTS,
}
scores = {}
for name, changes in VARIANTS.items():
    pair = [draw(ring_game(RING_STEPS, seed, **changes)[0]) for seed in (1, 2)]
    scores[name] = [score(points) for points in pair]
    print(f"{name:23}", "; ".join(describe(points) for points in pair))

fig, axes = panels(3, width=3.6, height=3.0, sharey=True)
labels = ("modes, of 8", "share of samples near a mode", "emptiest mode, part of its share")
for i, label in enumerate(labels):
    bars = {name: [numbers[i] for numbers in pair] for name, pair in scores.items()}
    plot_bars(bars, xlabel=label, ax=axes[i]).set_xlim(0, (8.5, 1, 1)[i])
show(fig, alt="Three bar charts, one bar for each variant with a dot for each of two seeds")
emptiest = {name: np.mean([numbers[2] for numbers in pair]) for name, pair in scores.items()}
fullest = max(emptiest, key=emptiest.get)
env.expect(
    "the emptiest mode is fullest with all four remedies", fullest == "all four remedies",
    f"the emptiest mode is fullest in the row '{fullest}'; usually it is with all four remedies.",
)

# %% [markdown]
# *Three numbers for each variant; each dot is one seed.* In the run recorded here, momentum is the single change that lowers the share of samples near a mode most. The row without R1 shows why one number is not enough: its share is about as high as with all remedies, but its emptiest mode is emptier. Two hidden layers, or constant rates without an EMA, also make the samples worse, by an amount that differs between seeds. With two seeds, rely only on differences that are much larger than the distance between two dots.
#
# Now all four remedies, for more steps.

# %% tags=["training", "nbval-ignore-output"]
LONG = env.budget(smoke=24, cpu=4000, gpu=6000)
G_ring, samples = ring_game(LONG)
plot_moments(samples, (1, 2, 4, 8), alt="Samples at four moments of the long run")
modes, quality, emptiest = score(draw(G_ring))
env.report(ring_modes=modes, ring_quality=quality, ring_emptiest=emptiest)
env.expect(
    "all modes, 80 % of samples near one", modes == 8 and quality >= 0.8,
    f"{modes} modes, {quality:.0%} of samples near one; usually 8 modes and about 90 %.",
)

# %% [markdown]
# *Samples with all remedies, after an eighth, a quarter, half and all of the run.* Look at when all modes are covered, and how the bridges of samples between them fade. They can't vanish: G is continuous and the distribution of z has no gaps, so G can't pass from one mode to another without samples in between. That is one reason why the share of samples near a mode stays below the 99 % of real points. How few samples lie on the bridges depends on training.
#
# ## 8. Play the game yourself
#
# Move the sliders (in a live notebook; a saved one shows three settings). Each setting trains for 400 iterations, without penalty, decay or EMA, and shows samples and both losses. Try to predict the answers first:
# - What happens if G's learning rate is ten times D's? And the reverse?
# - Do more steps of D (k) help or hurt?
# - Can you find a setting with calm losses and bad samples?

# %%
def play(k: int, log_lr_G: float, log_lr_D: float, momentum: float, seed: int) -> None:
    """Train for 400 iterations on the ring; the learning rates are powers of ten."""
    rng = env.rng(seed, "cpu")
    G, D = MLP(2, 64, 64, 64, 2, rng=rng), MLPDiscriminator(2, 64, 64, 64, rng=rng)
    settings = {"momentum": momentum, "hold": 1.0, "decay": 0.0, "size": 256, "k": k}
    steps, lr_G, lr_D = env.budget(smoke=16, cpu=400, gpu=400), 10**log_lr_G, 10**log_lr_D
    records = [record for record, _ in game(ring, G, D, steps, rng, lr_G, lr_D, **settings)]
    points = draw(G, 2000)
    fig, axes = panels(2, width=3.6, height=3.0)
    scatter(axes[0], points, "{} modes, {:.0%} near one".format(*score(points)))
    rates = f"rates {lr_G:.2g} (G), {lr_D:.2g} (D)"
    plot_records(records, f"k = {k}, momentum {momentum:g}\n{rates}", axes[1])
    show(fig, alt=f"Samples and losses, k = {k}, {rates}, momentum {momentum:g}")


explore(
    play, stills=[{}, {"log_lr_G": -2.0, "log_lr_D": -3.5}, {"k": 5, "log_lr_G": -3.5}],
    k=(1, 10, 1, 1), log_lr_G=(-4.0, -1.5, 0.5, -2.5), log_lr_D=(-4.0, -1.5, 0.5, -2.5),
    momentum=(0.0, 0.9, 0.1, 0.0), seed=(0, 9, 1, 0),
)

# %% [markdown]
# *Samples (left) and losses (right) of three settings: equal learning rates; a higher one for G and a lower one for D; a lower one for G and k = 5.* In the second, D is too slow for G: usually loss_G is the calmest of the three, and the fewest samples are near a mode. In the third, D is the better trained network: loss_D is well below log 4 and loss_G far above log 2. G still learns, since its loss does not saturate, and usually more of its samples are near a mode. So the losses don't show which run has the better samples.
#
# ## What we measured, and what the paper says
#
# - **The best D** (Proposition 1): a small network trained on samples is compared with $p/(p+q)$ by the mean of |D - D\*| (`optimal_d_error` in Section 3, usually below 0.01).
# - **Slopes at logit -6**: -0.0025 for $\log(1-D)$, -0.9975 for $-\log D$ (Section 4). The paper gives the argument at the end of its Section 3, without numbers.
# - **The end of the game** (Theorem 1): -log 4 = -1.386 in theory. Section 6 measures V of a fresh D against our trained G (`value_at_equilibrium`), which is usually close to it, and against the untrained one (`value_before_training`), which is higher.
# - **Figure 1** of the paper is a drawing. Ours shows a real run, in which D is not always close to $D^*$.
# - **Proposition 2** of the paper says that the game converges if D is brought to its optimum at each step and $p_g$ itself, not G's weights, is improved. Networks trained by gradient steps meet neither condition; Section 7 shows what can happen then. R1 is from 2018.
#
# **A mistake worth making.** In your own `gan_step` (exercise 2.6), use the same `fakes`, made without gradient, for G's turn as well. Run that cell, skip its check (it would replace your step by the reference solution), run the cell that calls `line_game`, and then the one that plots the losses. The step raises no error, loss_D falls and G never changes: $D(G(z))$ has no graph back to G. How would you notice this from the losses alone? Afterwards correct the step, and run its check and these cells again.
#
# **References**
# - Goodfellow, Pouget-Abadie, Mirza, Xu, Warde-Farley, Ozair, Courville, Bengio (2014), *Generative adversarial nets*, arXiv 1406.2661: Equation 1 (the game), Figure 1, Algorithm 1, Proposition 1 and Equation 2 (the best D), Theorem 1 (-log 4), Proposition 2 (convergence); the loss that does not saturate at the end of Section 3.
# - Metz, Poole, Pfau, Sohl-Dickstein (2017), *Unrolled generative adversarial networks*, arXiv 1611.02163: the ring of eight Gaussians.
# - Mescheder, Geiger, Nowozin (2018), *Which training methods for GANs do actually converge?*, arXiv 1801.04406: the R1 penalty, and the orbit around the equilibrium.
