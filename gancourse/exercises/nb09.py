"""Exercises of notebook 09: CycleGAN's block, its patches, its costs, its pool; a recall."""

from functools import partial

import torch
from torch import nn

from gancourse.exercises import nb09_answers as a
from gancourse.exercises import nb09_costs as b
from gancourse.exercises.base import Case, Exercise, Slip, observe_value
from gancourse.metrics.retrieval import recall_at
from gancourse.papers import cyclegan

EXERCISES = (
    Exercise(
        id="9.1",
        title="A block that keeps pictures apart",
        points=2,
        minutes=10,
        reference=cyclegan.ResidualBlock,
        cases=lambda rng: [
            Case(tuple(a.number(rng, *ends) for ends in ((2, 4), (4, 6), (0, 10**6))))
        ],
        observe=a.observe_block,
        slips=(
            Slip(
                partial(a.BlockLike, skip=0.0),
                "The input is not added: without x + ... the block has to learn to copy.",
            ),
            Slip(
                partial(a.BlockLike, pad="zeros"),
                "The padding is zeros, which are grey. Pad by reflection.",
            ),
            Slip(
                partial(a.BlockLike, pad="replicate"),
                "You repeated the border pixels. Reflection mirrors the picture at its border: "
                "padding_mode='reflect'.",
            ),
            Slip(
                partial(a.BlockLike, norm=nn.BatchNorm2d),
                "That is batch norm: pictures of a batch would depend on one another. Use "
                "nn.InstanceNorm2d.",
            ),
            Slip(
                partial(a.BlockLike, norm=partial(nn.InstanceNorm2d, affine=True)),
                "Your instance norm learns a scale and a shift. The authors' does not: leave "
                "affine at its default.",
            ),
            Slip(
                partial(a.BlockLike, last=False),
                "The second convolution has no norm behind it.",
            ),
            Slip(
                partial(a.BlockLike, end=torch.relu),
                "There is a ReLU after the sum. Then a block could only add, never take away.",
            ),
            Slip(
                partial(a.BlockLike, act=nn.Identity),
                "The ReLU between the two convolutions is missing.",
            ),
        ),
        alternatives=(a.BlockLike,),
    ),
    Exercise(
        id="9.2",
        title="What one logit sees",
        points=2,
        minutes=10,
        reference=cyclegan.field_of,
        cases=a.stacks,
        slips=(
            Slip(
                a.without_strides,
                "The strides are not used: you added up kernel - 1. After a stride of 2, a step "
                "of one place is a step of two pixels.",
            ),
            Slip(
                a.front_to_back,
                "The right rule in the wrong direction: start with 1 at the logit and walk "
                "backwards through the layers.",
            ),
            Slip(
                a.jump_too_early,
                "A layer's own stride does not widen what that layer sees, only what the layers "
                "after it see.",
            ),
            Slip(
                a.off_by_strides,
                "Too large: r neighbouring places lie (r - 1) strides apart, not r.",
            ),
            Slip(a.product, "You multiplied the kernels. Neighbouring patches overlap."),
        ),
        alternatives=(a.field_forward, a.field_by_gradient),
    ),
    Exercise(
        id="9.3",
        title="Squares instead of logs",
        points=2,
        minutes=8,
        reference=b.least_squares,
        cases=b.maps,
        slips=(
            Slip(
                b.squares_like(end=torch.sigmoid),
                "There is a sigmoid. The least-squares loss compares D's answer itself with 1 "
                "and 0.",
            ),
            Slip(
                b.squares_like(half=1.0),
                "loss_D is twice as large as asked for: it is half of the sum.",
            ),
            Slip(
                b.squares_like(real_is=0.0),
                "In loss_D real and fake are swapped: real is 1, fake is 0.",
            ),
            Slip(
                b.squares_like(G_wants=0.0),
                "G wants its fakes to be taken for real, so their answers near 1, not 0.",
            ),
            Slip(b.squares_like(mean=torch.sum), "These are sums: take means."),
            Slip(
                b.squares_like(mean=lambda d: d.mean().sqrt()),
                "You took a root. The loss is the mean of the squares itself.",
            ),
        ),
        alternatives=(b.squares_like(), b.squares_by_torch),
    ),
    Exercise(
        id="9.4",
        title="There and back",
        points=2,
        minutes=8,
        reference=b.round_trips,
        cases=b.game,
        observe=b.observe_trips,
        slips=(
            Slip(
                b.trips_like(distance=lambda d: d.square().mean()),
                "That is the squared distance. Equation 2 takes the absolute one.",
            ),
            Slip(
                b.trips_like(swapped=True),
                "G and F are swapped: x goes through G first, then through F.",
            ),
            Slip(
                b.trips_like(once=True),
                "You compared x with its translation. Translate back before you compare.",
            ),
            Slip(
                b.trips_like(cut=True),
                "The costs are right, but no gradient passes the picture in the middle: the "
                "network that translates first learns nothing. Leave out the detach().",
            ),
            Slip(b.trips_like(order=-1), "Right costs, wrong order: cycle_X first."),
            Slip(
                b.trips_like(distance=lambda d: d.abs().sum()),
                "These are sums over all values: take means.",
            ),
        ),
        alternatives=(b.trips_like(),),
    ),
    Exercise(
        id="9.5",
        title="The image pool",
        points=2,
        minutes=12,
        reference=cyclegan.exchange,
        cases=a.pools,
        slips=(
            Slip(
                a.pool_like(turn=True),
                "The coins are read the other way round: True means exchange.",
            ),
            Slip(
                a.pool_like(keep=False),
                "What is shown is right, but the pool stays as it was: put the exchanged fakes in.",
            ),
            Slip(
                a.pool_like(everything=True),
                "Every fake went into the pool, also those whose coin says that they pass.",
            ),
            Slip(
                a.pool_like(overwritten=True),
                "Only new fakes are shown: read the old picture out before its place is taken.",
            ),
            Slip(
                a.pool_like(in_order=True),
                "You used the places 0, 1, 2 ... instead of `places`.",
            ),
            Slip(
                a.pool_like(inside=True),
                "The right pictures, but you changed the caller's pool. Work on kept.clone().",
            ),
            Slip(a.pool_like(both=-1), "The two results are swapped: shown first, then the pool."),
        ),
        alternatives=(a.pool_by_loop, a.pool_like()),
    ),
    Exercise(
        id="9.6",
        title="All that the generators pay",
        points=3,
        minutes=15,
        reference=b.generator_costs,
        cases=b.game,
        observe=b.observe_costs,
        slips=(
            Slip(
                b.costs_like(swap_D=True),
                "The two D are swapped: G makes pictures of Y, so D_Y judges them.",
            ),
            Slip(
                b.costs_like(wants=0.0),
                "The generators want to be taken for real: answers near 1.",
            ),
            Slip(
                b.costs_like(cut=True),
                "D's answers to the fakes have no gradient with respect to G and F: a detach() "
                "belongs into D's turn, not here.",
            ),
            Slip(
                b.costs_like(
                    own=lambda G, F, x, y: (G(x) - x).abs().mean() + (F(y) - y).abs().mean()
                ),
                "identity compares G(x) with x: that forbids every change. G is to leave alone "
                "what is of its target domain already: G(y) against y.",
            ),
            Slip(
                b.costs_like(own=lambda G, F, x, y: (G(y) - y).abs().mean()),
                "identity has one half only: F(x) against x is missing.",
            ),
            Slip(
                b.costs_like(weigh=True),
                "The weights are in the costs already. Return them without: they are put on later.",
            ),
            Slip(
                b.costs_like(on_back=True),
                "D judges the pictures that came back. It should judge the fakes in the middle.",
            ),
        ),
        alternatives=(b.costs_like(),),
    ),
    Exercise(
        id="9.7",
        title="What the cycle does not forbid",
        points=2,
        minutes=8,
        reference="c",
        cases=lambda rng: [Case()],
        observe=observe_value,
        slips=(
            Slip(
                "a",
                "F would have to bring back the lost colour from nothing: the round trip pays for "
                "that.",
            ),
            Slip("b", "Then D_Y would see at once what is missing. Which cost is that?"),
            Slip(
                "d",
                "One of them is a one-to-one map between the two sets of pictures. Which? And does "
                "its way back exist?",
            ),
            Slip("a and c", "Only one of them: which can be undone without loss?"),
        ),
        alternatives=("C", " c "),
    ),
    Exercise(
        id="9.8",
        title="Recall",
        points=2,
        minutes=10,
        reference=recall_at,
        cases=a.clouds,
        slips=(
            Slip(
                a.recall_like(normal=False),
                "That is the dot product: long vectors win. Divide each by its length first.",
            ),
            Slip(a.recall_like(order=-1), "You took the least similar ones."),
            Slip(a.recall_like(k_is=1), "You looked at the most similar one only, not at the k."),
            Slip(
                a.recall_like(turn=True),
                "You searched among the queries. Each query is to search the gallery.",
            ),
            Slip(
                a.per_k,
                "You divided by k. A query counts as 1 if its partner is among its k, else as 0.",
            ),
        ),
        alternatives=(a.recall_like(), a.recall_by_rank),
    ),
)
