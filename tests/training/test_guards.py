"""What a run says when it can't go on, and that no completed step is lost."""

import json
import math
import signal

import pytest
import torch
from torch import nn

from gancourse.datasets.batches import Batches
from gancourse.errors import CourseError
from gancourse.training import checkpoint, guards
from gancourse.training.diagnosis import diagnose
from gancourse.training.loop import Record, Stopped, TrainingDiverged, train
from gancourse.training.signs import examine

T = torch.tensor


@pytest.fixture(autouse=True)
def no_bars(monkeypatch):
    monkeypatch.setenv("GANCOURSE_STATIC", "1")


class Counter:
    """A step that counts itself in a weight, and does something at one of them."""

    def __init__(self, at: int = 0, then=lambda: None, losses=lambda n: {"loss_D": T(1.0)}) -> None:
        self.net, self.n, self.at, self.then, self.losses = nn.Linear(1, 1), 0, at, then, losses
        self.keep = {"net": self.net}
        with torch.no_grad():
            self.net.weight.zero_()

    def __call__(self) -> dict:
        self.n += 1
        with torch.no_grad():
            self.net.weight.add_(1)  # a step that fails has changed a part of the state
        if self.n == self.at:
            self.then()
        return self.losses(self.n)


def fail() -> None:
    raise ValueError("Expected more than 1 value per channel when training")


def saved(folder) -> tuple[int, float]:
    found = checkpoint.read(folder)
    return found["step"], found["state"]["net"]["weight"].item()


@pytest.mark.parametrize("record_every", [5, 100])
def test_an_error_in_a_step_saves_the_last_completed_one(tmp_path, record_every):
    step = Counter(15, fail)
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        list(train(step, 20, step.keep, tmp_path, record_every=record_every))
    assert saved(tmp_path) == (14, 14.0)


def test_batches_that_end_are_named_and_the_run_goes_on(tmp_path, capsys):
    values = iter(range(7))
    step = Counter(losses=lambda n: {"loss_D": T(float(next(values)))})
    with pytest.raises(CourseError, match="ended after 7 steps") as caught:
        list(train(step, 20, step.keep, tmp_path, record_every=5))
    assert "endless" in caught.value.do and saved(tmp_path) == (7, 7.0)
    again = Counter(losses=lambda n: {"loss_D": T(float(n + 6))})
    records = list(train(again, 20, again.keep, tmp_path, record_every=5))
    assert [r.losses["loss_D"] for r in records] == [2.0, 7.0, 12.0, 17.0]
    assert "resumes at step 7" in capsys.readouterr().out


