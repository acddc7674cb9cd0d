# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown] tags=["header"]
# # 05 Conditional GAN: draw me a seven
#
# The generator of notebook 03 draws digits, but you can't choose which. In 2014, five months after the first GAN, Mirza and Osindero gave both networks a condition: what the image is to show. Their Figure 2 became the standard figure of the subject: rows of digits, one row per label. You will make that figure, measure how often G draws the digit that was asked for, and find out what D has to learn so that G can't ignore the label.
#
# **You build:** a GAN that draws the digit you ask for, and one that finds words for images.
#
# After this notebook you can
# - **join** a condition to the input of G and to the features of D, and **explain** why D needs a non-linearity after it;
# - **write** the conditional value function, and **train** for it;
# - **measure** whether G follows its label and what D rejects: fakes only, or wrong labels too;
# - **compute** the Parzen-window estimate, and **show** how it misleads;
# - **condition** on something richer than a label: the features of an image.
#
# | section | minutes |
# |---|---|
# | 1 The question: a digit of your choice | 8 |
# | 2 How a condition enters a network (5.1, 5.2) | 20 |
# | 3 A D that compares (5.3, 5.4) | 22 |
# | 4 Wrong labels, and training (5.5) | 18 |
# | 5 Rows of digits | 8 |
# | 6 What did D learn to reject? | 10 |
# | 7 Between labels | 6 |
# | 8 The Parzen window, and why it misleads (5.6, 5.7) | 28 |
# | 9 From images to words (5.8) | 30 |
#
# It builds on notebook 02 (the game) and 03 (DCGAN, the judge, the EMA of G).

# %% tags=["setup"]
# written by gancourse build

# %%
import math
import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gancourse.classifiers import digit_judge, pretrained
from gancourse.datasets import digits, emoji, named
from gancourse.datasets.batches import Batches
from gancourse.errors import CourseError
from gancourse.exercises import check
from gancourse.figures import panels, plot_bars, plot_curves, show, show_images, show_live
from gancourse.metrics.samples import in_batches
from gancourse.papers import cgan
from gancourse.papers.blocks import init_normal, initial_weights
from gancourse.papers.gan import lazy_r1
from gancourse.shapes import to_float
from gancourse.training import networks
from gancourse.training.loop import train
from gancourse.training.player import Player
from gancourse.widgets import explore

# %% [markdown]
# ## 1. The question: a digit of your choice
#
# **How could you get a seven?** You could draw samples from notebook 03's G until a classifier recognizes a 7, and discard about nine images of ten. With a thousand classes, or a sentence in place of a label, you would discard nearly all of them. Mirza and Osindero change the game instead. Let $c$ be the condition, here a label. G draws $G(z|c)$, an image *of* $c$; D answers $D(x|c)$: is $x$ a real image *of* $c$? The value function is that of notebook 02, with every term conditioned on $c$ (Equation 2 of their paper, which writes $y$ for the condition and leaves out the last "$|c$", though its D gets the condition there too):
#
# $$V(D, G) = E_{x}\big[\log D(x|c)\big] + E_{z}\big[\log\big(1 - D(G(z|c)\,|\,c)\big)\big].$$
#
# Think of a pair (image, label) as one example. A real pair comes from the data; a fake pair is a generated image with the label it was generated for. This is the game of notebook 02, played on pairs, so its theory holds without change: the best G's pairs have the distribution of the data's pairs. Then, for each label, the generated images have the distribution of the real images with that label.
#
# The data are the digits of notebook 03, this time with their labels. Neither network is trained on the held-out digits, `unseen`; Sections 6 and 8 need them.

# %%
CLASSES, NOISE = 10, 24
device = env.device()
real, unseen = digits.load(32, "train"), digits.load(32, "test")
first = [int((real.labels == label).nonzero()[0]) for label in range(CLASSES)]
ax = show_images(to_float(real.images[first]), columns=10, title="a real digit of each label")
show(ax, alt="Ten handwritten digits in a row, from 0 to 9, white on black")
print("labels of these images:", real.labels[first].tolist())

# %% [markdown]
# To measure which digit an image shows, we use notebook 03's judge, a classifier that is trained on real digits only. If you have run notebook 03, its judge is loaded; if not, the cell trains one with the same settings. On Colab each notebook has a disk of its own: call `env.keep_on_drive()` after the first cell, here and in notebook 03, and its judge is found.

# %% tags=["training", "nbval-ignore-output"]
judge_file = env.run_dir("03_dcgan") / "judge.safetensors"
if judge_file.exists():
    judge = networks.load(judge_file, device)
else:
    rng = env.rng(0)
    batches = Batches(real.images, real.labels, size=100, rng=rng)
    judge = digit_judge.train_judge(batches, rng, env.budget(smoke=60, cpu=500, gpu=1500))
accuracy = (in_batches(judge, unseen.images).argmax(dim=1) == unseen.labels).float().mean()
env.report(judge_accuracy=accuracy)
env.expect(
    "the judge is right about unseen digits", accuracy >= 0.96,
    f"it is right about {accuracy:.1%} of them; usually about 98 %. If notebook 03 was run with "
    "the smoke profile, run it again.",
)

# %% [markdown]
# Some real digits are so badly written that the judge misclassifies them. So if samples match their labels *more* often than real digits do, that is no success: it means that G leaves out the badly written ones.
#
# ## 2. How a condition enters a network
#
# **In what form does a label enter a network?** Not as the number 7. A layer multiplies its input, so a 7 would count seven times as much as a 1, and a 4 would lie between a 3 and a 5. A label has no size. So each class gets a position of its own in a vector, the **one-hot** vector:
#
# ```
# label 2 of 5 classes   ->   [0, 0, 1, 0, 0]
# ```
#
# **Exercise 5.1** · *A label as a vector* · difficulty ●○○○○ · importance ●●●●○ · 5 minutes · 1 point
#
# Write labels as one-hot vectors.
# - `labels` has shape (B,), integers from 0 to `classes - 1`.
# - The result has shape (B, classes): 1 at the label's position, 0 elsewhere.
# - 32-bit floats, since layers multiply them by their weights.
#
# <details><summary>Hint 1</summary>
#
# torch has a function for it in `torch.nn.functional`.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `F.one_hot(labels, classes)`. Which dtype does it return?
#
# </details>
# <details><summary>Hint 3</summary>
#
# Add `.float()`. Or take rows of the identity matrix: `torch.eye(classes)[labels]`, on the labels' device.
#
# </details>


# %% tags=["exercise"]
def one_hot(labels: Tensor, classes: int) -> Tensor:
    """Labels (B,) as vectors (B, classes) with a single 1 each."""
    # BEGIN SOLUTION
    return F.one_hot(labels, classes).float()
    # END SOLUTION


# %%
one_hot = check("5.1", one_hot)

# %% [markdown]
# What does a linear layer do with such a vector?

# %%
layer = nn.Linear(CLASSES, 4, bias=False)
seven = one_hot(torch.tensor([7]), CLASSES)
column = layer.weight[:, 7]  # weights are (out, in): the column of label 7
print("the layer's output is column 7 of its weights:", torch.equal(layer(seven)[0], column))

