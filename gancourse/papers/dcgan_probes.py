"""Probes of a trained generator and discriminator; first built in notebook 04.

Most of it is from Sections 5 and 6 of Radford, Metz and Chintala (2016), "Unsupervised
representation learning with deep convolutional generative adversarial networks".
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from gancourse.shapes import Images, Labels, Latent

Values = Float[Tensor, " batch"]
Features = Float[Tensor, "batch features"]


# Walks and arithmetic in latent space -------------------------------------------------------------
def lerp(a: Latent, b: Latent, t: float) -> Latent:
    """Linear interpolation: the point at share t of the straight line from a to b."""
    return (1 - t) * a + t * b


def slerp(a: Latent, b: Latent, t: float) -> Latent:
    r"""Spherical interpolation: the point at share t of the arc from a to b (Shoemake, 1985).

    :math:`\frac{\sin((1-t)\Omega)}{\sin\Omega} a + \frac{\sin(t\Omega)}{\sin\Omega} b`, with the
    angle :math:`\Omega` between a and b, for each row. If a and b have equal lengths, so has
    every point between; the midpoint of a straight line between two independent normal vectors is
    shorter by a factor of about 0.71.

    Parameters
    ----------
    a, b : Latent
        (B, noise): where the walks start and end. Rows must not point in opposite directions.
    t : float
        From 0 (a) to 1 (b).
    """
    cos = F.cosine_similarity(a, b, dim=1).clamp(-1, 1)
    angle = cos.arccos().unsqueeze(1)  # (B, 1)
    sin = angle.sin()
    arc = (((1 - t) * angle).sin() * a + (t * angle).sin() * b) / sin.clamp(min=1e-7)
    return torch.where(sin < 1e-4, lerp(a, b, t), arc)  # parallel: arc and line are the same


def analogy(plus: Latent, minus: Latent, base: Latent) -> Float[Tensor, " noise"]:
    """mean(plus) - mean(minus) + mean(base): one latent vector from samples of three kinds.

    Radford et al. (2016), Section 6.3.2: with single samples the results were unstable, with the
    mean of three they were not.
    """
    return plus.mean(0) - minus.mean(0) + base.mean(0)


def turn_vector(z: Latent, values: Values, n: int) -> Float[Tensor, " noise"]:
    """A direction of latent space along which an attribute of the images changes.

    The mean z of the n images in which the attribute is largest, minus the mean z of the n in
    which it is smallest: Radford et al. (2016), Figure 8, with n = 4 faces looking each way.

    Parameters
    ----------
    z : Latent
        (B, noise): the latent vectors of the images.
    values : Values
        (B,): the attribute, measured on the images.
    n : int
        Images at each end, at most half of them.

    Raises
    ------
    ValueError
        If `n` is below 1 or above half the number of images.
    """
    if not 1 <= n <= len(z) // 2:
        raise ValueError(f"n must lie between 1 and {len(z) // 2}, half of the images, got {n}")
    order = values.argsort()
    return z[order[-n:]].mean(0) - z[order[:n]].mean(0)


def correlation(a: Float[Tensor, "... n"], b: Float[Tensor, "... n"]) -> Float[Tensor, "..."]:
    """Pearson's correlation along the last dimension, between -1 and 1; 0 for a constant."""
    a, b = (v - v.mean(-1, keepdim=True) for v in (a, b))
    return (a * b).sum(-1) / (a.norm(dim=-1) * b.norm(dim=-1)).clamp(min=1e-12)


# Attributes that are measured on images --------------------------------------------------------
def slant(images: Images) -> Values:
    r"""Slant of strokes: columns to the right per row upwards; 0 is upright.

    The ink's second moments :math:`-\mu_{11} / \mu_{02}`, about its centre: the shear that would
    make the image upright. Ink is (x + 1) / 2, averaged over the channels; bright on dark.
    """
    mass, x, y = _moments(images)
    return -(mass * x * y).sum((1, 2)) / (mass * y * y).sum((1, 2)).clamp(min=1e-8)


