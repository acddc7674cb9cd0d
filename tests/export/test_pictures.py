"""Sheets of samples and latent walks."""

from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from gancourse.export import pictures


@pytest.mark.parametrize("channels, side, factor", [(1, 8, 8), (3, 32, 2), (3, 64, 1), (1, 100, 1)])
def test_a_sheet_has_every_image_at_its_place(channels, side, factor):
    images = torch.linspace(-1, 1, 6)[:, None, None, None].expand(6, channels, side, side)
    sheet = np.asarray(pictures.sheet(images, columns=3))
    assert sheet.shape == (factor * (2 * side + 3), factor * (3 * side + 4), 3)
    for n in range(6):
        row, column = divmod(n, 3)
        y, x = (factor * (1 + k * (side + 1) + side // 2) for k in (row, column))
        assert (sheet[y, x] == round(255 * n / 5)).all()


def test_a_png_keeps_every_pixel():
    sheet = pictures.sheet(torch.rand(4, 3, 8, 8) * 2 - 1, columns=2)
    again = Image.open(BytesIO(pictures.png(sheet)))
    assert again.format == "PNG" and (np.asarray(again) == np.asarray(sheet)).all()


@pytest.mark.parametrize("straight", [False, True])
def test_a_walk_loops_without_a_jump(grey, rng, straight):
    z = torch.randn(pictures.STOPS * 4, 6, generator=rng)
    with Image.open(BytesIO(pictures.walk(grey, z, straight=straight, tiles=2))) as film:
        assert film.format == "WEBP" and film.info["loop"] == 0
        assert film.n_frames == pictures.STOPS * pictures.FRAMES
        frames = []
        for n in range(film.n_frames):
            film.seek(n)
            frames.append(np.asarray(film.convert("RGB"), dtype=float))
    changes = [np.abs(a - b).mean() for a, b in zip(frames, frames[1:] + frames[:1], strict=True)]
    assert max(changes) > 0.5 and changes[-1] <= max(changes[:-1])
