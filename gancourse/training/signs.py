"""Signs of a training run: numbers that a step logs in addition to its losses.

`diagnosis` reads them. In most cases ``step = examine(step, G, D)`` is enough: train as usual.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from gancourse.errors import CourseError
from gancourse.shapes import Scalar
from gancourse.training.listening import Heard, Listener, gradient_norms, norm
from gancourse.training.loss_terms import terms
from gancourse.training.origins import FAKE
from gancourse.training.turns import INSTEAD, Turns, turns

PAIRS = 64  # examples of a batch between which distances are measured
ENDS = ("sigmoid", "softmax", "logsigmoid", "relu")
"""Functions that a discriminator should not end in, where its outputs are used as logits."""

FLAT = ("round", "floor", "ceil", "trunc", "sign")
"""Functions without a gradient: a generator that ends in one can't be trained."""

LIMITS = {"tanh": (-1.0, 1.0), "sigmoid": (0.0, 1.0), "relu": (0.0, None)}
"""The lowest and highest value of a generator that ends in this function."""


@torch.no_grad()
def measure_signs(
    G: nn.Module,
    D: nn.Module,
    x: Float[Tensor, " batch *example"],
    fakes: Float[Tensor, " batch *example"],
    real: Float[Tensor, " batch *patch"],
    fake: Float[Tensor, " batch *patch"],
) -> dict[str, Scalar]:
    r"""Signs of one step, to be logged with its losses.

    Parameters
    ----------
    G, D : nn.Module
        After the step, with the gradients of their turns.
    x, fakes : Float[Tensor, "batch *example"]
        What D was trained on in its turn, exactly as D received it.
    real, fake : Float[Tensor, "batch *patch"]
        D's logits on them.

    Returns
    -------
    dict[str, Tensor]
        Detached scalars; nothing is read from the device.

        - ``logit_real``, ``logit_fake``: mean logits; ``low_logit``, ``high_logit``: the smallest
          and the largest. ``ahead``: the share of pairs of a real
          example and a fake in which the real one has the higher logit; 0.5 if D is undecided.
        - ``grad_G``, ``grad_first``, ``grad_last``: norms of the gradient of G, of its first and
          of its last weight matrix.
        - ``range_real``, ``range_fake``: largest absolute values; ``low_real``, ``high_real``,
          ``low_fake``, ``high_fake``: smallest and largest values.
        - ``flat``: the share of real examples whose values are all equal.
        - ``limit_real``, ``limit_fake``: the share of values within 1 % of -1 or 1, or outside.
        - ``fakes_graph``: 1 if the fakes of D's turn carry a graph that leads back into G.
        - ``batch``: examples in it. ``batch_norm``: layers in training mode, of both networks.

        With two or more examples also these, in units of distances between real examples. They
        are Euclidean, between 64 examples of each kind at most. All are 0 where the real examples
        are equal: there is no unit then.

        - ``variety``: mean distance between two real examples, in the data's own unit.
        - ``spread``: see `spread`. 1: fakes are as varied as the data; 0: all alike.
        - ``distance``: the energy distance of fakes and data, :math:`2E|x-y| - E|x-x'| - E|y-y'|`
          (Székely and Rizzo, 2013). 0 on average if they have the same distribution.
        - ``stray``: from a fake to the nearest real example; ``reach``: from a real example to
          the nearest fake. Their unit is the distance from a real example to the next real one.
    """
    carries = fakes.requires_grad
    x, fakes, real, fake = (t.detach().float() for t in (x, fakes, real, fake))
    norms = sum(isinstance(m, _BatchNorm) and m.training for m in (*G.modules(), *D.modules()))
    whole, first, last = gradient_norms(G)
    result = {
        "logit_real": real.mean(),
        "logit_fake": fake.mean(),
        "low_logit": torch.minimum(real.min(), fake.min()),
        "high_logit": torch.maximum(real.max(), fake.max()),
        "ahead": _ahead(real, fake),
        "grad_G": whole,
        "grad_first": first,
        "grad_last": last,
        "range_real": x.abs().max(),
        "range_fake": fakes.abs().max(),
        "low_real": x.min(),
        "high_real": x.max(),
        "low_fake": fakes.min(),
        "high_fake": fakes.max(),
        "flat": _flat(x),
        "limit_real": (x.abs() > 0.99).float().mean(),
        "limit_fake": (fakes.abs() > 0.99).float().mean(),
        "fakes_graph": torch.tensor(float(carries)),
        "batch": torch.tensor(float(len(x))),
        "batch_norm": torch.tensor(float(norms)),
    }
    return result | (_distances(x[:PAIRS], fakes[:PAIRS]) if min(len(x), len(fakes)) > 1 else {})


def _flat(x: Tensor) -> Scalar:
    """The share of examples whose values are all equal; 0 if each is a single number."""
    x = x.flatten(1)
    same = (x.amax(dim=1) == x.amin(dim=1)).float().mean()
    return same if x.shape[1] > 1 else torch.zeros_like(same)


