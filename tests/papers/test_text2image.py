"""The paper's sizes, and what a text does to a picture."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from gancourse import env
from gancourse.errors import CourseError
from gancourse.papers.cgan import Conditioned
from gancourse.papers.gan import (
    gan_step,
    r1_penalty,
)
from gancourse.papers.text2image import (
    ALPHABET,
    Discriminator,
    Generator,
    TextEncoder,
    between,
    gan_cls_loss,
    gan_cls_step,
    joint_embedding_loss,
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


def test_d_can_begin_at_the_full_resolution(rng):
    """One more convolution of 12 channels; the rest of D has the same maps."""
    D = Discriminator(7, 3, 3, 4, 32, detail=12)
    assert D.look[0].weight.shape == (12, 3, 3, 3) and D.look[2].weight.shape[1] == 12
    x, phi = torch.randn(3, 3, 32, 32, generator=rng), torch.randn(3, 7, generator=rng)
    assert D(x, phi).shape == (3,)


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


def test_joint_embedding_loss_by_hand():
    s = torch.tensor([[2.0, 1.5, 0.0], [0.0, 1.0, 3.0], [0.5, 0.0, 4.0]])
    # pictures: .5 0 | 0 3 | 0 0; texts (columns): 0 0 | 1.5 0 | 0 0
    assert joint_embedding_loss(s).item() == pytest.approx((0.5 + 3 + 1.5) / 6)
    assert joint_embedding_loss(torch.zeros(5, 5)).item() == pytest.approx(2)
    assert joint_embedding_loss(9 * torch.eye(4)).item() == 0
    for shape in ((1, 1), (2, 3)):
        with pytest.raises((ValueError, TypeError)):  # TypeError: the shape in the annotation
            joint_embedding_loss(torch.zeros(shape))


def test_gan_cls_loss_is_torchs_cross_entropy_and_finite(rng):
    real, wrong, fake = torch.randn(3, 6, generator=rng).unbind()
    bce, one = F.binary_cross_entropy_with_logits, torch.ones(6)
    wanted = bce(real, one) + (bce(wrong, 0 * one) + bce(fake, 0 * one)) / 2
    assert gan_cls_loss(real, wrong, fake).item() == pytest.approx(wanted.item())
    assert gan_cls_loss(-200 * one, 200 * one, 200 * one).item() == pytest.approx(400)
    assert gan_cls_loss(0 * one, 0 * one, 0 * one).item() == pytest.approx(1.3863, abs=1e-4)
    with pytest.raises(ValueError, match="at least one"):
        gan_cls_loss(real[:0], wrong[:0], fake[:0])


def test_gan_cls_loss_is_least_at_two_thirds_when_g_is_perfect_and_no_wrong_pair_looks_so():
    """Exercise 7.4, by minimizing: real pairs weigh 1, fakes 1/2."""
    logit, never = torch.linspace(-3, 3, 6001)[:, None], torch.tensor([-1e3])
    loss = torch.stack([gan_cls_loss(one, never, one) for one in logit])
    assert logit[loss.argmin()].sigmoid().item() == pytest.approx(2 / 3, abs=1e-3)


def test_between_pairs_the_halves(rng):
    phi = torch.randn(5, 3, generator=rng)
    assert torch.allclose(between(phi), (phi[:2] + phi[2:4]) / 2)
    assert torch.allclose(between(phi, 0.2), 0.2 * phi[:2] + 0.8 * phi[2:4])
    assert between(phi[:1]).shape == (0, 3)


def players(seed=0):
    torch.manual_seed(seed)
    G, D = Generator(4, 6, 3, 1, 4, 8), Discriminator(6, 3, 1, 4, 8)
    opts = [torch.optim.SGD(net.parameters(), lr=0.05) for net in (G, D)]
    return G, D, *opts, env.noise(4, env.rng(seed, "cpu"))


def batch(rng, texts=2):
    x = torch.rand(6, 1, 8, 8, generator=rng) * 2 - 1
    return x, *[torch.randn(6, 6, generator=rng) for _ in range(texts)]


def weights(net):
    return torch.cat([p.detach().flatten().clone() for p in net.parameters()])


def test_without_wrong_texts_it_is_the_plain_game(rng):
    x, phi = batch(rng, texts=1)
    G, D, opt_G, opt_D, sample_z = players()
    ours = gan_cls_step(G, D, opt_G, opt_D, iter([(x, phi)]), sample_z)
    G2, D2, opt_G, opt_D, sample_z = players()
    theirs = gan_step(Conditioned(G2, phi), Conditioned(D2, phi), opt_G, opt_D, iter([x]), sample_z)
    for name in ("loss_D", "loss_G"):
        assert ours[name].item() == pytest.approx(theirs[name].item(), abs=1e-6)
    for a, b in ((G, G2), (D, D2)):
        assert torch.allclose(weights(a), weights(b), atol=1e-6)


@pytest.mark.parametrize("interpolate", [False, True])
def test_it_does_what_the_algorithm_says(rng, interpolate):
    """Against autograd on the textbook losses, one step of each player."""
    x, phi, wrong = batch(rng)
    G, D, opt_G, opt_D, sample_z = players()
    losses = gan_cls_step(
        G, D, opt_G, opt_D, iter([(x, phi, wrong)]), sample_z, interpolate=interpolate
    )
    G2, D2, opt_G, opt_D, sample_z = players()
    bce, one = nn.BCELoss(), torch.ones(6)
    fake = G2(sample_z(6), phi).detach()
    real, bad, no = D2(x, phi).sigmoid(), D2(x, wrong).sigmoid(), D2(fake, phi).sigmoid()

    loss_D = bce(real, one) + 0.5 * bce(bad, 0 * one) + 0.5 * bce(no, 0 * one)
    opt_D.zero_grad()
    loss_D.backward()
    opt_D.step()
    told = torch.cat([phi, (phi[:3] + phi[3:]) / 2]) if interpolate else phi
    s = D2(G2(sample_z(len(told)), told), told).sigmoid()
    loss_G = bce(s[:6], one)
    whole = loss_G + bce(s[6:], one[:3]) if interpolate else loss_G
    opt_G.zero_grad()
    whole.backward()
    opt_G.step()
    assert losses["loss_D"].item() == pytest.approx(loss_D.item(), abs=1e-5)
    assert losses["loss_G"].item() == pytest.approx(loss_G.item(), abs=1e-5)
    for a, b in ((G, G2), (D, D2)):
        assert torch.allclose(weights(a), weights(b), atol=1e-5)


def test_the_penalty_moves_d_and_is_not_in_the_loss(rng):
    first, second = players(), players()
    item = batch(rng)
    plain = gan_cls_step(*first[:4], itertools.repeat(item), first[4])
    steep = gan_cls_step(*second[:4], itertools.repeat(item), second[4], penalty=r1_penalty)
    assert plain["loss_D"] == steep["loss_D"]
    assert not torch.allclose(weights(first[1]), weights(second[1]))
    assert plain["loss_D"].isfinite()


def test_what_g_pays_beside_reaches_g_alone(rng):
    """A huge price for bright pictures: they get darker; D and the losses know nothing of it."""
    first, second = players(), players()
    item = batch(rng)
    seen = []

    def bright(x, z):
        seen.append((x.shape, z.shape))
        return 100 * x.mean()

    plain = gan_cls_step(*first[:4], itertools.repeat(item), first[4])
    priced = gan_cls_step(*second[:4], itertools.repeat(item), second[4], regularizer=bright)
    assert plain == priced
    assert torch.equal(weights(first[1]), weights(second[1]))
    z, phi = torch.randn(50, 4, generator=rng), torch.randn(50, 6, generator=rng)
    assert second[0](z, phi).mean() < first[0](z, phi).mean()
    assert seen == [((6, 1, 8, 8), (6, 4))]
