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
# We have photos of horses and photos of zebras, but no pairs that show the same scene once with a horse and once with a zebra. Zhu, Park, Isola and Efros (2017) nevertheless trained networks that translate between them. Two discriminators learn what the images of each domain look like. One more loss preserves the content: an image that is translated there and back should equal the original.
#
# **You build:** two generators, trained with two discriminators on two sets that share no flower. They translate flowers by day into flowers at dusk and back. At the end you can use your own photographs.
#
# We draw the flowers ourselves, so the true translations are known, and errors can be measured.
#
# After this notebook you can
#
# - **build** the paper's generator, and **compute** the receptive field of a PatchGAN,
# - **write** the five losses of the generators,
# - **measure** a translation in three ways, and **tell** what each of them does not measure,
# - **explain** what the cycle loss does not forbid,
# - **apply** the code to two folders of photographs.
#
# | section | minutes |
# |---|---|
# | 1. Two domains | 12 |
# | 2. The generator (exercise 9.1) | 14 |
# | 3. A PatchGAN discriminator (9.2) | 14 |
# | 4. The least-squares loss (9.3) | 10 |
# | 5. Cycle consistency (9.4) | 10 |
# | 6. The full objective (9.6) | 25 |
# | 7. What does each loss contribute? | 15 |
# | 8. What the cycle does not forbid (9.7) | 14 |
# | 9. Drawings and photographs (9.8) | 22 |
#
# It builds on notebook 02 (the game), notebook 03 (convolutions, the exponential moving average, EMA), notebook 06 (a generator whose input is an image) and notebook 08 (residual blocks).

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
from gancourse.figures import panels, show, show_images
from gancourse.metrics.samples import in_batches
from gancourse.papers import cyclegan, gan
from gancourse.papers.blocks import count_parameters, init_normal, swap
from gancourse.papers.cyclegan import LSGAN, WEIGHTS, cyclegan_step
from gancourse.shapes import to_float
from gancourse.training import networks
from gancourse.training.loop import train
from gancourse.training.player import Player

# %% [markdown]
# ## 1. Two domains
#
# Domain X: flowers with plain petals, by day. Domain Y: flowers with striped petals, at dusk. No flower is in both sets. A third set is kept for testing: flowers drawn in both styles.

# %% tags=["nbval-ignore-output"]
device = env.device()
SIDE = env.budget(smoke=32, cpu=32, gpu=64)
count, tests = env.budget(smoke=(200, 60), cpu=(2000, 300), gpu=(5000, 500))
garden = two_domains.day_and_dusk(count, tests, SIDE, env.rng(0))
train_x, train_y = to_float(garden.x), to_float(garden.y)
print(f"for training: {count:,} by day, {count:,} others at dusk, {SIDE} x {SIDE} pixels")


def show_rows(
    rows: Mapping[str, Tensor], alt: str, columns: int = 12, height: float = 0.66
) -> None:
    """One row of images for each name, with the name to its left."""
    fig, axes = panels(1, rows=len(rows), width=8.6, height=height)
    for ax, (name, row) in zip(axes, rows.items(), strict=True):
        show_images(row[:columns], columns=columns, ax=ax)
        ax.set_ylabel(name, rotation=0, ha="right", va="center")
        ax.spines[:].set_visible(False)
    show(fig, alt=alt)


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
rows = {"X, day": train_x, "Y, dusk": train_y}
rows |= {"test, by day": day, "recoloured": recoloured, "test, at dusk": dusk}
show_rows(rows, alt="The domains differ in two ways: at dusk the background is dark and the petals "
          "are striped. Recoloured flowers are as dark, but have no stripes.")  # fmt: skip
print(f"error: untranslated {error(day, dusk):.2f}, recoloured {error(recoloured, dusk):.2f}")
assert error(recoloured, dusk) < error(day, dusk) / 2

