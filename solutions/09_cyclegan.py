# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown] tags=["header"]
# # 09 CycleGAN: translation without pairs
#
# Suppose we have photos of horses and photos of zebras. No animal is both, so there are no pairs to learn from. Zhu, Park, Isola and Efros (2017) trained networks that translate one into the other nevertheless. Two discriminators learn what the images of each domain look like, and one more loss preserves the content: an image that is translated there and back should equal the original.
#
# **You build:** two generators and two discriminators that turn flowers by day into flowers at dusk and back, learnt from two sets that share no flower.
#
# The result to reproduce is a row of images: a flower by day, its translation, and the translation back. And because we draw the flowers ourselves, we know the true translation, which is unknown for horses and zebras.
#
# After this notebook you can
#
# - **build** the paper's two networks, and **compute** the receptive field of a PatchGAN,
# - **write** the five losses of the generators: two adversarial, two cycle losses, one identity loss,
# - **measure** a translation in three ways, and **tell** what each of them does not measure,
# - **explain** what the cycle loss does not forbid, and **show** it on trained networks,
# - **predict** which translations will fail.
#
# | section | minutes |
# |---|---|
# | 1 Two domains | 12 |
# | 2 The generator (exercise 9.1) | 14 |
# | 3 A discriminator of patches (9.2) | 16 |
# | 4 Squares instead of logs (9.3) | 12 |
# | 5 There and back (9.4) | 12 |
# | 6 The image pool (9.5) | 15 |
# | 7 The full objective (9.6) | 25 |
# | 8 What does each loss contribute? | 15 |
# | 9 What the cycle does not forbid (9.7) | 14 |
# | 10 Shapes do not change | 8 |
# | 11 Real drawings (9.8) | 18 |
# | 12 Your own two domains | 10 |
#
# It builds on notebook 02 (the game), 03 (convolutions, the exponential moving average, EMA), 06 (a generator whose input is an image) and 08 (residual blocks).

# %% tags=["setup"]
# written by gancourse build

# %%
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from gancourse.classifiers import pretrained
from gancourse.classifiers.digit_judge import SmallClassifier
from gancourse.datasets import flowers, two_domains
from gancourse.datasets.batches import Batches
from gancourse.errors import CourseError
from gancourse.exercises import check
from gancourse.figures import panels, plot_curves, show, show_images
from gancourse.metrics.samples import in_batches
from gancourse.papers import cyclegan, gan
from gancourse.papers.blocks import count_parameters, init_normal, swap
from gancourse.papers.cyclegan import LSGAN, WEIGHTS, cyclegan_step
from gancourse.shapes import to_float
from gancourse.training.loop import train
from gancourse.training.player import Player

# %% [markdown]
# ## 1. Two domains
#
# Domain X: flowers with plain petals, by day. Domain Y: flowers with striped petals, at dusk. These are our horses and zebras. No flower is in both sets.

# %% tags=["nbval-ignore-output"]
device = env.device()
SIDE = env.budget(smoke=32, cpu=32, gpu=64)
count, tests = env.budget(smoke=(200, 60), cpu=(2000, 300), gpu=(5000, 500))
garden = two_domains.day_and_dusk(count, tests, SIDE, env.rng(0))
train_x, train_y = to_float(garden.x), to_float(garden.y)
print(f"for training: {count:,} by day, {count:,} others at dusk, {SIDE} x {SIDE} pixels")


def show_rows(rows: Mapping[str, Tensor], alt: str, columns: int = 12) -> None:
    """One row of images for each name, with the name to its left."""
    fig, axes = panels(1, rows=len(rows), width=8.6, height=0.66)
    for ax, (name, row) in zip(axes, rows.items(), strict=True):
        show_images(row[:columns], columns=columns, ax=ax)
        ax.set_ylabel(name, rotation=0, ha="right", va="center")
        ax.spines[:].set_visible(False)
    show(fig, alt=alt)


rows = {"X, day": train_x, "": train_x[12:], "Y, dusk": train_y, " ": train_y[12:]}
show_rows(rows, alt="Two rows of plain flowers on bright ground, two of striped ones on dark.")
assert train_y.mean() < train_x.mean()  # dusk is darker

# %% [markdown]
# *Figure 9.1. What the networks are trained on. The upper two rows and the lower two rows show different flowers.*
#
# A third set is hidden from training: test flowers, each drawn in both styles. How far apart are the two styles, and how close to the truth is a baseline without training? The simplest one changes brightness and contrast: each colour channel gets the mean and the standard deviation that it has at dusk.


# %% tags=["nbval-ignore-output"]
def recolour(x: Tensor, like: Tensor) -> Tensor:
    """Images with the mean and the standard deviation of other images, per colour channel."""
    std, mean = torch.std_mean(x, (0, 2, 3), keepdim=True)
    new_std, new_mean = torch.std_mean(like, (0, 2, 3), keepdim=True)
    return ((x - mean) / std * new_std + new_mean).clamp(-1, 1)


def error(a: Tensor, b: Tensor) -> float:
    """Mean absolute difference; black and white are 2 apart."""
    return (a - b).abs().mean().item()


day, dusk = to_float(garden.test_x), to_float(garden.test_y)  # hidden pairs: only for measuring
recoloured = recolour(day, like=train_y)
rows = {"by day": day, "recoloured": recoloured, "true dusk": dusk}
show_rows(rows, alt="Three rows: flowers by day; the same, darkened; the same at dusk, striped.")
env.report(pair_error_untranslated=error(day, dusk), pair_error_recoloured=error(recoloured, dusk))
assert error(recoloured, dusk) < error(day, dusk) / 2

# %% [markdown]
# *Figure 9.2. Hidden pairs, and a baseline without learning.* Recolouring removes most of the difference between day and dusk. So compare a translation with the second number; the first is easy to beat. But recolouring can't draw stripes.
#
# An average over pixels says little about colours and stripes. So we add two metrics.
#
# - **A colour classifier** without training. A petal pixel is one that changes when the flower is drawn in another colour. We compare the mean colour of the petal pixels with that of the same flower drawn in each of the five colours; the nearest of the five is the prediction.
# - **A domain classifier,** a network trained on four classes: day, dusk, day recoloured as dusk, dusk recoloured as day. So an image that is merely dark does not count as dusk.


# %% tags=["nbval-ignore-output"]
COLOURS, true_colour = list(flowers.PETAL_COLOURS), garden.looks.colour


def in_colour(colour: int | Tensor, at_dusk: bool) -> Tensor:
    """The test flowers with petals of one colour, or of one each; the list of colours repeats."""
    colour = (torch.zeros_like(true_colour) + colour) % len(COLOURS)
    return to_float(flowers.draw(replace(garden.looks, colour=colour), SIDE, at_dusk))


drawn = {at_dusk: [in_colour(c, at_dusk) for c in range(5)] for at_dusk in (False, True)}
petals = (drawn[False][0] != drawn[False][4]).any(dim=1, keepdim=True).float()  # (n, 1, side, side)


def petal_mean(x: Tensor) -> Tensor:
    """The mean colour of each flower's petals: (n, 3)."""
    return (x * petals).sum((2, 3)) / petals.sum((2, 3))


palette = {key: torch.stack([petal_mean(x) for x in drawn[key]]) for key in drawn}  # (5, n, 3)


def colour_read(x: Tensor, at_dusk: bool, shift: int = 0) -> Tensor:
    """Index of the petal colour in images of the test flowers, in their order: (n,).

    Compared with the five means of the same flower, or of the one `shift` places before it.
    """
    return (petal_mean(x) - palette[at_dusk].roll(shift, 1)).square().sum(2).argmin(0)


