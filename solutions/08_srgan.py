# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown] tags=["header"]
# # 08 SRGAN: sixteen pixels from one
#
# Make a photograph four times as wide and four times as high, and 15 of every 16 pixels have to be invented. Ledig et al. (2017) trained one network for this task twice: once to minimize the squared error of the pixels, and once, with a discriminator, so that its images look like photographs. The first had the best scores in the usual metrics. People preferred the second: on two of three test sets, 26 raters rated it clearly above every other method.
#
# **You build:** a network that enlarges any image four times, trained with and without a GAN.
#
# The result to reproduce is that contradiction: the network with the better score in decibels is the worse one by metrics that compare textures instead of pixels.
#
# After this notebook you can
#
# - **compare** an image with the original by several metrics, and **say** what each of them misses,
# - **build** residual blocks and sub-pixel convolutions, and **find** a checkerboard pattern in a spectrum,
# - **explain** why the squared error favours blurred images, and **show** it,
# - **write** a loss on the features of a pretrained network through which gradients flow,
# - **enlarge** an image of your own, of any size, without running out of memory.
#
# | section | minutes |
# |---|---|
# | 1 The task, and how to measure it (exercise 8.1) | 25 |
# | 2 A residual network (8.2) | 18 |
# | 3 From channels to pixels (8.3) | 25 |
# | 4 SRResNet: the squared error | 12 |
# | 5 Why the squared error blurs (8.4) | 15 |
# | 6 Content loss and adversarial loss (8.5, 8.6, 8.7) | 45 |
# | 7 SRGAN | 15 |
# | 8 A blinded opinion test | 8 |
# | 9 Your own images (8.8) | 30 |
#
# It builds on notebook 02 (the game), 03 (convolutions, batch norm, the EMA) and 06 (downsampling without aliasing).

# %% tags=["setup"]
# written by gancourse build

# %%
import copy
import os
import time
from collections.abc import Callable, Mapping
from functools import partial
from statistics import fmean

import torch
import torch.nn.functional as F
from PIL import Image, ImageChops, ImageOps, ImageStat
from torch import Tensor, nn

from gancourse.classifiers import pretrained
from gancourse.datasets import lowres, named, photos
from gancourse.errors import CourseError
from gancourse.exercises import check
from gancourse.figures import panels, plot_bars, plot_curves, show, show_images
from gancourse.metrics.images import luminance, perceptual_distance, ssim
from gancourse.metrics.samples import frechet_distance
from gancourse.papers import srgan, srgan_photos
from gancourse.papers.blocks import count_parameters, initial_weights
from gancourse.papers.gan import descend
from gancourse.shapes import to_bytes, to_float
from gancourse.training.loop import train
from gancourse.training.player import Player
from gancourse.widgets import OpinionTest

# %% [markdown]
# ## 1. The task, and how to measure it
#
# This task is called **single-image super-resolution**, and training pairs for it cost nothing: take a high-resolution photograph, make a low-resolution copy, and train a network to recover the original. Like the paper we downsample by a factor of 4, by bicubic interpolation with antialiasing. Our photographs come with two Python packages. Eleven are for training. Three, a cat, a cup of coffee and a rocket, are for testing; no network is trained on them.

# %%
device = env.device()
training_photos = lowres.load(photos.TRAIN)
test_photos = lowres.load(photos.TEST)
print("for training:", ", ".join(training_photos))
for name, (low, high) in test_photos.items():
    print(f"{name:7} {high.shape[3]} x {high.shape[2]}, low: {low.shape[3]} x {low.shape[2]}")
assert len(training_photos) == 11 and len(test_photos) == 3

# %% [markdown]
# Eleven photographs are few. The usual training set of super-resolution is DIV2K, 800 photographs of about 2040 x 1400 pixels, a download of 4 GB. To train on a part of it, set the number below (100 take 0.9 GB of memory) and use the profile `gpu`.

# %%
DIV2K = int(os.environ.get("GANCOURSE_DIV2K", "0"))  # photographs of DIV2K; 0: none
try:
    if DIV2K:
        training_photos = named.div2k("train", limit=DIV2K)
except CourseError as problem:
    print(problem)
print(f"{len(training_photos)} photographs for training")

# %% [markdown]
# The baselines need no network: copy each pixel 16 times ("nearest"), or interpolate smoothly between the pixels ("bicubic"). Here is a square of each photograph.

# %%
PLACES = {"cat": (30, 38), "coffee": (20, 88), "rocket": (28, 72)}  # top, left in the low image
SIDE = 24  # of a square, in pixels of the low-resolution image
BASELINES = {mode: partial(lowres.enlarge, mode=mode) for mode in ("nearest", "bicubic")}


def square(name: str, x: Tensor) -> Tensor:
    """The same part of a test photo (1, 3, H, W) at either resolution."""
    k = x.shape[2] // test_photos[name][0].shape[2]
    top, left = (k * place for place in PLACES[name])
    return x[:, :, top : top + k * SIDE, left : left + k * SIDE]


def enlarge_all(method: Callable, pairs: Mapping[str, tuple] = test_photos) -> dict[str, Tensor]:
    """Every low-resolution image, enlarged and rounded to bytes as in a file; on the CPU."""
    images = {}
    for name, (low, _) in pairs.items():
        images[name] = to_float(to_bytes(method(to_float(low).to(device)).float())).cpu()
    return images


def compare(*methods: str) -> None:
    """A row for each test photo: its square from each method, and the original."""
    columns = {method: enlarged[method] for method in methods} | {"original": truth}
    fig, axes = panels(len(columns), rows=len(truth), width=2.3, height=2.45)
    places = [(photo, title) for photo in truth for title in columns]
    for ax, (photo, title) in zip(axes, places):
        show_images(square(photo, columns[title][photo]), columns=1, title=title, ax=ax)
    show(fig, alt=f"Squares of the three test photos; in columns: {', '.join(columns)}")


enlarged = {name: enlarge_all(method) for name, method in BASELINES.items()}
truth = {name: to_float(high) for name, (_, high) in test_photos.items()}
compare("nearest", "bicubic")

# %% [markdown]
# *Figure 8.1. Four times larger without a network.* Now numbers. The standard metric of super-resolution is the **peak signal-to-noise ratio** (PSNR): the mean squared error on a logarithmic scale on which higher is better,
#
# $$\mathrm{PSNR} = 10 \log_{10} \frac{255^2}{\mathrm{MSE}}\ \text{dB}.$$
#
# One decibel more is a fifth less squared error; 3 dB more is half of it. PSNRs can be compared only if they follow the same two conventions. First, the error is that of the **luma** Y, a weighted sum of red, green and blue on a scale from 16 to 235, since people see edges in brightness better than in colour. Second, a border of 4 pixels is cut off, where networks pad with zeros.
#
# **Exercise 8.1** · *Decibels* · difficulty ●●○○○ · importance ●●●●● · 12 minutes · 2 points
#
# Write the PSNR as the paper measures it.
#
# - `x` and `real` are (B, 3, H, W) in [-1, 1]; `luminance(x)` gives Y, (B, H, W), on the scale of bytes.
# - Cut off `border` pixels on each side (1 or more), then take the mean squared error of Y for each image separately.
# - Return the PSNR of each image in dB, (B,), with a peak of 255.
#
# <details><summary>Hint 1</summary>
#
# Over which axes do you average, if each image gets its own number?
#
# </details>
# <details><summary>Hint 2</summary>
#
# `error = luminance(x) - luminance(real)`, then `error[:, border:-border, border:-border]`.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `mse = error.square().mean(dim=(1, 2))`, and `10 * torch.log10(255**2 / mse)`.
#
# </details>


# %% tags=["exercise"]
def psnr(x: Tensor, real: Tensor, border: int = 4) -> Tensor:
    """PSNR of the luma, in dB, of each image of (B, 3, H, W) without its border: (B,)."""
    # BEGIN SOLUTION
    error = luminance(x) - luminance(real)
    inside = error[:, border:-border, border:-border]
    return 10 * torch.log10(255**2 / inside.square().mean(dim=(1, 2)))
    # END SOLUTION


# %%
psnr = check("8.1", psnr)

