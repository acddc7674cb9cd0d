"""Exercise 4.7: forgetting feature maps."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gancourse.exercises.base import FACT, Case, Exercise, Observation, as_tensor
from gancourse.exercises.observe import fill, integer, seeded
from gancourse.exercises.parts import Part
from gancourse.papers import dcgan, dcgan_probes

LEFT = (
    f"{FACT}Afterwards your hook is still on the layer, so G stays changed. Keep what "
    "register_forward_hook returns, and call its remove()."
)
TAKEN = (
    f"{FACT}You also remove hooks that were on the layer before. Keep what register_forward_hook "
    "returns, and call remove() of your own hook only."
)


def draw_without(G: nn.Module, layer: nn.Module, maps: list[int], z: Tensor) -> Tensor:
    """Images that G draws from z with some feature maps of a layer set to 0."""
    with torch.no_grad(), dcgan_probes.without_maps(layer, maps):
        return G(z)


def some_maps(rng: torch.Generator) -> list[Case]:
    seed = integer(rng, 0, 10**6)
    return [
        Case((3, [1, 3], seed), note="with two maps"),
        Case((4, [2], seed), note="with one map of a convolution"),
        Case((3, [], seed), note="with an empty list of maps, and one z"),
    ]


def observe_without(answer: Callable[..., Any], case: Case) -> Observation:
    number, maps, seed = case.args
    rng = seeded(seed)
    G = fill(dcgan.Generator(5, 2, 3, 16), rng).eval()
    for norm in (m for m in G.modules() if isinstance(m, nn.BatchNorm2d)):
        norm.bias.data.abs_().add_(0.1)  # so that a 0 before batch norm comes out as something
    layer = G.layers[number]  # a ReLU with 6 maps of 4 x 4, or a convolution with 3 of 8 x 8
    layer.register_forward_hook(lambda *_: None)  # somebody else's
    z, before = torch.randn(4 if maps else 1, 5, generator=rng), set(layer._forward_hooks)
    result = as_tensor(answer(G, layer, list(maps), z))
    facts = {LEFT: set(layer._forward_hooks) - before, TAKEN: before - set(layer._forward_hooks)}
    return {"images": result, **{fact: torch.tensor(True) for fact, some in facts.items() if some}}


def hooked(change: Callable[[Tensor, list[int]], Tensor | None], on: int = 0) -> Any:
    """Make a draw_without that changes the layer's output in another way."""

    def draw(G: nn.Module, layer: nn.Module, maps: list[int], z: Tensor) -> Tensor:
        inner = [m for m in G.modules() if not list(m.children())]
        target = inner[inner.index(layer) - on]
        hook = target.register_forward_hook(lambda _l, _i, out: change(out.clone(), maps))
        try:
            with torch.no_grad():
                return G(z)
        finally:
            hook.remove()

    return draw


def zeroed(out: Tensor, maps: list[int], value: float = 0) -> Tensor:
    out[:, maps] = value
    return out


def zeroed_images(out: Tensor, maps: list[int]) -> Tensor:
    out[maps] = 0
    return out


def zeroed_rows(out: Tensor, maps: list[int]) -> Tensor:
    out[:, :, maps] = 0
    return out


def zeroed_columns(out: Tensor, maps: list[int]) -> Tensor:
    out[..., maps] = 0
    return out


def zeroed_rest(out: Tensor, maps: list[int]) -> Tensor:
    return out - zeroed(out.clone(), maps)


def averaged(out: Tensor, maps: list[int]) -> Tensor:
    return zeroed(out, maps, out.mean().item())


def averaged_alone(out: Tensor, maps: list[int]) -> Tensor:
    out[:, maps] = out[:, maps].mean((2, 3), keepdim=True)
    return out


def masked(out: Tensor, maps: list[int]) -> Tensor:
    keep = torch.ones(out.shape[1], device=out.device)
    keep[maps] = 0
    return out * keep.view(1, -1, 1, 1)


