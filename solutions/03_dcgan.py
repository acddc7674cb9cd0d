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
# In 2015 Radford, Metz and Chintala found a family of convolutional networks with which the game of notebook 02 trains more steadily on images, and described it in five guidelines. Many later GANs started from them. Here you build such networks, train them on real handwritten digits, with a laptop or a GPU, and then measure what each guideline contributes.
#
# **You build:** a DCGAN that generates digits, and the metrics with which you compare its samples.
#
# After this notebook you can
# - **compute** the output side of a transposed convolution, and **write** G and D as the paper describes them;
# - **train** a DCGAN, and **explain** what was added to notebook 02's step;
# - **read** its loss curves and samples: distinguish a healthy run from a saturated and a collapsed one;
# - **measure** samples with a classifier and a Fréchet distance, and **explain** what such numbers hide;
# - **test** a claim of a paper by an ablation with repeated seeds.
#
# | section | what | minutes |
# |---|---|---|
# | 1 | A baseline: is notebook 02's network enough? | 10 |
# | 2 | A judge: how to measure samples | 10 |
# | 3 | Five guidelines, and the two networks | 50 |
# | 4 | Initial weights, and two batches for D | 20 |
# | 5 | Training | 20 |
# | 6 | "Is it broken?" Reading curves | 10 |
# | 7 | How good are the samples? | 10 |
# | 8 | What does each guideline contribute? | 15 |
# | 9 | A first look inside | 5 |
# | 10 | Another data set | 5 |
#
# It builds on notebook 02: the game, `discriminator_loss`, `non_saturating_loss`, `gan_step`.

# %% tags=["setup"]
# written by gancourse build

# %%
import copy
import os
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gancourse.classifiers.digit_judge import train_judge
from gancourse.datasets import digits, named
from gancourse.datasets.batches import Batches
from gancourse.errors import CourseError
from gancourse.exercises import check
from gancourse.figures import panels, plot_bars, plot_records, show, show_images, show_live
from gancourse.metrics.samples import confident_share, frechet_distance, in_batches
from gancourse.papers import dcgan
from gancourse.papers.blocks import MLP, MLPDiscriminator, count_parameters, swap
from gancourse.papers.gan import gan_step, lazy_r1
from gancourse.shapes import to_float
from gancourse.training import networks
from gancourse.training.loop import train
from gancourse.training.player import Player
from gancourse.widgets import explore

# %% [markdown]
# ## 1. A baseline: is notebook 02's network enough?
#
# The data first: real handwritten digits, 32 x 32 pixels, stored as bytes and converted to floats in [-1, 1] when a batch is drawn. The 5,000 that come with the course are part of MNIST; if the full set is in the data folder, it is used instead. The GANs and the judge of Section 2 are trained on the `train` part only; the rest is for testing the judge.

# %%
real = digits.load(32, "train")
mixed = real.images[torch.randperm(len(real), generator=env.rng(5, "cpu")).to(real.images.device)]
NOISE = 24  # length of the latent vector z (noise); the paper has 100, for richer images
WIDTH = env.budget(smoke=24, cpu=24, gpu=64)  # channels before G's last layer

ax = show_images(to_float(mixed[:32]), columns=16, title="real digits")
show(ax, alt="Two rows of handwritten digits, white on black")

# %% [markdown]
# The package's `Player` holds a network with its Adam optimizer and two things that you know from notebook 02: **learning-rate decay** (constant for the first half of the run, then linear to 0) and, on request, an **exponential moving average** (EMA) of the weights. Samples are drawn with the average. You write the EMA in Section 5.
#
# `game` makes the step of a run. At every eighth step it adds the **R1 penalty** on D's gradient at real images (notebook 02's `r1_penalty`; Mescheder et al. 2018) to D's loss, computed on eight images of the batch. Applied this rarely, it needs little time; Karras et al. (2020) call this lazy regularization. (R1 is meant for a D that treats each image separately. Batch norm, introduced below, makes the eight logits depend on all eight images, so the gradient that is penalized is that of the sum of the logits.)

# %%
def game(
    G: Player, D: Player, seed: int, gamma: float = 0.1, images: Tensor = real.images
) -> tuple[Callable, dict]:
    """The step of a run, and what a checkpoint must keep. gamma is R1's weight; 0: no penalty."""
    rng = env.rng(seed)
    batches, sample_z = Batches(images, size=32, rng=rng), env.noise(NOISE, rng)
    r1 = lazy_r1(gamma, every=8, examples=8)

    def step() -> dict[str, Tensor]:
        penalty = r1 if gamma and D.done % 8 == 0 else None
        losses = gan_step(
            G.net, D.net, G.opt, D.opt, batches, sample_z, penalty=penalty, autocast=env.autocast
        )
        G.advance()  # learning-rate decay, EMA
        D.advance()
        return losses

    return step, {"G": G, "D": D, "rng": rng}

# %% [markdown]
# Before the method, a baseline: fully connected networks as in notebook 02, only larger, on the flattened images.

# %%
Z = env.noise(NOISE, env.rng(1))(5000)  # the same latent vectors in every figure and measurement
MLP_STEPS = env.budget(smoke=24, cpu=1000, gpu=5000)

