# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
# ---

# %% [markdown] tags=["header"]
# # 04 Inside a DCGAN
#
# A man with glasses, minus a man without glasses, plus a woman without glasses: the result is a woman with glasses (Radford, Metz and Chintala, 2016, Figure 7). All it takes is the latent vectors of a generator that was trained without labels. The second half of that paper asks what the two networks of a GAN have learned. Here you repeat its experiments and measure each result.
#
# **You build:** probes of a generator and a discriminator, and measurements that test what the probes show.
#
# After this notebook you can
# - **interpolate** in latent space along an arc, and **measure** what goes wrong on a straight line;
# - **do** arithmetic with latent vectors, and **test** an explanation of why single samples fail;
# - **find** a latent direction for an attribute, and **test** whether it changes that attribute;
# - **show** which pixels increase a filter's response, and **say** what such images don't prove;
# - **remove** an object from a generator by setting feature maps to 0, and **compare** with a fair baseline;
# - **use** a discriminator as a feature extractor where labels are few.
#
# | section | what | minutes |
# |---|---|---|
# | 1 | Three networks to open | 5 |
# | 2 | A walk, straight or along the arc (4.1) | 20 |
# | 3 | Measuring an attribute: the slant (4.2) | 15 |
# | 4 | Vector arithmetic (4.3, 4.4) | 20 |
# | 5 | A turn vector (4.5) | 15 |
# | 6 | What the discriminator's filters respond to (4.6) | 20 |
# | 7 | Making a generator forget (4.7) | 25 |
# | 8 | The discriminator as a feature extractor (4.8) | 20 |
#
# It builds on notebook 03: its generator, its discriminator, its judge (a classifier of digits), and its training recipe.

# %% tags=["setup"]
# written by gancourse build

# %%
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gancourse.classifiers.digit_judge import SmallClassifier, train_judge
from gancourse.datasets import digits, flowers
from gancourse.datasets.batches import Batches
from gancourse.exercises import check
from gancourse.figures import panels, plot_bars, plot_curves, show, show_images
from gancourse.metrics.samples import confident_share, frechet_distance, in_batches
from gancourse.papers import dcgan, dcgan_probes
from gancourse.papers.blocks import init_normal
from gancourse.papers.dcgan_probes import activation_layers, feature_maps, lerp, thickness
from gancourse.papers.gan import descend, gan_step, lazy_r1
from gancourse.shapes import to_float
from gancourse.training import networks
from gancourse.training.loop import train
from gancourse.training.player import Player
from gancourse.widgets import explore

# %% [markdown]
# ## 1 Three networks to open
#
# If you have run notebook 03 to its end, its G, D and judge are loaded from your runs folder. If not, they are trained now by the same recipe with fewer steps, which takes a few more minutes. (On Colab each notebook has a disk of its own: call `env.keep_on_drive()` after the first cell, here and in notebook 03, and the networks are found.) `train_gan` is that recipe: learning-rate decay, the R1 penalty at every eighth step, and an exponential moving average (EMA) of G's weights, which generates the samples.

# %%
NOISE = 24  # length of a latent vector z
device = env.device()


def train_gan(images: Tensor, steps: int, name: str) -> tuple[nn.Module, nn.Module]:
    """Train a DCGAN on images (B, C, 32, 32): the EMA of G, and D, both in eval mode."""
    rng, init = env.rng(0), env.rng(0, "cpu")
    channels, width = images.shape[1], env.budget(smoke=24, cpu=24, gpu=64)
    G = init_normal(dcgan.Generator(NOISE, channels, width, 32), init)
    D = init_normal(dcgan.Discriminator(channels, width, 32), init)
    G, D = Player(G, lr=2e-3, steps=steps, ema=0.999), Player(D, lr=2e-3, steps=steps)
    batches, sample_z = Batches(images, size=32, rng=rng), env.noise(NOISE, rng)
    r1 = lazy_r1(0.1, examples=8)

    def step() -> dict[str, Tensor]:
        options = {"penalty": r1 if D.done % 8 == 0 else None, "autocast": env.autocast}
        losses = gan_step(G.net, D.net, G.opt, D.opt, batches, sample_z, **options)
        G.advance()  # learning-rate decay, EMA
        D.advance()
        return losses

    keep, folder = {"G": G, "D": D, "rng": rng}, env.run_dir("04_inside_dcgan") / name
    for _ in train(step, steps, keep, folder, title=name):
        pass
    return G.average.eval(), D.net.eval()


# %% tags=["training", "nbval-ignore-output"]
train_set, test_set = digits.load(32, "train"), digits.load(32, "test")
files = [env.run_dir("03_dcgan") / f"{name}.safetensors" for name in ("G", "D", "judge")]
if all(file.exists() for file in files):
    G, D, judge = (networks.load(file, device) for file in files)
    print("loaded: the networks of notebook 03")
else:
    print("The networks of notebook 03 are not here: training by its recipe, with fewer steps.")
    G, D = train_gan(train_set.images, env.budget(smoke=8, cpu=2000, gpu=8000), "digits")
    rng = env.rng(0)
    batches = Batches(train_set.images, train_set.labels, size=100, rng=rng)
    judge = train_judge(batches, rng, env.budget(smoke=8, cpu=500, gpu=1500))

Z = env.noise(NOISE, env.rng(1))(env.budget(smoke=400, cpu=4000, gpu=4000))
samples = in_batches(G, Z)
probabilities = in_batches(judge, samples).softmax(1)  # (samples, 10)
env.report(generated_confident=confident_share(probabilities))

# %% tags=["nbval-ignore-output"]
ax = show_images(samples[:32], columns=16, title="samples")
show(ax, alt="Two rows of generated digits, white on black.")
assert samples.shape[1:] == (1, 32, 32) and samples.abs().max() <= 1

