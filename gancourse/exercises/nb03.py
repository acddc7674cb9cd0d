"""Exercises of notebook 03: DCGAN, layer by layer, and what keeps its training alive."""

from functools import partial

import torch
from torch import nn

from gancourse.exercises import nb03_answers as a
from gancourse.exercises.base import Case, Exercise, Slip, observe_value
from gancourse.exercises.observe import drawn, number
from gancourse.papers import blocks, dcgan
from gancourse.papers.gan import ema_update

BN, ReLU, LReLU = nn.BatchNorm2d, nn.ReLU, nn.LeakyReLU


EXERCISES = (
    Exercise(
        id="3.1",
        title="Side of a transposed convolution",
        points=1,
        minutes=5,
        reference=a.transposed_side,
        cases=a.sides,
        slips=(
            Slip(
                lambda side, kernel, stride, padding: (side + 2 * padding - kernel) // stride + 1,
                "That is an ordinary convolution's side. A transposed one goes the other way: "
                "solve that formula for the input's side.",
            ),
            Slip(
                lambda side, kernel, stride, padding: (side - 1) * stride + 2 * padding + kernel,
                "In a transposed convolution padding takes pixels away from the output: its sign "
                "is the opposite of an ordinary convolution's.",
            ),
            Slip(
                lambda side, kernel, stride, padding: side * stride - 2 * padding + kernel,
                "Between `side` stamps there are side - 1 gaps, not side: draw two stamps.",
            ),
            Slip(
                lambda side, kernel, stride, padding: side * stride,
                "That holds for kernel 4, stride 2, padding 1, our case, but not in general.",
            ),
            Slip(
                lambda side, kernel, stride, padding: (side - 1) * stride + kernel,
                "You left the padding out: it crops the output on both sides.",
            ),
        ),
        alternatives=(
            a.by_doing,
            lambda side, kernel, stride, padding: side * stride - stride - padding * 2 + kernel,
        ),
    ),
    Exercise(
        id="3.2",
        title="An upsampling block",
        points=2,
        minutes=10,
        reference=blocks.up_block,
        cases=lambda rng: drawn(rng, (2, 4), (3, 5)) + drawn(rng, (2, 4), (3, 5)),
        observe=a.observe_layers,
        slips=(
            Slip(
                a.up_layers(BN, ReLU, bias=True),
                "Batch norm subtracts the mean, so a bias in the convolution before it does "
                "nothing: pass bias=False.",
            ),
            Slip(a.up_layers(ReLU), "Batch norm is missing: guideline 2 wants it in every block."),
            Slip(
                a.up_layers(ReLU, BN),
                "Batch norm comes before the ReLU: normalise first, then clip.",
            ),
            Slip(
                a.up_layers(BN, LReLU),
                "LeakyReLU belongs to the discriminator; the generator has ReLU (guideline 4).",
            ),
            Slip(
                a.up_layers(BN, ReLU, kernel=3),
                "A 3 x 3 kernel with stride 2 doesn't double the side: try your formula of 3.1.",
            ),
            Slip(a.up_layers(BN), "The ReLU is missing."),
        ),
        alternatives=(
            a.up_layers(BN, ReLU),
            lambda c_in, c_out: nn.Sequential(*blocks.up_block(c_in, c_out)),
        ),
    ),
    Exercise(
        id="3.3",
        title="The generator",
        points=3,
        minutes=15,
        reference=partial(dcgan.Generator, size=32),
        cases=lambda rng: drawn(rng, (3, 6), (1, 2), (2, 3)) + drawn(rng, (3, 6), (3, 3), (4, 5)),
        observe=a.observe_generator,
        slips=(
            Slip(
                a.generator_like(nn.Identity),
                "The tanh at the end is missing: nothing keeps the pictures within [-1, 1].",
            ),
            Slip(
                a.generator_like(nn.Sigmoid),
                "A sigmoid gives pictures in [0, 1], but the data lie in [-1, 1]: D would tell "
                "them apart by their range. End with tanh.",
            ),
            Slip(
                a.generator_like(norm_last=True),
                "There is a batch norm on the output layer: the paper leaves it out there, where "
                "it made samples oscillate.",
            ),
            Slip(
                a.generator_like(rising=True),
                "Your channels grow towards the picture. They fall: 4w at 4 x 4, then 2w, then w.",
            ),
            Slip(
                a.generator_like(nn.ReLU),
                "A ReLU at the end cuts away half the range, all below 0: use tanh.",
            ),
        ),
        alternatives=(a.generator_like(),),
    ),
    Exercise(
        id="3.4",
        title="The discriminator",
        points=3,
        minutes=15,
        reference=partial(dcgan.Discriminator, size=32),
        cases=lambda rng: drawn(rng, (1, 3), (2, 3)),
        observe=a.observe_discriminator,
        slips=(
            Slip(
                a.discriminator_like(end=(nn.Flatten(0), nn.Sigmoid())),
                "There is a sigmoid at the end. Networks of this course return logits.",
            ),
            Slip(
                a.discriminator_like(norm_first=True),
                "There is a batch norm on the input layer: it hides from D how bright the pictures "
                "are. The paper leaves it out there.",
            ),
            Slip(
                a.discriminator_like(slope=0.0),
                "That is a plain ReLU: where it is flat no gradient reaches G. Use LeakyReLU(0.2).",
            ),
            Slip(
                a.discriminator_like(slope=0.01),
                "LeakyReLU's default slope is 0.01; the paper's is 0.2.",
            ),
            Slip(
                a.discriminator_like(pool=True),
                "Guideline 1: no pooling. Let strided convolutions learn how to shrink.",
            ),
            Slip(
                a.discriminator_like(end=()),
                "Return one logit per picture, of shape (B,), not (B, 1, 1, 1): against labels of "
                "shape (B,) the latter broadcasts to B x B without an error.",
            ),
            Slip(
                a.discriminator_like(end=(a.Squeezed(),)),
                "squeeze() also eats the batch dimension where the batch has one picture.",
            ),
        ),
        alternatives=(
            a.discriminator_like(),
            a.discriminator_like(end=(nn.Flatten(), nn.Flatten(0))),
        ),
    ),
    Exercise(
        id="3.5",
        title="Initialisation",
        points=2,
        minutes=10,
        reference=blocks.init_normal,
        cases=lambda rng: [Case((number(rng, 0, 10**6),))],
        observe=a.observe_init,
        slips=(
            Slip(a.init_like(std=0.2), "The standard deviation is 0.02, not 0.2."),
            Slip(a.init_like(gain=0.0), "Batch norm's gain is centred on 1: 0 switches it off."),
            Slip(
                a.init_like(seeded=False),
                "You drew from torch's own generator, whose state others need: pass generator=rng.",
            ),
            Slip(
                lambda net, rng: net,
                "The weights are still torch's default. Change them in place, under no_grad.",
            ),
            Slip(a.init_like(silent=True), "Return the network, too."),
            Slip(
                a.init_like(of=(nn.Conv2d, nn.Linear, nn.BatchNorm2d)),
                "nn.ConvTranspose2d is no nn.Conv2d: G's layers were left out.",
            ),
            Slip(a.init_children, "net.children() holds no layer inside a layer: net.modules()."),
            Slip(a.init_like(std=0.02**0.5), "0.02 is the standard deviation, not the variance."),
        ),
        alternatives=(a.init_like(),),
        rtol=0.12,
        atol=0.003,
    ),
    Exercise(
        id="3.6",
        title="Real and fake apart",
        points=2,
        minutes=10,
        reference=a.judge_apart,
        cases=lambda rng: [
            Case((number(rng, 0, 10**6), number(rng, 4, 6), mode), note=f"with D in {mode} mode")
            for mode in ("train", "eval")
        ],
        observe=a.observe_logits,
        slips=(
            Slip(
                a.judge_together,
                "You put both in one batch: batch norm then mixes their statistics, and D's answer "
                "on a real picture depends on the fakes beside it.",
            ),
            Slip(
                a.judge_in_eval,
                "D is in evaluation mode: it uses running statistics, which lag behind. Leave it "
                "in the mode in which it comes.",
            ),
            Slip(
                lambda D, x, fakes: (D(x), D(fakes)),
                "A gradient reaches G. In D's turn the fakes are constants: detach them.",
            ),
            Slip(
                lambda D, x, fakes: a.judge_apart(D, x, fakes)[::-1],
                "These are the right logits the wrong way round: real first, then fake.",
            ),
            Slip(
                lambda D, x, fakes: tuple(t.sigmoid() for t in a.judge_apart(D, x, fakes)),
                "These are probabilities; return the logits.",
            ),
        ),
        alternatives=(lambda D, x, fakes: tuple(D(batch.detach()) for batch in (x, fakes)),),
    ),
    Exercise(
        id="3.7",
        title="A running average of G",
        points=2,
        minutes=10,
        reference=ema_update,
        cases=lambda rng: [
            Case((number(rng, 0, 10**6), 0.6 + 0.39 * torch.rand((), generator=rng).item()))
        ],
        observe=a.observe_average,
        slips=(
            Slip(
                lambda average, net, decay: a.average_like(average, net, 1 - decay),
                "decay is the share of the old average that stays, 1 - decay what comes in: you "
                "have them the wrong way round.",
            ),
            Slip(
                lambda average, net, decay: a.average_like(average, net, decay, buffers=False),
                "The weights are right, the buffers are not: batch norm's running statistics must "
                "be copied too, or the average runs with stale ones.",
            ),
            Slip(
                lambda average, net, decay: a.average_like(average, net, decay, into=1),
                "You changed the network that is trained. Only the average moves.",
            ),
            Slip(
                lambda average, net, decay: average.load_state_dict(net.state_dict()),
                "That is a copy of the newest weights; mix them with the old average.",
            ),
            Slip(
                lambda average, net, decay: None,
                "The average did not move. `a = decay * a + ...` in a loop only renames; change "
                "the tensor in place, with lerp_ or copy_.",
            ),
        ),
        alternatives=(a.average_like, a.by_state_dict),
    ),
    Exercise(
        id="3.8",
        title="Which run is healthy?",
        points=1,
        minutes=5,
        reference="b",
        cases=lambda rng: [Case()],
        observe=observe_value,
        slips=(
            Slip(
                "a",
                "D's loss near 0 means that it knows every fake, and G's climbs: saturated.",
            ),
            Slip(
                "c",
                "Look at the samples, and at the spread printed above: all noise vectors give "
                "nearly the same picture. This run has collapsed.",
            ),
            Slip("d", "One of these pairs of curves is healthy: losses need not fall for that."),
            Slip(
                "a and b",
                "Only one of them: compare D's loss with log 4 = 1.386, what an undecided D pays.",
            ),
        ),
        alternatives=("B", " b "),
    ),
)
