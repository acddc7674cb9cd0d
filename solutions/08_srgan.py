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
# Make a photograph four times as wide and four times as high, and of 16 pixels 15 must be invented. Ledig and others (2017) trained one network for it twice: once to be as near to the truth as possible, pixel by pixel, and once, with a discriminator, to look like a photograph. The first won every table. The second won with people: 26 of them rated the pictures, and on two of three test sets clearly preferred it to every other method.
#
# **You build:** a network that enlarges any picture four times, trained with and without a GAN.
#
# The result to reproduce is that contradiction, as a table: the better score in decibels, and the better picture, are not the same network's.
#
# After this notebook you can
#
# - **measure** a picture against the truth in three ways, and **say** what each of them does not see,
# - **build** residual blocks and sub-pixel convolutions, and **find** a checkerboard in a spectrum,
# - **explain** why the squared error wants blurred pictures, and **show** it,
# - **write** a loss on the features of a pretrained network that really trains,
# - **enlarge** a picture of your own, of any size, without running out of memory.
#
# | section | minutes |
# |---|---|
# | 1 The task, and how to measure it (exercise 8.1) | 25 |
# | 2 A network of residuals (8.2) | 18 |
# | 3 From channels to pixels (8.3) | 25 |
# | 4 SRResNet: as near as possible | 12 |
# | 5 Why the best answer is blurred (8.4) | 15 |
# | 6 Losses that see (8.5, 8.6, 8.7) | 45 |
# | 7 SRGAN | 15 |
# | 8 Your opinion, blinded | 8 |
# | 9 Pictures of your own (8.8) | 30 |
#
# It builds on notebook 02 (the game), 03 (convolutions, batch norm, the running average) and 06 (halving without aliasing).

# %% tags=["setup"]
# written by gancourse build

# %%
import copy
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image, ImageChops, ImageOps, ImageStat
from torch import Tensor, nn

from gancourse.classifiers import pretrained
from gancourse.datasets import lowres, photos
from gancourse.exercises import check
from gancourse.figures import panels, plot_bars, plot_curves, show, show_images
from gancourse.metrics.images import luminance, perceptual_distance, ssim
from gancourse.metrics.samples import frechet_distance
from gancourse.papers import srgan, srgan_photos
from gancourse.papers.blocks import count_parameters
from gancourse.papers.gan import descend, ema_update
from gancourse.papers.srgan import srgan_step, total_variation
from gancourse.shapes import to_bytes, to_float
from gancourse.training.loop import train
from gancourse.training.player import linear_decay
from gancourse.widgets import OpinionTest

# %% [markdown]
# ## 1. The task, and how to measure it
#
# A pair to learn from is cheap: take a photograph, make it small, and ask for it back. Like the paper we make it small by bicubic interpolation with antialiasing, by a factor of 4. Our photographs are those that come with two Python packages. Eleven are for training; three, a cat, a cup of coffee and a rocket, are for measuring, and no network of this notebook ever sees them before.

# %%
device = env.device()
training_photos = lowres.load(photos.TRAIN)
test_photos = lowres.load(photos.TEST)
print("to learn from:", ", ".join(training_photos))
for name, (low, high) in test_photos.items():
    print(f"{name:7} {high.shape[3]} x {high.shape[2]}, made small: {low.shape[3]} x {low.shape[2]}")
assert len(training_photos) == 11 and all(4 * low.shape[2] == high.shape[2] for low, high in test_photos.values())

# %% [markdown]
# The baseline needs no network: copy each pixel 16 times ("nearest"), or lay a smooth surface through them ("bicubic"). Here is a square of each photograph.

# %%
PLACES = {"cat": (30, 38), "coffee": (20, 88), "rocket": (28, 72)}  # top and left, in small pixels
SIDE = 24  # of a square, in small pixels


def square(name: str, x: Tensor) -> Tensor:
    """The same part of a test photo (1, 3, H, W), large or small: 24 small pixels each way."""
    k = x.shape[2] // test_photos[name][0].shape[2]
    top, left = (k * place for place in PLACES[name])
    return x[:, :, top : top + k * SIDE, left : left + k * SIDE]


def as_file(x: Tensor) -> Tensor:
    """A picture as it comes back from a file: clipped and rounded to 256 levels, in [-1, 1]."""
    return to_float(to_bytes(x.float()))


def drawn_by(enlarger: Callable[[Tensor], Tensor], pairs: Mapping = test_photos) -> dict[str, Tensor]:
    """Every small picture of some pairs, enlarged, on the CPU."""
    return {name: as_file(enlarger(to_float(low).to(device))).cpu() for name, (low, _) in pairs.items()}


enlarged = {mode: drawn_by(lambda low, mode=mode: lowres.enlarge(low, mode)) for mode in ("nearest", "bicubic")}
truth = {name: to_float(high) for name, (_, high) in test_photos.items()}


