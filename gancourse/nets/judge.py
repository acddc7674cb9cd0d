"""A classifier of digits that judges samples; distances are measured in its features."""

from typing import Any

from torch import nn

from gancourse.shapes import ClassLogits, Images


class Judge(nn.Module):
    """A small convolution network: image to class logits, (B, channels, 32, 32) to (B, classes).

    ``features`` gives the 128 activations before the last layer, (B, 128): Fréchet distances are
    measured there. The judge never sees a sample while it is trained.
    """

    def __init__(self, channels: int = 1, classes: int = 10, width: int = 32) -> None:
        super().__init__()
        self.config: dict[str, Any] = {"channels": channels, "classes": classes, "width": width}
        w = width
        self.features = nn.Sequential(
            *_layer(channels, w),                                   #  w x 16 x 16
            *_layer(w, 2 * w),                                      # 2w x  8 x  8
            *_layer(2 * w, 2 * w),                                  # 2w x  4 x  4
            nn.Flatten(),
            nn.Linear(2 * w * 16, 128),
            nn.ReLU(),
        )  # fmt: skip
        self.head = nn.Linear(128, classes)

    def forward(self, x: Images) -> ClassLogits:
        return self.head(self.features(x))


def _layer(c_in: int, c_out: int) -> list[nn.Module]:
    conv = nn.Conv2d(c_in, c_out, 3, padding=1, bias=False)  # batch norm supplies the bias
    return [conv, nn.BatchNorm2d(c_out), nn.ReLU(), nn.MaxPool2d(2)]