# %% [markdown]
# *Samples of the generator that we study.* From here on G, D and the judge are not trained further: we only measure.
#
# ## 2 A walk, straight or along the arc
#
# **What lies between two samples?** If G had memorized images, we would expect jumps on the way from one latent vector to another. The paper interpolates between images of bedrooms and shows a window that appears gradually (Section 6.1, Figure 4).
#
# But along which path? Each entry of z is drawn from N(0, 1). So $\lVert z\rVert^2$ is a sum of 24 squares, each 1 on average, and the length of z is mostly close to $\sqrt{24} \approx 4.9$: in many dimensions, samples of a normal distribution lie in a *shell* around 0. A straight line (linear interpolation) passes through the inside of the shell, where G has hardly been trained: few z are as short as the midpoint.
#
# ```
#                . - ~ ~ - .
#              '    the arc    '        on the arc, z stays as long as at the ends
#            a - - - - + - - - - b     halfway (+) the straight line is nearer to 0
#              \       |       /
#                \     |     /
#                  \   |   /
#                      0
# ```
#
# The arc stays in the shell, with equal steps of the angle. This is spherical linear interpolation, *slerp*. With $\Omega$ the angle between $a$ and $b$ (Shoemake, 1985):
#
# $$\mathrm{slerp}(a, b, t) = \frac{\sin((1-t)\,\Omega)}{\sin\Omega}\,a + \frac{\sin(t\,\Omega)}{\sin\Omega}\,b, \qquad \cos\Omega = \frac{a\cdot b}{\lVert a\rVert\,\lVert b\rVert}.$$
#
# **Exercise 4.1** · *Walking along the arc* · difficulty ●●○○○ · importance ●●●○○ · 10 minutes · 2 points
#
# - `a` and `b` have shape (B, noise): B walks at once, each with its own angle $\Omega$.
# - `t` is one number from 0 (the result is a) to 1 (b). Use the same formula when a and b differ in length.
#
# <details><summary>Hint 1</summary>
#
# First the angle of each row, as a column of shape (B, 1), so that it multiplies whole rows.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `F.cosine_similarity(a, b, dim=1)` is the cosine; `.arccos()` gives the angle, `[:, None]` or `unsqueeze(1)` the column.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `(((1 - t) * angle).sin() * a + ...) / angle.sin()`
#
# </details>


# %% tags=["exercise"]
def slerp(a: Tensor, b: Tensor, t: float) -> Tensor:
    """The point at share t of the arc from a to b, for each row."""
    # BEGIN SOLUTION
    angle = F.cosine_similarity(a, b, dim=1).arccos()[:, None]
    return (((1 - t) * angle).sin() * a + (t * angle).sin() * b) / angle.sin()
    # END SOLUTION


# %%
slerp = check("4.1", slerp)

# %% tags=["nbval-ignore-output"]
fig, axes = panels(1, rows=2, width=9, height=1.2)
a, b = Z[[0, 2]], Z[[1, 3]]
for ax, (name, path) in zip(axes, {"straight": lerp, "along the arc": slerp}.items()):
    walks = torch.stack([path(a, b, t / 11) for t in range(12)], dim=1)  # (2, 12, noise)
    images = in_batches(G, walks.flatten(0, 1))
    show_images(images, columns=24, title=f"two walks, {name}", ax=ax)
show(fig, alt="Two rows with two walks each: digits that change step by step into others.")
assert walks.shape == (2, 12, NOISE)

# %% [markdown]
# *Two walks of twelve steps, side by side; straight above, along the arc below.* Look for sudden changes, and compare the rows. In the run recorded here all walks are smooth, and the rows look alike. So we measure many walks, at their midpoints.

# %% tags=["nbval-ignore-output"]
a, b = Z.chunk(2)
real_features = in_batches(judge.features, train_set.images)


def measure(z: Tensor) -> dict[str, float]:
    """The length of latent vectors, and measurements of the images that G draws from them."""
    x = in_batches(G, z)
    return {
        "length of z": z.norm(dim=1).mean().item(),
        "its spread": z.norm(dim=1).std().item(),
        "confident share": confident_share(in_batches(judge, x).softmax(1)),
        "Fréchet distance": frechet_distance(in_batches(judge.features, x), real_features),
        "stroke (pixels)": thickness(x).mean().item(),
    }


rows = {"at the start": a, "at the end": b}
rows |= {"halfway, straight": lerp(a, b, 0.5), "halfway, arc": slerp(a, b, 0.5)}
rows = {name: measure(z) for name, z in rows.items()}
print(f"{'':18}" + "".join(f"{name:>18}" for name in rows["at the start"]))
for name, row in rows.items():
    print(f"{name:18}" + "".join(f"{value:18.2f}" for value in row.values()))
length, _, straight, arc = (row["length of z"] for row in rows.values())
*_, fid_straight, fid_arc = (row["Fréchet distance"] for row in rows.values())
env.report(walk_straight_norm_drop=1 - straight / length, walk_arc_norm_drop=1 - arc / length)
env.report(walk_straight_fid=fid_straight, walk_arc_fid=fid_arc)
assert 0.65 < straight / length < 0.75
env.expect(
    "halfway, the arc has the smaller Fréchet distance", fid_arc < fid_straight,
    f"arc {fid_arc:.1f}, straight line {fid_straight:.1f}; usually about 3 and 14.",
)

# %% [markdown]
# Halfway on the straight line, z is shorter by the share that theory predicts, $1 - 1/\sqrt2 \approx 0.29$. What does that do to the images? The first two rows show how much the other columns vary by chance: start and end are both ordinary latent vectors. The arc's midpoint should have a Fréchet distance near theirs, the straight line's midpoint a far larger one. In the run recorded here the strokes at the straight line's midpoint are also bolder (`stroke` is twice the ink's area divided by the length of its edges), but the share of confident samples hardly changes: single images look fine, but their *distribution* is wrong.
#
# **A metric of single images can miss a change that a metric of the distribution detects.** Notebook 10 comes back to this.
#
# ## 3 Measuring an attribute: the slant
#
# **Which attributes has G learned without labels?** To test a claim about an attribute, we must measure the attribute on images. We take the slant of a digit. Let $m_i$ be the ink of pixel i, from 0 (black) to 1, at column $x_i$ and row $y_i$, and let $\bar x$ and $\bar y$ be means weighted by ink. Then
#
# $$\text{slant} = -\frac{\sum_i m_i (x_i-\bar x)(y_i-\bar y)}{\sum_i m_i (y_i-\bar y)^2}.$$
#
# It is the slope of the line that predicts x from y: how many columns the stroke goes to the right for each row upwards. The minus sign is there because rows are counted downwards.
#
# **Exercise 4.2** · *How far does it lean?* · difficulty ●●○○○ · importance ●●○○○ · 10 minutes · 2 points
#
# - `images` has shape (B, 1, H, W) and values in [-1, 1]; return shape (B,).
# - Each image has its own centre of ink.
#
# <details><summary>Hint 1</summary>
#
# Ink first: black is -1, so `ink = (images[:, 0] + 1) / 2`. Then the two means, then the two sums.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `x = torch.arange(W)` is a row; `y = torch.arange(H)[:, None]` is a column. `(ink * x).sum((1, 2))` sums over each image. Use `keepdim=True` in sums that you then combine with whole images.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `mean_x = (ink * x).sum((1, 2), keepdim=True) / ink.sum((1, 2), keepdim=True)`, then `dx = x - mean_x`; the same for y; the answer is made of `(ink * dx * dy).sum((1, 2))` and `(ink * dy * dy).sum((1, 2))`.
#
# </details>


