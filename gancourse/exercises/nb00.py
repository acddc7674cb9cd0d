"""Exercises of notebook 00: the three conventions that every later notebook relies on."""

import torch
from torch import Tensor

from gancourse import env
from gancourse.datasets.batches import to_float
from gancourse.exercises.base import Case, Exercise, Observation, Slip, as_tensor


def draw_noise(m: int, noise_dim: int, rng: torch.Generator) -> Tensor:
    """Draw m noise vectors from N(0, 1), with a generator of their own: (m, noise_dim)."""
    return env.noise(noise_dim, rng)(m)


def pictures(rng: torch.Generator) -> list[Case]:
    """Bytes whose result is easy to see, and some that reach neither 0 nor 255."""
    plain = torch.tensor([0, 64, 128, 255], dtype=torch.uint8).view(1, 1, 2, 2)
    drawn = torch.randint(10, 200, (2, 3, 2, 2), generator=rng).byte()
    drawn[0, 0, 0, 0] = 190  # twice this doesn't fit into a byte
    return [Case((plain,), note="on bytes 0, 64, 128, 255"), Case((drawn,), note="on random bytes")]


def requests(rng: torch.Generator) -> list[Case]:
    """How many vectors, how long, and from which seed; enough numbers to judge their spread."""
    m = int(torch.randint(600, 700, (), generator=rng))
    seed = int(torch.randint(10**6, (), generator=rng))
    return [Case((m, 7, seed), note=f"asked for {m} vectors of length 7")]


def observe_noise(answer, case: Case) -> Observation:
    """Properties, not values: there are several right ways to draw the same distribution."""
    m, noise_dim, seed = case.args
    before = torch.get_rng_state()
    try:
        rng = torch.Generator().manual_seed(seed)
        first = as_tensor(answer(m, noise_dim, rng))
        second = as_tensor(answer(m, noise_dim, rng))
        again = as_tensor(answer(m, noise_dim, torch.Generator().manual_seed(seed)))
        untouched = torch.equal(before, torch.get_rng_state())
    finally:
        torch.set_rng_state(before)
    z = first.double()
    return {
        "noise": torch.zeros_like(z),  # its shape
        "the same seed gives the same numbers": torch.tensor(torch.equal(first, again)),
        "a second call gives new numbers": torch.tensor(not torch.equal(first, second)),
        "torch's global generator is left alone": torch.tensor(untouched),
        "mean near 0": torch.tensor(bool(z.mean().abs() < 0.2)),  # of 4,200: 13 standard errors
        "standard deviation near 1": torch.tensor(bool((z.std() - 1).abs() < 0.2)),
        # a normal distribution has 68 % within 1; of 4,200 that is known to 0.7 %
        "as many within 1 as N(0, 1) has": torch.tensor(
            bool(((z.abs() < 1).double().mean() - 0.683).abs() < 0.05)
        ),
        "no two numbers are equal": torch.tensor(len(z.unique()) > 0.95 * z.numel()),
    }


def reseeded(m: int, noise_dim: int, rng: torch.Generator) -> Tensor:
    """Slip: the generator is set back at each call."""
    return torch.randn(m, noise_dim, generator=rng.manual_seed(0))


def globally_seeded(m: int, noise_dim: int, rng: torch.Generator) -> Tensor:
    """Slip: repeatable, at the price of everything else that draws numbers."""
    torch.manual_seed(0)
    return torch.randn(m, noise_dim)


def logits(rng: torch.Generator) -> list[Case]:
    """A few ordinary ones, and two that overflow a careless formula."""
    drawn = torch.randn(4, generator=rng) * 3
    return [
        Case((torch.tensor([-2.0, 0.0, 0.5, 2.0]),), note="on logits [-2, 0, 0.5, 2]"),
        Case((drawn,), note="on random logits"),
        Case((torch.tensor([-100.0, 100.0]),), note="on logits [-100, 100]"),
    ]


