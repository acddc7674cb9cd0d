"""Every fault is trained for real and diagnosed; what can't be known is not invented."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import nn

from gancourse import env
from gancourse.datasets import toy
from gancourse.papers.blocks import MLP, MLPDiscriminator
from gancourse.papers.dcgan import Discriminator, Generator
from gancourse.papers.gan import descend, discriminator_loss, gan_step, non_saturating_loss
from gancourse.training.diagnosis import RULES, diagnose, summary
from gancourse.training.faults import FAULTS, STEPS, faulty_step
from gancourse.training.loop import Record, TrainingDiverged, train
from gancourse.training.signs import examine, measure_signs

RING = toy.Ring(modes=8, radius=0.7, std=0.02)


def play(
    step: Callable,
    steps: int = 320,
    seed: int = 500,
    lr: float = 1e-3,
    records: list[Record] | None = None,
) -> list[Record]:
    """A run on the ring, 40 records: a second or so. They are put into `records` as they come."""
    rng = env.rng(seed, "cpu")
    G, D = (
        nn.Sequential(MLP(2, 64, 64, 64, 2, rng=rng), nn.Tanh()),
        MLPDiscriminator(2, 64, 64, 64, rng=rng),
    )
    with torch.no_grad():
        for p in G[0][-1].parameters():
            p.mul_(0.1)  # the first fakes lie near the origin
    optimizers = [torch.optim.Adam(net.parameters(), lr, (0.0, 0.9), fused=True) for net in (G, D)]
    batches, sample_z = toy.batches(RING, 128, rng), env.noise(2, rng)
    examined = examine(lambda: step(G, D, *optimizers, batches, sample_z), G, D)
    records = [] if records is None else records
    for record in train(examined, steps, {}, record_every=steps // 40):
        records.append(record)
    return records


def names(records: list[Record]) -> list[str]:
    return [finding.name for finding in diagnose(records)]


def losses_only(records: list[Record]) -> list[Record]:
    return [
        Record(r.step, r.seconds, {n: v for n, v in r.losses.items() if n.startswith("loss")})
        for r in records
    ]


@pytest.fixture(autouse=True)
def no_bars(monkeypatch):
    monkeypatch.setenv("GANCOURSE_STATIC", "1")


@pytest.fixture(scope="module")
def healthy() -> list[Record]:
    return play(gan_step)


def test_a_healthy_run_is_called_healthy(healthy):
    (finding,) = diagnose(healthy)
    assert finding.name == "healthy", finding
    assert f"loss_D {summary(healthy)['loss_D']:.2f}" in finding.evidence


# these are diagnosed from losses alone
BY_LOSSES = ("saturation", "D too strong", "wrong labels", "divergence", "oscillation")


@pytest.mark.parametrize("name", [name for name in FAULTS if name != "batch of one"])
def test_every_fault_is_named(name: str):
    records = play(faulty_step(name))
    findings = diagnose(records)
    assert findings[0].name == name, findings
    assert findings[0].next_step and "{" not in findings[0].evidence
    assert (names(losses_only(records))[0] == name) == (name in BY_LOSSES)


def test_a_batch_of_one_under_batch_norm(rng):
    G, D = Generator(4, 1, 4, 16), Discriminator(1, 4, 16)
    opt_G, opt_D = (torch.optim.Adam(net.parameters(), 1e-3) for net in (G, D))
    batches = iter(lambda: torch.rand(8, 1, 16, 16, generator=rng) * 2 - 1, None)
    step, sample_z = faulty_step("batch of one"), env.noise(4, rng)
    examined = examine(lambda: step(G, D, opt_G, opt_D, batches, sample_z), G, D)
    assert names(list(train(examined, 3, {}, record_every=1)))[0] == "batch of one"


def test_a_wrong_label_in_the_generators_turn():
    def helps_the_discriminator(G, D, opt_G, opt_D, batches, sample_z):
        x = next(batches)
        loss_D = discriminator_loss(D(x), D(G(sample_z(len(x))).detach()))
        descend(opt_D, loss_D)
        loss_G = nn.functional.softplus(D(G(sample_z(len(x))))).mean()  # label 0: "be a fake"
        descend(opt_G, loss_G)
        return {"loss_D": loss_D.detach(), "loss_G": loss_G.detach()}

    finding = diagnose(play(helps_the_discriminator, steps=160))[0]
    assert finding.name == "wrong labels" and "G's label (or sign) is wrong" in finding.next_step


def test_a_generator_that_is_cut_off():
    def fakes_made_once(G, D, opt_G, opt_D, batches, sample_z):
        x = next(batches)
        with torch.no_grad():
            fakes = G(sample_z(len(x)))
        loss_D = discriminator_loss(D(x), D(fakes))
        descend(opt_D, loss_D)
        loss_G = non_saturating_loss(D(fakes))  # notebook 02's mistake worth making
        descend(opt_G, loss_G)
        return {"loss_D": loss_D.detach(), "loss_G": loss_G.detach()}

    finding = diagnose(play(fakes_made_once, steps=160))[0]
    assert finding.name == "vanishing gradient" and "fakes of G's turn are detached" in str(finding)


def test_a_collapse_to_three_modes_that_lie_far_apart(rng):
    """As varied as the data by their mean distance: what tells is that five modes get no fake."""
    G, D, records = MLP(2, 4, 2, rng=rng), MLPDiscriminator(2, 4, rng=rng), []
    for i in range(8):
        x, fakes = RING.sample(64, rng), RING.sample(500, rng)
        mode = torch.cdist(fakes, RING.centres).argmin(dim=1)
        fakes = fakes[(mode == 0) | (mode == 3) | (mode == 5)][:64]
        signs = measure_signs(G, D, x, fakes, D(x), D(fakes))
        facts = {n: v.item() for n, v in signs.items() if not n.startswith(("grad", "fakes"))}
        records.append(Record(i, i, facts))
    assert summary(records)["spread"] > 0.8
    assert names(records) == ["mode collapse"]


def test_two_fair_players_pay_log_4_or_more(rng):
    """The bound behind "wrong labels", for any logits; equality where D is undecided on fakes."""
    for scale in (0.1, 1.0, 10.0):
        real, fake = scale * torch.randn(2, 1000, generator=rng)
        assert discriminator_loss(real, fake) + non_saturating_loss(fake) > math.log(4)
    sure, undecided = torch.full((8,), 50.0), torch.zeros(8)
    least = discriminator_loss(sure, undecided) + non_saturating_loss(undecided)
    assert least.item() == pytest.approx(math.log(4), rel=1e-6)


def test_what_is_not_there_is_not_invented(healthy):
    (nothing,) = diagnose([])
    assert nothing.name == "unclear" and "no records" in nothing.evidence
    for n in (1, 3):
        (few,) = diagnose(healthy[:n])
        assert few.name == "unclear" and "too few" in few.evidence
    (blind,) = diagnose(losses_only(healthy))
    assert blind.name == "unclear" and "examine" in blind.next_step
    (other,) = diagnose([Record(i, i, {"loss": 0.1}) for i in range(20)])
    assert other.name == "unclear"


def test_a_run_that_stands_still_is_not_called_healthy():
    still = {"loss_D": 1.38, "loss_G": 0.7, "distance": 0.5, "spread": 0.9, "stray": 2, "reach": 2}
    (finding,) = diagnose([Record(i, i, still) for i in range(20)])
    assert finding.name == "unclear" and "not converged" in finding.evidence


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_numbers_that_are_not_finite_are_divergence(healthy, value):
    bad = Record(400, 1.0, {**healthy[-1].losses, "loss_G": value})
    finding = diagnose([*healthy, bad])[0]
    assert finding.name == "divergence" and "loss_G" in finding.evidence and "400" in str(finding)


def test_a_run_that_was_ended_by_divergence_can_be_diagnosed():
    def runaway(G, D, opt_G, opt_D, batches, sample_z):
        for group in (*opt_G.param_groups, *opt_D.param_groups):
            group["lr"] *= 10
        return gan_step(G, D, opt_G, opt_D, batches, sample_z)

    records: list[Record] = []
    with pytest.raises(TrainingDiverged) as ended:
        play(runaway, steps=40, records=records)
    assert len(records) == ended.value.step - 1 > 2  # all that was seen before is still there
    assert names(records)[0] == "divergence"


def test_an_unknown_fault_is_refused():
    with pytest.raises(ValueError, match=r"no such fault: 'flu'.*mode collapse"):
        faulty_step("flu")
    assert set(FAULTS) == ({*STEPS} - {"healthy"}) | {"oscillation"}
    assert {rule.name for rule in RULES} >= set(FAULTS)
