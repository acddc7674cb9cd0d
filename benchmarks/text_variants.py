"""Compare the paper's variants and the additions of notebook 07, for five seeds.

Writes text_variants.json in gancourse/results, which notebook 07 shows, with one long run.

    python benchmarks/text_variants.py [--seeds 5]

The notebook's own cells are run up to its long run, with the cpu profile: data, classifiers, the
text encoder and the metrics are the same for all runs; seeds change the GAN. Runs already in the
file with the same settings are kept: stop and resume it at any time.
"""

import argparse
import json
import os
import platform
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "gancourse" / "results" / "text_variants.json"
NOTEBOOK = ROOT / "solutions" / "07_text_to_image.py"
LAST = "def prefers_true("
"""In the last cell that is run: what follows is the long run."""
STEPS = 600
PLAIN = {"hard": False, "keep_noise": False, "detail": 0}
VARIANTS: dict[str, dict[str, bool | int]] = {
    "GAN": {**PLAIN, "wrong": False},
    "GAN-CLS": PLAIN,
    "GAN-INT-CLS": {**PLAIN, "interpolate": True},
    "GAN-CLS with our changes": {},
}
"""Options of the notebook's `new_run`."""
LONG = 10_000
"""Steps of one long run of the last variant, measured ten times."""


def notebook_names() -> dict[str, Any]:
    """What the notebook's cells define, up to its long run."""
    from gancourse.notebooks import build

    names: dict[str, Any] = {"__name__": "__main__"}
    os.chdir(NOTEBOOK.parent)
    for cell in build.solved(build.Course.at(ROOT), NOTEBOOK).cells:
        if cell.cell_type == "code":
            exec(compile(cell.source, cell.source.splitlines()[0], "exec"), names)
            if LAST in cell.source:
                return names
    raise SystemExit(f"No cell of {NOTEBOOK.name} has {LAST!r}.")


def run(names: dict[str, Any], title: str, seed: int) -> dict[str, float]:
    """Train one GAN; whether G follows sentences, what D prefers, and what z decides."""
    step, players = names["new_run"](STEPS, seed, **VARIANTS[title])
    for _ in names["train"](step, STEPS, players, record_every=STEPS, title=f"{title}, {seed}"):
        pass
    G, D = players["G"].average, players["D"].net
    seen = names["follows"](G, names["unseen"], names["c_unseen"])
    held_out = names["follows"](G, names["held_out"], names["c_held_out"])
    prefers = names["prefers_true"](D)
    values = {
        "joint_seen": seen[-1], "joint_held_out": held_out[-1],
        "colour_seen": seen[0], "shape_seen": seen[1],
        "prefers_colour": prefers[0], "prefers_shape": prefers[1],
        "variety": names["variety"](G, names["c_unseen"]),
    }  # fmt: skip
    return {name: round(float(value), 4) for name, value in values.items()}


def long_run(names: dict[str, Any], place: Path) -> dict[str, list[float]]:
    """The joint rates during one long run, which resumes from its checkpoints."""
    step, players = names["new_run"](LONG, 0)
    curve: dict[str, list[float]] = {"steps": [], "joint_seen": [], "joint_held_out": []}
    kept = place / "curve.json"
    if kept.exists():
        curve = json.loads(kept.read_text("utf-8"))
    for record in names["train"](step, LONG, players, place / "long", record_every=LONG // 10):
        if record.step in curve["steps"]:
            continue
        G = players["G"].average
        curve["steps"].append(record.step)
        for key, part in (("joint_seen", "unseen"), ("joint_held_out", "held_out")):
            rates = names["follows"](G, names[part], names[f"c_{part}"])
            curve[key].append(round(float(rates[-1]), 4))
        kept.write_text(json.dumps(curve), "utf-8")
        print(record.step, {key: values[-1] for key, values in curve.items()}, flush=True)
    return curve


def real_variety(names: dict[str, Any]) -> float:
    """Standard deviation of a pixel over real flowers that match a sentence, for 20 sentences."""
    captions, images = names["captions"], names["to_float"](names["training_set"].images)
    truth, said = names["training_set"].truth, names["unseen"].said[:20, 0]
    matching = [images[captions.fits(row, truth)][:16] for row in said]
    spread = [x.std(dim=0).mean().item() for x in matching if len(x) >= 8]
    return round(sum(spread) / len(spread), 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--runs", type=Path, default=ROOT / "runs" / "text_variants")
    options = parser.parse_args()
    settings = {"profile": "cpu", "steps": STEPS, "long": LONG}
    table = json.loads(FILE.read_text("utf-8")) if FILE.exists() else {}
    if table.get("settings") != settings:
        table = {"settings": settings, "machine": platform.machine(), "runs": {}}
    wanted = [(title, seed) for seed in range(1, options.seeds + 1) for title in VARIANTS]
    missing = [pair for pair in wanted if str(pair[1]) not in table["runs"].get(pair[0], {})]
    if not missing and "long" in table:
        return
    os.environ |= {"GANCOURSE_PROFILE": "cpu", "GANCOURSE_STATIC": "1", "MPLBACKEND": "agg"}
    options.runs.mkdir(parents=True, exist_ok=True)
    os.environ["GANCOURSE_RUNS"] = str(options.runs.resolve())
    names = notebook_names()
    table["variety_real"] = real_variety(names)
    if "long" not in table:
        table["long"] = long_run(names, options.runs.resolve())
        FILE.write_text(json.dumps(table, indent=1) + "\n", "utf-8")
    for title, seed in missing:
        table["runs"].setdefault(title, {})[str(seed)] = run(names, title, seed)
        FILE.write_text(json.dumps(table, indent=1) + "\n", "utf-8")
        print(title, seed, table["runs"][title][str(seed)], flush=True)


if __name__ == "__main__":
    main()
