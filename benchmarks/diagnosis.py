"""Measure how often the diagnosis names what is wrong with a run.

    python benchmarks/diagnosis.py [TASK ...]           injected faults: ring, moons, faces
    python benchmarks/diagnosis.py --foreign [NAME ...] set-ups of other people: foreign.py
    python benchmarks/diagnosis.py --development TASK   development: ring, flowers, digits

The first two write diagnosis.json after each kind of run and skip what is already there: if they
are interrupted, start them again. After any change of the rules delete the file, and measure again.

**Injected faults.** Every run has a fault of `faulty_step`, or none, and lasts a second or two. The
first finding of the diagnosis is compared with the fault. The evaluation is separate from the
development of the rules: its seeds begin at 2,000, and two of its three tasks, moons and faces
(emoji), were not run before the first version of the rules was fixed.

**Set-ups of other people.** The networks, the order of calls and the faults of `foreign` were
written by somebody who had not seen the diagnosis. `RIGHT` says which names are right for which
cause. It was written before the first run. Not blind any more are three of them: the rule "one
optimizer for both" was added when the list of causes was read, and a shuffled joint batch and a
retained graph gave false alarms in a first run, after which their kinds were corrected.
"""

import argparse
import json
import os
import platform
import time
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import foreign
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gancourse import env
from gancourse.datasets import digits, emoji, flowers, toy
from gancourse.datasets.batches import Batches
from gancourse.papers.blocks import MLP, MLPDiscriminator, init_normal
from gancourse.papers.dcgan import Discriminator, Generator
from gancourse.shapes import to_bytes, to_float
from gancourse.training.diagnosis import diagnose
from gancourse.training.faults import FAULTS, faulty_step
from gancourse.training.loop import Record, TrainingDiverged, train
from gancourse.training.signs import examine

KINDS = ("healthy", *FAULTS)
DEVELOPMENT = {"tasks": ("ring", "flowers", "digits"), "first seed": 0, "seeds": 5}
FOREIGN_SEEDS = (0, 1, 2)
EVALUATION = {"tasks": ("ring", "moons", "faces"), "first seed": 2000, "seeds": 10}
RIGHT = {
    "opt_G holds an old network": {"G does not move"},
    "opt_D holds a copy of D": {"D does not move"},
    "opt_G holds D's weights": {"G does not move"},
    "opt_D holds G's weights": {"D does not move"},
    "each step moves both": {"one optimizer for both"},
    "opt_G.step() missing": {"G does not move"},
    "opt_D.step() missing": {"D does not move"},
    "part of G has no optimizer": {"part of G is not trained"},
    "G stays frozen": {"G does not move", "vanishing gradient"},
    "G's learning rate far too small": {"G does not move"},
    "learning rates decay to 0": {"G does not move", "D does not move"},
    "zero_grad missing for both": {"zero_grad"},
    "zero_grad missing for D": {"zero_grad"},
    "zero_grad missing for G": {"zero_grad"},
    "gradients zeroed too late": {"G does not move", "D does not move"},
    "G's loss adds to D's gradient": {"zero_grad"},
    "no gradient reaches G": {"vanishing gradient", "G does not move", "G is cut off from D"},
    "no gradient from the real batch": {"missing term"},
    "D's loss adds to G": {"missing detach"},
    "labels of D's fake term swapped": {"wrong labels"},
    "labels of G's loss swapped": {"wrong labels"},
    "random labels for D": {"wrong labels"},
    "both terms of D's loss use the real batch": {
        *("missing term", "wrong labels", "no fakes in D's turn"),
    },
    "D's loss has no real term": {"missing term"},
    "D's loss has no fake term": {"missing term"},
    "no gradient from D's real term": {"missing term"},
    "G's loss uses D of the real batch": {
        *("vanishing gradient", "G does not move", "G is cut off from D"),
    },
    "sigmoid applied twice": {"sigmoid twice"},
    "softmax of one output is always 1": {"softmax"},
    "sign of G's loss flipped": {"wrong labels"},
    "sign of D's real term flipped": {"wrong labels"},
    "real images not scaled": {"values outside [-1, 1]"},
    "real images outside [-1, 1]": {"values outside [-1, 1]"},
    "G's range is [0, 1]": {"values outside [0, 1]"},
    "G's range is [0, inf)": {"negative values"},
    "always the same real image": {"too few examples", "no variety in the data"},
    "always the same few points": {"too few examples"},
    "only three real points": {"too few examples"},
    "real images are uniformly dark": {"no variety in the data"},
    "NaN in the real data": {"divergence"},
    "real batch overwritten": {"no real examples in D's turn"},
    "D's fakes are not G's": {"no fakes in D's turn"},
    "D's fakes are out of date": {"no fakes in D's turn"},
    "constant noise": {"mode collapse"},
    "nearly constant noise": {"mode collapse"},
    "same noise in every row": {"mode collapse"},
    "G ignores the noise": {"mode collapse"},
    "batch of one with batch norm": {"batch of one"},
    "batch of two with batch norm": {"small batch"},
    "G in eval mode": {"eval mode"},
    "D in eval mode": {"eval mode"},
    "dead ReLUs in G": {"vanishing gradient", "mode collapse"},
    "G's tanh saturated": {"saturated outputs"},
    "vanishing gradients in G": {"vanishing gradient"},
    "D far too strong": {"D too strong", "saturation"},
    "D far too weak": {"D too weak", "D does not move"},
    "learning rates far too high": {"divergence"},
    "G's learning rate far too high": {"divergence"},
    "phases far too long": {"oscillation"},
}
"""Which first findings are right for a cause. Without a fault "healthy" is right; "unclear" is not
counted as right, nor as a false alarm."""

