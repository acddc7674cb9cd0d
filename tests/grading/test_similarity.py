import inspect
import random

from gancourse.grading.judging.similarity import fragments, similar_pairs
from gancourse.papers import gan

STARTER = '''
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
    answers = {"2.6": {"ann": OWN, "bob": DISGUISED, "carl": OTHER, "dora": STARTER, "eve": "no ("}}
    (pair,) = similar_pairs(answers, {"2.6": STARTER})
    assert pair.students == ("ann", "bob") and pair.exercises[0].share > 0.9
    assert pair.exercises[0].answers == (OWN, DISGUISED)


def test_what_many_write_and_starter_code_tell_nothing():
    answers = {f"s{n}": OWN for n in range(30)}
    assert similar_pairs({"2.6": answers}) == []
    assert similar_pairs({"2.6": {"a": STARTER, "b": STARTER}}, {"2.6": STARTER}) == []
    assert similar_pairs({"2.1": {"a": 'answer = "c"', "b": 'answer = "c"'}}) == []  # short


def test_two_copies_in_a_large_class_are_found():
    names = [f"s{n:03d}" for n in range(200)]
    draw = random.Random(0)
    functions = (gan.value, gan.gan_step, gan.optimal_discriminator, gan.lazy_r1, gan.ema_update)
    sources = [inspect.getsource(function) for function in functions]
    answers = {"2.6": {name: draw.choice(sources) for name in names}}
    answers["2.6"] |= {"s007": OWN, "s123": DISGUISED}
    assert [pair.students for pair in similar_pairs(answers)] == [("s007", "s123")]


def test_more_exercises_come_first():
    answers = {e: {"a": OWN, "b": OWN, "c": OTHER, "d": OTHER} for e in ("1.1", "1.2")}
    del answers["1.2"]["d"]
    assert [(p.students, len(p.exercises)) for p in similar_pairs(answers)] == [
        (("a", "b"), 2),
        (("c", "d"), 1),
    ]


def test_absurd_answers_are_left_out():
    assert not fragments("(" * 10_000) and not fragments("\0") and not fragments("")
    assert not fragments("-" * 100_000 + "1")
    assert fragments(OWN) == fragments(DISGUISED)
