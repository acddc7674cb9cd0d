"""A player: a network with its optimizer, schedule and EMA, as one object with one state."""

import copy
import math
from collections.abc import Iterable, Mapping
from typing import Any

from torch import nn
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import LambdaLR

from gancourse import env
from gancourse.papers.gan import ema_update


def linear_decay(optimizer: Optimizer, steps: int, hold: float = 0.5) -> LambdaLR:
    """Learning-rate decay: constant for a share of the steps, then linear to 0.

    Zhu et al. (2017) train so: 100 epochs, then 100 with linear decay. Call the schedule's
    ``step()`` once after the optimizer's, and put it in `train`'s ``keep``. First built in
    notebook 02.

    Parameters
    ----------
    optimizer : Optimizer
        Whose learning rate decays.
    steps : int
        Length of the run.
    hold : float
        Share of the steps before the decay starts, from 0 to 1; with 1 it never does.

    Raises
    ------
    ValueError
        If `hold` is outside [0, 1].
    """
    if not 0 <= hold <= 1:
        raise ValueError(f"hold is a share between 0 and 1, got {hold}")
    if hold == 1:
        return LambdaLR(optimizer, lambda done: 1.0)
    decay = max(1, math.ceil(steps * (1 - hold)))
    return LambdaLR(optimizer, lambda done: min(1.0, max(0, steps - done) / decay))


class Player:
    """A network, its optimizer, its learning-rate schedule and its moving average (EMA).

    Put it into `train`'s ``keep`` as one entry. A training step uses `net` and `opt`, and calls
    `advance` once at its end. Notebooks 02 and 03 build every part by hand.

    Parameters
    ----------
    net : nn.Module
        Moved to the course's device and memory layout.
    lr : float
        Adam's learning rate.
    steps : int, optional
        Length of the run, for the learning-rate decay. None: the rate is constant.
    hold : float
        Share of the steps before the learning rate decays linearly to 0; see `linear_decay`.
    betas : tuple[float, float]
        Adam's.
    ema : float
        Decay of the exponential moving average of the weights, 0.999 for instance; 0: none, and
        `average` is the network itself.
    trained : Iterable[nn.Parameter], optional
        What the optimizer updates; by default all parameters of `net`.

    Attributes
    ----------
    net : nn.Module
        The network that is trained.
    opt : torch.optim.Adam
        Its optimizer.
    average : nn.Module
        The network to draw samples with: the EMA of `net`, or `net` itself.
    done : int
        Steps taken so far.
    """

    def __init__(
        self,
        net: nn.Module,
        *,
        lr: float,
        steps: int | None = None,
        hold: float = 0.5,
        betas: tuple[float, float] = (0.5, 0.99),
        ema: float = 0.0,
        trained: Iterable[nn.Parameter] | None = None,
    ) -> None:
        self.net = net.to(env.device(), memory_format=env.memory_format())
        parameters = net.parameters() if trained is None else trained
        self.opt = Adam(parameters, lr, betas, fused=True)
        self.schedule = linear_decay(self.opt, steps or 1, hold if steps else 1.0)
        self.ema = ema
        self.average = copy.deepcopy(net) if ema else net

    @property
    def done(self) -> int:
        return self.schedule.last_epoch

    def advance(self) -> None:
        """Call once per step: updates the learning rate and the EMA, whose decay starts low."""
        self.schedule.step()
        if self.ema:
            ema_update(self.average, self.net, min(self.ema, self.done / (self.done + 9)))

    def parts(self) -> dict[str, Any]:
        """Everything with a state, by name; a checkpoint stores these."""
        parts = {"net": self.net, "opt": self.opt, "schedule": self.schedule}
        return parts | ({"average": self.average} if self.ema else {})


def expand(keep: Mapping[str, Any]) -> dict[str, Any]:
    """Players replaced by their parts: {"G": Player} becomes {"G.net": ..., "G.opt": ...}."""
    parts: dict[str, Any] = {}
    for name, thing in keep.items():
        if isinstance(thing, Player):
            parts |= {f"{name}.{part}": value for part, value in thing.parts().items()}
        else:
            parts[name] = thing
    return parts