EXERCISES = (
    Exercise(
        id="0.1",
        title="Bytes to [-1, 1]",
        points=1,
        minutes=3,
        reference=to_float,
        cases=pictures,
        slips=(
            Slip(
                lambda images: images / 255,
                "That is [0, 1]. Black has to become -1: stretch by 2, then shift.",
            ),
            Slip(
                lambda images: 2 * images / 255 - 1,
                "2 * images is still a tensor of bytes, where 2 * 128 wraps round to 0. "
                "Divide first, or call .float() first.",
            ),
            Slip(
                lambda images: images / 128 - 1,
                "Close: white has to be exactly 1, and 255 / 128 - 1 is 0.992.",
            ),
            Slip(
                lambda images: (images.float() - 0.5) / 0.5,
                "That formula takes [0, 1] to [-1, 1]. These pictures are 0 to 255: divide first.",
            ),
            Slip(
                lambda images: images / 127.5,
                "That is [0, 2]: subtract 1.",
            ),
            Slip(
                lambda images: images.float() - 127.5,
                "The middle is right, the size is not: divide by 127.5.",
            ),
            Slip(
                lambda images: (
                    2 * (images.float() - images.min()) / (images.max() - images.min()) - 1
                ),
                "You stretch each batch by its own darkest and lightest pixel, so the same grey "
                "means different things in two batches. Use 0 and 255.",
            ),
        ),
        alternatives=(
            lambda images: 2 * (images / 255) - 1,
            lambda images: (images / 255 - 0.5) / 0.5,
            lambda images: (images.double() - 127.5) / 127.5,
        ),
    ),
    Exercise(
        id="0.2",
        title="Noise with a generator of its own",
        points=1,
        minutes=3,
        reference=draw_noise,
        cases=requests,
        observe=observe_noise,
        slips=(
            Slip(
                lambda m, noise_dim, rng: torch.randn(m, noise_dim),
                "The numbers come from torch's global generator: pass generator=rng.",
            ),
            Slip(
                lambda m, noise_dim, rng: torch.rand(m, noise_dim, generator=rng),
                "torch.rand is uniform between 0 and 1. The normal distribution is torch.randn.",
            ),
            Slip(
                lambda m, noise_dim, rng: 2 * torch.rand(m, noise_dim, generator=rng) - 1,
                "That is uniform in [-1, 1]; here z is normal: torch.randn.",
            ),
            Slip(
                lambda m, noise_dim, rng: torch.randn(noise_dim, m, generator=rng),
                "Rows and columns are swapped: one noise vector a row, so (m, noise_dim).",
            ),
            Slip(
                reseeded,
                "You set the seed at each call, so each call returns the same noise. Whoever made "
                "rng has seeded it: just draw from it.",
            ),
            Slip(
                globally_seeded,
                "torch.manual_seed changes what every other part of the program draws. Draw from "
                "rng, with generator=rng, and seed nothing.",
            ),
        ),
        alternatives=(
            lambda m, noise_dim, rng: torch.randn(m, noise_dim, generator=rng),
            lambda m, noise_dim, rng: torch.empty(m, noise_dim).normal_(generator=rng),
            lambda m, noise_dim, rng: torch.stack(
                [torch.randn(noise_dim, generator=rng) for _ in range(m)]
            ),
        ),
    ),
    Exercise(
        id="0.3",
        title="Logits to probabilities",
        points=1,
        minutes=2,
        reference=torch.sigmoid,
        cases=logits,
        slips=(
            Slip(
                lambda logits: (logits > 0).float(),
                "That is the decision, not the probability: a logit of 0.1 and one of 5 are both "
                '"real", but not equally surely.',
            ),
            Slip(
                lambda logits: logits.softmax(0),
                "A softmax shares one unit of probability among the pictures of the batch. Here "
                "each picture is judged by itself.",
            ),
            Slip(
                lambda logits: logits.exp() / (1 + logits.exp()),
                "Right on paper. But e^100 is more than a float32 holds, and infinity / infinity "
                "is nan: divide both sides by e^logit, or use torch's own function.",
            ),
            Slip(
                lambda logits: torch.sigmoid(-logits),
                'That is the probability of "fake": the sign of the logit is turned round.',
            ),
            Slip(
                lambda logits: logits.exp(),
                "e^logit is the odds, p / (1 - p). Solve for p.",
            ),
            Slip(
                lambda logits: torch.tanh(logits),
                "tanh ends at -1 and 1; a probability lies between 0 and 1.",
            ),
            Slip(
                lambda logits: logits.clamp(0, 1),
                "Cutting off at 0 and 1 is not what the logit means: p = 1 / (1 + e^-logit).",
            ),
        ),
        alternatives=(
            lambda logits: 1 / (1 + torch.exp(-logits)),
            lambda logits: torch.nn.functional.logsigmoid(logits).exp(),
        ),
    ),
)
