"""Exercise 6.6: the sampling chain."""

from collections.abc import Callable, Iterable
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from gancourse.exercises.base import AnswerError, Case, Exercise, Observation, copied
from gancourse.exercises.nb06._shared import align_corners, bicubic, copy_pixels, observe_list
from gancourse.exercises.observe import images, integer, seeded
from gancourse.exercises.parts import Part
from gancourse.papers import lapgan


class Level(nn.Module):
    """A simple generator of a level, different for each scale and for each input."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scale))

    def forward(self, z: Tensor, low: Tensor) -> Tensor:
        if z.shape != (len(low), 1, *low.shape[2:]):
            raise ValueError(
                "G(z, low) takes z of shape (B, 1, H, W) and low of shape (B, C, H, W); it got "
                f"{tuple(z.shape)} and {tuple(low.shape)}"
            )
        return self.scale * z - 0.5 * self.scale * low.flip(3) * low


def chain_cases(rng: torch.Generator) -> list[Case]:
    """Two levels and one; values beyond 1, also in the coarse image."""
    return [
        Case((1.5 * images(rng, 2, 3, 4, 4), integer(rng, 0, 10**6), 2),
             note="from 2 colour images of 4 x 4 with 2 levels"),
        Case((1.5 * images(rng, 3, 1, 6, 6), integer(rng, 0, 10**6), 1),
             note="from 3 grey images of 6 x 6 with 1 level"),
    ]  # fmt: skip


def observe_chain(answer: Callable[..., Any], case: Case) -> Observation:
    """Call it with the same seed again, and with another one."""
    coarse, seed, levels = case.args
    sides = [coarse.shape[-1] * 2**k for k in range(1, levels + 1)]
    names = ["coarse image", *(f"image of {side} x {side}" for side in sides)]

    def call(seed: int) -> Observation:
        generators = {side: Level(0.7 + 0.6 * k).eval() for k, side in enumerate(sides)}
        return observe_list(answer(copied(coarse), generators, seeded(seed)), names)

    seen = call(seed)
    if not _same(seen, call(seed)):
        raise AnswerError(
            "Two calls with the same seed give different images: draw all noise from rng, with "
            "generator=rng."
        )
    if _same(seen, call(seed + 1)):
        raise AnswerError(
            "With another seed of rng your images stay the same: draw the noise of each level from "
            "rng, with generator=rng, and don't set its seed."
        )
    return seen


def _same(a: Observation, b: Observation) -> bool:
    """Whether two observations agree in every number, nan included."""
    pairs = ((x.double(), b[name].double()) for name, x in a.items() if name in b)
    return len(a) == len(b) and all(torch.equal(x.nan_to_num(), y.nan_to_num()) for x, y in pairs)


def chain_like(
    coarse: Tensor,
    generators: dict[int, Any],
    rng: torch.Generator,
    *,
    up: Callable[[Tensor], Tensor] = lapgan.up,
    noise: Callable[..., Tensor] = torch.randn,
    shape: Callable[[Tensor], tuple[int, ...]] = lambda low: (len(low), 1, *low.shape[2:]),
    call: Callable[[Any, Tensor, Tensor], Tensor] = lambda G, z, low: G(z, low),
    step: Callable[[Tensor, Tensor], Tensor] = torch.add,
    start: Callable[[Tensor], Tensor] = lambda coarse: coarse,
    order: Callable[[dict[int, Any]], Iterable] = lambda generators: generators.values(),
    after: Callable[[Tensor], Tensor] = lambda x: x,
) -> list[Tensor]:
    """Make a sampling chain, with a slip if asked for."""
    chain = [start(coarse)]
    for G in order(generators):
        low = up(chain[-1])
        z = noise(shape(low), generator=rng, device=rng.device)
        chain.append(after(step(low, call(G, z, low))))
    return chain


def one_for_all(shape: tuple[int, ...], **where: Any) -> Tensor:
    """One plane of noise, repeated for all images."""
    return torch.randn(1, *shape[1:], **where).expand(shape)


def lost_residuals(coarse: Tensor, generators: dict, rng: torch.Generator) -> list[Tensor]:
    """Doubles the blurred image from level to level."""
    chain, low = [coarse], coarse
    for G in generators.values():
        low = lapgan.up(low)
        z = torch.randn(len(low), 1, *low.shape[2:], generator=rng, device=rng.device)
        chain.append(low + G(z, low))
    return chain


def from_coarse(coarse: Tensor, generators: dict, rng: torch.Generator) -> list[Tensor]:
    """Each level doubles the first image of the list."""
    low = lapgan.up(coarse)
    z = [torch.randn(len(low), 1, *low.shape[2:], generator=rng) for _ in generators]
    return [coarse, *(low + G(n, low) for G, n in zip(generators.values(), z, strict=True))]


def listed(
    what: Callable[[list[Tensor]], list[Tensor]], **slip: Any
) -> Callable[..., list[Tensor]]:
    """A chain whose list is changed at the end."""
    return lambda coarse, generators, rng: what(chain_like(coarse, generators, rng, **slip))


def residuals_only(coarse: Tensor, generators: dict, rng: torch.Generator) -> list[Tensor]:
    """The chain is right, but the list holds the residuals."""
    chain = chain_like(coarse, generators, rng)
    return [coarse, *(x - lapgan.up(before) for before, x in pairwise(chain))]


EXERCISE = Exercise(
    id="6.6",
    title="The sampling chain",
    points=3,
    minutes=15,
    reference=lapgan.sample_chain,
    cases=chain_cases,
    observe=observe_chain,
    parts=(
        Part("a single level", 1, cases=(1,)),
    ),
    slips={
        "The image is not doubled before its generator gets it. Call up first, then G, and add "
        "the residual to the doubled image.": [
            partial(chain_like, up=lambda x: x),
            partial(chain_like, up=lambda x: x, after=lapgan.up),
        ],
        "You used the residual as the next image. Add it to the doubled image first.": partial(
            chain_like, step=lambda low, residual: residual
        ),
        "You subtracted the residual. Add it: low + G(z, low).": partial(
            chain_like, step=torch.sub
        ),
        "The chain is right, but the list should hold images, not residuals.": residuals_only,
        "You double the blurred image of the level before, without its residual. Double the last "
        "image of the list: up(chain[-1]).": lost_residuals,
        "You limited values, with a clamp or a tanh. Nothing is limited in this chain, not even "
        "the coarse image.": [
            partial(chain_like, after=lambda x: x.clamp(-1, 1)),
            partial(chain_like, start=lambda coarse: coarse.clamp(-1, 1)),
            partial(chain_like, start=torch.tanh),
            partial(chain_like, after=torch.tanh),
            partial(chain_like, step=lambda low, r: low + r.clamp(-1, 1)),
            partial(chain_like, up=lambda x: lapgan.up(x).clamp(-1, 1)),
            listed(lambda chain: [x.clamp(-1, 1) for x in chain]),
            listed(lambda chain: [*chain[:-1], chain[-1].clamp(-1, 1)]),
        ],
        "All images of the batch share one plane of noise. Draw one for each: (B, 1, 2S, 2S).": [
            partial(chain_like, shape=lambda low: (1, 1, *low.shape[2:])),
            partial(chain_like, noise=one_for_all),
        ],
        "The noise has more than one plane. A level's generator takes one: (B, 1, 2S, 2S).": [
            partial(chain_like, shape=lambda low: (len(low), 3, *low.shape[2:])),
            partial(chain_like, shape=lambda low: low.shape),
        ],
        "The noise is one number per image. It should be a plane, as large as the doubled image: "
        "(B, 1, 2S, 2S).": partial(chain_like, shape=lambda low: (len(low), 1, 1, 1)),
        "The noise should be from N(0, 1): use torch.randn, without a factor.": [
            partial(chain_like, noise=torch.rand),
            partial(chain_like, noise=lambda *a, **k: 2 * torch.rand(*a, **k) - 1),
            *(
                partial(chain_like, noise=lambda *a, s=s, **k: s * torch.randn(*a, **k))
                for s in (0.1, 0.5, 2)
            ),
        ],
        "The noise is as large as the image before it is doubled. It should have the height and "
        "width of low.": (
            partial(chain_like, shape=lambda low: (len(low), 1, *(s // 2 for s in low.shape[2:])))
        ),
        "G gets the image before it is doubled. Pass low = up(chain[-1]).": partial(
            chain_like, call=lambda G, z, low: G(z, low[:, :, ::2, ::2])
        ),
        "The arguments are swapped: it is G(z, low).": partial(
            chain_like, call=lambda G, z, low: G(low, z)
        ),
        "You doubled in another way than up does, which is bilinear. Use up.": [
            partial(chain_like, up=up) for up in (copy_pixels, align_corners, bicubic)
        ],
        "The list is incomplete. It should begin with the coarse image and hold the result of "
        "every level.": [
            listed(lambda chain: chain[-1:]), listed(lambda chain: chain[1:]),
            listed(lambda chain: chain[:-1]), listed(lambda chain: chain[:2]),
        ],
        "The list holds the doubled images, too. Append one image for each level, low + "
        "G(z, low).": listed(
            lambda chain: [y for x in chain for y in (x, lapgan.up(x))][:-1]
        ),
        "Every level starts from the coarse image. It should start from the last one: "
        "up(chain[-1]).": from_coarse,
        "The images are right, but in the wrong order: the coarse one first.": listed(
            lambda chain: chain[::-1]
        ),
        "The generators are used in the wrong order. Go from coarse to fine, as "
        "in the dictionary.": partial(
            chain_like, order=lambda generators: list(generators.values())[::-1]
        ),
        "A loop over the dictionary gives its keys, the sides. Use generators.values().": partial(
            chain_like, order=lambda generators: generators
        ),
    },
    alternatives=(chain_like,),
    advice="Compare with the formula, for one level: the list is [coarse, low + G(z, low)], where "
    "low = up(coarse). What is your low, and what do you append?",
)  # fmt: skip
