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
# Make a photograph four times as wide and four times as high, and 15 of every 16 pixels have to be invented. Ledig et al. (2017) trained the same network for this task twice: once to minimize the squared error of the pixels, and once with a discriminator, so that its images look like photographs. The first had the better scores in the usual metrics. On all three test sets, 26 raters rated the second, on average, above all other methods.
#
# **You build:** a network that enlarges any image four times, trained with and without a GAN.
#
# After this notebook you can
#
# - **compare** an image with the original by several metrics, and **say** what each misses,
# - **explain** why the squared error favours blurred images, and where checkerboard patterns come from,
# - **write** a loss on features, an adversarial loss and a regularization term.
#
# | section | minutes |
# |---|---|
# | 1. The task, and how to measure it (exercise 8.1) | 19 |
# | 2. The generator (8.2) | 19 |
# | 3. SRResNet: the squared error | 7 |
# | 4. Why the squared error blurs (8.4) | 12 |
# | 5. Content loss and adversarial loss (8.5, 8.6, 8.7) | 42 |
# | 6. SRGAN | 8 |
# | 7. Total variation (8.9) | 10 |
# | 8. A blind opinion test | 6 |
# | 9. Your own images | 4 |
#
# It builds on notebook 02, notebook 03 (the EMA) and notebook 06 (downsampling without aliasing).

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
from PIL import Image
from torch import Tensor, nn

from gancourse.classifiers import pretrained
from gancourse.datasets import lowres, named, photos
from gancourse.exercises import check
from gancourse.figures import panels, show, show_images
from gancourse.metrics.images import luminance, perceptual_distance, ssim
from gancourse.metrics.samples import frechet_distance
from gancourse.papers import srgan, srgan_photos
from gancourse.papers.blocks import count_parameters, initial_weights
from gancourse.papers.gan import descend, non_saturating_loss
from gancourse.shapes import to_bytes, to_float
from gancourse.training import networks
from gancourse.training.loop import train
from gancourse.training.player import Player
from gancourse.widgets import OpinionTest

# %% [markdown]
# ## 1. The task, and how to measure it
#
# This task is called **single-image super-resolution**, and training pairs for it are easy to make: downsample a photograph, and train a network to recover it. Like the paper we downsample by a factor of 4 with a bicubic kernel. Our photographs come with two Python packages: eleven for training, and a cat, a cup of coffee and a rocket for testing. (Eleven are few. `GANCOURSE_DIV2K=100` trains on 100 photographs of DIV2K, a download of 4 GB.)

# %%
device = env.device()
training_photos = lowres.load(photos.TRAIN)
test_photos = lowres.load(photos.TEST)
if count := int(os.environ.get("GANCOURSE_DIV2K", "0")):
    training_photos = named.div2k("train", limit=count)
print(f"{len(training_photos)} photographs for training")
for name, (low, high) in test_photos.items():
    print(f"{name:7} {high.shape[3]} x {high.shape[2]}, low: {low.shape[3]} x {low.shape[2]}")

# %% [markdown]
# The baselines need no network: copy each pixel 16 times ("nearest"), or interpolate smoothly ("bicubic"):

# %%
PLACES = {"cat": (30, 38), "coffee": (20, 88), "rocket": (28, 72)}  # top, left in the low image
SIDE = 24  # of a square, in pixels of the low-resolution image
BASELINES = {mode: partial(lowres.enlarge, mode=mode) for mode in ("nearest", "bicubic")}


def square(name: str, x: Tensor) -> Tensor:
    """The same part of a test photo (1, 3, H, W) at either resolution."""
    k = x.shape[2] // test_photos[name][0].shape[2]
    top, left = (k * place for place in PLACES[name])
    return x[:, :, top : top + k * SIDE, left : left + k * SIDE]


def enlarge_all(method: Callable) -> dict[str, Tensor]:
    """Every low-resolution image, enlarged and rounded to bytes as in a file."""
    images = {}
    for name, (low, _) in test_photos.items():
        images[name] = to_float(to_bytes(method(to_float(low).to(device)).float())).cpu()
    return images


def compare(*methods: str, alt: str) -> None:
    columns = {method: enlarged[method] for method in methods} | {"original": truth}
    fig, axes = panels(len(columns), rows=len(truth), width=2.15, height=2.4)
    places = [(photo, title) for photo in truth for title in columns]
    for ax, (photo, title) in zip(axes, places):
        show_images(square(photo, columns[title][photo]), columns=1, title=title, ax=ax)
    show(fig, alt=alt)


enlarged = {name: enlarge_all(method) for name, method in BASELINES.items()}
truth = {name: to_float(high) for name, (_, high) in test_photos.items()}
compare("nearest", "bicubic", alt="Copied pixels are blocks, and bicubic interpolation is blurred: "
        "neither shows the cat's fur or the rocket's markings of the originals.")

