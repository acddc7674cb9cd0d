"""Compare training recipes on stacked digits, over seeds: modes, divergence, clear samples.

Writes stacked.json in gancourse/results; notebook 11 shows it.

    python benchmarks/stacked.py [--seeds 5] [--jobs 2] [--minutes 60] [--only ROW ...] [--file F]
    python benchmarks/stacked.py --time

The digits are the 4,500 embedded ones of the training part; the classifier that reads the samples
was trained on the same digits. 25,600 samples per run. All rows but the last use DCGAN's networks
of width 32. Runs have one thread each, in the precision that the table names, and so many steps
that another load of the machine changes nothing. ``--time`` measures, on a quiet machine with all
of its cores, how long a step of each row takes. `seeded_rows` has the other options.
"""

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch
from seeded_rows import fill, parser
from torch import Tensor, nn

from gancourse import env
from gancourse.classifiers.digit_judge import SmallClassifier, train_judge
from gancourse.datasets import digits, stacked
from gancourse.datasets.batches import Batches
from gancourse.metrics.samples import in_batches
from gancourse.metrics.stacked import read_digits, stacked_scores
from gancourse.papers import dcgan, r3gan
from gancourse.papers.blocks import init_normal
from gancourse.papers.gan import gan_step, lazy_r1
from gancourse.training.player import Player

FILE = Path(__file__).parents[1] / "gancourse" / "results" / "stacked.json"
NOISE, WIDTH, BATCH, SAMPLES, EVERY = 64, 32, 64, 25_600, 8
STEPS = 4400
"""Of the course's recipe in about four minutes on two cores (``--time``)."""
SMALL: dict[str, Any] = {"widths": (128, 64, 16, 8), "blocks": 1, "group": 4}


def with_norm(net: nn.Module, rng: torch.Generator) -> nn.Module:
    """DCGAN's initial weights."""
    return init_normal(net, rng)


@dataclass(frozen=True)
class Row:
    """A recipe."""

    what: str
    steps: int
    pairing: bool = True
    change: Callable[[nn.Module, torch.Generator], nn.Module] = r3gan.without_norm
    lr: float = 1e-3
    betas: tuple[float, float] = (0.0, 0.95)
    decays: bool = True
    ema: float = 0.999
    gamma: tuple[float, float] = (1.0, 0.1)
    """Weight of the penalties at the first and at the last step."""
    lazy: bool = False
    """Penalties at every 8th step only, with 8 times the weight."""
    residual: bool = False
    """The paper's networks, in small: about as many operations per image as DCGAN's."""


COURSE: dict[str, Any] = {"change": with_norm, "lr": 2e-3, "betas": (0.5, 0.99), "lazy": True}
ROWS = {
    "dcgan": Row("the paper's: Adam 0.0002, no penalty, no EMA, constant rate", STEPS, False,
                 with_norm, 2e-4, (0.5, 0.999), False, 0.0, (0.0, 0.0)),
    "recipe": Row("the course's: R1, EMA, decay, rate 0.002", STEPS, False, gamma=(0.1, 0.1),
                  **COURSE),
    "modern": Row("pairing loss, R1 and R2 at every step, no norm", 2200),
    "modern, long": Row("the same, with as many steps as the recipe", STEPS),
    "modern, lazy": Row("penalties at every 8th step only", STEPS, lazy=True),
    "modern, logistic loss": Row("as lazy, with the loss of 2014 and R1 only", STEPS, False,
                                 lazy=True),
    "modern, residual": Row("as lazy, with the paper's networks in small", 1300, lazy=True,
                            residual=True),
}  # fmt: skip


def players(row: Row, seed: int) -> tuple[Player, Player]:
    """A new G and D of a row."""
    start = env.rng(1000 + seed, "cpu")
    if row.residual:
        G = r3gan.Generator(NOISE, 3, **SMALL, rng=start)
        D = r3gan.Discriminator(3, **SMALL, rng=start)
    else:
        G = row.change(dcgan.Generator(NOISE, 3, WIDTH, 32), start)
        D = row.change(dcgan.Discriminator(3, WIDTH, 32), start)
    options = {"lr": row.lr, "betas": row.betas, "steps": row.steps if row.decays else None}
    return Player(G, **options, ema=row.ema), Player(D, **options)