start = env.rng(0, "cpu")  # draws the initial weights
net = MLP(NOISE, 256, 256, 32 * 32, rng=start)
mlp_G = nn.Sequential(net, nn.Tanh(), nn.Unflatten(1, (1, 32, 32)))
mlp_D = nn.Sequential(nn.Flatten(), MLPDiscriminator(32 * 32, 256, 256, rng=start))
G, D = Player(mlp_G, lr=3e-4, steps=MLP_STEPS, ema=0.999), Player(mlp_D, lr=3e-4, steps=MLP_STEPS)
step, keep = game(G, D, seed=0)
records = list(train(step, MLP_STEPS, keep, title="fully connected"))
mlp_average = G.average

# %% tags=["nbval-ignore-output"]
samples = in_batches(mlp_average, Z[:32])
ax = show_images(samples, columns=16, title="samples of fully connected networks")
show(ax, alt="Two rows of ragged, speckled white strokes in the middle, some like digits")
assert samples.isfinite().all()

# %% [markdown]
# Usually the strokes are in the middle, where digits are, but speckled and ragged: each output pixel has its own weights, so the network has to learn at each position separately that strokes are smooth. A convolution has to learn this only once, because it uses the same weights at every position. To say *how much* better another generator is, we need numbers.
#
# ## 2. A judge: how to measure samples
#
# The **judge** is a classifier that is trained on real digits only, never on samples. We use it for three numbers:
#
# - `confident_share`: the share of samples to which it assigns one digit with a probability of at least 0.9. A shape between two digits should not count.
# - the **classes seen**: how many of the ten digits occur among those confident samples. A generator that draws nothing but perfect sevens has a confident share of 1, but only one class seen.
# - the **Fréchet distance** between two sets of its 128 inner features, real and generated, each treated as a Gaussian with mean $\mu$ and covariance matrix $C$: $\lVert\mu_a-\mu_b\rVert^2+\mathrm{tr}\big(C_a+C_b-2(C_aC_b)^{1/2}\big)$, where tr is the sum of the diagonal. (It is the square of a distance, but usually called a distance.) With the features of an Inception network this is the FID of Heusel et al. (2017). With our features the scale is another: compare it only with other numbers of this notebook, above all with the **floor**, the distance between two sets of *real* digits.
#
# `train_judge` trains three convolutions and two linear layers with AdamW: cross-entropy on batches of 100 digits, shifted by up to 2 pixels so that their position doesn't matter, at a learning rate of 0.002 that is constant for 30 % of the steps and then decays linearly to 0.

# %% tags=["training", "nbval-ignore-output"]
JUDGE_STEPS = env.budget(smoke=20, cpu=500, gpu=1500)
folder, rng = env.run_dir("03_dcgan"), env.rng(0)
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
# `judge_accuracy` is measured on digits that the judge has never seen. If it is close to 1, we can trust a confident answer for images that look like digits. It says nothing about other images, so one number is not enough. `real_confident_share` shows that the judge is not confident about every real digit either: compare a generator with this number, not with 1.
#
# Next, the metrics as code. Most of the real digits in the Fréchet distance (four of five of the embedded 5,000) are in the training set, so a G that copied training images would come close to the floor: this metric does not detect memorizing.

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


def measure(G: nn.Module, n: int = N) -> tuple[float, int, float]:
    """The `score` of n samples of G."""
    return score(in_batches(judge.features, in_batches(G, Z[:n])))


def print_scores(scores: dict[str, tuple[float, int, float]]) -> None:
    """One row per generator."""
    print(f"{'':16} confident share  classes seen  Fréchet distance")
    for name, (share, classes, distance) in scores.items():
        print(f"{name:16} {share:15.3f} {classes:13d} {distance:17.1f}")

# %% tags=["nbval-ignore-output"]
baseline = {"fully connected": measure(mlp_average), "real digits": score(real_a)}
print_scores(baseline)
distance, floor = (row[2] for row in baseline.values())
print(f"The samples' Fréchet distance is {distance / floor:.0f} times the floor.")
env.report(digit_fid_floor=floor, digit_fid_mlp=distance)
env.expect(
    "fully connected networks stay far above the floor", distance > 10 * floor,
    f"the distance is {distance / floor:.1f} times the floor; usually it is more than 10 times.",
)

# %% [markdown]
# Compare the three numbers. The judge may be confident about most of these ragged images, while the Fréchet distance, and often the classes seen, show that they are far from real ones. One number alone can mislead.
#
# ## 3. Five guidelines, and the two networks
#
# Radford et al. (2016, Section 3) summarize their experiments in five guidelines. In our words:
#
# | | guideline | in G | in D |
# |---|---|---|---|
# | 1 | no pooling: learn how to change the side | transposed convolutions, stride 2 | convolutions, stride 2 |
# | 2 | batch norm in both | all layers but the output | all layers but the input |
# | 3 | no fully connected hidden layers (the paper: in deeper networks) | z becomes 4 x 4 at once | 4 x 4 becomes a logit at once |
# | 4 | ReLU in G | and tanh at its output | |
# | 5 | LeakyReLU in D | | slope 0.2 everywhere |
#
# *Batch norm* takes each channel, subtracts its mean over the batch and the image, and divides by its standard deviation. Then it multiplies by a learned **gain** (its `weight`) and adds a learned shift (its `bias`). In training it also keeps a moving average of those means and variances, in **buffers**: tensors that are saved with the network but not learned. In evaluation mode (`net.eval()`) it uses these, so the output for an image no longer depends on its batch; `in_batches` uses this mode. *LeakyReLU* is x above 0 and 0.2 x below, so its gradient is never 0.
#
# A *transposed* convolution (the paper: fractionally-strided) reverses the shapes of an ordinary one: the output is larger than the input. (It does not undo a convolution.) Each input pixel adds a copy of the kernel (a stamp), multiplied by the pixel's value, to the output. The stamps lie `stride` pixels apart and add up where they overlap. In the end `padding` pixels are cut off on every side.
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