# %% [markdown]
# A linear layer applied to a one-hot vector is a **lookup** in a table of learned numbers, here four for each class. This is called an embedding, and `nn.Embedding` is this layer without the multiplications by zero. So "one-hot or embedding?" is not a choice: a linear layer on one-hot vectors *is* an embedding.
#
# G needs no more than this. Notebook 03's generator begins with a transposed convolution that turns the 24 numbers of $z$ into feature maps of 4 x 4. Ours gets $z$ and $c$ concatenated, 34 numbers. So its first layer holds learned 4 x 4 maps for every label, and adds to them the maps made from $z$:

# %%
G = cgan.Generator(NOISE, CLASSES, channels=1, width=24)
first_layer = G.layers[1]
print("weights of G's first layer, (in, out, height, width):", tuple(first_layer.weight.shape))
print("of these, for the label:", tuple(first_layer.weight[NOISE:].shape))

# %% [markdown]
# *Departure from the paper.* Its G sends $z$ (100 uniform numbers) through 200 ReLU units, $c$ through 1,000 of its own, and joins them in a layer of 1,200; no convolutions. The idea is the same: condition and latent vector are joined early. The DCGAN layers are those of notebook 03.
#
# For D it is less simple: its input is an image, and a vector can't be concatenated to an image as it is. There are three common ways: constant planes as extra channels of the image; constant planes as extra feature maps, deeper in the network; or a product of features and embedding (Miyato and Koyama, 2018). We take the second, which text-to-image networks use (notebook 07): repeat $c$ at each position, and concatenate it with the feature maps along the channels.
#
# ```
# h: 4w maps of 4 x 4        c = [0, 0, 1]        joined: 4w + 3 maps
#
#   . . . .                                        . . . .    0 0 0 0    0 0 0 0    1 1 1 1
#   . . . .   x 4w                                 . . . .    0 0 0 0    0 0 0 0    1 1 1 1
#   . . . .                                        . . . .    0 0 0 0    0 0 0 0    1 1 1 1
#   . . . .                                        . . . .    0 0 0 0    0 0 0 0    1 1 1 1
# ```
#
# **Exercise 5.2** · *A condition at every place* · difficulty ●●○○○ · importance ●●●●○ · 10 minutes · 2 points
#
# Join a condition to feature maps.
# - `h`: (B, maps, H, W); `c`: (B, classes).
# - The result: (B, maps + classes, H, W), first the maps, then one constant plane for each number of `c`.
# - Height and width need not be equal.
#
# <details><summary>Hint 1</summary>
#
# `torch.cat([h, planes], dim=1)`. How do you make `planes` of shape (B, classes, H, W) from (B, classes)?
#
# </details>
# <details><summary>Hint 2</summary>
#
# `c[:, :, None, None]` has shape (B, classes, 1, 1). A dimension of length 1 can be expanded.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `.expand(-1, -1, *h.shape[2:])` repeats it H x W times without copying.
#
# </details>


# %% tags=["exercise"]
def join_maps(h: Tensor, c: Tensor) -> Tensor:
    """Feature maps h (B, maps, H, W) followed by c (B, classes) as constant planes."""
    # BEGIN SOLUTION
    planes = c[:, :, None, None].expand(-1, -1, *h.shape[2:])
    return torch.cat([h, planes], dim=1)
    # END SOLUTION


# %%
join_maps = check("5.2", join_maps)

# %%
joined = join_maps(torch.zeros(1, 2, 3, 3), one_hot(torch.tensor([1]), 3))
print("shape", tuple(joined.shape), " mean of each map:", joined.mean(dim=(0, 2, 3)).tolist())

# %% [markdown]
# ## 3. A D that compares
#
# **Is joining enough?** Notebook 03's D ends in one linear layer: a weighted sum of every feature at every position. Suppose we join $c$ just before it. With $h$ and $c$ as vectors, the logit is
#
# $$\ell(x, c) = u \cdot h(x) + v \cdot c + b .$$
#
# **Exercise 5.3** · *What a linear head can't see* · difficulty ●●○○○ · importance ●●●●● · 6 minutes · 1 point
#
# Which of these can such a D **not** learn, however good its features $h(x)$ are?
#
# - `"a"`: that blurred images are fakes
# - `"b"`: that images with the label 8 are fakes more often than others
# - `"c"`: that a well-drawn 7 does not fit the label 3
# - `"d"`: to give the logit 0 for every pair
# - `"e"`: nothing, it can learn all of these
#
# <details><summary>Hint 1</summary>
#
# Write down how much the logit changes when the label changes from 3 to 7 and the image stays.
#
# </details>
# <details><summary>Hint 2</summary>
#
# It changes by $v_7 - v_3$. For which images is that more, for which is it less?
#
# </details>
# <details><summary>Hint 3</summary>
#
# For none. The label changes the logit by the same amount for all images.
#
# </details>

# %% tags=["exercise"]
not_learnable = ...  # a letter in quotes
# BEGIN SOLUTION
not_learnable = "c"
# END SOLUTION

# %%
not_learnable = check("5.3", not_learnable)

# %% [markdown]
# In numbers: we change the label of ten images, one of each digit, from 3 to 7, and look at how much the logits change.

# %%
with initial_weights(env.rng(0, "cpu")):
    look = cgan.Discriminator(CLASSES, 1, 24).look
    linear_head = nn.Sequential(nn.Conv2d(96 + CLASSES, 1, 4), nn.Flatten(0))
x = to_float(real.images[first].cpu())
three, seven = (one_hot(torch.full((len(x),), label), CLASSES) for label in (3, 7))
with torch.no_grad():
    h = look(x)
    changes = linear_head(join_maps(h, seven)) - linear_head(join_maps(h, three))
print("linear head: the same change for all ten images:", bool(changes.std() < 1e-4))

# %% [markdown]
# The logit changes by the same amount for all ten digits. Such a D can judge the image and the label, each by itself, but never whether the two match. G would learn to draw digits and to ignore the label, and there would be no error message.
#
# There are two remedies. One is a product, $h \cdot V c$, of features and label (Miyato and Koyama). The other is a **non-linear** layer after joining. The paper has a maxout layer of 240 units there; ours is a convolution with LeakyReLU.
#
# **Exercise 5.4** · *A head that compares* · difficulty ●●●○○ · importance ●●●●● · 10 minutes · 3 points
#
# Return a list of four layers that turn joined maps into logits.
# - A 1 x 1 convolution from `maps + classes` to `maps` channels: it mixes image and condition at each position.
# - D's activation, LeakyReLU with slope 0.2 (guideline 5 of notebook 03).
# - A 4 x 4 convolution to one channel, which turns 4 x 4 positions into 1 x 1.
# - Logits of shape (B,), also for a batch of one.
#
# <details><summary>Hint 1</summary>
#
# `nn.Conv2d(c_in, c_out, kernel)`; no stride, no padding; keep the biases.
#
# </details>
# <details><summary>Hint 2</summary>
#
# (B, 1, 1, 1) to (B,): `nn.Flatten` has an argument for the first dimension that it flattens.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `nn.Flatten(0)` as the last layer; `nn.Conv2d(maps, 1, 4)` before it.
#
# </details>


