"""What several exercises of notebook 06 share."""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from gancourse.exercises.base import AnswerError, Observation, as_tensor
from gancourse.exercises.differences import FACT, GRADIENT
from gancourse.exercises.observe import images, observe_network


def observe_list(answer: Any, names: Sequence[str]) -> Observation:
    """Observe a list of tensors: its length, and each tensor by its name."""
    if not isinstance(answer, (list, tuple)):
        if answer is None or answer is Ellipsis:
            as_tensor(answer)
        raise AnswerError(f"Return a list of tensors, not a {type(answer).__name__}.")
    more = [f"entry {n} of the list" for n in range(len(names) + 1, len(answer) + 1)]
    tensors = zip([*names, *more], answer, strict=False)
    count = {"number of entries in the list": torch.tensor(len(answer))}
    return count | {name: as_tensor(x, name) for name, x in tensors}


def observe_forward(
    net: Any, rng: torch.Generator, trained: tuple[str, ...], **shapes: tuple[int, ...]
) -> Observation:
    """Observe a network of several inputs.

    Parameters
    ----------
    net : nn.Module
        The answer; its weights are overwritten.
    rng : torch.Generator
        Draws inputs and weights.
    trained : tuple[str, ...]
        The inputs that a gradient has to reach.
    **shapes : tuple[int, ...]
        The shape of each input of `forward`, by its name, in order.
    """
    trained_fully = True
    if isinstance(net, nn.Module):
        _refuse_lists(net)
        given = {name: images(rng, *shape) for name, shape in shapes.items()}
        trained_fully = _every_weight_is_reached(net, given)
    seen = dict(observe_network(net, rng, *shapes.values()))
    for n, name in enumerate(shapes, start=1):
        found = seen.pop(f"{GRADIENT}`input {n}`")
        if name in trained:
            seen[f"{GRADIENT}`{name}`"] = found
    del seen["number of weights and biases"]  # the weights that are used are seen one by one
    if not trained_fully:
        fact = "Some weights get no gradient: there is a layer that forward does not use, or a "
        seen[f"{FACT}{fact}detach() or no_grad() in forward."] = torch.tensor(True)
    return seen


def _refuse_lists(net: nn.Module) -> None:
    """Layers in a plain list don't belong to the network."""
    own = set(net.modules())
    for name, value in vars(net).items():
        if not name.startswith("_") and isinstance(value, (list, tuple, dict)):
            if any(isinstance(x, nn.Module) and x not in own for x in tree_leaves(value)):
                raise AnswerError(
                    f"The layers in self.{name} don't belong to the network: a Python "
                    f"{type(value).__name__} does not register them, so they would not be "
                    "trained. Use nn.ModuleList or nn.Sequential."
                )


def _every_weight_is_reached(net: nn.Module, given: dict[str, Tensor]) -> bool:
    """Whether all weights get a gradient; an error if `forward` changes what it is given."""
    before = {name: x.clone() for name, x in given.items()}
    y = net(*given.values())
    for name, x in given.items():
        if not torch.equal(x, before[name]):
            raise AnswerError(
                f"Your forward changes `{name}` in place, and the caller still needs it. Make a "
                f"new tensor: {name} = {name} * 2 does, {name} *= 2 does not."
            )
    if isinstance(y, Tensor) and y.requires_grad:
        y.sum().backward()
    return all(p.grad is not None for p in net.parameters())


def copy_pixels(x: Tensor) -> Tensor:
    """Double the side by copying each pixel: what `up` does not do."""
    return F.interpolate(x, scale_factor=2, mode="nearest")


def align_corners(x: Tensor) -> Tensor:
    """Double the side with the corners kept in place: what `up` does not do."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)


def bicubic(x: Tensor) -> Tensor:
    """Double the side by bicubic interpolation: what `up` does not do."""
    return F.interpolate(x, scale_factor=2, mode="bicubic")