def make_step(
    row: Row, G: Player, D: Player, batches: Iterator[Tensor], sample_z: Callable[[int], Tensor]
) -> Callable[[int], dict[str, Tensor]]:
    """The training step of a row, a function of the number of steps taken."""
    game = G.net, D.net, G.opt, D.opt, batches, sample_z

    def step(taken: int) -> dict[str, Tensor]:
        first, last = row.gamma  # from the first to the last by a cosine, as in the paper's code
        gamma = last + (first - last) * (1 + math.cos(math.pi * taken / row.steps)) / 2
        due = not row.lazy or taken % EVERY == 0
        if row.pairing:
            return r3gan.r3gan_step(
                *game, gamma * due * (EVERY if row.lazy else 1), autocast=env.autocast
            )
        penalty = lazy_r1(gamma, EVERY if row.lazy else 1) if gamma and due else None
        return gan_step(*game, penalty=penalty, autocast=env.autocast)

    return step


def begin(name: str, seed: int) -> tuple[Callable[[int], dict[str, Tensor]], Player, Player]:
    """The training step of a run, and its players."""
    row, rng = ROWS[name], env.rng(seed)
    G, D = players(row, seed)
    batches = stacked.batches(digits.load(32, "train").images, BATCH, rng)
    return make_step(row, G, D, batches, env.noise(NOISE, rng)), G, D


def run(name: str, seed: int, state: dict[str, Tensor]) -> dict[str, float]:
    """Train one pair of networks, and measure its samples."""
    judge = SmallClassifier()
    judge.load_state_dict(state)
    step, G, D = begin(name, seed)
    for taken in range(ROWS[name].steps):
        losses = step(taken)
        G.advance()
        D.advance()
    z = env.noise(NOISE, env.rng(1))(SAMPLES)
    scores = stacked_scores(read_digits(judge, in_batches(G.average, z)))
    ends = {key: round(value.item(), 4) for key, value in losses.items()}
    return scores._asdict() | ends


def milliseconds(rounds: int = 8) -> dict[str, float]:
    """Of a step of each row, with all cores: medians of 16 steps in turn; the first don't count."""
    seconds: dict[str, list[float]] = {name: [] for name in ROWS}
    runs = {name: begin(name, 0) for name in ROWS}
    for n in range(rounds + 1):
        for name, (step, *game) in runs.items():
            start = time.perf_counter()
            for taken in range(2 * EVERY):
                step(taken)
                for player in game:
                    player.advance()
            seconds[name] += [time.perf_counter() - start] if n else []
    return {name: round(1000 * median(x) / (2 * EVERY), 1) for name, x in seconds.items()}


def real_scores(judge: SmallClassifier) -> dict[str, float]:
    """The same of real digits."""
    images, _ = stacked.stack(digits.load(32, "test").images, SAMPLES, env.rng(2))
    return stacked_scores(read_digits(judge, images))._asdict()


def main() -> None:
    options = parser(__doc__.splitlines()[0], FILE, list(ROWS))
    options.add_argument("--time", action="store_true", help="measure a step of each row, no run")
    args = options.parse_args()
    table = json.loads(args.file.read_text("utf-8")) if args.file.exists() else {}
    if args.time:
        table["ms_per_step"] = milliseconds()
        args.file.write_text(json.dumps(table, indent=1) + "\n", "utf-8")
        return
    train_set, rng = digits.load(32, "train"), env.rng(0)
    judge = train_judge(Batches(train_set.images, train_set.labels, size=100, rng=rng), rng, 500)
    head = {
        "command": f"python benchmarks/stacked.py --seeds {args.seeds}",
        "settings": {"noise": NOISE, "width": WIDTH, "batch": BATCH, "samples": SAMPLES},
        "real": real_scores(judge),
        "ms_per_step": (ms := table.get("ms_per_step", {})),
    }
    rows = {
        name: {"what": row.what, "steps": row.steps}
        | ({"seconds": round(ms[name] * row.steps / 1000)} if ms else {})
        for name, row in ROWS.items()
    }
    fill(args, rows, run, [judge.state_dict()], head)


if __name__ == "__main__":
    main()
