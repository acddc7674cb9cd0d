"""Exercise 4.8: features from every layer."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.observe import fill
from gancourse.papers import dcgan, dcgan_probes


def images_and_networks(rng: torch.Generator) -> list[Case]:
    """A discriminator, and a network whose mode does not matter, so that it has to stay."""
    D = fill(dcgan.Discriminator(1, 2, 32), rng).eval()
    layers = [(nn.Conv2d(a, b, 4, 2, 1), nn.LeakyReLU(0.2)) for a, b in ((1, 3), (3, 4), (4, 2))]
    other = fill(nn.Sequential(*(layer for pair in layers for layer in pair)), rng).train()
    x = torch.randn(4, 1, 32, 32, generator=rng)
    return [
        Case((D, x[:3]), note="for a discriminator"),
        Case((other, x[3:]), note="for one image, and a network without batch norm in train mode"),
    ]


def pool(f: Tensor) -> Tensor:
    return F.adaptive_max_pool2d(f, 4)


def flat(f: Tensor) -> Tensor:
    return pool(f).flatten(1)


def features_like(
    pool: Callable[[Tensor], Tensor], layers: slice = slice(None), dim: int = 1
) -> Callable[..., Tensor]:
    """Make a pooled_features with another pooling, of some layers, in some order."""

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
    cases=images_and_networks,
    slips={
        "You took means. The paper takes maxima.": features_like(
            lambda f: F.adaptive_avg_pool2d(f, 4).flatten(1)
        ),
        "You took minima. The paper takes maxima.": features_like(lambda f: -flat(-f)),
        "That is the last layer only; the paper joins the features of all layers.": features_like(
            flat, slice(-1, None)
        ),
        "That is the first layer only; the paper joins the features of all layers.": features_like(
            flat, slice(1)
        ),
        "A layer is missing: join the features of all of them.": [
            features_like(flat, slice(1, None)),
            features_like(flat, slice(-1)),
        ],
        "The layers are joined from last to first. Keep the order of feature_maps: the notebook "
        "takes the features apart by layer.": features_like(flat, slice(None, None, -1)),
        "max_pool2d(f, 4) makes cells of 4 x 4 pixels. Make 4 x 4 cells, whatever the side: "
        "adaptive_max_pool2d.": features_like(lambda f: F.max_pool2d(f, 4).flatten(1)),
        "That is one number per map, which loses where in the image it responded.": [
            features_like(lambda f: f.amax((2, 3))),
            features_like(lambda f: f.mean((2, 3))),
            features_like(lambda f: f.flatten(1).amax(1, keepdim=True)),
        ],
        "Pool each map to 4 x 4 cells, 16 numbers.": [
            features_like(lambda f: F.adaptive_max_pool2d(f, 2).flatten(1)),
            features_like(lambda f: F.adaptive_max_pool2d(f, 8).flatten(1)),
        ],
        "The images x are not feature maps: join only what feature_maps returns.": lambda net, x: (
            torch.cat([flat(f) for f in (x, *dcgan_probes.feature_maps(net, x))], dim=1)
        ),
        "Take the maxima as they are, also where they are negative.": [
            features_like(lambda f: flat(f).abs()),
            features_like(lambda f: flat(f.abs())),
            features_like(lambda f: flat(f).relu()),
        ],
        "stack() needs tensors of the same shape. Join them with torch.cat, dim=1.": [
            lambda net, x: torch.stack([flat(f) for f in dcgan_probes.feature_maps(net, x)], dim=1),
            lambda net, x: torch.stack([pool(f) for f in dcgan_probes.feature_maps(net, x)], dim=1),
        ],
        "You took one pixel of each cell. Take the largest value of the cell: "
        "adaptive_max_pool2d.": features_like(lambda f: F.interpolate(f, (4, 4)).flatten(1)),
        "Nothing was pooled. Each layer should give 16 numbers per map.": features_like(
            lambda f: f.flatten(1)
        ),
        "Flatten all dimensions but the batch, to (B, features): flatten(1).": [
            features_like(pool),
            features_like(lambda f: pool(f).flatten(2)),
            features_like(lambda f: pool(f).flatten(2), dim=2),
        ],
        "flatten() without an argument joins the images of the batch, too. Keep the batch: "
        "flatten(1).": [
            features_like(lambda f: pool(f).flatten(), dim=0),
            lambda net, x: features_like(flat)(net, x).flatten(),
        ],
        "Flatten each layer's maps as they are, map by map: don't permute "
        "dimensions.": features_like(lambda f: pool(f).permute(0, 2, 3, 1).flatten(1)),
        "You joined the layers along the batch. Put the features of one image side by side: "
        "dim=1.": [features_like(flat, dim=0), features_like(pool, dim=0)],
    },
    alternatives=(features_like(max_by_hand),),
    advice="Print the shape of each layer's features before you join them: is it (B, 16 times the "
    "number of maps)?",
)