def compare(*names: str, title: bool = True) -> None:
    """A row for each test photo: its square as drawn by each method, and the original."""
    fig, axes = panels(len(names) + 1, rows=len(truth), width=2.3, height=2.45)
    for n, ax in enumerate(axes):
        photo, method = list(truth)[n // (len(names) + 1)], [*names, "original"][n % (len(names) + 1)]
        x = truth[photo] if method == "original" else enlarged[method][photo]
        show_images(square(photo, x), columns=1, title=method, ax=ax)
    show(fig, alt=f"Squares of the three test photos; in columns: {', '.join(names)}, original")


compare("nearest", "bicubic")

# %% [markdown]
# *Figure 8.1. Four times larger without a network.* Now numbers. The measure of this field is the **peak signal-to-noise ratio**: the mean squared error, put on a logarithmic scale on which better is higher,
#
# $$\mathrm{PSNR} = 10 \log_{10} \frac{255^2}{\mathrm{MSE}}\ \text{dB}.$$
#
# One more decibel is a fifth less squared error; 3 dB are half of it. Two conventions come with it, and numbers without them can't be compared. The error is that of the **luma** Y, a weighted sum of red, green and blue on a scale from 16 to 235, since the eye sees edges in brightness better than in colour. And a strip of 4 pixels is cut off at each border, where networks pad with zeros.
#
# **Exercise 8.1** · *Decibels* · difficulty ●●○○○ · importance ●●●●● · 12 minutes · 2 points
#
# Write the PSNR as the paper measures it.
#
# - `x` and `real` are (B, 3, H, W) in [-1, 1]; `luminance(x)` gives Y, (B, H, W), on the scale of bytes.
# - Cut off `border` pixels on each side (1 or more), then take the mean squared error of Y for each picture by itself.
# - Return the PSNR of each picture in dB, (B,), with a peak of 255.
#
# <details><summary>Hint 1</summary>
#
# Which axes does the mean go over, if each picture is to have a number of its own?
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
    """PSNR of the luma, in dB, of each picture of (B, 3, H, W) without its border: (B,)."""
    # BEGIN SOLUTION
    error = luminance(x) - luminance(real)
    inside = error[:, border:-border, border:-border]
    return 10 * torch.log10(255**2 / inside.square().mean(dim=(1, 2)))
    # END SOLUTION


# %%
psnr = check("8.1", psnr)

# %% [markdown]
# The second measure is the **structural similarity** (SSIM, Wang and others 2004): it compares, in a small window around each pixel, mean, contrast and correlation, and is 1 for equal pictures. We take scikit-image's, with the settings of its inventors. The third compares not pixels but what a network sees: both pictures go through EfficientNet-Lite0, a classifier trained on ImageNet (notebook 01), and at each place of four maps inside it, taken after the activation, the directions of the two vectors of features are compared. That is the form of LPIPS (Zhang and others 2018) with another network, so only differences between its numbers mean something. Lower is nearer.

# %%
eye = pretrained.lite0_features().to(device)  # a map at a half, a quarter, an eighth, a sixteenth of the side
MEASURES = ("PSNR (dB)", "SSIM", "perceptual distance")


def measure(pictures: Mapping[str, Tensor], real: Mapping[str, Tensor]) -> dict[str, list[float]]:
    """Three measures, for each picture: lists in the order of `real`."""
    found = {"PSNR (dB)": [], "SSIM": [], "perceptual distance": []}
    for name, wanted in real.items():
        x = pictures[name]
        found["PSNR (dB)"].append(psnr(x, wanted).item())
        found["SSIM"].append(ssim(x, wanted).item())
        distance = perceptual_distance(eye, x.to(device), wanted.to(device))
        found["perceptual distance"].append(distance.item())
    return found


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def table(results: Mapping[str, Mapping[str, list[float]]]) -> None:
    """Print the mean of each measure, a row for each method."""
    names = [m for m in MEASURES if all(m in found for found in results.values())]
    print(f"{'':10}" + "".join(f"{name:>21}" for name in names))
    for method, found in results.items():
        digits = [2, 3, 3, 3]
        print(f"{method:10}" + "".join(f"{mean(found[m]):21.{d}f}" for m, d in zip(names, digits)))


results = {method: measure(pictures, truth) for method, pictures in enlarged.items()}
table(results)
assert mean(results["bicubic"]["PSNR (dB)"]) > mean(results["nearest"]["PSNR (dB)"])

# %% [markdown]
# Bicubic interpolation is the better baseline by all three, and the one to beat.
#
# ## 2. A network of residuals
#
# **Next question: what kind of network?** One that works on the small picture as long as it can, where a layer costs a sixteenth, and only at its end makes it large. The paper's generator is this (kernel, maps, stride; Figure 4 there):
#
# ```
#  small picture                                                        large picture
#       |                                                                     ^
#  k9n64s1, PReLU                                                          k9n3s1
#       |------------------------------------------+                          |
#  16 x [ k3n64s1, BN, PReLU, k3n64s1, BN, + ]     |        2 x [ k3n256s1, x2 pixels, PReLU ]
#       |                                          |                          |
#  k3n64s1, BN ------------------------------------+ --------------------------
# ```
#
# Each block *adds* something to what passes through it, as in the residual networks of He and others (2016): a block that has nothing to say leaves the picture alone. One more skip goes around all of them. PReLU is a ReLU whose slope below zero is learned.
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
    """Maps (B, width, H, W) to maps of the same shape: the input and a correction."""

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
# **Next question: how does a picture get larger inside a network?** DCGAN used transposed convolutions. Shi and others (2016) found a neater way: an ordinary convolution computes four maps where one is wanted, and the four are dealt out to the four pixels of each 2 x 2 block. That is a **sub-pixel convolution**, and its second half is nothing but sorting:
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
# A reshape to six axes names everything: (B, C, i, j, H, W). In which order must they stand so that one more reshape gives the result?
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
    """Deal out channels to pixels: (B, C r r, H, W) to (B, C, r H, r W)."""
    # BEGIN SOLUTION
    batch, channels, height, width = x.shape
    x = x.reshape(batch, channels // r**2, r, r, height, width)
    return x.permute(0, 1, 4, 2, 5, 3).reshape(batch, -1, r * height, r * width)
    # END SOLUTION


# %%
pixel_shuffle = check("8.3", pixel_shuffle)

# %% [markdown]
# Why not a transposed convolution? Its outputs overlap, and with a kernel of 3 and a stride of 2 they overlap unevenly. Put ones in, with weights of one:

# %%
with torch.no_grad():
    uneven = nn.ConvTranspose2d(1, 1, 3, stride=2, padding=1, output_padding=1, bias=False)
    uneven.weight.fill_(1)
    counts = uneven(torch.ones(1, 1, 4, 4))[0, 0]
    fours = torch.ones(1, 4, 4, 4)
print("transposed convolution: how often each pixel is written\n", counts[:6, :6].int().tolist())
print("sub-pixel convolution:", sorted(set(pixel_shuffle(fours, 2).flatten().int().tolist())))

# %% [markdown]
# Some pixels collect four times as much as others: a **checkerboard**, before anything is learned. A network can learn weights that even it out, and often does not quite. Dealing out pixels has no such overlap. Is it free of the pattern, then? Test it: two doublings with random weights, on a flat grey picture. Whatever is not flat in the result is the pattern. A third way stands beside them: copy pixels first, then convolve ("resize").

# %%
def flat_response(kind: str, seed: int) -> Tensor:
    """What two random doublings make of a flat picture, without its border: (1, 1, 64, 64)."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)  # layers draw their first weights from torch's global generator
        layers = nn.Sequential(srgan.UPSAMPLERS[kind](16, 16), nn.PReLU(), srgan.UPSAMPLERS[kind](16, 1))
        return layers(torch.ones(1, 16, 20, 20))[:, :, 8:-8, 8:-8]


def spectrum(x: Tensor) -> Tensor:
    """The strength of each frequency in pictures (B, 1, H, W), frequency 0 in the middle."""
    waves = torch.fft.fft2(x - x.mean(dim=(2, 3), keepdim=True)).abs().mean(dim=(0, 1))
    return torch.fft.fftshift(waves)


fig, axes = panels(3, rows=2, width=2.9, height=2.9)
shares = {}
for n, kind in enumerate(("transposed", "subpixel", "resize")):
    made = torch.cat([flat_response(kind, seed) for seed in range(20)])
    strength = made.std(dim=(1, 2, 3)) / made.square().mean(dim=(1, 2, 3)).sqrt()
    shares[kind] = strength.tolist()
    zoomed = made[:1, :, :16, :16] - made[0].mean()
    show_images(zoomed / made[0].std().clamp(min=0.02) / 3, columns=1, title=kind, ax=axes[n])
    axes[n + 3].imshow(spectrum(made).log1p().numpy(), cmap="gray", vmin=0, vmax=5, extent=(-0.5, 0.5, 0.5, -0.5))
    axes[n + 3].set(title="its spectrum", xlabel="cycles per pixel", ylabel="cycles per pixel")
show(fig, alt="Above, patterns of 4 x 4 pixels for the transposed and the sub-pixel doubling, nothing for resize. Below, their spectra: single bright dots at multiples of a quarter cycle per pixel for the first two, black for the third.")
for kind, values in shares.items():
    print(f"{kind:11} pattern, as a share of the picture's size: {mean(values):.2f} (mean of {len(values)} seeds)")
assert mean(shares["resize"]) < 0.01 < min(mean(shares["subpixel"]), mean(shares["transposed"]))

# %% [markdown]
# *Figure 8.2. What three untrained doublings make of flat grey: 16 x 16 pixels of it, and the spectrum, averaged over 20 seeds.* A pattern that repeats every 4 pixels can only have frequencies that are multiples of 1/4: the dots. That is the fingerprint to look for in any generator's pictures.
#
# And the surprise: the sub-pixel convolution, which was to be the cure, has it too. Four maps with four sets of random weights give four different greys. Nothing overlaps unevenly here, so the pattern is a matter of weights alone; but random weights begin with it. (Aitken and others, 2017, start the four sets equal.) Only "resize" can't make it. (With these kernels the transposed convolution needs a quarter of the arithmetic of the other two, and the sub-pixel convolution has four times the weights of the other two.) What is left of the pattern after training? That will be measured.
#
# ## 4. SRResNet: as near as possible
#
# **Next question: how far does the plain squared error get us?** The paper trains its generator on it first, and calls the result SRResNet: 16 blocks of 64 maps, a million steps on 350,000 ImageNet pictures.

# %%
paper = srgan.Generator()
print(f"the paper's generator: {count_parameters(paper):,} parameters; looks {paper.reach} small pixels far")
blocks = sum(p.numel() for p in ResidualBlock(64).parameters()) * 16
print(f"of these in the 16 blocks: {blocks:,}")
assert count_parameters(paper) == 1_547_350

# %% [markdown]
# In the `cpu` profile there are two cores and a minute or two. So there the network is narrower: 32 maps, 6 blocks, 16 maps in the upsampling stages, a last kernel of 3 x 3. And in every profile we depart from the paper in one point: the output is **added to the bicubic picture**, so that the training need not be spent on what bicubic interpolation knows. What that is worth is measured below.

# %%
SHAPE = env.budget(
    smoke={"width": 8, "blocks": 1, "tail": 8, "ends": (5, 3)},
    cpu={"width": 32, "blocks": 6, "tail": 16, "ends": (9, 3)},
    gpu={"width": 64, "blocks": 16},
)
BATCH = env.budget(smoke=4, cpu=16, gpu=16)
CHANNELS_LAST = env.memory_format()


def new_generator(seed: int = 0, **changes: object) -> nn.Module:
    """A generator of this profile's shape, with weights from `seed`."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)  # layers draw their first weights from torch's global generator
        G = srgan.Generator(**({"on_bicubic": True} | SHAPE | changes))
    return G.to(device, memory_format=CHANNELS_LAST)


def resnet_run(G: nn.Module, steps: int, seed: int = 1) -> tuple[Callable, dict, nn.Module]:
    """Training on the squared error: a step, what a checkpoint keeps, and the running average."""
    rng = env.rng(seed, "cpu")
    batches = lowres.Crops(training_photos, SIDE, BATCH, rng, device)
    average = copy.deepcopy(G)
    opt = torch.optim.Adam(G.parameters(), env.budget(smoke=2e-3, cpu=2e-3, gpu=4e-4), betas=(0.9, 0.99), fused=True)
    slow = linear_decay(opt, steps, hold=0.2)

    def step() -> dict[str, Tensor]:
        low, high = next(batches)
        with env.autocast():
            x = G(low)
        loss = F.mse_loss(x.float(), high)
        descend(opt, loss)
        slow.step()
        n = slow.last_epoch
        ema_update(average, G, min(0.995, n / (n + 9)))
        return {"squared error": loss.detach()}

    return step, {"G": G, "average": average, "opt": opt, "slow": slow, "rng": rng}, average


def enlarger(G: nn.Module) -> Callable[[Tensor], Tensor]:
    """A trained network as a function of one small picture."""

    def enlarge(low: Tensor) -> Tensor:
        with torch.no_grad(), env.autocast():
            return G.eval()(low.contiguous(memory_format=CHANNELS_LAST)).float()

    return enlarge


folder = env.run_dir("08_srgan")

# %% [markdown]
# A batch is 16 squares of 24 x 24 small pixels with the 96 x 96 that they come from, the paper's sizes, from random places, turned and mirrored at random. Photographs with much detail are drawn more often: grass most of all, and the smooth retina least, though it is the largest.

# %% tags=["training", "nbval-ignore-output"]
STEPS = env.budget(smoke=8, cpu=1700, gpu=6000)
G = new_generator()
step, keep, srresnet = resnet_run(G, STEPS)
records = list(train(step, STEPS, keep, folder / "srresnet", title="SRResNet", record_every=max(1, STEPS // 40)))
enlarged["SRResNet"] = drawn_by(enlarger(srresnet))
results["SRResNet"] = measure(enlarged["SRResNet"], truth)
print(f"{count_parameters(G):,} parameters, {records[-1].step} steps in {records[-1].seconds:.0f} s")
table(results)
gain = [a - b for a, b in zip(results["SRResNet"]["PSNR (dB)"], results["bicubic"]["PSNR (dB)"])]
print("gain over bicubic:", ", ".join(f"{name} {value:+.2f} dB" for name, value in zip(truth, gain)))
env.report(
    seconds_srresnet=records[-1].seconds, gain_srresnet=mean(gain),
    psnr_nearest=mean(results["nearest"]["PSNR (dB)"]), psnr_bicubic=mean(results["bicubic"]["PSNR (dB)"]),
    psnr_srresnet=mean(results["SRResNet"]["PSNR (dB)"]),
)
assert env.profile() == "smoke" or mean(gain) >= 0.6

# %% tags=["nbval-ignore-output"]
compare("bicubic", "SRResNet")
edges = {m: mean([total_variation(x).item() for x in enlarged[m].values()]) for m in ("bicubic", "SRResNet")}
assert env.profile() == "smoke" or edges["SRResNet"] > edges["bicubic"]

# %% [markdown]
# *Figure 8.3. As near to the truth as a minute or two of training gets.* Edges are sharper: the rim of the cup, the lid of the eye. The fur is not. It is smoother than a cat can be, though all three measures are better than before. The next section asks why. The gain is not the same everywhere: most where there are clean edges, least where the picture is sky and fine lattice.
#
# First that departure, batch norm, and what is left of the checkerboard. Five networks, the same few steps each, once more from the start:

# %% tags=["training", "nbval-ignore-output"]
RACE = {
    "as above": {},
    "without batch norm": {"norm": False},
    "not added to bicubic": {"on_bicubic": False},
    "transposed": {"upsampling": "transposed"},
    "resize": {"upsampling": "resize"},
}
RACE_STEPS = env.budget(smoke=2, cpu=200, gpu=300)
greys = torch.linspace(-0.8, 0.8, 9, device=device).view(-1, 1, 1, 1).expand(-1, 3, 40, 40)
race, before, patterns = {}, {}, {}
for name, changes in RACE.items():
    rival = new_generator(**changes)
    flat = 127.5 * enlarger(rival)(greys)[:, :, 48:-48, 48:-48]
    before[name] = flat.std(dim=(2, 3)).mean().item()
    rival.train()
    step, keep, average = resnet_run(rival, RACE_STEPS)
    for record in train(step, RACE_STEPS, keep, title=name, record_every=RACE_STEPS):
        pass
    made = drawn_by(enlarger(average))
    values = [psnr(made[photo], x).item() for photo, x in truth.items()]
    race[f"{name} ({record.seconds:.0f} s)"] = [a - b for a, b in zip(values, results["bicubic"]["PSNR (dB)"])]
    flat = 127.5 * enlarger(average)(greys)[:, :, 48:-48, 48:-48]
    patterns[name] = flat.std(dim=(2, 3)).mean().item()
fig, axes = panels(1, width=7.5, height=2.8)
plot_bars(race, xlabel=f"gain over bicubic (dB) after {RACE_STEPS} steps; dots: the {len(truth)} photos", ax=axes[0])
show(fig, alt="Bars of the gain in decibels for five networks, each with a dot for each test photo")
for name in RACE:
    print(f"{name:20} pattern on flat grey: {before[name]:.3f} of 255 grey levels untrained, {patterns[name]:.3f} trained")
assert min(race, key=lambda name: mean(race[name])).startswith("not added to bicubic")

# %% [markdown]
# *Figure 8.4. One change at a time, equal steps, one run each.* Not adding the bicubic picture costs most: its part must be learned first, and so far that network is worse than interpolation. It is no fault of the paper, which trained a million steps. Batch norm makes little difference here; later super-resolution networks left it out and could then be made much larger (Lim and others 2017). As to upsampling, the three are near each other in decibels (the two rivals have an eighth fewer weights), and what is left on flat grey is a small part of one grey level with every layer that is added to the bicubic picture. Partly it never was more: there our last layer starts small. The squared error has no use for a pattern and gives it no reason to grow. Remember this when a different loss comes.
#
# ## 5. Why the best answer is blurred
#
# **Next question: why is the fur smooth?** Because many furs have the same small picture. Let us make some answers that are all equally right. Take a piece of grass as the truth; keep its small picture, and put the fine detail of *other* pieces of grass on top, adjusted until the small picture is the same again, up to rounding and clipping. The small picture can't tell which of them is the truth. (In the gravel you may still guess: coarse and fine parts of an answer come from two places and don't quite fit. The game does not need them to.)

# %%
N_ANSWERS = 16
LIMIT = 0.5  # by how many grey levels their small pictures may differ


def answers(photo: str, side: int = 128) -> Tensor:
    """Large pictures of one texture with one and the same small picture: (16, 3, side, side)."""
    whole, rng = to_float(training_photos[photo][1]), env.rng(0, "cpu")
    pieces = []
    for _ in range(N_ANSWERS):
        top, left = (int(torch.randint(n - side + 1, (), generator=rng)) for n in whole.shape[2:])
        pieces.append(whole[:, :, top : top + side, left : left + side])
    pieces = torch.cat(pieces)

    def small(x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=1 / 4, mode="bicubic", antialias=True)

    seen = small(pieces[:1])  # the first piece is the truth
    x = lowres.enlarge(seen) + pieces - lowres.enlarge(small(pieces))
    for _ in range(30):  # what the small picture still lacks is added to the large one
        x = x + lowres.enlarge(seen - small(x))
    assert (small(x) - seen).abs().max() < LIMIT / 127.5
    return x


textures = {name: answers(name) for name in ("grass", "gravel", "brick")}
print(f"the small pictures of {N_ANSWERS} answers differ by less than {LIMIT} of a grey level:", list(textures))

# %% [markdown]
# **Exercise 8.4** · *What the squared error wants* · difficulty ●●○○○ · importance ●●●●● · 5 minutes · 1 point
#
# Think of very many such answers, one of which, you don't know which, is the truth. Ann hands in one of them, chosen at random, sharp as it is. Bob hands in the mean of all of them. Compare their mean squared errors, over many games, in decibels.
#
# - `"a"`: Bob's PSNR is lower: his picture is blurred.
# - `"b"`: Both are the same on average.
# - `"c"`: Bob's PSNR is about 3 dB higher.
# - `"d"`: Bob's PSNR is higher without limit: the mean of all answers is the truth.
#
# <details><summary>Hint 1</summary>
#
# Look at one pixel. The answers give it many values, spread about their mean with some variance.
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
# Let them play. Each answer is the truth once; Ann's guess is another one, Bob's the mean of the other fifteen.

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
    shown = {"small picture": lowres.enlarge(lowres.to_float(lowres.shrink(to_bytes(x[:1]))), "nearest"),
             "the truth": x[:1], "Ann, one answer": x[1:2], "another": x[2:3], "Bob, the mean": blurred(x)[:1]}
    for ax, (title, picture) in zip(axes[5 * row :], shown.items()):
        show_images(picture[:, :, 32:96, 32:96], columns=1, title=title, ax=ax)
show(fig, alt="Rows of grass, gravel and brick: the small picture, three sharp large ones that differ, and their mean, which is blurred")

# %% [markdown]
# *Figure 8.5. All sharp pictures of a row have the same small picture. The blurred one has the best PSNR.* With fifteen others to average Bob is 2.73 dB ahead, whatever the texture ($10 \log_{10} \tfrac{2 \cdot 15}{16}$; the limit is 3.01). This is a theorem and not a weakness of some network: **the answer with the least expected squared error is the mean of all plausible answers**, and the mean of sharp pictures is not sharp. SRResNet's fur is Bob's. More training would bring it nearer to the mean, not to a fur.
#
# What would a better judge say? It would find Ann's grass nearer to the true grass than Bob's, though no blade lies where it should. That is a test for our third measure, and here is how the stages of its network do:

# %%
every_stage = pretrained.lite0_features(range(1, 8)).to(device)
ratios = {}
for name, x in textures.items():
    x = x[:6].clamp(-1, 1).to(device)
    with torch.no_grad():
        maps = zip(every_stage(x), every_stage(x.roll(1, 0)), every_stage(blurred(x)))
    ratios[name] = [
        (perceptual_distance(lambda m: [m], ann, real).mean() / perceptual_distance(lambda m: [m], bob, real).mean()).item()
        for real, ann, bob in maps
    ]
ax = plot_curves(range(1, 8), ratios, xlabel="stage of EfficientNet-Lite0", ylabel="Ann's distance / Bob's")
ax.axhline(1, color="black", linewidth=0.8)
show(ax, alt="The ratio of Ann's to Bob's distance is above 1 at the first three stages, and well below 1 at the last two for grass")
assert max(ratios["grass"][:3]) > 1 > max(ratios["grass"][5:])

# %% [markdown]
# *Figure 8.6. Below the line a stage finds Ann's sharp answer nearer to the truth than Bob's blurred one; above it, Bob's.* The first stages judge nearly like the squared error: an edge that lies elsewhere is wrong. The last see what kind of thing is there, and for grass clearly prefer the sharp answer. Bricks have joints, and a joint in the wrong place is no small matter for any judge. So features help, but a distance that compares place by place still likes Bob a good deal.
#
# A judge that is not asked about places has to look at all of them at once. Take the vectors of features at *every* place of a picture as one cloud, and measure how far two clouds are apart: the Fréchet distance of notebook 03, here divided by the spread of the true cloud. It will be our fourth measure, **texture distance**. It can't see whether the cat is upside down; it sees whether there is fur.

# %%
surface = pretrained.lite0_features((2,)).to(device)  # 144 maps at a quarter of the side


def texture_distance(x: Tensor, real: Tensor) -> float:
    """Fréchet distance of the clouds of features of two pictures, over the spread of the second."""
    with torch.no_grad():
        clouds = [surface(y.to(device))[0].flatten(2).transpose(1, 2).flatten(0, 1) for y in (x, real)]
    return frechet_distance(*clouds) / clouds[1].var(dim=0).sum().item()


for name, x in textures.items():
    x = x.clamp(-1, 1)
    ann, bob = texture_distance(x[1:2], x[:1]), texture_distance(blurred(x)[:1], x[:1])
    print(f"{name:7} {'Ann is nearer' if ann < bob else 'Bob is nearer'}")
    assert ann < bob

# %% [markdown]
# For all three textures, bricks included. Blau and Michaeli (2018) showed that this is no accident of our judges: *distortion*, the distance from the truth place by place, and *naturalness*, a distance of distributions, can't both be made best. One has to choose. What did SRResNet choose?

# %% tags=["nbval-ignore-output"]
def variation(method: str) -> float:
    """Total variation of a method's pictures over that of the originals, mean over the photos."""
    return mean([(total_variation(x) / total_variation(truth[name])).item() for name, x in enlarged[method].items()])


for method, found in results.items():
    found["texture distance"] = [texture_distance(enlarged[method][name], x) for name, x in truth.items()]
MEASURES = ("PSNR (dB)", "SSIM", "perceptual distance", "texture distance")
table(results)
for method in enlarged:
    print(f"{method:9} has {variation(method):.2f} of the originals' total variation")
assert variation("SRResNet") < 1

# %% [markdown]
# The last lines are a simple-minded judge that no network stands behind: the **total variation**, the mean step from a pixel to the next. The originals have more than twice as much of it as SRResNet's pictures.
#
# ## 6. Losses that see
#
# **Next question: which loss does not want the mean?** The paper has two ideas, and uses both. The first: compare features, not pixels. With $\phi$ a map inside a classifier, the **content loss** is
#
# $$l_\phi = \frac{1}{\text{size of } \phi}\sum \big(\phi(I^{HR}) - \phi(G(I^{LR}))\big)^2.$$
#
# (The paper's Equation 5 divides by width times height only. We divide by the number of maps too, and the scale in Section 7 makes up for it.)
#
# The paper's $\phi_{5,4}$ is the last convolution of VGG19 before its last pooling, after the activation, at a sixteenth of the side. In the `gpu` profile the notebook fetches that network where it can. In the `cpu` profile it takes EfficientNet-Lite0, for speed.
#
# **Exercise 8.5** · *Content loss* · difficulty ●●●○○ · importance ●●●●● · 12 minutes · 2 points
#
# - `phi(x)` returns a *list* of maps, one or several; it is frozen already.
# - For each map: the mean squared difference over all its values. Return the mean of these over the maps.
# - The gradient flows to `fake`. Nothing is computed for a gradient of `real`.
#
# <details><summary>Hint 1</summary>
#
# `torch.no_grad()` around the real picture's maps: they are a target and nothing else.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `F.mse_loss(a, b)` for each pair of maps. How do you put several results together without losing their history? Not with `torch.tensor([...])`.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `torch.stack([F.mse_loss(a, b) for a, b in zip(phi(fake), wanted)]).mean()`, with `wanted = phi(real)` from a `with torch.no_grad():` block.
#
# </details>


# %% tags=["exercise"]
def content_loss(phi: Callable[[Tensor], list[Tensor]], fake: Tensor, real: Tensor) -> Tensor:
    """Mean squared difference of the features of two batches of pictures, over all maps."""
    # BEGIN SOLUTION
    with torch.no_grad():
        wanted = phi(real.detach())
    pairs = zip(phi(fake), wanted, strict=True)
    return torch.stack([F.mse_loss(a.float(), b.float()) for a, b in pairs]).mean()
    # END SOLUTION


# %%
content_loss = check("8.5", content_loss)

# %% [markdown]
# The hint about `torch.tensor([...])` is not made up. A much-used implementation of this paper returned its content loss like that: a new tensor, the right number, no history. It was logged at every step and trained nothing. So ask a loss for its gradient:

# %%
low, high = next(lowres.Crops(training_photos, SIDE, 2, env.rng(0, "cpu"), device))
fake = lowres.enlarge(low).requires_grad_()
loss = content_loss(lambda x: eye(x)[:1], fake, high)
rebuilt = torch.tensor([loss.item()])
print("has a history:", loss.requires_grad, "; rebuilt from its number:", rebuilt.requires_grad)
(slope,) = torch.autograd.grad(loss, fake)
print("its gradient reaches every colour of the picture:", bool((slope.abs().sum(dim=(0, 2, 3)) > 0).all()))

# %% [markdown]
# The second idea is a discriminator. It has seen many furs, and no blurred one: **the mean of real pictures is not a real picture**, and that is just what D is good at seeing. It is a plain convolutional classifier.
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
# - All kernels are 3 x 3 with padding 1. Pictures are (B, 3, side, side), and 16 divides `side`.
# - Logits, no sigmoid.
#
# <details><summary>Hint 1</summary>
#
# Build the list of layers in a loop over `(1, 1, 2, 2, 4, 4, 8, 8)`; its index tells stride and batch norm.
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
    """A picture (B, 3, side, side) to a logit (B,)."""

    def __init__(self, width: int = 64, side: int = 96) -> None:
        super().__init__()
        # BEGIN SOLUTION
        layers, c_in = [], 3
        for n, times in enumerate((1, 1, 2, 2, 4, 4, 8, 8)):
            layers += [nn.Conv2d(c_in, times * width, 3, stride=1 + n % 2, padding=1, bias=n == 0)]
            layers += [nn.BatchNorm2d(times * width)] if n else []
            layers += [nn.LeakyReLU(0.2)]
            c_in = times * width
        dense = nn.Linear(c_in * (side // 16) ** 2, 16 * width)
        self.layers = nn.Sequential(
            *layers, nn.Flatten(), dense, nn.LeakyReLU(0.2), nn.Linear(16 * width, 1), nn.Flatten(0)
        )
        # END SOLUTION

    def forward(self, x: Tensor) -> Tensor:
        # BEGIN SOLUTION
        return self.layers(x)
        # END SOLUTION


# %%
Discriminator = check("8.6", Discriminator)

# %%
size = count_parameters(Discriminator())
print(f"the paper's D: {size:,} parameters, {size / count_parameters(paper):.0f} times as many as its G")

# %% [markdown]
# G's loss is the sum of the two (Equation 3), with a small weight on the adversarial term:
#
# $$l = l_\phi + 10^{-3} \; \mathbb{E}\big[-\log D(G(I^{LR}))\big].$$
#
# The second term is the paper's Equation 6, with a mean over the pictures where the paper has a sum: so the batch size does not matter.
#
# **Exercise 8.7** · *The generator's loss* · difficulty ●●○○○ · importance ●●●●○ · 10 minutes · 2 points
#
# - `content` is the content loss, a number; `fake` are the logits of D for G's pictures, (B,).
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
    """Content loss plus 0.001 times the mean of -log D of the generated pictures."""
    # BEGIN SOLUTION
    return content + 1e-3 * F.softplus(-fake).mean()
    # END SOLUTION


# %%
generator_loss = check("8.7", generator_loss)

# %%
undecided = generator_loss(torch.tensor(0.0), torch.zeros(4))
found_out = generator_loss(torch.tensor(0.0), torch.full((4,), -10.0))
print(f"what D adds to the loss: {undecided:.5f} if it is undecided, {found_out:.5f} if it is sure of fakes")

# %% [markdown]
# A third term appears in one of the paper's experiments: the total variation of Section 5, with a tiny weight, to punish noise. Ours leaves it out; `srgan_step` takes any content function, and adding it is one line to try.

# %% [markdown]
# ## 7. SRGAN
#
# Now the second training. It begins with SRResNet's weights, as in the paper: D then plays against a G that has the coarse things right. What the content loss is worth in numbers depends on the network that $\phi$ comes from; the paper scales VGG's features by 1/12.75. We scale so that the loss begins at 0.03, some forty times what an undecided D adds.

# %% tags=["nbval-ignore-output"]
phi = pretrained.content_features(env.budget(smoke="lite0", cpu="lite0", gpu="vgg19"))
phi.to(device, memory_format=CHANNELS_LAST)
GAN_SIDE = env.budget(smoke=16, cpu=20, gpu=24)  # of a small square; D sees four times as much
low, high = next(lowres.Crops(training_photos, GAN_SIDE, 32, env.rng(0, "cpu"), device))
with torch.no_grad():
    x = enlarger(srresnet)(low)
    SCALE_CONTENT = (0.03 / content_loss(phi, x, high)).item()
    low, high = next(lowres.Crops(training_photos, GAN_SIDE, 32, env.rng(1, "cpu"), device))
    elsewhere = SCALE_CONTENT * content_loss(phi, enlarger(srresnet)(low), high).item()
print(f"{len(phi(high[:1]))} maps; the content loss is multiplied by {SCALE_CONTENT:.2g}")
print(f"on other squares it is {elsewhere:.3f}, {elsewhere / undecided.item():.0f} times what an undecided D adds")
assert 0.015 < elsewhere < 0.06

# %% tags=["training", "nbval-ignore-output"]
GAN_STEPS = env.budget(smoke=6, cpu=650, gpu=2000)
GAN_BATCH = env.budget(smoke=2, cpu=8, gpu=16)
D_WIDTH = env.budget(smoke=4, cpu=16, gpu=64)


def gan_run(adversarial: float = 1e-3, seed: int = 2) -> tuple[Callable, dict, nn.Module]:
    """SRGAN from SRResNet's weights: a step, what a checkpoint keeps, and the running average."""
    G = copy.deepcopy(srresnet).train()  # it was put into eval mode to draw pictures
    average = copy.deepcopy(G)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        D = Discriminator(D_WIDTH, side=4 * GAN_SIDE).to(device, memory_format=CHANNELS_LAST)
    rng = env.rng(seed, "cpu")
    batches = lowres.Crops(training_photos, GAN_SIDE, GAN_BATCH, rng, device)
    rate = env.budget(smoke=2e-4, cpu=2e-4, gpu=1e-4)
    opt_G = torch.optim.Adam(G.parameters(), rate, betas=(0.9, 0.99), fused=True)
    opt_D = torch.optim.Adam(D.parameters(), 2 * rate, betas=(0.9, 0.99), fused=True)
    slow_G, slow_D = (linear_decay(opt, GAN_STEPS) for opt in (opt_G, opt_D))

    def content(fakes: Tensor, high: Tensor) -> Tensor:
        with env.autocast(device.type == "cuda"):  # on a CPU these layers are faster in fp32
            return SCALE_CONTENT * content_loss(phi, fakes, high)

    def step() -> dict[str, Tensor]:
        losses = srgan_step(
            G, D, opt_G, opt_D, batches, content, adversarial=adversarial, autocast=env.autocast
        )
        slow_G.step()
        slow_D.step()
        ema_update(average, G, min(0.995, slow_G.last_epoch / (slow_G.last_epoch + 9)))
        return losses

    keep = {"G": G, "D": D, "average": average, "opt_G": opt_G, "opt_D": opt_D}
    return step, keep | {"slow_G": slow_G, "slow_D": slow_D, "rng": rng}, average


step, keep, srgan_G = gan_run()
records = list(train(step, GAN_STEPS, keep, folder / "srgan", title="SRGAN", record_every=max(1, GAN_STEPS // 30)))
enlarged["SRGAN"] = drawn_by(enlarger(srgan_G))
results["SRGAN"] = measure(enlarged["SRGAN"], truth)
results["SRGAN"]["texture distance"] = [texture_distance(enlarged["SRGAN"][name], x) for name, x in truth.items()]
print(f"{records[-1].step} steps in {records[-1].seconds:.0f} s")
table(results)
print("gain over bicubic:", ", ".join(f"{method} {mean(results[method]['PSNR (dB)']) - mean(results['bicubic']['PSNR (dB)']):+.2f} dB" for method in ("SRResNet", "SRGAN")))
for method in enlarged:
    print(f"{method:9} {variation(method):.2f} of the originals' total variation")
for method in results:
    short = {"PSNR (dB)": "psnr", "SSIM": "ssim", "perceptual distance": "perceptual", "texture distance": "texture"}
    env.report(**{f"{short[m]}_{method.lower()}": mean(values) for m, values in results[method].items()})
env.report(seconds_srgan=records[-1].seconds, variation_srresnet=variation("SRResNet"), variation_srgan=variation("SRGAN"))
if env.profile() != "smoke":
    distance = {method: mean(found["perceptual distance"]) for method, found in results.items()}
    assert distance["SRGAN"] < min(distance["SRResNet"], distance["bicubic"])
    assert mean(results["SRGAN"]["PSNR (dB)"]) < mean(results["SRResNet"]["PSNR (dB)"])

# %% tags=["nbval-ignore-output"]
compare("bicubic", "SRResNet", "SRGAN")
assert env.profile() == "smoke" or variation("SRGAN") > variation("SRResNet")  # edges with more contrast

# %% [markdown]
# *Figure 8.7. The same network, trained with two other losses.* Now read the table above line by line. PSNR and SSIM say that SRGAN is worse than SRResNet: much of the gain in decibels is given back, as in the paper. The perceptual distance says that it is somewhat better, the texture distance that it is much better. Nobody is lying: the first two measure distortion, the last naturalness, and the third lies in between. But be careful: in the `cpu` profile both feature measures use maps of the very network that the content loss trained on, one of them the same four maps. That is teaching to the test. Total variation, and the spectrum below, had no part in the training.
#
# And what do you see? Edges with more contrast, at places too much: along the sharpest ones there are bright and dark specks. Surfaces have hardly more detail than SRResNet's. No fur: in a minute or two, from eleven photographs, a narrow network doesn't learn what fur is. And on smooth ground, as on the cup, look for a faint regular net. You know it from Section 3:

# %% tags=["nbval-ignore-output"]
for name, net in {"SRResNet": srresnet, "SRGAN": srgan_G}.items():
    flat = 127.5 * enlarger(net)(greys)[:, :, 48:-48, 48:-48]
    patterns[name] = flat.std(dim=(2, 3)).mean().item()
    print(f"{name:9} pattern on flat grey: {patterns[name]:.2f} of 255 grey levels")
env.report(pattern_srresnet=patterns["SRResNet"], pattern_srgan=patterns["SRGAN"])
assert env.profile() == "smoke" or patterns["SRGAN"] > patterns["SRResNet"]

# %% [markdown]
# **The checkerboard is back.** The squared error had no use for it. A likely cause: D and the content loss look at pictures through convolutions with strides, and what a stride sees badly, G is free to draw. (To find out which of the two, run `gan_run(adversarial=0.0)` too.) This is the honest failure of this notebook, and some of the "texture" that the fourth measure praises may be this net. How much of the gain is detail? The spectrum tells grain from grid, since a grid has its power at a few frequencies only.

# %% tags=["nbval-ignore-output"]
def power(x: Tensor) -> Tensor:
    """The power of the luma at 1 to 32 cycles in 64 pixels, in every direction, mean over squares."""
    y = luminance(x)[:, : x.shape[2] // 64 * 64, : x.shape[3] // 64 * 64]
    y = y.unfold(1, 64, 64).unfold(2, 64, 64).flatten(0, 2) * torch.outer(torch.hann_window(64), torch.hann_window(64))
    waves = torch.fft.fft2(y).abs().square().mean(0)
    f = torch.fft.fftfreq(64, 1 / 64)
    ring = torch.hypot(f[:, None], f[None, :]).round().long().clamp(max=45)
    sums = torch.zeros(46).index_add(0, ring.flatten(), waves.flatten())
    return (sums / torch.bincount(ring.flatten(), minlength=46))[1:33]


spectra = {method: torch.stack([power(x) for x in pictures.values()]).mean(0) for method, pictures in {**enlarged, "original": truth}.items()}
ax = plot_curves(
    [k / 64 for k in range(1, 33)],
    {method: 10 * torch.log10(spectra[method]) for method in ("bicubic", "SRResNet", "SRGAN", "original")},
    xlabel="cycles per pixel of the large picture", ylabel="power of the luma (dB)",
)
ax.axvline(1 / 8, color="black", linewidth=0.8)
show(ax, alt="Power against frequency for three methods and the originals; beyond an eighth of a cycle per pixel bicubic falls fastest, and the original stays highest")
high_gap = {m: (10 * torch.log10(spectra["original"] / spectra[m]))[8:].abs().mean().item() for m in enlarged}
for method, gap in high_gap.items():
    print(f"{method:9} {gap:5.1f} dB from the originals, mean over what must be invented")
env.report(spectrum_gap_srresnet=high_gap["SRResNet"], spectrum_gap_srgan=high_gap["SRGAN"])
assert env.profile() == "smoke" or high_gap["SRGAN"] < high_gap["SRResNet"] < high_gap["bicubic"]

# %% [markdown]
# *Figure 8.8. How much of each frequency there is. The line at 1/8 marks the finest detail that a small picture can hold.* At the lowest frequencies all agree; bicubic interpolation begins to lose well before the line, since it smooths what it was given. Right of the line everything must be invented. Bicubic interpolation invents nothing, and falls steeply. SRResNet follows the originals a little further, as far as edges can be known, and then falls too. Up to the line and a little beyond, SRResNet is the nearest; further right SRGAN is, and its lead grows. Bumps in its line, near 0.35 or towards 0.5, are the net: the dots of Figure 8.2, of which the one at 1/4 in both directions lies at 0.35. The rest of the lead is spread over all high frequencies.
#
# But read the first line of the printed list: "nearest" is close to the originals too, and the texture distance was kind to it as well. The edges of its blocks have power at all high frequencies, and nobody takes them for a photograph. **Every measure can be fooled**, those that compare distributions no less than the others. That is why the paper asked people.

# %% [markdown]
# ## 8. Your opinion, blinded
#
# **Next question: what do you see?** The paper asked 26 people to rate pictures from 1 (bad) to 5 (excellent), without telling them how they were made. Do the same. Fifteen squares are shown in random order: three photographs, four methods and the originals. Nothing on the screen says which is which until the last is rated. Where this page has no buttons, all fifteen are drawn with a number: rate them on paper, and only then run the cell after.

# %%
METHODS = ("nearest", "bicubic", "SRResNet", "SRGAN")
squares = {method: [square(name, enlarged[method][name])[0] for name in truth] for method in METHODS}
squares["original"] = [square(name, x)[0] for name, x in truth.items()]
opinion = OpinionTest(squares, env.rng(int(time.time()) % 10_000, "cpu"))
opinion.ask()

# %%
MY_RATINGS = []  # from paper: fifteen numbers from 1 to 5, in the order of the pictures
if MY_RATINGS and not opinion.ratings:
    opinion.rate(*MY_RATINGS)
PAPER_MOS = {"nearest": 1.28, "bicubic": 1.97, "SRResNet": 3.37, "SRGAN": 3.58, "original": 4.32}
mine = opinion.scores()
print("mean opinion scores" + ("" if mine else ": rate all pictures first"))
for method, score in PAPER_MOS.items():
    print(f"{method:9} {mine.get(method, float('nan')):5.2f}   the paper, Set5: {score:.2f}")

# %% [markdown]
# One reader and three photographs are no study; the paper had 26 readers and, for this row, five pictures. And you have seen these squares with their names above; a fair test would take others. Write `PLACES.update(cat=(10, 60), coffee=(60, 20), rocket=(55, 0))` at the top of the cell that begins with `METHODS`, and run it again.
#
# ## 9. Pictures of your own
#
# **Last question: can it enlarge any picture?** The network is made of convolutions only, so any size goes in. Memory is the trouble. A picture of 12 megapixels becomes one of 192, and a single layer of 16 maps of that size takes 12 gigabytes. So large pictures are cut into **tiles**. But a tile's border is no border of the picture: there the network sees zeros where the picture goes on. Each tile therefore gets a margin, which is computed too and then thrown away.
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
# - `G` is called with the tile and up to `margin` pixels around it, fewer at the picture's own border (none beyond it: no zeros, no mirrored pixels). So `G` never gets more than tile + 2 margin pixels in a row.
# - `G` returns its input four times larger. Keep of that the tile alone.
# - All numbers are in pixels of the small picture.
#
# <details><summary>Hint 1</summary>
#
# Two loops, over `range(0, H, tile)` and `range(0, W, tile)`. For each tile four numbers say where it lies, and four where its margin ends.
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
# How wide must the margin be? The network's `reach` says how far away a pixel can matter at all. Whether it does is another question:

# %% tags=["nbval-ignore-output"]
cat = to_float(test_photos["cat"][0]).to(device)


def exact(low: Tensor) -> Tensor:
    """SRGAN's G in 32 bits, so that only seams make a difference."""
    with torch.no_grad():
        return srgan_G.eval().float()(low)


whole = exact(cat)
margins = sorted({0, 1, 2, 4, 8, srgan_G.reach})
worst = [127.5 * (tiled(exact, cat, 32, margin) - whole).abs().max().item() for margin in margins]
for margin, difference in zip(margins, worst):
    print(f"margin {margin:2}: largest difference {difference:8.4f} of 255 grey levels")
assert worst[-1] < 0.01 < worst[0]

# %% [markdown]
# At the reach the tiles are equal to the whole, but for rounding. With half of it the seams are already hard to see: most of what a pixel needs to know lies close by.
#
# `srgan_photos.upscale(G, picture)` does this for a picture from a file: grey, with transparency, with a palette, of odd sides, turned by the camera; it pastes each tile into the result as bytes, so there is never more than one tile in floats. Put the path of your picture into the next cell.

# %% tags=["nbval-ignore-output"]
MY_PICTURE = ""  # for example "holiday/boat.jpg"
MEGAPIXELS = 12  # of a phone's photo
if MY_PICTURE:
    given = ImageOps.exif_transpose(Image.open(MY_PICTURE))  # as the camera was held
else:  # a grey picture with a transparent corner, 101 x 75
    given = Image.fromarray(photos.load(["coffee"])["coffee"][0].permute(1, 2, 0).numpy())
    given = given.resize((101, 75), Image.Resampling.BICUBIC).convert("L")
    alpha = Image.new("L", given.size, 255)
    alpha.paste(0, (0, 0, 40, 20))
    given.putalpha(alpha)
begin = time.perf_counter()
mine = srgan_photos.upscale(srgan_G, given)
seconds = time.perf_counter() - begin
pace = seconds / (given.width * given.height / 1e6)
pace *= ((128 + 2 * srgan_G.reach) / 128) ** 2  # margins, which this small picture did not need
print(f"{given.mode} {given.width} x {given.height} to {mine.mode} {mine.width} x {mine.height} in {seconds:.2f} s")
print(f"at this pace a picture of {MEGAPIXELS} megapixels takes {MEGAPIXELS * pace / 60:.1f} minutes")
w, h = min(given.width, 101), min(given.height, 75)  # the middle is enough to look at
left, top = (given.width - w) // 2, (given.height - h) // 2
part = given.crop((left, top, left + w, top + h))
large = mine.crop((4 * left, 4 * top, 4 * (left + w), 4 * (top + h)))
fig, axes = panels(2, width=4.0, height=3.1)
for ax, title, picture in zip(axes, ("given, pixels copied", "upscaled"), (part.resize(large.size, 0), large)):
    ax.imshow(picture.convert("RGBA"))
    ax.set(title=title, xticks=[], yticks=[])
show(fig, alt="A small picture, or its middle, with its pixels copied, and the same upscaled by SRGAN")
if not MY_PICTURE:
    again = large.convert("L").resize(part.size, Image.Resampling.BICUBIC)
    (lost,) = ImageStat.Stat(ImageChops.difference(part.convert("L"), again)).mean
    print(f"made small again, it differs from the given picture by {lost:.1f} of 255 grey levels in the mean")
    assert lost < 5

# %% [markdown]
# *Figure 8.9. A grey picture with a transparent corner; of a large picture of yours, the middle.* What a picture of 12 megapixels costs is measured by `benchmarks/upscale_memory.py`, since memory can only be measured in a process of its own. The result alone, 192 megapixels, takes 768 MB as the library keeps it.
#
# And here is the whole table once more for a folder of pictures that you name, by a variable or by `GANCOURSE_PICTURES`. Super-resolution papers measure on Set5, five small pictures; if you have them, the paper's numbers stand beside yours.

# %% tags=["nbval-ignore-output"]
FOLDER = os.environ.get("GANCOURSE_PICTURES", "")  # for example "~/pictures/set5"
PAPER_SET5 = {"nearest": (26.26, 0.7552), "bicubic": (28.43, 0.8211), "SRResNet": (32.05, 0.9019), "SRGAN": (29.40, 0.8472)}
pairs = lowres.load_folder(FOLDER) if FOLDER else test_photos  # without a folder: the photos again
ways = {mode: lambda low, mode=mode: lowres.enlarge(low, mode) for mode in ("nearest", "bicubic")}
for name, net in {"SRResNet": srresnet, "SRGAN": srgan_G}.items():
    ways[name] = lambda low, net=net: tiled(enlarger(net), low, 192, net.reach)
originals = {name: to_float(high) for name, (_, high) in pairs.items()}
table_of_folder = {} if FOLDER else results
for way, draw in ways.items() if FOLDER else ():
    made = drawn_by(draw, pairs)
    table_of_folder[way] = measure(made, originals)
    table_of_folder[way]["texture distance"] = [texture_distance(made[name], x) for name, x in originals.items()]
print(f"{len(pairs)} pictures from {Path(FOLDER).name if FOLDER else 'the package'}: {', '.join(list(pairs)[:6])}")
table(table_of_folder)
print("\nThe paper, on Set5:" + "".join(f"\n{way:10}{a:21.2f}{b:21.3f}" for way, (a, b) in PAPER_SET5.items()))
if FOLDER:
    for way, found in table_of_folder.items():
        names = ("psnr", "ssim", "perceptual", "texture")
        env.report(**{f"folder_{n}_{way.lower()}": mean(found[m]) for n, m in zip(names, MEASURES)})
psnrs = {way: mean(table_of_folder[way]["PSNR (dB)"]) for way in PAPER_SET5}
if {name.split("_")[0] for name in pairs} == {"baby", "bird", "butterfly", "head", "woman"}:  # Set5
    assert all(abs(psnrs[way] - PAPER_SET5[way][0]) < 0.01 for way in ("nearest", "bicubic"))
assert FOLDER or env.profile() == "smoke" or max(psnrs, key=psnrs.get) == "SRResNet"

# %% [markdown]
# ## What we measured, and what the paper reports
#
# | | here (profile `cpu`) | Ledig et al. (2017) |
# |---|---|---|
# | G | 6 blocks of 32 maps, 16 in the upsampling stages, added to the bicubic picture | 16 blocks of 64 maps (profile `gpu`: these, added to the bicubic picture) |
# | training pictures | 11 photographs | 350,000 from ImageNet |
# | steps of SRResNet, of SRGAN | 1,700 and 650 | 1,000,000, and 100,000 at each of two rates |
# | content loss | four maps of EfficientNet-Lite0 | VGG19, one map |
# | SRResNet against bicubic | more than 0.6 dB, on three photographs | 3.62 dB on Set5, 2.50 on Set14, 1.64 on BSD100 |
# | SRGAN against bicubic | some of that, given back in part | 0.97 dB on Set5, 0.03 on Set14, -0.78 on BSD100 |
# | who prefers SRGAN | features, place by place: a little; as a cloud: clearly | people: 3.58 against 3.37 (Set5), 3.72 against 2.98 (Set14), 3.56 against 2.29 (BSD100) |
#
# The last two rows are the paper's message, in small: by decibels SRGAN gives back a large part of what SRResNet had gained, and by the measures of features and of frequencies it wins. Your own eyes may disagree. Why are our gains in decibels so much smaller? Thirty thousand times fewer pictures, some six hundred times fewer steps, a tenth of the weights, and different photographs: the three here are harder to improve than Set5's. If you name a folder with Set5 in the cell above, the row of the bicubic picture agrees with the paper's in PSNR to a hundredth of a decibel, which says that small pictures, luma and border are as theirs. SSIM does not agree so well: it depends on the program, and can only be compared within one.
#
# What surprised us when we made this notebook: how much depends on *where* in a block features are taken. We first took the outputs of the stages, which have no activation and few channels, for loss and judge, and SRGAN came out worse than SRResNet in nearly every setting; with the many maps after an activation it is better. We did not separate the two. Nor is it a law: ESRGAN (Wang and others 2018) took VGG's features before the activation, and found that better.
#
# **A mistake worth making.** Normalise the large pictures with ImageNet's mean and standard deviation, since the pretrained network wants it so, and let G end in a tanh. Both are usual, each by itself. What can G no longer draw?
#
# <details><summary>Answer</summary>
#
# White and black. With that normalisation pixels reach from about -2.1 to 2.6, and a tanh only from -1 to 1. A well-known implementation has exactly this. Normalise inside the feature network, as `pretrained.Features` does, and leave the pictures alone.
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
# **Next:** notebook 09 translates pictures for which no pairs exist at all.
