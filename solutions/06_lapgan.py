# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown] tags=["header"]
# # 06 LAPGAN: from coarse to fine
#
# A painter does not begin with the eyelashes. First a few patches of colour, then shapes, then edges, and each step only adds what the one before left out. Denton, Chintala, Szlam and Fergus (2015) made a generator work like this: a small GAN draws 8 x 8 pixels, and at each doubling another GAN adds the missing detail. Their abstract reports that people took about 40 % of its CIFAR-10 samples for real photographs, and 10 % of those of a plain GAN.
#
# **You build:** a chain of four GANs that draws flowers at 64 x 64, each trained by itself.
#
# The result to reproduce is a picture: one row of samples at 8, 16, 32 and 64 pixels, coarse to fine.
#
# After this notebook you can
#
# - **take** a picture apart into a Laplacian pyramid, and **put** it together without error,
# - **write** a GAN whose condition is a picture: its generator, its discriminator, its chain,
# - **explain** why the levels can be trained apart, and what that costs,
# - **compare** two generators at equal seconds, and **find** the level that an error comes from,
# - **test** samples for copying, and **say** what such a test does not see.
#
# | section | minutes |
# |---|---|
# | 1 Why not all at once? | 6 |
# | 2 Halving and doubling (exercise 6.1) | 18 |
# | 3 The Laplacian pyramid (6.2, 6.3) | 30 |
# | 4 The coarsest level: a plain GAN | 8 |
# | 5 A conditional GAN for each doubling (6.4, 6.5) | 35 |
# | 6 The chain (6.6, 6.7) | 28 |
# | 7 Against one GAN for everything | 15 |
# | 8 A class for the first step | 8 |
# | 9 Does it copy? (6.8) | 20 |
#
# It builds on notebook 02 (the game), 03 (convolutions, the running average, the Fréchet distance) and 05 (conditions).

# %% tags=["setup"]
# written by gancourse build

# %%
import copy
import time
from collections.abc import Callable, Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancourse.classifiers import pretrained
from gancourse.classifiers.digit_judge import SmallClassifier
from gancourse.datasets import flowers, photos
from gancourse.datasets.batches import Batches
from gancourse.exercises import check
from gancourse.figures import panels, plot_bars, plot_curves, show, show_images
from gancourse.metrics.samples import frechet_distance, in_batches
from gancourse.papers import dcgan
from gancourse.papers.blocks import count_parameters, init_normal
from gancourse.papers.cgan import conditional_step
from gancourse.papers.gan import descend, ema_update, gan_step, r1_penalty
from gancourse.papers.lapgan import (
    BLUR,
    RESIDUAL_SCALE,
    CoarseDiscriminator,
    CoarseGenerator,
    gaussian,
    up,
)
from gancourse.shapes import to_float
from gancourse.training.loop import train
from gancourse.training.player import linear_decay
from gancourse.widgets import explore

# %% [markdown]
# ## 1 Why not all at once?
#
# Our data are flowers that the course draws itself, 64 x 64 pixels, as in notebook 04 but larger: five petal colours, three shapes, five to eight petals, two grounds, and on every second flower a bee. So there can be as many as we like, and pictures that no network has seen are at hand for every test.

# %% tags=["nbval-ignore-output"]
device = env.device()
N = env.budget(smoke=48, cpu=800, gpu=2000)  # pictures in each measurement
garden = flowers.load(env.budget(smoke=300, cpu=2500, gpu=20000), 64, env.rng(0, "cpu"))
meadow = flowers.load(2 * N, 64, env.rng(100, "cpu"))  # for measurements; never trained on
real, unseen = (to_float(drawn.images.to(device)) for drawn in (garden, meadow))
print(f"{len(real):,} flowers of {tuple(real.shape[1:])} to learn from, {len(unseen):,} others to measure with")
show(
    show_images(real[:32], columns=16),
    alt="Two rows of drawn flowers on green or light blue, in five colours; about half have a striped bee",
)
assert len(unseen) == 2 * N and real.abs().max() <= 1

# %% [markdown]
# *Figure 6.1. A few of the flowers.*
#
# A generator for these has two jobs. It must decide *what* there is and where: red petals, on green, a bee on the left. That is a global decision, and few numbers suffice for it. And it must draw *edges*: thousands of numbers, but each edge depends only on what lies right beside it. In DCGAN one network does both at once, and one discriminator judges both at once. If the edges are bad, D needs to look at nothing else, and G learns nothing about shapes.
#
# **The idea of this notebook:** split the picture into its coarse part and its details, and give each its own game. For that we first need the splitting.
#
# ## 2 Halving and doubling
#
# **First question: how do you make a picture smaller?** Keeping every second pixel looks like the obvious way. Here is what it does to stripes that are finer than the pixels of the small picture.

# %%
stripes = torch.cos(torch.arange(64) * 2 * torch.pi / 2.7).expand(1, 1, 64, 64).contiguous()
fig, axes = panels(2, width=2.8)
show_images(stripes, columns=1, title="64 x 64", ax=axes[0])
show_images(stripes[:, :, ::2, ::2], columns=1, title="every second pixel", ax=axes[1])
show(fig, alt="Left, fine vertical stripes. Right, much wider stripes that are not in the left picture.")
for name, row in {"full": stripes[0, 0, 0], "every second pixel": stripes[0, 0, 0, ::2]}.items():
    cycles = int(torch.fft.rfft(row)[1:].abs().argmax()) + 1  # the strongest frequency
    print(f"{name:18} {cycles} stripes across the picture")

# %% [markdown]
# *Figure 6.2. Fine stripes turn into coarse ones that were never there.* This is aliasing. The cure is to blur first, so that nothing finer than the new pixels is left.
#
# **Exercise 6.1** · *Halve a picture* · difficulty ●●○○○ · importance ●●●○○ · 12 minutes · 2 points
#
# Write $d(\cdot)$: blur, then keep every second pixel.
#
# - The blur has the weights $\tfrac18[1, 3, 3, 1]$ (`BLUR`), down the columns and along the rows: 16 weights in all, the outer product.
# - Output pixel $(i, j)$ is the weighted mean of rows $2i-1 \ldots 2i+2$ and columns $2j-1 \ldots 2j+2$. So the four weights lie symmetrically about the 2 x 2 block that the new pixel stands for.
# - Beyond the border, the border pixel is repeated.
# - Each colour by itself; any number of channels.
#
# <details><summary>Hint 1</summary>
#
# A convolution with stride 2 does both at once: it blurs, and computes only every second result. How many pixels of padding on each side make 4 x 4 weights with stride 2 halve the side exactly?
#
# </details>
# <details><summary>Hint 2</summary>
#
# `F.pad(x, (1, 1, 1, 1), mode="replicate")` repeats the border. `torch.outer(w, w)` makes the 16 weights.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `F.conv2d(padded, kernel.expand(channels, 1, 4, 4), stride=2, groups=channels)`: with one group a channel, each is blurred by itself.
#
# </details>


# %% tags=["exercise"]
def down(x: Tensor) -> Tensor:
    """Blur with BLUR in both directions and halve: (B, C, H, W) to (B, C, H/2, W/2)."""
    # BEGIN SOLUTION
    w = torch.tensor(BLUR, dtype=x.dtype, device=x.device)
    channels = x.shape[1]
    kernel = torch.outer(w, w).expand(channels, 1, 4, 4)
    padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
    return F.conv2d(padded, kernel, stride=2, groups=channels)
    # END SOLUTION


# %%
down = check("6.1", down)