# %% tags=["exercise"]
def slant(images: Tensor) -> Tensor:
    """Columns to the right for each row upwards, (B, 1, H, W) to (B,); 0 is upright."""
    # BEGIN SOLUTION
    ink = (images[:, 0] + 1) / 2
    x = torch.arange(ink.shape[2], device=ink.device)
    y = torch.arange(ink.shape[1], device=ink.device)[:, None]
    total = ink.sum((1, 2), keepdim=True)
    dx = x - (ink * x).sum((1, 2), keepdim=True) / total
    dy = y - (ink * y).sum((1, 2), keepdim=True) / total
    return -(ink * dx * dy).sum((1, 2)) / (ink * dy * dy).sum((1, 2))
    # END SOLUTION


# %%
slant = check("4.2", slant)

# %% [markdown]
# First a test of the measurement. Here are real digits in the order of their slant:

# %%
real = to_float(train_set.images[::8])
slants = slant(real)
chosen = torch.linspace(0, len(real) - 1, 16, device=device).long()
ax = show_images(real[slants.argsort()[chosen]], columns=16, title="real digits, by slant")
show(ax, alt="Sixteen real digits: the first lean to the left, the last far to the right.")
print(f"slant: {slants.min():.1f} to {slants.max():.1f}, mean {slants.mean():.1f}")

# %% [markdown]
# *Sixteen real digits, evenly spaced in the order of slant.* Is it the order that you would choose? The mean is above 0: on average, these digits lean to the right.
#
# ## 4 Vector arithmetic
#
# **Does a difference of latent vectors mean something?** The paper's examples are faces; ours is *leaning 7 - upright 7 + upright 1*. If the difference of the two 7s is "leaning", the result should be a leaning 1.
#
# We need samples of each kind. The judge finds 7s and 1s, and `slant` sorts them. ("Upright" is short for the quarter that leans to the right the least; some of them lean a little to the left.)

# %%
sample_slants = slant(samples)


