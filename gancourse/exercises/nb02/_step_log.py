"""A GAN training step under observation: its calls, and the gradients that its steps follow."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import index
from typing import Any, SupportsIndex

import torch
from torch import Tensor, nn
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from gancourse.exercises.base import AnswerError
from gancourse.exercises.observe import seeded
from gancourse.papers import gan

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


# What is wrong with an iteration -----------------------------------------------------------------
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


def problem(log: StepLog, k: int) -> str:
    """What is wrong with the calls of an iteration, or with a step's gradient; empty if nothing."""
    for name, parameters in log.parameters.items():
        if not all(p.requires_grad for p in parameters):
            return (
                f"After your step the weights of {name} don't require a gradient any more, so the "
                f"next iteration can't train it. End with {name}.requires_grad_(True)."
            )
    return _calls(log, k) or _order(log) or _sizes(log) or _gradients(log)


def _calls(log: StepLog, k: int) -> str:
    """Which calls are too few or too many, and what to do."""
    wanted = {BATCH: k, NOISE: k + 1, "opt_D.step()": k, "opt_G.step()": 1}
    wrong = [call for call, n in wanted.items() if log.count(call) != n]
    if not wrong:
        return ""
    counts = [f"{call} {log.count(call)}, should be {wanted[call]}" for call in wrong]
    what_to_do = _too_few_noise(log, k) if wrong == [NOISE] else _other_calls(log, k)
    return f"Number of calls in one iteration: {'; '.join(counts)}. {what_to_do}".strip()


def _other_calls(log: StepLog, k: int) -> str:
    x, z, d, g = (log.count(call) for call in (BATCH, NOISE, "opt_D.step()", "opt_G.step()"))
    if not d or not g:
        return f"Without its optimizer's step {'G' if d else 'D'} never moves."
    if g > 1:
        return "G takes one step, in its own turn after the loop over k."
    if d == 2 * k and x == k:
        return "Don't take separate steps for real and fake examples: add both terms, step once."
    if d > k:
        return "D takes too many steps."
    if d < k and x == k:
        return "opt_D.step() belongs inside the loop over k."
    if d < k:
        return "Repeat D's turn k times: for _ in range(k)."
    if x < k:
        return "Each of D's k steps needs a fresh batch: call next(batches) inside the loop."
    if x == k + 1:
        return "G's turn needs no real examples, only noise."
    return ONLY_SAMPLE_Z if not z else ""


ONLY_SAMPLE_Z = (
    "Draw all noise with sample_z(m), in both turns: that gives the right size, distribution, "
    "device and seed."
)


def _too_few_noise(log: StepLog, k: int) -> str:
    """In which turn noise is missing, and what is used there."""
    if not log.count(NOISE):
        return ONLY_SAMPLE_Z
    last = log.steps("D")[-1]
    in_D = sum(moment.call == NOISE for moment in log.moments[:last])
    in_G = log.count(NOISE) - in_D
    if in_D < k and in_G == 1:
        if k > 1 and in_D:
            return "D's k steps share noise: call sample_z inside the loop, for each of them."
        return f"It is missing in D's turn. {ONLY_SAMPLE_Z}"
    if in_D != k or in_G:
        return "Once in each of D's k steps, and once more in G's turn."
    place = log.steps("G")[0]
    now = log.moments[place].gradients["G"]
    if now.any() and not _close(now, _expected(log, place)):
        return f"It is missing in G's turn. {ONLY_SAMPLE_Z}"
    more = "" if now.any() else ", which have no graph: G has no gradient and never moves"
    return (
        f"G's turn uses the noise or the fakes of D's turn again{more}. PyTorch's DCGAN tutorial "
        "reuses the fakes, with their graph; Algorithm 1 and this exercise draw fresh noise for G: "
        "D(G(sample_z(len(x))))."
    )


def _order(log: StepLog) -> str:
    if log.steps("G")[0] > log.steps("D")[-1]:
        return ""
    return (
        "opt_G.step() comes before opt_D.step(), but D's turn comes first. (Or are the two "
        "optimizers swapped?)"
    )


def _sizes(log: StepLog) -> str:
    sizes = [len(moment.given) for moment in log.moments if moment.call == NOISE]
    if all(size == log.m for size in sizes):
        return ""
    asked = ", then ".join(map(str, sizes))
    return (
        f"Your code asks sample_z for {asked} latent vectors, where a batch has {log.m} real "
        "examples. Use m = len(x), in both turns."
    )


