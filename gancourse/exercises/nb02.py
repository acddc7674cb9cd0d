"""Exercises of notebook 02: the minimax game, its optimum, its step, its failures."""

import math

import torch
import torch.nn.functional as F

from gancourse.exercises import nb02_answers as a
from gancourse.exercises.base import Case, Exercise, Slip, observe_value
from gancourse.metrics.samples import mode_coverage
from gancourse.papers import gan

logsigmoid = F.logsigmoid

EXERCISES = (
    Exercise(
        id="2.1",
        title="What a classifier can't tell",
        points=1,
        minutes=4,
        reference="c",
        cases=lambda rng: [Case()],
        observe=observe_value,
        slips=(
            Slip("a", "It can: 'the likelier label' is just what p(y|x) compares."),
            Slip("b", "It can: p(y|x) is near 0.5 where it is not sure."),
            Slip("d", "It can: find the x where p(y|x) = 0.5, as the map above does."),
            Slip(
                "e",
                "It can, as far as its model is right: that is the classifier's expected accuracy "
                "on given points, the mean of the larger of the two probabilities.",
            ),
        ),
        alternatives=("C", " c "),
        advice="Which of these needs p(x), the density of the points themselves?",
    ),
    Exercise(
        id="2.2",
        title="Value of the game",
        points=2,
        minutes=8,
        reference=gan.value,
        cases=a.logits,
        slips=(
            Slip(
                lambda real, fake: -logsigmoid(real).mean() - logsigmoid(-fake).mean(),
                "Right size, wrong sign: V is what D wants high. Minus V will be D's loss.",
            ),
            Slip(
                lambda real, fake: logsigmoid(real).mean() + logsigmoid(fake).mean(),
                "The second term is log(1 - D), not log D. Note that 1 - sigmoid(l) = sigmoid(-l).",
            ),
            Slip(
                lambda real, fake: logsigmoid(real).sum() + logsigmoid(-fake).sum(),
                "That is the sum over the batch; an expectation is estimated by the mean.",
            ),
            Slip(
                lambda real, fake: (logsigmoid(real).mean() + logsigmoid(-fake).mean()) / 2,
                "That is half of V: the two expectations are added, not averaged.",
            ),
            Slip(
                lambda real, fake: (
                    logsigmoid(real.sigmoid()).mean() + logsigmoid(-fake.sigmoid()).mean()
                ),
                "That is a sigmoid applied twice: logsigmoid already contains one.",
            ),
            Slip(
                lambda real, fake: real.sigmoid().log().mean() + (1 - fake.sigmoid()).log().mean(),
                "Right on paper, but far out the sigmoid rounds to 0 or 1, exp overflows, the log "
                "is infinite. F.logsigmoid, or -F.softplus(-l), never leave the logits.",
            ),
            Slip(
                lambda real, fake: (
                    (real.sigmoid() + 1e-8).log().mean() + (1 - fake.sigmoid() + 1e-8).log().mean()
                ),
                "An epsilon makes it finite, not right: far out the value and its slope stop at "
                "log(1e-8). F.logsigmoid needs none.",
            ),
        ),
        alternatives=(
            lambda real, fake: logsigmoid(real).mean() + logsigmoid(-fake).mean(),
            lambda real, fake: (
                -F.binary_cross_entropy_with_logits(real, torch.ones_like(real))
                - F.binary_cross_entropy_with_logits(fake, torch.zeros_like(fake))
            ),
        ),
    ),
    Exercise(
        id="2.3",
        title="The best discriminator",
        points=1,
        minutes=8,
        reference=gan.optimal_discriminator,
        cases=a.densities,
        slips=(
            Slip(lambda p, q: q / (p + q), "That is the chance that x is a fake. Real is 1."),
            Slip(
                lambda p, q: p / q,
                "That is the odds of real against fake, D / (1 - D). Solve it for D.",
            ),
            Slip(
                lambda p, q: (p > q).float(),
                "That is the hard decision. D is a probability: how likely is it that x is real?",
            ),
            Slip(
                lambda p, q: torch.sigmoid(p - q),
                "Close in spirit, but the derivative is zero elsewhere: it is log p - log q, not "
                "p - q, that goes into the sigmoid.",
            ),
            Slip(
                lambda p, q: p / (p + q).sum(),
                "You normalised over the points. Each x is a question of its own.",
            ),
            Slip(
                lambda p, q: p.log() - q.log(),
                "That is the best logit. The exercise asks for the probability: one sigmoid more.",
            ),
        ),
        alternatives=(
            lambda p, q: torch.sigmoid(p.log() - q.log()),
            lambda p, q: 1 / (1 + q / p),
        ),
        advice="Set the derivative of p log D + q log(1 - D) to zero and solve for D.",
    ),
    Exercise(
        id="2.4",
        title="The value at the end of the game",
        points=1,
        minutes=4,
        reference=-math.log(4),
        cases=lambda rng: [Case()],
        observe=observe_value,
        rtol=5e-3,
        slips=(
            Slip(math.log(4), "Right size, wrong sign: the log of a probability is negative."),
            Slip(-math.log(2), "That is one of the two terms. V has two expectations."),
            Slip(0.5, "That is D. Put it into V."),
            Slip(-2.0, "That is in bits; use the natural logarithm, as V does."),
            Slip(
                0.0, "V would be 0 for a D that is always right, but it can't be, if p_g = p_data."
            ),
        ),
        alternatives=(-1.386, 2 * math.log(0.5), torch.tensor(0.25).log()),
        advice="With p = q, Exercise 2.3 gives D the same value everywhere. Put it into V.",
    ),
    Exercise(
        id="2.5",
        title="A loss for the generator that does not saturate",
        points=1,
        minutes=6,
        reference=gan.non_saturating_loss,
        cases=a.fake_logits,
        slips=(
            Slip(
                lambda fake: logsigmoid(-fake).mean(),
                "That is log(1 - D), flat exactly where D wins: see the figure above.",
            ),
            Slip(
                lambda fake: -logsigmoid(fake.sigmoid()).mean(),
                "That is a sigmoid applied twice: D already returns logits.",
            ),
            Slip(lambda fake: -logsigmoid(fake).sum(), "That is the sum; take the mean."),
            Slip(
                lambda fake: logsigmoid(fake).mean(),
                "Right size, wrong sign: optimizers descend, and G wants log D high.",
            ),
            Slip(
                lambda fake: -logsigmoid(-fake).mean(),
                "That is the cross-entropy with label 0: it would teach G to be caught.",
            ),
            Slip(
                lambda fake: -fake.sigmoid().log().mean(),
                "Right on paper, but far out the sigmoid rounds to 0, exp overflows, the loss is "
                "infinite, where G needs the gradient most. Use F.logsigmoid or F.softplus.",
            ),
            Slip(
                lambda fake: -(fake.sigmoid() + 1e-8).log().mean(),
                "An epsilon makes it finite, not right: far out the loss and its slope stop at "
                "log(1e-8). F.logsigmoid and F.softplus need none.",
            ),
        ),
        alternatives=(
            lambda fake: -logsigmoid(fake).mean(),
            lambda fake: F.binary_cross_entropy_with_logits(fake, torch.ones_like(fake)),
        ),
        advice="Write -log sigmoid(logit) on paper and simplify before coding.",
    ),
    Exercise(
        id="2.6",
        title="One iteration of Algorithm 1",
        points=4,
        minutes=20,
        reference=gan.gan_step,
        cases=a.rounds,
        observe=a.observe_step,
        slips=(
            Slip(
                a.turns(clear=False),
                "The gradients of earlier steps are still there and are added. Clear them before "
                "each backward(): opt.zero_grad().",
            ),
            Slip(
                a.turns(often=True),
                "G moves after each of D's steps. Its turn comes once, after the loop over k.",
            ),
            Slip(a.turns(once=True), "D took one step, whatever k is. Loop k times over D's turn."),
            Slip(
                a.turns(swapped=True),
                "D learns the labels the wrong way round: real is 1 and fake is 0.",
            ),
            Slip(
                a.turns(saturating=True),
                "G descends log(1 - D), as in the box of Algorithm 1. Right there, but the "
                "exercise asks for -log D, your generator_loss.",
            ),
            Slip(
                a.turns(same_noise=True),
                "G's turn reuses the noise of D's turn. Algorithm 1 draws fresh noise.",
            ),
            Slip(
                a.turns(cut=True),
                "G never moved: opt_G.step() is missing, or the fakes are detached (or made under "
                "no_grad) in G's turn too, where the gradient must flow through D into G.",
            ),
            Slip(
                a.turns(graph=True),
                "All right but the end: return loss.detach(), or every loss that is kept keeps its "
                "whole graph in memory.",
            ),
        ),
        alternatives=(a.turns(), a.turns(detach=False)),
        advice="Hold your lines beside the table of Algorithm 1: is each there, once, in its turn?",
    ),
    Exercise(
        id="2.7",
        title="What flat losses mean",
        points=1,
        minutes=4,
        reference="b",
        cases=lambda rng: [Case()],
        observe=observe_value,
        slips=(
            Slip("a", "A D that has learned nothing says 1/2 as well, of any samples whatever."),
            Slip("c", "If G had stopped, D would soon see a difference: loss_D below log 4."),
            Slip("d", "log 2 belongs to logit 0, where neither of G's losses is flat."),
            Slip("e", "A D with swapped labels learns to tell them apart too: it leaves log 4."),
        ),
        alternatives=("B", " b"),
        advice="When does a D say 1/2 of everything? There are two quite different reasons.",
    ),
    Exercise(
        id="2.8",
        title="Counting modes",
        points=2,
        minutes=12,
        reference=mode_coverage,
        cases=a.clouds,
        observe=a.observe_coverage,
        slips=(
            Slip(
                a.coverage(nearest_only=True),
                "Every point was given to its nearest centre, however far away. Only points within "
                "the radius count.",
            ),
            Slip(
                a.coverage(more=True),
                "A mode with exactly `least` points counts too: >=, not >.",
            ),
            Slip(
                a.coverage(any_point=True),
                "One stray point is enough for your count. A mode needs `least` points near it.",
            ),
            Slip(
                a.coverage(squared=True),
                "You compared the squared distance with the radius. Take the root, or square both.",
            ),
            Slip(
                a.coverage(share_of="modes"),
                "The second number is the share of modes. It should be the share of points that "
                "are near some centre.",
            ),
            Slip(
                a.coverage(share_of="none"),
                "The second number is a count. Divide by the number of points.",
            ),
            Slip(
                a.coverage(share_of="counted"),
                "The share is of points near any centre, also one with too few to count.",
            ),
        ),
        alternatives=(a.coverage(),),
    ),
)
