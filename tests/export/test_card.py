"""The model card."""

import re

import numpy as np
import pytest

from gancourse import __version__
from gancourse.export.card import ModelCard, markdown


def test_what_is_unknown_is_not_stated():
    facts = dict(ModelCard().facts())
    assert facts.pop("Course version") == f"gancourse {__version__}"
    assert len(facts) == 10 and set(facts.values()) == {"not stated"}


def test_every_fact_is_shown():
    card = ModelCard(
        name="Digits",
        description="Draws digits.",
        data="MNIST",
        images=5000,
        licence="CC BY-SA 3.0",
        architecture="dcgan.Generator()",
        parameters=1234567,
        steps=0,
        seconds=123.456,
        seeds=(0, 1),
        metrics={"KID x 1000": 12.34567, "modes": "10 of 10"},
        limits="Thin strokes.",
    )
    text = markdown(card, 24, (1, 32, 32))
    for part in ("# Digits\n\nDraws digits.\n", "| 5,000 |", "1,234,567", "123.5 s", "0, 1"):
        assert part in text
    assert "KID x 1000: 12.35; modes: 10 of 10" in text and "| Training steps | 0 |" in text
    assert "not stated" not in text


def test_text_stays_text_in_markdown():
    text = markdown(ModelCard(name="a\n# b <b>", data="x | y\n| z"), 2, (1, 8, 8))
    assert text.startswith("# a # b &lt;b>\n") and "| Training data | x \\| y \\| z |" in text


@pytest.mark.parametrize("noise", ["normal", "uniform", "sphere"])
def test_the_code_that_is_shown_draws_latent_vectors(noise):
    code = re.search("(rng = .*?)images = ", markdown(ModelCard(), 6, (1, 8, 8), noise), re.S)[1]
    names = {"np": np}
    exec(code, names)
    z = names["z"]
    assert z.shape == (8, 6)
    if noise == "sphere":
        np.testing.assert_allclose((z**2).sum(1), 6)
    assert noise != "uniform" or np.abs(z).max() <= 1
