"""Which loss was logged: the right name for each, and no name by chance."""

from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from gancourse.training.loop import Record
from gancourse.training.loss_names import SATURATING, identify
from gancourse.training.loss_terms import terms

bce = F.binary_cross_entropy_with_logits
one, zero = torch.ones_like, torch.zeros_like


def records(loss_D, loss_G, rng, spread=2.0, end=lambda logits: logits, n=24) -> list[Record]:
    """Sixteen records of random logits, with the losses that these functions give."""
    made = []
    for step in range(16):
        lead = spread * torch.rand(2, generator=rng)
        r, f, g = (end(spread * torch.randn(n, 1, generator=rng) + b) for b in (*lead, -lead[0]))
        low, high = torch.stack([r, f]).min(), torch.stack([r, f]).max()
        numbers = terms(r, f, r, g) | {"low_logit": low, "high_logit": high}
        numbers |= {"loss_D": loss_D(r, f), "loss_G": loss_G(g, r)}
        made.append(Record(step, step, {name: float(value) for name, value in numbers.items()}))
    return made


def cross_entropy(real: int, fake: int):
    return lambda r, f: bce(r, one(r) * real) + bce(f, one(f) * fake)


def squares(a: float, b: float):
    return lambda r, f: (r - a).square().mean() + (f - b).square().mean()


def pairs(r: Tensor, f: Tensor) -> Tensor:
    return bce(r - f, one(r))


def averages(r: Tensor, f: Tensor) -> Tensor:
    return bce(r - f.mean(), one(r)) + bce(f - r.mean(), zero(f))


def hinge(r: Tensor, f: Tensor) -> Tensor:
    return F.relu(1 - r).mean() + F.relu(1 + f).mean()


def non_saturating(g: Tensor, r: Tensor) -> Tensor:
    return bce(g, one(g))


LOSSES_D = {
    "cross-entropy": cross_entropy(1, 0),
    "least squares": squares(1, 0),
    "hinge": hinge,
    "Wasserstein": lambda r, f: f.mean() - r.mean(),
    "relativistic": pairs,
    "relativistic average": averages,
}
LOSSES_G = {
    "cross-entropy": non_saturating,
    "least squares": lambda g, r: (g - 1).square().mean(),
    "Wasserstein": lambda g, r: -g.mean(),
    "relativistic": lambda g, r: bce(g - r, one(g)),
    "relativistic average": lambda g, r: averages(g, r),
}


@pytest.mark.parametrize("scale", [1.0, 0.5])
@pytest.mark.parametrize("name", LOSSES_D)
def test_losses_of_the_discriminator_are_recognized_as_sums_and_halves(name, scale, rng):
    facts, nats = identify(
        records(lambda *logits: scale * LOSSES_D[name](*logits), non_saturating, rng)
    )
    assert (facts["loss_name_D"], facts["wants_D"], facts["note_D"]) == (name, 1, "")
    assert bool(nats["D"]) == (name == "cross-entropy")


@pytest.mark.parametrize("name", LOSSES_G)
def test_losses_of_the_generator_are_recognized(name, rng):
    facts, _ = identify(records(cross_entropy(1, 0), LOSSES_G[name], rng))
    assert (facts["loss_name_G"], facts["wants_G"]) == (name, 1)


def test_nats_are_the_sum_of_both_terms_whatever_was_logged(rng):
    whole = records(cross_entropy(1, 0), non_saturating, rng)
    rng.manual_seed(0)
    half = records(lambda r, f: cross_entropy(1, 0)(r, f) / 2, non_saturating, rng)
    nats = identify(half)[1]
    assert nats["D"] == pytest.approx([r.losses["loss_D"] for r in whole])
    assert nats["G"] == pytest.approx([r.losses["loss_G"] for r in whole])
    saturating = records(cross_entropy(1, 0), lambda g, r: -bce(g, zero(g)), rng)
    facts, nats = identify(saturating)
    assert facts["note_G"] == SATURATING and nats["G"][0] < 0
    assert nats["G"] == pytest.approx([r.losses["loss_G"] for r in saturating])


def test_probabilities_are_known_from_logits(rng):
    def by_probabilities(p: Tensor, q: Tensor) -> Tensor:
        return F.binary_cross_entropy(p, one(p)) + F.binary_cross_entropy(q, zero(q))

    right = records(
        by_probabilities, lambda g, r: F.binary_cross_entropy(g, one(g)), rng, end=torch.sigmoid
    )
    facts, nats = identify(right)
    assert facts["loss_name_D"] == "cross-entropy of probabilities" and nats["D"][0] > 0
    twice = identify(records(cross_entropy(1, 0), non_saturating, rng, end=torch.sigmoid))[0]
    assert twice["loss_name_D"] == "cross-entropy"


