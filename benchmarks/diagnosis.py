"""Measure how often the diagnosis names the fault that was injected into a run.

    python benchmarks/diagnosis.py [TASK ...]           evaluation: ring, moons, faces
    python benchmarks/diagnosis.py --development TASK   development: ring, flowers, digits

The first writes diagnosis.json after each kind of run and skips what is already there: if it is
interrupted, start it again, and it resumes. After any change of the rules delete the file, and
measure again.

Every run has a fault injected by `faulty_step`, or none, and lasts a second or two. The first
finding of the diagnosis is compared with the fault. The evaluation is separate from the development
of the rules: its seeds begin at 2,000, and two of its three tasks, moons and faces (emoji), were
not run before the rules were fixed. Digits were to be one of them, but a first evaluation on
digits, with seeds from 1,000, showed a wrong order of two rules (a collapse was called a D too
strong); the order was corrected, so digits now count as development.
"""

import argparse
import json
import os
import platform
import time
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

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
EVALUATION = {"tasks": ("ring", "moons", "faces"), "first seed": 2000, "seeds": 10}
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
    examined = examine(lambda: step(G, D, opt_G, opt_D, batches, sample_z), G, D)
    records: list[Record] = []
    try:
        for record in train(examined, steps, {}, record_every=steps // 40, title=kind):
            records.append(record)
    except TrainingDiverged as error:  # a notebook would show the error; the diagnosis reads both
        records.append(Record(error.step, 0.0, {error.what.split()[0]: float("nan")}))
    return records


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
    parser.add_argument("--development", action="store_true", help="its tasks and seeds instead")
    parser.add_argument("--verbose", action="store_true", help="print the findings of every run")
    arguments = parser.parse_args()
    plan = DEVELOPMENT if arguments.development else EVALUATION
    if unknown := set(arguments.task) - set(plan["tasks"]):
        parser.error(f"tasks are {', '.join(plan['tasks'])}; got {', '.join(sorted(unknown))}")
    os.environ["GANCOURSE_STATIC"] = "1"
    torch.set_num_threads(1)  # the networks are tiny
    keep = OUT.exists() and not arguments.development
    tasks: dict[str, dict] = json.loads(OUT.read_text())["tasks"] if keep else {}
    for task in arguments.task or plan["tasks"]:
        for kind in possible(task):
            if kind in tasks.setdefault(task, {}):
                continue  # measured before
            tasks[task][kind] = measure(task, kind, plan, arguments.verbose)
            if not arguments.development:
                write(tasks, plan)
    print(total(tasks))


def write(tasks: dict[str, dict], plan: dict) -> None:
    found = {
        "command": "python benchmarks/diagnosis.py",
        "machine": f"{cpu()}, {os.cpu_count()} cores, 1 thread used, torch {torch.__version__}",
        "complete": all(set(possible(name)) <= set(tasks.get(name, ())) for name in plan["tasks"]),
        **total(tasks),
        "first_seed": plan["first seed"],
        "seeds": plan["seeds"],
        "tasks": {name: tasks[name] for name in plan["tasks"] if name in tasks},
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
