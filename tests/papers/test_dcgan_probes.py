"""Probes against closed forms: arcs, moments of drawn strokes, hooks that leave nothing behind."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from gancourse.papers import dcgan, dcgan_probes


def test_an_arc_keeps_the_length_and_has_equal_steps_of_angle(rng):
    a = F.normalize(torch.randn(5, 16, generator=rng)) * 4
    b = F.normalize(torch.randn(5, 16, generator=rng)) * 4
    points = [dcgan_probes.slerp(a, b, t / 8) for t in range(9)]
    for z in points:
        assert z.norm(dim=1).tolist() == pytest.approx([4.0] * 5, rel=1e-5)
    whole = F.cosine_similarity(a, b).arccos()
    for z, after in pairwise(points):
        assert torch.allclose(F.cosine_similarity(z, after).arccos(), whole / 8, atol=1e-3)


def test_an_arc_between_perpendicular_vectors_is_a_circle():
    a, b = torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 1.0]])
    for t in (0.0, 0.3, 1.0):
        angle = t * math.pi / 2
        assert dcgan_probes.slerp(a, b, t)[0].tolist() == pytest.approx(
            [math.cos(angle), math.sin(angle)], abs=1e-6
        )


@given(t=st.floats(0, 1))
def test_an_arc_between_equal_vectors_stays(t):
    a = torch.tensor([[3.0, -1.0, 2.0]])
    assert torch.allclose(dcgan_probes.slerp(a, a, t), a, atol=1e-5)
    assert torch.allclose(
        dcgan_probes.slerp(a, 2 * a, t), dcgan_probes.lerp(a, 2 * a, t), atol=1e-5
    )


def test_halfway_a_straight_walk_has_lost_29_percent(rng):
    a, b = torch.randn(2, 4000, 64, generator=rng)
    middle = dcgan_probes.lerp(a, b, 0.5).norm(dim=1).mean() / a.norm(dim=1).mean()
    assert 1 - middle.item() == pytest.approx(1 - 1 / math.sqrt(2), abs=0.005)


def stroke(lean: float, width: float = 1.5, side: int = 64) -> torch.Tensor:
    """A straight stroke that moves `lean` columns to the right for each row upwards."""
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    distance = (x - side / 2 + lean * (y - side / 2)).abs() / math.hypot(1, lean)
    inside = (width / 2 + 0.5 - distance).clamp(0, 1) * ((y - side / 2).abs() < side / 4)
    return 2 * inside[None, None] - 1


@pytest.mark.parametrize("lean", [-0.5, 0.0, 0.25, 0.8])
def test_slant_is_the_lean_of_a_stroke_wherever_it_is(lean):
    image = stroke(lean)
    for moved in (image, image.roll((9, -12), (2, 3))):
        assert dcgan_probes.slant(moved).item() == pytest.approx(lean, abs=0.03)


@pytest.mark.parametrize("width", [2.0, 4.0, 6.0])
def test_thickness_is_the_width_of_a_stroke(width):
    assert dcgan_probes.thickness(stroke(0.0, width)).item() == pytest.approx(width, rel=0.2)


def test_measures_stay_finite_on_an_empty_image():
    black = -torch.ones(2, 1, 8, 8)
    for measure in (dcgan_probes.slant, dcgan_probes.thickness):
        assert measure(black).isfinite().all()


def test_analogy_is_exact_where_the_attribute_is_a_direction(rng):
    kinds = torch.randn(2, 8, generator=rng)
    direction = torch.randn(8, generator=rng)
    leaning_7, upright_7, upright_1 = kinds[0] + direction, kinds[0], kinds[1]
    z = dcgan_probes.analogy(*(v.expand(3, 8) for v in (leaning_7, upright_7, upright_1)))
    assert torch.allclose(z, kinds[1] + direction, atol=1e-6)


def test_a_turn_vector_points_along_the_attribute(rng):
    z = torch.randn(4000, 8, generator=rng)
    true = F.normalize(torch.randn(8, generator=rng), dim=0)
    direction = dcgan_probes.turn_vector(z, z @ true, 200)
    assert F.cosine_similarity(direction, true, dim=0) > 0.99


def test_a_turn_vector_needs_two_ends():
    for n in (0, 3):
        with pytest.raises(ValueError, match="between 1 and 2"):
            dcgan_probes.turn_vector(torch.zeros(4, 2), torch.arange(4.0), n)


def test_correlation_is_pearsons(rng):
    a, b = torch.randn(2, 3, 50, generator=rng)
    expected = [torch.corrcoef(torch.stack(pair))[0, 1].item() for pair in zip(a, b, strict=True)]
    assert dcgan_probes.correlation(a, b).tolist() == pytest.approx(expected, abs=1e-5)
    assert dcgan_probes.correlation(torch.ones(5), torch.arange(5.0)) == 0


def test_guided_gradient_by_hand():
    """x -> ReLU(w x) -> maximum of ReLU(v h): positive gradients through active units only."""
    net = nn.Sequential(
        nn.Conv2d(1, 3, 1, bias=False), nn.LeakyReLU(0.2), nn.Conv2d(3, 1, 1), nn.ReLU()
    )
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([2.0, 3.0, -1.0]).view(3, 1, 1, 1))
        net[2].weight.copy_(torch.tensor([1.0, -1.0, 4.0]).view(1, 3, 1, 1))
        net[2].bias.fill_(5.0)
    x = torch.tensor([[[[1.0, 0.5]]]])
    # response: 5 + 2x - 3x + 4 (0.2 of -x) = 5 - 1.8x, largest at x = 0.5; only unit 0 passes
    guided = dcgan_probes.guided_gradient(net, x, layer=-1, channel=0)
    assert guided.flatten().tolist() == pytest.approx([0.0, 2.0])


def test_guided_gradient_leaves_the_network_as_it_was(rng):
    D = dcgan.Discriminator(1, 2, 16)
    D.train()
    x = torch.randn(2, 1, 16, 16, generator=rng)
    dcgan_probes.guided_gradient(D, x, 0, 1)
    assert D.training and all(p.grad is None for p in D.parameters())
    assert not any(layer._forward_hooks for layer in D.modules())


def test_maps_are_dropped_inside_and_come_back(rng):
    G = dcgan.Generator(4, 1, 2, 16).eval()
    z = torch.randn(3, 4, generator=rng)
    layer = dcgan_probes.activation_layers(G)[0]
    before = G(z)
    with dcgan_probes.without_maps(layer, [1, 2]):
        inside = dcgan_probes.feature_maps(G, z)[0]
        assert not torch.equal(G(z), before)
    whole = dcgan_probes.feature_maps(G, z)[0]
    assert torch.equal(inside[:, [0, 3]], whole[:, [0, 3]]) and inside[:, [1, 2]].abs().sum() == 0
    assert torch.equal(G(z), before)


def test_hooks_are_removed_after_an_error():
    D = dcgan.Discriminator(1, 2, 16).eval()
    with pytest.raises(RuntimeError):
        dcgan_probes.feature_maps(D, torch.zeros(1, 3, 16, 16))
    assert not any(layer._forward_hooks for layer in D.modules())


def test_pooled_features_join_all_layers(rng):
    D = dcgan.Discriminator(1, 2, 32).eval()
    x = torch.randn(3, 1, 32, 32, generator=rng)
    with torch.no_grad():
        features = dcgan_probes.pooled_features(D, x)
        first = D.layers[1](D.layers[0](x))
    assert features.shape == (3, 16 * (2 + 4 + 8))
    assert features[1, 0] == first[1, 0, :4, :4].max()
    assert features[1, 1] == first[1, 0, :4, 4:8].max()


def test_a_linear_probe_finds_what_is_linear_and_nothing_in_noise(rng):
    labels = torch.arange(200) % 2
    X = torch.randn(200, 5, generator=rng)
    noise = dcgan_probes.linear_probe(X[:100], labels[:100], X[100:], labels[100:])
    X[:, 2] += 6 * labels
    assert dcgan_probes.linear_probe(X[:100], labels[:100], X[100:], labels[100:]) > 0.97
    assert 0.3 < noise < 0.7


def test_map_weights_find_the_maps_of_an_object(rng):
    here = torch.rand(50, 4, 4, generator=rng) < 0.2
    maps = torch.rand(50, 6, 4, 4, generator=rng)
    maps[:, 4] += here.float()
    maps[:, 1] -= here.float()
    weights = dcgan_probes.map_weights(maps, here, rng)
    assert weights.argmax() == 4 and weights.argmin() == 1 and weights[1] < 0 < weights[4]
    twins = maps.clone()
    twins[:, 5] = maps[:, 4]  # two maps that say the same share the weight, unless each is alone
    joint, alone = (dcgan_probes.map_weights(twins, here, rng, alone=a) for a in (False, True))
    assert joint[4] < 0.7 * weights[4] and torch.allclose(alone[4], alone[5], rtol=1e-3)
    assert alone[4] > joint[4] and alone.argmin() == 1
    with pytest.raises(ValueError, match="some positions"):
        dcgan_probes.map_weights(maps, torch.zeros_like(here), rng)