# %% [markdown]
# *Figure 8.1. Four times larger without a network.* The standard metric of super-resolution is the **peak signal-to-noise ratio** (PSNR): the mean squared error on a logarithmic scale on which higher is better,
#
# $$\mathrm{PSNR} = 10 \log_{10} \frac{255^2}{\mathrm{MSE}}\ \text{dB}.$$
#
# A gain of 3 dB corresponds to half the squared error. By convention the error is that of the **luma** Y, a weighted sum of red, green and blue on a scale from 16 to 235, and a border of 4 pixels is cut off, because the zeros with which networks pad affect it.
#
# **Exercise 8.1** · *PSNR* · difficulty ●●○○○ · importance ●●●●● · 12 minutes · 2 points
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
# The second metric is the **structural similarity** (SSIM, Wang et al. 2004): it compares mean, contrast and correlation in a small window around each pixel, and is 1 for equal images. The third, the **perceptual distance**, compares features of EfficientNet-Lite0, an ImageNet classifier (notebook 01): at each position of four maps the feature vectors are normalized, and their squared distance is taken. That is LPIPS (Zhang et al. 2018) with another network and without its learned channel weights. Lower means more similar.

# %%
features = pretrained.lite0_features().to(device)  # maps at 1/2, 1/4, 1/8 and 1/16 of the side


METRICS = {
    "PSNR (dB)": psnr,
    "SSIM": ssim,
    "perceptual": lambda x, real: perceptual_distance(features, x.to(device), real.to(device)),
}


def measure(images: Mapping) -> dict[str, float]:
    """The mean of each metric over the test photos."""
    return {
        name: fmean(float(metric(images[photo], x)) for photo, x in truth.items())
        for name, metric in METRICS.items()
    }


def table(results: Mapping[str, Mapping[str, float]]) -> None:
    print(f"{'':10}" + "".join(f"{name:>12}" for name in METRICS))
    for method, scores in results.items():
        print(f"{method:10}" + "".join(f"{scores[name]:#12.4g}" for name in METRICS))


results = {method: measure(images) for method, images in enlarged.items()}
table(results)

# %% tags=["test"]
assert results["bicubic"]["PSNR (dB)"] > results["nearest"]["PSNR (dB)"]

# %% [markdown]
# ## 2. The generator
#
# The network computes at low resolution, where a layer needs a sixteenth of the arithmetic, and upsamples only at its end. The paper's generator (kernel, maps, stride; Figure 4 there):
#
# ```
#  low-resolution image                                       high-resolution image
#       |                                                                     ^
#  k9n64s1, PReLU                                                          k9n3s1
#       |------------------------------------------+                          |
#  16 x [ k3n64s1, BN, PReLU, k3n64s1, BN, + ]     |     2 x [ k3n256s1, PixelShuffle, PReLU ]
#       |                                          |                          |
#  k3n64s1, BN ------------------------------------+ --------------------------
# ```
#
# Each block *adds* a correction to its input (He et al. 2016). PReLU is a ReLU whose slope below zero is learned.
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
# To upsample, SRGAN uses **sub-pixel convolutions** (Shi et al. 2016): a convolution with four times as many output channels, then `nn.PixelShuffle(2)`, which rearranges each group of four channels into a block of 2 x 2 pixels. With random weights the four pixels of a block get four different grey values: a **checkerboard pattern**. Transposed convolutions have one too: each of the four output positions has weights of its own, and with some kernel sizes the kernels also overlap unevenly (notebook 03). Two remedies are known. **ICNR** (Aitken et al. 2017) initializes the four sets of weights of a sub-pixel convolution equally. A **resize convolution** copies each pixel four times and convolves afterwards: whatever its weights, a flat input gives a flat output. We test all four with random weights on a flat input.

# %%
fig, axes = panels(4, width=2.15, height=2.7)
spread = {}
for ax, kind in zip(axes, ("transposed", "subpixel", "icnr", "resize")):
    double = srgan.UPSAMPLERS[kind]
    with torch.no_grad(), initial_weights(env.rng(0, "cpu")):  # two doublings, random weights
        layers = nn.Sequential(double(16, 16), nn.PReLU(), double(16, 1))
        x = layers(torch.ones(1, 16, 20, 20))[:, :, 8:24, 8:24]  # of a flat image
    spread[kind] = (x.std() / x.square().mean().sqrt()).item()
    print(f"{kind:11} standard deviation over root mean square: {spread[kind]:.2f}")
    show_images((x - x.mean()) / x.std().clamp(min=0.02) / 3, columns=1, ax=ax,
                title={"icnr": "ICNR", "subpixel": "sub-pixel"}.get(kind, kind))