@pytest.fixture
def interruptible():
    """Ctrl-C raises KeyboardInterrupt, also where the tests run in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_the_stop_button_gives_one_line_and_loses_no_step(tmp_path, interruptible):
    step = Counter(13, lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(Stopped) as caught:
        list(train(step, 20, step.keep, tmp_path, record_every=5, title="DCGAN"))
    assert isinstance(caught.value, KeyboardInterrupt)
    (line,) = caught.value._render_traceback_()
    assert line.startswith("DCGAN stopped at step 12 of 20; the last checkpoint is step 12.")
    assert saved(tmp_path) == (12, 12.0)
    step = Counter(3, lambda: signal.raise_signal(signal.SIGINT))
    with pytest.raises(Stopped, match="no folder for checkpoints"):
        list(train(step, 20, step.keep))


def test_the_stop_button_while_losses_are_read(tmp_path, monkeypatch):
    """On a GPU that is where a loop waits. The losses of the record in progress are not lost."""
    whole = list(train(Counter(losses=counted), 20, {}, record_every=5))
    step, read = Counter(losses=counted), guards.read
    calls = []

    def interrupted(*args):
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return read(*args)

    monkeypatch.setattr(guards, "read", interrupted)
    with pytest.raises(Stopped, match="the last checkpoint is step 14"):
        list(train(step, 20, step.keep, tmp_path, record_every=5))
    step.n = 14
    records = list(train(step, 20, step.keep, tmp_path, record_every=5))
    assert [r.losses for r in records] == [r.losses for r in whole]
    assert step.net.weight.item() == 20


def counted(n: int) -> dict:
    return {"loss_D": T(float(n))}


def test_the_stop_button_in_a_notebook(tmp_path):
    """IPython shows what `_render_traceback_` returns, and nothing else."""
    ipython = pytest.importorskip("IPython.core.interactiveshell")
    shell = ipython.InteractiveShell()
    shown = []
    shell._showtraceback = lambda kind, value, lines: shown.append("\n".join(lines))
    shell.push({"Stopped": Stopped})
    result = shell.run_cell("def f():\n    raise Stopped('stopped at step 3')\nf()")
    assert isinstance(result.error_in_exec, Stopped) and shown == ["stopped at step 3"]


def test_the_loss_that_was_not_finite_first_is_named():
    losses = {"loss_D": [1, 1, 1, 1, math.nan], "loss_G": [2, 2, math.nan, math.nan, math.nan]}
    step = Counter(losses=lambda n: {name: T(float(v[n - 1])) for name, v in losses.items()})
    with pytest.raises(TrainingDiverged, match=r"loss_G stopped .* at step 3") as caught:
        list(train(step, 5, step.keep, record_every=5))
    assert caught.value.last == {"loss_D": 1.0, "loss_G": 2.0}
    assert math.isnan(caught.value.values["loss_G"]) and caught.value.values["loss_D"] == 1


@pytest.mark.parametrize("bad", ["loss_G", "loss_D"])
def test_losses_of_different_length_are_counted_right(bad):
    """G is trained at every fifth step."""

    def losses(n: int) -> dict:
        numbers = {"loss_D": float(n)} | ({"loss_G": 100.0 + n} if n % 5 == 0 else {})
        return {k: T(math.inf if k == bad and n >= 15 else v) for k, v in numbers.items()}

    step = Counter(losses=losses)
    with pytest.raises(TrainingDiverged, match=f"{bad} stopped .* at step 15") as caught:
        list(train(step, 20, step.keep, record_every=20))
    assert caught.value.last == {"loss_D": 14.0 if bad == "loss_D" else 15.0 - 1, "loss_G": 110.0}


def test_data_that_are_not_finite_are_the_first_cause(rng):
    x = torch.randn(50, 2, generator=rng)
    x[7, 0], x[9, 1] = math.nan, math.inf
    batches = Batches(x, size=20, rng=rng)
    step = Counter(losses=lambda n: {"loss_D": next(batches).mean()})
    with pytest.raises(TrainingDiverged, match=r"2 of the 50 examples hold nan or .* values: 7, 9"):
        list(train(step, 50, step.keep, batches=batches))

    G, D = nn.Linear(2, 2), nn.Linear(2, 1)

    def game() -> dict:
        real, fake = D(next(batches)), D(G(torch.randn(20, 2)))
        return {"loss_D": (fake - real).mean().detach(), "loss_G": T(0.0)}

    with pytest.raises(TrainingDiverged, match="batch of real examples of this step held") as found:
        list(train(examine(game, G, D), 50, {}))
    finding = diagnose([Record(found.value.step, 0.0, found.value.values)])[0]
    assert finding.name == "divergence" and "real examples was not finite" in finding.evidence


def test_an_error_after_losses_that_were_not_finite_is_divergence(tmp_path):
    step = Counter(5, fail, lambda n: {"loss_D": T(math.nan if n > 2 else 1.0)})
    with pytest.raises(TrainingDiverged, match="at step 3"):
        list(train(step, 20, step.keep, tmp_path, record_every=10))
    assert saved(tmp_path) == (0, 0.0), "a state with nan in it is never saved"


WRONG = {
    "nothing": None,
    "a tuple": (T(1.0), T(2.0)),
    "a Tensor": T(1.0),
    "a float": 0.5,
    "'warm-up' as 'phase'": {"loss_D": 1.0, "phase": "warm-up"},
    "None as 'loss_G'": {"loss_D": 1.0, "loss_G": None},
    "'loss_D' with shape (2,)": {"loss_D": T([1.0, 2.0])},
    "'loss_D' with shape (0,)": {"loss_D": T([])},
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_no_dictionary_of_losses_gets_one_clear_error(what):
    for step in (lambda: WRONG[what], examine_nothing(WRONG[what])):
        with pytest.raises(CourseError) as caught:
            list(train(step, 5, {}))
        assert what in caught.value.what and "Return" in caught.value.do


def examine_nothing(returned):
    G, D = nn.Linear(2, 2), nn.Linear(2, 1)

    def step():
        D(torch.randn(4, 2)), D(G(torch.randn(4, 2)))
        return returned

    return examine(step, G, D)


def test_floats_integers_and_single_numbers_are_losses():
    given = {"loss_D": 1, "loss_G": 2.5, "x": T([[3.0]]), "y": torch.ones((), requires_grad=True)}
    (record,) = train(lambda: given, 5, {})
    assert record.losses == {"loss_D": 1.0, "loss_G": 2.5, "x": 3.0, "y": 1.0}


def test_graphs_of_losses_are_let_go():
    loss = 2 * torch.ones((), requires_grad=True)
    kept = guards.losses_of({"loss": loss})["loss"]
    assert loss.grad_fn is not None and kept.grad_fn is None and not kept.requires_grad


def test_the_best_state_is_kept(tmp_path):
    distances = [5.0, 3.0, 1.0, 2.0, 4.0]
    step = Counter(losses=lambda n: {"distance": T(distances[n - 1])})
    list(train(step, 5, step.keep, tmp_path, record_every=1, best_by="distance"))
    assert step.net.weight.item() == 5
    assert checkpoint.restore_best(step.keep, tmp_path) == 3
    assert step.net.weight.item() == 3
    with pytest.raises(CourseError, match=r"There is no best\.pt"):
        checkpoint.restore_best(step.keep, tmp_path / "other")
    (tmp_path / "best.pt").write_bytes(b"cut")
    with pytest.raises(CourseError, match="can't be loaded"):
        checkpoint.restore_best(step.keep, tmp_path)
    other = Counter()
    with pytest.raises(CourseError, match="no number 'distance'"):
        list(train(other, 5, other.keep, record_every=1, best_by="distance"))


def test_checkpoints_hold_plain_data(tmp_path):
    step = Counter(8, fail)
    with pytest.raises(ValueError, match="more than"):
        list(train(step, 20, step.keep, tmp_path, record_every=5))
    content = checkpoint.read(tmp_path)
    assert json.dumps(content["pending"]) and content["pending"]["loss_D"] == [(6, 1.0), (7, 1.0)]