# %% [markdown]
# *Figure 9.1. First and second row: different flowers, for training. Below: test flowers, drawn in both styles, and the baseline in the fourth row.* The baseline needs no training: each colour channel gets the mean and the standard deviation that it has at dusk. These six numbers remove about three quarters of the error. So compare translations with the recoloured images.
#
# An average over pixels says little about colours and stripes. So there are two more metrics.
#
# - **A colour classifier** without training. A petal pixel is one that changes when the flower is drawn in another colour. We compare the mean colour of an image's petal pixels with five means, one for each petal colour; the nearest one is the prediction.
# - **A domain classifier,** a network trained on four classes: day, dusk, day recoloured as dusk, and dusk recoloured as day. So an image that is only dark does not count as dusk.


# %% tags=["nbval-ignore-output"]
COLOURS, true_colour = list(flowers.PETAL_COLOURS), garden.looks.colour


def in_colour(colour: int, at_dusk: bool) -> Tensor:
    """The test flowers, all with petals of one colour."""
    looks = replace(garden.looks, colour=torch.full_like(true_colour, colour))
    return to_float(flowers.draw(looks, SIDE, at_dusk))


drawn = {at_dusk: [in_colour(c, at_dusk) for c in range(5)] for at_dusk in (False, True)}
petals = (drawn[False][0] != drawn[False][4]).any(dim=1, keepdim=True).float()  # (n, 1, side, side)


def petal_mean(x: Tensor) -> Tensor:
    """The mean colour of each flower's petals: (n, 3)."""
    return (x * petals).sum((2, 3)) / petals.sum((2, 3))


palette = {key: torch.stack([petal_mean(x).mean(0) for x in drawn[key]]) for key in drawn}


def colour_read(x: Tensor, at_dusk: bool) -> Tensor:
    """Index of the petal colour in images of the test flowers, in their order: (n,)."""
    return torch.cdist(petal_mean(x), palette[at_dusk]).argmin(1)


def colour_kept(x: Tensor, at_dusk: bool = True) -> float:
    """Share of images whose petals have the colour of the source."""
    return (colour_read(x, at_dusk) == true_colour).float().mean().item()


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


print(f"{'':14} taken for dusk   petal colour right")
for name, x in {"real, at dusk": dusk, "recoloured": recoloured}.items():
    print(f"{name:14} {taken_for(x, 1):14.2f} {colour_kept(x):20.2f}")
env.report(
    pair_error_untranslated=error(day, dusk), pair_error_recoloured=error(recoloured, dusk),
    judge_on_real=taken_for(dusk, 1), colour_read_on_real=colour_kept(dusk),
)
env.expect(
    "the domain classifier recognizes real test flowers at dusk", taken_for(dusk, 1) > 0.95,
    f"it recognizes {taken_for(dusk, 1):.0%}; usually nearly all.",
)

# %% [markdown]
# The first row tests both metrics on real flowers: both shares should be near 1. (The domain classifier was not trained on them; the five mean colours were computed from them.) The second row shows what recolouring lacks: the images have no stripes, so few should be taken for dusk, and many petals have a wrong colour.
#
# ## 2. The generator
#
# A generator gets an image and returns an image of the same size. The paper's generator (Sections 4 and 7.2) halves the resolution twice, applies a sequence of **residual blocks**, and doubles the resolution twice. In the paper's notation: `c7s1-64, d128, d256, R256 x 9, u128, u64, c7s1-3`. Here c7s1 is a 7 x 7 convolution with stride 1, d halves the resolution, u doubles it, R is a residual block, and the numbers are channels.
#
# A residual block, as in notebook 08, adds a correction to its input, $x + r(x)$, so the content of the image reaches the output directly.
#
# Convolutions pad the border by **reflection** to reduce artefacts there. **Instance norm** replaces batch norm: each channel of each image is normalized separately to mean 0 and variance 1, so no image depends on the others in its batch.
#
# **Exercise 9.1** · *A residual block with instance norm* · difficulty ●●○○○ · importance ●●●●○ · 10 minutes · 2 points
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