# %% [markdown]
# The second metric is the **structural similarity** (SSIM, Wang et al. 2004): it compares mean, contrast and correlation in a small window around each pixel, and is 1 for equal images. We take it from scikit-image, with the settings of Wang's own code. The third, the **perceptual distance**, compares features of a network instead of pixels. Both images go through EfficientNet-Lite0, a classifier trained on ImageNet (notebook 01). At each position of four feature maps, taken after the activation, the directions of the two feature vectors are compared. That is the form of LPIPS (Zhang et al. 2018) with another network, so the values can be compared with each other but not with published LPIPS values. Lower means more similar.

# %%
features = pretrained.lite0_features().to(device)  # maps at 1/2, 1/4, 1/8 and 1/16 of the side


def feature_distance(x: Tensor, real: Tensor) -> Tensor:
    """The perceptual distance of two images, with the features of EfficientNet-Lite0."""
    return perceptual_distance(features, x.to(device), real.to(device))


METRICS = {"PSNR (dB)": psnr, "SSIM": ssim, "perceptual": feature_distance}


def measure(images: Mapping, real: Mapping) -> dict[str, float]:
    """The mean of each metric over images and their originals."""
    return {
        name: fmean(float(metric(images[photo], x)) for photo, x in real.items())
        for name, metric in METRICS.items()
    }


def table(results: Mapping[str, Mapping[str, float]]) -> None:
    """Print the metrics, one row per method."""
    print(f"{'':10}" + "".join(f"{name:>12}" for name in METRICS))
    for method, scores in results.items():
        print(f"{method:10}" + "".join(f"{scores[name]:#12.4g}" for name in METRICS))


results = {method: measure(images, truth) for method, images in enlarged.items()}
table(results)
assert results["bicubic"]["PSNR (dB)"] > results["nearest"]["PSNR (dB)"]

# %% [markdown]
# Bicubic interpolation is the better baseline by all three metrics, and the one to beat.
#
# ## 2. A residual network
#
# What kind of network suits the task? One that computes at low resolution, where a layer costs a sixteenth, and upsamples only at its end. The paper's generator (kernel, maps, stride; Figure 4 there):
#
# ```
#  low-resolution image                                       high-resolution image
#       |                                                                     ^
#  k9n64s1, PReLU                                                          k9n3s1
#       |------------------------------------------+                          |
#  16 x [ k3n64s1, BN, PReLU, k3n64s1, BN, + ]     |        2 x [ k3n256s1, x2 pixels, PReLU ]
#       |                                          |                          |
#  k3n64s1, BN ------------------------------------+ --------------------------
# ```
#
# Each block *adds* a correction to its input, as in the residual networks of He et al. (2016); a block whose layers return zeros passes its input on unchanged. One more skip connection goes around all of them. PReLU is a ReLU whose slope below zero is learned.
#
# **Exercise 8.2** · *A residual block* · difficulty ●●○○○ · importance ●●●●○ · 12 minutes · 2 points
#
# | layer | output |
# |---|---|
# | convolution 3 x 3, padding 1, no bias; batch norm | `width` |
# | PReLU, one slope for all channels | `width` |
# | convolution 3 x 3, padding 1, no bias; batch norm | `width` |
# | the input added | `width` |
#
# Nothing comes after the sum.
#
# <details><summary>Hint 1</summary>
#
# Collect the five layers in an `nn.Sequential` in `__init__`.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `nn.Conv2d(width, width, 3, padding=1, bias=False)`, `nn.BatchNorm2d(width)`, `nn.PReLU()`.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `forward` is one line: `return x + self.layers(x)`.
#
# </details>


# %% tags=["exercise"]
class ResidualBlock(nn.Module):
    """Maps (B, width, H, W) to maps of the same shape: the input plus a correction."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        # BEGIN SOLUTION
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.PReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )
        # END SOLUTION

    def forward(self, x: Tensor) -> Tensor:
        # BEGIN SOLUTION
        return x + self.layers(x)
        # END SOLUTION


# %%
ResidualBlock = check("8.2", ResidualBlock)

# %% [markdown]
# ## 3. From channels to pixels
#
# How does a network upsample? DCGAN used transposed convolutions. Shi et al. (2016) use an ordinary convolution with four times as many output channels, and rearrange each group of four channels into a block of 2 x 2 pixels. That is a **sub-pixel convolution**; its second half, the **pixel shuffle**, only reorders values:
#
# ```
#  channels     0  1  2  3      pixels     0 1        r = 2; channel i r + j
#  at (y, x)                    at         2 3        goes to row i, column j
#                               (2y, 2x)              of the block
# ```
#
# **Exercise 8.3** · *Channels to pixels* · difficulty ●●●○○ · importance ●●●○○ · 15 minutes · 2 points
#
# - From (B, C r r, H, W) make (B, C, r H, r W).
# - The first r r channels make the first colour, the next r r the second, and so on.
# - Pixel (r y + i, r x + j) of colour c is pixel (y, x) of channel c r r + i r + j.
#
# <details><summary>Hint 1</summary>
#
# A reshape to six axes names everything: (B, C, i, j, H, W). In which order must they be so that one more reshape gives the result?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Rows of the result are counted by (H, i), columns by (W, j). So: (B, C, H, i, W, j).
#
# </details>
# <details><summary>Hint 3</summary>
#
# `x.reshape(B, C, r, r, H, W).permute(0, 1, 4, 2, 5, 3).reshape(B, C, r * H, r * W)`.
#
# </details>


# %% tags=["exercise"]
def pixel_shuffle(x: Tensor, r: int) -> Tensor:
    """Rearrange channels into pixels: (B, C r r, H, W) to (B, C, r H, r W)."""
    # BEGIN SOLUTION
    batch, channels, height, width = x.shape
    x = x.reshape(batch, channels // r**2, r, r, height, width)
    return x.permute(0, 1, 4, 2, 5, 3).reshape(batch, -1, r * height, r * width)
    # END SOLUTION


# %%
pixel_shuffle = check("8.3", pixel_shuffle)

# %% [markdown]
# Why not a transposed convolution? Each input pixel contributes to a patch of the output, and with a kernel of 3 and a stride of 2 these patches overlap unevenly. For an input of ones and weights of one:

# %%
with torch.no_grad():
    uneven = nn.ConvTranspose2d(1, 1, 3, stride=2, padding=1, output_padding=1, bias=False)
    uneven.weight.fill_(1)
    counts = uneven(torch.ones(1, 1, 4, 4))[0, 0]
even = pixel_shuffle(torch.ones(1, 4, 4, 4), 2)
print("transposed: contributions per pixel\n", counts[:6, :6].int().tolist())
print("sub-pixel:", sorted(set(even.flatten().int().tolist())))

# %% [markdown]
# Some pixels receive four times as much as others: a **checkerboard pattern**, before anything is learned. A network can learn weights that compensate for it, but often does so only partly. The pixel shuffle has no such overlap. Is it free of the pattern, then? We test it: two doublings with random weights, on a flat grey image. Any deviation from flat in the result is the pattern. For comparison there is a third method: copy pixels first, then convolve ("resize").

# %%
def flat_response(kind: str, rng: torch.Generator) -> Tensor:
    """Two doublings with random weights on a flat image, without its border: (1, 1, 64, 64)."""
    double = srgan.UPSAMPLERS[kind]
    with torch.no_grad(), initial_weights(rng):
        layers = nn.Sequential(double(16, 16), nn.PReLU(), double(16, 1))
        return layers(torch.ones(1, 16, 20, 20))[:, :, 8:-8, 8:-8]


def spectrum(x: Tensor) -> Tensor:
    """Mean amplitude of each frequency in images (B, 1, H, W), frequency 0 in the middle."""
    amplitude = torch.fft.fft2(x - x.mean(dim=(2, 3), keepdim=True)).abs().mean(dim=(0, 1))
    return torch.fft.fftshift(amplitude)


fig, axes = panels(3, rows=2, width=2.9, height=2.9)
frequencies = {"cmap": "gray", "vmin": 0, "vmax": 5, "extent": (-0.5, 0.5, 0.5, -0.5)}
shares = {}
for n, kind in enumerate(("transposed", "subpixel", "resize")):
    rng = env.rng(0, "cpu")
    made = torch.cat([flat_response(kind, rng) for _ in range(20)])
    strength = made.std(dim=(1, 2, 3)) / made.square().mean(dim=(1, 2, 3)).sqrt()
    shares[kind] = strength.mean().item()
    print(f"{kind:11} standard deviation over root mean square: {shares[kind]:.2f}")
    zoomed = (made[:1, :, :16, :16] - made[0].mean()) / made[0].std().clamp(min=0.02) / 3
    show_images(zoomed, columns=1, title=kind, ax=axes[n])
    axes[n + 3].imshow(spectrum(made).log1p().numpy(), **frequencies)
    axes[n + 3].set(title="spectrum", xlabel="cycles per pixel", ylabel="cycles per pixel")
show(fig, alt="Above, patterns of 4 x 4 pixels for the transposed and the sub-pixel doubling, "
     "nothing for resize. Below, their spectra: single bright dots at multiples of a quarter "
     "cycle per pixel for the first two, black for the third.")
assert shares["resize"] < 0.01 < min(shares["subpixel"], shares["transposed"])

# %% [markdown]
# *Figure 8.2. Output of three untrained upsamplers for flat grey: 16 x 16 pixels of it, and its spectrum, the mean over 20 sets of random weights.* A pattern that repeats every 4 pixels can only have frequencies that are multiples of 1/4: the dots. Look for such dots in the spectrum of any generator's images.
#
# The sub-pixel convolution was meant to avoid the pattern, but has it too. Nothing overlaps unevenly here. The cause is the weights: four maps with four sets of random weights give four different greys. (Aitken et al., 2017, start with four equal sets.) Only "resize" can't produce the pattern. (With these kernels the transposed convolution needs a quarter of the arithmetic of the other two, and the sub-pixel convolution has four times their weights.) How much of the pattern is left after training is measured below.
#
# ## 4. SRResNet: the squared error
#
# How good is a network that is trained on the squared error alone? The paper begins with it, and calls the result SRResNet: 16 blocks of 64 maps, a million steps on 350,000 ImageNet images.

# %%
paper = srgan.Generator()
print(f"the paper's generator: {count_parameters(paper):,} parameters,")
print(f"of these in the 16 blocks: {16 * count_parameters(ResidualBlock(64)):,}")
print(f"receptive field: {paper.reach} low-resolution pixels in each direction")
assert count_parameters(paper) == 1_547_350

# %% [markdown]
# The `cpu` profile is made for two cores and a minute or two of training. Its network is narrower: 32 maps, 6 blocks, 16 maps in the upsampling stages, a last kernel of 3 x 3. And in every profile we depart from the paper in one point: the network's output is **added to the bicubic image**, so that it has to learn only what bicubic interpolation misses. The effect of this is measured below.

# %%
SHAPE = env.budget(
    smoke={"on_bicubic": True, "width": 8, "blocks": 1, "tail": 8, "ends": (5, 3)},
    cpu={"on_bicubic": True, "width": 32, "blocks": 6, "tail": 16, "ends": (9, 3)},
    gpu={"on_bicubic": True, "width": 64, "blocks": 16},
)
BATCH, LR = env.budget(smoke=(4, 2e-3), cpu=(16, 2e-3), gpu=(16, 4e-4))


def new_generator(**changes: object) -> nn.Module:
    """A generator of this profile's size; its initial weights are those of seed 0."""
    return srgan.Generator(**SHAPE | changes, rng=env.rng(0, "cpu")).to(device)


