"""Image files as a viewer shows them: one reader for photos, folders, captions and pairs.

>>> image = images.read("holiday/boat.jpg")  # doctest: +SKIP
"""

import io
import warnings
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from textwrap import shorten
from typing import Literal

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from gancourse.datasets import bit_depth
from gancourse.datasets.bit_depth import ORIENTATION, RAW, TIFF, head, plugins
from gancourse.datasets.image_notes import Notes, survey
from gancourse.errors import CourseError
from gancourse.progress import Progress

FITS = ("crop", "pad", "stretch")

SUFFIXES = {".heic", ".heif", ".hif", ".avif", ".jxl", ".svg"} | RAW
"""Of images, besides those that the installed Pillow registers."""

AGAIN = "Open it in an image viewer; save it again as PNG or JPEG."

HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes an image upright, by its EXIF orientation."""


def read(
    path: str | Path,
    mode: Literal["RGB", "L"] = "RGB",
    side: int | None = None,
    notes: Notes | None = None,
    to_srgb: bool = True,
) -> Image.Image:
    """Read an image file as a viewer shows it.

    The rotation noted by a camera (EXIF) is applied, a colour profile is converted to sRGB,
    transparent areas become white, and of several frames the first is read. More than 8 bits
    become 8. Where the range of such values is not stored in the file, it is guessed from the least
    and the greatest of them: 8, 10, 12, 14 or 16 bits, [0, 1], [-1, 1] or [0, 255]; otherwise it
    goes from the least to the greatest. A notice says which range was guessed.

    Parameters
    ----------
    path : str or Path
        The file, of any kind that Pillow opens (or tifffile, for TIFF), whatever its suffix.
        ``~`` is your home folder.
    mode : {"RGB", "L"}
        Colour, or grey.
    side : int, optional
        In pixels. A JPEG is then decoded at a fraction of its size if that leaves at least
        2 `side` per side, which is faster.
    notes : Notes, optional
        Collects what is to be said, and has the ranges: from `survey`, for many files. Without it
        the range is this file's, and the notices are printed at once.
    to_srgb : bool
        False keeps the stored numbers if the file has a colour profile.

    Returns
    -------
    Image.Image
        8 bits per channel, 0 to 255.

    Raises
    ------
    CourseError
        If there is no such file, or it is no image, damaged, far too large, or of a kind that
        Pillow does not read. The message says which, and what to do.
    """
    path, alone = Path(path).expanduser(), notes is None
    notes = notes or survey([path])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about metadata: a viewer shows the image
            image = _decoded(path, side, notes, to_srgb)
    except FileNotFoundError as error:
        raise CourseError(
            f"There is no file {path}.",
            f"The path is relative to the folder {Path.cwd()}.",
            "Check the spelling, or give the full path.",
        ) from error
    except Exception as error:  # in a damaged file a decoder may meet nearly any
        why, do = _explained(path, error)
        raise CourseError(f"{path} can't be read as an image.", why, do) from error
    if alone:
        notes.show()
    return image.convert(mode)


def each(
    files: Sequence[Path],
    root: Path,
    notes: Notes,
    mode: Literal["RGB", "L"] = "RGB",
    side: int | None = None,
    smallest: int = 2,
) -> Iterator[tuple[Path, Image.Image]]:
    """The files that can be read, one by one, with their images; `notes` has the others.

    Parameters
    ----------
    files : Sequence[Path]
        Below the folder `root`.
    notes, mode, side
        As for `read`.
    smallest : int
        In pixels: images with a shorter side are left out.

    Raises
    ------
    CourseError
        After the last file, if none can be used.
    """
    used = 0
    for file in Progress(files, desc=f"reading {root.name}", disable=len(files) < 500):
        try:
            image = read(file, mode, side, notes)
        except CourseError as error:
            do = "" if error.do == AGAIN else f" {error.do}"
            notes.unreadable[file] = f"{shorten(error.why, 90)}{do}"
            continue
        if min(image.size) < smallest:
            notes.small.append(file)
            continue
        used += 1
        yield file, image
    if not used:
        among = set(files)
        small = [file for file in notes.small if file in among]
        reasons = [notes.reasons(root)] if notes.unreadable else []
        reasons += [f"Too small: {notes.with_sizes(small, root)}."] if small else []
        raise CourseError(
            f"None of the {len(files)} images in {root} can be {'used' if small else 'read'}.",
            "\n".join(reasons),
            "Name a folder with images that open in a viewer"
            + (f", of at least {smallest} x {smallest} pixels." if small else "."),
        )


def recognized(file: Path) -> bool:
    """Whether a file is an image by its content, to judge by the header."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            plugins()
            with Image.open(file):
                return True
    except Image.DecompressionBombError:
        return True
    except Exception:  # a decoder that takes a text for its own kind may raise nearly any
        start = head(file)
        return start[:4] in TIFF or _is_heic(start)


