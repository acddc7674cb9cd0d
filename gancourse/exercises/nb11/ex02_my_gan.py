"""Exercise 11.2: a training loop from an empty cell."""

import copy
from collections.abc import Callable
from functools import partial
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.optim import Adam

from gancourse import env
from gancourse.exercises.base import AnswerError, Case, Exercise, Observation
from gancourse.exercises.differences import RAW
from gancourse.exercises.nb11._loop_answers import (
    adams,
    augmented,
    by_class,
    by_pairs,
    log_loss,
    loop,
    minus,
    plus,
    without_momentum,
)  # fmt: skip
from gancourse.exercises.nb11._loop_first import (
    First,
    chance_and_past,
    effects,
    first_problem,
    real_and_fake,
)  # fmt: skip
from gancourse.exercises.nb11._loop_later import long_problem, near, ranks, resumed_problem
from gancourse.exercises.nb11._loop_run import FIRST, flat, load, parts, setting
from gancourse.exercises.observe import integer, seeded
from gancourse.exercises.parts import Part
from gancourse.exercises.watch import OnDevice
from gancourse.papers.gan import ema_update
from gancourse.simulated_cuda import CUDA, Device, on_cuda
from gancourse.training.own_gan import my_gan

SHAPES = (1, 6, 6), (3, 4, 4)


def runs(rng: torch.Generator) -> list[Case]:
    """A run that is interrupted and a longer one; one on dark images, the other on bright ones."""
    bright, shapes = integer(rng, 0, 1), SHAPES[:: 1 if integer(rng, 0, 1) else -1]
    cases = []
    for n, what in enumerate(PARTS):
        kind = "bright" if n == bright else "dark"
        where = f"on {kind} images of {shapes[n][1]} x {shapes[n][2]} pixels"
        note = f"in {'an interrupted' if what == 'resumed' else 'a longer'} run {where}"
        cases.append(Case((integer(rng, 0, 10**6), n == bright, shapes[n], what), note=note))
    return cases


PARTS = {"resumed": (chance_and_past, resumed_problem), "long": (real_and_fake, long_problem)}


def observe_loop(answer: Callable[..., Any], case: Case) -> Observation:
    """Measure a loop; the first thing that is wrong is said."""
    seed, bright, shape, what = case.args
    given = setting(seed, bright, norm=what == "resumed", shape=shape)
    course = patch.object(
        env, "device", lambda: torch.device("cpu")
    )  # a Player moves networks there
    with torch.random.fork_rng(devices=[]), course:
        torch.manual_seed(seed + 2**40)  # no seed that an answer would set itself
        if isinstance(answer, OnDevice):
            return on_device(answer, given, seed)
        last, later = PARTS[what]
        first, raw = First(answer, given, seed), {}
        text = first_problem(first, last) or later(answer, given, seed, raw)
    if text:
        raise AnswerError(text)
    for n, weights in enumerate(first.steps):
        raw |= {f"{n} {name}": x for name, x in weights.items()}
    return {RAW + name: x for name, x in raw.items()}


def conclude_loop(seen: Observation, case: Case) -> Observation:
    """What the weights show: each player moved towards its goal, and in a long run reached it."""
    seed, bright, shape, what = case.args
    given = setting(seed, bright, norm=what == "resumed", shape=shape)
    raw = {name.removeprefix(RAW): x for name, x in seen.items()}
    first = {"G": flat(given.G), "D": flat(given.D)}
    steps = [{name: raw[f"{n} {name}"] for name in "GD"} for n in range(FIRST)]
    good = min(effects(given, [first, *steps]).values()) > 0
    good &= all((steps[0][name] - w).norm() < w.norm() / 2 for name, w in first.items())
    if what == "long":
        G, D = (load(copy.deepcopy(getattr(given, name)), raw[name]) for name in "GD")
        good &= near(given, G) and ranks(given, D)
    if not good:
        raise AnswerError("The weights that were observed are not those of a run that learns.")
    return {"measurements that are wrong": torch.zeros(())}


def on_device(run: OnDevice, given: Any, seed: int) -> Observation:
    """Two steps on the simulated device, which is the course's device meanwhile."""
    run.places = {Tensor: "images.device", torch.Generator: "rng.device"}
    args = on_cuda((given.G, given.D, given.images, 2, seeded(seed)))
    course = patch.multiple(env, device=lambda: CUDA, precision=lambda: "fp32")
    with course, run.noting(), Device():
        step, _, average = parts(run.answer(*args))
        for _ in range(2):
            step()
        run._look(average(on_cuda(given.z)))
    return {}


# Slips: where one measurement can have several causes ---------------------------------------------
def one_for_all(G: nn.Module, D: nn.Module) -> tuple:
    """Two optimizers, of which the first has both networks."""
    return Adam([*G.parameters(), *D.parameters()], 1e-3), Adam(D.parameters(), 1e-3)


def no_update(average: nn.Module, G: nn.Module) -> None:
    """Leaves the average as it is."""


