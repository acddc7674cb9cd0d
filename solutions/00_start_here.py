# %% [markdown] tags=["header"]
# # 00 Start here
#
# A generative model draws new things that could have come from the data: here, digits that nobody
# wrote. In fifteen minutes you meet the simplest model that does it, see where it falls short, and
# learn how the exercises of this course work. Notebook 03 then puts a neural network in its place,
# trained by a game: a generative adversarial network (Goodfellow et al., 2014).
#
# After this notebook you can
# - **say** what a generative model is for, and what a generator takes in and gives out,
# - **tell** a copy from a new example, by a measurement,
# - **use** the three conventions of the course: pictures in [-1, 1], noise with a generator of its
#   own, logits in place of probabilities,
# - **work** with the checks, the hints and the profiles.
#
# **You build:** the simplest generator of digits, with sliders, and a first look at every tool of
# the course.
#
# | | Section | Minutes |
# |---|---|---|
# | 1 | Draw something new | 3 |
# | 2 | A generator with sliders | 2 |
# | 3 | New, or copied? | 2 |
# | 4 | Three exercises | 8 |
#
# It builds on nothing but a little PyTorch: tensors, functions, indexing.

# %% tags=["setup"]
# written by gancourse build

# %% [markdown]
# The lines above are the environment check: the device, the *profile* (how much the notebooks may
# spend here) and the data that was found. No internet is needed. If something is missing, the
# command `.venv/bin/gancourse doctor`, in a terminal in the course's folder, names it and says how to
# mend it (with conda or on Colab: `gancourse doctor`).

# %%
import torch
from torch import Tensor

from gancourse.datasets import digits
from gancourse.exercises import check, verdict
from gancourse.figures import show, show_images
from gancourse.shapes import to_float
from gancourse.widgets import explore

# %% [markdown]
# ## 1 Draw something new
#
# Here are real digits from MNIST: people wrote them, and somebody labelled them. We learn from
# `train`, and keep `held_out` apart, to test with.

# %%
train = digits.load(28, "train", device="cpu")
held_out = digits.load(28, "test", device="cpu")
rng = env.rng(0, on="cpu")

x = to_float(train.images)  # (n, 1, 28, 28), bytes 0..255 to floats in [-1, 1]
real = x[torch.randperm(len(x), generator=rng)[:16]]
print(tuple(x.shape[1:]), "a picture, values from", x.min().item(), "to", x.max().item())

show(show_images(real, columns=16), alt="Sixteen handwritten digits, white on black")

# %% [markdown]
# A *discriminative* model answers a question about a picture: which digit is this? A *generative*
# model makes a picture. That is what fills holes in photographs, sharpens small ones, draws what a
# sentence says, or turns a horse into a zebra. The idea is the same throughout: learn the distribution of the data well enough to draw from it.
#
# How hard can it be? Three guesses, each knowing more than the one before:
#
# 1. every pixel uniform in [-1, 1]: nothing is known;
# 2. every pixel from its own normal distribution: the mean and spread of that pixel are known;
# 3. all 784 pixels of a digit together, from one normal distribution for each of the ten digits:
#    it is known which pixels go together.
#
# The third is a real generator. It maps noise $z$ and a digit $c$ to a picture,
#
# $$G(z, c) = \mu_c + W_c\, z, \qquad z \sim N(0, I),$$
#
# where $\mu_c$ is the mean picture of digit $c$, and the columns of $W_c$ are the directions in
# which its pictures vary most (its principal components, each as long as the pictures spread along
# it). We keep 25 directions, and cut the result to [-1, 1].


# %%
def fit(pictures: Tensor, directions: int = 25) -> tuple[Tensor, Tensor]:
    """Mean (784,) and main directions (784, 25) of pictures (n, 1, 28, 28), by an SVD."""
    flat = pictures.flatten(1)
    mean = flat.mean(0)
    _, spread, axes = torch.linalg.svd(flat - mean, full_matrices=False)
    axes = axes * axes.sum(1, keepdim=True).sign()  # an SVD leaves the sign open
    return mean, axes[:directions].T * spread[:directions] / (len(flat) - 1) ** 0.5


class LinearGenerator:
    """The simplest generator: a normal distribution for each digit."""

    noise_dim = 25

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.parts = [fit(images[labels == digit]) for digit in range(10)]

    def __call__(self, z: Tensor, digit: int) -> Tensor:
        mean, axes = self.parts[digit]
        return (mean + z @ axes.T).clamp(-1, 1).view(-1, 1, 28, 28)