def train_srresnet(net: nn.Module, steps: int, **options: object) -> tuple[nn.Module, float]:
    """Train on the squared error; returns the EMA of the network, and the seconds."""
    G = Player(net.train(), lr=LR, steps=steps, hold=0.2, betas=(0.9, 0.99), ema=0.995)
    rng = env.rng(1, "cpu")
    batches = lowres.Crops(training_photos, SIDE, BATCH, rng, device)

    def step() -> dict[str, Tensor]:
        low, high = next(batches)
        with env.autocast():
            x = G.net(low)
        loss = F.mse_loss(x.float(), high)
        descend(G.opt, loss)
        G.advance()
        return {"squared error": loss.detach()}

    *_, record = train(step, steps, {"G": G, "rng": rng}, **options)
    return G.average, record.seconds


def enlarger(G: nn.Module) -> Callable[[Tensor], Tensor]:
    """A trained network as a function of one low-resolution image."""

    def enlarge(low: Tensor) -> Tensor:
        with torch.no_grad(), env.autocast():
            return G.eval()(low).float()

    return enlarge


def gain(images: Mapping[str, Tensor]) -> list[float]:
    """PSNR above that of bicubic interpolation, in dB, for each test photo."""
    bicubic = enlarged["bicubic"]
    return [(psnr(images[n], x) - psnr(bicubic[n], x)).item() for n, x in truth.items()]


# %% [markdown]
# A batch is 16 crops of 24 x 24 low-resolution pixels with the 96 x 96 that they were made from (the paper's sizes), at random positions, rotated and flipped at random. Photographs with much detail are drawn more often: grass most, and the smooth retina least, though it is the largest.

# %% tags=["training", "nbval-ignore-output"]
STEPS = env.budget(smoke=8, cpu=1700, gpu=5000)
folder = env.run_dir("08_srgan") / "srresnet"
srresnet, seconds = train_srresnet(new_generator(), STEPS, folder=folder, title="SRResNet")
enlarged["SRResNet"] = enlarge_all(enlarger(srresnet))
results["SRResNet"] = measure(enlarged["SRResNet"], truth)
gains = gain(enlarged["SRResNet"])
print(f"{count_parameters(srresnet):,} parameters, {STEPS} steps, {seconds:.0f} s")
table(results)
print("gain over bicubic (dB):", ", ".join(f"{n} {g:+.2f}" for n, g in zip(truth, gains)))
env.report(seconds_srresnet=seconds, gain_srresnet=fmean(gains))
env.expect("SRResNet gains at least 0.6 dB over bicubic interpolation", fmean(gains) >= 0.6,
           f"SRResNet gained {fmean(gains):.2f} dB; usually 0.6 dB or more.")

# %%
compare("bicubic", "SRResNet")

# %% [markdown]
# *Figure 8.3. Trained for a minute or two on the squared error.* Compare edges and surfaces. Usually edges are sharper than in the bicubic images: the rim of the cup, the cat's eyelid. But the fur is smoother than any real fur, although the metrics of the table improved. Section 5 explains why. The gains of the three photos differ: usually the cup with its clean edges gains most, and the rocket, sky and a fine lattice, least.
#
# But first: what do the bicubic image, batch norm and the kind of upsampling contribute? Five networks are trained from the start, for the same small number of steps:

# %% tags=["training", "nbval-ignore-output"]
VARIANTS = {
    "as above": {}, "without batch norm": {"norm": False},
    "not added to bicubic": {"on_bicubic": False},
    "transposed": {"upsampling": "transposed"}, "resize": {"upsampling": "resize"},
}
VARIANT_STEPS = env.budget(smoke=2, cpu=200, gpu=300)
greys = torch.linspace(-0.8, 0.8, 9, device=device).view(-1, 1, 1, 1).expand(-1, 3, 40, 40)


def pattern(G: nn.Module) -> float:
    """Standard deviation of G's output for flat greys, in grey levels of 0 to 255."""
    flat = 127.5 * enlarger(G)(greys)[:, :, 48:-48, 48:-48]
    return flat.std(dim=(2, 3)).mean().item()


gains = {}
for name, changes in VARIANTS.items():
    net = new_generator(**changes)
    untrained = pattern(net)
    average, _ = train_srresnet(net, VARIANT_STEPS, title=name)
    print(f"{name:21} pattern: untrained {untrained:.3f}, trained {pattern(average):.3f} of 255")
    gains[f"{name}\n{count_parameters(net):,} parameters"] = gain(enlarge_all(enlarger(average)))
fig, axes = panels(1, width=7.5, height=3.2)
xlabel = f"gain over bicubic (dB) after {VARIANT_STEPS} steps; dots: the {len(truth)} photos"
plot_bars(gains, xlabel=xlabel, ax=axes[0])
show(fig, alt="Bars of the gain in decibels of five networks, each with a dot for each test photo")
worst = min(gains, key=lambda label: fmean(gains[label])).split("\n")[0]
env.expect("the network that is not added to bicubic gains least", worst == "not added to bicubic",
           f"{worst!r} gained least; usually it is the one not added to bicubic.")

