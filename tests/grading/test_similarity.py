import inspect
import random
import textwrap

from gancourse.exercises import nb02_answers
from gancourse.grading.judging.similarity import pairs, pieces

GIVEN = '''
def step(G, D, batches, k=1):
    """One step."""
    raise NotImplementedError("Exercise 2.6")
'''
OWN = '''
def step(G, D, batches, k=1):
    """One step."""
    for _ in range(k):  # D's turn
        x = next(batches)
        with torch.no_grad():
            fake = G(torch.randn(len(x), G.noise_dim))
        loss = F.softplus(-D(x)).mean() + F.softplus(D(fake)).mean()
        loss.backward()
    value = F.softplus(-D(G(torch.randn(len(x), 2)))).mean()
    return {"loss_D": loss.detach(), "loss_G": value.detach()}
'''
OTHER = '''
def step(G, D, batches, k=1):
    """One step."""
    losses = [update(D, next(batches)) for _ in range(k)]
    noise = torch.randn(64, 2, generator=rng)
    if not losses:
        raise ValueError("k")
    cost = F.binary_cross_entropy_with_logits(D(G(noise)), torch.ones(64, 1))
    cost.backward(); opt.step(); opt.zero_grad()
    return dict(loss_D=sum(losses) / k, loss_G=cost.item())
'''
DISGUISED = (
    OWN.replace("value", "v2").replace("loss", "cost_of_d").replace("# D's turn", "# mine!")
    .replace('"""One step."""', '"""I wrote this myself."""').replace("fake", "fälschung")
    .replace("        cost_of_d.backward()", "\n        cost_of_d.backward()   ")
)  # fmt: skip


def test_a_disguised_copy_is_found_and_others_are_not():
    answers = {"2.6": {"ann": OWN, "bob": DISGUISED, "carl": OTHER, "dora": GIVEN, "eve": "no ("}}
    (pair,) = pairs(answers, {"2.6": GIVEN})
    assert pair.students == ("ann", "bob") and pair.found[0].share > 0.9
    assert pair.found[0].answers == (OWN, DISGUISED)


def test_what_many_write_and_what_was_given_says_nothing():
    everybody = {f"s{n}": OWN for n in range(30)}
    assert pairs({"2.6": everybody}) == []
    assert pairs({"2.6": {"a": GIVEN, "b": GIVEN}}, {"2.6": GIVEN}) == []
    assert pairs({"2.1": {"a": 'answer = "c"', "b": 'answer = "c"'}}) == []  # too short to tell


def test_two_copies_in_a_large_class_are_found():
    names = [f"s{n:03d}" for n in range(200)]
    draw = random.Random(0)
    functions = inspect.getmembers(nb02_answers, inspect.isfunction)
    sources = [textwrap.dedent(inspect.getsource(function)) for _, function in functions[:5]]
    answers = {"2.6": {name: draw.choice(sources) for name in names}}
    answers["2.6"] |= {"s007": OWN, "s123": DISGUISED}
    assert [pair.students for pair in pairs(answers)] == [("s007", "s123")]


def test_more_exercises_come_first():
    answers = {e: {"a": OWN, "b": OWN, "c": OTHER, "d": OTHER} for e in ("1.1", "1.2")}
    del answers["1.2"]["d"]
    assert [(p.students, len(p.found)) for p in pairs(answers)] == [
        (("a", "b"), 2),
        (("c", "d"), 1),
    ]


def test_absurd_answers_are_left_out():
    assert not pieces("(" * 10_000) and not pieces("\0") and not pieces("")
    assert not pieces("-" * 100_000 + "1")
    assert pieces(OWN) == pieces(DISGUISED)