show(fig, alt="The transposed and the sub-pixel convolution with random weights turn a flat "
     "image into a pattern of period 4; with ICNR and with a resize convolution it stays flat.")

# %% tags=["test"]
assert max(spread["resize"], spread["icnr"]) < 0.01 < min(spread["subpixel"], spread["transposed"])

# %% [markdown]
# *Figure 8.2. What four untrained upsamplers make of a flat image: 16 x 16 pixels of it.* ICNR is flat at the start only: training may make the four sets differ. Our networks use resize convolutions, a deviation from the paper, so that flat areas stay flat.
#
# ## 3. SRResNet: the squared error
#
# The paper first trains its generator on the squared error alone, and calls the result SRResNet: 16 blocks of 64 maps. The `cpu` profile's network has 32 maps, 6 blocks, 16 maps in the upsampling stages and a last kernel of 3 x 3. In every profile the output is **added to the bicubic image**, so that the network has to learn only what interpolation misses. A batch is 16 low-resolution crops of 24 x 24 and the crops of 96 x 96 from which they were computed (the paper's sizes). Unlike the paper we rotate and flip them at random, and draw photographs on which bicubic interpolation has a large error more often.

# %% tags=["training", "nbval-ignore-output"]
SHAPE = env.budget(
    smoke={"width": 8, "blocks": 1, "tail": 8, "ends": (5, 3)},
    cpu={"width": 32, "blocks": 6, "tail": 16, "ends": (9, 3)},
    gpu={"width": 64, "blocks": 16},
)
STEPS, BATCH, LR = env.budget(smoke=(8, 4, 2e-3), cpu=(1400, 16, 2e-3), gpu=(5000, 16, 4e-4))
net = srgan.Generator(**SHAPE, on_bicubic=True, upsampling="resize", rng=env.rng(0, "cpu"))
G = Player(net.train(), lr=LR, steps=STEPS, hold=0.2, betas=(0.9, 0.99), ema=0.995)
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


def enlarger(G: nn.Module) -> Callable[[Tensor], Tensor]:
    """A trained network as a function of one low-resolution image."""

    def enlarge(low: Tensor) -> Tensor:
        with torch.no_grad(), env.autocast():
            return G.eval()(low).float()

    return enlarge


folder = env.run_dir("08_srgan")
*_, record = train(step, STEPS, {"G": G, "rng": rng}, folder / "srresnet", title="SRResNet")
srresnet = G.average
networks.save(srresnet, folder / "srresnet.safetensors")  # networks.load reads it
enlarged["SRResNet"] = enlarge_all(enlarger(srresnet))
results["SRResNet"] = measure(enlarged["SRResNet"])
gain = results["SRResNet"]["PSNR (dB)"] - results["bicubic"]["PSNR (dB)"]
print(f"{count_parameters(srresnet):,} parameters; {gain:+.2f} dB")
table(results)
env.report(seconds_srresnet=record.seconds, gain_srresnet=gain)
env.expect("SRResNet gains at least 0.5 dB over bicubic interpolation", gain >= 0.5,
           f"SRResNet gained {gain:.2f} dB; usually 0.5 dB or more.")

# %%
compare("bicubic", "SRResNet", alt="SRResNet's edges are sharper than bicubic's, at the cat's eye "
        "and the rim of the cup; its fur has few of the hairs of the original.")

# %% [markdown]
# *Figure 8.3. Trained on the squared error.* In the run recorded here edges are sharper than in the bicubic images: the rim of the cup, the cat's eyelid. But the fur is smoother than in the original, although every metric of the table improved.
#
# ## 4. Why the squared error blurs
#
# Many different furs have the same low-resolution image. We construct such a set: put the fine detail of *other* pieces of grass on the low-resolution image of one, the truth, and adjust until their low-resolution image is the same, up to rounding and clipping. Nothing in it says which is the truth.

# %%
N_ANSWERS = 16


def answers(photo: str, side: int = 128) -> Tensor:
    """Images of one texture with the same low-resolution image: (16, 3, side, side)."""
    whole, rng = to_float(photos.load([photo])[photo])[0], env.rng(0, "cpu")
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

# %% [markdown]
# **Exercise 8.4** · *Which answer minimizes the squared error?* · difficulty ●●○○○ · importance ●●●●● · 5 minutes · 1 point
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
# Now each answer is the truth once:

# %%
def blurred(x: Tensor) -> Tensor:
    """For each answer, the mean of all the others."""
    return (x.sum(dim=0) - x) / (len(x) - 1)


