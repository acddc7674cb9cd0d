# %% [markdown] tags=["header"]
# # 00 Start here
#
# A generative model creates new examples that could have come from the data: here, images of digits
# that nobody wrote. In fifteen minutes you build the simplest such model, see its limits, and learn
# how the exercises of this course work. Notebook 03 replaces it with a neural network that is trained
# by a game between two networks: a generative adversarial network (Goodfellow et al., 2014).
#
# After this notebook you can
# - **say** what a generative model is for, and what a generator's input and output are,
# - **distinguish** a copy from a new example by a measurement,
# - **use** the conventions of the course: images in [-1, 1], a separate random number generator for
#   each source of noise, logits instead of probabilities,
# - **work** with the checks, the hints and the profiles.
#
# **You build:** a linear generator of digits, with sliders, using the course's checks and hints.
#
# | | Section | Minutes |
# |---|---|---|
# | 1 | Draw something new | 4 |
# | 2 | A generator with sliders | 2 |
# | 3 | New, or copied? | 2 |
# | 4 | Two exercises | 7 |
#
# It needs a little PyTorch (tensors, functions, indexing) and linear algebra (SVD, PCA).

# %% tags=["setup"]
# written by gancourse build

# %% [markdown]
# The lines above show the device, its number format, the *profile* (the training budget of the notebooks on this machine)
# and the data that was found. No internet is needed. If something is missing, run
# `.venv/bin/gancourse doctor` in a terminal in the course's folder (with conda or on Colab:
# `gancourse doctor`). It prints what is missing and how to fix it.

# %%
import torch
from torch import Tensor

from gancourse.datasets import digits
from gancourse.exercises import check, verdict
from gancourse.figures import panels, show, show_images
from gancourse.shapes import to_float
from gancourse.widgets import explore

# %% [markdown]
# ## 1. Draw something new
#
# Here are real, labelled handwritten digits from MNIST. The model is trained on `train`; `held_out` is
# only for testing.

# %%
train = digits.load(28, "train", device="cpu")
held_out = digits.load(28, "test", device="cpu")
rng = env.rng(0, on="cpu")

x = to_float(train.images)  # (n, 1, 28, 28), bytes 0..255 to floats in [-1, 1]
real = x[torch.randperm(len(x), generator=rng)[:16]]
print(tuple(x.shape[1:]), "per image, values from", x.min().item(), "to", x.max().item())

fig, (ax,) = panels(1, width=8.8, height=0.7)
show_images(real, columns=16, ax=ax)
show(fig, alt="Sixteen real digits; repeated ones differ in slant and stroke")

# %% [markdown]
# *Figure 0.1. Real digits.*
#
# A *discriminative* model answers a question about an image: which digit is this? A *generative* model
# creates an image. It learns an approximation of the distribution of the data, and samples from it.
#
# **What is that good for?** An agent can try out plans in a *simulation* that was learned from data,
# before it acts. Missing data, such as a hole in a photograph or a label, can be filled in with likely
# values. Often one question has many right answers, and a sample is one of them: a sentence can be
# *spoken* in many ways, a small image can come from many large ones (*super-resolution*, notebook 08),
# a sentence describes many images (notebook 07), and a horse can become many zebras (notebook 09).
# Since 2014 GANs have been used for faces (Karras et al., 2019), speech (Kong et al., 2020) and rain
# forecasts (Ravuri et al., 2021), among others.
#
# Three models, each using more of the data than the one before:
#
# 1. every pixel uniform in [-1, 1]: does not use the data;
# 2. every pixel from its own normal distribution: uses the mean and standard deviation of each pixel;
# 3. all 784 pixels together, from one normal distribution for each of the ten digits: also uses the
#    correlations between pixels.
#
# We write the third as a **generator**: a function that maps a **latent vector** $z$ (noise) and a
# digit $c$ to an image,
#
# $$G(z, c) = \mu_c + W_c\, z, \qquad z \sim N(0, I),$$
#
# where $\mu_c$ is the mean image of digit $c$, and the columns of $W_c$ are the first 25 principal
# components (PCA) of its images, each multiplied by the standard deviation of the images along it.
# The result is clipped to [-1, 1].


