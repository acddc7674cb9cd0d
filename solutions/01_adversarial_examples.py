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
# # 01 Adversarial examples
#
# An **adversarial example** is an image that was changed slightly on purpose: a network misclassifies it, but a person does not notice the change (Szegedy et al., 2013). The best-known one is a panda. A good classifier labels it *panda*, with a probability of 57.7 %. Then every colour value is changed by 0.007 in the network's input units, about one grey level of 256, in a direction computed from the classifier's own gradient. Now the label is *gibbon*, with 99.3 % (Goodfellow, Shlens and Szegedy, 2014, Figure 1). Here you do the same with five photographs and a real ImageNet classifier, compare the attack with random noise of the same size, and find out why it works.
#
# A GAN uses the same idea: its generator follows the gradient of a classifier until its images are classified as real.
#
# After this notebook you can
#
# - **compute** the gradient of a loss with respect to an image, without side effects,
# - **write** the fast gradient sign method (FGSM), and an iterative attack with a target,
# - **compare** an attack with a baseline, and **plot** accuracy as a function of its size,
# - **explain** with the L1 and L2 norms why many dimensions make it possible.
#
# **You build:** FGSM and a targeted attack on a real ImageNet classifier; then a test for defences.
#
# | | Section | Minutes |
# |---|---|---|
# | 1 | A classifier that works | 5 |
# | 2 | How large is a change? (exercise 1.1) | 8 |
# | 3 | The baseline: random signs (1.2) | 12 |
# | 4 | The fast gradient sign method (1.3, 1.4) | 30 |
# | 5 | Why it works (1.5) | 15 |
# | 6 | Many small steps, with a target (1.7) | 25 |
# | 7 | A defence: adversarial training (1.8) | 20 |
# | 8 | From attack to game | 10 |
#
# It builds on basic PyTorch: tensors, autograd, `nn.Module`. How `check` and the hints work is explained in notebook 00.

# %% tags=["setup"]
# written by gancourse build

# %%
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancourse.classifiers import pretrained
from gancourse.datasets import digits, photos
from gancourse.datasets.batches import Batches
from gancourse.exercises import check
from gancourse.figures import panels, plot_curves, show, show_images, show_top
from gancourse.papers.adversarial import Attack, Model, adversarial_loss, l2_norm, pixels, project
from gancourse.papers.blocks import initial_weights
from gancourse.papers.gan import descend
from gancourse.shapes import to_float
from gancourse.widgets import explore

# %% [markdown]
# ## 1. A classifier that works
#
# Our classifier is EfficientNet-Lite0, trained on ImageNet's 1,000 classes. Its weights are frozen, and it is in evaluation mode. It takes images in [-1, 1], like every network in this course, and returns 1,000 logits; a softmax turns them into probabilities. The five photographs come with scikit-image and scikit-learn; `photos.square` crops each to 224 x 224. As the true class we take the ImageNet class that fits each photo best.

# %%
names = ["cat", "coffee", "rocket", "camera", "china"]
true_classes = ["tiger cat", "espresso", "missile", "tripod", "palace"]
device = env.device()
model = pretrained.classifier().to(device)
x = torch.cat([photos.square(photo) for photo in photos.load(names).values()]).to(device)
y = torch.tensor([model.names.index(label) for label in true_classes], device=device)
print("images", tuple(x.shape), "logits", tuple(model(x).shape), "classes", len(model.names))

# %%
def probabilities(images: Tensor) -> Tensor:
    """The classifier's probabilities: (B, 3, 224, 224) to (B, 1000)."""
    with torch.no_grad():
        return model(images).softmax(dim=1)


def top_class(p: Tensor) -> str:
    """The most probable class and its probability, as text."""
    return f"{model.names[int(p.argmax())]} {p.max():.2f}"


p_clean = probabilities(x)
fig, axes = panels(len(names), width=1.75, height=2.5)
for ax, name, image, p in zip(axes, names, x, p_clean, strict=True):
    show_images(image[None], columns=1, title=f"{name}:\n{top_class(p)}", ax=ax)
show(fig, alt="Five photos; the most probable class of each is the one that we count as true")
top = zip(*p_clean[names.index("cat")].topk(2), strict=True)
print("the cat:", *(f"{model.names[i]} {p:.2f};" for p, i in top))
correct = p_clean.argmax(dim=1) == y
env.report(clean_correct=correct.sum())
assert correct.all()

# %% [markdown]
# *Figure 1.1. The photos, with the most probable class of each.* Not every label is certain: for the cat, *tiger cat* is only slightly more probable than *Egyptian cat*. This matters when we add noise. To try an image of your own, put its path in the next cell; nothing below depends on it.

# %%
MY_PHOTO = ""  # for example "images/dog.jpg"
if MY_PHOTO:
    my_photo = photos.square(photos.read(MY_PHOTO)).to(device)
    ax = show_top(probabilities(my_photo)[0], model.names)
    show(ax, alt="The five most probable classes of my photo")

