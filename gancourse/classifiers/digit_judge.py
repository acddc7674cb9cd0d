"""The digit judge: a classifier of digits that rates samples; distances use its features.

First built in notebook 03. The judge never sees a sample while it is trained.
"""

from collections.abc import Iterator
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancourse import env
from gancourse.papers.blocks import Rng, configured, require_size
from gancourse.papers.gan import descend
from gancourse.shapes import ClassLogits, Images
from gancourse.training.loop import train
from gancourse.training.player import linear_decay


@configured
class SmallClassifier(nn.Module):
    """A small convolutional network: 32 x 32 images (B, channels, 32, 32) to logits (B, classes).

    ``features`` returns the 128 activations before the last layer, (B, 128): Fréchet distances are
    measured there.

    Parameters
    ----------
    channels, classes, width : int
        Channels of the image; number of classes; channels of the first convolution.
    rng : torch.Generator, optional
        Draws the initial weights; see `papers.blocks.configured`.
    """

    def __init__(
        self, channels: int = 1, classes: int = 10, width: int = 32, rng: Rng = None
    ) -> None:
        super().__init__()
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
        require_size(x, 32)
        return self.head(self.features(x))


def _layer(c_in: int, c_out: int) -> list[nn.Module]:
    conv = nn.Conv2d(c_in, c_out, 3, padding=1, bias=False)  # batch norm supplies the bias
    return [conv, nn.BatchNorm2d(c_out), nn.ReLU(), nn.MaxPool2d(2)]


def train_judge(
    batches: Iterator[tuple[Tensor, Tensor]],
    rng: torch.Generator,
    steps: int,
    folder: Path | None = None,
) -> SmallClassifier:
    """Train a digit judge: cross-entropy on digits shifted by up to 2 pixels.

    AdamW with rate 0.002, constant for 30 % of the steps and then decaying linearly to 0.

    Parameters
    ----------
    batches : Iterator[tuple[Tensor, Tensor]]
        Endless; each item holds images (B, 1, 32, 32) and their labels.
    rng : torch.Generator
        Draws the shifts; the generator of `batches`. Its seed also decides the initial weights.
    steps : int
        500 are enough for 98 % on digits that it has not seen.
    folder : Path, optional
        Where checkpoints go; see `training.loop.train`.

    Returns
    -------
    SmallClassifier
        In eval mode, on the course's device.
    """
    start = env.rng(rng.initial_seed(), "cpu")
    judge = SmallClassifier(rng=start).to(env.device())
    opt = torch.optim.AdamW(judge.parameters(), 2e-3, fused=True)
    schedule = linear_decay(opt, steps, hold=0.3)

    def step() -> dict[str, Tensor]:
        x, y = next(batches)
        shift = torch.randint(-2, 3, (2, 1), generator=rng, device=rng.device)
        rows, columns = (torch.arange(32, device=rng.device) - shift) % 32
        with env.autocast():
            logits = judge(x[..., rows[:, None], columns])  # as x.roll(shift), but never waits
        loss = F.cross_entropy(logits.float(), y)
        descend(opt, loss)
        schedule.step()
        return {"cross_entropy": loss.detach()}

    keep = {"judge": judge, "opt": opt, "schedule": schedule, "rng": rng}
    for _ in train(step, steps, keep, folder, title="judge"):
        pass
    return judge.eval()