# %%
def fit(images: Tensor, components: int = 25) -> tuple[Tensor, Tensor]:
    """Mean (784,) and principal components (784, 25) of images (n, 1, 28, 28), by an SVD."""
    flat = images.flatten(1)
    mean = flat.mean(0)
    _, scales, axes = torch.linalg.svd(flat - mean, full_matrices=False)
    axes = axes * axes.sum(1, keepdim=True).sign()  # an SVD does not fix the signs
    return mean, axes[:components].T * scales[:components] / (len(flat) - 1) ** 0.5


class LinearGenerator:
    """A normal distribution for each digit, as a generator."""

    noise_dim = 25

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.parts = [fit(images[labels == digit]) for digit in range(10)]

    def __call__(self, z: Tensor, digit: int) -> Tensor:
        mean, axes = self.parts[digit]
        return (mean + z @ axes.T).clamp(-1, 1).view(-1, 1, 28, 28)


G = LinearGenerator(x, train.labels)
print("numbers learned:", 10 * sum(part.numel() for part in G.parts[0]))

# %%
n = 16
uniform = 2 * torch.rand(n, 1, 28, 28, generator=rng) - 1
pixelwise = (x.mean(0) + x.std(0) * torch.randn(n, 1, 28, 28, generator=rng)).clamp(-1, 1)
labels = [i % 10 for i in range(n)]  # the digits 0 to 9, then 0 to 5
joint = torch.cat([G(torch.randn(1, G.noise_dim, generator=rng), digit) for digit in labels])

fig, (ax,) = panels(1, width=8.8, height=2.4)
show_images(torch.cat([uniform, pixelwise, joint, real]), columns=16, ax=ax)
show(
    fig, alt="Only the third model draws digits, and they are more blurred than the real ones in "
    "the last row; the first draws noise, the second a cloud of dots",
)

# %% [markdown]
# *Figure 0.2. From the top: the three models, then real digits. The second model has the mean and standard
# deviation of each pixel (before clipping), yet no digit is visible: the correlations between pixels
# are missing.*
#
# The third row is readable. It is also blurred, with faint extra strokes. Look at a 4 or a 7:
# in a real digit a pen stroke is in one place or in another. The model adds images, so it draws a
# little of both. **The sum of two digits is usually not a digit.** No choice of $W_c$ changes that,
# since $G$, apart from clipping, is an affine function of $z$. We need a nonlinear generator: a neural
# network.

# %% [markdown]
# ## 2. A generator with sliders
#
# This generator is a continuous map: similar latent vectors give similar images. Move along the first two
# principal components and see what they change.


# %%
def draw(digit: int, first: float, second: float) -> None:
    z = torch.zeros(5, G.noise_dim)
    z[:, 0] = first + torch.linspace(-1, 1, 5)  # five neighbours along the first component
    z[:, 1] = second
    where = f"first {first - 1:g} to {first + 1:g}, second {second:g}"
    show(
        show_images(G(z, digit), columns=5, title=where),
        alt=f"Each digit {digit} differs a little from its neighbour; compare the ends: {where}",
    )


print("digit 7: first component negative, then positive; then a large second component")
explore(
    draw,
    stills=[{"first": -1.5}, {"first": 1.5}, {"second": 2.0}],
    digit=(0, 9, 1, 7),
    first=(-2.0, 2.0, 0.25, 0.0),
    second=(-2.0, 2.0, 0.25, 0.0),
)

# %% [markdown]
# *Figure 0.3. Each row shows five neighbours. A saved notebook shows three rows; in a running one there
# are sliders below them. Along the first component the slant of the 7 changes, although no label
# describes slant. Try a 1, then a 4, and see where the strokes fade.*

# %% [markdown]
# ## 3. New, or copied?
#
# Samples of a model that returns its training images would look perfect. So for every
# generative model we ask: how close are its samples to real images that it has never seen, and how
# close to its training images? The distance here is the root mean square difference of pixels to the
# nearest image of a set.


# %%
def nearest(images: Tensor, others: Tensor) -> Tensor:
    """Distance of each image (n, 1, 28, 28) to the nearest of the others, per pixel: (n,)."""
    return torch.cdist(images.flatten(1), others.flatten(1)).min(1).values / 28


