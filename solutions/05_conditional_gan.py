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
# The generator of notebook 03 draws digits, but nobody can tell it which. In 2014, five months after the first GAN, Mirza and Osindero told both players what the picture is to show. Their Figure 2 became the standard picture of the subject: rows of digits, one row a label. You will make that picture, measure how often G does as it is told, and find out what D has to learn so that G can't ignore the label.
#
# **You build:** a GAN that draws the digit you ask for, and one that finds words for pictures.
#
# After this notebook you can
# - **join** a condition to the input of G and to the features of D, and **explain** where it has to bend;
# - **write** the conditional value function, and **train** for it;
# - **measure** whether G obeys and what D rejects: fakes only, or wrong labels too;
# - **compute** the Parzen-window estimate, and **show** how it misleads;
# - **condition** on something richer than a label: the features of a picture.
#
# | section | minutes |
# |---|---|
# | 1 The question: a digit of your choice | 8 |
# | 2 How to tell a network something (5.1, 5.2) | 20 |
# | 3 A D that compares (5.3, 5.4) | 22 |
# | 4 Wrong labels, and training (5.5) | 18 |
# | 5 Rows of digits | 8 |
# | 6 What did D learn to reject? | 10 |
# | 7 Between labels | 6 |
# | 8 The Parzen window, and why it misleads (5.6, 5.7) | 28 |
# | 9 From pictures to words (5.8) | 30 |
#
# It builds on notebook 02 (the game) and 03 (DCGAN, the judge, the averaged G).

# %% tags=["setup"]
# written by gancourse build

# %%
import copy
import math
from collections import Counter

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gancourse.classifiers import pretrained
from gancourse.classifiers.digit_judge import SmallClassifier
from gancourse.datasets import digits, emoji
from gancourse.datasets.batches import Batches
from gancourse.exercises import check
from gancourse.figures import panels, plot_bars, plot_curves, show, show_images, show_live
from gancourse.metrics.samples import in_batches
from gancourse.papers import cgan
from gancourse.papers.blocks import init_normal
from gancourse.papers.cgan import conditional_step
from gancourse.papers.gan import descend, ema_update, r1_penalty
from gancourse.shapes import to_float
from gancourse.training import networks
from gancourse.training.loop import train
from gancourse.training.player import linear_decay
from gancourse.widgets import explore

# %% [markdown]
# ## 1. The question: a digit of your choice
#
# **First question: what would it take to order a seven?** One could draw from notebook 03's G until a classifier says "seven", and throw away nine pictures of ten. But G would never know what it is doing, and with a thousand classes or a sentence instead of a label nothing would ever fit. Mirza and Osindero change the game instead. Let $c$ be the condition, here a label. G draws $G(z|c)$, a picture *of* $c$; D answers $D(x|c)$: is $x$ a real picture *of* $c$? The value function is that of notebook 02, with everything said under a condition (Equation 2 of their paper, which writes $y$ for the condition and leaves out the last "$|c$", though its D gets the condition there too):
#
# $$V(D, G) = E_{x}\big[\log D(x|c)\big] + E_{z}\big[\log\big(1 - D(G(z|c)\,|\,c)\big)\big].$$
#
# Think of a pair (picture, label) as one thing. A real pair comes from the data; a fake pair is a drawn picture with the label it was drawn for. It is the old game, played on pairs, so notebook 02's theory holds word by word: with the best G, pairs are distributed as the data's pairs are, and then each label gets the right pictures.
#
# The data are the digits of notebook 03, this time with their labels. The last hundred of each class are kept from both players, for Sections 6 and 8.

# %%
CLASSES, NOISE = 10, 24
device = env.device()
real, unseen = digits.load(32, "train"), digits.load(32, "test")
first = [int((real.labels == label).nonzero()[0]) for label in range(CLASSES)]
show(
    show_images(to_float(real.images[first]), columns=10, title="a real digit of each label"),
    alt="Ten handwritten digits in a row, from 0 to 9, white on black",
)
print("labels of these pictures:", real.labels[first].tolist())

# %% [markdown]
# We also need somebody who says what a picture shows: notebook 03's judge, a classifier that is trained on real digits only and never sees a sample. If you have run notebook 03, its judge is loaded; if not, the cell trains one in a few seconds.

# %% tags=["training", "nbval-ignore-output"]
JUDGE_STEPS = env.budget(smoke=60, cpu=500, gpu=1500)
kept = env.run_dir("03_dcgan") / "judge.safetensors"


def train_judge() -> nn.Module:
    """Notebook 03's judge: cross-entropy on digits shifted by up to 2 pixels."""
    judge, rng = SmallClassifier().to(device), env.rng(0)
    opt = torch.optim.AdamW(judge.parameters(), 2e-3, fused=True)
    slow = linear_decay(opt, JUDGE_STEPS, hold=0.3)
    batches = Batches(real.images, real.labels, size=100, rng=rng)

    def step() -> dict[str, Tensor]:
        x, y = next(batches)
        shift = torch.randint(-2, 3, (2,), generator=rng, device=rng.device).tolist()
        with env.autocast():
            logits = judge(x.roll(shift, (2, 3)))
        loss = F.cross_entropy(logits.float(), y)
        descend(opt, loss)
        slow.step()
        return {"cross_entropy": loss.detach()}

    for record in train(step, JUDGE_STEPS, {"judge": judge}, title="judge"):
        pass
    return judge


judge = networks.load(kept, device) if kept.exists() and env.profile() != "smoke" else train_judge()
right = in_batches(judge, unseen.images).argmax(1) == unseen.labels
env.report(judge_accuracy=right.float().mean())
assert right.float().mean() > (0.97 if env.profile() != "smoke" else 0.5)

# %% [markdown]
# Real digits are the yardstick: some are so badly written that the judge misses them. Should a generator agree with it *more* often than real digits do, that is no triumph: it leaves out the hard ones.
#
# ## 2. How to tell a network something
#
# **Next question: in what form does a label enter a network?** Not as the number 7. A layer multiplies its input, and would have to believe that 7 is seven times as much as 1, and that 4 lies between 3 and 5. A label has no size. It gets a place of its own:
#
# ```
# label 2 of 5 classes   ->   [0, 0, 1, 0, 0]
# ```
#
# **Exercise 5.1** · *A label as a vector* · difficulty ●○○○○ · importance ●●●●○ · 5 minutes · 1 point
#
# Write labels as one-hot vectors.
# - `labels` has shape (B,), whole numbers from 0 to `classes - 1`.
# - The result has shape (B, classes): 1 at the label's place, 0 elsewhere.
# - 32-bit floats, since layers multiply them with their own.
#
# <details><summary>Hint 1</summary>
#
# torch has a function for it in `torch.nn.functional`.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `F.one_hot(labels, classes)`. Of which type are its numbers?
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
# Now put it through a linear layer, and look at what comes out:

# %%
layer = nn.Linear(CLASSES, 4, bias=False)
seven = one_hot(torch.tensor([7]), CLASSES)
looked_up = layer.weight[:, 7]  # (out, in): the column of label 7
print("the layer's answer is column 7 of its weights:", torch.equal(layer(seven)[0], looked_up))

# %% [markdown]
# A linear layer after a one-hot vector does not calculate, it **looks up**: each class has four numbers of its own, and they are learned. That is what is called an embedding, and `nn.Embedding` is this layer without the multiplications by zero. So there is no choice to make between "one-hot" and "embedding": one-hot vectors into a layer *are* an embedding.
#
# For G this is all we need. Notebook 03's generator begins with a transposed convolution that turns a vector of 24 numbers into 4 x 4 maps. Ours gets $z$ and $c$ joined, 34 numbers, and its first layer therefore holds a learned 4 x 4 picture of features for every label, to which the noise adds the rest:

# %%
G = cgan.Generator(NOISE, CLASSES, channels=1, width=24)
first_layer = G.layers[1]
print("weights of G's first layer, (in, out, height, width):", tuple(first_layer.weight.shape))
print("of these, for the label:", tuple(first_layer.weight[NOISE:].shape))

# %% [markdown]
# *Departure from the paper.* Its G sends $z$ (100 uniform numbers) through 200 ReLU units, $c$ through 1,000 of its own, and joins them in a layer of 1,200; no convolutions. The idea is the same, condition and noise meet early; the DCGAN trunk is what notebook 03 taught us.
#
# D is a different matter. Its input is a picture, and a vector can't be joined to a picture as it is. There are three common ways: planes of constant value beside the picture's channels; the same, but later, beside its feature maps; or a product of features and embedding (Miyato and Koyama, 2018). We take the second, which text-to-image networks use (notebook 07): repeat $c$ at each place, and join along the channels.
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
    """Feature maps h (B, maps, H, W) with c (B, classes) as constant planes behind them."""
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
# **Next question: is joining enough?** Notebook 03's D ends in one layer: a weight for every feature at every place, added up. Suppose we join $c$ just before it. With $h$ and $c$ laid out as vectors, the logit is
#
# $$\ell(x, c) = u \cdot h(x) + v \cdot c + b .$$
#
# **Exercise 5.3** · *What a linear head can't see* · difficulty ●●○○○ · importance ●●●●● · 6 minutes · 1 point
#
# Which of these can such a D **not** learn, however good its features $h(x)$ are?
#
# - `"a"`: that blurred pictures are fakes
# - `"b"`: that pictures with the label 8 are fakes more often than others
# - `"c"`: that a well-drawn 7 does not fit the label 3
# - `"d"`: to be undecided about everything
# - `"e"`: nothing, it can learn all of these
#
# <details><summary>Hint 1</summary>
#
# Write down how much the logit moves when the label changes from 3 to 7 and the picture stays.
#
# </details>
# <details><summary>Hint 2</summary>
#
# It moves by $v_7 - v_3$. For which pictures is that more, for which is it less?
#
# </details>
# <details><summary>Hint 3</summary>
#
# For none. Whatever D thinks of a label, it thinks for all pictures alike.
#
# </details>

# %% tags=["exercise"]
blind = ...  # a letter in quotes
# BEGIN SOLUTION
blind = "c"
# END SOLUTION

# %%
blind = check("5.3", blind)

# %% [markdown]
# In numbers: the label of ten pictures, one of each digit, is changed from 3 to 7, and we look at how much the logits move.

# %%
with torch.random.fork_rng():
    torch.manual_seed(0)
    look = cgan.Discriminator(CLASSES, 1, 24).look
    linear_head = nn.Sequential(nn.Conv2d(96 + CLASSES, 1, 4), nn.Flatten(0))
x = to_float(real.images[::400].cpu())
three, seven = (one_hot(torch.full((len(x),), label), CLASSES) for label in (3, 7))
with torch.no_grad():
    h = look(x)
    moves = linear_head(join_maps(h, seven)) - linear_head(join_maps(h, three))
print(f"{len(x)} pictures; the moves of the logit differ by less than 0.0001:", bool(moves.std() < 1e-4))

# %% [markdown]
# All ten digits, the same move. Such a D can see whether a picture is good and whether a label is rare, but never whether the two belong together. G would learn to draw digits and to ignore the label. The flaw makes no noise: nothing crashes.
#
# There are two ways out. A product, $h \cdot V c$, lets the features meet the label (Miyato and Koyama). The paper, and we, put one layer that **bends** between joining and judging; theirs is a joint maxout layer of 240 units.
#
# **Exercise 5.4** · *A head that compares* · difficulty ●●●○○ · importance ●●●●● · 10 minutes · 3 points
#
# Return a list of four layers that turn joined maps into logits.
# - A 1 x 1 convolution from `maps + classes` to `maps` channels: it mixes picture and condition at each place.
# - D's activation, LeakyReLU with slope 0.2 (guideline 5 of notebook 03).
# - A 4 x 4 convolution to one channel, which turns 4 x 4 places into 1 x 1.
# - Logits of shape (B,), also for a batch of one.
#
# <details><summary>Hint 1</summary>
#
# `nn.Conv2d(c_in, c_out, kernel)`; no stride, no padding; keep the biases.
#
# </details>
# <details><summary>Hint 2</summary>
#
# (B, 1, 1, 1) to (B,): `nn.Flatten` has an argument that says from which dimension on to flatten.
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
with torch.random.fork_rng():
    torch.manual_seed(0)
    head = nn.Sequential(*joint_head(96, CLASSES))
with torch.no_grad():
    moves = head(join_maps(h, seven)) - head(join_maps(h, three))
print("with the new head the moves differ by less than 0.0001:", bool(moves.std() < 1e-4))

# %% [markdown]
# Now the picture has a say in what a label means. D is the trunk of notebook 03 with your head on top:


# %%
class Discriminator(nn.Module):
    """Picture (B, 1, 32, 32) and condition (B, classes) to logits (B,)."""

    def __init__(self, classes: int = CLASSES, channels: int = 1, width: int = 24) -> None:
        super().__init__()
        self.look = cgan.Discriminator(classes, channels, width).look  # to (B, 4 width, 4, 4)
        self.judge = nn.Sequential(*joint_head(4 * width, classes))

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        return self.judge(join_maps(self.look(x), c))


print("D's logits:", tuple(Discriminator()(x, seven).shape))

# %% [markdown]
# ## 4. Wrong labels, and training
#
# **Next question: what makes D look at the label at all?** In Equation 2 a real pair always has the right label, and a fake pair has the label G was asked for. D learns about labels only if G gives it reason to: as long as fakes betray themselves by bad strokes, "is it a good digit?" settles every case, and the label weighs little. G, in turn, obeys only as far as D insists.
#
# Reed et al. (2016), whom we meet in notebook 07, give D the missing lesson directly: **real pictures with wrong labels**, to be rejected like fakes.
#
# | pair | D should say | in Equation 2 |
# |---|---|---|
# | real picture, its label | real | yes |
# | drawn picture, the label it was drawn for | fake | yes |
# | real picture, another label | fake | no: our departure from the paper |
#
# $$\text{loss of D} = -E\big[\log D(x|c)\big] - E\big[\log(1 - D(G(z|c)|c))\big] - E\big[\log(1 - D(x|c'))\big], \qquad c' \neq c .$$
#
# (Reed et al. give wrong and fake pairs half a weight each; here each has a full one.) G's loss stays as it was. The `loss_D` printed below holds the first two terms only, so log 4 = 1.386 is still an undecided D. If D rejects wrong labels perfectly, the third term is 0, and the rest is the old game.
#
# **Exercise 5.5** · *Wrong labels* · difficulty ●●○○○ · importance ●●●○○ · 8 minutes · 2 points
#
# For each label draw another one.
# - Never the right one, and each of the others with the same probability.
# - All randomness from `rng`; the result has the shape of `labels`, whole numbers from 0 to `classes - 1`.
#
# <details><summary>Hint 1</summary>
#
# Think of the labels as places on a circle. From each place, take at least one step, and not so many that you are back.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Steps from 1 to classes - 1: `torch.randint(1, classes, labels.shape, generator=rng, device=rng.device)`.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `(labels + steps) % classes` goes round the circle.
#
# </details>


# %% tags=["exercise"]
def mislabel(labels: Tensor, classes: int, rng: torch.Generator) -> Tensor:
    """For each label (B,) another one, every other one equally often."""
    # BEGIN SOLUTION
    steps = torch.randint(1, classes, labels.shape, generator=rng, device=rng.device)
    return (labels + steps.to(labels.device)) % classes
    # END SOLUTION


# %%
mislabel = check("5.5", mislabel)

# %% [markdown]
# The step is notebook 02's, with the condition filled in. `conditional_step` takes a batch of pictures and conditions, gives G and D the same conditions, and asks `mislead` for wrong ones; without it, it plays Equation 2 as it stands. Everything else is notebook 03's recipe: Adam with a rate that falls, the R1 penalty every eighth step, a running average of G.


# %%
def game(steps: int, seed: int, wrong_labels: bool, width: int = 24) -> tuple:
    """One run: its step, what a checkpoint must keep, G's running average, and D."""
    start = env.rng(seed, "cpu")
    G = init_normal(cgan.Generator(NOISE, CLASSES, 1, width), start)
    D = init_normal(Discriminator(CLASSES, 1, width), start)
    for net in (G, D):
        net.to(device, memory_format=env.memory_format())
    average = copy.deepcopy(G)
    rng = env.rng(seed)
    batches = Batches(real.images, one_hot(real.labels, CLASSES), size=32, rng=rng)
    sample_z = env.noise(NOISE, rng)
    opt_G, opt_D = (torch.optim.Adam(net.parameters(), 2e-3, betas=(0.5, 0.99), fused=True) for net in (G, D))
    slow_G, slow_D = (linear_decay(opt, steps) for opt in (opt_G, opt_D))

    def mislead(c: Tensor) -> Tensor:
        return one_hot(mislabel(c.argmax(dim=1), CLASSES, rng), CLASSES)

    def steepness(given: nn.Module, x: Tensor) -> Tensor:
        return 8 * 0.1 / 2 * r1_penalty(given, x)  # times 8, since it is paid every 8th step

    def step() -> dict[str, Tensor]:
        n = slow_G.last_epoch  # steps done so far
        losses = conditional_step(
            G, D, opt_G, opt_D, batches, sample_z, mislead if wrong_labels else None,
            penalty=steepness if n % 8 == 0 else None, autocast=env.autocast,
        )
        slow_G.step()
        slow_D.step()
        ema_update(average, G, min(0.999, (n + 1) / (n + 10)))
        return losses

    keep = {"G": G, "D": D, "average": average, "opt_G": opt_G, "opt_D": opt_D}
    return step, keep | {"slow_G": slow_G, "slow_D": slow_D, "rng": rng}, average, D


Z = env.noise(NOISE, env.rng(1))(2000)  # the same noise whenever samples are shown or measured
ASKED = torch.arange(2000, device=device) % CLASSES  # 200 of each label


def draw(G: nn.Module, z: Tensor, c: Tensor) -> Tensor:
    """Pictures for noise (B, z) and conditions (B, classes), in eval mode."""
    pairs = zip(z.split(500), c.split(500))
    with torch.no_grad():
        return torch.cat([G.eval()(a, b) for a, b in pairs])


def rows(G: nn.Module, columns: int = 16) -> Tensor:
    """Pictures in rows, one row a label; in a column all share one noise vector."""
    z = Z[:columns].repeat(CLASSES, 1)
    c = one_hot(torch.arange(CLASSES, device=device).repeat_interleave(columns), CLASSES)
    return draw(G, z, c)


def label_accuracy(G: nn.Module) -> Tensor:
    """Share of samples in which the judge sees the label that was asked for, by label: (classes,)."""
    samples = draw(G, Z, one_hot(ASKED, CLASSES))
    right = in_batches(judge, samples).argmax(dim=1) == ASKED
    return torch.stack([right[ASKED == label].float().mean() for label in range(CLASSES)])

# %% [markdown]
# A baseline before the method: a G that has learned nothing.