# %% [markdown]
# ## 2. How large is a change?
#
# An image here is a vector of $n = 3 \cdot 224 \cdot 224 = 150{,}528$ values. Two norms measure the size of a change $\eta$:
#
# $$\|\eta\|_\infty = \max_i |\eta_i| \qquad\text{and}\qquad \|\eta\|_2 = \sqrt{\textstyle\sum_i \eta_i^2}.$$
#
# The first is the largest change of any single value; the second is the Euclidean length. We state the first in **grey levels**, as images are stored with levels 0 to 255. The course's range [-1, 1] is 2 wide, so one level is 2/255. The function `pixels` converts levels to these units.
#
# **Exercise 1.1** · *The length of the noise* · difficulty ●○○○○ · importance ●●●○○ · 5 minutes · 1 point
#
# Each of the $n = 3 \cdot 224 \cdot 224$ values of an image is changed by exactly two grey levels, up or down. What is the L2 norm of this change, in units of [-1, 1]?
#
# - Two decimals are enough.
# - You may calculate with torch, or on paper.
#
# <details><summary>Hint 1</summary>The signs don't matter: each change is squared.</details>
# <details><summary>Hint 2</summary>All n squares are equal, so the sum is n times one square.</details>
# <details><summary>Hint 3</summary>The root of n · pixels(2)² is pixels(2) times the root of n.</details>

# %% tags=["exercise"]
noise_norm = ...
# BEGIN SOLUTION
noise_norm = pixels(2) * (3 * 224 * 224) ** 0.5
# END SOLUTION

# %%
noise_norm = check("1.1", noise_norm)

# %% [markdown]
# We compare it with the norm of the images, and with the photo shifted sideways by one pixel:

# %%
shifted = x.roll(1, dims=3)
print("               image   shifted by 1 pixel   2 grey levels everywhere")
for name, a, b in zip(names, l2_norm(x), l2_norm(shifted - x), strict=True):
    print(f"{name:10} {a:9.0f} {b:20.0f} {float(noise_norm):18.1f}  ({noise_norm / a:.1%})")

# %% [markdown]
# ## 3. The baseline: random signs
#
# Before an attack we measure a baseline of the same size: each value goes two levels up or down at random.
#
# **Exercise 1.2** · *Random sign noise* · difficulty ●●○○○ · importance ●●●○○ · 8 minutes · 2 points
#
# Write $x + \epsilon\, s$ with independent signs $s_i \in \{-1, +1\}$, each with probability 1/2.
#
# - One sign for each value of each image and channel, all drawn from `rng`. Draw with `device=rng.device`, then move the result to the device of `x`.
# - The result is an image: no value outside [-1, 1].
# - Don't change `x`.
#
# <details><summary>Hint 1</summary>torch.randint(2, ...) gives zeros and ones. What turns 0 and 1 into -1 and 1?</details>
# <details><summary>Hint 2</summary>Give randint the arguments generator=rng and device=rng.device; convert the result to the type and device of x with .to(x).</details>
# <details><summary>Hint 3</summary>The signs are 2 * bits - 1; add eps times them; end with clamp(-1, 1).</details>


# %% tags=["exercise"]
def random_sign_noise(x: Tensor, eps: float, rng: torch.Generator) -> Tensor:
    """Images x (B, C, H, W) in [-1, 1] with + or - eps added to each value at random."""
    # BEGIN SOLUTION
    bits = torch.randint(2, x.shape, generator=rng, device=rng.device).to(x)
    return (x + eps * (2 * bits - 1)).clamp(-1, 1)
    # END SOLUTION


# %%
random_sign_noise = check("1.2", random_sign_noise)

# %% [markdown]
# We add the noise ten times, and count how often each of the five photos is misclassified.


# %% tags=["nbval-ignore-output"]
def fooled(images: Tensor) -> Tensor:
    """Whether each of the five images has lost the class of its photo: (5,) booleans."""
    return probabilities(images).argmax(dim=1) != y


rng = env.rng(1)
draws = torch.stack([fooled(random_sign_noise(x, pixels(2), rng)) for _ in range(10)])
for name, times in zip(names, draws.sum(dim=0).tolist(), strict=True):
    print(f"{name:8} misclassified in {times:2} of 10 draws")
most = draws.sum(dim=1).max()
env.report(random_fooled=most)
env.expect(
    "random signs fool the classifier on one photo at most", most <= 1,
    f"in one draw {most} photos are misclassified; usually it is the cat only.",
)

# %% [markdown]
# In the run recorded here four photos keep their class in every draw. The cat loses its class in most draws: its two most probable classes were nearly tied, and this noise favours the other one. So the classifier is **not** sensitive to every small change.
#
# ## 4. The fast gradient sign method
#
# In training you ask how the loss $J$ changes with the weights $\theta$, and step down. Now keep the weights fixed, ask how it changes with the *image*, and step up:
#
# ```
# training:   x fixed      theta  <-  theta - lr * dJ/dtheta      the loss goes down
# attack:     theta fixed  x      <-  x     + (something) dJ/dx   the loss goes up
# ```
#
# **Exercise 1.3** · *The gradient with respect to the image* · difficulty ●●○○○ · importance ●●●●● · 10 minutes · 2 points
#
# Return $\nabla_x J(x, y)$, where $J$ is the cross-entropy of the class $y$: $-\log p_y$, with the natural logarithm (unit: nat).
#
# - The result has the shape of `x`: (B, C, H, W).
# - Each image gets the gradient of *its own* loss.
# - No side effects: add nothing to the `.grad` of the model's parameters, and don't change `x`.
# - `model` may be any function from images to logits (the type `Model`): only call it.
#
# <details><summary>Hint 1</summary>Autograd only follows tensors that require gradients: start from x.detach().requires_grad_().</details>
# <details><summary>Hint 2</summary>With the mean over the batch, each gradient would be divided by B. What should cross_entropy do with the batch instead?</details>
# <details><summary>Hint 3</summary>torch.autograd.grad(loss, x) returns a tuple with one gradient for each tensor asked for, and changes nothing else.</details>


