"""The exercise registry: one record drives the student's check, the grader and the tests.

An exercise's `cases` are fresh random inputs; `observe` runs an answer on one of them and returns
tensors. `verdicts.compare` compares those of an answer with those of the reference, and, where they
differ, with those of the `slips`: wrong answers that people really write, each with its hint.
"""

import copy
import numbers
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from gancourse.exercises.differences import FACT, GRADIENT, Failure, Observation, difference
from gancourse.exercises.parts import Part
from gancourse.exercises.watch import named

LARGEST = 10**7  # values in an observation: an answer that was broadcast by mistake can be vast
MOST = 64  # results in a sequence


@dataclass(frozen=True)
class Case:
    """One input for an answer: the arguments it is called with."""

    args: tuple = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    note: str = ""
    """The input in words, for the diagnosis: "on logits [-6, 2]"."""
    device: bool = False
    """Whether the answer runs on a simulated CUDA device: only what would fail there counts."""


class AnswerError(Exception):
    """Raised by `observe` or `conclude` for a wrong answer; the student sees the message.

    `right` names what is right all the same, for the exercise's parts.
    """

    def __init__(self, text: str, right: Sequence[str] = ()) -> None:
        super().__init__(text)
        self.right = tuple(right)


def observe_call(answer: Callable[..., Any], case: Case) -> Observation:
    """Call the answer with copies of the case's arguments, and observe its result.

    A dictionary is observed key by key, a tuple or list entry by entry. For each tensor that
    requires a gradient, the gradient that reaches it is observed too.
    """
    args, kwargs = copied(case.args), copied(dict(case.kwargs))
    result = answer(*args, **kwargs)
    given = named(getattr(answer, "reference", answer), args, kwargs)
    inputs = {n: x for n, x in given.items() if isinstance(x, Tensor) and x.requires_grad}
    return {**observe_result(result), **gradients(result, inputs)}


def observe_result(result: Any) -> Observation:
    """The values of what an answer returned: a tensor, a number, or several of them."""
    if isinstance(result, Mapping):
        return {str(key): as_tensor(value, str(key)) for key, value in result.items()}
    if isinstance(result, (tuple, list)):
        if len(result) > MOST:
            raise AnswerError(f"Your function returned {len(result)} results, more than {MOST}.")
        return {f"result {n}": as_tensor(x, f"result {n}") for n, x in enumerate(result, start=1)}
    seen = {"result": as_tensor(result)}
    if seen["result"].dim() and not isinstance(result, Tensor):
        fact = f"{FACT}Return a tensor, not {type(result).__name__}: the notebook computes with it."
        return {**seen, fact: torch.tensor(True)}
    return seen


def gradients(result: Any, inputs: Mapping[str, Tensor]) -> Observation:
    """The gradient at each input, of a weighted sum of all results; empty where none arrives."""
    if not inputs:
        return {}
    rng, total = torch.Generator().manual_seed(0), torch.zeros((), dtype=torch.double)
    for x in tree_leaves(result):
        if isinstance(x, Tensor) and x.is_floating_point():
            weights = torch.rand(x.shape, generator=rng, dtype=torch.double) + 0.5
            total = total + (x.double() * weights).sum()
    found: Sequence[Tensor | None] = [None] * len(inputs)
    if total.requires_grad:
        found = torch.autograd.grad(total, list(inputs.values()), allow_unused=True)
    none = torch.zeros(0)
    return {
        f"{GRADIENT}`{name}`": none if g is None or not g.any() else g.detach()
        for name, g in zip(inputs, found, strict=True)
    }


def observe_value(answer: Any, case: Case) -> Observation:
    """A number, or a letter chosen from a list ("b"; case and spaces don't matter)."""
    if isinstance(answer, str):
        letters = answer.strip().lower().strip("().:")  # "(b)" and "b." are answers too
        return {"choice": torch.tensor([ord(letter) for letter in letters])}
    value = as_tensor(answer)
    return {"value": value.reshape(()) if value.numel() == 1 else value}


def as_tensor(value: Any, name: str = "result") -> Tensor:
    """A detached CPU tensor of whatever an answer returned, or AnswerError saying why not."""
    if value is None:
        raise AnswerError("Your function returned nothing (None). Is a `return` missing?")
    if value is Ellipsis:
        raise NotImplementedError
    try:
        if isinstance(value, numbers.Number) and not isinstance(value, (int, complex)):
            value = float(value)  # also a Fraction or a Decimal
        tensor = torch.as_tensor(value).detach()
        if tensor.numel() > LARGEST:
            raise AnswerError(f"The {name} is far too large: its shape is {tuple(tensor.shape)}.")
        return tensor.to_dense().clone().cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        kind = type(value).__name__
        raise AnswerError(f"The {name} should be a number or a tensor, not a {kind}.") from error


def copied(value: Any) -> Any:
    """A copy of arguments, also of lists, dictionaries and networks among them."""
    if isinstance(value, Tensor):
        return value.detach().clone().requires_grad_(value.requires_grad)
    if isinstance(value, nn.Module):
        return copy.deepcopy(value)
    if isinstance(value, torch.Generator):
        return torch.Generator().set_state(value.get_state())
    if isinstance(value, Mapping):
        return {key: copied(part) for key, part in value.items()}
    return type(value)(map(copied, value)) if type(value) in (list, tuple, set) else value


@dataclass(frozen=True)
class Exercise:
    """One exercise: its reference, its test inputs, and known wrong answers."""

    id: str
    title: str
    points: int
    minutes: int
    reference: Any
    """The package's own object: what the notebook continues with if the student is stuck."""
    cases: Callable[[torch.Generator], Sequence[Case]]
    """Fresh random inputs at every call, from a CPU generator."""
    observe: Callable[[Any, Case], Observation] = observe_call
    slips: Mapping[str, Any] = field(default_factory=dict)
    """Hint -> the wrong answer that gets it, or a list of several: answers people really write."""
    alternatives: tuple[Any, ...] = ()
    """Other right answers: they must pass."""
    advice: str = ""
    """A test that students can make, for where no slip is recognized and nothing else is known."""
    rtol: float = 1e-4
    atol: float = 1e-5
    conclude: Callable[[Observation, Case], Observation] | None = None
    """Where right answers differ, as random numbers do: from the raw results that `observe` returns
    to what they have in common; facts are kept. The grader calls it where no answer reaches it."""
    parts: tuple[Part, ...] = ()
    """What earns a part of the points on its own; the rest is for an answer that is right."""

    @property
    def hints(self) -> tuple[str, ...]:
        """The hints of the slips, in order."""
        return tuple(self.slips)

    @property
    def wrong_answers(self) -> list[tuple[int, Any]]:
        """Every wrong answer of the slips, each with its slip's index."""
        every = [a if isinstance(a, list) else [a] for a in self.slips.values()]
        return [(n, answer) for n, answers in enumerate(every) for answer in answers]

    @property
    def notebook(self) -> str:
        """Number of the notebook: "02" for exercise "2.3"."""
        return f"{int(self.id.split('.')[0]):02d}"

    def draw(self, seed: int) -> list[Case]:
        """The cases of a seed; the first of them once more, on a simulated CUDA device."""
        cases = list(self.cases(torch.Generator().manual_seed(seed)))
        if self.observe is observe_value:
            return cases
        return [*cases, replace(cases[0], note="", device=True)]

    def differ(self, wanted: Observation | Failure, got: Observation | Failure) -> str:
        """The first difference between two observations, in words; empty if they agree."""
        return difference(wanted, got, self.rtol, self.atol)