# %% [markdown]
# The narrow generator can be trained on a laptop in minutes. It halves the resolution once: after two halvings, 32 x 32 pixels would be 8 x 8, too coarse for these stripes.
#
# ## 3. A PatchGAN discriminator
#
# The cycle loss of Section 5 will preserve the content of an image. So D has to judge only the style (stripes, edges, light), which is visible in any small region. The paper's D returns a map of outputs, one for each patch of the image, and the loss is averaged over them. This is a **PatchGAN**: five convolutions of 4 x 4, in the authors' code the first three with stride 2.
#
# How large is a patch, the **receptive field** of one output? Work backwards from the output. In its own layer it covers 1 position. A convolution with kernel $k$ and stride $s$ turns $r$ positions into
#
# $$r \;\leftarrow\; (r - 1)\, s + k$$
#
# positions of the layer before it: the $r$ windows start $s$ positions apart, and each is $k$ wide.
#
# **Exercise 9.2** · *The receptive field of one output* · difficulty ●●○○○ · importance ●●●●○ · 10 minutes · 2 points
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
# Start with 1. In which order do you apply the rule to the layers?
#
# </details>
# <details><summary>Hint 3</summary>
#
# From the last layer to the first: `for kernel, stride in reversed(layers): field = (field - 1) * stride + kernel`.
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
# A test: for which pixels is the gradient of one output not 0? (Instance norm is removed: through its mean and variance every output depends a little on every pixel.)

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
    print(f"strided layers: {layers}; computed {computed}, by the gradient {side}")
    ax.imshow((seen / seen.max()).sqrt().numpy(), cmap="gray")
    ax.set(title=f"{side} x {side} of 128 x 128", xticks=[], yticks=[])
show(fig, alt="The receptive field grows with the strided layers: squares of side 16, 34 and 70, "
     "brightest in the middle.")  # fmt: skip
env.report(receptive_field=computed)

# %% tags=["test"]
assert paper_size == 11_378_179  # as in the authors' code
assert count_parameters(cyclegan.PatchDiscriminator()) == 2_764_737
assert side == computed == 70

# %% [markdown]
# *Figure 9.2. The receptive field of one output, and the weight of each pixel (square root of the gradient's size).* Three strided layers give 70, as in the paper. Pixels at the edge of a patch count less than those in the middle.
#
# For images of 32 x 32 we take two strided layers: the receptive field of 34 covers nearly the whole image, so this D differs from a discriminator of whole images mainly by averaging its outputs. The domains differ in ground and light as well as in stripes, and need no smaller patch.
#
# ## 4. The least-squares loss
#
# The paper replaces the log loss of notebook 02 by least squares (LSGAN, Mao et al. 2017). D's output is used as it is, without a sigmoid, and should be 1 for real and 0 for fake:
#
# $$\mathcal L_D = \tfrac12\Big(\mathbb E_y\big[(D(y) - 1)^2\big] + \mathbb E_x\big[D(G(x))^2\big]\Big), \qquad \mathcal L_G = \mathbb E_x\big[(D(G(x)) - 1)^2\big].$$
#
# **Exercise 9.3** · *Least squares for both players* · difficulty ●○○○○ · importance ●●●●○ · 8 minutes · 2 points
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

