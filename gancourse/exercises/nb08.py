"""Exercises of notebook 08: measuring and the networks; `nb08_losses` has the second half."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from gancourse.exercises import nb08_answers as a
from gancourse.exercises import nb08_losses
from gancourse.exercises.base import Case, Exercise, Slip, observe_value
from gancourse.metrics.images import psnr
from gancourse.papers import srgan


def _drawn_block(rng: torch.Generator) -> list[Case]:
    return [Case((a.number(rng, 2, 4), a.number(rng, 0, 10**6)))]


EXERCISES = (
    Exercise(
        id="8.1",
        title="Decibels",
        points=2,
        minutes=12,
        reference=psnr,
        cases=a.psnr_cases,
        slips=(
            Slip(
                a.psnr_like(crop=False),
                "The border is still in. Cut off `border` pixels on each of the four sides first.",
            ),
            Slip(
                a.psnr_like(see=lambda x: (x + 1) * 127.5),
                "That is the error of the colours. The paper measures Y: call luminance on both.",
            ),
            Slip(
                a.psnr_like(one=True),
                "One number for the whole batch. Each picture has its own mean, and its own PSNR.",
            ),
            Slip(
                a.psnr_like(factor=20),
                "Twice too much: 20 belongs to a ratio of amplitudes. Here it is 10 log10 of a "
                "ratio of squares.",
            ),
            Slip(
                a.psnr_like(log=torch.log),
                "That is the natural logarithm; decibels use log10.",
            ),
            Slip(
                a.psnr_like(peak=1),
                "The peak is missing: the ratio is 255 squared over the mean squared error.",
            ),
            Slip(
                a.psnr_like(peak=2),
                "A peak of 2 would fit pictures in [-1, 1]. Y is on the scale of bytes: 255.",
            ),
            Slip(
                a.psnr_like(factor=-10),
                "The sign is turned round: a smaller error is more decibels.",
            ),
        ),
        alternatives=(a.psnr_like(), a.psnr_by_norm),
    ),
    Exercise(
        id="8.2",
        title="A residual block",
        points=2,
        minutes=12,
        reference=srgan.ResidualBlock,
        cases=_drawn_block,
        observe=a.observe_block,
        slips=(
            Slip(
                partial(a.BlockLike, skip=False),
                "The input is not added: without the skip this is a plain stack of layers.",
            ),
            Slip(
                partial(a.BlockLike, last=nn.ReLU),
                "There is a ReLU after the sum. He's first residual network had one; this block "
                "has none, so that the skip carries everything.",
            ),
            Slip(
                partial(a.BlockLike, act=lambda width: nn.ReLU()),
                "That is a ReLU. nn.PReLU() learns its slope below zero.",
            ),
            Slip(
                partial(a.BlockLike, act=lambda width: nn.LeakyReLU(0.2)),
                "LeakyReLU is for D. nn.PReLU() learns its slope below zero.",
            ),
            Slip(
                partial(a.BlockLike, act=nn.PReLU),
                "One slope for each channel. nn.PReLU() without arguments has a single one.",
            ),
            Slip(
                partial(a.BlockLike, bias=True),
                "The convolutions have biases. Batch norm subtracts the mean, and the bias with "
                "it: use bias=False.",
            ),
            Slip(
                partial(a.BlockLike, second_norm=False),
                "The second batch norm is missing: there is one after each convolution.",
            ),
        ),
        alternatives=(a.BlockLike,),
    ),
    Exercise(
        id="8.3",
        title="Channels to pixels",
        points=2,
        minutes=15,
        reference=srgan.pixel_shuffle,
        cases=a.shuffle_cases,
        slips=(
            Slip(
                lambda x, r: x.reshape(len(x), -1, r * x.shape[2], r * x.shape[3]),
                "A reshape alone keeps the order in memory: whole channels are laid one after "
                "another. The axes have to change places first.",
            ),
            Slip(
                a.shuffle_like(order=(0, 1, 4, 3, 5, 2)),
                "Rows and columns inside a block are swapped: channel i r + j goes to row i and "
                "column j.",
            ),
            Slip(
                a.shuffle_like(order=(0, 1, 2, 4, 3, 5)),
                "You joined the axes in the wrong order: it is (height, i), not (i, height), since "
                "neighbours in the result come from different channels.",
            ),
            Slip(
                a.shuffle_like(split="rrc", order=(0, 3, 4, 1, 5, 2)),
                "Another order of the channels: yours takes every C-th for a colour. Here the "
                "first r r channels belong to the first colour.",
            ),
            Slip(
                lambda x, r: F.interpolate(x[:, :: r * r], scale_factor=r),
                "You copied pixels. All r r channels of a colour are used, one for each pixel of "
                "the r x r block.",
            ),
        ),
        alternatives=(F.pixel_shuffle, a.shuffle_like(), a.shuffle_by_slices),
    ),
    Exercise(
        id="8.4",
        title="What the squared error wants",
        points=1,
        minutes=5,
        reference="c",
        cases=lambda rng: [Case()],
        observe=observe_value,
        slips=(
            Slip(
                "a",
                "The eye would say so. But compute: how far is one random picture from another, "
                "and how far is it from the mean of all?",
            ),
            Slip(
                "b",
                "The two errors are not equal. The distance of two independent draws has the "
                "spread of both in it; the distance from the mean only that of one.",
            ),
            Slip(
                "d",
                "The mean is not the truth either: each sharp picture differs from it. Its error "
                "is not zero.",
            ),
            Slip("b and c", "Only one of them."),
        ),
        alternatives=("C", " c "),
    ),
    *nb08_losses.EXERCISES,
)
