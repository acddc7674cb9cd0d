"""The paper's sizes, and what a text does to a picture."""

import pytest
import torch
from torch import nn

from gancourse.errors import CourseError
from gancourse.papers.text2image import (
    ALPHABET,
    Discriminator,
    Generator,
    TextEncoder,
    to_characters,
)
from gancourse.training import networks


def test_characters_are_places_in_an_alphabet_of_70():
    assert len(ALPHABET) == len(set(ALPHABET)) == 70
    row = to_characters(["Ab é!"], 8)[0]
    assert row.tolist() == [0, 1, ALPHABET.index(" "), -1, ALPHABET.index("!"), -1, -1, -1]


@pytest.mark.parametrize(
    ("text", "said"), [("", "nothing to read"), (" \n ", "nothing"), ("éß", "nothing")]
)
def test_an_empty_text_is_refused(text, said):
    with pytest.raises(CourseError, match=said):
        to_characters(["a flower", text])


def test_a_text_that_is_too_long_is_refused():
    assert to_characters(["x" * 60], 60).shape == (1, 60)
    with pytest.raises(CourseError, match="61 characters, at most 60"):
        to_characters(["x" * 61], 60)


def test_the_encoder_has_the_papers_sizes():
    """384, 512 and 256 maps, eight steps of the recurrent network, 1,024 numbers."""
    E = TextEncoder()
    layers = [layer for layer in E.convolutions if isinstance(layer, nn.Conv1d)]
    assert [tuple(layer.weight.shape) for layer in layers] == [
        (384, 70, 4), (512, 384, 4), (256, 512, 4),
    ]  # fmt: skip
    h = E.convolutions(torch.zeros(1, 70, 201))
    assert h.shape == (1, 256, 8)
    assert E(to_characters(["a red flower"], 201)).shape == (1, 1024)


def test_the_encoder_reads_the_filling_as_nothing(rng):
    """A row of -1 is a row of zeros; the encoder with other characters there says otherwise."""
    E = TextEncoder(8, 4, 80)
    text = to_characters(["a red flower with petals"], 80)
    other = text.clone()
    other[0, 40] = ALPHABET.index("x")
    assert torch.equal(E(text), E(text.clone())) and not torch.allclose(E(text), E(other))


def test_shapes_range_and_a_batch_of_one(rng):
    G, D = Generator(5, 7, 3, 3, 4, 32), Discriminator(7, 3, 3, 4, 32)
    z, phi = torch.randn(3, 5, generator=rng), torch.randn(3, 7, generator=rng)
    x = G(z, phi)
    assert x.shape == (3, 3, 32, 32) and x.abs().max() < 1
    assert D(x, phi).shape == (3,) and D.eval()(x[:1], phi[:1]).shape == (1,)


def test_the_papers_networks_at_64_pixels():
    """Text of 1,024 numbers squeezed to 128; 100 + 128 inputs; 512 + 128 maps at 4 x 4 in D."""
    G, D = Generator(), Discriminator()
    assert G.project[0].weight.shape == (128, 1024) and G.draw.layers[1].weight.shape[0] == 228
    assert D.judge[0].weight.shape == (512, 640, 1, 1)


def test_d_compares_picture_and_text(rng):
    """Changing the text moves the logit by more for one picture than for another."""
    D = Discriminator(7, 3, 3, 4, 32)
    x = torch.randn(6, 3, 32, 32, generator=rng)
    one, two = (torch.randn(1, 7, generator=rng).expand(6, -1) for _ in range(2))
    assert (D(x, one) - D(x, two)).std() > 1e-4


def test_networks_are_saved_with_their_configuration(tmp_path):
    for net in (TextEncoder(8, 4, 66), Generator(5, 7, 3, 3, 4, 32), Discriminator(7, 3, 3, 4, 32)):
        again = networks.load(networks.save(net, tmp_path / "net.safetensors"))
        assert type(again) is type(net) and again.config == net.config


# losses and steps ------------------------------------------------------------------------------