# %%
print("kernel 4, stride 2, padding 1:", [transposed_side(side, 4, 2, 1) for side in (4, 8, 16)])
print("kernel 5, stride 2, padding 2:", [transposed_side(side, 5, 2, 2) for side in (4, 8, 16)])

# %% [markdown]
# Kernel 4 with stride 2 and padding 1 doubles the side. The paper's kernels are 5 x 5. They need an extra `output_padding` of one pixel, and have a larger drawback: since 2 does not divide 5, some output pixels are reached by more stamps than their neighbours. Here is the output of both for a constant input:

# %%
fig, axes = panels(2, width=3)
for ax, kernel, padding in zip(axes, (4, 5), (1, 2)):
    x, weights = torch.ones(1, 1, 8, 8), torch.ones(1, 1, kernel, kernel)
    stamps = F.conv_transpose2d(x, weights, stride=2, padding=padding)[0, 0, 3:-3, 3:-3]
    title = f"kernel {kernel}: {stamps.min():.0f} to {stamps.max():.0f} stamps per pixel"
    print(title)
    ax.imshow(stamps, cmap="gray", vmin=0, vmax=10)
    ax.set(title=title, xticks=[], yticks=[])
show(fig, alt="Left, kernel 4: an even grey square. Right, kernel 5: a checkerboard")

# %% [markdown]
# *The number of stamps that reach each output pixel: even for kernel 4, a checkerboard for kernel 5.* A network can learn weights that cancel the pattern, but it has to learn them. We take 4 x 4, as many implementations do; it is our first departure from the paper.

# %% [markdown]
# **Exercise 3.2** · *An upsampling block* · difficulty ●●○○○ · importance ●●●●○ · 10 minutes · 2 points
#
# G is a stack of these blocks; each doubles the side.
# - Return a **list** of three layers, so that a caller can write `nn.Sequential(*up_block(8, 4))`.
# - A 4 x 4 transposed convolution, stride 2, padding 1, from `c_in` to `c_out` channels; then what guidelines 2 and 4 say.
# - Give the convolution a bias only if the bias has an effect.
#
# <details><summary>Hint 1</summary>
#
# The layers are `nn.ConvTranspose2d`, `nn.BatchNorm2d` and `nn.ReLU`. In which order?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Batch norm subtracts each channel's mean over the batch, and then adds a learned shift of its own. What is left of a constant that the convolution added?
#
# </details>
# <details><summary>Hint 3</summary>
#
# `[nn.ConvTranspose2d(c_in, c_out, 4, 2, 1, bias=False), nn.BatchNorm2d(...), ...]`
#
# </details>

# %% tags=["exercise"]
def up_block(c_in: int, c_out: int) -> list[nn.Module]:
    """(B, c_in, H, W) -> (B, c_out, 2H, 2W): transposed convolution, batch norm, activation."""
    # BEGIN SOLUTION
    conv = nn.ConvTranspose2d(c_in, c_out, 4, stride=2, padding=1, bias=False)
    return [conv, nn.BatchNorm2d(c_out), nn.ReLU()]
    # END SOLUTION

# %%
up_block = check("3.2", up_block)

# %% [markdown]
# Now the whole generator. The paper's Figure 1 starts from 100 numbers and reaches 64 x 64 pixels with 1024, 512, 256 and 128 channels; ours has the same form, one layer shorter, and narrower:
#
# | layer | output, for width w |
# |---|---|
# | z, as an image of one pixel | `noise_dim` x 1 x 1 |
# | transposed convolution, stride 1, no padding; batch norm; ReLU | 4w x 4 x 4 |
# | `up_block` | 2w x 8 x 8 |
# | `up_block` | w x 16 x 16 |
# | transposed convolution, stride 2 (with bias); tanh | `channels` x 32 x 32 |
#
# **Exercise 3.3** · *The generator* · difficulty ●●●○○ · importance ●●●●● · 15 minutes · 3 points
#
# - `forward(z)` takes (B, noise_dim) and returns (B, channels, 32, 32), in (-1, 1).
# - Create the layers in the order of the table, with kernels of 4 x 4 throughout. Write every layer as a module of its own in one `nn.Sequential` (`nn.Unflatten`, `nn.ReLU`, `nn.Tanh`, ...), not as a function in `forward`: Section 8 replaces layers.
# - No bias before a batch norm; a bias in the last layer, which has none.
#
# <details><summary>Hint 1</summary>
#
# Make one `nn.Sequential` in `__init__`. `nn.Unflatten(1, (noise_dim, 1, 1))` turns z into an image of one pixel.
#
# </details>
# <details><summary>Hint 2</summary>
#
# The first layer is `nn.ConvTranspose2d(noise_dim, 4 * width, 4, stride=1, padding=0, bias=False)`: by your formula of 3.1 it turns side 1 into 4. It is equivalent to a matrix product, which is what the paper's "project and reshape" means.
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
            nn.Unflatten(1, (noise_dim, 1, 1)),                                #  z x  1 x  1
            nn.ConvTranspose2d(noise_dim, 4 * w, 4, stride=1, bias=False),     # 4w x  4 x  4
            nn.BatchNorm2d(4 * w),
            nn.ReLU(),
            *up_block(4 * w, 2 * w),                                           # 2w x  8 x  8
            *up_block(2 * w, w),                                               #  w x 16 x 16
            nn.ConvTranspose2d(w, channels, 4, stride=2, padding=1),           #  c x 32 x 32
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
# - `forward(x)` takes (B, channels, 32, 32) and returns one **logit** per image, shape (B,).
# - Create the layers in the order of the table, each as a module of its own in one `nn.Sequential`. As in 3.3, no bias before a batch norm.
# - It must also work for a batch of one.
# - LeakyReLU has slope 0.2 (guideline 5).
#
# <details><summary>Hint 1</summary>
#
# Write the layers of the table into one `nn.Sequential`, as in 3.3.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Which layers have a batch norm? Not the first: it would hide from D how bright the images are. Where there is one, the convolution has `bias=False`.
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
# We pass a batch of two through both networks. The shapes should agree with the two tables:

# %%
def shape_table(net: nn.Module, x: Tensor) -> None:
    """Print the output shape of every convolution and of the network, and count its weights."""
    for layer in net.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
            layer.register_forward_hook(lambda m, _, y: print(type(m).__name__, tuple(y.shape)))
    print("output", tuple(net(x).shape), f"{count_parameters(net):,} parameters\n")

shape_table(Generator(noise_dim=NOISE, channels=1, width=24), torch.zeros(2, NOISE))
shape_table(Discriminator(channels=1, width=24), torch.zeros(2, 1, 32, 32))

# %% [markdown]
# ## 4. Initial weights, and two batches for D
#
# In the paper (Section 4) all weights are drawn from a normal distribution with standard deviation 0.02; the authors' code draws batch norm's gain from N(1, 0.02). Before a batch norm the scale of the weights hardly matters, because it is divided out. It matters in layers without batch norm: small weights give small outputs there. D's last layer is such a layer, so its logits start small and D starts nearly undecided, as it should. (torch's default initialization would do that here too. Section 8 removes batch norm and shows the drawback of small weights.)
#
# **Exercise 3.5** · *Initialisation* · difficulty ●●○○○ · importance ●●○○○ · 10 minutes · 2 points
#
# - Change the network **in place** and return it.
# - Weights of more than one dimension (of convolutions, and of the linear layers of Section 8): N(0, 0.02). Batch norm's gain, the only one-dimensional `weight`: N(1, 0.02). Every bias: 0.
# - Draw from `rng`, not from torch's global generator, so that a seed gives the same network and no other random numbers change.
#
# <details><summary>Hint 1</summary>
#
# `for name, p in net.named_parameters():` goes through all of them. A name ends in `weight` or `bias`; `p.dim()` distinguishes a convolution's weight from a gain.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `p.normal_(mean, std, generator=rng)` draws in place. Parameters don't allow that while gradients are recorded: put it under `torch.no_grad()`.
#
# </details>
# <details><summary>Hint 3</summary>
#
# Three branches: `p.dim() > 1` -> `p.normal_(0, 0.02, generator=rng)`; `name.endswith("bias")` -> `p.zero_()`; else the gain.
#
# </details>

# %% tags=["exercise"]
def init_normal(net: nn.Module, rng: torch.Generator) -> nn.Module:
    """Weights from N(0, 0.02), batch norm's gain from N(1, 0.02), biases 0."""
    # BEGIN SOLUTION
    with torch.no_grad():
        for name, p in net.named_parameters():
            if p.dim() > 1:
                p.normal_(0, 0.02, generator=rng)
            elif name.endswith("bias"):
                p.zero_()
            else:
                p.normal_(1, 0.02, generator=rng)
    return net
    # END SOLUTION

# %%
init_normal = check("3.5", init_normal)

# %%
def pair(seed: int, width: int = WIDTH) -> tuple[nn.Module, nn.Module]:
    """A new G and D, the same for the same seed."""
    rng = env.rng(seed, "cpu")  # on the CPU, so that a seed means the same network everywhere
    G = init_normal(Generator(noise_dim=NOISE, channels=1, width=width), rng)
    D = init_normal(Discriminator(channels=1, width=width), rng)
    return G, D

G, D = pair(seed=0)
x = to_float(mixed[:32].cpu())
with torch.no_grad():
    logits = D(x)
print(f"mean |logit| of an untrained D on real digits: {logits.abs().mean():.1f}")

