"""Groups that copied are found, whatever their size; independent work is no group."""

import random
from itertools import combinations, pairwise

import numpy as np
import pytest
from classes import copied_by, right_answers, written_by

from gancourse.exercises import of_notebook
from gancourse.grading.judging.given import given_fragments
from gancourse.grading.judging.similarity import clusters, similar_groups

NUMBER = "02"
EXERCISES = [e.id for e in of_notebook(NUMBER) if callable(e.reference) and right_answers(e.id)]
RIGHT = {id: right_answers(id) for id in EXERCISES}
GIVEN = {id: given_fragments(id) for id in EXERCISES}
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
        history.append({"k": k, "loss": loss.item(), "size": [len(x), len(fake)]})
        if not torch.isfinite(loss) or len(history) > limit:
            history.pop(0)
    value = F.softplus(-D(G(torch.randn(len(x), 2)))).mean()
    seen = sorted((h["loss"] for h in history if h["size"]), reverse=True)
    worst, best = seen[0] if seen else None, seen[-1] if seen else None
    return {"loss_D": loss.detach(), "loss_G": value.detach(), "worst": worst, "best": best}
'''
DISGUISED = (
    OWN.replace("value", "v2").replace("loss", "cost").replace("# D's turn", "# mine!")
    .replace("One step.", "I wrote this myself.").replace("fake", "fälschung")
    .replace("        cost.backward()", "\n        cost.backward()   ").replace('"cost', '"loss')
)  # fmt: skip


def honest_class(rng: random.Random, size: int = 30) -> dict[str, dict[str, str]]:
    names = [f"s{n:03d}" for n in range(size)]
    return {id: {name: written_by(rng, RIGHT[id]) for name in names} for id in EXERCISES}


@pytest.mark.parametrize("seed", range(6))
def test_students_who_wrote_it_themselves_are_no_group(seed):
    assert similar_groups(honest_class(random.Random(seed)), GIVEN) == []


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("size", [2, 4, 5, 15, 29])
def test_a_group_is_found_whatever_its_size(size, seed):
    rng = random.Random(seed)
    answers = honest_class(rng)
    for id in EXERCISES:
        answers[id]["s000"] += f"\n{OWN}" if id == "2.6" else ""
        for n in range(1, size):
            answers[id][f"s{n:03d}"] = copied_by(rng, answers[id]["s000"])
    (group,) = similar_groups(answers, GIVEN)
    assert group.students == tuple(f"s{n:03d}" for n in range(size))
    assert "2.6" in [alike.exercise for alike in group.exercises]


def test_two_groups_stay_apart_and_a_timed_copy_is_one():
    answers = honest_class(random.Random(7))
    other = OWN.replace("sorted(", "list(filter(bool, ").replace("reverse=True)", "))")
    other = other.replace("history.pop(0)", "del history[:2], history[-1]; print(history)")
    other = other.replace("x = next(batches)", "x = next(batches).clone().to(device).float()")
    other = other.replace("size", "n").replace("if seen else None", "or (limit, k)[len(x) % 2]")
    answers["2.6"] |= {"s001": OWN, "s002": f"%%time\n{DISGUISED}"}
    answers["2.6"] |= {"s003": other, "s004": f"\n%time pass\n{other}"}
    groups = similar_groups(answers, GIVEN)
    assert [group.students for group in groups] == [("s001", "s002"), ("s003", "s004")]
    alike = groups[0].exercises[-1]
    assert alike.answers == {"s001": OWN, "s002": f"%%time\n{DISGUISED}"} and alike.share > 0.9


def test_what_the_course_gives_tells_nothing():
    for id in EXERCISES:
        for source in RIGHT[id]:
            assert similar_groups({id: {"a": source, "b": source, "c": "x = 1"}}, GIVEN) == []
    assert similar_groups({"2.6": {f"s{n}": STARTER for n in range(30)}}, GIVEN) == []


def test_short_answers_make_nobody_a_group():
    letters = {f"s{n}": 'answer = "c"' for n in range(30)}
    lines = {f"s{n}": "def f(x):\n    return x.square().mean().sqrt()" for n in range(30)}
    assert similar_groups({"2.1": letters, "2.2": lines}) == []
    assert similar_groups({f"{n}.{m}": lines for n in range(1, 12) for m in range(1, 10)}) == []


def test_earlier_terms_are_compared_but_not_with_each_other():
    answers = {"2.6": {"ann": OWN, "bob (2024)": DISGUISED, "eve": STARTER}}
    found = similar_groups(answers, GIVEN, earlier=("bob (2024)",))
    assert [group.students for group in found] == [("ann", "bob (2024)")]
    assert similar_groups(answers, GIVEN, earlier=("ann", "bob (2024)")) == []


def test_no_answers_and_one_student():
    assert similar_groups({}) == similar_groups({"2.6": {}}) == []
    assert similar_groups({"2.6": {"a": OWN}}) == similar_groups({"2.6": {"a": "(", "b": ""}}) == []


def clustered(count: int, *pairs: tuple[int, int]) -> list[list[int]]:
    linked = np.zeros((count, count), dtype=bool)
    for a, b in pairs:
        linked[a, b] = linked[b, a] = True
    return sorted(clusters(linked))


def test_a_chain_is_no_group_but_each_of_its_links_is_in_one():
    chain = [*pairwise(range(12))]
    groups = clustered(12, *chain)
    assert max(map(len, groups)) <= 3
    assert all(any({*pair} <= {*group} for group in groups) for pair in chain)


def test_a_student_can_be_in_two_groups_and_a_missing_link_breaks_none():
    five = [*combinations(range(5), 2)]
    assert clustered(7, *five, (4, 5)) == [[0, 1, 2, 3, 4], [4, 5]]
    assert clustered(5, *five[1:]) == [[0, 1, 2, 3, 4]]
    assert clustered(3) == []