def parameters_only(average: nn.Module, G: nn.Module) -> None:
    with torch.no_grad():
        for a, p in zip(average.parameters(), G.parameters(), strict=True):
            a.lerp_(p, 0.1)


SLIPS = {
    "G's loss has the wrong label or sign, or D is not in it. G wants D to take fakes for real: "
    "softplus(-D(G(z))).": [
        loop(loss_g=plus), loop(loss_g=lambda fake: -minus(fake)),
    ],
    "D's loss has its labels swapped, or the wrong sign. Real is 1, fake is 0: softplus(-D(x)) + "
    "softplus(D(fakes)).": [
        loop(loss_d=lambda real, fake: log_loss(fake, real)),
        loop(loss_d=lambda real, fake: -log_loss(real, fake)),
    ],
    "The two play with swapped labels: in this course D's logit is high for real images.": loop(
        loss_d=lambda real, fake: log_loss(fake, real), loss_g=plus
    ),
    "In D's turn the loss goes into G, too, and this gradient is still there in G's turn: detach "
    "the fakes, and call opt_G.zero_grad() right before loss_G.backward().": loop(
        in_d=lambda x: x, early=True
    ),
    "G's turn needs the fakes with their graph. Only D's turn detaches them.": loop(
        in_g=lambda x: x.detach()
    ),
    "zero_grad() comes after backward() and erases G's gradient. The order is zero_grad, backward, "
    "step.": loop(late="G"),
    "zero_grad() comes after backward() and erases D's gradient. The order is zero_grad, backward, "
    "step.": [loop(late="D"), loop(late="DG")],
    "G's turn, or its optimizer's step(), is missing.": loop(turns="D"),
    "D's turn, or its optimizer's step(), is missing.": loop(turns="G"),
    "G's optimizer has D's weights. Give it G.parameters().": loop(
        optimizers=lambda G, D: adams(D, D)
    ),
    "D's optimizer has G's weights. Give it D.parameters().": loop(
        optimizers=lambda G, D: adams(G, G)
    ),
    "Make one optimizer for each network, with that network's weights only.": loop(
        optimizers=one_for_all
    ),
    "backward() adds to what is in .grad, and G's turn leaves a gradient in D: call "
    "opt_D.zero_grad() in each of D's turns.": loop(cleared=("G",)),
    "backward() adds to what is in .grad: call opt_G.zero_grad() before loss_G.backward().": loop(
        cleared=("D",)
    ),
    "backward() adds to what is in .grad. Each turn begins with its optimizer's "
    "zero_grad().": loop(cleared=()),
    "Update it after G's step in every iteration: ema_update(average, G, decay), the average "
    "first.": [
        loop(update=no_update), loop(update=lambda average, G: ema_update(G, average, 0.9)),
    ],
    "The old average should keep the share decay, and G's weights get 1 - decay: your shares are "
    "swapped, or you copy G.": [loop(update=partial(ema_update, decay=d)) for d in (0.01, 0.0)],
    "ema_update copies buffers, too. By hand: copy each of G.buffers() into the average.": loop(
        update=parameters_only
    ),
    "Without rng a resumed run draws other images and latent vectors.": loop(lacks="rng"),
    "Without it the average starts from untrained weights. Add the network itself, not a "
    "copy.": loop(lacks="average"),
    "Adam's averages of gradients are a part of the run: add both optimizers.": loop(lacks="opt"),
    "A schedule counts its steps: add it, or use a Player, which has one.": loop(
        lacks="schedule", rates=lambda taken: max(0.2, 1 - taken / 24)
    ),
    "A counter in a variable is 0 again after an interruption. Take it from something that is "
    "kept: Player.done, or a schedule's last_epoch.": loop(
        count=lambda taken: 8.0 if taken % 8 == 0 else 0
    ),
    "Batches(images, ...) scales them, and so does to_float(images): images / 127.5 - 1.": [
        loop(real=lambda images: images.float() / 255), loop(real=torch.Tensor.float),
    ],
    "Without real images nobody tells G where to go: D's loss has a term for each.": loop(
        loss_d=lambda real, fake: plus(fake) + 0 * real.sum()
    ),
    "D should learn to recognize fakes, too: its loss has a term for each.": loop(
        loss_d=lambda real, fake: minus(real) + 0 * fake.sum()
    ),
}  # fmt: skip

EXERCISE = Exercise(
    id="11.2",
    title="A training loop of your own",
    points=6,
    minutes=45,
    reference=my_gan,
    cases=runs,
    observe=observe_loop,
    conclude=conclude_loop,
    parts=(
        Part("a run that trains", 3, cases=(1,)),
        Part("a run that resumes", 2, cases=(0,)),
    ),
    slips=SLIPS,
    alternatives=(loop(), by_class, by_pairs, augmented, without_momentum),
    advice="Run three steps, and print both losses, D(x).mean() - D(G(z)).mean(), and how far "
    "average is from G.",
)
