"""Exercise 11.2 says what is wrong with a loop, and accepts it with all sensible settings."""

import copy
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim import SGD, Adam, AdamW, RMSprop

from gancourse import env, exercises
from gancourse.exercises.nb11._loop_answers import (
    adams,
    any_images,
    in_order,
    log_loss,
    loop,
    minus,
    normal,
    plus,
)  # fmt: skip
from gancourse.exercises.verdicts import try_observe
from gancourse.papers.gan import ema_update
from gancourse.shapes import to_float
from gancourse.training.own_gan import my_gan
from gancourse.training.player import Player


class Flat(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.squeeze()[:, :2]


def no_update(average: nn.Module, G: nn.Module) -> None:
    """Leaves the average as it is."""


def again(m: int, dim: int, rng: torch.Generator) -> Tensor:
    return torch.randn(m, dim, generator=rng.manual_seed(0), device=rng.device)


def uniform(m: int, dim: int, rng: torch.Generator) -> Tensor:
    return torch.rand(m, dim, generator=rng, device=rng.device)


def states(step: Any, keep: dict, average: nn.Module) -> tuple:
    return step, {n: x.state_dict() for n, x in keep.items() if n != "rng"}, average


def trained_at_once(*args: Any) -> tuple:
    step, keep, average = loop()(*args)
    step()
    return step, keep, average


def only_first(n: int, m: int, rng: torch.Generator) -> Tensor:
    return torch.randint(64, (m,), generator=rng, device=rng.device)


def first_layer(average: nn.Module, G: nn.Module) -> None:
    with torch.no_grad():
        next(average.parameters()).lerp_(next(G.parameters()), 0.1)


def of_both(G, D, images, steps, rng):
    """One sum of both losses, backpropagated once."""
    opts, average = adams(G, D), copy.deepcopy(G)

    def step() -> dict[str, Tensor]:
        x = to_float(images[any_images(len(images), 32, rng)])
        z = normal(32, G.noise_dim, rng)
        loss_D, loss_G = log_loss(D(x), D(G(z).detach())), minus(D(G(z)))
        G.zero_grad()
        D.zero_grad()
        (loss_D + loss_G).backward()
        for opt in opts:
            opt.step()
        ema_update(average, G, 0.9)
        return {"loss_D": loss_D.detach(), "loss_G": loss_G.detach()}

    keep = {"G": G, "D": D, "a": average, "g": opts[0], "d": opts[1], "rng": rng}
    return step, keep, average


def every_other(G, D, images, steps, rng):
    """D trains at every other step."""
    step, keep, average = loop()(G, D, images, steps, rng)
    alone, *_ = loop(turns="G", optimizers=lambda *_: (keep["opt_G"], None))(
        G, D, images, steps, rng
    )
    count = iter(range(10**6))
    return lambda: (alone if next(count) % 2 else step)(), keep, average


def ended(*args: Any) -> tuple:
    batches = iter(args[2][:6].split(3))
    step, keep, average = loop()(*args)
    return lambda: (next(batches), step())[1], keep, average


WRONG = {
    "still have their graph": loop(losses=lambda x: x),
    "two scalars": loop(losses=lambda x: x.detach().expand(3)),
    'return {"loss_D"': loop(result=lambda s, k, a: (lambda: tuple(s().values()), k, a)),
    "The latent vectors don't have mean 0": loop(draw=uniform),
    "torch's global generator": loop(draw=lambda m, dim, rng: torch.randn(m, dim)),
    "a generator of your own": loop(seeds=True),
    "draw z inside step": loop(once="z"),
    "draw a batch inside step": loop(once="x"),
    "seeds `rng` again": loop(draw=again),
    "Only the first of the images": loop(index=only_first),
    "scaled from 0..255 to [-1, 1]": loop(real=lambda x: x.float() / 255 - 0.5),
    "keep, average. `keep` is": loop(result=lambda step, keep, average: (step, average, keep)),
    "in this order": loop(result=lambda step, keep, average: [step, keep]),
    "without parentheses": loop(result=lambda step, keep, average: (step(), keep, average)),
    "`average` is a network": loop(result=lambda s, k, a: (s, k, a.state_dict())),
    "`train` calls it `steps` times": loop(repeat=True),
    "changes the weights of `G`": trained_at_once,
    "G is in eval mode": loop(leaves=lambda G, D: G.eval()),
    "can't train it: D.requires_grad_(True)": loop(leaves=lambda G, D: D.requires_grad_(False)),
    "makes a new optimizer": loop(each_step=True),
    "`average` is G itself": loop(average=lambda G: G, update=no_update),
    "shares its weights with G": loop(average=copy.copy, update=no_update),
    "`average` hardly differs": loop(update=partial(ema_update, decay=0.05)),
    "lacks: the optimizer of D.": loop(lacks="opt_D"),
    "lacks: the optimizer of G.": loop(lacks="opt_G"),
    "lacks: D.": loop(lacks="D"),
    "lacks: G.": loop(lacks="G"),
    "lacks: rng, the optimizer of D, the optimizer of G.": loop(lacks="opt rng"),
    "equal latent vectors": loop(draw=lambda m, *rest: normal(1, *rest).expand(m, -1)),
    "equal images": loop(index=lambda n, m, rng: any_images(n, 1, rng).expand(m)),
    "Some weights of `average`": loop(update=first_layer),
    "doesn't take latent vectors": loop(result=lambda s, k, a: (s, k, k["D"])),
    "`keep` can't hold 'G'": loop(result=states),
    "doesn't rate the images above": loop(optimizers=partial(adams, rate=1e-6)),
    "The batches ended": ended,
    "G's loss takes part in D's step": of_both,
    "In some steps the weights of D": every_other,
    "a counter, a schedule": loop(count=lambda taken: 32.0 if taken % 32 == 31 else 0),
    "A learning rate is negative": loop(rates=lambda taken: 1 - taken / 100),
    "the weights of G and D don't change any more": loop(rates=lambda taken: float(taken < 100)),
    "doesn't return images": loop(result=lambda s, k, a: (s, k, nn.Sequential(a, Flat()))),
}


def differences(answer: Any, seed: int) -> list[str]:
    """What `check` would say of each case, without a search for the hint."""
    exercise, cases = exercises.find("11.2"), exercises.find("11.2").draw(seed)[:2]
    wanted = {"measurements that are wrong": torch.zeros(())}
    said = (exercise.differ(wanted, try_observe(exercise, answer, case)) for case in cases)
    return [text for text in said if text]


@pytest.mark.parametrize("text", WRONG)
def test_it_says_what_is_wrong(text: str):
    for seed in range(2):
        said = " ".join(differences(WRONG[text], seed))
        assert text in said, said


def optimizers(kind: type, *args: Any, **kwargs: Any) -> Any:
    return lambda G, D: tuple(kind(net.parameters(), *args, **kwargs) for net in (G, D))


RIGHT = {
    **{
        f"Adam {rate} {beta}": loop(optimizers=optimizers(Adam, rate, (beta, 0.99)))
        for rate in (2e-4, 1e-3, 5e-3)
        for beta in (0.0, 0.5, 0.9)
    },
    **{f"EMA {d}": loop(update=partial(ema_update, decay=d)) for d in (0.5, 0.9, 0.99, 0.9999)},
    **{f"batch {m}": loop(batch=m) for m in (4, 64, 256)},
    **{f"R1 {gamma}": loop(count=lambda taken, g=gamma: g / 2) for gamma in (0.1, 1.0, 10.0)},
    "least squares": loop(
        loss_d=lambda real, fake: (real - 1).square().mean() + fake.square().mean(),
        loss_g=lambda fake: (fake - 1).square().mean(),
    ),
    "hinge": loop(
        loss_d=lambda real, fake: (1 - real).relu().mean() + (1 + fake).relu().mean(),
        loss_g=lambda fake: -fake.mean(),
    ),
    "Wasserstein": loop(
        loss_d=lambda real, fake: fake.mean() - real.mean(), loss_g=lambda fake: -fake.mean()
    ),
    "saturating": loop(loss_g=lambda fake: -plus(fake)),
    "smoothed labels": loop(loss_d=lambda r, f: 0.9 * minus(r) + 0.1 * plus(r) + plus(f)),
    "half the loss": loop(loss_d=lambda real, fake: log_loss(real, fake) / 2),
    "RMSprop": loop(optimizers=optimizers(RMSprop, 5e-4)),
    "AdamW": loop(optimizers=optimizers(AdamW, 1e-3, (0.5, 0.99))),
    "SGD, which has no state": loop(optimizers=optimizers(SGD, 0.1), lacks="opt"),
    "decay": loop(rates=lambda taken: max(0.1, 1 - taken / 30)),
    "rate from 0": loop(rates=lambda taken: min(1.0, taken / 10)),
    "not detached": loop(in_d=lambda x: x),
    "plain numbers": loop(losses=lambda x: x.item()),
    "a list": loop(result=lambda *three: list(in_order(*three))),
}


@pytest.mark.parametrize("name", RIGHT)
def test_sensible_settings_are_right(name: str, draws: int):
    for seed in range(max(1, draws // 10)):
        assert not differences(RIGHT[name], seed + 100)


def test_a_player_is_kept_as_one_entry_and_its_average_counts():
    def answer(G, D, images, steps, rng, forgotten=""):
        G, D = Player(G, lr=1e-3, steps=steps, ema=0.9), Player(D, lr=1e-3, steps=steps)
        step, *_ = loop(optimizers=lambda *_: (G.opt, D.opt), average=lambda _: G.average,
                        update=lambda *_: (G.advance(), D.advance()))(
            G.net, D.net, images, steps, rng
        )  # fmt: skip
        keep = {"G": G, "D": D, "rng": rng}
        keep.pop(forgotten, None)
        return step, keep, G.average

    assert not differences(answer, 0)
    (said,) = differences(partial(answer, forgotten="D"), 0)
    assert "lacks: D, the optimizer of D, the learning-rate schedule of D" in said


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_course_s_device_and_precision_make_no_difference(precision: str, monkeypatch):
    """The tiny networks are on the CPU; on a GPU a Player would move them there."""
    monkeypatch.setattr(env, "device", lambda: torch.device("meta"))
    monkeypatch.setenv("GANCOURSE_PRECISION", precision)
    for seed in range(3):
        assert not differences(my_gan, seed)
    assert env.device().type == "meta"