# %% tags=["nbval-ignore-output"]
_, _, untrained, _ = game(1, seed=0, wrong_labels=True)
print(f"an untrained G obeys in {label_accuracy(untrained).mean():.2f} of cases, chance is {1 / CLASSES}")
assert label_accuracy(untrained).mean() < 0.2

# %% tags=["training", "nbval-ignore-output"]
STEPS = env.budget(smoke=24, cpu=3500, gpu=15000)
WIDTH = env.budget(smoke=24, cpu=24, gpu=64)
step, keep, G, D = game(STEPS, seed=0, wrong_labels=True, width=WIDTH)
history, picture = [], None
for record in train(
    step, STEPS, keep, env.run_dir("05_conditional_gan") / "digits",
    record_every=max(1, STEPS // 20), title="conditional DCGAN",
):
    history.append(record)
    if not record.resumed or record.step == STEPS:
        ax = show_images(rows(G), columns=16, title=f"step {record.step:,}: a row a label")
        picture = show_live(ax, "Ten rows of generated digits; each row shows one digit, from 0 at the top to 9", picture)
losses = ", ".join(f"{name} {value:.2f}" for name, value in history[-1].losses.items())
print(f"{history[-1].step:,} steps in {history[-1].seconds:.0f} s; {losses}")
assert history[-1].step == STEPS

# %% [markdown]
# ## 5. Rows of digits
#
# *The picture above: every row has its label, every column its noise vector (the paper's columns are just different samples).* Look down a column before you read on. What stays the same from digit to digit? Usually the slant and the thickness of the stroke. The label says *what*, so $z$ is left with *how*; nobody told the two to share the work in this way.
#
# **Does G do as it is told?** The judge looks at 200 samples of each label.

# %% tags=["nbval-ignore-output"]
obeyed = label_accuracy(G)
for label, share in enumerate(obeyed.tolist()):
    print(f"asked for {label}: the judge sees it in {share:.3f}")
env.report(label_accuracy=obeyed.mean())
if env.profile() != "smoke":
    assert obeyed.mean() >= 0.95
else:
    assert obeyed.isfinite().all()

# %% [markdown]
# Compare the mean with the judge's accuracy on real digits, in Section 1: the judge agrees with G more often than with people. So obeying is not the same as drawing all that people write: G keeps to clear, typical digits. The failures are worth a look. These are the samples whose label the judge doubts most, wrong or nearly so:

# %% tags=["nbval-ignore-output"]
samples = draw(G, Z, one_hot(ASKED, CLASSES))
p = in_batches(judge, samples).softmax(dim=1)
doubt = p[torch.arange(len(p), device=device), ASKED].argsort()[:12]
ax = show_images(samples[doubt], columns=12, title="asked for (upper number), seen as (lower)", ax=panels(1, width=9, height=1.5)[1][0])
ax.set_xticks([17 + 33 * k for k in range(12)], [f"{ASKED[i]}\n{p[i].argmax()}" for i in doubt.tolist()])
show(ax, alt="A row of malformed digits, the samples in which the judge trusts the label least, with the label asked for and the one seen")
assert len(doubt) == 12

# %% [markdown]
# Order a digit yourself. `first` moves along the noise vectors.

# %%
def order(label: int = 7, first: int = 0) -> None:
    """Draw twelve samples of one label."""
    c = one_hot(torch.full((12,), label, device=device), CLASSES)
    ax = show_images(draw(G, Z[first : first + 12], c), columns=12, title=f"label {label}, noise {first} to {first + 11}")
    show(ax, alt=f"Twelve generated pictures of the digit {label}")


explore(order, stills=[{"label": 7}, {"label": 4}], label=list(range(CLASSES)), first=(0, 1988, 1, 0))

# %% [markdown]
# ## 6. What did D learn to reject?
#
# **Next question: did D learn that labels matter, or only that fakes are fakes?** We ask it about real digits that neither player has seen, each with all ten labels in turn. Beside our D stands one that was trained on Equation 2 alone, and to be fair both are short runs of equal length.

# %% tags=["training", "nbval-ignore-output"]
SHORT = env.budget(smoke=8, cpu=1000, gpu=3000)
short = {}
for name, wrong_labels in {"Equation 2 alone": False, "with wrong labels": True}.items():
    step, keep, G_, D_ = game(SHORT, seed=1, wrong_labels=wrong_labels)
    for record in train(step, SHORT, keep, record_every=SHORT, title=name):
        pass
    short[name] = (G_, D_)
    print(f"{name:18} after {SHORT} steps: G obeys in {label_accuracy(G_).mean():.3f}")
assert set(short) == {"Equation 2 alone", "with wrong labels"}

# %% tags=["nbval-ignore-output"]
unseen_x = to_float(unseen.images)


def ask_all(D: nn.Module) -> Tensor:
    """D's probability for each unseen digit with each label: (digits, labels)."""
    D.eval()
    with torch.no_grad():
        told = [torch.full((len(unseen_x),), label, device=device) for label in range(CLASSES)]
        return torch.stack([D(unseen_x, one_hot(labels, CLASSES)).sigmoid() for labels in told], dim=1)


judges = {name: D_ for name, (_, D_) in short.items()} | {"long run, with wrong labels": D}
fig, axes = panels(3, width=3.6, height=3.4)
figures = {}
some = torch.randperm(len(real), generator=env.rng(2, "cpu"))[:1000].to(device)  # digits of the training set
for ax, (name, D_) in zip(axes, judges.items()):
    believed = ask_all(D_)
    table = torch.stack([believed[unseen.labels == shown].mean(dim=0) for shown in range(CLASSES)]).cpu()
    table_image = ax.imshow(table, cmap="cividis", vmin=0, vmax=1)
    ax.set(title=name, xlabel="label D is told", ylabel="digit in the picture", xticks=range(CLASSES), yticks=range(CLASSES))
    true = believed[torch.arange(len(unseen), device=device), unseen.labels]
    wrong = believed[torch.arange(len(unseen), device=device), mislabel(unseen.labels, CLASSES, env.rng(3))]
    with torch.no_grad():
        known = D_(to_float(real.images[some]), one_hot(real.labels[some], CLASSES)).sigmoid()
    figures[name] = {"right accepted, in training": (known > 0.5).float().mean(), "right accepted": (true > 0.5).float().mean(), "wrong rejected": (wrong < 0.5).float().mean(), "right above wrong": (true > wrong).float().mean()}
fig.colorbar(table_image, ax=list(axes), label="D's mean probability")
show(
    fig,
    alt="Three tables of D's mean probability, digits in the picture against labels told. Without wrong "
    "labels the diagonal is brightest and the rest is uneven; with them the diagonal is grey and the rest nearly black.",
)
for what in figures["Equation 2 alone"]:
    print(f"{what:28}" + "".join(f"   {name}: {row[what]:.2f}" for name, row in figures.items()))
long_run = figures["long run, with wrong labels"]
env.report(
    wrong_label_rejected=long_run["wrong rejected"], right_label_accepted=long_run["right accepted"],
    right_label_accepted_in_training=long_run["right accepted, in training"],
    right_above_wrong=long_run["right above wrong"],
    wrong_label_rejected_paper=figures["Equation 2 alone"]["wrong rejected"],
    right_above_wrong_paper=figures["Equation 2 alone"]["right above wrong"],
)
if env.profile() != "smoke":
    assert long_run["wrong rejected"] >= 0.9
else:
    assert len(figures) == 3

# %% [markdown]
# *D's mean probability that a real, unseen digit (row) with a label (column) is a real pair.*
#
# With wrong labels in its training (middle and right) the diagonal alone stands out, at about one half or below; all the rest is near 0. Without them (left) the diagonal is brighter, but so is the rest. And yet read the last number: asked about one picture, this D too puts the true label above a false one nearly always. It has learned that labels matter, since a G that ignores them betrays itself by them. What differs is how sharply it says so, and what G makes of it: after as many steps the G of Equation 2 (printed above) obeys in a minority of cases, the other nearly always. Equation 2 is not wrong. It teaches the label more slowly; we have not measured how many steps it would need.
#
# Now look at "right accepted", which is far from 1 for the long run although these are real digits with their own labels. One half of the reason is good news: against a good G an honest D can't be sure of any picture, and its answers lie around 1/2, on both sides. The other half is not: compare the share for digits of the training set. D has begun to know them by heart, and to take unseen digits for fakes. And read the last number: of a true and a false pair of the same picture, D nearly always prefers the true one. A single number would have hidden all this: a D that rejects *everything* also has a perfect "wrong rejected".
#
# ## 7. Between labels
#
# **Next question: what is half a seven?** One-hot vectors are corners. Nothing forbids asking for the middle of an edge, $c = (1-t)\,c_a + t\,c_b$, although G has never been asked for it.

# %%
PAIRS = [(1, 7), (3, 8), (4, 9), (0, 6), (2, 5)]


def between(a: int, b: int, z: Tensor, t: Tensor) -> Tensor:
    """Pictures for every t: the condition moves from a to b, the noise stays."""
    c_a, c_b = (one_hot(torch.tensor([label], device=device), CLASSES) for label in (a, b))
    return draw(G, z.expand(len(t), -1), (1 - t)[:, None] * c_a + t[:, None] * c_b)


t = torch.linspace(0, 1, 14, device=device)
walks = torch.cat([between(a, b, Z[5:6], t) for a, b in PAIRS])
show(
    show_images(walks, columns=14, title="from label to label: " + ", ".join(f"{a} to {b}" for a, b in PAIRS)),
    alt="Five rows of digits; in each the first digit turns into another step by step, most of the change in the middle",
)
print("walks:", tuple(walks.shape))

# %% tags=["nbval-ignore-output"]
t = torch.linspace(0, 1, 21, device=device)
fig, axes = panels(3, width=3.2, sharey=True)
curves = {}
for ax, (a, b) in zip(axes, PAIRS[:3], strict=True):
    each = torch.stack([in_batches(judge, between(a, b, z[None], t)).softmax(dim=1) for z in Z[:40]])
    mean = each.mean(dim=0)
    curves = {f"{a} or {b}": (mean[:, a] + mean[:, b]).tolist(), f"{b} alone": mean[:, b].tolist()}
    ax.plot(t.tolist(), each[:5, :, b].T.tolist(), color="grey", linewidth=0.6)
    plot_curves(t.tolist(), curves, xlabel=f"t, from {a} to {b}", ylabel="judge's probability", ax=ax)
show(
    fig,
    alt="SmallClassifier's probability over t: for the second label a curve that rises from 0 to 1 around the middle; for either of the two labels a curve that stays above about 0.9. Five grey lines, single noise vectors, jump from 0 to 1 at places of their own",
)
assert all(0 <= v <= 1.001 for curve in curves.values() for v in curve)

# %% [markdown]
# *The judge's mean probability along three walks, 40 noise vectors each; grey: five of them alone.* The pictures change gradually, and yet the judge sees one digit or the other nearly all the way; each noise vector changes over at a place of its own. The network has learned ten corners, and between them it does what smooth functions do. It is no proof that it "understands" what a 1 and a 7 have in common.
#
# ## 8. The Parzen window, and why it misleads
#
# **Next question: how did the paper measure its samples?** In 2014 there was no Fréchet distance. There was a likelihood of sorts. G gives samples, but no density, so put a small Gaussian round each of $m$ samples $s_j$ and take their mean for the density (Breuleux et al., 2011):
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
# $\log\frac1m\sum_j e^{a_j}$ is `torch.logsumexp(a, dim=1) - math.log(m)`. The Gaussian's constant is the same for all j: it can be added in the end.
#
# </details>
# <details><summary>Hint 3</summary>
#
# a is `-torch.cdist(x, samples) ** 2 / (2 * sigma**2)`; subtract `d / 2 * math.log(2 * math.pi * sigma**2)` with `d = x.shape[1]`.
#
# </details>


# %% tags=["exercise"]
def parzen_log_density(x: Tensor, samples: Tensor, sigma: float) -> Tensor:
    """Log-density in nats at each x (n, d) of Gaussians round m samples (m, d): (n,)."""
    # BEGIN SOLUTION
    a = -torch.cdist(x, samples).square() / (2 * sigma**2)
    log_mean = torch.logsumexp(a, dim=1) - math.log(len(samples))
    return log_mean - x.shape[1] / 2 * math.log(2 * math.pi * sigma**2)
    # END SOLUTION


# %%
parzen_log_density = check("5.6", parzen_log_density)

# %% [markdown]
# Five "generators" are to be measured, with 2,000 pictures each, in the paper's units: 28 x 28 pixels between 0 and 1.
#
# - **fresh real digits**: as good as a generator can be. They come from one half of the training set;
# - **our G**, the trained one;
# - **copies**: a generator that has memorised the other half of the training set and draws nothing else;
# - **averages**: the same copies, but each is mixed with its three nearest neighbours among them. Look at them below: soft, grey at the edges, some of them two digits at once;
# - **noise**: uniform pixels.

# %%
def flat(images: Tensor) -> Tensor:
    """Pictures in [-1, 1], (B, 1, 32, 32), as rows of 784 pixels in [0, 1], without the border."""
    return images[:, :, 2:30, 2:30].flatten(start_dim=1).add(1).div(2)


M = env.budget(smoke=300, cpu=2000, gpu=2000)
order_ = torch.randperm(len(real), generator=env.rng(4, "cpu")).to(device)
fresh, copies = (flat(to_float(real.images[part])) for part in (order_[:M], order_[-M:]))
near = torch.cdist(copies, copies).topk(4, largest=False).indices  # itself and three neighbours
averages = copies[near].mean(dim=1)
ours = flat(draw(G, Z, one_hot(ASKED, CLASSES)))[:M]
noise = torch.rand(M, 784, generator=env.rng(5), device=device)
contenders = {"fresh real digits": fresh, "our G": ours, "copies": copies, "averages": averages, "noise": noise}

shown = torch.cat([fresh[:12], copies[:12], averages[:12]]).view(-1, 1, 28, 28) * 2 - 1
show(
    show_images(shown, columns=12, title="fresh real digits; copies; averages"),
    alt="Three rows of digits: fresh real ones, the memorised ones, and the memorised ones blurred by averaging with neighbours",
)
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
# A test digit is compared pixel by pixel. How near is the nearest of 2,000 sharp digits, if the stroke lies one pixel beside?
#
# </details>
# <details><summary>Hint 2</summary>
#
# To reach a test digit at all, the window must be wide. How much is a sharp stroke worth then, if it lies one pixel beside?
#
# </details>
# <details><summary>Hint 3</summary>
#
# Squared distance to an unknown digit is smallest for a mean of similar ones: that is what a mean is.
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
held_out = flat(unseen_x)
validation, test = held_out[1::2], held_out[::2]  # both hold every digit equally often
SIGMAS = torch.logspace(-1, 0, 10).tolist()  # the candidates of Goodfellow et al. (2014)
parzen, widths = {}, {}
for name, made in contenders.items():
    fits = {sigma: parzen_log_density(validation, made, sigma).mean().item() for sigma in SIGMAS}
    widths[name] = max(fits, key=fits.get)
    parzen[name] = parzen_log_density(test, made, widths[name])
    value, error = parzen[name].mean(), parzen[name].std() / len(test) ** 0.5
    print(f"{name:18} {value:8.1f} +- {error:.1f} nats   (sigma {widths[name]:.2f})")
show(
    plot_bars({name: [value.mean().item()] for name, value in parzen.items()}, xlabel="Parzen log-likelihood of unseen digits (nats, more is better)"),
    alt="Bars of the Parzen log-likelihood of five contenders. The averages have the longest bar, copies and fresh real digits are about equal",
)
means = {name: value.mean() for name, value in parzen.items()}
env.report(parzen_real=means["fresh real digits"], parzen_model=means["our G"], parzen_memorised=means["copies"], parzen_averaged=means["averages"])
assert means["noise"] < means["fresh real digits"]
if env.profile() != "smoke":
    assert means["averages"] > means["fresh real digits"] + 20

# %% [markdown]
# *Mean Parzen log-likelihood of 500 unseen digits, sigma chosen on 500 others.*
#
# The winner is the blurred one, and by far more than the standard error. Three faults at once:
#
# 1. **It does not mind memorising.** Copies get as many nats as fresh digits, though a generator of copies has learned nothing, and our G, which draws digits that nobody has written, gets no more than they.
# 2. **It prefers bad samples.** Averages win, because squared pixel distance is kind to blur.
# 3. **It is far from a likelihood.** A picture drawn from this density is a sample with grey noise of 0.2 at every pixel: nobody's handwriting. And 2,000 windows can't fill 784 dimensions.
#
# Theis et al. (2016) made this case on the full MNIST, and report that centres of k-means beat the true data. The paper's own table gives 132 ± 1.8 nats for the conditional GAN and 225 ± 2 for the first, unconditional GAN, and says itself that it is a proof of concept. Ours can't be compared with either: they had far more digits to train on, and their window has 10,000 samples.
#
# ## 9. From pictures to words
#
# **Last question: can the condition be something richer than a label?** The second half of the paper (Section 4.2) turns the matter round: the condition is a *picture*, and what is generated are *words*. A picture has several good tags, so this is no classification with one right answer; it is a distribution, and drawing from distributions is what a GAN is for. They took 25,000 photographs from Flickr with the tags of their owners. We take emoji, whose tags are the words of their names and categories.
#
# *Pictures: Twemoji, © Twitter, Inc. and other contributors, [CC BY 4.0](https://creativecommons.org/licenses/by/4.0/). In notebook 09 also OpenMoji, [openmoji.org](https://openmoji.org), [CC BY-SA 4.0](https://creativecommons.org/licenses/by-sa/4.0/).*
#
# Flags are left out, and so are emoji that are put together of several others: they are near-copies of one another ("woman surfing", "man surfing"), and would let a network look up the answer. One in five is kept as unseen.

# %%
everything = emoji.load(64, "twemoji")
usable = [i for i, code in enumerate(everything.codes) if "-200d-" not in code and everything.groups[i] != "Flags"]
usable = usable[:: env.budget(smoke=4, cpu=1, gpu=1)]
shuffled = torch.randperm(len(usable), generator=env.rng(6, "cpu")).tolist()
cut = len(usable) // 5
picked = [usable[i] for i in shuffled]  # the first fifth of them is for testing
pictures = to_float(everything.images[picked])

LITTLE = {"with", "of", "and", "on", "in", "the", "to", "other", "for", "no", "not"}
counts = Counter(word for i in picked[cut:] for word in everything.tags[i] if word not in LITTLE)
vocabulary = sorted(word for word, count in counts.items() if count >= 3)
place = {word: n for n, word in enumerate(vocabulary)}
tags = torch.zeros(len(picked), len(vocabulary), device=device)
for row, i in enumerate(picked):
    tags[row, [place[word] for word in everything.tags[i] if word in place]] = 1

show(
    show_images(pictures[:24], columns=12, title="emoji that are kept as unseen"),
    alt="Two rows of small colourful drawings: faces, animals, food, vehicles and signs",
)
for name in ("grinning face", "red apple", "tractor"):
    print(f"{name}: {', '.join(everything.tags[everything.names.index(name)])}")

# %% [markdown]
# **Words as vectors.** G can only make vectors, so words have to become vectors, and similar words similar ones. The paper reports 200 numbers for each word, from a skip-gram model that was trained on the tags, titles and descriptions of a far larger set of Flickr pictures. We learn ours from the tags of the training pictures, in three steps: count how often two words stand at the same picture, compare it with chance, and compress. Chance is $p(a)\,p(b)$; the *positive pointwise mutual information* is $\max\big(0, \log\frac{p(a, b)}{p(a)\,p(b)}\big)$. Levy and Goldberg (2014) showed that skip-gram with negative sampling factorises, without saying so, the matrix of pointwise mutual information, shifted by a constant.

# %%
LENGTH = 32  # of a word vector; the paper has 200

together = (tags[cut:].T @ tags[cut:]).fill_diagonal_(0)  # a word stands beside others, not itself
p_ab = together / together.sum()
p_a = p_ab.sum(dim=1, keepdim=True)
ppmi = (p_ab / (p_a * p_a.T)).log().clamp(min=0).nan_to_num(0)  # log 0 becomes 0: never together
U, S, _ = torch.linalg.svd(ppmi)
word_vectors = F.normalize(U[:, :LENGTH] * S[:LENGTH].sqrt(), dim=1)
print("the vectors are finite and of length 1:", bool((word_vectors.norm(dim=1) - 1).abs().max() < 1e-3))

# %% [markdown]
# **Exercise 5.8** · *The nearest words* · difficulty ●●○○○ · importance ●●●●○ · 8 minutes · 2 points
#
# Find the words nearest to a vector.
# - `vectors`: (B, d); `table`: (words, d), a row a word, of any length.
# - Similarity is the cosine of the angle: only the direction counts.
# - The result: (B, k), numbers of rows of the table, the most similar first.
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
    if word in place:
        near = most_similar(word_vectors[place[word]][None], word_vectors, 6)[0]
        print(f"{word:6} is near to {', '.join(vocabulary[i] for i in near[1:])}")
assert most_similar(word_vectors[:1], word_vectors, 1).item() == 0  # each word is nearest to itself

# %% [markdown]
# Some of these are the company a word keeps, and not its meaning. With so few pictures a word may stand at four or five of them.
#
# **Pictures as vectors.** A network that has seen a million photographs knows edges, fur and wheels. We take what EfficientNet-Lite0 (notebook 01) computes just before its class logits, 1,280 numbers a picture; the paper took 4,096 from an earlier ImageNet network. It was never shown an emoji. The 100 directions in which the training pictures differ most are enough.

# %% tags=["nbval-ignore-output"]
lite = pretrained.classifier().to(device)
SIDE = env.budget(smoke=64, cpu=128, gpu=224)


def features(pictures: Tensor) -> Tensor:
    """The classifier's last features, (B, 1280), averaged over the picture."""
    parts = []
    with torch.no_grad():
        for part in pictures.split(64):
            large = F.interpolate(part, size=(SIDE, SIDE), mode="bicubic").clamp(-1, 1)
            parts.append(lite.net.forward_features(large * lite.scale + lite.shift).mean(dim=(2, 3)))
    return torch.cat(parts)


raw = features(pictures)
middle = raw[cut:].mean(dim=0)
_, spread, axes_ = torch.linalg.svd(raw[cut:] - middle, full_matrices=False)
views = (raw - middle) @ axes_[:100].T
views = views / views[cut:].std(dim=0).mean()
print(f"{len(views)} pictures, of which {cut} unseen; {views.shape[1]} numbers each; {len(vocabulary)} words")
assert views.isfinite().all()

# %% [markdown]
# Baselines before the method. Precision at 10: of ten words, how many are tags of the unseen picture? Most pictures have fewer than ten tags in the vocabulary, so not even the true tags reach 1: the ceiling is printed.

# %%
def precision_at_10(guesses: Tensor, truth: Tensor) -> Tensor:
    """Share of guessed words (B, 10) that are tags, for each picture: (B,)."""
    return truth.gather(1, guesses).mean(dim=1)


truth = tags[:cut]
commonest = tags[cut:].sum(dim=0).topk(10).indices.expand(cut, -1)
similar = F.normalize(views[:cut], dim=1) @ F.normalize(views[cut:], dim=1).T
weights, neighbours = similar.topk(10, dim=1)
votes = (tags[cut:][neighbours] * weights[:, :, None]).sum(dim=1) + tags[cut:].mean(dim=0) / 1000
precision = {
    "random words": torch.full((cut,), truth.mean().item()),
    "the ten commonest words": precision_at_10(commonest, truth).cpu(),
    "tags of 10 nearest pictures": precision_at_10(votes.topk(10).indices, truth).cpu(),
}
ceiling = (truth.sum(dim=1).clamp(max=10) / 10).mean()

# %% [markdown]
# Now the game. A real pair is the vector of *one* tag, drawn at random from a picture's tags, with the features of that picture. G gets features and noise, and makes a vector. Both networks follow the paper: a layer for each input, then the two together (`cgan.Joined`). They are smaller and have LeakyReLU in place of ReLU and maxout, and G has one joint layer more (the paper's goes from 500 + 2,000 units straight to the 200 numbers). D is shown mismatched pairs, as in Section 4: a tag with the features of another picture. Unlike in Section 4 some of these pairs are true, since the other picture may have the same tag; the cell prints how many. So D is a little too hard on common words.

# %% tags=["training", "nbval-ignore-output"]
TAG_STEPS = env.budget(smoke=40, cpu=3000, gpu=6000)
tag_rng = env.rng(7)
start = env.rng(8, "cpu")
G_tags = cgan.Joined(NOISE, views.shape[1], 256, out=LENGTH, rng=start).to(device)
D_tags = cgan.Joined(LENGTH, views.shape[1], 256, out=0, rng=start).to(device)
opt_G, opt_D = (torch.optim.Adam(net.parameters(), 5e-4, betas=(0.5, 0.99), fused=True) for net in (G_tags, D_tags))
slow_G, slow_D = (linear_decay(opt, TAG_STEPS) for opt in (opt_G, opt_D))
owner, number = tags[cut:].nonzero().T  # every (picture, tag) pair of the training part
SCALE = LENGTH**0.5  # so that each number of a word vector is about 1 in size
tag_batches = Batches(word_vectors[number] * SCALE, views[cut:][owner], size=128, rng=tag_rng)
sample_z = env.noise(NOISE, tag_rng)


def tag_step() -> dict[str, Tensor]:
    """One step; mismatched pairs have the features of another picture of the batch."""
    penalty = (lambda D, x: 8 * r1_penalty(D, x) / 2) if slow_G.last_epoch % 8 == 0 else None
    losses = conditional_step(
        G_tags, D_tags, opt_G, opt_D, tag_batches, sample_z, lambda c: c.roll(1, 0), penalty=penalty
    )
    slow_G.step()
    slow_D.step()
    return losses


true_after_all = tags[cut:].mean(dim=0)[number].mean()  # another picture has the tag, too
print(f"{true_after_all:.0%} of the mismatched pairs are true pairs")
for record in train(tag_step, TAG_STEPS, {"G": G_tags, "D": D_tags}, record_every=max(1, TAG_STEPS // 10), title="tags"):
    pass
losses = ", ".join(f"{name} {value:.2f}" for name, value in record.losses.items())
print(f"{record.step:,} steps in {record.seconds:.0f} s; {losses}")
assert record.step == TAG_STEPS

# %% [markdown]
# To read tags off it, we do as the paper does: draw 100 vectors for each picture, look up the nearest words of each, and take the ten words that come up most often. (The paper looks up 20 for each vector; its vocabulary is far larger than ours, so we take 5.)

# %% tags=["nbval-ignore-output"]
def tags_for(condition: Tensor, draws: int = 100, nearest: int = 5) -> Tensor:
    """The ten words that are found most often near the vectors drawn for each picture: (B, 10)."""
    z = env.noise(NOISE, env.rng(9))(draws * len(condition))
    vectors = draw(G_tags, z, condition.repeat_interleave(draws, dim=0))
    found = most_similar(vectors, word_vectors, nearest).view(len(condition), -1)
    votes = torch.zeros(len(condition), len(vocabulary), device=device)
    votes.scatter_add_(1, found, torch.ones_like(found, dtype=votes.dtype))
    return votes.topk(10).indices


guessed = tags_for(views[:cut])
precision["conditional GAN"] = precision_at_10(guessed, truth).cpu()
for name, each in precision.items():
    print(f"{name:28} precision at 10: {each.mean():.3f} +- {each.std() / cut**0.5:.3f}")
print(f"{'the true tags themselves':28} precision at 10: {ceiling:.3f}")
env.report(
    tag_precision_at_10=precision["conditional GAN"].mean(), tag_precision_random=precision["random words"].mean(),
    tag_precision_commonest=precision["the ten commonest words"].mean(),
    tag_precision_neighbours=precision["tags of 10 nearest pictures"].mean(), tag_precision_ceiling=ceiling,
)
if env.profile() != "smoke":
    gan = precision["conditional GAN"].mean()
    assert gan >= 3 * precision["random words"].mean() and gan > precision["the ten commonest words"].mean()
else:
    assert precision["conditional GAN"].isfinite().all()

# %% tags=["nbval-ignore-output"]
EIGHT = range(0, 8)
fig, axes = panels(4, rows=2, width=3.2, height=1.9)
for ax, i in zip(axes, EIGHT):
    show_images(pictures[i : i + 1], columns=1, ax=ax)
    hits = [f"{vocabulary[n].upper() if truth[i, n] else vocabulary[n]}" for n in guessed[i].tolist()]
    ax.text(1.05, 0.98, "\n".join(hits), transform=ax.transAxes, va="top", fontsize=7)
    ax.set_title(everything.names[picked[i]], fontsize=8)
show(fig, alt="Eight unseen emoji, each with ten generated words beside it; words that are among its true tags are in capitals")
assert guessed.shape == (cut, 10)

# %% [markdown]
# *Unseen emoji with ten generated tags. CAPITALS: the word is among the picture's tags.*
#
# The words are far better than chance, and better than always naming the ten commonest. But **the honest failure** stands in the line above: to copy the tags of the ten nearest pictures is simpler, and better. With a thousand pictures there is little to learn that a look at the neighbours does not tell. What the GAN gives besides is a smooth distribution of vectors that can be drawn from at any picture. But to draw a tag of a random neighbour is a distribution too, and we have not shown that G's is better. And look at the words in small letters. A network that was trained on photographs sees little in a letter on a blue square, and even plain things can get few words right, or none.
#
# ## What we measured, and what the paper reports
#
# | | here | Mirza and Osindero (2014) |
# |---|---|---|
# | networks | conditional DCGAN, 32 x 32; one-hot into G's first layer, planes at 4 x 4 in D | fully connected; G: 200 + 1,000 units, joint 1,200; D: maxout 240 and 50, joint maxout 240 |
# | D's pairs | real, fake, and real with wrong labels | real and fake |
# | training | Adam, a falling rate, R1 penalty, averaged G | SGD, batch 100, rate 0.1 falling, momentum 0.5 to 0.7, dropout |
# | does G obey? | Section 5: at least 0.95, by an independent classifier | rows are shown, no number |
# | Parzen window | Section 8, 2,000 samples, few data | 132 ± 1.8 nats, 10,000 samples, all of MNIST |
# | tags | emoji; precision at 10 against three baselines | Flickr photographs; examples, no number |
#
# Why they differ: the aims are the same, but where the paper shows a figure we wanted a number that can fail. The two departures that matter are the mismatched pairs and the convolutions.
#
# **A mistake worth making.** In `game`, hand `conditional_step` the function `lambda z, c: G(z, c.roll(1, 0))` in the place of `G`: each picture is drawn for the label of another picture in the batch. (Try it with few steps, under another folder name.) Nothing crashes. What does G learn now, what will the rows look like, where does D's loss settle, and why is it not enough to say that "D sees labels"?
#
# <details><summary>An answer</summary>
#
# D never sees the label that G was given, so for G the label is one more noise input: the rows are mixed digits. D can always point at pairs that don't match. Even if every picture is a perfect digit, nine fake pairs of ten show the wrong one, and the best D pays 0.335 nats instead of log 4 = 1.386.
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
# **Next:** notebook 06 gives G a coarse picture as the condition, and builds large pictures from small ones.