MISTAKES = {
    "the term of the fakes is missing": lambda r, f: bce(r, one(r)),
    "the term of the real examples is missing": lambda r, f: bce(f, zero(f)),
    "both real examples and fakes have label 1": cross_entropy(1, 1),
    "both real examples and fakes have label 0": cross_entropy(0, 0),
}


@pytest.mark.parametrize("note", MISTAKES)
def test_mistakes_in_the_labels_are_named(note, rng):
    facts, _ = identify(records(MISTAKES[note], non_saturating, rng))
    assert (facts["wants_D"], facts["note_D"]) == (0, note)


SIGNS_D = {
    "cross-entropy": cross_entropy, "least squares": squares,
    "hinge": lambda a, b: hinge if a > b else lambda r, f: hinge(-r, -f),
    "Wasserstein": lambda a, b: lambda r, f: (b - a) * (r.mean() - f.mean()),
}  # fmt: skip
SIGNS_G = {
    "cross-entropy": lambda a: lambda g, r: bce(g, one(g) * a),
    "least squares": lambda a: lambda g, r: (g - a).square().mean(),
    "hinge": lambda a: lambda g, r: (1 - 2 * a) * g.mean(),
    "Wasserstein": lambda a: lambda g, r: (1 - 2 * a) * g.mean(),
}


@pytest.mark.parametrize("name, real, wish", product(SIGNS_D, (1, 0), (1, 0)))
def test_the_directions_of_both_players_are_known(name, real, wish, rng):
    """Real 0 and fake 1 is a correct game, if G wants 0 for its fakes."""
    facts, _ = identify(records(SIGNS_D[name](real, 1 - real), SIGNS_G[name](wish), rng))
    assert facts["wants_D"] == 2 * real - 1 and facts["wants_G"] == 2 * wish - 1
    assert facts["loss_name_D"] == name


@pytest.mark.parametrize("real, fake", [(0.1, 0.0), (0.2, 0.2), (0.5, 0.5), (0.3, 0.0)])
def test_shares_of_other_labels_are_measured(real, fake, rng):
    def smoothed(r: Tensor, f: Tensor) -> Tensor:
        return bce(r, one(r) * (1 - real)) + bce(f, one(f) * fake)

    facts, nats = identify(records(smoothed, non_saturating, rng))
    assert facts["share"] == pytest.approx((real + fake) / 2, abs=0.01)
    assert facts["wants_D"] == 1 and nats["D"]


def test_half_of_a_batch_with_exchanged_labels(rng):
    def exchanged(r: Tensor, f: Tensor) -> Tensor:
        t = (torch.arange(len(r)) % 2).float()[:, None]
        return bce(r, t) + bce(f, 1 - t)

    facts, _ = identify(records(exchanged, non_saturating, rng, n=4000))
    assert facts["share"] == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("name", ["Wasserstein", "hinge", "cross-entropy"])
def test_a_penalty_does_not_hide_the_loss(name, rng):
    loss_G = LOSSES_G["Wasserstein" if name == "hinge" else name]
    with_penalty = records(lambda r, f: LOSSES_D[name](r, f) + 0.3 + 0.1 * r.var(), loss_G, rng)
    facts, _ = identify(with_penalty)
    assert (facts["loss_name_D"], facts["wants_D"]) == (name, 1)


def test_another_loss_gets_no_name(rng):
    other = records(lambda r, f: (r - f).abs().mean(), lambda g, r: g.pow(4).mean(), rng)
    facts, nats = identify(other)
    assert facts["loss_name_D"] == facts["loss_name_G"] == "" and not nats["D"]
    assert facts["wants_D"] != facts["wants_D"]  # nan


def test_near_undecided_logits_no_mistake_is_named(rng):
    """All versions give log 4 there: only the correct one may be named."""
    for loss in (cross_entropy(1, 0), cross_entropy(0, 1)):
        facts, _ = identify(records(loss, non_saturating, rng, spread=1e-5))
        assert facts["wants_D"] == 1 and not facts["note_D"]
    facts, _ = identify(records(lambda r, f: bce(r, one(r)), non_saturating, rng, spread=1e-5))
    assert not facts["note_D"]  # log 2: also half of the sum


def test_records_without_logits_count_as_cross_entropies():
    facts, nats = identify([Record(1, 1.0, {"loss_D": 1.2, "loss_G": 0.7})])
    assert not facts["terms"] and nats == {"D": [1.2], "G": [0.7]}
