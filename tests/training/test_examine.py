"""Steps of other people: D's calls in every usual order, and mistakes that no loss shows."""

import pytest
import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from gancourse.errors import CourseError
from gancourse.simulated_cuda import Device, on_cuda
from gancourse.training.diagnosis import diagnose
from gancourse.training.loop import train
from gancourse.training.signs import examine

bce = nn.functional.binary_cross_entropy_with_logits
FAR = 100.0


class Bench:
    """Small networks; real examples lie around 100, fakes in [-1, 1], so nothing is confused."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.G = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2), nn.Tanh())
        self.D = nn.Sequential(nn.Linear(2, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1))
        self.opt_G = torch.optim.Adam(self.G.parameters(), 1e-3)
        self.opt_D = torch.optim.Adam(self.D.parameters(), 1e-3)

    def x(self) -> Tensor:
        return FAR + torch.randn(6, 2)

    def fakes(self) -> Tensor:
        return self.G(torch.randn(6, 3))

    def d_loss(self, real: Tensor, fake: Tensor) -> Tensor:
        return bce(real, torch.ones_like(real)) + bce(fake, torch.zeros_like(fake))

    def g_loss(self, fake: Tensor) -> Tensor:
        return bce(fake, torch.ones_like(fake))

    def d_turn(self, real: Tensor, fake: Tensor, extra: Tensor | float = 0.0) -> Tensor:
        loss = self.d_loss(real, fake)
        self.opt_D.zero_grad()
        (loss + extra).backward()
        self.opt_D.step()
        return loss.detach()

    def g_turn(self, fake: Tensor) -> Tensor:
        loss = self.g_loss(fake)
        self.opt_G.zero_grad()
        loss.backward()
        self.opt_G.step()
        return loss.detach()


def usual(b: Bench) -> dict:
    d = b.d_turn(b.D(b.x()), b.D(b.fakes().detach()))
    return {"loss_D": d, "loss_G": b.g_turn(b.D(b.fakes()))}


def generator_first(b: Bench) -> dict:
    fakes = b.fakes()
    g = b.g_turn(b.D(fakes))
    return {"loss_D": b.d_turn(b.D(b.x()), b.D(fakes.detach())), "loss_G": g}


def fakes_first(b: Bench) -> dict:
    fakes = b.fakes()
    fake, real = b.D(fakes.detach()), b.D(b.x())
    return {"loss_D": b.d_turn(real, fake), "loss_G": b.g_turn(b.D(fakes))}


def joint_batch(b: Bench) -> dict:
    fakes = b.fakes()
    real, fake = b.D(torch.cat([b.x(), fakes.detach()])).chunk(2)
    return {"loss_D": b.d_turn(real, fake), "loss_G": b.g_turn(b.D(fakes))}


def shuffled_batch(b: Bench) -> dict:
    fakes, order = b.fakes(), torch.randperm(12)
    back = order.argsort()
    real, fake = b.D(torch.cat([b.x(), fakes.detach()])[order])[back].chunk(2)
    return {"loss_D": b.d_turn(real, fake), "loss_G": b.g_turn(b.D(fakes))}


def graph_retained(b: Bench) -> dict:
    """The fakes of D's turn are not detached, but G's gradient is zeroed before its own turn."""
    fakes = b.fakes()
    d = b.d_loss(b.D(b.x()), b.D(fakes))
    b.opt_D.zero_grad()
    d.backward(retain_graph=True)
    b.opt_D.step()
    return {"loss_D": d.detach(), "loss_G": b.g_turn(b.D(fakes))}


def three_turns(b: Bench) -> dict:
    for _ in range(3):
        d = b.d_turn(b.D(b.x()), b.D(b.fakes().detach()))
    return {"loss_D": d, "loss_G": b.g_turn(b.D(b.fakes()))}


def penalty_first(b: Bench) -> dict:
    x = b.x()
    probe = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(b.D(probe).sum(), probe, create_graph=True)
    d = b.d_turn(b.D(x), b.D(b.fakes().detach()), slope.square().sum(1).mean())
    return {"loss_D": d, "loss_G": b.g_turn(b.D(b.fakes()))}


def penalty_between(b: Bench) -> dict:
    x, fakes = b.x(), b.fakes()
    real = b.D(x)
    middle = (0.5 * x + 0.5 * fakes.detach()).requires_grad_()
    (slope,) = torch.autograd.grad(b.D(middle).sum(), middle, create_graph=True)
    d = b.d_turn(real, b.D(fakes.detach()), (slope.norm(dim=1) - 1).square().mean())
    return {"loss_D": d, "loss_G": b.g_turn(b.D(fakes))}


def both_at_the_end(b: Bench) -> dict:
    fakes = b.fakes()
    d, g = b.d_loss(b.D(b.x()), b.D(fakes.detach())), b.g_loss(b.D(fakes))
    b.opt_G.zero_grad()
    g.backward()
    b.opt_D.zero_grad()
    d.backward()
    b.opt_D.step()
    b.opt_G.step()
    return {"loss_D": d.detach(), "loss_G": g.detach()}


def augmented(b: Bench) -> dict:
    jitter = lambda t: t + 0.01 * torch.randn_like(t)  # noqa: E731
    fakes = b.fakes()
    d = b.d_turn(b.D(jitter(b.x())), b.D(jitter(fakes.detach())))
    return {"loss_D": d, "loss_G": b.g_turn(b.D(jitter(fakes)))}


def by_keyword(b: Bench) -> dict:
    fakes = b.fakes()
    d = b.d_turn(b.D(input=b.x()), b.D(input=fakes.detach()))
    return {"loss_D": d, "loss_G": b.g_turn(b.D(input=fakes))}


def in_wrappers(b: Bench) -> dict:
    G, D = nn.DataParallel(b.G), nn.DataParallel(b.D)
    fakes = G(torch.randn(6, 3))
    d = b.d_turn(D(b.x()), D(fakes.detach()))
    return {"loss_D": d, "loss_G": b.g_turn(D(fakes))}


POOL: list[Tensor] = []


def pool(b: Bench) -> dict:
    """Half of D's fakes are of the step before."""
    fakes = b.fakes()
    old = POOL[-1] if POOL else fakes.detach()
    POOL.append(fakes.detach().clone())
    d = b.d_turn(b.D(b.x()), b.D(torch.cat([fakes.detach()[:3], old[3:]])))
    return {"loss_D": d, "loss_G": b.g_turn(b.D(fakes))}