# %% [markdown]
# The way back, $u(\cdot)$, doubles the side by bilinear interpolation: `up(x)`, from the package. Its weights are 1/4 and 3/4: yours run backwards, times two (each new pixel gets two of the four weights in each direction). It can't bring back what is lost; it makes a *smooth* guess. How much is lost?

# %%
print(f"contrast left in the stripes: {down(stripes)[0, 0, 4, 4:-4].std() / stripes.std():.2f}")
sides = (64, 32, 16, 8)
pictures = dict(zip(sides, gaussian(real, 3)))  # the package's down, three times
examples = torch.arange(12)


def as_64(x: Tensor) -> Tensor:
    """Any picture at 64 x 64, its pixels copied, for display."""
    return F.interpolate(x, size=64, mode="nearest")


rows = torch.cat([as_64(pictures[side][examples]) for side in sides])
show(
    show_images(rows, columns=len(examples), title="64, 32, 16, 8 pixels"),
    alt="Twelve flowers in four rows, sharp at 64 pixels; at 8 pixels only patches of colour are left.",
)

# %% [markdown]
# *Figure 6.3. Gaussian pyramids: pictures, halved three times.* Cover the upper rows and look at the lowest: you can still say which colour a flower has and whether there is a bee. How many petals it has you can't say. That last row has 8 · 8 · 3 = 192 numbers, 64 times fewer than the first.
#
# ## 3 The Laplacian pyramid
#
# **Next question: what exactly is lost at each halving?** Whatever the smooth guess gets wrong:
#
# $$h_k = I_k - u(I_{k+1}), \qquad I_{k+1} = d(I_k).$$
#
# These residuals, together with the last small picture, are the **Laplacian pyramid** (Burt and Adelson, 1983).
#
# ```
# I0 64x64 ----d----> I1 32x32 ----d----> I2 16x16 ----d----> I3 8x8     kept
#   |                   |  |                |  |                |
#   - <------u----------+  - <-----u--------+  - <-----u--------+
#   |                      |                   |
#  h0 64x64  kept         h1 32x32  kept      h2 16x16  kept
# ```
#
# **Exercise 6.2** · *Take a picture apart* · difficulty ●●○○○ · importance ●●●●● · 12 minutes · 3 points
#
# - Return a list: residuals first, the finest at the front, and the coarsest **picture** at the end. `levels + 1` tensors.
# - `levels=0` returns `[x]`.
# - `x` stays as it is.
#
# <details><summary>Hint 1</summary>
#
# In each round: halve, subtract the doubled half, keep the difference. What does the next round start with?
#
# </details>
# <details><summary>Hint 2</summary>
#
# The next round starts with the halved picture, not with the residual.
#
# </details>
# <details><summary>Hint 3</summary>
#
# In the loop: `smaller = down(x)`, `parts.append(x - up(smaller))`, `x = smaller`. After it: `[*parts, x]`.
#
# </details>


# %% tags=["exercise"]
def laplacian(x: Tensor, levels: int) -> list[Tensor]:
    """Residuals, finest first, then the coarsest picture; levels + 1 tensors."""
    # BEGIN SOLUTION
    parts = []
    for _ in range(levels):
        smaller = down(x)
        parts.append(x - up(smaller))
        x = smaller
    return [*parts, x]
    # END SOLUTION


# %%
laplacian = check("6.2", laplacian)

# %% [markdown]
# **Exercise 6.3** · *Put it together again* · difficulty ●○○○○ · importance ●●●●● · 8 minutes · 2 points
#
# - Return the picture from which `laplacian` made `parts`.
# - Leave the list as it is.
#
# <details><summary>Hint 1</summary>
#
# Solve $h_k = I_k - u(I_{k+1})$ for $I_k$.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Start with `parts[-1]` and walk through the residuals from coarse to fine: `reversed(parts[:-1])`.
#
# </details>
# <details><summary>Hint 3</summary>
#
# One line in the loop: `x = up(x) + residual`. Nothing is clipped.
#
# </details>


# %% tags=["exercise"]
def reconstruct(parts: list[Tensor]) -> Tensor:
    """The picture whose Laplacian pyramid is `parts`."""
    # BEGIN SOLUTION
    x = parts[-1]
    for residual in reversed(parts[:-1]):
        x = up(x) + residual
    return x
    # END SOLUTION


# %%
reconstruct = check("6.3", reconstruct)

# %%
some = real[:300]
error = (reconstruct(laplacian(some, 3)) - some).abs().max()
noise = torch.randn(8, 3, 64, 64, generator=env.rng(0), device=device)
noise_error = (reconstruct(laplacian(noise, 3)) - noise).abs().max()
print("reconstruction within 0.00001:", bool(error <= 1e-5), "and of pure noise:", bool(noise_error <= 1e-5))
assert error <= 1e-5 and noise_error <= 1e-5

# %% tags=["nbval-ignore-output"]
env.report(reconstruction_error=error)
assert error <= 1e-5

# %% [markdown]
# Exact but for rounding, for flowers and for pure noise. It is no property of flowers, nor of our blur: whatever $d$ and $u$ are, each residual was computed from them. So a generator that draws good residuals loses nothing. And residuals are *easy* things to draw:

# %% tags=["nbval-ignore-output"]
crops = torch.cat([photos.square(photo, 256).unfold(2, 64, 64).unfold(3, 64, 64) for photo in photos.load().values()])
crops = crops.permute(0, 2, 3, 1, 4, 5).flatten(0, 2)  # 16 crops of 64 x 64 from each photograph
print("level   values      spread of the pictures and of their residuals:  flowers         photo crops")
for level, side in enumerate((64, 32, 16)):
    row = []
    for x in (real, crops):
        row.append(f"{gaussian(x, 3)[level].std():.2f}, {laplacian(x, 3)[level].std():.2f}")
    print(f"{side:5} {3 * side * side:8,} {row[0]:>55} {row[1]:>19}")
flat = (laplacian(real, 3)[0].abs() < 0.02).float().mean()
print(f"nearly zero at 64 pixels: {flat:.0%} of a flower's residual")
assert laplacian(real, 3)[0].std() < real.std() / 3 and flat > 0.5

# %% [markdown]
# The residuals have a fraction of the spread of the pictures: with flowers the less the finer the level, with photographs about a fifth at every level. At 64 pixels most values of a flower's residual are nearly zero: flat colour needs no correction. Here is one to play with: choose a flower, and what its pyramid loses before it is put together again.


# %%
def view(picture: int = 1, lost: str = "nothing") -> None:
    """Draw a pyramid, and the picture that comes back when a part of it is set to zero."""
    stack = laplacian(real[picture : picture + 1], 3)
    names = ["residual 64", "residual 32", "residual 16", "picture 8"]
    gone = {"nothing": [], "finest residual": [0], "two finest": [0, 1], "all residuals": [0, 1, 2], "coarse picture": [3]}
    kept = [torch.zeros_like(h) if k in gone[lost] else h for k, h in enumerate(stack)]
    fig, axes = panels(5, width=2.0, height=2.3)
    for ax, h, name in zip(axes, kept, names, strict=False):
        show_images(as_64(h if "picture" in name else 2 * h), columns=1, title=name, ax=ax)
    show_images(reconstruct(kept), columns=1, title=f"without {lost}", ax=axes[4])
    show(fig, alt=f"Residuals of flower {picture} at 64, 32 and 16 pixels, its 8 x 8 picture, and what they add up to without {lost}.")


explore(
    view,
    stills=[{"picture": 1}, {"picture": 1, "lost": "two finest"}, {"picture": 1, "lost": "coarse picture"}],
    picture=(0, 99, 1, 1),
    lost=["nothing", "finest residual", "two finest", "all residuals", "coarse picture"],
)

