"""Exercises of notebook 06: pyramids, the networks of a level, the sampling chain, neighbours."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from gancourse.exercises import nb06_answers as a
from gancourse.exercises import nb06_levels as b
from gancourse.exercises.base import Case, Exercise, Slip, observe_value
from gancourse.metrics.retrieval import nearest
from gancourse.papers import lapgan

EXERCISES = (
    Exercise(
        id="6.1",
        title="Halve a picture",
        points=2,
        minutes=12,
        reference=lapgan.down,
        cases=a.halving,
        slips=(
            Slip(
                lambda x: x[:, :, ::2, ::2],
                "You kept every second pixel without blurring first: fine patterns come out as "
                "coarse ones that were never there.",
            ),
            Slip(
                lambda x: F.avg_pool2d(x, 2),
                "That is the mean of 2 x 2 pixels, weights [1, 1] / 2. The blur asked for reaches "
                "one pixel further on each side: [1, 3, 3, 1] / 8.",
            ),
            Slip(
                a.down_like(mode="constant"),
                "You padded with zeros, which are grey in [-1, 1]: every border is mixed with "
                "grey. Repeat the border pixels: mode='replicate'.",
            ),
            Slip(
                a.down_like(scale=8.0),
                "Eight times too large: the weights have to be divided by 8 in both directions, so "
                "that the 16 of them sum to 1.",
            ),
            Slip(
                a.down_like(groups=False),
                "The colours are mixed: each output channel sums over all input channels. With "
                "groups=channels each channel is blurred by itself.",
            ),
            Slip(a.rows_only, "You blurred and halved the rows only. The columns need it too."),
        ),
        alternatives=(a.down_like(), a.three_means, a.by_hand),
    ),
    Exercise(
        id="6.2",
        title="Take a picture apart",
        points=3,
        minutes=12,
        reference=lapgan.laplacian,
        cases=lambda rng: [
            Case((a.pictures(rng, 16), 2), note="with 2 levels"),
            Case((a.pictures(rng, 8, 1, 1), 1), note="with 1 level"),
        ],
        observe=a.observe_pyramid,
        slips=(
            Slip(
                a.laplacian_like(sign=-1),
                "The sign is turned round: a residual is what has to be added to the blurred "
                "picture, so x - up(down(x)).",
            ),
            Slip(
                a.laplacian_like(coarse=False),
                "The coarsest picture is missing. Without it nothing can be put together again.",
            ),
            Slip(
                a.laplacian_like(turn=True),
                "The right parts in the wrong order: finest residual first, coarsest picture last.",
            ),
            Slip(
                a.of_residuals,
                "You went on with the residual. The next level halves the halved picture, not "
                "what was lost.",
            ),
            Slip(
                a.laplacian_like(up=a.near_copy),
                "You doubled by copying pixels. Use up, which interpolates: otherwise the blocks "
                "end up in the residual.",
            ),
        ),
        alternatives=(a.laplacian_like(), a.recursive),
    ),
    Exercise(
        id="6.3",
        title="Put it together again",
        points=2,
        minutes=8,
        reference=lapgan.reconstruct,
        cases=a.stacks,
        observe=a.observe_reconstruction,
        slips=(
            Slip(
                a.reconstruct_like(clip=True),
                "You clipped on the way: values in between may lie outside [-1, 1].",
            ),
            Slip(a.reconstruct_like(sign=-1), "The residual is added: it was x - up(down(x))."),
            Slip(a.without_middle, "Only the finest residual was added. Each level has its own."),
            Slip(
                a.reconstruct_like(up=a.near_copy),
                "Double by the same up that made the residuals, not by copying pixels.",
            ),
            Slip(
                a.reconstruct_like(pop=True),
                "The picture is right, but pop() took the coarsest level out of the caller's list. "
                "Read parts[-1] instead.",
            ),
        ),
        alternatives=(a.reconstruct_like(), a.sum_of_all),
    ),
    Exercise(
        id="6.4",
        title="The generator of a level",
        points=3,
        minutes=15,
        reference=lapgan.LevelGenerator,
        cases=b.level_cases,
        observe=b.observe_level,
        slips=(
            Slip(
                partial(b.LevelLike, end=nn.Tanh),
                "There is a tanh at the end. Residuals lie in [-2, 2] and are mostly near 0; only "
                "pictures need a tanh.",
            ),
            Slip(
                partial(b.LevelLike, plus=True),
                "You return low + residual. Return the residual alone: the chain adds it.",
            ),
            Slip(
                partial(b.LevelLike, join=lambda z, low: low + z, extra=0),
                "You added the noise to the picture. Give it a plane of its own, so that the "
                "network can tell one from the other.",
            ),
            Slip(
                partial(b.LevelLike, join=lambda z, low: torch.cat([z, low], dim=1)),
                "The noise comes first here. The task has the picture first.",
            ),
            Slip(
                partial(b.LevelLike, join=lambda z, low: low, extra=0),
                "The noise is not used: every blurred picture would have one residual only.",
            ),
            Slip(
                partial(b.LevelLike, padding=0),
                "Without padding each 3 x 3 convolution cuts off a border: use padding=1.",
            ),
            Slip(
                partial(b.LevelLike, act=nn.ReLU),
                "The activation is LeakyReLU with slope 0.2.",
            ),
        ),
        alternatives=(b.LevelLike,),
    ),
    Exercise(
        id="6.5",
        title="What the discriminator of a level sees",
        points=2,
        minutes=8,
        reference=lapgan.LevelDiscriminator,
        cases=b.level_cases,
        observe=b.observe_judge,
        slips=(
            Slip(
                b.judge_like(lambda residual, low: (residual, 5 * residual)),
                "D sees the residual alone: it would accept another picture's edges.",
            ),
            Slip(
                b.judge_like(lambda residual, low: (low, 5 * residual)),
                "The first picture should be the sharpened one, low + residual.",
            ),
            Slip(
                b.judge_like(lambda residual, low: (low + residual, residual)),
                "The residual is not enlarged: faint noise stays hard to see.",
            ),
            Slip(
                b.judge_like(lambda residual, low: (5 * residual, low + residual)),
                "Right parts, wrong order: first the sum, then the enlarged residual.",
            ),
            Slip(
                b.judge_like(lambda residual, low: (low - residual, 5 * residual)),
                "The residual is subtracted: that sharpens the wrong way round.",
            ),
            Slip(
                b.judge_like(lambda residual, low: (low + residual, 5 * residual), torch.sigmoid),
                "These are probabilities. Networks of this course return logits.",
            ),
            Slip(
                b.judge_like(lambda residual, low: ((low + residual).clamp(-1, 1), 5 * residual)),
                "You clipped the sum. Where it is clipped no gradient reaches G.",
            ),
        ),
        alternatives=(b.judge_like(lambda residual, low: (residual + low, residual * 5)),),
    ),
    Exercise(
        id="6.6",
        title="The sampling chain",
        points=3,
        minutes=15,
        reference=lapgan.sample_chain,
        cases=b.chain_cases,
        observe=b.observe_chain,
        slips=(
            Slip(
                b.chain_like(up=lambda x: x),
                "Nothing is doubled: up comes before each generator.",
            ),
            Slip(
                b.chain_like(add=False),
                "You passed the residual on as a picture. Add it to the doubled picture first.",
            ),
            Slip(
                b.chain_like(alone=True),
                "The chain is right, but the list should hold pictures, not residuals.",
            ),
            Slip(
                b.chain_like(clip=True),
                "You clipped on the way. The generators were trained on pictures that are not.",
            ),
            Slip(
                b.chain_like(one_noise=True),
                "All pictures of the batch share one plane of noise: draw one for each.",
            ),
            Slip(
                b.chain_like(planes=3),
                "The noise has three planes; a level's generator takes one.",
            ),
            Slip(b.chain_like(swapped=True), "The arguments are swapped: it is G(z, low)."),
            Slip(
                b.chain_like(only_last=True),
                "The list holds the last picture only; it should begin with the coarse one and "
                "hold every step.",
            ),
        ),
        alternatives=(b.chain_like(),),
    ),
    Exercise(
        id="6.7",
        title="What a level has never seen",
        points=1,
        minutes=5,
        reference="b",
        cases=lambda rng: [Case()],
        observe=observe_value,
        slips=(
            Slip("a", "In training, too, each level gets fresh noise for every picture."),
            Slip(
                "c",
                "Not larger in itself: a level's generator has the same weights, and its residuals "
                "the same scale. Ask what goes in.",
            ),
            Slip(
                "d",
                "Look again at where `low` comes from: in `pairs`, which feeds the training, and "
                "in `sample_chain`.",
            ),
            Slip("a and b", "Only one of them: the noise is the same in both."),
        ),
        alternatives=("B", " b "),
    ),
    Exercise(
        id="6.8",
        title="Nearest training pictures",
        points=2,
        minutes=8,
        reference=nearest,
        cases=a.clouds,
        slips=(
            Slip(
                lambda samples, examples: (
                    a.nearest_like()(samples, examples)[0].square(),
                    a.nearest_like()(samples, examples)[1],
                ),
                "These are squared distances: take the root.",
            ),
            Slip(
                a.nearest_like(p=1.0),
                "You summed absolute differences. The Euclidean distance is the root of the summed "
                "squares.",
            ),
            Slip(a.nearest_like(worst=True), "That is the farthest example: min, not max."),
            Slip(
                a.nearest_like(turn=True),
                "You looked for the nearest sample of each example. Each sample wants its nearest "
                "example.",
            ),
            Slip(
                lambda samples, examples: a.nearest_like()(samples, examples)[::-1],
                "The two results are swapped: distances first, then indices.",
            ),
        ),
        alternatives=(a.nearest_like(), a.one_by_one),
    ),
)
