"""Exercises 8.5 to 8.8: losses, the discriminator, and tiles of a large picture."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from gancourse.exercises import nb08_answers as a
from gancourse.exercises import nb08_tiles as b
from gancourse.exercises.base import Exercise, Slip
from gancourse.papers import gan, srgan, srgan_photos

EXERCISES = (
    Exercise(
        id="8.5",
        title="Content loss",
        points=2,
        minutes=12,
        reference=srgan.content_loss,
        cases=a.content_cases,
        observe=a.observe_content,
        slips=(
            Slip(
                a.content_like(rebuild=True),
                "The number is right, but torch.tensor(...) makes a new tensor without a history: "
                "no gradient reaches G, and this loss trains nothing. Add the losses as they are.",
            ),
            Slip(
                a.of_pixels,
                "That compares pixels. Put both pictures through phi first.",
            ),
            Slip(
                a.content_like(distance=F.l1_loss),
                "Absolute differences. The paper's Equation 5 squares them.",
            ),
            Slip(
                a.content_like(distance=partial(F.mse_loss, reduction="sum")),
                "A sum over all values of a map. Take the mean: else large maps count most.",
            ),
            Slip(
                a.content_like(reduce=torch.sum),
                "The maps' losses are added. Take their mean.",
            ),
            Slip(
                a.content_like(detach=False),
                "Right, but a gradient is computed for the real picture too, and thrown away: "
                "compute its maps under torch.no_grad().",
            ),
            Slip(
                a.content_like(maps=slice(1)),
                "Only the first map is used. phi returns a list: use all.",
            ),
            Slip(
                a.content_like(maps=slice(-1, None)),
                "Only the last map is used. phi returns a list: use all.",
            ),
        ),
        alternatives=(a.content_like(), a.content_in_a_loop),
    ),
    Exercise(
        id="8.6",
        title="Eight convolutions",
        points=3,
        minutes=15,
        reference=srgan.Discriminator,
        cases=b.judge_cases,
        observe=b.observe_judge,
        slips=(
            Slip(
                partial(b.JudgeLike, end=lambda y: y.flatten().sigmoid()),
                "There is a sigmoid at the end. Networks of this course return logits.",
            ),
            Slip(
                partial(b.JudgeLike, end=lambda y: y),
                "The logits should have shape (B,), not (B, 1): nn.Flatten(0) at the end.",
            ),
            Slip(
                partial(b.JudgeLike, first_norm=True),
                "The first convolution has a batch norm. It has none: D should see colours as "
                "they are.",
            ),
            Slip(
                partial(b.JudgeLike, bias=True),
                "Convolutions before a batch norm need no bias: bias=False in all but the first.",
            ),
            Slip(
                partial(b.JudgeLike, strides=(2, 1)),
                "The strides are the other way round: 1 first, then 2.",
            ),
            Slip(
                partial(b.JudgeLike, act=nn.ReLU),
                "The activation is LeakyReLU with slope 0.2.",
            ),
            Slip(
                partial(b.JudgeLike, pool=True),
                "You took the mean over each map. The dense layer sees every place: nn.Flatten().",
            ),
            Slip(
                partial(b.JudgeLike, hidden=False),
                "The dense layer of 16 width units is missing, with its LeakyReLU.",
            ),
        ),
        alternatives=(b.JudgeLike,),
    ),
    Exercise(
        id="8.7",
        title="The generator's loss",
        points=2,
        minutes=10,
        reference=a.loss_like(),
        cases=a.loss_cases,
        atol=1e-7,
        slips=(
            Slip(
                a.loss_like(lambda fake: -F.softplus(fake).mean()),
                "That is log(1 - D), the term that is flat where D is sure. The paper minimises "
                "-log D (notebook 02).",
            ),
            Slip(
                a.loss_like(lambda fake: F.softplus(fake).mean()),
                "That is D's half of the game: it pays G for being found out. Use -log D.",
            ),
            Slip(
                a.loss_like(lambda fake: -fake.sigmoid().log().mean()),
                "Right on paper, but sigmoid rounds to 0 where D is sure, and its logarithm is "
                "infinite. -log sigmoid(l) = softplus(-l).",
            ),
            Slip(
                a.loss_like(lambda fake: -(fake.sigmoid() + 1e-8).log().mean()),
                "The small number in the logarithm hides the infinity, and the gradient with it: "
                "G learns nothing where D is sure. -log sigmoid(l) = softplus(-l).",
            ),
            Slip(
                a.loss_like(lambda fake: F.softplus(-fake).sum()),
                "A sum over the batch, as the paper's Equation 6 has it; take the mean, so that "
                "the batch size does not matter.",
            ),
            Slip(a.loss_like(weight=1), "The weight of 0.001 is missing."),
            Slip(
                a.loss_like(weight=1, content_weight=1e-3),
                "The weight of 0.001 belongs to the adversarial term, not to the content.",
            ),
            Slip(
                a.loss_like(lambda fake: F.softplus(-fake.sigmoid()).mean()),
                "A sigmoid applied twice: softplus(-l) wants the logit itself.",
            ),
        ),
        alternatives=(
            a.loss_like(
                lambda fake: F.binary_cross_entropy_with_logits(fake, torch.ones_like(fake))
            ),
            a.loss_like(lambda fake: -F.logsigmoid(fake).mean()),
            a.loss_like(gan.non_saturating_loss),
        ),
    ),
    Exercise(
        id="8.8",
        title="In tiles",
        points=3,
        minutes=20,
        reference=srgan_photos.tiled,
        cases=b.tile_cases,
        observe=b.observe_tiles,
        slips=(
            Slip(
                b.tiles_like(spread=0),
                "Each tile is computed without a margin, so G sees zeros where the picture goes "
                "on: there will be seams.",
            ),
            Slip(
                b.tiles_like(cut=1),
                "The margin is cut off in small pixels. In G's output it is four times as wide.",
            ),
            Slip(
                b.tiles_like(keep=True),
                "The margins are written into the result too, over what their neighbours had "
                "computed well. Cut them off.",
            ),
            Slip(
                b.tiles_like(whole_only=True),
                "What is left over at the right and at the bottom is missing: the last tiles may "
                "be smaller.",
            ),
            Slip(
                b.tiles_like(zeros=True),
                "You put zeros around the picture. At its own border a tile has no margin: G pads "
                "by itself, in every layer.",
            ),
            Slip(
                b.tiles_like(whole=True),
                "Right, but G gets the whole picture at once: memory is what we want to save.",
            ),
        ),
        alternatives=(b.tiles_like(), b.tiles_in_strips),
    ),
)
