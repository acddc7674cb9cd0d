"""Exercise 5.9 says what is wrong with a step: which call, which condition, which gradient."""

import pytest
import torch

from gancourse.exercises import verdict
from gancourse.papers.cgan import Conditioned
from gancourse.papers.gan import (
    descend,
    discriminator_loss,
    frozen,
    non_saturating_loss,
    saturating_loss,
)

STEP = """
def conditional_step(G, D, opt_G, opt_D, batches, sample_z, mislead=None, penalty=None):
    x, c = next(batches)
    with torch.no_grad():
        fakes = G(sample_z(len(x)), c)
    loss_D = discriminator_loss(D(x, c), D(fakes, c))
    loss = loss_D
    if mislead:
        loss = loss - saturating_loss(D(x, mislead(c)))
    if penalty:
        loss = loss + penalty(Conditioned(D, c), x)
    descend(opt_D, loss)
    loss_G = non_saturating_loss(D(G(sample_z(len(x)), c), c))
    descend(opt_G, loss_G)
    return {"loss_D": loss_D.detach(), "loss_G": loss_G.detach()}
"""
G_TURN = "loss_G = non_saturating_loss(D(G(sample_z(len(x)), c), c))"
RIGHT = (
    (("Conditioned(D, c), x", "lambda x: D(x, c), x"),),
    ((G_TURN, "with frozen(D):\n        " + G_TURN),),
    (("loss_D.detach()", "loss_D.item()"),),
    (
        (
            "- saturating_loss(D(x, mislead(c)))",
            "+ torch.nn.functional.softplus(D(x, mislead(c))).mean()",
        ),
    ),
    (("next(batches)", "next(iter(batches))"),),
)
WRONG = (
    ("opt_D.step() 0, should be 1", ("    descend(opt_D, loss)\n", "")),
    ("opt_G.step() 0, should be 1", ("    descend(opt_G, loss_G)\n", "")),
    ("needs no new batch", ("    loss_G =", "    x, c = next(batches)\n    loss_G =")),
    (
        "D takes one step",
        ("        loss = loss -", "        descend(opt_D, loss_D)\n        loss = -"),
    ),
    ("a second call returns others", ("mislead(c)))", "mislead(c)) + 0 * D(x, mislead(c)))")),
    ("D's loss has a third term", ("if mislead", "if False")),
    ("add penalty(Conditioned(D, c), x)", ("if penalty", "if False")),
    ("with one argument", ("penalty(Conditioned(D, c), x)", "penalty(D, x)")),
    (
        "D with the conditions of the real examples",
        ("Conditioned(D, c)", "Conditioned(D, c.roll(1, 0))"),
    ),
    ("penalty takes the real examples", ("c), x)\n    descend", "c), fakes)\n    descend")),
    ("mislead takes the conditions", ("mislead(c)", "mislead(c.argmax(1))")),
    ("G's turn uses the fakes", ("D(G(sample_z(len(x)), c), c)", "D(fakes, c)")),
    (
        "asks sample_z for 7, then 1 latent",
        ("D(G(sample_z(len(x)), c), c)", "D(G(sample_z(1), c), c)"),
    ),
    ("in this order", ("fakes = G(sample_z(len(x)), c)", "fakes = G(c, sample_z(len(x)))")),
    ("G has no gradient", (G_TURN, G_TURN.replace(", c), c))", ", c).detach(), c))"))),
    ("the new gradient plus an old one", ("descend(opt_D, loss)", "loss.backward(); opt_D.step()")),
    (
        "the new gradient plus an old one",
        ("descend(opt_G, loss_G)", "loss_G.backward(); opt_G.step()"),
    ),
    (
        "the weights of D don't require",
        ("    loss_G =", "    D.requires_grad_(False)\n    loss_G ="),
    ),
    ("the keys", ('"loss_G": ', '"G": ')),
    ("Return loss.detach()", ("loss_D.detach()", "loss_D")),
)


def step(*changes: tuple[str, str]):
    """The right step with some of its text changed."""
    text = STEP
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    used = (Conditioned, descend, discriminator_loss, frozen, non_saturating_loss, saturating_loss)
    space = {"torch": torch} | {each.__name__: each for each in used}
    exec(text, space)
    return space["conditional_step"]


@pytest.mark.parametrize("changes", [(), *RIGHT])
def test_right_steps_pass(changes):
    found = verdict("5.9", step(*changes), seed=1)
    assert found.status == "right", found


@pytest.mark.parametrize(("words", "changes"), [(words, changes) for words, *changes in WRONG])
def test_the_cause_is_named(words, changes):
    found = verdict("5.9", step(*changes), seed=0)
    assert found.status == "wrong" and words in found.message, found