# %% tags=["exercise"]
def input_gradient(model: Model, x: Tensor, y: Tensor) -> Tensor:
    """The gradient of each image's cross-entropy with respect to its values; like x."""
    # BEGIN SOLUTION
    x = x.detach().requires_grad_()
    loss = F.cross_entropy(model(x), y, reduction="sum")
    return torch.autograd.grad(loss, x)[0]
    # END SOLUTION


# %%
input_gradient = check("1.3", input_gradient)

# %% [markdown]
# What does such a gradient look like? Mid-grey stands for 0.

# %%
g = input_gradient(model, x, y)
largest = g.abs().amax(dim=(1, 2, 3), keepdim=True)
fig, axes = panels(len(names), width=1.75, height=2.2)
for ax, name, image in zip(axes, names, 8 * g / largest, strict=True):
    show_images(image[None], columns=1, title=name, ax=ax)
show(fig, alt="The gradients look like noise; for some photos it is denser around the object")

# %% [markdown]
# *Figure 1.2. The gradient of the loss with respect to each image, amplified, so that the largest values are cut off.*
#
# How should we use this gradient? For a short step $\eta$ the loss is nearly linear, $J(x + \eta) \approx J(x) + g \cdot \eta$ with $g = \nabla_x J$. We may change every value by at most $\epsilon$. The sum $g \cdot \eta = \sum_i g_i \eta_i$ is largest if every value changes by the full $\epsilon$ in the direction of the sign of *its own* $g_i$, however small $|g_i|$ is:
#
# $$x' = x + \epsilon\, \mathrm{sign}\big(\nabla_x J(x, y)\big).$$
#
# This is the **fast gradient sign method**, FGSM (Section 4 of the paper), a *white-box* attack: it uses the model's gradient. Unlike the paper's formula, ours also clips the result to the range of images.
#
# **Exercise 1.4** · *FGSM* · difficulty ●●○○○ · importance ●●●●● · 10 minutes · 3 points
#
# - `eps` is already in units of [-1, 1]; the caller writes `pixels(2)`.
# - The result is an image: no value outside [-1, 1].
# - Use your `input_gradient`. A value whose gradient is exactly 0 stays as it is.
#
# <details><summary>Hint 1</summary>The code is the formula. What could leave [-1, 1]?</details>
# <details><summary>Hint 2</summary>Tensors have .sign() and .clamp(-1, 1).</details>
# <details><summary>Hint 3</summary>Clamp the whole of x + eps * input_gradient(model, x, y).sign(), as the last step.</details>


# %% tags=["exercise"]
def fgsm(model: Model, x: Tensor, y: Tensor, eps: float) -> Tensor:
    """Each value of x changed by eps, up the loss of the classes y; like x, in [-1, 1]."""
    # BEGIN SOLUTION
    return (x + eps * input_gradient(model, x, y).sign()).clamp(-1, 1)
    # END SOLUTION


# %%
fgsm = check("1.4", fgsm)

# %% [markdown]
# Now the paper's figure, with one of our photographs and a step of two grey levels:

# %%
x_adv = fgsm(model, x, y, pixels(2))


def show_attack(before: Tensor, after: Tensor, amplify: float, alt: str) -> None:
    """An image, its change, and the changed image, with their most probable classes."""
    fig, axes = panels(3, width=2.8, height=3.1)
    first, second = map(top_class, probabilities(torch.stack([before, after])))
    change, name = amplify * (after - before), f"the change, {amplify:.0f} times"
    for ax, image, title in zip(axes, (before, change, after), (first, name, second), strict=True):
        show_images(image[None], columns=1, title=title, ax=ax)
    show(fig, alt)


CAMERA = names.index("camera")
alt = "The changed photo looks like the original one; compare the classes above the two"
show_attack(x[CAMERA], x_adv[CAMERA], 1 / pixels(2), alt)

# %% [markdown]
# *Figure 1.3. From left to right: the photo; the change of two grey levels, amplified to the full range; their sum.* (The change is coloured, since each channel has its own gradient.) All five photos, before and after:

# %% tags=["nbval-ignore-output"]
for name, before, after in zip(names, probabilities(x), probabilities(x_adv), strict=True):
    print(f"{name:8} {top_class(before):16} ->  {top_class(after)}")
fgsm_fooled = fooled(x_adv).sum()
env.report(fgsm_fooled=fgsm_fooled)
env.expect(
    "FGSM fools the classifier on four photos or more", fgsm_fooled >= 4,
    f"only {fgsm_fooled} of 5 photos are misclassified; usually all of them are.",
)

# %% [markdown]
# In the run recorded here random signs of this size fooled the classifier on one photo, a near tie, and the signs of the gradient on all five. Both changes have the same largest value, and, except for what the clamp cuts off, the same Euclidean length; only the direction differs. Three of the five new classes had a probability below 0.25, unlike the paper's gibbon. In the same run the cat became another cat, and the espresso a *consomme* (a broth): wrong, but related classes.
#
# **Is a larger step always more effective?** Follow the probability of the true class while `eps` grows:

