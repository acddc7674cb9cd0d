"""Exercises of notebook 01, adversarial examples.

Their questions are in ``nb01_cases``, wrong and other right answers in ``nb01_answers``.
"""

import math

import torch
import torch.nn.functional as F

from gancourse.exercises import nb01_answers as answers
from gancourse.exercises import nb01_cases as cases
from gancourse.exercises.base import Case, Exercise, Slip, observe_value
from gancourse.papers import adversarial

VALUES = 3 * 224 * 224
NOISE_NORM = adversarial.pixels(2) * math.sqrt(VALUES)

EXERCISES = (
    Exercise(
        id="1.1",
        title="The length of the noise",
        points=1,
        minutes=5,
        reference=NOISE_NORM,
        cases=lambda rng: [Case()],
        observe=observe_value,
        rtol=5e-3,  # 6.1 and 6.09 are right answers too
        slips=(
            Slip(NOISE_NORM / 2, "The range [-1, 1] is 2 wide, so one grey level is 2/255 of it."),
            Slip(
                adversarial.pixels(2) * VALUES, "That is the sum of the changes: n, without a root."
            ),
            Slip(NOISE_NORM / math.sqrt(3), "A pixel has three values: red, green and blue."),
            Slip(adversarial.pixels(2), "That is the largest change of one value, the l-inf norm."),
            Slip(2 * math.sqrt(VALUES), "That is in grey levels; state it in units of [-1, 1]."),
            Slip(NOISE_NORM**2, "That is the squared length: take the root."),
        ),
        alternatives=(6.09, torch.full((VALUES,), adversarial.pixels(2)).norm()),
        advice="Square each of the n changes, add them up, take the root.",
    ),
    Exercise(
        id="1.2",
        title="Random sign noise",
        points=2,
        minutes=8,
        reference=adversarial.random_sign_noise,
        cases=cases.noise,
        observe=cases.observe_noise,
        slips=(
            Slip(
                answers.noise(lambda x, rng: torch.randn(x.shape, generator=rng)),
                "Some values move by more than eps: Gaussian noise, or a factor other than eps?",
            ),
            Slip(
                answers.noise(lambda x, rng: 2 * torch.rand(x.shape, generator=rng) - 1),
                "Values move by less than eps: uniform noise, or a factor? Only +-eps.",
            ),
            Slip(
                answers.noise(lambda x, rng: torch.randint(-1, 2, x.shape, generator=rng).float()),
                "Some values don't move: randint(-1, 2) draws 0 as well. Only -1 and +1.",
            ),
            Slip(
                answers.noise(answers.shared_coins),
                "Values share a coin: each value of each picture and channel needs its own.",
            ),
            Slip(answers.noise_in_place, "You changed the x that was given: it is used again."),
            Slip(answers.noise(answers.coins), "Your coins are 0 and 1; they should be -1 and +1."),
            Slip(
                answers.noise(lambda x, rng: 2.0 * torch.randint(2, (), generator=rng) - 1),
                "One coin decides for all values: the picture gets brighter or darker as a whole.",
            ),
            Slip(
                answers.noise(lambda x, rng: 2 * torch.randint(2, x.shape).float() - 1),
                "Your noise does not come from rng: the result can't be repeated.",
            ),
            Slip(
                answers.noise(lambda x, rng: 2 * answers.coins(x, rng) - 1, clamp=False),
                "Some values leave [-1, 1]: that is no picture. Clamp.",
            ),
        ),
        alternatives=(
            answers.noise(
                lambda x, rng: torch.where(torch.rand(x.shape, generator=rng) < 0.5, 1.0, -1.0)
            ),
            answers.noise(lambda x, rng: (torch.rand(x.shape, generator=rng) - 0.5).sign()),
        ),
    ),
    Exercise(
        id="1.3",
        title="The gradient in the picture",
        points=2,
        minutes=10,
        reference=adversarial.input_gradient,
        cases=cases.gradient,
        observe=cases.observe_clean,
        slips=(
            Slip(
                answers.gradient(F.cross_entropy),
                "You averaged over the batch: add reduction='sum', so that no picture's gradient "
                "depends on how many others there are.",
            ),
            Slip(
                answers.gradient(lambda logits, y: logits.gather(1, y[:, None]).sum()),
                "That is the slope of the logit of y, not of the loss. It also has the other sign.",
            ),
            Slip(
                answers.gradient(
                    lambda logits, y: F.cross_entropy(logits.softmax(1), y, reduction="sum")
                ),
                "cross_entropy takes logits: you applied softmax first, so it is applied twice.",
            ),
            Slip(
                answers.gradient(lambda logits, y: -F.cross_entropy(logits, y, reduction="sum")),
                "Wrong sign: the loss itself, not minus the loss. The attack will go up.",
            ),
            Slip(
                answers.gradient_backward,
                "The gradient is right, but backward() also filled the parameters' .grad: the next "
                "training step would use it. torch.autograd.grad(loss, x) returns only what you "
                "ask for.",
            ),
            Slip(
                answers.gradient_tuple,
                "autograd.grad returns a tuple, with one gradient for each tensor: take its [0].",
            ),
            Slip(
                answers.gradient_marked,
                "The gradient is right, but you switched on requires_grad of the caller's x: what "
                "is made from it later drags a graph along. Start from x.detach().",
            ),
        ),
        alternatives=(
            answers.gradient_one_by_one,
            answers.gradient(lambda logits, y: -logits.log_softmax(1).gather(1, y[:, None]).sum()),
        ),
    ),
    Exercise(
        id="1.4",
        title="FGSM",
        points=3,
        minutes=10,
        reference=adversarial.fgsm,
        cases=cases.one_step,
        observe=cases.observe_clean,
        slips=(
            Slip(answers.step(lambda g: g), "The sign is missing: every value must move by eps."),
            Slip(
                answers.step(lambda g: -g.sign()),
                "Minus makes the loss smaller: the cat more a cat.",
            ),
            Slip(
                answers.step(torch.sign, -math.inf, math.inf), "Some values leave [-1, 1]: clamp."
            ),
            Slip(
                answers.step(torch.sign, 0),
                "The course's pictures lie in [-1, 1], not in [0, 1].",
            ),
            Slip(
                answers.step(lambda g: g.sign() * 2 / 255),
                "eps is already in units of [-1, 1]: pixels() was applied by the caller.",
            ),
            Slip(
                answers.step(lambda g: g / g.abs().amax((1, 2, 3), keepdim=True)),
                "You scaled the gradient; only its sign counts, so that each value moves by eps.",
            ),
        ),
        alternatives=(answers.fgsm_where, answers.step(lambda g: g / g.abs())),
    ),
    Exercise(
        id="1.5",
        title="Why high dimension matters",
        points=1,
        minutes=8,
        reference="c",
        cases=lambda rng: [Case()],
        observe=observe_value,
        slips=(
            Slip("a", "A side twice as long has four times as many values: count n again."),
            Slip("b", "Right for FGSM. Random signs cancel: n coins sum to about the root of n."),
            Slip("d", "The other way round: it is the random signs that cancel each other."),
            Slip("e", "Its mean is 0 for any n; its typical size, the root of n, is what grows."),
        ),
        alternatives=("C", " c "),
    ),
    Exercise(
        id="1.6",
        title="The L2 step",
        points=2,
        minutes=10,
        reference=adversarial.fast_l2,
        cases=cases.one_step,
        observe=cases.observe_clean,
        slips=(
            Slip(
                answers.step(lambda g: g / g.norm()),
                "You divided by the norm of the whole batch: each picture needs its own.",
            ),
            Slip(
                answers.step(lambda g: g / answers.length(g) ** 2),
                "You divided by the squared norm.",
            ),
            Slip(
                answers.step(lambda g: g / g.abs().sum((1, 2, 3), keepdim=True)),
                "You divided by the sum of sizes, the L1 norm: square, add, take the root.",
            ),
            Slip(
                answers.step(lambda g: g),
                "The step's length should be eps: divide by the norm of g.",
            ),
            Slip(answers.step(torch.sign), "That is FGSM again: each value moved by eps."),
            Slip(
                answers.step(lambda g: F.normalize(g, dim=1)),
                "F.normalize(g) works along the channels of one pixel: flatten each picture first.",
            ),
        ),
        alternatives=(
            answers.step(lambda g: F.normalize(g.flatten(1), dim=1).view_as(g)),
            answers.step(lambda g: g / g.square().sum((1, 2, 3), keepdim=True).sqrt()),
        ),
    ),
    Exercise(
        id="1.7",
        title="Many small steps, with a target",
        points=4,
        minutes=20,
        reference=adversarial.iterate,
        cases=cases.many_steps,
        observe=cases.observe_clean,
        slips=(
            Slip(
                answers.iterate(ball=False),
                "The steps add up to more than eps: no projection, or one around the last point "
                "instead of the original x.",
            ),
            Slip(
                answers.iterate_in_place,
                "You changed the x that was given: x_adv += writes into it.",
            ),
            Slip(answers.iterate_clamp_late, "Clamp to [-1, 1] after every step too."),
            Slip(
                answers.iterate_late,
                "You projected once, at the end: the slopes on the way were taken outside the box.",
            ),
            Slip(answers.iterate(refresh=False), "Take the gradient at x_adv, not at x each time."),
            Slip(
                answers.iterate(sign=lambda t: 1),
                "`targeted` is ignored: go down the loss of the target.",
            ),
            Slip(
                answers.iterate(sign=lambda t: -1),
                "Without a target, go up the loss of the true class.",
            ),
            Slip(answers.iterate(sign=lambda t: 1 if t else -1), "Up and down are exchanged."),
            Slip(
                answers.iterate(limit=math.inf),
                "Inside the box, but outside [-1, 1]: clamp to both.",
            ),
            Slip(
                answers.iterate(whole=True),
                "Each step has size `step`; eps is the half-width of the box.",
            ),
        ),
        alternatives=(answers.iterate(),),
        advice="With steps=1, is it FGSM of size `step`? If so: is x unchanged, and is every value "
        "back in the box and in [-1, 1] after every step?",
    ),
    Exercise(
        id="1.8",
        title="Accuracy against eps",
        points=3,
        minutes=12,
        reference=adversarial.accuracy_curve,
        cases=cases.curve,
        observe=cases.observe_curve,
        slips=(
            Slip(answers.curve_fgsm, "You called fgsm: call the `attack` that you are given."),
            Slip(
                torch.no_grad()(answers.curve()),
                "The attack takes slopes: torch.no_grad() only around the scoring.",
            ),
            Slip(answers.curve_piled, "Each size should start from the clean x; yours pile up."),
            Slip(answers.curve(lambda h: 1 - h.float().mean()), "That is the error, 1 - accuracy."),
            Slip(answers.curve(lambda h: h.float().sum()), "That is a count; divide by the batch."),
            Slip(
                answers.curve(judge=True),
                "You scored against the model's own first guess: its clean mistakes vanish.",
            ),
            Slip(
                answers.curve(own=True),
                "You attacked the model's own guess: that repairs pictures it got answers. Use y.",
            ),
            Slip(
                answers.curve(attacked=False),
                "You scored the clean pictures: classify attack(...).",
            ),
        ),
        alternatives=(answers.curve(),),
    ),
)