# %% [markdown]
# *Figure 6.4. A pyramid; grey is zero, residuals are shown at twice their contrast. Top: whole. Middle: without the two finest residuals. Bottom: without the coarse picture. The ground has gone grey; petals, centre and bee are still told apart, for the residual of 16 pixels holds the difference between each and its surroundings.*
#
# ## 4 The coarsest level: a plain GAN
#
# **Next question: who draws the 192 numbers at the top of the pyramid?** Nothing is above them, so there is no condition: this is the plain game of notebook 02, on small pictures. The networks are two small DCGANs (`CoarseGenerator`, `CoarseDiscriminator`); the authors' code has fully connected layers here. The next cell puts a run together as in notebook 03 did: Adam with a rate that falls in the second half, the R1 penalty every eighth step, a running average of G. It will serve every run of this notebook.

# %%
NOISE = 24
CHANNELS_LAST = env.memory_format()


def run(
    G: nn.Module,
    D: nn.Module,
    batches: Iterator,
    sample_z: Callable[[int], Tensor],
    steps: int,
    rng: torch.Generator,
    *,
    conditional: bool,
    gamma: float = 0.1,  # weight of the R1 penalty
    rate_G: float = 2e-3,
    rate_D: float = 2e-3,
) -> tuple[Callable[[], dict], dict, nn.Module]:
    """One GAN: its step, what a checkpoint must keep, and the running average of G."""
    for net in (G, D):
        net.to(device, memory_format=CHANNELS_LAST)
    average = copy.deepcopy(G)
    opt_G = torch.optim.Adam(G.parameters(), rate_G, betas=(0.5, 0.99), fused=True)
    opt_D = torch.optim.Adam(D.parameters(), rate_D, betas=(0.5, 0.99), fused=True)
    slow_G, slow_D = (linear_decay(opt, steps) for opt in (opt_G, opt_D))
    one_step = conditional_step if conditional else gan_step

    def steepness(D: Callable, x: Tensor) -> Tensor:
        return 8 * gamma / 2 * r1_penalty(D, x)  # times 8, since it is paid every 8th step

    def step() -> dict[str, Tensor]:
        n = slow_G.last_epoch
        penalty = steepness if n % 8 == 0 else None
        losses = one_step(G, D, opt_G, opt_D, batches, sample_z, penalty=penalty, autocast=env.autocast)
        slow_G.step()
        slow_D.step()
        ema_update(average, G, min(0.999, (n + 1) / (n + 10)))
        return losses

    keep = {"G": G, "D": D, "average": average, "opt_G": opt_G, "opt_D": opt_D}
    return step, keep | {"slow_G": slow_G, "slow_D": slow_D, "rng": rng}, average


folder = env.run_dir("06_lapgan")
seconds = {}

# %% tags=["training", "nbval-ignore-output"]
STEPS_8 = env.budget(smoke=25, cpu=2500, gpu=10000)
NARROW = env.budget(smoke=(48, 32), cpu=(48, 32), gpu=(96, 64))  # channels of G and of D
rng = env.rng(8)
init = env.rng(80, "cpu")
G = init_normal(CoarseGenerator(NOISE, width=NARROW[0]), init)
D = init_normal(CoarseDiscriminator(width=NARROW[1]), init, 0.05)
step, keep, G8 = run(
    G, D, Batches(pictures[8], size=32, rng=rng), env.noise(NOISE, rng), STEPS_8, rng, conditional=False
)
for record in train(step, STEPS_8, keep, folder / "8", title="8 x 8"):
    pass
