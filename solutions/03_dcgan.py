# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown] tags=["header"]
# # 03 DCGAN: a generator that draws digits
#
# In 2015 Radford, Metz and Chintala gave five guidelines for convolutional networks with which GAN training on images is more stable. You train the GAN of 2014 and a DCGAN on digits, compare them by numbers, see what each guideline contributes, and train the same networks on galaxies or your own images.
#
# **You build:** a DCGAN that generates digits, and the metrics with which you compare its samples.
#
# After this notebook you can **write** and **train** a G and a D as the paper describes them, **read** their loss curves, **measure** their samples, and **design** an ablation.
#
# | section | minutes |
# |---|---|
# | 1, 2 The GAN of 2014, and a judge | 18 |
# | 3 Five guidelines (3.1, 3.3, 3.4) | 42 |
# | 4, 5 Batches, training (3.6, 3.7) | 30 |
# | 6, 7 Reading curves; scores (3.8) | 12 |
# | 8 Ablation (3.9) | 23 |
# | 9 In colour | 8 |
#
# It builds on notebook 02: the game and `gan_step`.

# %% tags=["setup"]
# written by gancourse build

# %%
import copy
import os
from collections.abc import Callable, Sequence
from math import inf, sqrt
from statistics import fmean, stdev, variance

import torch
from torch import Tensor, nn

from gancourse.classifiers.digit_judge import train_judge
from gancourse.classifiers.pretrained import MeanFeatures
from gancourse.datasets import digits, galaxies, named
from gancourse.datasets.batches import Batches
from gancourse.exercises import check
from gancourse.figures import panels, plot_bars, plot_records, show, show_images, show_live
from gancourse.metrics.samples import confident_share, frechet_distance, in_batches
from gancourse.papers import dcgan, gan
from gancourse.papers.blocks import init_normal, swap
from gancourse.papers.diffaugment import Augmented
from gancourse.papers.gan import gan_step, lazy_r1
from gancourse.results import load_table
from gancourse.shapes import to_float
from gancourse.training import networks
from gancourse.training.loop import train
from gancourse.training.player import Player

# %% [markdown]
# ## 1. The GAN of 2014
#
# The data: real handwritten digits, 32 x 32 pixels, stored as bytes and converted to floats in [-1, 1] when a batch is drawn; 5,000 of MNIST, or all of it if it is in the data folder. Everything is trained on the `train` part only.

# %%
real = digits.load(32, "train")
mixed = real.images[torch.randperm(len(real), generator=env.rng(5, "cpu")).to(real.images.device)]
NOISE = 24  # length of the latent vector z (noise); the paper has 100, for richer images
WIDTH = env.budget(smoke=24, cpu=24, gpu=64)  # channels before G's last layer

ax = show_images(to_float(mixed[:32]), columns=16, title="real digits")
show(ax, alt="Two rows of handwritten digits, white on black")

# %% [markdown]
# *Figure 3.1. Real digits.*
#
# The package's `Player` holds a network, its Adam optimizer, **learning-rate decay** (constant for half of the run, then linear to 0) and, on request, an **exponential moving average** (EMA) of the weights, with which samples are drawn. You know these from notebook 02, and write the EMA in Section 5.
#
# `game` returns the function that performs one training step. At every eighth step it adds notebook 02's **R1 penalty** (Mescheder et al., 2018, arXiv 1801.04406) to D's loss, on eight images of the batch, multiplied by 8, so that its mean effect is the same: lazy regularization (Karras et al., 2020, arXiv 1912.04958). (With batch norm in D an image's gradient also contains its effect on the other seven, a departure from R1.)

# %%
def game(
    G: Player, D: Player, seed: int, *, images: Tensor = real.images, m: int = 32,
    gamma: float = 0.1, augmented: nn.Module | None = None,
) -> tuple[Callable, dict]:  # fmt: skip
    """The step of a run, and what a checkpoint must keep; m: batch size, gamma: weight of R1."""
    rng = env.rng(seed)
    batches, sample_z = Batches(images, size=m, rng=rng), env.noise(NOISE, rng)
    r1, D_net = lazy_r1(gamma, every=8, examples=8), augmented or D.net

    def step() -> dict[str, Tensor]:
        penalty = r1 if gamma and D.done % 8 == 0 else None
        losses = gan_step(
            G.net, D_net, G.opt, D.opt, batches, sample_z, penalty=penalty, autocast=env.autocast
        )
        G.advance()  # learning-rate decay, EMA
        D.advance()
        return losses

    return step, {"G": G, "D": D, "rng": rng}

# %% [markdown]
# Now the networks of Goodfellow et al. (2014) for MNIST: fully connected, on the pixels as one long vector. D has **maxout** units: each computes k linear functions of its input and returns the largest. Ours are smaller and use later training methods, so that they train in about a minute on a laptop:
#
# | | 2014 (authors' code) | here |
# |---|---|---|
# | G | 100 uniform numbers, 1,200 and 1,200 ReLUs, sigmoid | 24 normal numbers, 256 and 256 ReLUs, tanh |
# | D | 240 and 240 maxout units, k = 5; dropout | 128 and 128, k = 2; R1 with weight 1 |
# | training | SGD with momentum, batches of 100, 28 x 28 pixels | Adam, learning rate 0.003, decaying; batches of 64; EMA of G |

