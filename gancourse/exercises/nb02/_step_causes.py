"""What is wrong with a GAN training step, in words: its calls, or the gradients that it follows."""

import torch
from torch import Tensor
from torch.nn.utils import vector_to_parameters

from gancourse.exercises.nb02._step_log import BATCH, NOISE, StepLog
from gancourse.papers import gan


def problem(log: StepLog, k: int) -> str:
    """What is wrong with the calls of an iteration, or with a step's gradient; empty if nothing."""
    for name, parameters in log.parameters.items():
        if not all(p.requires_grad for p in parameters):
            return (
                f"After your step the weights of {name} don't require a gradient any more, so the "
                f"next iteration can't train it. End with {name}.requires_grad_(True)."
            )
    return _calls(log, k) or _order(log) or sizes(log) or _gradients(log)


def _calls(log: StepLog, k: int) -> str:
    """Which calls are too few or too many, and what to do."""
    wanted = {BATCH: k, NOISE: k + 1, "opt_D.step()": k, "opt_G.step()": 1}
    wrong = [call for call, n in wanted.items() if log.count(call) != n]
    if not wrong:
        return ""
    counts = [f"{call} {log.count(call)}, should be {wanted[call]}" for call in wrong]
    what_to_do = _too_few_noise(log, k) if wrong == [NOISE] else _other_calls(log, k)
    return f"Number of calls in one iteration: {'; '.join(counts)}. {what_to_do}".strip()


def _other_calls(log: StepLog, k: int) -> str:
    x, z, d, g = (log.count(call) for call in (BATCH, NOISE, "opt_D.step()", "opt_G.step()"))
    if not d or not g:
        return f"Without its optimizer's step {'G' if d else 'D'} never moves."
    if g > 1:
        return "G takes one step, in its own turn after the loop over k."
    if d == 2 * k and x == k:
        return "Don't take separate steps for real and fake examples: add both terms, step once."
    if d > k:
        return "D takes too many steps."
    if d < k and x == k:
        return "opt_D.step() belongs inside the loop over k."
    if d < k:
        return "Repeat D's turn k times: for _ in range(k)."
    if x < k:
        return "Each of D's k steps needs a fresh batch: call next(batches) inside the loop."
    if x == k + 1:
        return "G's turn needs no real examples, only noise."
    return ONLY_SAMPLE_Z if not z else ""


ONLY_SAMPLE_Z = (
    "Draw all noise with sample_z(m), in both turns: that gives the right size, distribution, "
    "device and seed."
)


def _too_few_noise(log: StepLog, k: int) -> str:
    """In which turn noise is missing, and what is used there."""
    if not log.count(NOISE):
        return ONLY_SAMPLE_Z
    last = log.steps("D")[-1]
    in_D = sum(moment.call == NOISE for moment in log.moments[:last])
    in_G = log.count(NOISE) - in_D
    if in_D < k and in_G == 1:
        if k > 1 and in_D:
            return "D's k steps share noise: call sample_z inside the loop, for each of them."
        return f"It is missing in D's turn. {ONLY_SAMPLE_Z}"
    if in_D != k or in_G:
        return "Once in each of D's k steps, and once more in G's turn."
    place = log.steps("G")[0]
    now = log.moments[place].gradients["G"]
    if now.any() and not _close(now, _expected(log, place)):
        return f"It is missing in G's turn. {ONLY_SAMPLE_Z}"
    more = "" if now.any() else ", which have no graph: G has no gradient and never moves"
    return (
        f"G's turn uses the noise or the fakes of D's turn again{more}. PyTorch's DCGAN tutorial "
        "reuses the fakes, with their graph; Algorithm 1 and this exercise draw fresh noise for G: "
        "D(G(sample_z(len(x))))."
    )


def _order(log: StepLog) -> str:
    if log.steps("G")[0] > log.steps("D")[-1]:
        return ""
    return (
        "opt_G.step() comes before opt_D.step(), but D's turn comes first. (Or are the two "
        "optimizers swapped?)"
    )


def sizes(log: StepLog) -> str:
    """Latent vectors drawn for another number than that of the real examples."""
    drawn = [len(moment.given) for moment in log.moments if moment.call == NOISE]
    if all(size == log.m for size in drawn):
        return ""
    asked = ", then ".join(map(str, drawn))
    return (
        f"Your code asks sample_z for {asked} latent vectors, where a batch has {log.m} real "
        "examples. Use len(x), in both turns."
    )


