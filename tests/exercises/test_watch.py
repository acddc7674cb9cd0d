"""What a call changes, where it would fail on a GPU, and that it ends."""

import copy
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gancourse.exercises import verdicts
from gancourse.exercises.base import Case, Exercise
from gancourse.exercises.verdicts import assess
from gancourse.exercises.watch import CHANGED, Watched


def facts(answer: Callable[..., Any], **given: Any) -> list[str]:
    watched = Watched(answer, answer)
    watched(**given)
    return [name.removeprefix(CHANGED) for name in watched.facts]


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))


def share_memory(a: nn.Module, b: nn.Module) -> None:
    a[1].running_mean.data = b[1].running_mean.data


SIDE_EFFECTS = {
    "the values of `x`": (lambda x: x.add_(1), {"x": torch.zeros(2)}),
    "requires_grad or the graph of `x`": (
        lambda x: x.detach_(),
        {"x": torch.zeros(2, requires_grad=True) * 2},
    ),
    "the entries of `items`": (lambda items: items.reverse(), {"items": [1, 2]}),
    "the entries of `table`": (lambda table: table.pop("a"), {"table": {"a": torch.zeros(1)}}),
    "the weights of `D`": (lambda D: D[0].weight.data.zero_(), {"D": net()}),
    "requires_grad of the weights of `D`": (lambda D: D.requires_grad_(False), {"D": net()}),
    "the mode (train or eval) of `D`": (lambda D: D.eval(), {"D": net()}),
    "the hooks on layers of `D`": (
        lambda D: D[0].register_forward_hook(lambda *_: None),
        {"D": net()},
    ),
    "the buffers (batch norm's moving averages) of `D`": (
        lambda D: D(torch.randn(4, 2)),
        {"D": net()},
    ),
    "the layers of `D`": (lambda D: D.append(nn.Tanh()), {"D": net()}),
    "the seed of `rng`": (lambda rng: rng.manual_seed(0), {"rng": torch.Generator()}),
    "the seed of torch's global generator": (lambda x: torch.manual_seed(1), {"x": 1}),
    "the memory of `a`, which is now shared with `b`": (share_memory, {"a": net(), "b": net()}),
}


@pytest.mark.parametrize("what", SIDE_EFFECTS)
def test_each_side_effect_is_named(what):
    answer, given = SIDE_EFFECTS[what]
    state = torch.get_rng_state()
    try:
        assert what in facts(answer, **copy.copy(given))
    finally:
        torch.set_rng_state(state)


def test_what_leaves_its_arguments_alone_has_no_facts():
    def answer(x: Tensor, D: nn.Module, items: list[int], rng: torch.Generator) -> Tensor:
        return D(x + torch.randn(2, generator=rng)) * len(items)

    assert not facts(answer, x=torch.zeros(3, 2), D=net().eval(), items=[1], rng=torch.Generator())


def cases(rng: torch.Generator) -> list[Case]:
    return [Case((torch.randn(3, generator=rng), torch.randn(3, generator=rng)))]


def total(x: Tensor, y: Tensor) -> Tensor:
    return x + y


TOTAL = Exercise("9.1", "Sum", 1, 1, total, cases)
ON_A_GPU = {
    "made on the CPU and mixed": (lambda x, y: x + y + torch.zeros(3), "device=x.device"),
    "returned on the CPU": (lambda x, y: torch.tensor((x + y).tolist()), "would be on the CPU"),
    "numpy": (lambda x, y: torch.from_numpy(x.numpy() + y.numpy()), "On a GPU this would fail"),
}


@pytest.mark.parametrize("how", ON_A_GPU)
def test_what_would_fail_on_a_gpu_is_refused(how):
    answer, text = ON_A_GPU[how]
    verdict = assess(TOTAL, answer, seed=0)
    assert verdict.status == "wrong" and text in verdict.message


@pytest.mark.parametrize("place", ["cpu", torch.device("cpu")])
def test_a_variable_that_holds_the_device_holds_the_gpu_there(place):
    names = {"torch": torch, "device": place}
    exec("def answer(x, y):\n    return x.to(device) + y + torch.zeros(3, device=device)", names)
    assert assess(TOTAL, names["answer"], seed=0).status == "right"
    assert names["device"] is place


def test_the_device_named_is_that_of_the_generator_where_one_draws():
    def signs(x: Tensor, rng: torch.Generator) -> Tensor:
        return x + 0 * torch.rand(x.shape, generator=rng, device=rng.device)

    def drawn(rng: torch.Generator) -> list[Case]:
        return [Case((torch.randn(3, generator=rng), torch.Generator()))]

    exercise = Exercise("9.1", "Signs", 1, 1, signs, drawn)
    careless = assess(exercise, lambda x, rng: x + 0 * torch.rand(3, generator=rng), seed=0)
    assert "device=rng.device" in careless.message