# %% tags=["nbval-ignore-output"]
grey_levels = [0, 0.25, 0.5, 1, 2, 4, 8, 16]
by_level = torch.stack([probabilities(fgsm(model, x, y, pixels(e))) for e in grey_levels])
p_true = by_level[:, torch.arange(len(y)), y].cpu()  # sizes x photos
ax = plot_curves(
    grey_levels, {name: p_true[:, i].tolist() for i, name in enumerate(names)},
    xlabel="eps (grey levels)", ylabel="probability of the true class",
)
ax.set_xscale("symlog", linthresh=0.25)
ax.set_xticks(grey_levels, map(str, grey_levels))
ax.set_ylim(0, 1)
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
show(ax, alt="Most curves fall steeply before one grey level; in the recorded run one rises again")
still_right = [(p.argmax(dim=1) == y).tolist() for p in by_level]
for level, row in zip(grey_levels, still_right, strict=True):
    print(f"{level:5} levels, still right:", *(n for n, ok in zip(names, row, strict=True) if ok))
fewest = min(map(sum, still_right))
env.expect(
    "at some size at most one photo is classified correctly", fewest <= 1,
    f"at least {fewest} photos are right at every size; usually none is right at two levels.",
)

# %% [markdown]
# *Figure 1.4. Probability of the true class against the size of the step.* In the run recorded here four of the five photos are misclassified at **a quarter of a level**, too small a change for an 8-bit file. And a larger step is *not* always more effective: the coffee is classified as espresso again at four levels. FGSM uses the gradient at the starting point. A long straight step leaves the region where that gradient is accurate, and may overshoot.
#
# Move the slider (in a running notebook): from which size on do you see the noise?


# %%
def draw(photo: str, eps: float) -> None:
    """A photo after an FGSM step of eps grey levels, and its five most probable classes."""
    i = names.index(photo)
    attacked = fgsm(model, x[i : i + 1], y[i : i + 1], pixels(eps))
    fig, axes = panels(2, width=3.6, height=3.0)
    show_images(attacked, columns=1, title=f"{photo}, eps = {eps:g} grey levels", ax=axes[0])
    show_top(probabilities(attacked)[0], model.names, ax=axes[1])
    show(fig, alt=f"{photo} after {eps:g} grey levels, and a bar for each of its five top classes")


explore(draw, photo=names, eps=(0.0, 16.0, 0.25, 2.0))

# %% [markdown]
# *Figure 1.5. A photo after one step, and its five most probable classes.*
#
# ## 5. Why it works
#
# Take the simplest classifier there is, one logit $w \cdot x$. A change $\eta$ of the image changes the logit by $w \cdot \eta$. With $\eta = \epsilon\,\mathrm{sign}(w)$ all $n$ terms have the same sign, and they add up to
#
# $$w \cdot \eta = \epsilon \sum_i |w_i| = \epsilon\, \|w\|_1 = \epsilon\, n\, \overline{|w|} ,$$
#
# where $\overline{|w|}$ is the mean absolute value of a weight. With random signs most terms cancel; the sum is 0 on average and has the standard deviation $\epsilon \|w\|_2$. This is the *linear explanation* (Section 3 of the paper): it needs no deep network, only many dimensions.
#
# **Exercise 1.5** · *Why high dimension matters* · difficulty ●●○○○ · importance ●●●●○ · 8 minutes · 1 point
#
# You go from images of 112 x 112 to 224 x 224. `eps` and the typical size of a weight stay the same. By which factor does the change of the logit grow for FGSM, and by which factor does its typical size grow for random signs?
#
# - **a** 2 and 2
# - **b** 4 and 4
# - **c** 4 and 2
# - **d** 2 and 4
# - **e** 4 and 1: random noise cancels out for every n
#
# Answer with a letter in quotes before you look at the measurement below.
#
# <details><summary>Hint 1</summary>How many times as many values does the larger image have?</details>
# <details><summary>Hint 2</summary>FGSM's change is proportional to n. How far from 0 is a sum of n random signs, typically?</details>
# <details><summary>Hint 3</summary>The L2 norm of n equal numbers is proportional to the root of n.</details>

# %% tags=["exercise"]
growth = ...
# BEGIN SOLUTION
growth = "c"
# END SOLUTION

# %%
growth = check("1.5", growth)

# %% [markdown] tags=["solution"]
# <details><summary>Why c</summary>
#
# The larger image has four times as many values. FGSM's change is $\epsilon\, n\, \overline{|w|}$: a factor of 4. The random change has the standard deviation $\epsilon \|w\|_2$, which grows like the root of n: a factor of 2. Answer e confuses its *mean*, which is 0 for every n, with its typical size.
#
# </details>

# %% [markdown]
# Measured on linear classifiers with random weights, from ten inputs to the 150,528 of our photos:

# %%
sizes = [10, 100, 1_000, 10_000, 150_528]
rng = torch.Generator().manual_seed(0)
by_fgsm, by_random = [], []
for n in sizes:
    w = torch.randn(n, generator=rng)
    signs = 2.0 * torch.randint(2, (50, n), generator=rng) - 1  # 50 random changes
    by_fgsm.append((pixels(2) * w.sign() @ w).item())
    by_random.append((pixels(2) * signs @ w).square().mean().sqrt().item())
curves = {"FGSM": by_fgsm, "random signs (50 draws)": by_random}
ax = plot_curves(sizes, curves, xlabel="number of inputs n", ylabel="change of the logit")
ax.set(xscale="log", yscale="log")
ax.legend(loc="center left", bbox_to_anchor=(1, 0.5))
show(ax, alt="FGSM's effect grows like n, that of random signs like the root of n")
ratio, expected = by_fgsm[-1] / by_random[-1], math.sqrt(2 * n / math.pi)  # for normal weights
print(f"n = {n:,}: FGSM / random signs {ratio:.0f}; expected {expected:.0f}, up to some 10 %")