unseen = to_float(held_out.images)
seen = x[torch.randperm(len(x), generator=rng)[: len(unseen)]]  # as many as unseen ones
m = 200
pixelwise = x.mean(0) + x.std(0) * torch.randn(m, 1, 28, 28, generator=rng)
joint = [G(torch.randn(m // 10, G.noise_dim, generator=rng), digit) for digit in range(10)]
samples = {
    "1 uniform": 2 * torch.rand(m, 1, 28, 28, generator=rng) - 1,
    "2 pixel by pixel": pixelwise.clamp(-1, 1),
    "3 joint (PCA)": torch.cat(joint),
    "training images": seen[torch.randperm(len(seen), generator=rng)[:m]],
}
print(f"{'':20}{'to training':>12}{'to held-out':>15}")
for name, images in samples.items():
    to_seen, to_unseen = (nearest(images, others).mean().item() for others in (seen, unseen))
    print(f"{name:20}{to_seen:12.2f}{to_unseen:15.2f}")

# %% [markdown]
# In this table the third model's samples are closer to real digits than those of the other two, and
# about as far from training images as from held-out ones, so there is no sign of copying. (Copies of
# images in this subset would show as 0.00 in the first column.)
#
# But its samples are also *closer* to held-out digits than real digits are (last row, second column),
# and Figure 0.2 shows that they are not better. A blurred image is fairly close to many images. Pixel
# distances favour blur, so the course uses better metrics: the predictions of a classifier, the Fréchet
# distance between two distributions (notebook 03), and, in training, a second network. This **discriminator** classifies an image as real or
# fake, and the generator is trained with the gradient of its output. This output is a **logit**: any number, positive
# for "real", 0 for "undecided", negative for "fake"; the probability of "real" is
# `torch.sigmoid(logit)`. Losses computed from logits remain accurate where a probability would round to
# 0 or 1.

# %% [markdown]
# ## 4. Two exercises
#
# Every notebook has exercises like the two below. They work like this:
#
# - You fill in a cell that ends in `raise NotImplementedError`, and run the cell after it: the
#   **check**. It tests your answer on fresh random inputs. Run it as often as you like.
# - **Answers run on every device.** The notebooks also run on a GPU, so the check tries that too, even
#   where there is none: create new tensors on the device of your inputs, as in
#   `torch.zeros(3, device=x.device)`.
# - Some exercises ask for a letter or a number: replace the three dots with it; put a letter in quotes.
# - A correct answer is used from there on. For a wrong one the check shows what was expected, what you
#   returned, and, if it recognizes the mistake, a hint.
# - **You can't get stuck.** If an answer is wrong or missing, `check` returns the reference solution,
#   and the notebook continues with that.
# - Below each task are three **hints**, each more detailed than the one before. The version with all
#   solutions is linked at the top of the notebook.
# - The line below each title shows the difficulty of the exercise, its importance for later notebooks,
#   and the points.
#
# This is the message for a wrong answer to the first exercise:

# %%
print(verdict("0.1", lambda images: images / 255))

# %% [markdown]
# **Exercise 0.1** · *Bytes to [-1, 1]* · difficulty ●○○○○ · importance ●●●●● · 3 minutes · 1 point
#
# Images are stored as bytes: 0 is black, 255 is white. The networks of this course use floats in
# [-1, 1], because the generators of later notebooks end in a tanh, whose values lie between -1 and 1.
#
# | byte | 0 | 127.5 | 255 |
# |---|---|---|---|
# | float | -1 | 0 | 1 |
#
# - `images` is a uint8 tensor of any shape; return floats of the same shape.
# - The map is affine (linear plus a constant), and the same for every batch.
#
# <details><summary>Hint 1</summary>
#
# The map is `a * byte + b`. Two columns of the table give you both numbers.
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
    """Bytes 0..255 to floats in [-1, 1], by an affine map."""
    # BEGIN SOLUTION
    return images / 127.5 - 1
    # END SOLUTION


# %%
to_unit = check("0.1", to_unit)

# %%
print(to_unit(torch.tensor([0, 51, 255], dtype=torch.uint8)))

# %% [markdown]
# **Exercise 0.2** · *Noise from its own random number generator* · difficulty ●○○○○ · importance ●●●●○ · 3 minutes · 1 point
#
# A generator turns latent vectors (noise) into images, so random numbers are drawn throughout this
# course. Each part of a program that draws them gets its own `torch.Generator` (a random number
# generator, not a generative model), always called `rng`.
# Then drawing an image in the middle of a training run does not change the run.
#
# - Return `m` latent vectors from $N(0, 1)$, one per row: shape `(m, noise_dim)`.
# - All randomness comes from `rng`. Don't set a seed: `rng` has one already.
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
    """Draw m latent vectors from N(0, 1): shape (m, noise_dim), all randomness from rng."""
    # BEGIN SOLUTION
    return torch.randn(m, noise_dim, generator=rng)
    # END SOLUTION


# %%
draw_noise = check("0.2", draw_noise)

# %% [markdown]
# We pass your latent vectors to the linear generator, twice with the same seed and once with another.

# %%
rows = [
    torch.cat([G(draw_noise(1, G.noise_dim, source), digit) for digit in range(10)])
    for source in (env.rng(1, on="cpu"), env.rng(1, on="cpu"), env.rng(2, on="cpu"))
]
print("rows 1 and 2 are equal:", torch.equal(rows[0], rows[1]))
print("rows 2 and 3 are equal:", torch.equal(rows[1], rows[2]))
show(
    show_images(torch.cat(rows), columns=10),
    alt="The digits of rows one and two, drawn with the same seed, are equal; row three differs",
)

# %% [markdown]
# *Figure 0.4. Rows 1 and 2: the same seed. Row 3: another one.*
#
# ## What comes next
#
# A normal distribution per digit draws readable but blurred digits. They are not copies, and the
# pixel distance does not detect blur. The next three notebooks lead to a better generator:
#
# - Notebook 01 uses the gradient with respect to an *image* to fool a classifier.
# - Notebook 02 turns that into a game between two networks, and measures what the 2014 paper proves.
# - Notebook 03 trains convolutional networks in this game on these digits. Below are samples of your own
#   network, once you have run notebook 03; until then, of the generator of this notebook.

# %% tags=["nbval-ignore-output"]
path = env.run_dir("03_dcgan") / "G.safetensors"
if path.exists():
    from gancourse.training import networks

    trained = networks.load(path)
    with torch.no_grad():
        drawn = trained(draw_noise(30, trained.noise_dim, rng))
    print("samples of your own network, from notebook 03:")
else:
    drawn = torch.cat([G(draw_noise(3, G.noise_dim, rng), digit) for digit in range(10)])
    print("notebook 03 was not run here yet; samples of the linear generator:")
assert drawn.isfinite().all() and drawn.abs().max() <= 1
fig, (ax,) = panels(1, width=8.8, height=1.3)
show_images(drawn, columns=15, ax=ax)
show(fig, alt="Thirty generated digits; those of the linear generator have faint extra strokes")

# %% [markdown]
# *Figure 0.5. Samples of the model named in the line above.*
#
# ### Practical information
#
# - **Profiles** set how long a notebook trains: `cpu` (a laptop, within 5 minutes per notebook), `gpu`
#   (Colab) and `smoke` (a test that only shows that all cells run). To choose one, set the environment
#   variable `GANCOURSE_PROFILE` before Jupyter starts.
# - **Your numbers will differ.** Training amplifies rounding errors, so another processor or version of
#   PyTorch gives different results. A cell prints a `NOTE` if a run has an unusual result.
# - **Long training is saved** under `runs/`, from notebook 03 on. If you interrupt such a cell, run it
#   again: it resumes where it stopped. To train again from the start, delete that notebook's folder
#   there. Runs of a few seconds always start from the beginning. On Colab files are lost when it
#   disconnects; `env.keep_on_drive()` after the first cell keeps them on your Google Drive.
# - **Your own data**: put MNIST's files into `data/`, or run `.venv/bin/gancourse fetch mnist`, and the
#   notebooks on digits use the full data set. `gancourse.datasets.folder.load` loads any folder of images.
#
# **An experiment.** In the cell that defines `fit`, set `components` to 2, then to 200, and run
# it and the two cells after it again (`noise_dim` must be the same number). Do the samples of one digit
# differ from each other? (With 2 hardly; with 200 the faint strokes are still there.) Put 25 back in both places, and
# run these cells again.
#
# **References**
# - Goodfellow, Pouget-Abadie, Mirza, Xu, Warde-Farley, Ozair, Courville, Bengio (2014), *Generative
#   adversarial nets*, arXiv 1406.2661. The game is its Equation 1.
# - Karras, Laine, Aila (2019), *A style-based generator architecture for generative adversarial
#   networks*, arXiv 1812.04948.
# - Kong, Kim, Bae (2020), *HiFi-GAN: Generative adversarial networks for efficient and high fidelity
#   speech synthesis*, arXiv 2010.05646.
# - Ravuri and others (2021), *Skilful precipitation nowcasting using deep generative models of radar*,
#   arXiv 2104.00954.
