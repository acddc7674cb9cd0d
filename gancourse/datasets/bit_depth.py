"""Images of more than 8 bits per channel, integer or floating point, and how they become 8."""

from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

ORIENTATION = 0x0112
"""EXIF's tag for it."""

RAW = {".cr2", ".cr3", ".nef", ".arw", ".dng", ".orf", ".rw2", ".raf"}
"""Photos as the sensor took them. Pillow would read the thumbnail inside."""

TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


class Range(NamedTuple):
    """How values of more than 8 bits become grey levels."""

    low: float
    """Least and greatest value that occurs."""
    high: float
    black: float
    white: float
    meaning: str
    """For the notice; empty if nothing had to be guessed."""
    dark: str = ""
    """A warning, if most files use only a small part of the range."""


class Opened(NamedTuple):
    """An image file that was opened."""

    image: Image.Image
    """Perhaps not yet decoded."""
    values: np.ndarray | None = None
    """(H, W) or (H, W, C), if they have more than 8 bits."""
    orientation: int | None = None
    """By EXIF, of `values`, if Pillow did not read them; else the image knows it."""


def opened(path: Path) -> Opened:
    """Open an image file; raises what Pillow and tifffile raise."""
    plugins()
    if path.suffix.lower() in RAW:
        raise UnidentifiedImageError
    try:
        image = Image.open(path)
    except UnidentifiedImageError:
        if head(path)[:4] not in TIFF:
            raise
        values, orientation = _tiff(path)  # float16, float64, floats in colour
        return Opened(Image.new("L", values.shape[1::-1]), values, orientation)
    bits, form = 8, None
    if image.format == "TIFF":
        bits, form = max(image.tag_v2.get(258, (8,))), image.tag_v2.get(339, (1,))[0]
    if image.mode in ("RGB", "RGBA") and bits == 16:  # of which Pillow drops the lower byte
        try:
            return Opened(image, *_tiff(path))
        except Exception:  # such as a compression that tifffile lacks
            return Opened(image)
    if not image.mode.startswith("I") and image.mode != "F":
        return Opened(image)
    values = np.asarray(image)
    if image.mode == "I" and image.format in ("PNG", "PPM"):
        values = values.astype(np.uint16)
    elif image.mode == "I" and bits == 16:
        values = values.astype(np.int16)
    elif image.mode == "I" and form == 1:
        values = values.view(np.uint32)
    return Opened(image, values)


def _tiff(path: Path) -> tuple[np.ndarray, int]:
    """The values of a TIFF's first page, and its orientation, as tifffile reads them."""
    import tifffile  # scikit-image requires it

    with tifffile.TiffFile(path) as file:
        page = file.pages[0]
        limit = Image.MAX_IMAGE_PIXELS
        if limit and page.imagewidth * page.imagelength > 2 * limit:
            raise Image.DecompressionBombError
        values, tag = np.squeeze(page.asarray()), page.tags.get(ORIENTATION)
    if values.ndim == 3 and values.shape[0] <= 4 < values.shape[2]:  # one plane per channel
        values = np.moveaxis(values, 0, 2)
    if values.ndim not in (2, 3) or values.shape[2:] > (4,) or values.dtype.kind not in "uif":
        raise ValueError(f"values {values.dtype} of shape {values.shape} are not an image")
    return values, int(tag.value) if tag else 1


def stored_as(values: np.ndarray) -> str:
    """How values are stored: "16 bits", "signed 16 bits", "floating point" and so on."""
    kind, bits = values.dtype.kind, 8 * values.dtype.itemsize
    return "floating point" if kind == "f" else ("signed " if kind == "i" else "") + f"{bits} bits"


def extremes(values: np.ndarray) -> tuple[float, float]:
    """The least and the greatest finite value."""
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)


def guess(stored: str, low: float, high: float) -> Range:
    """The range of values from `low` to `high`: the smallest usual one that holds them."""
    black, white = low if low < 0 or stored == "floating point" else 0.0, high
    if stored == "floating point":
        usual = [(0, 1), (-1, 1)] if high <= 1.05 else [(0, 255), (0, 4095), (0, 65535)]
        for first, last in usual:
            slack = (last - first) / 20  # resampling overshoots a little
            if low >= first - slack and high <= last + slack and (last == 1 or high >= last / 16):
                black, white = first, last
                break
    elif low >= 0:
        full = int(stored.split()[-2]) - stored.startswith("signed")
        depths = [bits for bits in (8, 10, 12, 14, 16) if bits < full]
        depths += [full] if full <= 16 or high >= 2 ** (full - 2) else []
        for bits in depths:
            if high < 2**bits:
                certain = stored == f"{bits} bits" and bits <= 16
                meaning = "" if certain else f"{bits}-bit images"
                return Range(low, high, 0, 2**bits - 1, meaning)
    elif stored == "signed 16 bits" and low < -(2**14) and high >= 2**14:
        black, white = -(2**15), 2**15 - 1
    return Range(low, high, black, white, f"{black:.6g} (black) to {white:.6g} (white)")


def to_bytes(values: np.ndarray, r: Range, white_is_zero: bool) -> np.ndarray:
    """Values as grey levels, uint8 of the same shape; NaN is black."""
    scale = 255 / (r.white - r.black) if r.white > r.black else 0.0
    with np.errstate(invalid="ignore", over="ignore"):
        levels = np.nan_to_num((values.astype(np.float64) - r.black) * scale, posinf=255, neginf=0)
    levels = levels.round().clip(0, 255).astype(np.uint8)
    levels = 255 - levels if white_is_zero else levels
    return levels[:, :, 0] if levels.shape[2:] == (1,) else levels


def plugins() -> None:
    """Load all of Pillow's plugins, and pillow-heif's if it is installed."""
    Image.init()
    if "HEIF" not in Image.OPEN and find_spec("pillow_heif"):
        from pillow_heif import register_heif_opener

        register_heif_opener()


def head(path: Path) -> bytes:
    """The first bytes of a file; none if it can't be read."""
    try:
        with path.open("rb") as file:
            return file.read(512)
    except OSError:
        return b""