fig, axes = panels(5, rows=len(textures), width=1.72, height=1.95)
for row, (name, x) in enumerate(textures.items()):
    ann = torch.stack([F.mse_loss(x.roll(k, 0), x) for k in range(1, N_ANSWERS)]).mean()
    better = 10 * torch.log10(ann / F.mse_loss(blurred(x), x)).item()
    print(f"{name:7} Bob's PSNR - Ann's: {better:.2f} dB")
    low = lowres.enlarge(to_float(lowres.shrink(to_bytes(x[:1]))), "nearest")
    images = torch.cat([low, x[:3], blurred(x)[:1]])[:, None, :, 32:96, 32:96]
    titles = ("low resolution", "the truth", "Ann, one answer", "another", "Bob, the mean")
    for ax, title, image in zip(axes[5 * row :], titles, images):
        show_images(image, columns=1, title=title, ax=ax)
show(fig, alt="Different images of grass, gravel and brick with the same low-resolution image; "
     "their mean, which has the best PSNR, is the smoothest of each row.")

# %% [markdown]
# *Figure 8.4. All images of a row have the same low-resolution image. The mean, on the right, is the smoothest and has the best PSNR.* (The bricks' answers show ghosts of other joints: their low-resolution images differ too much to exchange details.) Bob's mean of 15 others has an expected squared error of 16/15 of the variance, Ann's answer twice the variance. So Bob is $10 \log_{10}(2 \cdot 15/16) = 2.73$ dB ahead, whatever the texture. This holds for every network: **the answer with the least expected squared error is the mean of all plausible answers, weighted by their probability**, and the mean of sharp images is not sharp.
#
# A metric that ignores positions takes the feature vectors at all positions of an image as one set of points, and measures how far apart two such sets are: the Fréchet distance of notebook 03, here divided by the sum of the variances of the original's features. This **texture distance** can tell whether there is fur, but not where. A fifth metric needs no network: the **total variation**, the mean absolute difference of neighbouring pixels, here divided by that of the original. Below 1, an image is smoother than the original.

# %%
texture_features = pretrained.lite0_features((2,)).to(device)  # 144 maps at 1/4 of the side


@torch.no_grad()
def texture_distance(x: Tensor, real: Tensor) -> float:
    """Fréchet distance of the features of two images, over the variance of the second's."""
    a, b = (texture_features(y.to(device))[0].flatten(2)[0].T for y in (x, real))
    return frechet_distance(a, b) / b.var(dim=0).sum().item()


nearer = {}
for name, x in textures.items():
    x = x.clamp(-1, 1)
    ann, bob = texture_distance(x[1:2], x[:1]), texture_distance(blurred(x)[:1], x[:1])
    nearer[name] = "Ann" if ann < bob else "Bob"
    print(f"{name:7} {nearer[name]} is nearer in texture")

# %% tags=["test"]
assert set(nearer.values()) == {"Ann"}

# %% [markdown]
# Blau and Michaeli (2018) proved a trade-off between *distortion*, the distance of an output from its original, and *perceptual quality*, measured by the distance between the distributions of outputs and of originals: below some distortion, lowering one raises the other. PSNR, SSIM and our perceptual distance measure distortion. The texture distance is of the other kind, within one image.

# %% tags=["nbval-ignore-output"]
def variation(x: Tensor, real: Tensor) -> Tensor:
    """Total variation of an image over that of the original."""
    return srgan.total_variation(x) / srgan.total_variation(real)


METRICS |= {"texture": texture_distance, "variation": variation}
results = {method: measure(images) for method, images in enlarged.items()}
table(results)
env.expect("SRResNet's total variation lies between bicubic's and the originals'",
           results["bicubic"]["variation"] < results["SRResNet"]["variation"] < 1,
           "SRResNet's total variation is usually higher than bicubic's and below 1.")

# %% [markdown]
# ## 5. Content loss and adversarial loss
#
# The paper combines two ideas. The first: compare features, not pixels. With $\phi$ a feature map of a classifier, $I^{HR}$ the original and $I^{LR}$ its low-resolution image, the **content loss** is
#
# $$l_\phi = \frac{1}{\text{size of } \phi}\sum \big(\phi(I^{HR}) - \phi(G(I^{LR}))\big)^2.$$
#
# The paper's $\phi_{5,4}$ is the last convolution of VGG19, after the activation, at a sixteenth of the side. The `gpu` profile downloads that network where it can; the `cpu` profile takes two late maps of EfficientNet-Lite0, for speed.
#
# **Exercise 8.5** · *Content loss* · difficulty ●●●○○ · importance ●●●●● · 12 minutes · 2 points
#
# - `phi(x)` returns a *list* of maps, one or several; it is frozen already.
# - For each map: the mean squared difference over all its values. Return the mean of these over the maps.
# - The gradient flows to `fake`. No gradient is computed for `real`.
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
# (A common mistake is to return `torch.tensor([...])`: the right value, but without a graph, so it has no effect on the training.)
#
# The second idea is a discriminator. Its real images are sharp, so it can learn to reject blurred ones.
#
# **Exercise 8.6** · *The discriminator of SRGAN* · difficulty ●●●○○ · importance ●●●●○ · 15 minutes · 3 points
#
# | layer | output |
# |---|---|
# | convolution 1, stride 1, with bias; LeakyReLU 0.2 | `width` |
# | convolution 2, stride 2, no bias; batch norm; LeakyReLU 0.2 | `width` |
# | 3 and 4: strides 1 and 2, the same | 2 `width` |
# | 5 and 6: strides 1 and 2, the same | 4 `width` |
# | 7 and 8: strides 1 and 2, the same | 8 `width` |
# | flatten; dense layer; LeakyReLU 0.2 | 16 `width` |
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
# Four strides of 2 leave `side // 16`: the first dense layer is `nn.Linear(8 * width * (side // 16) ** 2, 16 * width)`. `nn.Flatten(0)` at the end makes (B, 1) to (B,).
#
# </details>
# <details><summary>Hint 3</summary>
#
# `nn.Conv2d(c_in, times * width, 3, stride=1 + n % 2, padding=1, bias=n == 0)`, and `nn.BatchNorm2d` for `n > 0`.
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

