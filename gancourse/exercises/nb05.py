"""Exercises of notebook 05: telling a GAN what to draw, and reading what it says."""

from functools import partial

import torch
import torch.nn.functional as F
from torch import nn

from gancourse.exercises import nb05_answers as a
from gancourse.exercises.base import Case, Exercise, Slip, observe_value
from gancourse.exercises.observe import drawn
from gancourse.metrics.retrieval import most_similar
from gancourse.metrics.samples import parzen_log_density
from gancourse.papers import cgan

EXERCISES = (
    Exercise(
        id="5.1",
        title="A label as a vector",
        points=1,
        minutes=5,
        reference=cgan.one_hot,
        cases=a.some_labels,
        observe=a.observe_one_hot,
        slips=(
            Slip(
                lambda labels, classes: F.one_hot(labels, classes),
                "The values are right, but they are whole numbers: a layer multiplies them by "
                "floats and will complain. Add .float().",
            ),
            Slip(
                lambda labels, classes: F.one_hot(labels, classes).to(float),
                "`.to(float)` makes 64-bit numbers; torch's layers have 32. Write .float().",
            ),
            Slip(
                lambda labels, classes: labels[:, None].float(),
                "That hands over the label as a number. A network would take a 9 for nine times "
                "as much as a 1; a label has no size. Give each class its own place.",
            ),
            Slip(
                lambda labels, classes: F.one_hot(labels, classes).float().T,
                "Rows and columns are exchanged: a row for each picture, a column for each class.",
            ),
            Slip(
                lambda labels, classes: F.one_hot((labels - 1) % classes, classes).float(),
                "Labels count from 0: label 0 has its one in the first place.",
            ),
            Slip(
                lambda labels, classes: 2 * F.one_hot(labels, classes).float() - 1,
                "Zeros, not -1, beside the one: then a layer picks exactly one row of its weights.",
            ),
        ),
        alternatives=(a.by_scatter, lambda labels, classes: torch.eye(classes)[labels]),
    ),
    Exercise(
        id="5.2",
        title="A condition at every place",
        points=2,
        minutes=10,
        reference=cgan.join_maps,
        cases=a.maps_and_labels,
        slips=(
            Slip(
                lambda h, c: torch.cat([a.planes(h, c), h], dim=1),
                "Right parts, wrong order: first the channels of h, then those of c.",
            ),
            Slip(
                a.tangled,
                "Your planes are not constant: view() cut the repeated vector up in the wrong "
                "order. Add two dimensions of length 1 to c first, then expand those.",
            ),
            Slip(
                a.in_one_corner,
                "The condition stands at one place only; the 15 others know nothing of it.",
            ),
            Slip(
                lambda h, c: torch.cat([h, a.planes(h, c[:1]).repeat(len(h), 1, 1, 1)], dim=1),
                "Every picture got the condition of the first one.",
            ),
            Slip(
                lambda h, c: torch.cat([h, a.planes(h, c.softmax(dim=1))], dim=1),
                "Join c as it is: a softmax changes what was asked for.",
            ),
        ),
        alternatives=(lambda h, c: torch.cat([h, a.planes(h, c)], dim=1), a.padded),
    ),
    Exercise(
        id="5.3",
        title="What a linear head can't see",
        points=1,
        minutes=6,
        reference="c",
        cases=lambda rng: [Case()],
        observe=observe_value,
        slips=(
            Slip(
                "a",
                "It can: whether a picture is blurred is in h, and u . h may weigh it. "
                "Which answer needs h and c at the same time?",
            ),
            Slip(
                "b",
                "It can: v . c adds a number of its own for each label. "
                "Which answer needs h and c at the same time?",
            ),
            Slip("d", "It can: u = 0, v = 0 and b = 0 are allowed."),
            Slip(
                "e",
                "There is something: change the label from 3 to 7 and look by how much the logit "
                "moves. Does the picture appear in that difference?",
            ),
        ),
        advice="The answers are the letters a to e.",
    ),
    Exercise(
        id="5.4",
        title="A head that compares",
        points=3,
        minutes=10,
        reference=a.joint_head,
        cases=lambda rng: drawn(rng, (3, 5), (2, 3)),
        observe=a.observe_head,
        slips=(
            Slip(
                a.head_like(None),
                "Two linear layers in a row are one linear layer: nothing can be compared. "
                "Something has to bend between them.",
            ),
            Slip(a.head_like(nn.ReLU), "Right but for one thing: D has LeakyReLU with slope 0.2."),
            Slip(
                a.head_like(partial(nn.LeakyReLU, 0.01)),
                "LeakyReLU's default slope is 0.01; D has 0.2.",
            ),
            Slip(
                a.head_like(nn.LeakyReLU, kernel=3),
                "A 1 x 1 kernel is enough to mix channels. 3 x 3 costs nine times as much and "
                "blurs where things are.",
            ),
            Slip(
                a.head_like(nn.LeakyReLU, nn.Identity()),
                "The logits have shape (B, 1, 1, 1). Flatten them to (B,), or losses broadcast.",
            ),
            Slip(
                a.head_like(nn.LeakyReLU, a.Squeezed()),
                "squeeze() also eats the batch dimension of a batch of one: use nn.Flatten(0).",
            ),
            Slip(
                a.head_like(nn.LeakyReLU, a.Unit()),
                "D returns logits: leave the sigmoid out, the losses expect none.",
            ),
        ),
        alternatives=(
            lambda maps, classes: nn.Sequential(*a.joint_head(maps, classes)),
            a.head_like(nn.LeakyReLU),
        ),
    ),
    Exercise(
        id="5.5",
        title="Wrong labels",
        points=2,
        minutes=8,
        reference=cgan.mislabel,
        cases=a.many_labels,
        observe=a.observe_mislabel,
        slips=(
            Slip(
                a.any_label,
                "One label in so many is the right one: D would be told that a true pair is "
                "false. How can an offset never come back to where it started?",
            ),
            Slip(
                lambda labels, classes, rng: (labels + 1) % classes,
                "Some labels never occur: D learns to reject 3 for a 2, say, but never 8. "
                "(randint leaves its upper end out.)",
            ),
            Slip(
                a.shuffled,
                "Shuffling gives many pictures their own label back, or that of another picture "
                "of the same digit.",
            ),
            Slip(
                partial(a.step_on, wrap=False),
                "Some labels lie beyond the last class: go round the circle, % classes.",
            ),
            Slip(
                a.unseeded,
                "Draw from the generator that you are given: randint(..., generator=rng).",
            ),
        ),
        alternatives=(a.step_on, a.skip_the_right_one),
    ),
    Exercise(
        id="5.6",
        title="The Parzen window",
        points=3,
        minutes=15,
        reference=parzen_log_density,
        cases=a.windows,
        slips=(
            Slip(
                partial(a.window, constant=False),
                "The Gaussian's own constant is missing, d/2 log(2 pi sigma^2): without it "
                "different sigmas can't be compared.",
            ),
            Slip(
                partial(a.window, count=False),
                "Take the mean of the Gaussians, not their sum: subtract log m, or more samples "
                "would always look better.",
            ),
            Slip(
                partial(a.window, power=1),
                "The exponent has sigma squared below the squared distance.",
            ),
            Slip(
                partial(a.window, naive=True),
                "Far from every sample each exp becomes 0 and log gives -inf. torch.logsumexp "
                "adds exponentials without leaving the logarithm.",
            ),
            Slip(
                partial(a.window, of_logs=True),
                "That is the mean of the logarithms. Wanted is the logarithm of the mean: one "
                "sample near x is enough.",
            ),
            Slip(
                lambda x, samples, sigma: a.window(x, samples, sigma).mean(),
                "One number for each x: the caller takes the mean.",
            ),
        ),
        alternatives=(a.window, a.by_distributions),
        rtol=1e-3,
        atol=1e-3,
    ),
    Exercise(
        id="5.7",
        title="Who wins the Parzen window?",
        points=1,
        minutes=5,
        reference="d",
        cases=lambda rng: [Case()],
        observe=observe_value,
        slips=(
            Slip(
                "a",
                "One would wish so. But a window of width sigma round a sharp picture fits only "
                "pictures whose strokes lie at the very same pixels. Look at the bars.",
            ),
            Slip(
                "b",
                "Our generator's pictures are new and varied, and it is not rewarded for that. "
                "Look at the bars.",
            ),
            Slip(
                "c",
                "Close: copies do as well as fresh pictures, which is bad enough. But blurred "
                "mixtures of four digits do better still. Look at the bars.",
            ),
            Slip("e", "Look at the bars: the differences are many times the standard error."),
        ),
        advice="The answers are the letters a to e.",
    ),
    Exercise(
        id="5.8",
        title="The nearest words",
        points=2,
        minutes=8,
        reference=most_similar,
        cases=a.words,
        slips=(
            Slip(
                partial(a.ranked, how="dot"),
                "A dot product prefers long word vectors, whatever their direction: divide each "
                "row by its length first.",
            ),
            Slip(
                partial(a.ranked, how="distance"),
                "By distance a generated vector of the wrong length finds the wrong words. "
                "Compare directions: the cosine.",
            ),
            Slip(a.backwards, "Those are the least similar ones: the largest cosine comes first."),
            Slip(
                partial(a.ranked, how="columns"),
                "You normalised the columns (dim=0). A vector is a row: dim=1.",
            ),
            Slip(
                lambda vectors, table, k: most_similar(vectors, table, k).flip(1),
                "The right words in the wrong order: the most similar one first.",
            ),
        ),
        alternatives=(a.ranked,),
    ),
)