FACES = "Smileys & Emotion"
OUT = Path(__file__).parents[1] / "gancourse" / "results" / "diagnosis.json"


def points(task: str, rng: torch.Generator) -> Iterator[Tensor]:
    """Batches of 128 points of the plane, inside [-1, 1]."""
    if task == "ring":
        return toy.batches(toy.Ring(modes=8, radius=0.7, std=0.02), 128, rng)
    from sklearn.datasets import make_moons

    moons = torch.from_numpy(make_moons(4000, noise=0.05, random_state=0)[0]).float()
    return Batches((moons - moons.mean(0)) / 2, size=128, rng=rng)


def pictures(task: str, rng: torch.Generator) -> Iterator[Tensor]:
    """Batches of 32 pictures of 16 x 16 pixels."""
    if task == "flowers":
        images = flowers.draw(flowers.sample(500, env.rng(7, "cpu")), 16)
    else:
        load = digits.load if task == "digits" else partial(emoji.load, groups=(FACES,))
        images = to_bytes(F.avg_pool2d(to_float(load(32, device="cpu").images), 2))
    return Batches(images, size=32, rng=rng)


def play(task: str, kind: str, seed: int) -> list[Record]:
    """One run: 400 steps on points, 200 on pictures, 40 records."""
    rng = env.rng(seed, "cpu")
    if task in ("ring", "moons"):
        G = nn.Sequential(MLP(2, 64, 64, 64, 2, rng=rng), nn.Tanh())
        D = MLPDiscriminator(2, 64, 64, 64, rng=rng)
        with torch.no_grad():  # first fakes in a small cloud at the origin, away from most data
            for p in G[0][-1].parameters():
                p.mul_(0.1)
        batches, sample_z = points(task, rng), env.noise(2, rng)
        lr, betas, steps = 1e-3, (0.0, 0.9), 400
    else:
        channels = 1 if task == "digits" else 3
        G = init_normal(Generator(16, channels, width=12, size=16), rng)
        D = init_normal(Discriminator(channels, width=12, size=16), rng)
        batches, sample_z = pictures(task, rng), env.noise(16, rng)
        lr, betas, steps = 2e-3, (0.0, 0.9) if task == "flowers" else (0.5, 0.99), 200  # as in 03
    opt_G = torch.optim.Adam(G.parameters(), lr=lr, betas=betas, fused=True)
    opt_D = torch.optim.Adam(D.parameters(), lr=lr, betas=betas, fused=True)
    step = faulty_step(kind)
    return records_of(lambda: step(G, D, opt_G, opt_D, batches, sample_z), G, D, steps)


