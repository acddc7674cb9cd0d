"""Right and wrong answers to the exercises 8.6 and 8.8: the discriminator, and tiles."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gancourse.exercises.base import Case, Observation, as_tensor
from gancourse.exercises.nb08_answers import pictures, watch_in_order
from gancourse.exercises.observe import number


# 8.6 -------------------------------------------------------------------------------------------
def observe_judge(answer: Callable[..., nn.Module], case: Case) -> Observation:
    width, side, seed = case.args
    net = answer(width=width, side=side)
    return watch_in_order(net, torch.Generator().manual_seed(seed), 3, 3, side, side)


def judge_cases(rng: torch.Generator) -> list[Case]:
    return [Case((number(rng, 2, 3), 32, number(rng, 0, 10**6)))]


class JudgeLike(nn.Module):
    """The eight convolutions, with a slip if asked for."""

    def __init__(
        self,
        width: int = 64,
        side: int = 96,
        *,
        first_norm: bool = False,
        bias: bool = False,
        strides: tuple[int, int] = (1, 2),
        act: Callable[[], nn.Module] = lambda: nn.LeakyReLU(0.2),
        end: Callable[[Tensor], Tensor] = lambda y: y.flatten(),
        pool: bool = False,
        hidden: bool = True,
    ) -> None:
        super().__init__()
        sizes = [3, *(width * 2**k for k in range(4) for _ in range(2))]
        self.convs, self.norms = nn.ModuleList(), nn.ModuleList()
        for n in range(8):
            norm = n > 0 or first_norm
            has_bias = bias or not norm
            self.convs.append(
                nn.Conv2d(sizes[n], sizes[n + 1], 3, strides[n % 2], padding=1, bias=has_bias)
            )
            self.norms.append(nn.BatchNorm2d(sizes[n + 1]) if norm else nn.Identity())
        self.pool, self.act, self.end = pool, act(), end
        features = sizes[-1] * (1 if pool else (side // 16) ** 2)
        self.dense = nn.Linear(features, 16 * width) if hidden else nn.Identity()
        self.last = nn.Linear(16 * width if hidden else features, 1)

    def forward(self, x: Tensor) -> Tensor:
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = self.act(norm(conv(x)))
        x = x.mean(dim=(2, 3)) if self.pool else x.flatten(1)
        x = self.act(self.dense(x)) if isinstance(self.dense, nn.Linear) else x
        return self.end(self.last(x))


# 8.8 -------------------------------------------------------------------------------------------
def tile_cases(rng: torch.Generator) -> list[Case]:
    """Two rows and three columns of tiles, the last of each smaller than the others."""
    tile, margin = number(rng, 6, 7), 3  # the network below looks 3 pixels far
    height, width = tile + number(rng, 1, 3), 2 * tile + number(rng, 1, 3)
    x = pictures(rng, 1, 3, height, width)
    note = f"on {width} x {height} pixels, with tile={tile} and margin={margin}"
    return [Case((x, tile, margin, number(rng, 0, 10**6)), note=note)]


def observe_tiles(answer: Callable[..., Any], case: Case) -> Observation:
    """A small network that looks 3 pixels far and notices where its input ends."""
    x, tile, margin, seed = case.args
    rng = torch.Generator().manual_seed(seed)
    wide, deep = (torch.randn(c, d, k, k, generator=rng) for c, d, k in ((4, 3, 5), (48, 4, 3)))
    seen = []

    def G(part: Tensor) -> Tensor:  # noqa: N802
        seen.append(max(part.shape[2:]))
        h = F.conv2d(part, wide * 0.2, padding=2).add(0.5).tanh()
        return F.pixel_shuffle(F.conv2d(h, deep * 0.3, padding=1), 4)

    given = x.clone()
    large = as_tensor(answer(G, given, tile, margin))
    return {
        "result": large,
        "no piece is larger than tile + 2 margin": torch.tensor(max(seen) <= tile + 2 * margin),
        "inputs left unchanged": torch.tensor(torch.equal(given, x)),
    }


def tiles_like(
    spread: float = 1,
    cut: int = 4,
    keep: bool = False,
    whole_only: bool = False,
    whole: bool = False,
    zeros: bool = False,
) -> Callable[[Callable, Tensor, int, int], Tensor]:
    """Make a tiled enlargement, with a slip if asked for."""

    def enlarge(G: Callable, x: Tensor, tile: int, margin: int) -> Tensor:
        batch, channels, height, width = x.shape
        if whole:
            return G(x)
        large = torch.zeros(batch, channels, 4 * height, 4 * width)
        m = int(margin * spread)
        padded = F.pad(x, (m, m, m, m))
        stop = tile - 1 if whole_only else 0
        for top in range(0, height - stop, tile):
            for left in range(0, width - stop, tile):
                bottom, right = min(top + tile, height), min(left + tile, width)
                y0, x0 = max(top - m, 0), max(left - m, 0)
                y1, x1 = min(bottom + m, height), min(right + m, width)
                if zeros:  # a margin of zeros outside the picture
                    y = G(padded[:, :, top : bottom + 2 * m, left : right + 2 * m])
                    a, b = 4 * m, 4 * m
                else:
                    y = G(x[:, :, y0:y1, x0:x1])
                    a, b = cut * (top - y0), cut * (left - x0)
                if keep:
                    large[:, :, 4 * y0 : 4 * y1, 4 * x0 : 4 * x1] = y
                    continue
                rows, columns = 4 * (bottom - top), 4 * (right - left)
                piece = y[:, :, a : a + rows, b : b + columns]
                large[:, :, 4 * top : 4 * bottom, 4 * left : 4 * right] = piece
        return large

    return enlarge


def tiles_in_strips(G: Callable, x: Tensor, tile: int, margin: int) -> Tensor:
    """Each tile by slices of what is around it; rows of tiles joined, then the rows."""
    height, width = x.shape[2:]
    strips = []
    for top in range(0, height, tile):
        row = []
        for left in range(0, width, tile):
            above, before = min(margin, top), min(margin, left)
            part = x[:, :, top - above : top + tile + margin, left - before : left + tile + margin]
            y = G(part)[:, :, 4 * above :, 4 * before :]
            row.append(y[:, :, : 4 * tile, : 4 * tile])
        strips.append(torch.cat(row, dim=3))
    # the last tile of a row or column may have a margin of nothing: its sides are what is left
    return torch.cat(strips, dim=2)[:, :, : 4 * height, : 4 * width]