def thickness(images: Images) -> Values:
    """Approximate mean width of strokes in pixels: twice the ink's area over its edge length.

    A stroke of length L and width w has the area L w and two edges of length L. The edges are
    the total variation (the sum of gradient magnitudes), since ink goes from 0 to 1 across each.
    """
    ink = images.mean(1).add(1).div(2).clamp(0, 1)
    dx, dy = ink.diff(dim=2)[:, :-1], ink.diff(dim=1)[:, :, :-1]
    return 2 * ink.sum((1, 2)) / torch.hypot(dx, dy).sum((1, 2)).clamp(min=1e-8)


def _moments(images: Images) -> tuple[Tensor, Tensor, Tensor]:
    """Ink that sums to 1 in each image, and coordinates about its centre: (B, H, W) each."""
    ink = images.mean(1).add(1).div(2).clamp(0, 1)
    mass = ink / ink.sum((1, 2), keepdim=True).clamp(min=1e-8)
    rows = torch.arange(mass.shape[1], device=mass.device, dtype=mass.dtype).view(1, -1, 1)
    columns = torch.arange(mass.shape[2], device=mass.device, dtype=mass.dtype).view(1, 1, -1)
    y = rows - (mass * rows).sum((1, 2), keepdim=True)
    x = columns - (mass * columns).sum((1, 2), keepdim=True)
    return mass, x.expand_as(mass), y.expand_as(mass)


# Feature maps ------------------------------------------------------------------------------------
ACTIVATIONS = (nn.LeakyReLU, nn.ReLU)


def activation_layers(net: nn.Module) -> list[nn.Module]:
    """The ReLU and LeakyReLU layers of a network, in order."""
    return [layer for layer in net.modules() if isinstance(layer, ACTIVATIONS)]


def feature_maps(net: nn.Module, inputs: Tensor) -> list[Float[Tensor, "batch maps h w"]]:
    """The output of each activation layer of a network for some inputs, from first to last."""
    maps: list[Tensor] = []
    hooks = [
        layer.register_forward_hook(lambda _layer, _inputs, output: maps.append(output))
        for layer in activation_layers(net)
    ]
    try:
        net(inputs)
    finally:
        for hook in hooks:
            hook.remove()
    return maps


@contextmanager
def without_maps(layer: nn.Module, maps: Sequence[int] | Tensor) -> Iterator[None]:
    """Inside, these feature maps of a layer's output are set to 0, at every position.

    Radford et al. (2016), Section 6.3.1, make a generator omit windows this way. The weights
    are not changed, and afterwards the network draws what it drew before.

    Parameters
    ----------
    layer : nn.Module
        Returns (B, maps, H, W). Use the layer after ReLU, where 0 means "not detected"; before
        batch norm the norm's shift would add something back.
    maps : sequence of int
        Which maps.
    """
    index = torch.as_tensor(maps, dtype=torch.long)

    def drop(_layer: nn.Module, _inputs: tuple, output: Tensor) -> Tensor:
        return output.index_fill(1, index.to(output.device), 0.0)

    hook = layer.register_forward_hook(drop)
    try:
        yield
    finally:
        hook.remove()


def guided_gradient(net: nn.Module, x: Images, layer: int, channel: int) -> Images:
    """Pixels that increase a filter's response: guided backpropagation (Springenberg et al., 2015).

    The gradient of the filter's largest response in each image, with one change in the backward
    pass: at every ReLU only positive gradients pass, and only where the activation was positive. So
    pixels that decrease the response do not appear.

    Parameters
    ----------
    net : nn.Module
        With ReLU or LeakyReLU layers; used in eval mode, in which images don't mix.
    x : Images
        (B, C, H, W).
    layer : int
        Which activation layer, from 0; -1 is the last.
    channel : int
        Which of its feature maps.

    Returns
    -------
    Images
        Like x: gradients, not images.
    """

    def guide(_layer: nn.Module, _inputs: tuple, output: Tensor) -> None:
        output.register_hook(lambda gradient: gradient.clamp(min=0) * (output > 0))

    training = net.training
    net.eval()
    x = x.detach().requires_grad_()
    hooks = [a.register_forward_hook(guide) for a in activation_layers(net)]
    try:
        response = feature_maps(net, x)[layer][:, channel].amax((1, 2))
        return torch.autograd.grad(response.sum(), x)[0]
    finally:
        net.train(training)
        for hook in hooks:
            hook.remove()