def records_of(step: Callable, G: nn.Module, D: nn.Module, steps: int) -> list[Record]:
    """Forty records of a run, or fewer if it ends with an error that train() explains."""
    records: list[Record] = []
    try:
        for record in train(examine(step, G, D), steps, {}, record_every=steps // 40):
            records.append(record)
    except TrainingDiverged as error:
        records.append(Record(error.step, 0.0, error.values))
    return records


def measure_foreign(each: foreign.Setup) -> dict:
    """All seeds of a set-up of other people: how often it got each name."""
    names: Counter[str] = Counter()
    for seed in FOREIGN_SEEDS:
        bench, step = each.start(seed)
        findings = diagnose(records_of(step, bench.G, bench.D, foreign.steps(each.task)))
        names[findings[0].name] += 1
    print(f"{each.name} ({each.fault or 'healthy'}): {dict(names)}", flush=True)
    return {"fault": each.fault, "task": each.task, "named": names}


def total_foreign(setups: dict[str, dict]) -> dict[str, float]:
    """Over all set-ups: the faulty ones named rightly or called healthy, and false alarms."""
    faulty = [row for row in setups.values() if row["fault"]]
    healthy = [row["named"] for row in setups.values() if not row["fault"]]
    runs = max(1, sum(sum(row["named"].values()) for row in faulty))
    right = sum(row["right"] for row in faulty)
    calm = sum(named.get("healthy", 0) + named.get("unclear", 0) for named in healthy)
    every = max(1, sum(sum(named.values()) for named in healthy))
    return {
        "foreign_accuracy": right / runs,
        "foreign_called_healthy": sum(row["named"].get("healthy", 0) for row in faulty) / runs,
        "foreign_false_alarm_rate": 1 - calm / every,
        "foreign_found_healthy": sum(named.get("healthy", 0) for named in healthy) / every,
    }


def possible(task: str) -> tuple[str, ...]:
    """Networks of fully connected layers here have no batch norm; torch refuses a batch of one."""
    return tuple(k for k in KINDS if k != "batch of one" or task not in ("ring", "moons"))


def measure(task: str, kind: str, plan: dict, verbose: bool) -> dict:
    """All seeds of a kind: how often it got each name, and how long that took."""
    names: Counter[str] = Counter()
    began = time.perf_counter()
    for seed in range(plan["first seed"], plan["first seed"] + plan["seeds"]):
        findings = diagnose(play(task, kind, seed))
        names[findings[0].name] += 1
        if verbose or findings[0].name != kind:
            print(f"{task}, {kind}, seed {seed}:", *findings, sep="\n  ", flush=True)
    print(f"{task}, {kind}: {dict(names)}", flush=True)
    return {"named": names, "seconds": round(time.perf_counter() - began, 1)}


def total(tasks: dict[str, dict[str, dict]]) -> dict[str, float]:
    """The figures over all tasks: the share of runs named rightly, and of healthy ones alarmed."""
    rows = [(kind, row["named"]) for kinds in tasks.values() for kind, row in kinds.items()]
    runs = sum(sum(named.values()) for _, named in rows)
    healthy = [named for kind, named in rows if kind == "healthy"]
    calm = sum(named.get("healthy", 0) for named in healthy)
    return {
        "diagnosis_accuracy": sum(named.get(kind, 0) for kind, named in rows) / runs,
        "false_alarm_rate": 1 - calm / max(1, sum(sum(named.values()) for named in healthy)),
        "kinds": len({kind for kind, _ in rows}),
        "runs": runs,
        "seconds": round(sum(row["seconds"] for kinds in tasks.values() for row in kinds.values())),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("task", nargs="*", help="all of the evaluation, if none is named")
    parser.add_argument("--foreign", action="store_true", help="set-ups of other people instead")
    parser.add_argument("--development", action="store_true", help="its tasks and seeds instead")
    parser.add_argument("--verbose", action="store_true", help="print the findings of every run")
    arguments = parser.parse_args()
    os.environ["GANCOURSE_STATIC"] = "1"
    torch.set_num_threads(1)  # the networks are tiny
    if arguments.foreign:
        measure_all_foreign(arguments.task)
        return
    plan = DEVELOPMENT if arguments.development else EVALUATION
    if unknown := set(arguments.task) - set(plan["tasks"]):
        parser.error(f"tasks are {', '.join(plan['tasks'])}; got {', '.join(sorted(unknown))}")
    tasks: dict[str, dict] = {} if arguments.development else stored()["tasks"]
    for task in arguments.task or plan["tasks"]:
        for kind in possible(task):
            if kind in tasks.setdefault(task, {}):
                continue  # measured before
            tasks[task][kind] = measure(task, kind, plan, arguments.verbose)
            if not arguments.development:
                write(tasks=tasks)
    print(total(tasks))


def measure_all_foreign(names: list[str]) -> None:
    setups = stored()["foreign"]
    for each in foreign.load().values():
        if each.name not in setups and (not names or each.name in names):
            setups[each.name] = measure_foreign(each)
            write(foreign=setups)
    print(total_foreign(stored()["foreign"]))


def stored() -> dict[str, dict]:
    """What was measured so far."""
    found = json.loads(OUT.read_text(encoding="utf-8")) if OUT.exists() else {}
    return {"tasks": found.get("tasks", {}), "foreign": found.get("foreign", {})}


def write(**measured: dict) -> None:
    """Add to the file; what another process has written meanwhile stays."""
    both, plan = stored() | measured, EVALUATION
    tasks, setups = both["tasks"], both["foreign"]
    for row in setups.values():
        good = RIGHT[row["fault"]] if row["fault"] else {"healthy"}
        row["right"] = sum(row["named"].get(name, 0) for name in good)
    complete = all(set(possible(name)) <= set(tasks.get(name, ())) for name in plan["tasks"])
    found = {
        "command": "python benchmarks/diagnosis.py",
        "machine": f"{cpu()}, {os.cpu_count()} cores, 1 thread used, torch {torch.__version__}",
        "complete": complete and set(foreign.load()) <= set(setups),
        **(total(tasks) if tasks else {}),
        **(total_foreign(setups) if setups else {}),
        "first_seed": plan["first seed"],
        "seeds": plan["seeds"],
        "foreign_seeds": len(FOREIGN_SEEDS),
        "tasks": {name: tasks[name] for name in plan["tasks"] if name in tasks},
        "foreign": setups,
    }
    OUT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(": ")[1] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


if __name__ == "__main__":
    main()