# %% tags=["exercise"]
def joint_head(maps: int, classes: int) -> list[nn.Module]:
    """Layers from (B, maps + classes, 4, 4) to logits (B,)."""
    # BEGIN SOLUTION
    return [
        nn.Conv2d(maps + classes, maps, 1),
        nn.LeakyReLU(0.2),
        nn.Conv2d(maps, 1, 4),
        nn.Flatten(0),
    ]
    # END SOLUTION


# %%
joint_head = check("5.4", joint_head)

# %%
with initial_weights(env.rng(0, "cpu")):
    head = nn.Sequential(*joint_head(96, CLASSES))
with torch.no_grad():
    changes = head(join_maps(h, seven)) - head(join_maps(h, three))
print("joint head: the same change for all ten images:", bool(changes.std() < 1e-4))

# %% [markdown]
# Now the effect of a label depends on the image. D has the convolutions of notebook 03, with your head on top:


# %%
class Discriminator(nn.Module):
    """Image (B, 1, 32, 32) and condition (B, classes) to logits (B,)."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.look = cgan.Discriminator(CLASSES, 1, width).look  # to (B, 4 width, 4, 4)
        self.head = nn.Sequential(*joint_head(4 * width, CLASSES))

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        return self.head(join_maps(self.look(x), c))


print("D's logits:", tuple(Discriminator()(x, seven).shape))

# %% [markdown]
# ## 4. Wrong labels, and training
#
# **What makes D use the label at all?** In Equation 2 a real pair always has the right label, and a fake pair has the label that G was given. D learns about labels only where that lowers its loss. As long as fakes can be recognized by their bad strokes, D hardly needs the label. And G learns to follow the label only as far as D checks it.
#
# Reed et al. (2016), the subject of notebook 07, also give D **real images with wrong labels**, which it has to reject like fakes.
#
# | pair | target of D | in Equation 2 |
# |---|---|---|
# | real image, its label | real | yes |
# | generated image, the label it was generated for | fake | yes |
# | real image, another label | fake | no: our departure from the paper |
#
# $$\text{loss of D} = -E\big[\log D(x|c)\big] - E\big[\log(1 - D(G(z|c)|c))\big] - E\big[\log(1 - D(x|c'))\big], \qquad c' \neq c .$$
#
# (Reed et al. give wrong and fake pairs half a weight each; here each has a full one.) G's loss is unchanged. The `loss_D` printed below holds the first two terms only, so log 4 = 1.386 is still the loss of a D that answers 1/2. If D rejects wrong labels perfectly, the third term is 0, and the rest is the game of notebook 02.
#
# **Exercise 5.5** · *Wrong labels* · difficulty ●●○○○ · importance ●●●○○ · 8 minutes · 2 points
#
# For each label draw a different one.
# - Never the right one, and each of the others with the same probability.
# - All randomness from `rng`; the result has the shape of `labels`, integers from 0 to `classes - 1`.
#
# <details><summary>Hint 1</summary>
#
# Think of the labels as positions on a circle. From each position, take at least one step, and not so many that you are back.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Steps from 1 to classes - 1: `torch.randint(1, classes, labels.shape, generator=rng, device=rng.device)`.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `(labels + steps) % classes` wraps around.
#
# </details>


# %% tags=["exercise"]
def mislabel(labels: Tensor, classes: int, rng: torch.Generator) -> Tensor:
    """For each label (B,) a different one, all others equally likely."""
    # BEGIN SOLUTION
    steps = torch.randint(1, classes, labels.shape, generator=rng, device=rng.device)
    return (labels + steps.to(labels.device)) % classes
    # END SOLUTION


# %%
mislabel = check("5.5", mislabel)

# %% [markdown]
# `conditional_step` is notebook 02's step with conditions: it takes a batch of images and conditions, gives G and D the same conditions, and calls `mislead` for wrong ones; without `mislead` it is Equation 2. Everything else is notebook 03's recipe: Adam with learning-rate decay, the R1 penalty at every eighth step, and an EMA of G's weights. As there, a `Player` holds a network with its optimizer, its schedule and its EMA. `game` makes the step of any conditional GAN (Section 9 needs another one), `digit_game` the two players for digits.


# %%
def game(
    G: Player, D: Player, batches: Iterator, rng: torch.Generator, mislead: Callable | None,
    gamma: float = 0.1, autocast: Callable = env.autocast,
) -> tuple[Callable, dict]:
    """One run: its step, and what a checkpoint must keep. gamma is R1's weight."""
    sample_z, r1 = env.noise(NOISE, rng), lazy_r1(gamma)

    def step() -> dict[str, Tensor]:
        losses = cgan.conditional_step(
            G.net, D.net, G.opt, D.opt, batches, sample_z, mislead,
            penalty=r1 if D.done % 8 == 0 else None, autocast=autocast,
        )
        G.advance()
        D.advance()
        return losses

    return step, {"G": G, "D": D, "rng": rng}


def digit_game(steps: int, seed: int, wrong_labels: bool, width: int = 24) -> tuple:
    """`game` for digits and their labels."""
    start, rng = env.rng(seed, "cpu"), env.rng(seed)
    G = init_normal(cgan.Generator(NOISE, CLASSES, 1, width), start)
    D = init_normal(Discriminator(width), start)
    G, D = Player(G, lr=2e-3, steps=steps, ema=0.999), Player(D, lr=2e-3, steps=steps)
    batches = Batches(real.images, one_hot(real.labels, CLASSES), size=32, rng=rng)

    def mislead(c: Tensor) -> Tensor:
        return one_hot(mislabel(c.argmax(dim=1), CLASSES, rng), CLASSES)

    return game(G, D, batches, rng, mislead if wrong_labels else None)


Z = env.noise(NOISE, env.rng(1))(2000)  # the same latent vectors for all figures and metrics
ASKED = torch.arange(2000, device=device) % CLASSES  # 200 of each label


@torch.no_grad()
def draw(G: nn.Module, z: Tensor, c: Tensor) -> Tensor:
    """Samples for latent vectors (B, noise) and conditions (B, classes), in eval mode."""
    return torch.cat([G.eval()(*part) for part in zip(z.split(500), c.split(500))])


def rows(G: nn.Module, columns: int = 16) -> Tensor:
    """Samples for a grid: one row per label, one latent vector per column."""
    c = one_hot(torch.arange(CLASSES, device=device).repeat_interleave(columns), CLASSES)
    return draw(G, Z[:columns].repeat(CLASSES, 1), c)


def label_accuracy(G: nn.Module) -> Tensor:
    """Share of samples in which the judge sees the label asked for, by label: (classes,)."""
    predicted = in_batches(judge, draw(G, Z, one_hot(ASKED, CLASSES))).argmax(dim=1)
    return (predicted == ASKED).view(-1, CLASSES).float().mean(dim=0)  # ASKED repeats 0 to 9

# %% [markdown]
# The baseline is a G that has not been trained.

# %% tags=["nbval-ignore-output"]
_, untrained = digit_game(1, seed=0, wrong_labels=True)
accuracy = label_accuracy(untrained["G"].average).mean()
print(f"untrained G: label accuracy {accuracy:.2f}; chance is {1 / CLASSES}")
env.expect("an untrained G is near chance", accuracy < 0.2, f"it is {accuracy:.2f}; usually 0.1.")