def _ahead(real: Tensor, fake: Tensor) -> Scalar:
    """The share of pairs, one of each kind, in which the real example's mean logit is higher."""
    r, f = (t.reshape(len(t), -1).mean(dim=1)[:PAIRS] if t.dim() else t[None] for t in (real, fake))
    higher = r[:, None] - f[None]
    return ((higher > 0).float() + (higher == 0).float() / 2).mean()


def spread(x: Float[Tensor, " n *example"], fakes: Float[Tensor, " m *example"]) -> Scalar:
    """How much fakes differ from each other, relative to real examples; notebook 10.

    Parameters
    ----------
    x, fakes : Float[Tensor, "n *example"]
        Two or more real examples, and two or more fakes.

    Returns
    -------
    Tensor
        Mean Euclidean distance between two different fakes, divided by that between two different
        real examples. 0: all fakes alike, or all real examples.

    Raises
    ------
    ValueError
        With a single example or fake, where there is no pair.
    """
    if min(len(x), len(fakes)) < 2:
        raise ValueError(f"a distance needs two examples, got {len(x)} real, {len(fakes)} fake")
    return _ratio(*(_mean_distance(t.float().flatten(1)) for t in (fakes, x)))


def _mean_distance(x: Tensor) -> Scalar:
    """Between two different rows."""
    return _distances_to(x, x).sum() / (len(x) * (len(x) - 1))


def _distances_to(x: Tensor, y: Tensor) -> Tensor:
    """Between all rows. torch's faster mode rounds small distances to 0."""
    return torch.cdist(x, y, compute_mode="donot_use_mm_for_euclid_dist")


def _ratio(a: Scalar, b: Scalar) -> Scalar:
    """The quotient a / b, or 0 where b is 0."""
    return torch.where(b > 0, a / torch.where(b > 0, b, 1), 0)


def _distances(
    x: Float[Tensor, " n *example"], fakes: Float[Tensor, " m *example"]
) -> dict[str, Scalar]:
    """Distances between and within real examples and fakes."""
    x, y = x.flatten(1), fakes.flatten(1)
    xx, xy = _distances_to(x, x), _distances_to(x, y)
    itself = torch.eye(len(x), device=x.device, dtype=torch.bool)
    nearest = xx.masked_fill(itself, math.inf).min(dim=1).values.mean()
    between = xx.sum() / (len(x) * (len(x) - 1))
    relative = _ratio(_mean_distance(y), between)
    return {
        "variety": between,
        "spread": relative,
        "distance": _ratio(2 * xy.mean() - between - relative * between, between),
        "stray": _ratio(xy.min(dim=0).values.mean(), nearest),
        "reach": _ratio(xy.min(dim=1).values.mean(), nearest),
    }


def examine(step: Callable[[], Any], G: nn.Module, D: nn.Module) -> Callable[[], Any]:
    """The same step, with its signs added to what it returns; training is not changed.

    Hooks hear what G and D are given and return, and which optimizers step. Real examples and fakes
    are told apart by their origin: what is computed from an output of G is fake. So D may be called
    in any order, any number of times, with both kinds in one batch.

    Parameters
    ----------
    step : callable
        Takes one training step, of any GAN with one G and one D, and returns its losses. Those
        named "loss_D" and "loss_G" are compared with the logits that were heard.
    G, D : nn.Module
        The modules that the step calls.

    Returns
    -------
    callable
        It returns the losses, `measure_signs`, `terms` of losses, and these scalars. For each
        network, with its name at the end:

        - ``update_``, ``weight_``, ``moved_``: norms of the change by the step and of the weights
          before it, and their ratio. ``grad_``: norm of the gradient as its optimizer steps;
        - ``steps_``, ``optimizers_``: how many updates, by how many optimizers; ``held_``: the
          share of its trainable weights that they update; ``copy_``: 1 if an optimizer stepped
          that holds weights of the same shapes, but not these;
        - ``reached_``, ``stale_``: 1 if a gradient has reached it, if that was added to an older
          one; see `listening.Update`;
        - ``eval_``: layers of batch norm in eval mode as it is trained.

        Of the whole step:

        - ``shared``: 1 if an optimizer that stepped holds weights of both networks;
        - ``missing_real``, ``missing_fake``: 1 if D's turn had none; ``cut_off``: 1 if no output of
          G reached D at all; ``cut_G``: 1 if the fakes of G's turn have no graph;
        - ``frozen_D``: 1 if no weight of D required a gradient in its turn; ``mixed_D``: 1 if the
          gradient of D's step holds that of G's loss;
        - ``noise``: the mean distance of G's inputs, over their mean length;
        - ``low_limit``, ``high_limit``: of the function that G ends in; ``flat_G``: 1 if that
          is one of `FLAT`; ``sigmoid_D`` and others:
          1 if D ends in one of `ENDS`;
        - ``repeats``: the share of pairs of real examples, of the first step and this, that are
          equal.

    Raises
    ------
    CourseError
        From the step, if real examples and fakes can't be told apart: the message says why.
    """
    listener, first = Listener(G, D), list[Tensor]()

    def examined() -> Any:
        before = {name: _copy(net) for name, net in listener.nets.items()}
        with listener.step() as heard:
            losses = step()
        if not isinstance(losses, Mapping):
            return losses  # `train` says what a step has to return
        found = turns(heard)
        x, fakes = found.real.x, found.fake.x
        if x.shape[1:] != fakes.shape[1:]:
            raise CourseError(
                "This step can't be examined: D received real examples of shape "
                f"{tuple(x.shape[1:])} and fakes of shape {tuple(fakes.shape[1:])}.",
                "D can tell such batches apart by their shape alone.",
                f"Give both the same shape. For networks where that is intended: {INSTEAD}",
            )
        signs = measure_signs(G, D, x, fakes, found.real.logits, found.fake.logits)
        signs |= _movement(heard, listener.nets, before) | _state(heard, found)
        if len(first):
            signs["repeats"] = _repeats(first[0], x)
        else:
            first.append(x[:PAIRS].clone())
        logits = (found.real, found.fake, found.real_G, found.fake_G)
        return {**losses, **signs, **terms(*(call.logits for call in logits))}

    return examined