# %% [markdown]
# *Figure 8.4. One change at a time, equal steps, one run each.* Without the bicubic image the network has to learn the smooth part first, and after so few steps it is usually still worse than interpolation. The paper trained for a million steps and needs no such help. Is the bar without batch norm much shorter? Later super-resolution networks left batch norm out, and could then be made much larger (Lim et al. 2017). A small difference between two bars says little, since each is one run; and the last two networks have fewer weights. We compare equal numbers of steps, not seconds, since seconds depend on what else the machine is doing.
#
# The printed lines measure the pattern: the standard deviation of the output for flat grey, in grey levels. A network whose output is added to the bicubic image starts with small weights in its last layer, so its pattern is a fraction of one grey level even before training. The squared error gives it no reason to increase the pattern. Compare this with Section 7.
#
# ## 5. Why the squared error blurs
#
# Why is the fur smooth? Because many different furs have the same low-resolution image. We construct such a set: several high-resolution images, all equally correct. Take a piece of grass as the truth and keep its low-resolution image. Put the fine detail of *other* pieces of grass on top of it, and adjust until the low-resolution image is the same again, up to rounding and clipping. Nothing in the low-resolution image says which of them is the truth. (In the gravel you may still guess it: coarse and fine parts of the others come from two places and don't quite fit. The argument does not depend on this.)

# %%
N_ANSWERS = 16


def answers(photo: str, side: int = 128) -> Tensor:
    """Images of one texture with the same low-resolution image: (16, 3, side, side)."""
    whole, rng = to_float(training_photos[photo][1])[0], env.rng(0, "cpu")
    corners = [[int(torch.randint(n - side + 1, (), generator=rng)) for n in whole.shape[1:]]
               for _ in range(N_ANSWERS)]
    pieces = torch.stack([whole[:, y : y + side, x : x + side] for y, x in corners])

    def shrink(x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=1 / 4, mode="bicubic", antialias=True)

    low = shrink(pieces[:1])  # the first piece is the truth
    x = lowres.enlarge(low) + pieces - lowres.enlarge(shrink(pieces))
    for _ in range(30):  # add what the low-resolution image still lacks
        x = x + lowres.enlarge(low - shrink(x))
    assert (shrink(x) - low).abs().max() < 0.5 / 127.5  # half a grey level
    return x


textures = {name: answers(name) for name in ("grass", "gravel", "brick")}
print(f"{N_ANSWERS} answers each for {', '.join(textures)}")

# %% [markdown]
# **Exercise 8.4** · *What the squared error wants* · difficulty ●●○○○ · importance ●●●●● · 5 minutes · 1 point
#
# Suppose that there are very many such answers, and one of them, you don't know which, is the truth. Ann submits one of them, chosen at random. Bob submits the mean of all of them. Compare their mean squared errors, averaged over many rounds, in decibels.
#
# - `"a"`: Bob's PSNR is lower: his image is blurred.
# - `"b"`: Both are the same on average.
# - `"c"`: Bob's PSNR is about 3 dB higher.
# - `"d"`: Bob's PSNR is higher without limit: the mean of all answers is the truth.
#
# <details><summary>Hint 1</summary>
#
# Look at one pixel. Across the answers it has many values, spread around their mean with some variance.
#
# </details>
# <details><summary>Hint 2</summary>
#
# Bob's expected squared error is that variance. Ann's is the expected squared difference of two independent draws.
#
# </details>
# <details><summary>Hint 3</summary>
#
# The variance of a difference of two independent draws is the sum of both variances. A factor of two is how many decibels?
#
# </details>

# %% tags=["exercise"]
answer = ...  # a letter in quotes
# BEGIN SOLUTION
answer = "c"
# END SOLUTION

# %%
answer = check("8.4", answer)

# %% [markdown]
# Now run the experiment. Each answer is the truth once; Ann's guess is another one, Bob's is the mean of the other fifteen.

# %%
def blurred(x: Tensor) -> Tensor:
    """For each answer, the mean of all the others."""
    return (x.sum(dim=0) - x) / (len(x) - 1)


def decibels(x: Tensor, real: Tensor) -> float:
    """PSNR of the mean squared error over all pairs and channels."""
    return (10 * torch.log10(4 / F.mse_loss(x, real))).item()


fig, axes = panels(5, rows=len(textures), width=1.9, height=2.1)
for row, (name, x) in enumerate(textures.items()):
    others = torch.cat([x.roll(k, 0) for k in range(1, N_ANSWERS)])
    ann, bob = decibels(others, x.repeat(N_ANSWERS - 1, 1, 1, 1)), decibels(blurred(x), x)
    print(f"{name:7} Bob's PSNR - Ann's: {bob - ann:.2f} dB")
    low = lowres.enlarge(to_float(lowres.shrink(to_bytes(x[:1]))), "nearest")
    images = torch.cat([low, x[:3], blurred(x)[:1]])[:, None, :, 32:96, 32:96]
    titles = ("low resolution", "the truth", "Ann, one answer", "another", "Bob, the mean")
    for ax, title, image in zip(axes[5 * row :], titles, images):
        show_images(image, columns=1, title=title, ax=ax)
show(fig, alt="Rows of grass, gravel and brick: the low-resolution image, three sharp large "
     "images that differ, and their mean, which is blurred")

# %% [markdown]
# *Figure 8.5. All sharp images of a row have the same low-resolution image. The blurred one has the best PSNR.* With fifteen others to average, Bob is 2.73 dB ahead, whatever the texture ($10 \log_{10} \tfrac{2 \cdot 15}{16}$; the limit is 3.01). This holds for every network: **the answer with the least expected squared error is the mean of all plausible answers**, and the mean of sharp images is not sharp. SRResNet's fur is close to such a mean. More training would bring it closer to the mean, not to real fur.
#
# A metric that agrees with people should rate Ann's grass as more similar to the true grass than Bob's, though no blade is where it should be. Does the perceptual distance do so? That depends on the stage of the network that the features come from:

# %%
all_stages = pretrained.lite0_features(range(1, 8)).to(device)
distance = partial(perceptual_distance, lambda maps: [maps])  # of one stage's maps
ratios = {}
for name, x in textures.items():
    x = x[:6].clamp(-1, 1).to(device)
    with torch.no_grad():
        stages = zip(all_stages(x), all_stages(x.roll(1, 0)), all_stages(blurred(x)))
    ratios[name] = [(distance(a, x).mean() / distance(b, x).mean()).item() for x, a, b in stages]
labels = {"xlabel": "stage of EfficientNet-Lite0", "ylabel": "Ann's distance / Bob's"}
ax = plot_curves(range(1, 8), ratios, **labels)
ax.axhline(1, color="black", linewidth=0.8)
show(ax, alt="The ratio of Ann's to Bob's distance is above 1 at the first three stages, and "
     "well below 1 at the last two for grass")
assert max(ratios["grass"][:3]) > 1 > max(ratios["grass"][5:])

# %% [markdown]
# *Figure 8.6. Below the line, the features of a stage are nearer to the truth in Ann's sharp answer than in Bob's blurred one; above it, in Bob's.* The first stages rank the two as the squared error does: an edge in another place counts as wrong. The last stages respond to the kind of texture, and for grass clearly favour the sharp answer. Bricks have joints, and a joint in the wrong place counts at every stage. So features help, but a distance that compares position by position still partly favours blurred images.
#
# A metric that ignores positions has to compare all of them at once. Take the feature vectors at *every* position of an image as one set of points, and measure how far apart two such sets are: the Fréchet distance of notebook 03, here divided by the total variance of the original's set. This is our fourth metric, the **texture distance**. It can tell whether there is fur, but not where.

# %%
texture_features = pretrained.lite0_features((2,)).to(device)  # 144 maps at 1/4 of the side


@torch.no_grad()
def texture_distance(x: Tensor, real: Tensor) -> float:
    """Fréchet distance of the features of two images, over the variance of the second's."""
    a, b = (texture_features(y.to(device))[0].flatten(2)[0].T for y in (x, real))
    return frechet_distance(a, b) / b.var(dim=0).sum().item()


for name, x in textures.items():
    x = x.clamp(-1, 1)
    ann, bob = texture_distance(x[1:2], x[:1]), texture_distance(blurred(x)[:1], x[:1])
    print(f"{name:7} {'Ann is nearer' if ann < bob else 'Bob is nearer'}")
    assert ann < bob