def suffixes() -> set[str]:
    """Suffixes of image files, in lower case with their dot."""
    plugins()
    return SUFFIXES | set(Image.registered_extensions())


def square(image: Image.Image, size: int, fit: str = "crop") -> np.ndarray:
    """An image as a square: uint8 (size, size, channels), 0 to 255.

    ``"crop"`` scales the shorter side to `size` and keeps the central square; ``"pad"`` scales the
    longer side to `size` and fills the rest with white, like transparent areas; ``"stretch"``
    changes the aspect ratio.
    """
    if fit == "crop":
        image = ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS)
    elif fit == "pad":
        scale = size / max(image.size)
        inner = [max(1, round(side * scale)) for side in image.size]
        background = Image.new(image.mode, (size, size), "white")
        corner = ((size - inner[0]) // 2, (size - inner[1]) // 2)
        background.paste(image.resize(inner, Image.Resampling.LANCZOS), corner)
        image = background
    else:
        image = image.resize((size, size), Image.Resampling.LANCZOS)
    return np.asarray(image, np.uint8).reshape(size, size, -1)


def _decoded(path: Path, side: int | None, notes: Notes, to_srgb: bool) -> Image.Image:
    image, values, orientation = bit_depth.opened(path)
    with image:
        if side is not None:
            image.draft(None, (2 * side, 2 * side))
        image.load()
        icc, several = image.info.get("icc_profile"), _several(image)
        orientation = orientation or _orientation(image)
        if values is not None:
            white_is_zero = image.format == "TIFF" and image.tag_v2.get(262) == 0
            image = Image.fromarray(notes.levels(path, values, white_is_zero))
        colour, alpha = _without_alpha(image)
        colour = _srgb(colour, icc if to_srgb else None)
    if alpha is not None and alpha.getextrema()[0] < 255:
        colour = Image.composite(colour, Image.new("RGB", colour.size, "white"), alpha)
        notes.transparent.append(path)
    if orientation in UPRIGHT:
        colour = colour.transpose(UPRIGHT[orientation])
    if several:
        notes.frames.append(path)
    notes.sizes[path] = colour.size
    return colour


def _without_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    if image.mode == "La":
        image = image.convert("LA")
    if not image.has_transparency_data:
        return image, None
    drawn = image.convert("RGBA")
    grey = image.mode in ("L", "LA")
    return drawn.convert("RGB").convert("L" if grey else "RGB"), drawn.getchannel("A")


def _srgb(image: Image.Image, icc: bytes | None) -> Image.Image:
    """In mode RGB; a profile that is broken, or of another kind of image, is ignored."""
    if image.mode not in ("L", "RGB", "CMYK"):
        image = image.convert("RGB")
    if icc:
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            if "sRGB" not in ImageCms.getProfileDescription(profile):
                return ImageCms.profileToProfile(image, profile, _srgb_profile(), outputMode="RGB")
        except Exception:  # ImageCms raises several kinds, and is missing from some builds
            pass
    return image.convert("RGB")


@cache
def _srgb_profile() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def _orientation(image: Image.Image) -> int:
    try:
        return image.getexif().get(ORIENTATION, 1)
    except Exception:  # the metadata are damaged, the image is not
        return 1


def _several(image: Image.Image) -> bool:
    """Whether there are more frames. A phone's MPO has a depth map, a PSD has layers."""
    try:
        return getattr(image, "is_animated", False) and image.format not in ("MPO", "PSD")
    except Exception:  # the first frame is there, the next is damaged
        return True


def _is_heic(start: bytes) -> bool:
    return start[4:8] == b"ftyp" and start[8:12] in HEIC


def _explained(path: Path, error: Exception) -> tuple[str, str]:
    """Why a file can't be read, and what to do."""
    start = head(path)
    text = start.lstrip().lower()
    if path.is_dir():
        return "It is a folder.", "Name a file in it."
    if isinstance(error, Image.DecompressionBombError):
        limit = 2 * (Image.MAX_IMAGE_PIXELS or 0) / 1e6
        return f"It has more than {limit:.0f} million pixels.", "Scale it down in an image editor."
    if path.is_file() and path.stat().st_size == 0:
        return "The file is empty.", "Copy or download it again."
    if _is_heic(start) or path.suffix.lower() in (".heic", ".heif"):
        return "It is an HEIC image.", "Convert it to JPEG, or: pip install pillow-heif"
    if start[4:12] == b"ftypavif":
        return "It is an AVIF image.", "Convert it to JPEG, or: pip install --upgrade pillow"
    if path.suffix.lower() in RAW:
        return "It is a camera's raw file.", "Export it as JPEG."
    if b"<svg" in text:
        return "It is an SVG drawing: it has no pixels.", "Export it as PNG."
    if text.startswith((b"<!doctype", b"<html")):
        return "It is a web page, saved instead of an image.", "Download it again."
    if isinstance(error, UnidentifiedImageError):
        return "Pillow finds no image in it.", AGAIN
    return f"The error is: {error}", AGAIN