def _gradients(log: StepLog) -> str:
    """A step without a gradient, or with an old one in it."""
    for name, start in (("D", BATCH), ("G", NOISE)):
        for n, place in enumerate(log.steps(name)):
            begin = log.last(start, place) or 0
            now, old = (log.moments[i].gradients[name] for i in (place, begin))
            if not now.any():
                return _no_gradient(log, name, begin, place)
            new = _expected(log, place) if old.any() else now
            if _close(now, new) or not _close(now, new + old):
                continue
            text = f"opt_{name}.step() uses the new gradient plus an old one, from"
            if name == "D":
                source = "the step of D before it" if n else "the iteration before"
                return (
                    f"{text} {source}. Call opt_D.zero_grad() at the start of each step of D. "
                    "(G's turn leaves gradients in D, too.)"
                )
            if log.moments[0].gradients["G"].any():
                return f"{text} the iteration before. Call opt_G.zero_grad() before backward()."
            return (
                f"{text} D's turn. Detach the fakes there, and call opt_G.zero_grad() before "
                "backward() in G's turn."
            )
    return ""


def _no_gradient(log: StepLog, name: str, begin: int, place: int) -> str:
    """Why a step has no gradient."""
    before, old = log.moments[place - 1], log.moments[begin].gradients
    if before.call == f"opt_{name}.zero_grad()" and not _close(before.gradients[name], old[name]):
        return (
            f"opt_{name}.zero_grad() comes between backward() and step(), so {name} can't move. "
            "The order is zero_grad(), backward(), step()."
        )
    text = f"At opt_{name}.step() {name} has no gradient, so it can't move"
    gradient_D = log.moments[place].gradients["D"]
    if name == "G" and gradient_D.any() and not _close(gradient_D, old["D"]):
        return (
            f"{text}: the fakes of G's turn are detached, or made under no_grad(). There the "
            "gradient must flow through D into G, D(G(z))."
        )
    return (
        f"{text}: is backward() missing, does a zero_grad() come after it, or does the loss not "
        f"depend on {name}'s weights?"
    )


def _expected(log: StepLog, place: int) -> Tensor:
    """The gradient that a step should follow: with the batch and noise that were drawn last."""
    moment = log.moments[place]
    batch, noise = log.last(BATCH, place), log.last(NOISE, place)
    if batch is None or noise is None:
        return torch.zeros(0)
    for name, net in log.spare.items():
        vector_to_parameters(moment.weights[name], net.parameters())
    G, D = log.spare.values()
    x, z = log.moments[batch].given, log.moments[noise].given
    if moment.call == "opt_D.step()":
        net, loss = D, gan.discriminator_loss(D(x), D(G(z)))
    else:
        net, loss = G, gan.non_saturating_loss(D(G(z)))
    parts = torch.autograd.grad(loss, list(net.parameters()))
    return torch.cat([part.flatten() for part in parts])


def part_of_gradient(log: StepLog) -> str:
    """Why D's gradient at its first step is only a part of that of its loss, or more; else empty.

    For an iteration whose losses are right.
    """
    place = log.steps("D")[0]
    batch, *noise = (log.last(call, place) for call in (BATCH, NOISE))
    if batch is None or noise == [None]:
        return ""
    before = log.last(NOISE, noise[0])
    places = [noise[0] if before is None else before, noise[0]]
    z_D, z_G = (log.moments[n].given for n in places)
    for name, net in log.spare.items():
        vector_to_parameters(log.moments[place].weights[name], net.parameters())
    G, D = log.spare.values()
    real, fake = D(log.moments[batch].given), D(G(z_D).detach())
    weights, zero = list(D.parameters()), torch.tensor(0.0)
    now = log.moments[place].gradients["D"]
    parts = {
        "the real examples only: is the fakes' term missing, or D(fakes) under no_grad()? Only "
        "G(z) belongs there.": (gan.discriminator_loss(real, fake.detach()), zero),
        "the fakes only: is the term of x missing, or D(x) under no_grad()?": (
            gan.discriminator_loss(real.detach(), fake), zero,
        ),
        "both losses: G's loss was backpropagated before opt_D.step(). First finish D's turn; then "
        "compute G's loss.": (
            gan.discriminator_loss(real, fake), gan.non_saturating_loss(D(G(z_G))),
        ),
    }  # fmt: skip
    for text, losses in parts.items():
        gradients = torch.autograd.grad(sum(losses), weights, retain_graph=True)
        if _close(now, torch.cat([g.flatten() for g in gradients])):
            return f"D's gradient at opt_D.step() comes from {text}"
    return ""


def _close(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and torch.allclose(a, b, rtol=1e-3, atol=1e-6)
