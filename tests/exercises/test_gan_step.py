"""Exercise 2.6 says what is wrong with a step: which call, which noise, which gradient."""

import pytest
import torch

from gancourse.exercises import verdict
from gancourse.papers.gan import discriminator_loss, non_saturating_loss

STEP = """
def gan_step(G, D, opt_G, opt_D, batches, sample_z, k=1):
    for n in range(k):
        x = next(batches)
        z = sample_z(len(x))
        fakes = G(z).detach()
        loss_D = discriminator_loss(D(x), D(fakes))
        opt_D.zero_grad()
        loss_D.backward()
        opt_D.step()
    loss_G = generator_loss(D(G(sample_z(len(x)))))
    opt_G.zero_grad()
    loss_G.backward()
    opt_G.step()
    return {"loss_D": loss_D.detach(), "loss_G": loss_G.detach()}
"""
RIGHT = (
    (("next(batches)\n", "next(iter(batches))\n"),),
    ((".detach()\n", "\n"),),
    (
        ("        opt_D.zero_grad()\n", ""),
        ("    for n", "    opt_D.zero_grad()\n    for n"),
        ("opt_D.step()", "opt_D.step(); opt_D.zero_grad()"),
        ("    return", "    opt_D.zero_grad()\n    return"),
    ),
    (("opt_D.zero_grad()", "D.zero_grad()"), ("opt_G.zero_grad()", "G.zero_grad()")),
    (("loss_D.detach()", "loss_D.item()"),),
)
G_TURN = "D(G(sample_z(len(x))))"
WRONG = (
    ("opt_D.step() 0, should be 1", ("        opt_D.step()\n", "")),
    ("opt_G.step() 0, should be 1", ("    opt_G.step()\n", "")),
    ("belongs inside the loop", ("        opt_D.step()", "    opt_D.step()")),
    ("Repeat D's turn", ("range(k)", "range(1)")),
    ("too many steps", ("range(k)", "range(k + 1)")),
    ("fresh batch", ("x = next(batches)", "x = x if n else next(batches)")),
    ("needs no real examples", ("    loss_G =", "    x = next(batches)\n    loss_G =")),
    ("never ends", ("for n in range(k)", "for x in batches")),
    ("share noise", ("z = sample_z(len(x))", "z = z if n else sample_z(len(x))")),
    ("uses the noise or the fakes of D's turn again.", (G_TURN, "D(G(z))")),
    ("have no graph", (G_TURN, "D(fakes)")),
    ("the real examples only", ("D(fakes)", "D(fakes).detach()")),
    ("the fakes only", ("D(x)", "D(x).detach()")),
    (
        "both losses",
        ("    loss_G = generator_loss(" + G_TURN + ")\n    opt_G.zero_grad()\n", ""),
        ("    loss_G.backward()\n", ""),
        (
            "        loss_D.backward()",
            f"        loss_G = generator_loss({G_TURN})\n        (loss_D + loss_G).backward()",
        ),
    ),
    ("missing in D's turn", ("z = sample_z(len(x))", "z = torch.randn(len(x), 2)")),
    ("missing in G's turn", (G_TURN, "D(G(torch.randn(len(x), 2)))")),
    ("should be 2. Draw all noise with sample_z", ("sample_z(len(x))", "torch.randn(len(x), 2)")),
    ("they have the size that G takes", ("sample_z(len(x))", "torch.randn_like(x)")),
    ("asks sample_z for 7, then 1 latent", (G_TURN, "D(G(sample_z(1)))")),
    ("from the iteration before. Call opt_D", ("        opt_D.zero_grad()\n", "")),
    (
        "from the step of D before it",
        (
            "        opt_D.zero_grad()\n        loss_D.backward()",
            "        if n == 0: opt_D.zero_grad()\n        loss_D.backward()",
        ),
    ),
    ("from the iteration before. Call opt_G", ("    opt_G.zero_grad()\n", "")),
    ("from D's turn. Detach", (".detach()\n", "\n"), ("    opt_G.zero_grad()\n", "")),
    (
        "zero_grad() comes between",
        (
            "opt_D.zero_grad()\n        loss_D.backward()",
            "loss_D.backward()\n        opt_D.zero_grad()",
        ),
    ),
    ("is backward() missing", ("        loss_D.backward()\n", "")),
    ("fakes of G's turn are detached", (G_TURN, "D(G(sample_z(len(x))).detach())")),
    ("but D's turn comes first", ("opt_D.", "opt_X."), ("opt_G.", "opt_D."), ("opt_X.", "opt_G.")),
    (
        "the weights of D don't require",
        ("    loss_G =", "    D.requires_grad_(False)\n    loss_G ="),
    ),
    (
        "only G(z) belongs under no_grad",
        (
            "discriminator_loss(D(x), D(fakes))",
            "discriminator_loss(D(x).detach(), D(fakes).detach())",
        ),
    ),
    ("In G's turn nothing belongs", ("(" + G_TURN + ")", "(" + G_TURN + ".detach())")),
    ("used once more", (".detach()\n", "\n"), (G_TURN, "D(fakes)")),
    (
        "changed after it was used",
        (
            "        opt_D.zero",
            "        loss_G = generator_loss(" + G_TURN + ")\n        opt_D.zero",
        ),
        ("    loss_G = generator_loss(" + G_TURN + ")\n    opt_G", "    opt_G"),
    ),
    (
        "a dictionary; you returned a tuple",
        ('{"loss_D": loss_D.detach(), "loss_G": loss_G.detach()}', "loss_D.item(), loss_G.item()"),
    ),
    ("Return loss.detach()", ("loss_D.detach()", "loss_D")),
)


def step(*changes: tuple[str, str]):
    """The right step with some of its text changed."""
    text = STEP
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    space = {"discriminator_loss": discriminator_loss, "generator_loss": non_saturating_loss}
    space["torch"] = torch
    exec(text, space)
    return space["gan_step"]


@pytest.mark.parametrize("changes", RIGHT)
def test_right_steps_pass(changes):
    for seed in range(2):
        assert verdict("2.6", step(*changes), seed).status == "right"


@pytest.mark.parametrize(("words", "changes"), [(words, changes) for words, *changes in WRONG])
def test_the_cause_is_named(words, changes):
    found = verdict("2.6", step(*changes), seed=0)
    assert found.status == "wrong" and words in found.message, found


@pytest.mark.parametrize(
    "points, old, new",
    [
        (1, "(D(x), D(fakes))", "(D(fakes), D(x))"),  # G's turn is right
        (1, "= generator_loss(", "= -generator_loss("),
        (2, "range(k)", "range(1)"),
    ],
)
def test_the_gradients_of_both_turns_earn_points_on_their_own(points, old, new):
    assert verdict("2.6", step((old, new))).points == points