# %% [markdown]
# *Figure 1.6. The same eps in more and more dimensions: FGSM's effect grows like n, that of random signs like the root of n.*
#
# **Does this hold for a deep network, which is not linear?** The linear explanation predicts from the gradient alone that FGSM raises the loss by $\epsilon \|g\|_1$. We test this on the cat.


# %% tags=["nbval-ignore-output"]
def loss_of(images: Tensor, labels: Tensor) -> Tensor:
    """Each image's cross-entropy, in nats: (B,)."""
    return -probabilities(images).log().gather(1, labels[:, None])[:, 0]


CAT = names.index("cat")
cat, y_cat = x[CAT : CAT + 1], y[CAT : CAT + 1]
l1, l2 = g.abs().sum(dim=(1, 2, 3)), l2_norm(g)
ratios = []
for level in (0.01, 0.1, 1, 2):
    predicted = pixels(level) * l1[CAT].item()
    measured = loss_of(fgsm(model, cat, y_cat, pixels(level)), y_cat) - loss_of(cat, y_cat)
    ratios.append(measured.item() / predicted)
    print(f"{level:4} levels: predicted {predicted:6.3f} nats, measured {measured.item():6.3f}")
print("L1 norm / L2 norm of the gradient:", dict(zip(names, (l1 / l2).int().tolist(), strict=True)))
env.expect(
    "the linear prediction is accurate for a tiny step, and too large for two levels",
    abs(ratios[0] - 1) < 0.2 and ratios[-1] < 0.8,
    f"measured / predicted: {ratios[0]:.2f} for the smallest step, {ratios[-1]:.2f} for the "
    "largest; usually 1.0 and 0.4.",
)

# %% [markdown]
# In the run recorded here the prediction is accurate for the smallest step, and more than twice the measured change for two levels, because the network is not linear. The L1 norm of the gradient divided by its L2 norm is the predicted advantage of FGSM over the typical effect of random signs of the same size. By the Cauchy-Schwarz inequality it is at most $\sqrt n = 388$.
#
# ## 6. Many small steps, with a target
#
# Can we choose the wrong class? Let it be *gibbon*. Instead of increasing the loss of the true class, *decrease* the loss of the class that you want. First a single step, FGSM's with a minus sign (`project` clamps to the box around x and to [-1, 1], see below):

# %% tags=["nbval-ignore-output"]
TARGET = "gibbon"  # any name in model.names, for example "teapot", "zebra" or "pizza"
target = torch.full_like(y, model.names.index(TARGET))
one_step = project(x - pixels(2) * input_gradient(model, x, target).sign(), x, pixels(2))
p_target = probabilities(one_step)[CAT, target[CAT]].item()
print(f"one step towards {TARGET}: the cat's probability of {TARGET} is {p_target:.4f}")
env.expect(
    "one step does not reach the target class", p_target < 0.1,
    f"{TARGET} has the probability {p_target:.2f}; for gibbon it is usually below 0.001.",
)

# %% [markdown]
# A single step is usually not enough to reach an unrelated class: a step *towards* one class needs an accurate direction, and the gradient is accurate only near the point where it was computed. So take small steps, compute the gradient again after each, and never go further than `eps` from the photo:
#
# ```
#             +---------------------+
#             |        x1 --------> x2 - - >  this step would leave the box:
#  eps box    |       /             |         it ends on the boundary
#  around x   |     x               |
#             |                     |
#             +---------------------+
# ```
#
# $$x_0 = x, \qquad x_{t+1} = \Pi\big(x_t \pm \alpha\, \mathrm{sign}\, \nabla_x J(x_t, y)\big)$$
#
# with a plus for "away from $y$" and a minus for "towards $y$". The projection $\Pi$ clamps every value to $[x_i - \epsilon, x_i + \epsilon]$ and to [-1, 1]. This is the basic iterative method of Kurakin et al. (2016); started at a random point of the box it is PGD, projected gradient descent (Madry et al., 2018).
#
# **Exercise 1.7** · *Many small steps, with a target* · difficulty ●●●●○ · importance ●●●●● · 20 minutes · 4 points
#
# - `step` is the size $\alpha$ of one step; `eps` is the half-width of the box around the **original** `x`.
# - `targeted=False` increases the loss of `y`; `targeted=True` decreases it.
# - The gradient is computed again at every point that is reached.
# - Project after every step: into the box, and into [-1, 1]. The result must not require gradients.
#
# <details><summary>Hint 1</summary>Keep two variables: x, which never changes, and x_adv, which starts there.</details>
# <details><summary>Hint 2</summary>project(x_adv, x, eps), imported above, is the Π of the formula. Only a sign differs between the two kinds.</details>
# <details><summary>Hint 3</summary>In the loop: take g at x_adv; move x_adv by direction * step * g.sign(), with direction -1 if targeted and 1 otherwise; project.</details>


# %% tags=["exercise"]
def iterate(
    model: Model, x: Tensor, y: Tensor, eps: float, step: float, steps: int, targeted: bool = False
) -> Tensor:
    """Sign steps of size `step` that stay within eps of x and within [-1, 1]; like x."""
    # BEGIN SOLUTION
    direction = -1 if targeted else 1
    x_adv = x
    for _ in range(steps):
        g = input_gradient(model, x_adv, y)
        x_adv = project(x_adv + direction * step * g.sign(), x, eps)
    return x_adv
    # END SOLUTION