# %% [markdown]
# Batch norm raises a new question. It normalizes each image with the mean and standard deviation of the **batch** that it is in. In D's turn there are real images and fakes. Should they share a batch?
#
# **Exercise 3.6** · *Real and fake apart* · difficulty ●●○○○ · importance ●●●●○ · 10 minutes · 2 points
#
# - Return D's logits of `x` and of `fakes`, in this order, **each batch by itself**.
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
# What difference does it make? We take the *same* 32 real digits and put other images into their batch: real ones, black ones, or noise. If D treated each image separately, the logits of the 32 would not change.

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
# Other digits in the batch hardly matter; black images or noise change the logits of the same 32 digits several times as much. In one mixed batch D's logit for a real digit would depend on the fakes in the batch, and change whenever G does. And in G's turn D gets only fakes: their statistics would differ from those of the mixed batches in which D was trained. So `gan_step` passes the two batches through D separately, as your function does. (Within each batch images still influence each other: notebook 10 shows this, and a remedy.)
#
# ## 5. Training
#
# In Section 1 the `Player` computed the EMA. As in notebook 02, the weights of G tend to circle around the equilibrium, and an average over about the last thousand steps lies nearer to it than the weights of most single steps. It needs one pass over the weights per step and does not change the training.
#
# **Exercise 3.7** · *A running average of G* · difficulty ●●○○○ · importance ●●●○○ · 10 minutes · 2 points
#
# $$\bar\theta \leftarrow \beta\,\bar\theta + (1-\beta)\,\theta$$
#
# - `average` is a copy of `net`, made once by `copy.deepcopy`. Change its parameters **in place**; don't change `net`; return nothing.
# - Its **buffers** (batch norm's moving mean and variance) are averages already: copy them as they are.
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
# Now train. What we keep of the paper and what we change:
#
# | | paper (64 x 64, photos) | here (32 x 32, digits) | why |
# |---|---|---|---|
# | optimizer | Adam, learning rate 0.0002, $\beta_1$ = 0.5 | 0.002, decaying to 0; $\beta_1$ = 0.5, $\beta_2$ = 0.99 | training should take minutes |
# | batch | 128 | 32 | more, smaller steps in the same time |
# | z | 100, uniform | 24, normal | digits vary in fewer ways than photos |
# | kernels | 5 x 5 | 4 x 4 | no checkerboard |
# | penalty | none | R1, weight 0.1, at every 8th step | keeps D's gradient small at this learning rate |
# | samples from | the last G | the EMA of its weights | steadier |
#
# During training the cell shows samples, always from the same latent vectors. After an interruption, run the cell again: it resumes where it stopped. To start over after a change, pass `fresh=True` to `train`.

# %% tags=["training", "nbval-ignore-output"]
STEPS = env.budget(smoke=24, cpu=8000, gpu=20000)
G, D = pair(seed=0)
G, D = Player(G, lr=2e-3, steps=STEPS), Player(D, lr=2e-3, steps=STEPS)
average, half, untrained = (copy.deepcopy(G.net) for _ in range(3))
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
# *Samples of the averaged generator.* Look for errors: a stroke that ends nowhere, a digit between a 4 and a 9. And look at the variety: slanted and upright, thick and thin. No label or loss mentions slant; G learned it from the images.
#
# ## 6. "Is it broken?" Reading curves
#
# This is perhaps the most frequent question about training a GAN. A classifier's loss should fall, and lower is better. Here the loss of each network depends on how good the other one is, so *neither* has to fall. Compare D's loss with log 4 = 1.386, the loss of an undecided D (notebook 02), and check whether both losses stay bounded.

# %% tags=["nbval-ignore-output"]
ax = plot_records(history, title="our run")
ax.axhline(1.386, color="black", linewidth=0.8)
ax.text(STEPS / 2, 1.40, "log 4: an undecided D", fontsize=8, ha="center")
show(ax, alt="Losses of D and G over the steps; D's usually stays below a line at log 4")
assert all(torch.tensor(list(r.losses.values())).isfinite().all() for r in history)

# %% [markdown]
# After the first thousand steps or so both losses usually change only slowly, while the samples keep improving: both networks improve together. In the second half, as the learning rates decay, D's loss tends to fall further below log 4.
#
# Three shorter runs follow, all without learning-rate decay and EMA: one otherwise with our settings, and two with an injected fault. Below the loss curves are samples of each run. The cell prints how much they differ from one another (the standard deviation of each pixel over 32 samples, averaged over the pixels).

