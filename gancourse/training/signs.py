"""Signs of a training run: a few numbers that a step logs in addition to its losses.

`diagnosis` reads them. In most cases ``step = examine(step, G, D)`` is enough: train as usual.
"""

import math
from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from gancourse.errors import CourseError
from gancourse.shapes import Scalar

FLOOR = 1e-12  # of a distance in a denominator: all real examples may be equal
PAIRS = 64  # examples of a batch between which distances are measured


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

        - ``logit_real``, ``logit_fake``: mean logits.
        - ``grad_G``, ``grad_first``, ``grad_last``: norms of the gradient of G, of its first and
          of its last weight matrix.
        - ``range_real``, ``range_fake``: largest absolute values.
        - ``fakes_graph``: 1 if the fakes of D's turn carry a graph that leads back into G.
        - ``batch``: examples in it. ``batch_norm``: layers in training mode, of both networks.

        With two or more examples also these, in units of distances between real examples. They
        are Euclidean, between 64 examples of each kind at most.

        - ``spread``: see `spread`. 1: fakes are as varied as the data; 0: all alike.
        - ``distance``: the energy distance of fakes and data, :math:`2E|x-y| - E|x-x'| - E|y-y'|`
          (Székely and Rizzo, 2013). 0 on average if they have the same distribution.
        - ``stray``: from a fake to the nearest real example; ``reach``: from a real example to
          the nearest fake. Their unit is the distance from a real example to the next real one.
    """
    weights = [p for p in G.parameters() if p.dim() > 1]
    norms = sum(isinstance(m, _BatchNorm) and m.training for m in (*G.modules(), *D.modules()))
    result = {
        "logit_real": real.float().mean(),
        "logit_fake": fake.float().mean(),
        "grad_G": _norm(list(G.parameters()), x),
        "grad_first": _norm(weights[:1], x),
        "grad_last": _norm(weights[-1:], x),
        "range_real": x.float().abs().max(),
        "range_fake": fakes.float().abs().max(),
        "fakes_graph": torch.tensor(float(fakes.requires_grad)),
        "batch": torch.tensor(float(len(x))),
        "batch_norm": torch.tensor(float(norms)),
    }
    return result | (_distances(x[:PAIRS], fakes[:PAIRS]) if min(len(x), len(fakes)) > 1 else {})


def _norm(weights: Sequence[Tensor], like: Tensor) -> Scalar:
    """Norm of the gradient of some weights together; 0 if there is none."""
    norms = [p.grad.float().norm() for p in weights if p.grad is not None]
    return torch.stack(norms).norm() if norms else torch.zeros((), device=like.device)


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
        real examples. 0: all fakes alike.

    Raises
    ------
    ValueError
        With a single example or fake, where there is no pair.
    """
    if min(len(x), len(fakes)) < 2:
        raise ValueError(f"a distance needs two examples, got {len(x)} real, {len(fakes)} fake")
    between = F.pdist(x.float().flatten(1)).mean().clamp(min=FLOOR)
    return F.pdist(fakes.float().flatten(1)).mean() / between


def _distances(
    x: Float[Tensor, " n *example"], fakes: Float[Tensor, " m *example"]
) -> dict[str, Scalar]:
    """Distances between and within real examples and fakes."""
    relative = spread(x, fakes)
    x, y = x.float().flatten(1), fakes.float().flatten(1)
    exact = "donot_use_mm_for_euclid_dist"  # the faster mode rounds small distances to 0
    xx, xy = (torch.cdist(x, other, compute_mode=exact) for other in (x, y))
    itself = torch.eye(len(x), device=x.device, dtype=torch.bool)
    nearest = xx.masked_fill(itself, math.inf).min(dim=1).values.mean().clamp(min=FLOOR)
    between = (xx.sum() / (len(x) * (len(x) - 1))).clamp(min=FLOOR)
    return {
        "spread": relative,
        "distance": 2 * xy.mean() / between - 1 - relative,
        "stray": xy.min(dim=0).values.mean() / nearest,
        "reach": xy.min(dim=1).values.mean() / nearest,
    }


def examine(
    step: Callable[[], Mapping[str, Tensor]], G: nn.Module, D: nn.Module
) -> Callable[[], dict[str, Tensor]]:
    """The same step, with `measure_signs` added to what it returns.

    A forward hook records D's calls: the first must be on the real batch, the second on the fakes,
    as in `papers.gan.gan_step`. Other steps call `measure_signs` themselves.

    Raises
    ------
    CourseError
        From the step, if D was called in another order.
    """

    def examined() -> dict[str, Tensor]:
        calls: list[tuple[Tensor, Tensor]] = []
        hook = D.register_forward_hook(lambda _, inputs, out: calls.append((inputs[0], out)))
        try:
            losses = step()
        finally:
            hook.remove()
        if len(calls) < 2 or calls[0][0].shape != calls[1][0].shape:
            raise CourseError(
                f"This step can't be examined: D was called {len(calls)} times, on batches of "
                f"shapes {[tuple(inputs.shape) for inputs, _ in calls]}.",
                "Its first two calls should be on a real batch and on fakes, of the same size.",
                "Call measure_signs(G, D, x, fakes, real, fake) in the step and return its result.",
            )
        (x, real), (fakes, fake) = calls[:2]
        return {**losses, **measure_signs(G, D, x, fakes, real, fake)}

    return examined
