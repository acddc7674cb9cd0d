"""Save README's images: figures of the executed notebooks, as PNG with at most 256 colours.

python benchmarks/gallery.py
"""

from base64 import b64decode
from io import BytesIO
from pathlib import Path

import nbformat
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
FIGURES = {
    "digits": "5.1",
    "galaxies": "3.7",
    "flowers": "7.1",
    "enlarged": "8.5",
    "translated": "9.3",
}
"""The number of each image's figure: N.M in notebook N."""


def figure(number: str) -> Image.Image:
    """The image of a figure: the last output before the cell with its caption."""
    (path,) = (ROOT / "solutions").glob(f"{int(number.split('.')[0]):02}_*.ipynb")
    png = None
    for cell in nbformat.read(path, as_version=4).cells:
        for output in cell.get("outputs", ()):
            png = output.get("data", {}).get("image/png", png)
        if cell.cell_type == "markdown" and f"*Figure {number}." in cell.source:
            return Image.open(BytesIO(b64decode(png)))
    raise SystemExit(f"{path.name} has no Figure {number}")


def main() -> None:
    for name, number in FIGURES.items():
        image = figure(number).convert("RGB")
        if image.width > 1280:
            image = image.resize((1280, round(image.height * 1280 / image.width)), Image.LANCZOS)
        path = ROOT / "assets" / f"{name}.png"
        image.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
        print(f"assets/{path.name}: Figure {number}, {path.stat().st_size // 1000} kB")


if __name__ == "__main__":
    main()