G = LinearGenerator(x, train.labels)
print("numbers learnt:", 10 * sum(part.numel() for part in G.parts[0]))

# %%
n = 16
nothing = 2 * torch.rand(n, 1, 28, 28, generator=rng) - 1
each_pixel = (x.mean(0) + x.std(0) * torch.randn(n, 1, 28, 28, generator=rng)).clamp(-1, 1)
which = [i % 10 for i in range(n)]  # the digits 0 to 9, and again 0 to 5
together = torch.cat([G(torch.randn(1, G.noise_dim, generator=rng), digit) for digit in which])

show(
    show_images(torch.cat([nothing, each_pixel, together, real]), columns=16),
    alt="Four rows of sixteen pictures: static, a cloud of dots in the middle, blurred digits, "
    "and real digits",
)

# %% [markdown]
# *From the top: the three guesses, then real digits. See how much of a digit lies in which pixels
# go together: in the second row the mean and spread of each pixel are about right, and there is no digit in it.*
#
# The third row can be read, and took a moment to learn. It is also blurred, with ghosts of strokes
# that are half there. Look at a 4 or a 7: a pen stroke is either here or there, but adding pictures
# gives a bit of both. **A sum of digits is not a digit.** No choice of $W_c$ mends that; a generator
# that bends does, and that is what a neural network is for.

# %% [markdown]
# ## 2 A generator with sliders
#
# A generator is a map: near points of the noise give similar pictures. Move along the first two
# directions that it found and watch what they mean.


# %%
def draw(digit: int, first: float, second: float) -> None:
    z = torch.zeros(5, G.noise_dim)
    z[:, 0] = first + torch.linspace(-1, 1, 5)  # five neighbours along the first direction
    z[:, 1] = second
    where = f"first {first - 1:g} to {first + 1:g}, second {second:g}"
    show(
        show_images(G(z, digit), columns=5, title=where),
        alt=f"Five pictures of the digit {digit}, each a small step from the one before: {where}",
    )


print("digit 7: the two halves of the first direction, then the same far along the second")
explore(
    draw,
    stills=[{"first": -1.5}, {"first": 1.5}, {"second": 2.0}],
    digit=(0, 9, 1, 7),
    first=(-2.0, 2.0, 0.25, 0.0),
    second=(-2.0, 2.0, 0.25, 0.0),
)

# %% [markdown]
# *Each row shows five neighbours. In a saved notebook you see three rows; while it runs there are
# sliders below them. Along the first direction the 7 leans differently from picture to picture: nobody
# told the model that there is such a thing as slant. Try a 1, then a 4, and look where the strokes
# dissolve.*

# %% [markdown]
# ## 3 New, or copied?
#
# A model that stores its pictures and hands them out would look perfect. So one question is
# asked of every generative model: how close do its samples come to real pictures that it has never
# seen, and how close to those it learnt from? The distance here is the root mean square difference
# of pixels, to the nearest picture of a set.


# %%
def nearest(pictures: Tensor, others: Tensor) -> Tensor:
    """Distance of each picture (n, 1, 28, 28) to the nearest of the others, per pixel: (n,)."""
    return torch.cdist(pictures.flatten(1), others.flatten(1)).min(1).values / 28


