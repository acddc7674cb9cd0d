"""Vital signs of a training run: a few numbers that a step logs beside its losses.

`diagnosis` reads them. The easy way: ``step = examine(step, G, D)``, then train as always.
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

FLOOR = 1e-12  # of a distance that is divided by: all real examples may be equal
PAIRS = 64  # examples of a batch between which distances are measured


@torch.no_grad()
def vitals(
    G: nn.Module,
    D: nn.Module,
    x: Float[Tensor, " batch *example"],
    fakes: Float[Tensor, " batch *example"],
    real: Float[Tensor, " batch *patch"],
    fake: Float[Tensor, " batch *patch"],
) -> dict[str, Scalar]:
    r"""Vital signs of one step, to be logged beside its losses.

    Parameters
    ----------
    G, D : nn.Module
        As the step leaves them: with the gradients of their turns.
    x, fakes : Float[Tensor, "batch *example"]
        What D learned from in its turn, just as D was given it.
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
        - ``fakes_graph``: 1 if the fakes of D's turn carry a graph, which leads back into G.
        - ``batch``: examples in it. ``batch_norm``: layers in training mode, of both networks.

        With two or more examples also these, in units of distances between real examples. They
        are Euclidean, between 64 examples of each kind at most.

        - ``spread``: see `spread`. 1: fakes are as varied as the data; 0: all alike.
        - ``distance``: the energy distance of fakes and data, :math:`2E|x-y| - E|x-x'| - E|y-y'|`
          (Székely and Rizzo, 2013). 0 in the mean if they have one distribution.
        - ``stray``: from a fake to the nearest real example; ``reach``: from a real example to
          the nearest fake. Their unit is the distance from a real example to the next real one.
    """
    weights = [p for p in G.parameters() if p.dim() > 1]
    norms = sum(isinstance(m, _BatchNorm) and m.training for m in (*G.modules(), *D.modules()))
    signs = {
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
    return signs | (_clouds(x[:PAIRS], fakes[:PAIRS]) if min(len(x), len(fakes)) > 1 else {})


def _norm(weights: Sequence[Tensor], like: Tensor) -> Scalar:
    """Norm of the gradient of some weights together; 0 where there is none."""
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
        With a single example or fake: there is no pair.
    """
    if min(len(x), len(fakes)) < 2:
        raise ValueError(f"a distance needs two examples, got {len(x)} real, {len(fakes)} fake")
    between = F.pdist(x.float().flatten(1)).mean().clamp(min=FLOOR)
    return F.pdist(fakes.float().flatten(1)).mean() / between


def _clouds(
    x: Float[Tensor, " n *example"], fakes: Float[Tensor, " m *example"]
) -> dict[str, Scalar]:
    """Distances between and within real examples and fakes."""
    varied = spread(x, fakes)
    x, y = x.float().flatten(1), fakes.float().flatten(1)
    exact = "donot_use_mm_for_euclid_dist"  # the fast way rounds small distances to 0
    xx, xy = (torch.cdist(x, other, compute_mode=exact) for other in (x, y))
    itself = torch.eye(len(x), device=x.device, dtype=torch.bool)
    next_one = xx.masked_fill(itself, math.inf).min(dim=1).values.mean().clamp(min=FLOOR)
    between = (xx.sum() / (len(x) * (len(x) - 1))).clamp(min=FLOOR)
    return {
        "spread": varied,
        "distance": 2 * xy.mean() / between - 1 - varied,
        "stray": xy.min(dim=0).values.mean() / next_one,
        "reach": xy.min(dim=1).values.mean() / next_one,
    }


def examine(
    step: Callable[[], Mapping[str, Tensor]], G: nn.Module, D: nn.Module
) -> Callable[[], dict[str, Tensor]]:
    """The same step, with `vitals` added to what it returns; the step itself stays as it is.

    A hook on D listens: in D's turn the first question must be about the real batch, the second
    about the fakes, as in `steps.gan_step`. Other steps call `vitals` themselves.

    Raises
    ------
    CourseError
        From the step, if D was asked in another way.
    """

    def examined() -> dict[str, Tensor]:
        heard: list[tuple[Tensor, Tensor]] = []
        hook = D.register_forward_hook(lambda _, asked, said: heard.append((asked[0], said)))
        try:
            losses = step()
        finally:
            hook.remove()
        if len(heard) < 2 or heard[0][0].shape != heard[1][0].shape:
            raise CourseError(
                f"This step can't be examined: D was asked {len(heard)} times, about batches of "
                f"shapes {[tuple(asked.shape) for asked, _ in heard]}.",
                "Its first two questions should be a real batch and a batch of fakes, of one size.",
                "Call vitals(G, D, x, fakes, real, fake) in the step, and return its result too.",
            )
        (x, real), (fakes, fake) = heard[:2]
        return {**losses, **vitals(G, D, x, fakes, real, fake)}

    return examined