# %% [markdown]
# So the texture distance favours the sharp answer for all three textures, bricks included. Blau and Michaeli (2018) showed that there is a trade-off: *distortion*, the distance from the original position by position, and *perceptual quality*, a distance of distributions, can't both be optimal. Where on this trade-off is SRResNet?

# %% tags=["nbval-ignore-output"]
def variation(x: Tensor, real: Tensor) -> Tensor:
    """Total variation of an image over that of the original."""
    return srgan.total_variation(x) / srgan.total_variation(real)


METRICS |= {"texture": texture_distance, "variation": variation}
results = {method: measure(images, truth) for method, images in enlarged.items()}
table(results)
env.expect("SRResNet's total variation lies between bicubic's and the originals'",
           results["bicubic"]["variation"] < results["SRResNet"]["variation"] < 1,
           "SRResNet's total variation is usually higher than bicubic's and below 1.")

# %% [markdown]
# The last column needs no network: it is the **total variation**, the mean absolute difference of neighbouring pixels, divided by that of the original. A value well below 1 means that an image is smoother than the original. SRResNet's is usually above that of bicubic interpolation, but still well below 1.
#
# ## 6. Content loss and adversarial loss
#
# Which loss does not favour the mean? The paper combines two ideas. The first: compare features, not pixels. With $\phi$ a feature map of a classifier, the **content loss** is
#
# $$l_\phi = \frac{1}{\text{size of } \phi}\sum \big(\phi(I^{HR}) - \phi(G(I^{LR}))\big)^2.$$
#
# (The paper's Equation 5 divides by width times height only. We divide by the number of maps too; the factor in Section 7 makes up for it.)
#
# The paper's $\phi_{5,4}$ is the last convolution of VGG19 before its last pooling, after the activation, at a sixteenth of the side. In the `gpu` profile the notebook downloads that network where it can. In the `cpu` profile it takes EfficientNet-Lite0, for speed.
#
# **Exercise 8.5** · *Content loss* · difficulty ●●●○○ · importance ●●●●● · 12 minutes · 2 points
#
# - `phi(x)` returns a *list* of maps, one or several; it is frozen already.
# - For each map: the mean squared difference over all its values. Return the mean of these over the maps.
# - The gradient flows to `fake`. Nothing is computed for a gradient of `real`.
#
# <details><summary>Hint 1</summary>
#
# Compute the real image's maps under `torch.no_grad()`: they are only a target.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `F.mse_loss(a, b)` for each pair of maps. How do you combine several losses so that gradients still flow through them? Not with `torch.tensor([...])`.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `torch.stack([F.mse_loss(a, b) for a, b in zip(phi(fake), targets)]).mean()`, with `targets = phi(real)` from a `with torch.no_grad():` block.
#
# </details>


# %% tags=["exercise"]
def content_loss(phi: Callable[[Tensor], list[Tensor]], fake: Tensor, real: Tensor) -> Tensor:
    """Mean squared difference of the features of two batches of images, over all maps."""
    # BEGIN SOLUTION
    with torch.no_grad():
        targets = phi(real.detach())
    pairs = zip(phi(fake), targets, strict=True)
    return torch.stack([F.mse_loss(a.float(), b.float()) for a, b in pairs]).mean()
    # END SOLUTION


# %%
content_loss = check("8.5", content_loss)

# %% [markdown]
# The hint about `torch.tensor([...])` describes a real bug. A widely used implementation of this paper returned its content loss like that: a new tensor with the right value, cut off from the graph. It was logged at every step, and had no effect on the training. So check that gradients flow through a loss:

# %%
low, high = next(lowres.Crops(training_photos, SIDE, 2, env.rng(0, "cpu"), device))
fake = lowres.enlarge(low).requires_grad_()
loss = content_loss(lambda x: features(x)[:1], fake, high)
rebuilt = torch.tensor([loss.item()])
print("requires grad:", loss.requires_grad, "; rebuilt from its value:", rebuilt.requires_grad)
(gradient,) = torch.autograd.grad(loss, fake)
print("its gradient reaches every colour:", gradient.abs().sum(dim=(0, 2, 3)).all().item())

# %% [markdown]
# The second idea is a discriminator. It is trained on many real images, none of them blurred. **The mean of sharp images is not sharp**, and a discriminator can learn to detect that. It is a plain convolutional classifier.
#
# **Exercise 8.6** · *Eight convolutions* · difficulty ●●●○○ · importance ●●●●○ · 15 minutes · 3 points
#
# | layer | output |
# |---|---|
# | convolution 1, stride 1, with bias; LeakyReLU 0.2 | `width` |
# | convolution 2, stride 2, no bias; batch norm; LeakyReLU 0.2 | `width` |
# | 3 and 4: strides 1 and 2, the same | 2 `width` |
# | 5 and 6: strides 1 and 2, the same | 4 `width` |
# | 7 and 8: strides 1 and 2, the same | 8 `width` |
# | all values in a row; dense layer; LeakyReLU 0.2 | 16 `width` |
# | dense layer; logits of shape (B,) | 1 |
#
# - All kernels are 3 x 3 with padding 1. Images are (B, 3, side, side), and 16 divides `side`.
# - Logits, no sigmoid.
#
# <details><summary>Hint 1</summary>
#
# Build the list of layers in a loop over `(1, 1, 2, 2, 4, 4, 8, 8)`; stride and batch norm depend on its index.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `nn.Conv2d(c_in, times * width, 3, stride=1 + n % 2, padding=1, bias=n == 0)`, and `nn.BatchNorm2d` for `n > 0`.
#
# </details>
# <details><summary>Hint 3</summary>
#
# Four strides of 2 leave `side // 16`: the first dense layer is `nn.Linear(8 * width * (side // 16) ** 2, 16 * width)`. `nn.Flatten(0)` at the end makes (B, 1) to (B,).
#
# </details>