# %%
iterate = check("1.7", iterate)

# %% [markdown]
# We take thirty steps of a quarter of a level, never further than two levels from the photo. The result is rounded to integer grey levels, as a file would hold it.


# %% tags=["nbval-ignore-output"]
def as_saved(images: Tensor) -> Tensor:
    """Rounded to integer grey levels, as after saving and loading."""
    return ((images + 1) * 127.5).round() / 127.5 - 1


eps, step, y_target = pixels(2), pixels(0.25), target[:1]
new_cat = as_saved(iterate(model, cat, y_target, eps, step, steps=30, targeted=True))
alt = "The changed cat looks like the original one; compare the classes above the two"
show_attack(cat[0], new_cat[0], 1 / eps, alt)
p_target = probabilities(new_cat)[0, y_target].item()
print(f"largest change: {(new_cat - cat).abs().max() / pixels(1):.1f} grey levels")
env.report(targeted_confidence=p_target)
env.expect(
    "thirty steps reach the target class", p_target >= 0.9,
    f"{TARGET} has the probability {p_target:.2f}; for gibbon it is usually above 0.99.",
)

# %% [markdown]
# *Figure 1.7. The targeted attack on the cat. The new class and its probability are shown above the third image.* One step gave the gibbon almost no probability; compare that with thirty small ones inside the same box. Try another `TARGET`, such as a teapot. For the five photos together we allow four levels, since some are further from the target:

# %% tags=["nbval-ignore-output"]
steps = env.budget(smoke=3, cpu=40, gpu=40)
x_target = iterate(model, x, target, pixels(4), pixels(0.5), steps, targeted=True)
p_targets = probabilities(x_target)[:, y_target].flatten().tolist()
for name, p in zip(names, p_targets, strict=True):
    print(f"{name:8} is {TARGET} with {p:.3f} after {steps} steps")
env.expect(
    "all five photos reach the target class", min(p_targets) > 0.9,
    f"the lowest probability is {min(p_targets):.2f}; for gibbon all are usually above 0.99.",
)

# %% [markdown]
# ## 7. A defence: adversarial training
#
# Can a network learn to resist such attacks? For that we need one that we can train here: a small one on handwritten digits, where accuracy can also be measured on a thousand images instead of five.
#
# **Exercise 1.8** · *Accuracy against eps* · difficulty ●●○○○ · importance ●●●●○ · 12 minutes · 3 points
#
# Measure the share of images that are classified correctly after an attack, for each of several sizes.
#
# - `attack(model, x, y, eps)` returns the attacked images. It needs gradients, so don't put it inside `torch.no_grad()`.
# - Every size starts from the clean `x`, not from an attacked one.
# - `y` are the true labels, in the attack and in the score. Keep images that are misclassified without an attack.
# - Return one share between 0 and 1 for each size, as a tensor of shape (len(sizes),).
#
# <details><summary>Hint 1</summary>For one size: attack, classify with argmax(dim=1), compare with y, average.</details>
# <details><summary>Hint 2</summary>A comparison gives booleans; .float().mean() makes them a share.</details>
# <details><summary>Hint 3</summary>Collect the shares in a list and return torch.stack(list). Don't assign the attacked images to x.</details>


# %% tags=["exercise"]
def accuracy_curve(
    model: Model, attack: Attack, x: Tensor, y: Tensor, sizes: list[float]
) -> Tensor:
    """Share of images still classified as y after attack(model, x, y, eps), for each eps."""
    # BEGIN SOLUTION
    shares = []
    for eps in sizes:
        attacked = attack(model, x, y, eps)
        shares.append((model(attacked).argmax(dim=1) == y).float().mean())
    return torch.stack(shares)
    # END SOLUTION


# %%
accuracy_curve = check("1.8", accuracy_curve)

# %% [markdown]
# **Adversarial training** attacks the current network in each training step, and minimizes an average of the losses of clean and attacked images,
#
# $$\tilde J(x, y) = \alpha\, J(x, y) + (1 - \alpha)\, J\big(x + \epsilon\,\mathrm{sign}\,\nabla_x J(x, y),\, y\big),$$
#
# with $\alpha = 0.5$ (Section 6 of the paper); `adversarial_loss` computes it. The paper uses $\epsilon = 0.25$ for pixels in [0, 1], which is 0.5 in our range. A change of this size is visible. Our networks are small, with two layers of 256 ReLUs (the paper: maxout with dropout), and train on 4,000 digits for 600 steps. We train five of each kind.

# %% tags=["training", "nbval-ignore-output"]
train, test = digits.load(split="train"), digits.load(split="test")
x_test, y_test = to_float(test.images), test.labels
EPS = 0.5  # a quarter of the range [-1, 1]


def digit_network(outputs: int, activation: nn.Module, seed: int) -> nn.Module:
    """Images of digits to logits: two hidden layers of 256 units."""
    with initial_weights(env.rng(seed, "cpu")):
        hidden = [nn.Linear(784, 256), activation, nn.Linear(256, 256), activation]
        return nn.Sequential(nn.Flatten(), *hidden, nn.Linear(256, outputs)).to(device)


