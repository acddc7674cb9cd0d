"""Exercise 4.7: forgetting feature maps."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gancourse.exercises.base import Case, Exercise, Observation, as_tensor
from gancourse.exercises.observe import fill, integers, seeded
from gancourse.papers import dcgan, dcgan_probes


def draw_without(G: nn.Module, layer: nn.Module, maps: list[int], z: Tensor) -> Tensor:
    """Images that G draws from z with some feature maps of a layer set to 0."""
    with torch.no_grad(), dcgan_probes.without_maps(layer, maps):
        return G(z)


def observe_without(answer: Callable[..., Any], case: Case) -> Observation:
    first, seed = case.args
    rng = seeded(seed)
    G = fill(dcgan.Generator(5, 1, 3, 16), rng).eval()
    for norm in (m for m in G.modules() if isinstance(m, nn.BatchNorm2d)):
        norm.bias.data.abs_()  # so that a 0 before batch norm comes out as something
    layer = dcgan_probes.activation_layers(G)[0]  # 6 maps of 4 x 4
    z = torch.randn(8, 5, generator=rng)
    before = G(z).detach()
    result = as_tensor(answer(G, layer, [first, first + 2], z.clone()))
    with torch.no_grad():
        same = torch.tensor(torch.equal(before, G(z)))
    return {"images": result, "G afterwards draws what it drew": same}


def hooked(change: Callable[[Tensor, list[int]], Tensor], leave: bool = False, on: int = 0) -> Any:
    """Make a draw_without that changes the layer's output in another way."""

    def draw(G: nn.Module, layer: nn.Module, maps: list[int], z: Tensor) -> Tensor:
        inner = [m for m in G.modules() if not list(m.children())]
        target = inner[inner.index(layer) - on]
        hook = target.register_forward_hook(lambda _l, _i, out: change(out.clone(), maps))
        with torch.no_grad():
            images = G(z)
        if not leave:
            hook.remove()
        return images

    return draw


def zeroed(out: Tensor, maps: list[int]) -> Tensor:
    out[:, maps] = 0
    return out


def zeroed_images(out: Tensor, maps: list[int]) -> Tensor:
    out[maps] = 0
    return out


def zeroed_rest(out: Tensor, maps: list[int]) -> Tensor:
    return out - zeroed(out.clone(), maps)


def averaged(out: Tensor, maps: list[int]) -> Tensor:
    out[:, maps] = out.mean()
    return out


def masked(out: Tensor, maps: list[int]) -> Tensor:
    keep = torch.ones(out.shape[1])
    keep[maps] = 0
    return out * keep.view(1, -1, 1, 1)


EXERCISE = Exercise(
    id="4.7",
    title="Forgetting feature maps",
    points=3,
    minutes=12,
    reference=draw_without,
    cases=lambda rng: integers(rng, (0, 3)),
    observe=observe_without,
    slips={
        "You set images of the batch to 0 (dimension 0). Feature maps are dimension 1.": hooked(
            zeroed_images
        ),
        "You kept the listed maps and dropped all others.": hooked(zeroed_rest),
        "The images are right, but the hook is still there, so G stays changed. Remove it.": hooked(
            zeroed, leave=True
        ),
        "You set the maps to the mean. After a ReLU, 0 means that nothing was detected.": hooked(
            averaged
        ),
        "You dropped them before batch norm, whose shift adds something back. Change the output "
        "of `layer` itself.": hooked(zeroed, on=2),
        "Nothing was dropped: these are G's usual images.": lambda G, layer, maps, z: G(z).detach(),
    },
    alternatives=(hooked(zeroed), hooked(masked)),
)