# %% tags=["exercise"]
class Discriminator(nn.Module):
    """An image (B, 3, side, side) to a logit (B,)."""

    def __init__(self, width: int = 64, side: int = 96) -> None:
        super().__init__()
        # BEGIN SOLUTION
        layers, c_in = [], 3
        for n, times in enumerate((1, 1, 2, 2, 4, 4, 8, 8)):
            c_out = times * width
            layers += [nn.Conv2d(c_in, c_out, 3, stride=1 + n % 2, padding=1, bias=n == 0)]
            layers += [nn.BatchNorm2d(c_out)] if n else []
            layers += [nn.LeakyReLU(0.2)]
            c_in = c_out
        dense = nn.Linear(c_in * (side // 16) ** 2, 16 * width)
        layers += [nn.Flatten(), dense, nn.LeakyReLU(0.2), nn.Linear(16 * width, 1), nn.Flatten(0)]
        self.layers = nn.Sequential(*layers)
        # END SOLUTION

    def forward(self, x: Tensor) -> Tensor:
        # BEGIN SOLUTION
        return self.layers(x)
        # END SOLUTION


# %%
Discriminator = check("8.6", Discriminator)

# %%
size = count_parameters(Discriminator())
print(f"the paper's D: {size:,} parameters, {size / count_parameters(paper):.0f} times those of G")

# %% [markdown]
# G's loss is the content loss plus an adversarial term with a small weight (Equation 3):
#
# $$l = l_\phi + 10^{-3} \; \mathbb{E}\big[-\log D(G(I^{LR}))\big].$$
#
# The second term is the paper's Equation 6, with a mean over the images where the paper has a sum, so that the batch size does not matter.
#
# **Exercise 8.7** · *The generator's loss* · difficulty ●●○○○ · importance ●●●●○ · 10 minutes · 2 points
#
# - `content` is the content loss, a number; `fake` are D's logits for G's images, (B,).
# - Add the adversarial term: the mean over the batch of $-\log D$, with D = sigmoid(logit), times 0.001.
# - It must be finite for a logit of -150 too.
#
# <details><summary>Hint 1</summary>
#
# Notebook 02 had this loss, the non-saturating one, from logits.
#
# </details>
# <details><summary>Hint 2</summary>
#
# $-\log \sigma(l) = \log(1 + e^{-l})$, and torch has a function for $\log(1 + e^x)$ that never overflows.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `content + 1e-3 * F.softplus(-fake).mean()`.
#
# </details>


# %% tags=["exercise"]
def generator_loss(content: Tensor, fake: Tensor) -> Tensor:
    """Content loss plus 0.001 times the mean of -log D of the generated images."""
    # BEGIN SOLUTION
    return content + 1e-3 * F.softplus(-fake).mean()
    # END SOLUTION


# %%
generator_loss = check("8.7", generator_loss)

# %%
undecided = generator_loss(torch.tensor(0.0), torch.zeros(4)).item()
certain = generator_loss(torch.tensor(0.0), torch.full((4,), -10.0)).item()
print(f"adversarial term: {undecided:.5f} for D = 1/2, {certain:.5f} for logits of -10")

# %% [markdown]
# A third term appears in one of the paper's experiments: the total variation of Section 5 with a tiny weight, as a penalty on noise. We leave it out; `srgan_step` takes any content function, so adding it takes one line.
#
# ## 7. SRGAN
#
# The second training starts from SRResNet's weights, as in the paper, so that G's images already have the right coarse structure when D's training begins. The size of the content loss depends on the network that $\phi$ comes from; the paper multiplies VGG's features by 1/12.75. We choose the factor so that the loss starts at 0.03, about forty times the adversarial term of an undecided D.

# %% tags=["nbval-ignore-output"]
phi = pretrained.content_features(env.budget(smoke="lite0", cpu="lite0", gpu="vgg19"))
phi.to(device, memory_format=env.memory_format())
GAN_SIDE = env.budget(smoke=16, cpu=20, gpu=24)  # of a low-resolution crop


def content_at_start(seed: int) -> float:
    """The content loss of SRResNet's images on 32 random crops."""
    low, high = next(lowres.Crops(training_photos, GAN_SIDE, 32, env.rng(seed, "cpu"), device))
    with torch.no_grad():
        return content_loss(phi, enlarger(srresnet)(low), high).item()


CONTENT_SCALE = 0.03 / content_at_start(0)
start = CONTENT_SCALE * content_at_start(1)
print(f"the content loss is multiplied by {CONTENT_SCALE:.2g}; on other crops it is {start:.3f},")
print(f"{start / undecided:.0f} times the adversarial term of an undecided D")
env.expect("the content loss starts between 0.015 and 0.06 on other crops", 0.015 < start < 0.06,
           f"on other crops it starts at {start:.3f}; usually near 0.03.")

# %% tags=["training", "nbval-ignore-output"]
GAN_STEPS, GAN_BATCH, D_WIDTH, GAN_LR = env.budget(
    smoke=(6, 2, 4, 2e-4), cpu=(650, 8, 16, 2e-4), gpu=(1800, 8, 64, 1e-4)
)


def scaled_content(fakes: Tensor, high: Tensor) -> Tensor:
    """The content loss, multiplied by `CONTENT_SCALE`."""
    with env.autocast(device.type == "cuda"):  # on a CPU these layers are faster in fp32
        return CONTENT_SCALE * content_loss(phi, fakes, high)


def train_srgan(adversarial: float = 1e-3) -> tuple[nn.Module, float]:
    """SRGAN from SRResNet's weights; returns the EMA of G, and the seconds."""
    rng, options = env.rng(2, "cpu"), {"steps": GAN_STEPS, "betas": (0.9, 0.99)}
    with initial_weights(env.rng(2, "cpu")):
        net = Discriminator(D_WIDTH, side=4 * GAN_SIDE)
    G = Player(copy.deepcopy(srresnet).train(), lr=GAN_LR, ema=0.995, **options)
    D = Player(net, lr=2 * GAN_LR, **options)
    batches = lowres.Crops(training_photos, GAN_SIDE, GAN_BATCH, rng, device)

    def step() -> dict[str, Tensor]:
        losses = srgan.srgan_step(
            G.net, D.net, G.opt, D.opt, batches, scaled_content,
            adversarial=adversarial, autocast=env.autocast,
        )
        G.advance()
        D.advance()
        return losses

    folder = env.run_dir("08_srgan") / f"srgan_{adversarial}"
    *_, record = train(step, GAN_STEPS, {"G": G, "D": D, "rng": rng}, folder, title="SRGAN")
    return G.average, record.seconds


def report(results: Mapping[str, Mapping[str, float]], prefix: str = "") -> None:
    """Report every metric of every method: psnr_bicubic, ssim_bicubic and so on."""
    for method, scores in results.items():
        names = [f"{prefix}{metric.split()[0]}_{method}".lower() for metric in scores]
        env.report(**dict(zip(names, scores.values())))


srgan_G, seconds = train_srgan()
enlarged["SRGAN"] = enlarge_all(enlarger(srgan_G))
results["SRGAN"] = measure(enlarged["SRGAN"], truth)
print(f"{GAN_STEPS} steps, {seconds:.0f} s")
table(results)
for method in ("SRResNet", "SRGAN"):
    print(f"{method} gains {fmean(gain(enlarged[method])):+.2f} dB over bicubic")
report(results)
env.report(seconds_srgan=seconds)
for metric, sign in {"PSNR (dB)": "<", "texture": "<", "variation": ">"}.items():
    gan, resnet = results["SRGAN"][metric], results["SRResNet"][metric]
    env.expect(f"{metric}: SRGAN {sign} SRResNet", (gan < resnet) == (sign == "<"),
               f"{metric}: SRGAN {gan:.4g}, SRResNet {resnet:.4g}; usually SRGAN {sign} SRResNet.")

# %%
compare("bicubic", "SRResNet", "SRGAN")

# %% [markdown]
# *Figure 8.7. SRGAN is SRResNet, trained further with two other losses.* Read the table above column by column. PSNR and SSIM measure distortion, and by both SRGAN usually loses much of SRResNet's gain, as in the paper. The texture distance compares distributions, and usually favours SRGAN clearly. The perceptual distance is between the two: the difference is small, and may have the other sign in another run. But there is a bias: in the `cpu` profile the content loss uses the same network as both distances of features, and the same four maps as the perceptual distance. Total variation, and the spectrum below, had no part in the training.
#
# And what do you see? Look at the sharpest edges: usually they have more contrast than SRResNet's, sometimes too much, with bright and dark specks along them. Look at surfaces: is there more detail than in SRResNet's? Don't expect fur: eleven photographs and a minute or two are not enough for a narrow network to learn it. And on smooth areas, such as the cup, look for a faint regular grid. You know it from Section 3:

# %% tags=["nbval-ignore-output"]
patterns = {"SRResNet": pattern(srresnet), "SRGAN": pattern(srgan_G)}
for name, levels in patterns.items():
    print(f"{name:9} standard deviation on flat grey: {levels:.2f} grey levels of 0 to 255")
env.report(pattern_srresnet=patterns["SRResNet"], pattern_srgan=patterns["SRGAN"])
env.expect("SRGAN's pattern on flat grey is stronger than SRResNet's",
           patterns["SRGAN"] > patterns["SRResNet"],
           "SRGAN's pattern is weaker; usually it is several times as strong.")

# %% [markdown]
# If SRGAN's number is several times SRResNet's, which is usual, **the checkerboard pattern is back**. The squared error gave no reason for a pattern. A likely cause: D and the content loss process images with strided convolutions, and are insensitive to some patterns that repeat with the stride. (To find out which of the two, run `pattern(train_srgan(adversarial=0.0)[0])`.) Then part of what the texture distance rewards may be this pattern. The spectrum separates the two: a grid has its power at a few frequencies only.

# %% tags=["nbval-ignore-output"]
def power(x: Tensor) -> Tensor:
    """Mean power of the luma at 1 to 32 cycles in 64 pixels, over squares and directions."""
    y = luminance(x)[:, : x.shape[2] // 64 * 64, : x.shape[3] // 64 * 64]
    window = torch.outer(torch.hann_window(64), torch.hann_window(64))
    y = y.unfold(1, 64, 64).unfold(2, 64, 64).flatten(0, 2) * window
    powers = torch.fft.fft2(y).abs().square().mean(0).flatten()
    f = torch.fft.fftfreq(64, 1 / 64)
    ring = torch.hypot(f[:, None], f[None, :]).round().long().flatten()
    return (torch.bincount(ring, powers) / torch.bincount(ring))[1:33]


spectra = {
    method: 10 * torch.log10(torch.stack([power(x) for x in images.values()]).mean(0))
    for method, images in (enlarged | {"original": truth}).items()
}
curves = {method: line for method, line in spectra.items() if method != "nearest"}
labels = {"xlabel": "cycles per high-resolution pixel", "ylabel": "power of the luma (dB)"}
ax = plot_curves([k / 64 for k in range(1, 33)], curves, **labels)
ax.axvline(1 / 8, color="black", linewidth=0.8)
show(ax, alt="Power against frequency for three methods and the originals; beyond an eighth of a "
     "cycle per pixel bicubic falls fastest, and the original stays highest")
gaps = {m: (spectra["original"] - spectra[m])[8:].abs().mean().item() for m in enlarged}
for method, gap in gaps.items():
    print(f"{method:9} {gap:5.1f} dB from the originals, mean over frequencies beyond 1/8")
env.report(spectrum_gap_srresnet=gaps["SRResNet"], spectrum_gap_srgan=gaps["SRGAN"])
env.expect("beyond 1/8 SRGAN's spectrum is nearest to the originals', then SRResNet's",
           gaps["SRGAN"] < gaps["SRResNet"] < gaps["bicubic"],
           "from nearest to farthest it is usually SRGAN, SRResNet, bicubic.")

# %% [markdown]
# *Figure 8.8. Power at each frequency. The line at 1/8 marks the finest detail that a low-resolution image can represent.* At the lowest frequencies all agree; bicubic interpolation loses power well before the line, since it smooths its input. Right of the line everything must be invented. Bicubic interpolation invents nothing, and falls steeply. Usually SRResNet follows the originals a little beyond the line, as far as edges can be predicted; further right SRGAN is nearer to them, and SRResNet falls further and further behind. Bumps in SRGAN's line, near 0.35 or towards 0.5, are the checkerboard pattern: the dots of Figure 8.2, of which the one at 1/4 in both directions lies at 0.35. What SRGAN gains at all other high frequencies is not the pattern.
#
# But read the first line of the printed list: "nearest" is closest to the originals, and its texture distance in the table is better than that of bicubic interpolation. The edges of its blocks have power at all high frequencies, and nobody mistakes them for a photograph. **Every metric can be fooled**, those that compare distributions too. That is why the paper asked people.
#
# ## 8. A blinded opinion test
#
# The paper asked 26 people to rate images from 1 (bad) to 5 (excellent), without telling them how they were made. Do the same. Fifteen squares are shown in random order: three photographs, each by four methods and as the original. Nothing on the screen says which is which until the last is rated. Where this page has no buttons, all fifteen are drawn with a number: rate them on paper, enter the ratings in the next cell, and run it.

# %%
METHODS = ("nearest", "bicubic", "SRResNet", "SRGAN")
squares = {m: [square(name, enlarged[m][name])[0] for name in truth] for m in METHODS}
squares["original"] = [square(name, x)[0] for name, x in truth.items()]
opinion = OpinionTest(squares, env.rng(int(time.time()) % 10_000, "cpu"))
opinion.ask()

# %%
MY_RATINGS = []  # from paper: fifteen numbers from 1 to 5, in the order of the images
if MY_RATINGS and not opinion.ratings:
    opinion.rate(*MY_RATINGS)
PAPER_MOS = {"nearest": 1.28, "bicubic": 1.97, "SRResNet": 3.37, "SRGAN": 3.58, "original": 4.32}
scores = opinion.scores()
print("mean opinion scores" + ("" if scores else ": rate all images first"))
for method, score in PAPER_MOS.items():
    print(f"{method:9} {scores.get(method, float('nan')):5.2f}   the paper, Set5: {score:.2f}")

# %% [markdown]
# One rater and three photographs are too few for a study; the paper had 26 raters and, for Set5, five images. And you have seen these squares with their names above; a fair test would take others. Write `PLACES.update(cat=(10, 60), coffee=(60, 20), rocket=(55, 0))` at the top of the cell that begins with `METHODS`, and run it again.
#
# ## 9. Your own images
#
# Can the network enlarge any image? It consists of convolutions only, so any size goes in. The limit is memory. An image of 12 megapixels becomes one of 192, and a single layer of 16 maps of that size takes 12 gigabytes. So large images are cut into **tiles**. But where a tile ends the image usually continues, and there the network's padding puts zeros. So each tile is computed with a margin, which is then cut off.
#
# ```
#        tile + margin              G                 kept
#     +---------------+     +---------------+
#     |  . . . . . .  |     |               |
#     |  . +-----+ .  |     |    +-----+    |       +-----+
#     |  . |tile | .  | --> |    | x 4 |    |  -->  | x 4 |
#     |  . +-----+ .  |     |    +-----+    |       +-----+
#     |  . . . . . .  |     |               |
#     +---------------+     +---------------+
# ```
#
# **Exercise 8.8** · *In tiles* · difficulty ●●●●○ · importance ●●●○○ · 20 minutes · 3 points
#
# - `x` is (B, C, H, W), any sides; return (B, C, 4 H, 4 W).
# - Tiles start at multiples of `tile`; the last of a row or column may be smaller.
# - `G` is called with the tile and up to `margin` pixels around it, fewer at the image's own border (none beyond it: no zeros, no mirrored pixels). So `G` never gets more than tile + 2 margin pixels in a row.
# - `G` returns its input four times larger. Keep only the tile.
# - All numbers are in pixels of the low-resolution image.
#
# <details><summary>Hint 1</summary>
#
# Two loops, over `range(0, H, tile)` and `range(0, W, tile)`. Each tile needs four numbers for its own box, and four for the box with its margin.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `y0 = max(top - margin, 0)`, `y1 = min(bottom + margin, H)`. In G's output the tile begins at row `4 * (top - y0)`, not at `4 * margin`: at the border the margin is shorter.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `large[:, :, 4 * top : 4 * bottom, 4 * left : 4 * right] = y[:, :, 4 * (top - y0) : 4 * (bottom - y0), 4 * (left - x0) : 4 * (right - x0)]`, with `large = x.new_empty(B, C, 4 * H, 4 * W)` made before the loops.
#
# </details>


# %% tags=["exercise"]
def tiled(G: Callable[[Tensor], Tensor], x: Tensor, tile: int, margin: int) -> Tensor:
    """Enlarge (B, C, H, W) four times, tile by tile; each is computed with a margin."""
    # BEGIN SOLUTION
    batch, channels, height, width = x.shape
    large = x.new_empty(batch, channels, 4 * height, 4 * width)
    for top in range(0, height, tile):
        for left in range(0, width, tile):
            bottom, right = min(top + tile, height), min(left + tile, width)
            y0, y1 = max(top - margin, 0), min(bottom + margin, height)
            x0, x1 = max(left - margin, 0), min(right + margin, width)
            y = G(x[:, :, y0:y1, x0:x1])
            rows = slice(4 * (top - y0), 4 * (bottom - y0))
            columns = slice(4 * (left - x0), 4 * (right - x0))
            large[:, :, 4 * top : 4 * bottom, 4 * left : 4 * right] = y[:, :, rows, columns]
    return large
    # END SOLUTION


# %%
tiled = check("8.8", tiled)

# %% [markdown]
# How wide must the margin be? A pixel beyond the network's `reach`, the radius of its receptive field, has no influence. A pixel within it may have very little:

# %% tags=["nbval-ignore-output"]
cat = to_float(test_photos["cat"][0]).to(device)
seams = {}
with torch.no_grad():  # without autocast: then only seams make a difference
    whole = srgan_G.eval()(cat)
    for margin in sorted({0, 1, 2, 4, 8, srgan_G.reach}):
        seams[margin] = 127.5 * (tiled(srgan_G, cat, 32, margin) - whole).abs().max().item()
        print(f"margin {margin:2}: largest difference {seams[margin]:8.4f} of 255 grey levels")
assert seams[srgan_G.reach] < 0.5
env.expect("tiles without a margin have visible seams", seams[0] > 2,
           f"seams differ by {seams[0]:.2f} grey levels; usually by more than 2.")

# %% [markdown]
# With a margin as wide as the reach, the tiles and the whole image are equal up to rounding. Usually the differences fall quickly before that, since most of what determines a pixel lies close to it.
#
# `srgan_photos.upscale(G, image)` does this for an image file: grey, with transparency, with a palette, with odd sides, rotated by the camera. It pastes each tile into the result as bytes, so there is never more than one tile in floats. Write the path of your own image into the next cell.

# %% tags=["nbval-ignore-output"]
MY_IMAGE = ""  # for example "holiday/boat.jpg"
if MY_IMAGE:
    given = ImageOps.exif_transpose(Image.open(MY_IMAGE))  # as the camera was held
else:  # a grey image with a transparent corner, 101 x 75
    given = Image.fromarray(photos.load(["coffee"])["coffee"][0].permute(1, 2, 0).numpy())
    given = given.resize((101, 75), Image.Resampling.BICUBIC).convert("L")
    alpha = Image.new("L", given.size, 255)
    alpha.paste(0, (0, 0, 40, 20))
    given.putalpha(alpha)
begin = time.perf_counter()
upscaled = srgan_photos.upscale(srgan_G, given)
pace = (time.perf_counter() - begin) / (given.width * given.height / 1e6)
print(f"{given.mode} {given.size} to {upscaled.mode} {upscaled.size}, {pace:.0f} s per megapixel")
w, h = min(given.width, 101), min(given.height, 75)  # show the middle of a large image
left, top = (given.width - w) // 2, (given.height - h) // 2
box = (left, top, left + w, top + h)
part, large = given.crop(box), upscaled.crop(tuple(4 * side for side in box))
fig, axes = panels(2, width=4.0, height=3.1)
for ax, title, image in zip(axes, ("pixels copied", "upscaled"), (part, large)):
    ax.imshow(image.convert("RGBA").resize(large.size, Image.Resampling.NEAREST))
    ax.set(title=title, xticks=[], yticks=[])
show(fig, alt="A small image with its pixels copied, and the same image upscaled by SRGAN")
again = large.convert("L").resize(part.size, Image.Resampling.BICUBIC)
(lost,) = ImageStat.Stat(ImageChops.difference(part.convert("L"), again)).mean
print(f"downsampled again it differs by {lost:.1f} of 255 grey levels on average")
env.expect("the upscaled image, downsampled again, is nearly the given one", lost < 5,
           f"the images differ by {lost:.1f} grey levels; usually by less than 5.")

# %% [markdown]
# *Figure 8.9. A grey image with a transparent corner; of a large image of yours, the middle.* `benchmarks/upscale_memory.py` measures the memory for an image of 12 megapixels, in a process of its own. The result alone, 192 megapixels, takes 768 MB in PIL.
#
# Finally the whole table once more, for a folder of images that you name, here or by the environment variable `GANCOURSE_IMAGES`. Super-resolution papers test on Set5, five small images; if you have them, compare with the paper's numbers below the table.

# %% tags=["nbval-ignore-output"]
FOLDER = os.environ.get("GANCOURSE_IMAGES", "")  # for example "~/images/set5"
PAPER = {"nearest": (26.26, 0.7552), "bicubic": (28.43, 0.8211),  # PSNR, SSIM
         "SRResNet": (32.05, 0.9019), "SRGAN": (29.40, 0.8472)}
pairs, scores = test_photos, results  # without a folder: the test photos again
if FOLDER:
    pairs, scores = lowres.load_folder(FOLDER), {}
    originals = {name: to_float(high) for name, (_, high) in pairs.items()}
    networks = {"SRResNet": enlarger(srresnet), "SRGAN": enlarger(srgan_G)}
    for method, enlarge in (BASELINES | networks).items():
        in_tiles = partial(tiled, enlarge, tile=192, margin=srgan_G.reach)
        scores[method] = measure(enlarge_all(in_tiles, pairs), originals)
    report(scores, prefix="folder_")
print(f"{len(pairs)} images: {', '.join(list(pairs)[:6])}")
table(scores)
print("\nThe paper, on Set5:")
for method, (decibel, similarity) in PAPER.items():
    print(f"{method:10}{decibel:12.2f}{similarity:12.4f}")
if {name.split("_")[0] for name in pairs} == {"baby", "bird", "butterfly", "head", "woman"}:
    errors = [abs(scores[mode]["PSNR (dB)"] - PAPER[mode][0]) for mode in BASELINES]
    env.expect("on Set5 the baselines' PSNRs are the paper's", max(errors) < 0.01,
               "the PSNRs are not the paper's. Are these Set5's original files?")

# %% [markdown]
# ## What we measured, and what the paper reports
#
# | | here (profile `cpu`) | Ledig et al. (2017) |
# |---|---|---|
# | G | 6 blocks of 32 maps, 16 in the upsampling stages, added to the bicubic image | 16 blocks of 64 maps (profile `gpu`: these, added to the bicubic image) |
# | training images | 11 photographs | 350,000 from ImageNet |
# | steps of SRResNet, of SRGAN | 1,700 and 650 | 1,000,000, and 100,000 at each of two rates |
# | content loss | four maps of EfficientNet-Lite0 | VGG19, one map |
# | SRResNet against bicubic | Section 4: usually above 0.6 dB, on three photographs | 3.62 dB on Set5, 2.50 on Set14, 1.64 on BSD100 |
# | SRGAN against bicubic | Section 7: usually about half of that | 0.97 dB on Set5, 0.03 on Set14, -0.78 on BSD100 |
# | what favours SRGAN | usually the texture distance and the spectrum | people: 3.58 against 3.37 (Set5), 3.72 against 2.98 (Set14), 3.56 against 2.29 (BSD100) |
#
# The last two rows are the paper's message on a small scale: in decibels SRGAN usually loses a large part of what SRResNet gained, and by texture and frequencies it is better. Your own opinion may differ. Why are our gains in decibels so much smaller? We have thirty thousand times fewer images, some six hundred times fewer steps, a tenth of the weights, and other photographs: the three here are harder to improve than Set5's. With Set5 in the folder above, the PSNR of bicubic interpolation agrees with the paper's to a hundredth of a decibel, so downsampling, luma and border are the same. SSIM does not agree so well: it depends on the implementation, and can be compared only within one.
#
# One observation from earlier runs, which no cell shows: it matters *where* in a block the features are taken. With the outputs of the stages, which have no activation and few channels, as loss and as metric, SRGAN was worse than SRResNet in nearly every setting; with the many maps after an activation it was usually better. We did not separate the two effects. Nor is this a general rule: ESRGAN (Wang et al. 2018) took VGG's features before the activation, and found that better.
#
# **A mistake worth making.** Normalize the high-resolution images with ImageNet's mean and standard deviation, since the pretrained network needs it, and let G end in a tanh. Each is common by itself. Which colours can G no longer produce?
#
# <details><summary>Answer</summary>
#
# White and black. With that normalization pixels reach from about -2.1 to 2.6, and a tanh only from -1 to 1. A well-known implementation has exactly this. Normalize inside the feature network, as `pretrained.Features` does, and leave the images alone.
#
# </details>
#
# **References**
# - C. Ledig and others, *Photo-realistic single image super-resolution using a generative adversarial network*, 2017, arXiv 1609.04802. Networks in Figure 4, losses in Section 2.2 (Equations 3 to 6), tables in Section 3.
# - W. Shi and others, *Real-time single image and video super-resolution using an efficient sub-pixel convolutional neural network*, 2016, arXiv 1609.05158: sub-pixel convolution.
# - A. Aitken and others, *Checkerboard artifact free sub-pixel convolution*, 2017, arXiv 1707.02937.
# - K. He and others, *Deep residual learning for image recognition*, 2016, arXiv 1512.03385.
# - B. Lim and others, *Enhanced deep residual networks for single image super-resolution*, 2017, arXiv 1707.02921: larger networks, no batch norm.
# - Z. Wang and others, *Image quality assessment: from error visibility to structural similarity*, 2004. R. Zhang and others, *The unreasonable effectiveness of deep features as a perceptual metric*, 2018, arXiv 1801.03924: LPIPS.
# - X. Wang and others, *ESRGAN: enhanced super-resolution generative adversarial networks*, 2018, arXiv 1809.00219.
# - Y. Blau, T. Michaeli, *The perception-distortion tradeoff*, 2018, arXiv 1711.06077.
#
# **Next:** notebook 09 translates images for which no pairs exist at all.
