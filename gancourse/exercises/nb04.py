"""Exercises of notebook 04: walking in noise space, and looking inside both networks."""

import torch
from torch.nn import functional as F

from gancourse.exercises import nb04_answers as a
from gancourse.exercises.base import Case, Exercise, Slip, observe_value
from gancourse.papers import dcgan_probes

EXERCISES = (
    Exercise(
        id="4.1",
        title="Walking along the arc",
        points=2,
        minutes=10,
        reference=dcgan_probes.slerp,
        cases=a.walks,
        slips=(
            Slip(
                dcgan_probes.lerp,
                "That is the straight line, the baseline: halfway it is shorter than its ends. "
                "Weigh a and b with sines of parts of the angle.",
            ),
            Slip(
                a.arc_without_lengths,
                "The cosine of the angle is the scalar product of a and b over both lengths.",
            ),
            Slip(
                lambda a_, b, t: a.arc(b, a_, t),
                "You start at b: for t = 0 the result is to be a.",
            ),
            Slip(
                a.rescaled_line,
                "That is a straight walk put back to a's length: on the right arc if the lengths "
                "are equal, but not at equal steps of angle.",
            ),
            Slip(
                a.arc_of_the_batch,
                "You took one angle for the whole batch. Each row has its own: sum over dim=1.",
            ),
            Slip(
                a.arc_undivided,
                "Divide by the sine of the whole angle: for t = 0 that leaves exactly a.",
            ),
        ),
        alternatives=(a.arc, a.arc_by_half_angle),
    ),
    Exercise(
        id="4.2",
        title="How far does it lean?",
        points=2,
        minutes=10,
        reference=dcgan_probes.slant,
        cases=a.pictures,
        slips=(
            Slip(
                lambda x: a.slant_like(x, centred=False),
                "Measure x and y from the centre of the ink, not from the corner of the picture: "
                "else the place of the digit counts.",
            ),
            Slip(
                lambda x: a.slant_like(x, sign=1),
                "Right size, wrong sign: rows are counted downwards, so a stroke that leans to "
                "the right has small rows where columns are large.",
            ),
            Slip(
                lambda x: a.slant_like(x, by="xx"),
                "You divided by the spread of x. We ask how far x moves for each row: divide by "
                "that of y.",
            ),
            Slip(
                lambda x: a.slant_like(x, by="both"),
                "That is the correlation of x and y: it says how narrow the stroke is, too. "
                "Divide by the spread of y alone.",
            ),
            Slip(
                lambda x: a.slant_like(x, ink=False),
                "Black has the value -1: as a weight it would count against the ink. Use "
                "(x + 1) / 2.",
            ),
        ),
        alternatives=(a.slant_like,),
    ),
    Exercise(
        id="4.3",
        title="Vector arithmetic",
        points=1,
        minutes=5,
        reference=dcgan_probes.analogy,
        cases=a.groups,
        slips=(
            Slip(
                lambda plus, minus, base: plus.sum(0) - minus.sum(0) + base.sum(0),
                "Those are sums; with n samples they are n times too long. Take means.",
            ),
            Slip(
                lambda plus, minus, base: plus.mean(1) - minus.mean(1) + base.mean(1),
                "You averaged over the entries of each vector. Average over the samples: dim=0.",
            ),
            Slip(
                lambda plus, minus, base: minus.mean(0) - plus.mean(0) + base.mean(0),
                "You take away what should be added: plus - minus + base.",
            ),
            Slip(
                lambda plus, minus, base: plus[0] - minus[0] + base[0],
                "You used the first sample of each kind only. That is the paper's failing case.",
            ),
            Slip(
                lambda plus, minus, base: plus.mean(0) - minus.mean(0),
                "The difference is a direction. It still has to start somewhere: add the base.",
            ),
        ),
        alternatives=(lambda plus, minus, base: (plus - minus + base).mean(dim=0),),
    ),
    Exercise(
        id="4.4",
        title="The length of an average",
        points=1,
        minutes=5,
        reference=3,
        cases=lambda rng: [Case()],
        observe=observe_value,
        slips=(
            Slip(1, "With n = 1 three variances of 1 add up: the result is too long by root 3."),
            Slip(9, "A mean of n has variance 1/n, not 1/root(n): root is for the length."),
            Slip(
                3**0.5,
                "That would make the result's length right if lengths added up. Variances do.",
            ),
            Slip(
                2,
                "Three groups take part, not two: the minus sign makes no variance smaller.",
            ),
            Slip(
                6,
                "Count the groups, not the samples: the variance of the sum is 1/n + 1/n + 1/n.",
            ),
        ),
        alternatives=(3.0,),
    ),
    Exercise(
        id="4.5",
        title="A turn vector",
        points=2,
        minutes=8,
        reference=dcgan_probes.turn_vector,
        cases=a.measured,
        slips=(
            Slip(
                lambda z, values, n: -a.turn_by_topk(z, values, n),
                "It points the other way: argsort() puts the smallest value first.",
            ),
            Slip(
                lambda z, values, n: n * a.turn_by_topk(z, values, n),
                "Its length grows with n: take means, not sums.",
            ),
            Slip(
                lambda z, values, n: z[values.argsort()[-n:]].mean(0),
                "That is where pictures with a large value lie. A direction needs the other end "
                "too: subtract the mean z of the n smallest.",
            ),
            Slip(
                lambda z, values, n: z[values.argsort()[-n:]].mean(0) - z.mean(0),
                "You subtracted the mean of all pictures; subtract that of the n smallest.",
            ),
            Slip(
                a.turn_of_sizes,
                "You sorted by size without sign: leaning far to the left is not leaning right.",
            ),
            Slip(
                a.turn_unsorted,
                "The values only choose: pick rows of z by the order of the values.",
            ),
        ),
        alternatives=(a.turn_by_topk,),
    ),
    Exercise(
        id="4.6",
        title="Guided backpropagation",
        points=3,
        minutes=12,
        reference=dcgan_probes.guided_gradient,
        cases=lambda rng: a.seeded(rng, (0, 2)),
        observe=a.observe_guided,
        slips=(
            Slip(
                a.guided_like(lambda slope, output: slope),
                "That is the ordinary gradient: nothing is held back on the way.",
            ),
            Slip(
                a.guided_like(lambda slope, output: slope.clamp(min=0)),
                "Half of the rule: also hold back the slope where the activation was not positive.",
            ),
            Slip(
                a.guided_like(lambda slope, output: slope * (output > 0)),
                "Half of the rule: also hold back negative slopes.",
            ),
            Slip(
                a.guided_like(lambda slope, output: slope.clamp(max=0) * (output > 0)),
                "You keep what speaks against the filter: clamp(min=0) keeps what is positive.",
            ),
            Slip(
                a.guided_like(lambda slope, output: slope.clamp(min=0) * output.clamp(min=0)),
                "The activation opens or closes the way; its size has no part in it. Multiply by "
                "(output > 0).",
            ),
            Slip(
                a.guided_like(lambda slope, output: slope, lambda g: g.clamp(min=0)),
                "You clip once, at the picture. Clip at every activation layer on the way.",
            ),
        ),
        alternatives=(
            a.guided_like(lambda slope, output: F.relu(slope) * (output > 0)),
            a.guided_like(
                lambda slope, output: torch.where((slope > 0) & (output > 0), slope, 0.0)
            ),
        ),
    ),
    Exercise(
        id="4.7",
        title="Forgetting feature maps",
        points=3,
        minutes=12,
        reference=a.draw_without,
        cases=lambda rng: a.seeded(rng, (0, 3)),
        observe=a.observe_without,
        slips=(
            Slip(
                a.hooked(a.zeroed_pictures),
                "You emptied pictures of the batch: dimension 0. Feature maps are dimension 1.",
            ),
            Slip(
                a.hooked(a.zeroed_rest),
                "You kept the maps that were to go, and dropped all others.",
            ),
            Slip(
                a.hooked(a.zeroed, leave=True),
                "The pictures are right, but G has forgotten for good: remove the hook.",
            ),
            Slip(
                a.hooked(a.averaged),
                "You gave the maps their mean. After a ReLU, 0 is what says nothing is there.",
            ),
            Slip(
                a.hooked(a.zeroed, on=2),
                "You dropped them before batch norm, whose shift brings something back. Change "
                "the output of `layer` itself.",
            ),
            Slip(
                lambda G, layer, maps, z: G(z).detach(),
                "Nothing was dropped: these are the pictures that G draws anyway.",
            ),
        ),
        alternatives=(a.hooked(a.zeroed), a.hooked(a.masked)),
    ),
    Exercise(
        id="4.8",
        title="Features from every layer",
        points=2,
        minutes=8,
        reference=dcgan_probes.pooled_features,
        cases=lambda rng: a.seeded(rng, (1, 3)),
        observe=a.observe_features,
        slips=(
            Slip(
                a.features_like(lambda f: F.adaptive_avg_pool2d(f, 4).flatten(1)),
                "You took means. The paper takes maxima: is the pattern anywhere in this cell?",
            ),
            Slip(
                a.features_like(lambda f: F.adaptive_max_pool2d(f, 4).flatten(1), slice(-1, None)),
                "That is the last layer only; the paper joins the features of all layers.",
            ),
            Slip(
                a.features_like(lambda f: F.max_pool2d(f, 4).flatten(1)),
                "max_pool2d(f, 4) makes cells of 4 x 4 pixels. We want 4 x 4 cells, whatever the "
                "side: adaptive_max_pool2d.",
            ),
            Slip(
                a.features_like(lambda f: f.amax((2, 3))),
                "One number for each map forgets where in the picture it responded.",
            ),
            Slip(
                a.features_like(lambda f: f.flatten(1)),
                "Nothing was pooled: the first layer alone would outnumber all others.",
            ),
        ),
        alternatives=(a.features_like(a.max_by_hand),),
    ),
)