seconds[8] = record.seconds
z = env.noise(NOISE, env.rng(1))(2000)  # the same noise whenever samples are shown or measured
fig, axes = panels(2, width=5.2, height=2.0)
show_images(in_batches(G8, z[:24]), columns=12, title="generated, 8 x 8", ax=axes[0])
show_images(pictures[8][:: len(real) // 24][:24], columns=12, title="real, 8 x 8", ax=axes[1])
show(fig, alt="Two panels of flowers of 8 x 8 pixels, generated and real; they look much alike, some of the generated ones duller.")
assert record.step == STEPS_8

# %% [markdown]
# *Figure 6.5. Generated and real pictures of 8 x 8.* Ground, place and colour are there after half a minute of training; some of the generated ones are duller, or mix two colours. This is the point: the global decision, taken alone, is not so hard.
#
# ## 5 A conditional GAN for each doubling
#
# **Next question: who draws the residuals?** For each doubling, a GAN of its own. Both players are told the blurred picture $\ell = u(I_{k+1})$; G gets noise as well, since many sharp pictures have the same blurred one:
#
# $$\min_G \max_D\;\; \mathbb{E}_{h, \ell}\big[\log D(h, \ell)\big] + \mathbb{E}_{z, \ell}\big[\log\big(1 - D(G(z, \ell), \ell)\big)\big].$$
#
# That is the conditional game of Mirza and Osindero (2014, Equation 2), with a residual as the example and a picture as the condition. `conditional_step` plays it for any condition: `G(z, c)`, `D(x, c)`.
#
# ```
#   real picture I ---d---> --u---> low ----------+----------------------+
#         |                          |            |                      |
#         +------ minus -------------+       noise plane z               |
#                   |                             |                      |
#              real residual h                G(z, low) = fake residual  |
#                   |                             |                      |
#                   +-------- one of the two -----+                      |
#                                   |                                    |
#                                   + <----------------------------------+
#                                   |
#                                   D ---> logit
# ```
#
# The noise is a *plane*, as large as the picture, not a vector: it is needed everywhere, a little at each place.
#
# **Exercise 6.4** · *The generator of a level* · difficulty ●●●○○ · importance ●●●●● · 15 minutes · 3 points
#
# | layer | output |
# |---|---|
# | picture and noise, concatenated along the channels, the picture first | channels + 1 |
# | convolution 3 x 3, padding 1; LeakyReLU 0.2 | `width` |
# | `depth` times: convolution 3 x 3, padding 1; LeakyReLU 0.2 | `width` |
# | convolution 3 x 3, padding 1 | channels |
#
# - `forward(z, low)` takes z (B, 1, H, W) and low (B, channels, H, W), and returns the residual (B, channels, H, W).
# - All sides stay as they are; any H and W.
#
# <details><summary>Hint 1</summary>
#
# What range does a residual have? Which last activation, if any, allows it?
#
# </details>
# <details><summary>Hint 2</summary>
#
# `torch.cat([low, z], dim=1)` puts them together. A difference of two pictures lies in [-2, 2], so there is no tanh.
#
# </details>
# <details><summary>Hint 3</summary>
#
# Collect the layers in a list: first `nn.Conv2d(channels + 1, width, 3, padding=1), nn.LeakyReLU(0.2)`; in a loop `depth` times the same from `width` to `width`; then `nn.Sequential(*layers, nn.Conv2d(width, channels, 3, padding=1))`.
#
# </details>


# %% tags=["exercise"]
class LevelGenerator(nn.Module):
    """A plane of noise and a blurred picture to the residual that sharpens it."""

    def __init__(self, channels: int = 3, width: int = 32, depth: int = 2) -> None:
        super().__init__()
        # BEGIN SOLUTION
        layers = [nn.Conv2d(channels + 1, width, 3, padding=1), nn.LeakyReLU(0.2)]
        for _ in range(depth):
            layers += [nn.Conv2d(width, width, 3, padding=1), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(width, channels, 3, padding=1))
        # END SOLUTION

    def forward(self, z: Tensor, low: Tensor) -> Tensor:
        # BEGIN SOLUTION
        return self.layers(torch.cat([low, z], dim=1))
        # END SOLUTION


# %%
LevelGenerator = check("6.4", LevelGenerator)

# %% [markdown]
# Now the discriminator. If it saw the residual alone, it could only ask "are these edges?", and not "are these the edges *of this picture*?" So it needs the blurred picture too. The paper uses no extra channels for that. It **adds** the two before the first layer (Section 2.3, and so does the authors' code), and so D judges the sharpened picture, which is a thing that every GAN's D can judge.
#
# We depart from it in one point. Residuals are small: where a flower is flat, they are 0, and faint specks of noise there are a few hundredths of the picture's range. Beside the picture itself they are hard to see, for D too. So our D gets a second picture beside the sum: the residual by itself, five times enlarged (`RESIDUAL_SCALE`). What this is worth is measured below.
#
# **Exercise 6.5** · *What the discriminator of a level sees* · difficulty ●●○○○ · importance ●●●●○ · 8 minutes · 2 points
#
# The layers are given: convolutions with stride 2 down to 4 x 4, then one logit. Write `forward`.
#
# - `residual` and `low` are (B, channels, side, side); return the logits, (B,).
# - `self.layers` takes twice as many channels as a picture has: first the sharpened picture, low + residual, as it is; then the residual, `RESIDUAL_SCALE` times. Join them along the channels.
#
# <details><summary>Hint 1</summary>
#
# What is the sharpened picture of a *real* residual? Nothing is clipped or rescaled to get it.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `torch.cat([a, b], dim=1)` joins two pictures along the channels. The first is low + residual.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `self.layers(torch.cat([low + residual, RESIDUAL_SCALE * residual], dim=1))`; no sigmoid, and no clamp: where a clamp is flat, G gets no gradient.
#
# </details>


# %% tags=["exercise"]
class LevelDiscriminator(nn.Module):
    """A residual and the blurred picture it belongs to, to a logit."""

    def __init__(self, channels: int = 3, width: int = 32, side: int = 16) -> None:
        super().__init__()
        layers, c_in, c_out = [], 2 * channels, width
        while side > 4:
            layers += [nn.Conv2d(c_in, c_out, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
            c_in, c_out, side = c_out, min(2 * c_out, 128), side // 2
        self.layers = nn.Sequential(*layers, nn.Conv2d(c_in, 1, side), nn.Flatten(0))

    def forward(self, residual: Tensor, low: Tensor) -> Tensor:
        # BEGIN SOLUTION
        return self.layers(torch.cat([low + residual, RESIDUAL_SCALE * residual], dim=1))
        # END SOLUTION


# %%
LevelDiscriminator = check("6.5", LevelDiscriminator)

# %% [markdown]
# The training data of a level are pairs of real residuals and real blurred pictures. **No level needs another level for its training**: all could run at the same time, on three machines.
#
# One saving of ours: whether an edge is right shows in what is beside it, not in what is far away. So the levels of 32 and 64 pixels learn from squares of 16 x 16, cut out at random places. Then every level has the same networks and the same cost, and a step at 64 pixels is 16 times cheaper than with whole pictures. G is fully convolutional; what it learnt on squares it can draw at any size. This has a price: near a square's border G sees the zeros of the padding, and in a small square most pixels are near the border; in a whole picture few are.


# %%
CROP = 16
WIDTH, DEPTH = env.budget(smoke=(32, 3), cpu=(32, 3), gpu=(64, 4))


def pairs(side: int) -> tuple[Tensor, Tensor]:
    """Residuals and blurred pictures of all flowers at a level."""
    low = up(pictures[side // 2])
    return pictures[side] - low, low


class Squares(Iterator):
    """Batches of pairs, both cut to the same CROP x CROP square, at a new place for each batch.

    The places come from a generator on the CPU: reading them from a GPU would make it wait.
    """

    def __init__(self, batches: Batches, places: torch.Generator) -> None:
        self.batches, self.places = batches, places

    def __next__(self) -> tuple[Tensor, Tensor]:
        h, low = next(self.batches)
        top, left = torch.randint(h.shape[-1] - CROP + 1, (2,), generator=self.places).tolist()
        square = (..., slice(top, top + CROP), slice(left, left + CROP))
        return h[square], low[square]


def he_normal(net: nn.Module, rng: torch.Generator) -> nn.Module:
    """Weights after He et al. (2015), which keep the signal's size without batch norm; biases 0."""
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, a=0.2, generator=rng)
            nn.init.zeros_(layer.bias)
    return net


def train_level(side: int, steps: int) -> tuple[nn.Module, nn.Module, list]:
    """Train the GAN of one level: its averaged G, its D, and the records."""
    init, rng = env.rng(10 * side, "cpu"), env.rng(side)
    G = he_normal(LevelGenerator(3, WIDTH, DEPTH), init)
    D = he_normal(LevelDiscriminator(3, 32, CROP), init)
    with torch.no_grad():
        list(G.parameters())[-2].mul_(0.1)  # the last layer: start from nearly no detail

    def sample_z(m: int) -> Tensor:
        return torch.randn(m, 1, CROP, CROP, generator=rng, device=device)

    places = env.rng(side + 1, "cpu")
    batches = Squares(Batches(*pairs(side), size=32, rng=rng), places)
    step, keep, average = run(G, D, batches, sample_z, steps, rng, conditional=True, gamma=0.002, rate_D=4e-3)
    keep["places"] = places
    every = max(1, steps // 25)
    title = f"{side} x {side}"
    records = list(train(step, steps, keep, folder / str(side), record_every=every, title=title))
    return average, D, records


# %% [markdown]
# What is the enlarged residual worth? A small test: real residuals of the 32-pixel level against the same ones with faint noise (0.06) on top. A D that sees the difference pays less than log 4. One D is yours; the other gets the sum twice.

# %% tags=["training", "nbval-ignore-output"]
def sees_noise(D: nn.Module, steps: int) -> float:
    """Train D to tell real residuals from noisy ones; its mean loss over the last tenth, in nats."""
    D.to(device)
    rng = env.rng(0)
    opt = torch.optim.Adam(D.parameters(), 1e-3, betas=(0.5, 0.99), fused=True)
    batches = Squares(Batches(*pairs(32), size=32, rng=rng), env.rng(1, "cpu"))
    losses = []
    for _ in range(steps):
        h, low = next(batches)
        noisy = h + 0.06 * torch.randn(h.shape, generator=rng, device=device)
        loss = F.softplus(-D(h, low)).mean() + F.softplus(D(noisy, low)).mean()
        descend(opt, loss)
        losses.append(loss.detach())
    return torch.stack(losses[-max(1, steps // 10) :]).mean().item()


class SumTwice(LevelDiscriminator):
    """Sees the sharpened picture only, so what it can learn from is what the authors' D has."""

    def forward(self, residual: Tensor, low: Tensor) -> Tensor:
        """The sum in both places."""
        return self.layers(torch.cat([low + residual] * 2, dim=1))


blind = {}
for name, kind in {"the sum alone": SumTwice, "the sum and the residual": LevelDiscriminator}.items():
    blind[name] = sees_noise(he_normal(kind(3, 32, CROP), env.rng(2, "cpu")), env.budget(smoke=10, cpu=300, gpu=300))
    print(f"D that sees {name:25} pays {blind[name]:.2f} nats; log 4 = 1.39 would be blind")
env.report(noise_loss_sum=blind["the sum alone"], noise_loss_both=blind["the sum and the residual"])
assert env.profile() == "smoke" or blind["the sum and the residual"] < blind["the sum alone"]

# %% [markdown]
# After so few steps the one is nearly blind, the other is not. (With many more the first may learn it too; but G does not wait.) A speck that D can't see is a speck that G keeps. Now train the three levels.

# %% tags=["training", "nbval-ignore-output"]
STEPS = env.budget(smoke=25, cpu=1800, gpu=8000)
generators, judges, histories = {}, {}, {}
for side in (16, 32, 64):
    generators[side], judges[side], histories[side] = train_level(side, STEPS)
    seconds[side] = histories[side][-1].seconds
print(", ".join(f"{side} x {side}: {t:.0f} s" for side, t in seconds.items()))
ax = plot_curves(
    [r.step for r in histories[16]],
    {f"{side} x {side}": [r.losses["loss_D"] for r in records] for side, records in histories.items()},
    xlabel="step", ylabel="loss of D (nats)",
)
ax.axhline(torch.tensor(4.0).log().item(), color="black", linewidth=0.8)
ax.text(STEPS / 2, 1.42, "log 4: an undecided D", fontsize=8, ha="center")
show(ax, alt="D's loss over the steps at three levels: after the first steps all are below log 4, and well above 0; the 16-pixel level is lowest.")
assert all(records[-1].step == STEPS for records in histories.values())

# %% [markdown]
# *Figure 6.6. The loss of each level's D.* Three healthy games, by the rule of notebook 03: clearly above 0 and, after the first steps, below log 4. The level of 16 pixels pays least: its D wins most often.
#
# **Does D really use the condition?** Give it real residuals and real blurred pictures, once paired rightly and once shuffled: the residual of one flower on another. Every single input is real; only the pairs are wrong. Then the samples of G, for comparison.

# %% tags=["nbval-ignore-output"]
def logits(D: nn.Module, h: Tensor, low: Tensor) -> Tensor:
    with torch.no_grad():
        return D(h, low)


swapped = {}
for side, D_side in judges.items():
    h, low = (t[:: len(real) // 300][:300] for t in pairs(side))
    corner = (side - CROP) // 2
    h, low = (t[..., corner : corner + CROP, corner : corner + CROP] for t in (h, low))
    right = logits(D_side, h, low)
    wrong = logits(D_side, h.roll(1, dims=0), low)
    swapped[side] = (right > wrong).float().mean().item()
    print(f"level {side}: the right pair gets the higher logit in {swapped[side]:.0%} of cases")
env.report(swapped_rejected=swapped[64], swapped_rejected_16=swapped[16])
assert env.profile() == "smoke" or swapped[64] > 0.7

# %% [markdown]
# And what does a generator do with its condition? Take *real* blurred pictures of 32 pixels, doubled, and let the last level sharpen them.

# %% tags=["nbval-ignore-output"]
_, low = pairs(64)
low = low[examples]
plane = torch.randn(len(low), 1, 64, 64, generator=env.rng(3), device=device)
with torch.no_grad():
    h = generators[64](plane, low)
    other = generators[64](plane.flip(0), low)
fig, axes = panels(1, rows=4, width=10, height=1.2)
for ax, x, title in zip(axes, (low, 2 * h, low + h, real[examples]), ("doubled from 32 x 32", "G's residual, twice its contrast", "the sum", "the real flower"), strict=True):
    show_images(x, columns=12, title=title, ax=ax)
show(fig, alt="Four rows of flowers: blurred; the generated residual, grey with coloured edges; the sum, sharper; the real flower.")
print(f"other noise changes the residual by {(h - other).std() / h.std():.2f} of its spread")
assert h.isfinite().all()

# %% [markdown]
# *Figure 6.7. What the last level adds.* Other noise changes the residual by about a third of its spread: most of it is settled by the blurred picture. It has learnt what an edge is: blurred borders become crisp, flat fields stay flat. It does not know what the thing is, and need not.
#
# ## 6 The chain
#
# Now put the four together. To sample, start at the top and go down:
#
# $$\tilde I_3 = G_3(z_3), \qquad \tilde I_k = u(\tilde I_{k+1}) + G_k\big(z_k,\, u(\tilde I_{k+1})\big).$$
#
# **Exercise 6.6** · *The sampling chain* · difficulty ●●●○○ · importance ●●●●● · 15 minutes · 3 points
#
# - `coarse`: (B, C, S, S). `generators`: a dictionary, coarse to fine; call `G(z, low)`.
# - For each level draw one plane of noise a picture, `torch.randn(B, 1, 2S, 2S, generator=rng, device=rng.device)`.
# - Return the list of all pictures: the coarse one first, then one for each level. Nothing is clipped.
#
# <details><summary>Hint 1</summary>
#
# It is your `reconstruct`, with $G$'s residual in the place of the stored one.
#
# </details>
# <details><summary>Hint 2</summary>
#
# For each G in `generators.values()`: double the last picture, draw noise of its side, add G's residual to the doubled picture, append.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `low = up(chain[-1])`, then `z = torch.randn(len(low), 1, *low.shape[2:], generator=rng, device=rng.device)`, then `chain.append(low + G(z, low))`.
#
# </details>


# %% tags=["exercise"]
@torch.no_grad()
def sample_chain(coarse: Tensor, generators: dict[int, nn.Module], rng: torch.Generator) -> list[Tensor]:
    """Sharpen a coarse picture level by level; returns every step, the coarse picture first."""
    # BEGIN SOLUTION
    chain = [coarse]
    for G in generators.values():
        low = up(chain[-1])
        z = torch.randn(len(low), 1, *low.shape[2:], generator=rng, device=rng.device)
        chain.append(low + G(z, low))
    return chain
    # END SOLUTION


# %%
sample_chain = check("6.6", sample_chain)

# %% tags=["nbval-ignore-output"]
def draw(coarse: Tensor, levels: dict, seed: int = 5, size: int = 200) -> list[Tensor]:
    """The chain for many pictures, a few hundred at a time."""
    rng = env.rng(seed)
    steps = [sample_chain(part, levels, rng) for part in coarse.split(size)]
    return [torch.cat(step) for step in zip(*steps, strict=True)]


chain = draw(in_batches(G8, z[:12]), generators)
show(
    show_images(torch.cat([as_64(x) for x in chain]), columns=12, title="one sample a column: 8, 16, 32, 64 pixels"),
    alt="Twelve samples in four rows: patches of colour that become shapes with edges from row to row.",
)
assert [x.shape[-1] for x in chain] == [8, 16, 32, 64]

# %% [markdown]
# *Figure 6.8. The chain: each column is one sample, from 8 pixels down to 64.* Follow one column. The first row decides colour and place. The second and third decide the shape. The last only makes borders crisp.
#
# The noise has its say at each level. Keep one coarse picture, and change everything after it:

# %% tags=["nbval-ignore-output"]
same = in_batches(G8, z[:12])
again = [draw(same, generators, seed)[-1] for seed in (5, 6, 7)]
show(
    show_images(torch.cat(again), columns=12, title="the same 8 x 8 pictures, three times other noise"),
    alt="Three rows of samples; each column has the same colours and outline, and other details in each row.",
)
print(f"pictures of one column differ by {(again[0] - again[1]).std():.2f}, of two columns by {(again[0] - again[0].roll(1, 0)).std():.2f}")
assert (again[0] - again[1]).std() < (again[0] - again[0].roll(1, 0)).std()

# %% [markdown]
# *Colour and outline stay. Bees do not always: in some columns their stripes turn or move.*
#
# **Exercise 6.7** · *What a level has never seen* · difficulty ●●●○○ · importance ●●●●○ · 5 minutes · 1 point
#
# Leave the size of the pictures aside. The levels were trained apart. Now they work in a chain, and something reaches the generator of the 64-pixel level that it never saw in training. What?
#
# - `"a"`: fresh noise
# - `"b"`: blurred pictures that a generator drew
# - `"c"`: larger residuals
# - `"d"`: nothing; training and sampling are the same
# - `"a and b"`
#
# <details><summary>Hint 1</summary>
#
# Compare the two inputs of G in `pairs` and in `sample_chain`.
#
# </details>
# <details><summary>Hint 2</summary>
#
# In training, `low` is a real picture, halved and doubled.
#
# </details>
# <details><summary>Hint 3</summary>
#
# In the chain, `low` is the doubled output of the level above.
#
# </details>

# %% tags=["exercise"]
letter = ...  # a letter in quotes
# BEGIN SOLUTION
letter = "b"
# END SOLUTION

# %%
letter = check("6.7", letter)

# %% [markdown] tags=["solution"]
# **b.** In training, each level is given real pictures, halved and doubled. In the chain, it gets what the level above has drawn, faults included; and it was trained to *trust* its input. A speck at 16 pixels looks like a detail to the level of 32, which gives it a crisp edge. That is the price of training apart: nobody learns to mend. (Trained together, the fine levels could; then they would have to wait for each other.)

# %% [markdown]
# ## 7 Against one GAN for everything
#
# **Next question: was the pyramid worth it?** The baseline is a DCGAN that draws 64 x 64 at once, with the same kind of step, penalty, average and falling rate (the levels have a penalty weight and a rate of D of their own). It gets **the same seconds** as the four GANs together: we time a few of its steps, and give it as many as fit.

# %% tags=["training", "nbval-ignore-output"]
lapgan_seconds = sum(seconds.values())


def single(steps: int) -> tuple[Callable[[], dict], dict, nn.Module]:
    """One DCGAN for 64 x 64, and its step."""
    rng, init = env.rng(64), env.rng(640, "cpu")
    width = env.budget(smoke=8, cpu=16, gpu=64)
    G = init_normal(dcgan.Generator(NOISE, 3, width, 64), init)
    D = init_normal(dcgan.Discriminator(3, width, 64), init)
    return run(G, D, Batches(garden.images.to(device), size=32, rng=rng), env.noise(NOISE, rng), steps, rng, conditional=False)


step, _, _ = single(100)
times = []
for _ in range(env.budget(smoke=2, cpu=5, gpu=10)):
    start = time.perf_counter()
    for _ in range(8):  # one of eight pays the penalty, which takes longer
        losses = step()
    losses["loss_D"].item()  # reading a loss waits for the device
    times.append((time.perf_counter() - start) / 8)
pace = torch.tensor(times).median().item()  # the first steps are slower, and so is a busy moment
steps_single = max(3, int(lapgan_seconds / pace))
step, keep, G64 = single(steps_single)
for record in train(step, steps_single, keep, title="one GAN"):
    pass
print(f"LAPGAN {lapgan_seconds:.0f} s; one GAN {record.seconds:.0f} s, {steps_single:,} steps")
print(f"parameters of G: LAPGAN {sum(count_parameters(g) for g in (G8, *generators.values())):,}, one GAN {count_parameters(G64):,}")
env.report(lapgan_seconds=lapgan_seconds, single_gan_seconds=record.seconds)
assert record.step == steps_single

# %% tags=["nbval-ignore-output"]
lapgan_samples = draw(in_batches(G8, z[:N]), generators)
single_samples = in_batches(G64, z[:N], size=200)
fig, axes = panels(1, rows=2, width=11, height=2.4)
show_images(lapgan_samples[-1][:48], columns=16, title="LAPGAN", ax=axes[0])
show_images(single_samples[:48], columns=16, title="one GAN, the same seconds", ax=axes[1])
show(fig, alt="Above, 48 samples of LAPGAN: smooth flowers, many of them blurred or mixed. Below, 48 samples of one GAN: flowers of definite shape with a fine grid of noise all over.")
assert single_samples.shape == lapgan_samples[-1].shape

# %% [markdown]
# *Figure 6.9. Samples, not chosen.* Look before you measure. Which has the better shapes, and which the better edges? LAPGAN's pictures are smooth, but many flowers melt into their ground, and colours run into one another. The single GAN draws more definite flowers and bees, and covers them with a fine grid.
#
# Now the number. As in notebook 03 it is a Fréchet distance between clouds of features; this time the features come from the ImageNet classifier of notebook 01, after its fifth of seven stages, averaged over the places (112 numbers). It was not trained on flowers like these, and neither G was trained against it. Whether that makes it fair, we shall see. The floor is the distance between real flowers and other real flowers, and every number has the same count of pictures. The real flowers of the ruler were never trained on.

# %%
net = pretrained.classifier().net.to(device, memory_format=CHANNELS_LAST)


def features(x: Tensor, size: int = 100) -> Tensor:
    """Pictures (B, 3, 64, 64) to features (B, 112): EfficientNet-Lite0, stage 5, averaged."""

    def stages(x: Tensor) -> Tensor:
        x = net.bn1(net.conv_stem(x.clamp(-1, 1).contiguous(memory_format=CHANNELS_LAST)))
        for stage in net.blocks[:5]:
            x = stage(x)
        return x.mean(dim=(2, 3))

    with torch.no_grad():
        return torch.cat([stages(part) for part in x.split(size)])


unseen_a, unseen_b = unseen.split(N)
features_b = features(unseen_b)
coarser = dict(zip(sides, gaussian(unseen_a, 3)))  # where chains may start
print("features", tuple(features_b.shape[1:]))

# %% [markdown]
# With a ruler in hand we can also find out **where the error comes from**. Start the chain not from generated pictures of 8 x 8 but from *real* ones, halved; then the first GAN can't be blamed. Start it from real pictures of 16, or of 32: then fewer and fewer levels have a say. And as a reference, no levels at all: real pictures of 8 x 8, doubled three times.

# %% tags=["nbval-ignore-output"]
def distance(x: Tensor) -> float:
    """Fréchet distance to the second half of the unseen flowers."""
    return frechet_distance(features(x), features_b)


later = [dict(list(generators.items())[k:]) for k in range(3)]  # without the first k levels
fid = {
    "real, other half": distance(unseen_a),
    "real 32, then 1 level": distance(draw(coarser[32], later[2])[-1]),
    "real 16, then 2 levels": distance(draw(coarser[16], later[1])[-1]),
    "real 8, then 3 levels": distance(draw(coarser[8], later[0])[-1]),
    "LAPGAN": distance(lapgan_samples[-1]),
    "one GAN, same seconds": distance(single_samples),
    "real 8, only doubled": distance(up(up(up(coarser[8])))),
}
for name, value in fid.items():
    print(f"{name:24} {value:7.2f}")
show(
    plot_bars({name: [value] for name, value in fid.items()}, xlabel="Fréchet distance to real flowers (less is better)"),
    alt="Bars: real flowers lowest, then chains that start from real pictures of 32, 16 and 8 pixels, LAPGAN, one GAN.",
)
env.report(
    lapgan_fid=fid["LAPGAN"], single_gan_fid=fid["one GAN, same seconds"], fid_floor=fid["real, other half"],
    fid_from_real_8=fid["real 8, then 3 levels"], fid_from_real_16=fid["real 16, then 2 levels"],
    fid_from_real_32=fid["real 32, then 1 level"], fid_blurred=fid["real 8, only doubled"],
)
assert env.profile() == "smoke" or fid["LAPGAN"] < fid["one GAN, same seconds"]

# %% [markdown]
# *Figure 6.10. The same ruler for all.* Read the bars from the top. One level costs least, though already several times the floor; two cost more, three more still. Each level adds faults of its own, and passes on those it is given (exercise 6.7); these bars can't tell the two apart. From "real 8, then 3 levels" to "LAPGAN" is the price of drawing the first 192 numbers, too. And "real 8, only doubled" says what the details are worth: those pictures have the right colours at the right places, and no edge.
#
# In the saved run the single GAN stands last, even behind pictures without any edge. Is it so bad? This ruler is a network that looks at textures first, and the fine grid is a texture that no flower has. Section 8 brings another ruler. And keep three things apart. The single GAN has the same seconds, not the same number of steps: in the saved run one of its steps takes about three times as long as one of a level, which learns from 16 x 16 pixels. With a day instead of a minute and a half the order may change: the single GAN may learn to draw clean edges, while the chain keeps its mismatch. And we looked at LAPGAN's samples and mended its levels; the single GAN had no such care.
#
# ## 8 A class for the first step
#
# **Next question: can we ask for a red flower with a bee?** The paper's best numbers are those of a class-conditional LAPGAN, which is reported to tell the class to every level. We exploit that our levels are independent: we train a new *first* GAN that is told the class (one-hot, beside z in G, as planes of ones and zeros in D), and **keep the three other levels as they are**. All that they learn of the class is what the 8 x 8 picture shows. Is that enough? There are ten classes: five petal colours, with and without a bee.

# %% tags=["training", "nbval-ignore-output"]
names = [f"{colour}{bee}" for colour in flowers.PETAL_COLOURS for bee in ("", ", bee")]
kind_of_garden, kind_of_unseen = ((2 * looks.colour + looks.bee).to(device) for looks in (garden.looks, meadow.looks))
rng, init = env.rng(9), env.rng(90, "cpu")
G = init_normal(CoarseGenerator(NOISE, width=NARROW[0], classes=len(names)), init)
D = init_normal(CoarseDiscriminator(width=NARROW[1], classes=len(names)), init, 0.05)
batches = Batches(pictures[8], kind_of_garden, size=32, rng=rng)
step, keep, G8_told = run(G, D, batches, env.noise(NOISE, rng), STEPS_8, rng, conditional=True)
for record in train(step, STEPS_8, keep, folder / "8_told", title="8 x 8, told the class"):
    pass


def draw_classes(c: Tensor) -> Tensor:
    """Samples of the classes c (B,), at 64 x 64."""
    G8_told.eval()
    with torch.no_grad():
        coarse = G8_told(z[: len(c)], c)
    return draw(coarse, generators)[-1]


asked = torch.arange(len(names), device=device).repeat_interleave(12)
fig, axes = panels(1, rows=len(names), width=8, height=0.75)
for ax, name, row in zip(axes, names, draw_classes(asked).split(12), strict=True):
    show_images(row, columns=12, ax=ax)
    ax.set_ylabel(name, rotation=0, ha="right", va="center", fontsize=8)
show(fig, alt="Ten rows of samples, one a class: nearly all have the petal colour that was asked for; in the rows that ask for a bee, only some have a clear one")
assert record.step == STEPS_8

# %% [markdown]
# *Figure 6.11. One row a class; the levels from 16 on were never told.*
#
# How often does somebody else agree? As in notebook 04 we train a *gardener*, a small classifier that only sees real flowers, at half their side, and names colour and bee. We ask it about flowers that it has not seen, and about samples.

# %% tags=["training", "nbval-ignore-output"]
GARDENER_STEPS = env.budget(smoke=10, cpu=200, gpu=1000)
with torch.random.fork_rng():
    torch.manual_seed(0)  # layers draw their first weights from torch's global generator
    gardener = SmallClassifier(channels=3).to(device)
opt = torch.optim.AdamW(gardener.parameters(), 2e-3, fused=True)
slow = linear_decay(opt, GARDENER_STEPS, hold=0.3)
lessons = Batches(pictures[32], kind_of_garden, size=100, rng=env.rng(10))
for _ in range(GARDENER_STEPS):
    x, y = next(lessons)
    descend(opt, F.cross_entropy(gardener(x), y))
    slow.step()


def named(x: Tensor) -> Tensor:
    """The class that the gardener sees in pictures of 64 x 64: (B,)."""
    return in_batches(gardener, down(x.clamp(-1, 1))).argmax(1)


wanted = kind_of_unseen[-len(unseen_b) :]  # classes as frequent as in the data
told = draw_classes(wanted)
agreement = {}
for name, x in {"real flowers": unseen_b, "samples": told}.items():
    seen = named(x)
    agreement[name] = (seen == wanted).float().mean().item()
    colour, bee = (seen // 2 == wanted // 2).float().mean(), (seen % 2 == wanted % 2).float().mean()
    print(f"{name:13} both as asked {agreement[name]:.2f}   petal colour {colour:.2f}   bee or none {bee:.2f}")
env.report(
    class_agreement=agreement["samples"], class_agreement_real=agreement["real flowers"],
    told_fid=frechet_distance(features(told), features_b),
)
assert env.profile() == "smoke" or agreement["samples"] > 0.5

# %% [markdown]
# The colour nearly always comes out as asked. The bee does not: guessing would be right half of the time, and this is not far above it. At 8 x 8 pixels a colour is half of the picture, and a bee a few dark pixels, which the finer levels may take for a shadow. Telling the class to every level, as the paper is reported to do, could help here.
#
# The gardener is a second ruler, and a different one: it was trained to see shapes and colours, and at half the side a fine grid is averaged away. What does it say of the two rivals of Section 7?

# %% tags=["nbval-ignore-output"]
def gardener_distance(x: Tensor) -> float:
    """Fréchet distance to unseen flowers, in the gardener's features."""
    there, here = (in_batches(gardener.features, down(y.clamp(-1, 1))) for y in (unseen_b, x))
    return frechet_distance(here, there)


second = {
    "real, other half": gardener_distance(unseen_a),
    "LAPGAN": gardener_distance(lapgan_samples[-1]),
    "one GAN, same seconds": gardener_distance(single_samples),
    "real 8, only doubled": gardener_distance(up(up(up(coarser[8])))),
}
print(f"{'':24} {'ImageNet features':>18} {'the gardener':>14}")
for name, value in second.items():
    print(f"{name:24} {fid[name]:18.1f} {value:14.1f}")
env.report(
    lapgan_fid_gardener=second["LAPGAN"], single_gan_fid_gardener=second["one GAN, same seconds"],
    fid_floor_gardener=second["real, other half"],
)
assert second["real, other half"] < min(second["LAPGAN"], second["one GAN, same seconds"])

# %% [markdown]
# **The order is turned round.** By ImageNet's features LAPGAN is nearer to real flowers, by the gardener's the single GAN is. Both are right about what they see: LAPGAN loses on shapes, which its first GAN and the chain get wrong, and the single GAN loses on texture. A Fréchet distance is a distance in the eyes of one network, so "better" needs the question "for whom?". The paper asked people, which is why its claim is the stronger one.
#
# ## 9 Does it copy?
#
# **Last question: are the samples new?** A generator that stores the training set would have the best Fréchet distance of all. The authors argue that training the levels apart makes memorising harder. We can say precisely why it is hard here. The last level sees a few pixels around each place, and is a small fraction of the size of what it would have to store:

# %% tags=["nbval-ignore-output"]
reach = DEPTH + 2
print(f"G of the last level: {count_parameters(generators[64]):,} parameters; sees {2 * reach + 1} x {2 * reach + 1} pixels")
print(f"the training pictures: {real.numel():,} values")
assert count_parameters(generators[64]) < real.numel()

# %% [markdown]
# But arguments are no measurement. The usual one puts the nearest training picture beside each sample.
#
# **Exercise 6.8** · *Nearest training pictures* · difficulty ●●○○○ · importance ●●●●○ · 8 minutes · 2 points
#
# - For each of n samples: the Euclidean distance to its nearest example, over **all** values of a picture, and the index of that example.
# - Return `(distances, indices)`, each of shape (n,).
#
# <details><summary>Hint 1</summary>
#
# A picture is a point with C · H · W coordinates: `flatten(start_dim=1)`.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `torch.cdist(a, b)` gives all n x m distances at once.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `.min(dim=1)` returns values and indices, of the best example for each sample.
#
# </details>


# %% tags=["exercise"]
def nearest(samples: Tensor, examples: Tensor) -> tuple[Tensor, Tensor]:
    """Distance to the nearest example and its index, for each sample: two tensors (n,)."""
    # BEGIN SOLUTION
    distances = torch.cdist(samples.flatten(start_dim=1), examples.flatten(start_dim=1))
    found = distances.min(dim=1)
    return found.values, found.indices
    # END SOLUTION


# %%
nearest = check("6.8", nearest)

# %% tags=["nbval-ignore-output"]
samples = lapgan_samples[-1].clamp(-1, 1)
real_features = features(real)
sample_features = features(samples)
_, by_pixels = nearest(samples[:14], real)
_, by_features = nearest(sample_features[:14], real_features)
show(
    show_images(torch.cat([samples[:14], real[by_pixels], real[by_features]]), columns=14, title="samples; nearest training picture by pixels; by features"),
    alt="Three rows: samples, and beneath each its nearest training picture by pixels and by features; none is a copy.",
)
assert len(by_pixels) == 14

# %% [markdown]
# *Figure 6.12. Samples, and the training pictures nearest to them.* None is a copy. By pixels the nearest is mostly alike in colour and ground. By features it often has another colour: these features, measured on blurred and melted samples, don't find the flower that we would choose. Now for all samples, against a yardstick: how far is a real flower that was never trained on from the nearest training picture? The ratio of the two means is 0 for a generator that copies, and about 1 for one whose samples are as new as a real flower is. More than 1 is not "newer": it means that the samples are unlike any real flower. And we test the test, on two generators that do copy: one adds faint noise to training pictures, one moves them by two pixels.

# %% tags=["nbval-ignore-output"]
copies = real[:N]
sets = {
    "LAPGAN": samples,
    "one GAN": single_samples,
    "copies with faint noise": copies + 0.05 * torch.randn(copies.shape, generator=env.rng(6), device=device),
    "copies moved by 2 pixels": copies.roll((2, 2), dims=(2, 3)),
}
yard = {"pixels": nearest(unseen, real)[0].mean(), "features": nearest(features(unseen), real_features)[0].mean()}
ratios = {}
print(f"{'':26} {'by pixels':>10} {'by features':>12}")
for name, x in sets.items():
    x = x.clamp(-1, 1)
    pair = (nearest(x, real)[0].mean() / yard["pixels"], nearest(features(x), real_features)[0].mean() / yard["features"])
    ratios[name] = [float(r) for r in pair]
    print(f"{name:26} {pair[0]:10.2f} {pair[1]:12.2f}")
coarse_ratio = nearest(lapgan_samples[0], pictures[8])[0].mean() / nearest(gaussian(unseen, 3)[-1], pictures[8])[0].mean()
print(f"{'LAPGAN, 8 x 8 pictures':26} {coarse_ratio:10.2f}")
env.report(
    nearest_neighbour_ratio=ratios["LAPGAN"][0], nearest_neighbour_ratio_features=ratios["LAPGAN"][1],
    nearest_neighbour_ratio_8=coarse_ratio, moved_copies_ratio=ratios["copies moved by 2 pixels"][0],
)
assert ratios["LAPGAN"][0] >= 0.5 and ratios["copies with faint noise"][0] < 0.5

# %% [markdown]
# By pixels LAPGAN's samples keep their distance, and the noisy copies are found out. By features they are not: faint noise puts them farther away than LAPGAN's samples. But look at the moved copies, **the honest failure of this test**. By pixels they pass as new, though every one is a training picture: moved by two pixels, an edge no longer lies on itself. The features are no better judges: they notice faint noise, or a strip at the border that has moved, more than that the flower is the same. So a large distance proves little; this test finds lazy copies only. The row of 8 x 8 pictures is the one that matters: if anything here could be stored, it is those 192 numbers. Its ratio is well above 1: they are not stored, and not quite like real ones either.
#
# ## What we measured, and what the paper reports
#
# | | here | Denton et al. (2015) |
# |---|---|---|
# | pyramid | 8, 16, 32, 64 pixels; weights [1, 3, 3, 1] / 8 | CIFAR-10 reported as 8, 14, 28 |
# | G of a level | five 3 x 3 convolutions, 32 maps, LeakyReLU (profile `cpu`) | authors' code: 7 x 7, 7 x 7, 5 x 5 with 64 maps, ReLU |
# | D of a level | adds, and sees the enlarged residual beside the sum; strided convolutions, one logit | paper and authors' code: adds; code: 5 x 5 twice, dropout, linear |
# | coarsest GAN | convolutional | authors' code: fully connected |
# | optimizer | Adam, falling rate, R1 penalty | authors' code: SGD 0.02, momentum 0.5, batches of 128 |
# | levels learn from squares of 16 x 16; averaged G | yes | no |
# | reconstruction | exact | exact |
# | quality | Fréchet distance below one GAN of equal seconds by ImageNet's features, above it by a flower classifier's | taken for real by people: about 40 % (a plain GAN: 10 %) |
#
# The paper also has a table of likelihoods. For CIFAR-10 it is reported to give -1799 (plus or minus 826) for LAPGAN and -3617 (353) for a GAN, estimated with Parzen windows. A higher number is better, so LAPGAN wins. Before you quote it, remember notebook 05: such an estimate does not mind stored pictures, and prefers blurred ones. And here its own spread is nearly half of the difference. The people are the better evidence, and they were asked to look at small pictures for a moment.
#
# What surprised us when we made this notebook: how blind a D can be. The specks that spoilt our first samples were not G's fault: the D of Section 5 that sees the sum alone hardly noticed faint noise after 300 steps, and what D does not see, G does not learn to leave out.
#
# **A mistake worth making.** Train a level on pictures of the level *above* drawn by G instead of real ones halved. It sounds right, since that is what it will see. But which residual is the real one for a picture that nobody has ever drawn? There is none, and the game has no data.
#
# **References**
# - E. Denton, S. Chintala, A. Szlam, R. Fergus, *Deep generative image models using a Laplacian pyramid of adversarial networks*, 2015, arXiv 1506.05751. Pyramids in Section 2.2, the chain in Section 2.3. Details of networks and training: the authors' code, `eyescream`.
# - P. Burt, E. Adelson, *The Laplacian pyramid as a compact image code*, 1983.
# - M. Mirza, S. Osindero, *Conditional generative adversarial nets*, 2014, arXiv 1411.1784. Equation 2.
# - M. Heusel and others, *GANs trained by a two time-scale update rule converge to a local Nash equilibrium*, 2017: the Fréchet distance of features.
#
# **Next:** notebook 07 makes the condition a sentence.