def test_what_functions_of_torch_func_return_is_not_judged():
    gradient = torch.func.vmap(torch.func.grad(lambda a, b: a * b, argnums=1))
    exercise = Exercise("9.1", "Gradient", 1, 1, lambda x, y: 1 * x, cases)
    assert assess(exercise, lambda x, y: gradient(x, y), seed=0).points


def test_a_layer_that_the_answer_uses_again_stays_as_it_is():
    act = nn.LeakyReLU(0.2)

    def make(c: int) -> list[nn.Module]:
        return [nn.Linear(c, 2), act]

    def observe(answer: Callable[..., Any], case: Case) -> dict[str, Tensor]:
        net = nn.Sequential(*answer(3))
        with torch.no_grad():
            return {"result": torch.zeros_like(net(torch.ones(2, 3)))}

    exercise = Exercise("9.1", "Head", 1, 1, make, lambda rng: [Case()], observe)
    assert all(assess(exercise, make, seed).points for seed in range(3))


def test_other_errors_on_the_simulated_device_do_not_count():
    def answer(x: Tensor, y: Tensor) -> Tensor:
        if x.is_cuda:
            raise RuntimeError("this GPU has no memory left")
        return x + y

    assert assess(TOTAL, answer, seed=0).status == "right"
    assert assess(TOTAL, lambda x, y: x + y + torch.zeros(3).to(x.device), seed=0).points


def test_an_endless_answer_is_stopped_and_its_line_is_quoted():
    code = compile("def answer(x, y):\n    while True:\n        x = x + 1\n", "<cell>", "exec")
    names: dict[str, Any] = {}
    exec(code, names)
    start = time.monotonic()
    verdict = assess(TOTAL, names["answer"], seed=0, seconds=0.3)
    assert "had not ended after" in verdict.message and verdict.points == 0
    assert time.monotonic() - start < 60
    assert assess(TOTAL, total, seed=0).points  # and nothing is interrupted later


def test_an_endless_answer_is_stopped_where_sigint_is_ignored(monkeypatch):
    def answer(x, y):
        while True:
            x = x + 1

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as of a process started by nohup
    try:
        assert "had not ended" in assess(TOTAL, answer, seed=0, seconds=0.3).message
    finally:
        signal.signal(signal.SIGINT, before)


def test_the_line_that_raised_is_quoted(tmp_path):
    file = tmp_path / "cell.py"
    file.write_text("def answer(x, y):\n    z = x\n    return z.reshape(2, 2)  # here\n")
    names: dict[str, Any] = {}
    exec(compile(file.read_text(), str(file), "exec"), names)
    message = assess(TOTAL, names["answer"], seed=0).message
    assert "in the line: return z.reshape(2, 2)  # here" in message
    assert "The product of the new sides" in message


def test_a_subclass_of_the_expected_exception_is_as_good():
    class NoWordError(ValueError):
        """A student's own."""

    def refuse(x: Tensor, y: Tensor) -> Tensor:
        raise ValueError("no word")

    def raise_own(x: Tensor, y: Tensor) -> Tensor:
        raise NoWordError("no word")

    exercise = Exercise("9.1", "Refuse", 1, 1, refuse, cases)
    assert assess(exercise, raise_own, seed=0).points == 1


def test_the_global_generator_is_left_as_it_was():
    before = torch.get_rng_state()
    assess(TOTAL, lambda x, y: torch.manual_seed(0) and torch.randn(3), seed=0)
    assert torch.equal(before, torch.get_rng_state())


def test_two_slips_that_coincide_give_no_hint():
    slips = {"First.": lambda x, y: x, "Second.": lambda x, y: x.clone()}
    exercise = Exercise("9.1", "Sum", 1, 1, total, cases, slips=slips)
    verdict = verdicts.assess(exercise, lambda x, y: x, seed=0)
    assert verdict.slip is None and "First" not in verdict.message
    assert "Your result is `x` itself, unchanged." in verdict.message


def test_a_slip_may_have_several_answers():
    slips = {"One of the two.": [lambda x, y: x, lambda x, y: y]}
    exercise = Exercise("9.1", "Sum", 1, 1, total, cases, slips=slips)
    assert {assess(exercise, a, seed=0).slip for _, a in exercise.wrong_answers} == {0}