def kind(digit: int, leaning: bool) -> Tensor:
    """Of the samples most likely to be a digit: indices of the quarter that leans most or least."""
    likely = probabilities[:, digit].topk(len(Z) // 20).indices
    by_slant = likely[sample_slants[likely].argsort(descending=leaning)]
    return by_slant[: len(likely) // 4]


leaning_7, upright_7 = kind(7, leaning=True), kind(7, leaning=False)
leaning_1, upright_1 = kind(1, leaning=True), kind(1, leaning=False)

# %% [markdown]
# **Exercise 4.3** · *Vector arithmetic* · difficulty ●○○○○ · importance ●●●●○ · 5 minutes · 1 point
#
# The mean of `plus`, minus the mean of `minus`, plus the mean of `base`.
#
# - Each has shape (n, noise): n samples of one kind. Return one latent vector, shape (noise,).
#
# <details><summary>Hint 1</summary>
#
# Over which dimension are the samples counted?
#
# </details>
# <details><summary>Hint 2</summary>
#
# `plus.mean(dim=0)` has shape (noise,).
#
# </details>
# <details><summary>Hint 3</summary>
#
# Three such means, one minus sign, one plus sign.
#
# </details>


# %% tags=["exercise"]
def analogy(plus: Tensor, minus: Tensor, base: Tensor) -> Tensor:
    """mean(plus) - mean(minus) + mean(base), over samples: three times (n, noise) to (noise,)."""
    # BEGIN SOLUTION
    return plus.mean(dim=0) - minus.mean(dim=0) + base.mean(dim=0)
    # END SOLUTION


# %%
analogy = check("4.3", analogy)

# %% [markdown]
# The paper reports that the results were unstable with **single** samples, and that means of three worked (Section 6.3.2). Why? One possible reason is the length of the result, which mattered in Section 2. Work out this length before you measure.
#
# **Exercise 4.4** · *The length of an average* · difficulty ●●●○○ · importance ●●●○○ · 5 minutes · 1 point
#
# Let every entry of every z be independent with variance 1 (ignore for now that samples of one kind are similar). For which n does mean(plus) - mean(minus) + mean(base), each over n samples, have entries of variance 1 again, and so the length of an ordinary z?
#
# <details><summary>Hint 1</summary>
#
# What is the variance of the mean of n independent numbers of variance 1?
#
# </details>
# <details><summary>Hint 2</summary>
#
# Variances of independent numbers add, for a difference too.
#
# </details>
# <details><summary>Hint 3</summary>
#
# 1/n + 1/n + 1/n = 1.
#
# </details>

# %% tags=["exercise"]
right_n = ...  # a number
# BEGIN SOLUTION
right_n = 3
# END SOLUTION

# %%
right_n = check("4.4", right_n)

# %% [markdown]
# So the paper's 3 is exactly the number for which the result is as long as an ordinary z (the paper draws z from a uniform distribution, but variances add there, too). Is *that* why it works? To find out, rescale the results to the usual length, $\sqrt{24}$. If the length were the reason, single samples would then succeed as often as means. We draw the samples many times, and count a success when the judge classifies the image as a 1 **and** its slant is nearer to that of leaning 1s than to that of upright 1s. The control is the mean of upright 1s alone.

# %% tags=["nbval-ignore-output"]
TRIALS = env.budget(smoke=20, cpu=300, gpu=1000)
middle = (sample_slants[leaning_1].median() + sample_slants[upright_1].median()) / 2
rng = env.rng(2)


def draw_from(indices: Tensor, n: int) -> Tensor:
    """n latent vectors of a kind, drawn at random."""
    return Z[indices[torch.randint(len(indices), (n,), generator=rng, device=device)]]


def success(z: Tensor) -> float:
    """Share of latent vectors whose image is a 1 that leans."""
    x = in_batches(G, z)
    good = (in_batches(judge, x).argmax(1) == 1) & (slant(x) > middle)
    return good.float().mean().item()


kinds = leaning_7, upright_7, upright_1
results, rates, lengths = {}, {}, []
print("      success  rescaled  mean length")
for n in (1, 3, 10):
    trials = [analogy(*(draw_from(i, n) for i in kinds)) for _ in range(TRIALS)]
    results[f"n = {n}"] = z = torch.stack(trials)
    rates[n] = success(z), success(NOISE**0.5 * F.normalize(z))
    lengths.append(z.norm(dim=1).mean().item())
    print(f"n = {n:2}{rates[n][0]:8.2f}{rates[n][1]:10.2f}{lengths[-1]:13.1f}")
control = success(torch.stack([draw_from(upright_1, 3).mean(0) for _ in range(TRIALS)]))
print(f"control, only upright 1s, n = 3: {control:.2f}")
single, three, ten = (rate for rate, _ in rates.values())
env.report(arithmetic_single=single, arithmetic_mean_of_3=three, arithmetic_mean_of_10=ten)
env.expect(
    "means of ten succeed more often than single samples, rescaled or not",
    ten > max(rates[1]) + 0.1,
    f"{ten:.2f} against {max(rates[1]):.2f}; usually twice as often or more.",
)

# %% tags=["nbval-ignore-output"]
latents = {name: Z[i[:12]] for name, i in zip(("leaning 7", "upright 7", "upright 1"), kinds)}
latents |= {name: z[:12] for name, z in results.items()}
fig, axes = panels(1, rows=6, width=7, height=0.95)
for ax, (name, z) in zip(axes, latents.items(), strict=True):
    show_images(in_batches(G, z), columns=12, ax=ax)
    ax.set_ylabel(name, rotation=0, ha="right", va="center")
show(fig, alt="Six rows of digits: leaning 7s, upright 7s, upright 1s; results for n = 1, 3, 10.")
assert lengths == sorted(lengths, reverse=True)

# %% [markdown]
# *Three kinds of samples, and twelve results each for n = 1, 3 and 10.* Compare the shares in the table. Usually, the more vectors in each mean, the larger the share of successes; how large it is for a given n differs from run to run. Means of three worked for the paper's faces; for our digits three may be too few. The second column tests the length: after rescaling, do single samples succeed as often as means of ten? In the run recorded here rescaling changes hardly anything: **the length is not the reason**. Means of **ten** do best, although their results are far too short. (With independent entries the length for n = 10 would be $\sqrt{24 \cdot 3/10} \approx 2.7$. The measured length is larger, since samples of one kind have something in common that does not average out.) A possible reason, untested here: averaging removes what *else* two single 7s differ in, such as width or thickness.
#
# ## 5 A turn vector
#
# **Is there one direction for an attribute, for all samples?** The paper takes four faces that look left and four that look right; the difference of the two mean z turns other faces (Section 6.3.2, Figure 8). Our turn vector makes digits lean.
#
# **Exercise 4.5** · *A turn vector* · difficulty ●●○○○ · importance ●●●○○ · 8 minutes · 2 points
#
# - `z` (B, noise), `values` (B,): the attribute of each sample's image.
# - Return the mean z of the n samples with the **largest** values, minus the mean z of the n with the smallest: shape (noise,).
#
# <details><summary>Hint 1</summary>
#
# `values.argsort()` gives the indices from the smallest value to the largest.
#
# </details>
# <details><summary>Hint 2</summary>
#
# With `order` for these indices, `order[-n:]` are the last n, `order[:n]` the first n. They select rows of z.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `z[order[-n:]].mean(dim=0)` is one of the two means.
#
# </details>


# %% tags=["exercise"]
def turn_vector(z: Tensor, values: Tensor, n: int) -> Tensor:
    """From the n smallest values to the n largest: difference of mean latent vectors, (noise,)."""
    # BEGIN SOLUTION
    order = values.argsort()
    return z[order[-n:]].mean(dim=0) - z[order[:n]].mean(dim=0)
    # END SOLUTION


# %%
turn_vector = check("4.5", turn_vector)

# %% [markdown]
# The test uses samples that had no part in finding the direction. Each is moved along it in nine steps, over a length of 3 in all (z itself is about 4.9 long). On the images we measure the slant, its correlation with the position on the path, and how often the judge classifies both ends as the digit in the middle. We compare three directions: from four samples at each end, as in the paper; from a hundred; and the mean of ten turn vectors, each from samples of one digit, since some digits lean more than others. A random direction is the baseline.

# %% tags=["nbval-ignore-output"]
fresh = env.noise(NOISE, env.rng(3))(env.budget(smoke=50, cpu=200, gpu=200))
positions = torch.linspace(-0.5, 0.5, 9, device=device)
groups = [(probabilities.argmax(1) == digit).nonzero()[:, 0] for digit in range(10)]
within = [turn_vector(Z[i], sample_slants[i], max(1, len(i) // 10)) for i in groups if len(i) > 1]
many = len(Z) // 40
directions = {
    "n = 4": turn_vector(Z, sample_slants, 4),
    f"n = {many}": turn_vector(Z, sample_slants, many),
    "within digits": torch.stack(within).mean(0),
    "at random": env.noise(NOISE, env.rng(11))(1)[0],
}
rows = []
for name, direction in directions.items():
    moves = 3 * positions[:, None] * F.normalize(direction, dim=0)  # (9, noise)
    x = in_batches(G, (fresh[:, None] + moves).flatten(0, 1))
    values, digit = slant(x).view(-1, 9), in_batches(judge, x).argmax(1).view(-1, 9)
    r = dcgan_probes.correlation(values, positions.expand_as(values)).mean().item()
    same = (digit[:, [0, 8]] == digit[:, [4]]).all(1).float().mean().item()
    rows.append((r, same))
    change = (values[:, 8] - values[:, 0]).mean()
    print(f"{name:14} correlation {r:5.2f}, slant changes by {change:5.2f}, same digit {same:.2f}")
(r_4, same_4), (r_many, same_many), (_, same_within), _ = rows
env.report(turn_correlation=r_many, turn_same_digit=same_many)
env.report(turn_correlation_4=r_4, turn_same_digit_4=same_4, turn_same_digit_within=same_within)
env.expect(
    "the slant follows the turn vector", r_many >= 0.8,
    f"the correlation is {r_many:.2f}; usually more than 0.95.",
)

# %% [markdown]
# Compare each row with the last, the random direction. Along a turn vector the slant should follow the position on the path, and change far more than along the random direction. In the run recorded here four samples at each end are enough for that, and with a hundred the slant changes a little more. But the last column shows that in many walks the digit changes, too. Do these directions cause it? A walk of length 3 is long for a z of length 4.9: in the run recorded here the digit changes about as often along the random direction, and hardly less often along the direction found within digits.
#
# Try it: two directions, one slider each.

# %% tags=["nbval-ignore-output"]
lean_direction = directions[f"n = {many}"]
bold_direction = turn_vector(Z, thickness(samples), many)


def steer(sample: int, lean: float, bold: float) -> None:
    """Move eight samples along both directions."""
    z = fresh[sample : sample + 8]
    x = in_batches(G, torch.cat([z, z + lean * lean_direction + bold * bold_direction]))
    title = f"above: samples; below: lean {lean:+.1f}, bold {bold:+.1f}"
    show(show_images(x, columns=8, title=title), alt=f"Two rows of eight digits; {title}.")


explore(
    steer, stills=[{"lean": -0.5}, {"lean": 0.5}, {"bold": 0.5}],
    sample=(0, len(fresh) - 8, 1, 0), lean=(-1.0, 1.0, 0.1, 0.0), bold=(-1.0, 1.0, 0.1, 0.0),
)
assert lean_direction.shape == bold_direction.shape == (NOISE,)

# %% [markdown]
# *Eight samples, moved to the left, to the right, and towards bold.* In which samples does only the attribute change, and in which the digit, too?
#
# ## 6 What the discriminator's filters respond to
#
# **Which pixels does a filter of D respond to?** A convolution layer's *filter* is one set of weights; the grid of its responses is its *feature map*, one channel of the layer's output. A gradient answers the question: which pixels, if brighter, would increase a filter's response? The ordinary gradient looks like noise, as you saw in notebook 01. The paper uses *guided backpropagation* (Springenberg et al., 2015): on the way back through every ReLU, a gradient passes only if it is positive **and** the activation there was positive.
#
# ```
# forward     activation           2   -1    3    1
# backward    gradient arrives     5    4   -2    1
#             gradient passed on   5    .    .    1     (. is 0)
# ```
#
# **Exercise 4.6** · *Guided backpropagation* · difficulty ●●●○○ · importance ●●●○○ · 12 minutes · 3 points
#
# You write only this rule. `guide` is called by every activation layer in the forward pass, with the layer's output. A tensor's `register_hook(f)` makes the backward pass call `f(gradient)`; what f returns is passed on in place of the gradient.
#
# - `output` has both signs, because D's layers are LeakyReLUs. Treat them as if they were ReLUs: nothing passes where the output is not positive.
# - Change nothing but the gradients.
#
# <details><summary>Hint 1</summary>
#
# Write `output.register_hook(lambda gradient: ...)`. The rule has two conditions, joined by "and".
#
# </details>
# <details><summary>Hint 2</summary>
#
# `gradient.clamp(min=0)` keeps what is positive. `(output > 0)` is a mask that multiplies.
#
# </details>
# <details><summary>Hint 3</summary>
#
# The product of both, inside the lambda.
#
# </details>


# %% tags=["exercise"]
def guided_gradient(net: nn.Module, x: Tensor, layer: int, channel: int) -> Tensor:
    """Pixels that increase a filter's largest response in each image; like x (B, C, H, W)."""

    def guide(_layer: nn.Module, _inputs: tuple, output: Tensor) -> None:
        # BEGIN SOLUTION
        output.register_hook(lambda gradient: gradient.clamp(min=0) * (output > 0))
        # END SOLUTION

    x = x.detach().requires_grad_()
    hooks = [a.register_forward_hook(guide) for a in activation_layers(net)]
    try:
        response = feature_maps(net, x)[layer][:, channel].amax((1, 2))
        return torch.autograd.grad(response.sum(), x)[0]
    finally:
        for hook in hooks:
            hook.remove()


# %%
guided_gradient = check("4.6", guided_gradient)

# %% [markdown]
# The fair comparison is a D that was never trained: its weights are random, but its batch norm has seen digits, so its layers have sensible scales. We use three.

# %%
def random_discriminator(seed: int) -> nn.Module:
    """A D with random weights, whose batch norm has seen digits."""
    net = dcgan.Discriminator(1, D.config["width"], 32).to(device)
    for layer in init_normal(net, env.rng(seed, "cpu")).modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 1.0  # running statistics become those of the next batch
    with torch.no_grad():
        net(to_float(train_set.images[::8]))
    return net.eval()


untrained = {f"random D {n}": random_discriminator(3 + n) for n in (1, 2, 3)}

# %% tags=["nbval-ignore-output"]
test_images, test_labels = to_float(test_set.images), test_set.labels


def same_digit(labels: Tensor) -> float:
    """Share of the labels (9, n) that are the most frequent one of their column."""
    return (labels == labels.mode(dim=0).values).float().mean().item()


nine, gradients, purity, on_ink = {}, {}, {}, {}
for name, net in {"trained D": D, **untrained}.items():
    with torch.no_grad():
        response = feature_maps(net, test_images)[-1].amax((2, 3))  # (images, filters)
    best = response.topk(9, dim=0).indices  # for each filter, the nine images of largest response
    purity[name] = same_digit(test_labels[best])
    nine[name] = test_images[best[:, :24].T]  # (24 filters, 9, 1, 32, 32)
    guided = [guided_gradient(net, x, -1, f) for f, x in enumerate(nine[name])]
    gradients[name] = torch.stack(guided)
    size, ink = gradients[name].abs(), nine[name] > 0
    on_ink[name] = ((size * ink).sum() / size.sum()).item()
    chance = ink[size > 0].float().mean()  # a filter sees only a patch, and ink is in the middle
    print(f"{name:10} same digit in {purity[name]:.2f} of a filter's nine images; "
          f"{on_ink[name]:.2f} of the gradients lie on ink, {chance:.2f} by chance")
drawn = torch.randint(len(test_labels), (9, 1000), generator=env.rng(10, "cpu"))
print(f"by chance the same digit in {same_digit(test_labels[drawn.to(device)]):.2f}")
env.report(filter_purity_trained=purity["trained D"], filter_purity_random=purity["random D 1"])
env.report(guided_on_ink_trained=on_ink["trained D"], guided_on_ink_random=on_ink["random D 1"])
trained, *others = on_ink.values()
env.expect(
    "the trained D's gradients lie on ink more than a random D's", trained > sum(others) / 3,
    f"{trained:.2f} against {sum(others) / 3:.2f}; usually it is larger by more than 0.1.",
)

# %% tags=["nbval-ignore-output"]
fig, axes = panels(2, rows=2, width=4.4, height=2.6)
for name, (left, right) in zip(("trained D", "random D 1"), axes.reshape(2, 2)):
    active = gradients[name][:, :3].flatten(1).any(1)  # some filters of a D have no gradient
    chosen = active.float().argsort(descending=True, stable=True)[:4]
    x, g = (images[name][chosen, :3].flatten(0, 1) for images in (nine, gradients))
    g = g.abs() / g.abs().amax((1, 2, 3), keepdim=True).clamp(min=1e-12)
    show_images(x, columns=6, title=f"{name}: images", ax=left)
    show_images(2 * g - 1, columns=6, title="guided gradients", ax=right)
show(fig, alt="Digits and their guided gradients. Above: the trained D. Below: a random D.")
assert g.shape == x.shape == (12, 1, 32, 32)

# %% [markdown]
# *Four filters of the last layer, three images each (two filters per row), and the guided gradients. Above: trained; below: random.* The figure shows only the size of the gradients, not their sign. The paper's Figure 5 shows the same for bedrooms: trained filters respond to beds and windows, random ones to nothing in particular. Be careful with such images and numbers. A filter sees only a patch of the image, and digits are in the middle, so part of the gradients lies on ink by chance: that share is printed at the end of each row. One random D may be well above it and another not, so never compare with only one. (Adebayo et al. 2018 use this as a test: does the image change when the weights are random?) In the run recorded here the share of the trained D's gradients on ink is more than twice that by chance, and larger than for every random D. The first number of each row is weaker evidence: in the run recorded here a random D's filters prefer one digit nearly as much as the trained D's.
#
# ## 7 Making a generator forget
#
# **Are objects stored in separate feature maps?** In Section 6.3.1 of the paper a generator of bedrooms is made to omit windows: a logistic regression finds the maps that are active where a window is, and these are set to 0. Some windows vanish, others become doors or mirrors; the room stays. The paper's Figure 6 shows this without a measurement. To measure it, we need an object that is present in some images and can be counted: bees on flowers, drawn by the course.

# %%
flower_set = flowers.load(env.budget(smoke=300, cpu=5000, gpu=20000), 32, env.rng(5, "cpu"))
ax = show_images(to_float(flower_set.images[:32]), columns=16, title="drawn flowers")
show(ax, alt="Two rows of flowers in five colours on green or blue; half have a striped bee.")

# %% tags=["training", "nbval-ignore-output"]
def fit(net: nn.Module, images: Tensor, labels: Tensor, steps: int, seed: int = 0) -> None:
    """Train a classifier: cross-entropy, Adam with learning-rate decay."""
    player = Player(net, lr=2e-3, steps=steps, hold=0.3, betas=(0.9, 0.999))
    batches = Batches(images, labels, size=min(100, len(images)), rng=env.rng(seed))
    for _ in range(steps):
        x, y = next(batches)
        descend(player.opt, F.cross_entropy(net(x), y))
        player.advance()


def predict(x: Tensor) -> tuple[Tensor, Tensor]:
    """The flower classifier's answers: whether there is a bee, and the petals' colour."""
    p = in_batches(classifier, x).softmax(1).unflatten(1, (5, 2))  # (B, colours, bee)
    return p.sum(1).argmax(1) == 1, p.sum(2).argmax(1)


images, looks = flower_set.images.to(device), flower_set.looks
labels = (2 * looks.colour + looks.bee).to(device)  # 5 petal colours, with and without a bee
flower_G, _ = train_gan(images, env.budget(smoke=8, cpu=3000, gpu=10000), "flowers")
classifier = SmallClassifier(channels=3, rng=env.rng(0, "cpu"))
fit(classifier, images, labels, env.budget(smoke=8, cpu=250, gpu=1000))

unseen = flowers.load(env.budget(smoke=100, cpu=1000, gpu=1000), 32, env.rng(6, "cpu"))
bee, colour = predict(unseen.images.to(device))
bee_right = (bee.cpu() == unseen.looks.bee).float().mean()
colour_right = (colour.cpu() == unseen.looks.colour).float().mean()
env.report(bee_detector_accuracy=bee_right, colour_detector_accuracy=colour_right)
env.expect(
    "the flower classifier is right about unseen flowers", min(bee_right, colour_right) >= 0.97,
    f"bee {bee_right:.1%}, colour {colour_right:.1%}; usually more than 99 %.",
)

# %% [markdown]
# Two networks were trained: a generator of flowers, by notebook 03's recipe, and a *flower classifier*, which is trained on drawn flowers only and predicts the petal colour and whether there is a bee. If its accuracy on new drawn flowers is close to 1, we can use it to count bees.
#
# **Exercise 4.7** · *Forgetting feature maps* · difficulty ●●●○○ · importance ●●●●○ · 12 minutes · 3 points
#
# - `layer` is one of G's layers; its output has shape (B, maps, H, W). Return the images that G draws from `z` when the maps listed in `maps` are 0 at every position. The list may be empty.
# - Afterwards G must draw the same images as before. Don't change its weights.
# - A forward hook, as in 4.6, is called as `hook(layer, inputs, output)`; if it returns a tensor, that becomes the layer's output.
#
# <details><summary>Hint 1</summary>
#
# Which tensor should the hook return, and when must the hook be removed?
#
# </details>
# <details><summary>Hint 2</summary>
#
# In the hook: `output = output.clone()`, then set `output[:, maps]`, then return it. Keep what `register_forward_hook` returns.
#
# </details>
# <details><summary>Hint 3</summary>
#
# Call `hook.remove()` after drawing; in a `finally` block, it is called even if something fails.
#
# </details>


# %% tags=["exercise"]
def draw_without(G: nn.Module, layer: nn.Module, maps: list[int], z: Tensor) -> Tensor:
    """Images that G draws from z with some feature maps of a layer set to 0."""
    # BEGIN SOLUTION
    def drop(_layer: nn.Module, _inputs: tuple, output: Tensor) -> Tensor:
        output = output.clone()
        output[:, maps] = 0
        return output

    hook = layer.register_forward_hook(drop)
    try:
        with torch.no_grad():
            return G(z)
    finally:
        hook.remove()
    # END SOLUTION


# %%
draw_without = check("4.7", draw_without)

# %% [markdown]
# Which maps? The authors drew boxes around windows by hand. Our bee has a mark that nothing else in these images has: black stripes. A position of a map is "on the bee" if at least 4 of the 4 x 4 pixels that it covers are black. The layer is G's second hidden layer of three, with maps of 8 x 8. (Counted from the output it is also the second, as in the paper, which drops about 200 maps.) A logistic regression (a sigmoid of a weighted sum) then gives each map a weight: how strongly it indicates a bee at this position.
#
# There are two ways to fit it. The paper fits **one** regression on all maps together. If several maps carry the same information, such a fit needs only one of them, and the others get weights near 0 though the bee is in them too. So we also fit a regression for **each map alone**.

# %% tags=["nbval-ignore-output"]
second = activation_layers(flower_G)[1]
Z_flowers = env.noise(NOISE, env.rng(7))(env.budget(smoke=200, cpu=1000, gpu=1000))
before = in_batches(flower_G, Z_flowers)
bee_before, colour_before = predict(before)
with torch.no_grad():
    maps = feature_maps(flower_G, Z_flowers)[1]  # (B, maps, 8, 8)
dark = (before.amax(1, keepdim=True) < -0.4).float()  # all three colours are dark
on_bee = F.avg_pool2d(dark, 4)[:, 0] > 0.2  # (B, 8, 8)
if not on_bee.any():
    on_bee[:10, 3, 3] = True  # after a few steps G draws no bees; then take any position
ranked = {}
for name, alone in {"each alone": True, "together": False}.items():
    weights = dcgan_probes.map_weights(maps, on_bee, env.rng(8, "cpu"), alone=alone)
    ranked[name] = weights.argsort(descending=True)
    print(f"{name}: {int((weights > 0).sum())} of {len(weights)} maps have a weight above 0; "
          f"the largest weights: maps {ranked[name][:6].tolist()}")
assert len(weights) == maps.shape[1]

# %% [markdown]
# The paper drops every map with a weight above 0. We ask a finer question: what happens as we drop more and more maps in order of weight, and what if we drop as many at random? This baseline is needed because dropping *any* map can change an image. We count images with a bee, and images whose petals have the same colour as before.

# %% tags=["nbval-ignore-output"]
def after_dropping(chosen: Tensor) -> Tensor:
    """Without some maps: the share of images with a bee, and with the same petal colour."""
    bee, colour = predict(draw_without(flower_G, second, chosen.tolist(), Z_flowers))
    return torch.stack([bee.float().mean(), (colour == colour_before).float().mean()])


def random_maps(k: int) -> Tensor:
    """k different maps, drawn at random."""
    return torch.randperm(len(weights), generator=rng)[:k]


shares = (0, 0.04, 0.08, 0.125, 0.17, 0.21, 0.25, 0.33, 0.5)
dropped = [round(share * len(weights)) for share in shares]
rng, repeats = env.rng(9, "cpu"), range(env.budget(smoke=1, cpu=8, gpu=20))
curves = {name: [after_dropping(order[:k]) for k in dropped] for name, order in ranked.items()}
curves["at random"] = [
    torch.stack([after_dropping(random_maps(k)) for _ in repeats]).mean(0) for k in dropped
]
curves = {name: torch.stack(points).cpu() for name, points in curves.items()}  # (9, 2) each

fig, axes = panels(2, width=4)
for i, ylabel in enumerate(("share of images with a bee", "share with the same petal colour")):
    lines = {name: points[:, i].tolist() for name, points in curves.items()}
    ax = plot_curves(dropped, lines, xlabel="maps dropped", ylabel=ylabel, ax=axes[i])
    ax.set_ylim(0, 1.02)
show(fig, alt="Shares over the number of dropped maps, for two rankings and for random maps.")
assert torch.equal(curves["together"][0], curves["each alone"][0])

# %% tags=["nbval-ignore-output"]
K = len(weights) // 4  # a quarter of the maps
bees, colours = torch.stack(list(curves.values()))[:, dropped.index(K)].T  # by ranking
print(f"without {K} of {len(weights)} maps, ranked or drawn:")
for name, bee, colour in zip(curves, bees, colours, strict=True):
    print(f"{name:11} a bee in {bee:4.0%} of the images, the same petal colour in {colour:4.0%}")
env.report(object_share_before=bee_before.float().mean(), object_share_after=bees[0])
env.report(object_share_after_joint=bees[1], object_share_random_drop=bees[2])
env.report(colour_kept_after=colours[0], colour_kept_random_drop=colours[2])
env.expect(
    "dropping the maps of the bee removes more bees than dropping random ones",
    bees[0] < 0.7 * bees[2],
    f"a bee in {bees[0]:.0%} against {bees[2]:.0%}; usually at most 15 % against about 40 %.",
)

# %% tags=["nbval-ignore-output"]
with_bee = bee_before.float().argsort(descending=True, stable=True)[:12]
choices = {
    "before": [],
    f"{K}, each alone": ranked["each alone"][:K],
    f"{K}, together": ranked["together"][:K],
    f"{K} at random": random_maps(K),
    "together, all above 0": (weights > 0).nonzero()[:, 0],
}
fig, axes = panels(1, rows=5, width=8, height=0.95)
for ax, (name, chosen) in zip(axes, choices.items(), strict=True):
    x = draw_without(flower_G, second, [int(i) for i in chosen], Z_flowers[with_bee])
    show_images(x, columns=12, ax=ax)
    ax.set_ylabel(name, rotation=0, ha="right", va="center")
show(fig, alt="Twelve generated flowers, and the same without some maps, chosen in four ways.")
assert len(with_bee) == 12

# %% [markdown]
# *Twelve samples with a bee; the same latent vectors without a quarter of the maps, ranked in the two ways or drawn at random, and without all maps to which the joint regression gives a weight above 0.* Compare the printed shares with `object_share_before` and with the random maps. If the bee is stored in some of the maps, dropping these should remove more bees than dropping as many at random, and change the petal colour in fewer images. In the run recorded here that is so for both rankings, most clearly for the maps ranked each alone. Is one ranking better than the other? **One run of one generator** can't decide that: how many bees the joint ranking leaves differs widely between runs.
#
# Two limits. The flower classifier was not trained on incomplete bees: where only a pale trace of wings or stripes is left, it may predict "no bee". So look at the images, too. And the paper's own rule, all weights above 0, can drop most of the maps (their number is printed above): what is left of the flowers in the last row?
#
# ## 8 The discriminator as a feature extractor
#
# **Is D of any use when training is over?** It learned to tell real digits from fakes, without labels. Section 5 of the paper takes the activations of **all** its layers, max-pools each to a 4 x 4 grid, flattens and joins them, and trains a linear L2-SVM on top: a linear classifier whose loss is the squared distance by which an example lies on the wrong side of a margin. Its *cost* C weighs this loss against the size of the weights; *cross-validation* chooses C by holding back parts of the labelled digits in turn.
#
# **Exercise 4.8** · *Features from every layer* · difficulty ●●○○○ · importance ●●●●○ · 8 minutes · 2 points
#
# - `feature_maps(net, x)` returns a list with the output of each activation layer: (B, maps, H, W), with sides 16, 8 and 4.
# - Max-pool each to 4 x 4, flatten all but the batch, and join them: (B, features).
#
# <details><summary>Hint 1</summary>
#
# A list comprehension over the layers, then `torch.cat`.
#
# </details>
# <details><summary>Hint 2</summary>
#
# `F.adaptive_max_pool2d(f, 4)` gives 4 x 4 for any height and width.
#
# </details>
# <details><summary>Hint 3</summary>
#
# `.flatten(1)` keeps the batch; join with `dim=1`.
#
# </details>


# %% tags=["exercise"]
def pooled_features(net: nn.Module, x: Tensor) -> Tensor:
    """All feature maps of a discriminator, max-pooled to 4 x 4, flattened and joined."""
    # BEGIN SOLUTION
    pooled = [F.adaptive_max_pool2d(f, 4).flatten(1) for f in feature_maps(net, x)]
    return torch.cat(pooled, dim=1)
    # END SOLUTION


# %%
pooled_features = check("4.8", pooled_features)

# %% [markdown]
# Four classifiers are trained on the same labelled digits, 10 of each class and then 100, and tested on the same test digits. Five random draws of the labelled digits show the spread.
#
# - **D's features** and those of a **random D**, with a linear SVM whose cost is chosen by cross-validation on the labelled digits alone (with 100 labels per digit the cost is fixed, to save time);
# - **raw pixels**, with the same SVM;
# - a **CNN**: D's architecture with ten outputs, trained from scratch on the same labels.

# %% tags=["training", "nbval-ignore-output"]
@torch.no_grad()
def features_of(net: nn.Module, images: Tensor) -> Tensor:
    """Pooled features of many images."""
    return torch.cat([pooled_features(net, to_float(part)) for part in images.split(500)])


def some_of_each(n: int, seed: int) -> Tensor:
    """Indices of n training digits of each class, drawn at random."""
    rng, labels = env.rng(seed, "cpu"), train_set.labels.cpu()
    classes = [(labels == digit).nonzero()[:, 0] for digit in range(10)]
    return torch.cat([i[torch.randperm(len(i), generator=rng)[:n]] for i in classes])


SEEDS = range(env.budget(smoke=2, cpu=5, gpu=5))
COSTS = {10: (1e-4, 1e-3, 1e-2), 100: (1e-3,)}  # of the SVM, by the number of labels per digit
draws = {n: [some_of_each(n, seed) for seed in SEEDS] for n in COSTS}


def probe(train: Tensor, test: Tensor, n: int, costs: tuple[float, ...]) -> list[float]:
    """Accuracy of a linear SVM on features, from n labels per digit, for each draw."""
    y = train_set.labels
    return [dcgan_probes.linear_probe(train[i], y[i], test, test_labels, costs) for i in draws[n]]


def supervised(i: Tensor, seed: int) -> float:
    """Accuracy of D's architecture with ten outputs, trained on the digits i."""
    width, steps = D.config["width"], env.budget(smoke=4, cpu=120, gpu=500)
    *layers, _, _ = dcgan.Discriminator(1, width, 32).layers
    net = nn.Sequential(*layers, nn.Conv2d(4 * width, 10, 4), nn.Flatten(1))
    init_normal(net, env.rng(seed, "cpu"))
    fit(net, train_set.images[i], train_set.labels[i], steps, seed)
    return (in_batches(net, test_images).argmax(1) == test_labels).float().mean().item()


sets = train_set.images, test_set.images
features = {
    "D's features": [features_of(D, images) for images in sets],
    "random D": [features_of(untrained["random D 1"], images) for images in sets],
    "raw pixels": [to_float(images).flatten(1) for images in sets],
}
accuracy = {}
for n, costs in COSTS.items():
    for name, (train_features, test_features) in features.items():
        accuracy[f"{name}, {n} per digit"] = probe(train_features, test_features, n, costs)
    accuracy[f"supervised CNN, {n} per digit"] = list(map(supervised, draws[n], SEEDS))
assert all(len(values) == len(SEEDS) for values in accuracy.values())

# %% tags=["nbval-ignore-output"]
def compare(accuracy: dict[str, list[float]]) -> None:
    """Print and plot accuracies: the mean of the draws, and their standard deviation."""
    for name, values in accuracy.items():
        print(f"{name:30} {torch.tensor(values).mean():.3f} +- {torch.tensor(values).std():.3f}")
    ax = plot_bars(accuracy, xlabel="accuracy on the test digits")
    show(ax, alt="Bars of the accuracies printed above, with a dot for each draw of the labels.")


compare(accuracy)
means = [sum(values) / len(values) for values in accuracy.values()]
figures = ("svm_accuracy_d", "svm_accuracy_random", "svm_accuracy_pixels", "cnn_accuracy")
figures += tuple(f"{figure}_100" for figure in figures)
env.report(**dict(zip(figures, means, strict=True)))
env.expect(
    "with 10 labels per digit D's features are the best of four",
    means[0] > max(means[1:4]) + 0.03,
    f"{means[0]:.2f} against {max(means[1:4]):.2f}; usually about 0.86 and 0.74.",
)

# %% [markdown]
# *Accuracy with 10 and 100 labels of each digit; each dot is one draw of the labelled digits.* Compare the gaps with the spread of the dots. With few labels D's features should lead by far more than that. With 100 labels of each digit the lead should shrink. In the run recorded here the random D's features then beat pixels by far, although nothing in them was learned, and the CNN, whose features are trained on the labels, passes the random D and nearly reaches D's features. Which layers give D its advantage?

# %% tags=["nbval-ignore-output"]
sizes = [16 * n * D.config["width"] for n in (1, 2, 4)]  # features of each layer, 16 per map
by_layer = {}
for name in ("D's features", "random D"):
    parts = zip(*(f.split(sizes, dim=1) for f in features[name]), strict=True)
    for number, (train_features, test_features) in enumerate(parts, 1):
        by_layer[f"{name}, layer {number}"] = probe(train_features, test_features, 10, COSTS[100])
compare(by_layer)
last, last_random = (sum(by_layer[f"{name}, layer 3"]) for name in ("D's features", "random D"))
env.expect(
    "the last layer of the trained D gives better features than a random one", last > last_random,
    "the random D's last layer is better; usually it is worse by about 0.15.",
)

# %% [markdown]
# *One layer at a time, 10 labels of each digit.* Look at how accuracy changes with depth. In the run recorded here the trained D gains with every layer, and its last layer alone does about as well as all joined. The random D shows no such gain from depth, so the trained D's gain comes from what it learned.
#
# ## What we measured, and what the paper reports
#
# The paper's two tables (Section 5, Tables 1 and 2) and ours:
#
# | | paper, CIFAR-10 (all labels) | paper, SVHN (100 labels per class) | here, digits (10 labels per class) |
# |---|---|---|---|
# | D was trained on | ImageNet-1k, 32 x 32 | ImageNet-1k, 32 x 32 | these digits |
# | features | 28,672 | 28,672 | far fewer (16 per map) |
# | D's features + L2-SVM | 82.8 % right | 22.48 % **wrong** | `svm_accuracy_d`, above |
# | other features | 80.6 % and 82.0 % (K-means, one and three layers) | | raw pixels, random D |
# | the same CNN, supervised | | 28.87 % wrong (validation) | `cnn_accuracy`, above |
#
# Why the numbers differ: the paper chose its CNN from many trials and ours is not tuned, which may explain part of our gap; digits are easier than photographs; we have fewer labels and a far smaller D; and our D was trained on the *same* kind of images as it is tested on, the paper's D on a different data set, so the paper's claim is the stronger one. In the run recorded here the order agrees with the paper's: features learned without labels beat a CNN of the same shape where labels are few.
#
# The paper's other experiments: interpolations are smooth, arithmetic works better with means than with single samples, a turn vector turns, an object can be dropped. Measuring adds three results of the run recorded here; compare your own numbers. Halfway on a straight line the Fréchet distance is larger, though single images look fine. Single samples do *not* fail because of the result's length. And the gradients of a random D, too, can lie on ink more often than by chance, so an image of guided gradients alone proves nothing.
#
# **A mistake worth making.** In Section 7, drop the maps *before* batch norm instead of after the ReLU (hook the layer two places earlier). Do the bees vanish? What does batch norm make of a channel that is 0 everywhere? (It subtracts a running mean before it adds its shift.)
#
# <details><summary>An answer</summary>
#
# In eval mode 0 becomes $\beta - \gamma\mu/\sigma$, a constant that need not be 0: the map is not removed but set to one value everywhere, which may act on the later layers as a weak sign of a bee, or as none.
#
# </details>
#
# **References**
# - Radford, Metz, Chintala (2016), *Unsupervised representation learning with deep convolutional generative adversarial networks*, arXiv 1511.06434: features in Section 5, everything else in Section 6.
# - Springenberg, Dosovitskiy, Brox, Riedmiller (2015), *Striving for simplicity: the all convolutional net*, arXiv 1412.6806: guided backpropagation.
# - Adebayo et al. (2018), *Sanity checks for saliency maps*, arXiv 1810.03292.
# - Shoemake (1985), *Animating rotation with quaternion curves*: slerp. White (2016), *Sampling generative networks*, arXiv 1609.04468: arcs in the latent space of GANs.
