"""Flowers drawn by the course itself: every attribute of an image is known exactly.

A flower is a row of numbers (`Looks`); `draw` turns rows into images deterministically. So the same
flower can be drawn twice with one attribute changed: with and without its bee.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from gancourse.shapes import Bytes, Labels

Values = Float[Tensor, " batch"]
Maps = Float[Tensor, "batch height width"]
Column = Float[Tensor, "batch 1 1"]
Colour = tuple[float, float, float]

PETAL_COLOURS: dict[str, Colour] = {  # red, green, blue in [0, 1]
    "red": (0.86, 0.16, 0.18), "pink": (0.97, 0.58, 0.74), "white": (0.97, 0.97, 0.95),
    "violet": (0.55, 0.30, 0.78), "blue": (0.22, 0.42, 0.86),
}  # fmt: skip
CENTRE_COLOURS: dict[str, Colour] = {"yellow": (0.98, 0.82, 0.16), "orange": (0.93, 0.52, 0.12)}
BACKGROUNDS: dict[str, Colour] = {"meadow": (0.55, 0.76, 0.45), "sky": (0.68, 0.84, 0.93)}
SHAPES: dict[str, tuple[float, float, bool]] = {  # half length, half width, pointed or not
    "round": (0.40, 0.30, False), "narrow": (0.42, 0.17, False), "pointed": (0.44, 0.28, True),
}  # fmt: skip
PETALS = (5, 6, 7, 8)
NIGHT: Colour = (0.25, 0.29, 0.46)
"""Factors of the background's red, green and blue at dusk; then of the flower's."""
DUSK: Colour = (0.86, 0.82, 0.92)
BEE = {"dark": (0.06, 0.05, 0.05), "light": (0.99, 0.80, 0.10), "wing": (0.93, 0.96, 1.0)}


@dataclass(frozen=True)
class Looks:
    """Attributes of flowers: one value per flower in each field, (B,).

    Lengths are in units of half an image's side; (0, 0) is the centre, y grows downwards.
    """

    petals: Labels
    """Number of petals."""
    shape: Labels
    """Index into `SHAPES`; the next three into `PETAL_COLOURS`, `CENTRE_COLOURS`, `BACKGROUNDS`."""
    colour: Labels
    centre: Labels
    background: Labels
    x: Values
    """The centre of the flower, then its radius and its rotation in radians."""
    y: Values
    radius: Values
    turn: Values
    bee: Bool[Tensor, " batch"]
    """Whether there is a bee; the next three are its position and rotation, if there is."""
    bee_x: Values
    bee_y: Values
    bee_turn: Values

    def __len__(self) -> int:
        return len(self.petals)

    def __getitem__(self, i: Tensor | slice) -> "Looks":
        """The flowers of an index, mask or slice."""
        return Looks(**{f.name: getattr(self, f.name)[i] for f in fields(self)})

    def with_bee(self, there: bool) -> "Looks":
        """The same flowers, all with a bee or all without."""
        return replace(self, bee=torch.full_like(self.bee, there))


@dataclass(frozen=True)
class Flowers:
    """Images with their attributes."""

    images: Bytes
    looks: Looks

    def __len__(self) -> int:
        return len(self.images)


def load(count: int, size: int, rng: torch.Generator, bees: float = 0.5) -> Flowers:
    """Draw random flowers.

    Parameters
    ----------
    count : int
        How many.
    size : int
        Side of an image in pixels, such as 32 or 64.
    rng : torch.Generator
        Draws the attributes; the images are on its device.
    bees : float
        Share of flowers with a bee, between 0 and 1.

    Returns
    -------
    Flowers
        ``images`` (count, 3, size, size) bytes, and ``looks``, their attributes.
    """
    looks = sample(count, rng, bees)
    parts = [draw(looks[i : i + 1000], size) for i in range(0, count, 1000)]
    return Flowers(torch.cat(parts), looks)


def sample(count: int, rng: torch.Generator, bees: float = 0.5) -> Looks:
    """Random attributes, each independent of the others; parameters as in `load`.

    Raises ValueError if `count` is below 1 or `bees` outside [0, 1].
    """
    if count < 1 or not 0 <= bees <= 1:
        raise ValueError(f"count must be at least 1 and bees a share, got {count=} and {bees=}")

    def choice(options: Sequence | dict) -> Tensor:
        return torch.randint(len(options), (count,), generator=rng, device=rng.device)

    def between(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=rng, device=rng.device)

    return Looks(
        petals=torch.tensor(PETALS, device=rng.device)[choice(PETALS)],
        shape=choice(SHAPES),
        colour=choice(PETAL_COLOURS),
        centre=choice(CENTRE_COLOURS),
        background=choice(BACKGROUNDS),
        x=between(-0.12, 0.12),
        y=between(-0.12, 0.12),
        radius=between(0.72, 0.88),
        turn=between(0, 2 * torch.pi),
        bee=between(0, 1) < bees,
        bee_x=between(-0.5, 0.5),
        bee_y=between(-0.5, 0.5),
        bee_turn=between(-0.6, 0.6),
    )


def draw(looks: Looks, size: int, dusk: bool = False) -> Bytes:
    """Draw flowers: background, petals, centre, bee, each with smooth edges.

    Parameters
    ----------
    looks : Looks
        Their attributes.
    size : int
        Side of an image in pixels, at least 8.
    dusk : bool
        The same flowers in another style: darker, the background most of all (`NIGHT`, `DUSK`), and
        petals with dark stripes around the centre. Positions don't change.

    Returns
    -------
    Bytes
        (B, 3, size, size), on the device of the attributes. Equal attributes give equal images.

    Raises
    ------
    ValueError
        If `size` is below 8.
    """
    x, y = _grid(looks, size)
    pixel = 2 / size
    canvas = _colour(BACKGROUNDS, looks.background).expand(-1, -1, size, size)
    canvas = canvas * (1 - 0.08 * y[:, None])  # a little darker towards the bottom
    night, light = (torch.tensor(c, device=x.device).view(1, 3, 1, 1) for c in (NIGHT, DUSK))
    canvas = canvas * night if dusk else canvas

    u, v = _turned(x - _column(looks.x), y - _column(looks.y), looks.turn)
    radius, angle = torch.hypot(u, v), torch.atan2(v, u)
    sector = _column(2 * torch.pi / looks.petals)
    angle = torch.remainder(angle, sector) - sector / 2  # every petal becomes the one at angle 0
    along, across = radius * angle.cos(), radius * angle.sin()
    shade = 0.72 + 0.28 * (radius / _column(looks.radius)).clamp(0, 1)  # darker near the centre
    edge = 1 - 0.18 * (across.abs() / (_column(looks.radius) * 0.3)).clamp(0, 1) ** 2
    petal = _colour(PETAL_COLOURS, looks.colour) * (shade * edge)[:, None]
    if dusk:
        wave = torch.cos(2 * torch.pi * (radius / _column(looks.radius) - 0.45) / 0.27)
        petal = petal * light * (0.75 + 0.25 * (2.5 * wave).clamp(-1, 1))[:, None]
    canvas = _over(canvas, petal, _cover(_petal(along, across, looks), pixel))

    disc = _cover(radius - 0.27 * _column(looks.radius), pixel)
    centre = _colour(CENTRE_COLOURS, looks.centre)
    canvas = _over(canvas, centre * light if dusk else centre, disc)
    canvas = _bee(canvas, x, y, looks, pixel)
    return canvas.clamp(0, 1).mul(255).round().to(torch.uint8)


def _bee(canvas: Tensor, x: Maps, y: Maps, looks: Looks, pixel: float) -> Tensor:
    there = _column(looks.bee.float())
    u, v = _turned(x - _column(looks.bee_x), y - _column(looks.bee_y), looks.bee_turn)
    dark, light, wing = (torch.tensor(c, device=x.device).view(1, 3, 1, 1) for c in BEE.values())
    for lean in (-0.1, 0.16):  # two wings, above the back
        cover = _cover(_ellipse(u - lean, v + 0.27, 0.11, 0.2), pixel)
        canvas = _over(canvas, wing, 0.85 * cover * there)
    stripes = (0.5 + 0.5 * torch.cos(2 * torch.pi * u / 0.27)).gt(0.5).float()[:, None]
    body = dark * (1 - stripes) + light * stripes
    return _over(canvas, body, _cover(_ellipse(u, v, 0.34, 0.21), pixel) * there)


def _petal(along: Maps, across: Maps, looks: Looks) -> Maps:
    """Approximate signed distance to the petal at angle 0; negative inside."""
    table = torch.tensor(list(SHAPES.values()), device=along.device)[looks.shape]
    length, width, pointed = (_column(column) for column in table.unbind(1))
    r = _column(looks.radius)
    u, v = along / r - 0.58, across / r
    return torch.where(pointed > 0, _lens(u, v, length, width), _ellipse(u, v, length, width)) * r


def _ellipse(u: Maps, v: Maps, a: Column | float, b: Column | float) -> Maps:
    """Signed distance to an ellipse, exact to first order: f (f - 1) / |grad f^2 / 2|."""
    f = torch.sqrt((u / a) ** 2 + (v / b) ** 2)
    slope = torch.sqrt((u / a**2) ** 2 + (v / b**2) ** 2)
    return f * (f - 1) / slope.clamp(min=1e-6)


def _lens(u: Maps, v: Maps, a: Column, b: Column) -> Maps:
    """Signed distance to the intersection of two circles, of half length a and half width b."""
    r = (a**2 + b**2) / (2 * b)
    return torch.hypot(u, v.abs() + r - b) - r


def _cover(distance: Maps, pixel: float) -> Maps:
    """Share of each pixel that lies inside: 0 to 1, in a ramp one pixel wide."""
    return (0.5 - distance / pixel).clamp(0, 1)


def _over(below: Tensor, colour: Tensor, cover: Maps) -> Tensor:
    return below + (colour - below) * cover[:, None]


def _grid(looks: Looks, size: int) -> tuple[Maps, Maps]:
    """Coordinates of the pixels' centres, (B, size, size) each."""
    if size < 8:
        raise ValueError(f"a flower needs at least 8 pixels per side, got {size}")
    line = (torch.arange(size, device=looks.x.device) + 0.5) * (2 / size) - 1
    y, x = torch.meshgrid(line, line, indexing="ij")
    shape = (len(looks), size, size)
    return x.expand(shape), y.expand(shape)


def _turned(x: Maps, y: Maps, angle: Values) -> tuple[Maps, Maps]:
    cos, sin = _column(angle.cos()), _column(angle.sin())
    return x * cos + y * sin, y * cos - x * sin


def _column(values: Tensor) -> Tensor:
    return values.view(-1, 1, 1)


def _colour(table: dict[str, Colour], index: Labels) -> Tensor:
    return torch.tensor(list(table.values()), device=index.device)[index].view(-1, 3, 1, 1)