unseen = to_float(held_out.images)
seen = x[torch.randperm(len(x), generator=rng)[: len(unseen)]]  # as many of each
m = 200
samples = {
    "1 nothing known": 2 * torch.rand(m, 1, 28, 28, generator=rng) - 1,
    "2 each pixel alone": (x.mean(0) + x.std(0) * torch.randn(m, 1, 28, 28, generator=rng)).clamp(
        -1, 1
    ),
    "3 pixels together": torch.cat(
        [G(torch.randn(m // 10, G.noise_dim, generator=rng), digit) for digit in range(10)]
    ),
    "copies of the seen": seen[torch.randperm(len(seen), generator=rng)[:m]],
}
print(f"{'':20}{'to the seen':>12}{'to the unseen':>15}")
distance = {}
for name, pictures in samples.items():
    distance[name] = [nearest(pictures, others).mean().item() for others in (seen, unseen)]
    print(f"{name:20}{distance[name][0]:12.2f}{distance[name][1]:15.2f}")

# %% [markdown]
# The third generator comes nearer to real digits than the other two, and it is about as far from
# the pictures it learnt from as from those it never saw: it has not copied. Copies betray themselves
# by the 0.00 in the first column.
#
# One thing is odd. Its samples lie *nearer* to unseen digits than real digits do (last row, second
# column), and they are certainly not better. Blurred pictures are near to everything. Distances
# between pixels reward blur, and this is why the course needs better judges: a classifier's opinion,
# the Fréchet distance, and, above all, the second network of the game. A **discriminator** looks at
# a picture and says "real" or "fake"; the generator learns from what gave it away.

# %% [markdown]
# ## 4 Three exercises
#
# Every notebook has exercises like the three below. They work like this:
#
# - You fill in a cell that ends in `raise NotImplementedError`, and run the cell after it: the
#   **check**. It puts fresh random questions to your answer, as often as you like.
# - Some exercises ask for a letter or a number: put it in place of the three dots, a letter in quotes.
# - A right answer is used from there on. For a wrong one you are told what was expected, what came,
#   and, if the mistake is a known one, what it is.
# - **You can't get stuck.** Where an answer is wrong or missing, `check` returns the course's own
#   version, and the notebook goes on with that.
# - Below each task are three **hints**, each saying more than the one before. The version with all
#   solutions is linked at the top of the notebook.
# - The card says how hard the exercise is, how much later notebooks need it, and the points.
#
# This is what a wrong answer to the first exercise is told:

# %%
print(verdict("0.1", lambda images: 2 * images / 255 - 1))

# %% [markdown]
# **Exercise 0.1** · *Bytes to [-1, 1]* · difficulty ●○○○○ · importance ●●●●● · 3 minutes · 1 point
#
# Pictures are stored as bytes: 0 is black, 255 is white. Networks of this course see floats in
# [-1, 1], because the generators of later notebooks end in a tanh, whose values lie between -1 and 1.
#
# | byte | 0 | 127.5 | 255 |
# |---|---|---|---|
# | float | -1 | 0 | 1 |
#
# - `images` is a uint8 tensor of any shape; return floats of the same shape.
# - The map is one straight line, the same for every batch.
#
# <details><summary>Hint 1</summary>
#
# A straight line is `a * byte + b`. Two columns of the table give you both numbers.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# From 0 to 255 the result rises by 2, so $a = 2/255$. And at 0 it is -1.
#
# </details>
#
# <details><summary>Hint 3</summary>
#
# `images / 127.5 - 1`. Dividing a byte tensor gives floats; multiplying it first would overflow.
#
# </details>


# %% tags=["exercise"]
def to_unit(images: Tensor) -> Tensor:
    """Bytes 0..255 to floats in [-1, 1], in a straight line."""
    # BEGIN SOLUTION
    return images / 127.5 - 1
    # END SOLUTION


# %%
to_unit = check("0.1", to_unit)

# %%
print(to_unit(torch.tensor([0, 51, 255], dtype=torch.uint8)))

# %% [markdown]
# **Exercise 0.2** · *Noise with a generator of its own* · difficulty ●○○○○ · importance ●●●●○ · 3 minutes · 1 point
#
# A generator turns noise into pictures, so noise is drawn everywhere in this course. Each part of a
# program that draws numbers gets its own source, a `torch.Generator`, here always called `rng`. Then
# drawing a picture in the middle of a training run does not change the run.
#
# - Return `m` noise vectors from $N(0, 1)$, one a row: shape `(m, noise_dim)`.
# - All randomness comes from `rng`. Set no seed: whoever made `rng` has done that.
#
# <details><summary>Hint 1</summary>
#
# torch has one function for uniform numbers and one for normal ones. Both take a shape.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# The normal one is `torch.randn`. Both accept the keyword `generator`.
#
# </details>
#
# <details><summary>Hint 3</summary>
#
# `torch.randn(m, noise_dim, generator=rng)`
#
# </details>


# %% tags=["exercise"]
def draw_noise(m: int, noise_dim: int, rng: torch.Generator) -> Tensor:
    """Draw m noise vectors from N(0, 1): shape (m, noise_dim), all randomness from rng."""
    # BEGIN SOLUTION
    return torch.randn(m, noise_dim, generator=rng)
    # END SOLUTION


# %%
draw_noise = check("0.2", draw_noise)

# %% [markdown]
# Your noise, in our generator: the same seed twice, then another one. The first two rows are equal.

# %%
rows = [
    torch.cat([G(draw_noise(1, G.noise_dim, own), digit) for digit in range(10)])
    for own in (env.rng(1, on="cpu"), env.rng(1, on="cpu"), env.rng(2, on="cpu"))
]
print("rows 1 and 2 are equal:", torch.equal(rows[0], rows[1]))
print("rows 2 and 3 are equal:", torch.equal(rows[1], rows[2]))
show(
    show_images(torch.cat(rows), columns=10),
    alt="Three rows with the digits 0 to 9 as the generator draws them; rows one and two are equal",
)

# %% [markdown]
# **Exercise 0.3** · *Logits to probabilities* · difficulty ●●○○○ · importance ●●●●○ · 2 minutes · 1 point
#
# A discriminator says how real a picture looks. It answers with a **logit**: any number, positive
# for "real", 0 for "can't tell", negative for "fake". The probability of "real" follows from it,
#
# $$p = \frac{1}{1 + e^{-\text{logit}}},$$
#
# but networks here never compute it themselves: losses that start from logits stay accurate where
# $p$ would round to 0 or 1.
#
# - Return the probability for each logit; the shape stays.
# - It must hold for logits of -100 and 100 too.
#
# <details><summary>Hint 1</summary>
#
# The formula is the logistic function, also called the sigmoid. torch has it.
#
# </details>
#
# <details><summary>Hint 2</summary>
#
# If you write it out, look at which side overflows: $e^{100}$ is infinite in float32, and
# $1/\infty = 0$ is harmless where $\infty/\infty$ is not.
#
# </details>
#
# <details><summary>Hint 3</summary>
#
# `torch.sigmoid(logits)`, or `1 / (1 + torch.exp(-logits))`.
#
# </details>


# %% tags=["exercise"]
def probability(logits: Tensor) -> Tensor:
    """The probability of "real" for each logit; same shape."""
    # BEGIN SOLUTION
    return torch.sigmoid(logits)
    # END SOLUTION


# %%
probability = check("0.3", probability)

# %%
for logit in (-6.0, -1.0, 0.0, 1.0, 6.0):
    print(f"logit {logit:4.0f}   probability of real {probability(torch.tensor(logit)).item():.4f}")

# %% [markdown]
# ## What comes next
#
# We saw that a normal distribution per digit draws digits that can be read, though blurred. We
# measured that they are not copies, and that the distance between pixels does not notice the blur.
# The next three notebooks lead to the cure:
#
# - **01** looks into a classifier and fools it: the gradient with respect to a *picture*.
# - **02** turns that into a game between two networks, with the theory of the 2014 paper, measured.
# - **03** plays the game on these digits with convolutions. Below is what your own network draws,
#   once you have run notebook 03; until then, the generator of this notebook.

# %% tags=["nbval-ignore-output"]
path = env.run_dir("03_dcgan") / "G.safetensors"
if path.exists():
    from gancourse.training import networks

    trained = networks.load(path)
    with torch.no_grad():
        drawn = trained(draw_noise(30, trained.noise_dim, rng))
    print("drawn by your own network, from notebook 03:")
else:
    drawn = torch.cat([G(draw_noise(3, G.noise_dim, rng), digit) for digit in range(10)])
    print("notebook 03 was not run here yet; drawn by the linear generator:")
assert drawn.isfinite().all() and drawn.abs().max() <= 1
show(show_images(drawn, columns=15), alt="Thirty drawn digits, white on black")

# %% [markdown]
# ### Practical things
#
# - **Profiles** decide how long a notebook trains: `cpu` (a laptop, within 5 minutes a notebook),
#   `gpu` (Colab) and `smoke` (a test run that only shows that all cells work). To choose one, set
#   the environment variable `GANCOURSE_PROFILE` before Jupyter starts.
# - **Long training is kept** under `runs/`, from notebook 03 on. If you interrupt such a cell, run it
#   again: it goes on where it stopped. To train afresh, delete that notebook's folder there. Runs of
#   a few seconds start over.
# - **Your own data**: put MNIST's files into `data/`, or run `.venv/bin/gancourse fetch mnist`, and the digits
#   notebooks use all of it. Any folder of pictures loads with `gancourse.datasets.folder.load`.
#
# **A mistake worth making.** In the cell that defines `fit`, set `directions` to 2, then to 200, and
# run it and the two cells after it again (`noise_dim` must follow). With few directions all samples
# of a digit look alike. With many, the ghosts get sharper, but they stay: the model's trouble is not that it
# knows too little.
#
# **Reference.** I. Goodfellow, J. Pouget-Abadie, M. Mirza, B. Xu, D. Warde-Farley, S. Ozair,
# A. Courville, Y. Bengio: *Generative Adversarial Nets*. NeurIPS 2014. The game is its Eq. 1.
