"""The terms that the usual losses of a GAN consist of, measured on a step's logits.

They are means, so that they can be averaged over steps like the losses themselves. `loss_names`
finds the combination that gives the logged numbers.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.shapes import Scalar

MOST_NEGATIVE = -100.0  # torch's lower limit of a logarithm in binary_cross_entropy


def terms(real: Tensor, fake: Tensor, real_G: Tensor, fake_G: Tensor) -> dict[str, Scalar]:
    """Mean terms of the usual losses, for D's turn and (names with "G") for G's.

    Parameters
    ----------
    real, fake : Tensor
        What D returned in its turn, any shape.
    real_G, fake_G : Tensor
        In G's turn.

    Returns
    -------
    dict[str, Tensor]
        ``D:real1`` for example is the cross-entropy of real examples with label 1, ``D:p_real1``
        the same for outputs that are probabilities already; ``D:real``, ``D:real_sq`` the mean and
        mean square; ``D:hinge_real+`` :math:`E[max(0, 1 + D(x))]`; ``D:pair``, ``D:rel`` the
        relativistic losses, by pairs and against means.
    """
    r, f, r_G, f_G = (t.detach().float() for t in (real, fake, real_G, fake_G))
    return _terms("D", "real", r) | _terms("D", "fake", f) | _terms("G", "fake", f_G) | {
        "D:pair": _pair(r, f), "G:pair": _pair(f_G, r_G),
        "D:rel": _against_means(r, f), "G:rel": _against_means(f_G, r_G),
    }  # fmt: skip


def _terms(turn: str, kind: str, logits: Tensor) -> dict[str, Scalar]:
    p = logits.clamp(0, 1)
    parts = {
        f"{kind}1": F.softplus(-logits), f"{kind}0": F.softplus(logits),
        f"{kind}": logits, f"{kind}_sq": logits.square(),
        f"hinge_{kind}-": F.relu(1 - logits), f"hinge_{kind}+": F.relu(1 + logits),
        f"p_{kind}1": -p.log().clamp(min=MOST_NEGATIVE),
        f"p_{kind}0": -(1 - p).log().clamp(min=MOST_NEGATIVE),
    }  # fmt: skip
    means = torch.stack(list(parts.values())).flatten(1).mean(dim=1)
    return {f"{turn}:{name}": mean for name, mean in zip(parts, means, strict=True)}


def _pair(a: Tensor, b: Tensor) -> Scalar:
    """softplus(-(a - b)), example by example: Jolicoeur-Martineau (2019), Equation 10."""
    if a.shape != b.shape:
        return torch.zeros((), device=a.device)
    return F.softplus(b - a).mean()


def _against_means(a: Tensor, b: Tensor) -> Scalar:
    """The average relativistic loss of the same paper, Equation 11: a should exceed b."""
    return F.softplus(b.mean() - a).mean() + F.softplus(b - a.mean()).mean()