# %% [markdown]
# G's loss is the content loss plus an adversarial term with a small weight (Equation 3):
#
# $$l = l_\phi + 10^{-3} \; \mathbb{E}\big[-\log D(G(I^{LR}))\big].$$
#
# The second term is Equation 6, with a mean over the images for the paper's sum.
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

# %% [markdown]
# ## 6. SRGAN
#
# The second training starts from SRResNet's weights, as in the paper, so that G's images have the right coarse structure when D's training begins. (The step is the package's `srgan_step`, with your D.) The paper multiplies its content loss by about 0.006 (Section 3.2); we choose the factor so that it starts at 0.03. In the `cpu` profile the adversarial term has a weight of 0.004, four times the paper's.

# %% tags=["nbval-ignore-output"]
if env.profile() == "gpu":
    phi = pretrained.content_features("vgg19")
else:
    phi = pretrained.lite0_features((3, 5))  # maps at 1/8 and 1/16 of the side
phi.to(device, memory_format=env.memory_format())
GAN_SIDE = env.budget(smoke=16, cpu=20, gpu=24)  # of a low-resolution crop
low, high = next(lowres.Crops(training_photos, GAN_SIDE, 32, env.rng(0, "cpu"), device))
with torch.no_grad():
    CONTENT_SCALE = 0.03 / content_loss(phi, enlarger(srresnet)(low), high).item()
print(f"the content loss is multiplied by {CONTENT_SCALE:.2g}")
assert CONTENT_SCALE > 0

# %% tags=["training", "nbval-ignore-output"]
GAN_STEPS, GAN_BATCH, D_WIDTH, GAN_LR = env.budget(
    smoke=(6, 2, 4, 2e-4), cpu=(500, 8, 16, 2e-4), gpu=(1800, 8, 64, 1e-4)
)
ADVERSARIAL = env.budget(smoke=4e-3, cpu=4e-3, gpu=1e-3)  # the paper: 1e-3


def scaled_content(fakes: Tensor, high: Tensor) -> Tensor:
    with env.autocast(device.type == "cuda"):  # on a CPU these layers are faster in fp32
        return CONTENT_SCALE * content_loss(phi, fakes, high)


def train_srgan(
    start: nn.Module, D: nn.Module, steps: int, tv: float = 0, ema: float = 0.995, **options: object
) -> tuple[nn.Module, nn.Module, float]:
    """Train copies of both; returns the EMA of G, D, and the seconds."""
    rng, schedule = env.rng(2, "cpu"), {"steps": steps, "betas": (0.9, 0.99)}
    G = Player(copy.deepcopy(start).train(), lr=GAN_LR, ema=ema, **schedule)
    D = Player(copy.deepcopy(D).train(), lr=2 * GAN_LR, **schedule)
    batches = lowres.Crops(training_photos, GAN_SIDE, GAN_BATCH, rng, device)

    def content(fakes: Tensor, high: Tensor) -> Tensor:
        return scaled_content(fakes, high) + tv * srgan.total_variation(fakes)

    def step() -> dict[str, Tensor]:
        losses = srgan.srgan_step(
            G.net, D.net, G.opt, D.opt, batches, content,
            adversarial=ADVERSARIAL, autocast=env.autocast,
        )
        G.advance()
        D.advance()
        return losses

    *_, record = train(step, steps, {"G": G, "D": D, "rng": rng}, **options)
    return G.average, D.net, record.seconds


with initial_weights(env.rng(2, "cpu")):
    new_D = Discriminator(D_WIDTH, side=4 * GAN_SIDE)