ORDERS = (
    *(usual, generator_first, fakes_first, joint_batch, shuffled_batch, graph_retained),
    *(three_turns, penalty_first),
    *(penalty_between, both_at_the_end, augmented, by_keyword, in_wrappers, pool),
)


def float_of(signs: dict, *names: str) -> list[float]:
    return [float(signs[name]) for name in names]


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order.__name__)
def test_real_and_fake_are_told_apart_in_every_order(order):
    b = Bench()
    step = examine(lambda: order(b), b.G, b.D)
    for _ in range(3):
        signs = step()
    low_real, high_fake = float_of(signs, "low_real", "high_fake")
    assert low_real > 90 and high_fake < 2
    # the terms are those of the turn that the logged loss belongs to
    real, fake, fake_G = float_of(signs, "D:real1", "D:fake0", "G:fake1")
    assert float(signs["loss_D"]) == pytest.approx(real + fake, rel=1e-5)
    assert float(signs["loss_G"]) == pytest.approx(fake_G, rel=1e-5)
    facts = float_of(signs, "stale_D", "stale_G", "mixed_D", "fakes_graph", "missing_real")
    facts += float_of(signs, "missing_fake", "cut_G", "cut_off", "copy_G", "copy_D")
    assert facts == [0] * 10
    assert float_of(signs, "held_G", "held_D", "reached_G", "reached_D") == [1] * 4
    assert min(float_of(signs, "update_G", "update_D", "grad_G", "grad_D")) > 0
    assert not b.D._forward_hooks and not b.G._forward_hooks and not b.D[-1].bias._backward_hooks