def pooled_features(net: nn.Module, x: Images) -> Features:
    """All of a discriminator's feature maps, max-pooled to 4 x 4, flattened and concatenated.

    Radford et al. (2016), Section 5.1. Call it on a network in eval mode and under ``no_grad``.
    """
    return torch.cat([F.adaptive_max_pool2d(f, 4).flatten(1) for f in feature_maps(net, x)], dim=1)


# Linear probes -----------------------------------------------------------------------------------
def linear_probe(
    train: Features,
    labels: Labels,
    test: Features,
    test_labels: Labels,
    costs: Sequence[float] = (1e-4, 1e-3, 1e-2),
    folds: int = 3,
) -> float:
    """Accuracy of a linear L2-SVM (squared hinge) on fixed features.

    Features are centred and divided by one common scale, so that a feature that hardly varies stays
    small. The cost C is chosen by cross-validation on the labelled examples, without the test set.

    Parameters
    ----------
    train, test : Features
        (B, features) of the labelled examples, and of those it is tested on.
    labels, test_labels : Labels
        (B,); at least ``folds`` labelled examples of each class.
    costs : sequence of float
        The values of C to choose from.
    folds : int
        Parts of the cross-validation.

    Returns
    -------
    float
        Share of right answers, between 0 and 1.
    """
    from sklearn.model_selection import StratifiedKFold, cross_val_score
    from sklearn.svm import LinearSVC

    mean, std = train.mean(0), train.std().clamp(min=1e-12)
    X, X_test = (((f - mean) / std).cpu().numpy() for f in (train, test))
    y, y_test = labels.cpu().numpy(), test_labels.cpu().numpy()
    svms = [LinearSVC(C=C, dual="auto", tol=1e-3, max_iter=5000, random_state=0) for C in costs]
    if len(svms) > 1:
        parts = StratifiedKFold(folds, shuffle=True, random_state=0)
        means = [cross_val_score(svm, X, y, cv=parts).mean() for svm in svms]
        svms = [svms[means.index(max(means))]]
    return float(svms[0].fit(X, y).score(X_test, y_test))


def map_weights(
    maps: Float[Tensor, "batch maps h w"],
    here: Bool[Tensor, "batch h w"],
    rng: torch.Generator,
    alone: bool = False,
) -> Float[Tensor, " maps"]:
    """One weight per feature map: how strongly it indicates an object at a position.

    Radford et al. (2016), Section 6.3.1: a logistic regression from the activations at one position
    to whether the object is there. Positives are the positions on the object, negatives as many
    random other positions of the same images. Each map is divided by its standard deviation, so
    that weights are comparable.

    Parameters
    ----------
    maps, here : Float[Tensor, "batch maps h w"], Bool[Tensor, "batch h w"]
        Activations of a layer, and where the object is.
    rng : torch.Generator
        Draws the negatives; on the CPU.
    alone : bool
        False: one regression on all maps, as in the paper; of maps that carry the same information
        it may use only one. True: one regression per map.

    Returns
    -------
    Float[Tensor, " maps"]
        Above 0 for maps that are more active where the object is.

    Raises
    ------
    ValueError
        If the object is nowhere, or everywhere.
    """
    from sklearn.linear_model import LogisticRegression

    places = maps.movedim(1, -1).flatten(0, 2).cpu()  # (B h w, maps)
    there = here.flatten().cpu()
    yes, no = places[there], places[~there]
    if not len(yes) or not len(no):
        raise ValueError("the object has to be at some positions, and not at all of them")
    no = no[torch.randperm(len(no), generator=rng)[: len(yes)]]
    X = torch.cat([yes, no]) / torch.cat([yes, no]).std(0).clamp(min=1e-6)
    y = torch.cat([torch.ones(len(yes)), torch.zeros(len(no))])
    groups = X.split(1, dim=1) if alone else (X,)
    fits = [LogisticRegression(C=0.1, max_iter=2000).fit(x.numpy(), y.numpy()) for x in groups]
    return torch.cat([torch.from_numpy(fit.coef_[0]) for fit in fits]).float()