srgan_G, trained_D, seconds = train_srgan(
    srresnet, new_D, GAN_STEPS, folder=folder / "srgan", title="SRGAN"
)
networks.save(srgan_G, folder / "srgan.safetensors")
enlarged["SRGAN"] = enlarge_all(enlarger(srgan_G))
results["SRGAN"] = measure(enlarged["SRGAN"])
table(results)
for metric, sign in {"PSNR (dB)": "<", "texture": "<", "variation": ">"}.items():
    lower = results["SRGAN"][metric] < results["SRResNet"][metric]
    env.expect(f"{metric}: SRGAN {sign} SRResNet", lower == (sign == "<"), "usually it is so.")

# %%
def full_size(photo: str, top: int, left: int, *methods: str, alt: str) -> None:
    """A part of a photo, 300 x 344 pixels; each is 2 x 2 pixels of the figure."""
    images, rows = enlarged | {"original": truth}, len(methods) // 2
    fig, axes = panels(2, rows=rows, width=4.4, height=4.075)  # 704 x 652 pixels each
    fig.set_layout_engine("none")
    for n, (ax, method) in enumerate(zip(axes, methods)):
        part = images[method][photo][:, :, top : top + 300, left : left + 344]
        show_images(part, columns=1, title=method, ax=ax)
        ax.set_position([n % 2 / 2, 1 - (n // 2 + 1) / rows, 344 / 704, 300 / 326 / rows])
    show(fig, alt=alt)


full_size("cat", 0, 60, "bicubic", "SRResNet", "SRGAN", "original",
          alt="A cat's head: blurred by bicubic interpolation, with sharper eyes and stripes by "
              "SRResNet, with a coarse texture on the fur by SRGAN, and the original with hairs.")

# %% [markdown]
# *Figure 8.5. A part of the photo; each pixel is drawn as 2 x 2.* Compare eyes and stripes, then the fur. SRGAN usually covers it with a texture that resembles scales more than hair: none of the eleven training photographs shows fur. Smaller parts of all three photographs:

# %%
compare("bicubic", "SRResNet", "SRGAN",
          alt="SRGAN's fur and wood have a texture that bicubic interpolation and SRResNet lack, "
              "and along the rim of the saucer it draws specks that are not in the original.")

# %% [markdown]
# *Figure 8.6. SRGAN is SRResNet, trained further with two other losses.* Look at the wood behind the cup, and at edges too: along the rim of the saucer SRGAN may draw specks where SRResNet has a clean line.
#
# In the table above SRGAN is behind SRResNet by PSNR and SSIM, and usually even a little behind bicubic interpolation; the perceptual distance hardly changes; texture and variation are clearly better. That is the trade-off. One caveat: in the `cpu` profile the content loss uses the same network as the perceptual and the texture distance, although not the texture distance's map. And it is one run: `benchmarks/srgan.py` repeats both trainings with other seeds, and with sub-pixel convolutions.
#
# Does SRGAN draw a checkerboard pattern? We test it in two ways. For flat grey images we report the standard deviation of the output, in grey levels of 0 to 255. On the photographs we average the difference from the bicubic image over all blocks of 4 x 4 pixels, and print the standard deviation of this mean block.

# %% tags=["nbval-ignore-output"]
greys = torch.linspace(-0.8, 0.8, 9, device=device).view(-1, 1, 1, 1).expand(-1, 3, 40, 40)
patterns = {}
for name, G in {"SRResNet": srresnet, "SRGAN": srgan_G}.items():
    flat = 127.5 * enlarger(G)(greys)[:, :, 48:-48, 48:-48]
    patterns[f"pattern_{name}".lower()] = flat.std(dim=(2, 3)).mean().item()
for name in ("SRResNet", "SRGAN", "original"):
    spreads = []
    for photo, x in (enlarged | {"original": truth})[name].items():
        correction = luminance(x) - luminance(enlarged["bicubic"][photo])
        block = correction.unflatten(2, (-1, 4)).unflatten(1, (-1, 4)).mean(dim=(0, 1, 3))
        spreads.append(block.std().item())
    print(f"{name:9} mean block of 4 x 4 pixels on the photos: {fmean(spreads):.2f}")
env.report(seconds_srgan=seconds, **patterns, **{
    f"{metric.split()[0]}_{method}".lower(): score
    for method, scores in results.items() for metric, score in scores.items()
})
assert max(patterns.values()) < 0.5

# %% [markdown]
# On flat greys a resize convolution has no pattern, so `pattern_srresnet` and `pattern_srgan` are 0 up to rounding. On photographs a faint grid remains: SRGAN's number is usually several times the original's.
#
# And read the first line of the table: the texture distance of "nearest" is better than that of bicubic interpolation, probably because the edges of its blocks count as detail. **No single metric is sufficient.** The paper asked people, because PSNR and SSIM did not agree with what they saw.
#
# ## 7. Total variation
#
# Many descriptions of SRGAN list a third term of G's loss, a **regularization term**: the total variation of G's image. The published paper uses it in one experiment, SRResNet-VGG22, with a weight of $2 \cdot 10^{-8}$ (Section 3.4).
#
# $$\mathrm{TV}(x) = \mathbb{E}\,|x_{i+1,j} - x_{i,j}| + \mathbb{E}\,|x_{i,j+1} - x_{i,j}|$$
#
# **Exercise 8.9** · *Total variation* · difficulty ●○○○○ · importance ●●●○○ · 6 minutes · 1 point
#
# - `x` is (B, C, H, W). The result is one number.
# - Take the mean absolute difference of vertical neighbours, and that of horizontal neighbours, each over all differences that there are. Return the sum of the two.
#
# <details><summary>Hint 1</summary>
#
# `x.diff(dim=2)` subtracts each row from the next.
#
# </details>
# <details><summary>Hint 2</summary>
#
# There are H - 1 differences in a column and W - 1 in a row, so each kind has a mean of its own.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `x.diff(dim=2).abs().mean() + x.diff(dim=3).abs().mean()`.
#
# </details>


# %% tags=["exercise"]
def total_variation(x: Tensor) -> Tensor:
    """Mean absolute difference of vertical neighbours plus that of horizontal neighbours."""
    # BEGIN SOLUTION
    return x.diff(dim=2).abs().mean() + x.diff(dim=3).abs().mean()
    # END SOLUTION


# %%
total_variation = check("8.9", total_variation)

# %% [markdown]
# Which weight has a noticeable effect? As a first estimate, compare the gradients that the terms of the loss send to G's images. The paper does not say whether its weight multiplies a mean or a sum over the pixels. As a sum over an image of 3 x 96 x 96 values, $2 \cdot 10^{-8}$ corresponds to $5.5 \cdot 10^{-4}$ times our mean.

# %% tags=["nbval-ignore-output"]
low, high = next(lowres.Crops(training_photos, GAN_SIDE, GAN_BATCH, env.rng(3, "cpu"), device))
fakes = enlarger(srgan_G)(low).requires_grad_()
terms = {
    "content": scaled_content(fakes, high),
    "adversarial": ADVERSARIAL * non_saturating_loss(trained_D.eval()(fakes)),
    "total variation": total_variation(fakes),
}
sizes = {name: torch.autograd.grad(term, fakes)[0].norm().item() for name, term in terms.items()}
print(", ".join(f"{name}: {size:.1e}" for name, size in sizes.items()))
TV_EQUAL = sizes["adversarial"] / sizes["total variation"]
print(f"total variation equals the adversarial term at a weight of {TV_EQUAL:.1e}")
env.expect("2e-8 is less than 1 % of that weight", TV_EQUAL > 2e-6, "it usually is far less.")

# %% [markdown]
# So a mean with a weight of $2 \cdot 10^{-8}$ does next to nothing. We continue training from SRGAN's weights three times, with the same batches: without the term, with the weight of the sum, and with a large one.

# %% tags=["training", "nbval-ignore-output"]
TV_STEPS = env.budget(smoke=2, cpu=40, gpu=60)
TV_WEIGHTS = {"off": 0.0, "paper": 5.5e-4, "strong": 0.1}  # "paper": 2e-8, as a sum
tv = {}
for name, weight in TV_WEIGHTS.items():
    options = {"tv": weight, "ema": 0.9, "title": f"TV {weight:.1e}"}
    net, *_ = train_srgan(srgan_G, trained_D, TV_STEPS, **options)
    enlarged[f"TV {name}"] = enlarge_all(enlarger(net))
    scores = measure(enlarged[f"TV {name}"])
    tv |= {f"tv_variation_{name}": scores["variation"], f"tv_texture_{name}": scores["texture"]}
env.report(tv_equal_weight=TV_EQUAL, **tv)
env.expect("the strong weight lowers the total variation",
           tv["tv_variation_strong"] < tv["tv_variation_off"],
           "the total variation is not lower with the strong weight; usually it is.")

# %%
compare("TV off", "TV strong",
          alt="With the large weight on total variation fur and wood are smoother than without, "
              "and both are smoother than the originals.")

# %% [markdown]
# *Figure 8.7. Trained further without total variation and with a large weight on it.* The paper's weight usually changes the variation by less than 1 %, the large one lowers it clearly, although it is well below the weight of equal gradients: gradient norms are only a rough guide. Total variation does not distinguish noise from texture, and lowers both, which makes the texture distance worse.
#
# ## 8. A blind opinion test
#
# Rate fifteen squares from 1 (bad) to 5 (excellent) without knowing how they were made. (The paper's 26 raters saw whole images, and were first shown nearest as 1 and originals as 5.) Where this page has no buttons, enter your ratings in the next cell.

# %%
PLACES.update(cat=(10, 60), coffee=(60, 20), rocket=(55, 0))
rated = {m: enlarged[m] for m in ("nearest", "bicubic", "SRResNet", "SRGAN")} | {"original": truth}
squares = {m: [square(name, x)[0] for name, x in images.items()] for m, images in rated.items()}
opinion = OpinionTest(squares, env.rng(int(time.time()) % 10_000, "cpu"))
opinion.ask()

# %%
MY_RATINGS = []  # fifteen numbers from 1 to 5, in order
if MY_RATINGS and not opinion.ratings:
    opinion.rate(*MY_RATINGS)
PAPER_MOS = {"nearest": 1.28, "bicubic": 1.97, "SRResNet": 3.37, "SRGAN": 3.58, "original": 4.32}
scores = opinion.scores()
print("mean opinion scores" + ("" if scores else ": rate all images first"))
for method, score in PAPER_MOS.items():
    own = f"{scores[method]:.2f}" if scores else "-"
    print(f"{method:9} {own:>4}   the paper, Set5: {score:.2f}")

# %% [markdown]
# The paper had 119 images. On Set5 it could not determine a significantly best loss for SRResNet or SRGAN (Section 3.4); on Set14 (2.98 and 3.72) SRGAN was significantly better.
#
# ## 9. Your own images
#
# To save memory, `srgan_photos.upscale` works in **tiles** with margins as wide as G's receptive field. Write the path of your own image into the next cell.

# %% tags=["nbval-ignore-output"]
MY_IMAGE = ""  # for example "holiday/boat.jpg"
low = test_photos["coffee"][0][0].permute(1, 2, 0).numpy()
given = Image.open(MY_IMAGE) if MY_IMAGE else Image.fromarray(low)
upscaled = srgan_photos.upscale(srgan_G, given)
upscaled.save(folder / "upscaled.png")
print(f"{given.size} to {upscaled.size}, saved as runs/{folder.name}/upscaled.png")
assert upscaled.mode[:1] in "RL"

# %% [markdown]
# Super-resolution papers test on Set5, five small images; `benchmarks/srgan.py --images FOLDER` prints the metrics for any folder. The paper's Table 2 has for Set5, PSNR and SSIM: bicubic 28.43, 0.8211; SRResNet 32.05, 0.9019; SRGAN 29.40, 0.8472. SSIM depends on the implementation: theirs is that of the daala package (Section 3.1), other papers usually have 28.42 and 0.8104 for bicubic.
#
# ## What we measured, and what the paper reports
#
# | | here (profile `cpu`) | Ledig et al. (2017) |
# |---|---|---|
# | G | 6 blocks of 32 maps, 16 in the upsampling stages, resize convolutions, added to the bicubic image | 16 blocks of 64 maps, sub-pixel convolutions |
# | D | 16 to 128 maps, dense layer 256 | 64 to 512 maps, dense layer 1,024 |
# | training images | 11 photographs | 350,000 from ImageNet |
# | batches | 16 crops of 96 x 96, for SRGAN 8 of 80 x 80; rotated and flipped; hard photographs more often | 16 crops of 96 x 96, of 16 images |
# | steps, SRResNet and SRGAN | 1,400 and 500 | 1,000,000 and 200,000 |
# | content loss | two late maps, at 1/8 and 1/16 of the side, of EfficientNet-Lite0 | VGG19, one map |
# | adversarial weight | 0.004 | 0.001 |
# | Adam | betas 0.9, 0.99; 0.002, for SRGAN 0.0002, D's twice that; all decay to 0; EMA of G | beta1 0.9; 0.0001, for SRGAN's second half 0.00001 |
# | SRResNet against bicubic | about 0.8 dB | 3.62 dB on Set5, 2.50 on Set14, 1.64 on BSD100 |
# | SRGAN against bicubic | -0.1 to -0.3 dB | 0.97 dB, 0.03 dB, -0.78 dB |
#
# **References**
# - C. Ledig and others, *Photo-realistic single image super-resolution using a generative adversarial network*, 2017, arXiv 1609.04802. Losses in Section 2.2, results in Tables 1 and 2.
# - W. Shi and others, 2016, arXiv 1609.05158: sub-pixel convolution. A. Aitken and others, arXiv 1707.02937: ICNR. A. Odena and others, *Deconvolution and checkerboard artifacts*, Distill, 2016: resize convolution.
# - K. He and others, 2016, arXiv 1512.03385: residual networks.
# - Z. Wang and others, *Image quality assessment*, 2004: SSIM. R. Zhang and others, 2018, arXiv 1801.03924: LPIPS.
# - Y. Blau, T. Michaeli, *The perception-distortion tradeoff*, 2018, arXiv 1711.06077.
#
# **Next:** notebook 09 translates images for which no pairs exist at all.