def changed(**replaced):
    """The usual step with another part."""

    def make(b: Bench):
        for name, part in replaced.items():
            setattr(b, name, part(b))
        return lambda: usual(b)

    return make


def forgotten(net: str):
    """zero_grad() of one player is never called."""

    def make(b: Bench):
        getattr(b, f"opt_{net}").zero_grad = lambda: None
        return lambda: usual(b)

    return make


def without_detach(b: Bench):
    def step() -> dict:
        d = b.d_turn(b.D(b.x()), b.D(b.fakes()))
        return {"loss_D": d, "loss_G": b.g_turn(b.D(b.fakes()))}

    return step


def detach_in_the_wrong_turn(b: Bench):
    def step() -> dict:
        d = b.d_turn(b.D(b.x()), b.D(b.fakes().detach()))
        loss = b.g_loss(b.D(b.fakes().detach()))
        b.opt_G.zero_grad()
        loss.backward()
        b.opt_G.step()
        return {"loss_D": d, "loss_G": loss.detach()}

    return step


def cleared_too_late(b: Bench):
    def step() -> dict:
        loss = b.d_loss(b.D(b.x()), b.D(b.fakes().detach()))
        loss.backward()
        b.opt_D.zero_grad()
        b.opt_D.step()
        return {"loss_D": loss.detach(), "loss_G": b.g_turn(b.D(b.fakes()))}

    return step


def both_losses_first(b: Bench):
    """G's loss goes back before D's step, into D as well."""

    def step() -> dict:
        d, g = b.d_loss(b.D(b.x()), b.D(b.fakes().detach())), b.g_loss(b.D(b.fakes()))
        b.opt_D.zero_grad(), b.opt_G.zero_grad()
        d.backward(), g.backward()
        b.opt_D.step(), b.opt_G.step()
        return {"loss_D": d.detach(), "loss_G": g.detach()}

    return step


def no_fakes(b: Bench):
    def step() -> dict:
        d = b.d_turn(b.D(b.x()), b.D(torch.randn(6, 2)))
        return {"loss_D": d, "loss_G": b.g_turn(b.D(b.fakes()))}

    return step


def rebuilt(b: Bench):
    def step() -> dict:
        fakes = torch.tensor(b.fakes().tolist(), requires_grad=True)
        d = b.d_turn(b.D(b.x()), b.D(fakes.detach()))
        return {"loss_D": d, "loss_G": b.g_turn(b.D(fakes))}

    return step


def frozen(b: Bench):
    def step() -> dict:
        b.D.requires_grad_(False)
        return {"loss_D": b.d_loss(b.D(b.x()), b.D(b.fakes())).detach(),
                "loss_G": b.g_turn(b.D(b.fakes()))}  # fmt: skip

    return step


def sgd(net: str):
    return lambda b: torch.optim.SGD(getattr(b, net).parameters(), 0.01)


MISTAKES = {
    "opt_G of an older G": (changed(opt_G=lambda b: Bench().opt_G), {"copy_G": 1, "steps_G": 0}),
    "opt_D of an older D": (changed(opt_D=lambda b: Bench().opt_D), {"copy_D": 1, "update_D": 0}),
    "opt_G holds D": (changed(opt_G=sgd("D")), {"steps_G": 0, "optimizers_D": 2, "update_G": 0}),
    "opt_G holds a bias": (
        changed(opt_G=lambda b: torch.optim.SGD([b.G[0].bias], 0.1)), {"held_G": 8 / 50},
    ),
    "zero_grad of D forgotten": (forgotten("D"), {"stale_D": 1, "stale_G": 0}),
    "zero_grad of G forgotten": (forgotten("G"), {"stale_D": 0, "stale_G": 1}),
    "missing detach": (without_detach, {"fakes_graph": 1, "cut_G": 0, "stale_G": 0}),
    "detach in G's turn": (detach_in_the_wrong_turn, {"fakes_graph": 0, "cut_G": 1, "grad_G": 0}),
    "zero_grad after backward": (cleared_too_late, {"grad_D": 0, "reached_D": 1, "update_D": 0}),
    "G's loss in D's gradient": (both_losses_first, {"mixed_D": 1, "fakes_graph": 0}),
    "no fakes for D": (no_fakes, {"missing_fake": 1, "cut_off": 0}),
    "fakes rebuilt": (rebuilt, {"cut_off": 1}),
    "D frozen": (frozen, {"frozen_D": 1, "steps_D": 0}),
}  # fmt: skip


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes_that_no_loss_shows(name):
    make, wanted = MISTAKES[name]
    b = Bench()
    step = examine(make(b), b.G, b.D)
    for _ in range(3):
        signs = step()
    assert {key: float(signs[key]) for key in wanted} == pytest.approx(wanted)


