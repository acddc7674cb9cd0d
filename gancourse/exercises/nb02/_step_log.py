"""A GAN training step under observation: its calls, and the gradients that its steps follow."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import index
from typing import Any, SupportsIndex

import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector

from gancourse.exercises.base import AnswerError
from gancourse.exercises.observe import seeded

MOST = 40  # batches in one iteration: `batches` is endless, an answer's loop should not be
BATCH, NOISE = "next(batches)", "sample_z"


@dataclass(frozen=True)
class Moment:
    """One call that an answer made, and the state just before it."""

    call: str
    """"next(batches)", "sample_z", "opt_D.zero_grad()", "opt_G.step()", ..."""
    given: Tensor
    """What the call returned; empty for an optimizer's."""
    weights: Mapping[str, Tensor]
    """Of "G" and "D", each as one vector."""
    gradients: Mapping[str, Tensor]


class StepLog:
    """Tiny networks, their optimizers, data and noise: the arguments of a step, which write a log.

    The data have 3 dimensions, latent vectors 2. `moments` is the log of the current iteration.
    """

    def __init__(self, seed: int) -> None:
        rng = seeded(seed)
        self.nets, self.spare = networks(rng), networks(rng)
        self.parameters = {name: list(net.parameters()) for name, net in self.nets.items()}
        self.x_rng, self.z_rng = seeded(seed + 1), seeded(seed + 2)
        self.optimizers = [LoggedSGD(net, name, self) for name, net in self.nets.items()]
        self.moments: list[Moment] = []

    def iterate(self, answer: Callable[..., Any], m: int, k: int) -> Any:
        """One iteration of an answer, with batches of m examples; returns what it returned."""
        self.moments, self.m = [], m
        options = {} if k == 1 else {"k": k}  # 1 is the default
        try:
            return answer(*self.nets.values(), *self.optimizers, self, self.sample_z, **options)
        except NotImplementedError:
            raise
        except (RuntimeError, ValueError) as error:  # torch's: say what it means here
            text = str(error).split("\n")[0]
            advice = advise(text, self, k)
            if not advice:
                raise
            kind = ValueError if isinstance(error, ValueError) else RuntimeError
            raise kind(f"{text}. {advice}") from error

    def __iter__(self) -> Iterator[Tensor]:
        return self

    def __next__(self) -> Tensor:
        if self.count(BATCH) == MOST:
            raise AnswerError(
                f"Your code took {MOST} batches in one iteration and asked for more: `batches` "
                "never ends, and so a loop `for x in batches` doesn't either. Use "
                "x = next(batches), once in each of D's k steps."
            )
        x = torch.randn(self.m, 3, generator=self.x_rng) + 1
        self.note(BATCH, x)
        return x

    def sample_z(self, m: int) -> Tensor:
        """Draw m latent vectors."""
        if not isinstance(m, SupportsIndex):
            raise TypeError(f"m in sample_z(m) should be an integer, not a {type(m).__name__}")
        z = torch.randn(index(m), 2, generator=self.z_rng)
        self.note(NOISE, z)
        return z

    def note(self, call: str, given: Tensor | None = None) -> None:
        """Write a call down, with what it returns and the state of both networks."""
        given = torch.zeros(0) if given is None else given.clone()
        weights = {n: parameters_to_vector(ps).detach() for n, ps in self.parameters.items()}
        gradients = {n: gradient(ps) for n, ps in self.parameters.items()}
        self.moments.append(Moment(call, given, weights, gradients))

    def count(self, call: str) -> int:
        """How many times something was called in this iteration."""
        return sum(moment.call == call for moment in self.moments)

    def last(self, call: str, before: int) -> int | None:
        """The place in the log of the last such call before a place."""
        places = [n for n, moment in enumerate(self.moments[:before]) if moment.call == call]
        return places[-1] if places else None

    def steps(self, name: str) -> list[int]:
        """Where in the log a network's optimizer steps."""
        return [n for n, moment in enumerate(self.moments) if moment.call == f"opt_{name}.step()"]


class LoggedSGD(torch.optim.SGD):
    """SGD that writes its calls into a log. Not Adam: a step shows the size of a gradient."""

    def __init__(self, net: nn.Module, name: str, log: StepLog) -> None:
        super().__init__(net.parameters(), lr=0.2)
        self.name, self.log = name, log

    def __getstate__(self) -> dict[str, Any]:  # a copy writes too
        return {**super().__getstate__(), "name": self.name, "log": self.log}

    def zero_grad(self, set_to_none: bool = True) -> None:
        self.log.note(f"opt_{self.name}.zero_grad()")
        super().zero_grad(set_to_none)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = closure() if closure else None
        self.log.note(f"opt_{self.name}.step()")
        super().step()
        return loss


class Dense(nn.Linear):
    """A linear layer with weights from a generator; nn.Linear's own draw takes longer."""

    def __init__(self, n_in: int, n_out: int, rng: torch.Generator) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = n_in, n_out
        self.weight = nn.Parameter(torch.randn(n_out, n_in, generator=rng) / n_in**0.5)
        self.bias = nn.Parameter(torch.randn(n_out, generator=rng) / 2)


def networks(rng: torch.Generator) -> dict[str, nn.Module]:
    """G, from 2 dimensions to 3, and D, with one logit per example."""
    G = nn.Sequential(Dense(2, 4, rng), nn.LeakyReLU(0.2), Dense(4, 3, rng))
    D = nn.Sequential(Dense(3, 5, rng), nn.LeakyReLU(0.2), Dense(5, 1, rng), nn.Flatten(0))
    return {"G": G, "D": D}


def gradient(parameters: Sequence[Tensor]) -> Tensor:
    """A network's gradient as one vector, 0 where there is none."""
    parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    return torch.cat([part.detach().flatten() for part in parts])


def advise(text: str, log: StepLog, k: int) -> str:
    """What an error of torch means in a training step; empty for others."""
    if "does not require grad" in text and log.count("opt_D.step()") < k:
        return (
            "In D's turn only G(z) belongs under no_grad() or detach(): D(x), D(fakes) and the "
            "loss need their graph."
        )
    if "does not require grad" in text:
        return "In G's turn nothing belongs under no_grad() or detach(): its loss needs its graph."
    if "Target size" in text:
        return "Make labels of the shape of D's logits, (m,): torch.ones_like(logits)."
    if "mat1 and mat2" in text and not log.count(NOISE):
        return "Draw latent vectors with sample_z(m): they have the size that G takes."
    return ""