def colour_kept(x: Tensor, at_dusk: bool = True, shift: int = 0) -> float:
    """Share of images whose petals have the colour of the source."""
    return (colour_read(x, at_dusk, shift) == true_colour).float().mean().item()


net = SmallClassifier(channels=3, classes=4, width=16, rng=env.rng(0, "cpu"))
domain_net = nn.Sequential(nn.AvgPool2d(SIDE // 32), net).to(device)  # for 32 x 32 pixels
kinds = torch.cat([train_x, train_y, recolour(train_x, train_y), recolour(train_y, train_x)])
labels = torch.arange(4, device=device).repeat_interleave(count)
labelled = Batches(kinds, labels, size=64, rng=env.rng(5))
opt = torch.optim.AdamW(domain_net.parameters(), 2e-3, fused=True)
for _ in range(env.budget(smoke=15, cpu=120, gpu=300)):
    x, y = next(labelled)
    gan.descend(opt, nn.functional.cross_entropy(domain_net(x), y))


def taken_for(x: Tensor, kind: int) -> float:
    """Share of images that are classified as real ones by day (0) or at dusk (1)."""
    return (in_batches(domain_net, x.clamp(-1, 1)).argmax(1) == kind).float().mean().item()


print(f"{'':14} taken for dusk   petal colour right   by another flower's means")
for name, x in {"real, at dusk": dusk, "recoloured": recoloured}.items():
    shares = taken_for(x, 1), colour_kept(x), colour_kept(x, shift=1)
    print("{:14} {:14.2f} {:20.2f} {:27.2f}".format(name, *shares))
env.report(judge_on_real=taken_for(dusk, 1), colour_read_on_real=colour_kept(dusk, shift=1))
assert colour_kept(dusk, shift=1) > 0.95
env.expect(
    "the domain classifier recognises real test flowers at dusk", taken_for(dusk, 1) > 0.95,
    f"it recognises a share of {taken_for(dusk, 1):.2f}; usually it is nearly all.",
)

# %% [markdown]
# The first row tests the metrics on real flowers that the domain classifier was not trained on. The colour classifier could not fail on them: one of its five means was computed from the same image. So the last column uses the five means of another flower, whose petals usually differ in number, form or size; that works too. The second row tests the metrics on recoloured images. They have no stripes, so few of them should be taken for dusk, and their petals often have a wrong colour. Now we build the networks.
#
# ## 2. The generator
#
# Here a generator gets an image and returns an image of the same size. The paper's generator (Section 4 and the appendix) halves the resolution twice, applies a sequence of **residual blocks**, and doubles the resolution twice. In its own shorthand: `c7s1-64, d128, d256, R256 x 9, u128, u64, c7s1-3`. Here c7s1 is a 7 x 7 convolution with stride 1, d halves the resolution, u doubles it, and R is a residual block; the number after each is its number of channels.
#
# A residual block, as in notebook 08, adds a correction to its input, $x + r(x)$. That makes small changes easy to learn: $r$ need only be small. This suits a translation, which keeps most of the image.
#
# Two more choices suit images. The border is padded by **reflection**, to avoid a visible frame. And **instance norm** replaces batch norm: each channel of each image is normalized to mean 0 and variance 1 by itself, so no image depends on the others in its batch.
#
# **Exercise 9.1** · *A block that keeps pictures apart* · difficulty ●●○○○ · importance ●●●●○ · 10 minutes · 2 points
#
# - `ResidualBlock(width)` returns $x + r(x)$, nothing after the sum.
# - $r$: convolution 3 x 3, instance norm, ReLU, convolution 3 x 3, instance norm.
# - Both convolutions keep `width` channels and the size of the image, have biases, and pad by reflection.
# - Instance norm with torch's defaults, so without parameters.
#
# <details><summary>Hint 1</summary>
#
# Put the five layers of $r$ in an `nn.Sequential`; `forward` computes the sum.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `nn.Conv2d` can pad by itself: `padding=1, padding_mode="reflect"`. The norm is `nn.InstanceNorm2d(width)`.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `forward`: `return x + self.layers(x)`.
#
# </details>


# %% tags=["exercise"]
class ResidualBlock(nn.Module):
    """x + two 3 x 3 convolutions with reflection padding and instance norm."""

    def __init__(self, width: int) -> None:
        super().__init__()
        # BEGIN SOLUTION
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, padding_mode="reflect"),
            nn.InstanceNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, padding_mode="reflect"),
            nn.InstanceNorm2d(width),
        )
        # END SOLUTION

    def forward(self, x: Tensor) -> Tensor:
        # BEGIN SOLUTION
        return x + self.layers(x)
        # END SOLUTION


# %%
ResidualBlock = check("9.1", ResidualBlock)

# %% [markdown]
# The package's `cyclegan.Generator` is the paper's network; its arguments make it narrower. We put your block into it.


# %%
def new_generator(width: int, blocks: int, halvings: int) -> nn.Module:
    """The paper's generator with the block from exercise 9.1."""
    G = cyclegan.Generator(3, width, blocks, halvings)
    return swap(G, cyclegan.ResidualBlock, lambda _: ResidualBlock(width * 2**halvings))


paper_size = count_parameters(cyclegan.Generator(width=64, blocks=9))
narrow_size = count_parameters(new_generator(width=16, blocks=4, halvings=1))
print(f"parameters: {paper_size:,} (paper), {narrow_size:,} (width 16, 4 blocks, 1 halving)")
assert paper_size == 11_378_179

# %% [markdown]
# The first number is that of the authors' code. The narrow generator can be trained on a laptop in a few minutes. It halves the resolution once: after two halvings an image of 32 x 32 is only 8 x 8, probably too coarse for the stripes.
#
# ## 3. A discriminator of patches
#
# What is left for D to judge? The cycle loss (Section 5) preserves the content of the image. What remains is style: stripes, edges, light. These show in any small region. So the paper's D returns a map of outputs, one for each patch of the image, and averages the loss over them. This is a **PatchGAN**: five convolutions of 4 x 4, the first three with stride 2.
#
# How large is a patch, the **receptive field** of one output? Work backwards from the output. In its own layer it covers 1 position. A convolution with kernel $k$ and stride $s$ turns $r$ positions into
#
# $$r \;\leftarrow\; (r - 1)\, s + k$$
#
# positions of the layer before it: the $r$ windows start $s$ positions apart, and each is $k$ wide.
#
# **Exercise 9.2** · *What one logit sees* · difficulty ●●○○○ · importance ●●●●○ · 10 minutes · 2 points
#
# - `layers` is a list of (kernel, stride), in the order in which they run.
# - Return the side of the square of pixels that one output depends on, an integer. For an empty list that is 1.
# - Padding does not matter.
#
# <details><summary>Hint 1</summary>
#
# For one layer the answer is its kernel. For two with stride 1 and kernel 3: 5.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Start with 1 and use the rule for the *last* layer first: `reversed(layers)`.
#
# </details>
# <details><summary>Hint 3</summary>
#
# In the loop: `field = (field - 1) * stride + kernel`.
#
# </details>


# %% tags=["exercise"]
def field_of(layers: list[tuple[int, int]]) -> int:
    """Side of the receptive field of one output; layers are (kernel, stride) in order."""
    # BEGIN SOLUTION
    field = 1
    for kernel, stride in reversed(layers):
        field = (field - 1) * stride + kernel
    return field
    # END SOLUTION