def train_classifier(adversarial: bool, seed: int, steps: int) -> nn.Module:
    """A classifier of digits, trained on clean images or with the adversarial loss."""
    net = digit_network(10, nn.ReLU(), seed)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    batches = Batches(train.images, train.labels, size=100, rng=env.rng(seed))
    for _ in range(steps):
        images, labels = next(batches)
        if adversarial:
            loss = adversarial_loss(net, images, labels, EPS, alpha=0.5)
        else:
            loss = F.cross_entropy(net(images), labels)
        descend(optimizer, loss)
    return net.requires_grad_(False)


steps, seeds = env.budget(smoke=100, cpu=600, gpu=600), env.budget(smoke=1, cpu=5, gpu=5)
plain = [train_classifier(False, seed, steps) for seed in range(seeds)]
hardened = [train_classifier(True, seed, steps) for seed in range(seeds)]
print(f"{train.source}: {len(train):,} for training, {len(test):,} for tests; ", end="")
print(f"{seeds} networks of each kind")
lowest = min((net(x_test).argmax(1) == y_test).float().mean().item() for net in plain)
env.expect(
    "plain classifiers are good on clean digits", lowest > 0.85,
    f"one is right on {lowest:.0%} of the test digits only; usually all are above 90 %.",
)

# %% [markdown]
# We attack each network in three ways: random signs; FGSM, as in training; and twenty small steps.


# %% tags=["nbval-ignore-output"]
def twenty_steps(model: Model, x: Tensor, y: Tensor, eps: float) -> Tensor:
    """The iterative attack; twenty steps of an eighth of eps."""
    return iterate(model, x, y, eps, eps / 8, 20)


def random_attack(model: Model, x: Tensor, y: Tensor, eps: float) -> Tensor:
    """Random signs in the form of an attack; the model is not used."""
    return random_sign_noise(x, eps, env.rng(5))


attacks = {"random signs": random_attack, "FGSM": fgsm, "20 steps": twenty_steps}
kinds = {"plain": plain, "adversarially trained": hardened}
sizes = [0.0, EPS] if env.profile() == "smoke" else [0.0, 0.1, 0.2, 0.3, 0.4, EPS]
means = {}  # accuracy for each size, by kind and attack
fig, axes = panels(2, width=4.4, height=3.4, sharey=True)
for ax, (kind, nets) in zip(axes, kinds.items(), strict=True):
    for name, attack in attacks.items():
        shares = torch.stack([accuracy_curve(net, attack, x_test, y_test, sizes) for net in nets])
        means[kind, name] = shares.mean(dim=0).tolist()
        for i in sorted({0, len(sizes) - 1} if name == "FGSM" else {len(sizes) - 1}):
            low, high = shares[:, i].aminmax()
            print(f"{kind:22} {name:13} eps {sizes[i]}: {shares[:, i].mean():.3f}", end="")
            print(f"  (networks: {low:.3f} to {high:.3f})")
    curves = {name: means[kind, name] for name in attacks}
    plot_curves(sizes, curves, xlabel="eps", ylabel="accuracy", title=kind, ax=ax).set_ylim(0, 1)
    ax.get_legend().remove()
fig.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
show(
    fig,
    alt="With adversarial training the accuracy under FGSM falls more slowly than without, and "
    "twenty steps lower it further",
)
by_fgsm_plain, by_fgsm_hardened = (means[kind, "FGSM"] for kind in kinds)
fgsm_plain, fgsm_hardened = by_fgsm_plain[-1], by_fgsm_hardened[-1]
many_steps = means["adversarially trained", "20 steps"][-1]
env.report(
    digits_clean_plain=by_fgsm_plain[0], digits_clean_hardened=by_fgsm_hardened[0],
    digits_fgsm_plain=fgsm_plain, digits_fgsm_hardened=fgsm_hardened,
    digits_many_steps_hardened=many_steps,
)
env.expect(
    "adversarial training helps against FGSM", fgsm_hardened > fgsm_plain + 0.2,
    f"the accuracies are {fgsm_plain:.2f} and {fgsm_hardened:.2f}; usually 0.01 and 0.4.",
)
env.expect(
    "twenty steps are a stronger attack than FGSM", many_steps < 0.8 * fgsm_hardened,
    f"accuracy {many_steps:.2f}, and {fgsm_hardened:.2f} under FGSM; usually about half as much.",
)

# %% [markdown]
# *Figure 1.8. Accuracy on test digits against the size of the attack, in units of [-1, 1]; means over the networks.* Compare the printed means and ranges:
#
# - At `eps` 0 the adversarially trained networks are usually a little better on clean digits, with overlapping ranges. The paper reports an improvement on MNIST, too: a clean error of 0.84 % instead of 0.94 %. (Its error on attacked images was 17.9 %, for a larger network, instead of 89.4 %.)
# - At `eps` 0.5 the plain networks are usually almost always wrong under FGSM, the others much less often.
# - **A limit of this defence**: under twenty steps, still inside the same box, the accuracy is usually much lower than under FGSM. The networks were trained against FGSM only. So test a defence with the strongest attack that you have, and one that takes the defence into account: Athalye et al. (2018) broke seven of nine published defences in this way, six completely and one partly.
#
# Madry et al. (2018) train against a stronger attack, PGD, and write the objective as a saddle-point problem, a **game**:
#
# $$\min_\theta\; \mathbb{E}_{x, y}\Big[\, \max_{\|\eta\|_\infty \le \epsilon} J(\theta, x + \eta, y) \Big].$$
#
# One player chooses the weights to minimize the loss, the other the changes $\eta$ to maximize it.
#
# ## 8. From attack to game
#
# What if the attacker may change the image without limit? Then it needs no photo: it can start from noise, and follow the gradient of a classifier with the classes "real digit" and "fake". Let $D$ be such a classifier, trained on digits against noise. It returns one logit, positive for "real". The attacker is your `iterate` with `eps` = 2, so that every value can reach any point of [-1, 1]. After each round its images are added to the fakes that $D$ is trained on.