# %% tags=["training", "nbval-ignore-output"]
SHORT = env.budget(smoke=8, cpu=200, gpu=200)
# learning rate of G, learning rate of D, weight of R1
runs = {"a": (2e-5, 2e-3, 0.0), "b": (2e-3, 2e-3, 0.1), "c": (5e-3, 5e-5, 0.0)}
spread = {"real digits": to_float(mixed[:32]).std(dim=0).mean().item()}
loss_D = {}
fig, axes = panels(3, rows=2, height=2.6)
for i, (name, (lr_G, lr_D, gamma)) in enumerate(runs.items()):
    nets = pair(seed=1, width=24)
    if name == "c":
        for net in nets:
            swap(net, nn.BatchNorm2d, lambda layer: nn.Identity())  # no batch norm
    step, keep = game(Player(nets[0], lr=lr_G), Player(nets[1], lr=lr_D), seed=1, gamma=gamma)
    records = list(train(step, SHORT, keep, record_every=max(1, SHORT // 60), title=f"run {name}"))
    samples = in_batches(nets[0], Z[:32])
    spread[name], loss_D[name] = samples.std(dim=0).mean().item(), records[-1].losses["loss_D"]
    plot_records(records, title=f"run {name}", ax=axes[i])
    show_images(samples[:24], columns=6, ax=axes[3 + i])
show(
    fig, alt="Three pairs of loss curves with samples below. Run a: D's loss near 0, G's rises; "
    "grey noise. Run b: D's loss near 1, G's falls towards it; strokes. Run c: 24 similar images; "
    "usually D's loss is near 1.4 and G's near 0.7",
)
for name, value in spread.items():
    print(f"{name:12} images differ by {value:.3f}")
env.expect(
    "in run a D's loss falls to 0", loss_D["a"] < 0.1,
    f"the loss of D in run a ends at {loss_D['a']:.2f}; usually near 0.",
)
env.expect(
    "the samples of run b vary like real digits, those of run c do not",
    spread["c"] < 0.6 * spread["real digits"] < spread["b"],
    "the samples of run b usually differ about as much as real digits do, those of run c far less.",
)

# %% [markdown]
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
# G's loss is $-\log D(G(z))$. At 7 nats D gives a fake a probability of $e^{-7}$, about one in a thousand.
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
# Run **b**: D's loss is clearly above 0 and mostly below log 4, G's loss comes down towards it, and the samples differ about as much as real digits do. In run **a** D's learning rate is a hundred times G's: D recognizes every fake, and G hardly changes. Run **c** is the misleading one: it has neither the penalty nor batch norm (which, according to the paper, keeps G from mapping all z to one point), and G's learning rate is a hundred times D's. In most repetitions of this run the losses stay near log 4 and log 2, the values of an undecided D, so its curves look even better than those of run b. But all latent vectors give similar images: G has collapsed. **Loss curves don't show a collapse: always look at samples.**

# %% [markdown]
# ## 7. How good are the samples?
#
# We compute the metrics of Section 2 for the untrained, half-trained and trained DCGAN, for the fully connected generator of Section 1 (trained for fewer steps), and for real digits.

# %% tags=["nbval-ignore-output"]
scores = {
    "untrained": measure(untrained),
    "fully connected": baseline["fully connected"],
    "half-trained": measure(half),
    "trained": measure(average),
    "real digits": baseline["real digits"],
}
print_scores(scores)
share, classes, distance = zip(*scores.values())  # 0 untrained, 2 half-trained, 3 trained
env.report(
    confident_share=share[3], confident_share_half=share[2], confident_share_untrained=share[0],
    digit_fid=distance[3], digit_fid_half=distance[2], digit_fid_untrained=distance[0],
    classes_seen=classes[3],
)
env.expect(
    "the judge is confident about most samples, and sees all ten digits",
    share[3] >= 0.7 and classes[3] == 10,
    f"it is confident about {share[3]:.0%} of the samples and sees {classes[3]} digits; usually "
    "about 80 % and all ten.",
)
env.expect(
    "the Fréchet distance falls during training", distance[3] < distance[2] < distance[0],
    f"from untrained to trained it was {distance[0]:.0f}, {distance[2]:.1f}, {distance[3]:.1f}; "
    "usually it falls.",
)

# %% [markdown]
# The first row is a warning. For images unlike any in its training set a classifier's output is arbitrary: it may be confident about none of the grey images of an untrained G, or about all of them, as the same digit. The classes seen and the Fréchet distance reveal both cases. Does the distance order the other rows as you expect? The trained generator usually comes closest to the floor, but does not reach it. The samples about which the judge is least confident show its errors:

# %% tags=["nbval-ignore-output"]
samples = in_batches(average, Z[:N])
confidence = in_batches(judge, samples).softmax(1).max(1).values
fig, axes = panels(2, width=4, height=2.3)
order = confidence.argsort()
show_images(samples[order[:32]], columns=8, title="least confident", ax=axes[0])
show_images(samples[order.flip(0)[:32]], columns=8, title="most confident", ax=axes[1])
show(fig, alt="Left: mostly malformed or ambiguous digits. Right: clear digits")
assert confidence.isfinite().all()

# %% [markdown]
# *The 32 samples about which the judge is least confident, and most confident.* The latter show little of the variety. What the three numbers hide: a generator that had memorized the training set would get the best scores of all. Notebook 06 looks at nearest neighbours, and notebook 10 collects generators that have good values of a metric but bad samples.
#
# ## 8. What does each guideline contribute?
#
# The paper has no table of what happens without each guideline. So we make one. Each row undoes one guideline in the simplest way and leaves everything else as it is. Every run has the same number of steps, and is repeated with other seeds, because one run proves little. Removing one part and measuring the effect is called an **ablation**. Here it has side effects: pooling leaves D fewer weights, hidden layers give it more, and without batch norm its learned shifts, the only biases of those layers, are gone too. And in all rows the initial weights have standard deviation 0.02: where no batch norm follows (rows 2 and 3), the first outputs are tiny, which alone can slow down the start. `swap` replaces all layers of a kind:

# %%
class Pooled(nn.Sequential):
    """A convolution that keeps the side, then max-pooling: what guideline 1 replaces."""

    def __init__(self, conv: nn.Conv2d) -> None:
        bias = conv.bias is not None
        plain = nn.Conv2d(conv.in_channels, conv.out_channels, 3, padding=1, bias=bias)
        super().__init__(plain, nn.MaxPool2d(2))


def unchanged(G: nn.Module, D: nn.Module) -> None:
    """Nothing undone."""


def without_strides(G: nn.Module, D: nn.Module) -> None:
    """Guideline 1 undone: D pools. Its last layer, which has no stride, stays."""
    swap(D, nn.Conv2d, lambda conv: Pooled(conv) if conv.stride == (2, 2) else conv)


def without_norm(G: nn.Module, D: nn.Module) -> None:
    """Guideline 2 undone in both networks."""
    for net in (G, D):
        swap(net, nn.BatchNorm2d, lambda layer: nn.Identity())


def with_hidden_layers(G: nn.Module, D: nn.Module) -> None:
    """Guideline 3 undone: fully connected hidden layers before G and at the end of D."""
    hidden = nn.Linear(NOISE, 256), nn.ReLU(), nn.Linear(256, NOISE)
    swap(G, nn.Unflatten, lambda layer: nn.Sequential(*hidden, layer))
    last = [layer for layer in D.modules() if isinstance(layer, nn.Conv2d)][-1]
    head = nn.Sequential(nn.Conv2d(last.in_channels, 64, 4), nn.LeakyReLU(0.2), nn.Conv2d(64, 1, 1))
    swap(D, nn.Conv2d, lambda conv: head if conv is last else conv)


def leaky_generator(G: nn.Module, D: nn.Module) -> None:
    """Guideline 4 undone: LeakyReLU in G."""
    swap(G, nn.ReLU, lambda layer: nn.LeakyReLU(0.2))


def plain_discriminator(G: nn.Module, D: nn.Module) -> None:
    """Guideline 5 undone: ReLU in D."""
    swap(D, nn.LeakyReLU, lambda layer: nn.ReLU())

# %% [markdown]
# The last two rows change what *we* added: one uses the paper's learning rate, one omits the penalty. (Learning-rate decay and the EMA matter late in training; a short run can't show their effect.) Each distance is computed from at most 1,000 samples, so compare only within this table.

# %% tags=["training", "nbval-ignore-output"]
ABLATION_STEPS = env.budget(smoke=2, cpu=200, gpu=1000)
SEEDS = range(env.budget(smoke=1, cpu=2, gpu=5))
rows = {  # what is undone, learning rate, weight of R1
    "all five guidelines": (unchanged, 2e-3, 0.1),
    "1 pooling in D": (without_strides, 2e-3, 0.1),
    "2 no batch norm": (without_norm, 2e-3, 0.1),
    "3 hidden layers": (with_hidden_layers, 2e-3, 0.1),
    "4 LeakyReLU in G": (leaky_generator, 2e-3, 0.1),
    "5 ReLU in D": (plain_discriminator, 2e-3, 0.1),
    "rate 0.0002": (unchanged, 2e-4, 0.1),
    "no penalty": (unchanged, 2e-3, 0.0),
}
ablation = {name: [] for name in rows}
for name, (undo, lr, gamma) in rows.items():
    for seed in SEEDS:
        nets = pair(seed=100 + seed)
        undo(*nets)
        for net in nets:
            init_normal(net, env.rng(200 + seed, "cpu"))
        G_run = Player(nets[0], lr=lr, steps=ABLATION_STEPS, ema=0.999)
        D_run = Player(nets[1], lr=lr, steps=ABLATION_STEPS)
        step, keep = game(G_run, D_run, seed=300 + seed, gamma=gamma)
        records = list(train(step, ABLATION_STEPS, keep, title=name))
        ablation[name].append(measure(G_run.average, n=min(N, 1000))[2])
    print(f"{name:22} Fréchet distance {', '.join(f'{v:.0f}' for v in ablation[name])}")

ax = plot_bars(ablation, xlabel=f"Fréchet distance after {ABLATION_STEPS} steps (less is better)")
show(ax, alt="A bar for each variant, the mean Fréchet distance, with a dot for each seed")
means = [sum(distances) / len(distances) for distances in ablation.values()]
full, no_norm, hidden, paper_rate = (means[i] for i in (0, 2, 3, 6))  # in the order of `rows`
env.report(ablation_full=full, ablation_no_norm=no_norm, ablation_paper_rate=paper_rate)
env.expect(
    "after 200 steps three rows are behind: no batch norm, hidden layers, the paper's rate",
    ABLATION_STEPS != 200 or min(no_norm, hidden, paper_rate) > full,
    f"the mean distances of these rows are {no_norm:.0f}, {hidden:.0f} and {paper_rate:.0f}; "
    f"usually all are larger than that of the first row, here {full:.0f}.",
)

# %% [markdown]
# *Mean Fréchet distance of each variant; each dot is one seed.* With two seeds (profile `cpu`), even if a change has no effect, the dots of its row lie completely above or below those of another row in one case of three. So rely only on gaps that are much larger than the distance between a row's dots.
#
# In the run recorded here (profile `cpu`, 200 steps) two guidelines make a clear difference: without batch norm (2), or with fully connected hidden layers (3), the start is much slower. The paper says of batch norm that it was critical for deep generators to begin learning at all. With the paper's own learning rate the start is slower still; the authors chose that rate because 0.001 was too high for their networks. The penalty makes no difference that two seeds could show. **The other three guidelines don't help in this run**: undone, each gives a *smaller* distance, pooling the smallest (with more arithmetic per step). The paper itself limits two of its guidelines: no hidden layers in *deeper* architectures, LeakyReLU above all at *higher resolution*. Ours are shallow networks on small images, in their first steps; the `gpu` profile trains for more steps. An ablation is evidence only about the setting in which it was made.
#
# ## 9. A first look inside
#
# Are there images between two samples? Radford et al. (Section 6.1) take sharp transitions as a sign that G has memorized images. Here are samples along the line from one latent vector to another:

# %%
def walk(start: int = 0, end: int = 5) -> None:
    """Show samples between two latent vectors."""
    t = torch.linspace(0, 1, 12, device=Z.device).unsqueeze(1)
    z = (1 - t) * Z[start] + t * Z[end]  # notebook 04 asks whether a straight line is right
    ax = show_images(in_batches(average, z), columns=12, title=f"from z {start} to z {end}")
    show(ax, alt=f"Twelve generated digits that change step by step from {start} to {end}")

stills = [{"start": 0, "end": 5}, {"start": 2, "end": 9}]
explore(walk, stills=stills, start=(0, 63, 1, 0), end=(0, 63, 1, 5))

# %% [markdown]
# *Two walks.* Within a digit the strokes change gradually. From one digit to another the change can be quick, within a step or two, because few shapes in between would look real. A few walks are not enough to decide; notebook 04 measures many.
#
# We save the networks: notebook 04 examines G and D, and later notebooks use the judge. On Colab each notebook has a disk of its own, which is lost when it disconnects. To keep the networks on your Google Drive, call `env.keep_on_drive()` after the first cell, in this notebook and in those that use them.

# %%
paths = [
    networks.save(average, folder / "G.safetensors", like=dcgan.Generator(NOISE, 1, WIDTH, 32)),
    networks.save(D.net, folder / "D.safetensors", like=dcgan.Discriminator(1, WIDTH, 32)),
    networks.save(judge, folder / "judge.safetensors"),
]
if all(paths):  # a path is None if its file could not be written
    again = networks.load(paths[0], env.device())
    assert torch.allclose(again(Z[:4]), in_batches(average, Z[:4]), atol=1e-2)
    print("saved:", ", ".join(path.stem for path in paths))

# %% [markdown]
# ## 10. Another data set
#
# The same code trains on photographs. Name a set below, or in the environment variable `GANCOURSE_SET`: `"clothing"` (about 3,800 photos, public domain), `"fashion_mnist"`, `"cifar10"`, `"celeba"` or `"flowers102"`. The first time it is downloaded and verified; `gancourse fetch` lists the sizes and licences. Training takes as many steps as in Section 5.

# %% tags=["training", "nbval-ignore-output"]
DATA_SET = os.environ.get("GANCOURSE_SET", "")  # for example "clothing"
other = None
try:
    if DATA_SET:
        other = named.load(DATA_SET, 32, limit=env.budget(smoke=500, cpu=20_000, gpu=None))
except CourseError as problem:
    print(problem)
if other:
    print(other.source)
    channels, start = other.images.shape[1], env.rng(10, "cpu")
    G_net = init_normal(dcgan.Generator(NOISE, channels, WIDTH, 32), start)
    D_net = init_normal(dcgan.Discriminator(channels, WIDTH, 32), start)
    players = Player(G_net, lr=2e-3, steps=STEPS, ema=0.999), Player(D_net, lr=2e-3, steps=STEPS)
    step, keep = game(*players, seed=10, images=other.images)
    list(train(step, STEPS, keep, env.run_dir(f"03_dcgan_{DATA_SET}"), title=DATA_SET))
    some = other.images[torch.linspace(0, len(other.images) - 1, 32).long()]  # of every class
    images = torch.cat([to_float(some), in_batches(players[0].average, Z[:32])])
    show(show_images(images, columns=16), alt="Two rows of real images, and two of samples")
    assert images.isfinite().all()
else:
    print("Name a data set in DATA_SET, and run this cell again.")

# %% [markdown]
# ## What we measured, and what the paper says
#
# - The paper shows bedrooms, faces and ImageNet images. It has no Fréchet distance, which came two years later. It measures samples once, on MNIST (Section 8.1): a nearest-neighbour classifier that learns from samples of a DCGAN with labels does as well as one that learns from real digits. Its other numbers are about D's features; notebook 04 measures those.
# - Our numbers are in the table of Section 7. They come from a classifier that was not trained on samples. Compare the trained generator's Fréchet distance with those of the untrained one and of real digits.
# - An experiment: does our short z help? Set `NOISE` to 64 at the top, run everything again up to the table of Section 7, and compare. (`train` sets the old run aside, since the shapes differ; the judge is read from its checkpoint.) Don't run the cell that saves, and don't delete the folder: later notebooks use the networks in it.
#
# **A mistake worth making.** In Section 5, after `G, D = pair(seed=0)`, write `D = nn.Sequential(D, nn.Sigmoid())`: the losses now get a probability where they expect a logit. (Pass `fresh=True` to `train`, and stop before the cell that saves.) No error is raised, and the losses look calm: D's "logit" now lies between 0 and 1, so its loss on a fake can't fall below log 2. How do the samples look, and how could you notice the mistake without them?
#
# **References**
# - Radford, Metz, Chintala (2016), *Unsupervised representation learning with deep convolutional generative adversarial networks*: arXiv 1511.06434. Guidelines in Section 3, training details in Section 4, walks in 6.1, MNIST in 8.1.
# - Goodfellow et al. (2014), *Generative adversarial nets*, arXiv 1406.2661: Equation 1, Algorithm 1.
# - Mescheder, Geiger, Nowozin (2018), *Which training methods for GANs do actually converge?*, arXiv 1801.04406: the R1 penalty.
# - Heusel et al. (2017), *GANs trained by a two time-scale update rule converge to a local Nash equilibrium*, arXiv 1706.08500: the Fréchet Inception distance.
# - Odena, Dumoulin, Olah (2016), *Deconvolution and checkerboard artifacts*, Distill.
# - Karras et al. (2020), *Analyzing and improving the image quality of StyleGAN*, arXiv 1912.04958: a penalty applied every few steps (lazy regularization).