# %%
field_of = check("9.2", field_of)

# %% [markdown]
# We verify the computed number with the network itself: for which pixels is the gradient of the output in the middle of the map not 0? (Instance norm is removed for this test. Its mean and variance are taken over the whole image, so through them every output depends a little on every pixel.)

# %%
fig, axes = panels(3, width=2.6, height=2.7)
for ax, layers in zip(axes, (1, 2, 3), strict=True):
    D = swap(cyclegan.PatchDiscriminator(3, 8, layers), nn.InstanceNorm2d, lambda _: nn.Identity())
    init_normal(D, env.rng(1, "cpu"), 0.2)
    x = torch.rand(1, 3, 128, 128, generator=env.rng(2, "cpu")).requires_grad_()
    logits = D(x)[0]
    logits[len(logits) // 2, len(logits) // 2].backward()
    seen = x.grad[0].abs().sum(0)
    side = int((seen.amax(0) > 0).sum())
    computed = field_of([(4, 2)] * layers + [(4, 1)] * 2)
    print(f"{layers} strided layers: computed {computed}, by the gradient {side}")
    assert side == computed
    ax.imshow((seen / seen.max()).sqrt().numpy(), cmap="gray")
    ax.set(title=f"{side} x {side} of 128 x 128", xticks=[], yticks=[])
show(fig, alt="Three receptive fields, grey on black: squares of side 16, 34 and 70.")
env.report(receptive_field=computed)
assert count_parameters(cyclegan.PatchDiscriminator()) == 2_764_737

# %% [markdown]
# *Figure 9.3. The receptive field of one output, and the weight of each pixel.* Three strided layers give 70, as the paper says. Pixels at the edge of a patch count less than those in the middle. (The figure shows the square root of the gradient, which makes this difference look smaller than it is.)
#
# For images of 32 x 32 we take two strided layers. Their receptive field of 34 pixels is larger than the image, so an output can depend on nearly all of it. Still, each output depends mostly on its own region.
#
# ## 4. Squares instead of logs
#
# The paper replaces the log loss of notebook 02 by least squares (LSGAN, Mao et al. 2017). D's output is used as it is, without a sigmoid, and should be 1 for real and 0 for fake:
#
# $$\mathcal L_D = \tfrac12\Big(\mathbb E_y\big[(D(y) - 1)^2\big] + \mathbb E_x\big[D(G(x))^2\big]\Big), \qquad \mathcal L_G = \mathbb E_x\big[(D(G(x)) - 1)^2\big].$$
#
# **Exercise 9.3** · *Squares instead of logs* · difficulty ●○○○○ · importance ●●●●○ · 8 minutes · 2 points
#
# - `real` and `fake` are D's outputs, maps of any shape, not always the same one; detach neither.
# - Return a dictionary with "loss_D" and "loss_G", scalars; means over all outputs.
#
# <details><summary>Hint 1</summary>
#
# There is neither a sigmoid nor a logarithm.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `(real - 1).square().mean()` is D's first term.
#
# </details>
# <details><summary>Hint 3</summary>
#
# D: half of `(real - 1).square().mean() + fake.square().mean()`. G: `(fake - 1).square().mean()`.
#
# </details>


# %% tags=["exercise"]
def least_squares(real: Tensor, fake: Tensor) -> dict[str, Tensor]:
    """The least-squares losses of both players: "loss_D", halved, and "loss_G"."""
    # BEGIN SOLUTION
    loss_D = ((real - 1).square().mean() + fake.square().mean()) / 2
    return {"loss_D": loss_D, "loss_G": (fake - 1).square().mean()}
    # END SOLUTION


# %%
least_squares = check("9.3", least_squares)

# %%
outputs = torch.linspace(-4, 4, 161).requires_grad_()
losses = {
    "saturating log loss": gan.saturating_loss(outputs),
    "non-saturating log loss": gan.non_saturating_loss(outputs),
    "least squares": least_squares(outputs, outputs)["loss_G"],
}  # means over all outputs: the slope at each is 161 times its gradient
slopes = {k: 161 * torch.autograd.grad(loss, outputs)[0] for k, loss in losses.items()}
ax = plot_curves(outputs.tolist(), slopes, xlabel="D's output", ylabel="slope of loss_G")
show(ax, alt="Slopes of three losses: near 0 on the left; near 0 on the right; a straight line.")

# %% [markdown]
# *Figure 9.4. Slopes of G's loss.* With least squares the gradient is proportional to the distance from 1. It does not vanish on the left, and on the right it changes sign: a fake that D rates *above* 1 is moved back towards 1.
#
# Why is D's loss halved? The authors' reason: to slow D down relative to G. Does that work with Adam?

# %%
moved, updates = [], 5
x = torch.rand(4, 3, 32, 32, generator=env.rng(3, "cpu"))
for factor in (1.0, 0.5):
    D = init_normal(cyclegan.PatchDiscriminator(3, 8, 2), env.rng(1, "cpu"))
    before = nn.utils.parameters_to_vector(D.parameters()).detach()
    opt = torch.optim.Adam(D.parameters(), 2e-4)
    for _ in range(updates):
        gan.descend(opt, factor * D(x).square().mean())
    moved.append((nn.utils.parameters_to_vector(D.parameters()) - before).abs().mean().item())
print(f"with half the loss D moves {moved[1] / moved[0]:.2f} times as far in {updates} steps")

# %% [markdown]
# Adam divides the gradient by an estimate of its size, so a constant factor in the loss has almost no effect. To slow D down with Adam, lower its learning rate.

# %% [markdown]
# ## 5. There and back
#
# Is style enough? A generator that ignores its input can have a low adversarial loss: it is enough that its outputs look like images of the real set. Unpaired sets do not tell which image at dusk belongs to which image by day.
#
# The paper's answer is a second generator $F$, from Y to X, and **cycle consistency**: a round trip must end where it started (Equation 2):
#
# $$\mathcal L_{cyc} = \mathbb E_x\big[\lVert F(G(x)) - x\rVert_1\big] + \mathbb E_y\big[\lVert G(F(y)) - y\rVert_1\big].$$
#
# ```
#            G                   F
#     x -----------> fake_y -----------> cycled_x      D_Y rates fake_y = G(x)
#     ^                                      |         D_X rates fake_x = F(y)
#     +---------- trained to match ----------+         and the same from y: cycled_y
# ```
#
# **Exercise 9.4** · *There and back* · difficulty ●●○○○ · importance ●●●●● · 8 minutes · 2 points
#
# - `G` and `F` are functions from images to images; `x` and `y` are batches of X and Y.
# - Return the two terms, `cycle_X` (from x to Y and back) and `cycle_Y`: the mean absolute difference over all values.
# - Both generators learn from both terms.
#
# <details><summary>Hint 1</summary>
#
# Which of the two does x go through first?
#
# </details>
# <details><summary>Hint 2</summary>
#
# `F(G(x))` is back in X. Absolute, not squared; mean, not sum.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `return (F(G(x)) - x).abs().mean(), (G(F(y)) - y).abs().mean()`, without `detach`.
#
# </details>


# %% tags=["exercise"]
def round_trips(G: Callable, F: Callable, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """The cycle losses, from x to Y and back and from y to X and back: cycle_X, cycle_Y."""
    # BEGIN SOLUTION
    cycled_x, cycled_y = F(G(x)), G(F(y))
    return (cycled_x - x).abs().mean(), (cycled_y - y).abs().mean()
    # END SOLUTION


# %%
round_trips = check("9.4", round_trips)

# %% [markdown]
# ## 6. The image pool
#
# A discriminator that is shown only the newest fakes may forget the older ones, and training may oscillate: the generator returns to a fault that D no longer detects. So the paper also shows D older fakes, from a **pool** of 50. With probability 1/2 D is shown the new fake. Otherwise the new fake replaces a random image of the pool, and D is shown the image that was replaced.
#
# **Exercise 9.5** · *The image pool* · difficulty ●●●○○ · importance ●●●○○ · 12 minutes · 2 points
#
# The random draws, `coins` and `places`, are arguments. Write the exchange.
#
# - `kept` (N, C, H, W) is the pool, `fakes` (B, C, H, W) are new, `coins` (B,) is True where a fake is exchanged, `places` (B,) is the index of the image in the pool that it replaces; all places differ.
# - Return what D is shown, in the order of the fakes, and the new pool.
# - Do not change `kept`.
#
# <details><summary>Hint 1</summary>
#
# A loop over the fakes is fine. Where the coin is False, the fake is shown and the pool stays as it is.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Work on `new = kept.clone()`. Where the coin is True, read `kept[place]` before `new[place]` is overwritten.
#
# </details>
# <details><summary>Hint 3</summary>
#
# Without a loop: `coin = coins.view(-1, 1, 1, 1)`, `old = kept[places]`; shown is `torch.where(coin, old, fakes)`, and `new[places] = torch.where(coin, fakes, old)`.
#
# </details>


# %% tags=["exercise"]
def exchange(kept: Tensor, fakes: Tensor, coins: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
    """What D is shown in place of the fakes, and the new pool."""
    # BEGIN SOLUTION
    coin = coins.view(-1, 1, 1, 1)
    old = kept[places]
    new = kept.clone()
    new[places] = torch.where(coin, fakes, old)
    return torch.where(coin, old, fakes), new
    # END SOLUTION


# %%
exchange = check("9.5", exchange)

# %% [markdown]
# `cyclegan.ImagePool` draws coins and places, and keeps the pool. How old are the fakes that it returns? We feed it images of one pixel, whose value is the number of the step.

# %%
pool, ages = cyclegan.ImagePool(50, env.rng(0, "cpu")), []
for step in range(3000):
    ages.append(step - pool(torch.full((4, 1, 1, 1), float(step))).flatten())
ages = torch.cat(ages[100:])
older = ages[ages > 0]
print(f"of the same step: {(ages == 0).float().mean():.0%}")
print(f"others: {older.mean():.0f} steps old on average, {older.max():.0f} at most")

# %% [markdown]
# These are batches of 4. With the paper's batches of one image, the older fakes in a pool of 50 are about four times as old.
#
# ## 7. The full objective
#
# Now all losses by name. Two are adversarial, two are cycle losses. The fifth is the **identity loss** (Section 5.2 of the paper): a generator that gets an image of its *target* domain should leave it unchanged, $G(y) = y$ and $F(x) = x$. The paper uses it for paintings; Section 8 shows what it does here.
#
# | name | is large when | weight |
# |---|---|---|
# | `loss_G` | $D_Y$ detects $G(x)$ | 1 |
# | `loss_F` | $D_X$ detects $F(y)$ | 1 |
# | `cycle_X` | $F(G(x))$ is not $x$ | 10 |
# | `cycle_Y` | $G(F(y))$ is not $y$ | 10 |
# | `identity` | $G(y)$ is not $y$; $F(x)$ is not $x$ | 5 |
# | `loss_D_X`, `loss_D_Y` | a discriminator is wrong (Section 4) | 1 |
#
# **Exercise 9.6** · *All that the generators pay* · difficulty ●●●○○ · importance ●●●●● · 15 minutes · 3 points
#
# - Return a dictionary with exactly the five names "loss_G", "loss_F", "cycle_X", "cycle_Y", "identity"; scalars, **without** the weights.
# - The adversarial losses are the least-squares loss of G from Section 4. The other three are mean absolute differences; "identity" is the sum of its two halves.
# - You may use your functions from above. Avoid computing the same translation twice.
#
# <details><summary>Hint 1</summary>
#
# Compute `fake_y = G(x)` and `fake_x = F(y)` first. Which D rates which?
#
# </details>
# <details><summary>Hint 2</summary>
#
# `loss_G` is `(D_Y(fake_y) - 1).square().mean()`. The cycle continues from the fakes: `cycled_x = F(fake_y)`, compared with x.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `identity` is `(G(y) - y).abs().mean() + (F(x) - x).abs().mean()`: G gets an image of Y, which is what it should produce already.
#
# </details>


# %% tags=["exercise"]
def generator_losses(
    G: nn.Module, F: nn.Module, D_X: nn.Module, D_Y: nn.Module, x: Tensor, y: Tensor
) -> dict[str, Tensor]:
    """The five losses of the generators by name, without their weights."""
    # BEGIN SOLUTION
    fake_y, fake_x = G(x), F(y)
    cycled_x, cycled_y = F(fake_y), G(fake_x)
    same_y, same_x = G(y), F(x)
    return {
        "loss_G": (D_Y(fake_y) - 1).square().mean(),
        "loss_F": (D_X(fake_x) - 1).square().mean(),
        "cycle_X": (cycled_x - x).abs().mean(),
        "cycle_Y": (cycled_y - y).abs().mean(),
        "identity": (same_y - y).abs().mean() + (same_x - x).abs().mean(),
    }
    # END SOLUTION


# %%
generator_losses = check("9.6", generator_losses)

# %% [markdown]
# Training uses `cyclegan_step` from the package. It computes the same losses in fewer passes: instance norm keeps the images of a batch independent, so G can translate x and y together. The discriminators are frozen while the generators are updated; then they are shown the fakes of the same step, through the pools. The next cell checks that its losses equal yours.


# %%
def unpaired(
    x: Tensor, y: Tensor, rng: torch.Generator, size: int = 4, crop: int = 0
) -> Iterator[tuple[Tensor, ...]]:
    """Endless unpaired batches; with `crop`, a square of that side at a random position."""
    for pair in zip(Batches(x, size=size, rng=rng), Batches(y, size=size, rng=rng)):
        if crop:
            last = x.shape[-1] - crop
            i, j = torch.randint(last + 1, (2,), generator=rng, device=rng.device).tolist()
            pair = tuple(images[..., i : i + crop, j : j + crop] for images in pair)
        yield pair


def new_networks(width: int, blocks: int, halvings: int, layers: int, seed: int) -> list[nn.Module]:
    """G, F, D_X, D_Y with the paper's initial weights, N(0, 0.02)."""
    rng = env.rng(seed, "cpu")
    nets = [new_generator(width, blocks, halvings) for _ in "GF"]
    nets += [cyclegan.PatchDiscriminator(3, 2 * width, layers) for _ in "XY"]
    return [init_normal(net, rng).to(device) for net in nets]


nets = new_networks(8, 1, 1, 2, seed=0)
batch = next(unpaired(train_x, train_y, env.rng(1)))
losses = generator_losses(*nets, *batch)
opt_G, opt_D = (Player(nn.ModuleList(pair), lr=0.0).opt for pair in (nets[:2], nets[2:]))
step_losses = cyclegan_step(*nets, opt_G, opt_D, iter([batch]), (nn.Identity(), nn.Identity()))
for name, weight in WEIGHTS.items():
    same = bool((losses[name] - step_losses[name]).abs() < 1e-3)
    print(f"{name:9} weight {weight:4.1f}   same as yours: {same}")

# %% [markdown]
# The next cell defines a training run. As in the paper: Adam with $\beta_1 = 0.5$, a pool of 50, learning-rate decay (constant for half of the steps, then linear to 0). Not as in the paper: batches of 4, a higher learning rate (we train for minutes, they trained for 200 epochs), and an EMA of the generators. One `Player` holds both generators, another both discriminators.

# %%
WIDTH, BLOCKS, HALVINGS = env.budget(smoke=(8, 1, 1), cpu=(16, 4, 1), gpu=(32, 6, 2))
STEPS, RATE = env.budget(smoke=(6, 1e-3), cpu=(750, 1e-3), gpu=(1200, 5e-4))


def train_cyclegan(
    title: str, x: Tensor, y: Tensor, rng: torch.Generator, steps: int = STEPS, *,
    weights: Mapping[str, float] = WEIGHTS, losses: tuple[Callable, Callable] = LSGAN,
    halvings: int = HALVINGS, layers: int = 2, size: int = 4, crop: int = 0,
    seed: int = 0, fresh: bool = False,
) -> tuple[nn.Module, nn.Module, list]:
    """Train a CycleGAN; returns the EMA of G, the EMA of F, and the records.

    ``rng`` draws the batches, ``seed`` decides the initial weights and the draws of the pools.
    """
    nets = new_networks(WIDTH, BLOCKS, halvings, layers, 100 + seed)
    adam = {"lr": RATE, "steps": steps, "betas": (0.5, 0.999)}
    GF = Player(nn.ModuleList(nets[:2]), **adam, ema=0.995)  # both generators
    D = Player(nn.ModuleList(nets[2:]), **adam)  # both discriminators
    batches, rng_pools = unpaired(x, y, rng, size, crop), env.rng(seed)
    pools = cyclegan.ImagePool(50, rng_pools), cyclegan.ImagePool(50, rng_pools)

    def step() -> dict[str, Tensor]:
        values = cyclegan_step(*nets, GF.opt, D.opt, batches, pools, weights, losses, env.autocast)
        GF.advance()  # learning rate, EMA
        D.advance()
        return values

    keep = {"GF": GF, "D": D, "rng": rng, "rng_pools": rng_pools}
    keep |= {"pool_X": pools[0], "pool_Y": pools[1]}
    used = "-".join(f"{weight:g}" for weight in {**WEIGHTS, **weights}.values())
    folder = env.run_dir("09_cyclegan") / f"{title} {used} {losses[1].__name__}"
    options = {"record_every": max(1, steps // 20), "title": title, "fresh": fresh}
    return *GF.average, list(train(step, steps, keep, folder, **options))


# %% tags=["training", "nbval-ignore-output"]
G, F, records = train_cyclegan("all losses", garden.x, garden.y, env.rng(10))
similarity = ("cycle_X", "cycle_Y", "identity")
adversarial = ("loss_G", "loss_F", "loss_D_X", "loss_D_Y")
groups = {"mean absolute difference": similarity, "least-squares loss": adversarial}
fig, axes = panels(2, width=4.4)
for ax, (label, names) in zip(axes, groups.items(), strict=True):
    curves = {name: [r.losses[name] for r in records] for name in names}
    plot_curves([r.step for r in records], curves, xlabel="step", ylabel=label, ax=ax)
show(fig, alt="Left: cycle and identity losses over the steps. Right: the adversarial losses.")
print(f"{records[-1].step} steps in {records[-1].seconds:.0f} seconds")
first, last = records[0].losses, records[-1].losses
env.expect(
    "the cycle and identity losses fall", all(last[name] < first[name] for name in similarity),
    "a loss in the left panel did not fall; usually all three do.",
)

# %% [markdown]
# *Figure 9.5. The losses of one run.* The curves on the left should fall. Those on the right say little about the quality of the images, since the generators and the discriminators are trained at the same time.

# %% tags=["nbval-ignore-output"]
def translate(G: nn.Module, F: nn.Module) -> dict[str, Tensor]:
    """The test flowers, translated both ways, and from day to dusk and back."""
    fake_y = in_batches(G, day)
    return {"fake_y": fake_y, "cycled_x": in_batches(F, fake_y), "fake_x": in_batches(F, dusk)}


full = translate(G, F)
rows = {"x, by day": day, "G(x)": full["fake_y"], "true dusk": dusk, "F(G(x))": full["cycled_x"]}
rows |= {"y, at dusk": dusk, "F(y)": full["fake_x"]}
show_rows(rows, alt="Six rows: flowers by day, G(x), true dusk, F(G(x)), flowers at dusk, F(y).")
untrained = translate(*new_networks(WIDTH, BLOCKS, HALVINGS, 2, seed=100)[:2])
cycle_l1, cycle_l1_start = (error(run["cycled_x"], day) for run in (full, untrained))
env.report(cycle_l1=cycle_l1, cycle_l1_start=cycle_l1_start)
env.expect(
    "training at least halves the error of the round trip", cycle_l1 < cycle_l1_start / 2,
    f"it went from {cycle_l1_start:.3f} to {cycle_l1:.3f}; usually it falls much further.",
)

# %% [markdown]
# *Figure 9.6. Flowers that no network was trained on. Compare the second row with the third.* Ground, position, number of petals and colour should be those of the source, with stripes added. Look for errors, too, such as stripes that are softer than the true ones.
#
# ## 8. What does each loss contribute?
#
# This is an **ablation**: we train again for the same number of steps, and each time omit one thing: the cycle loss, one direction of it, or the identity loss. The last is run twice, the second time with another seed; all other runs start from the same initial weights. On a GPU one more run uses the log loss of notebook 02 instead of least squares.

# %% tags=["training", "nbval-ignore-output"]
VARIANTS = {
    "no cycle": {"weights": {"cycle_X": 0.0, "cycle_Y": 0.0}},
    "one direction": {"weights": {"cycle_Y": 0.0}},
    "no identity": {"weights": {"identity": 0.0}},
    "no identity, 2": {"weights": {"identity": 0.0}, "seed": 2},
}
if env.profile() != "cpu":  # to save time
    VARIANTS["log loss"] = {"losses": (gan.discriminator_loss, gan.non_saturating_loss)}
runs = {"all losses": full}
for name, options in VARIANTS.items():
    rng = env.rng(10 + options.get("seed", 0))
    G_variant, F_variant, _ = train_cyclegan(name, garden.x, garden.y, rng, **options)
    runs[name] = translate(G_variant, F_variant)
rows = {"by day": day, **{name: run["fake_y"] for name, run in runs.items()}, "true dusk": dusk}
show_rows(rows, alt="Flowers by day; one row of translations for each variant; the true dusk.")
assert all(run["fake_y"].isfinite().all() for run in runs.values())

# %% tags=["nbval-ignore-output"]
HEADER = f"{'':15} pair error   colour kept   taken for dusk   round trip"
ROW = "{:15} {:10.3f} {:13.2f} {:16.2f} {:12.3f}"


def measure(fake_y: Tensor, cycled_x: Tensor) -> dict[str, float]:
    """Metrics of a translation of the test flowers, and the error of the round trip."""
    metrics = {"pair": error(fake_y, dusk), "colour": colour_kept(fake_y)}
    return metrics | {"dusk": taken_for(fake_y, 1), "cycle": error(cycled_x, day)}


table = {"untranslated": measure(day, day)}
table["recoloured"] = measure(recoloured, recolour(recoloured, like=train_x))
table |= {name: measure(run["fake_y"], run["cycled_x"]) for name, run in runs.items()}
print(HEADER)
for name, row in table.items():
    print(ROW.format(name, *row.values()))
complete, no_cycle, no_identity = (table[n] for n in ("all losses", "no cycle", "no identity"))
env.report(pair_error=complete["pair"], pair_error_no_cycle=no_cycle["pair"])
env.report(colour_kept=complete["colour"], colour_kept_no_identity=no_identity["colour"])
env.report(domain_accuracy=complete["dusk"], domain_accuracy_back=taken_for(full["fake_x"], 0))
env.report(pair_error_back=error(full["fake_x"], day))
env.expect(
    "without the cycle loss both the pair error and the error of the round trip are larger",
    complete["pair"] < no_cycle["pair"] and complete["cycle"] < no_cycle["cycle"],
    "see the rows 'all losses' and 'no cycle'; usually both errors are clearly larger without it.",
)
env.expect(
    "all losses: the colours are kept, and the translations are taken for dusk",
    complete["colour"] >= 0.7 and complete["dusk"] >= 0.9,
    f"the shares are {complete['colour']:.2f} and {complete['dusk']:.2f}; usually above 0.9.",
)

# %% [markdown]
# *Figure 9.7 and its numbers.* Read the table from the top.
#
# - **All losses:** is the translation closer to the truth than recolouring, do the petals keep their colours, and is it taken for dusk?
# - **No cycle:** "taken for dusk" should hardly change, since the cycle loss does not concern style. Look at the pair error and the round trip instead. (Copying the input gives a perfect round trip: see the first row.)
# - **One direction** of the cycle: "round trip" is the trip from x, the direction that was trained here.
# - **No identity:** compare the colours with the round trip. In the run recorded here most colours were lost with both seeds, but the round trip became only somewhat worse. Section 9 asks how that can be.
# - **The log loss** runs in the profile `gpu` only.
#
# Only "no identity" has a second seed; the others are one run each, so don't interpret small differences.
#
# Now look at the column "taken for dusk" alone: does it distinguish the best run from the worst? A metric of style does not measure content.
#
# ## 9. What the cycle does not forbid
#
# **Exercise 9.7** · *What the cycle does not forbid* · difficulty ●●●○○ · importance ●●●●● · 8 minutes · 2 points
#
# Suppose there is no identity loss. Compared with the true translation, which of these could G do, with a suitable F, without increasing any of `loss_G`, `loss_F`, `cycle_X` and `cycle_Y`?
#
# - `"a"`: Paint all petals red at dusk.
# - `"b"`: Make everything dark and leave out the stripes.
# - `"c"`: Make red petals blue at dusk and blue petals red, always.
# - `"d"`: None of these: the four losses force the true translation.
#
# <details><summary>Hint 1</summary>
#
# $D_Y$ gets fakes and real images. It does not get the x that a fake was made from.
#
# </details>
# <details><summary>Hint 2</summary>
#
# The cycle losses are 0 if F undoes exactly what G does. For which of them does such an F exist?
#
# </details>
# <details><summary>Hint 3</summary>
#
# Swapping two things twice restores both; and a set of flowers at dusk in which red and blue are swapped is still a set of flowers at dusk.
#
# </details>

# %% tags=["exercise"]
letter = ...  # a letter in quotes
# BEGIN SOLUTION
letter = "c"
# END SOLUTION

# %%
letter = check("9.7", letter)

# %% [markdown] tags=["solution"]
# **c.** The swap is one-to-one, so F can undo it, and it maps the real flowers at dusk onto themselves, where red and blue are equally frequent; so no D can detect it. With **a** the colours are lost and the cycle loss rises; besides, $D_Y$ can detect that all petals are red. With **b** it can detect that there are no stripes.

# %% [markdown]
# This can be shown without training. We know the true pairs, so we can construct such a translation: G draws each flower as it truly looks at dusk, but in the next colour of the list. F undoes this.

# %% tags=["nbval-ignore-output"]
print(HEADER)
for name, shift in {"true colour": 0, "next colour": 1}.items():
    fake_y = in_colour(true_colour + shift, at_dusk=True)  # G
    cycled_x = in_colour(colour_read(fake_y, at_dusk=True) - shift, at_dusk=False)  # F
    print(ROW.format(name, *measure(fake_y, cycled_x).values()))
assert error(cycled_x, day) < 1e-6 < error(fake_y, dusk) < error(recoloured, dusk)

# %% [markdown]
# The wrong translation is taken for dusk as often as the true one, and its round trip is as exact. (Zhu et al., Section 6, report such a swap: their network sometimes exchanged the labels of trees and buildings.) Strictly, not even the identity loss forbids it: a network could change the colours of images by day and leave images at dusk unchanged. But that is probably harder to learn: a network tends to map similar inputs to similar outputs. If red at dusk must stay red, it is easiest to keep red by day red, too. This is our explanation, not a measurement.
#
# Now to our trained networks. If G(x) has the wrong colour, can F still recover the right one? We classify the petals' colour twice: in the translation G(x), and after the round trip. The last column is a nearest-neighbour classifier: the five flowers with the most similar petals in G(x) vote on the colour of the source.

# %% tags=["nbval-ignore-output"]
def colour_guessed(x: Tensor) -> float:
    """Accuracy of the source's colour by vote of the 5 flowers with the most similar petals."""
    mean = petal_mean(x)
    distance = torch.cdist(mean, mean).fill_diagonal_(torch.inf)
    votes = true_colour[distance.topk(5, largest=False).indices]
    return (votes.mode(1).values == true_colour).float().mean().item()


print("petal colour right   in G(x)   in F(G(x))   by vote of neighbours in G(x)")
right = {}
for name, run in runs.items():
    fake_y, cycled_x = run["fake_y"], run["cycled_x"]
    right[name] = colour_kept(fake_y), colour_kept(cycled_x, at_dusk=False), colour_guessed(fake_y)
    print("{:18} {:9.2f} {:12.2f} {:31.2f}".format(name, *right[name]))
read = colour_read(runs["no identity"]["fake_y"], at_dusk=True)
confusion = torch.bincount(5 * true_colour + read, minlength=25).view(5, 5).cpu()
fig, (ax,) = panels(1, width=3.6, height=3.2)
ax.imshow(confusion.numpy(), cmap="Blues", vmin=0, vmax=tests / 2)
ax.set(xticks=range(5), xticklabels=COLOURS, xlabel="read in G(x)")
ax.set(yticks=range(5), yticklabels=COLOURS, ylabel="of the source")
for i, j in confusion.nonzero().tolist():
    ax.text(j, i, confusion[i, j].item(), ha="center", va="center")
show(fig, alt="Counts without the identity loss: colour of the source by row, read by column.")
seen, back, guessed = right["no identity"]
env.report(colour_seen_no_identity=seen, colour_back_no_identity=back)
env.report(colour_guessed_no_identity=guessed)
assert colour_guessed(dusk) > 0.8
env.expect(
    "all losses: colours right in G(x), in F(G(x)) and by vote", min(right["all losses"]) > 0.7,
    "see the first row of the table; usually all three shares are above 0.9.",
)

# %% [markdown]
# *Figure 9.8. What the colours become without the identity loss.* Each row is a colour of the source. In the run recorded here many petals changed their colour, and several colours became the same one. Both seeds changed them in much the same way (in Figure 9.7 white petals turn blue or violet). We have no explanation for that.
#
# Still, in that run more colours were right after the round trip than in G(x). Was the source's colour hidden somewhere in the image? Compare the last column: the mean colour of the petals in G(x) was enough to predict most source colours from examples. Our colour classifier only finds the nearest of the five *true* colours; F can learn which colour G uses for which. The cycle loss requires that information **survives**, not that it keeps its meaning. (It need not even stay visible: Chu, Zhmoginov and Sandler, 2017, found it in faint patterns on maps made from aerial photographs, and called that steganography.)
#
# ## 10. Shapes do not change
#
# The paper shows failures too: a dog that should become a cat hardly changes (Section 6). Colour and texture are easy, geometry is not. Does that happen here as well? We keep the networks and losses, and change the task: from flowers with 5 petals to flowers with 8. A test flower keeps all its other attributes, so again the true translation is known.

# %% tags=["training", "nbval-ignore-output"]
shapes = two_domains.few_and_many(count, 100, SIDE, env.rng(20))
five, eight = to_float(shapes.test_x), to_float(shapes.test_y)
G_shapes, _, _ = train_cyclegan("5 to 8 petals", shapes.x, shapes.y, env.rng(21), STEPS // 3)
translated = in_batches(G_shapes, five)
rows = {"5 petals": five, "G(x)": translated, "true, 8 petals": eight}
show_rows(rows, alt="Three rows: flowers with 5 petals; their translations; the true ones with 8.")
geometry = error(translated, eight) / error(five, eight)
style = complete["pair"] / table["untranslated"]["pair"]
print(f"error relative to untranslated images: petals {geometry:.2f}, day to dusk {style:.2f}")
env.report(geometry_ratio=geometry)
env.expect(
    "geometry: the translation removes less than half of the error", geometry > 0.5,
    f"the ratio for 5 to 8 petals is {geometry:.2f}; usually it is about 1 or more.",
)

# %% [markdown]
# *Figure 9.9. Count the petals in the middle row.* In the run recorded here there were still five. A ratio above 1 means that the error is larger than without any translation. That alone does not show that geometry is the obstacle: after a third of the steps, blur adds to the error. But in the paper full training did not change shapes either. Consider what is required: a petal must appear where there was ground, and the others must move aside; then F must find out which of eight petals to remove.
#
# ## 11. Real drawings
#
# Our flowers were drawn for this purpose. Does the method work on images that were not? We use emoji in two designs: Twemoji, flat, and OpenMoji, with black outlines. The *subjects* are split in three: one part is used for training in the first design only, one in the second only, and 200 subjects only for testing.
#
# The true partner of a test image is known. But the two designs differ in shape, and a pixel error would count every such difference against the translation. Retrieval is a better measure: among the 200 OpenMoji images, is the true partner of a translated Twemoji among the five most similar ones? Similarity is the cosine of pretrained features.
#
# **Exercise 9.8** · *Recall* · difficulty ●●○○○ · importance ●●●○○ · 10 minutes · 2 points
#
# - `queries` and `gallery` are (n, d); the true partner of query i is row i of the gallery.
# - A query counts 1 if its partner is among the k rows with the highest cosine, else 0. Return the mean, one number.
#
# <details><summary>Hint 1</summary>
#
# The cosine is the dot product of vectors of length 1: `nn.functional.normalize(queries, dim=1)`.
#
# </details>
# <details><summary>Hint 2</summary>
#
# One product gives all n x n cosines; `.topk(k, dim=1).indices` are the best k of each row.
#
# </details>
# <details><summary>Hint 3</summary>
#
# Compare the indices with `torch.arange(n)[:, None]`, take `any(dim=1)`, then the mean.
#
# </details>


# %% tags=["exercise"]
def recall_at(queries: Tensor, gallery: Tensor, k: int) -> float:
    """Share of queries whose partner is among the k most similar rows of the gallery."""
    # BEGIN SOLUTION
    a, b = (nn.functional.normalize(t, dim=1) for t in (queries, gallery))
    best = (a @ b.T).topk(k, dim=1).indices
    partner = torch.arange(len(a), device=a.device)[:, None]
    return (best == partner).any(dim=1).float().mean().item()
    # END SOLUTION


# %%
recall_at = check("9.8", recall_at)

# %% [markdown]
# The features come from EfficientNet-Lite0, as in notebook 06: its maps after the fifth of seven stages. They are pooled to 4 x 4 positions, because a translation must also keep the positions of things. We also show two other stages, to see how much the answer depends on this choice. Outlines are about one pixel wide at 32 x 32. So in the `cpu` profile this generator does not halve the resolution, and the receptive field of D is 16.

# %% tags=["training", "nbval-ignore-output"]
symbols = two_domains.designs(env.budget(smoke=40, cpu=200, gpu=200), SIDE, env.rng(0, "cpu"))
flat, outlined = to_float(symbols.test_x), to_float(symbols.test_y)
print(f"for training: {len(symbols.x)} in one design, {len(symbols.y)} others in the other")
steps, halvings, layers = env.budget(smoke=(4, 0, 1), cpu=(500, 0, 1), gpu=(1200, 1, 2))
options = {"halvings": halvings, "layers": layers}
G_emoji, F_emoji, _ = train_cyclegan("emoji", symbols.x, symbols.y, env.rng(30), steps, **options)
fake_y, fake_x = in_batches(G_emoji, flat), in_batches(F_emoji, outlined)
rows = {"x, Twemoji": flat, "G(x)": fake_y, "y, OpenMoji": outlined, "F(y)": fake_x}
rows |= {"F(G(x))": in_batches(F_emoji, fake_y)}
show_rows(rows, alt="Five rows of emoji: Twemoji, G(x), the same in OpenMoji, F(y), F(G(x)).")
assert error(flat, outlined) < error(flat, outlined.roll(1, 0))  # partners are alike

# %% [markdown]
# *Figure 9.10. Emoji of subjects that neither generator has seen. Images: Twemoji, © Twitter, Inc. and other contributors, [CC BY 4.0](https://creativecommons.org/licenses/by/4.0/); OpenMoji, [openmoji.org](https://openmoji.org), [CC BY-SA 4.0](https://creativecommons.org/licenses/by-sa/4.0/).* Compare edges, colours and positions. In the run recorded here G darkened edges and made colours paler, as in OpenMoji; F lightened outlines and removed some of them; neither moved anything.

# %% tags=["nbval-ignore-output"]
STAGES, K = (3, 5, 7), 5
imagenet = pretrained.classifier()
lite0 = imagenet.net
layers = nn.Sequential(lite0.conv_stem, lite0.bn1, *lite0.blocks)
tapped = [lite0.blocks[stage - 1] for stage in STAGES]
extractor = pretrained.Features(imagenet, layers, tapped, "EfficientNet-Lite0").to(device)


@torch.no_grad()
def features(x: Tensor) -> dict[int, Tensor]:
    """Maps of images at 64 x 64 after three of the network's stages, each as rows (B, d)."""
    x = nn.functional.interpolate(x.clamp(-1, 1), size=64, mode="bilinear", align_corners=False)
    pooled = [nn.functional.adaptive_avg_pool2d(m, min(4, m.shape[-1])) for m in extractor(x)]
    return {stage: maps.flatten(1) for stage, maps in zip(STAGES, pooled, strict=True)}


def partner_found(queries: Tensor, gallery: Tensor) -> Tensor:
    """Whether the partner of each query is among the K most similar: (n,)."""
    cosine = nn.functional.normalize(queries, dim=1) @ nn.functional.normalize(gallery, dim=1).T
    return (cosine > cosine.diagonal()[:, None]).sum(1) < K


x_maps, y_maps = features(flat), features(outlined)
directions = {"Twemoji": (x_maps, features(fake_y), y_maps)}
directions["OpenMoji"] = (y_maps, features(fake_x), x_maps)
print(f"recall at {K} among {len(flat)}; chance {K / len(flat):.3f}")
print("queries   stage   untranslated   translated   gained   lost")
recall = {}
for name, (plain, translated, gallery) in directions.items():
    for n in STAGES:
        recall[name, n] = [recall_at(maps[n], gallery[n], K) for maps in (plain, translated)]
        before, after = (partner_found(maps[n], gallery[n]) for maps in (plain, translated))
        gained, lost = int((after & ~before).sum()), int((before & ~after).sum())
        row = (name, n, *recall[name, n], gained, lost)
        print("{:9} {:5} {:14.3f} {:12.3f} {:8} {:6}".format(*row))
(there, there_G), (back, back_F) = recall["Twemoji", 5], recall["OpenMoji", 5]
env.report(emoji_recall_at_5_untranslated=there, emoji_partner_recall_at_5=there_G)
env.report(emoji_recall_at_5_back_untranslated=back, emoji_recall_at_5_back=back_F)
assert min(plain for plain, _ in recall.values()) > 2 * K / len(flat)
loss = sum(recall["Twemoji", n][0] - recall["Twemoji", n][1] for n in STAGES) / len(STAGES)
env.expect(
    "G loses at most 0.1 of the recall, on average over the stages", loss < 0.1,
    f"the recall falls by {loss:.2f}; usually it changes by a few hundredths.",
)

# %% [markdown]
# Compare with chance first: for about half of the untranslated images the partner is found. The network was trained to classify objects, so its features depend little on style, and a translation can't improve much. In the run recorded here the recall of G rose a little at the third and the fifth stage, and fell a little at the last. Note that we tried many metrics before we chose the fifth stage, and with most of them the untranslated images scored higher.
#
# Compare "gained" with "lost", the numbers of images whose partner is found only after the translation, or only before it. In that run the difference was within chance for G. F has to remove outlines and fill in what lies behind them; at the last stage it lost more than chance explains. So in that run 200 images show no loss of content by G, but some by F. They do not show that a translation makes partners easier to find.
#
# ## 12. Your own two domains
#
# Two folders of photos are enough: summer and winter, apples and oranges, your street by day and at night. Put both into one folder and name it below. A few hundred images each are enough to start with; take two domains that differ in colour and texture, not in shape (Section 10). Images are loaded a little larger than the network's input, and each step takes a square of 64 x 64 at a random position: this augments the data and limits the memory needed. If memory still runs out, lower SQUARE (a multiple of 4). If you change the images in the folder, retrain with `train_cyclegan(..., fresh=True)`.
#
# On a GPU, without a folder of yours, the paper's horses and zebras are downloaded (117 MB, checked by their SHA-256).

# %% tags=["training", "nbval-ignore-output"]
MY_IMAGES = None  # such as "~/pictures/seasons", with the folders summer and winter in it
SQUARE = 64
domains = None
try:
    if MY_IMAGES:
        domains = two_domains.of_folder(MY_IMAGES, SQUARE + 8)
    elif env.profile() == "gpu":
        domains = two_domains.horse2zebra(SQUARE + 8)
except CourseError as problem:
    print(problem)
if domains:
    print(f"{len(domains.x)} of {domains.names[0]}, {len(domains.y)} of {domains.names[1]}")
    title = f"own {Path(MY_IMAGES).name}" if MY_IMAGES else "horses and zebras"
    steps, size = env.budget(smoke=(4, 2), cpu=(600, 2), gpu=(1500, 4))
    options = {"size": size, "crop": SQUARE}
    G_own, F_own, _ = train_cyclegan(title, domains.x, domains.y, env.rng(40), steps, **options)
    n = min(8, len(domains.test_x), len(domains.test_y))
    x, y = (to_float(t[:n, :, :SQUARE, :SQUARE]) for t in (domains.test_x, domains.test_y))
    images = torch.cat([x, in_batches(G_own, x), y, in_batches(F_own, y)])
    alt = "Four rows: images of the first domain, translated; images of the second, translated."
    show(show_images(images, columns=n), alt=alt)
    assert images.shape[2:] == (SQUARE, SQUARE) and images.isfinite().all()
else:
    print("Name a folder in MY_IMAGES, and run this cell again.")

# %% [markdown]
# ## What we measured, and what the paper reports
#
# | | here | Zhu et al. (2017) |
# |---|---|---|
# | G | 16 maps, 4 blocks, one halving (profile `cpu`) | 64 maps, 6 or 9 blocks, two halvings |
# | D | patches of 34 pixels (larger than the image) | patches of 70 pixels |
# | losses | least squares, cycle 10, identity 5 | least squares, cycle 10; identity for paintings (in the authors' PyTorch code by default, 5) |
# | pool, optimizer | 50; Adam, $\beta_1 = 0.5$, learning-rate decay | the same |
# | learning rate, batch, length | 0.001, 4, 750 steps | 0.0002, 1, 200 epochs |
# | EMA of G and F | yes | no |
# | the truth | hidden pairs, exact | people (Mechanical Turk); a segmentation network's scores where pairs exist |
# | without the cycle | in the recorded run, style as before, larger pair error | ablation: worse by those scores |
# | geometry | still five petals in the recorded run, after a third of the steps | little success |
#
# The paper's figures can't be compared with ours: another task, other metrics. In the recorded run the conclusions agree: the cycle loss ties a translation to its source, and shapes do not change. The hidden pairs show one thing more: without the identity loss every translation was taken for dusk, and yet most petals had the wrong colour.
#
# Note how strong the simplest baseline is. Matching six numbers, a mean and a standard deviation per colour channel, removes about three quarters of the error. So "much closer than the untranslated image" may mean only that the image got darker.
#
# **A mistake worth making.** Raise the weight of the cycle until the round trip is perfect. What will G do?
#
# <details><summary>Answer</summary>
#
# The easiest perfect round trip is no translation: G and F copy their input, and the adversarial losses stay high. If the discriminators rule out copies, G must hide information about x in its output (steganography): the more exact the round trip, the more of it.
#
# </details>
#
# **References**
# - J.-Y. Zhu, T. Park, P. Isola, A. Efros, *Unpaired image-to-image translation using cycle-consistent adversarial networks*, 2017, arXiv 1703.10593. Losses: Equations 1 to 3; networks and training: Section 4 and appendix; identity loss: Section 5.2; failures: Section 6.
# - X. Mao and others, *Least squares generative adversarial networks*, 2017, arXiv 1611.04076.
# - P. Isola, J.-Y. Zhu, T. Zhou, A. Efros, *Image-to-image translation with conditional adversarial networks*, 2017, arXiv 1611.07004: the PatchGAN.
# - A. Shrivastava and others, *Learning from simulated and unsupervised images through adversarial training*, 2017: the pool of old fakes.
# - C. Chu, A. Zhmoginov, M. Sandler, *CycleGAN, a master of steganography*, 2017, arXiv 1712.02950.
#
# **Next:** notebook 10 collects tricks, and asks how to tell whether they help.