# %% tags=["training", "nbval-ignore-output"]
STEPS_2014 = env.budget(smoke=24, cpu=5000, gpu=20000)
folder = env.run_dir("03_dcgan")
Z = env.noise(NOISE, env.rng(1))(5000)  # the same latent vectors in every figure and measurement
start = env.rng(0, "cpu")  # draws the initial weights
G = Player(gan.Generator(NOISE, rng=start), lr=3e-3, steps=STEPS_2014, ema=0.999)
D = Player(gan.Discriminator(rng=start), lr=3e-3, steps=STEPS_2014)
step, keep = game(G, D, seed=0, gamma=1.0, m=64)
*_, record = train(
    step, STEPS_2014, keep, folder / "gan_2014", record_every=max(1, STEPS_2014 // 20),
    title="GAN of 2014",
)
average_2014, seconds_2014 = G.average, record.seconds
samples = in_batches(average_2014, Z[:32])
ax = show_images(samples, columns=16, title=f"GAN of 2014, {STEPS_2014:,} steps")
show(ax, alt="Two rows of generated digits; most can be read, with ragged edges")
print(f"{STEPS_2014:,} steps in {seconds_2014:.0f} s")
assert samples.isfinite().all()

# %% [markdown]
# *Figure 3.2. Samples of the GAN of 2014.* Most can be read as digits, as those in the paper's Figure 2 can, but edges are ragged, and some samples have stray white pixels. A likely reason: each output pixel has weights of its own, so G has to learn at each position separately that strokes are smooth. A convolution uses the same weights at every position.
#
# **What the paper reports:** a Parzen-window estimate of the samples' log-likelihood (notebook 05 shows how it misleads). On MNIST the GAN had the highest of four models, 225 ± 2. On the Toronto Face Database it did not: 2057 ± 26, against 2110 ± 50 for a stacked contractive autoencoder. For CIFAR-10, small photos of ten kinds of objects, the paper shows samples and gives no number. The DCGAN paper is about this step from digits to photos.
#
# ## 2. A judge: how to measure samples
#
# The **judge** is a classifier that is trained on real digits only. We use it for three numbers:
#
# - `confident_share`: the share of samples to which it assigns one digit with a probability of at least 0.9. A shape between two digits should not count.
# - the **classes seen** among those confident samples. A generator that draws nothing but perfect sevens has a confident share of 1, but only one class seen.
# - the **Fréchet distance** between two sets of its 128 inner features, real and generated, each treated as a Gaussian with mean $\mu$ and covariance matrix $C$: $\lVert\mu_a-\mu_b\rVert^2+\mathrm{tr}\big(C_a+C_b-2(C_aC_b)^{1/2}\big)$, where tr is the sum of the diagonal and the power 1/2 is the matrix square root. With the features of an Inception network this is the FID of Heusel et al. (2017, arXiv 1706.08500). Compare ours only with other numbers of this notebook, above all with the **floor**, the distance between two sets of *real* digits.
#
# `train_judge` trains a small convolutional classifier on batches of 100 digits, shifted by up to 2 pixels.

# %% tags=["training", "nbval-ignore-output"]
JUDGE_STEPS, rng = env.budget(smoke=20, cpu=500, gpu=1500), env.rng(0)
judge_batches = Batches(real.images, real.labels, size=100, rng=rng)
judge = train_judge(judge_batches, rng, JUDGE_STEPS, folder / "judge")

test_set = digits.load(32, "test")
logits = in_batches(judge, test_set.images)
accuracy = (logits.argmax(1) == test_set.labels).float().mean()
env.report(judge_accuracy=accuracy, real_confident_share=confident_share(logits.softmax(1)))
env.expect(
    "the judge classifies unseen digits correctly", accuracy >= 0.96,
    f"it classifies {accuracy:.1%} of the unseen digits correctly; usually about 98 %.",
)

# %% [markdown]
# If `judge_accuracy` is close to 1, we can trust a confident answer for images that look like digits. For others the judge's output is arbitrary: it may be confident about grey noise, so one number is not enough.
#
# Most of the real digits in the Fréchet distance are in the training set, so a G that copied training images would come close to the floor: this metric does not detect memorizing.

# %%
N = env.budget(smoke=200, cpu=2500, gpu=2500)
every = digits.load(32, "all").images  # both parts: the distance needs many images
order = torch.randperm(len(every), generator=env.rng(2, "cpu"))[: 2 * N].to(every.device)
real_a, real_b = in_batches(judge.features, every[order]).split(N)  # no image is in both


def score(features: Tensor) -> tuple[float, int, float]:
    """Confident share, classes seen, Fréchet distance to real digits."""
    with torch.no_grad():
        p = judge.head(features).softmax(1)
    classes = p.argmax(1)[p.max(1).values >= 0.9].unique()
    return confident_share(p), len(classes), frechet_distance(features, real_b)


def measure(G: nn.Module) -> tuple[float, int, float]:
    """The `score` of G's samples."""
    return score(in_batches(judge.features, in_batches(G, Z[:N])))


def print_scores(scores: dict[str, tuple[float, int, float]]) -> None:
    for name, (share, classes, distance) in scores.items():
        print(f"{name:24} confident {share:.3f}, {classes:2} classes, distance {distance:7.1f}")

# %% tags=["nbval-ignore-output"]
baseline = {"GAN of 2014": measure(average_2014), "real digits": score(real_a)}
print_scores(baseline)
distance, floor = (row[2] for row in baseline.values())
env.report(digit_fid_floor=floor, digit_fid_mlp=distance)
env.expect(
    "the GAN of 2014 draws digits", distance < 200 and baseline["GAN of 2014"][1] >= 9,
    f"its distance is {distance:.0f}; usually it is below 100, and nine or ten digits are seen.",
)

# %% [markdown]
# The judge may see all ten digits while the Fréchet distance is still far above the floor: one number alone can mislead.
#
# ## 3. Five guidelines, and the two networks
#
# The guidelines of Radford et al. (2016, Section 3), in our words:
#
# | | guideline | in G | in D |
# |---|---|---|---|
# | 1 | no pooling: learned down- and upsampling | transposed convolutions, stride 2 | convolutions, stride 2 |
# | 2 | batch norm in both | all layers but the last | all layers but the first and the last |
# | 3 | no fully connected hidden layers (the paper: in deeper networks) | z is mapped directly to 4 x 4 | 4 x 4 is mapped directly to a logit |
# | 4 | ReLU in G | and tanh at its output | |
# | 5 | LeakyReLU in D | | slope 0.2, in all layers but the last |
#
# *Batch norm* takes each channel, subtracts its mean over the batch and the image, and divides by its standard deviation. Then it multiplies by a learned **gain** (its `weight`) and adds a learned shift (its `bias`). Moving averages of those means and variances are kept in **buffers**, tensors that are saved but not learned. In evaluation mode (`net.eval()`, which `in_batches` uses) they replace the batch's, so an image's output no longer depends on its batch. *LeakyReLU* is x above 0 and 0.2 x below, so its gradient is never 0.
#
# In a *transposed* convolution (the paper: fractionally-strided) each input pixel adds a copy of the kernel (a stamp), multiplied by the pixel's value, to the output. The stamps lie `stride` pixels apart and add up where they overlap. In the end `padding` pixels are cut off on every side. So the shapes are those of an ordinary convolution, reversed.
#
# ```
# input  a   b   c          3 pixels, kernel 4, stride 2, padding 1
#
# stamps [a a a a]
#            [b b b b]
#                [c c c c]
# output  x[. . . . . .]x   8 pixels, one cut off at each end: 6
# ```

# %% [markdown]
# **Exercise 3.1** · *Side of a transposed convolution* · difficulty ●●○○○ · importance ●●●○○ · 5 minutes · 1 point
#
# Give the side of the output.
# - `side` (of the input), `kernel`, `stride`, `padding`: integers, as in `nn.ConvTranspose2d` (no output padding, no dilation).
# - Return an integer.
#
# <details><summary>Hint 1</summary>
#
# Look at the sketch. Where does the last stamp begin, and where does it end?
#
# </details>
# <details><summary>Hint 2</summary>
#
# The first stamp covers `kernel` pixels. Each of the other `side - 1` stamps moves the end on by `stride`.
#
# </details>
# <details><summary>Hint 3</summary>
#
# Before the cut: `(side - 1) * stride + kernel`. Padding is cut off at both ends.
#
# </details>

# %% tags=["exercise"]
def transposed_side(side: int, kernel: int, stride: int, padding: int) -> int:
    """Side of the output of a transposed convolution."""
    # BEGIN SOLUTION
    return (side - 1) * stride - 2 * padding + kernel
    # END SOLUTION

# %%
transposed_side = check("3.1", transposed_side)

# %% [markdown]
# Kernel 4 with stride 2 and padding 1 doubles the side. The paper's kernels are 5 x 5. Since 2 does not divide 5, some output pixels are reached by more stamps than their neighbours, which easily gives checkerboard patterns (Odena et al., 2016, *Distill*). So we take 4 x 4.
#
# G is a stack of blocks, each of which doubles the side. Its convolution has no bias: batch norm subtracts each channel's mean, which would cancel a bias.

# %%
def up_block(c_in: int, c_out: int) -> list[nn.Module]:
    """(B, c_in, H, W) -> (B, c_out, 2H, 2W): transposed convolution, batch norm, ReLU."""
    conv = nn.ConvTranspose2d(c_in, c_out, 4, stride=2, padding=1, bias=False)
    return [conv, nn.BatchNorm2d(c_out), nn.ReLU()]

# %% [markdown]
# Now the whole generator. The paper's Figure 1 reaches 64 x 64 pixels with 1024, 512, 256 and 128 channels; ours has the same form, one layer shorter, and narrower:
#
# | layer | output, for width w |
# |---|---|
# | z, as an image of one pixel | `noise_dim` x 1 x 1 |
# | transposed convolution, stride 1, no padding; batch norm; ReLU | 4w x 4 x 4 |
# | `up_block` | 2w x 8 x 8 |
# | `up_block` | w x 16 x 16 |
# | transposed convolution, stride 2, padding 1 (with bias); tanh | `channels` x 32 x 32 |
#
# **Exercise 3.3** · *The generator* · difficulty ●●●○○ · importance ●●●●● · 15 minutes · 3 points
#
# - `forward(z)` takes (B, noise_dim) and returns (B, channels, 32, 32), in (-1, 1).
# - Create the layers in the order of the table, with kernels of 4 x 4 throughout. Write every layer as a module of its own in one `nn.Sequential`, not as a function in `forward`: Section 6 replaces layers.
# - No bias before a batch norm; a bias in the last layer, which has none.
#
# <details><summary>Hint 1</summary>
#
# Make one `nn.Sequential` in `__init__`. `nn.Unflatten(1, (noise_dim, 1, 1))` turns z into an image of one pixel.
#
# </details>
# <details><summary>Hint 2</summary>
#
# The first layer is `nn.ConvTranspose2d(noise_dim, 4 * width, 4, stride=1, padding=0, bias=False)`: by your formula of 3.1 it turns side 1 into 4.
#
# </details>
# <details><summary>Hint 3</summary>
#
# After it `nn.BatchNorm2d(4 * width), nn.ReLU(), *up_block(4 * width, 2 * width), ...`, and at the end `nn.ConvTranspose2d(width, channels, 4, 2, 1), nn.Tanh()`.
#
# </details>

# %% tags=["exercise"]
class Generator(nn.Module):
    """Latent vectors (B, noise_dim) to images (B, channels, 32, 32) in (-1, 1)."""

    def __init__(self, noise_dim: int = 24, channels: int = 1, width: int = 24) -> None:
        super().__init__()
        # BEGIN SOLUTION
        w = width
        self.layers = nn.Sequential(
            nn.Unflatten(1, (noise_dim, 1, 1)),
            nn.ConvTranspose2d(noise_dim, 4 * w, 4, stride=1, bias=False),
            nn.BatchNorm2d(4 * w),
            nn.ReLU(),
            *up_block(4 * w, 2 * w),
            *up_block(2 * w, w),
            nn.ConvTranspose2d(w, channels, 4, stride=2, padding=1),
            nn.Tanh(),
        )
        # END SOLUTION

    def forward(self, z: Tensor) -> Tensor:
        # BEGIN SOLUTION
        return self.layers(z)
        # END SOLUTION

# %%
Generator = check("3.3", Generator)

# %% [markdown]
# The discriminator has the same form in reverse.
#
# | layer | output, for width w |
# |---|---|
# | convolution 4 x 4, stride 2, padding 1 (with bias); LeakyReLU | w x 16 x 16 |
# | convolution 4 x 4, stride 2, padding 1; batch norm; LeakyReLU | 2w x 8 x 8 |
# | convolution 4 x 4, stride 2, padding 1; batch norm; LeakyReLU | 4w x 4 x 4 |
# | convolution 4 x 4, no padding (with bias) | 1 x 1 x 1, returned as shape (B,) |
#
# **Exercise 3.4** · *The discriminator* · difficulty ●●●○○ · importance ●●●●● · 15 minutes · 3 points
#
# - `forward(x)` takes (B, channels, 32, 32) and returns one **logit** per image, shape (B,), also for a batch of one.
# - Create the layers in the order of the table, each as a module of its own in one `nn.Sequential`. As in 3.3, no bias before a batch norm.
# - LeakyReLU has slope 0.2 (guideline 5).
#
# <details><summary>Hint 1</summary>
#
# Write the layers of the table into one `nn.Sequential`, as in 3.3.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Which layers have a batch norm? Where there is one, the convolution has `bias=False`.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `nn.Flatten(0)` at the end turns (B, 1, 1, 1) into (B,), also for B = 1, where `squeeze()` would leave no dimension at all. No sigmoid: the losses take logits.
#
# </details>

# %% tags=["exercise"]
class Discriminator(nn.Module):
    """Images (B, channels, 32, 32) to logits (B,): positive means real."""

    def __init__(self, channels: int = 1, width: int = 24) -> None:
        super().__init__()
        # BEGIN SOLUTION
        w = width
        layers = [nn.Conv2d(channels, w, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        for c in (w, 2 * w):
            layers += [nn.Conv2d(c, 2 * c, 4, stride=2, padding=1, bias=False)]
            layers += [nn.BatchNorm2d(2 * c), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(4 * w, 1, 4), nn.Flatten(0))
        # END SOLUTION

    def forward(self, x: Tensor) -> Tensor:
        # BEGIN SOLUTION
        return self.layers(x)
        # END SOLUTION

# %%
Discriminator = check("3.4", Discriminator)

# %% [markdown]
# ## 4. Two batches for D
#
# In the paper all weights are drawn from a normal distribution with mean 0 and standard deviation 0.02; the authors' code draws batch norm's gain with mean 1 and the same standard deviation. `init_normal` does both. D's last layer has no batch norm after it, so small weights make the first logits small: D starts nearly undecided, as it should.

# %%
def pair(seed: int, width: int = WIDTH, channels: int = 1) -> tuple[nn.Module, nn.Module]:
    """A new G and D, the same for the same seed."""
    rng = env.rng(seed, "cpu")  # on the CPU, so that a seed means the same network everywhere
    G = init_normal(Generator(noise_dim=NOISE, channels=channels, width=width), rng)
    D = init_normal(Discriminator(channels=channels, width=width), rng)
    return G, D

G, D = pair(seed=0)
x = to_float(mixed[:32].cpu())
with torch.no_grad():
    logits = D(x)

# %% [markdown]
# Batch norm normalizes each image with the mean and standard deviation of its **batch**. Should real images and fakes share one?
#
# **Exercise 3.6** · *Real and fake apart* · difficulty ●●○○○ · importance ●●●●○ · 10 minutes · 2 points
#
# - Return D's logits of `x` and of `fakes`, in this order, from **two separate passes** through D.
# - It is D's turn: no gradient may reach the generator that made `fakes`. D itself must get its gradient.
# - Leave D in the mode in which it was.
#
# <details><summary>Hint 1</summary>
#
# Two calls of `D`, not one on `torch.cat([x, fakes])`.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `fakes` is part of G's graph. `.detach()` gives the same numbers without the graph. `torch.no_grad()` around D would be too much: D would get no gradient.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `return D(x), D(...)`
#
# </details>

# %% tags=["exercise"]
def judge_apart(D: nn.Module, x: Tensor, fakes: Tensor) -> tuple[Tensor, Tensor]:
    """Logits of real images and of fakes, for D's turn: (real, fake), each of shape (B,)."""
    # BEGIN SOLUTION
    return D(x), D(fakes.detach())
    # END SOLUTION

# %%
judge_apart = check("3.6", judge_apart)

# %% [markdown]
# What difference does it make? We put other images into the batch of the *same* 32 real digits. If D treated each image separately, the logits of the 32 would not change.

# %%
others = {"real digits": to_float(mixed[100:132].cpu()), "black images": -torch.ones_like(x)}
others["noise"] = torch.randn(x.shape, generator=env.rng(3, "cpu")).tanh()
change = {}
with torch.no_grad():
    for name, images in others.items():
        shared = D(torch.cat([x, images]))[:32]
        change[name] = ((shared - logits).abs().mean() / logits.std()).item()
        print(f"with {name:13} the logits change by {change[name]:.2f} of their standard deviation")
assert min(change["noise"], change["black images"]) > 1.5 * change["real digits"]

# %% [markdown]
# Black images or noise change the logits of the same 32 digits more than other digits do. In one mixed batch D's logit for a real digit would change whenever G does. So `gan_step` passes the two batches through D separately, as your function does. (Within each batch images still influence each other; see notebook 10.)
#
# ## 5. Training
#
# The weights of G tend to circle around the equilibrium (notebook 02). Their average over about the last thousand steps often lies nearer to it.
#
# **Exercise 3.7** · *A running average of G* · difficulty ●●○○○ · importance ●●●○○ · 10 minutes · 2 points
#
# $$\bar\theta \leftarrow \beta\,\bar\theta + (1-\beta)\,\theta$$
#
# - $\theta$ are the parameters of `net`, $\bar\theta$ those of `average`, $\beta$ is `decay`. `average` is a copy of `net`, made once by `copy.deepcopy`. Change its parameters **in place**; don't change `net`; return nothing.
# - The **buffers** of `net` (batch norm's moving mean and variance) are averages already: copy them to `average` as they are.
#
# <details><summary>Hint 1</summary>
#
# Go through `zip(average.parameters(), net.parameters())`, then through the two `.buffers()`. All under `torch.no_grad()`.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `a = decay * a + ...` makes a new tensor and leaves the network's own unchanged. `a.mul_(...)`, `a.add_(...)`, `a.lerp_(...)` and `a.copy_(...)` change the tensor that the network holds.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `a.lerp_(b, t)` computes `a + t (b - a)`. Which t is it?
#
# </details>

# %% tags=["exercise"]
def ema_update(average: nn.Module, net: nn.Module, decay: float) -> None:
    """Move `average` towards `net`: decay times the old, plus 1 - decay times the new."""
    # BEGIN SOLUTION
    with torch.no_grad():
        for a, b in zip(average.parameters(), net.parameters(), strict=True):
            a.lerp_(b, 1 - decay)
        for a, b in zip(average.buffers(), net.buffers(), strict=True):
            a.copy_(b)
    # END SOLUTION

# %%
ema_update = check("3.7", ema_update)

# %% [markdown]
# Now train. What we change:
#
# | | paper (64 x 64, photos) | here (32 x 32, digits) |
# |---|---|---|
# | optimizer | Adam, learning rate 0.0002, $\beta_1$ = 0.5 | 0.002, decaying to 0; $\beta_1$ = 0.5, $\beta_2$ = 0.99 |
# | batch | 128 | 32: more steps in the same time |
# | z | 100, uniform | 24, normal: digits vary in fewer ways |
# | additions | | R1 with weight 0.1; EMA of G |
#
# After an interruption, run the cell again: it resumes where it stopped. To start over after a change, pass `fresh=True` to `train`.

# %% tags=["training", "nbval-ignore-output"]
STEPS = env.budget(smoke=24, cpu=4000, gpu=20000)
G, D = pair(seed=0)
G, D = Player(G, lr=2e-3, steps=STEPS), Player(D, lr=2e-3, steps=STEPS)
D_digits = D.net
average, half = copy.deepcopy(G.net), copy.deepcopy(G.net)
step, keep = game(G, D, seed=0)

def step_with_ema() -> dict[str, Tensor]:
    """A step and your EMA; half-way, a copy of the average for Section 7."""
    losses = step()
    ema_update(average, G.net, min(0.999, G.done / (G.done + 9)))  # covers fewer steps at first
    if G.done == STEPS // 2:
        half.load_state_dict(average.state_dict())
    return losses

history, figure = [], None
for record in train(
    step_with_ema, STEPS, keep | {"average": average, "half": half}, folder / "dcgan",
    record_every=max(1, STEPS // 20), title="DCGAN",
):
    history.append(record)
    if not record.resumed or record.step == STEPS:
        ax = show_images(in_batches(average, Z[:64]), columns=16, title=f"step {record.step:,}")
        figure = show_live(ax, alt="Four rows of generated digits, white on black", handle=figure)

print(f"{history[-1].step:,} steps in {history[-1].seconds:.0f} s")
assert history[-1].step == STEPS

# %% [markdown]
# *Figure 3.3. Samples of the DCGAN.* Look for errors, such as a shape between a 4 and a 9, and compare the slant and the thickness of the strokes. No label or loss mentions slant; G learned it from the images.
#
# ## 6. "Is it broken?" Reading curves
#
# A classifier's loss should fall. Here each network's loss depends on how good the other one is, so *neither* has to. Compare D's loss with log 4 = 1.386, the loss of an undecided D (notebook 02), and check whether both losses stay bounded.

# %% tags=["nbval-ignore-output"]
ax = plot_records(history, title="our run")
ax.axhline(1.386, color="black", linewidth=0.8)
ax.text(STEPS / 2, 1.40, "log 4: an undecided D", fontsize=9, ha="center")
show(ax, alt="Losses of D and G over the steps; D's usually stays below a line at log 4")
assert all(torch.tensor(list(r.losses.values())).isfinite().all() for r in history)

# %% [markdown]
# *Figure 3.4. Losses of the run.* Usually both soon change only slowly, while the samples keep improving.
#
# Three short runs follow, without decay and EMA: they differ in learning rates, penalty and batch norm. The cell prints how much the samples of each differ from one another (the standard deviation of each pixel, averaged).

# %% tags=["training", "nbval-ignore-output"]
SHORT = env.budget(smoke=8, cpu=200, gpu=200)
# learning rate of G, learning rate of D, weight of R1
runs = {"a": (2e-5, 2e-3, 0.0), "b": (2e-3, 2e-3, 0.1), "c": (5e-3, 5e-5, 0.0)}
spread = {"real digits": to_float(mixed[:32]).std(dim=0).mean().item()}
fig, axes = panels(3, rows=2, width=2.9, height=2.6)
for i, (name, (lr_G, lr_D, gamma)) in enumerate(runs.items()):
    nets = pair(seed=1, width=24)
    if name == "c":
        for net in nets:
            swap(net, nn.BatchNorm2d, lambda layer: nn.Identity())  # no batch norm
    step, keep = game(Player(nets[0], lr=lr_G), Player(nets[1], lr=lr_D), seed=1, gamma=gamma)
    records = list(train(step, SHORT, keep, record_every=max(1, SHORT // 60), title=f"run {name}"))
    samples = in_batches(nets[0], Z[:32])
    spread[name] = samples.std(dim=0).mean().item()
    plot_records(records, title=f"run {name}", ax=axes[i])
    show_images(samples[:24], columns=6, ax=axes[3 + i])
show(
    fig, alt="Loss curves of three runs, samples below. Run a: D's loss near 0, G's rises; grey "
    "noise. Run b: D's loss near 1; strokes. Run c: losses mostly near 1.4 and 0.7; similar images",
)
for name, value in spread.items():
    print(f"{name:12} images differ by {value:.3f}")
env.expect(
    "the samples of the three runs vary as expected",
    spread["c"] < 0.6 * spread["real digits"] < spread["b"],
    "usually one run varies about as much as real digits do, and one far less.",
)

# %% [markdown]
# *Figure 3.5. Losses and samples of three short runs.*
#
# **Exercise 3.8** · *Which run is healthy?* · difficulty ●○○○○ · importance ●●●●○ · 5 minutes · 1 point
#
# Decide by the curves and the samples together. Answer `"a"`, `"b"`, `"c"`, `"d"` (none of them) or `"a and b"`.
#
# <details><summary>Hint 1</summary>
#
# What is the loss of an undecided D? And of a D that recognizes every fake?
#
# </details>
# <details><summary>Hint 2</summary>
#
# G's loss is $-\log D(G(z))$. At 7 nats D gives a fake a probability of $e^{-7}$ of being real, about one in a thousand.
#
# </details>
# <details><summary>Hint 3</summary>
#
# Healthy means: D's loss is mostly below log 4, but not stuck at 0; both losses stay bounded, even if they fluctuate; and the samples differ from one another, which no loss curve shows.
#
# </details>

# %% tags=["exercise"]
healthy = ...
# BEGIN SOLUTION
healthy = "b"
# END SOLUTION

# %%
healthy = check("3.8", healthy)

# %% [markdown] tags=["solution"]
# Run **b**: D's loss is clearly above 0 and mostly below log 4, and the samples differ about as much as real digits do. In run **a** D's learning rate is a hundred times G's, without R1: D recognizes every fake. In run **c** G's is a hundred times D's, without penalty and batch norm. The losses mostly stay near log 4 and log 2, the values of an undecided D, but the samples are variants of one shape and differ far less than real digits do. (This run combines three changes; it does not show which of them is the cause.) **Loss curves don't show whether samples vary: always look at samples.**

# %% [markdown]
# ## 7. How good are the samples?
#
# A step of a DCGAN takes longer, so compare seconds, not steps.

# %% tags=["nbval-ignore-output"]
seconds = {record.step: record.seconds for record in history}
half_seconds = next(s for done, s in seconds.items() if done >= STEPS // 2)
scores = {
    f"GAN of 2014, {seconds_2014:.0f} s": baseline["GAN of 2014"],
    f"half-trained, {half_seconds:.0f} s": measure(half),
    f"trained, {seconds[STEPS]:.0f} s": measure(average),
    "real digits": baseline["real digits"],
}
print_scores(scores)
share, classes, distance = zip(*scores.values())  # 0: 2014, 1: half-trained, 2: trained
env.report(
    confident_share=share[2], digit_fid=distance[2], digit_fid_half=distance[1],
    classes_seen=classes[2],
)
env.expect(
    "the judge is confident about most samples, and sees all ten digits",
    share[2] >= 0.7 and classes[2] == 10,
    f"it is confident about {share[2]:.0%} of the samples and sees {classes[2]} digits; usually "
    "about 80 % and all ten.",
)
env.expect(
    "trained nearer to real digits than half-trained, this nearer than the GAN of 2014",
    distance[2] < distance[1] < distance[0],
    f"the distances are {distance[2]:.0f}, {distance[1]:.0f}, {distance[0]:.0f}; usually in order.",
)

# %% [markdown]
# Compare the GAN of 2014 with the half-trained DCGAN, and their seconds. One run of each proves little; it shows how large the difference can be. And a generator that had memorized the training set would get the best scores of all (notebooks 06 and 10).
#
# ## 8. What does each guideline contribute?
#
# The paper says a little of this in words (without batch norm, deep generators collapse), but measures none of it. An **ablation** does: change one part, keep the rest, and measure. Before the first run, write down three things:
#
# - **the control**: here all five guidelines. A row differs from it in one thing, as far as that is possible: removing batch norm also removes the only biases of those layers, and leaves initial weights and a learning rate that were chosen for networks with batch norm; with pooling the kernels are 3 x 3; the added hidden layers have the same small initial weights and no batch norm, which alone may explain much of their effect.
# - **the seeds**: how many runs per row.
# - **what would refute the claim.** If guideline n helps in this setting, the row without it is worse. The claim is refuted if that row is better, and not supported if no difference can be seen.
#
# How large must a difference be? Let the control have $n_a$ runs with the variance $s_a^2$ (with $n_a - 1$ in the denominator), and the row $n_b$ runs with $s_b^2$. The difference of the means has the **standard error** $\sqrt{s_a^2 / n_a + s_b^2 / n_b}$. We accept a difference only if it exceeds three standard errors. With five normal values in each row, a change *without* any effect exceeds this limit in about one case of 60 (a limit of two, in one of 12), so even if no change had any effect, about one in seven tables of nine rows would contain a false verdict.
#
# **Exercise 3.9** · *The verdict of an ablation* · difficulty ●●●○○ · importance ●●●●● · 15 minutes · 3 points
#
# - `control` and `changed` are lists of Fréchet distances, one per run; they may differ in length.
# - Return three things: the difference of the means, `changed` minus `control`; its standard error; and `"better"`, `"worse"` or `"no difference seen"`. More than three standard errors is a difference. Less distance is better.
# - Two runs say nearly nothing about their spread. If either list has fewer than three, the standard error is `inf` (imported above).
#
# <details><summary>Hint 1</summary>
#
# `fmean`, `variance` (with n - 1) and `sqrt` are imported. Look at the numbers of runs first.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `error = sqrt(variance(control) / len(control) + ...)`. With `error = inf`, no difference exceeds three errors.
#
# </details>
# <details><summary>Hint 3</summary>
#
# First `if abs(difference) <= 3 * error`; then the sign decides: a positive difference is worse.
#
# </details>

# %% tags=["exercise"]
def compare_runs(control: Sequence[float], changed: Sequence[float]) -> tuple[float, float, str]:
    """Difference of the means, its standard error, and the verdict on the change."""
    # BEGIN SOLUTION
    difference, error = fmean(changed) - fmean(control), inf
    if min(len(control), len(changed)) >= 3:
        error = sqrt(variance(control) / len(control) + variance(changed) / len(changed))
    if abs(difference) <= 3 * error:
        return difference, error, "no difference seen"
    return difference, error, "worse" if difference > 0 else "better"
    # END SOLUTION

# %%
compare_runs = check("3.9", compare_runs)

# %% [markdown]
# The printed command made this table: complete, shorter runs of a narrower DCGAN. The last four rows undo what *we* changed or added. (The row without EMA measures the last weights of the same runs, so its standard error is too large.)

# %%
table = load_table("digits")
print(table["command"])
print(*(f"{name} {value}" for name, value in table["settings"].items()), sep=", ")
print(f"real digits: {table['real']:.1f}")
UNDONE = (
    "1 pooling in D", "2 no batch norm", "3 hidden layers", "4 LeakyReLU in G", "5 ReLU in D",
    "rate 0.0002", "no R1", "no EMA", "constant rate",
)  # fmt: skip
rows = {name: row["frechet"] for name, row in table["rows"].items()}
control = rows["all five guidelines"]
rows["no EMA"] = table["rows"]["all five guidelines"]["frechet_last"]  # last weights of G
ablation = {"all five guidelines": control} | {name: rows[name] for name in UNDONE}
for name, distances in ablation.items():
    print(f"{name:20} {fmean(distances):6.1f} ± {stdev(distances):5.1f}", end="")
    if name in UNDONE:
        difference, error, word = compare_runs(control, distances)
        print(f"   difference {difference:+7.1f} ± {error:5.1f}   {word}", end="")
    print()

ax = plot_bars(ablation, xlabel="Fréchet distance (less is better), a dot per seed")
ax.axvline(fmean(control), color="black", linewidth=0.8, linestyle=":")
ax.set(xscale="log", xlim=(table["real"], None))  # from the floor
show(ax, alt="A bar per variant, its mean Fréchet distance, a dot per seed; dotted: the control")

# %% [markdown]
# *Figure 3.6. Mean Fréchet distance, on a logarithmic axis.* In the printed table the first ± gives the standard deviation of the runs, the second the standard error of the difference. **Two rows are clearly worse**: without batch norm (2) the distance is five times the control's, with fully connected hidden layers (3) nearly seventy times. Part of both may be due to the small initial weights, see above. For the other three guidelines no benefit is seen. Rows 1 and 4 show no difference; row 5 (ReLU in D) is better, so by our rule guideline 5 is refuted in this setting, but only just. Of our own changes the learning rate makes a clear difference, and R1 one just beyond our limit; EMA and decay show none at this length. "No difference seen" does not mean that there is none: with more seeds the standard error shrinks. And an ablation is evidence only about its setting, here shallow and narrow networks, small images, 2,000 steps and a learning rate chosen for the control (a lower one needs more steps); the paper recommends guideline 3 for *deeper* ones, and LeakyReLU above all for *higher resolution*. Notebook 10 shows more rows.
#
# ## 9. In colour: galaxies, or your own images
#
# The paper was about photographs. Ours need no download: they are crops around the brightest objects of the Hubble eXtreme Deep Field (NASA, ESA, 2012; public domain), nearly all of them galaxies. The objects at the right side of the photo are held out; no pixel is in both parts.
#
# There are only a few hundred, few enough for D to memorize (**overfitting**). **Augmentation** helps: the sky has no up and no left, so the 8 symmetries of a square turn each object into eight that are equally real. Other transformations need care: if only the real images are shifted, G learns to draw shifted ones. *Differentiable augmentation* (Zhao et al., 2020, arXiv 2006.10738) transforms every image that D sees, real or fake, in D's turn and in G's. For small sets without symmetries the cell does so with colour, translation and cutout (`Augmented`).
#
# **Your own images.** `DATA_SET`, or the environment variable `GANCOURSE_SET`, names what the cell trains on: `"galaxies"`, `"emoji_faces"` (Twemoji, © Twitter, Inc. and other contributors, CC BY 4.0), or the path of a folder with images, such as `"~/holiday"`; with a verified download `"clothing"` (public domain), `"cifar10"` or `"celeba"`. `gancourse fetch` lists sizes and licences.

# %% tags=["training", "nbval-ignore-output"]
DATA_SET = os.environ.get("GANCOURSE_SET") or "galaxies"
COLOUR_STEPS = env.budget(smoke=24, cpu=2500, gpu=10000)
limit = env.budget(smoke=200, cpu=20_000, gpu=None)
train_set, unseen = named.train_and_unseen(DATA_SET, 32, limit=limit)
print(train_set.source)
images, channels = train_set.images, train_set.images.shape[1]
if symmetric := DATA_SET == "galaxies":
    images, unseen = galaxies.symmetries(images), galaxies.symmetries(unseen)
label = "".join(letter if letter.isalnum() else "_" for letter in DATA_SET)  # for file names
G, D = (Player(net, lr=2e-3, steps=COLOUR_STEPS, ema=0.999) for net in pair(10, channels=channels))
moves = env.rng(12)
augmented = Augmented(D.net, moves) if len(images) < 2000 and not symmetric else None
step, keep = game(G, D, seed=10, images=images, augmented=augmented)
colour_folder = env.run_dir(f"03_dcgan_{label}")
list(train(step, COLOUR_STEPS, keep | {"moves": moves}, colour_folder, title=DATA_SET))
colour_G = G.average

order = torch.randperm(len(images), generator=env.rng(13, "cpu"))[:2000].to(images.device)
both = torch.cat([to_float(images[order[:48]]), in_batches(colour_G, Z[:48])])
ax = show_images(both, columns=16, title="three rows of real images, three rows of samples")
show(ax, alt=f"{DATA_SET}: real images above; below, samples, blurred and less detailed")
assert both.isfinite().all()

# %% [markdown]
# *Figure 3.7. Real images above, samples below.* Look for what the samples lack: sharp edges, clear shapes, the even noise of the camera. And for what only they have: patches of coloured pixels and, in some bright objects, a fine grid. The digit judge is of no use here. `MeanFeatures` takes the mean of each of 240 feature maps of EfficientNet-Lite0, which was trained on ImageNet (notebook 01). The floor is the distance between training images and unseen ones, which a generator that copies its training set would reach.

# %% tags=["nbval-ignore-output"]
features = MeanFeatures().to(env.device())
reference = in_batches(features, unseen[:2000], size=50)


def colour_distance(x: Tensor) -> float:
    """Fréchet distance between the features of images and those of unseen real ones."""
    return frechet_distance(in_batches(features, x, size=50), reference)


floor = colour_distance(images[order])
untrained_G = pair(10, channels=channels)[0].to(env.device())
start, end = (colour_distance(in_batches(net, Z[:2000])) for net in (untrained_G, colour_G))
print(f"{DATA_SET}: untrained {start:.2f}, trained {end:.2f}, floor {floor:.2f}")
if symmetric:
    env.report(galaxy_fid=end, galaxy_fid_floor=floor)
env.expect(
    "in colour: training brings the samples nearer to unseen images", end < start,
    f"the distance goes from {start:.2f} to {end:.2f}; usually it falls far.",
)

# %% [markdown]
# We save the networks under a name: notebook 04 examines G and D, later notebooks use the judge, and `networks.load(env.run_dir("03_dcgan") / "galaxies.safetensors")` loads the colour generator anywhere. On Colab call `env.keep_on_drive()` after the first cell, in all these notebooks, to keep them on your Google Drive.

# %%
paths = [
    networks.save(average, folder / "G.safetensors", like=dcgan.Generator(NOISE, 1, WIDTH, 32)),
    networks.save(D_digits, folder / "D.safetensors", like=dcgan.Discriminator(1, WIDTH, 32)),
    networks.save(judge, folder / "judge.safetensors"),
    networks.save(
        colour_G, folder / f"{label}.safetensors",
        like=dcgan.Generator(NOISE, channels, WIDTH, 32),
    ),
]
if all(paths):  # a path is None if its file could not be written
    again = networks.load(paths[0], env.device())
    assert torch.allclose(again(Z[:4]), in_batches(average, Z[:4]), atol=1e-2)
    print("saved:", ", ".join(path.stem for path in paths))

# %% [markdown]
# ## What the paper measured
#
# The DCGAN paper is older than the FID (2017). It measures samples once, on MNIST (Section 8.1): a nearest-neighbour classifier that learns from samples of a DCGAN with labels does as well as one that learns from real digits. Its other numbers are about D's features (notebook 04).
#
# **A mistake worth making.** In Section 5, after `G, D = pair(seed=0)`, write `D = nn.Sequential(D, nn.Sigmoid())`. (Pass `fresh=True` to `train`, and stop before the cell that saves.) No error is raised, and the losses look calm. How could you notice the mistake without looking at samples?
#
# <details><summary>An answer</summary>
#
# This D's output lies between 0 and 1, but `gan_step` takes it for a logit. So G's loss, $\log(1 + e^{-D(G(z))})$, always lies between $\log(1 + e^{-1}) = 0.31$ and $\log 2 = 0.69$, however bad the samples are; compare Figure 3.4. Or print D's outputs: none is negative, not even for fakes.
#
# </details>
#
# **References**
# - Goodfellow et al. (2014), *Generative adversarial nets*, arXiv 1406.2661.
# - Radford, Metz, Chintala (2016), *Unsupervised representation learning with deep convolutional generative adversarial networks*, arXiv 1511.06434.