# %% tags=["training", "nbval-ignore-output"]
D = digit_network(1, nn.LeakyReLU(0.2), seed=0)
opt_D = torch.optim.Adam(D.parameters(), lr=1e-3)
rng = env.rng(0)


def noise_images(m: int) -> Tensor:
    """m images of uniform noise in [-1, 1]."""
    return torch.rand(m, 1, 28, 28, generator=rng, device=rng.device) * 2 - 1


def two_classes(images: Tensor) -> Tensor:
    """D as a classifier with the classes 0 = fake and 1 = real: logits (B, 2)."""
    logit = D(images)
    return torch.cat([torch.zeros_like(logit), logit], dim=1)


real_digits = Batches(train.images, size=64, rng=rng)
fakes, y_real = noise_images(256), torch.ones(64, dtype=torch.long, device=device)
history = []  # for each round: shares of test digits, training fakes, new images called real
fig, axes = panels(4, width=2.2, height=2.9)
for n, ax in enumerate(axes, start=1):
    batches = Batches(fakes, size=64, rng=rng)
    for _ in range(100):  # D's turn
        real, fake = D(next(real_digits)), D(next(batches))
        # softplus(-l) is -log of the probability of real, softplus(l) that of fake
        descend(opt_D, F.softplus(-real).mean() + F.softplus(fake).mean())
    new = iterate(two_classes, noise_images(64), y_real, 2.0, step=0.1, steps=40, targeted=True)
    history.append([(D(images) > 0).float().mean().item() for images in (x_test, fakes, new)])
    a, b, c = history[-1]
    print(f"round {n}, called real: test digits {a:.0%}, old fakes {b:.0%}, new images {c:.0%}")
    show_images(new[:16], columns=4, title=f"round {n}:\n{c:.0%} called real", ax=ax)
    fakes = torch.cat([fakes, new])
show(fig, alt="Sixteen images after each of four rounds: noise, then dots and blobs, but no digits")
lowest = min(new_real for *_, new_real in history)
env.expect(
    "the attacker fools D in every round", lowest > 0.9,
    f"in one round D classifies {lowest:.0%} of the new images as real; usually all of them.",
)

# %% [markdown]
# *Figure 1.9. The attacker's images after each round, with the share that D classifies as real.* Three observations, from the run recorded here, lead to the rest of the course.
#
# 1. **Fooling a fixed D is too easy.** D rejects the fakes it was trained on, but forty steps are enough to find new images that it classifies as real. Its gradient leads to *something that D can't distinguish from a digit*, not to a digit.
# 2. **Each side changes the other.** Images that fooled D in one round are among the fakes of the next, and D learns to reject them.
# 3. **In the last rounds the sixteen images are almost identical.** The corresponding failure of a GAN is mode collapse (notebook 02).
#
# This attacker keeps nothing from one round to the next. A **generator** is an attacker with weights. It makes images $G(z)$ from a latent vector $z$ (noise) and updates its weights, so that what it learns applies to all $z$. Its gradient is the input gradient of this notebook, continued by the chain rule:
#
# $$\nabla_{\theta_G}\, J\big(D(G(z))\big) = \Big(\frac{\partial G(z)}{\partial \theta_G}\Big)^{\!\top} \underbrace{\nabla_x J(D(x))\big|_{x = G(z)}}_{\text{your exercise 1.3}} .$$
#
# ## What we measured, and what the paper reports
#
# | | in the run recorded here | Goodfellow et al. (2014) |
# |---|---|---|
# | network and images | EfficientNet-Lite0, five photos | GoogLeNet, one panda |
# | one step | 2 levels: 5 of 5 fooled, mostly with low confidence | about one level: gibbon with 99.3 % |
# | random noise of that size | one photo fooled, a near tie | - |
# | adversarial training, clean digits | about 8 to 6.5 % error; 4,000 digits | 0.94 to 0.84 % error; 60,000 digits |
#
# **A common mistake.** Many networks need normalized images, $(x - \text{mean})/\text{std}$. If you do this *outside* the model and attack the result, `eps` is in other units: with ImageNet's std of 0.229 for red, 8/255 means $8 \cdot 0.229 = 1.8$ grey levels instead of 8. The course keeps the normalization inside the model (`pretrained.Classifier`).
#
# ## References
#
# - I. Goodfellow, J. Shlens, C. Szegedy, *Explaining and harnessing adversarial examples*, 2014, arXiv 1412.6572.
# - C. Szegedy and others, *Intriguing properties of neural networks*, 2013, arXiv 1312.6199.
# - A. Kurakin, I. Goodfellow, S. Bengio, *Adversarial examples in the physical world*, 2016, arXiv 1607.02533.
# - A. Madry and others, *Towards deep learning models resistant to adversarial attacks*, 2018, arXiv 1706.06083.
# - A. Athalye, N. Carlini, D. Wagner, *Obfuscated gradients give a false sense of security*, 2018, arXiv 1802.00420.