def filled(out: Tensor, maps: list[int]) -> Tensor:
    """Fails for an empty list: a tensor of nothing has floats."""
    return out.index_fill(1, torch.tensor(maps, device=out.device), 0.0)


def before_the_layer(G: nn.Module, layer: nn.Module, maps: list[int], z: Tensor) -> Tensor:
    hook = layer.register_forward_pre_hook(lambda _l, inputs: zeroed(inputs[0].clone(), maps))
    with hook, torch.no_grad():
        return G(z)


def on_G(G: nn.Module, layer: nn.Module, maps: list[int], z: Tensor) -> Tensor:  # noqa: N802
    with G.register_forward_hook(lambda _l, _i, out: zeroed(out.clone(), maps)), torch.no_grad():
        return G(z)


def in_train_mode(G: nn.Module, layer: nn.Module, maps: list[int], z: Tensor) -> Tensor:
    return draw_without(G.train(), layer, maps, z)


EXERCISE = Exercise(
    id="4.7",
    title="Forgetting feature maps",
    points=3,
    minutes=12,
    reference=draw_without,
    cases=some_maps,
    observe=observe_without,
    parts=(Part("two maps", 2, cases=(0,)),),
    slips={
        "You set images of the batch to 0 (dimension 0). Feature maps are dimension 1: "
        "output[:, maps].": hooked(zeroed_images),
        "You set rows or columns of every map to 0. Feature maps are dimension 1: "
        "output[:, maps].": [hooked(zeroed_rows), hooked(zeroed_columns)],
        "You kept the listed maps and dropped all others.": hooked(zeroed_rest),
        "You set the maps to a mean. Set them to 0, which after a ReLU means: nothing detected.": [
            hooked(averaged),
            hooked(averaged_alone),
        ],
        "Set the maps to 0, whatever other values the layer's output has.": [
            hooked(lambda out, maps: zeroed(out, maps, -1)),
            hooked(lambda out, maps: zeroed(out, maps, 1)),
            hooked(lambda out, maps: zeroed(out, maps, out.min().item())),
        ],
        "You change the input of `layer`. Change its output, with a forward hook: "
        "hook(layer, inputs, output).": before_the_layer,
        "The hook is on G, whose output is images. Register it on `layer`.": on_G,
        "The mask has one number for each map, and needs the shape (maps, 1, 1): "
        "[:, None, None].": hooked(lambda out, maps: out * torch.ones(out.shape[1])),
        "You dropped them before batch norm, whose shift adds something back. Change the output "
        "of `layer` itself.": hooked(zeroed, on=2),
        "Nothing was dropped: these are G's usual images. Is the hook on `layer`, does it return "
        "the changed tensor, and do you draw with G itself, not with a copy of it?": (
            lambda G, layer, maps, z: G(z).detach()
        ),
        "Only the last map of the list is 0: start from one clone, outside of the loop over "
        "maps.": hooked(lambda out, maps: zeroed(out, maps[-1:])),
        "Only the first map of the list is 0: return after the loop over maps, not inside.": hooked(
            lambda out, maps: zeroed(out, maps[:1])
        ),
        "You drop as many maps as the list has entries, but the first ones. The entries are the "
        "maps' numbers.": hooked(lambda out, maps: zeroed(out, [*range(len(maps))])),
        "Maps are numbered from 0, as dimension 1 is indexed: don't shift their numbers.": hooked(
            lambda out, maps: zeroed(out, [m - 1 for m in maps])
        ),
        "A tensor made from an empty list has floats, which can't be indices: "
        "torch.tensor(maps, dtype=torch.long).": hooked(filled),
        "In train mode batch norm uses batch statistics, and G draws other images. Leave G in "
        "the mode it is in.": in_train_mode,
    },
    alternatives=(hooked(zeroed), hooked(masked)),
    advice="Compare the layer's output with and without your hook: are the listed maps 0 at every "
    "position, and all other maps unchanged?",
)
