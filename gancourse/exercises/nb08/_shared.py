"""What exercises of notebooks 08 and 09 share: observing networks, and results of one number."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils._pytree import tree_leaves

from gancourse.exercises.base import AnswerError, Case, Observation, observe_call
from gancourse.exercises.differences import STEP
from gancourse.exercises.observe import observe_network


def observe_number(answer: Callable[..., Any], case: Case) -> Observation:
    """As `observe_call`, where the result is one number: a tensor of any shape will do."""
    seen = observe_call(answer, case)
    x = seen.get("result")
    return {**seen, "result": x.reshape(())} if x is not None and x.numel() == 1 else seen


def observe_layers(net: Any, rng: torch.Generator, *inputs: tuple[int, ...]) -> Observation:
    """As `observe_network`, with how many weights there are first, so that steps explain it."""
    try:
        seen = observe_network(net, rng, *inputs)
    except RuntimeError as error:
        if "leaf Variable" not in str(error):
            raise
        text = "forward changes its input x in place, as += and inplace=True do: make a new tensor."
        raise AnswerError(text) from error
    own = {id(p) for p in net.parameters()}
    parts = [x for m in net.modules() for x in tree_leaves(vars(m)) if isinstance(x, nn.Module)]
    if not own or any(id(p) not in own for part in parts for p in part.parameters()):
        raise AnswerError(
            "An optimizer would not find all weights of this network. Make the layers in __init__, "
            "each as an attribute or in an nn.Sequential or nn.ModuleList, not in a plain list."
        )
    used = sum(name.startswith("weight ") for name in seen)
    kept = {_step(name): x for name, x in seen.items() if not name.endswith(SHAPING)}
    for name, x in kept.items():
        if name.startswith("weight "):  # weights of other shapes have other values: nothing in
            kept[name] = torch.full(x.shape, float(x.numel()))  # common that could be described
    return {"number of tensors with weights or biases": torch.tensor(used), **kept}


SHAPING = ("flatten", "squeeze")  # steps that can be written in many ways


def _step(name: str) -> str:
    """The name of a step, the same for both ways to write a padding of 1."""
    same = name.startswith(STEP) and " 3x3," in name
    return name.replace("padding same", "padding 1") if same else name