def _gradients(log: StepLog) -> str:
    """A step without a gradient, or with an old one in it."""
    for name, start in (("D", BATCH), ("G", NOISE)):
        for n, place in enumerate(log.steps(name)):
            begin = log.last(start, place) or 0
            now, old = (log.moments[i].gradients[name] for i in (place, begin))
            if not now.any():
                return _no_gradient(log, name, begin, place)
            new = _expected(log, place) if old.any() else now
            if _close(now, new) or not _close(now, new + old):
                continue
            text = f"opt_{name}.step() uses the new gradient plus an old one, from"
            if name == "D":
                source = "the step of D before it" if n else "the iteration before"
                return (
                    f"{text} {source}. Call opt_D.zero_grad() at the start of each step of D. "
                    "(G's turn leaves gradients in D, too.)"
                )
            if log.moments[0].gradients["G"].any():
                return f"{text} the iteration before. Call opt_G.zero_grad() before backward()."
            return (
                f"{text} D's turn. Detach the fakes there, and call opt_G.zero_grad() before "
                "backward() in G's turn."
            )
    return ""


def _no_gradient(log: StepLog, name: str, begin: int, place: int) -> str:
    """Why a step has no gradient."""
    before, old = log.moments[place - 1], log.moments[begin].gradients
    if before.call == f"opt_{name}.zero_grad()" and not _close(before.gradients[name], old[name]):
        return (
            f"opt_{name}.zero_grad() comes between backward() and step(), so {name} can't move. "
            "The order is zero_grad(), backward(), step()."
        )
    text = f"At opt_{name}.step() {name} has no gradient, so it can't move"
    gradient_D = log.moments[place].gradients["D"]
    if name == "G" and gradient_D.any() and not _close(gradient_D, old["D"]):
        return (
            f"{text}: the fakes of G's turn are detached, or made under no_grad(). There the "
            "gradient must flow through D into G, D(G(z))."
        )
    return (
        f"{text}: is backward() missing, does a zero_grad() come after it, or does the loss not "
        f"depend on {name}'s weights?"
    )


def _expected(log: StepLog, place: int) -> Tensor:
    """The gradient that a step should follow: with the batch and noise that were drawn last."""
    moment = log.moments[place]
    batch, noise = log.last(BATCH, place), log.last(NOISE, place)
    if batch is None or noise is None:
        return torch.zeros(0)
    for name, net in log.spare.items():
        vector_to_parameters(moment.weights[name], net.parameters())
    G, D = log.spare.values()
    x, z = log.moments[batch].given, log.moments[noise].given
    if moment.call == "opt_D.step()":
        net, loss = D, gan.discriminator_loss(D(x), D(G(z)))
    else:
        net, loss = G, gan.non_saturating_loss(D(G(z)))
    parts = torch.autograd.grad(loss, list(net.parameters()))
    return torch.cat([part.flatten() for part in parts])


def part_of_gradient(log: StepLog) -> str:
    """Why D's gradient at its first step is only a part of that of its loss, or more; else empty.

    For an iteration whose losses are right.
    """
    place = log.steps("D")[0]
    batch, *noise = (log.last(call, place) for call in (BATCH, NOISE))
    if batch is None or noise == [None]:
        return ""
    before = log.last(NOISE, noise[0])
    places = [noise[0] if before is None else before, noise[0]]
    z_D, z_G = (log.moments[n].given for n in places)
    for name, net in log.spare.items():
        vector_to_parameters(log.moments[place].weights[name], net.parameters())
    G, D = log.spare.values()
    real, fake = D(log.moments[batch].given), D(G(z_D).detach())
    weights, zero = list(D.parameters()), torch.tensor(0.0)
    now = log.moments[place].gradients["D"]
    whole = gan.discriminator_loss(real, fake)
    parts = {
        "": (whole, zero),
        "the real examples only: is the fakes' term missing, or D(fakes) under no_grad()? Only "
        "G(z) belongs there.": (gan.discriminator_loss(real, fake.detach()), zero),
        "the fakes only: is the term of x missing, or D(x) under no_grad()?": (
            gan.discriminator_loss(real.detach(), fake), zero,
        ),
        "both losses: G's loss was backpropagated before opt_D.step(). First finish D's turn; then "
        "compute G's loss.": (whole, gan.non_saturating_loss(D(G(z_G)))),
    }  # fmt: skip
    for text, losses in parts.items():
        gradients = torch.autograd.grad(sum(losses), weights, retain_graph=True)
        if _close(now, torch.cat([g.flatten() for g in gradients])):
            return text and f"D's gradient at opt_D.step() comes from {text}"
    return ""


def _close(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and torch.allclose(a, b, rtol=1e-3, atol=1e-6)