# %% [markdown]
# The derivative of G's loss with respect to D's output, $2\,(D(G(x)) - 1)$, is proportional to the distance from 1. So a fake that D clearly rejects has a large gradient, where the saturating log loss has almost none. And a fake that D rates *above* 1 is moved back towards 1, where the non-saturating log loss becomes flat.
#
# The paper halves D's loss so that D learns more slowly than G (Section 7.1). With Adam a constant factor has almost no effect, because each gradient is divided by an estimate of its size. To slow D down, lower its learning rate.
#
# ## 5. Cycle consistency
#
# A generator that turns each x into some unrelated image of Y can have a low adversarial loss: unpaired sets do not tell which image at dusk belongs to which image by day.
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
# **Exercise 9.4** · *The round trip* · difficulty ●●○○○ · importance ●●●●● · 8 minutes · 2 points
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
# ## 6. The full objective
#
# Two losses of the generators are adversarial, two are cycle losses. The fifth is the **identity loss** (Section 5.2 of the paper): a generator that gets an image of its *target* domain should leave it unchanged, $G(y) = y$ and $F(x) = x$. The paper adds it for paintings and for photo enhancement; in the authors' PyTorch code it is on by default, with half the weight of the cycle loss.
#
# | name | is large when | weight |
# |---|---|---|
# | `loss_G` | $D_Y$ detects $G(x)$ | 1 |
# | `loss_F` | $D_X$ detects $F(y)$ | 1 |
# | `cycle_X` | $F(G(x))$ is not $x$ | 10 |
# | `cycle_Y` | $G(F(y))$ is not $y$ | 10 |
# | `identity` | $G(y)$ is not $y$; $F(x)$ is not $x$ | 5 |
#
# **Exercise 9.6** · *The losses of the generators* · difficulty ●●●○○ · importance ●●●●● · 15 minutes · 3 points
#
# - Return a dictionary with exactly the five names "loss_G", "loss_F", "cycle_X", "cycle_Y", "identity"; scalars, **without** the weights.
# - The adversarial losses are the least-squares loss of G from Section 4. The other three are mean absolute differences; "identity" is the sum of its two halves.
# - Compute each translation once (so `round_trips` does not help here).
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
# Training uses `cyclegan_step` from the package. It computes the same losses in fewer passes: with instance norm the images of a batch do not affect each other, so G can process x and y in one batch. The discriminators are frozen while the generators are updated.
#
# Then the discriminators are updated, partly on older fakes. If D is shown only the newest fakes, training may oscillate: G may return to an error that D no longer detects. So the paper keeps an **image pool** of 50 fakes. Once it is full, with probability 1/2 a new fake is shown to D. Otherwise it replaces a random image of the pool, and D is shown the image that was replaced (`cyclegan.ImagePool`).
#
# The next cell defines a training run. As in the paper and the authors' code: initial weights from N(0, 0.02), Adam with $\beta_1 = 0.5$, a pool of 50, and a learning rate that is constant for half of the run and then decays linearly to 0. Not as in the paper: batches of 4, a higher learning rate and far fewer steps, no augmentation, and an EMA of the generators.


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


WIDTH, BLOCKS, HALVINGS = env.budget(smoke=(8, 1, 1), cpu=(16, 4, 1), gpu=(32, 6, 2))
STEPS, RATE = env.budget(smoke=(6, 1e-3), cpu=(750, 1e-3), gpu=(1200, 5e-4))