def _copy(net: nn.Module) -> dict[nn.Parameter, Tensor]:
    return {p: p.detach().clone() for p in net.parameters()}


def _repeats(a: Tensor, b: Tensor) -> Scalar:
    """The share of pairs that are equal: 1 / n if examples are drawn from n."""
    a, b = (t.float().flatten(1) for t in (a, b[:PAIRS]))
    return (_distances_to(a, b) == 0).float().mean()


def _movement(
    heard: Heard,
    nets: Mapping[str, nn.Module],
    before: Mapping[str, Mapping[nn.Parameter, Tensor]],
) -> dict[str, Tensor]:
    """How the weights of each network moved in a step, and what its optimizer followed."""
    signs: dict[str, Tensor | float] = {
        "shared": any(min(update.held.values()) > 0 for update in heard.updates)
    }
    for name, net in nets.items():
        was = before[name]  # a step may replace layers
        update = norm(w.detach() - was[w] for w in net.parameters() if w in was)
        weight = norm(was.values())
        signs[f"update_{name}"], signs[f"weight_{name}"] = update, weight
        signs[f"moved_{name}"] = _ratio(update, weight)
        own = [update for update in heard.updates if update.owner == name]
        signs[f"steps_{name}"] = len(own)
        shares = {update.optimizer: update.held[name] for update in own}
        signs[f"copy_{name}"] = any(update.like == name for update in heard.updates)
        signs[f"optimizers_{name}"] = len(shares)
        if own:
            last = own[-1]
            signs[f"held_{name}"] = min(1.0, sum(shares.values()))
            signs[f"grad_{name}"] = last.gradients[0]
            if name == "G":
                signs["grad_first"], signs["grad_last"] = last.gradients[1:]
            signs[f"stale_{name}"] = last.stale
            signs[f"reached_{name}"] = last.reached
    return {name: torch.as_tensor(value, dtype=torch.float32) for name, value in signs.items()}


def _state(heard: Heard, found: Turns) -> dict[str, Tensor]:
    """Modes, noise, and what the networks end in."""
    carries = found.fake.graph and not found.missing
    last = next((update for update in heard.updates[::-1] if update.owner == "D"), None)
    reaches_G = last.both if last else carries
    leaked = any(update.leaked for update in heard.updates)
    signs: dict[str, Tensor | float] = {
        "fakes_graph": carries and reaches_G and (heard.generated > 1 or leaked),
        "mixed_D": reaches_G and not carries,
        "missing_real": found.missing == "real",
        "missing_fake": found.missing == "fake",
        "cut_G": not found.fake_G.graph,
        "flat_G": heard.last.get("G") in FLAT,
        "batch_norm": sum(heard.norm.values()),
        "frozen_D": found.real.frozen and found.fake.frozen,
        "cut_off": not any(call.origin == FAKE for call in heard.calls),
        **{f"{end}_D": heard.last.get("D", "") == end for end in ENDS},
        "eval_G": heard.eval_norm,
        "eval_D": max(found.real.eval_norm, found.fake.eval_norm),
    }
    for limit, value in zip(
        ("low_limit", "high_limit"), LIMITS.get(heard.last.get("G"), (None, None)), strict=True
    ):
        signs |= {} if value is None else {limit: value}
    z = heard.noise[-1].detach().float()[:PAIRS] if heard.noise else torch.zeros(0)
    if len(z) > 1:
        z = z.flatten(1)
        signs["noise"] = _ratio(_mean_distance(z), z.norm(dim=1).mean())
    return {name: torch.as_tensor(value, dtype=torch.float32) for name, value in signs.items()}