CAUSES = {
    "opt_G of an older G": ("G does not move", "opt_G was built before G was created again"),
    "opt_D of an older D": ("D does not move", "opt_D was built before D was created again"),
    "opt_G holds D": ("G does not move", "opt_G was built with D.parameters()"),
    "opt_G holds a bias": ("part of G is not trained", "holds 16% of G's trainable weights"),
    "zero_grad of D forgotten": ("zero_grad", "call opt_D.zero_grad() before each backward()"),
    "zero_grad of G forgotten": ("zero_grad", "call opt_G.zero_grad() before each backward()"),
    "missing detach": ("missing detach", "pass fakes.detach() to D"),
    "detach in G's turn": ("vanishing gradient", "fakes of G's turn are detached"),
    "zero_grad after backward": ("D does not move", "between backward() and step()"),
    "G's loss in D's gradient": ("zero_grad", "also holds that of G's loss"),
    "no fakes for D": ("no fakes in D's turn", "D(G(z).detach())"),
    "fakes rebuilt": ("G is cut off from D", "has lost its graph"),
    "D frozen": ("D does not move", "requires_grad_(False)"),
}


@pytest.mark.parametrize("name", CAUSES)
def test_the_diagnosis_names_mistake_and_cause(name, monkeypatch):
    monkeypatch.setenv("GANCOURSE_STATIC", "1")
    b = Bench()
    make, _ = MISTAKES[name]
    b.x = lambda: torch.randn(6, 2).clamp(-1, 1)  # within G's range
    records = list(train(examine(make(b), b.G, b.D), 8, {}, record_every=1))
    first = diagnose(records)[0]
    kind, cause = CAUSES[name]
    assert first.name == kind and cause in str(first), first


def test_gradients_may_be_accumulated_and_taken_by_hand():
    """Micro-batches, two optimizers for one network, gradients of autograd.grad: no mistakes."""
    b = Bench()
    halves = [torch.optim.SGD(layer.parameters(), 0.01) for layer in (b.G[0], b.G[2])]

    def step() -> dict:
        b.opt_D.zero_grad()
        for _ in range(2):
            d = b.d_loss(b.D(b.x()), b.D(b.fakes().detach()))
            d.backward()
        b.opt_D.step()
        g = b.g_loss(b.D(b.fakes()))
        for p, gradient in zip(
            b.G.parameters(), torch.autograd.grad(g, list(b.G.parameters())), strict=True
        ):
            p.grad = gradient
        for half in halves:
            half.step()
        return {"loss_D": d.detach(), "loss_G": g.detach()}

    examined = examine(step, b.G, b.D)
    for _ in range(3):
        signs = examined()
    assert float_of(signs, "stale_D", "stale_G", "mixed_D", "fakes_graph") == [0] * 4
    assert float_of(signs, "held_G", "optimizers_G") == [1, 2]
    assert float(signs["update_G"]) > 0