# %% tags=["training", "nbval-ignore-output"]
STEPS = env.budget(smoke=24, cpu=3500, gpu=15000)
step, keep = digit_game(STEPS, 0, wrong_labels=True, width=env.budget(smoke=24, cpu=24, gpu=64))
G, D, handle = keep["G"].average, keep["D"].net, None
for record in train(
    step, STEPS, keep, env.run_dir("05_conditional_gan") / "digits",
    record_every=max(1, STEPS // 20), title="conditional DCGAN",
):
    if not record.resumed or record.step == STEPS:
        ax = show_images(rows(G), columns=16, title=f"step {record.step:,}: one row per label")
        handle = show_live(ax, "Rows of generated digits, from 0 at the top to 9", handle)
losses = ", ".join(f"{name} {value:.2f}" for name, value in record.losses.items())
print(f"{record.step:,} steps in {record.seconds:.0f} s; {losses}")
assert record.step == STEPS

# %% [markdown]
# ## 5. Rows of digits
#
# *The figure above: each row has one label, each column one latent vector (the paper's columns are just different samples).* Look down a column before you read on. What stays the same from digit to digit? Usually the slant and the thickness of the stroke. The label decides the digit, so $z$ is left with the style; nothing in the loss requires this division.
#
# **Does G follow its label?** The judge classifies 200 samples of each label.

# %% tags=["nbval-ignore-output"]
accuracies = label_accuracy(G)
for label, share in enumerate(accuracies.tolist()):
    print(f"label {label}: the judge sees it in {share:.3f} of the samples")
mean = accuracies.mean()
env.report(label_accuracy=mean)
env.expect("G follows its label", mean >= 0.95, f"the mean is {mean:.3f}; usually above 0.95.")

# %% [markdown]
# Compare the mean with the judge's accuracy on real digits, in Section 1. It can well be higher: if G draws only clear, typical digits, its samples match their labels more often than real digits do. So following the label is not the same as drawing everything that people write. Now look at the failures, the twelve samples to whose label the judge gives the lowest probability:

# %% tags=["nbval-ignore-output"]
samples = draw(G, Z, one_hot(ASKED, CLASSES))
p = in_batches(judge, samples).softmax(dim=1)
worst = p[torch.arange(len(p), device=device), ASKED].argsort()[:12]
ax = panels(1, width=9, height=1.5)[1][0]
title = "label asked for (upper number), judge's label (lower)"
show_images(samples[worst], columns=12, title=title, ax=ax)
ax.set_xticks([17 + 33 * k for k in range(12)], [f"{ASKED[i]}\n{p[i].argmax()}" for i in worst])
show(ax, alt="Twelve malformed digits, each with the label asked for and the judge's label")
assert p.isfinite().all()

# %% [markdown]
# Choose a digit yourself. `first` moves along the latent vectors.

# %%
def view(label: int = 7, first: int = 0) -> None:
    """Show twelve samples of one label."""
    c = one_hot(torch.full((12,), label, device=device), CLASSES)
    title = f"label {label}, latent vectors {first} to {first + 11}"
    ax = show_images(draw(G, Z[first : first + 12], c), columns=12, title=title)
    show(ax, alt=f"Twelve generated images of the digit {label}")


explore(view, stills=[{"label": 7}, {"label": 4}], label=[*range(10)], first=(0, 1988, 1, 0))

# %% [markdown]
# Nothing here is special to digits. Name a set with labels below, `"fashion_mnist"`, `"cifar10"` or `"clothing"`, and the cell trains the package's networks on it; the first time it is downloaded and verified (`gancourse fetch` lists sizes and licences).

# %% tags=["training", "nbval-ignore-output"]
DATA_SET = os.environ.get("GANCOURSE_SET", "")  # for example "fashion_mnist"
other = None
try:
    if DATA_SET:
        other = named.load(DATA_SET, 32, limit=env.budget(smoke=500, cpu=20_000, gpu=None))
except CourseError as problem:
    print(problem)
if other and other.labels is None:
    print(f"{DATA_SET} has no labels.")
elif other:
    print(other.source)
    count, channels = len(other.classes), other.images.shape[1]
    start, rng = env.rng(20, "cpu"), env.rng(20)
    G_net = init_normal(cgan.Generator(NOISE, count, channels, 24), start)
    D_net = init_normal(cgan.Discriminator(count, channels, 24), start)
    players = Player(G_net, lr=2e-3, steps=STEPS, ema=0.999), Player(D_net, lr=2e-3, steps=STEPS)
    batches = Batches(other.images, one_hot(other.labels, count), size=32, rng=rng)

    def mislead(c: Tensor) -> Tensor:
        return one_hot(mislabel(c.argmax(dim=1), count, rng), count)

    step, keep = game(*players, batches, rng, mislead)
    list(train(step, STEPS, keep, env.run_dir(f"05_{DATA_SET}"), title=DATA_SET))
    c = one_hot(torch.arange(min(count, 10), device=device).repeat_interleave(12), count)
    images = draw(players[0].average, Z[:12].repeat(len(c) // 12, 1), c)
    show(show_images(images, columns=12), alt="Each row: samples of one class, in the order below")
    print("from the top:", ", ".join(other.classes[:10]))
    assert images.isfinite().all()
else:
    print("Name a data set in DATA_SET, and run this cell again.")

# %% [markdown]
# ## 6. What did D learn to reject?
#
# **Did D learn that labels matter, or only to tell fakes from real images?** We give it real digits that neither network has seen, each with all ten labels in turn. For comparison we train one D with Equation 2 alone and one with wrong labels, in two short runs of equal length.

# %% tags=["training", "nbval-ignore-output"]
SHORT = env.budget(smoke=8, cpu=1000, gpu=3000)
discriminators, followed = {}, {}
for name, wrong_labels in {"Equation 2 alone": False, "with wrong labels": True}.items():
    step, keep = digit_game(SHORT, seed=1, wrong_labels=wrong_labels)
    list(train(step, SHORT, keep, record_every=SHORT, title=name))
    discriminators[name] = keep["D"].net
    followed[name] = label_accuracy(keep["G"].average).mean()
    print(f"{name:18} after {SHORT} steps: label accuracy of G {followed[name]:.3f}")
env.expect(
    "G follows its label sooner if D is trained with wrong labels",
    followed["with wrong labels"] > followed["Equation 2 alone"] + 0.1,
    "the second accuracy is not higher by 0.1; after so few steps it usually is, by far.",
)

# %% tags=["nbval-ignore-output"]
@torch.no_grad()
def probability(D: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """D's probability that each image with its label is a real pair."""
    return D.eval()(to_float(images), one_hot(labels, CLASSES)).sigmoid()


discriminators["long run, with wrong labels"] = D
some = torch.randperm(len(real), generator=env.rng(2, "cpu"))[:1000].to(device)
wrong_labels = mislabel(unseen.labels, CLASSES, env.rng(3))
fig, axes = panels(3, width=3.6, height=3.4)
shares = {}
for ax, (name, net) in zip(axes, discriminators.items()):
    each = [probability(net, unseen.images, torch.full_like(unseen.labels, c)) for c in range(10)]
    p = torch.stack(each, dim=1)  # (digits, labels)
    table = torch.stack([p[unseen.labels == digit].mean(dim=0) for digit in range(CLASSES)]).cpu()
    colours = ax.imshow(table, cmap="cividis", vmin=0, vmax=1)
    ax.set(title=name, xlabel="label given to D", ylabel="digit in the image")
    ax.set(xticks=range(CLASSES), yticks=range(CLASSES))
    right, wrong = p.gather(1, unseen.labels[:, None]), p.gather(1, wrong_labels[:, None])
    in_training = probability(net, real.images[some], real.labels[some])
    masks = in_training > 0.5, right > 0.5, wrong < 0.5, right > wrong
    shares[name] = [mask.float().mean().item() for mask in masks]
fig.colorbar(colours, ax=list(axes), label="D's mean probability")
show(
    fig,
    alt="Three tables of D's mean probability for each digit in the image and each label given "
    "to D; the diagonal is brighter than the rest.",
)
columns = ("right accepted, in training", "right accepted", "wrong rejected", "right above wrong")
print(f"{'':28}" + "  ".join(columns))
for name, values in shares.items():
    print(f"{name:28}" + "  ".join(f"{v:{len(c)}.2f}" for c, v in zip(columns, values)))
in_training, accepted, rejected, above = shares["long run, with wrong labels"]
_, _, rejected_paper, above_paper = shares["Equation 2 alone"]
env.report(
    wrong_label_rejected=rejected, right_label_accepted=accepted,
    right_label_accepted_in_training=in_training, right_above_wrong=above,
    wrong_label_rejected_paper=rejected_paper, right_above_wrong_paper=above_paper,
)
env.expect("D rejects wrong labels", rejected >= 0.9, f"it rejects {rejected:.0%}; usually 99 %.")
env.expect(
    "each D prefers the right label to a wrong one", min(above, above_paper) >= 0.9,
    f"the shares are {above_paper:.2f} and {above:.2f}; usually both are above 0.95.",
)

# %% [markdown]
# *D's mean probability that a real, unseen digit (row) with a label (column) is a real pair.*
#
# **The diagonal and the rest.** The two discriminators that were trained with wrong labels (middle and right) should give values near 0 everywhere except on the diagonal. The D of Equation 2 alone (left) was never shown a real image with a wrong label: it can learn to reject such pairs only from G's fakes, as long as some of these don't match their labels.
#
# **"right above wrong".** Of two labels for the same image, the right one usually gets the higher probability, also from the D of Equation 2. So this D, too, has learned that labels matter. What differs is how far apart the values are, and what G learns from them: compare the two label accuracies above. Equation 2 is not wrong, but in these short runs G usually learns the label more slowly with it; we have not measured how many steps it would need.
#
# **"right accepted".** These are real digits with the right labels, and yet D often rejects many of them. There are two reasons. Against a perfect G the best D answers 1/2 for every matching pair; the better G is, the more of D's answers fall a little below 1/2, and count as rejected. And D can overfit: if it accepts more of its training digits than of unseen ones, it has begun to memorize them. No single number shows all this: a D that rejects *everything* also has a perfect "wrong rejected".
#
# ## 7. Between labels
#
# **What is halfway between two labels?** G was trained on one-hot vectors only. But it accepts every vector, also one between two labels, $c = (1-t)\,c_a + t\,c_b$.

# %%
PAIRS = [(1, 7), (3, 8), (4, 9), (0, 6), (2, 5)]


def between(a: int, b: int, z: Tensor, t: Tensor) -> Tensor:
    """Samples for every t: the condition moves from a to b, the latent vector stays."""
    c_a, c_b = one_hot(torch.tensor([a, b], device=device), CLASSES)
    return draw(G, z.expand(len(t), -1), (1 - t)[:, None] * c_a + t[:, None] * c_b)


t = torch.linspace(0, 1, 14, device=device)
walks = torch.cat([between(a, b, Z[5:6], t) for a, b in PAIRS])
title = "from label to label: " + ", ".join(f"{a} to {b}" for a, b in PAIRS)
ax = show_images(walks, columns=14, title=title)
show(ax, alt="Five rows of digits; in each the first digit turns into another step by step")
print("walks:", tuple(walks.shape))

# %% tags=["nbval-ignore-output"]
t = torch.linspace(0, 1, 21, device=device)
fig, axes = panels(3, width=3.2, sharey=True)
either = []
for ax, (a, b) in zip(axes, PAIRS[:3], strict=True):
    p = torch.stack([in_batches(judge, between(a, b, z[None], t)).softmax(dim=1) for z in Z[:40]])
    mean = p.mean(dim=0)  # over latent vectors: (t, classes)
    either.append(mean[:, a] + mean[:, b])
    ax.plot(t.tolist(), p[:5, :, b].T.tolist(), color="grey", linewidth=0.6)
    curves = {f"{a} or {b}": either[-1].tolist(), f"{b} alone": mean[:, b].tolist()}
    plot_curves(t.tolist(), curves, xlabel=f"t, from {a} to {b}", ylabel="probability", ax=ax)
show(
    fig,
    alt="The judge's probability over t: for the second label a curve that rises from 0 to 1 "
    "around the middle; for either of the two labels a curve that stays high. Five grey lines, "
    "single latent vectors, jump from 0 to 1 at different t",
)
share = torch.stack(either).mean()
print(f"mean probability of one of the two digits, over the three walks: {share:.2f}")
env.expect("a walk shows its two digits", share >= 0.8, f"it is {share:.2f}; usually above 0.9.")

# %% [markdown]
# *The judge's mean probability along three walks, over 40 latent vectors; grey: five single latent vectors.* The images change gradually, while the judge's answer for a single latent vector usually jumps, at a t that differs from vector to vector. G was trained at the ends of each walk only; between them it interpolates, as any smooth function does. This is no evidence that it has learned what a 1 and a 7 have in common.
#
# ## 8. The Parzen window, and why it misleads
#
# **How did the paper measure its samples?** In 2014 there was no Fréchet distance for GANs; the usual metric was an estimate of the likelihood. G gives samples, but no density. So put a small Gaussian around each of $m$ samples $s_j$, and take the mean of these Gaussians as the density (Breuleux et al., 2011):
#
# $$\hat p(x) = \frac1m \sum_{j=1}^m N(x;\, s_j,\, \sigma^2 I), \qquad \log N(x; s, \sigma^2 I) = -\frac{\lVert x - s\rVert^2}{2\sigma^2} - \frac d2 \log(2\pi\sigma^2).$$
#
# If test digits have a high $\log \hat p$, the samples must lie near them. The width $\sigma$ is chosen on digits that are not used for the result.
#
# **Exercise 5.6** · *The Parzen window* · difficulty ●●●○○ · importance ●●●○○ · 15 minutes · 3 points
#
# Return $\log\hat p(x)$ for each row of `x`.
# - `x`: (n, d); `samples`: (m, d); the result: (n,), in nats.
# - Finite for every distance: with $d = 784$ each single Gaussian underflows.
#
# <details><summary>Hint 1</summary>
#
# `torch.cdist(x, samples)` gives all distances, (n, m).
#
# </details>
# <details><summary>Hint 2</summary>
#
# $\log\frac1m\sum_j e^{a_j}$ is `torch.logsumexp(a, dim=1) - math.log(m)`. The Gaussian's constant is the same for all j: it can be added at the end.
#
# </details>
# <details><summary>Hint 3</summary>
#
# a is `-torch.cdist(x, samples) ** 2 / (2 * sigma**2)`; subtract `d / 2 * math.log(2 * math.pi * sigma**2)` with `d = x.shape[1]`.
#
# </details>


# %% tags=["exercise"]
def parzen_log_density(x: Tensor, samples: Tensor, sigma: float) -> Tensor:
    """Log-density in nats at each x (n, d) of Gaussians around m samples (m, d): (n,)."""
    # BEGIN SOLUTION
    a = -torch.cdist(x, samples).square() / (2 * sigma**2)
    log_mean = torch.logsumexp(a, dim=1) - math.log(len(samples))
    return log_mean - x.shape[1] / 2 * math.log(2 * math.pi * sigma**2)
    # END SOLUTION


# %%
parzen_log_density = check("5.6", parzen_log_density)

# %% [markdown]
# We measure five "generators", with 2,000 images each, in the paper's units: 28 x 28 pixels between 0 and 1.
#
# - **fresh real digits**, from one half of the training set: no generator can be better;
# - **our G**, the trained one;
# - **copies**: a generator that has memorized the other half of the training set and draws nothing else;
# - **averages**: the same copies, each averaged with its three nearest neighbours among them. Look at them below: they are blurred, and some show two digits at once;
# - **noise**: uniform pixels.

# %%
def flat(images: Tensor) -> Tensor:
    """Images in [-1, 1], (B, 1, 32, 32), as rows of 784 pixels in [0, 1], without the border."""
    return images[:, :, 2:30, 2:30].flatten(start_dim=1).add(1).div(2)


M = env.budget(smoke=300, cpu=2000, gpu=2000)
shuffled = torch.randperm(len(real), generator=env.rng(4, "cpu")).to(device)
fresh, copies = (flat(to_float(real.images[part])) for part in (shuffled[:M], shuffled[-M:]))
near = torch.cdist(copies, copies).topk(4, largest=False).indices  # itself and three neighbours
averages = copies[near].mean(dim=1)
ours = flat(draw(G, Z[:M], one_hot(ASKED[:M], CLASSES)))
contenders = {"fresh real digits": fresh, "our G": ours, "copies": copies, "averages": averages}
contenders["noise"] = torch.rand(M, 784, generator=env.rng(5), device=device)
examples = torch.cat([fresh[:12], copies[:12], averages[:12]]).view(-1, 1, 28, 28) * 2 - 1
ax = show_images(examples, columns=12, title="fresh real digits; copies; averages")
show(ax, alt="Rows of digits: fresh real ones; copies; and the copies blurred by averaging")
print("contenders:", ", ".join(contenders))

# %% [markdown]
# **Exercise 5.7** · *Who wins the Parzen window?* · difficulty ●●○○○ · importance ●●●●○ · 5 minutes · 1 point
#
# Decide **before** you run the measurement. Which of them gets the highest log-likelihood of unseen digits?
#
# - `"a"`: the fresh real digits
# - `"b"`: our G
# - `"c"`: the copies
# - `"d"`: the averages
# - `"e"`: fresh digits, copies and averages, equal within their standard error
#
# <details><summary>Hint 1</summary>
#
# A test digit is compared pixel by pixel. How near is the nearest of 2,000 sharp digits if its stroke lies one pixel away?
#
# </details>
# <details><summary>Hint 2</summary>
#
# No sample is very near to a test digit, so $\sigma$ must be large. Which has the smaller squared distance to a stroke that lies one pixel away: a sharp stroke or a blurred one?
#
# </details>
# <details><summary>Hint 3</summary>
#
# Of all images, the mean of similar digits has the smallest expected squared distance to another digit of that kind.
#
# </details>

# %% tags=["exercise"]
winner = ...  # a letter in quotes
# BEGIN SOLUTION
winner = "d"
# END SOLUTION

# %%
winner = check("5.7", winner)

# %% tags=["nbval-ignore-output"]
held_out = flat(to_float(unseen.images))
validation, test = held_out[1::2], held_out[::2]  # both hold every digit equally often
SIGMAS = torch.logspace(-1, 0, 10).tolist()  # the candidates of Goodfellow et al. (2014)
means = {}
for name, samples in contenders.items():
    fits = {s: parzen_log_density(validation, samples, s).mean().item() for s in SIGMAS}
    sigma = max(fits, key=fits.get)
    nats = parzen_log_density(test, samples, sigma)
    means[name], error = nats.mean().item(), nats.std() / len(test) ** 0.5
    print(f"{name:18} {means[name]:8.1f} +- {error:.1f} nats   (sigma {sigma:.2f})")
label = "Parzen log-likelihood of unseen digits (nats, more is better)"
ax = plot_bars({name: [mean] for name, mean in means.items()}, xlabel=label)
show(ax, alt="Bars of the log-likelihoods printed above: averages are highest, noise is below 0")
env.report(
    parzen_real=means["fresh real digits"], parzen_model=means["our G"],
    parzen_memorised=means["copies"], parzen_averaged=means["averages"],
)
assert means["noise"] < means["fresh real digits"] < means["averages"]

# %% [markdown]
# *Mean Parzen log-likelihood of 500 unseen digits, sigma chosen on 500 others.*
#
# The blurred averages win, by far more than the standard error. This shows three faults of the estimate:
#
# 1. **It does not detect memorization.** Copies get as many nats as fresh digits, though a generator of copies has learned nothing. And the new digits of our G usually get no more than copies.
# 2. **It ranks bad samples highest.** Averages win, because blur keeps squared pixel distances small.
# 3. **It is far from a likelihood.** An image drawn from this density is a sample with Gaussian noise of standard deviation $\sigma$, about 0.2, on every pixel; no handwritten digit looks like that. And 2,000 windows can't fill 784 dimensions.
#
# Theis et al. (2016) made this case on the full MNIST, and report that centres of k-means beat the true data. The paper's own table gives 132 ± 1.8 nats for the conditional GAN and 225 ± 2 for the first, unconditional GAN, and calls it a proof of concept. Ours can't be compared with either: they had far more digits to train on, and their window has 10,000 samples.
#
# ## 9. From images to words
#
# **Can the condition be something richer than a label?** The second half of the paper (Section 4.2) reverses the roles: the condition is an *image*, and what is generated are *words*. An image has several good tags, so there is not one right answer but a distribution of answers, and a GAN can draw from a distribution. They took 25,000 photographs from Flickr with the tags of their owners. We take emoji, whose tags are the words of their names and categories.
#
# *Images: Twemoji, © Twitter, Inc. and other contributors, [CC BY 4.0](https://creativecommons.org/licenses/by/4.0/).*
#
# We leave out flags, and emoji that combine several others: many of these are near-copies of one another ("woman surfing", "man surfing"), so a network could look up the answer. One emoji in five is held out as unseen.

# %%
emojis = emoji.load(64, "twemoji")
usable = [
    i for i, code in enumerate(emojis.codes)
    if "-200d-" not in code and emojis.groups[i] != "Flags"  # 200d joins several emoji into one
][:: env.budget(smoke=4, cpu=1, gpu=1)]
picked = [usable[i] for i in torch.randperm(len(usable), generator=env.rng(6, "cpu")).tolist()]
cut = len(picked) // 5  # the first fifth is for testing
images = to_float(emojis.images[picked])

STOP_WORDS = {"with", "of", "and", "on", "in", "the", "to", "other", "for", "no", "not"}
counts = Counter(word for i in picked[cut:] for word in emojis.tags[i])
vocabulary = sorted(w for w, count in counts.items() if count >= 3 and w not in STOP_WORDS)
has_tag = [[float(word in emojis.tags[i]) for word in vocabulary] for i in picked]
tags = torch.tensor(has_tag, device=device)  # (images, words)

ax = show_images(images[:24], columns=12, title="emoji that are held out")
show(ax, alt="Two rows of small colourful drawings: faces, animals, food, vehicles and signs")
for name in ("grinning face", "red apple", "tractor"):
    print(f"{name}: {', '.join(emojis.tags[emojis.names.index(name)])}")

# %% [markdown]
# **Words as vectors.** G's output is a vector, so each word needs a vector, and similar words should have similar ones. The paper reports 200 numbers for each word, from a skip-gram model that was trained on the tags, titles and descriptions of a far larger set of Flickr photographs. We learn ours from the tags of the training images, in three steps: count how often two words tag the same image, compare it with chance, and compress. Chance is $p(a)\,p(b)$; the *positive pointwise mutual information* is $\max\big(0, \log\frac{p(a, b)}{p(a)\,p(b)}\big)$. Levy and Goldberg (2014) showed that skip-gram with negative sampling implicitly factorises the matrix of pointwise mutual information, shifted by a constant.

# %%
LENGTH = 32  # of a word vector; the paper has 200

together = (tags[cut:].T @ tags[cut:]).fill_diagonal_(0)  # pairs of different words
p_ab = together / together.sum()
p_a = p_ab.sum(dim=1, keepdim=True)
ppmi = (p_ab / (p_a * p_a.T)).log().clamp(min=0).nan_to_num(0)  # log 0 becomes 0: never together
U, S, _ = torch.linalg.svd(ppmi)
word_vectors = F.normalize(U[:, :LENGTH] * S[:LENGTH].sqrt(), dim=1)
print("every length is 1:", bool((word_vectors.norm(dim=1) - 1).abs().max() < 1e-3))

# %% [markdown]
# **Exercise 5.8** · *The nearest words* · difficulty ●●○○○ · importance ●●●●○ · 8 minutes · 2 points
#
# Find the words nearest to a vector.
# - `vectors`: (B, d); `table`: (words, d), one row per word, of any length.
# - Similarity is the cosine of the angle: only the direction counts.
# - The result: (B, k), indices of rows of the table, the most similar first.
#
# <details><summary>Hint 1</summary>
#
# The cosine is the dot product of two vectors of length 1.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `F.normalize(table, dim=1)` gives every row length 1. All dot products at once are one matrix product.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `.topk(k, dim=1).indices` of that product; topk sorts, the largest first.
#
# </details>


# %% tags=["exercise"]
def most_similar(vectors: Tensor, table: Tensor, k: int) -> Tensor:
    """The k rows of the table nearest in direction to each vector: (B, k)."""
    # BEGIN SOLUTION
    cosine = F.normalize(vectors, dim=1) @ F.normalize(table, dim=1).T
    return cosine.topk(k, dim=1).indices
    # END SOLUTION


# %%
most_similar = check("5.8", most_similar)

# %% tags=["nbval-ignore-output"]
for word in ("dog", "fruit", "heart", "train"):
    if word in vocabulary:
        near = most_similar(word_vectors[vocabulary.index(word)][None], word_vectors, 6)[0]
        print(f"{word:6} is near to {', '.join(vocabulary[i] for i in near[1:])}")
assert 0 in most_similar(word_vectors[:1], word_vectors, 5)  # a word is near to itself

# %% [markdown]
# Some of these are words that often occur together, not words of similar meaning. With so few images, some words tag only three of them.
#
# **Images as vectors.** A network trained on a million photographs has features for edges, fur and wheels. We take what EfficientNet-Lite0 (notebook 01) computes just before its class logits, 1,280 numbers per image; the paper took 4,096 from an earlier ImageNet network. EfficientNet was not trained on emoji. We keep the 100 directions in which the training images vary most (PCA).

# %% tags=["nbval-ignore-output"]
lite = pretrained.classifier().to(device)
SIDE = env.budget(smoke=64, cpu=128, gpu=224)


@torch.no_grad()
def features(images: Tensor) -> Tensor:
    """The classifier's last features, averaged over the image: (B, 1280)."""
    large = F.interpolate(images, size=(SIDE, SIDE), mode="bicubic").clamp(-1, 1)
    return lite.net.forward_features(large * lite.scale + lite.shift).mean(dim=(2, 3))


raw = torch.cat([features(part) for part in images.split(64)])
mean = raw[cut:].mean(dim=0)
directions = torch.linalg.svd(raw[cut:] - mean, full_matrices=False).Vh  # PCA
image_vectors = (raw - mean) @ directions[:100].T
image_vectors = image_vectors / image_vectors[cut:].std(dim=0).mean()
print(f"{len(images)} images, {cut} of them unseen; {len(vocabulary)} words")
assert image_vectors.isfinite().all()

# %% [markdown]
# Now the baselines. The metric is *precision at 10*: what share of ten guessed words are tags of the unseen image? Most images have fewer than ten tags in the vocabulary, so not even the true tags reach 1. The numbers are printed below, with those of the GAN.

# %%
def precision_at_10(guesses: Tensor, truth: Tensor) -> Tensor:
    """Share of guessed words (B, 10) that are tags, for each image: (B,)."""
    return truth.gather(1, guesses).mean(dim=1)


truth = tags[:cut]
commonest = tags[cut:].sum(dim=0).topk(10).indices.expand(cut, -1)
cosine = F.normalize(image_vectors[:cut], dim=1) @ F.normalize(image_vectors[cut:], dim=1).T
weights, neighbours = cosine.topk(10, dim=1)
votes = (tags[cut:][neighbours] * weights[:, :, None]).sum(dim=1) + tags[cut:].mean(dim=0) / 1000
precision = {
    "random words": torch.full((cut,), truth.mean().item()),
    "the ten commonest words": precision_at_10(commonest, truth).cpu(),
    "tags of 10 nearest images": precision_at_10(votes.topk(10).indices, truth).cpu(),
}
ceiling = (truth.sum(dim=1).clamp(max=10) / 10).mean()

# %% [markdown]
# Now the GAN. A real pair is the vector of *one* tag, drawn at random from an image's tags, with the features of that image. G gets features and a latent vector, and makes a word vector. Both networks follow the paper: a layer for each input, then the two together (`cgan.Joined`). They are smaller and have LeakyReLU in place of ReLU and maxout, and G has one joint layer more (the paper's goes from 500 + 2,000 units straight to the 200 numbers). As in Section 4, D also gets mismatched pairs: a tag with the features of another image of the batch. Unlike there, some of these pairs are true, since the other image may have the same tag; the cell prints how many. So D rejects common words a little too often.

# %% tags=["training", "nbval-ignore-output"]
TAG_STEPS = env.budget(smoke=40, cpu=3000, gpu=6000)
start, rng = env.rng(8, "cpu"), env.rng(7)
n = image_vectors.shape[1]  # numbers per image
G_tags = Player(cgan.Joined(NOISE, n, 256, out=LENGTH, rng=start), lr=5e-4, steps=TAG_STEPS)
D_tags = Player(cgan.Joined(LENGTH, n, 256, out=0, rng=start), lr=5e-4, steps=TAG_STEPS)
image, word = tags[cut:].nonzero().T  # every (image, tag) pair of the training part
SCALE = LENGTH**0.5  # so that each number of a word vector is about 1 in size
batches = Batches(word_vectors[word] * SCALE, image_vectors[cut:][image], size=128, rng=rng)
step, keep = game(
    G_tags, D_tags, batches, rng, mislead=lambda c: c.roll(1, 0), gamma=1.0, autocast=nullcontext
)
print(f"{tags[cut:].mean(dim=0)[word].mean():.0%} of the mismatched pairs are true pairs")
*_, record = train(step, TAG_STEPS, keep, record_every=TAG_STEPS // 10, title="tags")
print(f"{record.step:,} steps in {record.seconds:.0f} s")
assert record.step == TAG_STEPS

# %% [markdown]
# To get tags from G, we do as the paper does: draw 100 vectors for each image, look up the words nearest to each vector, and take the ten most frequent ones. (The paper looks up 20 words for each vector; our vocabulary is far smaller, so we look up 5.)

# %% tags=["nbval-ignore-output"]
def tags_for(condition: Tensor, draws: int = 100, nearest: int = 5) -> Tensor:
    """The ten most frequent words near the vectors that are drawn for each image: (B, 10)."""
    z = env.noise(NOISE, env.rng(9))(draws * len(condition))
    vectors = draw(G_tags.net, z, condition.repeat_interleave(draws, dim=0))
    words = most_similar(vectors, word_vectors, nearest).reshape(len(condition), -1)
    votes = torch.stack([each.bincount(minlength=len(vocabulary)) for each in words])
    return votes.float().topk(10).indices


guessed = tags_for(image_vectors[:cut])
precision["conditional GAN"] = precision_at_10(guessed, truth).cpu()
for name, each in precision.items():
    print(f"{name:28} precision at 10: {each.mean():.3f} +- {each.std() / cut**0.5:.3f}")
print(f"{'the true tags themselves':28} precision at 10: {ceiling:.3f}")
by_chance, common, by_neighbours, by_gan = (each.mean() for each in precision.values())
env.report(
    tag_precision_at_10=by_gan, tag_precision_random=by_chance, tag_precision_commonest=common,
    tag_precision_neighbours=by_neighbours, tag_precision_ceiling=ceiling,
)
env.expect(
    "the GAN's words: better than the ten commonest, worse than the neighbours' tags",
    common < by_gan < by_neighbours,
    f"its precision is {by_gan:.3f}, theirs are {common:.3f} and {by_neighbours:.3f}; usually it "
    "lies between these two.",
)

# %% tags=["nbval-ignore-output"]
fig, axes = panels(4, rows=2, width=3.2, height=1.9)
for i, ax in enumerate(axes):
    show_images(images[i : i + 1], columns=1, ax=ax)
    ax.set_title(emojis.names[picked[i]], fontsize=8)
    words = [vocabulary[k].upper() if truth[i, k] else vocabulary[k] for k in guessed[i].tolist()]
    ax.text(1.05, 0.98, "\n".join(words), transform=ax.transAxes, va="top", fontsize=7)
show(fig, alt="Eight unseen emoji, each with ten generated words; true tags are in capitals")
assert guessed.shape == (cut, 10)

# %% [markdown]
# *Unseen emoji with ten generated tags. CAPITALS: the word is among the image's tags.*
#
# Compare the GAN with the baselines. It is usually far better than chance, and better than always naming the ten commonest words. But copying the tags of the ten nearest images is simpler, and usually better still: with a thousand images there is little to learn that the neighbours do not show already. The GAN gives one thing more, a smooth distribution of vectors from which you can draw for any image. But a tag of a random neighbour is a draw from a distribution too, and we have not shown that G's is better. Look at the wrong words as well, in lower case. Features learned from photographs describe a letter on a blue square poorly, and even for simple objects few words may be right, or none.
#
# ## What we measured, and what the paper reports
#
# | | here | Mirza and Osindero (2014) |
# |---|---|---|
# | networks | conditional DCGAN, 32 x 32; one-hot into G's first layer, planes at 4 x 4 in D | fully connected; G: 200 + 1,000 units, joint 1,200; D: maxout 240 and 50, joint maxout 240 |
# | D's pairs | real, fake, and real with wrong labels | real and fake |
# | training | Adam, learning-rate decay, R1 penalty, EMA of G | SGD, batch 100, learning rate 0.1 decaying, momentum 0.5 to 0.7, dropout |
# | does G follow its label? | Section 5, by an independent classifier | rows are shown, no number |
# | Parzen window | Section 8, 2,000 samples, few data | 132 ± 1.8 nats, 10,000 samples, all of MNIST |
# | tags | emoji; precision at 10 against three baselines | Flickr photographs; examples, no number |
#
# Why they differ: the aims are the same, but where the paper shows a figure, we wanted a measurement. The two departures that matter most are the mismatched pairs and the convolutions.
#
# **A mistake worth making.** In `game`, pass `lambda z, c: G.net(z, c.roll(1, 0))` to `conditional_step` in place of `G.net`: each image is generated for the label of another image in the batch. (Try it with few steps, under another folder name.) There is no error message. What does G learn now? What will the rows look like? Near which value does D's loss end? Why is it not enough that D gets labels?
#
# <details><summary>An answer</summary>
#
# D never gets the label that G was given, so for G the label is only more noise: each row shows all kinds of digits. D can always reject pairs that don't match. Even if every image is a perfect digit, nine fake pairs of ten don't match, and the best D's loss is $\log 1.1 + 0.1 \log 11 = 0.335$ nats instead of log 4 = 1.386.
#
# </details>
#
# ## References
#
# - M. Mirza, S. Osindero, *Conditional generative adversarial nets*, 2014, arXiv 1411.1784. Equation 2; Section 4.1 and Figure 2 (digits), Table 1 (Parzen), Section 4.2 and Table 2 (tags).
# - S. Reed and others, *Generative adversarial text to image synthesis*, 2016, arXiv 1605.05396. GAN-CLS: pairs that don't match.
# - T. Miyato, M. Koyama, *cGANs with projection discriminator*, 2018, arXiv 1802.05637.
# - O. Breuleux, Y. Bengio, P. Vincent, *Quickly generating representative samples from an RBM-derived process*, 2011. The Parzen estimate.
# - L. Theis, A. van den Oord, M. Bethge, *A note on the evaluation of generative models*, 2016, arXiv 1511.01844.
# - O. Levy, Y. Goldberg, *Neural word embedding as implicit matrix factorization*, 2014.
#
# **Next:** notebook 06 gives G a coarse image as the condition, and builds large images from small ones.