def train_cyclegan(
    title: str, x: Tensor, y: Tensor, rng: torch.Generator, steps: int = STEPS, *,
    weights: Mapping[str, float] = WEIGHTS, halvings: int = HALVINGS, layers: int = 2,
    size: int = 4, crop: int = 0, seed: int = 0, fresh: bool = False,
) -> tuple[nn.Module, nn.Module, list]:
    """Train a CycleGAN; returns the EMAs of G and F, and the records. ``rng`` draws the batches."""
    nets = new_networks(WIDTH, BLOCKS, halvings, layers, 100 + seed)
    adam = {"lr": RATE, "steps": steps, "betas": (0.5, 0.999)}
    GF = Player(nn.ModuleList(nets[:2]), **adam, ema=0.995)  # both generators
    D = Player(nn.ModuleList(nets[2:]), **adam)  # both discriminators
    batches, rng_pools = unpaired(x, y, rng, size, crop), env.rng(seed)
    pools = cyclegan.ImagePool(50, rng_pools), cyclegan.ImagePool(50, rng_pools)

    def step() -> dict[str, Tensor]:
        values = cyclegan_step(*nets, GF.opt, D.opt, batches, pools, weights, LSGAN, env.autocast)
        GF.advance()  # learning rate, EMA
        D.advance()
        return values

    keep = {"GF": GF, "D": D, "rng": rng, "rng_pools": rng_pools}
    keep |= {"pool_X": pools[0], "pool_Y": pools[1]}
    used = "-".join(f"{weight:g}" for weight in {**WEIGHTS, **weights}.values())
    folder = env.run_dir("09_cyclegan") / f"{title} {used}"
    options = {"record_every": max(1, steps // 20), "title": title, "fresh": fresh}
    return *GF.average, list(train(step, steps, keep, folder, **options))


# %% tags=["test"]
nets = new_networks(8, 1, 1, 2, seed=0)
batch = next(unpaired(train_x, train_y, env.rng(1)))
losses = generator_losses(*nets, *batch)
opt_G, opt_D = (Player(nn.ModuleList(pair), lr=0.0).opt for pair in (nets[:2], nets[2:]))
step_losses = cyclegan_step(*nets, opt_G, opt_D, iter([batch]), (nn.Identity(), nn.Identity()))
assert all((losses[name] - step_losses[name]).abs() < 1e-3 for name in WEIGHTS)

# %% [markdown]
# The next cell measures a run: pair error, the two classifiers of Section 1, and the error of the round trip from day to dusk and back.


# %%
def translate(G: nn.Module, F: nn.Module) -> dict[str, Tensor]:
    """The test flowers, translated both ways, and from day to dusk and back."""
    fake_y = in_batches(G, day)
    return {"fake_y": fake_y, "cycled_x": in_batches(F, fake_y), "fake_x": in_batches(F, dusk)}


HEADER = f"{'':15} pair error   colour kept   taken for dusk   round trip"
ROW = "{:15} {:10.3f} {:13.2f} {:16.2f} {:12.3f}"


def measure(fake_y: Tensor, cycled_x: Tensor) -> dict[str, float]:
    """Metrics of a translation of the test flowers, and the error of the round trip."""
    metrics = {"pair": error(fake_y, dusk), "colour": colour_kept(fake_y)}
    return metrics | {"dusk": taken_for(fake_y, 1), "cycle": error(cycled_x, day)}


# %% tags=["training", "nbval-ignore-output"]
G, F, records = train_cyclegan("all losses", garden.x, garden.y, env.rng(10))
similarity = ("cycle_X", "cycle_Y", "identity")
first, last = records[0].losses, records[-1].losses
print(f"{records[-1].step} steps in {records[-1].seconds:.0f} seconds")
for name, net in {"day_to_dusk": G, "dusk_to_day": F}.items():  # networks.load reads them
    like = cyclegan.Generator(3, WIDTH, BLOCKS, HALVINGS)
    networks.save(net, env.run_dir("09_cyclegan") / f"{name}.safetensors", like=like)
for name in similarity:
    print(f"{name:8} at first {first[name]:.3f}, at last {last[name]:.3f}")
env.expect(
    "the cycle and identity losses fall", all(last[name] < first[name] for name in similarity),
    "see the three losses above; usually all of them fall.",
)

# %% tags=["nbval-ignore-output"]
full = translate(G, F)
rows = {"x, by day": day, "G(x)": full["fake_y"], "true dusk": dusk, "F(G(x))": full["cycled_x"]}
rows |= {"y, at dusk": dusk, "F(y)": full["fake_x"]}
show_rows(rows, alt="Twelve flowers: G(x) has the dark ground and the stripes of the true dusk, in "
          "the colour of the source; F(y) has plain petals by day.")  # fmt: skip
untrained = translate(*new_networks(WIDTH, BLOCKS, HALVINGS, 2, seed=100)[:2])
cycle_l1, cycle_l1_start = (error(run["cycled_x"], day) for run in (full, untrained))
env.report(cycle_l1=cycle_l1, cycle_l1_start=cycle_l1_start)
env.expect(
    "training at least halves the error of the round trip", cycle_l1 < cycle_l1_start / 2,
    f"it went from {cycle_l1_start:.3f} to {cycle_l1:.3f}; usually it falls much further.",
)

# %% [markdown]
# *Figure 9.3. Flowers that no network was trained on. Compare the second row with the third.* G(x) should match the true dusk: colours and stripes usually do, while the outlines of some petals are lost in the stripes.
#
# ## 7. What does each loss contribute?
#
# An **ablation**: we train again, from the same initial weights, without the cycle loss, then without the identity loss.

# %% tags=["training", "nbval-ignore-output"]
VARIANTS = {
    "no cycle": {"cycle_X": 0.0, "cycle_Y": 0.0},
    "no identity": {"identity": 0.0},
}
runs = {"all losses": full}
for name, weights in VARIANTS.items():
    runs[name] = translate(
        *train_cyclegan(name, garden.x, garden.y, env.rng(10), weights=weights)[:2]
    )
rows = {"by day": day, **{name: run["fake_y"] for name, run in runs.items()}, "true dusk": dusk}
show_rows(rows, alt="Twelve flowers by day, translated by three variants: all add stripes, but "
          "without the cycle or the identity loss many colours change.")  # fmt: skip
table = {"untranslated": measure(day, day)}
table["recoloured"] = measure(recoloured, recolour(recoloured, like=train_x))
table |= {name: measure(run["fake_y"], run["cycled_x"]) for name, run in runs.items()}
print(HEADER)
for name, row in table.items():
    print(ROW.format(name, *row.values()))
complete, no_cycle, no_identity = (table[name] for name in runs)
env.report(
    pair_error=complete["pair"], pair_error_no_cycle=no_cycle["pair"],
    colour_kept=complete["colour"], colour_kept_no_identity=no_identity["colour"],
    domain_accuracy=complete["dusk"], domain_accuracy_back=taken_for(full["fake_x"], 0),
    pair_error_back=error(full["fake_x"], day),
)
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
# *Figure 9.4. Translations by three variants.* Read the table from the top. Copying the input gives a perfect round trip (first row), so a low error there is no success by itself. (The first row's colours are read by day's means at dusk, so few are right.) In the run recorded here only the variant with all losses keeps both content and colour: its pair error is less than half of recolouring's. "Taken for dusk" does not distinguish the variants, since it measures style, not content. These are single runs; which colours change differs from run to run.
#
# ## 8. What the cycle does not forbid
#
# **Exercise 9.7** · *Undetectable errors* · difficulty ●●●○○ · importance ●●●●● · 8 minutes · 2 points
#
# All petal colours are equally frequent in both domains. Suppose there is no identity loss. Which of these could G do, with a suitable F, so that none of `loss_G`, `loss_F`, `cycle_X` and `cycle_Y` is larger than for the true translation?
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
# **c.** The swap is one-to-one, so F can undo it; and since red and blue are equally frequent, it does not change the distribution of flowers at dusk, so no D can detect it. With **a** red petals are too frequent among the fakes, which $D_Y$ can detect; with **b** it can detect that there are no stripes.

# %% [markdown]
# The paper reports such exchanges: labels of trees and buildings were sometimes swapped (Section 6), and without the identity loss paintings of daytime often became photographs of sunsets (Section 5.2).
#
# If our G changes a colour, can F still recover it? We classify the petals' colour in G(x), and again after the round trip.

# %% tags=["nbval-ignore-output"]
print("petal colour right   in G(x)   in F(G(x))")
right = {}
for name, run in runs.items():
    right[name] = colour_kept(run["fake_y"]), colour_kept(run["cycled_x"], at_dusk=False)
    print("{:18} {:9.2f} {:12.2f}".format(name, *right[name]))
read = colour_read(runs["no identity"]["fake_y"], at_dusk=True)
confusion = torch.bincount(5 * true_colour + read, minlength=25).view(5, 5).cpu()
fig, (ax,) = panels(1, width=4, height=3.4)
ax.imshow(confusion.numpy(), cmap="Blues", vmin=0, vmax=2 * int(confusion.max()))
ax.set(xticks=range(5), xticklabels=COLOURS, xlabel="colour in G(x)")
ax.set(yticks=range(5), yticklabels=COLOURS, ylabel="colour of the source")
for i, j in confusion.nonzero().tolist():
    ax.text(j, i, confusion[i, j].item(), ha="center", va="center")
show(fig, alt="Confusion matrix of five petal colours. Without the identity loss several rows have "
     "large numbers off the diagonal.")  # fmt: skip
seen, back = right["no identity"]
env.report(colour_seen_no_identity=seen, colour_back_no_identity=back)
env.expect(
    "without the identity loss, more colours are right in F(G(x)) than in G(x)", back > seen,
    f"the shares are {back:.2f} and {seen:.2f}; usually the first is larger.",
)

# %% [markdown]
# *Figure 9.5. What the petal colours become without the identity loss: number of test flowers, in one run.* The diagonal holds the petals that kept their colour. In the run recorded here white petals became violet or blue.
#
# Without the identity loss more colours are right in F(G(x)) than in G(x), so G(x) still contains information about the source's colour. The cycle loss requires that the information about the source **survives** in G(x), not that it keeps its meaning. It may be hidden in faint patterns, as Chu, Zhmoginov and Sandler (2017) found on maps made from aerial photographs; we did not test that.
#
# ## 9. Drawings and photographs
#
# Two folders of photographs are enough: summer and winter, apples and oranges, your street by day and at night. Put both into one folder and name it in `MY_IMAGES`, or write "horse2zebra" for the paper's horses and zebras (a download of 117 MB). A few hundred images each are enough to start with. Choose domains that differ in colour and texture: where shapes had to change, as from dogs to cats, the paper had "little success" (Section 6).
#
# With `MY_IMAGES = None` nothing is downloaded, and the domains are emoji, not photographs: X has flat ones (Twemoji), Y has others with black outlines (OpenMoji). The outlines are about one pixel wide at 32 x 32. So this generator does not halve the resolution, and the receptive field of D is 16.
#
# The true partner of a test emoji is known. But the designs differ in shape, so the pixel error would be large even for a good translation. So we use retrieval: among 200 OpenMoji images, is the true partner of a translated Twemoji among the five most similar ones? Similarity is the cosine of pretrained features.
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

# %%
MY_IMAGES = None  # "~/pictures/seasons" with the folders summer and winter in it; "horse2zebra"
SQUARE = 64
domains = None
try:
    if MY_IMAGES == "horse2zebra":
        domains = two_domains.horse2zebra(SQUARE + 8)
    elif MY_IMAGES:
        domains = two_domains.of_folder(MY_IMAGES, SQUARE + 8)
except CourseError as problem:
    print(problem)
if domains:
    own_x, own_y, title = domains.x, domains.y, Path(MY_IMAGES).name
else:
    emoji = two_domains.designs(200, SIDE, env.rng(0, "cpu"))
    own_x, own_y, title = emoji.x, emoji.y, "emoji"
print(f"{title}: {len(own_x)} images of X and {len(own_y)} of Y for training")

# %% [markdown]
# With photographs, each step takes a random square of 64 x 64 from each image. If you change the images in your folder, retrain with `train_cyclegan(..., fresh=True)`.

# %% tags=["training", "nbval-ignore-output"]
if domains:
    steps, size = env.budget(smoke=(4, 2), cpu=(600, 2), gpu=(1500, 4))
    options = {"steps": steps, "size": size, "crop": SQUARE}
    n = min(8, len(domains.test_x), len(domains.test_y))
    x, y = (to_float(t[:n, :, :SQUARE, :SQUARE]) for t in (domains.test_x, domains.test_y))
else:
    steps, halvings, layers = env.budget(smoke=(4, 0, 1), cpu=(500, 0, 1), gpu=(1200, 1, 2))
    options = {"steps": steps, "halvings": halvings, "layers": layers}
    n, x, y = 12, to_float(emoji.test_x[:12]), to_float(emoji.test_y[:12])
G_own, F_own, records = train_cyclegan(title, own_x, own_y, env.rng(30), **options)
print(f"{records[-1].step} steps in {records[-1].seconds:.0f} seconds")
rows = {"x": x, "G(x)": in_batches(G_own, x), "y": y, "F(y)": in_batches(F_own, y)}
rows["F(G(x))"] = in_batches(F_own, rows["G(x)"])
alt = "Five rows of test images: x, G(x), y, F(y), F(G(x)); see the caption for what changes."
show_rows(rows, alt, columns=n, height=8 / n)
assert all(images.isfinite().all() for images in rows.values())

# %% [markdown]
# *Figure 9.6. Test images of both domains, their translations, and a round trip. With `MY_IMAGES = None`: emoji; the true partners of the first row are in the third. Twemoji, © Twitter, Inc. and other contributors, [CC BY 4.0](https://creativecommons.org/licenses/by/4.0/); OpenMoji, [openmoji.org](https://openmoji.org), [CC BY-SA 4.0](https://creativecommons.org/licenses/by-sa/4.0/).* In the run recorded here G darkens some edges and F removes few outlines: 500 steps change the style only partly.
#
# Now the recall, for emoji. The features are EfficientNet-Lite0's maps after the fifth of seven stages, pooled to 4 x 4 positions, so that positions matter in the comparison.

# %% tags=["nbval-ignore-output"]
if not domains:
    imagenet = pretrained.classifier()
    parts = nn.Sequential(imagenet.net.conv_stem, imagenet.net.bn1, *imagenet.net.blocks)
    tapped = [imagenet.net.blocks[4]]
    extractor = pretrained.Features(imagenet, parts, tapped, "EfficientNet-Lite0").to(device)

    @torch.no_grad()
    def features(x: Tensor) -> Tensor:
        """The maps of images at 64 x 64, as rows (B, d)."""
        resized = nn.functional.interpolate(x.clamp(-1, 1), size=64, mode="bilinear")
        return nn.functional.adaptive_avg_pool2d(extractor(resized)[0], 4).flatten(1)

    flat, outlined = to_float(emoji.test_x), to_float(emoji.test_y)
    x, y = features(flat), features(outlined)
    there = recall_at(x, y, 5), recall_at(features(in_batches(G_own, flat)), y, 5)
    back = recall_at(y, x, 5), recall_at(features(in_batches(F_own, outlined)), x, 5)
    print(f"recall at 5 among {len(flat)}; chance {5 / len(flat):.3f}")
    env.report(
        emoji_recall_at_5_untranslated=there[0], emoji_partner_recall_at_5=there[1],
        emoji_recall_at_5_back_untranslated=back[0], emoji_recall_at_5_back=back[1],
    )
    env.expect(
        "G loses at most 0.1 of the recall", there[0] - there[1] < 0.1,
        f"it falls from {there[0]:.2f} to {there[1]:.2f}; usually by a few hundredths at most.",
    )

# %% [markdown]
# The features find many partners without a translation, so it can't improve much. What recall can show is a loss of content. With 200 images a difference of a few hundredths is within chance, and usually it is no larger: no clear loss.
#
# ## What we measured, and what the paper reports
#
# | | here (profile `cpu`) | Zhu et al. (2017) |
# |---|---|---|
# | G | 16 channels, 4 blocks, one halving | 64 channels, 6 or 9 blocks, two halvings |
# | D | 32 channels at first, receptive field 34 (emoji: 16) | 64 channels at first, receptive field 70 |
# | losses | least squares, cycle 10, identity 5 | least squares, cycle 10; identity for paintings and photo enhancement |
# | learning rate, batch, length | 0.001, 4, 750 steps | 0.0002, 1, 200 epochs |
# | without the cycle loss | one run: see Section 7 | the same label map for every photo (Figure 7) |
#
# The numbers can't be compared: task and metrics differ.
#
# **A mistake worth making.** Train with `weights={"cycle_X": 1000.0, "cycle_Y": 1000.0}`: the round trip becomes nearly perfect. (The easiest perfect round trip is no translation: G and F copy their input.)
#
# **References**
# - J.-Y. Zhu, T. Park, P. Isola, A. Efros, *Unpaired image-to-image translation using cycle-consistent adversarial networks*, 2017, arXiv 1703.10593.
# - X. Mao and others, *Least squares generative adversarial networks*, 2017, arXiv 1611.04076.
# - P. Isola, J.-Y. Zhu, T. Zhou, A. Efros, *Image-to-image translation with conditional adversarial networks*, 2017, arXiv 1611.07004: the PatchGAN.
# - A. Shrivastava and others, *Learning from simulated and unsupervised images through adversarial training*, 2017, arXiv 1612.07828: the pool of old fakes.
# - C. Chu, A. Zhmoginov, M. Sandler, *CycleGAN, a master of steganography*, 2017, arXiv 1712.02950.
#
# **Next:** notebook 10 collects tricks, and asks how to tell whether they help.
