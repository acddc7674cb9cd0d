"""Exercise 4.8: features from every layer."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gancourse.exercises.base import Case, Exercise, Observation, as_tensor
from gancourse.exercises.observe import fill, integers, seeded
from gancourse.papers import dcgan, dcgan_probes


def observe_features(answer: Callable[..., Any], case: Case) -> Observation:
    m, seed = case.args
    rng = seeded(seed)
    D = fill(dcgan.Discriminator(1, 2, 32), rng).eval()
    x = torch.randn(m, 1, 32, 32, generator=rng)
    with torch.no_grad():
        return {"features": as_tensor(answer(D, x))}


def features_like(
    pool: Callable[[Tensor], Tensor], layers: slice = slice(None), dim: int = 1
) -> Callable[..., Tensor]:
    """Make a pooled_features with another pooling."""

    def features(net: nn.Module, x: Tensor) -> Tensor:
        return torch.cat([pool(f) for f in dcgan_probes.feature_maps(net, x)[layers]], dim)

    return features


def max_by_hand(f: Tensor) -> Tensor:
    side = f.shape[2] // 4
    return f.unflatten(3, (4, side)).unflatten(2, (4, side)).amax((3, 5)).flatten(1)


EXERCISE = Exercise(
    id="4.8",
    title="Features from every layer",
    points=2,
    minutes=8,
    reference=dcgan_probes.pooled_features,
    cases=lambda rng: integers(rng, (1, 3)),
    observe=observe_features,
    slips={
        "You took means. The paper takes maxima.": features_like(
            lambda f: F.adaptive_avg_pool2d(f, 4).flatten(1)
        ),
        "That is the last layer only; the paper joins the features of all layers.": features_like(
            lambda f: F.adaptive_max_pool2d(f, 4).flatten(1), slice(-1, None)
        ),
        "max_pool2d(f, 4) makes cells of 4 x 4 pixels. Make 4 x 4 cells, whatever the side: "
        "adaptive_max_pool2d.": features_like(lambda f: F.max_pool2d(f, 4).flatten(1)),
        "That is one number per map, which loses where in the image it responded.": features_like(
            lambda f: f.amax((2, 3))
        ),
        "Nothing was pooled. Each layer should give 16 numbers per map.": features_like(
            lambda f: f.flatten(1)
        ),
    },
    alternatives=(features_like(max_by_hand),),
)