def test_what_the_networks_end_in_and_their_modes():
    b = Bench()
    b.G = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2), nn.Sigmoid()).eval()
    b.D.append(nn.ReLU())
    b.opt_G = sgd("G")(b)
    signs = examine(lambda: usual(b), b.G, b.D)()
    limits = float_of(signs, "low_limit", "high_limit", "relu_D", "eval_G", "eval_D")
    assert limits == [0, 1, 1, 1, 0]


def test_a_step_may_replace_layers():
    b = Bench()

    def step() -> dict:
        b.G[2] = nn.Linear(8, 2)
        b.opt_G = sgd("G")(b)
        return usual(b)

    signs = examine(step, b.G, b.D)()
    assert float(signs["update_G"]) > 0 and float(signs["held_G"]) == 1


def test_how_varied_noise_and_data_are():
    b, x = Bench(), torch.randn(5, 2)
    b.x = lambda: x[torch.tensor([0, 1, 2, 3, 4, 0])]
    b.fakes = lambda: b.G(torch.ones(6, 3))
    step = examine(lambda: usual(b), b.G, b.D)
    step()
    signs = step()
    assert float(signs["noise"]) == 0
    assert float(signs["repeats"]) == pytest.approx((4 * 1 + 2 * 2) / 36)  # pairs of equal rows


REFUSED = {
    "D was not called": lambda b: {"loss_D": b.D.forward(b.fakes()).mean()},
    "G was not called": lambda b: {"loss_D": b.D(b.x()).mean()},
    "are mixed": lambda b: {"loss_D": b.D(torch.cat([b.x(), b.fakes()]).flip(0)).mean()},
}


@pytest.mark.parametrize("reason", REFUSED)
def test_what_can_not_be_heard_is_refused_with_the_reason(reason):
    b = Bench()
    with pytest.raises(CourseError, match=reason):
        examine(lambda: REFUSED[reason](b), b.G, b.D)()
    assert not b.D._forward_hooks and not b.G._forward_hooks


def test_an_error_of_a_step_leaves_no_hooks():
    b = Bench()

    def step() -> dict:
        b.D(b.fakes())
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        examine(step, b.G, b.D)()
    assert not b.D._forward_hooks and not b.D[-1].bias._backward_hooks
    assert float(examine(lambda: usual(b), b.G, b.D)()["update_D"]) > 0


def test_an_error_inside_a_network_or_an_optimizer_is_passed_on():
    b = Bench()
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        examine(lambda: b.D(torch.zeros(4, 5)), b.G, b.D)()

    class Failing(torch.optim.SGD):
        def step(self, closure=None):
            raise KeyError("mine")

    good, b.opt_D = b.opt_D, Failing(b.D.parameters())
    with pytest.raises(KeyError, match="mine"):
        examine(lambda: usual(b), b.G, b.D)()
    b.opt_D = good
    assert float(examine(lambda: usual(b), b.G, b.D)()["loss_D"]) > 0


class NoDoublePrecision(TorchFunctionMode):
    """Apple's MPS has no float64; the CPU, where numbers are read, has."""

    def __torch_function__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if isinstance(result, Tensor) and result.is_cuda and result.dtype == torch.float64:
            raise TypeError("the device doesn't support float64")
        return result


def test_on_a_device_without_double_precision(monkeypatch):
    monkeypatch.setenv("GANCOURSE_STATIC", "1")
    b = Bench()
    b.G, b.D = on_cuda(b.G), on_cuda(b.D)
    b.opt_G, b.opt_D = sgd("G")(b), sgd("D")(b)
    x, z = on_cuda(torch.randn(6, 2)), on_cuda(torch.randn(6, 3))
    b.x, b.fakes = lambda: x.clone(), lambda: b.G(z)
    with Device(), NoDoublePrecision():
        step = examine(lambda: usual(b), b.G, b.D)
        signs = step()
        assert signs["logit_real"].is_cuda and signs["distance"].is_cuda
        records = list(train(step, 8, {}, record_every=1))
    assert diagnose(records)[0].name == "too few examples"
    assert 0 < records[-1].losses["update_G"] < 1
